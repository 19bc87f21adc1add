"""What RabbitMQ makes of the properties of every message, from 3.13 on: it decodes them and writes them anew.

amqpy carries the bytes that were sent. So that nothing else is let through with this one difference, what amqpy shows
is written anew here by the same rules, and must then be what RabbitMQ shows. RabbitMQ's own frames are left as they
are.

Source: `mc_amqpl:protocol_state`, `rabbit_binary_generator`.
"""

import struct
from dataclasses import replace

from interop.parity.codec import HEADER, Frame

HEADERS, EXPIRATION = 0x2000, 0x0100
PROPERTIES = (0x8000, 0x4000, HEADERS, 0x1000, 0x0800, 0x0400, 0x0200, EXPIRATION, 0x0080, 0x0040, 0x0020, 0x0010, 8, 4)
"""The flag of each property, in the order in which they come. Flags that stand for nothing are not written."""
OCTET_PROPERTIES = 0x1000 | 0x0800  # delivery_mode, priority
TIMESTAMP = 0x0040

FIXED_SIZES = {b"t": 1, b"b": 1, b"B": 1, b"s": 2, b"u": 2, b"I": 4, b"i": 4, b"f": 4, b"l": 8, b"L": 8, b"d": 8}
FIXED_SIZES |= {b"T": 8, b"D": 5, b"V": 0}

CONTAINERS = (b"A", b"F")
TEXTS = (b"S", b"x")

CONTENT_PREFIX = 12  # class, weight and size come before the properties


def written_anew(frame: Frame) -> Frame:
    """A content header as RabbitMQ would write it; any other frame, and one that is malformed, as it is."""
    if frame.type != HEADER or len(frame.payload) < CONTENT_PREFIX + 2:
        return frame
    prefix, raw = frame.payload[:CONTENT_PREFIX], frame.payload[CONTENT_PREFIX:]
    try:
        return replace(frame, payload=prefix + properties(raw))
    except (KeyError, IndexError, ValueError, struct.error):
        return frame


def properties(raw: bytes) -> bytes:
    given = int.from_bytes(raw[:2], "big")
    flags, position, written = 0, 2, b""
    for flag in PROPERTIES:
        if given & flag:
            size = property_size(flag, raw, position)
            value = raw[position : position + size]
            position += size
            flags |= flag
            written += rewritten_property(flag, value)
    if position != len(raw):
        raise ValueError("something is left")
    return flags.to_bytes(2, "big") + written


def property_size(flag: int, raw: bytes, position: int) -> int:
    if flag == HEADERS:
        return 4 + int(struct.unpack_from(">I", raw, position)[0])
    if flag & OCTET_PROPERTIES:
        return 1
    return 8 if flag == TIMESTAMP else 1 + raw[position]


def rewritten_property(flag: int, value: bytes) -> bytes:
    if flag == HEADERS:
        content = bytearray(value[4:])
        first: dict[bytes, slice] = {}
        for name, entry in rewritten_entries(content):
            first.setdefault(name, entry)
        return sized(b"".join(content[first[name]] for name in sorted(first)))
    if flag == EXPIRATION:
        digits = str(int(value[1:])).encode()
        return bytes([len(digits)]) + digits
    return value


def rewritten_entries(content: bytearray) -> list[tuple[bytes, slice]]:
    """Writes the values of a table anew where they stand, as none changes its size: the names in it, and where their
    entries are. Values may be nested very deep."""
    entries: list[tuple[bytes, slice]] = []
    inside: list[tuple[int, bool]] = [(len(content), True)]
    position = started = 0
    name = b""
    while inside:
        end, has_names = inside[-1]
        if position >= end:
            if position > end:
                raise ValueError("longer than what it is in")
            inside.pop()
            if len(inside) == 1:
                entries.append((name, slice(started, position)))
            continue
        if len(inside) == 1:
            started, name = position, bytes(content[position + 1 : position + 1 + content[position]])
        position += 1 + content[position] if has_names else 0
        kind = bytes(content[position : position + 1])
        if kind in CONTAINERS:
            size = int(struct.unpack_from(">I", content, position + 1)[0])
            position += 5
            inside.append((position + size, kind == b"F"))
            continue
        position = after_value(content, position, kind)
        if len(inside) == 1:
            entries.append((name, slice(started, position)))
    return entries


def after_value(content: bytearray, position: int, kind: bytes) -> int:
    """Where a value that is no container ends; its type and flags are written anew."""
    if kind in TEXTS:
        return position + 5 + int(struct.unpack_from(">I", content, position + 1)[0])
    if kind == b"L":
        content[position] = ord("l")
    elif kind == b"t":
        content[position + 1] = content[position + 1] != 0
    return position + 1 + FIXED_SIZES[kind]


def sized(value: bytes) -> bytes:
    return len(value).to_bytes(4, "big") + value
