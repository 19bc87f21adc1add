"""Quorum queues: what comes back, what is counted and shown, and the limits, of three versions of RabbitMQ."""

import pytest

from amqpy.core.consumer import ReturnWay
from amqpy.core.queues.quorum import QuorumQueue
from amqpy.core.unacked import UnackedDeliveries
from amqpy.errors import AmqpFault, PreconditionFailed, ResourceLocked, Unimplemented
from amqpy.wire.properties import headers_of
from amqpy.wire.values import Field, Table, table_field
from tests.core.core_harness import CoreHarness, FakeTarget, arguments, integer, longstr
from tests.core.invariants import check_invariants
from tests.core.machine.watch import history_of

PROFILES = ("rabbitmq-3.10", "rabbitmq-3.13", "rabbitmq-4")


def quorum_world(profile: str = "rabbitmq-3.13", more: Table | None = None, **options: int | str | bool) -> CoreHarness:
    core = CoreHarness(profile)
    core.queue("dead", durable=True)
    options = {"queue_type": "quorum", "dead_letter_exchange": "", "dead_letter_routing_key": "dead", **options}
    core.queue("q", durable=True, arguments={**arguments(**options), **(more or {})})
    return core


def take(core: CoreHarness, unacked: UnackedDeliveries, count: int = 1) -> None:
    for _ in range(count):
        assert core.get("q", unacked) is not None


# --- where it goes when it comes back


@pytest.mark.parametrize("limit", [None, 5])
@pytest.mark.parametrize("way", ["nack", "reject", "recover", "down"])
@pytest.mark.parametrize("profile", PROFILES)
def test_where_it_comes_back_to(profile: str, way: ReturnWay, limit: int | None) -> None:
    """To the end where nothing limits how often, so that the others get their turn; else before all others."""
    core = quorum_world(profile) if limit is None else quorum_world(profile, delivery_limit=limit)
    unacked = UnackedDeliveries()
    core.publish("", "q", *"abcd")
    take(core, unacked, 2)
    if way == "down":
        core.close_channel(unacked)
    else:
        core.nack(unacked, 2, way=way)
        core.nack(unacked, 1, way=way)
    is_limited = limit is not None or profile == "rabbitmq-4"
    back = ["a", "b"] if way == "down" else ["b", "a"]
    assert core.ready("q") == ([*back, "c", "d"] if is_limited or way == "down" else ["c", "d", *back])
    check_invariants(core.broker, [] if way == "down" else [unacked])


@pytest.mark.parametrize("way", ["nack", "recover", "reject", "down"])
def test_without_any_limit_in_version_4(way: ReturnWay) -> None:
    core, unacked = quorum_world("rabbitmq-4", delivery_limit=-1), UnackedDeliveries()
    core.publish("", "q", "a", "b")
    take(core, unacked)
    core.nack(unacked, 1, way=way)
    assert core.ready("q") == ["a", "b"]


# --- counting


COUNTS: dict[str, dict[ReturnWay, tuple[int | None, int | None]]] = {
    "rabbitmq-3.13": dict.fromkeys(("nack", "reject", "recover", "down"), (2, None)),
    "rabbitmq-4": {"nack": (None, 2), "reject": (2, 2), "recover": (None, 2), "down": (2, 2)},
}
"""What the headers of a third delivery say: x-delivery-count and x-acquired-count."""


@pytest.mark.parametrize("way", ["nack", "reject", "recover", "down"])
@pytest.mark.parametrize("profile", COUNTS)
def test_what_is_counted(profile: str, way: ReturnWay) -> None:
    core, unacked, target = quorum_world(profile), UnackedDeliveries(), FakeTarget()
    core.publish("", "q", "a", headers={"z": integer(1), "x-delivery-count": longstr("theirs")})
    core.consume("q", unacked, target)
    for tag in (1, 2):
        core.nack(unacked, tag, way=way)
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
    core = quorum_world(profile)
    core.publish("", "q", "a")
    message = core.fetch("q")
    assert message is not None
    assert headers_of(message.header) == ({} if shown is None else {"x-delivery-count": Field("long", shown)})


@pytest.mark.parametrize("limit", [0, 1, 3])
@pytest.mark.parametrize("profile", PROFILES)
def test_too_many_failed_deliveries_end_in_a_dead_letter(profile: str, limit: int) -> None:
    core, unacked = quorum_world(profile, delivery_limit=limit), UnackedDeliveries()
    core.publish("", "q", "a")
    for tag in range(1, limit + 2):
        assert core.ready("dead") == []
        take(core, unacked)
        core.nack(unacked, tag, way="reject")
    letter = core.fetch("dead")
    assert letter is not None
    assert history_of(letter) == [("q", "delivery_limit", 1)]
    assert "x-delivery-count" not in headers_of(letter.header)
    assert core.ready("q") == []
    check_invariants(core.broker, [unacked])


