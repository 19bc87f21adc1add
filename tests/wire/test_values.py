"""Field tables: nothing is lost between the wire and back, and nothing but MalformedValue is raised."""

import math
import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from amqpy.wire.values import (
    DEPTH_MAX,
    Field,
    MalformedValue,
    Table,
    comparable,
    decode_table,
    encode_field,
    encode_table,
    text,
)
from tests.strategies import INTEGERS, fields, mangled, quiet_nans, tables

EXAMPLES = [
    (b"b\x80", Field("byte", -128)),
    (b"B\xff", Field("unsignedbyte", 255)),
    (b"s\x80\x00", Field("short", -32768)),
    (b"u\xff\xff", Field("unsignedshort", 65535)),
    (b"I\xff\xff\xff\xfe", Field("signedint", -2)),
    (b"i\xff\xff\xff\xfe", Field("unsignedint", 4294967294)),
    (b"l\x80\x00\x00\x00\x00\x00\x00\x01", Field("long", -(2**63) + 1)),
    (b"f\x3f\xc0\x00\x00", Field("float", 1.5)),
    (b"d\x7e\x37\xe4\x3c\x88\x00\x75\x9c", Field("double", 1e300)),
    (b"T\x00\x00\x00\x00\x65\x53\xf1\x00", Field("timestamp", 1_700_000_000)),
    (b"t\x01", Field("bool", True)),
    (b"t\x00", Field("bool", False)),
    (b"V", Field("void", None)),
    (b"D\x02\x00\x00\x01\x3a", Field("decimal", (2, 314))),
    (b"S\x00\x00\x00\x03gr\xfc", Field("longstr", "gr\udcfc")),
    (b"S\x00\x00\x00\x04gr\xc3\xbc", Field("longstr", "grü")),
    (b"x\x00\x00\x00\x02\x00\xff", Field("binary", b"\x00\xff")),
    (b"F\x00\x00\x00\x04\x01at\x01", Field("table", {"a": Field("bool", True)})),
    (b"A\x00\x00\x00\x03b\x01V", Field("array", [Field("byte", 1), Field("void", None)])),
    (b"F\x00\x00\x00\x00", Field("table", {})),
    (b"A\x00\x00\x00\x00", Field("array", [])),
]


@pytest.mark.parametrize(("raw", "field"), EXAMPLES)
def test_every_type_has_one_form_on_the_wire(raw: bytes, field: Field) -> None:
    assert decode_table(b"\x01k" + raw) == {"k": field}
    assert encode_field(field) == raw
    assert encode_table({"k": field}) == b"\x01k" + raw


@given(tables)
def test_a_table_survives_the_way_through_bytes(table: Table) -> None:
    raw = encode_table(table)
    decoded = decode_table(raw)
    assert decoded == table
    assert list(decoded) == list(table), "in the same order"
    assert encode_table(decoded) == raw


@given(st.binary(max_size=4), st.binary(max_size=300), st.binary(max_size=4))
def test_any_bytes_are_text_without_loss(start: bytes, middle: bytes, end: bytes) -> None:
    raw = start + middle + end
    assert text(raw).encode("utf-8", "surrogateescape") == raw


@pytest.mark.parametrize("raw", [b"\xed\xa0\x80", b"\xed\xb3\xbf", b"\xc0\x80", b"\xf4\x90\x80\x80", b"\xff"])
def test_bytes_that_almost_are_utf8_are_kept(raw: bytes) -> None:
    table = bytes((len(raw),)) + raw + b"S" + struct.pack(">I", len(raw)) + raw
    assert encode_table(decode_table(table)) == table


@given(quiet_nans(11, 52), quiet_nans(8, 23))
def test_not_a_number_keeps_its_payload(double: bytes, single: bytes) -> None:
    raw = b"\x01dd" + double + b"\x01ff" + single
    table = decode_table(raw)
    assert math.isnan(table["d"].value)
    assert encode_table(table) == raw


def test_two_forms_are_read_as_rabbitmq_reads_them() -> None:
    """`L` is one more name of a long, and every octet but 0 is true. What was received is not lost by that: headers
    are passed on as bytes."""
    assert decode_table(b"\x01kL" + b"\xff" * 8) == {"k": Field("long", -1)}
    assert decode_table(b"\x01kt\x02") == {"k": Field("bool", True)}


def test_the_first_of_two_values_of_a_key_counts() -> None:
    assert decode_table(b"\x01kb\x01\x01kb\x02") == {"k": Field("byte", 1)}


def test_empty_and_longest_keys() -> None:
    raw = b"\x00V" + b"\xff" + b"k" * 255 + b"V"
    assert encode_table(decode_table(raw)) == raw


# --- depth


