"""The ready messages of a queue: a FIFO to which messages can be requeued, each at its old position."""

import heapq
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice
from operator import itemgetter
from typing import Any, Generic, TypeAlias, TypeVar

T = TypeVar("T")

Place: TypeAlias = tuple[int, int]
"""The place of an item: its priority level, and its position there."""

Cleared: TypeAlias = "list[deque[Any] | list[Any]]"
"""The former content of a FIFO: deques of items, and lists of positions and items."""


class ReadyFifo(Generic[T]):
    """A FIFO whose items can be put back at their old position.

    Every item gets the next position when it is appended. Every item that was ever taken out came from the front, so
    one that is put back belongs before all that were never delivered: two containers keep the order, a heap of the
    requeued and a deque of the others, and only requeued items need their position stored.
    """

    __slots__ = ("front", "never_delivered", "requeued")

    def __init__(self) -> None:
        self.never_delivered: deque[T] = deque()
        self.requeued: list[tuple[int, T]] = []
        self.front = 0

    def __len__(self) -> int:
        return len(self.never_delivered) + len(self.requeued)

    def __iter__(self) -> Iterator[tuple[int, T]]:
        """Yields positions and items, in order."""
        yield from sorted(self.requeued, key=lambda entry: entry[0])
        yield from enumerate(self.never_delivered, self.front)

    @property
    def in_memory(self) -> int:
        """The number of items in memory; here all of them."""
        return len(self)

    def items_in_memory(self) -> Iterator[T]:
        """Yields the items in memory, in no order."""
        yield from self.never_delivered
        yield from (item for _, item in self.requeued)

    def append(self, item: T) -> None:
        self.never_delivered.append(item)

    def extend(self, items: list[T]) -> None:
        """Appends items."""
        self.never_delivered.extend(items)

    def append_and_pop(self, item: T) -> int:
        """Returns the position of an item that is appended and popped at once. Only for an empty FIFO."""
        position = self.front
        self.front = position + 1
        return position

    def append_and_pop_all(self, items: list[T]) -> Sequence[int]:
        """`append_and_pop` for items in a row; returns their positions."""
        first = self.front
        self.front = first + len(items)
        return range(first, self.front)

    def pop(self) -> tuple[int, T, bool]:
        """Removes the first item; returns its position, the item, and True if it had been put back. Raises IndexError
        when empty."""
        if self.requeued:
            position, item = heapq.heappop(self.requeued)
            return position, item, True
        item = self.never_delivered.popleft()
        position = self.front
        self.front = position + 1
        return position, item, False

    def pop_many(self, count: int) -> tuple[Sequence[int], list[T]]:
        """Removes the first `count` items of `never_delivered`, where nothing is requeued; returns their positions and
        them."""
        first = self.front
        self.front = first + count
        pop = self.never_delivered.popleft
        return range(first, self.front), [pop() for _ in range(count)]

    def first(self) -> T | None:
        """The item that `pop` would return, or None."""
        if self.requeued:
            return self.requeued[0][1]
        return self.never_delivered[0] if self.never_delivered else None

    def ahead(self, count: int, after: Place | None = None) -> Iterator[tuple[Place, T, bool]]:
        """Yields what `pop` would return next, or would after this place: up to `count` items with their places, and
        True with those that had been put back. Meanwhile nothing may change."""
        begin = -1 if after is None else after[1]
        requeued = self._sorted_requeued()
        at = bisect_right(requeued, begin, key=itemgetter(0))
        returned = requeued[at : at + count]
        yield from (((0, position), item, True) for position, item in returned)
        first = max(begin + 1 - self.front, 0)
        fresh = islice(self.never_delivered, first, first + count - len(returned))
        yield from (((0, position), item, False) for position, item in enumerate(fresh, self.front + first))

    def leap(self, count: int) -> tuple[Place | None, int]:
        """The place of the last of the first `count` items, to go on after it, and that count; or of an earlier one,
        where it costs more to find it, and its count. None is before all."""
        returned = min(count, len(self.requeued))
        fresh = min(count - returned, len(self.never_delivered))
        if fresh:
            return (0, self.front + fresh - 1), returned + fresh
        if not returned:
            return None, 0
        return (0, self._sorted_requeued()[returned - 1][0]), returned

    def _sorted_requeued(self) -> list[tuple[int, T]]:
        """The requeued items in order. They stay so: what is sorted is a heap, and quickly sorted again."""
        self.requeued.sort(key=itemgetter(0))
        return self.requeued

    def put_back(self, position: int, item: T) -> None:
        heapq.heappush(self.requeued, (position, item))

    @property
    def end(self) -> int:
        """The position of the next item that is appended."""
        return self.front + len(self.never_delivered)

    def take_out(self, entries: Sequence[tuple[Place, T]]) -> None:
        """Removes items from wherever they stand: they and their places, in order. No place behind the last of them
        changes; what stays before it moves up."""
        positions = self._take_requeued([place[1] for place, _ in entries])
        if not positions:
            return
        fresh, gone = self.never_delivered, set(positions)
        first, last = positions[0] - self.front, positions[-1] - self.front
        fresh.rotate(-first)
        span = [fresh.popleft() for _ in range(first, last + 1)]
        stays = [item for position, item in enumerate(span, positions[0]) if position not in gone]
        fresh.extendleft(reversed(stays))
        fresh.rotate(first)
        self.front += len(positions)

    def _take_requeued(self, positions: list[int]) -> list[int]:
        """Removes the requeued ones of these items. Returns the positions of the others, which all come later."""
        index = bisect_left(positions, self.front)
        gone = deque(positions[:index])
        while gone and self.requeued[0][0] == gone[0]:
            gone.popleft()
            heapq.heappop(self.requeued)
        if gone:
            left = set(gone)
            self.requeued[:] = [entry for entry in self._sorted_requeued() if entry[0] not in left]
        return positions[index:]

    def settle(self, position: int, item: T) -> None:
        """Is told that an item that was popped will not be put back."""

    def settle_all(self, positions: Sequence[int], items: Sequence[T]) -> None:
        """`settle` for many."""

    @property
    def has_requeued(self) -> bool:
        """True if any requeued item is there."""
        return bool(self.requeued)

    def clear(self) -> Cleared:
        """Removes all items and returns them, to be freed bit by bit."""
        cleared: Cleared = [self.never_delivered, self.requeued]
        self.front += len(self.never_delivered)
        self.never_delivered = deque()
        self.requeued = []
        return cleared
