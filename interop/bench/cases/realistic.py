"""The rates again, with messages as applications send them (`messages`): no two are alike.

The CPU of the broker counts as much as the rate: on shared cores it varies less, and it says what a machine can carry.
"""

from collections.abc import Mapping
from functools import partial

from interop.bench.case import (
    LOAD_CPU,
    Bench,
    Load,
    Metric,
    Numbers,
    case,
    confirmed,
    latency,
    small_clients,
    throughput,
)
from interop.bench.frames import Publication
from interop.bench.jobs import Consume
from interop.bench.messages import Make, business_event, celery_task, distinct, persistent_event
from interop.bench.peer import topology

QUEUE = "bench"
FANOUT_QUEUES = 10
KEYS = 10_000
QUORUM = {"x-queue-type": "quorum"}
DYING: Mapping[str, int | str | bool] = {
    "x-message-ttl": 0,
    "x-dead-letter-exchange": "",
    "x-dead-letter-routing-key": QUEUE,
}


def beside(rate: float | None = 4, cpu: float | None = None) -> tuple[Metric, ...]:
    return (
        Metric("rate", "throughput", "msg/s", ratio_at_least=rate),
        Metric("broker_us", "CPU of the broker", "µs/msg", ratio_at_most=cpu),
        LOAD_CPU,
    )


def events(queue: str = QUEUE, make: Make = business_event, seed: int = 0) -> list[Publication]:
    return distinct(make, "", queue, seed=seed)


def through(bench: Bench, load: Load) -> Numbers:
    with topology(bench.url) as made:
        made.declare_queues(*dict.fromkeys(name for names in load.queues for name in names))
        return throughput(bench, load)


@case("real-noack", "distinct messages, no ack", *beside(cpu=0.1))
def noack(bench: Bench) -> Numbers:
    return through(bench, Load([events()], [[QUEUE]], varied=True))


@case("real-prefetch", "distinct messages, prefetch 1000, multiple ack every 100", *beside(cpu=0.1))
def prefetch(bench: Bench) -> Numbers:
    return through(bench, Load([events()], [[QUEUE]], ack_every=100, prefetch=1000, varied=True))


@case("real-ackeach", "distinct messages, prefetch 1000, one ack a message", *beside(cpu=0.1))
def ackeach(bench: Bench) -> Numbers:
    return through(bench, Load([events()], [[QUEUE]], ack_every=1, prefetch=1000, varied=True))


@case("real-2x2", "distinct messages, 2 publishers, 2 consumers, 1 queue, multiple ack every 100", *beside(cpu=0.1))
def two_by_two(bench: Bench) -> Numbers:
    routes = [events(seed=seed) for seed in range(2)]
    return through(bench, Load(routes, [[QUEUE]] * 2, ack_every=100, prefetch=1000, varied=True))


@case("real-confirms", "distinct messages, publisher confirms, window 1000, no-ack consumer", *beside(cpu=0.1))
def confirms(bench: Bench) -> Numbers:
    with topology(bench.url) as made:
        made.declare_queues(QUEUE)
        return confirmed(bench, events(), 1000, consumer=partial(Consume, bench.url, [[QUEUE]], varied=True))


def persistent(bench: Bench, arguments: Mapping[str, int | str | bool]) -> Numbers:
    with topology(bench.url) as made:
        made.declare_queue(QUEUE, arguments, durable=True)
        consumer = partial(Consume, bench.url, [[QUEUE]], ack_every=1, prefetch=1000, varied=True)
        return confirmed(bench, events(make=persistent_event), 1000, consumer=consumer)


@case("real-persist", "distinct persistent messages, confirms, window 1000, one ack each", *beside(), durable=True)
def persist(bench: Bench) -> Numbers:
    return persistent(bench, {})


@case("real-quorum", "the same, through a quorum queue", *beside(), durable=True)
def quorum(bench: Bench) -> Numbers:
    return persistent(bench, QUORUM)


@case("real-celery", "tasks of Celery, durable queue, prefetch 4, one ack each", *beside(), durable=True)
def celery(bench: Bench) -> Numbers:
    with topology(bench.url) as made:
        made.declare_queue(QUEUE, {}, durable=True)
        load = Load([events(make=celery_task)], [[QUEUE]] * 2, ack_every=1, prefetch=4, varied=True)
        return throughput(bench, load)


@case("real-dead-letters", "distinct messages that expire at once, out of another queue", *beside())
def dead_letters(bench: Bench) -> Numbers:
    with topology(bench.url) as made:
        made.declare_queue("dying", DYING)
        made.declare_queues(QUEUE)
        load = Load([events("dying")], [[QUEUE]], ack_every=100, prefetch=1000, varied=True)
        return throughput(bench, load)


@case("real-fanout", "distinct messages, fanout to 10 queues, no ack", *beside())
def fanout(bench: Bench) -> Numbers:
    queues = [f"bench-{index}" for index in range(FANOUT_QUEUES)]
    with topology(bench.url) as made:
        made.declare_queues(*queues)
        made.declare_exchange("bench.fanout", "fanout")
        made.bind("bench.fanout", [(queue, "") for queue in queues])
        route = distinct(business_event, "bench.fanout", "")
        return throughput(bench, Load([route], [[queue] for queue in queues], fanout=FANOUT_QUEUES, varied=True))


@case("real-topic", "distinct messages, topic exchange, 10,000 routing keys in turn, no ack", *beside())
def topic(bench: Bench) -> Numbers:
    keys = [f"orders.{index:05d}.created" for index in range(KEYS)]
    with topology(bench.url) as made:
        made.declare_queues(QUEUE)
        made.declare_exchange("bench.topic", "topic")
        made.bind("bench.topic", [(QUEUE, "orders.*.created"), (QUEUE, "orders.#")])
        return throughput(bench, Load([distinct(business_event, "bench.topic", *keys)], [[QUEUE]], varied=True))


@case("real-clients", "500 connections that each publish, consume and ack one at a time", *beside(3), *latency())
def clients(bench: Bench) -> Numbers:
    def route(queue: str, seed: int) -> list[Publication]:
        return distinct(business_event, "", queue, count=20, seed=seed)

    return small_clients(bench, route)
