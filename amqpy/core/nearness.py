"""The names and keys that are most like one that was asked for: somebody may have meant them.

Among many, those are looked at closely that a cheap measure prefers.
"""

import difflib
from collections.abc import Collection, Generator, Iterable, Iterator
from functools import partial
from heapq import nlargest
from itertools import islice
from typing import Final

LOT: Final = 500
"""Names that are looked at in one step: a millisecond of work."""

CANDIDATES: Final = 50
"""Names that are compared closely."""

NEAREST: Final = 3
"""The most names that are told."""


def similarity(wanted: str, found: str) -> float:
    """The likeness of two texts, from 0 to 1: the share of the longer one that both begin and end with."""
    if wanted == found:
        return 1.0
    short, long = sorted((len(wanted), len(found)))
    alike = _common(wanted, found) + _common(reversed(wanted), reversed(found))
    return min(alike, short) / long


def _common(one: Iterable[str], other: Iterable[str]) -> int:
    """The number of characters that both begin with."""
    count = 0
    for mine, yours in zip(one, other, strict=False):
        if mine != yours:
            break
        count += 1
    return count


def nearest(wanted: str, names: Collection[str]) -> Generator[int, None, tuple[str, ...]]:
    """The names that are most like the wanted one, the nearest first; none if none is near. A job, which yields the
    units that it took."""
    best: list[str] = []
    rest: Iterator[str] = iter(list(names))
    while lot := list(islice(rest, LOT)):
        best = nlargest(CANDIDATES, [*best, *lot], key=partial(similarity, wanted))
        yield len(lot)
    close = difflib.get_close_matches(wanted, [each for each in best if each], NEAREST)
    yield 5 * len(best)
    return tuple(close)
