"""The switches that act in the core, each in every profile."""

from collections.abc import Callable
from typing import Any

import pytest

from amqpy.core.events.events import EVENT_EXCHANGE
from amqpy.core.exchanges import EXCHANGE_TYPES
from amqpy.core.ledger import Ledger
from amqpy.core.message import Message, TracedMessage
from amqpy.errors import AdministrationError, AmqpFault, Denied, PreconditionFailed
from amqpy.profile import PROFILES
from amqpy.sizes import Limit
from amqpy.wire.properties import decode_properties
from amqpy.wire.values import Field, Table, array_field, decode_array, decode_table, encode_field, table_field
from tests.core.told import Listener
from tests.core.world import PERMISSIONS, FakeClient, FakeRecipient, World, arguments, content_header, longstr
from tests.profiles import switch

QUORUM = arguments(queue_type="quorum")


def refusal(operation: Callable[..., object], *values: object, **more: Any) -> str | None:  # noqa: ANN401
    """Why it is refused, if it is."""
    try:
        operation(*values, **more)
    except (AmqpFault, AdministrationError) as fault:
        return fault.text
    return None


def level(operation: Callable[..., object], *values: object, **more: Any) -> str:  # noqa: ANN401
    with pytest.raises(AmqpFault) as caught:
        operation(*values, **more)
    return f"{caught.value.code} {type(caught.value).__mro__[1].__name__}"


def declared(world: World, name: str = "q", **more: int | str | bool) -> str | None:
    return refusal(world.queue, name, durable=True, arguments=arguments(**more))


def headers_of(message: Message | None) -> dict[str, Any]:
    assert message is not None
    headers: Table = decode_properties(message.header).get("headers", {})
    return {name: field.value for name, field in headers.items()}


# --- permissions


@switch("names_permission", "", "configure ", "configure ", "configure ")
def test_refusals_name_the_permission(profile: str, expected: str) -> None:
    world = World(profile)
    world.client.denied.add(("configure", "q"))
    assert declared(world) == f"{expected}access to queue 'q' in vhost '/' refused for user 'guest'"


@switch("passive_needs_permission", False, False, False, True)
def test_passive_declarations(profile: str, expected: bool) -> None:
    world = World(profile)
    topology = world.broker.topology
    world.queue("q", durable=True)
    for name, check in {"q": topology.check_queue, "amq.topic": topology.check_exchange}.items():
        stranger = FakeClient("stranger")
        stranger.denied = {(verb, name) for verb in PERMISSIONS}
        kind = "queue" if name == "q" else "exchange"
        text = f"configure access to {kind} '{name}' in vhost '/' refused for user 'stranger'"
        assert refusal(check, stranger, world.vhost, name) == (text if expected else None)
        for verb in PERMISSIONS:
            stranger.denied = {(other, name) for other in PERMISSIONS if other != verb}
            check(stranger, world.vhost, name)


@switch("passive_needs_permission", False, False, False, True)
def test_who_may_do_nothing_does_not_learn_what_is_there(profile: str, expected: bool) -> None:
    world = World(profile)
    world.client.denied = {(verb, "no") for verb in PERMISSIONS}
    assert level(world.broker.topology.check_queue, world.client, world.vhost, "no") == (
        "403 ChannelFault" if expected else "404 ChannelFault"
    )


# --- exchanges


@switch(
    "unknown_type_closes_channel", "503 ConnectionFault", "406 ChannelFault", "406 ChannelFault", "406 ChannelFault"
)
def test_unknown_exchange_types(profile: str, expected: str) -> None:
    world = World(profile)
    assert level(world.exchange, "x", "x-new") == expected
    inner = {"x-delayed-type": longstr("x-new")}
    assert level(world.exchange, "x", "x-delayed-message", arguments=inner) == expected
    assert "x-new" not in EXCHANGE_TYPES


VOLATILE = "cannot bind or unbind to a volatile (direct reply-to) queue"


