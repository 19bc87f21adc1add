"""Quorum queues: what comes back, what is counted and shown, and the limits, of three versions of RabbitMQ."""

import pytest

from amqpy.core.consumer import ReturnWay
from amqpy.core.queues.quorum import QuorumQueue
from amqpy.core.unacked import UnackedDeliveries
from amqpy.errors import AmqpFault, PreconditionFailed, ResourceLocked, Unimplemented
from amqpy.wire.properties import headers_of
from amqpy.wire.values import Field, Table, table_field
from tests.core.core_harness import FakeTarget, World, arguments, integer, longstr
from tests.core.invariants import check_invariants
from tests.core.machine.watch import history_of

PROFILES = ("rabbitmq-3.10", "rabbitmq-3.13", "rabbitmq-4")


def quorum_world(profile: str = "rabbitmq-3.13", more: Table | None = None, **options: int | str | bool) -> World:
    world = World(profile)
    world.queue("dead", durable=True)
    options = {"queue_type": "quorum", "dead_letter_exchange": "", "dead_letter_routing_key": "dead", **options}
    world.queue("q", durable=True, arguments={**arguments(**options), **(more or {})})
    return world


def take(world: World, unacked: UnackedDeliveries, count: int = 1) -> None:
    for _ in range(count):
        assert world.get("q", unacked) is not None


# --- where it goes when it comes back


@pytest.mark.parametrize("limit", [None, 5])
@pytest.mark.parametrize("way", ["nack", "reject", "recover", "down"])
@pytest.mark.parametrize("profile", PROFILES)
def test_where_it_comes_back_to(profile: str, way: ReturnWay, limit: int | None) -> None:
    """To the end where nothing limits how often, so that the others get their turn; else before all others."""
    world = quorum_world(profile) if limit is None else quorum_world(profile, delivery_limit=limit)
    unacked = UnackedDeliveries()
    world.publish("", "q", *"abcd")
    take(world, unacked, 2)
    if way == "down":
        world.close_channel(unacked)
    else:
        world.nack(unacked, 2, way=way)
        world.nack(unacked, 1, way=way)
    is_limited = limit is not None or profile == "rabbitmq-4"
    back = ["a", "b"] if way == "down" else ["b", "a"]
    assert world.ready("q") == ([*back, "c", "d"] if is_limited or way == "down" else ["c", "d", *back])
    check_invariants(world.broker, [] if way == "down" else [unacked])


@pytest.mark.parametrize("way", ["nack", "recover", "reject", "down"])
def test_without_any_limit_in_version_4(way: ReturnWay) -> None:
    world, unacked = quorum_world("rabbitmq-4", delivery_limit=-1), UnackedDeliveries()
    world.publish("", "q", "a", "b")
    take(world, unacked)
    world.nack(unacked, 1, way=way)
    assert world.ready("q") == ["a", "b"]


# --- counting


COUNTS: dict[str, dict[ReturnWay, tuple[int | None, int | None]]] = {
    "rabbitmq-3.13": dict.fromkeys(("nack", "reject", "recover", "down"), (2, None)),
    "rabbitmq-4": {"nack": (None, 2), "reject": (2, 2), "recover": (None, 2), "down": (2, 2)},
}
"""What the headers of a third delivery say: x-delivery-count and x-acquired-count."""


@pytest.mark.parametrize("way", ["nack", "reject", "recover", "down"])
@pytest.mark.parametrize("profile", COUNTS)
def test_what_is_counted(profile: str, way: ReturnWay) -> None:
    world, unacked, target = quorum_world(profile), UnackedDeliveries(), FakeTarget()
    world.publish("", "q", "a", headers={"z": integer(1), "x-delivery-count": longstr("theirs")})
    world.consume("q", unacked, target)
    for tag in (1, 2):
        world.nack(unacked, tag, way=way)
    shown = [headers_of(message.header) for message in target.messages]
    assert shown[0] == {"z": integer(1), "x-delivery-count": longstr("theirs")}, "untouched the first time"
    delivery_count, acquired_count = COUNTS[profile][way]
    expected = {"z": integer(1), "x-delivery-count": longstr("theirs")}
    if delivery_count is not None:
        expected["x-delivery-count"] = Field("long", delivery_count)
    if acquired_count is not None:
        expected["x-acquired-count"] = Field("long", acquired_count)
    assert shown[2] == expected
    assert list(shown[2]) == sorted(expected)
    assert [delivery.redelivered for delivery in target.got] == [False, True, True]


