"""The texts of failing assertions, and what is found by which conditions."""

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from pika.exceptions import NackError

from amqpy.testing import NotSettled, TestBroker
from tests.testing.apps import Publisher


@pytest.fixture
def shop(amqp_broker: TestBroker) -> Iterator[Publisher]:
    """A shop that has published one order, with a key that nobody has bound."""
    with Publisher(amqp_broker.url, "shop") as publisher:
        channel = publisher.channel
        channel.exchange_declare("orders", "topic")
        channel.queue_declare("billing")
        channel.queue_bind("billing", "orders", "order.created")
        publisher.send(
            b'{"id": 7, "sku": "x"}', "order.create", "orders", content_type="application/json", headers={"tenant": 1}
        )
        yield publisher


def text_of(act: Any, *arguments: Any, **options: Any) -> str:  # noqa: ANN401
    with pytest.raises(AssertionError) as failure:
        act(*arguments, **options)
    return str(failure.value)


def test_what_was_near(amqp_broker: TestBroker, shop: Publisher) -> None:
    shop.send(b"no json", "x")
    text = text_of(
        amqp_broker.assert_published, "orders", "order.created", json={"id": 7, "sku": "y"}, times=1, timeout=0
    )
    assert text == (
        "expected to be published once: exchange='orders' routing_key='order.created' json={'id': 7, 'sku': 'y'}\n"
        "found 0 of 2 published; nearest:\n"
        "  published 'orders' key 'order.create' -> nowhere [shop]\n"
        "    routing_key: wanted 'order.created', was 'order.create'; "
        "bound to 'orders': 'order.created' (queue 'billing')\n"
        '    json:   -  "sku": "y"\n'
        '            +  "sku": "x"\n'
        "  published '' key 'x' -> nowhere [shop]\n"
        "    exchange: wanted 'orders', was ''\n"
        "    routing_key: wanted 'order.created', was 'x'\n"
        "    json: the body is none: b'no json'"
    )


def test_too_many(amqp_broker: TestBroker, shop: Publisher) -> None:
    shop.send(b"2", "order.create", "orders")
    text = text_of(amqp_broker.assert_published, "orders", times=1, timeout=0)
    assert text == "expected to be published once: exchange='orders'\nfound 2 of 2 published"
    assert len(amqp_broker.assert_published("orders", times=2)) == 2


def test_nothing_at_all(amqp_broker: TestBroker) -> None:
    assert text_of(amqp_broker.assert_published, "orders", timeout=0) == (
        "expected to be published: exchange='orders'\nnothing was published"
    )


def test_headers_and_properties(amqp_broker: TestBroker, shop: Publisher) -> None:
    wanted = {"headers": {"tenant": 2, "other": "a"}, "properties": {"content_type": "text/plain"}}
    lines = text_of(amqp_broker.assert_published, timeout=0, **wanted).splitlines()[3:]
    assert lines == [
        "    headers: wanted 'tenant': 2, was 1",
        "    headers: wanted 'other': 'a', was not there",
        "    properties: wanted 'content_type': 'text/plain', was 'application/json'",
    ]


def test_what_was_not_to_be(amqp_broker: TestBroker, shop: Publisher) -> None:
    amqp_broker.assert_not_published(routing_key="order.created")
    assert text_of(amqp_broker.assert_not_published, routing_key="order.*") == (
        "expected not to be published: routing_key='order.*'\n"
        "found 1:\n"
        "  published 'orders' key 'order.create' -> nowhere [shop] "
        '{"id": 7, "sku": "x"}'
    )


def test_a_list_that_is_empty_says_what_was_near(amqp_broker: TestBroker, shop: Publisher) -> None:
    found = amqp_broker.published("orders", "nothing")
    assert found == []
    assert "routing_key: wanted 'nothing', was 'order.create'" in repr(found)
    assert repr(amqp_broker.published()) == "[<published 'orders' key 'order.create' -> nowhere [shop]>]"


def test_a_queue_that_is_not_empty(amqp_broker: TestBroker, shop: Publisher) -> None:
    amqp_broker.assert_empty("billing")
    shop.send(b"1", "order.created", "orders")
    shop.send(b"2", "order.created", "orders")
    shop.channel.basic_get("billing")
    assert text_of(amqp_broker.assert_empty, timeout=0) == (
        "expected to be empty: 'billing'\n"
        "  'billing' has 1 ready, 1 unacknowledged:\n"
        "    ready from 'billing' 'orders' key 'order.created' 2\n"
        "    unacked from 'billing' 'orders' key 'order.created' redelivered 1"
    )


