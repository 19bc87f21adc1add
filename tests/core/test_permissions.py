"""Permissions: what their patterns allow, the verdicts that are remembered, and what long ones cost."""

import pytest

from amqpy.core.durability.records import ParameterRecord
from amqpy.core.permissions import VERDICTS_MAX, Permission, TopicPermission, Verdicts
from amqpy.core.ports import Kind, TopicVerb, Verb
from amqpy.errors import AccessRefused
from tests.core.core_harness import FakeClient, longstr, refusal
from tests.core.recorded import DurableHarness, Store, core_with, restarted


def ignore(units: int) -> None:
    pass


HARD = r"(a*)(a*)(a*)(a*)\4\3\2\1b"
"""A pattern that no engine decides soon for a long name."""


class Member(FakeClient):
    """A client that may do what its user may."""

    def __init__(self, core: DurableHarness, user_name: str = "u") -> None:
        super().__init__(user_name)
        self.vhost = core.vhost
        core.client = self

    def may(self, verb: Verb, kind: Kind, name: str) -> bool:
        return self.vhost.may(self.user_name, verb, name)

    def may_use_topic(self, verb: TopicVerb, exchange: str, routing_key: str) -> bool:
        return self.vhost.may_use_topic(self.user_name, verb, exchange, routing_key)


def house(*, write: str = ".*", read: str = ".*") -> DurableHarness:
    """A broker, a user with these permissions, and the exchange `t` of type topic with a queue `q`."""
    core = core_with()
    core.exchange("t", "topic", durable=True)
    core.queue("q", durable=True)
    core.users.add_user("u")
    core.users.set_permissions("u", "/", ".*", write, read)
    Member(core)
    return core


# --- permissions


def test_each_verb_has_its_pattern() -> None:
    permission = Permission("^c", "w$", "")
    assert [permission.allows(verb, "cw", ignore) for verb in ("configure", "write", "read")] == [True, True, False]
    assert [permission.allows(verb, "", ignore) for verb in ("configure", "write", "read")] == [False, False, True]


def test_everything_is_allowed_without_a_search() -> None:
    """Nothing is compiled or remembered for it: that is what most permissions are."""
    verdicts = Verdicts()
    assert all(verdicts.matches(".*", name, ignore) for name in ("", "a", "é\n"))
    assert vars(verdicts) == vars(Verdicts())


def test_a_pattern_of_an_older_amqpy_that_is_none_any_more_allows_nothing() -> None:
    permission = Permission(r"\N{DIGIT ONE}", "(", ".*")
    assert [permission.allows(verb, "1", ignore) for verb in ("configure", "write", "read")] == [False, False, True]


def test_verdicts_are_remembered() -> None:
    spent: list[int] = []
    permission = Permission(HARD, "", "")
    assert not any(permission.allows("configure", "a" * 255, spent.append) for _ in range(5))
    assert len(spent) == 1
    assert permission == Permission(HARD, "", "")
    assert "a" * 255 not in repr(permission)


def test_only_so_many_verdicts_are_remembered() -> None:
    verdicts, spent = Verdicts(), list[int]()
    for number in range(3 * VERDICTS_MAX):
        assert verdicts.matches("[0-9]", str(number), ignore)
    assert not verdicts.matches(HARD, "a" * 255, spent.append)
    for number in range(VERDICTS_MAX):
        verdicts.matches(f"^{number}$", "", ignore)
    assert not verdicts.matches(HARD, "a" * 255, spent.append)
    assert len(spent) == 2


def test_a_new_permission_knows_no_verdict_of_the_old_one() -> None:
    core = house(read="^q")
    assert refusal(core.bind, "q", "t") == "read access to exchange 't' in vhost '/' refused for user 'u'"
    core.users.set_permissions("u", "/", ".*", ".*", "^t")
    assert refusal(core.bind, "q", "t") is None
    core.users.clear_permissions("u", "/")
    assert refusal(core.bind, "q", "t") == "write access to queue 'q' in vhost '/' refused for user 'u'"


