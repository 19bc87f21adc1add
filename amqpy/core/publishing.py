"""Publishing: how a message gets into the queues, whoever publishes it.

`publish` is the operation: a front end gives it an actor, a message and the mandatory flag. It has two halves, for
those who publish more than once: `find_route` checks what refuses such messages, and what it finds may be remembered
(`Router.remember`); `Route.deliver` gives one of them to its queues. What the broker itself publishes (dead letters,
delayed messages, events) needs no permission and is not returned: `Vhost.publish`.

Source: `rabbit_channel:handle_method` of basic.publish, `rabbit_basic:publish`.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from amqpy.core.checks import check_permission, check_topic_permission, find_open_exchange
from amqpy.core.exchanges import Exchange
from amqpy.core.message import Message, Target, deliver
from amqpy.core.ports import NOBODY, Actor, Origin
from amqpy.core.routing import Route
from amqpy.core.vhost import Vhost

TARGETS_MAX = 100
"""Queues that a message may go to without being counted as more than the other messages of its turn."""


class PublishResult(NamedTuple):
    """The fate of one published message."""

    targets: tuple[Target, ...]
    """The queues it was routed to."""
    refused_by: Sequence[Target]
    """Those that did not take it: they are full (`x-overflow: reject-publish`)."""
    is_returned: bool
    """True if it is mandatory and was not routed."""


def publish(
    actor: Actor,
    vhost: Vhost,
    exchange: str,
    routing_key: str,
    message: Message,
    *,
    mandatory: bool = False,
    origin: Origin = NOBODY,
) -> PublishResult:
    """Publishes a message, whose `address` is made of the same exchange and routing key (`address_of`).

    Raises AccessRefused without the permission to write and for an internal exchange, NotFound without the exchange.
    """
    route = find_route(actor, vhost, exchange, routing_key, mandatory=mandatory)
    check_copies(actor, vhost, route, message.more_keys)
    targets = targets_of(vhost, route, message, origin)
    count_published(vhost, route.exchange, targets, origin, mandatory=mandatory)
    refused_by = deliver(targets, message)
    if refused_by:
        tell_refused(vhost, message, refused_by, origin)
    return PublishResult(targets, refused_by, mandatory and vhost.router.is_unroutable(targets))


def find_route(actor: Actor, vhost: Vhost, exchange_name: str, routing_key: str, *, mandatory: bool) -> Route:
    """The way of a publish. Raises what refuses it, in RabbitMQ's order: AccessRefused or NotFound."""
    check_permission(actor, vhost, "write", "exchange", exchange_name)
    exchange = find_open_exchange(vhost, exchange_name)
    check_topic_permission(actor, vhost, "write", exchange, routing_key)
    route = Route(exchange, routing_key, mandatory=mandatory)
    if not vhost.watchers:
        targets = vhost.router.targets_of_all(exchange, routing_key)
        # Where it goes to very many, each message is looked at: what it costs is to be counted.
        if targets is not None and len(targets) <= TARGETS_MAX:
            route.lead_to(targets, is_unroutable=vhost.router.is_unroutable(targets))
    return route


def check_copies(actor: Actor, vhost: Vhost, route: Route, more_keys: Iterable[str]) -> None:
    """Checks the routing keys in CC and BCC, by profile. Raises AccessRefused."""
    if vhost.profile.judges_copies:
        for routing_key in more_keys:
            check_topic_permission(actor, vhost, "write", route.exchange, routing_key)


def targets_of(
    vhost: Vhost, route: Route, message: Message, origin: Origin, *, in_transaction: bool = False
) -> tuple[Target, ...]:
    """The targets of one message of a route, as the watchers leave them. To be called once a message."""
    if route.targets is not None and not message.more_keys:
        return route.targets
    targets = vhost.router.targets_of(route.exchange, message)
    if len(targets) > TARGETS_MAX:
        vhost.scheduler.jobs.spend(len(targets))
    for watcher in vhost.watchers:
        targets = watcher.published(message, targets, origin, in_transaction=in_transaction)
    return targets


def count_published(
    vhost: Vhost, exchange: Exchange, targets: Sequence[Target], origin: Origin, *, mandatory: bool
) -> None:
    """Counts a message of a client that goes to these targets, where it is no message of a remembered route."""
    exchange.count_published(targets, mandatory=mandatory)
    for watcher in vhost.watchers:
        watcher.counted(exchange.name, targets, origin)


def tell_refused(vhost: Vhost, message: Message, by: Sequence[Target], origin: Origin) -> None:
    """Tells the watchers that targets did not take a message."""
    for watcher in vhost.watchers:
        watcher.refused(message, by, origin)
