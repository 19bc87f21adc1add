"""Queues and consumers: who gets which message, and when."""

import pytest

from amqpy.core.message import Message
from amqpy.core.unacked import UnackedDeliveries
from tests.core.core_harness import Delivery, FakeTarget, World


@pytest.fixture
def world() -> World:
    world = World()
    world.queue("q")
    return world


@pytest.fixture
def unacked() -> UnackedDeliveries:
    return UnackedDeliveries()


@pytest.fixture
def target() -> FakeTarget:
    return FakeTarget()


def test_a_message_goes_to_the_waiting_consumer(world: World, unacked: UnackedDeliveries, target: FakeTarget) -> None:
    world.consume("q", unacked, target)
    world.publish("", "q", "a", "b")
    assert target.got == [Delivery(1, False, "a"), Delivery(2, False, "b")]
    assert world.vhost.queues["q"].unacked_count == 2


def test_a_new_consumer_gets_what_waits_in_order(world: World, unacked: UnackedDeliveries, target: FakeTarget) -> None:
    world.publish("", "q", "a", "b")
    world.consume("q", unacked, target)
    assert target.bodies == ["a", "b"]


def test_consume_delivers_nothing_before_the_turn_is_settled(
    world: World, unacked: UnackedDeliveries, target: FakeTarget
) -> None:
    """The client must read consume-ok first."""
    world.publish("", "q", "a")
    world.broker.consume(
        world.client,
        world.vhost,
        "q",
        unacked,
        target,
        tag="tag",
        no_ack=False,
        exclusive=False,
        prefetch=0,
        arguments={},
    )
    assert target.got == []
    world.broker.settle()
    assert target.bodies == ["a"]


def test_without_acknowledgements_nothing_is_owed(world: World, unacked: UnackedDeliveries, target: FakeTarget) -> None:
    world.consume("q", unacked, target, no_ack=True, prefetch=1)
    world.publish("", "q", "a", "b", "c")
    assert target.got == [Delivery(1, False, "a"), Delivery(2, False, "b"), Delivery(3, False, "c")]
    assert not unacked.by_tag
    assert world.vhost.queues["q"].unacked_count == 0


def test_consumers_take_turns(world: World, unacked: UnackedDeliveries) -> None:
    first, second, third = FakeTarget(), FakeTarget(), FakeTarget()
    for tag, each in enumerate((first, second, third)):
        world.consume("q", unacked, each, tag=str(tag))
    world.publish("", "q", *"abcdefg")
    assert [first.bodies, second.bodies, third.bodies] == [list("adg"), list("be"), list("cf")]
    assert [delivery.tag for delivery in second.got] == [2, 5], "tags count over the whole channel"


def test_prefetch_holds_a_consumer_back_until_it_answers(
    world: World, unacked: UnackedDeliveries, target: FakeTarget
) -> None:
    world.consume("q", unacked, target, prefetch=2)
    world.publish("", "q", *"abcd")
    assert target.bodies == ["a", "b"]
    world.ack(unacked, 1)
    assert target.bodies == ["a", "b", "c"]
    world.nack(unacked, 2, requeue=False)
    assert target.bodies == ["a", "b", "c", "d"]
    assert world.ready("q") == []


def test_who_is_full_is_passed_over(world: World, unacked: UnackedDeliveries) -> None:
    slow, quick = FakeTarget(), FakeTarget()
    world.consume("q", unacked, slow, tag="slow", prefetch=1)
    world.consume("q", unacked, quick, tag="quick")
    world.publish("", "q", *"abcd")
    assert [slow.bodies, quick.bodies] == [["a"], ["b", "c", "d"]]
    world.ack(unacked, 1)
    world.publish("", "q", "e", "f")
    assert sorted(slow.bodies + quick.bodies) == list("abcdef")
    assert len(slow.bodies) == 2, "it stands in line again"


def test_a_client_that_does_not_read_gets_nothing(world: World, unacked: UnackedDeliveries, target: FakeTarget) -> None:
    consumer = world.consume("q", unacked, target)
    target.reading = False
    world.publish("", "q", "a", "b")
    assert target.got == []
    assert world.ready("q") == ["a", "b"]
    world.resume(consumer)
    assert target.got == [], "it does not read yet"
    target.reading = True
    world.resume(consumer)
    world.resume(consumer)
    assert target.bodies == ["a", "b"]
    world.publish("", "q", "c")
    assert target.bodies == ["a", "b", "c"]


def test_a_client_that_stops_reading_amid_a_backlog_leaves_the_rest(world: World, unacked: UnackedDeliveries) -> None:
    class Slow(FakeTarget):
        def deliver(self, tag: int, redelivered: bool, message: Message) -> None:
            super().deliver(tag, redelivered, message)
            self.reading = len(self.got) < 2

    target = Slow()
    world.publish("", "q", *"abcd")
    world.consume("q", unacked, target)
    assert target.bodies == ["a", "b"]
    assert world.ready("q") == ["c", "d"]


