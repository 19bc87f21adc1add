"""Policies at work: what they come to for the queues and exchanges there are, and those to come."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amqpy.core.administration.policies import APPLY_TO, policy_keys
from amqpy.core.arguments import POLICY_KEYS, Settings, merged, settings_of
from amqpy.core.queues.queue import Queue
from amqpy.profile import PROFILES
from amqpy.wire.values import Field
from tests.core.core_harness import CoreHarness, longstr

# --- what they come to

definitions = st.fixed_dictionaries(
    {},
    optional={
        "expires": st.integers(1, 9),
        "message-ttl": st.integers(0, 9),
        "max-length": st.integers(0, 9),
        "max-length-bytes": st.integers(0, 9),
        "delivery-limit": st.integers(0, 9),
        "overflow": st.sampled_from(["drop-head", "reject-publish"]),
        "dead-letter-exchange": st.sampled_from(["", "x"]),
    },
)
operator_definitions = definitions.map(
    lambda definition: {
        key: value for key, value in definition.items() if key in policy_keys(PROFILES["rabbitmq-4.3"], operator=True)
    }
)


@given(definitions, operator_definitions)
def test_a_merge_has_every_key_and_never_more_than_the_operator_allows(
    ours: Mapping[str, Any], theirs: Mapping[str, Any]
) -> None:
    result = merged(ours, theirs)
    assert result.keys() == ours.keys() | theirs.keys()
    for key, value in result.items():
        assert value in {ours.get(key), theirs.get(key)}
        if key in theirs:
            assert value <= theirs[key]
        if key in ours and key in theirs:
            assert value <= ours[key]
        elif key in ours:
            assert value == ours[key]
    assert merged(ours, {}) == ours
    assert merged({}, theirs) == theirs
    assert merged(result, theirs) == result


@given(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9))
def test_the_least_of_argument_and_both_policies_holds(argument: int, ours: int, theirs: int) -> None:
    core = CoreHarness()
    administration = core.broker.administration
    administration.set_policy("/", "p", "q", {"max-length": ours})
    administration.set_operator_policy("/", "o", "q", {"max-length": theirs})
    queue = core.queue("q", arguments={"x-max-length": Field("long", argument)})
    assert queue.settings.max_length == min(argument, ours, theirs)


def test_a_text_argument_wins_over_a_policy() -> None:
    core = CoreHarness()
    core.broker.administration.set_policy("/", "p", "", {"overflow": "reject-publish"})
    assert core.queue("q", arguments={"x-overflow": longstr("drop-head")}).settings.overflow == "drop-head"
    assert core.queue("other").settings.overflow == "reject-publish"


def test_every_key_of_a_queue_is_in_the_table_of_options() -> None:
    """A new key must need nothing but a row: what a policy says reaches the setting of the row's name."""
    assert set(policy_keys(PROFILES["rabbitmq-4.3"])) - set(POLICY_KEYS) == {"alternate-exchange"}


def test_a_size_of_a_group_is_for_quorum_queues_and_the_greatest_holds() -> None:
    core = CoreHarness()
    administration = core.broker.administration
    administration.set_policy("/", "p", "", {"target-group-size": 5})
    administration.set_operator_policy("/", "o", "", {"target-group-size": 3})
    quorum = core.queue("q", durable=True, arguments={"x-queue-type": longstr("quorum")})
    assert (quorum.policy.policy, quorum.policy.definition) == ("p", {"target-group-size": 5})
    assert core.queue("c").policy.policy is None


# --- live


