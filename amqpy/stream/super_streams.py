"""Super streams: a direct exchange with `x-super-stream`, and the streams that are bound to it, its partitions.

Source: `rabbit_stream_manager`.
"""

from typing import Final

from amqpy.core.checks import stripped
from amqpy.core.exchanges import Binding, Exchange
from amqpy.core.message import Message, address_of
from amqpy.core.queues.stream import StreamQueue
from amqpy.errors import AmqpFault
from amqpy.stream.client import names
from amqpy.stream.commands import StreamClient, handles
from amqpy.stream.partitions import ORDER, partitions_of
from amqpy.stream.streams import arguments_of
from amqpy.stream.terms import NAME_BYTES_MAX, Refused, size_of
from amqpy.wire.stream_frames import Code, Key, Properties
from amqpy.wire.values import Field, Table

NO_PROPERTIES: Final = bytes(14)
PARTITIONS_MAX: Final = 1000
"""Partitions of a super stream that is created."""


def exchange_of(client: StreamClient, name: str) -> Exchange:
    """Raises Refused if there is none."""
    exchange = client.place.exchanges.get(name)
    if exchange is None:
        raise Refused(Code.STREAM_DOES_NOT_EXIST)
    return exchange


def check_all(client: StreamClient, name: str, streams: list[str]) -> None:
    """Checks that a super stream with these partitions may be created or deleted. Raises Refused, or Undecided."""
    client.check("configure", name, "exchange")
    for stream in streams:
        client.check("configure", stream)
    client.check("read", name, "exchange")
    for stream in streams:
        client.check("write", stream)


@handles(Key.PARTITIONS)
def partitions(client: StreamClient, correlation: int, name: str) -> None:
    found = [stream.name for stream in partitions_of(exchange_of(client, name))]
    client.answer(Key.PARTITIONS, correlation, fields=names(found))


@handles(Key.ROUTE)
def route(client: StreamClient, correlation: int, routing_key: str, name: str) -> None:
    exchange = exchange_of(client, name)
    found: list[str] = []
    if size_of(routing_key) <= NAME_BYTES_MAX:
        message = Message(address_of(exchange.name, routing_key), NO_PROPERTIES, b"")
        targets = client.place.router.foresee(exchange, message)
        found = [target.name for target in targets if isinstance(target, StreamQueue)]
    client.answer(Key.ROUTE, correlation, fields=names(found))


@handles(Key.CREATE_SUPER_STREAM)
def create_super_stream(
    client: StreamClient, correlation: int, name: str, streams: list[str], keys: list[str], given: Properties
) -> None:
    name, streams = stripped(name), [stripped(each) for each in streams]
    check_all(client, name, streams)
    arguments = arguments_of({"queue-leader-locator": "balanced", **given})
    fits = len(streams) <= PARTITIONS_MAX and len(streams) == len(keys) and len(set(streams)) == len(streams)
    if not fits or not all(0 < size_of(each) <= NAME_BYTES_MAX for each in (name, *streams)):
        raise Refused(Code.PRECONDITION_FAILED)
    if any(each.startswith("amq.") for each in (name, *streams)) or any(size_of(key) > NAME_BYTES_MAX for key in keys):
        raise Refused(Code.PRECONDITION_FAILED)
    vhost = client.place
    if name in vhost.exchanges or any(stream in vhost.queues for stream in streams):
        raise Refused(Code.STREAM_ALREADY_EXISTS)
    _create(client, name, dict(zip(streams, keys, strict=True)), arguments)
    client.answer_when_durable(Key.CREATE_SUPER_STREAM, correlation)


def _create(client: StreamClient, name: str, keys: dict[str, str], arguments: Table) -> None:
    """Creates all, or nothing. Raises Refused."""
    topology, vhost = client.broker.topology, client.place
    try:
        for stream in keys:
            topology.declare_queue(
                client, vhost, stream, durable=True, exclusive=False, auto_delete=False, arguments=arguments
            )
        topology.declare_exchange(
            client,
            vhost,
            name,
            "direct",
            durable=True,
            auto_delete=False,
            internal=False,
            arguments={"x-super-stream": Field("bool", True)},
        )
    except AmqpFault:
        for stream in keys:
            if stream in vhost.queues:
                vhost.remove_queue(vhost.queues[stream], client.user_name)
        raise Refused(Code.PRECONDITION_FAILED) from None
    for order, (stream, key) in enumerate(keys.items()):
        place = {ORDER: Field("long", order)}
        vhost.add_binding(Binding(vhost.exchanges[name], vhost.queues[stream], key, place), client.user_name)


@handles(Key.DELETE_SUPER_STREAM)
def delete_super_stream(client: StreamClient, correlation: int, name: str) -> None:
    vhost = client.place
    known = vhost.exchanges.get(name)
    found = [] if known is None else partitions_of(known)
    check_all(client, name, [stream.name for stream in found])
    exchange = exchange_of(client, name)
    vhost.remove_exchange(exchange, client.user_name)
    for stream in found:
        vhost.remove_queue(stream, client.user_name)
    client.answer_when_durable(Key.DELETE_SUPER_STREAM, correlation)
