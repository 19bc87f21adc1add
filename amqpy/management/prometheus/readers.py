"""The numbers of each object that metrics show: a row for an object, in the order of the names of its source.

Sizes of messages are added up anew for each scrape. Where very many messages are in memory, those of the first are
taken for all, so that nobody has to wait.
"""

from collections.abc import Iterable
from itertools import islice
from math import isnan, nan
from typing import Final, TypeAlias

from amqpy.amqp.channel import ChannelSession
from amqpy.core import views
from amqpy.core.consumer import DeliveryQueue
from amqpy.core.exchanges import Exchange
from amqpy.core.queues.fifo_queue import FifoQueue
from amqpy.core.queues.queue import Queue
from amqpy.core.statistics import Counts, Sizes
from amqpy.core.vhost import OpenChannel, Vhost
from amqpy.management.prometheus.exposition import Number, labels
from amqpy.stream.views import AnySession
from amqpy.wire.properties import decode_properties

READY_SIZED_MAX: Final = 10_000
UNACKED_SIZED_MAX: Final = 1000
"""Ready messages of a queue, and unacknowledged ones of a channel, that are looked at: a millisecond's worth."""

Row: TypeAlias = tuple[Number, ...]
UnackedSizes: TypeAlias = dict[DeliveryQueue, Sizes]

QUEUE: Final = (
    *("ready", "unacked", "messages", "consumers", "capacity", "ram", "ready_ram", "paged_out", "head_timestamp"),
    *("publish", "ack", "deliver", "deliver_no_ack", "get", "get_empty", "get_no_ack", "redeliver", "asked"),
    *("ram_bytes", "persistent", "persistent_bytes", "bytes", "ready_bytes", "unacked_bytes", "paged_out_bytes"),
)
"""The names of the numbers of a queue."""
NO_SIZES: Final = (0,) * 7


def row_of_queue(queue: Queue, stats: Counts, unacked_sizes: UnackedSizes | None) -> Row:
    """The sizes are left out unless those of unacknowledged messages are given."""
    ready, unacked = queue.ready_count, queue.unacked_count
    in_memory = queue.in_memory_count
    asked = stats["deliver_get"] + stats["ack"] + stats["get_empty"]
    return (
        ready,
        unacked,
        ready + unacked,
        queue.consumer_count,
        float(not ready) if queue.consumer_count else 0,
        in_memory + unacked,
        in_memory,
        ready - in_memory,
        _head_timestamp(queue) if ready else nan,
        stats["publish"],
        stats["ack"],
        stats["deliver"],
        stats["deliver_no_ack"],
        stats["get"],
        stats["get_empty"],
        stats["get_no_ack"],
        stats["redeliver"],
        asked,
        *(NO_SIZES if unacked_sizes is None else _sizes(queue, unacked_sizes.get(queue, Sizes()))),
    )


def _sizes(queue: Queue, unacked: Sizes) -> tuple[int, ...]:
    if not queue.ready_count and unacked == Sizes():
        return NO_SIZES
    ready = ready_sizes(queue)
    both = ready.plus(unacked)
    return (
        both.ram_bytes,
        both.persistent,
        both.persistent_bytes,
        both.bytes,
        ready.bytes,
        unacked.bytes,
        both.bytes - both.ram_bytes,
    )


def ready_sizes(queue: Queue) -> Sizes:
    """The sizes of the ready messages of a queue."""
    count = queue.in_memory_count
    if count <= READY_SIZED_MAX or count < queue.ready_count or not isinstance(queue, FifoQueue):
        return queue.ready_sizes()
    some = list(islice(queue.ready.items_in_memory(), READY_SIZED_MAX))
    size = sum(len(message.body) for message in some)
    kept = [len(message.body) for message in some if queue.is_persistent(message)]
    return scaled(Sizes(size, size, len(kept), sum(kept)), count, len(some))


def note_unacked(channel: OpenChannel, sizes: UnackedSizes) -> None:
    """Adds the sizes of the unacknowledged deliveries of a channel."""
    deliveries = list(islice(channel.deliveries(), UNACKED_SIZED_MAX))
    count = len(deliveries)
    if isinstance(channel, ChannelSession):
        count = max(count, len(channel.unacked.by_tag))
    for queue, found in views.sizes_of(deliveries).items():
        sizes[queue] = sizes.get(queue, Sizes()).plus(scaled(found, count, len(deliveries)))


def scaled(sizes: Sizes, count: int, looked_at: int) -> Sizes:
    """The sizes of `count` messages, by those of some of them."""
    return sizes if count == looked_at else Sizes(*(each * count // looked_at for each in sizes))


def _head_timestamp(queue: Queue) -> Number:
    first = queue.ready.first() if isinstance(queue, FifoQueue) else None
    timestamp: int | None = None if first is None else decode_properties(first.header).get("timestamp")
    return nan if timestamp is None else timestamp


CHANNEL: Final = (
    *("consumers", "unacked", "unconfirmed", "uncommitted", "acks_uncommitted", "prefetch", "prefetch_all"),
    *views.OF_PUBLISHES,
)


def row_of_channel(channel: ChannelSession, stats: Counts) -> Row:
    confirms, transaction = channel.confirms, channel.transaction
    return (
        len(channel.consumers),
        len(channel.unacked.by_tag),
        0 if confirms is None else confirms.unconfirmed_count,
        0 if transaction is None else transaction.uncommitted_publishes,
        0 if transaction is None else transaction.uncommitted_answers,
        channel.prefetch,
        channel.unacked.limit,
        *(stats[name] for name in views.OF_PUBLISHES),
    )


CONNECTION: Final = ("recv_oct", "send_oct", "recv_cnt", "send_cnt", "pending", "channels")


def row_of_connection(connection: AnySession) -> Row:
    traffic = connection.traffic()
    return (*(traffic[name] for name in CONNECTION[:4]), connection.outbox.size, len(connection.channels))


EXCHANGE: Final = ("one", "bindings")


def row_of_exchange(exchange: Exchange) -> Row:
    return 1, len(exchange.bindings)


def labels_of_queue(vhost: Vhost, queue: Queue) -> str:
    return labels(vhost=vhost.name, queue=queue.name)


def labels_of_exchange(exchange: Exchange) -> str:
    return labels(vhost=exchange.vhost.name, exchange=exchange.name, type=exchange.type)


class Rows:
    """The rows of all objects of a source: each of them, or their sum."""

    def __init__(self, names: Iterable[str], *, each: bool) -> None:
        self.places = {name: place for place, name in enumerate(names)}
        self.each: list[tuple[str, Row]] | None = [] if each else None
        """Labels and rows; None if only the sum is wanted."""
        self.sums: list[Number] = [0] * len(self.places)
        self.count = 0

    def add(self, of: str, row: Row) -> None:
        self.count += 1
        if self.each is not None:
            self.each.append((of, row))
            return
        sums = self.sums
        for place, number in enumerate(row):
            if number and not isnan(number):
                sums[place] += number
