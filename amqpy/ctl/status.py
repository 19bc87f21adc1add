"""The status of the broker: `status` and `cluster_status` as RabbitMQ prints them, and `amqpy status` for people.

Source: RabbitMQ's `status_command.ex`, `cluster_status_command.ex`, `environment_command.ex`, `report_command.ex`.
"""

import json
import platform
from collections.abc import Iterable, Mapping
from typing import Any, Final

import click

from amqpy.ctl.api import ApiError
from amqpy.ctl.facts import UNITS, alarm_lines, described, interface, node, size
from amqpy.ctl.options import Call, Tasks, option

tasks = Tasks()

UNIT = click.Choice(list(UNITS))
BOLD: Final = "\x1b[1m{}\x1b[0m"

Section = tuple[str, Iterable[str]]


def sections(call: Call, parts: Iterable[Section]) -> None:
    """Prints lines under headings; the headings are bold on a terminal."""
    texts = ["\n".join([click.style(title, bold=True), "", *lines]) for title, lines in parts]
    call.out.say("\n\n".join(texts))


def vhost_count(call: Call) -> int:
    return len(call.api.get("vhosts", columns="name"))


@tasks("", option("--unit", type=UNIT, default="gb", text="The unit of sizes."))
def status(call: Call, *, unit: str) -> None:
    """Show the status of the broker."""
    call.out.banner(f"Status of node {call.node} ...")
    overview, here = call.api.get("overview"), node(call)
    totals, vhosts = overview["object_totals"], vhost_count(call)
    if call.out.is_json:
        call.out.json(_status_as_json(call, overview, here, vhosts))
        return
    memory = call.api.get("nodes", here["name"], "memory")["memory"]
    sections(
        call,
        [
            ("Runtime", _runtime(overview, here)),
            ("Plugins", ["Enabled plugin file: ", "Enabled plugins:", "", *_plugins(here)]),
            ("Data directory", [f"Node data directory: {here.get('db_dir', '')}", "Raft data directory: "]),
            ("Config files", [f" * {file}" for file in here.get("config_files", ())] or ["(none)"]),
            ("Log file(s)", [f" * {file}" for file in here.get("log_files", ())]),
            ("Alarms", alarm_lines(here) or ["(none)"]),
            ("Memory", [*_memory(here, unit), "", *breakdown(memory, unit)]),
            ("File Descriptors", _descriptors(here)),
            ("Free Disk Space", _disk(here, unit)),
            (
                "Totals",
                [
                    f"Connection count: {totals['connections']}",
                    f"Queue count: {totals['queues']}",
                    f"Virtual host count: {vhosts}",
                ],
            ),
            ("Listeners", [described(each) for each in overview.get("listeners", ())]),
        ],
    )


def _runtime(overview: Mapping[str, Any], here: Mapping[str, Any]) -> Iterable[str]:
    uptime = int(here.get("uptime", 0)) // 1000
    yield f"OS PID: {here.get('os_pid')}"
    yield f"OS: {platform.system()}"
    yield f"Uptime (seconds): {uptime}"
    yield "Is under maintenance?: false"
    yield f"RabbitMQ version: {overview['rabbitmq_version']}"
    if "release_series_support_status" in overview:
        yield f"RabbitMQ release series support status: {overview['release_series_support_status']}"
    yield f"Node name: {here['name']}"
    yield f"Erlang configuration: {overview.get('erlang_full_version', '')}"
    yield "Crypto library: "
    yield f"Erlang processes: {here.get('proc_used', 0)} used, {here.get('proc_total', 0)} limit"
    yield f"Scheduler run queue: {here.get('run_queue', 0)}"
    yield f"Cluster heartbeat timeout (net_ticktime): {here.get('net_ticktime', 60)}"


def _plugins(here: Mapping[str, Any]) -> Iterable[str]:
    return (f" * {name}" for name in here.get("enabled_plugins", ()))


def _memory(here: Mapping[str, Any], unit: str) -> Iterable[str]:
    yield f"Total memory used: {size(here.get('mem_used', 0), unit)}"
    yield f"Calculation strategy: {here.get('mem_calculation_strategy', 'rss')}"
    yield f"Memory high watermark setting: computed to: {size(here.get('mem_limit', 0), unit)}"


