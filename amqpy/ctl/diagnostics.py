"""Health checks and facts: `amqpy diagnostics`, as RabbitMQ's `rabbitmq-diagnostics`.

A check that fails has something on standard error, and the exit code 69.

Source: `RabbitMQ.CLI.Diagnostics.Commands.*`, `node_health_check_command.ex`.
"""

import socket
from typing import Any

from amqpy.ctl.api import ApiError
from amqpy.ctl.facts import alarm_lines, described, listeners, node, protocol_named
from amqpy.ctl.failures import SOFTWARE, BadArguments, Failure, Unreachable, error
from amqpy.ctl.options import Call, Tasks, flag, option
from amqpy.ctl.status import UNIT, breakdown, listeners_as_json

tasks = Tasks()

WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}
CONNECT_S = 5.0


def answer(call: Call, text: str, **facts: object) -> None:
    """Tells the result of a check that has not failed."""
    if call.out.is_json:
        call.out.json({"result": "ok", **facts})
    elif not call.out.is_silent:
        call.out.note(text)


@tasks()
def ping(call: Call) -> None:
    """Look if the broker answers."""
    timeout_ms = int((call.options.timeout or 60) * 1000)
    call.out.banner(
        f"Will ping {call.node}. This only checks if the OS process is running and registered with epmd. "
        f"Timeout: {timeout_ms} ms."
    )
    try:
        call.api.get("overview", columns="node")
    except Unreachable:
        raise Failure(f"Error:\nFailed to connect and authenticate to {call.node} in {timeout_ms} ms") from None
    answer(call, "Ping succeeded")


def _check_running(call: Call, banner: str) -> None:
    call.out.banner(banner)
    try:
        call.api.get("overview", columns="node")
    except Unreachable:
        raise Failure(
            f"Error:\nRabbitMQ on node {call.node} is not running or has not fully booted yet (check with is_booting)"
        ) from None
    answer(call, f"RabbitMQ on node {call.node} is fully booted and running")


@tasks()
def check_running(call: Call) -> None:
    """Look if the broker serves."""
    _check_running(call, f"Checking if RabbitMQ is running on node {call.node} ...")


@tasks()
def is_running(call: Call) -> None:
    """The same."""
    _check_running(call, f"Asking node {call.node} for its status ...")


@tasks()
def is_booting(call: Call) -> None:
    """Tell that the broker is not about to start: who answers has started."""
    call.out.banner(f"Asking node {call.node} for its status ...")
    call.api.get("overview", columns="node")
    answer(call, f"RabbitMQ on node {call.node} is fully booted and running")


def _check_alarms(call: Call, banner: str, text: str) -> None:
    call.out.banner(banner)
    found = alarm_lines(node(call))
    if found:
        raise Failure("\n".join(["Error:", *found]))
    answer(call, text)


@tasks()
def check_local_alarms(call: Call) -> None:
    """Fail if memory or disk is short."""
    _check_alarms(
        call,
        f"Asking node {call.node} to report any local resource alarms ...",
        f"Node {call.node} reported no local alarms",
    )


@tasks()
def check_alarms(call: Call) -> None:
    """The same."""
    _check_alarms(
        call,
        f"Asking node {call.node} to report any known resource alarms ...",
        f"Node {call.node} reported no alarms, local or clusterwide",
    )


@tasks()
def alarms(call: Call) -> None:
    """List what is short."""
    call.out.banner(f"Asking node {call.node} to report any known resource alarms ...")
    found = alarm_lines(node(call))
    if call.out.is_json:
        call.out.json({"node": call.node, "alarms": found})
        return
    for line in found or [f"Node {call.node} reported no alarms, local or clusterwide"]:
        call.out.say(line)


# --- listeners


