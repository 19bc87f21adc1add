"""Views of everything that an administrator sets, as plain dicts in the form of the management API's JSON, and of
definitions.

Source: `rabbit_mgmt_format:internal_user`, `rabbit_auth_backend_internal:list_*`, `rabbit_policy:list`,
`rabbit_runtime_parameters:list`.
"""

import base64
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple, TypeAlias

from amqpy.core.administration.administration import Parameter
from amqpy.core.administration.policies import Policies, Policy
from amqpy.core.broker import Broker
from amqpy.core.events.events import INTERNAL_USER
from amqpy.core.permissions import Permission, TopicPermission
from amqpy.core.users import User
from amqpy.core.vhost import Vhost

View: TypeAlias = dict[str, object]

CLUSTER_ID: Final = "internal_cluster_id"
"""The parameter that a broker tells itself from others with."""
CLUSTER_TAGS: Final = "cluster_tags"


def user(user: User) -> View:
    return {
        "name": user.name,
        "password_hash": base64.b64encode(user.password.hash).decode(),
        "hashing_algorithm": user.password.algorithm_name,
        "tags": list(user.tags),
        "limits": dict(user.limits),
    }


# --- permissions


class Granted(NamedTuple):
    """A permission, and whose it is."""

    vhost: str
    user: str
    permission: Permission


class GrantedTopics(NamedTuple):
    """A topic permission, and whose it is."""

    vhost: str
    user: str
    exchange: str
    permission: TopicPermission


def granted(vhosts: Iterable[Vhost], user: str | None = None) -> Iterator[Granted]:
    """The permissions in virtual hosts, of one user or all, in the order of their names."""
    for vhost in vhosts:
        names = sorted(vhost.permissions) if user is None else [user] if user in vhost.permissions else []
        for name in names:
            yield Granted(vhost.name, name, vhost.permissions[name])


def granted_topics(vhosts: Iterable[Vhost], user: str | None = None) -> Iterator[GrantedTopics]:
    """The topic permissions in virtual hosts, of one user or all, in the order of their names."""
    for vhost in vhosts:
        names = sorted(vhost.topic_permissions) if user is None else [user]
        for name in names:
            for exchange, permission in vhost.topic_permissions.get(name, {}).items():
                yield GrantedTopics(vhost.name, name, exchange, permission)


def permission(granted: Granted) -> View:
    return {"user": granted.user, "vhost": granted.vhost, **granted.permission.patterns}


def topic_permission(granted: GrantedTopics) -> View:
    return {
        "user": granted.user,
        "vhost": granted.vhost,
        "exchange": granted.exchange,
        **granted.permission.patterns,
    }


# --- policies and parameters


def ranked(policies: Iterable[tuple[str, Policies]]) -> list[tuple[str, Policy]]:
    """The policies of virtual hosts, each with the name of its own: those of low priority first."""
    found = [(vhost, policy) for vhost, of_vhost in policies for policy in of_vhost]
    return sorted(found, key=lambda each: (each[1].priority, each[0], each[1].name))


def policy(vhost: str, policy: Policy) -> View:
    return {
        "vhost": vhost,
        "name": policy.name,
        "pattern": policy.pattern,
        "apply-to": policy.apply_to,
        "definition": policy.definition,
        "priority": policy.priority,
    }


def parameter(parameter: Parameter) -> View:
    if parameter.vhost is None:
        return {"value": value_of(parameter.value), "name": parameter.name}
    return {
        "value": value_of(parameter.value),
        "vhost": parameter.vhost,
        "component": parameter.component,
        "name": parameter.name,
    }


def global_parameters(broker: Broker) -> list[Parameter]:
    """Those that were set, in the order of their names, and those that every broker has: they are made when somebody
    looks for them."""
    known = {each.name for each in broker.administration.global_parameters()}
    with broker.events.on_behalf_of(INTERNAL_USER):
        if CLUSTER_ID not in known:
            broker.administration.set_global_parameter(CLUSTER_ID, f"rabbitmq-cluster-id-{broker.new_name()}")
        if CLUSTER_TAGS in broker.profile.management - known:
            broker.administration.set_global_parameter(CLUSTER_TAGS, {})
    return sorted(broker.administration.global_parameters(), key=lambda each: each.name)


def value_of(value: Any) -> Any:  # noqa: ANN401 (any JSON)
    """A parameter's value. RabbitMQ keeps an object as a list of pairs, and so shows an empty one as a list."""
    return [] if value == {} else value
