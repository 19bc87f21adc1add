"""Consumers that take too long to answer: marks, whose timeout counts, and what becomes of the messages."""

from typing import Any

import pytest

from amqpy.core.consumer_timeout import INTERVAL_MS, MARKS_MAX
from amqpy.core.unacked import UnackedDeliveries
from amqpy.errors import PreconditionFailed
from tests.core.core_harness import CoreHarness, FakeTarget, arguments
from tests.fifo import ready_messages

TIMEOUT_MS = 60_000
LATE_MS = TIMEOUT_MS + 2 * INTERVAL_MS
"""When a timeout has been noticed, whenever the delivery was."""

THREE = ["rabbitmq-3.10", "rabbitmq-3.13"]


class Channel:
    """A unacked that is watched, as a session has it done."""

    def __init__(self, core: CoreHarness, *, supports_cancel_notify: bool = True) -> None:
        self.core = core
        self.unacked = UnackedDeliveries()
        self.target = FakeTarget()
        self.closed_with: list[int] = []
        core.broker.consumer_timeouts.watch(self.unacked, self.close, supports_cancel_notify=supports_cancel_notify)

    def close(self, timeout_ms: int) -> None:
        self.closed_with.append(timeout_ms)
        self.core.broker.consumer_timeouts.forget(self.unacked)
        broker = self.core.broker
        broker.scheduler.jobs.do(broker.close_channel(self.core.vhost, self.unacked, []))

    def consume(self, queue: str, **more: Any) -> None:  # noqa: ANN401
        self.core.consume(queue, self.unacked, self.target, **more)


def world_of(profile: str, timeout_ms: int | None = TIMEOUT_MS) -> CoreHarness:
    """With a classic queue `c` and a quorum queue `q`."""
    core = CoreHarness(profile, consumer_timeout_ms=timeout_ms)
    core.queue("c", durable=True)
    core.queue("q", durable=True, arguments=arguments(queue_type="quorum"))
    return core


def test_without_a_timeout_nobody_looks() -> None:
    core = world_of("rabbitmq-3.13", timeout_ms=None)
    channel = Channel(core)
    channel.consume("c")
    core.publish("", "c", "m")
    assert core.broker.next_at_ms() is None
    core.wait(1_000 * LATE_MS)
    assert channel.closed_with == []


@pytest.mark.parametrize("profile", THREE)
@pytest.mark.parametrize("queue", ["c", "q"])
@pytest.mark.parametrize("at_ms", [0, 1, INTERVAL_MS - 1, INTERVAL_MS, INTERVAL_MS + 1])
def test_the_channel_is_closed_not_early_and_not_much_too_late(profile: str, queue: str, at_ms: int) -> None:
    core = world_of(profile)
    channel = Channel(core)
    channel.consume(queue)
    core.wait(at_ms)
    core.publish("", queue, "m")
    core.wait(TIMEOUT_MS - 1)
    assert channel.closed_with == []
    core.wait(LATE_MS - TIMEOUT_MS + 1)
    assert channel.closed_with == [TIMEOUT_MS]
    assert core.ready(queue) == ["m"]