def test_names_that_are_not_there(amqp_broker: TestBroker, shop: Publisher) -> None:
    with pytest.raises(LookupError, match=r"^no queue 'biling'; did you mean 'billing'\?$"):
        amqp_broker.queue("biling")
    with pytest.raises(LookupError, match=r"^no queue 'x'; there are 'billing'$"):
        amqp_broker.queue("x")
    with pytest.raises(LookupError, match=r"^no virtual host 'shop'; there are '/'$"):
        amqp_broker.queue("billing", "shop")
    with pytest.raises(LookupError, match=r"^no connection 'x'; open are: 'shop'$"):
        amqp_broker.connection("x")
    with pytest.raises(TypeError, match="no condition 'key'"):
        amqp_broker.published(key="x")


def test_waiting_for_what_does_not_come(amqp_broker: TestBroker, shop: Publisher) -> None:
    assert text_of(amqp_broker.wait_for, "published", 2, 0, exchange="orders") == (
        "expected to be published twice: exchange='orders', within 0 s\nfound 1 of 1 published"
    )
    assert amqp_broker.wait_for("published").json() == {"id": 7, "sku": "x"}
    assert len(amqp_broker.wait_for("published", 1, exchange="orders").headers) == 1


def test_not_settled(amqp_broker: TestBroker, shop: Publisher) -> None:
    shop.channel.basic_consume("billing", lambda *_: None, consumer_tag="c")
    shop.send(b"1", "order.created", "orders")
    with pytest.raises(NotSettled) as failure:
        amqp_broker.settle(timeout=0.01)
    assert str(failure.value) == (
        "not settled within 0.01 s:\n  shop, channel 1: consumer 'c' of queue 'billing' has not answered a delivery"
    )
    assert amqp_broker.leaks("unacked") == [
        "1 message of queue 'billing' unacknowledged by consumer 'c', channel 1 of connection 'shop'"
    ]
    assert text_of(amqp_broker.assert_no_leaks).startswith("expected no leaks:\n  connection 'shop' of user 'guest' is")


@pytest.mark.parametrize(
    ("conditions", "is_met"),
    [
        ({"exchange": "orders"}, True),
        ({"exchange": re.compile("^ord")}, True),
        ({"exchange": re.compile("^rd")}, False),
        ({"exchange": lambda name: len(name) == 6}, True),
        ({"routing_key": "order.*"}, True),
        ({"routing_key": "#"}, True),
        ({"routing_key": "order"}, False),
        ({"body": b'{"id": 7, "sku": "x"}'}, True),
        ({"json": {"sku": "x", "id": 7}}, True),
        ({"json": {"id": 7}}, False),
        ({"headers": {"tenant": 1}}, True),
        ({"headers": {"tenant": lambda value: value > 1}}, False),
        ({"properties": {"content_type": "application/json"}}, True),
        ({"properties": {"priority": 1}}, False),
        ({"connection": "shop"}, True),
        ({"vhost": "/"}, True),
        ({"queue": "billing"}, False),
        ({"redelivered": True}, False),
        ({"where": lambda event: event.channel == 1}, True),
        ({"exchange": "orders", "routing_key": "x"}, False),
    ],
)
def test_conditions(amqp_broker: TestBroker, shop: Publisher, conditions: dict[str, Any], is_met: bool) -> None:
    assert bool(amqp_broker.find("published", **conditions)) is is_met


def test_a_message_is_found_by_each_queue_that_it_goes_to(amqp_broker: TestBroker, shop: Publisher) -> None:
    shop.channel.queue_declare("audit")
    shop.channel.queue_bind("audit", "orders", "#")
    shop.send(b"1", "order.created", "orders")
    for queue in ("billing", "audit", re.compile("^bill"), lambda name: name.endswith("t")):
        amqp_broker.assert_published("orders", body=b"1", queue=queue)
    assert not amqp_broker.published(queue="orders")


