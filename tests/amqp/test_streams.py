"""Streams, as clients see them."""

import pytest
from pamqp.commands import Basic, Confirm, Queue

from amqpy.config import Config
from amqpy.profile import PROFILES

from .client import Client, Received, make_broker, names, publish_frames

STREAM = {"x-queue-type": "stream"}
FIRST = {"x-stream-offset": "first"}


def reader_of(*bodies: bytes, profile: str = "rabbitmq-3.13", prefetch: int = 2) -> tuple[Client, list[Received]]:
    """A client that consumes a stream from the first of these messages on, and what came."""
    client = Client.opened(make_broker(Config(profile=profile)))
    client.send(Queue.Declare(queue="s", durable=True, arguments=dict(STREAM)), Confirm.Select())
    for body in bodies:
        assert names(client.publish("s", body)) == ["Basic.Ack"]
    received = client.send(
        Basic.Qos(prefetch_count=prefetch), Basic.Consume(queue="s", consumer_tag="c", arguments=dict(FIRST))
    )
    return client, received


def test_the_reply_comes_before_the_deliveries() -> None:
    _, received = reader_of(b"one", b"two", b"three")
    assert names(received) == ["Basic.QosOk", "Basic.ConsumeOk", "Basic.Deliver", "Basic.Deliver"]
    assert [each.body for each in received[2:]] == [b"one", b"two"]
    assert [each.properties.headers for each in received[2:]] == [{"x-stream-offset": 0}, {"x-stream-offset": 1}]


@pytest.mark.parametrize(
    "method",
    [Basic.Ack(1), Basic.Nack(1, requeue=True), Basic.Nack(1, requeue=False), Basic.Reject(1), Basic.Ack(0, True)],
)
def test_any_answer_is_credit(method: Basic.Ack) -> None:
    client, _ = reader_of(b"one", b"two", b"three")
    (delivery,) = client.send(method)
    assert (delivery.body, delivery.method.redelivered) == (b"three", False)


def test_recover_is_credit() -> None:
    client, _ = reader_of(b"one", b"two", b"three")
    assert names(client.send(Basic.Recover(requeue=True))) == ["Basic.RecoverOk", "Basic.Deliver"]


@pytest.mark.parametrize(
    "method", [Basic.Nack(1), Basic.Nack(2, multiple=True), Basic.Nack(0, multiple=True), Basic.Reject(1)]
)
def test_3_10_takes_nothing_back(method: Basic.Nack) -> None:
    client, _ = reader_of(b"one", b"two", profile="rabbitmq-3.10")
    (close,) = client.send(method)
    assert (close.method.reply_code, close.method.reply_text) == (
        540,
        "NOT_IMPLEMENTED - basic.nack and basic.reject not supported by stream queues queue 's' in vhost '/'",
    )


def test_3_10_takes_back_what_is_of_other_queues() -> None:
    client, _ = reader_of(b"one", b"two", profile="rabbitmq-3.10", prefetch=10)
    client.send(Queue.Declare(queue="q"), Basic.Consume(queue="q"))
    (_, delivery) = client.publish("q", b"mine")
    assert names(client.send(Basic.Nack(delivery.method.delivery_tag))) == ["Basic.Deliver"]


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(
    "method", [Basic.Get(queue="s"), Queue.Purge(queue="s"), Basic.Consume(queue="s", no_ack=True)]
)
def test_what_streams_do_not_have_ends_the_connection(profile: str, method: Basic.Get) -> None:
    client, _ = reader_of(profile=profile)
    (close,) = client.send(method)
    assert (close.name, close.method.reply_code) == ("Connection.Close", 540)


def test_many_messages_in_one_turn() -> None:
    client, _ = reader_of(prefetch=500)
    bodies = [b"%d" % number for number in range(300)]
    received = client.feed(b"".join(publish_frames("s", body) for body in bodies))
    received += client.received()
    assert [each.body for each in received if each.name == "Basic.Deliver"] == bodies
