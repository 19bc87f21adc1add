"""A disk that is full is waited for, by those who must; after any other failure nothing more is promised or written."""

import logging

import pytest
import trio
from pamqp.commands import Basic, Connection, Queue
from trio.testing import MockClock, wait_all_tasks_blocked

from amqpy.core.queues import paged_fifo
from amqpy.server import flusher as flusher_module
from amqpy.server.connection_tasks import STALL_S
from amqpy.server.flusher import FULL_RETRY_S
from amqpy.server.reactor import STORE_LOST
from amqpy.store.store import StoreError, StoreFull
from amqpy.wire.frames import HEARTBEAT_FRAME
from amqpy.wire.outbox import HIGH

from .peer import session_of
from .stored_harness import SOON_S, StoredServer, acked, publish, publisher_of, says_nothing

# --- a full disk


async def test_a_full_disk_is_waited_for(
    autojump_clock: MockClock, stored: StoredServer, caplog: pytest.LogCaptureFixture
) -> None:
    peer = await publisher_of(stored)
    tries = stored.disk.tries
    stored.disk.errors.extend([StoreFull("disk full")] * 3)
    began_at = trio.current_time()
    with caplog.at_level(logging.INFO):
        await publish(peer, b"a")
        assert stored.broker.alarms
        assert stored.disk.bodies() == []
        assert await acked(peer) == 1
    assert trio.current_time() - began_at == pytest.approx(3 * FULL_RETRY_S)
    assert stored.disk.tries == tries + 4
    assert stored.disk.bodies() == [b"a"]
    assert not stored.broker.alarms
    told = [record.getMessage() for record in caplog.records if "store" in record.getMessage()]
    assert told[0] == "the store is full, nothing is confirmed until there is space: disk full"
    assert told[-1] == "the store has space again"
    assert sum("is full" in line for line in told) == 1, "said once"
    assert not stored.is_lost.is_set()


async def test_while_the_disk_is_full_publishers_wait_and_consumers_go_on(
    autojump_clock: MockClock, stored: StoredServer
) -> None:
    peer = await publisher_of(stored)
    consumer = await stored.opened()
    await consumer.ask(Basic.Consume(queue="q"))
    stored.disk.errors.extend([StoreFull("disk full")] * 10)
    await publish(peer, b"a", b"b")
    assert (await consumer.expect("Basic.Deliver")).body == b"a"
    await consumer.ask(Basic.Qos(prefetch_count=1))
    await consumer.say(Basic.Ack(1))
    await wait_all_tasks_blocked()
    assert stored.disk.errors, "there is no space yet"
    assert stored.ready("q") == 0, "the other message has not been heard"
    assert await acked(peer) == 1
    assert (await consumer.expect("Basic.Deliver")).body == b"b"
    assert await acked(peer) == 2
    assert stored.disk.bodies() == [b"b"], "the answer to the first one was not forgotten"


async def test_who_waits_for_a_slow_disk_is_told_when_it_is_full(
    autojump_clock: MockClock, stored: StoredServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flusher_module, "BEHIND_BYTES", 3000)
    peer = stored.connect()
    await peer.open(1, **{"connection.blocked": True})
    await peer.ask(Queue.Declare(queue="q", durable=True))
    stored.disk.slow_down()
    await publish(peer, *[bytes(1000)] * 20)
    (connection,) = stored.reactor.connections
    assert connection.session.paused
    stored.disk.errors.append(StoreFull("disk full"))
    await stored.disk.let()
    await peer.expect("Connection.Blocked")
    assert not connection.session.paused
    await stored.disk.speed_up()
    await peer.expect("Connection.Unblocked")
    assert (await peer.ask(Queue.Declare(queue="q", durable=True))).method.message_count == 20


