"""The sums of many objects' counters, added up bit by bit.

Between two bits the broker does its work, and objects leave: their counters are then among those of the ones that are
gone. So that nothing is counted twice, what was read of them is taken off again.
"""

from collections.abc import Mapping
from typing import Generic

from amqpy.core.statistics import Name, Totals


class Sum(Generic[Name]):
    """The sum of the counters of `totals`."""

    def __init__(self, totals: Totals[Name]) -> None:
        self._totals: Totals[Name] = totals
        self._read: dict[object, Mapping[Name, int]] = {}
        self._sums: dict[Name, int] = {}

    def add(self, source: object, counts: Mapping[Name, int]) -> None:
        """Adds the counters of an object, unless it has left."""
        if source in self._totals:
            self._read[source] = counts
            sums = self._sums
            for name, count in counts.items():
                sums[name] = sums.get(name, 0) + count

    def end(self) -> dict[Name, int]:
        """The sums, with all that are gone."""
        sums, gone = self._sums, self._totals.gone
        for source in self._totals.missing(self._read):
            for name, count in self._read[source].items():
                sums[name] -= count
        return {name: sums.get(name, 0) + gone.get(name, 0) for name in {**gone, **sums}}
