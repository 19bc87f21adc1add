"""Connections of pika and aio-pika on which nothing is said for longer than they forgive a silent broker."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import aio_pika
import pika
import pytest
from pika.exceptions import ChannelClosedByBroker

from .asyncio_test import asyncio_test
from .blocking import get_body, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from interop.kit.address import Address

HEARTBEAT_S = 1
LONGER_THAN_PIKA_WAITS_S = HEARTBEAT_S + 6
"""It gives up on a silent broker five seconds after the heartbeat interval."""
LONGER_THAN_AIORMQ_WAITS_S = 3 * (HEARTBEAT_S + 1) + 1
"""It forgives three intervals of silence, and one second each."""


def test_an_idle_connection_of_pika(connect: Callable[..., pika.BlockingConnection], name: str) -> None:
    connection = connect(heartbeat=HEARTBEAT_S)
    channel = connection.channel()
    channel.queue_declare(name, exclusive=True)
    connection.process_data_events(time_limit=LONGER_THAN_PIKA_WAITS_S)
    channel.basic_publish("", name, b"still here")
    assert get_body(channel, name) == b"still here"


@asyncio_test
async def test_an_idle_connection_of_aio_pika(broker: Address, name: str) -> None:
    async with await aio_pika.connect(f"{broker.url}?heartbeat={HEARTBEAT_S}") as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue(name, exclusive=True)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(connection.closed(), LONGER_THAN_AIORMQ_WAITS_S)
        await channel.default_exchange.publish(aio_pika.Message(b"still here"), routing_key=name)
        assert (await queue.get(no_ack=True)).body == b"still here"


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
