"""`x-max-length`, `x-max-length-bytes` and `x-overflow`."""

import pytest

from amqpy.core.unacked import UnackedDeliveries
from tests.core.core_harness import CoreHarness, FakeTarget, arguments
from tests.core.invariants import check_invariants
from tests.core.machine.watch import history_of
from tests.fifo import ready_messages


@pytest.fixture
def core() -> CoreHarness:
    core = CoreHarness()
    core.exchange("dlx", "fanout")
    core.queue("dead")
    core.bind("dead", "dlx")
    return core


REJECTING = ["reject-publish", "reject-publish-dlx"]


@pytest.mark.parametrize(
    ("limit", "bodies", "left"),
    [
        ({"max_length": 2}, ["a", "b"], ["a", "b"]),
        ({"max_length": 2}, ["a", "b", "c"], ["b", "c"]),
        ({"max_length": 0}, ["a"], []),
        ({"max_length_bytes": 3}, ["a", "bb"], ["a", "bb"]),
        ({"max_length_bytes": 3}, ["a", "bb", "c"], ["bb", "c"]),
        ({"max_length_bytes": 3}, ["a", "b", "ccc"], ["ccc"]),
        ({"max_length_bytes": 3}, ["a", "b", "cccc"], []),
        ({"max_length_bytes": 0}, ["", ""], ["", ""]),
        ({"max_length_bytes": 0}, ["a"], []),
        ({"max_length": 2, "max_length_bytes": 3}, ["a", "b", "c"], ["b", "c"]),
        ({"max_length": 2, "max_length_bytes": 3}, ["aa", "bb"], ["bb"]),
    ],
)
def test_the_first_messages_are_dropped(
    core: CoreHarness, limit: dict[str, int], bodies: list[str], left: list[str]
) -> None:
    core.queue("q", arguments=arguments(dead_letter_exchange="dlx", **limit))
    assert core.publish("", "q", *bodies) == []
    assert core.ready("q") == left
    assert core.ready("dead") == bodies[: len(bodies) - len(left)]


@pytest.mark.parametrize(
    ("limit", "bodies", "refused"),
    [
        ({"max_length": 2}, ["a", "b", "c", "d"], ["c", "d"]),
        ({"max_length": 0}, ["a"], ["a"]),
        ({"max_length_bytes": 3}, ["a", "bb", "", "c"], ["c"]),
        ({"max_length_bytes": 3}, ["aaaa", "a"], ["aaaa"]),
        ({"max_length_bytes": 0}, ["", "a"], ["a"]),
    ],
)
@pytest.mark.parametrize("overflow", REJECTING)
def test_messages_are_refused(
    core: CoreHarness, overflow: str, limit: dict[str, int], bodies: list[str], refused: list[str]
) -> None:
    core.queue("q", arguments=arguments(dead_letter_exchange="dlx", overflow=overflow, **limit))
    assert core.publish("", "q", *bodies) == refused
    assert core.ready("q") == [body for body in bodies if body not in refused]
    assert core.ready("dead") == (refused if overflow == "reject-publish-dlx" else [])


def test_a_waiting_consumer_gets_even_what_would_not_fit(core: CoreHarness) -> None:
    core.queue("q", arguments=arguments(max_length=0, max_length_bytes=0))
    target = FakeTarget()
    core.consume("q", UnackedDeliveries(), target, prefetch=2)
    core.publish("", "q", "large", "too", "third")
    assert target.bodies == ["large", "too"]
    assert core.ready("q") == []


@pytest.mark.parametrize("overflow", REJECTING)
def test_a_message_that_does_not_fit_is_refused_before_consumers_are_asked(core: CoreHarness, overflow: str) -> None:
    core.queue("q", arguments=arguments(max_length=0, overflow=overflow))
    target = FakeTarget()
    core.consume("q", UnackedDeliveries(), target)
    assert core.publish("", "q", "a") == ["a"]
    assert target.got == []


def test_only_messages_that_wait_are_counted(core: CoreHarness) -> None:
    core.queue("q", arguments=arguments(max_length=1, max_length_bytes=1))
    unacked = UnackedDeliveries()
    core.publish("", "q", "a")
    core.get("q", unacked)
    core.publish("", "q", "b")
    assert core.ready("q") == ["b"]
    core.get("q", unacked)
    core.publish("", "q", "c")
    core.nack(unacked, 0, multiple=True)
    assert core.ready("q") == ["c"], "what comes back is the first again, and so the first to go"
    check_invariants(core.broker, [unacked])


@pytest.mark.parametrize("overflow", REJECTING)
def test_what_comes_back_always_fits(core: CoreHarness, overflow: str) -> None:
    core.queue("q", arguments=arguments(max_length=1, overflow=overflow))
    unacked = UnackedDeliveries()
    core.publish("", "q", "a")
    core.get("q", unacked)
    core.publish("", "q", "b")
    core.nack(unacked, 1)
    assert core.ready("q") == ["a", "b"]
    assert core.publish("", "q", "c") == ["c"]


