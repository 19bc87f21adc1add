"""What a broker makes of the messages that another one has left, case by case; `machine` has all of them at once."""

from typing import Any

import pytest

from amqpy.core.durability.journal import POSITION_BITS
from amqpy.core.durability.records import LaneRecord, Loaded
from amqpy.core.message import PersistentMessage
from amqpy.core.queues.paged_fifo import PagedFifo
from amqpy.core.unacked import UnackedDeliveries
from amqpy.store.memory import MemoryStore
from amqpy.wire.properties import headers_of
from amqpy.wire.values import Table
from tests.core.core_harness import FakeTarget, arguments, content_header, longstr
from tests.core.invariants import check_invariants
from tests.core.stored_harness import StoredWorld, in_store

RETRIES: dict[str, int | str] = {"delayed_retry_type": "all", "delayed_retry_min": 100, "delivery_limit": 5}


def stored(profile: str = "rabbitmq-3.13", **options: int | str | bool) -> StoredWorld:
    """A broker with durable queues `q` and `other`."""
    world = StoredWorld(profile)
    world.queue("other", durable=True)
    world.queue("q", durable=True, arguments=arguments(**options))
    return world


def publish(world: StoredWorld, *bodies: str, persistent: bool = True, **more: Any) -> None:  # noqa: ANN401
    world.publish("", "q", *bodies, persistent=persistent, **more)


def crashed(world: StoredWorld) -> StoredWorld:
    """All that was done is durable, and then it crashed."""
    world.flush()
    return world.restart(is_clean=False)


def flags(world: StoredWorld, queue: str = "q") -> dict[str, bool]:
    """The messages that wait, and whether they are redelivered."""
    unacked = UnackedDeliveries()
    found = {}
    while (got := world.get(queue, unacked)) is not None:
        found[got[0].body] = got[0].redelivered
    return found


# --- which, and in what order


@pytest.mark.parametrize("is_clean", [False, True])
def test_persistent_messages_of_durable_queues_come_back_in_order(is_clean: bool) -> None:
    world = stored()
    world.queue("transient")
    publish(world, "a")
    publish(world, "lost", persistent=False)
    publish(world, "b", "c")
    world.publish("", "transient", "lost", persistent=True)
    world.flush()
    world = world.restart(is_clean=is_clean)
    assert set(world.vhost.queues) == {"q", "other"}
    assert world.ready("q") == ["a", "b", "c"]
    publish(world, "d")
    assert crashed(world).ready("q") == ["a", "b", "c", "d"]


def test_quorum_queues_keep_all_messages() -> None:
    world = stored(queue_type="quorum")
    publish(world, "a", persistent=False)
    assert crashed(world).ready("q") == ["a"]


def test_what_was_not_written_is_lost() -> None:
    world = stored()
    publish(world, "a")
    world.flush()
    publish(world, "b")
    world.take()
    assert world.restart(is_clean=False).ready("q") == ["a"]


def test_what_was_not_answered_is_where_it_was() -> None:
    world, unacked = stored(), UnackedDeliveries()
    publish(world, "a", "b", "c")
    for _ in range(3):
        world.get("q", unacked)
    world.ack(unacked, 2)
    assert crashed(world).ready("q") == ["a", "c"]


def test_answers_that_are_not_committed_do_not_count() -> None:
    world, unacked = stored(), UnackedDeliveries()
    publish(world, "a")
    world.get("q", unacked)
    unacked.take_all()
    assert crashed(world).ready("q") == ["a"]


@pytest.mark.parametrize("number", range(5))
def test_numbers_of_lanes_are_not_given_away_while_a_queue_has_them(number: int) -> None:
    """Also when nothing is in the lane."""
    world = stored()
    names = [f"q{each}" for each in range(5)]
    for name in names:
        world.queue(name, durable=True)
        world.publish("", name, "old", persistent=True)
        world.fetch(name)
    world.publish("", names[number], "left", persistent=True)
    world = crashed(world)
    world.queue("new", durable=True)
    for name in ("new", *names):
        world.publish("", name, name, persistent=True)
    check_invariants(world.broker, [])
    world = crashed(world)
    assert [world.ready(name)[-1:] for name in names] == [[name] for name in names]
    assert world.ready("new") == ["new"]


