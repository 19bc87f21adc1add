"""Health checks and facts: what is said, and the exit codes. The texts are RabbitMQ's."""

import json
import socket

import pytest

from amqpy.ctl.api import ApiError
from tests.ctl.fake import NODE, Nowhere, Tools
from tests.ctl.healthy import HERE, LISTENERS, OVERVIEW, well

ILL = {"GET nodes": [{**HERE, "mem_alarm": True, "disk_free_alarm": True}]}

ASKING = f"Asking node {NODE}"
CHECKS = [
    (
        "ping",
        f"Will ping {NODE}. This only checks if the OS process is running and registered with epmd. Timeout: 60000 ms.",
        "Ping succeeded",
    ),
    (
        "check_running",
        f"Checking if RabbitMQ is running on node {NODE} ...",
        f"RabbitMQ on node {NODE} is fully booted and running",
    ),
    ("is_running", f"{ASKING} for its status ...", f"RabbitMQ on node {NODE} is fully booted and running"),
    (
        "is_booting",
        f"{ASKING} for its boot status ...",
        f"RabbitMQ on node {NODE} is fully booted (check with is_running), stopped or has not started booting yet",
    ),
    (
        "check_local_alarms",
        f"{ASKING} to report any local resource alarms ...",
        f"Node {NODE} reported no local alarms",
    ),
    (
        "check_alarms",
        f"{ASKING} to report any local resource alarms ...",
        f"Node {NODE} reported no alarms, local or clusterwide",
    ),
    (
        "alarms",
        f"{ASKING} to report any known resource alarms ...",
        f"Node {NODE} reported no alarms, local or clusterwide",
    ),
    (
        "check_port_listener 5672",
        f"{ASKING} if there's an active listener on port 5672 ...",
        f"A listener for port 5672 is running on node {NODE}.",
    ),
    (
        "check_protocol_listener amqp091",
        f"{ASKING} if there's an active listener for protocol amqp091 ...",
        f"A listener for protocol amqp is running on node {NODE}.",
    ),
    (
        "check_virtual_hosts",
        f"Checking if all vhosts are running on node {NODE} ...",
        f"Node {NODE} reported all vhosts as running",
    ),
    (
        "check_if_node_is_quorum_critical",
        f"Checking if node {NODE} is critical for quorum of any quorum queues ...",
        f"Node {NODE} seems to be the only one in a single node cluster, the check does not apply",
    ),
    ("server_version", f"{ASKING} for its RabbitMQ version...", "3.10.8"),
    ("erlang_version", f"{ASKING} for its Erlang/OTP version...", "Erlang/OTP 25"),
    ("log_location", f"Log file location(s) on node {NODE} ...", "<stderr>"),
    ("discover_peers", "Discovering peers nodes ...", "No peers discovered"),
    (
        "listeners",
        f"{ASKING} to report its protocol listeners ...",
        "Interface: 127.0.0.1, port: 5672, protocol: amqp, purpose: AMQP 0-9-1 and AMQP 1.0\n"
        "Interface: [::], port: 15672, protocol: http, purpose: HTTP API",
    ),
]


@pytest.mark.parametrize(("line", "banner", "answer"), CHECKS)
def test_all_is_well(line: str, banner: str, answer: str, tools: Tools) -> None:
    assert tools.run(f"diagnostics {line}", well()) == (0, f"{banner}\n{answer}\n", "")
    assert tools.run(f"diagnostics -q {line}", well()) == (0, f"{answer}\n", "")


def test_silent_checks_are_silent(tools: Tools) -> None:
    assert tools.run("diagnostics -s check_alarms", well()) == (0, "", "")
    assert tools.run("diagnostics -s check_virtual_hosts", well()) == (0, "", "")
    assert tools.run("diagnostics -s ping", well()) == (0, "Ping succeeded\n", "")
    said = tools.run("diagnostics -s check_port_listener 5672", well())
    assert said.out == f"A listener for port 5672 is running on node {NODE}.\n"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("check_running", {"message": f"RabbitMQ on node {NODE} is fully booted and running"}),
        ("check_local_alarms", {"result": "ok"}),
        ("alarms", {"alarms": [], "node": NODE, "result": "ok"}),
        ("check_port_listener 5672", {"node": NODE, "port": "5672", "result": "ok"}),
        ("check_protocol_listener amqp", {"node": NODE, "protocol": "amqp", "result": "ok"}),
        ("server_version", {"result": "ok", "value": "3.10.8"}),
        ("check_virtual_hosts", {"result": "ok"}),
        (
            "memory_breakdown",
            {
                "other_system": {"bytes": 3_000_000_000, "percentage": 75.0},
                "binary": {"bytes": 1_000_000_000, "percentage": 25.0},
            },
        ),
    ],
)
def test_all_is_well_for_programs(line: str, told: object, tools: Tools) -> None:
    said = tools.run(f"diagnostics --formatter json {line}", well())
    assert said.code == 0
    assert json.loads(said.out) == told


