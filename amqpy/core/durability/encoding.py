"""Objects of the broker as records (`records`); `recovery` is the way back.

Code that adds, changes or removes a durable object records it on the spot, in the same turn. No record depends on
anything transient: a binding is recorded only if both its ends are durable.

Source: RabbitMQ's tables on disk (`rabbit_durable_exchange`, `rabbit_durable_queue`, `rabbit_durable_route` and
others).
"""

import json
from typing import Final

from amqpy.core.durability.records import BindingRecord, ExchangeRecord, ParameterRecord, QueueRecord, VhostRecord
from amqpy.core.exchanges import Binding, Exchange
from amqpy.core.queues.queue import Queue
from amqpy.core.vhost_metadata import Metadata
from amqpy.wire.values import encode_table

POLICY: Final = "policy"
OPERATOR_POLICY: Final = "operator_policy"
GLOBAL: Final = "global"
"""The component of global parameters."""


def as_json(value: object) -> str:
    """Encodes a value as JSON in ASCII, so that strings which are no valid Unicode survive."""
    return json.dumps(value, separators=(",", ":"))


def is_predeclared(exchange: Exchange) -> bool:
    """True if each virtual host has the exchange from the start. Clients cannot declare or delete such names."""
    return not exchange.name or exchange.name.startswith("amq.")


def is_recorded(exchange: Exchange) -> bool:
    return exchange.durable and not is_predeclared(exchange)


def of_vhost(name: str, metadata: Metadata) -> VhostRecord:
    return VhostRecord(
        name,
        metadata.description,
        as_json(metadata.tags),
        metadata.default_queue_type,
        metadata.protected_from_deletion,
    )


def of_parameter(vhost: str, component: str, name: str, value: object = None) -> ParameterRecord:
    return ParameterRecord(vhost, component, name, as_json(value))


def of_exchange(exchange: Exchange) -> ExchangeRecord:
    return ExchangeRecord(
        exchange.vhost.name,
        exchange.name,
        exchange.type,
        exchange.auto_delete,
        exchange.internal,
        encode_table(exchange.arguments),
    )


def of_queue(queue: Queue) -> QueueRecord:
    return QueueRecord(queue.vhost.name, queue.name, queue.type, queue.auto_delete, encode_table(queue.arguments))


def of_binding(binding: Binding) -> BindingRecord:
    return BindingRecord(
        binding.source.vhost.name,
        binding.source.name,
        binding.destination_kind,
        binding.destination.name,
        binding.routing_key,
        encode_table(binding.arguments),
    )
