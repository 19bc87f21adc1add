"""Streams as queues: declaring, consuming from any place, acknowledging, in memory."""

from typing import Any

import pytest

from amqpy.core.queue_contents import unacked_messages
from amqpy.core.queues.stream import TURN_MESSAGES
from amqpy.core.unacked import UnackedDeliveries
from amqpy.wire.properties import headers_of
from amqpy.wire.values import Field
from tests.core.core_harness import UNIX_TIME_MS, CoreHarness, FakeClient, FakeTarget, arguments, longstr, refusal
from tests.core.stream_reading import FIRST, HOUR_MS, LAST, NEXT, Reading, declared, number, refused

# --- declaring


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({"auto_delete": True, "exclusive": True, "durable": False}, "auto-delete"),
        ({"exclusive": True, "durable": False}, "exclusive-owner"),
        ({"durable": False}, "non-durable"),
    ],
)
def test_what_a_stream_cannot_be(properties: dict[str, Any], expected: str) -> None:
    assert refused(CoreHarness(), **properties) == f"invalid property '{expected}' for queue 's' in vhost '/'"


def test_a_stream_has_a_name() -> None:
    expected = "Cannot declare a server-named queue for type rabbit_stream_queue"
    assert refused(CoreHarness(), "") == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"max_age": "1X"}, "invalid arg 'x-max-age' for {}: invalid_max_age"),
        ({"max_age": 1}, "invalid arg 'x-max-age' for {}: {{unacceptable_type,signedint}}"),
        ({"max_length_bytes": -1}, "invalid arg 'x-max-length-bytes' for {}: {{value_negative,-1}}"),
        ({"initial_cluster_size": 0}, "invalid arg 'x-initial-cluster-size' for {}: {{value_zero,0}}"),
        ({"queue_leader_locator": "x"}, "invalid arg 'x-queue-leader-locator' for {}: invalid_queue_locator_arg"),
        ({"max_length": 1}, "invalid arg 'x-max-length' for {} of queue type rabbit_stream_queue"),
        (
            {"dead_letter_exchange": "x"},
            "invalid arg 'x-dead-letter-exchange' for {} of queue type rabbit_stream_queue",
        ),
        (
            {"single_active_consumer": True},
            "invalid arg 'x-single-active-consumer' for {} of queue type rabbit_stream_queue",
        ),
        (
            {"stream_max_segment_size_bytes": 3_000_000_001},
            "Exceeded max value for x-stream-max-segment-size-bytes",
        ),
        ({"stream_filter_size_bytes": 15}, "Invalid value for  x-stream-filter-size-bytes"),
        ({"stream_filter_size_bytes": 256}, "Invalid value for  x-stream-filter-size-bytes"),
    ],
)
def test_arguments_that_are_refused(given: dict[str, int | str], expected: str) -> None:
    assert refused(CoreHarness(), arguments=given) == expected.format("queue 's' in vhost '/'")


@pytest.mark.parametrize(
    "given",
    [
        {"max_age": "1D", "max_length_bytes": 0, "stream_max_segment_size_bytes": 3_000_000_000},
        {"stream_filter_size_bytes": 16, "initial_cluster_size": 3, "queue_leader_locator": "balanced"},
        {"something_else": 5},
    ],
)
def test_arguments_that_are_taken(given: dict[str, int | str]) -> None:
    core = CoreHarness()
    assert refused(core, arguments=given) is None
    assert refused(core, arguments=given) is None


def test_declare_tells_no_consumers_and_delete_no_messages() -> None:
    core = CoreHarness()
    queue = declared(core)
    core.publish("", "s", "one", "two")
    reading = Reading(core)
    assert core.broker.topology.stat(queue) == (2, 0)
    assert queue.consumer_count == 1
    assert core.delete_queue("s", if_unused=True, if_empty=True) == 0
    assert reading.target.cancellations == 1
    assert "s" not in core.vhost.queues


# --- refusals


