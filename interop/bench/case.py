"""What a case is: a function from a running broker to numbers, with a word on which numbers matter how (`metrics`).

Most cases are a `Load`; what measures one is here, and what several cases share.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from interop.bench.brokers import Broker
from interop.bench.crew import run_together
from interop.bench.frames import PERSISTENT, PERSISTENT_FLAG, Publication
from interop.bench.jobs import Consume, Publish, PublishConfirmed, SmallClients
from interop.bench.loops import Flow, Limits
from interop.bench.metrics import Metric, Numbers, percentiles
from interop.bench.peer import topology

SMALL_CLIENTS = 500


@dataclass(frozen=True)
class Bench:
    """What a case measures with."""

    broker: Broker
    seconds: float
    tls: bool = False

    @property
    def url(self) -> str:
        return self.broker.tls_url if self.tls else self.broker.url

    def cpu_us(self, before: float, messages: int) -> float:
        """The broker's CPU time since it was `before` seconds, in microseconds a message."""
        return (self.broker.cpu_seconds() - before) / messages * 1e6


@dataclass(frozen=True)
class Case:
    name: str
    title: str
    metrics: tuple[Metric, ...]
    run: Callable[[Bench], Numbers]
    fresh: bool  # whether it needs a broker that has done nothing yet
    durable: bool = False  # whether the broker is to keep on disk what is durable
    starts: bool = False  # whether it measures a start, so that the broker must be ours to start
    tls: bool = False  # whether it connects in TLS, so that the broker must be ours to give a certificate
    managed: bool = False  # whether it asks the management API, so that the broker must be ours to have one

    @property
    def is_realistic(self) -> bool:
        return self.name.startswith("real-")


CASES: dict[str, Case] = {}


def case(
    name: str,
    title: str,
    *metrics: Metric,
    fresh: bool = False,
    durable: bool = False,
    starts: bool = False,
    tls: bool = False,
    managed: bool = False,
) -> Callable[[Callable[[Bench], Numbers]], Callable[[Bench], Numbers]]:
    def register(run: Callable[[Bench], Numbers]) -> Callable[[Bench], Numbers]:
        CASES[name] = Case(name, title, metrics, run, fresh, durable, starts, tls, managed)
        return run

    return register


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
    cpu_us = bench.cpu_us(before, consumed.total)
    return {
        "rate": consumed.total / (consumed.ended_at - published.started_at),
        "broker_us": cpu_us,
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
        "broker_us": bench.cpu_us(before, published.total),
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
        cpu_us = bench.cpu_us(before, span.total)
    return {
        "rate": span.total / span.seconds,
        "broker_us": cpu_us,
        "load_us": span.cpu_seconds / span.total * 1e6,
    } | percentiles(latencies.seconds)


def to_queue(queue: str, size: int) -> Publication:
    return Publication("", queue, bytes(size))


def persistent(queue: str, size: int) -> Publication:
    return Publication("", queue, bytes(size), PERSISTENT_FLAG, PERSISTENT)


def one_queue(queue: str, size: int, *, ack_every: int = 100, prefetch: int = 1000) -> Load:
    return Load([[to_queue(queue, size)]], [[queue]], ack_every, prefetch)
