"""Permissions that a back end is asked for, while their connection waits and others do not."""

from collections.abc import Hashable
from functools import partial

import pytest
import trio
from pamqp.commands import Channel, Connection, Queue
from trio.testing import MockClock, wait_all_tasks_blocked

from amqpy.core.principals import BackendUser
from amqpy.core.users import Credentials
from tests.amqp.asking import Oracle
from tests.amqp.client import HEADER, publish_frames, start_ok

from .peer import Peer, Server, on_sockets_too

ASKED_S = 2


class Slow(Oracle):
    """Rights whose back end takes its time."""

    asked_now = 0
    asked_count = 0
    cancelled_count = 0

    async def ask(self, matter: Hashable) -> None:
        self.asked_now += 1
        self.asked_count += 1
        try:
            await trio.sleep(ASKED_S)
        except trio.Cancelled:
            self.cancelled_count += 1
            raise
        finally:
            self.asked_now -= 1
        self.decisions[matter] = self.denied.get(matter, True)


@pytest.fixture
def slow(server: Server) -> Slow:
    slow = Slow()

    async def authenticate(credentials: Credentials) -> str | BackendUser:
        name = credentials.user_name
        return BackendUser(name, (), [slow]) if name == "bob" else name

    server.make_session = partial(server.make_session, authenticator=authenticate)
    return slow


async def working(server: Server) -> Peer:
    """A peer whose user is asked about."""
    peer = server.connect()
    await peer.send(HEADER)
    await peer.expect("Connection.Start")
    await peer.say(start_ok("\0bob\0"), channel=0)
    await peer.expect("Connection.Tune")
    await peer.say(Connection.TuneOk(2047, 131_072, 0), Connection.Open("/"), channel=0)
    await peer.expect("Connection.OpenOk")
    await peer.ask(Channel.Open())
    return peer


@on_sockets_too
async def test_only_who_asks_waits(autojump_clock: MockClock, server: Server, slow: Slow) -> None:
    other = await server.opened()
    peer = await working(server)
    assert trio.current_time() == pytest.approx(ASKED_S)
    await peer.say(Queue.Declare(queue="q"), Queue.Declare(queue="p"))
    await wait_all_tasks_blocked()
    assert slow.asked_now == 1
    began_at = trio.current_time()
    await other.ask(Queue.Declare(queue="theirs"))
    assert trio.current_time() == began_at
    await peer.expect("Queue.DeclareOk")
    assert trio.current_time() - began_at == pytest.approx(ASKED_S)
    await peer.expect("Queue.DeclareOk")
    assert trio.current_time() - began_at == pytest.approx(2 * ASKED_S)
    await peer.send(publish_frames("q", b"0") + publish_frames("q", b"1"))
    await trio.sleep(ASKED_S + 1)
    assert server.broker.vhosts["/"].queues["q"].ready_count == 2
    assert slow.asked_count == 4


@on_sockets_too
async def test_of_who_is_gone_nothing_is_asked(autojump_clock: MockClock, server: Server, slow: Slow) -> None:
    peer = await working(server)
    await peer.say(Queue.Declare(queue="q"))
    await wait_all_tasks_blocked()
    began_at = trio.current_time()
    await peer.vanish()
    await server.until_gone()
    assert trio.current_time() == began_at
    assert (slow.asked_now, slow.cancelled_count) == (0, 1)
    assert server.broker.vhosts["/"].queues == {}


@on_sockets_too
async def test_the_broker_stops_meanwhile(autojump_clock: MockClock, server: Server, slow: Slow) -> None:
    peer = await working(server)
    await peer.say(Queue.Declare(queue="q"))
    await wait_all_tasks_blocked()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.reactor.drain, "shutdown")
        close = await peer.expect("Connection.Close")
        assert close.method.reply_code == 320
        await peer.say(Connection.CloseOk(), channel=0)
        assert await peer.rest() == []
    assert (slow.asked_now, slow.cancelled_count) == (0, 1)


async def test_a_back_end_that_has_a_bug_ends_the_connection(
    autojump_clock: MockClock, server: Server, slow: Slow, caplog: pytest.LogCaptureFixture
) -> None:
    peer = await working(server)

    async def broken(matter: Hashable) -> None:
        raise RuntimeError("a bug")

    slow.ask = broken  # type: ignore[method-assign]
    await peer.say(Queue.Declare(queue="q"))
    assert (await peer.expect("Connection.Close")).method.reply_code == 541
    assert "a bug" in caplog.text


async def test_credentials_expire_by_the_clock(autojump_clock: MockClock, server: Server, slow: Slow) -> None:
    server.broker.unix_time_ms = lambda: 0
    slow.expires_at_s = 100.0
    peer = await working(server)
    opened_at = trio.current_time()
    close = await peer.expect("Connection.Close")
    assert close.method.reply_text == "CONNECTION_FORCED - credential expired"
    assert trio.current_time() - opened_at == pytest.approx(100)