def test_credit_that_came_back_counts_before_the_limit_does(core: CoreHarness) -> None:
    """An ack and a publish in one turn: the consumer has room again, and so has the queue."""
    for name, overflow in (("drops", "drop-head"), ("refuses", "reject-publish")):
        core.queue(name, arguments=arguments(max_length=1, overflow=overflow))
        unacked, target = UnackedDeliveries(), FakeTarget()
        core.consume(name, unacked, target, prefetch=1)
        core.publish("", name, "a", "b")
        core.broker.acknowledge(unacked.take(1, False))
        assert core.publish("", name, "c") == []
        assert target.bodies == ["a", "b"]
        assert core.ready(name) == ["c"]


def test_of_several_queues_those_with_room_take_a_message(core: CoreHarness) -> None:
    for name in ("full", "fuller", "roomy"):
        limit = {} if name == "roomy" else arguments(max_length=0, overflow="reject-publish")
        core.queue(name, arguments=limit)
        core.bind(name, "amq.fanout")
    assert core.publish("amq.fanout", "", "a") == ["a"]
    assert core.ready("roomy") == ["a"]


def test_the_first_one_to_go_is_the_next_to_be_delivered(core: CoreHarness) -> None:
    """In a queue with priorities that is one of the highest, even the newcomer itself."""
    core.queue("q", arguments=arguments(max_length=2, max_priority=5, dead_letter_exchange="dlx"))
    core.publish("", "q", "low", "lower", priority=0)
    core.publish("", "q", "high", priority=3)
    assert core.ready("q") == ["low", "lower"]
    assert core.ready("dead") == ["high"]


def test_what_expired_behind_a_dropped_one_goes_with_it(core: CoreHarness) -> None:
    core.queue("q", arguments=arguments(max_length=3, dead_letter_exchange="dlx"))
    core.publish("", "q", "a")
    core.publish("", "q", "b", expiration=10)
    core.publish("", "q", "c")
    core.advance(10)
    assert core.ready("q") == ["a", "b", "c"]
    core.publish("", "q", "d")
    assert core.ready("q") == ["c", "d"]
    assert core.ready("dead") == ["a", "b"]


@pytest.mark.parametrize("overflow", ["drop-head", *REJECTING])
def test_a_full_dead_letter_queue(core: CoreHarness, overflow: str) -> None:
    core.queue("small", arguments=arguments(max_length=1, overflow=overflow, dead_letter_exchange="dlx"))
    core.queue("q", arguments=arguments(max_length=0, dead_letter_exchange="", dead_letter_routing_key="small"))
    core.publish("", "q", "a", "b")
    kept, passed_on = {"drop-head": ("b", ["a"]), "reject-publish": ("a", []), "reject-publish-dlx": ("a", ["b"])}[
        overflow
    ]
    assert core.ready("small") == [kept]
    assert core.ready("dead") == passed_on


@pytest.mark.parametrize("overflow", ["drop-head", *REJECTING])
def test_what_may_not_wait_takes_no_room(core: CoreHarness, overflow: str) -> None:
    """Also while one turn goes on."""
    core.queue("q", arguments=arguments(max_length=1, overflow=overflow, dead_letter_exchange="dlx"))
    assert core.publish("", "q", "a", "b", expiration=0) == []
    assert core.publish("", "q", "c") == []
    assert core.publish("", "q", "d", expiration=0) == ([] if overflow == "drop-head" else ["d"])
    reasons = [history_of(message)[0][1] for message in ready_messages(core.vhost.queues["dead"])]
    ends = {"drop-head": ["maxlen", "expired"], "reject-publish": [], "reject-publish-dlx": ["maxlen"]}[overflow]
    assert reasons == ["expired", "expired", *ends]


def test_what_expired_makes_room_within_the_turn(core: CoreHarness) -> None:
    """One message drops the first, its heir has expired by then: the next one finds room, and drops nobody."""
    core.queue("q", arguments=arguments(max_length=2, dead_letter_exchange="dlx"))
    core.publish("", "q", "a")
    core.publish("", "q", "b", expiration=10)
    core.advance(10)
    core.publish("", "q", "c", "d")
    assert core.ready("q") == ["c", "d"]
    reasons = [history_of(message)[0][1] for message in ready_messages(core.vhost.queues["dead"])]
    assert reasons == ["maxlen", "expired"]


def test_a_requeue_is_whole_before_anything_is_dropped(core: CoreHarness) -> None:
    """Messages that were delivered in another order than that of the queue are dropped in the queue's."""
    core.queue("q", arguments=arguments(dead_letter_exchange="dlx", max_length=1))
    unacked = UnackedDeliveries()
    for body in ("1", "2", "3"):
        core.publish("", "q", body)
        core.get("q", unacked)
    core.nack(unacked, 1)
    core.get("q", unacked)
    core.close_channel(unacked)
    assert (core.ready("q"), core.ready("dead")) == (["3"], ["1", "2"])
    check_invariants(core.broker, [])
