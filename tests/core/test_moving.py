"""Messages that are moved: where they go, what stays, and what they are afterwards."""

from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import pytest

from amqpy.core import moving
from amqpy.core.dead_letter import deaths_in
from amqpy.core.message_filter import MessageFilter
from amqpy.core.moving import Destination, Moving, Outcome
from amqpy.core.ports import Kind, Origin, Verb
from amqpy.core.principals import Question, Undecided
from amqpy.core.unacked import UnackedDeliveries
from amqpy.errors import AccessRefused, NotFound, ResourceLocked, Unimplemented
from amqpy.wire.properties import headers_of
from amqpy.wire.values import Field, array_field, table_field
from tests.core.core_harness import (
    CoreHarness,
    FakeClient,
    FakeTarget,
    arguments,
    content_header,
    longstr,
    properties_header,
)
from tests.core.machine.counts import without_zeros
from tests.core.stored_harness import StoredHarness
from tests.core.stream_reading import declared
from tests.core.test_queue_contents import Channel

ALL = MessageFilter()
KINDS = pytest.mark.parametrize("kind", ["classic", "quorum"])


def begin(
    core: CoreHarness,
    queue: str,
    to: Destination | str | None = None,
    *,
    client: FakeClient | None = None,
    unacked: UnackedDeliveries | None = None,
    wanted: MessageFilter | None = None,
    **more: Any,  # noqa: ANN401 (as Moving has them)
) -> Moving:
    """A move of messages that has not begun; the name of a queue is the way through the default exchange."""
    where = Destination("", to) if isinstance(to, str) else to
    place = UnackedDeliveries() if unacked is None else unacked
    return Moving(client or core.client, core.vhost, queue, where, wanted or ALL, place, **more)


def move(core: CoreHarness, queue: str, to: Destination | str | None = None, **more: Any) -> Moving:  # noqa: ANN401
    """The same, carried out."""
    work = begin(core, queue, to, **more)
    for _ in work:
        core.settle()
    core.settle()
    return work


def counts(work: Moving) -> dict[str, int]:
    return {outcome.value: count for outcome, count in work.outcomes.items() if count}


def wanted(**conditions: object) -> MessageFilter:
    return MessageFilter.of(conditions)


@pytest.fixture
def one_at_a_time() -> Iterator[None]:
    """Each step looks at one message."""
    with patch.object(moving, "UNITS_AT_ONCE", 1):
        yield


# --- from here to there


@KINDS
def test_what_is_wanted_goes_and_the_others_keep_their_places(kind: str) -> None:
    core = CoreHarness("rabbitmq-3.13")
    for name in ("q", "other"):
        core.queue(name, durable=True, arguments=arguments(queue_type=kind))
    core.publish("", "q", "1 a", "2", "3 a", "4", "5 a")
    work = move(core, "q", "other", wanted=wanted(body="a"))
    assert (core.ready("q"), core.ready("other")) == (["2", "4"], ["1 a", "3 a", "5 a"])
    assert (work.scanned, work.matched, counts(work), work.queues) == (5, 3, {"moved": 3}, {"other": 3})
    target = FakeTarget()
    core.consume("q", UnackedDeliveries(), target)
    core.consume("other", UnackedDeliveries(), target)
    assert not any(delivery.redelivered for delivery in target.got)


def test_all_but_a_few_of_very_many() -> None:
    core = CoreHarness()
    core.queue("q")
    core.queue("other")
    core.publish("", "q", *map(str, range(5000)))
    work = begin(core, "q", "other", wanted=wanted(body="7"))
    spent = []
    for units in work:
        core.settle()
        spent.append(units)
    sevens = [str(number) for number in range(5000) if "7" in str(number)]
    assert core.ready("other") == sevens
    assert core.ready("q") == [str(number) for number in range(5000) if "7" not in str(number)]
    assert len(spent) > 20
    assert max(spent) < 1100


@pytest.mark.usefixtures("one_at_a_time")
def test_those_that_come_meanwhile_are_left_alone() -> None:
    core = CoreHarness()
    core.queue("q")
    core.queue("other")
    core.publish("", "q", "1", "2")
    for number, _ in enumerate(begin(core, "q", "other")):
        core.publish("", "q", f"late {number}")
    assert core.ready("other") == ["1", "2"]
    assert core.ready("q")[:2] == ["late 0", "late 1"]


