"""What a case is: a function from a running broker to numbers, with a word on which numbers matter how.

Most cases are a `Load`; what measures one is here, and what several cases share.
"""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from interop.bench.brokers import Broker
from interop.bench.crew import run_together
from interop.bench.frames import PERSISTENT, PERSISTENT_FLAG, Publication
from interop.bench.jobs import Consume, Publish, PublishConfirmed, SmallClients
from interop.bench.loops import Flow, Limits
from interop.bench.peer import topology

Numbers = dict[str, float]

SMALL_CLIENTS = 500


@dataclass(frozen=True)
class Metric:
    """One number of a case. A target is a bound on amqpy's number or on its ratio to RabbitMQ's."""

    key: str
    label: str
    unit: str
    ratio_at_least: float | None = None
    ratio_at_most: float | None = None
    at_most: float | None = None
    detail: bool = False  # in the JSON, and in the table when asked for

    @property
    def target(self) -> str:
        if self.ratio_at_least is not None:
            return f"≥ {self.ratio_at_least:g} x"
        if self.ratio_at_most is not None:
            return f"≤ {self.ratio_at_most:g} x"
        return f"≤ {self.at_most:g} {self.unit}" if self.at_most is not None else ""

    def met(self, value: float, reference: float) -> bool | None:
        """Whether amqpy's number is good enough, or None when that cannot be said."""
        if self.at_most is not None:
            return None if math.isnan(value) else value <= self.at_most
        ratio = value / reference if reference else math.nan
        if math.isnan(ratio) or not self.target:
            return None
        if self.ratio_at_least is not None:
            return ratio >= self.ratio_at_least
        return ratio <= (self.ratio_at_most or 0)


@dataclass(frozen=True)
class Bench:
    """What a case measures with."""

    broker: Broker
    seconds: float

    @property
    def url(self) -> str:
        return self.broker.url


@dataclass(frozen=True)
class Case:
    name: str
    title: str
    metrics: tuple[Metric, ...]
    run: Callable[[Bench], Numbers]
    fresh: bool  # whether it needs a broker that has done nothing yet
    durable: bool = False  # whether the broker is to keep on disk what is durable


CASES: dict[str, Case] = {}


def case(
    name: str, title: str, *metrics: Metric, fresh: bool = False, durable: bool = False
) -> Callable[[Callable[[Bench], Numbers]], Callable[[Bench], Numbers]]:
    def register(run: Callable[[Bench], Numbers]) -> Callable[[Bench], Numbers]:
        CASES[name] = Case(name, title, metrics, run, fresh, durable)
        return run

    return register


BROKER_CPU = Metric("broker_us", "broker CPU", "µs/msg", detail=True)
LOAD_CPU = Metric("load_us", "load CPU", "µs/msg", detail=True)


def rate(at_least: float = 1.0) -> tuple[Metric, ...]:
    return Metric("rate", "throughput", "msg/s", ratio_at_least=at_least), BROKER_CPU, LOAD_CPU


def latency(prefix: str = "", at_most: float | None = 1.0) -> tuple[Metric, ...]:
    return (
        Metric(f"{prefix}p50", f"{prefix}latency p50", "ms"),
        Metric(f"{prefix}p99", f"{prefix}latency p99", "ms", ratio_at_most=at_most),
        Metric(f"{prefix}max", f"{prefix}latency max", "ms", detail=True),
    )


def percentiles(seconds: Sequence[float], prefix: str = "") -> Numbers:
    """In milliseconds."""
    cuts = statistics.quantiles(seconds, n=100, method="inclusive") if len(seconds) > 1 else [math.nan] * 99
    return {
        f"{prefix}p50": cuts[49] * 1000,
        f"{prefix}p99": cuts[98] * 1000,
        f"{prefix}max": max(seconds, default=math.nan) * 1000,
    }


@dataclass(frozen=True)
class Load:
    """Publishers and consumers of a throughput case: one connection for each route and each list of queues."""

    routes: Sequence[Sequence[Publication]]
    queues: Sequence[Sequence[str]]
    ack_every: int = 0
    prefetch: int = 0
    fanout: int = 1
    varied: bool = False  # the messages differ in size

    @property
    def in_flight(self) -> int:
        """How far the publishers may be ahead. A broker that takes in faster than it gives out must not win by it,
        nor fill the memory; the limit is far above what any prefetch or socket buffer holds."""
        return min(100_000, 256 * 1024 * 1024 // (len(self.routes[0][0].body) + 1024))


def throughput(bench: Bench, load: Load, seconds: float | None = None) -> Numbers:
    """Publish as fast as the broker takes it for a while; the rate counts until the last delivery is here."""
    flow = Flow()
    limits = Limits(seconds=seconds or bench.seconds, in_flight=load.in_flight, fanout=load.fanout)
    before = bench.broker.cpu_seconds()
    published, consumed = run_together(
        Publish(bench.url, load.routes, limits, flow),
        Consume(bench.url, load.queues, flow, load.ack_every, load.prefetch, varied=load.varied),
    )
    cpu = bench.broker.cpu_seconds() - before
    return {
        "rate": consumed.total / (consumed.ended_at - published.started_at),
        "broker_us": cpu / consumed.total * 1e6,
        "load_us": (published.cpu_seconds + consumed.cpu_seconds) / consumed.total * 1e6,
    }


def confirmed(
    bench: Bench, route: Sequence[Publication], window: int, *, consumer: Callable[[Flow], Consume] | None
) -> Numbers:
    """Publisher confirms, on one connection, and a consumer on another, if there is one. With a window of 1 each
    confirm is timed."""
    flow = Flow()
    before = bench.broker.cpu_seconds()
    publish = PublishConfirmed(bench.url, route, window, bench.seconds, flow)
    (published, latencies), *consumed = run_together(publish, *([] if consumer is None else [consumer(flow)]))
    load_cpu = published.cpu_seconds + sum(span.cpu_seconds for span in consumed)
    numbers = {
        "rate": published.total / published.seconds,
        "broker_us": (bench.broker.cpu_seconds() - before) / published.total * 1e6,
        "load_us": load_cpu / published.total * 1e6,
    }
    return numbers | (percentiles(latencies.seconds) if window == 1 else {})


def small_clients(bench: Bench, route: Callable[[str, int], Sequence[Publication]]) -> Numbers:
    """Many connections, each with one message on its way; `route` makes the messages for a queue from a seed."""
    queues = [f"bench-{index:03d}" for index in range(SMALL_CLIENTS)]
    with topology(bench.url) as made:
        made.declare_queues(*queues)
        routes = [route(queue, seed) for seed, queue in enumerate(queues)]
        before = bench.broker.cpu_seconds()
        ((span, latencies),) = run_together(SmallClients(bench.url, queues, routes, bench.seconds))
        cpu = bench.broker.cpu_seconds() - before
    return {
        "rate": span.total / span.seconds,
        "broker_us": cpu / span.total * 1e6,
        "load_us": span.cpu_seconds / span.total * 1e6,
    } | percentiles(latencies.seconds)


def to_queue(queue: str, size: int) -> Publication:
    return Publication("", queue, bytes(size))


def persistent(queue: str, size: int) -> Publication:
    return Publication("", queue, bytes(size), PERSISTENT_FLAG, PERSISTENT)


def one_queue(queue: str, size: int, *, ack_every: int = 100, prefetch: int = 1000) -> Load:
    return Load([[to_queue(queue, size)]], [[queue]], ack_every, prefetch)
