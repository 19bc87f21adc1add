"""Data structures without AMQP inside."""

import heapq
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Any, Generic, TypeAlias, TypeVar

T = TypeVar("T")
H = TypeVar("H", bound=Hashable)


Cleared: TypeAlias = "list[deque[Any] | list[Any]]"
"""What was in a FIFO: items, in deques, and positions and items, in lists."""


class ReadyFifo(Generic[T]):
    """A FIFO whose items can be put back where they were.

    Every item gets the next position when it is appended. Whatever was ever taken out came from the front, so an
    item that is put back belongs before all that never left: two containers keep the order, a heap of what came
    back and a deque of the rest, and only what came back needs its position stored.
    """

    __slots__ = ("fresh", "front", "returned")

    def __init__(self) -> None:
        self.fresh: deque[T] = deque()
        self.returned: list[tuple[int, T]] = []
        self.front = 0

    def __len__(self) -> int:
        return len(self.fresh) + len(self.returned)

    def __iter__(self) -> Iterator[tuple[int, T]]:
        """Positions and items, in order."""
        yield from sorted(self.returned, key=lambda entry: entry[0])
        yield from enumerate(self.fresh, self.front)

    @property
    def in_memory(self) -> int:
        """How many items are, if not all."""
        return len(self)

    def append(self, item: T) -> None:
        self.fresh.append(item)

    def pass_by(self, item: T) -> int:
        """The position of an item that is appended and popped at once. Only for an empty FIFO."""
        position = self.front
        self.front = position + 1
        return position

    def pop(self) -> tuple[int, T, bool]:
        """The first item's position, the item, and whether it had been put back. Raises IndexError when empty."""
        if self.returned:
            position, item = heapq.heappop(self.returned)
            return position, item, True
        item = self.fresh.popleft()
        position = self.front
        self.front = position + 1
        return position, item, False

    def first(self) -> T | None:
        """The item that `pop` would return, or None."""
        if self.returned:
            return self.returned[0][1]
        return self.fresh[0] if self.fresh else None

    def put_back(self, position: int, item: T) -> None:
        heapq.heappush(self.returned, (position, item))

    def settle(self, position: int, item: T) -> None:
        """An item that was popped will not be put back."""

    @property
    def has_returned(self) -> bool:
        """Whether anything that came back is there."""
        return bool(self.returned)

    def clear(self) -> Cleared:
        """Forgets everything. The answer holds it, for somebody to let go of it bit by bit."""
        cleared: Cleared = [self.fresh, self.returned]
        self.front += len(self.fresh)
        self.fresh = deque()
        self.returned = []
        return cleared


