"""Consumers that take too long to answer: marks, whose timeout counts, and what becomes of the messages."""

from typing import Any

import pytest

from amqpy.core.consumer_timeout import INTERVAL_MS, MARKS_MAX
from amqpy.core.unacked import UnackedDeliveries
from amqpy.errors import PreconditionFailed
from tests.core.core_harness import FakeTarget, World, arguments
from tests.fifo import ready_messages

TIMEOUT_MS = 60_000
LATE_MS = TIMEOUT_MS + 2 * INTERVAL_MS
"""When a timeout has been noticed, whenever the delivery was."""

THREE = ["rabbitmq-3.10", "rabbitmq-3.13"]


class Channel:
    """A unacked that is watched, as a session has it done."""

    def __init__(self, world: World, *, supports_cancel_notify: bool = True) -> None:
        self.world = world
        self.unacked = UnackedDeliveries()
        self.target = FakeTarget()
        self.closed_with: list[int] = []
        world.broker.consumer_timeouts.watch(self.unacked, self.close, supports_cancel_notify=supports_cancel_notify)

    def close(self, timeout_ms: int) -> None:
        self.closed_with.append(timeout_ms)
        self.world.broker.consumer_timeouts.forget(self.unacked)
        broker = self.world.broker
        broker.scheduler.jobs.do(broker.close_channel(self.world.vhost, self.unacked, []))

    def consume(self, queue: str, **more: Any) -> None:  # noqa: ANN401
        self.world.consume(queue, self.unacked, self.target, **more)


def world_of(profile: str, timeout_ms: int | None = TIMEOUT_MS) -> World:
    """With a classic queue `c` and a quorum queue `q`."""
    world = World(profile, consumer_timeout_ms=timeout_ms)
    world.queue("c", durable=True)
    world.queue("q", durable=True, arguments=arguments(queue_type="quorum"))
    return world


def test_without_a_timeout_nobody_looks() -> None:
    world = world_of("rabbitmq-3.13", timeout_ms=None)
    channel = Channel(world)
    channel.consume("c")
    world.publish("", "c", "m")
    assert world.broker.next_at_ms() is None
    world.wait(1_000 * LATE_MS)
    assert channel.closed_with == []


@pytest.mark.parametrize("profile", THREE)
@pytest.mark.parametrize("queue", ["c", "q"])
@pytest.mark.parametrize("at_ms", [0, 1, INTERVAL_MS - 1, INTERVAL_MS, INTERVAL_MS + 1])
def test_the_channel_is_closed_not_early_and_not_much_too_late(profile: str, queue: str, at_ms: int) -> None:
    world = world_of(profile)
    channel = Channel(world)
    channel.consume(queue)
    world.wait(at_ms)
    world.publish("", queue, "m")
    world.wait(TIMEOUT_MS - 1)
    assert channel.closed_with == []
    world.wait(LATE_MS - TIMEOUT_MS + 1)
    assert channel.closed_with == [TIMEOUT_MS]
    assert world.ready(queue) == ["m"]


