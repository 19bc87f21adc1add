"""The times at which something is due on an open connection: a heartbeat, the end of its credentials, a permission that
is to be asked for again.

Source: `rabbit_reader:handle_other` of `credential_expired`.
"""

from dataclasses import dataclass

RECHECK_MS = 15_000
"""Milliseconds for which the answers of a back end to one connection hold. RabbitMQ's channels keep their last 12 until
they are idle for a while, so that a busy one never asks again."""


@dataclass(slots=True)
class Timers:
    """Three times, or None where nothing is due."""

    beat_at_ms: int | None = None
    """Of the next look at heartbeats."""
    expire_at_ms: int | None = None
    """Of the end of its user's credentials."""
    recheck_at_ms: int | None = None
    """Of forgetting what back ends have said."""

    @property
    def next_at_ms(self) -> int | None:
        times = (self.beat_at_ms, self.expire_at_ms, self.recheck_at_ms)
        return min((at for at in times if at is not None), default=None)

    def set_expiry(self, expires_at_s: float | None, unix_time_ms: int, now_ms: int) -> None:
        """Sets the end of the credentials, which is a Unix time; None for never."""
        self.expire_at_ms = None if expires_at_s is None else now_ms + max(int(expires_at_s * 1000) - unix_time_ms, 0)

    def note_answer(self, now_ms: int) -> None:
        """Notes that a back end has answered."""
        if self.recheck_at_ms is None:
            self.recheck_at_ms = now_ms + RECHECK_MS
