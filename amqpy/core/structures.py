"""Data structures that know nothing of AMQP."""

import heapq
from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

H = TypeVar("H", bound=Hashable)


class DeadlineHeap(Generic[H]):
    """Keys with a deadline each; setting a new one replaces the old.

    Replaced entries stay in the heap until they come up; they name their key by a number, so that a key which was
    discarded is released at once.
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

    def entries(self) -> list[tuple[int, H]]:
        """All deadlines and their keys, the earliest first."""
        return [(at_ms, self._keys[number]) for at_ms, number in sorted(self._heap) if number in self._keys]

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
        """Removes the value, and the nodes that only led to it."""
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
