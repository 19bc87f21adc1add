"""Any sequence of what clients and administrators do to things; after each step, what was recorded makes the same."""

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from amqpy.core.events.events import EVENT_EXCHANGE
from amqpy.core.events.tracing import TRACE_EXCHANGE
from amqpy.core.unacked import UnackedDeliveries
from amqpy.errors import AdministrationError, AmqpFault
from amqpy.wire.values import Field, Table, array_field, table_field
from tests.core.core_harness import FakeClient, arguments, longstr
from tests.core.recorded import DurableHarness, Store, durable_state

if TYPE_CHECKING:
    from amqpy.core.consumer import Consumer

ODD: Table = {
    "\udcff": Field("longstr", "caf\udce9"),
    "z": table_field({"b": array_field([Field("bool", True), Field("void", None)]), "a": Field("byte", -1)}),
    "d": Field("decimal", (2, 314)),
    "t": Field("timestamp", 1 << 63),
    "f": Field("float", 0.5),
    "x": Field("binary", b"\xff\x00"),
}
"""Arguments that nobody knows, in no order."""

seldom = st.integers(0, 9).map(lambda number: number == 7)
often = st.integers(0, 3).map(bool)
picks = st.integers(0, 9)
flags = st.sampled_from([False, False, True])
vhosts = st.sampled_from(["/", "/", "/", "v"])
queues = st.sampled_from(["q1", "q2", "q3\udcff"])
exchanges = st.sampled_from(["x1", "x2", "x3"])
kinds = st.sampled_from(["direct", "fanout", "topic", "headers", "x-consistent-hash", "x-recent-history"])
keys = st.sampled_from(["1", "2", "a.#", "\udcff"])
users = st.sampled_from(["guest", "u"])
patterns = st.sampled_from(["", "1$", "^q", "^x", "^amq"])

exchange_arguments = st.sampled_from([{}, {}, {"alternate-exchange": longstr("x1")}, ODD])
binding_arguments = st.sampled_from([{}, {}, {"a": Field("byte", 1)}, {"a": Field("long", 1)}, ODD])
queue_arguments = st.sampled_from(
    [
        {},
        {},
        ODD,
        arguments(queue_type="quorum"),
        arguments(queue_type="quorum", delivery_limit=3, max_length=9),
        arguments(expires=100),
        arguments(max_length=3, message_ttl=50),
        arguments(max_priority=3, single_active_consumer=True),
    ]
)
definitions: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        {"max-length": 4},
        {"expires": 50, "max-length": 2},
        {"message-ttl": 10},
        {"alternate-exchange": "x\udcff"},
        {"alternate-exchange": "x1", "max-length": 1},
    ]
)
operator_definitions = definitions.filter(lambda definition: "alternate-exchange" not in definition)
priorities = st.sampled_from([0, 1, 1.5, 1.0, 10**18])
apply_to = st.sampled_from(["all", "queues", "exchanges"])
values: st.SearchStrategy[object] = st.sampled_from([1, 1.0, True, None, "\udcff", {"b": [0.1, {}], "a": ""}, []])


def destroys(function: Callable[..., None]) -> Callable[..., None]:
    """A rule after which less is there. It must wait for others to build something up first."""

    @precondition(lambda self: self.steps_since_loss > 4)
    @wraps(function)
    def destroy(self: "RecoveryMachine", *given: object, **options: object) -> None:
        self.steps_since_loss = 0
        function(self, *given, **options)

    return destroy


