"""The metrics of RabbitMQ by their groups: names, types and helps, and the numbers that they show.

A group is what `/metrics/detailed` is asked for by name. Its rows are those of a source: the queues, for example.
RabbitMQ counts some things for each pair of a channel and a queue or an exchange. Here they are counted for the channel
or for the queue, and the series have the labels of that.

Source: `prometheus_rabbitmq_core_metrics_collector`, `prometheus_rabbitmq_global_metrics_collector`,
`prometheus_rabbitmq_alarm_metrics_collector`.
"""

from collections.abc import Callable
from typing import Final, Literal, NamedTuple, TypeAlias

from amqpy.management.prometheus.exposition import Family, Kind

Source: TypeAlias = Literal["node", "queues", "channels", "connections", "exchanges", "vhosts", "protocols", "none"]


class Metric(NamedTuple):
    """A family, and the number that it shows."""

    family: Family
    value: str
    divisor: int = 1
    """Of a number in another unit."""
    is_summed: bool = True
    """False if only the numbers of each object are shown."""


class Group(NamedTuple):
    name: str
    source: Source
    metrics: tuple[Metric, ...]
    used: str = ""
    """A row is only shown if this number of it is not 0."""
    relabel: Callable[[str], str] = str
    """Changes the labels of a row to those of the group."""


def _without_vhost(of: str) -> str:
    return of.partition(',vhost="')[0]  # where it is in a value, it has a backslash


def _of_queue(of: str) -> str:
    """An exchange would have a virtual host, too."""
    return f"queue_{of}"


def _counter(name: str, text: str, value: str, divisor: int = 1) -> Metric:
    return _metric(name, "counter", text, value, divisor)


def _gauge(name: str, text: str, value: str, divisor: int = 1) -> Metric:
    return _metric(name, "gauge", text, value, divisor)


def _untyped(name: str, text: str, value: str) -> Metric:
    return _metric(name, "untyped", text, value, 1)


def _metric(name: str, kind: Kind, text: str, value: str, divisor: int) -> Metric:
    return Metric(Family(name, kind, text), value, divisor)


