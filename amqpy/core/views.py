"""Views: what there is, and what was counted, as plain dicts in the form of the management API's JSON.

For the API, the command line, metrics. Channels and connections have theirs in `amqp.views`. Numbers are those of now,
not samples, and there are no rates; what only Erlang has (reductions, garbage collection) is left out.

Each view costs what it shows: a queue its consumers, a virtual host its queues and channels. The sizes of messages cost
more, for they are added up anew: `sizes_of` walks over all deliveries that are unacknowledged, and a queue's over so
many of its messages in memory. So they are only shown if they are given.

Source: `rabbit_mgmt_format`, `rabbit_mgmt_db`, `rabbit_mgmt_wm_overview`.
"""

import base64
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2s
from math import isfinite
from typing import Any, Final, TypeAlias
from urllib.parse import quote_plus

from amqpy.core.arguments import CLASSIC, STREAM
from amqpy.core.broker import Broker
from amqpy.core.consumer import Consumer, Delivery, DeliveryQueue
from amqpy.core.exchanges import Binding, Exchange
from amqpy.core.ports import Origin
from amqpy.core.queues.fifo_queue import FifoQueue
from amqpy.core.queues.queue import SIZED_MAX, Queue
from amqpy.core.statistics import Counts, Sizes
from amqpy.core.vhost import Vhost
from amqpy.wire.properties import decode_properties
from amqpy.wire.values import Field, Table, as_erlang, decode_array, decode_table, fields_of

View: TypeAlias = dict[str, object]

OF_PUBLISHES: Final = ("publish", "confirm", "drop_unroutable", "return_unroutable")
"""Message statistics that are there once anything was published; the others once anything was asked for."""

CHURN: Final = (
    "connection_created",
    "connection_closed",
    "channel_created",
    "channel_closed",
    "queue_created",
    "queue_deleted",
)
"""Events that the overview counts; and `queue_declared`, which is none."""

DEPTH_MAX: Final = 32
"""Tables and arrays inside each other up to which arguments are shown as JSON."""


# --- objects


def queue(
    queue: Queue, unacked_sizes: Mapping[DeliveryQueue, Sizes] | None = None, *, count_max: int = SIZED_MAX
) -> View:
    """A queue; with the sizes of unacknowledged deliveries (`sizes_of`) also those of its messages, of which at most
    `count_max` are looked at."""
    policy = queue.policy
    active = queue.active_consumer
    view: View = {
        "name": queue.name,
        "vhost": queue.vhost.name,
        "type": queue.type,
        "durable": queue.durable,
        "auto_delete": queue.auto_delete,
        "exclusive": queue.owner is not None,
        "arguments": json_of(queue.arguments),
        "policy": policy.policy,
        "operator_policy": policy.operator_policy,
        "effective_policy_definition": dict(policy.definition),
        "state": "running",
        "consumers": queue.consumer_count,
        "exclusive_consumer_tag": next((each.tag for each in queue.consumers if each.exclusive), None),
        "single_active_consumer_tag": None if active is None else active.tag,
        "head_message_timestamp": _head_timestamp(queue),
        **_lengths(queue.ready_count, queue.unacked_count),
        "messages_ram": queue.in_memory_count + queue.unacked_count,
        "messages_dropped": queue.counts.dropped,
        **message_stats(queue.message_stats()),
    }
    if unacked_sizes is None:
        return view
    return view | _sizes(queue.ready_sizes(count_max), unacked_sizes.get(queue, Sizes()))


def _sizes(ready: Sizes, unacked: Sizes) -> View:
    both = ready.plus(unacked)
    return {
        "message_bytes": both.bytes,
        "message_bytes_ready": ready.bytes,
        "message_bytes_unacknowledged": unacked.bytes,
        "message_bytes_ram": both.ram_bytes,
        "message_bytes_persistent": both.persistent_bytes,
        "messages_persistent": both.persistent,
    }


def sizes_of(deliveries: Iterable[Delivery]) -> dict[DeliveryQueue, Sizes]:
    """The sizes of deliveries, by queue. All of them are in memory."""
    found: dict[DeliveryQueue, Sizes] = {}
    for queue, _, message, _ in deliveries:
        size, kept = len(message.body), queue.is_persistent(message)
        found[queue] = found.get(queue, Sizes()).plus(Sizes(size, size, int(kept), size if kept else 0))
    return found


