"""Values of AMQP 1.0 as those of AMQP 0-9-1."""

# ruff: noqa: SLF001 (each value by itself, without a message around it)

from uuid import UUID

import pytest

from amqpy.wire import section_reader
from amqpy.wire.amqp1 import Value
from amqpy.wire.sections import DEPTH_MAX

UUID_TEXT = "550e8400-e29b-41d4-a716-446655440000"


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        (Value("null", None), b"V"),
        (Value("boolean", True), b"t\1"),
        (Value("ubyte", 255), b"B\xff"),
        (Value("byte", -1), b"b\xff"),
        (Value("ushort", 258), b"u\1\2"),
        (Value("short", -2), b"s\xff\xfe"),
        (Value("uint", 1), b"i\0\0\0\1"),
        (Value("int", -1), b"I\xff\xff\xff\xff"),
        (Value("long", 1), b"l" + bytes(7) + b"\1"),
        (Value("ulong", 1), b"l" + bytes(7) + b"\1"),
        (Value("ulong", 1 << 63), b"S\0\0\0\x139223372036854775808"),
        (Value("timestamp", 1999), b"T" + bytes(7) + b"\1"),
        (Value("timestamp", -5), b"T" + bytes(8)),
        (Value("string", b"a"), b"S\0\0\0\1a"),
        (Value("symbol", b"a"), b"S\0\0\0\1a"),
        (Value("uuid", UUID(UUID_TEXT).bytes), b"S\0\0\0\x2d" + f"urn:uuid:{UUID_TEXT}".encode()),
        (Value("decimal128", b""), None),
    ],
)
def test_single_values(value: Value, encoded: bytes | None) -> None:
    assert section_reader._encoded(value, is_modern=True) == encoded


def test_binaries_became_texts() -> None:
    found = [section_reader._encoded(Value("binary", b"a"), is_modern=is_modern) for is_modern in (False, True)]
    assert found == [b"x\0\0\0\1a", b"S\0\0\0\1a"]


@pytest.mark.parametrize("kind", ["list", "map"])
def test_what_is_too_deep_is_left_out(kind: str) -> None:
    value = Value(kind, b"")
    assert section_reader._encoded(value, DEPTH_MAX, is_modern=True) is None


@pytest.mark.parametrize(
    ("raw", "decoded"),
    [(b"", b""), (b"a%20b%2Fc", b"a b/c"), (b"100%", b"100%"), (b"%zz", b"%zz"), (b"%\xff\xff", b"%\xff\xff")],
)
def test_addresses_are_percent_encoded(raw: bytes, decoded: bytes) -> None:
    assert section_reader._percent_decoded(raw) == decoded
