"""Values of AMQP 1.0: the encoding of messages in streams.

A value is a constructor octet and its data. The high four bits of the constructor say how long the data is: none to 16
octets, or a size of one or four octets before it, in the compound ones followed by a count. A constructor 0 is a
*described* value: a descriptor, and the value.

Nothing here recurses: lists, maps and arrays that are found stay bytes. `sections` looks into them as far as it must.

Source: AMQP 1.0 part 1; `amqp10_binary_generator` for the forms that are written, `amqp10_binary_parser`.
"""

import struct
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from amqpy.wire.values import MalformedValue


class Value(NamedTuple):
    """A typed value: `kind` is the name of the type in AMQP 1.0, `value` its nearest Python value.

    Strings, symbols and binaries are bytes, as they came; lists, maps and arrays their whole encoding.
    """

    kind: str
    value: Any


NULL: Final = b"\x40"
DESCRIBED: Final = 0
CHAR: Final = 0x73

_SIZED: Final = {0xA: 1, 0xB: 4, 0xC: 1, 0xD: 4, 0xE: 1, 0xF: 4}
"""The octets of the size, by the high four bits of a constructor."""
_FIXED_SIZE: Final = {0x4: 0, 0x5: 1, 0x6: 2, 0x7: 4, 0x8: 8, 0x9: 16}
_CONSTANTS: Final = {
    0x40: Value("null", None),
    0x41: Value("boolean", True),
    0x42: Value("boolean", False),
    0x43: Value("uint", 0),
    0x44: Value("ulong", 0),
}
_NUMBERS: Final = {
    0x50: ("ubyte", struct.Struct(">B")),
    0x51: ("byte", struct.Struct(">b")),
    0x52: ("uint", struct.Struct(">B")),
    0x53: ("ulong", struct.Struct(">B")),
    0x54: ("int", struct.Struct(">b")),
    0x55: ("long", struct.Struct(">b")),
    0x56: ("boolean", struct.Struct(">?")),
    0x60: ("ushort", struct.Struct(">H")),
    0x61: ("short", struct.Struct(">h")),
    0x70: ("uint", struct.Struct(">I")),
    0x71: ("int", struct.Struct(">i")),
    0x72: ("float", struct.Struct(">f")),
    0x80: ("ulong", struct.Struct(">Q")),
    0x81: ("long", struct.Struct(">q")),
    0x82: ("double", struct.Struct(">d")),
    0x83: ("timestamp", struct.Struct(">q")),
}
_BYTES: Final = {0xA0: "binary", 0xA1: "string", 0xA3: "symbol", 0xB0: "binary", 0xB1: "string", 0xB3: "symbol"}
_COMPOUND: Final = {
    0x45: "list",
    0xC0: "list",
    0xD0: "list",
    0xC1: "map",
    0xD1: "map",
    0xE0: "array",
    0xF0: "array",
}
_UUID: Final = 0x98
_LONG: Final = struct.Struct(">I")


# --- reading


def end_of(data: bytes, position: int) -> int:
    """The position behind the value that begins at one. Raises MalformedValue if it does not end in the data."""
    count = 1
    while count:
        if position >= len(data):
            raise MalformedValue("truncated value")
        constructor = data[position]
        if constructor == DESCRIBED:
            count += 1  # a descriptor and a value in place of one value
            position += 1
            continue
        high = constructor >> 4
        size_size = _SIZED.get(high)
        if size_size is None:
            size = _FIXED_SIZE.get(high)
            if size is None:
                raise MalformedValue("unknown constructor")
            position += 1 + size
        else:
            start = position + 1 + size_size
            position = start + int.from_bytes(data[position + 1 : start], "big")
        count -= 1
    if position > len(data):
        raise MalformedValue("truncated value")
    return position


def read_value(data: bytes, position: int) -> tuple[Value, int]:
    """Reads a value; returns it with the position behind it. One of a type that AMQP 0-9-1 has nothing for has the
    type's constructor as its value, and is `other`. Raises MalformedValue."""
    end = end_of(data, position)
    constructor = data[position]
    if constructor in _CONSTANTS:
        return _CONSTANTS[constructor], end
    if constructor in _NUMBERS:
        kind, codec = _NUMBERS[constructor]
        return Value(kind, codec.unpack_from(data, position + 1)[0]), end
    if constructor in _BYTES:
        return Value(_BYTES[constructor], data[position + 1 + _SIZED[constructor >> 4] : end]), end
    if constructor in _COMPOUND:
        return Value(_COMPOUND[constructor], data[position:end]), end
    if constructor == _UUID:
        return Value("uuid", data[position + 1 : end]), end
    return Value("other", constructor), end