@KINDS
def test_the_queue_itself(kind: str) -> None:
    core = CoreHarness("rabbitmq-3.13")
    core.queue("q", durable=True, arguments=arguments(queue_type=kind))
    core.publish("", "q", *map(str, range(700)))
    work = move(core, "q", "q", wanted=wanted(body="9"))
    nines = [str(number) for number in range(700) if "9" in str(number)]
    assert core.ready("q") == [str(number) for number in range(700) if "9" not in str(number)] + nines
    assert counts(work) == {"moved": len(nines)}
    assert move(core, "q", "q").outcomes[Outcome.MOVED] == 700
    assert len(core.ready("q")) == 700


def test_the_queue_itself_when_it_is_about_to_hand_out_all_it_has() -> None:
    core = CoreHarness()
    core.queue("q", arguments=arguments(max_length=1000))
    target = FakeTarget()
    target.reading = False
    consumer = core.consume("q", UnackedDeliveries(), target, prefetch=400)
    core.publish("", "q", *map(str, range(300)))
    work = begin(core, "q", "q")
    target.reading = True
    consumer.resume()
    next(work)
    assert sorted(map(int, target.bodies + core.ready("q"))) == list(range(300))
    core.settle()
    assert sorted(map(int, target.bodies)) == list(range(300))
    list(work)
    assert counts(work) == {"moved": 1}


def test_no_more_than_asked_for() -> None:
    core = CoreHarness()
    core.queue("q")
    core.queue("other")
    core.publish("", "q", *"abcde")
    work = move(core, "q", "other", count=2)
    assert (core.ready("q"), core.ready("other"), work.scanned) == (["c", "d", "e"], ["a", "b"], 2)


def test_a_dry_run_changes_nothing() -> None:
    core = CoreHarness()
    core.exchange("x", "x-message-deduplication", arguments={"x-cache-size": Field("long", 10)})
    for name in ("q", "other"):
        core.queue(name, arguments=arguments(expires=1000))
    core.bind("other", "x")
    core.publish("", "q", "1", "2", headers={"x-deduplication-header": longstr("same")})
    before = core.snapshot(), *(queue.message_stats() for queue in core.vhost.queues.values())
    unacked = UnackedDeliveries()
    core.wait(500)
    work = move(core, "q", Destination("x"), dry_run=True, unacked=unacked)
    assert (counts(work), work.queues) == ({"moved": 2}, {"other": 2})
    assert (core.snapshot(), *(queue.message_stats() for queue in core.vhost.queues.values())) == before
    assert without_zeros(unacked.message_stats()) == {}
    assert core.vhost.exchanges["x"].published_in == 0
    core.wait(500)
    assert "q" not in core.vhost.queues, "nobody has used it"
    assert core.routed("x", headers={"x-deduplication-header": longstr("same")}) == set()


def test_what_is_told() -> None:
    core = CoreHarness()
    core.queue("q")
    core.queue("other")
    core.publish("", "q", *map(str, range(30)))
    work = move(core, "q", "other", wanted=wanted(body="1"))
    first, *_, last = work.shown
    assert (first.message.body, first.number, first.queues, first.outcome) == (b"1", 2, ("other",), Outcome.MOVED)
    assert (first.exchange, first.routing_key, first.message.routing_key) == ("", "other", "q")
    assert (len(work.shown), last.message.body) == (12, b"21")
    core.publish("", "q", *map(str, range(30)))
    assert len(move(core, "q", "other").shown) == moving.SHOWN_MAX


# --- by an exchange


def test_by_an_exchange_with_another_key() -> None:
    core = CoreHarness()
    core.exchange("x", "topic")
    for name in ("q", "one", "two"):
        core.queue(name)
    core.bind("one", "x", "a.*")
    core.bind("two", "x", "*.b")
    core.publish("", "q", "1", "2")
    work = move(core, "q", Destination("x", "a.b"), count=1)
    assert (core.ready("one"), core.ready("two"), core.ready("q")) == (["1"], ["1"], ["2"])
    assert work.queues == {"one": 1, "two": 1}
    exchange = core.vhost.exchanges["x"]
    assert (exchange.published_in, exchange.published_out) == (1, 2)


