"""Messages in a row are delivered as if each had come alone: who gets which, and up to where.

That all is the same in the end: `tests/amqp/test_runs.py`, where octets are compared.
"""

import pytest

from amqpy.core.message import Message, address_of
from amqpy.core.unacked import UnackedDeliveries
from tests.core.core_harness import CoreHarness, FakeTarget, arguments, content_header


@pytest.fixture
def core() -> CoreHarness:
    core = CoreHarness()
    core.queue("q")
    core.queue("quorum", durable=True, arguments=arguments(queue_type="quorum"))
    return core


def publish_row(core: CoreHarness, queue: str, bodies: str) -> None:
    address, header = address_of("", queue), content_header()
    messages = [Message(address, header, body.encode()) for body in bodies]
    assert not core.route("", queue).deliver_all(messages)
    core.settle()


@pytest.mark.parametrize("queue", ["q", "quorum"])
def test_those_in_line_get_a_row_by_turns(core: CoreHarness, queue: str) -> None:
    targets = [FakeTarget() for _ in range(3)]
    for target in targets:
        core.consume(queue, UnackedDeliveries(), target)
    publish_row(core, queue, "abcdefg")
    publish_row(core, queue, "hi")
    core.publish("", queue, "j")
    assert ["".join(target.bodies) for target in targets] == ["adgj", "beh", "cfi"]


@pytest.mark.parametrize("queue", ["q", "quorum"])
def test_two_consumers_of_a_channel_get_a_row_in_its_order(core: CoreHarness, queue: str) -> None:
    unacked, first, second = UnackedDeliveries(), FakeTarget(), FakeTarget()
    core.consume(queue, unacked, first, tag="first")
    core.consume(queue, unacked, second, tag="second")
    publish_row(core, queue, "abcdef")
    assert [(delivery.tag, delivery.body) for delivery in first.got] == [(1, "a"), (3, "c"), (5, "e")]
    assert [(delivery.tag, delivery.body) for delivery in second.got] == [(2, "b"), (4, "d"), (6, "f")]


@pytest.mark.parametrize("queue", ["q", "quorum"])
def test_credit_ends_a_row(core: CoreHarness, queue: str) -> None:
    first, second = FakeTarget(), FakeTarget()
    unacked = UnackedDeliveries()
    core.consume(queue, unacked, first, prefetch=3)
    core.consume(queue, UnackedDeliveries(), second, prefetch=5)
    publish_row(core, queue, "abcdefghij")
    assert ["".join(target.bodies) for target in (first, second)] == ["ace", "bdfgh"]
    assert core.ready(queue) == ["i", "j"]
    core.ack(unacked, 0, multiple=True)
    assert first.bodies[3:] == ["i", "j"]


def test_a_limit_of_the_channel_ends_a_row(core: CoreHarness) -> None:
    unacked, target = UnackedDeliveries(), FakeTarget()
    unacked.set_limit(2)
    core.consume("q", unacked, target)
    publish_row(core, "q", "abcde")
    assert target.bodies == ["a", "b"]


def test_who_uses_up_its_credit_in_a_quorum_queue_stands_last(core: CoreHarness) -> None:
    unacked, first, second = UnackedDeliveries(), FakeTarget(), FakeTarget()
    core.consume("quorum", unacked, first, prefetch=2)
    publish_row(core, "quorum", "ab")
    core.consume("quorum", UnackedDeliveries(), second)
    core.ack(unacked, 0, multiple=True)
    core.publish("", "quorum", "c", "d")
    assert [first.bodies, second.bodies] == [["a", "b", "d"], ["c"]]


def test_what_was_returned_to_a_quorum_queue_is_delivered_as_such_amid_a_row(core: CoreHarness) -> None:
    unacked, target = UnackedDeliveries(), FakeTarget()
    core.consume("quorum", unacked, target, prefetch=3)
    publish_row(core, "quorum", "abcdef")
    core.nack(unacked, 0, multiple=True)
    core.ack(unacked, 0, multiple=True)
    again = [(delivery.body, delivery.redelivered) for delivery in target.got[3:]]
    assert sorted(again) == [("a", True), ("b", True), ("c", True), ("d", False), ("e", False), ("f", False)]
