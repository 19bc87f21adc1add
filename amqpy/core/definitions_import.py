"""The import of definitions (`definitions`), into a broker or into one virtual host.

It is a job that first looks at all of them. What can be seen to be wrong then is refused before anything has changed;
RabbitMQ finds it half-way. It merges: nothing is deleted, a queue or an exchange that is there stays as it is, and
other things are overwritten.

Source: `rabbit_definitions`.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from html import escape
from typing import Any, Final, TypeAlias

from amqpy.core.administration import bodies
from amqpy.core.administration.erlang_terms import Atom, as_erlang_term, as_text
from amqpy.core.administration.limits import MAX_QUEUES
from amqpy.core.administration.policies import check_policy
from amqpy.core.administration.tables import table_of
from amqpy.core.administration.validation import check_depth
from amqpy.core.broker import Broker
from amqpy.core.events.events import INTERNAL_USER
from amqpy.core.exchanges import Binding, exchange_type
from amqpy.core.jobs import Steps, each
from amqpy.core.names import queue_text
from amqpy.core.topology import kind_of_queue, with_default_type
from amqpy.core.users import Users, check_patterns, check_topic_patterns
from amqpy.core.vhost import PREDECLARED, Vhost
from amqpy.errors import AdministrationError, AmqpFault, UnfitProperty, erlang_string
from amqpy.wire.values import Table

Change: TypeAlias = Callable[[], object]

UNITS: Final = 20
"""The cost of looking at an object, and that of putting it in its place, in the units of `jobs`."""

NAME_BYTES_MAX: Final = 255
"""Bytes in the name of a queue or an exchange, of which clients could not say more."""

NOTHING: Final = Atom("undefined")
"""The value of a key that is missing, as RabbitMQ shows it."""

NO_CLAUSE: Final = "function_clause"
"""The reason that RabbitMQ gives where a value is of a type that none of its functions takes."""

OLD_IMPORTS: Final = "old-imports"
"""The feature of profiles that skip bindings whose ends are missing, tell some errors as terms, and give no queue the
default type of its virtual host."""


class ErlangTerm(AdministrationError):
    """An error whose text is the term of it, as Erlang prints that."""


class Import:
    """Definitions on their way into a broker, or into one virtual host, in whose sections no name of one counts."""

    def __init__(self, broker: Broker, users: Users, definitions: Mapping[str, Any], vhost: str | None = None) -> None:
        self.error: AdministrationError | AmqpFault | None = None
        """The reason for its end, once its steps are done, if it did not end well."""
        self._broker = broker
        self._users = users
        self._definitions = definitions
        self._vhost = vhost
        self._actor = broker.events.administrator
        version = definitions.get("rabbitmq_version", definitions.get("rabbit_version"))
        self._version = version if isinstance(version, str) else None
        self._new_vhosts: set[str] = set()
        self._new_users: set[str] = set()
        self._new_queues: Counter[str] = Counter()
        self._declared: set[tuple[str, str, str]] = set()
        """Queues and exchanges among the definitions: the kind, the virtual host, the name."""

    @property
    def _is_old(self) -> bool:
        return OLD_IMPORTS in self._broker.profile.management

    def steps(self) -> Steps:
        """The import as a job, which does not fail: it leaves an `error`."""
        try:
            yield from self._steps()
        except (AdministrationError, AmqpFault) as error:
            self.error = error

    def _steps(self) -> Steps:
        changes: list[Change] = []
        for key, prepare in self._kinds():
            for item in each(self._items(key)):
                change = prepare(item)
                if change is not None:
                    changes.append(change)
                yield UNITS
        self._check_queue_limits()
        for act in each(changes):
            with self._broker.events.on_behalf_of(self._actor):
                act()
            yield UNITS

    def _kinds(self) -> Iterator[tuple[str, Callable[[Any], Change | None]]]:
        """The sections in RabbitMQ's order, and what makes changes of their items."""
        if self._vhost is not None:
            yield "exchanges", self._exchange
            yield "parameters", self._parameter
            yield "policies", self._policy
        else:
            yield "users", self._user
            yield "vhosts", self._add_vhost
            yield "permissions", self._permission
            yield "topic_permissions", self._topic_permission
            yield "exchanges", self._exchange
            yield "global_parameters", self._global_parameter
            yield "policies", self._policy
            yield "parameters", self._parameter
        yield "queues", self._queue
        yield "bindings", self._binding

    def _items(self, key: str) -> list[dict[str, Any]]:
        items = self._definitions.get(key, [])
        if not isinstance(items, list):
            raise AdministrationError(f"{key} should be a list")
        found = [item for item in items if isinstance(item, dict)]
        if key == "queues" and len(found) < len(items):
            raise AdministrationError(NO_CLAUSE)
        return found

    # --- users, virtual hosts

    def _user(self, item: dict[str, Any]) -> Change:
        if "name" not in item:
            raise AdministrationError("badkey", term=["badkey", Atom("name")])
        name, given = bodies.text(item, "name"), bodies.user(item, self._version)
        bodies.check_user(self._users, given)
        self._new_users.add(name)
        return partial(bodies.put_user, self._users, name, given)

    def _add_vhost(self, item: dict[str, Any]) -> Change:
        name, given = bodies.text(item, "name"), bodies.vhost(item, self._broker.profile.management)
        self._new_vhosts.add(name)
        return partial(bodies.put_vhost, self._broker, self._users, name, given)

    def _permission(self, item: dict[str, Any]) -> Change:
        patterns = _patterns(item, "configure", "write", "read")
        check_patterns(*patterns)
        return partial(self._users.set_permissions, self._user_of(item), self._vhost_of(item), *patterns)

    def _topic_permission(self, item: dict[str, Any]) -> Change:
        patterns = _patterns(item, "write", "read")
        check_topic_patterns(*patterns)
        user, vhost, exchange = self._user_of(item), self._vhost_of(item), bodies.text(item, "exchange")
        return partial(self._users.set_topic_permissions, user, vhost, exchange, *patterns)

    def _user_of(self, item: dict[str, Any]) -> str:
        name = item.get("user", NOTHING)
        if not self._is_old and not (isinstance(item.get("user"), str) and isinstance(item.get("vhost"), str)):
            raise AdministrationError(NO_CLAUSE)
        if not isinstance(name, str) or (name not in self._new_users and self._users.find(name) is None):
            raise AdministrationError(f'User "{name}" does not exist', term=["no_such_user", name])
        return name

    def _vhost_of(self, item: dict[str, Any]) -> str:
        """The virtual host that an item is for, which must be there or be among the definitions."""
        if self._vhost is not None:
            return self._vhost
        name = item.get("vhost", NOTHING)
        if not isinstance(name, str) or (name not in self._new_vhosts and name not in self._broker.vhosts):
            raise AdministrationError(f"Virtual host '{name}' does not exist", term=["no_such_vhost", name])
        return name

    def _found(self, vhost: str) -> Vhost | None:
        """A virtual host, if it is there already."""
        return self._broker.vhosts.get(vhost)

    # --- parameters, policies

    def _global_parameter(self, item: dict[str, Any]) -> Change:
        name, value = bodies.text(item, "name"), item.get("value")
        check_depth(value)
        return partial(self._broker.administration.set_global_parameter, name, value)

    def _policy(self, item: dict[str, Any]) -> Change:
        vhost = self._vhost_of(item)
        if "name" not in item:
            text = f"policy in virtual host '{vhost}' has undefined name"
            raise AdministrationError(text, term=text)
        name = bodies.text(item, "name")
        given = {key: item[key] for key in _POLICY_KEYS if key in item}
        value = {"priority": 0, "pattern": NOTHING, "definition": NOTHING, **given}
        if value["definition"] == []:
            value["definition"] = {}  # which Erlang cannot tell from it
        with _placed(self._broker, f"{vhost}/{name}"):
            check_depth(value)
            policy = check_policy(name, value, self._broker.profile, operator=False)
        more: dict[str, Any] = {"priority": policy.priority, "apply_to": policy.apply_to}
        set_policy = self._broker.administration.set_policy
        return partial(set_policy, vhost, name, policy.pattern, dict(policy.definition), **more)

    def _parameter(self, item: dict[str, Any]) -> Change:
        vhost, item = self._vhost_of(item), {"component": NOTHING, "name": NOTHING, "value": NOTHING, **item}
        component, name, value = bodies.text(item, "component"), bodies.text(item, "name"), item["value"]
        administration = self._broker.administration
        with _placed(self._broker, f"{vhost}/{component}/{name}"):
            administration.check_parameter(component, name, value)
        return partial(administration.set_parameter, vhost, component, name, value)

    # --- what clients declare

    def _exchange(self, item: dict[str, Any]) -> Change | None:
        vhost, name = self._vhost_of(item), _name_of("exchange", item)
        self._declared.add(("exchange", vhost, name))
        if not name or name.startswith("amq."):
            return None
        where = self._found(vhost)
        if where is not None and name in where.exchanges:
            return None
        kind, arguments = exchange_type(as_text(item.get("type", NOTHING)), self._broker.profile), _arguments(item)
        kind.check_arguments(arguments, self._broker.profile)
        durable, auto_delete = _flag(item, "durable"), _flag(item, "auto_delete")
        internal = _flag({"internal": False, **item}, "internal")

        def act() -> None:
            where = self._broker.administration.vhost(vhost)
            if name not in where.exchanges:
                made = kind(
                    where, name, durable=durable, auto_delete=auto_delete, internal=internal, arguments=arguments
                )
                where.add_exchange(made, self._actor)

        return act

    def _queue(self, item: dict[str, Any]) -> Change | None:
        vhost, name = self._vhost_of(item), _name_of("queue", item)
        self._declared.add(("queue", vhost, name))
        if name.startswith("amq."):
            return None
        where = self._found(vhost)
        if where is not None and name in where.queues:
            return None
        if item.get("arguments") and isinstance(item["arguments"], list):
            raise AdministrationError("badarg")
        flags, arguments = self._flags_of_queue(item), _arguments(item)
        what = f"queue '{name}' in vhost '{vhost}'"
        try:
            kind_of_queue(what, self._broker.profile, arguments, exclusive=False, **flags)
        except UnfitProperty:
            return None  # nobody reads RabbitMQ's error
        self._new_queues[vhost] += 1

        def act() -> None:
            where = self._broker.administration.vhost(vhost)
            if name in where.queues:
                return
            typed = arguments
            if not self._is_old:
                typed = with_default_type(where, arguments, fits=flags["durable"] and not flags["auto_delete"])
            kind = kind_of_queue(queue_text(where, name), where.profile, typed, exclusive=False, **flags)
            where.add_queue(name, kind, owner=None, arguments=typed, actor=self._actor, **flags)

        return act

    def _flags_of_queue(self, item: dict[str, Any]) -> dict[str, bool]:
        if self._is_old:
            return {key: _flag(item, key) for key in ("durable", "auto_delete")}
        flags = {"durable": item.get("durable", True), "auto_delete": item.get("auto_delete", False)}
        if not all(isinstance(value, bool) for value in flags.values()):
            raise AdministrationError("badarg")
        return flags

    def _check_queue_limits(self) -> None:
        for name, added in self._new_queues.items():
            where = self._found(name)
            most = -1 if where is None else where.limits.get(MAX_QUEUES, -1)
            if where is None or most < 0 or len(where.queues) + added <= most:
                continue
            text = (
                f'Adding {added} queue(s) to virtual host "{name}" would exceed the limit of {most} queue(s).\n\n'
                f"This virtual host currently has {len(where.queues)} queue(s) defined.\n\nImport aborted!"
            )
            raise AdministrationError(text, term=["vhost_limit_exceeded", erlang_string(text)])

    def _binding(self, item: dict[str, Any]) -> Change | None:
        vhost = self._vhost or item.get("vhost")
        source, destination = bodies.text(item, "source"), bodies.text(item, "destination")
        kind, arguments = item.get("destination_type"), _arguments(item)
        if kind not in ("queue", "exchange"):
            raise AdministrationError(NO_CLAUSE)
        missing = [end for end in (("exchange", source), (kind, destination)) if not self._is_there(vhost, *end)]
        if missing and self._is_old:
            return None
        if missing:
            raise _resources_missing(vhost, missing)
        assert isinstance(vhost, str)
        routing_key = bodies.text({"routing_key": NOTHING, **item}, "routing_key")
        return partial(self._bind, vhost, source, kind, destination, routing_key, arguments)

    def _is_there(self, vhost: object, kind: str, name: str) -> bool:
        """True if there is such an end of a binding, or it is among the definitions."""
        if not isinstance(vhost, str):
            return False
        where = self._found(vhost)
        if where is None and vhost not in self._new_vhosts:
            return False
        if (kind, vhost, name) in self._declared or (kind == "exchange" and (not name or name in PREDECLARED)):
            return True
        return where is not None and name in (where.queues if kind == "queue" else where.exchanges)

    def _bind(self, vhost: str, source: str, kind: str, destination: str, routing_key: str, arguments: Table) -> None:
        """Binds, unless an end of it is missing, or the source takes no such binding."""
        where = self._broker.administration.vhost(vhost)
        exchange = where.exchanges.get(source)
        bound = where.queues.get(destination) if kind == "queue" else where.exchanges.get(destination)
        if exchange is None or bound is None or not source:
            return
        binding = Binding(exchange, bound, routing_key, arguments)
        try:
            exchange.check_binding(binding)
        except AmqpFault:
            return
        where.add_binding(binding, self._actor)