class Watched:
    """Counts how often queues are told their settings."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.told: list[str] = []
        configure = Queue.configure

        def watch(queue: Queue, settings: Settings) -> None:
            self.told.append(queue.name)
            configure(queue, settings)

        monkeypatch.setattr(Queue, "configure", watch)


def test_queues_are_told_only_what_has_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    core = CoreHarness()
    administration = core.broker.administration
    queue = core.queue("q")
    core.queue("other")
    watched = Watched(monkeypatch)
    administration.set_policy("/", "p", "^q$", {"max-length": 5})
    assert (queue.policy.policy, queue.policy.definition, queue.settings.max_length) == ("p", {"max-length": 5}, 5)
    administration.set_policy("/", "p", "^q", {"max-length": 5}, priority=7)
    administration.set_policy("/", "better", "^q", {"max-length": 5}, priority=8)
    assert queue.policy.policy == "better"
    assert watched.told == ["q"]
    administration.set_operator_policy("/", "o", "^q", {"max-length": 3})
    assert (queue.policy.operator_policy, queue.settings.max_length) == ("o", 3)
    administration.clear_policy("/", "better")
    assert (queue.policy.policy, queue.settings.max_length) == ("p", 3)
    assert watched.told == ["q", "q"]
    administration.clear_operator_policy("/", "o")
    administration.clear_policy("/", "p")
    assert (*queue.policy[:2], queue.settings) == (None, None, settings_of({}, {}))
    assert watched.told == ["q"] * 4


def test_a_new_queue_is_told_its_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    core = CoreHarness()
    core.broker.administration.set_policy("/", "p", "^q", {"expires": 1000}, apply_to="queues")
    watched = Watched(monkeypatch)
    assert core.queue("q").settings.expires_ms == 1000
    assert core.queue("other").settings.expires_ms is None
    assert watched.told == ["q", "other"]


def test_a_policy_gives_an_exchange_its_alternate() -> None:
    core = CoreHarness()
    administration = core.broker.administration
    core.exchange("main")
    core.exchange("own", arguments={"alternate-exchange": longstr("second")})
    for name in ("first", "second"):
        core.exchange(name, "fanout")
        core.queue(name)
        core.bind(name, name)
    assert core.routed("main") == set()
    administration.set_policy("/", "p", "^main$|^own$", {"alternate-exchange": "first"})
    assert (core.routed("main"), core.routed("own")) == ({"first"}, {"second"})
    administration.set_policy("/", "p", "^main$", {"alternate-exchange": "second"}, apply_to="queues")
    assert core.routed("main") == set()
    administration.set_policy("/", "p", "^main$|^late$", {"alternate-exchange": "second"}, apply_to="exchanges")
    core.exchange("late")
    assert (core.routed("main"), core.routed("late")) == ({"second"}, {"second"})
    administration.clear_policy("/", "p")
    assert (core.routed("main"), core.routed("own")) == (set(), {"second"})


changes = st.lists(
    st.tuples(
        st.sampled_from(["set_policy", "set_operator_policy"]),
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from(["", "^q", "1$", "x", "amq"]),
        operator_definitions.filter(bool),
        st.integers(-2, 2),
        st.sampled_from(sorted(APPLY_TO)),
    ),
    max_size=8,
)


@given(changes, changes)
def test_what_is_set_and_cleared_leaves_no_trace(first: list[Any], second: list[Any]) -> None:
    """Whatever policies there are: setting more and clearing them again leaves everything as it was. And objects
    that are there when policies come are governed as those that come later."""
    core, later = CoreHarness(), CoreHarness()
    _declare(core)
    for change in first:
        _set(core, "1", change)
        _set(later, "1", change)
    before = _governed(core)
    for change in second:
        _set(core, "2", change)
    for kind in ("policies", "operator_policies"):
        for each in getattr(core.broker.administration, kind)("/"):
            if each.name.endswith("2"):
                clear = "clear_policy" if kind == "policies" else "clear_operator_policy"
                getattr(core.broker.administration, clear)("/", each.name)
                core.settle()
    _declare(later)
    assert _governed(core) == before == _governed(later)


def _declare(core: CoreHarness) -> None:
    for name in ("q1", "q2", "x1"):
        core.queue(name)
    core.queue("quorum1", durable=True, arguments={"x-queue-type": longstr("quorum")})
    core.exchange("x1")


def _set(core: CoreHarness, mark: str, change: tuple[Any, ...]) -> None:
    operation, name, pattern, definition, priority, apply_to = change
    set_it = getattr(core.broker.administration, operation)
    set_it("/", name + mark, pattern, definition, priority=priority, apply_to=apply_to)
    core.settle()


def _governed(core: CoreHarness) -> dict[object, object]:
    queues = core.vhost.queues.values()
    exchanges = core.vhost.exchanges.values()
    governed: dict[object, object] = {(type(each), each.name): each.policy for each in queues}
    governed |= {(type(each), each.name): each.policy for each in exchanges}
    return governed | {each.name: each.settings for each in queues}
