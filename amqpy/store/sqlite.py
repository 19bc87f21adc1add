"""The store in a SQLite database: one file, which `sqlite3` can look at (docs/store.md).

Batches are buffered when they are appended, and written as SQL (`statements`) in one transaction when they are synced:
in the write-ahead log, with one fsync. Readers have a connection of their own, and see what was synced last.

Large ranges to be deleted are only noted as `garbage`, and are deleted bit by bit with later batches and in `tidy`.
Transient messages of an earlier run of the broker are known by its number, never read, and deleted in the same way.

A store that cannot be trusted is not used any more: after an I/O error, or when the file is not the one at its path any
more, it refuses everything. SQLite reports such an error once, and the pages that it could not write may be lost from
the kernel's cache, so that a second attempt could seem to succeed.
"""

import os
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Final, Literal, NamedTuple, TypeAlias

from amqpy.core.durability.journal import POSITION_BITS, POSITIONS, Batch
from amqpy.core.durability.records import LaneRecord, Loaded
from amqpy.core.message import Message
from amqpy.core.streams.segments import SegmentRange
from amqpy.store import schema
from amqpy.store.connection import BUSY_S, connect, load_records, translate_errors
from amqpy.store.files import Files
from amqpy.store.ranges import Range, Ranges, outside, touched, united
from amqpy.store.reading import READ_AHEAD, StoredRun, lane_state, lanes, list_runs, read
from amqpy.store.rows import MessageReader
from amqpy.store.runs import Row, Run, Runs
from amqpy.store.segments import DIRECTORY, SegmentFiles
from amqpy.store.statements import Bodies, of_added, of_changes, of_gone, of_removed
from amqpy.store.store import StoreError, StoreFull

Sync: TypeAlias = Literal["full", "os", "none"]

PAGE_BYTES: Final = 16 * 1024
"""The page size, larger than the default of SQLite: a page is written whole, but holds a hundred messages."""
LOG_PAGES: Final = 1024
"""Pages of the write-ahead log before a checkpoint copies them into the database and the log begins anew."""
LOG_BYTES_MAX: Final = 256 * 2**20
CACHE_BYTES: Final = 8 * 2**20
CACHE: Final = f"PRAGMA cache_size = {-CACHE_BYTES // 1024}"

CLEARED_AT_ONCE: Final = 1000
"""Rows that are deleted with a batch. Further ones of a cleared range wait as garbage."""
TIDIED_AT_ONCE: Final = 4096
ROWS_A_RUN: Final = 64
"""Rows that a run counts for when it is deleted: its pages are looked at one by one."""
READ_AT_ONCE: Final = 500
READ_BYTES_AT_ONCE: Final = 4 * 2**20

AHEAD_MESSAGES: Final = 2048
WAITED_S: Final = 0.005
"""Seconds: a read that takes longer was not in the operating system's cache."""

VACUUM_LIVE_MAX_BYTES: Final = 32 * 2**20
VACUUM_FREE_MIN_BYTES: Final = 64 * 2**20
"""Free space is given back when there is much of it and so little live data that writing it anew is fast."""

DELETE_SOME: Final = "DELETE FROM messages WHERE key IN (SELECT key FROM messages WHERE key BETWEEN ? AND ? LIMIT ?)"
DELETE_SOME_RUNS: Final = (
    "DELETE FROM runs WHERE first IN (SELECT first FROM runs WHERE first BETWEEN ?1 AND ?2 AND last <= ?2 LIMIT ?3)"
)
DELETE_SOME_TRANSIENT: Final = (
    "DELETE FROM messages WHERE key IN (SELECT key FROM messages INDEXED BY transient_messages "
    "WHERE transient < ? LIMIT ?)"
)
FILL: Final = "INSERT INTO messages (key, address, header, body) VALUES (-1, x'', x'', zeroblob(?))"


class OldTransients(NamedTuple):
    """Transient messages of an earlier run of the broker that may still be there."""

    rows: bool
    """True if any may have rows of their own."""
    runs: tuple[Run, ...]


