"""Classic queues: messages in order, consumers in line.

The invariant: after each operation is settled, no message is ready while a consumer stands in line.

Most queues have no arguments and no policy: they have a fast publish, which checks nothing else. Arguments and
policies (`settings`) act beside that path: in `_admit`, where messages are published under limits and TTLs, and
where they leave. A message to be dead-lettered is given to the scheduler with the reason, for `dead_letter`.

Source: AMQP 0-9-1 section 3.1.4; `rabbit_amqqueue_process`, `rabbit_variable_queue`, `rabbit_priority_queue`,
`rabbit_queue_consumers`.
"""

from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias

from amqpy.core.administration.policies import NO_POLICY
from amqpy.core.arguments import CLASSIC, Settings
from amqpy.core.deduplication import deduplication_key
from amqpy.core.durability.records import LaneRecord, LaneState
from amqpy.core.message import Message, body_size
from amqpy.core.ports import Client
from amqpy.core.queues.dispatch import ConsumerDispatch
from amqpy.core.queues.excess import drop_excess
from amqpy.core.queues.expiry import QueueExpiry
from amqpy.core.queues.paged_fifo import PagedFifo
from amqpy.core.queues.priority_fifo import PriorityFifo
from amqpy.core.queues.ready_fifo import ReadyFifo
from amqpy.core.scheduler import Scheduler
from amqpy.errors import PreconditionFailed
from amqpy.wire.properties import headers_of, priority_of
from amqpy.wire.values import Table

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

    from amqpy.core.exchanges import Binding
    from amqpy.core.jobs import Steps
    from amqpy.core.queues.delayed_messages import DelayedMessages
    from amqpy.core.vhost import Vhost

ReturnWay: TypeAlias = Literal["nack", "reject", "recover", "down"]
"""The cause of a requeue: basic.nack, basic.reject or basic.recover, or the end of the channel ("down")."""

READ_MAX = 4 * 1024 * 1024
"""Bytes of bodies that are read from the store for the deliveries of one turn: a few milliseconds of work."""

EXPIRED_MAX = 100
"""Expired messages that a queue drops in one go; when a million expire at once, others are served in between."""


