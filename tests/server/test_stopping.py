"""The broker's own troubles: it is told to stop, or it meets a bug of its own."""

import logging
from collections.abc import Iterator

import pytest
import trio
from pamqp.commands import Basic, Channel, Connection, Queue
from trio.testing import MockClock, wait_all_tasks_blocked

from amqpy.amqp.channel import HANDLERS
from amqpy.amqp.connection import ConnectionSession
from amqpy.config import Config
from amqpy.core.broker import Broker
from amqpy.core.jobs import UNITS_AT_ONCE
from amqpy.core.queues.classic import ClassicQueue
from amqpy.server import reactor as reactor_module
from amqpy.server.connection_tasks import LINGER_S
from tests.amqp.client import HEADER, method_frame, publish_frames, raw_frame, remains

from .peer import Peer, Server

ANSWER_S = 0.5
REASON = "broker forced connection closure with reason 'shutdown'"


# --- drain


async def test_drain_tells_everybody_and_waits_for_their_close_ok(autojump_clock: MockClock, server: Server) -> None:
    peers = [await server.opened() for _ in range(3)]
    began_at = trio.current_time()

    async def answer(peer: Peer) -> None:
        close = await peer.expect("Connection.Close")
        assert (close.method.reply_code, close.method.reply_text) == (320, f"CONNECTION_FORCED - {REASON}")
        await trio.sleep(ANSWER_S)
        await peer.say(Connection.CloseOk(), channel=0)
        assert await peer.next() is None

    async with trio.open_nursery() as nursery:
        for peer in peers:
            nursery.start_soon(answer, peer)
        await server.reactor.drain(REASON)
        assert not server.reactor.connections
    assert trio.current_time() - began_at == pytest.approx(ANSWER_S)


async def test_drain_has_an_end_when_nobody_answers(autojump_clock: MockClock, server: Server) -> None:
    await server.opened()
    began_at = trio.current_time()
    await server.reactor.drain(REASON)
    assert trio.current_time() - began_at == pytest.approx(reactor_module.DRAIN_S)
    assert len(server.reactor.connections) == 1


async def test_drain_does_not_wait_for_who_has_not_even_logged_in(autojump_clock: MockClock, server: Server) -> None:
    silent, started = server.connect(), server.connect()
    await started.send(HEADER)
    await started.expect("Connection.Start")
    began_at = trio.current_time()
    await server.reactor.drain(REASON)
    assert trio.current_time() == began_at
    assert await silent.rest() == await started.rest() == []


async def test_drain_of_nobody_is_done_at_once(autojump_clock: MockClock, server: Server) -> None:
    began_at = trio.current_time()
    await server.reactor.drain(REASON)
    assert trio.current_time() == began_at


async def test_drain_does_not_hang_on_a_peer_that_does_not_read(autojump_clock: MockClock, server: Server) -> None:
    peer = await server.opened(lockstep=True)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(peer.send, publish_frames("nowhere", bytes(10_000_000), mandatory=True))
        await wait_all_tasks_blocked()
        began_at = trio.current_time()
        await server.reactor.drain(REASON)
        assert trio.current_time() - began_at <= reactor_module.DRAIN_S
        nursery.cancel_scope.cancel()


async def test_what_was_published_before_the_drain_is_in_the_queue(autojump_clock: MockClock, server: Server) -> None:
    peer = await server.opened()
    await peer.ask(Queue.Declare(queue="q"))
    await peer.ask(Basic.Consume(queue="q"))
    await peer.publish("q")
    await peer.expect("Basic.Deliver")
    await server.reactor.drain(REASON)
    assert server.ready("q") == 1
    assert remains(server.broker) == {}


async def test_connections_are_cut_with_the_reactor(autojump_clock: MockClock) -> None:
    server = Server(Config(strict=True))
    async with trio.open_nursery() as connections:
        await connections.start(server.reactor.run)
        peer = await server.opened()
        connections.cancel_scope.cancel()
    assert await peer.next() is None
    assert not server.reactor.connections


# --- bugs


class Bug(Exception):
    """Something that nobody has foreseen."""


def broken(*arguments: object, **more: object) -> None:
    raise Bug


@pytest.fixture
async def tolerant(autojump_clock: MockClock, nursery: trio.Nursery, caplog: pytest.LogCaptureFixture) -> Server:
    """A server that goes on after a bug."""
    server = Server(Config(strict=False))
    await nursery.start(server.reactor.run)
    return server


async def expect_541(peer: Peer) -> None:
    close = await peer.expect("Connection.Close")
    assert (close.method.reply_code, close.method.reply_text) == (541, "INTERNAL_ERROR")
    await peer.say(Connection.CloseOk(), channel=0)
    assert await peer.next() is None