def test_by_an_exchange_with_the_keys_that_it_has() -> None:
    core = CoreHarness()
    core.exchange("in", "fanout")
    core.exchange("out", "direct")
    for name in ("q", "a", "b", "c"):
        core.queue(name)
    core.bind("q", "in")
    for key in ("a", "b", "c"):
        core.bind(key, "out", key)
    header = content_header({"CC": array_field([longstr("b")])})
    core.send("in", ("a", "b"), header, "both")
    core.send("in", ("c",), content_header(), "one")
    work = move(core, "q", Destination("out"))
    assert [core.ready(name) for name in ("a", "b", "c")] == [["both"], ["both"], ["one"]]
    assert work.queues == {"a": 1, "b": 1, "c": 1}


def test_with_a_key_of_ones_own_no_copies_are_made() -> None:
    core = CoreHarness()
    for name in ("q", "other", "copy"):
        core.queue(name)
    core.exchange("in", "fanout")
    core.bind("q", "in")
    core.send("in", ("a", "copy"), content_header({"CC": array_field([longstr("copy")])}), "1")
    move(core, "q", "other")
    assert (core.ready("other"), core.ready("copy")) == (["1"], [])
    message = core.fetch("other")
    assert message is not None
    assert b"CC" in message.header


def test_a_delayed_exchange_keeps_it_first() -> None:
    core = CoreHarness()
    core.exchange("later", "x-delayed-message", arguments={"x-delayed-type": longstr("direct")})
    core.queue("q")
    core.queue("other")
    core.bind("other", "later", "k")
    core.publish("", "q", "1", headers={"x-delay": Field("long", 1000)})
    assert counts(move(core, "q", Destination("later", "nowhere"))) == {"unroutable": 1}, "it would be lost, later"
    assert counts(move(core, "q", Destination("later", "k"))) == {"moved": 1}
    assert (core.ready("q"), core.ready("other")) == ([], [])
    core.advance(1000)
    assert core.ready("other") == ["1"]


def test_where_chance_decides() -> None:
    core = CoreHarness()
    core.exchange("x", "x-random")
    for name in ("q", "one", "two"):
        core.queue(name)
    core.bind("one", "x")
    core.bind("two", "x")
    core.publish("", "q", *map(str, range(50)))
    work = move(core, "q", Destination("x"))
    assert len(core.ready("one")) + len(core.ready("two")) == 50
    assert work.queues == {"one": len(core.ready("one")), "two": len(core.ready("two"))}


def test_a_duplicate_finds_no_queue() -> None:
    core = CoreHarness()
    core.exchange("x", "x-message-deduplication", arguments={"x-cache-size": Field("long", 10)})
    core.queue("q")
    core.queue("other")
    core.bind("other", "x")
    core.publish("", "q", "1", "2", headers={"x-deduplication-header": longstr("same")})
    work = move(core, "q", Destination("x"))
    assert (core.ready("q"), core.ready("other")) == (["2"], ["1"])
    assert counts(work) == {"moved": 1, "unroutable": 1}


# --- back


def dying(core: CoreHarness, *bodies: str, queue: str = "work", letters: str = "dead") -> None:
    """A queue whose messages are rejected, and a queue for its dead letters."""
    letter_way = arguments(dead_letter_exchange="", dead_letter_routing_key=letters)
    core.queue(letters)
    core.queue(queue, arguments=letter_way)
    core.publish("", queue, *bodies)
    unacked = UnackedDeliveries()
    for tag, _ in enumerate(bodies, 1):
        core.get(queue, unacked)
        core.nack(unacked, tag, requeue=False)


@pytest.mark.parametrize("profile", ["rabbitmq-3.10", "rabbitmq-3.13", "rabbitmq-4.3"])
def test_back_to_where_it_died(profile: str) -> None:
    core = CoreHarness(profile)
    dying(core, "1", "2")
    dying(core, "3", queue="more")
    core.publish("", "dead", "alive")
    work = move(core, "dead")
    assert (core.ready("work"), core.ready("more"), core.ready("dead")) == (["1", "2"], ["3"], ["alive"])
    assert counts(work) == {"moved": 3, "without_origin": 1}
    assert work.queues == {"work": 2, "more": 1}
    unacked = UnackedDeliveries()
    core.get("work", unacked)
    core.nack(unacked, 1, requeue=False)
    (again,) = [message for message in core.vhost.queues["dead"].peek(9) if message.message.body == b"1"]
    deaths = deaths_in(headers_of(again.message.header))
    assert [(death["queue"].value, death["count"].value) for death in deaths] == [("work", 2)]


