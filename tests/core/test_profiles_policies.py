"""What the profiles change in policies, events and memory."""

import pytest

from amqpy.core.events.events import EVENT_EXCHANGE
from amqpy.core.unacked import UnackedDeliveries
from amqpy.core.users import Users
from amqpy.profile import PROFILES
from amqpy.sizes import Limit
from tests.core.core_harness import CoreHarness, FakeTarget, arguments, refusal
from tests.core.events_read import Listener
from tests.fifo import ready_messages
from tests.profiles import switch

QUORUM = arguments(queue_type="quorum")


# --- policies


@switch("policies_by_queue_type", False, True, True, True)
def test_policies_for_one_type_of_queues(profile: str, expected: bool) -> None:
    ask = CoreHarness(profile).broker.administration
    refused = refusal(ask.set_policy, "/", "p", "", {"max-length": 1}, apply_to="quorum_queues")
    assert (refused is None) is expected


@switch("mirroring", True, True, False, False)
def test_mirroring(profile: str, expected: bool) -> None:
    core = CoreHarness(profile)
    ask = core.broker.administration
    text = 'Validation failed\n\n[{<<"ha-mode">>,<<"all">>}] are not recognised policy settings\n'
    assert refusal(ask.set_policy, "/", "p", "", {"ha-mode": "all"}) == (None if expected else text)
    core.queue("q", durable=True, arguments=QUORUM)

    def consume() -> None:
        core.broker.consume(
            core.client,
            core.vhost,
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


@switch(
    "operator_keys", set(), {"overflow", "queue-version"}, {"overflow", "queue-version"}, {"overflow", "queue-version"}
)
def test_what_else_operators_may_say(profile: str, expected: set[str]) -> None:
    core = CoreHarness(profile)
    ask = core.broker.administration
    keys = {"overflow": "reject-publish", "queue-version": 2, "queue-mode": "lazy"}
    for key, value in keys.items():
        refused = refusal(ask.set_operator_policy, "/", key, "", {key: value})
        assert (refused is None) is (key in expected)
    if expected:
        ask.clear_operator_policy("/", "queue-version")
        ask.set_policy("/", "p", "", {"overflow": "drop-head"})
        assert core.queue("q", durable=True).settings.overflow == "reject-publish"


@switch("negative_delivery_limit", None, None, 25, 25)
def test_policies_without_a_delivery_limit(profile: str, expected: int | None) -> None:
    core = CoreHarness(profile)
    ask = core.broker.administration
    refused = refusal(ask.set_policy, "/", "p", "", {"delivery-limit": -1})
    assert (refused is None) is (expected is not None)
    if expected is not None:
        ask.set_operator_policy("/", "o", "", {"delivery-limit": expected})
        assert core.queue("q", durable=True, arguments=QUORUM).policy.definition == {"delivery-limit": expected}


# --- events

MORE = {"type": "rabbit_classic_queue", "leader": "rabbit@localhost", "members": ["rabbit@localhost"]}


OF_QUEUES = {"type", "leader", "members"}


@switch("more_event_properties", set(), {"type"}, OF_QUEUES, OF_QUEUES)
def test_what_else_is_told_of_queues(profile: str, expected: set[str]) -> None:
    core = CoreHarness(profile)
    listener = Listener(core, EVENT_EXCHANGE, "queue.*")
    core.queue("q", durable=True)
    core.delete_queue("q")
    created, deleted = listener.take()
    assert {name: fact for name, fact in created.facts.items() if name in MORE} == {
        name: MORE[name] for name in expected
    }
    assert {name for name in deleted.facts if name in MORE} == expected & {"type"}


@switch("tells_of_clearing", "parameter.set", "parameter.cleared", "parameter.cleared", "parameter.cleared")
def test_a_global_parameter_that_goes(profile: str, expected: str) -> None:
    core = CoreHarness(profile)
    core.broker.administration.set_global_parameter("g", 1)
    listener = Listener(core, EVENT_EXCHANGE, "parameter.*")
    core.broker.administration.clear_global_parameter("g")
    assert [told.key for told in listener.take()] == [expected]


@switch("tells_of_topics", "permission", "topic.permission", "topic.permission", "topic.permission")
def test_a_topic_permission_that_goes(profile: str, expected: str) -> None:
    core = CoreHarness(profile)
    users = Users(core.broker, lambda: b"salt")
    users.set_topic_permissions("guest", "/", "x", "", "")
    listener = Listener(core, EVENT_EXCHANGE, "#.deleted")
    users.clear_topic_permissions("guest", "/", "x")
    users.clear_topic_permissions("guest", "/")
    assert listener.keys() == [f"{expected}.deleted", "topic.permission.deleted"]


@switch("always_names_type", "undefined", "undefined", "classic", "classic")
def test_the_default_type_that_a_virtual_host_is_told_with(profile: str, expected: str) -> None:
    core = CoreHarness(profile)
    listener = Listener(core, EVENT_EXCHANGE, "vhost.created")
    core.broker.administration.add_vhost("v")
    (told,) = listener.take()
    assert told.facts["default_queue_type"] == expected
    assert ("default_queue_type" in told.facts["metadata"]) is (expected == "classic")
    assert ("protected_from_deletion" in told.facts) is (profile == "rabbitmq-4.3")


@switch("returns_in_turn", *[["2", "4", "3", "1"]] * 2, *[["1", "3", "2", "4"]] * 2)
def test_what_a_channel_gives_back_that_ends(profile: str, expected: list[str]) -> None:
    """Of the consumers `b` and `a`, and of basic.get."""
    core = CoreHarness(profile)
    core.queue("q", durable=True, arguments=arguments(queue_type="quorum", delivery_limit=5))
    unacked = UnackedDeliveries()
    for tag, body in (("b", "1"), (None, "2"), ("a", "3")):
        if tag is None:
            core.publish("", "q", body)
            core.get("q", unacked)
            continue
        core.consume("q", unacked, tag=tag, prefetch=1)
        core.publish("", "q", body)
    core.publish("", "q", "4")
    core.get("q", unacked)
    core.close_channel(unacked)
    assert core.ready("q") == expected


@switch("unlimited_waits_first", ["2", "1"], ["2", "1"], ["2", "1"], ["1", "2"])
def test_what_comes_back_without_a_limit(profile: str, expected: list[str]) -> None:
    core = CoreHarness(profile)
    limit = {} if PROFILES[profile].quorum_delivery_limit is None else {"delivery_limit": -1}
    queue = core.queue("q", durable=True, arguments=arguments(queue_type="quorum", **limit))
    core.publish("", "q", "1", "2")
    taken = queue.take(no_ack=False)
    assert taken is not None
    queue.delivered_count += 1
    queue.requeue(taken[0], taken[1], "nack")
    core.settle()
    assert [message.body.decode() for message in ready_messages(queue)] == expected


@switch("memory_high_watermark", 0.4, 0.4, 0.6, 0.6)
def test_how_much_memory_may_be_used(profile: str, expected: float) -> None:
    assert CoreHarness(profile).broker.resources.memory_limit == Limit(share=expected)
    assert CoreHarness(profile, memory_high_watermark="2GB").broker.resources.memory_limit == Limit(2 * 10**9)


@pytest.mark.parametrize("operator", [False, True])
def test_newer_classic_queues_look_at_the_master_locator(operator: bool) -> None:
    core = CoreHarness("rabbitmq-4.0")
    ask = core.broker.administration
    set_policy = ask.set_operator_policy if operator else ask.set_policy
    for locator in ("min-masters", "client-local", "balanced", "random", "least-leaders"):
        set_policy("/", "p", "", {"queue-master-locator": locator})
    said = refusal(set_policy, "/", "p", "", {"queue-master-locator": "bad"})
    assert said is not None
    assert '<<"bad">> is not a valid master locator' in said
    said = refusal(set_policy, "/", "p", "", {"queue-master-locator": "random", "max-length": -1})
    assert said is not None
    assert "-1 is not a valid maximum length" in said


@pytest.mark.parametrize("operator", [False, True])
def test_the_master_locator_may_be_denied(operator: bool) -> None:
    ask = CoreHarness("rabbitmq-4.3").broker.administration
    set_policy = ask.set_operator_policy if operator else ask.set_policy
    said = refusal(set_policy, "/", "p", "", {"queue-master-locator": "random"})
    assert said is not None
    assert "use of deprecated queue-master-locator argument is not permitted" in said
