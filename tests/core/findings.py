"""Looking for what keeps messages from getting on, in tests."""

from collections.abc import Mapping
from typing import Any

from amqpy.core.findings.finding import Finding, History, Then, Thresholds
from amqpy.core.findings.of_clients import ConnectionState
from amqpy.core.statistics import Counts
from amqpy.core.stuck import Looking
from tests.core.core_harness import (
    CoreHarness,
)
from tests.core.test_queue_contents import Channel

MINUTE = 60_000


class Samples:
    """Counters as they were, for all objects of which none are given."""

    def __init__(self, span_ms: int, counts: Mapping[Any, Counts] | None = None) -> None:
        self.span_ms = span_ms
        self.counts = counts or {}

    def then(self, item: object, span_ms: int) -> Then | None:
        zeros = dict.fromkeys(("messages_ready", "deliver", "deliver_no_ack", "get", "get_no_ack", "redeliver"), 0)
        zeros |= dict.fromkeys(("publish", "confirm", "ack", "dropped", "returned", "send_oct"), 0)
        return Then(self.counts.get(item, zeros), min(self.span_ms, span_ms))


def look(
    core: CoreHarness,
    history: History | None = None,
    states: Mapping[Any, ConnectionState] | None = None,
    *,
    store_waiting: int = 0,
    **thresholds: int,
) -> list[Finding]:
    more = {} if history is None else {"history": history}
    looking = Looking(
        core.broker,
        list(core.broker.vhosts.values()),
        (states or {}).get,
        Thresholds(**thresholds),
        store_waiting=store_waiting,
        **more,
    )
    for _ in looking.steps():
        pass
    return looking.found


def of_kind(found: list[Finding], kind: str) -> list[Finding]:
    return [finding for finding in found if finding.kind == kind]


def only(found: list[Finding], kind: str) -> Finding:
    (finding,) = of_kind(found, kind)
    return finding


def watched(core: CoreHarness, number: int = 1) -> Channel:
    """An open channel of which the broker may want to know how old its deliveries are."""
    channel = Channel(core, number)
    core.broker.consumer_timeouts.watch(channel.unacked, lambda timeout_ms: None, supports_cancel_notify=True)
    return channel