@switch("binds_reply_queues", (True, None), (True, None), (True, None), (False, VOLATILE))
def test_bindings_of_reply_queues(profile: str, expected: tuple[bool, str | None]) -> None:
    may_try, unbinding = expected
    world = World(profile)
    name = "amq.rabbitmq.reply-to.abc"
    bound = refusal(world.bind, name, "amq.direct")
    assert bound == (f"no queue '{name}' in vhost '/'" if may_try else VOLATILE)
    assert refusal(world.unbind, name, "amq.direct") == unbinding


@switch("topic_hashes_max", None, None, None, "Topic binding key '#.a.#.#' uses 3 '#' wildcards, at most 2 are allowed")
def test_topic_keys_with_many_hashes(profile: str, expected: str | None) -> None:
    world = World(profile)
    world.queue("q", durable=True)
    world.bind("q", "amq.topic", "#.#.a#")
    assert refusal(world.bind, "q", "amq.topic", "#.a.#.#") == expected
    assert refusal(world.bind_exchange, "amq.fanout", "amq.topic", "#.a.#.#") == expected
    world.bind("q", "amq.direct", "#.#.#")
    world.unbind("q", "amq.topic", "#.a.#.#")


@switch("headers_by_type", True, False, False, False)
def test_headers_of_equal_numbers(profile: str, expected: bool) -> None:
    world = World(profile)
    world.queue("q", durable=True)
    world.bind("q", "amq.headers", "", {"a": Field("byte", 1)})
    assert bool(world.routed("amq.headers", "", {"a": Field("double", 1.0)})) is expected
    assert world.routed("amq.headers", "", {"a": Field("long", 1)}) == {"q"}
    world.unbind("q", "amq.headers", "", {"a": Field("byte", 1)})
    assert not world.routed("amq.headers", "", {"a": Field("long", 1)})


@switch("headers_as_map", True, False, False, False)
def test_headers_that_come_twice(profile: str, expected: bool) -> None:
    """The first is compared with the first, or the last with any."""
    world = World(profile)
    world.queue("q", durable=True)
    one, two = Field("long", 1), Field("long", 2)
    world.bind("q", "amq.headers", "", {"a": one})
    twice = decode_table(b"".join(b"\x01a" + encode_field(field) for field in (one, two)))
    assert bool(world.routed("amq.headers", "", twice)) is expected
    world.unbind("q", "amq.headers", "", {"a": one})
    world.bind("q", "amq.headers", "", twice)
    assert bool(world.routed("amq.headers", "", twice)) is expected
    world.unbind("q", "amq.headers", "", twice)
    world.bind("q", "amq.headers", "", {"x-match": longstr("any")} | decode_table(b"\x01b" + encode_field(two)))
    assert world.routed("amq.headers", "", decode_table(b"\x01b" + encode_field(two))) == {"q"}


@switch("headers_as_map", {"seconds", "number"}, *[{"milliseconds"}] * 3)
def test_headers_that_are_timestamps(profile: str, expected: set[str]) -> None:
    world = World(profile)
    values = {
        "seconds": Field("timestamp", 5),
        "number": Field("long", 5),
        "milliseconds": Field("long", 5000),
    }
    for name, field in values.items():
        world.queue(name, durable=True)
        world.bind(name, "amq.headers", "", {"a": field})
    assert world.routed("amq.headers", "", {"a": Field("timestamp", 5)}) == expected


# --- queues


@switch("transient_queues", True, True, True, True)
def test_transient_queues(profile: str, expected: bool) -> None:
    world = World(profile)
    world.queue("transient")
    assert ("transient" in world.vhost.queues) is expected


@pytest.mark.parametrize("profile", PROFILES)
def test_transient_queues_that_are_not_permitted(profile: str) -> None:
    world = World(profile, deprecated_features_permit_transient_nonexcl_queues=False)
    world.queue("durable", durable=True)
    world.queue("exclusive", exclusive=True)
    with pytest.raises(Denied) as caught:
        world.queue("transient")
    assert caught.value.code == 541
    with pytest.raises(Denied):
        world.queue("q", arguments=QUORUM)
    with pytest.raises(PreconditionFailed):
        world.queue("q", arguments=arguments(queue_type="quorum", max_length="many"))
    assert world.vhost.queues.keys() == {"durable", "exclusive"}


