"""What the broker has yet to do: at the end of this operation, or at some time.

Queues and virtual hosts note it here, `Broker.settle` does it. Nothing is done on the spot, because an operation is
whole before its consequences begin: the reply to queue.delete comes before the basic.cancel it leads to.
"""

from collections import deque
from collections.abc import Hashable
from typing import TYPE_CHECKING, Any, Protocol

from amqpy.core.jobs import Jobs
from amqpy.core.structures import DeadlineHeap

if TYPE_CHECKING:
    from amqpy.core.consumer_timeout import ConsumerTimeouts
    from amqpy.core.durability.journal import Journal
    from amqpy.core.durability.records import Record
    from amqpy.core.message import Message
    from amqpy.core.queues.dispatch import Consumer, ConsumerDispatch
    from amqpy.core.queues.queue import Queue, ReturnWay
    from amqpy.core.unacked import Delivery


class TimerTarget(Hashable, Protocol):
    """Something that waits for its time."""

    def on_timer(self) -> None:
        """Called when its time has come; `Scheduler.now_ms` is not before it."""


class Scheduler:
    """Shared by all of a broker's queues."""

    __slots__ = (
        "cancelled_consumers",
        "consumer_timeouts",
        "dead_letters",
        "deadlines",
        "discarded",
        "jobs",
        "journal",
        "now_ms",
        "queues_to_drain",
        "queues_to_drain_further",
        "requeues",
    )

    def __init__(self) -> None:
        self.now_ms = 0
        """The time of the current turn."""
        self.queues_to_drain: dict[ConsumerDispatch, None] = {}
        """Queues that may have both a message and a consumer for it."""
        self.queues_to_drain_further: dict[ConsumerDispatch, None] = {}
        """The same of queues that had much to hand out, and go on in the next turn."""
        self.deadlines: DeadlineHeap[TimerTarget] = DeadlineHeap()
        """Who waits for when: a queue for the end of its first message, for example."""
        self.requeues: deque[tuple[list[Delivery], ReturnWay]] = deque()
        """Messages on their way back to their queues, in portions of one queue."""
        self.dead_letters: deque[tuple[Queue, int | None, Message, str]] = deque()
        """Messages that died in a queue with a dead letter exchange, where they were in it, and the reason."""
        self.jobs = Jobs()
        """Large work, which is done bit by bit."""
        self.consumer_timeouts: ConsumerTimeouts | None = None
        """Who looks for deliveries that nobody answers."""
        self.cancelled_consumers: list[Consumer] = []
        """Consumers whose queue is gone, to be told."""
        self.discarded: deque[deque[Any] | list[Any]] = deque()
        """Messages that nobody will ask for again, to be freed by `Broker.sweep`."""
        self.journal: Journal | None = None
        """What is to be made durable, where there is a store."""

    def put(self, record: "Record") -> None:
        """A durable thing is there now, or is another one."""
        if self.journal is not None:
            self.journal.put(record)

    def drop(self, record: "Record") -> None:
        """A durable thing is gone."""
        if self.journal is not None:
            self.journal.drop(record)
