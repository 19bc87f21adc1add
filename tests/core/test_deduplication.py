"""What was seen before: the cache against a plain model, and the exchange x-message-deduplication."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amqpy.core.deduplication import DuplicateCache, deduplication_key
from amqpy.errors import PreconditionFailed
from amqpy.wire.values import Field, Table, table_field
from tests.core.core_harness import CoreHarness, content_header, longstr
from tests.strategies import fields

actions = st.one_of(
    st.tuples(st.just("add"), st.sampled_from("abcd"), st.none() | st.integers(0, 5)),
    st.tuples(st.just("discard"), st.sampled_from("abcd"), st.none()),
    st.tuples(st.just("wait"), st.none(), st.integers(0, 4)),
)


@given(st.none() | st.integers(1, 3), st.none() | st.integers(1, 5), st.lists(actions, max_size=30))
def test_the_cache(size_max: int | None, ttl_ms: int | None, steps: list[tuple[str, str, int | None]]) -> None:
    cache = DuplicateCache(size_max, ttl_ms)
    model: dict[str, float] = {}
    now_ms = 0
    for action, key, number in steps:
        model = {each: end_ms for each, end_ms in model.items() if end_ms > now_ms}
        if action == "wait":
            now_ms += number or 0
        elif action == "discard":
            cache.discard(key)
            model.pop(key, None)
        else:
            assert cache.add(key, now_ms, number) is (key not in model)
            if key not in model:
                if len(model) == size_max:
                    del model[next(iter(model))]
                lives_ms = ttl_ms if number is None else number
                model[key] = float("inf") if lives_ms is None else now_ms + lives_ms
        for each in "abcd":
            assert cache.seen(each, now_ms) is (model.get(each, 0) > now_ms)
        assert size_max is None or len(cache) <= size_max
    cache.clear()
    assert len(cache) == 0
    assert not any(cache.seen(key, now_ms) for key in "abcd")


@given(fields)
def test_any_header_makes_a_key(field: Field) -> None:
    key = deduplication_key({"x-deduplication-header": field})
    assert key is not None
    assert hash(key) == hash(deduplication_key({"x-deduplication-header": field}))


def test_no_header_makes_no_key() -> None:
    assert deduplication_key({"other": longstr("a")}) is None


# --- the exchange


def core_with(**arguments: Field) -> CoreHarness:
    core = CoreHarness()
    named = {"x-cache-size": Field("signedint", 3)} | {
        name.replace("_", "-"): value for name, value in arguments.items()
    }
    core.exchange("x", "x-message-deduplication", arguments=named)
    core.queue("q1")
    core.bind("q1", "x", "key that does not count")
    return core


def header(value: str | int, **more: Field) -> Table:
    field = longstr(value) if isinstance(value, str) else Field("signedint", value)
    return {"x-deduplication-header": field} | {name.replace("_", "-"): each for name, each in more.items()}


def test_a_message_passes_once() -> None:
    core = core_with()
    values: list[str | int] = ["a", "b", "a", 1, "1", 1, "b"]
    for number, value in enumerate(values):
        core.publish("x", "k", str(number), headers=header(value))
    assert core.ready("q1") == ["0", "1", "3", "4"]
    core.publish("x", "k", "without", "header")
    assert core.ready("q1")[-2:] == ["without", "header"]


def test_the_oldest_is_forgotten_first() -> None:
    core = core_with()
    passes = [bool(core.routed("x", "k", header(value))) for value in "abca" + "d" + "bcda"]
    assert passes == [True, True, True, False, True, False, False, False, True]


def test_a_duplicate_goes_to_the_alternate() -> None:
    core = core_with(alternate_exchange=longstr("other"))
    core.exchange("other", "fanout")
    core.queue("duplicates")
    core.bind("duplicates", "other")
    for number in range(3):
        core.publish("x", "k", str(number), headers=header("a"))
    assert (core.ready("q1"), core.ready("duplicates")) == (["0"], ["1", "2"])


def test_a_duplicate_is_unroutable() -> None:
    core = core_with()
    assert core.send("x", ("k",), content_header(header("a")))
    assert not core.send("x", ("k",), content_header(header("a")))


@pytest.mark.parametrize("ttl", [Field("signedint", 10), longstr("10")])
def test_the_time_is_counted_from_the_first(ttl: Field) -> None:
    core = core_with(x_cache_ttl=ttl)
    passes = []
    for _ in range(4):
        passes.append(bool(core.routed("x", "k", header("a"))))
        core.wait(5)
    assert passes == [True, False, True, False]


def test_a_message_may_have_its_own_time() -> None:
    core = core_with(x_cache_ttl=Field("signedint", 1000))
    short = header("a", x_cache_ttl=Field("signedint", 10))
    assert core.routed("x", "k", short)
    core.wait(10)
    assert core.routed("x", "k", header("a", x_cache_ttl=longstr("no number")))
    core.wait(999)
    assert not core.routed("x", "k", short)
    core.wait(1)
    assert core.routed("x", "k", short)


SIZE = "Missing or invalid argument, 'x-cache-size' must be an integer greater than 0"
TTL = "Invalid argument, 'x-cache-ttl' must be an integer greater than 0"
PERSISTENCE = "Invalid argument, 'x-cache-persistence' must be either 'disk' or 'memory'"
GOOD = {"x-cache-size": Field("byte", 1)}


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({}, SIZE),
        ({"x-cache-size": Field("byte", 0)}, SIZE),
        ({"x-cache-size": longstr("many")}, SIZE),
        ({"x-cache-size": longstr("0")}, SIZE),
        ({"x-cache-size": Field("bool", True)}, SIZE),
        ({"x-cache-size": Field("void", None), "x-cache-ttl": longstr("")}, SIZE),
        (GOOD | {"x-cache-ttl": Field("long", -1), "x-cache-persistence": longstr("")}, TTL),
        (GOOD | {"x-cache-ttl": Field("double", 1.0)}, TTL),
        (GOOD | {"x-cache-persistence": longstr("paper")}, PERSISTENCE),
        (GOOD | {"x-cache-persistence": table_field({})}, PERSISTENCE),
    ],
)
def test_what_is_no_cache(arguments: Table, text: str) -> None:
    core = CoreHarness()
    with pytest.raises(PreconditionFailed) as caught:
        core.exchange("x", "x-message-deduplication", arguments=arguments)
    assert caught.value.text == text
    assert "x" not in core.vhost.exchanges


@pytest.mark.parametrize("persistence", ["memory", "disk"])
def test_what_is_a_cache(persistence: str) -> None:
    core = core_with(x_cache_size=longstr("2"), x_cache_persistence=longstr(persistence))
    assert core.routed("x", "k", header("a")) == {"q1"}
