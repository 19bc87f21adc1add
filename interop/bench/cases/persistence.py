"""What it costs that nothing confirmed is lost: persistent messages in durable queues, and the start on a full store.

A confirm says something different from broker to broker: amqpy's that the message is on the disk, RabbitMQ's from a
classic queue that it was written to a file.
"""

import time
from functools import partial

from interop.bench import frames
from interop.bench.case import Bench, case, confirmed, persistent
from interop.bench.cases.scale import cpu_percent
from interop.bench.crew import run_together
from interop.bench.jobs import Consume, PublishAll
from interop.bench.metrics import Metric, Numbers, at_most, latency, rate
from interop.bench.peer import Peer, topology

QUEUE = "bench.durable"
KEPT_MESSAGES = 1_000_000
KEPT_BYTES = 100


def confirms(bench: Bench, window: int, size: int, *, consumer: bool) -> Numbers:
    """The consumer, if there is one, acks each message."""
    with topology(bench.url) as made:
        made.declare_queue(QUEUE, {}, durable=True)
        acking = partial(Consume, bench.url, [[QUEUE]], ack_every=1, prefetch=1000)
        return confirmed(bench, [persistent(QUEUE, size)], window, consumer=acking if consumer else None)


def register(window: int, size: int, *, consumer: bool) -> None:
    name = f"persist-{window}" + ("-1k" if size == 1000 else "") + ("" if consumer else "-noconsumer")
    what = f"persistent, {'1 KB' if size == 1000 else f'{size} B'}, confirms, window {window}"
    who = "consumer with one ack a message" if consumer else "no consumer"
    metrics = rate(3 if window == 1000 else 1) + (latency(bounded=False) if window == 1 else ())

    @case(name, f"{what}, {who}", *metrics, durable=True)
    def run(bench: Bench) -> Numbers:
        return confirms(bench, window, size, consumer=consumer)


for _window in (1, 100, 1000):
    for _size in (100, 1000):
        for _consumer in (True, False):
            register(_window, _size, consumer=_consumer)


def answer_seconds(url: str) -> float:
    """How long a client needs from connecting to the reply of its first method."""
    started_at = time.monotonic()
    with Peer(url) as peer:
        peer.sync()
        return time.monotonic() - started_at


@case(
    "startup-durable",
    "start-up on an empty data directory, and idle without connections",
    Metric("start", "exec to connection.start", "ms", [at_most(400)]),
    Metric("answer", "handshake and first reply", "ms", detail=True),
    Metric("memory", "idle memory", "MiB", [at_most(45)]),
    Metric("idle_cpu", "idle CPU", "% of a core"),
    fresh=True,
    durable=True,
    starts=True,
)
def startup_durable(bench: Bench) -> Numbers:
    start = bench.broker.start_seconds * 1000
    idle_cpu = cpu_percent(bench)
    memory = bench.broker.resident_mib()
    return {"start": start, "answer": answer_seconds(bench.url) * 1000, "memory": memory, "idle_cpu": idle_cpu}


@case(
    "startup-1m",
    "start-up with 1,000,000 persistent messages of 100 B in one queue",
    Metric("clean", "after a clean stop", "s", [at_most(3)]),
    Metric("clean_memory", "memory then", "MiB"),
    Metric("killed", "after SIGKILL", "s", [at_most(3)]),
    Metric("killed_memory", "memory then", "MiB"),
    fresh=True,
    durable=True,
    starts=True,
)
def startup_1m(bench: Bench) -> Numbers:
    """A start lasts until a client that could connect has its first reply, with the number of messages in it."""
    with Peer(bench.url) as peer:
        peer.call(frames.queue_declare(1, QUEUE, durable=True), 50, 11)
    run_together(PublishAll(bench.url, [persistent(QUEUE, KEPT_BYTES)], 1000, KEPT_MESSAGES))
    numbers: Numbers = {}
    for how in ("clean", "killed"):
        bench.broker.restart(kill=how == "killed")
        started_at = time.monotonic()
        with Peer(bench.url) as peer:
            depth = peer.depth(QUEUE)
        if depth != KEPT_MESSAGES:
            raise AssertionError(f"{depth} messages after a restart ({how}) instead of {KEPT_MESSAGES}")
        numbers[how] = bench.broker.start_seconds + time.monotonic() - started_at
        numbers[f"{how}_memory"] = bench.broker.resident_mib()
    return numbers