def test_transient_quorum_queues() -> None:
    with pytest.raises(PreconditionFailed):
        World("rabbitmq-3.13").queue("q", arguments=QUORUM)


@switch(
    "lacking_options",
    {"consumer-timeout", "consumer-disconnected-timeout", "stream-filter-size-bytes", "target-group-size"},
    {"consumer-disconnected-timeout"},
    {"consumer-disconnected-timeout"},
    set(),
)
def test_policy_keys_that_older_versions_lack(profile: str, expected: set[str]) -> None:
    ask = World(profile).broker.administration
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
    ask = World("rabbitmq-4").broker.administration
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
    text = declared(World(profile), stream_filter_size_bytes=16)
    assert text == (expected and f"invalid arg 'x-stream-filter-size-bytes' for queue 'q' in vhost '/' {expected}")


@switch("lacking_options", None, 5, 5, None)
def test_the_consumer_timeout_of_a_classic_queue(profile: str, expected: int | None) -> None:
    world = World(profile)
    if profile != "rabbitmq-4.3":
        assert world.queue("q", arguments=arguments(consumer_timeout=5)).settings.consumer_timeout_ms == expected
        assert declared(world, "any", consumer_timeout="what") is None


@switch("quorum_options", False, False, False, True)
def test_settings_of_quorum_queues_only(profile: str, expected: bool) -> None:
    world = World(profile)
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
        assert declared(world, key, **{key: value}) == (text if expected else None)
        assert declared(world, f"{key} 2", queue_type="quorum", **{key: value}) is None
        text = (
            f"inequivalent arg '{argument}' for queue '{key} 2' in vhost '/': "
            f"received none but current is the value '{value}' of type '{'longstr' if value == 'all' else 'signedint'}'"
        )
        assert declared(world, f"{key} 2", queue_type="quorum") == (text if expected else None)


@switch(
    "quorum_options",
    None,
    None,
    None,
    "invalid arg 'x-consumer-timeout' for queue 'q' in vhost '/': {value_negative,-1}",
)
def test_values_of_settings_of_quorum_queues(profile: str, expected: str | None) -> None:
    assert declared(World(profile), queue_type="quorum", consumer_timeout=-1) == expected


@switch(
    "classic_options",
    "invalid arg 'x-queue-leader-locator' for queue 'q' in vhost '/' of queue type rabbit_classic_queue",
    "invalid arg 'x-queue-leader-locator' for queue 'q' in vhost '/' of queue type rabbit_classic_queue",
    None,
    None,
)
def test_settings_that_classic_queues_have_too(profile: str, expected: str | None) -> None:
    world = World(profile)
    assert declared(world, queue_leader_locator="balanced") == expected
    assert declared(world, "q2", queue_leader_locator="here") is not None
    if expected is None:
        text = declared(world, queue_leader_locator="client-local")
        assert text is not None
        assert text.startswith("inequivalent arg 'x-queue-leader-locator'")


@switch("not_classic_keys", 1, 1, 2, 2)
def test_policies_that_classic_queues_do_not_understand(profile: str, expected: int) -> None:
    """How long a queue may become that has a policy with such a key."""
    world = World(profile)
    world.broker.administration.set_policy("/", "p", "", {"max-in-memory-length": 1, "max-length": 1})
    world.queue("q", durable=True)
    world.publish("", "q", "1", "2")
    assert len(world.vhost.queues["q"].ready) == expected


@switch("classic_options", 2, 2, 1, 1)
def test_policies_that_classic_queues_understand(profile: str, expected: int) -> None:
    world = World(profile)
    world.broker.administration.set_policy("/", "p", "", {"queue-leader-locator": "balanced", "max-length": 1})
    world.queue("q", durable=True)
    world.publish("", "q", "1", "2")
    assert len(world.vhost.queues["q"].ready) == expected


