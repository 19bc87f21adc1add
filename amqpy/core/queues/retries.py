"""What a quorum queue holds back before it tries again.

Delayed retry: messages that came back wait for a while. The more often a delivery has failed, the longer the wait:
`x-delayed-retry-min` for each, `-max` at most. And dead letters that nobody took, where they are to be delivered at
least once.

Source: `rabbit_fifo` (4.3), `rabbit_fifo_dlx`, `rabbit_fifo_dlx_worker`.
"""

import heapq
from typing import TYPE_CHECKING

from amqpy.core.message import Message

if TYPE_CHECKING:
    from amqpy.core.queues.quorum import QuorumQueue


class Retries:
    """The held messages of one queue (`agenda.Timed`)."""

    __slots__ = ("_count", "_held", "_queue")

    def __init__(self, queue: "QuorumQueue") -> None:
        self._queue = queue
        self._held: list[tuple[int, int, Message]] = []
        """By the time they come back, then by their order."""
        self._count = 0

    def __len__(self) -> int:
        return len(self._held)

    def hold(self, message: Message, *, failed: bool) -> bool:
        """Takes the message, if this way of coming back is one to wait after."""
        settings = self._queue.settings
        if settings.retry_type != "all" and settings.retry_type != ("failed" if failed else "returned"):
            return False
        least_ms = settings.retry_min_ms or 0
        delay_ms = min(least_ms * max(1, message.delivery_count), max(settings.retry_max_ms or 0, least_ms))
        if not delay_ms:
            return False
        self._count += 1
        heapq.heappush(self._held, (self._queue.agenda.now_ms + delay_ms, self._count, message))
        self._watch_first()
        return True

    def on_time(self) -> None:
        now_ms = self._queue.agenda.now_ms
        while self._held and self._held[0][0] <= now_ms:
            self._queue.take_back(heapq.heappop(self._held)[2])
        self._watch_first()

    def discard(self) -> int:
        count = len(self._held)
        self._held.clear()
        self._watch_first()
        return count

    def _watch_first(self) -> None:
        deadlines = self._queue.agenda.deadlines
        if self._held:
            deadlines.set(self, self._held[0][0])
        else:
            deadlines.discard(self)


UNSENT_RETRY_MS = 180_000


class UnsentLetters:
    """Dead letters of one queue that found no queue (`agenda.Timed`)."""

    __slots__ = ("_held", "_queue", "size")

    def __init__(self, queue: "QuorumQueue") -> None:
        self._queue = queue
        self._held: list[tuple[Message, str]] = []
        self.size = 0
        """Bytes of their bodies."""

    def __len__(self) -> int:
        return len(self._held)

    def hold(self, message: Message, reason: str) -> None:
        if not self._held:
            agenda = self._queue.agenda
            agenda.deadlines.set(self, agenda.now_ms + UNSENT_RETRY_MS)
        self._held.append((message, reason))
        self.size += len(message.body)

    def on_time(self) -> None:
        if not self._queue.deleted:
            self._queue.agenda.dead.extend((self._queue, message, reason) for message, reason in self._held)
        self._held.clear()
        self.size = 0
