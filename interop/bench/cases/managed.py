"""What clients of AMQP notice of others who ask the management API: a broker with 10,000 queues has much to tell."""

import time
from collections.abc import Callable
from contextlib import nullcontext

from interop.bench.case import Bench, case, to_queue
from interop.bench.cases.latency import PACED_PER_SECOND
from interop.bench.cases.scale import IDLE_QUEUES, idle_queues
from interop.bench.crew import Crew, Job
from interop.bench.jobs import Ask, Look, Probe, has_live_pages
from interop.bench.loops import Flow
from interop.bench.metrics import Metric, Numbers, at_most, percentiles
from interop.bench.peer import topology
from interop.kit.process import core_of_its_own

REQUESTS_PER_SECOND = 20
CONNECTIONS = 4
POLLERS = 50
OPEN_PAGES = 100
REFRESH_S = 5.0
"""Seconds after which a page of RabbitMQ asks again."""
SLOWER = 1.5
"""The factor by which latencies may be longer beside requests."""

PAGES = (
    "/api/overview",
    "/api/queues?page=1&page_size=100",
    "/api/nodes",
    "/api/queues/%2F/bench",
    "/api/connections",
    "/api/queues?page=50&page_size=100&sort_reverse=true",
    "/api/channels",
    "/api/exchanges",
    "/api/queues?page=1&page_size=100&name=idle-099",
    "/api/vhosts",
)
"""The questions of those who watch a broker, as RabbitMQ's user interface asks them."""


PAGE = ("/overview", "/queues?page=1&page_size=100", "/connections")
"""The answers that an open page shows."""


def metrics() -> tuple[Metric, ...]:
    return (
        Metric("alone_p99", "latency p99 without requests", "ms"),
        Metric("p99", "latency p99", "ms"),
        Metric("slower", "the same, relative to that without", "x", [at_most(SLOWER)]),
        Metric("max", "latency max", "ms", detail=True),
        Metric("answered", "answers", "answers/s"),
        Metric("alone_cpu", "CPU of the broker without", "% of a core", detail=True),
        Metric("cpu", "CPU of the broker meanwhile", "% of a core", detail=True),
    )


def of_requests() -> tuple[Metric, ...]:
    return (*metrics(), Metric("answer_p50", "answer p50", "ms"), Metric("answer_p99", "answer p99", "ms"))


def beside(bench: Bench, asking_job: Callable[[Flow], Job]) -> Numbers:
    """Latencies of 2,000 messages a second, first alone and then beside requests.

    The broker has a core of its own: on two, those who ask would else take the processor from it or from those who
    measure, for the milliseconds in which they read an answer.
    """
    asking, pinging = Flow(), Flow()
    apart = core_of_its_own(bench.broker.pid) if bench.broker.pid else nullcontext()
    with apart, topology(bench.url) as made:
        made.declare_queues("bench", *idle_queues(IDLE_QUEUES))
        ask = asking_job(asking)
        probe = Probe(bench.url, to_queue("bench", 100), PACED_PER_SECOND, pinging)
        with Crew(ask) as askers, Crew(probe) as pings:
            pings.go()
            time.sleep(1)
            alone_from, alone_cpu = time.monotonic(), bench.broker.cpu_seconds()
            time.sleep(bench.seconds)
            alone_cpu = bench.broker.cpu_seconds() - alone_cpu
            askers.go()
            time.sleep(1)
            asked_from, cpu = time.monotonic(), bench.broker.cpu_seconds()
            time.sleep(bench.seconds)
            until, cpu = time.monotonic(), bench.broker.cpu_seconds() - cpu
            asking.stop()
            (answers,) = askers.results()
            pinging.stop()
            (latencies,) = pings.results()
    alone = percentiles(latencies.between(alone_from, alone_from + bench.seconds))
    numbers = percentiles(latencies.between(asked_from, until))
    answered = answers.between(asked_from, until)
    return {
        "alone_p99": alone["p99"],
        **numbers,
        "slower": numbers["p99"] / alone["p99"],
        "answered": len(answered) / (until - asked_from),
        **percentiles(answered, "answer_"),
        "alone_cpu": alone_cpu / bench.seconds * 100,
        "cpu": cpu / (until - asked_from) * 100,
    }


@case(
    "managed",
    "2,000 msg/s at fixed times, 10,000 queues, and 20 requests a second to the management API",
    *of_requests(),
    managed=True,
    fresh=True,
)
def managed(bench: Bench) -> Numbers:
    port, every_s = bench.broker.management_port, CONNECTIONS / REQUESTS_PER_SECOND
    return beside(bench, lambda flow: Ask(port, PAGES, CONNECTIONS, every_s, flow))


@case(
    "pollers-50",
    "2,000 msg/s at fixed times, 10,000 queues, and 50 clients that each ask the management API once a second",
    *of_requests(),
    managed=True,
    fresh=True,
)
def pollers_50(bench: Bench) -> Numbers:
    return beside(bench, lambda flow: Ask(bench.broker.management_port, PAGES, POLLERS, 1.0, flow))


@case(
    "pages-100",
    "2,000 msg/s at fixed times, 10,000 queues, and 100 open pages: live ones, or else such as ask again after 5 s",
    *metrics(),
    managed=True,
    fresh=True,
)
def pages_100(bench: Bench) -> Numbers:
    port = bench.broker.management_port
    paths = [f"/api{path}" for path in PAGE]
    if has_live_pages(port):
        return beside(bench, lambda flow: Look(port, PAGE, OPEN_PAGES, flow))
    return beside(bench, lambda flow: Ask(port, paths, OPEN_PAGES, REFRESH_S / len(paths), flow))
