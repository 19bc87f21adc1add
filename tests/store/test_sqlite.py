"""What is SQLite's own: files, versions, one copy of a body, space that is given back, errors."""

import os
import shutil
import sqlite3
import threading
import time
from pathlib import Path

import pytest

from amqpy.core.durability.journal import Batch
from amqpy.core.durability.records import LaneRecord, QueueRecord
from amqpy.store import sqlite, statements
from amqpy.store.files import SIGHT_MAX
from amqpy.store.sqlite import SqliteStore
from amqpy.store.store import StoreError, StoreFull
from tests.store.material import Run, SqliteOpener, ask, by_size, drain, key_of, lane_record, message_of


@pytest.fixture
def opener(tmp_path: Path) -> SqliteOpener:
    return SqliteOpener(tmp_path)


@pytest.fixture
def no_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each message has a row of its own."""
    monkeypatch.setattr(statements, "RUN_MIN", 10**9)


# --- the file


def test_a_closed_store_is_one_file(opener: SqliteOpener) -> None:
    run = Run(opener)
    run.write(run.batch(by_size([1] * 10)))
    run.close()
    assert os.listdir(opener.path.parent) == ["amqpy.db"]


def test_somebody_elses_database_is_refused_and_left_alone(opener: SqliteOpener) -> None:
    other = sqlite3.connect(opener.path)
    other.execute("CREATE TABLE songs (name)")
    other.close()
    before = opener.path.read_bytes()
    with pytest.raises(StoreError, match=r"amqpy.db is a database, but not one of amqpy"):
        opener.open()
    assert opener.path.read_bytes() == before


def test_what_is_no_database_is_refused(opener: SqliteOpener) -> None:
    opener.path.write_bytes(b"not a database, but long enough to be looked at as one" * 100)
    with pytest.raises(StoreError, match="not a database"):
        opener.open()


def test_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="unable to open"):
        SqliteStore(tmp_path / "amqpy.db")


def test_a_start_that_was_cut_short_is_made_up_for(opener: SqliteOpener) -> None:
    """Nothing but the mode of its log was written when the process was killed."""
    other = sqlite3.connect(opener.path)
    other.execute("PRAGMA journal_mode = WAL")
    other.close()
    assert opener.path.stat().st_size > 0
    run = Run(opener)
    assert not run.loaded.records
    run.close()


# --- the view


def test_queues_can_be_looked_at_while_the_broker_runs(run: Run) -> None:
    shared = b"s" * 1000
    total = 3 * sqlite.CLEARED_AT_ONCE
    run.write(run.batch(by_size([1] * total), puts=[lane_record(1, "garbage")]))
    run.write(run.batch(cleared=[(key_of(1, 0), key_of(1, total))]))
    messages = {
        key_of(2, 5): message_of(b"a", expires_at_ms=5),
        key_of(2, 6): message_of(shared),
        key_of(3, 0): message_of(shared),
        key_of(3, 1): message_of(b"t"),
        key_of(9, 0): message_of(b"of no durable queue"),
    }
    lanes = [lane_record(2, "späť"), LaneRecord(3, "v", "exchange", "x", 4, 0)]
    run.write(run.batch(messages, puts=lanes, notes={key_of(3, 0): 7}, transient=[key_of(3, 1)]))
    assert isinstance(run.opener, SqliteOpener)
    other = sqlite3.connect(run.opener.path)
    columns = (
        "vhost, queue, owner_kind, level, position, exchange, routing_key, bytes, expires_at, due_at, durable, body"
    )
    assert other.execute(f"SELECT {columns} FROM queue_messages ORDER BY key").fetchall() == [
        ("/", "späť", "queue", 0, 5, "x", "key", 1, run.now_ms + 5, None, 1, b"a"),
        ("/", "späť", "queue", 0, 6, "x", "key", 1000, None, None, 1, shared),
        ("v", "x", "exchange", 4, 0, "x", "key", 1000, None, run.now_ms + 7, 1, shared),
        ("v", "x", "exchange", 4, 1, "x", "key", 1, None, None, 0, b"t"),
    ]
    other.close()


# --- bodies


def test_a_body_for_many_queues_is_there_once(run: Run) -> None:
    body = b"s" * 50_000
    run.write(run.batch({key_of(lane, 0): message_of(body) for lane in range(1, 51)}))
    assert ask(run, "SELECT sum(length(body)) FROM bodies") == 50_000
    assert ask(run, "SELECT refs FROM bodies") == 50
    assert ask(run, "SELECT count(body) FROM messages") == 0
    run.write(run.batch(removed=[key_of(lane, 0) for lane in range(1, 50)]))
    assert ask(run, "SELECT refs FROM bodies") == 1
    run.write(run.batch(cleared=[(key_of(50, 0), key_of(50, 9))]))
    assert ask(run, "SELECT count(*) FROM bodies") == 0


def test_small_bodies_and_equal_ones_are_not_shared(run: Run) -> None:
    small = b"s" * (statements.SHARED_BODY_MIN_BYTES - 1)
    messages = {key_of(lane, 0): message_of(small) for lane in range(1, 5)}
    messages |= {key_of(lane, 1): message_of(bytes(bytearray(b"e" * 1000))) for lane in range(1, 5)}
    run.write(run.batch(messages))
    assert ask(run, "SELECT count(*) FROM bodies") == 0


def test_bodies_of_later_batches_get_numbers_of_their_own(run: Run) -> None:
    for at in range(4):
        body = bytes([at]) * 1000
        puts = [lane_record(at + 1)] if at % 2 else []  # batches with records are written in another way
        run.write(run.batch({key_of(lane, at): message_of(body) for lane in (1, 2)}, puts=puts))
    assert [message.body[0] for _, message in run.read(key_of(1, 0), key_of(3, 0))] == [0, 1, 2, 3] * 2


def test_bodies_of_later_runs_get_numbers_of_their_own(run: Run) -> None:
    for at in range(3):
        body = bytes([at]) * 1000
        lanes = {key_of(lane, at): message_of(body) for lane in (1, 2)}
        run.write(run.batch(lanes, puts=[lane_record(1), lane_record(2)]))
        run.crash()
    assert [message.body[0] for _, message in run.read(key_of(1, 0), key_of(3, 0))] == [0, 1, 2] * 2


# --- garbage and space


def test_garbage_is_deleted_bit_by_bit(run: Run, no_runs: None) -> None:
    total = 20_000
    run.write(run.batch(by_size([1] * total)))
    run.write(run.batch(cleared=[(key_of(1, 0), key_of(1, total))]))
    rows = [ask(run, "SELECT count(*) FROM messages")]
    while run.store.tidy():
        rows.append(ask(run, "SELECT count(*) FROM messages"))
    assert rows[0] == total - 2 * sqlite.CLEARED_AT_ONCE
    assert rows == sorted(rows, reverse=True)
    assert len(rows) > 4
    assert rows[-1] == 0
    assert ask(run, "SELECT count(*) FROM garbage") == 0


def test_garbage_goes_with_later_batches_faster_than_they_bring_messages(run: Run, no_runs: None) -> None:
    total = 20_000
    run.write(run.batch(by_size([1] * total)))
    run.write(run.batch(cleared=[(key_of(1, 0), key_of(1, total))]))
    before = ask(run, "SELECT count(*) FROM messages")
    run.write(run.batch(by_size([1] * 1000, lane=2)))
    after = ask(run, "SELECT count(*) FROM messages")
    assert isinstance(before, int)
    assert after == before + 1000 - (2 * 1000 + sqlite.CLEARED_AT_ONCE)


def test_garbage_outlives_a_crash_in_the_middle_of_tidying(run: Run, no_runs: None) -> None:
    total = 20_000
    run.write(run.batch({**by_size([1] * total), **by_size([1] * 3, lane=2)}, puts=[lane_record(1), lane_record(2)]))
    run.write(run.batch(cleared=[(key_of(1, 0), key_of(1, total - 2))]))
    assert run.store.tidy()
    loaded = run.crash()
    assert ask(run, "SELECT count(*) FROM messages") == total + 3 - 2 * sqlite.CLEARED_AT_ONCE - sqlite.TIDIED_AT_ONCE
    assert loaded.lanes[1][:2] == (1, total - 1)
    assert list(run.all(1)) == [total - 1]
    drain(run.store)
    assert ask(run, "SELECT count(*) FROM messages") == 4
    assert list(run.all(1)) == [total - 1]


def test_old_transient_messages_are_deleted_bit_by_bit(run: Run, no_runs: None) -> None:
    total = 10_000
    run.write(run.batch(by_size([1] * total), puts=[lane_record(1)], transient=[key_of(1, at) for at in range(total)]))
    run.crash()
    end = run.loaded.lanes[1].end
    run.write(run.batch({key_of(1, end): message_of(b"x")}, transient=[key_of(1, end)]))
    assert ask(run, "SELECT count(*) FROM messages") == total + 1 - 2 - sqlite.CLEARED_AT_ONCE
    drain(run.store)
    assert ask(run, "SELECT count(*) FROM messages") == 1
    assert list(run.all(1)) == [end]


def test_space_is_given_back(run: Run, opener: SqliteOpener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "VACUUM_FREE_MIN_BYTES", 2**20)
    run.write(run.batch(by_size([50_000] * 100), puts=[lane_record(1)]))
    drain(run.store)
    full = opener.path.stat().st_size + Path(f"{opener.path}-wal").stat().st_size
    assert full > 5_000_000
    run.write(run.batch(removed=[key_of(1, at) for at in range(99)]))
    drain(run.store)
    assert opener.path.stat().st_size + Path(f"{opener.path}-wal").stat().st_size < 200_000
    assert list(run.all(1)) == [99]
    run.write(run.batch(by_size([10] * 5, lane=2)))
    run.crash()
    assert list(run.all(1)) == [99]


def test_space_is_given_back_later_where_somebody_still_reads(
    run: Run, opener: SqliteOpener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backup, for example. It is not waited for."""
    monkeypatch.setattr(sqlite, "VACUUM_FREE_MIN_BYTES", 2**20)
    run.write(run.batch(by_size([50_000] * 100)))
    run.write(run.batch(removed=[key_of(1, at) for at in range(100)]))
    other = sqlite3.connect(opener.path)
    other.execute("BEGIN")
    other.execute("SELECT count(*) FROM messages").fetchone()
    drain(run.store)
    run.write(run.batch(by_size([5])))
    other.close()
    assert Path(f"{opener.path}-wal").stat().st_size > 1_000_000
    drain(run.store)
    assert opener.path.stat().st_size + Path(f"{opener.path}-wal").stat().st_size < 200_000
    assert list(run.all(1)) == [0]


