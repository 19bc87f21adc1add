"""Queues, exchanges, bindings, connections, channels and consumers: listed, and what is done to them."""

from typing import Any

import pytest

from amqpy.ctl.api import ApiError
from amqpy.ctl.values import process
from tests.ctl.fake import NODE, FakeApi, Tools

CONNECTION = "127.0.0.1:50000 -> 127.0.0.1:5672"
CHANNEL = f"{CONNECTION} (1)"

Q1: dict[str, Any] = {
    "name": "q1",
    "vhost": "/",
    "node": NODE,
    "type": "classic",
    "durable": True,
    "auto_delete": False,
    "exclusive": False,
    "arguments": {"x-max-length": 5},
    "policy": "p1",
    "messages": 2,
    "messages_ready": 1,
    "consumers": 1,
    "consumer_utilisation": 0.5,
    "state": "running",
    "message_stats": {"publish": 2},
}
Q2: dict[str, Any] = {**Q1, "name": "q2", "arguments": {}, "policy": None, "messages": 0, "consumers": 0}
Q3: dict[str, Any] = {
    **Q2,
    "name": "q3",
    "owner_pid_details": {"name": CONNECTION},
    "arguments": {"x-a": [1, {"b": True}]},
}
QUEUES = FakeApi({"GET queues /": [Q1, Q2, Q3]})

BANNER = "Timeout: 60.0 seconds ...\nListing queues for vhost / ...\n"


def test_queues_are_listed(tools: Tools) -> None:
    rows = "q1\t2\nq2\t0\nq3\t0\n"
    assert tools.run("ctl list_queues", QUEUES) == (0, f"{BANNER}name\tmessages\n{rows}", "")
    assert tools.run("ctl -q list_queues", QUEUES).out == f"name\tmessages\n{rows}"
    assert tools.run("ctl list_queues -s", QUEUES).out == rows
    assert tools.run("ctl list_queues --no-table-headers", QUEUES).out == f"{BANNER}{rows}"
    assert tools.run("ctl list_queues -t 10", QUEUES).out.startswith("Timeout: 10.0 seconds ...\n")


def test_columns_of_queues(tools: Tools) -> None:
    line = "ctl -s list_queues name durable arguments policy consumers consumer_utilisation disk_reads slave_pids"
    assert tools.run(line, QUEUES).out == (
        'q1\ttrue\t[{"x-max-length",5}]\tp1\t1\t0.5\t0\t[]\n'
        "q2\ttrue\t[]\t\t0\t0.5\t0\t[]\n"
        'q3\ttrue\t[{"x-a",[1,[{"b",true}]]}]\t\t0\t0.5\t0\t[]\n'
    )
    assert tools.run("ctl -s list_queues name,messages", QUEUES).out == "q1\t2\nq2\t0\nq3\t0\n"
    said = tools.run("ctl -s list_queues pid owner_pid", QUEUES)
    assert said.lines[2] == f"{process(NODE, '//q3')}\t{process(NODE, CONNECTION)}"


def test_queues_are_listed_for_programs(tools: Tools) -> None:
    said = tools.run("ctl list_queues name arguments policy durable --formatter json", QUEUES)
    assert said.out == (
        '[\n{"name":"q1","arguments":[["x-max-length","long",5]],"policy":"p1","durable":true}\n'
        ',{"name":"q2","arguments":[],"policy":"","durable":true}\n'
        ',{"name":"q3","arguments":[["x-a","array",[["long",1],["table",{"b":true}]]]],"policy":"","durable":true}\n]\n'
    )
    said = tools.run("ctl list_queues name arguments --formatter csv", QUEUES)
    assert said.lines[:2] == ['"name","arguments"', '"q1","[{""x-max-length"",5}]"']
    said = tools.run("ctl list_queues --formatter json_stream", QUEUES)
    assert said.lines[0] == '{"messages":2,"name":"q1"}'


@pytest.mark.parametrize(
    ("line", "path", "columns"),
    [
        ("list_queues", "queues//", "name,messages"),
        ("list_queues pid disk_reads slave_pids", "queues//", "name,node,vhost,message_stats"),
        ("list_bindings routing_key -p v1", "bindings/v1", "source,routing_key"),
        ("list_consumers channel_pid", "consumers//", "consumer_tag,channel_details"),
        ("list_connections protocol", "connections", "name,protocol"),
    ],
)
def test_only_what_is_shown_is_asked_for(line: str, path: str, columns: str, tools: Tools) -> None:
    api = FakeApi({})
    tools.run(f"ctl {line}", api)
    assert api.asked == [("GET", path, {"columns": columns})]