@tasks()
def check_port_connectivity(call: Call) -> None:
    """Connect to every port that the broker listens on."""
    call.out.banner(
        f"Testing TCP connections to all active listeners on node {call.node} using hostname resolution ..."
    )
    found = listeners(call)
    bad = [each for each in found if not _can_connect(call, str(each["ip_address"]), int(each["port"]))]
    if bad:
        lines = [described(each) for each in bad]
        text = f"Connection to ports of the following listeners on node {call.node} failed: "
        raise Failure("\n".join(["Error:", text, *lines]))
    ports = ", ".join(str(port) for port in sorted({each["port"] for each in found}))
    answer(call, f"Successfully connected to ports {ports} on node {call.node}.")


def _can_connect(call: Call, address: str, port: int) -> bool:
    host = call.api.host or WILDCARDS.get(address, address)
    try:
        with socket.create_connection((host, port), timeout=CONNECT_S):
            return True
    except OSError:
        return False


@tasks("<port>")
def check_port_listener(call: Call, text: str) -> None:
    """Look if the broker listens on a port."""
    if not text.isdecimal():
        raise BadArguments("port must be an integer")
    port = int(text)
    call.out.banner(f"Asking node {call.node} if there's an active listener on port {port} ...")
    ports = sorted({int(each["port"]) for each in listeners(call)})
    if port not in ports:
        there = ", ".join(map(str, ports))
        raise Failure(
            f"Error:\nNo listener for port {port} is active on node {call.node}. Found listeners that use the "
            f"following ports: {there}"
        )
    answer(call, f"A listener for port {port} is running on node {call.node}.", port=port)


@tasks("<protocol>")
def check_protocol_listener(call: Call, protocol: str) -> None:
    """Look if the broker listens for a protocol."""
    call.out.banner(f"Asking node {call.node} if there's an active listener for protocol {protocol} ...")
    there = sorted({str(each["protocol"]) for each in listeners(call)})
    if protocol_named(protocol) not in there:
        raise Failure(
            f"Error:\nNo listener for protocol {protocol} is active on node {call.node}. Found listeners for the "
            f"following protocols: {', '.join(there)}"
        )
    answer(call, f"A listener for protocol {protocol} is running on node {call.node}.", protocol=protocol)


@tasks("", name="listeners")
def list_listeners(call: Call) -> None:
    """List the addresses that the broker listens on."""
    call.out.banner(f"Asking node {call.node} to report its protocol listeners ...")
    found = listeners(call)
    if call.out.is_json:
        call.out.json({"node": call.node, "listeners": listeners_as_json(found), "result": "ok"})
        return
    for each in found:
        call.out.say(described(each))


# --- more checks


@tasks()
def check_virtual_hosts(call: Call) -> None:
    """Look if all virtual hosts run."""
    call.out.banner(f"Checking if all vhosts are running on node {call.node} ...")
    _healthy(call, "virtual-hosts")
    answer(call, f"Node {call.node} reported all vhosts as running")


def _healthy(call: Call, *check: str) -> None:
    """Raises Failure if a health check of the API fails."""
    try:
        call.api.get("health", "checks", *check)
    except ApiError as refusal:
        raise error(refusal.text) from None


@tasks(
    "",
    option("--within", type=int, default=4, metavar="N", text="How many of the units."),
    option("--unit", default="weeks", metavar="UNIT", text="days, weeks, months or years."),
)
def check_certificate_expiration(call: Call, *, within: int, unit: str) -> None:
    """Look if the broker's certificates are good for some more time."""
    call.out.banner(f"Checking certificate expiration on node {call.node} ...")
    _healthy(call, "certificate-expiration", str(within), unit)
    answer(call, f"No certificates are expiring within {within} {unit}.")


@tasks()
def check_if_node_is_quorum_critical(call: Call) -> None:
    """Look if queues would lose their majority without this node. A single node is none that could be missed."""
    call.out.banner(f"Checking if node {call.node} is critical for quorum of any quorum queues ...")
    _healthy(call, "node-is-quorum-critical")
    answer(call, f"Node {call.node} reported no quorum queues with minimum quorum")


