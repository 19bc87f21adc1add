"""A million messages in, kept, and out again, with a ping on other connections that sees every pause meanwhile."""

import time

from interop.bench.case import Bench, case, to_queue
from interop.bench.crew import Crew, run_together
from interop.bench.jobs import Consume, Probe, Publish
from interop.bench.loops import Flow, Limits
from interop.bench.metrics import Metric, Numbers, at_most, percentiles, ratio_at_least, ratio_at_most
from interop.bench.peer import Topology, topology

MESSAGES = 1_000_000
BODY_BYTES = 100
PINGS_PER_SECOND = 200
PACED_PER_SECOND = 2000
PAUSE_MS = 20


def fill(url: str, made: Topology, queue: str, count: int) -> float:
    """Put messages in a queue nobody consumes, and return the seconds until the last one is in it."""
    if not count:
        return 0.0
    limits = Limits(messages=count)
    (span,) = run_together(Publish(url, [[to_queue(queue, BODY_BYTES)]], limits, Flow(), until_routed=True))
    made.wait_for_depth(queue, count)
    return float(span.seconds)


def drain(url: str, queue: str, count: int) -> float:
    flow = Flow()
    flow.target = count
    (span,) = run_together(Consume(url, [[queue]], flow, ack_every=100, prefetch=1000, late=True))
    return float(span.seconds)


@case(
    "backlog-1m",
    "1,000,000 messages of 100 B in, kept, and out; a ping every 5 ms beside",
    Metric("in", "in", "msg/s", [ratio_at_least(1)]),
    Metric("in_us", "CPU of the broker", "µs/msg"),
    Metric("out", "out", "msg/s", [ratio_at_least(1)]),
    Metric("out_us", "CPU of the broker", "µs/msg"),
    Metric("memory", "memory of the broker at the top", "MiB", [ratio_at_most(1)]),
    Metric("each", "memory of one message", "B"),
    Metric("after", "memory of the broker afterwards", "MiB", detail=True),
    Metric("quiet_max", "longest ping before", "ms", detail=True),
    Metric("in_max", "longest ping on the way in", "ms", [at_most(PAUSE_MS)]),
    Metric("kept_max", "longest ping while kept, at 2,000 msg/s beside", "ms", [at_most(PAUSE_MS)]),
    Metric("out_max", "longest ping on the way out", "ms", [at_most(PAUSE_MS)]),
    Metric("in_p99", "ping p99 on the way in", "ms", detail=True),
    Metric("kept_p99", "ping p99 while kept", "ms", detail=True),
    Metric("out_p99", "ping p99 on the way out", "ms", detail=True),
    fresh=True,
)
def backlog_1m(bench: Bench) -> Numbers:
    flow = Flow()
    with topology(bench.url) as made:
        made.declare_queues("bench", "ping", "paced")
        before = bench.broker.resident_mib()
        with Crew(Probe(bench.url, to_queue("ping", BODY_BYTES), PINGS_PER_SECOND, flow)) as pinging:
            pinging.go()
            marks = [time.monotonic()]
            time.sleep(1.0)
            marks.append(time.monotonic())
            cpu = bench.broker.cpu_seconds()
            seconds_in = fill(bench.url, made, "bench", MESSAGES)
            in_us = bench.cpu_us(cpu, MESSAGES)
            marks.append(time.monotonic())
            top = bench.broker.resident_mib()
            beside = Probe(bench.url, to_queue("paced", BODY_BYTES), PACED_PER_SECOND, Flow(), bench.seconds)
            run_together(beside)
            marks.append(time.monotonic())
            cpu = bench.broker.cpu_seconds()
            seconds_out = drain(bench.url, "bench", MESSAGES)
            out_us = bench.cpu_us(cpu, MESSAGES)
            marks.append(time.monotonic())
            flow.stop()
            (pings,) = pinging.results()
        after = bench.broker.resident_mib()
    numbers = {
        "in": MESSAGES / seconds_in,
        "in_us": in_us,
        "out": MESSAGES / seconds_out,
        "out_us": out_us,
        "memory": top,
        "each": (top - before) * 1024 * 1024 / MESSAGES,
        "after": after,
    }
    for prefix, start, end in zip(("quiet_", "in_", "kept_", "out_"), marks[:-1], marks[1:], strict=True):
        numbers |= percentiles(pings.between(start, end), prefix)
    return numbers
