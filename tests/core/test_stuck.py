"""Findings on queues and exchanges: what keeps messages from getting on, and what does not."""

from datetime import UTC, datetime

import pytest

from amqpy.core.findings.finding import Findings
from amqpy.core.findings.of_clients import size_text
from amqpy.core.message import Message, address_of
from amqpy.core.publishing import publish
from amqpy.core.stuck import Looking
from amqpy.core.unacked import UnackedDeliveries
from tests.core.core_harness import (
    UNIX_TIME_MS,
    CoreHarness,
    FakeTarget,
    arguments,
    content_header,
    properties_header,
)
from tests.core.findings import MINUTE, Samples, look, of_kind, only, watched
from tests.core.stream_reading import declared
from tests.core.test_queue_contents import Channel


def test_nothing_is_wrong_with_a_broker_at_rest() -> None:
    core = CoreHarness()
    core.queue("q")
    core.consume("q", UnackedDeliveries(), prefetch=1)
    assert look(core) == []


# --- queues


def test_a_stream_keeps_what_nobody_reads() -> None:
    core = CoreHarness()
    declared(core, "s")
    core.publish("", "s", "old")
    core.settle()
    assert core.vhost.queues["s"].ready_count == 1
    assert look(core) == []


def test_nobody_takes_them() -> None:
    core = CoreHarness()
    core.queue("q")
    core.queue("more")
    core.publish("", "q", "1")
    core.publish("", "more", *map(str, range(1234)))
    first, second = of_kind(look(core), "no_consumers")
    assert (first.vhost, first.name, first.text) == (
        "/",
        "more",
        "Queue 'more' has 1,234 ready messages and no consumer.",
    )
    assert second.text == "Queue 'q' has 1 ready message and no consumer."
    assert second.facts == {"messages_ready": 1, "dead_letters": False}
    assert [each.name for each in of_kind(look(core, ready=2), "no_consumers")] == ["more"]
    core.consume("more", UnackedDeliveries(), FakeTarget(), prefetch=1)
    assert only(look(core), "no_consumers").name == "q"


def test_dead_letters_are_called_so() -> None:
    core = CoreHarness()
    core.queue("dead")
    core.queue("q", arguments=arguments(max_length=1, dead_letter_exchange="", dead_letter_routing_key="dead"))
    core.publish("", "q", *"abc")
    finding = next(each for each in of_kind(look(core), "no_consumers") if each.name == "dead")
    assert finding.text == "Queue 'dead' has 2 dead letters and no consumer."
    assert finding.facts["dead_letters"]


def test_those_who_wait_for_their_time_are_not_stuck() -> None:
    core = CoreHarness()
    core.queue("later", arguments=arguments(message_ttl=1000, dead_letter_exchange=""))
    core.queue("lost", arguments=arguments(message_ttl=1000))
    core.publish("", "later", "1")
    core.publish("", "lost", "1")
    assert [each.name for each in of_kind(look(core), "no_consumers")] == ["lost"]


def test_prefetch_is_used_up() -> None:
    core = CoreHarness()
    core.queue("q")
    one, two = watched(core, 1), watched(core, 2)
    look(core)
    core.consume("q", one.unacked, tag="a", prefetch=2)
    core.consume("q", two.unacked, tag="b", prefetch=1)
    core.publish("", "q", *map(str, range(10)))
    assert not of_kind(look(core), "no_credit"), "perhaps they are at work"
    core.wait(MINUTE + 10_000)
    finding = only(look(core), "no_credit")
    assert finding.text == (
        "Queue 'q' has 7 ready messages, but its 2 consumers have as many unacknowledged as the prefetch allows: "
        "3, the oldest for at least 1 min."
    )
    assert finding.facts["consumers_without_credit"] == 2
    core.ack(two.unacked, 1)
    assert not of_kind(look(core), "no_credit"), "one of them is at work"
    assert of_kind(look(core, unacked_age=1000), "no_credit") == []


def test_prefetch_of_the_channel() -> None:
    core = CoreHarness()
    core.queue("q")
    core.queue("other")
    channel = watched(core)
    core.limit(channel.unacked, 1)
    core.consume("other", channel.unacked, tag="other")
    core.consume("q", channel.unacked, tag="q")
    look(core)
    core.publish("", "other", "1")
    core.publish("", "q", "2")
    core.wait(2 * MINUTE)
    finding = only(look(core), "no_credit")
    assert (finding.name, finding.facts["messages_unacknowledged"]) == ("q", 0)


