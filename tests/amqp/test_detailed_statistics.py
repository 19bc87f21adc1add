"""Counters of pairs, in the mode `detailed`. What they add up to is what the scenarios of `test_statistics` say, whose
numbers are RabbitMQ's."""

# ruff: noqa: SLF001 (it looks where nobody else may)

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from pamqp.base import Frame as Method
from pamqp.commands import Basic, Channel, Confirm, Exchange, Queue

from amqpy.config import Config
from amqpy.core.detailed_statistics import PAIRS_MIN, UNCONFIRMED_MIN, ChannelPairs, DetailedStatistics, Pair
from amqpy.core.vhost import Vhost
from tests.core.slices import sliced

from .client import Client, make_broker
from .test_statistics import SCENARIOS

OF_PUBLISHES = {"publish", "confirm", "drop_unroutable", "return_unroutable"}
LOST = "a_queue_begins_anew_when_it_is_declared_anew"
"""The scenario in which a queue is deleted, and its pairs with it."""


def opened(*, channels: tuple[int, ...] = (1,), **settings: Any) -> Client:  # noqa: ANN401 (as Config has them)
    return Client.opened(make_broker(Config(management_rates_mode="detailed", **settings)), channels=channels)


def vhost_of(client: Client) -> Vhost:
    return client.broker.vhosts["/"]


def detailed_of(client: Client) -> DetailedStatistics:
    detailed = vhost_of(client).detailed
    assert detailed is not None
    return detailed


def pairs_of(client: Client, number: int = 1) -> ChannelPairs:
    pairs = detailed_of(client).channels[client.session.channels[number].origin]
    pairs.settle_confirms()
    return pairs


def added(pairs: Iterable[Pair]) -> dict[str, int]:
    """The sums of all counters that are not 0."""
    total: Counter[str] = Counter()
    for pair in pairs:
        total.update(pair.message_stats())
    return dict(+total)


def publishes(client: Client, number: int = 1) -> dict[str, dict[str, int]]:
    return {pair.exchange.name: added([pair]) for pair in pairs_of(client, number).publishes}


def deliveries(client: Client, number: int = 1) -> dict[str, dict[str, int]]:
    found = {pair.queue.name: added([pair]) for pair in pairs_of(client, number).deliveries}
    return {name: counts for name, counts in found.items() if counts}


def routes(client: Client) -> dict[tuple[str, str], int]:
    return {(pair.exchange.name, pair.queue.name): pair.publish for pair in detailed_of(client).routes()}


# --- what they add up to


@pytest.fixture
def detailed_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.amqp.test_statistics.RATES_MODE", "detailed")


@pytest.mark.usefixtures("detailed_mode")
@pytest.mark.parametrize("play", [play for play, _ in SCENARIOS if play.__name__ != LOST])
def test_the_pairs_of_a_channel_add_up_to_its_counters(play: Callable[[], Client]) -> None:
    client = play()
    assert client.session.channels
    for number, channel in client.session.channels.items():
        stats = {name: count for name, count in channel.message_stats().items() if count}
        pairs = pairs_of(client, number)
        assert added(pairs.publishes) == {name: stats[name] for name in stats if name in OF_PUBLISHES}
        assert added(pairs.deliveries) == {name: stats[name] for name in stats if name not in OF_PUBLISHES}


@pytest.mark.usefixtures("detailed_mode")
@pytest.mark.parametrize("play", [play for play, _ in SCENARIOS])
def test_the_pairs_of_a_queue_and_of_exchanges_add_up_to_its_publishes(play: Callable[[], Client]) -> None:
    client = play()
    detailed = detailed_of(client)
    for queue in vhost_of(client).queues.values():
        assert sum(pair.publish for pair in detailed.routes_to(queue)) == queue.message_stats()["publish"]
        assert {pair.queue for pair in detailed.routes_to(queue)} <= {queue}


# --- which they are


def test_other_modes_have_none() -> None:
    for mode in ("basic", "none"):
        broker = make_broker(Config(management_rates_mode=mode))
        vhost = broker.vhosts["/"]
        assert vhost.detailed is None
        assert vhost.watchers == ()


def test_each_exchange_and_each_queue_has_its_own() -> None:
    client = opened(channels=(1, 2))
    client.send(Exchange.Declare(exchange="x", exchange_type="fanout"), Exchange.Declare(exchange="none"))
    for name in "ab":
        client.send(Queue.Declare(queue=name), Queue.Bind(queue=name, exchange="x"))
    client.publish("", exchange="x")
    client.publish("", exchange="x")
    client.publish("a")
    client.publish("b", channel=2)
    client.publish("", exchange="none")
    client.publish("", exchange="none", mandatory=True)
    client.send(Basic.Get(queue="a"), Basic.Get(queue="b", no_ack=True), Basic.Ack(delivery_tag=1))
    client.send(Basic.Consume(queue="a", no_ack=True), channel=2)
    assert publishes(client) == {
        "x": {"publish": 2},
        "": {"publish": 1},
        "none": {"publish": 2, "drop_unroutable": 1, "return_unroutable": 1},
    }
    assert publishes(client, 2) == {"": {"publish": 1}}
    assert deliveries(client) == {
        "a": {"deliver_get": 1, "get": 1, "ack": 1},
        "b": {"deliver_get": 1, "get_no_ack": 1},
    }
    assert deliveries(client, 2) == {"a": {"deliver_get": 2, "deliver_no_ack": 2}}
    assert routes(client) == {("x", "a"): 2, ("x", "b"): 2, ("", "a"): 1, ("", "b"): 1}
    queue, exchange = vhost_of(client).queues["a"], vhost_of(client).exchanges[""]
    detailed = detailed_of(client)
    assert [(origin.number, added([pair])) for origin, pair in detailed.deliveries_from(queue)] == [
        (1, deliveries(client)["a"]),
        (2, deliveries(client, 2)["a"]),
    ]
    assert [(origin.number, added([pair])) for origin, pair in detailed.publishes_to(exchange)] == [
        (1, {"publish": 1}),
        (2, {"publish": 1}),
    ]
    assert {pair.queue.name for pair in detailed.routes_from(exchange)} == {"a", "b"}


