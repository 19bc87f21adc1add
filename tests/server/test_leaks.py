"""After a connection nothing of it is left: no task, no connection, no object.

Objects must go with their last reference, without the garbage collector: in a broker it looks for cycles seldom, so
that nobody waits for it (see `amqpy.server.garbage_collection`).
"""

import gc
import weakref
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeAlias

import pytest
import trio
from pamqp.base import Frame as Method
from pamqp.commands import Basic, Channel, Confirm, Connection, Exchange, Queue, Tx
from pamqp.common import FieldTable
from trio.testing import MockClock, wait_all_tasks_blocked

from amqpy.amqp.basic_methods import ConsumerTarget
from amqpy.amqp.channel import ChannelSession
from amqpy.amqp.connection import ConnectionSession
from amqpy.core.consumer import Consumer
from amqpy.core.message import Message
from amqpy.core.queues.queue import Queue as CoreQueue
from amqpy.server.connection_tasks import ConnectionTasks
from tests.amqp.client import HEADER, content_frames, method_frame, publish_frames, raw_frame, start_ok

from .peer import Peer, Server, on_sockets_too

OF_A_CONNECTION = (ConnectionTasks, ConnectionSession, ChannelSession, ConsumerTarget, Consumer, Message)


def living() -> dict[str, int]:
    """How many objects there are of each class that belongs to connections."""
    found = dict.fromkeys((each.__name__ for each in OF_A_CONNECTION), 0)
    for each in gc.get_objects():
        if type(each) in OF_A_CONNECTION:
            found[type(each).__name__] += 1
    return found


def queue_count() -> int:
    return sum(isinstance(each, CoreQueue) for each in gc.get_objects())


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


async def close(peer: Peer) -> None:
    await peer.say(Connection.Close(200, "bye", 0, 0), channel=0)
    await peer.rest()


async def vanish(peer: Peer) -> None:
    await peer.vanish()


async def fail(peer: Peer) -> None:
    await peer.send(raw_frame(8, 1, b""))
    await peer.say(Connection.CloseOk(), channel=0)
    await peer.rest()


async def break_frames(peer: Peer) -> None:
    await peer.send(b"\x01\x00\x01\x00\x00\x00\x00\x00")
    await peer.rest()


async def fall_silent(peer: Peer) -> None:
    await peer.rest()


async def stop_within_a_frame(peer: Peer) -> None:
    await peer.send(publish_frames("kept", b"x" * 100_000)[:50_000])
    await peer.rest()


Ending: TypeAlias = Callable[[Peer], Awaitable[None]]


async def work(peer: Peer) -> None:
    """A little of everything, so that everything has been referred to from everywhere."""
    await peer.open(1, 2, 3, 4, heartbeat_s=10, consumer_cancel_notify=True)
    await peer.ask(Queue.Declare(queue="own", exclusive=True))
    await peer.ask(Queue.Declare(queue="kept"))
    await peer.ask(Exchange.Declare(exchange="x", exchange_type="headers", auto_delete=True))
    await peer.ask(Queue.Bind(queue="own", exchange="x", arguments={"x-match": "all"}))
    await peer.ask(Basic.Consume(queue="own"))
    await peer.ask(Basic.Consume(queue="kept", no_ack=True, consumer_tag="cancelled"), channel=2)
    await peer.ask(Basic.Cancel("cancelled"), channel=2)
    await peer.ask(Tx.Select(), channel=3)
    await peer.ask(Confirm.Select(), channel=4)
    await peer.ask(Basic.Qos(prefetch_count=1), channel=2)
    for channel in 1, 2, 3, 4:
        await peer.publish("", exchange="x", channel=channel)
        await peer.publish("nowhere", channel=channel, mandatory=True)
    await peer.say(Queue.Declare(queue="missing", passive=True), channel=2)
    await peer.say(Basic.Publish(routing_key="kept"), channel=4)
    await wait_all_tasks_blocked()


@on_sockets_too
@pytest.mark.parametrize("end", [close, vanish, fail, break_frames, fall_silent, stop_within_a_frame])
async def test_a_connection_leaves_no_object(
    autojump_clock: MockClock, server: Server, no_collector: None, end: Ending
) -> None:
    before = living()
    peer = server.connect()
    await work(peer)
    assert all(living()[each.__name__] > before[each.__name__] for each in OF_A_CONNECTION)
    await end(peer)
    await server.until_gone()
    await wait_all_tasks_blocked()
    assert living() == before