@tasks()
def check_if_node_is_mirror_sync_critical(call: Call) -> None:
    """The same for mirrors, of which there are none."""
    call.out.banner(f"Checking if node {call.node} is critical for data safety of any classic mirrored queues ...")
    call.api.get("overview", columns="node")
    answer(call, f"Node {call.node} reported no classic mirrored queues without online synchronised mirrors")


@tasks()
def node_health_check(call: Call) -> None:
    """Look if the broker is well, as older versions did."""
    call.out.banner(
        "This command is DEPRECATED and will be removed in a future version.",
        "It performs intrusive, opinionated health checks and requires a fully booted node.",
        "Use one of the options covered in https://www.rabbitmq.com/monitoring.html#health-checks instead.",
        f"Timeout: {float(call.options.timeout or 70)} seconds ...",
        f"Checking health of node {call.node} ...",
    )
    found = alarm_lines(node(call))
    if found:
        raise Failure("\n".join(["Error:", "Node is not healthy:", *found]), SOFTWARE)
    call.out.say("Health check passed")


# --- facts


@tasks()
def server_version(call: Call) -> None:
    """Print the version of RabbitMQ that the broker is like."""
    call.out.banner(f"Asking node {call.node} for its RabbitMQ version...")
    version = call.api.get("overview", columns="rabbitmq_version")["rabbitmq_version"]
    if call.out.is_json:
        call.out.json({"result": "ok", "value": version})
    else:
        call.out.say(version)


@tasks("", flag("--details"), flag("--offline"))
def erlang_version(call: Call, *, details: bool, offline: bool) -> None:
    """Print what stands in place of Erlang's version."""
    call.out.banner(f"Asking node {call.node} for its Erlang/OTP version...")
    overview = call.api.get("overview", columns="erlang_version,erlang_full_version")
    call.out.say(overview["erlang_full_version" if details else "erlang_version"])


@tasks("", option("--unit", type=UNIT, default="gb", text="The unit of sizes."))
def memory_breakdown(call: Call, *, unit: str) -> None:
    """Show the memory by what it is for."""
    call.out.banner(f"Reporting memory breakdown on node {call.node}...")
    memory: dict[str, Any] = call.api.get("nodes", node(call)["name"], "memory")["memory"]
    if call.out.is_json:
        call.out.json(memory)
        return
    for line in breakdown(memory, unit):
        call.out.say(line)


@tasks()
def list_node_auth_attempt_stats(call: Call) -> None:
    """Count the attempts to log in, by protocol."""
    call.out.banner(f"Gathering auth attempts in node {call.node} ...")
    rows = call.api.get("auth", "attempts", node(call)["name"])
    columns = ("protocol", "auth_attempts", "auth_attempts_failed", "auth_attempts_succeeded")
    call.out.rows(columns, rows)


@tasks()
def reset_node_auth_attempt_metrics(call: Call) -> None:
    """Count them from 0 again."""
    call.out.banner(f"Reset auth attempt metrics on node {call.node} ...")
    call.api.delete("auth", "attempts", node(call)["name"])


@tasks("", flag("--all"))
def log_location(call: Call, **every: bool) -> None:
    """Show where the log goes."""
    call.out.banner(f"Printing node {call.node} log files ...")
    for file in node(call).get("log_files", ()):
        call.out.say(file)


@tasks()
def maybe_stuck(call: Call) -> None:
    """List what has not moved. There is nothing that could stand still by itself."""
    call.out.banner(f"Asking node {call.node} to detect potentially stuck Erlang processes...")
    call.api.get("overview", columns="node")


@tasks()
def discover_peers(call: Call) -> None:
    """List other nodes. There are none."""
    call.out.banner("Discovering peers nodes ...")
    call.api.get("overview", columns="node")
    call.out.say("No peers discovered")