CHURN: Final = Group(
    "connection_churn_metrics",
    "node",
    (
        _counter("connections_opened_total", "Total number of connections opened", "connection_created"),
        _counter("connections_closed_total", "Total number of connections closed or terminated", "connection_closed"),
        _counter("channels_opened_total", "Total number of channels opened", "channel_created"),
        _counter("channels_closed_total", "Total number of channels closed", "channel_closed"),
        _counter("queues_declared_total", "Total number of queues declared", "queue_declared"),
        _counter("queues_created_total", "Total number of queues created", "queue_created"),
        _counter("queues_deleted_total", "Total number of queues deleted", "queue_deleted"),
    ),
)
NODE_COARSE: Final = Group(
    "node_coarse_metrics",
    "node",
    (
        _gauge("process_open_fds", "Open file descriptors", "fd_used"),
        _gauge("process_open_tcp_sockets", "Open TCP sockets", "sockets_used"),
        _gauge("process_resident_memory_bytes", "Memory used in bytes", "mem_used"),
        _gauge("disk_space_available_bytes", "Disk space available in bytes", "disk_free"),
        _gauge("erlang_processes_used", "Erlang processes used", "proc_used"),
        _counter("erlang_gc_runs_total", "Total number of Erlang garbage collector runs", "gc_num"),
        _counter(
            "erlang_gc_reclaimed_bytes_total",
            "Total number of bytes of memory reclaimed by Erlang garbage collector",
            "gc_bytes_reclaimed",
        ),
        _counter(
            "erlang_scheduler_context_switches_total",
            "Total number of Erlang scheduler context switches",
            "context_switches",
        ),
    ),
)
NODE: Final = Group(
    "node_metrics",
    "node",
    (
        _gauge("process_max_fds", "Open file descriptors limit", "fd_total"),
        _gauge("process_max_tcp_sockets", "Open TCP sockets limit", "sockets_total"),
        _gauge("resident_memory_limit_bytes", "Memory high watermark in bytes", "mem_limit"),
        _gauge("disk_space_available_limit_bytes", "Free disk space low watermark in bytes", "disk_free_limit"),
        _gauge("erlang_processes_limit", "Erlang processes limit", "proc_total"),
        _gauge("erlang_scheduler_run_queue", "Erlang scheduler run queue", "run_queue"),
        _gauge("erlang_net_ticktime_seconds", "Inter-node heartbeat interval", "net_ticktime"),
        _gauge("erlang_uptime_seconds", "Node uptime", "uptime", 1000),
    ),
)
PERSISTER: Final = Group(
    "node_persister_metrics",
    "node",
    (
        _counter("io_read_ops_total", "Total number of I/O read operations", "io_read_count"),
        _counter("io_read_bytes_total", "Total number of I/O bytes read", "io_read_bytes"),
        _counter("io_write_ops_total", "Total number of I/O write operations", "io_write_count"),
        _counter("io_write_bytes_total", "Total number of I/O bytes written", "io_write_bytes"),
        _counter("io_sync_ops_total", "Total number of I/O sync operations", "batches"),
        _counter("io_seek_ops_total", "Total number of I/O seek operations", "nothing"),
        _counter("io_reopen_ops_total", "Total number of times files have been reopened", "nothing"),
        _counter("schema_db_ram_tx_total", "Total number of Schema DB memory transactions", "nothing"),
        _counter("schema_db_disk_tx_total", "Total number of Schema DB disk transactions", "nothing"),
        _counter("msg_store_read_total", "Total number of Message Store read operations", "nothing"),
        _counter("msg_store_write_total", "Total number of Message Store write operations", "stored"),
        _counter("queue_index_read_ops_total", "Total number of Queue Index read operations", "nothing"),
        _counter("queue_index_write_ops_total", "Total number of Queue Index write operations", "nothing"),
        _counter("io_read_time_seconds_total", "Total I/O read time", "nothing", 1_000_000),
        _counter("io_write_time_seconds_total", "Total I/O write time", "nothing", 1_000_000),
        _counter("io_sync_time_seconds_total", "Total I/O sync time", "nothing", 1_000_000),
        _counter("io_seek_time_seconds_total", "Total I/O seek time", "nothing", 1_000_000),
    ),
)
AUTH_ATTEMPTS: Final = Group(
    "auth_attempt_metrics",
    "protocols",
    (
        _counter("auth_attempts_total", "Total number of authorization attempts", "attempts"),
        _counter("auth_attempts_succeeded_total", "Total number of successful authentication attempts", "succeeded"),
        _counter("auth_attempts_failed_total", "Total number of failed authentication attempts", "failed"),
    ),
)
AUTH_ATTEMPTS_DETAILED: Final = Group(
    "auth_attempt_detailed_metrics",
    "none",
    (
        _counter("auth_attempts_detailed_total", "Total number of authorization attempts with source info", "nothing"),
        _counter(
            "auth_attempts_detailed_succeeded_total",
            "Total number of successful authorization attempts with source info",
            "nothing",
        ),
        _counter(
            "auth_attempts_detailed_failed_total",
            "Total number of failed authorization attempts with source info",
            "nothing",
        ),
    ),
)
"""Attempts by address, which RabbitMQ counts only when it is told to."""
RAFT: Final = Group(
    "ra_metrics",
    "none",
    (
        _counter("raft_term_total", "Current Raft term number", "nothing"),
        _gauge("raft_log_snapshot_index", "Raft log snapshot index", "nothing"),
        _gauge("raft_log_last_applied_index", "Raft log last applied index", "nothing"),
        _gauge("raft_log_commit_index", "Raft log commit index", "nothing"),
        _gauge("raft_log_last_written_index", "Raft log last written index", "nothing"),
        _gauge("raft_entry_commit_latency_seconds", "Time taken for a log entry to be committed", "nothing"),
    ),
)
"""Of the consensus of quorum queues, which one node does not need."""
QUEUE_COARSE: Final = Group(
    "queue_coarse_metrics",
    "queues",
    (
        _gauge("queue_messages_ready", "Messages ready to be delivered to consumers", "ready"),
        _gauge("queue_messages_unacked", "Messages delivered to consumers but not yet acknowledged", "unacked"),
        _gauge("queue_messages", "Sum of ready and unacknowledged messages - total queue depth", "messages"),
        _counter("queue_process_reductions_total", "Total number of queue process reductions", "nothing"),
    ),
)
_CONSUMERS: Final = _gauge("queue_consumers", "Consumers on a queue", "consumers")
QUEUE_CONSUMERS: Final = Group("queue_consumer_count", "queues", (_CONSUMERS,))
QUEUE: Final = Group(
    "queue_metrics",
    "queues",
    (
        _CONSUMERS,
        _gauge("queue_consumer_capacity", "Consumer capacity", "capacity")._replace(is_summed=False),
        _gauge("queue_consumer_utilisation", "Same as consumer capacity", "capacity"),
        _gauge("queue_process_memory_bytes", "Memory in bytes used by the Erlang queue process", "nothing"),
        _gauge("queue_messages_ram", "Ready and unacknowledged messages stored in memory", "ram"),
        _gauge("queue_messages_ram_bytes", "Size of ready and unacknowledged messages stored in memory", "ram_bytes"),
        _gauge("queue_messages_ready_ram", "Ready messages stored in memory", "ready_ram"),
        _gauge("queue_messages_unacked_ram", "Unacknowledged messages stored in memory", "unacked"),
        _gauge("queue_messages_persistent", "Persistent messages", "persistent"),
        _gauge("queue_messages_persistent_bytes", "Size in bytes of persistent messages", "persistent_bytes")._replace(
            is_summed=False
        ),
        _gauge("queue_messages_bytes", "Size in bytes of ready and unacknowledged messages", "bytes"),
        _gauge("queue_messages_ready_bytes", "Size in bytes of ready messages", "ready_bytes"),
        _gauge("queue_messages_unacked_bytes", "Size in bytes of all unacknowledged messages", "unacked_bytes"),
        _gauge("queue_messages_paged_out", "Messages paged out to disk", "paged_out"),
        _gauge("queue_messages_paged_out_bytes", "Size in bytes of messages paged out to disk", "paged_out_bytes"),
        _gauge(
            "queue_head_message_timestamp", "Timestamp of the first message in the queue, if any", "head_timestamp"
        )._replace(is_summed=False),
        _counter("queue_disk_reads_total", "Total number of times queue read messages from disk", "nothing"),
        _counter("queue_disk_writes_total", "Total number of times queue wrote messages to disk", "nothing"),
    ),
)
CHANNEL: Final = Group(
    "channel_metrics",
    "channels",
    (
        _gauge("channel_consumers", "Consumers on a channel", "consumers"),
        _gauge("channel_messages_unacked", "Delivered but not yet acknowledged messages", "unacked"),
        _gauge("channel_messages_unconfirmed", "Published but not yet confirmed messages", "unconfirmed"),
        _gauge(
            "channel_messages_uncommitted", "Messages received in a transaction but not yet committed", "uncommitted"
        ),
        _gauge(
            "channel_acks_uncommitted",
            "Message acknowledgements in a transaction not yet committed",
            "acks_uncommitted",
        ),
        _gauge("consumer_prefetch", "Limit of unacknowledged messages for each consumer", "prefetch"),
        _gauge(
            "channel_prefetch", "Total limit of unacknowledged messages for all consumers on a channel", "prefetch_all"
        ),
    ),
    relabel=_without_vhost,
)
CHANNEL_EXCHANGE: Final = Group(
    "channel_exchange_metrics",
    "channels",
    (
        _counter(
            "channel_messages_published_total",
            "Total number of messages published into an exchange on a channel",
            "publish",
        ),
        _counter(
            "channel_messages_confirmed_total",
            "Total number of messages published into an exchange and confirmed on the channel",
            "confirm",
        ),
        _counter(
            "channel_messages_unroutable_returned_total",
            "Total number of messages published as mandatory into an exchange and returned to the publisher as "
            "unroutable",
            "return_unroutable",
        ),
        _counter(
            "channel_messages_unroutable_dropped_total",
            "Total number of messages published as non-mandatory into an exchange and dropped as unroutable",
            "drop_unroutable",
        ),
    ),
    used="publish",
)
CHANNEL_PROCESS: Final = Group(
    "channel_process_metrics",
    "channels",
    (_counter("channel_process_reductions_total", "Total number of channel process reductions", "nothing"),),
    relabel=_without_vhost,
)
CHANNEL_QUEUE: Final = Group(
    "channel_queue_metrics",
    "queues",
    (
        _counter(
            "channel_get_ack_total",
            "Total number of messages fetched with basic.get in manual acknowledgement mode",
            "get",
        ),
        _counter(
            "channel_get_total",
            "Total number of messages fetched with basic.get in automatic acknowledgement mode",
            "get_no_ack",
        ),
        _counter(
            "channel_messages_delivered_ack_total",
            "Total number of messages delivered to consumers in manual acknowledgement mode",
            "deliver",
        ),
        _counter(
            "channel_messages_delivered_total",
            "Total number of messages delivered to consumers in automatic acknowledgement mode",
            "deliver_no_ack",
        ),
        _counter(
            "channel_messages_redelivered_total", "Total number of messages redelivered to consumers", "redeliver"
        ),
        _counter("channel_messages_acked_total", "Total number of messages acknowledged by consumers", "ack"),
        _counter(
            "channel_get_empty_total",
            "Total number of times basic.get operations fetched no message",
            "get_empty",
        ),
    ),
    used="asked",
)
CONNECTION_COARSE: Final = Group(
    "connection_coarse_metrics",
    "connections",
    (
        _counter("connection_incoming_bytes_total", "Total number of bytes received on a connection", "recv_oct"),
        _counter("connection_outgoing_bytes_total", "Total number of bytes sent on a connection", "send_oct"),
        _counter("connection_process_reductions_total", "Total number of connection process reductions", "nothing"),
    ),
)
CONNECTION: Final = Group(
    "connection_metrics",
    "connections",
    (
        _counter("connection_incoming_packets_total", "Total number of packets received on a connection", "recv_cnt"),
        _counter("connection_outgoing_packets_total", "Total number of packets sent on a connection", "send_cnt"),
        _gauge("connection_pending_packets", "Number of packets waiting to be sent on a connection", "pending"),
        _gauge("connection_channels", "Channels on a connection", "channels"),
    ),
)
CHANNEL_QUEUE_EXCHANGE: Final = Group(
    "channel_queue_exchange_metrics",
    "queues",
    (_counter("queue_messages_published_total", "Total number of messages published to queues", "publish"),),
    used="publish",
    relabel=_of_queue,
)
TOTALS: Final = Group(
    "totals",
    "node",
    (
        _gauge("connections", "Connections currently open", "connections"),
        _gauge("channels", "Channels currently open", "channels"),
        _gauge("consumers", "Consumers currently connected", "consumers"),
        _gauge("queues", "Queues available", "queues"),
    ),
)
ALARMS: Final = Group(
    "alarms",
    "node",
    (
        _untyped("alarms_file_descriptor_limit", "is 1 if file descriptor limit alarm is in effect", "nothing"),
        _untyped(
            "alarms_free_disk_space_watermark", "is 1 if free disk space watermark alarm is in effect", "disk_alarm"
        ),
        _untyped("alarms_memory_used_watermark", "is 1 if VM memory watermark alarm is in effect", "memory_alarm"),
    ),
)

