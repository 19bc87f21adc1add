"""The switches that act in the core, each in every profile."""

from collections.abc import Callable
from typing import Any

import pytest

from amqpy.core.exchanges import EXCHANGE_TYPES
from amqpy.core.message import Message
from amqpy.core.unacked import UnackedDeliveries
from amqpy.errors import AdministrationError, AmqpFault, Denied, PreconditionFailed
from amqpy.sizes import Limit
from amqpy.wire.properties import decode_properties
from amqpy.wire.values import Field, Table, array_field, decode_array, decode_table, table_field
from tests.core.world import PERMISSIONS, FakeClient, FakeTarget, World, arguments, longstr
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


@switch("names_permission", "", "configure ", "configure ")
def test_refusals_name_the_permission(profile: str, expected: str) -> None:
    world = World(profile)
    world.client.denied.add(("configure", "q"))
    assert declared(world) == f"{expected}access to queue 'q' in vhost '/' refused for user 'guest'"


@switch("passive_needs_permission", False, False, True)
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


@switch("passive_needs_permission", False, False, True)
def test_who_may_do_nothing_does_not_learn_what_is_there(profile: str, expected: bool) -> None:
    world = World(profile)
    world.client.denied = {(verb, "no") for verb in PERMISSIONS}
    assert level(world.broker.topology.check_queue, world.client, world.vhost, "no") == (
        "403 ChannelFault" if expected else "404 ChannelFault"
    )


# --- exchanges


@switch("unknown_type_closes_channel", "503 ConnectionFault", "406 ChannelFault", "406 ChannelFault")
def test_unknown_exchange_types(profile: str, expected: str) -> None:
    world = World(profile)
    assert level(world.exchange, "x", "x-new") == expected
    inner = {"x-delayed-type": longstr("x-new")}
    assert level(world.exchange, "x", "x-delayed-message", arguments=inner) == expected
    assert "x-new" not in EXCHANGE_TYPES


VOLATILE = "cannot bind or unbind to a volatile (direct reply-to) queue"


@switch("binds_reply_queues", (True, None), (True, None), (False, VOLATILE))
def test_bindings_of_reply_queues(profile: str, expected: tuple[bool, str | None]) -> None:
    may_try, unbinding = expected
    world = World(profile)
    name = "amq.rabbitmq.reply-to.abc"
    bound = refusal(world.bind, name, "amq.direct")
    assert bound == (f"no queue '{name}' in vhost '/'" if may_try else VOLATILE)
    assert refusal(world.unbind, name, "amq.direct") == unbinding


@switch("topic_hashes_max", None, None, "Topic binding key '#.a.#.#' uses 3 '#' wildcards, at most 2 are allowed")
def test_topic_keys_with_many_hashes(profile: str, expected: str | None) -> None:
    world = World(profile)
    world.queue("q", durable=True)
    world.bind("q", "amq.topic", "#.#.a#")
    assert refusal(world.bind, "q", "amq.topic", "#.a.#.#") == expected
    assert refusal(world.bind_exchange, "amq.fanout", "amq.topic", "#.a.#.#") == expected
    world.bind("q", "amq.direct", "#.#.#")
    world.unbind("q", "amq.topic", "#.a.#.#")


@switch("headers_by_type", True, False, False)
def test_headers_of_equal_numbers(profile: str, expected: bool) -> None:
    world = World(profile)
    world.queue("q", durable=True)
    world.bind("q", "amq.headers", "", {"a": Field("byte", 1)})
    assert bool(world.routed("amq.headers", "", {"a": Field("double", 1.0)})) is expected
    assert world.routed("amq.headers", "", {"a": Field("long", 1)}) == {"q"}
    world.unbind("q", "amq.headers", "", {"a": Field("byte", 1)})
    assert not world.routed("amq.headers", "", {"a": Field("long", 1)})


# --- queues


@switch("transient_queues", True, True, False)
def test_transient_queues(profile: str, expected: bool) -> None:
    world = World(profile)
    world.queue("durable", durable=True)
    world.queue("exclusive", exclusive=True)
    if expected:
        world.queue("transient")
        return
    with pytest.raises(Denied) as caught:
        world.queue("transient")
    assert caught.value.code == 541
    assert caught.value.reply_text.startswith(
        "INTERNAL_ERROR - Feature `transient_nonexcl_queues` is deprecated.\n"
        "By default, this feature is not permitted anymore.\n"
    )
    assert "transient" not in world.vhost.queues


