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
from tests.core.core_harness import LOG, CoreHarness, FakeClient, FakeTarget, arguments, longstr
from tests.core.recorded import DurableHarness


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


def admin(core: CoreHarness) -> Administration:
    return core.broker.administration


# --- policies


def test_policies_are_listed_in_the_order_in_which_they_are_asked() -> None:
    ask = admin(CoreHarness())
    ask.set_policy("/", "low", "a", {"expires": 1})
    ask.set_policy("/", "high", "b", {"expires": 2}, priority=1, apply_to="queues")
    ask.set_operator_policy("/", "other", "c", {"expires": 3})
    assert [(each.name, each.priority, each.apply_to) for each in ask.policies("/")] == [
        ("high", 1, "queues"),
        ("low", 0, "all"),
    ]
    assert [each.definition for each in ask.operator_policies("/")] == [{"expires": 3}]


def test_a_refused_policy_changes_nothing() -> None:
    core = CoreHarness()
    ask = admin(core)
    ask.set_policy("/", "p", "q", {"expires": 1})
    queue = core.queue("q")
    assert refusal(ask.set_policy, "/", "p", "q", {"expires": 0})
    assert refusal(ask.set_operator_policy, "/", "p", "q", {"queue-mode": "lazy"})
    assert [each.definition for each in ask.policies("/")] == [{"expires": 1}]
    assert (queue.settings.expires_ms, ask.operator_policies("/")) == (1, [])


def test_what_the_caller_does_with_its_definition_later_is_its_own_affair() -> None:
    ask = admin(CoreHarness())
    definition = {"expires": 1}
    ask.set_policy("/", "p", "", definition)
    definition["expires"] = 2
    assert ask.policies("/")[0].definition == {"expires": 1}