@switch("more_locators", "invalid_queue_locator_arg", "invalid_queue_locator_arg", None, None)
def test_locators(profile: str, expected: str | None) -> None:
    world = World(profile)
    said = declared(world, queue_type="quorum", queue_leader_locator="min-masters")
    assert said == (expected and f"invalid arg 'x-queue-leader-locator' for queue 'q' in vhost '/': {expected}")
    assert declared(world, queue_type="quorum", queue_leader_locator="max-masters") is not None


@switch("types_that_are_none", set(), {"undefined"}, {"undefined"}, {"undefined", ""})
def test_a_type_that_is_none(profile: str, expected: set[str]) -> None:
    world = World(profile)
    taken = {kind for kind in ("undefined", "", "mqtt") if declared(world, f"a {kind}", queue_type=kind) is None}
    assert taken == expected
    assert {queue.type for queue in world.vhost.queues.values()} <= {"classic"}


@switch("master_locator_denied", *[None] * 3, "By default, this feature is not permitted anymore")
def test_the_master_locator(profile: str, expected: str | None) -> None:
    said = declared(World(profile), queue_master_locator="min-masters")
    assert (said is None) if expected is None else (expected in str(said))
    allowed, denied = (
        World(profile, deprecated_features_permit_queue_master_locator=permitted) for permitted in (True, False)
    )
    assert declared(allowed, queue_master_locator="min-masters") is None
    said = declared(denied, queue_master_locator="min-masters")
    assert said is not None
    assert (expected or "deprecated_features.permit.queue_master_locator = false") in said


@switch("quorum_in_text", *["quorum"] * 3, '<<"quorum">>')
def test_what_quorum_queues_are_called(profile: str, expected: str) -> None:
    world = quorum_world(profile, single_active_consumer=True)
    text = refusal(world.vhost.queues["q"].check_get)
    assert text is not None
    assert text.endswith(f"are not supported by {expected} queues with single active consumer")


@switch("limits_come_last", "queue limit", "queue limit", "invalid arg", "invalid arg")
def test_a_queue_too_many_with_a_wrong_argument(profile: str, expected: str) -> None:
    world = World(profile)
    world.broker.administration.set_vhost_limits("/", {"max-queues": 0})
    assert expected in str(declared(world, max_length="many"))
    assert "queue limit" in str(declared(world))


@switch("hash_weight_max", None, None, None, "The binding key must not exceed 10000")
def test_a_heavy_binding(profile: str, expected: str | None) -> None:
    world = World(profile)
    world.exchange("x", "x-consistent-hash")
    world.queue("q", durable=True)
    assert refusal(world.bind, "q", "x", "10000") is None
    assert refusal(world.bind, "q", "x", "10001") == expected


@switch("checks_queue_mode", True, True, True, False)
def test_queue_modes(profile: str, expected: bool) -> None:
    world = World(profile)
    text = "invalid arg 'x-queue-mode' for queue 'q' in vhost '/': \"unsupported queue mode 'fast'\""
    assert declared(world, queue_mode="fast") == (text if expected else None)
    assert declared(world, "lazy", queue_mode="lazy") is None
    assert (declared(world, "5", queue_mode=5) is not None) is expected


@switch("queue_versions", [1, 2], [1, 2], [1, 2], [2])
def test_queue_versions(profile: str, expected: list[int]) -> None:
    world = World(profile)
    assert [value for value in range(4) if declared(world, f"{value}", queue_version=value) is None] == expected
    for value in {*range(4)} - {*expected}:
        text = f"invalid arg 'x-queue-version' for queue 'q' in vhost '/': \"unsupported queue version '{value}'\""
        assert declared(world, queue_version=value) == text


@switch("default_type_or_classic", None, "classic", "classic", "classic")
def test_queues_that_do_not_fit_the_default_type(profile: str, expected: str | None) -> None:
    world = World(profile)
    world.broker.administration.add_vhost("/", default_queue_type="quorum")
    for name, more in {"a": {"exclusive": True}, "b": {"durable": True, "auto_delete": True}}.items():
        field = world.queue(name, **more).arguments.get("x-queue-type")
        assert (field and field.value) == expected
    assert world.queue("c", durable=True).type == "quorum"