def test_a_client_with_hard_names_waits_for_others() -> None:
    core = house()
    core.users.set_permissions("u", "/", HARD, ".*", ".*")
    jobs = core.broker.scheduler.jobs
    jobs.client = core.client
    for name in ("a" * 254, "a" * 255):
        with pytest.raises(AccessRefused):
            core.broker.topology.delete_queue(core.client, core.vhost, name, if_unused=False, if_empty=False)
    assert jobs.is_at_work
    jobs.client = None
    core.settle()
    assert not jobs


def test_policies_with_hard_patterns_are_applied_bit_by_bit() -> None:
    core = core_with()
    for number in range(5):
        core.queue(f"{'a' * 250}{number}", durable=True)
    core.broker.scheduler.jobs.begin_turn()
    core.broker.administration.set_policy("/", "p", HARD, {"max-length": 5})
    assert core.broker.scheduler.jobs
    core.settle()
    assert not any(queue.settings.max_length for queue in core.vhost.queues.values())


def test_a_policy_of_an_older_amqpy_whose_pattern_is_none_any_more_matches_nothing() -> None:
    core = core_with("q")
    core.broker.administration.set_policy("/", "p", "q", {"max-length": 5})
    store = Store()
    store.apply(core.journal.batch.changes)
    spoilt = [
        record._replace(value=record.value.replace('"q"', '"("')) if isinstance(record, ParameterRecord) else record
        for record in store.records()
    ]
    after = DurableHarness(spoilt)
    assert [policy.pattern for policy in after.broker.administration.policies("/")] == ["("]
    assert after.vhost.queues["q"].settings.max_length is None


# --- topic permissions


def test_topic_permissions_are_for_routing_keys() -> None:
    core = house()
    core.users.set_topic_permissions("u", "/", "t", "^w", "^r")
    where = "in exchange 't' in vhost '/' refused for user 'u'"
    assert refusal(core.publish, "t", "w.x") is None
    assert refusal(core.publish, "t", "r.x") == f"write access to topic 'r.x' {where}"
    for operation, destination in (
        (core.bind, "q"),
        (core.unbind, "q"),
        (core.bind_exchange, "amq.fanout"),
        (core.unbind_exchange, "amq.fanout"),
    ):
        assert refusal(operation, destination, "t", "r.x") is None
        assert refusal(operation, destination, "t", "w.x") == f"read access to topic 'w.x' {where}"
    for operation in (core.bind_exchange, core.unbind_exchange):
        assert refusal(operation, "t", "amq.fanout", "w.x") is None, "the source counts"


def test_an_empty_pattern_is_for_the_empty_key() -> None:
    core = house()
    core.users.set_topic_permissions("u", "/", "t", "", "")
    assert refusal(core.publish, "t", "") is None
    assert refusal(core.publish, "t", "x") is not None
    assert refusal(core.bind, "q", "t", "") is None
    assert refusal(core.bind, "q", "t", "#") is not None


def test_other_exchanges_types_users_and_vhosts_do_not_care() -> None:
    core = house()
    core.exchange("d", "direct")
    delayed = {"x-delayed-type": longstr("topic")}
    core.exchange("delayed", "x-delayed-message", arguments=delayed)
    core.broker.administration.add_vhost("v")
    core.users.add_user("other")
    core.users.set_permissions("other", "/", ".*", ".*", ".*")
    for exchange in ("d", "delayed", "missing", "t2"):
        core.users.set_topic_permissions("u", "/", exchange, "", "")
    core.users.set_topic_permissions("u", "v", "t", "", "")
    core.users.set_topic_permissions("other", "/", "t", "", "")
    for exchange in ("d", "delayed", "t"):
        assert refusal(core.publish, exchange, "k") is None
        assert refusal(core.bind, "q", exchange, "k") is None
    Member(core, "other")
    assert refusal(core.publish, "t", "k") is not None


def test_topic_permissions_count_at_once() -> None:
    core = house()
    assert refusal(core.publish, "t", "k") is None
    assert core.vhost.router.remembered("u"), "the route"
    core.users.set_topic_permissions("u", "/", "t", "^other", ".*")
    assert refusal(core.publish, "t", "k") is not None
    core.users.set_topic_permissions("u", "/", "t", "k", ".*")
    assert refusal(core.publish, "t", "k") is None
    core.users.set_topic_permissions("u", "/", "t", "^other", ".*")
    core.users.clear_topic_permissions("u", "/", "t")
    assert refusal(core.publish, "t", "k") is None


