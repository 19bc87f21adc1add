"""The other end of a session: a client that writes frames with pamqp and reads every answer with pamqp.

pamqp is the judge of what the broker writes: no frame that it cannot parse gets past `Client.received`. What pamqp
refuses to write (that is what hostile clients write) is made by hand with `raw_frame`.

There is no I/O: the transport of these clients takes everything at once, and time is what `now_ms` says.
"""

import logging
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count
from random import Random
from typing import Any

from pamqp import body, commands, frame, header, heartbeat
from pamqp.base import Frame as Method

from amqpy.amqp.connection import ConnectionSession
from amqpy.amqp.state import InputState
from amqpy.amqp.terms import NO_PEER, Peer
from amqpy.config import Config
from amqpy.core.broker import Broker
from amqpy.core.durability.journal import Journal
from amqpy.core.queues.fifo_queue import FifoQueue
from amqpy.core.users import Authenticator, Users
from amqpy.wire.frames import FRAME_END
from amqpy.wire.methods import AMQP_0_9_1, Access

HEADER = b"AMQP\x00\x00\x09\x01"
PLAIN_GUEST = "\0guest\0guest"
LOG = logging.LoggerAdapter(logging.getLogger("amqpy.tests"), {"connection": "test"})


def raw_frame(kind: int, channel: int, payload: bytes) -> bytes:
    return struct.pack(">BHI", kind, channel, len(payload)) + payload + bytes((FRAME_END,))


def method_frame(method: Method, channel: int) -> bytes:
    return bytes(frame.marshal(method, channel))


def content_frames(payload: bytes, channel: int = 1, *, part_max: int = 131_064, **properties: Any) -> bytes:  # noqa: ANN401
    """A content header and the body in parts."""
    head = header.ContentHeader(body_size=len(payload), properties=commands.Basic.Properties(**properties))
    parts = [payload[start : start + part_max] for start in range(0, len(payload), part_max)]
    return frame.marshal(head, channel) + b"".join(frame.marshal(body.ContentBody(part), channel) for part in parts)


def publish_frames(routing_key: str, payload: bytes, *, channel: int = 1, exchange: str = "", **more: Any) -> bytes:  # noqa: ANN401
    """A whole message. `mandatory` and `immediate` are the method's, what else there is are properties."""
    flags = {name: more.pop(name) for name in ("mandatory", "immediate") if name in more}
    method = commands.Basic.Publish(exchange=exchange, routing_key=routing_key, **flags)
    return method_frame(method, channel) + content_frames(payload, channel, **more)


def start_ok(response: str = PLAIN_GUEST, mechanism: str = "PLAIN", /, **capabilities: bool) -> Method:
    return commands.Connection.StartOk(
        {"product": "test", "capabilities": {**capabilities}}, mechanism, response, "en_US"
    )


OPENING: tuple[Method, ...] = (
    start_ok(),
    commands.Connection.TuneOk(2047, 131_072, 0),
    commands.Connection.Open("/"),
)
"""What a client says after the protocol header until it may work."""


@dataclass
class Received:
    """A method from the broker, with its content if it carries one; or a heartbeat or a protocol header."""

    channel: int
    method: Any
    properties: Any = None
    body: bytes = b""

    @property
    def name(self) -> str:
        return str(self.method.name)

    def __repr__(self) -> str:
        return f"<{self.channel} {self.name} {dict(self.method)} {self.body[:20]!r} {len(self.body)}>"


class Transcript:
    """Reads a stream of what a broker wrote; the rest of an unfinished frame or content waits."""

    def __init__(self) -> None:
        self._tail = b""
        self._open: dict[int, tuple[Received, int]] = {}

    @property
    def is_whole(self) -> bool:
        """Whether nothing unfinished waits."""
        return not self._tail and not self._open

    def read(self, data: bytes) -> list[Received]:
        data = self._tail + data
        found = []
        while (size := _frame_size(data)) <= len(data):
            channel, value = _parse(data[:size])
            data = data[size:]
            if whole := self._assemble(channel, value):
                found.append(whole)
        self._tail = data
        return found

    def _assemble(self, channel: int, value: Any) -> Received | None:  # noqa: ANN401
        if isinstance(value, header.ContentHeader):
            received, _ = self._open[channel]
            received.properties = value.properties
            self._open[channel] = received, value.body_size
            return self._finish(channel)
        if isinstance(value, body.ContentBody):
            self._open[channel][0].body += value.value
            return self._finish(channel)
        assert channel not in self._open, f"{value.name} in the middle of a content"
        received = Received(channel, value)
        if value.name in {"Basic.Deliver", "Basic.GetOk", "Basic.Return"}:
            self._open[channel] = received, -1
            return None
        return received

    def _finish(self, channel: int) -> Received | None:
        received, size = self._open[channel]
        assert len(received.body) <= size
        if len(received.body) < size:
            return None
        del self._open[channel]
        return received


def _parse(data: bytes) -> tuple[int, Any]:
    """The channel and the content of a frame."""
    kind, channel, _, ids = struct.unpack_from(">BHII", data.ljust(11, b"\0"))
    if kind == 1 and ids == Access.RequestOk.index:
        # The one method that pamqp does not know.
        return channel, AMQP_0_9_1.decode(Access.RequestOk, data[7:-1])
    consumed, channel, value = frame.unmarshal(data)
    assert consumed == len(data)
    return channel, value


