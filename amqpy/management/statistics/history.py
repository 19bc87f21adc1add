"""The counters of objects at an earlier time, out of their samples."""

from typing import Any

from amqpy.amqp.channel import ChannelSession
from amqpy.core.exchanges import Exchange
from amqpy.core.findings.finding import Then
from amqpy.core.queues.queue import Queue
from amqpy.management.statistics.sampler import Sampler, Table, Tables
from amqpy.management.statistics.samples import TICK_MS
from amqpy.stream.views import AnySession


class SampledHistory:
    """The samples of one broker, at a Unix time. A `core.findings.finding.History`."""

    def __init__(self, sampler: Sampler | None, unix_time_ms: int) -> None:
        """Without a sampler there are none."""
        self._sampler = sampler
        self._unix_time_ms = unix_time_ms

    def then(self, item: object, span_ms: int) -> Then | None:
        """The counters of an object, so long ago, or at the first samples if those are younger. One that was not there
        then had counted nothing."""
        sampler = self._sampler
        table = None if sampler is None else table_of(sampler.tables, item)
        if sampler is None or table is None or not sampler.first_tick:
            return None
        tick = max((self._unix_time_ms - span_ms) // TICK_MS, sampler.first_tick)
        series, counters = table.series.get(item), table.kind.counters[: table.kind.width]
        values = [0 if series is None else series.at((place,), tick) for place in range(len(counters))]
        return Then(dict(zip(counters, values, strict=True)), self._unix_time_ms - tick * TICK_MS)


def table_of(tables: Tables, item: object) -> Table | None:
    """The samples of objects of that kind."""
    kinds: dict[Any, Table] = {
        Queue: tables.queues,
        Exchange: tables.exchanges,
        ChannelSession: tables.channels,
        AnySession: tables.connections,
    }
    return next((table for kind, table in kinds.items() if isinstance(item, kind)), None)
