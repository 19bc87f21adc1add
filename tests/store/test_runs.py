"""Messages in a row, in one row of the database."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amqpy.core.durability.journal import POSITION_BITS
from amqpy.core.durability.records import LaneState
from amqpy.core.message import Message, PersistentMessage
from amqpy.store import sqlite, statements
from amqpy.store.runs import BODY_MAX, BYTES_MAX, RUN_MAX, Damaged, Run, Runs, cut, cuts_of, left_of, to_row
from amqpy.store.sqlite import SqliteStore
from amqpy.store.store import StoreError, StoreFull
from tests.store import material
from tests.store.material import SqliteOpener, by_size, key_of, lane_record, look, message_of, traced

ADDRESS = b"\x01x\x03key"


pytestmark = pytest.mark.usefixtures("few_are_a_run")


@pytest.fixture
def opener(tmp_path: Path) -> SqliteOpener:
    return SqliteOpener(tmp_path)


def ask(run: material.Run, question: str) -> list[tuple[Any, ...]]:
    assert isinstance(run.opener, SqliteOpener)
    other = sqlite3.connect(run.opener.path)
    try:
        return other.execute(question).fetchall()
    finally:
        other.close()


def stored_runs(run: material.Run, lane: int = 1) -> list[tuple[int, int]]:
    """Positions of the first and the last message of each."""
    found = ask(run, "SELECT first, last FROM runs ORDER BY first")
    return [(first - key_of(lane, 0), last - key_of(lane, 0)) for first, last in found]


def rows(run: material.Run) -> int:
    return int(ask(run, "SELECT count(*) FROM messages")[0][0])


# --- what becomes a run


def test_many_in_a_row_are_runs_that_end_at_the_same_places(run: material.Run) -> None:
    run.write(run.batch({key_of(1, at): message_of(b"%d" % at) for at in range(200, 600)}))
    assert stored_runs(run) == [(200, 255), (256, 511), (512, 599)]
    assert rows(run) == 0
    assert run.all(1) == {at: look(message_of(b"%d" % at)) for at in range(200, 600)}


@pytest.mark.parametrize(("count", "runs"), [(material.FEW - 1, 0), (material.FEW, 1)])
def test_a_few_have_rows_of_their_own(run: material.Run, count: int, runs: int) -> None:
    run.write(run.batch(by_size([5] * count)))
    assert (len(stored_runs(run)), rows(run)) == (runs, 0 if runs else count)


@pytest.mark.parametrize(
    "odd",
    [
        message_of(b"x", expires_at_ms=5),
        traced(b"x", delivery_count=1),
        message_of(b"x" * (BODY_MAX + 1)),
    ],
    ids=["that expires", "with a history", "large"],
)
def test_one_that_is_not_like_the_others_is_in_no_run(run: material.Run, odd: Message) -> None:
    messages = by_size([5] * 64)
    messages[key_of(1, 40)] = odd
    run.write(run.batch(messages, puts=[lane_record(1)]))
    assert not any(first <= 40 <= last for first, last in stored_runs(run))
    assert rows(run) <= material.FEW
    run.crash()
    assert run.all(1) == {at: look(messages[key_of(1, at)]) for at in range(64)}


def test_delayed_messages_and_shared_bodies_are_in_no_run(run: material.Run) -> None:
    body = b"s" * statements.SHARED_BODY_MIN_BYTES
    messages = {key_of(lane, at): message_of(body) for lane in (1, 2) for at in range(10)}
    messages |= by_size([1] * 10, lane=3)
    run.write(run.batch(messages, notes={key_of(3, at): at for at in range(10)}))
    assert stored_runs(run) == []
    assert [due for _, _, due in run.store.read_lane(3, unix_offset_ms=run.now_ms)] == list(range(10))


def test_runs_are_not_too_large(run: material.Run) -> None:
    run.write(run.batch(by_size([BODY_MAX] * 64)))
    assert rows(run) == 0
    assert all(size <= BYTES_MAX for (size,) in ask(run, "SELECT length(content) FROM runs"))
    assert list(run.all(1)) == list(range(64))


def test_transient_messages_are_in_runs_of_their_own_that_end_with_the_broker(run: material.Run) -> None:
    transient = [key_of(1, at) for at in range(32, 64)]
    run.write(run.batch(by_size([7] * 64), puts=[lane_record(1)], transient=transient))
    assert stored_runs(run) == [(0, 31), (32, 63)]
    assert list(run.all(1)) == list(range(64))
    assert run.crash().lanes == {1: LaneState(32, 0, 64, 32 * 7)}
    assert list(run.all(1)) == list(range(32))
    while run.store.tidy():
        assert list(run.all(1)) == list(range(32))
    assert stored_runs(run) == [(0, 31)]


def test_old_transient_runs_go_bit_by_bit(run: material.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    count = 10 * RUN_MAX
    run.write(run.batch(by_size([1] * count), puts=[lane_record(1)], transient=[key_of(1, at) for at in range(count)]))
    monkeypatch.setattr(sqlite, "TIDIED_AT_ONCE", 3 * sqlite.ROWS_A_RUN)
    run.crash()
    left = []
    while run.store.tidy():
        left.append(len(stored_runs(run)))
    assert left == [7, 4, 1, 0][: len(left)]
    assert stored_runs(run) == []


def keyed(key: bytes, body: bytes) -> Message:
    return PersistentMessage(b"\x01x%c%b" % (len(key), key), message_of(body).header, body)


def test_a_run_may_have_many_routing_keys(run: material.Run) -> None:
    messages = [keyed(b"k" * (at * 37 % 256), b"%d" % at) for at in range(100)]
    run.write(run.batch({key_of(1, at): message for at, message in enumerate(messages)}, puts=[lane_record(1)]))
    assert rows(run) == 0
    run.crash()
    assert run.all(1) == {at: look(message) for at, message in enumerate(messages)}
    run.write(run.batch(removed=[key_of(1, 0), key_of(1, 50)]))
    names = ask(run, "SELECT position, exchange, routing_key, body FROM queue_messages")
    assert names == [(at, "x", "k" * (at * 37 % 256), b"%d" % at) for at in range(100) if at not in {0, 50}]


# --- what goes


def test_what_is_left_of_a_run_is_there_and_the_rest_is_not(run: material.Run) -> None:
    run.write(run.batch(by_size([7] * 20), puts=[lane_record(1)]))
    gone: list[int] = []
    for removed in ([3], [0, 1, 2], [19], [10, 12, 14], [4, 5, 6, 7, 8, 9, 11, 13]):
        run.write(run.batch(removed=[key_of(1, at) for at in removed]))
        gone += removed
        left = [at for at in range(20) if at not in gone]
        assert list(run.all(1)) == left
        state = run.crash().lanes[1]
        assert (state.messages, state.first, state.size) == (len(left), left[0], 7 * len(left))
        assert list(run.all(1)) == left
        seen = ask(run, "SELECT position FROM queue_messages")
        assert [position for (position,) in seen] == left
    run.write(run.batch(removed=[key_of(1, at) for at in left]))
    assert ask(run, "SELECT * FROM runs") == ask(run, "SELECT * FROM gone") == []


def test_a_run_goes_whole_with_several_pieces_of_one_batch(run: material.Run) -> None:
    run.write(run.batch(by_size([1] * 20)))
    run.write(run.batch(removed=[key_of(1, at) for at in range(20) if at != 9]))
    assert ask(run, "SELECT count(*) FROM gone") == [(2,)]
    run.write(run.batch(removed=[key_of(1, 9)]))
    assert ask(run, "SELECT * FROM runs") == ask(run, "SELECT * FROM gone") == []


def test_the_last_pieces_of_a_run_may_go_in_one_batch(run: material.Run) -> None:
    run.write(run.batch(by_size([1] * 20)))
    run.write(run.batch(removed=[key_of(1, 9)]))
    run.write(run.batch(removed=[key_of(1, at) for at in range(20) if at != 9]))
    assert ask(run, "SELECT * FROM runs") == ask(run, "SELECT * FROM gone") == []


def test_clearing_leaves_the_other_part_of_a_run(run: material.Run) -> None:
    total = 3 * RUN_MAX
    run.write(run.batch(by_size([1] * total), puts=[lane_record(1)]))
    run.write(run.batch(removed=[key_of(1, 4)]))
    run.write(run.batch(cleared=[(key_of(1, 5), key_of(1, total - 3))]))
    left = [0, 1, 2, 3, total - 2, total - 1]
    for _ in range(2):
        assert list(run.all(1)) == left
        assert run.crash().lanes == {1: LaneState(6, 0, total, 6)}
    while run.store.tidy():
        pass
    assert stored_runs(run) == [(0, RUN_MAX - 1), (2 * RUN_MAX, total - 1)]
    run.write(run.batch(cleared=[(key_of(1, 0), key_of(1, total))]))
    assert ask(run, "SELECT * FROM runs") == ask(run, "SELECT * FROM gone") == []


def test_cleared_runs_are_deleted_bit_by_bit(run: material.Run) -> None:
    count = 100
    run.write(run.batch(by_size([1] * count * RUN_MAX), puts=[lane_record(1)]))
    run.write(run.batch(cleared=[(key_of(1, 0), key_of(1, count * RUN_MAX))]))
    left = [len(stored_runs(run))]
    assert not run.all(1)
    run.crash()
    assert not run.all(1)
    while run.store.tidy():
        left.append(len(stored_runs(run)))
    assert count > left[0] > 0
    assert left == sorted(left, reverse=True)
    assert left[-1] == 0


def test_a_place_in_a_run_can_be_taken_again_when_it_is_free(run: material.Run) -> None:
    run.write(run.batch(by_size([1] * 20), puts=[lane_record(1)]))
    run.write(run.batch({key_of(1, 7): message_of(b"new")}, removed=[key_of(1, 7)]))
    run.crash()
    assert list(run.all(1)) == list(range(20))
    assert run.all(1)[7] == look(message_of(b"new"))
    run.write(run.batch(removed=[key_of(1, 7)]))
    assert list(run.all(1)) == [at for at in range(20) if at != 7]


def test_a_place_in_a_run_that_is_taken_ends_the_store(run: material.Run) -> None:
    run.write(run.batch(by_size([1] * 20)))
    run.store.append(run.batch({key_of(1, 7): message_of(b"")}))
    with pytest.raises(StoreError, match="UNIQUE"):
        run.store.sync()
    with pytest.raises(StoreError, match="UNIQUE"):
        run.read(0, 9)


def test_what_could_not_be_written_is_still_known(run: material.Run) -> None:
    """A batch that had no space comes again, and takes and leaves the same places."""
    run.write(run.batch(by_size([1] * 20), puts=[lane_record(1)]))
    assert isinstance(run.store, SqliteStore)
    limit = run.store._writer.execute  # noqa: SLF001 (nobody but SQLite can say that there is no space)
    limit("PRAGMA max_page_count = 1")
    added = {key_of(1, at): message_of(bytes([at]) * 2000) for at in range(20, 90)}
    batch = run.batch(added, removed=[key_of(1, at) for at in range(20) if at != 9])
    for _ in range(2):
        run.store.append(batch)
        with pytest.raises(StoreFull):
            run.store.sync()
        assert list(run.all(1)) == list(range(20))
    limit(f"PRAGMA max_page_count = {2**30}")
    run.write(batch)
    assert list(run.all(1)) == [9, *range(20, 90)]
    run.write(run.batch(removed=[key_of(1, 9)]))
    assert run.crash().lanes == {1: LaneState(70, 20, 90, 70 * 2000)}
    assert ask(run, "SELECT * FROM gone") == []


# --- reading


def test_reading_a_part_of_a_run(run: material.Run) -> None:
    run.write(run.batch(by_size([10] * 300)))
    for first, last, limits, expected in (
        (3, 9, {}, range(3, 10)),
        (250, 299, {"count_max": 10}, range(250, 260)),
        (17, 299, {"size_max": 25}, range(17, 20)),
        (299, 400, {}, [299]),
        (300, 400, {}, []),
    ):
        found = run.read(key_of(1, first), key_of(1, last), **limits)
        assert [key - key_of(1, 0) for key, _ in found] == list(expected)


@pytest.mark.parametrize("damage", ["cuts = '[0,1,2]'", "cuts = 'x'", "cuts = 7", "content = x'00'", "step = 9"])
def test_a_run_that_is_not_whole_is_noticed(run: material.Run, opener: SqliteOpener, damage: str) -> None:
    run.write(run.batch(by_size([10] * 20)))
    with sqlite3.connect(opener.path) as other:
        other.execute(f"UPDATE runs SET {damage}")
    other.close()
    with pytest.raises(StoreError, match=f"amqpy.db is damaged: run {key_of(1, 0)} is not whole"):
        run.all(1)


def test_the_names_in_a_run_can_be_read(run: material.Run) -> None:
    run.write(run.batch({key_of(1, at): message_of(b"%d" % at) for at in range(9)}, puts=[lane_record(1)]))
    names = "vhost, queue, position, exchange, routing_key, bytes, durable, key, body"
    assert ask(run, f"SELECT {names} FROM queue_messages") == [
        ("/", "q", at, "x", "key", 1, 1, key_of(1, at), b"%d" % at) for at in range(9)
    ]


def test_runs_that_are_garbage_are_not_seen(run: material.Run) -> None:
    run.write(run.batch(by_size([1] * 100 * RUN_MAX), puts=[lane_record(1)]))
    run.write(run.batch(cleared=[(key_of(1, 0), key_of(1, 100 * RUN_MAX))]))
    assert len(stored_runs(run)) > 0
    assert ask(run, "SELECT count(*) FROM queue_messages") == [(0,)]


# --- its parts

addresses = st.sampled_from([ADDRESS, b"\x00\x00", b"\x00\x02\x00\x00", b"\xff" + b"e" * 255 + b"\x01\xff"])
messages = st.lists(st.builds(Message, addresses, st.binary(min_size=1, max_size=3), st.binary(max_size=5)), min_size=1)


@given(messages, st.sets(st.integers(0, 8)), st.integers(-2, 10), st.integers(-2, 10))
def test_what_is_cut_is_what_was_put_together(row: list[Message], gone: set[int], begin: int, end: int) -> None:
    first = key_of(1, 100)
    run_addresses, step, size, text, content = to_row(row)
    assert bool(step) == (len({message.address for message in row}) > 1)
    assert size == sum(len(message.body) for message in row)
    cuts = cuts_of(text, len(row), len(content))
    left = left_of(first, first + len(row) - 1, [(first + at, first + at) for at in gone])
    run = Run(first, first + len(row) - 1, left)
    found = list(cut(run, run_addresses, step, cuts, content, first + begin, first + end))
    assert found == [
        (first + at, None, None, message.address, message.header, message.body)
        for at, message in enumerate(row)
        if begin <= at <= end and at not in gone
    ]


@pytest.mark.parametrize(
    "text", ["", "x", "7", "null", "[]", "[0,1]", "[0,1,3]", "[1,1,2]", "[0,3,2]", '[0,"1",2]', "{}"]
)
def test_cuts_that_do_not_fit_are_refused(text: str) -> None:
    assert cuts_of("[0,1,2]", 1, 2) == [0, 1, 2]
    with pytest.raises(Damaged):
        cuts_of(text, 1, 2)


keys = st.integers(0, 3 * RUN_MAX).map(lambda at: key_of(1, at))


@given(st.lists(st.tuples(st.sampled_from(["remove", "clear", "keep", "forget"]), keys, keys), max_size=12))
def test_what_is_left_is_known(steps: list[tuple[str, int, int]]) -> None:
    """Beside a set of keys."""
    known, firsts = Runs(), [key_of(1, 10), key_of(1, RUN_MAX), key_of(1, 2 * RUN_MAX + 5)]
    there = {key for first in firsts for key in range(first, first + 40)}
    for first in firsts:
        known.add(first, first + 39, (1 << 40) - 1)
    known.keep()
    kept = set(there)
    for action, one, other in steps:
        first, last = min(one, other), max(one, other)
        if action == "keep":
            known.keep()
            kept = set(there)
        elif action == "forget":
            known.forget()
            there = set(kept)
        else:
            dead: list[int] = []
            gone: list[tuple[int, int]] = []
            going = {key for key in there if first <= key <= last}
            assert known.remove(first, last, dead, gone, clears=action == "clear") == len(going)
            there -= going
            ended = [at for at in firsts if going & set(range(at, at + 40)) and not there & set(range(at, at + 40))]
            whole = [at for at in ended if first <= at and at + 39 <= last]
            assert sorted(dead) == [at for at in ended if action == "remove" or at not in whole]
            noted = {key for begin, end in gone for key in range(begin, end + 1)}
            assert noted >= {key for key in going if not any(at <= key < at + 40 for at in ended)}
            assert not noted & there
        assert all(known.has(key) == (key in there) for at in firsts for key in range(at - 1, at + 41))


def test_a_lane_that_is_cleared_leaves_nothing_behind() -> None:
    known = Runs()
    for lane in (1, 2):
        for at in range(0, 1000 * RUN_MAX, RUN_MAX):
            known.add(key_of(lane, at), key_of(lane, at + 9), 1023)
    known.keep()
    assert known.remove(1 << POSITION_BITS, (2 << POSITION_BITS) - 1, [], [], clears=True) == 10_000
    known.keep()
    assert not known.has(key_of(1, 0))
    assert known.has(key_of(2, 0))
    assert known.are_free(key_of(1, 0), key_of(1, 9))
    assert not known.are_free(key_of(2, 9), key_of(2, 12))
