"""kombu, and py-amqp below it: the layer on which Celery stands."""

from __future__ import annotations

import queue as standard_queue
import socket
import threading
import time
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import amqp
import kombu
import pytest
from kombu.pidbox import Mailbox

from .blocking import DEADLINE_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .broker_process import Address

HEARTBEAT_S = 1
IDLE_S = 5 * HEARTBEAT_S
TICK_S = 0.2


@pytest.fixture
def connection(broker: Address) -> Iterator[kombu.Connection]:
    with kombu.Connection(broker.url) as connection:
        yield connection


@pytest.fixture
def plain(broker: Address) -> Iterator[amqp.Connection]:
    """A py-amqp connection, without kombu around it."""
    with amqp.Connection(f"{broker.host}:{broker.port}") as connection:
        yield connection


@pytest.fixture
def channel(plain: amqp.Connection) -> amqp.Channel:
    return plain.channel()


def drain_until(connection: kombu.Connection | amqp.Connection, condition: Callable[[], bool]) -> None:
    """Handle what arrives until something has happened; fail when it does not."""
    give_up_at = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < give_up_at, "what was waited for did not happen"
        try:
            connection.drain_events(timeout=TICK_S)
        except TimeoutError:
            continue


def test_producer_and_consumer(connection: kombu.Connection, name: str) -> None:
    exchange = kombu.Exchange(name, "topic", auto_delete=True)
    queues = [
        kombu.Queue(f"{name}.errors", exchange, routing_key="*.error", exclusive=True),
        kombu.Queue(f"{name}.all", exchange, routing_key="#", exclusive=True),
    ]
    received: list[tuple[str, object]] = []

    def on_message(body: object, message: kombu.Message) -> None:
        received.append((message.delivery_info["routing_key"], body))
        message.ack()

    with connection.Consumer(queues, callbacks=[on_message], accept=["json", "pickle"]):
        producer = connection.Producer(exchange=exchange)
        producer.publish({"disk": "full"}, routing_key="a.error", serializer="json")
        producer.publish({1, 2}, routing_key="a.info", serializer="pickle", compression="zlib")
        drain_until(connection, lambda: len(received) == 3)
    assert sorted(received, key=str) == [
        ("a.error", {"disk": "full"}),
        ("a.error", {"disk": "full"}),
        ("a.info", {1, 2}),
    ]


def test_messages_are_requeued_rejected_and_got(connection: kombu.Connection, name: str) -> None:
    queue = kombu.Queue(name, exclusive=True)(connection.default_channel)
    queue.declare()
    producer = connection.Producer(connection.default_channel)
    for number in range(3):
        producer.publish(number, routing_key=name)
    messages = [queue.get() for _ in range(3)]
    messages[1].requeue()
    messages[0].reject()
    messages[2].ack()
    again = queue.get()
    assert (again.payload, again.delivery_info["redelivered"]) == (1, True)
    again.ack()
    assert queue.get() is None
    producer.publish("purged", routing_key=name)
    assert queue.get(no_ack=True).payload == "purged"
    assert queue.purge() == 0
    assert queue.delete() == 0


def test_simple_queue(connection: kombu.Connection, name: str) -> None:
    options = {"auto_delete": True, "durable": False}
    with connection.SimpleQueue(name, queue_opts=options, exchange_opts=options) as simple:
        for number in range(5):
            simple.put({"number": number})
        for number in range(5):
            message = simple.get(timeout=DEADLINE_S)
            assert message.payload == {"number": number}
            message.ack()
        with pytest.raises(standard_queue.Empty):
            simple.get(timeout=TICK_S)
        assert simple.qsize() == 0


def test_a_returned_message_is_handed_back(broker: Address, name: str) -> None:
    returned: list[tuple[object, ...]] = []
    with kombu.Connection(broker.url, transport_options={"confirm_publish": True}) as connection:
        channel = connection.channel()
        producer = kombu.Producer(
            channel,
            on_return=lambda exception, exchange, key, message: returned.append(
                (exception.reply_code, exception.reply_text, exchange, key, message.body)
            ),
        )
        producer.publish("nobody", routing_key=name, mandatory=True, serializer="raw", content_encoding="utf-8")
        drain_until(connection, lambda: bool(returned))
    assert returned == [(312, "NO_ROUTE", "", name, "nobody")]


def test_heartbeats_keep_an_idle_connection(broker: Address, name: str) -> None:
    with kombu.Connection(broker.url, heartbeat=HEARTBEAT_S) as connection:
        connection.connect()
        assert connection.get_heartbeat_interval() == HEARTBEAT_S
        give_up_at = time.monotonic() + IDLE_S
        while time.monotonic() < give_up_at:
            connection.heartbeat_check()
            with pytest.raises((TimeoutError, socket.timeout)):
                connection.drain_events(timeout=TICK_S)
        queue = kombu.Queue(name, exclusive=True)(connection.default_channel)
        queue.declare()
        connection.Producer(connection.default_channel).publish("still here", routing_key=name)
        assert queue.get(no_ack=True).payload == "still here"


