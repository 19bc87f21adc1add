"""Queues that keep their messages in a FIFO until they are acknowledged: what classic and quorum queues share.

The invariant: after each operation is settled, no message is ready while a consumer stands in line. Length limits,
message TTL, deduplication and dead-lettering act where messages are published and where they leave. A message to be
dead-lettered is given to the scheduler with the reason, for `dead_letter`.

Source: `rabbit_amqqueue_process`, `rabbit_variable_queue`, `rabbit_priority_queue`.
"""

import sys
from abc import abstractmethod
from collections.abc import Hashable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, ClassVar, Final, TypeAlias

from amqpy.core.arguments import Settings
from amqpy.core.consumer import Consumer, DeliveryCount
from amqpy.core.deduplication import deduplication_key
from amqpy.core.durability.records import LaneRecord, LaneState
from amqpy.core.jobs import LOT, Steps
from amqpy.core.message import Message, body_size
from amqpy.core.names import queue_text
from amqpy.core.queues.delayed_messages import DelayedMessages
from amqpy.core.queues.dispatch import ConsumerDispatch
from amqpy.core.queues.paged_fifo import PagedFifo
from amqpy.core.queues.priority_fifo import PriorityFifo
from amqpy.core.queues.queue import SIZED_MAX, Ahead, Fate, Queue
from amqpy.core.queues.ready_fifo import Place, ReadyFifo
from amqpy.core.statistics import Sizes
from amqpy.errors import AccessRefused
from amqpy.wire.properties import headers_of

EXPIRED_MAX = 100
"""Expired messages that a queue drops in one go; when a million expire at once, others are served in between."""

EXCESS_MAX = 1000
"""Messages beyond a length limit that a queue drops in one go."""

RUN_MESSAGES: Final = 1000
RUN_BYTES: Final = 64 * 1024
"""Messages, and bytes of bodies, from which no more are delivered at once: outboxes and limits are looked at again."""

Dropped: TypeAlias = list[tuple[int, Message]]
"""Positions and messages, in the order in which they were taken."""