def nested(depth: int, tag: bytes) -> bytes:
    """A table whose value is `depth` tables or arrays deep."""
    raw = tag + struct.pack(">I", 0)
    for _ in range(depth - 1):
        inner = raw if tag == b"A" else b"\x00" + raw
        raw = tag + struct.pack(">I", len(inner)) + inner
    return b"\x00" + raw


@pytest.mark.parametrize("tag", [b"A", b"F"])
def test_tables_nest_up_to_a_limit(tag: bytes) -> None:
    raw = nested(DEPTH_MAX, tag)
    table = decode_table(raw)
    assert encode_table(table) == raw
    assert hash(comparable(table[""])) == hash(comparable(decode_table(raw)[""]))
    with pytest.raises(MalformedValue, match="nested too deeply"):
        decode_table(nested(DEPTH_MAX + 1, tag))
    with pytest.raises(MalformedValue, match="nested too deeply"):
        decode_table(nested(1000, tag))


# --- malformed


@pytest.mark.parametrize(
    "raw",
    [
        b"\x01",
        b"\x01k",
        b"\x05k",
        b"\x01kb",
        b"\x01kl\x00",
        b"\x01kD\x00\x00",
        b"\x01kS\x00\x00\x00",
        b"\x01kS\x00\x00\x00\x02a",
        b"\x01kA\x00\x00\x00\x02S\x00",
        b"\x01kF\x00\x00\x00\x01\x00",
        b"\x01kZ\x00\x00\x00\x00",
        b"\x01k\x00",
        b"\x01kS\xff\xff\xff\xff",
    ],
)
def test_malformed_tables(raw: bytes) -> None:
    with pytest.raises(MalformedValue):
        decode_table(raw)


@given(st.binary(max_size=60) | tables.map(encode_table).flatmap(mangled))
@example(b"")
def test_any_bytes_are_a_table_or_malformed(raw: bytes) -> None:
    try:
        table = decode_table(raw)
    except MalformedValue:
        return
    assert encode_table(decode_table(encode_table(table))) == encode_table(table)


@given(tables.map(encode_table), st.data())
def test_no_beginning_of_a_field_is_a_table(raw: bytes, data: st.DataObject) -> None:
    """A cut is noticed wherever it is, unless it falls between two fields."""
    cut = data.draw(st.integers(0, len(raw)))
    table = decode_table(raw)
    ends = {len(encode_table(dict(list(table.items())[:count]))) for count in range(len(table) + 1)}
    if cut in ends:
        assert encode_table(decode_table(raw[:cut])) == raw[:cut]
    else:
        with pytest.raises(MalformedValue):
            decode_table(raw[:cut])


# --- comparing


@pytest.mark.parametrize("kind", INTEGERS)
def test_whole_numbers_of_every_width_are_equal(kind: str) -> None:
    assert comparable(Field(kind, 1)) == comparable(Field("signedint", 1))
    assert comparable(Field(kind, 1)) == comparable(Field("double", 1.0)), "as Erlang's == has it"
    assert comparable(Field(kind, 1)) != comparable(Field(kind, 2))
    assert comparable(Field(kind, 1)) != comparable(Field("longstr", "1"))
    assert comparable(Field(kind, 1)) != comparable(Field("bool", True))
    assert comparable(Field(kind, 0)) != comparable(Field("bool", False))
    assert comparable(Field(kind, 0)) != comparable(Field("void", None))


def test_strings_are_equal_by_their_bytes() -> None:
    assert comparable(Field("longstr", "grü")) == comparable(Field("binary", "grü".encode()))
    assert comparable(Field("longstr", "gr\udcfc")) == comparable(Field("binary", b"gr\xfc"))
    assert comparable(Field("longstr", "a")) != comparable(Field("longstr", "A"))
    assert comparable(Field("longstr", "")) != comparable(Field("void", None))


def test_inside_tables_and_arrays_types_count() -> None:
    assert comparable(Field("array", [Field("byte", 1)])) == comparable(Field("array", [Field("byte", 1)]))
    assert comparable(Field("array", [Field("byte", 1)])) != comparable(Field("array", [Field("short", 1)]))
    assert comparable(Field("array", [Field("byte", 1)])) != comparable(Field("array", [Field("byte", 1)] * 2))
    one, other = {"a": Field("byte", 1)}, {"b": Field("byte", 1)}
    assert comparable(Field("table", one)) == comparable(Field("table", dict(one)))
    assert comparable(Field("table", one)) != comparable(Field("table", other))
    assert comparable(Field("table", one)) != comparable(Field("table", {"a": Field("short", 1)}))


@given(fields)
def test_everything_is_comparable(field: Field) -> None:
    again = decode_table(b"\x00" + encode_field(field))[""]
    assert hash(comparable(field)) == hash(comparable(again))
    assert comparable(field) == comparable(again)