def test_only_the_active_one_counts() -> None:
    core = CoreHarness()
    core.queue("q", arguments=arguments(single_active_consumer=True))
    one, two = watched(core, 1), watched(core, 2)
    look(core)
    core.consume("q", one.unacked, tag="a", prefetch=1)
    core.consume("q", two.unacked, tag="b", prefetch=1)
    core.publish("", "q", *"abc")
    core.wait(2 * MINUTE)
    assert only(look(core), "no_credit").facts["consumers_without_credit"] == 1


def test_who_does_not_acknowledge() -> None:
    core = CoreHarness()
    core.queue("q")
    core.publish("", "q", *"abcdef")
    channel = watched(core)
    look(core)
    core.consume("q", channel.unacked, tag="slow", prefetch=3)
    core.wait(30_000)
    core.get("q", channel.unacked)
    assert not of_kind(look(core), "unacked")
    core.wait(45_000)
    finding = only(look(core), "unacked")
    where = "1.2.3.4:5 -> 6.7.8.9:5672 (1)"
    assert finding.text == (
        f"Queue 'q' has 3 messages that consumer 'slow' on channel {where!r} has not acknowledged, "
        "the oldest for at least 1 min 5 s."
    )
    assert finding.facts == {
        "messages_unacknowledged": 3,
        "age": 65_000,
        "consumer_tag": "slow",
        "channel": where,
        "connection": "1.2.3.4:5 -> 6.7.8.9:5672",
        "user": "guest",
        "prefetch_count": 3,
    }
    core.wait(MINUTE)
    first, second = of_kind(look(core), "unacked")
    assert (first.facts["consumer_tag"], "consumer_tag" in second.facts) == ("slow", False)
    assert f"1 message that it got that channel {where!r} has not" in second.text
    core.ack(channel.unacked, 0, multiple=True)
    assert not of_kind(look(core), "unacked")


def test_ages_are_noted_only_for_a_while_after_somebody_has_asked() -> None:
    core = CoreHarness()
    core.queue("q")
    core.publish("", "q", "1")
    channel = watched(core)
    core.get("q", channel.unacked)
    core.wait(MINUTE)
    timeouts = core.broker.consumer_timeouts
    assert timeouts.mark_count == 0
    assert core.broker.next_at_ms() is None
    look(core)
    core.wait(0)
    core.broker.work()
    assert timeouts.since_ms(channel.unacked, 1) == MINUTE
    core.wait(20 * MINUTE)
    assert core.broker.next_at_ms() is None, "nobody asks any more"
    assert only(look(core), "unacked").facts["age"] == 20 * MINUTE


def test_a_limit_is_reached() -> None:
    core = CoreHarness()
    core.queue("drops", arguments=arguments(max_length=3))
    core.queue("dies", arguments=arguments(max_length=1, dead_letter_exchange="x"))
    core.queue("refuses", arguments=arguments(max_length=2, overflow="reject-publish"))
    core.queue("bytes", arguments=arguments(max_length_bytes=10, max_length=100))
    core.queue("half", arguments=arguments(max_length=2))
    for name in ("drops", "dies", "refuses"):
        core.publish("", name, *"abcde")
    core.publish("", "bytes", "x" * 10)
    core.publish("", "half", "a")
    found = {finding.name: finding for finding in of_kind(look(core), "full")}
    assert list(found) == ["refuses", "dies", "drops", "bytes"]
    assert found["refuses"].text == "Queue 'refuses' is full, with 2 of 2 messages: new ones are refused."
    assert found["refuses"].facts == {
        "messages_ready": 2,
        "max_length": 2,
        "overflow": "reject-publish",
        "refused": 3,
        "dropped": 0,
    }
    assert found["drops"].text == "Queue 'drops' is full, with 3 of 3 messages: for a new one the first is dropped."
    assert found["dies"].text.endswith("for a new one the first is dropped and dead-lettered.")
    assert found["bytes"].text == "Queue 'bytes' is full, with 10 of 10 bytes: for a new one the first is dropped."
    assert "half" in {finding.name for finding in of_kind(look(core, full=50), "full")}


