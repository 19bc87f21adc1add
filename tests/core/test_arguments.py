"""The table of arguments: every row's values, what is compared when a queue is declared again, and what policies do."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amqpy.core.argument_validators import EXPIRY_MAX_MS
from amqpy.core.arguments import (
    NO_SETTINGS,
    NOT_OF_PUBLISH,
    POLICY_KEYS,
    POLICY_ONLY,
    QUEUE_OPTIONS,
    Option,
    Settings,
    check_consumer_arguments,
    check_queue_arguments,
    compared_arguments,
    merged,
    options_of,
    settings_of,
)
from amqpy.core.queues.classic import ClassicQueue
from amqpy.errors import AmqpFault, PreconditionFailed
from amqpy.profile import PROFILES
from amqpy.wire.values import INTEGER_KINDS, Field, Table, array_field, table_field
from tests.core.core_harness import CoreHarness, arguments, integer, longstr

WHAT = "queue 'q' in vhost '/'"
VERSION = "rabbitmq-3.10"
PROFILE = PROFILES[VERSION]

VALUES: dict[str, Field] = {
    "byte": Field("byte", 1),
    "unsignedbyte": Field("unsignedbyte", 1),
    "short": Field("short", 1),
    "unsignedshort": Field("unsignedshort", 1),
    "signedint": Field("signedint", 1),
    "unsignedint": Field("unsignedint", 1),
    "long": Field("long", 1),
    "timestamp": Field("timestamp", 1),
    "float": Field("float", 1.0),
    "double": Field("double", 1.0),
    "decimal": Field("decimal", (0, 1)),
    "longstr": longstr("1"),
    "binary": Field("binary", b"1"),
    "bool": Field("bool", True),
    "void": Field("void", None),
    "table": table_field({}),
    "array": array_field([]),
}

INTEGERS = {
    "x-expires": (1, EXPIRY_MAX_MS),
    "x-message-ttl": (0, EXPIRY_MAX_MS),
    "x-max-length": (0, None),
    "x-max-length-bytes": (0, None),
    "x-max-priority": (0, 255),
    "x-queue-version": (1, 2),
    "x-max-in-memory-length": (0, None),
    "x-max-in-memory-bytes": (0, None),
    "x-quorum-initial-group-size": (1, None),
}
TEXTS = {
    "x-dead-letter-strategy": (("at-most-once", "at-least-once"), "invalid_dlx_strategy"),
    "x-overflow": (("drop-head", "reject-publish", "reject-publish-dlx"), "invalid_overflow"),
    "x-queue-mode": (("default", "lazy"), "\"unsupported queue mode '~'\""),
    "x-queue-leader-locator": (("client-local", "balanced", "random", "least-leaders"), "invalid_queue_locator_arg"),
}
BY_QUORUM = {name for name in (*INTEGERS, *TEXTS) if name not in compared_arguments("classic", PROFILE)}


def term_of(name: str, field: Field, **others: str) -> str | None:
    """The error term for an argument's value; None: it is taken."""
    kind = "quorum" if name in BY_QUORUM else "classic"
    try:
        check_queue_arguments(WHAT, {**arguments(queue_type=kind, **others), name: field}, "classic", PROFILE)
    except PreconditionFailed as fault:
        return fault.text.removeprefix(f"invalid arg '{name}' for {WHAT}: ")
    return None


@pytest.mark.parametrize("kind", VALUES)
@pytest.mark.parametrize("name", INTEGERS)
def test_the_types_of_integers(name: str, kind: str) -> None:
    expected = None if kind in INTEGER_KINDS else f'"expected integer, got {kind}"'
    assert term_of(name, VALUES[kind]) == expected


@pytest.mark.parametrize("name", INTEGERS)
def test_the_bounds_of_integers(name: str) -> None:
    low, high = INTEGERS[name]
    assert term_of(name, integer(low)) is None
    assert term_of(name, integer(-1)) == "{value_negative,-1}"
    if high is None:
        assert term_of(name, integer(2**63 - 1)) is None
    else:
        assert term_of(name, integer(high)) is None
        too_much = {
            "x-max-priority": "{max_value_exceeded,256}",
            "x-queue-version": "\"unsupported queue version '3'\"",
        }.get(name, f"{{value_too_large,{high + 1}}}")
        assert term_of(name, integer(high + 1)) == too_much
    if low:
        zero = "\"unsupported queue version '0'\"" if name == "x-queue-version" else "{value_zero,0}"
        assert term_of(name, integer(0)) == zero


@pytest.mark.parametrize("kind", VALUES)
@pytest.mark.parametrize("name", [*TEXTS, "x-dead-letter-routing-key"])
def test_the_types_of_texts(name: str, kind: str) -> None:
    if kind != "longstr":
        assert term_of(name, VALUES[kind]) == f"{{unacceptable_type,{kind}}}"


