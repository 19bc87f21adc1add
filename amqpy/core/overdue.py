"""Deliveries that nobody answers: `consumer_timeout` and `x-consumer-timeout`.

When a message was delivered is not noted: that would cost every delivery. Now and then a mark is made of the last
delivery tag of each channel, and a message is as old as the first mark that covers it. So a timeout comes late by one
interval between marks at most, and costs nothing where there is none.

Source: `rabbit_channel:evaluate_consumer_timeout` (3.x), `rabbit_fifo` (4.3).
"""

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from amqpy.core.agenda import Agenda
from amqpy.core.arguments import QUORUM
from amqpy.core.ledger import Ledger

if TYPE_CHECKING:
    from amqpy.core.ledger import Owed
    from amqpy.profile import Profile

INTERVAL_MS = 10_000


class _Watched(NamedTuple):
    close: Callable[[int], None]
    """Closes the channel, for a timeout of so many milliseconds."""
    marks: deque[tuple[int, int]]
    """When which tag was the last one; the first covers the oldest message."""


class Overdue:
    """Watches over the ledgers of all channels (`agenda.Timed`)."""

    def __init__(
        self, agenda: Agenda, profile: "Profile", timeout_ms: int | None, cancel: Callable[[Ledger, "Owed"], None]
    ) -> None:
        self._agenda = agenda
        self._profile = profile
        self._timeout_ms = timeout_ms
        """For queues that have none of their own; None is no limit."""
        self._cancel = cancel
        """Ends the consumer that had the message, and takes back all it owes."""
        self._ledgers: dict[Ledger, _Watched] = {}
        self._is_running = False
        if timeout_ms is not None:
            self.start()

    def start(self) -> None:
        """Some queue has a timeout."""
        if not self._is_running:
            self._is_running = True
            self._agenda.deadlines.set(self, self._agenda.now_ms + INTERVAL_MS)

    def watch(self, ledger: Ledger, close: Callable[[int], None]) -> None:
        self._ledgers[ledger] = _Watched(close, deque())

    def forget(self, ledger: Ledger) -> None:
        self._ledgers.pop(ledger, None)

    def on_time(self) -> None:
        now_ms = self._agenda.now_ms
        self._agenda.deadlines.set(self, now_ms + INTERVAL_MS)
        for ledger, watched in list(self._ledgers.items()):
            oldest = next(iter(ledger.owed.items()), None)
            marks = watched.marks
            while marks and (oldest is None or marks[0][1] < oldest[0]):
                marks.popleft()
            if oldest is None:
                continue
            if not marks or marks[-1][1] < ledger.last_tag:
                marks.append((now_ms, ledger.last_tag))
            timeout_ms = self._timeout_of(oldest[1])
            if timeout_ms is None or marks[0][0] > now_ms - timeout_ms:
                continue
            if self._profile.timeout_cancels:
                self._cancel(ledger, oldest[1])
            else:
                watched.close(timeout_ms)

    def _timeout_of(self, owed: "Owed") -> int | None:
        queue = owed[0]
        if self._profile.timeout_cancels and (queue.type != QUORUM or owed[3] is None):
            return None
        own = queue.settings.consumer_timeout_ms
        return self._timeout_ms if own is None else own