@switch("always_names_type", None, None, "classic", "classic")
def test_queues_without_a_default_type(profile: str, expected: str | None) -> None:
    world = World(profile)
    field = world.queue("q", durable=True).arguments.get("x-queue-type")
    assert (field and field.value) == expected
    assert declared(world) is None
    assert declared(world, queue_type="classic") is None


# --- dead letters


def dead_letter(profile: str, headers: Table | None = None) -> dict[str, Any]:
    """The headers of a message that expired."""
    world = World(profile)
    world.queue("dead", durable=True)
    world.queue(
        "q",
        durable=True,
        arguments=arguments(message_ttl=1, dead_letter_exchange="", dead_letter_routing_key="dead"),
    )
    world.publish("", "q", "m", headers=headers)
    world.wait(1)
    return headers_of(world.fetch("dead"))


def deaths(history: bytes) -> list[Table]:
    return [decode_table(entry.value) for entry in decode_array(history)]


@switch("trusts_x_death", 6, 6, 1, 1)
def test_the_x_death_of_a_publisher(profile: str, expected: int) -> None:
    death = {
        "count": Field("long", 5),
        "reason": longstr("expired"),
        "queue": longstr("q"),
        "time": Field("timestamp", 1),
        "exchange": longstr(""),
        "routing-keys": array_field([longstr("q")]),
    }
    headers = dead_letter(profile, {"x-death": array_field([table_field(death)])})
    assert [entry["count"].value for entry in deaths(headers["x-death"])] == [expected]


@switch("notes_last_death", False, True, True, True)
def test_the_last_death(profile: str, expected: bool) -> None:
    noted = {name: value for name, value in dead_letter(profile).items() if name.startswith("x-last-death")}
    told = {"x-last-death-exchange": "", "x-last-death-queue": "q", "x-last-death-reason": "expired"}
    assert noted == (told if expected else {})


@switch(
    "plain_deaths",
    ["count", "reason", "queue", "time", "exchange", "routing-keys", "original-expiration 0100"],
    *[["original-expiration 100", "count", "reason", "queue", "time", "exchange", "routing-keys"]] * 3,
)
def test_the_order_within_a_death(profile: str, expected: list[str]) -> None:
    world = World(profile)
    world.queue(
        "q",
        durable=True,
        arguments=arguments(max_length=0, dead_letter_exchange="", dead_letter_routing_key="again"),
    )
    world.queue(
        "again",
        durable=True,
        arguments=arguments(max_length=0, dead_letter_exchange="", dead_letter_routing_key="dead"),
    )
    world.queue("dead", durable=True)
    letter = Message(world.route("", "q").address, content_header(expiration="0100"), b"m", None)
    world.vhost.queues["q"].publish(letter)
    world.settle()
    latest, first = deaths(headers_of(world.fetch("dead"))["x-death"])
    assert [
        f"{name} {field.value}" if name.startswith("original") else name for name, field in first.items()
    ] == expected
    later = [name for name in expected if not name.startswith("original")]
    assert list(latest) == (sorted(later) if profile == "rabbitmq-3.10" else later)


@switch("keeps_cc", None, "other", "other", "other")
def test_cc_where_the_routing_key_is_replaced(profile: str, expected: str | None) -> None:
    world = World(profile)
    world.queue("dead", durable=True)
    world.queue(
        "q",
        durable=True,
        arguments=arguments(message_ttl=1, dead_letter_exchange="", dead_letter_routing_key="dead"),
    )
    world.publish("", "q", "m", headers={"CC": array_field([longstr("other")]), "a": longstr("b")})
    world.wait(1)
    headers = headers_of(world.fetch("dead"))
    copies = [field.value for field in decode_array(headers["CC"])] if "CC" in headers else [None]
    assert copies == [expected]