@pytest.mark.parametrize(("profile", "returns"), [("rabbitmq-3.13", None), ("rabbitmq-4", 21)])
def test_the_limit_of_those_who_set_none(profile: str, returns: int | None) -> None:
    core, unacked = quorum_world(profile), UnackedDeliveries()
    core.publish("", "q", "a")
    for tag in range(1, 31):
        if core.get("q", unacked) is None:
            assert tag - 1 == returns
            return
        core.nack(unacked, tag, way="reject")
    assert returns is None


def test_version_4_does_not_count_a_nack() -> None:
    core, unacked = quorum_world("rabbitmq-4", delivery_limit=1), UnackedDeliveries()
    core.publish("", "q", "a")
    for tag in range(1, 30):
        take(core, unacked)
        core.nack(unacked, tag, way="nack" if tag % 2 else "recover")
    assert core.ready("q") == ["a"]


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
    core, unacked = quorum_world(more={"x-delivery-limit": field}), UnackedDeliveries()
    core.publish("", "q", "a")
    for tag in range(1, 10):
        take(core, unacked)
        core.nack(unacked, tag)
        if core.ready("dead"):
            assert tag == returns
            return
    assert returns is None


def test_the_count_begins_anew_in_the_next_queue() -> None:
    core, unacked = quorum_world(delivery_limit=0), UnackedDeliveries()
    core.queue("dead 2", durable=True, arguments=arguments(queue_type="quorum"))
    core.queue(
        "q2",
        durable=True,
        arguments=arguments(queue_type="quorum", delivery_limit=0)
        | arguments(dead_letter_exchange="", dead_letter_routing_key="dead 2"),
    )
    core.publish("", "q2", "a")
    assert core.get("q2", unacked)
    core.nack(unacked, 1)
    target = FakeTarget()
    core.consume("dead 2", unacked, target)
    assert not target.got[0].redelivered
    assert "x-delivery-count" not in headers_of(target.messages[0].header)


# --- priorities


def test_only_version_4_heeds_priorities() -> None:
    for profile, expected in (
        ("rabbitmq-3.13", "defaultlowhighmosttoo much"),
        ("rabbitmq-4", "mosttoo muchhighdefaultlow"),
    ):
        core = quorum_world(profile)
        for body, priority in (("default", None), ("low", 3), ("high", 5), ("most", 31), ("too much", 200)):
            core.publish("", "q", body, priority=priority)
        assert "".join(core.ready("q")) == expected


def test_what_came_back_is_before_every_priority() -> None:
    core, unacked = quorum_world("rabbitmq-4"), UnackedDeliveries()
    core.publish("", "q", "low", priority=0)
    take(core, unacked)
    core.publish("", "q", "high", priority=31)
    core.nack(unacked, 1)
    assert core.ready("q") == ["low", "high"]


# --- limits and times to live


def test_a_full_queue_takes_one_more_and_then_none_until_there_is_room_again() -> None:
    core, unacked = quorum_world(max_length=5, overflow="reject-publish"), UnackedDeliveries()
    assert core.publish("", "q", *"abcdefgh") == ["g", "h"], "it is told when it is too full already"
    take(core, unacked, 1)
    assert core.publish("", "q", "i") == ["i"], "four fifths are left at most"
    take(core, unacked, 1)
    assert core.publish("", "q", "j") == []
    check_invariants(core.broker, [unacked])


def test_a_dead_letter_comes_in_though_it_is_full() -> None:
    core = CoreHarness()
    core.queue("full", durable=True, arguments=arguments(queue_type="quorum", max_length=0, overflow="reject-publish"))
    core.queue("q", arguments=arguments(max_length=0, dead_letter_exchange="", dead_letter_routing_key="full"))
    core.publish("", "q", *"abc")
    assert core.ready("full") == ["a", "b", "c"]


def test_the_first_ones_are_dropped_after_the_consumers_had_theirs() -> None:
    core, target = quorum_world(max_length=1), FakeTarget()
    core.consume("q", UnackedDeliveries(), target, prefetch=1)
    core.publish("", "q", *"abc")
    assert (target.bodies, core.ready("q"), core.ready("dead")) == (["a"], ["c"], ["b"])


def test_of_several_that_are_dropped_the_last_dies_first() -> None:
    core = quorum_world(max_length_bytes=3)
    core.publish("", "q", "a", "b", "c")
    core.publish("", "q", "dddd")
    assert (core.ready("q"), core.ready("dead")) == ([], ["dddd", "c", "b", "a"])


def test_what_comes_back_to_a_full_queue_is_dropped() -> None:
    core, unacked = quorum_world(max_length=1, delivery_limit=5), UnackedDeliveries()
    core.publish("", "q", "a")
    take(core, unacked)
    core.publish("", "q", "b")
    core.nack(unacked, 1)
    assert (core.ready("q"), core.ready("dead")) == (["b"], ["a"])