def test_mailbox(broker: Address, name: str) -> None:
    """Broadcast commands with collected replies: what Celery's remote control is made of."""
    mailbox = Mailbox(name, type="fanout", queue_expires=60, reply_queue_expires=60)
    listening, finished = threading.Event(), threading.Event()
    cast: list[tuple[str, int]] = []

    def serve() -> None:
        with kombu.Connection(broker.url) as connection:
            for number in range(3):
                node = mailbox(connection).Node(f"node-{number}", channel=connection.channel())
                node.handlers["double"] = lambda _, number: 2 * number
                node.handlers["note"] = lambda _, number, host=node.hostname: cast.append((host, number))
                node.listen(callback=node.handle_message)
            listening.set()
            drain_until(connection, finished.is_set)

    server = threading.Thread(target=serve)
    server.start()
    assert listening.wait(DEADLINE_S)
    with kombu.Connection(broker.url) as connection:
        ours = mailbox(connection)
        replies = ours.multi_call("double", {"number": 21}, limit=3, timeout=DEADLINE_S)
        ours.cast(["node-1"], "note", {"number": 1})
        [reply] = ours.call(["node-1"], "double", {"number": 0}, timeout=DEADLINE_S)
    finished.set()
    server.join()
    assert sorted(replies, key=str) == [{f"node-{number}": 42} for number in range(3)]
    assert (cast, reply) == ([("node-1", 1)], {"node-1": 0})


def test_wrong_password_and_unknown_vhost(broker: Address, name: str) -> None:
    wrong = kombu.Connection(broker.url_with(password="wrong"))
    with pytest.raises(amqp.AccessRefused, match="ACCESS_REFUSED - Login was refused"):
        wrong.connect()
    wrong.release()
    unknown = kombu.Connection(broker.url_with(vhost=name))
    with pytest.raises(amqp.NotAllowed, match=f"NOT_ALLOWED - vhost {name} not found"):
        unknown.connect()
    unknown.release()


def test_amqplain_login(broker: Address) -> None:
    with amqp.Connection(f"{broker.host}:{broker.port}", login_method="AMQPLAIN") as connection:
        assert connection.channel().is_open


def test_server_properties(plain: amqp.Connection) -> None:
    """Celery reads the product and its version to decide how it limits prefetching."""
    properties = plain.server_properties
    assert properties["product"] == "RabbitMQ"
    assert [part.isdigit() for part in properties["version"].split(".")] == [True, True, True]
    assert properties["capabilities"] == dict.fromkeys(
        (
            "authentication_failure_close",
            "basic.nack",
            "connection.blocked",
            "consumer_cancel_notify",
            "consumer_priorities",
            "direct_reply_to",
            "exchange_exchange_bindings",
            "per_consumer_qos",
            "publisher_confirms",
        ),
        True,
    )
    assert {"cluster_name", "copyright", "information", "platform"} <= set(properties)


def test_headers_survive(channel: amqp.Channel, name: str) -> None:
    headers = {
        "flag": True,
        "int": -5,
        "long": 2**40,
        "double": 1.5e300,
        "decimal": Decimal("12.34"),
        "text": "naïve 世界",
        "when": datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC).replace(tzinfo=None),
        "none": None,
        "array": [1, "two", [3.25], {"four": [None, False]}],
        "table": {"inner": {"ключ": "value"}},
    }
    channel.queue_declare(name, exclusive=True)
    channel.basic_publish(amqp.Message(b"body", application_headers=headers), routing_key=name)
    received = channel.basic_get(name, no_ack=True)
    got = received.headers
    got["when"] = got["when"].replace(tzinfo=None)
    assert got == headers


def test_confirmed_publishing(channel: amqp.Channel, name: str) -> None:
    channel.queue_declare(name, auto_delete=True)
    for number in range(1, 51):
        channel.basic_publish_confirm(amqp.Message(b"x"), routing_key=name)
        assert channel.queue_declare(name, passive=True).message_count == number
    assert channel.queue_delete(name) == 50


def test_transactions(channel: amqp.Channel, name: str) -> None:
    channel.queue_declare(name, exclusive=True)
    channel.tx_select()
    channel.basic_publish(amqp.Message(b"rolled back"), routing_key=name)
    channel.tx_rollback()
    channel.basic_publish(amqp.Message(b"committed"), routing_key=name)
    assert channel.basic_get(name) is None
    channel.tx_commit()
    assert channel.basic_get(name).body == b"committed"


