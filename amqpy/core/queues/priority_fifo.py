"""Ready messages by priority, the highest first (`x-max-priority`).

Source: `rabbit_priority_queue`.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import groupby

from amqpy.core.queues.ready_fifo import Cleared, Place, ReadyFifo, T


class PriorityFifo(ReadyFifo[T]):
    """Several FIFOs, of which the highest that is not empty comes first; it also counts the size of all its items.

    `never_delivered` and `requeued` are those of the first level that is not empty, so that testing for ready messages
    costs the same as with one level. Positions count within a level.
    """

    __slots__ = ("_count", "_level_of", "_levels", "_make", "_occupied", "_size_of", "size")

    def __init__(
        self,
        level_of: Callable[[T], int],
        size_of: Callable[[T], int],
        base: ReadyFifo[T],
        *,
        make: Callable[[int], ReadyFifo[T]] = lambda level: ReadyFifo(),
        size: int | None = None,
    ) -> None:
        """`base` becomes level 0, with its items, whose `size` may be known; `make` makes another level."""
        super().__init__()
        self._make = make
        self._level_of = level_of
        self._size_of = size_of
        self._levels = {0: base}
        self._occupied = 1 if len(base) else 0
        """A bit for each level that is not empty."""
        self._count = len(base)
        self.size = sum(size_of(item) for _, item in base) if size is None else size
        self._show_first()

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[tuple[int, T]]:
        for level in sorted(self._levels, reverse=True):
            yield from self._levels[level]

    def ahead(self, count: int, after: Place | None = None) -> Iterator[tuple[Place, T, bool]]:
        for level in sorted(self._levels, reverse=True):
            if after is not None and level > after[0]:
                continue
            begin = after if after is not None and level == after[0] else None
            for (_, position), item, returned in self._levels[level].ahead(count, begin):
                count -= 1
                yield (level, position), item, returned

    def leap(self, count: int) -> tuple[Place | None, int]:
        place: Place | None = None
        done = 0
        for level in sorted(self._levels, reverse=True):
            wanted = min(count - done, len(self._levels[level]))
            found, passed = self._levels[level].leap(wanted)
            if found is not None:
                place = level, found[1]
            done += passed
            if done == count or passed < wanted:
                break
        return place, done

    def base(self) -> ReadyFifo[T]:
        """Level 0, to go on with when there are no priorities any more."""
        return self._levels[0]

    def append(self, item: T) -> None:
        self._join(item).append(item)
        self._show_first()

    def extend(self, items: list[T]) -> None:
        for level, group in groupby(items, self._level_of):
            some = list(group)
            self._occupied |= 1 << level
            self._count += len(some)
            self.size += sum(map(self._size_of, some))
            self._level(level).extend(some)
        self._show_first()

    def append_and_pop(self, item: T) -> int:
        return self._level(self._level_of(item)).append_and_pop(item)

    def append_and_pop_all(self, items: list[T]) -> Sequence[int]:
        return [self.append_and_pop(item) for item in items]

    def pop(self) -> tuple[int, T, bool]:
        level = self._occupied.bit_length() - 1
        if level < 0:
            raise IndexError("pop from an empty FIFO")
        position, item, returned = self._levels[level].pop()
        self._leave(level, (item,))
        return position, item, returned

    def pop_many(self, count: int) -> tuple[Sequence[int], list[T]]:
        level = self._occupied.bit_length() - 1
        positions, items = self._levels[level].pop_many(count)
        self._leave(level, items)
        return positions, items

    def _leave(self, level: int, items: Collection[T]) -> None:
        """Counts items that were removed."""
        fifo = self._levels[level]
        self._count -= len(items)
        self.size -= sum(map(self._size_of, items))
        if not fifo.never_delivered and not fifo.requeued:
            self._occupied ^= 1 << level
            self._show_first()

    def put_back(self, position: int, item: T) -> None:
        self._join(item).put_back(position, item)
        self._show_first()

    def take_out(self, entries: Sequence[tuple[Place, T]]) -> None:
        for level, group in groupby(entries, lambda entry: entry[0][0]):
            some = list(group)
            self._levels[level].take_out(some)
            self._leave(level, [item for _, item in some])

    def ends(self) -> dict[int, int]:
        """The positions of the next items, by level."""
        return {level: fifo.end for level, fifo in self._levels.items()}

    def settle(self, position: int, item: T) -> None:
        self._level(self._level_of(item)).settle(position, item)

    def settle_all(self, positions: Sequence[int], items: Sequence[T]) -> None:
        start = 0
        for level, group in groupby(items, self._level_of):
            end = start + sum(1 for _ in group)
            self._level(level).settle_all(positions[start:end], items[start:end])
            start = end

    @property
    def has_requeued(self) -> bool:
        return any(fifo.requeued for fifo in self._levels.values())

    def clear(self) -> Cleared:
        cleared = [part for fifo in self._levels.values() for part in fifo.clear()]
        self._occupied = self._count = self.size = 0
        self._show_first()
        return cleared

    @property
    def in_memory(self) -> int:
        return sum(fifo.in_memory for fifo in self._levels.values())

    def levels(self) -> Iterable[ReadyFifo[T]]:
        return self._levels.values()

    def lengths(self) -> dict[int, int]:
        """The number of items of each level that ever had any."""
        return {level: len(fifo) for level, fifo in self._levels.items()}

    def join(self, level: int, fifo: ReadyFifo[T], size: int) -> None:
        """Makes a FIFO, with its items, a level that was empty. `size` is that of its items."""
        self._levels[level] = fifo
        if len(fifo):
            self._occupied |= 1 << level
        self._count += len(fifo)
        self.size += size
        self._show_first()

    def _level(self, level: int) -> ReadyFifo[T]:
        fifo = self._levels.get(level)
        if fifo is None:
            fifo = self._levels[level] = self._make(level)
        return fifo

    def _join(self, item: T) -> ReadyFifo[T]:
        """Counts an item that is appended or put back; returns the FIFO of its level."""
        level = self._level_of(item)
        self._occupied |= 1 << level
        self._count += 1
        self.size += self._size_of(item)
        return self._level(level)

    def _show_first(self) -> None:
        first = self._levels[max(self._occupied.bit_length() - 1, 0)]
        self.never_delivered, self.requeued = first.never_delivered, first.requeued
