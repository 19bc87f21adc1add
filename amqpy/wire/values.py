"""Field tables and properties, without loss.

A client's tables are carried, compared and shown, never normalised: a field keeps its wire type, because
`1` as a byte and `1` as a long are equal to the broker but not to the client that reads them back, and because
RabbitMQ names the type in its error texts. Strings that are not UTF-8 survive through surrogate escapes.

Source: AMQP 0-9-1 section 4.2.5.5 with RabbitMQ's errata; `rabbit_binary_parser` for the types it accepts.
"""

import math
import struct
from collections.abc import Callable, Hashable, Mapping
from decimal import Decimal
from operator import itemgetter
from typing import Any, NamedTuple, TypeAlias

from amqpy.errors import erlang_text

DEPTH_MAX = 64
"""Tables inside tables. RabbitMQ has no bound here; a stack has."""


class Field(NamedTuple):
    """A typed value: `kind` is RabbitMQ's name of the wire type, `value` its nearest Python value."""

    kind: str
    value: Any


Table: TypeAlias = dict[str, Field]


class MalformedValue(ValueError):
    """Bytes that are no AMQP value."""


_FIXED: dict[int, tuple[str, struct.Struct]] = {
    ord("b"): ("byte", struct.Struct(">b")),
    ord("B"): ("unsignedbyte", struct.Struct(">B")),
    ord("s"): ("short", struct.Struct(">h")),
    ord("u"): ("unsignedshort", struct.Struct(">H")),
    ord("I"): ("signedint", struct.Struct(">i")),
    ord("i"): ("unsignedint", struct.Struct(">I")),
    ord("l"): ("long", struct.Struct(">q")),
    ord("L"): ("long", struct.Struct(">q")),
    ord("f"): ("float", struct.Struct(">f")),
    ord("d"): ("double", struct.Struct(">d")),
    ord("T"): ("timestamp", struct.Struct(">Q")),
    ord("t"): ("bool", struct.Struct(">?")),
}
_LONG = struct.Struct(">I")
_DECIMAL = struct.Struct(">BI")

INTEGER_KINDS = frozenset({"byte", "unsignedbyte", "short", "unsignedshort", "signedint", "unsignedint", "long"})


def text(raw: bytes) -> str:
    """Bytes of a long string or a table key as text that encodes back to the same bytes."""
    return raw.decode("utf-8", "surrogateescape")


def as_text(value: str | bytes) -> str:
    """The value of a long string or a byte array, which RabbitMQ takes for each other."""
    return value if isinstance(value, str) else text(value)


def decode_table(data: bytes, depth: int = 0) -> Table:
    """The fields of a table's content (without its length). Raises MalformedValue."""
    if depth > DEPTH_MAX:
        raise MalformedValue("nested too deeply")
    table: Table = {}
    position, end = 0, len(data)
    while position < end:
        key_end = position + 1 + data[position]
        key = text(data[position + 1 : key_end])
        if key_end >= end:
            raise MalformedValue("truncated table")
        field, position = _decode_field(data, key_end, depth)
        # Of several fields with one name, RabbitMQ goes by the first.
        table.setdefault(key, field)
    return table


def _decode_array(data: bytes, depth: int) -> list[Field]:
    if depth > DEPTH_MAX:
        raise MalformedValue("nested too deeply")
    items = []
    position, end = 0, len(data)
    while position < end:
        item, position = _decode_field(data, position, depth)
        items.append(item)
    return items


def _decode_field(data: bytes, position: int, depth: int) -> tuple[Field, int]:
    tag = data[position]
    position += 1
    fixed = _FIXED.get(tag)
    try:
        if fixed is not None:
            kind, codec = fixed
            return Field(kind, codec.unpack_from(data, position)[0]), position + codec.size
        if tag == ord("V"):
            return Field("void", None), position
        if tag == ord("D"):
            return Field("decimal", _DECIMAL.unpack_from(data, position)), position + 5
        (size,) = _LONG.unpack_from(data, position)
    except struct.error:
        raise MalformedValue("truncated value") from None
    start = position + 4
    end = start + size
    decode = _SIZED.get(tag)
    if decode is None or end > len(data):
        raise MalformedValue("unknown type" if decode is None else "truncated value")
    kind, read = decode
    return Field(kind, read(data[start:end], depth + 1)), end


_SIZED: dict[int, tuple[str, Callable[[bytes, int], Any]]] = {
    ord("S"): ("longstr", lambda raw, _: text(raw)),
    ord("x"): ("binary", lambda raw, _: raw),
    ord("F"): ("table", decode_table),
    ord("A"): ("array", _decode_array),
}

_TAG_OF = {kind: tag for tag, (kind, _) in (_FIXED | _SIZED).items() if tag != ord("L")}


_SIZES = {tag: 1 + codec.size for tag, (_, codec) in _FIXED.items()} | {ord("V"): 1, ord("D"): 6}
"""Octets of a tag and its value, for the values that always have the same size."""

_STRINGS = frozenset(b"Sx")
_CONTAINERS = {ord("F"): True, ord("A"): False}