@pytest.mark.parametrize("profile", [*THREE, "rabbitmq-4"])
def test_who_answers_in_time_is_left_alone(profile: str) -> None:
    core = world_of(profile)
    channel = Channel(core)
    channel.consume("q", prefetch=2)
    core.publish("", "q", *map(str, range(30)))
    for tag in range(1, 30):
        core.wait(TIMEOUT_MS // 2)
        core.ack(channel.unacked, tag)
    assert (channel.closed_with, channel.target.cancellations) == ([], 0)
    core.wait(LATE_MS)
    assert bool(channel.closed_with) is (profile in THREE)
    assert channel.target.cancellations == (profile not in THREE)


@pytest.mark.parametrize("profile", THREE)
def test_basic_get_is_meant_too(profile: str) -> None:
    core = world_of(profile)
    channel = Channel(core)
    core.publish("", "c", "m")
    core.get("c", channel.unacked)
    core.wait(LATE_MS)
    assert channel.closed_with == [TIMEOUT_MS]


@pytest.mark.parametrize("profile", [*THREE, "rabbitmq-4"])
def test_who_need_not_answer_has_no_timeout(profile: str) -> None:
    core = world_of(profile)
    channel = Channel(core)
    channel.consume("q", no_ack=True)
    core.publish("", "q", "m")
    core.wait(LATE_MS)
    assert (channel.closed_with, channel.target.cancellations) == ([], 0)


@pytest.mark.parametrize("profile", THREE)
def test_a_closed_channel_is_forgotten(profile: str) -> None:
    core = world_of(profile)
    channel, other = Channel(core), Channel(core)
    channel.consume("c")
    core.publish("", "c", "m")
    other.consume("c")
    core.wait(LATE_MS)
    assert (channel.closed_with, other.closed_with) == ([TIMEOUT_MS], [])
    core.wait(LATE_MS)
    assert (channel.closed_with, other.closed_with) == ([TIMEOUT_MS], [TIMEOUT_MS])


def test_the_oldest_delivery_speaks_for_its_channel() -> None:
    core = world_of("rabbitmq-3.13", timeout_ms=None)
    core.queue("short", durable=True, arguments=arguments(consumer_timeout=TIMEOUT_MS))
    channel = Channel(core)
    channel.consume("c", tag="1")
    channel.consume("short", tag="2")
    core.publish("", "c", "patient")
    core.publish("", "short", "m")
    core.wait(10 * LATE_MS)
    assert channel.closed_with == []
    core.ack(channel.unacked, 1)
    core.wait(INTERVAL_MS)
    assert channel.closed_with == [TIMEOUT_MS]


def test_a_queue_may_have_a_timeout_of_its_own() -> None:
    core = world_of("rabbitmq-3.13")
    core.queue("long", durable=True, arguments=arguments(consumer_timeout=10 * TIMEOUT_MS))
    channel = Channel(core)
    channel.consume("long")
    core.publish("", "long", "m")
    core.wait(9 * TIMEOUT_MS)
    assert channel.closed_with == []
    core.wait(TIMEOUT_MS + 2 * INTERVAL_MS)
    assert channel.closed_with == [10 * TIMEOUT_MS]


@pytest.mark.parametrize(("argument", "said"), [(1, 2), (2, 1)])
def test_of_the_argument_and_the_policy_the_least_holds(argument: int, said: int) -> None:
    core = CoreHarness("rabbitmq-3.13")
    core.broker.administration.set_policy("/", "p", "", {"consumer-timeout": said * TIMEOUT_MS})
    core.queue("q", durable=True, arguments=arguments(consumer_timeout=argument * TIMEOUT_MS))
    channel = Channel(core)
    channel.consume("q")
    core.publish("", "q", "m")
    core.wait(LATE_MS)
    assert channel.closed_with == [TIMEOUT_MS]


def test_a_policy_works_on_what_was_delivered_already() -> None:
    core = CoreHarness("rabbitmq-3.13")
    core.queue("q", durable=True)
    channel = Channel(core)
    channel.consume("q")
    core.publish("", "q", "m")
    core.wait(LATE_MS)
    core.broker.administration.set_policy("/", "p", "", {"consumer-timeout": TIMEOUT_MS})
    core.wait(LATE_MS)
    assert channel.closed_with == [TIMEOUT_MS]


def test_an_argument_that_means_nothing() -> None:
    core = CoreHarness("rabbitmq-3.10")
    core.queue("q", durable=True, arguments=arguments(consumer_timeout=TIMEOUT_MS))
    channel = Channel(core)
    channel.consume("q", consumer_timeout=TIMEOUT_MS)
    core.publish("", "q", "m")
    assert core.broker.next_at_ms() is None
    core.wait(LATE_MS)
    assert channel.closed_with == []


def test_a_delivery_that_is_never_answered_does_not_cost_more_and_more() -> None:
    core = CoreHarness("rabbitmq-3.13")
    core.queue("patient", durable=True)
    core.queue("short", durable=True, arguments=arguments(consumer_timeout=TIMEOUT_MS))
    channel = Channel(core)
    channel.consume("patient", prefetch=2)
    core.publish("", "patient", "never")
    for tag in range(2, 3 * MARKS_MAX):
        core.publish("", "patient", "m")
        core.wait(INTERVAL_MS)
        core.ack(channel.unacked, tag)
    assert core.broker.consumer_timeouts.mark_count <= MARKS_MAX
    assert channel.closed_with == []
    core.ack(channel.unacked, 1)
    core.publish("", "short", "m")
    core.get("short", channel.unacked)
    core.wait(LATE_MS)
    assert channel.closed_with == [TIMEOUT_MS]


# --- RabbitMQ 4


def test_the_consumer_is_cancelled_and_only_what_is_overdue_goes_back() -> None:
    core = world_of("rabbitmq-4")
    channel = Channel(core)
    channel.consume("q")
    core.publish("", "q", "1", "2")
    core.wait(INTERVAL_MS)
    core.publish("", "q", "3")
    core.wait(TIMEOUT_MS)
    assert (channel.target.cancellations, channel.closed_with) == (1, [])
    assert core.ready("q") == ["1", "2"]
    assert not core.vhost.queues["q"].consumers
    core.wait(2 * INTERVAL_MS)
    assert sorted(core.ready("q")) == ["1", "2", "3"]
    assert channel.target.cancellations == 1
    assert core.vhost.queues["q"].unacked_count == 0


def test_what_goes_back_has_not_failed() -> None:
    core = world_of("rabbitmq-4")
    channel = Channel(core)
    channel.consume("q")
    core.publish("", "q", "m")
    core.wait(LATE_MS)
    (message,) = ready_messages(core.vhost.queues["q"])
    assert (message.delivery_count, message.acquired_count) == (0, 1)


@pytest.mark.parametrize("answer", ["ack", "nack", "reject", "multiple", "recover", "close"])
def test_late_answers_mean_nothing(answer: str) -> None:
    core = world_of("rabbitmq-4")
    channel = Channel(core)
    channel.consume("q")
    core.publish("", "q", "1", "2")
    core.wait(LATE_MS)
    if answer == "ack":
        core.ack(channel.unacked, 1)
        with pytest.raises(PreconditionFailed):
            core.ack(channel.unacked, 1)
    elif answer == "multiple":
        core.ack(channel.unacked, 2, multiple=True)
    elif answer == "recover":
        core.recover(channel.unacked)
    elif answer == "close":
        core.close_channel(channel.unacked)
    else:
        core.nack(channel.unacked, 2, multiple=True, requeue=answer == "nack")
    assert core.ready("q") == ["1", "2"]
    assert core.vhost.queues["q"].unacked_count == 0
    assert core.vhost.queues["q"].consumer_count == 0


def test_classic_queues_are_patient_and_hold_nobody_up() -> None:
    core = world_of("rabbitmq-4")
    channel = Channel(core)
    channel.consume("c", tag="1")
    channel.consume("q", tag="2")
    core.publish("", "c", "patient")
    core.publish("", "q", "m")
    core.wait(LATE_MS)
    assert channel.target.cancellations == 1
    assert (core.ready("c"), core.ready("q")) == ([], ["m"])


@pytest.mark.parametrize("by_get", [False, True])
def test_who_cannot_be_told_loses_the_channel(by_get: bool) -> None:
    core = world_of("rabbitmq-4")
    channel = Channel(core, supports_cancel_notify=by_get)
    core.publish("", "q", "m")
    if by_get:
        core.get("q", channel.unacked)
    else:
        channel.consume("q")
    core.wait(LATE_MS)
    assert channel.closed_with == [-1]
    assert (core.ready("q"), channel.unacked.by_tag) == (["m"], {})


def test_many_consumers_of_a_channel_that_cannot_be_told() -> None:
    core = world_of("rabbitmq-4")
    channel = Channel(core, supports_cancel_notify=False)
    for tag in "123":
        channel.consume("q", tag=tag)
    core.publish("", "q", "a", "b", "c")
    core.wait(LATE_MS)
    assert channel.closed_with == [-1]
    assert sorted(core.ready("q")) == ["a", "b", "c"]
    assert core.vhost.queues["q"].unacked_count == 0


@pytest.mark.parametrize("of_queue", [None, 10 * TIMEOUT_MS, 1])
def test_a_consumer_may_have_a_timeout_of_its_own(of_queue: int | None) -> None:
    core = CoreHarness("rabbitmq-4")
    more = {} if of_queue is None else {"consumer_timeout": of_queue}
    core.queue("q", durable=True, arguments=arguments(queue_type="quorum", **more))
    channel = Channel(core)
    channel.consume("q", consumer_timeout=TIMEOUT_MS)
    core.publish("", "q", "m")
    core.wait(TIMEOUT_MS - 1)
    assert channel.target.cancellations == 0
    core.wait(LATE_MS)
    assert channel.target.cancellations == 1


def test_the_timeout_of_a_consumer_is_checked() -> None:
    core = world_of("rabbitmq-4")
    channel = Channel(core)
    with pytest.raises(PreconditionFailed) as caught:
        channel.consume("q", consumer_timeout=-1)
    assert caught.value.text == "invalid arg 'x-consumer-timeout' for queue 'q' in vhost '/': {value_negative,-1}"
    with pytest.raises(PreconditionFailed) as caught:
        channel.consume("c", consumer_timeout=1)
    assert caught.value.text == (
        "invalid arg 'x-consumer-timeout' for queue 'c' in vhost '/' of queue type rabbit_classic_queue"
    )


def test_the_next_consumer_gets_what_was_taken_back() -> None:
    core = world_of("rabbitmq-4")
    slow, quick = Channel(core), Channel(core)
    slow.consume("q")
    core.publish("", "q", "m")
    quick.consume("q")
    core.wait(LATE_MS)
    assert [(each.body, each.redelivered) for each in quick.target.got] == [("m", True)]
    core.ack(quick.unacked, 1)
    assert core.vhost.queues["q"].unacked_count == 0
