"""Reading from the database: messages, from rows of their own and from runs, and what is in a lane.

Reading goes on while somebody writes, so all that belongs together is asked for in one statement, or one transaction.
"""

import json
import sqlite3
from collections.abc import Generator, Iterator
from contextlib import closing
from heapq import merge
from operator import itemgetter
from typing import Final, NamedTuple

from amqpy.core.durability.journal import POSITION_BITS
from amqpy.core.durability.records import LaneState
from amqpy.store.ranges import Range, Ranges, outside
from amqpy.store.runs import RUN_MAX, Damaged, Row, Run, cut, cuts_of, left_of, size_left

READ: Final = """
SELECT m.key, m.expires_at, m.traces, m.address, m.header,
    CASE WHEN m.shared IS NULL THEN m.body ELSE (SELECT b.body FROM bodies AS b WHERE b.id = m.shared) END
FROM messages AS m
WHERE m.key BETWEEN ? AND ? AND (m.transient IS NULL OR m.transient = ?)
ORDER BY m.key LIMIT ?"""
_GONE: Final = """(
    SELECT json_group_array(json_array(g.first, g.last)) FROM gone AS g WHERE g.first BETWEEN r.first AND r.last
)"""
READ_RUNS: Final = f"""
SELECT r.first, r.last, r.address, r.step, r.cuts, r.content, {_GONE} FROM runs AS r
WHERE r.first BETWEEN ? AND ? AND r.last >= ? AND (r.transient IS NULL OR r.transient = ?)
ORDER BY r.first"""
READ_AHEAD: Final = (
    "SELECT count(substr(body, -1)) FROM (SELECT body FROM messages WHERE key BETWEEN ? AND ? ORDER BY key LIMIT ?)",
    "SELECT count(substr(content, -1)) "
    "FROM (SELECT content FROM runs WHERE first BETWEEN ? AND ? ORDER BY first LIMIT ?)",
)
"""Makes the operating system read messages into its cache, in one statement, beside other threads."""
COUNT: Final = """
SELECT count(*), min(key), coalesce(sum(
    CASE WHEN shared IS NULL THEN length(body) ELSE (SELECT length(b.body) FROM bodies AS b WHERE b.id = shared) END
), 0) FROM messages WHERE key BETWEEN ? AND ? AND transient IS NULL"""
LIST_RUNS: Final = f"SELECT r.first, r.last, r.transient, r.bytes, {_GONE} FROM runs AS r ORDER BY r.first"
CUTS: Final = "SELECT cuts, length(content) FROM runs WHERE first = ?"
NEXT_LANE: Final = """
SELECT min(key) FROM (
    SELECT min(key) AS key FROM messages WHERE key >= ?1 UNION ALL SELECT min(first) FROM runs WHERE first >= ?1
)"""
LAST_BEFORE: Final = """
SELECT max(key) FROM (
    SELECT max(key) AS key FROM messages WHERE key < ?1
    UNION ALL SELECT last FROM (SELECT last FROM runs WHERE first < ?1 ORDER BY first DESC LIMIT 1)
)"""


class DamagedMessage(Exception):
    """A message or a run is not whole; the text says which."""


def read(
    connection: sqlite3.Connection, first: int, last: int, mark: int, count_max: int
) -> Generator[Row, None, None]:
    """Yields messages with keys from `first` to `last`, in order: durable ones, and transient ones of the broker's run
    `mark`. Those with rows of their own are at most `count_max`. To be closed. Raises DamagedMessage, sqlite3.Error."""
    # Two statements that see the same: or later messages could be found without those before them.
    connection.execute("BEGIN")
    try:
        with (
            closing(connection.execute(READ, (first, last, mark, count_max))) as rows,
            closing(_from_runs(connection, first, last, mark)) as others,
        ):
            for row in merge(rows, others, key=itemgetter(0)):
                if row[5] is None:
                    raise DamagedMessage(f"message {row[0]} has no body")
                yield row
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _from_runs(connection: sqlite3.Connection, first: int, last: int, mark: int) -> Generator[Row, None, None]:
    # The run that has the first message may begin before it.
    with closing(connection.execute(READ_RUNS, (first - first % RUN_MAX, last, first, mark))) as found:
        for begin, end, addresses, step, text, content, gone in found:
            run = Run(begin, end, left_of(begin, end, json.loads(gone)))
            try:
                cuts = cuts_of(text, end - begin + 1, len(content))
                yield from cut(run, addresses, step, cuts, content, first, last)
            except Damaged:
                raise DamagedMessage(f"run {begin} is not whole") from None


class StoredRun(NamedTuple):
    """A run, and the bytes of the bodies of those of its messages that are left."""

    run: Run
    size: int
    is_transient: bool


def list_runs(connection: sqlite3.Connection) -> Iterator[StoredRun]:
    """Yields all runs, in order. Raises DamagedMessage, sqlite3.Error."""
    for first, last, mark, size, gone in connection.execute(LIST_RUNS):
        run = Run(first, last, left_of(first, last, json.loads(gone)))
        if gone != "[]":
            text, length = connection.execute(CUTS, (first,)).fetchone()
            try:
                size = size_left(run.left, cuts_of(text, last - first + 1, length))
            except Damaged:
                raise DamagedMessage(f"run {first} is not whole") from None
        yield StoredRun(run, size, mark is not None)


def lanes(connection: sqlite3.Connection) -> Iterator[Range]:
    """Yields the numbers of lanes that have messages, and the keys after their last ones."""
    key = 0
    while (found := connection.execute(NEXT_LANE, (key,)).fetchone()[0]) is not None:
        number = found >> POSITION_BITS
        key = (number + 1) << POSITION_BITS
        (last,) = connection.execute(LAST_BEFORE, (key,)).fetchone()
        yield number, last + 1


def lane_state(
    connection: sqlite3.Connection, first: int, end: int, garbage: Ranges, runs: list[StoredRun]
) -> LaneState:
    """The durable messages of a lane outside of the garbage: in rows, and in `runs`."""
    messages = size = 0
    begin = end
    for part in outside(garbage, first, end - 1):
        count, key, bodies_size = connection.execute(COUNT, part).fetchone()
        if count:
            begin = min(begin, key)
        messages += count
        size += bodies_size
    for run, run_size, is_transient in runs:
        if is_transient:
            continue
        messages += run.left.bit_count()
        size += run_size
        begin = min(begin, run.first + (run.left & -run.left).bit_length() - 1)
    return LaneState(messages, begin - first, end - first, size)