@pytest.mark.parametrize(("profile", "shown"), [("rabbitmq-3.10", 0), ("rabbitmq-3.13", None), ("rabbitmq-4", None)])
def test_what_basic_get_shows_the_first_time(profile: str, shown: int | None) -> None:
    world = quorum_world(profile)
    world.publish("", "q", "a")
    message = world.fetch("q")
    assert message is not None
    assert headers_of(message.header) == ({} if shown is None else {"x-delivery-count": Field("long", shown)})


@pytest.mark.parametrize("limit", [0, 1, 3])
@pytest.mark.parametrize("profile", PROFILES)
def test_too_many_failed_deliveries_end_in_a_dead_letter(profile: str, limit: int) -> None:
    world, unacked = quorum_world(profile, delivery_limit=limit), UnackedDeliveries()
    world.publish("", "q", "a")
    for tag in range(1, limit + 2):
        assert world.ready("dead") == []
        take(world, unacked)
        world.nack(unacked, tag, way="reject")
    letter = world.fetch("dead")
    assert letter is not None
    assert history_of(letter) == [("q", "delivery_limit", 1)]
    assert "x-delivery-count" not in headers_of(letter.header)
    assert world.ready("q") == []
    check_invariants(world.broker, [unacked])


@pytest.mark.parametrize(("profile", "returns"), [("rabbitmq-3.13", None), ("rabbitmq-4", 21)])
def test_the_limit_of_those_who_set_none(profile: str, returns: int | None) -> None:
    world, unacked = quorum_world(profile), UnackedDeliveries()
    world.publish("", "q", "a")
    for tag in range(1, 31):
        if world.get("q", unacked) is None:
            assert tag - 1 == returns
            return
        world.nack(unacked, tag, way="reject")
    assert returns is None


def test_version_4_does_not_count_a_nack() -> None:
    world, unacked = quorum_world("rabbitmq-4", delivery_limit=1), UnackedDeliveries()
    world.publish("", "q", "a")
    for tag in range(1, 30):
        take(world, unacked)
        world.nack(unacked, tag, way="nack" if tag % 2 else "recover")
    assert world.ready("q") == ["a"]


@pytest.mark.parametrize(
    ("field", "returns"),
    [
        (Field("long", -5), 1),
        (Field("float", 0.5), 1),
        (Field("double", 1.5), 2),
        (longstr("odd"), None),
        (Field("bool", True), None),
        (table_field({}), None),
        (Field("void", None), None),
    ],
)
def test_odd_limits_of_version_3(field: Field, returns: int | None) -> None:
    world, unacked = quorum_world(more={"x-delivery-limit": field}), UnackedDeliveries()
    world.publish("", "q", "a")
    for tag in range(1, 10):
        take(world, unacked)
        world.nack(unacked, tag)
        if world.ready("dead"):
            assert tag == returns
            return
    assert returns is None


def test_the_count_begins_anew_in_the_next_queue() -> None:
    world, unacked = quorum_world(delivery_limit=0), UnackedDeliveries()
    world.queue("dead 2", durable=True, arguments=arguments(queue_type="quorum"))
    world.queue(
        "q2",
        durable=True,
        arguments=arguments(queue_type="quorum", delivery_limit=0)
        | arguments(dead_letter_exchange="", dead_letter_routing_key="dead 2"),
    )
    world.publish("", "q2", "a")
    assert world.get("q2", unacked)
    world.nack(unacked, 1)
    target = FakeTarget()
    world.consume("dead 2", unacked, target)
    assert not target.got[0].redelivered
    assert "x-delivery-count" not in headers_of(target.messages[0].header)


# --- priorities