def test_they_come_after_the_permission_and_what_exists() -> None:
    """Nobody learns from them what is there."""
    core = house(write="^q", read="^$")
    core.exchange("hidden", "topic", internal=True)
    core.users.set_topic_permissions("u", "/", "t", "", "")
    text = "access to exchange 't' in vhost '/' refused for user 'u'"
    assert refusal(core.publish, "t", "k") == f"write {text}"
    assert refusal(core.bind, "q", "t", "k") == f"read {text}"
    core.users.set_permissions("u", "/", ".*", ".*", ".*")
    core.users.set_topic_permissions("u", "/", "hidden", "", "")
    core.users.set_topic_permissions("u", "/", "no", "", "")
    assert refusal(core.publish, "hidden", "k") == "cannot publish to internal exchange 'hidden' in vhost '/'"
    assert refusal(core.bind, "q", "no", "k") == "no exchange 'no' in vhost '/'"
    assert (
        refusal(core.bind, "no", "t", "k")
        == "read access to topic 'k' in exchange 't' in vhost '/' refused for user 'u'"
    )


@pytest.mark.parametrize(
    ("user_name", "pattern", "allowed", "refused_key"),
    [
        ("u", "^{username}\\.", "u.x", "v.x"),
        (".*", "^{username}$", ".*", "anybody"),
        ("a{vhost}", "^{username}$", "a{vhost}", "a/"),
        ("(", "^{username}$", "(", ""),
        ("u", "^{vhost}{username}$", "/u", "u"),
        ("u", "^{client_id}$", "{client_id}", "u"),
    ],
)
def test_variables_stand_for_what_they_are(user_name: str, pattern: str, allowed: str, refused_key: str) -> None:
    core = house()
    if user_name != "u":
        core.users.add_user(user_name)
    core.users.set_permissions(user_name, "/", ".*", ".*", ".*")
    core.users.set_topic_permissions(user_name, "/", "t", pattern, pattern)
    Member(core, user_name)
    assert refusal(core.publish, "t", allowed) is None
    assert refusal(core.publish, "t", refused_key) is not None


def test_a_client_id_cannot_widen_its_own_permission() -> None:
    permission = TopicPermission("^{client_id}$", "")
    assert permission.allows("write", "me", {"client_id": "me"}, ignore)
    assert not permission.allows("write", "me", {"client_id": ".*"}, ignore)
    assert not permission.allows("write", "me", {"client_id": "other"}, ignore)


def test_topic_permissions_survive_and_go_with_user_and_vhost() -> None:
    core = house()
    core.broker.administration.add_vhost("v")
    for vhost in ("/", "v"):
        core.users.set_topic_permissions("u", vhost, "t", "a", "b")
        core.users.set_topic_permissions("u", vhost, "t2", "c", "d")
    core.users.clear_topic_permissions("u", "/", "t2")
    after = restarted(core)
    assert after.vhost.topic_permissions == {"u": {"t": TopicPermission("a", "b")}}
    assert list(after.broker.vhosts["v"].topic_permissions["u"]) == ["t", "t2"]
    after.broker.administration.delete_vhost("v")
    after.users.delete_user("u")
    assert after.vhost.topic_permissions == {}
    store = Store()
    for harness in (core, after):
        store.apply(harness.journal.batch.changes)
    assert DurableHarness(store.records()).vhost.topic_permissions == {}
    after.broker.administration.add_vhost("v")
    assert after.broker.vhosts["v"].topic_permissions == {}


def test_what_is_refused_for_topics_changes_nothing() -> None:
    core = house()
    core.users.set_topic_permissions("u", "/", "t", "a", "b")
    for write, read in (("(", ""), ("", "(")):
        text = refusal(core.users.set_topic_permissions, "u", "/", "t", write, read)
        assert text == """Invalid regular expression '(': {"missing )",1}"""
    assert core.vhost.topic_permissions == {"u": {"t": TopicPermission("a", "b")}}


def test_who_has_no_topic_permission_is_asked_for_none() -> None:
    """Not even where there are some of others."""
    core = house()
    core.users.set_topic_permissions("guest", "/", "t", "", "")
    assert refusal(core.publish, "t", "k") is None
    assert "u" not in core.vhost.topic_permissions
