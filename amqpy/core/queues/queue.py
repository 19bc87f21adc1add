"""A queue: messages in order, consumers in line.

The rule that everything keeps: after each operation is settled, no message waits while a consumer stands in line.

Most queues have no arguments and no policy: they are `plain`, and a publish to them asks for nothing else. What
arguments and policies want (`settings`) happens beside that path: in `_admit`, where messages come in under limits
and times to live, and where they leave. A message that dies is put on the agenda with the reason, for `dead_letter`.

Source: AMQP 0-9-1 section 3.1.4; `rabbit_amqqueue_process`, `rabbit_variable_queue`, `rabbit_priority_queue`,
`rabbit_queue_consumers`.
"""

from collections import deque
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias

from amqpy.core.administration.policies import NO_RULING
from amqpy.core.agenda import Agenda
from amqpy.core.arguments import CLASSIC, PLAIN, Settings
from amqpy.core.deduplication import deduplication_key
from amqpy.core.effects import Client
from amqpy.core.ledger import Ledger
from amqpy.core.message import Message, body_size
from amqpy.core.queues.consumers import Consumer
from amqpy.core.queues.lease import Lease
from amqpy.core.structures import LevelledFifo, ReadyFifo
from amqpy.errors import AccessRefused, PreconditionFailed
from amqpy.wire.properties import headers_of, priority_of
from amqpy.wire.values import Table

if TYPE_CHECKING:
    from amqpy.core.exchanges import Binding
    from amqpy.core.vhost import Vhost

ReturnWay: TypeAlias = Literal["nack", "reject", "recover", "down"]
"""How a message comes back: by basic.nack, basic.reject or basic.recover, or because its channel is gone."""

EXPIRED_MAX = 100
"""Messages that a queue lets die in one go; when a million expire at once, others get their turn in between."""


