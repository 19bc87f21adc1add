"""Curves: what one message costs as queues, bindings, connections and backlog grow, relative to the first point.

The cost is the broker's CPU time, which the neighbours on a shared machine change less than the rate. The message goes
the way of `prefetch-100` throughout. On the curves of bindings it has one routing key; what many keys cost beside, a
broker that remembers routes must tell too, so the last number is for messages that go round all the keys bound.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

from interop.bench.case import Bench, Load, case, one_queue, throughput
from interop.bench.cases.backlog import fill
from interop.bench.cases.scale import idle_connections, idle_queues
from interop.bench.frames import Publication
from interop.bench.metrics import MANY_KEYS, Metric, Numbers, at_most, ratio, ratio_at_least
from interop.bench.peer import Topology, topology

FLAT = 1.25
"""What differs by less than this between two points of one curve is noise on a shared machine."""

Points = tuple[int, ...]
QUEUES: Points = (0, 10, 1000, 10_000)
BINDINGS: Points = (1, 100, 10_000)
CONNECTIONS: Points = (0, 100, 1000)
BACKLOG: Points = (0, 100_000, 1_000_000)


def points(unit: str, counts: Points) -> Iterator[Metric]:
    yield Metric(f"rate_{counts[0]}", f"at {counts[0]:,} {unit}", "msg/s", [ratio_at_least(1)])
    yield Metric(f"us_{counts[0]}", "CPU of the broker", "µs/msg")
    for point in counts[1:]:
        yield Metric(f"rate_{point}", f"at {point:,} {unit}", "msg/s", detail=True)
        yield Metric(f"us_{point}", f"CPU at {point:,} {unit}", "µs/msg", detail=True)
        yield Metric(f"cost_{point}", f"CPU cost at {point:,} {unit}", "x first", [at_most(FLAT)])


@dataclass
class Curve:
    """The measurements of one curve, by point."""

    bench: Bench
    measured: dict[int, Numbers] = field(default_factory=dict)

    def measure(self, point: int, load: Load) -> None:
        self.measured[point] = throughput(self.bench, load)

    def cost(self, point: int, first: int) -> float:
        return ratio(self.measured[point]["broker_us"], self.measured[first]["broker_us"])

    def numbers(self) -> Numbers:
        first, *others = self.measured
        rates = {f"rate_{point}": numbers["rate"] for point, numbers in self.measured.items()}
        cpu = {f"us_{point}": numbers["broker_us"] for point, numbers in self.measured.items()}
        return rates | cpu | {f"cost_{point}": self.cost(point, first) for point in others}


@case("flat-queues", "flatness: other queues", *points("queues", QUEUES), fresh=True)
def flat_queues(bench: Bench) -> Numbers:
    curve = Curve(bench)
    with topology(bench.url) as made:
        made.declare_queues("bench")
        declared = 0
        for count in QUEUES:
            made.declare_queues(*idle_queues(count)[declared:])
            declared = count
            curve.measure(count, one_queue("bench", 100))
    return curve.numbers()


def bind_keys(made: Topology, exchange: str, pattern: str, counts: Points) -> Iterator[int]:
    """Bind more and more keys, and stop at each of the counts."""
    bound = 0
    for count in counts:
        made.bind(exchange, [("bench", pattern.format(index)) for index in range(bound, count)])
        bound = count
        yield count


def bindings_curve(bench: Bench, kind: str, pattern: str) -> Numbers:
    curve = Curve(bench)
    route = [Publication("bench.flat", f"key.{index:05d}.end", bytes(100)) for index in range(BINDINGS[-1])]
    with topology(bench.url) as made:
        made.declare_queues("bench")
        made.declare_exchange("bench.flat", kind)
        for count in bind_keys(made, "bench.flat", pattern, BINDINGS):
            curve.measure(count, Load([route[:1]], [["bench"]], ack_every=100, prefetch=1000))
        numbers = curve.numbers()
        curve.measure(0, Load([route], [["bench"]], ack_every=100, prefetch=1000))
    return numbers | {"cost_keys": curve.cost(0, BINDINGS[0])}


KEYS_COST = Metric("cost_keys", f"CPU cost with {BINDINGS[-1]:,} keys in turn", "x first", [MANY_KEYS])


@case("flat-direct", "flatness: bindings of a direct exchange", *points("bindings", BINDINGS), KEYS_COST, fresh=True)
def flat_direct(bench: Bench) -> Numbers:
    return bindings_curve(bench, "direct", "key.{:05d}.end")


@case("flat-topic", "flatness: bindings of a topic exchange", *points("bindings", BINDINGS), KEYS_COST, fresh=True)
def flat_topic(bench: Bench) -> Numbers:
    return bindings_curve(bench, "topic", "key.{:05d}.*")


@case("flat-connections", "flatness: idle connections", *points("connections", CONNECTIONS), fresh=True)
def flat_connections(bench: Bench) -> Numbers:
    curve = Curve(bench)
    with ExitStack() as stack:
        made = stack.enter_context(topology(bench.url))
        made.declare_queues("bench")
        opened = 0
        for count in CONNECTIONS:
            stack.enter_context(idle_connections(bench.url, count - opened))
            opened = count
            curve.measure(count, one_queue("bench", 100))
    return curve.numbers()


@case("flat-backlog", "flatness: messages in the queue", *points("messages", BACKLOG), fresh=True)
def flat_backlog(bench: Bench) -> Numbers:
    curve = Curve(bench)
    for count in BACKLOG:
        with topology(bench.url) as made:
            made.declare_queues("bench")
            fill(bench.url, made, "bench", count)
            curve.measure(count, one_queue("bench", 100))
    return curve.numbers()