def test_a_table_in_a_frame(tools: Tools) -> None:
    said = tools.run("ctl -q list_queues --formatter pretty_table", FakeApi({"GET queues /": [Q1]}))
    assert said.lines == [
        "┌──────┬──────────┐",
        "│ name │ messages │",
        "├──────┼──────────┤",
        "│ q1   │ 2        │",
        "└──────┴──────────┘",
    ]


@pytest.mark.parametrize("form", ["table", "csv", "pretty_table"])
def test_no_rows(form: str, tools: Tools) -> None:
    """Also in a virtual host that does not exist."""
    for line in ("ctl -q list_queues", "ctl -q list_queues -p nope", "ctl -q list_queues --offline"):
        answers = {"GET queues /": [] if "offline" not in line else [Q1]}
        assert tools.run(f"{line} --formatter {form}", FakeApi(answers)) == (0, "", "")


def test_no_rows_for_programs(tools: Tools) -> None:
    assert tools.run("ctl list_queues --formatter json", FakeApi({"GET queues /": []})).out == "[\n]\n"


def test_an_unknown_column_is_refused_before_anything_is_said(tools: Tools) -> None:
    said = tools.run("ctl list_queues name nosuch nosuch2", QUEUES)
    assert (said.code, said.out) == (64, "")
    assert said.err.startswith(
        "Error (argument validation): Info key(s) nosuch,nosuch2 are not supported\n"
        "Arguments given:\n\tlist_queues name nosuch nosuch2\n"
    )


def test_names_do_not_make_rows(tools: Tools) -> None:
    api = FakeApi({"GET queues /": [{**Q1, "name": "a\tb\nc\x1b[2J\udcff"}]})
    assert tools.run("ctl -s list_queues", api).lines == ["a\\11b\\12c\\33[2J\\156377\t2"]
    assert tools.run("ctl list_queues --formatter json", api).out.count("�") == 1


def test_exchanges_and_bindings_are_listed(tools: Tools) -> None:
    exchange = {"name": "x1", "type": "topic", "durable": True, "arguments": {"alternate-exchange": "amq.fanout"}}
    binding = {
        "source": "x1",
        "destination": "q1",
        "destination_type": "queue",
        "routing_key": "a",
        "arguments": {"k": "v"},
    }
    api = FakeApi({"GET exchanges /": [exchange], "GET bindings /": [binding]})
    assert tools.run("ctl list_exchanges", api).out == "Listing exchanges for vhost / ...\nname\ttype\nx1\ttopic\n"
    said = tools.run("ctl -s list_exchanges name durable arguments policy", api)
    assert said.out == 'x1\ttrue\t[{"alternate-exchange","amq.fanout"}]\t\n'
    header = "source_name\tsource_kind\tdestination_name\tdestination_kind\trouting_key\targuments\n"
    assert tools.run("ctl list_bindings", api).out == (
        f'Listing bindings for vhost /...\n{header}x1\texchange\tq1\tqueue\ta\t[{{"k","v"}}]\n'
    )


CONNECTED = {
    "name": CONNECTION,
    "node": NODE,
    "vhost": "/",
    "user": "guest",
    "peer_host": "127.0.0.1",
    "peer_port": 50000,
    "state": "running",
    "protocol": "AMQP 0-9-1",
    "client_properties": {"product": "pika"},
}


def test_connections_are_listed(tools: Tools) -> None:
    api = FakeApi({"GET connections": [CONNECTED]})
    header = "user\tpeer_host\tpeer_port\tstate\n"
    assert tools.run("ctl list_connections", api).out == (
        f"Listing connections ...\n{header}guest\t127.0.0.1\t50000\trunning\n"
    )
    said = tools.run("ctl -s list_connections pid protocol client_properties", api)
    assert said.out == f'{process(NODE, CONNECTION)}\t{{0,9,1}}\t[{{"product","pika"}}]\n'


