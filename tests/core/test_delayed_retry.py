"""Delayed retry: how long a message that came back is held."""

import pytest

from amqpy.core.consumer import ReturnWay
from amqpy.core.unacked import UnackedDeliveries
from tests.core.core_harness import CoreHarness, FakeTarget, arguments, longstr
from tests.core.invariants import check_invariants


def retrying(
    kind: str = "all",
    least: int = 100,
    most: int | None = 1000,
    *,
    profile: str = "rabbitmq-4.3",
    **options: int | str | bool,
) -> CoreHarness:
    core = CoreHarness(profile)
    core.queue("dead", durable=True)
    said: dict[str, int | str | bool] = {
        "queue_type": "quorum",
        "delayed_retry_type": kind,
        "delayed_retry_min": least,
        "dead_letter_exchange": "",
        "dead_letter_routing_key": "dead",
        "delivery_limit": 100,
    }
    if most is not None:
        said["delayed_retry_max"] = most
    core.queue("q", durable=True, arguments=arguments(**(said | options)))
    return core


def delay_of(core: CoreHarness, unacked: UnackedDeliveries, way: ReturnWay) -> int:
    """How long the first message is held when it comes back."""
    assert core.get("q", unacked) is not None
    core.nack(unacked, 0, multiple=True, way=way)
    if core.ready("q"):
        return 0
    began_ms, due_ms = core.now_ms, core.broker.next_at_ms()
    assert due_ms is not None
    core.advance(due_ms - began_ms - 1)
    assert core.ready("q") == []
    core.advance(1)
    assert core.ready("q") == ["m"]
    return due_ms - began_ms


@pytest.mark.parametrize(
    ("way", "delays"),
    [
        ("reject", [100, 200, 300, 400, 500, 500, 500]),
        ("down", [100, 200, 300, 400, 500, 500, 500]),
        ("nack", [100] * 7),
        ("recover", [100] * 7),
    ],
)
def test_the_more_often_it_failed_the_longer_it_waits(way: ReturnWay, delays: list[int]) -> None:
    core, unacked = retrying(most=500), UnackedDeliveries()
    core.publish("", "q", "m")
    assert [delay_of(core, unacked, way) for _ in delays] == delays
    check_invariants(core.broker, [unacked])


@pytest.mark.parametrize(
    ("kind", "failed", "returned"), [("all", 100, 100), ("failed", 100, 0), ("returned", 0, 100), ("disabled", 0, 0)]
)
def test_after_what_it_waits(kind: str, failed: int, returned: int) -> None:
    delays: dict[ReturnWay, int] = {"reject": failed, "down": failed, "nack": returned, "recover": returned}
    for way, delay in delays.items():
        core, unacked = retrying(kind), UnackedDeliveries()
        core.publish("", "q", "m")
        assert delay_of(core, unacked, way) == delay


@pytest.mark.parametrize(
    ("least", "most", "delays"), [(0, 500, [0, 0]), (100, None, [100, 100]), (100, 50, [100, 100])]
)
def test_odd_bounds(least: int, most: int | None, delays: list[int]) -> None:
    core, unacked = retrying(least=least, most=most), UnackedDeliveries()
    core.publish("", "q", "m")
    assert [delay_of(core, unacked, "reject") for _ in delays] == delays


@pytest.mark.parametrize(("profile", "delays"), [("rabbitmq-4.0", [0, 0, 0]), ("rabbitmq-4.3", [100, 100, 100])])
def test_a_nack_without_a_limit(profile: str, delays: list[int]) -> None:
    """With 4.0 the message goes to the end of the queue at once; 4.3 has it wait."""
    core, unacked = retrying(profile=profile, delivery_limit=-1), UnackedDeliveries()
    core.publish("", "q", "m")
    assert [delay_of(core, unacked, way) for way in ("nack", "recover", "reject")] == delays


