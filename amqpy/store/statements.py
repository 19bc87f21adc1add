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
from amqpy.store.ranges import runs
from amqpy.store.rows import KINDS, Value, expiry_of, to_values, traces_of

Statement: TypeAlias = tuple[str, Sequence[Value]]

SIZES: Final = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)
"""The numbers of rows that statements have."""
ROWS_MAX: Final = SIZES[-1]
TERMS_MAX: Final = 64
"""The most conditions in one statement: SQLite limits the depth of an expression."""
RANGE_MIN: Final = 4
"""The least number of consecutive keys that are deleted as a range."""

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


def of_removed(keys: Iterable[int]) -> Iterator[Statement]:
    ranges: list[Value] = []
    single: list[Value] = []
    for first, last in runs(sorted(set(keys))):
        if last - first + 1 < RANGE_MIN:
            single += range(first, last + 1)
        else:
            ranges += (first, last)
    yield from DELETE_RANGES.statements(ranges)
    yield from DELETE_KEYS.statements(single)


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


def of_added(batch: Batch, bodies: Bodies, run: int) -> Iterator[Statement]:
    """Yields the statements that insert a batch's messages. Transient ones are marked with the number of the run."""
    plain: list[Value] = []
    others: list[Value] = []
    notes, transient, offset_ms = batch.due_times, batch.transient, batch.unix_offset_ms
    all_simple = not (notes or transient or bodies)
    for key, message in batch.added.items():
        kind = type(message)
        if all_simple and (kind is PersistentMessage or kind is Message) and message.expires_at_ms is None:
            plain += (key, message.address, message.header, message.body)
            continue
        number = bodies.refer(message.body)
        others += (
            key,
            message.address,
            message.header,
            message.body if number is None else None,
            number,
            expiry_of(message, offset_ms),
            run if key in transient else None,
            traces_of(message, notes.get(key), offset_ms),
        )
    yield from bodies.statements()
    yield from INSERT_PLAIN.statements(plain)
    yield from INSERT_OTHERS.statements(others)