class RecoveryMachine(RuleBasedStateMachine):
    """What both machines have in common."""

    def __init__(self) -> None:
        super().__init__()
        self.store = Store()
        self.start()
        self.store.apply(self.core.facts())
        self.steps_since_loss = 0

    def start(self, now_ms: int = 0) -> None:
        self.core = DurableHarness(self.store.records(), now_ms=now_ms)
        self.admin = self.core.broker.administration
        self.clients = [self.core.client, FakeClient()]
        self.consumers: list[Consumer] = []

    def attempt(self, operation: Callable[..., object], *given: object, **options: object) -> None:
        """What is refused records nothing; nor does what is done a second time."""
        before = self.core.journal.changes_count
        try:
            operation(*given, **options)
        except (AmqpFault, AdministrationError):
            assert self.core.journal.changes_count == before
        self.core.settle()

    def declare(self, vhost: str, operation: Callable[..., object], *given: object, **options: object) -> None:
        """Twice: what is there already is not recorded."""
        if not self.enter(vhost):
            return
        self.attempt(operation, *given, **options)
        before = self.core.journal.changes_count
        self.attempt(operation, *given, **options)
        assert self.core.journal.changes_count == before

    def enter(self, vhost: str) -> bool:
        if vhost not in self.core.broker.vhosts:
            return False
        self.core.vhost = self.core.broker.vhosts[vhost]
        return True

    @invariant()
    def a_restart_changes_nothing_durable(self) -> None:
        self.steps_since_loss += 1
        self.store.apply(self.core.facts())
        restarted = DurableHarness(self.store.records(), now_ms=self.core.now_ms)
        assert restarted.facts() == []
        assert durable_state(restarted.broker, restarted.users) == durable_state(self.core.broker, self.core.users)

    @rule()
    @destroys
    def restart(self) -> None:
        self.start(self.core.now_ms)

    @rule(
        vhost=vhosts,
        name=st.sampled_from(["p1", "p2"]),
        pattern=patterns,
        definition=definitions,
        priority=priorities,
        apply_to=apply_to,
    )
    def set_policy(self, vhost: str, **policy: Any) -> None:  # noqa: ANN401
        self.declare(vhost, self.admin.set_policy, vhost, **policy)

    @rule(vhost=vhosts, pattern=patterns, definition=operator_definitions, priority=priorities)
    def set_operator_policy(self, vhost: str, **policy: Any) -> None:  # noqa: ANN401
        self.declare(vhost, self.admin.set_operator_policy, vhost, "o", **policy)

    @rule(vhost=vhosts, name=st.sampled_from(["p1", "p2", "o"]))
    @destroys
    def clear_policy(self, vhost: str, name: str) -> None:
        clear = self.admin.clear_operator_policy if name == "o" else self.admin.clear_policy
        self.attempt(clear, vhost, name)


