"""The messages of a queue, as those see them who only look."""

from collections.abc import Collection, Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amqpy.core.consumer import Delivery
from amqpy.core.ports import Origin
from amqpy.core.queue_contents import (
    QueueMessage,
    Reading,
    State,
    held_messages,
    ready_messages,
    unacked_messages,
)
from amqpy.core.queues import paged_fifo
from amqpy.core.queues.queue import Queue
from amqpy.core.statistics import Counts
from amqpy.core.unacked import UnackedDeliveries
from tests.core.core_harness import CoreHarness, arguments, longstr
from tests.core.stored_harness import StoredHarness

KINDS = pytest.mark.parametrize("kind", ["classic", "quorum"])


class Channel:
    """An open channel, as a virtual host knows it."""

    confirms = None

    def __init__(self, core: CoreHarness, number: int = 1) -> None:
        self.unacked = UnackedDeliveries(Origin("1.2.3.4:5 -> 6.7.8.9:5672", number, "guest", "<pid>"))
        core.vhost.begin_channel(self)

    def message_stats(self) -> Counts:
        return {}

    def deliveries(self) -> Collection[Delivery]:
        return self.unacked.by_tag.values()


def bodies(messages: Iterable[QueueMessage]) -> list[str]:
    return [message.body.decode() for message in messages]


def read(queue: Queue, state: State = "ready", *, offset: int = 0, count: int = 1000) -> list[str]:
    found: list[QueueMessage] = []

    def take(message: QueueMessage) -> bool:
        found.append(message)
        return True

    for _ in Reading(queue, state, take, offset=offset, count=count).steps():
        pass
    return bodies(found)


@KINDS
def test_what_a_message_tells(kind: str) -> None:
    core = CoreHarness("rabbitmq-3.13")
    core.exchange("x", "fanout")
    queue = core.queue("q", durable=True, arguments=arguments(queue_type=kind))
    core.bind("q", "x")
    core.publish("x", "key", "hello", headers={"h": longstr("1")}, expiration=500)
    core.wait(100)
    (message,) = ready_messages(queue)
    assert (message.state, message.exchange, message.routing_key, message.body) == ("ready", "x", "key", b"hello")
    assert message.headers["h"] == longstr("1")
    assert message.properties["headers"] == message.headers
    assert (message.ttl_ms, message.due_ms, message.holder, message.redelivered) == (400, None, None, False)
    assert message.age_ms(1_000_000) is None


def test_the_age_of_a_message() -> None:
    core = CoreHarness()
    queue = core.queue("q")
    header = b"\x00\x3c" + bytes(10) + b"\x00\x40" + (1000).to_bytes(8, "big")
    core.send("", ("q",), header, "x")
    (message,) = ready_messages(queue)
    assert (message.age_ms(1_000_500), message.age_ms(7)) == (500, 0)


@KINDS
def test_who_has_an_unacknowledged_message(kind: str) -> None:
    core = CoreHarness("rabbitmq-3.13")
    queue = core.queue("q", durable=True, arguments=arguments(queue_type=kind))
    core.queue("other")
    core.publish("", "q", "0", "1", "2", "3")
    core.publish("", "other", "not here")
    one, two = Channel(core, 1), Channel(core, 2)
    core.get("q", two.unacked)
    core.get("other", two.unacked)
    core.consume("q", one.unacked, tag="tag", prefetch=2)
    told = list(unacked_messages(queue))
    assert bodies(told) == ["0", "1", "2"]
    holders = [message.holder for message in told]
    assert [each and (each.origin.number, each.consumer_tag, each.delivery_tag) for each in holders] == [
        (2, None, 1),
        (1, "tag", 1),
        (1, "tag", 2),
    ]
    assert all(message.redelivered for message in told)
    assert bodies(ready_messages(queue)) == ["3"]
    assert read(queue, "unacked", offset=1, count=1) == ["1"]
    core.ack(one.unacked, 1)
    assert bodies(unacked_messages(queue)) == ["0", "2", "3"], "the consumer got the next one"


