"""`x-message-deduplication`: a queue that takes no message twice."""

import pytest

from amqpy.core.unacked import UnackedDeliveries
from tests.core.core_harness import CoreHarness, FakeTarget, arguments, longstr
from tests.core.invariants import check_invariants


def deduplicating(**options: int | str | bool) -> CoreHarness:
    core = CoreHarness()
    core.queue("q", arguments=arguments(message_deduplication=True, **options))
    return core


def publish(core: CoreHarness, *bodies: str, key: str = "same", expiration: int | None = None) -> list[str]:
    return core.publish("", "q", *bodies, headers={"x-deduplication-header": longstr(key)}, expiration=expiration)


def test_what_is_there_is_not_taken_again() -> None:
    core = deduplicating()
    assert publish(core, "a", "b") == [], "it is not refused, only left out"
    publish(core, "c", key="other")
    core.publish("", "q", "d", "d")
    assert core.ready("q") == ["a", "c", "d", "d"]
    check_invariants(core.broker, [])


@pytest.mark.parametrize("leaves", ["ack", "reject", "get without ack", "consume without ack", "purge", "expiry"])
def test_what_has_left_is_taken_again(leaves: str) -> None:
    core, unacked = deduplicating(), UnackedDeliveries()
    publish(core, "a", expiration=10 if leaves == "expiry" else None)
    match leaves:
        case "ack" | "reject":
            core.get("q", unacked)
            publish(core, "too early")
            if leaves == "ack":
                core.ack(unacked, 1)
            else:
                core.nack(unacked, 1, requeue=False)
        case "get without ack":
            core.get("q", unacked, no_ack=True)
        case "consume without ack":
            core.cancel(core.consume("q", unacked, no_ack=True))
        case "purge":
            core.broker.topology.purge_queue(core.client, core.vhost, "q")
        case "expiry":
            core.advance(10)
    publish(core, "b")
    assert core.ready("q") == ["b"]
    check_invariants(core.broker, [unacked])


def test_what_comes_back_is_still_there() -> None:
    core, unacked = deduplicating(), UnackedDeliveries()
    publish(core, "a")
    core.get("q", unacked)
    core.nack(unacked, 1)
    publish(core, "b")
    assert core.ready("q") == ["a"]


def test_a_dropped_one_may_come_again() -> None:
    core = deduplicating(max_length=1)
    publish(core, "a", key="1")
    publish(core, "b", key="2")
    publish(core, "c", key="1")
    assert core.ready("q") == ["c"]
    check_invariants(core.broker, [])


@pytest.mark.parametrize("overflow", ["reject-publish", "reject-publish-dlx"])
def test_a_refused_one_takes_nothing_from_the_one_that_is_there(overflow: str) -> None:
    core = deduplicating(max_length=1, overflow=overflow)
    publish(core, "a")
    assert publish(core, "b") == ["b"]
    check_invariants(core.broker, [])


def test_a_consumer_gets_it_once() -> None:
    core, unacked, target = deduplicating(), UnackedDeliveries(), FakeTarget()
    core.consume("q", unacked, target)
    publish(core, "a", "b")
    core.ack(unacked, 1)
    publish(core, "c")
    assert target.bodies == ["a", "c"]