def test_back_over_several_queues_to_the_first() -> None:
    core = CoreHarness("rabbitmq-3.13")
    dying(core, "1", queue="work", letters="later")
    core.queue("end")
    later = core.vhost.queues["later"]
    core.broker.administration.set_policy(
        "/", "p", "^later$", {"dead-letter-exchange": "", "dead-letter-routing-key": "end"}
    )
    core.settle()
    unacked = UnackedDeliveries()
    core.get(later.name, unacked)
    core.nack(unacked, 1, requeue=False)
    assert core.ready("end") == ["1"]
    move(core, "end")
    assert core.ready("work") == ["1"]


def history(*queues: str) -> Field:
    return array_field(table_field({"queue": longstr(queue), "reason": longstr("rejected")}) for queue in queues)


@pytest.mark.parametrize(("profile", "outcome"), [("rabbitmq-3.13", "moved"), ("rabbitmq-4.3", "without_origin")])
def test_a_history_that_a_publisher_wrote(profile: str, outcome: str) -> None:
    core = CoreHarness(profile)
    for name in ("dead", "first", "last"):
        core.queue(name)
    core.publish("", "dead", "1", headers={"x-death": history("last", "first")})
    core.publish("", "dead", "2", headers={"x-death": history("last"), "x-first-death-queue": longstr("first")})
    assert counts(move(core, "dead")) == {outcome: 2}
    assert core.ready("first") == (["1", "2"] if outcome == "moved" else [])


@pytest.mark.parametrize(
    "headers",
    [
        {"x-death": longstr("x")},
        {"x-death": array_field([longstr("x")])},
        {"x-death": array_field([table_field({})])},
        {"x-death": array_field([table_field({"queue": Field("long", 1)})])},
        {"x-first-death-queue": Field("long", 1)},
    ],
    ids=range(5),
)
def test_a_history_that_is_none(headers: dict[str, Field]) -> None:
    core = CoreHarness("rabbitmq-3.13")
    core.queue("dead")
    core.publish("", "dead", "1", headers=headers)
    assert counts(move(core, "dead")) == {"without_origin": 1}


def test_an_origin_that_is_gone() -> None:
    core = CoreHarness()
    dying(core, "1")
    core.delete_queue("work")
    assert counts(move(core, "dead")) == {"unroutable": 1}
    assert core.ready("dead") == ["1"]


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


def test_streams_take_messages_and_give_none_away() -> None:
    core = CoreHarness()
    stream = declared(core, "s")
    core.queue("q")
    core.publish("", "q", "1")
    assert counts(move(core, "q", "s"))["moved"] == 1
    assert (core.ready("q"), stream.ready_count) == ([], 1)
    with pytest.raises(Unimplemented, match="not supported by stream queues"):
        begin(core, "s", "q")


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


@pytest.mark.usefixtures("one_at_a_time")
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
    core.queue("q", durable=True, arguments=arguments(queue_type=kind, **_limit(kind)))
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


def _limit(kind: str) -> dict[str, int]:
    return {"delivery_limit": 9} if kind == "quorum" else {}


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


@pytest.mark.usefixtures("one_at_a_time")
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


# --- who may, and what happens meanwhile


@pytest.mark.parametrize(
    ("denied", "to"),
    [(("read", "q"), "other"), (("write", "amq.default"), "other"), (("write", "x"), Destination("x"))],
    ids=str,
)
def test_who_may_not(denied: tuple[Verb, str], to: Destination | str) -> None:
    core = CoreHarness()
    core.exchange("x")
    core.queue("q")
    core.client.denied.add(denied)
    with pytest.raises(AccessRefused):
        begin(core, "q", to)


