"""Times to live: of messages (`x-message-ttl`, `expiration`) and of queues (`x-expires`)."""

from typing import TYPE_CHECKING

import pytest

from amqpy.core.broker import WORK_MAX
from amqpy.core.queues.fifo_queue import EXPIRED_MAX
from amqpy.core.unacked import UnackedDeliveries
from amqpy.wire.values import Table
from tests.core.core_harness import CoreHarness, FakeTarget, arguments
from tests.core.invariants import check_invariants

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def core() -> CoreHarness:
    core = CoreHarness()
    core.queue("dead")
    return core


def with_dead_letters(**values: int | str | bool) -> Table:
    return arguments(dead_letter_exchange="", dead_letter_routing_key="dead", **values)


# --- messages


@pytest.mark.parametrize(
    ("ttl_ms", "expiration", "lives_ms"),
    [(50, None, 50), (None, 50, 50), (50, 80, 50), (80, 50, 50), (50, 50, 50), (0, None, 0), (None, 0, 0), (9, 0, 0)],
)
def test_the_shortest_time_to_live_holds(
    core: CoreHarness, ttl_ms: int | None, expiration: int | None, lives_ms: int
) -> None:
    core.queue("q", arguments={} if ttl_ms is None else arguments(message_ttl=ttl_ms))
    core.advance(1000)
    core.publish("", "q", "a", expiration=expiration)
    if lives_ms:
        core.advance(lives_ms - 1)
        assert core.ready("q") == ["a"]
        core.advance(1)
    assert core.ready("q") == []
    check_invariants(core.broker, [])


def test_nobody_has_to_ask_for_a_message_to_expire(core: CoreHarness) -> None:
    core.queue("q", arguments=with_dead_letters(message_ttl=50))
    core.publish("", "q", "a")
    assert core.broker.next_at_ms() == 50
    core.advance(50)
    assert core.ready("dead") == ["a"]
    assert core.broker.next_at_ms() is None


def test_the_first_message_shields_those_behind_it(core: CoreHarness) -> None:
    core.queue("q", arguments=with_dead_letters())
    core.publish("", "q", "first")
    core.publish("", "q", "short", expiration=10)
    core.publish("", "q", "zero", expiration=0)
    core.publish("", "q", "long", expiration=100)
    core.advance(50)
    assert core.ready("q") == ["first", "short", "zero", "long"]
    got = core.get("q", UnackedDeliveries())
    assert got is not None
    assert (got[0].body, got[1]) == ("first", 1), "what expired right behind it is not counted any more"
    assert core.ready("q") == ["long"]
    assert core.ready("dead") == ["short", "zero"]


@pytest.mark.parametrize("leave", ["get", "consume", "purge"])
def test_however_the_first_message_leaves(core: CoreHarness, leave: str) -> None:
    core.queue("q", arguments=with_dead_letters())
    core.publish("", "q", "first")
    core.publish("", "q", "old", expiration=10)
    core.publish("", "q", "young", expiration=30)
    core.advance(20)
    if leave == "get":
        core.get("q", UnackedDeliveries(), no_ack=True)
    elif leave == "consume":
        target = FakeTarget()
        core.consume("q", UnackedDeliveries(), target, prefetch=1)
        assert target.bodies == ["first"]
    else:
        assert core.broker.topology.purge_queue(core.client, core.vhost, "q") == 3
    core.catch_up()
    assert core.ready("q") == ([] if leave == "purge" else ["young"])
    assert core.ready("dead") == ([] if leave == "purge" else ["old"])
    core.advance(10)
    assert core.ready("q") == []


def test_a_higher_priority_shields_lower_ones(core: CoreHarness) -> None:
    core.queue("q", arguments=with_dead_letters(max_priority=5))
    core.publish("", "q", "one", priority=1, expiration=10)
    core.publish("", "q", "five", priority=5, expiration=50)
    core.advance(20)
    assert core.ready("q") == ["five", "one"]
    core.advance(30)
    assert core.ready("q") == []
    assert core.ready("dead") == ["five", "one"]


