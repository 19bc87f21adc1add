"""Each type of exchange against the plainest reading of its rule."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amqpy.core.exchanges import EXCHANGE_TYPES
from amqpy.errors import PreconditionFailed
from amqpy.wire.values import INTEGER_KINDS, Field, Table, array_field, table_field
from tests.core.core_harness import CoreHarness, FakeClient, longstr

QUEUES = ["q1", "q2", "q3"]


def core_with(kind: str, profile: str = "rabbitmq-3.13") -> CoreHarness:
    core = CoreHarness(profile)
    core.exchange("x", kind)
    for name in QUEUES:
        core.queue(name)
    return core


def test_the_types_of_exchanges() -> None:
    assert sorted(EXCHANGE_TYPES) == [
        "direct",
        "fanout",
        "headers",
        "topic",
        "x-consistent-hash",
        "x-delayed-message",
        "x-local-random",
        "x-message-deduplication",
        "x-modulus-hash",
        "x-random",
        "x-recent-history",
    ]


# --- by routing key


def topic_matches(pattern: list[str], words: list[str]) -> bool:
    if not pattern:
        return not words
    if pattern[0] == "#":
        return any(topic_matches(pattern[1:], words[skipped:]) for skipped in range(len(words) + 1))
    return bool(words) and pattern[0] in {"*", words[0]} and topic_matches(pattern[1:], words[1:])


def words_of(key: str) -> list[str]:
    return key.split(".") if key else []


RULES: dict[str, Callable[[str, str], bool]] = {
    "direct": lambda pattern, key: pattern == key,
    "fanout": lambda pattern, key: True,
    "topic": lambda pattern, key: topic_matches(words_of(pattern), words_of(key)),
}

routing_keys = st.lists(st.sampled_from(["a", "b", "*", "#", ""]), max_size=4).map(".".join)
steps = st.lists(st.tuples(st.booleans(), st.sampled_from(QUEUES), routing_keys), max_size=12)


@pytest.mark.parametrize("kind", RULES)
@given(steps=steps, keys=st.lists(routing_keys, min_size=1, max_size=4))
def test_routing_by_key(kind: str, steps: list[tuple[bool, str, str]], keys: list[str]) -> None:
    core = core_with(kind)
    bindings: set[tuple[str, str]] = set()
    for binds, queue, pattern in steps:
        if binds:
            core.bind(queue, "x", pattern)
            bindings.add((queue, pattern))
        else:
            core.unbind(queue, "x", pattern)
            bindings.discard((queue, pattern))
        for key in keys:
            expected = {queue for queue, pattern in bindings if RULES[kind](pattern, key)}
            assert core.routed("x", key) == expected
    assert len(core.vhost.exchanges["x"].bindings) == len(bindings)


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [("*", ["a"], ["", "."]), ("#", ["", "."], []), ("", [""], ["."]), ("*.*", ["."], [""]), ("a.*", ["a."], ["a"])],
)
def test_an_empty_key_has_no_words(pattern: str, matching: list[str], other: list[str]) -> None:
    core = core_with("topic")
    core.bind("q1", "x", pattern)
    assert [key for key in matching + other if core.routed("x", key)] == matching


@given(st.lists(st.sampled_from(QUEUES)))
def test_the_default_exchange_knows_every_queue_by_name(names: list[str]) -> None:
    core = CoreHarness()
    for name in names:
        core.queue(name)
    for name in QUEUES:
        assert core.routed("", name) == ({name} & set(names))
        if name in names:
            core.delete_queue(name)
            assert core.routed("", name) == set()


# --- by headers

MATCH_MODES = ["all", "any", "all-with-x", "any-with-x"]


def is_number(field: Field) -> bool:
    return field.kind in INTEGER_KINDS | {"timestamp", "float", "double"}


def same_value(wanted: Field, found: Field, *, exactly: bool) -> bool:
    """Erlang's `==` or `=:=` on the values: numbers by amount, binaries by bytes, structures with their inner types."""
    if is_number(wanted) and is_number(found):
        return bool(wanted.value == found.value) and (type(wanted.value) is type(found.value) or not exactly)
    strings = {"longstr", "binary"}
    if wanted.kind in strings and found.kind in strings:
        return as_bytes(wanted) == as_bytes(found)
    return wanted == found