def test_messages_that_come_back_again_and_again() -> None:
    core = CoreHarness()
    queue = core.queue("q")
    core.publish("", "q", "1")
    unacked = UnackedDeliveries()
    for tag in range(1, 22):
        core.get("q", unacked)
        core.nack(unacked, tag)
    assert only(look(core), "redelivered").text == (
        "Queue 'q' has delivered 21 messages since the broker started, 20 of them again."
    )
    stats = queue.message_stats()
    finding = only(look(core, Samples(MINUTE), window=MINUTE), "redelivered")
    assert finding.text == "Queue 'q' has delivered 21 messages in the last 1 min, 20 of them again."
    assert finding.facts == {"delivered": 21, "redelivered": 20, "window": MINUTE}
    assert not of_kind(look(core, Samples(MINUTE, {queue: stats}), window=MINUTE), "redelivered"), "before"
    told = only(look(core, Samples(MINUTE, {queue: stats})), "redelivered").facts
    assert told == {"delivered": 21, "redelivered": 20}, "the samples do not reach back far enough"
    assert not of_kind(look(core, redelivered=96), "redelivered")


def test_a_few_redeliveries_are_nothing() -> None:
    core = CoreHarness()
    core.queue("q")
    core.publish("", "q", "1")
    unacked = UnackedDeliveries()
    for tag in range(1, 11):
        core.get("q", unacked)
        core.nack(unacked, tag)
    assert not of_kind(look(core), "redelivered")


@pytest.mark.parametrize("is_ready", [True, False])
def test_near_the_delivery_limit(is_ready: bool) -> None:
    core = CoreHarness("rabbitmq-3.13")
    core.queue("q", durable=True, arguments=arguments(queue_type="quorum", delivery_limit=4))
    core.publish("", "q", "1")
    channel = Channel(core)
    for tag in (1, 2):
        assert not of_kind(look(core), "redelivered")
        core.get("q", channel.unacked)
        core.nack(channel.unacked, tag)
    if not is_ready:
        core.get("q", channel.unacked)
    finding = only(look(core), "redelivered")
    assert finding.text == "Queue 'q' has a message of which 2 deliveries have failed; the limit is 4."
    assert finding.facts == {"delivery_count": 2, "delivery_limit": 4}
    assert not of_kind(look(core, redelivered=75), "redelivered")


def test_an_endless_delivery_limit() -> None:
    core = CoreHarness("rabbitmq-4.3")
    core.queue("q", durable=True, arguments=arguments(queue_type="quorum", delivery_limit=-1))
    core.publish("", "q", "1")
    unacked = UnackedDeliveries()
    core.get("q", unacked)
    core.nack(unacked, 1)
    assert not of_kind(look(core), "redelivered")


