"""Peers that are silent, slow, gone or mad: a deadline, a code or a quiet end; and nobody else notices."""

import struct

import pytest
import trio
from pamqp.commands import Basic, Channel, Confirm, Connection, Queue
from trio.testing import MockClock, memory_stream_pair, wait_all_tasks_blocked

from amqpy.config import Config
from tests.amqp.client import HEADER, OPENING, content_frames, method_frame, publish_frames, raw_frame, start_ok

from .peer import MemoryTransport, Peer, Server, on_sockets_too, session_of

HANDSHAKE_TIMEOUT_S = Config().handshake_timeout_ms / 1000
HEARTBEAT_S = 60

HANDSHAKE = [HEADER, *(method_frame(method, 0) for method in OPENING)]


async def trickle(peer: Peer, data: bytes, *, pause_s: float = 1) -> None:
    """Sends a byte a second."""
    for byte in data:
        await peer.send(bytes((byte,)))
        await trio.sleep(pause_s)


# --- silence


@pytest.mark.parametrize("steps", range(len(HANDSHAKE)))
async def test_a_peer_that_stops_within_the_handshake(autojump_clock: MockClock, server: Server, steps: int) -> None:
    peer = server.connect()
    began_at = trio.current_time()
    for step in HANDSHAKE[:steps]:
        await peer.send(step)
    await peer.rest()
    assert trio.current_time() - began_at == pytest.approx(HANDSHAKE_TIMEOUT_S)
    await server.until_gone()


async def test_a_peer_that_sends_a_byte_a_second_does_not_get_through_the_handshake(
    autojump_clock: MockClock, server: Server
) -> None:
    peer = server.connect()
    began_at = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trickle, peer, b"".join(HANDSHAKE))
        await peer.rest()
        nursery.cancel_scope.cancel()
    assert trio.current_time() - began_at == pytest.approx(HANDSHAKE_TIMEOUT_S)


async def test_after_the_handshake_a_byte_a_second_is_as_good_as_any(autojump_clock: MockClock, server: Server) -> None:
    peer = await server.opened(heartbeat_s=2)
    stream = method_frame(Queue.Declare(queue="slow"), 1) + publish_frames("slow", b"hello")
    await trickle(peer, stream)
    await peer.expect("Queue.DeclareOk")
    await wait_all_tasks_blocked()
    assert server.ready("slow") == 1


async def test_a_silent_peer_hears_heartbeats_until_it_is_given_up(autojump_clock: MockClock, server: Server) -> None:
    peer = await server.opened(heartbeat_s=HEARTBEAT_S)
    began_at = trio.current_time()
    heard = b""
    while data := await peer.stream.receive_some():
        heard += data
    assert trio.current_time() - began_at == pytest.approx(3 * HEARTBEAT_S)
    assert heard == raw_frame(8, 0, b"") * 6


async def test_heartbeats_keep_a_connection(autojump_clock: MockClock, server: Server) -> None:
    peer = await server.opened(heartbeat_s=HEARTBEAT_S)
    for _ in range(20):
        await trio.sleep(HEARTBEAT_S)
        await peer.send(raw_frame(8, 0, b""))
    await peer.ask(Queue.Declare(queue="q"))


async def test_without_heartbeats_a_connection_may_be_silent_for_days(
    autojump_clock: MockClock, server: Server
) -> None:
    peer = await server.opened(heartbeat_s=0)
    await trio.sleep(3 * 24 * 3600)
    await peer.ask(Queue.Declare(queue="q"))


@pytest.mark.parametrize("timeout_ms", [1, 999, 1001, 1009, 8201, 9999])
async def test_a_deadline_at_any_millisecond(autojump_clock: MockClock, nursery: trio.Nursery, timeout_ms: int) -> None:
    """Not all thousandths survive the way from milliseconds to seconds and back."""
    server = Server(Config(strict=True, handshake_timeout_ms=timeout_ms))
    await nursery.start(server.reactor.run)
    assert await server.connect().next() is None
    assert trio.current_time() == pytest.approx(timeout_ms / 1000)


# --- vanishing


