"""What a consumer gets whose client reads slowly: credit decides, bytes only where it makes no difference."""

import pytest

from amqpy.core.broker import READ_UNIT
from amqpy.core.consumer import UNSENT_MAX
from amqpy.core.message import Message
from amqpy.core.queues.queue import READ_MAX
from amqpy.core.resources import UNSENT_MIN, UNSENT_SHARE
from amqpy.core.unacked import UnackedDeliveries
from amqpy.wire.outbox import HIGH, LIMIT
from tests.core.core_harness import CoreHarness, FakeTarget, arguments
from tests.core.stored_harness import StoredHarness

GB = 10**9


class SlowRecipient(FakeTarget):
    """A client that takes what it is sent when the test says so. Messages count as large ones: after the first, much
    waits."""

    def deliver(self, tag: int, redelivered: bool, message: Message) -> None:
        super().deliver(tag, redelivered, message)
        self.outbox.size += HIGH

    def read(self, count: int = 1) -> None:
        """Takes so many messages."""
        self.outbox.sent(count * HIGH)


@pytest.fixture(autouse=True)
def _all_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("amqpy.core.queues.classic.RUN_BYTES", 0)


@pytest.fixture
def core() -> CoreHarness:
    core = CoreHarness()
    core.queue("q")
    return core


def numbered(count: int) -> list[str]:
    return [str(number) for number in range(count)]


def resume(core: CoreHarness, *channels_unacked: UnackedDeliveries) -> None:
    """What a session does when its client has read."""
    for unacked in channels_unacked:
        for consumer in unacked.consumers:
            consumer.resume()
    core.broker.settle()


def test_a_prefetch_is_used_up_however_large_the_messages_are(core: CoreHarness) -> None:
    target = SlowRecipient()
    core.consume("q", UnackedDeliveries(), target, prefetch=10)
    core.publish("", "q", *numbered(12))
    assert target.bodies == numbered(10)


def test_a_prefetch_of_the_whole_channel_is_a_promise_too(core: CoreHarness) -> None:
    target, unacked = SlowRecipient(), UnackedDeliveries()
    unacked.set_limit(10)
    core.consume("q", unacked, target)
    core.publish("", "q", *numbered(12))
    assert target.bodies == numbered(10)


@pytest.mark.parametrize("no_ack", [True, False])
def test_a_lone_consumer_without_a_prefetch_is_held_back(core: CoreHarness, no_ack: bool) -> None:
    target, unacked = SlowRecipient(), UnackedDeliveries()
    core.consume("q", unacked, target, no_ack=no_ack)
    core.publish("", "q", *numbered(3))
    assert target.bodies == numbered(1)
    target.read()
    resume(core, unacked)
    assert target.bodies == numbered(2)


LOSSY: list[dict[str, int | str]] = [
    {"max_length": 1},
    {"max_length_bytes": 1},
    {"message_ttl": 0},
    {"max_length": 1, "overflow": "reject-publish"},
]


@pytest.mark.parametrize("given", LOSSY)
@pytest.mark.parametrize("prefetch", [0, 10])
@pytest.mark.parametrize("kind", ["classic", "quorum"])
def test_nobody_in_line_loses_a_message_to_a_limit(given: dict[str, int | str], prefetch: int, kind: str) -> None:
    core, target = CoreHarness(), SlowRecipient()
    core.queue("q", durable=True, arguments=arguments(queue_type=kind, **given))
    core.consume("q", UnackedDeliveries(), target, prefetch=prefetch)
    for body in numbered(10):
        assert core.publish("", "q", body) == []
    assert target.bodies == numbered(10)


def test_nor_to_a_limit_that_comes_later(core: CoreHarness) -> None:
    target = SlowRecipient()
    core.consume("q", UnackedDeliveries(), target)
    core.publish("", "q", *numbered(3))
    core.broker.administration.set_policy("/", "limit", ".*", {"max-length": 1})
    core.broker.settle()
    assert target.bodies == numbered(3)


def test_nor_to_its_own_time_to_live(core: CoreHarness) -> None:
    target = SlowRecipient()
    core.consume("q", UnackedDeliveries(), target, no_ack=True)
    for body in numbered(10):
        core.publish("", "q", body, expiration=0)
    assert target.bodies == numbered(10)
    core.publish("", "q", "behind", expiration=0)
    assert target.bodies[10:] == ["behind"]


def test_what_expires_behind_what_was_held_back_comes_with_it(core: CoreHarness) -> None:
    target = SlowRecipient()
    core.consume("q", UnackedDeliveries(), target, no_ack=True)
    core.publish("", "q", *numbered(3))
    core.publish("", "q", "last", expiration=0)
    assert target.bodies == [*numbered(3), "last"]


@pytest.mark.parametrize("prefetch", [0, 10])
@pytest.mark.parametrize("kind", ["classic", "quorum"])
def test_a_slow_client_keeps_its_priority(prefetch: int, kind: str) -> None:
    core, first, second = CoreHarness(), SlowRecipient(), SlowRecipient()
    core.queue("q", durable=True, arguments=arguments(queue_type=kind))
    core.consume("q", UnackedDeliveries(), first, priority=10, prefetch=prefetch)
    core.consume("q", UnackedDeliveries(), second, priority=0, prefetch=prefetch)
    core.publish("", "q", *numbered(10))
    assert (len(first.got), len(second.got)) == (10, 0)


