"""Work to be done at the end of the current operation, or at some time (timers).

Queues and virtual hosts note it here, `Broker.settle` does it. It is not done on the spot, because an operation is
complete before its consequences begin: the reply to queue.delete comes before the basic.cancel that it causes.
"""

from collections import deque
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any, Protocol

from amqpy.core.arguments import Settings
from amqpy.core.durability.records import Record
from amqpy.core.jobs import Jobs
from amqpy.core.message import Message
from amqpy.core.names import Named
from amqpy.core.structures import DeadlineHeap

if TYPE_CHECKING:
    from amqpy.core.consumer import Consumer, Delivery, DeliveryQueue, ReturnWay
    from amqpy.core.durability.journal import Journal


class TimerTarget(Hashable, Protocol):
    """An object that can have a timer."""

    def on_timer(self) -> None:
        """Is called when the timer is due; `Scheduler.now_ms` is not before it."""


class DeadLetterSource(Protocol):
    """The queue of a message to be dead-lettered, as `dead_letter` sees it."""

    settings: Settings

    @property
    def name(self) -> str: ...
    @property
    def vhost(self) -> Named: ...

    def dead_lettered(self, position: int | None, message: Message) -> None:
        """Is told that the dead letter was sent, or had nowhere to go."""

    def retry_dead_letter(self, position: int | None, message: Message, reason: str) -> bool:
        """Called when no queue took the dead letter. True if it will be sent again."""


class Watch(Protocol):
    def start(self) -> None: ...


class Scheduler:
    """The pending work and the timers of a broker, shared by all its queues."""

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
        "unix_time_ms",
    )

    def __init__(self) -> None:
        self.now_ms = 0
        """The time of the current turn."""
        self.unix_time_ms: Callable[[], int] = lambda: 0
        """The time of the clock on the wall, which may step back."""
        self.queues_to_drain: dict[DeliveryQueue, None] = {}
        """Queues that may have both a ready message and a consumer for it."""
        self.queues_to_drain_further: dict[DeliveryQueue, None] = {}
        """Queues that had much to deliver, and go on in the next turn."""
        self.deadlines: DeadlineHeap[TimerTarget] = DeadlineHeap()
        """The timers: a queue's for the expiry of its first message, for example."""
        self.requeues: deque[tuple[list[Delivery], ReturnWay]] = deque()
        """Deliveries to be requeued, in portions of one queue, and the cause."""
        self.dead_letters: deque[tuple[DeadLetterSource, int | None, Message, str]] = deque()
        """Messages to be dead-lettered: the queue, the position in it, the message and the reason."""
        self.jobs = Jobs()
        """Large work, done bit by bit."""
        self.consumer_timeouts: Watch | None = None
        """The timer of deliveries that are not acknowledged in time."""
        self.cancelled_consumers: list[Consumer] = []
        """Consumers to be notified that their queue is gone."""
        self.discarded: deque[deque[Any] | list[Any]] = deque()
        """Messages that are not needed any more, to be freed by `Broker.sweep`."""
        self.journal: Journal | None = None
        """The changes to be made durable, with a store; else None."""

    def put(self, record: Record) -> None:
        """Records a durable object that is new or has changed."""
        if self.journal is not None:
            self.journal.put(record)

    def drop(self, record: Record) -> None:
        """Records that a durable object is gone."""
        if self.journal is not None:
            self.journal.drop(record)
