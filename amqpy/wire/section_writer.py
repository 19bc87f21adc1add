"""Messages of AMQP 0-9-1 on their way into a stream: as sections of AMQP 1.0.

Two forms are written: that of RabbitMQ 3.10, which has annotations for what AMQP 1.0 has a header section for, and
that of 3.13 and later. What has no place in AMQP 1.0 is left out, as RabbitMQ leaves it out: the cluster id, tables and
arrays in headers whose name does not begin with `x-`; and decimals, on which RabbitMQ crashes.

Source: `rabbit_msg_record:from_amqp091` (3.10), `mc_amqpl:convert_to`.
"""

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple
from uuid import UUID

from amqpy.profile import Profile
from amqpy.wire import amqp1
from amqpy.wire.amqp1 import NULL
from amqpy.wire.properties import split_properties
from amqpy.wire.sections import (
    AMQP_1_0,
    ANNOTATIONS,
    APPLICATION_PROPERTIES,
    DATA_HEAD,
    DEPTH_MAX,
    HEADER,
    PREFIXES_MAX,
    PROPERTIES,
    REMEMBERED_MAX,
    URN,
    is_body,
    section,
)
from amqpy.wire.shapes import BIT, SMALL, TEXT, TIME, Place, Shapes
from amqpy.wire.values import Field, decode_array, decode_table, fields_of

FILTER_HEADER: Final = b"x-stream-filter-value"
UINT_MAX: Final = (1 << 32) - 1


class Written(NamedTuple):
    """The part of an entry before its body."""

    prefix: bytes
    filter_value: bytes | None
    """The one that the publisher gave it, for the filter of its chunk."""
    is_sections: bool
    """True if the body is sections of AMQP 1.0 itself."""


class SectionWriter:
    """Converts messages in the form that a profile has."""

    __slots__ = ("_known", "_profile", "_shapes")

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._known: dict[tuple[bytes, bytes], Written] = {}
        self._shapes = Shapes(self._parts, _places, _milliseconds)

    def write(self, address: bytes, header: bytes, body: bytes) -> tuple[bytes, bytes | None]:
        """The sections of a message, and its filter value. `header` is the payload of its content header frame."""
        key = (address, header[12:])
        written = self._known.get(key) or self._by_shape(address + key[1])
        if written is None:
            written = self._prefix(address, header)
            if len(header) <= REMEMBERED_MAX:
                if len(self._known) >= PREFIXES_MAX:
                    self._known.clear()
                self._known[key] = written
            self._shapes.note(address + key[1])
        if written.is_sections and is_body(body):
            return written.prefix + body, written.filter_value
        size = len(body)
        head = b"\xa0%c" % size if size < 256 else b"\xb0" + size.to_bytes(4, "big")
        return b"".join((written.prefix, DATA_HEAD, head, body)), written.filter_value

    def _by_shape(self, message: bytes) -> Written | None:
        parts = self._shapes.convert(message)
        return None if parts is None else Written(parts[0], None, is_sections=False)

    def _parts(self, message: bytes) -> list[bytes] | None:
        """The prefix of a message, which is its address and its properties; None if more than that depends on them."""
        at = 2 + message[0] + message[1 + message[0]]
        written = self._prefix(message[:at], bytes(12) + message[at:])
        return None if written.is_sections or written.filter_value is not None else [written.prefix]

    def _prefix(self, address: bytes, header: bytes) -> Written:
        parts = split_properties(header)
        table = fields_of(decode_table(parts["headers"][4:])) if "headers" in parts else ()
        headers = [(name.encode("utf-8", "surrogateescape"), field) for name, field in table]
        middle = 1 + address[0]
        exchange, key = address[1:middle], address[middle + 1 :]
        if not self._profile.stream_headers:
            return Written(_old_prefix(exchange, key, parts, headers), _filter_value(headers), is_sections=False)
        found = [
            section(HEADER, self._header(parts)),
            section(ANNOTATIONS, amqp1.map_of(_annotations(exchange, key, parts, headers))),
        ]
        properties = self._properties(parts)
        if properties:
            found.append(section(PROPERTIES, amqp1.list_of(properties)))
        plain = [
            encoded
            for name, field in headers
            if not name.startswith(b"x-") and name not in {b"CC", b"BCC"}
            for encoded in _pair(amqp1.string(name), _simple(field))
        ]
        if plain:
            found.append(section(APPLICATION_PROPERTIES, amqp1.map_of(plain)))
        is_sections = parts.get("type", b"")[1:] == AMQP_1_0
        return Written(b"".join(found), _filter_value(headers), is_sections)

    def _header(self, parts: dict[str, bytes]) -> bytes:
        ttl_ms = _ttl_of(parts)
        return amqp1.list_of(
            (
                b"\x41" if parts.get("delivery_mode") == b"\x02" else b"\x42",
                b"\x50" + parts["priority"] if "priority" in parts else NULL,
                amqp1.uint(ttl_ms) if ttl_ms is not None and 0 <= ttl_ms <= UINT_MAX else NULL,
                *((b"\x41", b"\x43") if self._profile.stream_delivery_fields else (NULL, NULL)),
            )
        )

    def _properties(self, parts: dict[str, bytes]) -> list[bytes]:
        reply_to = parts.get("reply_to")
        if reply_to is not None and self._profile.stream_addresses:
            quoted = b"/queues/" + _percent_encoded(reply_to[1:])
            reply_to = bytes((0,)) + quoted
        fields = _properties(parts, _identifier, reply_to, group_id=parts.get("app_id"))
        if self._profile.stream_trims_properties:
            while fields and fields[-1] == NULL:
                fields.pop()
        return fields


