"""A broker for each test process, clients that are closed afterwards, and names that no other test uses."""

from __future__ import annotations

import os
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING

import pika
import pytest

from .broker_process import Address, BrokerProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pika.adapters.blocking_connection import BlockingChannel

EXTERNAL_URL = os.environ.get("AMQPY_TEST_URL")


@pytest.fixture(scope="session")
def broker() -> Iterator[Address]:
    """The broker all tests of this process share."""
    if EXTERNAL_URL:
        yield Address(EXTERNAL_URL)
        return
    process = BrokerProcess()
    process.start()
    yield process.address
    process.stop()


@pytest.fixture
def own_broker() -> Iterator[BrokerProcess]:
    """A broker for one test alone, which may stop and restart it."""
    if EXTERNAL_URL:
        pytest.skip("a broker at AMQPY_TEST_URL is not ours to restart")
    process = BrokerProcess()
    process.start()
    yield process
    process.stop()


@pytest.fixture
def durable_broker(tmp_path: Path) -> Iterator[BrokerProcess]:
    """The same, with a directory in which it finds what is durable when it is started again."""
    if EXTERNAL_URL:
        pytest.skip("a broker at AMQPY_TEST_URL is not ours to restart")
    process = BrokerProcess(tmp_path / "data")
    process.start()
    yield process
    process.stop()


@pytest.fixture
def name() -> str:
    """A name, or the beginning of one, for queues and exchanges of this test only."""
    return f"clients-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def connect(broker: Address) -> Iterator[Callable[..., pika.BlockingConnection]]:
    """Open pika connections; keyword arguments are pika's ConnectionParameters."""
    opened: list[pika.BlockingConnection] = []

    def open_connection(**overrides: object) -> pika.BlockingConnection:
        opened.append(pika.BlockingConnection(broker.parameters(**overrides)))
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
