"""The time of one test broker: it ticks like the real one, or stands still, and can be moved on; never back.

Times are milliseconds of Unix time. Real time is that of the event loop.
"""

from collections.abc import Callable


class VirtualClock:
    """A clock that begins at `now_ms`. `real_ms` is the time of the event loop."""

    def __init__(self, now_ms: int, real_ms: Callable[[], int], *, frozen: bool) -> None:
        self._real_ms = real_ms
        self._since_ms = real_ms()
        self._base_ms = now_ms
        self.frozen = frozen

    def now_ms(self) -> int:
        return self._base_ms + (0 if self.frozen else self._real_ms() - self._since_ms)

    def real_at(self, at_ms: int) -> int | None:
        """The real time at which it will be `at_ms`; None if it stands still before that."""
        now_ms = self.now_ms()
        if at_ms <= now_ms:
            return self._real_ms()
        return None if self.frozen else self._real_ms() + at_ms - now_ms

    def move_to(self, at_ms: int) -> None:
        """Moves it on to this time, unless it is later already."""
        self._base_ms = max(at_ms, self.now_ms())
        self._since_ms = self._real_ms()

    def freeze(self) -> None:
        self._base_ms, self.frozen = self.now_ms(), True

    def unfreeze(self) -> None:
        if self.frozen:
            self._since_ms, self.frozen = self._real_ms(), False
