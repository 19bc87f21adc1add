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
from tests.core.stored_harness import StoredHarness, in_store

RETRIES: dict[str, int | str] = {"delayed_retry_type": "all", "delayed_retry_min": 100, "delivery_limit": 5}


def stored(profile: str = "rabbitmq-3.13", **options: int | str | bool) -> StoredHarness:
    """A broker with durable queues `q` and `other`."""
    core = StoredHarness(profile)
    core.queue("other", durable=True)
    core.queue("q", durable=True, arguments=arguments(**options))
    return core


def publish(core: StoredHarness, *bodies: str, persistent: bool = True, **more: Any) -> None:  # noqa: ANN401
    core.publish("", "q", *bodies, persistent=persistent, **more)


def crashed(core: StoredHarness) -> StoredHarness:
    """All that was done is durable, and then it crashed."""
    core.flush()
    return core.restart(is_clean=False)


def flags(core: StoredHarness, queue: str = "q") -> dict[str, bool]:
    """The messages that wait, and whether they are redelivered."""
    unacked = UnackedDeliveries()
    found = {}
    while (got := core.get(queue, unacked)) is not None:
        found[got[0].body] = got[0].redelivered
    return found


# --- which, and in what order


@pytest.mark.parametrize("is_clean", [False, True])
def test_persistent_messages_of_durable_queues_come_back_in_order(is_clean: bool) -> None:
    core = stored()
    core.queue("transient")
    publish(core, "a")
    publish(core, "lost", persistent=False)
    publish(core, "b", "c")
    core.publish("", "transient", "lost", persistent=True)
    core.flush()
    core = core.restart(is_clean=is_clean)
    assert set(core.vhost.queues) == {"q", "other"}
    assert core.ready("q") == ["a", "b", "c"]
    publish(core, "d")
    assert crashed(core).ready("q") == ["a", "b", "c", "d"]


def test_quorum_queues_keep_all_messages() -> None:
    core = stored(queue_type="quorum")
    publish(core, "a", persistent=False)
    assert crashed(core).ready("q") == ["a"]


def test_what_was_not_written_is_lost() -> None:
    core = stored()
    publish(core, "a")
    core.flush()
    publish(core, "b")
    core.take()
    assert core.restart(is_clean=False).ready("q") == ["a"]


def test_what_was_not_answered_is_where_it_was() -> None:
    core, unacked = stored(), UnackedDeliveries()
    publish(core, "a", "b", "c")
    for _ in range(3):
        core.get("q", unacked)
    core.ack(unacked, 2)
    assert crashed(core).ready("q") == ["a", "c"]


def test_answers_that_are_not_committed_do_not_count() -> None:
    core, unacked = stored(), UnackedDeliveries()
    publish(core, "a")
    core.get("q", unacked)
    unacked.take_all()
    assert crashed(core).ready("q") == ["a"]


@pytest.mark.parametrize("number", range(5))
def test_numbers_of_lanes_are_not_given_away_while_a_queue_has_them(number: int) -> None:
    """Also when nothing is in the lane."""
    core = stored()
    names = [f"q{each}" for each in range(5)]
    for name in names:
        core.queue(name, durable=True)
        core.publish("", name, "old", persistent=True)
        core.fetch(name)
    core.publish("", names[number], "left", persistent=True)
    core = crashed(core)
    core.queue("new", durable=True)
    for name in ("new", *names):
        core.publish("", name, name, persistent=True)
    check_invariants(core.broker, [])
    core = crashed(core)
    assert [core.ready(name)[-1:] for name in names] == [[name] for name in names]
    assert core.ready("new") == ["new"]


@pytest.mark.parametrize(
    "record",
    [
        LaneRecord(9, "/", "queue", "gone", 0, 0),
        LaneRecord(9, "/", "exchange", "amq.direct", 0, 0),
        LaneRecord(9, "gone", "queue", "q", 0, 0),
    ],
)
def test_lanes_of_what_is_not_there_are_closed(record: LaneRecord) -> None:
    core = stored()
    core.journal.put(record)
    core.journal.add(9 << POSITION_BITS, PersistentMessage(b"\0\1q", content_header(persistent=True), b""))
    core = crashed(core)
    check_invariants(core.broker, [])
    core.flush()
    assert in_store(core.broker) == {}


