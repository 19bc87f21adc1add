"""Takes samples of all counters of a broker, at most once per tick.

A scan goes over all objects in slices, between which the broker does its work. An object whose counters are 0 has no
entry here, and one that is gone loses it with the next scan. What is found by the first scan was counted before anybody
looked, nobody knows when: it is as if it had been so all the time. Objects that appear later begin with 0.

While the broker rests, a scan looks at the connections only: they have at most sent and received heartbeats, no event
has happened, no timer was due, and nobody has changed anything through the management API. What comes about in another
way, by a program that has the broker in its process, is noticed within a minute.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from itertools import islice
from typing import Final, TypeVar

import amqpy.management.statistics.kinds as kinds
from amqpy.core.broker import Broker
from amqpy.core.detailed_statistics import Pair
from amqpy.core.statistics import Counts
from amqpy.core.vhost import Vhost
from amqpy.management.statistics.kinds import Kind
from amqpy.management.statistics.samples import Series, Values
from amqpy.management.statistics.sums import Sum
from amqpy.stream.views import AnySession
from amqpy.wire.frames import EMPTY_FRAME_SIZE

SLICE: Final = 20
"""Objects that are looked at between two yields: a tenth of a millisecond's worth."""

REST_TICKS: Final = 12
"""Ticks after which everything is looked at even though nothing seems to have happened."""

T = TypeVar("T")


class Table:
    """The samples of all objects of a kind."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.series: dict[object, Series] = {}

    def put(self, item: object, tick: int, values: Values, scan: int) -> None:
        kind = self.kind
        series = self.series.get(item)
        if series is None:
            if values == kind.nothing:
                return
            series = self.series[item] = Series(values if scan == 1 else kind.nothing)
        series.seen = scan
        if series.values != values:
            series.put(tick, values, kind.retention, kind.width)

    def sweep(self, scan: int) -> Iterator[None]:
        """Forgets the objects that a scan has not found."""
        entries = list(self.series.items())
        for begin in range(0, len(entries), 10 * SLICE):
            for item, series in entries[begin : begin + 10 * SLICE]:
                if series.seen != scan:
                    del self.series[item]
            yield


class Tables:
    """The samples of a broker's objects."""

    def __init__(self) -> None:
        self.queues = Table(kinds.QUEUE)
        self.exchanges = Table(kinds.EXCHANGE)
        self.channels = Table(kinds.CHANNEL)
        self.connections = Table(kinds.CONNECTION)
        self.publishes = Table(kinds.PUBLISHES)
        self.deliveries = Table(kinds.DELIVERIES)
        self.routes = Table(kinds.ROUTES)
        self.vhosts = Table(kinds.VHOST)
        self.overview = Table(kinds.OVERVIEW)
        self.node = Table(kinds.NODE)


