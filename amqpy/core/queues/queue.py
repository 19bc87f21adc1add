"""A queue: messages in order, consumers in line.

The rule that everything keeps: after each operation is settled, no message waits while a consumer stands in line.

Most queues have no arguments and no policy: they are `plain`, and a publish to them asks for nothing else. What
arguments and policies want (`settings`) happens beside that path: in `_admit`, where messages come in under limits
and times to live, and where they leave. A message that dies is put on the agenda with the reason, for `dead_letter`.

Source: AMQP 0-9-1 section 3.1.4; `rabbit_amqqueue_process`, `rabbit_variable_queue`, `rabbit_priority_queue`,
`rabbit_queue_consumers`.
"""

from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias

from amqpy.core.administration.policies import NO_RULING
from amqpy.core.agenda import Agenda
from amqpy.core.arguments import CLASSIC, Settings
from amqpy.core.deduplication import deduplication_key
from amqpy.core.effects import Client
from amqpy.core.facts import LaneRecord, LaneState
from amqpy.core.message import Message, body_size
from amqpy.core.queues.consumers import Served
from amqpy.core.queues.excess import drop_excess
from amqpy.core.queues.lane import Lane
from amqpy.core.queues.lease import Lease
from amqpy.core.structures import LevelledFifo, ReadyFifo
from amqpy.errors import PreconditionFailed
from amqpy.wire.properties import headers_of, priority_of
from amqpy.wire.values import Table

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

    from amqpy.core.exchanges import Binding
    from amqpy.core.jobs import Steps
    from amqpy.core.queues.shelf import Shelf
    from amqpy.core.vhost import Vhost

ReturnWay: TypeAlias = Literal["nack", "reject", "recover", "down"]
"""How a message comes back: by basic.nack, basic.reject or basic.recover, or because its channel is gone."""

READ_MAX = 4 * 1024 * 1024
"""Bytes of bodies that are read from the store to be handed out in one go: some milliseconds' worth."""

EXPIRED_MAX = 100
"""Messages that a queue lets die in one go; when a million expire at once, others get their turn in between."""