@switch("transient_queues", False, False, True)
def test_transient_quorum_queues(profile: str, expected: bool) -> None:
    world = World(profile)
    fault = Denied if expected else PreconditionFailed
    with pytest.raises(fault):
        world.queue("q", arguments=QUORUM)
    with pytest.raises(PreconditionFailed):
        world.queue("q", arguments=arguments(queue_type="quorum", max_length="many"))


@switch(
    "lacking_options",
    {"consumer-timeout", "consumer-disconnected-timeout", "stream-filter-size-bytes", "target-group-size"},
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


@switch("lacking_options", None, "of queue type rabbit_classic_queue", "of queue type rabbit_classic_queue")
def test_arguments_of_streams_that_older_versions_lack(profile: str, expected: str | None) -> None:
    text = declared(World(profile), stream_filter_size_bytes=16)
    assert text == (expected and f"invalid arg 'x-stream-filter-size-bytes' for queue 'q' in vhost '/' {expected}")


@switch("lacking_options", None, 5, None)
def test_the_consumer_timeout_of_a_classic_queue(profile: str, expected: int | None) -> None:
    world = World(profile)
    if profile != "rabbitmq-4":
        assert world.queue("q", arguments=arguments(consumer_timeout=5)).settings.consumer_timeout_ms == expected
        assert declared(world, "any", consumer_timeout="what") is None


@switch("quorum_options", False, False, True)
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
    "quorum_options", None, None, "invalid arg 'x-consumer-timeout' for queue 'q' in vhost '/': {value_negative,-1}"
)
def test_values_of_settings_of_quorum_queues(profile: str, expected: str | None) -> None:
    assert declared(World(profile), queue_type="quorum", consumer_timeout=-1) == expected