def test_other_refusals() -> None:
    core = CoreHarness()
    declared(core)
    limited = UnackedDeliveries()
    limited.set_limit(1)
    what = "queue 's' in vhost '/'"
    assert refusal(core.consume, "s", limited, prefetch=1) == f"{what} does not support global qos"
    assert refusal(core.get, "s", UnackedDeliveries()) == f"basic.get not supported by stream queues {what}"
    purge = core.broker.topology.purge_queue
    assert refusal(purge, core.client, core.vhost, "s") == f"queue.purge not supported by stream queues {what}"
    assert refusal(core.consume, "s", UnackedDeliveries(), prefetch=1, priority=1) == (
        f"invalid arg 'x-priority' for {what} of queue type rabbit_stream_queue"
    )
    assert refusal(Reading, core, longstr("5")) == (
        f"invalid arg 'x-stream-offset' for {what}: " + '{invalid_stream_offset_arg,{longstr,<<"5">>}}'
    )


def test_permission_comes_first() -> None:
    core = CoreHarness()
    declared(core)
    stranger = FakeClient()
    stranger.denied.add(("read", "s"))
    text = refusal(core.consume, "s", UnackedDeliveries(), client=stranger)
    assert text is not None
    assert "access to queue 's'" in text


# --- consuming


def test_messages_stay() -> None:
    core = CoreHarness()
    queue = declared(core)
    core.publish("", "s", "one", "two", "three")
    for _ in range(3):
        reading = Reading(core, FIRST)
        assert reading.got() == ["one", "two", "three"]
        assert reading.offsets() == [0, 1, 2]
        reading.ack()
        core.close_channel(reading.unacked)
    assert queue.ready_count == 3


