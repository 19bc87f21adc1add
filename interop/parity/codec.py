"""AMQP frames for a script that must see every byte and may send wrong ones; of version 0-9-1 unless told otherwise.

Only the method tables come from pamqp. Its values are not used: it refuses names a broker accepts, and it
changes tables on the way (integers shrink, doubles become floats). Nothing here is shared with amqpy
either, or both sides of a comparison could be wrong together.
"""

import contextlib
import functools
import re
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pamqp import base, commands

from interop.parity.normalise import without_recent_times

METHOD, HEADER, BODY, HEARTBEAT = 1, 2, 3, 8
FRAME_END = 0xCE
PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"
CONTENT_METHODS = frozenset({"basic.return", "basic.deliver", "basic.get-ok"})

Field = tuple[str, str]  # name, AMQP type


def spec_name(pamqp_name: str) -> str:
    """`Queue.DeclareOk` is `queue.declare-ok` in the specification."""
    class_name, method_name = pamqp_name.split(".")
    return f"{class_name.lower()}.{re.sub('(?<=[a-z])(?=[A-Z])', '-', method_name).lower()}"


@dataclass(frozen=True)
class Method:
    name: str
    index: int
    fields: tuple[Field, ...]
    replies: frozenset[str]


def known_method(index: int, frame_class: type[base.Frame]) -> Method:
    return Method(
        name=spec_name(frame_class.name),
        index=index,
        fields=tuple((name, frame_class.amqp_type(name)) for name in frame_class.attributes()),
        replies=frozenset(spec_name(reply) for reply in frame_class.valid_responses),
    )


@dataclass(frozen=True)
class Version:
    """What a connection speaks: the protocol header that asks for it, and its methods."""

    header: bytes
    methods: Mapping[str, Method]

    @functools.cached_property
    def by_index(self) -> Mapping[int, Method]:
        return {method.index: method for method in self.methods.values()}


METHODS = {
    method.name: method for method in (known_method(index, each) for index, each in commands.INDEX_MAPPING.items())
}
AMQP_0_9_1 = Version(PROTOCOL_HEADER, METHODS)


@dataclass(frozen=True)
class Typed:
    """A table value of a chosen wire type, as `Typed("b", 5)` for a signed octet."""

    tag: str
    value: Any


@dataclass(frozen=True)
class Frame:
    """One frame as it came in; `name` is a method's name, or header, body, heartbeat or unknown."""

    type: int
    channel: int
    payload: bytes
    name: str
    fields: Mapping[str, Any] = field(default_factory=dict)


# Out


def frame(frame_type: int, channel: int, payload: bytes, *, end: int = FRAME_END) -> bytes:
    return struct.pack(">BHI", frame_type, channel, len(payload)) + payload + bytes([end])


def method_payload(name: str, version: Version = AMQP_0_9_1, /, **values: Any) -> bytes:  # noqa: ANN401 - as it takes
    """Fields left out are zero, empty or false."""
    method = version.methods[name]
    unknown = values.keys() - {field_name for field_name, _ in method.fields}
    if unknown:
        raise TypeError(f"{name} has no field {', '.join(sorted(unknown))}")
    payload = bytearray(struct.pack(">I", method.index))
    bits = bit_count = 0
    for field_name, amqp_type in method.fields:
        if amqp_type == "bit":
            bits |= bool(values.get(field_name)) << bit_count
            bit_count += 1
            continue
        if bit_count:
            payload.append(bits)
            bits = bit_count = 0
        payload += encode_field(amqp_type, values.get(field_name))
    if bit_count:
        payload.append(bits)
    return bytes(payload)


def encode_field(amqp_type: str, value: Any) -> bytes:  # noqa: ANN401
    if amqp_type == "shortstr":
        text = as_bytes(value or b"")
        return bytes([len(text)]) + text
    if amqp_type == "longstr":
        return long_bytes(as_bytes(value or b""))
    if amqp_type == "table":
        return long_bytes(value if isinstance(value, bytes) else table_entries(value or {}))
    return struct.pack(NUMBER_FORMATS[amqp_type], value or 0)