@pytest.mark.parametrize(
    "record",
    [
        LaneRecord(9, "/", "queue", "gone", 0, 0),
        LaneRecord(9, "/", "exchange", "amq.direct", 0, 0),
        LaneRecord(9, "gone", "queue", "q", 0, 0),
    ],
)
def test_lanes_of_what_is_not_there_are_closed(record: LaneRecord) -> None:
    world = stored()
    world.journal.put(record)
    world.journal.add(9 << POSITION_BITS, PersistentMessage(b"\0\1q", content_header(persistent=True), b""))
    world = crashed(world)
    check_invariants(world.broker, [])
    world.flush()
    assert in_store(world.broker) == {}


def test_held_messages_go_with_their_queue() -> None:
    world, unacked = stored("rabbitmq-4", queue_type="quorum", **RETRIES), UnackedDeliveries()
    publish(world, "a")
    world.get("q", unacked)
    world.nack(unacked, 1)
    world.flush()
    assert len(in_store(world.broker)) == 1
    world.delete_queue("q")
    check_invariants(world.broker, [])
    world.flush()
    assert in_store(world.broker) == {}


# --- redelivered


def test_after_a_crash_anything_may_have_been_delivered() -> None:
    world = stored()
    publish(world, "a", "b")
    assert flags(crashed(world)) == {"a": True, "b": True}


def test_after_a_stop_it_is_known_what_was_delivered() -> None:
    world, unacked = stored(), UnackedDeliveries()
    publish(world, "a", "b", "c", "d")
    world.get("q", unacked)
    world.get("q", unacked)
    world.close_channel(unacked)
    world = world.restart()
    publish(world, "e")
    world = world.restart()
    assert flags(world) == {"a": True, "b": True, "c": False, "d": False, "e": False}


def test_it_is_forgotten_when_the_queue_was_empty() -> None:
    world = stored()
    publish(world, *"abcdefgh")
    unacked = UnackedDeliveries()
    for _ in range(8):
        world.get("q", unacked)
    world.close_channel(unacked)
    world = world.restart()
    for _ in range(8):
        assert world.fetch("q") is not None
    world = world.restart()
    publish(world, "new")
    assert flags(world.restart()) == {"new": False}


def test_a_quorum_queue_counts_on() -> None:
    world, unacked = stored(queue_type="quorum", delivery_limit=2), UnackedDeliveries()
    publish(world, "m")
    for tag in (1, 2):
        world.get("q", unacked)
        world.nack(unacked, tag)
    world = crashed(world)
    unacked = UnackedDeliveries()
    message = world.broker.get(world.client, world.vhost, "q", unacked, no_ack=False)
    assert message is not None
    assert headers_of(message[2].header)["x-delivery-count"].value == 2
    world.nack(unacked, 1)
    assert world.ready("q") == []
    assert crashed(world).ready("q") == []


# --- time


def test_times_are_those_of_the_clock_on_the_wall() -> None:
    world = stored(message_ttl=1000, dead_letter_exchange="", dead_letter_routing_key="other")
    publish(world, "a")
    world.flush()
    world = world.restart(is_clean=False, after_ms=999, shift_ms=-500)
    world.catch_up()
    assert world.ready("q") == ["a"]
    world.advance(1)
    assert (world.ready("q"), world.ready("other")) == ([], ["a"])


def test_what_expired_meanwhile_is_a_dead_letter() -> None:
    world = stored(message_ttl=1000, dead_letter_exchange="", dead_letter_routing_key="other")
    publish(world, "a")
    world.flush()
    world = world.restart(is_clean=False, after_ms=5000)
    world.catch_up()
    assert (world.ready("q"), world.ready("other")) == ([], ["a"])
    check_invariants(world.broker, [])


def test_delayed_messages_wait_on() -> None:
    world = stored()
    world.exchange("later", "x-delayed-message", durable=True, arguments={"x-delayed-type": longstr("fanout")})
    world.exchange("lost", "x-delayed-message", arguments={"x-delayed-type": longstr("fanout")})
    for exchange in ("later", "lost"):
        world.bind("q", exchange)
        for delay_ms, body in ((300, "c"), (100, "a"), (200, "b")):
            world.send(exchange, ("",), content_header(delayed(delay_ms)), body)
    world.flush()
    world = world.restart(is_clean=False, after_ms=150, shift_ms=70)
    world.queue("q2")
    world.bind("q2", "later")
    world.catch_up()
    assert world.ready("q2") == ["a"]
    world.advance(50)
    assert world.ready("q2") == ["a", "b"]
    world = crashed(world)
    world.advance(1000)
    assert world.vhost.exchanges["later"].message_count() == 0
    check_invariants(world.broker, [])


