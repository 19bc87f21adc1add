"""What connections take from each other."""

import time

from interop.bench.case import Bench, case, one_queue, throughput, to_queue
from interop.bench.cases.backlog import fill
from interop.bench.crew import run_together
from interop.bench.jobs import CONSUMER_TAG, Consume, Probe, Publish
from interop.bench.loops import Flow, Limits
from interop.bench.metrics import Metric, Numbers, broker_cpu, latency, percentiles, ratio_at_least, ratio_at_most
from interop.bench.peer import Peer, topology

EQUAL_PUBLISHERS = 8
UNREAD_MESSAGES = 200_000
FLOODED_PER_SECOND = 500


@case(
    "fair-publishers",
    "8 equal publishers, each with a queue and a no-ack consumer, for a fixed time",
    Metric("rate", "all together", "msg/s", [ratio_at_least(1)]),
    broker_cpu(),
    Metric("share", "smallest share / largest", ""),
)
def fair_publishers(bench: Bench) -> Numbers:
    queues = [f"bench-{index}" for index in range(EQUAL_PUBLISHERS)]
    flow = Flow()
    with topology(bench.url) as made:
        made.declare_queues(*queues)
        before = bench.broker.cpu_seconds()
        _, consumed = run_together(
            Publish(bench.url, [[to_queue(name, 100)] for name in queues], Limits(bench.seconds), flow),
            Consume(bench.url, [[name] for name in queues], Flow(), seconds=bench.seconds),
        )
        cpu_us = bench.cpu_us(before, consumed.total)
    share = min(consumed.counts) / max(consumed.counts)
    return {"rate": consumed.total / consumed.seconds, "broker_us": cpu_us, "share": share}


@case(
    "slow-consumer",
    "beside a no-ack consumer that does not read, with 200,000 messages waiting for it",
    Metric("rate", "throughput of the others", "msg/s", [ratio_at_least(1)]),
    broker_cpu(),
    Metric("share", "of their rate without it", "x"),
    Metric("kept", "messages kept in the queue", "%"),
    Metric("growth", "memory given to it", "MiB", [ratio_at_most(1)]),
    fresh=True,
)
def slow_consumer(bench: Bench) -> Numbers:
    with topology(bench.url) as made:
        made.declare_queues("bench", "unread")
        alone = throughput(bench, one_queue("bench", 100))
        fill(bench.url, made, "unread", UNREAD_MESSAGES)
        before = bench.broker.resident_mib()
        with Peer(bench.url) as sleeper:
            sleeper.consume("unread", CONSUMER_TAG % 0, no_ack=True)
            time.sleep(1.0)
            growth = bench.broker.resident_mib() - before
            kept = made.peer.depth("unread")
            beside = throughput(bench, one_queue("bench", 100))
    return {
        "rate": beside["rate"],
        "broker_us": beside["broker_us"],
        "share": beside["rate"] / alone["rate"],
        "kept": kept / UNREAD_MESSAGES * 100,
        "growth": growth,
    }


@case(
    "flood",
    "500 msg/s at fixed times beside a publisher that floods a queue nobody consumes",
    Metric("rate", "flood", "msg/s", [ratio_at_least(1)]),
    broker_cpu(),
    *latency(),
    fresh=True,
)
def flood(bench: Bench) -> Numbers:
    with topology(bench.url) as made:
        made.declare_queues("bench", "flood")
        route = [[to_queue("flood", 100)]]
        before = bench.broker.cpu_seconds()
        flooded, latencies = run_together(
            Publish(bench.url, route, Limits(bench.seconds), Flow(), until_routed=True),
            Probe(bench.url, to_queue("bench", 100), FLOODED_PER_SECOND, Flow(), bench.seconds),
        )
        cpu_us = bench.cpu_us(before, flooded.total)
    return {"rate": flooded.total / flooded.seconds, "broker_us": cpu_us} | percentiles(latencies.seconds)