NUMBER_FORMATS = {"octet": ">B", "short": ">H", "long": ">I", "longlong": ">Q", "timestamp": ">Q"}
VALUE_FORMATS = {
    "b": ">b", "B": ">B", "s": ">h", "u": ">H", "I": ">i", "i": ">I", "l": ">q", "L": ">q",
    "T": ">Q", "f": ">f", "d": ">d", "t": ">?",
}  # fmt: skip


def as_bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value


def long_bytes(value: bytes) -> bytes:
    return struct.pack(">I", len(value)) + value


def table_entries(table: Mapping[str, Any]) -> bytes:
    """A table without its length, which is also what AMQPLAIN takes as response."""
    return entries(*table.items())


def entries(*fields: tuple[str | bytes, Any]) -> bytes:
    """The same for names that may come more than once."""
    return b"".join(bytes([len(as_bytes(key))]) + as_bytes(key) + encode_value(value) for key, value in fields)


def encode_value(value: Any) -> bytes:  # noqa: ANN401
    typed = value if isinstance(value, Typed) else natural_type(value)
    return typed.tag.encode() + encode_typed(typed)


def encode_typed(typed: Typed) -> bytes:
    match typed.tag:
        case "V":
            return b""
        case "S" | "x":
            return long_bytes(as_bytes(typed.value))
        case "F":
            return long_bytes(typed.value if isinstance(typed.value, bytes) else table_entries(typed.value))
        case "A" if isinstance(typed.value, bytes):
            return long_bytes(typed.value)
        case "A":
            return long_bytes(b"".join(encode_value(item) for item in typed.value))
        case "D":
            scale, digits = typed.value
            return struct.pack(">Bi", scale, digits)
        case tag:
            return struct.pack(VALUE_FORMATS[tag], typed.value)


def natural_type(value: Any) -> Typed:  # noqa: ANN401
    """The type a client library would choose for a Python value."""
    match value:
        case None:
            return Typed("V", None)
        case bool():
            return Typed("t", value)
        case int():
            return Typed("I" if -(2**31) <= value < 2**31 else "l", value)
        case float():
            return Typed("d", value)
        case str() | bytes():
            return Typed("S", value)
        case Mapping():
            return Typed("F", value)
        case Sequence():
            return Typed("A", value)
    raise TypeError(f"no table type for {value!r}")


PROPERTIES: tuple[Field, ...] = (
    ("content_type", "shortstr"),
    ("content_encoding", "shortstr"),
    ("headers", "table"),
    ("delivery_mode", "octet"),
    ("priority", "octet"),
    ("correlation_id", "shortstr"),
    ("reply_to", "shortstr"),
    ("expiration", "shortstr"),
    ("message_id", "shortstr"),
    ("timestamp", "timestamp"),
    ("type", "shortstr"),
    ("user_id", "shortstr"),
    ("app_id", "shortstr"),
    ("cluster_id", "shortstr"),
)


def properties(**values: Any) -> bytes:  # noqa: ANN401
    """Flags and values of a content header, for the properties named."""
    flags, encoded = 0, b""
    for position, (name, amqp_type) in enumerate(PROPERTIES):
        if name in values:
            flags |= 1 << (15 - position)
            encoded += encode_field(amqp_type, values[name])
    return struct.pack(">H", flags) + encoded


def header_payload(size: int, raw_properties: bytes, *, class_id: int = 60, weight: int = 0) -> bytes:
    return struct.pack(">HHQ", class_id, weight, size) + raw_properties


def amqplain(login: str, password: str) -> bytes:
    return table_entries({"LOGIN": login, "PASSWORD": password})


# In