@pytest.mark.parametrize("name", TEXTS)
def test_the_values_of_texts(name: str) -> None:
    values, otherwise = TEXTS[name]
    assert [term_of(name, longstr(value)) for value in values] == [None] * len(values)
    for value in ("", values[0].upper(), f"{values[0]} "):
        assert term_of(name, longstr(value)) == otherwise.replace("~", value)


def test_a_dead_letter_routing_key_needs_an_exchange() -> None:
    name = "x-dead-letter-routing-key"
    assert term_of(name, longstr("k")) == "routing_key_but_no_dlx_defined"
    assert term_of(name, longstr("k"), dead_letter_exchange="") is None


@pytest.mark.parametrize("kind", VALUES)
def test_the_types_of_a_single_active_consumer(kind: str) -> None:
    expected = None if kind == "bool" else f"{{unacceptable_type,{kind}}}"
    assert term_of("x-single-active-consumer", VALUES[kind]) == expected


@pytest.mark.parametrize("name", ["x-queue-master-locator", "x-unknown", "X-Message-TTL"])
@pytest.mark.parametrize("kind", VALUES)
def test_arguments_that_take_anything(name: str, kind: str) -> None:
    assert term_of(name, VALUES[kind]) is None


@pytest.mark.parametrize("value", ["", "Classic", "undefined", "default", "quorum "])
def test_queue_types_that_are_none(value: str) -> None:
    with pytest.raises(PreconditionFailed) as caught:
        check_queue_arguments(WHAT, arguments(queue_type=value), "classic", PROFILE)
    assert caught.value.text == f"invalid arg 'x-queue-type' for {WHAT}: \"unsupported queue type '{value}'\""


@pytest.mark.parametrize("kind", ["classic", "quorum", "stream"])
def test_arguments_of_other_types_are_refused_whatever_their_value(kind: str) -> None:
    for option in options_of(PROFILE):
        if not option.by or kind in option.by:
            continue
        with pytest.raises(PreconditionFailed) as caught:
            check_queue_arguments(
                WHAT, {option.argument: Field("void", None), **arguments(queue_type=kind)}, "classic", PROFILE
            )
        assert caught.value.text == f"invalid arg '{option.argument}' for {WHAT} of queue type rabbit_{kind}_queue"


def test_the_first_fault_is_told_in_the_order_of_the_table() -> None:
    wrong = {"x-overflow": integer(1), "x-delivery-limit": integer(1), "x-message-ttl": integer(-1)}
    with pytest.raises(PreconditionFailed, match="x-message-ttl"):
        check_queue_arguments(WHAT, wrong, "classic", PROFILE)
    del wrong["x-message-ttl"]
    with pytest.raises(PreconditionFailed, match="x-overflow"):
        check_queue_arguments(WHAT, wrong, "classic", PROFILE)


@pytest.mark.parametrize("kind", VALUES)
def test_the_priority_of_a_consumer(kind: str) -> None:
    if kind in INTEGER_KINDS:
        assert check_consumer_arguments(WHAT, "classic", {"x-priority": VALUES[kind]}, PROFILE) == 1
        return
    with pytest.raises(PreconditionFailed) as caught:
        check_consumer_arguments(WHAT, "classic", {"x-priority": VALUES[kind]}, PROFILE)
    assert caught.value.text == f"invalid arg 'x-priority' for {WHAT}: \"expected integer, got {kind}\""


# --- declaring again


def difference(first: Table, then: Table) -> str | None:
    """What is told to who declares the queue once more; None: it is the same."""
    core = CoreHarness(VERSION)
    core.queue("q", arguments=first)
    try:
        core.queue("q", arguments=then)
    except AmqpFault as fault:
        return fault.text.removeprefix("inequivalent arg ")
    return None


@pytest.mark.parametrize("name", ["x-expires", "x-message-ttl", "x-max-length", "x-max-length-bytes", "x-max-priority"])
def test_integers_are_equal_by_value(name: str) -> None:
    for kind in sorted(INTEGER_KINDS):
        assert difference({name: integer(5)}, {name: Field(kind, 5)}) is None
    assert difference({name: integer(5)}, {name: Field("timestamp", 5)}) is None
    assert difference({name: integer(5)}, {name: integer(6)}) == f"'{name}' for {WHAT}: received '6' but current is '5'"
    assert difference({name: integer(5)}, {}) == (
        f"'{name}' for {WHAT}: received none but current is the value '5' of type 'signedint'"
    )
    assert difference({}, {name: integer(5)}) == (
        f"'{name}' for {WHAT}: received the value '5' of type 'signedint' but current is none"
    )
    assert difference({name: integer(5)}, {name: Field("void", None)}) == (
        f"'{name}' for {WHAT}: received none but current is '5'"
    )
    assert difference({name: integer(5)}, {name: Field("double", 5.0)}) == (
        f"'{name}' for {WHAT}: received '5.0' but current is '5'"
    )


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (arguments(overflow="drop-head"), {"x-overflow": Field("binary", b"drop-head")}),
        ({}, arguments(queue_type="classic")),
        (arguments(queue_type="classic"), {}),
        (arguments(unknown=1), arguments(unknown=2)),
        (arguments(unknown=1), {}),
        ({}, arguments(delivery_limit=1)),
    ],
)
def test_what_makes_no_difference(first: Table, then: Table) -> None:
    assert difference(first, then) is None