def test_space_is_kept_where_little_is_free(run: Run, opener: SqliteOpener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "VACUUM_FREE_MIN_BYTES", 2**20)
    run.write(run.batch(by_size([50_000] * 100)))
    run.write(run.batch(removed=[key_of(1, at) for at in range(50)]))
    drain(run.store)
    assert ask(run, "PRAGMA freelist_count") != 0


# --- threads


def test_one_thread_reads_while_another_writes(run: Run) -> None:
    failures: list[BaseException] = []

    def write() -> None:
        try:
            for at in range(0, 3000, 10):
                added = {key_of(1, at + more): message_of(b"%d" % (at + more)) for more in range(10)}
                run.write(run.batch(added))
        except BaseException as failure:
            failures.append(failure)

    writer = threading.Thread(target=write)
    writer.start()
    seen = 0
    while seen < 3000 and (writer.is_alive() or run.read(key_of(1, seen), key_of(1, seen))):
        for key, message in run.read(key_of(1, seen), key_of(1, 9999), count_max=70):
            assert (key, message.body) == (key_of(1, seen), b"%d" % seen)
            seen += 1
    writer.join()
    assert not failures
    assert seen == 3000


# --- failures


def limit_pages(run: Run, pages: int | None = None) -> None:
    """The database may grow to so many pages; without a number, as far as it wants."""
    assert isinstance(run.store, SqliteStore)
    execute = run.store._writer.execute  # noqa: SLF001 (nobody but SQLite can say that there is no space)
    execute(f"PRAGMA max_page_count = {pages or 2**30}")


