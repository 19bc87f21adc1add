"""Message statistics of channels, exchanges, queues and virtual hosts.

The numbers are those that RabbitMQ 4.0.5 showed in its management API after the same scenario, once they had settled;
only those that are not 0. Where amqpy differs, the test says so. Source: `rabbit_channel`, `rabbit_core_metrics`.
"""

from collections.abc import Callable
from typing import Any

import pytest
from pamqp.commands import Basic, Channel, Confirm, Exchange, Queue, Tx

from amqpy.amqp import views as amqp_views
from amqpy.config import Config
from amqpy.core import views

from .client import Client, make_broker, names

Shown = dict[Any, Any]


RATES_MODE = "basic"
"""The mode of the brokers of the scenarios."""


def opened(*, channels: tuple[int, ...] = (1,), profile: str = "rabbitmq-4.0") -> Client:
    config = Config(profile=profile, management_rates_mode=RATES_MODE)
    return Client.opened(make_broker(config), channels=channels)


def shown(client: Client) -> Shown:
    """Everything that was counted, by kind and name."""
    vhost = client.broker.vhosts["/"]
    sizes = views.unacked_sizes(vhost)
    return {
        "channels": {
            number: _counts(amqp_views.channel(channel)) for number, channel in client.session.channels.items()
        },
        "exchanges": {
            name: counts for name, each in vhost.exchanges.items() if (counts := _counts(views.exchange(each)))
        },
        "queues": {name: _counts(views.queue(each, sizes)) for name, each in vhost.queues.items()},
        "vhost": _counts({"message_stats": views.vhost(vhost, "node", views.QueueTotals()).get("message_stats", {})}),
    }


def _counts(view: views.View) -> dict[str, int]:
    stats = view.get("message_stats", {})
    assert isinstance(stats, dict)
    prefixes = ("message", "acks_")
    others = {name: value for name, value in view.items() if name.startswith(prefixes) and not name.endswith("_ram")}
    return {name: value for name, value in (stats | others).items() if value and isinstance(value, int)}


SCENARIOS: list[tuple[Callable[[], Client], Shown]] = []


def scenario(**expected: Shown) -> Callable[[Callable[[], Client]], Callable[[], Client]]:
    """A scenario, and what is shown after it."""

    def register(play: Callable[[], Client]) -> Callable[[], Client]:
        SCENARIOS.append((play, expected))
        return play

    return register


@scenario(
    channels={1: {"publish": 4}},
    exchanges={"": {"publish_in": 1, "publish_out": 1}, "x": {"publish_in": 3, "publish_out": 9}},
    queues={
        "a": {"publish": 4, "messages": 4, "messages_ready": 4, "message_bytes": 20, "message_bytes_ready": 20},
        "b": {"publish": 3, "messages": 3, "messages_ready": 3, "message_bytes": 15, "message_bytes_ready": 15},
        "c": {"publish": 3, "messages": 3, "messages_ready": 3, "message_bytes": 15, "message_bytes_ready": 15},
    },
    vhost={"publish": 4},
)
def a_message_counts_once_for_its_channel_and_once_for_each_queue() -> Client:
    client = opened()
    client.send(Exchange.Declare(exchange="x", exchange_type="fanout"))
    for name in "abc":
        client.send(Queue.Declare(queue=name), Queue.Bind(queue=name, exchange="x"))
    for _ in range(3):
        client.publish("", exchange="x")
    client.publish("a", delivery_mode=2)
    return client


@scenario(
    channels={
        1: {"publish": 3, "drop_unroutable": 2, "return_unroutable": 1},
        2: {"publish": 2, "confirm": 2, "drop_unroutable": 1, "return_unroutable": 1},
    },
    exchanges={"": {"publish_in": 4}, "x": {"publish_in": 1}},
    queues={},
    vhost={"publish": 5, "confirm": 2, "drop_unroutable": 3, "return_unroutable": 2},
)
def what_no_queue_takes_is_dropped_or_returned() -> Client:
    client = opened(channels=(1, 2))
    client.publish("nope")
    client.publish("nope", mandatory=True)
    client.send(Exchange.Declare(exchange="x", exchange_type="fanout"))
    client.publish("", exchange="x")
    client.send(Confirm.Select(), channel=2)
    client.publish("nope", channel=2)
    client.publish("nope", channel=2, mandatory=True)
    return client


