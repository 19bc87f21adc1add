"""Maintenance of a store by an operator: check, compact, back up. Checks and backups do not disturb a broker.

All raise StoreError, with one line for the operator.
"""

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from amqpy.core.arguments import STREAM
from amqpy.core.durability.records import LaneRecord, QueueRecord, Record
from amqpy.store import schema
from amqpy.store.connection import connect, load_records, translate_errors
from amqpy.store.directory import DATABASE, DirectoryStore, make_file, sync_directory
from amqpy.store.segment_maintenance import check_stream, copy_streams, size_of
from amqpy.store.segments import DIRECTORY as STREAMS
from amqpy.store.store import StoreError

PROBLEMS_MAX: Final = 20
"""Problems of one kind that are reported one by one."""

RULES: Final = {
    "lane {} belongs to a queue or exchange that is not there": """
        SELECT number FROM lanes AS l WHERE NOT CASE owner_kind
            WHEN 'queue' THEN EXISTS (SELECT 1 FROM queues WHERE vhost = l.vhost AND name = l.owner)
            WHEN 'exchange' THEN EXISTS (SELECT 1 FROM exchanges WHERE vhost = l.vhost AND name = l.owner)
            ELSE 0 END""",
    "message {} has no body": """
        SELECT key FROM messages AS m WHERE CASE
            WHEN shared IS NULL THEN body IS NULL
            ELSE body IS NOT NULL OR NOT EXISTS (SELECT 1 FROM bodies WHERE id = m.shared) END""",
    "body {} counts its messages wrongly": """
        SELECT id FROM bodies LEFT JOIN (
            SELECT shared, count(*) AS messages FROM messages WHERE shared IS NOT NULL GROUP BY shared
        ) ON shared = id WHERE refs IS NOT messages""",
    "run {} is not whole": """
        SELECT first FROM runs WHERE CASE WHEN json_valid(cuts) THEN
            json_array_length(cuts) IS NOT 2 * (last - first + 1) + 1
            OR json_extract(cuts, '$[#-1]') IS NOT length(content)
            OR (step AND length(address) IS NOT step * (last - first + 1))
            OR (SELECT sum(CASE key % 2 WHEN 0 THEN value ELSE -value END) FROM json_each(cuts)) IS NOT bytes
            ELSE 1 END""",
    "what is gone from {} on was in no run": """
        SELECT first FROM gone AS g WHERE NOT EXISTS (
            SELECT 1 FROM runs AS r WHERE r.first <= g.first AND g.first <= g.last AND g.last <= r.last
        )""",
}
"""Rules that no row may break: the text of the problem, and the query that finds it."""


COPIED_PAGES: Final = 1000
"""Pages that a backup copies between two reports of its progress."""

Progress = Callable[[float], object]
"""Is told the part that is done, from 0 to 1."""


def untold(part: float) -> None:
    """Tells nobody."""


class Contents(NamedTuple):
    """The number and size of the messages in a queue."""

    vhost: str
    queue: str
    messages: int
    size: int
    """Bytes of all bodies."""


class Report(NamedTuple):
    """The result of a check."""

    queues: list[Contents]
    problems: list[str]


def check(directory: Path, tell: Progress = untold) -> Report:
    """Checks the whole store, as it is at this moment, and its streams, as they are when their turn comes."""
    with _looking_at(directory) as connection:
        connection.execute("BEGIN")
        problems = [row[0] for row in connection.execute(f"PRAGMA integrity_check({PROBLEMS_MAX})") if row[0] != "ok"]
        if problems:  # the rest would only stumble over them
            return Report([], problems)
        for done, (text, question) in enumerate(RULES.items(), 1):  # that was the first step, and there is a last
            tell(done / (len(RULES) + 2))
            found = connection.execute(f"{question} LIMIT {PROBLEMS_MAX}")
            problems += [text.format(*row) for row in found]
        tell(1 - 1 / (len(RULES) + 2))
        records = list(load_records(connection))
        queues = _contents(connection, records)
        (is_clean,) = connection.execute("SELECT value FROM meta WHERE name = 'is_clean'").fetchone()
    for number, name in _streams(records).items():
        with _reading_streams(directory):
            stream = check_stream(directory / STREAMS / str(number), is_clean=bool(is_clean))
        queues[name] = queues[name]._replace(messages=stream.messages, size=stream.size)
        problems += stream.problems
    return Report(list(queues.values()), problems)


QueueName = tuple[str, str]
"""The virtual host, and the name in it."""


def _contents(connection: sqlite3.Connection, records: Sequence[Record]) -> dict[QueueName, Contents]:
    counts = {
        tuple(row[:2]): row[2:]
        for row in connection.execute(
            "SELECT vhost, queue, count(*), sum(bytes) FROM queue_messages WHERE owner_kind = 'queue' GROUP BY 1, 2"
        )
    }
    names = connection.execute("SELECT vhost, name FROM queues").fetchall()
    queues = [record for record in records if isinstance(record, QueueRecord)]
    return {
        (record.vhost, record.name): Contents(record.vhost, record.name, *counts.get(name, (0, 0)))
        for record, name in zip(queues, names, strict=True)
    }


