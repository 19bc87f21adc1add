"""Logins that take their time: a slow directory is asked, and what may happen meanwhile happens."""

import gc
import logging
import weakref
from collections.abc import Iterator
from contextlib import suppress
from functools import partial

import pytest
import trio
from pamqp.commands import Channel, Queue
from trio.testing import MockClock, wait_all_tasks_blocked

from amqpy.config import Config
from amqpy.core.users import Credentials, LoginFailed
from amqpy.server.connection_tasks import HELD_MAX, RECEIVE_MAX
from amqpy.server.questions import LOGINS_MAX, InLine
from tests.amqp.client import HEADER, OPENING, method_frame, start_ok

from .peer import Peer, Server, on_sockets_too, session_of

HANDSHAKE_TIMEOUT_S = Config().handshake_timeout_ms / 1000
ASKED_S = 2
"""Seconds that the directory takes."""

REFUSED_LOGIN_S = 3
ALL = HEADER + b"".join(
    [
        *(method_frame(method, 0) for method in OPENING),
        *(method_frame(method, 1) for method in (Channel.Open(), Queue.Declare(queue="q"))),
    ]
)


class Directory:
    """An authenticator that takes its time, and knows everybody whose password is their name."""

    def __init__(self, span_s: float = ASKED_S) -> None:
        self.span_s = span_s
        self.asked_count = 0
        self.asked_now = 0
        self.asked_at_once = 0
        """The most questions at a time."""
        self.cancelled_count = 0

    async def __call__(self, credentials: Credentials) -> str:
        self.asked_count += 1
        self.asked_now += 1
        self.asked_at_once = max(self.asked_at_once, self.asked_now)
        try:
            await trio.sleep(self.span_s)
        except trio.Cancelled:
            self.cancelled_count += 1
            raise
        finally:
            self.asked_now -= 1
        name, password = credentials
        if password == b"broken":
            raise OSError("the directory is on fire")
        if password != name.encode():
            raise LoginFailed(name, f"the directory does not know {name}")
        return name


@pytest.fixture
def directory(server: Server) -> Directory:
    directory = Directory()
    server.make_session = partial(server.make_session, authenticator=InLine(directory))
    return directory


async def start(server: Server, response: str = "\0guest\0guest", *, told: bool = True, lockstep: bool = False) -> Peer:
    """A peer whose login is being asked about."""
    peer = server.connect(lockstep=lockstep)
    await peer.send(HEADER)
    await peer.expect("Connection.Start")
    await peer.say(start_ok(response, authentication_failure_close=told), channel=0)
    return peer


@on_sockets_too
async def test_a_client_gets_in_when_the_directory_says_so(
    autojump_clock: MockClock, server: Server, directory: Directory
) -> None:
    peer = server.connect()
    began_at = trio.current_time()
    await peer.open(1)
    assert trio.current_time() - began_at == pytest.approx(ASKED_S)
    await peer.ask(Queue.Declare(queue="q"))
    assert (directory.asked_count, directory.asked_now, directory.cancelled_count) == (1, 0, 0)


@on_sockets_too
async def test_nobody_else_waits_for_it(autojump_clock: MockClock, server: Server, directory: Directory) -> None:
    other = await server.opened()
    peer = await start(server)
    began_at = trio.current_time()
    await other.ask(Queue.Declare(queue="q"))
    assert trio.current_time() == began_at
    await peer.expect("Connection.Tune")
    assert trio.current_time() - began_at == pytest.approx(ASKED_S)


@on_sockets_too
async def test_what_comes_behind_a_login_is_heard_after_it(
    autojump_clock: MockClock, server: Server, directory: Directory
) -> None:
    peer = server.connect()
    await peer.send(ALL)
    await peer.expect("Connection.Start")
    await trio.sleep(ASKED_S / 2)
    assert server.broker.vhosts["/"].queues == {}
    for name in "Connection.Tune", "Connection.OpenOk", "Channel.OpenOk", "Queue.DeclareOk":
        await peer.expect(name)


async def test_what_comes_behind_a_login_piles_up_at_the_peer(
    autojump_clock: MockClock, server: Server, directory: Directory
) -> None:
    directory.span_s = 2 * HANDSHAKE_TIMEOUT_S
    peer = await start(server, lockstep=True)
    sent = 0

    async def talk() -> None:
        nonlocal sent
        with suppress(trio.BrokenResourceError):
            while True:
                await peer.send(bytes(1000))
                sent += 1000

    began_at = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(talk)
        await trio.sleep(HANDSHAKE_TIMEOUT_S / 2)
        (connection,) = server.reactor.connections
        assert 0 < session_of(connection).held_size <= HELD_MAX
        assert sent <= HELD_MAX + RECEIVE_MAX
        await server.until_gone()
        assert trio.current_time() - began_at == pytest.approx(HANDSHAKE_TIMEOUT_S)
        nursery.cancel_scope.cancel()


