"""What a thousand connections and ten thousand queues cost that do nothing."""

import contextlib
import time
from collections.abc import Iterator

from interop.bench.case import Bench, case, one_queue, throughput
from interop.bench.metrics import Metric, Numbers, rate, ratio_at_least, ratio_at_most
from interop.bench.peer import Peer, topology

IDLE_CONNECTIONS = 1000
IDLE_QUEUES = 10_000


@contextlib.contextmanager
def idle_connections(url: str, count: int) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(Peer(url))
        yield


def idle_queues(count: int) -> list[str]:
    return [f"idle-{index:05d}" for index in range(count)]


def cpu_percent(bench: Bench) -> float:
    """The broker's CPU while nobody asks it anything, of one core."""
    before, started_at = bench.broker.cpu_seconds(), time.monotonic()
    time.sleep(bench.seconds)
    return (bench.broker.cpu_seconds() - before) / (time.monotonic() - started_at) * 100


MEMORY = Metric("memory", "memory of the broker", "MiB", [ratio_at_most(1)])


@case(
    "idle-1000",
    "1,000 idle connections with a channel each",
    MEMORY,
    Metric("each", "memory of one", "KiB", [ratio_at_most(1)]),
    Metric("opening", "opened", "connections/s", [ratio_at_least(1)]),
    Metric("idle_cpu", "CPU meanwhile", "% of a core"),
    *rate(),
    fresh=True,
)
def idle_1000(bench: Bench) -> Numbers:
    before, started_at = bench.broker.resident_mib(), time.monotonic()
    with idle_connections(bench.url, IDLE_CONNECTIONS):
        opening = IDLE_CONNECTIONS / (time.monotonic() - started_at)
        memory = bench.broker.resident_mib()
        idle_cpu = cpu_percent(bench)
        with topology(bench.url) as made:
            made.declare_queues("bench")
            numbers = throughput(bench, one_queue("bench", 100))
    each = (memory - before) * 1024 / IDLE_CONNECTIONS
    return numbers | {"memory": memory, "each": each, "opening": opening, "idle_cpu": idle_cpu}


@case(
    "queues-10000",
    "10,000 empty queues",
    MEMORY,
    Metric("each", "memory of one", "KiB", [ratio_at_most(1)]),
    Metric("declaring", "declared", "queues/s", [ratio_at_least(1)]),
    Metric("idle_cpu", "CPU meanwhile", "% of a core"),
    *rate(),
    fresh=True,
)
def queues_10000(bench: Bench) -> Numbers:
    with topology(bench.url) as made:
        before, started_at = bench.broker.resident_mib(), time.monotonic()
        made.declare_queues(*idle_queues(IDLE_QUEUES))
        declaring = IDLE_QUEUES / (time.monotonic() - started_at)
        memory = bench.broker.resident_mib()
        idle_cpu = cpu_percent(bench)
        made.declare_queues("bench")
        numbers = throughput(bench, one_queue("bench", 100))
    each = (memory - before) * 1024 / IDLE_QUEUES
    return numbers | {"memory": memory, "each": each, "declaring": declaring, "idle_cpu": idle_cpu}
