"""Exchanges that must see the message, as a publisher sees them: confirms, returns, transactions, copies."""

from typing import Any

import pytest
from pamqp.commands import Basic, Confirm, Exchange, Queue, Tx
from pamqp.common import FieldTable

from .client import Client, names

DELAYED: FieldTable = {"x-delayed-type": "fanout"}


def with_exchange(kind: str, arguments: FieldTable | None = None, *, bound: bool = True) -> Client:
    """Two channels; `q` is bound to the exchange `x`."""
    client = Client.opened(channels=(1, 2))
    client.send(Exchange.Declare(exchange="x", exchange_type=kind, arguments=arguments), Queue.Declare(queue="q"))
    if bound:
        client.send(Queue.Bind(queue="q", exchange="x", routing_key="1"))
    return client


def get(client: Client) -> list[bytes]:
    """The messages in the queue, in order."""
    bodies = []
    while names(got := client.send(Basic.Get(queue="q", no_ack=True), channel=2)) == ["Basic.GetOk"]:
        bodies.append(got[0].body)
    return bodies


def until(client: Client, now_ms: int) -> None:
    client.now_ms = now_ms
    client.broker.advance(now_ms)


def test_a_delayed_message_is_confirmed_and_not_returned() -> None:
    client = with_exchange("x-delayed-message", DELAYED)
    client.send(Confirm.Select())
    published = client.publish("k", exchange="x", mandatory=True, headers={"x-delay": 10})
    assert names(published) == ["Basic.Ack"]
    assert get(client) == []
    until(client, 10)
    assert get(client) == [b"hello"]


def test_a_consumer_is_sent_it_with_the_number_negated() -> None:
    client = with_exchange("x-delayed-message", DELAYED)
    client.send(Basic.Consume(queue="q", no_ack=True), channel=2)
    headers = {"x-delay": 10, "CC": ["copy"], "BCC": ["hidden"]}
    assert client.publish("k", exchange="x", headers=headers) == []
    until(client, 10)
    (deliver,) = client.received()
    assert (deliver.method.exchange, deliver.method.routing_key, deliver.body) == ("x", "k", b"hello")
    assert deliver.properties.headers == {"x-delay": -10, "CC": ["copy"]}


def test_a_delay_begins_with_the_commit() -> None:
    client = with_exchange("x-delayed-message", DELAYED)
    client.send(Tx.Select())
    client.publish("k", b"undone", exchange="x", headers={"x-delay": 10})
    client.send(Tx.Rollback())
    client.publish("k", b"done", exchange="x", headers={"x-delay": 10})
    until(client, 10)
    assert get(client) == []
    until(client, 20)
    client.send(Tx.Commit())
    until(client, 29)
    assert get(client) == []
    until(client, 30)
    assert get(client) == [b"done"]


def test_a_commit_to_an_exchange_that_is_gone_is_returned() -> None:
    client = with_exchange("x-delayed-message", DELAYED)
    client.send(Tx.Select())
    client.publish("k", exchange="x", mandatory=True, headers={"x-delay": 10})
    client.send(Exchange.Delete(exchange="x"), channel=2)
    assert names(client.send(Tx.Commit())) == ["Basic.Return", "Tx.CommitOk"]
    assert client.broker.next_at_ms() is None


def test_a_message_that_expires_is_looked_at_too() -> None:
    client = with_exchange("headers", bound=False)
    client.send(Queue.Bind(queue="q", exchange="x", arguments={"h": 1}))
    properties: dict[str, Any] = {"headers": {"h": 1}, "expiration": "10"}
    client.publish("k", exchange="x", **properties)
    assert get(client) == [b"hello"]
    client.publish("k", exchange="x", **properties)
    until(client, 10)
    assert get(client) == []


@pytest.mark.parametrize("copies", ["CC", "BCC"])
def test_copies_are_one_message(copies: str) -> None:
    client = with_exchange("x-recent-history", bound=False)
    headers = {copies: ["a", "b"]}
    client.publish("k", exchange="x", headers=headers)
    client.publish("k", b"again", exchange="x")
    assert get(client) == []
    client.send(Queue.Bind(queue="q", exchange="x"))
    assert get(client) == [b"hello", b"again"], "each is kept once"


def test_a_history_is_sent_after_bind_ok() -> None:
    client = with_exchange("x-recent-history", bound=False)
    client.publish("k", exchange="x")
    client.send(Basic.Consume(queue="q", no_ack=True))
    assert names(client.send(Queue.Bind(queue="q", exchange="x"))) == ["Queue.BindOk", "Basic.Deliver"]


def test_a_duplicate_is_returned() -> None:
    client = with_exchange("x-message-deduplication", {"x-cache-size": 10})
    headers = {"x-deduplication-header": "once"}
    assert client.publish("k", b"1", exchange="x", mandatory=True, headers=headers) == []
    assert names(client.publish("k", b"2", exchange="x", mandatory=True, headers=headers)) == ["Basic.Return"]
    assert get(client) == [b"1"]


@pytest.mark.parametrize("kind", ["x-random", "x-consistent-hash", "x-modulus-hash"])
def test_one_of_many(kind: str) -> None:
    client = with_exchange(kind)
    client.send(Queue.Declare(queue="other"), Queue.Bind(queue="other", exchange="x", routing_key="1"))
    for number in range(20):
        client.publish(f"key {number}", exchange="x")
    counts = [client.send(Queue.Declare(queue=name, passive=True))[0].method.message_count for name in ("q", "other")]
    assert sum(counts) == 20
    assert all(counts)
