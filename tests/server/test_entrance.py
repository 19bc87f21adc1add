"""Connections that are let in or refused: limits by the address that a proxy tells, bad headers, and what the log says.

The peers are at the other end of socket pairs, as a proxy beside the broker that connects to its unix socket. So a test
chooses the addresses that they come from.
"""

import logging
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import trio
from pamqp.commands import Connection, Queue
from trio.testing import MockClock, wait_all_tasks_blocked

from amqpy.config import Config
from amqpy.config.values import TcpAddress
from amqpy.server import listener
from amqpy.server.entrance import Origin, ends_between
from amqpy.server.proxy_protocol import V2_START, Relay
from tests.amqp.client import HEADER, remains, start_ok

from .peer import DEADLINE_S, Peer, Server, session_of
from .test_sockets import Listening, give_up

READER = "\0reader\0hunter2"
"""A user who may come from anywhere."""


def header(host: str = "203.0.113.9", port: int = 4321) -> bytes:
    return f"PROXY TCP4 {host} 203.0.113.1 {port} 5672\r\n".encode()


LOCAL = V2_START + b"\x20\x00\x00\x00"
UNKNOWN = b"PROXY UNKNOWN\r\n"


class Guarded(Server):
    """A server with limits, behind a proxy."""

    def knock(self, data: bytes = header()) -> Peer:
        """A peer of which these are the first octets."""
        ours, theirs = socket.socketpair()
        stream = trio.SocketStream(trio.socket.from_stdlib_socket(ours))

        async def serve() -> None:
            await listener.serve_socket(self.reactor, self.make_session, None, stream)
            self._left.set()
            self._left = trio.Event()

        self.reactor.nursery.start_soon(serve)
        theirs.sendall(data)
        peer = Peer(trio.SocketStream(trio.socket.from_stdlib_socket(theirs)))
        self.peers.append(peer)
        return peer

    async def until_let_in(self, data: bytes = header()) -> Peer:
        """A peer to whom the broker speaks."""
        peer = self.knock(data + HEADER)
        await peer.expect("Connection.Start")
        return peer

    @property
    def counts(self) -> tuple[int, int]:
        """Pending connections, and addresses that are known."""
        admission = self.reactor.entrance.admission
        return admission.pending, admission.addresses_known


async def is_refused(peer: Peer) -> bool:
    """True if the connection is reset, or closed, without a word."""
    with trio.fail_after(DEADLINE_S):
        try:
            data = await peer.stream.receive_some()
        except trio.BrokenResourceError:
            return True
    return not data


@pytest.fixture
async def guard(
    autojump_clock: MockClock, nursery: trio.Nursery, request: pytest.FixtureRequest
) -> AsyncIterator[Guarded]:
    """A server with the settings of the test's `guarded_by`."""
    settings = getattr(request, "param", {})
    server = Guarded(Config(cluster_name="rabbit@test", strict=True, proxy_protocol=True, **settings))
    await nursery.start(server.reactor.run)
    yield server
    await server.hang_up()
    await wait_all_tasks_blocked()
    assert not server.reactor.nursery.child_tasks
    assert server.reactor.internal_errors == 0
    assert server.reactor.entrance.admission.pending == 0


def guarded_by(**settings: int) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("guard", [settings], indirect=True, ids=[""])


async def log_in(peer: Peer, response: str) -> str | None:
    """The name of what comes of it."""
    await peer.say(start_ok(response, authentication_failure_close=True), channel=0)
    answer = await peer.next()
    return None if answer is None else answer.name


async def enter(peer: Peer) -> None:
    assert await log_in(peer, READER) == "Connection.Tune"
    await peer.say(Connection.TuneOk(2047, 131_072, 0), channel=0)
    await peer.ask(Connection.Open("/"), channel=0)


# --- headers


async def test_a_connection_is_named_by_its_header(autojump_clock: MockClock, guard: Guarded) -> None:
    await guard.until_let_in()
    (connection,) = guard.reactor.connections
    assert connection.name == "203.0.113.9:4321 -> 203.0.113.1:5672"
    peer = session_of(connection).terms.peer
    assert peer[1:5] == ("203.0.113.9", 4321, "203.0.113.1", 5672)


async def test_a_header_may_come_octet_by_octet(autojump_clock: MockClock, guard: Guarded) -> None:
    peer = guard.knock(b"P")
    for octet in header()[1:] + HEADER:
        await trio.sleep(0.1)
        await peer.send(bytes((octet,)))
    await peer.expect("Connection.Start")


@pytest.mark.parametrize(
    ("data", "outcome"),
    [(header(), "Connection.Close"), (header("127.0.0.1"), "Connection.Tune")],
    ids=["from elsewhere", "from here"],
)
async def test_guest_may_come_from_the_machine_that_the_header_names(
    autojump_clock: MockClock, guard: Guarded, data: bytes, outcome: str
) -> None:
    peer = await guard.until_let_in(data)
    assert await log_in(peer, "\0guest\0guest") == outcome


