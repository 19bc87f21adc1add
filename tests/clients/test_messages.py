"""Bodies and names of every size and kind, by way of pika and aio-pika."""

from __future__ import annotations

import hashlib
import random
from typing import TYPE_CHECKING

import aio_pika
import pytest

from .asyncio_test import asyncio_test
from .blocking import take

if TYPE_CHECKING:
    from collections.abc import Callable

    import pika
    from pika.adapters.blocking_connection import BlockingChannel

    from interop.kit.address import Address

MIB = 2**20


def hundred_megabytes(seed: int) -> bytes:
    block = random.Random(seed).randbytes(MIB - 4)
    return b"".join(number.to_bytes(4, "big") + block for number in range(100))


def digest(body: bytes) -> tuple[int, bytes]:
    """Of a body, so that a difference is told in one line."""
    return len(body), hashlib.sha256(body).digest()


@pytest.mark.parametrize("frame_max", [4096, 131072])
def test_bodies_around_the_frame_boundaries(
    connect: Callable[..., pika.BlockingConnection], name: str, frame_max: int
) -> None:
    channel = connect(frame_max=frame_max).channel()
    channel.queue_declare(name, exclusive=True)
    payload = frame_max - 8
    sizes = [0, 1, payload - 1, payload, payload + 1, 2 * payload, 2 * payload + 1, 0, 10 * payload + 7]
    bodies = [random.Random(index).randbytes(size) for index, size in enumerate(sizes)]
    for body in bodies:
        channel.basic_publish("", name, body)
    assert [delivery.body for delivery in take(channel, name, len(bodies))] == bodies


def test_a_hundred_megabytes_with_pika(connect: Callable[..., pika.BlockingConnection], name: str) -> None:
    body = hundred_megabytes(1)
    sender, receiver = connect().channel(), connect().channel()
    sender.queue_declare(name, auto_delete=True)
    sender.confirm_delivery()
    sender.basic_publish("", name, body, mandatory=True)
    [(_, _, received)] = take(receiver, name, 1)
    assert digest(received) == digest(body)


@asyncio_test
async def test_a_hundred_megabytes_with_aio_pika(broker: Address, name: str) -> None:
    body = hundred_megabytes(2)
    async with await aio_pika.connect(broker.url) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue(name, exclusive=True)
        await channel.default_exchange.publish(aio_pika.Message(body), routing_key=name)
        async with queue.iterator(no_ack=True) as messages:
            received = await anext(messages)
        assert digest(received.body) == digest(body)


def test_names_that_are_not_ascii(channel: BlockingChannel, name: str) -> None:
    exchange, queue, key = f"{name}-обмен", f"{name}-очередь-{'é' * 50}", "ключ.世界"
    channel.exchange_declare(exchange, "topic", auto_delete=True)
    assert channel.queue_declare(queue, exclusive=True).method.queue == queue
    channel.queue_bind(queue, exchange, "*.世界")
    channel.basic_publish(exchange, key, b"body")
    channel.basic_consume(queue, lambda *_: None, consumer_tag="потребитель")
    channel.basic_cancel("потребитель")
    [(method, _, body)] = take(channel, queue, 1)
    assert (method.exchange, method.routing_key, body) == (exchange, key, b"body")
