"""Queues as the management API shows them: what the core tells of a queue, and what only Erlang has.

Clients and RabbitMQ's pages read some of the latter, so it is there with constants.

The bytes of messages are added up anew. They may be many, so at most so many are looked at, which stand for the others.

Source: `rabbit_mgmt_db:list_queue_stats`; `rabbit_mgmt_format`: `queue`, `format_queue_stats`,
`format_queue_basic_stats`; `rabbit_amqqueue_process`, `rabbit_quorum_queue`: `STATISTICS_KEYS`; `rabbit_backing_queue`:
`INFO_KEYS`.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import chain, islice
from math import isfinite
from typing import Any, Final, TypeAlias

from amqpy.amqp.client import AmqpClient
from amqpy.core import views
from amqpy.core.arguments import QUORUM, STREAM
from amqpy.core.consumer import DeliveryQueue
from amqpy.core.queues.fifo_queue import FifoQueue
from amqpy.core.queues.priority_fifo import PriorityFifo
from amqpy.core.queues.queue import SIZED_MAX, Queue
from amqpy.core.queues.quorum import DEFAULT_PRIORITY, RETURNED_LEVEL, QuorumQueue
from amqpy.core.queues.stream import StreamQueue
from amqpy.core.statistics import Sizes
from amqpy.core.vhost import Vhost
from amqpy.profile import PROFILES

View: TypeAlias = dict[str, Any]

BASIC: Final = ("arguments", "auto_delete", "durable", "exclusive", "name", "type", "vhost")
POLICIES: Final = ("policy", "operator_policy", "effective_policy_definition")
LENGTHS: Final = ("messages", "messages_ready", "messages_unacknowledged")
SIZES: Final = frozenset(
    {
        "memory",
        "message_bytes",
        "message_bytes_paged_out",
        "message_bytes_persistent",
        "message_bytes_ram",
        "message_bytes_ready",
        "message_bytes_unacknowledged",
        "messages_persistent",
    }
)
"""The keys for which messages must be looked at."""

BY_VERSION: Final = frozenset(key for profile in PROFILES.values() for key in profile.queue_view_keys)
"""The keys that the profile decides about."""

NOT_IN_QUORUM: Final = ("exclusive_consumer_tag", "head_message_timestamp")
IN_STREAM: Final = (
    *(*BASIC, *POLICIES, *LENGTHS, "message_stats", "state", "consumers", "node", "memory", "reductions"),
    *("members", "online", "leader", "readers", "segments", "garbage_collection"),
)
"""The keys of streams."""
NOT_IN_ROWS: Final = ("garbage_collection", "idle_since")
"""The keys that reduced rows are without."""

GARBAGE_COLLECTION: Final = {
    "fullsweep_after": 65535,
    "max_heap_size": 0,
    "min_bin_vheap_size": 46422,
    "min_heap_size": 233,
    "minor_gcs": 0,
}
RATES: Final = ("avg_ingress_rate", "avg_egress_rate", "avg_ack_ingress_rate", "avg_ack_egress_rate")
MEMORY: Final = 14_000
"""Bytes of memory of an empty queue."""
MEMORY_OF_MESSAGE: Final = 500
"""Bytes of memory of a message in a queue, beside its body."""


SIZED_IN_ROWS_MAX: Final = 500
"""Messages that are looked at for the sizes of those of one queue, where many queues are shown."""


# --- sizes


def unacked_sizes(vhost: Vhost) -> dict[DeliveryQueue, Sizes]:
    """The sizes of the unacknowledged deliveries of a virtual host, by queue: `SIZED_MAX` of them stand for all."""
    deliveries = chain.from_iterable(channel.deliveries() for channel in vhost.channels)
    some = list(islice(deliveries, SIZED_MAX))
    sizes = views.sizes_of(some)
    if len(some) < SIZED_MAX:
        return sizes
    counts: dict[DeliveryQueue, int] = {}
    for queue, *_ in some:
        counts[queue] = counts.get(queue, 0) + 1
    return {
        queue: size.of_all(counts[queue], queue.unacked_count) if isinstance(queue, Queue) else size
        for queue, size in sizes.items()
    }


# --- views


def basic(queue: Queue, node: str, *, has_totals: bool = False) -> View:
    """A queue without statistics, but perhaps with its lengths."""
    shown = views.queue(queue)
    view: View = {key: shown[key] for key in (*BASIC, *(LENGTHS if has_totals else ()))}
    view |= {"state": "running", "node": node, **_cluster(queue, node)}
    if has_totals and "internal" not in queue.vhost.profile.queue_view_keys:
        # RabbitMQ asks for more than it knows.
        if queue.type == QUORUM:
            view["exclusive"] = None
        elif queue.vhost.profile.reduced_queue_rows:
            view["online"] = None
    if "internal" in queue.vhost.profile.queue_view_keys:
        view |= {"internal": False, "internal_owner": False, **{key: shown[key] for key in POLICIES}}
        return {**view, "delivery_limit": _limit(queue)} if isinstance(queue, QuorumQueue) else view
    if not queue.vhost.profile.reduced_queue_rows:
        # Older versions show what they store, not what they know of it.
        view["state"] = "running" if has_totals else "live"
        if queue.type == QUORUM:
            del view["node"]
    return view if shown["policy"] is None else {**view, "policy": shown["policy"]}


def full(
    queue: Queue,
    node: str,
    unacked: Mapping[DeliveryQueue, Sizes],
    idle_since_ms: int | None,
    *,
    count_max: int = SIZED_MAX,
) -> View:
    """A queue with everything; `unacked` are the sizes of its virtual host's unacknowledged deliveries. At most
    `count_max` of its messages are looked at for their sizes."""
    shown: View = {
        **views.queue(queue, unacked, count_max=count_max),
        "node": node,
        **_capacity(queue),
        "garbage_collection": GARBAGE_COLLECTION,
        "reductions": 0,
        "internal": False,
        "internal_owner": False,
        **_cluster(queue, node),
    }
    del shown["messages_dropped"]
    in_memory = queue.in_memory_count + queue.unacked_count
    shown["memory"] = MEMORY + shown["message_bytes_ram"] + MEMORY_OF_MESSAGE * in_memory
    if isinstance(queue, StreamQueue):
        return _of_stream(queue, shown, node)
    shown |= _of_quorum(queue, shown, node) if isinstance(queue, QuorumQueue) else _of_classic(queue, shown)
    if idle_since_ms is not None and queue.type != QUORUM:
        shown["idle_since"] = datetime.fromtimestamp(idle_since_ms / 1000, UTC).isoformat(timespec="milliseconds")
    missing = BY_VERSION.difference(queue.vhost.profile.queue_view_keys)
    if queue.type == QUORUM:
        missing = missing.union(NOT_IN_QUORUM)
        if "single_active_consumer_ctag" not in missing:
            missing = missing.union({"single_active_consumer_tag"})
    return {key: value for key, value in shown.items() if key not in missing}


def reduced(view: View) -> View:
    """The row of a list that newer versions show: without what has no value, and what costs them much."""
    return {key: value for key, value in view.items() if value is not None and key not in NOT_IN_ROWS}


def _capacity(queue: Queue) -> View:
    """The share of the time in which a consumer could take a message: here, whether one could now."""
    can_take = isinstance(queue, FifoQueue) and bool(queue.dispatch.ready_consumers)
    share: float = float(can_take) if queue.consumers else 0
    return {"consumer_capacity": share, "consumer_utilisation": share}


def _of_classic(queue: Queue, shown: View) -> View:
    in_memory_bytes = shown["message_bytes_ram"] - shown["message_bytes_unacknowledged"]
    version = _said(queue, "queue-version", queue.vhost.profile.default_queue_version)
    return {
        "backing_queue_status": _backing_queue_status(queue, version),
        "message_bytes_paged_out": max(shown["message_bytes_ready"] - in_memory_bytes, 0),
        "messages_paged_out": queue.ready_count - queue.in_memory_count,
        "messages_ready_ram": queue.in_memory_count,
        "messages_unacknowledged_ram": queue.unacked_count,
        "recoverable_slaves": None,
        "storage_version": version,
    }


def _said(queue: Queue, name: str, default: object) -> object:
    """The value of an argument of a queue, or of the policy key, that has no effect here."""
    field = queue.arguments.get(f"x-{name}")
    return queue.policy.definition.get(name, default) if field is None else field.value


def _backing_queue_status(queue: Queue, version: object) -> View:
    ready, highest = queue.ready_count, queue.settings.max_priority
    on_disk: int | str = "undefined" if highest else 0
    lengths: View = {}
    if highest and isinstance(queue, FifoQueue) and isinstance(queue.ready, PriorityFifo):
        by_level = queue.ready.lengths()
        lengths["priority_lengths"] = {str(level): by_level.get(level, 0) for level in range(highest + 1)}
    return {
        **lengths,
        "mode": _said(queue, "queue-mode", "default"),
        "version": version,
        "q1": 0,
        "q2": 0,
        "delta": ["delta", "undefined", on_disk, on_disk, "undefined"],
        "q3": 0,
        "q4": ready,
        "len": ready,
        "target_ram_count": "infinity",
        "next_seq_id": 0,
        "next_deliver_seq_id": 0,
        **dict.fromkeys(RATES, 0.0),
    }


def _of_quorum(queue: QuorumQueue, shown: View, node: str) -> View:
    count, size = queue.undelivered_dead_letters
    waiting = max(len(queue.consumers) - 1, 0) if queue.settings.single_active else 0
    by_level = queue.ready.lengths() if isinstance(queue.ready, PriorityFifo) else {}
    returned = by_level.pop(RETURNED_LEVEL, 0)
    high = sum(count for level, count in by_level.items() if level > DEFAULT_PRIORITY)
    return {
        "consumers": queue.consumer_count + waiting,
        "delayed_retry": queue.settings.retry_type,
        "delivery_limit": _limit(queue),
        "messages_active_priorities": sum(map(bool, by_level.values())),
        "messages_by_priority": {str(level): count for level, count in by_level.items() if count},
        "messages_delayed": queue.held_count,
        "messages_ready_high": high,
        "messages_ready_normal": queue.ready_count - returned - high,
        "messages_ready_returned": returned,
        "publishers": 0,
        # What is in memory is in the memory of the log.
        "messages_ram": 0,
        "message_bytes_ram": 0,
        "messages_dlx": count,
        "message_bytes_dlx": size,
        "open_files": {node: 0},
        "single_active_consumer_ctag": shown["single_active_consumer_tag"],
    }


def _of_stream(queue: StreamQueue, shown: View, node: str) -> View:
    shown |= {
        "readers": {node: len(queue.consumers)},
        "memory": MEMORY,
        # RabbitMQ has no process whose garbage it could tell of.
        "garbage_collection": {
            "max_heap_size": -1,
            "min_bin_vheap_size": -1,
            "min_heap_size": -1,
            "fullsweep_after": -1,
            "minor_gcs": -1,
        },
    }
    if "leader" in queue.vhost.profile.more_event_properties:
        shown["segments"] = len(queue.log.segments)
    return {key: shown[key] for key in IN_STREAM if key in shown}


def _limit(queue: QuorumQueue) -> int | None:
    limit = queue.delivery_limit
    return None if limit is None or not isfinite(limit) else int(limit)


def _cluster(queue: Queue, node: str) -> View:
    """The members of a queue that could have several."""
    members: View = {"members": [node], "online": [node]}
    if queue.type == QUORUM or (queue.type == STREAM and "leader" in queue.vhost.profile.more_event_properties):
        return {"leader": node, **members}
    return members if queue.type == STREAM else {}


# --- parts of the view of a single queue


def owner(queue: Queue) -> View:
    """The connection of an exclusive queue."""
    if not isinstance(queue.owner, AmqpClient):
        return {}
    peer = queue.owner.terms.peer
    details = {"name": peer.name, "peer_host": peer.peer_host, "peer_port": peer.peer_port}
    return {"owner_pid_details": details}