FLAWS = {
    "no frame end": b"\x01\x00\x01\x00\x00\x00\x00\x00",
    "too large": b"\x01\x00\x01\xff\xff\xff\xff",
    "unknown frame": raw_frame(5, 1, b""),
    "unknown method": raw_frame(1, 1, b"\x00\x32\x00\x63"),
    "no UTF-8": raw_frame(1, 1, b"\x00\x32\x00\x0a\x00\x00\x01\xff\x00" + bytes(4)),
    "cut short": raw_frame(1, 1, b"\x00\x32\x00\x0a\x00\x00\x01"),
    "no table": raw_frame(1, 1, b"\x00\x32\x00\x0a\x00\x00\x01a\x00\x00\x00\x00\x03\x01a?"),
    "no properties": method_frame(Basic.Publish(), 1) + raw_frame(2, 1, bytes((0, 60, *bytes(10), 128, 0, 9))),
    "no publish": raw_frame(1, 1, b"\x00\x3c\x00\x28") + content_frames(b""),
    "no exchange": publish_frames("", b"x", exchange="missing"),
    "no ack": raw_frame(1, 1, b"\x00\x3c\x00\x50"),
    "unknown tag": method_frame(Basic.Ack(1), 1),
    "unopened channel": method_frame(Queue.Declare(queue="q"), 9),
    "wrong class": method_frame(Basic.Publish(), 1) + raw_frame(2, 1, bytes(14)),
    "too much": method_frame(Basic.Publish(), 1) + raw_frame(2, 1, b"\x00\x3c\x00\x00\xff" + bytes(9)),
    "content after content": content_frames(b"x"),
    "method after publish": method_frame(Basic.Publish(), 1) * 2,
    "on channel 0": method_frame(Queue.Declare(), 0),
}


@pytest.mark.parametrize("flaw", FLAWS.values(), ids=FLAWS)
async def test_a_fault_leaves_no_object(
    autojump_clock: MockClock, server: Server, no_collector: None, flaw: bytes
) -> None:
    """An exception holds the frames it came through, and those hold everything; it must not be held by one of them."""
    before = living()
    peer = await server.opened()
    await peer.send(flaw)
    close = await peer.next()
    assert close is not None
    assert close.name in {"Connection.Close", "Channel.Close"}
    await peer.vanish()
    await server.until_gone()
    await wait_all_tasks_blocked()
    assert living() == before


@pytest.mark.parametrize("response", ["\0guest\0wrong", "no response", "\0guest\0guest"])
async def test_a_refused_handshake_leaves_no_object(
    autojump_clock: MockClock, server: Server, no_collector: None, response: str
) -> None:
    before = living()
    peer = server.connect()
    await peer.send(HEADER)
    await peer.say(start_ok(response, authentication_failure_close=True), Connection.TuneOk(0, 0, 0), channel=0)
    await peer.expect("Connection.Start")
    await peer.next()
    await peer.vanish()
    await server.until_gone()
    await wait_all_tasks_blocked()
    assert living() == before


@pytest.mark.parametrize("steps", range(4))
async def test_a_handshake_that_comes_to_nothing_leaves_no_object(
    autojump_clock: MockClock, server: Server, no_collector: None, steps: int
) -> None:
    before = living()
    peer = server.connect()
    await peer.send((HEADER * 2)[: steps * 5])
    await peer.vanish()
    await server.until_gone()
    await wait_all_tasks_blocked()
    assert living() == before


async def test_a_closed_channel_leaves_no_object(autojump_clock: MockClock, server: Server, no_collector: None) -> None:
    peer = await server.opened()
    await peer.ask(Queue.Declare(queue="q"))
    before = living()
    goodbye, mistake = Channel.Close(200, "", 0, 0), Queue.Declare(queue="missing", passive=True)
    for ending in [goodbye], [mistake, Channel.CloseOk()]:
        await peer.ask(Channel.Open(), channel=2)
        await peer.ask(Basic.Consume(queue="q"), channel=2)
        await peer.publish("q")
        await peer.expect("Basic.Deliver")
        await peer.say(*ending, channel=2)
        assert (await peer.next()) is not None
        await peer.ask(Queue.Purge(queue="q"))
    await wait_all_tasks_blocked()
    assert living() == before


