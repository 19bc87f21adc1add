"""What only a kernel can show: buffers that fill up, resets, descriptors, last words. Real sockets, real time.

Nothing here takes a fixed time; the deadlines only end a test that hangs.
"""

import errno
import os
import socket
import struct
from collections.abc import AsyncIterator, Callable
from hashlib import sha256
from pathlib import Path

import pytest
import trio
from pamqp.commands import Basic, Channel, Connection, Queue

from amqpy.config import Config
from amqpy.server import listener
from amqpy.wire.outbox import HIGH
from tests.amqp.client import HEADER, content_frames, method_frame, publish_frames, remains

from .peer import Joint, Peer, Server

pytestmark = pytest.mark.parametrize("joint", ["epoll", "tasks"], indirect=True)

DEADLINE_S = 30
DESCRIPTORS = Path("/dev/fd")


class Listening(Server):
    """A server that is connected to by TCP, and by a unix socket where there are any."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.addresses: list[str] = []

    async def serve(self, config: Config, task_status: trio.TaskStatus[None]) -> None:
        listeners = await listener.open_listeners(config)
        self.addresses = [str(each.address) for each in listeners]
        async with trio.open_nursery() as nursery:
            await nursery.start(self.reactor.run)
            task_status.started()
            await listener.serve(listeners, self.reactor, self.make_session)

    @property
    def port(self) -> int:
        return int(self.addresses[0].rpartition(":")[2])

    async def dial(self, *, receive_buffer: int | None = None) -> trio.SocketStream:
        sock = trio.socket.socket()
        if receive_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        await sock.connect(("127.0.0.1", self.port))
        return trio.SocketStream(sock)

    async def joined(self, *channels: int, receive_buffer: int | None = None) -> Peer:
        """A peer with an open connection."""
        peer = Peer(await self.dial(receive_buffer=receive_buffer))
        self.peers.append(peer)
        await peer.open(*(channels or (1,)))
        return peer

    async def until(self, condition: Callable[[], bool]) -> None:
        """Waits for something that no event tells of."""
        while not condition():
            await trio.lowlevel.checkpoint()


@pytest.fixture
async def server(nursery: trio.Nursery, joint: Joint) -> AsyncIterator[Listening]:
    config = Config(port=0, strict=True, cluster_name="rabbit@test")
    server = Listening(config)
    nursery.start_soon(give_up)
    await nursery.start(server.serve, config)
    yield server
    for peer in server.peers:
        await peer.vanish()
    await server.until(lambda: not server.reactor.connections)
    assert remains(server.broker) == {}
    assert server.reactor.internal_errors == 0


async def give_up() -> None:
    """The end of a test that hangs."""
    await trio.sleep(DEADLINE_S)
    raise AssertionError("this takes too long")


def reset(stream: trio.SocketStream) -> None:
    """Closes so that the other side gets a reset instead of an end."""
    stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    stream.socket.close()


# --- bytes


@pytest.mark.parametrize("receive_buffer", [4096, None])
async def test_large_bodies_arrive_whole(server: Listening, receive_buffer: int | None) -> None:
    """The kernel takes them in parts of its own choice."""
    publisher, consumer = await server.joined(), await server.joined(receive_buffer=receive_buffer)
    await consumer.ask(Queue.Declare(queue="q"))
    await consumer.ask(Basic.Consume(queue="q", no_ack=True))
    bodies = [os.urandom(size) for size in (3_000_000, 1, 0, 131_064, 1_048_576, 131_065, 2_000_000)]

    async def publish() -> None:
        for body in bodies:
            await publisher.publish("q", body)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(publish)
        for body in bodies:
            deliver = await consumer.expect("Basic.Deliver")
            assert sha256(deliver.body).digest() == sha256(body).digest()


async def test_a_flood_of_small_messages_arrives_whole_and_in_order(server: Listening) -> None:
    publisher, consumer = await server.joined(), await server.joined(receive_buffer=4096)
    await consumer.ask(Queue.Declare(queue="q"))
    await consumer.ask(Basic.Consume(queue="q", no_ack=True))
    count = 5_000

    async def publish() -> None:
        for start in range(0, count, 500):
            await publisher.send(b"".join(publish_frames("q", b"%d" % n) for n in range(start, start + 500)))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(publish)
        for number in range(count):
            assert (await consumer.expect("Basic.Deliver")).body == b"%d" % number


@pytest.mark.parametrize("size", [64 * 1024, 2_000_000])
async def test_a_consumer_that_does_not_read_fills_the_kernels_buffers_and_its_share(
    server: Listening, size: int
) -> None:
    slow, other = await server.joined(receive_buffer=4096), await server.joined()
    await slow.ask(Queue.Declare(queue="q"))
    await slow.ask(Basic.Consume(queue="q", no_ack=True))
    body, count = bytes(size), 20_000_000 // size
    for _ in range(count):
        await other.publish("q", body)
    connection = next(iter(server.reactor.connections))
    left: int = (await other.ask(Queue.Declare(queue="q"))).method.message_count
    assert left > 0
    assert HIGH <= connection.outbox.size < HIGH + 2 * len(body)
    # Nothing was lost: the other can have all that the slow one does not take, and the slow one the rest.
    await other.ask(Basic.Consume(queue="q", no_ack=True, consumer_tag="other"))
    for _ in range(left):
        assert len((await other.expect("Basic.Deliver")).body) == len(body)
    await other.ask(Basic.Cancel("other"))
    for _ in range(count - left):
        assert len((await slow.expect("Basic.Deliver")).body) == len(body)


# --- ends


async def test_a_reset_during_deliveries(server: Listening) -> None:
    publisher, consumer = await server.joined(), await server.joined(receive_buffer=4096)
    await consumer.ask(Queue.Declare(queue="q"))
    await consumer.ask(Basic.Consume(queue="q"))
    for _ in range(100):
        await publisher.publish("q", bytes(64 * 1024))
    await server.until(lambda: list(server.reactor.connections)[1].outbox.size >= HIGH)
    assert isinstance(consumer.stream, trio.SocketStream)
    reset(consumer.stream)
    await server.until(lambda: len(server.reactor.connections) == 1)
    assert server.ready("q") == 100


@pytest.mark.parametrize("sent", [0, 3, 8, 30])
async def test_a_reset_during_the_handshake(server: Listening, sent: int) -> None:
    for _ in range(20):
        stream = await server.dial()
        await stream.send_all((HEADER * 4)[:sent])
        reset(stream)
    await (await server.joined()).ask(Queue.Declare(queue="q"))
    await server.until(lambda: len(server.reactor.connections) == 1)


async def test_half_a_close_is_a_close(server: Listening) -> None:
    peer = await server.joined()
    await peer.ask(Queue.Declare(queue="own", exclusive=True))
    assert isinstance(peer.stream, trio.SocketStream)
    await peer.stream.send_eof()
    assert await peer.rest() == []
    await server.until(lambda: not server.reactor.connections)
    assert "own" not in server.broker.vhosts["/"].queues


@pytest.mark.parametrize("flaw", [b"\x01\x00\x01\x00\x00\x00\x00\x00", method_frame(Queue.DeclareOk("q", 0, 0), 1)])
async def test_last_words_can_be_read_although_our_input_was_not(server: Listening, flaw: bytes) -> None:
    """Closing a socket with unread input resets it, and a reset would destroy what the peer has not read yet."""
    for _ in range(10):
        peer = await server.joined()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(peer.send, flaw + publish_frames("q", bytes(50_000)) * 100)
            close = await peer.expect("Connection.Close")
            assert close.method.reply_code in {501, 503}
        if close.method.reply_code == 503:
            await peer.say(Connection.CloseOk(), channel=0)
        assert await peer.next() is None
        await peer.vanish()


async def test_a_refused_protocol_can_be_read_as_well(server: Listening) -> None:
    stream = await server.dial()
    await stream.send_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 1000)
    assert await stream.receive_some() == HEADER
    assert await stream.receive_some() == b""
    await stream.aclose()


@pytest.mark.skipif(not DESCRIPTORS.is_dir(), reason="this system does not show its descriptors")
async def test_descriptors_return_to_the_base_line(server: Listening) -> None:
    def descriptors() -> int:
        return len(os.listdir(DESCRIPTORS))

    before = descriptors()
    for number in range(200):
        stream = await server.dial()
        if number % 4 == 0:
            await Peer(stream).open(1)
        if number % 2:
            reset(stream)
        else:
            await stream.aclose()
    held = [await server.dial() for _ in range(50)]
    await server.until(lambda: len(server.reactor.connections) == len(held))
    assert descriptors() == before + 2 * len(held)
    for stream in held:
        await stream.aclose()
    await server.until(lambda: not server.reactor.connections)
    assert descriptors() == before


async def test_a_message_cut_by_the_end_is_not_published(server: Listening) -> None:
    witness, peer = await server.joined(), await server.joined()
    await witness.ask(Queue.Declare(queue="q"))
    await peer.send(method_frame(Basic.Publish(routing_key="q"), 1) + content_frames(bytes(500_000))[:-1])
    await peer.vanish()
    await server.until(lambda: len(server.reactor.connections) == 1)
    assert server.ready("q") == 0


async def test_many_clients_at_once(server: Listening) -> None:
    async def ping(number: int) -> None:
        peer = await server.joined()
        (queue, body) = f"q{number}", os.urandom(100)
        await peer.ask(Queue.Declare(queue=queue, exclusive=True))
        await peer.ask(Basic.Consume(queue=queue))
        for _ in range(10):
            await peer.publish(queue, body)
            deliver = await peer.expect("Basic.Deliver")
            assert deliver.body == body
            await peer.say(Basic.Ack(deliver.method.delivery_tag))
        await peer.ask(Channel.Close(200, "", 0, 0))

    async with trio.open_nursery() as nursery:
        for number in range(100):
            nursery.start_soon(ping, number)


# --- accepting


async def test_out_of_descriptors_is_not_the_end(
    server: Listening, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    accept, failures = trio.SocketListener.accept, [errno.EMFILE, errno.ENFILE]

    async def failing(self: trio.SocketListener) -> trio.SocketStream:
        if failures:
            raise OSError(code := failures.pop(), os.strerror(code))
        return await accept(self)

    monkeypatch.setattr(trio.SocketListener, "accept", failing)
    # The accept that already waits is still the real one.
    await server.joined()
    await (await server.joined()).ask(Queue.Declare(queue="q"))
    assert not failures


async def test_a_connection_is_named_by_its_two_ends(server: Listening, caplog: pytest.LogCaptureFixture) -> None:
    peer = await server.joined()
    assert isinstance(peer.stream, trio.SocketStream)
    (connection,) = server.reactor.connections
    port = peer.stream.socket.getsockname()[1]
    assert connection.name == f"127.0.0.1:{port} -> 127.0.0.1:{server.port}"


async def test_a_peer_that_is_gone_before_we_look(server: Listening, monkeypatch: pytest.MonkeyPatch) -> None:
    async with trio.open_nursery() as nursery:
        ours, theirs = socket.socketpair()
        stream = trio.SocketStream(trio.socket.from_stdlib_socket(ours))
        theirs.close()

        def gone() -> None:
            raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN))

        monkeypatch.setattr(stream.socket, "getpeername", gone, raising=False)
        nursery.start_soon(listener.serve_socket, server.reactor, server.make_session, None, stream)
    assert ours.fileno() == -1
    assert not server.reactor.connections