def test_policies_and_vhosts_that_are_not_there() -> None:
    ask = admin(CoreHarness())
    ask.set_operator_policy("/", "p", "", {"expires": 1})
    assert missing(ask.clear_policy, "/", "p") == "Parameter does not exist"
    assert missing(ask.clear_operator_policy, "/", "q") == "Parameter does not exist"
    nowhere = "Virtual host 'nope' does not exist"
    for operation, *given in (
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
        assert missing(operation, "nope", *given) == nowhere


# --- parameters


def test_parameters() -> None:
    ask = admin(CoreHarness())
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
    ask = admin(CoreHarness())
    assert refusal(ask.set_parameter, "/", component, "x", value) == text
    assert ask.parameters() == []


def test_operator_policies_are_parameters_too_and_policies_only_when_asked_for() -> None:
    core = CoreHarness()
    ask = admin(core)
    value = {"pattern": "q", "definition": {"expires": 1}, "priority": 2, "apply-to": "queues"}
    ask.set_parameter("/", "operator_policy", "o", value)
    ask.set_policy("/", "p", "q", {"expires": 3})
    assert core.queue("q").settings.expires_ms == 1
    assert ask.parameters() == [Parameter("/", "operator_policy", "o", value)]
    assert [each.name for each in ask.parameters("/", "policy")] == ["p"]
    assert refusal(ask.clear_parameter, "/", "policy", "p") == "policies may not be cleared using this method"
    ask.clear_parameter("/", "operator_policy", "o")
    assert core.vhost.queues["q"].settings.expires_ms == 3


def test_global_parameters() -> None:
    ask = admin(CoreHarness())
    ask.set_global_parameter("cluster_name", "a")
    ask.set_global_parameter("cluster_name", {"b": [1]})
    assert ask.global_parameters() == [Parameter(None, None, "cluster_name", {"b": [1]})]
    ask.clear_global_parameter("cluster_name")
    assert ask.global_parameters() == []
    assert missing(ask.clear_global_parameter, "cluster_name") == "Parameter does not exist"


# --- limits of virtual hosts


def test_a_vhost_full_of_queues_takes_no_more() -> None:
    core = CoreHarness()
    core.queue("before")
    admin(core).set_vhost_limits("/", {"max-queues": 2})
    core.queue("last")
    before = core.snapshot()
    with pytest.raises(PreconditionFailed) as caught:
        core.queue("more")
    assert caught.value.text == "cannot declare queue 'more': queue limit in vhost '/' (2) is reached"
    assert core.snapshot() == before
    core.queue("last")  # there is no limit for what is there
    core.delete_queue("before")
    core.queue("more")


@pytest.mark.parametrize("limits", [{}, {"max-queues": -1}, {"max-connections": 0}])
def test_no_limit(limits: dict[str, int]) -> None:
    core = CoreHarness()
    admin(core).set_vhost_limits("/", {"max-queues": 0})
    admin(core).set_vhost_limits("/", limits)
    core.queue("q")


def test_limits_are_cleared() -> None:
    core = CoreHarness()
    admin(core).set_vhost_limits("/", {"max-queues": 0})
    with pytest.raises(PreconditionFailed, match=r"\(0\) is reached$"):
        core.queue("q")
    assert admin(core).parameters() == [Parameter("/", "vhost-limits", "limits", {"max-queues": 0})]
    admin(core).clear_vhost_limits("/")
    core.queue("q")
    assert missing(admin(core).clear_vhost_limits, "/") == "Parameter does not exist"


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
    core = CoreHarness()
    text = "".join(f"{line}\n" for line in lines)
    assert refusal(admin(core).set_vhost_limits, "/", limits) == f"Validation failed\n\n{text}"
    assert core.vhost.limits == {}


# --- virtual hosts


def test_a_new_vhost_has_what_every_vhost_has() -> None:
    core = CoreHarness()
    admin(core).add_vhost("new", description="d", tags=["a", "b"], default_queue_type="quorum")
    vhost = core.broker.vhosts["new"]
    assert vhost.metadata == Metadata("d", ("a", "b"), "quorum")
    assert vhost.exchanges.keys() == core.vhost.exchanges.keys() - {EVENT_EXCHANGE}
    assert vhost.queues == {}


def test_adding_a_vhost_again_updates_its_metadata() -> None:
    core = CoreHarness()
    core.queue("q")
    admin(core).add_vhost("/", description="d", default_queue_type="stream", protected_from_deletion=True)
    admin(core).add_vhost("/", tags=["t"])
    assert core.broker.vhosts["/"] is core.vhost
    assert core.vhost.metadata == Metadata("", ("t",), "stream", protected_from_deletion=True)
    assert list(core.vhost.queues) == ["q"]


def test_a_default_queue_type_that_is_none() -> None:
    core = CoreHarness()
    assert refusal(admin(core).add_vhost, "new", default_queue_type="foo") == "Unsupported default queue type"
    assert "new" not in core.broker.vhosts


def declared_type(core: CoreHarness, **more: Any) -> object:  # noqa: ANN401
    name = f"q{len(core.vhost.queues)}"
    return core.queue(name, **more).arguments.get("x-queue-type")


@pytest.mark.parametrize("kind", [CLASSIC, QUORUM])
def test_the_default_queue_type_is_for_queues_that_fit_it(kind: str) -> None:
    core = CoreHarness()
    assert declared_type(core, durable=True) is None
    admin(core).add_vhost("/", default_queue_type=kind)
    assert declared_type(core, durable=True) == longstr(kind)
    assert declared_type(core) == longstr(CLASSIC)
    assert declared_type(core, durable=True, exclusive=True) == longstr(CLASSIC)
    assert declared_type(core, durable=True, auto_delete=True) == longstr(CLASSIC)
    core.queue("given", durable=True, arguments={"x-queue-type": longstr(CLASSIC)})
    core.queue("given", durable=True, arguments={"x-queue-type": longstr(CLASSIC)})


def test_the_default_queue_type_may_be_a_setting() -> None:
    broker = Broker(Config(default_queue_type=QUORUM), str, int, log=LOG)
    broker.administration.add_vhost("new")
    assert [vhost.metadata.default_queue_type for vhost in broker.vhosts.values()] == [QUORUM, QUORUM]


def test_a_deleted_vhost_takes_everything_with_it() -> None:
    core = CoreHarness()
    ask = admin(core)
    ask.set_policy("/", "p", "", {"expires": 1})
    unacked, target = UnackedDeliveries(), FakeTarget()
    other, mine = FakeClient("other"), core.queue("mine", exclusive=True)
    core.vhost.clients = {core.client: None, other: None}
    core.queue("q")
    core.exchange("x", "fanout", auto_delete=True)
    core.bind("q", "x")
    core.publish("x", "", "a", "b")
    core.consume("q", unacked, target, prefetch=1)
    ask.delete_vhost("/")
    assert core.broker.vhosts == {}
    assert (core.vhost.queues, core.vhost.exchanges, core.vhost.owned) == ({}, {}, {})
    assert mine.deleted
    assert target.cancellations == 1
    assert core.client.closed_with == other.closed_with == ["vhost '/' is deleted"]
    ask.add_vhost("/")
    assert ask.policies("/") == []
    assert core.broker.vhosts["/"] is not core.vhost


def test_dead_letters_of_a_deleted_virtual_host_do_not_go_to_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    core = CoreHarness()
    unacked = UnackedDeliveries()
    core.queue("q", arguments=arguments(dead_letter_exchange="", dead_letter_routing_key="dead"))
    core.publish("", "q", "a")
    core.get("q", unacked)
    monkeypatch.setattr("amqpy.core.broker.WORK_MAX", 0)  # as if there were too many for this turn
    core.broker.reject(unacked.take_all())
    admin(core).delete_vhost("/")
    admin(core).add_vhost("/")
    core.vhost = core.broker.vhosts["/"]
    core.queue("dead")
    monkeypatch.undo()
    assert len(core.broker.scheduler.dead_letters) == 1
    core.settle()
    assert not core.broker.scheduler.dead_letters
    assert core.ready("dead") == []


def test_a_protected_vhost_is_not_deleted() -> None:
    core = CoreHarness()
    ask = admin(core)
    ask.set_deletion_protection("/", True)
    text = "Refusing to delete virtual host '/' because it is protected from deletion"
    assert refusal(ask.delete_vhost, "/") == text
    assert list(core.broker.vhosts) == ["/"]
    ask.set_deletion_protection("/", False)
    ask.delete_vhost("/")


@pytest.mark.parametrize("wrap", [lambda inner: [inner], lambda inner: {"a": inner}])
def test_values_have_a_depth(wrap: Callable[[object], object]) -> None:
    """A refused one leaves nothing behind; one that is as deep as may be is set, told and recorded."""
    core = DurableHarness()
    core.queue("told")
    core.bind("told", EVENT_EXCHANGE, "#")
    ask = core.broker.administration
    value: object = 1
    for _ in range(VALUE_DEPTH_MAX):
        value = wrap(value)
    ask.set_global_parameter("deep", value)
    assert [each.value for each in ask.global_parameters() if each.name == "deep"] == [value]
    too_deep: Any = {"deep": value}
    before = core.snapshot()
    core.facts()
    for refused in (
        lambda: ask.set_global_parameter("deep", too_deep),
        lambda: ask.set_policy("/", "p", "", {"max-length": too_deep}),
        lambda: ask.set_operator_policy("/", "p", "", {"max-length": too_deep}),
        lambda: ask.set_vhost_limits("/", {"max-queues": too_deep}),
        lambda: core.users.set_limits("guest", {"max-channels": too_deep}),
    ):
        assert refusal(refused) == f"a value may not be nested more than {VALUE_DEPTH_MAX} deep"
    assert core.snapshot() == before
    assert [each.value for each in ask.global_parameters() if each.name == "deep"] == [value]
    assert core.facts() == []


def test_limits_may_be_an_empty_list_as_erlang_prints_an_empty_object() -> None:
    core = CoreHarness()
    admin(core).set_parameter("/", "vhost-limits", "limits", [])
    assert core.vhost.limits == {}
    core.queue("q")
