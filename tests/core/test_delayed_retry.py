"""Delayed retry: how long a message that came back is held."""

import pytest

from amqpy.core.consumer import ReturnWay
from amqpy.core.unacked import UnackedDeliveries
from tests.core.core_harness import FakeTarget, World, arguments, longstr
from tests.core.invariants import check_invariants


def retrying(
    kind: str = "all",
    least: int = 100,
    most: int | None = 1000,
    *,
    profile: str = "rabbitmq-4.3",
    **options: int | str | bool,
) -> World:
    world = World(profile)
    world.queue("dead", durable=True)
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
    world.queue("q", durable=True, arguments=arguments(**(said | options)))
    return world


def delay_of(world: World, unacked: UnackedDeliveries, way: ReturnWay) -> int:
    """How long the first message is held when it comes back."""
    assert world.get("q", unacked) is not None
    world.nack(unacked, 0, multiple=True, way=way)
    if world.ready("q"):
        return 0
    began_ms, due_ms = world.now_ms, world.broker.next_at_ms()
    assert due_ms is not None
    world.advance(due_ms - began_ms - 1)
    assert world.ready("q") == []
    world.advance(1)
    assert world.ready("q") == ["m"]
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
    world, unacked = retrying(most=500), UnackedDeliveries()
    world.publish("", "q", "m")
    assert [delay_of(world, unacked, way) for _ in delays] == delays
    check_invariants(world.broker, [unacked])


@pytest.mark.parametrize(
    ("kind", "failed", "returned"), [("all", 100, 100), ("failed", 100, 0), ("returned", 0, 100), ("disabled", 0, 0)]
)
def test_after_what_it_waits(kind: str, failed: int, returned: int) -> None:
    delays: dict[ReturnWay, int] = {"reject": failed, "down": failed, "nack": returned, "recover": returned}
    for way, delay in delays.items():
        world, unacked = retrying(kind), UnackedDeliveries()
        world.publish("", "q", "m")
        assert delay_of(world, unacked, way) == delay


@pytest.mark.parametrize(
    ("least", "most", "delays"), [(0, 500, [0, 0]), (100, None, [100, 100]), (100, 50, [100, 100])]
)
def test_odd_bounds(least: int, most: int | None, delays: list[int]) -> None:
    world, unacked = retrying(least=least, most=most), UnackedDeliveries()
    world.publish("", "q", "m")
    assert [delay_of(world, unacked, "reject") for _ in delays] == delays


@pytest.mark.parametrize(("profile", "delays"), [("rabbitmq-4.0", [0, 0, 0]), ("rabbitmq-4.3", [100, 100, 100])])
def test_a_nack_without_a_limit(profile: str, delays: list[int]) -> None:
    """With 4.0 the message goes to the end of the queue at once; 4.3 has it wait."""
    world, unacked = retrying(profile=profile, delivery_limit=-1), UnackedDeliveries()
    world.publish("", "q", "m")
    assert [delay_of(world, unacked, way) for way in ("nack", "recover", "reject")] == delays


def test_those_that_are_due_stand_first_in_the_order_of_their_time() -> None:
    world, unacked = retrying(), UnackedDeliveries()
    world.publish("", "q", *"abcd")
    for _ in "abc":
        world.get("q", unacked)
    for tag in (2, 3, 1):
        world.nack(unacked, tag, way="reject")
        world.advance(10)
    assert world.ready("q") == ["d"]
    world.advance(70)
    assert world.ready("q") == ["b", "d"]
    world.advance(1000)
    assert world.ready("q") == ["b", "c", "a", "d"]
    check_invariants(world.broker, [unacked])


def test_a_waiting_consumer_gets_it_when_it_is_due() -> None:
    world, unacked, target = retrying(), UnackedDeliveries(), FakeTarget()
    world.consume("q", unacked, target)
    world.publish("", "q", "m")
    world.nack(unacked, 1, way="reject")
    assert target.bodies == ["m"]
    world.advance(100)
    assert target.bodies == ["m", "m"]


def test_over_the_limit_it_dies_at_once() -> None:
    world, unacked = retrying(delivery_limit=0), UnackedDeliveries()
    world.publish("", "q", "m")
    world.get("q", unacked)
    world.nack(unacked, 1, way="reject")
    assert world.ready("dead") == ["m"]
    assert world.broker.next_at_ms() is None


def test_nobody_looks_at_its_time_to_live_while_it_is_held() -> None:
    world, unacked = retrying(message_ttl=50), UnackedDeliveries()
    world.publish("", "q", "m")
    world.get("q", unacked)
    world.nack(unacked, 1, way="reject")
    world.advance(99)
    assert world.ready("dead") == []
    world.advance(1)
    assert world.ready("dead") == ["m"]


def test_what_is_held_is_not_ready_but_purged() -> None:
    world, unacked = retrying(), UnackedDeliveries()
    world.publish("", "q", "a", "b")
    world.get("q", unacked)
    world.nack(unacked, 1, way="reject")
    assert world.broker.topology.stat(world.vhost.queues["q"])[0] == 1
    assert world.broker.topology.purge_queue(world.client, world.vhost, "q") == 2
    world.advance(1000)
    assert world.ready("q") == []
    check_invariants(world.broker, [unacked])


def test_a_deleted_queue_holds_nothing() -> None:
    world, unacked = retrying(), UnackedDeliveries()
    world.publish("", "q", "a")
    world.get("q", unacked)
    world.nack(unacked, 1, way="reject")
    world.delete_queue("q")
    assert world.broker.next_at_ms() is None
    check_invariants(world.broker, [unacked])


def test_what_is_held_counts_towards_the_limit() -> None:
    world, unacked = retrying(max_length=2), UnackedDeliveries()
    world.publish("", "q", "a", "b")
    world.get("q", unacked)
    world.nack(unacked, 1, way="reject")
    world.publish("", "q", "c")
    assert (world.ready("q"), world.ready("dead")) == (["c"], ["b"])


def test_a_purge_takes_what_is_held_and_forgets_it() -> None:
    """What deduplicates may come again."""
    world, unacked = retrying(message_deduplication=True), UnackedDeliveries()
    for _ in range(2):
        world.publish("", "q", "m", headers={"x-deduplication-header": longstr("same")})
        assert world.get("q", unacked) is not None
        world.nack(unacked, 0, multiple=True)
        assert world.ready("q") == []
        assert world.broker.topology.purge_queue(world.client, world.vhost, "q") == 1
        check_invariants(world.broker, [unacked])


def test_letters_that_were_not_sent_go_with_their_queue() -> None:
    world, unacked = retrying(dead_letter_strategy="at-least-once", overflow="reject-publish"), UnackedDeliveries()
    world.delete_queue("dead")
    world.publish("", "q", "m")
    world.get("q", unacked)
    world.nack(unacked, 1, requeue=False)
    assert world.broker.next_at_ms() is not None
    world.delete_queue("q")
    assert world.broker.next_at_ms() is None
