"""`x-single-active-consumer`."""

import sys
from types import FrameType

import pytest

from amqpy.core.unacked import UnackedDeliveries
from amqpy.errors import AccessRefused
from tests.core.core_harness import CoreHarness, FakeTarget, arguments
from tests.core.invariants import check_invariants
from tests.fifo import as_fifo

KINDS = {"classic": False, "quorum": True}


def sac_world(kind: str = "classic", profile: str = "rabbitmq-3.13") -> CoreHarness:
    core = CoreHarness(profile)
    core.queue("q", durable=True, arguments=arguments(queue_type=kind, single_active_consumer=True))
    return core


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_first_consumer_is_served(kind: str) -> None:
    core, unacked = sac_world(kind), UnackedDeliveries()
    targets = [FakeTarget() for _ in range(3)]
    consumers = [core.consume("q", unacked, each, tag=str(number)) for number, each in enumerate(targets)]
    core.publish("", "q", "a", "b")
    core.cancel(consumers[1])
    core.publish("", "q", "c")
    assert [each.bodies for each in targets] == [["a", "b", "c"], [], []]
    core.cancel(consumers[0])
    core.publish("", "q", "d")
    assert targets[2].bodies == ["d"]
    check_invariants(core.broker, [unacked])


@pytest.mark.parametrize("kind", KINDS)
def test_messages_wait_for_the_active_consumer(kind: str) -> None:
    core, unacked = sac_world(kind), UnackedDeliveries()
    active, waiting = FakeTarget(), FakeTarget()
    core.consume("q", unacked, active, prefetch=1)
    core.consume("q", UnackedDeliveries(), waiting)
    core.publish("", "q", "a", "b")
    assert active.bodies == ["a"]
    core.ack(unacked, 1)
    assert active.bodies == ["a", "b"]
    core.nack(unacked, 2)
    assert active.bodies == ["a", "b", "b"], "what comes back comes to it again"
    assert waiting.got == []


@pytest.mark.parametrize(
    ("kind", "profile", "next_one"),
    [("classic", "rabbitmq-3.13", "high"), ("quorum", "rabbitmq-3.13", "low"), ("quorum", "rabbitmq-4", "high")],
)
def test_the_next_one(kind: str, profile: str, next_one: str) -> None:
    core, first = sac_world(kind, profile), UnackedDeliveries()
    ends = {name: FakeTarget() for name in ("low", "high", "as high")}
    active = FakeTarget()
    consumer = core.consume("q", first, active, prefetch=1, priority=9)
    for name, priority in (("low", 1), ("high", 5), ("as high", 5)):
        core.consume("q", UnackedDeliveries(), ends[name], priority=priority)
    core.publish("", "q", "a", "b")
    core.cancel(consumer)
    assert {name for name, end in ends.items() if end.got} == {next_one}
    assert ends[next_one].bodies == ["b"], "what waited is delivered at once; what the other one owes stays owed"
    core.nack(first, 1)
    assert ends[next_one].bodies == ["b", "a"]


def test_a_higher_priority_that_comes_later_takes_nothing_away() -> None:
    core = sac_world()
    active, late = FakeTarget(), FakeTarget()
    core.consume("q", UnackedDeliveries(), active, priority=-1)
    core.consume("q", UnackedDeliveries(), late, priority=9)
    core.publish("", "q", "a")
    assert (active.bodies, late.bodies) == (["a"], [])


@pytest.mark.parametrize("kind", KINDS)
def test_the_active_consumers_channel_closes(kind: str) -> None:
    core, unacked = sac_world(kind), UnackedDeliveries()
    active, next_one = FakeTarget(), FakeTarget()
    core.consume("q", unacked, active, prefetch=2)
    heir = UnackedDeliveries()
    core.consume("q", heir, next_one)
    core.publish("", "q", "a", "b", "c")
    core.close_channel(unacked)
    assert [(each.body, each.redelivered) for each in next_one.got] == [("a", True), ("b", True), ("c", False)]
    check_invariants(core.broker, [heir])


def test_a_client_that_does_not_read_stays_the_active_one() -> None:
    core = sac_world()
    active, waiting = FakeTarget(), FakeTarget()
    consumer = core.consume("q", UnackedDeliveries(), active)
    core.consume("q", UnackedDeliveries(), waiting)
    active.reading = False
    core.publish("", "q", "a")
    assert core.ready("q") == ["a"]
    active.reading = True
    core.resume(consumer)
    assert active.bodies == ["a"]


