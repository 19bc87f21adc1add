"""The properties of each event, under RabbitMQ's names.

Each docstring names the events that have the properties.

Source: the calls of `rabbit_event:notify` in RabbitMQ; the exchange type's `fmt` for how Erlang's terms are shown.
"""

from collections.abc import Mapping
from operator import itemgetter
from typing import Any

from amqpy.core.administration.erlang_terms import as_erlang_term
from amqpy.core.arguments import CLASSIC, QUORUM
from amqpy.core.consumer import Consumer
from amqpy.core.events.events import EventProperties
from amqpy.core.exchanges import Binding, Exchange
from amqpy.core.ports import Origin
from amqpy.core.queues.queue import Queue
from amqpy.core.vhost_metadata import Metadata
from amqpy.errors import erlang_atom, erlang_text
from amqpy.profile import Profile
from amqpy.wire.values import Table, as_erlang, fields_of

ACTOR = "user_who_performed_action"


def erlang_rows(table: Table, *, by_name: bool = False) -> list[str]:
    """Arguments as the event exchange prints them: Erlang tuples."""
    fields = [(name.encode("utf-8", "surrogateescape"), field) for name, field in fields_of(table)]
    if by_name:
        fields.sort(key=itemgetter(0))
    return [f"{{{erlang_text(name)},{field.kind},{as_erlang(field)}}}" for name, field in fields]


def of_queue(queue: Queue, node: str, actor: str) -> EventProperties:
    """queue.created"""
    properties: dict[str, object] = {
        "name": queue.name,
        "vhost": queue.vhost.name,
        "durable": queue.durable,
        "auto_delete": queue.auto_delete,
        "arguments": erlang_rows(queue.arguments),
        "exclusive": queue.owner is not None,
        ACTOR: actor,
    }
    if queue.type == QUORUM:
        return properties | {"type": erlang_type(queue)}
    more = {"type": erlang_type(queue), "leader": node, "members": [node]}
    told = {name: fact for name, fact in more.items() if name in queue.vhost.profile.more_event_properties}
    return properties | told | {"owner_pid": "" if queue.owner is None else queue.owner.pid}


def erlang_type(queue: Queue) -> str:
    """The name of the Erlang module of a queue's type."""
    return f"rabbit_{queue.type}_queue"


def of_exchange(exchange: Exchange, actor: str) -> EventProperties:
    """exchange.created"""
    return {
        "name": exchange.name,
        "vhost": exchange.vhost.name,
        "type": exchange.type,
        "durable": exchange.durable,
        "auto_delete": exchange.auto_delete,
        "internal": exchange.internal,
        "arguments": erlang_rows(exchange.arguments),
        "policy": exchange.policy.policy or "",
        ACTOR: actor,
    }


def of_deletion(gone: Queue | Exchange, actor: str) -> EventProperties:
    """exchange.deleted"""
    return {"name": gone.name, "vhost": gone.vhost.name, ACTOR: actor}


def of_queue_gone(queue: Queue, actor: str) -> EventProperties:
    """queue.deleted"""
    kind = {"type": erlang_type(queue)} if "type" in queue.vhost.profile.more_event_properties else {}
    return {**of_deletion(queue, actor), **kind}


def of_binding(binding: Binding, actor: str) -> EventProperties:
    """binding.created, binding.deleted"""
    return {
        "source_name": binding.source.name,
        "source_kind": "exchange",
        "destination_name": binding.destination.name,
        "destination_kind": binding.destination_kind,
        "routing_key": binding.routing_key,
        "arguments": erlang_rows(binding.arguments, by_name=True),
        "vhost": binding.source.vhost.name,
        ACTOR: actor,
    }


def of_consumer(consumer: Consumer, prefetch: int, actor: str) -> EventProperties:
    """consumer.created"""
    return {
        **of_consumer_gone(consumer, actor),
        "exclusive": consumer.exclusive,
        "ack_required": not consumer.no_ack,
        "prefetch_count": prefetch,
        "arguments": erlang_rows(consumer.arguments),
    }


