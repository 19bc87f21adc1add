"""Exchanges that give each message to one destination: x-consistent-hash, x-modulus-hash, x-random, x-local-random."""

import math
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amqpy.errors import PreconditionFailed
from amqpy.wire.values import Field, Table
from tests.core.core_harness import FakeClient, World, content_header, longstr, properties_header

QUEUES = [f"q{number}" for number in range(8)]
KEYS = [f"key {number}" for number in range(1000)]


def world_with(kind: str, arguments: Table | None = None, bound: dict[str, str] | None = None) -> World:
    world = World()
    world.exchange("x", kind, arguments=arguments)
    for name in QUEUES:
        world.queue(name)
    for name, key in (bound or {}).items():
        world.bind(name, "x", key)
    return world


def owners(world: World) -> dict[str, str]:
    """The one queue of each key."""
    return {key: only(world.routed("x", key)) for key in KEYS}


def only(names: set[str]) -> str:
    (name,) = names
    return name


# --- x-consistent-hash


@settings(max_examples=20)
@given(st.dictionaries(st.sampled_from(QUEUES), st.integers(1, 20), min_size=1))
def test_keys_are_spread_by_weight(weights: dict[str, int]) -> None:
    world = world_with("x-consistent-hash", bound={name: str(weight) for name, weight in weights.items()})
    counts = Counter(owners(world).values())
    for name, weight in weights.items():
        share = weight / sum(weights.values())
        # Six standard deviations of as many independent draws.
        tolerance = 6 * math.sqrt(len(KEYS) * share * (1 - share))
        assert abs(counts[name] - len(KEYS) * share) <= tolerance


@settings(max_examples=20)
@given(st.lists(st.tuples(st.sampled_from(QUEUES), st.integers(1, 9)), min_size=2, max_size=8))
def test_keys_stay_put_when_others_come_and_go(steps: list[tuple[str, int]]) -> None:
    world = world_with("x-consistent-hash", bound={"q0": "5"})
    bound = {"q0": 5}
    before = owners(world)
    for name, weight in steps:
        if name in bound:
            world.unbind(name, "x", str(bound.pop(name)))
        else:
            world.bind(name, "x", str(weight))
            bound[name] = weight
        if not bound:
            assert world.routed("x", KEYS[0]) == set()
            return
        after = owners(world)
        assert all(name in {before[key], after[key]} for key in KEYS if before[key] != after[key])
        before = after


def test_buckets_are_the_same_in_every_broker_and_in_every_order() -> None:
    names = dict.fromkeys(QUEUES, "3")
    backwards = dict(reversed(names.items()))
    assert owners(world_with("x-consistent-hash", bound=names)) == owners(
        world_with("x-consistent-hash", bound=backwards)
    )
    # Another answer would move keys when a broker is replaced by a newer one.
    assert owners(world_with("x-consistent-hash", bound=names))["key 0"] == "q5"


def test_the_first_binding_of_a_queue_counts() -> None:
    one_each = owners(world_with("x-consistent-hash", bound={"q1": "1", "q2": "1"}))
    world = world_with("x-consistent-hash", bound={"q1": "1", "q2": "1"})
    world.bind("q1", "x", "999")
    assert owners(world) == one_each


@pytest.mark.parametrize("arguments", [None, {"x-hash-on": longstr("c")}])
def test_removing_a_binding_that_does_not_count_changes_nothing(arguments: Table | None) -> None:
    world = world_with("x-consistent-hash", bound={"q1": "1", "q2": "1"})
    before = owners(world)
    world.bind("q1", "x", "1" if arguments else "999", arguments)
    world.unbind("q1", "x", "1" if arguments else "999", arguments)
    assert owners(world) == before


