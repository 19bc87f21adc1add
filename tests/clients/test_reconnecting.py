"""Clients that live through a restart of their broker."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import aio_pika
import kombu
import pika
import pytest
from aio_pika import Message

from .asyncio_test import asyncio_test
from .blocking import DEADLINE_S, get_body, parameters, take

if TYPE_CHECKING:
    from aio_pika.abc import AbstractIncomingMessage, AbstractRobustConnection
    from pika.adapters.blocking_connection import BlockingChannel

    from interop.kit.brokers import Amqpy


class PersistentConsumer(threading.Thread):
    """The loop pika's documentation recommends: connect, declare, consume; when the connection goes, begin again."""

    def __init__(self, broker: Amqpy, queue: str) -> None:
        super().__init__(daemon=True)
        self._broker = broker
        self._queue = queue
        self.losses: list[Exception] = []
        self.received: list[bytes] = []
        self.consuming = threading.Semaphore(0)

    def run(self) -> None:
        while b"the end" not in self.received:
            try:
                self._consume()
            except pika.exceptions.AMQPConnectionError as lost:
                self.losses.append(lost)

    def _consume(self) -> None:
        persistent = parameters(self._broker.address, connection_attempts=100, retry_delay=0.1)
        connection = pika.BlockingConnection(persistent)
        channel = connection.channel()
        channel.queue_declare(self._queue, auto_delete=True)
        channel.basic_consume(self._queue, self._on_message)
        self.consuming.release()
        channel.start_consuming()
        connection.close()

    def _on_message(
        self, channel: BlockingChannel, method: pika.spec.Basic.Deliver, _: pika.BasicProperties, body: bytes
    ) -> None:
        self.received.append(body)
        channel.basic_ack(method.delivery_tag)
        if body == b"the end":
            channel.stop_consuming()


def publish(broker: Amqpy, queue: str, body: bytes) -> None:
    connection = pika.BlockingConnection(parameters(broker.address))
    channel = connection.channel()
    channel.confirm_delivery()
    channel.basic_publish("", queue, body, mandatory=True)
    connection.close()


def test_a_pika_loop(own_broker: Amqpy, name: str) -> None:
    consumer = PersistentConsumer(own_broker, name)
    consumer.start()
    for body in (b"before", b"between", b"the end"):
        assert consumer.consuming.acquire(timeout=DEADLINE_S)
        publish(own_broker, name, body)
        if body != b"the end":
            own_broker.restart()
    consumer.join(DEADLINE_S)
    assert consumer.received[-1] == b"the end"
    assert len(consumer.losses) >= 2
    assert all(isinstance(loss, pika.exceptions.AMQPConnectionError) for loss in consumer.losses)


def test_a_stopping_broker_says_goodbye(own_broker: Amqpy) -> None:
    connection = pika.BlockingConnection(parameters(own_broker.address))
    own_broker.stop()
    with pytest.raises(pika.exceptions.ConnectionClosedByBroker) as closed:
        connection.process_data_events(time_limit=DEADLINE_S)
    assert closed.value.reply_code == 320
    assert closed.value.reply_text.startswith("CONNECTION_FORCED - ")


@asyncio_test
async def test_aio_pika_restores_a_robust_connection(own_broker: Amqpy, name: str) -> None:
    received: asyncio.Queue[bytes] = asyncio.Queue()
    restored = asyncio.Event()

    async def on_message(message: AbstractIncomingMessage) -> None:
        async with message.process():
            received.put_nowait(message.body)

    connection: AbstractRobustConnection = await aio_pika.connect_robust(own_broker.address.url, reconnect_interval=0.1)
    async with connection:
        connection.reconnect_callbacks.add(lambda *_: restored.set())
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=10)
        exchange = await channel.declare_exchange(name, aio_pika.ExchangeType.TOPIC, auto_delete=True)
        queue = await channel.declare_queue(name, auto_delete=True)
        await queue.bind(exchange, routing_key="a.*")
        await queue.consume(on_message)
        await exchange.publish(Message(b"before"), routing_key="a.b")
        assert await received.get() == b"before"

        await asyncio.to_thread(own_broker.restart)
        await restored.wait()
        await exchange.publish(Message(b"after"), routing_key="a.c")
        assert await received.get() == b"after"


def test_kombu_ensures_its_publishes(own_broker: Amqpy, name: str) -> None:
    queue = kombu.Queue(name, kombu.Exchange(name), routing_key="key", auto_delete=True)
    with kombu.Connection(own_broker.address.url) as connection:
        producer = kombu.Producer(connection.channel())
        policy = {"max_retries": 50, "interval_start": 0, "interval_step": 0.1, "interval_max": 0.2}
        producer.publish("before", exchange=queue.exchange, routing_key="key", declare=[queue])
        own_broker.restart()
        producer.publish(
            "after",
            exchange=queue.exchange,
            routing_key="key",
            declare=[queue],
            retry=True,
            retry_policy=policy,
        )
    reader = pika.BlockingConnection(parameters(own_broker.address))
    channel = reader.channel()
    assert [delivery.body for delivery in take(channel, name, 1)] == [b"after"]
    reader.close()


def test_nothing_survives_in_memory(own_broker: Amqpy, name: str) -> None:
    for expected_count in (0, 0):
        connection = pika.BlockingConnection(parameters(own_broker.address))
        channel = connection.channel()
        assert channel.queue_declare(name, durable=True).method.message_count == expected_count
        channel.basic_publish("", name, b"body", pika.BasicProperties(delivery_mode=2))
        assert get_body(channel, name) == b"body"
        channel.basic_publish("", name, b"lost")
        connection.close()
        own_broker.restart()
