"""Field tables: nothing is lost between the wire and back, and nothing but MalformedValue is raised."""

import math
import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from amqpy.wire.values import (
    Field,
    MalformedValue,
    Table,
    array_field,
    as_erlang,
    canonical,
    comparable,
    decode_table,
    encode_field,
    encode_table,
    exactly,
    fields_of,
    find_entries,
    table_field,
    text,
    with_field,
)
from tests.strategies import INTEGERS, fields, keys, mangled, quiet_nans, tables

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
    (b"F\x00\x00\x00\x04\x01at\x01", table_field({"a": Field("bool", True)})),
    (b"A\x00\x00\x00\x03b\x01V", array_field([Field("byte", 1), Field("void", None)])),
    (b"F\x00\x00\x00\x00", table_field({})),
    (b"A\x00\x00\x00\x00", array_field([])),
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


def test_what_is_written_anew_has_the_types_that_rabbitmq_writes() -> None:
    """At any depth; all else stays as it is."""
    inner = b"\x01kL" + bytes(8) + b"\x01kt\xff"
    for depth in (0, 1, 3):
        deep = inner
        for _ in range(depth):
            deep = b"\x01tF" + struct.pack(">I", len(deep)) + deep
        assert canonical(deep) == deep.replace(b"kL", b"kl").replace(b"t\xff", b"t\x01")
        assert encode_table(decode_table(deep)) == canonical(deep)
    array = b"L" + b"L" * 8 + b"t\x02A" + struct.pack(">I", 11) + b"L" + b"t" * 8 + b"t\x03"
    assert (
        canonical(array, keyed=False)
        == b"l" + b"L" * 8 + b"t\x01A" + struct.pack(">I", 11) + b"l" + b"t" * 8 + b"t\x01"
    )


@given(tables.map(encode_table))
def test_most_tables_are_canonical_already(raw: bytes) -> None:
    assert canonical(raw) is raw


def test_two_forms_are_read_as_rabbitmq_reads_them() -> None:
    """`L` is one more name of a long, and every octet but 0 is true. What was received is not lost by that: headers
    are passed on as bytes."""
    assert decode_table(b"\x01kL" + b"\xff" * 8) == {"k": Field("long", -1)}
    assert decode_table(b"\x01kt\x02") == {"k": Field("bool", True)}


def test_the_first_of_several_values_of_a_key_counts_and_none_is_lost() -> None:
    raw = b"\x01kb\x01\x01jV\x01kb\x02\x01kt\x01"
    table = decode_table(raw)
    assert table == {"k": Field("byte", 1), "j": Field("void", None)}
    assert [(name, field.value) for name, field in fields_of(table)] == [("k", 1), ("j", None), ("k", 2), ("k", True)]
    assert encode_table(table) == raw
    assert encode_table(with_field(table, "k", Field("byte", 3))) == raw + b"\x01kb\x03"
    assert with_field(table, "k", Field("byte", 3))["k"] == Field("byte", 1)


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
@pytest.mark.parametrize("depth", [1, 65, 20_000])
def test_tables_nest_as_deep_as_they_like(tag: bytes, depth: int) -> None:
    raw = nested(depth, tag)
    table = decode_table(raw)
    assert encode_table(table) == raw
    assert hash(comparable(table[""])) == hash(comparable(decode_table(raw)[""]))
    shown = as_erlang(table[""])
    assert (shown.count("["), shown.count("]")) == (depth, depth)
    broken = raw[:-5] + b"Z" + raw[-4:]
    with pytest.raises(MalformedValue):
        decode_table(broken)


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
    assert comparable(array_field([Field("byte", 1)])) == comparable(array_field([Field("byte", 1)]))
    assert comparable(array_field([Field("byte", 1)])) != comparable(array_field([Field("short", 1)]))
    assert comparable(array_field([Field("byte", 1)])) != comparable(array_field([Field("byte", 1)] * 2))
    one, other = {"a": Field("byte", 1)}, {"b": Field("byte", 1)}
    assert comparable(table_field(one)) == comparable(table_field(dict(one)))
    assert comparable(table_field(one)) != comparable(table_field(other))
    assert comparable(table_field(one)) != comparable(table_field({"a": Field("short", 1)}))


def test_zero_is_zero_inside_tables_too() -> None:
    for kind in ("float", "double"):
        positive, negative = (array_field([Field(kind, zero)]) for zero in (0.0, -0.0))
        assert positive != negative, "as they are written"
        assert comparable(positive) == comparable(negative)
        assert comparable(array_field([Field(kind, -1.0)])) != comparable(array_field([Field(kind, 1.0)]))
    assert comparable(array_field([])) == comparable(table_field({})), "both are an empty list"
    assert comparable(array_field([Field("void", None)])) != comparable(table_field({}))


def test_what_is_no_number_is_equal_to_itself() -> None:
    """Else what is kept under it could not be found again."""
    for compared in (comparable, exactly):
        one, two = (compared(decode_table(b"\x00d" + struct.pack(">d", math.nan))[""]) for _ in range(2))
        assert one == two
        assert hash(one) == hash(two)
        assert one != compared(Field("double", math.inf))


SHOWN = [
    (array_field([]), "[]"),
    (table_field({}), "[]"),
    (array_field([Field("byte", 1), Field("void", None)]), "[{byte,1},{void,undefined}]"),
    (table_field({"a": Field("bool", True), "b": array_field([])}), '[{<<"a">>,bool,true},{<<"b">>,array,[]}]'),
    (
        array_field([array_field([table_field({"a": array_field([Field("long", 1)])})]), Field("longstr", "x")]),
        '[{array,[{table,[{<<"a">>,array,[{long,1}]}]}]},{longstr,<<"x">>}]',
    ),
    (array_field([array_field([]), array_field([array_field([])])]), "[{array,[]},{array,[{array,[]}]}]"),
]


@pytest.mark.parametrize(("field", "shown"), SHOWN)
def test_what_error_texts_say(field: Field, shown: str) -> None:
    assert as_erlang(field) == shown


@given(fields)
def test_everything_is_comparable(field: Field) -> None:
    again = decode_table(b"\x00" + encode_field(field))[""]
    assert hash(comparable(field)) == hash(comparable(again))
    assert comparable(field) == comparable(again)


@given(tables, st.lists(keys, max_size=3))
def test_some_entries_are_found_as_they_are(table: Table, others: list[str]) -> None:
    raw = encode_table(table)
    for names in ({*table}, {*list(table)[::2], *others}, set(others)):
        wanted = {name.encode("utf-8", "surrogateescape") for name in names}
        found = find_entries(raw, wanted)
        assert decode_table(b"".join(entry for _, entry in found)) == {
            name: field for name, field in decode_table(raw).items() if name in names
        }