def as_bytes(field: Field) -> bytes:
    value = field.value
    return value if isinstance(value, bytes) else str(value).encode()


def headers_match(arguments: Table, headers: Table, *, exactly: bool = True) -> bool:
    """RabbitMQ's rule: of the arguments that count, all or any are found in the headers."""
    mode = arguments["x-match"].value if "x-match" in arguments else "all"
    conditions = {
        name: wanted
        for name, wanted in arguments.items()
        if name != "x-match" and (mode.endswith("-with-x") or not name.startswith("x-"))
    }
    hits = [
        name in headers and (wanted.kind == "void" or same_value(wanted, headers[name], exactly=exactly))
        for name, wanted in conditions.items()
    ]
    return any(hits) if mode.startswith("any") else all(hits)


values = st.sampled_from(
    [
        Field("void", None),
        Field("bool", True),
        Field("byte", 1),
        Field("unsignedbyte", 1),
        Field("long", 1),
        Field("signedint", 0),
        Field("double", 1.0),
        Field("float", 0.5),
        Field("timestamp", 1),
        Field("bool", False),
        longstr("1"),
        longstr(""),
        Field("binary", b"1"),
        Field("decimal", (0, 1)),
        array_field([Field("byte", 1)]),
        array_field([Field("long", 1)]),
        table_field({"a": Field("byte", 1)}),
        table_field({"a": longstr("1")}),
    ]
)
header_names = st.sampled_from(["a", "b", "", "x-a", "x-", "x-match"])
headers_tables = st.dictionaries(header_names, values, max_size=4)
binding_tables = st.builds(
    lambda mode, arguments: {**({"x-match": longstr(mode)} if mode else {}), **arguments},
    st.sampled_from([None, *MATCH_MODES]),
    st.dictionaries(header_names.filter(lambda name: name != "x-match"), values, max_size=4),
)


@given(
    st.lists(st.tuples(st.booleans(), st.sampled_from(QUEUES), binding_tables), max_size=8),
    st.lists(headers_tables, min_size=1, max_size=4),
    st.booleans(),
    st.data(),
)
def test_routing_by_headers(
    steps: list[tuple[bool, str, Table]], messages: list[Table], exactly: bool, data: st.DataObject
) -> None:
    core = core_with("headers", "rabbitmq-3.13" if exactly else "rabbitmq-3.10")
    bindings: list[tuple[str, Table]] = []
    for binds, queue, arguments in steps:
        if binds or not bindings:
            core.bind(queue, "x", "", arguments)
            if (queue, arguments) not in bindings:
                bindings.append((queue, arguments))
        else:
            bound = bindings.pop(data.draw(st.integers(0, len(bindings) - 1)))
            core.unbind(bound[0], "x", "", bound[1])
        for headers in messages:
            expected = {queue for queue, arguments in bindings if headers_match(arguments, headers, exactly=exactly)}
            assert core.routed("x", "ignored", headers) == expected


ONE = Field("byte", 1)


@pytest.mark.parametrize(
    ("arguments", "headers", "matches"),
    [
        ({}, {}, True),
        ({"x-match": longstr("all")}, {"a": ONE}, True),
        ({"x-match": longstr("any")}, {"a": ONE}, False),
        ({"a": ONE, "b": ONE}, {"a": ONE, "b": ONE, "c": ONE}, True),
        ({"a": ONE, "b": ONE}, {"a": ONE}, False),
        ({"x-match": longstr("any"), "a": ONE, "b": ONE}, {"b": ONE}, True),
        ({"x-match": longstr("any"), "a": ONE}, {"a": longstr("1")}, False),
        ({"a": Field("void", None)}, {"a": longstr("whatever")}, True),
        ({"a": Field("void", None)}, {"b": ONE}, False),
        ({"a": ONE}, {"a": Field("void", None)}, False),
        ({"a": ONE}, {"a": Field("long", 1)}, True),
        ({"a": ONE}, {"a": Field("double", 1.0)}, False),
        ({"a": Field("bool", True)}, {"a": ONE}, False),
        ({"a": longstr("A")}, {"a": longstr("a")}, False),
        ({"x-a": ONE}, {}, True),
        ({"x-match": longstr("all-with-x"), "x-a": ONE}, {}, False),
        ({"x-match": longstr("all-with-x"), "x-a": ONE}, {"x-a": ONE}, True),
        ({"x-match": longstr("any"), "x-a": ONE}, {"x-a": ONE}, False),
        ({"x-match": longstr("any-with-x"), "x-a": ONE}, {"x-a": ONE}, True),
    ],
)
def test_headers_by_example(arguments: Table, headers: Table, matches: bool) -> None:
    core = core_with("headers")
    core.bind("q1", "x", "", arguments)
    assert core.routed("x", "", headers) == ({"q1"} if matches else set())
    assert headers_match(arguments, headers) is matches