def delayed(milliseconds: int) -> Table:
    return arguments(delay=milliseconds)


# --- where they are


def test_each_priority_comes_back_to_its_place() -> None:
    world = stored(max_priority=5)
    for priority in (1, None, 5, 9, 1):
        publish(world, f"p{priority}", priority=priority)
    assert crashed(world).ready("q") == ["p5", "p9", "p1", "p1", "pNone"]


def test_a_full_queue_drops_what_a_crash_brought_back() -> None:
    """The messages that were not answered count again."""
    world, unacked = stored(max_length=2, dead_letter_exchange="", dead_letter_routing_key="other"), UnackedDeliveries()
    publish(world, "a", "b")
    world.get("q", unacked)
    publish(world, "c")
    world = crashed(world)
    world.catch_up()
    assert (world.ready("q"), world.ready("other")) == (["b", "c"], ["a"])


@pytest.mark.parametrize("profiles", [("rabbitmq-3.13", "rabbitmq-4"), ("rabbitmq-4", "rabbitmq-3.13")])
def test_a_quorum_queue_finds_its_messages_with_another_profile(profiles: tuple[str, str]) -> None:
    """One has priorities there, the other has not."""
    world = stored(profiles[0], queue_type="quorum")
    for priority in (None, 0, 7):
        publish(world, f"p{priority}", priority=priority)
    world.flush()
    world.profile = profiles[1]
    world = world.restart()
    publish(world, "new")
    check_invariants(world.broker, [])
    unacked = UnackedDeliveries()
    world.consume("q", unacked, FakeTarget())
    check_invariants(world.broker, [unacked])
    world.ack(unacked, 0, multiple=True)
    assert crashed(world).ready("q") == []


# --- deduplication


def marked(marker: str) -> Table:
    return {"x-deduplication-header": longstr(marker)}


def test_what_is_there_is_not_taken_again_after_a_restart() -> None:
    world = stored(message_deduplication=True)
    publish(world, "a", headers=marked("one"))
    publish(world, "b")
    world = crashed(world)
    publish(world, "c", headers=marked("one"))
    publish(world, "d")
    publish(world, "e", headers=marked("two"))
    assert world.ready("q") == ["a", "b", "d", "e"]
    check_invariants(world.broker, [])


def test_what_is_held_is_not_taken_again_after_a_restart() -> None:
    world = stored("rabbitmq-4", queue_type="quorum", message_deduplication=True, **RETRIES)
    unacked = UnackedDeliveries()
    publish(world, "a", headers=marked("one"))
    world.get("q", unacked)
    world.nack(unacked, 1)
    assert world.ready("q") == []
    world = crashed(world)
    publish(world, "b", headers=marked("one"))
    world.advance(100)
    assert world.ready("q") == ["a"]
    check_invariants(world.broker, [])


# --- dead letters


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_dead_letter_is_in_one_place_at_any_moment(moment: str) -> None:
    world, unacked = stored(dead_letter_exchange="", dead_letter_routing_key="other"), UnackedDeliveries()
    publish(world, "a")
    world.flush()
    world.get("q", unacked)
    world.broker.reject(unacked.take(1, multiple=False))
    if moment == "after":
        world.broker.settle()
    world.flush()
    world = world.restart(is_clean=False)
    assert (world.ready("q"), world.ready("other")) == ((["a"], []) if moment == "before" else ([], ["a"]))


def test_a_letter_that_nobody_took_is_where_it_died() -> None:
    world = stored(
        queue_type="quorum",
        dead_letter_strategy="at-least-once",
        overflow="reject-publish",
        dead_letter_exchange="",
        dead_letter_routing_key="missing",
    )
    unacked = UnackedDeliveries()
    publish(world, "a")
    world.get("q", unacked)
    world.nack(unacked, 1, requeue=False)
    assert world.ready("q") == []
    assert crashed(world).ready("q") == ["a"]


class Littered(MemoryStore):
    """A store in which lanes that nobody owns any more are still being deleted."""

    def load(self) -> Loaded:
        return super().load()._replace(garbage=frozenset({1, 2}))


def test_a_new_queue_does_not_get_a_lane_that_is_still_being_deleted() -> None:
    """Its first message would have to wait for that."""
    world = StoredWorld(store=Littered())
    world.queue("q", durable=True)
    publish(world, "a")
    assert [lane.base >> POSITION_BITS for lane in world.vhost.queues["q"].lanes() if isinstance(lane, PagedFifo)] == [
        3
    ]
