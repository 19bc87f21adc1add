"""The switches that act in the core, each in every profile."""

from amqpy.core.events.events import EVENT_EXCHANGE
from amqpy.core.exchanges import EXCHANGE_TYPES
from amqpy.core.ledger import Ledger
from amqpy.profile import PROFILES
from amqpy.sizes import Limit
from amqpy.wire.values import Field, decode_table, encode_field
from tests.core.switches import QUORUM, declared, level, refusal
from tests.core.told import Listener
from tests.core.world import PERMISSIONS, FakeClient, FakeRecipient, World, arguments, longstr
from tests.profiles import switch

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
