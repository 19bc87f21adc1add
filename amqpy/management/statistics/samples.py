"""Samples of counters in bounded memory: the youngest every five seconds, older ones the coarser.

Time is counted in *ticks* of five seconds since 1970, so that samples need no timestamps: the one at position p of a
level whose step is m ticks is that of tick p * m. A counter that has not changed since it was first seen has no samples
at all. One that has has its value and the tick since when it is that; what it was before is written down when it
changes the next time. So whatever rests costs nothing, however long.

Source: `exometer_slide`, `rabbit_mgmt_data`, and the defaults of `sample_retention_policies`.
"""

from array import array
from collections.abc import Sequence
from typing import Final, NamedTuple, TypeAlias

TICK_MS: Final = 5000
"""RabbitMQ's `collect_statistics_interval`."""

Values: TypeAlias = tuple[int, ...]
"""The values of an object's counters, in the order of its kind."""


class Level(NamedTuple):
    """Samples at one distance."""

    step: int
    """Ticks from one to the next."""
    room: int
    """The most that are kept."""


Retention: TypeAlias = tuple[Level, ...]
"""The levels at which samples are kept, from the finest on."""


def _retention(*levels: tuple[int, int]) -> Retention:
    """Levels of pairs of seconds: for so long, a sample every so many. One more than that, as both ends are shown."""
    return tuple(Level(every * 1000 // TICK_MS, length // every + 1) for length, every in levels)


GLOBAL: Final = _retention((600, 5), (3600, 60), (28_800, 600), (86_400, 1800))
BASIC: Final = _retention((600, 5), (3600, 60))
DETAILED: Final = _retention((600, 5))


class _Ring:
    """The samples at one level: an array that grows to its bound, and then is written over from its beginning."""

    __slots__ = ("end", "start", "values")

    def __init__(self, start: int) -> None:
        self.values = array("q")
        self.start = start
        """The first position that ever was written."""
        self.end = start
        """The next one to be written."""

    @property
    def oldest(self) -> int:
        return self.end - len(self.values)

    def fill(self, end: int, value: int, count: int) -> None:
        """Writes a value at all positions before `end` that have none; at most `count` are kept."""
        values = self.values
        if end - self.end >= count:
            self.values = array("q", [value]) * count
        else:
            for position in range(self.end, end):
                index = (position - self.start) % count
                if index == len(values):
                    values.append(value)
                else:
                    values[index] = value
        self.end = max(self.end, end)

    def at(self, position: int, count: int) -> int:
        return self.values[(position - self.start) % count]


class Column:
    """The samples of one counter."""

    __slots__ = ("_base", "_retention", "_rings", "changed_at", "value")

    def __init__(self, retention: Retention, base: int, tick: int, value: int) -> None:
        """It was `base`, and is `value` since a tick."""
        self._retention = retention
        self._base = base
        self.changed_at = tick
        """The tick since when it has its value."""
        self.value = value
        self._rings = [_Ring(-(-tick // level.step)) for level in retention]

    def put(self, tick: int, value: int) -> None:
        """Notes another value, which it has from this tick on."""
        for ring, (step, count) in zip(self._rings, self._retention, strict=True):
            ring.fill(-(-tick // step), self.value, count)
        self.changed_at = tick
        self.value = value

    def at(self, tick: int) -> int:
        """The value at a tick. What is not known any more is told by the oldest sample."""
        if tick >= self.changed_at:
            return self.value
        oldest = self._base
        for ring, (step, count) in zip(self._rings, self._retention, strict=True):
            position = tick // step
            if ring.oldest <= position < ring.end:
                return ring.at(position, count)
            if ring.oldest == ring.start:
                return self._base  # nothing has been forgotten: it is before the beginning
            oldest = ring.at(ring.oldest, count)
        return oldest


class Series:
    """The samples of an object's counters."""

    __slots__ = ("columns", "seen", "values")

    def __init__(self, values: Values) -> None:
        self.values = values
        self.columns: dict[int, Column] = {}
        """Of the counters that have changed, by their places."""
        self.seen = 0
        """The number of the scan that found the object last."""

    def put(self, tick: int, values: Values, retention: Retention, width: int) -> None:
        """Notes the values at a tick, of the first `width` counters with samples."""
        before, self.values = self.values, values
        columns = self.columns
        for place in range(width):
            value = values[place]
            if value == before[place]:
                continue
            column = columns.get(place)
            if column is None:
                columns[place] = Column(retention, before[place], tick, value)
            else:
                column.put(tick, value)

    def has_samples(self, places: Sequence[int]) -> bool:
        """False if none of these counters has ever changed."""
        return not self.columns.keys().isdisjoint(places)

    def at(self, places: Sequence[int], tick: int) -> int:
        """The sum of some counters at a tick."""
        columns, values = self.columns, self.values
        return sum([columns[place].at(tick) if place in columns else values[place] for place in places])

    def increase(self, places: Sequence[int], tick: int) -> int:
        """The growth of some counters from the sample before to that of this tick, which is the last."""
        grown = 0
        for place in places:
            column = self.columns.get(place)
            if column is not None and column.changed_at >= tick:
                grown += column.value - column.at(column.changed_at - 1)
        return grown