def test_the_next_binding_counts_when_the_first_is_removed() -> None:
    """RabbitMQ takes the queue away then, although it is still bound, and its messages are lost."""
    world = world_with("x-consistent-hash", bound={"q1": "3", "q2": "3"})
    for weight in ("9", "1"):
        world.bind("q1", "x", weight)
    world.unbind("q1", "x", "3")
    assert owners(world) == owners(world_with("x-consistent-hash", bound={"q1": "9", "q2": "3"}))
    world.bind("q1", "x", "3")
    world.unbind("q1", "x", "9")
    assert owners(world) == owners(world_with("x-consistent-hash", bound={"q1": "1", "q2": "3"}))
    world.unbind("q1", "x", "1")
    assert owners(world) == owners(world_with("x-consistent-hash", bound={"q1": "3", "q2": "3"}))
    world.unbind("q1", "x", "3")
    assert set(owners(world).values()) == {"q2"}
    world.bind("q1", "x", "1")
    assert set(owners(world).values()) == {"q1", "q2"}


@settings(max_examples=10)
@given(st.lists(st.tuples(st.sampled_from(QUEUES[:3]), st.integers(1, 4)), min_size=2, max_size=8))
def test_keys_move_only_to_or_from_the_queue_whose_weight_changes(steps: list[tuple[str, int]]) -> None:
    world = world_with("x-consistent-hash", bound={"q7": "2"})
    bound: dict[str, list[int]] = {}
    before = owners(world)
    for name, weight in steps:
        weights = bound.setdefault(name, [])
        counted = weights[:1]
        if weight in weights:
            world.unbind(name, "x", str(weight))
            weights.remove(weight)
        else:
            world.bind(name, "x", str(weight))
            weights.append(weight)
        after = owners(world)
        moved = [(before[key], after[key]) for key in KEYS if before[key] != after[key]]
        if weights[:1] == counted:
            assert not moved
        elif (weights or [0]) > (counted or [0]):
            assert {new for _, new in moved} <= {name}
        else:
            assert {old for old, _ in moved} <= {name}
        assert set(after.values()) <= {"q7", *(each for each, its in bound.items() if its)}
        before = after


def test_a_queue_that_is_deleted_goes_with_all_its_bindings() -> None:
    world = world_with("x-consistent-hash", bound={"q1": "1", "q2": "1"})
    world.bind("q1", "x", "2")
    world.delete_queue("q1")
    assert set(owners(world).values()) == {"q2"}
    world.queue("q1")
    assert set(owners(world).values()) == {"q2"}
    world.bind("q1", "x", "2")
    assert owners(world) == owners(world_with("x-consistent-hash", bound={"q1": "2", "q2": "1"}))


def test_an_exchange_that_is_bound_twice_stays_when_it_is_unbound_once() -> None:
    world = world_with("x-consistent-hash", bound={"q1": "1"})
    world.exchange("next", "fanout")
    world.bind("q2", "next")
    for weight in ("1", "5"):
        world.bind_exchange("next", "x", weight)
    world.unbind_exchange("next", "x", "1")
    assert owners(world) != dict.fromkeys(KEYS, "q1")
    world.unbind_exchange("next", "x", "5")
    assert owners(world) == dict.fromkeys(KEYS, "q1")


def test_a_policy_moves_nothing() -> None:
    world = world_with("x-consistent-hash", bound=dict.fromkeys(QUEUES, "2"))
    world.bind("q1", "x", "9")
    before = owners(world)
    world.broker.administration.set_policy("/", "p", "^x$", {"alternate-exchange": "amq.fanout"})
    assert owners(world) == before


@pytest.mark.parametrize("kind", ["x-random", "x-modulus-hash"])
def test_of_two_bindings_one_goes_and_the_other_is_left(kind: str) -> None:
    world = world_with(kind, bound={"q1": "a"})
    world.bind("q1", "x", "b")
    world.unbind("q1", "x", "a")
    assert set(owners(world).values()) == {"q1"}
    world.unbind("q1", "x", "b")
    assert world.routed("x", "k") == set()


def test_an_exchange_can_be_a_destination() -> None:
    world = world_with("x-consistent-hash", bound={"q1": "1"})
    world.exchange("next", "fanout")
    world.bind("q2", "next")
    world.bind_exchange("next", "x", "1")
    assert set(owners(world).values()) == {"q1", "q2"}


