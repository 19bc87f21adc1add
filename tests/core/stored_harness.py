"""A broker that keeps its messages in a store, and what the store has, or will have, at any moment."""

# ruff: noqa: SLF001 (it looks where nobody else may)

from collections.abc import Iterable, Iterator
from copy import deepcopy
from itertools import count
from random import Random
from typing import Any, NamedTuple

from amqpy.config import Config
from amqpy.core.broker import Broker
from amqpy.core.consumer import Delivery
from amqpy.core.durability import recovery
from amqpy.core.durability.journal import POSITION_BITS, Batch
from amqpy.core.durability.records import Drop, LaneRecord
from amqpy.core.durability.startup import open_broker
from amqpy.core.exchanges.delayed import DelayedExchange
from amqpy.core.message import Message
from amqpy.core.queues.delayed_messages import DelayedMessages
from amqpy.core.queues.paged_fifo import PagedFifo
from amqpy.core.queues.priority_fifo import PriorityFifo
from amqpy.core.queues.queue import Queue
from amqpy.core.queues.quorum import QuorumQueue
from amqpy.core.queues.ready_fifo import ReadyFifo
from amqpy.store.memory import MemoryStore
from amqpy.store.rows import MessageReader
from tests.core.core_harness import LOG, UNIX_TIME_MS, CoreHarness
from tests.fifo import as_fifo

OFFSET_MS = 1_700_000_000_000
"""The Unix time when the first broker started."""


class StoredHarness(CoreHarness):
    """A broker on a store; the tests say when a batch is taken, and when it is written."""

    def __init__(
        self,
        profile: str = "rabbitmq-3.13",
        *,
        store: MemoryStore | None = None,
        now_ms: int = 0,
        unix_offset_ms: int = OFFSET_MS,
        **settings: Any,  # noqa: ANN401 (as Config has them)
    ) -> None:
        self.profile, self.settings = profile, settings
        self.store = MemoryStore() if store is None else store
        self.unix_offset_ms = unix_offset_ms
        broker, _ = open_broker(
            Config(profile=profile, **settings),
            self.store,
            map(str, count(1)).__next__,
            Random(0).randrange,
            lambda: UNIX_TIME_MS,
            log=LOG,
            now_ms=now_ms,
            unix_offset_ms=lambda: unix_offset_ms,
        )
        super().__init__(broker=broker)
        assert broker.scheduler.journal is not None
        self.journal = broker.scheduler.journal

    # --- writing

    def take(self) -> None:
        """What gathered is being written from now on."""
        self.journal.take()

    def write(self) -> None:
        """What was taken is durable."""
        batch = self.journal.writing
        if batch is None:
            return
        if not batch.is_empty:
            self.store.append(batch)
            assert self.store.sync() == batch.number
        self.journal.written()
        self.broker.settle()
        self.broker.finish()
        self.broker.scheduler.jobs.begin_turn()

    def flush(self) -> None:
        self.write()
        while self.journal.has_work:
            self.take()
            self.write()

    # --- another broker on the same store

    def stopped(self) -> MemoryStore:
        """What the store has after a stop in good order. All channels are closed."""
        recovery.note_fronts(self.broker.vhosts)
        self.flush()
        self.store.close(is_clean=True)
        return self.store

    def restart(self, *, is_clean: bool = True, after_ms: int = 0, shift_ms: int = 0) -> "StoredHarness":
        """A new broker, after a stop or, else, a crash; `after_ms` later, and by a clock that shows `shift_ms` more."""
        if is_clean:
            self.stopped()
        else:
            self.store.crash()
        return self._again(self.store, after_ms, shift_ms)

    def would_be(self, *, shift_ms: int = 0) -> "StoredHarness":
        """The broker that there would be after a crash now. This one goes on."""
        store = deepcopy(self.store)
        store.crash()
        return self._again(store, 0, shift_ms)

    def _again(self, store: MemoryStore, after_ms: int, shift_ms: int) -> "StoredHarness":
        return StoredHarness(
            self.profile,
            store=store,
            now_ms=self.now_ms + after_ms + shift_ms,
            unix_offset_ms=self.unix_offset_ms - shift_ms,
            **self.settings,
        )


class Kept(NamedTuple):
    """A message in a store, with all that is known of it."""

    address: bytes
    header: bytes
    body: bytes
    expires_at: int | None
    """Unix time, as the next."""
    due_at: int | None
    persistent: bool
    more_keys: tuple[str, ...]
    is_dead_letter: bool
    delivery_count: int
    acquired_count: int
    waits_first: bool
    is_transient: bool
    """It is gone after a restart."""


def kept_as(message: Message, offset_ms: int, due_at_ms: int | None = None, *, is_transient: bool = False) -> Kept:
    return Kept(
        message.address,
        message.header,
        message.body,
        None if message.expires_at_ms is None else message.expires_at_ms + offset_ms,
        None if due_at_ms is None else due_at_ms + offset_ms,
        message.persistent,
        message.more_keys,
        message.is_dead_letter,
        message.delivery_count,
        message.acquired_count,
        message.waits_first,
        is_transient,
    )


def lanes_of(queue: Queue) -> dict[int, ReadyFifo[Message]]:
    ready = as_fifo(queue).ready
    return ready._levels if isinstance(ready, PriorityFifo) else {0: ready}


