"""Recovery: restores objects from their records when the broker starts.

It uses the same functions as live changes, without the effects that a client or an administrator would notice: no
events, no checks, nothing is recorded again. Objects are restored in the order in which they were first recorded; so
bindings keep theirs.

A broker without users, permissions and virtual hosts is a new one, and gets the default ones; one that had any keeps
them as they are, whatever the configuration says now.

Source: `rabbit_vhost:recover`, `rabbit_exchange:recover`, `rabbit_binding:recover`, `rabbit:maybe_insert_default_data`.
"""

import json
from collections.abc import Callable, Iterable, Mapping

from amqpy.core.administration.administration import Administration, place_parameter
from amqpy.core.durability.encoding import GLOBAL
from amqpy.core.durability.journal import Journal
from amqpy.core.durability.records import (
    NOTHING,
    BindingRecord,
    ExchangeRecord,
    LaneRecord,
    Loaded,
    ParameterRecord,
    PermissionRecord,
    QueueRecord,
    Record,
    TopicPermissionRecord,
    UserRecord,
    VhostRecord,
)
from amqpy.core.exchanges import EXCHANGE_TYPES, Binding, Exchange
from amqpy.core.exchanges.delayed import DelayedExchange
from amqpy.core.message import Message
from amqpy.core.permissions import Permission, TopicPermission
from amqpy.core.queues.delayed_retry import HELD_LEVEL
from amqpy.core.queues.paged_fifo import PagedFifo
from amqpy.core.queues.queue import Queue
from amqpy.core.queues.quorum import QuorumQueue
from amqpy.core.queues.stream import StreamQueue
from amqpy.core.topology import QUEUE_TYPES
from amqpy.core.vhost import Vhost
from amqpy.core.vhost_metadata import Metadata
from amqpy.core.vhosts import Vhosts
from amqpy.wire.values import decode_table


def is_new(records: Iterable[Record]) -> bool:
    """True if the records are those of a new broker: without any virtual host, user or permission."""
    return not any(isinstance(record, VhostRecord | UserRecord | PermissionRecord) for record in records)


def restore(vhosts: Vhosts, administration: Administration, records: Iterable[Record]) -> None:
    """Restores everything but users, which `Users` restores. An object that a record refers to comes
    before it (see `records.KEYS`)."""
    for record in records:
        match record:
            case VhostRecord():
                vhosts.place(record.name, _metadata_of(record))
            case PermissionRecord(name, vhost, configure, write, read):
                vhosts[vhost].permissions[name] = Permission(configure, write, read)
            case TopicPermissionRecord(name, vhost, exchange, write, read):
                of_user = vhosts[vhost].topic_permissions.setdefault(name, {})
                of_user[exchange] = TopicPermission(write, read)
            case ParameterRecord(component=component) if component == GLOBAL:
                administration.place_global_parameter(record.name, json.loads(record.value))
            case ParameterRecord():
                place_parameter(vhosts[record.vhost], record.component, record.name, json.loads(record.value))
            case ExchangeRecord():
                _restore_exchange(vhosts[record.vhost], record)
            case QueueRecord():
                _restore_queue(vhosts[record.vhost], record)
            case BindingRecord():
                _restore_binding(vhosts[record.vhost], record)


def restore_messages(
    vhosts: Mapping[str, Vhost],
    journal: Journal,
    loaded: Loaded,
    read_lane: Callable[[int], Iterable[tuple[int, Message, int]]],
) -> None:
    """Restores the messages in the lanes of restored queues and exchanges. `read_lane` yields all messages of a lane,
    with positions and due times."""
    recorded = [record for record in loaded.records if isinstance(record, LaneRecord)]
    journal.use_lanes({*(record.number for record in recorded), *loaded.lanes, *loaded.garbage})
    journal.segments.keep({record.number for record in recorded if isinstance(_owner_of(vhosts, record), StreamQueue)})
    for record in recorded:
        state = loaded.lanes.get(record.number, NOTHING)
        match _owner_of(vhosts, record):
            case QuorumQueue() as queue if record.level == HELD_LEVEL:
                queue.restore_held(record.number, read_lane(record.number))
            case Queue() as queue:
                queue.restore(record, state, is_clean=loaded.is_clean)
            case DelayedExchange() as exchange:
                exchange.waiting.restore(record.number, read_lane(record.number))
            case _:
                journal.close_lane(record.number, record)
    for vhost in vhosts.values():
        for queue in vhost.queues.values():
            queue.restored()


def _owner_of(vhosts: Mapping[str, Vhost], record: LaneRecord) -> Queue | Exchange | None:
    vhost = vhosts.get(record.vhost)
    if vhost is None:
        return None
    return vhost.queues.get(record.owner) if record.owner_kind == "queue" else vhost.exchanges.get(record.owner)


def note_fronts(vhosts: Mapping[str, Vhost]) -> None:
    """Records at a clean shutdown which messages were delivered, for `restore_messages`, and what waits to be written
    with others."""
    for vhost in vhosts.values():
        for queue in vhost.queues.values():
            for lane in queue.lanes():
                if isinstance(lane, PagedFifo):
                    lane.note_front()
            if isinstance(queue, StreamQueue):
                queue.write_offsets()


def _metadata_of(record: VhostRecord) -> Metadata:
    return Metadata(
        record.description, tuple(json.loads(record.tags)), record.default_queue_type, record.protected_from_deletion
    )


def _restore_exchange(vhost: Vhost, record: ExchangeRecord) -> None:
    vhost.place_exchange(
        EXCHANGE_TYPES[record.type](
            vhost,
            record.name,
            durable=True,
            auto_delete=record.auto_delete,
            internal=record.internal,
            arguments=decode_table(record.arguments),
        )
    )


def _restore_queue(vhost: Vhost, record: QueueRecord) -> None:
    vhost.place_queue(
        QUEUE_TYPES[record.type](
            vhost,
            record.name,
            durable=True,
            auto_delete=record.auto_delete,
            owner=None,
            arguments=decode_table(record.arguments),
            scheduler=vhost.scheduler,
        )
    )


def _restore_binding(vhost: Vhost, record: BindingRecord) -> None:
    """Restores a binding. Both its ends exist, unless the configuration names another default virtual host now: only
    that one has an exchange for events. A binding without an end is dropped for good."""
    source = vhost.exchanges.get(record.source)
    destinations = vhost.queues if record.destination_kind == "queue" else vhost.exchanges
    destination = destinations.get(record.destination)
    if source is None or destination is None:
        vhost.scheduler.drop(record)
        return
    vhost.place_binding(Binding(source, destination, record.routing_key, decode_table(record.arguments)))