def of_consumer_gone(consumer: Consumer, actor: str | None) -> EventProperties:
    """consumer.deleted"""
    properties = {
        "consumer_tag": consumer.tag,
        "channel": consumer.unacked.origin.pid,
        "queue": consumer.queue.name,
        "vhost": consumer.queue.vhost.name,
    }
    return properties if actor is None else properties | {ACTOR: actor}


def of_channel(origin: Origin, connection_pid: str, vhost: str) -> EventProperties:
    """channel.created"""
    return {
        "pid": origin.pid,
        "name": f"{origin.connection} ({origin.number})",
        "connection": connection_pid,
        "number": origin.number,
        "user": origin.user,
        "vhost": vhost,
        ACTOR: origin.user,
    }


def of_vhost(
    name: str, metadata: Metadata, profile: Profile, node: str, actor: str, *, tracing: bool
) -> EventProperties:
    """vhost.created, vhost.updated"""
    tags = [erlang_atom(tag) for tag in metadata.tags]
    shown = {"description": as_erlang_term(metadata.description), "tags": f"[{','.join(tags)}]"}
    default_type = metadata.default_queue_type or (CLASSIC if profile.always_names_type else None)
    if default_type is not None:
        shown["default_queue_type"] = as_erlang_term(default_type)
    # Newer Erlang prints keys in the order in which the atoms were made.
    in_order = list(shown.items()) if profile.always_names_type else sorted(shown.items())
    return {
        "name": name,
        "description": metadata.description,
        "tags": list(metadata.tags),
        "default_queue_type": default_type or "undefined",
        **(
            {"protected_from_deletion": metadata.protected_from_deletion}
            if "protected_from_deletion" in profile.more_event_properties
            else {}
        ),
        "metadata": f"#{{{','.join(f'{key} => {value}' for key, value in in_order)}}}",
        "tracing": tracing,
        "cluster_state": {node: "running"},
        ACTOR: actor,
    }


def named(name: str, actor: str) -> EventProperties:
    """vhost.deleted, user.created and others that have no more properties."""
    return {"name": name, ACTOR: actor}


def of_policy(name: str, vhost: str, actor: str, value: Mapping[str, Any] | None = None) -> EventProperties:
    """policy.set; policy.cleared without a value"""
    return {"name": name, "vhost": vhost, ACTOR: actor, **(value or {})}


def of_queue_policy(queue: Queue, actor: str, value: Mapping[str, Any] | None) -> EventProperties:
    """queue.policy.updated; queue.policy.cleared without a value"""
    return {"name": queue.name, "vhost": queue.vhost.name, "type": erlang_type(queue), ACTOR: actor, **(value or {})}


def of_parameter(name: str, component: str, vhost: str | None, actor: str, **value: object) -> EventProperties:
    """parameter.set; parameter.cleared without a value"""
    where = {} if vhost is None else {"vhost": vhost}
    return {**where, "component": component, "name": name, **value, ACTOR: actor}


def of_limits(actor: str, limits: Mapping[str, int] | None = None, **whose: str) -> EventProperties:
    """vhost.limits.set and user.limits.set; cleared without limits"""
    return {"name": "limits", **whose, ACTOR: actor, **(limits or {})}


def of_tags(name: str, tags: tuple[str, ...], actor: str) -> EventProperties:
    """user.tags.set"""
    return {"name": name, "tags": tags, ACTOR: actor}


def of_permission(user: str, vhost: str, actor: str, patterns: Mapping[str, str] | None = None) -> EventProperties:
    """permission.created; permission.deleted and topic.permission.deleted without patterns"""
    return {"user": user, "vhost": vhost, **(patterns or {}), ACTOR: actor}


def of_topic_permission(
    user: str, vhost: str, actor: str, exchange: str, patterns: Mapping[str, str]
) -> EventProperties:
    """topic.permission.created"""
    return {"exchange": exchange, "user": user, "vhost": vhost, **patterns, ACTOR: actor}


def of_alarm(resource: str, node: str) -> EventProperties:
    """alarm.set, alarm.cleared"""
    return {"source": resource, "node": node}