@pytest.mark.parametrize("profile", PROFILES)
def test_cc_counts_until_the_routing_key_is_replaced(profile: str) -> None:
    world = World(profile)
    for name, key in (("a", "b"), ("b", "c")):
        to_next = arguments(message_ttl=1, dead_letter_exchange="", dead_letter_routing_key=key)
        world.queue(name, durable=True, arguments=to_next)
    world.queue("c", durable=True)
    header = content_header({"CC": array_field([longstr("other")])})
    world.vhost.queues["a"].publish(TracedMessage(world.route("", "a").address, header, b"m", more_keys=("other",)))
    world.wait(1)
    world.wait(1)
    latest, first = deaths(headers_of(world.fetch("c"))["x-death"])
    assert [[key.value for key in decode_array(death["routing-keys"].value)] for death in (latest, first)] == [
        ["b"],
        ["a", "other"],
    ]


@switch("headers_as_map", "first", "last", "last", "last")
def test_the_header_that_is_hashed(profile: str, expected: str) -> None:
    """Messages stay together that have the same first value, or the same last one."""
    world = World(profile)
    world.exchange("x", "x-consistent-hash", arguments={"hash-header": longstr("h")})
    for name in "abcdefgh":
        world.queue(name, durable=True)
        world.bind(name, "x", "1")

    def targets(position: str) -> set[str]:
        values = [(0, number) if position == "first" else (number, 0) for number in range(40)]
        found: set[str] = set()
        for pair in values:
            twice = decode_table(b"".join(b"\x01h" + encode_field(Field("long", value)) for value in pair))
            found |= world.routed("x", "", twice)
        return found

    assert len(targets(expected)) == 1
    assert len(targets("last" if expected == "first" else "first")) > 1


@switch("keeps_cc", ["q", "a", "b"], *[["q", "b", "a"]] * 3)
def test_a_key_in_both_cc_and_bcc(profile: str, expected: list[str]) -> None:
    world = World(profile)
    to_dead = arguments(message_ttl=1, dead_letter_exchange="", dead_letter_routing_key="dead")
    world.queue("q", durable=True, arguments=to_dead)
    world.queue("dead", durable=True)
    header = content_header({"CC": array_field([longstr("a"), longstr("b")])})
    keys = ("a", "b", "a", "c")
    world.vhost.queues["q"].publish(TracedMessage(world.route("", "q").address, header, b"m", more_keys=keys))
    world.wait(1)
    (death,) = deaths(headers_of(world.fetch("dead"))["x-death"])
    assert [key.value for key in decode_array(death["routing-keys"].value)] == expected


@switch("turns_x_death", ["c", "a", "b"], ["c", "b", "a"], ["c", "b", "a"], ["c", "b", "a"])
def test_the_order_of_deaths(profile: str, expected: list[str]) -> None:
    world = World(profile)
    for name, next_one in ("ab", "bc", "cd"):
        world.queue(
            name,
            durable=True,
            arguments=arguments(message_ttl=0, dead_letter_exchange="", dead_letter_routing_key=next_one),
        )
    world.queue("d", durable=True)
    world.publish("", "a", "m")
    (message,) = (message for _, message in world.vhost.queues["d"].ready)
    assert [entry["queue"].value for entry in deaths(headers_of(message)["x-death"])] == expected


# --- quorum queues


def quorum_world(profile: str, **more: int | str | bool) -> World:
    """With a quorum queue `q` and a message in it."""
    world = World(profile)
    world.queue("q", durable=True, arguments=arguments(queue_type="quorum", **more))
    world.publish("", "q", "m")
    return world


def bring_back(world: World, way: Any) -> None:  # noqa: ANN401
    ledger = Ledger()
    assert world.get("q", ledger) is not None
    world.nack(ledger, 1, way=way)


@switch("quorum_delivery_limit", None, None, 20, 20)
def test_the_delivery_limit_of_quorum_queues_without_one(profile: str, expected: int | None) -> None:
    world = quorum_world(profile)
    count = 0
    while world.ready("q") and count < 30:
        bring_back(world, "reject")
        count += 1
    assert count == (30 if expected is None else expected + 1)


@switch("quorum_counts_nacks", True, True, True, False)
def test_what_counts_towards_the_delivery_limit(profile: str, expected: bool) -> None:
    for way in ("nack", "recover"):
        world = quorum_world(profile, delivery_limit=1)
        bring_back(world, way)
        bring_back(world, way)
        assert bool(world.ready("q")) is not expected


