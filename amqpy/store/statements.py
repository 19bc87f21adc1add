"""A batch as SQL: few long statements instead of many short ones.

A statement runs beside a busy event loop, and each releases Python's interpreter lock and then waits for it, up to the
switch interval. So a thousand rows must not be a thousand statements. Preparing a long one takes longer than running
it; therefore they have a few fixed sizes, and the connection keeps them prepared. Unused places are filled with values
without effect, which costs less than another statement.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, TypeAlias

from amqpy.core.durability.journal import Batch
from amqpy.core.durability.records import Change, Put, Record
from amqpy.core.message import Message, PersistentMessage
from amqpy.store.ranges import Range, runs
from amqpy.store.rows import KINDS, Value, expiry_of, to_values, traces_of
from amqpy.store.runs import BODY_MAX, BYTES_MAX, RUN_MAX, RUN_MIN, Runs, to_row

Statement: TypeAlias = tuple[str, Sequence[Value]]

SIZES: Final = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)
"""The numbers of rows that statements have."""
ROWS_MAX: Final = SIZES[-1]
TERMS_MAX: Final = 64
"""The most conditions in one statement: SQLite limits the depth of an expression."""
RANGE_MIN: Final = 4
"""The least number of consecutive keys that are deleted as a range."""

PLAIN: Final = {Message, PersistentMessage}
"""The classes of messages without notes of the broker."""

SHARED_BODY_MIN_BYTES: Final = 512
"""The least size of a shared body. Smaller ones are stored with each message: a row of their own costs as much."""


class Form:
    """A statement for several rows: `head`, then `row` for each, then `tail`. Unused places repeat the last row."""

    __slots__ = ("_head", "_row", "_rows_max", "_separator", "_tail", "_texts", "_width")

    def __init__(self, head: str, row: str, tail: str = "", *, separator: str = ", ", rows_max: int = ROWS_MAX) -> None:
        self._head = head
        self._row = row
        self._tail = tail
        self._separator = separator
        self._rows_max = rows_max
        self._width = row.count("?")
        self._texts: dict[int, str] = {}

    def statements(self, values: Sequence[Value]) -> Iterator[Statement]:
        """Yields the statements for all rows, whose values follow one another."""
        width, step = self._width, self._rows_max * self._width
        for start in range(0, len(values), step):
            some = list(values[start : start + step])
            size = SIZES[bisect_left(SIZES, len(some) // width)]
            some += self.filler(some) * (size - len(some) // width)
            yield self._text(size), some

    def filler(self, values: list[Value]) -> list[Value]:
        return values[-self._width :]

    def _text(self, rows: int) -> str:
        text = self._texts.get(rows)
        if text is None:
            text = self._texts[rows] = f"{self._head}{self._separator.join([self._row] * rows)}{self._tail}"
        return text


class Insertion(Form):
    """An INSERT of rows with a first column that is never NULL. Unused places are NULL."""

    __slots__ = ()

    def __init__(self, table: str, columns: Sequence[str], then: str = "") -> None:
        super().__init__(
            f"INSERT INTO {table} ({', '.join(columns)}) SELECT * FROM (VALUES ",
            f"({', '.join('?' * len(columns))})",
            f") WHERE column1 IS NOT NULL{then}",
        )

    def filler(self, values: list[Value]) -> list[Value]:
        return [None] * self._width


INSERT_PLAIN: Final = Insertion("messages", ("key", "address", "header", "body"))
INSERT_OTHERS: Final = Insertion(
    "messages", ("key", "address", "header", "body", "shared", "expires_at", "transient", "traces")
)
INSERT_BODIES: Final = Insertion("bodies", ("id", "refs", "body"))
DELETE_KEYS: Final = Form("DELETE FROM messages WHERE key IN (", "?", ")")
INSERT_RUNS: Final = Insertion("runs", ("first", "last", "transient", "address", "step", "bytes", "cuts", "content"))
INSERT_GONE: Final = Insertion(
    "gone", ("first", "last"), " ON CONFLICT (first) DO UPDATE SET last = max(last, excluded.last)"
)
DELETE_RUNS: Final = Form("DELETE FROM runs WHERE first IN (", "?", ")")
DELETE_RANGES: Final = Form("DELETE FROM messages WHERE ", "key BETWEEN ? AND ?", separator=" OR ", rows_max=TERMS_MAX)


# --- changes


def _put_form(record: type[Record]) -> Form:
    """The statement that inserts or updates records. Existing ones keep their place in the order."""
    kind = KINDS[record]
    others = [f"{name} = excluded.{name}" for name in kind.columns if name not in kind.key]
    change = f"UPDATE SET {', '.join(others)}" if others else "NOTHING"
    return Insertion(kind.table, tuple(kind.columns), f" ON CONFLICT ({', '.join(kind.key)}) DO {change}")


def _drop_form(record: type[Record]) -> Form:
    kind = KINDS[record]
    key = " AND ".join(f"{name} = ?" for name in kind.key)
    return Form(f"DELETE FROM {kind.table} WHERE ", f"({key})", separator=" OR ", rows_max=TERMS_MAX)


PUT: Final = {record: _put_form(record) for record in KINDS}
DROP: Final = {record: _drop_form(record) for record in KINDS}


def of_changes(changes: Iterable[Change]) -> Iterator[Statement]:
    """Yields the statements for changes of records. Only the order within a kind matters: tables are independent."""
    by_kind: dict[type[Record], list[Change]] = {}
    for change in changes:
        by_kind.setdefault(type(change.record), []).append(change)
    for record, same in by_kind.items():
        start = 0
        for end in range(1, len(same) + 1):
            if end == len(same) or type(same[end]) is not type(same[start]):
                yield from _of_similar_changes(record, same[start:end])
                start = end


def _of_similar_changes(record: type[Record], changes: list[Change]) -> Iterator[Statement]:
    is_put = isinstance(changes[0], Put)
    width = None if is_put else len(KINDS[record].key)
    values: list[Value] = []
    for change in changes:
        values += to_values(change.record)[:width]
    return (PUT if is_put else DROP)[record].statements(values)


# --- messages


def of_removed(keys: Iterable[int], known: Runs) -> Iterator[Statement]:
    ranges: list[Value] = []
    single: list[Value] = []
    dead: list[int] = []
    gone: list[Range] = []
    for first, last in runs(sorted(set(keys))):
        count = last - first + 1
        if known.remove(first, last, dead, gone) == count:
            continue
        if count < RANGE_MIN:
            single += range(first, last + 1)
        else:
            ranges += (first, last)
    yield from of_gone(gone, dead)
    yield from DELETE_RANGES.statements(ranges)
    yield from DELETE_KEYS.statements(single)


def of_gone(gone: Iterable[Range], dead: list[int]) -> Iterator[Statement]:
    """Yields the statements that note what is gone from runs, and delete those of which nothing is left."""
    yield from INSERT_GONE.statements([key for each in gone for key in each])
    yield from DELETE_RUNS.statements(dead)


class Bodies:
    """The bodies that several messages share, and their numbers: those of messages that follow one another in the
    batch, as the messages of one publish to several queues do."""

    __slots__ = ("_shared", "last_number")

    def __init__(self, messages: Iterable[Message], last_number: int) -> None:
        self.last_number = last_number
        self._shared: dict[int, tuple[int, list[None], bytes]] = {}
        """Number, an item for each reference, and the body, by its identity."""
        before = b""
        for message in messages:
            body = message.body
            if body is before and len(body) >= SHARED_BODY_MIN_BYTES and id(body) not in self._shared:
                self.last_number += 1
                self._shared[id(body)] = (self.last_number, [], body)
            before = body

    def __bool__(self) -> bool:
        return bool(self._shared)

    def are_shared(self, body: bytes) -> bool:
        return id(body) in self._shared

    def refer(self, body: bytes) -> int | None:
        """Adds a reference to a shared body and returns its number; None for a body that is not shared."""
        found = self._shared.get(id(body))
        if found is None:
            return None
        number, references, _ = found
        references.append(None)
        return number

    def statements(self) -> Iterator[Statement]:
        """Yields the statements that insert the bodies, once all messages have referred to theirs."""
        values: list[Value] = []
        for number, references, body in self._shared.values():
            values += (number, len(references), body)
        return INSERT_BODIES.statements(values)


def of_added(batch: Batch, bodies: Bodies, known: Runs, mark: int) -> Iterator[Statement]:
    """Yields the statements that insert a batch's messages. Transient ones are marked with `mark`, the number of the
    broker's run. Raises KeyTaken."""
    added = Added(batch, bodies, known, mark)
    for first, last in runs(sorted(batch.added)):
        for block in range(first - first % RUN_MAX, last + 1, RUN_MAX):
            added.row(max(first, block), min(last, block + RUN_MAX - 1))
    yield from added.statements()


