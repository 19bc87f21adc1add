"""Streams over AMQP 0-9-1: into one, through one, and what is kept in one to those who read it later.

A confirm says something different from broker to broker: amqpy's that the message is on the disk, RabbitMQ's that it
was written to a file.
"""

from functools import partial

from interop.bench.case import Bench, case, confirmed
from interop.bench.cases.realistic import events
from interop.bench.crew import run_together
from interop.bench.jobs import Consume, PublishAll
from interop.bench.loops import Flow
from interop.bench.messages import persistent_event
from interop.bench.metrics import Metric, Numbers, rate, ratio
from interop.bench.peer import Topology, topology

STREAM = "bench.stream"
ARGUMENTS = {"x-queue-type": "stream"}
KEPT = 200_000
READERS = 100
READ_BY_EACH = 20_000


def declare(made: Topology) -> None:
    made.declare_queue(STREAM, ARGUMENTS, durable=True)


def reading(bench: Bench, flow: Flow, readers: int = 1, *, offset: str | int = "first", late: bool = False) -> Consume:
    return Consume(
        bench.url,
        [[STREAM]] * readers,
        flow,
        ack_every=100,
        prefetch=1000,
        varied=True,
        late=late,
        arguments={"x-stream-offset": offset},
    )


def fill(bench: Bench, count: int) -> None:
    run_together(PublishAll(bench.url, events(STREAM, persistent_event), 1000, count))


def replay(bench: Bench, readers: int, each: int) -> Numbers:
    """So many messages to each of the readers, from the beginning on."""
    flow = Flow()
    flow.target = readers * each
    before = bench.broker.cpu_seconds()
    (span,) = run_together(reading(bench, flow, readers, late=True))
    return {
        "rate": span.total / span.seconds,
        "broker_us": bench.cpu_us(before, span.total),
        "load_us": span.cpu_seconds / span.total * 1e6,
    }


@case("stream-in", "distinct messages into a stream, confirms, window 1000", *rate(4), durable=True)
def into(bench: Bench) -> Numbers:
    with topology(bench.url) as made:
        declare(made)
        return confirmed(bench, events(STREAM, persistent_event), 1000, consumer=None)


@case("stream-in-20", "distinct messages into a stream, confirms, window 20", *rate(0.5), durable=True)
def into_with_small_window(bench: Bench) -> Numbers:
    with topology(bench.url) as made:
        declare(made)
        return confirmed(bench, events(STREAM, persistent_event), 20, consumer=None)


@case(
    "stream-through",
    "distinct messages into a stream, confirms, window 1000, and to a reader, multiple ack every 100",
    *rate(2),
    durable=True,
)
def through(bench: Bench) -> Numbers:
    with topology(bench.url) as made:
        declare(made)
        return confirmed(bench, events(STREAM, persistent_event), 1000, consumer=partial(reading, bench, offset="next"))


@case("stream-replay", f"{KEPT:,} messages of a stream to one reader, multiple ack every 100", *rate(2), durable=True)
def replayed(bench: Bench) -> Numbers:
    with topology(bench.url) as made:
        declare(made)
        fill(bench, KEPT)
        return replay(bench, 1, KEPT)


@case(
    "stream-readers",
    f"{READ_BY_EACH:,} messages of a stream to {READERS} readers each, multiple ack every 100",
    *rate(2),
    Metric("beside_one", "rate beside that of one reader", "x"),
    Metric("more_memory", "memory of the broker for a reader", "KiB", detail=True),
    durable=True,
)
def many_readers(bench: Bench) -> Numbers:
    with topology(bench.url) as made:
        declare(made)
        fill(bench, READ_BY_EACH)
        one = replay(bench, 1, READ_BY_EACH)
        memory = bench.broker.resident_mib()
        many = replay(bench, READERS, READ_BY_EACH)
        more_memory = (bench.broker.resident_mib() - memory) / READERS * 1024
        return many | {"beside_one": ratio(many["rate"], one["rate"]), "more_memory": more_memory}
