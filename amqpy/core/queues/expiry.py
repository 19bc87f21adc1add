"""`x-expires`: how long a queue outlives its last use.

A queue is in use while it has consumers, and declaring it or getting from it is a use, too.

Source: `rabbit_amqqueue_process:ensure_expiry_timer`.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from amqpy.core.queues.queue import Queue


class QueueExpiry:
    """Waits for the end of a queue that nobody uses (`scheduler.TimerTarget`)."""

    __slots__ = ("_queue", "_span_ms")

    def __init__(self, queue: "Queue", span_ms: int) -> None:
        self._queue = queue
        self._span_ms = span_ms
        self.renew()

    def renew(self) -> None:
        """The queue was used. While it has consumers, no time runs."""
        scheduler = self._queue.scheduler
        if self._queue.consumers:
            scheduler.deadlines.discard(self)
        else:
            scheduler.deadlines.set(self, scheduler.now_ms + self._span_ms)

    def end(self) -> None:
        """The queue has no lease any more, or is gone."""
        self._queue.scheduler.deadlines.discard(self)

    def on_timer(self) -> None:
        if self._queue.consumer_count:
            self.renew()
        else:
            self._queue.vhost.remove_queue(self._queue)
