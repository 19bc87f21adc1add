"""Makes a list of steps that shows a difference as short as it can be (delta debugging)."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar

Step = TypeVar("Step")


class Shrinker(Generic[Step]):
    """First without whole steps, then with less in each step.

    `shows` plays steps and says if they show the difference. `simpler` are the steps with one thing less in them.
    Steps that `is_good` refuses are not played. A step that has lost what it needs is refused by both brokers alike, or
    there is nothing to do for it.
    """

    def __init__(
        self,
        shows: Callable[[Sequence[Step]], bool],
        simpler: Callable[[Step], Iterator[Step]],
        probes: int,
        is_good: Callable[[Sequence[Step]], bool] = bool,
    ) -> None:
        self._shows_difference = shows
        self._simpler = simpler
        self._probes = probes
        self._is_good = is_good

    def shortest(self, script: Sequence[Step]) -> list[Step]:
        """Of the scripts tried, the shortest one that differs; the given one is known to."""
        steps = list(script)
        while (shorter := self._with_less(self._with_fewer(steps))) != steps and self._probes > 0:
            steps = shorter
        return shorter

    def _shows(self, candidate: Sequence[Step]) -> bool:
        if self._probes <= 0 or not candidate or not self._is_good(candidate):
            return False
        self._probes -= 1
        return self._shows_difference(candidate)

    def _with_fewer(self, steps: list[Step]) -> list[Step]:
        size = max(1, len(steps) // 2)
        while True:
            start = len(steps)
            while start > 0:  # what comes late is less often needed by others
                start = max(0, start - size)
                candidate = steps[:start] + steps[start + size :]
                if self._shows(candidate):
                    steps = candidate
            if size == 1:
                return steps
            size //= 2

    def _with_less(self, steps: list[Step]) -> list[Step]:
        position = 0
        while position < len(steps):
            for simpler in self._simpler(steps[position]):
                candidate = [*steps[:position], simpler, *steps[position + 1 :]]
                if self._shows(candidate):
                    steps = candidate
                    break
            else:
                position += 1
        return steps


def simpler_tables(table: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The table with one thing less in it, the largest things first."""
    for name in table:
        yield {other: table[other] for other in table if other != name}
    for name, value in table.items():
        for simpler in simpler_values(value):
            yield {**table, name: simpler}


def simpler_values(value: Any) -> Iterator[Any]:  # noqa: ANN401
    match value:
        case dict():
            yield from simpler_tables(value)
        case list():
            for position, item in enumerate(value):
                yield value[:position] + value[position + 1 :]
                for simpler in simpler_values(item):
                    yield [*value[:position], simpler, *value[position + 1 :]]
        case bytes() if len(value) > 2:
            yield value[:2]
        case int() if not isinstance(value, bool) and value > 2:
            yield value - 1