@pytest.mark.parametrize("profile", [*THREE, "rabbitmq-4"])
def test_who_answers_in_time_is_left_alone(profile: str) -> None:
    world = world_of(profile)
    channel = Channel(world)
    channel.consume("q", prefetch=2)
    world.publish("", "q", *map(str, range(30)))
    for tag in range(1, 30):
        world.wait(TIMEOUT_MS // 2)
        world.ack(channel.unacked, tag)
    assert (channel.closed_with, channel.target.cancellations) == ([], 0)
    world.wait(LATE_MS)
    assert bool(channel.closed_with) is (profile in THREE)
    assert channel.target.cancellations == (profile not in THREE)


@pytest.mark.parametrize("profile", THREE)
def test_basic_get_is_meant_too(profile: str) -> None:
    world = world_of(profile)
    channel = Channel(world)
    world.publish("", "c", "m")
    world.get("c", channel.unacked)
    world.wait(LATE_MS)
    assert channel.closed_with == [TIMEOUT_MS]


@pytest.mark.parametrize("profile", [*THREE, "rabbitmq-4"])
def test_who_need_not_answer_has_no_timeout(profile: str) -> None:
    world = world_of(profile)
    channel = Channel(world)
    channel.consume("q", no_ack=True)
    world.publish("", "q", "m")
    world.wait(LATE_MS)
    assert (channel.closed_with, channel.target.cancellations) == ([], 0)


@pytest.mark.parametrize("profile", THREE)
def test_a_closed_channel_is_forgotten(profile: str) -> None:
    world = world_of(profile)
    channel, other = Channel(world), Channel(world)
    channel.consume("c")
    world.publish("", "c", "m")
    other.consume("c")
    world.wait(LATE_MS)
    assert (channel.closed_with, other.closed_with) == ([TIMEOUT_MS], [])
    world.wait(LATE_MS)
    assert (channel.closed_with, other.closed_with) == ([TIMEOUT_MS], [TIMEOUT_MS])


def test_the_oldest_delivery_speaks_for_its_channel() -> None:
    world = world_of("rabbitmq-3.13", timeout_ms=None)
    world.queue("short", durable=True, arguments=arguments(consumer_timeout=TIMEOUT_MS))
    channel = Channel(world)
    channel.consume("c", tag="1")
    channel.consume("short", tag="2")
    world.publish("", "c", "patient")
    world.publish("", "short", "m")
    world.wait(10 * LATE_MS)
    assert channel.closed_with == []
    world.ack(channel.unacked, 1)
    world.wait(INTERVAL_MS)
    assert channel.closed_with == [TIMEOUT_MS]


def test_a_queue_may_have_a_timeout_of_its_own() -> None:
    world = world_of("rabbitmq-3.13")
    world.queue("long", durable=True, arguments=arguments(consumer_timeout=10 * TIMEOUT_MS))
    channel = Channel(world)
    channel.consume("long")
    world.publish("", "long", "m")
    world.wait(9 * TIMEOUT_MS)
    assert channel.closed_with == []
    world.wait(TIMEOUT_MS + 2 * INTERVAL_MS)
    assert channel.closed_with == [10 * TIMEOUT_MS]


@pytest.mark.parametrize(("argument", "said"), [(1, 2), (2, 1)])
def test_of_the_argument_and_the_policy_the_least_holds(argument: int, said: int) -> None:
    world = World("rabbitmq-3.13")
    world.broker.administration.set_policy("/", "p", "", {"consumer-timeout": said * TIMEOUT_MS})
    world.queue("q", durable=True, arguments=arguments(consumer_timeout=argument * TIMEOUT_MS))
    channel = Channel(world)
    channel.consume("q")
    world.publish("", "q", "m")
    world.wait(LATE_MS)
    assert channel.closed_with == [TIMEOUT_MS]


def test_a_policy_works_on_what_was_delivered_already() -> None:
    world = World("rabbitmq-3.13")
    world.queue("q", durable=True)
    channel = Channel(world)
    channel.consume("q")
    world.publish("", "q", "m")
    world.wait(LATE_MS)
    world.broker.administration.set_policy("/", "p", "", {"consumer-timeout": TIMEOUT_MS})
    world.wait(LATE_MS)
    assert channel.closed_with == [TIMEOUT_MS]


def test_an_argument_that_means_nothing() -> None:
    world = World("rabbitmq-3.10")
    world.queue("q", durable=True, arguments=arguments(consumer_timeout=TIMEOUT_MS))
    channel = Channel(world)
    channel.consume("q", consumer_timeout=TIMEOUT_MS)
    world.publish("", "q", "m")
    assert world.broker.next_at_ms() is None
    world.wait(LATE_MS)
    assert channel.closed_with == []


def test_a_delivery_that_is_never_answered_does_not_cost_more_and_more() -> None:
    world = World("rabbitmq-3.13")
    world.queue("patient", durable=True)
    world.queue("short", durable=True, arguments=arguments(consumer_timeout=TIMEOUT_MS))
    channel = Channel(world)
    channel.consume("patient", prefetch=2)
    world.publish("", "patient", "never")
    for tag in range(2, 3 * MARKS_MAX):
        world.publish("", "patient", "m")
        world.wait(INTERVAL_MS)
        world.ack(channel.unacked, tag)
    assert world.broker.consumer_timeouts.mark_count <= MARKS_MAX
    assert channel.closed_with == []
    world.ack(channel.unacked, 1)
    world.publish("", "short", "m")
    world.get("short", channel.unacked)
    world.wait(LATE_MS)
    assert channel.closed_with == [TIMEOUT_MS]


# --- RabbitMQ 4


def test_the_consumer_is_cancelled_and_only_what_is_overdue_goes_back() -> None:
    world = world_of("rabbitmq-4")
    channel = Channel(world)
    channel.consume("q")
    world.publish("", "q", "1", "2")
    world.wait(INTERVAL_MS)
    world.publish("", "q", "3")
    world.wait(TIMEOUT_MS)
    assert (channel.target.cancellations, channel.closed_with) == (1, [])
    assert world.ready("q") == ["1", "2"]
    assert not world.vhost.queues["q"].consumers
    world.wait(2 * INTERVAL_MS)
    assert sorted(world.ready("q")) == ["1", "2", "3"]
    assert channel.target.cancellations == 1
    assert world.vhost.queues["q"].unacked_count == 0


def test_what_goes_back_has_not_failed() -> None:
    world = world_of("rabbitmq-4")
    channel = Channel(world)
    channel.consume("q")
    world.publish("", "q", "m")
    world.wait(LATE_MS)
    (message,) = ready_messages(world.vhost.queues["q"])
    assert (message.delivery_count, message.acquired_count) == (0, 1)


@pytest.mark.parametrize("answer", ["ack", "nack", "reject", "multiple", "recover", "close"])
def test_late_answers_mean_nothing(answer: str) -> None:
    world = world_of("rabbitmq-4")
    channel = Channel(world)
    channel.consume("q")
    world.publish("", "q", "1", "2")
    world.wait(LATE_MS)
    if answer == "ack":
        world.ack(channel.unacked, 1)
        with pytest.raises(PreconditionFailed):
            world.ack(channel.unacked, 1)
    elif answer == "multiple":
        world.ack(channel.unacked, 2, multiple=True)
    elif answer == "recover":
        world.recover(channel.unacked)
    elif answer == "close":
        world.close_channel(channel.unacked)
    else:
        world.nack(channel.unacked, 2, multiple=True, requeue=answer == "nack")
    assert world.ready("q") == ["1", "2"]
    assert world.vhost.queues["q"].unacked_count == 0
    assert world.vhost.queues["q"].consumer_count == 0


def test_classic_queues_are_patient_and_hold_nobody_up() -> None:
    world = world_of("rabbitmq-4")
    channel = Channel(world)
    channel.consume("c", tag="1")
    channel.consume("q", tag="2")
    world.publish("", "c", "patient")
    world.publish("", "q", "m")
    world.wait(LATE_MS)
    assert channel.target.cancellations == 1
    assert (world.ready("c"), world.ready("q")) == ([], ["m"])


@pytest.mark.parametrize("by_get", [False, True])
def test_who_cannot_be_told_loses_the_channel(by_get: bool) -> None:
    world = world_of("rabbitmq-4")
    channel = Channel(world, supports_cancel_notify=by_get)
    world.publish("", "q", "m")
    if by_get:
        world.get("q", channel.unacked)
    else:
        channel.consume("q")
    world.wait(LATE_MS)
    assert channel.closed_with == [-1]
    assert (world.ready("q"), channel.unacked.by_tag) == (["m"], {})


def test_many_consumers_of_a_channel_that_cannot_be_told() -> None:
    world = world_of("rabbitmq-4")
    channel = Channel(world, supports_cancel_notify=False)
    for tag in "123":
        channel.consume("q", tag=tag)
    world.publish("", "q", "a", "b", "c")
    world.wait(LATE_MS)
    assert channel.closed_with == [-1]
    assert sorted(world.ready("q")) == ["a", "b", "c"]
    assert world.vhost.queues["q"].unacked_count == 0


@pytest.mark.parametrize("of_queue", [None, 10 * TIMEOUT_MS, 1])
def test_a_consumer_may_have_a_timeout_of_its_own(of_queue: int | None) -> None:
    world = World("rabbitmq-4")
    more = {} if of_queue is None else {"consumer_timeout": of_queue}
    world.queue("q", durable=True, arguments=arguments(queue_type="quorum", **more))
    channel = Channel(world)
    channel.consume("q", consumer_timeout=TIMEOUT_MS)
    world.publish("", "q", "m")
    world.wait(TIMEOUT_MS - 1)
    assert channel.target.cancellations == 0
    world.wait(LATE_MS)
    assert channel.target.cancellations == 1


def test_the_timeout_of_a_consumer_is_checked() -> None:
    world = world_of("rabbitmq-4")
    channel = Channel(world)
    with pytest.raises(PreconditionFailed) as caught:
        channel.consume("q", consumer_timeout=-1)
    assert caught.value.text == "invalid arg 'x-consumer-timeout' for queue 'q' in vhost '/': {value_negative,-1}"
    with pytest.raises(PreconditionFailed) as caught:
        channel.consume("c", consumer_timeout=1)
    assert caught.value.text == (
        "invalid arg 'x-consumer-timeout' for queue 'c' in vhost '/' of queue type rabbit_classic_queue"
    )


def test_the_next_consumer_gets_what_was_taken_back() -> None:
    world = world_of("rabbitmq-4")
    slow, quick = Channel(world), Channel(world)
    slow.consume("q")
    world.publish("", "q", "m")
    quick.consume("q")
    world.wait(LATE_MS)
    assert [(each.body, each.redelivered) for each in quick.target.got] == [("m", True)]
    world.ack(quick.unacked, 1)
    assert world.vhost.queues["q"].unacked_count == 0
