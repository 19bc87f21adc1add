"""pika: publishers that wait for each confirm, for a window of them, or for a commit; consumers, and pollers."""

import contextlib
import time
from collections.abc import Iterator
from typing import Any

import pika
import pika.exceptions
from pika.adapters.utils.connection_workflow import AMQPConnectorException

from interop.kit.address import Address
from interop.soak.ledger import CONFIRMED, REFUSED, WITHDRAWN
from interop.soak.worker import HEARTBEAT_S, Sender, Stage, Taker

TURN_S = 0.25
WAIT_S = 0.02
ROLLBACKS = 0.15
FLOOD_SIZE = 8000
SLEEP_S = 4.0
AWAKE_S = 3.0
PREFETCH = 50
TIMEOUT_S = 10
LOSSES = (OSError, pika.exceptions.AMQPError, AMQPConnectorException)
"""The last one when a connection is silenced during its handshake."""


def parameters(address: Address) -> Any:  # noqa: ANN401
    return pika.ConnectionParameters(
        address.host,
        address.port,
        address.vhost,
        pika.PlainCredentials(address.user, address.password),
        heartbeat=HEARTBEAT_S,
        socket_timeout=TIMEOUT_S,
        stack_timeout=TIMEOUT_S,
        blocked_connection_timeout=60,
    )


@contextlib.contextmanager
def connected(address: Address) -> Iterator[Any]:
    connection = pika.BlockingConnection(parameters(address))
    try:
        yield connection
    finally:
        with contextlib.suppress(*LOSSES):
            connection.close()


def persistent(priority: int) -> Any:  # noqa: ANN401
    return pika.BasicProperties(delivery_mode=2, priority=priority)


class BlockingSender(Sender):
    library = "pika"
    losses = LOSSES

    def session(self) -> None:
        with connected(self.shift.address) as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            while not self.over.is_set():
                for _ in range(self.batch if self.may_send() else 0):
                    self.publish(channel)
                connection.process_data_events(self.random.random() * WAIT_S)

    def publish(self, channel: Any) -> None:  # noqa: ANN401
        number, body, priority = self.next_message()
        try:
            channel.basic_publish(self.exchange, self.key, body, persistent(priority), mandatory=True)
            self.ledger.answer(self.stream, [number], CONFIRMED)
        except pika.exceptions.NackError:
            self.ledger.answer(self.stream, [number], REFUSED)
        except pika.exceptions.UnroutableError:
            self.shift.findings.note("returned", f"{self.stream.name} {number}")


class Committer(BlockingSender):
    """Publishes in transactions, of which some are rolled back, and some end with the connection."""

    def session(self) -> None:
        with connected(self.shift.address) as connection:
            channel = connection.channel()
            channel.tx_select()
            while not self.over.is_set():
                if self.may_send():
                    self.transact(channel)
                connection.process_data_events(self.random.random() * WAIT_S)

    def transact(self, channel: Any) -> None:  # noqa: ANN401
        numbers: list[int] = []
        answer = WITHDRAWN
        try:
            for _ in range(self.random.randint(1, self.batch)):
                number, body, priority = self.next_message()
                numbers.append(number)
                channel.basic_publish(self.exchange, self.key, body, persistent(priority))
            if self.random.random() < ROLLBACKS:
                channel.tx_rollback()
            else:
                answer = -1
                channel.tx_commit()
                answer = CONFIRMED
        finally:
            if answer >= 0:  # or nobody knows
                self.ledger.answer(self.stream, numbers, answer)


class SelectSender(Sender):
    """Without waiting: confirms come when they come."""

    library = "pika"
    losses = LOSSES

    def session(self) -> None:
        self.unanswered: dict[int, int] = {}
        self.tag = 0
        self.reason: BaseException | None = None
        connection = pika.SelectConnection(
            parameters(self.shift.address),
            on_open_callback=lambda connection: connection.channel(on_open_callback=self.opened),
            on_open_error_callback=self.ended,
            on_close_callback=self.ended,
        )
        self.connection = connection
        try:
            connection.ioloop.start()
        finally:
            connection.ioloop.close()
        if self.reason is not None:
            raise self.reason

    def ended(self, connection: Any, reason: BaseException) -> None:  # noqa: ANN401
        self.reason = None if self.over.is_set() else reason
        connection.ioloop.stop()

    def opened(self, channel: Any) -> None:  # noqa: ANN401
        self.channel = channel
        channel.confirm_delivery(self.answered)
        self.turn()

    def turn(self) -> None:
        if not self.channel.is_open:
            return
        if self.over.is_set():
            if not self.unanswered:
                self.connection.close()
                return
        elif self.may_send() and len(self.unanswered) < 10 * self.batch:
            for _ in range(self.random.randint(1, self.batch)):
                number, body, priority = self.next_message()
                self.tag += 1
                self.unanswered[self.tag] = number
                self.channel.basic_publish(self.exchange, self.key, body, persistent(priority))
        self.connection.ioloop.call_later(self.random.random() * WAIT_S, self.turn)

    def answered(self, frame: Any) -> None:  # noqa: ANN401
        method = frame.method
        last = method.delivery_tag
        tags = [tag for tag in self.unanswered if tag <= last] if method.multiple else [last]
        answer = CONFIRMED if isinstance(method, pika.spec.Basic.Ack) else REFUSED
        self.ledger.answer(self.stream, [self.unanswered.pop(tag) for tag in tags], answer)


class Flooder(SelectSender):
    """Much at a time, so that it does not stay in memory."""

    def draw_size(self) -> int:
        return FLOOD_SIZE


class Consumer(Taker):
    library = "pika"
    losses = LOSSES

    def session(self) -> None:
        with connected(self.shift.address) as connection:
            channel = connection.channel()
            channel.basic_qos(prefetch_count=self.random.choice((1, PREFETCH, PREFETCH)))
            channel.basic_consume(self.queue, self.came)
            while self.goes_on():
                connection.process_data_events(TURN_S)

    def goes_on(self) -> bool:
        return not self.over.is_set()

    def came(self, channel: Any, method: Any, properties: Any, body: bytes) -> None:  # noqa: ANN401
        if self.keeps(body, redelivered=method.redelivered):
            channel.basic_ack(method.delivery_tag)
        else:
            channel.basic_nack(method.delivery_tag, requeue=True)


class Climber(Consumer):
    """Sends each message once through the queue in which it waits, by rejecting it, before it counts."""

    def came(self, channel: Any, method: Any, properties: Any, body: bytes) -> None:  # noqa: ANN401
        if (properties.headers or {}).get("x-death"):
            super().came(channel, method, properties, body)
        else:
            channel.basic_reject(method.delivery_tag, requeue=False)


class Sleeper(Consumer):
    """Comes now and then, and stays for a while; at the end until all is over."""

    def session(self) -> None:
        self.shift.over[Stage.SENDING].wait(self.random.random() * SLEEP_S)
        self.until = time.monotonic() + AWAKE_S
        super().session()

    def goes_on(self) -> bool:
        is_end = self.shift.over[Stage.SENDING].is_set()
        return super().goes_on() and (is_end or time.monotonic() < self.until)


class Poller(Consumer):
    """Asks for one message after the other."""

    def session(self) -> None:
        with connected(self.shift.address) as connection:
            channel = connection.channel()
            while not self.over.is_set():
                method, properties, body = channel.basic_get(self.queue)
                if method is None:
                    connection.process_data_events(WAIT_S)
                else:
                    self.came(channel, method, properties, body)