def test_when_there_is_no_space_the_same_batch_may_come_again(run: Run) -> None:
    run.write(run.batch(by_size([10] * 3), puts=[lane_record(1)]))
    limit_pages(run, 1)
    batch = run.batch(
        {**by_size([50_000] * 3, lane=2), key_of(1, 3): message_of(b"")}, puts=[lane_record(2)], removed=[key_of(1, 0)]
    )
    for _ in range(3):
        run.store.append(batch)
        with pytest.raises(StoreFull, match=r"cannot write to .*amqpy.db: database or disk is full"):
            run.store.sync()
        assert list(run.all(1)) == [0, 1, 2]
    assert run.store.sync() == 1
    limit_pages(run)
    run.write(batch)
    run.crash()
    assert (list(run.all(1)), list(run.all(2))) == ([1, 2, 3], [0, 1, 2])


def test_a_single_message_that_has_no_space_may_come_again(run: Run) -> None:
    limit_pages(run, 1)
    batch = run.batch({key_of(1, 3): message_of(b"x" * 50_000)}, puts=[])
    run.store.append(batch)
    with pytest.raises(StoreFull):
        run.store.sync()
    limit_pages(run)
    run.write(batch)
    assert list(run.all(1)) == [3]


def test_clearing_without_space_clears_nothing(run: Run) -> None:
    total = 3 * sqlite.CLEARED_AT_ONCE
    run.write(run.batch(by_size([1] * total)))
    limit_pages(run, 1)
    batch = run.batch(by_size([100_000] * 9, lane=2), cleared=[(key_of(1, 0), key_of(1, total))])
    run.store.append(batch)
    with pytest.raises(StoreFull):
        run.store.sync()
    assert len(run.all(1)) == total
    limit_pages(run)
    run.write(batch)
    assert not run.all(1)


