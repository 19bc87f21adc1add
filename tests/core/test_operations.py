"""What operations do when they are not refused: declaring, deleting, purging, and how things end."""

import pytest

from amqpy.core.arguments import EXCHANGE_ARGUMENTS, QUEUE_TYPES_KNOWN, compared_arguments
from amqpy.core.equivalence import assert_same_arguments
from amqpy.core.message import Message
from amqpy.core.unacked import UnackedDeliveries
from amqpy.errors import PreconditionFailed
from amqpy.profile import PROFILES
from amqpy.wire.values import Field, Table
from tests.core.core_harness import CoreHarness, FakeClient, FakeTarget, longstr


@pytest.fixture
def core() -> CoreHarness:
    return CoreHarness()


# --- declaring


def test_declaring_again_changes_nothing(core: CoreHarness) -> None:
    queue = core.queue("q", durable=True, auto_delete=True, arguments={"x-max-length": Field("long", 1)})
    core.exchange("x", "topic", durable=True, auto_delete=True, internal=True)
    core.publish("", "q", "a")
    before = core.snapshot()
    assert core.queue("q", durable=True, auto_delete=True, arguments={"x-max-length": Field("byte", 1)}) is queue
    core.exchange("x", "topic", durable=True, auto_delete=True, internal=True)
    core.exchange("amq.topic", "topic", durable=True)
    assert core.snapshot() == before


def test_a_new_queue_and_exchange_are_as_asked_for(core: CoreHarness) -> None:
    queue = core.queue("q", durable=True, auto_delete=True, arguments={"a": longstr("b")})
    assert (queue.name, queue.durable, queue.auto_delete, queue.owner) == ("q", True, True, None)
    assert queue.arguments == {"a": longstr("b")}
    exchange = core.exchange("x", "headers", durable=True, auto_delete=True, internal=True)
    assert (exchange.name, exchange.type, exchange.durable) == ("x", "headers", True)
    assert (exchange.auto_delete, exchange.internal) == (True, True)


def test_an_exclusive_queue_belongs_to_its_connection_and_is_not_durable(core: CoreHarness) -> None:
    queue = core.queue("q", exclusive=True, durable=True)
    assert queue.owner is core.client
    assert not queue.durable
    assert core.queue("q", exclusive=True, durable=True) is queue
    assert core.queue("q", exclusive=True) is queue


def test_a_queue_without_a_name_gets_a_new_one(core: CoreHarness) -> None:
    names = {core.queue("").name, core.queue("\r\n").name}
    assert names == {"amq.gen-1", "amq.gen-2"}


def test_line_ends_are_dropped_from_names(core: CoreHarness) -> None:
    core.exchange("a\r\nb")
    assert core.queue("c\nd").name == "cd"
    core.bind("c\r\nd", "\nab", "k\n")
    assert core.routed("ab", "k\n") == {"cd"}, "keys are not names"
    assert core.broker.topology.check_queue(core.client, core.vhost, "c\rd").name == "cd"
    core.broker.topology.check_exchange(core.client, core.vhost, "ab\n")
    core.exchange("ef")
    core.bind_exchange("e\nf", "a\nb", "k")
    core.unbind_exchange("ef\n", "ab\r", "k")
    core.unbind("c\nd", "ab", "k\n")
    assert not core.vhost.exchanges["ab"].bindings
    core.delete_queue("cd\n")
    core.delete_exchange("ab\r")
    assert "ab" not in core.vhost.exchanges
    assert not core.vhost.queues


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


def test_deleting_says_how_many_messages_were_lost(core: CoreHarness) -> None:
    unacked = UnackedDeliveries()
    core.queue("q")
    core.publish("", "q", *"abc")
    core.get("q", unacked)
    assert core.delete_queue("q") == 2
    assert core.delete_queue("q") == 0, "what is not there is deleted already"
    core.delete_exchange("not there")


def test_conditions_of_deleting_are_met(core: CoreHarness) -> None:
    unacked = UnackedDeliveries()
    core.queue("q")
    core.publish("", "q", "a")
    core.get("q", unacked)
    assert core.delete_queue("q", if_unused=True, if_empty=True) == 0, "what was delivered does not count"
    core.exchange("x", "fanout")
    core.exchange("y", "fanout")
    core.bind_exchange("x", "y")
    core.delete_exchange("x", if_unused=True)
    assert "x" not in core.vhost.exchanges


