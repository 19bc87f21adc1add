"""What is recorded of the things in the broker: each as it is, made into a record of `changes`.

Whatever adds, changes or removes a thing records it on the spot, in the same turn; `recovery` is the way back. Nothing
that is recorded here depends on anything transient: a binding counts only if both its ends survive, too.

Source: what RabbitMQ has in tables on disk (`rabbit_durable_exchange`, `rabbit_durable_queue`, `rabbit_durable_route`
and others).
"""

import json
from typing import TYPE_CHECKING, Final

from amqpy.core.durability.records import BindingRecord, ExchangeRecord, ParameterRecord, QueueRecord, VhostRecord
from amqpy.wire.values import encode_table

if TYPE_CHECKING:
    from amqpy.core.exchanges import Binding, Exchange
    from amqpy.core.queues.queue import Queue
    from amqpy.core.vhost import Vhost

POLICY: Final = "policy"
OPERATOR_POLICY: Final = "operator_policy"
GLOBAL: Final = "global"
"""The component of global parameters."""


def as_json(value: object) -> str:
    """Texts that are no Unicode come back as they were: everything but ASCII is escaped."""
    return json.dumps(value, separators=(",", ":"))


def is_predeclared(exchange: "Exchange") -> bool:
    """Whether each virtual host has it from the start. Nobody can declare, or delete, such names."""
    return not exchange.name or exchange.name.startswith("amq.")


def is_recorded(exchange: "Exchange") -> bool:
    return exchange.durable and not is_predeclared(exchange)


def of_vhost(vhost: "Vhost") -> VhostRecord:
    metadata = vhost.metadata
    return VhostRecord(
        vhost.name,
        metadata.description,
        as_json(metadata.tags),
        metadata.default_queue_type,
        metadata.protected_from_deletion,
    )


def of_parameter(vhost: str, component: str, name: str, value: object = None) -> ParameterRecord:
    return ParameterRecord(vhost, component, name, as_json(value))


def of_exchange(exchange: "Exchange") -> ExchangeRecord:
    return ExchangeRecord(
        exchange.vhost.name,
        exchange.name,
        exchange.type,
        exchange.auto_delete,
        exchange.internal,
        encode_table(exchange.arguments),
    )


def of_queue(queue: "Queue") -> QueueRecord:
    return QueueRecord(queue.vhost.name, queue.name, queue.type, queue.auto_delete, encode_table(queue.arguments))


def of_binding(binding: "Binding") -> BindingRecord:
    return BindingRecord(
        binding.source.vhost.name,
        binding.source.name,
        binding.destination_kind,
        binding.destination.name,
        binding.routing_key,
        encode_table(binding.arguments),
    )
