"""Counters, as simple as can be: one for each thing that happens, when it happens."""

from collections import Counter
from dataclasses import dataclass, field

from amqpy.core.queues.queue import Queue
from amqpy.core.statistics import Counts
from amqpy.core.unacked import UnackedDeliveries

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


def check_queue(queue: Queue, model: ModelCounts) -> None:
    assert without_zeros(queue.message_stats()) == +model.counts
    assert without_zeros(queue.counts.dropped) == +model.dropped
    assert queue.counts.dead_lettered == +model.dead_lettered


def check_channel(unacked: UnackedDeliveries, model: ModelCounts) -> None:
    assert without_zeros(unacked.message_stats()) == +model.counts


def without_zeros(counts: Counts) -> Counts:
    """None may be negative, either."""
    assert min(counts.values(), default=0) >= 0
    return {name: count for name, count in counts.items() if count}
