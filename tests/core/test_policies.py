"""Policies: what may be said in them, and which one counts.

Expected texts were asked of a RabbitMQ 3.10.8 with federation and sharding; of `apply-to`, 3.13's are beside them.
"""

import re
from typing import Any

import pytest

from amqpy.core.administration.erlang_terms import as_erlang_term
from amqpy.core.administration.policies import APPLY_TO, Policies, Policy, check_policy, policy_keys
from amqpy.core.arguments import QUEUE_TYPES_KNOWN
from amqpy.errors import AdministrationError
from amqpy.profile import PROFILES, Profile

OLD, NEW = PROFILES["rabbitmq-3.10"], PROFILES["rabbitmq-3.13"]


def refusal(value: object, *, operator: bool = False, profile: Profile = NEW) -> list[str]:
    """The lines that say why a policy is refused."""
    with pytest.raises(AdministrationError) as caught:
        check_policy("p", value, profile, operator=operator)
    head, empty, *lines, end = caught.value.text.split("\n")
    assert (head, empty, end) == ("Validation failed", "", "")
    assert not caught.value.missing
    return lines


def policy_of(definition: object, **more: object) -> dict[str, object]:
    return {"pattern": ".*", "priority": 0, "definition": definition} | more


# --- what may be said


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("x", '<<"x">>'),
        ("", "<<>>"),
        ("ä", '<<"ä">>'),
        ("日本", "<<230,151,165,230,156,172>>"),
        ('a"b\\c', '<<"a\\"b\\\\c">>'),
        ("line\nend", '<<"line\\nend">>'),
        (-1, "-1"),
        (1.5, "1.5"),
        (1.0, "1.0"),
        (1e20, "1.0e20"),
        (1e22, "1.0e22"),
        (123456.0, "123456.0"),
        (0.0001, "0.0001"),
        (60000.0, "6.0e4"),
        (-100.0, "-100.0"),
        (0.0, "0.0"),
        (True, "true"),
        (None, "null"),
        ([], "[]"),
        ([1, 2], "[1,2]"),
        ([1, "a"], '[1,<<"a">>]'),
        ([0.1, ""], "[0.1,<<>>]"),
        ([104, 105], '"hi"'),
        ([32, 10], '" \\n"'),
        ([1, [104]], '[1,"h"]'),
        ({}, "#{}"),
        ({"b": [{"c": "d"}], "a": None}, '#{<<"a">> => null,<<"b">> => [#{<<"c">> => <<"d">>}]}'),
    ],
)
def test_values_are_shown_as_erlang_shows_them(value: object, shown: str) -> None:
    assert as_erlang_term(value) == shown
    assert refusal(policy_of({"max-length": value})) == [f"{shown} is not a valid maximum length"]


@pytest.mark.parametrize(
    ("key", "noun"),
    [
        ("message-ttl", "message TTL"),
        ("expires", "queue expiry"),
        ("max-length", "maximum length"),
        ("max-length-bytes", "maximum length in bytes"),
        ("max-in-memory-length", "maximum memory in bytes"),
        ("max-in-memory-bytes", "maximum memory in bytes"),
        ("queue-mode", "queue-mode value"),
        ("queue-version", "queue-version value"),
        ("overflow", "overflow value"),
        ("delivery-limit", "delivery limit"),
        ("max-age", "max age"),
        ("queue-leader-locator", "queue leader locator value"),
        ("initial-cluster-size", "cluster size"),
        ("stream-max-segment-size-bytes", "segment size"),
        ("alternate-exchange", "alternate exchange name"),
        ("dead-letter-exchange", "dead letter exchange name"),
        ("dead-letter-routing-key", "dead letter routing key"),
        ("dead-letter-strategy", "dead letter strategy"),
    ],
)
def test_every_key_has_its_noun(key: str, noun: str) -> None:
    assert refusal(policy_of({key: -1})) == [f"-1 is not a valid {noun}"]


