"""Findings: reasons why messages do not get on, as plain values, and how many of them are told."""

import heapq
from collections.abc import Mapping
from itertools import count
from typing import Any, Final, NamedTuple, Protocol

KINDS: Final = (
    "alarm",
    "blocked_connection",
    "full",
    "no_consumers",
    "no_credit",
    "unacked",
    "redelivered",
    "old_messages",
    "unroutable",
    "flow",
    "channels",
)
"""The kinds of findings, the gravest first."""


class Finding(NamedTuple):
    """Something that keeps messages from getting on."""

    kind: str
    vhost: str
    """The virtual host that it is in, or nothing."""
    name: str
    """Of the queue, the exchange, the connection, or the resource."""
    text: str
    """A sentence that says it with its numbers."""
    weight: float
    """The larger, the graver among those of its kind."""
    facts: Mapping[str, Any]
    """The numbers, and what else is known, as JSON has it."""


class Thresholds(NamedTuple):
    """The bounds from which on something is told."""

    ready: int = 1
    """Ready messages that wait for a consumer."""
    unacked_age: int = 60_000
    """Milliseconds for which a delivery is unacknowledged."""
    age: int = 600_000
    """Milliseconds for which a message is ready."""
    window: int = 300_000
    """Milliseconds in which redeliveries and unroutable messages are counted."""
    redelivered: int = 50
    """Percent of the deliveries that are redeliveries; and of a delivery limit that a message has come to."""
    full: int = 100
    """Percent of a length limit."""
    unroutable: int = 1
    """Messages that found no queue."""
    channels: int = 100
    """Channels of a connection."""
    idle_channels: int = 20
    """Channels of a connection on which nothing happens."""
    limit: int = 100
    """The most findings of a kind that are told."""


class Then(NamedTuple):
    """The counters of an object at an earlier time."""

    counts: Mapping[str, int]
    span_ms: int
    """The time since then."""


class History(Protocol):
    """Samples of counters."""

    def then(self, item: object, span_ms: int) -> Then | None:
        """The counters of a queue, exchange, channel or connection, so long ago, or as early as they are known; None if
        they are not."""


class NoHistory:
    """The samples where none are taken."""

    def then(self, item: object, span_ms: int) -> Then | None:
        return None


class Findings:
    """The findings so far: of each kind no more than the gravest ones."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._by_kind: dict[str, list[tuple[float, int, Finding]]] = {kind: [] for kind in KINDS}
        self._numbers = count()

    def add(self, kind: str, vhost: str, name: str, text: str, weight: float, **facts: object) -> None:
        told = {name: value for name, value in facts.items() if value is not None}
        heap = self._by_kind[kind]
        # Of those that weigh the same, the first ones stay.
        entry = (weight, -next(self._numbers), Finding(kind, vhost, name, text, weight, told))
        if len(heap) < self._limit:
            heapq.heappush(heap, entry)
        else:
            heapq.heappushpop(heap, entry)

    def in_order(self) -> list[Finding]:
        """The gravest first."""
        return [finding for heap in self._by_kind.values() for _, _, finding in sorted(heap, reverse=True)]
