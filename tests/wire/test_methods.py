"""Methods, held against pamqp wherever pamqp can say them, and against arbitrary bytes."""

import struct
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pamqp.commands import INDEX_MAPPING

from amqpy.errors import AmqpFault, FrameFault, SyntaxFault, erlang_text
from amqpy.wire.methods import (
    AMQP_0_9_1,
    Basic,
    Channel,
    Connection,
    Method,
    Queue,
    method_name,
    shortstr,
    table_of,
)
from amqpy.wire.values import Field, decode_array, decode_table
from tests.strategies import mangled, names, tables

few_examples = settings(max_examples=6)
"""Enough for tests that every single method runs."""

METHODS: list[type[Method]] = list(INDEX_MAPPING.values())
TOLD: dict[str, st.SearchStrategy[Any]] = {
    "bit": st.booleans(),
    "octet": st.integers(0, 2**8 - 1),
    "short": st.integers(0, 2**16 - 1),
    "long": st.integers(0, 2**32 - 1),
    "longlong": st.integers(0, 2**63 - 1),
    "shortstr": names,
    "longstr": names.map(str.encode),
    "table": tables,
}
"""What the fields of each wire type may be."""

PAMQP_TABLES = st.dictionaries(
    st.text(st.characters(codec="utf-8"), max_size=10),
    st.recursive(
        st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(st.characters(codec="utf-8")) | st.none(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.text(st.characters(codec="ascii"), max_size=5), inner, max_size=3)
        ),
        max_leaves=6,
    ),
    max_size=4,
)
"""Values that pamqp writes without loss."""


def plain(value: object) -> object:
    """A decoded value without its types."""
    match value:
        case Field("table", bytes(content)):
            return plain(decode_table(content))
        case Field("array", bytes(content)):
            return plain(decode_array(content))
        case Field():
            return value.value
        case dict():
            return {key: plain(item) for key, item in value.items()}
        case list():
            return [plain(item) for item in value]
    return value


def unchecked(method: type[Method]) -> type[Method]:
    """pamqp's class without its own rules for what a client may say."""
    return cast("type[Method]", type(method.__name__, (method,), {"validate": lambda self: None}))


def values_for(data: st.DataObject, method: type[Method], told: dict[str, st.SearchStrategy[Any]]) -> dict[str, Any]:
    return {name: data.draw(told[method.amqp_type(name)], label=name) for name in method.attributes()}


def payload_of(frame: bytes, channel: int) -> bytes:
    kind, number, size = struct.unpack_from(">BHI", frame)
    assert (kind, number, size, frame[-1:]) == (1, channel, len(frame) - 8, b"\xce")
    return frame[7:-1]


@pytest.mark.parametrize("method", METHODS, ids=method_name)
@few_examples
@given(data=st.data())
def test_methods_survive_the_way_through_bytes(method: type[Method], data: st.DataObject) -> None:
    values = values_for(data, method, TOLD)
    channel = data.draw(st.integers(0, 65535))
    payload = payload_of(AMQP_0_9_1.encode(channel, method, *values.values()), channel)
    assert payload[:4] == struct.pack(">HH", *AMQP_0_9_1.id_of(method))
    decoded = AMQP_0_9_1.decode(method, payload)
    assert type(decoded) is method
    assert {name: getattr(decoded, name) for name in method.attributes()} == values


@pytest.mark.parametrize("method", METHODS, ids=method_name)
@few_examples
@given(data=st.data())
def test_we_read_what_pamqp_writes(method: type[Method], data: st.DataObject) -> None:
    values = values_for(data, method, TOLD | {"longstr": names, "table": PAMQP_TABLES})
    theirs = unchecked(method).__new__(unchecked(method))
    for name, value in values.items():
        setattr(theirs, name, value)
    ours = AMQP_0_9_1.decode(method, struct.pack(">I", method.index) + theirs.marshal())
    for name, value in values.items():
        got = plain(getattr(ours, name))
        assert (got.decode() if isinstance(got, bytes) else got) == value


@pytest.mark.parametrize("method", METHODS, ids=method_name)
@few_examples
@given(data=st.data())
def test_pamqp_reads_what_we_write(method: type[Method], data: st.DataObject) -> None:
    simple = st.dictionaries(
        names.filter(lambda name: len(name.encode()) < 128),
        st.text(st.characters(codec="utf-8")).map(lambda value: Field("longstr", value))
        | st.booleans().map(lambda value: Field("bool", value))
        | st.integers(-(2**31), 2**31 - 1).map(lambda value: Field("signedint", value)),
        max_size=3,
    )
    values = values_for(data, method, TOLD | {"table": simple})
    payload = payload_of(AMQP_0_9_1.encode(1, method, *values.values()), 1)
    theirs = method.__new__(method)
    theirs.unmarshal(payload[4:])
    for name, value in values.items():
        got = getattr(theirs, name)
        assert (got.encode() if isinstance(value, bytes) else got) == plain(value)


