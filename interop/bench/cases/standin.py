"""The broker inside a test: `amqpy.testing`, in a process of its own, with pika."""

import json
import subprocess
import sys

from interop.bench.case import Bench, case
from interop.bench.metrics import SUBJECT, Metric, Numbers, at_most


@case(
    "standin",
    "a broker inside a test",
    Metric("first", "start to the first publish and get", "ms", [at_most(50)]),
    Metric("fresh", "a fresh broker, started and stopped", "ms", [at_most(2)]),
    Metric("call", "a question", "ms", [at_most(0.3)]),
    Metric("advance", "`advance` with nothing due", "ms", [at_most(0.3)]),
    Metric("restart", "`restart`", "ms", [at_most(20)]),
    Metric("recording", "recording, a message", "µs", [at_most(5)]),
    Metric("plugin", "the plugin, unused", "ms", [at_most(3)]),
    Metric("import_cpu", "CPU of the import, without Trio's", "s", [at_most(0.15)]),
    Metric("idle", "an idle broker", "KiB"),
    fresh=True,
    starts=True,
)
def standin(bench: Bench) -> Numbers:
    if bench.broker.name != SUBJECT:
        return {"first": bench.broker.start_seconds * 1000}  # others are started for a test as they are for anybody
    command = [sys.executable, "-m", "interop.bench.standin"]
    numbers: Numbers = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return numbers
