"""The same in TLS 1.3, with a certificate on an elliptic curve: what encryption costs, and what handshakes do."""

import time
from functools import partial

from interop.bench.case import Bench, case, confirmed, one_queue, throughput, to_queue
from interop.bench.cases.scale import IDLE_CONNECTIONS, idle_connections
from interop.bench.jobs import Consume
from interop.bench.metrics import Metric, Numbers, broker_cpu, latency, rate, ratio_at_least, ratio_at_most
from interop.bench.peer import Peer, topology

QUEUE = "bench"


@case("tls-prefetch-1k", "TLS: 1 KB, prefetch 1000, multiple ack every 100", *rate(3), tls=True)
def tls_prefetch_1k(bench: Bench) -> Numbers:
    with topology(bench.url) as made:
        made.declare_queues(QUEUE)
        return throughput(bench, one_queue(QUEUE, 1000))


def confirms(bench: Bench, window: int) -> Numbers:
    with topology(bench.url) as made:
        made.declare_queues(QUEUE)
        consumer = partial(Consume, bench.url, [[QUEUE]])
        return confirmed(bench, [to_queue(QUEUE, 1000)], window, consumer=consumer)


@case("tls-confirms-1000", "TLS: 1 KB, publisher confirms, window 1000, no-ack consumer", *rate(3), tls=True)
def tls_confirms_1000(bench: Bench) -> Numbers:
    return confirms(bench, 1000)


@case("tls-confirms-1", "TLS: 1 KB, publisher confirms, window 1, no-ack consumer", *rate(1), *latency(), tls=True)
def tls_confirms_1(bench: Bench) -> Numbers:
    return confirms(bench, 1)


@case(
    "tls-handshakes",
    "TLS: connections opened and closed, one after the other",
    Metric("rate", "opened", "connections/s", [ratio_at_least(1)]),
    broker_cpu(unit="µs each"),
    tls=True,
)
def tls_handshakes(bench: Bench) -> Numbers:
    before, started_at, count = bench.broker.cpu_seconds(), time.monotonic(), 0
    while (now := time.monotonic()) < started_at + bench.seconds or not count:
        Peer(bench.url).close()
        count += 1
    return {"rate": count / (now - started_at), "broker_us": bench.cpu_us(before, count)}


@case(
    "tls-idle-1000",
    "TLS: 1,000 idle connections with a channel each",
    Metric("memory", "memory of the broker", "MiB", [ratio_at_most(1)]),
    Metric("each", "memory of one", "KiB", [ratio_at_most(1)]),
    fresh=True,
    tls=True,
)
def tls_idle_1000(bench: Bench) -> Numbers:
    before = bench.broker.resident_mib()
    with idle_connections(bench.url, IDLE_CONNECTIONS):
        memory = bench.broker.resident_mib()
    return {"memory": memory, "each": (memory - before) * 1024 / IDLE_CONNECTIONS}
