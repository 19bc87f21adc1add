"""The messages of a queue that are ready: a FIFO to which messages can come back, each to its old place."""

import heapq
from collections import deque
from collections.abc import Iterator
from typing import Any, Generic, TypeAlias, TypeVar

T = TypeVar("T")

Cleared: TypeAlias = "list[deque[Any] | list[Any]]"
"""What was in a FIFO: items, in deques, and positions and items, in lists."""


class ReadyFifo(Generic[T]):
    """A FIFO whose items can be put back where they were.

    Every item gets the next position when it is appended. Whatever was ever taken out came from the front, so an
    item that is put back belongs before all that never left: two containers keep the order, a heap of what came
    back and a deque of the rest, and only what came back needs its position stored.
    """

    __slots__ = ("front", "never_delivered", "requeued")

    def __init__(self) -> None:
        self.never_delivered: deque[T] = deque()
        self.requeued: list[tuple[int, T]] = []
        self.front = 0

    def __len__(self) -> int:
        return len(self.never_delivered) + len(self.requeued)

    def __iter__(self) -> Iterator[tuple[int, T]]:
        """Positions and items, in order."""
        yield from sorted(self.requeued, key=lambda entry: entry[0])
        yield from enumerate(self.never_delivered, self.front)

    @property
    def in_memory(self) -> int:
        """How many items are, if not all."""
        return len(self)

    def append(self, item: T) -> None:
        self.never_delivered.append(item)

    def append_and_pop(self, item: T) -> int:
        """The position of an item that is appended and popped at once. Only for an empty FIFO."""
        position = self.front
        self.front = position + 1
        return position

    def pop(self) -> tuple[int, T, bool]:
        """The first item's position, the item, and whether it had been put back. Raises IndexError when empty."""
        if self.requeued:
            position, item = heapq.heappop(self.requeued)
            return position, item, True
        item = self.never_delivered.popleft()
        position = self.front
        self.front = position + 1
        return position, item, False

    def first(self) -> T | None:
        """The item that `pop` would return, or None."""
        if self.requeued:
            return self.requeued[0][1]
        return self.never_delivered[0] if self.never_delivered else None

    def put_back(self, position: int, item: T) -> None:
        heapq.heappush(self.requeued, (position, item))

    def settle(self, position: int, item: T) -> None:
        """An item that was popped will not be put back."""

    @property
    def has_requeued(self) -> bool:
        """Whether anything that came back is there."""
        return bool(self.requeued)

    def clear(self) -> Cleared:
        """Forgets everything. The answer holds it, for somebody to let go of it bit by bit."""
        cleared: Cleared = [self.never_delivered, self.requeued]
        self.front += len(self.never_delivered)
        self.never_delivered = deque()
        self.requeued = []
        return cleared