def test_only_version_4_heeds_priorities() -> None:
    for profile, expected in (
        ("rabbitmq-3.13", "defaultlowhighmosttoo much"),
        ("rabbitmq-4", "mosttoo muchhighdefaultlow"),
    ):
        world = quorum_world(profile)
        for body, priority in (("default", None), ("low", 3), ("high", 5), ("most", 31), ("too much", 200)):
            world.publish("", "q", body, priority=priority)
        assert "".join(world.ready("q")) == expected


def test_what_came_back_is_before_every_priority() -> None:
    world, unacked = quorum_world("rabbitmq-4"), UnackedDeliveries()
    world.publish("", "q", "low", priority=0)
    take(world, unacked)
    world.publish("", "q", "high", priority=31)
    world.nack(unacked, 1)
    assert world.ready("q") == ["low", "high"]


# --- limits and times to live


def test_a_full_queue_takes_one_more_and_then_none_until_there_is_room_again() -> None:
    world, unacked = quorum_world(max_length=5, overflow="reject-publish"), UnackedDeliveries()
    assert world.publish("", "q", *"abcdefgh") == ["g", "h"], "it is told when it is too full already"
    take(world, unacked, 1)
    assert world.publish("", "q", "i") == ["i"], "four fifths are left at most"
    take(world, unacked, 1)
    assert world.publish("", "q", "j") == []
    check_invariants(world.broker, [unacked])


def test_a_dead_letter_comes_in_though_it_is_full() -> None:
    world = World()
    world.queue("full", durable=True, arguments=arguments(queue_type="quorum", max_length=0, overflow="reject-publish"))
    world.queue("q", arguments=arguments(max_length=0, dead_letter_exchange="", dead_letter_routing_key="full"))
    world.publish("", "q", *"abc")
    assert world.ready("full") == ["a", "b", "c"]


def test_the_first_ones_are_dropped_after_the_consumers_had_theirs() -> None:
    world, target = quorum_world(max_length=1), FakeTarget()
    world.consume("q", UnackedDeliveries(), target, prefetch=1)
    world.publish("", "q", *"abc")
    assert (target.bodies, world.ready("q"), world.ready("dead")) == (["a"], ["c"], ["b"])


def test_of_several_that_are_dropped_the_last_dies_first() -> None:
    world = quorum_world(max_length_bytes=3)
    world.publish("", "q", "a", "b", "c")
    world.publish("", "q", "dddd")
    assert (world.ready("q"), world.ready("dead")) == ([], ["dddd", "c", "b", "a"])


def test_what_comes_back_to_a_full_queue_is_dropped() -> None:
    world, unacked = quorum_world(max_length=1, delivery_limit=5), UnackedDeliveries()
    world.publish("", "q", "a")
    take(world, unacked)
    world.publish("", "q", "b")
    world.nack(unacked, 1)
    assert (world.ready("q"), world.ready("dead")) == (["b"], ["a"])


def test_what_comes_back_keeps_its_end_of_life() -> None:
    world, unacked = quorum_world(message_ttl=50, delivery_limit=5), UnackedDeliveries()
    world.publish("", "q", "a", "b")
    world.advance(20)
    world.publish("", "q", "c")
    take(world, unacked, 3)
    world.close_channel(unacked)
    world.broker.scheduler.now_ms = 50
    assert world.get("q", UnackedDeliveries()) is not None, "only the living one"
    world.catch_up()
    assert world.ready("dead") == ["a", "b"]
    assert world.ready("q") == []


def test_everybody_has_a_millisecond() -> None:
    world = quorum_world()
    world.publish("", "q", "a", expiration=0)
    assert world.ready("q") == ["a"]
    world.advance(1)
    assert world.ready("dead") == ["a"]


def test_duplicates_are_let_in_again_when_nobody_has_to_acknowledge() -> None:
    world, target = quorum_world(message_deduplication=True), FakeTarget()
    world.consume("q", UnackedDeliveries(), target, no_ack=True)
    for body in "ab":
        world.publish("", "q", body, headers={"x-deduplication-header": longstr("same")})
    assert target.bodies == ["a", "b"]
    check_invariants(world.broker, [])


# --- what it refuses