@pytest.mark.parametrize(
    ("arguments", "header_of"),
    [
        ({"hash-header": longstr("h")}, lambda value: content_header({"h": longstr(value)})),
        ({"hash-property": longstr("message_id")}, lambda value: properties_header(message_id=value)),
        ({"hash-property": longstr("correlation_id")}, lambda value: properties_header(correlation_id=value)),
    ],
)
def test_what_is_hashed(arguments: Table, header_of: Callable[[str], bytes]) -> None:
    world = world_with("x-consistent-hash", arguments, bound=dict.fromkeys(QUEUES, "1"))

    def owner(key: str, header: bytes) -> object:
        (queue,) = world.send("x", (key,), header)
        return queue

    for value in ("a", "b", "c"):
        assert len({owner(key, header_of(value)) for key in KEYS[:50]}) == 1, "the routing key does not count"
    assert len({owner("", header_of(value)) for value in KEYS}) == len(QUEUES)
    without = {owner(key, header) for key in KEYS[:50] for header in (content_header(), properties_header(app_id="a"))}
    assert len(without) == 1, "those without it stay together"


def test_timestamps_are_hashed() -> None:
    world = world_with("x-consistent-hash", {"hash-property": longstr("timestamp")}, bound=dict.fromkeys(QUEUES, "1"))
    flagged = [b"\x00\x3c" + bytes(10) + b"\x00\x40" + second.to_bytes(8, "big") for second in range(200)]
    assert len({queue for header in flagged for queue in world.send("x", ("k",), header)}) == len(QUEUES)


def test_numbers_in_headers_are_the_same_whatever_their_width() -> None:
    world = world_with("x-consistent-hash", {"hash-header": longstr("h")}, bound=dict.fromkeys(QUEUES, "1"))
    for number in range(20):
        kinds = ("byte", "unsignedshort", "signedint", "long")
        assert len({only(world.routed("x", "", {"h": Field(kind, number)})) for kind in kinds}) == 1


def test_routes_by_routing_key_are_remembered() -> None:
    assert world_with("x-consistent-hash", bound={"q1": "1"}).route("x", "k").targets is not None
    hashing_headers = world_with("x-consistent-hash", {"hash-header": longstr("h")}, bound={"q1": "1"})
    assert hashing_headers.route("x", "k").targets is None


@pytest.mark.parametrize("key", ["1", "10", "+3", "007", "9" * 255])
def test_weights(key: str) -> None:
    world = world_with("x-consistent-hash", bound={"q1": key})
    assert world.routed("x", "k") == {"q1"}


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("0", "The binding key must be greater than 0"),
        ("-1", "The binding key must be greater than 0"),
        ("", "The binding key must be an integer: <<>>"),
        ("x", 'The binding key must be an integer: <<"x">>'),
        (" 1", 'The binding key must be an integer: <<" 1">>'),
        ("1.5", 'The binding key must be an integer: <<"1.5">>'),
        ("1_0", 'The binding key must be an integer: <<"1_0">>'),
        ("١", 'The binding key must be an integer: <<"١">>'),  # noqa: RUF001 (an Arabic digit)
        ("\udce9", 'The binding key must be an integer: <<"é">>'),
    ],
)
def test_what_is_no_weight(key: str, text: str) -> None:
    world = world_with("x-consistent-hash")
    world.queue("theirs", client=FakeClient(), exclusive=True)
    before = world.snapshot()
    for bind in (world.bind, world.bind_exchange):
        # The binding is judged before the owner of the queue is.
        with pytest.raises(PreconditionFailed) as caught:
            bind("theirs" if bind == world.bind else "x", "x", key)
        assert caught.value.text == text
    assert world.snapshot() == before


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"hash-property": longstr("app_id")}, "Unsupported property: app_id"),
        (
            {"hash-property": longstr("app_id"), "hash-header": longstr("h")},
            "hash-header and hash-property are mutually exclusive",
        ),
        ({"hash-header": Field("byte", 1)}, "invalid type 'byte' for arg 'hash-header'"),
        ({"hash-property": Field("void", None)}, "invalid type 'void' for arg 'hash-property'"),
    ],
)
def test_what_cannot_be_hashed(arguments: Table, text: str) -> None:
    world = World()
    with pytest.raises(PreconditionFailed) as caught:
        world.exchange("x", "x-consistent-hash", arguments=arguments)
    assert caught.value.text == text
    assert "x" not in world.vhost.exchanges


