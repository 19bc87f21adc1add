"""The node: its start and stop, its features, and what RabbitMQ has that there is no need for here.

Source: RabbitMQ's `stop_command.ex`, `await_startup_command.ex`, `wait_command.ex`, `list_feature_flags_command.ex`, …
"""

import os
import select
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from amqpy.config.sources import load
from amqpy.config.values import ConfigError
from amqpy.ctl.api import ApiError
from amqpy.ctl.failures import CONFIG, USAGE, BadArguments, Failure, TimedOut, Unreachable, error
from amqpy.ctl.options import Call, Tasks, flag, option
from amqpy.ctl.status import feature_flags
from amqpy.ctl.tables import check_columns
from amqpy.profile import profile_named

tasks = Tasks()

AWAIT_S: Final = 300.0
WAIT_S: Final = 10.0
STOP_S: Final = 60.0
STEP_S: Final = 0.1
LOG_LEVELS: Final = ("debug", "info", "warning", "error", "critical", "none")
ALONE: Final = "Target node seems to be the only one in a single node cluster, the command does not apply"


def is_up(call: Call) -> bool:
    """True if the broker answers. Raises ApiError if it does not let us in."""
    try:
        api = call.options.connect(call.options)
        try:
            api.get("overview", columns="node")
        finally:
            api.close()
    except Unreachable:
        return False
    return True


def wait_until(is_so: Callable[[], bool], seconds: float) -> bool:
    """Waits until something is so; False if it was not in this time."""
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() >= deadline:
            return False
        time.sleep(STEP_S)
    return True


# --- start and stop


@tasks("", needs_broker=False)
def await_startup(call: Call) -> None:
    """Wait until the broker serves."""
    if not wait_until(lambda: is_up(call), call.options.timeout or AWAIT_S):
        call.api.check()  # which says why not


@tasks("[<pidfile>]", option("-P", "--pid", type=int, metavar="PID", text="The broker's process."), needs_broker=False)
def wait(call: Call, pidfile: str | None = None, *, pid: int | None) -> None:
    """Wait until the broker serves whose process it is, or whose process has its number in a file."""
    if pidfile is None and pid is None:
        raise BadArguments("No pid or pidfile specified")
    if pidfile is not None and pid is not None:
        raise BadArguments("Cannot specify both pid and pidfile")
    seconds = call.options.timeout or WAIT_S
    late, deadline = TimedOut("wait", call.node, seconds), time.monotonic() + seconds
    if pidfile is not None:
        call.out.banner(f"Waiting for pid file '{pidfile}' to appear")
        if not wait_until(lambda: _pid_in(pidfile) is not None, seconds):
            raise late
        pid = _pid_in(pidfile)
        call.out.banner(f"pid is {pid}")
    assert pid is not None
    call.out.banner(f"Waiting for erlang distribution on node '{call.node}' while OS process '{pid}' is running")
    if not wait_until(lambda: is_up(call) or not is_running(pid), deadline - time.monotonic()):
        raise late
    if not is_running(pid):
        raise error("process_not_running")
    call.out.banner(f"Waiting for applications 'rabbit_and_plugins' to start on node '{call.node}'")
    call.out.banner(f"Applications 'rabbit_and_plugins' are running on node '{call.node}'")


def _pid_in(file: str) -> int | None:
    try:
        return int(Path(file).read_text())
    except (OSError, ValueError):
        return None


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@tasks("[<pidfile>]", flag("--idempotent", text="A broker that does not run is no error."), needs_broker=False)
def stop(call: Call, pidfile: str | None = None, *, idempotent: bool) -> None:
    """Stop the broker, and wait until it has stopped. Needs the control socket."""
    try:
        pid = call.api.process_id()
    except Unreachable:
        if idempotent:
            call.out.note(f"Idempotent shutdown: node {call.node} was already shut down")
            return
        raise
    call.out.banner(f"Stopping and halting node {call.node} ...")
    if not pid:
        raise error("a broker can only be stopped over its control socket, by a system that tells whose it is")
    call.api.close()
    try:
        has_ended = end_process(pid, call.options.timeout or STOP_S)
    except OSError as problem:
        raise error(f"the process {pid} cannot be stopped: {problem.strerror}") from None
    if not has_ended:
        raise error(f"the process {pid} has not stopped")


def end_process(pid: int, seconds: float) -> bool:
    """Ends a process in order; False if it still runs after this time."""
    # By its handle: the process is over when it has ended, even if its parent does not ask for its exit code.
    process = os.pidfd_open(pid)
    try:
        signal.pidfd_send_signal(process, signal.SIGTERM)
        return bool(select.select([process], [], [], seconds)[0])
    finally:
        os.close(process)


@tasks("", needs_broker=False)
def shutdown(call: Call) -> None:
    """The same as stop."""
    stop(call, idempotent=False)


@tasks()
def start_app(call: Call) -> None:
    """Start the broker in its node. Here it always runs in it."""
    call.out.banner(f"Starting node {call.node} ...")
    call.api.get("overview", columns="node")


def unsupported(what: str) -> Failure:
    return error(f"{what} is not supported by amqpy")


@tasks()
def stop_app(call: Call) -> None:
    """Not supported: there is no node apart from the broker."""
    raise unsupported("stopping the broker in a node that goes on")


@tasks()
def reset(call: Call) -> None:
    """Not supported: stop the broker, and delete its data directory."""
    raise unsupported("resetting a node")


@tasks()
def force_reset(call: Call) -> None:
    """Not supported, as reset."""
    raise unsupported("resetting a node")