def _streams(records: Sequence[Record]) -> dict[int, QueueName]:
    """The names of streams by their numbers, which are those of their lanes."""
    streams = {
        (record.vhost, record.name) for record in records if isinstance(record, QueueRecord) and record.type == STREAM
    }
    return {
        record.number: (record.vhost, record.owner)
        for record in records
        if isinstance(record, LaneRecord) and record.owner_kind == "queue" and (record.vhost, record.owner) in streams
    }


@contextmanager
def _reading_streams(directory: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(f"cannot read {error.filename or directory / STREAMS}: {error.strerror}") from error


def compact(directory: Path) -> tuple[int, int]:
    """Writes the database anew, without garbage; returns its bytes before and after. No broker may be running. It
    temporarily takes as much space again as the result."""
    path = _database(directory)
    store = DirectoryStore(directory, sync="full")
    try:
        before = _size(path)
        is_clean = store.load().is_clean
        while store.tidy():
            pass
        store.vacuum(in_memory=False)
    except BaseException:
        store.close(is_clean=False)
        raise
    store.close(is_clean=is_clean)
    return before, _size(path)


def back_up(directory: Path, target: Path, tell: Progress = untold) -> int:
    """Copies the store as it is at this moment into a new file, and its streams, if there are any, into a new directory
    with `.streams` behind the name; returns the bytes of both. As `amqpy.db` and `streams` of an empty data directory,
    they are the store of another broker."""
    streams, streams_target = directory / STREAMS, target.with_name(f"{target.name}.{STREAMS}")
    with _looking_at(directory) as connection:
        # The names are taken at once, but the copies get them only when they are complete.
        make_file(target)
        try:
            share, is_clean = 0.0, True
            if streams.is_dir():
                # First: of a stream that is deleted meanwhile, the database then knows no more than is copied.
                size = size_of(streams)
                share, is_clean = size / (size + _size(directory / DATABASE)), False
                _copy_streams(streams, streams_target, lambda part: tell(part * share))
            try:
                _copy_whole(connection, target, lambda part: tell(share + part * (1 - share)), is_clean=is_clean)
                sync_directory(target.parent)
            except BaseException:
                shutil.rmtree(streams_target, ignore_errors=True)
                raise
        except BaseException:
            target.unlink()
            raise
    return _size(target) + (size_of(streams_target) if streams_target.is_dir() else 0)


def _copy_streams(streams: Path, target: Path, tell: Progress) -> None:
    partial, copied, total = target.with_name(f"{target.name}.part"), 0, size_of(streams) or 1

    def note(size: int) -> None:
        nonlocal copied
        copied += size
        tell(min(copied / total, 1.0))

    for path in (target, partial):
        if path.exists():
            raise StoreError(f"cannot make {path}: File exists")
    try:
        with _reading_streams(streams.parent):
            copy_streams(streams, partial, note)
            partial.rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _copy_whole(connection: sqlite3.Connection, target: Path, tell: Progress, *, is_clean: bool) -> None:
    partial = target.with_name(f"{target.name}.part")
    make_file(partial)
    try:
        _copy(connection, partial, tell, is_clean=is_clean)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def _looking_at(directory: Path) -> Iterator[sqlite3.Connection]:
    path = _database(directory)
    with translate_errors(path, "read"), closing(connect(path)) as connection:
        connection.execute("PRAGMA query_only = ON")
        schema.check_current(connection, str(path))
        yield connection


def _database(directory: Path) -> Path:
    path = directory / DATABASE
    if not path.is_file():
        raise StoreError(f"there is no store in {directory}")
    return path


def _size(path: Path) -> int:
    """The bytes of all files of the database."""
    files = [path, Path(f"{path}-wal")]
    return sum(file.stat().st_size for file in files if file.exists())


def _copy(connection: sqlite3.Connection, target: Path, tell: Progress, *, is_clean: bool) -> None:
    """`is_clean` unless whoever opens the copy must look at the ends of streams."""

    def note(status: int, remaining: int, pages: int) -> None:
        tell(1 - remaining / pages if pages else 1.0)

    with closing(connect(target)) as copy:
        copy.execute("PRAGMA synchronous = OFF")
        # In a transaction, or what a broker writes between two parts would let the copy begin anew.
        connection.execute("BEGIN")
        connection.execute("SELECT 1 FROM meta").fetchone()
        connection.backup(copy, pages=COPIED_PAGES, progress=note)
        if not is_clean:
            copy.execute("UPDATE meta SET value = 0 WHERE name = 'is_clean'")
    file = os.open(target, os.O_RDWR)
    try:
        os.fsync(file)
    finally:
        os.close(file)
