"""Makes a script that shows a difference as short as it can be: without whole steps, then with less in each."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace

from interop.kit import shrink
from interop.kit.shrink import simpler_tables
from interop.parity_http.steps import Script, Step

PROBES_AT_MOST = 60


class Shrinker(shrink.Shrinker[Step]):
    def __init__(self, shows: Callable[[Script], bool], probes: int = PROBES_AT_MOST) -> None:
        super().__init__(shows, simpler_steps, probes)


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
