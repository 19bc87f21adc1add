"""A scrape: reads the numbers of a broker in slices, each in a turn of it, and writes them as text.

The numbers of a scrape are read one after the other while the broker does its work, as RabbitMQ's are.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import islice
from typing import Final, NamedTuple, TypeVar

from amqpy.amqp.channel import ChannelSession
from amqpy.core.broker import Broker
from amqpy.core.vhost import Vhost
from amqpy.management.prometheus import readers
from amqpy.management.prometheus.exposition import Number, head, labels, series
from amqpy.management.prometheus.families import Group, Source
from amqpy.management.prometheus.readers import Rows, UnackedSizes
from amqpy.management.statistics.sums import Sum
from amqpy.stream.views import AnySession

SLICE: Final = 10
"""Objects whose numbers are read in one turn: a fifth of a millisecond's worth."""

NAMES: Final[Mapping[Source, tuple[str, ...]]] = {
    "queues": readers.QUEUE,
    "channels": readers.CHANNEL,
    "connections": readers.CONNECTION,
    "exchanges": readers.EXCHANGE,
    "vhosts": ("one",),
}

T = TypeVar("T")


class Wanted(NamedTuple):
    """The objects that a scrape reads, and how."""

    sources: Collection[Source]
    each: bool
    """True for the numbers of each object, False for their sums."""
    sizes: bool = True
    """True if the sizes of messages are wanted."""
    vhosts: Collection[str] = ()
    """The virtual hosts of whose queues something is wanted; empty for all."""


class Scrape:
    """The numbers of a broker, once `read` is over."""

    def __init__(self, broker: Broker, wanted: Wanted) -> None:
        self._broker = broker
        self._wanted = wanted
        self.rows: dict[Source, Rows] = {source: Rows(names, each=wanted.each) for source, names in NAMES.items()}
        self.of_queues: Mapping[tuple[str, str], int] = {}
        """The counters of all queues that there ever were, by type and name."""
        self.of_channels: Mapping[str, int] = {}
        """Those of all channels that there ever were."""
        self.publishers = self.consumers = self.unconfirmed = self.paged_out = 0
        """Channels that have published, consumers, messages that are not confirmed yet, messages that are only on
        disk."""
        self._unacked_sizes: UnackedSizes = {}

    def read(self) -> Iterator[None]:
        """Reads. Yields between two slices."""
        sources, vhosts = self._wanted.sources, list(self._broker.vhosts.values())
        if "connections" in sources:
            yield from self._read_connections(vhosts)
        if "channels" in sources or ("queues" in sources and self._wanted.sizes):
            yield from self._read_channels(vhosts)
        if "queues" in sources:
            yield from self._read_queues(vhosts)
        if "exchanges" in sources:
            for vhost in vhosts:
                for some in in_slices(vhost.exchanges.values()):
                    for exchange in some:
                        if exchange.name:
                            self.rows["exchanges"].add(
                                readers.labels_of_exchange(exchange), readers.row_of_exchange(exchange)
                            )
                    yield
        for vhost in vhosts if "vhosts" in sources else ():
            self.rows["vhosts"].add(labels(vhost=vhost.name), (1,))

    def _read_connections(self, vhosts: Iterable[Vhost]) -> Iterator[None]:
        rows, each = self.rows["connections"], self._wanted.each
        for vhost in vhosts:
            for some in in_slices(vhost.clients):
                for client in some:
                    if isinstance(client, AnySession) and client in vhost.clients:
                        of = labels(channel=client.pid) if each else ""
                        rows.add(of, readers.row_of_connection(client))
                yield

    def _read_channels(self, vhosts: Iterable[Vhost]) -> Iterator[None]:
        rows, wanted = self.rows["channels"], self._wanted
        total = Sum(self._broker.vhosts.statistics.channels)
        for vhost in vhosts:
            for some in in_slices(vhost.channels):
                for channel in some:
                    if not isinstance(channel, ChannelSession) or channel not in vhost.channels:
                        continue
                    stats = channel.message_stats()
                    total.add(channel, stats)
                    self.publishers += stats["publish"] > 0
                    self.unconfirmed += 0 if channel.confirms is None else channel.confirms.unconfirmed_count
                    of = labels(channel=channel.origin.pid, vhost=vhost.name) if wanted.each else ""
                    rows.add(of, readers.row_of_channel(channel, stats))
                    if wanted.sizes and channel.unacked.by_tag:
                        readers.note_unacked(channel, self._unacked_sizes)
                        if len(channel.unacked.by_tag) > SLICE:
                            yield
                yield
        self.of_channels = total.end()

    def _read_queues(self, vhosts: Iterable[Vhost]) -> Iterator[None]:
        rows, wanted = self.rows["queues"], self._wanted
        sizes = self._unacked_sizes if wanted.sizes else None
        total = Sum(self._broker.vhosts.statistics.queues)
        for vhost in vhosts:
            if wanted.vhosts and vhost.name not in wanted.vhosts:
                continue
            for some in in_slices(vhost.queues.values()):
                for queue in some:
                    if queue.deleted:
                        continue
                    lasting = queue.lasting_stats()
                    total.add(queue, lasting)
                    self.consumers += queue.consumer_count
                    self.paged_out += queue.ready_count - queue.in_memory_count
                    stats = {name: count for (_, name), count in lasting.items()}
                    of = readers.labels_of_queue(vhost, queue) if wanted.each else ""
                    rows.add(of, readers.row_of_queue(queue, stats, sizes))
                    if wanted.sizes and queue.in_memory_count > SLICE:
                        yield
                yield
        self.of_queues = total.end()


def in_slices(items: Iterable[T]) -> Iterator[list[T]]:
    """The items there are now."""
    rest = iter(list(items))
    while some := list(islice(rest, SLICE)):
        yield some


def lines_of(prefix: str, group: Group, rows: Rows) -> Iterator[str]:
    """The text of a group: each family with its series."""
    places = rows.places
    used = places[group.used] if group.used else None
    for family, value, divisor, is_summed in group.metrics:
        yield head(prefix, family)
        name, place = prefix + family.name, places.get(value)
        if rows.each is None:
            if is_summed and rows.count and (used is None or rows.sums[used]):
                yield series(name, "", _number(0 if place is None else rows.sums[place], divisor))
            continue
        for of, row in rows.each:
            number = 0 if place is None else row[place]
            if used is None or row[used]:
                yield series(name, group.relabel(of), _number(number, divisor))


def lines_of_one(prefix: str, group: Group, of: str, numbers: Mapping[str, Number]) -> Iterator[str]:
    """The text of a group that has one row."""
    for family, value, divisor, _ in group.metrics:
        yield head(prefix, family)
        yield series(prefix + family.name, of, _number(numbers.get(value, 0), divisor))


def _number(number: Number, divisor: int) -> Number:
    return number if divisor == 1 else number / divisor
