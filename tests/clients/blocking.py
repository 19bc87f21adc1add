"""What tests with pika's BlockingConnection have in common."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

import pika

if TYPE_CHECKING:
    from collections.abc import Callable

    from pika.adapters.blocking_connection import BlockingChannel

    from interop.kit.address import Address

DEADLINE_S = 20
POLL_S = 0.05


def parameters(broker: Address, **overrides: object) -> pika.ConnectionParameters:
    """pika's connection parameters; keyword arguments replace those of the address."""
    credentials = pika.PlainCredentials(broker.user, broker.password)
    settings = {"host": broker.host, "port": broker.port, "virtual_host": broker.vhost, "credentials": credentials}
    return pika.ConnectionParameters(**{**settings, **overrides})


class Delivery(NamedTuple):
    method: pika.spec.Basic.Deliver
    properties: pika.BasicProperties
    body: bytes


def take(channel: BlockingChannel, queue: str, count: int, *, auto_ack: bool = True) -> list[Delivery]:
    """Consume exactly so many messages from a queue; fail when the broker does not deliver them."""
    deliveries: list[Delivery] = []
    for method, properties, body in channel.consume(queue, auto_ack=auto_ack, inactivity_timeout=DEADLINE_S):
        assert method is not None, f"{len(deliveries)} of {count} messages came from {queue}"
        deliveries.append(Delivery(method, properties, body))
        if len(deliveries) == count:
            break
    channel.cancel()
    return deliveries


def get_body(channel: BlockingChannel, queue: str) -> bytes | None:
    """The body of the next message, acknowledged at once; None when the queue is empty."""
    _, _, body = channel.basic_get(queue, auto_ack=True)
    return body


def wait_until(connection: pika.BlockingConnection, condition: Callable[[], bool]) -> None:
    """Serve a connection until something has happened; fail when it does not."""
    give_up_at = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < give_up_at, "what was waited for did not happen"
        connection.process_data_events(time_limit=POLL_S)


def message_count(channel: BlockingChannel, queue: str) -> int:
    return channel.queue_declare(queue, passive=True).method.message_count
