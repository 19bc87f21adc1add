"""The clock of a test broker, for the test."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from amqpy.testing.events import EPOCH
from amqpy.testing.waiting import result_of

if TYPE_CHECKING:
    from amqpy.testing.host import Host
    from amqpy.testing.server import Server

SETTLE_S = 5.0
"""Seconds that clients have to settle, after each instant at which something came due."""


class Clock:
    """The broker's time. It ticks, or is frozen; it never goes back, and never skips by itself."""

    def __init__(self, host: "Host", server: "Server") -> None:
        self._host = host
        self._server = server

    @property
    def now(self) -> datetime:
        """The broker's time (UTC)."""
        return _datetime(self._host.call(self._server.clock.now_ms))

    @property
    def frozen(self) -> bool:
        return self._server.clock.frozen

    def freeze(self) -> None:
        """Stops the clock: from now on only `advance` moves it."""
        self._host.call(self._server.clock.freeze)

    def unfreeze(self) -> None:
        """Lets the clock tick on."""
        self._host.call(self._server.wake, self._server.clock.unfreeze)

    def advance(
        self,
        by: float | timedelta = 0,
        *,
        days: float = 0,
        hours: float = 0,
        minutes: float = 0,
        seconds: float = 0,
        milliseconds: float = 0,
        settle: bool = False,
    ) -> None:
        """Moves the clock on, in seconds unless told otherwise, from deadline to deadline: each thing is done at
        exactly its time. With `settle`, clients may react to each before the next. Raises NotSettled."""
        step = _step(by, days, hours, minutes, seconds, milliseconds)
        self._host.call_async(self._advance, step, settle)

    async def aadvance(
        self,
        by: float | timedelta = 0,
        *,
        days: float = 0,
        hours: float = 0,
        minutes: float = 0,
        seconds: float = 0,
        milliseconds: float = 0,
        settle: bool = False,
    ) -> None:
        """`advance` for code in an event loop."""
        step = _step(by, days, hours, minutes, seconds, milliseconds)
        await result_of(self._host.begin_async(self._advance, step, settle))

    def advance_to_next(self, *, settle: bool = False) -> bool:
        """Moves the clock on to the next deadline. False if nothing is due."""
        return self._host.call_async(self._advance_to_next, settle)

    def due(self) -> list[tuple[datetime, str]]:
        """All deadlines: when, and what is due then. The earliest is first."""
        entries = self._host.call(self._server.heard, self._server.due)
        return [(_datetime(at_ms), what) for at_ms, what in entries]

    def follow(self, callback: Callable[[timedelta], object]) -> None:
        """Has a function called with each step of `advance`, before what is due after it: `time_machine`'s `shift`, for
        example, so that the clock of the application goes along."""
        self._host.call(self._server.followers.append, callback)

    async def _advance(self, step: timedelta, settle: bool) -> None:
        ms = round(step.total_seconds() * 1000)
        await self._server.advance(ms, settles=settle, timeout=SETTLE_S)

    async def _advance_to_next(self, settle: bool) -> bool:
        return await self._server.advance_to_next(settles=settle, timeout=SETTLE_S)

    def __repr__(self) -> str:
        return f"<clock at {self.now.isoformat()}{', frozen' if self.frozen else ''}>"


def _step(
    by: float | timedelta, days: float, hours: float, minutes: float, seconds: float, milliseconds: float
) -> timedelta:
    """Raises ValueError for a step back."""
    first = by if isinstance(by, timedelta) else timedelta(seconds=by)
    step = first + timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds, milliseconds=milliseconds)
    if step < timedelta():
        raise ValueError("the clock of a test broker never goes back")
    return step


def _datetime(at_ms: int) -> datetime:
    return EPOCH + timedelta(milliseconds=at_ms)