def test_a_new_first_message_has_its_own_time(core: CoreHarness) -> None:
    core.queue("q", arguments=with_dead_letters(max_priority=5))
    core.publish("", "q", "low", priority=0, expiration=50)
    core.publish("", "q", "high", priority=1, expiration=10)
    core.advance(10)
    assert core.ready("q") == ["low"]
    core.advance(40)
    assert core.ready("dead") == ["high", "low"]


def test_no_time_at_all_is_enough_for_a_consumer_that_waits(core: CoreHarness) -> None:
    core.queue("q", arguments=with_dead_letters(message_ttl=0))
    target = FakeTarget()
    core.consume("q", UnackedDeliveries(), target, prefetch=1)
    core.publish("", "q", "a", "b")
    assert target.bodies == ["a"]
    assert core.ready("q") == []
    assert core.ready("dead") == ["b"], "the consumer was busy"


@pytest.mark.parametrize("way", ["nack", "recover", "close"])
def test_what_comes_back_keeps_its_end_of_life(core: CoreHarness, way: str) -> None:
    """It is not delivered again, not even to a consumer that waits."""
    core.queue("q", arguments=with_dead_letters(message_ttl=50))
    unacked, target = UnackedDeliveries(), FakeTarget()
    core.publish("", "q", "a")
    core.get("q", unacked)
    core.advance(50)
    assert core.vhost.queues["q"].unacked_count == 1, "a delivered message does not expire"
    core.consume("q", UnackedDeliveries(), target)
    if way == "nack":
        core.nack(unacked, 1)
    elif way == "recover":
        core.recover(unacked)
    else:
        core.close_channel(unacked)
    core.catch_up()
    assert target.got == []
    assert core.ready("dead") == ["a"]


def test_what_comes_back_in_time_is_delivered_again(core: CoreHarness) -> None:
    core.queue("q", arguments=with_dead_letters(message_ttl=50))
    unacked = UnackedDeliveries()
    core.publish("", "q", "a")
    core.get("q", unacked)
    core.advance(40)
    core.nack(unacked, 1)
    assert core.ready("q") == ["a"]
    core.advance(10)
    assert core.ready("dead") == ["a"], "its time did not begin anew"


def test_an_ack_of_a_message_whose_time_is_over_is_fine(core: CoreHarness) -> None:
    core.queue("q", arguments=with_dead_letters(message_ttl=50))
    unacked = UnackedDeliveries()
    core.publish("", "q", "a")
    core.get("q", unacked)
    core.advance(100)
    core.ack(unacked, 1)
    assert core.ready("dead") == []
    check_invariants(core.broker, [unacked])


# --- many at once


