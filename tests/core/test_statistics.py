"""Message statistics where the state machines seldom come: large work half done, purges of a sort, totals of what is
gone. What RabbitMQ counts is compared in tests/amqp/test_statistics.py."""

from collections import Counter
from functools import partial

import pytest

from amqpy.core import views
from amqpy.core.message import Message
from amqpy.core.queues.queue import Queue
from amqpy.core.routing import ROUTES_MAX
from amqpy.core.statistics import Totals
from amqpy.core.unacked import UnackedDeliveries
from tests.core.core_harness import CoreHarness, FakeTarget, arguments, longstr
from tests.core.slices import sliced
from tests.core.stored_harness import StoredHarness


def published(queue: Queue) -> int:
    return queue.message_stats()["publish"]


# --- dropped messages, one way at a time


def test_a_purge_of_messages_that_must_not_be_repeated_counts_each() -> None:
    core = CoreHarness()
    queue = core.queue("q", arguments=arguments(message_deduplication=True))
    for marker in "aab":
        core.publish("", "q", "1", headers={"x-deduplication-header": longstr(marker)})
    core.broker.topology.purge_queue(core.client, core.vhost, "q")
    assert (published(queue), queue.counts.dropped) == (3, {"purged": 2})


def test_a_purge_of_stored_messages_that_were_requeued_counts_each() -> None:
    core, unacked = StoredHarness(), UnackedDeliveries()
    queue = core.queue("q", durable=True)
    core.publish("", "q", "1", "2", "3", persistent=True)
    core.get("q", unacked)
    core.nack(unacked, 1)
    assert core.broker.topology.purge_queue(core.client, core.vhost, "q") == 3
    assert (published(queue), queue.counts.dropped) == (3, {"purged": 3})


def test_a_purge_counts_what_waits_for_a_retry() -> None:
    core, unacked = CoreHarness("rabbitmq-4.3"), UnackedDeliveries()
    options = arguments(queue_type="quorum", delayed_retry_type="all", delayed_retry_min=100)
    queue = core.queue("q", durable=True, arguments=options)
    core.publish("", "q", "1", "2")
    core.get("q", unacked)
    core.nack(unacked, 1)
    assert (queue.held_count, published(queue)) == (1, 2)
    core.broker.topology.purge_queue(core.client, core.vhost, "q")
    assert (queue.held_count, published(queue), queue.counts.dropped) == (0, 2, {"purged": 2})


@pytest.mark.parametrize("kind", ["classic", "quorum"])
def test_messages_that_a_limit_drops_bit_by_bit_were_published_at_all_times(kind: str) -> None:
    with sliced(2):
        core = CoreHarness()
        queue = core.queue("q", durable=True, arguments=arguments(queue_type=kind))
        core.publish("", "q", *map(str, range(10)))
        core.broker.administration.set_policy("/", "p", "", {"max-length": 1})
        steps = 0
        while core.broker.scheduler.jobs:
            assert published(queue) == 10
            core.broker.work()
            steps += 1
        assert steps > 2, "it was to be done bit by bit"
        assert (published(queue), queue.ready_count, queue.counts.dropped) == (10, 1, {"maxlen": 9})


def test_messages_that_are_purged_bit_by_bit_were_published_at_all_times() -> None:
    with sliced(2):
        core = CoreHarness()
        queue = core.queue("q", arguments=arguments(message_deduplication=True))
        core.publish("", "q", *map(str, range(10)))
        core.broker.topology.purge_queue(core.client, core.vhost, "q")
        assert core.broker.scheduler.jobs
        while core.broker.scheduler.jobs:
            assert published(queue) == 10
            core.broker.work()
        assert queue.counts.dropped == {"purged": 10}


def test_the_way_in_which_messages_died_is_counted() -> None:
    core, unacked = CoreHarness("rabbitmq-4.3"), UnackedDeliveries()
    core.queue("dead")
    dead_letters = arguments(dead_letter_exchange="", dead_letter_routing_key="dead")
    insisting = arguments(queue_type="quorum", dead_letter_strategy="at-least-once", overflow="reject-publish")
    queues = [
        core.queue("none"),
        core.queue("once", arguments=dead_letters),
        core.queue("insisting", durable=True, arguments=dead_letters | insisting),
        core.queue("full", arguments=dead_letters | arguments(max_length=0, overflow="reject-publish-dlx")),
    ]
    for queue in queues[:3]:
        core.publish("", queue.name, "1")
        core.get(queue.name, unacked)
    core.nack(unacked, 3, multiple=True, requeue=False)
    core.publish("", "full", "1")
    assert [queue.counts.dead_lettered for queue in queues] == [
        {("disabled", "rejected"): 1},
        {("at_most_once", "rejected"): 1},
        {("at_least_once", "rejected"): 1},
        {("at_most_once", "maxlen"): 1},
    ]
    types = views.queue_types(core.broker)
    assert types["quorum"]["dead_lettered_at_least_once_rejected"] == 1
    assert types["classic"]["dead_lettered_at_most_once_rejected"] == 1
    assert types["classic"]["dropped_rejected"] == 2


