"""Maintenance of a store by an operator: check, compact, back up. Checks and backups do not disturb a broker.

All raise StoreError, with one line for the operator.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from amqpy.core.durability.records import QueueRecord
from amqpy.store import schema
from amqpy.store.connection import connect, load_records, translate_errors
from amqpy.store.directory import DATABASE, DirectoryStore, make_file, sync_directory
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
    """Checks the whole store, as it is at this moment."""
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
        return Report(_contents(connection), problems)


def _contents(connection: sqlite3.Connection) -> list[Contents]:
    counts = {
        tuple(row[:2]): row[2:]
        for row in connection.execute(
            "SELECT vhost, queue, count(*), sum(bytes) FROM queue_messages WHERE owner_kind = 'queue' GROUP BY 1, 2"
        )
    }
    names = connection.execute("SELECT vhost, name FROM queues").fetchall()
    queues = [record for record in load_records(connection) if isinstance(record, QueueRecord)]
    return [
        Contents(record.vhost, record.name, *counts.get(name, (0, 0)))
        for record, name in zip(queues, names, strict=True)
    ]


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
    """Copies the store as it is at this moment into a new file; returns its bytes. As `amqpy.db` of an empty data
    directory, the copy is the store of another broker."""
    with _looking_at(directory) as connection:
        partial = target.with_name(f"{target.name}.part")
        # The name is taken at once, but the copy gets it only when it is complete.
        make_file(target)
        try:
            make_file(partial)
            try:
                _copy(connection, partial, tell)
                partial.replace(target)
            finally:
                partial.unlink(missing_ok=True)
            sync_directory(target.parent)
        except BaseException:
            target.unlink()
            raise
    return _size(target)


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


def _copy(connection: sqlite3.Connection, target: Path, tell: Progress) -> None:
    def note(status: int, remaining: int, pages: int) -> None:
        tell(1 - remaining / pages if pages else 1.0)

    with closing(connect(target)) as copy:
        copy.execute("PRAGMA synchronous = OFF")
        # In a transaction, or what a broker writes between two parts would let the copy begin anew.
        connection.execute("BEGIN")
        connection.execute("SELECT 1 FROM meta").fetchone()
        connection.backup(copy, pages=COPIED_PAGES, progress=note)
    file = os.open(target, os.O_RDWR)
    try:
        os.fsync(file)
    finally:
        os.close(file)
