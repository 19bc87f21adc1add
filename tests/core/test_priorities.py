"""`x-max-priority`."""

import pytest

from amqpy.core.unacked import UnackedDeliveries
from tests.core.core_harness import CoreHarness, FakeTarget, arguments
from tests.core.invariants import check_invariants


@pytest.fixture
def core() -> CoreHarness:
    core = CoreHarness()
    core.queue("q", arguments=arguments(max_priority=5))
    return core


def test_the_highest_priority_is_delivered_first_and_each_in_order(core: CoreHarness) -> None:
    for body, priority in (("none", None), ("5", 5), ("1", 1), ("0", 0), ("9", 9), ("255", 255), ("1 again", 1)):
        core.publish("", "q", body, priority=priority)
    assert core.ready("q") == ["5", "9", "255", "1", "1 again", "none", "0"]
    target = FakeTarget()
    core.consume("q", UnackedDeliveries(), target)
    assert target.bodies == ["5", "9", "255", "1", "1 again", "none", "0"]


def test_one_level_is_no_priority() -> None:
    core = CoreHarness()
    core.queue("q", arguments=arguments(max_priority=0))
    core.publish("", "q", "low", priority=0)
    core.publish("", "q", "high", priority=9)
    assert core.ready("q") == ["low", "high"]


def test_255_levels() -> None:
    core = CoreHarness()
    core.queue("q", arguments=arguments(max_priority=255))
    for priority in range(256):
        core.publish("", "q", str(priority), priority=priority)
    assert core.ready("q") == [str(priority) for priority in reversed(range(256))]
    check_invariants(core.broker, [])


def test_what_comes_back_has_its_old_place(core: CoreHarness) -> None:
    unacked = UnackedDeliveries()
    for body, priority in (("high 1", 3), ("high 2", 3), ("low 1", 1), ("low 2", 1)):
        core.publish("", "q", body, priority=priority)
    for _ in range(3):
        core.get("q", unacked)
    core.publish("", "q", "high 3", priority=3)
    core.nack(unacked, 3)
    core.nack(unacked, 1)
    assert core.ready("q") == ["high 1", "high 3", "low 1", "low 2"]
    core.nack(unacked, 2)
    assert core.ready("q") == ["high 1", "high 2", "high 3", "low 1", "low 2"]
    check_invariants(core.broker, [unacked])


def test_all_priorities_are_counted_and_purged(core: CoreHarness) -> None:
    for priority in (0, 3, 5):
        core.publish("", "q", "a", "b", priority=priority)
    got = core.get("q", UnackedDeliveries())
    assert got is not None
    assert got[1] == 5
    assert core.broker.topology.stat(core.vhost.queues["q"])[0] == 5
    assert core.broker.topology.purge_queue(core.client, core.vhost, "q") == 5
    assert core.ready("q") == []
    core.publish("", "q", "after")
    assert core.delete_queue("q") == 1


def test_a_waiting_consumer_gets_what_comes_whatever_its_priority(core: CoreHarness) -> None:
    target, unacked = FakeTarget(), UnackedDeliveries()
    core.consume("q", unacked, target)
    for priority in (1, 5, 0, 5):
        core.publish("", "q", str(priority), priority=priority)
    assert target.bodies == ["1", "5", "0", "5"]
    core.close_channel(unacked)
    assert core.ready("q") == ["5", "5", "1", "0"]
    check_invariants(core.broker, [])


def test_priority_stands_behind_other_properties(core: CoreHarness) -> None:
    core.publish("", "q", "low", headers={}, priority=1, expiration=1000)
    core.publish("", "q", "high", headers=arguments(a="b"), priority=2, expiration=1000)
    assert core.ready("q") == ["high", "low"]


def test_queues_without_the_argument_heed_no_priority() -> None:
    core = CoreHarness()
    core.queue("q")
    core.queue("bytes", arguments=arguments(max_length_bytes=100))
    for name in ("q", "bytes"):
        core.publish("", name, "low", priority=0)
        core.publish("", name, "high", priority=9)
        assert core.ready(name) == ["low", "high"]
