"""What operations do when they are not refused: declaring, deleting, purging, and how things end."""

import pytest

from amqpy.core.arguments import EXCHANGE_ARGUMENTS, QUEUE_TYPES_KNOWN, compared_arguments
from amqpy.core.equivalence import assert_same_arguments
from amqpy.core.message import Message
from amqpy.core.unacked import UnackedDeliveries
from amqpy.errors import PreconditionFailed
from amqpy.profile import PROFILES
from amqpy.wire.values import Field, Table
from tests.core.core_harness import FakeClient, FakeTarget, World, longstr


@pytest.fixture
def world() -> World:
    return World()


# --- declaring


def test_declaring_again_changes_nothing(world: World) -> None:
    queue = world.queue("q", durable=True, auto_delete=True, arguments={"x-max-length": Field("long", 1)})
    world.exchange("x", "topic", durable=True, auto_delete=True, internal=True)
    world.publish("", "q", "a")
    before = world.snapshot()
    assert world.queue("q", durable=True, auto_delete=True, arguments={"x-max-length": Field("byte", 1)}) is queue
    world.exchange("x", "topic", durable=True, auto_delete=True, internal=True)
    world.exchange("amq.topic", "topic", durable=True)
    assert world.snapshot() == before


def test_a_new_queue_and_exchange_are_as_asked_for(world: World) -> None:
    queue = world.queue("q", durable=True, auto_delete=True, arguments={"a": longstr("b")})
    assert (queue.name, queue.durable, queue.auto_delete, queue.owner) == ("q", True, True, None)
    assert queue.arguments == {"a": longstr("b")}
    exchange = world.exchange("x", "headers", durable=True, auto_delete=True, internal=True)
    assert (exchange.name, exchange.type, exchange.durable) == ("x", "headers", True)
    assert (exchange.auto_delete, exchange.internal) == (True, True)


def test_an_exclusive_queue_belongs_to_its_connection_and_is_not_durable(world: World) -> None:
    queue = world.queue("q", exclusive=True, durable=True)
    assert queue.owner is world.client
    assert not queue.durable
    assert world.queue("q", exclusive=True, durable=True) is queue
    assert world.queue("q", exclusive=True) is queue


def test_a_queue_without_a_name_gets_a_new_one(world: World) -> None:
    names = {world.queue("").name, world.queue("\r\n").name}
    assert names == {"amq.gen-1", "amq.gen-2"}


def test_line_ends_are_dropped_from_names(world: World) -> None:
    world.exchange("a\r\nb")
    assert world.queue("c\nd").name == "cd"
    world.bind("c\r\nd", "\nab", "k\n")
    assert world.routed("ab", "k\n") == {"cd"}, "keys are not names"
    assert world.broker.topology.check_queue(world.client, world.vhost, "c\rd").name == "cd"
    world.broker.topology.check_exchange(world.client, world.vhost, "ab\n")
    world.exchange("ef")
    world.bind_exchange("e\nf", "a\nb", "k")
    world.unbind_exchange("ef\n", "ab\r", "k")
    world.unbind("c\nd", "ab", "k\n")
    assert not world.vhost.exchanges["ab"].bindings
    world.delete_queue("cd\n")
    world.delete_exchange("ab\r")
    assert "ab" not in world.vhost.exchanges
    assert not world.vhost.queues


# --- arguments

PROFILE = PROFILES["rabbitmq-3.13"]
WHAT = "queue 'q' in vhost '/'"


@pytest.mark.parametrize(
    ("current", "received"),
    [
        ({}, {}),
        ({"x-max-length": Field("byte", 5)}, {"x-max-length": Field("long", 5)}),
        ({"x-overflow": longstr("drop-head")}, {"x-overflow": Field("binary", b"drop-head")}),
        ({"mine": longstr("a")}, {}),
        ({}, {"mine": longstr("a")}),
        ({"mine": longstr("a")}, {"mine": longstr("b")}),
        ({}, {"x-queue-type": longstr("classic")}),
        ({"x-queue-type": longstr("classic")}, {}),
    ],
)
def test_arguments_that_are_as_good_as_the_same(current: Table, received: Table) -> None:
    assert_same_arguments(WHAT, compared_arguments("classic", PROFILE), current, received)


@pytest.mark.parametrize(
    ("current", "received", "shown"),
    [
        ({}, {"x-expires": Field("long", 5)}, "received the value '5' of type 'long' but current is none"),
        ({"x-expires": Field("signedint", 5)}, {}, "received none but current is the value '5' of type 'signedint'"),
        ({"x-expires": Field("byte", 5)}, {"x-expires": Field("byte", 6)}, "received '6' but current is '5'"),
        ({"x-overflow": longstr("5")}, {"x-overflow": Field("byte", 5)}, "received '5' but current is '5'"),
        (
            {"x-queue-type": longstr("classic")},
            {"x-queue-type": longstr("quorum")},
            "received 'quorum' but current is 'classic'",
        ),
        ({}, {"x-queue-type": longstr("stream")}, "received the value 'stream' of type 'longstr' but current is none"),
        (
            {"x-single-active-consumer": Field("bool", True)},
            {"x-single-active-consumer": Field("bool", False)},
            "received 'false' but current is 'true'",
        ),
    ],
)
def test_arguments_that_differ(current: Table, received: Table, shown: str) -> None:
    (name,) = {*current, *received}
    with pytest.raises(PreconditionFailed) as caught:
        assert_same_arguments(WHAT, compared_arguments("classic", PROFILE), current, received)
    assert caught.value.text == f"inequivalent arg '{name}' for {WHAT}: {shown}"


