"""A broker for each test process, clients that are closed afterwards, and names that no other test uses."""

from __future__ import annotations

import os
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING

import pika
import pytest

from interop.kit.address import Address
from interop.kit.brokers import Amqpy, private_amqpy

from .blocking import parameters

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pika.adapters.blocking_connection import BlockingChannel

EXTERNAL_URL = os.environ.get("AMQPY_TEST_URL")


@pytest.fixture(scope="session")
def broker() -> Iterator[Address]:
    """The broker all tests of this process share."""
    if EXTERNAL_URL:
        yield Address.parse(EXTERNAL_URL)
        return
    with private_amqpy(in_memory=True) as amqpy:
        amqpy.start()
        yield amqpy.address
        amqpy.stop()


@pytest.fixture
def own_broker() -> Iterator[Amqpy]:
    """A broker for one test alone, which may stop and restart it."""
    yield from started(in_memory=True)


@pytest.fixture
def durable_broker() -> Iterator[Amqpy]:
    """The same, with a directory in which it finds what is durable when it is started again."""
    yield from started(in_memory=False)


def started(*, in_memory: bool) -> Iterator[Amqpy]:
    if EXTERNAL_URL:
        pytest.skip("a broker at AMQPY_TEST_URL is not ours to restart")
    with private_amqpy(in_memory=in_memory) as amqpy:
        amqpy.start()
        yield amqpy
        amqpy.stop()


@pytest.fixture
def name() -> str:
    """A name, or the beginning of one, for queues and exchanges of this test only."""
    return f"clients-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def connect(broker: Address) -> Iterator[Callable[..., pika.BlockingConnection]]:
    """Open pika connections; keyword arguments are pika's ConnectionParameters."""
    opened: list[pika.BlockingConnection] = []

    def open_connection(**overrides: object) -> pika.BlockingConnection:
        opened.append(pika.BlockingConnection(parameters(broker, **overrides)))
        return opened[-1]

    yield open_connection
    for connection in opened:
        if connection.is_open:
            # The broker may have dropped it since we last looked.
            with suppress(pika.exceptions.AMQPConnectionError):
                connection.close()


@pytest.fixture
def connection(connect: Callable[..., pika.BlockingConnection]) -> pika.BlockingConnection:
    return connect()


@pytest.fixture
def channel(connection: pika.BlockingConnection) -> BlockingChannel:
    return connection.channel()