class Sampler:
    """Takes samples of one broker. `node_values` reads the values of the node."""

    def __init__(self, broker: Broker, node_values: Callable[[], Counts]) -> None:
        self._broker = broker
        self._node_values = node_values
        self.changes = 0
        """Changes that were made through the management API."""
        self.forget()

    def forget(self) -> None:
        """Forgets all samples, and begins anew."""
        self.tables = Tables()
        self.tick = 0
        """The tick of the last scan that is over; 0 before the first."""
        self.first_tick = 0
        """The tick of the first scan, from when on counters are known."""
        self.distance = 1
        """Ticks from the scan before to that one."""
        self._scans = 0
        self._signs: object = None
        """Of events and changes, at the last scan of everything."""
        self._due_at_ms: int | None = None
        """The time at which the next timer was due then."""
        self.looked_at = 0
        """The tick of the last scan that looked at everything."""
        self._stats: dict[Vhost, Counts] = {}
        self._lengths: dict[Vhost, tuple[int, int]] = {}
        """The message statistics of virtual hosts, and the lengths of their queues, by then."""
        self._all_stats: Counts = {}

    def scan(self, tick: int) -> Iterator[None]:
        """Takes the samples of a tick. Yields after each slice; each belongs into a turn of the broker."""
        if tick < self.tick:
            self.forget()  # the clock was put back
        elif tick == self.tick:
            return
        tables = self.tables
        for _ in self._scan(tick):
            yield
            if self.tables is not tables:
                return  # all was forgotten meanwhile

    def _scan(self, tick: int) -> Iterator[None]:
        self._scans += 1
        broker, vhosts = self._broker, list(self._broker.vhosts.values())
        traffic: dict[Vhost, Values] = {}
        has_news = yield from self._look_at_connections(tick, vhosts, traffic)
        signs = (sum(broker.events.counts.values()), broker.vhosts.statistics.declared, self.changes)
        looks_at_all = has_news or signs != self._signs or self._is_awake(tick)
        if looks_at_all:
            self._signs = signs
            self.looked_at = tick
            self._due_at_ms = broker.scheduler.deadlines.first_at_ms()
            yield from self._look_at_channels(tick, vhosts)
            yield from self._look_at_queues(tick, vhosts)
            yield from self._look_at_exchanges(tick, vhosts)
            yield from self._look_at_pairs(tick, vhosts)
        yield from self._add_up(tick, vhosts, traffic)
        yield from self._sweep(looks_at_all)
        self.distance = tick - self.tick if self.tick else 1
        self.tick = tick
        self.first_tick = self.first_tick or tick

    def _is_awake(self, tick: int) -> bool:
        """True if something may have happened that no connection and no event tells of."""
        scheduler = self._broker.scheduler
        return (
            tick - self.looked_at >= REST_TICKS
            or bool(scheduler.jobs)
            or self._due_at_ms != scheduler.deadlines.first_at_ms()
        )

    # --- the objects

    def _look_at_connections(
        self, tick: int, vhosts: Sequence[Vhost], traffic: dict[Vhost, Values]
    ) -> Generator[None, None, bool]:
        """Returns True if a connection is new, or has said or heard anything but heartbeats."""
        kind, table, has_news = kinds.CONNECTION, self.tables.connections, False
        for vhost in vhosts:
            total = Sum(vhost.traffic)
            for some in in_slices(vhost.clients):
                for client in some:
                    if isinstance(client, AnySession):
                        counts = client.traffic()
                        total.add(client, counts)
                        values = kind.values_of(counts)
                        has_news = has_news or self._is_news(table.series.get(client), values)
                        table.put(client, tick, values, self._scans)
                yield
            traffic[vhost] = tuple(total.end().get(name, 0) for name in kinds.OF_TRAFFIC)
        return has_news

    @staticmethod
    def _is_news(series: Series | None, values: Values) -> bool:
        if series is None:
            return True
        received, sent, receives, sends = (now - before for now, before in zip(values, series.values, strict=True))
        # A call may have sent nothing.
        return received != receives * EMPTY_FRAME_SIZE or sent > sends * EMPTY_FRAME_SIZE

    def _look_at_channels(self, tick: int, vhosts: Sequence[Vhost]) -> Iterator[None]:
        table, everywhere = self.tables.channels, Sum(self._broker.vhosts.statistics.channels)
        self._stats = {}
        for vhost in vhosts:
            total = Sum(vhost.channel_totals)
            for some in in_slices(vhost.channels):
                for channel in some:
                    if channel in vhost.channels:
                        counts = channel.message_stats()
                        total.add(channel, counts)
                        everywhere.add(channel, counts)
                        table.put(channel, tick, table.kind.values_of(counts), self._scans)
                yield
            self._stats[vhost] = total.end()
        self._all_stats = everywhere.end()

    def _look_at_queues(self, tick: int, vhosts: Sequence[Vhost]) -> Iterator[None]:
        table = self.tables.queues
        self._lengths = {}
        for vhost in vhosts:
            ready = unacked = 0
            for some in in_slices(vhost.queues.values()):
                for queue in some:
                    if not queue.deleted:
                        values = kinds.values_of_queue(queue)
                        ready, unacked = ready + values[0], unacked + values[1]
                        table.put(queue, tick, values, self._scans)
                yield
            self._lengths[vhost] = ready, unacked

    def _look_at_exchanges(self, tick: int, vhosts: Sequence[Vhost]) -> Iterator[None]:
        table = self.tables.exchanges
        for vhost in vhosts:
            for some in in_slices(vhost.exchanges.values()):
                for exchange in some:
                    if not exchange.deleted:
                        vhost.settle_counts(exchange)
                        table.put(exchange, tick, kinds.values_of_exchange(exchange), self._scans)
                yield

    def _look_at_pairs(self, tick: int, vhosts: Sequence[Vhost]) -> Iterator[None]:
        tables = self.tables
        for detailed in [vhost.detailed for vhost in vhosts]:
            if detailed is None:
                continue
            for pairs in list(detailed.channels.values()):
                pairs.settle_confirms()
                yield from self._put_pairs(tables.publishes, tick, pairs.publishes)
                yield from self._put_pairs(tables.deliveries, tick, pairs.deliveries)
            yield from self._put_pairs(tables.routes, tick, detailed.routes())

    def _put_pairs(self, table: Table, tick: int, pairs: Iterable[Pair]) -> Iterator[None]:
        for some in in_slices(pairs):
            for pair in some:
                table.put(pair, tick, table.kind.values_of(pair.message_stats()), self._scans)
            yield

    def _add_up(self, tick: int, vhosts: Sequence[Vhost], traffic: dict[Vhost, Values]) -> Iterator[None]:
        """The virtual hosts, the whole broker, and the node."""
        broker, tables, scan = self._broker, self.tables, self._scans
        totals = [0, 0]
        for some in in_slices(vhosts):
            for vhost in some:
                ready, unacked = self._lengths.get(vhost, (0, 0))
                stats = dict(self._stats.get(vhost, {}))
                stats |= zip((*kinds.OF_LENGTHS, *kinds.OF_TRAFFIC), (ready, unacked, *traffic[vhost]), strict=True)
                tables.vhosts.put(vhost, tick, kinds.VHOST.values_of(stats), scan)
                totals[0] += ready
                totals[1] += unacked
            yield
        churn = kinds.churn_of(broker.events.counts, broker.vhosts.statistics.declared)
        lengths = dict(zip(kinds.OF_LENGTHS, totals, strict=True))
        tables.overview.put(broker, tick, kinds.OVERVIEW.values_of({**self._all_stats, **churn, **lengths}), scan)
        tables.node.put(broker, tick, kinds.NODE.values_of({**churn, **self._node_values()}), scan)

    def _sweep(self, looked_at_all: bool) -> Iterator[None]:
        tables = self.tables
        swept: list[Table] = [tables.connections, tables.vhosts]
        if looked_at_all:
            swept += [tables.channels, tables.queues, tables.exchanges]
            swept += [tables.publishes, tables.deliveries, tables.routes]
        for table in swept:
            yield from table.sweep(self._scans)


def in_slices(items: Iterable[T]) -> Iterator[list[T]]:
    """The items there are now."""
    rest = iter(list(items))
    while some := list(islice(rest, SLICE)):
        yield some
