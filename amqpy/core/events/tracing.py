"""The firehose: a copy of every message that clients publish or get goes to the exchange `amq.rabbitmq.trace`.

While it is off, it costs nothing. While it is on, it is a watcher of the virtual host. The copies themselves are not
traced, nor are the broker's own messages (dead letters, events).

Source: `rabbit_trace`.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from amqpy.core.consumer import Consumer
from amqpy.core.events.internal_publisher import InternalPublisher
from amqpy.core.exchanges import Exchange
from amqpy.core.message import Message, Target
from amqpy.core.ports import Origin
from amqpy.core.queues.reply_to import REPLY_TO
from amqpy.core.watcher import WatchedTarget, Watcher
from amqpy.wire.properties import decode_properties
from amqpy.wire.values import Field, Table, array_field, table_field

if TYPE_CHECKING:
    from amqpy.core.unacked import UnackedDeliveries

TRACE_EXCHANGE = "amq.rabbitmq.trace"
_INTS = 1 << 32


class Tracer(Watcher):
    """The firehose of a virtual host."""

    def __init__(self, vhost: str, exchanges: Mapping[str, Exchange], publisher: InternalPublisher, node: str) -> None:
        self._vhost = vhost
        self._exchanges = exchanges
        self._publisher = publisher
        self._node = node

    def attach(self, consumer: Consumer) -> None:
        """Starts to copy the deliveries to this consumer."""
        consumer.target = _Traced(self, consumer)

    def published(
        self, message: Message, targets: tuple[Target, ...], origin: Origin, *, in_transaction: bool
    ) -> tuple[Target, ...]:
        """Copies a message that a client published to these targets."""
        if message.exchange == "":
            # From the default exchange RabbitMQ shows the names, and looks for their queues later.
            names = {key for key in _keys(message) if not key.startswith(f"{REPLY_TO}.")}
        else:
            names = {target.name for target in targets if target.name}
        self._copy(
            message,
            f"publish.{message.exchange}",
            **_fields_of(origin, self._vhost),
            routed_queues=_texts(sorted(names, key=lambda name: name.encode("utf-8", "surrogateescape"))),
        )
        return targets

    def got(self, queue: str, redelivered: bool, message: Message, unacked: "UnackedDeliveries", tag: int) -> None:
        self.delivered(queue, redelivered, message, unacked.origin)

    def delivered(self, queue: str, redelivered: bool, message: Message, origin: Origin) -> None:
        """Copies a message that was delivered to a client, by a consumer or basic.get."""
        if message.exchange != TRACE_EXCHANGE:
            fields = _fields_of(origin, self._vhost)
            self._copy(message, f"deliver.{queue}", redelivered=Field("signedint", int(redelivered)), **fields)

    def _copy(self, message: Message, routing_key: str, **fields: Field) -> None:
        exchange = self._exchanges.get(TRACE_EXCHANGE)
        if exchange is None or not (exchange.bindings or exchange.alternate):
            return
        headers = {
            "exchange_name": Field("longstr", message.exchange),
            "routing_keys": _texts(_keys(message)),
            "properties": table_field(_properties_of(message)),
            "node": Field("longstr", self._node),
            **fields,
        }
        self._publisher.publish(exchange, routing_key, headers, message.body)


class _Traced(WatchedTarget):
    """A consumer's target while it is traced."""

    def __init__(self, tracer: Tracer, consumer: Consumer) -> None:
        super().__init__(tracer, consumer.target)
        self._tracer = tracer
        self._queue = consumer.queue.name
        self._origin = consumer.unacked.origin

    def deliver(self, tag: int, redelivered: bool, message: Message) -> None:
        self.target.deliver(tag, redelivered, message)
        self._tracer.delivered(self._queue, redelivered, message, self._origin)


def _keys(message: Message) -> tuple[str, ...]:
    return message.routing_key, *message.more_keys


def _texts(values: Iterable[str]) -> Field:
    return array_field(Field("longstr", value) for value in values)


def _fields_of(origin: Origin, vhost: str) -> Table:
    return {
        "vhost": Field("longstr", vhost),
        "connection": Field("longstr", origin.connection),
        "channel": Field("signedint", origin.number),
        "user": Field("longstr", origin.user),
    }


def _properties_of(message: Message) -> Table:
    """The properties as a table. Numbers are cut to 32 bits, as in RabbitMQ, even the timestamp."""
    properties: dict[str, Field] = {}
    for name, value in decode_properties(message.header).items():
        if isinstance(value, dict):
            properties[name] = table_field(value)
        elif isinstance(value, int):
            properties[name] = Field("signedint", (value + _INTS // 2) % _INTS - _INTS // 2)
        else:
            properties[name] = Field("longstr", value)
    return properties