def check_table(data: bytes, position: int, end: int, *, keyed: bool = True, depth: int = 0) -> None:
    """Makes sure that `decode_table` could read data[position:end], without making anything of it.

    `keyed` is false for the inside of an array. Raises MalformedValue, or IndexError for what ends too soon.
    """
    if depth > DEPTH_MAX:
        raise MalformedValue("nested too deeply")
    while position < end:
        if keyed:
            position += 1 + data[position]
        tag = data[position]
        size = _SIZES.get(tag)
        if size is not None:
            position += size
            continue
        start = position + 5
        position = start + int.from_bytes(data[position + 1 : start], "big")
        if tag in _CONTAINERS and position <= end:
            check_table(data, start, position, keyed=_CONTAINERS[tag], depth=depth + 1)
        elif tag not in _STRINGS:
            raise MalformedValue("unknown type")
    if position != end:
        raise MalformedValue("truncated table")


Entries: TypeAlias = list[tuple[bytes, bytes]]
"""A table as names and whole entries (name, tag and value), as they came. A name may come more than once."""


def split_table(data: bytes) -> Entries:
    """The entries of a table's content that `check_table` has found to be good."""
    entries = []
    position = 0
    while position < len(data):
        start, name_end = position, position + 1 + data[position]
        size = _SIZES.get(data[name_end])
        if size is None:
            size = 5 + int.from_bytes(data[name_end + 1 : name_end + 5], "big")
        position = name_end + size
        entries.append((data[start + 1 : name_end], data[start:position]))
    return entries


def entries_of(table: Mapping[str, Field]) -> Entries:
    """A table's entries."""
    entries = []
    for name, field in table.items():
        raw = name.encode("utf-8", "surrogateescape")
        entries.append((raw, bytes((len(raw),)) + raw + encode_field(field)))
    return entries


def replace_entry(entries: Entries, name: bytes, entry: bytes) -> None:
    """Replaces the first entry of that name, or adds one."""
    for position, (each, _) in enumerate(entries):
        if each == name:
            entries[position] = name, entry
            return
    entries.append((name, entry))


def join_table(entries: Entries) -> bytes:
    """A table's content with these entries in the order of their names, as RabbitMQ has it after every change."""
    return b"".join(entry for _, entry in sorted(entries, key=itemgetter(0)))


def encode_table(table: Mapping[str, Field]) -> bytes:
    """A table's content (without its length), in the mapping's order."""
    return b"".join([entry for _, entry in entries_of(table)])


def encode_field(field: Field) -> bytes:
    """A value with its type tag."""
    kind, value = field
    raw: bytes
    if kind == "void":
        return b"V"
    if kind == "decimal":
        return b"D" + _DECIMAL.pack(*value)
    tag = _TAG_OF[kind]
    fixed = _FIXED.get(tag)
    if fixed is not None:
        return bytes((tag,)) + fixed[1].pack(value)
    if kind == "longstr":
        raw = value.encode("utf-8", "surrogateescape")
    elif kind == "table":
        raw = encode_table(value)
    elif kind == "array":
        raw = b"".join(map(encode_field, value))
    else:
        raw = value
    return bytes((tag,)) + _LONG.pack(len(raw)) + raw


def as_erlang(field: Field) -> str:
    """A value as RabbitMQ's error texts print it."""
    kind, value = field
    match kind:
        case "void":
            return "undefined"
        case "bool":
            return "true" if value else "false"
        case "longstr":
            return erlang_text(value.encode("utf-8", "surrogateescape"))
        case "binary":
            return erlang_text(value)
        case "decimal":
            return f"{{{value[0]},{value[1]}}}"
        case "array":
            return f"[{','.join(f'{{{item.kind},{as_erlang(item)}}}' for item in value)}]"
        case "table":
            rows = (
                f"{{{erlang_text(key.encode('utf-8', 'surrogateescape'))},{item.kind},{as_erlang(item)}}}"
                for key, item in value.items()
            )
            return f"[{','.join(rows)}]"
    return erlang_float(value) if isinstance(value, float) else str(value)


def erlang_float(value: float) -> str:
    """A float as Erlang prints it: the fewest digits that are this number, with an exponent where that is shorter.

    Source: `io_lib_format:fwrite_g`.
    """
    if value == 0 or not math.isfinite(value):
        return str(value)
    sign, numerals, exponent = Decimal(repr(value)).normalize().as_tuple()
    digits = "".join(map(str, numerals))
    place = len(digits) + int(exponent)
    """The value is 0.DIGITS times ten to this."""
    short = digits[0] + "." + (digits[1:] or "0") + f"e{place - 1}"
    if 0 < place < len(digits):
        shown = f"{digits[:place]}.{digits[place:]}"
    elif place >= len(digits):
        shown = digits + "0" * (place - len(digits)) + ".0"
    else:
        shown = "0." + "0" * -place + digits
    return "-" * sign + (shown if len(shown) <= len(short) or 0 < place < len(digits) or place == 0 else short)


def comparable(field: Field) -> Hashable:
    """What two values are compared by: the value as Erlang has it, not its wire type.

    All widths of integers, timestamps and floats are one kind of number; long strings and byte arrays are one kind
    of binary; a bool is never a number. Inside tables and arrays Erlang compares the type as well.
    """
    kind, value = field
    match kind:
        case "bool":
            return (value,)
        case "longstr":
            return str(value).encode("utf-8", "surrogateescape")
        case "table":
            return tuple((key, item.kind, comparable(item)) for key, item in value.items())
        case "array":
            return tuple((item.kind, comparable(item)) for item in value)
    hashable: Hashable = value
    return hashable


def exactly(field: Field) -> Hashable:
    """The same for those who tell an integer from a float of the same value."""
    return (float, field.value) if isinstance(field.value, float) else comparable(field)