async def test_who_waits_for_a_reply_gets_heartbeats_and_the_alarm(
    autojump_clock: MockClock, stored: StoredServer
) -> None:
    peer = stored.connect()
    await peer.open(1, heartbeat_s=10, **{"connection.blocked": True})
    await peer.ask(Basic.Qos(prefetch_count=1))
    stored.disk.slow_down()
    await peer.say(Queue.Declare(queue="new", durable=True))
    await peer.say(Basic.Qos(prefetch_count=2))
    await wait_all_tasks_blocked()
    (connection,) = stored.reactor.connections
    for _ in range(10):
        total = connection.outbox.total
        await trio.sleep(10)
        assert total < connection.outbox.total <= total + 3 * len(HEARTBEAT_FRAME)
        await peer.send(HEARTBEAT_FRAME)
    stored.disk.errors.append(StoreFull("disk full"))
    await stored.disk.let()
    await peer.publish("new", b"a")
    await peer.expect("Connection.Blocked")
    assert await says_nothing(peer)
    await stored.disk.speed_up()
    await peer.expect("Connection.Unblocked")
    await peer.expect("Queue.DeclareOk")
    await peer.expect("Basic.QosOk")


async def test_who_waits_for_us_is_not_taken_for_one_who_does_not_read(
    autojump_clock: MockClock, stored: StoredServer
) -> None:
    stored.broker.resources.unsent_limit.size = 2 * HIGH
    peer = await stored.opened()
    stored.disk.slow_down()
    await peer.say(Queue.Declare(queue="new", durable=True))
    for _ in range(2):
        await peer.publish("nowhere", bytes(HIGH), mandatory=True)
    await trio.sleep(10 * STALL_S)
    (connection,) = stored.reactor.connections
    assert session_of(connection).block.is_blocked
    await stored.disk.speed_up()
    await peer.expect("Queue.DeclareOk")
    for _ in range(2):
        await peer.expect("Basic.Return")
    await wait_all_tasks_blocked()
    assert not session_of(connection).block.is_blocked


async def test_a_stop_while_the_disk_is_full_is_told_instead_of_what_waits(
    autojump_clock: MockClock, stored: StoredServer
) -> None:
    peer = await stored.opened()
    stored.disk.errors.extend([StoreFull("disk full")] * 10)
    await peer.say(Queue.Declare(queue="new", durable=True))
    await wait_all_tasks_blocked()
    stored.reactor.nursery.start_soon(stored.reactor.drain, "because")
    assert (await peer.expect("Connection.Close")).method.reply_text == "CONNECTION_FORCED - because"
    await peer.say(Connection.CloseOk(), channel=0)
    assert await peer.next() is None


# --- a broken disk


async def test_after_an_error_nothing_more_is_promised(
    autojump_clock: MockClock, stored: StoredServer, caplog: pytest.LogCaptureFixture
) -> None:
    peer = await publisher_of(stored)
    stored.disk.errors.append(StoreError("input/output error"))
    await publish(peer, b"a")
    assert stored.is_lost.is_set(), "the broker is to stop"
    assert str(stored.flusher.failure) == "input/output error"
    assert "the store is lost: input/output error" in caplog.text
    tries = stored.disk.tries
    await publish(peer, b"b")
    assert await says_nothing(peer)
    assert stored.disk.tries == tries, "never tried again as if nothing had happened"
    assert stored.disk.bodies() == []


async def test_an_error_while_reading_is_the_end_as_well(
    autojump_clock: MockClock, stored: StoredServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paged_fifo, "WINDOW_MESSAGES", 2)
    peer = await publisher_of(stored)
    await publish(peer, b"a", b"b", b"c")
    while await acked(peer) < 3:
        pass
    other = await publisher_of(stored)
    stored.disk.read_error = StoreError("cannot read")
    await peer.say(Basic.Consume(queue="q"))
    with trio.fail_after(SOON_S):
        await stored.is_lost.wait()
    assert str(stored.flusher.failure) == "cannot read"
    tries = stored.disk.tries
    await publish(other, b"d")
    assert await says_nothing(other)
    assert stored.disk.tries == tries, "what may be half done is not written"
    await stored.reactor.drain("because")
    for each in (peer, other):
        close = (await each.rest())[-1]
        assert close.method.reply_text == f"CONNECTION_FORCED - {STORE_LOST}"
    stored.disk.read_error = None


async def test_an_error_while_tidying_is_the_end_as_well(
    autojump_clock: MockClock, stored: StoredServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tidy() -> bool:
        raise StoreError("cannot tidy")

    peer = await publisher_of(stored)
    monkeypatch.setattr(stored.disk, "tidy", tidy)
    await publish(peer, b"a")
    assert await acked(peer) == 1, "that was before"
    with trio.fail_after(SOON_S):
        await stored.is_lost.wait()
    assert str(stored.flusher.failure) == "cannot tidy"
