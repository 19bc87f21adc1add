"""The examples of docs/testing-your-app.md, with pika in a thread as the application."""

import json

import pytest

from amqpy.testing import TestBroker
from tests.testing.apps import Publisher, Worker


def test_a_failed_order_is_tried_again_after_an_hour(amqp_broker: TestBroker) -> None:
    with Publisher(amqp_broker.url) as publisher:
        publisher.channel.queue_declare(
            "retry",
            arguments={"x-message-ttl": 3_600_000, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "orders"},
        )
        publisher.channel.queue_declare(
            "orders", arguments={"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "retry"}
        )
        with Worker(amqp_broker.url, "orders") as worker:
            worker.fail_next()
            publisher.send(b'{"id": 7}', "orders")
            amqp_broker.settle()
            amqp_broker.clock.advance(hours=1, settle=True)
    assert [m.json() for m in amqp_broker.acked(queue="orders")] == [{"id": 7}]
    assert [m.json() for m in amqp_broker.delivered(queue="orders")] == [{"id": 7}, {"id": 7}]
    assert [m.reason for m in amqp_broker.dead_lettered()] == ["rejected", "expired"]


def test_lost_confirm(amqp_broker: TestBroker) -> None:
    amqp_broker.faults.cut_connection(on="published", nth=3)
    with Publisher(amqp_broker.url) as publisher:
        publisher.channel.queue_declare("q")
        for number in range(5):
            publisher.send_surely(json.dumps(number).encode(), "q")
    assert [m.json() for m in amqp_broker.published()] == [0, 1, 2, 2, 3, 4]
    assert amqp_broker.queue("q").bodies == [b"0", b"1", b"2", b"2", b"3", b"4"]


def test_consumer_dies_with_a_message(amqp_broker: TestBroker) -> None:
    amqp_broker.faults.cut_connection(on="delivered", queue="jobs")
    with Publisher(amqp_broker.url) as publisher, Worker(amqp_broker.url, "jobs"):
        publisher.send(b"1", "jobs")
        amqp_broker.wait_for("acked")
    assert [e.redelivered for e in amqp_broker.delivered(queue="jobs")] == [False, True]


@pytest.mark.amqp(consumer_timeout_ms=30 * 60_000)
def test_the_consumer_timeout(amqp_broker: TestBroker) -> None:
    with Publisher(amqp_broker.url) as publisher:
        publisher.channel.queue_declare("jobs")
        publisher.send(b"x", "jobs")
        publisher.channel.basic_consume("jobs", lambda *_: None)
        amqp_broker.wait_for("delivered")
        amqp_broker.clock.advance(minutes=31)
        assert amqp_broker.find("channel.closed", reply_code=406)


def test_restart(amqp_broker: TestBroker) -> None:
    with Publisher(amqp_broker.url) as publisher:
        publisher.channel.queue_declare("jobs", durable=True)
        publisher.send(b"x", "jobs", delivery_mode=2)
        amqp_broker.restart()
        publisher.send_surely(b"y", "jobs")
    assert amqp_broker.queue("jobs").bodies == [b"x", b"y"]


def test_poison(amqp_broker: TestBroker) -> None:
    with Publisher(amqp_broker.url) as publisher:
        publisher.channel.queue_declare("jobs.dlq")
        publisher.channel.queue_declare(
            "jobs", arguments={"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "jobs.dlq"}
        )
        with Worker(amqp_broker.url, "jobs", handle=json.loads):
            publisher.send(b"no json", "jobs")
            amqp_broker.settle()
    headers = amqp_broker.queue("jobs.dlq").ready[0].headers
    assert headers is not None
    assert headers["x-death"][0]["reason"] == "rejected"


def test_blocked(amqp_broker: TestBroker) -> None:
    with Publisher(amqp_broker.url) as publisher:
        publisher.channel.queue_declare("q")
        with amqp_broker.blocked("memory"):
            publisher.send_nowait(b"x", "q")
            amqp_broker.assert_not_published()
        amqp_broker.assert_published(body=b"x")


def test_two_apps(amqp_broker: TestBroker) -> None:
    for name in ("shop", "billing"):
        with Publisher(amqp_broker.add_vhost(name).url) as publisher:
            publisher.channel.queue_declare("q")
            publisher.send(name.encode(), "q")
    assert amqp_broker.queues == ["billing/q", "shop/q"]
    assert amqp_broker.queue("q", "shop").bodies == [b"shop"]


def test_a_fork_of_a_seed() -> None:
    with TestBroker() as seed, Publisher(seed.url) as publisher:
        publisher.channel.queue_declare("q", durable=True)
        publisher.channel.queue_declare("transient")
        publisher.send(b"1", "q")
        publisher.send(b"2", "q")
        publisher.channel.basic_get("q")
        snapshot = seed.snapshot()
    for _ in range(2):
        with TestBroker(snapshot=snapshot) as fork, Publisher(fork.url) as publisher:
            assert fork.queues == ["q", "transient"]
            assert [(m.body, m.redelivered) for m in fork.queue("q").ready] == [(b"1", True), (b"2", False)]
            publisher.channel.queue_purge("q")
