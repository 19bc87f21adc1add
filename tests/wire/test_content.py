"""The hand-written frames, read back by pamqp."""

import struct
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp import frame as pamqp_frame
from pamqp.body import ContentBody
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from amqpy.wire.content import (
    MIDDLES_MAX,
    ContentWriter,
    DeliveryWriter,
    confirm_frame,
    read_header,
    split_address,
)
from amqpy.wire.outbox import Outbox
from tests.strategies import names

FRAME_MAX = 4096
PART_MAX = FRAME_MAX - 8


@dataclass
class Content:
    """A message as it is carried."""

    address: bytes
    header: bytes
    body: bytes


def address_of(exchange: str, routing_key: str) -> bytes:
    return b"".join(bytes((len(raw),)) + raw for raw in (exchange.encode(), routing_key.encode()))


def content_header(body: bytes, correlation_id: str | None = None) -> bytes:
    properties = Basic.Properties(correlation_id=correlation_id, delivery_mode=2)
    return struct.pack(">HHQ", 60, 0, len(body)) + properties.marshal()


def sent(outbox: Outbox) -> list[tuple[int, Any]]:
    """What pamqp makes of the bytes in an outbox: channels and objects."""
    data = b"".join(outbox.chunks)
    assert outbox.size == len(data)
    found = []
    while data:
        size, channel, read = pamqp_frame.unmarshal(data)
        assert size <= FRAME_MAX
        found.append((channel, read))
        data = data[size:]
    return found


def assert_content(frames: list[tuple[int, Any]], channel: int, body: bytes, correlation_id: str | None) -> None:
    assert {number for number, _ in frames} == {channel}
    header, *parts = [read for _, read in frames]
    assert isinstance(header, ContentHeader)
    assert (header.body_size, header.properties.correlation_id) == (len(body), correlation_id)
    assert all(isinstance(part, ContentBody) for part in parts)
    assert b"".join(part.value for part in parts) == body
    sizes = [len(part.value) for part in parts]
    assert all(size == PART_MAX for size in sizes[:-1]), "as few frames as frame-max allows"
    assert all(0 < size <= PART_MAX for size in sizes)


