"""Checks of permissions, names, existence and limits, with RabbitMQ's error texts.

Source: `rabbit_channel:check_*`, `rabbit_access_control`, `rabbit_amqqueue:with_exclusive_access_or_die`,
`rabbit_vhost_limit`.
"""

from collections.abc import Iterable

from amqpy.core.administration.limits import MAX_CONNECTIONS, MAX_QUEUES, reached
from amqpy.core.exchanges import Exchange
from amqpy.core.exchanges.topic import TopicExchange
from amqpy.core.names import exchange_text, queue_text
from amqpy.core.ports import Actor, BackendError, Client, Kind, TopicVerb, Verb, Verdict
from amqpy.core.principals import Principal
from amqpy.core.queues.queue import Queue
from amqpy.core.vhost import Vhost
from amqpy.errors import AccessRefused, NotAllowed, NotFound, PreconditionFailed, ResourceLocked

DEFAULT_EXCHANGE_RESOURCE = "amq.default"
"""The name of the default exchange in permissions."""


def stripped(name: str) -> str:
    """The name without line ends, which RabbitMQ drops from names that are declared or bound."""
    return name.replace("\n", "").replace("\r", "")


def check_permission(actor: Actor, vhost: Vhost, verb: Verb, kind: Kind, name: str) -> None:
    resource = name or DEFAULT_EXCHANGE_RESOURCE
    verdict = actor.may(verb, kind, resource)
    if not verdict:
        what = f"access to {kind} '{resource}' in vhost '{vhost.name}'"
        raise _refused(actor, vhost, verb, what, verdict)


def check_entry(user: Principal, vhost: Vhost, peer_host: str) -> None:
    """Raises NotAllowed if the user may not connect to the virtual host."""
    verdict = user.may_enter(vhost, peer_host)
    if not verdict:
        raise NotAllowed(f"access to vhost '{vhost.name}' refused for user '{user.name}'{_reason(verdict)}")


def check_passive_permission(actor: Actor, vhost: Vhost, kind: Kind, name: str) -> None:
    """Checks a passive declaration: by profile it needs any one permission on the resource, or none."""
    resource = name or DEFAULT_EXCHANGE_RESOURCE
    if vhost.profile.passive_needs_permission and not (
        actor.may("read", kind, resource) or actor.may("write", kind, resource)
    ):
        check_permission(actor, vhost, "configure", kind, name)


def check_topic_permission(actor: Actor, vhost: Vhost, verb: TopicVerb, exchange: Exchange, routing_key: str) -> None:
    """Checks the routing key of a publish (write) or a binding (read), beyond the permission on the exchange."""
    if exchange.type != TopicExchange.type:
        return
    verdict = actor.may_use_topic(verb, exchange.name, routing_key)
    if not verdict:
        what = f"access to topic '{routing_key}' in {exchange_text(vhost, exchange.name)}"
        raise _refused(actor, vhost, verb, what, verdict)


def _refused(actor: Actor, vhost: Vhost, verb: Verb, what: str, verdict: Verdict) -> AccessRefused:
    named = f"{verb} " if vhost.profile.names_permission else ""
    return AccessRefused(f"{named}{what} refused for user '{actor.user_name}'{_reason(verdict)}")


def _reason(verdict: Verdict) -> str:
    return str(verdict) if isinstance(verdict, BackendError) else ""


def check_not_default(exchange: str) -> None:
    if exchange == "":
        raise AccessRefused("operation not permitted on the default exchange")


def check_not_reserved(kind: str, name: str) -> None:
    if name.startswith("amq."):
        raise AccessRefused(f"{kind} name '{name}' contains reserved prefix 'amq.*'")


def locked(vhost: Vhost, name: str) -> ResourceLocked:
    return ResourceLocked(
        f"cannot obtain exclusive access to locked {queue_text(vhost, name)}. It could be originally declared on "
        "another connection or the exclusive property value does not match that of the original declaration."
    )


def find_exchange(vhost: Vhost, name: str) -> Exchange:
    """Finds an exchange. Raises NotFound."""
    exchange = vhost.exchanges.get(name)
    if exchange is None:
        raise NotFound(f"no {exchange_text(vhost, name)}")
    return exchange


def find_open_exchange(vhost: Vhost, name: str) -> Exchange:
    """Finds an exchange that clients may publish to. Raises NotFound, and AccessRefused for an internal one."""
    exchange = find_exchange(vhost, name)
    if exchange.internal:
        raise AccessRefused(f"cannot publish to internal {exchange_text(vhost, name)}")
    return exchange


def find_queue(vhost: Vhost, name: str) -> Queue:
    """Finds a queue. Raises NotFound."""
    queue = vhost.queues.get(name)
    if queue is None:
        raise NotFound(f"no {queue_text(vhost, name)}")
    return queue


def open_queue(client: Client, vhost: Vhost, name: str) -> Queue:
    """Finds a queue that is not exclusive to another connection. Raises NotFound or ResourceLocked."""
    queue = find_queue(vhost, name)
    if queue.owner is not None and queue.owner is not client:
        raise locked(vhost, name)
    return queue


def check_queue_limit(vhost: Vhost, name: str) -> None:
    """Raises PreconditionFailed if the virtual host has as many queues as allowed."""
    limits = vhost.limits
    if reached(limits, MAX_QUEUES, len(vhost.queues)):
        raise PreconditionFailed(
            f"cannot declare queue '{name}': queue limit in vhost '{vhost.name}' ({limits[MAX_QUEUES]}) is reached"
        )


def check_node_connection_limit(vhosts: Iterable[Vhost], limit: int | None) -> None:
    """Raises NotAllowed if as many connections are open as allowed.

    RabbitMQ counts those that have not logged in, too; here nobody who cannot log in takes the place of another.
    """
    if limit is not None and sum(len(vhost.clients) for vhost in vhosts) >= limit:
        raise NotAllowed(f"connection refused: node connection limit ({limit}) is reached")


def check_node_channel_limit(vhosts: Iterable[Vhost], limit: int | None, node: str) -> None:
    """Raises NotAllowed if all connections together have as many channels as allowed."""
    # Counted only if there is a limit, so that no counter has to be maintained.
    if limit is not None and sum(client.channel_count for vhost in vhosts for client in vhost.clients) >= limit:
        raise NotAllowed(
            f"number of channels opened on node '{node}' has reached the maximum allowed limit of ({limit})"
        )


def check_connection_limit(vhost: Vhost, user_name: str) -> None:
    """Raises NotAllowed if the virtual host has as many connections as allowed."""
    limits = vhost.limits
    if reached(limits, MAX_CONNECTIONS, len(vhost.clients)):
        raise NotAllowed(
            f"access to vhost '{vhost.name}' refused for user '{user_name}': "
            f"connection limit ({limits[MAX_CONNECTIONS]}) is reached"
        )