def test_what_is_not_there() -> None:
    core = CoreHarness()
    core.queue("q")
    core.exchange("inner", internal=True)
    with pytest.raises(NotFound):
        begin(core, "none", "q")
    with pytest.raises(NotFound):
        begin(core, "q", Destination("none"))
    with pytest.raises(AccessRefused):
        begin(core, "q", Destination("inner"))


def test_somebody_elses_queue() -> None:
    core = CoreHarness()
    owner = FakeClient("owner")
    core.queue("q", client=owner, exclusive=True)
    core.queue("other")
    with pytest.raises(ResourceLocked):
        begin(core, "q", "other")
    core.publish("", "other", "1")
    move(core, "other", "q")
    assert core.ready("q") == ["1"], "anybody may publish there"


@pytest.mark.usefixtures("one_at_a_time")
@pytest.mark.parametrize("denied", [("read", "q"), ("write", "amq.default")], ids=str)
def test_a_permission_that_ends_meanwhile(denied: tuple[Verb, str]) -> None:
    core = CoreHarness()
    core.queue("q")
    core.queue("other")
    core.publish("", "q", *"abc")
    work = begin(core, "q", "other")
    next(work)
    core.client.denied.add(denied)
    assert list(work) == []
    assert isinstance(work.stopped_by, AccessRefused)
    assert (core.ready("q"), core.ready("other"), counts(work)) == (["b", "c"], ["a"], {"moved": 1})


def test_topics_are_judged_one_by_one() -> None:
    core = CoreHarness()
    core.exchange("in", "fanout")
    core.exchange("x", "topic")
    core.queue("q")
    core.queue("other")
    core.bind("q", "in")
    core.bind("other", "x", "#")
    for key in "abc":
        core.publish("in", key, key)
    core.client.denied_topics.add(("write", "x", "b"))
    work = move(core, "q", Destination("x"))
    assert (core.ready("other"), core.ready("q")) == (["a", "c"], ["b"])
    (reason,) = work.reasons
    assert "access to topic 'b'" in reason


class Unsure(FakeClient):
    """A client whose rights must be asked for, each once."""

    def __init__(self) -> None:
        super().__init__()
        self.known: set[tuple[Any, ...]] = set()
        self.questions = 0

    def _ask(self, *about: object) -> None:
        if about not in self.known:
            self.questions += 1
            self.known.add(about)

            async def ask(about: object) -> None:
                """Nobody is asked."""

            raise Undecided(Question(ask, about))

    def may(self, verb: Verb, kind: Kind, name: str) -> bool:
        self._ask(verb, kind, name)
        return True

    def may_use_topic(self, verb: Any, exchange: str, routing_key: str) -> bool:  # noqa: ANN401
        self._ask(verb, exchange, routing_key)
        return True


def test_what_must_be_asked_for_is_done_again() -> None:
    core = CoreHarness()
    core.exchange("in", "fanout")
    core.exchange("x", "topic")
    core.queue("q")
    core.queue("other")
    core.bind("q", "in")
    core.bind("other", "x", "#")
    for key in "abcab":
        core.publish("in", key, key)
    client = Unsure()
    work = None
    for _ in range(3):
        try:
            work = begin(core, "q", Destination("x"), client=client)
        except Undecided:
            continue
    assert work is not None
    turns = 0
    while turns < 20:
        turns += 1
        try:
            next(work)
        except Undecided:
            assert len(core.ready("q")) + len(core.ready("other")) == 5
        except StopIteration:
            break
        core.settle()
    assert client.questions == 5
    assert (core.ready("other"), core.ready("q")) == (["a", "b", "c", "a", "b"], [])
    assert (work.scanned, work.matched, counts(work)) == (5, 5, {"moved": 5})


@pytest.mark.usefixtures("one_at_a_time")
@pytest.mark.parametrize("again", [False, True])
def test_a_queue_that_goes_meanwhile(again: bool) -> None:
    core = CoreHarness()
    core.queue("q")
    core.queue("other")
    core.publish("", "q", *"abc")
    work = begin(core, "q", "other")
    next(work)
    core.delete_queue("q")
    if again:
        core.queue("q")
        core.publish("", "q", "new")
    assert list(work) == []
    assert isinstance(work.stopped_by, NotFound)
    assert core.ready("other") == ["a"]
    assert not again or core.ready("q") == ["new"]