def unacked_sizes(vhost: Vhost) -> dict[DeliveryQueue, Sizes]:
    """The sizes of all deliveries of a virtual host that are unacknowledged."""
    return sizes_of(delivery for channel in vhost.channels for delivery in channel.deliveries())


def exchange(exchange: Exchange) -> View:
    exchange.vhost.settle_counts(exchange)
    stats = {"publish_in": exchange.published_in}
    if exchange.published_out:
        stats["publish_out"] = exchange.published_out
    policy = {} if exchange.policy.policy is None else {"policy": exchange.policy.policy}
    return {
        "name": exchange.name,
        "vhost": exchange.vhost.name,
        "type": exchange.type,
        "durable": exchange.durable,
        "auto_delete": exchange.auto_delete,
        "internal": exchange.internal,
        "arguments": json_of(exchange.arguments),
        **policy,
        **({"message_stats": stats} if exchange.published_in else {}),
    }


def binding(binding: Binding) -> View:
    destination = binding.destination
    return {
        "source": binding.source.name,
        "vhost": binding.source.vhost.name,
        "destination": destination.name,
        "destination_type": binding.destination_kind,
        "routing_key": binding.routing_key,
        "arguments": json_of(binding.arguments),
        "properties_key": properties_key(binding.routing_key, binding.identity[2]),
    }


def default_binding(vhost: str, queue: str) -> View:
    """The binding that every queue has to the default exchange."""
    return {
        "source": "",
        "vhost": vhost,
        "destination": queue,
        "destination_type": "queue",
        "routing_key": queue,
        "arguments": {},
        "properties_key": properties_key(queue, b""),
    }


def properties_key(routing_key: str, raw_arguments: bytes) -> str:
    """The part of an address that tells a binding from others between the same two: RabbitMQ adds a hash of Erlang's
    for the arguments, here it is another."""
    quoted = quote_plus(routing_key, errors="surrogateescape").replace("~", "%7E")
    if not raw_arguments:
        return quoted or "~"
    digest = blake2s(raw_arguments, digest_size=4).digest()
    return f"{quoted}~{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"


def consumer(consumer: Consumer) -> View:
    queue = consumer.queue
    is_single = queue.settings.single_active
    is_active = not is_single or queue.active_consumer is consumer
    return {
        "queue": {"name": queue.name, "vhost": queue.vhost.name},
        "consumer_tag": consumer.tag,
        "channel_details": channel_details(consumer.unacked.origin),
        "ack_required": not consumer.no_ack,
        "exclusive": consumer.exclusive,
        "prefetch_count": consumer.prefetch,
        "arguments": json_of(consumer.arguments),
        "active": is_active and queue.type != STREAM,
        "activity_status": ("single_active" if is_single else "up") if is_active else "waiting",
    }


def channel_details(origin: Origin) -> View:
    return {
        "name": f"{origin.connection} ({origin.number})",
        "number": origin.number,
        "user": origin.user,
        "connection_name": origin.connection,
        **_peer_of(origin.connection),
    }


def _peer_of(connection_name: str) -> View:
    host, _, port = connection_name.partition(" -> ")[0].rpartition(":")
    return {"peer_host": host, "peer_port": int(port) if port.isdigit() else 0}


# --- totals


CONSTANTS: Final = {"null": None, "true": True, "false": False}
"""Tags that are constants of JSON, because RabbitMQ keeps tags as atoms."""


def vhost_facts(vhost: Vhost, node: str) -> View:
    """A virtual host without anything that is in it, or was counted."""
    metadata, profile = vhost.metadata, vhost.profile
    shown: View = {"description": metadata.description, "tags": [CONSTANTS.get(tag, tag) for tag in metadata.tags]}
    queue_type = metadata.default_queue_type or (CLASSIC if profile.always_names_type else None)
    protection: View = {}
    if "protected_from_deletion" in profile.more_event_properties:
        protection = {"protected_from_deletion": metadata.protected_from_deletion}
    return {
        "name": vhost.name,
        **shown,
        "default_queue_type": "undefined" if queue_type is None else queue_type,
        "metadata": shown if queue_type is None else {**shown, "default_queue_type": queue_type},
        **protection,
        "tracing": vhost.tracing,
        "cluster_state": {node: "running"},
    }