@switch("quorum_acquired_count", None, None, None, 1)
def test_how_often_a_message_was_acquired(profile: str, expected: int | None) -> None:
    world = quorum_world(profile)
    bring_back(world, "nack")
    assert headers_of(world.fetch("q")).get("x-acquired-count") == expected


@switch("quorum_get_counts", 0, None, None, None)
def test_the_delivery_count_of_a_first_get(profile: str, expected: int | None) -> None:
    assert headers_of(quorum_world(profile).fetch("q")).get("x-delivery-count") == expected


@switch("message_priorities", *[["m", "low", "high"]] * 3, ["high", "m", "low"])
def test_the_priority_of_messages_in_quorum_queues(profile: str, expected: list[str]) -> None:
    world = quorum_world(profile)
    world.publish("", "q", "low", priority=1)
    world.publish("", "q", "high", priority=9)
    ledger = Ledger()
    found = [got[0].body for _ in range(3) if (got := world.get("q", ledger)) is not None]
    assert found == expected


@switch("quorum_priorities", "second", "second", "third", "third")
def test_the_next_single_active_consumer(profile: str, expected: str) -> None:
    world = quorum_world(profile, single_active_consumer=True)
    ledgers = {name: Ledger() for name in ("first", "second", "third")}
    first, _, _ = (
        world.consume("q", ledger, tag=name, priority=5 if name == "third" else 0) for name, ledger in ledgers.items()
    )
    world.ack(ledgers["first"], 1)
    world.cancel(first)
    world.publish("", "q", "n")
    assert [name for name, ledger in ledgers.items() if ledger.owed] == [expected]


# --- policies


@switch("policies_by_queue_type", False, True, True, True)
def test_policies_for_one_type_of_queues(profile: str, expected: bool) -> None:
    ask = World(profile).broker.administration
    refused = refusal(ask.set_policy, "/", "p", "", {"max-length": 1}, apply_to="quorum_queues")
    assert (refused is None) is expected


@switch("mirroring", True, True, False, False)
def test_mirroring(profile: str, expected: bool) -> None:
    world = World(profile)
    ask = world.broker.administration
    text = 'Validation failed\n\n[{<<"ha-mode">>,<<"all">>}] are not recognised policy settings\n'
    assert refusal(ask.set_policy, "/", "p", "", {"ha-mode": "all"}) == (None if expected else text)
    world.queue("q", durable=True, arguments=QUORUM)

    def consume() -> None:
        world.broker.consume(
            world.client,
            world.vhost,
            "q",
            Ledger(),
            FakeRecipient(),
            tag="t",
            no_ack=False,
            exclusive=False,
            prefetch=0,
            arguments=arguments(cancel_on_ha_failover=True),
        )

    text = "invalid arg 'x-cancel-on-ha-failover' for queue 'q' in vhost '/' of queue type rabbit_quorum_queue"
    assert refusal(consume) == (text if expected else None)


@switch(
    "operator_keys", set(), {"overflow", "queue-version"}, {"overflow", "queue-version"}, {"overflow", "queue-version"}
)
def test_what_else_operators_may_say(profile: str, expected: set[str]) -> None:
    world = World(profile)
    ask = world.broker.administration
    keys = {"overflow": "reject-publish", "queue-version": 2, "queue-mode": "lazy"}
    for key, value in keys.items():
        refused = refusal(ask.set_operator_policy, "/", key, "", {key: value})
        assert (refused is None) is (key in expected)
    if expected:
        ask.clear_operator_policy("/", "queue-version")
        ask.set_policy("/", "p", "", {"overflow": "drop-head"})
        assert world.queue("q", durable=True).settings.overflow == "reject-publish"