def test_the_first_difference_is_told_in_the_order_of_the_table() -> None:
    first = arguments(max_length=1, overflow="drop-head", message_ttl=5)
    then = arguments(overflow="reject-publish", max_length=2, message_ttl=5)
    told = difference(first, then)
    assert told is not None
    assert told.startswith("'x-max-length'")


# --- what it comes to

LEAST = {
    option.name: option
    for option in QUEUE_OPTIONS
    if option.merge == "least" and option.setting and not (option.policy and option.policy.greatest)
}
NUMBERS = st.dictionaries(st.sampled_from(sorted(LEAST)), st.integers(1, 1000))


@given(NUMBERS, NUMBERS, NUMBERS)
def test_no_limit_is_ever_exceeded(argument: dict[str, int], policy: dict[str, int], operator: dict[str, int]) -> None:
    settings = settings_of({f"x-{name}": integer(value) for name, value in argument.items()}, merged(policy, operator))
    for name, option in LEAST.items():
        said = [source[name] for source in (argument, policy, operator) if name in source]
        assert getattr(settings, option.setting or "") == min(said, default=None)


OTHERS = {
    option.name: option
    for option in QUEUE_OPTIONS
    if option.setting and option.policy is not None and option.merge == "argument"
}


def values_of(option: Option) -> st.SearchStrategy[object]:
    is_switch = isinstance(Settings._field_defaults[option.setting or ""], bool)
    return st.booleans() if is_switch else st.sampled_from(["one", "two"])


SAID = st.fixed_dictionaries({}, optional={name: values_of(option) for name, option in OTHERS.items()})


@given(SAID, SAID, SAID)
def test_arguments_win_over_policies(
    argument: dict[str, object], policy: dict[str, object], operator: dict[str, object]
) -> None:
    fields = {name: Field("bool" if isinstance(value, bool) else "longstr", value) for name, value in argument.items()}
    settings = settings_of({f"x-{name}": field for name, field in fields.items()}, merged(policy, operator))
    for name, option in OTHERS.items():
        said = [source[name] for source in (argument, operator, policy) if name in source]
        default = Settings._field_defaults[option.setting or ""]
        assert getattr(settings, option.setting or "") == (said[0] if said else default)


def test_delayed_retry_is_merged_as_its_version_of_rabbitmq_does() -> None:
    """A policy decides whether, and the shorter times hold; but an operator may ask for a longer least one."""
    said = {"x-delayed-retry-type": longstr("all"), "x-delayed-retry-min": integer(50)}
    policy = {"delayed-retry-type": "failed", "delayed-retry-min": 20, "delayed-retry-max": 90}
    operator = {"delayed-retry-type": "disabled", "delayed-retry-min": 30, "delayed-retry-max": 70}
    one = settings_of(said, policy)
    assert (one.retry_type, one.retry_min_ms, one.retry_max_ms) == ("failed", 20, 90)
    both = settings_of(said, merged(policy, operator))
    assert (both.retry_type, both.retry_min_ms, both.retry_max_ms) == ("disabled", 30, 70)


def test_nothing_said_is_a_plain_queue() -> None:
    assert settings_of({}, {}) == NO_SETTINGS
    assert settings_of({"x-unknown": integer(1)}, {"unknown": 1}) == NO_SETTINGS


def test_every_row_is_one_of_its_kind() -> None:
    names = [option.name for option in QUEUE_OPTIONS]
    assert len(names) == len(set(names))
    settings = [option.setting for option in QUEUE_OPTIONS if option.setting]
    assert sorted(settings) == sorted(Settings._fields)
    assert set(POLICY_KEYS) - set(POLICY_ONLY) <= set(names)


# --- the fast publish

CHANGED: dict[str, Any] = {
    "message_ttl_ms": 1000,
    "max_length": 5,
    "max_length_bytes": 50,
    "max_priority": 3,
    "deduplicates": True,
}
"""A value of each setting that concerns a publish."""


def test_every_setting_concerns_a_publish_or_is_listed() -> None:
    """Whoever adds a setting has to say which: one that is forgotten is on the careful side."""
    assert set(Settings._fields) - NOT_OF_PUBLISH == set(CHANGED)


@pytest.mark.parametrize("name", Settings._fields)
def test_a_setting_that_concerns_a_publish_takes_the_fast_one_away(name: str) -> None:
    queue = CoreHarness().queue("q")
    assert isinstance(queue, ClassicQueue)
    assert queue.has_fast_publish
    value: Any = CHANGED.get(name, "reject-publish" if name == "overflow" else 1000)
    queue.configure(NO_SETTINGS._replace(**{name: value}))
    assert queue.has_fast_publish is (name in NOT_OF_PUBLISH)
