"""The switches that act in the core, each in every profile."""

from collections.abc import Callable
from typing import Any

import pytest

from amqpy.core.exchanges import EXCHANGE_TYPES
from amqpy.core.message import AnnotatedMessage, address_of
from amqpy.core.publishing import publish
from amqpy.errors import AmqpFault, Denied, PreconditionFailed
from amqpy.profile import PROFILES
from amqpy.wire.values import Field, decode_table, encode_field
from tests.core.core_harness import (
    PERMISSIONS,
    CoreHarness,
    FakeClient,
    arguments,
    content_header,
    longstr,
    refusal,
)
from tests.profiles import switch

QUORUM = arguments(queue_type="quorum")


def level(operation: Callable[..., object], *values: object, **more: Any) -> str:  # noqa: ANN401
    with pytest.raises(AmqpFault) as caught:
        operation(*values, **more)
    return f"{caught.value.code} {type(caught.value).__mro__[1].__name__}"


def declared(core: CoreHarness, name: str = "q", **more: int | str | bool) -> str | None:
    return refusal(core.queue, name, durable=True, arguments=arguments(**more))


# --- permissions


@switch("names_permission", "", "configure ", "configure ", "configure ")
def test_refusals_name_the_permission(profile: str, expected: str) -> None:
    core = CoreHarness(profile)
    core.client.denied.add(("configure", "q"))
    assert declared(core) == f"{expected}access to queue 'q' in vhost '/' refused for user 'guest'"


@switch("passive_needs_permission", False, False, False, True)
def test_passive_declarations(profile: str, expected: bool) -> None:
    core = CoreHarness(profile)
    topology = core.broker.topology
    core.queue("q", durable=True)
    for name, check in {"q": topology.check_queue, "amq.topic": topology.check_exchange}.items():
        stranger = FakeClient("stranger")
        stranger.denied = {(verb, name) for verb in PERMISSIONS}
        kind = "queue" if name == "q" else "exchange"
        text = f"configure access to {kind} '{name}' in vhost '/' refused for user 'stranger'"
        assert refusal(check, stranger, core.vhost, name) == (text if expected else None)
        for verb in PERMISSIONS:
            stranger.denied = {(other, name) for other in PERMISSIONS if other != verb}
            check(stranger, core.vhost, name)


@switch("passive_needs_permission", False, False, False, True)
def test_who_may_do_nothing_does_not_learn_what_is_there(profile: str, expected: bool) -> None:
    core = CoreHarness(profile)
    core.client.denied = {(verb, "no") for verb in PERMISSIONS}
    assert level(core.broker.topology.check_queue, core.client, core.vhost, "no") == (
        "403 ChannelFault" if expected else "404 ChannelFault"
    )


@switch("judges_copies", None, None, "b", "b")
def test_topic_permissions_for_copies(profile: str, expected: str | None) -> None:
    core = CoreHarness(profile)
    core.client.denied_topics = {("write", "amq.topic", "b"), ("write", "amq.direct", "c")}
    for exchange, keys in {"amq.topic": ("a", "b"), "amq.direct": ("a", "c")}.items():
        message = AnnotatedMessage(address_of(exchange, "k"), content_header(), b"m", more_keys=keys)
        refused = refusal(publish, core.client, core.vhost, exchange, "k", message)
        where = "in exchange 'amq.topic' in vhost '/' refused for user 'guest'"
        text = f"write access to topic '{expected}' {where}" if expected and exchange == "amq.topic" else None
        assert refused == text


# --- exchanges


@switch(
    "unknown_type_closes_channel", "503 ConnectionFault", "406 ChannelFault", "406 ChannelFault", "406 ChannelFault"
)
def test_unknown_exchange_types(profile: str, expected: str) -> None:
    core = CoreHarness(profile)
    assert level(core.exchange, "x", "x-new") == expected
    inner = {"x-delayed-type": longstr("x-new")}
    assert level(core.exchange, "x", "x-delayed-message", arguments=inner) == expected
    assert "x-new" not in EXCHANGE_TYPES


VOLATILE = "cannot bind or unbind to a volatile (direct reply-to) queue"


@switch("binds_reply_queues", (True, None), (True, None), (True, None), (False, VOLATILE))
def test_bindings_of_reply_queues(profile: str, expected: tuple[bool, str | None]) -> None:
    may_try, unbinding = expected
    core = CoreHarness(profile)
    name = "amq.rabbitmq.reply-to.abc"
    bound = refusal(core.bind, name, "amq.direct")
    assert bound == (f"no queue '{name}' in vhost '/'" if may_try else VOLATILE)
    assert refusal(core.unbind, name, "amq.direct") == unbinding