def test_what_comes_back_keeps_its_end_of_life() -> None:
    core, unacked = quorum_world(message_ttl=50, delivery_limit=5), UnackedDeliveries()
    core.publish("", "q", "a", "b")
    core.advance(20)
    core.publish("", "q", "c")
    take(core, unacked, 3)
    core.close_channel(unacked)
    core.broker.scheduler.now_ms = 50
    assert core.get("q", UnackedDeliveries()) is not None, "only the living one"
    core.catch_up()
    assert core.ready("dead") == ["a", "b"]
    assert core.ready("q") == []


def test_everybody_has_a_millisecond() -> None:
    core = quorum_world()
    core.publish("", "q", "a", expiration=0)
    assert core.ready("q") == ["a"]
    core.advance(1)
    assert core.ready("dead") == ["a"]


def test_duplicates_are_let_in_again_when_nobody_has_to_acknowledge() -> None:
    core, target = quorum_world(message_deduplication=True), FakeTarget()
    core.consume("q", UnackedDeliveries(), target, no_ack=True)
    for body in "ab":
        core.publish("", "q", body, headers={"x-deduplication-header": longstr("same")})
    assert target.bodies == ["a", "b"]
    check_invariants(core.broker, [])


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
    core = CoreHarness()
    with pytest.raises(PreconditionFailed) as caught:
        core.queue("new", arguments=arguments(queue_type="quorum"), **properties)  # type: ignore[arg-type]
    assert caught.value.text == text
    assert core.vhost.queues == {}


@pytest.mark.parametrize("flag", ["if_unused", "if_empty"])
def test_no_condition_when_it_is_deleted(flag: str) -> None:
    core = quorum_world()
    with pytest.raises(Unimplemented, match=f"with {flag.replace('_', '-')} flag set are not supported"):
        core.delete_queue("q", **{flag: True})
    assert core.delete_queue("q") == 0


def test_no_get_where_a_single_consumer_is_active() -> None:
    core = quorum_world(single_active_consumer=True)
    with pytest.raises(ResourceLocked, match="not supported by quorum queues with single active consumer"):
        core.get("q", UnackedDeliveries())


def test_no_consumer_on_a_channel_with_a_limit_for_all() -> None:
    core, unacked = quorum_world(), UnackedDeliveries()
    core.limit(unacked, 5)
    with pytest.raises(Unimplemented, match="does not support global qos"):
        core.consume("q", unacked)
    core.limit(unacked, 0)
    core.consume("q", unacked)


def test_exclusive_consumers_are_like_others() -> None:
    core = quorum_world()
    for number in range(2):
        core.consume("q", UnackedDeliveries(), tag=str(number), exclusive=True)


def test_two_thousand_are_in_flight_at_most() -> None:
    core, target = quorum_world(), FakeTarget()
    core.consume("q", UnackedDeliveries(), target)
    core.publish("", "q", *map(str, range(2010)))
    assert len(target.got) == 2000
    eager = FakeTarget()
    core.consume("q", UnackedDeliveries(), eager, no_ack=True)
    assert len(eager.got) == 10


@pytest.mark.parametrize("name", ["x-max-priority", "x-queue-mode", "x-queue-version"])
def test_arguments_of_classic_queues(name: str) -> None:
    core = CoreHarness()
    with pytest.raises(AmqpFault) as caught:
        core.queue("new", durable=True, arguments=arguments(queue_type="quorum") | {name: integer(1)})
    assert caught.value.text == f"invalid arg '{name}' for queue 'new' in vhost '/' of queue type rabbit_quorum_queue"


def test_a_consumer_with_room_again_stands_at_the_back() -> None:
    core, first, second = quorum_world(), FakeTarget(), FakeTarget()
    unacked = UnackedDeliveries()
    core.consume("q", unacked, first, tag="first", prefetch=1)
    core.consume("q", UnackedDeliveries(), second, tag="second")
    core.publish("", "q", "a", "b")
    core.ack(unacked, 1)
    core.publish("", "q", "c", "d")
    assert (first.bodies, second.bodies) == (["a", "d"], ["b", "c"])


def test_who_left_and_owes_an_answer_keeps_the_queue() -> None:
    core, unacked = quorum_world(expires=100), UnackedDeliveries()
    consumer = core.consume("q", unacked)
    core.publish("", "q", "a")
    core.cancel(consumer)
    core.advance(250)
    assert "q" in core.vhost.queues
    core.ack(unacked, 1)
    core.advance(100)
    assert "q" not in core.vhost.queues


def test_consumers_that_left_are_forgotten_once_they_owe_nothing() -> None:
    """Nobody need ever ask for the number of consumers."""
    core = quorum_world()
    queue = core.vhost.queues["q"]
    assert isinstance(queue, QuorumQueue)
    core.publish("", "q", "a")
    for way in range(3):
        unacked = UnackedDeliveries()
        consumer = core.consume("q", unacked)
        core.cancel(consumer)
        assert queue.dispatch.leavers == {consumer}
        if way:
            core.nack(unacked, 1)
        else:
            core.close_channel(unacked)
        assert not queue.dispatch.leavers
