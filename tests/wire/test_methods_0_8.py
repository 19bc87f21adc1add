"""AMQP 0-8's table of methods, held against 0-9-1's and against arbitrary bytes."""

import contextlib
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amqpy.errors import FrameFault, SyntaxFault
from amqpy.wire.methods import (
    ABSENT,
    AMQP_0_9_1,
    Access,
    Basic,
    Channel,
    Confirm,
    Connection,
    Exchange,
    Method,
    method_name,
)
from amqpy.wire.methods_0_8 import AMQP_0_8
from tests.strategies import mangled

from .test_methods import TOLD, few_examples, payload_of

METHODS = list(AMQP_0_8)
ONLY_IN_0_9_1 = {
    "basic.nack",
    "confirm.select",
    "confirm.select-ok",
    "connection.blocked",
    "connection.unblocked",
    "connection.update-secret",
    "connection.update-secret-ok",
    "exchange.bind",
    "exchange.bind-ok",
    "exchange.unbind",
    "exchange.unbind-ok",
}


def told(data: st.DataObject, method: type[Method]) -> dict[str, Any]:
    """A value for each field, as it is read again: what is absent is an empty table."""
    kinds = dict(AMQP_0_8.fields_of(method))
    return {name: {} if kind == ABSENT else data.draw(TOLD[kind], label=name) for name, kind in kinds.items()}


@pytest.mark.parametrize("method", METHODS, ids=method_name)
@few_examples
@given(data=st.data())
def test_methods_survive_the_way_through_bytes(method: type[Method], data: st.DataObject) -> None:
    values = told(data, method)
    payload = payload_of(AMQP_0_8.encode(1, method, *values.values()), 1)
    assert payload[:4] == struct.pack(">HH", *AMQP_0_8.id_of(method))
    assert AMQP_0_8.find(payload) is method
    decoded = AMQP_0_8.decode(method, payload)
    assert {name: getattr(decoded, name) for name in method.attributes()} == values


@pytest.mark.parametrize("method", METHODS, ids=method_name)
@few_examples
@given(data=st.data())
def test_a_method_that_is_cut_or_too_long_is_a_frame_error(method: type[Method], data: st.DataObject) -> None:
    payload = payload_of(AMQP_0_8.encode(1, method, *told(data, method).values()), 1)
    cut = data.draw(st.integers(4, max(len(payload) - 1, 4)))
    for wrong in (payload[:cut], payload + b"\0"):
        if wrong != payload:
            with pytest.raises(FrameFault):
                AMQP_0_8.decode(method, wrong)


@pytest.mark.parametrize("method", METHODS, ids=method_name)
@few_examples
@given(data=st.data())
def test_a_mangled_method_is_read_or_refused(method: type[Method], data: st.DataObject) -> None:
    payload = data.draw(mangled(payload_of(AMQP_0_8.encode(1, method, *told(data, method).values()), 1)))
    with contextlib.suppress(FrameFault, SyntaxFault):
        AMQP_0_8.decode(method, payload)


def test_closing_a_connection_has_other_numbers() -> None:
    close = AMQP_0_8.encode(0, Connection.Close, 320, "bye", 0, 0)
    assert close == b"\x01\0\0\0\0\0\x0e\0\x0a\0\x3c\x01\x40\x03bye\0\0\0\0\xce"
    assert AMQP_0_8.encode(0, Connection.CloseOk) == b"\x01\0\0\0\0\0\x04\0\x0a\0\x3d\xce"
    assert AMQP_0_8.id_of(Connection.Close) == (10, 60)
    assert AMQP_0_9_1.id_of(Connection.Close) == (10, 50)


def test_channel_open_ok_is_empty() -> None:
    assert AMQP_0_8.encode(1, Channel.OpenOk, b"") == b"\x01\0\x01\0\0\0\x04\0\x14\0\x0b\xce"


def test_consume_has_no_arguments() -> None:
    payload = b"\0\x3c\0\x14\0\0\x01q\x01c\x0a"
    decoded: Any = AMQP_0_8.decode(Basic.Consume, payload)
    assert (decoded.queue, decoded.consumer_tag, decoded.no_local, decoded.no_ack) == ("q", "c", False, True)
    assert (decoded.exclusive, decoded.nowait, decoded.arguments) == (False, True, {})
    with pytest.raises(FrameFault):
        AMQP_0_8.decode(Basic.Consume, payload + b"\0\0\0\0")
    with pytest.raises(FrameFault):
        AMQP_0_9_1.decode(Basic.Consume, payload)


def test_what_the_versions_do_not_have_in_common() -> None:
    old, new = set(map(method_name, AMQP_0_8)), set(map(method_name, AMQP_0_9_1))
    assert new - old == ONLY_IN_0_9_1
    added = {name.partition(".")[0] for name in old - new}
    assert added == {"connection", "channel", "file", "stream", "dtx", "tunnel", "test"}
    assert {"connection.redirect", "channel.alert"} < old - new


@pytest.mark.parametrize("method", sorted(ONLY_IN_0_9_1))
def test_numbers_of_newer_methods_mean_nothing_or_something_else(method: str) -> None:
    (newer,) = (each for each in AMQP_0_9_1 if method_name(each) == method)
    found = AMQP_0_8.find(struct.pack(">HH", *AMQP_0_9_1.id_of(newer)))
    others = {"connection.blocked": Connection.Close, "connection.unblocked": Connection.CloseOk}
    assert found is others.get(method)


def test_everything_else_is_the_same() -> None:
    """Above all the methods that `hot` writes by hand and the reader takes apart."""
    differ = {Connection.Close, Connection.CloseOk, Channel.OpenOk, Basic.Consume}
    common = set(AMQP_0_8) & set(AMQP_0_9_1) - differ
    assert {Basic.Publish, Basic.Deliver, Basic.GetOk, Basic.Return, Basic.Ack, Access.Request} < common
    assert not {Basic.Nack, Confirm.Select, Exchange.Bind} & common
    for method in common:
        assert AMQP_0_8.id_of(method) == AMQP_0_9_1.id_of(method)
        assert AMQP_0_8.fields_of(method) == AMQP_0_9_1.fields_of(method)


def test_the_methods_with_content() -> None:
    assert {method_name(method) for method in AMQP_0_8.with_content - AMQP_0_9_1.with_content} == {
        "file.stage",
        "file.return",
        "stream.publish",
        "stream.return",
        "stream.deliver",
        "tunnel.request",
        "test.content",
        "test.content-ok",
    }
