"""Publishing with pika: confirms, returns, transactions, properties, and bodies of every size."""

from __future__ import annotations

import hashlib
import random
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import pika
import pytest
from pika.exceptions import UnroutableError

from .blocking import get_all, get_body, message_count, take, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from pika.adapters.blocking_connection import BlockingChannel

MIB = 2**20
HEADERS = {
    "true": True,
    "false": False,
    "int": -(2**31),
    "long": 2**62,
    "negative long": -(2**62),
    "decimal": Decimal("-3.14159"),
    "whole decimal": Decimal(7),
    "text": "grüße, 世界 🐇",
    "bytes": b"\x00\xff\xfe not text",
    "empty": "",
    "timestamp": datetime(2031, 2, 3, 4, 5, 6, tzinfo=UTC),
    "void": None,
    "array": [1, "two", [3, [b"four"]], {"five": None}, []],
    "table": {"deeper": {"deepest": {"ключ": [True, Decimal("0.01")]}}, "none": {}},
    "ключ": "a name that is not ASCII",
    "k" * 255: "the longest name",
    "long text": "x" * 100_000,
}
PROPERTIES = {
    "content_type": "application/json",
    "content_encoding": "utf-8",
    "headers": HEADERS,
    "delivery_mode": 2,
    "priority": 9,
    "correlation_id": "çorrelation",
    "reply_to": "somewhere",
    "message_id": "m" * 255,
    "timestamp": 1_900_000_000,
    "type": "order.created",
    "user_id": "guest",
    "app_id": "tests",
    "cluster_id": "",
}


@pytest.fixture
def queue(channel: BlockingChannel, name: str) -> str:
    channel.queue_declare(name, exclusive=True)
    return name


@pytest.fixture
def confirming(channel: BlockingChannel) -> BlockingChannel:
    channel.confirm_delivery()
    return channel


def test_a_confirmed_message_is_in_the_queue(
    confirming: BlockingChannel, queue: str, connect: Callable[..., pika.BlockingConnection], name: str
) -> None:
    observer = connect().channel()
    observer.queue_declare(f"{name}.shared", auto_delete=True)
    for number in range(1, 101):
        confirming.basic_publish("", f"{name}.shared", b"%d" % number)
        assert message_count(observer, f"{name}.shared") == number
    observer.queue_delete(f"{name}.shared")


def test_an_unroutable_mandatory_message_raises(confirming: BlockingChannel, queue: str, name: str) -> None:
    confirming.basic_publish("", queue, b"arrives", mandatory=True)
    confirming.basic_publish("", f"{name}.nowhere", b"dropped, and confirmed")
    properties = pika.BasicProperties(headers={"h": 1}, message_id="m-1")
    with pytest.raises(UnroutableError) as unroutable:
        confirming.basic_publish("", f"{name}.nowhere", b"returned", properties, mandatory=True)
    [returned] = unroutable.value.messages
    assert (returned.method.reply_code, returned.method.reply_text) == (312, "NO_ROUTE")
    assert (returned.method.exchange, returned.method.routing_key) == ("", f"{name}.nowhere")
    assert (returned.body, returned.properties) == (b"returned", properties)
    assert get_all(confirming, queue) == [b"arrives"]


def test_returns_without_confirms(connection: pika.BlockingConnection, name: str) -> None:
    channel = connection.channel()
    channel.exchange_declare(name, "direct", auto_delete=True)
    returned: list[tuple[int, str, bytes]] = []
    channel.add_on_return_callback(
        lambda _, method, __, body: returned.append((method.reply_code, method.exchange, body))
    )
    for number in range(3):
        channel.basic_publish(name, "nowhere", b"%d" % number, mandatory=True)
    channel.basic_publish(name, "nowhere", b"not mandatory")
    wait_until(connection, lambda: len(returned) >= 3)
    channel.exchange_delete(name)
    connection.process_data_events()
    assert returned == [(312, name, b"%d" % number) for number in range(3)]


def test_a_transaction_publishes_at_commit(
    channel: BlockingChannel, queue: str, connect: Callable[..., pika.BlockingConnection], name: str
) -> None:
    observer = connect().channel()
    shared = f"{name}.shared"
    observer.queue_declare(shared)
    channel.tx_select()
    channel.basic_publish("", shared, b"one")
    channel.basic_publish("", shared, b"two")
    channel.queue_declare(queue, passive=True)  # the publishes have been handled when this is answered
    assert message_count(observer, shared) == 0
    channel.tx_commit()
    assert message_count(observer, shared) == 2
    channel.basic_publish("", shared, b"three")
    channel.tx_rollback()
    channel.tx_commit()
    assert get_all(observer, shared) == [b"one", b"two"]
    observer.queue_delete(shared)


