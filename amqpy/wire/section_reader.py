"""Messages in a stream, sections of AMQP 1.0, on their way to clients of AMQP 0-9-1.

All forms are read. What has no place in AMQP 0-9-1 is left out, as RabbitMQ leaves it out; what RabbitMQ crashes on is
left out, too, or given as text.

Source: `rabbit_msg_record:to_amqp091` (RabbitMQ 3.10), `mc_amqpl:convert_from`.
"""

import struct
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple
from uuid import UUID

from amqpy.profile import Profile
from amqpy.wire import amqp1
from amqpy.wire.amqp1 import Value
from amqpy.wire.properties import content_header
from amqpy.wire.sections import (
    AMQP_1_0,
    ANNOTATIONS,
    APPLICATION_PROPERTIES,
    DATA,
    DATA_HEAD,
    DEPTH_MAX,
    FOOTER,
    HEADER,
    PREFIXES_MAX,
    PROPERTIES,
    REMEMBERED_MAX,
    URN,
    split_sections,
)
from amqpy.wire.shapes import BIT, SMALL, TEXT, TIME, Place, Shapes
from amqpy.wire.values import MalformedValue

OFFSET_HEADER: Final = b"x-stream-offset"
_HEAD: Final = struct.Struct(">HHQ").pack
_OFFSET: Final = struct.Struct(">q").pack


class Prefix(NamedTuple):
    """The part before the body of an entry, as AMQP 0-9-1 has it: the header is made of its parts with the offset
    between them."""

    address: bytes | None
    """None if the entry does not name exchange and routing key."""
    before: bytes
    after: bytes

    def header(self, offset: int, size: int) -> bytes:
        """The payload of the content header frame for a body of this size."""
        return b"".join((_HEAD(60, 0, size), self.before, _OFFSET(offset), self.after))


class SectionReader:
    """Converts entries of one stream."""

    __slots__ = ("_known", "_last", "_last_prefix", "_profile", "_shapes")

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._known: dict[bytes, Prefix] = {}
        self._last: bytes | None = None
        """The bytes of the last prefix."""
        self._last_prefix = _prefix_of({}, [], None)
        self._shapes = Shapes(self._parts, _places, _seconds)

    def read(self, entry: bytes) -> tuple[Prefix, bytes]:
        """The prefix of an entry, and its body. An entry that is no AMQP 1.0 is a body without properties."""
        last = self._last
        if last is not None and entry.startswith(last):
            # The sections before the data are the same ones, so a section begins behind them.
            at = len(last)
            if entry[at : at + 3] == DATA_HEAD:
                body = _only_binary(entry, at + 3)
                if body is not None:
                    return self._last_prefix, body
        at = _data_at(entry)
        body = _only_binary(entry, at + 3) if at >= 0 else None
        if body is not None:
            prefix = entry[:at]
            found = self._known.get(prefix) or self._by_shape(prefix)
            if found is not None:
                self._last, self._last_prefix = prefix, found
                return found, body
        try:
            return self._read(entry)
        except MalformedValue:
            return _prefix_of({}, [], None), entry

    def _read(self, entry: bytes) -> tuple[Prefix, bytes]:
        sections = split_sections(entry)
        prefix, at = entry, len(entry)
        bodies: list[tuple[int, int, int, int]] = []
        for code, start, value_at, end in _with_starts(sections):
            if code >= DATA:
                at = min(at, start)
                bodies.append((code, start, value_at, end))
        prefix = entry[:at]
        found = self._known.get(prefix)
        if found is None:
            found = self._convert(prefix)
            self._shapes.note(prefix)
            if len(prefix) <= 2 * REMEMBERED_MAX:
                if len(self._known) >= PREFIXES_MAX:
                    self._known.clear()
                self._known[prefix] = found
        if not prefix and not bodies:
            raise MalformedValue("no section")
        if all(code in {DATA, FOOTER} for code, *_ in bodies):
            if prefix:
                self._last, self._last_prefix = prefix, found
            parts = [_binary_at(entry, value_at, end) for code, _, value_at, end in bodies if code == DATA]
            return found, b"".join(parts)
        body = b"".join(entry[start:end] for code, start, _, end in bodies if code != FOOTER)
        return self._convert(prefix, kind=AMQP_1_0), body

    def _by_shape(self, prefix: bytes) -> Prefix | None:
        parts = self._shapes.convert(prefix)
        return None if parts is None else Prefix(parts[0] or None, parts[1], parts[2])

    def _parts(self, prefix: bytes) -> list[bytes] | None:
        try:
            address, before, after = self._convert(prefix)
        except MalformedValue:
            return None
        return [address or b"", before, after]

    def _convert(self, prefix: bytes, *, kind: bytes | None = None) -> Prefix:
        found = _Found(is_modern=self._profile.stream_headers)
        for code, value_at, end in split_sections(prefix):
            value = prefix[value_at:end]
            if code == HEADER:
                found.note_header(_items(value))
            elif code == ANNOTATIONS:
                found.note_annotations(amqp1.pairs_of(value))
            elif code == PROPERTIES:
                found.note_properties(_items(value), has_addresses=self._profile.stream_addresses)
            elif code == APPLICATION_PROPERTIES:
                found.note_application_properties(amqp1.pairs_of(value))
        if self._profile.stream_durable_by_default:
            found.parts.setdefault("delivery_mode", b"\x02")
        if kind is not None:
            found.parts["type"] = bytes((len(kind),)) + kind
        return _prefix_of(found.parts, found.entries, found.address)