def test_channels_and_consumers_are_listed(tools: Tools) -> None:
    channel = {"name": CHANNEL, "node": NODE, "user": "guest", "consumer_count": 1, "messages_unacknowledged": 0}
    consumer = {
        "queue": {"name": "q1", "vhost": "/"},
        "channel_details": {"name": CHANNEL, "node": NODE},
        "consumer_tag": "ctag1",
        "ack_required": True,
        "prefetch_count": 0,
        "active": True,
        "arguments": {"x-priority": 5},
    }
    api = FakeApi({"GET channels": [channel], "GET consumers /": [consumer]})
    pid = process(NODE, CHANNEL)
    header = "pid\tuser\tconsumer_count\tmessages_unacknowledged\n"
    assert tools.run("ctl list_channels", api).out == f"Listing channels ...\n{header}{pid}\tguest\t1\t0\n"
    header = "queue_name\tchannel_pid\tconsumer_tag\tack_required\tprefetch_count\tactive\targuments\n"
    assert tools.run("ctl list_consumers", api).out == (
        f'Listing consumers in vhost / ...\n{header}q1\t{pid}\tctag1\ttrue\t0\ttrue\t[{{"x-priority",5}}]\n'
    )


def test_all_queues_respond(tools: Tools) -> None:
    assert tools.run("ctl list_unresponsive_queues", QUEUES).out == "Listing unresponsive queues for vhost / ...\n"


# --- queues


@pytest.mark.parametrize(
    ("line", "banner", "query"),
    [
        ("delete_queue q1", "...", {}),
        ("delete_queue q1 --if-empty", "if queue is empty ...", {"if-empty": True}),
        ("delete_queue q1 -u", "if queue is unused ...", {"if-unused": True}),
        (
            "delete_queue q1 -e -u",
            "if queue is empty and if queue is unused ...",
            {"if-empty": True, "if-unused": True},
        ),
    ],
)
def test_a_queue_is_deleted(line: str, banner: str, query: object, tools: Tools) -> None:
    api = FakeApi({"GET queues / q1": Q1})
    told = "Queue was successfully deleted with 1 ready messages\n"
    assert tools.run(f"ctl {line}", api) == (0, f"Deleting queue 'q1' on vhost '/' {banner}\n{told}", "")
    assert api.changes == [("DELETE", "queues///q1", query)]


@pytest.mark.parametrize(
    ("refusal", "code", "err"),
    [
        (ApiError(400, "queue 'q1' in vhost '/' in use"), 64, "Queue is in use"),
        (ApiError(400, "queue 'q1' in vhost '/' not empty"), 64, "Queue is not empty"),
        (ApiError(404, "Not Found"), 64, "Queue not found"),
        (ApiError(400, "something else"), 69, "something else"),
    ],
)
def test_a_queue_is_not_deleted(refusal: ApiError, code: int, err: str, tools: Tools) -> None:
    api = FakeApi({"GET queues / q1": Q1, "DELETE queues / q1": refusal})
    said = tools.run("ctl delete_queue q1", api)
    assert (said.code, said.err) == (code, f"Error:\n{err}\n")


@pytest.mark.parametrize(
    ("line", "code", "err"),
    [
        ("delete_queue nope", 64, "Queue not found"),
        ("purge_queue nope", 69, "not_found"),
        ("sync_queue nope", 69, "not_found"),
        ("cancel_sync_queue nope", 69, "not_found"),
        ("quorum_status nope", 69, "not_found"),
        ("peek nope 1", 69, "Target queue was not found in virtual host '/'"),
        ("sync_queue q1", 69, "not_mirrored"),
        ("quorum_status q1", 69, "Cannot get quorum status of a classic queue"),
        ("peek q1 2", 69, "Target queue does not have a message at that position"),
    ],
)
def test_something_about_a_queue_is_wrong(line: str, code: int, err: str, tools: Tools) -> None:
    said = tools.run(f"ctl {line}", FakeApi({"GET queues / q1": Q1, "GET queues / q1 peek": []}))
    assert (said.code, said.err) == (code, f"Error:\n{err}\n")


def test_a_queue_is_purged(tools: Tools) -> None:
    api = FakeApi({"GET queues / q1": Q1})
    assert tools.run("ctl purge_queue q1", api) == (0, "Purging queue 'q1' in vhost '/' ...\n", "")
    assert api.changes == [("DELETE", "queues///q1/contents", {})]


def test_there_are_no_mirrors(tools: Tools) -> None:
    said = tools.run("ctl cancel_sync_queue q1", FakeApi({"GET queues / q1": Q1}))
    assert said == (0, "Stopping synchronising queue 'q1' in vhost '/' ...\nnot_syncing\n", "")


