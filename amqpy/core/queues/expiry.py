"""Queue expiry, `x-expires`: a queue is deleted when it was unused for some time.

A queue is in use while it has consumers, and declaring it or basic.get is a use, too.

Source: `rabbit_amqqueue_process:ensure_expiry_timer`.
"""

from collections.abc import Collection
from typing import Protocol

from amqpy.core.jobs import Steps
from amqpy.core.scheduler import Scheduler


class ExpiringQueue(Protocol):
    """A queue, as its expiry sees it."""

    scheduler: Scheduler

    @property
    def name(self) -> str: ...
    @property
    def consumers(self) -> Collection[object]: ...
    @property
    def consumer_count(self) -> int: ...

    def delete(self) -> Steps: ...


class QueueExpiry:
    """The timer of an unused queue (`scheduler.TimerTarget`)."""

    __slots__ = ("_queue", "_span_ms")

    def __init__(self, queue: ExpiringQueue, span_ms: int) -> None:
        self._queue = queue
        self._span_ms = span_ms
        self.renew()

    @property
    def name(self) -> str:
        """The name of its queue."""
        return self._queue.name

    def renew(self) -> None:
        """Restarts the timer: the queue was used. While it has consumers, there is none."""
        scheduler = self._queue.scheduler
        if self._queue.consumers:
            scheduler.deadlines.discard(self)
        else:
            scheduler.deadlines.set(self, scheduler.now_ms + self._span_ms)

    def end(self) -> None:
        """Stops the timer: the queue has no `x-expires` any more, or is gone."""
        self._queue.scheduler.deadlines.discard(self)

    def on_timer(self) -> None:
        if self._queue.consumer_count:
            self.renew()
        else:
            self._queue.scheduler.jobs.do(self._queue.delete())
