"""A site on virtual time, that must not have met a bug."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from amqpy.config import Config
from amqpy.core.durability.journal import Batch
from amqpy.management.live import budget
from amqpy.server.flusher import Flusher
from tests.server.peer import Server
from tests.server.stored_harness import Disk, StoredServer

from .harness import Site


@pytest.fixture
def profile() -> str:
    """The version of RabbitMQ, which a test may set by a parameter of its own."""
    return "rabbitmq-3.10"


@pytest.fixture
def settings() -> dict[str, Any]:
    """More settings, likewise."""
    return {}


@pytest.fixture
def config(profile: str, settings: dict[str, Any]) -> Config:
    return Config(cluster_name="rabbit@test", strict=True, profile=profile, **settings)


@pytest.fixture
def nothing_costs_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that live pages come in the intervals that they ask for."""
    monkeypatch.setattr(budget, "thread_time", lambda: 0.0)


@pytest.fixture
async def site(autojump_clock: MockClock, nursery: trio.Nursery, config: Config) -> AsyncIterator[Site]:
    site = Site(Server(config))
    await nursery.start(site.reactor.run)
    yield site
    await _end(site)


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
async def stored_site(autojump_clock: MockClock, nursery: trio.Nursery, disk: Disk) -> AsyncIterator[Site]:
    """A site that keeps what is durable on the `disk`."""
    site = Site(StoredServer(disk))
    await nursery.start(site.reactor.run)
    yield site
    await disk.speed_up()
    await _end(site)


async def _end(site: Site) -> None:
    await site.server.hang_up()
    await wait_all_tasks_blocked()
    assert site.reactor.internal_errors == 0
