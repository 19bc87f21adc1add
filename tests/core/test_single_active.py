"""`x-single-active-consumer`."""

import sys
from types import FrameType

import pytest

from amqpy.core.unacked import UnackedDeliveries
from amqpy.errors import AccessRefused
from tests.core.core_harness import FakeTarget, World, arguments
from tests.core.invariants import check_invariants
from tests.fifo import as_fifo

KINDS = {"classic": False, "quorum": True}


def sac_world(kind: str = "classic", profile: str = "rabbitmq-3.13") -> World:
    world = World(profile)
    world.queue("q", durable=True, arguments=arguments(queue_type=kind, single_active_consumer=True))
    return world


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_first_consumer_is_served(kind: str) -> None:
    world, unacked = sac_world(kind), UnackedDeliveries()
    targets = [FakeTarget() for _ in range(3)]
    consumers = [world.consume("q", unacked, each, tag=str(number)) for number, each in enumerate(targets)]
    world.publish("", "q", "a", "b")
    world.cancel(consumers[1])
    world.publish("", "q", "c")
    assert [each.bodies for each in targets] == [["a", "b", "c"], [], []]
    world.cancel(consumers[0])
    world.publish("", "q", "d")
    assert targets[2].bodies == ["d"]
    check_invariants(world.broker, [unacked])


@pytest.mark.parametrize("kind", KINDS)
def test_messages_wait_for_the_active_consumer(kind: str) -> None:
    world, unacked = sac_world(kind), UnackedDeliveries()
    active, waiting = FakeTarget(), FakeTarget()
    world.consume("q", unacked, active, prefetch=1)
    world.consume("q", UnackedDeliveries(), waiting)
    world.publish("", "q", "a", "b")
    assert active.bodies == ["a"]
    world.ack(unacked, 1)
    assert active.bodies == ["a", "b"]
    world.nack(unacked, 2)
    assert active.bodies == ["a", "b", "b"], "what comes back comes to it again"
    assert waiting.got == []


@pytest.mark.parametrize(
    ("kind", "profile", "next_one"),
    [("classic", "rabbitmq-3.13", "high"), ("quorum", "rabbitmq-3.13", "low"), ("quorum", "rabbitmq-4", "high")],
)
def test_the_next_one(kind: str, profile: str, next_one: str) -> None:
    world, first = sac_world(kind, profile), UnackedDeliveries()
    ends = {name: FakeTarget() for name in ("low", "high", "as high")}
    active = FakeTarget()
    consumer = world.consume("q", first, active, prefetch=1, priority=9)
    for name, priority in (("low", 1), ("high", 5), ("as high", 5)):
        world.consume("q", UnackedDeliveries(), ends[name], priority=priority)
    world.publish("", "q", "a", "b")
    world.cancel(consumer)
    assert {name for name, end in ends.items() if end.got} == {next_one}
    assert ends[next_one].bodies == ["b"], "what waited is delivered at once; what the other one owes stays owed"
    world.nack(first, 1)
    assert ends[next_one].bodies == ["b", "a"]


def test_a_higher_priority_that_comes_later_takes_nothing_away() -> None:
    world = sac_world()
    active, late = FakeTarget(), FakeTarget()
    world.consume("q", UnackedDeliveries(), active, priority=-1)
    world.consume("q", UnackedDeliveries(), late, priority=9)
    world.publish("", "q", "a")
    assert (active.bodies, late.bodies) == (["a"], [])


@pytest.mark.parametrize("kind", KINDS)
def test_the_active_consumers_channel_closes(kind: str) -> None:
    world, unacked = sac_world(kind), UnackedDeliveries()
    active, next_one = FakeTarget(), FakeTarget()
    world.consume("q", unacked, active, prefetch=2)
    heir = UnackedDeliveries()
    world.consume("q", heir, next_one)
    world.publish("", "q", "a", "b", "c")
    world.close_channel(unacked)
    assert [(each.body, each.redelivered) for each in next_one.got] == [("a", True), ("b", True), ("c", False)]
    check_invariants(world.broker, [heir])


def test_a_client_that_does_not_read_stays_the_active_one() -> None:
    world = sac_world()
    active, waiting = FakeTarget(), FakeTarget()
    consumer = world.consume("q", UnackedDeliveries(), active)
    world.consume("q", UnackedDeliveries(), waiting)
    active.reading = False
    world.publish("", "q", "a")
    assert world.ready("q") == ["a"]
    active.reading = True
    world.resume(consumer)
    assert active.bodies == ["a"]


