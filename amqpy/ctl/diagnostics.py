"""Health checks and facts: `amqpy diagnostics`, as RabbitMQ's `rabbitmq-diagnostics`.

A check that fails has something on standard error, and the exit code 69.

Source: `RabbitMQ.CLI.Diagnostics.Commands.*`, `node_health_check_command.ex`.
"""

import json
import socket
from collections.abc import Iterable
from typing import Any, NoReturn

from amqpy.ctl.api import ApiError
from amqpy.ctl.facts import Listener, alarm_lines, described, listeners, node, protocol_named
from amqpy.ctl.failures import DATA_ERROR, SOFTWARE, UNAVAILABLE, BadArguments, Failure, Unreachable, error
from amqpy.ctl.options import Call, Tasks, flag, option
from amqpy.ctl.status import UNIT, breakdown, listeners_as_json, shares

tasks = Tasks()

WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}
CONNECT_S = 5.0
ALONE = "seems to be the only one in a single node cluster, the check does not apply"


def answer(call: Call, text: str, *, says_so: bool = True, **facts: object) -> None:
    """Tells the result of a check that has not failed; some do not if they are to be silent."""
    if call.out.is_json:
        call.out.json({"result": "ok", **facts})
    elif says_so or not call.out.is_silent:
        call.out.say(text)


def fail(
    call: Call, text: str, *lines: str, code: int = UNAVAILABLE, is_bare: bool = False, **facts: object
) -> NoReturn:
    """Raises Failure, with the result of a check: a text, or lines in its place. RabbitMQ says `Error:` before most."""
    if call.out.is_json:
        told = {"message": text, "result": "error", **facts}
        raise Failure(json.dumps(told, separators=(",", ":"), sort_keys=True), code)
    raise Failure("\n".join([*([] if is_bare else ["Error:"]), *(lines or [text])]), code)


@tasks("", needs_broker=False)
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
        fail(call, f"Failed to connect and authenticate to {call.node} in {timeout_ms} ms")
    if call.out.is_json:
        call.out.json({"message": "Ping succeeded"})
    else:
        call.out.say("Ping succeeded")


def _tell_that_it_runs(call: Call) -> None:
    call.api.get("overview", columns="node")
    text = f"RabbitMQ on node {call.node} is fully booted and running"
    if call.out.is_json:
        call.out.json({"message": text})
    else:
        call.out.say(text)


@tasks("", needs_broker=False)
def check_running(call: Call) -> None:
    """Look if the broker serves."""
    call.out.banner(f"Checking if RabbitMQ is running on node {call.node} ...")
    _tell_that_it_runs(call)


@tasks("", needs_broker=False)
def is_running(call: Call) -> None:
    """The same."""
    call.out.banner(f"Asking node {call.node} for its status ...")
    _tell_that_it_runs(call)


@tasks("", needs_broker=False)
def is_booting(call: Call) -> None:
    """Tell that the broker is not about to start: who answers has started."""
    call.out.banner(f"Asking node {call.node} for its boot status ...")
    call.api.get("overview", columns="node")
    text = "is fully booted (check with is_running), stopped or has not started booting yet"
    call.out.say(f"RabbitMQ on node {call.node} {text}")


def _check_alarms(call: Call, well: str, ill: str, *, is_bare: bool, **facts: Any) -> None:  # noqa: ANN401
    call.out.banner(f"Asking node {call.node} to report any local resource alarms ...")
    found = alarm_lines(node(call))
    if found:
        fail(call, f"Node {call.node} reported {ill}", *found, is_bare=is_bare, local=found, **facts)
    answer(call, f"Node {call.node} reported {well}", says_so=False)


@tasks()
def check_local_alarms(call: Call) -> None:
    """Fail if memory or disk is short."""
    _check_alarms(call, "no local alarms", "local alarms", is_bare=False)


@tasks()
def check_alarms(call: Call) -> None:
    """The same."""
    _check_alarms(call, "no alarms, local or clusterwide", "alarms", is_bare=True, **{"global": []})


@tasks()
def alarms(call: Call) -> None:
    """List what is short."""
    call.out.banner(f"Asking node {call.node} to report any known resource alarms ...")
    found = alarm_lines(node(call))
    if call.out.is_json:
        told = {"local": found, "global": [], "message": f"Node {call.node} reported alarms"}
        call.out.json({"result": "ok", **(told if found else {"node": call.node, "alarms": []})})
        return
    for line in found or [f"Node {call.node} reported no alarms, local or clusterwide"]:
        call.out.say(line)


# --- listeners


