"""Parameters, limits and virtual hosts, as an administrator asks for them."""

from collections.abc import Callable
from typing import Any

import pytest

from amqpy.config import Config
from amqpy.core.administration.administration import Administration, Parameter
from amqpy.core.administration.validation import VALUE_DEPTH_MAX
from amqpy.core.arguments import CLASSIC, QUORUM
from amqpy.core.broker import Broker
from amqpy.core.events.events import EVENT_EXCHANGE
from amqpy.core.unacked import UnackedDeliveries
from amqpy.core.vhost_metadata import Metadata
from amqpy.errors import AdministrationError, PreconditionFailed
from tests.core.core_harness import LOG, FakeClient, FakeTarget, World, longstr
from tests.core.recorded import DurableWorld


def refusal(operation: Callable[..., object], *arguments: object, **more: object) -> str:
    with pytest.raises(AdministrationError) as caught:
        operation(*arguments, **more)
    assert not caught.value.missing
    return caught.value.text


def missing(operation: Callable[..., object], *arguments: object) -> str:
    with pytest.raises(AdministrationError) as caught:
        operation(*arguments)
    assert caught.value.missing
    return caught.value.text


def admin(world: World) -> Administration:
    return world.broker.administration


# --- policies


def test_policies_are_listed_in_the_order_in_which_they_are_asked() -> None:
    ask = admin(World())
    ask.set_policy("/", "low", "a", {"expires": 1})
    ask.set_policy("/", "high", "b", {"expires": 2}, priority=1, apply_to="queues")
    ask.set_operator_policy("/", "other", "c", {"expires": 3})
    assert [(each.name, each.priority, each.apply_to) for each in ask.policies("/")] == [
        ("high", 1, "queues"),
        ("low", 0, "all"),
    ]
    assert [each.definition for each in ask.operator_policies("/")] == [{"expires": 3}]


def test_a_refused_policy_changes_nothing() -> None:
    world = World()
    ask = admin(world)
    ask.set_policy("/", "p", "q", {"expires": 1})
    queue = world.queue("q")
    assert refusal(ask.set_policy, "/", "p", "q", {"expires": 0})
    assert refusal(ask.set_operator_policy, "/", "p", "q", {"queue-mode": "lazy"})
    assert [each.definition for each in ask.policies("/")] == [{"expires": 1}]
    assert (queue.settings.expires_ms, ask.operator_policies("/")) == (1, [])


def test_what_the_caller_does_with_its_definition_later_is_its_own_affair() -> None:
    ask = admin(World())
    definition = {"expires": 1}
    ask.set_policy("/", "p", "", definition)
    definition["expires"] = 2
    assert ask.policies("/")[0].definition == {"expires": 1}


def test_policies_and_vhosts_that_are_not_there() -> None:
    ask = admin(World())
    ask.set_operator_policy("/", "p", "", {"expires": 1})
    assert missing(ask.clear_policy, "/", "p") == "Parameter does not exist"
    assert missing(ask.clear_operator_policy, "/", "q") == "Parameter does not exist"
    nowhere = "Virtual host 'nope' does not exist"
    for operation, *arguments in (
        (ask.set_policy, "p", "(", {}),
        (ask.set_operator_policy, "p", "(", {}),
        (ask.clear_policy, "p"),
        (ask.clear_operator_policy, "p"),
        (ask.policies,),
        (ask.operator_policies,),
        (ask.set_parameter, "policy", "p", 1),
        (ask.clear_parameter, "policy", "p"),
        (ask.parameters,),
        (ask.set_vhost_limits, {}),
        (ask.clear_vhost_limits,),
        (ask.delete_vhost,),
        (ask.set_deletion_protection, True),
        (ask.trace_on,),
        (ask.trace_off,),
    ):
        assert missing(operation, "nope", *arguments) == nowhere


# --- parameters


def test_parameters() -> None:
    ask = admin(World())
    ask.add_vhost("other")
    upstream = {"uri": "amqp://localhost"}
    ask.set_parameter("/", "federation-upstream", "up", {"uri": ""})
    ask.set_parameter("/", "federation-upstream", "up", upstream)
    ask.set_parameter("other", "federation-upstream-set", "set", [{"upstream": "up"}])
    assert ask.parameters() == [
        Parameter("/", "federation-upstream", "up", upstream),
        Parameter("other", "federation-upstream-set", "set", [{"upstream": "up"}]),
    ]
    assert ask.parameters("/", "federation-upstream") == ask.parameters("/") == ask.parameters()[:1]
    ask.clear_parameter("/", "federation-upstream", "up")
    assert ask.parameters("/") == []
    assert missing(ask.clear_parameter, "/", "federation-upstream", "up") == "Parameter does not exist"