class FifoQueue(Queue):
    """A queue whose ready messages are in a FIFO, of one level or several."""

    dead_letters_last_first: ClassVar[bool] = False
    """True if, of several messages that one publish drops, the last one is dead-lettered first."""
    keeps_all: ClassVar[bool] = False
    """True if transient messages survive a restart, too."""
    __slots__ = ("dead_letter_strategy", "dedup_keys", "dispatch", "expires_at_ms", "is_shrinking", "ready")

    def __init__(self, *arguments: Any, **properties: Any) -> None:  # noqa: ANN401 (those of a queue)
        super().__init__(*arguments, **properties)
        self.ready = self._new_fifo(0)
        self.dispatch = self._new_dispatch()
        self.dead_letter_strategy = "at_most_once"
        """The way in which dead letters are sent, in the words of RabbitMQ's metrics."""
        self.is_shrinking = False
        """True while a job drops the messages beyond its length limit bit by bit."""
        self.expires_at_ms: int | None = None
        """The time at which its first message expires, for which the timer is set; None without one."""
        self.dedup_keys: set[Hashable] | None = None
        """The deduplication keys of its messages, ready or unacknowledged; None without deduplication."""

    def configure(self, settings: Settings) -> None:
        """Applies what arguments and policies come to. It takes effect on the messages that are here already, too; only
        a new message TTL is for those to come."""
        before = self.settings
        super().configure(settings)
        if settings.deduplicates and self.dedup_keys is None:
            self.dedup_keys = set()
            self.tracks_settlement = True
        self._choose_path()
        # RabbitMQ applies the new limits before the new overflow: messages are dropped by either.
        is_limited = settings.max_length is not None or settings.max_length_bytes is not None
        if is_limited and "drop-head" in {before.overflow, settings.overflow}:
            self.drop_excess()

    @abstractmethod
    def _choose_path(self) -> None:
        """Chooses the FIFO, and the way of a publish, that the new settings ask for."""

    @property
    def ready_count(self) -> int:
        return len(self.ready)

    @property
    def in_memory_count(self) -> int:
        return self.ready.in_memory

    # --- consumers

    def _new_dispatch(self) -> ConsumerDispatch:
        return ConsumerDispatch(self.consumers)

    def check_consume(self, unacked: DeliveryCount, *, exclusive: bool, no_ack: bool, prefetch: int) -> None:
        """Raises AccessRefused if an exclusive consumer is here, or would have to share."""
        is_shared = exclusive and (self.consumers or self.settings.single_active)
        if is_shared or self.dispatch.has_exclusive_consumer:
            raise AccessRefused(f"{queue_text(self.vhost, self.name)} in exclusive use")

    def add_consumer(self, consumer: Consumer) -> None:
        super().add_consumer(consumer)
        self.dispatch.add(consumer, single_active=self.settings.single_active)

    def remove_consumer(self, consumer: Consumer) -> None:
        """Removes a consumer. Its unacknowledged messages stay with its channel."""
        super().remove_consumer(consumer)
        self.dispatch.remove(consumer)

    def line_up(self, consumer: Consumer) -> None:
        """Puts a consumer that was blocked and can take messages at the end of its line."""
        self.dispatch.line_up(consumer)
        if self.ready.never_delivered or self.ready.requeued:
            self.scheduler.queues_to_drain[self] = None

    def finish_draining(self) -> None:
        """Drains the queue now if it is noted to be drained: messages a consumer can take do not count as ready."""
        if self in self.scheduler.queues_to_drain or self in self.scheduler.queues_to_drain_further:
            self.scheduler.queues_to_drain.pop(self, None)
            self.scheduler.queues_to_drain_further.pop(self, None)
            self.drain(sys.maxsize)

    def end_patience(self) -> None:
        """Ends `is_patient`: messages may be dropped from now on, so a lone consumer gets them at once."""
        if len(self.consumers) == 1:
            for consumer in self.consumers:
                consumer.resume()
        self.finish_draining()

    # --- the FIFO, and its lanes in the store

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

    def lanes(self) -> Iterator[PagedFifo | DelayedMessages]:
        """Its lanes in the store, also those that are empty."""
        fifos = self.ready.levels() if isinstance(self.ready, PriorityFifo) else (self.ready,)
        return (fifo for fifo in fifos if isinstance(fifo, PagedFifo))

    def restore(self, record: LaneRecord, state: LaneState, *, is_clean: bool) -> None:
        """Makes the messages that the store has in one of its lanes ready again. If the last stop was not clean, all of
        them count as perhaps delivered."""
        lane = self._new_fifo(record.level) if record.level else self._level_0()
        assert isinstance(lane, PagedFifo)
        lane.restore(record.number, state, delivered_before=record.front if is_clean else state.end)
        self.counts.restored += len(lane)
        if isinstance(self.ready, PriorityFifo):
            self.ready.join(record.level, lane, lane.size)
        for _, message in lane if self.dedup_keys is not None else ():
            self.remember(message)
        if len(lane):
            # Their expiry times are not known before they are read.
            self.may_expire = True
            self.watch_first()

    def restored(self) -> None:
        """Drops excess when all messages are restored: with the unacknowledged ones they may exceed the limits."""
        if self.settings.overflow == "drop-head":
            self.drop_excess()

    def _level_0(self) -> ReadyFifo[Message]:
        return self.ready.base() if isinstance(self.ready, PriorityFifo) else self.ready

    def is_persistent(self, message: Message) -> bool:
        return self.keeps_all or (self.durable and message.persistent)

    def ready_sizes(self, count_max: int = SIZED_MAX) -> Sizes:
        sizes = Sizes()
        for fifo in self.ready.levels() if isinstance(self.ready, PriorityFifo) else (self.ready,):
            sizes = sizes.plus(self._sizes_of(fifo, count_max))
        return sizes

    def _sizes_of(self, fifo: ReadyFifo[Message], count_max: int) -> Sizes:
        some = list(islice(fifo.items_in_memory(), count_max))
        sizes = [len(message.body) for message in some]
        kept = [len(message.body) for message in some if self.is_persistent(message)]
        in_memory = Sizes(sum(sizes), sum(sizes), len(kept), sum(kept)).of_all(len(some), fifo.in_memory)
        if not isinstance(fifo, PagedFifo):
            return in_memory
        on_disk = Sizes(max(fifo.size - in_memory.bytes, 0), 0, fifo.persistent_on_disk, fifo.persistent_size_on_disk)
        return in_memory.plus(on_disk)

    @property
    def active_consumer(self) -> Consumer | None:
        return self.dispatch.active

    # --- messages in

    def foresee(self, message: Message) -> Fate:
        if self.deleted:
            return "taken"  # and gone with the queue
        if self.would_refuse(message):
            return "refused"
        if self.dedup_keys is not None and deduplication_key(headers_of(message.header)) in self.dedup_keys:
            return "duplicate"
        goes_through = not self.ready and self.dispatch.ready_consumers
        if self.settings.overflow != "drop-head" or goes_through or self.has_room_for([message]):
            return "taken"
        return "drops-head"

    @abstractmethod
    def would_refuse(self, message: Message) -> bool:
        """True if a message that was published now would be refused, because the queue is full."""

    def _with_ttl(self, message: Message) -> Message:
        """The message with its expiry time in this queue: the earlier of its own and the queue's message TTL."""
        if self.settings.message_ttl_ms is None:
            return message
        expires_at_ms = self.scheduler.now_ms + self.settings.message_ttl_ms
        if message.expires_at_ms is not None and message.expires_at_ms <= expires_at_ms:
            return message
        return message.until(expires_at_ms)

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

    def remember(self, message: Message) -> None:
        """Notes the deduplication header of a message that is here."""
        if self.dedup_keys is not None:
            self._is_duplicate(message)

    def forget(self, message: Message) -> None:
        """Allows another message with the same deduplication header."""
        if self.dedup_keys is not None:
            self.dedup_keys.discard(deduplication_key(headers_of(message.header)))

    # --- messages out

    def deal(self, positions: Sequence[int], messages: list[Message]) -> None:
        """Delivers messages to the consumers in line by turns: they have room for all."""
        line = self.dispatch.ready_consumers
        step = len(line)
        for index, consumer in enumerate(line):
            some = messages[index::step]
            if some:
                consumer.deliver_all(positions[index::step], some)
        line.rotate(-len(messages))

    def peek(self, count: int, after: Place | None = None) -> Iterator[Ahead]:
        now_ms = self.scheduler.now_ms
        for place, message, returned in self.ready.ahead(count, after):
            is_expired = message.expires_at_ms is not None and message.expires_at_ms <= now_ms
            shown = self.shown(message, by_get=True)
            yield Ahead(place, shown, returned or message.acquired_count > 0, is_expired, message)

    def leap(self, count: int) -> tuple[Place | None, int]:
        # Those that are expired do not count, and must be looked at.
        return (None, 0) if self.may_expire else self.ready.leap(count)

    def ends(self) -> Mapping[int, int]:
        return self.ready.ends() if isinstance(self.ready, PriorityFifo) else {0: self.ready.end}

    def take_out(self, some: Sequence[Ahead]) -> None:
        self.ready.take_out([(each.place, each.kept) for each in some])
        if self.tracks_settlement:
            self.settled_all([each.place[1] for each in some], [each.kept for each in some])
        if self.may_expire:
            self.watch_first()

    def expire(self) -> Steps:
        """Drops the expired messages at the head before `take`, which would have to do it in one go: a job."""
        while self.may_expire and self.ready and not self.drop_expired():
            yield 2 * EXPIRED_MAX

    def reject(self, position: int, message: Message) -> None:
        """Drops or dead-letters an unacknowledged message."""
        self.settled_count += 1
        if not self.deleted:
            self.counts.rejected += 1
            self.drop(position, message, "rejected")

    def settled(self, position: int, message: Message) -> None:
        """Forgets a message that was acknowledged, dropped or expired. Called only if `tracks_settlement`."""
        self.forget(message)
        self.ready.settle(position, message)

    def settled_all(self, positions: Sequence[int], messages: Sequence[Message]) -> None:
        if self.dedup_keys is not None:
            for message in messages:
                self.forget(message)
        self.ready.settle_all(positions, messages)

    def drop(self, position: int, message: Message, reason: str) -> None:
        """Drops a message, or dead-letters it: then it is settled once the dead letter is sent."""
        if self.settings.dead_letter_exchange is not None:
            self.forget(message)
            self.dead_letter(position, message, reason)
            return
        for watcher in self.vhost.watchers:
            watcher.discarded(self, message, reason)
        if self.tracks_settlement:
            self.settled(position, message)

    def dead_letter(self, position: int | None, message: Message, reason: str) -> None:
        """Dead-letters a message at the next `settle`, if there is an exchange for it. No position: it was refused."""
        if self.settings.dead_letter_exchange is not None:
            self.counts.dead_letters[self.dead_letter_strategy, reason] += 1
            self.scheduler.dead_letters.append((self, position, message, reason))

    def dead_lettered(self, position: int | None, message: Message) -> None:
        """Settles a message whose dead letter was sent, or had nowhere to go."""
        if position is not None and self.tracks_settlement:
            self.ready.settle(position, message)

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
        self.counts.purged += len(self.ready)
        self.scheduler.discarded.extend(self.ready.clear())
        if self.may_expire:
            self.watch_first()

    def _parts_singly(self) -> bool:
        """True if purged messages must be settled one by one. Requeued messages have rows of their own in the store."""
        return self.dedup_keys is not None or (self.tracks_settlement and self.ready.has_requeued)

    def _part_with(self, count: int) -> Steps:
        """Settles `count` messages from the head: a job. Messages published meanwhile may be among them."""
        for _ in range(count):
            if not self.ready or not self._parts_singly():
                break
            position, message, _ = self.ready.pop()
            self.counts.purged += 1
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
        super().release()
        self.ready = ReadyFifo()

    # --- length limits

    def limits(self) -> tuple[int | None, int | None]:
        """The most messages that may be ready, and the most bytes of their bodies; None is no limit."""
        return self.settings.max_length, self.settings.max_length_bytes

    def has_room_for(self, messages: list[Message]) -> bool:
        """True if the queue is still within its limits with these messages."""
        length, size = self.limits()
        if length is not None and len(self.ready) + len(messages) > length:
            return False
        if size is None:
            return True
        assert isinstance(self.ready, PriorityFifo)
        return self.ready.size + sum(map(body_size, messages)) <= size

    def drop_excess(self) -> None:
        """Drops messages from the head (of the highest priority, as in RabbitMQ) until the queue is within its limits.

        Mostly it is one message, dropped for the one just published. When a limit is set on a queue with many messages,
        it may be a million: all but the first `EXCESS_MAX` are dropped bit by bit, and until then the queue is longer
        than its limit. Source: `rabbit_amqqueue_process:maybe_drop_head`, `rabbit_fifo:evaluate_limit`.
        """
        if self.limits() == (None, None) or self.is_shrinking:
            return
        dropped = self._take_excess(EXCESS_MAX)
        if len(dropped) < EXCESS_MAX:
            self._drop_all(dropped)
            return
        self.is_shrinking = True
        self.scheduler.jobs.begin(self._shrink(dropped))

    def _take_excess(self, count: int) -> Dropped:
        ready = self.ready
        length, size = self.limits()
        taken: Dropped = []
        while (
            ready
            and len(taken) < count
            and (
                (length is not None and len(ready) > length)
                or (size is not None and isinstance(ready, PriorityFifo) and ready.size > size)
            )
        ):
            position, message, _ = ready.pop()
            taken.append((position, message))
        self.counts.maxlen += len(taken)
        return taken

    def _drop_all(self, dropped: Dropped) -> None:
        for position, message in reversed(dropped) if self.dead_letters_last_first else dropped:
            self.drop(position, message, "maxlen")
        if dropped and self.may_expire:
            self.drop_expired()
            self.watch_first()

    def _shrink(self, dropped: Dropped) -> Steps:
        taken = dropped
        while taken and not self.deleted:
            yield 2 * len(taken)
            if not self.dead_letters_last_first:
                self._drop_all(taken)
            taken = self._take_excess(LOT)
            if self.dead_letters_last_first:
                dropped.extend(taken)
        while self.dead_letters_last_first and dropped and not self.deleted:
            last = dropped[-LOT:]
            del dropped[-LOT:]
            self._drop_all(last)
            yield len(last)
        self.is_shrinking = False

    # --- message TTL

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
        if self.drop_expired() and self.dispatch.ready_consumers:
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
            self.counts.expired += 1
            self.drop(position, message, "expired")
            count += 1
        return False