@pytest.mark.parametrize(
    ("data", "outcome"), [(LOCAL, "Connection.Tune"), (UNKNOWN, "Connection.Close")], ids=["local", "unknown"]
)
async def test_without_addresses_the_socket_names_the_connection(
    autojump_clock: MockClock, guard: Guarded, data: bytes, outcome: str
) -> None:
    """It also tells where the proxy's own connections come from, but not those that the proxy knows nothing about."""
    peer = await guard.until_let_in(data)
    (connection,) = guard.reactor.connections
    assert connection.name == "unix -> "
    assert await log_in(peer, "\0guest\0guest") == outcome


def test_a_header_does_not_make_a_peer_local() -> None:
    here, there = TcpAddress("127.0.0.1", 4321), TcpAddress("203.0.113.9", 4321)
    from_afar = Origin(ends_between(there, here), from_loopback=False)
    for ends in (here, here), (there, here), None:
        assert not from_afar.relayed(Relay(is_relayed=True, ends=ends)).from_loopback
    assert from_afar.relayed(Relay(is_relayed=False, ends=None)) == from_afar


@pytest.mark.parametrize(
    "data", [HEADER, b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01", b"PROXY TCP4 1 2 3 4\r\n" + HEADER]
)
async def test_who_has_no_header_is_refused(
    autojump_clock: MockClock, guard: Guarded, caplog: pytest.LogCaptureFixture, data: bytes
) -> None:
    assert await is_refused(guard.knock(data))
    await wait_all_tasks_blocked()
    (refusal,) = refusals(caplog)
    assert refusal.startswith("refused a connection from a unix socket: no header of the PROXY protocol: ")


@pytest.mark.parametrize("sent", [b"", header()[:-1]])
async def test_a_header_must_come_in_time(
    autojump_clock: MockClock, guard: Guarded, caplog: pytest.LogCaptureFixture, sent: bytes
) -> None:
    began_at = trio.current_time()
    assert await is_refused(guard.knock(sent))
    assert trio.current_time() - began_at == pytest.approx(10)
    await wait_all_tasks_blocked()
    assert refusals(caplog) == ["refused a connection from a unix socket: no header of the PROXY protocol in time"]


@pytest.mark.parametrize("sent", [b"", header()[:-1]])
async def test_who_leaves_before_the_header_is_worth_no_line(
    autojump_clock: MockClock, guard: Guarded, caplog: pytest.LogCaptureFixture, sent: bytes
) -> None:
    peer = guard.knock(sent)
    await wait_all_tasks_blocked()
    assert guard.counts == (1, 0)
    await peer.vanish()
    await wait_all_tasks_blocked()
    assert guard.counts == (0, 0)
    assert refusals(caplog) == []


async def test_a_broker_may_stop_while_a_header_is_awaited(autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        server = Guarded(Config(strict=True, proxy_protocol=True))
        await nursery.start(server.reactor.run)
        peer = server.knock(b"")
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert server.counts == (0, 0)
    await peer.vanish()


# --- limits


@guarded_by(pending_connection_max=3, pending_connection_max_per_address=2)
async def test_pending_connections(autojump_clock: MockClock, guard: Guarded) -> None:
    first, _ = await guard.until_let_in(), await guard.until_let_in()
    assert await is_refused(guard.knock())
    elsewhere = await guard.until_let_in(header("203.0.113.10"))
    assert await is_refused(guard.knock(header("203.0.113.11")))
    # One leaves, one gets in.
    await elsewhere.vanish()
    await guard.until_gone(2)
    assert await log_in(first, READER) == "Connection.Tune"
    assert guard.counts == (2, 1)
    await guard.until_let_in(header("203.0.113.11"))


@guarded_by(pending_connection_max_per_address=1)
async def test_an_open_connection_is_not_pending(autojump_clock: MockClock, guard: Guarded) -> None:
    for _ in range(3):
        await enter(await guard.until_let_in())
    assert guard.counts == (0, 1)


@guarded_by(pending_connection_max_per_address=1)
async def test_the_handshake_timeout_makes_room(autojump_clock: MockClock, guard: Guarded) -> None:
    peer = await guard.until_let_in()
    assert await is_refused(guard.knock())
    await peer.rest()
    await guard.until_gone()
    await guard.until_let_in()


@guarded_by(pending_connection_max=2)
async def test_who_has_sent_no_header_is_pending(autojump_clock: MockClock, guard: Guarded) -> None:
    guard.knock(b"")
    guard.knock(header()[:10])
    await wait_all_tasks_blocked()
    assert guard.counts == (2, 0)
    assert await is_refused(guard.knock())


@guarded_by(connection_max_per_address=2)
async def test_connections_from_an_address(autojump_clock: MockClock, guard: Guarded) -> None:
    one, _ = await guard.until_let_in(), await guard.until_let_in()
    assert await is_refused(guard.knock())
    await guard.until_let_in(header("203.0.113.10"))
    for _ in range(3):
        await guard.until_let_in(LOCAL)
    await one.vanish()
    await guard.until_gone(5)
    await guard.until_let_in()


@guarded_by(connection_rate_max=4, connection_rate_max_per_address=2)
async def test_new_connections(autojump_clock: MockClock, guard: Guarded) -> None:
    for _ in range(2):
        await (await guard.until_let_in()).vanish()
    assert await is_refused(guard.knock())
    for _ in range(2):
        await guard.until_let_in(LOCAL)
    assert await is_refused(guard.knock(LOCAL))
    await trio.sleep(0.5)
    await guard.until_let_in()
    assert await is_refused(guard.knock())
    await guard.until_let_in(LOCAL)


@guarded_by(login_failure_max_per_address=2)
async def test_failed_logins(autojump_clock: MockClock, guard: Guarded, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(2):
        peer = await guard.until_let_in()
        assert await log_in(peer, "\0reader\0wrong") == "Connection.Close"
    assert await is_refused(guard.knock())
    await guard.until_let_in(header("203.0.113.10"))
    for _ in range(3):
        assert await log_in(await guard.until_let_in(LOCAL), "\0reader\0wrong") == "Connection.Close"
    assert refusals(caplog) == ["refused a connection from 203.0.113.9: too many failed logins from there (2 a minute)"]
    await trio.sleep(29.9)
    assert await is_refused(guard.knock())
    await trio.sleep(0.2)
    assert await log_in(await guard.until_let_in(), READER) == "Connection.Tune"


# --- the log


def refusals(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.getMessage().startswith("refused ")]


@guarded_by(pending_connection_max_per_address=1)
async def test_a_flood_of_refused_connections_is_none_of_lines(
    autojump_clock: MockClock, guard: Guarded, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    await guard.until_let_in()
    why = "203.0.113.9: too many connections from there that are not open (1)"
    assert await is_refused(guard.knock())
    await wait_all_tasks_blocked()
    assert refusals(caplog) == [f"refused a connection from {why}"]
    for _ in range(50):
        assert await is_refused(guard.knock())
    await trio.sleep(0.9)
    assert len(refusals(caplog)) == 1
    await trio.sleep(0.2)
    assert refusals(caplog)[1:] == [f"refused 50 connections, the last one from {why}"]
    await trio.sleep(5)
    assert len(refusals(caplog)) == 2


# --- real sockets


@pytest.fixture
async def listening(nursery: trio.Nursery) -> AsyncIterator[Callable[..., Any]]:
    """Starts servers with these settings, on a TCP port."""
    servers: list[Listening] = []
    nursery.start_soon(give_up)

    async def start(**settings: Any) -> Listening:  # noqa: ANN401
        config = Config(port=0, strict=True, cluster_name="rabbit@test", **settings)
        server = Listening(config)
        await nursery.start(server.serve, config)
        servers.append(server)
        return server

    yield start
    for server in servers:
        for peer in server.peers:
            await peer.vanish()
        while server.reactor.connections:
            await trio.lowlevel.checkpoint()
        assert remains(server.broker) == {}
        assert server.reactor.internal_errors == 0


async def test_a_header_and_a_client_over_tcp(listening: Callable[..., Any]) -> None:
    server = await listening(proxy_protocol=True, loopback_users=())
    stream = await server.dial()
    peer = Peer(stream)
    server.peers.append(peer)
    await stream.send_all(header())
    await peer.open(1)
    await peer.ask(Queue.Declare(queue="q"))
    (connection,) = server.reactor.connections
    assert connection.name == "203.0.113.9:4321 -> 203.0.113.1:5672"


async def test_only_trusted_proxies_are_believed(
    listening: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    server = await listening(proxy_protocol=True, proxy_trusted=("192.0.2.0/24",))
    stream = await server.dial()
    with pytest.raises(trio.BrokenResourceError):  # a reset
        await stream.receive_some()
    await stream.aclose()
    await server.until(lambda: refusals(caplog) == ["refused a connection from 127.0.0.1: not a trusted proxy"])


async def test_without_the_setting_a_header_is_none(listening: Callable[..., Any]) -> None:
    server = await listening()
    stream = await server.dial()
    await stream.send_all(header() + HEADER)
    assert await stream.receive_some() == HEADER
    assert await stream.receive_some() == b""
    await stream.aclose()