def _places(message: bytes) -> Iterator[Place]:
    """The parts of address and properties that are likely to differ."""
    start = 1 + message[0]
    at = start + 1 + message[start]
    if at > start + 1:
        yield Place(start + 1, at, TEXT)
    at += 2
    for name, raw in split_properties(bytes(12) + message[at - 2 :]).items():
        end = at + len(raw)
        if name == "timestamp":
            yield Place(at, end, TIME)
        elif name in {"correlation_id", "message_id"}:
            # Some are UUIDs to AMQP 1.0.
            if len(raw) > 1 and len(raw) != 1 + len(URN) + 36:
                yield Place(at + 1, end, TEXT)
        elif name == "headers":
            yield from _places_in_table(message, at + 4, end)
        at = end


def _places_in_table(message: bytes, at: int, end: int) -> Iterator[Place]:
    while at < end:
        at += 1 + message[at]
        tag, at = message[at : at + 1], at + 1
        if tag == b"S":
            size = int.from_bytes(message[at : at + 4], "big")
            if size:
                yield Place(at + 4, at + 4 + size, TEXT)
            at += 4 + size
        elif tag == b"I":
            if message[at : at + 3] == bytes(3):
                yield Place(at + 3, at + 4, SMALL)
            at += 4
        elif tag in {b"b", b"B", b"t"}:
            yield Place(at, at + 1, BIT if tag == b"t" else SMALL)
            at += 1
        elif tag == b"T":
            yield Place(at, at + 8, TIME)
            at += 8
        elif tag in _SIZES:
            at += _SIZES[tag]
        elif tag in {b"F", b"A", b"x"}:
            at += 4 + int.from_bytes(message[at : at + 4], "big")
        else:
            return


_SIZES: Final = {b"s": 2, b"u": 2, b"i": 4, b"f": 4, b"D": 5, b"l": 8, b"L": 8, b"d": 8, b"V": 0}


def _milliseconds(seconds: bytes) -> bytes:
    return amqp1.timestamp(int.from_bytes(seconds, "big") * 1000)[1:]


def _annotations(
    exchange: bytes, key: bytes, parts: dict[str, bytes], headers: list[tuple[bytes, Field]]
) -> list[bytes]:
    found = [amqp1.symbol(b"x-exchange"), amqp1.string(exchange), amqp1.symbol(b"x-routing-key"), amqp1.string(key)]
    if "type" in parts:
        found += (amqp1.symbol(b"x-basic-type"), amqp1.string(parts["type"][1:]))
    ttl_ms = _ttl_of(parts)
    if ttl_ms is not None and ttl_ms > UINT_MAX:
        found += (amqp1.symbol(b"x-basic-expiration"), amqp1.string(parts["expiration"][1:]))
    for name, field in headers:
        if name.startswith(b"x-"):
            found += _pair(amqp1.symbol(name), _any(field))
        elif name == b"CC" and field.kind == "array":
            keys = [each.value for each in decode_array(field.value) if each.kind == "longstr"]
            raw = [amqp1.string(each.encode("utf-8", "surrogateescape")) for each in keys]
            found += (amqp1.symbol(b"x-cc"), amqp1.list_of(raw))
    return found