@on_sockets_too
async def test_a_refused_client_is_told_and_has_time_to_read_it(
    autojump_clock: MockClock, server: Server, directory: Directory
) -> None:
    peer = await start(server, "\0guest\0wrong")
    began_at = trio.current_time()
    close = await peer.expect("Connection.Close")
    assert trio.current_time() - began_at == pytest.approx(ASKED_S)
    assert (close.method.reply_code, close.method.reply_text) == (
        403,
        "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. For details see the broker logfile.",
    )
    assert await peer.next() is None
    assert trio.current_time() - began_at == pytest.approx(ASKED_S + REFUSED_LOGIN_S)


async def test_a_refused_client_that_does_not_expect_it_is_not_told(
    autojump_clock: MockClock, server: Server, directory: Directory
) -> None:
    peer = await start(server, "\0guest\0wrong", told=False)
    began_at = trio.current_time()
    assert await peer.rest() == []
    assert trio.current_time() - began_at == pytest.approx(ASKED_S)


async def test_an_authenticator_that_fails_refuses(
    autojump_clock: MockClock, server: Server, directory: Directory, caplog: pytest.LogCaptureFixture
) -> None:
    peer = await start(server, "\0guest\0broken")
    assert (await peer.expect("Connection.Close")).method.reply_code == 403
    assert "the directory is on fire" in caplog.text
    assert "broken" not in caplog.text
    assert server.reactor.internal_errors == 0


@on_sockets_too
async def test_the_handshake_timeout_ends_the_wait(
    autojump_clock: MockClock, server: Server, directory: Directory
) -> None:
    directory.span_s = HANDSHAKE_TIMEOUT_S + 1
    began_at = trio.current_time()
    peer = await start(server)
    assert await peer.rest() == []
    assert trio.current_time() - began_at == pytest.approx(HANDSHAKE_TIMEOUT_S)
    await server.until_gone()
    assert (directory.asked_now, directory.cancelled_count) == (0, 1)


@on_sockets_too
async def test_of_a_peer_that_is_gone_nobody_is_asked_any_more(
    autojump_clock: MockClock, server: Server, directory: Directory
) -> None:
    peer = await start(server)
    await wait_all_tasks_blocked()
    assert directory.asked_now == 1
    began_at = trio.current_time()
    await peer.vanish()
    await server.until_gone()
    assert trio.current_time() == began_at
    assert (directory.asked_now, directory.cancelled_count) == (0, 1)


async def test_the_broker_stops_meanwhile(autojump_clock: MockClock, server: Server, directory: Directory) -> None:
    peer = await start(server)
    await wait_all_tasks_blocked()
    began_at = trio.current_time()
    await server.reactor.drain("shutdown")
    assert trio.current_time() == began_at
    assert await peer.rest() == []
    assert (directory.asked_now, directory.cancelled_count) == (0, 1)


async def test_the_directory_is_not_asked_about_all_at_once(
    autojump_clock: MockClock, server: Server, directory: Directory
) -> None:
    peers = [await start(server) for _ in range(2 * LOGINS_MAX + 1)]
    began_at = trio.current_time()
    for peer in peers:
        await peer.expect("Connection.Tune")
    assert trio.current_time() - began_at == pytest.approx(3 * ASKED_S)
    assert (directory.asked_count, directory.asked_at_once) == (2 * LOGINS_MAX + 1, LOGINS_MAX)


async def test_who_is_gone_gives_up_its_place_in_line(
    autojump_clock: MockClock, server: Server, directory: Directory
) -> None:
    waiting = [await start(server) for _ in range(2 * LOGINS_MAX)]
    await wait_all_tasks_blocked()
    for peer in reversed(waiting):
        await peer.vanish()
    await server.until_gone()
    assert directory.asked_count == LOGINS_MAX
    began_at = trio.current_time()
    await server.opened()
    assert trio.current_time() - began_at == pytest.approx(ASKED_S)


# --- what is left of them


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("response", ["\0guest\0guest", "\0guest\0wrong", "\0guest\0broken"])
@pytest.mark.parametrize("waits", [True, False], ids=["waits for the answer", "is gone before"])
async def test_of_a_login_nothing_is_left(
    autojump_clock: MockClock,
    server: Server,
    directory: Directory,
    no_collector: None,
    caplog: pytest.LogCaptureFixture,
    response: str,
    waits: bool,
) -> None:
    caplog.set_level(logging.CRITICAL + 1)  # what is logged is kept, with the traceback
    peer = await start(server, response)
    await wait_all_tasks_blocked()
    (connection,) = server.reactor.connections
    session = weakref.ref(connection.session)
    del connection
    if waits:
        await peer.next()
    await peer.vanish()
    await server.until_gone()
    await wait_all_tasks_blocked()
    assert session() is None
