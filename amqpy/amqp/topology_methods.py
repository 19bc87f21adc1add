"""Handlers of exchange.*, queue.* and access.request.

Source: AMQP 0-9-1 sections 1.6 and 1.7; `rabbit_channel:expand_shortcuts` for empty queue names.
"""

from typing import TYPE_CHECKING

from amqpy.amqp.channel import ChannelSession, handles
from amqpy.core.queues.reply_to import REPLY_TO
from amqpy.errors import NotFound
from amqpy.wire.methods import Access, Exchange, Queue, table_of

if TYPE_CHECKING:
    from amqpy.core.queues.queue import Queue as CoreQueue


@handles(Access.Request)
def access_request(channel: ChannelSession, method: Access.Request) -> None:
    """Gives very old clients a ticket, which they repeat in every method, where it is ignored."""
    channel.reply(Access.RequestOk, 1)


@handles(Exchange.Declare)
def exchange_declare(channel: ChannelSession, method: Exchange.Declare) -> None:
    if method.passive:
        channel.broker.topology.check_exchange(channel.connection, channel.vhost, method.exchange)
    else:
        channel.broker.topology.declare_exchange(
            channel.connection,
            channel.vhost,
            method.exchange,
            method.exchange_type,
            durable=method.durable,
            auto_delete=method.auto_delete,
            internal=method.internal,
            arguments=table_of(method.arguments),
        )
        if method.durable:
            channel.connection.durable_replies.hold_for_others()
    if not method.nowait:
        channel.reply(Exchange.DeclareOk)


@handles(Exchange.Delete)
def exchange_delete(channel: ChannelSession, method: Exchange.Delete) -> None:
    channel.broker.topology.delete_exchange(
        channel.connection, channel.vhost, method.exchange, if_unused=method.if_unused
    )
    if not method.nowait:
        channel.reply_after_work(Exchange.DeleteOk)


@handles(Exchange.Bind)
def exchange_bind(channel: ChannelSession, method: Exchange.Bind) -> None:
    channel.broker.topology.bind_exchange(
        channel.connection,
        channel.vhost,
        method.destination,
        method.source,
        method.routing_key,
        table_of(method.arguments),
    )
    channel.connection.durable_replies.hold_for_others()
    if not method.nowait:
        channel.reply(Exchange.BindOk)


@handles(Exchange.Unbind)
def exchange_unbind(channel: ChannelSession, method: Exchange.Unbind) -> None:
    channel.broker.topology.unbind_exchange(
        channel.connection,
        channel.vhost,
        method.destination,
        method.source,
        method.routing_key,
        table_of(method.arguments),
    )
    if not method.nowait:
        channel.reply_after_work(Exchange.UnbindOk)


@handles(Queue.Declare)
def queue_declare(channel: ChannelSession, method: Queue.Declare) -> None:
    queue: CoreQueue
    if method.queue.startswith(REPLY_TO):
        channel.broker.check_reply_queue(channel.vhost, method.queue)
        channel.last_queue = method.queue
        if not method.nowait:
            channel.reply(Queue.DeclareOk, method.queue, 0, 1)
        return
    if method.passive:
        queue = channel.broker.topology.check_queue(channel.connection, channel.vhost, method.queue)
    else:
        queue = channel.broker.topology.declare_queue(
            channel.connection,
            channel.vhost,
            method.queue,
            durable=method.durable,
            exclusive=method.exclusive,
            auto_delete=method.auto_delete,
            arguments=table_of(method.arguments),
        )
        if queue.durable:
            channel.connection.durable_replies.hold_for_others()
    channel.last_queue = queue.name
    if not method.nowait:
        channel.reply(Queue.DeclareOk, queue.name, *channel.broker.topology.stat(queue))


@handles(Queue.Delete)
def queue_delete(channel: ChannelSession, method: Queue.Delete) -> None:
    count = channel.broker.topology.delete_queue(
        channel.connection,
        channel.vhost,
        named_queue(channel, method.queue),
        if_unused=method.if_unused,
        if_empty=method.if_empty,
    )
    if not method.nowait:
        channel.reply_after_work(Queue.DeleteOk, count)


@handles(Queue.Purge)
def queue_purge(channel: ChannelSession, method: Queue.Purge) -> None:
    count = channel.broker.topology.purge_queue(channel.connection, channel.vhost, named_queue(channel, method.queue))
    if not method.nowait:
        channel.reply_after_work(Queue.PurgeOk, count)


@handles(Queue.Bind)
def queue_bind(channel: ChannelSession, method: Queue.Bind) -> None:
    queue, routing_key = _binding_names(channel, method)
    channel.broker.topology.bind_queue(
        channel.connection, channel.vhost, queue, method.exchange, routing_key, table_of(method.arguments)
    )
    channel.connection.durable_replies.hold_for_others()
    if not method.nowait:
        channel.reply(Queue.BindOk)


@handles(Queue.Unbind)
def queue_unbind(channel: ChannelSession, method: Queue.Unbind) -> None:
    queue, routing_key = _binding_names(channel, method)
    channel.broker.topology.unbind_queue(
        channel.connection, channel.vhost, queue, method.exchange, routing_key, table_of(method.arguments)
    )
    channel.reply_after_work(Queue.UnbindOk)


def named_queue(channel: ChannelSession, name: str) -> str:
    """The queue that a method names: an empty name is the queue that this channel declared last. Raises NotFound."""
    name = name or channel.last_queue
    if not name:
        raise NotFound("no previously declared queue")
    return name


def _binding_names(channel: ChannelSession, method: Queue.Bind | Queue.Unbind) -> tuple[str, str]:
    """The queue and the routing key of a binding. With neither given, both are the name of the queue declared last."""
    queue = named_queue(channel, method.queue)
    return queue, queue if not method.queue and not method.routing_key else method.routing_key