# --- the limit of a channel


def test_a_global_limit_counts_all_consumers_of_a_channel(world: World, unacked: UnackedDeliveries) -> None:
    world.queue("p")
    first, second, other = FakeTarget(), FakeTarget(), FakeTarget()
    world.limit(unacked, 2)
    world.consume("q", unacked, first)
    world.consume("p", unacked, second)
    world.publish("", "q", "a", "b", "c")
    world.publish("", "p", "d")
    assert [first.bodies, second.bodies] == [["a", "b"], []]
    world.consume("p", UnackedDeliveries(), other)
    assert other.bodies == ["d"], "another channel has a limit of its own"
    world.publish("", "p", "e", "f")
    assert other.bodies == ["d", "e", "f"]
    world.ack(unacked, 2, multiple=True)
    assert first.bodies == ["a", "b", "c"]


def test_raising_and_lifting_the_global_limit_wakes_the_consumers(
    world: World, unacked: UnackedDeliveries, target: FakeTarget
) -> None:
    world.limit(unacked, 1)
    world.consume("q", unacked, target)
    world.publish("", "q", *"abcd")
    assert target.bodies == ["a"]
    world.limit(unacked, 2)
    assert target.bodies == ["a", "b"]
    world.limit(unacked, 0)
    assert target.bodies == ["a", "b", "c", "d"]


def test_lowering_the_global_limit_takes_nothing_back(
    world: World, unacked: UnackedDeliveries, target: FakeTarget
) -> None:
    world.consume("q", unacked, target)
    world.publish("", "q", *"abc")
    world.limit(unacked, 2)
    world.publish("", "q", "d")
    assert target.bodies == ["a", "b", "c"]
    world.ack(unacked, 1)
    assert target.bodies == ["a", "b", "c"], "two are still owed"
    world.ack(unacked, 2)
    assert target.bodies == ["a", "b", "c", "d"]


def test_messages_of_get_do_not_count_unless_they_were_there_first(
    world: World, unacked: UnackedDeliveries, target: FakeTarget
) -> None:
    """RabbitMQ's limiter starts from everything outstanding and then counts consumers' messages only."""
    world.publish("", "q", *"abcdef")
    world.get("q", unacked)
    world.limit(unacked, 2)
    world.get("q", unacked)
    world.consume("q", unacked, target)
    assert target.bodies == ["c"], "`a` counts, `b` does not"


def test_a_changed_global_limit_does_not_count_anew(
    world: World, unacked: UnackedDeliveries, target: FakeTarget
) -> None:
    """`rabbit_limiter` takes the count of what is outstanding only when there was no limit before."""
    world.publish("", "q", *"abcdef")
    world.limit(unacked, 1)
    world.get("q", unacked)
    world.limit(unacked, 2)
    world.consume("q", unacked, target)
    assert target.bodies == ["b", "c"]


def test_the_global_limit_holds_back_a_consumer_without_acknowledgements_too(
    world: World, unacked: UnackedDeliveries, target: FakeTarget
) -> None:
    acking = FakeTarget()
    world.queue("p")
    world.limit(unacked, 1)
    world.consume("p", unacked, acking)
    world.consume("q", unacked, target, no_ack=True)
    world.publish("", "q", "a", "b")
    assert target.bodies == ["a", "b"], "its own deliveries are not counted"
    world.publish("", "p", "c")
    world.publish("", "q", "d")
    assert target.bodies == ["a", "b"]
    world.ack(unacked, 3)
    assert target.bodies == ["a", "b", "d"]


# --- back to the queue


def test_a_requeued_message_returns_to_its_place_and_is_redelivered(
    world: World, unacked: UnackedDeliveries, target: FakeTarget
) -> None:
    world.publish("", "q", *"abcd")
    for _ in range(3):
        world.get("q", unacked)
    world.nack(unacked, 3)
    world.nack(unacked, 1)
    assert world.ready("q") == ["a", "c", "d"]
    world.consume("q", unacked, target)
    assert target.got == [Delivery(4, True, "a"), Delivery(5, True, "c"), Delivery(6, False, "d")]


def test_a_message_keeps_its_place_over_a_purge(world: World, unacked: UnackedDeliveries) -> None:
    world.publish("", "q", *"abcd")
    world.get("q", unacked)
    world.get("q", unacked)
    world.nack(unacked, 2)
    assert world.broker.topology.purge_queue(world.client, world.vhost, "q") == 3
    world.publish("", "q", "e")
    world.nack(unacked, 1)
    assert world.ready("q") == ["a", "e"]


def test_a_dropped_message_is_gone(world: World, unacked: UnackedDeliveries) -> None:
    world.publish("", "q", "a", "b")
    world.get("q", unacked)
    world.nack(unacked, 1, requeue=False)
    assert world.ready("q") == ["b"]
    assert world.vhost.queues["q"].unacked_count == 0