@switch("topic_hashes_max", None, None, None, "Topic binding key '#.a.#.#' uses 3 '#' wildcards, at most 2 are allowed")
def test_topic_keys_with_many_hashes(profile: str, expected: str | None) -> None:
    core = CoreHarness(profile)
    core.queue("q", durable=True)
    core.bind("q", "amq.topic", "#.#.a#")
    assert refusal(core.bind, "q", "amq.topic", "#.a.#.#") == expected
    assert refusal(core.bind_exchange, "amq.fanout", "amq.topic", "#.a.#.#") == expected
    core.bind("q", "amq.direct", "#.#.#")
    core.unbind("q", "amq.topic", "#.a.#.#")


@switch("headers_by_type", True, False, False, False)
def test_headers_of_equal_numbers(profile: str, expected: bool) -> None:
    core = CoreHarness(profile)
    core.queue("q", durable=True)
    core.bind("q", "amq.headers", "", {"a": Field("byte", 1)})
    assert bool(core.routed("amq.headers", "", {"a": Field("double", 1.0)})) is expected
    assert core.routed("amq.headers", "", {"a": Field("long", 1)}) == {"q"}
    core.unbind("q", "amq.headers", "", {"a": Field("byte", 1)})
    assert not core.routed("amq.headers", "", {"a": Field("long", 1)})


@switch("headers_as_map", True, False, False, False)
def test_headers_that_come_twice(profile: str, expected: bool) -> None:
    """The first is compared with the first, or the last with any."""
    core = CoreHarness(profile)
    core.queue("q", durable=True)
    one, two = Field("long", 1), Field("long", 2)
    core.bind("q", "amq.headers", "", {"a": one})
    twice = decode_table(b"".join(b"\x01a" + encode_field(field) for field in (one, two)))
    assert bool(core.routed("amq.headers", "", twice)) is expected
    core.unbind("q", "amq.headers", "", {"a": one})
    core.bind("q", "amq.headers", "", twice)
    assert bool(core.routed("amq.headers", "", twice)) is expected
    core.unbind("q", "amq.headers", "", twice)
    core.bind("q", "amq.headers", "", {"x-match": longstr("any"), **decode_table(b"\x01b" + encode_field(two))})
    assert core.routed("amq.headers", "", decode_table(b"\x01b" + encode_field(two))) == {"q"}


@switch("headers_as_map", {"seconds", "number"}, *[{"milliseconds"}] * 3)
def test_headers_that_are_timestamps(profile: str, expected: set[str]) -> None:
    core = CoreHarness(profile)
    values = {
        "seconds": Field("timestamp", 5),
        "number": Field("long", 5),
        "milliseconds": Field("long", 5000),
    }
    for name, field in values.items():
        core.queue(name, durable=True)
        core.bind(name, "amq.headers", "", {"a": field})
    assert core.routed("amq.headers", "", {"a": Field("timestamp", 5)}) == expected


# --- queues


@switch("transient_queues", True, True, True, True)
def test_transient_queues(profile: str, expected: bool) -> None:
    core = CoreHarness(profile)
    core.queue("transient")
    assert ("transient" in core.vhost.queues) is expected


@pytest.mark.parametrize("profile", PROFILES)
def test_transient_queues_that_are_not_permitted(profile: str) -> None:
    core = CoreHarness(profile, deprecated_features_permit_transient_nonexcl_queues=False)
    core.queue("durable", durable=True)
    core.queue("exclusive", exclusive=True)
    with pytest.raises(Denied) as caught:
        core.queue("transient")
    assert caught.value.code == 541
    with pytest.raises(Denied):
        core.queue("q", arguments=QUORUM)
    with pytest.raises(PreconditionFailed):
        core.queue("q", arguments=arguments(queue_type="quorum", max_length="many"))
    assert core.vhost.queues.keys() == {"durable", "exclusive"}


def test_transient_quorum_queues() -> None:
    with pytest.raises(PreconditionFailed):
        CoreHarness("rabbitmq-3.13").queue("q", arguments=QUORUM)


@switch(
    "lacking_options",
    {"consumer-timeout", "consumer-disconnected-timeout", "stream-filter-size-bytes", "target-group-size"},
    {"consumer-disconnected-timeout"},
    {"consumer-disconnected-timeout"},
    set(),
)
def test_policy_keys_that_older_versions_lack(profile: str, expected: set[str]) -> None:
    ask = CoreHarness(profile).broker.administration
    keys = {
        "consumer-timeout": 0,
        "consumer-disconnected-timeout": 5,
        "stream-filter-size-bytes": 16,
        "target-group-size": 1,
    }
    refused = {key for key, value in keys.items() if refusal(ask.set_policy, "/", "p", "", {key: value})}
    assert refused == expected


