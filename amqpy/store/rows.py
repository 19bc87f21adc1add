"""Conversion of records and messages to rows of a database and back.

A client's text may hold bytes that are no UTF-8, as surrogates; such a text becomes its bytes. A message's times
become Unix time, because the broker's own clock starts anew with each run.
"""

import json
import re
from typing import Any, Final, NamedTuple, TypeAlias, get_args

from amqpy.core.durability.journal import DueTime
from amqpy.core.durability.records import KEYS, Record
from amqpy.core.message import AnnotatedMessage, Message, PersistentMessage
from amqpy.wire.properties import is_persistent

Value: TypeAlias = str | bytes | int | None

TRACES: Final = ("more_keys", "is_dead_letter", "delivery_count", "acquired_count", "waits_first")
DUE_AT: Final = "due_at"


# --- records

SQL_TYPES: Final[dict[type, str]] = {str: "TEXT", bytes: "BLOB", int: "INTEGER", bool: "INTEGER"}


class Kind(NamedTuple):
    """The table of one kind of record."""

    type: type[Record]
    table: str
    columns: dict[str, str]
    """Names and SQL types."""
    key: tuple[str, ...]
    bools: tuple[int, ...]
    """The indexes of boolean columns."""


def _kind(record: type[Record]) -> Kind:
    name = re.sub("(?<=[a-z])(?=[A-Z])", "_", record.__name__.removesuffix("Record")).lower()
    columns, bools = {}, []
    for at, (field, hint) in enumerate(record.__annotations__.items()):
        kinds = set(get_args(hint) or (hint,))
        if bool in kinds:
            bools.append(at)
        column = next(sql for kind, sql in SQL_TYPES.items() if kind in kinds)
        columns[field] = column if type(None) in kinds else f"{column} NOT NULL"
    return Kind(record, f"{name}s", columns, record._fields[: KEYS[record]], tuple(bools))


KINDS: Final[dict[type[Record], Kind]] = {record: _kind(record) for record in KEYS}


def to_values(record: Record) -> list[Value]:
    """The values of a record's columns, with its key."""
    return [from_text(value) if isinstance(value, str) else value for value in record]


def to_record(kind: Kind, values: list[Any]) -> Record:
    """Makes a record of the values of its columns."""
    for at, column in enumerate(kind.columns.values()):
        if column.startswith("TEXT") and isinstance(values[at], bytes):
            values[at] = values[at].decode("utf-8", "surrogateescape")
    for at in kind.bools:
        values[at] = bool(values[at])
    make: Any = kind.type
    record: Record = make(*values)
    return record


def from_text(text: str) -> str | bytes:
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogateescape")
    return text


# --- messages


def expiry_of(message: Message, unix_offset_ms: int) -> int | None:
    return None if message.expires_at_ms is None else message.expires_at_ms + unix_offset_ms


def traces_of(message: Message, note: DueTime | None, unix_offset_ms: int) -> str | None:
    """The broker's own notes on a message as a JSON object, None without any."""
    traces: dict[str, Any] = {}
    if isinstance(message, AnnotatedMessage):
        traces = {name: value for name in TRACES if (value := getattr(message, name))}
    if note is not None:
        traces[DUE_AT] = note.due_at_ms + unix_offset_ms
    return json.dumps(traces) if traces else None


class MessageReader:
    """Makes messages of rows. Headers and addresses that repeat are shared."""

    __slots__ = ("_address", "_header", "_is_persistent", "_unix_offset_ms")

    def __init__(self, unix_offset_ms: int) -> None:
        self._unix_offset_ms = unix_offset_ms
        self._address = b""
        self._header = b""
        self._is_persistent = False

    def message(
        self, expires_at: int | None, traces: str | None, address: bytes, header: bytes, body: bytes
    ) -> Message:
        if header == self._header:
            header = self._header
        else:
            self._header = header
            self._is_persistent = is_persistent(header)
        if address == self._address:
            address = self._address
        else:
            self._address = address
        expires_at_ms = None if expires_at is None else expires_at - self._unix_offset_ms
        if traces is not None:
            known = json.loads(traces)
            known.pop(DUE_AT, None)
            if known:
                known["more_keys"] = tuple(known.get("more_keys", ()))
                return AnnotatedMessage(address, header, body, expires_at_ms, persistent=self._is_persistent, **known)
        if self._is_persistent:
            return PersistentMessage(address, header, body, expires_at_ms)
        return Message(address, header, body, expires_at_ms)

    def due_at_ms(self, traces: str | None) -> int | None:
        """The due time of a delayed message, or None."""
        due_at = None if traces is None else json.loads(traces).get(DUE_AT)
        return None if due_at is None else due_at - self._unix_offset_ms