@pytest.mark.parametrize(
    ("component", "value", "text"),
    [
        ("policy", 1, "policies may not be set using this method"),
        ("foo", 1, "Validation failed\n\ncomponent foo not found\n"),
        ("federation-upstream", {}, 'Validation failed\n\nKey "uri" not found in x\n'),
        ("federation-upstream", 5, "Validation failed\n\nx not a list 5\n"),
        (
            "operator_policy",
            {"pattern": "a"},
            'Validation failed\n\nKey "definition" not found in x\nKey "priority" not found in x\n',
        ),
    ],
)
def test_parameters_that_are_refused(component: str, value: object, text: str) -> None:
    ask = admin(World())
    assert refusal(ask.set_parameter, "/", component, "x", value) == text
    assert ask.parameters() == []


def test_operator_policies_are_parameters_too_and_policies_only_when_asked_for() -> None:
    world = World()
    ask = admin(world)
    value = {"pattern": "q", "definition": {"expires": 1}, "priority": 2, "apply-to": "queues"}
    ask.set_parameter("/", "operator_policy", "o", value)
    ask.set_policy("/", "p", "q", {"expires": 3})
    assert world.queue("q").settings.expires_ms == 1
    assert ask.parameters() == [Parameter("/", "operator_policy", "o", value)]
    assert [each.name for each in ask.parameters("/", "policy")] == ["p"]
    assert refusal(ask.clear_parameter, "/", "policy", "p") == "policies may not be cleared using this method"
    ask.clear_parameter("/", "operator_policy", "o")
    assert world.vhost.queues["q"].settings.expires_ms == 3


def test_global_parameters() -> None:
    ask = admin(World())
    ask.set_global_parameter("cluster_name", "a")
    ask.set_global_parameter("cluster_name", {"b": [1]})
    assert ask.global_parameters() == [Parameter(None, None, "cluster_name", {"b": [1]})]
    ask.clear_global_parameter("cluster_name")
    assert ask.global_parameters() == []
    assert missing(ask.clear_global_parameter, "cluster_name") == "Parameter does not exist"


# --- limits of virtual hosts


def test_a_vhost_full_of_queues_takes_no_more() -> None:
    world = World()
    world.queue("before")
    admin(world).set_vhost_limits("/", {"max-queues": 2})
    world.queue("last")
    before = world.snapshot()
    with pytest.raises(PreconditionFailed) as caught:
        world.queue("more")
    assert caught.value.text == "cannot declare queue 'more': queue limit in vhost '/' (2) is reached"
    assert world.snapshot() == before
    world.queue("last")  # there is no limit for what is there
    world.delete_queue("before")
    world.queue("more")


@pytest.mark.parametrize("limits", [{}, {"max-queues": -1}, {"max-connections": 0}])
def test_no_limit(limits: dict[str, int]) -> None:
    world = World()
    admin(world).set_vhost_limits("/", {"max-queues": 0})
    admin(world).set_vhost_limits("/", limits)
    world.queue("q")


def test_limits_are_cleared() -> None:
    world = World()
    admin(world).set_vhost_limits("/", {"max-queues": 0})
    with pytest.raises(PreconditionFailed, match=r"\(0\) is reached$"):
        world.queue("q")
    assert admin(world).parameters() == [Parameter("/", "vhost-limits", "limits", {"max-queues": 0})]
    admin(world).clear_vhost_limits("/")
    world.queue("q")
    assert missing(admin(world).clear_vhost_limits, "/") == "Parameter does not exist"


@pytest.mark.parametrize(
    ("limits", "lines"),
    [
        ({"max-queues": "x"}, ['max-queues should be a number, actually was <<"x">>']),
        ({"max-queues": 1.5}, ["max-queues should be a number, actually was 1.5"]),
        ({"max-queues": None}, ["max-queues should be a number, actually was null"]),
        ({"max-queues": True}, ["max-queues should be a number, actually was true"]),
        ({"max-foo": 1}, ['Unrecognised terms [{<<"max-foo">>,1}] in limits']),
        (
            {"max-connections": "y", "max-queues": "x"},
            [
                'max-queues should be a number, actually was <<"x">>',
                'max-connections should be a number, actually was <<"y">>',
            ],
        ),
        ([1], ["Unrecognised terms [1] in limits"]),
        (5, ["limits not a list 5"]),
        ("x", ['limits not a list <<"x">>']),
    ],
)
def test_limits_that_are_none(limits: object, lines: list[str]) -> None:
    world = World()
    text = "".join(f"{line}\n" for line in lines)
    assert refusal(admin(world).set_vhost_limits, "/", limits) == f"Validation failed\n\n{text}"
    assert world.vhost.limits == {}


# --- virtual hosts


def test_a_new_vhost_has_what_every_vhost_has() -> None:
    world = World()
    admin(world).add_vhost("new", description="d", tags=["a", "b"], default_queue_type="quorum")
    vhost = world.broker.vhosts["new"]
    assert vhost.metadata == Metadata("d", ("a", "b"), "quorum")
    assert vhost.exchanges.keys() == world.vhost.exchanges.keys() - {EVENT_EXCHANGE}
    assert vhost.queues == {}


