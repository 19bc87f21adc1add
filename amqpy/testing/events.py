"""The record of one test broker: what happened, in order.

A message's parts are kept as the bytes that they were; properties and headers are decoded when somebody asks.
"""

import json
from collections import deque
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from itertools import count
from typing import Any, Final, TypeAlias

from amqpy.core.message import Message
from amqpy.wire.content import split_address
from amqpy.wire.properties import decode_properties
from amqpy.wire.values import Field, MalformedValue, Table, decode_array, decode_table, text

EVENTS_MAX: Final = 10_000
BYTES_MAX: Final = 64 * 1024 * 1024
"""The newest events, and bytes of bodies among them, that are kept."""

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


OF_MESSAGES: Final = (
    "published",
    "refused",
    "returned",
    "confirmed",
    "delivered",
    "acked",
    "rejected",
    "requeued",
    "dead_lettered",
    "discarded",
)
"""The kinds of events about messages. All others are RabbitMQ's, with its names."""


def check_kind(kind: str) -> None:
    """Raises ValueError if there are no events of this kind."""
    if kind not in OF_MESSAGES and "." not in kind:
        raise ValueError(f"no kind of events {kind!r}: there are {', '.join(OF_MESSAGES)}, and RabbitMQ's, with a dot")


class TracedBody(bytes):
    """A body that knows which published message it belongs to, through all copies of that."""

    number: int


_numbers = count(1)


def traced(body: bytes) -> TracedBody:
    """The body of another published message."""
    marked = TracedBody(body)
    marked.number = next(_numbers)
    return marked


Place: TypeAlias = tuple[str | None, int | None]
"""The name of a connection, and the number of a channel."""

NOWHERE: Final = (None, None)


class Event:
    """Something that happened. A field that says nothing about it is None."""

    kind: str
    at_ms: int
    """The broker's time, in milliseconds of Unix time."""
    vhost: str | None = None
    queue: str | None = None
    queues: list[str] | None = None
    """The queues that a message was routed to."""
    body: bytes | None = None
    connection: str | None = None
    """The name that the client gave its connection, else `ip:port -> ip:port`."""
    channel: int | None = None
    delivery_tag: int | None = None
    redelivered: bool | None = None
    requeue: bool | None = None
    nacked: bool | None = None
    reason: str | None = None
    reply_code: int | None = None
    reply_text: str | None = None
    name: str | None = None
    _address: bytes | None = None
    _header: bytes | None = None

    def __init__(self, kind: str, at_ms: int, place: Place = NOWHERE, **fields: Any) -> None:  # noqa: ANN401 (those above)
        self.kind = kind
        self.at_ms = at_ms
        self.connection, self.channel = place
        if fields:  # set one by one where each message passes, which takes a quarter of the time
            self.__dict__.update(fields)

    @classmethod
    def of_message(cls, kind: str, at_ms: int, message: Message, place: Place = NOWHERE, **fields: Any) -> "Event":  # noqa: ANN401
        event = cls(kind, at_ms, place, **fields)
        event.body = message.body
        event._address = message.address
        event._header = message.header
        return event

    def again(self, kind: str, at_ms: int, **fields: Any) -> "Event":  # noqa: ANN401
        """Another event about the same message, in the same place."""
        event = Event.__new__(Event)
        event.__dict__.update(self.__dict__, kind=kind, at_ms=at_ms, **fields)
        return event

    @property
    def at(self) -> datetime:
        return EPOCH + timedelta(milliseconds=self.at_ms)

    @property
    def message_number(self) -> int | None:
        """Counts the published messages; dead letters and other copies have that of the first."""
        return getattr(self.body, "number", None)

    @cached_property
    def exchange(self) -> str | None:
        return None if self._address is None else text(split_address(self._address)[0])

    @cached_property
    def routing_key(self) -> str | None:
        return None if self._address is None else text(split_address(self._address)[1])

    def json(self) -> Any:  # noqa: ANN401
        """The body, which is JSON. Raises ValueError if it is not."""
        if self.body is None:
            raise ValueError(f"{self.kind} is not about a message")
        return json.loads(self.body)

    @cached_property
    def properties(self) -> dict[str, Any] | None:
        """The properties that are present, without headers; None if this is not about a message."""
        decoded = self._decoded
        return None if decoded is None else {name: value for name, value in decoded.items() if name != "headers"}

    @cached_property
    def headers(self) -> dict[str, Any] | None:
        """The headers as values of Python; None if this is not about a message."""
        return plain_table(self.header_table) if self._header is not None else None

    @property
    def header_table(self) -> Table:
        """The headers with their types of AMQP; an empty one if this is not about a message."""
        table: Table = (self._decoded or {}).get("headers", {})
        return table

    @property
    def _decoded(self) -> dict[str, Any] | None:
        if self._header is None:
            return None
        try:
            return decode_properties(self._header)
        except MalformedValue:
            return {}

    def __repr__(self) -> str:
        return f"<{describe(self)}>"


def describe(event: Event) -> str:
    """The event in a line, without its body."""
    words = [event.kind]
    if event.body is not None:
        if event.queue is not None and event.kind not in {"published", "returned", "confirmed"}:
            words.append(f"from {event.queue!r}" if event.kind != "refused" else f"by {event.queue!r}")
        if event.exchange is not None:
            words.append(f"{event.exchange!r} key {event.routing_key!r}")
        if event.queues is not None:
            words.append(f"-> {', '.join(event.queues) or 'nowhere'}")
    else:
        about = (event.name, event.queue, event.exchange)
        words += [repr(each) for each in dict.fromkeys(about) if each is not None]
    for name in ("redelivered", "requeue", "nacked"):
        if getattr(event, name):
            words.append(name)
    words += [str(each) for each in (event.reason, event.reply_code, event.reply_text) if each is not None]
    if event.connection is not None:
        words.append(f"[{event.connection}]")
    return " ".join(words)


class EventLog:
    """The newest events of one broker, in order."""

    def __init__(self) -> None:
        self.on_event: Callable[[Event], object] = lambda event: None
        self._events: deque[Event] = deque()
        self._size = 0
        self.total = 0
        """The number of events ever added, and of clears."""

    def add(self, event: Event) -> None:
        events = self._events
        events.append(event)
        self.total += 1
        if event.body is not None:
            self._size += len(event.body)
        if len(events) > EVENTS_MAX or self._size > BYTES_MAX:
            self._drop_oldest()
        self.on_event(event)

    def _drop_oldest(self) -> None:
        while len(self._events) > EVENTS_MAX or self._size > BYTES_MAX:
            oldest = self._events.popleft()
            self._size -= 0 if oldest.body is None else len(oldest.body)

    def clear(self) -> None:
        self._events.clear()
        self.total += 1
        self._size = 0

    def __iter__(self) -> Iterator[Event]:
        return iter(self._events)

    def __len__(self) -> int:
        return len(self._events)


def plain_table(table: Table) -> dict[str, Any]:
    """A table with values of Python: text, numbers, datetimes (UTC), bytes, lists and dicts."""
    return {name: _plain(field) for name, field in table.items()}


def _plain(field: Field) -> Any:  # noqa: ANN401
    kind, value = field
    match kind:
        case "table":
            return plain_table(decode_table(value))
        case "array":
            return [_plain(each) for each in decode_array(value)]
        case "timestamp":
            return _datetime(value)
        case "decimal":
            return Decimal(value[1]).scaleb(-value[0])
    return value


def _datetime(seconds: int) -> datetime | int:
    try:
        return EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        return seconds