def test_two_matching_bindings_still_mean_one_message() -> None:
    core = core_with("headers")
    core.bind("q1", "x", "1", {"x-match": longstr("any"), "a": ONE, "b": ONE})
    core.bind("q1", "x", "2", {"a": ONE})
    assert core.routed("x", "", {"a": ONE, "b": ONE}) == {"q1"}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (longstr("some"), 'Invalid x-match field value <<"some">>; expected all, any, all-with-x, or any-with-x'),
        (longstr(""), "Invalid x-match field value <<>>; expected all, any, all-with-x, or any-with-x"),
        (ONE, "Invalid x-match field type byte (value 1); expected longstr"),
        (Field("bool", True), "Invalid x-match field type bool (value true); expected longstr"),
    ],
)
def test_an_unknown_way_to_match_headers_is_refused(value: Field, text: str) -> None:
    core = core_with("headers")
    before = core.snapshot()
    with pytest.raises(PreconditionFailed) as caught:
        core.bind("q1", "x", "", {"x-match": value})
    assert caught.value.reply_text == f"PRECONDITION_FAILED - {text}"
    assert core.snapshot() == before


@pytest.mark.parametrize("kind", ["direct", "fanout", "topic"])
def test_other_exchanges_do_not_look_at_the_arguments(kind: str) -> None:
    core = core_with(kind)
    core.bind("q1", "x", "k", {"x-match": longstr("some"), "a": ONE})
    assert core.routed("x", "k") == {"q1"}


# --- the same binding


@pytest.mark.parametrize("kind", ["direct", "fanout", "headers", "topic"])
def test_what_makes_two_bindings_the_same(kind: str) -> None:
    core = core_with(kind)
    arguments = {"a": ONE, "b": longstr("c")}
    bindings = core.vhost.exchanges["x"].bindings
    core.bind("q1", "x", "k", arguments)
    core.bind("q1", "x", "k", dict(reversed(arguments.items())))
    assert len(bindings) == 1, "the order of arguments does not count"
    core.bind("q1", "x", "k", arguments | {"a": Field("short", 1)})
    core.bind("q1", "x", "k", {})
    core.bind("q1", "x", "l", arguments)
    core.bind("q2", "x", "k", arguments)
    assert len(bindings) == 5
    core.unbind("q1", "x", "k", dict(reversed(arguments.items())))
    assert len(bindings) == 4
    core.unbind("q1", "x", "k", arguments)
    assert len(bindings) == 4, "what is not bound is unbound already"


def test_unbinding_what_is_not_there_changes_nothing() -> None:
    core = core_with("direct")
    core.queue("theirs", client=FakeClient(), exclusive=True)
    core.bind("q1", "x", "k")
    before = core.snapshot()
    core.unbind("q1", "x", "other key")
    core.unbind("no queue", "x", "k")
    core.unbind("q1", "no exchange", "k")
    core.unbind("theirs", "x", "k")
    core.unbind_exchange("no exchange", "x", "k")
    core.unbind_exchange("x", "no exchange", "k")
    core.unbind_exchange("x", "x", "k")
    assert core.snapshot() == before


def test_a_type_with_a_dash_is_quoted_once_more() -> None:
    core = core_with("direct")
    with pytest.raises(PreconditionFailed) as caught:
        core.exchange("x", "x-random")
    expected = "inequivalent arg 'type' for exchange 'x' in vhost '/': received ''x-random'' but current is 'direct'"
    assert caught.value.text == expected
