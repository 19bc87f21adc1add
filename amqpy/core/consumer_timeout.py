"""Deliveries that are not acknowledged in time: `consumer_timeout`, `x-consumer-timeout` of queues and of consumers.

The time of a delivery is not noted: that would cost every delivery. Instead the last delivery tag of each channel is
marked at intervals, and a message is as old as the first mark that covers it. So a timeout is late by two intervals
at most, and costs nothing where there is none.

RabbitMQ 3 closes the channel, and looks at its oldest delivery only, whatever the timeouts of the others' queues are.
RabbitMQ 4 requeues the deliveries that timed out and cancels the consumer; if the client does not support that, or it
was basic.get, it closes the channel, too. Acknowledgements of requeued deliveries that arrive later have no effect.

Source: `rabbit_channel:evaluate_consumer_timeout` (3.x); `rabbit_fifo`, `rabbit_channel:handle_queue_actions` (4.3).
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Final, NamedTuple, TypeAlias

from amqpy.core.arguments import NO_SETTINGS, QUORUM
from amqpy.core.consumer import Consumer, Delivery, DeliveryQueue, ReturnWay
from amqpy.core.jobs import LOT, Steps, each
from amqpy.core.message import Message
from amqpy.core.scheduler import Scheduler
from amqpy.core.unacked import UnackedDeliveries
from amqpy.profile import Profile
from amqpy.wire.values import INTEGER_KINDS

INTERVAL_MS = 10_000
ASKED_MS: Final = 600_000
"""Milliseconds for which ages are noted after somebody has asked for them."""

MARKS_MAX = 1000
UNKNOWN_MS = -1
"""The timeout in RabbitMQ 4's error text when it closes a channel."""

TimedOut: TypeAlias = dict[Consumer | None, list[tuple[int, Delivery]]]


class _Watched(NamedTuple):
    close: Callable[[int], None]
    """Closes the channel, for a timeout in milliseconds."""
    supports_cancel_notify: bool
    """True if the client supports basic.cancel from the broker."""
    marks: deque[tuple[int, int]]
    """Times and the last delivery tag at each; the first one covers the oldest message."""


