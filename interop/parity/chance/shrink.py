"""Makes a script that shows a difference as short as it can be, and still steady."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from interop.parity.chance.steady import is_steady
from interop.parity.chance.steps import Script, Step

Differs = Callable[[Script], bool]

PROBES_AT_MOST = 200

KEPT = frozenset({"queue", "consumer_tag", "exchange_type", "source", "destination"})
"""Options that say what a step is about."""


class Shrinker:
    """Delta debugging: first without whole steps, then with less in each step.

    A step that lost what it needs is no step that lacks meaning: both brokers refuse it alike, or there is nothing to
    do for it.
    """

    def __init__(self, differs: Differs, probes: int = PROBES_AT_MOST) -> None:
        self._differs = differs
        self._probes = probes

    def shortest(self, script: Script) -> list[Step]:
        """Of the scripts tried, the shortest one that differs; the given one is known to."""
        steps = list(script)
        while (shorter := self._with_less(self._with_fewer(steps))) != steps and self._probes > 0:
            steps = shorter
        return shorter

    def _shows(self, candidate: Script) -> bool:
        if self._probes <= 0 or not is_steady(candidate):
            return False
        self._probes -= 1
        return self._differs(candidate)

    def _with_fewer(self, steps: list[Step]) -> list[Step]:
        size = max(1, len(steps) // 2)
        while True:
            start = len(steps)
            while start > 0:  # what comes late is less often needed by others
                start = max(0, start - size)
                candidate = steps[:start] + steps[start + size :]
                if candidate and self._shows(candidate):
                    steps = candidate
            if size == 1:
                return steps
            size //= 2

    def _with_less(self, steps: list[Step]) -> list[Step]:
        position = 0
        while position < len(steps):
            for simpler in simpler_steps(steps[position]):
                candidate = [*steps[:position], simpler, *steps[position + 1 :]]
                if self._shows(candidate):
                    steps = candidate
                    break
            else:
                position += 1
        return steps


def simpler_steps(step: Step) -> Iterator[Step]:
    """The step with one thing less in its options, the largest things first."""
    for options in simpler_tables(step.options):
        if KEPT & step.options.keys() <= options.keys():
            yield Step(step.action, step.channel, options)


def simpler_tables(table: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
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
