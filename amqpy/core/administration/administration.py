"""The operations of an administrator: policies, parameters, limits, virtual hosts, resources.

An operation checks everything first and changes things after; it raises AdministrationError if it is refused. The
caller ends the turn with `Broker.settle`, as for any other operation. Users are administered in `amqpy.core.users`.

Source: `rabbit_policy`, `rabbit_runtime_parameters`, `rabbit_vhost_limit`, `rabbit_vhost`.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NamedTuple

from amqpy.core.administration.erlang_terms import with_term
from amqpy.core.administration.limits import VHOST_LIMITS, errors_in_limits
from amqpy.core.administration.policies import Policies, Policy, check_policy
from amqpy.core.administration.validation import check, check_depth
from amqpy.core.administration.watermarks import check_disk_limit, check_memory_limit
from amqpy.core.arguments import QUEUE_TYPES_KNOWN
from amqpy.core.durability import encoding
from amqpy.core.durability.encoding import GLOBAL, OPERATOR_POLICY, POLICY
from amqpy.core.events import event_properties as told
from amqpy.core.events.events import Events
from amqpy.core.events.internal_publisher import InternalPublisher
from amqpy.core.events.tracing import Tracer
from amqpy.core.jobs import Steps, each
from amqpy.core.resources import Resources
from amqpy.core.scheduler import Scheduler
from amqpy.core.vhost import RULE_UNITS, Vhost
from amqpy.core.vhost_metadata import Metadata
from amqpy.core.vhosts import Vhosts
from amqpy.errors import AdministrationError

_MISSING: Final = object()
VHOST_LIMITS_COMPONENT: Final = "vhost-limits"
LIMITS_NAME: Final = "limits"
"""The name of the parameter of `vhost-limits`."""


class Parameter(NamedTuple):
    """A runtime parameter. `vhost` and `component` are None for a global one."""

    vhost: str | None
    component: str | None
    name: str
    value: Any


def _judge_upstream(name: str, value: object) -> list[str]:
    """Checks a federation upstream: only that it has a `uri`, as there is no federation here."""
    if not isinstance(value, dict):
        return [with_term(f"{name} not a list ", value)]
    return [] if "uri" in value else [f'Key "uri" not found in {name}']


def _judge_limits(name: str, value: object) -> list[str]:
    errors = errors_in_limits(name, VHOST_LIMITS, value)
    return errors or ([] if name == LIMITS_NAME else [f"limits must be called {LIMITS_NAME}, not {name}"])


COMPONENTS: Final[dict[str, Callable[[str, object], list[str]]]] = {
    VHOST_LIMITS_COMPONENT: _judge_limits,
    "federation-upstream": _judge_upstream,
    "federation-upstream-set": lambda name, value: [],
}
"""The components whose parameters can be set, and the check of a name and a value, which returns the errors."""


class Administration:
    """The operations of an administrator on a broker, of which these are parts; `settle` is its own."""

    def __init__(
        self,
        vhosts: Vhosts,
        scheduler: Scheduler,
        events: Events,
        publisher: InternalPublisher,
        resources: Resources,
        settle: Callable[[], None],
    ) -> None:
        self._vhosts = vhosts
        self._scheduler = scheduler
        self._events = events
        self._publisher = publisher
        self._resources = resources
        self._settle = settle
        self._globals: dict[str, Any] = {}

    def vhost(self, name: str) -> Vhost:
        """Finds a virtual host. Raises AdministrationError if it does not exist."""
        vhost = self._vhosts.get(name)
        if vhost is None:
            raise AdministrationError(
                f"Virtual host '{name}' does not exist", missing=True, term=["no_such_vhost", name]
            )
        return vhost

    # --- policies

    def set_policy(
        self,
        vhost: str,
        name: str,
        pattern: str,
        definition: dict[str, Any],
        *,
        priority: float = 0,
        apply_to: str = "all",
    ) -> None:
        """Sets a policy, new or in place of one of the same name. It applies at once."""
        value = {"pattern": pattern, "definition": definition, "priority": priority, "apply-to": apply_to}
        self._set_policy(self.vhost(vhost), POLICY, name, value)

    def clear_policy(self, vhost: str, name: str) -> None:
        self._scheduler.jobs.do(self._clear_policy(self.vhost(vhost), POLICY, name))

    def policies(self, vhost: str) -> list[Policy]:
        """The policies in the order of matching."""
        return list(self.vhost(vhost).policies.policies)

    def set_operator_policy(
        self,
        vhost: str,
        name: str,
        pattern: str,
        definition: dict[str, Any],
        *,
        priority: float = 0,
        apply_to: str = "all",
    ) -> None:
        value = {"pattern": pattern, "definition": definition, "priority": priority, "apply-to": apply_to}
        self._set_policy(self.vhost(vhost), OPERATOR_POLICY, name, value)

    def clear_operator_policy(self, vhost: str, name: str) -> None:
        self._scheduler.jobs.do(self._clear_policy(self.vhost(vhost), OPERATOR_POLICY, name))

    def operator_policies(self, vhost: str) -> list[Policy]:
        return list(self.vhost(vhost).policies.operator_policies)

    def _set_policy(self, vhost: Vhost, component: str, name: str, value: object) -> None:
        check_depth(value)
        is_operators = component == OPERATOR_POLICY
        policies = _policies_of(vhost, component)
        policy = check_policy(name, value, vhost.profile, operator=is_operators)
        if policy == policies.find(name):
            return
        value = _value_of(policy)
        self._scheduler.put(encoding.of_parameter(vhost.name, component, name, value))
        if is_operators:
            self._tell_of_parameter("parameter.set", name, component, vhost.name, value=value)
        before = policies.copy()
        policies.put(policy)
        about = ("policy.set", name, self._events.administrator, value)
        self._scheduler.jobs.do(self._apply(vhost, policies, before, "queue.policy.updated", value, *about))

    def _clear_policy(self, vhost: Vhost, component: str, name: str) -> Steps:
        policies = _policies_of(vhost, component)
        if policies.find(name) is None:
            raise _no_parameter()
        self._scheduler.drop(encoding.of_parameter(vhost.name, component, name))
        event = "policy.cleared"
        if component == OPERATOR_POLICY:
            self._tell_of_parameter("parameter.cleared", name, component, vhost.name)
            event = "operator.policy.cleared"
        before = policies.copy()
        policies.remove(name)
        about = (event, name, self._events.administrator)
        return self._apply(vhost, policies, before, "queue.policy.cleared", None, *about)

    def _apply(
        self,
        vhost: Vhost,
        policies: Policies,
        before: Policies,
        queue_event: str,
        value: dict[str, Any] | None,
        event: str,
        policy: str,
        administrator: str,
        *more: dict[str, Any],
    ) -> Steps:
        """Applies changed policies: a job. Then tells an event for each queue to which another policy applies than
        `before`, and one for the policy."""
        queues = list(vhost.queues.values()) if self._events.wanted else []
        yield from vhost.apply_policies()
        for queue in each(queues):
            if policies.match(queue.type, queue.name) != before.match(queue.type, queue.name):
                self._events.tell(queue_event, told.of_queue_policy, queue, administrator, value)
            yield RULE_UNITS
        self._events.tell(event, told.of_policy, policy, vhost.name, administrator, *more)

    # --- parameters

    def set_parameter(self, vhost: str, component: str, name: str, value: object) -> None:
        """Sets a runtime parameter of a component. Policies are set by `set_policy` only."""
        where = self.vhost(vhost)
        self.check_parameter(component, name, value)
        if component == OPERATOR_POLICY:
            self._set_policy(where, OPERATOR_POLICY, name, value)
            return
        if where.parameters.get((component, name), _MISSING) == value:
            return
        where.parameters[component, name] = value
        self._scheduler.put(encoding.of_parameter(vhost, component, name, value))
        self._tell_of_parameter("parameter.set", name, component, vhost, value=value)
        if component == VHOST_LIMITS_COMPONENT and isinstance(value, dict):
            self._events.tell("vhost.limits.set", told.of_limits, self._events.administrator, value)

    def check_parameter(self, component: str, name: str, value: object) -> None:
        """Raises AdministrationError if it may not be set."""
        check_depth(value)
        if component == POLICY:
            raise AdministrationError("policies may not be set using this method")
        if component == OPERATOR_POLICY:
            check_policy(name, value, self._vhosts.profile, operator=True)
            return
        judge = COMPONENTS.get(component)
        check([f"component {component} not found"] if judge is None else judge(name, value))

    def clear_parameter(self, vhost: str, component: str, name: str) -> None:
        where = self.vhost(vhost)
        if component == POLICY:
            raise AdministrationError("policies may not be cleared using this method")
        if component == OPERATOR_POLICY:
            self.clear_operator_policy(vhost, name)
        elif (component, name) not in where.parameters:
            raise _no_parameter()
        else:
            self._clear_parameter(where, component, name)

    def parameters(self, vhost: str | None = None, component: str | None = None) -> list[Parameter]:
        """The parameters of one virtual host or of all, of one component or of all; policies only if asked for."""
        vhosts = self._vhosts.values() if vhost is None else [self.vhost(vhost)]
        found = (parameter for each in vhosts for parameter in _parameters_of(each))
        if component is None:
            return [parameter for parameter in found if parameter.component != POLICY]
        return [parameter for parameter in found if parameter.component == component]

    def set_global_parameter(self, name: str, value: object) -> None:
        check_depth(value)
        if self._globals.get(name, _MISSING) != value:
            self._globals[name] = value
            self._scheduler.put(encoding.of_parameter("", GLOBAL, name, value))
        self._tell_of_parameter("parameter.set", name, GLOBAL, None, value=value)

    def place_global_parameter(self, name: str, value: object) -> None:
        self._globals[name] = value

    def clear_global_parameter(self, name: str) -> None:
        if name not in self._globals:
            raise _no_parameter()
        del self._globals[name]
        self._scheduler.drop(encoding.of_parameter("", GLOBAL, name))
        # Older versions of RabbitMQ tell parameter.set, without a value.
        event = "parameter.cleared" if self._vhosts.profile.tells_of_clearing else "parameter.set"
        self._tell_of_parameter(event, name, GLOBAL, None)

    def global_parameter(self, name: str) -> Any:  # noqa: ANN401 (any JSON)
        """The value of a global parameter; None if there is none."""
        return self._globals.get(name)

    def global_parameters(self) -> list[Parameter]:
        return [Parameter(None, None, name, value) for name, value in self._globals.items()]

    def _forget_parameter(self, vhost: Vhost, parameter: Parameter) -> None:
        """Clears a parameter or a policy of a virtual host that is deleted."""
        assert parameter.component is not None
        if parameter.component in {POLICY, OPERATOR_POLICY}:
            for _ in self._clear_policy(vhost, parameter.component, parameter.name):
                pass
        else:
            self._clear_parameter(vhost, parameter.component, parameter.name)

    def _clear_parameter(self, vhost: Vhost, component: str, name: str) -> None:
        del vhost.parameters[component, name]
        self._scheduler.drop(encoding.of_parameter(vhost.name, component, name))
        self._tell_of_parameter("parameter.cleared", name, component, vhost.name)
        if component == VHOST_LIMITS_COMPONENT:
            self._events.tell("vhost.limits.cleared", told.of_limits, self._events.administrator)

    def _tell_of_parameter(self, event: str, name: str, component: str, vhost: str | None, **value: object) -> None:
        administrator = self._events.administrator
        self._events.tell(event, told.of_parameter, name, component, vhost, administrator, **value)

    # --- limits

    def set_vhost_limits(self, vhost: str, limits: dict[str, int]) -> None:
        """Sets the limits of a virtual host, in place of earlier ones. Existing connections and queues stay."""
        self.set_parameter(vhost, VHOST_LIMITS_COMPONENT, LIMITS_NAME, limits)

    def clear_vhost_limits(self, vhost: str) -> None:
        self.clear_parameter(vhost, VHOST_LIMITS_COMPONENT, LIMITS_NAME)

    # --- virtual hosts

    def add_vhost(
        self,
        name: str,
        *,
        description: str = "",
        tags: Iterable[str] = (),
        default_queue_type: str | None = None,
        protected_from_deletion: bool | None = None,
    ) -> None:
        """Adds a virtual host, or changes the metadata of an existing one. None leaves a value as it is."""
        if default_queue_type is not None and default_queue_type not in QUEUE_TYPES_KNOWN:
            raise AdministrationError("Unsupported default queue type")
        known = self._vhosts.get(name)
        before = self._vhosts.default_metadata if known is None else known.metadata
        metadata = Metadata(
            description,
            tuple(tags),
            before.default_queue_type if default_queue_type is None else default_queue_type,
            before.protected_from_deletion if protected_from_deletion is None else protected_from_deletion,
        )
        if known is None:
            vhost = self._vhosts.add(name, metadata)
            for exchange in vhost.exchanges.values():
                exchange.declared_by = self._events.administrator
        else:
            vhost = known
            self._change_metadata(vhost, metadata)
        event = "vhost.created" if known is None else "vhost.updated"
        self._events.tell(
            event,
            told.of_vhost,
            name,
            metadata,
            vhost.profile,
            self._events.node,
            self._events.administrator,
            tracing=vhost.tracing,
        )

    def delete_vhost(self, name: str) -> None:
        """Deletes a virtual host with everything in it, and closes the connections to it."""
        vhost = self.vhost(name)
        if vhost.metadata.protected_from_deletion:
            raise AdministrationError(f"Refusing to delete virtual host '{name}' because it is protected from deletion")
        self._clear_permissions(vhost, self._events.administrator)
        self._scheduler.jobs.do(self._delete_vhost(vhost, self._events.administrator))

    def _clear_permissions(self, vhost: Vhost, administrator: str) -> None:
        for user_name in list(vhost.permissions):
            vhost.set_permission(user_name, None)
            self._events.tell("permission.deleted", told.of_permission, user_name, vhost.name, administrator)
        for user_name, of_user in list(vhost.topic_permissions.items()):
            for exchange in list(of_user):
                vhost.set_topic_permission(user_name, exchange, None)
                about = (user_name, vhost.name, administrator)
                self._events.tell("topic.permission.deleted", told.of_permission, *about)

    def _delete_vhost(self, vhost: Vhost, administrator: str) -> Steps:
        # As long as its connections are open, they may declare more.
        while vhost.queues or vhost.exchanges:
            for queue in each(vhost.queues.values()):
                if not queue.deleted:
                    yield from vhost.take_queue(queue, administrator)
            for exchange in each(vhost.exchanges.values()):
                if not exchange.deleted:
                    yield from vhost.take_exchange(exchange, administrator)
        if self._vhosts.pop(vhost.name, None) is None:
            return
        self._clear_permissions(vhost, administrator)  # those set meanwhile
        self._events.tell("vhost.deleted", told.named, vhost.name, administrator)
        for parameter in list(_parameters_of(vhost)):
            self._forget_parameter(vhost, parameter)
        self._scheduler.drop(encoding.of_vhost(vhost.name, vhost.metadata))
        # Consumers are notified first, as if their queues were deleted one by one.
        self._settle()
        for client in list(vhost.clients):
            client.close(f"vhost '{vhost.name}' is deleted")

    def set_deletion_protection(self, name: str, protected: bool) -> None:
        vhost = self.vhost(name)
        self._change_metadata(vhost, vhost.metadata._replace(protected_from_deletion=protected))

    def _change_metadata(self, vhost: Vhost, metadata: Metadata) -> None:
        if metadata != vhost.metadata:
            vhost.metadata = metadata
            self._scheduler.put(encoding.of_vhost(vhost.name, vhost.metadata))

    # --- resources

    def set_memory_high_watermark(
        self, fraction: float | str | None = None, *, absolute: int | str | None = None
    ) -> None:
        """Sets the memory that the broker may use before publishers are blocked: a fraction of all memory, or a size,
        perhaps with a unit. A fraction of 0 blocks them in any case."""
        self._resources.limit_memory(check_memory_limit(fraction, absolute))

    def set_disk_free_limit(
        self, absolute: int | str | None = None, *, mem_relative: float | str | None = None
    ) -> None:
        """Sets the space on disk that must be free: a size, perhaps with a unit, or a multiple of the memory."""
        self._resources.limit_disk(check_disk_limit(absolute, mem_relative))

    # --- tracing

    def trace_on(self, vhost: str) -> None:
        where = self.vhost(vhost)
        if not where.tracing:
            where.trace(Tracer(where.name, where.exchanges, self._publisher, self._events.node))

    def trace_off(self, vhost: str) -> None:
        where = self.vhost(vhost)
        if where.tracing:
            where.trace(None)


def place_parameter(vhost: Vhost, component: str, name: str, value: Any) -> None:  # noqa: ANN401 (any JSON)
    """Restores a parameter or a policy. It applies to predeclared exchanges, and to everything restored later."""
    if component in {POLICY, OPERATOR_POLICY}:
        policy = Policy(name, value["pattern"], value["apply-to"], value["priority"], value["definition"])
        _policies_of(vhost, component).put(policy)
        for _ in vhost.apply_policies():
            pass
    else:
        vhost.parameters[component, name] = value


def _parameters_of(vhost: Vhost) -> Iterator[Parameter]:
    for (component, name), value in vhost.parameters.items():
        yield Parameter(vhost.name, component, name, value)
    for component, policies in ((POLICY, vhost.policies.policies), (OPERATOR_POLICY, vhost.policies.operator_policies)):
        for policy in policies:
            yield Parameter(vhost.name, component, policy.name, _value_of(policy))


def _value_of(policy: Policy) -> dict[str, Any]:
    """A policy as the value of the parameter that it is stored as."""
    return {
        "pattern": policy.pattern,
        "definition": policy.definition,
        "priority": policy.priority,
        "apply-to": policy.apply_to,
    }


def _policies_of(vhost: Vhost, component: str) -> Policies:
    return vhost.policies.operator_policies if component == OPERATOR_POLICY else vhost.policies.policies


def _no_parameter() -> AdministrationError:
    return AdministrationError("Parameter does not exist", missing=True)
