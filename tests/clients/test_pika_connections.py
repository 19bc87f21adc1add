"""Connections and channels with pika: opening, refusals, heartbeats, many channels, threads, secrets."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pika
import pytest
from pika.exceptions import (
    ChannelClosedByBroker,
    ConnectionClosedByBroker,
    ProbableAccessDeniedError,
    ProbableAuthenticationError,
)

from .blocking import get_body, take, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from pika.adapters.blocking_connection import BlockingChannel

HEARTBEAT_S = 1
# pika itself gives up on a silent broker five seconds after the heartbeat interval.
LONGER_THAN_PIKA_WAITS_S = HEARTBEAT_S + 6


@pytest.mark.parametrize(
    "credentials",
    [
        pytest.param(pika.PlainCredentials("guest", "wrong"), id="password"),
        pytest.param(pika.PlainCredentials("nobody", "guest"), id="user"),
    ],
)
def test_wrong_credentials(connect: Callable[..., pika.BlockingConnection], credentials: pika.PlainCredentials) -> None:
    with pytest.raises(ProbableAuthenticationError) as refused:
        connect(credentials=credentials)
    assert "(403) 'ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN." in str(refused.value)


def test_unknown_vhost(connect: Callable[..., pika.BlockingConnection], name: str) -> None:
    with pytest.raises(ProbableAccessDeniedError) as refused:
        connect(virtual_host=name)
    assert f"(530) 'NOT_ALLOWED - vhost {name} not found'" in str(refused.value)


def test_what_the_broker_says_about_itself(connection: pika.BlockingConnection) -> None:
    assert connection.basic_nack_supported
    assert connection.consumer_cancel_notify_supported
    assert connection.exchange_exchange_bindings_supported
    assert connection.publisher_confirms_supported


def test_tuning_follows_the_client(connect: Callable[..., pika.BlockingConnection]) -> None:
    connection = connect(channel_max=2, frame_max=4096, heartbeat=0)
    first, second = connection.channel(), connection.channel()
    assert {first.channel_number, second.channel_number} == {1, 2}
    with pytest.raises(pika.exceptions.NoFreeChannels):
        connection.channel()


def test_an_idle_connection_lives_by_heartbeats(connect: Callable[..., pika.BlockingConnection], name: str) -> None:
    connection = connect(heartbeat=HEARTBEAT_S)
    channel = connection.channel()
    channel.queue_declare(name, exclusive=True)
    connection.process_data_events(time_limit=LONGER_THAN_PIKA_WAITS_S)
    channel.basic_publish("", name, b"still here")
    assert get_body(channel, name) == b"still here"


def test_a_silent_client_is_dropped(connect: Callable[..., pika.BlockingConnection], name: str) -> None:
    silent, witness = connect(heartbeat=HEARTBEAT_S), connect()
    silent.channel().queue_declare(name, exclusive=True)

    def is_gone() -> bool:
        with pytest.raises(ChannelClosedByBroker) as closed:
            witness.channel().queue_declare(name, passive=True)
        assert closed.value.reply_code in (404, 405)
        return closed.value.reply_code == 404

    wait_until(witness, is_gone)
    assert witness.channel().queue_declare(name, exclusive=True).method.message_count == 0
    with pytest.raises(pika.exceptions.AMQPConnectionError):
        silent.channel()


def test_two_hundred_channels(connection: pika.BlockingConnection, name: str) -> None:
    channels = [connection.channel() for _ in range(200)]
    received: dict[int, list[bytes]] = {channel.channel_number: [] for channel in channels}
    assert len(received) == 200

    def on_message(channel: BlockingChannel, method: pika.spec.Basic.Deliver, _: object, body: bytes) -> None:
        received[channel.channel_number].append(body)
        channel.basic_ack(method.delivery_tag)

    for channel in channels:
        queue = f"{name}.{channel.channel_number}"
        channel.queue_declare(queue, exclusive=True)
        channel.basic_consume(queue, on_message)
    for round_number in range(3):
        for sender, receiver in zip(channels, reversed(channels), strict=True):
            sender.basic_publish("", f"{name}.{receiver.channel_number}", b"%d" % round_number)
    wait_until(connection, lambda: all(len(bodies) == 3 for bodies in received.values()))
    assert all(bodies == [b"0", b"1", b"2"] for bodies in received.values())


def test_channel_numbers_are_used_again(connection: pika.BlockingConnection, name: str) -> None:
    for _ in range(50):
        channel = connection.channel(channel_number=7)
        channel.queue_declare(name, exclusive=True)
        channel.close()


def test_connection_name_and_client_properties(connect: Callable[..., pika.BlockingConnection], name: str) -> None:
    properties = {
        "connection_name": f"{name} worker № 1",
        "product": "tests",
        "nested": {"list": [1, "two"], "flag": True},
        "capabilities": {"connection.blocked": True, "unknown capability": True},
    }
    channel = connect(client_properties=properties).channel()
    channel.queue_declare(name, exclusive=True)


def test_update_secret(connection: pika.BlockingConnection, name: str) -> None:
    channel = connection.channel()
    channel.queue_declare(name, exclusive=True)
    connection.update_secret("guest", "rotated")
    channel.basic_publish("", name, b"goes on")
    assert get_body(channel, name) == b"goes on"


def test_blocked_callbacks_stay_silent(connect: Callable[..., pika.BlockingConnection], name: str) -> None:
    connection = connect(blocked_connection_timeout=1)
    events: list[object] = []
    connection.add_on_connection_blocked_callback(lambda *event: events.append(event))
    connection.add_on_connection_unblocked_callback(lambda *event: events.append(event))
    channel = connection.channel()
    channel.queue_declare(name, exclusive=True)
    for _ in range(200):
        channel.basic_publish("", name, b"x" * 10_000)
    assert len(take(channel, name, 200)) == 200
    assert events == []


def test_threads_publish_through_the_connections_loop(
    connect: Callable[..., pika.BlockingConnection], name: str
) -> None:
    connection, consumer = connect(), connect()
    channel = connection.channel()
    channel.queue_declare(name, auto_delete=True)
    finished = threading.Barrier(5)

    def publish_from(thread_number: int) -> None:
        for number in range(100):
            body = b"%d.%d" % (thread_number, number)
            connection.add_callback_threadsafe(lambda body=body: channel.basic_publish("", name, body))
        finished.wait()

    threads = [threading.Thread(target=publish_from, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    finished.wait()
    for thread in threads:
        thread.join()
    connection.process_data_events()
    bodies = [delivery.body for delivery in take(consumer.channel(), name, 400)]
    for thread_number in range(4):
        own = [body for body in bodies if body.startswith(b"%d." % thread_number)]
        assert own == [b"%d.%d" % (thread_number, number) for number in range(100)]


def test_workers_acknowledge_from_their_threads(connection: pika.BlockingConnection, name: str) -> None:
    channel = connection.channel()
    channel.queue_declare(name, exclusive=True)
    channel.basic_qos(prefetch_count=4)
    threads: list[threading.Thread] = []
    acknowledged: list[bytes] = []

    def acknowledge(tag: int, body: bytes) -> None:
        channel.basic_ack(tag)
        acknowledged.append(body)

    def work(tag: int, body: bytes) -> None:
        connection.add_callback_threadsafe(lambda: acknowledge(tag, body))

    def on_message(_: BlockingChannel, method: pika.spec.Basic.Deliver, __: object, body: bytes) -> None:
        threads.append(threading.Thread(target=work, args=(method.delivery_tag, body)))
        threads[-1].start()

    channel.basic_consume(name, on_message)
    for number in range(40):
        channel.basic_publish("", name, b"%d" % number)
    wait_until(connection, lambda: len(acknowledged) == 40)
    for thread in threads:
        thread.join()
    assert set(acknowledged) == {b"%d" % number for number in range(40)}
    channel.basic_recover(requeue=True)
    assert get_body(channel, name) is None, "nothing was left unacknowledged"


def test_the_broker_closes_only_the_connection_that_errs(
    connect: Callable[..., pika.BlockingConnection], name: str
) -> None:
    faulty, healthy = connect(), connect()
    faulty.channel().queue_declare(f"{name}.faulty", exclusive=True)
    channel = healthy.channel()
    channel.queue_declare(name, exclusive=True)
    with pytest.raises(ConnectionClosedByBroker):
        faulty.channel().basic_qos(prefetch_size=1)
    assert faulty.is_closed
    channel.basic_publish("", name, b"unharmed")
    assert get_body(channel, name) == b"unharmed"
    assert channel.queue_declare(f"{name}.faulty", exclusive=True).method.message_count == 0