def test_adding_a_vhost_again_updates_its_metadata() -> None:
    world = World()
    world.queue("q")
    admin(world).add_vhost("/", description="d", default_queue_type="stream", protected_from_deletion=True)
    admin(world).add_vhost("/", tags=["t"])
    assert world.broker.vhosts["/"] is world.vhost
    assert world.vhost.metadata == Metadata("", ("t",), "stream", protected_from_deletion=True)
    assert list(world.vhost.queues) == ["q"]


def test_a_default_queue_type_that_is_none() -> None:
    world = World()
    assert refusal(admin(world).add_vhost, "new", default_queue_type="foo") == "Unsupported default queue type"
    assert "new" not in world.broker.vhosts


def declared_type(world: World, **more: Any) -> object:  # noqa: ANN401
    name = f"q{len(world.vhost.queues)}"
    return world.queue(name, **more).arguments.get("x-queue-type")


@pytest.mark.parametrize("kind", [CLASSIC, QUORUM])
def test_the_default_queue_type_is_for_queues_that_fit_it(kind: str) -> None:
    world = World()
    assert declared_type(world, durable=True) is None
    admin(world).add_vhost("/", default_queue_type=kind)
    assert declared_type(world, durable=True) == longstr(kind)
    assert declared_type(world) == longstr(CLASSIC)
    assert declared_type(world, durable=True, exclusive=True) == longstr(CLASSIC)
    assert declared_type(world, durable=True, auto_delete=True) == longstr(CLASSIC)
    world.queue("given", durable=True, arguments={"x-queue-type": longstr(CLASSIC)})
    world.queue("given", durable=True, arguments={"x-queue-type": longstr(CLASSIC)})


def test_the_default_queue_type_may_be_a_setting() -> None:
    broker = Broker(Config(default_queue_type=QUORUM), str, int, log=LOG)
    broker.administration.add_vhost("new")
    assert [vhost.metadata.default_queue_type for vhost in broker.vhosts.values()] == [QUORUM, QUORUM]


def test_a_deleted_vhost_takes_everything_with_it() -> None:
    world = World()
    ask = admin(world)
    ask.set_policy("/", "p", "", {"expires": 1})
    unacked, target = UnackedDeliveries(), FakeTarget()
    other, mine = FakeClient("other"), world.queue("mine", exclusive=True)
    world.vhost.clients = {world.client: None, other: None}
    world.queue("q")
    world.exchange("x", "fanout", auto_delete=True)
    world.bind("q", "x")
    world.publish("x", "", "a", "b")
    world.consume("q", unacked, target, prefetch=1)
    ask.delete_vhost("/")
    assert world.broker.vhosts == {}
    assert (world.vhost.queues, world.vhost.exchanges, world.vhost.owned) == ({}, {}, {})
    assert mine.deleted
    assert target.cancellations == 1
    assert world.client.closed_with == other.closed_with == ["vhost '/' is deleted"]
    ask.add_vhost("/")
    assert ask.policies("/") == []
    assert world.broker.vhosts["/"] is not world.vhost


def test_a_protected_vhost_is_not_deleted() -> None:
    world = World()
    ask = admin(world)
    ask.set_deletion_protection("/", True)
    text = "Refusing to delete virtual host '/' because it is protected from deletion"
    assert refusal(ask.delete_vhost, "/") == text
    assert list(world.broker.vhosts) == ["/"]
    ask.set_deletion_protection("/", False)
    ask.delete_vhost("/")


@pytest.mark.parametrize("wrap", [lambda inner: [inner], lambda inner: {"a": inner}])
def test_values_have_a_depth(wrap: Callable[[object], object]) -> None:
    """A refused one leaves nothing behind; one that is as deep as may be is set, told and recorded."""
    world = DurableWorld()
    world.queue("told")
    world.bind("told", EVENT_EXCHANGE, "#")
    ask = world.broker.administration
    value: object = 1
    for _ in range(VALUE_DEPTH_MAX):
        value = wrap(value)
    ask.set_global_parameter("deep", value)
    assert [each.value for each in ask.global_parameters() if each.name == "deep"] == [value]
    too_deep: Any = {"deep": value}
    before = world.snapshot()
    world.facts()
    for refused in (
        lambda: ask.set_global_parameter("deep", too_deep),
        lambda: ask.set_policy("/", "p", "", {"max-length": too_deep}),
        lambda: ask.set_operator_policy("/", "p", "", {"max-length": too_deep}),
        lambda: ask.set_vhost_limits("/", {"max-queues": too_deep}),
        lambda: world.users.set_limits("guest", {"max-channels": too_deep}),
    ):
        assert refusal(refused) == f"a value may not be nested more than {VALUE_DEPTH_MAX} deep"
    assert world.snapshot() == before
    assert [each.value for each in ask.global_parameters() if each.name == "deep"] == [value]
    assert world.facts() == []
