"""Messages that a quorum queue holds back before it tries again.

Delayed retry: returned messages wait for a while. The more often a delivery has failed, the longer the wait:
`x-delayed-retry-min` for each, `-max` at most. And dead letters that no queue took, with the strategy at-least-once;
until they are sent they stay in the store, and after a restart they are dead-lettered again.

Source: `rabbit_fifo` (4.3), `rabbit_fifo_dlx`, `rabbit_fifo_dlx_worker`.
"""

from collections.abc import Iterable
from typing import Final, Protocol

from amqpy.core.arguments import Settings
from amqpy.core.durability.records import LaneRecord
from amqpy.core.message import Message
from amqpy.core.names import Named
from amqpy.core.queues.delayed_messages import DelayedMessages
from amqpy.core.scheduler import DeadLetterSource, Scheduler

HELD_LEVEL: Final = 33
"""The level of the lane in the store that holds these messages, beside those of ready ones (`RETURNED_LEVEL`)."""


class RetryingQueue(Protocol):
    """A queue, as delayed retry sees it."""

    scheduler: Scheduler
    settings: Settings

    @property
    def name(self) -> str: ...
    @property
    def vhost(self) -> Named: ...

    def take_back(self, message: Message) -> None:
        """Makes a returned message ready again."""


class DelayedRetry:
    """The returned messages of one queue that wait for a retry (`scheduler.TimerTarget`)."""

    __slots__ = ("_queue", "held")

    def __init__(self, queue: RetryingQueue) -> None:
        self._queue = queue
        record = LaneRecord(0, queue.vhost.name, "queue", queue.name, HELD_LEVEL, 0)
        self.held = DelayedMessages(queue.scheduler.journal, record)

    def __len__(self) -> int:
        return len(self.held)

    def hold(self, message: Message, *, failed: bool) -> bool:
        """Takes the message and returns True, if messages returned in this way are to wait."""
        settings = self._queue.settings
        if settings.retry_type != "all" and settings.retry_type != ("failed" if failed else "returned"):
            return False
        least_ms = settings.retry_min_ms or 0
        delay_ms = min(least_ms * max(1, message.delivery_count), max(settings.retry_max_ms or 0, least_ms))
        if not delay_ms:
            return False
        self.put(self._queue.scheduler.now_ms + delay_ms, message)
        return True

    def put(self, due_at_ms: int, message: Message) -> None:
        """Takes the message, which is ready again at this time."""
        self.held.put(due_at_ms, message)
        self._watch_first()

    def restore(self, number: int, entries: Iterable[tuple[int, Message, int]]) -> None:
        self.held.restore(number, entries)
        self._watch_first()

    @property
    def name(self) -> str:
        """The name of its queue."""
        return self._queue.name

    def on_timer(self) -> None:
        now_ms = self._queue.scheduler.now_ms
        for _ in range(RELEASED_AT_ONCE):
            at_ms = self.held.first_at_ms
            if at_ms is None or at_ms > now_ms:
                break
            self._queue.take_back(self.held.pop())
        self._watch_first()

    def discard(self) -> int:
        count = len(self.held.clear())
        self._watch_first()
        return count

    def _watch_first(self) -> None:
        deadlines = self._queue.scheduler.deadlines
        at_ms = self.held.first_at_ms
        if at_ms is None:
            deadlines.discard(self)
        else:
            deadlines.set(self, at_ms)


RELEASED_AT_ONCE: Final = 100
"""Messages that become ready in one go; when more are due, others are served in between."""

UNSENT_RETRY_MS = 180_000


class UnroutedDeadLetters:
    """Dead letters of one queue that no queue took (`scheduler.TimerTarget`)."""

    __slots__ = ("_held", "_queue", "_scheduler", "size")

    def __init__(self, queue: DeadLetterSource, scheduler: Scheduler) -> None:
        self._queue = queue
        self._scheduler = scheduler
        self._held: list[tuple[int | None, Message, str]] = []
        self.size = 0
        """Bytes of their bodies."""

    def __len__(self) -> int:
        return len(self._held)

    def hold(self, position: int | None, message: Message, reason: str) -> None:
        if not self._held:
            self._scheduler.deadlines.set(self, self._scheduler.now_ms + UNSENT_RETRY_MS)
        self._held.append((position, message, reason))
        self.size += len(message.body)

    def on_timer(self) -> None:
        self._scheduler.dead_letters.extend((self._queue, *held) for held in self._held)
        self.clear()

    def clear(self) -> None:
        self._scheduler.deadlines.discard(self)
        self._held.clear()
        self.size = 0