class Queue:
    """A queue of a vhost."""

    type: ClassVar[str] = CLASSIC
    buries_last_first: ClassVar[bool] = False
    """Of several messages that one drives out, the last one dropped is the first dead letter."""
    refusal_fails_commit: ClassVar[bool] = True
    """Whether a transaction with a message that is refused fails."""
    __slots__ = (
        "active",
        "agenda",
        "arguments",
        "auto_delete",
        "bindings",
        "consumers",
        "contents",
        "deleted",
        "durable",
        "exclusive_consumer",
        "expires_at_ms",
        "gone",
        "lease",
        "line",
        "lines",
        "may_expire",
        "name",
        "owner",
        "plain",
        "ready",
        "ruling",
        "settings",
        "unacked",
        "vhost",
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
        self.vhost = vhost
        self.name = name
        self.durable = durable
        self.auto_delete = auto_delete
        self.owner = owner
        """The connection an exclusive queue belongs to."""
        self.arguments = arguments
        self.ruling = NO_RULING
        self.agenda = agenda
        self.bindings: dict[Binding, None] = {}
        self.settings = PLAIN
        self.plain = True
        """Nothing in the settings concerns a publish."""
        self.ready: ReadyFifo[Message] = ReadyFifo()
        self.unacked = 0
        self.consumers: dict[Consumer, None] = {}
        self.line: deque[Consumer] = deque()
        """Who can take a message: those of the highest priority of whom anybody can."""
        self.lines: dict[int, deque[Consumer]] | None = None
        """The lines by priority, the highest first, once a consumer came with one."""
        self.gone = 0
        """How many in the lines have left and are still there."""
        self.active: Consumer | None = None
        """The one that is served, where only a single one is."""
        self.exclusive_consumer = False
        self.deleted = False
        self.may_expire = False
        """Whether a message with an end of life came in since the queue was empty."""
        self.expires_at_ms: int | None = None
        """When its first message expires, as the agenda has it."""
        self.lease: Lease | None = None
        self.contents: set[Hashable] | None = None
        """The deduplication keys of the messages it is responsible for, where it takes none twice."""

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
        self._choose_fifo()
        is_limited = settings.max_length is not None or settings.max_length_bytes is not None
        self.plain = not (is_limited or settings.message_ttl_ms is not None or self.contents is not None)
        self.plain = self.plain and type(self.ready) is ReadyFifo
        # RabbitMQ has the new limits before the new overflow: what is here goes by either.
        if is_limited and "drop-head" in {before.overflow, settings.overflow}:
            self._drop_excess()

    def _choose_fifo(self) -> None:
        """A plain FIFO as long as it does."""
        if self.settings.max_priority or self.settings.max_length_bytes is not None:
            if not isinstance(self.ready, LevelledFifo):
                self.ready = LevelledFifo(self.level_of, body_size, self.ready)
        elif isinstance(self.ready, LevelledFifo):
            self.ready = self.ready.base()

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

    def publish(self, message: Message) -> bool:
        """Takes responsibility for the message, unless the answer is True: then it is refused (x-overflow). If a
        consumer is in line, it gets it now."""
        if not self.plain:
            if self in self.agenda.dirty:
                # What a consumer can have by now does not count towards the limits.
                del self.agenda.dirty[self]
                self.drain()
            return self._admit(message)
        ready = self.ready
        if self.line and not ready.fresh and not ready.returned:
            consumer = self._next_consumer()
            if consumer is not None:
                consumer.deliver(ready.pass_by(message), message, False)
                return False
        ready.fresh.append(message)
        if message.expires_at_ms is not None:
            self.may_expire = True
            self.watch_first()
        return False

    def _admit(self, message: Message) -> bool:
        """`publish` where arguments or policies have a say."""
        settings = self.settings
        if settings.overflow != "drop-head" and self._would_overflow(message):
            if settings.overflow == "reject-publish-dlx":
                self.post(message, "maxlen")
            return True
        if self.contents is not None and self._is_duplicate(message):
            return False
        message = self._with_ttl(message)
        ready = self.ready
        if self.line and not ready.fresh and not ready.returned:
            consumer = self._next_consumer()
            if consumer is not None:
                consumer.deliver(ready.pass_by(message), message, False)
                return False
        ready.append(message)
        if settings.overflow == "drop-head":
            self._drop_excess()
        if message.expires_at_ms is not None or self.may_expire:
            self.may_expire = True
            self.watch_first()
        return False

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

    def _drop_excess(self) -> None:
        """Drops the first messages as long as there are too many (those of the highest priority, as RabbitMQ)."""
        length, size = self.limits()
        if length is None and size is None:
            return
        ready = self.ready
        dropped = []
        while ready and (
            (length is not None and len(ready) > length)
            or (size is not None and isinstance(ready, LevelledFifo) and ready.size > size)
        ):
            dropped.append(ready.pop()[1])
        for message in reversed(dropped) if self.buries_last_first else dropped:
            self.bury(message, "maxlen")
        if dropped and self.may_expire:
            self.drop_expired()
            self.watch_first()

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

    # --- messages out

    def drain(self) -> None:
        """Hands out messages as long as there is a message and a consumer in line."""
        if self.may_expire:
            self._drain_expiring()
            return
        ready = self.ready
        while (ready.fresh or ready.returned) and (consumer := self._next_consumer()) is not None:
            position, message, returned = ready.pop()
            consumer.deliver(position, message, returned)

    def _drain_expiring(self) -> None:
        """`drain` where each message may be too old by the time it is the first one."""
        ready = self.ready
        while self.drop_expired() and (consumer := self._next_consumer()) is not None:
            position, message, returned = ready.pop()
            consumer.deliver(position, message, returned)
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
            self._drop_excess()
        if message.expires_at_ms is not None or self.may_expire:
            self.may_expire = True
            self.watch_first()

    def reject(self, message: Message) -> None:
        """An unacknowledged message is not wanted."""
        self.unacked -= 1
        if not self.deleted:
            self.bury(message, "rejected")

    def settled(self, message: Message) -> None:
        """The queue is not responsible for the message any more. Only called where it takes none twice."""
        if self.contents is not None:
            self.contents.discard(deduplication_key(headers_of(message.header)))

    def bury(self, message: Message, reason: str) -> None:
        """A message dies here: dropped, or a dead letter."""
        if self.contents is not None:
            self.settled(message)
        self.post(message, reason)

    def post(self, message: Message, reason: str) -> None:
        """For the dead letter exchange, if there is one, when the operation is over."""
        if self.settings.dead_letter_exchange is not None:
            self.agenda.dead.append((self, message, reason))

    def unsent(self, message: Message, reason: str) -> None:
        """Nobody took the dead letter."""

    def discard(self) -> int:
        """Drops the messages that wait, to be freed bit by bit; returns their number."""
        messages = self.ready.clear()
        count = len(messages)
        if self.contents is not None:
            for message in messages:
                self.settled(message)
        if count:
            self.agenda.discarded.append(messages)
        if self.may_expire:
            self.watch_first()
        return count

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
            self.bury(ready.pop()[1], "expired")
            count += 1
        return False

    # --- consumers

    consumer_type: ClassVar[Callable[..., Consumer]] = Consumer
    prefetch: ClassVar[int] = 0
    """What a consumer has that asked for none; 0 is no limit."""

    def check_consume(self, ledger: Ledger, *, exclusive: bool) -> None:
        """Raises AccessRefused when there may be no (further) consumer."""
        if self.exclusive_consumer or (exclusive and (self.consumers or self.settings.single_active)):
            raise AccessRefused(f"queue '{self.name}' in vhost '{self.vhost.name}' in exclusive use")

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

    def add_consumer(self, consumer: Consumer) -> None:
        self.consumers[consumer] = None
        consumer.ledger.consumers[consumer] = None
        self.exclusive_consumer = consumer.exclusive
        if self.lease is not None:
            self.lease.renew()
        if consumer.priority and self.lines is None:
            self.lines = {0: self.line}
        if self.lines is not None and consumer.priority not in self.lines:
            self.lines[consumer.priority] = deque()
            self.lines = dict(sorted(self.lines.items(), reverse=True))
        if self.settings.single_active:
            if self.active is not None:
                # Neither in line nor waiting for credit: it waits to become the active one.
                consumer.parked = False
                return
            self.active = consumer
        consumer.resume()

    def remove_consumer(self, consumer: Consumer) -> None:
        """What the consumer owes stays owed by its channel."""
        del self.consumers[consumer]
        del consumer.ledger.consumers[consumer]
        if consumer.exclusive:
            self.exclusive_consumer = False
        if self.lease is not None and not self.consumers:
            self.lease.renew()
        in_line = not consumer.parked and (self.active is None or self.active is consumer)
        consumer.leave()
        if in_line or self.lines is not None:
            self._clear_line()
        if self.active is consumer:
            self.active = self.choose_active()
            if self.active is not None:
                self.active.parked = True
                self.active.resume()

    def choose_active(self) -> Consumer | None:
        """Who is served next, where only a single one is: the first of the highest priority."""
        return max(self.consumers, key=lambda consumer: consumer.priority, default=None)

    def line_up(self, consumer: Consumer) -> None:
        """A consumer can take messages (again)."""
        if self.lines is None:
            self.line.append(consumer)
        else:
            self.lines[consumer.priority].append(consumer)
            self._choose_line()
        if self.ready.fresh or self.ready.returned:
            self.agenda.dirty[self] = None

    def _next_consumer(self) -> Consumer | None:
        """Whose turn it is. Those that cannot take a message after all leave the line."""
        line = self.line
        while line:
            consumer = line[0]
            if consumer.can_take():
                if len(line) > 1:
                    line.rotate(-1)
                return consumer
            line.popleft()
            consumer.parked = True
            if not line and self.lines is not None:
                line = self._choose_line()
        return None

    def _choose_line(self) -> deque[Consumer]:
        """The line of the highest priority with anybody in it."""
        assert self.lines is not None
        self.line = next((line for line in self.lines.values() if line), self.line)
        return self.line

    def _clear_line(self) -> None:
        """Somebody in a line has left. They are taken out once they are as many as the others: so it costs each the
        same however long the line is."""
        self.gone += 1
        lines = [self.line] if self.lines is None else list(self.lines.values())
        if 2 * self.gone <= sum(map(len, lines)):
            return
        self.gone = 0
        for line in lines:
            staying = [consumer for consumer in line if consumer in self.consumers]
            line.clear()
            line.extend(staying)
        if self.lines is not None:
            priorities = {consumer.priority for consumer in self.consumers}
            self.lines = {priority: line for priority, line in self.lines.items() if priority in priorities}
            self._choose_line()
