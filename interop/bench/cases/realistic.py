"""The rates again, with messages as applications send them (`messages`): no two are alike.

The CPU of the broker counts as much as the rate: on shared cores it varies less, and it says what a machine can carry.
"""

from collections.abc import Mapping, Sequence
from functools import partial

from interop.bench.case import Bench, Load, case, confirmed, small_clients, throughput
from interop.bench.frames import Publication
from interop.bench.jobs import Consume
from interop.bench.messages import Make, business_event, celery_task, distinct, persistent_event
from interop.bench.metrics import (
    MANY_KEYS,
    NEAREST,
    Metric,
    Numbers,
    latency,
    rate,
    ratio,
    ratio_at_least,
    ratio_at_most,
)
from interop.bench.peer import topology

QUEUE = "bench"
FANOUT_QUEUES = 10
KEYS = [f"orders.{index:05d}.created" for index in range(10_000)]
KEYS_COST = Metric("cost", "CPU beside one routing key", "x one", [MANY_KEYS])
QUORUM = {"x-queue-type": "quorum"}

TRANSIENT = rate(4, cpu=[ratio_at_most(0.1), ratio_at_most(0.7, NEAREST)])


def events(queue: str = QUEUE, make: Make = business_event, seed: int = 0) -> list[Publication]:
    return distinct(make, "", queue, seed=seed)


def through(bench: Bench, load: Load) -> Numbers:
    with topology(bench.url) as made:
        made.declare_queues(*dict.fromkeys(name for names in load.queues for name in names))
        return throughput(bench, load)


@case("real-noack", "distinct messages, no ack", *TRANSIENT)
def noack(bench: Bench) -> Numbers:
    return through(bench, Load([events()], [[QUEUE]], varied=True))


@case("real-prefetch", "distinct messages, prefetch 1000, multiple ack every 100", *TRANSIENT)
def prefetch(bench: Bench) -> Numbers:
    return through(bench, Load([events()], [[QUEUE]], ack_every=100, prefetch=1000, varied=True))


@case("real-ackeach", "distinct messages, prefetch 1000, one ack a message", *TRANSIENT)
def ackeach(bench: Bench) -> Numbers:
    return through(bench, Load([events()], [[QUEUE]], ack_every=1, prefetch=1000, varied=True))


@case("real-2x2", "distinct messages, 2 publishers, 2 consumers, 1 queue, multiple ack every 100", *TRANSIENT)
def two_by_two(bench: Bench) -> Numbers:
    routes = [events(seed=seed) for seed in range(2)]
    return through(bench, Load(routes, [[QUEUE]] * 2, ack_every=100, prefetch=1000, varied=True))


@case("real-confirms", "distinct messages, publisher confirms, window 1000, no-ack consumer", *TRANSIENT)
def confirms(bench: Bench) -> Numbers:
    with topology(bench.url) as made:
        made.declare_queues(QUEUE)
        return confirmed(bench, events(), 1000, consumer=partial(Consume, bench.url, [[QUEUE]], varied=True))


def persistent(bench: Bench, arguments: Mapping[str, int | str | bool]) -> Numbers:
    with topology(bench.url) as made:
        made.declare_queue(QUEUE, arguments, durable=True)
        consumer = partial(Consume, bench.url, [[QUEUE]], ack_every=1, prefetch=1000, varied=True)
        return confirmed(bench, events(make=persistent_event), 1000, consumer=consumer)


@case(
    "real-persist",
    "distinct persistent messages, confirms, window 1000, one ack each",
    *rate(4, ratio_at_least(1, NEAREST)),
    durable=True,
)
def persist(bench: Bench) -> Numbers:
    return persistent(bench, {})


@case(
    "real-quorum",
    "distinct persistent messages, quorum queue, confirms, window 1000, one ack each",
    *rate(4),
    durable=True,
)
def quorum(bench: Bench) -> Numbers:
    return persistent(bench, QUORUM)


@case("real-celery", "tasks of Celery, durable queue, prefetch 4, one ack each", *rate(4), durable=True)
def celery(bench: Bench) -> Numbers:
    with topology(bench.url) as made:
        made.declare_queue(QUEUE, {}, durable=True)
        load = Load([events(make=celery_task)], [[QUEUE]] * 2, ack_every=1, prefetch=4, varied=True)
        return throughput(bench, load)


@case("real-fanout", "distinct messages, fanout to 10 queues, no ack", *rate(4))
def fanout(bench: Bench) -> Numbers:
    queues = [f"bench-{index}" for index in range(FANOUT_QUEUES)]
    with topology(bench.url) as made:
        made.declare_queues(*queues)
        made.declare_exchange("bench.fanout", "fanout")
        made.bind("bench.fanout", [(queue, "") for queue in queues])
        route = distinct(business_event, "bench.fanout", "")
        return throughput(bench, Load([route], [[queue] for queue in queues], fanout=FANOUT_QUEUES, varied=True))


def one_key_and_many(bench: Bench, kind: str, bindings: Sequence[str]) -> Numbers:
    """Through an exchange to one queue; `cost` is the CPU with 10,000 routing keys in turn, relative to one of them."""
    exchange = f"bench.{kind}"
    with topology(bench.url) as made:
        made.declare_queues(QUEUE)
        made.declare_exchange(exchange, kind)
        made.bind(exchange, [(QUEUE, key) for key in bindings])
        one, many = (
            throughput(bench, Load([distinct(business_event, exchange, *keys)], [[QUEUE]], varied=True))
            for keys in (KEYS[:1], KEYS)
        )
    return many | {"cost": ratio(many["broker_us"], one["broker_us"])}


@case(
    "real-direct", "distinct messages, direct exchange, 10,000 bindings and keys in turn, no ack", *rate(4), KEYS_COST
)
def direct(bench: Bench) -> Numbers:
    return one_key_and_many(bench, "direct", KEYS)


@case("real-topic", "distinct messages, topic exchange, 10,000 routing keys in turn, no ack", *rate(4), KEYS_COST)
def topic(bench: Bench) -> Numbers:
    return one_key_and_many(bench, "topic", ["orders.*.created", "orders.#"])


@case("real-clients", "500 connections that each publish, consume and ack one at a time", *rate(3), *latency())
def clients(bench: Bench) -> Numbers:
    def route(queue: str, seed: int) -> list[Publication]:
        return distinct(business_event, "", queue, count=20, seed=seed)

    return small_clients(bench, route)