STREAM = publish_frames("q", b"x" * 200_000)
CUTS = {
    "in a frame's head": 3,
    "in the method": 15,
    "before the header": len(method_frame(Basic.Publish(routing_key="q"), 1)),
    "in the header": 40,
    "in a body frame": 1000,
    "between body frames": len(method_frame(Basic.Publish(routing_key="q"), 1)) + 22 + 131_072,
    "before the last byte": len(STREAM) - 1,
}


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
async def test_a_peer_that_vanishes_within_a_message(autojump_clock: MockClock, server: Server, cut: int) -> None:
    witness = await server.opened()
    await witness.ask(Queue.Declare(queue="q"))
    peer = await server.opened()
    await peer.ask(Queue.Declare(queue="own", exclusive=True))
    await peer.send(STREAM[:cut])
    await peer.vanish()
    await server.until_gone(1)
    assert server.ready("q") == 0
    assert "own" not in server.broker.vhosts["/"].queues
    assert (await witness.ask(Queue.Declare(queue="own"))).method.message_count == 0


@pytest.mark.parametrize("cut", [0, 1, 7, 8, 9, 20, 60, len(b"".join(HANDSHAKE)) - 1])
async def test_a_peer_that_vanishes_within_the_handshake(autojump_clock: MockClock, server: Server, cut: int) -> None:
    peer = server.connect()
    await peer.send(b"".join(HANDSHAKE)[:cut])
    await peer.vanish()
    await server.until_gone()


async def test_what_a_lost_consumer_had_goes_to_another(autojump_clock: MockClock, server: Server) -> None:
    one, two = await server.opened(), await server.opened()
    await one.ask(Queue.Declare(queue="q"))
    await one.ask(Basic.Consume(queue="q"))
    await one.publish("q", b"first")
    await one.publish("q", b"second")
    assert [(await one.expect("Basic.Deliver")).body for _ in range(2)] == [b"first", b"second"]
    await two.ask(Basic.Consume(queue="q"))
    await one.vanish()
    again = [await two.expect("Basic.Deliver") for _ in range(2)]
    assert [(each.body, each.method.redelivered) for each in again] == [(b"first", True), (b"second", True)]


async def test_a_peer_that_closes_only_its_own_direction_is_gone_as_well(
    autojump_clock: MockClock, server: Server
) -> None:
    """AMQP knows no half a connection: the end of input is the end."""
    peer = await server.opened()
    assert isinstance(peer.stream, trio.StapledStream)
    await peer.stream.send_eof()
    assert await peer.next() is None
    await server.until_gone()


async def test_a_connection_that_breaks_while_it_is_read(autojump_clock: MockClock, server: Server) -> None:
    ours, theirs = memory_stream_pair()
    peer = Peer(theirs)
    server.peers.append(peer)
    server.accept(MemoryTransport(ours), "breaking")
    await peer.open(1)
    await peer.ask(Queue.Declare(queue="own", exclusive=True))

    async def reset() -> None:
        raise trio.BrokenResourceError("reset by peer")

    ours.receive_stream.receive_some_hook = reset
    await peer.send(b"x")
    await server.until_gone()
    assert not server.broker.vhosts["/"].queues


async def test_a_connection_that_breaks_while_it_is_written(autojump_clock: MockClock, server: Server) -> None:
    peer = await server.opened()
    await peer.ask(Queue.Declare(queue="own", exclusive=True))
    assert isinstance(peer.stream, trio.StapledStream)
    await peer.stream.receive_stream.aclose()
    await peer.say(Queue.Declare(queue="own", exclusive=True))
    await server.until_gone()
    assert not server.broker.vhosts["/"].queues


# --- madness


def nested(depth: int) -> bytes:
    """Tables in tables, each with its length, as long as they are deep; a value of no type is in the last."""
    table = b"\x01a?"
    for _ in range(depth):
        table = struct.pack(">I", len(table)) + table
        table = b"\x01aF" + table
    return struct.pack(">I", len(table)) + table