@pytest.mark.usefixtures("one_at_a_time")
def test_a_queue_that_is_purged_meanwhile() -> None:
    core = CoreHarness()
    core.queue("q")
    core.queue("other")
    core.publish("", "q", *"abc")
    work = begin(core, "q", "other")
    next(work)
    core.broker.topology.purge_queue(core.client, core.vhost, "q")
    core.publish("", "q", "new")
    assert len(list(work)) <= 1
    assert (core.ready("other"), core.ready("q")) == (["a"], ["new"])


@pytest.mark.usefixtures("one_at_a_time")
def test_a_target_that_goes_meanwhile() -> None:
    core = CoreHarness()
    core.queue("q")
    core.queue("other")
    core.publish("", "q", *"abc")
    work = begin(core, "q", "other")
    next(work)
    core.delete_queue("other")
    list(work)
    assert (core.ready("q"), counts(work)) == (["b", "c"], {"moved": 1, "unroutable": 2})


@pytest.mark.usefixtures("one_at_a_time")
def test_an_exchange_that_goes_meanwhile() -> None:
    core = CoreHarness()
    core.exchange("x", "fanout")
    core.queue("q")
    core.queue("other")
    core.bind("other", "x")
    core.publish("", "q", *"abc")
    work = begin(core, "q", Destination("x"))
    next(work)
    core.delete_exchange("x")
    list(work)
    assert isinstance(work.stopped_by, NotFound)
    assert (core.ready("q"), core.ready("other")) == (["b", "c"], ["a"])


@pytest.mark.usefixtures("one_at_a_time")
def test_a_consumer_that_comes_meanwhile() -> None:
    core = CoreHarness()
    core.queue("q")
    core.queue("other")
    core.publish("", "q", *"abcdef")
    work = begin(core, "q", "other")
    next(work)
    target = FakeTarget()
    core.consume("q", UnackedDeliveries(), target, prefetch=3)
    for _ in work:
        core.settle()
    assert (core.ready("other"), target.bodies) == (["a", "e", "f"], ["b", "c", "d"])


@pytest.mark.usefixtures("one_at_a_time")
def test_those_that_come_back_meanwhile_are_moved_if_their_place_is_ahead() -> None:
    core = CoreHarness()
    core.queue("q")
    core.queue("other")
    core.publish("", "q", *"abcd")
    unacked = UnackedDeliveries()
    for _ in range(2):
        core.get("q", unacked)
    work = begin(core, "q", "other", wanted=wanted(body="d"))
    next(work)
    core.nack(unacked, 1, multiple=False)
    for _ in work:
        core.settle()
    assert (core.ready("q"), core.ready("other")) == (["a", "c"], ["d"])


# --- counters, and those who watch


@KINDS
def test_it_counts_as_got_and_published(kind: str) -> None:
    core = CoreHarness("rabbitmq-3.13")
    core.queue("q", durable=True, arguments=arguments(queue_type=kind, **_limit(kind)))
    core.queue("other")
    core.publish("", "q", *"abc")
    unacked = UnackedDeliveries()
    core.get("q", unacked)
    core.nack(unacked, 1)
    before = core.vhost.queues["q"].message_stats()
    channel = UnackedDeliveries()
    move(core, "q", "other", unacked=channel)
    after = core.vhost.queues["q"].message_stats()
    grown = {name: after[name] - count for name, count in before.items() if after[name] != count}
    assert grown == {"get_no_ack": 3, "deliver_get": 3, "redeliver": 1}
    assert without_zeros(channel.message_stats()) == {"get_no_ack": 3, "deliver_get": 3, "redeliver": 1}
    assert without_zeros(core.vhost.queues["other"].message_stats()) == {"publish": 3}


def test_pairs_are_counted() -> None:
    core = CoreHarness()
    core.vhost.count_pairs()
    queue, other = core.queue("q"), core.queue("other")
    core.publish("", "q", "1", "2")
    channel = Channel(core)
    core.vhost.end_channel(channel)
    channel.unacked = core.vhost.new_unacked(Origin("name", 1, "guest", "<pid>"))
    core.vhost.begin_channel(channel)
    move(core, "q", "other", unacked=channel.unacked)
    pairs = core.vhost.detailed
    assert pairs is not None
    assert [(pair.exchange.name, pair.publish) for pair in pairs.routes_to(other)] == [("", 2)]
    assert [pair.get_no_ack for _, pair in pairs.deliveries_from(queue)] == [2]