def test_a_message_is_shown(tools: Tools) -> None:
    message = {
        "payload": "hello",
        "exchange": "",
        "routing_key": "qq",
        "properties": {"content_type": "text/plain", "headers": {"h": 1}},
    }
    api = FakeApi({"GET queues / q1": Q1, "GET queues / q1 peek": [message]})
    said = tools.run("ctl peek q1 1 --formatter table", api)
    assert said.lines == [
        f"Peeking at quorum queue q1 at position 1 on node {NODE} ...",
        "keys\tvalues",
        "routing_keys\t[qq]",
        "exchange\t",
        "payload (max 64 bytes)\thello",
        "content_type\ttext/plain",
        "header.h\t1",
    ]
    assert tools.run("ctl peek q1 1", api).lines[1].startswith("┌")
    api = FakeApi({"GET queues / q1": Q1, "GET queues / q1 peek": [{**message, "properties": []}]})
    said = tools.run("ctl peek q1 2 --formatter json", api)
    assert api.asked[-1] == ("GET", "queues///q1/peek", {"offset": 1, "truncate": 64})
    assert said.out == (
        '{"message":{"exchange":"","payload (max 64 bytes)":"hello","routing_keys":["qq"]},"result":"ok"}\n'
    )
    assert tools.run("ctl peek q1 0", api).code == 65


def test_queues_need_no_balance(tools: Tools) -> None:
    api = FakeApi({})
    assert tools.run("ctl rebalance quorum", api) == (0, "Re-balancing leaders of quorum queues...\n", "")
    assert api.changes == [("POST", "rebalance/queues", {})]
    assert tools.run("ctl rebalance nope", api).code == 64


def test_a_quorum_queue_has_one_member(tools: Tools) -> None:
    api = FakeApi({"GET queues / qq": {**Q1, "name": "qq", "type": "quorum"}})
    said = tools.run("ctl quorum_status qq --formatter table", api)
    assert said.lines[0] == f"Status of quorum queue qq on node {NODE} ..."
    assert said.lines[2].startswith(f"{NODE}\tleader\t")
    assert tools.run("ctl -q quorum_status qq", api).lines[0].startswith("┌")


# --- connections


OTHER = {**CONNECTED, "name": "other", "vhost": "v1", "user": "alice"}


@pytest.mark.parametrize(
    ("line", "out", "closed"),
    [
        (["close_connection", CONNECTION, "why"], f"Closing connection {CONNECTION}, reason: why...\n", [CONNECTION]),
        (
            ["close_connection", process(NODE, "other"), "why"],
            f"Closing connection {process(NODE, 'other')}, reason: why...\n",
            ["other"],
        ),
        (
            ["close_all_connections", "why"],
            "Closing all connections in vhost /, reason: why...\nClosed 1 connections\n",
            [CONNECTION],
        ),
        (
            ["close_all_connections", "-p", "v1", "--limit", "10", "why"],
            "Closing 10 connections in vhost v1, reason: why...\nClosed 1 connections\n",
            ["other"],
        ),
        (
            ["close_all_connections", "--global", "why"],
            f"Closing all connections to node {NODE} (across all vhosts), reason: why...\nClosed 2 connections\n",
            [CONNECTION, "other"],
        ),
        (
            ["close_all_user_connections", "alice", "why"],
            "Closing connections of user alice, reason: why...\n",
            ["other"],
        ),
    ],
)
def test_connections_are_closed(line: list[str], out: str, closed: list[str], tools: Tools) -> None:
    api = FakeApi({"GET connections": [CONNECTED, OTHER]})
    assert tools.run(["ctl", *line], api) == (0, out, "")
    assert api.changes == [("DELETE", f"connections/{name}", {"X-Reason": "why"}) for name in closed]


def test_a_connection_may_be_gone_already(tools: Tools) -> None:
    api = FakeApi({"GET connections": [CONNECTED], f"DELETE connections {CONNECTION}": ApiError(404, "Not Found")})
    said = tools.run("ctl close_all_connections why", api)
    assert (said.code, said.lines[-1]) == (0, "Closed 0 connections")


def test_a_connection_is_not_there(tools: Tools) -> None:
    said = tools.run("ctl close_connection nope why", FakeApi({"GET connections": [CONNECTED]}))
    assert (said.code, said.err) == (69, 'Error:\nError:\n{:invalid_pid_syntax, "nope"}\n')


def test_a_connection_that_has_gone_is_no_error(tools: Tools) -> None:
    said = tools.run("ctl -q close_connection <rabbit@x.1.2.0> why", FakeApi({"GET connections": [CONNECTED]}))
    assert said == (0, "", "")


def test_a_reason_is_one_line_of_a_header(tools: Tools) -> None:
    api = FakeApi({"GET connections": [CONNECTED]})
    tools.run(["ctl", "close_all_connections", "a\r\nX-B: ü"], api)
    assert api.changes[0][2] == {"X-Reason": "a  X-B: Ã¼"}