@pytest.mark.parametrize(
    ("definition", "line"),
    [
        ({}, "no policy provided"),
        ([1, "a"], 'definition must be a dictionary: [1,<<"a">>]'),
        ({"foo": 1, "bar": "x"}, '[{<<"bar">>,<<"x">>},{<<"foo">>,1}] are not recognised policy settings'),
        ({"max-length": 1, "foo": "bar"}, '[{<<"foo">>,<<"bar">>}] are not recognised policy settings'),
        ({"max-length": -1, "foo": "bar"}, "-1 is not a valid maximum length"),
        ({"max-length": -2, "expires": -1}, "-1 is not a valid queue expiry"),
        ({"expires": 0}, "0 is not a valid queue expiry"),
        ({"max-length": True}, "true is not a valid maximum length"),
        ({"ha-mode": "x"}, '<<"x">> is not a valid ha-mode value'),
        (
            {"ha-params": 1},
            "ha-mode must be specified to specify ha-params, ha-sync-mode or ha-promote-on-shutdown",
        ),
        ({"ha-mode": "exactly"}, 'ha-mode="exactly" takes an integer, none given'),
        ({"ha-mode": "exactly", "ha-params": 0}, 'ha-mode="exactly" takes an integer, 0 given'),
        ({"ha-mode": "nodes", "ha-params": "a"}, 'ha-mode="nodes" takes a list, <<"a">> given'),
        ({"ha-mode": "all", "ha-params": 1}, 'ha-mode="all" does not take parameters'),
        ({"ha-mode": "all", "ha-sync-mode": "x"}, 'ha-sync-mode must be "manual" or "automatic", got <<"x">>'),
        (
            {"ha-mode": "all", "ha-sync-batch-size": 0},
            "ha-sync-batch-size takes an integer greater than 0, 0 given",
        ),
        (
            {"ha-mode": "all", "ha-promote-on-shutdown": "x"},
            'ha-promote-on-shutdown must be "always" or "when-synced", got <<"x">>',
        ),
        (
            {"ha-mode": "all", "ha-promote-on-failure": "x"},
            'ha-promote-on-failure must be "always" or "when-synced", got <<"x">>',
        ),
        ({"federation-upstream": 1}, "1 is not a valid federation upstream name"),
        ({"federation-upstream-set": 1}, "1 is not a valid federation upstream set name"),
        ({"federation-upstream-pattern": 1}, "1 is not a valid federation upstream pattern name"),
        (
            {"federation-upstream-pattern": "("},
            'could not compile pattern ( to a regular expression. Error: {"missing )",1}',
        ),
        (
            {"federation-upstream": "a", "federation-upstream-set": "b"},
            "cannot specify federation-upstream, federation-upstream-set or federation-upstream-pattern together",
        ),
        ({"shards-per-node": "x"}, 'shards-per-node should be a number, actually was <<"x">>'),
        ({"shards-per-node": -1}, "shards-per-node should be greater than 0, actually was -1"),
        ({"routing-key": "x"}, "shards-per-node must be specified"),
        ({"shards-per-node": 2, "routing-key": 1}, "routing-key should be binary, actually was 1"),
        ({"queue-master-locator": "bad"}, '<<"bad">> invalid queue-master-locator value'),
        ({"queue-master-locator": 1, "shards-per-node": "x"}, "1 invalid queue-master-locator value"),
        ({"ha-mode": "x", "max-length": -1}, "-1 is not a valid maximum length"),
        ({"federation-upstream": 1, "max-length": -1}, "1 is not a valid federation upstream name"),
        (
            {"shards-per-node": "x", "federation-upstream": 1},
            'shards-per-node should be a number, actually was <<"x">>',
        ),
    ],
)
def test_definitions_that_are_refused(definition: object, line: str) -> None:
    assert refusal(policy_of(definition)) == [line]


@pytest.mark.parametrize(
    "definition",
    [
        {"max-length": 2**70},
        {"alternate-exchange": ""},
        {"ha-mode": "all", "ha-sync-mode": "automatic", "ha-promote-on-failure": "always"},
        {"ha-mode": "exactly", "ha-params": 2, "ha-sync-batch-size": 1},
        {"ha-mode": "nodes", "ha-params": ["rabbit@a"]},
        {"federation-upstream-set": "all", "max-length": 1},
        {"federation-upstream-pattern": "^a"},
        {"shards-per-node": 2, "routing-key": "k"},
        {"queue-master-locator": "min-masters"},
    ],
)
def test_definitions_that_are_taken(definition: dict[str, object]) -> None:
    assert check_policy("p", policy_of(definition), NEW, operator=False) == Policy("p", ".*", "all", 0, definition)


