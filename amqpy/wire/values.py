"""Field tables and properties, without loss.

A client's tables are passed on, compared and shown, never normalised: a field keeps its wire type, because
`1` as a byte and `1` as a long are equal to the broker but not to the client that reads them back, and because
RabbitMQ names the type in its error texts. Strings that are not UTF-8 survive through surrogate escapes; so do names
that occur twice.

Nothing here recurses: a client may nest tables as deep as a frame has room for, and RabbitMQ accepts that. So only
one level of a table is decoded into Python values; nested tables stay bytes, which can be compared, copied and freed
at any depth. Code that needs more walks over these bytes, once.

Source: AMQP 0-9-1 section 4.2.5.5 with RabbitMQ's errata; `rabbit_binary_parser` for the types it accepts,
`rabbit_binary_generator` for those it writes.
"""

import math
import struct
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping
from decimal import Decimal
from operator import itemgetter
from typing import Any, NamedTuple, TypeAlias

from amqpy.errors import erlang_text
from amqpy.wire.scan import CONTAINERS, MALFORMED, SIZES, scan_table


class Field(NamedTuple):
    """A typed value: `kind` is RabbitMQ's name of the wire type, `value` its nearest Python value.

    For a table or an array it is the content, as the bytes that RabbitMQ would write (see `canonical`).
    """

    kind: str
    value: Any


Table: TypeAlias = Mapping[str, Field]


class ReadTable(dict[str, Field]):
    """A decoded table. Of several fields with one name it has the first, which RabbitMQ uses; `fields` are all of
    them."""

    __slots__ = ("fields",)

    fields: list[tuple[str, Field]]


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
    """Decodes a long string or a table key as text that encodes back to the same bytes."""
    return raw.decode("utf-8", "surrogateescape")


def as_text(value: str | bytes) -> str:
    """The text of a long string or a byte array, between which RabbitMQ does not distinguish."""
    return value if isinstance(value, str) else text(value)


def decode_table(data: bytes) -> Table:
    """Decodes the content of a table (without its length). Raises MalformedValue."""
    fields = []
    position, end = 0, len(data)
    while position < end:
        key_end = position + 1 + data[position]
        if key_end >= end:
            raise MalformedValue("truncated table")
        key = data[position + 1 : key_end].decode("utf-8", "surrogateescape")
        field, position = _decode_field(data, key_end)
        fields.append((key, field))
    return _as_read(fields)


def _as_read(fields: list[tuple[str, Field]]) -> ReadTable:
    table = ReadTable(fields)
    if len(table) != len(fields):
        table.update(reversed(fields))
    table.fields = fields
    return table


def with_field(table: Table, name: str, field: Field) -> Table:
    """The table with one more field, behind the others."""
    return _as_read([*fields_of(table), (name, field)])


def by_name(table: Table) -> Table:
    """The fields in the order of their names, as RabbitMQ has them after each change that it makes."""
    return _as_read(sorted(fields_of(table), key=lambda entry: entry[0].encode("utf-8", "surrogateescape")))


def decode_array(data: bytes) -> list[Field]:
    """Decodes the content of an array. Raises MalformedValue."""
    items = []
    position, end = 0, len(data)
    while position < end:
        item, position = _decode_field(data, position)
        items.append(item)
    return items


def _decode_field(data: bytes, position: int) -> tuple[Field, int]:
    tag = data[position]
    if tag in _READERS:
        kind, unpack, size = _READERS[tag]
        try:
            return _new(Field, (kind, unpack(data, position + 1)[0])), position + size
        except struct.error:
            raise MalformedValue("truncated value") from None
    if tag not in _SIZED:
        return _decode_odd_field(data, position)
    start = position + 5
    end = start + int.from_bytes(data[position + 1 : start], "big")
    if not start <= end <= len(data):
        raise MalformedValue("truncated value")
    raw = data[start:end]
    value: bytes | str = raw
    if tag == _LONGSTR:
        value = text(raw)
    elif tag in CONTAINERS:
        value = _checked(raw, keyed=CONTAINERS[tag])
    return _new(Field, (_SIZED[tag], value)), end


def _decode_odd_field(data: bytes, position: int) -> tuple[Field, int]:
    """Decodes a value of a type that is neither one number nor a size and that many octets."""
    tag = data[position]
    if tag == ord("V"):
        return Field("void", None), position + 1
    if tag != ord("D"):
        raise MalformedValue("unknown type")
    try:
        return Field("decimal", _DECIMAL.unpack_from(data, position + 1)), position + 6
    except struct.error:
        raise MalformedValue("truncated value") from None


def _checked(content: bytes, *, keyed: bool) -> bytes:
    """Checks the content of a nested table or array; returns it in canonical form."""
    if scan_table(content, 0, len(content), keyed=keyed) == MALFORMED:
        raise MalformedValue("malformed table")
    return canonical(content, keyed=keyed)


