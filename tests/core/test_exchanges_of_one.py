"""Exchanges that give each message to one destination: x-consistent-hash, x-modulus-hash, x-random, x-local-random."""

import math
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amqpy.errors import PreconditionFailed
from amqpy.wire.values import Field, Table
from tests.core.core_harness import CoreHarness, FakeClient, content_header, longstr, properties_header

QUEUES = [f"q{number}" for number in range(8)]
KEYS = [f"key {number}" for number in range(1000)]


def core_with(kind: str, arguments: Table | None = None, bound: dict[str, str] | None = None) -> CoreHarness:
    core = CoreHarness()
    core.exchange("x", kind, arguments=arguments)
    for name in QUEUES:
        core.queue(name)
    for name, key in (bound or {}).items():
        core.bind(name, "x", key)
    return core


def owners(core: CoreHarness) -> dict[str, str]:
    """The one queue of each key."""
    return {key: only(core.routed("x", key)) for key in KEYS}


def only(names: set[str]) -> str:
    (name,) = names
    return name


# --- x-consistent-hash


@settings(max_examples=20)
@given(st.dictionaries(st.sampled_from(QUEUES), st.integers(1, 20), min_size=1))
def test_keys_are_spread_by_weight(weights: dict[str, int]) -> None:
    core = core_with("x-consistent-hash", bound={name: str(weight) for name, weight in weights.items()})
    counts = Counter(owners(core).values())
    for name, weight in weights.items():
        share = weight / sum(weights.values())
        # Six standard deviations of as many independent draws.
        tolerance = 6 * math.sqrt(len(KEYS) * share * (1 - share))
        assert abs(counts[name] - len(KEYS) * share) <= tolerance


@settings(max_examples=20)
@given(st.lists(st.tuples(st.sampled_from(QUEUES), st.integers(1, 9)), min_size=2, max_size=8))
def test_keys_stay_put_when_others_come_and_go(steps: list[tuple[str, int]]) -> None:
    core = core_with("x-consistent-hash", bound={"q0": "5"})
    bound = {"q0": 5}
    before = owners(core)
    for name, weight in steps:
        if name in bound:
            core.unbind(name, "x", str(bound.pop(name)))
        else:
            core.bind(name, "x", str(weight))
            bound[name] = weight
        if not bound:
            assert core.routed("x", KEYS[0]) == set()
            return
        after = owners(core)
        assert all(name in {before[key], after[key]} for key in KEYS if before[key] != after[key])
        before = after


def test_buckets_are_the_same_in_every_broker_and_in_every_order() -> None:
    names = dict.fromkeys(QUEUES, "3")
    backwards = dict(reversed(names.items()))
    assert owners(core_with("x-consistent-hash", bound=names)) == owners(
        core_with("x-consistent-hash", bound=backwards)
    )
    # Another answer would move keys when a broker is replaced by a newer one.
    assert owners(core_with("x-consistent-hash", bound=names))["key 0"] == "q5"


def test_the_first_binding_of_a_queue_counts() -> None:
    one_each = owners(core_with("x-consistent-hash", bound={"q1": "1", "q2": "1"}))
    core = core_with("x-consistent-hash", bound={"q1": "1", "q2": "1"})
    core.bind("q1", "x", "999")
    assert owners(core) == one_each


@pytest.mark.parametrize("arguments", [None, {"x-hash-on": longstr("c")}])
def test_removing_a_binding_that_does_not_count_changes_nothing(arguments: Table | None) -> None:
    core = core_with("x-consistent-hash", bound={"q1": "1", "q2": "1"})
    before = owners(core)
    core.bind("q1", "x", "1" if arguments else "999", arguments)
    core.unbind("q1", "x", "1" if arguments else "999", arguments)
    assert owners(core) == before


def test_the_next_binding_counts_when_the_first_is_removed() -> None:
    """RabbitMQ takes the queue away then, although it is still bound, and its messages are lost."""
    core = core_with("x-consistent-hash", bound={"q1": "3", "q2": "3"})
    for weight in ("9", "1"):
        core.bind("q1", "x", weight)
    core.unbind("q1", "x", "3")
    assert owners(core) == owners(core_with("x-consistent-hash", bound={"q1": "9", "q2": "3"}))
    core.bind("q1", "x", "3")
    core.unbind("q1", "x", "9")
    assert owners(core) == owners(core_with("x-consistent-hash", bound={"q1": "1", "q2": "3"}))
    core.unbind("q1", "x", "1")
    assert owners(core) == owners(core_with("x-consistent-hash", bound={"q1": "3", "q2": "3"}))
    core.unbind("q1", "x", "3")
    assert set(owners(core).values()) == {"q2"}
    core.bind("q1", "x", "1")
    assert set(owners(core).values()) == {"q1", "q2"}