async def test_a_cancelled_consumer_leaves_no_object(
    autojump_clock: MockClock, server: Server, no_collector: None
) -> None:
    peer = await server.opened()
    await peer.ask(Queue.Declare(queue="q"))
    before = living()
    await peer.ask(Basic.Consume(queue="q", consumer_tag="c"))
    await peer.ask(Basic.Cancel("c"))
    await peer.ask(Basic.Consume(queue="q", consumer_tag="c"))
    await peer.ask(Queue.Delete(queue="q"))
    await wait_all_tasks_blocked()
    assert living() == before


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"x-max-priority": 3},
        {"x-max-length-bytes": 100},
        {"x-expires": 60_000},
        {"x-message-ttl": 60_000},
        {"x-single-active-consumer": True},
        {"x-message-deduplication": True},
        {"x-queue-type": "quorum"},
        {"x-queue-type": "quorum", "x-delayed-retry-type": "all", "x-delayed-retry-min": 60_000},
    ],
    ids=str,
)
async def test_a_deleted_queue_leaves_no_object(
    autojump_clock: MockClock, server: Server, no_collector: None, arguments: FieldTable
) -> None:
    """With messages that wait, one that came back, and one that a consumer still has."""
    before = queue_count()  # those of brokers that other tests of this process share
    peer = await server.opened()
    await peer.ask(Basic.Qos(prefetch_count=2))
    await peer.ask(Queue.Declare(queue="q", durable=True, arguments=arguments))
    await peer.ask(Queue.Bind(queue="q", exchange="amq.topic", routing_key="#"))
    for _ in range(4):
        await peer.publish("q")
    await peer.ask(Basic.Consume(queue="q", consumer_tag="c"))
    for _ in range(2):
        await peer.expect("Basic.Deliver")
    await peer.ask(Basic.Cancel("c"))
    await peer.say(Basic.Reject(1, requeue=True))
    await wait_all_tasks_blocked()
    assert queue_count() == before + 1
    await peer.ask(Queue.Delete(queue="q"))
    await peer.say(Basic.Ack(2))
    await wait_all_tasks_blocked()
    assert queue_count() == before


async def test_who_owed_messages_of_a_quorum_queue_leaves_no_object(
    autojump_clock: MockClock, server: Server, no_collector: None
) -> None:
    """Whether it is cancelled first or not, and though nobody asks for the number of consumers."""
    keeper = await server.opened()
    await keeper.ask(Queue.Declare(queue="q", durable=True, arguments={"x-queue-type": "quorum"}))
    await keeper.publish("q")
    await keeper.ask(Basic.Get(queue="q"))
    await keeper.say(Basic.Reject(1, requeue=True))  # as it will be given back to the queue
    await wait_all_tasks_blocked()
    before = living()
    for is_cancelled in (False, True):
        peer = await server.opened()
        await peer.ask(Basic.Consume(queue="q", consumer_tag="c"))
        await peer.expect("Basic.Deliver")
        if is_cancelled:
            await peer.ask(Basic.Cancel("c"))
        await peer.vanish()
        await wait_all_tasks_blocked()
    assert living() == before


@on_sockets_too
async def test_messages_are_freed_when_they_are_done_with(
    autojump_clock: MockClock, server: Server, no_collector: None
) -> None:
    peer = await server.opened()
    before = living()["Message"]
    await peer.ask(Queue.Declare(queue="q"))
    for number in range(100):
        await peer.publish("q", str(number).encode())
    await wait_all_tasks_blocked()
    assert living()["Message"] == before + 100
    await peer.ask(Basic.Consume(queue="q"))
    for number in range(100):
        assert (await peer.expect("Basic.Deliver")).body == str(number).encode()
    await peer.say(Basic.Ack(50, True), *(Basic.Ack(tag) for tag in range(51, 101)))
    await wait_all_tasks_blocked()
    assert living()["Message"] == before


@pytest.mark.parametrize("method", [Queue.Purge, Queue.Delete])
async def test_messages_are_freed_when_they_are_purged(
    autojump_clock: MockClock, server: Server, no_collector: None, method: Callable[..., Method]
) -> None:
    """Even when nothing else is ever due: there are no heartbeats here."""
    peer = await server.opened(heartbeat_s=0)
    before = living()["Message"]
    await peer.ask(Queue.Declare(queue="q"))
    await peer.send(publish_frames("q", b"hello") * 20_000)
    await wait_all_tasks_blocked()
    assert living()["Message"] == before + 20_000
    await peer.ask(method(queue="q"))
    await wait_all_tasks_blocked()
    assert living()["Message"] == before


@on_sockets_too
async def test_tasks_return_to_the_base_line(autojump_clock: MockClock, server: Server) -> None:
    def tasks() -> int:
        return trio.lowlevel.current_statistics().tasks_living

    await wait_all_tasks_blocked()
    before = tasks()
    for _ in range(3):
        peers = [await server.opened() for _ in range(50)]
        assert tasks() == before + 2 * len(peers)
        await server.hang_up(peers)
        await wait_all_tasks_blocked()
        assert tasks() == before


@on_sockets_too
async def test_a_stream_is_let_go(autojump_clock: MockClock, server: Server, no_collector: None) -> None:
    peer = await server.opened()
    (connection,) = server.reactor.connections
    stream = weakref.ref(connection._transport)  # noqa: SLF001 (it is what must go)
    del connection
    await peer.vanish()
    await server.until_gone()
    await wait_all_tasks_blocked()
    assert stream() is None