@switch(
    "classic_options",
    "invalid arg 'x-queue-leader-locator' for queue 'q' in vhost '/' of queue type rabbit_classic_queue",
    "invalid arg 'x-queue-leader-locator' for queue 'q' in vhost '/' of queue type rabbit_classic_queue",
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


@switch("checks_queue_mode", True, True, False)
def test_queue_modes(profile: str, expected: bool) -> None:
    world = World(profile)
    text = "invalid arg 'x-queue-mode' for queue 'q' in vhost '/': \"unsupported queue mode 'fast'\""
    assert declared(world, queue_mode="fast") == (text if expected else None)
    assert declared(world, "lazy", queue_mode="lazy") is None
    assert (declared(world, "5", queue_mode=5) is not None) is expected


@switch("queue_versions", [1, 2], [1, 2], [2])
def test_queue_versions(profile: str, expected: list[int]) -> None:
    world = World(profile)
    assert [value for value in range(4) if declared(world, f"{value}", queue_version=value) is None] == expected
    for value in {*range(4)} - {*expected}:
        text = f"invalid arg 'x-queue-version' for queue 'q' in vhost '/': \"unsupported queue version '{value}'\""
        assert declared(world, queue_version=value) == text


@switch("default_type_or_classic", None, "classic", "classic")
def test_queues_that_do_not_fit_the_default_type(profile: str, expected: str | None) -> None:
    world = World(profile)
    world.broker.administration.add_vhost("/", default_queue_type="quorum")
    for queue in world.queue("a", exclusive=True), world.queue("b", durable=True, auto_delete=True):
        field = queue.arguments.get("x-queue-type")
        assert (field and field.value) == expected
    assert world.queue("c", durable=True).type == "quorum"


@switch("always_names_type", None, None, "classic")
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


@switch("trusts_x_death", 6, 6, 1)
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


@switch("notes_last_death", False, True, True)
def test_the_last_death(profile: str, expected: bool) -> None:
    noted = {name: value for name, value in dead_letter(profile).items() if name.startswith("x-last-death")}
    told = {"x-last-death-exchange": "", "x-last-death-queue": "q", "x-last-death-reason": "expired"}
    assert noted == (told if expected else {})


@switch("turns_x_death", ["c", "a", "b"], ["c", "b", "a"], ["c", "b", "a"])
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
    unacked = UnackedDeliveries()
    assert world.get("q", unacked) is not None
    world.nack(unacked, 1, way=way)


@switch("quorum_delivery_limit", None, None, 20)
def test_the_delivery_limit_of_quorum_queues_without_one(profile: str, expected: int | None) -> None:
    world = quorum_world(profile)
    count = 0
    while world.ready("q") and count < 30:
        bring_back(world, "reject")
        count += 1
    assert count == (30 if expected is None else expected + 1)


@switch("quorum_counts_nacks", True, True, False)
def test_what_counts_towards_the_delivery_limit(profile: str, expected: bool) -> None:
    for way in ("nack", "recover"):
        world = quorum_world(profile, delivery_limit=1)
        bring_back(world, way)
        bring_back(world, way)
        assert bool(world.ready("q")) is not expected


@switch("quorum_acquired_count", None, None, 1)
def test_how_often_a_message_was_acquired(profile: str, expected: int | None) -> None:
    world = quorum_world(profile)
    bring_back(world, "nack")
    assert headers_of(world.fetch("q")).get("x-acquired-count") == expected


@switch("quorum_get_counts", 0, None, None)
def test_the_delivery_count_of_a_first_get(profile: str, expected: int | None) -> None:
    assert headers_of(quorum_world(profile).fetch("q")).get("x-delivery-count") == expected


@switch("quorum_priorities", ["m", "low", "high"], ["m", "low", "high"], ["high", "m", "low"])
def test_the_priority_of_messages_in_quorum_queues(profile: str, expected: list[str]) -> None:
    world = quorum_world(profile)
    world.publish("", "q", "low", priority=1)
    world.publish("", "q", "high", priority=9)
    unacked = UnackedDeliveries()
    found = [got[0].body for _ in range(3) if (got := world.get("q", unacked)) is not None]
    assert found == expected


@switch("quorum_priorities", "second", "second", "third")
def test_the_next_single_active_consumer(profile: str, expected: str) -> None:
    world = quorum_world(profile, single_active_consumer=True)
    channels_unacked = {name: UnackedDeliveries() for name in ("first", "second", "third")}
    first, _, _ = (
        world.consume("q", unacked, tag=name, priority=5 if name == "third" else 0)
        for name, unacked in channels_unacked.items()
    )
    world.ack(channels_unacked["first"], 1)
    world.cancel(first)
    world.publish("", "q", "n")
    assert [name for name, unacked in channels_unacked.items() if unacked.by_tag] == [expected]


# --- policies


@switch("policies_by_queue_type", False, True, True)
def test_policies_for_one_type_of_queues(profile: str, expected: bool) -> None:
    ask = World(profile).broker.administration
    refused = refusal(ask.set_policy, "/", "p", "", {"max-length": 1}, apply_to="quorum_queues")
    assert (refused is None) is expected


@switch("mirroring", True, True, False)
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
            UnackedDeliveries(),
            FakeTarget(),
            tag="t",
            no_ack=False,
            exclusive=False,
            prefetch=0,
            arguments=arguments(cancel_on_ha_failover=True),
        )

    text = "invalid arg 'x-cancel-on-ha-failover' for queue 'q' in vhost '/' of queue type rabbit_quorum_queue"
    assert refusal(consume) == (text if expected else None)


@switch("operator_keys", set(), {"overflow", "queue-version"}, {"overflow", "queue-version"})
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


@switch("negative_delivery_limit", None, None, 25)
def test_policies_without_a_delivery_limit(profile: str, expected: int | None) -> None:
    world = World(profile)
    ask = world.broker.administration
    refused = refusal(ask.set_policy, "/", "p", "", {"delivery-limit": -1})
    assert (refused is None) is (expected is not None)
    if expected is not None:
        ask.set_operator_policy("/", "o", "", {"delivery-limit": expected})
        assert world.queue("q", durable=True, arguments=QUORUM).policy.definition == {"delivery-limit": expected}


@switch("memory_high_watermark", 0.4, 0.4, 0.6)
def test_how_much_memory_may_be_used(profile: str, expected: float) -> None:
    assert World(profile).broker.resources.memory_limit == Limit(share=expected)
    assert World(profile, memory_high_watermark="2GB").broker.resources.memory_limit == Limit(2 * 10**9)
