"""Times to live: of messages (`x-message-ttl`, `expiration`) and of queues (`x-expires`)."""

from typing import TYPE_CHECKING

import pytest

from amqpy.core.broker import WORK_MAX
from amqpy.core.queues.fifo_queue import EXPIRED_MAX
from amqpy.core.unacked import UnackedDeliveries
from amqpy.wire.values import Table
from tests.core.core_harness import FakeTarget, World, arguments
from tests.core.invariants import check_invariants

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def world() -> World:
    world = World()
    world.queue("dead")
    return world


def with_dead_letters(**values: int | str | bool) -> Table:
    return arguments(dead_letter_exchange="", dead_letter_routing_key="dead", **values)


# --- messages


@pytest.mark.parametrize(
    ("ttl_ms", "expiration", "lives_ms"),
    [(50, None, 50), (None, 50, 50), (50, 80, 50), (80, 50, 50), (50, 50, 50), (0, None, 0), (None, 0, 0), (9, 0, 0)],
)
def test_the_shortest_time_to_live_holds(
    world: World, ttl_ms: int | None, expiration: int | None, lives_ms: int
) -> None:
    world.queue("q", arguments={} if ttl_ms is None else arguments(message_ttl=ttl_ms))
    world.advance(1000)
    world.publish("", "q", "a", expiration=expiration)
    if lives_ms:
        world.advance(lives_ms - 1)
        assert world.ready("q") == ["a"]
        world.advance(1)
    assert world.ready("q") == []
    check_invariants(world.broker, [])


def test_nobody_has_to_ask_for_a_message_to_expire(world: World) -> None:
    world.queue("q", arguments=with_dead_letters(message_ttl=50))
    world.publish("", "q", "a")
    assert world.broker.next_at_ms() == 50
    world.advance(50)
    assert world.ready("dead") == ["a"]
    assert world.broker.next_at_ms() is None


def test_the_first_message_shields_those_behind_it(world: World) -> None:
    world.queue("q", arguments=with_dead_letters())
    world.publish("", "q", "first")
    world.publish("", "q", "short", expiration=10)
    world.publish("", "q", "zero", expiration=0)
    world.publish("", "q", "long", expiration=100)
    world.advance(50)
    assert world.ready("q") == ["first", "short", "zero", "long"]
    got = world.get("q", UnackedDeliveries())
    assert got is not None
    assert (got[0].body, got[1]) == ("first", 1), "what expired right behind it is not counted any more"
    assert world.ready("q") == ["long"]
    assert world.ready("dead") == ["short", "zero"]


@pytest.mark.parametrize("leave", ["get", "consume", "purge"])
def test_however_the_first_message_leaves(world: World, leave: str) -> None:
    world.queue("q", arguments=with_dead_letters())
    world.publish("", "q", "first")
    world.publish("", "q", "old", expiration=10)
    world.publish("", "q", "young", expiration=30)
    world.advance(20)
    if leave == "get":
        world.get("q", UnackedDeliveries(), no_ack=True)
    elif leave == "consume":
        target = FakeTarget()
        world.consume("q", UnackedDeliveries(), target, prefetch=1)
        assert target.bodies == ["first"]
    else:
        assert world.broker.topology.purge_queue(world.client, world.vhost, "q") == 3
    world.catch_up()
    assert world.ready("q") == ([] if leave == "purge" else ["young"])
    assert world.ready("dead") == ([] if leave == "purge" else ["old"])
    world.advance(10)
    assert world.ready("q") == []


def test_a_higher_priority_shields_lower_ones(world: World) -> None:
    world.queue("q", arguments=with_dead_letters(max_priority=5))
    world.publish("", "q", "one", priority=1, expiration=10)
    world.publish("", "q", "five", priority=5, expiration=50)
    world.advance(20)
    assert world.ready("q") == ["five", "one"]
    world.advance(30)
    assert world.ready("q") == []
    assert world.ready("dead") == ["five", "one"]


def test_a_new_first_message_has_its_own_time(world: World) -> None:
    world.queue("q", arguments=with_dead_letters(max_priority=5))
    world.publish("", "q", "low", priority=0, expiration=50)
    world.publish("", "q", "high", priority=1, expiration=10)
    world.advance(10)
    assert world.ready("q") == ["low"]
    world.advance(40)
    assert world.ready("dead") == ["high", "low"]


def test_no_time_at_all_is_enough_for_a_consumer_that_waits(world: World) -> None:
    world.queue("q", arguments=with_dead_letters(message_ttl=0))
    target = FakeTarget()
    world.consume("q", UnackedDeliveries(), target, prefetch=1)
    world.publish("", "q", "a", "b")
    assert target.bodies == ["a"]
    assert world.ready("q") == []
    assert world.ready("dead") == ["b"], "the consumer was busy"


@pytest.mark.parametrize("way", ["nack", "recover", "close"])
def test_what_comes_back_keeps_its_end_of_life(world: World, way: str) -> None:
    """It is not delivered again, not even to a consumer that waits."""
    world.queue("q", arguments=with_dead_letters(message_ttl=50))
    unacked, target = UnackedDeliveries(), FakeTarget()
    world.publish("", "q", "a")
    world.get("q", unacked)
    world.advance(50)
    assert world.vhost.queues["q"].unacked_count == 1, "a delivered message does not expire"
    world.consume("q", UnackedDeliveries(), target)
    if way == "nack":
        world.nack(unacked, 1)
    elif way == "recover":
        world.recover(unacked)
    else:
        world.close_channel(unacked)
    world.catch_up()
    assert target.got == []
    assert world.ready("dead") == ["a"]