def _old_prefix(exchange: bytes, key: bytes, parts: dict[str, bytes], headers: list[tuple[bytes, Field]]) -> bytes:
    """The form of RabbitMQ 3.10."""
    annotations = [amqp1.symbol(b"x-routing-key"), amqp1.string(key), amqp1.symbol(b"x-exchange")]
    annotations.append(amqp1.string(exchange))
    for name in ("priority", "delivery_mode"):
        if name in parts:
            annotations += (amqp1.symbol(f"x-basic-{name.replace('_', '-')}".encode()), b"\x50" + parts[name])
    if "expiration" in parts:
        annotations += (amqp1.symbol(b"x-basic-expiration"), amqp1.string(parts["expiration"][1:]))
    found = [section(ANNOTATIONS, amqp1.map_of(annotations))]
    fields = _properties(parts, lambda raw: amqp1.string(raw[1:]), parts.get("reply_to"))
    if fields:
        found.append(section(PROPERTIES, amqp1.list_of(fields)))
    more: list[bytes] = []
    for name in ("type", "app_id"):
        if name in parts:
            more += (amqp1.string(f"x-basic-{name.replace('_', '-')}".encode()), amqp1.string(parts[name][1:]))
    for raw_name, field in headers:
        more += _pair(amqp1.string(raw_name), _simple(field, checks_text=False))
    if more:
        found.append(section(APPLICATION_PROPERTIES, amqp1.map_of(more)))
    return b"".join(found)


def _properties(
    parts: dict[str, bytes],
    identifier: Callable[[bytes], bytes],
    reply_to: bytes | None,
    *,
    group_id: bytes | None = None,
) -> list[bytes]:
    """The fields of the properties section; none if no property is there. Short strings have their length before."""
    stamp = parts.get("timestamp")
    fields = [NULL] * 13
    for at, raw, encode in (
        (0, parts.get("message_id"), identifier),
        (1, parts.get("user_id"), lambda raw: amqp1.binary(raw[1:])),
        (4, reply_to, lambda raw: amqp1.string(raw[1:])),
        (5, parts.get("correlation_id"), identifier),
        (6, parts.get("content_type"), lambda raw: amqp1.symbol(raw[1:])),
        (7, parts.get("content_encoding"), lambda raw: amqp1.symbol(raw[1:])),
        (9, stamp, lambda raw: amqp1.timestamp(int.from_bytes(raw, "big") * 1000)),
        (10, group_id, lambda raw: amqp1.string(raw[1:])),
    ):
        if raw is not None:
            fields[at] = encode(raw)
    return fields if any(field != NULL for field in fields) else []


def _identifier(raw: bytes) -> bytes:
    value = raw[1:]
    if value.startswith(URN) and len(value) == len(URN) + 36:
        try:
            return b"\x98" + UUID(value[len(URN) :].decode()).bytes
        except ValueError:  # also what is no UTF-8
            pass
    return amqp1.string(value)


def _percent_encoded(raw: bytes) -> bytes:
    plain = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
    return b"".join(bytes((octet,)) if octet in plain else b"%%%02X" % octet for octet in raw)


def _ttl_of(parts: dict[str, bytes]) -> int | None:
    try:
        return int(parts["expiration"][1:])
    except (KeyError, ValueError):
        return None


def _filter_value(headers: list[tuple[bytes, Field]]) -> bytes | None:
    for name, field in headers:
        if name == FILTER_HEADER and field.kind == "longstr":
            return _text_bytes(field)
    return None


def _text_bytes(field: Field) -> bytes:
    """The bytes of a long string or a byte array."""
    return field.value.encode("utf-8", "surrogateescape") if isinstance(field.value, str) else bytes(field.value)


def _pair(name: bytes, value: bytes | None) -> tuple[bytes, ...]:
    return () if value is None else (name, value)


def _simple(field: Field, *, checks_text: bool = True) -> bytes | None:
    """Encodes a value that is no container; None if it is left out."""
    kind, value = field
    match kind:
        case "longstr":
            raw = _text_bytes(field)
            return amqp1.binary(raw) if checks_text and not _is_text(raw) else amqp1.string(raw)
        case "binary":
            return amqp1.binary(value)
        case "void":
            return NULL
        case "timestamp":
            return amqp1.timestamp(value * 1000)
        case "unsignedint":
            return amqp1.uint(value)
        case "decimal" | "table" | "array":
            return None
    return amqp1.number(_KINDS[kind], value)


def _is_text(raw: bytes) -> bool:
    try:
        return "\0" not in raw.decode()
    except UnicodeDecodeError:
        return False


_KINDS: Final = {
    "byte": "byte",
    "unsignedbyte": "ubyte",
    "short": "short",
    "unsignedshort": "ushort",
    "signedint": "int",
    "long": "long",
    "float": "float",
    "double": "double",
    "bool": "boolean",
}


def _any(field: Field, depth: int = 0) -> bytes | None:
    """Encodes a value that may be a container."""
    if field.kind not in {"table", "array"}:
        return _simple(field)
    if depth == DEPTH_MAX:
        return None
    if field.kind == "array":
        items = (_any(each, depth + 1) for each in decode_array(field.value))
        return amqp1.list_of(item for item in items if item is not None)
    pairs = (
        _pair(amqp1.string(name.encode("utf-8", "surrogateescape")), _any(each, depth + 1))
        for name, each in fields_of(decode_table(field.value))
    )
    return amqp1.map_of(encoded for pair in pairs for encoded in pair)