# --- x-modulus-hash


def test_modulus_hash_uses_every_binding_in_any_order() -> None:
    forwards = world_with("x-modulus-hash", bound=dict.fromkeys(QUEUES, "a"))
    backwards = world_with("x-modulus-hash", bound=dict.fromkeys(reversed(QUEUES), "b"))
    counts = Counter(owners(forwards).values())
    share = 1 / len(QUEUES)
    tolerance = 6 * math.sqrt(len(KEYS) * share * (1 - share))
    assert all(abs(counts[name] - len(KEYS) * share) <= tolerance for name in QUEUES)
    assert owners(forwards) == owners(backwards)
    assert forwards.route("x", "k").targets is not None


# --- x-random and x-local-random


@pytest.mark.parametrize("kind", ["x-random", "x-local-random"])
def test_each_message_is_drawn_for(kind: str) -> None:
    world = world_with(kind, bound=dict.fromkeys(QUEUES, ""))
    drawn = []

    def choose(count: int) -> int:
        drawn.append(count)
        return len(drawn) % count

    world.vhost.choose = choose
    got = [only(world.routed("x", "same key")) for _ in range(2 * len(QUEUES))]
    assert got == [*QUEUES[1:], *QUEUES, QUEUES[0]]
    assert set(drawn) == {len(QUEUES)}
    for name in QUEUES[1:]:
        world.unbind(name, "x")
    assert world.routed("x", "same key") == {"q0"}
    world.unbind("q0", "x")
    assert world.routed("x", "same key") == set()


def test_every_binding_is_a_lot() -> None:
    world = world_with("x-random", bound={"q1": "a", "q2": "a"})
    world.bind("q1", "x", "b")
    lots = [0, 1, 2]
    world.vhost.choose = lambda count: lots.pop()
    assert Counter(only(world.routed("x")) for _ in range(3)) == {"q1": 2, "q2": 1}


@pytest.mark.parametrize(
    ("queue", "key", "text"),
    [
        ("q1", "k", "Non empty binding 'k' key not permitted"),
        ("quorum", "", "Queue type rabbit_quorum_queue not valid for this exchange type"),
    ],
)
def test_local_random_binds_classic_queues_only(queue: str, key: str, text: str) -> None:
    world = world_with("x-local-random")
    if queue not in QUEUES:
        world.queue(queue, durable=True, arguments={"x-queue-type": longstr(queue)})
    with pytest.raises(PreconditionFailed) as caught:
        world.bind(queue, "x", key)
    assert caught.value.text == text
    with pytest.raises(PreconditionFailed, match="Destination not found"):
        world.bind_exchange("amq.fanout", "x")
    world.queue("classic", arguments={"x-queue-type": longstr("classic")})
    world.bind("classic", "x")
    assert world.routed("x", "any key") == {"classic"}


# --- all of them


@pytest.mark.parametrize("kind", ["x-consistent-hash", "x-modulus-hash", "x-random"])
def test_more_routing_keys_still_mean_one_destination(kind: str) -> None:
    world = world_with(kind, bound=dict.fromkeys(QUEUES, "1"))
    assert all(len(world.send("x", (key, *KEYS[:10]), content_header())) == 1 for key in KEYS[:50])


@pytest.mark.parametrize("kind", ["x-consistent-hash", "x-modulus-hash", "x-random", "x-local-random"])
def test_without_bindings_the_alternate_is_asked(kind: str) -> None:
    world = world_with(kind, {"alternate-exchange": longstr("other")})
    world.exchange("other", "fanout")
    world.bind("q1", "other")
    assert world.routed("x", "k") == {"q1"}
    world.bind("q2", "x", "" if kind == "x-local-random" else "1")
    assert world.routed("x", "k") == {"q2"}
    world.delete_queue("q2")
    assert world.routed("x", "k") == {"q1"}
