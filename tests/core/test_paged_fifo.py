"""A FIFO that keeps most of what waits on disk: to those who use it, it is a FIFO."""

# ruff: noqa: SLF001 (what is in memory is nobody else's business)

from collections.abc import Iterator
from typing import Any, NamedTuple
from unittest.mock import patch

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from amqpy.core.durability.journal import POSITION_BITS, Journal
from amqpy.core.durability.records import NOTHING, LaneRecord, LaneState
from amqpy.core.message import Message, PersistentMessage
from amqpy.core.queues import paged_fifo
from amqpy.core.queues.delayed_messages import DelayedMessages
from amqpy.core.queues.paged_fifo import PagedFifo
from amqpy.core.queues.ready_fifo import Place
from amqpy.store.memory import MemoryStore
from tests.core.core_harness import content_header
from tests.core.invariants import check_fifo
from tests.core.slices import items_of

RECORD = LaneRecord(0, "/", "queue", "q", 0, 0)
TINY: dict[str, Any] = {"WINDOW_MESSAGES": 3, "WINDOW_BYTES": 100, "PAGE_MESSAGES": 2, "PAGE_BYTES": 50}


def message(body: str, *, persistent: bool = True) -> Message:
    kind = PersistentMessage if persistent else Message
    return kind(b"\0\1q", content_header(persistent=persistent), body.encode())


def write(journal: Journal, store: MemoryStore) -> None:
    while (batch := journal.writing or journal.take()) is not None:
        store.append(batch)
        store.sync()
        journal.written()


def new_store() -> tuple[MemoryStore, Journal]:
    store = MemoryStore()
    store.load()
    return store, Journal(store, lambda: 0)


@pytest.fixture
def tiny() -> Iterator[None]:
    with patch.multiple(paged_fifo, **TINY):
        yield


def take_out(lane: PagedFifo, some: list[tuple[Place, Message]]) -> None:
    lane.take_out(some)
    lane.settle_all([place[1] for place, _ in some], [item for _, item in some])


class Held(NamedTuple):
    """A message and where it is in the lane."""

    position: int
    message: Message
    redelivered: bool

    @property
    def body(self) -> bytes:
        return self.message.body


