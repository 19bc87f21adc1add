"""`check_properties` accepts exactly what `decode_properties` can read."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from amqpy.wire.properties import check_properties, decode_properties
from amqpy.wire.values import MalformedValue

_FIELDS = st.sampled_from(
    [b"\x01kV", b"\x01kt\x01", b"\x01kI\x00\x00\x00\x01", b"\x01kS\x00\x00\x00\x02hi", b"\x01kA\x00\x00\x00\x01V"]
)
_TABLES = st.lists(_FIELDS, max_size=4).map(b"".join)


def _header(flags: int, rest: bytes) -> bytes:
    return b"\x00\x3c" + bytes(10) + flags.to_bytes(2, "big") + rest


def _readable(header: bytes) -> bool:
    try:
        decode_properties(header)
    except MalformedValue:
        return False
    return True


def _accepted(header: bytes) -> bool:
    try:
        check_properties(header)
    except (MalformedValue, IndexError):
        return False
    return True


@given(st.integers(0, 0xFFFF), st.binary(max_size=60))
@example(0, b"")
def test_any_bytes(flags: int, rest: bytes) -> None:
    assert _accepted(_header(flags, rest)) == _readable(_header(flags, rest))


@given(_TABLES, st.data())
def test_tables_with_one_byte_changed(table: bytes, data: st.DataObject) -> None:
    raw = bytearray(len(table).to_bytes(4, "big") + table)
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] = data.draw(st.integers(0, 255))
    header = _header(0x2000, bytes(raw))
    assert _accepted(header) == _readable(header)


@given(_TABLES)
def test_good_tables(table: bytes) -> None:
    assert _accepted(_header(0x2000, len(table).to_bytes(4, "big") + table))


@pytest.mark.parametrize("depth", [64, 65, 20_000])
@pytest.mark.parametrize("innermost", [b"", b"\x01kV", b"\x01kZ", b"\x01k", b"\x01kS\x00\x00\x00\x01"])
def test_tables_in_tables(depth: int, innermost: bytes) -> None:
    table = innermost
    for _ in range(depth):
        table = b"\x01kF" + len(table).to_bytes(4, "big") + table
    header = _header(0x2000, len(table).to_bytes(4, "big") + table)
    assert _accepted(header) == _readable(header) == (innermost in {b"", b"\x01kV"})


@pytest.mark.parametrize("beyond", [1, 2, 7, 100])
def test_tables_that_claim_more_than_the_one_around_them_has(beyond: int) -> None:
    table = b"\x01kA\x00\x00\x00" + bytes((3 + beyond,)) + b"b\x01V"
    header = _header(0x2008, len(table).to_bytes(4, "big") + table + bytes((beyond,)) + b"V" * beyond)
    assert not _accepted(header)
    assert not _readable(header)