_new = tuple.__new__
"""Makes a Field in half the time of `Field(…)`."""
_READERS = {tag: (kind, codec.unpack_from, 1 + codec.size) for tag, (kind, codec) in _FIXED.items()}
_LONGSTR = ord("S")
_SIZED = {ord("S"): "longstr", ord("x"): "binary", ord("F"): "table", ord("A"): "array"}
_TAG_OF = {
    **{kind: tag for tag, (kind, _) in _FIXED.items() if tag != ord("L")},
    **{kind: tag for tag, kind in _SIZED.items()},
}
_FLOATS = frozenset(b"fd")
_BOOL = ord("t")
_RECODED = frozenset(b"LtFA")
"""The types of values that may not be as RabbitMQ encodes them (see `canonical`)."""


def _walk(data: bytes, *, keyed: bool) -> Iterator[tuple[int, int, int]]:
    """Yields every value in checked content, at any depth: its start (with its name, if it has one), the position of
    its tag, and the number of tables and arrays that ended since the previous one."""
    outer: list[tuple[int, bool]] = []
    position, end, ended = 0, len(data), 0
    while True:
        while position == end:
            if not outer:
                return
            end, keyed = outer.pop()
            ended += 1
        start = position
        if keyed:
            position += 1 + data[position]
        yield start, position, ended
        ended = 0
        tag = data[position]
        size = SIZES.get(tag) or 5 + int.from_bytes(data[position + 1 : position + 5], "big")
        inner_keyed = CONTAINERS.get(tag)
        if inner_keyed is None:
            position += size
        else:
            outer.append((end, keyed))
            position, end, keyed = position + 5, position + size, inner_keyed


def canonical(data: bytes, *, keyed: bool = True) -> bytes:
    """The content of a checked table as RabbitMQ encodes it after decoding it: a type `L` becomes `l`, and a true value
    becomes 1, at any depth. Everything else is unchanged."""
    changed = bytearray()
    for _, at, _ in _walk(data, keyed=keyed):
        if data[at] == ord("L"):
            changed = changed or bytearray(data)
            changed[at] = ord("l")
        elif data[at] == ord("t") and data[at + 1] > 1:
            changed = changed or bytearray(data)
            changed[at + 1] = 1
    return bytes(changed) or data


Entries: TypeAlias = list[tuple[bytes, bytes]]
"""A table as names and whole entries (name, tag and value), in order. A name may occur more than once."""


def split_table(data: bytes) -> Entries:
    """Splits the content of a table, checked by `scan_table`, into its entries, in canonical form."""
    entries = []
    position, end = 0, len(data)
    while position < end:
        start, name_end = position, position + 1 + data[position]
        tag = data[name_end]
        size = SIZES.get(tag)
        if size is None:
            size = 5 + int.from_bytes(data[name_end + 1 : name_end + 5], "big")
        position = name_end + size
        entry = data[start:position]
        if tag in _RECODED and (tag != _BOOL or data[name_end + 1] > 1):
            entry = canonical(entry)
        entries.append((data[start + 1 : name_end], entry))
    return entries


def find_entries(data: bytes, names: Collection[bytes]) -> Entries:
    """The entries of a table, checked by `scan_table`, that have one of these names, as they are there."""
    found = []
    position, end = 0, len(data)
    while position < end:
        at = position + 1 + data[position]
        size = SIZES.get(data[at]) or 5 + int.from_bytes(data[at + 1 : at + 5], "big")
        if (name := data[position + 1 : at]) in names:
            found.append((name, data[position : at + size]))
        position = at + size
    return found


def fields_of(table: Table) -> Iterable[tuple[str, Field]]:
    """All fields of a table; a name may occur more than once."""
    return table.fields if isinstance(table, ReadTable) else table.items()


def repeated(table: Table) -> Iterator[tuple[int, str, Field]]:
    """Yields the fields whose name occurred before, with the number of earlier occurrences."""
    if not isinstance(table, ReadTable) or len(table.fields) == len(table):
        return
    seen: dict[str, int] = {}
    for name, field in table.fields:
        count = seen.get(name, 0)
        if count:
            yield count, name, field
        seen[name] = count + 1


def last_values(table: Table) -> Table:
    """The table with the last value of each name that occurs more than once."""
    return {**table, **{name: field for _, name, field in repeated(table)}}


def entries_of(table: Table) -> Entries:
    """Encodes the entries of a table."""
    entries = []
    for name, field in fields_of(table):
        raw = name.encode("utf-8", "surrogateescape")
        entries.append((raw, bytes((len(raw),)) + raw + encode_field(field)))
    return entries