@tasks()
def check_port_connectivity(call: Call) -> None:
    """Connect to every port that the broker listens on."""
    call.out.banner(f"Testing TCP connections to all active listeners on node {call.node} ...")
    found = listeners(call)
    bad = [each for each in found if not _can_connect(call, str(each["ip_address"]), int(each["port"]))]
    if bad:
        text = f"Connection to ports of the following listeners on node {call.node} failed: "
        fail(call, text, text, *map(described, bad), failures=listeners_as_json(bad), node=call.node)
    text = f"Successfully connected to ports {_ports(found)} on node {call.node}."
    answer(call, text, listeners=listeners_as_json(found), node=call.node)


def _ports(found: Iterable[Listener]) -> str:
    return ", ".join(str(port) for port in sorted({int(each["port"]) for each in found}))


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
        raise BadArguments("Bad argument: Argument must be a positive integer", DATA_ERROR)
    call.out.banner(f"Asking node {call.node} if there's an active listener on port {text} ...")
    found = listeners(call)
    if int(text) not in {int(each["port"]) for each in found}:
        missing = f"No listener for port {text} is active on node {call.node}."
        fail(call, f"{missing} Found listeners that use the following ports: {_ports(found)}", is_bare=True)
    answer(call, f"A listener for port {text} is running on node {call.node}.", node=call.node, port=text)


@tasks("<protocol>")
def check_protocol_listener(call: Call, name: str) -> None:
    """Look if the broker listens for a protocol."""
    call.out.banner(f"Asking node {call.node} if there's an active listener for protocol {name} ...")
    there, protocol = sorted({str(each["protocol"]) for each in listeners(call)}), protocol_named(name)
    if protocol not in there:
        missing = f"No listener for protocol {name} is active on node {call.node}."
        fail(call, f"{missing} Found listeners for the following protocols: {', '.join(there)}")
    answer(
        call, f"A listener for protocol {protocol} is running on node {call.node}.", node=call.node, protocol=protocol
    )


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
    answer(call, f"Node {call.node} reported all vhosts as running", says_so=False)


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
    answer(call, f"Node {call.node} {ALONE}")


@tasks()
def check_if_node_is_mirror_sync_critical(call: Call) -> None:
    """The same for mirrors, of which there are none."""
    call.out.banner(f"Checking if node {call.node} is critical for data safety of any classic mirrored queues ...")
    call.api.get("overview", columns="node")
    answer(call, f"Node {call.node} {ALONE}")


@tasks()
def node_health_check(call: Call) -> None:
    """Look if the broker is well, as older versions did."""
    call.out.banner(
        "This command is DEPRECATED and will be removed in a future version.",
        "It performs intrusive, opinionated health checks and requires a fully booted node.",
        "Use one of the options covered in https://www.rabbitmq.com/monitoring.html#health-checks instead.",
        f"Timeout: {call.options.timeout or 70} seconds ...",
        f"Checking health of node {call.node} ...",
    )
    try:
        call.api.get("healthchecks", "node")
    except ApiError as refusal:
        raise error(f"Error: health check failed. Message: {refusal.text}", SOFTWARE) from None
    call.out.say("Health check passed")


# --- facts


@tasks("", needs_broker=False)
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
    call.out.say(overview["erlang_full_version"] if details else f"Erlang/OTP {overview['erlang_version']}")


@tasks("", option("--unit", type=UNIT, default="gb", text="The unit of sizes."))
def memory_breakdown(call: Call, *, unit: str) -> None:
    """Show the memory by what it is for."""
    call.out.banner(f"Reporting memory breakdown on node {call.node}...")
    memory: dict[str, Any] = call.api.get("nodes", node(call)["name"], "memory")["memory"]
    if call.out.is_json:
        call.out.json(shares(memory))
        return
    for line in breakdown(memory, unit, space=""):
        call.out.say(line)
    call.out.say("")


@tasks()
def list_node_auth_attempt_stats(call: Call) -> None:
    """Count the attempts to log in, by protocol."""
    call.out.banner(f'Listing authentication\n attempts for node "{call.node}" ...')
    rows = call.api.get("auth", "attempts", node(call)["name"])
    if not rows and not call.out.is_json:
        call.out.say(f"Node {call.node} reported no authentication attempt stats")
        return
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
    call.out.banner(f"Log file location(s) on node {call.node} ...")
    for file in node(call).get("log_files", ()):
        call.out.say(file)


@tasks()
def discover_peers(call: Call) -> None:
    """List other nodes. There are none."""
    call.out.banner("Discovering peers nodes ...")
    call.api.get("overview", columns="node")
    call.out.say("No peers discovered")