class ConsumerTimeouts:
    """Watches over the unacked deliveries of all channels (`scheduler.TimerTarget`)."""

    def __init__(
        self,
        scheduler: Scheduler,
        profile: Profile,
        timeout_ms: int | None,
        take_back: Callable[[UnackedDeliveries, Consumer | None, list[tuple[int, Delivery]]], None],
    ) -> None:
        self._scheduler = scheduler
        self._profile = profile
        self._timeout_ms = timeout_ms
        """The timeout of queues that have none of their own; None is no limit."""
        self._take_back = take_back
        """Requeues messages, and ends the consumer that had them (None: basic.get)."""
        self._channels: dict[UnackedDeliveries, _Watched] = {}
        self._is_running = False
        self._is_looking = False
        self._has_timeouts = False
        """True if some delivery may time out; else only ages are noted, as long as somebody asks for them."""
        self._asked_until_ms = 0
        if timeout_ms is not None:
            self.start()

    def start(self) -> None:
        """Starts the timer: some queue or consumer has a timeout."""
        self._has_timeouts = True
        self._run(self._scheduler.now_ms + INTERVAL_MS)

    def _run(self, at_ms: int) -> None:
        if not self._is_running:
            self._is_running = True
            self._scheduler.deadlines.set(self, at_ms)

    def note_ages(self) -> None:
        """Notes from now on, and for a while, how old deliveries are: somebody wants to know."""
        self._asked_until_ms = self._scheduler.now_ms + ASKED_MS
        self._run(self._scheduler.now_ms)

    def since_ms(self, unacked: UnackedDeliveries, tag: int) -> int | None:
        """A time at which a delivery had been made, the earliest that is known; None if none is."""
        watched = self._channels.get(unacked)
        marks: Sequence[tuple[int, int]] = () if watched is None else watched.marks
        return next((at_ms for at_ms, last_tag in marks if last_tag >= tag), None)

    def watch(self, unacked: UnackedDeliveries, close: Callable[[int], None], *, supports_cancel_notify: bool) -> None:
        self._channels[unacked] = _Watched(close, supports_cancel_notify, deque())

    def forget(self, unacked: UnackedDeliveries) -> None:
        self._channels.pop(unacked, None)

    @property
    def mark_count(self) -> int:
        return sum(len(watched.marks) for watched in self._channels.values())

    def on_timer(self) -> None:
        if not self._has_timeouts and self._scheduler.now_ms >= self._asked_until_ms:
            self._is_running = False
            return
        self._scheduler.deadlines.set(self, self._scheduler.now_ms + INTERVAL_MS)
        if not self._is_looking:
            self._is_looking = True
            self._scheduler.jobs.do(self._look())

    def _look(self) -> Steps:
        for unacked, watched in each(self._channels.items()):
            yield 1
            # Deliveries that are being settled are not late, and a closed channel has none any more.
            if unacked.is_busy or unacked not in self._channels:
                continue
            self._mark(unacked, watched.marks)
            if not (watched.marks and self._has_timeouts):
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
            # The messages that the others covered look younger than they are; the first and the last mark stay.
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
        found: TimedOut = {}
        aged = _aged(list(unacked.by_tag), list(watched.marks))
        while lot := list(islice(aged, LOT)):
            for since_ms, tag in lot:
                delivery = unacked.by_tag.get(tag)
                timeout_ms = None if delivery is None else self._timeout_of(delivery)
                if delivery is not None and timeout_ms is not None and since_ms <= self._scheduler.now_ms - timeout_ms:
                    found.setdefault(delivery[3], []).append((tag, delivery))
            yield len(lot)
        if unacked.is_busy:
            return
        for consumer, timed_out in found.items():
            # If the channel is closed below, the deliveries of the next consumers are requeued already.
            if unacked in self._channels:
                self._take_back(unacked, consumer, [entry for entry in timed_out if entry[0] in unacked.by_tag])
                if consumer is None or not watched.supports_cancel_notify:
                    watched.close(UNKNOWN_MS)

    def _timeout_of(self, delivery: Delivery) -> int | None:
        queue, consumer = delivery[0], delivery[3]
        if queue.type != QUORUM:
            return None
        given = None if consumer is None else consumer.arguments.get("x-consumer-timeout")
        if given is not None and given.kind in INTEGER_KINDS:
            return int(given.value)
        own = queue.settings.consumer_timeout_ms
        return self._timeout_ms if own is None else own


def _aged(tags: list[int], marks: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yields each tag with the latest time at which it may have been delivered."""
    rest = iter(marks)
    since_ms, covered = next(rest)
    for tag in tags:
        while covered < tag:
            since_ms, covered = next(rest)
        yield since_ms, tag


class _Returned(DeliveryQueue):
    """Stands for the queue of a delivery that was requeued: settling it again has no effect."""

    name = ""
    type = ""
    deleted = True
    returns_in_turn = False
    settings = NO_SETTINGS
    tracks_settlement = False
    is_held = False
    settled_count = 0

    def is_persistent(self, message: Message) -> bool:
        return False

    def level_of(self, message: Message) -> int:
        return 0

    def settled(self, position: int, message: Message) -> None:
        pass

    def settled_all(self, positions: Sequence[int], messages: Sequence[Message]) -> None:
        pass

    def reject(self, position: int, message: Message) -> None:
        pass

    def requeue(self, position: int, message: Message, way: ReturnWay) -> None:
        pass

    def requeued(self) -> None:
        pass

    def drain(self) -> None:
        pass


RETURNED: Final[Delivery] = (_Returned(), 0, Message(b"", b"", b""), None)
"""Replaces a delivery that was requeued, under its tag."""
