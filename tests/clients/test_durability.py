"""Applications under load whose broker is stopped, or killed, and started again on the same directory: they go on, and
nothing that was confirmed is lost."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING

import aio_pika
import pika
import pytest
from aio_pika import DeliveryMode, Message
from aio_pika.exceptions import AMQPException

from .asyncio_test import asyncio_test
from .blocking import DEADLINE_S, get_body, message_count, parameters

if TYPE_CHECKING:
    from aio_pika.abc import AbstractIncomingMessage
    from pika.adapters.blocking_connection import BlockingChannel

    from interop.kit.brokers import Amqpy

RESTARTS = 3
MESSAGES_BETWEEN = 150
RETRY_S = 0.05
PERSISTENT = pika.BasicProperties(delivery_mode=2)


class Record:
    """What an application knows of its messages; safe for several threads."""

    def __init__(self) -> None:
        self.attempts: Counter[int] = Counter()
        self.confirmed: list[int] = []
        self.received: list[tuple[int, bool]] = []
        """Numbers, and whether they were marked as redelivered."""
        self.news = threading.Condition()

    def confirm(self, number: int) -> None:
        with self.news:
            self.confirmed.append(number)
            self.news.notify_all()

    def receive(self, number: int, *, redelivered: bool) -> None:
        with self.news:
            self.received.append((number, redelivered))
            self.news.notify_all()

    def has_received(self) -> bool:
        """Whether everything that was confirmed has come."""
        return {number for number, _ in self.received} >= set(self.confirmed)

    def check(self) -> None:
        """What came twice was published twice, or came back as such; what came first came in order."""
        firsts = list(dict.fromkeys(number for number, _ in self.received))
        assert firsts == sorted(firsts)
        new = Counter(number for number, redelivered in self.received if not redelivered)
        assert {number for number, count in new.items() if count > self.attempts[number]} == set()


class PikaApplication:
    """A publisher and a consumer, each a thread that connects again when it has lost its connection."""

    def __init__(self, broker: Amqpy, queue: str) -> None:
        self.record = Record()
        self._broker = broker
        self._queue = queue
        self._stop_publishing = threading.Event()
        self._stop_consuming = threading.Event()
        self._threads = [
            threading.Thread(target=self._go_on, args=(work, stopping), daemon=True)
            for work, stopping in ((self._publish, self._stop_publishing), (self._consume, self._stop_consuming))
        ]
        for thread in self._threads:
            thread.start()

    def _go_on(self, work: object, stopping: threading.Event) -> None:
        assert callable(work)
        while not stopping.is_set():
            with suppress(pika.exceptions.AMQPError):
                connection = self._connect()
                channel = connection.channel()
                channel.queue_declare(self._queue, durable=True)
                work(connection, channel)
                connection.close()

    def _connect(self) -> pika.BlockingConnection:
        persistent = parameters(self._broker.address, connection_attempts=200, retry_delay=RETRY_S)
        while True:
            try:
                return pika.BlockingConnection(persistent)
            except ValueError as error:
                # pika's word for a connection that was reset as soon as it was there, and it does not try again.
                if "getpeername" not in str(error):
                    raise

    def _publish(self, connection: pika.BlockingConnection, channel: BlockingChannel) -> None:
        channel.confirm_delivery()
        while not self._stop_publishing.is_set():
            number = len(self.record.confirmed)
            self.record.attempts[number] += 1
            channel.basic_publish("", self._queue, str(number).encode(), PERSISTENT, mandatory=True)
            self.record.confirm(number)

    def _consume(self, connection: pika.BlockingConnection, channel: BlockingChannel) -> None:
        channel.basic_qos(prefetch_count=10)
        for method, _, body in channel.consume(self._queue, inactivity_timeout=RETRY_S):
            if method is not None:
                self.record.receive(int(body), redelivered=method.redelivered)
                channel.basic_ack(method.delivery_tag)
            if self._stop_consuming.is_set():
                break
        channel.cancel()

    def wait_for_confirms(self, count: int) -> None:
        with self.record.news:
            wanted = len(self.record.confirmed) + count
            assert self.record.news.wait_for(lambda: len(self.record.confirmed) >= wanted, DEADLINE_S)

    def finish(self) -> None:
        publishing, consuming = self._threads
        self._stop_publishing.set()
        publishing.join(DEADLINE_S)
        with self.record.news:
            assert self.record.news.wait_for(self.record.has_received, DEADLINE_S)
        self._stop_consuming.set()
        consuming.join(DEADLINE_S)
        assert not any(thread.is_alive() for thread in self._threads)


@pytest.mark.parametrize("kill", [False, True], ids=["stopped", "killed"])
def test_pika_goes_on(durable_broker: Amqpy, name: str, *, kill: bool) -> None:
    application = PikaApplication(durable_broker, name)
    for _ in range(RESTARTS):
        application.wait_for_confirms(MESSAGES_BETWEEN)
        durable_broker.restart(kill=kill)
    application.wait_for_confirms(MESSAGES_BETWEEN)
    application.finish()
    application.record.check()


@pytest.mark.parametrize("kill", [False, True], ids=["stopped", "killed"])
@asyncio_test
async def test_aio_pika_goes_on(durable_broker: Amqpy, name: str, *, kill: bool) -> None:
    record, stopping, news = Record(), asyncio.Event(), asyncio.Condition()

    async def on_message(message: AbstractIncomingMessage) -> None:
        record.receive(int(message.body), redelivered=bool(message.redelivered))
        with suppress(AMQPException, ConnectionError, RuntimeError):  # the connection went meanwhile
            await message.ack()
        async with news:
            news.notify_all()

    async def publish(exchange: aio_pika.abc.AbstractExchange) -> None:
        while not stopping.is_set():
            number = len(record.confirmed)
            record.attempts[number] += 1
            message = Message(str(number).encode(), delivery_mode=DeliveryMode.PERSISTENT)
            try:
                await exchange.publish(message, "key")
            except (AMQPException, ConnectionError, RuntimeError):
                await asyncio.sleep(RETRY_S)
                continue
            record.confirm(number)
            async with news:
                news.notify_all()

    async def confirms(count: int) -> None:
        wanted = len(record.confirmed) + count
        async with news:
            await news.wait_for(lambda: len(record.confirmed) >= wanted)

    url = durable_broker.address.url
    async with await aio_pika.connect_robust(url, reconnect_interval=RETRY_S) as connection:
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=10)
        exchange = await channel.declare_exchange(name, aio_pika.ExchangeType.DIRECT, durable=True)
        queue = await channel.declare_queue(name, durable=True)
        await queue.bind(exchange, "key")
        await queue.consume(on_message)
        publishing = asyncio.create_task(publish(exchange))
        for _ in range(RESTARTS):
            await confirms(MESSAGES_BETWEEN)
            await asyncio.to_thread(durable_broker.restart, kill=kill)
        await confirms(MESSAGES_BETWEEN)
        stopping.set()
        await publishing
        async with news:
            await news.wait_for(record.has_received)
    record.check()


@pytest.mark.parametrize("kill", [False, True], ids=["stopped", "killed"])
def test_what_is_durable_is_there_again_and_the_rest_is_gone(durable_broker: Amqpy, name: str, *, kill: bool) -> None:
    connection = pika.BlockingConnection(parameters(durable_broker.address))
    channel = connection.channel()
    channel.confirm_delivery()
    channel.exchange_declare(name, "topic", durable=True)
    channel.queue_declare(f"{name}.stays", durable=True, arguments={"x-max-priority": 3})
    channel.queue_bind(f"{name}.stays", name, "a.*")
    channel.queue_declare(f"{name}.goes")
    channel.queue_bind(f"{name}.goes", name, "a.*")
    for priority in (1, 3, 2):
        properties = pika.BasicProperties(delivery_mode=2, priority=priority, headers={"number": priority})
        channel.basic_publish(name, "a.b", str(priority).encode(), properties)
    channel.basic_publish(name, "a.b", b"transient")
    connection.close()
    durable_broker.restart(kill=kill)

    connection = pika.BlockingConnection(parameters(durable_broker.address))
    channel = connection.channel()
    channel.exchange_declare(name, "topic", durable=True)
    channel.queue_declare(f"{name}.stays", durable=True, arguments={"x-max-priority": 3})
    assert message_count(channel, f"{name}.stays") == 3
    assert [get_body(channel, f"{name}.stays") for _ in range(4)] == [b"3", b"2", b"1", None]
    channel.basic_publish(name, "a.c", b"bound still")
    assert get_body(channel, f"{name}.stays") == b"bound still"
    with pytest.raises(pika.exceptions.ChannelClosedByBroker, match="NOT_FOUND"):
        channel.queue_declare(f"{name}.goes", passive=True)
    connection.close()
