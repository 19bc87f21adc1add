"""Streams as queues: filters, retention, policies, what is looked at, and with a store."""

import pytest

from amqpy.core.message import Message
from amqpy.core.queue_contents import ready_messages
from amqpy.core.queues import stream as stream_module
from amqpy.core.queues.stream import MEMORY_BYTES_MAX, StreamQueue
from amqpy.core.statistics import Sizes
from amqpy.profile import PROFILES
from amqpy.wire.values import Field, array_field
from tests.core.core_harness import UNIX_TIME_MS, CoreHarness, longstr
from tests.core.stored_harness import StoredHarness
from tests.core.stream_reading import FIRST, HOUR_MS, LAST, NEXT, Reading, declared, number

# --- filters


def published_with_filters(core: CoreHarness) -> None:
    declared(core)
    for value in ("a", "b", None, "a"):
        headers = {} if value is None else {"x-stream-filter-value": longstr(value)}
        core.publish("", "s", f"for {value}", headers=headers)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"x-stream-filter": longstr("a")}, ["for a", "for a"]),
        ({"x-stream-filter": array_field([longstr("a"), longstr("b")])}, ["for a", "for b", "for a"]),
        (
            {"x-stream-filter": longstr("b"), "x-stream-match-unfiltered": Field("bool", True)},
            ["for b", "for None"],
        ),
        ({"x-stream-filter": longstr("c")}, []),
        ({"x-stream-filter": Field("signedint", 1)}, ["for a", "for b", "for None", "for a"]),
        ({"x-stream-match-unfiltered": Field("bool", True)}, ["for a", "for b", "for None", "for a"]),
    ],
)
def test_filters(said: dict[str, Field], expected: list[str]) -> None:
    core = CoreHarness()
    published_with_filters(core)
    assert Reading(core, FIRST, said=said).got() == expected


def test_3_10_knows_no_filters() -> None:
    core = CoreHarness("rabbitmq-3.10")
    published_with_filters(core)
    assert len(Reading(core, FIRST, said={"x-stream-filter": longstr("a")}).got()) == 4


# --- retention and policies


def filled(core: CoreHarness, count: int = 20, **more: int | str) -> StreamQueue:
    queue = declared(core, "s", stream_max_segment_size_bytes=1, **more)
    for each in range(count):
        core.publish("", "s", f"m{each}")
    return queue


def test_max_length_bytes() -> None:
    core = CoreHarness()
    queue = filled(core, max_length_bytes=1000)
    size = queue.log.segments[0].size
    # The segment that is being written does not count when it begins.
    assert queue.ready_count == 1000 // size + 1
    assert Reading(core, FIRST).got()[-1] == "m19"
    assert queue.message_stats()["publish"] == 20


def test_a_policy_wins_over_an_argument_and_acts_at_once() -> None:
    core = CoreHarness()
    queue = filled(core, max_length_bytes=1000)
    before = queue.ready_count
    put = core.broker.administration.set_policy
    put("/", "p", ".*", {"max-length-bytes": 2000})
    core.settle()
    for each in range(20):
        core.publish("", "s", f"n{each}")
    assert queue.ready_count > before
    put("/", "p", ".*", {"max-length-bytes": 300})
    core.settle()
    assert queue.ready_count < before
    put("/", "p", ".*", {"max-length-bytes": 300, "message-ttl": 5})
    core.settle()
    assert queue.settings.max_length_bytes == 1000


def test_max_age_is_looked_at_every_hour() -> None:
    core = CoreHarness()
    now = [UNIX_TIME_MS]
    core.broker.scheduler.unix_time_ms = lambda: now[0]
    queue = filled(core, 5, max_age="2h")
    assert queue.ready_count == 5
    now[0] += HOUR_MS
    core.wait(HOUR_MS)
    assert queue.ready_count == 5
    now[0] += 2 * HOUR_MS
    core.wait(2 * HOUR_MS)
    assert queue.ready_count == 1
    core.delete_queue("s")
    assert core.broker.scheduler.deadlines.first_at_ms() is None


def test_a_stream_in_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_module, "MEMORY_BYTES_MAX", 10_000)
    monkeypatch.setattr(stream_module, "MEMORY_SEGMENT_BYTES", 1000)
    core = CoreHarness()
    queue = declared(core)
    for _ in range(100):
        core.publish("", "s", "x" * 500)
        assert queue.log.size <= 10_000 + 1000
    assert queue.ready_count > 10
    assert MEMORY_BYTES_MAX >= 64 * 1024 * 1024


def test_sizes() -> None:
    core = CoreHarness()
    queue = declared(core)
    assert queue.ready_sizes() == Sizes()
    core.publish("", "s", "x" * 1000)
    assert queue.ready_sizes() == Sizes(queue.log.size, queue.log.size)
    assert queue.in_memory_count == 1
    assert core.vhost.message_count() == 1


# --- looking


def test_looking_into_a_stream() -> None:
    core = CoreHarness()
    queue = declared(core)
    for each in range(10):
        core.publish("", "s", f"m{each}", f"n{each}")
    bodies = [message.body.decode() for message in ready_messages(queue)]
    assert bodies == [f"{letter}{each}" for each in range(10) for letter in "mn"]
    place, count = queue.leap(5)
    assert (place, count) == ((0, 4), 5)
    assert [each.message.body for each in queue.peek(2, place)] == [b"n2", b"m3"]
    assert queue.leap(100) == ((0, 19), 20)


