"""Messages per second through the broker: the first cases are what people compare brokers by."""

import random
from functools import partial

from interop.bench.case import Bench, Load, case, confirmed, one_queue, throughput, to_queue
from interop.bench.frames import Publication
from interop.bench.jobs import Consume
from interop.bench.metrics import (
    LOAD_CPU,
    NEAREST,
    Metric,
    Numbers,
    broker_cpu,
    latency,
    rate,
    ratio_at_least,
    ratio_at_most,
)
from interop.bench.peer import topology

QUEUE = "bench"
FANOUT_QUEUES = 50
TOPIC_BINDINGS = 10_000
TOPIC_QUEUES = 100
LARGE_BODY = 1_000_000

THROUGH_ONE_QUEUE = rate(6, cpu=[ratio_at_most(0.8, NEAREST)])


def through_one_queue(bench: Bench, load: Load) -> Numbers:
    with topology(bench.url) as made:
        made.declare_queues(*(name for names in load.queues for name in names))
        return throughput(bench, load)


@case("noack-16", "16 B, no ack", *THROUGH_ONE_QUEUE)
def noack_16(bench: Bench) -> Numbers:
    return through_one_queue(bench, one_queue(QUEUE, 16, ack_every=0, prefetch=0))


@case("prefetch-100", "100 B, prefetch 1000, multiple ack every 100", *THROUGH_ONE_QUEUE)
def prefetch_100(bench: Bench) -> Numbers:
    return through_one_queue(bench, one_queue(QUEUE, 100))


@case("prefetch-1k", "1 KB, prefetch 1000, multiple ack every 100", *THROUGH_ONE_QUEUE)
def prefetch_1k(bench: Bench) -> Numbers:
    return through_one_queue(bench, one_queue(QUEUE, 1000))


@case("ackeach-100", "100 B, prefetch 1000, one ack a message", *THROUGH_ONE_QUEUE)
def ackeach_100(bench: Bench) -> Numbers:
    return through_one_queue(bench, one_queue(QUEUE, 100, ack_every=1))


@case("ackeach-1k", "1 KB, prefetch 1000, one ack a message", *THROUGH_ONE_QUEUE)
def ackeach_1k(bench: Bench) -> Numbers:
    return through_one_queue(bench, one_queue(QUEUE, 1000, ack_every=1))


def confirms(bench: Bench, window: int) -> Numbers:
    """While a no-ack consumer keeps the queue empty."""
    with topology(bench.url) as made:
        made.declare_queues(QUEUE)
        consumer = partial(Consume, bench.url, [[QUEUE]])
        return confirmed(bench, [to_queue(QUEUE, 100)], window, consumer=consumer)


@case("confirms-1000", "100 B, publisher confirms, window 1000, no-ack consumer", *rate(3))
def confirms_1000(bench: Bench) -> Numbers:
    return confirms(bench, 1000)


@case("confirms-1", "100 B, publisher confirms, window 1, no-ack consumer", *rate(3), *latency())
def confirms_1(bench: Bench) -> Numbers:
    return confirms(bench, 1)


@case("2x2-one-queue", "2 publishers, 2 consumers, 1 queue, 100 B, multiple ack every 100", *rate(3))
def two_by_two_on_one_queue(bench: Bench) -> Numbers:
    load = Load([[to_queue(QUEUE, 100)]] * 2, [[QUEUE]] * 2, ack_every=100, prefetch=1000)
    with topology(bench.url) as made:
        made.declare_queues(QUEUE)
        return throughput(bench, load)


@case("2x2-two-queues", "2 publishers, 2 consumers, 2 queues, 100 B, multiple ack every 100", *rate(3))
def two_by_two_on_two_queues(bench: Bench) -> Numbers:
    names = ["bench-1", "bench-2"]
    routes = [[to_queue(name, 100)] for name in names]
    return through_one_queue(bench, Load(routes, [[name] for name in names], ack_every=100, prefetch=1000))


FANOUT_RATE = Metric("rate", "deliveries", "msg/s", [ratio_at_least(1)])


@case("fanout-50", "fanout to 50 queues, 100 B, no ack", FANOUT_RATE, broker_cpu(), LOAD_CPU)
def fanout_50(bench: Bench) -> Numbers:
    queues = [f"bench-{index:02d}" for index in range(FANOUT_QUEUES)]
    with topology(bench.url) as made:
        made.declare_queues(*queues)
        made.declare_exchange("bench.fanout", "fanout")
        made.bind("bench.fanout", [(queue, "") for queue in queues])
        routes = [[Publication("bench.fanout", "", bytes(100))]]
        return throughput(bench, Load(routes, [queues], fanout=FANOUT_QUEUES))


def topic_pattern(index: int) -> str:
    """One third without wildcards, one third with `*`, one third with `#`; each matches one of the keys."""
    return f"site.{index:05d}." + ("room.heat", "*.heat", "#")[index % 3]


@case("topic-10000", "topic exchange, 10,000 bindings to 100 queues, 10,000 routing keys, 100 B, no ack", *rate())
def topic_10000(bench: Bench) -> Numbers:
    queues = [f"bench-{index:03d}" for index in range(TOPIC_QUEUES)]
    keys = [f"site.{index:05d}.room.heat" for index in range(TOPIC_BINDINGS)]
    random.Random(0).shuffle(keys)
    bindings = [(queues[index % TOPIC_QUEUES], topic_pattern(index)) for index in range(TOPIC_BINDINGS)]
    with topology(bench.url) as made:
        made.declare_queues(*queues)
        made.declare_exchange("bench.topic", "topic")
        made.bind("bench.topic", bindings)
        return throughput(bench, Load([[Publication("bench.topic", key, bytes(100)) for key in keys]], [queues]))


BYTES_RATE = Metric("bytes", "throughput", "MB/s", [ratio_at_least(1)])


@case("bodies-1m", "bodies of 1 MB, prefetch 10, one ack a message", BYTES_RATE, broker_cpu(), LOAD_CPU)
def bodies_1m(bench: Bench) -> Numbers:
    numbers = through_one_queue(bench, one_queue(QUEUE, LARGE_BODY, ack_every=1, prefetch=10))
    return numbers | {"bytes": numbers["rate"] * LARGE_BODY / 1e6}