def test_priorities() -> None:
    core = CoreHarness()
    queue = core.queue("q", arguments=arguments(max_priority=5))
    channel = Channel(core)
    for body, priority in (("low", 1), ("high", 5), ("middle", 3), ("high too", 5)):
        core.publish("", "q", body, priority=priority)
    assert bodies(ready_messages(queue)) == ["high", "high too", "middle", "low"]
    for _ in range(3):
        core.get("q", channel.unacked)
    assert bodies(unacked_messages(queue)) == ["high", "high too", "middle"]
    core.nack(channel.unacked, 2)
    assert bodies(ready_messages(queue)) == ["high too", "low"]
    assert [message.redelivered for message in ready_messages(queue)] == [True, False]


def test_messages_held_back_for_a_retry() -> None:
    core = CoreHarness("rabbitmq-4.3")
    said = arguments(queue_type="quorum", delayed_retry_type="all", delayed_retry_min=1000)
    queue = core.queue("q", durable=True, arguments=said)
    channel = Channel(core)
    core.publish("", "q", "a", "b")
    core.get("q", channel.unacked)
    core.nack(channel.unacked, 1)
    core.wait(400)
    (held,) = held_messages(queue)
    assert (held.body, held.due_ms, held.state, held.redelivered) == (b"a", 600, "held", True)
    assert bodies(ready_messages(queue)) == ["b"]
    assert list(held_messages(core.queue("plain"))) == []


@KINDS
def test_expired_messages_are_passed_over(kind: str) -> None:
    core = CoreHarness("rabbitmq-3.13")
    queue = core.queue("q", durable=True, arguments=arguments(queue_type=kind))
    for body, expiration in (("0", None), ("1", 50), ("2", None), ("3", 60), ("4", 5000)):
        core.publish("", "q", body, expiration=expiration)
    core.wait(100)
    assert bodies(ready_messages(queue)) == ["0", "2", "4"]
    assert [read(queue, offset=offset, count=1) for offset in range(4)] == [["0"], ["2"], ["4"], []]


@settings(max_examples=60)
@given(
    st.sampled_from(["classic", "quorum", "priorities"]),
    st.lists(st.tuples(st.integers(0, 4), st.sampled_from([0, 30, 90]), st.booleans()), max_size=40),
    st.integers(0, 12),
    st.sets(st.integers(1, 12)),
    st.booleans(),
    st.integers(0, 45),
    st.integers(0, 9),
)
def test_any_place_in_a_queue_that_is_partly_on_disk(
    kind: str,
    published: list[tuple[int, int, bool]],
    taken: int,
    returned: set[int],
    restarts: bool,
    offset: int,
    count: int,
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("WINDOW_MESSAGES", 6), ("WINDOW_BYTES", 300), ("PAGE_MESSAGES", 4), ("PAGE_BYTES", 150)):
            patch.setattr(paged_fifo, name, value)
        core = StoredHarness()
        said = arguments(max_priority=4) if kind == "priorities" else arguments(queue_type=kind)
        core.queue("q", durable=True, arguments=said)
        for number, (priority, size, persistent) in enumerate(published):
            core.publish("", "q", f"{number}".ljust(size, "."), priority=priority, persistent=persistent)
            if number % 7 == 0:
                core.flush()
        unacked = UnackedDeliveries()
        for _ in range(taken):
            core.get("q", unacked)
        for tag in returned:
            if tag in unacked.by_tag:
                core.nack(unacked, tag)
        if restarts:
            core.recover(unacked)
            core = core.restart()
        queue = core.vhost.queues["q"]
        before = (core.journal.batch.is_empty, queue.ready_count, queue.in_memory_count, queue.message_stats())
        told = list(ready_messages(queue))
        part = read(queue, offset=offset, count=count)
        assert before == (core.journal.batch.is_empty, queue.ready_count, queue.in_memory_count, queue.message_stats())
        assert part == bodies(told)[offset : offset + count]
        assert len(told) == queue.ready_count
        got = [core.get("q", UnackedDeliveries(), no_ack=True) for _ in told]
        assert [(each[0].body, each[0].redelivered) for each in got if each] == [
            (message.body.decode(), message.redelivered) for message in told
        ]