@scenario(
    channels={1: {"publish": 3, "confirm": 1}},
    exchanges={"": {"publish_in": 3, "publish_out": 3}},
    queues={"q": {"publish": 3, "messages": 1, "messages_ready": 1, "message_bytes": 1, "message_bytes_ready": 1}},
    vhost={"publish": 3, "confirm": 1},
)
def a_refused_message_is_published_and_not_confirmed() -> Client:
    client = opened()
    client.send(Queue.Declare(queue="q", arguments={"x-max-length": 1, "x-overflow": "reject-publish"}))
    client.send(Confirm.Select())
    for _ in range(3):
        client.publish("q", b"1")
    return client


@scenario(
    channels={1: {"publish": 3}},
    exchanges={"": {"publish_in": 3, "publish_out": 3}},
    queues={
        "d": {"messages": 2, "messages_ready": 2, "message_bytes": 10, "message_bytes_ready": 10},
        "q": {"publish": 3, "messages": 1, "messages_ready": 1, "message_bytes": 5, "message_bytes_ready": 5},
    },
    vhost={"publish": 3},
)
def dead_letters_are_not_published() -> Client:
    client = opened()
    client.send(
        Exchange.Declare(exchange="dx", exchange_type="fanout"),
        Queue.Declare(queue="d"),
        Queue.Bind(queue="d", exchange="dx"),
        Queue.Declare(queue="q", arguments={"x-max-length": 1, "x-dead-letter-exchange": "dx"}),
    )
    for _ in range(3):
        client.publish("q")
    return client


GOT = {"deliver_get": 5, "get": 4, "get_no_ack": 1, "ack": 1, "redeliver": 1}


@scenario(
    channels={1: {**GOT, "get_empty": 2, "publish": 6, "messages_unacknowledged": 1}},
    exchanges={"": {"publish_in": 6, "publish_out": 6}},
    queues={
        "q": {
            **GOT,
            "publish": 6,
            "messages": 3,
            "messages_ready": 2,
            "messages_unacknowledged": 1,
            "message_bytes": 3,
            "message_bytes_ready": 2,
            "message_bytes_unacknowledged": 1,
        },
        "e": {"get_empty": 2},
    },
    vhost={**GOT, "get_empty": 2, "publish": 6},
)
def each_sort_of_get_is_counted() -> Client:
    client = opened()
    client.send(Queue.Declare(queue="q"), Queue.Declare(queue="e"))
    for _ in range(6):
        client.publish("q", b"1")
    client.send(Basic.Get(queue="q", no_ack=True))
    client.send(Basic.Get(queue="q"), Basic.Ack(delivery_tag=2))
    client.send(Basic.Get(queue="q"), Basic.Nack(delivery_tag=3, requeue=True))
    client.send(Basic.Get(queue="q"), Basic.Reject(delivery_tag=4, requeue=False))
    client.send(Basic.Get(queue="e"), Basic.Get(queue="e", no_ack=True))
    client.send(Basic.Get(queue="q"))
    return client


CONSUMED = {"ack": 3, "deliver": 6, "deliver_get": 6, "redeliver": 1}
SENT = {"deliver_no_ack": 4, "deliver_get": 4}


@scenario(
    channels={1: {**CONSUMED, "publish": 5, "messages_unacknowledged": 2}, 2: {**SENT, "publish": 3}},
    exchanges={"": {"publish_in": 9, "publish_out": 9}},
    queues={
        "n": {**SENT, "publish": 4},
        "q": {
            **CONSUMED,
            "publish": 5,
            "messages": 2,
            "messages_unacknowledged": 2,
            "message_bytes": 6,
            "message_bytes_unacknowledged": 6,
        },
    },
    vhost={**CONSUMED, "deliver_get": 10, "deliver_no_ack": 4, "publish": 9},
)
def consumers_with_and_without_acknowledgement_and_a_channel_that_is_closed() -> Client:
    client = opened(channels=(1, 2, 3))
    client.send(Queue.Declare(queue="q"), Queue.Declare(queue="n"))
    for _ in range(5):
        client.publish("q", b"123")
    client.send(Basic.Consume(queue="q"))
    client.send(Basic.Ack(delivery_tag=3, multiple=True), Basic.Nack(delivery_tag=4, requeue=True))
    for _ in range(3):
        client.publish("n", b"123", channel=2)
    client.send(Basic.Consume(queue="n", no_ack=True), channel=2)
    client.publish("n", b"12", channel=3)
    client.send(Channel.Close(0, "", 0, 0), channel=3)
    return client