async def test_a_bug_costs_the_connection_that_met_it_and_no_other(
    autojump_clock: MockClock, tolerant: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    witness, peer = await tolerant.opened(), await tolerant.opened()
    await peer.ask(Queue.Declare(queue="own", exclusive=True))
    await peer.ask(Basic.Consume(queue="own"))
    monkeypatch.setitem(HANDLERS, Basic.Qos, broken)
    await peer.say(Basic.Qos())
    await expect_541(peer)
    await tolerant.until_gone(1)
    assert tolerant.reactor.internal_errors == 1
    (record,) = [record for record in caplog.records if record.exc_info]
    assert record.levelno == logging.ERROR
    assert record.exc_info is not None
    assert record.exc_info[0] is Bug
    assert (await witness.ask(Queue.Declare(queue="own"))).method.consumer_count == 0
    assert remains(tolerant.broker) == {}


async def test_a_bug_while_a_queue_is_served(
    autojump_clock: MockClock, tolerant: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    witness, peer = await tolerant.opened(), await tolerant.opened()
    await peer.ask(Queue.Declare(queue="q"))
    with monkeypatch.context() as patch:
        patch.setattr(ClassicQueue, "drain", broken)
        patch.setattr(ClassicQueue, "publish", broken)
        await peer.publish("q")
        await expect_541(peer)
    await witness.ask(Queue.Declare(queue="q"))
    await tolerant.hang_up()


async def test_a_bug_in_a_deadline(
    autojump_clock: MockClock, tolerant: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    witness, peer = await tolerant.opened(heartbeat_s=0), await tolerant.opened(heartbeat_s=10)
    with monkeypatch.context() as patch:
        patch.setattr(ConnectionSession, "on_timer", broken)
        await expect_541(peer)
    await witness.ask(Queue.Declare(queue="q"))
    await tolerant.hang_up()


async def test_a_bug_in_the_clearing_up_of_a_bug(
    autojump_clock: MockClock, tolerant: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    witness, peer = await tolerant.opened(), await tolerant.opened()
    with monkeypatch.context() as patch:
        patch.setattr(ConnectionSession, "fail", broken)
        patch.setitem(HANDLERS, Basic.Qos, broken)
        await peer.say(Basic.Qos())
        assert await peer.next() is None
        await tolerant.until_gone(1)
    await witness.ask(Queue.Declare(queue="q"))


async def test_a_bug_in_the_end_of_a_connection(
    autojump_clock: MockClock, tolerant: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    witness, peer = await tolerant.opened(), await tolerant.opened()
    with monkeypatch.context() as patch:
        patch.setattr(Broker, "close_channel", broken)
        await peer.vanish()
        await tolerant.until_gone(1)
    assert tolerant.reactor.internal_errors == 1
    await witness.ask(Queue.Declare(queue="q"))


async def test_who_is_refused_is_told_in_spite_of_a_bug_in_its_end(
    autojump_clock: MockClock, tolerant: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer = await tolerant.opened()
    monkeypatch.setattr(Broker, "close_channel", broken)
    await tolerant.reactor.drain(REASON)
    assert (await peer.expect("Connection.Close")).method.reply_text == f"CONNECTION_FORCED - {REASON}"
    assert tolerant.reactor.internal_errors == 1


async def test_the_bytes_after_a_bug_are_not_worked_on(
    autojump_clock: MockClock, tolerant: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer = await tolerant.opened()
    monkeypatch.setitem(HANDLERS, Basic.Qos, broken)
    await peer.send(method_frame(Basic.Qos(), 1) + method_frame(Queue.Declare(queue="after"), 1))
    await expect_541(peer)
    assert "after" not in tolerant.broker.vhosts["/"].queues


async def test_a_bug_in_large_work_costs_the_connection_that_began_it(
    autojump_clock: MockClock, tolerant: Server
) -> None:
    witness, peer = await tolerant.opened(), await tolerant.opened()
    session = list(tolerant.reactor.connections)[1].session

    def work() -> Iterator[int]:
        yield UNITS_AT_ONCE
        raise Bug

    tolerant.reactor.act(lambda: tolerant.broker.scheduler.jobs.do_for(session, work(), lambda: None))
    assert tolerant.reactor.internal_errors == 0
    await expect_541(peer)
    assert tolerant.reactor.internal_errors == 1
    await witness.ask(Queue.Declare(queue="q"))
    await tolerant.hang_up()


async def test_a_bug_on_behalf_of_nobody_costs_no_connection(autojump_clock: MockClock, tolerant: Server) -> None:
    witness = await tolerant.opened()
    tolerant.reactor.act(broken)
    assert tolerant.reactor.internal_errors == 1
    await witness.ask(Queue.Declare(queue="q"))
    await tolerant.hang_up()


async def test_with_strict_a_bug_stops_the_broker(autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(HANDLERS, Basic.Qos, broken)

    async def serve() -> None:
        async with trio.open_nursery() as nursery:
            server = Server(Config(strict=True))
            await nursery.start(server.reactor.run)
            peer = await server.opened()
            await peer.say(Basic.Qos())
            await trio.sleep_forever()

    with pytest.raises(BaseExceptionGroup) as caught:
        await serve()
    assert caught.group_contains(Bug)


# --- last words


async def test_last_words_have_their_time_and_no_more(autojump_clock: MockClock, server: Server) -> None:
    peer = await server.opened(lockstep=True)
    await peer.say(Channel.Open(), channel=1)
    began_at = trio.current_time()
    await trio.sleep(1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(peer.send, raw_frame(9, 1, b"")[:-1] + b"\0")
        await server.until_gone()
        nursery.cancel_scope.cancel()
    assert trio.current_time() - began_at == pytest.approx(1 + LINGER_S)
