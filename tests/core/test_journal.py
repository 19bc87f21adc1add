"""What is gathered for the disk, what is left out, and what is read while it is on its way there."""

import pytest

from amqpy.core.durability.journal import OVERHEAD, POSITION_BITS, POSITIONS, DueTime, Journal
from amqpy.core.durability.records import Drop, LaneRecord, Put, VhostRecord
from amqpy.core.message import Message, PersistentMessage
from amqpy.store.memory import MemoryStore
from tests.core.core_harness import content_header

VHOST = VhostRecord("/", "", "[]", None, False)
LANE = LaneRecord(0, "/", "queue", "q", 0, 0)
OFFSET_MS = 1000
FIRST, LAST = 1 << POSITION_BITS, (2 << POSITION_BITS) - 1
"""The keys of lane 1."""


class Client:
    """Waits for batches."""

    def __init__(self) -> None:
        self.told: list[int] = []

    def on_durable(self, number: int) -> None:
        self.told.append(number)


@pytest.fixture
def store() -> MemoryStore:
    store = MemoryStore()
    store.load()
    return store


@pytest.fixture
def journal(store: MemoryStore) -> Journal:
    return Journal(store, lambda: OFFSET_MS)


def message(body: str = "") -> Message:
    return PersistentMessage(b"\0\1q", content_header(persistent=True), body.encode())


def write(journal: Journal, store: MemoryStore) -> None:
    """Makes durable what was taken, or what there is."""
    batch = journal.writing or journal.take()
    assert batch is not None
    store.append(batch)
    store.sync()
    journal.written()


def read(journal: Journal, first: int = FIRST, *, count_max: int = 100, size_max: int = 1000) -> list[str]:
    found = journal.read(first, LAST, count_max=count_max, size_max=size_max)
    keys = [key for key, _ in found]
    assert keys == sorted(keys)
    return [message.body.decode() for _, message in found]


# --- gathering


def test_there_is_nothing_to_write_at_first(journal: Journal) -> None:
    assert not journal.has_work
    assert journal.take() is None
    assert journal.writing is None


def test_a_batch_has_what_was_put_dropped_added_removed_and_cleared(journal: Journal) -> None:
    first, second = message("a"), message("b")
    journal.put(VHOST)
    journal.drop(VHOST)
    journal.add(FIRST, first)
    journal.add(FIRST + 1, second, DueTime(50))
    journal.remove(FIRST - 1)
    journal.clear(10, 20)
    assert journal.has_work
    batch = journal.take()
    assert batch is not None
    assert (batch.number, batch.unix_offset_ms) == (1, OFFSET_MS)
    assert batch.changes == [Put(VHOST), Drop(VHOST)]
    assert batch.added == {FIRST: first, FIRST + 1: second}
    assert batch.due_times == {FIRST + 1: DueTime(50)}
    assert batch.removed == [FIRST - 1]
    assert batch.cleared == [(10, 20)]
    assert journal.batch.number == 2
    assert journal.batch.is_empty


def test_what_came_and_went_before_the_batch_was_taken_costs_nothing(journal: Journal) -> None:
    journal.add(FIRST, message("a" * 100))
    journal.remove(FIRST)
    assert not journal.has_work
    assert journal.size == 0
    journal.add(FIRST, message())
    journal.add(FIRST + 5, message())
    journal.clear(FIRST, FIRST + 4)
    assert list(journal.batch.added) == [FIRST + 5]
    assert journal.size == OVERHEAD


def test_what_went_while_it_was_written_is_removed_with_the_next_batch(journal: Journal, store: MemoryStore) -> None:
    journal.add(FIRST, message("a"))
    journal.take()
    journal.remove(FIRST)
    assert journal.batch.removed == [FIRST]
    write(journal, store)
    assert read(journal) == ["a"]
    write(journal, store)
    assert read(journal) == []


def test_one_batch_is_written_at_a_time(journal: Journal, store: MemoryStore) -> None:
    journal.put(VHOST)
    journal.take()
    journal.drop(VHOST)
    assert not journal.has_work
    with pytest.raises(AssertionError):
        journal.take()
    write(journal, store)
    assert journal.has_work


def test_its_size_is_that_of_what_gathers(journal: Journal) -> None:
    journal.add(FIRST, message("a" * 100))
    journal.add(FIRST + 1, message("b" * 10), transient=True)
    assert journal.size == 110 + 2 * OVERHEAD
    journal.take()
    assert journal.size == 0


def test_the_counts_say_whether_anything_was_promised(journal: Journal) -> None:
    journal.add(FIRST, message(), transient=True)
    journal.remove(FIRST)
    assert (journal.added_count, journal.overflow_count, journal.changes_count) == (0, 1, 0)
    journal.add(FIRST, message())
    assert (journal.added_count, journal.changes_count) == (1, 0)
    journal.put(VHOST)
    journal.drop(VHOST)
    journal.clear(FIRST, LAST)
    assert (journal.added_count, journal.changes_count) == (1, 3)


# --- who waits


def test_who_waits_is_told_once_the_batch_is_durable(journal: Journal, store: MemoryStore) -> None:
    early, late = Client(), Client()
    journal.put(VHOST)
    journal.batch.waiting[early] = None
    journal.take()
    journal.drop(VHOST)
    journal.batch.waiting[late] = None
    assert early.told == []
    write(journal, store)
    assert (early.told, late.told) == ([1], [])
    write(journal, store)
    assert (early.told, late.told) == ([1], [2])