def test_recover_returns_everything_in_order(world: World, unacked: UnackedDeliveries, target: FakeTarget) -> None:
    world.consume("q", unacked, target, prefetch=3)
    world.publish("", "q", *"abcd")
    world.recover(unacked)
    assert target.got[3:] == [Delivery(4, True, "a"), Delivery(5, True, "b"), Delivery(6, True, "c")]
    assert world.ready("q") == ["d"]


# --- get


def test_get_takes_the_first_message_and_says_how_many_are_left(world: World, unacked: UnackedDeliveries) -> None:
    world.publish("", "q", "a", "b")
    assert world.get("q", unacked) == (Delivery(1, False, "a"), 1)
    assert world.get("q", unacked, no_ack=True) == (Delivery(2, False, "b"), 0)
    assert world.get("q", unacked) is None
    assert world.vhost.queues["q"].unacked_count == 1
    assert list(unacked.by_tag) == [1]


# --- endings


def test_a_cancelled_consumer_gets_nothing_more(world: World, unacked: UnackedDeliveries, target: FakeTarget) -> None:
    world.cancel(world.consume("q", unacked, target))
    world.publish("", "q", "a")
    assert target.got == []
    assert target.cancellations == 0, "who asked for it need not be told"
    assert world.ready("q") == ["a"]


@pytest.mark.parametrize("prefetch", [0, 1])
def test_answers_to_what_a_cancelled_consumer_got_do_not_bring_it_back(
    world: World, unacked: UnackedDeliveries, target: FakeTarget, prefetch: int
) -> None:
    consumer = world.consume("q", unacked, target, prefetch=prefetch)
    world.publish("", "q", "a")
    world.cancel(consumer)
    assert world.vhost.queues["q"].unacked_count == 1, "what it owes stays owed"
    world.ack(unacked, 1)
    world.resume(consumer)
    world.limit(unacked, 1)
    world.limit(unacked, 0)
    world.publish("", "q", "b")
    assert target.bodies == ["a"]
    assert world.ready("q") == ["b"]


def test_a_cancelled_consumer_does_not_get_back_what_it_requeues(
    world: World, unacked: UnackedDeliveries, target: FakeTarget
) -> None:
    consumer = world.consume("q", unacked, target, prefetch=1)
    world.publish("", "q", "a", "b")
    world.cancel(consumer)
    world.nack(unacked, 1)
    assert target.bodies == ["a"]
    assert world.ready("q") == ["a", "b"]


def test_an_exclusive_consumer_makes_room_when_it_goes(world: World, unacked: UnackedDeliveries) -> None:
    second = FakeTarget()
    world.cancel(world.consume("q", unacked, exclusive=True))
    world.consume("q", unacked, second)
    world.publish("", "q", "a")
    assert second.bodies == ["a"]


def test_closing_a_channel_returns_what_it_owes_to_others(
    world: World, unacked: UnackedDeliveries, target: FakeTarget
) -> None:
    other = FakeTarget()
    world.consume("q", unacked, target, tag="1")
    world.consume("q", unacked, target, tag="2")
    world.publish("", "q", *"abc")
    world.close_channel(unacked)
    assert world.ready("q") == ["a", "b", "c"]
    assert target.bodies == ["a", "b", "c"], "nothing goes back to the channel that is closing"
    assert not world.vhost.queues["q"].consumers
    world.consume("q", UnackedDeliveries(), other)
    assert other.got == [Delivery(1, True, "a"), Delivery(2, True, "b"), Delivery(3, True, "c")]


def test_what_is_answered_after_its_queue_was_deleted_is_nobodys(
    world: World, unacked: UnackedDeliveries, target: FakeTarget
) -> None:
    gone = world.vhost.queues["q"]
    world.consume("q", unacked, target, prefetch=1)
    world.queue("p")
    world.consume("p", unacked, target)
    world.publish("", "q", "a", "b")
    assert world.delete_queue("q") == 1
    assert target.cancellations == 1
    world.queue("q")
    world.nack(unacked, 1)
    assert world.ready("q") == []
    assert (gone.ready_count, gone.unacked_count) == (0, 0)
    world.publish("", "p", "c")
    assert target.bodies == ["a", "c"]
    world.nack(unacked, 2)
    assert target.bodies == ["a", "c", "c"], "the channel lives on"


def test_what_comes_back_together_is_delivered_again_consumer_by_consumer(
    world: World, unacked: UnackedDeliveries, target: FakeTarget
) -> None:
    for tag in ("first", "second"):
        world.consume("q", unacked, target, tag=tag)
    world.publish("", "q", "a", "b", "c")
    world.nack(unacked, 3, multiple=True)
    assert target.bodies == ["a", "b", "c", "a", "c", "b"], "first's two, and then second's"