@pytest.mark.parametrize(
    "names", [*(compared_arguments(kind, PROFILE) for kind in QUEUE_TYPES_KNOWN), EXCHANGE_ARGUMENTS]
)
def test_every_known_argument_is_compared(names: tuple[str, ...]) -> None:
    for name in names:
        with pytest.raises(PreconditionFailed, match=f"inequivalent arg '{name}'"):
            assert_same_arguments(WHAT, names, {name: longstr("a")}, {name: longstr("b")})


# --- deleting and purging


def test_deleting_says_how_many_messages_were_lost(world: World) -> None:
    unacked = UnackedDeliveries()
    world.queue("q")
    world.publish("", "q", *"abc")
    world.get("q", unacked)
    assert world.delete_queue("q") == 2
    assert world.delete_queue("q") == 0, "what is not there is deleted already"
    world.delete_exchange("not there")


def test_conditions_of_deleting_are_met(world: World) -> None:
    unacked = UnackedDeliveries()
    world.queue("q")
    world.publish("", "q", "a")
    world.get("q", unacked)
    assert world.delete_queue("q", if_unused=True, if_empty=True) == 0, "what was delivered does not count"
    world.exchange("x", "fanout")
    world.exchange("y", "fanout")
    world.bind_exchange("x", "y")
    world.delete_exchange("x", if_unused=True)
    assert "x" not in world.vhost.exchanges


def test_a_deleted_queue_tells_its_consumers_and_leaves_the_others(world: World) -> None:
    unacked, first, second, other = UnackedDeliveries(), FakeTarget(), FakeTarget(), FakeTarget()
    world.queue("q")
    world.queue("p")
    world.consume("q", unacked, first)
    world.consume("q", UnackedDeliveries(), second)
    world.consume("p", unacked, other)
    world.delete_queue("q")
    assert [each.cancellations for each in (first, second, other)] == [1, 1, 0]
    world.queue("q")
    world.publish("", "q", "a")
    world.publish("", "p", "b")
    assert [each.bodies for each in (first, second, other)] == [[], [], ["b"]]


def test_purging_leaves_what_was_delivered(world: World) -> None:
    unacked = UnackedDeliveries()
    queue = world.queue("q")
    world.publish("", "q", *"abcd")
    world.get("q", unacked)
    world.get("q", unacked)
    world.nack(unacked, 1)
    assert world.broker.topology.purge_queue(world.client, world.vhost, "q") == 3
    assert world.broker.topology.purge_queue(world.client, world.vhost, "q") == 0
    assert (queue.ready_count, queue.unacked_count) == (0, 1)
    world.nack(unacked, 2)
    assert world.ready("q") == ["b"]


def test_messages_are_counted_once_for_each_queue(world: World) -> None:
    world.exchange("x", "fanout")
    for name in ("q", "p"):
        world.queue(name)
        world.bind(name, "x")
    world.publish("x", "", "a", "b")
    world.get("q", UnackedDeliveries())
    world.get("p", UnackedDeliveries(), no_ack=True)
    assert world.broker.message_count() == 3


def test_what_was_dropped_is_freed_a_few_at_a_time(world: World) -> None:
    freed: list[bytes] = []

    class Tracked(Message):
        def __del__(self) -> None:
            freed.append(self.body)

    for name, count in ("q", 5), ("p", 5):
        queue = world.queue(name)
        for number in range(count):
            queue.publish(Tracked(b"", b"", f"{name}{number}".encode()))
    world.broker.topology.purge_queue(world.client, world.vhost, "q")
    world.delete_queue("p")
    assert freed == []
    counts = []
    for _ in range(5):
        world.broker.sweep(3)
        counts.append(len(freed))
    assert counts == [3, 6, 9, 10, 10]


# --- endings


def test_an_auto_delete_queue_goes_with_its_last_consumer(world: World) -> None:
    world.queue("q", auto_delete=True)
    first = world.consume("q", UnackedDeliveries(), tag="1")
    second = world.consume("q", UnackedDeliveries(), tag="2")
    world.cancel(first)
    assert "q" in world.vhost.queues
    world.cancel(second)
    assert "q" not in world.vhost.queues


def test_an_auto_delete_queue_goes_with_the_channel_of_its_last_consumer(world: World) -> None:
    world.queue("q", auto_delete=True)
    world.queue("unused", auto_delete=True)
    first, second = UnackedDeliveries(), UnackedDeliveries()
    world.consume("q", first, tag="1")
    world.consume("q", first, tag="2")
    world.consume("q", second, tag="3")
    world.publish("", "q", *"abc")
    world.close_channel(first)
    assert "q" in world.vhost.queues
    world.close_channel(second)
    assert list(world.vhost.queues) == ["unused"], "which never had a consumer"


def test_exclusive_queues_go_with_their_connection(world: World) -> None:
    other = FakeClient()
    world.exchange("x", "fanout", auto_delete=True)
    for name in ("mine", "mine too"):
        world.queue(name, exclusive=True)
        world.bind(name, "x")
    world.queue("theirs", client=other, exclusive=True)
    world.queue("shared")
    world.lose_connection(world.client)
    assert set(world.vhost.queues) == {"theirs", "shared"}
    assert "x" not in world.vhost.exchanges
    world.lose_connection(world.client)
    world.lose_connection(other)
    assert set(world.vhost.queues) == {"shared"}


def test_a_deleted_exclusive_queue_is_no_longer_its_connections(world: World) -> None:
    world.queue("q", exclusive=True)
    world.delete_queue("q")
    shared = world.queue("q")
    world.lose_connection(world.client)
    assert world.vhost.queues == {"q": shared}
