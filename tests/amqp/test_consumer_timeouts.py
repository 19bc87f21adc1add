"""Consumers that take too long, as their clients see it."""

import pytest
from pamqp.commands import Basic, Queue

from amqpy.config import Config
from amqpy.core.consumer_timeout import INTERVAL_MS
from tests.amqp.client import Client, Received, make_broker, names

TIMEOUT_MS = 60_000
LATE_MS = TIMEOUT_MS + 2 * INTERVAL_MS


def consuming(profile: str, *, queue: str = "q", **capabilities: bool) -> Client:
    """A client on channel 1 with an unanswered delivery from a quorum queue `q` or a classic queue `c`."""
    config = Config(cluster_name="rabbit@test", profile=profile, consumer_timeout_ms=TIMEOUT_MS)
    client = Client.opened(make_broker(config), channels=(1, 2), **capabilities)
    client.send(Queue.Declare(queue="q", durable=True, arguments={"x-queue-type": "quorum"}))
    client.send(Queue.Declare(queue="c", durable=True))
    client.send(Basic.Consume(queue=queue, consumer_tag="t"))
    assert names(client.publish(queue)) == ["Basic.Deliver"]
    return client


def pass_time(client: Client, span_ms: int = LATE_MS) -> list[Received]:
    """What the client is told meanwhile. It says nothing itself, and has no heartbeats."""
    received = []
    until_ms = client.now_ms + span_ms
    while (at_ms := client.broker.next_at_ms()) is not None and at_ms <= until_ms:
        client.now_ms = at_ms
        client.broker.advance(at_ms)
        received += client.received()
    client.now_ms = until_ms
    return received


def text(timeout_ms: int) -> str:
    return (
        f"PRECONDITION_FAILED - delivery acknowledgement on channel 1 timed out. Timeout value used: {timeout_ms} ms. "
        "This timeout value can be configured, see consumers doc guide to learn more"
    )


@pytest.mark.parametrize("profile", ["rabbitmq-3.10", "rabbitmq-3.13"])
@pytest.mark.parametrize("queue", ["q", "c"])
def test_the_channel_is_closed(profile: str, queue: str) -> None:
    client = consuming(profile, queue=queue, consumer_cancel_notify=True)
    (close,) = pass_time(client)
    assert (close.channel, close.name, close.method.reply_code) == (1, "Channel.Close", 406)
    assert close.method.reply_text == text(TIMEOUT_MS)
    assert (close.method.class_id, close.method.method_id) == (0, 0)
    # The other channel lives, and can have the message.
    (got,) = client.send(Basic.Get(queue=queue), channel=2)
    assert (got.name, got.method.redelivered) == ("Basic.GetOk", True)
    assert client.send(Basic.Ack(1)) == []


def test_the_consumer_is_cancelled() -> None:
    client = consuming("rabbitmq-4", consumer_cancel_notify=True)
    (cancel,) = pass_time(client)
    assert (cancel.channel, cancel.name, cancel.method.consumer_tag) == (1, "Basic.Cancel", "t")
    assert cancel.method.nowait is True
    (got,) = client.send(Basic.Get(queue="q"), channel=2)
    assert got.method.redelivered is True
    # A late answer harms nobody, the tag is free again, and the channel goes on.
    assert client.send(Basic.Ack(1)) == []
    assert names(client.send(Basic.Consume(queue="q", consumer_tag="t"))) == ["Basic.ConsumeOk"]


def test_a_client_that_knows_no_cancel_loses_the_channel() -> None:
    client = consuming("rabbitmq-4")
    (close,) = pass_time(client)
    assert (close.name, close.method.reply_text) == ("Channel.Close", text(-1))


def test_classic_queues_have_no_timeout_in_4() -> None:
    client = consuming("rabbitmq-4", queue="c", consumer_cancel_notify=True)
    assert pass_time(client) == []


def test_somebody_else_is_told_without_having_said_anything() -> None:
    """The timeout comes in the turn of another client."""
    client = consuming("rabbitmq-3.13")
    other = Client.opened(client.broker)
    for now_ms in range(0, LATE_MS + 1, INTERVAL_MS):
        other.now_ms = now_ms
        other.feed(b"")
    assert names(client.received()) == ["Channel.Close"]
    assert other.received() == []


def test_without_a_timeout_a_consumer_may_take_for_ever() -> None:
    client = Client.opened()
    client.send(Queue.Declare(queue="c", durable=True), Basic.Consume(queue="c"))
    client.publish("c")
    assert client.broker.next_at_ms() is None
    assert pass_time(client, 1_000 * LATE_MS) == []
