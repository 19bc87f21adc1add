"""Consumers of a queue, and the dispatch of messages to them: round-robin.

A consumer that may get a message stands in its queue's line; the first in line gets the next message and goes to
the end. One that cannot take a message (prefetch used up, the channel's limit reached, the client not reading) leaves
the line and is *blocked*; it is put at the end again when that is over. So a delivery costs the same with one
consumer or ten thousand, whatever the others are waiting for.

Prefetch decides who gets a message, not the bytes that already wait for a client that reads slowly: it gets
`UNSENT_MAX` more (as in RabbitMQ), up to its share of the memory. But a lone consumer without prefetch is blocked
at `HIGH` bytes where its messages may as well stay in the queue (`Queue.is_patient`).

Source: `rabbit_queue_consumers`.
"""

import heapq
import sys
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from amqpy.core.arguments import NO_SETTINGS
from amqpy.core.message import Message
from amqpy.core.ports import DeliveryTarget
from amqpy.core.queues.ready_fifo import ReadyFifo
from amqpy.core.scheduler import Scheduler
from amqpy.core.unacked import UnackedDeliveries
from amqpy.errors import AccessRefused
from amqpy.wire.outbox import HIGH
from amqpy.wire.values import Table

if TYPE_CHECKING:
    from amqpy.core.queues.expiry import QueueExpiry
    from amqpy.core.queues.queue import Queue
    from amqpy.core.vhost import Vhost


UNSENT_MAX = 200
"""Messages that a consumer may get while more than `HIGH` bytes wait for its client."""

UNLIMITED = 1 << 62
GONE = -UNLIMITED
"""The credit of a consumer that has left with nothing unacknowledged: it stays below 0, whatever is settled later."""


