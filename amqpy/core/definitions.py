"""Definitions: everything that an administrator or a client has made, but messages, as JSON that can be put elsewhere.

They are exported as sections of objects, of which the views are made in slices. The import is a job that first looks at
all of them. What can be seen to be wrong then is refused before anything has changed; RabbitMQ finds it half-way. It
merges: nothing is deleted, a queue or an exchange that is there stays as it is, and other things are overwritten.

Source: `rabbit_definitions`, `rabbit_mgmt_wm_definitions`.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from html import escape
from typing import Any, Final, NamedTuple, TypeAlias

from amqpy.core.administration import bodies, views
from amqpy.core.administration.administration import Parameter
from amqpy.core.administration.limits import MAX_QUEUES
from amqpy.core.administration.policies import check_policy
from amqpy.core.administration.tables import table_of
from amqpy.core.administration.validation import as_erlang_term, check, check_depth
from amqpy.core.arguments import CLASSIC
from amqpy.core.broker import Broker
from amqpy.core.durability.encoding import is_predeclared
from amqpy.core.exchanges import Binding, Exchange, exchange_type
from amqpy.core.jobs import Steps, each
from amqpy.core.names import queue_text
from amqpy.core.queues.queue import Queue
from amqpy.core.topology import kind_of_queue, with_default_type
from amqpy.core.users import Users, check_patterns, check_topic_patterns
from amqpy.core.vhost import PREDECLARED, Vhost
from amqpy.core.views import json_of
from amqpy.errors import AdministrationError, AmqpFault, erlang_string
from amqpy.wire.values import Table

View: TypeAlias = dict[str, object]
Change: TypeAlias = Callable[[], object]

UNITS: Final = 20
"""The cost of looking at an object, and that of putting it in its place, in the units of `jobs`."""

NAME_BYTES_MAX: Final = 255
"""Bytes in the name of a queue or an exchange, of which clients could not say more."""

WHOLE: Final = "whole-definitions"
"""The feature of profiles that export what RabbitMQ's command line does."""

OLD_IMPORTS: Final = "old-imports"
"""The feature of those that skip bindings whose ends are missing, tell some errors as terms, and give no queue the
default type of its virtual host."""


# --- export


class Section(NamedTuple):
    """A list among the definitions."""

    key: str
    items: Sequence[Any]
    view: Callable[[Any], View]
    """Makes the definition of an item."""


def heading(broker: Broker, vhost: Vhost | None = None) -> View:
    """The keys before the sections of a broker, or of one virtual host."""
    version, named = broker.profile.version, "named-definitions" in broker.profile.management
    view: View = {"rabbit_version": version}
    if vhost is None or named:
        view |= {"rabbitmq_version": version, "product_name": "RabbitMQ", "product_version": version}
    if not named:
        return view
    if vhost is None:
        name = _cluster_name(broker)
        return view | {
            "rabbitmq_definition_format": "cluster",
            "original_cluster_name": name,
            "explanation": f"Definitions of cluster '{name}'",
        }
    metadata, limits = _metadata(vhost), dict(vhost.limits)
    view |= {
        "rabbitmq_definition_format": "single_virtual_host",
        "original_vhost_name": vhost.name,
        "explanation": f"Definitions of virtual host '{vhost.name}'",
        "metadata": metadata,
        "description": vhost.metadata.description,
    }
    if _is_whole(broker):
        return view | {"limits": limits}
    return view | {"default_queue_type": metadata.get("default_queue_type"), "limits": views.value_of(limits)}


def _cluster_name(broker: Broker) -> str:
    names = (each.value for each in broker.administration.global_parameters() if each.name == "cluster_name")
    return str(next(names, broker.node))


def sections(broker: Broker, users: Users) -> list[Section]:
    """The definitions of a broker."""
    vhosts = [vhost for _, vhost in sorted(broker.vhosts.items())]
    administration = broker.administration
    return [
        Section("users", sorted(users, key=lambda user: user.name), views.user),
        Section("vhosts", vhosts, _vhost),
        Section("permissions", list(views.granted(vhosts)), views.permission),
        Section("topic_permissions", list(views.granted_topics(vhosts)), views.topic_permission),
        Section("parameters", administration.parameters(), views.parameter),
        Section("global_parameters", _global_parameters(broker), views.parameter),
        Section("policies", _policies(vhosts), lambda each: views.policy(*each)),
        *_objects(broker, vhosts),
    ]


