"""Makes a script that shows a difference as short as it can be, and still steady."""

from collections.abc import Callable, Iterator

from interop.kit import shrink
from interop.kit.shrink import simpler_tables
from interop.parity.chance.steady import is_steady
from interop.parity.chance.steps import Script, Step

PROBES_AT_MOST = 200

KEPT = frozenset({"queue", "consumer_tag", "exchange_type", "source", "destination"})
"""Options that say what a step is about."""


class Shrinker(shrink.Shrinker[Step]):
    def __init__(self, differs: Callable[[Script], bool], probes: int = PROBES_AT_MOST) -> None:
        super().__init__(differs, simpler_steps, probes, is_steady)


def simpler_steps(step: Step) -> Iterator[Step]:
    """The step with one thing less in its options, the largest things first."""
    for options in simpler_tables(step.options):
        if KEPT & step.options.keys() <= options.keys():
            yield Step(step.action, step.channel, options)