class Reader:
    """Takes values off the front of a payload."""

    def __init__(self, payload: bytes) -> None:
        self._rest = memoryview(payload)

    def take(self, size: int) -> bytes:
        if size > len(self._rest):
            raise ValueError("the payload is too short")
        taken, self._rest = bytes(self._rest[:size]), self._rest[size:]
        return taken

    def number(self, number_format: str) -> Any:  # noqa: ANN401 - int, float or bool
        return struct.unpack(number_format, self.take(struct.calcsize(number_format)))[0]

    def short_text(self) -> bytes:
        return self.take(self.number(">B"))

    def long_text(self) -> bytes:
        return self.take(self.number(">I"))

    def table(self) -> dict[str, str]:
        """The values by name, those of one name behind each other."""
        rest, table = Reader(self.long_text()), dict[str, str]()
        while not rest.at_end():
            key = rest.short_text().decode(errors="backslashreplace")
            value = rest.value()
            table[key] = f"{table[key]} and {value}" if key in table else value
        return table

    def value(self) -> str:
        """A table value as text, with its wire type in front: tables are read only to be compared."""
        tag = self.take(1).decode()
        match tag:
            case "V":
                return tag
            case "S" | "x":
                return tag + bytes_text(self.long_text())
            case "F":
                return tag + value_text(self.table())
            case "A":
                items, texts = Reader(self.long_text()), []
                while not items.at_end():
                    texts.append(items.value())
                return f"{tag}[{', '.join(texts)}]"
            case "D":
                return f"{tag}{self.number('>B')},{self.number('>i')}"
        return f"{tag}{self.number(VALUE_FORMATS[tag])}"

    def at_end(self) -> bool:
        return not self._rest

    def expect_end(self) -> None:
        if not self.at_end():
            raise ValueError(f"{len(self._rest)} bytes too many in the payload")


def property_values(raw_properties: bytes) -> dict[str, Any]:
    """The properties of a content header by name: text as bytes, tables as `Reader.table` has them."""
    reader = Reader(raw_properties)
    flags = reader.number(">H")
    found: dict[str, Any] = {}
    for position, (name, amqp_type) in enumerate(PROPERTIES):
        if not flags & 1 << (15 - position):
            continue
        if amqp_type == "shortstr":
            found[name] = reader.short_text()
        else:
            found[name] = reader.table() if amqp_type == "table" else reader.number(NUMBER_FORMATS[amqp_type])
    return found


def parse_frame(frame_type: int, channel: int, payload: bytes, version: Version = AMQP_0_9_1) -> Frame:
    """What cannot be decoded is unknown and compared as bytes: a broker's mistake is a difference."""
    name = {HEADER: "header", BODY: "body", HEARTBEAT: "heartbeat"}.get(frame_type, "unknown")
    if frame_type == METHOD and len(payload) >= 4:
        method = version.by_index.get(struct.unpack_from(">I", payload)[0])
        if method is not None:
            with contextlib.suppress(ValueError, KeyError, struct.error):
                return Frame(frame_type, channel, payload, method.name, dict(method_fields(method, payload)))
    return Frame(frame_type, channel, payload, name)


def method_fields(method: Method, payload: bytes) -> Iterator[tuple[str, Any]]:
    reader = Reader(payload[4:])
    readers: Mapping[str, Callable[[], Any]] = {
        "shortstr": reader.short_text,
        "longstr": reader.long_text,
        "table": reader.table,
    }
    bits = bit_count = 0
    for name, amqp_type in method.fields:
        if amqp_type == "bit":
            if not bit_count:
                bits = reader.number(">B")
            yield name, bool(bits & 1 << bit_count)
            bit_count += 1
            continue
        bit_count = 0
        yield name, readers[amqp_type]() if amqp_type in readers else reader.number(NUMBER_FORMATS[amqp_type])
    reader.expect_end()


def frame_text(each: Frame) -> str:
    """A frame as one readable line that tells every difference apart."""
    if each.name in METHODS:
        return " ".join([each.name, *(f"{name}={value_text(value)}" for name, value in each.fields.items())])
    if each.name == "header" and len(each.payload) >= 14:
        class_id, weight, size, raw_properties = *struct.unpack_from(">HHQ", each.payload), each.payload[12:]
        return f"header class={class_id} weight={weight} size={size} properties={properties_text(raw_properties)}"
    if each.name == "unknown":
        return f"frame type={each.type} {bytes_text(each.payload)}"
    return f"{each.name} {bytes_text(each.payload)}".strip()


def properties_text(raw_properties: bytes) -> str:
    """Headers of dead letters are long, and worth reading."""
    return bytes_text(without_recent_times(raw_properties), limit=4000)


def value_text(value: Any) -> str:  # noqa: ANN401
    if isinstance(value, bytes):
        return bytes_text(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {value_text(value[key])}" for key in sorted(value)) + "}"
    return str(value)


def bytes_text(value: bytes, limit: int = 400) -> str:
    """Long bytes end in their length and checksum, so that they compare equal only when they are."""
    text = repr(value[:limit])[1:]
    return text if len(value) <= limit else f"{text}… ({len(value)} bytes, {zlib.crc32(value):08x})"
