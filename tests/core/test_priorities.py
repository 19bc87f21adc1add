"""`x-max-priority`."""

import pytest

from amqpy.core.unacked import UnackedDeliveries
from tests.core.core_harness import FakeTarget, World, arguments
from tests.core.invariants import check_invariants


@pytest.fixture
def world() -> World:
    world = World()
    world.queue("q", arguments=arguments(max_priority=5))
    return world


def test_the_highest_priority_is_delivered_first_and_each_in_order(world: World) -> None:
    for body, priority in (("none", None), ("5", 5), ("1", 1), ("0", 0), ("9", 9), ("255", 255), ("1 again", 1)):
        world.publish("", "q", body, priority=priority)
    assert world.ready("q") == ["5", "9", "255", "1", "1 again", "none", "0"]
    target = FakeTarget()
    world.consume("q", UnackedDeliveries(), target)
    assert target.bodies == ["5", "9", "255", "1", "1 again", "none", "0"]


def test_one_level_is_no_priority() -> None:
    world = World()
    world.queue("q", arguments=arguments(max_priority=0))
    world.publish("", "q", "low", priority=0)
    world.publish("", "q", "high", priority=9)
    assert world.ready("q") == ["low", "high"]


def test_255_levels() -> None:
    world = World()
    world.queue("q", arguments=arguments(max_priority=255))
    for priority in range(256):
        world.publish("", "q", str(priority), priority=priority)
    assert world.ready("q") == [str(priority) for priority in reversed(range(256))]
    check_invariants(world.broker, [])


def test_what_comes_back_has_its_old_place(world: World) -> None:
    unacked = UnackedDeliveries()
    for body, priority in (("high 1", 3), ("high 2", 3), ("low 1", 1), ("low 2", 1)):
        world.publish("", "q", body, priority=priority)
    for _ in range(3):
        world.get("q", unacked)
    world.publish("", "q", "high 3", priority=3)
    world.nack(unacked, 3)
    world.nack(unacked, 1)
    assert world.ready("q") == ["high 1", "high 3", "low 1", "low 2"]
    world.nack(unacked, 2)
    assert world.ready("q") == ["high 1", "high 2", "high 3", "low 1", "low 2"]
    check_invariants(world.broker, [unacked])


def test_all_priorities_are_counted_and_purged(world: World) -> None:
    for priority in (0, 3, 5):
        world.publish("", "q", "a", "b", priority=priority)
    got = world.get("q", UnackedDeliveries())
    assert got is not None
    assert got[1] == 5
    assert world.broker.topology.stat(world.vhost.queues["q"])[0] == 5
    assert world.broker.topology.purge_queue(world.client, world.vhost, "q") == 5
    assert world.ready("q") == []
    world.publish("", "q", "after")
    assert world.delete_queue("q") == 1


def test_a_waiting_consumer_gets_what_comes_whatever_its_priority(world: World) -> None:
    target, unacked = FakeTarget(), UnackedDeliveries()
    world.consume("q", unacked, target)
    for priority in (1, 5, 0, 5):
        world.publish("", "q", str(priority), priority=priority)
    assert target.bodies == ["1", "5", "0", "5"]
    world.close_channel(unacked)
    assert world.ready("q") == ["5", "5", "1", "0"]
    check_invariants(world.broker, [])


def test_priority_stands_behind_other_properties(world: World) -> None:
    world.publish("", "q", "low", headers={}, priority=1, expiration=1000)
    world.publish("", "q", "high", headers=arguments(a="b"), priority=2, expiration=1000)
    assert world.ready("q") == ["high", "low"]


def test_queues_without_the_argument_heed_no_priority() -> None:
    world = World()
    world.queue("q")
    world.queue("bytes", arguments=arguments(max_length_bytes=100))
    for name in ("q", "bytes"):
        world.publish("", name, "low", priority=0)
        world.publish("", name, "high", priority=9)
        assert world.ready(name) == ["low", "high"]