@tasks("<node>", flag("--ram"), flag("--disc"))
def join_cluster(call: Call, other: str, *, ram: bool, disc: bool) -> None:
    """Not supported: a broker is one node."""
    raise unsupported("a cluster of several nodes")


@tasks("<node>", flag("--offline"))
def forget_cluster_node(call: Call, other: str, *, offline: bool) -> None:
    """Not supported: a broker is one node."""
    raise error("{:not_a_cluster_node, 'The node selected is not in the cluster.'}")


@tasks("<name>")
def set_cluster_name(call: Call, name: str) -> None:
    """Set the name that clients are told."""
    call.out.banner(f"Setting cluster name to {name} ...")
    call.api.put("cluster-name", body={"name": name})


# --- features


@tasks("[<column> ...]")
def list_feature_flags(call: Call, *columns: str) -> None:
    """List feature flags. All are enabled."""
    asked = check_columns(columns, ("name", "state", "stability", "provided_by", "desc", "doc_url")) or (
        "name",
        "state",
    )
    call.out.banner("Listing feature flags ...")
    call.out.rows(asked, feature_flags(call))


@tasks("<flag>")
def enable_feature_flag(call: Call, name: str) -> None:
    """Enable a feature flag, or `all`."""
    if name == "all":
        call.out.banner("Enabling all feature flags ...")
        feature_flags(call)
        return
    call.out.banner(f'Enabling feature flag "{name}" ...')
    try:
        call.api.put("feature-flags", name, "enable", body={})
    except ApiError as refusal:
        if refusal.status == 400:
            raise error(f"This feature flag is not supported by node {call.node}", USAGE) from None
        raise


@tasks("", flag("--used"))
def list_deprecated_features(call: Call, *, used: bool) -> None:
    """List deprecated features, if the profile has any."""
    call.out.banner("Listing deprecated features ...")
    path = ("deprecated-features", "used") if used else ("deprecated-features",)
    call.out.rows(("name", "deprecation_phase"), call.api.get(*path))


# --- nothing to do


@tasks()
def rotate_logs(call: Call) -> None:
    """Not supported any more, by RabbitMQ neither: the log goes to standard error."""
    raise error("This command does not rotate logs anymore [deprecated]")


@tasks()
def force_gc(call: Call) -> None:
    """Nothing to do: Python frees what nobody needs at once."""
    call.out.banner(f"Will ask all processes on node {call.node} to schedule a full sweep GC")


@tasks("<count>", needs_broker=False)
def await_online_nodes(call: Call, count: str) -> None:
    """Wait until so many nodes run. There is one."""
    seconds = call.options.timeout or AWAIT_S
    call.out.banner(
        f"Will wait for at least {count} nodes to join the cluster of {call.node}. Timeout: {round(seconds)} seconds."
    )
    if not wait_until(lambda: count in {"0", "1"} and is_up(call), seconds):
        raise TimedOut("await_online_nodes", call.node, seconds)


@tasks("<level>")
def set_log_level(call: Call, level: str) -> None:
    """Not supported: the setting log_level says it."""
    if level.split(":")[-1] not in LOG_LEVELS:
        raise error(f"level {level} is not supported. Try one of {', '.join(LOG_LEVELS)}")
    raise unsupported("another level of the log of a running broker (the setting log_level)")


@tasks("<fraction> [<value>]")
def set_vm_memory_high_watermark(call: Call, fraction: str, value: str | None = None) -> None:
    """Not supported: the setting memory_high_watermark says it."""
    raise unsupported("another limit of memory of a running broker (the setting memory_high_watermark)")


@tasks("<limit> [<value>]")
def set_disk_free_limit(call: Call, limit: str, value: str | None = None) -> None:
    """Not supported: the setting disk_free_limit says it."""
    raise unsupported("another limit of the disk of a running broker (the setting disk_free_limit)")


@tasks("<expression> [<more> ...]", name="eval", needs_broker=False)
def evaluate(call: Call, *expression: str) -> None:
    """Not supported: there is no Erlang."""
    raise unsupported("Erlang")


@tasks("", needs_broker=False)
def version(call: Call) -> None:
    """Print the version of RabbitMQ that a broker with these settings is like. `server_version` asks it."""
    call.out.say(version_text())


def version_text() -> str:
    """Raises Failure if the settings are not good."""
    try:
        config = load({}, os.environ)
    except ConfigError as problem:
        raise error(str(problem), CONFIG) from None
    return config.version or profile_named(config.profile).version


# --- upgrades


@tasks()
def drain(call: Call) -> None:
    """Not supported: stop the broker instead, which waits for what is being written."""
    raise unsupported("maintenance mode")


@tasks()
def revive(call: Call) -> None:
    """Nothing to do: a broker that runs is in no maintenance mode."""
    call.out.banner(
        f"Will put node {call.node} back into regular operating mode. "
        "The node will again serve client traffic and host primary queue replicas."
    )


@tasks()
def await_online_quorum_plus_one(call: Call) -> None:
    """Wait until a node more than needed runs. A single node waits for nobody."""
    call.out.banner(
        f"Will wait for a quorum + 1 of nodes to be online for all quorum queues for {_patience(call)} seconds..."
    )
    call.out.say(ALONE)


@tasks()
def await_online_synchronized_mirror(call: Call) -> None:
    """The same for mirrors, of which there are none."""
    call.out.banner(
        "Will wait for a synchronised mirror be online for all classic mirrored queues for "
        f"{_patience(call)} seconds..."
    )
    call.out.say(ALONE)


def _patience(call: Call) -> int:
    return round(call.options.timeout or 120)


@tasks()
def post_upgrade(call: Call) -> None:
    """Nothing to do."""
    call.out.banner("Executing post upgrade tasks...", "Rebalancing queue masters...", "")