def shelves_of(broker: Broker) -> Iterator[DelayedMessages]:
    for vhost in broker.vhosts.values():
        for exchange in vhost.exchanges.values():
            if isinstance(exchange, DelayedExchange):
                yield exchange.waiting.messages
        for queue in vhost.queues.values():
            if isinstance(queue, QuorumQueue) and queue._delayed_retry is not None:
                yield queue._delayed_retry.held


def to_be_kept(broker: Broker, debts: Iterable[Delivery]) -> dict[int, Kept]:
    """The messages that must be in the store, by key: those that are to survive, wherever they are; and those that
    are not in memory. `debts` is what clients have not answered, or not committed."""
    journal = broker.scheduler.journal
    assert journal is not None
    offset_ms = journal._unix_offset_ms()
    found: dict[int, Kept] = {}

    def add(key: int, kept: Kept) -> None:
        assert key not in found, "two messages in one place"
        found[key] = kept

    for shelf in shelves_of(broker):
        if shelf._journal is not None:
            for due_at_ms, position, message in shelf._waiting:
                add(shelf._base + position, kept_as(message, offset_ms, due_at_ms))
    for vhost in broker.vhosts.values():
        for queue in vhost.queues.values():
            for lane in lanes_of(queue).values():
                assert isinstance(lane, PagedFifo)
                in_memory = len(lane) - lane.on_disk + len(lane._page)
                for index, (position, message) in enumerate(lane):
                    is_kept = is_to_survive(queue, message)
                    if is_kept or index >= in_memory:
                        add(lane.base + position, kept_as(message, offset_ms, is_transient=not is_kept))
    on_the_way: list[tuple[object, int, Message]] = [
        (queue, position, message) for queue, position, message, _ in debts
    ]
    on_the_way += [
        (queue, position, message)
        for queue, position, message, _ in broker.scheduler.dead_letters
        if position is not None
    ]
    for vhost in broker.vhosts.values():
        for queue in vhost.queues.values():
            if isinstance(queue, QuorumQueue) and queue._unrouted is not None:
                held = queue._unrouted._held
                on_the_way += [(queue, position, message) for position, message, _ in held if position is not None]
    for source, position, message in on_the_way:
        if isinstance(source, Queue) and not source.deleted and is_to_survive(source, message):
            lane = lanes_of(source)[source.level_of(message)]
            assert isinstance(lane, PagedFifo)
            add(lane.base + position, kept_as(message, offset_ms))
    return found


def is_to_survive(queue: Queue, message: Message) -> bool:
    return queue.durable and (message.persistent or isinstance(queue, QuorumQueue))


def in_store(broker: Broker, *, pending: bool = True) -> dict[int, Kept]:
    """The messages that the store has; with all that is `pending`, those it will have."""
    journal = broker.scheduler.journal
    assert journal is not None
    store = journal._source
    assert isinstance(store, MemoryStore)
    reader = MessageReader(0)
    found = {
        key: kept_as(row.message(reader), 0, reader.due_at_ms(row.traces), is_transient=row.transient)
        for lane in store._lanes.values()
        for key, row in lane.rows.items()
    }
    for batch in (journal.writing, journal.batch) if pending else ():
        if batch is not None:
            _apply(batch, found, journal._unix_offset_ms())
    return found


def _apply(batch: Batch, found: dict[int, Kept], offset_ms: int) -> None:
    for first, last in batch.cleared:
        for key in [key for key in found if first <= key <= last]:
            del found[key]
    for key in batch.removed:
        found.pop(key, None)
    for key, message in batch.added.items():
        note = batch.due_times.get(key)
        due_at_ms = None if note is None else note.due_at_ms
        assert key not in found, "written where a message is"
        found[key] = kept_as(message, offset_ms, due_at_ms, is_transient=key in batch.transient)


def recorded_lanes(broker: Broker) -> dict[int, LaneRecord]:
    """The lanes that will be there after a restart, but for their fronts."""
    journal = broker.scheduler.journal
    assert journal is not None
    store = journal._source
    assert isinstance(store, MemoryStore)
    found = {record.number: record for record in store._records[LaneRecord].values() if isinstance(record, LaneRecord)}
    for batch in (journal.writing, journal.batch):
        for fact in () if batch is None else batch.changes:
            if not isinstance(fact.record, LaneRecord):
                continue
            if isinstance(fact, Drop):
                assert fact.record.number in found, "dropped in vain"
                del found[fact.record.number]
            else:
                found[fact.record.number] = fact.record
    return {number: record._replace(front=0) for number, record in found.items()}


def open_lanes(broker: Broker) -> dict[int, LaneRecord]:
    """The lanes that survive, as the broker uses them."""
    found: dict[int, LaneRecord] = {}

    def add(base: int, record: LaneRecord | None) -> None:
        number = base >> POSITION_BITS
        if base >= 0 and record is not None:
            assert number not in found, "two use one lane"
            found[number] = record._replace(number=number, front=0)

    for vhost in broker.vhosts.values():
        for queue in vhost.queues.values():
            for lane in lanes_of(queue).values():
                assert isinstance(lane, PagedFifo)
                add(lane.base, lane._record)
    for shelf in shelves_of(broker):
        if shelf._journal is not None:
            add(shelf._base, shelf._record)
    return found


def check_store(broker: Broker, debts: Iterable[Delivery]) -> None:
    """The store has all that is to survive, and all that is not in memory, each once; and nothing else."""
    assert in_store(broker) == to_be_kept(broker, debts)
    assert recorded_lanes(broker) == open_lanes(broker)
