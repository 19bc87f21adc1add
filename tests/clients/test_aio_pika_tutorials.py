"""The six patterns of RabbitMQ's tutorials with aio-pika."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import aio_pika
import pytest
from aio_pika import DeliveryMode, ExchangeType, Message
from aio_pika.patterns import RPC

from .asyncio_test import asyncio_test, get_all, take

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aio_pika.abc import AbstractConnection, AbstractIncomingMessage

    from .broker_process import Address

    Connect = Callable[[str], Awaitable[AbstractConnection]]


@pytest.fixture(params=["connect", "connect_robust"])
def connect(request: pytest.FixtureRequest) -> Connect:
    """Both kinds of connection: the plain one, and the one that restores itself."""
    return getattr(aio_pika, request.param)


@asyncio_test
async def test_hello_world(broker: Address, connect: Connect, name: str) -> None:
    async with await connect(broker.url) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue(name, auto_delete=True)
        await channel.default_exchange.publish(Message(b"Hello World!"), routing_key=name)
        assert await take(queue, 1) == [b"Hello World!"]


@asyncio_test
async def test_work_queue_gives_a_busy_worker_nothing_more(broker: Address, connect: Connect, name: str) -> None:
    async with await connect(broker.url) as connection:
        busy, free = await connection.channel(), await connection.channel()
        done: asyncio.Queue[bytes] = asyncio.Queue()
        held: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()

        async def work(message: AbstractIncomingMessage) -> None:
            async with message.process():
                done.put_nowait(message.body)

        queue = await busy.declare_queue(name, exclusive=True)
        for worker, handler in ((busy, held.put), (free, work)):
            await worker.set_qos(prefetch_count=1)
            await (await worker.get_queue(name)).consume(handler)
        tasks = [b"task %d" % number for number in range(10)]
        for task in tasks:
            persistent = Message(task, delivery_mode=DeliveryMode.PERSISTENT)
            await free.default_exchange.publish(persistent, routing_key=queue.name)
        first = await held.get()
        finished = [await done.get() for _ in range(9)]
        assert sorted([*finished, first.body]) == tasks
        assert held.empty()
        await busy.close()  # with its task unacknowledged
        assert await done.get() == first.body


@asyncio_test
async def test_publish_subscribe(broker: Address, connect: Connect, name: str) -> None:
    async with await connect(broker.url) as connection:
        channel = await connection.channel()
        logs = await channel.declare_exchange(name, ExchangeType.FANOUT, auto_delete=True)
        queues = [await channel.declare_queue(exclusive=True) for _ in range(3)]
        for queue in queues:
            await queue.bind(logs)
        await logs.publish(Message(b"to all"), routing_key="ignored")
        assert [await take(queue, 1) for queue in queues] == [[b"to all"]] * 3


@asyncio_test
async def test_routing(broker: Address, connect: Connect, name: str) -> None:
    async with await connect(broker.url) as connection:
        channel = await connection.channel()
        logs = await channel.declare_exchange(name, ExchangeType.DIRECT, auto_delete=True)
        errors, everything = [await channel.declare_queue(exclusive=True) for _ in range(2)]
        await errors.bind(logs, routing_key="error")
        for severity in ("info", "warning", "error"):
            await everything.bind(logs, routing_key=severity)
        for severity in ("info", "warning", "error"):
            await logs.publish(Message(severity.encode()), routing_key=severity)
        assert await get_all(errors) == [b"error"]
        assert await get_all(everything) == [b"info", b"warning", b"error"]


@asyncio_test
async def test_topics(broker: Address, connect: Connect, name: str) -> None:
    async with await connect(broker.url) as connection:
        channel = await connection.channel()
        logs = await channel.declare_exchange(name, ExchangeType.TOPIC, auto_delete=True)
        kernel, critical = [await channel.declare_queue(exclusive=True) for _ in range(2)]
        await kernel.bind(logs, routing_key="kern.#")
        await critical.bind(logs, routing_key="*.critical")
        for key in ("kern.critical", "kern", "cron.critical", "kern.disk.critical"):
            await logs.publish(Message(key.encode()), routing_key=key)
        assert await get_all(kernel) == [b"kern.critical", b"kern", b"kern.disk.critical"]
        assert await get_all(critical) == [b"kern.critical", b"cron.critical"]


@asyncio_test
async def test_rpc(broker: Address, connect: Connect, name: str) -> None:
    async def square(*, number: int) -> int:
        if number < 0:
            raise ValueError("only natural numbers")
        return number**2

    async with await connect(broker.url) as server, await connect(broker.url) as client:
        served = await RPC.create(await server.channel())
        await served.register(name, square, auto_delete=True)
        caller = await RPC.create(await client.channel())
        calls = (caller.call(name, kwargs={"number": number}) for number in range(20))
        assert await asyncio.gather(*calls) == [number**2 for number in range(20)]
        with pytest.raises(ValueError, match="only natural numbers"):
            await caller.call(name, kwargs={"number": -1})
        await caller.close()
        await served.close()