@pytest.mark.parametrize(
    ("pattern", "term"),
    [
        ("(", '{"missing )",1}'),
        ("(?P<a>", '{"missing )",6}'),
        ("[", '{"missing terminating ] for character class",1}'),
        ("*", '{"nothing to repeat",0}'),
        ("a|*", '{"nothing to repeat",2}'),
        ("?a", '{"nothing to repeat",0}'),
        (")", '{"unmatched parentheses",0}'),
        ("a)", '{"unmatched parentheses",1}'),
        ("[a", '{"missing terminating ] for character class",2}'),
        ("[b-a]", '{"range out of order in character class",3}'),
        ("a**", '{"nothing to repeat",2}'),
        ("\\", '{"\\\\ at end of pattern",1}'),
        ("x" * 5000, '{"regular expression is too large",5000}'),
    ],
)
def test_patterns_that_are_none(pattern: str, term: str) -> None:
    line = f"pattern should be regular expression but is invalid: {term}"
    if len(line) >= 79:  # in which case Erlang breaks it
        line = f"\n{' ' * 54}".join(re.split("(?<=,)(?=[0-9]+})", line))
    assert refusal(policy_of({"expires": 1}, pattern=pattern)) == line.splitlines()


@pytest.mark.parametrize(
    ("more", "line"),
    [
        ({"pattern": 1}, "pattern should be a binary but was 1"),
        ({"pattern": None}, "pattern should be a binary but was null"),
        ({"priority": "1"}, 'priority should be a number, actually was <<"1">>'),
        ({"priority": True}, "priority should be a number, actually was true"),
        (
            {"apply-to": "queue"},
            "apply-to 'queue' unrecognised; should be one of: 'queues', 'classic_queues',  'quorum_queues', "
            "'streams', 'exchanges', or 'all'",
        ),
        ({"foo": 1, "bar": 2}, 'Unrecognised terms [{<<"bar">>,2},{<<"foo">>,1}] in p'),
    ],
)
def test_other_terms_that_are_refused(more: dict[str, object], line: str) -> None:
    assert refusal(policy_of({"expires": 1}, **more)) == [line]


@pytest.mark.parametrize("apply_to", ["classic_queues", "quorum_queues", "streams", "x"])
def test_where_policies_know_no_types_of_queues(apply_to: str) -> None:
    (line,) = refusal(policy_of({"expires": 1}, **{"apply-to": apply_to}), profile=OLD)
    assert line == f"apply-to '{apply_to}' unrecognised; should be 'queues', 'exchanges' or 'all'"


def test_everything_wrong_is_told_at_once() -> None:
    lines = refusal(policy_of({"max-length": -1}, pattern="(", priority="x", **{"apply-to": "z"}))
    assert [line.split(" ")[0] for line in lines] == ["-1", "apply-to", "pattern", "priority"]


def test_what_is_missing_is_told() -> None:
    keys = ("definition", "pattern", "priority")
    empty: list[object] = [{}, []]
    for nothing in empty:
        assert refusal(nothing) == [f'Key "{key}" not found in p' for key in keys]


@pytest.mark.parametrize(
    ("definition", "line"),
    [
        (
            {"delayed-retry-type": "x"},
            '<<"x">> is not a valid delayed retry type. Must be one of: all, failed, returned, disabled',
        ),
        (
            {"delayed-retry-min": 0},
            "0 is not a valid delayed retry minimum delay. Must be a positive integer",
        ),
        ({"delayed-retry-type": "all"}, "delayed-retry-min is required when delayed-retry-type is all"),
        (
            {"delayed-retry-min": 5, "delayed-retry-max": 4},
            "delayed-retry-max (4) must not be smaller than delayed-retry-min (5)",
        ),
    ],
)
def test_delayed_retry(definition: dict[str, object], line: str) -> None:
    assert refusal(policy_of(definition), profile=PROFILES["rabbitmq-4.3"]) == [line]
    assert "not recognised" in refusal(policy_of(definition))[0]


