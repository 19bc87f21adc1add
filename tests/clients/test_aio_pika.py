"""aio-pika beyond the tutorials: confirms, returns, transactions, errors, heartbeats, large and many messages."""

from __future__ import annotations

import asyncio
import hashlib
import random
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import aio_pika
import aiormq
import pytest
from aio_pika import DeliveryMode, ExchangeType, Message
from aio_pika.exceptions import (
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
    DeliveryError,
    InvalidFrameError,
    ProbableAuthenticationError,
    QueueEmpty,
)
from aiormq.exceptions import ChannelAccessRefused, ChannelLockedResource, ConnectionNotImplemented

from .asyncio_test import asyncio_test, get_all, take

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aio_pika.abc import AbstractChannel, AbstractIncomingMessage
    from pamqp.common import FieldValue

    from .broker_process import Address

MIB = 2**20
HEARTBEAT_S = 1
# aiormq forgives three intervals of silence, and one second each.
LONGER_THAN_AIORMQ_WAITS_S = 3 * (HEARTBEAT_S + 1) + 1
HEADERS: dict[str, FieldValue] = {
    "flag": True,
    "tiny": -5,
    "short": 300,
    "int": -70_000,
    "long": 2**40,
    "float": 3.5,
    "decimal": Decimal("12.34"),
    "text": "naïve 世界",
    "bytes": bytearray(b"\xff\x00"),
    "when": datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC),
    "none": None,
    "array": [1, "two", [3.25], {"four": [None, False]}],
    "table": {"inner": {"ключ": "value"}},
}


@asyncio_test
async def test_a_thousand_concurrent_publishes_are_confirmed(broker: Address, name: str) -> None:
    async with await aio_pika.connect(broker.url) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue(name, exclusive=True)
        bodies = [b"%d" % number for number in range(1000)]
        confirms = await asyncio.gather(
            *(channel.default_exchange.publish(Message(body), routing_key=name) for body in bodies)
        )
        assert all(isinstance(confirm, aiormq.spec.Basic.Ack) for confirm in confirms)
        assert await take(queue, len(bodies)) == bodies


@asyncio_test
async def test_an_unroutable_message_raises_or_is_handed_back(broker: Address, name: str) -> None:
    async with await aio_pika.connect(broker.url) as connection:
        strict = await connection.channel(on_return_raises=True)
        with pytest.raises(DeliveryError) as undelivered:
            await strict.default_exchange.publish(Message(b"nobody", message_id="m-1"), routing_key=name)
        returned = undelivered.value.message
        assert returned is not None
        assert (returned.body, returned.header.properties.message_id) == (b"nobody", "m-1")
        assert isinstance(returned.delivery, aiormq.spec.Basic.Return)
        assert (returned.delivery.reply_code, returned.delivery.reply_text) == (312, "NO_ROUTE")

        lenient = await connection.channel()
        handed_back: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()
        lenient.return_callbacks.add(lambda _, message: handed_back.put_nowait(message))
        await lenient.default_exchange.publish(Message(b"returned"), routing_key=name)
        await lenient.default_exchange.publish(Message(b"dropped"), routing_key=name, mandatory=False)
        assert (await handed_back.get()).body == b"returned"
        assert handed_back.empty()


@asyncio_test
async def test_transactions(broker: Address, name: str) -> None:
    async with await aio_pika.connect(broker.url) as connection:
        channel = await connection.channel(publisher_confirms=False)
        queue = await channel.declare_queue(name, exclusive=True)
        observer = await (await connection.channel()).get_queue(name)
        async with channel.transaction():
            await channel.default_exchange.publish(Message(b"committed"), routing_key=name)
            await channel.declare_queue(name, passive=True)
            assert await get_all(observer) == []
        assert await get_all(observer) == [b"committed"]

        async def give_up_on_the_way() -> None:
            async with channel.transaction():
                await channel.default_exchange.publish(Message(b"rolled back"), routing_key=name)
                raise LookupError(name)

        with pytest.raises(LookupError):
            await give_up_on_the_way()
        assert await get_all(queue) == []


