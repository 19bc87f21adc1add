"""Alarms with pika: a publisher is told and stopped, a consumer goes on, and nothing is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pika
import pytest

from interop.kit.address import Address
from interop.parity.amqpy import running_amqpy

from .blocking import DEADLINE_S, parameters, take, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from interop.parity.admin import Door

MESSAGES = 20


@pytest.fixture
def administered() -> Iterator[tuple[Address, Door]]:
    """A broker of its own, whose limits can be changed."""
    with running_amqpy() as broker:
        yield Address(broker.host, broker.port), broker.door


def set_watermark(door: Door, fraction: float) -> None:
    assert door.perform("set_memory_high_watermark", {"fraction": fraction}) == "ok"


def test_a_publisher_is_blocked_and_goes_on_where_it_was(administered: tuple[Address, Door], name: str) -> None:
    address, door = administered
    told: list[str] = []
    with (
        pika.BlockingConnection(parameters(address)) as publishing,
        pika.BlockingConnection(parameters(address)) as consuming,
    ):
        publishing.add_on_connection_blocked_callback(lambda _, frame: told.append(frame.method.reason))
        publishing.add_on_connection_unblocked_callback(lambda *_: told.append("unblocked"))
        publisher, consumer = publishing.channel(), consuming.channel()
        publisher.queue_declare(name)
        publisher.basic_publish("", name, b"before")
        publisher.queue_declare(name, passive=True)  # a round trip: it is there
        set_watermark(door, 0)
        for number in range(MESSAGES):
            publisher.basic_publish("", name, str(number).encode())
        wait_until(publishing, lambda: told == ["low on memory"])

        # Who only consumes notices nothing.
        assert [each.body for each in take(consumer, name, 1)] == [b"before"]
        assert consumer.queue_declare(name, passive=True).method.message_count == 0

        set_watermark(door, 0.9)
        wait_until(publishing, lambda: told == ["low on memory", "unblocked"])
        assert [int(each.body) for each in take(consumer, name, MESSAGES)] == list(range(MESSAGES))


def test_pika_may_give_up(administered: tuple[Address, Door], name: str) -> None:
    """Its `blocked_connection_timeout` ends the connection, which the broker notices although it does not read."""
    address, door = administered
    connection = pika.BlockingConnection(parameters(address, blocked_connection_timeout=0.1))
    channel = connection.channel()
    channel.queue_declare(name, exclusive=True)
    set_watermark(door, 0)
    channel.basic_publish("", name, b"hello")
    with pytest.raises(pika.exceptions.ConnectionBlockedTimeout):
        connection.process_data_events(time_limit=DEADLINE_S)
    with pika.BlockingConnection(parameters(address)) as other:

        def is_gone() -> bool:
            try:
                other.channel().queue_declare(name, passive=True)
            except pika.exceptions.ChannelClosedByBroker as closed:
                return closed.reply_code == 404
            return False

        wait_until(other, is_gone)