# --- with a store


def test_nothing_is_confirmed_or_delivered_before_it_is_written() -> None:
    core = StoredHarness()
    queue = declared(core)
    core.flush()
    reading = Reading(core, FIRST)
    added = core.journal.added_count
    core.publish("", "s", "one")
    assert core.journal.added_count == added + 1
    assert (reading.got(), queue.ready_count) == ([], 0)
    core.take()
    core.publish("", "s", "two")
    assert reading.got() == []
    core.write()
    assert (reading.got(), queue.ready_count) == (["one"], 1)
    core.flush()
    assert reading.got() == ["two"]
    assert queue.in_memory_count == 0


def test_next_is_after_what_is_not_written_yet() -> None:
    core = StoredHarness()
    declared(core)
    core.publish("", "s", "before")
    reading = Reading(core, NEXT)
    core.publish("", "s", "after")
    core.flush()
    assert reading.got() == ["after"]


@pytest.mark.parametrize("is_clean", [True, False])
@pytest.mark.parametrize("profile", PROFILES)
def test_a_restart(is_clean: bool, profile: str) -> None:
    core = StoredHarness(profile)
    declared(core, stream_max_segment_size_bytes=200)
    core.queue("classic", durable=True)
    core.publish("", "classic", "c", persistent=True)
    for each in range(10):
        core.publish("", "s", f"m{each}")
        core.flush()
    core.publish("", "s", "perhaps")
    again = core.restart(is_clean=is_clean)
    queue = again.vhost.queues["s"]
    assert isinstance(queue, StreamQueue)
    expected = [f"m{each}" for each in range(10)] + (["perhaps"] if is_clean else [])
    assert Reading(again, FIRST).got() == expected
    assert (queue.ready_count, queue.message_stats()["publish"]) == (len(expected), 0)
    again.publish("", "s", "more")
    again.flush()
    assert queue.message_stats()["publish"] == 1
    assert Reading(again, number(-1)).offsets() == [len(expected)]
    assert again.ready("classic") == ["c"]
    assert Reading(again.restart(), LAST).got() == ["more"]


def test_a_deleted_stream_is_gone_and_its_name_free() -> None:
    core = StoredHarness()
    declared(core)
    core.publish("", "s", "old")
    core.flush()
    core.publish("", "s", "lost")
    core.delete_queue("s")
    declared(core)
    core.publish("", "s", "new")
    core.flush()
    reading = Reading(core, FIRST)
    assert (reading.got(), reading.offsets()) == (["new"], [0])
    assert len(core.store.segments._content) == 1  # noqa: SLF001 (nothing of the old one is left)
    assert Reading(core.restart(), FIRST).got() == ["new"]


def test_a_stream_that_was_never_used_costs_nothing() -> None:
    core = StoredHarness()
    declared(core)
    core.flush()
    assert not core.store.segments._content  # noqa: SLF001 (nothing is there)
    again = core.restart()
    assert Reading(again, FIRST).got() == []
    again.delete_queue("s")
    again.flush()


def test_retention_deletes_from_the_store() -> None:
    core = StoredHarness()
    queue = filled(core, 1, max_length_bytes=1000)
    core.flush()
    for each in range(20):
        core.publish("", "s", f"m{each}")
        core.flush()
    assert len(core.store.segments._content) == len(queue.log.segments) < 10  # noqa: SLF001 (no more are there)
    core.broker.administration.set_policy("/", "p", ".*", {"max-length-bytes": 300})
    core.settle()
    core.flush()
    assert len(core.store.segments._content) == len(queue.log.segments) < 3  # noqa: SLF001 (no more are there)
    assert core.restart().vhost.queues["s"].ready_count == len(queue.log.segments)


def test_what_must_be_fetched_from_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    core = StoredHarness()
    queue = declared(core)
    core.publish("", "s", *"abc")
    core.flush()
    read = core.store.segments.read
    monkeypatch.setattr(core.store.segments, "read", lambda *_, may_wait=False: read(*_) if may_wait else None)
    cold, other = Reading(core, FIRST), Reading(core, number(1))
    assert (cold.got(), other.got()) == ([], [])
    assert len(core.journal.cold[queue]) == 2
    assert [message.body for message in ready_messages(queue)] == [b"a", b"b", b"c"]
    monkeypatch.undo()
    core.publish("", "s", "d")
    core.flush()
    assert cold.got() == []
    core.journal.cold.clear()
    core.journal.fetched([queue])
    assert (cold.got(), other.got()) == (["a", "b", "c", "d"], ["b", "c", "d"])


def test_a_cold_reader_may_leave() -> None:
    core = StoredHarness()
    queue = declared(core)
    core.publish("", "s", "a")
    core.flush()
    core.store.segments.read = lambda *_, **__: None  # type: ignore[method-assign]
    reading = Reading(core, FIRST)
    core.cancel(reading.consumer)
    core.journal.fetched([queue])
    core.settle()
    core.delete_queue("s")
    assert queue not in core.journal.cold


def test_transactions() -> None:
    core = CoreHarness()
    queue = declared(core)
    message = Message(b"\0\x01s", b"\0\x3c" + bytes(12), b"m")
    assert queue.foresee(message) == "taken"
    assert queue.publish_all([message, message]) == ()
    core.settle()
    assert queue.ready_count == 2
    core.delete_queue("s")
    assert not queue.publish(message)
    core.settle()
    assert queue.message_stats()["publish"] == 2
