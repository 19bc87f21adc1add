"""`x-message-deduplication`: a queue that takes no message twice."""

import pytest

from amqpy.core.unacked import UnackedDeliveries
from tests.core.core_harness import FakeTarget, World, arguments, longstr
from tests.core.invariants import check_invariants


def deduplicating(**options: int | str | bool) -> World:
    world = World()
    world.queue("q", arguments=arguments(message_deduplication=True, **options))
    return world


def publish(world: World, *bodies: str, key: str = "same", expiration: int | None = None) -> list[str]:
    return world.publish("", "q", *bodies, headers={"x-deduplication-header": longstr(key)}, expiration=expiration)


def test_what_is_there_is_not_taken_again() -> None:
    world = deduplicating()
    assert publish(world, "a", "b") == [], "it is not refused, only left out"
    publish(world, "c", key="other")
    world.publish("", "q", "d", "d")
    assert world.ready("q") == ["a", "c", "d", "d"]
    check_invariants(world.broker, [])


@pytest.mark.parametrize("leaves", ["ack", "reject", "get without ack", "consume without ack", "purge", "expiry"])
def test_what_has_left_is_taken_again(leaves: str) -> None:
    world, unacked = deduplicating(), UnackedDeliveries()
    publish(world, "a", expiration=10 if leaves == "expiry" else None)
    match leaves:
        case "ack" | "reject":
            world.get("q", unacked)
            publish(world, "too early")
            if leaves == "ack":
                world.ack(unacked, 1)
            else:
                world.nack(unacked, 1, requeue=False)
        case "get without ack":
            world.get("q", unacked, no_ack=True)
        case "consume without ack":
            world.cancel(world.consume("q", unacked, no_ack=True))
        case "purge":
            world.broker.topology.purge_queue(world.client, world.vhost, "q")
        case "expiry":
            world.advance(10)
    publish(world, "b")
    assert world.ready("q") == ["b"]
    check_invariants(world.broker, [unacked])


def test_what_comes_back_is_still_there() -> None:
    world, unacked = deduplicating(), UnackedDeliveries()
    publish(world, "a")
    world.get("q", unacked)
    world.nack(unacked, 1)
    publish(world, "b")
    assert world.ready("q") == ["a"]


def test_a_dropped_one_may_come_again() -> None:
    world = deduplicating(max_length=1)
    publish(world, "a", key="1")
    publish(world, "b", key="2")
    publish(world, "c", key="1")
    assert world.ready("q") == ["c"]
    check_invariants(world.broker, [])


@pytest.mark.parametrize("overflow", ["reject-publish", "reject-publish-dlx"])
def test_a_refused_one_takes_nothing_from_the_one_that_is_there(overflow: str) -> None:
    world = deduplicating(max_length=1, overflow=overflow)
    publish(world, "a")
    assert publish(world, "b") == ["b"]
    check_invariants(world.broker, [])


def test_a_consumer_gets_it_once() -> None:
    world, unacked, target = deduplicating(), UnackedDeliveries(), FakeTarget()
    world.consume("q", unacked, target)
    publish(world, "a", "b")
    world.ack(unacked, 1)
    publish(world, "c")
    assert target.bodies == ["a", "c"]
