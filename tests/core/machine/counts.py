"""Counters, as simple as can be: one for each thing that happens, when it happens."""

# ruff: noqa: SLF001 (it looks where nobody else may)

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from amqpy.core import views
from amqpy.core.consumer import Delivery
from amqpy.core.message import Message
from amqpy.core.queues.priority_fifo import PriorityFifo
from amqpy.core.queues.queue import Queue
from amqpy.core.queues.ready_fifo import ReadyFifo
from amqpy.core.statistics import Counts, Sizes
from amqpy.core.unacked import UnackedDeliveries
from amqpy.core.vhost import Vhost
from tests.fifo import as_fifo

SUMMED = ("deliver", "deliver_no_ack", "get", "get_no_ack")


@dataclass
class ModelCounts:
    """The message statistics of a queue or a channel."""

    counts: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    dead_lettered: Counter[tuple[str, str]] = field(default_factory=Counter)

    def count(self, name: str, *, redelivered: bool = False) -> None:
        self.counts[name] += 1
        self.counts["deliver_get"] += name in SUMMED
        self.counts["redeliver"] += redelivered

    def drop(self, reason: str, count: int = 1) -> None:
        self.dropped[reason] += count

    def die(self, strategy: str, reason: str) -> None:
        self.dead_lettered[strategy, reason] += 1


class Sized(Protocol):
    """A message of the model."""

    body: str
    persistent: bool


def check_sizes(queue: Queue, debts: Iterable[Delivery], ready: Iterable[Sized], owed: Iterable[Sized]) -> None:
    """The bytes of ready and unacknowledged messages, which the model has one by one. `debts`: those of all queues."""
    assert queue.ready_sizes()[::2] == sizes_of(queue, ready)[::2]
    in_memory = [message for fifo in fifos_of(queue) for message in fifo.items_in_memory()]
    assert len(in_memory) == queue.in_memory_count
    assert queue.ready_sizes().ram_bytes == sum(len(message.body) for message in in_memory)
    assert queue.ready_sizes().persistent_bytes == sizes_of(queue, ready).persistent_bytes
    assert views.sizes_of(debts).get(queue, Sizes()) == sizes_of(queue, owed)


def fifos_of(queue: Queue) -> Iterable[ReadyFifo[Message]]:
    ready = as_fifo(queue).ready
    return ready.levels() if isinstance(ready, PriorityFifo) else (ready,)


def sizes_of(queue: Queue, messages: Iterable[Sized]) -> Sizes:
    sizes = [len(each.body) for each in messages]
    kept = [len(each.body) for each in messages if queue.durable and (each.persistent or queue.type == "quorum")]
    return Sizes(sum(sizes), sum(sizes), len(kept), sum(kept))


def check_queue(queue: Queue, model: ModelCounts) -> None:
    assert without_zeros(queue.message_stats()) == +model.counts
    assert without_zeros(queue.counts.dropped) == +model.dropped
    assert queue.counts.dead_lettered == +model.dead_lettered


def check_exchange(vhost: Vhost, name: str, published_in: int, published_out: int) -> None:
    """What remembered routes have counted is not with their exchanges yet."""
    exchange = vhost.exchanges[name]
    mine = [
        route for routes in vhost.router._by_user.values() for route in routes.values() if route.exchange is exchange
    ]
    copies = sum(route.count * len(route.targets or ()) for route in mine)
    assert exchange.published_in + sum(route.count for route in mine) == published_in
    assert exchange.published_out + copies == published_out


def check_channel(unacked: UnackedDeliveries, model: ModelCounts) -> None:
    assert without_zeros(unacked.message_stats()) == +model.counts


def without_zeros(counts: Counts) -> Counts:
    """None may be negative, either."""
    assert min(counts.values(), default=0) >= 0
    return {name: count for name, count in counts.items() if count}
