"""Peers that do not read: their messages stay in the queue, for others; and what they cost has a limit."""

import contextlib
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
import trio
from pamqp.commands import Basic, Channel, Queue
from trio.testing import MockClock, memory_stream_pair, wait_all_tasks_blocked

from amqpy.core.queues.queue import READ_MAX
from amqpy.server.connection_tasks import STALL_S, ConnectionTasks
from amqpy.wire.outbox import HIGH, SEND_MAX
from tests.amqp.client import HEADER, OPENING, Transcript, method_frame, names, publish_frames

from .peer import MemoryTransport, Peer, Server, on_sockets_too, session_of
from .stored_harness import StoredServer, publish, publisher_of

BODY = bytes(64 * 1024)
MANY = 10 * HIGH // len(BODY)
"""Many more messages than one peer's share."""


async def consumer_of(server: Server, queue: str, *, lockstep: bool = True, **consume: Any) -> Peer:  # noqa: ANN401
    """A peer that consumes, and reads only when told to."""
    peer = await server.opened(lockstep=lockstep)
    await peer.ask(Queue.Declare(queue=queue))
    await peer.ask(Basic.Consume(queue=queue, **consume))
    return peer


def link_of(server: Server, number: int) -> ConnectionTasks:
    return list(server.reactor.connections)[number]


@on_sockets_too
@pytest.mark.parametrize("size", [len(BODY), 3_000_000])
async def test_a_consumer_that_does_not_read_gets_no_more_than_its_share(
    autojump_clock: MockClock, server: Server, size: int
) -> None:
    body, count = bytes(size), max(MANY * len(BODY) // size, 10)
    slow = await consumer_of(server, "q", no_ack=True)
    publisher = await server.opened()
    for _ in range(count):
        await publisher.publish("q", body)
    await wait_all_tasks_blocked()
    waiting = link_of(server, 0).outbox.size
    assert HIGH <= waiting < HIGH + 2 * size
    assert server.ready("q") >= count - waiting // size - 1

    # Somebody else takes what it does not.
    left = server.ready("q")
    other = await consumer_of(server, "q", lockstep=False, no_ack=True)
    for _ in range(left):
        await other.expect("Basic.Deliver")
    assert server.ready("q") == 0

    # What was already on its way is still there when it reads again.
    for _ in range(count - left):
        assert len((await slow.expect("Basic.Deliver")).body) == size


@on_sockets_too
async def test_a_consumer_that_reads_again_gets_the_rest(autojump_clock: MockClock, server: Server) -> None:
    slow = await consumer_of(server, "q", no_ack=True)
    publisher = await server.opened()
    for number in range(MANY):
        await publisher.publish("q", BODY, message_id=str(number))
    await wait_all_tasks_blocked()
    assert server.ready("q") > 0
    ids = [(await slow.expect("Basic.Deliver")).properties.message_id for _ in range(MANY)]
    assert ids == [str(number) for number in range(MANY)]


@pytest.mark.parametrize("first", [1, 1000, HIGH - 1])
async def test_a_consumer_is_resumed_however_its_outbox_was_filled(
    autojump_clock: MockClock, server: Server, first: int
) -> None:
    """Some bytes are under way, more wait behind them, and only then the outbox fills up: nobody is woken for it."""
    slow = await consumer_of(server, "q", no_ack=True)
    publisher = await server.opened()
    sizes = [first, 10, *[len(BODY)] * MANY]
    for size in sizes:
        await publisher.publish("q", bytes(size))
        await wait_all_tasks_blocked()
    assert [len((await slow.expect("Basic.Deliver")).body) for _ in sizes] == sizes


async def test_a_slow_peer_does_not_hold_up_a_fast_one(autojump_clock: MockClock, server: Server) -> None:
    await consumer_of(server, "slow", no_ack=True)
    fast = await consumer_of(server, "fast", lockstep=False, no_ack=True)
    publisher = await server.opened()
    await publisher.ask(Queue.Bind(queue="slow", exchange="amq.fanout"))
    await publisher.ask(Queue.Bind(queue="fast", exchange="amq.fanout"))
    for _ in range(MANY):
        await publisher.publish("", BODY, exchange="amq.fanout")
        await fast.expect("Basic.Deliver")


async def test_a_prefetch_holds_a_peer_back_before_its_outbox_does(autojump_clock: MockClock, server: Server) -> None:
    peer = await server.opened()
    await peer.ask(Queue.Declare(queue="q"))
    await peer.ask(Basic.Qos(prefetch_count=3))
    await peer.ask(Basic.Consume(queue="q"))
    for _ in range(10):
        await peer.publish("q")
    await wait_all_tasks_blocked()
    assert server.ready("q") == 7
    for tag in range(1, 11):
        assert (await peer.expect("Basic.Deliver")).method.delivery_tag == tag
        await peer.say(Basic.Ack(tag))


# --- answers that are not read

GB = 10**9

LIMIT = 2 * HIGH
"""What may wait for one peer in these tests."""

RETURNED = publish_frames("nowhere", BODY, mandatory=True)


@pytest.fixture
def limited(server: Server) -> Server:
    limit = server.broker.resources.unsent_limit
    limit.share = limit.size = LIMIT
    return server


async def keep_publishing(peer: Peer) -> None:
    """What comes back for it is not read."""
    with contextlib.suppress(trio.BrokenResourceError):
        while True:
            await peer.send(RETURNED)


@on_sockets_too
async def test_a_peer_that_does_not_read_its_answers_is_not_read_and_then_dropped(
    autojump_clock: MockClock, limited: Server
) -> None:
    peer = await limited.opened(lockstep=True)
    await peer.ask(Queue.Declare(queue="own", exclusive=True))
    witness = await limited.opened()
    began_at = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keep_publishing, peer)
        await wait_all_tasks_blocked()
        connection = link_of(limited, 0)
        assert session_of(connection).block.is_blocked
        # The last turn may have been one more receive's worth over the mark.
        assert LIMIT <= connection.outbox.size < LIMIT + 2 * len(RETURNED) + SEND_MAX
        size = connection.outbox.size
        await trio.sleep(STALL_S - 1)
        assert connection.outbox.size == size
        assert len(limited.reactor.connections) == 2
        await limited.until_gone(1)
        nursery.cancel_scope.cancel()
    assert STALL_S <= trio.current_time() - began_at < STALL_S + 10
    await witness.ask(Queue.Declare(queue="own"))