def test_a_waiting_client_that_reads_again_is_not_served() -> None:
    world = sac_world()
    active, waiting = FakeTarget(), FakeTarget()
    first = world.consume("q", UnackedDeliveries(), active)
    waiting.reading = False
    second = world.consume("q", UnackedDeliveries(), waiting)
    world.cancel(first)
    world.publish("", "q", "a")
    assert world.ready("q") == ["a"], "it is the active one now, and does not read"
    waiting.reading = True
    world.resume(second)
    assert waiting.bodies == ["a"]


def test_basic_get_may_take_what_waits() -> None:
    world = sac_world()
    world.consume("q", UnackedDeliveries(), prefetch=1)
    world.publish("", "q", "a", "b")
    got = world.get("q", UnackedDeliveries())
    assert got is not None
    assert got[0].body == "b"


def test_no_consumer_is_exclusive() -> None:
    world = sac_world()
    with pytest.raises(AccessRefused, match="in exclusive use"):
        world.consume("q", UnackedDeliveries(), exclusive=True)


def test_when_all_have_left_the_next_one_to_come_is_active() -> None:
    world, unacked = sac_world(), UnackedDeliveries()
    for _ in range(2):
        world.consume("q", unacked)
    world.close_channel(unacked)
    target = FakeTarget()
    world.consume("q", UnackedDeliveries(), target)
    world.publish("", "q", "a")
    assert target.bodies == ["a"]


def test_version_4_gives_a_quorum_queue_to_a_higher_priority_once_nothing_is_owed() -> None:
    world, low, high = World("rabbitmq-4"), FakeTarget(), FakeTarget()
    world.queue("q", durable=True, arguments=arguments(queue_type="quorum", single_active_consumer=True))
    unacked, other = UnackedDeliveries(), UnackedDeliveries()
    world.consume("q", unacked, low, tag="low", prefetch=2)
    world.publish("", "q", "a")
    world.consume("q", other, high, tag="high", prefetch=1, priority=1)
    world.publish("", "q", "b")
    assert (low.bodies, high.bodies) == (["a"], []), "it owes an answer still, and gets no more"
    world.ack(unacked, 1)
    assert (low.bodies, high.bodies) == (["a"], ["b"])
    world.publish("", "q", "c")
    world.ack(other, 1)
    assert (low.bodies, high.bodies) == (["a"], ["b", "c"])
    check_invariants(world.broker, [unacked, other])


def test_version_4_gives_a_quorum_queue_at_once_where_nothing_is_owed() -> None:
    world, low, high = World("rabbitmq-4"), FakeTarget(), FakeTarget()
    world.queue("q", durable=True, arguments=arguments(queue_type="quorum", single_active_consumer=True))
    world.consume("q", UnackedDeliveries(), low, tag="low")
    first = world.consume("q", UnackedDeliveries(), high, tag="high", priority=1)
    world.publish("", "q", "a")
    assert (low.bodies, high.bodies) == ([], ["a"])
    world.cancel(first)
    world.publish("", "q", "b")
    assert low.bodies == ["b"]


def calls_to_close(kind: str, count: int) -> int:
    """How many functions are called when a channel with so many consumers closes, the active one first of all."""
    world, unacked = sac_world(kind), UnackedDeliveries()
    for number in range(count):
        world.consume("q", unacked, tag=str(number))
    calls = 0

    def profile(_: FrameType, event: str, __: object) -> None:
        nonlocal calls
        calls += event == "call"

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        world.close_channel(unacked)
    finally:
        sys.setprofile(before)
    return calls


@pytest.mark.parametrize("kind", KINDS)
def test_to_succeed_costs_the_same_however_many_wait(kind: str) -> None:
    assert calls_to_close(kind, 800) < 6 * calls_to_close(kind, 200)


def test_those_who_wait_in_vain_are_forgotten() -> None:
    world = sac_world()
    world.consume("q", UnackedDeliveries(), priority=1)
    for number in range(200):
        world.cancel(world.consume("q", UnackedDeliveries(), tag=str(number)))
    assert len(as_fifo(world.vhost.queues["q"]).dispatch.successors) < 10
