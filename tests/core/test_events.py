"""Events: what is told, to whom, and when."""

from collections.abc import Callable
from typing import Any, TypeVar

import pytest

from amqpy.core.events.events import EVENT_EXCHANGE, INTERNAL_USER, EventProperties, field
from amqpy.core.unacked import UnackedDeliveries
from amqpy.core.users import Users
from amqpy.errors import AccessRefused, PreconditionFailed
from amqpy.wire.values import Field, array_field, encode_table, table_field
from tests.core.core_harness import UNIX_TIME_MS, CoreHarness, FakeClient, FakeTarget, arguments, longstr
from tests.core.events_read import Listener

ACTOR = "user_who_performed_action"


def listening(*keys: str) -> tuple[CoreHarness, Listener]:
    core = CoreHarness()
    return core, Listener(core, EVENT_EXCHANGE, *keys)


def by(actor: str | None, **facts: Any) -> dict[str, Any]:  # noqa: ANN401
    """The facts of an event in the virtual host."""
    return {"vhost": "/", ACTOR: actor, **facts}


# --- the exchange


def test_its_exchange_is_for_the_broker_only() -> None:
    core = CoreHarness()
    with pytest.raises(AccessRefused):
        core.publish(EVENT_EXCHANGE, "k", "a")
    with pytest.raises(AccessRefused):
        core.delete_exchange(EVENT_EXCHANGE)


def test_nobody_is_told_while_nobody_listens() -> None:
    core = CoreHarness()

    def describe() -> EventProperties:
        raise AssertionError("described for nobody")

    core.broker.events.tell("something.happened", describe)
    assert not core.broker.events.wanted
    listener = Listener(core, EVENT_EXCHANGE)
    assert core.broker.events.wanted
    core.delete_queue("listener")
    core.broker.events.tell("something.happened", describe)
    assert listener is not None
    assert core.broker.next_at_ms() is None