@pytest.mark.parametrize(
    ("definition", "text"),
    [
        ({"consumer-timeout": -1}, "-1 is not a valid consumer timeout"),
        ({"consumer-disconnected-timeout": "a"}, '<<"a">> is not a valid consumer disconnected timeout'),
        ({"stream-filter-size-bytes": 15}, "15 is not a valid filter size. Valid range is 16-255"),
        ({"target-group-size": 0}, "0 is not a valid qq target count value"),
        ({"target-group-size": "3"}, '<<"3">> is not a valid qq target count value'),
        ({"stream-filter-size-bytes": 256}, "256 is not a valid filter size. Valid range is 16-255"),
    ],
)
def test_values_of_the_newer_policy_keys(definition: dict[str, object], text: str) -> None:
    ask = CoreHarness("rabbitmq-4").broker.administration
    said = refusal(ask.set_policy, "/", "p", "", definition)
    assert said == f"Validation failed\n\n{text}\n"


@switch(
    "lacking_options",
    None,
    "of queue type rabbit_classic_queue",
    "of queue type rabbit_classic_queue",
    "of queue type rabbit_classic_queue",
)
def test_arguments_of_streams_that_older_versions_lack(profile: str, expected: str | None) -> None:
    text = declared(CoreHarness(profile), stream_filter_size_bytes=16)
    assert text == (expected and f"invalid arg 'x-stream-filter-size-bytes' for queue 'q' in vhost '/' {expected}")


@switch("lacking_options", None, 5, 5, None)
def test_the_consumer_timeout_of_a_classic_queue(profile: str, expected: int | None) -> None:
    core = CoreHarness(profile)
    if profile != "rabbitmq-4.3":
        assert core.queue("q", arguments=arguments(consumer_timeout=5)).settings.consumer_timeout_ms == expected
        assert declared(core, "any", consumer_timeout="what") is None


@switch("quorum_options", False, False, False, True)
def test_settings_of_quorum_queues_only(profile: str, expected: bool) -> None:
    core = CoreHarness(profile)
    values: dict[str, int | str] = {
        "consumer_timeout": 5,
        "consumer_disconnected_timeout": 5,
        "delayed_retry_type": "all",
        "delayed_retry_min": 5,
        "delayed_retry_max": 5,
    }
    for key, value in values.items():
        argument = f"x-{key.replace('_', '-')}"
        text = f"invalid arg '{argument}' for queue '{key}' in vhost '/' of queue type rabbit_classic_queue"
        assert declared(core, key, **{key: value}) == (text if expected else None)
        assert declared(core, f"{key} 2", queue_type="quorum", **{key: value}) is None
        text = (
            f"inequivalent arg '{argument}' for queue '{key} 2' in vhost '/': "
            f"received none but current is the value '{value}' of type '{'longstr' if value == 'all' else 'signedint'}'"
        )
        assert declared(core, f"{key} 2", queue_type="quorum") == (text if expected else None)


@switch(
    "quorum_options",
    None,
    None,
    None,
    "invalid arg 'x-consumer-timeout' for queue 'q' in vhost '/': {value_negative,-1}",
)
def test_values_of_settings_of_quorum_queues(profile: str, expected: str | None) -> None:
    assert declared(CoreHarness(profile), queue_type="quorum", consumer_timeout=-1) == expected


@switch(
    "classic_options",
    "invalid arg 'x-queue-leader-locator' for queue 'q' in vhost '/' of queue type rabbit_classic_queue",
    "invalid arg 'x-queue-leader-locator' for queue 'q' in vhost '/' of queue type rabbit_classic_queue",
    None,
    None,
)
def test_settings_that_classic_queues_have_too(profile: str, expected: str | None) -> None:
    core = CoreHarness(profile)
    assert declared(core, queue_leader_locator="balanced") == expected
    assert declared(core, "q2", queue_leader_locator="here") is not None
    if expected is None:
        text = declared(core, queue_leader_locator="client-local")
        assert text is not None
        assert text.startswith("inequivalent arg 'x-queue-leader-locator'")


@switch("not_classic_keys", 1, 1, 2, 2)
def test_policies_that_classic_queues_do_not_understand(profile: str, expected: int) -> None:
    """How long a queue may become that has a policy with such a key."""
    core = CoreHarness(profile)
    core.broker.administration.set_policy("/", "p", "", {"max-in-memory-length": 1, "max-length": 1})
    core.queue("q", durable=True)
    core.publish("", "q", "1", "2")
    assert core.vhost.queues["q"].ready_count == expected


@switch("classic_options", 2, 2, 1, 1)
def test_policies_that_classic_queues_understand(profile: str, expected: int) -> None:
    core = CoreHarness(profile)
    core.broker.administration.set_policy("/", "p", "", {"queue-leader-locator": "balanced", "max-length": 1})
    core.queue("q", durable=True)
    core.publish("", "q", "1", "2")
    assert core.vhost.queues["q"].ready_count == expected