class LevelledFifo(ReadyFifo[T]):
    """Several FIFOs, of which the highest that has anything comes first; it also knows the size of all its items.

    `fresh` and `returned` are those of the first level that has anything, so that whoever looks there to see whether
    there is anything pays the same as with one level. Positions count within a level.
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
        """`base` becomes level 0, with all that is in it, whose `size` may be known; `make` makes another level."""
        super().__init__()
        self._make = make
        self._level_of = level_of
        self._size_of = size_of
        self._levels = {0: base}
        self._occupied = 1 if len(base) else 0
        """A bit for each level that has anything."""
        self._count = len(base)
        self.size = sum(size_of(item) for _, item in base) if size is None else size
        self._show_first()

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[tuple[int, T]]:
        for level in sorted(self._levels, reverse=True):
            yield from self._levels[level]

    def base(self) -> ReadyFifo[T]:
        """Level 0, for one who goes on without the others."""
        return self._levels[0]

    def append(self, item: T) -> None:
        self._join(item).append(item)
        self._show_first()

    def pass_by(self, item: T) -> int:
        return self._level(self._level_of(item)).pass_by(item)

    def pop(self) -> tuple[int, T, bool]:
        level = self._occupied.bit_length() - 1
        if level < 0:
            raise IndexError("pop from an empty FIFO")
        fifo = self._levels[level]
        position, item, returned = fifo.pop()
        self._count -= 1
        self.size -= self._size_of(item)
        if not fifo.fresh and not fifo.returned:
            self._occupied ^= 1 << level
            self._show_first()
        return position, item, returned

    def put_back(self, position: int, item: T) -> None:
        self._join(item).put_back(position, item)
        self._show_first()

    def settle(self, position: int, item: T) -> None:
        self._level(self._level_of(item)).settle(position, item)

    @property
    def has_returned(self) -> bool:
        return any(fifo.returned for fifo in self._levels.values())

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

    def join(self, level: int, fifo: ReadyFifo[T], size: int) -> None:
        """A FIFO becomes a level that was empty, with all that is in it."""
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
        """The level of an item that comes (back)."""
        level = self._level_of(item)
        self._occupied |= 1 << level
        self._count += 1
        self.size += self._size_of(item)
        return self._level(level)

    def _show_first(self) -> None:
        first = self._levels[max(self._occupied.bit_length() - 1, 0)]
        self.fresh, self.returned = first.fresh, first.returned


class DeadlineHeap(Generic[H]):
    """Keys with a deadline each; setting a new one replaces the old.

    Entries that no longer hold stay in the heap until they come up; they name their key by a number, so that a key
    which was discarded is let go at once.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[int, int]] = []
        self._numbers: dict[H, int] = {}
        self._keys: dict[int, H] = {}
        self._count = 0

    def __len__(self) -> int:
        return len(self._keys)

    def set(self, key: H, at_ms: int) -> None:
        self.discard(key)
        self._count += 1
        self._numbers[key] = self._count
        self._keys[self._count] = key
        heapq.heappush(self._heap, (at_ms, self._count))
        if len(self._heap) > 2 * len(self._keys) + 64:
            self._heap = [entry for entry in self._heap if entry[1] in self._keys]
            heapq.heapify(self._heap)

    def discard(self, key: H) -> None:
        number = self._numbers.pop(key, None)
        if number is not None:
            del self._keys[number]

    def first_at_ms(self) -> int | None:
        """The earliest deadline, or None."""
        heap = self._heap
        while heap and heap[0][1] not in self._keys:
            heapq.heappop(heap)
        return heap[0][0] if heap else None

    def pop_due(self, now_ms: int) -> H | None:
        """Removes and returns a key whose deadline has come, or returns None."""
        first = self.first_at_ms()
        if first is None or first > now_ms:
            return None
        key = self._keys[heapq.heappop(self._heap)[1]]
        self.discard(key)
        return key


class _TrieNode(Generic[H]):
    __slots__ = ("children", "repeats", "values")

    def __init__(self, word: str = "") -> None:
        self.repeats = word == "#"
        self.children: dict[str, _TrieNode[H]] = {}
        self.values: dict[H, None] = {}


class TopicTrie(Generic[H]):
    """Values under patterns of words, where `*` stands for one word and `#` for any number of them."""

    def __init__(self) -> None:
        self._root: _TrieNode[H] = _TrieNode()

    def add(self, pattern: list[str], value: H) -> None:
        node = self._root
        for word in pattern:
            node = node.children.setdefault(word, _TrieNode(word))
        node.values[value] = None

    def remove(self, pattern: list[str], value: H) -> None:
        """Takes the value away, and the nodes that only led to it."""
        path = [self._root]
        for word in pattern:
            path.append(path[-1].children[word])
        del path[-1].values[value]
        for word, parent in zip(reversed(pattern), reversed(path[:-1]), strict=True):
            node = parent.children[word]
            if node.children or node.values:
                break
            del parent.children[word]

    def match(self, words: list[str]) -> Iterator[H]:
        """The values of every matching pattern, each pattern once.

        The work is bounded by nodes times words, whatever the number of `#`: no node is visited twice at the same
        place in the key. (Plain backtracking is exponential in it, and a peer chooses both.)
        """
        count = len(words)
        repeated: set[tuple[int, int]] = set()
        work = [(self._root, 0)]
        while work:
            node, index = work.pop()
            children = node.children
            many = children.get("#")
            if many is not None and (id(many), index) not in repeated:
                repeated.add((id(many), index))
                work.append((many, index))
            if index == count:
                yield from node.values
                continue
            if node.repeats and (id(node), index + 1) not in repeated:
                repeated.add((id(node), index + 1))
                work.append((node, index + 1))
            for word in (words[index], "*") if words[index] != "*" else ("*",):
                child = children.get(word)
                if child is not None and child is not many:
                    work.append((child, index + 1))