bodies = st.one_of(
    st.binary(max_size=20),
    st.sampled_from([0, PART_MAX - 1, PART_MAX, PART_MAX + 1, 2 * PART_MAX, 3 * PART_MAX + 5]).map(
        lambda size: (bytes(range(256)) * (size // 256 + 1))[:size]
    ),
)
channels = st.integers(1, 65535)
tags = st.integers(1, 2**63 - 1)
correlation_ids = st.none() | st.text("ab", min_size=1, max_size=3) | st.just("c" * 60)
messages = st.tuples(names, names, bodies, correlation_ids, tags, st.booleans())


@given(channels, names, st.lists(messages, max_size=6))
def test_deliveries_say_what_was_delivered(
    channel: int, consumer_tag: str, delivered: list[tuple[str, str, bytes, str | None, int, bool]]
) -> None:
    outbox = Outbox(lambda: None)
    writer = DeliveryWriter(ContentWriter(outbox, channel, FRAME_MAX), consumer_tag)
    for exchange, key, body, correlation_id, tag, redelivered in delivered * 2:
        header = content_header(body, correlation_id)
        writer.deliver(tag, redelivered, Content(address_of(exchange, key), header, body))
        (number, deliver), *content = sent(outbox)
        assert isinstance(deliver, Basic.Deliver)
        assert number == channel
        assert (deliver.consumer_tag, deliver.delivery_tag, deliver.redelivered) == (consumer_tag, tag, redelivered)
        assert (deliver.exchange, deliver.routing_key) == (exchange, key)
        assert_content(content, channel, body, correlation_id)
        outbox.chunks.clear()
        outbox.size = 0


def test_deliveries_with_ever_new_keys_are_not_remembered_for_good() -> None:
    outbox = Outbox(lambda: None)
    writer = DeliveryWriter(ContentWriter(outbox, 1, FRAME_MAX), "tag")
    keys = [str(number) for number in range(2 * MIDDLES_MAX + 1)]
    for number, key in enumerate(keys * 2, 1):
        writer.deliver(number, False, Content(address_of("", key), content_header(b"body"), b"body"))
    delivers = [read for _, read in sent(outbox) if isinstance(read, Basic.Deliver)]
    assert [deliver.routing_key for deliver in delivers] == keys * 2
    assert [deliver.delivery_tag for deliver in delivers] == list(range(1, 2 * len(keys) + 1))


@given(channels, messages, st.integers(0, 2**32 - 1))
def test_get_ok_says_what_was_got(
    channel: int, got: tuple[str, str, bytes, str | None, int, bool], message_count: int
) -> None:
    exchange, key, body, correlation_id, tag, redelivered = got
    outbox = Outbox(lambda: None)
    header = content_header(body, correlation_id)
    ContentWriter(outbox, channel, FRAME_MAX).get_ok(
        tag, redelivered, address_of(exchange, key), message_count, header, body
    )
    (_, get_ok), *content = sent(outbox)
    assert isinstance(get_ok, Basic.GetOk)
    assert (get_ok.delivery_tag, get_ok.redelivered, get_ok.message_count) == (tag, redelivered, message_count)
    assert (get_ok.exchange, get_ok.routing_key) == (exchange, key)
    assert_content(content, channel, body, correlation_id)


@given(channels, messages, st.integers(0, 65535), names)
def test_a_return_says_what_came_back(
    channel: int, returned: tuple[str, str, bytes, str | None, int, bool], code: int, text: str
) -> None:
    exchange, key, body, correlation_id, *_ = returned
    outbox = Outbox(lambda: None)
    ContentWriter(outbox, channel, FRAME_MAX).return_message(
        code, text.encode(), address_of(exchange, key), content_header(body, correlation_id), body
    )
    (_, basic_return), *content = sent(outbox)
    assert isinstance(basic_return, Basic.Return)
    assert (basic_return.reply_code, basic_return.reply_text) == (code, text)
    assert (basic_return.exchange, basic_return.routing_key) == (exchange, key)
    assert_content(content, channel, body, correlation_id)


def test_writing_wakes_the_outbox_when_it_was_empty() -> None:
    wakes: list[None] = []
    outbox = Outbox(lambda: wakes.append(None))
    writer = DeliveryWriter(ContentWriter(outbox, 1, FRAME_MAX), "tag")
    message = Content(address_of("", "q"), content_header(b"body"), b"body")
    writer.deliver(1, False, message)
    writer.deliver(2, False, message)
    assert len(wakes) == 1
    outbox.sent(len(b"".join(outbox.take())))
    writer.deliver(3, False, message)
    assert len(wakes) == 2


def test_a_large_body_is_not_copied() -> None:
    outbox = Outbox(lambda: None)
    body = bytes(10 * PART_MAX)
    ContentWriter(outbox, 1, FRAME_MAX).get_ok(1, False, b"\x00\x00", 0, content_header(body), body)
    views = [chunk for chunk in outbox.chunks if isinstance(chunk, memoryview)]
    assert len(views) == 10
    assert all(view.obj is body for view in views)


@given(channels, tags, st.booleans(), st.booleans())
def test_confirms(channel: int, tag: int, multiple: bool, nack: bool) -> None:
    frame = confirm_frame(channel, tag, multiple=multiple, nack=nack)
    size, number, confirm = pamqp_frame.unmarshal(frame)
    assert (size, number) == (len(frame), channel)
    assert type(confirm) is (Basic.Nack if nack else Basic.Ack)
    assert isinstance(confirm, Basic.Ack | Basic.Nack)
    assert (confirm.delivery_tag, confirm.multiple) == (tag, multiple)
    assert not getattr(confirm, "requeue", False)


# --- reading


@given(st.binary(max_size=12) | st.builds(address_of, names, names).map(lambda raw: raw[:-1] + b"?"))
def test_any_bytes_are_an_address_or_refused(raw: bytes) -> None:
    try:
        exchange, routing_key = split_address(raw)
    except (IndexError, ValueError):
        return
    assert bytes((len(exchange),)) + exchange + bytes((len(routing_key),)) + routing_key == raw


@given(st.binary(max_size=20))
def test_any_bytes_are_a_content_header_or_too_short(payload: bytes) -> None:
    if len(payload) < 12:
        with pytest.raises(struct.error):
            read_header(payload)
    else:
        assert read_header(payload) == struct.unpack(">HHQ", payload[:12])