def test_a_deleted_queue_tells_its_consumers_and_leaves_the_others(core: CoreHarness) -> None:
    unacked, first, second, other = UnackedDeliveries(), FakeTarget(), FakeTarget(), FakeTarget()
    core.queue("q")
    core.queue("p")
    core.consume("q", unacked, first)
    core.consume("q", UnackedDeliveries(), second)
    core.consume("p", unacked, other)
    core.delete_queue("q")
    assert [each.cancellations for each in (first, second, other)] == [1, 1, 0]
    core.queue("q")
    core.publish("", "q", "a")
    core.publish("", "p", "b")
    assert [each.bodies for each in (first, second, other)] == [[], [], ["b"]]


def test_purging_leaves_what_was_delivered(core: CoreHarness) -> None:
    unacked = UnackedDeliveries()
    queue = core.queue("q")
    core.publish("", "q", *"abcd")
    core.get("q", unacked)
    core.get("q", unacked)
    core.nack(unacked, 1)
    assert core.broker.topology.purge_queue(core.client, core.vhost, "q") == 3
    assert core.broker.topology.purge_queue(core.client, core.vhost, "q") == 0
    assert (queue.ready_count, queue.unacked_count) == (0, 1)
    core.nack(unacked, 2)
    assert core.ready("q") == ["b"]


def test_messages_are_counted_once_for_each_queue(core: CoreHarness) -> None:
    core.exchange("x", "fanout")
    for name in ("q", "p"):
        core.queue(name)
        core.bind(name, "x")
    core.publish("x", "", "a", "b")
    core.get("q", UnackedDeliveries())
    core.get("p", UnackedDeliveries(), no_ack=True)
    assert core.broker.message_count() == 3


def test_what_was_dropped_is_freed_a_few_at_a_time(core: CoreHarness) -> None:
    freed: list[bytes] = []

    class Tracked(Message):
        def __del__(self) -> None:
            freed.append(self.body)

    for name, count in ("q", 5), ("p", 5):
        queue = core.queue(name)
        for number in range(count):
            queue.publish(Tracked(b"", b"", f"{name}{number}".encode()))
    core.broker.topology.purge_queue(core.client, core.vhost, "q")
    core.delete_queue("p")
    assert freed == []
    counts = []
    for _ in range(5):
        core.broker.sweep(3)
        counts.append(len(freed))
    assert counts == [3, 6, 9, 10, 10]


# --- endings


def test_an_auto_delete_queue_goes_with_its_last_consumer(core: CoreHarness) -> None:
    core.queue("q", auto_delete=True)
    first = core.consume("q", UnackedDeliveries(), tag="1")
    second = core.consume("q", UnackedDeliveries(), tag="2")
    core.cancel(first)
    assert "q" in core.vhost.queues
    core.cancel(second)
    assert "q" not in core.vhost.queues


def test_an_auto_delete_queue_goes_with_the_channel_of_its_last_consumer(core: CoreHarness) -> None:
    core.queue("q", auto_delete=True)
    core.queue("unused", auto_delete=True)
    first, second = UnackedDeliveries(), UnackedDeliveries()
    core.consume("q", first, tag="1")
    core.consume("q", first, tag="2")
    core.consume("q", second, tag="3")
    core.publish("", "q", *"abc")
    core.close_channel(first)
    assert "q" in core.vhost.queues
    core.close_channel(second)
    assert list(core.vhost.queues) == ["unused"], "which never had a consumer"


def test_exclusive_queues_go_with_their_connection(core: CoreHarness) -> None:
    other = FakeClient()
    core.exchange("x", "fanout", auto_delete=True)
    for name in ("mine", "mine too"):
        core.queue(name, exclusive=True)
        core.bind(name, "x")
    core.queue("theirs", client=other, exclusive=True)
    core.queue("shared")
    core.lose_connection(core.client)
    assert set(core.vhost.queues) == {"theirs", "shared"}
    assert "x" not in core.vhost.exchanges
    core.lose_connection(core.client)
    core.lose_connection(other)
    assert set(core.vhost.queues) == {"shared"}


def test_a_deleted_exclusive_queue_is_no_longer_its_connections(core: CoreHarness) -> None:
    core.queue("q", exclusive=True)
    core.delete_queue("q")
    shared = core.queue("q")
    core.lose_connection(core.client)
    assert core.vhost.queues == {"q": shared}