class Queue(ConsumerDispatch):
    """A classic queue of a vhost."""

    type: ClassVar[str] = CLASSIC
    buries_last_first: ClassVar[bool] = False
    """True if, of several messages that one publish drops, the last one is dead-lettered first."""
    refusal_fails_commit: ClassVar[bool] = True
    """True if tx.commit fails when a message is refused here."""
    is_reply_queue: ClassVar[bool] = False
    __slots__ = (
        "arguments",
        "auto_delete",
        "bindings",
        "dedup_keys",
        "deleted",
        "durable",
        "expires_at_ms",
        "has_fast_publish",
        "is_held",
        "is_shrinking",
        "may_expire",
        "owner",
        "policy",
        "tracks_settlement",
        "unacked_count",
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
        scheduler: Scheduler,
    ) -> None:
        super().__init__(vhost, name, scheduler)
        self.durable = durable
        self.ready = self._new_fifo(0)
        self.auto_delete = auto_delete
        self.owner = owner
        """The connection of an exclusive queue, else None."""
        self.arguments = arguments
        self.policy = NO_POLICY
        self.bindings: dict[Binding, None] = {}
        self.has_fast_publish = True
        """True if nothing in the settings concerns a publish."""
        self.unacked_count = 0
        self.deleted = False
        self.is_held = False
        """True while a large requeue goes on: nothing is delivered before all of its messages are back."""
        self.is_shrinking = False
        """True while a job drops the messages beyond its length limit bit by bit."""
        self.may_expire = False
        """True if a message with an expiry time was published since the queue was empty."""
        self.expires_at_ms: int | None = None
        """The time at which its first message expires, for which the timer is set; None without one."""
        self.dedup_keys: set[Hashable] | None = None
        """The deduplication keys of its messages, ready or unacknowledged; None without deduplication."""
        self.tracks_settlement = durable and scheduler.journal is not None
        """True if `settled` must be called for each message."""

    # --- settings

    def configure(self, settings: Settings) -> None:
        """Applies what arguments and policies come to. It takes effect on the messages that are here already, too; only
        a new message TTL is for those to come."""
        before, self.settings = self.settings, settings
        if settings.expires_ms != before.expires_ms:
            if self.expiry is not None:
                self.expiry.end()
            self.expiry = None if settings.expires_ms is None else QueueExpiry(self, settings.expires_ms)
        if settings.consumer_timeout_ms is not None and self.scheduler.consumer_timeouts is not None:
            self.scheduler.consumer_timeouts.start()
        if settings.deduplicates and self.dedup_keys is None:
            self.dedup_keys = set()
            self.tracks_settlement = True
        self._choose_fifo()
        is_limited = settings.max_length is not None or settings.max_length_bytes is not None
        self.has_fast_publish = not (is_limited or settings.message_ttl_ms is not None or self.dedup_keys is not None)
        self.has_fast_publish = self.has_fast_publish and not isinstance(self.ready, PriorityFifo)
        if not self.has_fast_publish:
            self.end_patience()
        # RabbitMQ applies the new limits before the new overflow: messages are dropped by either.
        if is_limited and "drop-head" in {before.overflow, settings.overflow}:
            drop_excess(self)

    def _choose_fifo(self) -> None:
        """Uses a FIFO without levels where priorities and length in bytes are not limited."""
        if self.settings.max_priority or self.settings.max_length_bytes is not None:
            if not isinstance(self.ready, PriorityFifo):
                self.ready = self._levelled()
        elif isinstance(self.ready, PriorityFifo):
            self.ready = self.ready.base()

    # --- places for messages

    @property
    def returns_in_turn(self) -> bool:
        """Whether what a channel that ends gives back comes in the order in which its consumers began, not in that of
        their tags. Of no matter where messages go back to their places."""
        return False

    keeps_all: ClassVar[bool] = False
    """True if transient messages survive a restart, too."""

    def _new_fifo(self, level: int) -> ReadyFifo[Message]:
        """Makes the FIFO of a priority level; each level has a lane of its own in the store."""
        journal = self.scheduler.journal
        if journal is None:
            return ReadyFifo()
        record = LaneRecord(0, self.vhost.name, "queue", self.name, level, 0) if self.durable else None
        return PagedFifo(journal, record, keeps_all=self.keeps_all)

    def _levelled(self) -> PriorityFifo[Message]:
        base = self.ready
        size = base.size if isinstance(base, PagedFifo) else None
        return PriorityFifo(self.level_of, body_size, base, make=self._new_fifo, size=size)

    def lanes(self) -> "Iterator[PagedFifo | DelayedMessages]":
        """Its lanes in the store, also those that are empty."""
        fifos = self.ready.levels() if isinstance(self.ready, PriorityFifo) else (self.ready,)
        return (fifo for fifo in fifos if isinstance(fifo, PagedFifo))

    def restore(self, record: LaneRecord, state: LaneState, *, delivered_before: int) -> None:
        """Makes the messages that the store has in one of its lanes ready again."""
        lane = self._new_fifo(record.level) if record.level else self._level_0()
        assert isinstance(lane, PagedFifo)
        lane.restore(record.number, state, delivered_before=delivered_before)
        if isinstance(self.ready, PriorityFifo):
            self.ready.join(record.level, lane, lane.size)
        for _, message in lane if self.dedup_keys is not None else ():
            self._is_duplicate(message)
        if len(lane):
            # Their expiry times are not known before they are read.
            self.may_expire = True
            self.watch_first()

    def restored(self) -> None:
        """Drops excess when all messages are restored: with the unacknowledged ones they may exceed the limits."""
        if self.settings.overflow == "drop-head":
            drop_excess(self)

    def _level_0(self) -> ReadyFifo[Message]:
        return self.ready.base() if isinstance(self.ready, PriorityFifo) else self.ready

    def use(self, *, by_get: bool = False) -> None:
        """Restarts the timer of x-expires: the queue was declared again or asked for a message."""
        if self.expiry is not None:
            self.expiry.renew()

    @property
    def consumer_count(self) -> int:
        return len(self.consumers)

    def level_of(self, message: Message) -> int:
        """The priority level of the message; the highest is delivered first."""
        highest = self.settings.max_priority
        return min(priority_of(message.header), highest) if highest else 0

    # --- messages in

    @property
    def is_patient(self) -> bool:
        """True if a message may as well stay here as wait to be read by the consumer: no other consumer could take
        it, and no limit or TTL drops it."""
        return self.has_fast_publish and not self.may_expire and len(self.consumers) == 1

    def publish(self, message: Message) -> bool:
        """Takes the message, or returns True: then it is refused (x-overflow). If a consumer is in line, the message
        is delivered at once."""
        if not self.has_fast_publish:
            if self.scheduler.queues_to_drain or self.scheduler.queues_to_drain_further:
                self.finish_draining()
            return self._admit(message)
        ready = self.ready
        if self.ready_consumers and not ready.never_delivered and not ready.requeued:
            consumer = self._next_consumer()
            if consumer is not None:
                consumer.deliver(ready.append_and_pop(message), message, False)
                return False
        if message.expires_at_ms is not None:
            return self._admit(message)
        ready.append(message)
        return False

    def _admit(self, message: Message) -> bool:
        """`publish` where arguments or policies concern it."""
        settings = self.settings
        if settings.overflow != "drop-head" and self._would_overflow(message):
            if settings.overflow == "reject-publish-dlx":
                self.dead_letter(None, message, "maxlen")
            return True
        if self.dedup_keys is not None and self._is_duplicate(message):
            return False
        message = self._with_ttl(message)
        if message.expires_at_ms is not None and not self.may_expire:
            self.may_expire = True
            self.end_patience()
            self.may_expire = True  # also if nothing is ready any more
        ready = self.ready
        if self.ready_consumers and not ready.never_delivered and not ready.requeued:
            consumer = self._next_consumer()
            if consumer is not None:
                consumer.deliver(ready.append_and_pop(message), message, False)
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
        """Sets the timer for a message that expires at `at_ms`; if that is now, drops it before the next publish."""
        if at_ms <= self.scheduler.now_ms:
            self.drop_expired()
        self.watch_first()

    def _with_ttl(self, message: Message) -> Message:
        """The message with its expiry time in this queue: the earlier of its own and the queue's message TTL."""
        if self.settings.message_ttl_ms is None:
            return message
        expires_at_ms = self.scheduler.now_ms + self.settings.message_ttl_ms
        if message.expires_at_ms is not None and message.expires_at_ms <= expires_at_ms:
            return message
        return message.until(expires_at_ms)

    def _would_overflow(self, message: Message) -> bool:
        length, size = self.settings.max_length, self.settings.max_length_bytes
        return (length is not None and len(self.ready) >= length) or (
            size is not None and isinstance(self.ready, PriorityFifo) and self.ready.size + len(message.body) > size
        )

    def limits(self) -> tuple[int | None, int | None]:
        """The most messages that may be ready, and the most bytes of their bodies; None is no limit."""
        return self.settings.max_length, self.settings.max_length_bytes

    def _is_duplicate(self, message: Message) -> bool:
        """True if a message with the same deduplication header is here; otherwise remembers the header."""
        assert self.dedup_keys is not None
        key = deduplication_key(headers_of(message.header))
        if key is None:
            return False
        if key in self.dedup_keys:
            return True
        self.dedup_keys.add(key)
        return False

    def forget(self, message: Message) -> None:
        """Allows another message with the same deduplication header."""
        if self.dedup_keys is not None:
            self.dedup_keys.discard(deduplication_key(headers_of(message.header)))

    # --- messages out

    def drain(self, read_max: int = READ_MAX) -> None:
        """Delivers as long as there is a ready message and a consumer in line. After reading more than `read_max` bytes
        from the store it goes on in the next turn."""
        if self.may_expire or self.is_held:
            self._drain_expiring(read_max)
            return
        ready, journal = self.ready, self.scheduler.journal
        read_max += 0 if journal is None else journal.read_size
        while (ready.never_delivered or ready.requeued) and (consumer := self._next_consumer()) is not None:
            position, message, returned = ready.pop()
            consumer.deliver(position, message, returned)
            if journal is not None and journal.read_size > read_max:
                self.scheduler.queues_to_drain_further[self] = None
                return

    def _drain_expiring(self, read_max: int) -> None:
        """`drain` where messages may have expired, or a large requeue goes on."""
        if self.is_held:
            return
        ready, journal = self.ready, self.scheduler.journal
        read_max += 0 if journal is None else journal.read_size
        while self.drop_expired() and (consumer := self._next_consumer()) is not None:
            position, message, returned = ready.pop()
            consumer.deliver(position, message, returned)
            if journal is not None and journal.read_size > read_max:
                self.scheduler.queues_to_drain_further[self] = None
                break
        self.watch_first()

    def take(self, *, no_ack: bool) -> tuple[int, Message, bool] | None:
        """Takes the first message for basic.get: position, message, redelivered; None when there is none. Expired
        messages behind it are dropped at once, so that they are not counted."""
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
        """Drops the expired messages at the head before `take`, which would have to do it in one go: a job."""
        while self.may_expire and self.ready and not self.drop_expired():
            yield 2 * EXPIRED_MAX

    def shown(self, message: Message, *, by_get: bool = False) -> Message:
        """The message as it is sent to a client."""
        return message

    def requeue(self, position: int, message: Message, way: ReturnWay) -> None:
        """Requeues an unacknowledged message at its old position."""
        self.unacked_count -= 1
        self.ready.put_back(position, message)
        if self.ready_consumers:
            self.scheduler.queues_to_drain[self] = None
        if self.settings.overflow == "drop-head":
            drop_excess(self)
        if message.expires_at_ms is not None or self.may_expire:
            self.may_expire = True
            self.watch_first()

    def reject(self, position: int, message: Message) -> None:
        """Drops or dead-letters an unacknowledged message."""
        self.unacked_count -= 1
        if not self.deleted:
            self.drop(position, message, "rejected")

    def settled(self, position: int, message: Message) -> None:
        """Forgets a message that was acknowledged, dropped or expired. Called only if `tracks_settlement`."""
        self.forget(message)
        self.ready.settle(position, message)

    def drop(self, position: int, message: Message, reason: str) -> None:
        """Drops a message, or dead-letters it: then it is settled once the dead letter is sent."""
        if self.settings.dead_letter_exchange is not None:
            self.forget(message)
            self.dead_letter(position, message, reason)
        elif self.tracks_settlement:
            self.settled(position, message)

    def dead_letter(self, position: int | None, message: Message, reason: str) -> None:
        """Dead-letters a message at the next `settle`, if there is an exchange for it. No position: it was refused."""
        if self.settings.dead_letter_exchange is not None:
            self.scheduler.dead_letters.append((self, position, message, reason))

    def dead_lettered(self, position: int | None, message: Message) -> None:
        """Settles a message whose dead letter was sent, or had nowhere to go."""
        if position is not None and self.tracks_settlement:
            self.ready.settle(position, message)

    def retry_dead_letter(self, position: int | None, message: Message, reason: str) -> bool:
        """Called when no queue took the dead letter. True if it will be sent again."""
        return False

    def purge(self) -> int:
        """Drops the ready messages and returns their number. They are freed bit by bit. Where each must be settled by
        itself, that is a job."""
        count = len(self.ready)
        if self._parts_singly():
            self.scheduler.jobs.do(self._part_with(count))
        else:
            self._clear()
        return count

    def _clear(self) -> None:
        self.scheduler.discarded.extend(self.ready.clear())
        if self.may_expire:
            self.watch_first()

    def _parts_singly(self) -> bool:
        """True if purged messages must be settled one by one. Requeued messages have rows of their own in the store."""
        return self.dedup_keys is not None or (self.tracks_settlement and self.ready.has_requeued)

    def _part_with(self, count: int) -> "Steps":
        """Settles `count` messages from the head: a job. Messages published meanwhile may be among them."""
        for _ in range(count):
            if not self.ready or not self._parts_singly():
                break
            position, message, _ = self.ready.pop()
            self.settled(position, message)
            yield 2
        if self.dedup_keys is None:
            self._clear()
        elif self.may_expire:
            self.watch_first()

    def close(self) -> None:
        """Drops its lanes from the store when it is deleted, with ready and unacknowledged messages."""
        for lane in self.lanes():
            lane.close()
        self.tracks_settlement = False
        self.dedup_keys = None

    def release(self) -> None:
        """Breaks reference cycles when it is deleted and empty: the garbage collector runs seldom."""
        if self.expiry is not None:
            self.expiry.end()
        self.expiry = None
        self.ready = ReadyFifo()

    # --- time

    def watch_first(self) -> None:
        """Sets the timer for the expiry of the first message. Those behind it expire when they are first (as in
        RabbitMQ's classic queues): only the first one is ever delivered, so none is delivered too late."""
        first = self.ready.first()
        if first is None:
            self.may_expire = False
        at_ms = None if first is None else first.expires_at_ms
        if at_ms == self.expires_at_ms:
            return
        self.expires_at_ms = at_ms
        if at_ms is None:
            self.scheduler.deadlines.discard(self)
        else:
            self.scheduler.deadlines.set(self, at_ms)

    def on_timer(self) -> None:
        """Drops the first messages when they expire (`scheduler.TimerTarget`)."""
        self.expires_at_ms = None
        if self.drop_expired() and self.ready_consumers:
            self.scheduler.queues_to_drain[self] = None
        self.watch_first()

    def drop_expired(self) -> bool:
        """Drops expired messages at the head, at most `EXPIRED_MAX`. True if the message that is first now may be
        delivered."""
        now_ms = self.scheduler.now_ms
        ready = self.ready
        count = 0
        while (first := ready.first()) is not None:
            if first.expires_at_ms is None or first.expires_at_ms > now_ms:
                return True
            if count == EXPIRED_MAX:
                return False
            position, message, _ = ready.pop()
            self.drop(position, message, "expired")
            count += 1
        return False

    # --- checks

    def check_get(self) -> None:
        """Raises the fault that refuses basic.get, where the queue does not support it."""

    def check_delete(self, *, if_unused: bool, if_empty: bool) -> None:
        """Raises PreconditionFailed if a condition does not hold, Unimplemented if the flag is not supported."""
        if if_unused and self.consumers:
            raise PreconditionFailed(f"queue '{self.name}' in vhost '{self.vhost.name}' in use")
        if if_empty and self.ready:
            raise PreconditionFailed(f"queue '{self.name}' in vhost '{self.vhost.name}' not empty")

    @classmethod
    def check_properties(cls, what: str, *, durable: bool, exclusive: bool, auto_delete: bool) -> None:
        """Raises PreconditionFailed for what a queue of this type cannot be."""
