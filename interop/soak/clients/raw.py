"""Without a library: topology that comes and goes, and a peer that means no good. Neither goes through the proxy."""

import contextlib
import os
import socket
import struct
from collections.abc import Callable
from typing import Any

from interop.kit.client import Client, Gone, Refused, Silent, publication, start_ok
from interop.parity import codec
from interop.soak.worker import STOPPED, Actor, Shift

CHURN_PAUSE_S = 0.05
STEPS_MAX = 300
EXPECTED_CODES = {404, 405, 406}
KINDS = ("direct", "fanout", "topic", "headers")
ARGUMENTS: tuple[dict[str, Any], ...] = (
    {},
    {"x-queue-type": "quorum"},
    {"x-max-priority": 3},
    {"x-message-ttl": 200, "x-dead-letter-exchange": "amq.fanout"},
    {"x-max-length": 5},
    {"x-expires": 700},
    {"x-single-active-consumer": True},
)
TRANSIENT = codec.properties(delivery_mode=1)
PERSISTENT = codec.properties(delivery_mode=2)


def connect(shift: Shift) -> Client:
    """Raises Gone, also when the broker is stopping."""
    try:
        return Client(shift.direct)
    except Refused as refused:
        raise Gone(str(refused)) if refused.code == STOPPED else refused from None


class Churner(Actor):
    """Declares, binds, fills, consumes from, unbinds and deletes a few queues and exchanges of its own."""

    library = "no library"
    losses = (Gone,)

    def __init__(self, shift: Shift, name: str) -> None:
        super().__init__(shift, name)
        self.queues = [f"{self.name}.queue.{number}" for number in range(5)]
        self.exchanges = [f"{self.name}.exchange.{number}" for number in range(4)]

    def session(self) -> None:
        self.client = client = connect(self.shift)
        try:
            for _ in range(self.random.randint(1, STEPS_MAX)):
                if self.over.is_set():
                    break
                self.attempt(self.step)
                self.attempt(lambda: client.receive(self.random.random() * CHURN_PAUSE_S))
                client.events.clear()
        finally:
            client.drop()

    def attempt(self, step: Callable[[], object]) -> None:
        try:
            try:
                step()
            except Refused as refused:
                if refused.code not in EXPECTED_CODES:
                    raise
                self.shift.count("changes refused")
                self.client.tell("channel.close-ok")
                self.client.call("channel.open")
        except Refused as refused:
            raise Gone(str(refused)) if refused.code == STOPPED else refused from None

    def step(self) -> None:
        self.shift.count("changes")
        call, draw = self.client.call, self.random
        queue, exchange, other = draw.choice(self.queues), draw.choice(self.exchanges), draw.choice(self.exchanges)
        key = draw.choice(("one", "one.two", "#"))
        match draw.randrange(12):
            case 0 | 1 | 2:
                arguments = draw.choice(ARGUMENTS)
                durable = "x-queue-type" in arguments or draw.random() < 0.7
                owned = not durable and draw.random() < 0.5
                call("queue.declare", queue=queue, durable=durable, exclusive=owned, arguments=arguments)
            case 3:
                call("exchange.declare", exchange=exchange, exchange_type=draw.choice(KINDS), durable=True)
            case 4:
                call("exchange.declare", exchange=exchange, exchange_type=draw.choice(KINDS), auto_delete=True)
            case 5 | 6:
                call("queue.bind", queue=queue, exchange=exchange, routing_key=key)
            case 7:
                call("exchange.bind", destination=other, source=exchange, routing_key=key)
            case 8:
                call("queue.unbind", queue=queue, exchange=exchange, routing_key=key)
            case 9:
                call("queue.delete" if draw.random() < 0.6 else "queue.purge", queue=queue)
            case 10:
                call("exchange.delete", exchange=exchange)
            case _:
                call("basic.consume", queue=queue, no_ack=draw.random() < 0.5)
        self.fill(exchange, queue, key)

    def fill(self, exchange: str, queue: str, key: str) -> None:
        """Some messages for whoever they reach; to an exchange only if it is there, or the channel is closed later."""
        for _ in range(self.random.randrange(10)):
            told = self.random.choice((TRANSIENT, PERSISTENT))
            self.client.send(publication("", queue, self.random.randbytes(20), told))
        if self.random.random() < 0.2:
            self.client.call("exchange.declare", exchange=exchange, passive=True)
            self.client.send(publication(exchange, key, b"churn", TRANSIENT))


