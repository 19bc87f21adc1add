"""Curves: what one message costs as queues, bindings, connections and backlog grow, relative to the first point.

The message goes the way of `prefetch-100` throughout. On the curves of bindings, it goes round all bound routing
keys, so a broker that remembers routes has to remember as many of them.
"""

from collections.abc import Iterator
from contextlib import ExitStack

from interop.bench.case import Bench, Load, Metric, Numbers, case, one_queue, throughput
from interop.bench.cases.backlog import fill
from interop.bench.cases.scale import idle_connections, idle_queues
from interop.bench.frames import Publication
from interop.bench.peer import Topology, topology

FLAT = 1.25
"""A rate that differs by less than this between two points of one curve is noise on a shared machine."""

Points = tuple[int, ...]
QUEUES: Points = (0, 10, 1000, 10_000)
BINDINGS: Points = (1, 100, 10_000)
CONNECTIONS: Points = (0, 100, 1000)
BACKLOG: Points = (0, 100_000, 1_000_000)


def curve(unit: str, points: Points) -> Iterator[Metric]:
    yield Metric(f"rate_{points[0]}", f"at {points[0]:,} {unit}", "msg/s", ratio_at_least=1)
    for point in points[1:]:
        yield Metric(f"rate_{point}", f"at {point:,} {unit}", "msg/s", detail=True)
        yield Metric(f"cost_{point}", f"cost at {point:,} {unit}", "x first", at_most=FLAT)


def costs(rates: dict[int, float]) -> Numbers:
    first, *others = rates
    numbers = {f"rate_{point}": rate for point, rate in rates.items()}
    return numbers | {f"cost_{point}": rates[first] / rates[point] for point in others}


def measure(bench: Bench, load: Load) -> float:
    return throughput(bench, load)["rate"]


@case("flat-queues", "flatness: other queues", *curve("queues", QUEUES), fresh=True)
def flat_queues(bench: Bench) -> Numbers:
    rates: dict[int, float] = {}
    with topology(bench.url) as made:
        made.declare_queues("bench")
        declared = 0
        for count in QUEUES:
            made.declare_queues(*idle_queues(count)[declared:])
            declared = count
            rates[count] = measure(bench, one_queue("bench", 100))
    return costs(rates)


def bind_keys(made: Topology, exchange: str, pattern: str, counts: Points) -> Iterator[int]:
    """Bind more and more keys, and stop at each of the counts."""
    bound = 0
    for count in counts:
        made.bind(exchange, [("bench", pattern.format(index)) for index in range(bound, count)])
        bound = count
        yield count


def bindings_curve(bench: Bench, kind: str, pattern: str) -> Numbers:
    rates: dict[int, float] = {}
    with topology(bench.url) as made:
        made.declare_queues("bench")
        made.declare_exchange("bench.flat", kind)
        for count in bind_keys(made, "bench.flat", pattern, BINDINGS):
            keys = [f"key.{index:05d}.end" for index in range(count)]
            route = [Publication("bench.flat", key, bytes(100)) for key in keys]
            rates[count] = measure(bench, Load([route], [["bench"]], ack_every=100, prefetch=1000))
    return costs(rates)


@case("flat-direct", "flatness: bindings of a direct exchange", *curve("bindings", BINDINGS), fresh=True)
def flat_direct(bench: Bench) -> Numbers:
    return bindings_curve(bench, "direct", "key.{:05d}.end")


@case("flat-topic", "flatness: bindings of a topic exchange", *curve("bindings", BINDINGS), fresh=True)
def flat_topic(bench: Bench) -> Numbers:
    return bindings_curve(bench, "topic", "key.{:05d}.*")


@case("flat-connections", "flatness: idle connections", *curve("connections", CONNECTIONS), fresh=True)
def flat_connections(bench: Bench) -> Numbers:
    rates: dict[int, float] = {}
    with ExitStack() as stack:
        made = stack.enter_context(topology(bench.url))
        made.declare_queues("bench")
        opened = 0
        for count in CONNECTIONS:
            stack.enter_context(idle_connections(bench.url, count - opened))
            opened = count
            rates[count] = measure(bench, one_queue("bench", 100))
    return costs(rates)


@case("flat-backlog", "flatness: messages in the queue", *curve("messages", BACKLOG), fresh=True)
def flat_backlog(bench: Bench) -> Numbers:
    rates: dict[int, float] = {}
    for count in BACKLOG:
        with topology(bench.url) as made:
            made.declare_queues("bench")
            fill(bench.url, made, "bench", count)
            rates[count] = measure(bench, one_queue("bench", 100))
    return costs(rates)