@pytest.mark.parametrize(
    ("offset", "expected"),
    [
        (None, []),
        (NEXT, []),
        (FIRST, ["m0", "m1", "m2", "m3", "m4"]),
        (LAST, ["m4"]),
        (number(3), ["m3", "m4"]),
        (number(99), []),
        (number(-2), ["m3", "m4"]),
        (number(-99), ["m0", "m1", "m2", "m3", "m4"]),
        (Field("timestamp", 0), ["m0", "m1", "m2", "m3", "m4"]),
        (Field("timestamp", UNIX_TIME_MS // 1000 + 1), []),
        (longstr("1h"), ["m0", "m1", "m2", "m3", "m4"]),
    ],
)
def test_places(offset: Field | None, expected: list[str]) -> None:
    core = CoreHarness()
    declared(core)
    for each in range(5):
        core.publish("", "s", f"m{each}")
    reading = Reading(core, offset)
    assert reading.got() == expected
    core.publish("", "s", "later")
    assert reading.got() == ([] if offset == number(99) else ["later"])


def test_nothing_is_delivered_before_an_offset() -> None:
    core = CoreHarness()
    declared(core)
    reading = Reading(core, number(3))
    core.publish("", "s", "0", "1", "2", "3", "4")
    assert reading.got() == ["3", "4"]


def test_acknowledgements_are_credit() -> None:
    core = CoreHarness()
    queue = declared(core)
    core.publish("", "s", *"abcdefg")
    reading = Reading(core, FIRST, prefetch=2)
    assert reading.got() == ["a", "b"]
    core.ack(reading.unacked, 1)
    assert reading.got() == ["c"]
    core.nack(reading.unacked, 2)
    core.nack(reading.unacked, 3, requeue=False)
    assert reading.got() == ["d", "e"]
    core.recover(reading.unacked)
    assert reading.got() == ["f", "g"]
    assert not any(message.redelivered for message in reading.target.got)
    stats = queue.message_stats()
    assert (stats["publish"], stats["deliver"], stats["ack"], stats["redeliver"]) == (7, 7, 1, 0)
    assert (queue.ready_count, queue.unacked_count) == (7, 0)


def test_what_is_unacknowledged_keeps_no_memory() -> None:
    core = CoreHarness()
    declared(core)
    core.publish("", "s", "x" * 100_000)
    reading = Reading(core, FIRST)
    ((_, _, message, _),) = reading.unacked.by_tag.values()
    assert message.body == b""
    (shown,) = unacked_messages(core.vhost.queues["s"])
    assert shown.body == b"x" * 100_000
    assert shown.headers["x-stream-offset"] == number(0)


def test_a_client_that_does_not_read_gets_no_more() -> None:
    core = CoreHarness()
    declared(core)
    reading, other = Reading(core, FIRST), Reading(core, FIRST)
    reading.target.reading = False
    core.publish("", "s", "one")
    assert (reading.got(), other.got()) == ([], ["one"])
    reading.target.reading = True
    core.resume(reading.consumer)
    assert reading.got() == ["one"]


def test_cancelled_consumers() -> None:
    core = CoreHarness()
    queue = declared(core)
    core.publish("", "s", *"abc")
    reading = Reading(core, FIRST, prefetch=1)
    core.cancel(reading.consumer)
    core.ack(reading.unacked, 1)
    core.publish("", "s", "d")
    assert reading.got() == ["a"]
    assert not queue.consumers
    assert queue.message_stats()["ack"] == 1


def test_many_consumers_of_one_channel() -> None:
    core = CoreHarness()
    declared(core)
    core.publish("", "s", *"abc")
    unacked, target = UnackedDeliveries(), FakeTarget()
    for tag in "xyz":
        core.consume("s", unacked, target, tag=tag, prefetch=2)
    core.publish("", "s", "d", "e", "f")
    assert sorted(target.bodies) == ["d", "d", "d", "e", "e", "e"]
    core.limit(unacked, 1)
    core.ack(unacked, 0, multiple=True)
    assert sorted(target.bodies)[6:] in (["f"], [])


def test_a_long_replay_is_done_in_turns() -> None:
    core = CoreHarness()
    queue = declared(core)
    count = 3 * TURN_MESSAGES
    for _ in range(count // 100):
        core.publish("", "s", *["m"] * 100)
    target = FakeTarget()
    core.broker.consume(
        core.client,
        core.vhost,
        "s",
        UnackedDeliveries(),
        target,
        tag="t",
        no_ack=False,
        exclusive=False,
        prefetch=65535,
        arguments={"x-stream-offset": FIRST},
    )
    core.settle()
    assert TURN_MESSAGES <= len(target.got) < TURN_MESSAGES + 300
    assert queue in core.broker.scheduler.queues_to_drain_further
    turns = 1
    while queue in core.broker.scheduler.queues_to_drain_further:
        core.broker.advance(core.now_ms)
        turns += 1
    assert len(target.got) == count
    assert turns == 3


def test_a_reader_far_behind_does_not_hold_up_others() -> None:
    core = CoreHarness()
    declared(core)
    for _ in range(50):
        core.publish("", "s", *["old"] * 100)
    live = Reading(core, NEXT)
    core.broker.advance(core.now_ms)
    behind = FakeTarget()
    core.broker.consume(
        core.client,
        core.vhost,
        "s",
        UnackedDeliveries(),
        behind,
        tag="t",
        no_ack=False,
        exclusive=False,
        prefetch=65535,
        arguments={"x-stream-offset": FIRST},
    )
    core.publish("", "s", "new")
    assert len(behind.got) < 5000
    assert live.target.bodies == ["new"]


# --- what comes back


def test_exchange_and_routing_key_come_back() -> None:
    core = CoreHarness()
    declared(core)
    core.bind("s", "amq.topic", "a.#")
    core.publish("amq.topic", "a.b", "m", headers={"h": longstr("v")}, persistent=True)
    reading = Reading(core, FIRST)
    (message,) = reading.target.messages
    assert (message.exchange, message.routing_key) == ("amq.topic", "a.b")
    assert headers_of(message.header) == {"h": longstr("v"), "x-stream-offset": number(0)}


def test_times_to_live_have_no_effect() -> None:
    core = CoreHarness()
    queue = declared(core)
    core.publish("", "s", "m", expiration=1)
    core.advance(HOUR_MS)
    assert Reading(core, FIRST).got() == ["m"]
    assert not queue.may_expire


def test_events_and_dead_letters_may_go_into_a_stream() -> None:
    core = CoreHarness()
    queue = declared(core)
    core.queue("q", arguments=arguments(dead_letter_exchange="", dead_letter_routing_key="s", message_ttl=0))
    core.publish("", "q", "dead")
    assert Reading(core, FIRST).got() == ["dead"]
    assert queue.message_stats()["publish"] == 0