def test_recover_async_and_nowait(channel: amqp.Channel, name: str) -> None:
    channel.exchange_declare(name, "fanout", nowait=True)
    channel.queue_declare(name, exclusive=True, auto_delete=False, nowait=True)
    channel.queue_bind(name, name, nowait=True)
    channel.basic_publish(amqp.Message(b"body"), exchange=name)
    assert channel.basic_get(name).delivery_info["redelivered"] is False
    channel.basic_recover_async(requeue=True)
    assert channel.basic_get(name, no_ack=True).delivery_info["redelivered"] is True
    received: list[amqp.Message] = []
    channel.basic_consume(name, "ours", callback=received.append, no_ack=True, nowait=True)
    channel.basic_publish(amqp.Message(b"again"), exchange=name)
    drain_until(channel.connection, lambda: bool(received))
    channel.basic_cancel("ours", nowait=True)
    channel.queue_purge(name, nowait=True)
    channel.exchange_delete(name, nowait=True)
    assert channel.queue_declare(name, passive=True).consumer_count == 0


@pytest.mark.parametrize(
    ("provoke", "error", "text"),
    [
        pytest.param(
            lambda channel, name: channel.basic_consume(name, "tag"),
            amqp.NotAllowed,
            "NOT_ALLOWED - attempt to reuse consumer tag 'tag'",
            id="a consumer tag twice",
        ),
        pytest.param(
            lambda channel, name: channel.basic_publish(amqp.Message(b""), routing_key=name, immediate=True),
            amqp.AMQPNotImplementedError,
            "NOT_IMPLEMENTED - immediate=true",
            id="immediate",
        ),
        pytest.param(
            lambda channel, _: channel.basic_recover(requeue=False),
            amqp.AMQPNotImplementedError,
            "NOT_IMPLEMENTED - requeue=false",
            id="recover to the same consumer",
        ),
    ],
)
def test_connection_errors(
    broker: Address, name: str, provoke: Callable[[amqp.Channel, str], object], error: type[amqp.AMQPError], text: str
) -> None:
    connection = amqp.Connection(f"{broker.host}:{broker.port}")
    connection.connect()
    channel = connection.channel()
    channel.queue_declare(name, exclusive=True)
    channel.basic_consume(name, "tag")

    def provoke_and_wait() -> None:
        provoke(channel, name)
        drain_until(connection, lambda: False)

    with pytest.raises(error) as closed:
        provoke_and_wait()
    assert closed.value.reply_text == text
    assert not connection.connected
    connection.collect()


def test_channel_errors_leave_other_channels_alone(plain: amqp.Connection, name: str) -> None:
    failing, living = plain.channel(), plain.channel()
    with pytest.raises(amqp.NotFound) as closed:
        failing.queue_declare(name, passive=True)
    assert (closed.value.code, closed.value.reply_text) == (404, f"NOT_FOUND - no queue '{name}' in vhost '/'")
    living.queue_declare(name, exclusive=True)
    living.basic_publish(amqp.Message(b"on and on"), routing_key=name)
    assert living.basic_get(name, no_ack=True).body == b"on and on"


def test_cancelled_by_queue_deletion(plain: amqp.Connection, name: str) -> None:
    consuming, deleting = plain.channel(), plain.channel()
    cancelled: list[str] = []
    consuming.queue_declare(name, auto_delete=True)
    consuming.basic_consume(name, "ours", on_cancel=cancelled.append)
    deleting.queue_delete(name)
    drain_until(plain, lambda: bool(cancelled))
    assert cancelled == ["ours"]
    assert consuming.is_open


def test_nothing_is_delivered_on_a_closed_channel(plain: amqp.Connection, name: str) -> None:
    """py-amqp raises KeyError for a frame on a channel that it has forgotten."""
    publishing = plain.channel()
    publishing.queue_declare(name, auto_delete=False)
    for _ in range(500):
        publishing.basic_publish(amqp.Message(b"x"), routing_key=name)
    for _ in range(20):
        consuming = plain.channel()
        received: list[amqp.Message] = []
        consuming.basic_qos(0, 10, False)
        consuming.basic_consume(name, callback=received.append)

        def are_enough(received: list[amqp.Message] = received) -> bool:
            return len(received) >= 5

        drain_until(plain, are_enough)
        for message in received:
            consuming.basic_reject(message.delivery_tag, requeue=True)
        consuming.close()
        assert publishing.queue_declare(name, passive=True).consumer_count == 0
    assert publishing.queue_delete(name) == 500


def test_nothing_is_delivered_to_a_cancelled_consumer(plain: amqp.Connection, name: str) -> None:
    channel = plain.channel()
    channel.queue_declare(name, exclusive=True, auto_delete=False)
    for _ in range(100):
        channel.basic_publish(amqp.Message(b"x"), routing_key=name)
    received: list[amqp.Message] = []
    channel.basic_qos(0, 10, False)
    tag = channel.basic_consume(name, callback=received.append)
    drain_until(plain, lambda: len(received) == 10)
    channel.basic_cancel(tag)
    for message in received[:]:
        channel.basic_reject(message.delivery_tag, requeue=True)
    again = [channel.basic_get(name, no_ack=True) for _ in range(101)]
    assert [message is not None for message in again] == [True] * 100 + [False]
    assert len(received) == 10