def test_operator_policies_may_say_less() -> None:
    assert refusal(policy_of({"foo": 1}), operator=True) == ['[{<<"foo">>,1}] are not recognised policy settings']
    (line,) = refusal(policy_of({"overflow": "drop-head"}), operator=True, profile=OLD)
    assert line == '[{<<"overflow">>,<<"drop-head">>}] are not recognised policy settings'
    assert refusal(policy_of({"dead-letter-exchange": "x", "max-length": -1}), operator=True) == [
        "-1 is not a valid maximum length"
    ]
    for key in policy_keys(OLD, operator=True):
        assert check_policy("p", policy_of({key: 1}), OLD, operator=True).definition == {key: 1}


# --- which one counts


def policies(*given: Policy) -> Policies:
    found = Policies()
    for policy in given:
        found.put(policy)
    return found


def policy(name: str, pattern: str = "", priority: float = 0, apply_to: str = "all", **definition: Any) -> Policy:  # noqa: ANN401
    keys = {key.replace("_", "-"): value for key, value in definition.items()} or {"max-length-bytes": 1}
    return Policy(name, pattern, apply_to, priority, keys)


def matched(found: Policies, kind: str, name: str) -> str | None:
    match = found.match(kind, name)
    return match and match.name


def test_a_pattern_is_searched_for_anywhere() -> None:
    found = policies(policy("p", "b.d"))
    assert matched(found, "classic", "abcde") == "p"
    assert matched(found, "classic", "bd") is None
    assert matched(policies(policy("p", "^b")), "classic", "ab") is None


def test_the_highest_priority_counts_and_of_equals_the_first_name() -> None:
    given = [
        policy("low", priority=1),
        policy("b", priority=2.5),
        policy("a", priority=2.5),
        policy("minus", priority=-1),
    ]
    assert [each.name for each in policies(*given)] == ["a", "b", "low", "minus"]
    assert matched(policies(*reversed(given)), "classic", "q") == "a"


def test_a_policy_takes_the_place_of_one_with_its_name() -> None:
    found = policies(policy("p", "a"), policy("p", "b"))
    assert [each.pattern for each in found] == ["b"]
    found.remove("p")
    assert list(found) == []


@pytest.mark.parametrize("apply_to", APPLY_TO)
def test_apply_to(apply_to: str) -> None:
    found = policies(policy("p", apply_to=apply_to))
    assert {kind for kind in APPLY_TO["all"] if found.match(kind, "x")} == APPLY_TO[apply_to]


@pytest.mark.parametrize(
    ("key", "value", "kinds"),
    [
        ("max_length", 1, {"classic", "quorum"}),
        ("expires", 1, {"classic", "quorum"}),
        ("max_length_bytes", 1, {"classic", "quorum", "stream"}),
        ("delivery_limit", 1, {"quorum"}),
        ("dead_letter_strategy", "at-least-once", {"quorum"}),
        ("queue_mode", "lazy", {"classic"}),
        ("ha_mode", "all", {"classic"}),
        ("queue_master_locator", "random", {"classic"}),
        ("max_age", "1D", {"stream"}),
        ("queue_leader_locator", "balanced", {"quorum", "stream"}),
        ("alternate_exchange", "x", {"classic", "quorum", "stream"}),
        ("federation_upstream", "x", {"classic", "quorum", "stream"}),
    ],
)
def test_a_policy_with_a_key_that_a_type_cannot_have_is_not_for_it(key: str, value: str, kinds: set[str]) -> None:
    definition: dict[str, Any] = {key: value}
    found = policies(policy("p", **definition))
    assert {kind for kind in QUEUE_TYPES_KNOWN if found.match(kind, "x")} == kinds
    assert matched(found, "exchange", "x") == "p"


def test_the_next_policy_counts_where_the_first_does_not_apply() -> None:
    found = policies(policy("quorum", priority=1, delivery_limit=1), policy("any"))
    assert (matched(found, "classic", "q"), matched(found, "quorum", "q")) == ("any", "quorum")