def shares(memory: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The memory by what it is for, the most first."""
    parts = {name: count for name, count in memory.items() if isinstance(count, int)}
    whole = sum(parts.values()) or 1
    ordered = sorted(parts.items(), key=lambda part: -part[1])
    return {name: {"bytes": count, "percentage": round(100 * count / whole, 2)} for name, count in ordered}


def breakdown(memory: Mapping[str, Any], unit: str, space: str = " ") -> Iterable[str]:
    """Lines about it."""
    for name, share in shares(memory).items():
        yield f"{name}: {size(share['bytes'], unit)} ({share['percentage']}{space}%)"


def _descriptors(here: Mapping[str, Any]) -> Iterable[str]:
    yield f"Total: {here.get('fd_used', 0)}, limit: {here.get('fd_total', 0)}"
    yield f"Sockets: {here.get('sockets_used', 0)}, limit: {here.get('sockets_total', 0)}"


def _disk(here: Mapping[str, Any], unit: str) -> Iterable[str]:
    yield f"Low free disk space watermark: {size(here.get('disk_free_limit', 0), unit)}"
    yield f"Free disk space: {size(here.get('disk_free', 0), unit)}"


def _status_as_json(call: Call, overview: Mapping[str, Any], here: Mapping[str, Any], vhosts: int) -> dict[str, Any]:
    totals, version = overview["object_totals"], overview["rabbitmq_version"]
    memory = call.api.get("nodes", here["name"], "memory")["memory"]
    return {
        "pid": int(here.get("os_pid", 0)),
        "os": platform.system(),
        "uptime": int(here.get("uptime", 0)) // 1000,
        "is_under_maintenance": False,
        "rabbitmq_version": version,
        "product_name": overview.get("product_name"),
        "product_version": overview.get("product_version"),
        "erlang_version": overview.get("erlang_full_version"),
        "crypto_lib_version": overview.get("crypto_lib_version", ""),
        "release_series_support_status": overview.get("release_series_support_status", ""),
        "net_ticktime": here.get("net_ticktime", 60),
        "processes": {"limit": here.get("proc_total", 0), "used": here.get("proc_used", 0)},
        "run_queue": here.get("run_queue", 0),
        "active_plugins": here.get("enabled_plugins", []),
        "enabled_plugin_file": "",
        "data_directory": here.get("db_dir", ""),
        "raft_data_directory": "",
        "config_files": here.get("config_files", []),
        "log_files": here.get("log_files", []),
        "alarms": alarm_lines(here),
        "memory": memory,
        "vm_memory_calculation_strategy": here.get("mem_calculation_strategy", "rss"),
        "vm_memory_high_watermark_limit": here.get("mem_limit", 0),
        "vm_memory_high_watermark_setting": {"absolute": here.get("mem_limit", 0)},
        "file_descriptors": {
            "total_limit": here.get("fd_total", 0),
            "total_used": here.get("fd_used", 0),
            "sockets_limit": here.get("sockets_total", 0),
            "sockets_used": here.get("sockets_used", 0),
        },
        "disk_free": here.get("disk_free", 0),
        "disk_free_limit": here.get("disk_free_limit", 0),
        "totals": {
            "connection_count": totals["connections"],
            "queue_count": totals["queues"],
            "virtual_host_count": vhosts,
        },
        "listeners": listeners_as_json(overview.get("listeners", ())),
    }


def listeners_as_json(found: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            "node": each["node"],
            "protocol": each["protocol"],
            "interface": interface(each),
            "port": each["port"],
            "purpose": described(each).rpartition("purpose: ")[2],
        }
        for each in found
    ]


@tasks()
def cluster_status(call: Call) -> None:
    """Show the cluster, which has one node."""
    call.out.banner(f"Cluster status of node {call.node} ...")
    overview, here = call.api.get("overview"), node(call)
    name, version = here["name"], overview["rabbitmq_version"]
    flags = feature_flags(call)
    found = overview.get("listeners", ())
    if call.out.is_json:
        versions = {
            name: {
                "erlang_version": overview["erlang_version"],
                "rabbitmq_name": "RabbitMQ",
                "rabbitmq_version": version,
            }
        }
        call.out.json(
            {
                "cluster_name": overview["cluster_name"],
                "disk_nodes": [name],
                "ram_nodes": [],
                "running_nodes": [name],
                "versions": versions,
                "maintenance_status": {name: "not under maintenance"},
                "alarms": alarm_lines(here),
                "partitions": {},
                "listeners": {name: listeners_as_json(found)},
                "feature_flags": flags,
            }
        )
        return
    sections(
        call,
        [
            ("Basics", [f"Cluster name: {overview['cluster_name']}"]),
            ("Disk Nodes", [name]),
            ("Running Nodes", [name]),
            ("Versions", [f"{name}: RabbitMQ {version} on Erlang {overview['erlang_version']}"]),
            ("Maintenance status", [f"Node: {name}, status: not under maintenance"]),
            ("Alarms", alarm_lines(here) or ["(none)"]),
            ("Network Partitions", ["(none)"]),
            ("Listeners", [f"Node: {name}, {of_node(each)}" for each in found]),
            ("Feature flags", [f"Flag: {each['name']}, state: {each['state']}" for each in flags]),
        ],
    )


def of_node(listener: Mapping[str, Any]) -> str:
    text = described(listener)
    return text[0].lower() + text[1:]


def feature_flags(call: Call) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = call.api.get("feature-flags")
    return found


@tasks()
def environment(call: Call) -> None:
    """Show the settings of the broker."""
    call.out.banner(f"Application environment of node {call.node} ...")
    try:
        settings = call.api.get("config", "effective")
    except ApiError as refusal:
        if not refusal.is_missing:
            raise
        settings = {}
    call.out.say(json.dumps(settings, indent=2, ensure_ascii=False))