def sections_of_vhost(broker: Broker, vhost: Vhost) -> list[Section]:
    """The definitions of one virtual host, without its name but where RabbitMQ leaves that in."""
    found = [
        Section("parameters", broker.administration.parameters(vhost.name), views.parameter),
        Section("policies", _policies([vhost]), lambda each: views.policy(*each)),
    ]
    if "named-definitions" in broker.profile.management:
        found = [_without_vhost(section) for section in found]
    return [*found, *(_without_vhost(section) for section in _objects(broker, [vhost]))]


def exported(broker: Broker, users: Users, vhost: Vhost | None = None) -> dict[str, Any]:
    """All definitions of a broker or of a virtual host, made at once."""
    found = sections(broker, users) if vhost is None else sections_of_vhost(broker, vhost)
    return {**heading(broker, vhost), **{each.key: [each.view(item) for item in each.items] for each in found}}


def _global_parameters(broker: Broker) -> list[Parameter]:
    found = views.global_parameters(broker)
    return [each for each in found if not each.name.startswith("internal")] if _is_whole(broker) else found


def _is_whole(broker: Broker) -> bool:
    return WHOLE in broker.profile.management


def _without_vhost(section: Section) -> Section:
    def view(item: object) -> View:
        return {key: value for key, value in section.view(item).items() if key != "vhost"}

    return section._replace(view=view)


def _policies(vhosts: Sequence[Vhost]) -> list[Any]:
    return views.ranked((vhost.name, vhost.policies.policies) for vhost in vhosts)


def _objects(broker: Broker, vhosts: Sequence[Vhost]) -> list[Section]:
    """The queues that are not exclusive, the exchanges that are not there from the start, and the bindings to both."""
    whole = _is_whole(broker)
    queues = [queue for vhost in vhosts for queue in vhost.queues.values() if queue.owner is None]
    exchanges = [each for vhost in vhosts for each in vhost.exchanges.values() if not is_predeclared(each)]
    if whole:
        exchanges = [exchange for exchange in exchanges if not exchange.internal]
    bindings = [
        binding
        for vhost in vhosts
        for exchange in vhost.exchanges.values()
        for binding in exchange.bindings.values()
        if not (isinstance(binding.destination, Queue) and binding.destination.owner is not None)
    ]
    return [
        Section("queues", queues, partial(_queue, whole)),
        Section("exchanges", exchanges, partial(_exchange, whole)),
        Section("bindings", bindings, _binding),
    ]


def _vhost(vhost: Vhost) -> View:
    features = vhost.profile.management
    if WHOLE in features:
        return {"name": vhost.name, "limits": dict(vhost.limits), "metadata": _metadata(vhost)}
    if "vhost-metadata-definitions" not in features:
        return {"name": vhost.name}
    metadata = _metadata(vhost)
    return {"name": vhost.name, **metadata, "metadata": metadata}


def _metadata(vhost: Vhost) -> View:
    metadata = vhost.metadata
    view: View = {"description": metadata.description, "tags": list(metadata.tags)}
    queue_type = metadata.default_queue_type or (CLASSIC if vhost.profile.always_names_type else None)
    if queue_type is not None:
        view["default_queue_type"] = queue_type
    if metadata.protected_from_deletion:
        view["protected_from_deletion"] = True
    return view


def _queue(whole: bool, queue: Queue) -> View:
    return {
        "name": queue.name,
        "vhost": queue.vhost.name,
        **({"type": queue.type} if whole else {}),
        "durable": queue.durable,
        "auto_delete": queue.auto_delete,
        "arguments": json_of(queue.arguments),
    }


def _exchange(whole: bool, exchange: Exchange) -> View:
    return {
        "name": exchange.name,
        "vhost": exchange.vhost.name,
        "type": exchange.type,
        "durable": exchange.durable,
        "auto_delete": exchange.auto_delete,
        **({} if whole else {"internal": exchange.internal}),
        "arguments": json_of(exchange.arguments),
    }


def _binding(binding: Binding) -> View:
    return {
        "source": binding.source.name,
        "vhost": binding.source.vhost.name,
        "destination": binding.destination.name,
        "destination_type": binding.destination_kind,
        "routing_key": binding.routing_key,
        "arguments": json_of(binding.arguments),
    }