SHORT = f"Memory alarm on node {NODE}\nFree disk space alarm on node {NODE}\n"


@pytest.mark.parametrize(
    ("line", "code", "err"),
    [
        ("check_local_alarms", 69, f"Error:\n{SHORT}"),
        ("check_alarms", 69, SHORT),
        (
            "check_port_listener 1",
            69,
            f"No listener for port 1 is active on node {NODE}. Found listeners that use the following ports: "
            "5672, 15672\n",
        ),
        (
            "check_protocol_listener mqtt",
            69,
            f"Error:\nNo listener for protocol mqtt is active on node {NODE}. Found listeners for the following "
            "protocols: amqp, http\n",
        ),
        ("check_virtual_hosts", 69, "Error:\nSome virtual hosts are down\n"),
        ("node_health_check", 70, "Error:\nError: health check failed. Message: resource alarm(s) in effect\n"),
    ],
)
def test_something_is_wrong(line: str, code: int, err: str, tools: Tools) -> None:
    failed = {
        "GET health checks virtual-hosts": ApiError(503, "Some virtual hosts are down"),
        "GET healthchecks node": ApiError(503, "resource alarm(s) in effect"),
    }
    said = tools.run(f"diagnostics -q {line}", well(**ILL, **failed))
    assert said == (code, "", err)


def test_alarms_are_listed(tools: Tools) -> None:
    assert tools.run("diagnostics -q alarms", well(**ILL)) == (0, SHORT, "")
    said = tools.run("diagnostics --formatter json alarms", well(**ILL))
    assert json.loads(said.out) == {
        "global": [],
        "local": SHORT.splitlines(),
        "message": f"Node {NODE} reported alarms",
        "result": "ok",
    }
    said = tools.run("diagnostics --formatter json check_local_alarms", well(**ILL))
    told = {"local": SHORT.splitlines(), "message": f"Node {NODE} reported local alarms", "result": "error"}
    assert (said.code, said.out, json.loads(said.err)) == (69, "", told)


def test_a_port_is_a_number(tools: Tools) -> None:
    said = tools.run("diagnostics check_port_listener x", well())
    assert (said.code, said.out) == (65, "")
    assert said.err.startswith("Error (argument validation): Bad argument: Argument must be a positive integer\n")


def test_ports_are_connected_to(tools: Tools) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        listener = {**LISTENERS[0], "ip_address": "0.0.0.0", "port": port}
        api = well(**{"GET overview": {**OVERVIEW, "listeners": [listener]}})
        said = tools.run("diagnostics -q check_port_connectivity", api)
        assert said == (0, f"Successfully connected to ports {port} on node {NODE}.\n", "")
    said = tools.run("diagnostics -q check_port_connectivity", api)
    assert said.code == 69
    assert said.err.startswith(f"Error:\nConnection to ports of the following listeners on node {NODE} failed: \n")


def test_certificates_are_checked(tools: Tools) -> None:
    said = tools.run("diagnostics -q check_certificate_expiration --within 2 --unit weeks", well())
    assert said == (0, "No certificates are expiring within 2 weeks.\n", "")


# --- no broker


@pytest.mark.parametrize("line", ["ctl list_queues", "ctl add_user a b", "diagnostics check_local_alarms", "status"])
def test_without_a_broker_nothing_is_said(line: str, tools: Tools) -> None:
    said = tools.run(f"{line} -n {NODE}", Nowhere())
    assert (said.code, said.out) == (69, "")
    assert said.err.startswith(f"Error: unable to perform an operation on node '{NODE}'. Please see diagnostics ")
    assert "/run/control.sock: No such file or directory" in said.err


def test_nobody_answers_a_ping(tools: Tools) -> None:
    said = tools.run(f"diagnostics -q ping -t 5 -n {NODE}", Nowhere())
    assert said == (69, "", f"Error:\nFailed to connect and authenticate to {NODE} in 5000 ms\n")


