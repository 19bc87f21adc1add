"""The node: its settings, and what it uses. There is one; others are not known.

Source: `rabbit_mgmt_wm_nodes`, `rabbit_mgmt_wm_node`, `rabbit_mgmt_wm_node_memory`, `rabbit_mgmt_external_stats`.
"""

from collections.abc import Iterable
from ssl import OPENSSL_VERSION
from typing import Any, Final

import trio

from amqpy.amqp import sasl
from amqpy.core import views
from amqpy.management import access, erlang
from amqpy.management.answers import not_found
from amqpy.management.call import Call
from amqpy.management.lists import Listing, View
from amqpy.management.resources.overview import RUNTIME, contexts, exchange_types, version_of
from amqpy.management.router import Router

MECHANISMS: Final = {
    "PLAIN": "a name and a password",
    "AMQPLAIN": "a name and a password, in a table of AMQP",
    "ANONYMOUS": "nothing",
    "EXTERNAL": "a certificate of TLS",
    "RABBIT-CR-DEMO": "a name and a password, one after the other",
}

PLUGINS: Final = (
    "rabbitmq_consistent_hash_exchange",
    "rabbitmq_delayed_message_exchange",
    "rabbitmq_event_exchange",
    "rabbitmq_management",
    "rabbitmq_management_agent",
    "rabbitmq_message_deduplication",
    "rabbitmq_random_exchange",
    "rabbitmq_recent_history_exchange",
    "rabbitmq_sharding",
    "rabbitmq_web_dispatch",
)
"""RabbitMQ's plugins whose functions are built in."""

APPLICATIONS: Final = {
    "amqp_client": "client",
    "rabbit": "broker",
    "rabbit_common": "parts of the broker and the client",
    **dict.fromkeys(PLUGINS, "plugin"),
}

TIMED: Final = ("read", "write", "seek", "sync")
"""The kinds of operations on files whose time is measured."""

NOT_COUNTED: Final = {
    **{f"io_{kind}_count": 0 for kind in ("reopen", "seek", "sync")},
    **{f"io_{kind}_avg_time": 0.0 for kind in TIMED},
    **{f"mnesia_{kind}_tx_count": 0 for kind in ("disk", "ram")},
    **{f"{kind}_{done}_count": 0 for kind in ("msg_store", "queue_index") for done in ("read", "write")},
}
"""The counters of files and of tables that there are not here."""

COLLECTED: Final = (
    "channel_closed",
    "channel_consumer_deleted",
    "connection_closed",
    "consumer_deleted",
    "exchange_deleted",
    "node_node_deleted",
    "queue_deleted",
    "vhost_deleted",
)

MEMORY: Final = (
    "allocated_unused",
    "atom",
    "binary",
    "code",
    "connection_channels",
    "connection_other",
    "connection_readers",
    "connection_writers",
    "metrics",
    "mgmt_db",
    "mnesia",
    "msg_index",
    "other_ets",
    "other_proc",
    "other_system",
    "plugins",
    "queue_procs",
    "quorum_ets",
    "quorum_queue_dlx_procs",
    "quorum_queue_procs",
    "reserved_unallocated",
    "stream_queue_coordinator_procs",
    "stream_queue_procs",
    "stream_queue_replica_reader_procs",
)
"""The uses of Erlang's memory."""

BINARY: Final = (
    "connection_channels",
    "connection_other",
    "connection_readers",
    "connection_writers",
    "mgmt_db",
    "msg_index",
    "other",
    "plugins",
    "queue_procs",
    "quorum_queue_dlx_procs",
    "quorum_queue_procs",
    "stream_queue_coordinator_procs",
    "stream_queue_procs",
    "stream_queue_replica_reader_procs",
)


def add_to(router: Router) -> None:
    router.get("/nodes", access.monitor)(list_nodes)
    router.get("/nodes/{node}", access.monitor)(show_node)
    router.get("/nodes/{node}/memory", access.monitor)(show_memory)
    router.get("/nodes/{node}/memory/relative", access.monitor)(show_memory_shares)
    for filtered in ("", "/{filter}"):
        router.get(f"/nodes/{{node}}/memory/ets{filtered}", access.monitor)(lambda call: show_tables(call, 0))
        router.get(f"/nodes/{{node}}/memory/ets{filtered}/relative", access.monitor)(
            lambda call: show_tables(call, 100)
        )


def check_node(call: Call) -> None:
    """Raises Refusal if the node in the path is another one."""
    if call.names["node"] != call.broker.node:
        raise not_found()


def list_nodes(call: Call) -> Listing:
    if not call.without_stats:
        call.api.statistics.ranges(call.request.query)
    return Listing([call.broker.node], lambda name: view(call))


def show_node(call: Call) -> View:
    check_node(call)
    shown = dict(view(call))
    if call.request.is_true("memory"):
        shown["memory"] = memory(call)
    if call.request.is_true("binary"):
        shown["binary"] = binary(call)
    return shown


# --- views