def _places(prefix: bytes) -> Iterator[Place]:
    """The parts of sections that are likely to differ: values of maps and of properties."""
    for code, value_at, _ in split_sections(prefix):
        if code not in {ANNOTATIONS, PROPERTIES, APPLICATION_PROPERTIES}:
            continue
        for number, (start, end) in enumerate(amqp1.ranges_of(prefix, value_at)):
            if number != _REPLY_TO if code == PROPERTIES else number % 2:
                place = _place_of(prefix, start, end)
                if place is not None:
                    yield place


def _place_of(prefix: bytes, start: int, end: int) -> Place | None:
    """The part of a value that may be another."""
    constructor = prefix[start]
    if constructor in _TEXTS:
        at = start + _TEXTS[constructor]
        return Place(at, end, TEXT) if at < end else None
    kind = {0x50: SMALL, 0x51: SMALL, 0x54: SMALL, 0x56: BIT, 0x83: TIME}.get(constructor)
    return None if kind is None else Place(start + 1, end, kind)


_TEXTS: Final = {0xA1: 2, 0xB1: 5, 0xA3: 2, 0xB3: 5}
"""The octets before the text of a string or a symbol."""
_REPLY_TO: Final = 4


def _seconds(milliseconds: bytes) -> bytes:
    return max(int.from_bytes(milliseconds, "big", signed=True) // 1000, 0).to_bytes(8, "big")


def _with_starts(sections: Iterable[tuple[int, int, int]]) -> Iterator[tuple[int, int, int, int]]:
    start = 0
    for code, value_at, end in sections:
        yield code, start, value_at, end
        start = end


def _data_at(entry: bytes) -> int:
    """The position of the first section of data, behind sections that are lists and maps in their usual form; -1 if it
    is behind anything else."""
    at, size = 0, len(entry)
    while at + 5 <= size:
        if entry[at] != 0 or entry[at + 1] != 0x53:
            return -1
        if entry[at + 2] >= DATA:
            return at if entry[at + 2] == DATA else -1
        constructor = entry[at + 3]
        if constructor in {0xC0, 0xC1}:
            at += 5 + entry[at + 4]
        elif constructor in {0xD0, 0xD1}:
            at += 8 + int.from_bytes(entry[at + 4 : at + 8], "big")
        else:
            return -1
    return -1


def _only_binary(entry: bytes, at: int) -> bytes | None:
    """The binary that begins there, if it is the end of the entry."""
    size = len(entry)
    if at + 2 <= size and entry[at] == 0xA0 and at + 2 + entry[at + 1] == size:
        return entry[at + 2 :]
    if at + 5 <= size and entry[at] == 0xB0 and at + 5 + int.from_bytes(entry[at + 1 : at + 5], "big") == size:
        return entry[at + 5 :]
    return None


def _binary_at(entry: bytes, at: int, end: int) -> bytes:
    if entry[at] not in {0xA0, 0xB0}:
        raise MalformedValue("data is no binary")
    return entry[at + (2 if entry[at] == 0xA0 else 5) : end]


def _items(value: bytes) -> list[Value]:
    if value[0] not in {0x45, 0xC0, 0xD0}:
        raise MalformedValue("not a list")
    return list(amqp1.items_of(value))


def _prefix_of(parts: dict[str, bytes], entries: list[tuple[bytes, bytes]], address: bytes | None) -> Prefix:
    offset_entry = b"%c%b" % (len(OFFSET_HEADER), OFFSET_HEADER) + b"l"
    others = sorted((entry for entry in entries if entry[0] != OFFSET_HEADER), key=lambda entry: entry[0])
    before = b"".join(entry for name, entry in others if name < OFFSET_HEADER) + offset_entry
    after = b"".join(entry for name, entry in others if name > OFFSET_HEADER)
    table = before + bytes(8) + after
    parts["headers"] = len(table).to_bytes(4, "big") + table
    header = content_header(0, parts)[12:]
    ahead = {name: raw for name, raw in parts.items() if name in {"content_type", "content_encoding"}}
    at = 2 + sum(map(len, ahead.values())) + 4 + len(before)
    return Prefix(address, header[:at], header[at + 8 :])


class _Found:
    """The properties of AMQP 0-9-1 that sections have."""

    def __init__(self, *, is_modern: bool) -> None:
        self.parts: dict[str, bytes] = {}
        self.entries: list[tuple[bytes, bytes]] = []
        self._is_modern = is_modern
        self._names: dict[bytes, bytes] = {}

    @property
    def address(self) -> bytes | None:
        if b"x-exchange" not in self._names or b"x-routing-key" not in self._names:
            return None
        exchange, key = self._names[b"x-exchange"], self._names[b"x-routing-key"]
        return b"%c%b%c%b" % (len(exchange), exchange, len(key), key)

    def note_header(self, items: list[Value]) -> None:
        for place, value in enumerate(items):
            if place == 0 and value.kind == "boolean":
                self.parts["delivery_mode"] = b"\x02" if value.value else b"\x01"
            elif place == 1 and value.kind == "ubyte":
                self.parts["priority"] = bytes((value.value,))
            elif place == 2 and value.kind == "uint":
                self._short("expiration", str(value.value).encode())

    def note_annotations(self, pairs: Iterable[tuple[Value, Value]]) -> None:
        for key, value in pairs:
            if key.kind != "symbol":
                continue
            name = key.value
            if not self._take_own(name, value) and name.startswith(b"x-"):
                self._entry(name, value)

    def _take_own(self, name: bytes, value: Value) -> bool:
        """Takes an annotation of the broker. False if it is none, or the publisher's of that name."""
        if name in {b"x-exchange", b"x-routing-key"}:
            if value.kind != "string" or len(value.value) > 255 or name in self._names:
                return False
            self._names[name] = value.value
            return True
        if name == b"x-cc" and value.kind == "list":
            self._entry(b"CC", value)
            return True
        if not name.startswith(b"x-basic-"):
            return False
        part = name[8:].replace(b"-", b"_").decode("ascii", "replace")
        if part in self.parts and part != "expiration":
            return False
        if part in {"priority", "delivery_mode"} and value.kind == "ubyte":
            self.parts[part] = bytes((value.value,))
            return True
        return part in {"type", "app_id", "expiration"} and value.kind == "string" and self._short(part, value.value)

    def note_properties(self, items: list[Value], *, has_addresses: bool) -> None:
        for place, value in enumerate(items):
            name = _PROPERTIES.get(place)
            if name is None or value.kind == "null" or (name == "app_id" and not self._is_modern):
                continue
            if name in {"message_id", "correlation_id"}:
                self._identifier(name, value)
            elif name == "timestamp":
                if value.kind == "timestamp":
                    self.parts[name] = max(value.value // 1000, 0).to_bytes(8, "big")
            elif isinstance(value.value, bytes) and value.kind in {"string", "symbol", "binary"}:
                raw = value.value
                if name == "reply_to" and has_addresses and raw.startswith(b"/queues/"):
                    raw = _percent_decoded(raw[8:])
                self._short(name, raw)

    def _identifier(self, name: str, value: Value) -> None:
        header = f"x-{name.replace('_', '-')}".encode()
        if value.kind == "uuid":
            self._short(name, URN + str(UUID(bytes=value.value)).encode())
        elif value.kind == "ulong":
            self._short(name, str(value.value).encode())
        elif value.kind == "binary":
            self.entries.append((header, _entry_of(header, b"x" + len(value.value).to_bytes(4, "big") + value.value)))
        elif value.kind == "string" and not self._short(name, value.value):
            self._entry(header, value)

    def note_application_properties(self, pairs: Iterable[tuple[Value, Value]]) -> None:
        for key, value in pairs:
            if key.kind not in {"string", "symbol"}:
                continue
            if key.value in {b"x-basic-type", b"x-basic-app-id"} and self._take_own(key.value, value):
                continue
            self._entry(key.value, value)

    def _short(self, name: str, raw: bytes) -> bool:
        """Sets a property that is a short string. False if it is too long for that."""
        if len(raw) > 255:
            return False
        self.parts[name] = bytes((len(raw),)) + raw
        return True

    def _entry(self, name: bytes, value: Value) -> None:
        encoded = _encoded(value, is_modern=self._is_modern)
        if encoded is not None and len(name) <= 255:
            self.entries.append((name, _entry_of(name, encoded)))


_PROPERTIES: Final = {
    0: "message_id",
    1: "user_id",
    4: "reply_to",
    5: "correlation_id",
    6: "content_type",
    7: "content_encoding",
    9: "timestamp",
    10: "app_id",
}
"""The places of the properties in the section."""


def _entry_of(name: bytes, encoded: bytes) -> bytes:
    return bytes((len(name),)) + name + encoded


def _percent_decoded(raw: bytes) -> bytes:
    first, *others = raw.split(b"%")
    found = [first]
    for part in others:
        if len(part) < 2:
            return raw
        try:
            found.append(bytes.fromhex(part[:2].decode("ascii")) + part[2:])
        except ValueError:
            return raw
    return b"".join(found)


_TAGS: Final = {
    "boolean": (b"t", ">?"),
    "ubyte": (b"B", ">B"),
    "byte": (b"b", ">b"),
    "ushort": (b"u", ">H"),
    "short": (b"s", ">h"),
    "uint": (b"i", ">I"),
    "int": (b"I", ">i"),
    "long": (b"l", ">q"),
    "float": (b"f", ">f"),
    "double": (b"d", ">d"),
}


def _encoded(value: Value, depth: int = 0, *, is_modern: bool) -> bytes | None:
    """A value with its tag in AMQP 0-9-1; None if there is none for it."""
    kind, content = value
    if kind in _TAGS:
        tag, form = _TAGS[kind]
        return tag + struct.pack(form, content)
    match kind:
        case "null":
            return b"V"
        case "string" | "symbol":
            return _sized(b"S", content)
        case "binary":
            return _sized(b"S" if is_modern else b"x", content)
        case "timestamp":
            return b"T" + max(int(content) // 1000, 0).to_bytes(8, "big")
        case "ulong":
            number = int(content)
            return b"l" + number.to_bytes(8, "big") if number < 1 << 63 else _sized(b"S", str(number).encode())
        case "uuid":
            return _sized(b"S", URN + str(UUID(bytes=content)).encode())
        case "list" if depth < DEPTH_MAX:
            items = (_encoded(item, depth + 1, is_modern=is_modern) for item in amqp1.items_of(content))
            return _sized(b"A", b"".join(item for item in items if item is not None))
        case "map" if depth < DEPTH_MAX:
            entries = []
            for key, item in amqp1.pairs_of(content):
                encoded = _encoded(item, depth + 1, is_modern=is_modern)
                if encoded is not None and key.kind in {"string", "symbol"} and len(key.value) <= 255:
                    entries.append(_entry_of(key.value, encoded))
            return _sized(b"F", b"".join(entries))
    return None


def _sized(tag: bytes, raw: bytes) -> bytes:
    return tag + len(raw).to_bytes(4, "big") + raw
