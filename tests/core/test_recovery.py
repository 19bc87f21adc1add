"""What is recorded of each change, to the last fact; and what a broker that is made from it is like."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given

from amqpy.config import Config
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
from amqpy.core.permissions import EVERYTHING
from amqpy.core.unacked import UnackedDeliveries
from amqpy.core.users import LoginFailed, hash_password
from amqpy.errors import AdministrationError, AmqpFault, PreconditionFailed
from amqpy.wire.values import Field, Table, encode_table
from tests.core.core_harness import FakeClient, arguments, integer, longstr
from tests.core.recorded import DurableWorld, Store
from tests.core.slices import sliced
from tests.strategies import tables

DEFAULT_VHOST = VhostRecord("/", "Default virtual host", "[]", None, protected_from_deletion=False)


def world_with(*queues: str, durable: bool = True) -> DurableWorld:
    """A broker with these queues, of which all is written."""
    world = DurableWorld()
    for name in queues:
        world.queue(name, durable=durable)
    world.facts()
    return world


def restarted(world: DurableWorld, **options: Any) -> DurableWorld:  # noqa: ANN401 (those of a World)
    """What a broker is like that starts with all that this one ever recorded."""
    store = Store()
    store.apply(world.journal.batch.changes)
    return DurableWorld(store.records(), **options)


def exchange_record(name: str, **more: Any) -> ExchangeRecord:  # noqa: ANN401 (the fields of a record)
    return ExchangeRecord("/", name, "fanout", auto_delete=False, internal=False, arguments=b"")._replace(**more)


def queue_record(name: str, **more: Any) -> QueueRecord:  # noqa: ANN401
    return QueueRecord("/", name, "classic", auto_delete=False, arguments=b"")._replace(**more)


def binding_record(source: str, destination: str, key: str = "", **more: Any) -> BindingRecord:  # noqa: ANN401
    return BindingRecord("/", source, "queue", destination, key, b"")._replace(**more)


# --- what clients do


def test_a_new_broker_records_its_defaults() -> None:
    guest = UserRecord("guest", hash_password(b"guest", bytes(4)), '["administrator"]', "{}")
    assert DurableWorld().facts() == [Put(DEFAULT_VHOST), Put(guest), Put(PermissionRecord("guest", "/", *EVERYTHING))]


def test_durable_things_are_recorded() -> None:
    world = world_with()
    table = {"\udcff": Field("byte", 1), "a": longstr("caf\udce9")}
    world.exchange("x", "fanout", durable=True, internal=True, arguments=table)
    world.exchange("y", "topic", durable=True, auto_delete=True)
    world.queue("q", durable=True, arguments=table)
    world.queue("quorum", durable=True, arguments=arguments(queue_type="quorum"))
    world.queue("auto", durable=True, auto_delete=True)
    world.bind("q", "x", "\udcff", table)
    world.bind_exchange("x", "y", "#")
    assert world.facts() == [
        Put(exchange_record("x", internal=True, arguments=encode_table(table))),
        Put(exchange_record("y", type="topic", auto_delete=True)),
        Put(queue_record("q", arguments=encode_table(table))),
        Put(queue_record("quorum", type="quorum", arguments=encode_table(arguments(queue_type="quorum")))),
        Put(queue_record("auto", auto_delete=True)),
        Put(binding_record("x", "q", "\udcff", arguments=encode_table(table))),
        Put(binding_record("y", "x", "#", destination_kind="exchange")),
    ]


def test_transient_things_are_not() -> None:
    world = world_with("durable")
    world.exchange("x", "fanout", durable=True)
    world.facts()
    world.exchange("transient", "fanout")
    world.queue("transient")
    world.queue("mine", durable=True, exclusive=True)
    world.bind("transient", "x")
    world.bind("durable", "transient")
    world.bind_exchange("transient", "x")
    world.bind_exchange("x", "transient")
    world.bind("transient", "amq.fanout")
    world.unbind("transient", "x")
    world.delete_exchange("transient")
    world.delete_queue("transient")
    world.lose_connection(world.client)
    assert world.facts() == []


def test_what_was_done_already_is_not_recorded_again() -> None:
    world = world_with("q")
    world.exchange("x", "fanout", durable=True)
    world.bind("q", "x", "key", {"a": Field("byte", 1), "b": Field("byte", 2)})
    before = world.journal.changes_count
    world.queue("q", durable=True)
    world.exchange("x", "fanout", durable=True)
    world.bind("q", "x", "key", {"b": Field("byte", 2), "a": Field("byte", 1)})
    world.unbind("q", "x", "other")
    world.delete_queue("not there")
    world.delete_exchange("not there")
    assert world.journal.changes_count == before


@pytest.mark.parametrize(
    "refused",
    [
        lambda world: world.queue("q", durable=True, arguments=arguments(max_length=1)),
        lambda world: world.queue("new", durable=True, arguments=arguments(max_length=-1)),
        lambda world: world.queue("new", durable=True, auto_delete=True, arguments=arguments(queue_type="quorum")),
        lambda world: world.queue("new", durable=True, arguments=arguments(queue_type="stream")),
        lambda world: world.exchange("new", "x-delayed-message", durable=True),
        lambda world: world.bind("q", "not there"),
        lambda world: world.bind("q", "amq.headers", "", {"x-match": longstr("some")}),
        lambda world: world.delete_exchange("amq.fanout"),
    ],
)
def test_what_is_refused_is_not_recorded(refused: Callable[[DurableWorld], object]) -> None:
    world = world_with("q")
    with pytest.raises(AmqpFault):
        refused(world)
    assert world.facts() == []


def test_bindings_of_predeclared_exchanges_are_recorded_but_not_the_exchanges() -> None:
    world = world_with("q")
    sources = [name for name in world.vhost.exchanges if name]
    for name in sources:
        world.bind("q", name)
    assert world.facts() == [Put(binding_record(name, "q")) for name in sources]
    assert {"amq.rabbitmq.event", "amq.rabbitmq.trace"} <= set(sources)
    after = restarted(world).vhost
    assert [name for name, exchange in after.exchanges.items() if exchange.bindings] == sources


def test_a_queue_takes_bindings_and_auto_delete_exchanges_with_it() -> None:
    world = world_with("q")
    world.exchange("x", "fanout", durable=True, auto_delete=True)
    world.exchange("y", "fanout", durable=True, auto_delete=True)
    world.exchange("transient", "fanout", auto_delete=True)
    world.bind("q", "x")
    world.bind("q", "transient")
    world.bind_exchange("x", "y")
    world.facts()
    world.delete_queue("q")
    assert world.facts() == [
        Drop(queue_record("q")),
        Drop(binding_record("x", "q")),
        Drop(exchange_record("x", auto_delete=True)),
        Drop(binding_record("y", "x", destination_kind="exchange")),
        Drop(exchange_record("y", auto_delete=True)),
    ]


def test_an_exchange_takes_its_bindings_with_it() -> None:
    world = world_with("q")
    world.exchange("x", "fanout", durable=True)
    world.bind("q", "x", "b")
    world.bind("q", "x", "a")
    world.bind_exchange("x", "amq.direct")
    world.facts()
    world.delete_exchange("x")
    assert world.facts() == [
        Drop(exchange_record("x")),
        Drop(binding_record("x", "q", "b")),
        Drop(binding_record("x", "q", "a")),
        Drop(binding_record("amq.direct", "x", destination_kind="exchange")),
    ]


def test_unbinding_drops_the_record_of_what_was_bound() -> None:
    world = world_with("q")
    world.exchange("x", "fanout", durable=True, auto_delete=True)
    world.bind("q", "x", "", {"b": Field("byte", 1), "a": Field("byte", 2)})
    (put,) = world.facts()[1:]
    world.unbind("q", "x", "", {"a": Field("long", 2), "b": Field("byte", 1)})
    assert world.facts() == []
    world.unbind("q", "x", "", {"a": Field("byte", 2), "b": Field("byte", 1)})
    assert world.facts() == [Drop(put.record), Drop(exchange_record("x", auto_delete=True))]


def test_queues_that_delete_themselves_are_dropped() -> None:
    world = world_with()
    world.queue("auto", durable=True, auto_delete=True)
    world.queue("leased", durable=True, arguments=arguments(expires=100))
    world.queue("closed", durable=True, auto_delete=True)
    world.facts()
    world.cancel(world.consume("auto", UnackedDeliveries()))
    assert world.facts() == [Drop(queue_record("auto", auto_delete=True))]
    world.wait(100)
    assert world.facts() == [Drop(queue_record("leased", arguments=encode_table(arguments(expires=100))))]
    unacked = UnackedDeliveries()
    world.consume("closed", unacked)
    world.close_channel(unacked)
    assert world.facts() == [Drop(queue_record("closed", auto_delete=True))]


# --- what administrators do


def test_parameters_are_recorded() -> None:
    world = world_with()
    ask = world.broker.administration
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
    assert world.facts() == [
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
    assert [(type(fact), fact.record[:3]) for fact in world.facts()] == [
        (Drop, ("/", "policy", "p")),
        (Drop, ("/", "operator_policy", "p")),
        (Drop, ("/", "vhost-limits", "limits")),
        (Drop, ("/", "federation-upstream", "u")),
        (Drop, ("", "global", "g")),
    ]


def test_virtual_hosts_are_recorded_once_for_each_change() -> None:
    world = world_with()
    ask = world.broker.administration
    ask.add_vhost("v", description="d", tags=["a"], default_queue_type="quorum")
    ask.add_vhost("v", description="d", tags=["a"])
    ask.set_deletion_protection("v", protected=True)
    ask.set_deletion_protection("v", protected=True)
    ask.add_vhost("v", description="e")
    record = VhostRecord("v", "d", '["a"]', "quorum", protected_from_deletion=False)
    assert world.facts() == [
        Put(record),
        Put(record._replace(protected_from_deletion=True)),
        Put(record._replace(protected_from_deletion=True, description="e", tags="[]")),
    ]
    with pytest.raises(AdministrationError):
        ask.delete_vhost("v")
    assert world.facts() == []


def test_a_virtual_host_takes_all_with_it() -> None:
    world = world_with("q")
    ask = world.broker.administration
    ask.set_policy("/", "p", "", {"expires": 1})
    ask.set_vhost_limits("/", {"max-queues": 4})
    world.exchange("x", "fanout", durable=True)
    world.bind("q", "x")
    world.bind_exchange("x", "amq.fanout")
    ask.trace_on("/")
    world.facts()
    ask.delete_vhost("/")
    dropped = world.facts()
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
    world = world_with()
    users = world.users
    users.add_user("u", password_hash=b"hash", tags=["a", "b"])
    record = UserRecord("u", b"hash", '["a","b"]', "{}")
    users.set_tags("u", ["a", "b"])
    users.set_tags("u", [])
    users.set_limits("u", {"max-channels": 1})
    users.set_limits("u", {"max-channels": 1})
    users.clear_limits("u")
    users.clear_limits("u")
    users.change_password("u", "")
    assert world.facts() == [
        Put(record),
        Put(record._replace(tags="[]")),
        Put(record._replace(tags="[]", limits='{"max-channels":1}')),
        Put(record._replace(tags="[]")),
        Put(record._replace(tags="[]", password_hash=b"")),
    ]
    users.set_permissions("u", "/", "a", "b", "c")
    users.set_permissions("u", "/", "a", "b", "c")
    users.clear_permissions("u", "/")
    users.clear_permissions("u", "/")
    users.set_permissions("u", "/", "", "", "")
    users.delete_user("u")
    assert world.facts() == [
        Put(PermissionRecord("u", "/", "a", "b", "c")),
        Drop(PermissionRecord("u", "/", "a", "b", "c")),
        Put(PermissionRecord("u", "/", "", "", "")),
        Drop(PermissionRecord("u", "/", "", "", "")),
        Drop(record._replace(tags="[]", password_hash=b"")),
    ]


def test_permissions_that_are_set_while_a_virtual_host_is_deleted_go_with_it() -> None:
    with sliced(1):
        world = world_with()
        world.broker.administration.delete_vhost("/")
        assert "/" in world.broker.vhosts, "it takes more than a turn"
        world.users.set_permissions("guest", "/", "a", "b", "c")
        world.broker.finish()
    store = Store()
    store.apply(world.journal.batch.changes)
    assert [type(record) for record in store.records()] == [UserRecord]


# --- after a restart


def test_a_restart_is_no_news() -> None:
    world = world_with("q")
    world.exchange("x", "fanout", durable=True)
    for name in ("amq.rabbitmq.event", "amq.rabbitmq.trace", "x"):
        world.bind("q", name, "#")
    world.broker.administration.trace_on("/")
    after = restarted(world)
    after.broker.settle()
    assert after.facts() == []
    assert after.ready("q") == []
    assert not after.vhost.tracing
    after.queue("news", durable=True)
    after.broker.settle()
    assert after.fetch("q") is not None


def test_defaults_are_for_new_brokers_only() -> None:
    world = world_with()
    world.users.add_user("admin", "secret")
    world.users.delete_user("guest")
    after = restarted(world, default_pass="other")
    assert [user.name for user in after.users] == ["admin"]
    assert after.users.log_in("admin", b"secret", from_loopback=True).name == "admin"
    assert after.vhost.permissions == {}
    world.broker.administration.delete_vhost("/")
    after = restarted(world)
    assert after.broker.vhosts == {}
    assert after.broker.events.exchange is None
    after.broker.administration.add_vhost("/")
    assert "amq.rabbitmq.event" in after.broker.vhosts["/"].exchanges


def test_the_password_of_the_configuration_is_for_a_new_broker_only() -> None:
    after = restarted(world_with(), default_pass="other")
    assert after.users.log_in("guest", b"guest", from_loopback=True).name == "guest"
    assert after.vhost.permissions == {"guest": EVERYTHING}
    with pytest.raises(LoginFailed):
        after.users.log_in("guest", b"other", from_loopback=True)


def test_a_broker_that_belongs_to_nobody_is_new_again() -> None:
    world = world_with()
    world.broker.administration.set_global_parameter("g", 1)
    world.broker.administration.delete_vhost("/")
    world.users.delete_user("guest")
    after = restarted(world)
    assert [user.name for user in after.users] == ["guest"]
    assert list(after.broker.vhosts) == ["/"]
    assert [parameter.value for parameter in after.broker.administration.global_parameters()] == [1]


def test_another_default_virtual_host_has_the_events_now() -> None:
    world = world_with("q")
    world.broker.administration.add_vhost("v")
    world.bind("q", "amq.rabbitmq.event", "#")
    world.bind("q", "amq.topic", "#")
    after = restarted(world, default_vhost="v")
    assert after.facts() == [Drop(binding_record("amq.rabbitmq.event", "q", "#"))]
    assert [binding.source.name for binding in after.vhost.bindings_to(after.vhost.queues["q"])] == ["amq.topic"]
    assert after.broker.events.exchange is after.broker.vhosts["v"].exchanges["amq.rabbitmq.event"]


def test_a_lease_begins_anew() -> None:
    world = world_with()
    world.queue("q", durable=True, arguments=arguments(expires=100))
    world.wait(99)
    after = restarted(world, now_ms=1_000_000)
    after.wait(99)
    assert "q" in after.vhost.queues
    after.wait(1)
    assert "q" not in after.vhost.queues
    assert [type(fact) for fact in after.facts()] == [Drop]


def test_limits_hold_after_a_restart() -> None:
    world = world_with("q")
    world.broker.administration.set_vhost_limits("/", {"max-queues": 1})
    world.users.set_limits("guest", {"max-channels": 0})
    after = restarted(world)
    with pytest.raises(PreconditionFailed, match=r"queue limit in vhost '/' \(1\) is reached"):
        after.queue("more")
    assert after.users.user("guest").limits == {"max-channels": 0}


def test_policies_hold_after_a_restart_for_what_is_there_and_what_comes() -> None:
    world = world_with("q")
    ask = world.broker.administration
    ask.set_policy("/", "low", "", {"max-length": 9, "alternate-exchange": "amq.fanout"})
    ask.set_policy("/", "high", "", {"max-length": 5, "alternate-exchange": "amq.topic"}, priority=1)
    ask.set_operator_policy("/", "o", "", {"max-length": 7})
    after = restarted(world)
    assert after.vhost.queues["q"].settings.max_length == after.queue("new").settings.max_length == 5
    assert after.vhost.exchanges["amq.direct"].alternate == after.exchange("new").alternate == "amq.topic"
    after.broker.administration.clear_policy("/", "high")
    assert after.vhost.queues["q"].settings.max_length == 7


def test_the_default_queue_type_holds_after_a_restart() -> None:
    world = world_with()
    world.broker.administration.add_vhost("/", default_queue_type="quorum")
    assert restarted(world).queue("q", durable=True).type == "quorum"
    made = DurableWorld(default_queue_type="quorum")
    assert restarted(made, default_queue_type=Config().default_queue_type).queue("q", durable=True).type == "quorum"


@pytest.mark.parametrize(
    ("kind", "table"),
    [
        ("direct", {}),
        ("fanout", {}),
        ("topic", {}),
        ("headers", {}),
        ("x-consistent-hash", {}),
        ("x-consistent-hash", {"hash-header": longstr("h")}),
        ("x-modulus-hash", {}),
        ("x-recent-history", {"x-recent-history-length": integer(3)}),
        ("x-delayed-message", {"x-delayed-type": longstr("topic")}),
        ("x-message-deduplication", {"x-cache-size": integer(9)}),
    ],
)
def test_exchanges_route_as_before(kind: str, table: Table) -> None:
    world = world_with("q1", "q2", "q3", "q4")
    world.exchange("x", kind, durable=True, arguments=table)
    for number, queue in enumerate(("q3", "q1", "q4", "q2")):
        key = "#" if number == 3 and kind.endswith(("topic", "message")) else str(number + 1)
        world.bind(queue, "x", key, {"h": longstr(str(number))})
    world.unbind("q1", "x", "2", {"h": longstr("1")})
    world.bind("q1", "x", "5", {"h": longstr("7")})
    after = restarted(world)
    assert after.vhost.exchanges["x"].type == kind
    for number in range(50):
        headers = {"h": longstr(str(number))}
        routes = [[queue.name for queue in each.queues_for("x", str(number), headers)] for each in (world, after)]
        assert routes[0] == routes[1]


@given(table=tables)
def test_any_arguments_survive(table: Table) -> None:
    world = world_with("q")
    world.bind("q", "amq.fanout", "", table)
    world.exchange("x", "fanout", durable=True, arguments=table)
    after = restarted(world)
    (binding,) = after.vhost.bindings_to(after.vhost.queues["q"])
    assert encode_table(binding.arguments) == encode_table(table)
    assert encode_table(after.vhost.exchanges["x"].arguments) == encode_table(world.vhost.exchanges["x"].arguments)


def test_what_a_client_finds_after_a_restart_is_what_was_durable() -> None:
    world = world_with("q")
    world.exchange("x", "fanout", durable=True)
    world.bind("q", "x")
    before = world.snapshot()
    world.queue("transient")
    world.queue("mine", durable=True, exclusive=True, client=FakeClient())
    world.exchange("transient", "fanout")
    world.bind("q", "transient")
    world.bind("transient", "x")
    assert restarted(world).snapshot() == before
