"""Ranges of keys: sorted, disjoint, both ends included. Pure functions.

Deleting a queue of a million messages must not take a second, so only the range of their keys is noted as garbage; the
rows are deleted bit by bit.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import TypeAlias

Range: TypeAlias = tuple[int, int]
Ranges: TypeAlias = tuple[Range, ...]


def united(ranges: Iterable[Range]) -> Ranges:
    """Unites ranges into as few as possible."""
    found: list[Range] = []
    for first, last in sorted(ranges):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(last, found[-1][1]))
        else:
            found.append((first, last))
    return tuple(found)


def outside(ranges: Ranges, first: int, last: int) -> Iterator[Range]:
    """Yields the parts of `first` to `last` that are in none of the ranges."""
    for at in range(max(0, bisect_right(ranges, (first,)) - 1), len(ranges)):
        from_, to = ranges[at]
        if from_ > last:
            break
        if from_ > first:
            yield first, from_ - 1
        first = max(first, to + 1)
    if first <= last:
        yield first, last


def touched(ranges: Ranges, keys: Iterable[int]) -> set[Range]:
    """The ranges that contain any of the keys."""
    if not ranges:
        return set()
    found = set()
    for key in keys:
        at = bisect_right(ranges, (key + 1,)) - 1
        if at >= 0 and key <= ranges[at][1]:
            found.add(ranges[at])
    return found


def runs(keys: Iterable[int]) -> Iterator[Range]:
    """Yields sorted, distinct keys as ranges of consecutive ones."""
    first = last = None
    for key in keys:
        if last is not None and key == last + 1:
            last = key
            continue
        if first is not None and last is not None:
            yield first, last
        first = last = key
    if first is not None and last is not None:
        yield first, last
