"""Deliveries that nobody answers: `consumer_timeout`, `x-consumer-timeout` of queues and of consumers.

When a message was delivered is not noted: that would cost every delivery. Now and then a mark is made of the last
delivery tag of each channel, and a message is as old as the first mark that covers it. So a timeout comes late by two
intervals between marks at most, and costs nothing where there is none.

RabbitMQ 3 closes the channel, and looks at its oldest delivery only, whatever the others' queues say. RabbitMQ 4 takes
what is overdue back from the consumer and cancels it; where the client could not understand that, or it was basic.get,
it closes the channel, too. Answers that still come for what was taken back mean nothing, and harm nobody.

Source: `rabbit_channel:evaluate_consumer_timeout` (3.x); `rabbit_fifo`, `rabbit_channel:handle_queue_actions` (4.3).
"""

from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, cast

from amqpy.core.arguments import QUORUM
from amqpy.core.jobs import LOT, Steps, each
from amqpy.core.message import Message
from amqpy.core.scheduler import Scheduler
from amqpy.core.unacked import UnackedDeliveries
from amqpy.wire.values import INTEGER_KINDS

if TYPE_CHECKING:
    from amqpy.core.queues.dispatch import Consumer
    from amqpy.core.queues.queue import Queue
    from amqpy.core.unacked import Delivery
    from amqpy.profile import Profile

INTERVAL_MS = 10_000
MARKS_MAX = 1000
UNKNOWN_MS = -1
"""The timeout that RabbitMQ 4 names when it closes a channel."""

Overdues: TypeAlias = "dict[Consumer | None, list[tuple[int, Delivery]]]"


class _Watched(NamedTuple):
    close: Callable[[int], None]
    """Closes the channel, for a timeout of so many milliseconds."""
    supports_cancel_notify: bool
    """Whether the client understands that the broker ends a consumer."""
    marks: deque[tuple[int, int]]
    """When which tag was the last one; the first covers the oldest message."""


class ConsumerTimeouts:
    """Watches over the unacked deliveries of all channels (`scheduler.TimerTarget`)."""

    def __init__(
        self,
        scheduler: Scheduler,
        profile: "Profile",
        timeout_ms: int | None,
        take_back: "Callable[[UnackedDeliveries, Consumer | None, list[tuple[int, Delivery]]], None]",
    ) -> None:
        self._scheduler = scheduler
        self._profile = profile
        self._timeout_ms = timeout_ms
        """For queues that have none of their own; None is no limit."""
        self._take_back = take_back
        """Returns messages to their queue, and ends the consumer that had them (None: basic.get)."""
        self._channels: dict[UnackedDeliveries, _Watched] = {}
        self._is_running = False
        self._is_looking = False
        if timeout_ms is not None:
            self.start()

    def start(self) -> None:
        """Some queue or consumer has a timeout."""
        if not self._is_running:
            self._is_running = True
            self._scheduler.deadlines.set(self, self._scheduler.now_ms + INTERVAL_MS)

    def watch(self, unacked: UnackedDeliveries, close: Callable[[int], None], *, supports_cancel_notify: bool) -> None:
        self._channels[unacked] = _Watched(close, supports_cancel_notify, deque())

    def forget(self, unacked: UnackedDeliveries) -> None:
        self._channels.pop(unacked, None)

    @property
    def mark_count(self) -> int:
        return sum(len(watched.marks) for watched in self._channels.values())

    def on_timer(self) -> None:
        self._scheduler.deadlines.set(self, self._scheduler.now_ms + INTERVAL_MS)
        if not self._is_looking:
            self._is_looking = True
            self._scheduler.jobs.do(self._look())

    def _look(self) -> Steps:
        for unacked, watched in each(self._channels.items()):
            yield 1
            # What is being answered is not late, and what a closed channel owed is not owed any more.
            if unacked.is_busy or unacked not in self._channels:
                continue
            self._mark(unacked, watched.marks)
            if not watched.marks:
                continue
            if self._profile.timeout_cancels:
                yield from self._release(unacked, watched)
            else:
                self._close(unacked, watched)
        self._is_looking = False

    def _mark(self, unacked: UnackedDeliveries, marks: deque[tuple[int, int]]) -> None:
        oldest = next(iter(unacked.by_tag), None)
        while marks and (oldest is None or marks[0][1] < oldest):
            marks.popleft()
        if oldest is not None and (not marks or marks[-1][1] < unacked.last_tag):
            marks.append((self._scheduler.now_ms, unacked.last_tag))
        if len(marks) > MARKS_MAX:
            # What the others covered looks younger than it is; the first and the last one stay.
            kept = list(marks)[::2]
            marks.clear()
            marks.extend(kept)

    def _close(self, unacked: UnackedDeliveries, watched: _Watched) -> None:
        queue = next(iter(unacked.by_tag.values()))[0]
        own = queue.settings.consumer_timeout_ms
        timeout_ms = self._timeout_ms if own is None else own
        if timeout_ms is not None and watched.marks[0][0] <= self._scheduler.now_ms - timeout_ms:
            watched.close(timeout_ms)

    def _release(self, unacked: UnackedDeliveries, watched: _Watched) -> Steps:
        found: Overdues = {}
        aged = _aged(list(unacked.by_tag), list(watched.marks))
        while lot := list(islice(aged, LOT)):
            for since_ms, tag in lot:
                owed = unacked.by_tag.get(tag)
                timeout_ms = None if owed is None else self._timeout_of(owed)
                if owed is not None and timeout_ms is not None and since_ms <= self._scheduler.now_ms - timeout_ms:
                    found.setdefault(owed[3], []).append((tag, owed))
            yield len(lot)
        if unacked.is_busy:
            return
        for consumer, overdue in found.items():
            # If the channel is closed below, it cannot owe any more what the next ones had.
            if unacked in self._channels:
                self._take_back(unacked, consumer, [entry for entry in overdue if entry[0] in unacked.by_tag])
                if consumer is None or not watched.supports_cancel_notify:
                    watched.close(UNKNOWN_MS)

    def _timeout_of(self, owed: "Delivery") -> int | None:
        queue, consumer = owed[0], owed[3]
        if queue.type != QUORUM:
            return None
        given = None if consumer is None else consumer.arguments.get("x-consumer-timeout")
        if given is not None and given.kind in INTEGER_KINDS:
            return int(given.value)
        own = queue.settings.consumer_timeout_ms
        return self._timeout_ms if own is None else own


def _aged(tags: list[int], marks: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Since when at the latest each tag is owed."""
    rest = iter(marks)
    since_ms, covered = next(rest)
    for tag in tags:
        while covered < tag:
            since_ms, covered = next(rest)
        yield since_ms, tag


class _Returned:
    """Stands for the queue of a message that was taken back: whatever the answer is, it means nothing."""

    name = ""
    type = None
    deleted = True
    tracks_settlement = False
    unacked_count = 0
    is_held = False

    def reject(self, position: int, message: object) -> None:
        pass

    def level_of(self, message: object) -> int:
        return 0


RETURNED: "Delivery" = (cast("Queue", _Returned()), 0, Message(b"", b"", b""), None)
"""What the tag of a message has instead of a message that was taken back."""