def test_somebody_may_wait_for_an_empty_batch(journal: Journal) -> None:
    client = Client()
    journal.add(FIRST, message())
    journal.batch.waiting[client] = None
    journal.remove(FIRST)
    assert journal.has_work
    batch = journal.take()
    assert batch is not None
    assert batch.is_empty
    journal.written()
    assert client.told == [1]


def test_many_are_added_as_if_they_came_one_by_one(journal: Journal, store: MemoryStore) -> None:
    singly, messages = Journal(store, lambda: OFFSET_MS), [message("x" * size) for size in (3, 0, 7)]
    for first, transient in (FIRST, False), (FIRST + 3, True):
        journal.add_all(first, messages, 10, transient=transient)
        for key, each in enumerate(messages, first):
            singly.add(key, each, transient=transient)
    assert journal.batch.added == singly.batch.added
    assert journal.batch.transient == singly.batch.transient
    assert journal.size == singly.size == 6 * OVERHEAD + 20
    assert (journal.added_count, journal.overflow_count) == (singly.added_count, singly.overflow_count) == (3, 3)


@pytest.mark.parametrize("gathered", [0, 2, 5])
def test_many_are_removed_as_if_they_went_one_by_one(journal: Journal, store: MemoryStore, gathered: int) -> None:
    """The last of five messages are in the batch that gathers, so many of them."""
    singly = Journal(store, lambda: OFFSET_MS)
    keys = [FIRST + at for at in (4, 0, 3, 1)]
    for each in (journal, singly):
        for at in range(5 - gathered, 5):
            each.add(FIRST + at, message("x" * at))
    journal.remove_all(keys)
    for key in keys:
        singly.remove(key)
    assert journal.batch.added.keys() == singly.batch.added.keys()
    assert journal.batch.removed == singly.batch.removed
    assert journal.size == singly.size


# --- lanes


def test_lanes_are_numbered_from_one_and_recorded_if_they_survive(journal: Journal) -> None:
    assert [journal.open_lane(LANE), journal.open_lane(None), journal.open_lane(LANE)] == [1, 2, 3]
    assert journal.batch.changes == [Put(LANE._replace(number=1)), Put(LANE._replace(number=3))]


def test_a_closed_lane_leaves_nothing(journal: Journal, store: MemoryStore) -> None:
    number = journal.open_lane(LANE)
    journal.add(FIRST, message())
    write(journal, store)
    journal.add(FIRST + 1, message())
    journal.close_lane(number, LANE)
    batch = journal.batch
    assert batch.changes == [Drop(LANE._replace(number=1))]
    assert batch.cleared == [(FIRST, FIRST + POSITIONS - 1)]
    assert batch.added == {}
    write(journal, store)
    assert read(journal) == []
    assert store.load().records == []


def test_a_lane_that_does_not_survive_has_no_record_to_drop(journal: Journal) -> None:
    journal.close_lane(journal.open_lane(None), None)
    assert journal.batch.changes == []


# --- reading


@pytest.mark.parametrize("count_max", [1, 2, 3, 100])
@pytest.mark.parametrize(("durable", "writing"), [(0, 0), (0, 3), (2, 2), (2, 4), (6, 6)])
def test_messages_are_read_wherever_they_are(
    journal: Journal, store: MemoryStore, durable: int, writing: int, count_max: int
) -> None:
    """Of six, so many are durable, or on their way at least."""
    for position in range(6):
        journal.add(FIRST + position, message(str(position)))
        if position == durable - 1:
            write(journal, store)
        elif position == writing - 1:
            journal.take()
    found: list[str] = []
    while more := read(journal, FIRST + len(found), count_max=count_max):
        assert len(more) <= count_max
        found += more
    assert found == list("012345")


@pytest.mark.parametrize("is_durable", [False, True])
def test_so_many_bytes_are_read_and_one_message_at_least(
    journal: Journal, store: MemoryStore, is_durable: bool
) -> None:
    for position, size in enumerate([30, 5, 5, 1]):
        journal.add(FIRST + position, message("x" * size))
    if is_durable:
        write(journal, store)
    assert list(map(len, read(journal, size_max=10))) == [30]
    assert list(map(len, read(journal, FIRST + 1, size_max=10))) == [5, 5]


def test_nothing_of_other_lanes_is_read(journal: Journal, store: MemoryStore) -> None:
    journal.add(FIRST - 1, message("before"))
    journal.add(LAST + 1, message("after"))
    assert read(journal) == []
    write(journal, store)
    assert read(journal) == []


def test_what_is_not_durable_yet_may_begin_behind_a_gap(journal: Journal, store: MemoryStore) -> None:
    """A restart leaves positions that are never used again."""
    journal.add(FIRST, message("old"))
    write(journal, store)
    journal.add(1, message("of another lane"))
    journal.add(FIRST + 10, message("a"))
    journal.take()
    journal.add(FIRST + 11, message("b"))
    assert read(journal, FIRST + 1) == ["a", "b"]
    assert read(journal, FIRST + 12) == []