def test_what_comes_back_in_time_is_delivered_again(world: World) -> None:
    world.queue("q", arguments=with_dead_letters(message_ttl=50))
    unacked = UnackedDeliveries()
    world.publish("", "q", "a")
    world.get("q", unacked)
    world.advance(40)
    world.nack(unacked, 1)
    assert world.ready("q") == ["a"]
    world.advance(10)
    assert world.ready("dead") == ["a"], "its time did not begin anew"


def test_an_ack_of_a_message_whose_time_is_over_is_fine(world: World) -> None:
    world.queue("q", arguments=with_dead_letters(message_ttl=50))
    unacked = UnackedDeliveries()
    world.publish("", "q", "a")
    world.get("q", unacked)
    world.advance(100)
    world.ack(unacked, 1)
    assert world.ready("dead") == []
    check_invariants(world.broker, [unacked])


# --- many at once


@pytest.mark.parametrize(("count", "has_dead_letters"), [(100_000, False), (10_000, True)])
def test_messages_that_expire_by_the_thousand_leave_others_their_turn(
    world: World, count: int, has_dead_letters: bool
) -> None:
    world.queue("q", arguments=with_dead_letters() if has_dead_letters else {})
    queue, dead = world.vhost.queues["q"], world.vhost.queues["dead"]
    world.publish("", "q", *map(str, range(count)), expiration=10)
    world.publish("", "q", "alive")
    world.broker.scheduler.now_ms = 10
    target, unacked = FakeTarget(), UnackedDeliveries()
    turns = 0
    while world.broker.next_at_ms() is not None:
        before, buried = queue.ready_count, dead.ready_count
        world.broker.settle()
        turns += 1
        assert before - queue.ready_count <= 2 * (WORK_MAX // 10 + 1) * EXPIRED_MAX
        assert dead.ready_count - buried <= 2 * WORK_MAX
        if turns == 2:
            world.consume("q", unacked, target)
        assert set(target.bodies) <= {"alive"}, "delivered too late"
    assert turns > 10
    assert target.bodies == ["alive"], "it waits although it could be had"
    assert world.ready("dead") == ([str(number) for number in range(count)] if has_dead_letters else [])
    check_invariants(world.broker, [unacked])


# --- queues


def consume_and_close(world: World, unacked: UnackedDeliveries) -> None:
    world.consume("q", unacked)
    world.close_channel(unacked)


def touch(world: World, how: str, unacked: UnackedDeliveries) -> None:
    """What a client may do with a queue that has an `x-expires`."""
    topology, client, vhost = world.broker.topology, world.client, world.vhost
    actions: dict[str, Callable[[], object]] = {
        "declare": lambda: topology.stat(world.queue("q", arguments=arguments(expires=100))),
        "passive declare": lambda: topology.stat(topology.check_queue(client, vhost, "q")),
        "get": lambda: world.get("q", unacked),
        "consume and cancel": lambda: world.cancel(world.consume("q", unacked)),
        "consume and close": lambda: consume_and_close(world, unacked),
        "publish": lambda: world.publish("", "q", "a"),
        "purge": lambda: topology.purge_queue(client, vhost, "q"),
        "bind": lambda: world.bind("q", "amq.fanout"),
        "unbind": lambda: world.unbind("q", "amq.fanout"),
    }
    actions[how]()


@pytest.mark.parametrize("how", ["declare", "passive declare", "get", "consume and cancel", "consume and close"])
def test_a_queue_that_is_used_lives_on(world: World, how: str) -> None:
    world.queue("q", arguments=arguments(expires=100))
    world.advance(90)
    touch(world, how, UnackedDeliveries())
    world.advance(99)
    assert "q" in world.vhost.queues
    world.advance(1)
    assert "q" not in world.vhost.queues
    check_invariants(world.broker, [])


@pytest.mark.parametrize("how", ["publish", "purge", "bind", "unbind"])
def test_what_is_no_use_of_a_queue(world: World, how: str) -> None:
    world.queue("q", arguments=arguments(expires=100))
    world.advance(90)
    touch(world, how, UnackedDeliveries())
    world.advance(10)
    assert "q" not in world.vhost.queues


def test_a_queue_with_consumers_does_not_expire(world: World) -> None:
    world.queue("q", arguments=arguments(expires=100))
    unacked = UnackedDeliveries()
    one, other = world.consume("q", unacked, tag="one"), world.consume("q", unacked, tag="other")
    assert world.broker.next_at_ms() is None, "nothing to wait for"
    world.advance(500)
    world.cancel(one)
    world.advance(500)
    world.cancel(other)
    world.advance(99)
    assert "q" in world.vhost.queues
    world.advance(1)
    assert "q" not in world.vhost.queues


def test_an_expired_queue_goes_with_all_it_has(world: World) -> None:
    world.exchange("x", "fanout", auto_delete=True)
    world.queue("q", arguments=with_dead_letters(expires=100, message_ttl=1000))
    world.bind("q", "x")
    unacked = UnackedDeliveries()
    world.publish("x", "", "a", "b")
    world.get("q", unacked)
    world.advance(100)
    assert "q" not in world.vhost.queues
    assert "x" not in world.vhost.exchanges
    assert world.broker.next_at_ms() is None
    world.nack(unacked, 1, requeue=False)
    assert world.ready("dead") == []
    assert world.broker.message_count() == 0
    check_invariants(world.broker, [unacked])


def test_a_queue_and_its_messages_expire_in_the_order_of_time(world: World) -> None:
    world.queue("first", arguments=with_dead_letters(expires=100, message_ttl=90))
    world.queue("then", arguments=with_dead_letters(expires=90, message_ttl=100))
    world.publish("", "first", "a")
    world.publish("", "then", "b")
    world.advance(100)
    assert set(world.vhost.queues) == {"dead"}
    assert world.ready("dead") == ["a"]