class Queue(Served):
    """A queue of a vhost."""

    type: ClassVar[str] = CLASSIC
    buries_last_first: ClassVar[bool] = False
    """Of several messages that one drives out, the last one dropped is the first dead letter."""
    refusal_fails_commit: ClassVar[bool] = True
    """Whether a transaction with a message that is refused fails."""
    __slots__ = (
        "arguments",
        "auto_delete",
        "bindings",
        "contents",
        "deleted",
        "durable",
        "expires_at_ms",
        "is_held",
        "is_shrinking",
        "keeps_account",
        "may_expire",
        "owner",
        "plain",
        "ruling",
        "unacked",
    )

    def __init__(
        self,
        vhost: "Vhost",
        name: str,
        *,
        durable: bool,
        auto_delete: bool,
        owner: Client | None,
        arguments: Table,
        agenda: Agenda,
    ) -> None:
        super().__init__(vhost, name, agenda)
        self.durable = durable
        self.ready = self._new_fifo(0)
        self.auto_delete = auto_delete
        self.owner = owner
        """The connection an exclusive queue belongs to."""
        self.arguments = arguments
        self.ruling = NO_RULING
        self.bindings: dict[Binding, None] = {}
        self.plain = True
        """Nothing in the settings concerns a publish."""
        self.unacked = 0
        self.deleted = False
        self.is_held = False
        """Messages are coming back: consumers get nothing before all of them are here."""
        self.is_shrinking = False
        """It has far more messages than it may have, and drops them bit by bit."""
        self.may_expire = False
        """Whether a message with an end of life came in since the queue was empty."""
        self.expires_at_ms: int | None = None
        """When its first message expires, as the agenda has it."""
        self.contents: set[Hashable] | None = None
        """The deduplication keys of the messages it is responsible for, where it takes none twice."""
        self.keeps_account = durable and agenda.journal is not None
        """Whether it must hear of every message that is settled."""

    # --- settings

    def configure(self, settings: Settings) -> None:
        """Arguments and policies have come to this. What it means for the messages that are here already happens
        now; only a new time to live is for those to come."""
        before, self.settings = self.settings, settings
        if settings.expires_ms != before.expires_ms:
            if self.lease is not None:
                self.lease.end()
            self.lease = None if settings.expires_ms is None else Lease(self, settings.expires_ms)
        if settings.consumer_timeout_ms is not None and self.agenda.overdue is not None:
            self.agenda.overdue.start()
        if settings.deduplicates and self.contents is None:
            self.contents = set()
            self.keeps_account = True
        self._choose_fifo()
        is_limited = settings.max_length is not None or settings.max_length_bytes is not None
        self.plain = not (is_limited or settings.message_ttl_ms is not None or self.contents is not None)
        self.plain = self.plain and not isinstance(self.ready, LevelledFifo)
        if not self.plain:
            self.end_patience()
        # RabbitMQ has the new limits before the new overflow: what is here goes by either.
        if is_limited and "drop-head" in {before.overflow, settings.overflow}:
            drop_excess(self)

    def _choose_fifo(self) -> None:
        """A plain FIFO as long as it does."""
        if self.settings.max_priority or self.settings.max_length_bytes is not None:
            if not isinstance(self.ready, LevelledFifo):
                self.ready = self._levelled()
        elif isinstance(self.ready, LevelledFifo):
            self.ready = self.ready.base()

    # --- places for messages

    keeps_all: ClassVar[bool] = False
    """Whether transient messages survive a restart, too."""

    def _new_fifo(self, level: int) -> ReadyFifo[Message]:
        """Where messages of this level wait; levels are told apart in the store."""
        journal = self.agenda.journal
        if journal is None:
            return ReadyFifo()
        record = LaneRecord(0, self.vhost.name, "queue", self.name, level, 0) if self.durable else None
        return Lane(journal, record, keeps_all=self.keeps_all)

    def _levelled(self) -> LevelledFifo[Message]:
        base = self.ready
        size = base.size if isinstance(base, Lane) else None
        return LevelledFifo(self.level_of, body_size, base, make=self._new_fifo, size=size)

    def lanes(self) -> "Iterator[Lane | Shelf]":
        """Its places in the store, whether there is anything or not."""
        fifos = self.ready.levels() if isinstance(self.ready, LevelledFifo) else (self.ready,)
        return (fifo for fifo in fifos if isinstance(fifo, Lane))

    def restore(self, record: LaneRecord, state: LaneState, *, delivered_before: int) -> None:
        """What the store has in one of its lanes waits again."""
        lane = self._new_fifo(record.level) if record.level else self._level_0()
        assert isinstance(lane, Lane)
        lane.restore(record.number, state, delivered_before=delivered_before)
        if isinstance(self.ready, LevelledFifo):
            self.ready.join(record.level, lane, lane.size)
        for _, message in lane if self.contents is not None else ():
            self._is_duplicate(message)
        if len(lane):
            # Whether one of them expires is not known before it is read.
            self.may_expire = True
            self.watch_first()

    def restored(self) -> None:
        """All is back, also what was not answered: that may be more than it may hold."""
        if self.settings.overflow == "drop-head":
            drop_excess(self)

    def _level_0(self) -> ReadyFifo[Message]:
        return self.ready.base() if isinstance(self.ready, LevelledFifo) else self.ready

    def use(self, *, by_get: bool = False) -> None:
        """Somebody asked about the queue, or asked it for a message: its lease is renewed."""
        if self.lease is not None:
            self.lease.renew()

    @property
    def consumer_count(self) -> int:
        return len(self.consumers)

    def level_of(self, message: Message) -> int:
        """The level that the message waits on; the highest is served first."""
        highest = self.settings.max_priority
        return min(priority_of(message.header), highest) if highest else 0

    # --- messages in

    @property
    def is_patient(self) -> bool:
        """Whether a message may as well wait here as on its way to a consumer: there is no other who could take it,
        and no rule that drops it."""
        return self.plain and not self.may_expire and len(self.consumers) == 1

    def publish(self, message: Message) -> bool:
        """Takes responsibility for the message, unless the answer is True: then it is refused (x-overflow). If a
        consumer is in line, it gets it now."""
        if not self.plain:
            if self.agenda.dirty or self.agenda.unfinished:
                self.finish_draining()
            return self._admit(message)
        ready = self.ready
        if self.line and not ready.fresh and not ready.returned:
            consumer = self._next_consumer()
            if consumer is not None:
                consumer.deliver(ready.pass_by(message), message, False)
                return False
        if message.expires_at_ms is not None:
            return self._admit(message)
        ready.append(message)
        return False

    def _admit(self, message: Message) -> bool:
        """`publish` where arguments or policies have a say."""
        settings = self.settings
        if settings.overflow != "drop-head" and self._would_overflow(message):
            if settings.overflow == "reject-publish-dlx":
                self.post(None, message, "maxlen")
            return True
        if self.contents is not None and self._is_duplicate(message):
            return False
        message = self._with_ttl(message)
        if message.expires_at_ms is not None and not self.may_expire:
            self.may_expire = True
            self.end_patience()
            self.may_expire = True  # also if nothing waits any more
        ready = self.ready
        if self.line and not ready.fresh and not ready.returned:
            consumer = self._next_consumer()
            if consumer is not None:
                consumer.deliver(ready.pass_by(message), message, False)
                return False
        ready.append(message)
        if settings.overflow == "drop-head":
            drop_excess(self)
        if message.expires_at_ms is not None:
            self._note_expiry(message.expires_at_ms)
        elif self.may_expire:
            self.watch_first()
        return False

    def _note_expiry(self, at_ms: int) -> None:
        """A message came that lives until then. One that may not wait at all is gone before the next one comes."""
        if at_ms <= self.agenda.now_ms:
            self.drop_expired()
        self.watch_first()

    def _with_ttl(self, message: Message) -> Message:
        """The message with the end of life it has in this queue."""
        if self.settings.message_ttl_ms is None:
            return message
        expires_at_ms = self.agenda.now_ms + self.settings.message_ttl_ms
        if message.expires_at_ms is not None and message.expires_at_ms <= expires_at_ms:
            return message
        return message.until(expires_at_ms)

    def _would_overflow(self, message: Message) -> bool:
        length, size = self.settings.max_length, self.settings.max_length_bytes
        return (length is not None and len(self.ready) >= length) or (
            size is not None and isinstance(self.ready, LevelledFifo) and self.ready.size + len(message.body) > size
        )

    def limits(self) -> tuple[int | None, int | None]:
        """How many messages may wait, and how many bytes of them; None is no limit."""
        return self.settings.max_length, self.settings.max_length_bytes

    def _is_duplicate(self, message: Message) -> bool:
        """Whether a message with the same deduplication header is here; else the queue has one now."""
        assert self.contents is not None
        key = deduplication_key(headers_of(message.header))
        if key is None:
            return False
        if key in self.contents:
            return True
        self.contents.add(key)
        return False

    def forget(self, message: Message) -> None:
        """Another one with the same deduplication header may come."""
        if self.contents is not None:
            self.contents.discard(deduplication_key(headers_of(message.header)))

    # --- messages out

    def drain(self, read_max: int = READ_MAX) -> None:
        """Hands out messages as long as there is a message and a consumer in line. If that takes reading more than so
        many bytes, it goes on in the next turn."""
        if self.may_expire or self.is_held:
            self._drain_expiring(read_max)
            return
        ready, journal = self.ready, self.agenda.journal
        read_max += 0 if journal is None else journal.read_size
        while (ready.fresh or ready.returned) and (consumer := self._next_consumer()) is not None:
            position, message, returned = ready.pop()
            consumer.deliver(position, message, returned)
            if journal is not None and journal.read_size > read_max:
                self.agenda.unfinished[self] = None
                return

    def _drain_expiring(self, read_max: int) -> None:
        """`drain` where each message may be too old by the time it is the first one, or must wait for others."""
        if self.is_held:
            return
        ready, journal = self.ready, self.agenda.journal
        read_max += 0 if journal is None else journal.read_size
        while self.drop_expired() and (consumer := self._next_consumer()) is not None:
            position, message, returned = ready.pop()
            consumer.deliver(position, message, returned)
            if journal is not None and journal.read_size > read_max:
                self.agenda.unfinished[self] = None
                break
        self.watch_first()

    def take(self, *, no_ack: bool) -> tuple[int, Message, bool] | None:
        """The first message for basic.get: its position, the message, and whether it was delivered before. What
        expired behind it goes at once, and is not counted any more."""
        if self.may_expire:
            while not self.drop_expired() and self.ready:
                pass
        if not self.ready:
            return None
        taken = self.ready.pop()
        if self.may_expire:
            self.drop_expired()
            self.watch_first()
        return taken

    def expire(self) -> "Steps":
        """Lets all die that nobody may have any more, before `take`, which would have to wait for it: a job."""
        while self.may_expire and self.ready and not self.drop_expired():
            yield 2 * EXPIRED_MAX

    def shown(self, message: Message, *, by_get: bool = False) -> Message:
        """The message as a client gets to see it."""
        return message

    def requeue(self, position: int, message: Message, way: ReturnWay) -> None:
        """An unacknowledged message comes back, to where it was."""
        self.unacked -= 1
        self.ready.put_back(position, message)
        if self.line:
            self.agenda.dirty[self] = None
        if self.settings.overflow == "drop-head":
            drop_excess(self)
        if message.expires_at_ms is not None or self.may_expire:
            self.may_expire = True
            self.watch_first()

    def reject(self, position: int, message: Message) -> None:
        """An unacknowledged message is not wanted."""
        self.unacked -= 1
        if not self.deleted:
            self.bury(position, message, "rejected")

    def settled(self, position: int, message: Message) -> None:
        """The queue is not responsible for the message any more. Only called where it keeps account."""
        self.forget(message)
        self.ready.settle(position, message)

    def bury(self, position: int, message: Message, reason: str) -> None:
        """A message dies here: dropped, or a dead letter, which is done with once it is sent."""
        if self.settings.dead_letter_exchange is not None:
            self.forget(message)
            self.post(position, message, reason)
        elif self.keeps_account:
            self.settled(position, message)

    def post(self, position: int | None, message: Message, reason: str) -> None:
        """For the dead letter exchange, if there is one, when the operation is over. None: it never was in here."""
        if self.settings.dead_letter_exchange is not None:
            self.agenda.dead.append((self, position, message, reason))

    def buried(self, position: int | None, message: Message) -> None:
        """The dead letter is where it was to go, if anywhere."""
        if position is not None and self.keeps_account:
            self.ready.settle(position, message)

    def unsent(self, position: int | None, message: Message, reason: str) -> bool:
        """Nobody took the dead letter. Whether it is to be tried again."""
        return False

    def discard(self) -> int:
        """Drops the messages that wait; returns their number. They are freed bit by bit. Where the queue must part with
        each by itself, that is a job."""
        count = len(self.ready)
        if self._parts_singly():
            self.agenda.jobs.do(self._part_with(count))
        else:
            self._clear()
        return count

    def _clear(self) -> None:
        self.agenda.discarded.extend(self.ready.clear())
        if self.may_expire:
            self.watch_first()

    def _parts_singly(self) -> bool:
        """Whether dropping all that waits takes more than to forget it. What came back lies apart in the store."""
        return self.contents is not None or (self.keeps_account and self.ready.has_returned)

    def _part_with(self, count: int) -> "Steps":
        """Of those that come meanwhile some may go instead of others."""
        for _ in range(count):
            if not self.ready or not self._parts_singly():
                break
            position, message, _ = self.ready.pop()
            self.settled(position, message)
            yield 2
        if self.contents is None:
            self._clear()
        elif self.may_expire:
            self.watch_first()

    def close(self) -> None:
        """The queue is deleted: the store forgets its lanes, with what is in them and what is still owed."""
        for lane in self.lanes():
            lane.close()
        self.keeps_account = False
        self.contents = None

    def let_go(self) -> None:
        """The queue is deleted, and empty: lets go of what leads back to it. Garbage is seldom looked for."""
        if self.lease is not None:
            self.lease.end()
        self.lease = None
        self.ready = ReadyFifo()

    # --- time

    def watch_first(self) -> None:
        """Puts on the agenda when the first message expires. Those behind it wait until they are first (as in
        RabbitMQ's classic queues): only the first one can be had, and so none is had too late."""
        first = self.ready.first()
        if first is None:
            self.may_expire = False
        at_ms = None if first is None else first.expires_at_ms
        if at_ms == self.expires_at_ms:
            return
        self.expires_at_ms = at_ms
        if at_ms is None:
            self.agenda.deadlines.discard(self)
        else:
            self.agenda.deadlines.set(self, at_ms)

    def on_time(self) -> None:
        """The first message's time has come (`agenda.Timed`)."""
        self.expires_at_ms = None
        if self.drop_expired() and self.line:
            self.agenda.dirty[self] = None
        self.watch_first()

    def drop_expired(self) -> bool:
        """Lets the first messages die whose time is over, up to a bound. Whether the one that is first now can be
        had."""
        now_ms = self.agenda.now_ms
        ready = self.ready
        count = 0
        while (first := ready.first()) is not None:
            if first.expires_at_ms is None or first.expires_at_ms > now_ms:
                return True
            if count == EXPIRED_MAX:
                return False
            position, message, _ = ready.pop()
            self.bury(position, message, "expired")
            count += 1
        return False

    # --- checks

    def check_get(self) -> None:
        """Raises what refuses basic.get."""

    def check_delete(self, *, if_unused: bool, if_empty: bool) -> None:
        """Raises PreconditionFailed when a condition does not hold, or Unimplemented."""
        if if_unused and self.consumers:
            raise PreconditionFailed(f"queue '{self.name}' in vhost '{self.vhost.name}' in use")
        if if_empty and self.ready:
            raise PreconditionFailed(f"queue '{self.name}' in vhost '{self.vhost.name}' not empty")

    @classmethod
    def check_properties(cls, what: str, *, durable: bool, exclusive: bool, auto_delete: bool) -> None:
        """Raises PreconditionFailed for what a queue of this type cannot be."""
