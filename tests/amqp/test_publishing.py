"""Messages from their frames: put together, judged, routed, returned, confirmed, delivered in frames again."""

import logging
import struct
from dataclasses import replace
from functools import partial
from hashlib import sha256
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pamqp.commands import Basic, Channel, Confirm, Connection, Queue

from amqpy.config import Config

from .client import (
    HEADER,
    Client,
    make_broker,
    method_frame,
    names,
    publish_frames,
    raw_frame,
    start_ok,
)

CONFIG = Config(cluster_name="rabbit@test")


def with_queue(config: Config = CONFIG, *, consume: bool = False) -> Client:
    client = Client.opened(make_broker(config))
    client.send(Queue.Declare(queue="q"))
    if consume:
        client.send(Basic.Consume(queue="q", no_ack=True))
    return client


def header_payload(size: int, *, class_id: int = 60, weight: int = 0, flags: int = 0, rest: bytes = b"") -> bytes:
    return struct.pack(">HHQH", class_id, weight, size, flags) + rest


def publish_raw(header: bytes, *bodies: bytes, routing_key: str = "q") -> bytes:
    parts = [method_frame(Basic.Publish(routing_key=routing_key), 1), raw_frame(2, 1, header)]
    return b"".join([*parts, *(raw_frame(3, 1, body) for body in bodies)])


# --- content


