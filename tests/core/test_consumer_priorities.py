"""`x-priority` of consumers, and many consumers."""

import pytest

from amqpy.core.unacked import UnackedDeliveries
from tests.core.core_harness import CoreHarness, FakeTarget
from tests.core.invariants import check_invariants, check_lines
from tests.fifo import as_fifo


@pytest.fixture
def core() -> CoreHarness:
    core = CoreHarness()
    core.queue("q")
    return core


def consumers(
    core: CoreHarness, *priorities: int | None, prefetch: int = 0
) -> tuple[list[FakeTarget], list[UnackedDeliveries]]:
    targets, channels_unacked = [FakeTarget() for _ in priorities], [UnackedDeliveries() for _ in priorities]
    for target, unacked, priority in zip(targets, channels_unacked, priorities, strict=True):
        core.consume("q", unacked, target, priority=priority, prefetch=prefetch)
    return targets, channels_unacked


@pytest.mark.parametrize("priorities", [(1, 2, None), (None, -1, 5), (2**63 - 1, -(2**63), 0), (-3, -2, -1)])
def test_the_highest_priority_gets_all_it_can_take(core: CoreHarness, priorities: tuple[int | None, ...]) -> None:
    ends, channels_unacked = consumers(core, *priorities, prefetch=2)
    core.publish("", "q", *"abcdefg")
    by_rank = sorted(range(3), key=lambda number: -(priorities[number] or 0))
    assert [ends[number].bodies for number in by_rank] == [["a", "b"], ["c", "d"], ["e", "f"]]
    core.ack(channels_unacked[by_rank[2]], 1)
    assert ends[by_rank[2]].bodies == ["e", "f", "g"]
    for number in by_rank[1:]:
        core.ack(channels_unacked[number], 0, multiple=True)
    core.ack(channels_unacked[by_rank[0]], 1)
    core.publish("", "q", "h", "i")
    assert ends[by_rank[0]].bodies == ["a", "b", "h"]
    assert ends[by_rank[1]].bodies == ["c", "d", "i"]
    check_invariants(core.broker, channels_unacked)


def test_equals_take_turns(core: CoreHarness) -> None:
    (one, other, lower), _ = consumers(core, 5, 5, 1)
    core.publish("", "q", *"abcd")
    assert (one.bodies, other.bodies, lower.bodies) == (["a", "c"], ["b", "d"], [])


def test_the_priority_of_one_who_came_without_any(core: CoreHarness) -> None:
    (plain, low, high), channels_unacked = consumers(core, None, -1, 1, prefetch=1)
    core.publish("", "q", *"abc")
    assert (high.bodies, plain.bodies, low.bodies) == (["a"], ["b"], ["c"])
    check_invariants(core.broker, channels_unacked)


def test_what_a_low_one_gives_back_goes_to_a_high_one(core: CoreHarness) -> None:
    _, (unacked,) = consumers(core, 1)
    core.publish("", "q", "a")
    (high,), _ = consumers(core, 2)
    assert high.got == []
    core.nack(unacked, 1)
    assert high.bodies == ["a"]


def test_a_low_one_gets_what_waits_when_it_comes(core: CoreHarness) -> None:
    consumers(core, 9, prefetch=1)
    core.publish("", "q", "a", "b")
    (low,), _ = consumers(core, -9)
    assert low.bodies == ["b"]


@pytest.mark.parametrize("leaves", ["cancel", "close", "stop reading"])
def test_when_the_high_one_leaves(core: CoreHarness, leaves: str) -> None:
    high, low, unacked = FakeTarget(), FakeTarget(), UnackedDeliveries()
    consumer = core.consume("q", unacked, high, priority=1)
    core.consume("q", UnackedDeliveries(), low)
    if leaves == "cancel":
        core.cancel(consumer)
    elif leaves == "close":
        core.close_channel(unacked)
    else:
        high.reading = False
    core.publish("", "q", "a")
    assert (high.bodies, low.bodies) == ([], ["a"])


@pytest.mark.parametrize("has_priorities", [False, True])
def test_thousands_of_consumers_come_and_go(core: CoreHarness, has_priorities: bool) -> None:
    count = 2000
    channels_unacked, ends = [UnackedDeliveries() for _ in range(count)], [FakeTarget() for _ in range(count)]
    for number, (unacked, end) in enumerate(zip(channels_unacked, ends, strict=True)):
        core.consume("q", unacked, end, prefetch=1, priority=number % 3 if has_priorities else None)
    queue = core.vhost.queues["q"]
    dispatch = as_fifo(queue).dispatch
    for unacked in channels_unacked[: count - 3]:
        core.close_channel(unacked)
        lines = [dispatch.ready_consumers] if not dispatch.ready_by_priority else dispatch.ready_by_priority.values()
        standing = sum(map(len, lines))
        assert standing <= 2 * len(queue.consumers) + 1, "those who left do not pile up"
    check_lines(queue)
    core.publish("", "q", *"abcd")
    assert sorted(body for end in ends[-3:] for body in end.bodies) == ["a", "b", "c"]
    assert core.ready("q") == ["d"]


def test_thousands_of_consumers_are_told_that_their_queue_is_gone(core: CoreHarness) -> None:
    unacked, ends = UnackedDeliveries(), [FakeTarget() for _ in range(2000)]
    for number, end in enumerate(ends):
        core.consume("q", unacked, end, tag=str(number), priority=number % 7)
    core.delete_queue("q")
    assert {end.cancellations for end in ends} == {1}
    assert not unacked.consumers
    check_invariants(core.broker, [unacked])


def test_priorities_that_nobody_has_are_forgotten() -> None:
    """A client may come with another priority each time, for ever."""
    core = CoreHarness()
    queue = core.queue("q")
    for priority in range(1, 200):
        core.cancel(core.consume("q", UnackedDeliveries(), priority=priority))
    by_priority = as_fifo(queue).dispatch.ready_by_priority
    assert by_priority is not None
    assert len(by_priority) <= 2
    late = FakeTarget()
    core.consume("q", UnackedDeliveries(), late)
    core.publish("", "q", "a")
    assert late.bodies == ["a"]
