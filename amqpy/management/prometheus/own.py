"""The metrics that only amqpy has. Nothing is counted for their sake: the numbers are there anyway, or scrapes observe
them themselves.
"""

import platform
from collections.abc import Iterator
from typing import Final

from amqpy.management.measures import Measures
from amqpy.management.prometheus.exposition import Family, Histogram, Number, head, labels, series
from amqpy.server.reactor import Reactor
from amqpy.version import __version__

PREFIX: Final = "amqpy_"

LAG_BOUNDS_S: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
_LAG: Final = Family(
    "event_loop_lag_seconds",
    "histogram",
    "Time that a scrape waited between two of its steps: the length of a round of the event loop",
)


def lines_of_amqpy(reactor: Reactor, measures: Measures, lag: Histogram, paged_out: int) -> Iterator[str]:
    for family, of, value in _gather(reactor, measures, paged_out):
        yield head(PREFIX, family)
        yield series(PREFIX + family.name, of, value)
    yield head(PREFIX, _LAG)
    yield from lag.lines(PREFIX + _LAG.name)


def _gather(reactor: Reactor, measures: Measures, paged_out: int) -> Iterator[tuple[Family, str, Number]]:
    jobs = reactor.broker.scheduler.jobs
    about = labels(version=__version__, python_version=platform.python_version())
    yield Family("build_info", "untyped", "Versions of amqpy and Python"), about, 1
    yield Family("internal_errors_total", "counter", "Errors that are bugs of amqpy"), "", reactor.internal_errors
    yield Family("process_cpu_seconds_total", "counter", "Processor time used"), "", measures.processor_s()
    yield Family("large_work", "gauge", "Clients whose large work is done bit by bit"), "", len(jobs.lines)
    yield Family("messages_paged", "gauge", "Ready messages that are only on disk"), "", paged_out
    journal = reactor.broker.scheduler.journal
    if journal is None:
        return
    batches = journal.batch.number - 1
    yield Family("store_batches_total", "counter", "Batches that were written, or are being written"), "", batches
    yield Family("store_messages_added_total", "counter", "Messages for the store"), "", journal.added_count
    yield (
        Family("store_messages_paged_total", "counter", "Messages put on disk until they are delivered"),
        "",
        journal.overflow_count,
    )
    yield Family("store_read_bytes_total", "counter", "Bytes of bodies read from the store"), "", journal.read_size
    yield Family("store_gathering_bytes", "gauge", "Bytes that wait for the next batch"), "", journal.size
    behind = int(reactor.is_store_behind)
    yield Family("store_behind", "gauge", "1 if publishers wait for the disk"), "", behind
