"""The numbers of a case: their names and units, and what amqpy is held to in them.

A target is a bound on amqpy's own number, or on its ratio to that of another broker, measured in the same run.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

SUBJECT = "amqpy"
REFERENCE = "RabbitMQ"
NEAREST = "LavinMQ"
"""The quickest of the others that speak AMQP 0-9-1. It is compared with when a broker of that name is measured."""

Numbers = dict[str, float]


@dataclass(frozen=True)
class Target:
    bound: float
    is_minimum: bool
    beside: str | None  # the broker whose number amqpy's is divided by; None: amqpy's own is bounded

    def text(self, unit: str) -> str:
        sign = "≥" if self.is_minimum else "≤"
        if self.beside is None:
            return f"{sign} {self.bound:g} {unit}"
        return f"{sign} {self.bound:g} x" + (f" {self.beside}" if self.beside != REFERENCE else "")

    def met(self, numbers: Mapping[str, float]) -> bool | None:
        """Judge the number of each broker: None when it cannot be said."""
        value = numbers.get(SUBJECT, math.nan)
        if self.beside is not None:
            value = ratio(value, numbers.get(self.beside, math.nan))
        if math.isnan(value):
            return None
        return value >= self.bound if self.is_minimum else value <= self.bound


def ratio(value: float, other: float) -> float:
    return value / other if other else math.nan


def at_most(bound: float) -> Target:
    return Target(bound, is_minimum=False, beside=None)


def ratio_at_least(bound: float, beside: str = REFERENCE) -> Target:
    return Target(bound, is_minimum=True, beside=beside)


def ratio_at_most(bound: float, beside: str = REFERENCE) -> Target:
    return Target(bound, is_minimum=False, beside=beside)


MANY_KEYS = at_most(1.2)
"""For the CPU with 10,000 routing keys in turn, relative to one of them."""


@dataclass(frozen=True)
class Metric:
    """One number of a case."""

    key: str
    label: str
    unit: str
    targets: Sequence[Target] = ()
    detail: bool = False  # in the JSON, and in the table when asked for


BROKER_CPU = "broker_us"
LOAD_CPU = Metric("load_us", "CPU of the load", "µs/msg", detail=True)


def broker_cpu(*targets: Target, unit: str = "µs/msg") -> Metric:
    """User and system time of the broker, divided by the messages. On shared cores it varies less than the rate, and
    it says what a machine can carry."""
    return Metric(BROKER_CPU, "CPU of the broker", unit, targets)


def rate(at_least: float = 1, *more: Target, cpu: Sequence[Target] = ()) -> tuple[Metric, ...]:
    """The numbers of a throughput case: so many times RabbitMQ's rate, and what else is demanded of rate and CPU."""
    throughput = Metric("rate", "throughput", "msg/s", (ratio_at_least(at_least), *more))
    return throughput, broker_cpu(*cpu), LOAD_CPU


def latency(prefix: str = "", *, bounded: bool = True) -> tuple[Metric, ...]:
    return (
        Metric(f"{prefix}p50", f"{prefix}latency p50", "ms"),
        Metric(f"{prefix}p99", f"{prefix}latency p99", "ms", [ratio_at_most(1)] if bounded else []),
        Metric(f"{prefix}max", f"{prefix}latency max", "ms", detail=True),
    )


def percentiles(seconds: Sequence[float], prefix: str = "") -> Numbers:
    """In milliseconds."""
    cuts = statistics.quantiles(seconds, n=100, method="inclusive") if len(seconds) > 1 else [math.nan] * 99
    return {
        f"{prefix}p50": cuts[49] * 1000,
        f"{prefix}p99": cuts[98] * 1000,
        f"{prefix}max": max(seconds, default=math.nan) * 1000,
    }