def test_a_node_without_a_broker_has_a_name(tools: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RABBITMQ_NODENAME", "other@host")
    said = tools.run("diagnostics check_running", Nowhere())
    assert said.out == "Checking if RabbitMQ is running on node other@host ...\n"


# --- status


def test_the_status_of_the_broker(tools: Tools) -> None:
    said = tools.run("ctl status", well())
    assert said.lines[:7] == [
        f"Status of node {NODE} ...",
        "\x1b[1mRuntime\x1b[0m",
        "",
        "OS PID: 123",
        said.lines[4],
        "Uptime (seconds): 93784",
        "Is under maintenance?: false",
    ]
    for line in (
        "RabbitMQ version: 3.10.8",
        " * rabbitmq_management",
        "Total memory used: 4.0 gb",
        "other_system: 3.0 gb (75.0 %)",
        "Free disk space: 63.0 gb",
        "Connection count: 1",
        "Queue count: 2",
        "Virtual host count: 1",
        "Interface: [::], port: 15672, protocol: http, purpose: HTTP API",
    ):
        assert line in said.lines
    assert said.lines[-1].startswith("Interface: ")


def test_the_status_for_programs(tools: Tools) -> None:
    told = json.loads(tools.run("ctl status --formatter json", well(**ILL)).out)
    assert (told["pid"], told["uptime"], told["rabbitmq_version"]) == (123, 93784, "3.10.8")
    assert told["totals"] == {"connection_count": 1, "queue_count": 2, "virtual_host_count": 1}
    assert told["alarms"] == SHORT.splitlines()
    assert list(told) == sorted(told)


def test_the_status_of_a_cluster_of_one(tools: Tools) -> None:
    said = tools.run("ctl cluster_status", well())
    assert "Cluster name: a cluster" in said.lines
    assert f"{NODE}: RabbitMQ 3.10.8 on Erlang 25" in said.lines
    assert f"Node: {NODE}, interface: [::], port: 15672, protocol: http, purpose: HTTP API" in said.lines
    assert said.lines[-1] == "Flag: quorum_queue, state: enabled"
    told = json.loads(tools.run("ctl cluster_status --formatter json", well()).out)
    assert (told["running_nodes"], told["partitions"], told["alarms"]) == ([NODE], {}, [])


def test_a_report_has_everything(tools: Tools) -> None:
    lists = ("queues", "exchanges", "bindings", "consumers", "policies")
    api = well(**{"GET connections": [], "GET channels": [], "GET parameters": [], "GET global-parameters": []})
    api.answers |= {f"GET {each} v1": [] for each in lists} | {"GET vhosts v1 permissions": []}
    api.answers |= {"GET vhosts": [{"name": "v1"}], "GET vhosts v1": {"name": "v1"}}
    api.answers["GET queues v1"] = [{"name": "q1", "messages_ready": 5}]
    said = tools.run("ctl report", api)
    assert (said.code, said.err) == (0, "")
    for line in (f"Status of node {NODE} ...", "Listing queues for vhost v1 ...", "Listing consumers in vhost v1 ..."):
        assert line in said.lines
    assert "q1\t\t\t\t[]\t\t5\t\t" in said.lines


def test_the_broker_at_a_glance(tools: Tools) -> None:
    queue = {"name": "a\x1bb", "vhost": "v1", "messages": 7, "messages_ready": 3, "consumers": 1}
    said = tools.run("status", well(**{"GET queues": {"items": [queue, {**queue, "messages": 0}]}}))
    assert said.lines[0] == f"{NODE} is up for 1 d 2 h, process 123"
    assert "memory    4 GB of 10 GB" in said.lines
    assert "messages  3 ready, 4 unacknowledged" in said.lines
    assert "rates     publish 1.5/s, deliver / get 0.0/s, ack 0.0/s" in said.lines
    assert said.lines[-2:] == ["messages  ready  consumers  queue", "       7      3          1  v1: a\\33b"]
    said = tools.run("status", well(**ILL, **{"GET queues": {"items": []}}))
    assert "alarms    ALARM: too little memory and disk; publishers are blocked" in said.lines
    assert json.loads(tools.run("status --formatter json", well()).out)["node"] == HERE


def test_the_memory(tools: Tools) -> None:
    said = tools.run("diagnostics -q memory_breakdown --unit mb", well())
    assert said.out == "other_system: 3000.0 mb (75.0%)\nbinary: 1000.0 mb (25.0%)\n\n"


def test_attempts_to_log_in(tools: Tools) -> None:
    attempts = {"protocol": "amqp091", "auth_attempts": 3, "auth_attempts_failed": 1, "auth_attempts_succeeded": 2}
    api = well(**{f"GET auth attempts {NODE}": [attempts]})
    assert tools.run("diagnostics -s list_node_auth_attempt_stats", api).out == "amqp091\t3\t1\t2\n"
    api = well(**{f"GET auth attempts {NODE}": []})
    said = tools.run("diagnostics -s list_node_auth_attempt_stats", api)
    assert said.out == f"Node {NODE} reported no authentication attempt stats\n"
    tools.run("diagnostics reset_node_auth_attempt_metrics", api)
    assert api.changes == [("DELETE", f"auth/attempts/{NODE}", {})]


def test_the_settings(tools: Tools) -> None:
    banner = f"Application environment of node {NODE} ...\n"
    assert tools.run("ctl environment", well()).out == f"{banner}{{}}\n"
    said = tools.run("ctl -q environment", well(**{"GET config effective": {"rabbit": {"a": 1}}}))
    assert json.loads(said.out) == {"rabbit": {"a": 1}}
