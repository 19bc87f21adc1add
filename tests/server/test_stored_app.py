"""A broker with a store, from its start to its end, however that comes."""

import logging
from collections.abc import Callable

import pytest
import trio

from amqpy import app, process
from amqpy.config import Config
from amqpy.core.durability.records import VhostRecord
from amqpy.server.reactor import Reactor
from amqpy.store.memory import MemoryStore
from amqpy.store.store import StoreError, StoreFull

LOG = logging.getLogger("amqpy.tests")
CONFIG = Config(listen=("127.0.0.1:0",), data_dir="somewhere", cluster_name="rabbit@test")


class FailingStore(MemoryStore):
    """Fails once it is told to; if it is not full, only once."""

    def __init__(self) -> None:
        super().__init__()
        self.error: StoreError | None = None
        self.ended: list[bool] = []

    def sync(self) -> int:
        error = self.error
        if error is None:
            return super().sync()
        if not isinstance(error, StoreFull):
            self.error = None
        raise error

    def close(self, *, is_clean: bool) -> None:
        self.ended.append(is_clean)
        super().close(is_clean=is_clean)


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> FailingStore:
    store = FailingStore()
    monkeypatch.setattr(app, "store_of", lambda config, directory: store)
    return store


async def serve(act: Callable[[Reactor], None]) -> None:
    """Serves until something fails, or `act` is done and its changes are durable, as those of the start were before."""
    stop = trio.Event()

    async def visit() -> None:
        reactor: Reactor = (await nursery.start(app.serve, CONFIG, LOG, stop)).reactor
        await until_durable(reactor)
        act(reactor)
        await until_durable(reactor)
        stop.set()

    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(visit)


async def until_durable(reactor: Reactor) -> None:
    """Waits until nothing is left to be written, however long that takes if the store is lost."""
    flusher = reactor.flusher
    assert flusher is not None
    while flusher.journal.writing is not None or flusher.journal.has_work:
        await trio.lowlevel.checkpoint()


def add_vhost(reactor: Reactor) -> None:
    reactor.administer(lambda: reactor.broker.administration.add_vhost("v"))


async def test_what_was_there_is_there_again(store: FailingStore) -> None:
    await serve(add_vhost)
    assert store.ended == [True]
    there: list[str] = []
    await serve(lambda reactor: there.extend(reactor.broker.vhosts))
    assert there == ["/", "v"]


async def test_a_broker_whose_store_is_lost_stops_and_says_why(store: FailingStore) -> None:
    def break_down(reactor: Reactor) -> None:
        store.error = StoreError("input/output error")
        add_vhost(reactor)

    with pytest.raises(ExceptionGroup) as caught:
        await serve(break_down)
    assert caught.group_contains(StoreError, match="input/output error")
    assert store.ended == [False], "the next start must not trust the last stop"
    assert [record.name for record in store.load().records if isinstance(record, VhostRecord)] == ["/"]


async def test_a_stop_that_cannot_write_everything_is_not_clean(store: FailingStore) -> None:
    await serve(add_vhost)
    store.ended.clear()
    stop = trio.Event()

    async def visit() -> None:
        reactor: Reactor = (await nursery.start(app.serve, CONFIG, LOG, stop)).reactor
        store.error = StoreFull("disk full")
        reactor.administer(lambda: reactor.broker.administration.delete_vhost("v"))
        stop.set()

    with pytest.raises(ExceptionGroup) as caught, trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(visit)
    assert caught.group_contains(StoreFull, match="disk full")
    assert store.ended == [False]


def test_it_is_an_error_of_the_system_to_who_started_it(store: FailingStore) -> None:
    store.error = StoreError("input/output error")
    with pytest.raises(OSError, match="input/output error"):
        process.run(CONFIG, LOG)