def test_a_waiting_client_that_reads_again_is_not_served() -> None:
    core = sac_world()
    active, waiting = FakeTarget(), FakeTarget()
    first = core.consume("q", UnackedDeliveries(), active)
    waiting.reading = False
    second = core.consume("q", UnackedDeliveries(), waiting)
    core.cancel(first)
    core.publish("", "q", "a")
    assert core.ready("q") == ["a"], "it is the active one now, and does not read"
    waiting.reading = True
    core.resume(second)
    assert waiting.bodies == ["a"]


def test_basic_get_may_take_what_waits() -> None:
    core = sac_world()
    core.consume("q", UnackedDeliveries(), prefetch=1)
    core.publish("", "q", "a", "b")
    got = core.get("q", UnackedDeliveries())
    assert got is not None
    assert got[0].body == "b"


def test_no_consumer_is_exclusive() -> None:
    core = sac_world()
    with pytest.raises(AccessRefused, match="in exclusive use"):
        core.consume("q", UnackedDeliveries(), exclusive=True)


def test_when_all_have_left_the_next_one_to_come_is_active() -> None:
    core, unacked = sac_world(), UnackedDeliveries()
    for _ in range(2):
        core.consume("q", unacked)
    core.close_channel(unacked)
    target = FakeTarget()
    core.consume("q", UnackedDeliveries(), target)
    core.publish("", "q", "a")
    assert target.bodies == ["a"]


def test_version_4_gives_a_quorum_queue_to_a_higher_priority_once_nothing_is_owed() -> None:
    core, low, high = CoreHarness("rabbitmq-4"), FakeTarget(), FakeTarget()
    core.queue("q", durable=True, arguments=arguments(queue_type="quorum", single_active_consumer=True))
    unacked, other = UnackedDeliveries(), UnackedDeliveries()
    core.consume("q", unacked, low, tag="low", prefetch=2)
    core.publish("", "q", "a")
    core.consume("q", other, high, tag="high", prefetch=1, priority=1)
    core.publish("", "q", "b")
    assert (low.bodies, high.bodies) == (["a"], []), "it owes an answer still, and gets no more"
    core.ack(unacked, 1)
    assert (low.bodies, high.bodies) == (["a"], ["b"])
    core.publish("", "q", "c")
    core.ack(other, 1)
    assert (low.bodies, high.bodies) == (["a"], ["b", "c"])
    check_invariants(core.broker, [unacked, other])


def test_version_4_gives_a_quorum_queue_at_once_where_nothing_is_owed() -> None:
    core, low, high = CoreHarness("rabbitmq-4"), FakeTarget(), FakeTarget()
    core.queue("q", durable=True, arguments=arguments(queue_type="quorum", single_active_consumer=True))
    core.consume("q", UnackedDeliveries(), low, tag="low")
    first = core.consume("q", UnackedDeliveries(), high, tag="high", priority=1)
    core.publish("", "q", "a")
    assert (low.bodies, high.bodies) == ([], ["a"])
    core.cancel(first)
    core.publish("", "q", "b")
    assert low.bodies == ["b"]


def calls_to_close(kind: str, count: int) -> int:
    """How many functions are called when a channel with so many consumers closes, the active one first of all."""
    core, unacked = sac_world(kind), UnackedDeliveries()
    for number in range(count):
        core.consume("q", unacked, tag=str(number))
    calls = 0

    def profile(_: FrameType, event: str, __: object) -> None:
        nonlocal calls
        calls += event == "call"

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        core.close_channel(unacked)
    finally:
        sys.setprofile(before)
    return calls


@pytest.mark.parametrize("kind", KINDS)
def test_to_succeed_costs_the_same_however_many_wait(kind: str) -> None:
    assert calls_to_close(kind, 800) < 6 * calls_to_close(kind, 200)


def test_those_who_wait_in_vain_are_forgotten() -> None:
    core = sac_world()
    core.consume("q", UnackedDeliveries(), priority=1)
    for number in range(200):
        core.cancel(core.consume("q", UnackedDeliveries(), tag=str(number)))
    assert len(as_fifo(core.vhost.queues["q"]).dispatch.successors) < 10
