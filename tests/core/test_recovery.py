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
    PermissionRecord,
    Put,
    QueueRecord,
    UserRecord,
)
from amqpy.core.passwords import hash_password
from amqpy.core.permissions import EVERYTHING, Permission
from amqpy.core.unacked import UnackedDeliveries
from amqpy.core.users import LoginFailed
from amqpy.errors import AmqpFault, PreconditionFailed
from amqpy.wire.values import Field, Table, encode_table
from tests.core.core_harness import FakeClient, arguments, integer, longstr
from tests.core.recorded import DEFAULT_VHOST, DurableHarness, core_with, restarted
from tests.strategies import tables


def exchange_record(name: str, **more: Any) -> ExchangeRecord:  # noqa: ANN401 (the fields of a record)
    return ExchangeRecord("/", name, "fanout", auto_delete=False, internal=False, arguments=b"")._replace(**more)


def queue_record(name: str, **more: Any) -> QueueRecord:  # noqa: ANN401
    return QueueRecord("/", name, "classic", auto_delete=False, arguments=b"")._replace(**more)


def binding_record(source: str, destination: str, key: str = "", **more: Any) -> BindingRecord:  # noqa: ANN401
    return BindingRecord("/", source, "queue", destination, key, b"")._replace(**more)


# --- what clients do


def test_a_new_broker_records_its_defaults() -> None:
    guest = UserRecord("guest", hash_password(b"guest", bytes(4)), '["administrator"]', "{}", "sha256")
    assert DurableHarness().facts() == [
        Put(DEFAULT_VHOST),
        Put(guest),
        Put(PermissionRecord("guest", "/", *EVERYTHING)),
    ]


def test_durable_things_are_recorded() -> None:
    core = core_with()
    table = {"\udcff": Field("byte", 1), "a": longstr("caf\udce9")}
    core.exchange("x", "fanout", durable=True, internal=True, arguments=table)
    core.exchange("y", "topic", durable=True, auto_delete=True)
    core.queue("q", durable=True, arguments=table)
    core.queue("quorum", durable=True, arguments=arguments(queue_type="quorum"))
    core.queue("auto", durable=True, auto_delete=True)
    core.bind("q", "x", "\udcff", table)
    core.bind_exchange("x", "y", "#")
    assert core.facts() == [
        Put(exchange_record("x", internal=True, arguments=encode_table(table))),
        Put(exchange_record("y", type="topic", auto_delete=True)),
        Put(queue_record("q", arguments=encode_table(table))),
        Put(queue_record("quorum", type="quorum", arguments=encode_table(arguments(queue_type="quorum")))),
        Put(queue_record("auto", auto_delete=True)),
        Put(binding_record("x", "q", "\udcff", arguments=encode_table(table))),
        Put(binding_record("y", "x", "#", destination_kind="exchange")),
    ]


def test_transient_things_are_not() -> None:
    core = core_with("durable")
    core.exchange("x", "fanout", durable=True)
    core.facts()
    core.exchange("transient", "fanout")
    core.queue("transient")
    core.queue("mine", durable=True, exclusive=True)
    core.bind("transient", "x")
    core.bind("durable", "transient")
    core.bind_exchange("transient", "x")
    core.bind_exchange("x", "transient")
    core.bind("transient", "amq.fanout")
    core.unbind("transient", "x")
    core.delete_exchange("transient")
    core.delete_queue("transient")
    core.lose_connection(core.client)
    assert core.facts() == []


def test_what_was_done_already_is_not_recorded_again() -> None:
    core = core_with("q")
    core.exchange("x", "fanout", durable=True)
    core.bind("q", "x", "key", {"a": Field("byte", 1), "b": Field("byte", 2)})
    before = core.journal.changes_count
    core.queue("q", durable=True)
    core.exchange("x", "fanout", durable=True)
    core.bind("q", "x", "key", {"b": Field("byte", 2), "a": Field("byte", 1)})
    core.unbind("q", "x", "other")
    core.delete_queue("not there")
    core.delete_exchange("not there")
    assert core.journal.changes_count == before


@pytest.mark.parametrize(
    "refused",
    [
        lambda core: core.queue("q", durable=True, arguments=arguments(max_length=1)),
        lambda core: core.queue("new", durable=True, arguments=arguments(max_length=-1)),
        lambda core: core.queue("new", durable=True, auto_delete=True, arguments=arguments(queue_type="quorum")),
        lambda core: core.queue("new", durable=True, exclusive=True, arguments=arguments(queue_type="stream")),
        lambda core: core.exchange("new", "x-delayed-message", durable=True),
        lambda core: core.bind("q", "not there"),
        lambda core: core.bind("q", "amq.headers", "", {"x-match": longstr("some")}),
        lambda core: core.delete_exchange("amq.fanout"),
    ],
)
def test_what_is_refused_is_not_recorded(refused: Callable[[DurableHarness], object]) -> None:
    core = core_with("q")
    with pytest.raises(AmqpFault):
        refused(core)
    assert core.facts() == []