class Hostile(Actor):
    """Says what nobody should, and goes without a word."""

    library = "no library"

    def session(self) -> None:
        try:
            client = connect(self.shift)
        except (Gone, Refused, Silent):
            return
        try:
            self.random.choice(DEEDS)(self, client)
            with contextlib.suppress(Gone, Refused, Silent):
                client.receive(self.random.random() * 0.2)
        except (Gone, Refused, Silent):
            pass
        finally:
            self.shift.count("hostile deeds")
            if self.random.random() < 0.5:
                client.reset()
            client.drop()
        self.pause(0.5)

    def garbage(self, client: Client) -> None:
        client.send(self.random.randbytes(self.random.randrange(1, 5000)))

    def garbage_for_header(self, client: Client) -> None:
        with socket.create_connection((self.shift.direct.host, self.shift.direct.port), timeout=5) as raw:
            raw.sendall(self.random.randbytes(self.random.randrange(1, 40)))

    def half_a_handshake(self, client: Client) -> None:
        with socket.create_connection((self.shift.direct.host, self.shift.direct.port), timeout=5) as raw:
            whole = codec.PROTOCOL_HEADER + start_ok("guest", "wrong" if self.random.random() < 0.3 else "guest")
            raw.sendall(whole[: self.random.randrange(len(whole) + 1)])

    def half_a_message(self, client: Client) -> None:
        client.call("queue.declare", queue=f"{self.name}.own", exclusive=True)
        whole = publication("", f"{self.name}.own", bytes(self.random.randrange(1, 100_000)), TRANSIENT)
        client.send(whole[: self.random.randrange(1, len(whole))])

    def wrong_frames(self, client: Client) -> None:
        wrong = (
            codec.frame(codec.BODY, 1, b"out of place"),
            codec.frame(codec.METHOD, 77, codec.method_payload("basic.ack", delivery_tag=1)),
            codec.frame(codec.METHOD, 1, struct.pack(">HH", 60, 999)),
            codec.frame(codec.METHOD, 1, codec.method_payload("basic.publish", exchange="", routing_key="x"))[:-1]
            + b"!",
            struct.pack(">BHI", 1, 1, 0xFFFFFFFF),
            codec.frame(codec.METHOD, 1, codec.method_payload("basic.ack", delivery_tag=999)),
            codec.frame(200, 0, os.urandom(8)),
        )
        client.send(self.random.choice(wrong))

    def deaf(self, client: Client) -> None:
        """Consumes more than a socket takes, and reads nothing."""
        client.call("queue.declare", queue=f"{self.name}.deaf", exclusive=True)
        client.tell("basic.consume", queue=f"{self.name}.deaf", no_ack=True)
        message = publication("", f"{self.name}.deaf", bytes(50_000), TRANSIENT)
        for _ in range(40):
            client.send(message)

    def owing(self, client: Client) -> None:
        """Goes with messages that it did not acknowledge, and a transaction that it did not commit."""
        queue = f"{self.name}.owing"
        client.call("queue.declare", queue=queue, exclusive=True)
        client.call("basic.consume", queue=queue)
        for _ in range(50):
            client.send(publication("", queue, b"owed", PERSISTENT))
        client.call("tx.select")
        client.send(publication("", queue, b"not committed", PERSISTENT))


DEEDS = (
    Hostile.garbage,
    Hostile.garbage_for_header,
    Hostile.half_a_handshake,
    Hostile.half_a_message,
    Hostile.wrong_frames,
    Hostile.deaf,
    Hostile.owing,
)
