"""The node: its start and stop, its features, and what is not there."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from amqpy.ctl.api import ApiError
from tests.ctl.fake import NODE, FakeApi, Nowhere, Said, Tools
from tests.ctl.healthy import well


def test_feature_flags(tools: Tools) -> None:
    said = tools.run("ctl list_feature_flags", well())
    assert said.out == "Listing feature flags ...\nname\tstate\nquorum_queue\tenabled\n"
    assert tools.run("ctl enable_feature_flag all", well()).out == "Enabling all feature flags ...\n"
    api = well()
    assert tools.run("ctl enable_feature_flag quorum_queue", api).out == 'Enabling feature flag "quorum_queue" ...\n'
    assert api.changes == [("PUT", "feature-flags/quorum_queue/enable", {})]
    api = well(**{"PUT feature-flags nope enable": ApiError(400, "unsupported")})
    said = tools.run("ctl enable_feature_flag nope", api)
    assert (said.code, said.err) == (64, f"Error:\nThis feature flag is not supported by node {NODE}\n")
    api = well(**{"GET deprecated-features used": [{"name": "f", "deprecation_phase": "removed"}]})
    assert tools.run("ctl -s list_deprecated_features --used", api).out == "f\tremoved\n"


@pytest.mark.parametrize(
    ("line", "out"),
    [
        ("start_app", f"Starting node {NODE} ...\n"),
        ("force_gc", f"Will ask all processes on node {NODE} to schedule a full sweep GC\n"),
        ("await_startup", ""),
        (
            "await_online_nodes 1",
            f"Will wait for at least 1 nodes to join the cluster of {NODE}. Timeout: 300 seconds.\n",
        ),
        ("set_cluster_name foo", "Setting cluster name to foo ...\n"),
        ("post_upgrade", "Executing post upgrade tasks...\nRebalancing queue masters...\n\n"),
        (
            "revive",
            f"Will put node {NODE} back into regular operating mode. The node will again serve client traffic and "
            "host primary queue replicas.\n",
        ),
        (
            "await_online_quorum_plus_one",
            "Will wait for a quorum + 1 of nodes to be online for all quorum queues for 120 seconds...\n"
            "Target node seems to be the only one in a single node cluster, the command does not apply\n",
        ),
        (
            "await_online_synchronized_mirror",
            "Will wait for a synchronised mirror be online for all classic mirrored queues for 120 seconds...\n"
            "Target node seems to be the only one in a single node cluster, the command does not apply\n",
        ),
    ],
)
def test_there_is_not_much_to_do(line: str, out: str, tools: Tools) -> None:
    assert tools.run(f"ctl {line}", well()) == (0, out, "")


@pytest.mark.parametrize(
    "line",
    [
        "stop_app",
        "reset",
        "force_reset",
        "join_cluster rabbit@b",
        "forget_cluster_node rabbit@b",
        "rotate_logs",
        "set_log_level debug",
        "set_log_level nope",
        "set_vm_memory_high_watermark 0.5",
        "set_disk_free_limit 1GB",
        "eval 1+1.",
        "drain",
    ],
)
def test_some_things_are_not_supported(line: str, tools: Tools) -> None:
    said = tools.run(f"ctl {line}", well())
    assert (said.code, said.out) == (69, "")
    assert said.err.startswith("Error:\n")


def test_a_broker_that_does_not_come_is_not_waited_for_forever(tools: Tools) -> None:
    said = tools.run("ctl await_startup -t 0.01", Nowhere())
    assert said.code == 69
    said = tools.run(f"ctl await_online_nodes 2 -t 0.01 -n {NODE}", well())
    late = f"Error: operation await_online_nodes on node {NODE} timed out. Timeout value used: 10\n"
    assert (said.code, said.err) == (75, late)


def waited(tools: Tools, *line: str, api: FakeApi | None = None) -> Said:
    return tools.run(["ctl", "wait", "-t", "0.01", "-n", NODE, *line], api or well())


def test_a_process_is_waited_for(tools: Tools, tmp_path: Path) -> None:
    pid, file = os.getpid(), tmp_path / "pid"
    waiting = f"Waiting for erlang distribution on node '{NODE}' while OS process '{pid}' is running\n"
    up = (
        f"Waiting for applications 'rabbit_and_plugins' to start on node '{NODE}'\n"
        f"Applications 'rabbit_and_plugins' are running on node '{NODE}'\n"
    )
    assert waited(tools, "--pid", str(pid)) == (0, f"{waiting}{up}", "")
    late = (75, f"Error: operation wait on node {NODE} timed out. Timeout value used: 10\n")
    said = waited(tools, str(file))
    assert said.out == f"Waiting for pid file '{file}' to appear\n"
    assert (said.code, said.err) == late
    file.write_text(f"{pid}\n")
    assert waited(tools, str(file)).out == f"Waiting for pid file '{file}' to appear\npid is {pid}\n{waiting}{up}"
    said = waited(tools, "--pid", str(pid), api=Nowhere())
    assert (said.code, said.err) == late
    for line in ([], ["--pid", "1", str(file)]):
        assert waited(tools, *line).code == 64


def test_a_process_that_has_ended_is_not_waited_for(tools: Tools) -> None:
    with sleeper() as process:
        process.kill()
        process.wait()
        said = waited(tools, "--pid", str(process.pid), api=Nowhere())
    assert (said.code, said.err) == (69, "Error:\nprocess_not_running\n")


@contextmanager
def sleeper() -> Iterator["subprocess.Popen[bytes]"]:
    """A process that waits for its end."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_process_is_stopped(tools: Tools) -> None:
    with sleeper() as process:
        api = well()
        api.pid = process.pid
        assert tools.run("ctl stop", api) == (0, f"Stopping and halting node {NODE} ...\n", "")
        assert process.wait() == -signal.SIGTERM


def test_a_broker_elsewhere_is_not_stopped(tools: Tools) -> None:
    said = tools.run("ctl stop", well())
    assert said.code == 69
    assert said.err.startswith("Error:\na broker can only be stopped over its control socket")


def test_a_process_may_be_gone_already(tools: Tools) -> None:
    with sleeper() as process:
        process.kill()
        process.wait()
    api = well()
    api.pid = process.pid
    said = tools.run("ctl stop", api)
    assert (said.code, said.err) == (69, f"Error:\nthe process {process.pid} cannot be stopped: No such process\n")


def test_a_process_may_not_end(tools: Tools) -> None:
    ignoring = "import signal, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", ignoring], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        api = well()
        api.pid = process.pid
        said = tools.run("ctl stop -t 0.01", api)
        process.kill()
    assert (said.code, said.err) == (69, f"Error:\nthe process {process.pid} has not stopped\n")


def test_a_broker_that_does_not_run_cannot_be_stopped(tools: Tools) -> None:
    assert tools.run("ctl stop", Nowhere()).code == 69
    said = tools.run(f"ctl stop --idempotent -n {NODE}", Nowhere())
    assert said == (0, f"Idempotent shutdown: node {NODE} was already shut down\n", "")


def test_the_version_is_that_of_the_settings(tools: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
    for variables, version in ({"PROFILE": "rabbitmq-3.10"}, "3.10.8"), ({"VERSION": "3.9.1"}, "3.9.1"):
        for name, value in variables.items():
            monkeypatch.setenv(f"AMQPY_{name}", value)
        for line in ("ctl version", "ctl --version", "diagnostics version"):
            assert tools.run(line, Nowhere()) == (0, f"{version}\n", "")
    monkeypatch.setenv("AMQPY_PROFILE", "nope")
    assert tools.run("ctl version", Nowhere()).code == 78
