"""Messages that are moved: what they are afterwards, and which stay where they are."""

import pytest

from amqpy.core.moving import Destination
from amqpy.core.unacked import UnackedDeliveries
from amqpy.errors import ResourceLocked, Unimplemented
from amqpy.wire.values import Field
from tests.core.core_harness import (
    CoreHarness,
    arguments,
    content_header,
    longstr,
    properties_header,
)
from tests.core.machine.counts import without_zeros
from tests.core.moves import KINDS, ONE_AT_A_TIME, begin, counts, dying, limit_of, move, wanted
from tests.core.stream_reading import declared


def test_streams_take_messages_and_give_none_away() -> None:
    core = CoreHarness()
    stream = declared(core, "s")
    core.queue("q")
    core.publish("", "q", "1")
    assert counts(move(core, "q", "s"))["moved"] == 1
    assert (core.ready("q"), stream.ready_count) == ([], 1)
    with pytest.raises(Unimplemented, match="not supported by stream queues"):
        begin(core, "s", "q")


def test_a_quorum_queue_with_a_single_active_consumer_that_refuses_to_get() -> None:
    core = CoreHarness()
    core.queue("q", durable=True, arguments=arguments(queue_type="quorum", single_active_consumer=True))
    core.queue("other")
    core.publish("", "q", "1", "2")
    with pytest.raises(ResourceLocked):
        core.vhost.queues["q"].check_get()
    move(core, "q", "other")
    assert (core.ready("q"), core.ready("other")) == ([], ["1", "2"])


# --- what it is afterwards


def test_its_properties_stay_and_its_time_begins_anew() -> None:
    core = CoreHarness()
    core.queue("q", arguments=arguments(message_ttl=50_000))
    core.queue("other")
    header = content_header({"a": Field("byte", 1)}, priority=3, expiration=1000, persistent=True)
    core.send("", ("q",), header, "1", ttl_ms=1000)
    core.wait(900)
    move(core, "q", "other")
    core.wait(999)
    (ahead,) = core.vhost.queues["other"].peek(1)
    message = ahead.message
    assert (message.header, message.body, message.persistent) == (header, b"1", True)
    assert (message.exchange, message.routing_key) == ("", "other")
    core.advance(1)
    assert core.ready("other") == []


def test_the_time_of_the_queue_that_it_leaves_does_not_follow_it() -> None:
    core = CoreHarness()
    core.queue("q", arguments=arguments(message_ttl=1000))
    core.queue("other")
    core.publish("", "q", "1")
    move(core, "q", "other")
    core.advance(5000)
    assert core.ready("other") == ["1"]


def test_failed_deliveries_are_forgotten() -> None:
    core = CoreHarness("rabbitmq-3.13")
    for name in ("q", "other"):
        core.queue(name, durable=True, arguments=arguments(queue_type="quorum", delivery_limit=5))
    core.publish("", "q", "1", "2")
    unacked = UnackedDeliveries()
    core.get("q", unacked)
    core.nack(unacked, 1)
    (first, _) = core.vhost.queues["q"].peek(2)
    assert first.redelivered
    assert b"x-delivery-count" in first.message.header
    work = move(core, "q", "other")
    (moved, _) = core.vhost.queues["other"].peek(2)
    assert (moved.message.body, moved.redelivered) == (b"1", False)
    assert b"x-delivery-count" not in moved.message.header
    assert [each.message.redelivered for each in work.shown] == [True, False]


def test_priorities() -> None:
    core = CoreHarness()
    for name in ("q", "other"):
        core.queue(name, arguments=arguments(max_priority=5))
    for body, priority in (("low", 1), ("high", 5), ("middle", 3), ("low too", 1)):
        core.publish("", "q", body, priority=priority)
    move(core, "q", "other", count=2)
    core.publish("", "q", "new", priority=4)
    assert (core.ready("other"), core.ready("q")) == (["high", "middle"], ["new", "low", "low too"])
    move(core, "q", "other", wanted=wanted(body="low"))
    assert (core.ready("other"), core.ready("q")) == (["high", "middle", "low", "low too"], ["new"])


@ONE_AT_A_TIME
def test_priorities_of_those_that_come_meanwhile() -> None:
    core = CoreHarness()
    core.queue("q", arguments=arguments(max_priority=5))
    core.queue("other")
    for priority in (4, 4, 1, 1):
        core.publish("", "q", f"{priority}", priority=priority)
    for _ in begin(core, "q", "other"):
        for priority in (5, 4, 3, 1):
            core.publish("", "q", f"late {priority}", priority=priority)
    assert core.ready("other") == ["4", "4", "1", "1"]


@KINDS
def test_those_that_were_given_back_go_first(kind: str) -> None:
    core = CoreHarness("rabbitmq-3.13")
    core.queue("q", durable=True, arguments=arguments(queue_type=kind, **limit_of(kind)))
    core.queue("other")
    core.publish("", "q", *"abcdef")
    unacked = UnackedDeliveries()
    for _ in range(4):
        core.get("q", unacked)
    core.ack(unacked, 2)
    for tag in (3, 1, 4):
        core.nack(unacked, tag)
    before = core.ready("q")
    assert sorted(before) == ["a", "c", "d", "e", "f"]
    move(core, "q", "other", wanted=wanted(body="c"))
    left = [body for body in before if body != "c"]
    assert (core.ready("other"), core.ready("q")) == (["c"], left)
    flags = {ahead.message.body.decode(): ahead.redelivered for ahead in core.vhost.queues["q"].peek(9)}
    assert flags == {"a": True, "d": True, "e": False, "f": False}
    move(core, "q", "other")
    assert core.ready("other") == ["c", *left]