@pytest.mark.parametrize(("count", "has_dead_letters"), [(100_000, False), (10_000, True)])
def test_messages_that_expire_by_the_thousand_leave_others_their_turn(
    core: CoreHarness, count: int, has_dead_letters: bool
) -> None:
    core.queue("q", arguments=with_dead_letters() if has_dead_letters else {})
    queue, dead = core.vhost.queues["q"], core.vhost.queues["dead"]
    core.publish("", "q", *map(str, range(count)), expiration=10)
    core.publish("", "q", "alive")
    core.broker.scheduler.now_ms = 10
    target, unacked = FakeTarget(), UnackedDeliveries()
    turns = 0
    while core.broker.next_at_ms() is not None:
        before, buried = queue.ready_count, dead.ready_count
        core.broker.settle()
        turns += 1
        assert before - queue.ready_count <= 2 * (WORK_MAX // 10 + 1) * EXPIRED_MAX
        assert dead.ready_count - buried <= 2 * WORK_MAX
        if turns == 2:
            core.consume("q", unacked, target)
        assert set(target.bodies) <= {"alive"}, "delivered too late"
    assert turns > 10
    assert target.bodies == ["alive"], "it waits although it could be had"
    assert core.ready("dead") == ([str(number) for number in range(count)] if has_dead_letters else [])
    check_invariants(core.broker, [unacked])


# --- queues


def consume_and_close(core: CoreHarness, unacked: UnackedDeliveries) -> None:
    core.consume("q", unacked)
    core.close_channel(unacked)


def touch(core: CoreHarness, how: str, unacked: UnackedDeliveries) -> None:
    """What a client may do with a queue that has an `x-expires`."""
    topology, client, vhost = core.broker.topology, core.client, core.vhost
    actions: dict[str, Callable[[], object]] = {
        "declare": lambda: topology.stat(core.queue("q", arguments=arguments(expires=100))),
        "passive declare": lambda: topology.stat(topology.check_queue(client, vhost, "q")),
        "get": lambda: core.get("q", unacked),
        "consume and cancel": lambda: core.cancel(core.consume("q", unacked)),
        "consume and close": lambda: consume_and_close(core, unacked),
        "publish": lambda: core.publish("", "q", "a"),
        "purge": lambda: topology.purge_queue(client, vhost, "q"),
        "bind": lambda: core.bind("q", "amq.fanout"),
        "unbind": lambda: core.unbind("q", "amq.fanout"),
    }
    actions[how]()


@pytest.mark.parametrize("how", ["declare", "passive declare", "get", "consume and cancel", "consume and close"])
def test_a_queue_that_is_used_lives_on(core: CoreHarness, how: str) -> None:
    core.queue("q", arguments=arguments(expires=100))
    core.advance(90)
    touch(core, how, UnackedDeliveries())
    core.advance(99)
    assert "q" in core.vhost.queues
    core.advance(1)
    assert "q" not in core.vhost.queues
    check_invariants(core.broker, [])


@pytest.mark.parametrize("how", ["publish", "purge", "bind", "unbind"])
def test_what_is_no_use_of_a_queue(core: CoreHarness, how: str) -> None:
    core.queue("q", arguments=arguments(expires=100))
    core.advance(90)
    touch(core, how, UnackedDeliveries())
    core.advance(10)
    assert "q" not in core.vhost.queues


def test_a_queue_with_consumers_does_not_expire(core: CoreHarness) -> None:
    core.queue("q", arguments=arguments(expires=100))
    unacked = UnackedDeliveries()
    one, other = core.consume("q", unacked, tag="one"), core.consume("q", unacked, tag="other")
    assert core.broker.next_at_ms() is None, "nothing to wait for"
    core.advance(500)
    core.cancel(one)
    core.advance(500)
    core.cancel(other)
    core.advance(99)
    assert "q" in core.vhost.queues
    core.advance(1)
    assert "q" not in core.vhost.queues


def test_an_expired_queue_goes_with_all_it_has(core: CoreHarness) -> None:
    core.exchange("x", "fanout", auto_delete=True)
    core.queue("q", arguments=with_dead_letters(expires=100, message_ttl=1000))
    core.bind("q", "x")
    unacked = UnackedDeliveries()
    core.publish("x", "", "a", "b")
    core.get("q", unacked)
    core.advance(100)
    assert "q" not in core.vhost.queues
    assert "x" not in core.vhost.exchanges
    assert core.broker.next_at_ms() is None
    core.nack(unacked, 1, requeue=False)
    assert core.ready("dead") == []
    assert core.broker.message_count() == 0
    check_invariants(core.broker, [unacked])


def test_a_queue_and_its_messages_expire_in_the_order_of_time(core: CoreHarness) -> None:
    core.queue("first", arguments=with_dead_letters(expires=100, message_ttl=90))
    core.queue("then", arguments=with_dead_letters(expires=90, message_ttl=100))
    core.publish("", "first", "a")
    core.publish("", "then", "b")
    core.advance(100)
    assert set(core.vhost.queues) == {"dead"}
    assert core.ready("dead") == ["a"]