@on_sockets_too
async def test_a_peer_that_catches_up_is_read_again(autojump_clock: MockClock, limited: Server) -> None:
    peer = await limited.opened(lockstep=True)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keep_publishing, peer)
        await wait_all_tasks_blocked()
        connection = link_of(limited, 0)
        for _ in range(3):
            assert session_of(connection).block.is_blocked
            waiting = connection.outbox.size // len(BODY)
            for _ in range(waiting):
                await peer.expect("Basic.Return")
            await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()


async def test_a_peer_that_is_not_read_does_not_miss_its_heartbeats(autojump_clock: MockClock, limited: Server) -> None:
    """Its heartbeats are in the bytes that we do not read."""
    peer = await limited.opened(heartbeat_s=1, lockstep=True)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keep_publishing, peer)
        await wait_all_tasks_blocked()
        await trio.sleep(STALL_S - 1)
        assert len(limited.reactor.connections) == 1
        nursery.cancel_scope.cancel()


@on_sockets_too
async def test_a_peer_that_vanishes_while_it_is_not_read(autojump_clock: MockClock, limited: Server) -> None:
    peer = await limited.opened(lockstep=True)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keep_publishing, peer)
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    await peer.vanish()
    await limited.until_gone()


async def test_who_publishes_first_and_reads_later_is_read_on(autojump_clock: MockClock, server: Server) -> None:
    peer = await server.opened(lockstep=True)
    count = 20 * LIMIT // len(BODY)
    for _ in range(count):
        await peer.send(RETURNED)
    await trio.sleep(10 * STALL_S)
    for _ in range(count):
        assert (await peer.expect("Basic.Return")).body == BODY


async def test_who_declares_first_and_reads_later_is_read_on(autojump_clock: MockClock, server: Server) -> None:
    peer = await server.opened(lockstep=True)
    declare = Queue.Declare(queue="q" * 200)
    count = 2 * LIMIT // len(method_frame(Queue.DeclareOk(declare.queue, 0, 0), 1))
    await peer.send(method_frame(declare, 1) * count)
    await peer.say(Channel.Close(200, "", 0, 0))
    for _ in range(count):
        await peer.expect("Queue.DeclareOk")
    await peer.expect("Channel.CloseOk")


async def test_a_worker_writes_its_result_while_its_next_inputs_wait(autojump_clock: MockClock, server: Server) -> None:
    worker, other = await consumer_of(server, "q"), await server.opened()
    large = bytes(4 * LIMIT)
    await other.ask(Queue.Declare(queue="results"))
    await other.publish("q", b"first")
    await worker.expect("Basic.Deliver")
    await other.publish("q", large)
    await other.publish("q", large)
    await worker.publish("results", large * 2)
    assert server.ready("results") == 1