def test_held_messages_go_with_their_queue() -> None:
    core, unacked = stored("rabbitmq-4", queue_type="quorum", **RETRIES), UnackedDeliveries()
    publish(core, "a")
    core.get("q", unacked)
    core.nack(unacked, 1)
    core.flush()
    assert len(in_store(core.broker)) == 1
    core.delete_queue("q")
    check_invariants(core.broker, [])
    core.flush()
    assert in_store(core.broker) == {}


# --- redelivered


def test_after_a_crash_anything_may_have_been_delivered() -> None:
    core = stored()
    publish(core, "a", "b")
    assert flags(crashed(core)) == {"a": True, "b": True}


def test_after_a_stop_it_is_known_what_was_delivered() -> None:
    core, unacked = stored(), UnackedDeliveries()
    publish(core, "a", "b", "c", "d")
    core.get("q", unacked)
    core.get("q", unacked)
    core.close_channel(unacked)
    core = core.restart()
    publish(core, "e")
    core = core.restart()
    assert flags(core) == {"a": True, "b": True, "c": False, "d": False, "e": False}


def test_it_is_forgotten_when_the_queue_was_empty() -> None:
    core = stored()
    publish(core, *"abcdefgh")
    unacked = UnackedDeliveries()
    for _ in range(8):
        core.get("q", unacked)
    core.close_channel(unacked)
    core = core.restart()
    for _ in range(8):
        assert core.fetch("q") is not None
    core = core.restart()
    publish(core, "new")
    assert flags(core.restart()) == {"new": False}


def test_a_quorum_queue_counts_on() -> None:
    core, unacked = stored(queue_type="quorum", delivery_limit=2), UnackedDeliveries()
    publish(core, "m")
    for tag in (1, 2):
        core.get("q", unacked)
        core.nack(unacked, tag)
    core = crashed(core)
    unacked = UnackedDeliveries()
    message = core.broker.get(core.client, core.vhost, "q", unacked, no_ack=False)
    assert message is not None
    assert headers_of(message[2].header)["x-delivery-count"].value == 2
    core.nack(unacked, 1)
    assert core.ready("q") == []
    assert crashed(core).ready("q") == []


# --- time


def test_times_are_those_of_the_clock_on_the_wall() -> None:
    core = stored(message_ttl=1000, dead_letter_exchange="", dead_letter_routing_key="other")
    publish(core, "a")
    core.flush()
    core = core.restart(is_clean=False, after_ms=999, shift_ms=-500)
    core.catch_up()
    assert core.ready("q") == ["a"]
    core.advance(1)
    assert (core.ready("q"), core.ready("other")) == ([], ["a"])


def test_what_expired_meanwhile_is_a_dead_letter() -> None:
    core = stored(message_ttl=1000, dead_letter_exchange="", dead_letter_routing_key="other")
    publish(core, "a")
    core.flush()
    core = core.restart(is_clean=False, after_ms=5000)
    core.catch_up()
    assert (core.ready("q"), core.ready("other")) == ([], ["a"])
    check_invariants(core.broker, [])


def test_delayed_messages_wait_on() -> None:
    core = stored()
    core.exchange("later", "x-delayed-message", durable=True, arguments={"x-delayed-type": longstr("fanout")})
    core.exchange("lost", "x-delayed-message", arguments={"x-delayed-type": longstr("fanout")})
    for exchange in ("later", "lost"):
        core.bind("q", exchange)
        for delay_ms, body in ((300, "c"), (100, "a"), (200, "b")):
            core.send(exchange, ("",), content_header(delayed(delay_ms)), body)
    core.flush()
    core = core.restart(is_clean=False, after_ms=150, shift_ms=70)
    core.queue("q2")
    core.bind("q2", "later")
    core.catch_up()
    assert core.ready("q2") == ["a"]
    core.advance(50)
    assert core.ready("q2") == ["a", "b"]
    core = crashed(core)
    core.advance(1000)
    assert core.vhost.exchanges["later"].message_count() == 0
    check_invariants(core.broker, [])


def delayed(milliseconds: int) -> Table:
    return arguments(delay=milliseconds)


# --- where they are


