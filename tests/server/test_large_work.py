"""Large work at the transport: it goes on by itself, its client is not read meanwhile, no stop cuts it off."""

from pamqp.commands import Basic, Connection, Queue
from trio.testing import MockClock, wait_all_tasks_blocked

from amqpy.core.jobs import UNITS_AT_ONCE
from tests.amqp.client import method_frame, publish_frames

from .peer import Peer, Server

COUNT = 3 * UNITS_AT_ONCE
GIVE_BACK = Basic.Nack(delivery_tag=0, multiple=True, requeue=True)


async def owing(server: Server) -> Peer:
    """A peer that owes more messages than a turn may return."""
    peer = server.connect()
    await peer.open(1)
    await peer.ask(Queue.Declare(queue="q"))
    await peer.send(publish_frames("q", b"m") * COUNT)
    await peer.ask(Basic.Consume(queue="q", consumer_tag="c"))
    for _ in range(COUNT):
        await peer.expect("Basic.Deliver")
    await peer.ask(Basic.Cancel(consumer_tag="c"))
    return peer


async def test_it_goes_on_by_itself_and_then_its_client_is_heard(autojump_clock: MockClock, server: Server) -> None:
    peer = await owing(server)
    turns = []
    work = server.broker.work

    def count() -> None:
        turns.append(server.broker.vhosts["/"].queues["q"].ready_count)
        work()

    server.broker.work = count  # type: ignore[method-assign]
    await peer.send(method_frame(GIVE_BACK, 1) + method_frame(Queue.Declare(queue="q", passive=True), 1))
    assert (await peer.expect("Queue.DeclareOk")).method.message_count == COUNT
    assert len(set(turns)) > 2, "in several turns"


async def test_a_peer_that_leaves_meanwhile_leaves_nothing(autojump_clock: MockClock, server: Server) -> None:
    peer = await owing(server)
    await peer.send(method_frame(Basic.Nack(delivery_tag=COUNT - 1, multiple=True, requeue=False), 1))
    await peer.stream.aclose()
    await wait_all_tasks_blocked()
    assert server.ready("q") == 1
    assert not server.broker.scheduler.jobs
    assert not server.reactor.connections


async def test_a_stop_finishes_what_nobody_waits_for(autojump_clock: MockClock, server: Server) -> None:
    peer = server.connect()
    await peer.open(1)
    await peer.say(*(Queue.Declare(queue=str(number), nowait=True) for number in range(UNITS_AT_ONCE)))
    await peer.ask(Connection.Close(200, "", 0, 0), channel=0)
    await peer.vanish()
    await wait_all_tasks_blocked()
    administration = server.broker.administration
    server.reactor.administer(lambda: administration.set_policy("/", "p", "", {"max-length": 1}))
    assert server.broker.scheduler.jobs
    await server.reactor.drain("stop")
    assert {queue.policy.policy for queue in server.broker.vhosts["/"].queues.values()} == {"p"}


async def test_a_stop_finishes_it(autojump_clock: MockClock, server: Server) -> None:
    peer = await owing(server)
    server.reactor.turn(next(iter(server.reactor.connections)), method_frame(Basic.Ack(0, multiple=True), 1))
    assert server.broker.scheduler.jobs
    await server.reactor.drain("stop")
    assert not server.broker.scheduler.jobs
    assert server.broker.message_count() == 0
    assert (await peer.expect("Connection.Close")).method.reply_code == Connection.Close(320, "", 0, 0).reply_code
