"""What must hold inside a broker between two turns, whatever was done to it."""

# ruff: noqa: SLF001 (it looks where nobody else may)

from collections import Counter
from collections.abc import Iterable
from typing import Any

from amqpy.core.broker import Broker
from amqpy.core.consumer import Consumer, Delivery
from amqpy.core.deduplication import deduplication_key
from amqpy.core.exchanges.delayed import DelayedExchange
from amqpy.core.message import Message
from amqpy.core.queues import paged_fifo
from amqpy.core.queues.fifo_queue import FifoQueue
from amqpy.core.queues.paged_fifo import PagedFifo
from amqpy.core.queues.priority_fifo import PriorityFifo
from amqpy.core.queues.queue import Queue
from amqpy.core.queues.quorum import QuorumQueue
from amqpy.core.queues.ready_fifo import ReadyFifo
from amqpy.core.structures import DeadlineHeap
from amqpy.core.unacked import UnackedDeliveries
from amqpy.wire.properties import headers_of
from tests.core.stored_harness import check_store
from tests.fifo import as_fifo


def check_invariants(
    broker: Broker, channels_unacked: Iterable[UnackedDeliveries], answered: Iterable[Delivery] = ()
) -> None:
    """`channels_unacked` are those of all open channels, `answered` what uncommitted transactions have answered. The
    broker is settled, with nothing left that is due."""
    scheduler = broker.scheduler
    assert not scheduler.dead_letters
    assert not scheduler.queues_to_drain
    assert not scheduler.cancelled_consumers
    queues = [queue for vhost in broker.vhosts.values() for queue in vhost.queues.values()]
    debts = [*answered, *(owed for unacked in channels_unacked for owed in unacked.by_tag.values())]
    unacked = Counter(queue for queue, _, _, _ in debts)
    assert all(not consumer.queue.deleted for unacked in channels_unacked for consumer in unacked.consumers)
    deadlines = deadlines_of(scheduler.deadlines)
    for queue in queues:
        assert isinstance(queue, FifoQueue)
        assert not queue.deleted
        assert queue.unacked_count == unacked[queue]
        check_fifo(queue.ready)
        check_lines(queue)
        _check_deadline(queue, deadlines.pop(queue, None), scheduler.now_ms)
        if queue.expiry is not None:
            lease_at_ms = deadlines.pop(queue.expiry, None)
            assert (lease_at_ms is None) == bool(queue.consumers), "a queue with consumers does not expire"
        held: list[Message] = []
        if isinstance(queue, QuorumQueue) and queue._delayed_retry is not None:
            waiting = queue._delayed_retry.held._waiting
            held = [message for _, _, message in waiting]
            assert deadlines.pop(queue._delayed_retry, None) == min((at_ms for at_ms, _, _ in waiting), default=None)
        if isinstance(queue, QuorumQueue) and queue._unrouted is not None:
            assert (deadlines.pop(queue._unrouted, None) is None) == (not queue._unrouted)
        if queue.dedup_keys is not None:
            there = [message for _, message in queue.ready] + [owed[2] for owed in debts if owed[0] is queue] + held
            keys = Counter(deduplication_key(headers_of(message.header)) for message in there)
            del keys[None]
            assert keys == Counter(queue.dedup_keys)
    for vhost in broker.vhosts.values():
        for exchange in vhost.exchanges.values():
            if isinstance(exchange, DelayedExchange):
                assert deadlines.pop(exchange.waiting, None) == exchange.waiting.messages.first_at_ms
    assert not deadlines, "something waits for its time that nobody can reach"
    _check_bindings(broker)
    if scheduler.journal is not None:
        check_store(broker, debts)


def deadlines_of(heap: DeadlineHeap[Any]) -> dict[object, int]:
    return {heap._keys[number]: at_ms for at_ms, number in heap._heap if number in heap._keys}


