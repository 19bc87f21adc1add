"""What rabbitmqadmin v2 can be told to do. It asks for answers of exactly the types that it knows."""

import contextlib
import json
import os
import subprocess
import tempfile
from pathlib import Path

import pika
from checks import AUTHORITY, PREFIX, URL, check, main, name_of
from management import PARTS, PASSWORD, USER, ask, path, until

FOLDER = Path(tempfile.mkdtemp(prefix="interop-"))
VHOST, PERSON = name_of("vhost"), name_of("person")
TIMEOUT_S = 60
WRONG_LOGIN = ("Login failed", "Not_Authorized")
"""The reasons of the answer: of RabbitMQ 3.10, and of newer ones."""
REFUSED, UNAVAILABLE, USAGE = 65, 69, 2
"""Exit codes: of what the broker refuses, of a health check that fails, of words that are none."""


def admin(*words, code=0, password=PASSWORD, vhost=VHOST, body=""):
    """What the command printed, on standard error if it is to fail; it must end with this code."""
    target = ["--base-uri", f"http://{PARTS.hostname}:{PARTS.port}/api", "--vhost", vhost]
    login = ["--username", USER, "--password", password, "--non-interactive"]
    done = subprocess.run(
        ["./inside", "rabbitmqadmin", *target, *login, *words],
        input=body,
        capture_output=True,
        text=True,
        env={**os.environ, "HOME": str(FOLDER), "SSL_CERT_FILE": AUTHORITY},  # it asks for authorities in any case
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == code, done
    return done.stderr + done.stdout if code else done.stdout


def rows(*words):
    """A list, as scripts have it: no head, and columns that spaces end. Those rows that are of this program."""
    return [line.split() for line in admin(*words).splitlines() if PREFIX in line]


@check("virtual hosts, users and permissions")
def access():
    admin("declare", "vhost", "--name", VHOST, "--description", "for_admins", "--tracing")
    assert rows("list", "vhosts")[0][:2] == [VHOST, "for_admins"]
    admin("declare", "user", "--name", PERSON, "--password", "secret", "--tags", "monitoring,other")
    assert PERSON in rows("list", "users")[0]
    assert ask("GET", path("users", PERSON))[1]["tags"] == ["monitoring", "other"]
    admin("declare", "permissions", "--username", PERSON, "--configure", "^c", "--write", "^w", "--read", "^r")
    own = [sorted(row) for row in rows("list", "permissions")]
    assert sorted([PERSON, VHOST, "^c", "^w", "^r"]) in own, own
    admin("declare", "user_limit", "--username", PERSON, "--name", "max-channels", "--value", "7")
    assert "7" in " ".join(rows("list", "user_limits")[0])
    admin("declare", "vhost_limit", "--name", "max-queues", "--value", "9")
    assert "9" in " ".join(rows("list", "vhost_limits")[0])
    admin("delete", "user_limit", "--username", PERSON, "--name", "max-channels")
    admin("delete", "vhost_limit", "--name", "max-queues")
    admin("delete", "permissions", "--username", PERSON)
    admin("delete", "user", "--name", PERSON)
    assert "404 Not Found" in admin("delete", "user", "--name", PERSON, code=REFUSED)
    admin("delete", "user", "--name", PERSON, "--idempotently")


@check("exchanges, queues and bindings")
def topology():
    admin("declare", "exchange", "--name", "in", "--type", "topic", "--durable", "true")
    admin("declare", "exchange", "--name", "out", "--type", "fanout", "--arguments", '{"alternate-exchange": "in"}')
    for kind in ("classic", "quorum"):
        admin("declare", "queue", "--name", kind, "--type", kind, "--durable", "true", "--auto-delete", "false")
    admin("declare", "queue", "--name", "short", "--type", "classic", "--arguments", '{"x-max-length": 3}')
    until(lambda: len(rows("list", "queues")) == 3)
    assert {row[0] for row in rows("list", "queues")} == {"classic", "quorum", "short"}
    assert {"in", "out"} <= {row[0] for row in rows("list", "exchanges")}
    to_queue = ("--source", "in", "--destination-type", "queue", "--destination", "classic", "--routing-key", "a.#")
    to_exchange = ("--source", "in", "--destination-type", "exchange", "--destination", "out", "--routing-key", "b")
    admin("declare", "binding", *to_queue)
    admin("declare", "binding", *to_exchange, "--arguments", '{"n": 1}')
    bound = [row for row in rows("list", "bindings") if "in" in row]
    assert len(bound) == 2, bound
    admin("delete", "binding", *to_queue)
    admin("delete", "binding", *to_exchange, "--arguments", '{"n": 1}')
    assert not [row for row in rows("list", "bindings") if "in" in row]
    admin("show", "overview")
    admin("queues", "show", "--name", "classic")


@check("policies")
def policies():
    for what, each in (("policy", "policies"), ("operator_policy", "operator_policies")):
        words = ("--pattern", "^short$", "--apply-to", "queues", "--priority", "3", "--definition", '{"max-length": 2}')
        admin("declare", what, "--name", "two", *words)
        assert "two" in rows("list", each)[0]
        found = ask("GET", path(each.replace("_", "-"), VHOST, "two"))[1]
        assert (found["priority"], found["definition"], found["apply-to"]) == (3, {"max-length": 2}, "queues")
        admin("delete", what, "--name", "two")
        assert not rows("list", each)


@check("messages")
def messages():
    properties = '{"delivery_mode": 2, "headers": {"n": 1}}'
    for number in range(3):
        words = ("--routing-key", "classic", "--payload", f"text_{number}", "--properties", properties)
        admin("publish", "message", *words)
    told = admin("get", "messages", "--queue", "classic", "--count", "2", "--ack-mode", "ack_requeue_false")
    assert "text_0" in told, told
    assert "text_1" in told, told
    admin("purge", "queue", "--name", "classic")
    assert "text" not in admin("get", "messages", "--queue", "classic")


@check("definitions")
def definitions():
    whole, one = FOLDER / "whole.json", FOLDER / "one.json"
    admin("definitions", "export", "--file", str(whole))
    assert VHOST in [each["name"] for each in json.loads(whole.read_text())["vhosts"]]
    admin("definitions", "export_from_vhost", "--file", str(one))
    assert {each["name"] for each in json.loads(one.read_text())["queues"]} == {"classic", "quorum", "short"}
    admin("delete", "queue", "--name", "short")
    admin("definitions", "import_into_vhost", "--file", str(one))
    until(lambda: ask("GET", path("queues", VHOST, "short"))[0] == 200)
    (FOLDER / "none.json").write_text("{")
    admin("definitions", "import_into_vhost", "--file", str(FOLDER / "none.json"), code=REFUSED)


@check("connections")
def connections():
    parameters = pika.URLParameters(URL)
    parameters.virtual_host = VHOST
    connection = pika.BlockingConnection(parameters)
    with contextlib.suppress(pika.exceptions.ConnectionClosedByBroker):
        connection.channel().basic_consume("classic", lambda *_: None, consumer_tag="here")
        own = until(lambda: [each for each in ask("GET", path("connections"))[1] if each.get("vhost") == VHOST])[0]
        until(lambda: [each for each in ask("GET", path("channels"))[1] if each.get("consumer_count")])
        assert own["name"] in admin("list", "connections")
        assert own["name"] in admin("list", "channels")
        admin("close", "connection", "--name", own["name"])
        while True:
            connection.process_data_events(TIMEOUT_S)
    assert not connection.is_open
    assert "404 Not Found" in admin("close", "connection", "--name", "nobody", code=REFUSED)
    admin("close", "connection", "--name", "nobody", "--idempotently")


@check("health checks and features")
def health():
    for words in (("local_alarms",), ("cluster_wide_alarms",), ("port_listener", "--port", port_of_clients())):
        admin("health_check", *words)
    assert "1" in admin("health_check", "port_listener", "--port", "1", code=UNAVAILABLE)
    assert "quorum_queue" in admin("list", "feature_flags")
    admin("show", "churn")
    admin("list", "operator_policies")
    admin("global_parameters", "list")
    admin("rebalance", "queues")


def port_of_clients():
    listeners = ask("GET", path("overview"))[1]["listeners"]
    return str(next(each["port"] for each in listeners if each["protocol"] == "amqp"))


@check("errors")
def errors():
    assert admin("list", "queues", password="wrong", code=REFUSED).strip() in WRONG_LOGIN
    assert "404 Not Found" in admin("delete", "queue", "--name", "missing", code=REFUSED)
    refused = admin("declare", "exchange", "--name", "in", "--type", "fanout", code=REFUSED)
    assert "inequivalent arg 'type' for exchange 'in'" in refused, refused
    assert "component shovel not found" in admin(
        *("declare", "parameter", "--component", "shovel", "--name", "x"),
        *("--value", '{"src-uri": "amqp://", "dest-uri": "amqp://"}'),
        code=REFUSED,
    )
    assert "unrecognized subcommand" in admin("invent", code=USAGE)


@check("all is deleted")
def deleted():
    admin("delete", "exchange", "--name", "in")
    admin("delete", "queue", "--name", "classic")
    admin("delete", "vhost", "--name", VHOST)
    assert not rows("list", "vhosts")


main()