def items_of(compound: bytes) -> Iterator[Value]:
    """Yields the values of a list, or the keys and values of a map in turn. Raises MalformedValue."""
    position, count = _content(compound)
    for _ in range(count):
        value, position = read_value(compound, position)
        yield value
    if position != len(compound):
        raise MalformedValue("octets after the last value")


def pairs_of(compound: bytes) -> Iterator[tuple[Value, Value]]:
    """Yields the keys and values of a map. Raises MalformedValue."""
    if compound[0] not in {0xC1, 0xD1} or _content(compound)[1] % 2:
        raise MalformedValue("not a map")
    items = items_of(compound)
    return zip(items, items, strict=True)


def ranges_of(data: bytes, position: int) -> Iterator[tuple[int, int]]:
    """Yields where the values of the list or the map that begins at a position begin and end. Raises
    MalformedValue."""
    compound = data[position : end_of(data, position)]
    start, count = _content(compound)
    for _ in range(count):
        end = end_of(compound, start)
        yield position + start, position + end
        start = end


def _content(compound: bytes) -> tuple[int, int]:
    """The position of the first value of a list or a map, and the number of values."""
    if compound[0] == 0x45:
        return 1, 0
    size_size = _SIZED[compound[0] >> 4]
    start = 1 + 2 * size_size
    if start > len(compound) or compound[0] >> 4 > 0xD:
        raise MalformedValue("not a list")
    return start, int.from_bytes(compound[1 + size_size : start], "big")


# --- writing


def string(raw: bytes) -> bytes:
    return _sized(0xA1, raw)


def symbol(raw: bytes) -> bytes:
    return _sized(0xA3, raw)


def binary(raw: bytes) -> bytes:
    return _sized(0xA0, raw)


def _sized(constructor: int, raw: bytes) -> bytes:
    size = len(raw)
    if size < 256:
        return bytes((constructor, size)) + raw
    return bytes((constructor | 0x10,)) + _LONG.pack(size) + raw


def timestamp(milliseconds: int) -> bytes:
    return b"\x83" + (milliseconds & (1 << 64) - 1).to_bytes(8, "big")


def uint(value: int) -> bytes:
    if not value:
        return b"\x43"
    return bytes((0x52, value)) if value < 256 else b"\x70" + _LONG.pack(value)


def number(kind: str, value: float) -> bytes:
    """Encodes a number of any other type, in the smallest form of that type. Raises struct.error."""
    if kind == "int":
        return struct.pack(">Bb", 0x54, value) if -128 <= value < 128 else struct.pack(">Bi", 0x71, value)
    if kind == "long":
        return struct.pack(">Bb", 0x55, value) if -128 <= value < 128 else struct.pack(">Bq", 0x81, value)
    constructor, form = _WRITTEN[kind]
    return struct.pack(form, constructor, value)


_WRITTEN: Final = {
    "ubyte": (0x50, ">BB"),
    "byte": (0x51, ">Bb"),
    "ushort": (0x60, ">BH"),
    "short": (0x61, ">Bh"),
    "float": (0x72, ">Bf"),
    "double": (0x82, ">Bd"),
    "boolean": (0x56, ">B?"),
}


def list_of(items: Iterable[bytes]) -> bytes:
    """Encodes a list of encoded values."""
    values = list(items)
    return _compound(0xC0, values) if values else b"\x45"


def map_of(items: Iterable[bytes]) -> bytes:
    """Encodes a map of encoded keys and values in turn."""
    return _compound(0xC1, list(items))


def _compound(constructor: int, items: list[bytes]) -> bytes:
    content = b"".join(items)
    if len(content) < 255:
        return bytes((constructor, len(content) + 1, len(items))) + content
    return bytes((constructor | 0x10,)) + _LONG.pack(len(content) + 4) + _LONG.pack(len(items)) + content