@switch("negative_delivery_limit", None, None, 25, 25)
def test_policies_without_a_delivery_limit(profile: str, expected: int | None) -> None:
    world = World(profile)
    ask = world.broker.administration
    refused = refusal(ask.set_policy, "/", "p", "", {"delivery-limit": -1})
    assert (refused is None) is (expected is not None)
    if expected is not None:
        ask.set_operator_policy("/", "o", "", {"delivery-limit": expected})
        assert world.queue("q", durable=True, arguments=QUORUM).ruling.definition == {"delivery-limit": expected}


# --- events

MORE = {"type": "rabbit_classic_queue", "leader": "rabbit@localhost", "members": ["rabbit@localhost"]}


OF_QUEUES = {"type", "leader", "members"}


@switch("more_facts", set(), {"type"}, OF_QUEUES, OF_QUEUES)
def test_what_else_is_told_of_queues(profile: str, expected: set[str]) -> None:
    world = World(profile)
    listener = Listener(world, EVENT_EXCHANGE, "queue.*")
    world.queue("q", durable=True)
    world.delete_queue("q")
    created, deleted = listener.take()
    assert {name: fact for name, fact in created.facts.items() if name in MORE} == {
        name: MORE[name] for name in expected
    }
    assert {name for name in deleted.facts if name in MORE} == expected & {"type"}


@switch("tells_of_clearing", "parameter.set", "parameter.cleared", "parameter.cleared", "parameter.cleared")
def test_a_global_parameter_that_goes(profile: str, expected: str) -> None:
    world = World(profile)
    world.broker.administration.set_global_parameter("g", 1)
    listener = Listener(world, EVENT_EXCHANGE, "parameter.*")
    world.broker.administration.clear_global_parameter("g")
    assert [told.key for told in listener.take()] == [expected]


@switch("always_names_type", "undefined", "undefined", "classic", "classic")
def test_the_default_type_that_a_virtual_host_is_told_with(profile: str, expected: str) -> None:
    world = World(profile)
    listener = Listener(world, EVENT_EXCHANGE, "vhost.created")
    world.broker.administration.add_vhost("v")
    (told,) = listener.take()
    assert told.facts["default_queue_type"] == expected
    assert ("default_queue_type" in told.facts["metadata"]) is (expected == "classic")
    assert ("protected_from_deletion" in told.facts) is (profile == "rabbitmq-4.3")


@switch("returns_in_turn", *[["2", "4", "3", "1"]] * 2, *[["1", "3", "2", "4"]] * 2)
def test_what_a_channel_gives_back_that_ends(profile: str, expected: list[str]) -> None:
    """Of the consumers `b` and `a`, and of basic.get."""
    world = World(profile)
    world.queue("q", durable=True, arguments=arguments(queue_type="quorum", delivery_limit=5))
    ledger = Ledger()
    for tag, body in (("b", "1"), (None, "2"), ("a", "3")):
        if tag is None:
            world.publish("", "q", body)
            world.get("q", ledger)
            continue
        world.consume("q", ledger, tag=tag, prefetch=1)
        world.publish("", "q", body)
    world.publish("", "q", "4")
    world.get("q", ledger)
    world.close_channel(ledger)
    assert world.ready("q") == expected


@switch("unlimited_waits_first", ["2", "1"], ["2", "1"], ["2", "1"], ["1", "2"])
def test_what_comes_back_without_a_limit(profile: str, expected: list[str]) -> None:
    world = World(profile)
    limit = {} if PROFILES[profile].quorum_delivery_limit is None else {"delivery_limit": -1}
    queue = world.queue("q", durable=True, arguments=arguments(queue_type="quorum", **limit))
    world.publish("", "q", "1", "2")
    taken = queue.take(no_ack=False)
    assert taken is not None
    queue.unacked += 1
    queue.requeue(taken[0], taken[1], "nack")
    world.settle()
    assert [message.body.decode() for _, message in queue.ready] == expected


@switch("memory_high_watermark", 0.4, 0.4, 0.6, 0.6)
def test_how_much_memory_may_be_used(profile: str, expected: float) -> None:
    assert World(profile).broker.resources.memory_limit == Limit(share=expected)
    assert World(profile, memory_high_watermark="2GB").broker.resources.memory_limit == Limit(2 * 10**9)
