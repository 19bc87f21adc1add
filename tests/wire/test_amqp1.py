"""Values of AMQP 1.0: bytes by the specification, round trips, and arbitrary bytes."""

import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amqpy.wire import amqp1
from amqpy.wire.amqp1 import Value, end_of, items_of, pairs_of, read_value
from amqpy.wire.values import MalformedValue


@pytest.mark.parametrize(
    ("encoded", "expected"),
    [
        ("40", Value("null", None)),
        ("41", Value("boolean", True)),
        ("42", Value("boolean", False)),
        ("5600", Value("boolean", False)),
        ("43", Value("uint", 0)),
        ("5207", Value("uint", 7)),
        ("700000ea60", Value("uint", 60000)),
        ("44", Value("ulong", 0)),
        ("53ff", Value("ulong", 255)),
        ("80ffffffffffffffff", Value("ulong", 2**64 - 1)),
        ("5007", Value("ubyte", 7)),
        ("51ff", Value("byte", -1)),
        ("61ffff", Value("short", -1)),
        ("60ffff", Value("ushort", 65535)),
        ("54ff", Value("int", -1)),
        ("71ffffff00", Value("int", -256)),
        ("5580", Value("long", -128)),
        ("81ffffffffffffff00", Value("long", -256)),
        ("723f800000", Value("float", 1.0)),
        ("82bff0000000000000", Value("double", -1.0)),
        ("830000018bcfe56800", Value("timestamp", 1_700_000_000_000)),
        ("98" + "0123456789abcdef" * 2, Value("uuid", bytes.fromhex("0123456789abcdef" * 2))),
        ("a0026869", Value("binary", b"hi")),
        ("b0000000026869", Value("binary", b"hi")),
        ("a1026869", Value("string", b"hi")),
        ("b1000000026869", Value("string", b"hi")),
        ("a3026869", Value("symbol", b"hi")),
        ("45", Value("list", b"\x45")),
        ("c0020140", Value("list", bytes.fromhex("c0020140"))),
        ("c10100", Value("map", bytes.fromhex("c10100"))),
        ("e0020140", Value("array", bytes.fromhex("e0020140"))),
        ("7300000041", Value("other", 0x73)),
        ("74" + "00" * 4, Value("other", 0x74)),
        ("005370" + "45", Value("other", 0)),
    ],
)
def test_what_is_read(encoded: str, expected: Value) -> None:
    raw = bytes.fromhex(encoded)
    assert read_value(raw, 0) == (expected, len(raw))
    assert read_value(b"\x40" + raw + b"\x40", 1) == (expected, 1 + len(raw))
    for end in range(len(raw)):
        with pytest.raises(MalformedValue):
            read_value(raw[:end], 0)


@pytest.mark.parametrize(
    ("encoded", "expected"),
    [
        (amqp1.uint(0), "43"),
        (amqp1.uint(255), "52ff"),
        (amqp1.uint(256), "7000000100"),
        (amqp1.timestamp(1_700_000_000_000), "830000018bcfe56800"),
        (amqp1.number("boolean", True), "5601"),
        (amqp1.number("int", -128), "5480"),
        (amqp1.number("int", 128), "7100000080"),
        (amqp1.number("long", 127), "557f"),
        (amqp1.number("long", -129), "81ffffffffffffff7f"),
        (amqp1.symbol(b"x"), "a30178"),
        (amqp1.list_of([]), "45"),
        (amqp1.list_of([b"\x40"]), "c0020140"),
        (amqp1.map_of([]), "c10100"),
    ],
)
def test_the_smallest_form_is_written(encoded: bytes, expected: str) -> None:
    assert encoded.hex() == expected


@given(st.integers(0, 300) | st.integers(250, 260))
def test_sizes_of_one_octet_and_of_four(size: int) -> None:
    raw = bytes(size)
    for write in (amqp1.string, amqp1.symbol, amqp1.binary):
        encoded = write(raw)
        assert len(encoded) == size + (2 if size < 256 else 5)
        assert read_value(encoded, 0) == (Value(write.__name__, raw), len(encoded))
    nulls = [b"\x40"] * size
    for write_all in (amqp1.list_of, amqp1.map_of):
        encoded = write_all(nulls)
        assert [each.kind for each in items_of(encoded)] == ["null"] * size


@given(st.binary(max_size=60), st.integers(0, 60))
def test_arbitrary_bytes(raw: bytes, position: int) -> None:
    """They are a value or refused, and a value never ends behind them."""
    try:
        value, end = read_value(raw, position)
    except MalformedValue:
        return
    assert position < end <= len(raw)
    assert end_of(raw, position) == end
    if value.kind in {"list", "map", "array"}:
        for read in (items_of, pairs_of):
            with suppress(MalformedValue):
                list(read(value.value))


def test_a_map_has_pairs() -> None:
    pair = amqp1.map_of([amqp1.string(b"k"), b"\x41"])
    assert list(pairs_of(pair)) == [(Value("string", b"k"), Value("boolean", True))]
    for other in (amqp1.list_of([b"\x40", b"\x40"]), bytes.fromhex("c1020140")):
        with pytest.raises(MalformedValue):
            list(pairs_of(other))


def test_described_values_inside_each_other_take_no_recursion() -> None:
    depth = 100_000
    raw = bytes(depth) + b"\x40" * (depth + 1)
    assert end_of(raw, 0) == len(raw)


def test_a_count_beyond_the_content_is_refused_before_it_is_walked() -> None:
    with pytest.raises(MalformedValue):
        list(items_of(b"\xd0" + struct.pack(">II", 5, 2**32 - 1) + b"\x40"))
