"""From exec to the first answer, and what the broker costs when nobody is there."""

from interop.bench.case import Bench, case
from interop.bench.cases.scale import cpu_percent
from interop.bench.metrics import Metric, Numbers, at_most


@case(
    "startup",
    "start-up, and idle without connections",
    Metric("start", "exec to connection.start", "ms", [at_most(400)]),
    Metric("memory", "idle memory", "MiB", [at_most(45)]),
    Metric("idle_cpu", "idle CPU", "% of a core"),
    fresh=True,
    starts=True,
)
def startup(bench: Bench) -> Numbers:
    idle_cpu = cpu_percent(bench)
    return {
        "start": bench.broker.start_seconds * 1000,
        "memory": bench.broker.resident_mib(),
        "idle_cpu": idle_cpu,
    }