class KeyTaken(ValueError):
    """A message is to be added where one is."""


class Added:
    """The values of the rows of a batch's messages."""

    def __init__(self, batch: Batch, bodies: Bodies, known: Runs, mark: int) -> None:
        self._batch = batch
        self._bodies = bodies
        self._known = known
        self._mark = mark
        self._plain: list[Value] = []
        self._others: list[Value] = []
        self._runs: list[Value] = []

    def row(self, first: int, last: int) -> None:
        """Adds messages of one block, in a row: as a run if they are many and alike, else each half by itself."""
        messages = [self._batch.added[key] for key in range(first, last + 1)]
        if len(messages) < RUN_MIN:
            for key, message in enumerate(messages, first):
                self._single(key, message)
        elif self._are_alike(first, messages):
            mark = self._mark if first in self._batch.transient else None
            self._known.add(first, last, (1 << len(messages)) - 1)
            self._runs += (first, last, mark, *to_row(messages))
        else:
            middle = (first + last) // 2
            self.row(first, middle)
            self.row(middle + 1, last)

    def _are_alike(self, first: int, messages: list[Message]) -> bool:
        """True if the messages differ in nothing but their bytes, and these are not too many."""
        keys = range(first, first + len(messages))
        notes, transient, bodies = self._batch.due_times, self._batch.transient, self._bodies
        return (
            {type(message) for message in messages} <= PLAIN
            and {message.expires_at_ms for message in messages} == {None}
            and max([len(message.body) for message in messages]) <= BODY_MAX
            and sum([len(message.header) + len(message.body) for message in messages]) <= BYTES_MAX
            and (not notes or notes.keys().isdisjoint(keys))
            and (not transient or transient.isdisjoint(keys) or transient.issuperset(keys))
            and not (bodies and any(bodies.are_shared(message.body) for message in messages))
            and self._known.are_free(first, keys[-1])
        )

    def _single(self, key: int, message: Message) -> None:
        """Adds a message with a row of its own."""
        if self._known.has(key):
            raise KeyTaken(f"UNIQUE constraint failed: message {key} is in a run")
        batch, is_transient = self._batch, key in self._batch.transient
        expires_at = expiry_of(message, batch.unix_offset_ms)
        traces = traces_of(message, batch.due_times.get(key), batch.unix_offset_ms)
        number = self._bodies.refer(message.body)
        if expires_at is None and traces is None and number is None and not is_transient:
            self._plain += (key, message.address, message.header, message.body)
            return
        body = message.body if number is None else None
        mark = self._mark if is_transient else None
        self._others += (key, message.address, message.header, body, number, expires_at, mark, traces)

    def statements(self) -> Iterator[Statement]:
        yield from self._bodies.statements()
        yield from INSERT_PLAIN.statements(self._plain)
        yield from INSERT_OTHERS.statements(self._others)
        yield from INSERT_RUNS.statements(self._runs)
