"""Definitions: everything that an administrator or a client has made, but messages, as JSON that can be put elsewhere.

They are exported as sections of objects, of which the views are made in slices. `definitions_import` is the way back.

Source: `rabbit_definitions`, `rabbit_mgmt_wm_definitions`.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, NamedTuple, TypeAlias

from amqpy.core.administration import views
from amqpy.core.administration.administration import Parameter
from amqpy.core.arguments import CLASSIC
from amqpy.core.broker import Broker
from amqpy.core.durability.encoding import is_predeclared
from amqpy.core.exchanges import Binding, Exchange
from amqpy.core.queues.queue import Queue
from amqpy.core.users import Users
from amqpy.core.vhost import Vhost
from amqpy.core.views import json_of

View: TypeAlias = dict[str, object]

WHOLE: Final = "whole-definitions"
"""The feature of profiles that export what RabbitMQ's command line does."""


class Section(NamedTuple):
    """A list among the definitions."""

    key: str
    items: Sequence[Any]
    view: Callable[[Any], View]
    """Makes the definition of an item."""


def heading(broker: Broker, vhost: Vhost | None = None) -> View:
    """The keys before the sections of a broker, or of one virtual host."""
    version, named = broker.config.version or broker.profile.version, "named-definitions" in broker.profile.management
    view: View = {"rabbit_version": version}
    if vhost is None or named:
        view |= {"rabbitmq_version": version, "product_name": broker.config.product, "product_version": version}
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
