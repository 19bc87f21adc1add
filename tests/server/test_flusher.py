"""What is durable, and when: with a disk that is as slow, as full and as broken as the test wants it."""

import logging
import socket
from collections import deque
from collections.abc import AsyncIterator, Callable

import pytest
import trio
from pamqp.commands import Basic, Confirm, Queue
from trio.testing import MockClock, wait_all_tasks_blocked

from amqpy.config import Config
from amqpy.core.journal import Batch, Journal
from amqpy.core.message import Message
from amqpy.core.queues import lane
from amqpy.server import flusher as flusher_module
from amqpy.server.flusher import FULL_RETRY_S, Flusher
from amqpy.server.stream import SocketStream
from amqpy.store.memory import MemoryStore
from amqpy.store.store import StoreError, StoreFull
from tests.session.client import publish_frames

from .peer import Peer, Server

SOON_S = 0.5


class Disk(MemoryStore):
    """Syncs when it may. There is no thread: virtual time would not wait for it."""

    def __init__(self) -> None:
        super().__init__()
        self.allowed = trio.Semaphore(0)
        self.is_fast = True
        self.errors: deque[StoreError] = deque()
        """What the next syncs raise."""
        self.read_error: StoreError | None = None
        self.tries = 0
        self.written: list[Batch] = []

    async def run(self, flusher: Flusher, call: Callable[..., object], *arguments: object) -> object:
        """Takes the place of the flusher's thread."""
        await trio.lowlevel.checkpoint()
        if call == flusher._append_and_sync:  # noqa: SLF001 (it stands in for its thread)
            self.tries += 1
            if not self.is_fast:
                with trio.CancelScope(shield=True):
                    await self.allowed.acquire()
            if self.errors:
                raise self.errors.popleft()
        return call(*arguments)

    def slow_down(self) -> None:
        """From now on each sync waits for `let`."""
        self.is_fast = False

    async def let(self, count: int = 1) -> None:
        for _ in range(count):
            self.allowed.release()
        await wait_all_tasks_blocked()

    async def speed_up(self) -> None:
        self.is_fast = True
        await self.let(100)

    def append(self, batch: Batch) -> None:
        self.written.append(batch)
        super().append(batch)

    def read(
        self, first: int, last: int, *, count_max: int, size_max: int, unix_offset_ms: int
    ) -> list[tuple[int, Message]]:
        if self.read_error is not None:
            raise self.read_error
        return super().read(first, last, count_max=count_max, size_max=size_max, unix_offset_ms=unix_offset_ms)

    def bodies(self) -> list[bytes]:
        """Of all messages that are durable."""
        return [row.body for each in self._lanes.values() for row in each.rows.values()]


class StoredServer(Server):
    """A server whose broker keeps everything on a disk."""

    def __init__(self, disk: Disk) -> None:
        disk.load()
        self.disk = disk
        self.journal = Journal(disk, lambda: 0)
        self.is_lost = trio.Event()
        super().__init__(Config(cluster_name="rabbit@test", strict=True), self.journal)
        self.reactor.keep_in(disk, on_failure=self.is_lost.set)

    @property
    def flusher(self) -> Flusher:
        assert self.reactor.flusher is not None
        return self.reactor.flusher


@pytest.fixture
async def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    disk = Disk()

    def in_thread(flusher: Flusher, call: Callable[..., object], *arguments: object) -> object:
        return disk.run(flusher, call, *arguments)

    monkeypatch.setattr(Flusher, "_in_thread", in_thread)
    return disk


@pytest.fixture
async def stored(autojump_clock: MockClock, nursery: trio.Nursery, disk: Disk) -> AsyncIterator[StoredServer]:
    server = StoredServer(disk)
    await nursery.start(server.reactor.run)
    yield server
    await disk.speed_up()
    await server.hang_up()
    assert server.reactor.internal_errors == 0


async def publisher_of(server: StoredServer, **declare: object) -> Peer:
    """A peer with confirms and a durable queue `q`."""
    peer = await server.opened()
    await peer.ask(Queue.Declare(queue="q", durable=True, **declare))
    await peer.ask(Confirm.Select())
    return peer


async def publish(peer: Peer, *bodies: bytes) -> None:
    for body in bodies:
        await peer.publish("q", body, delivery_mode=2)
        await wait_all_tasks_blocked()


async def says_nothing(peer: Peer) -> bool:
    """Whether nothing comes, for a while."""
    with trio.move_on_after(SOON_S) as waiting:
        await peer.next()
    return waiting.cancelled_caught


async def acked(peer: Peer) -> int:
    """The tag up to which all is confirmed."""
    return int((await peer.expect("Basic.Ack")).method.delivery_tag)


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


@pytest.mark.parametrize("delivery_mode", [2, 1])
async def test_who_publishes_too_fast_is_not_read(
    autojump_clock: MockClock, stored: StoredServer, monkeypatch: pytest.MonkeyPatch, delivery_mode: int
) -> None:
    """Whether its messages are to survive, or are on disk for want of memory."""
    monkeypatch.setattr(flusher_module, "BEHIND_BYTES", 10_000)
    monkeypatch.setattr(lane, "WINDOW_MESSAGES", 2)
    peer = await publisher_of(stored)
    (link,) = stored.reactor.links
    stored.disk.slow_down()
    for _ in range(30):
        await peer.publish("q", bytes(1000), delivery_mode=delivery_mode)
        await wait_all_tasks_blocked()
    assert link.session.paused
    count = stored.ready("q")
    assert 8 <= count < 15

    # The others go on: they make it better.
    consumer = await stored.opened()
    await consumer.ask(Basic.Consume(queue="q"))
    for tag in range(1, count + 1):
        await consumer.expect("Basic.Deliver")
        await consumer.say(Basic.Ack(tag))
    assert await says_nothing(consumer)
    assert link.session.paused

    await stored.disk.speed_up()
    for _ in range(30 - count):
        await consumer.expect("Basic.Deliver")
    while await acked(peer) < 30:
        pass
    assert not link.session.paused


async def test_who_does_not_publish_is_read_although_the_disk_is_behind(
    autojump_clock: MockClock, stored: StoredServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flusher_module, "BEHIND_BYTES", -1)
    other = await stored.opened()
    assert stored.flusher.is_behind
    await other.ask(Basic.Qos(prefetch_count=1))
    await other.ask(Basic.Qos(prefetch_count=2))


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
    monkeypatch.setattr(lane, "WINDOW_MESSAGES", 2)
    peer = await publisher_of(stored)
    await publish(peer, b"a", b"b", b"c")
    while await acked(peer) < 3:
        pass
    stored.disk.read_error = StoreError("cannot read")
    await peer.say(Basic.Consume(queue="q"))
    with trio.fail_after(SOON_S):
        await stored.is_lost.wait()
    assert str(stored.flusher.failure) == "cannot read"
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
    assert str(stored.flusher.failure) == "cannot tidy"


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
    server.accept(SocketStream(ours), "peer")
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