def test_the_firehose_sees_it_come_and_go() -> None:
    core = CoreHarness()
    for name in ("q", "other", "traces"):
        core.queue(name)
    core.bind("traces", "amq.rabbitmq.trace", "#")
    core.publish("", "q", "1")
    core.broker.administration.trace_on("/")
    move(core, "q", "other")
    keys = [ahead.message.routing_key for ahead in core.vhost.queues["traces"].peek(9)]
    assert sorted(keys) == ["deliver.q", "publish."]


def test_the_firehose_into_the_queue_itself() -> None:
    core = CoreHarness()
    core.queue("q", arguments=arguments(max_length=10))
    core.queue("other")
    core.bind("q", "amq.rabbitmq.trace", "#")
    core.publish("", "q", *map(str, range(10)))
    core.broker.administration.trace_on("/")
    work = move(core, "q", "other")
    assert core.ready("other") == list(map(str, range(10)))
    assert counts(work) == {"moved": 10}
    assert len(core.ready("q")) == 10


# --- the store


def stored(core: StoredHarness, *names: str) -> list[str]:
    """The bodies of messages in these queues that a broker would have after a crash now."""
    other = core.would_be()
    return sorted(body for name in names for body in other.ready(name))


@pytest.mark.usefixtures("one_at_a_time")
@pytest.mark.parametrize("kind", ["classic", "quorum"])
@pytest.mark.parametrize("body", ["1", ""])
def test_a_crash_finds_each_message_once(kind: str, body: str) -> None:
    core = StoredHarness()
    core.queue("q", durable=True, arguments=arguments(queue_type=kind))
    core.queue("other", durable=True)
    sent = [str(number) for number in range(30)]
    core.publish("", "q", *sent, persistent=True)
    core.flush()
    for number, _ in enumerate(begin(core, "q", "other", wanted=wanted(body=body))):
        assert stored(core, "q", "other") == sorted(sent)
        if number % 3 == 0:
            core.take()
            assert stored(core, "q", "other") == sorted(sent)
        elif number % 3 == 2:
            core.write()
            core.settle()
    core.flush()
    assert stored(core, "q", "other") == sorted(sent)
    moved = [each for each in sent if body in each]
    assert core.ready("other") == core.would_be().ready("other") == moved
    again = core.restart()
    assert (again.ready("other"), again.ready("q")) == (moved, [each for each in sent if body not in each])


@pytest.mark.parametrize("persistent", [True, False])
@pytest.mark.parametrize("is_flushed", [True, False])
def test_what_is_on_disk_only(persistent: bool, is_flushed: bool) -> None:
    core = StoredHarness()
    core.queue("q", durable=True)
    core.queue("other", durable=True)
    bodies = [f"{number}".ljust(100_000, ".") for number in range(120)]
    core.publish("", "q", *bodies, persistent=persistent)
    queue = core.vhost.queues["q"]
    assert queue.in_memory_count < 60
    if is_flushed:
        core.flush()
    move(core, "q", "other", wanted=wanted(body="7"))
    left = [body for body in bodies if "7" not in body]
    gone = [body for body in bodies if "7" in body]
    assert core.ready("q") == left
    assert core.ready("other") == gone
    target = FakeTarget()
    core.consume("q", UnackedDeliveries(), target, no_ack=True)
    for _ in range(10):
        core.broker.advance(core.now_ms)
        core.settle()
    assert target.bodies == left
    core.flush()
    assert core.restart().ready("other") == (gone if persistent else [])


def test_a_transient_message_of_a_quorum_queue_stays_transient() -> None:
    core = StoredHarness()
    core.queue("q", durable=True, arguments=arguments(queue_type="quorum"))
    core.queue("other", durable=True)
    core.publish("", "q", "1")
    core.flush()
    move(core, "q", "other")
    assert core.ready("other") == ["1"]
    core.flush()
    assert core.restart().ready("other") == []
