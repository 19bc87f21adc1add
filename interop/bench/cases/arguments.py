"""What the arguments of a queue cost a message, relative to a queue without any.

The message goes the way of `prefetch-100`, and what is compared is the CPU of the broker. No limit is ever reached and
nothing expires, but for the dead letters, where every message does. Each is measured twice, with distinct messages as
applications send them and with one message repeated.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from interop.bench.case import Bench, Load, case, throughput, to_queue
from interop.bench.frames import Publication
from interop.bench.messages import business_event, distinct, prioritised_event
from interop.bench.metrics import Metric, Numbers, at_most, rate, ratio, ratio_at_least
from interop.bench.peer import topology

QUEUE = "bench"
PRIORITY_FLAG = 0x0800
LEVELS = 4
COST = 1.5
"""What any of them may cost, in plain queues."""

Arguments = Mapping[str, int | str | bool]
ARGUMENTS: dict[str, tuple[str, Arguments]] = {
    "ttl": ("x-message-ttl", {"x-message-ttl": 3_600_000}),
    "length": ("x-max-length", {"x-max-length": 10_000_000}),
    "bytes": ("x-max-length-bytes", {"x-max-length-bytes": 1 << 40}),
    "reject": ("x-overflow reject-publish", {"x-max-length": 10_000_000, "x-overflow": "reject-publish"}),
    "priority": ("x-max-priority, four priorities in turn", {"x-max-priority": LEVELS}),
    "single": ("x-single-active-consumer", {"x-single-active-consumer": True}),
    "quorum": ("x-queue-type quorum", {"x-queue-type": "quorum"}),
}
DYING: Arguments = {"x-message-ttl": 0, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": QUEUE}


@dataclass(frozen=True)
class Messages:
    plain: Sequence[Publication]
    prioritised: Sequence[Publication]
    varied: bool  # they differ in size


def distinct_messages() -> Messages:
    return Messages(distinct(business_event, "", QUEUE), distinct(prioritised_event, "", QUEUE), varied=True)


def repeated_messages() -> Messages:
    levels = [Publication("", QUEUE, bytes(100), PRIORITY_FLAG, bytes([level])) for level in range(LEVELS)]
    return Messages([to_queue(QUEUE, 100)], levels, varied=False)


def through(bench: Bench, arguments: Arguments, route: Sequence[Publication], *, varied: bool) -> Numbers:
    with topology(bench.url) as made:
        made.declare_queue(QUEUE, arguments, durable=arguments.get("x-queue-type") == "quorum")
        return throughput(bench, Load([route], [[QUEUE]], ack_every=100, prefetch=1000, varied=varied))


def costs(bench: Bench, messages: Messages) -> Numbers:
    varied = messages.varied
    plain = through(bench, {}, messages.plain, varied=varied)
    numbers = {"rate_none": plain["rate"], "us_none": plain["broker_us"]}
    for name, (_, given) in ARGUMENTS.items():
        if name == "priority":  # the property costs something by itself
            measured = through(bench, given, messages.prioritised, varied=varied)
            base = through(bench, {}, messages.prioritised, varied=varied)
        else:
            measured, base = through(bench, given, messages.plain, varied=varied), plain
        numbers[f"cost_{name}"] = ratio(measured["broker_us"], base["broker_us"])
        numbers |= {f"rate_{name}": measured["rate"], f"us_{name}": measured["broker_us"]}
    return numbers


def dead_lettered(bench: Bench, route: Callable[[str], Sequence[Publication]], *, varied: bool) -> Numbers:
    """Each message goes to a queue where it expires at once, and comes out of another; before that the same messages
    go through the other directly. `route` makes the messages to a queue."""
    plain = through(bench, {}, route(QUEUE), varied=varied)
    with topology(bench.url) as made:
        made.declare_queue("dying", DYING)
        made.declare_queues(QUEUE)
        load = Load([route("dying")], [[QUEUE]], ack_every=100, prefetch=1000, varied=varied)
        numbers = throughput(bench, load)
    return numbers | {"cost": ratio(numbers["broker_us"], plain["broker_us"])}


NUMBERS = (
    Metric("rate_none", "without arguments", "msg/s", [ratio_at_least(1)]),
    Metric("us_none", "CPU of the broker", "µs/msg"),
    *(Metric(f"cost_{name}", f"CPU with {label}", "x none", [at_most(COST)]) for name, (label, _) in ARGUMENTS.items()),
    *(Metric(f"rate_{name}", f"with {label}", "msg/s", detail=True) for name, (label, _) in ARGUMENTS.items()),
    *(Metric(f"us_{name}", f"CPU with {label}", "µs/msg", detail=True) for name, (label, _) in ARGUMENTS.items()),
)
DEAD_LETTERS_COST = Metric("cost", "CPU beside a plain queue", "x plain", [at_most(COST)])


@case("real-arguments", "distinct messages, what queue arguments cost", *NUMBERS)
def realistic_arguments(bench: Bench) -> Numbers:
    return costs(bench, distinct_messages())


@case("real-dead-letters", "distinct messages that expire at once, out of another queue", *rate(4), DEAD_LETTERS_COST)
def realistic_dead_letters(bench: Bench) -> Numbers:
    return dead_lettered(bench, lambda queue: distinct(business_event, "", queue), varied=True)


@case("arguments", "what queue arguments cost", *NUMBERS)
def arguments(bench: Bench) -> Numbers:
    return costs(bench, repeated_messages())


@case(
    "dead-letters",
    "each message expires at once and comes out of another queue as a dead letter",
    *rate(),
    DEAD_LETTERS_COST,
)
def dead_letters(bench: Bench) -> Numbers:
    return dead_lettered(bench, lambda queue: [to_queue(queue, 100)], varied=False)