@pytest.mark.parametrize(
    ("method", "acked"), [(Basic.Ack(multiple=True), 10), (Basic.Nack(multiple=True, requeue=False), 0)]
)
def test_very_many_are_settled_bit_by_bit(method: Method, acked: int) -> None:
    with sliced(1):
        client = opened()
        client.send(Queue.Declare(queue="q"))
        for _ in range(10):
            client.publish("q")
        client.send(Basic.Consume(queue="q", consumer_tag="c"), Basic.Cancel(consumer_tag="c"), method)
        client.finish()
    assert deliveries(client)["q"].get("ack", 0) == acked
    assert client.session.channels[1].message_stats()["ack"] == acked


def test_confirms_are_those_of_the_exchange_that_a_message_was_published_to() -> None:
    client = opened()
    client.send(Queue.Declare(queue="q", arguments={"x-max-length": 1, "x-overflow": "reject-publish"}))
    client.send(Queue.Bind(queue="q", exchange="amq.fanout"))
    client.publish("nope")  # before there are confirms
    client.send(Confirm.Select())
    client.publish("", exchange="amq.fanout")
    client.publish("q")
    client.publish("nope")
    client.publish("", exchange="amq.fanout")
    client.publish("", exchange="amq.fanout")
    assert publishes(client) == {
        "": {"publish": 3, "confirm": 1, "drop_unroutable": 2},
        "amq.fanout": {"publish": 3, "confirm": 1},
    }


def test_what_is_not_confirmed_yet_is_not_counted_as_confirmed() -> None:
    client = opened()
    client.send(Confirm.Select(), Queue.Declare(queue="q"))
    channel = client.session.channels[1]
    assert channel.confirms is not None
    pairs, vhost = pairs_of(client), vhost_of(client)
    exchanges = [vhost.exchanges["amq.direct"], vhost.exchanges["amq.topic"]]
    for number in range(UNCONFIRMED_MIN * 4):
        pairs.count(exchanges[number % 2])
        channel.confirms.last_tag += 1
    assert added(pairs.publishes) == {"publish": UNCONFIRMED_MIN * 4}
    channel.confirms.note()
    channel.confirms.take()
    pairs.count(exchanges[0])
    channel.confirms.last_tag += 1
    pairs.settle_confirms()
    assert {pair.exchange.name: pair.confirm for pair in pairs.publishes} == dict.fromkeys(
        ("amq.direct", "amq.topic"), UNCONFIRMED_MIN * 2
    )


# --- what is forgotten


def test_a_pair_is_gone_with_its_channel() -> None:
    client = opened(channels=(1, 2))
    client.send(Queue.Declare(queue="q"))
    client.publish("q", channel=2)
    client.send(Channel.Close(0, "", 0, 0), channel=2)
    assert {origin.number for origin in detailed_of(client).channels} == {1}
    assert routes(client) == {("", "q"): 1}


def test_a_pair_is_gone_with_its_exchange_and_its_queue() -> None:
    client = opened()
    client.send(Queue.Declare(queue="q"), Exchange.Declare(exchange="x", exchange_type="fanout"))
    client.send(Queue.Bind(queue="q", exchange="x"))
    client.publish("", exchange="x")
    client.publish("q")
    client.send(Basic.Get(queue="q"))
    client.send(Exchange.Delete(exchange="x"))
    assert publishes(client) == {"": {"publish": 1}}
    assert routes(client) == {("", "q"): 1}
    assert len(list(detailed_of(client).routes_to(vhost_of(client).queues["q"]))) == 1
    client.send(Queue.Delete(queue="q"))
    assert deliveries(client) == {}
    assert routes(client) == {}


def test_deleted_queues_and_exchanges_do_not_add_up() -> None:
    client = opened()
    client.send(Queue.Declare(queue="stays"))
    for number in range(5 * PAIRS_MIN):
        name = f"q{number}"
        client.send(Queue.Declare(queue=name), Exchange.Declare(exchange=name, exchange_type="fanout"))
        client.send(Queue.Bind(queue=name, exchange=name), Queue.Bind(queue="stays", exchange=name))
        client.publish("", exchange=name)
        client.send(Basic.Get(queue=name), Queue.Delete(queue=name), Exchange.Delete(exchange=name))
    detailed, pairs = detailed_of(client), pairs_of(client)
    to_queue = detailed._of_queues.get(vhost_of(client).queues["stays"])
    unacked: Any = client.session.channels[1].unacked
    assert to_queue is not None
    for kept in (pairs.publishes, unacked.pairs, detailed._of_exchanges, detailed._of_queues, to_queue):
        assert len(kept) <= PAIRS_MIN


def test_a_copy_of_all_messages_and_the_counters_are_watchers_beside_each_other() -> None:
    client = opened()
    client.send(Queue.Declare(queue="q"))
    client.send(Basic.Consume(queue="q", no_ack=True))
    client.broker.administration.trace_on("/")
    client.publish("q")
    client.broker.administration.trace_off("/")
    client.publish("q")
    assert deliveries(client) == {"q": {"deliver_get": 2, "deliver_no_ack": 2}}