def view(call: Call) -> View:
    """The node."""
    node: View = {"name": call.broker.node, "type": "disc", "running": True}
    if call.has("being_drained"):
        node["being_drained"] = False
    if call.without_stats:
        return node
    shown = {**node, **_settings(call), **_usage(call), **views.churn(call.broker), **NOT_COUNTED}
    if call.request.is_true("event_loop_lag"):  # RabbitMQ has none, so it is for those who ask for it
        shown["event_loop_lag_us"] = call.api.statistics.lag_us
    return call.api.statistics.of_node(shown, call.request.query)


def _settings(call: Call) -> View:
    broker, config = call.broker, call.broker.config
    version = version_of(broker)
    offered = sasl.offered(config, broker.profile, in_tls=True)
    shown: View = {
        "applications": [
            {"name": name, "description": description, "version": version}
            for name, description in sorted(APPLICATIONS.items())
        ],
        "auth_mechanisms": [
            {"name": name, "description": description, "enabled": name in offered}
            for name, description in MECHANISMS.items()
        ],
        "exchange_types": exchange_types(),
        "enabled_plugins": list(PLUGINS),
        "contexts": contexts(call.api),
        "partitions": [],
        "cluster_links": [],
        "config_files": [],
        "log_files": ["<stderr>"],
        "db_dir": config.data_dir or "",
        "rates_mode": config.management_rates_mode,
        "net_ticktime": erlang.NET_TICKTIME_S,
        "mem_calculation_strategy": "rss",
        "metrics_gc_queue_length": dict.fromkeys(COLLECTED, 0),
        "ra_open_file_metrics": {"ra_log_segment_writer": 0, "ra_log_wal": 0},
    }
    if call.has("node-versions"):
        shown |= {"rabbitmq_version": version, "erlang_version": erlang.VERSION, "erlang_full_version": RUNTIME}
        shown["crypto_lib_version"] = OPENSSL_VERSION
    return shown


def _usage(call: Call) -> View:
    """The means of the node, and its use of them now."""
    api, machine, resources = call.api, call.api.machine, call.broker.resources
    fd_total, io = machine.fd_total, machine.input_output
    short = call.broker.alarms.resources
    shown = {
        "os_pid": str(machine.pid),
        "uptime": api.unix_time_ms() - api.started_at_ms,
        "processors": machine.processors,
        "run_queue": 0,
        "mem_used": memory_used(call),
        "mem_limit": resources.memory_allowed or machine.memory_total,
        "mem_alarm": "memory" in short,
        "disk_free": resources.disk_free if resources.disk_free >= 0 else machine.disk_free,
        "disk_free_limit": resources.disk_needed or 0,
        "disk_free_alarm": "disk" in short,
        "fd_total": fd_total,
        "fd_used": machine.fd_used,
        "proc_total": erlang.PROCESSES_MAX,
        "proc_used": trio.lowlevel.current_statistics().tasks_living,
        "gc_num": machine.collections,
        "gc_bytes_reclaimed": 0,
        "context_switches": machine.context_switches,
        **{f"io_{name}": count for name, count in io._asdict().items()},
    }
    if call.has("sockets"):
        shown |= {"sockets_total": erlang.sockets_max(fd_total), "sockets_used": len(api.reactor.connections)}
    return shown


# --- memory


def memory_used(call: Call) -> int:
    """Bytes, as they were measured last."""
    used = call.broker.resources.memory_used
    return used if used >= 0 else call.api.machine.memory_used


def show_memory(call: Call) -> View:
    check_node(call)
    return {"memory": memory(call)}


def show_memory_shares(call: Call) -> View:
    check_node(call)
    parts = _parts(call)
    whole = sum(parts.values()) or 1
    shares = {name: max(round(100 * size / whole), int(size > 0)) for name, size in parts.items()}
    return {"memory": {**shares, "total": 100}}


def show_tables(call: Call, total: int) -> View:
    """The memory of Erlang's tables, of which there are none."""
    check_node(call)
    return {"ets_tables_memory": "no_tables" if "filter" in call.names else {"total": total}}


def memory(call: Call) -> dict[str, Any]:
    used = memory_used(call)
    return {**_parts(call), "strategy": "rss", "total": {"allocated": used, "erlang": used, "rss": used}}


def _parts(call: Call) -> dict[str, int]:
    """The memory by what it is for. Python does not tell, so all of it is for something else."""
    stores = ("metadata_store", "metadata_store_ets")
    return {**_nothing(call, MEMORY, stores), "other_system": memory_used(call)}


def binary(call: Call) -> dict[str, int]:
    """Memory outside of processes."""
    return _nothing(call, BINARY, ("metadata_store",))


def _nothing(call: Call, names: Iterable[str], stores: Iterable[str]) -> dict[str, int]:
    """Zeros under these names, and under those that some versions have."""
    more = [name for name in ("queue_slave_procs",) if call.has(name)]
    more += stores if call.has("metadata_store") else []
    return dict.fromkeys(sorted([*names, *more]), 0)