# --- what stays


@pytest.mark.parametrize("overflow", ["reject-publish", "reject-publish-dlx", "drop-head"])
def test_a_full_queue_neither_refuses_nor_drops_it(overflow: str) -> None:
    core = CoreHarness()
    core.queue("q")
    core.queue("other", arguments=arguments(max_length=2, overflow=overflow, dead_letter_exchange="x"))
    core.publish("", "q", *"abcd")
    work = move(core, "q", "other")
    assert (core.ready("other"), core.ready("q")) == (["a", "b"], ["c", "d"])
    assert counts(work) == {"moved": 2, "refused": 2}
    ((reason, count),) = work.reasons.items()
    assert reason.startswith("queue 'other' is full")
    assert count == 2
    assert without_zeros(core.vhost.queues["other"].counts.dropped) == {}
    assert core.vhost.queues["other"].counts.dead_lettered == {}


def test_a_full_quorum_queue_takes_no_dead_letter_again() -> None:
    core = CoreHarness("rabbitmq-3.13")
    core.queue("other", durable=True, arguments=arguments(queue_type="quorum", max_length=1, overflow="reject-publish"))
    dying(core, *"abcd")
    work = move(core, "dead", "other")
    # The message that exceeds the limit is still taken.
    assert (core.ready("other"), core.ready("dead")) == (["a", "b"], ["c", "d"])
    assert counts(work) == {"moved": 2, "refused": 2}


def test_of_several_queues_all_get_it_or_none() -> None:
    core = CoreHarness()
    core.exchange("x", "fanout")
    core.queue("q")
    core.queue("one")
    core.queue("two", arguments=arguments(max_length=1, overflow="reject-publish"))
    core.bind("one", "x")
    core.bind("two", "x")
    core.publish("", "q", *"ab")
    work = move(core, "q", Destination("x"))
    assert (core.ready("one"), core.ready("two"), core.ready("q")) == (["a"], ["a"], ["b"])
    assert work.reasons == {"queue 'two' is full": 1}


def test_a_duplicate_is_not_dropped() -> None:
    core = CoreHarness()
    core.queue("q")
    core.queue("other", arguments=arguments(message_deduplication=True))
    core.publish("", "q", "1", "2", headers={"x-deduplication-header": longstr("same")})
    work = move(core, "q", "other")
    assert (core.ready("other"), core.ready("q")) == (["1"], ["2"])
    assert counts(work) == {"moved": 1, "refused": 1}


def test_a_queue_that_deduplicates_forgets_what_has_left() -> None:
    core = CoreHarness()
    core.queue("q", arguments=arguments(message_deduplication=True))
    core.queue("other")
    for body, marker in (("1", "a"), ("2", "b")):
        core.publish("", "q", body, headers={"x-deduplication-header": longstr(marker)})
    move(core, "q", "other", wanted=wanted(body="1"))
    core.publish("", "q", "3", headers={"x-deduplication-header": longstr("a")})
    core.publish("", "q", "4", headers={"x-deduplication-header": longstr("b")})
    assert core.ready("q") == ["2", "3"]


def test_no_queue_to_go_to() -> None:
    core = CoreHarness()
    core.queue("q")
    core.publish("", "q", "1")
    work = move(core, "q", "nowhere")
    assert (counts(work), core.ready("q")) == ({"unroutable": 1}, ["1"])
    core.vhost.settle_counts(core.vhost.exchanges[""])
    assert core.vhost.exchanges[""].published_in == 1, "it was not published again"


def test_expired_ones_are_not_there() -> None:
    core = CoreHarness()
    core.queue("q")
    core.queue("other")
    core.publish("", "q", "first")
    core.publish("", "q", "short", expiration=10)
    core.publish("", "q", "last")
    core.advance(10)
    work = move(core, "q", "other", wanted=wanted(body="s"))
    assert (core.ready("other"), work.scanned) == (["first", "last"], 2)
    assert core.ready("q") == []
    assert core.vhost.queues["q"].counts.expired == 1


@ONE_AT_A_TIME
def test_the_next_to_expire_is_watched() -> None:
    core = CoreHarness()
    core.queue("q")
    core.queue("other")
    for number in range(4):
        core.publish("", "q", str(number), expiration=1000 * (number + 1))
    work = begin(core, "q", "other", wanted=wanted(body="0"))
    next(work)
    core.settle()
    core.advance(2000)
    assert core.ready("q") == ["2", "3"]
    assert counts(move(core, "q", "other")) == {"moved": 2}


def test_somebody_elses_name_in_it() -> None:
    core = CoreHarness()
    core.queue("q")
    core.queue("other")
    for user in ("guest", "app"):
        core.send("", ("q",), properties_header(user_id=user), user)
    work = move(core, "q", "other", user_id="guest")
    assert (core.ready("other"), core.ready("q")) == (["guest"], ["app"])
    (reason,) = work.reasons
    assert reason.startswith("PRECONDITION_FAILED - user_id property set to 'app'")
    assert counts(move(core, "q", "other")) == {"moved": 1}


def test_somebody_elses_name_on_the_way_back() -> None:
    core = CoreHarness("rabbitmq-3.13")
    dying(core)
    core.send("", ("work",), properties_header(user_id="app"), "1")
    unacked = UnackedDeliveries()
    core.get("work", unacked)
    core.nack(unacked, 1, requeue=False)
    assert counts(move(core, "dead", user_id="guest")) == {"moved": 1}