@settings(max_examples=10)
@given(st.lists(st.tuples(st.sampled_from(QUEUES[:3]), st.integers(1, 4)), min_size=2, max_size=8))
def test_keys_move_only_to_or_from_the_queue_whose_weight_changes(steps: list[tuple[str, int]]) -> None:
    core = core_with("x-consistent-hash", bound={"q7": "2"})
    bound: dict[str, list[int]] = {}
    before = owners(core)
    for name, weight in steps:
        weights = bound.setdefault(name, [])
        counted = weights[:1]
        if weight in weights:
            core.unbind(name, "x", str(weight))
            weights.remove(weight)
        else:
            core.bind(name, "x", str(weight))
            weights.append(weight)
        after = owners(core)
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
    core = core_with("x-consistent-hash", bound={"q1": "1", "q2": "1"})
    core.bind("q1", "x", "2")
    core.delete_queue("q1")
    assert set(owners(core).values()) == {"q2"}
    core.queue("q1")
    assert set(owners(core).values()) == {"q2"}
    core.bind("q1", "x", "2")
    assert owners(core) == owners(core_with("x-consistent-hash", bound={"q1": "2", "q2": "1"}))


def test_an_exchange_that_is_bound_twice_stays_when_it_is_unbound_once() -> None:
    core = core_with("x-consistent-hash", bound={"q1": "1"})
    core.exchange("next", "fanout")
    core.bind("q2", "next")
    for weight in ("1", "5"):
        core.bind_exchange("next", "x", weight)
    core.unbind_exchange("next", "x", "1")
    assert owners(core) != dict.fromkeys(KEYS, "q1")
    core.unbind_exchange("next", "x", "5")
    assert owners(core) == dict.fromkeys(KEYS, "q1")


def test_a_policy_moves_nothing() -> None:
    core = core_with("x-consistent-hash", bound=dict.fromkeys(QUEUES, "2"))
    core.bind("q1", "x", "9")
    before = owners(core)
    core.broker.administration.set_policy("/", "p", "^x$", {"alternate-exchange": "amq.fanout"})
    assert owners(core) == before


@pytest.mark.parametrize("kind", ["x-random", "x-modulus-hash"])
def test_of_two_bindings_one_goes_and_the_other_is_left(kind: str) -> None:
    core = core_with(kind, bound={"q1": "a"})
    core.bind("q1", "x", "b")
    core.unbind("q1", "x", "a")
    assert set(owners(core).values()) == {"q1"}
    core.unbind("q1", "x", "b")
    assert core.routed("x", "k") == set()


def test_an_exchange_can_be_a_destination() -> None:
    core = core_with("x-consistent-hash", bound={"q1": "1"})
    core.exchange("next", "fanout")
    core.bind("q2", "next")
    core.bind_exchange("next", "x", "1")
    assert set(owners(core).values()) == {"q1", "q2"}


@pytest.mark.parametrize(
    ("arguments", "header_of"),
    [
        ({"hash-header": longstr("h")}, lambda value: content_header({"h": longstr(value)})),
        ({"hash-property": longstr("message_id")}, lambda value: properties_header(message_id=value)),
        ({"hash-property": longstr("correlation_id")}, lambda value: properties_header(correlation_id=value)),
    ],
)
def test_what_is_hashed(arguments: Table, header_of: Callable[[str], bytes]) -> None:
    core = core_with("x-consistent-hash", arguments, bound=dict.fromkeys(QUEUES, "1"))

    def owner(key: str, header: bytes) -> object:
        (queue,) = core.send("x", (key,), header)
        return queue

    for value in ("a", "b", "c"):
        assert len({owner(key, header_of(value)) for key in KEYS[:50]}) == 1, "the routing key does not count"
    assert len({owner("", header_of(value)) for value in KEYS}) == len(QUEUES)
    without = {owner(key, header) for key in KEYS[:50] for header in (content_header(), properties_header(app_id="a"))}
    assert len(without) == 1, "those without it stay together"


def test_timestamps_are_hashed() -> None:
    core = core_with("x-consistent-hash", {"hash-property": longstr("timestamp")}, bound=dict.fromkeys(QUEUES, "1"))
    flagged = [b"\x00\x3c" + bytes(10) + b"\x00\x40" + second.to_bytes(8, "big") for second in range(200)]
    assert len({queue for header in flagged for queue in core.send("x", ("k",), header)}) == len(QUEUES)


def test_numbers_in_headers_are_the_same_whatever_their_width() -> None:
    core = core_with("x-consistent-hash", {"hash-header": longstr("h")}, bound=dict.fromkeys(QUEUES, "1"))
    for number in range(20):
        kinds = ("byte", "unsignedshort", "signedint", "long")
        assert len({only(core.routed("x", "", {"h": Field(kind, number)})) for kind in kinds}) == 1


def test_routes_by_routing_key_are_remembered() -> None:
    assert core_with("x-consistent-hash", bound={"q1": "1"}).route("x", "k").targets is not None
    hashing_headers = core_with("x-consistent-hash", {"hash-header": longstr("h")}, bound={"q1": "1"})
    assert hashing_headers.route("x", "k").targets is None


