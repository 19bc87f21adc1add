"""Consumers of a queue, and whose turn it is.

A consumer that may get a message stands in its queue's line; the first in line gets the next message and goes to
the end. Who cannot take one (prefetch used up, the channel's limit reached, the client not reading) leaves the line
and is *blocked*; whatever gives the credit back puts it at the end again. So a delivery costs the same with one
consumer or ten thousand, whatever the others are waiting for.

Credit decides who gets a message, not how much waits already for a client that reads slowly: it gets `UNSENT_MAX` more
(as in RabbitMQ), up to its share of the memory. But a lone consumer that promised nothing, having no prefetch, is held
back at `HIGH` where its messages may as well wait in the queue (`Queue.is_patient`).

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
"""Messages that a consumer may get although much waits for its client, and none of them has left."""

UNLIMITED = 1 << 62
GONE = -UNLIMITED
"""The credit of a consumer that has left and owes nothing: whatever comes back to it, it stays below 0."""


class Consumer:
    """A subscription of a channel to a queue."""

    __slots__ = (
        "arguments",
        "credit",
        "exclusive",
        "granted",
        "is_blocked",
        "no_ack",
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
        """How many more messages it may owe. Who acknowledges nothing owes nothing."""
        self.arguments = arguments
        self.priority = priority
        self.is_blocked = True
        self.unsent: deque[int] | None = None
        """Where, in the stream of bytes to its client, those messages begin that it got although much waited."""

    def can_take(self) -> bool:
        return (
            self.credit > 0 and self.unacked.has_room and (self.target.outbox.size < HIGH or self.can_take_in_advance())
        )

    def can_take_in_advance(self) -> bool:
        """Whether it may get a message although much waits for its client already."""
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

    def deliver(self, position: int, message: Message, redelivered: bool) -> None:
        """Sends the message on its way."""
        if self.no_ack:
            tag = self.unacked.next_tag()
            if self.queue.tracks_settlement:
                self.queue.settled(position, message)
        else:
            self.credit -= 1
            self.queue.unacked_count += 1
            tag = self.unacked.add(self.queue, position, message, self)
        self.target.deliver(tag, redelivered, message)

    def deliver_as(self, position: int, message: Message, shown: Message, *, redelivered: bool) -> None:
        """`deliver`, but what is sent is `shown`: the message with something of the queue's in its headers."""
        if self.no_ack:
            tag = self.unacked.next_tag()
            if self.queue.tracks_settlement:
                self.queue.settled(position, message)
        else:
            self.credit -= 1
            self.queue.unacked_count += 1
            tag = self.unacked.add(self.queue, position, message, self)
        self.target.deliver(tag, redelivered, shown)

    @property
    def owes(self) -> int:
        """How many messages it has not answered, whether it is still there or not."""
        return (self.granted if self.credit > GONE // 2 else GONE) - self.credit

    def leave(self) -> None:
        """It gets no more, and the answers to what it still owes do not bring it back."""
        self.is_blocked = False
        self.stop()

    def stop(self) -> None:
        """It gets no more, but has not left yet."""
        self.credit = GONE - self.owes

    def answered(self) -> None:
        """A message it had is settled: its credit comes back."""
        self.credit += 1
        if self.unacked.limit:
            self.unacked.make_room()
        if self.is_blocked:
            self.resume()

    def resume(self) -> None:
        """Stands in line again, if whatever held it back is over."""
        if self.is_blocked and self.can_take():
            self.is_blocked = False
            self.queue.line_up(self)


class ConsumerDispatch:
    """The side of a queue that its consumers see: who they are, and whose turn it is."""

    consumer_type: ClassVar[Callable[..., Consumer]] = Consumer
    prefetch: ClassVar[int] = 0
    """What a consumer has that asked for none; 0 is no limit."""
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
        """Who can take a message: those of the highest priority of whom anybody can."""
        self.ready_by_priority: dict[int, deque[Consumer]] | None = None
        """The lines by priority, the highest first, once a consumer came with one."""
        self.stale = 0
        """How many in the lines have left and are still there."""
        self.active: Consumer | None = None
        """The one that is served, where only a single one is."""
        self.successors: list[tuple[int, int, Consumer]] = []
        """Those of whom only a single one is served, as a heap: the first is next. Some may have left."""
        self.arrivals = 0
        self.exclusive_consumer = False

    def drain(self, read_max: int = 0) -> None:
        """Hands out messages as long as there is a message and a consumer in line."""
        raise NotImplementedError

    def finish_draining(self) -> None:
        """Hands out now what is to be handed out: nothing that a consumer can have counts towards the limits."""
        if self in self.scheduler.queues_to_drain or self in self.scheduler.queues_to_drain_further:
            self.scheduler.queues_to_drain.pop(self, None)
            self.scheduler.queues_to_drain_further.pop(self, None)
            self.drain(sys.maxsize)

    def end_patience(self) -> None:
        """From now on a message that waits may be lost: the consumer for which it could wait gets it at once."""
        if len(self.consumers) == 1:
            for consumer in self.consumers:
                consumer.resume()
        self.finish_draining()

    def check_consume(self, unacked: UnackedDeliveries, *, exclusive: bool) -> None:
        """Raises AccessRefused when there may be no (further) consumer."""
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
        """What the consumer owes stays owed by its channel."""
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
        """Of several consumers of whom only a single one is served, that of the highest rank is next."""
        return consumer.priority

    def _await_succession(self, consumer: Consumer) -> None:
        if len(self.successors) > 2 * len(self.consumers):
            self.successors = [entry for entry in self.successors if entry[2] in self.consumers]
            heapq.heapify(self.successors)
        self.arrivals += 1
        heapq.heappush(self.successors, (-self.rank(consumer), self.arrivals, consumer))

    def choose_active(self) -> Consumer | None:
        """Who is served next, where only a single one is: the first of the highest rank."""
        successors = self.successors
        while successors and successors[0][2] not in self.consumers:
            heapq.heappop(successors)
        return successors[0][2] if successors else None

    def line_up(self, consumer: Consumer) -> None:
        """A consumer can take messages (again)."""
        if self.ready_by_priority is None:
            self.ready_consumers.append(consumer)
        else:
            self.ready_by_priority[consumer.priority].append(consumer)
            self._choose_line()
        if self.ready.never_delivered or self.ready.requeued:
            self.scheduler.queues_to_drain[self] = None

    def _next_consumer(self) -> Consumer | None:
        """Whose turn it is. Those that cannot take a message after all leave the line."""
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
        """The line of the highest priority with anybody in it."""
        assert self.ready_by_priority is not None
        self.ready_consumers = next((line for line in self.ready_by_priority.values() if line), self.ready_consumers)
        return self.ready_consumers

    def _clear_line(self) -> None:
        """Somebody in a line has left. They are taken out once they are more than those who are there: so it costs each
        the same however long the line is."""
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
