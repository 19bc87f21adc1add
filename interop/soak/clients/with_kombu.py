"""kombu on py-amqp."""

import contextlib
import socket
from collections.abc import Iterator
from typing import Any

import amqp.exceptions
import kombu
import kombu.common  # these would be loaded by the threads that need them first, and get in each other's way
import kombu.connection
import kombu.entity
import kombu.messaging
import kombu.pools
import kombu.transport.pyamqp

from interop.kit.address import Address
from interop.soak.ledger import CONFIRMED, REFUSED
from interop.soak.worker import HEARTBEAT_S, Sender, Taker

TIMEOUT_S = 10
TURN_S = 0.25
PREFETCH = 20
LOSSES = (OSError, amqp.exceptions.AMQPError)


@contextlib.contextmanager
def connected(address: Address) -> Iterator[Any]:
    connection = kombu.Connection(
        hostname=address.host,
        port=address.port,
        userid=address.user,
        password=address.password,
        virtual_host=address.vhost,
        transport="pyamqp",
        heartbeat=HEARTBEAT_S,
        connect_timeout=TIMEOUT_S,
        transport_options={"confirm_publish": True, "read_timeout": TIMEOUT_S, "write_timeout": TIMEOUT_S},
    )
    try:
        connection.connect()
        yield connection
    finally:
        with contextlib.suppress(*LOSSES):
            connection.release()


class Producer(Sender):
    library = "kombu"
    losses = LOSSES

    def session(self) -> None:
        with connected(self.shift.address) as connection:
            producer = kombu.Producer(connection.channel())
            while not self.over.is_set():
                for _ in range(self.batch if self.may_send() else 0):
                    self.publish(producer)
                self.pause(0.05)
                connection.heartbeat_check()

    def publish(self, producer: Any) -> None:  # noqa: ANN401
        number, body, priority = self.next_message()
        try:
            producer.publish(
                body,
                exchange=self.exchange,
                routing_key=self.key,
                priority=priority,
                delivery_mode=2,
                content_type="application/octet-stream",
                content_encoding="binary",
            )
            self.ledger.answer(self.stream, [number], CONFIRMED)
        except amqp.exceptions.MessageNacked:
            self.ledger.answer(self.stream, [number], REFUSED)


class Consumer(Taker):
    library = "kombu"
    losses = LOSSES

    def session(self) -> None:
        with connected(self.shift.address) as connection:
            channel = connection.channel()
            queue = kombu.Queue(self.queue, no_declare=True)
            with kombu.Consumer(channel, [queue], on_message=self.came, prefetch_count=PREFETCH, auto_declare=False):
                while not self.over.is_set():
                    with contextlib.suppress(socket.timeout):
                        connection.drain_events(timeout=TURN_S)
                    connection.heartbeat_check()

    def came(self, message: Any) -> None:  # noqa: ANN401
        if self.keeps(bytes(message.body), redelivered=bool(message.delivery_info["redelivered"])):
            message.ack()
        else:
            message.requeue()