def test_bindings_of_predeclared_exchanges_are_recorded_but_not_the_exchanges() -> None:
    core = core_with("q")
    sources = [name for name in core.vhost.exchanges if name]
    for name in sources:
        core.bind("q", name)
    assert core.facts() == [Put(binding_record(name, "q")) for name in sources]
    assert {"amq.rabbitmq.event", "amq.rabbitmq.trace"} <= set(sources)
    after = restarted(core).vhost
    assert [name for name, exchange in after.exchanges.items() if exchange.bindings] == sources


def test_a_queue_takes_bindings_and_auto_delete_exchanges_with_it() -> None:
    core = core_with("q")
    core.exchange("x", "fanout", durable=True, auto_delete=True)
    core.exchange("y", "fanout", durable=True, auto_delete=True)
    core.exchange("transient", "fanout", auto_delete=True)
    core.bind("q", "x")
    core.bind("q", "transient")
    core.bind_exchange("x", "y")
    core.facts()
    core.delete_queue("q")
    assert core.facts() == [
        Drop(queue_record("q")),
        Drop(binding_record("x", "q")),
        Drop(exchange_record("x", auto_delete=True)),
        Drop(binding_record("y", "x", destination_kind="exchange")),
        Drop(exchange_record("y", auto_delete=True)),
    ]


def test_an_exchange_takes_its_bindings_with_it() -> None:
    core = core_with("q")
    core.exchange("x", "fanout", durable=True)
    core.bind("q", "x", "b")
    core.bind("q", "x", "a")
    core.bind_exchange("x", "amq.direct")
    core.facts()
    core.delete_exchange("x")
    assert core.facts() == [
        Drop(exchange_record("x")),
        Drop(binding_record("x", "q", "b")),
        Drop(binding_record("x", "q", "a")),
        Drop(binding_record("amq.direct", "x", destination_kind="exchange")),
    ]


def test_unbinding_drops_the_record_of_what_was_bound() -> None:
    core = core_with("q")
    core.exchange("x", "fanout", durable=True, auto_delete=True)
    core.bind("q", "x", "", {"b": Field("byte", 1), "a": Field("byte", 2)})
    (put,) = core.facts()[1:]
    core.unbind("q", "x", "", {"a": Field("long", 2), "b": Field("byte", 1)})
    assert core.facts() == []
    core.unbind("q", "x", "", {"a": Field("byte", 2), "b": Field("byte", 1)})
    assert core.facts() == [Drop(put.record), Drop(exchange_record("x", auto_delete=True))]


def test_queues_that_delete_themselves_are_dropped() -> None:
    core = core_with()
    core.queue("auto", durable=True, auto_delete=True)
    core.queue("leased", durable=True, arguments=arguments(expires=100))
    core.queue("closed", durable=True, auto_delete=True)
    core.facts()
    core.cancel(core.consume("auto", UnackedDeliveries()))
    assert core.facts() == [Drop(queue_record("auto", auto_delete=True))]
    core.wait(100)
    assert core.facts() == [Drop(queue_record("leased", arguments=encode_table(arguments(expires=100))))]
    unacked = UnackedDeliveries()
    core.consume("closed", unacked)
    core.close_channel(unacked)
    assert core.facts() == [Drop(queue_record("closed", auto_delete=True))]


# --- after a restart


def test_a_restart_is_no_news() -> None:
    core = core_with("q")
    core.exchange("x", "fanout", durable=True)
    for name in ("amq.rabbitmq.event", "amq.rabbitmq.trace", "x"):
        core.bind("q", name, "#")
    core.broker.administration.trace_on("/")
    after = restarted(core)
    after.broker.settle()
    assert after.facts() == []
    assert after.ready("q") == []
    assert not after.vhost.tracing
    after.queue("news", durable=True)
    after.broker.settle()
    assert after.fetch("q") is not None


def test_defaults_are_for_new_brokers_only() -> None:
    core = core_with()
    core.users.add_user("admin", "hunter2")
    core.users.delete_user("guest")
    after = restarted(core, default_pass="other")
    assert [user.name for user in after.users] == ["admin"]
    assert after.users.log_in("admin", b"hunter2", from_loopback=True).name == "admin"
    assert after.vhost.permissions == {}
    core.broker.administration.delete_vhost("/")
    after = restarted(core)
    assert after.broker.vhosts == {}
    assert after.broker.events.exchange is None
    after.broker.administration.add_vhost("/")
    assert "amq.rabbitmq.event" in after.broker.vhosts["/"].exchanges


def test_the_password_of_the_configuration_is_for_a_new_broker_only() -> None:
    after = restarted(core_with(), default_pass="other")
    assert after.users.log_in("guest", b"guest", from_loopback=True).name == "guest"
    assert after.vhost.permissions == {"guest": Permission(*EVERYTHING)}
    with pytest.raises(LoginFailed):
        after.users.log_in("guest", b"other", from_loopback=True)