def _frame_size(data: bytes) -> int:
    """The size of the frame that data begins with; more than there is when too little of it is there."""
    if data.startswith(b"AMQP"):
        return len(HEADER)
    return 8 + struct.unpack_from(">BHI", data)[2] if len(data) >= 7 else 8


def make_users(broker: Broker) -> Users:
    """guest, and `reader`, who may read anything and nothing else, from anywhere."""
    users = Users(broker, lambda: b"salt")
    users.add_user("reader", "hunter2")
    users.set_permissions("reader", broker.config.default_vhost, configure="", write="", read=".*")
    users.add_user("outsider", "hunter2")
    return users


def make_broker(config: Config | None = None, journal: Journal | None = None) -> Broker:
    names = (f"{number:022}" for number in count(1))
    config = config or Config(cluster_name="rabbit@test")
    return Broker(config, lambda: next(names), Random(0).randrange, log=LOG.logger, journal=journal)


class Client:
    """A session and what a client says to it. Each `feed` is one turn, as the reactor makes them."""

    def __init__(
        self,
        broker: Broker | None = None,
        *,
        users: Users | None = None,
        from_loopback: bool = True,
        now_ms: int = 0,
        authenticator: Authenticator | None = None,
        peer: Peer = NO_PEER,
    ) -> None:
        self.broker = broker or make_broker()
        self.now_ms = now_ms
        self.session = ConnectionSession(
            self.broker,
            users or make_users(self.broker),
            from_loopback=from_loopback,
            log=LOG,
            wake=lambda: None,
            now_ms=now_ms,
            authenticator=authenticator,
            peer=peer,
        )
        self.transcript = Transcript()

    @classmethod
    def opened(cls, broker: Broker | None = None, *, channels: Iterable[int] = (1,), **capabilities: bool) -> "Client":
        """A client with an open connection and these channels."""
        client = cls(broker)
        client.feed(HEADER)
        client.send(start_ok(**capabilities), *OPENING[1:], channel=0)
        for number in channels:
            client.send(commands.Channel.Open(), channel=number)
        return client

    def feed(self, data: bytes) -> list[Received]:
        """One turn: the bytes in, and whatever the broker then says to this client. If that is large work, it is done
        to its end, and what the client said behind it is heard."""
        self.session.receive(data, self.now_ms)
        block = self.session.block
        assert block.has_backlog or not block.is_blocked, "what comes now would overtake what waits"
        self.broker.settle()
        return self.received()

    def send(self, *methods: Method, channel: int = 1) -> list[Received]:
        return self.feed(b"".join(method_frame(method, channel) for method in methods))

    def answer(self, answer: object) -> list[Received]:
        """The answer to the session's question comes, and what the client said meanwhile is heard."""
        self.session.on_answer(answer, self.now_ms)
        return self.feed(b"")

    def publish(self, routing_key: str, payload: bytes = b"hello", **more: Any) -> list[Received]:  # noqa: ANN401
        return self.feed(publish_frames(routing_key, payload, **more))

    def wait(self, span_ms: int) -> list[Received]:
        """Time passes, and what is due in it is done at its time. A timer that never stops would hang here."""
        until_ms = self.now_ms + span_ms
        received = []
        while self.session.next_at_ms is not None and self.session.next_at_ms <= until_ms:
            assert self.session.next_at_ms >= self.now_ms, "a deadline in the past"
            self.now_ms = self.session.next_at_ms
            self.session.on_timer(self.now_ms)
            received += self.received()
        self.now_ms = until_ms
        return received

    def input_state(self) -> InputState:
        """The state that a transport asks for."""
        return self.session.input_state

    def take_output(self) -> bytes:
        """The bytes in the outbox, which the transport takes as far as they may leave."""
        outbox = self.session.outbox
        taken = b""
        while outbox.has_sendable:
            part = b"".join(outbox.take())
            outbox.sent(len(part))
            taken += part
        return taken

    def finish(self) -> None:
        """Large work is done, and what the client said behind it is heard."""
        while self.broker.scheduler.jobs:
            self.broker.finish()
            if not self.session.block.is_blocked:
                self.session.receive(b"", self.now_ms)
                self.broker.settle()

    def received(self) -> list[Received]:
        """What the broker said since the last time."""
        self.finish()
        return self.transcript.read(self.take_output())


def names(received: Iterable[Received]) -> list[str]:
    return [each.name for each in received]


def is_heartbeat(received: Received) -> bool:
    return isinstance(received.method, heartbeat.Heartbeat)


def remains(broker: Broker) -> dict[str, object]:
    """Everything in the core that belongs to some client: empty when none is left."""
    broker.finish()
    found: dict[str, object] = {}
    for vhost in broker.vhosts.values():
        for queue in vhost.queues.values():
            held = (
                queue.owner,
                queue.unacked_count,
                list(queue.consumers),
                isinstance(queue, FifoQueue) and list(queue.dispatch.ready_consumers),
                isinstance(queue, FifoQueue) and queue.dispatch.has_exclusive_consumer,
            )
            if any(held):
                found[queue.name] = held
        for exchange in vhost.exchanges.values():
            for binding in exchange.bindings.values():
                if binding.destination.name not in {*vhost.queues, *vhost.exchanges}:
                    found[exchange.name] = binding
        found |= {
            name: value
            for name, value in {"owned": vhost.owned, "dirty": broker.scheduler.queues_to_drain}.items()
            if value
        }
    return found