@asyncio_test
async def test_properties_and_headers_survive(broker: Address, name: str) -> None:
    async with await aio_pika.connect(broker.url) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue(name, exclusive=True)
        sent = Message(
            b"body",
            headers=HEADERS,
            content_type="text/plain",
            content_encoding="utf-8",
            delivery_mode=DeliveryMode.PERSISTENT,
            priority=3,
            correlation_id="çorrelation",
            reply_to="somewhere",
            expiration=3600,
            message_id="m-1",
            timestamp=datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC),
            type="order.created",
            user_id="guest",
            app_id="tests",
        )
        await channel.default_exchange.publish(sent, routing_key=name)
        received = await queue.get(no_ack=True)
        assert received is not None
        assert received.headers == HEADERS
        assert received.properties == sent.properties
        assert (received.exchange, received.routing_key, received.redelivered) == ("", name, False)


@asyncio_test
async def test_nacked_messages_come_back_in_order(broker: Address, name: str) -> None:
    async with await aio_pika.connect(broker.url) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue(name, exclusive=True)
        for number in range(4):
            await channel.default_exchange.publish(Message(b"%d" % number), routing_key=name)
        messages = [await queue.get() for _ in range(3)]
        await messages[2].nack(requeue=True)
        await messages[0].reject(requeue=True)
        await messages[1].nack(requeue=False)
        again = [await queue.get() for _ in range(3)]
        assert [(each.body, each.redelivered) for each in again] == [(b"0", True), (b"2", True), (b"3", False)]
        with pytest.raises(QueueEmpty):
            await queue.get()


@asyncio_test
async def test_cancelling_and_a_deleted_queue(broker: Address, name: str) -> None:
    async with await aio_pika.connect(broker.url) as connection:
        channel, other = await connection.channel(), await connection.channel()
        queue = await channel.declare_queue(name)
        received: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()
        tag = await queue.consume(received.put, no_ack=True)
        await queue.cancel(tag)
        await channel.default_exchange.publish(Message(b"stays"), routing_key=name)
        assert await get_all(queue) == [b"stays"]
        assert received.empty()

        cancelled: asyncio.Queue[str | None] = asyncio.Queue()
        underlying = await channel.get_underlay_channel()
        underlying.on_consumer_cancel_callbacks.add(lambda frame: cancelled.put_nowait(frame.consumer_tag))
        tag = await queue.consume(received.put)
        await other.queue_delete(name)
        assert await cancelled.get() == tag
        assert not channel.is_closed


async def publish_to_unknown(channel: AbstractChannel, name: str) -> None:
    exchange = await channel.get_exchange(name, ensure=False)
    await exchange.publish(Message(b"body"), routing_key="key")


async def redeclare(channel: AbstractChannel, name: str) -> None:
    await channel.declare_queue(name, exclusive=True)
    await channel.declare_queue(name, exclusive=True, auto_delete=True)


@pytest.mark.parametrize(
    ("operation", "error", "text"),
    [
        (publish_to_unknown, ChannelNotFoundEntity, "NOT_FOUND - no exchange '{name}' in vhost '/'"),
        (
            lambda channel, name: channel.declare_queue(name, passive=True),
            ChannelNotFoundEntity,
            "NOT_FOUND - no queue '{name}' in vhost '/'",
        ),
        (redeclare, ChannelPreconditionFailed, "inequivalent arg 'auto_delete' for queue '{name}' in vhost '/'"),
        (
            lambda channel, name: channel.declare_exchange(f"amq.{name}"),
            ChannelAccessRefused,
            "exchange name 'amq.{name}' contains reserved prefix 'amq.*'",
        ),
        (
            lambda channel, name: channel.declare_queue(f"{name}.locked", exclusive=True),
            ChannelLockedResource,
            "cannot obtain exclusive access to locked queue '{name}.locked' in vhost '/'",
        ),
    ],
)
@asyncio_test
async def test_channel_errors_close_one_channel(
    broker: Address,
    name: str,
    operation: Callable[[AbstractChannel, str], Awaitable[object]],
    error: type[Exception],
    text: str,
) -> None:
    async with await aio_pika.connect(broker.url) as owner, await aio_pika.connect(broker.url) as connection:
        await (await owner.channel()).declare_queue(f"{name}.locked", exclusive=True)
        failing, living = await connection.channel(), await connection.channel()
        queue = await living.declare_queue(f"{name}.living", exclusive=True)
        with pytest.raises(error) as closed:
            await operation(failing, name)
        assert text.format(name=name) in str(closed.value)
        assert failing.is_closed
        await living.default_exchange.publish(Message(b"on and on"), routing_key=queue.name)
        assert await get_all(queue) == [b"on and on"]


