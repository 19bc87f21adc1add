"""A reactor to be tried, and the peers that try it, joined by memory streams.

Time is virtual: it jumps to the next deadline when nobody has anything to do, so that a test of a timeout takes no
time and is exact. A test asks for that with the fixture `server`.
"""

import logging
import socket
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, TypeAlias

import pytest
import trio
from pamqp.base import Frame as Method
from pamqp.commands import Channel, Connection
from trio.testing import lockstep_stream_pair, memory_stream_pair

from amqpy.amqp import terms
from amqpy.amqp.connection import ConnectionSession
from amqpy.config import Config
from amqpy.core.durability.journal import Journal
from amqpy.server.connection_tasks import ConnectionTasks
from amqpy.server.reactor import Reactor
from amqpy.server.tls import HandshakeFailed, TlsTransport
from amqpy.server.transport import SocketTransport, Transport
from tests.amqp.client import (
    HEADER,
    Received,
    Transcript,
    is_heartbeat,
    make_broker,
    make_users,
    method_frame,
    publish_frames,
    remains,
    start_ok,
)
from tests.certificates import HOST, client_context, server_context

LOG = logging.getLogger("amqpy.tests")
SOCKETS = ["epoll", "tasks", "tls"]
"""One epoll for all sockets, each waited for by its own task, and one epoll with TLS."""

on_sockets_too = pytest.mark.parametrize("joint", ["memory", *SOCKETS], indirect=True)

DEADLINE_S = 1000
"""Virtual seconds in which an answer must come."""


class Peer:
    """A client on a stream. What it is not asked to read stays unread."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self._transcript = Transcript()
        self._read: list[Received] = []

    async def open(self, *channels: int, heartbeat_s: int = 0, **capabilities: bool) -> None:
        """The handshake, and these channels."""
        await self.send(HEADER)
        for method, answer in (
            (start_ok(**capabilities), "Connection.Tune"),
            (Connection.TuneOk(2047, 131_072, heartbeat_s), None),
            (Connection.Open("/"), "Connection.OpenOk"),
        ):
            if answer == "Connection.Tune":
                await self.expect("Connection.Start")
            await self.say(method, channel=0)
            if answer is not None:
                await self.expect(answer)
        for number in channels:
            await self.ask(Channel.Open(), channel=number)

    async def send(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def say(self, *methods: Method, channel: int = 1) -> None:
        await self.send(b"".join(method_frame(method, channel) for method in methods))

    async def ask(self, method: Method, *, channel: int = 1) -> Received:
        """The answer to a method, which must be the next that comes and the method's own."""
        await self.say(method, channel=channel)
        return await self.expect(f"{method.name}Ok")

    async def publish(self, routing_key: str, payload: bytes = b"hello", **more: Any) -> None:  # noqa: ANN401
        await self.send(publish_frames(routing_key, payload, **more))

    async def expect(self, name: str) -> Received:
        received = await self.next()
        assert received is not None, f"the end instead of {name}"
        assert received.name == name, received
        return received

    async def next(self) -> Received | None:
        """The next that comes, heartbeats apart; None at the end."""
        with trio.fail_after(DEADLINE_S):
            while not self._read:
                data = await self.stream.receive_some()
                if not data:
                    return None
                self._read += [each for each in self._transcript.read(bytes(data)) if not is_heartbeat(each)]
        return self._read.pop(0)

    async def rest(self) -> list[Received]:
        """Everything up to the end."""
        received = []
        while (each := await self.next()) is not None:
            received.append(each)
        return received

    async def vanish(self) -> None:
        await self.stream.aclose()


def session_of(connection: ConnectionTasks) -> ConnectionSession:
    """The conversation of a connection that speaks AMQP."""
    assert isinstance(connection.session, ConnectionSession)
    return connection.session


