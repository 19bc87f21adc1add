"""A broker on virtual time, which must be as empty after a test as before it."""

from collections.abc import AsyncIterator, Callable

import pytest
import trio
from trio.testing import MockClock

from amqpy.config import Config
from amqpy.core.durability.journal import Batch
from amqpy.server import readiness
from amqpy.server.flusher import Flusher

from .peer import Joint, Server, by_socket, by_tls, in_memory
from .stored_harness import Disk, StoredServer


@pytest.fixture
def joint(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Joint:
    """Joins peers with servers: in memory, but for those tests that are `on_sockets_too`."""
    kind = getattr(request, "param", "memory")
    if kind == "memory":
        return in_memory
    if kind == "tasks":
        monkeypatch.setattr(readiness, "HAS_EPOLL", False)
    elif not readiness.HAS_EPOLL:
        pytest.skip("this system has no epoll")
    return by_tls if kind == "tls" else by_socket


@pytest.fixture
def config() -> Config:
    return Config(cluster_name="rabbit@test", strict=True)


@pytest.fixture
async def server(
    autojump_clock: MockClock, nursery: trio.Nursery, joint: Joint, config: Config
) -> AsyncIterator[Server]:
    server = Server(config)
    server.joint = joint
    await nursery.start(server.reactor.run)
    yield server
    await server.hang_up()
    await trio.testing.wait_all_tasks_blocked()
    assert [task.name for task in nursery.child_tasks] == ["amqpy.server.reactor.Reactor.run"]
    assert not server.reactor.nursery.child_tasks
    assert server.reactor.internal_errors == 0


@pytest.fixture
async def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    disk = Disk()

    def in_thread(flusher: Flusher, call: Callable[..., object], *arguments: object) -> object:
        return disk.run(flusher, call, *arguments)

    def start(flusher: Flusher, batch: Batch) -> None:
        trio.lowlevel.spawn_system_task(disk.begin, flusher, batch)

    monkeypatch.setattr(Flusher, "_in_thread", in_thread)
    monkeypatch.setattr(Flusher, "_start", start)
    return disk


@pytest.fixture
async def stored(
    autojump_clock: MockClock, nursery: trio.Nursery, disk: Disk, joint: Joint
) -> AsyncIterator[StoredServer]:
    server = StoredServer(disk)
    server.joint = joint
    await nursery.start(server.reactor.run)
    yield server
    await disk.speed_up()
    await server.hang_up()
    assert server.reactor.internal_errors == 0