@switch("more_locators", "invalid_queue_locator_arg", "invalid_queue_locator_arg", None, None)
def test_locators(profile: str, expected: str | None) -> None:
    core = CoreHarness(profile)
    said = declared(core, queue_type="quorum", queue_leader_locator="min-masters")
    assert said == (expected and f"invalid arg 'x-queue-leader-locator' for queue 'q' in vhost '/': {expected}")
    assert declared(core, queue_type="quorum", queue_leader_locator="max-masters") is not None


@switch("types_that_are_none", set(), {"undefined"}, {"undefined"}, {"undefined", ""})
def test_a_type_that_is_none(profile: str, expected: set[str]) -> None:
    core = CoreHarness(profile)
    taken = {kind for kind in ("undefined", "", "mqtt") if declared(core, f"a {kind}", queue_type=kind) is None}
    assert taken == expected
    assert {queue.type for queue in core.vhost.queues.values()} <= {"classic"}


@switch("master_locator_denied", *[None] * 3, "By default, this feature is not permitted anymore")
def test_the_master_locator(profile: str, expected: str | None) -> None:
    said = declared(CoreHarness(profile), queue_master_locator="min-masters")
    assert (said is None) if expected is None else (expected in str(said))
    allowed, denied = (
        CoreHarness(profile, deprecated_features_permit_queue_master_locator=permitted) for permitted in (True, False)
    )
    assert declared(allowed, queue_master_locator="min-masters") is None
    said = declared(denied, queue_master_locator="min-masters")
    assert said is not None
    assert (expected or "deprecated_features.permit.queue_master_locator = false") in said


@switch("limits_come_last", "queue limit", "queue limit", "invalid arg", "invalid arg")
def test_a_queue_too_many_with_a_wrong_argument(profile: str, expected: str) -> None:
    core = CoreHarness(profile)
    core.broker.administration.set_vhost_limits("/", {"max-queues": 0})
    assert expected in str(declared(core, max_length="many"))
    assert "queue limit" in str(declared(core))


@switch("counts_missing_queues", 3, 1, 1, 1)
def test_messages_for_queues_that_there_are_not(profile: str, expected: int) -> None:
    core = CoreHarness(profile)
    core.queue("q")
    for routing_key in ("q", "nope", "nope"):
        core.publish("", routing_key, "m")
    exchange = core.vhost.exchanges[""]
    core.vhost.settle_counts(exchange)
    assert (exchange.published_in, exchange.published_out) == (3, expected)


@switch("hash_weight_max", None, None, None, "The binding key must not exceed 10000")
def test_a_heavy_binding(profile: str, expected: str | None) -> None:
    core = CoreHarness(profile)
    core.exchange("x", "x-consistent-hash")
    core.queue("q", durable=True)
    assert refusal(core.bind, "q", "x", "10000") is None
    assert refusal(core.bind, "q", "x", "10001") == expected


@switch("checks_queue_mode", True, True, True, False)
def test_queue_modes(profile: str, expected: bool) -> None:
    core = CoreHarness(profile)
    text = "invalid arg 'x-queue-mode' for queue 'q' in vhost '/': \"unsupported queue mode 'fast'\""
    assert declared(core, queue_mode="fast") == (text if expected else None)
    assert declared(core, "lazy", queue_mode="lazy") is None
    assert (declared(core, "5", queue_mode=5) is not None) is expected


@switch("queue_versions", [1, 2], [1, 2], [1, 2], [2])
def test_queue_versions(profile: str, expected: list[int]) -> None:
    core = CoreHarness(profile)
    assert [value for value in range(4) if declared(core, f"{value}", queue_version=value) is None] == expected
    for value in {*range(4)} - {*expected}:
        text = f"invalid arg 'x-queue-version' for queue 'q' in vhost '/': \"unsupported queue version '{value}'\""
        assert declared(core, queue_version=value) == text


@switch("default_type_or_classic", None, "classic", "classic", "classic")
def test_queues_that_do_not_fit_the_default_type(profile: str, expected: str | None) -> None:
    core = CoreHarness(profile)
    core.broker.administration.add_vhost("/", default_queue_type="quorum")
    for queue in core.queue("a", exclusive=True), core.queue("b", durable=True, auto_delete=True):
        field = queue.arguments.get("x-queue-type")
        assert (field and field.value) == expected
    assert core.queue("c", durable=True).type == "quorum"


@switch("always_names_type", None, None, "classic", "classic")
def test_queues_without_a_default_type(profile: str, expected: str | None) -> None:
    core = CoreHarness(profile)
    field = core.queue("q", durable=True).arguments.get("x-queue-type")
    assert (field and field.value) == expected
    assert declared(core) is None
    assert declared(core, queue_type="classic") is None