GROUPS: Final = (
    CHURN,
    NODE_COARSE,
    NODE,
    PERSISTER,
    RAFT,
    AUTH_ATTEMPTS,
    QUEUE_COARSE,
    QUEUE,
    CHANNEL,
    CHANNEL_EXCHANGE,
    CHANNEL_PROCESS,
    CHANNEL_QUEUE,
    CONNECTION_COARSE,
    CONNECTION,
    CHANNEL_QUEUE_EXCHANGE,
)
"""Those of all scrapes but the detailed ones."""

VHOST_STATUS: Final = Group(
    "vhost_status", "vhosts", (_gauge("vhost_status", "Whether a given vhost is running", "one"),)
)
EXCHANGE_BINDINGS: Final = Group(
    "exchange_bindings",
    "exchanges",
    (_gauge("exchange_bindings", "Number of bindings for an exchange. This value is cluster-wide.", "bindings"),),
)
EXCHANGE_NAMES: Final = Group(
    "exchange_names",
    "exchanges",
    (
        _gauge(
            "exchange_name",
            "Enumerates exchanges without any additional info. This value is cluster-wide. A cheaper alternative to "
            "`exchange_bindings`",
            "one",
        ),
    ),
)
OF_CLUSTER: Final = (VHOST_STATUS, EXCHANGE_BINDINGS, EXCHANGE_NAMES)

DETAILED: Final = {group.name: group for group in (*GROUPS, AUTH_ATTEMPTS_DETAILED, QUEUE_CONSUMERS, *OF_CLUSTER)}
"""Those that a detailed scrape can be asked for."""
