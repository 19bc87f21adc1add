"""The data structures, each held against the plainest thing that does the same."""

import sys
from collections import Counter
from collections.abc import Callable
from itertools import product
from types import FrameType
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amqpy.core.queues.priority_fifo import PriorityFifo
from amqpy.core.queues.ready_fifo import ReadyFifo
from amqpy.core.structures import DeadlineHeap, TopicTrie
from tests.core.slices import items_of

# --- ReadyFifo


class FifoModel:
    """A sorted list of positions."""

    def __init__(self) -> None:
        self.next = 0
        self.ready: dict[int, bool] = {}
        self.out: list[int] = []

    def append(self) -> int:
        self.ready[self.next] = False
        self.next += 1
        return self.next - 1

    def pop(self) -> tuple[int, int, bool]:
        position = min(self.ready)
        self.out.append(position)
        return position, position, self.ready.pop(position)

    def put_back(self, which: int) -> int:
        position = self.out.pop(which % len(self.out))
        self.ready[position] = True
        return position


@given(st.lists(st.one_of(st.sampled_from(["append", "append", "pop", "clear"]), st.integers(0, 50))))
def test_a_ready_fifo_is_a_sorted_list(steps: list[str | int]) -> None:
    fifo: ReadyFifo[int] = ReadyFifo()
    model = FifoModel()
    for step in steps:
        if step == "append":
            fifo.append(model.append())
        elif step == "pop" and model.ready:
            assert fifo.pop() == model.pop()
        elif step == "clear":
            assert sorted(items_of(fifo.clear())) == sorted(model.ready)
            model.ready.clear()
        elif isinstance(step, int) and model.out:
            position = model.put_back(step)
            fifo.put_back(position, position)
        assert list(fifo) == [(position, position) for position in sorted(model.ready)]
        assert len(fifo) == len(model.ready)
        assert bool(fifo) == bool(model.ready)


def test_an_empty_ready_fifo_has_nothing_to_pop() -> None:
    with pytest.raises(IndexError):
        ReadyFifo[int]().pop()


def test_the_items_of_a_ready_fifo_need_no_order() -> None:
    fifo: ReadyFifo[object] = ReadyFifo()
    for _ in range(3):
        fifo.append(object())
    taken = [fifo.pop() for _ in range(3)]
    for position, item, _ in reversed(taken):
        fifo.put_back(position, item)
    assert [fifo.pop()[:2] for _ in range(3)] == [entry[:2] for entry in taken]


# --- LevelledFifo


class Item(NamedTuple):
    number: int
    level: int
    size: int


class LevelledModel:
    """Lists of positions and items, by level."""

    def __init__(self) -> None:
        self.ready: list[tuple[int, int, Item, bool]] = []
        """By falling level and position."""
        self.next = Counter[int]()
        self.out: list[tuple[int, Item]] = []

    def append(self, item: Item) -> int:
        position = self.next[item.level]
        self.next[item.level] += 1
        self.ready = sorted([*self.ready, (-item.level, position, item, False)])
        return position

    def pop(self) -> tuple[int, Item, bool]:
        _, position, item, returned = self.ready.pop(0)
        self.out.append((position, item))
        return position, item, returned

    def put_back(self, which: int) -> tuple[int, Item]:
        position, item = self.out.pop(which % len(self.out))
        self.ready = sorted([*self.ready, (-item.level, position, item, True)])
        return position, item


ITEMS = st.tuples(st.integers(0, 40), st.integers(0, 9))


