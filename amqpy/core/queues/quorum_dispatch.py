"""The dispatch of a quorum queue: as of a classic queue, but for what `rabbit_fifo` does in its own way.

A consumer that joins with a higher priority takes over from the single active consumer, which gives way once nothing of
its is unacknowledged; a consumer that has left counts until its messages are settled; and the channel's limit does not
apply.

Source: `rabbit_fifo`.
"""

from collections.abc import Mapping

from amqpy.core.consumer import GONE, Consumer
from amqpy.core.queues.dispatch import ConsumerDispatch
from amqpy.wire.outbox import HIGH


class QuorumConsumer(Consumer):
    """A consumer that the channel's limit (basic.qos with global) does not apply to."""

    __slots__ = ("dispatch",)

    dispatch: "QuorumDispatch"

    def can_take(self) -> bool:
        return self.credit > 0 and (self.target.outbox.size < HIGH or self.can_take_in_advance())

    def room_for(self, count: int) -> int:
        """One less than it may be given: the last one takes it out of the line (`QuorumDispatch.rest`)."""
        return min(super().room_for(count), self.credit - 1)

    def settled(self, count: int = 1) -> None:
        super().settled(count)
        if self.credit == GONE:
            self.dispatch.leavers.discard(self)
        elif self.dispatch.retiring is self and not self.unacked_count:
            self.dispatch.succeed()


class QuorumDispatch(ConsumerDispatch):
    """The part of a quorum queue that picks the next consumer to deliver to."""

    __slots__ = ("_has_priorities", "_joined", "leavers", "retiring")

    def __init__(self, consumers: Mapping[Consumer, None], *, has_priorities: bool) -> None:
        super().__init__(consumers)
        self._has_priorities = has_priorities
        """True if the priority of a consumer decides which one is active."""
        self._joined = 0
        """The number of consumers that the queue ever had."""
        self.leavers: set[Consumer] = set()
        """The consumers that have left and still have unacknowledged messages."""
        self.retiring: Consumer | None = None
        """The active consumer that gives way to one of a higher priority, once nothing of its is unacknowledged."""

    def rank(self, consumer: Consumer) -> int:
        return consumer.priority if self._has_priorities else 0

    def add(self, consumer: Consumer, *, single_active: bool) -> None:
        assert isinstance(consumer, QuorumConsumer)
        consumer.dispatch = self
        consumer.number = self._joined = self._joined + 1
        super().add(consumer, single_active=single_active)
        active = self.active
        if active is None or consumer.priority <= active.priority or not self._has_priorities:
            return
        if not active.is_blocked and self.retiring is not active:
            self.ready_consumers.remove(active)
        active.is_blocked = False
        self.retiring = active
        if not active.unacked_count:
            self.succeed()

    def remove(self, consumer: Consumer) -> None:
        if self.retiring is consumer:
            self.retiring = None
        super().remove(consumer)
        if consumer.unacked_count:
            self.leavers.add(consumer)

    def succeed(self) -> None:
        self.retiring = None
        super().succeed()

    def rest(self, consumer: Consumer) -> None:
        """Takes the consumer that just got a message and has no credit left out of the line at once: it comes back as
        the last one."""
        self.ready_consumers.pop()
        consumer.is_blocked = True
        if self.ready_by_priority is not None:
            self._choose_line()