@scenario(
    channels={1: {"deliver_get": 3, "get": 2, "get_no_ack": 1, "ack": 1, "publish": 5, "messages_unacknowledged": 1}},
    exchanges={"": {"publish_in": 5, "publish_out": 5}},
    queues={"q": {"publish": 1, "messages": 1, "messages_ready": 1, "message_bytes": 1, "message_bytes_ready": 1}},
    vhost={"deliver_get": 3, "get": 2, "get_no_ack": 1, "ack": 1, "publish": 5},
)
def a_queue_begins_anew_when_it_is_declared_anew() -> Client:
    """RabbitMQ counts the late ack for the new queue, and not for the channel."""
    client = opened()
    client.send(Queue.Declare(queue="q"))
    for _ in range(4):
        client.publish("q", b"123")
    client.send(Basic.Get(queue="q"), Basic.Get(queue="q"), Basic.Get(queue="q", no_ack=True))
    client.send(Queue.Delete(queue="q"), Basic.Ack(delivery_tag=1), Queue.Declare(queue="q"))
    client.publish("q", b"4")
    return client


@scenario(
    channels={
        1: {"ack": 1, "deliver_get": 2, "get": 2, "publish": 3, "messages_uncommitted": 2},
        2: {"deliver_get": 1, "get": 1, "acks_uncommitted": 1, "messages_uncommitted": 1},
    },
    exchanges={"": {"publish_in": 3, "publish_out": 3}},
    queues={
        "q": {
            "ack": 1,
            "deliver_get": 3,
            "get": 3,
            "publish": 3,
            "messages": 1,
            "messages_unacknowledged": 1,
            "message_bytes": 1,
            "message_bytes_unacknowledged": 1,
        }
    },
    vhost={"ack": 1, "deliver_get": 3, "get": 3, "publish": 3},
)
def a_transaction_counts_when_it_is_committed() -> Client:
    client = opened(channels=(1, 2))
    client.send(Queue.Declare(queue="q"))
    client.publish("q", b"1")
    client.publish("q", b"1")
    client.send(Basic.Get(queue="q"), Basic.Get(queue="q"), Tx.Select())
    client.publish("q", b"1")
    client.publish("q", b"1")
    client.send(Basic.Ack(delivery_tag=1), Tx.Rollback())
    client.publish("q", b"1")
    client.send(Basic.Ack(delivery_tag=1), Basic.Reject(delivery_tag=2, requeue=False), Tx.Commit())
    client.publish("q", b"1")
    client.publish("nope", b"1")
    client.send(Tx.Select(), Basic.Get(queue="q"), channel=2)
    client.publish("q", b"1", channel=2)
    client.send(Basic.Ack(delivery_tag=1), channel=2)
    return client


@scenario(
    channels={
        1: {"deliver_get": 1, "get_no_ack": 1, "publish": 1},
        2: {"publish": 2, "drop_unroutable": 1, "return_unroutable": 1},
    },
    exchanges={"": {"publish_in": 3, "publish_out": 1}},
    queues={"rpc": {"deliver_get": 1, "get_no_ack": 1, "publish": 1}},
    vhost={"deliver_get": 1, "get_no_ack": 1, "publish": 3, "drop_unroutable": 1, "return_unroutable": 1},
)
def direct_replies_have_no_queue() -> Client:
    client = opened(channels=(1, 2))
    client.send(Basic.Consume(queue="amq.rabbitmq.reply-to", no_ack=True), Queue.Declare(queue="rpc"))
    client.publish("rpc", b"ask", reply_to="amq.rabbitmq.reply-to")
    (got,) = client.send(Basic.Get(queue="rpc", no_ack=True))
    assert names(client.publish(got.properties.reply_to, b"answer", channel=2)) == ["Basic.Deliver"]
    client.publish(got.properties.reply_to, b"answer", channel=2, mandatory=True)
    return client


@scenario(
    channels={1: {"publish": 2}},
    exchanges={"a": {"publish_in": 1, "publish_out": 2}, "alt": {"publish_in": 1, "publish_out": 1}},
    queues={
        "q1": {"publish": 1, "messages": 1, "messages_ready": 1, "message_bytes": 1, "message_bytes_ready": 1},
        "q2": {"publish": 2, "messages": 2, "messages_ready": 2, "message_bytes": 2, "message_bytes_ready": 2},
    },
    vhost={"publish": 2},
)
def only_the_first_exchange_counts() -> Client:
    client = opened()
    client.send(
        Exchange.Declare(exchange="a", exchange_type="fanout"),
        Exchange.Declare(exchange="b", exchange_type="fanout"),
        Exchange.Bind(destination="b", source="a"),
        Queue.Declare(queue="q1"),
        Queue.Bind(queue="q1", exchange="a"),
        Queue.Declare(queue="q2"),
        Queue.Bind(queue="q2", exchange="b"),
        Exchange.Declare(exchange="alt", exchange_type="fanout", arguments={"alternate-exchange": "b"}),
    )
    client.publish("", b"1", exchange="a")
    client.publish("", b"1", exchange="alt")
    return client