@pytest.mark.parametrize(
    ("properties", "text"),
    [
        ({"durable": False}, "invalid property 'non-durable' for queue 'new' in vhost '/'"),
        ({"durable": True, "exclusive": True}, "invalid property 'exclusive-owner' for queue 'new' in vhost '/'"),
        ({"durable": True, "auto_delete": True}, "invalid property 'auto-delete' for queue 'new' in vhost '/'"),
    ],
)
def test_what_it_cannot_be(properties: dict[str, bool], text: str) -> None:
    world = World()
    with pytest.raises(PreconditionFailed) as caught:
        world.queue("new", arguments=arguments(queue_type="quorum"), **properties)  # type: ignore[arg-type]
    assert caught.value.text == text
    assert world.vhost.queues == {}


@pytest.mark.parametrize("flag", ["if_unused", "if_empty"])
def test_no_condition_when_it_is_deleted(flag: str) -> None:
    world = quorum_world()
    with pytest.raises(Unimplemented, match=f"with {flag.replace('_', '-')} flag set are not supported"):
        world.delete_queue("q", **{flag: True})
    assert world.delete_queue("q") == 0


def test_no_get_where_a_single_consumer_is_active() -> None:
    world = quorum_world(single_active_consumer=True)
    with pytest.raises(ResourceLocked, match="not supported by quorum queues with single active consumer"):
        world.get("q", UnackedDeliveries())


def test_no_consumer_on_a_channel_with_a_limit_for_all() -> None:
    world, unacked = quorum_world(), UnackedDeliveries()
    world.limit(unacked, 5)
    with pytest.raises(Unimplemented, match="does not support global qos"):
        world.consume("q", unacked)
    world.limit(unacked, 0)
    world.consume("q", unacked)


def test_exclusive_consumers_are_like_others() -> None:
    world = quorum_world()
    for number in range(2):
        world.consume("q", UnackedDeliveries(), tag=str(number), exclusive=True)


def test_two_thousand_are_in_flight_at_most() -> None:
    world, target = quorum_world(), FakeTarget()
    world.consume("q", UnackedDeliveries(), target)
    world.publish("", "q", *map(str, range(2010)))
    assert len(target.got) == 2000
    eager = FakeTarget()
    world.consume("q", UnackedDeliveries(), eager, no_ack=True)
    assert len(eager.got) == 10


@pytest.mark.parametrize("name", ["x-max-priority", "x-queue-mode", "x-queue-version"])
def test_arguments_of_classic_queues(name: str) -> None:
    world = World()
    with pytest.raises(AmqpFault) as caught:
        world.queue("new", durable=True, arguments=arguments(queue_type="quorum") | {name: integer(1)})
    assert caught.value.text == f"invalid arg '{name}' for queue 'new' in vhost '/' of queue type rabbit_quorum_queue"


def test_a_consumer_with_room_again_stands_at_the_back() -> None:
    world, first, second = quorum_world(), FakeTarget(), FakeTarget()
    unacked = UnackedDeliveries()
    world.consume("q", unacked, first, tag="first", prefetch=1)
    world.consume("q", UnackedDeliveries(), second, tag="second")
    world.publish("", "q", "a", "b")
    world.ack(unacked, 1)
    world.publish("", "q", "c", "d")
    assert (first.bodies, second.bodies) == (["a", "d"], ["b", "c"])


def test_who_left_and_owes_an_answer_keeps_the_queue() -> None:
    world, unacked = quorum_world(expires=100), UnackedDeliveries()
    consumer = world.consume("q", unacked)
    world.publish("", "q", "a")
    world.cancel(consumer)
    world.advance(250)
    assert "q" in world.vhost.queues
    world.ack(unacked, 1)
    world.advance(100)
    assert "q" not in world.vhost.queues


def test_consumers_that_left_are_forgotten_once_they_owe_nothing() -> None:
    """Nobody need ever ask for the number of consumers."""
    world = quorum_world()
    queue = world.vhost.queues["q"]
    assert isinstance(queue, QuorumQueue)
    world.publish("", "q", "a")
    for way in range(3):
        unacked = UnackedDeliveries()
        consumer = world.consume("q", unacked)
        world.cancel(consumer)
        assert queue.dispatch.leavers == {consumer}
        if way:
            world.nack(unacked, 1)
        else:
            world.close_channel(unacked)
        assert not queue.dispatch.leavers