@given(st.lists(ITEMS, max_size=3), st.lists(ITEMS | st.sampled_from(["pop", "pass", "clear"]) | st.integers(0, 50)))
def test_a_levelled_fifo_is_a_sorted_list(
    before: list[tuple[int, int]], steps: list[tuple[int, int] | str | int]
) -> None:
    base: ReadyFifo[Item] = ReadyFifo()
    model = LevelledModel()
    for number, (_, size) in enumerate(before):
        base.append(Item(number, 0, size))
        model.append(Item(number, 0, size))
    fifo: PriorityFifo[Item] = PriorityFifo(lambda item: item.level, lambda item: item.size, base)
    for number, step in enumerate(steps, len(before)):
        if isinstance(step, tuple):
            fifo.append(Item(number, *step))
            model.append(Item(number, *step))
        elif step == "pop" and model.ready:
            assert fifo.pop() == model.pop()
        elif step == "pass" and not model.ready:
            item = Item(number, 7, 1)
            assert fifo.append_and_pop(item) == model.append(item)
            model.pop()
        elif step == "clear":
            assert sorted(items_of(fifo.clear())) == sorted(item for _, _, item, _ in model.ready)
            model.ready.clear()
        elif isinstance(step, int) and model.out:
            fifo.put_back(*model.put_back(step))
        assert list(fifo) == [(position, item) for _, position, item, _ in model.ready]
        assert len(fifo) == len(model.ready)
        assert fifo.size == sum(item.size for _, _, item, _ in model.ready)
        assert fifo.first() == (model.ready[0][2] if model.ready else None)
        assert bool(fifo.never_delivered or fifo.requeued) == bool(model.ready)


def test_an_empty_levelled_fifo_has_nothing_to_pop() -> None:
    fifo: PriorityFifo[int] = PriorityFifo(lambda _: 0, lambda _: 0, ReadyFifo())
    with pytest.raises(IndexError):
        fifo.pop()


def test_level_0_goes_on_alone() -> None:
    fifo: PriorityFifo[int] = PriorityFifo(lambda _: 0, lambda _: 1, ReadyFifo())
    for item in "abc":
        fifo.append(ord(item))
    taken = fifo.pop()
    fifo.put_back(*taken[:2])
    assert [item for _, item in fifo.base()] == [97, 98, 99]


# --- DeadlineHeap

KEYS = st.sampled_from("abcde")
SET_DEADLINE = st.tuples(st.just("set"), KEYS, st.integers(0, 100))
DISCARD = st.tuples(st.just("discard"), KEYS, st.just(0))
POP = st.tuples(st.just("pop"), st.just(""), st.integers(0, 100))


@given(st.lists(SET_DEADLINE | DISCARD | POP))
def test_a_deadline_heap_is_a_dict(steps: list[tuple[str, str, int]]) -> None:
    heap: DeadlineHeap[str] = DeadlineHeap()
    model: dict[str, int] = {}
    for action, key, number in steps:
        if action == "set":
            heap.set(key, number)
            model.pop(key, None)
            model[key] = number
        elif action == "discard":
            heap.discard(key)
            model.pop(key, None)
        else:
            due = min(model, key=model.__getitem__, default=None)
            if due is not None and model[due] > number:
                due = None
            assert heap.pop_due(number) == due, "the earliest; of several, the one set first"
            if due is not None:
                del model[due]
        assert heap.first_at_ms() == min(model.values(), default=None)
        assert len(heap) == len(model)


def test_a_deadline_moved_often_does_not_pile_up() -> None:
    def held(count: int) -> int:
        heap: DeadlineHeap[str] = DeadlineHeap()
        for at_ms in range(count):
            heap.set("key", at_ms)
        return steps_of(lambda: heap.pop_due(count), DeadlineHeap.first_at_ms)

    assert held(10_000) < 1000


# --- TopicTrie


def matches(pattern: list[str], words: list[str]) -> bool:
    """The specification's rule, word by word."""
    if not pattern:
        return not words
    if pattern[0] == "#":
        return matches(pattern[1:], words) or (bool(words) and matches(pattern, words[1:]))
    return bool(words) and pattern[0] in {"*", words[0]} and matches(pattern[1:], words[1:])


WORDS = st.lists(st.sampled_from(["a", "b", "", "*", "#"]), max_size=5)
"""`*` and `#` are words like any other in a routing key."""