RETURNED = {"deliver_get": 3, "get": 3, "publish": 3, "redeliver": 1}


@scenario(
    channels={1: {**RETURNED, "messages_unacknowledged": 1}},
    exchanges={"": {"publish_in": 3, "publish_out": 3}},
    queues={
        "d": {"messages": 1, "messages_ready": 1, "message_bytes": 3, "message_bytes_ready": 3},
        "q": {
            **RETURNED,
            "messages": 2,
            "messages_ready": 1,
            "messages_unacknowledged": 1,
            "messages_persistent": 2,
            "message_bytes": 6,
            "message_bytes_ready": 3,
            "message_bytes_unacknowledged": 3,
            "message_bytes_persistent": 6,
        },
    },
    vhost=RETURNED,
)
def a_quorum_queue_and_its_delivery_limit() -> Client:
    client = opened()
    arguments: dict[str, Any] = {
        "x-queue-type": "quorum",
        "x-delivery-limit": 1,
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": "d",
    }
    client.send(Queue.Declare(queue="d"), Queue.Declare(queue="q", durable=True, arguments=arguments))
    for _ in range(3):
        client.publish("q", b"123", delivery_mode=2)
    for tag in (1, 2):
        client.send(Basic.Get(queue="q"), Basic.Nack(delivery_tag=tag, requeue=True))
    client.send(Basic.Get(queue="q"))
    return client


@scenario(
    channels={1: {"deliver_get": 1, "get": 1, "publish": 3, "messages_unacknowledged": 1}},
    exchanges={"": {"publish_in": 3, "publish_out": 3}},
    queues={
        "q": {
            "deliver_get": 1,
            "get": 1,
            "publish": 3,
            "messages": 2,
            "messages_ready": 1,
            "messages_unacknowledged": 1,
            "messages_persistent": 1,
            "message_bytes": 7,
            "message_bytes_ready": 4,
            "message_bytes_unacknowledged": 3,
            "message_bytes_persistent": 3,
        }
    },
    vhost={"deliver_get": 1, "get": 1, "publish": 3},
)
def messages_that_expire_were_published() -> Client:
    client = opened()
    client.send(Queue.Declare(queue="q", durable=True))
    client.publish("q", b"123", expiration="1")
    client.publish("q", b"123", delivery_mode=2)
    client.publish("q", b"1234")
    client.now_ms += 300
    client.send(Basic.Get(queue="q"))
    return client


@scenario(
    channels={1: {"deliver_get": 1, "get": 1, "publish": 4, "messages_unacknowledged": 1}},
    exchanges={"": {"publish_in": 4, "publish_out": 4}},
    queues={
        "q": {
            "deliver_get": 1,
            "get": 1,
            "publish": 4,
            "messages": 2,
            "messages_ready": 1,
            "messages_unacknowledged": 1,
            "message_bytes": 5,
            "message_bytes_ready": 2,
            "message_bytes_unacknowledged": 3,
        }
    },
    vhost={"deliver_get": 1, "get": 1, "publish": 4},
)
def messages_that_are_purged_were_published() -> Client:
    client = opened()
    client.send(Queue.Declare(queue="q", durable=True))
    for _ in range(3):
        client.publish("q", b"123")
    client.send(Basic.Get(queue="q"), Queue.Purge(queue="q"))
    client.publish("q", b"12")
    return client


def test_a_commit_that_ends_the_connection_acknowledges_nothing() -> None:
    client = opened(profile="rabbitmq-4.3")
    client.send(Queue.Declare(queue="q"), Queue.Declare(queue="gone"))
    client.publish("q")
    client.send(Basic.Get(queue="q"), Tx.Select())
    client.publish("gone")
    client.send(Queue.Delete(queue="gone"), Basic.Ack(delivery_tag=1))
    assert names(client.send(Tx.Commit())) == ["Connection.Close"]
    counted = client.broker.vhosts["/"].channel_totals.sum()
    assert (counted["get"], counted["ack"], counted["publish"]) == (1, 0, 1)
    assert client.broker.vhosts["/"].queues["q"].message_stats()["ack"] == 0


@pytest.mark.parametrize("mode", ["basic", "detailed"])
@pytest.mark.parametrize(("play", "expected"), SCENARIOS, ids=[play.__name__ for play, _ in SCENARIOS])
def test_statistics_are_those_of_rabbitmq(
    monkeypatch: pytest.MonkeyPatch, play: Callable[[], Client], expected: Shown, mode: str
) -> None:
    monkeypatch.setattr("tests.amqp.test_statistics.RATES_MODE", mode)
    client = play()
    assert client.broker.config.management_rates_mode == mode
    assert shown(client) == expected