def test_a_transaction_acknowledges_at_commit(
    channel: BlockingChannel, connect: Callable[..., pika.BlockingConnection], name: str
) -> None:
    channel.queue_declare(name)
    for body in (b"kept", b"settled"):
        channel.basic_publish("", name, body)
    reader = connect().channel()
    reader.tx_select()
    first, _, _ = reader.basic_get(name)
    reader.basic_ack(first.delivery_tag)
    reader.tx_rollback()
    second, _, _ = reader.basic_get(name)
    reader.basic_ack(second.delivery_tag)
    reader.tx_commit()
    reader.close()
    [(method, _, body)] = take(channel, name, 1)
    assert (body, method.redelivered) == (b"kept", True)
    assert channel.queue_delete(name).method.message_count == 0


def test_properties_and_headers_survive(channel: BlockingChannel, queue: str) -> None:
    sent = pika.BasicProperties(**PROPERTIES)
    channel.basic_publish("", queue, b"body", sent)
    channel.basic_publish("", queue, b"bare")
    (_, with_properties, _), (_, bare, _) = take(channel, queue, 2)
    assert {key: getattr(with_properties, key) for key in PROPERTIES} == PROPERTIES
    assert list(with_properties.headers) == list(HEADERS), "headers keep their order"
    assert bare == pika.BasicProperties()


def test_expiration_survives_when_far_away(channel: BlockingChannel, queue: str) -> None:
    channel.basic_publish("", queue, b"body", pika.BasicProperties(expiration="3600000"))
    [(_, properties, _)] = take(channel, queue, 1)
    assert properties.expiration == "3600000"


def test_names_that_are_not_ascii(channel: BlockingChannel, name: str) -> None:
    exchange, queue, key = f"{name}-обмен", f"{name}-очередь-{'é' * 50}", "ключ.世界"
    channel.exchange_declare(exchange, "topic", auto_delete=True)
    assert channel.queue_declare(queue, exclusive=True).method.queue == queue
    channel.queue_bind(queue, exchange, "*.世界")
    channel.basic_publish(exchange, key, b"body")
    channel.basic_consume(queue, lambda *_: None, consumer_tag="потребитель")
    channel.basic_cancel("потребитель")
    [(method, _, body)] = take(channel, queue, 1)
    assert (method.exchange, method.routing_key, body) == (exchange, key, b"body")


@pytest.mark.parametrize("frame_max", [4096, 131072])
def test_bodies_around_the_frame_boundaries(
    connect: Callable[..., pika.BlockingConnection], name: str, frame_max: int
) -> None:
    channel = connect(frame_max=frame_max).channel()
    channel.queue_declare(name, exclusive=True)
    payload = frame_max - 8
    sizes = [0, 1, payload - 1, payload, payload + 1, 2 * payload, 2 * payload + 1, 0, 10 * payload + 7]
    bodies = [random.Random(index).randbytes(size) for index, size in enumerate(sizes)]
    for body in bodies:
        channel.basic_publish("", name, body)
    assert [delivery.body for delivery in take(channel, name, len(bodies))] == bodies


def test_a_hundred_megabytes(connect: Callable[..., pika.BlockingConnection], name: str) -> None:
    block = random.Random(1).randbytes(MIB - 4)
    body = b"".join(number.to_bytes(4, "big") + block for number in range(100))
    sender, receiver = connect().channel(), connect().channel()
    sender.queue_declare(name, auto_delete=True)
    sender.confirm_delivery()
    sender.basic_publish("", name, body, mandatory=True)
    digest = hashlib.sha256(body).digest()
    [(_, _, received)] = take(receiver, name, 1)
    assert (len(received), hashlib.sha256(received).digest()) == (100 * MIB, digest)


def test_ten_thousand_small_messages_in_order(connect: Callable[..., pika.BlockingConnection], name: str) -> None:
    publisher, consumer = connect(), connect()
    sending, receiving = publisher.channel(), consumer.channel()
    sending.queue_declare(name, auto_delete=True)
    receiving.basic_qos(prefetch_count=500)
    received: list[bytes] = []

    def on_message(channel: BlockingChannel, method: pika.spec.Basic.Deliver, _: object, body: bytes) -> None:
        received.append(body)
        if method.delivery_tag % 100 == 0:
            channel.basic_ack(method.delivery_tag, multiple=True)

    receiving.basic_consume(name, on_message)
    sent = [b"%d" % number for number in range(10_000)]
    for body in sent:
        sending.basic_publish("", name, body)
    wait_until(consumer, lambda: len(received) >= len(sent))
    assert received == sent


def test_an_empty_body_is_not_an_empty_queue(channel: BlockingChannel, queue: str) -> None:
    assert get_body(channel, queue) is None
    channel.basic_publish("", queue, b"")
    assert get_body(channel, queue) == b""
    assert get_body(channel, queue) is None