@given(st.sampled_from(METHODS), st.data())
def test_any_payload_is_a_method_or_a_fault(method: type[Method], data: st.DataObject) -> None:
    values = values_for(data, method, TOLD)
    good = payload_of(AMQP_0_9_1.encode(0, method, *values.values()), 0)
    payload = good[:4] + data.draw(mangled(good[4:]) | st.binary(max_size=40), label="fields")
    try:
        decoded = AMQP_0_9_1.decode(method, payload)
    except (SyntaxFault, FrameFault):
        return
    for name in method.attributes():
        assert hasattr(decoded, name)


@given(st.sampled_from([each for each in METHODS if each.attributes()]), st.data())
def test_a_payload_that_ends_too_early_is_a_frame_error(method: type[Method], data: st.DataObject) -> None:
    values = values_for(data, method, TOLD | {"shortstr": st.text("abc")})
    payload = payload_of(AMQP_0_9_1.encode(0, method, *values.values()), 0)
    cut = data.draw(st.integers(4, len(payload) - 1))
    with pytest.raises(FrameFault) as caught:
        AMQP_0_9_1.decode(method, payload[:cut])
    assert caught.value.reply_text == f"FRAME_ERROR - cannot decode {erlang_text(payload[4:cut])}"


# --- by example


def test_a_method_on_the_wire() -> None:
    frame = AMQP_0_9_1.encode(1, Queue.DeclareOk, "grün", 3, 4)
    assert frame == (b"\x01\x00\x01\x00\x00\x00\x12\x00\x32\x00\x0b\x05gr\xc3\xbcn\x00\x00\x00\x03\x00\x00\x00\x04\xce")


def test_bits_that_follow_each_other_share_an_octet() -> None:
    decoded: Any = AMQP_0_9_1.decode(Queue.Declare, b"\x00\x32\x00\x0a\x00\x00\x01q\x15\x00\x00\x00\x00")
    bits = (decoded.passive, decoded.durable, decoded.exclusive, decoded.auto_delete, decoded.nowait)
    assert bits == (True, False, True, False, True)
    frame = AMQP_0_9_1.encode(0, Queue.Declare, 0, "q", True, False, True, False, True, {})
    assert frame[7:-1] == b"\x00\x32\x00\x0a\x00\x00\x01q\x15\x00\x00\x00\x00"


def test_octets_after_the_last_field_are_refused() -> None:
    with pytest.raises(FrameFault) as caught:
        AMQP_0_9_1.decode(Channel.Flow, b"\x00\x14\x00\x14\x01\xff\xff")
    assert caught.value.reply_text == "FRAME_ERROR - cannot decode <<1,255,255>>"


def test_a_table_that_is_none_is_a_syntax_error() -> None:
    with pytest.raises(SyntaxFault) as caught:
        AMQP_0_9_1.decode(Queue.Declare, b"\x00\x32\x00\x0a\x00\x00\x01q\x00\x00\x00\x00\x02\x01k")
    assert caught.value.reply_text == "SYNTAX_ERROR - cannot decode queue.declare"


def test_a_table_keeps_its_types() -> None:
    arguments = b"\x05x-ttll\x00\x00\x00\x00\x00\x00\x00\x05"
    payload = b"\x00\x32\x00\x0a\x00\x00\x01q\x00" + struct.pack(">I", len(arguments)) + arguments
    decoded: Any = AMQP_0_9_1.decode(Queue.Declare, payload)
    assert table_of(decoded.arguments) == {"x-ttl": Field("long", 5)}


def test_names_that_are_not_utf8_are_refused() -> None:
    with pytest.raises(FrameFault) as caught:
        AMQP_0_9_1.decode(Basic.Cancel, b"\x00\x3c\x00\x1e\x01\xff\x00")
    assert caught.value.reply_text == "FRAME_ERROR - Malformed UTF-8 in shortstr"
    assert isinstance(caught.value, AmqpFault)


def test_long_strings_need_not_be_text() -> None:
    decoded: Any = AMQP_0_9_1.decode(Connection.SecureOk, b"\x00\x0a\x00\x15\x00\x00\x00\x02\x00\xff")
    assert decoded.response == b"\x00\xff"


@pytest.mark.parametrize(
    ("value", "raw"),
    [
        ("", b"\x00"),
        ("grün", b"\x05gr\xc3\xbcn"),
        ("a" * 255, b"\xff" + b"a" * 255),
        ("a" * 256, b"\xff" + b"a" * 252 + b"..."),
        ("\udcff", b"\x01\xff"),
    ],
)
def test_short_strings_are_cut_as_rabbitmq_cuts_them(value: str, raw: bytes) -> None:
    assert shortstr(value) == raw


def test_method_names_and_ids() -> None:
    assert method_name(Queue.DeclareOk) == "queue.declare-ok"
    assert method_name(Basic.RecoverAsync) == "basic.recover-async"
    assert AMQP_0_9_1.id_of(Queue.DeclareOk) == (50, 11)
    assert AMQP_0_9_1.find(struct.pack(">HH", 50, 11)) is Queue.DeclareOk
    assert AMQP_0_9_1.find(struct.pack(">HH", 50, 12)) is None
    assert AMQP_0_9_1.find(struct.pack(">HH", 0, 0)) is None