# --- a deleted delivery


def test_deliveries_that_are_settled_after_their_queue_was_deleted_count_for_the_channel() -> None:
    core, unacked = CoreHarness(), UnackedDeliveries()
    core.queue("q")
    core.publish("", "q", "1", "2", "3")
    for _ in range(3):
        core.get("q", unacked)
    core.delete_queue("q")
    core.ack(unacked, 1)
    core.nack(unacked, 2)
    core.nack(unacked, 3, requeue=False)
    assert unacked.message_stats()["ack"] == 1


# --- totals


def test_the_counters_of_queues_that_are_gone_stay_with_their_type() -> None:
    core = CoreHarness()
    for _ in range(2):
        core.queue("q")
        core.publish("", "q", "1", "2")
        core.fetch("q")
        core.delete_queue("q")
    core.queue("q")
    core.publish("", "q", "1")
    totals = views.queue_types(core.broker)["classic"]
    assert (totals["publish"], totals["get_no_ack"]) == (5, 2)
    assert "dropped_purged" not in totals, "what went with its queue was not dropped"


def test_totals_keep_what_is_gone_once() -> None:
    totals: Totals[str] = Totals()
    counters = {"a": Counter(x=1), "b": Counter(x=2, y=3)}
    for name in counters:
        totals.begin(name, partial(counters.__getitem__, name))
    assert totals.sum() == {"x": 3, "y": 3}
    totals.end("b")
    totals.end("b")
    counters["b"]["x"] = counters["a"]["x"] = 100
    assert totals.sum() == {"x": 102, "y": 3}


# --- exchanges


def test_routes_that_are_forgotten_for_others_have_been_counted() -> None:
    core = CoreHarness()
    core.exchange("x")
    core.queue("q")
    core.bind("q", "x", "0")
    for number in range(ROUTES_MAX + 2):
        core.publish("x", str(number), "m")
    core.publish("x", "0", "again")
    assert views.exchange(core.vhost.exchanges["x"])["message_stats"] == {
        "publish_in": ROUTES_MAX + 3,
        "publish_out": 2,
    }


def test_an_exchange_counts_what_went_to_queues_that_are_gone() -> None:
    core = CoreHarness()
    core.exchange("x", "fanout")
    for name in ("a", "b"):
        core.queue(name)
        core.bind(name, "x")
    core.publish("x", "", "1")
    core.delete_queue("a")
    core.publish("x", "", "2")
    assert views.exchange(core.vhost.exchanges["x"])["message_stats"] == {"publish_in": 2, "publish_out": 3}


def test_the_default_exchange_of_old_counts_what_it_names() -> None:
    core = CoreHarness("rabbitmq-3.10")
    core.exchange("x")
    core.queue("q")
    for routing_key in ("q", "nope", "nope"):
        core.publish("", routing_key, "m")
        core.publish("x", routing_key, "m")
    assert views.exchange(core.vhost.exchanges[""])["message_stats"] == {"publish_in": 3, "publish_out": 3}
    assert views.exchange(core.vhost.exchanges["x"])["message_stats"] == {"publish_in": 3}


def test_what_the_broker_itself_publishes_counts_nowhere() -> None:
    core = CoreHarness()
    core.queue("q")
    core.bind("q", "amq.rabbitmq.event", "queue.*")
    core.queue("another")
    core.settle()
    queue = core.vhost.queues["q"]
    assert (queue.ready_count > 0, published(queue)) == (True, 0)
    assert "message_stats" not in views.exchange(core.vhost.exchanges["amq.rabbitmq.event"])


# --- sizes


def test_the_bytes_of_a_queue_are_of_bodies_wherever_they_are() -> None:
    core, unacked = CoreHarness(), UnackedDeliveries()
    queue = core.queue("q", durable=True)
    core.publish("", "q", "1", "22", persistent=True)
    core.publish("", "q", "333")
    core.consume("q", unacked, FakeTarget(), prefetch=1)
    sizes = views.sizes_of(unacked.by_tag.values())
    view = views.queue(queue, sizes)
    assert {name: size for name, size in view.items() if name.startswith(("message_bytes", "messages_p"))} == {
        "message_bytes": 6,
        "message_bytes_ready": 5,
        "message_bytes_unacknowledged": 1,
        "message_bytes_ram": 6,
        "message_bytes_persistent": 3,
        "messages_persistent": 2,
    }
    assert "message_bytes" not in views.queue(queue)


def test_only_a_durable_queue_has_persistent_messages() -> None:
    core = CoreHarness()
    queue = core.queue("q")
    core.publish("", "q", "1", persistent=True)
    assert queue.ready_sizes().persistent == 0
    assert not queue.is_persistent(Message(b"", b"", b""))