class Consumer:
    """A subscription of a channel to a queue."""

    __slots__ = (
        "arguments",
        "credit",
        "exclusive",
        "granted",
        "is_blocked",
        "no_ack",
        "number",
        "priority",
        "queue",
        "tag",
        "target",
        "unacked",
        "unsent",
    )

    def __init__(
        self,
        tag: str,
        queue: "Queue",
        unacked: UnackedDeliveries,
        target: DeliveryTarget,
        *,
        no_ack: bool,
        exclusive: bool,
        prefetch: int,
        arguments: Table,
        priority: int = 0,
    ) -> None:
        self.tag = tag
        self.queue = queue
        self.unacked = unacked
        self.target = target
        self.no_ack = no_ack
        self.exclusive = exclusive
        self.granted = self.credit = UNLIMITED if no_ack or not prefetch else prefetch
        """Its prefetch, and what is left of it: messages that may be delivered before one is acknowledged."""
        self.arguments = arguments
        self.priority = priority
        self.number = 0
        """Counts the consumers of a quorum queue, in the order in which they came."""
        self.is_blocked = True
        self.unsent: deque[int] | None = None
        """Offsets in the stream of bytes to its client of the messages that it got in advance and are not sent yet."""

    def can_take(self) -> bool:
        return (
            self.credit > 0 and self.unacked.has_room and (self.target.outbox.size < HIGH or self.can_take_in_advance())
        )

    def can_take_in_advance(self) -> bool:
        """True if it may get a message although more than `HIGH` bytes wait for its client; notes its offset."""
        outbox = self.target.outbox
        is_promised = self.granted < UNLIMITED or (self.unacked.limit and not self.no_ack)
        if outbox.overfull or not (is_promised or not self.queue.is_patient):
            return False
        unsent = self.unsent
        if unsent is None:
            unsent = self.unsent = deque()
        while unsent and unsent[0] < outbox.total:
            unsent.popleft()
        if len(unsent) >= UNSENT_MAX:
            return False
        begins_at = outbox.total + outbox.size
        if not unsent or unsent[-1] != begins_at:
            unsent.append(begins_at)
        return True

    def deliver(self, position: int, message: Message, redelivered: bool, shown: Message | None = None) -> None:
        """Delivers the message: counts it as unacknowledged, or settles it if no_ack, and sends it, or `shown` in its
        place: the message with the queue's own headers."""
        if self.no_ack:
            tag = self.unacked.next_tag()
            if self.queue.tracks_settlement:
                self.queue.settled(position, message)
        else:
            self.credit -= 1
            self.queue.unacked_count += 1
            tag = self.unacked.add(self.queue, position, message, self)
        self.target.deliver(tag, redelivered, message if shown is None else shown)

    @property
    def unacked_count(self) -> int:
        """The number of its unacknowledged messages, also after it has left."""
        return (self.granted if self.credit > GONE // 2 else GONE) - self.credit

    def leave(self) -> None:
        """Removes its credit for good: settling its unacknowledged messages does not resume it."""
        self.is_blocked = False
        self.stop()

    def stop(self) -> None:
        """Removes its credit before it leaves: nothing is delivered to it any more."""
        self.credit = GONE - self.unacked_count

    def settled(self) -> None:
        """Gives back the credit of one of its messages that was settled."""
        self.credit += 1
        if self.unacked.limit:
            self.unacked.make_room()
        if self.is_blocked:
            self.resume()

    def resume(self) -> None:
        """Stands in line again, if nothing blocks it any more."""
        if self.is_blocked and self.can_take():
            self.is_blocked = False
            self.queue.line_up(self)


class ConsumerDispatch:
    """The part of a queue that keeps its consumers and picks the next one to deliver to."""

    consumer_type: ClassVar[Callable[..., Consumer]] = Consumer
    prefetch: ClassVar[int] = 0
    """The prefetch of a consumer that set none; 0 is no limit."""
    __slots__ = (
        "active",
        "arrivals",
        "consumers",
        "exclusive_consumer",
        "expiry",
        "name",
        "ready",
        "ready_by_priority",
        "ready_consumers",
        "scheduler",
        "settings",
        "stale",
        "successors",
        "vhost",
    )

    def __init__(self, vhost: "Vhost", name: str, scheduler: Scheduler) -> None:
        self.vhost = vhost
        self.name = name
        self.scheduler = scheduler
        self.ready: ReadyFifo[Message] = ReadyFifo()
        self.settings = NO_SETTINGS
        self.expiry: QueueExpiry | None = None
        self.consumers: dict[Consumer, None] = {}
        self.ready_consumers: deque[Consumer] = deque()
        """The line: the consumers that can take a message, of the highest priority that has any."""
        self.ready_by_priority: dict[int, deque[Consumer]] | None = None
        """The lines by priority, the highest first, once a consumer has one; else None."""
        self.stale = 0
        """The number of consumers that have left and are still in a line."""
        self.active: Consumer | None = None
        """The single active consumer, where the queue has one."""
        self.successors: list[tuple[int, int, Consumer]] = []
        """All consumers of a single active consumer queue, as a heap: the first is next. Some may have left."""
        self.arrivals = 0
        self.exclusive_consumer = False

    def drain(self, read_max: int = 0) -> None:
        """Delivers as long as there is a ready message and a consumer in line."""
        raise NotImplementedError

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

    def check_consume(self, unacked: UnackedDeliveries, *, exclusive: bool) -> None:
        """Raises AccessRefused if an exclusive consumer is here, or would have to share."""
        if self.exclusive_consumer or (exclusive and (self.consumers or self.settings.single_active)):
            raise AccessRefused(f"queue '{self.name}' in vhost '{self.vhost.name}' in exclusive use")

    def add_consumer(self, consumer: Consumer) -> None:
        self.consumers[consumer] = None
        consumer.unacked.consumers[consumer] = None
        self.exclusive_consumer = consumer.exclusive
        if self.expiry is not None:
            self.expiry.renew()
        if consumer.priority and self.ready_by_priority is None:
            self.ready_by_priority = {0: self.ready_consumers}
        if self.ready_by_priority is not None and consumer.priority not in self.ready_by_priority:
            self.ready_by_priority[consumer.priority] = deque()
            self.ready_by_priority = dict(sorted(self.ready_by_priority.items(), reverse=True))
        if self.settings.single_active:
            self._await_succession(consumer)
            if self.active is not None:
                # Neither in line nor waiting for credit: it waits to become the active one.
                consumer.is_blocked = False
                return
            self.active = consumer
        consumer.resume()

    def remove_consumer(self, consumer: Consumer) -> None:
        """Removes a consumer. Its unacknowledged messages stay with its channel."""
        del self.consumers[consumer]
        del consumer.unacked.consumers[consumer]
        if consumer.exclusive:
            self.exclusive_consumer = False
        if self.expiry is not None and not self.consumers:
            self.expiry.renew()
        in_line = not consumer.is_blocked and (self.active is None or self.active is consumer)
        consumer.leave()
        if in_line or self.ready_by_priority is not None:
            self._clear_line()
        if self.active is consumer:
            self.active = self.choose_active()
            if self.active is not None:
                self.active.is_blocked = True
                self.active.resume()

    def rank(self, consumer: Consumer) -> int:
        """The rank of a consumer in a single active consumer queue: the highest is the next to be active."""
        return consumer.priority

    def _await_succession(self, consumer: Consumer) -> None:
        if len(self.successors) > 2 * len(self.consumers):
            self.successors = [entry for entry in self.successors if entry[2] in self.consumers]
            heapq.heapify(self.successors)
        self.arrivals += 1
        heapq.heappush(self.successors, (-self.rank(consumer), self.arrivals, consumer))

    def choose_active(self) -> Consumer | None:
        """The next single active consumer: the first of the highest rank, or None."""
        successors = self.successors
        while successors and successors[0][2] not in self.consumers:
            heapq.heappop(successors)
        return successors[0][2] if successors else None

    def line_up(self, consumer: Consumer) -> None:
        """Puts a consumer that can take messages at the end of its line."""
        if self.ready_by_priority is None:
            self.ready_consumers.append(consumer)
        else:
            self.ready_by_priority[consumer.priority].append(consumer)
            self._choose_line()
        if self.ready.never_delivered or self.ready.requeued:
            self.scheduler.queues_to_drain[self] = None

    def _next_consumer(self) -> Consumer | None:
        """The next consumer to deliver to, or None. Consumers that turn out to be unable leave the line."""
        line = self.ready_consumers
        while line:
            consumer = line[0]
            if consumer.can_take():
                if len(line) > 1:
                    line.rotate(-1)
                return consumer
            line.popleft()
            consumer.is_blocked = True
            if not line and self.ready_by_priority is not None:
                line = self._choose_line()
        return None

    def _choose_line(self) -> deque[Consumer]:
        """Chooses the line of the highest priority that has a consumer, and returns it."""
        assert self.ready_by_priority is not None
        self.ready_consumers = next((line for line in self.ready_by_priority.values() if line), self.ready_consumers)
        return self.ready_consumers

    def _clear_line(self) -> None:
        """Counts a consumer that left while in a line. They are removed once they outnumber those that are here: so the
        cost of each is the same however long the line is."""
        self.stale += 1
        if self.stale <= len(self.consumers):
            return
        self.stale = 0
        for line in [self.ready_consumers] if self.ready_by_priority is None else self.ready_by_priority.values():
            staying = [consumer for consumer in line if consumer in self.consumers]
            line.clear()
            line.extend(staying)
        if self.ready_by_priority is not None:
            priorities = {consumer.priority for consumer in self.consumers}
            self.ready_by_priority = {
                priority: line for priority, line in self.ready_by_priority.items() if priority in priorities
            }
            self._choose_line()
