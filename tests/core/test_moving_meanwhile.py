"""Messages that are moved: who may, what happens meanwhile, who notices; and what a crash leaves."""

from typing import Any

import pytest

from amqpy.core.moving import Destination
from amqpy.core.ports import Kind, Origin, Verb
from amqpy.core.principals import Question, Undecided
from amqpy.core.unacked import UnackedDeliveries
from amqpy.errors import AccessRefused, NotFound, ResourceLocked
from tests.core.core_harness import (
    CoreHarness,
    FakeClient,
    FakeTarget,
    arguments,
)
from tests.core.machine.counts import without_zeros
from tests.core.moves import KINDS, ONE_AT_A_TIME, begin, counts, limit_of, move, wanted
from tests.core.stored_harness import StoredHarness
from tests.core.test_queue_contents import Channel

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


@ONE_AT_A_TIME
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


@ONE_AT_A_TIME
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


@ONE_AT_A_TIME
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


@ONE_AT_A_TIME
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


@ONE_AT_A_TIME
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


@ONE_AT_A_TIME
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


@ONE_AT_A_TIME
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
    core.queue("q", durable=True, arguments=arguments(queue_type=kind, **limit_of(kind)))
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


@ONE_AT_A_TIME
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