def test_a_broker_that_belongs_to_nobody_is_new_again() -> None:
    core = core_with()
    core.broker.administration.set_global_parameter("g", 1)
    core.broker.administration.delete_vhost("/")
    core.users.delete_user("guest")
    after = restarted(core)
    assert [user.name for user in after.users] == ["guest"]
    assert list(after.broker.vhosts) == ["/"]
    assert [parameter.value for parameter in after.broker.administration.global_parameters()] == [1]


def test_another_default_virtual_host_has_the_events_now() -> None:
    core = core_with("q")
    core.broker.administration.add_vhost("v")
    core.bind("q", "amq.rabbitmq.event", "#")
    core.bind("q", "amq.topic", "#")
    after = restarted(core, default_vhost="v")
    assert after.facts() == [Drop(binding_record("amq.rabbitmq.event", "q", "#"))]
    assert [binding.source.name for binding in after.vhost.bindings_to(after.vhost.queues["q"])] == ["amq.topic"]
    assert after.broker.events.exchange is after.broker.vhosts["v"].exchanges["amq.rabbitmq.event"]


def test_a_lease_begins_anew() -> None:
    core = core_with()
    core.queue("q", durable=True, arguments=arguments(expires=100))
    core.wait(99)
    after = restarted(core, now_ms=1_000_000)
    after.wait(99)
    assert "q" in after.vhost.queues
    after.wait(1)
    assert "q" not in after.vhost.queues
    assert [type(fact) for fact in after.facts()] == [Drop]


def test_limits_hold_after_a_restart() -> None:
    core = core_with("q")
    core.broker.administration.set_vhost_limits("/", {"max-queues": 1})
    core.users.set_limits("guest", {"max-channels": 0})
    after = restarted(core)
    with pytest.raises(PreconditionFailed, match=r"queue limit in vhost '/' \(1\) is reached"):
        after.queue("more")
    assert after.users.user("guest").limits == {"max-channels": 0}


def test_policies_hold_after_a_restart_for_what_is_there_and_what_comes() -> None:
    core = core_with("q")
    ask = core.broker.administration
    ask.set_policy("/", "low", "", {"max-length": 9, "alternate-exchange": "amq.fanout"})
    ask.set_policy("/", "high", "", {"max-length": 5, "alternate-exchange": "amq.topic"}, priority=1)
    ask.set_operator_policy("/", "o", "", {"max-length": 7})
    after = restarted(core)
    assert after.vhost.queues["q"].settings.max_length == after.queue("new").settings.max_length == 5
    assert after.vhost.exchanges["amq.direct"].alternate == after.exchange("new").alternate == "amq.topic"
    after.broker.administration.clear_policy("/", "high")
    assert after.vhost.queues["q"].settings.max_length == 7


def test_the_default_queue_type_holds_after_a_restart() -> None:
    core = core_with()
    core.broker.administration.add_vhost("/", default_queue_type="quorum")
    assert restarted(core).queue("q", durable=True).type == "quorum"
    made = DurableHarness(default_queue_type="quorum")
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
    core = core_with("q1", "q2", "q3", "q4")
    core.exchange("x", kind, durable=True, arguments=table)
    for number, queue in enumerate(("q3", "q1", "q4", "q2")):
        key = "#" if number == 3 and kind.endswith(("topic", "message")) else str(number + 1)
        core.bind(queue, "x", key, {"h": longstr(str(number))})
    core.unbind("q1", "x", "2", {"h": longstr("1")})
    core.bind("q1", "x", "5", {"h": longstr("7")})
    after = restarted(core)
    assert after.vhost.exchanges["x"].type == kind
    for number in range(50):
        headers = {"h": longstr(str(number))}
        routes = [[queue.name for queue in each.queues_for("x", str(number), headers)] for each in (core, after)]
        assert routes[0] == routes[1]


@given(table=tables)
def test_any_arguments_survive(table: Table) -> None:
    core = core_with("q")
    core.bind("q", "amq.fanout", "", table)
    core.exchange("x", "fanout", durable=True, arguments=table)
    after = restarted(core)
    (binding,) = after.vhost.bindings_to(after.vhost.queues["q"])
    assert encode_table(binding.arguments) == encode_table(table)
    assert encode_table(after.vhost.exchanges["x"].arguments) == encode_table(core.vhost.exchanges["x"].arguments)


def test_what_a_client_finds_after_a_restart_is_what_was_durable() -> None:
    core = core_with("q")
    core.exchange("x", "fanout", durable=True)
    core.bind("q", "x")
    before = core.snapshot()
    core.queue("transient")
    core.queue("mine", durable=True, exclusive=True, client=FakeClient())
    core.exchange("transient", "fanout")
    core.bind("q", "transient")
    core.bind("transient", "x")
    assert restarted(core).snapshot() == before