def send(core: CoreHarness, queue: str, *ages_s: int, priority: int = 0) -> None:
    for age_s in ages_s:
        at = datetime.fromtimestamp(UNIX_TIME_MS // 1000 - age_s, UTC)
        core.send("", (queue,), properties_header(timestamp=at, priority=priority))


def test_old_messages() -> None:
    core = CoreHarness()
    core.queue("q", arguments=arguments(max_priority=3))
    core.queue("young")
    send(core, "q", 10, 5000, priority=2)
    send(core, "q", 700, priority=1)
    send(core, "young", 500, 700)
    finding = only(look(core), "old_messages")
    # The 5,000 seconds old one stands behind another.
    assert finding.text == "Queue 'q' has 3 ready messages, the oldest for 11 min 40 s."
    assert finding.facts == {"messages_ready": 3, "age": 700_123}
    assert len(of_kind(look(core, age=400_000), "old_messages")) == 2
    assert only(look(core, ready=3), "no_consumers").facts["age"] == 700_123
    send(core, "young", -100)
    core.fetch("young")
    core.fetch("young")
    assert not of_kind(look(core, age=1), "old_messages")[1:], "a clock that goes wrong"


def test_messages_that_have_no_timestamp_and_were_there_all_the_time() -> None:
    core = CoreHarness()
    queue = core.queue("q")
    core.publish("", "q", "1", "2")
    then = {**queue.message_stats(), "messages_ready": 1}
    samples = Samples(10 * MINUTE, {queue: then})
    assert only(look(core, samples), "old_messages").text == (
        "Queue 'q' has 2 ready messages, the oldest for at least 10 min."
    )
    assert not of_kind(look(core, Samples(9 * MINUTE, {queue: then})), "old_messages")
    assert not of_kind(look(core, Samples(10 * MINUTE)), "old_messages"), "there was none"
    assert not of_kind(look(core, Samples(10 * MINUTE, {queue: {**then, "messages_ready": 3}})), "old_messages")
    core.fetch("q")
    assert not of_kind(look(core, samples), "old_messages"), "one has left"


# --- exchanges


def test_no_queue_is_found() -> None:
    core = CoreHarness()
    exchange = core.exchange("x")
    for mandatory, count in ((False, 3), (True, 2)):
        core.route("x", "none", mandatory=mandatory).count += count
    core.publish("", "none", "1")
    default, named = sorted(of_kind(look(core), "unroutable"), key=lambda finding: finding.name)
    assert named.text == (
        "Exchange 'x' found no queue for 5 messages since it is there: 3 dropped, 2 returned to their publishers."
    )
    assert named.facts == {"dropped": 3, "returned": 2}
    assert default.text.startswith("The default exchange found no queue for 1 message")
    assert only(look(core, unroutable=2), "unroutable").name == "x"
    samples = Samples(MINUTE, {exchange: {"dropped": 2, "returned": 2}})
    finding = next(each for each in of_kind(look(core, samples, window=MINUTE), "unroutable") if each.name == "x")
    assert finding.text == (
        "Exchange 'x' found no queue for 1 message in the last 1 min: 1 dropped, 0 returned to their publishers."
    )


@pytest.mark.parametrize("mandatory", [True, False])
def test_each_way_to_publish_counts(mandatory: bool) -> None:
    core = CoreHarness()
    exchange = core.exchange("x", "headers")
    message = Message(address_of("x", ""), content_header(), b"1")
    publish(core.client, core.vhost, "x", "", message, mandatory=mandatory)
    assert (exchange.dropped, exchange.returned) == ((0, 1) if mandatory else (1, 0))
    core.queue("q")
    core.bind("q", "x")
    publish(core.client, core.vhost, "x", "", message, mandatory=mandatory)
    assert exchange.dropped + exchange.returned == 1


# --- all of it


def test_the_gravest_come_first_and_not_too_many() -> None:
    core = CoreHarness()
    for number in range(30):
        core.queue(f"q{number}", arguments=arguments(max_length=number + 1))
        core.publish("", f"q{number}", *map(str, range(number + 1)))
    found = look(core, limit=3)
    assert [(finding.kind, finding.name) for finding in found] == [
        ("full", "q0"),
        ("full", "q1"),
        ("full", "q2"),
        ("no_consumers", "q29"),
        ("no_consumers", "q28"),
        ("no_consumers", "q27"),
    ]


def test_equal_ones_stay_in_order() -> None:
    findings = Findings(2)
    for name in "abc":
        findings.add("full", "/", name, "", 1)
    assert [finding.name for finding in findings.in_order()] == ["a", "b"]


def test_it_is_done_in_small_steps() -> None:
    core = CoreHarness()
    for number in range(50):
        core.queue(f"q{number}")
    channel = watched(core)
    core.publish("", "q0", *map(str, range(1000)))
    core.consume("q0", channel.unacked)
    looking = Looking(core.broker, [core.vhost], lambda client: None)
    steps = []
    for number, units in enumerate(looking.steps()):
        steps.append(units)
        if number == 5:
            core.delete_queue("q1")
            core.queue("new")
    assert max(steps) <= 250
    assert len(steps) > 60


def test_sizes_in_words() -> None:
    assert [size_text(size) for size in (None, -1, 0, 1, 1023, 1024, 1536 << 20, 3 << 40)] == [
        "an unknown number of bytes",
        "an unknown number of bytes",
        "0 bytes",
        "1 byte",
        "1,023 bytes",
        "1.0 KiB",
        "1.5 GiB",
        "3.0 TiB",
    ]