def vhost(vhost: Vhost, node: str, queues: "QueueTotals") -> View:
    """A virtual host, of which there are the sums of all queues."""
    traffic = vhost.traffic.sum()
    return {
        **vhost_facts(vhost, node),
        **_lengths(queues.ready, queues.unacked),
        "recv_oct": traffic.get("recv_oct", 0),
        "send_oct": traffic.get("send_oct", 0),
        **message_stats(vhost.channel_totals.sum()),
    }


def overview(broker: Broker) -> View:
    """The totals of a broker. What a virtual host, a queue or a channel counted stays in the message statistics when it
    is gone."""
    vhosts = list(broker.vhosts.values())
    queues = QueueTotals()
    for vhost in vhosts:
        queues.add(vhost.queues.values())
    return {
        "node": broker.node,
        "message_stats": broker.vhosts.statistics.channels.sum(),
        **totals(vhosts, queues),
        "churn_rates": churn(broker),
    }


class QueueTotals:
    """The sums of queues, which may be so many that they are added bit by bit."""

    def __init__(self) -> None:
        self.count = self.consumers = self.ready = self.unacked = 0

    def add(self, queues: Iterable[Queue]) -> None:
        for queue in queues:
            self.count += 1
            self.consumers += len(queue.consumers)
            self.ready += queue.ready_count
            self.unacked += queue.unacked_count


def totals(vhosts: Sequence[Vhost], queues: QueueTotals) -> View:
    """The numbers of messages and of objects in these virtual hosts, of which there are the sums of all queues."""
    clients = [client for vhost in vhosts for client in vhost.clients]
    return {
        "queue_totals": _lengths(queues.ready, queues.unacked),
        "object_totals": {
            "connections": len(clients),
            "channels": sum(client.channel_count for client in clients),
            "consumers": queues.consumers,
            "exchanges": sum(len(vhost.exchanges) for vhost in vhosts),
            "queues": queues.count,
        },
    }


def churn(broker: Broker) -> View:
    """The connections, channels and queues that came and went since the broker started."""
    events = broker.events.counts
    return {
        **{name: events.get(name.replace("_", "."), 0) for name in CHURN},
        "queue_declared": broker.vhosts.statistics.declared,
    }


def queue_types(broker: Broker) -> dict[str, Counts]:
    """The counters of all queues that there ever were, by type: for metrics. `Queue.lasting_stats` has the names."""
    found: dict[str, Counts] = {}
    for (kind, name), count in broker.vhosts.statistics.queues.sum().items():
        found.setdefault(kind, {})[name] = count
    return found


def _lengths(ready: int, unacked: int) -> View:
    return {"messages": ready + unacked, "messages_ready": ready, "messages_unacknowledged": unacked}


def message_stats(stats: Counts) -> View:
    """The message statistics, if there are any, in the groups in which RabbitMQ shows them."""
    groups = (
        {name: stats[name] for name in OF_PUBLISHES if name in stats},
        {name: count for name, count in stats.items() if name not in OF_PUBLISHES},
    )
    shown = {name: count for group in groups if any(group.values()) for name, count in group.items()}
    return {"message_stats": shown} if shown else {}


# --- values


def _head_timestamp(queue: Queue) -> int | None:
    first = queue.ready.first() if isinstance(queue, FifoQueue) else None
    timestamp: int | None = None if first is None else decode_properties(first.header).get("timestamp")
    return timestamp


def json_of(table: Table, depth: int = 0) -> View:
    """A table of AMQP as JSON has it."""
    return {name: _json_of_field(field, depth) for name, field in fields_of(table)}


def _json_of_field(field: Field, depth: int) -> Any:  # noqa: ANN401 (any JSON)
    kind, value = field
    if kind in {"table", "array"} and depth >= DEPTH_MAX:
        return as_erlang(field)
    match kind:
        case "table":
            return json_of(decode_table(value), depth + 1)
        case "array":
            return [_json_of_field(each, depth + 1) for each in decode_array(value)]
        case "void":
            return "undefined"
        case "decimal":
            return value[1] / 10 ** value[0]
        case "float" | "double" if not isfinite(value):
            return as_erlang(field)
        case "longstr" | "binary":
            return _json_of_text(value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value)
    return value


def _json_of_text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return f"Not UTF-8, base64 is: {base64.b64encode(raw).decode()}"