# --- import


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
        items = self._definitions.get(key)
        if items is None:
            return []
        if not isinstance(items, list):
            raise AdministrationError(f"{key} should be a list")
        return [item for item in items if isinstance(item, dict)]

    # --- users, virtual hosts

    def _user(self, item: dict[str, Any]) -> Change:
        name, given = bodies.text(item, "name"), bodies.user(item, self._version)
        bodies.check_user(self._users, given)
        self._new_users.add(name)
        return partial(bodies.put_user, self._users, name, given)

    def _add_vhost(self, item: dict[str, Any]) -> Change:
        name, given = bodies.text(item, "name"), bodies.vhost(item)
        self._new_vhosts.add(name)
        return partial(bodies.put_vhost, self._broker, self._users, name, given)

    def _permission(self, item: dict[str, Any]) -> Change:
        patterns = bodies.permission(item)
        check_patterns(*patterns)
        return partial(self._users.set_permissions, self._user_of(item), self._vhost_of(item), *patterns)

    def _topic_permission(self, item: dict[str, Any]) -> Change:
        exchange, *patterns = bodies.topic_permission(item)
        check_topic_patterns(*patterns)
        user, vhost = self._user_of(item), self._vhost_of(item)
        return partial(self._users.set_topic_permissions, user, vhost, exchange, *patterns)

    def _user_of(self, item: dict[str, Any]) -> str:
        name = bodies.text(item, "user")
        if name not in self._new_users:
            self._users.user(name)
        return name

    def _vhost_of(self, item: dict[str, Any]) -> str:
        """The virtual host that an item is for, which must be there or be among the definitions."""
        if self._vhost is not None:
            return self._vhost
        name = item.get("vhost", "undefined")
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
        value = {"priority": 0, **{key: item[key] for key in _POLICY_KEYS if key in item}}
        with _placed(self._broker, f"{vhost}/{name}"):
            check_depth(value)
            check([] if "pattern" in value else ["pattern should be a binary but was undefined"])
            policy = check_policy(name, value, self._broker.profile, operator=False)
        more: dict[str, Any] = {"priority": policy.priority, "apply_to": policy.apply_to}
        set_policy = self._broker.administration.set_policy
        return partial(set_policy, vhost, name, policy.pattern, dict(policy.definition), **more)

    def _parameter(self, item: dict[str, Any]) -> Change:
        vhost, component, name = self._vhost_of(item), bodies.text(item, "component"), bodies.text(item, "name")
        administration, value = self._broker.administration, item.get("value")
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
        kind, arguments = (
            exchange_type(bodies.text(item, "type"), self._broker.profile),
            table_of(item.get("arguments")),
        )
        kind.check_arguments(arguments, self._broker.profile)
        durable, auto_delete = _flag(item, "durable", True), _flag(item, "auto_delete", False)
        internal = _flag(item, "internal", False)

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
        flags = {"durable": _flag(item, "durable", True), "auto_delete": _flag(item, "auto_delete", False)}
        arguments = table_of(item.get("arguments"))
        kind_of_queue(f"queue '{name}' in vhost '{vhost}'", self._broker.profile, arguments, exclusive=False, **flags)
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
        kind = bodies.text(item, "destination_type")
        if kind not in {"queue", "exchange"}:
            raise AdministrationError(f"unknown destination_type '{kind}'")
        missing = [end for end in (("exchange", source), (kind, destination)) if not self._is_there(vhost, *end)]
        if missing and self._is_old:
            return None
        if missing:
            raise _resources_missing(vhost, missing)
        assert isinstance(vhost, str)
        routing_key = bodies.text({"routing_key": "", **item}, "routing_key")
        return partial(self._bind, vhost, source, kind, destination, routing_key, table_of(item.get("arguments")))

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
    named = (f"{{resource,{as_erlang_term(vhost)},{kind},{as_erlang_term(name)}}}" for kind, name in ends)
    terms = ",\n                    ".join(f"{{not_found,{each}}}" for each in named)
    return ErlangTerm(f"{{resources_missing,[{terms}]}}")


def _name_of(kind: str, item: dict[str, Any]) -> str:
    name = bodies.text(item, "name")
    size = len(name.encode("utf-8", "surrogateescape"))
    if size > NAME_BYTES_MAX:
        raise AdministrationError(f"{kind} should be less than {NAME_BYTES_MAX} bytes, actually was {size}\n")
    return name


def _flag(item: dict[str, Any], key: str, default: bool) -> bool:
    return bool(bodies.boolean(item.get(key), default))
