"""Tests in event loops: what waits has a twin, and what does not wait may be called."""

import aio_pika
import pytest
import trio

from amqpy.testing import NotSettled, TestBroker
from tests.clients.asyncio_test import asyncio_test


@asyncio_test
async def test_acks_in_order(amqp_broker: TestBroker) -> None:
    async with await aio_pika.connect(amqp_broker.url) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue("jobs")

        async def work(message: aio_pika.abc.AbstractIncomingMessage) -> None:
            await message.ack()

        await queue.consume(work)
        for number in range(100):
            await channel.default_exchange.publish(aio_pika.Message(b"%d" % number), "jobs")
        await amqp_broker.asettle()
        assert [event.json() for event in amqp_broker.acked(queue="jobs")] == list(range(100))


@asyncio_test
async def test_waiting_in_asyncio(amqp_broker: TestBroker) -> None:
    async with await aio_pika.connect(amqp_broker.url) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue("q", arguments={"x-message-ttl": 60_000})
        await channel.default_exchange.publish(aio_pika.Message(b"1"), "q")
        event = await amqp_broker.await_for("published")
        assert event.body == b"1"
        await amqp_broker.clock.aadvance(minutes=1)
        amqp_broker.assert_empty("q")

        async def keep(message: aio_pika.abc.AbstractIncomingMessage) -> None:
            pass

        await queue.consume(keep)
        await channel.default_exchange.publish(aio_pika.Message(b"2"), "q")
        await amqp_broker.await_for("delivered")
        with pytest.raises(NotSettled, match=r"running event loop: asettle\(\) waits"):
            amqp_broker.settle()
        with pytest.raises(NotSettled, match="has not answered a delivery"):
            await amqp_broker.asettle(timeout=0.01)
        with pytest.raises(AssertionError, match=r"^expected to be acked, within 0\.01 s"):
            await amqp_broker.await_for("acked", timeout=0.01)
        with pytest.raises(AssertionError, match="expected to be published twice"):
            amqp_broker.assert_published(times=2, body=b"1")  # at once: nothing could come


async def test_waiting_in_trio() -> None:
    with TestBroker() as broker:
        await broker.asettle()
        await broker.clock.aadvance(hours=1)
        with pytest.raises(AssertionError, match="expected to be published"):
            await broker.await_for("published", timeout=0.01)
        with trio.move_on_after(0.01) as scope:
            await broker.await_for("published")
        assert scope.cancelled_caught