@pytest.mark.parametrize("size", [0, 1, 4087, 4088, 4089, 131_064, 131_065, 1_000_003])
@pytest.mark.parametrize("part_max", [4088, 131_064, 131_072])
def test_a_body_of_any_size_in_frames_of_any_size(size: int, part_max: int) -> None:
    if size / part_max > 1000:
        pytest.skip("the same again, slowly")
    client = with_queue(consume=True)
    payload = bytes(range(256)) * (size // 256 + 1)
    (deliver,) = client.publish("q", payload[:size], part_max=part_max)
    assert sha256(deliver.body).digest() == sha256(payload[:size]).digest()


def test_a_delivery_keeps_to_the_consumers_frame_max() -> None:
    broker = make_broker(CONFIG)
    publisher, consumer = Client.opened(broker), Client(broker)
    consumer.feed(HEADER)
    consumer.send(start_ok(), Connection.TuneOk(1, 4096, 0), Connection.Open("/"), channel=0)
    consumer.send(Channel.Open(), Queue.Declare(queue="q"), Basic.Consume(queue="q", no_ack=True))
    for size in 4087, 4088, 4089, 100_000:
        publisher.publish("q", b"x" * size)
        frames: list[bytes] = []
        data = consumer.take_output()
        while data:
            end = 8 + struct.unpack_from(">BHI", data)[2]
            frames, data = [*frames, data[:end]], data[end:]
        assert max(map(len, frames)) <= 4096
        assert [deliver.body for deliver in consumer.transcript.read(b"".join(frames))] == [b"x" * size]


@settings(deadline=None, derandomize=True, max_examples=50)
@given(st.data())
def test_a_body_may_be_cut_anywhere(data: st.DataObject) -> None:
    payload = data.draw(st.binary(min_size=1, max_size=200))
    cuts = sorted(data.draw(st.sets(st.integers(0, len(payload)), max_size=8)) | {0, len(payload)})
    bodies = [payload[start:stop] for start, stop in pairwise(cuts)]
    client = with_queue(consume=True)
    (deliver,) = client.feed(publish_raw(header_payload(len(payload)), *bodies))
    assert deliver.body == payload


def test_body_frames_may_be_empty() -> None:
    client = with_queue(consume=True)
    (deliver,) = client.feed(publish_raw(header_payload(2), b"", b"a", b"", b"b"))
    assert deliver.body == b"ab"


def test_messages_of_several_channels_interleave() -> None:
    client = Client.opened(channels=(1, 2))
    client.send(Queue.Declare(queue="q"), Basic.Consume(queue="q", no_ack=True))
    one, two = publish_frames("q", b"a" * 10, part_max=5), publish_frames("q", b"b" * 10, channel=2, part_max=5)
    method_size = len(method_frame(Basic.Publish(routing_key="q"), 1))
    received = client.feed(one[:method_size] + two[:-13] + one[method_size:] + two[-13:])
    assert [deliver.body for deliver in received] == [b"a" * 10, b"b" * 10]


@pytest.mark.parametrize(
    ("header", "bodies", "code", "text"),
    [
        (header_payload(3), [b"abcd"], 501, "content body frame exceeds remaining content size"),
        (header_payload(3), [b"ab", b"cd"], 501, "content body frame exceeds remaining content size"),
        (header_payload(2**63), [], 501, f"content body size {2**63} exceeds maximum allowed size {2**29}"),
        (header_payload(2**29 + 1), [], 501, f"content body size {2**29 + 1} exceeds maximum allowed size {2**29}"),
        (
            header_payload(1, class_id=50),
            [b"a"],
            505,
            "expected content header for class 60, got one for class 50 instead",
        ),
        (
            header_payload(1, weight=1),
            [b"a"],
            505,
            "expected content header for class 60, got non content header frame instead",
        ),
        (header_payload(1)[:-1], [b"a"], 501, None),
        (b"", [], 501, None),
        (header_payload(1, flags=0x8000), [b"a"], 502, None),
        (header_payload(1, flags=0x8000, rest=b"\x05abc"), [b"a"], 502, None),
        (header_payload(1, rest=b"more"), [b"a"], 502, None),
        (header_payload(1, flags=0x2000, rest=struct.pack(">I", 2**32 - 1)), [b"a"], 502, None),
        (header_payload(1, flags=0x2000, rest=struct.pack(">I", 3) + b"\x01a?"), [b"a"], 502, None),
    ],
)
@pytest.mark.parametrize("together", [True, False])
def test_contents_that_are_none(
    header: bytes, bodies: list[bytes], code: int, text: str | None, together: bool
) -> None:
    client, data = with_queue(), publish_raw(header, *bodies)
    pieces = [data] if together else [bytes((byte,)) for byte in data]
    (close,) = [received for piece in pieces for received in client.feed(piece)]
    assert (close.name, close.method.reply_code) == ("Connection.Close", code)
    if text is not None:
        assert close.method.reply_text.endswith(f" - {text}")
    assert not client.broker.vhosts["/"].queues["q"].ready_count


def test_properties_come_out_as_they_went_in() -> None:
    client = with_queue(consume=True)
    properties = {
        "content_type": "text/plain",
        "content_encoding": "gzip",
        "headers": {"a": 1, "b": {"c": [True, None, "x"]}},
        "delivery_mode": 2,
        "priority": 9,
        "correlation_id": "c",
        "reply_to": "r",
        "expiration": "60000",
        "message_id": "m",
        "message_type": "t",
        "user_id": "guest",
        "app_id": "a",
    }
    (deliver,) = client.publish("q", b"x", **properties)
    assert {name: value for name, value in deliver.properties if value is not None and name in properties} == properties


def test_a_body_after_an_empty_message_is_none_of_it() -> None:
    client = with_queue(consume=True)
    deliver, close = client.feed(publish_raw(header_payload(0), b"a"))
    assert (deliver.name, deliver.body) == ("Basic.Deliver", b"")
    assert close.method.reply_text == "UNEXPECTED_FRAME - expected method frame, got non method frame instead"


# --- size


@pytest.mark.parametrize("part_max", [7, 50, 131_064])
def test_a_message_that_is_too_large_is_read_to_its_end_and_refused(part_max: int) -> None:
    client = with_queue(replace(CONFIG, max_message_size=100))
    data = publish_frames("q", b"x" * 101, part_max=part_max)
    assert client.feed(data[:-10]) == []
    (close,) = client.feed(data[-10:])
    assert dict(close.method) == {
        "reply_code": 406,
        "reply_text": "PRECONDITION_FAILED - message size 101 is larger than configured max size 100",
        "class_id": 60,
        "method_id": 40,
    }
    client.send(Channel.CloseOk(), Channel.Open(), Basic.Consume(queue="q", no_ack=True))
    assert [deliver.body for deliver in client.publish("q", b"x" * 100, part_max=part_max)] == [b"x" * 100]


def test_a_message_that_is_too_large_and_immediate_is_refused_for_the_latter() -> None:
    client = with_queue(replace(CONFIG, max_message_size=100))
    (close,) = client.feed(publish_frames("q", b"x" * 101, immediate=True))
    assert close.method.reply_text == "NOT_IMPLEMENTED - immediate=true"


def test_a_message_that_is_too_large_is_not_kept() -> None:
    client = with_queue(replace(CONFIG, max_message_size=100))
    client.feed(method_frame(Basic.Publish(routing_key="q"), 1) + raw_frame(2, 1, header_payload(2**29)))
    for _ in range(50):
        client.feed(raw_frame(3, 1, bytes(100_000)))
    content = client.session.channels[1]._content  # noqa: SLF001 (there is no other way to see what is kept)
    assert content is not None
    assert content.body == b""


@pytest.mark.parametrize("at_once", [True, False])
def test_size_is_judged_before_the_exchange(at_once: bool) -> None:
    client = with_queue(replace(CONFIG, max_message_size=100))
    data = publish_frames("q", b"x" * 101, exchange="missing")
    received = client.feed(data) if at_once else client.feed(data[:-1]) + client.feed(data[-1:])
    assert received[0].method.reply_code == 406


# --- refusals


PUBLISH = b"\x00\x3c\x00\x28\x00\x00" + b"\x01x" + b"\x01k" + b"\x00"
"""The payload of basic.publish: class, method, ticket; exchange and routing key; flags."""


def refused(payload: bytes) -> str:
    """The reply-text of the close that a publish with this payload gets."""
    client = with_queue()
    received = client.feed(raw_frame(1, 1, payload) + raw_frame(2, 1, header_payload(0)))
    return str(received[0].method.reply_text)


@pytest.mark.parametrize("size", range(6, len(PUBLISH)))
def test_a_publish_that_is_cut_is_a_frame_error(size: int) -> None:
    assert refused(PUBLISH[:size]).startswith("FRAME_ERROR - cannot decode <<0,0")


def test_names_that_are_not_utf8_are_names_like_any_other(caplog: pytest.LogCaptureFixture) -> None:
    """RabbitMQ does not look at the names of a publish, which it does for all other methods."""
    caplog.set_level(
        logging.CRITICAL
    )  # what is captured is reported, and must be text: the broker's own log escapes it
    client = with_queue()
    assert client.feed(publish_raw(header_payload(0)).replace(b"\x01q", b"\x01\xff")) == []
    client.session.receive(
        raw_frame(1, 1, PUBLISH.replace(b"\x01x", b"\x01\xfe")) + raw_frame(2, 1, header_payload(0)), 0
    )
    assert b"NOT_FOUND - no exchange '\xfe' in vhost '/'" in client.take_output()


def test_immediate_is_refused_before_the_exchange_is_looked_for() -> None:
    assert refused(PUBLISH[:-1] + b"\x02") == "NOT_IMPLEMENTED - immediate=true"


@pytest.mark.parametrize(
    ("more", "name", "code", "text"),
    [
        ({"exchange": "missing"}, "Channel.Close", 404, "NOT_FOUND - no exchange 'missing' in vhost '/'"),
        ({"immediate": True}, "Connection.Close", 540, "NOT_IMPLEMENTED - immediate=true"),
        (
            {"exchange": "amq.rabbitmq.trace"},
            "Channel.Close",
            403,
            "ACCESS_REFUSED - cannot publish to internal exchange 'amq.rabbitmq.trace' in vhost '/'",
        ),
        (
            {"user_id": "somebody"},
            "Channel.Close",
            406,
            "PRECONDITION_FAILED - user_id property set to 'somebody' but authenticated user was 'guest'",
        ),
    ],
)
@pytest.mark.parametrize("body", [b"", b"hello"])
def test_a_publish_that_is_refused(more: dict[str, object], name: str, code: int, text: str, body: bytes) -> None:
    client = with_queue()
    (close,) = client.publish("q", body, **more)
    assert (close.name, close.method.reply_code, close.method.reply_text) == (name, code, text)
    assert (close.method.class_id, close.method.method_id) == (60, 40)
    assert not client.broker.vhosts["/"].queues["q"].ready_count


def test_a_refusal_is_not_forgotten_by_the_second_time() -> None:
    """Routes and properties are remembered between publishes; what was refused must not be."""
    client = with_queue()
    for _ in range(2):
        for publish in (
            partial(client.publish, "q", exchange="missing"),
            partial(client.publish, "q", user_id="somebody"),
        ):
            assert names(publish()) == ["Channel.Close"]
            client.send(Channel.CloseOk(), Channel.Open())
            assert client.publish("q") == []


def test_permission_to_write_is_needed() -> None:
    broker = make_broker(CONFIG)
    Client.opened(broker).send(Queue.Declare(queue="q"))
    reader = Client(broker)
    reader.feed(HEADER)
    reader.send(start_ok("\0reader\0hunter2"), Connection.TuneOk(1, 4096, 0), Connection.Open("/"), channel=0)
    reader.send(Channel.Open())
    for exchange, resource in ("", "amq.default"), ("missing", "missing"):
        (close,) = reader.publish("q", exchange=exchange)
        assert close.method.reply_text == (
            f"ACCESS_REFUSED - write access to exchange '{resource}' in vhost '/' refused for user 'reader'"
        )
        reader.send(Channel.CloseOk(), Channel.Open())


# --- returns and confirms


def test_a_mandatory_message_without_a_queue_comes_back() -> None:
    (returned,) = Client.opened().publish("nowhere", b"lost", mandatory=True, message_id="m")
    assert dict(returned.method) == {
        "reply_code": 312,
        "reply_text": "NO_ROUTE",
        "exchange": "",
        "routing_key": "nowhere",
    }
    assert (returned.body, returned.properties.message_id) == (b"lost", "m")


def confirming(*channels: int) -> Client:
    client = Client.opened(channels=channels or (1,))
    client.send(Queue.Declare(queue="q"))
    for channel in channels or (1,):
        client.send(Confirm.Select(), channel=channel)
    return client


def test_confirms_come_at_the_end_of_the_turn_in_one() -> None:
    client = confirming()
    (ack,) = client.publish("q")
    assert dict(ack.method) == {"delivery_tag": 1, "multiple": False}
    (ack,) = client.feed(b"".join(publish_frames("q", b"x") for _ in range(10)))
    assert dict(ack.method) == {"delivery_tag": 11, "multiple": True}
    assert client.feed(publish_frames("q", b"cut")[:-1]) == []
    assert names(client.feed(b"\xce")) == ["Basic.Ack"]


def test_what_was_not_routed_is_confirmed_as_well_and_returned_before() -> None:
    client = confirming()
    received = client.feed(
        publish_frames("q", b"1") + publish_frames("nowhere", b"2", mandatory=True) + publish_frames("nowhere", b"3")
    )
    assert names(received) == ["Basic.Return", "Basic.Ack"]
    assert dict(received[1].method) == {"delivery_tag": 3, "multiple": True}


def test_a_refused_message_is_not_confirmed() -> None:
    client = confirming()
    received = client.feed(publish_frames("q", b"1") + publish_frames("q", b"2", exchange="missing"))
    assert names(received) == ["Basic.Ack", "Channel.Close"]
    assert dict(received[0].method) == {"delivery_tag": 1, "multiple": False}
    # The new channel of that number starts from the beginning, without confirms.
    client.send(Channel.CloseOk(), Channel.Open())
    assert client.publish("q") == []
    client.send(Confirm.Select())
    assert dict(client.publish("q")[0].method) == {"delivery_tag": 1, "multiple": False}


def test_channels_count_for_themselves() -> None:
    client = confirming(1, 2)
    received = client.feed(publish_frames("q", b"1") * 3 + publish_frames("q", b"2", channel=2))
    assert {(ack.channel, ack.method.delivery_tag) for ack in received} == {(1, 3), (2, 1)}


def test_confirm_select_twice_and_without_an_answer() -> None:
    client = Client.opened()
    assert client.send(Confirm.Select(nowait=True)) == []
    assert names(client.publish("nowhere")) == ["Basic.Ack"]
    assert names(client.send(Confirm.Select())) == ["Confirm.SelectOk"]
    (ack,) = client.publish("nowhere")
    assert ack.method.delivery_tag == 2


def test_what_a_queue_refuses_is_nacked_and_the_rest_acknowledged() -> None:
    client = Client.opened()
    client.send(
        Queue.Declare(queue="q", arguments={"x-max-length": 1, "x-overflow": "reject-publish"}), Confirm.Select()
    )
    confirms = [confirm.method for _ in range(3) for confirm in client.publish("q")]
    assert [(type(each).__name__, each.delivery_tag) for each in confirms] == [("Ack", 1), ("Nack", 2), ("Nack", 3)]