def check_fifo(fifo: ReadyFifo[Message]) -> None:
    """Its counters say what it holds."""
    items = [item for _, item in fifo]
    assert len(fifo) == len(items)
    assert (fifo.first() is None) == (not items)
    assert not items or fifo.first() is items[0]
    bodies = [item.body for item in items]
    assert [item.body for _, item, _ in fifo.ahead(3)] == bodies[:3]
    for count in (0, 2, len(items)):
        place, passed = fifo.leap(count)
        assert passed <= count
        assert [item.body for _, item, _ in fifo.ahead(4, place)] == bodies[passed : passed + 4]
    if isinstance(fifo, PagedFifo):
        _check_lane(fifo)
    if not isinstance(fifo, PriorityFifo):
        assert fifo.in_memory == len(items) - (fifo.on_disk - len(fifo._page) if isinstance(fifo, PagedFifo) else 0)
        return
    assert fifo.in_memory == sum(each.in_memory for each in fifo._levels.values())
    for each in fifo._levels.values():
        check_fifo(each)
    assert fifo.size == sum(len(message.body) for message in items)
    occupied = [level for level, each in fifo._levels.items() if len(each)]
    assert fifo._occupied == sum(1 << level for level in occupied)
    first = fifo._levels[max(occupied, default=0)]
    assert fifo.never_delivered is first.never_delivered
    assert fifo.requeued is first.requeued


def _check_lane(lane: PagedFifo) -> None:
    """It says what waits, and has the first of it at hand; no more is in memory than may be."""
    items = list(lane)
    assert lane.size == sum(len(message.body) for _, message in items)
    assert lane.on_disk == len(items) - len(lane.never_delivered) - len(lane.requeued)
    assert not items or lane.never_delivered or lane.requeued
    positions = [position for position, _ in items]
    assert positions == sorted(set(positions))
    assert positions[-1:] < [lane._end]
    assert all(position < lane.front for position, _ in lane.requeued)
    window = max(paged_fifo.WINDOW_MESSAGES, paged_fifo.PAGE_MESSAGES)
    assert len(lane.never_delivered) <= window
    # The page also gets what was in the window behind a message that was taken out.
    assert len(lane.never_delivered) + len(lane._page) <= window + paged_fifo.PAGE_MESSAGES


def check_lines(queue: Queue) -> None:
    """Who can take a message stands in line, once, in the line of its priority; nobody is served out of turn."""
    dispatch = as_fifo(queue).dispatch
    lines = {0: dispatch.ready_consumers} if dispatch.ready_by_priority is None else dispatch.ready_by_priority
    if dispatch.ready_by_priority is not None:
        assert list(lines) == sorted(lines, reverse=True)
        assert dispatch.ready_consumers is next((line for line in lines.values() if line), dispatch.ready_consumers)
    standing = Counter(consumer for line in lines.values() for consumer in line)
    assert set(standing.values()) <= {1}
    left = [consumer for consumer in standing if consumer not in queue.consumers]
    assert not any(consumer.can_take() for consumer in left)
    assert len(left) <= dispatch.stale
    for consumer in queue.consumers:
        if dispatch.ready_by_priority is not None and consumer in standing:
            assert consumer in lines[consumer.priority]
        assert (consumer in standing) == _is_in_line(queue, consumer)
        assert not (consumer.is_blocked and consumer.can_take()), "parked for nothing"
    if queue.settings.single_active:
        assert (dispatch.active is None) == (not queue.consumers)
        assert dispatch.active is None or dispatch.active in queue.consumers


def _is_in_line(queue: Queue, consumer: Consumer) -> bool:
    return not consumer.is_blocked and (not queue.settings.single_active or consumer is as_fifo(queue).dispatch.active)


def _check_deadline(queue: FifoQueue, at_ms: int | None, now_ms: int) -> None:
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
        for routes in vhost.router._by_user.values():
            for route in routes.values():
                assert vhost.exchanges[route.exchange.name] is route.exchange
                assert all(not queue.deleted for queue in route.targets or ())
