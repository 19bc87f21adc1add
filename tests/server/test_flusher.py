"""What is durable, and when, with a disk that may be slow; and that all is written at the end."""

import socket

import pytest
import trio
from pamqp.commands import Basic, Queue
from trio.testing import MockClock, wait_all_tasks_blocked

from amqpy.core.queues import paged_fifo
from amqpy.server import flusher as flusher_module
from amqpy.server.transport import SocketTransport
from amqpy.store.store import StoreFull
from tests.amqp.client import publish_frames

from .peer import Peer, on_sockets_too
from .stored_harness import SOON_S, Disk, StoredServer, acked, publish, publisher_of, says_nothing

# --- syncs


async def test_nothing_is_confirmed_before_the_sync_is_done(autojump_clock: MockClock, stored: StoredServer) -> None:
    peer = await publisher_of(stored)
    stored.disk.slow_down()
    await publish(peer, b"a")
    assert await says_nothing(peer)
    assert stored.disk.bodies() == []
    await stored.disk.let()
    assert await acked(peer) == 1
    assert stored.disk.bodies() == [b"a"]


async def test_replies_wait_for_the_sync_as_well(autojump_clock: MockClock, stored: StoredServer) -> None:
    peer = await stored.opened()
    stored.disk.slow_down()
    await peer.say(Queue.Declare(queue="new", durable=True))
    assert await says_nothing(peer)
    await stored.disk.let()
    await peer.expect("Queue.DeclareOk")


async def test_while_one_batch_is_written_the_next_gathers(autojump_clock: MockClock, stored: StoredServer) -> None:
    peer = await publisher_of(stored)
    stored.disk.slow_down()
    tries = stored.disk.tries
    await publish(peer, b"a", b"b", b"c", b"d")
    assert stored.disk.tries == tries + 1
    await stored.disk.let()
    assert await acked(peer) == 1
    assert await says_nothing(peer)
    await stored.disk.let()
    assert await acked(peer) == 4
    assert stored.disk.tries == tries + 2
    assert [len(batch.added) for batch in stored.disk.written[-2:]] == [1, 3]


async def test_what_came_and_went_meanwhile_is_never_written(autojump_clock: MockClock, stored: StoredServer) -> None:
    peer = await publisher_of(stored)
    consumer = await stored.opened()
    await consumer.ask(Basic.Consume(queue="q"))
    stored.disk.slow_down()
    await publish(peer, b"a", b"b", b"c")
    for tag in (1, 2, 3):
        await consumer.expect("Basic.Deliver")
        await consumer.say(Basic.Ack(tag))
    await wait_all_tasks_blocked()
    await stored.disk.let(2)
    assert await acked(peer) == 1
    assert await acked(peer) == 3
    assert [len(batch.added) for batch in stored.disk.written[-2:]] == [1, 0]
    assert stored.disk.bodies() == []


async def test_an_empty_batch_costs_no_sync(autojump_clock: MockClock, stored: StoredServer) -> None:
    peer = await publisher_of(stored)
    consumer = await stored.opened()
    await consumer.ask(Basic.Consume(queue="q", no_ack=True))
    await publish(peer, b"a")
    assert await acked(peer) == 1
    tries = stored.disk.tries
    await publish(peer, b"b", b"c")
    assert await acked(peer) == 2
    assert await acked(peer) == 3
    assert stored.disk.tries == tries


async def test_an_idle_broker_writes_nothing(autojump_clock: MockClock, stored: StoredServer) -> None:
    peer = await publisher_of(stored)
    await publish(peer, b"a")
    await acked(peer)
    tries = stored.disk.tries
    await trio.sleep(1000)
    assert stored.disk.tries == tries


# --- a disk that does not keep up


@on_sockets_too
@pytest.mark.parametrize("delivery_mode", [2, 1])
async def test_who_publishes_too_fast_is_not_read(
    autojump_clock: MockClock, stored: StoredServer, monkeypatch: pytest.MonkeyPatch, delivery_mode: int
) -> None:
    """Whether its messages are to survive, or are on disk for want of memory."""
    monkeypatch.setattr(flusher_module, "BEHIND_BYTES", 10_000)
    monkeypatch.setattr(paged_fifo, "WINDOW_MESSAGES", 2)
    peer = await publisher_of(stored)
    (connection,) = stored.reactor.connections
    stored.disk.slow_down()
    for _ in range(30):
        await peer.publish("q", bytes(1000), delivery_mode=delivery_mode)
        await wait_all_tasks_blocked()
    assert connection.session.paused
    count = stored.ready("q")
    assert 8 <= count < 15

    # The others go on: they make it better.
    consumer = await stored.opened()
    await consumer.ask(Basic.Consume(queue="q"))
    for tag in range(1, count + 1):
        await consumer.expect("Basic.Deliver")
        await consumer.say(Basic.Ack(tag))
    assert await says_nothing(consumer)
    assert connection.session.paused

    await stored.disk.speed_up()
    for _ in range(30 - count):
        await consumer.expect("Basic.Deliver")
    while await acked(peer) < 30:
        pass
    assert not connection.session.paused