class LaneMachine(RuleBasedStateMachine):
    """One lane, beside a list in order."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = patch.multiple(paged_fifo, **TINY)
        self.patch.start()
        self.store, self.journal = new_store()
        self.count = 0
        self.ready: list[Held] = []
        self.popped: list[Held] = []

    def teardown(self) -> None:
        self.patch.stop()

    @initialize(durable=st.sampled_from([True, True, False]), keeps_all=st.booleans())
    def make(self, durable: bool, keeps_all: bool) -> None:
        self.record = RECORD if durable else None
        self.keeps_all = durable and keeps_all
        self.lane = PagedFifo(self.journal, self.record, keeps_all=self.keeps_all)

    def survives(self, held: Held) -> bool:
        return self.keeps_all or (self.record is not None and held.message.persistent)

    @invariant()
    def it_is_as_the_list_says(self) -> None:
        if self.count:
            assert [item.body for _, item in self.lane] == [held.body for held in self.ready]
            for count in (1, 4, 1000):
                ahead = [(item.body, redelivered) for _, item, redelivered in self.lane.ahead(count)]
                assert ahead == [(held.body, held.redelivered) for held in self.ready[:count]]
                place, passed = self.lane.leap(count)
                rest = [(item.body, redelivered) for _, item, redelivered in self.lane.ahead(1000, place)]
                assert rest == [(held.body, held.redelivered) for held in self.ready[passed:]]
                assert passed == min(count, len(self.ready)) or self.lane.on_disk
            check_fifo(self.lane)

    @rule(count=st.integers(1, 6), persistent=st.booleans(), size=st.sampled_from([0, 0, 40, 200]))
    def append(self, count: int, persistent: bool, size: int) -> None:
        for _ in range(count):
            item = message(f"m{self.count}".ljust(size, "."), persistent=persistent)
            self.ready.append(Held(self.lane._end, item, False))
            self.lane.append(item)
            self.count += 1

    @rule(kinds=st.lists(st.booleans(), max_size=6), alike=st.booleans(), size=st.sampled_from([0, 0, 20, 40, 200]))
    def extend(self, kinds: list[bool], alike: bool, size: int) -> None:
        if alike:
            kinds = kinds[:1] * len(kinds)
        items = [message(f"m{self.count + at}".ljust(size, "."), persistent=kind) for at, kind in enumerate(kinds)]
        self.ready += [Held(self.lane._end + at, item, False) for at, item in enumerate(items)]
        self.lane.extend(items)
        self.count += len(items)

    @precondition(lambda self: self.count and not self.ready)
    @rule(kinds=st.lists(st.booleans(), max_size=4), alike=st.booleans())
    def append_and_pop_all(self, kinds: list[bool], alike: bool) -> None:
        if alike:
            kinds = kinds[:1] * len(kinds)
        items = [message(f"m{self.count + at}", persistent=kind) for at, kind in enumerate(kinds)]
        held = [Held(self.lane._end + at, item, False) for at, item in enumerate(items)]
        assert list(self.lane.append_and_pop_all(items)) == [each.position for each in held]
        self.popped += held
        self.count += len(items)

    @precondition(lambda self: self.count and not self.ready)
    @rule(persistent=st.booleans())
    def append_and_pop(self, persistent: bool) -> None:
        item = message(f"m{self.count}", persistent=persistent)
        held = Held(self.lane._end, item, False)
        assert self.lane.append_and_pop(item) == held.position
        self.popped.append(held)
        self.count += 1

    @precondition(lambda self: self.ready)
    @rule(count=st.integers(1, 4))
    def pop(self, count: int) -> None:
        for _ in range(min(count, len(self.ready))):
            held = self.ready.pop(0)
            position, item, redelivered = self.lane.pop()
            assert (item.body, item.header, redelivered) == (held.body, held.message.header, held.redelivered)
            assert type(item) is type(held.message)
            assert position == held.position
            self.popped.append(held._replace(message=item))

    @precondition(lambda self: self.count and self.lane.never_delivered and not self.lane.requeued)
    @rule(count=st.integers(1, 4))
    def pop_many(self, count: int) -> None:
        count = min(count, len(self.lane.never_delivered))
        held, self.ready = self.ready[:count], self.ready[count:]
        positions, items = self.lane.pop_many(count)
        assert [*zip(positions, [item.body for item in items], strict=True)] == [(at.position, at.body) for at in held]
        self.popped += [each._replace(message=item) for each, item in zip(held, items, strict=True)]

    @precondition(lambda self: self.popped)
    @rule(picks=st.lists(st.integers(0, 9), max_size=5))
    def settle_all(self, picks: list[int]) -> None:
        held = [self.popped.pop(pick % len(self.popped)) for pick in picks if self.popped]
        self.lane.settle_all([each.position for each in held], [each.message for each in held])

    @precondition(lambda self: self.popped)
    @rule(pick=st.integers(0, 9))
    def put_back(self, pick: int) -> None:
        held = self.popped.pop(pick % len(self.popped))
        self.lane.put_back(held.position, held.message)
        self.ready = sorted([*self.ready, held._replace(redelivered=True)])

    @precondition(lambda self: self.popped)
    @rule(pick=st.integers(0, 9))
    def settle(self, pick: int) -> None:
        held = self.popped.pop(pick % len(self.popped))
        self.lane.settle(held.position, held.message)

    @precondition(lambda self: self.ready)
    @rule(first=st.integers(0, 5), step=st.integers(1, 3), count=st.integers(1, 4))
    def take_out(self, first: int, step: int, count: int) -> None:
        ahead = list(self.lane.ahead(1000))
        assert [place for place, _, _ in ahead] == [(0, held.position) for held in self.ready]
        first %= len(ahead)
        picked = range(first, min(first + step * count, len(ahead)), step)
        take_out(self.lane, [ahead[at][:2] for at in picked])
        self.ready = [held for at, held in enumerate(self.ready) if at not in picked]

    @precondition(lambda self: len(self.ready) > 5)
    @rule()
    def clear(self) -> None:
        in_memory = {item.body for item in items_of(self.lane.clear())}
        assert in_memory <= {held.body for held in self.ready}
        self.ready.clear()

    # --- the store

    @precondition(lambda self: self.journal.has_work)
    @rule()
    def take(self) -> None:
        self.journal.take()

    @rule()
    def write(self) -> None:
        write(self.journal, self.store)

    @precondition(lambda self: self.count)
    @rule(is_clean=st.booleans(), unused=st.integers(0, 3))
    def restart(self, is_clean: bool, unused: int) -> None:
        """So many positions at the end were used by messages that are gone."""
        if is_clean:
            for held in self.popped:
                self.lane.put_back(held.position, held.message)
                self.ready.append(held._replace(redelivered=True))
            self.lane.note_front()
        else:
            self.ready += [held._replace(redelivered=True) for held in self.popped]
        write(self.journal, self.store)
        self.popped.clear()
        self.ready = sorted(filter(self.survives, self.ready))
        if not is_clean:
            self.ready = [held._replace(redelivered=True) for held in self.ready]
        loaded = self.store.load()
        self.journal = Journal(self.store, lambda: 0)
        self.lane = PagedFifo(self.journal, self.record, keeps_all=self.keeps_all)
        assert len(loaded.records) <= 1
        for record in loaded.records:
            assert isinstance(record, LaneRecord)
            self.journal.use_lanes({record.number})
            state = loaded.lanes.get(record.number, NOTHING)
            if state is not NOTHING:
                state = state._replace(end=state.end + unused)
            self.lane.restore(record.number, state, delivered_before=record.front if is_clean else state.end)


TestLane = LaneMachine.TestCase
# Explaining a failure traces every line of it, which takes longer than a test may.
TestLane.settings = settings(max_examples=100, stateful_step_count=50, phases=[Phase.generate, Phase.shrink])


# --- one by one


@pytest.mark.parametrize("persistent", [True, False])
@pytest.mark.parametrize("is_written", [True, False])
@pytest.mark.parametrize("popped", [0, 2])
@pytest.mark.parametrize("count", [3, 7])
def test_any_of_them_may_be_taken_out(persistent: bool, is_written: bool, popped: int, count: int, tiny: None) -> None:
    for picks in range(1 << count):
        store, journal = new_store()
        lane = PagedFifo(journal, RECORD)
        for number in range(count):
            lane.append(message(str(number), persistent=persistent))
        if is_written:
            write(journal, store)
        held = [lane.pop() for _ in range(popped)]
        for position, item, _ in held[1::2]:
            lane.put_back(position, item)
        ready = [(place, item) for place, item, _ in lane.ahead(9)]
        some = [entry for at, entry in enumerate(ready) if picks >> at & 1]
        take_out(lane, some)
        left = [item.body for place, item in ready if (place, item) not in some]
        check_fifo(lane)
        assert [item.body for _, item in lane] == left
        for number in range(7, 10):
            lane.append(message(str(number), persistent=persistent))
        check_fifo(lane)
        assert [lane.pop()[1].body for _ in range(len(lane))] == [*left, b"7", b"8", b"9"]
        assert (len(lane), lane.size, lane.on_disk) == (0, 0, 0)


def test_what_waits_in_memory_is_bounded(tiny: None) -> None:
    _, journal = new_store()
    lane = PagedFifo(journal, None)
    for number in range(10):
        lane.append(message(str(number)))
    assert (len(lane), len(lane.never_delivered), lane.on_disk) == (10, 3, 7)


def test_bytes_count_as_well_but_one_message_may_be_larger(tiny: None) -> None:
    _, journal = new_store()
    lane = PagedFifo(journal, None)
    for _ in range(3):
        lane.append(message("x" * 1000))
    assert (len(lane), lane.size, len(lane.never_delivered)) == (3, 3000, 1)
    for left in (2, 1, 0):
        assert len(lane.pop()[1].body) == 1000
        assert (len(lane), lane.size, bool(lane.never_delivered)) == (left, left * 1000, bool(left))


def test_what_does_not_survive_is_only_in_the_store_while_it_is_not_in_memory(tiny: None) -> None:
    store, journal = new_store()
    lane = PagedFifo(journal, RECORD)
    for number in range(6):
        lane.append(message(str(number), persistent=False))
    batch = journal.take()
    assert batch is not None
    assert [item.body for item in batch.added.values()] == [b"3", b"4", b"5"]
    assert batch.transient == set(batch.added)
    assert journal.added_count == 0, "nobody is promised anything"
    write(journal, store)
    for _ in range(3):
        lane.pop()
    assert len(journal.batch.removed) == 2, "a page is in memory again"
    store.append(journal.take())  # type: ignore[arg-type]
    store.sync()
    assert sum(len(each.rows) for each in store._lanes.values()) == 1


def test_a_queue_that_keeps_up_costs_no_lane() -> None:
    _, journal = new_store()
    lane = PagedFifo(journal, RECORD)
    lane.append(message("a", persistent=False))
    lane.pop()
    assert lane.base < 0
    assert not journal.has_work


def test_what_was_settled_before_it_was_written_is_never_written() -> None:
    _, journal = new_store()
    lane = PagedFifo(journal, RECORD)
    lane.append(message("a"))
    position, item, _ = lane.pop()
    lane.settle(position, item)
    assert journal.batch.added == {}
    assert journal.batch.removed == []


def test_messages_that_the_store_has_lost_are_missed(tiny: None) -> None:
    _, journal = new_store()
    lane = PagedFifo(journal, None)
    for number in range(5):
        lane.append(message(str(number)))
    journal.batch.added.clear()
    lane.pop()
    lane.pop()
    with pytest.raises(LookupError, match="2 messages of lane 1 are not in the store"):
        lane.pop()


def test_a_closed_lane_leaves_nothing_and_takes_nothing(tiny: None) -> None:
    store, journal = new_store()
    lane = PagedFifo(journal, RECORD)
    for number in range(6):
        lane.append(message(str(number)))
    position, owed, _ = lane.pop()
    write(journal, store)
    lane.close()
    lane.clear()
    write(journal, store)
    loaded = store.load()
    assert (loaded.records, loaded.lanes) == ([], {})
    lane.settle(position, owed)
    lane.append(message("late"))
    assert not journal.has_work


def restored(state: LaneState, *, delivered_before: int = 0, gap_after: int = 100) -> tuple[Journal, PagedFifo]:
    """A lane with so many messages in the store, some of them behind a gap."""
    store, journal = new_store()
    lane = PagedFifo(journal, RECORD)
    number = journal.open_lane(RECORD)
    base = number << POSITION_BITS
    for count in range(state.messages):
        position = state.first + count + (5 if count >= gap_after else 0)
        journal.add(base + position, message(str(position)))
    write(journal, store)
    lane.restore(number, state, delivered_before=delivered_before)
    return journal, lane


def test_no_more_is_read_again_than_is_wanted_next(tiny: None) -> None:
    """What came back is wanted before what is on disk."""
    _, lane = restored(LaneState(9, 0, 9, 9), delivered_before=9)
    assert len(lane.requeued) == 2
    lane.pop()
    assert len(lane.requeued) == 1
    lane.pop()
    assert len(lane.requeued) == 2


@pytest.mark.parametrize("delivered_before", [0, 50])
def test_a_message_that_comes_behind_unused_positions_has_its_own(tiny: None, delivered_before: int) -> None:
    """Transient messages of the run before were there; or it would be settled where it is not."""
    journal, lane = restored(LaneState(2, 0, 50, 2), delivered_before=delivered_before)
    lane.append(message("new"))
    assert list(journal.batch.added) == [lane.base + 50]
    assert [lane.pop()[0] for _ in range(3)] == [0, 1, 50]


def test_what_was_delivered_in_an_earlier_run_stays_so_though_nobody_has_looked(tiny: None) -> None:
    journal, lane = restored(LaneState(9, 0, 9, 9), delivered_before=9)
    lane.note_front()
    (fact,) = journal.batch.changes
    assert isinstance(fact.record, LaneRecord)
    assert fact.record.front == 9


def test_what_was_read_behind_a_gap_is_cleared_with_the_rest(tiny: None) -> None:
    _, lane = restored(LaneState(4, 0, 9, 4), gap_after=1)
    assert [position for position, _ in lane._page] == [6]
    lane.clear()
    for number in range(6):
        lane.append(message(f"new {number}"))
    assert [lane.pop()[0] for _ in range(6)] == [9, 10, 11, 12, 13, 14]


def test_fronts_of_an_earlier_lane_do_not_count(tiny: None) -> None:
    """It was empty when the broker stopped; its positions begin again, but its record is the old one."""
    store, journal = new_store()
    lane = PagedFifo(journal, RECORD)
    number = lane._journal.open_lane(RECORD)
    lane.restore(number, NOTHING, delivered_before=100)
    for each in range(6):
        lane.append(message(str(each)))
    assert [lane.pop()[2] for _ in range(4)] == [False] * 4
    lane.note_front()
    write(journal, store)
    (record,) = store.load().records
    assert isinstance(record, LaneRecord)
    assert record.front == 4


def test_only_lanes_with_something_in_them_have_a_front(tiny: None) -> None:
    _, journal = new_store()
    never_used, transient, empty = PagedFifo(journal, RECORD), PagedFifo(journal, None), PagedFifo(journal, RECORD)
    for lane in (transient, empty):
        lane.append(message("a"))
    empty.pop()
    for number in range(5):
        transient.append(message(str(number)))
    journal.take()
    for lane in (never_used, transient, empty):
        lane.note_front()
    assert journal.batch.changes == []


# --- shelves


def test_messages_leave_a_shelf_when_they_are_due() -> None:
    shelf = DelayedMessages(None, RECORD)
    for due_at_ms, body in ((20, "c"), (10, "a"), (10, "b"), (30, "d")):
        shelf.put(due_at_ms, message(body))
    assert (len(shelf), shelf.first_at_ms) == (4, 10)
    assert [shelf.pop().body for _ in range(4)] == [b"a", b"b", b"c", b"d"]
    assert shelf.first_at_ms is None


def test_a_shelf_is_kept_with_the_times() -> None:
    store, journal = new_store()
    shelf = DelayedMessages(journal, RECORD)
    for due_at_ms, body in ((20, "c"), (10, "a"), (10, "b"), (30, "d")):
        shelf.put(due_at_ms, message(body, persistent=False))
    shelf.pop()
    write(journal, store)
    (record,) = store.load().records
    assert isinstance(record, LaneRecord)

    journal = Journal(store, lambda: 0)
    journal.use_lanes({record.number})
    shelf = DelayedMessages(journal, RECORD)
    shelf.restore(record.number, store.read_lane(record.number, unix_offset_ms=0))  # type: ignore[arg-type]
    shelf.put(10, message("e"))
    assert sorted(item.body for item in shelf) == [b"b", b"c", b"d", b"e"]
    assert [shelf.pop().body for _ in range(3)] == [b"b", b"e", b"c"], "those of one time as they came"
    write(journal, store)
    assert [item.body for _, item, _ in store.read_lane(record.number, unix_offset_ms=0)] == [b"d"]


@pytest.mark.parametrize("ending", ["clear", "close"])
def test_nothing_is_left_of_a_shelf(ending: str) -> None:
    store, journal = new_store()
    shelf = DelayedMessages(journal, RECORD)
    shelf.put(10, message("a"))
    write(journal, store)
    shelf.put(20, message("b"))
    if ending == "close":
        shelf.close()
    assert [item.body for _, _, item in shelf.clear()] == [b"a", b"b"]
    write(journal, store)
    assert list(store.read_lane(1, unix_offset_ms=0)) == []
    assert len(store.load().records) == (ending == "clear")
    if ending == "close":
        shelf.put(30, message("c"))
        assert not journal.has_work


def test_a_shelf_without_anything_costs_no_lane() -> None:
    _, journal = new_store()
    shelf = DelayedMessages(journal, RECORD)
    shelf.clear()
    shelf.close()
    assert not journal.has_work
    assert journal.open_lane(None) == 1
