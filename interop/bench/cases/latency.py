"""How long one message takes, and what many small clients get."""

from interop.bench.case import Bench, case, small_clients, to_queue
from interop.bench.crew import run_together
from interop.bench.jobs import Call, Probe, Respond
from interop.bench.loops import Flow
from interop.bench.metrics import Metric, Numbers, broker_cpu, latency, percentiles, rate, ratio_at_least
from interop.bench.peer import topology

PACED_PER_SECOND = 2000

CALL_RATE = Metric("rate", "calls", "calls/s", [ratio_at_least(1)])


@case("rpc", "request and reply, one at a time, 100 B, no ack", CALL_RATE, broker_cpu(unit="µs/call"), *latency())
def rpc(bench: Bench) -> Numbers:
    with topology(bench.url) as made:
        made.declare_queues("bench-request", "bench-reply")
        flow = Flow()
        before = bench.broker.cpu_seconds()
        latencies, _ = run_together(
            Call(bench.url, to_queue("bench-request", 100), "bench-reply", bench.seconds, flow),
            Respond(bench.url, "bench-request", to_queue("bench-reply", 100), flow),
        )
        cpu_us = bench.cpu_us(before, len(latencies.seconds))
    calls_per_second = len(latencies.seconds) / sum(latencies.seconds)
    return {"rate": calls_per_second, "broker_us": cpu_us} | percentiles(latencies.seconds)


@case("paced", "2,000 msg/s at fixed times, 100 B, one ack a message", *latency())
def paced(bench: Bench) -> Numbers:
    with topology(bench.url) as made:
        made.declare_queues("bench")
        (latencies,) = run_together(Probe(bench.url, to_queue("bench", 100), PACED_PER_SECOND, Flow(), bench.seconds))
    return percentiles(latencies.seconds)


@case(
    "clients-500",
    "500 connections that each publish, consume and ack one 100 B message at a time",
    *rate(3),
    *latency(),
)
def clients_500(bench: Bench) -> Numbers:
    return small_clients(bench, lambda queue, _: [to_queue(queue, 100)])