@pytest.mark.parametrize("key", ["1", "10", "+3", "007", "9" * 255])
def test_weights(key: str) -> None:
    core = core_with("x-consistent-hash", bound={"q1": key})
    assert core.routed("x", "k") == {"q1"}


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
    core = core_with("x-consistent-hash")
    core.queue("theirs", client=FakeClient(), exclusive=True)
    before = core.snapshot()
    for bind in (core.bind, core.bind_exchange):
        # The binding is judged before the owner of the queue is.
        with pytest.raises(PreconditionFailed) as caught:
            bind("theirs" if bind == core.bind else "x", "x", key)
        assert caught.value.text == text
    assert core.snapshot() == before


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
    core = CoreHarness()
    with pytest.raises(PreconditionFailed) as caught:
        core.exchange("x", "x-consistent-hash", arguments=arguments)
    assert caught.value.text == text
    assert "x" not in core.vhost.exchanges


# --- x-modulus-hash


def test_modulus_hash_uses_every_binding_in_any_order() -> None:
    forwards = core_with("x-modulus-hash", bound=dict.fromkeys(QUEUES, "a"))
    backwards = core_with("x-modulus-hash", bound=dict.fromkeys(reversed(QUEUES), "b"))
    counts = Counter(owners(forwards).values())
    share = 1 / len(QUEUES)
    tolerance = 6 * math.sqrt(len(KEYS) * share * (1 - share))
    assert all(abs(counts[name] - len(KEYS) * share) <= tolerance for name in QUEUES)
    assert owners(forwards) == owners(backwards)
    assert forwards.route("x", "k").targets is not None


# --- x-random and x-local-random


@pytest.mark.parametrize("kind", ["x-random", "x-local-random"])
def test_each_message_is_drawn_for(kind: str) -> None:
    core = core_with(kind, bound=dict.fromkeys(QUEUES, ""))
    drawn = []

    def choose(count: int) -> int:
        drawn.append(count)
        return len(drawn) % count

    core.vhost.choose = choose
    got = [only(core.routed("x", "same key")) for _ in range(2 * len(QUEUES))]
    assert got == [*QUEUES[1:], *QUEUES, QUEUES[0]]
    assert set(drawn) == {len(QUEUES)}
    for name in QUEUES[1:]:
        core.unbind(name, "x")
    assert core.routed("x", "same key") == {"q0"}
    core.unbind("q0", "x")
    assert core.routed("x", "same key") == set()


def test_every_binding_is_a_lot() -> None:
    core = core_with("x-random", bound={"q1": "a", "q2": "a"})
    core.bind("q1", "x", "b")
    lots = [0, 1, 2]
    core.vhost.choose = lambda count: lots.pop()
    assert Counter(only(core.routed("x")) for _ in range(3)) == {"q1": 2, "q2": 1}


@pytest.mark.parametrize(
    ("queue", "key", "text"),
    [
        ("q1", "k", "Non empty binding 'k' key not permitted"),
        ("quorum", "", "Queue type rabbit_quorum_queue not valid for this exchange type"),
    ],
)
def test_local_random_binds_classic_queues_only(queue: str, key: str, text: str) -> None:
    core = core_with("x-local-random")
    if queue not in QUEUES:
        core.queue(queue, durable=True, arguments={"x-queue-type": longstr(queue)})
    with pytest.raises(PreconditionFailed) as caught:
        core.bind(queue, "x", key)
    assert caught.value.text == text
    with pytest.raises(PreconditionFailed, match="Destination not found"):
        core.bind_exchange("amq.fanout", "x")
    core.queue("classic", arguments={"x-queue-type": longstr("classic")})
    core.bind("classic", "x")
    assert core.routed("x", "any key") == {"classic"}


# --- all of them


@pytest.mark.parametrize("kind", ["x-consistent-hash", "x-modulus-hash", "x-random"])
def test_more_routing_keys_still_mean_one_destination(kind: str) -> None:
    core = core_with(kind, bound=dict.fromkeys(QUEUES, "1"))
    assert all(len(core.send("x", (key, *KEYS[:10]), content_header())) == 1 for key in KEYS[:50])


@pytest.mark.parametrize("kind", ["x-consistent-hash", "x-modulus-hash", "x-random", "x-local-random"])
def test_without_bindings_the_alternate_is_asked(kind: str) -> None:
    core = core_with(kind, {"alternate-exchange": longstr("other")})
    core.exchange("other", "fanout")
    core.bind("q1", "other")
    assert core.routed("x", "k") == {"q1"}
    core.bind("q2", "x", "" if kind == "x-local-random" else "1")
    assert core.routed("x", "k") == {"q2"}
    core.delete_queue("q2")
    assert core.routed("x", "k") == {"q1"}
