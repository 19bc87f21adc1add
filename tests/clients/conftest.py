"""A broker for each test process, clients that are closed afterwards, and names that no other test uses."""

from __future__ import annotations

import os
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING

import pika
import pytest

from amqpy.testing import TestBroker
from interop.kit.address import Address
from interop.kit.brokers import Amqpy, private_amqpy

from .blocking import parameters

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pika.adapters.blocking_connection import BlockingChannel

EXTERNAL_URL = os.environ.get("AMQPY_TEST_URL")

IS_RECORDED = os.environ.get("AMQPY_TEST_RECORDED") == "1"
"""True if the brokers are those of `amqpy.testing`, which record everything, in the process of the tests."""


class RecordedBroker:
    """A test broker, with the methods of `Amqpy`."""

    def __init__(self, *, in_memory: bool) -> None:
        self._broker = TestBroker().start()
        self._in_memory = in_memory

    @property
    def address(self) -> Address:
        return Address(self._broker.host, self._broker.port)

    def stop(self) -> None:
        self._broker.stop()

    def restart(self, *, kill: bool = False) -> None:
        if self._in_memory:
            self._broker.stop()
            self._broker = TestBroker(port=self._broker.port).start()
        else:
            self._broker.restart(crash=kill)


@pytest.fixture(scope="session")
def broker() -> Iterator[Address]:
    """The broker all tests of this process share."""
    if EXTERNAL_URL:
        yield Address.parse(EXTERNAL_URL)
        return
    if IS_RECORDED:
        with TestBroker() as recorded:
            yield Address(recorded.host, recorded.port)
        return
    with private_amqpy(in_memory=True) as amqpy:
        amqpy.start()
        yield amqpy.address
        amqpy.stop()


@pytest.fixture
def own_broker() -> Iterator[Amqpy | RecordedBroker]:
    """A broker for one test alone, which may stop and restart it."""
    yield from started(in_memory=True)


@pytest.fixture
def durable_broker() -> Iterator[Amqpy | RecordedBroker]:
    """The same, with a directory in which it finds what is durable when it is started again."""
    yield from started(in_memory=False)


def started(*, in_memory: bool) -> Iterator[Amqpy | RecordedBroker]:
    if EXTERNAL_URL:
        pytest.skip("a broker at AMQPY_TEST_URL is not ours to restart")
    if IS_RECORDED:
        recorded = RecordedBroker(in_memory=in_memory)
        yield recorded
        recorded.stop()
        return
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
