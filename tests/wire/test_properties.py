"""The properties of a message, held against pamqp and against arbitrary bytes."""

import struct
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp.commands import Basic

from amqpy.wire.properties import (
    NAMES,
    decode_properties,
    decode_property,
    headers_of,
    is_persistent,
    priority_of,
    replace_property,
    split_properties,
)
from amqpy.wire.values import Field, MalformedValue, Table, encode_table
from tests.strategies import any_text, mangled, tables

PROPERTIES: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(NAMES, any_text),
    "headers": tables,
    "delivery_mode": st.integers(0, 255) | st.just(2),
    "priority": st.integers(0, 255),
    "timestamp": st.integers(0, 2**64 - 1),
}


def content_header(flags: int, raw: bytes) -> bytes:
    return struct.pack(">HHQH", 60, 0, 0, flags) + raw


def encoded(properties: dict[str, Any]) -> bytes:
    """A content header, written by the specification: a flag from the top for each property, then their values."""
    flags, raw = 0, b""
    for place, name in enumerate(NAMES):
        if name not in properties:
            continue
        flags |= 0x8000 >> place
        value = properties[name]
        if name == "headers":
            table = encode_table(value)
            raw += struct.pack(">I", len(table)) + table
        elif name in {"delivery_mode", "priority"}:
            raw += bytes((value,))
        elif name == "timestamp":
            raw += struct.pack(">Q", value)
        else:
            value = value.encode("utf-8", "surrogateescape")
            raw += bytes((len(value),)) + value
    return content_header(flags, raw)


some_properties = st.fixed_dictionaries({}, optional=PROPERTIES)


@given(some_properties)
def test_properties_are_read_as_they_were_written(properties: dict[str, Any]) -> None:
    assert decode_properties(encoded(properties)) == properties
    assert headers_of(encoded(properties)) == properties.get("headers", {})


@given(some_properties)
def test_what_is_read_by_hand_is_what_is_there(properties: dict[str, Any]) -> None:
    header = encoded(properties)
    assert is_persistent(header) == (properties.get("delivery_mode") == 2)
    assert priority_of(header) == properties.get("priority", 0)


def test_properties_are_those_of_pamqp() -> None:
    properties = Basic.Properties(
        content_type="text/plain",
        content_encoding="gzip",
        headers={"a": "b", "n": 70_000},
        delivery_mode=2,
        priority=9,
        correlation_id="correlation",
        reply_to="reply",
        expiration="1000",
        message_id="message",
        timestamp=datetime.fromtimestamp(1_700_000_000, UTC),
        message_type="type",
        user_id="guest",
        app_id="app",
    )
    assert decode_properties(b"\x00\x3c" + bytes(10) + properties.marshal()) == {
        "content_type": "text/plain",
        "content_encoding": "gzip",
        "headers": {"a": Field("longstr", "b"), "n": Field("signedint", 70_000)},
        "delivery_mode": 2,
        "priority": 9,
        "correlation_id": "correlation",
        "reply_to": "reply",
        "expiration": "1000",
        "message_id": "message",
        "timestamp": 1_700_000_000,
        "type": "type",
        "user_id": "guest",
        "app_id": "app",
    }


def test_a_message_need_not_have_properties() -> None:
    assert decode_properties(content_header(0, b"")) == {}
    assert headers_of(content_header(0, b"")) == {}


@pytest.mark.parametrize(
    ("flags", "raw", "error"),
    [
        (0x8000, b"", "truncated properties"),
        (0x8000, b"\x02a", "truncated properties"),
        (0x8000, b"\x01ab", "octets after the properties"),
        (0x0000, b"\x00", "octets after the properties"),
        (0x1000, b"", "truncated properties"),
        (0x0040, bytes(7), "truncated properties"),
        (0x2000, b"\x00\x00\x00", "truncated properties"),
        (0x2000, b"\x00\x00\x00\x01", "truncated properties"),
        (0x2000, b"\x00\x00\x00\x02\x01k", "truncated table"),
    ],
)
def test_malformed_properties(flags: int, raw: bytes, error: str) -> None:
    with pytest.raises(MalformedValue, match=error):
        decode_properties(content_header(flags, raw))


def test_flags_of_no_property_mean_nothing() -> None:
    assert decode_properties(content_header(0x8003, b"\x01a")) == {"content_type": "a"}


def test_a_header_without_flags_is_malformed() -> None:
    with pytest.raises(MalformedValue):
        decode_properties(content_header(0, b"")[:-1])


@given(some_properties, st.data())
def test_a_property_is_replaced_and_the_others_are_kept(properties: dict[str, Any], data: st.DataObject) -> None:
    header = encoded(properties)
    name = data.draw(st.sampled_from(NAMES))
    replacement = {name: data.draw(PROPERTIES[name])}
    raw = encoded(replacement)[14:]
    assert replace_property(header, name, raw) == encoded(properties | replacement)


@given(some_properties.map(encoded).flatmap(mangled) | st.binary(max_size=60))
def test_any_bytes_are_properties_or_malformed(header: bytes) -> None:
    try:
        properties = decode_properties(header)
    except MalformedValue:
        return
    assert encoded(decode_properties(encoded(properties))) == encoded(properties)


@given(tables)
def test_headers_alone_are_found(table: Table) -> None:
    assert headers_of(encoded({"headers": table})) == table


@given(some_properties)
def test_one_by_one(properties: dict[str, Any]) -> None:
    header = encoded(properties)
    found = {name: decode_property(name, raw) for name, raw in split_properties(header).items() if name != "headers"}
    assert found == {name: value for name, value in decode_properties(header).items() if name != "headers"}
