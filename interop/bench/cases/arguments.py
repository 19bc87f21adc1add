"""What the arguments of a queue cost a message, relative to a queue without any.

The message goes the way of `prefetch-100`; of a broker whose CPU time is known, that is what is compared. No limit is
ever reached and nothing expires, but for the last case, where every message dies and is a dead letter.
"""

import math
from collections.abc import Mapping

from interop.bench.case import Bench, Load, Metric, Numbers, case, rate, throughput, to_queue
from interop.bench.frames import Publication
from interop.bench.peer import topology

QUEUE = "bench"
PRIORITY_FLAG = 0x0800
LEVELS = 4

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


def message(priority: int | None = None) -> Publication:
    if priority is None:
        return to_queue(QUEUE, 100)
    return Publication("", QUEUE, bytes(100), PRIORITY_FLAG, bytes([priority]))


def through(bench: Bench, arguments: Arguments, *, priorities: bool = False) -> Numbers:
    route = [message(level) for level in range(LEVELS)] if priorities else [message()]
    with topology(bench.url) as made:
        made.declare_queue(QUEUE, arguments, durable=arguments.get("x-queue-type") == "quorum")
        return throughput(bench, Load([route], [[QUEUE]], ack_every=100, prefetch=1000))


@case(
    "arguments",
    "what queue arguments cost",
    Metric("rate_none", "without arguments", "msg/s", ratio_at_least=1),
    *(Metric(f"cost_{name}", f"CPU cost with {label}", "x none") for name, (label, _) in ARGUMENTS.items()),
    *(Metric(f"rate_{name}", f"with {label}", "msg/s", detail=True) for name, (label, _) in ARGUMENTS.items()),
)
def arguments(bench: Bench) -> Numbers:
    plain = through(bench, {})
    numbers = {"rate_none": plain["rate"]}
    for name, (_, given) in ARGUMENTS.items():
        measured = through(bench, given, priorities=name == "priority")
        base = plain
        if name == "priority":
            # The properties cost something by themselves.
            base = through(bench, {}, priorities=True)
        in_cpu = not math.isnan(measured["broker_us"])
        cost = measured["broker_us"] / base["broker_us"] if in_cpu else base["rate"] / measured["rate"]
        numbers |= {f"cost_{name}": cost, f"rate_{name}": measured["rate"]}
    return numbers


@case("dead-letters", "each message expires at once and comes out of another queue as a dead letter", *rate())
def dead_letters(bench: Bench) -> Numbers:
    dying: Arguments = {"x-message-ttl": 0, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": QUEUE}
    with topology(bench.url) as made:
        made.declare_queue("dying", dying)
        made.declare_queues(QUEUE)
        return throughput(bench, Load([[to_queue("dying", 100)]], [[QUEUE]], ack_every=100, prefetch=1000))