def test_those_that_are_due_stand_first_in_the_order_of_their_time() -> None:
    core, unacked = retrying(), UnackedDeliveries()
    core.publish("", "q", *"abcd")
    for _ in "abc":
        core.get("q", unacked)
    for tag in (2, 3, 1):
        core.nack(unacked, tag, way="reject")
        core.advance(10)
    assert core.ready("q") == ["d"]
    core.advance(70)
    assert core.ready("q") == ["b", "d"]
    core.advance(1000)
    assert core.ready("q") == ["b", "c", "a", "d"]
    check_invariants(core.broker, [unacked])


def test_a_waiting_consumer_gets_it_when_it_is_due() -> None:
    core, unacked, target = retrying(), UnackedDeliveries(), FakeTarget()
    core.consume("q", unacked, target)
    core.publish("", "q", "m")
    core.nack(unacked, 1, way="reject")
    assert target.bodies == ["m"]
    core.advance(100)
    assert target.bodies == ["m", "m"]


def test_over_the_limit_it_dies_at_once() -> None:
    core, unacked = retrying(delivery_limit=0), UnackedDeliveries()
    core.publish("", "q", "m")
    core.get("q", unacked)
    core.nack(unacked, 1, way="reject")
    assert core.ready("dead") == ["m"]
    assert core.broker.next_at_ms() is None


def test_nobody_looks_at_its_time_to_live_while_it_is_held() -> None:
    core, unacked = retrying(message_ttl=50), UnackedDeliveries()
    core.publish("", "q", "m")
    core.get("q", unacked)
    core.nack(unacked, 1, way="reject")
    core.advance(99)
    assert core.ready("dead") == []
    core.advance(1)
    assert core.ready("dead") == ["m"]


def test_what_is_held_is_not_ready_but_purged() -> None:
    core, unacked = retrying(), UnackedDeliveries()
    core.publish("", "q", "a", "b")
    core.get("q", unacked)
    core.nack(unacked, 1, way="reject")
    assert core.broker.topology.stat(core.vhost.queues["q"])[0] == 1
    assert core.broker.topology.purge_queue(core.client, core.vhost, "q") == 2
    core.advance(1000)
    assert core.ready("q") == []
    check_invariants(core.broker, [unacked])


def test_a_deleted_queue_holds_nothing() -> None:
    core, unacked = retrying(), UnackedDeliveries()
    core.publish("", "q", "a")
    core.get("q", unacked)
    core.nack(unacked, 1, way="reject")
    core.delete_queue("q")
    assert core.broker.next_at_ms() is None
    check_invariants(core.broker, [unacked])


def test_what_is_held_counts_towards_the_limit() -> None:
    core, unacked = retrying(max_length=2), UnackedDeliveries()
    core.publish("", "q", "a", "b")
    core.get("q", unacked)
    core.nack(unacked, 1, way="reject")
    core.publish("", "q", "c")
    assert (core.ready("q"), core.ready("dead")) == (["c"], ["b"])


def test_a_purge_takes_what_is_held_and_forgets_it() -> None:
    """What deduplicates may come again."""
    core, unacked = retrying(message_deduplication=True), UnackedDeliveries()
    for _ in range(2):
        core.publish("", "q", "m", headers={"x-deduplication-header": longstr("same")})
        assert core.get("q", unacked) is not None
        core.nack(unacked, 0, multiple=True)
        assert core.ready("q") == []
        assert core.broker.topology.purge_queue(core.client, core.vhost, "q") == 1
        check_invariants(core.broker, [unacked])


def test_letters_that_were_not_sent_go_with_their_queue() -> None:
    core, unacked = retrying(dead_letter_strategy="at-least-once", overflow="reject-publish"), UnackedDeliveries()
    core.delete_queue("dead")
    core.publish("", "q", "m")
    core.get("q", unacked)
    core.nack(unacked, 1, requeue=False)
    assert core.broker.next_at_ms() is not None
    core.delete_queue("q")
    assert core.broker.next_at_ms() is None