def test_an_event_is_persistent_empty_and_dated() -> None:
    core, listener = listening()
    core.queue("q")
    (told,) = listener.take()
    assert told.properties == {"delivery_mode": 2, "timestamp": UNIX_TIME_MS // 1000}
    assert told.headers["timestamp_in_ms"] == Field("long", UNIX_TIME_MS)
    assert told.body == b""


def test_events_are_told_when_the_operation_is_settled() -> None:
    core, _ = listening("queue.*")
    target = FakeTarget()
    core.consume("listener", UnackedDeliveries(), target)
    core.queue("q1")
    core.queue("q2")
    assert target.messages == []
    core.broker.settle()
    assert [message.routing_key for message in target.messages] == ["queue.created"] * 2


def test_the_routing_key_chooses_events() -> None:
    core, listener = listening("queue.deleted", "*.created")
    core.exchange("x")
    core.queue("q")
    core.delete_queue("q")
    core.delete_exchange("x")
    assert listener.keys() == ["exchange.created", "queue.created", "queue.deleted"]


def test_what_is_refused_is_no_event() -> None:
    core, listener = listening()
    with pytest.raises(PreconditionFailed):
        core.queue("q", arguments={"x-max-length": longstr("a")})
    core.queue("q")
    core.queue("q")
    assert listener.keys() == ["queue.created"]


def test_the_end_of_the_last_listener_is_not_told_to_itself() -> None:
    core, _ = listening()
    core.delete_queue("listener")
    assert core.broker.scheduler.deadlines.first_at_ms() is None
    assert core.vhost.exchanges[EVENT_EXCHANGE].bindings == {}


def test_events_about_a_listener_go_to_the_others() -> None:
    core, listener = listening()
    core.queue("other", auto_delete=True)
    core.bind("other", EVENT_EXCHANGE, "#")
    consumer = core.consume("other", UnackedDeliveries(), tag="t")
    core.cancel(consumer)
    keys = ["queue.created", "binding.created", "consumer.created", "consumer.deleted"]
    assert listener.keys() == [*keys, "binding.deleted", "queue.deleted"]


def test_a_listener_that_is_full_drops_events_and_that_is_all() -> None:
    core = CoreHarness()
    core.queue("dead")
    core.queue("full", arguments=arguments(max_length=1, dead_letter_exchange="", dead_letter_routing_key="dead"))
    core.bind("full", EVENT_EXCHANGE, "#")
    core.broker.settle()
    for number in range(3):
        core.queue(f"q{number}")
    core.broker.settle()
    assert (core.vhost.queues["full"].ready_count, core.vhost.queues["dead"].ready_count) == (1, 3)


def test_the_default_vhost_may_go_with_its_exchange_and_come_back() -> None:
    core, _ = listening()
    core.broker.administration.delete_vhost("/")
    core.broker.settle()
    assert not core.broker.events.wanted
    core.broker.administration.add_vhost("/")
    core.vhost = core.broker.vhosts["/"]
    listener = Listener(core, EVENT_EXCHANGE)
    core.queue("q")
    assert listener.keys() == ["queue.created"]


# --- what clients do


def test_queues() -> None:
    core, listener = listening("queue.*")
    core.queue("q", durable=True, arguments=arguments(max_length=5, queue_mode="lazy"))
    owner = FakeClient("owner")
    core.queue("own", client=owner, exclusive=True)
    core.delete_queue("q")
    core.lose_connection(owner)
    shown = ['{<<"x-max-length">>,signedint,5}', '{<<"x-queue-mode">>,longstr,<<"lazy">>}']
    kind = {"type": "rabbit_classic_queue"}
    plain = kind | {"auto_delete": False, "exclusive": False, "owner_pid": "", "arguments": []}
    assert listener.facts() == [
        ("queue.created", by("guest", **plain | {"name": "q", "durable": True, "arguments": shown})),
        (
            "queue.created",
            by("owner", **plain | {"name": "own", "durable": False, "exclusive": True, "owner_pid": owner.pid}),
        ),
        ("queue.deleted", by("guest", name="q", **kind)),
        ("queue.deleted", by(INTERNAL_USER, name="own", **kind)),
    ]


def test_a_quorum_queue_tells_its_type() -> None:
    core, listener = listening("queue.*")
    core.queue("q", durable=True, arguments=arguments(queue_type="quorum"))
    (told,) = listener.take()
    assert told.facts["type"] == "rabbit_quorum_queue"
    assert "owner_pid" not in told.facts


def test_a_queue_that_expires_goes_by_itself() -> None:
    core, listener = listening("queue.deleted")
    core.queue("q", arguments=arguments(expires=10))
    core.wait(10)
    assert listener.facts() == [("queue.deleted", by(INTERNAL_USER, name="q", type="rabbit_classic_queue"))]


def test_exchanges() -> None:
    core, listener = listening("exchange.*")
    core.exchange("x", "headers", durable=True, internal=True, arguments={"alternate-exchange": longstr("a")})
    core.delete_exchange("x")
    facts = {
        "name": "x",
        "type": "headers",
        "durable": True,
        "auto_delete": False,
        "internal": True,
        "policy": "",
        "arguments": ['{<<"alternate-exchange">>,longstr,<<"a">>}'],
    }
    assert listener.facts() == [
        ("exchange.created", by("guest", **facts)),
        ("exchange.deleted", by("guest", name="x")),
    ]


def test_bindings() -> None:
    core, listener = listening("binding.*", "exchange.deleted")
    core.queue("q")
    core.exchange("x", auto_delete=True)
    core.exchange("y")
    core.bind("q", "x", "k", {"a": Field("signedint", 1)})
    core.bind_exchange("y", "x", "e")
    to_queue = {
        "source_name": "x",
        "source_kind": "exchange",
        "destination_name": "q",
        "destination_kind": "queue",
        "routing_key": "k",
        "arguments": ['{<<"a">>,signedint,1}'],
    }
    to_exchange = to_queue | {
        "destination_name": "y",
        "destination_kind": "exchange",
        "routing_key": "e",
        "arguments": [],
    }
    assert listener.facts() == [
        ("binding.created", by("guest", **to_queue)),
        ("binding.created", by("guest", **to_exchange)),
    ]
    core.unbind_exchange("y", "x", "e")
    core.delete_queue("q")
    assert listener.facts() == [
        ("binding.deleted", by("guest", **to_exchange)),
        ("binding.deleted", by(INTERNAL_USER, **to_queue)),
        ("exchange.deleted", by(INTERNAL_USER, name="x")),
    ]


def test_consumers() -> None:
    core, listener = listening("consumer.*", "queue.deleted")
    core.queue("q")
    unacked = UnackedDeliveries()
    first = core.consume("q", unacked, tag="a", no_ack=True, prefetch=3, priority=2)
    created = {
        "consumer_tag": "a",
        "channel": "",
        "queue": "q",
        "exclusive": False,
        "ack_required": False,
        "prefetch_count": 3,
        "arguments": ['{<<"x-priority">>,signedint,2}'],
    }
    assert listener.facts() == [("consumer.created", by("guest", **created))]
    gone = {"channel": "", "queue": "q"}
    core.cancel(first)
    core.consume("q", unacked, tag="b")
    core.close_channel(unacked)
    core.consume("q", UnackedDeliveries(), tag="c")
    core.delete_queue("q")
    assert [each for each in listener.facts() if each[0] != "consumer.created"] == [
        ("consumer.deleted", by("", consumer_tag="a", **gone)),
        ("consumer.deleted", by(INTERNAL_USER, consumer_tag="b", **gone)),
        # By the queue, and then by the channel, which does not know why.
        ("consumer.deleted", by("guest", consumer_tag="c", **gone)),
        ("queue.deleted", by("guest", name="q", type="rabbit_classic_queue")),
        ("consumer.deleted", {"vhost": "/", "consumer_tag": "c", **gone}),
    ]


# --- what administrators do


def test_policies() -> None:
    core, listener = listening("policy.*", "queue.policy.*", "parameter.*", "operator.#")
    ask = core.broker.administration
    core.queue("q")
    core.queue("other")
    value = {"pattern": "^q", "definition": {"max-length": 5}, "priority": 1, "apply-to": "queues"}
    for _ in range(2):
        ask.set_policy("/", "p", "^q", {"max-length": 5}, priority=1, apply_to="queues")
    ask.clear_policy("/", "p")
    on_queue = {"name": "q", "type": "rabbit_classic_queue"}
    assert listener.facts() == [
        ("queue.policy.updated", by("rmq-cli", **on_queue, **value)),
        ("policy.set", by("rmq-cli", name="p", **value)),
        ("queue.policy.cleared", by("rmq-cli", **on_queue)),
        ("policy.cleared", by("rmq-cli", name="p")),
    ]


def test_operator_policies_are_parameters_too() -> None:
    core, listener = listening("policy.*", "parameter.*", "operator.#")
    ask = core.broker.administration
    ask.set_operator_policy("/", "o", "", {"max-length": 5})
    ask.clear_operator_policy("/", "o")
    value = {"pattern": "", "definition": {"max-length": 5}, "priority": 0, "apply-to": "all"}
    parameter = {"component": "operator_policy", "name": "o"}
    assert listener.facts() == [
        ("parameter.set", by("rmq-cli", **parameter, value=value)),
        ("policy.set", by("rmq-cli", name="o", **value)),
        ("parameter.cleared", by("rmq-cli", **parameter)),
        ("operator.policy.cleared", by("rmq-cli", name="o")),
    ]


def test_a_queue_that_no_policy_fits_any_more_is_told_of_the_new_one() -> None:
    core, listener = listening("queue.policy.*")
    core.queue("q")
    core.broker.administration.set_policy("/", "p", "q", {"max-length": 5})
    core.broker.administration.set_policy("/", "p", "x", {"max-length": 5})
    assert [facts["pattern"] for _, facts in listener.facts()] == ["q", "x"]


def test_parameters() -> None:
    core, listener = listening("parameter.*")
    ask = core.broker.administration
    for _ in range(2):
        ask.set_parameter("/", "federation-upstream", "u", {"uri": "amqp://"})
    ask.clear_parameter("/", "federation-upstream", "u")
    ask.set_global_parameter("g", [1, {"a": None}])
    ask.clear_global_parameter("g")
    parameter = {"component": "federation-upstream", "name": "u"}
    of_all = {ACTOR: "rmq-cli", "component": "global", "name": "g"}
    assert listener.facts() == [
        ("parameter.set", by("rmq-cli", **parameter, value={"uri": "amqp://"})),
        ("parameter.cleared", by("rmq-cli", **parameter)),
        ("parameter.set", of_all | {"value": [1, {"a": "null"}]}),
        ("parameter.cleared", of_all),
    ]


def test_vhosts() -> None:
    core, listener = listening("vhost.#", "parameter.*", "policy.*", "queue.deleted")
    ask = core.broker.administration
    ask.add_vhost("v", description="d", tags=["a", "B"])
    ask.add_vhost("v", default_queue_type="quorum")
    ask.set_vhost_limits("v", {"max-queues": 5})
    ask.set_policy("v", "p", "", {"max-length": 5})
    by_cli = {ACTOR: "rmq-cli"}
    (created, updated, parameter, limits, policy) = listener.facts()
    assert created == (
        "vhost.created",
        {
            "name": "v",
            "description": "d",
            "tags": ["a", "B"],
            "default_queue_type": "undefined",
            "metadata": "#{description => <<\"d\">>,tags => [a,'B']}",
            "tracing": False,
            "cluster_state": {"rabbit@localhost": "running"},
            **by_cli,
        },
    )
    assert updated[0] == "vhost.updated"
    assert updated[1]["metadata"] == '#{default_queue_type => <<"quorum">>,description => <<>>,tags => []}'
    assert limits == ("vhost.limits.set", {"name": "limits", "max-queues": 5, **by_cli})
    assert (parameter[0], policy[0]) == ("parameter.set", "policy.set")
    ask.delete_vhost("v")
    gone = ["vhost.deleted", "parameter.cleared", "vhost.limits.cleared", "policy.cleared"]
    assert [key for key, facts in listener.facts() if facts[ACTOR] == "rmq-cli"] == gone


def test_the_exchanges_of_a_vhost_come_and_go_with_it() -> None:
    core, listener = listening("exchange.*", "vhost.*")
    ask = core.broker.administration
    ask.add_vhost("v")
    created = listener.keys()
    ask.delete_vhost("v")
    deleted = listener.keys()
    count = len(core.vhost.exchanges) - 1
    assert created == [*["exchange.created"] * count, "vhost.created"]
    assert deleted == [*["exchange.deleted"] * count, "vhost.deleted"]


def test_users() -> None:
    core, listener = listening("user.#", "permission.*")
    users = Users(core.broker, lambda: b"salt")
    listener.take()
    users.add_user("u", "hunter2", tags=["management"])
    users.set_tags("u", ["administrator", "x"])
    users.change_password("u", "other")
    users.change_password("u", "")
    users.change_password_hash("u", bytes(36))
    users.clear_password("u")
    users.set_permissions("u", "/", "a", "b", "")
    users.clear_permissions("u", "/")
    users.set_limits("u", {"max-channels": 1})
    users.clear_limits("u")
    users.set_permissions("u", "/", "", "", "")
    users.delete_user("u")
    user, by_cli = {"name": "u", ACTOR: "rmq-cli"}, {ACTOR: "rmq-cli"}
    permission = {"user": "u", "vhost": "/", **by_cli}
    limits = {"name": "limits", "username": "u", **by_cli}
    assert listener.facts() == [
        ("user.created", user),
        ("user.tags.set", user | {"tags": ["management"]}),
        ("user.tags.set", user | {"tags": ["administrator", "x"]}),
        *[("user.password.changed", user)] * 2,
        ("user.password.cleared", user),
        ("permission.created", permission | {"configure": "a", "write": "b", "read": ""}),
        ("permission.deleted", permission),
        ("user.limits.set", limits | {"max-channels": 1}),
        ("user.limits.cleared", limits),
        ("permission.created", permission | {"configure": "", "write": "", "read": ""}),
        ("user.deleted", user),
    ]


def test_topic_permissions() -> None:
    core, listener = listening("topic.permission.*", "permission.*")
    users = Users(core.broker, lambda: b"salt")
    listener.take()
    users.set_topic_permissions("guest", "/", "amq.topic", "a", "b")
    users.clear_topic_permissions("guest", "/", "amq.topic")
    users.clear_topic_permissions("guest", "/")
    whose = {"user": "guest", "vhost": "/", ACTOR: "rmq-cli"}
    assert listener.facts() == [
        ("topic.permission.created", whose | {"exchange": "amq.topic", "write": "a", "read": "b"}),
        ("topic.permission.deleted", whose),
        ("topic.permission.deleted", whose),
    ]


def test_permissions_go_with_their_vhost() -> None:
    core, listener = listening("permission.deleted", "topic.permission.deleted")
    users = Users(core.broker, lambda: b"salt")
    core.broker.administration.add_vhost("v")
    for name in ("one", "two", "three"):
        users.add_user(name)
    for name in ("one", "two"):
        users.set_permissions(name, "v", "", "", "")
    for exchange in ("x", "y"):
        users.set_topic_permissions("three", "v", exchange, "", "")
    core.broker.administration.delete_vhost("v")
    gone = [("one", "v"), ("two", "v"), ("three", "v"), ("three", "v")]
    assert [(facts["user"], facts["vhost"]) for _, facts in listener.facts()] == gone


def test_who_administers_is_told() -> None:
    core, listener = listening("vhost.created")
    with core.broker.events.on_behalf_of("somebody"):
        core.broker.administration.add_vhost("a")
    core.broker.administration.add_vhost("b")
    assert [facts[ACTOR] for _, facts in listener.facts()] == ["somebody", "rmq-cli"]


# --- values


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, Field("bool", True)),
        (5, Field("long", 5)),
        (1 << 63, Field("long", -(1 << 63))),
        (1.5, Field("float", 1.5)),
        (1e300, Field("double", 1e300)),
        ("text", Field("longstr", "text")),
        (None, Field("longstr", "null")),
        ([], array_field([])),
        ({}, array_field([])),
        ([1, "a"], array_field([Field("long", 1), Field("longstr", "a")])),
        ({"a": {"b": False}}, table_field({"a": table_field({"b": Field("bool", False)})})),
    ],
)
def test_values_have_the_types_erlang_gives_them(value: object, expected: Field) -> None:
    assert field(value) == expected