def test_equals_take_turns_however_slow_one_is(core: CoreHarness) -> None:
    slow, quick = SlowRecipient(), FakeTarget()
    for target in (slow, quick):
        core.consume("q", UnackedDeliveries(), target, no_ack=True)
    core.publish("", "q", *numbered(10))
    assert (slow.bodies, quick.bodies) == (numbered(10)[::2], numbered(10)[1::2])


@pytest.mark.parametrize("kind", ["classic", "quorum"])
def test_the_active_one_of_several_stays_the_one(kind: str) -> None:
    core, active, other = CoreHarness(), SlowRecipient(), SlowRecipient()
    core.queue("q", durable=True, arguments=arguments(queue_type=kind, single_active_consumer=True))
    for target in (active, other):
        core.consume("q", UnackedDeliveries(), target)
    core.publish("", "q", *numbered(10))
    assert (active.bodies, other.bodies) == (numbered(10), [])


@pytest.mark.parametrize("kind", ["classic", "quorum"])
def test_so_many_wait_at_most(kind: str) -> None:
    """Beside those that came before much waited. As some leave, as many more come."""
    core, target, unacked = CoreHarness(), SlowRecipient(), UnackedDeliveries()
    core.broker.resources.unsent_limit.size = 1 << 40
    core.queue("q", durable=True, arguments=arguments(queue_type=kind))
    core.consume("q", unacked, target, prefetch=1000)
    target.outbox.size = HIGH
    core.publish("", "q", *numbered(UNSENT_MAX + 50))
    assert len(target.got) == UNSENT_MAX
    target.read(21)
    resume(core, unacked)
    assert UNSENT_MAX + 20 <= len(target.got) <= UNSENT_MAX + 21


def test_one_that_has_all_it_may_have_is_passed_over(core: CoreHarness) -> None:
    slow, other = SlowRecipient(), FakeTarget()
    slow.outbox.limit.size = 3 * HIGH
    core.consume("q", UnackedDeliveries(), slow, priority=1, prefetch=10)
    core.consume("q", UnackedDeliveries(), other, prefetch=10)
    core.publish("", "q", *numbered(5))
    assert (len(slow.got), len(other.got)) == (3, 2)


# --- the share of one client


@pytest.mark.parametrize(
    ("watermark", "total", "share"),
    [("0.4", 10 * GB, 4 * GB // UNSENT_SHARE), ("800MB", 10 * GB, 200 * 10**6), ("1MB", 10 * GB, UNSENT_MIN)],
)
def test_the_share_is_a_part_of_the_memory_that_may_be_used(watermark: str, total: int, share: int) -> None:
    resources = CoreHarness(memory_high_watermark=watermark).broker.resources
    assert resources.unsent_limit.size == LIMIT
    resources.note_memory(0, total)
    assert resources.unsent_limit.size == share


def test_while_memory_is_short_next_to_nothing_may_wait(core: CoreHarness) -> None:
    resources = core.broker.resources
    resources.note_memory(9 * GB, 10 * GB)
    assert resources.unsent_limit.size == UNSENT_MIN
    resources.note_memory(GB, 10 * GB)
    assert resources.unsent_limit.size == 4 * GB // UNSENT_SHARE


# --- much to be read from the store


def backlog(**given: int | str) -> StoredHarness:
    """Ten messages of which most are on disk only, and more than is read in one go."""
    core = StoredHarness()
    core.queue("q", durable=True, arguments=arguments(**given))
    for number in range(10):
        core.publish("", "q", str(number) * (READ_MAX // 4), persistent=True)
        core.flush()
    return core


@pytest.mark.parametrize("given", [{}, {"message_ttl": 1000}, {"queue_type": "quorum"}])
def test_a_large_backlog_is_handed_out_in_several_turns(given: dict[str, int | str]) -> None:
    core, target = backlog(**given), FakeTarget()
    core.consume("q", UnackedDeliveries(), target, prefetch=20)
    first = len(target.got)
    assert 0 < first < 10
    assert core.broker.next_at_ms() == core.now_ms
    core.broker.settle()
    assert len(target.got) == first, "it is the same turn"
    core.broker.advance(core.now_ms)
    core.broker.advance(core.now_ms)
    assert [body[0] for body in target.bodies] == [*"0123456789"]
    assert core.broker.next_at_ms() is None


def test_what_is_still_to_be_handed_out_does_not_count_towards_a_limit() -> None:
    core, target = backlog(max_length=10), FakeTarget()
    core.consume("q", UnackedDeliveries(), target, prefetch=30)
    assert len(target.got) < 10
    core.publish("", "q", *numbered(10))
    assert [body[0] for body in target.bodies] == [*"0123456789"] * 2


def test_a_queue_may_be_deleted_in_between() -> None:
    core, target = backlog(), FakeTarget()
    core.consume("q", UnackedDeliveries(), target, prefetch=20)
    before = len(target.got)
    core.delete_queue("q")
    assert not core.broker.scheduler.queues_to_drain_further
    core.broker.advance(core.now_ms)
    assert len(target.got) == before
    assert target.cancellations == 1


def test_what_basic_get_reads_counts_as_work() -> None:
    """Else thousands of them could be sent at once, and others would have to wait."""
    core, jobs = backlog(), []
    for _ in range(10):
        core.broker.scheduler.jobs.begin_turn()
        core.broker.get(core.client, core.vhost, "q", UnackedDeliveries(), no_ack=True)
        jobs.append(core.broker.scheduler.jobs.spent)
    assert jobs[0] == 0, "it was in memory"
    assert max(jobs) == READ_MAX // 4 // READ_UNIT