async def test_a_peer_hears_why_it_is_not_read(autojump_clock: MockClock, limited: Server) -> None:
    peer = limited.connect(lockstep=True)
    await peer.open(1, **{"connection.blocked": True})
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keep_publishing, peer)
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    received = [await peer.next() for _ in range(LIMIT // len(BODY))]
    while "Connection.Unblocked" not in [each.name for each in received if each is not None]:
        received.append(await peer.next())
    told = [each for each in received if each is not None and each.name != "Basic.Return"]
    assert [each.name for each in told] == ["Connection.Blocked", "Connection.Unblocked"]
    assert told[0].method.reason == "low on memory"


async def test_the_log_tells_who_hung_up_and_why(
    autojump_clock: MockClock, limited: Server, caplog: pytest.LogCaptureFixture
) -> None:
    peer = await limited.opened(lockstep=True)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keep_publishing, peer)
        await limited.until_gone()
        nursery.cancel_scope.cancel()
    (told,) = [each for each in caplog.messages if "closing connection" in each]
    assert f"the client has neither read nor written for {STALL_S} s" in told
    assert "client unexpectedly closed" not in caplog.text


async def test_a_peer_that_only_writes_is_not_given_up(autojump_clock: MockClock, limited: Server) -> None:
    """Its share waits, but that was others."""
    asker, answerer, reply_to = await conversation(limited)
    for _ in range(2 * LIMIT // len(BODY)):
        await answerer.publish(reply_to, BODY)
    for _ in range(10):
        await trio.sleep(STALL_S - 1)
        await asker.publish("nowhere")
        assert len(limited.reactor.connections) == 2


async def test_one_that_waits_for_replies_and_stalls_is_given_up(autojump_clock: MockClock, limited: Server) -> None:
    _, answerer, reply_to = await conversation(limited)
    count = 10 * LIMIT // len(BODY)
    for _ in range(count):
        await answerer.publish(reply_to, BODY)
    await wait_all_tasks_blocked()
    assert link_of(limited, 0).outbox.size < LIMIT + 2 * len(BODY), "the others wait as messages"
    assert limited.broker.message_count() > count // 2
    await limited.until_gone(1)
    assert limited.broker.message_count() == 0
    await answerer.ask(Queue.Declare(queue="q"))


async def test_replies_that_waited_come_when_the_client_reads(autojump_clock: MockClock, limited: Server) -> None:
    asker, answerer, reply_to = await conversation(limited)
    count = 10 * LIMIT // len(BODY)
    for number in range(count):
        await answerer.publish(reply_to, BODY, correlation_id=str(number))
    for number in range(count):
        assert (await asker.expect("Basic.Deliver")).properties.correlation_id == str(number)


async def conversation(server: Server) -> tuple[Peer, Peer, str]:
    """Who asks, and reads only when told to; who answers; the name that leads back."""
    asker, answerer = await server.opened(lockstep=True), await server.opened()
    await answerer.ask(Queue.Declare(queue="q"))
    await answerer.ask(Basic.Consume(queue="q", no_ack=True))
    await asker.ask(Basic.Consume(queue="amq.rabbitmq.reply-to", no_ack=True))
    await asker.publish("q", reply_to="amq.rabbitmq.reply-to")
    return asker, answerer, (await answerer.expect("Basic.Deliver")).properties.reply_to


async def test_a_peer_is_read_when_memory_is_not_short_any_more(autojump_clock: MockClock, server: Server) -> None:
    """It need not read anything for that: what waits for it is within its share again."""
    peer = await server.opened(lockstep=True)
    resources = server.broker.resources
    server.reactor.administer(lambda: resources.note_memory(9 * GB, 10 * GB))
    declare = Queue.Declare(queue="q" * 200)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(peer.send, method_frame(declare, 1) * (2 * LIMIT // 200))
        await wait_all_tasks_blocked()
        connection = link_of(server, 0)
        assert session_of(connection).block.is_blocked
        server.reactor.administer(lambda: resources.note_memory(GB, 10 * GB))
        await wait_all_tasks_blocked()
        assert not session_of(connection).block.is_blocked
    await peer.say(Channel.Close(200, "", 0, 0))
    assert connection.outbox.size > LIMIT, "it has read nothing"


async def test_nobody_is_given_up_because_memory_is_short(autojump_clock: MockClock, server: Server) -> None:
    """It may be busy with what it got, and is needed to make room."""
    await consumer_of(server, "q", no_ack=True)
    publisher = await server.opened()
    await publisher.publish("q", bytes(2 * LIMIT))
    await wait_all_tasks_blocked()
    resources = server.broker.resources
    server.reactor.administer(lambda: resources.note_memory(9 * GB, 10 * GB))
    await trio.sleep(10 * STALL_S)
    assert link_of(server, 0).outbox.overfull
    assert len(server.reactor.connections) == 2


async def test_a_reader_of_last_words_has_some_time(autojump_clock: MockClock, server: Server) -> None:
    peer = await server.opened(lockstep=True)
    await peer.say(Channel.Close(200, "", 0, 0), channel=0)
    await trio.sleep(4)
    assert (await peer.expect("Connection.Close")).method.reply_code == 504
    await server.hang_up()


class TricklingTransport(MemoryTransport):
    """Its peer takes a few bytes a second."""

    PAUSE_S = 1

    def __init__(self, stream: trio.StapledStream[Any, Any]) -> None:
        super().__init__(stream)
        self._room = 100_000
        self.taken = bytearray()

    def send_nowait(self, buffers: Sequence[bytes | memoryview]) -> int:
        part = b"".join(buffers)[: self._room]
        self._room -= len(part)
        self.taken += part
        return len(part)

    async def send_some(self, buffers: Sequence[bytes | memoryview]) -> int:
        await trio.sleep(self.PAUSE_S)
        self._room += 3000
        return self.send_nowait(buffers)


async def test_a_peer_that_reads_slowly_is_not_dropped(autojump_clock: MockClock, limited: Server) -> None:
    """What it takes within the time is much less than what waits for it, but it is something."""
    ours, sender = memory_stream_pair()
    transport = TricklingTransport(ours)
    limited.accept(transport, "trickling")
    count = 3 * HIGH // len(BODY)
    await sender.send_all(HEADER + b"".join(method_frame(each, 0) for each in OPENING))
    await sender.send_all(method_frame(Channel.Open(), 1) + RETURNED * count)
    await wait_all_tasks_blocked()
    (connection,) = limited.reactor.connections
    assert session_of(connection).block.is_blocked
    while connection.outbox.size:
        await trio.sleep(STALL_S)
        assert list(limited.reactor.connections) == [connection]
    assert names(Transcript().read(bytes(transport.taken)))[-count:] == ["Basic.Return"] * count
    await sender.aclose()
    await limited.until_gone()


# --- fairness


@on_sockets_too
async def test_one_connection_that_floods_does_not_take_the_turns_of_others(
    autojump_clock: MockClock, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted in turns: while the flood has input waiting all the time, each other request is heard within two."""
    flood, other = await server.opened(), await server.opened()
    await other.ask(Queue.Declare(queue="q"))
    turns: list[ConnectionTasks] = []
    do = server.reactor.turn

    def turn(connection: ConnectionTasks, data: bytes) -> None:
        turns.append(connection)
        do(connection, data)

    monkeypatch.setattr(server.reactor, "turn", turn)
    flooding, answering = server.reactor.connections
    await flood.send(publish_frames("nowhere", b"x" * 1000) * 20_000)
    for number in range(20):
        before = len(turns)
        await other.ask(Queue.Declare(queue=f"q{number}"))
        turn_of_other = turns.index(answering, before)
        assert turn_of_other - before <= 2
    assert turns.count(flooding) > 20


async def test_a_long_queue_is_delivered_in_portions(
    autojump_clock: MockClock, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fast reader of a long queue: between any two portions of it, others have their turn."""
    publisher = await server.opened()
    await publisher.ask(Queue.Declare(queue="q"))
    await publisher.send(publish_frames("q", BODY) * MANY)
    await wait_all_tasks_blocked()
    fast = await consumer_of(server, "q", lockstep=False)
    sizes = []
    resume = server.reactor.resume

    def resumed(connection: ConnectionTasks) -> None:
        sizes.append(connection.outbox.total)
        resume(connection)

    monkeypatch.setattr(server.reactor, "resume", resumed)
    for _ in range(MANY):
        await fast.expect("Basic.Deliver")
    portions = [later - earlier for earlier, later in pairwise(sizes)]
    assert portions
    assert max(portions) < HIGH + 2 * len(BODY)


async def test_a_large_backlog_on_disk_is_delivered_without_further_ado(
    autojump_clock: MockClock, stored: StoredServer
) -> None:
    """It is handed out in several turns, and nobody says anything meanwhile."""
    publisher = await publisher_of(stored)
    for _ in range(10):
        await publish(publisher, bytes(READ_MAX // 4))
    slow = await stored.opened(lockstep=True)
    await slow.ask(Basic.Qos(prefetch_count=20))
    await slow.ask(Basic.Consume(queue="q"))
    await wait_all_tasks_blocked()
    assert stored.ready("q") == 0