@given(st.lists(st.tuples(st.booleans(), WORDS, st.integers(0, 2))), st.lists(WORDS, min_size=1))
def test_a_topic_trie_is_a_list_of_patterns(steps: list[tuple[bool, list[str], int]], keys: list[list[str]]) -> None:
    trie: TopicTrie[int] = TopicTrie()
    model: set[tuple[tuple[str, ...], int]] = set()
    for adds, pattern, value in steps:
        entry = (tuple(pattern), value)
        if adds:
            trie.add(pattern, value)
            model.add(entry)
        elif entry in model:
            trie.remove(pattern, value)
            model.remove(entry)
        for key in keys:
            expected = sorted(value for pattern, value in model if matches(list(pattern), key))
            assert sorted(trie.match(key)) == expected, "every matching pattern, each once"


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        ("", [""], ["a"]),
        ("a.b", ["a.b"], ["a", "a.b.c", "b.a", "a.B"]),
        ("*", ["a", "*", "#"], ["", "a.b"]),
        ("#", ["", "a", "a.b.c", "..", "*"], []),
        ("a.*.c", ["a.b.c", "a..c", "a.*.c"], ["a.c", "a.b.b.c"]),
        ("a.#", ["a", "a.b", "a.b.c", "a."], ["", "b.a", "ab"]),
        ("#.a", ["a", "b.a", "a.a"], ["a.b", ""]),
        ("a.#.b", ["a.b", "a.x.b", "a.b.b", "a.b.a.b"], ["a", "b", "a.b.c"]),
        ("#.#", ["", "a", "a.b"], []),
        ("#.*", ["a", "a.b"], [""]),
        ("*.#.*", ["a.b", "a.b.c"], ["", "a"]),
        ("#.a.#", ["a", "b.a.c", "a.a"], ["", "b"]),
        ("a*", ["a*"], ["ab", "a"]),
        ("a.#b", ["a.#b"], ["a.b", "a.c.b"]),
        ("..", [".."], ["", ".", "..."]),
    ],
)
def test_topic_patterns(pattern: str, matching: list[str], other: list[str]) -> None:
    trie: TopicTrie[str] = TopicTrie()
    trie.add(words_of(pattern), "found")
    assert [key for key in matching + other if list(trie.match(words_of(key)))] == matching


def words_of(key: str) -> list[str]:
    return key.split(".") if key else []


def test_a_topic_trie_forgets_what_was_removed() -> None:
    trie: TopicTrie[int] = TopicTrie()
    patterns = [list(words) for size in range(4) for words in product("ab#", repeat=size)]
    key = ["a", "b", "a", "b"]
    empty = steps_of(lambda: list(trie.match(key)), TopicTrie.match)
    for pattern in patterns:
        trie.add(pattern, 1)
    for pattern in patterns:
        trie.remove(pattern, 1)
    assert steps_of(lambda: list(trie.match(key)), TopicTrie.match) == empty


@pytest.mark.parametrize("word", ["#", "*.#", "a.#"])
def test_no_topic_pattern_makes_a_match_expensive(word: str) -> None:
    """Lines run, as a measure of work that is the same on every machine: nodes times words, and no more."""
    depth = 256 // len(word + ".")
    pattern = words_of(".".join([word] * depth))
    key = ["a"] * 100
    trie: TopicTrie[int] = TopicTrie()
    trie.add(pattern, 1)
    trie.add([*pattern, "b"], 2)
    steps = steps_of(lambda: list(trie.match(key)), TopicTrie.match)
    assert steps < 25 * len(pattern) * len(key)


def steps_of(call: Callable[[], object], function: Callable[..., object]) -> int:
    """How many lines of `function` a call runs."""
    steps = 0

    def trace(frame: FrameType, event: str, _: object) -> Callable[..., Any] | None:
        nonlocal steps
        if frame.f_code is not function.__code__:
            return None
        steps += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(before)
    return steps