class TopologyMachine(RecoveryMachine):
    """What clients do, under policies."""

    @initialize()
    def furnish(self) -> None:
        """Something to begin with."""
        for name in ("q1", "q2"):
            self.attempt(self.core.queue, name, durable=True)
        for name in ("x1", "x2"):
            self.attempt(self.core.exchange, name, "fanout", durable=True, auto_delete=name == "x2")
            self.attempt(self.core.bind, "q1", name)

    def source(self, pick: int) -> str:
        """The name of an exchange that is there; most often of one that was declared."""
        names = [name for name in self.core.vhost.exchanges if not name.startswith("amq.") and name]
        return [*names, *names, "amq.fanout", "amq.headers", EVENT_EXCHANGE, TRACE_EXCHANGE][
            pick % (2 * len(names) + 4)
        ]

    @rule(name=exchanges, kind=kinds, durable=often, auto_delete=flags, internal=flags, arguments=exchange_arguments)
    def declare_exchange(self, name: str, kind: str, **options: Any) -> None:  # noqa: ANN401
        self.declare("/", self.core.exchange, name, kind, **options)

    @rule(
        client=picks,
        name=queues,
        durable=often,
        exclusive=seldom,
        auto_delete=flags,
        arguments=queue_arguments,
    )
    def declare_queue(self, client: int, name: str, **options: Any) -> None:  # noqa: ANN401
        self.declare("/", self.core.queue, name, client=self.clients[client % 2], **options)

    @precondition(lambda self: self.core.vhost.queues)
    @rule(pick=picks, source_pick=picks, key=keys, arguments=binding_arguments)
    def bind_queue(self, pick: int, source_pick: int, key: str, arguments: Table) -> None:
        names = list(self.core.vhost.queues)
        self.declare("/", self.core.bind, names[pick % len(names)], self.source(source_pick), key, arguments)

    @rule(pick=picks, source_pick=picks, key=keys, arguments=binding_arguments)
    def bind_exchange(self, pick: int, source_pick: int, key: str, arguments: Table) -> None:
        self.declare("/", self.core.bind_exchange, self.source(pick), self.source(source_pick), key, arguments)

    @rule(pick=picks)
    @destroys
    def unbind(self, pick: int) -> None:
        bindings = [each for exchange in self.core.vhost.exchanges.values() for each in exchange.bindings.values()]
        if bindings:
            binding = bindings[pick % len(bindings)]
            unbind = self.core.unbind if binding.destination_kind == "queue" else self.core.unbind_exchange
            self.attempt(unbind, binding.destination.name, binding.source.name, binding.routing_key, binding.arguments)

    @rule(name=exchanges, if_unused=seldom)
    @destroys
    def delete_exchange(self, name: str, if_unused: bool) -> None:
        self.attempt(self.core.delete_exchange, name, if_unused=if_unused)

    @rule(name=queues, if_unused=seldom)
    @destroys
    def delete_queue(self, name: str, if_unused: bool) -> None:
        self.attempt(self.core.delete_queue, name, if_unused=if_unused)

    @precondition(lambda self: self.core.vhost.queues)
    @rule(pick=picks)
    def consume(self, pick: int) -> None:
        """Those that are auto-delete come first."""
        queues = sorted(self.core.vhost.queues.values(), key=lambda queue: not queue.auto_delete)
        queue = queues[pick % len(queues)]
        if queue.owner is None:
            self.consumers.append(self.core.consume(queue.name, UnackedDeliveries()))

    @precondition(lambda self: self.consumers)
    @rule(pick=picks)
    @destroys
    def cancel(self, pick: int) -> None:
        consumer = self.consumers.pop(pick % len(self.consumers))
        if consumer in consumer.queue.consumers:
            self.core.cancel(consumer)

    @rule(pick=picks)
    @destroys
    def lose_connection(self, pick: int) -> None:
        self.core.lose_connection(self.clients[pick % 2])

    @rule(span_ms=st.sampled_from([1, 10, 60]))
    def wait(self, span_ms: int) -> None:
        self.core.wait(span_ms)


