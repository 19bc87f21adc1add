"""What is recorded of the changes that administrators make: each once, to the last fact."""

import pytest

from amqpy.core.durability.records import (
    BindingRecord,
    Drop,
    ExchangeRecord,
    ParameterRecord,
    PermissionRecord,
    Put,
    QueueRecord,
    UserRecord,
    VhostRecord,
)
from amqpy.errors import AdministrationError
from tests.core.recorded import DEFAULT_VHOST, Store, core_with
from tests.core.slices import sliced


def test_parameters_are_recorded() -> None:
    core = core_with()
    ask = core.broker.administration
    ask.set_policy("/", "p", "^q", {"max-length": 1}, priority=1.5)
    ask.set_policy("/", "p", "^q", {"max-length": 2}, apply_to="queues")
    ask.set_operator_policy("/", "p", "", {"expires": 3})
    ask.set_vhost_limits("/", {"max-queues": 4})
    ask.set_parameter("/", "federation-upstream", "u", {"uri": "\udcff"})
    ask.set_global_parameter("g", None)
    first, second, limits = (
        '{"pattern":"^q","definition":{"max-length":1},"priority":1.5,"apply-to":"all"}',
        '{"pattern":"^q","definition":{"max-length":2},"priority":0,"apply-to":"queues"}',
        '{"max-queues":4}',
    )
    third = '{"pattern":"","definition":{"expires":3},"priority":0,"apply-to":"all"}'
    assert core.facts() == [
        Put(ParameterRecord("/", "policy", "p", first)),
        Put(ParameterRecord("/", "policy", "p", second)),
        Put(ParameterRecord("/", "operator_policy", "p", third)),
        Put(ParameterRecord("/", "vhost-limits", "limits", limits)),
        Put(ParameterRecord("/", "federation-upstream", "u", '{"uri":"\\udcff"}')),
        Put(ParameterRecord("", "global", "g", "null")),
    ]
    ask.clear_policy("/", "p")
    ask.clear_operator_policy("/", "p")
    ask.clear_vhost_limits("/")
    ask.clear_parameter("/", "federation-upstream", "u")
    ask.clear_global_parameter("g")
    assert [(type(fact), fact.record[:3]) for fact in core.facts()] == [
        (Drop, ("/", "policy", "p")),
        (Drop, ("/", "operator_policy", "p")),
        (Drop, ("/", "vhost-limits", "limits")),
        (Drop, ("/", "federation-upstream", "u")),
        (Drop, ("", "global", "g")),
    ]


def test_virtual_hosts_are_recorded_once_for_each_change() -> None:
    core = core_with()
    ask = core.broker.administration
    ask.add_vhost("v", description="d", tags=["a"], default_queue_type="quorum")
    ask.add_vhost("v", description="d", tags=["a"])
    ask.set_deletion_protection("v", protected=True)
    ask.set_deletion_protection("v", protected=True)
    ask.add_vhost("v", description="e")
    record = VhostRecord("v", "d", '["a"]', "quorum", protected_from_deletion=False)
    assert core.facts() == [
        Put(record),
        Put(record._replace(protected_from_deletion=True)),
        Put(record._replace(protected_from_deletion=True, description="e", tags="[]")),
    ]
    with pytest.raises(AdministrationError):
        ask.delete_vhost("v")
    assert core.facts() == []


def test_a_virtual_host_takes_all_with_it() -> None:
    core = core_with("q")
    ask = core.broker.administration
    ask.set_policy("/", "p", "", {"expires": 1})
    ask.set_vhost_limits("/", {"max-queues": 4})
    core.exchange("x", "fanout", durable=True)
    core.bind("q", "x")
    core.bind_exchange("x", "amq.fanout")
    ask.trace_on("/")
    core.facts()
    ask.delete_vhost("/")
    dropped = core.facts()
    assert {type(fact) for fact in dropped} == {Drop}
    assert {type(fact.record): fact.record[:3] for fact in dropped} == {
        PermissionRecord: ("guest", "/", ".*"),
        QueueRecord: ("/", "q", "classic"),
        ExchangeRecord: ("/", "x", "fanout"),
        BindingRecord: ("/", "amq.fanout", "exchange"),
        ParameterRecord: ("/", "policy", "p"),
        VhostRecord: DEFAULT_VHOST[:3],
    }
    assert len(dropped) == 8


def test_users_are_recorded_once_for_each_change() -> None:
    core = core_with()
    users = core.users
    users.add_user("u", password_hash=bytes(36), tags=["a", "b"])
    record = UserRecord("u", bytes(36), '["a","b"]', "{}", "sha256")
    users.set_tags("u", ["a", "b"])
    users.set_tags("u", [])
    users.set_limits("u", {"max-channels": 1})
    users.set_limits("u", {"max-channels": 1})
    users.clear_limits("u")
    users.clear_limits("u")
    users.change_password_hash("u", bytes(36))
    users.change_password_hash("u", bytes(20), "md5")
    users.clear_password("u")
    users.clear_password("u")
    assert core.facts() == [
        Put(record),
        Put(record._replace(tags="[]")),
        Put(record._replace(tags="[]", limits='{"max-channels":1}')),
        Put(record._replace(tags="[]")),
        Put(record._replace(tags="[]", password_hash=bytes(20), hashing_algorithm="md5")),
        Put(record._replace(tags="[]", password_hash=b"")),
    ]
    users.set_permissions("u", "/", "a", "b", "c")
    users.set_permissions("u", "/", "a", "b", "c")
    users.clear_permissions("u", "/")
    users.clear_permissions("u", "/")
    users.set_permissions("u", "/", "", "", "")
    users.delete_user("u")
    assert core.facts() == [
        Put(PermissionRecord("u", "/", "a", "b", "c")),
        Drop(PermissionRecord("u", "/", "a", "b", "c")),
        Put(PermissionRecord("u", "/", "", "", "")),
        Drop(PermissionRecord("u", "/", "", "", "")),
        Drop(record._replace(tags="[]", password_hash=b"")),
    ]


def test_permissions_that_are_set_while_a_virtual_host_is_deleted_go_with_it() -> None:
    with sliced(1):
        core = core_with()
        core.broker.administration.delete_vhost("/")
        assert "/" in core.broker.vhosts, "it takes more than a turn"
        core.users.set_permissions("guest", "/", "a", "b", "c")
        core.broker.finish()
    store = Store()
    store.apply(core.journal.batch.changes)
    assert [type(record) for record in store.records()] == [UserRecord]
