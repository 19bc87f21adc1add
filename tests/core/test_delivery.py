"""Queues and consumers: who gets which message, and when."""

import pytest

from amqpy.core.message import Message
from amqpy.core.unacked import UnackedDeliveries
from tests.core.core_harness import CoreHarness, Delivery, FakeTarget


@pytest.fixture
def core() -> CoreHarness:
    core = CoreHarness()
    core.queue("q")
    return core


@pytest.fixture
def unacked() -> UnackedDeliveries:
    return UnackedDeliveries()


@pytest.fixture
def target() -> FakeTarget:
    return FakeTarget()


def test_a_message_goes_to_the_waiting_consumer(
    core: CoreHarness, unacked: UnackedDeliveries, target: FakeTarget
) -> None:
    core.consume("q", unacked, target)
    core.publish("", "q", "a", "b")
    assert target.got == [Delivery(1, False, "a"), Delivery(2, False, "b")]
    assert core.vhost.queues["q"].unacked_count == 2


def test_a_new_consumer_gets_what_waits_in_order(
    core: CoreHarness, unacked: UnackedDeliveries, target: FakeTarget
) -> None:
    core.publish("", "q", "a", "b")
    core.consume("q", unacked, target)
    assert target.bodies == ["a", "b"]


def test_consume_delivers_nothing_before_the_turn_is_settled(
    core: CoreHarness, unacked: UnackedDeliveries, target: FakeTarget
) -> None:
    """The client must read consume-ok first."""
    core.publish("", "q", "a")
    core.broker.consume(
        core.client,
        core.vhost,
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
    core.broker.settle()
    assert target.bodies == ["a"]


def test_without_acknowledgements_nothing_is_owed(
    core: CoreHarness, unacked: UnackedDeliveries, target: FakeTarget
) -> None:
    core.consume("q", unacked, target, no_ack=True, prefetch=1)
    core.publish("", "q", "a", "b", "c")
    assert target.got == [Delivery(1, False, "a"), Delivery(2, False, "b"), Delivery(3, False, "c")]
    assert not unacked.by_tag
    assert core.vhost.queues["q"].unacked_count == 0


def test_consumers_take_turns(core: CoreHarness, unacked: UnackedDeliveries) -> None:
    first, second, third = FakeTarget(), FakeTarget(), FakeTarget()
    for tag, each in enumerate((first, second, third)):
        core.consume("q", unacked, each, tag=str(tag))
    core.publish("", "q", *"abcdefg")
    assert [first.bodies, second.bodies, third.bodies] == [list("adg"), list("be"), list("cf")]
    assert [delivery.tag for delivery in second.got] == [2, 5], "tags count over the whole channel"


def test_prefetch_holds_a_consumer_back_until_it_answers(
    core: CoreHarness, unacked: UnackedDeliveries, target: FakeTarget
) -> None:
    core.consume("q", unacked, target, prefetch=2)
    core.publish("", "q", *"abcd")
    assert target.bodies == ["a", "b"]
    core.ack(unacked, 1)
    assert target.bodies == ["a", "b", "c"]
    core.nack(unacked, 2, requeue=False)
    assert target.bodies == ["a", "b", "c", "d"]
    assert core.ready("q") == []


def test_who_is_full_is_passed_over(core: CoreHarness, unacked: UnackedDeliveries) -> None:
    slow, quick = FakeTarget(), FakeTarget()
    core.consume("q", unacked, slow, tag="slow", prefetch=1)
    core.consume("q", unacked, quick, tag="quick")
    core.publish("", "q", *"abcd")
    assert [slow.bodies, quick.bodies] == [["a"], ["b", "c", "d"]]
    core.ack(unacked, 1)
    core.publish("", "q", "e", "f")
    assert sorted(slow.bodies + quick.bodies) == list("abcdef")
    assert len(slow.bodies) == 2, "it stands in line again"


def test_a_client_that_does_not_read_gets_nothing(
    core: CoreHarness, unacked: UnackedDeliveries, target: FakeTarget
) -> None:
    consumer = core.consume("q", unacked, target)
    target.reading = False
    core.publish("", "q", "a", "b")
    assert target.got == []
    assert core.ready("q") == ["a", "b"]
    core.resume(consumer)
    assert target.got == [], "it does not read yet"
    target.reading = True
    core.resume(consumer)
    core.resume(consumer)
    assert target.bodies == ["a", "b"]
    core.publish("", "q", "c")
    assert target.bodies == ["a", "b", "c"]


def test_a_client_that_stops_reading_amid_a_backlog_leaves_the_rest(
    core: CoreHarness, unacked: UnackedDeliveries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("amqpy.core.queues.classic.RUN_BYTES", 0)

    class Slow(FakeTarget):
        def deliver(self, tag: int, redelivered: bool, message: Message) -> None:
            super().deliver(tag, redelivered, message)
            self.reading = len(self.got) < 2

    target = Slow()
    core.publish("", "q", *"abcd")
    core.consume("q", unacked, target)
    assert target.bodies == ["a", "b"]
    assert core.ready("q") == ["c", "d"]


# --- the limit of a channel


def test_a_global_limit_counts_all_consumers_of_a_channel(core: CoreHarness, unacked: UnackedDeliveries) -> None:
    core.queue("p")
    first, second, other = FakeTarget(), FakeTarget(), FakeTarget()
    core.limit(unacked, 2)
    core.consume("q", unacked, first)
    core.consume("p", unacked, second)
    core.publish("", "q", "a", "b", "c")
    core.publish("", "p", "d")
    assert [first.bodies, second.bodies] == [["a", "b"], []]
    core.consume("p", UnackedDeliveries(), other)
    assert other.bodies == ["d"], "another channel has a limit of its own"
    core.publish("", "p", "e", "f")
    assert other.bodies == ["d", "e", "f"]
    core.ack(unacked, 2, multiple=True)
    assert first.bodies == ["a", "b", "c"]


def test_raising_and_lifting_the_global_limit_wakes_the_consumers(
    core: CoreHarness, unacked: UnackedDeliveries, target: FakeTarget
) -> None:
    core.limit(unacked, 1)
    core.consume("q", unacked, target)
    core.publish("", "q", *"abcd")
    assert target.bodies == ["a"]
    core.limit(unacked, 2)
    assert target.bodies == ["a", "b"]
    core.limit(unacked, 0)
    assert target.bodies == ["a", "b", "c", "d"]


def test_lowering_the_global_limit_takes_nothing_back(
    core: CoreHarness, unacked: UnackedDeliveries, target: FakeTarget
) -> None:
    core.consume("q", unacked, target)
    core.publish("", "q", *"abc")
    core.limit(unacked, 2)
    core.publish("", "q", "d")
    assert target.bodies == ["a", "b", "c"]
    core.ack(unacked, 1)
    assert target.bodies == ["a", "b", "c"], "two are still owed"
    core.ack(unacked, 2)
    assert target.bodies == ["a", "b", "c", "d"]


def test_messages_of_get_do_not_count_unless_they_were_there_first(
    core: CoreHarness, unacked: UnackedDeliveries, target: FakeTarget
) -> None:
    """RabbitMQ's limiter starts from everything outstanding and then counts consumers' messages only."""
    core.publish("", "q", *"abcdef")
    core.get("q", unacked)
    core.limit(unacked, 2)
    core.get("q", unacked)
    core.consume("q", unacked, target)
    assert target.bodies == ["c"], "`a` counts, `b` does not"


def test_a_changed_global_limit_does_not_count_anew(
    core: CoreHarness, unacked: UnackedDeliveries, target: FakeTarget
) -> None:
    """`rabbit_limiter` takes the count of what is outstanding only when there was no limit before."""
    core.publish("", "q", *"abcdef")
    core.limit(unacked, 1)
    core.get("q", unacked)
    core.limit(unacked, 2)
    core.consume("q", unacked, target)
    assert target.bodies == ["b", "c"]


def test_the_global_limit_holds_back_a_consumer_without_acknowledgements_too(
    core: CoreHarness, unacked: UnackedDeliveries, target: FakeTarget
) -> None:
    acking = FakeTarget()
    core.queue("p")
    core.limit(unacked, 1)
    core.consume("p", unacked, acking)
    core.consume("q", unacked, target, no_ack=True)
    core.publish("", "q", "a", "b")
    assert target.bodies == ["a", "b"], "its own deliveries are not counted"
    core.publish("", "p", "c")
    core.publish("", "q", "d")
    assert target.bodies == ["a", "b"]
    core.ack(unacked, 3)
    assert target.bodies == ["a", "b", "d"]


# --- back to the queue


def test_a_requeued_message_returns_to_its_place_and_is_redelivered(
    core: CoreHarness, unacked: UnackedDeliveries, target: FakeTarget
) -> None:
    core.publish("", "q", *"abcd")
    for _ in range(3):
        core.get("q", unacked)
    core.nack(unacked, 3)
    core.nack(unacked, 1)
    assert core.ready("q") == ["a", "c", "d"]
    core.consume("q", unacked, target)
    assert target.got == [Delivery(4, True, "a"), Delivery(5, True, "c"), Delivery(6, False, "d")]


def test_a_message_keeps_its_place_over_a_purge(core: CoreHarness, unacked: UnackedDeliveries) -> None:
    core.publish("", "q", *"abcd")
    core.get("q", unacked)
    core.get("q", unacked)
    core.nack(unacked, 2)
    assert core.broker.topology.purge_queue(core.client, core.vhost, "q") == 3
    core.publish("", "q", "e")
    core.nack(unacked, 1)
    assert core.ready("q") == ["a", "e"]


def test_a_dropped_message_is_gone(core: CoreHarness, unacked: UnackedDeliveries) -> None:
    core.publish("", "q", "a", "b")
    core.get("q", unacked)
    core.nack(unacked, 1, requeue=False)
    assert core.ready("q") == ["b"]
    assert core.vhost.queues["q"].unacked_count == 0


def test_recover_returns_everything_in_order(core: CoreHarness, unacked: UnackedDeliveries, target: FakeTarget) -> None:
    core.consume("q", unacked, target, prefetch=3)
    core.publish("", "q", *"abcd")
    core.recover(unacked)
    assert target.got[3:] == [Delivery(4, True, "a"), Delivery(5, True, "b"), Delivery(6, True, "c")]
    assert core.ready("q") == ["d"]


# --- get


def test_get_takes_the_first_message_and_says_how_many_are_left(core: CoreHarness, unacked: UnackedDeliveries) -> None:
    core.publish("", "q", "a", "b")
    assert core.get("q", unacked) == (Delivery(1, False, "a"), 1)
    assert core.get("q", unacked, no_ack=True) == (Delivery(2, False, "b"), 0)
    assert core.get("q", unacked) is None
    assert core.vhost.queues["q"].unacked_count == 1
    assert list(unacked.by_tag) == [1]


# --- endings


def test_a_cancelled_consumer_gets_nothing_more(
    core: CoreHarness, unacked: UnackedDeliveries, target: FakeTarget
) -> None:
    core.cancel(core.consume("q", unacked, target))
    core.publish("", "q", "a")
    assert target.got == []
    assert target.cancellations == 0, "who asked for it need not be told"
    assert core.ready("q") == ["a"]


@pytest.mark.parametrize("prefetch", [0, 1])
def test_answers_to_what_a_cancelled_consumer_got_do_not_bring_it_back(
    core: CoreHarness, unacked: UnackedDeliveries, target: FakeTarget, prefetch: int
) -> None:
    consumer = core.consume("q", unacked, target, prefetch=prefetch)
    core.publish("", "q", "a")
    core.cancel(consumer)
    assert core.vhost.queues["q"].unacked_count == 1, "what it owes stays owed"
    core.ack(unacked, 1)
    core.resume(consumer)
    core.limit(unacked, 1)
    core.limit(unacked, 0)
    core.publish("", "q", "b")
    assert target.bodies == ["a"]
    assert core.ready("q") == ["b"]


def test_a_cancelled_consumer_does_not_get_back_what_it_requeues(
    core: CoreHarness, unacked: UnackedDeliveries, target: FakeTarget
) -> None:
    consumer = core.consume("q", unacked, target, prefetch=1)
    core.publish("", "q", "a", "b")
    core.cancel(consumer)
    core.nack(unacked, 1)
    assert target.bodies == ["a"]
    assert core.ready("q") == ["a", "b"]


def test_an_exclusive_consumer_makes_room_when_it_goes(core: CoreHarness, unacked: UnackedDeliveries) -> None:
    second = FakeTarget()
    core.cancel(core.consume("q", unacked, exclusive=True))
    core.consume("q", unacked, second)
    core.publish("", "q", "a")
    assert second.bodies == ["a"]


def test_closing_a_channel_returns_what_it_owes_to_others(
    core: CoreHarness, unacked: UnackedDeliveries, target: FakeTarget
) -> None:
    other = FakeTarget()
    core.consume("q", unacked, target, tag="1")
    core.consume("q", unacked, target, tag="2")
    core.publish("", "q", *"abc")
    core.close_channel(unacked)
    assert core.ready("q") == ["a", "b", "c"]
    assert target.bodies == ["a", "b", "c"], "nothing goes back to the channel that is closing"
    assert not core.vhost.queues["q"].consumers
    core.consume("q", UnackedDeliveries(), other)
    assert other.got == [Delivery(1, True, "a"), Delivery(2, True, "b"), Delivery(3, True, "c")]


def test_what_is_answered_after_its_queue_was_deleted_is_nobodys(
    core: CoreHarness, unacked: UnackedDeliveries, target: FakeTarget
) -> None:
    gone = core.vhost.queues["q"]
    core.consume("q", unacked, target, prefetch=1)
    core.queue("p")
    core.consume("p", unacked, target)
    core.publish("", "q", "a", "b")
    assert core.delete_queue("q") == 1
    assert target.cancellations == 1
    core.queue("q")
    core.nack(unacked, 1)
    assert core.ready("q") == []
    assert (gone.ready_count, gone.unacked_count) == (0, 0)
    core.publish("", "p", "c")
    assert target.bodies == ["a", "c"]
    core.nack(unacked, 2)
    assert target.bodies == ["a", "c", "c"], "the channel lives on"


def test_what_comes_back_together_is_delivered_again_consumer_by_consumer(
    core: CoreHarness, unacked: UnackedDeliveries, target: FakeTarget
) -> None:
    for tag in ("first", "second"):
        core.consume("q", unacked, target, tag=tag)
    core.publish("", "q", "a", "b", "c")
    core.nack(unacked, 3, multiple=True)
    assert target.bodies == ["a", "b", "c", "a", "c", "b"], "first's two, and then second's"