class AdministrationMachine(RecoveryMachine):
    """What administrators do, in virtual hosts with something in them."""

    @rule(vhost=vhosts)
    def furnish(self, vhost: str) -> None:
        if self.enter(vhost):
            self.attempt(self.core.queue, "q1", durable=True)
            self.attempt(self.core.exchange, "x1", "fanout", durable=True)
            self.attempt(self.core.bind, "q1", "x1")
            self.attempt(self.core.bind, "q1", "amq.rabbitmq.event", "#")

    @rule(vhost=vhosts, name=st.sampled_from(["s1", "s2"]), value=values)
    def set_parameter(self, vhost: str, name: str, value: object) -> None:
        self.declare(vhost, self.admin.set_parameter, vhost, "federation-upstream-set", name, value)

    @rule(vhost=vhosts, limits=st.dictionaries(st.sampled_from(["max-queues", "max-connections", "?"]), picks))
    def set_limits(self, vhost: str, limits: dict[str, int]) -> None:
        self.declare(vhost, self.admin.set_vhost_limits, vhost, limits)

    @rule(vhost=vhosts, name=st.sampled_from(["s1", "s2", "limits"]))
    @destroys
    def clear_parameter(self, vhost: str, name: str) -> None:
        component = "vhost-limits" if name == "limits" else "federation-upstream-set"
        self.attempt(self.admin.clear_parameter, vhost, component, name)

    @rule(name=st.sampled_from(["g1", "g2"]), value=values)
    def set_global_parameter(self, name: str, value: object) -> None:
        self.attempt(self.admin.set_global_parameter, name, value)

    @rule(name=st.sampled_from(["g1", "g2"]))
    @destroys
    def clear_global_parameter(self, name: str) -> None:
        self.attempt(self.admin.clear_global_parameter, name)

    @rule(
        name=vhosts,
        description=st.sampled_from(["", "caf\xe9"]),
        tags=st.lists(st.sampled_from(["a", "b"]), max_size=2),
        default_queue_type=st.sampled_from([None, "quorum", "classic", "?"]),
        protected_from_deletion=st.sampled_from([None, None, True, False]),
    )
    def add_vhost(self, **metadata: Any) -> None:  # noqa: ANN401
        self.attempt(self.admin.add_vhost, **metadata)

    @rule(name=vhosts, protected=st.booleans())
    def protect(self, name: str, protected: bool) -> None:
        self.attempt(self.admin.set_deletion_protection, name, protected)

    @rule(name=vhosts)
    @destroys
    def delete_vhost(self, name: str) -> None:
        self.attempt(self.admin.delete_vhost, name)

    @rule(vhost=vhosts, on=st.booleans())
    def trace(self, vhost: str, on: bool) -> None:
        self.attempt(self.admin.trace_on if on else self.admin.trace_off, vhost)

    @rule(name=users, tags=st.lists(st.sampled_from(["a", "b"]), max_size=2))
    def set_user(self, name: str, tags: list[str]) -> None:
        known = name in {user.name for user in self.core.users}
        self.attempt(self.core.users.set_tags if known else self.core.users.add_user, name, tags=tags)

    @rule(name=users, password=st.sampled_from(["", "hunter2", None]))
    def change_password(self, name: str, password: str | None) -> None:
        if password is None:
            self.attempt(self.core.users.clear_password, name)
        else:
            self.attempt(self.core.users.change_password, name, password)

    @rule(name=users, vhost=vhosts, given=st.tuples(patterns, patterns, st.sampled_from([".*", "("])))
    def set_permissions(self, name: str, vhost: str, given: tuple[str, str, str]) -> None:
        self.declare(vhost, self.core.users.set_permissions, name, vhost, *given)

    @rule(name=users, vhost=vhosts, exchange=exchanges, given=st.tuples(patterns, st.sampled_from([".*", "("])))
    def set_topic_permissions(self, name: str, vhost: str, exchange: str, given: tuple[str, str]) -> None:
        self.declare(vhost, self.core.users.set_topic_permissions, name, vhost, exchange, *given)

    @rule(name=users, vhost=vhosts, exchange=st.one_of(exchanges, st.none()))
    @destroys
    def clear_topic_permissions(self, name: str, vhost: str, exchange: str | None) -> None:
        self.attempt(self.core.users.clear_topic_permissions, name, vhost, exchange)

    @rule(name=users, limits=st.dictionaries(st.sampled_from(["max-channels", "max-connections"]), picks))
    def set_user_limits(self, name: str, limits: dict[str, int]) -> None:
        self.declare("/", self.core.users.set_limits, name, limits)

    @rule(name=users, limit=st.sampled_from([(), ("max-channels",)]))
    @destroys
    def clear_user_limits(self, name: str, limit: tuple[str, ...]) -> None:
        self.attempt(self.core.users.clear_limits, name, *limit)

    @rule(name=users, vhost=vhosts)
    @destroys
    def clear_permissions(self, name: str, vhost: str) -> None:
        self.attempt(self.core.users.clear_permissions, name, vhost)

    @rule(name=users)
    @destroys
    def delete_user(self, name: str) -> None:
        """Not the last one: a broker without anybody is a new one."""
        if len(list(self.core.users)) > 1:
            self.attempt(self.core.users.delete_user, name)


TestTopology = TopologyMachine.TestCase
TestAdministration = AdministrationMachine.TestCase
# Explaining a failure traces every line of it, which takes longer than a test may.
steady = settings(max_examples=100, stateful_step_count=50, phases=[Phase.generate, Phase.shrink])
TestTopology.settings = TestAdministration.settings = steady
