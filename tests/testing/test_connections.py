"""What a test may do to its clients' connections."""

import pika
import pytest
from pika.exceptions import AMQPConnectionError, ConnectionClosedByBroker, StreamLostError

from amqpy.testing import TestBroker
from tests.testing.apps import Publisher


def test_a_connection_is_cut(amqp_broker: TestBroker) -> None:
    for reset in (False, True):
        publisher = Publisher(amqp_broker.url, "app")
        amqp_broker.connection("app").cut(reset=reset)
        with pytest.raises(StreamLostError):
            publisher.connection.process_data_events(1)
        assert amqp_broker.connections == []


def test_a_connection_is_closed(amqp_broker: TestBroker) -> None:
    publisher = Publisher(amqp_broker.url, "app")
    amqp_broker.connection("app").close(320, "maintenance")
    with pytest.raises(ConnectionClosedByBroker) as end:
        publisher.connection.process_data_events(1)
    assert (end.value.reply_code, end.value.reply_text) == (320, "CONNECTION_FORCED - maintenance")
    assert amqp_broker.wait_for("connection.closed", connection="app").reply_code == 320
    with Publisher(amqp_broker.url, "app"), pytest.raises(ValueError, match="406 closes a channel"):
        amqp_broker.connection("app").close(406)


def test_a_connection_that_is_frozen(amqp_broker: TestBroker) -> None:
    with Publisher(amqp_broker.url, "app") as publisher:
        publisher.channel.queue_declare("q")
        connection = amqp_broker.connection("app")
        connection.freeze()
        publisher.send_nowait_on(publisher.channel, b"1", "q")
        assert amqp_broker.published() == []
        amqp_broker.settle()  # it does not count
        connection.thaw()
        amqp_broker.assert_published(body=b"1")
        publisher.send(b"2", "q")
    assert amqp_broker.queue("q").bodies == [b"1", b"2"]


def test_a_slow_connection(amqp_broker: TestBroker) -> None:
    with Publisher(amqp_broker.url, "app") as publisher:
        publisher.channel.queue_declare("q")
        publisher.send(bytes(10_000), "q")
        connection = amqp_broker.connection("app")
        connection.slow(bytes_per_second=1_000_000)
        assert publisher.channel.basic_get("q", auto_ack=True)[2] == bytes(10_000)
        with pytest.raises(ValueError, match="more than 0"):
            connection.slow(bytes_per_second=0)


def test_a_garbled_connection(amqp_broker: TestBroker) -> None:
    publisher = Publisher(amqp_broker.url, "app")
    amqp_broker.connection("app").garble()
    with pytest.raises(AMQPConnectionError):
        publisher.channel.queue_declare("q")


def test_a_connection_that_is_blocked(amqp_broker: TestBroker) -> None:
    with Publisher(amqp_broker.url, "app") as publisher:
        publisher.channel.queue_declare("q")
        with amqp_broker.blocked("disk"):
            publisher.send_nowait(b"1", "q")
            assert amqp_broker.connection("app").blocked
            amqp_broker.settle()
            assert amqp_broker.find("alarm.set", name="disk")
        assert not amqp_broker.connection("app").blocked
        amqp_broker.assert_published(body=b"1")


def test_direct_replies_are_delivered(amqp_broker: TestBroker) -> None:
    with Publisher(amqp_broker.url, "app") as publisher:
        channel = publisher.connection.channel()
        channel.queue_declare("rpc")
        channel.basic_consume("amq.rabbitmq.reply-to", lambda *_: None, auto_ack=True)
        channel.basic_publish("", "rpc", b"?", pika.BasicProperties(reply_to="amq.rabbitmq.reply-to"))
        _, properties, _ = channel.basic_get("rpc", auto_ack=True)
        channel.basic_publish("", properties.reply_to, b"!")
        event = amqp_broker.wait_for("delivered", body=b"!")
        assert event.queue is not None
        assert event.queue.startswith("amq.rabbitmq.reply-to.")
        assert [each.queue for each in amqp_broker.delivered(body=b"?")] == ["rpc"]


def test_answers_to_deliveries(amqp_broker: TestBroker) -> None:
    with Publisher(amqp_broker.url, "app") as publisher:
        publisher.channel.queue_declare("q")
        for body in (b"1", b"2", b"3", b"4", b"5"):
            publisher.send(body, "q")
        channel = publisher.connection.channel()
        for _ in range(5):
            channel.basic_get("q")
        channel.basic_ack(1)
        channel.basic_nack(2)
        channel.basic_reject(3, requeue=False)
        channel.basic_nack(4, requeue=False)
        amqp_broker.assert_not_published(body=b"6")  # which hears all that
        channel.close()
    assert [(event.body, event.delivery_tag, event.channel) for event in amqp_broker.acked()] == [(b"1", 1, 2)]
    assert [(event.body, event.requeue) for event in amqp_broker.rejected()] == [
        (b"2", True),
        (b"3", False),
        (b"4", False),
    ]
    assert [event.body for event in amqp_broker.find("requeued")] == [b"5"]
    assert [(event.body, event.reason) for event in amqp_broker.find("discarded")] == [
        (b"3", "rejected"),
        (b"4", "rejected"),
    ]
    assert amqp_broker.queue("q").bodies == [b"2", b"5"]
