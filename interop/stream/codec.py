"""Frames of the stream protocol, for scripts that must see every byte and may send wrong ones.

A frame is its size (4 bytes), the key of its command (2; the top bit says that it is a response), its version (2), then
mostly a correlation id (4), in responses a code (2), and the fields of the command. All numbers are big-endian.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from interop.stream.chunk import Chunk

RESPONSE = 0x8000
NULL_TEXT = -1

Kind = Any
"""How a field is written: the name of a kind, a list of one kind for an array of it, or a tuple of fields."""

PAIRS = [("string", "string")]


@dataclass(frozen=True)
class Command:
    """A command by its name in the protocol, with the fields of its request and of its response.

    Fields are pairs of name and kind. Without a `response`, what comes back has nothing but its code.
    """

    key: int
    name: str
    request: Sequence[tuple[str, Kind]] = ()
    response: Sequence[tuple[str, Kind]] = ()
    answered: bool = True
    coded: bool = True
    """The response has a code."""


COMMANDS = (
    Command(1, "DeclarePublisher", [("publisher", "u8"), ("reference", "string"), ("stream", "string")]),
    Command(2, "Publish", [("publisher", "u8"), ("messages", [("u64", "entry")])], answered=False),
    Command(3, "PublishConfirm", [("publisher", "u8"), ("ids", ["u64"])], answered=False),
    Command(4, "PublishError", [("publisher", "u8"), ("errors", [("u64", "u16")])], answered=False),
    Command(
        5, "QueryPublisherSequence", [("reference", "string"), ("stream", "string")], response=[("sequence", "u64")]
    ),
    Command(6, "DeletePublisher", [("publisher", "u8")]),
    Command(
        7,
        "Subscribe",
        [
            ("subscription", "u8"),
            ("stream", "string"),
            ("offset", "offset"),
            ("credit", "u16"),
            ("properties", PAIRS),
        ],
    ),
    Command(8, "Deliver", [("subscription", "u8"), ("chunk", "chunk")], answered=False),
    Command(9, "Credit", [("subscription", "u8"), ("credit", "u16")], answered=False),
    Command(10, "StoreOffset", [("reference", "string"), ("stream", "string"), ("offset", "u64")], answered=False),
    Command(11, "QueryOffset", [("reference", "string"), ("stream", "string")], response=[("offset", "u64")]),
    Command(12, "Unsubscribe", [("subscription", "u8")]),
    Command(13, "Create", [("stream", "string"), ("arguments", PAIRS)]),
    Command(14, "Delete", [("stream", "string")]),
    Command(
        15,
        "Metadata",
        [("streams", ["string"])],
        response=[("brokers", [("u16", "string", "u32")]), ("streams", [("string", "u16", "u16", ["u16"])])],
        coded=False,
    ),
    Command(16, "MetadataUpdate", [("code", "u16"), ("stream", "string")], answered=False),
    Command(17, "PeerProperties", [("properties", PAIRS)], response=[("properties", PAIRS)]),
    Command(18, "SaslHandshake", response=[("mechanisms", ["string"])]),
    Command(19, "SaslAuthenticate", [("mechanism", "string"), ("data", "bytes")], response=[("challenge", "bytes")]),
    Command(20, "Tune", [("frame_max", "u32"), ("heartbeat", "u32")], answered=False),
    Command(21, "Open", [("vhost", "string")], response=[("properties", PAIRS)]),
    Command(22, "Close", [("code", "u16"), ("reason", "string")]),
    Command(23, "Heartbeat", answered=False),
    Command(24, "Route", [("routing_key", "string"), ("super_stream", "string")], response=[("streams", ["string"])]),
    Command(25, "Partitions", [("super_stream", "string")], response=[("streams", ["string"])]),
    Command(26, "ConsumerUpdate", [("subscription", "u8"), ("active", "u8")], response=[("offset", "offset")]),
    Command(
        27,
        "ExchangeCommandVersions",
        [("commands", [("u16", "u16", "u16")])],
        response=[("commands", [("u16", "u16", "u16")])],
    ),
    Command(28, "StreamStats", [("stream", "string")], response=[("statistics", [("string", "i64")])]),
    Command(
        29,
        "CreateSuperStream",
        [("name", "string"), ("partitions", ["string"]), ("binding_keys", ["string"]), ("arguments", PAIRS)],
    ),
    Command(30, "DeleteSuperStream", [("name", "string")]),
)
BY_NAME: Mapping[str, Command] = {command.name: command for command in COMMANDS}
BY_KEY: Mapping[int, Command] = {command.key: command for command in COMMANDS}

OTHER_VERSIONS: Mapping[tuple[int, int], Sequence[tuple[str, Kind]]] = {
    (2, 2): [("publisher", "u8"), ("messages", [("u64", "string", "entry")])],
    (8, 2): [("subscription", "u8"), ("committed", "u64"), ("chunk", "chunk")],
}
"""The fields of requests by key and version, where a second version has others."""

OFFSETS = {"first": 1, "last": 2, "next": 3, "offset": 4, "timestamp": 5}
NUMBERS = {"u8": ">B", "u16": ">H", "u32": ">I", "u64": ">Q", "i64": ">q"}


class Malformed(ValueError):
    """Bytes that are not the frame that they should be."""


@dataclass(frozen=True)
class Frame:
    """One frame as it came in; `name` is empty if its command is not known, or its fields are not readable."""

    key: int
    version: int
    body: bytes
    name: str = ""
    is_response: bool = False
    correlation: int | None = None
    code: int | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)


# Out


def frame(key: int, body: bytes, *, version: int = 1) -> bytes:
    return struct.pack(">IHH", len(body) + 4, key, version) + body


def request(name: str, correlation: int, /, version: int = 1, **values: Any) -> bytes:  # noqa: ANN401 - as it takes
    """A request. Fields at the end that are not given are not sent; those before them are zero or empty."""
    command = BY_NAME[name]
    fields = OTHER_VERSIONS.get((command.key, version), command.request)
    if unknown := values.keys() - {each for each, _ in fields}:
        raise TypeError(f"{name} has no field {', '.join(sorted(unknown))}")
    body = struct.pack(">I", correlation) if command.answered else b""
    given = max((number for number, (each, _) in enumerate(fields, 1) if each in values), default=0)
    body += b"".join(written(kind, values.get(each)) for each, kind in fields[:given])
    return frame(command.key, body, version=version)


def response(name: str, correlation: int, code: int, /, **values: Any) -> bytes:  # noqa: ANN401
    """What a client answers to a request of the server."""
    command = BY_NAME[name]
    body = b"".join(written(kind, values[each]) for each, kind in command.response if each in values)
    return frame(RESPONSE | command.key, struct.pack(">IH", correlation, code) + body)


def written(kind: Kind, value: Any) -> bytes:  # noqa: ANN401
    match kind:
        case [inner]:
            items = list(value or ())
            return struct.pack(">I", len(items)) + b"".join(written(inner, each) for each in items)
        case tuple():
            return b"".join(written(inner, each) for inner, each in zip(kind, value, strict=True))
        case "string":
            return text(value)
        case "bytes":
            return struct.pack(">i", NULL_TEXT) if value is None else struct.pack(">i", len(value)) + value
        case "entry":
            return value if isinstance(value, Entry) else struct.pack(">I", len(value)) + bytes(value)
        case "offset":
            return offset(value)
    return struct.pack(NUMBERS[kind], value or 0)


class Entry(bytes):
    """An entry of a publish as it is written, such as a sub-batch."""


def text(value: str | bytes | None) -> bytes:
    if value is None:
        return struct.pack(">h", NULL_TEXT)
    data = value.encode() if isinstance(value, str) else value
    return struct.pack(">H", len(data)) + data


def offset(value: str | tuple[str, int] | bytes) -> bytes:
    """An offset specification: `first`, `last`, `next`, or `offset` or `timestamp` with a number."""
    match value:
        case bytes():
            return value
        case str():
            return struct.pack(">H", OFFSETS[value])
        case (name, number):
            return struct.pack(">Hq" if name == "timestamp" else ">HQ", OFFSETS[name], number)
    raise TypeError(f"no offset specification: {value!r}")


def sub_batch(messages: Sequence[bytes], *, compression: int = 0, data: bytes | None = None) -> Entry:
    """Several messages as one entry; `data` is what they are compressed to."""
    plain = b"".join(struct.pack(">I", len(each)) + each for each in messages)
    sent = plain if data is None else data
    return Entry(struct.pack(">BHII", 0x80 | compression << 4, len(messages), len(plain), len(sent)) + sent)


# In


class Reader:
    """Takes values off the front of a body. Raises Malformed if it is too short."""

    def __init__(self, body: bytes) -> None:
        self._rest = body

    def take(self, size: int) -> bytes:
        if not 0 <= size <= len(self._rest):
            raise Malformed(f"{size} bytes wanted, {len(self._rest)} left")
        taken, self._rest = self._rest[:size], self._rest[size:]
        return taken

    def number(self, number_format: str) -> int:
        return int(struct.unpack(number_format, self.take(struct.calcsize(number_format)))[0])

    def value(self, kind: Kind) -> Any:  # noqa: ANN401
        match kind:
            case [inner]:
                return [self.value(inner) for _ in range(self.number(">I"))]
            case tuple():
                return tuple(self.value(inner) for inner in kind)
            case "string":
                return self._sized(">h")
            case "bytes":
                return self._sized(">i")
            case "chunk":
                return Chunk.parse(self.take(len(self._rest)))
            case "entry" | "offset":
                raise Malformed(f"no server sends this: {kind}")
        return self.number(NUMBERS[kind])

    def _sized(self, number_format: str) -> bytes | None:
        size = self.number(number_format)
        return None if size == NULL_TEXT else self.take(size)

    @property
    def at_end(self) -> bool:
        return not self._rest


def parsed(content: bytes) -> Frame:
    """A frame, given what comes after its size. What cannot be read has no name: a server's mistake is a difference."""
    if len(content) < 4:
        return Frame(0, 0, content)
    key, version = struct.unpack_from(">HH", content)
    body, is_response = content[4:], bool(key & RESPONSE)
    key &= ~RESPONSE
    command = BY_KEY.get(key)
    if command is None:
        return Frame(key, version, body, is_response=is_response)
    try:
        return known(command, version, body, is_response=is_response)
    except ValueError:
        return Frame(key, version, body, is_response=is_response)


def known(command: Command, version: int, body: bytes, *, is_response: bool) -> Frame:
    reader = Reader(body)
    correlation = code = None
    if command.name == "Credit" and is_response:
        values: dict[str, Any] = {"code": reader.number(">H"), "subscription": reader.number(">B")}
    else:
        if command.answered:
            correlation = reader.number(">I")
        if is_response and command.coded and command.answered:
            code = reader.number(">H")
        fields = command.response if is_response else OTHER_VERSIONS.get((command.key, version), command.request)
        values = {}
        for name, kind in fields:
            if reader.at_end and is_response:
                break  # what a refusal does not have
            values[name] = reader.value(kind)
    if not reader.at_end:
        raise Malformed("more bytes than the frame should have")
    return Frame(command.key, version, body, command.name, is_response, correlation, code, values)
