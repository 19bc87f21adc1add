"""Retention: the segments that a stream may drop.

Whole segments go, the oldest first, and never the last one. Both limits are applied where both are given.

Source: `osiris_log:evaluate_retention`.
"""

from collections.abc import Sequence
from typing import Protocol


class Aged(Protocol):
    """A segment."""

    @property
    def size(self) -> int: ...
    @property
    def last_ms(self) -> int:
        """The timestamp of its last chunk."""


def expired_count(segments: Sequence[Aged], now_ms: int, *, bytes_max: int | None, age_max_ms: int | None) -> int:
    """The number of segments to drop, from the oldest on. `now_ms` is Unix time."""
    count = 0
    if age_max_ms is not None:
        while count < len(segments) - 1 and segments[count].last_ms < now_ms - age_max_ms:
            count += 1
    if bytes_max is None:
        return count
    room = bytes_max
    for place in range(len(segments) - 1, count - 1, -1):
        room -= segments[place].size
        if room < 0:
            return min(place + 1, len(segments) - 1)
    return count