T = TypeVar("T")


def nested(depth: int, wrap: Callable[[T], T], value: T) -> T:
    for _ in range(depth):
        value = wrap(value)
    return value


def container(tag: bytes, content: bytes) -> bytes:
    return tag + len(content).to_bytes(4, "big") + content


LONG_1 = b"l" + (1).to_bytes(8, "big")


@pytest.mark.parametrize(
    ("wrap", "wrap_on_the_wire"),
    [
        (lambda inner: [inner], lambda inner: container(b"A", inner)),
        (lambda inner: {"a": inner}, lambda inner: container(b"F", b"\x01a" + inner)),
    ],
    ids=["array", "table"],
)
def test_values_may_be_nested_however_deep(
    wrap: Callable[[object], object], wrap_on_the_wire: Callable[[bytes], bytes]
) -> None:
    one: object = 1
    written = encode_table({"value": field(nested(5000, wrap, one))})
    assert written == b"\x05value" + nested(5000, wrap_on_the_wire, LONG_1)


def test_names_that_are_too_long_for_a_field_are_cut() -> None:
    core, listener = listening("parameter.set")
    core.broker.administration.set_global_parameter("g", {"ü" * 200: 1})
    ((_, facts),) = listener.facts()
    assert list(facts["value"]) == [("ü" * 200).encode()[:255].decode("utf-8", "surrogateescape")]