_POLICY_KEYS: Final = ("pattern", "definition", "priority", "apply-to")


def import_at_once(broker: Broker, users: Users, definitions: Mapping[str, Any]) -> None:
    """Imports definitions to the end, on the broker's own behalf. Raises AdministrationError or AmqpFault."""
    with broker.events.on_behalf_of(INTERNAL_USER):
        work = Import(broker, users, definitions)
    broker.scheduler.jobs.do(work.steps())
    broker.finish()
    if work.error is not None:
        raise work.error


@contextmanager
def _placed(broker: Broker, place: str) -> Iterator[None]:
    """Adds to an error the place of the object that it is about."""
    try:
        yield
    except AdministrationError as error:
        text = f"{error.text} ({place})"
        escapes = "escaped-html" in broker.profile.management
        raise AdministrationError(escape(text, quote=False) if escapes else text) from None


def _resources_missing(vhost: object, ends: list[tuple[str, str]]) -> ErlangTerm:
    missing = [(Atom("not_found"), (Atom("resource"), vhost, Atom(kind), name)) for kind, name in ends]
    return ErlangTerm(as_erlang_term((Atom("resources_missing"), missing)))


def _name_of(kind: str, item: dict[str, Any]) -> str:
    name = bodies.text(item, "name")
    size = len(name.encode("utf-8", "surrogateescape"))
    if size > NAME_BYTES_MAX:
        raise AdministrationError(f"{kind} should be less than {NAME_BYTES_MAX} bytes, actually was {size}\n")
    return name


def _flag(item: dict[str, Any], key: str) -> bool:
    value = item.get(key)
    if not isinstance(value, bool):
        raise AdministrationError(NO_CLAUSE)
    return value


def _arguments(item: dict[str, Any]) -> Table:
    """The arguments of something. RabbitMQ keeps a list, and shows none."""
    arguments = item.get("arguments", {})
    if isinstance(arguments, list):
        return {}
    if not isinstance(arguments, dict):
        raise AdministrationError(NO_CLAUSE)
    return table_of(arguments)


def _patterns(item: dict[str, Any], *keys: str) -> list[str]:
    if not all(isinstance(item.get(key), str) for key in keys):
        raise AdministrationError("badarg")
    return [item[key] for key in keys]