ATTACKS: dict[str, tuple[bytes, int]] = {
    "bad frame end": (struct.pack(">BHI", 1, 1, 4) + b"\x00\x32\x00\x0a\x00", 501),
    "oversized frame": (struct.pack(">BHI", 3, 1, 2**31), 501),
    "unknown frame type": (raw_frame(7, 1, b""), 501),
    "unknown method": (raw_frame(1, 1, b"\x00\x32\x00\x63"), 503),
    "a method of the broker": (method_frame(Queue.DeclareOk("q", 0, 0), 1), 503),
    "body out of order": (raw_frame(3, 1, b"hello"), 505),
    "header out of order": (content_frames(b"hello"), 505),
    "method within a message": (method_frame(Basic.Publish(), 1) + method_frame(Queue.Declare(queue="q"), 1), 505),
    "truncated method": (raw_frame(1, 1, b"\x00\x32\x00\x0a\x00\x00\xff"), 501),
    "truncated table": (raw_frame(1, 1, b"\x00\x32\x00\x0a\x00\x00\x01q\x00\x00\x00\x00\x09\x01a"), 501),
    "nonsense below endless nesting": (raw_frame(1, 1, b"\x00\x32\x00\x0a\x00\x00\x01q\x00" + nested(3000)), 502),
    "unopened channel": (method_frame(Queue.Declare(queue="q"), 99), 504),
    "heartbeat on a channel": (raw_frame(8, 1, b""), 505),
    "a second handshake": (method_frame(start_ok(), 0), 504),
}


UNREADABLE = [ATTACKS[name][0] for name in ("bad frame end", "oversized frame")]
"""After these nothing can be read any more, and so no close-ok is waited for."""


@on_sockets_too
@pytest.mark.parametrize(("attack", "code"), ATTACKS.values(), ids=ATTACKS)
async def test_madness_is_answered_with_its_code_and_harms_nobody(
    autojump_clock: MockClock, server: Server, attack: bytes, code: int
) -> None:
    witness, peer = await server.opened(), await server.opened()
    await peer.ask(Queue.Declare(queue="own", exclusive=True))
    await peer.send(attack + publish_frames("own", b"never") * 10)
    close = await peer.expect("Connection.Close")
    assert close.method.reply_code == code
    if attack not in UNREADABLE:
        await peer.say(Connection.CloseOk(), channel=0)
    assert await peer.next() is None
    await server.until_gone(1)
    await witness.ask(Queue.Declare(queue="own"))


async def test_who_never_says_close_ok_is_dropped_all_the_same(autojump_clock: MockClock, server: Server) -> None:
    peer = await server.opened()
    began_at = trio.current_time()
    await peer.send(raw_frame(8, 1, b""))
    await peer.expect("Connection.Close")
    assert await peer.next() is None
    assert trio.current_time() - began_at == pytest.approx(Config().close_timeout_ms / 1000)


@on_sockets_too
async def test_who_talks_on_after_a_close_is_dropped_at_the_same_time(
    autojump_clock: MockClock, server: Server
) -> None:
    peer = await server.opened(heartbeat_s=0)
    began_at = trio.current_time()
    await peer.send(raw_frame(8, 1, b""))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trickle, peer, publish_frames("q", b"hello") * 100)
        await peer.expect("Connection.Close")
        assert await peer.next() is None
        nursery.cancel_scope.cancel()
    assert trio.current_time() - began_at == pytest.approx(Config().close_timeout_ms / 1000)


@pytest.mark.parametrize(
    "garbage", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", b"AMQP\x03\x01\x00\x00"]
)
async def test_another_protocol_gets_our_header_and_the_end(
    autojump_clock: MockClock, server: Server, garbage: bytes
) -> None:
    peer = server.connect()
    await peer.send(garbage)
    assert await peer.stream.receive_some() == HEADER
    assert await peer.stream.receive_some() == b""
    await server.until_gone()


@on_sockets_too
async def test_a_thousand_connections_that_come_to_nothing(autojump_clock: MockClock, server: Server) -> None:
    witness = await server.opened()
    for number in range(1000):
        peer = server.connect()
        if number % 2:
            await peer.send(HEADER[: number % 8])
        await peer.vanish()
    await server.until_gone(1)
    await witness.ask(Queue.Declare(queue="q"))


async def test_channels_opened_and_closed_without_end_leave_nothing(autojump_clock: MockClock, server: Server) -> None:
    peer = await server.opened()
    await peer.ask(Queue.Declare(queue="q"))
    for _ in range(500):
        await peer.ask(Channel.Open(), channel=2)
        await peer.ask(Basic.Consume(queue="q"), channel=2)
        await peer.ask(Confirm.Select(), channel=2)
        await peer.ask(Channel.Close(200, "", 0, 0), channel=2)
    (connection,) = server.reactor.connections
    session = session_of(connection)
    assert list(session.channels) == list(session.channels.fast) == [1]
    assert not server.broker.vhosts["/"].queues["q"].consumers
