"""Messages that are moved: where they go."""

import pytest

from amqpy.core import moving
from amqpy.core.moving import Destination, Outcome
from amqpy.core.unacked import UnackedDeliveries
from amqpy.wire.properties import headers_of
from amqpy.wire.values import Field, array_field, decode_array, decode_table, table_field
from tests.core.core_harness import (
    CoreHarness,
    FakeTarget,
    arguments,
    content_header,
    longstr,
)
from tests.core.machine.counts import without_zeros
from tests.core.moves import KINDS, ONE_AT_A_TIME, begin, counts, dying, move, wanted

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


@ONE_AT_A_TIME
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
    deaths = [decode_table(each.value) for each in decode_array(headers_of(again.message.header)["x-death"].value)]
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
