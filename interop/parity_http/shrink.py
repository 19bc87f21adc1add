"""Makes a script that shows a difference as short as it can be: without whole steps, then with less in each."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace

from interop.parity.chance.shrink import simpler_tables
from interop.parity_http.steps import Script, Step

PROBES_AT_MOST = 60

Shows = Callable[[Script], bool]


class Shrinker:
    """Delta debugging. A step that has lost what it needs is refused by both brokers alike, or that is a find, too."""

    def __init__(self, shows: Shows, probes: int = PROBES_AT_MOST) -> None:
        self._shows_difference = shows
        self._probes = probes

    def shortest(self, script: Script) -> list[Step]:
        """Of the scripts tried, the shortest one that differs; the given one is known to."""
        steps = list(script)
        while (shorter := self._with_less(self._with_fewer(steps))) != steps and self._probes > 0:
            steps = shorter
        return shorter

    def _shows(self, candidate: Script) -> bool:
        if self._probes <= 0 or not candidate:
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
            for simpler in simpler_steps(steps[position]):
                candidate = [*steps[:position], simpler, *steps[position + 1 :]]
                if self._shows(candidate):
                    steps = candidate
                    break
            else:
                position += 1
        return steps


def simpler_steps(step: Step) -> Iterator[Step]:
    """The step with one thing less in it: another user, a header, the query, a key of its body."""
    if step.who:
        yield replace(step, who="")
    for number in range(len(step.headers)):
        yield replace(step, headers=step.headers[:number] + step.headers[number + 1 :])
    if step.path != step.resource:
        yield replace(step, path=step.resource)
    try:
        body = json.loads(step.body)
    except ValueError:
        return
    if isinstance(body, dict):
        for simpler in simpler_tables(body):
            yield replace(step, body=json.dumps(simpler))