def replace_entries(entries: Entries, new: Entries) -> None:
    """Puts each new entry in the place of the first one of its name, or behind all others."""
    first = {entries[place][0]: place for place in range(len(entries) - 1, -1, -1)}
    for entry in new:
        place = first.get(entry[0])
        if place is None:
            entries.append(entry)
        else:
            entries[place] = entry


def drop_entry(entries: Entries, name: bytes) -> None:
    """Removes the first entry of that name, if there is one."""
    for position, (each, _) in enumerate(entries):
        if each == name:
            del entries[position]
            return


def join_table(entries: Entries) -> bytes:
    """Joins entries to a table's content in the order of their names, as RabbitMQ has it after every change."""
    return b"".join([entry for _, entry in sorted(entries, key=itemgetter(0))])


def encode_table(table: Table) -> bytes:
    """Encodes a table's content (without its length), in its order."""
    return b"".join([entry for _, entry in entries_of(table)])


def table_field(table: Table) -> Field:
    """Makes a field of a table."""
    return Field("table", encode_table(table))


def array_field(items: Iterable[Field]) -> Field:
    """Makes a field of an array."""
    return Field("array", b"".join(map(encode_field, items)))


def encode_field(field: Field) -> bytes:
    """Encodes a value with its type tag."""
    kind, value = field
    if kind == "void":
        return b"V"
    if kind == "decimal":
        return b"D" + _DECIMAL.pack(*value)
    tag = _TAG_OF[kind]
    fixed = _FIXED.get(tag)
    if fixed is not None:
        return bytes((tag,)) + fixed[1].pack(value)
    raw: bytes = value.encode("utf-8", "surrogateescape") if kind == "longstr" else value
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
        case "table" | "array":
            return _content_as_erlang(value, keyed=kind == "table")
    return erlang_float(value) if isinstance(value, float) else str(value)


def _content_as_erlang(data: bytes, *, keyed: bool) -> str:
    shown = []
    depth, is_first = 0, True
    for start, at, ended in _walk(data, keyed=keyed):
        depth -= ended
        shown.append("]}" * ended)
        shown.append("{" if is_first and not ended else ",{")
        if at > start:
            shown.append(f"{erlang_text(data[start + 1 : at])},")
        is_first = data[at] in CONTAINERS
        if is_first:
            depth += 1
            shown.append(f"{_SIZED[data[at]]},[")
        else:
            field, _ = _decode_field(data, at)
            shown.append(f"{field.kind},{as_erlang(field)}}}")
    return f"[{''.join(shown)}{']}' * depth}]"


def erlang_float(value: float) -> str:
    """A float as Erlang prints it: the fewest digits that are this number, with an exponent where that is shorter.

    Source: `io_lib_format:fwrite_g`.
    """
    if value == 0 or not math.isfinite(value):
        return str(value)
    sign, numerals, exponent = Decimal(repr(value)).normalize().as_tuple()
    digits = "".join(map(str, numerals))
    place = len(digits) + int(exponent)
    """The value is 0.DIGITS times ten to the power of this."""
    short = digits[0] + "." + (digits[1:] or "0") + f"e{place - 1}"
    if 0 < place < len(digits):
        shown = f"{digits[:place]}.{digits[place:]}"
    elif place >= len(digits):
        shown = digits + "0" * (place - len(digits)) + ".0"
    else:
        shown = "0." + "0" * -place + digits
    return "-" * sign + (shown if len(shown) <= len(short) or 0 < place < len(digits) or place == 0 else short)


def comparable(field: Field) -> Hashable:
    """The form in which two values are compared: the value as Erlang has it, not its wire type.

    All widths of integers, timestamps and floats are one kind of number; long strings and byte arrays are one kind
    of binary; a bool is never a number. Inside tables and arrays Erlang compares the type as well.
    """
    kind, value = field
    match kind:
        case "bool":
            return (value,)
        case "longstr":
            return str(value).encode("utf-8", "surrogateescape")
        case "table" | "array":
            # Without content, both are an empty list.
            return (kind, _comparable_content(value, keyed=kind == "table")) if value else ()
        case "float" | "double" if math.isnan(value):
            # Equal to itself, or it could not be found again as a key.
            return (math.nan,)
    hashable: Hashable = value
    return hashable


def _comparable_content(data: bytes, *, keyed: bool) -> bytes:
    """The canonical bytes, with each negative zero made positive: both are equal."""
    changed = bytearray()
    for _, at, _ in _walk(data, keyed=keyed):
        if data[at] in _FLOATS and data[at + 1] == 0x80 and not any(data[at + 2 : at + SIZES[data[at]]]):
            changed = changed or bytearray(data)
            changed[at + 1] = 0
    return bytes(changed) or data


def exactly(field: Field) -> Hashable:
    """Like `comparable`, but an integer differs from a float of the same value."""
    return (float, comparable(field)) if isinstance(field.value, float) else comparable(field)
