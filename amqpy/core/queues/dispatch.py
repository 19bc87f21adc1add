"""The dispatch of messages to the consumers of a queue: round-robin.

A consumer that may get a message stands in its queue's line; the first in line gets the next message and goes to
the end. One that cannot take a message (prefetch used up, the channel's limit reached, the client not reading) leaves
the line and is *blocked*; it is put at the end again when that is over. So a delivery costs the same with one
consumer or ten thousand, whatever the others are waiting for.

The messages are not known here: a queue asks for the next consumer when it has one to deliver.

Source: `rabbit_queue_consumers`.
"""

import heapq
from collections import deque
from collections.abc import Mapping
from typing import Final

from amqpy.core.consumer import Consumer

NOBODY: Final[deque[Consumer]] = deque()
"""The line of a queue that never had a consumer: a deque of its own is as large as the rest of an idle queue."""


class ConsumerDispatch:
    """The part of a queue that picks the next consumer to deliver to."""

    __slots__ = (
        "active",
        "arrivals",
        "consumers",
        "has_exclusive_consumer",
        "ready_by_priority",
        "ready_consumers",
        "stale",
        "successors",
    )

    def __init__(self, consumers: Mapping[Consumer, None]) -> None:
        self.consumers = consumers
        """The consumers of the queue, which adds and removes them before it says so here."""
        self.ready_consumers = NOBODY
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
        self.has_exclusive_consumer = False

    def add(self, consumer: Consumer, *, single_active: bool) -> None:
        """Serves a new consumer of the queue, of whose consumers perhaps only one is active at a time."""
        self.has_exclusive_consumer = consumer.exclusive
        if self.ready_consumers is NOBODY:
            self.ready_consumers = deque()
        if consumer.priority and self.ready_by_priority is None:
            self.ready_by_priority = {0: self.ready_consumers}
        if self.ready_by_priority is not None and consumer.priority not in self.ready_by_priority:
            self.ready_by_priority[consumer.priority] = deque()
            self.ready_by_priority = dict(sorted(self.ready_by_priority.items(), reverse=True))
        if single_active:
            self._await_succession(consumer)
            if self.active is not None:
                # Neither in line nor waiting for credit: it waits to become the active one.
                consumer.is_blocked = False
                return
            self.active = consumer
        consumer.resume()

    def remove(self, consumer: Consumer) -> None:
        """Forgets a consumer that the queue has no more."""
        if consumer.exclusive:
            self.has_exclusive_consumer = False
        in_line = not consumer.is_blocked and (self.active is None or self.active is consumer)
        consumer.leave()
        if in_line or self.ready_by_priority is not None:
            self._clear_line()
        if self.active is consumer:
            self.succeed()

    def succeed(self) -> None:
        """Makes the next consumer the active one."""
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

    def next_consumer(self) -> Consumer | None:
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

    def room_for(self, count: int) -> int:
        """The number of messages, of so many, that those in line may be given by turns without being looked at again;
        1 if that would be no gain. On one channel the messages of two consumers would not come in their order."""
        line = self.ready_consumers
        share = -(-count // len(line))
        for consumer in line:
            share = consumer.room_for(share)
            if share < 2:
                return 1
        if len(line) > 1 and len({consumer.unacked for consumer in line}) < len(line):
            return 1
        return min(count, share * len(line))

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