@asyncio_test
async def test_connection_errors(broker: Address, name: str) -> None:
    with pytest.raises(ProbableAuthenticationError, match="ACCESS_REFUSED - Login was refused"):
        await aio_pika.connect(broker.url_with(password="wrong"))
    # aiormq does not look into a connection.close that comes instead of connection.open-ok.
    with pytest.raises(InvalidFrameError, match=r"OpenOk.*Connection\.Close"):
        await aio_pika.connect(broker.url_with(vhost=name))

    async with await aio_pika.connect(broker.url) as connection:
        channel = await connection.channel()
        with pytest.raises(ConnectionNotImplemented, match=r"NOT_IMPLEMENTED - prefetch_size!=0 \(1\)"):
            await channel.set_qos(prefetch_size=1)


@asyncio_test
async def test_an_idle_connection_lives_by_heartbeats(broker: Address, name: str) -> None:
    url = broker.url_with(query=f"heartbeat={HEARTBEAT_S}")
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue(name, exclusive=True)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(connection.closed(), LONGER_THAN_AIORMQ_WAITS_S)
        await channel.default_exchange.publish(Message(b"still here"), routing_key=name)
        assert await get_all(queue) == [b"still here"]


@asyncio_test
async def test_a_hundred_megabytes(broker: Address, name: str) -> None:
    block = random.Random(2).randbytes(MIB - 4)
    body = b"".join(number.to_bytes(4, "big") + block for number in range(100))
    async with await aio_pika.connect(broker.url) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue(name, exclusive=True)
        await channel.default_exchange.publish(Message(body), routing_key=name)
        [received] = await take(queue, 1)
        assert (len(received), hashlib.sha256(received).digest()) == (len(body), hashlib.sha256(body).digest())


@asyncio_test
async def test_two_hundred_channels(broker: Address, name: str) -> None:
    async def converse(connection: aio_pika.abc.AbstractConnection, number: int) -> list[bytes]:
        channel = await connection.channel()
        queue = await channel.declare_queue(f"{name}.{number}", exclusive=True)
        for _ in range(3):
            await channel.default_exchange.publish(Message(b"%d" % number), routing_key=queue.name)
        bodies = await take(queue, 3)
        await channel.close()
        return bodies

    async with await aio_pika.connect(broker.url) as connection:
        results = await asyncio.gather(*(converse(connection, number) for number in range(200)))
    assert results == [[b"%d" % number] * 3 for number in range(200)]


@asyncio_test
async def test_alternate_exchange_headers_and_exchange_bindings(broker: Address, name: str) -> None:
    async with await aio_pika.connect(broker.url) as connection:
        channel = await connection.channel(on_return_raises=True)
        alternate = await channel.declare_exchange(f"{name}.rest", ExchangeType.FANOUT, auto_delete=True)
        headers = await channel.declare_exchange(
            name, ExchangeType.HEADERS, auto_delete=True, arguments={"alternate-exchange": alternate.name}
        )
        source = await channel.declare_exchange(f"{name}.source", ExchangeType.DIRECT, auto_delete=True)
        reports, rest = [await channel.declare_queue(exclusive=True) for _ in range(2)]
        await reports.bind(headers, arguments={"x-match": "any", "kind": "report", "urgent": True})
        await rest.bind(alternate)
        await headers.bind(source, routing_key="in")
        await source.publish(Message(b"report", headers={"kind": "report"}), routing_key="in")
        await source.publish(Message(b"note", headers={"kind": "note"}), routing_key="in")
        with pytest.raises(DeliveryError):
            await source.publish(Message(b"nowhere"), routing_key="out")
        assert await get_all(reports) == [b"report"]
        assert await get_all(rest) == [b"note"]


@asyncio_test
async def test_update_secret(broker: Address, name: str) -> None:
    async with await aio_pika.connect(broker.url) as connection:
        await connection.update_secret("guest", reason="rotated")
        channel = await connection.channel()
        queue = await channel.declare_queue(name, exclusive=True)
        await channel.default_exchange.publish(Message(b"goes on"), routing_key=name)
        assert await get_all(queue) == [b"goes on"]
