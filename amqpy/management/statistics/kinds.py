"""The counters of each kind of object that samples are taken of, and how their values are read.

A counter that is the sum of others has no samples of its own.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from amqpy.core.exchanges import Exchange
from amqpy.core.queues.queue import Queue
from amqpy.core.statistics import Counts
from amqpy.management.statistics.samples import BASIC, DETAILED, GLOBAL, Retention, Values

OF_LENGTHS: Final = ("messages_ready", "messages_unacknowledged")
OF_PUBLISHES: Final = ("publish", "confirm", "drop_unroutable", "return_unroutable")
OF_DELIVERIES: Final = ("ack", "deliver", "deliver_no_ack", "get", "get_empty", "get_no_ack", "redeliver")
OF_TRAFFIC: Final = ("recv_oct", "send_oct")
OF_CALLS: Final = ("recv_cnt", "send_cnt")
OF_CHURN: Final = (
    "channel_closed",
    "channel_created",
    "connection_closed",
    "connection_created",
    "queue_created",
    "queue_declared",
    "queue_deleted",
)
OF_NODE: Final = (
    "fd_used",
    "sockets_used",
    "mem_used",
    "disk_free",
    "proc_used",
    "gc_num",
    "context_switches",
    "event_loop_lag_us",
)

OF_CHANNEL: Final = (*OF_PUBLISHES, *OF_DELIVERIES)

SUMS: Final[Mapping[str, tuple[str, ...]]] = {
    "messages": OF_LENGTHS,
    "deliver_get": ("deliver", "deliver_no_ack", "get", "get_no_ack"),
}

WITHOUT_SAMPLES: Final = frozenset(
    {
        "reductions",
        "disk_reads",
        "disk_writes",
        "gc_bytes_reclaimed",
        *(f"io_{what}_count" for what in ("read", "write", "sync", "seek", "reopen")),
        *(f"io_{what}_bytes" for what in ("read", "write")),
        *(f"io_{what}_avg_time" for what in ("read", "write", "sync", "seek")),
        *(f"mnesia_{where}_tx_count" for where in ("ram", "disk")),
        *(f"{what}_{how}_count" for what in ("msg_store", "queue_index") for how in ("read", "write")),
    }
)
"""Counters of RabbitMQ that always stand still here. They have a rate nevertheless, which is 0."""


class Kind:
    """A kind of object."""

    def __init__(self, retention: Retention, *counters: str, width: int | None = None) -> None:
        self.counters = counters
        self.retention = retention
        self.width = len(counters) if width is None else width
        """The number of counters with samples. The others are only compared."""
        self.nothing: Values = (0,) * len(counters)
        self.places: dict[str, Sequence[int]] = {name: (place,) for place, name in enumerate(counters[: self.width])}
        for name, parts in SUMS.items():
            if set(parts) <= set(self.places):
                self.places[name] = [self.places[part][0] for part in parts]
        self.places |= dict.fromkeys(WITHOUT_SAMPLES, ())

    def values_of(self, counts: Mapping[str, int]) -> Values:
        return tuple([counts.get(name, 0) for name in self.counters])


QUEUE: Final = Kind(BASIC, *OF_LENGTHS, "publish", *OF_DELIVERIES)
EXCHANGE: Final = Kind(BASIC, "publish_in", "publish_out", "dropped", "returned")
CHANNEL: Final = Kind(BASIC, *OF_CHANNEL)
CONNECTION: Final = Kind(BASIC, *OF_TRAFFIC, *OF_CALLS, width=len(OF_TRAFFIC))
PUBLISHES: Final = Kind(DETAILED, *OF_PUBLISHES)
DELIVERIES: Final = Kind(DETAILED, *OF_DELIVERIES)
ROUTES: Final = Kind(DETAILED, "publish")
NODE: Final = Kind(BASIC, *OF_NODE, *OF_CHURN)
VHOST: Final = Kind(GLOBAL, *OF_LENGTHS, *OF_TRAFFIC, *OF_CHANNEL)
OVERVIEW: Final = Kind(GLOBAL, *OF_LENGTHS, *OF_CHANNEL, *OF_CHURN)


def values_of_queue(queue: Queue) -> Values:
    stats = queue.message_stats()
    return (
        queue.ready_count,
        queue.unacked_count,
        stats["publish"],
        stats["ack"],
        stats["deliver"],
        stats["deliver_no_ack"],
        stats["get"],
        stats["get_empty"],
        stats["get_no_ack"],
        stats["redeliver"],
    )


def values_of_exchange(exchange: Exchange) -> Values:
    """Once its counters are up to date."""
    return exchange.published_in, exchange.published_out, exchange.dropped, exchange.returned


def churn_of(events: Counts, declared: int) -> Counts:
    """The churn of a broker, of its counts of events."""
    found = {name: events.get(name.replace("_", "."), 0) for name in OF_CHURN}
    return found | {"queue_declared": declared}
