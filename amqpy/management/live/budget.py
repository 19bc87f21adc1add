"""The part of the processor that live pages may take.

Each of them would like to spend a share of the time: what it has spent, divided by the time until it spends again. When
all of these together come to more than `SHARE`, everybody waits so much longer that it is that share.
"""

from collections.abc import Coroutine, Generator
from heapq import heappop, heappush
from time import thread_time
from types import coroutine
from typing import Any, Final, TypeVar

T = TypeVar("T")

SHARE: Final = 1 / 20
"""The part of the time that all may spend together, and that each by itself may spend."""

UNSEEN_S: Final = 0.000_15
"""Seconds that the event loop and the system need for something beside what is measured, about."""


class Budget:
    """The time that is spent on live pages."""

    def __init__(self) -> None:
        self._shares: list[tuple[float, float]] = []
        """The shares of those who wait, by the time until which they do: a heap. Who has gone waits, too."""
        self._sum = 0.0

    def wait_s(self, interval_s: float, spent_s: float, now_s: float, *, every_s: float = 0) -> float:
        """Notes what was spent. Returns the seconds until as much may be spent again: the interval at least. Who does
        not know when that will be says how long it was since the time before (`every_s`)."""
        while self._shares and self._shares[0][0] <= now_s:
            self._sum -= heappop(self._shares)[1]
        spent_s += UNSEEN_S
        wanted_s = max(interval_s, spent_s / SHARE)
        share = spent_s / max(wanted_s, every_s)
        self._sum = self._sum + share if self._shares else share  # so that inexact sums do not add up
        wait_s = wanted_s * max(1.0, self._sum / SHARE)
        if share:
            heappush(self._shares, (now_s + max(wait_s, every_s), share))
        return wait_s


@coroutine
def timed(task: Coroutine[Any, Any, T]) -> Generator[Any, Any, tuple[T, float]]:
    """Awaits a coroutine. Returns its result, and the seconds of processor time that it has taken: none of those in
    which it waited, or the processor did something else."""
    spent_s = 0.0
    step: Any = task.send
    value: Any = None
    while True:
        begun_at = thread_time()
        try:
            trap = step(value)
        except StopIteration as end:
            return end.value, spent_s + thread_time() - begun_at
        finally:
            value = None  # an exception refers to this frame
        spent_s += thread_time() - begun_at
        try:
            value = yield trap
            step = task.send
        except BaseException as error:
            value, step = error, task.throw