def test_each_priority_comes_back_to_its_place() -> None:
    core = stored(max_priority=5)
    for priority in (1, None, 5, 9, 1):
        publish(core, f"p{priority}", priority=priority)
    assert crashed(core).ready("q") == ["p5", "p9", "p1", "p1", "pNone"]


def test_a_full_queue_drops_what_a_crash_brought_back() -> None:
    """The messages that were not answered count again."""
    core, unacked = stored(max_length=2, dead_letter_exchange="", dead_letter_routing_key="other"), UnackedDeliveries()
    publish(core, "a", "b")
    core.get("q", unacked)
    publish(core, "c")
    core = crashed(core)
    core.catch_up()
    assert (core.ready("q"), core.ready("other")) == (["b", "c"], ["a"])


@pytest.mark.parametrize("profiles", [("rabbitmq-3.13", "rabbitmq-4"), ("rabbitmq-4", "rabbitmq-3.13")])
def test_a_quorum_queue_finds_its_messages_with_another_profile(profiles: tuple[str, str]) -> None:
    """One has priorities there, the other has not."""
    core = stored(profiles[0], queue_type="quorum")
    for priority in (None, 0, 7):
        publish(core, f"p{priority}", priority=priority)
    core.flush()
    core.profile = profiles[1]
    core = core.restart()
    publish(core, "new")
    check_invariants(core.broker, [])
    unacked = UnackedDeliveries()
    core.consume("q", unacked, FakeTarget())
    check_invariants(core.broker, [unacked])
    core.ack(unacked, 0, multiple=True)
    assert crashed(core).ready("q") == []


# --- deduplication


def marked(marker: str) -> Table:
    return {"x-deduplication-header": longstr(marker)}


def test_what_is_there_is_not_taken_again_after_a_restart() -> None:
    core = stored(message_deduplication=True)
    publish(core, "a", headers=marked("one"))
    publish(core, "b")
    core = crashed(core)
    publish(core, "c", headers=marked("one"))
    publish(core, "d")
    publish(core, "e", headers=marked("two"))
    assert core.ready("q") == ["a", "b", "d", "e"]
    check_invariants(core.broker, [])


def test_what_is_held_is_not_taken_again_after_a_restart() -> None:
    core = stored("rabbitmq-4", queue_type="quorum", message_deduplication=True, **RETRIES)
    unacked = UnackedDeliveries()
    publish(core, "a", headers=marked("one"))
    core.get("q", unacked)
    core.nack(unacked, 1)
    assert core.ready("q") == []
    core = crashed(core)
    publish(core, "b", headers=marked("one"))
    core.advance(100)
    assert core.ready("q") == ["a"]
    check_invariants(core.broker, [])


# --- dead letters


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_dead_letter_is_in_one_place_at_any_moment(moment: str) -> None:
    core, unacked = stored(dead_letter_exchange="", dead_letter_routing_key="other"), UnackedDeliveries()
    publish(core, "a")
    core.flush()
    core.get("q", unacked)
    core.broker.reject(unacked.take(1, multiple=False))
    if moment == "after":
        core.broker.settle()
    core.flush()
    core = core.restart(is_clean=False)
    assert (core.ready("q"), core.ready("other")) == ((["a"], []) if moment == "before" else ([], ["a"]))


def test_a_letter_that_nobody_took_is_where_it_died() -> None:
    core = stored(
        queue_type="quorum",
        dead_letter_strategy="at-least-once",
        overflow="reject-publish",
        dead_letter_exchange="",
        dead_letter_routing_key="missing",
    )
    unacked = UnackedDeliveries()
    publish(core, "a")
    core.get("q", unacked)
    core.nack(unacked, 1, requeue=False)
    assert core.ready("q") == []
    assert crashed(core).ready("q") == ["a"]


class Littered(MemoryStore):
    """A store in which lanes that nobody owns any more are still being deleted."""

    def load(self) -> Loaded:
        return super().load()._replace(garbage=frozenset({1, 2}))


def test_a_new_queue_does_not_get_a_lane_that_is_still_being_deleted() -> None:
    """Its first message would have to wait for that."""
    core = StoredHarness(store=Littered())
    core.queue("q", durable=True)
    publish(core, "a")
    assert [lane.base >> POSITION_BITS for lane in core.vhost.queues["q"].lanes() if isinstance(lane, PagedFifo)] == [3]
