"""Facts about the broker as commands show them: its ports, its alarms, its memory.

Source: RabbitMQ's `listeners.ex`, `alarms.ex`, `memory.ex` in `RabbitMQ.CLI.Core`.
"""

from collections.abc import Mapping
from typing import Any, Final

from amqpy.ctl.options import Call

PURPOSES: Final = {
    "amqp": "AMQP 0-9-1 and AMQP 1.0",
    "amqp/ssl": "AMQP 0-9-1 and AMQP 1.0 over TLS",
    "clustering": "inter-node and CLI tool communication",
    "http": "HTTP API",
    "https": "HTTP API over TLS (HTTPS)",
    "http/prometheus": "Prometheus exporter API over HTTP",
    "https/prometheus": "Prometheus exporter API over TLS (HTTPS)",
}

ALIASES: Final = {
    **dict.fromkeys(("amqp091", "amqp0.9.1", "amqp0-9-1", "amqp0_9_1", "amqp10", "amqp1.0", "amqp1-0"), "amqp"),
    "amqps": "amqp/ssl",
    **dict.fromkeys(("management", "ui", "http_api"), "http"),
    **dict.fromkeys(("cli", "distribution"), "clustering"),
}
"""Other names of protocols."""

UNITS: Final = {"gb": 1e9, "mb": 1e6, "kb": 1e3, "gib": 2**30, "mib": 2**20, "kib": 2**10, "bytes": 1}

Listener = Mapping[str, Any]


def listeners(call: Call) -> list[Listener]:
    found: list[Listener] = call.api.get("overview", columns="listeners").get("listeners") or []
    return found


def described(listener: Listener) -> str:
    """A line about a listener."""
    protocol = listener["protocol"]
    purpose = PURPOSES.get(protocol, protocol)
    return f"Interface: {interface(listener)}, port: {listener['port']}, protocol: {protocol}, purpose: {purpose}"


def interface(listener: Listener) -> str:
    """The address, in brackets if it is one of IPv6."""
    host = str(listener["ip_address"])
    return f"[{host}]" if ":" in host else host


def protocol_named(name: str) -> str:
    lower = name.lower()
    return ALIASES.get(lower, lower)


def node(call: Call) -> dict[str, Any]:
    """The node, of which there is one."""
    nodes: list[dict[str, Any]] = call.api.get("nodes")
    return nodes[0]


def alarms_of(node: Mapping[str, Any]) -> list[str]:
    """The resources that are short."""
    return [name for name, key in (("memory", "mem_alarm"), ("disk", "disk_free_alarm")) if node.get(key)]


def alarm_lines(node: Mapping[str, Any]) -> list[str]:
    words = {"memory": "Memory", "disk": "Free disk space"}
    return [f"{words[each]} alarm on node {node['name']}" for each in alarms_of(node)]


def size(count: float, unit: str = "gb") -> str:
    """A number of bytes in a unit: `0.1295 gb`."""
    return f"{round(count / UNITS[unit], 4)} {unit}"