@on_sockets_too
async def test_who_does_not_publish_is_read_although_the_disk_is_behind(
    autojump_clock: MockClock, stored: StoredServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flusher_module, "BEHIND_BYTES", -1)
    other = await stored.opened()
    assert stored.flusher.is_behind
    await other.ask(Basic.Qos(prefetch_count=1))
    await other.ask(Basic.Qos(prefetch_count=2))


@on_sockets_too
async def test_who_goes_while_it_waits_for_the_disk_is_missed(
    autojump_clock: MockClock, stored: StoredServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer, witness = await publisher_of(stored), await stored.opened()
    await peer.ask(Queue.Declare(queue="own", exclusive=True))
    monkeypatch.setattr(flusher_module, "BEHIND_BYTES", 10_000)
    stored.disk.slow_down()
    await publish(peer, *[bytes(1000)] * 20)
    assert next(iter(stored.reactor.connections)).session.paused
    await peer.publish("q", b"last words", delivery_mode=2)
    await peer.vanish()
    await stored.until_gone(1)
    assert "own" not in stored.broker.vhosts["/"].queues
    await witness.ask(Basic.Qos(prefetch_count=1))
    await stored.disk.speed_up()
    assert b"last words" in stored.disk.bodies(), "what came before the end was heard"


async def test_who_waits_for_the_disk_is_heard_in_order(
    autojump_clock: MockClock, stored: StoredServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No matter how much of what it says was read ahead."""
    monkeypatch.setattr(flusher_module, "BEHIND_BYTES", 10_000)
    peer = await publisher_of(stored)
    stored.disk.slow_down()
    bodies = [b"%d" % number * 1000 for number in range(100)]
    await publish(peer, *bodies)
    assert next(iter(stored.reactor.connections)).session.paused
    await stored.disk.speed_up()
    while await acked(peer) < len(bodies):
        pass
    assert stored.disk.bodies() == bodies


# --- the end


@pytest.mark.parametrize("moment", ["idle", "writing", "between two tries"])
async def test_at_the_end_all_is_written(
    autojump_clock: MockClock, disk: Disk, moment: str, nursery: trio.Nursery
) -> None:
    server = StoredServer(disk)
    async with trio.open_nursery() as running:
        await running.start(server.reactor.run)
        peer = await publisher_of(server)
        if moment == "writing":
            disk.slow_down()
        elif moment == "between two tries":
            disk.errors.extend([StoreFull("disk full")] * 2)
        await peer.send(publish_frames("q", b"a", delivery_mode=2))
        await wait_all_tasks_blocked()
        await peer.send(publish_frames("q", b"b", delivery_mode=2))
        await wait_all_tasks_blocked()
        server.disk.errors.clear()
        if moment == "writing":
            disk.allowed.release()
        disk.is_fast = True
        running.cancel_scope.cancel()
    await server.flusher.finish()
    # Who publishes is not heard while the disk is full.
    assert disk.bodies() == ([b"a"] if moment == "between two tries" else [b"a", b"b"])
    assert not server.journal.has_work
    assert server.journal.writing is None


async def test_the_end_waits_for_what_is_being_written(autojump_clock: MockClock, disk: Disk) -> None:
    """What is still in the thread is not written a second time, and nobody else meets that thread."""
    server = StoredServer(disk)
    async with trio.open_nursery() as running:
        await running.start(server.reactor.run)
        peer = await publisher_of(server)
        disk.slow_down()
        await peer.send(publish_frames("q", b"a", delivery_mode=2))
        await wait_all_tasks_blocked()
        tries = disk.tries
        running.cancel_scope.cancel()
        with trio.CancelScope(shield=True):
            await trio.sleep(SOON_S)
            assert server.journal.writing is not None, "it waits"
            disk.is_fast = True
            disk.allowed.release()
    assert server.journal.writing is None
    await server.flusher.finish()
    assert disk.tries == tries
    assert disk.bodies() == [b"a"]


async def test_the_end_says_when_not_all_could_be_written(autojump_clock: MockClock, disk: Disk) -> None:
    server = StoredServer(disk)
    disk.errors.append(StoreFull("disk full"))
    with pytest.raises(StoreFull):
        await server.flusher.finish()


# --- a kernel


async def test_on_sockets_nothing_leaves_early_either(disk: Disk, nursery: trio.Nursery) -> None:
    server = StoredServer(disk)
    await nursery.start(server.reactor.run)
    ours, theirs = socket.socketpair()
    server.accept(SocketTransport(ours), "peer")
    peer = Peer(trio.SocketStream(trio.socket.from_stdlib_socket(theirs)))
    await peer.open(1)
    await wait_all_tasks_blocked()
    tries = disk.tries
    disk.slow_down()
    await peer.say(Queue.Declare(queue="q", durable=True))
    while disk.tries == tries:
        await trio.lowlevel.checkpoint()
    with pytest.raises(BlockingIOError):
        theirs.recv(1, socket.MSG_PEEK)
    await disk.let()
    await peer.expect("Queue.DeclareOk")
    await disk.speed_up()
    await peer.vanish()
    await server.until_gone()
