"""`x-max-length`, `x-max-length-bytes` and `x-overflow`."""

import pytest

from amqpy.core.unacked import UnackedDeliveries
from tests.core.core_harness import FakeTarget, World, arguments
from tests.core.invariants import check_invariants
from tests.core.machine.watch import history_of
from tests.fifo import ready_messages


@pytest.fixture
def world() -> World:
    world = World()
    world.exchange("dlx", "fanout")
    world.queue("dead")
    world.bind("dead", "dlx")
    return world


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
    world: World, limit: dict[str, int], bodies: list[str], left: list[str]
) -> None:
    world.queue("q", arguments=arguments(dead_letter_exchange="dlx", **limit))
    assert world.publish("", "q", *bodies) == []
    assert world.ready("q") == left
    assert world.ready("dead") == bodies[: len(bodies) - len(left)]


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
    world: World, overflow: str, limit: dict[str, int], bodies: list[str], refused: list[str]
) -> None:
    world.queue("q", arguments=arguments(dead_letter_exchange="dlx", overflow=overflow, **limit))
    assert world.publish("", "q", *bodies) == refused
    assert world.ready("q") == [body for body in bodies if body not in refused]
    assert world.ready("dead") == (refused if overflow == "reject-publish-dlx" else [])


def test_a_waiting_consumer_gets_even_what_would_not_fit(world: World) -> None:
    world.queue("q", arguments=arguments(max_length=0, max_length_bytes=0))
    target = FakeTarget()
    world.consume("q", UnackedDeliveries(), target, prefetch=2)
    world.publish("", "q", "large", "too", "third")
    assert target.bodies == ["large", "too"]
    assert world.ready("q") == []


@pytest.mark.parametrize("overflow", REJECTING)
def test_a_message_that_does_not_fit_is_refused_before_consumers_are_asked(world: World, overflow: str) -> None:
    world.queue("q", arguments=arguments(max_length=0, overflow=overflow))
    target = FakeTarget()
    world.consume("q", UnackedDeliveries(), target)
    assert world.publish("", "q", "a") == ["a"]
    assert target.got == []


def test_only_messages_that_wait_are_counted(world: World) -> None:
    world.queue("q", arguments=arguments(max_length=1, max_length_bytes=1))
    unacked = UnackedDeliveries()
    world.publish("", "q", "a")
    world.get("q", unacked)
    world.publish("", "q", "b")
    assert world.ready("q") == ["b"]
    world.get("q", unacked)
    world.publish("", "q", "c")
    world.nack(unacked, 0, multiple=True)
    assert world.ready("q") == ["c"], "what comes back is the first again, and so the first to go"
    check_invariants(world.broker, [unacked])


@pytest.mark.parametrize("overflow", REJECTING)
def test_what_comes_back_always_fits(world: World, overflow: str) -> None:
    world.queue("q", arguments=arguments(max_length=1, overflow=overflow))
    unacked = UnackedDeliveries()
    world.publish("", "q", "a")
    world.get("q", unacked)
    world.publish("", "q", "b")
    world.nack(unacked, 1)
    assert world.ready("q") == ["a", "b"]
    assert world.publish("", "q", "c") == ["c"]


def test_credit_that_came_back_counts_before_the_limit_does(world: World) -> None:
    """An ack and a publish in one turn: the consumer has room again, and so has the queue."""
    for name, overflow in (("drops", "drop-head"), ("refuses", "reject-publish")):
        world.queue(name, arguments=arguments(max_length=1, overflow=overflow))
        unacked, target = UnackedDeliveries(), FakeTarget()
        world.consume(name, unacked, target, prefetch=1)
        world.publish("", name, "a", "b")
        world.broker.acknowledge(unacked.take(1, False))
        assert world.publish("", name, "c") == []
        assert target.bodies == ["a", "b"]
        assert world.ready(name) == ["c"]


