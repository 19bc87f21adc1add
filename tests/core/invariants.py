"""What must hold inside a broker between two turns, whatever was done to it."""

# ruff: noqa: SLF001 (it looks where nobody else may)

from collections import Counter
from collections.abc import Iterable

from amqpy.core.broker import Broker
from amqpy.core.deduplication import deduplication_key
from amqpy.core.exchanges.delayed import DelayedExchange
from amqpy.core.ledger import Ledger, Owed
from amqpy.core.message import Message
from amqpy.core.queues import lane as lane_module
from amqpy.core.queues.consumers import Consumer
from amqpy.core.queues.lane import Lane
from amqpy.core.queues.queue import Queue
from amqpy.core.queues.quorum import QuorumQueue
from amqpy.core.structures import DeadlineHeap, LevelledFifo, ReadyFifo
from amqpy.wire.properties import headers_of
from tests.core.stored import check_store


def check_invariants(broker: Broker, ledgers: Iterable[Ledger], answered: Iterable[Owed] = ()) -> None:
    """`ledgers` are those of all open channels, `answered` what transactions have answered that are not committed. The
    broker is settled, with nothing left that is due."""
    agenda = broker.agenda
    assert not agenda.dead
    assert not agenda.dirty
    assert not agenda.cancelled
    queues = [queue for vhost in broker.vhosts.values() for queue in vhost.queues.values()]
    debts = [*answered, *(owed for ledger in ledgers for owed in ledger.owed.values())]
    unacked = Counter(queue for queue, _, _, _ in debts)
    assert all(not consumer.queue.deleted for ledger in ledgers for consumer in ledger.consumers)
    deadlines = deadlines_of(agenda.deadlines)
    for queue in queues:
        assert not queue.deleted
        assert queue.unacked == unacked[queue]
        check_fifo(queue.ready)
        check_lines(queue)
        _check_deadline(queue, deadlines.pop(queue, None), agenda.now_ms)
        if queue.lease is not None:
            lease_at_ms = deadlines.pop(queue.lease, None)
            assert (lease_at_ms is None) == bool(queue.consumers), "a queue with consumers does not expire"
        held: list[Message] = []
        if isinstance(queue, QuorumQueue) and queue._retries is not None:
            waiting = queue._retries.shelf._waiting
            held = [message for _, _, message in waiting]
            assert deadlines.pop(queue._retries, None) == min((at_ms for at_ms, _, _ in waiting), default=None)
        if isinstance(queue, QuorumQueue) and queue._unsent is not None:
            assert (deadlines.pop(queue._unsent, None) is None) == (not queue._unsent)
        if queue.contents is not None:
            there = [message for _, message in queue.ready] + [owed[2] for owed in debts if owed[0] is queue] + held
            keys = Counter(deduplication_key(headers_of(message.header)) for message in there)
            del keys[None]
            assert keys == Counter(queue.contents)
    for vhost in broker.vhosts.values():
        for exchange in vhost.exchanges.values():
            if isinstance(exchange, DelayedExchange):
                assert deadlines.pop(exchange.waiting, None) == exchange.waiting.shelf.first_at_ms
    assert not deadlines, "something waits for its time that nobody can reach"
    _check_bindings(broker)
    if agenda.journal is not None:
        check_store(broker, debts)


def deadlines_of(heap: DeadlineHeap) -> dict[object, int]:
    return {heap._keys[number]: at_ms for at_ms, number in heap._heap if number in heap._keys}


def check_fifo(fifo: ReadyFifo[Message]) -> None:
    """Its counters say what it holds."""
    items = [item for _, item in fifo]
    assert len(fifo) == len(items)
    assert (fifo.first() is None) == (not items)
    assert not items or fifo.first() is items[0]
    if isinstance(fifo, Lane):
        _check_lane(fifo)
    if not isinstance(fifo, LevelledFifo):
        assert fifo.in_memory == len(items) - (fifo.behind - len(fifo._page) if isinstance(fifo, Lane) else 0)
        return
    assert fifo.in_memory == sum(each.in_memory for each in fifo._levels.values())
    for each in fifo._levels.values():
        check_fifo(each)
    assert fifo.size == sum(len(message.body) for message in items)
    occupied = [level for level, each in fifo._levels.items() if len(each)]
    assert fifo._occupied == sum(1 << level for level in occupied)
    first = fifo._levels[max(occupied, default=0)]
    assert fifo.fresh is first.fresh
    assert fifo.returned is first.returned


def _check_lane(lane: Lane) -> None:
    """It says what waits, and has the first of it at hand; no more is in memory than may be."""
    items = list(lane)
    assert lane.size == sum(len(message.body) for _, message in items)
    assert lane.behind == len(items) - len(lane.fresh) - len(lane.returned)
    assert not items or lane.fresh or lane.returned
    positions = [position for position, _ in items]
    assert positions == sorted(set(positions))
    assert positions[-1:] < [lane._end]
    assert all(position < lane.front for position, _ in lane.returned)
    assert len(lane.fresh) <= max(lane_module.WINDOW_MESSAGES, lane_module.PAGE_MESSAGES)
    assert len(lane._page) <= lane_module.PAGE_MESSAGES


def check_lines(queue: Queue) -> None:
    """Who can take a message stands in line, once, in the line of its priority; nobody is served out of turn."""
    lines = {0: queue.line} if queue.lines is None else queue.lines
    if queue.lines is not None:
        assert list(lines) == sorted(lines, reverse=True)
        assert queue.line is next((line for line in lines.values() if line), queue.line)
    standing = Counter(consumer for line in lines.values() for consumer in line)
    assert set(standing.values()) <= {1}
    left = [consumer for consumer in standing if consumer not in queue.consumers]
    assert not any(consumer.can_take() for consumer in left)
    assert len(left) <= queue.gone
    for consumer in queue.consumers:
        if queue.lines is not None and consumer in standing:
            assert consumer in lines[consumer.priority]
        assert (consumer in standing) == _is_in_line(queue, consumer)
        assert not (consumer.parked and consumer.can_take()), "parked for nothing"
    if queue.settings.single_active:
        assert (queue.active is None) == (not queue.consumers)
        assert queue.active is None or queue.active in queue.consumers


def _is_in_line(queue: Queue, consumer: Consumer) -> bool:
    return not consumer.parked and (not queue.settings.single_active or consumer is queue.active)


def _check_deadline(queue: Queue, at_ms: int | None, now_ms: int) -> None:
    first = queue.ready.first()
    assert queue.expires_at_ms == at_ms
    assert at_ms == (None if first is None else first.expires_at_ms)
    assert at_ms is None or at_ms > now_ms, "a message that is too old can be had"
    assert queue.may_expire or all(message.expires_at_ms is None for _, message in queue.ready)


def _check_bindings(broker: Broker) -> None:
    for vhost in broker.vhosts.values():
        for exchange in vhost.exchanges.values():
            for binding in exchange.bindings.values():
                destination = binding.destination
                known = vhost.queues if isinstance(destination, Queue) else vhost.exchanges
                assert known[destination.name] is destination
        for routes in vhost._routes.values():
            for route in routes.values():
                assert vhost.exchanges[route.exchange.name] is route.exchange
                assert all(not queue.deleted for queue in route.queues or ())
