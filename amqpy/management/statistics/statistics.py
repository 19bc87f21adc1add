"""Puts rates and samples beside the counters of views: of `publish`, they are in `publish_details`.

A rate is the difference of the last two samples divided by the seconds between them, and so 0.0 where nothing has
happened in the last interval. What a request asks for comes with it: samples, the newest first, and averages.

Source: `rabbit_mgmt_stats`: `format_range`, `calculate_rate`; `rabbit_mgmt_db`: `pick_range`.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any, Final, NamedTuple, TypeAlias

import trio

from amqpy.amqp.channel import ChannelSession
from amqpy.core.broker import Broker
from amqpy.core.detailed_statistics import DeliveryPair, Pair, PublishPair, RoutePair
from amqpy.core.exchanges import Exchange
from amqpy.core.queues.queue import Queue
from amqpy.core.vhost import Vhost
from amqpy.management.statistics.kinds import OF_LENGTHS, OF_TRAFFIC, Kind
from amqpy.management.statistics.ranges import NO_RANGES, Range, Ranges, ranges_of
from amqpy.management.statistics.sampler import Sampler, Table, Tables
from amqpy.management.statistics.samples import TICK_MS, Series
from amqpy.stream.views import AnySession

View: TypeAlias = dict[str, Any]
Query: TypeAlias = Mapping[str, str]

LENGTHS: Final = ("messages", *OF_LENGTHS)
OF_DISK: Final = ("disk_reads", "disk_writes")
REDUCTIONS: Final = ("reductions",)

NO_SAMPLES: Final = Tables()


class Statistics:
    """The samples of one broker, and the views that are decorated with them.

    The functions `of_…` take a view that is complete, and the object that it is of, and return the view with details.
    They belong into the turn in which the view is made. Each raises Refusal if the request asks for samples in a way
    that is none."""

    def __init__(self, broker: Broker | None = None, unix_time_ms: Callable[[], int] = lambda: 0) -> None:
        self._broker = broker
        self._unix_time_ms = unix_time_ms
        self._has_rates = broker is None or broker.config.management_rates_mode != "none"
        self._is_off = broker is not None and broker.config.management_disable_stats
        self.node_values: Callable[[], dict[str, int]] = dict
        """Reads the values of the node that change, by RabbitMQ's names."""
        self.sampler = None if broker is None else Sampler(broker, lambda: self.node_values())
        """Takes the samples; None where there is no broker."""
        self.lag_us = 0
        """Microseconds that the last samples waited between two of their slices, at most: as long as a round of the
        event loop took."""
        self._is_running = False
        self._query: Query | None = None
        self._ranges = NO_RANGES
        """Those of the last query: a list has the same for all its items."""

    # --- taking samples

    async def run(self, in_turn: Callable[[Callable[[], object]], object]) -> None:
        """Takes samples until cancelled, unless somebody else does. `in_turn` makes a call in a turn of the broker."""
        if self.sampler is None or self._is_off or self._is_running:
            return
        self._is_running = True
        try:
            await self._take_samples(self.sampler, in_turn)
        finally:
            self._is_running = False

    async def _take_samples(self, sampler: Sampler, in_turn: Callable[[Callable[[], object]], object]) -> None:
        while True:
            self.lag_us = await _round_us()
            now_ms = self._unix_time_ms()
            slices = sampler.scan(now_ms // TICK_MS)
            while in_turn(partial(_is_left, slices)):
                self.lag_us = max(self.lag_us, await _round_us())
            now_ms = self._unix_time_ms()
            await trio.sleep((TICK_MS - now_ms % TICK_MS) / 1000)

    def scan(self) -> None:
        """Takes the samples of now, in one go."""
        if self.sampler is not None:
            for _ in self.sampler.scan(self._unix_time_ms() // TICK_MS):
                pass

    def note_change(self) -> None:
        """Something was changed through the management API."""
        if self.sampler is not None:
            self.sampler.changes += 1

    def reset(self) -> None:
        """Forgets all samples."""
        if self.sampler is not None:
            self.sampler.forget()

    # --- views

    def ranges(self, query: Query) -> Ranges:
        """The samples that a request asks for. Raises Refusal."""
        if query is not self._query:
            self._ranges = ranges_of(query)
            self._query = query
        return self._ranges

    def check_list(self, query: Query) -> None:
        """Raises Refusal as the lists of queues, exchanges and virtual hosts do, even if they are empty."""
        ranges_of(query, "invalid_range_parameters")

    def of_queue(self, view: View, queue: Queue, query: Query) -> View:
        ranges, details = self.ranges(query), self._details(self._tables.queues, queue)
        view = details.beside(view, ranges.lengths, LENGTHS, rounds_up=True)
        view = details.beside(view, ranges.data_rates, REDUCTIONS)
        return self._with_message_stats(view, details, ranges.message_rates)

    def of_exchange(self, view: View, exchange: Exchange, query: Query) -> View:
        details = self._details(self._tables.exchanges, exchange)
        return self._with_message_stats(view, details, self.ranges(query).message_rates)

    def of_channel(self, view: View, channel: ChannelSession, query: Query) -> View:
        ranges, details = self.ranges(query), self._details(self._tables.channels, channel)
        view = details.beside(view, ranges.data_rates, REDUCTIONS)
        return self._with_message_stats(view, details, ranges.message_rates)

    def of_pair(self, pair: Pair, query: Query) -> View:
        """The counters of a pair, with details."""
        tables = self._tables
        match pair:
            case PublishPair():
                table = tables.publishes
            case DeliveryPair():
                table = tables.deliveries
            case RoutePair():
                table = tables.routes
        return self._details(table, pair).beside(pair.message_stats(), self.ranges(query).message_rates)

    def of_connection(self, view: View, connection: AnySession, query: Query) -> View:
        return self._details(self._tables.connections, connection).beside(view, self.ranges(query).data_rates)

    def of_vhost(self, view: View, vhost: Vhost, query: Query) -> View:
        ranges, details = self.ranges(query), self._details(self._tables.vhosts, vhost)
        view = details.beside(view, ranges.message_rates, LENGTHS)
        view = details.beside(view, ranges.data_rates, OF_TRAFFIC)
        return self._with_message_stats(view, details, ranges.message_rates)

    def of_overview(self, view: View, query: Query, vhosts: Iterable[Vhost] | None = None) -> View:
        """The overview: its `queue_totals`, `churn_rates` and `message_stats`; of the whole broker, or what is not
        churn of these virtual hosts."""
        ranges, details = self.ranges(query), self._details(self._tables.overview, self._broker)
        churn = {"churn_rates": details.beside(view["churn_rates"], ranges.lengths)} if "churn_rates" in view else {}
        if vhosts is not None:
            details = self._details(self._tables.vhosts, *vhosts)
        totals = (
            {"queue_totals": details.beside(view["queue_totals"], ranges.lengths)} if "queue_totals" in view else {}
        )
        if "message_stats" in view and not self._has_rates:
            of_disk = {name: view["message_stats"][name] for name in OF_DISK if name in view["message_stats"]}
            return {**view, **churn, **totals, "message_stats": details.beside(of_disk, ranges.message_rates)}
        return self._with_message_stats({**view, **churn, **totals}, details, ranges.message_rates)

    def of_node(self, view: View, query: Query) -> View:
        return self._details(self._tables.node, self._broker).beside(view, self.ranges(query).node_stats)

    @property
    def _tables(self) -> Tables:
        return NO_SAMPLES if self.sampler is None else self.sampler.tables

    def _details(self, table: Table, *items: object) -> "_Details":
        tick, distance = (0, 1) if self.sampler is None else (self.sampler.tick, self.sampler.distance)
        series = [found for item in items if (found := table.series.get(item)) is not None]
        return _Details(table.kind, series, tick, distance, self._unix_time_ms)

    def _with_message_stats(self, view: View, details: "_Details", asked: Range | None) -> View:
        stats = view.get("message_stats")
        if stats is None:
            return view
        if not self._has_rates:
            return {key: value for key, value in view.items() if key != "message_stats"}
        return {**view, "message_stats": details.beside(stats, asked)}


class _Details(NamedTuple):
    """The rates and samples of one object, or of several together."""

    kind: Kind
    series: list[Series]
    """Without those of objects whose counters have always been 0 when a sample was taken."""
    tick: int
    """Of the last samples."""
    distance: int
    """Ticks since those before."""
    unix_time_ms: Callable[[], int]

    def beside(
        self, view: View, asked: Range | None, names: Collection[str] | None = None, *, rounds_up: bool = False
    ) -> View:
        """A view with details beside all of its counters, or those of these names; with samples if they are asked
        for."""
        places = self.kind.places
        shown: View = {}
        for name, value in view.items():
            shown[name] = value
            if name in places and (names is None or name in names):
                details = self._of(places[name], value, asked, rounds_up)
                shown[f"{name}_details"] = _in_fractions(details) if isinstance(value, float) else details
        return shown

    def _of(self, places: Sequence[int], value: int, asked: Range | None, rounds_up: bool) -> View:
        grown = sum([series.increase(places, self.tick) for series in self.series])
        details: View = {"rate": grown * 1000 / (self.distance * TICK_MS)}
        return details if asked is None else details | self._sampled(places, value, asked, rounds_up)

    def _sampled(self, places: Sequence[int], value: int, asked: Range, rounds_up: bool) -> View:
        now_ms = self.unix_time_ms()
        times_ms = asked.times_ms(now_ms, rounds_up=rounds_up)
        is_constant = not any(series.has_samples(places) for series in self.series)
        if is_constant and (times_ms[0] <= now_ms or value == self._at(places, self.tick)):
            return _constant(times_ms, self._at(places, self.tick))
        # What is not over yet has the value of now.
        values = [self._at(places, at_ms // TICK_MS) if at_ms <= now_ms else value for at_ms in times_ms]
        return _summary(times_ms, values)

    def _at(self, places: Sequence[int], tick: int) -> int:
        return sum([series.at(places, tick) for series in self.series])


def _summary(times_ms: range, values: list[int]) -> View:
    samples = [{"sample": value, "timestamp": at_ms} for value, at_ms in zip(values, times_ms, strict=True)]
    if len(values) < 2:
        return {"samples": samples}
    rate = (values[0] - values[-1]) * 1000 / (times_ms[0] - times_ms[-1])
    return {"samples": samples, "avg_rate": rate, "avg": sum(values) / len(values)}


@lru_cache(maxsize=64)
def _constant(times_ms: range, value: int) -> View:
    """Most counters of most objects never change: what is shown of them then is the same."""
    return _summary(times_ms, [value] * len(times_ms))


def _in_fractions(details: View) -> View:
    """The details of a counter that is an average: its samples are fractions, too."""
    if "samples" not in details:
        return details
    return {**details, "samples": [{**each, "sample": float(each["sample"])} for each in details["samples"]]}


async def _round_us() -> int:
    """Lets the others go on; returns the microseconds that it took."""
    paused_at = trio.current_time()
    await trio.lowlevel.checkpoint()
    return round((trio.current_time() - paused_at) * 1_000_000)


def _is_left(slices: Iterator[None]) -> bool:
    """Takes the samples of a slice. False if there was none left."""
    return next(slices, _is_left) is None