def test_of_several_queues_those_with_room_take_a_message(world: World) -> None:
    for name in ("full", "fuller", "roomy"):
        limit = {} if name == "roomy" else arguments(max_length=0, overflow="reject-publish")
        world.queue(name, arguments=limit)
        world.bind(name, "amq.fanout")
    assert world.publish("amq.fanout", "", "a") == ["a"]
    assert world.ready("roomy") == ["a"]


def test_the_first_one_to_go_is_the_next_to_be_delivered(world: World) -> None:
    """In a queue with priorities that is one of the highest, even the newcomer itself."""
    world.queue("q", arguments=arguments(max_length=2, max_priority=5, dead_letter_exchange="dlx"))
    world.publish("", "q", "low", "lower", priority=0)
    world.publish("", "q", "high", priority=3)
    assert world.ready("q") == ["low", "lower"]
    assert world.ready("dead") == ["high"]


def test_what_expired_behind_a_dropped_one_goes_with_it(world: World) -> None:
    world.queue("q", arguments=arguments(max_length=3, dead_letter_exchange="dlx"))
    world.publish("", "q", "a")
    world.publish("", "q", "b", expiration=10)
    world.publish("", "q", "c")
    world.advance(10)
    assert world.ready("q") == ["a", "b", "c"]
    world.publish("", "q", "d")
    assert world.ready("q") == ["c", "d"]
    assert world.ready("dead") == ["a", "b"]


@pytest.mark.parametrize("overflow", ["drop-head", *REJECTING])
def test_a_full_dead_letter_queue(world: World, overflow: str) -> None:
    world.queue("small", arguments=arguments(max_length=1, overflow=overflow, dead_letter_exchange="dlx"))
    world.queue("q", arguments=arguments(max_length=0, dead_letter_exchange="", dead_letter_routing_key="small"))
    world.publish("", "q", "a", "b")
    kept, passed_on = {"drop-head": ("b", ["a"]), "reject-publish": ("a", []), "reject-publish-dlx": ("a", ["b"])}[
        overflow
    ]
    assert world.ready("small") == [kept]
    assert world.ready("dead") == passed_on


@pytest.mark.parametrize("overflow", ["drop-head", *REJECTING])
def test_what_may_not_wait_takes_no_room(world: World, overflow: str) -> None:
    """Also while one turn goes on."""
    world.queue("q", arguments=arguments(max_length=1, overflow=overflow, dead_letter_exchange="dlx"))
    assert world.publish("", "q", "a", "b", expiration=0) == []
    assert world.publish("", "q", "c") == []
    assert world.publish("", "q", "d", expiration=0) == ([] if overflow == "drop-head" else ["d"])
    reasons = [history_of(message)[0][1] for message in ready_messages(world.vhost.queues["dead"])]
    ends = {"drop-head": ["maxlen", "expired"], "reject-publish": [], "reject-publish-dlx": ["maxlen"]}[overflow]
    assert reasons == ["expired", "expired", *ends]


def test_what_expired_makes_room_within_the_turn(world: World) -> None:
    """One message drops the first, its heir has expired by then: the next one finds room, and drops nobody."""
    world.queue("q", arguments=arguments(max_length=2, dead_letter_exchange="dlx"))
    world.publish("", "q", "a")
    world.publish("", "q", "b", expiration=10)
    world.advance(10)
    world.publish("", "q", "c", "d")
    assert world.ready("q") == ["c", "d"]
    reasons = [history_of(message)[0][1] for message in ready_messages(world.vhost.queues["dead"])]
    assert reasons == ["maxlen", "expired"]


def test_a_requeue_is_whole_before_anything_is_dropped(world: World) -> None:
    """Messages that were delivered in another order than that of the queue are dropped in the queue's."""
    world.queue("q", arguments=arguments(dead_letter_exchange="dlx", max_length=1))
    unacked = UnackedDeliveries()
    for body in ("1", "2", "3"):
        world.publish("", "q", body)
        world.get("q", unacked)
    world.nack(unacked, 1)
    world.get("q", unacked)
    world.close_channel(unacked)
    assert (world.ready("q"), world.ready("dead")) == (["3"], ["1", "2"])
    check_invariants(world.broker, [])
