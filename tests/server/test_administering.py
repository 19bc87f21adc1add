"""An administrator's operations are turns of the reactor: whoever they concern hears of them at once."""

import gc
import weakref

import pytest
import trio
from pamqp.commands import Basic, Connection, Queue
from trio.testing import MockClock

from amqpy.config import Config
from amqpy.errors import AdministrationError

from .peer import Server


async def test_the_connections_of_a_deleted_vhost_are_closed(autojump_clock: MockClock, server: Server) -> None:
    peers = [await server.opened() for _ in range(2)]
    await peers[0].ask(Queue.Declare(queue="q"))
    await peers[0].ask(Basic.Consume(queue="q"))
    server.reactor.administer(lambda: server.broker.administration.delete_vhost("/"))
    for peer in peers:
        close = await peer.expect("Connection.Close")
        assert close.method.reply_text == "CONNECTION_FORCED - vhost '/' is deleted"
        await peer.say(Connection.CloseOk(), channel=0)
    await server.until_gone()


@pytest.mark.parametrize("heartbeat_s", [0, 600])
async def test_they_have_only_so_much_time_to_answer(
    autojump_clock: MockClock, server: Server, heartbeat_s: int
) -> None:
    """Whatever deadline they had before, which may have been later, or none at all."""
    for _ in range(2):
        await server.opened(heartbeat_s=heartbeat_s)
    began_at = trio.current_time()
    server.reactor.administer(lambda: server.broker.administration.delete_vhost("/"))
    await server.until_gone()
    assert trio.current_time() - began_at == server.broker.config.close_timeout_ms / 1000


async def test_what_is_refused_is_no_bug(autojump_clock: MockClock, server: Server) -> None:
    with pytest.raises(AdministrationError):
        server.reactor.administer(lambda: server.broker.administration.delete_vhost("nope"))
    assert server.reactor.internal_errors == 0
    assert server.reactor.administer(lambda: server.broker.administration.policies("/")) == []


async def test_a_refusal_is_let_go_without_the_garbage_collector(autojump_clock: MockClock, server: Server) -> None:
    gc.disable()
    try:
        server.reactor.administer(lambda: server.broker.administration.delete_vhost("nope"))
    except AdministrationError as error:
        refusal = weakref.ref(error)
    finally:
        gc.enable()
    assert refusal() is None


async def test_a_bug_is_counted_and_told(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    tolerant = Server(Config(strict=False))
    await nursery.start(tolerant.reactor.run)
    with pytest.raises(ZeroDivisionError):
        tolerant.reactor.administer(lambda: 1 // 0)
    assert tolerant.reactor.internal_errors == 1
