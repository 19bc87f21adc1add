"""All cases. Importing a module registers its cases, so the order here is the order of the runs and the table."""

# isort: off
from interop.bench.cases import (
    realistic,
    rates,
    persistence,
    streams,
    arguments,
    latency,
    scale,
    backlog,
    flatness,
    fairness,
    turns,
    managed,
    tls,
    startup,
    standin,
)

__all__ = [
    "arguments",
    "backlog",
    "fairness",
    "flatness",
    "latency",
    "managed",
    "persistence",
    "rates",
    "realistic",
    "scale",
    "standin",
    "startup",
    "streams",
    "tls",
    "turns",
]