class MemoryTransport:
    """A stream of Trio's for tests as a `Transport`: all that is sent has to wait for the writer task."""

    descriptor = None

    def __init__(self, stream: trio.StapledStream[Any, Any]) -> None:
        self._stream = stream

    def send_nowait(self, buffers: Sequence[bytes | memoryview]) -> int:
        return 0

    async def send_some(self, buffers: Sequence[bytes | memoryview]) -> int:
        data = b"".join(buffers)
        await self._stream.wait_send_all_might_not_block()
        await self._stream.send_all(data)
        return len(data)

    async def receive_some(self, max_bytes: int) -> bytes:
        return bytes(await self._stream.receive_some(max_bytes))

    def receive_nowait(self, max_bytes: int) -> None:
        return None

    def receive_within(self, seconds: float) -> None:
        return None

    async def finish(self) -> None:
        """What was sent is there."""

    def close(self) -> None:
        self._stream.send_stream.close()
        self._stream.receive_stream.close()


Joint: TypeAlias = Callable[[], tuple[Transport, trio.abc.Stream]]
"""Makes the two ends of a connection: ours and the peer's."""


def in_memory() -> tuple[Transport, trio.abc.Stream]:
    ours, theirs = memory_stream_pair()
    return MemoryTransport(ours), theirs


def in_lockstep() -> tuple[Transport, trio.abc.Stream]:
    ours, theirs = lockstep_stream_pair()
    return MemoryTransport(ours), theirs


def by_socket() -> tuple[Transport, trio.abc.Stream]:
    """What is sent is there at once, so virtual time is as exact as with streams in memory."""
    ours, theirs = socket.socketpair()
    return SocketTransport(ours), trio.SocketStream(trio.socket.from_stdlib_socket(theirs))


def by_tls() -> tuple[Transport, trio.abc.Stream]:
    transport, stream = by_socket()
    encrypted = trio.SSLStream(stream, client_context(), server_hostname=HOST, https_compatible=True)
    return TlsTransport(transport, server_context(), LOG), encrypted


class Server:
    """A reactor and its peers."""

    joint: Joint = staticmethod(in_memory)

    def __init__(self, config: Config, journal: Journal | None = None) -> None:
        self.broker = make_broker(config, journal)
        self.reactor = Reactor(self.broker, log=LOG)
        self.make_session = partial(ConnectionSession, self.broker, make_users(self.broker))
        self.peers: list[Peer] = []
        self._left = trio.Event()

    def connect(self, *, lockstep: bool = False) -> Peer:
        """A new peer. In lockstep, what either side sends has to be read before it can send more."""
        transport, stream = in_lockstep() if lockstep else self.joint()
        peer = Peer(stream)
        self.peers.append(peer)
        self.accept(transport, f"peer {len(self.peers)}")
        return peer

    def accept(self, transport: Transport, name: str) -> None:
        async def serve() -> None:
            if isinstance(transport, TlsTransport):
                try:
                    await transport.do_handshake(trio.Lock())
                except (HandshakeFailed, trio.BrokenResourceError):
                    transport.close()
                    return
            await self.reactor.serve(transport, self.make_session, terms.Peer(name), from_loopback=True)
            self._left.set()
            self._left = trio.Event()

        self.reactor.nursery.start_soon(serve, name=name)

    async def opened(self, *channels: int, heartbeat_s: int = 0, lockstep: bool = False) -> Peer:
        peer = self.connect(lockstep=lockstep)
        await peer.open(*(channels or (1,)), heartbeat_s=heartbeat_s)
        return peer

    async def until_gone(self, connections: int = 0) -> None:
        """Waits until no more than so many connections are left."""
        with trio.fail_after(DEADLINE_S):
            while len(self.reactor.connections) > connections:
                await self._left.wait()

    async def hang_up(self, peers: Iterable[Peer] | None = None) -> None:
        """Peers vanish, and nothing is left of them."""
        for peer in self.peers if peers is None else peers:
            await peer.vanish()
        await self.until_gone()
        assert remains(self.broker) == {}

    def ready(self, queue: str) -> int:
        return self.broker.vhosts["/"].queues[queue].ready_count
