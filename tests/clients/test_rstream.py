"""The stream protocol, by way of rstream."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pika
import pytest
from rstream import (
    AMQPMessage,
    Consumer,
    ConsumerOffsetSpecification,
    OffsetType,
    Producer,
    RawMessage,
    amqp_decoder,
)

from amqpy.config import Config
from amqpy.config.values import TcpAddress
from amqpy.in_thread import run_in_thread
from interop.kit.brokers import ROOT

from .asyncio_test import asyncio_test

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from amqpy.app import RunningBroker

GUEST = {"username": "guest", "password": "guest"}
COUNT = 1000


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[RunningBroker]:
    with run_in_thread(Config(port=0, stream_port=0, data_dir=str(tmp_path), strict=True)) as running:
        yield running


def port_of(broker: RunningBroker) -> int:
    (address,) = broker.streams
    assert isinstance(address, TcpAddress)
    return address.port


async def publish(broker: RunningBroker, bodies: list[bytes], *, publisher: str | None = None) -> None:
    """Publishes to the stream `s`, and waits for the confirms."""
    confirmed = asyncio.Event()
    left = len(bodies)

    async def on_confirm(status: object) -> None:
        nonlocal left
        left -= 1
        if not left:
            confirmed.set()

    async with Producer("127.0.0.1", port=port_of(broker), **GUEST) as producer:
        await producer.create_stream("s", exists_ok=True)
        for number, body in enumerate(bodies, 1):
            message = RawMessage(body, number) if publisher else AMQPMessage(body=body)
            await producer.send("s", message, publisher_name=publisher, on_publish_confirm=on_confirm)
        await asyncio.wait_for(confirmed.wait(), 30)


async def consume(broker: RunningBroker, count: int, *, place: ConsumerOffsetSpecification) -> list[tuple[int, bytes]]:
    """The next messages of the stream `s`, with their offsets."""
    consumer = Consumer("127.0.0.1", port=port_of(broker), **GUEST)
    found: list[tuple[int, bytes]] = []

    async def on_message(message: AMQPMessage, context: object) -> None:
        found.append((context.offset, bytes(message.body)))  # type: ignore[attr-defined]
        if len(found) == count:
            await consumer.store_offset("s", "reader", found[-1][0])
            consumer.stop()

    await consumer.start()
    await consumer.subscribe("s", on_message, decoder=amqp_decoder, offset_specification=place)
    await asyncio.wait_for(consumer.run(), 30)
    assert await consumer.query_offset("s", "reader") == found[-1][0]
    await consumer.close()
    return found


@asyncio_test
async def test_messages_are_published_and_read(broker: RunningBroker) -> None:
    bodies = [b"message %d" % number for number in range(COUNT)]
    await publish(broker, bodies)
    first = ConsumerOffsetSpecification(OffsetType.FIRST)
    assert await consume(broker, COUNT, place=first) == list(enumerate(bodies))
    later = ConsumerOffsetSpecification(OffsetType.OFFSET, COUNT // 2)
    found = await consume(broker, COUNT // 2, place=later)
    assert found == list(enumerate(bodies))[COUNT // 2 :]


@asyncio_test
async def test_what_is_sent_again_is_stored_once(broker: RunningBroker) -> None:
    bodies = [b"\0Su\xa0\1" + bytes((number,)) for number in range(100)]
    await publish(broker, bodies[:60], publisher="p")
    await publish(broker, bodies, publisher="p")
    found = await consume(broker, 100, place=ConsumerOffsetSpecification(OffsetType.FIRST))
    assert found == [(number, bytes((number,))) for number in range(100)]


@asyncio_test
async def test_amqp_reads_what_rstream_publishes_and_the_other_way_round(broker: RunningBroker) -> None:
    await publish(broker, [b"by stream"])
    with pika.BlockingConnection(pika.URLParameters(broker.url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.basic_publish("", "s", b"by AMQP")
        channel.basic_qos(prefetch_count=10)
        found = channel.consume("s", arguments={"x-stream-offset": "first"}, inactivity_timeout=30)
        assert [next(found)[2] for _ in range(2)] == [b"by stream", b"by AMQP"]
    place = ConsumerOffsetSpecification(OffsetType.FIRST)
    assert await consume(broker, 2, place=place) == [(0, b"by stream"), (1, b"by AMQP")]


def test_the_example_of_the_documentation_runs(broker: RunningBroker) -> None:
    _, code = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "streams.md").read_text("utf-8"), re.DOTALL)
    code = code.replace('"localhost", port=5552', f'"127.0.0.1", port={port_of(broker)}')
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.stderr == ""
    assert run.stdout == "".join(f"{number} b'event {number}'\n" for number in range(3))