def test_the_way_of_a_message(amqp_broker: TestBroker, shop: Publisher) -> None:
    amqp_broker.clock.freeze()
    shop.channel.queue_declare(
        "retry",
        durable=True,
        arguments={
            "x-message-ttl": 60_000,
            "x-dead-letter-exchange": "orders",
            "x-dead-letter-routing-key": "order.created",
        },
    )
    shop.send(b"other", "retry")
    shop.send(b"7", "retry", delivery_mode=2)
    amqp_broker.clock.advance(minutes=1)
    shop.channel.basic_get("billing")
    assert str(amqp_broker.history(body=b"7")).splitlines() == [
        "    0.000 published '' key 'retry' -> retry [shop] 7",
        "    0.000 confirmed '' key 'retry' -> retry [shop] 7",
        "   60.000 dead_lettered from 'retry' '' key 'retry' -> billing expired 7",
    ]
    shop.channel.basic_get("billing")
    assert [event.kind for event in amqp_broker.history(body=b"7")] == [
        "published",
        "confirmed",
        "dead_lettered",
        "delivered",
    ]
    assert (
        amqp_broker.transcript()
        .splitlines()[-1]
        .endswith("delivered from 'billing' 'orders' key 'order.created' [shop] 7")
    )


def test_kinds_of_events(amqp_broker: TestBroker, shop: Publisher) -> None:
    channel = shop.channel
    channel.queue_declare("short", arguments={"x-max-length": 1, "x-overflow": "reject-publish"})
    channel.queue_declare("last", arguments={"x-max-length": 1})
    for _ in range(2):
        for name in ("short", "last"):
            with suppress(NackError):
                shop.send(b"1", name)
    (refused,) = amqp_broker.find("refused")
    assert (refused.queue, refused.reason) == ("short", "maxlen")
    (discarded,) = amqp_broker.find("discarded")
    assert (discarded.queue, discarded.reason, discarded.queues) == ("last", "maxlen", None)
    shop.connection.channel().basic_publish("", "nobody", b"", mandatory=True)
    (returned,) = [amqp_broker.wait_for("returned")]
    assert (returned.reply_code, returned.reply_text, returned.connection) == (312, "NO_ROUTE", "shop")
    assert [event.name for event in amqp_broker.find("queue.created")] == ["billing", "short", "last"]
    assert amqp_broker.find("binding.created", queue="billing", exchange="orders")
    assert amqp_broker.find("connection.created", connection="shop", vhost="/")


def test_a_transaction_is_published_at_its_commit(amqp_broker: TestBroker, shop: Publisher) -> None:
    channel = shop.connection.channel()
    channel.tx_select()
    channel.basic_publish("orders", "order.created", b"1")
    assert not amqp_broker.published(body=b"1")
    assert amqp_broker.leaks("transactions") == [
        "a transaction on channel 2 of connection 'shop' is not committed: 1 message published, 0 answered"
    ]
    channel.tx_commit()
    (event,) = amqp_broker.published(body=b"1")
    assert (event.queues, event.channel) == (["billing"], 2)
    channel.basic_publish("orders", "order.created", b"2")
    channel.tx_rollback()
    assert not amqp_broker.published(body=b"2")


def test_nothing_is_kept_of_what_was_rolled_back(amqp_broker: TestBroker, shop: Publisher) -> None:
    """A transaction ends by tx.commit, by tx.rollback or with its channel."""
    uncommitted = amqp_broker.server.recorder.uncommitted
    for end in ("tx_commit", "tx_rollback", "close"):
        channel = shop.connection.channel()
        channel.tx_select()
        channel.basic_publish("orders", "order.created", b"1")
        amqp_broker.settle()
        assert sum(map(len, uncommitted.values())) == 1
        getattr(channel, end)()
        assert not any(uncommitted.values())


def test_where_it_would_go(amqp_broker: TestBroker, shop: Publisher) -> None:
    amqp_broker.assert_routed("orders", "order.created", "billing")
    amqp_broker.assert_routed("", "billing", "billing")
    amqp_broker.assert_routed("orders", "order.create")
    assert amqp_broker.explain("orders", "order.created").queues == ["billing"]
    text = text_of(amqp_broker.assert_routed, "orders", "order.create", "billing")
    assert text.startswith("expected 'orders' key 'order.create' to lead to 'billing', not to no queue:\n")
    assert "order.created" in text
    assert len(amqp_broker.published()) == 1  # and no more: that of the shop
