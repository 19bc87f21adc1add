"""A server that keeps everything on a disk, which is as slow, as full and as broken as a test wants it."""

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import trio
from pamqp.commands import Confirm, Queue
from trio.testing import wait_all_tasks_blocked

from amqpy.config import Config
from amqpy.core.durability.journal import Batch, Journal
from amqpy.core.message import Message
from amqpy.server.flusher import Flusher
from amqpy.store.memory import MemoryStore

from .peer import Peer, Server

if TYPE_CHECKING:
    from amqpy.store.store import StoreError

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

    async def begin(self, flusher: Flusher, batch: Batch) -> None:
        """The same, for a batch that the flusher's task is not waiting for."""
        error = None
        try:
            await self.run(flusher, flusher._append_and_sync, batch)  # noqa: SLF001
        except Exception as caught:
            error = caught
        flusher._land(error)  # noqa: SLF001

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


async def publisher_of(server: StoredServer, **declare: Any) -> Peer:  # noqa: ANN401
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