class SqliteStore:
    """The store of one broker in a database. `open_store` makes one. All may raise StoreError, also the constructor."""

    migrations = schema.MIGRATIONS

    def __init__(self, path: Path, *, sync: Sync = "full", page_bytes: int = PAGE_BYTES) -> None:
        self.path = path
        self._broken: str | None = None
        """The text of the error after which the store refuses everything, or None."""
        self._sync = sync
        self._pending: list[Batch] = []
        self._synced = 0
        self._run = 0
        self._last_body = 0
        self._runs = Runs()
        self._garbage: Ranges = ()
        """The content of the table of this name."""
        self._old = OldTransients(False, ())
        self._vacuum_failed = False
        self._has_room = sync != "full"
        """True if the log's file has its full length: a sync is faster when no file grows."""
        self._is_longer = False
        """True if the file can be truncated when all readers are gone."""
        self._files: Files | None = None
        self._waited = False
        """True if the last read had to wait for the disk."""
        self.segments = SegmentFiles(path.parent / DIRECTORY, syncs=sync == "full")
        with ExitStack() as opened:
            with translate_errors(path, "open"):
                self._writer, self._reader, self._prefetcher = (
                    opened.enter_context(closing(connect(path))) for _ in range(3)
                )
            with self._write_guard("open"):
                self._set_up(sync, page_bytes)
            opened.pop_all()

    def _set_up(self, sync: Sync, page_bytes: int) -> None:
        execute = self._writer.execute
        schema.check_usable(self._writer, str(self.path), self.migrations)
        execute(f"PRAGMA page_size = {page_bytes}")
        (mode,) = execute("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            raise StoreError(f"{self.path}: this file system cannot share memory, which a write-ahead log needs")
        (page_bytes,) = execute("PRAGMA page_size").fetchone()
        # NORMAL syncs when pages leave the log, so that a power failure costs the last batches but not the database.
        execute(f"PRAGMA synchronous = {'FULL' if sync == 'full' else 'NORMAL'}")
        execute(f"PRAGMA wal_autocheckpoint = {LOG_PAGES}")
        execute(f"PRAGMA journal_size_limit = {4 * LOG_PAGES * page_bytes}")
        execute(CACHE)
        execute("PRAGMA secure_delete = OFF")
        # Or a broker would need a place for temporary files, which a container may not have.
        execute("PRAGMA temp_store = MEMORY")
        self._reader.execute(f"PRAGMA cache_size = {-CACHE_BYTES // 4096}")
        schema.prepare(self._writer, str(self.path), self.migrations)
        self._reader.execute("PRAGMA query_only = ON")
        for connection in (self._reader, self._prefetcher):
            # Fails now, and not later with "no such table", if the schema cannot be read.
            connection.execute("SELECT 1 FROM messages LIMIT 0")

    # --- loading

    def load(self) -> Loaded:
        with self._write_guard("load"):
            execute = self._writer.execute
            execute("BEGIN IMMEDIATE")
            records = load_records(self._writer)
            known = {record.number for record in records if isinstance(record, LaneRecord)}
            garbage = list(execute("SELECT first, last FROM garbage"))
            runs: dict[int, list[StoredRun]] = {}
            for stored in list_runs(self._writer):
                if any(outside(united(garbage), stored.run.first, stored.run.last)):
                    runs.setdefault(stored.run.first >> POSITION_BITS, []).append(stored)
            states, orphans = {}, set()
            for number, end in lanes(self._writer):
                first = number << POSITION_BITS
                if number in known:
                    states[number] = lane_state(self._writer, first, end, united(garbage), runs.get(number, []))
                else:
                    garbage.append((first, end - 1))
                    orphans.add(number)
            was = dict(execute("SELECT name, value FROM meta"))
            run = was["run"] + 1
            execute("UPDATE meta SET value = ? WHERE name = 'run'", (run,))
            execute("UPDATE meta SET value = 0 WHERE name = 'is_clean'")
            self._write_garbage(united(garbage))
            (transients,) = execute("SELECT EXISTS (SELECT 1 FROM messages WHERE transient IS NOT NULL)").fetchone()
            (last_body,) = execute("SELECT coalesce(max(id), 0) FROM bodies").fetchone()
            execute("COMMIT")
            self._garbage, self._run, self._last_body = united(garbage), run, last_body
            there = [stored for number in states for stored in runs.get(number, ())]
            self._old = OldTransients(bool(transients), tuple(stored.run for stored in there if stored.is_transient))
            self._runs = Runs()
            for stored in there:
                self._runs.add(*stored.run)
            self._runs.keep()
            self._files = Files(self.path)
        return Loaded(records, states, bool(was["is_clean"]), frozenset(orphans))

    # --- writing

    def append(self, batch: Batch) -> None:
        self._check_usable()
        self._pending.append(batch)

    def sync(self) -> int:
        pending, self._pending = self._pending, []
        if not pending:
            return self._synced
        if self._files is not None and self._files.log_bytes > LOG_BYTES_MAX:
            # SQLite does not say when it could not take pages from the log to their places; the log grows then.
            with suppress(StoreFull), self._write_guard("write to"):
                self._checkpoint("PASSIVE")
        with self._write_guard("write to"):
            self._check_files()
            changes = [batch.segments for batch in pending if batch.segments is not None]
            for change in changes:
                self.segments.apply(change)
            rows = [batch for batch in pending if batch.has_rows]
            if len(rows) > 1 or (rows and (rows[0].changes or rows[0].cleared or self._garbage or any(self._old))):
                self._write(rows)
            elif rows:
                self._write_messages(rows[0])
            for change in changes:
                self.segments.clear_away(change)
            self._synced = pending[-1].number
        return self._synced

    def _write_messages(self, batch: Batch) -> None:
        """Writes a batch of messages only, as most are. A single statement is a transaction by itself, which saves two
        others."""
        execute = self._writer.execute
        bodies = Bodies(batch.added.values(), self._last_body)
        statements = [*of_removed(batch.removed, self._runs), *of_added(batch, bodies, self._runs, self._run)]
        if len(statements) == 1:
            execute(*statements[0])
        elif statements:
            execute("BEGIN IMMEDIATE")
            for statement in statements:
                execute(*statement)
            execute("COMMIT")
        self._runs.keep()
        self._last_body = bodies.last_number

    def _write(self, pending: list[Batch]) -> None:
        """Writes batches in one transaction, and deletes some of the garbage."""
        execute = self._writer.execute
        last_body, garbage = self._last_body, self._garbage
        rows = CLEARED_AT_ONCE if pending else TIDIED_AT_ONCE
        execute("BEGIN IMMEDIATE")
        for batch in pending:
            rows += 2 * len(batch.added)
            for statement in of_changes(batch.changes):
                execute(*statement)
            garbage = self._clear(batch.cleared, garbage)
            for statement in of_removed(batch.removed, self._runs):
                execute(*statement)
            garbage = self._make_room(batch.added, garbage)
            bodies = Bodies(batch.added.values(), last_body)
            for statement in of_added(batch, bodies, self._runs, self._run):
                execute(*statement)
            last_body = bodies.last_number
        garbage, old = self._delete_some(garbage, rows)
        if garbage != self._garbage:
            self._write_garbage(garbage)
        execute("COMMIT")
        self._runs.keep()
        self._last_body, self._garbage, self._old = last_body, garbage, old

    def _clear(self, cleared: list[Range], garbage: Ranges) -> Ranges:
        """Deletes cleared ranges of few rows; returns the garbage with the others."""
        execute = self._writer.execute
        left: list[Range] = []
        dead: list[int] = []
        gone: list[Range] = []
        for each in united(cleared):
            self._runs.remove(*each, dead, gone, clears=True)
            if not self._delete(each, CLEARED_AT_ONCE):
                left.append(each)
        for statement in of_gone(gone, dead):
            execute(*statement)
        return united((*garbage, *left)) if left else garbage

    def _make_room(self, added: Iterable[int], garbage: Ranges) -> Ranges:
        """Deletes garbage in ranges where messages are added, so that these do not count as garbage; returns the rest.
        This may take long, and is rare: lanes are used again after they were unused for long."""
        for first, last in touched(garbage, added):
            self._writer.execute("DELETE FROM messages WHERE key BETWEEN ? AND ?", (first, last))
            self._writer.execute("DELETE FROM runs WHERE first >= ? AND last <= ?", (first, last))
            garbage = tuple(each for each in garbage if each != (first, last))
        return garbage

    def _delete_some(self, garbage: Ranges, rows: int) -> tuple[Ranges, OldTransients]:
        """Deletes some garbage; returns what is left of it, and of old transient messages."""
        old = self._old
        if garbage:
            if self._delete(garbage[0], rows):
                garbage = garbage[1:]
        elif any(old):
            count = max(1, rows // ROWS_A_RUN)
            dead: list[int] = []
            for run in old.runs[:count]:
                self._runs.remove(run.first, run.last, dead, [])
            for statement in of_gone((), dead):
                self._writer.execute(*statement)
            has_more = old.rows and self._writer.execute(DELETE_SOME_TRANSIENT, (self._run, rows)).rowcount == rows
            old = OldTransients(has_more, old.runs[count:])
        return garbage, old

    def _delete(self, which: Range, rows: int) -> bool:
        """Deletes so many rows, and as many in runs. True if that was all."""
        count = self._writer.execute(DELETE_SOME, (*which, rows)).rowcount
        runs = max(1, rows // ROWS_A_RUN)
        return self._writer.execute(DELETE_SOME_RUNS, (*which, runs)).rowcount < runs and count < rows

    def _write_garbage(self, garbage: Ranges) -> None:
        self._writer.execute("DELETE FROM garbage")
        self._writer.executemany("INSERT INTO garbage VALUES (?, ?)", garbage)

    def tidy(self) -> bool:
        is_busy = bool(self._garbage) or any(self._old)
        try:
            with self._write_guard("write to"):
                self._check_files()
                if self.segments.tidy():
                    return True
                if is_busy:
                    self._write([])
                elif self._is_longer:
                    self._is_longer = not self._checkpoint("TRUNCATE")
                is_worth_it = not is_busy and self._is_worth_giving_back()
            if is_worth_it:
                self.vacuum(in_memory=True)
            elif not self._has_room:
                self._make_log_room()
        except StoreFull:  # what is free already will be used again
            self._vacuum_failed = not is_busy
            return False
        return is_busy

    def _make_log_room(self) -> None:
        """Extends the log's file to its full length. A transaction that is rolled back is in the log all the same, as
        far as the cache did not hold it, and the next batches are written over it."""
        self._has_room = True
        with self._write_guard("write to"):
            (page_bytes,) = self._writer.execute("PRAGMA page_size").fetchone()
            if os.stat(f"{self.path}-wal").st_size < LOG_PAGES * page_bytes:
                self._writer.execute("PRAGMA cache_size = 10")
                self._writer.execute("BEGIN IMMEDIATE")
                self._writer.execute(FILL, ((LOG_PAGES + 100) * page_bytes,))
                self._writer.execute("ROLLBACK")
                self._writer.execute(CACHE)

    def vacuum(self, *, in_memory: bool) -> None:
        """Writes the database anew, as small as it can be, by way of memory or a temporary file. Raises StoreError."""
        with self._write_guard("write to"):
            self._check_files()
            self._writer.execute(f"PRAGMA temp_store = {'MEMORY' if in_memory else 'FILE'}")
            self._writer.execute("VACUUM")
            self._is_longer = not self._checkpoint("TRUNCATE")
            self._has_room = self._has_room and self._sync != "full"

    def _checkpoint(self, mode: str) -> bool:
        """Copies pages from the log into the database; True if it copied all. It does not wait for readers: a backup
        may take minutes."""
        self._writer.execute("PRAGMA busy_timeout = 0")
        try:
            (is_busy, _, _) = self._writer.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
        finally:
            self._writer.execute(f"PRAGMA busy_timeout = {BUSY_S * 1000}")
        return not is_busy

    def _is_worth_giving_back(self) -> bool:
        """True if much of the file is free, and little live data would have to be written anew."""
        page, pages, free = (
            self._writer.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_size", "page_count", "freelist_count")
        )
        live = (pages - free) * page
        is_worth_it = live <= VACUUM_LIVE_MAX_BYTES and free * page >= max(VACUUM_FREE_MIN_BYTES, 3 * live)
        self._vacuum_failed = self._vacuum_failed and is_worth_it
        return is_worth_it and not self._vacuum_failed

    def close(self, *, is_clean: bool) -> None:
        try:
            if is_clean and self._broken is None:
                self.sync()
                with self._write_guard("write to"):
                    self._check_files()
                    self._writer.execute("UPDATE meta SET value = 1 WHERE name = 'is_clean'")
        finally:
            self._broken = self._broken or f"{self.path} is closed"
            self.segments.close()
            for connection in (self._prefetcher, self._reader, self._writer):
                with suppress(sqlite3.Error):
                    connection.close()

    # --- reading

    def read(
        self, first: int, last: int, *, count_max: int, size_max: int, unix_offset_ms: int
    ) -> list[tuple[int, Message]]:
        reader = MessageReader(unix_offset_ms)
        began_at = time.perf_counter()
        rows = self._rows(first, last, count_max, size_max)
        self._waited = time.perf_counter() - began_at > WAITED_S
        return [
            (key, reader.message(expires_at, traces, address, header, body))
            for key, expires_at, traces, address, header, body in rows
        ]

    def read_ahead(self, first: int, last: int) -> None:
        if self._waited and self._broken is None:
            with translate_errors(self.path, "read"):
                for statement in READ_AHEAD:
                    self._prefetcher.execute(statement, (first, last, AHEAD_MESSAGES)).fetchone()

    def fetch(self, ranges: list[SegmentRange]) -> None:
        self._check_usable()
        self.segments.fetch(ranges)

    def read_lane(self, number: int, *, unix_offset_ms: int) -> Iterator[tuple[int, Message, int | None]]:
        reader = MessageReader(unix_offset_ms)
        begin = first = number << POSITION_BITS
        last = first + POSITIONS - 1
        while rows := self._rows(first, last, READ_AT_ONCE, READ_BYTES_AT_ONCE):
            for key, expires_at, traces, address, header, body in rows:
                message = reader.message(expires_at, traces, address, header, body)
                yield key - begin, message, reader.due_at_ms(traces)
            first = rows[-1][0] + 1

    def _rows(self, first: int, last: int, count_max: int, size_max: int) -> list[Row]:
        found: list[Row] = []
        self._check_usable()
        with translate_errors(self.path, "read"):
            for from_, to in outside(self._garbage, first, last):
                room = count_max - len(found)
                with closing(read(self._reader, from_, to, self._run, room)) as rows:
                    for row in islice(rows, room):
                        found.append(row)
                        size_max -= len(row[5])
                        if size_max <= 0:
                            break
                if size_max <= 0 or len(found) == count_max:
                    break
        return found

    # --- failures

    @contextmanager
    def _write_guard(self, doing: str) -> Iterator[None]:
        """Guards all writing: rolls back on an error, and makes the store unusable if it cannot be trusted."""
        self._check_usable()
        try:
            with translate_errors(self.path, doing):
                yield
        except BaseException as error:
            if self._writer.in_transaction:
                with suppress(sqlite3.Error):
                    self._writer.execute("ROLLBACK")
            self._runs.forget()
            if isinstance(error, StoreFull):
                # The log may begin anew, and have room for deletions.
                with suppress(sqlite3.Error):
                    self._checkpoint("RESTART")
            elif isinstance(error, StoreError):
                self._broken = str(error)
            raise

    def _check_usable(self) -> None:
        if self._broken is not None:
            raise StoreError(self._broken)

    def _check_files(self) -> None:
        if self._files is not None:
            self._files.check()