@pytest.mark.parametrize("age_s", [0, 100])
@pytest.mark.parametrize("end", ["", "-wal"])
@pytest.mark.parametrize("deed", ["delete", "replace"])
def test_a_file_that_vanishes_ends_the_store(run: Run, opener: SqliteOpener, end: str, deed: str, age_s: int) -> None:
    """Also when nothing had changed in its directory for long."""
    settled_s = time.time() - age_s
    os.utime(opener.path.parent, (settled_s, settled_s))
    run.write(run.batch(by_size([1])))
    run.write(run.batch(by_size([1], lane=3)))
    path = Path(f"{opener.path}{end}")
    copy = path.with_suffix(".copy")
    shutil.copyfile(path, copy)
    path.unlink()
    if deed == "replace":
        copy.rename(path)
    run.store.append(run.batch(by_size([1], lane=2)))
    says = f"{path.name} is gone" if deed == "delete" else f"{path.name} was replaced"
    with pytest.raises(StoreError, match=says) as first:
        run.store.sync()
    assert "\n" not in str(first.value)
    refused(run, str(first.value))


@pytest.mark.parametrize("end", ["", "-wal"])
def test_a_file_that_vanishes_unseen_is_missed_before_long(run: Run, opener: SqliteOpener, end: str) -> None:
    """The directory's time may be set by anybody, and some file systems do not keep it."""
    settled_s = time.time() - 100
    os.utime(opener.path.parent, (settled_s, settled_s))
    run.write(run.batch(by_size([1])))
    Path(f"{opener.path}{end}").unlink()
    os.utime(opener.path.parent, (settled_s, settled_s))
    with pytest.raises(StoreError, match=f"{opener.path.name}{end} is gone"):  # noqa: PT012 (one of many)
        for at in range(SIGHT_MAX + 1):
            run.write(run.batch({key_of(2, at): message_of(b"")}))


def refused(run: Run, text: str) -> None:
    """Whatever is asked, the answer is the first failure's."""
    for attempt in (
        lambda: run.store.append(Batch(9)),
        lambda: run.store.load(),
        lambda: run.read(0, 9),
    ):
        with pytest.raises(StoreError) as again:
            attempt()
        assert str(again.value) == text
    with pytest.raises(StoreError):
        run.store.tidy()


def test_a_key_that_is_taken_ends_the_store(run: Run) -> None:
    """It is a bug elsewhere, and to go on would lose a message."""
    run.write(run.batch(by_size([1])))
    run.store.append(run.batch(by_size([2])))
    with pytest.raises(StoreError, match="UNIQUE") as first:
        run.store.sync()
    refused(run, str(first.value))


def test_a_closed_store_refuses_everything(opener: SqliteOpener) -> None:
    run = Run(opener)
    run.close()
    refused(run, f"{opener.path} is closed")


def test_a_database_that_is_damaged_is_noticed(run: Run, opener: SqliteOpener, no_runs: None) -> None:
    run.write(run.batch({**by_size([400] * 500), key_of(5, 0): message_of(b"")}, puts=[lane_record(1)]))
    run.close()
    with opener.path.open("r+b") as file:
        file.seek(40 * 1024)
        file.write(b"\xff" * 100 * 1024)
    store = opener.open()
    with pytest.raises(StoreError, match="malformed"):
        store.load()
    store.close(is_clean=True)


def test_a_message_without_its_body_is_noticed(run: Run, opener: SqliteOpener) -> None:
    run.write(run.batch({key_of(lane, 0): message_of(b"s" * 1000) for lane in (1, 2)}))
    with sqlite3.connect(opener.path) as other:
        other.execute("DELETE FROM bodies")
    other.close()
    with pytest.raises(StoreError, match=f"amqpy.db is damaged: message {key_of(1, 0)} has no body"):
        run.all(1)


def test_records_of_the_same_name_in_other_bytes_are_others(run: Run) -> None:
    """A name of bytes that are no UTF-8 is kept as bytes; it must not meet one that is text."""
    queues = [QueueRecord("/", name, "classic", False, b"") for name in ("\udcc3", "Ã", "Ã\udcc3", "q\x00a", "q\x00b")]
    run.write(run.batch(puts=queues))
    assert run.crash().records == queues
