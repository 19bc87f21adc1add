"""Everything that rabbitmqadmin can be told to do, as operators and their scripts do it."""

import contextlib
import json
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

import pika
from checks import PREFIX, URL, check, main, name_of
from management import PARTS, PASSWORD, USER, ask, path, until

FOLDER = Path(tempfile.mkdtemp(prefix="interop-"))
SCRIPT = FOLDER / "rabbitmqadmin"
VHOST = name_of("vhost")
TIMEOUT_S = 60
HASH = "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR"
"""Of `test12`, as the documentation of RabbitMQ's password hashes has it."""


def admin(*words, code=0, body="", user=USER, password=PASSWORD):
    """What the command printed, on standard error if it is to fail; it must end with this code."""
    command = [sys.executable, SCRIPT, f"--host={PARTS.hostname}", f"--port={PARTS.port}"]
    done = subprocess.run(
        [*command, f"--username={user}", f"--password={password}", *words],
        input=body,
        capture_output=True,
        text=True,
        env={"HOME": str(FOLDER), "PYTHONDONTWRITEBYTECODE": "1"},
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == code, done
    return done.stderr if code else done.stdout


def inside(*words, **options):
    """The same, in the virtual host of this program."""
    return admin(f"--vhost={VHOST}", *words, **options)


def listed(what, *columns):
    """Rows of a list, by its format for programs; the first line is the columns."""
    head, *rows = inside("--format=tsv", "list", what, *columns).splitlines()
    if head == "No items":
        return []
    assert head == "\t".join(columns), head
    return [tuple(row.split("\t")) for row in rows]


def mine(rows):
    """Those of a list of the whole broker that this program has made."""
    return [row for row in rows if any(PREFIX in cell for cell in row)]


@contextlib.contextmanager
def client(vhost=VHOST):
    parameters = pika.URLParameters(URL)
    parameters.virtual_host = vhost
    parameters.client_properties = {"connection_name": name_of("client")}
    connection = pika.BlockingConnection(parameters)
    try:
        yield connection
    finally:
        with contextlib.suppress(pika.exceptions.AMQPError):
            connection.close()


@check("download of the script")
def download():
    url = f"http://{PARTS.hostname}:{PARTS.port}/cli/rabbitmqadmin"
    with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:
        SCRIPT.write_bytes(answer.read())
    assert admin("--version").startswith("rabbitmqadmin ")


@check("virtual hosts, users and permissions")
def access():
    assert admin("declare", "vhost", f"name={VHOST}") == "vhost declared\n"
    assert (VHOST, "False") in [(name, tracing) for name, tracing in vhosts()]
    assert admin("declare", "vhost", f"name={VHOST}", "tracing=true") == "vhost declared\n"
    assert (VHOST, "True") in vhosts()
    assert admin("declare", "vhost", f"name={VHOST}", "tracing=false") == "vhost declared\n"
    plain, hashed = name_of("plain"), name_of("hashed")
    assert admin("declare", "user", f"name={plain}", "password=secret", "tags=monitoring") == "user declared\n"
    sha = ("hashing_algorithm=rabbit_password_hashing_sha256", "tags=")
    assert admin("declare", "user", f"name={hashed}", f"password_hash={HASH}", *sha) == "user declared\n"
    assert mine(listed("users", "name", "hashing_algorithm", "tags")) == [
        (hashed, "rabbit_password_hashing_sha256", ""),
        (plain, "rabbit_password_hashing_sha256", "monitoring"),
    ]
    assert ask("GET", path("users", hashed))[1]["password_hash"] == HASH
    rights = ("configure=^a", "write=.*", "read=")
    assert admin("declare", "permission", f"vhost={VHOST}", f"user={plain}", *rights) == "permission declared\n"
    rows = listed("permissions", "user", "vhost", "configure", "write", "read")
    assert (plain, VHOST, "^a", ".*", "") in rows
    assert (USER, VHOST, ".*", ".*", ".*") in rows
    assert admin("list", "users", user=plain, password="secret", code=1) == "*** Access refused: /api/users\n\n"
    assert VHOST in admin("list", "vhosts", user=plain, password="secret")
    assert admin("delete", "permission", f"vhost={VHOST}", f"user={plain}") == "permission deleted\n"
    for name in (plain, hashed):
        assert admin("delete", "user", f"name={name}") == "user deleted\n"
    assert not mine(listed("users", "name"))


def vhosts():
    return mine(listed("vhosts", "name", "tracing"))


@check("exchanges, queues and bindings")
def topology():
    assert inside("declare", "exchange", "name=in", "type=topic") == "exchange declared\n"
    inside("declare", "exchange", "name=out", "type=headers", "durable=false", "internal=true", "auto_delete=true")
    inside("declare", "exchange", "name=spare", "type=fanout", 'arguments={"alternate-exchange": "out"}')
    own = [
        row for row in listed("exchanges", "name", "type", "durable", "internal") if row[0] in ("in", "out", "spare")
    ]
    assert own == [
        ("in", "topic", "True", "False"),
        ("out", "headers", "False", "True"),
        ("spare", "fanout", "True", "False"),
    ]
    assert inside("declare", "queue", "name=one") == "queue declared\n"
    inside("declare", "queue", "name=two", "durable=false", "auto_delete=true", 'arguments={"x-max-length": 10}')
    inside("declare", "queue", "name=three", "queue_type=quorum")
    rows = listed("queues", "name", "type", "durable", "auto_delete", "arguments.x-max-length")
    assert sorted(rows) == [
        ("one", "classic", "True", "False", ""),
        ("three", "quorum", "True", "False", ""),
        ("two", "classic", "False", "True", "10"),
    ]
    assert inside("declare", "binding", "source=in", "destination=one", "routing_key=a.#") == "binding declared\n"
    headers = ("routing_key=k", 'arguments={"x-match": "all", "to": "two"}')
    inside("declare", "binding", "source=out", "destination=two", *headers)
    inside("declare", "binding", "source=in", "destination_type=exchange", "destination=out", "routing_key=b")
    bound = listed("bindings", "source", "destination", "destination_type", "routing_key", "properties_key")
    (with_headers,) = (row[4] for row in bound if row[0] == "out")
    assert with_headers.startswith("k~")
    assert sorted(row for row in bound if row[0]) == [
        ("in", "one", "queue", "a.#", "a.%23"),
        ("in", "out", "exchange", "b", "b"),
        ("out", "two", "queue", "k", with_headers),
    ]
    unbind = ("delete", "binding", "source=in", "destination_type=queue", "destination=one")
    assert inside(*unbind, code=1).startswith("*** Not found: /api/bindings/")
    assert inside(*unbind, "properties_key=a.%23") == "binding deleted\n"
    assert inside("delete", "exchange", "name=spare") == "exchange deleted\n"
    assert inside("delete", "queue", "name=three") == "queue deleted\n"
    assert sorted(name for (name,) in listed("queues", "name")) == ["one", "two"]


@check("policies, operator policies, parameters and limits")
def settings():
    limit, key = 'definition={"max-length": 5}', "pattern=^one$"
    assert inside("declare", "policy", "name=short", key, limit, "priority=7", "apply-to=queues") == "policy declared\n"
    wanted = ("operator_policy", "name=shorter", key, 'definition={"max-length": 4}')
    assert inside("declare", *wanted) == "operator_policy declared\n"
    columns = ("vhost", "name", "pattern", "apply-to", "definition", "priority")
    assert mine(listed("policies", *columns)) == [(VHOST, "short", "^one$", "queues", '{"max-length": 5}', "7")]
    assert mine(listed("operator_policies", *columns)) == [(VHOST, "shorter", "^one$", "all", '{"max-length": 4}', "0")]
    found = until(lambda: (told := ask("GET", path("queues", VHOST, "one"))[1]).get("operator_policy") and told)
    assert (found["policy"], found["operator_policy"]) == ("short", "shorter")
    assert found["effective_policy_definition"] == {"max-length": 4}
    assert inside("declare", "vhost_limit", f"vhost={VHOST}", "name=max-queues", "value=2") == "vhost_limit declared\n"
    assert mine(listed("vhost_limits", "vhost", "value")) == [(VHOST, '{"max-queues": 2}')]
    said = inside("declare", "queue", "name=more", code=1)
    assert said == f"*** cannot declare queue 'more': queue limit in vhost '{VHOST}' (2) is reached\n\n"
    assert inside("delete", "vhost_limit", f"vhost={VHOST}", "name=max-queues") == "vhost_limit deleted\n"
    unknown = ("component=shovel", "name=mover", 'value={"src-uri": "amqp://", "dest-uri": "amqp://"}')
    refused = "*** Validation failed\n\ncomponent shovel not found\n\n\n"
    assert inside("declare", "parameter", *unknown, code=1) == refused
    for what in ("policy", "operator_policy"):
        name = "short" if what == "policy" else "shorter"
        assert inside("delete", what, f"name={name}") == f"{what} deleted\n"
    assert not mine(listed("policies", "vhost"))


@check("messages")
def messages():
    assert inside("publish", "routing_key=one", "payload=hello") == "Message published\n"
    properties = 'properties={"delivery_mode": 2, "content_type": "text/plain", "headers": {"n": 1, "s": "t"}}'
    assert inside("publish", "exchange=amq.default", "routing_key=one", "payload=w\u00f6rld", properties)
    assert inside("publish", "routing_key=one", body="from\nstdin") == "Message published\n"
    assert inside("publish", "routing_key=nowhere", "payload=lost") == "Message published but NOT routed\n"
    told = json.loads(inside("--format=raw_json", "get", "queue=one", "count=5"))
    assert [(each["payload"], each["message_count"]) for each in told] == [
        ("hello", 2),
        ("w\u00f6rld", 1),
        ("from\nstdin", 0),
    ]
    assert told[1]["properties"] == {"delivery_mode": 2, "headers": {"n": 1, "s": "t"}, "content_type": "text/plain"}
    lines = inside("--format=kvp", "get", "queue=one", "ackmode=ack_requeue_false").splitlines()
    assert len(lines) == 1
    assert 'payload="hello"' in lines[0]
    assert 'redelivered="True"' in lines[0]
    got = inside("get", "queue=one", "ackmode=ack_requeue_false", f"payload_file={FOLDER / 'payload'}")
    assert "payload_bytes" in got
    assert (FOLDER / "payload").read_text() == "w\u00f6rld"
    assert inside("purge", "queue", "name=one") == "queue purged\n"
    assert inside("get", "queue=one") == "No items\n"


@check("definitions")
def definitions():
    saved, whole = FOLDER / "vhost.json", FOLDER / "whole.json"
    inside("declare", "binding", "source=in", "destination=one", "routing_key=c")
    inside("declare", "policy", "name=kept", "pattern=x", 'definition={"expires": 1000}')
    assert inside("export", str(saved)) == f'Exported definitions for {PARTS.hostname} to "{saved}"\n'
    told = json.loads(saved.read_text())
    assert sorted(queue["name"] for queue in told["queues"]) == ["one", "two"]
    assert {each["destination"] for each in told["bindings"]} == {"one", "two", "out"}
    admin("export", str(whole))
    told = json.loads(whole.read_text())
    assert VHOST in [each["name"] for each in told["vhosts"]]
    assert {"users", "permissions", "parameters", "global_parameters", "topic_permissions"} <= told.keys()
    for what, name in (("queue", "one"), ("exchange", "in"), ("policy", "kept")):
        inside("delete", what, f"name={name}")
    assert inside("import", str(saved)).startswith("Uploaded definitions from ")
    assert ("one",) in listed("queues", "name")
    assert ("in", "one") in listed("bindings", "source", "destination")
    assert mine(listed("policies", "vhost", "name")) == [(VHOST, "kept")]
    saved.write_text("{")
    assert inside("import", str(saved), code=1).startswith("*** ")


@check("formats")
def formats():
    inside("declare", "queue", "name=b")
    assert inside("--sort=name", "list", "queues", "name", "durable") == (
        "+------+---------+\n"
        "| name | durable |\n"
        "+------+---------+\n"
        "| b    | True    |\n"
        "| one  | True    |\n"
        "| two  | False   |\n"
        "+------+---------+\n"
    )
    backwards = ("--sort=name", "--sort-reverse")
    assert inside("-f", "tsv", "-q", *backwards, "list", "queues", "name") == "two\none\nb\n"
    assert inside("--format=kvp", "--sort=name", "list", "queues", "name").splitlines()[0] == 'name="b"'
    assert inside("--format=bash", "--sort=name", "list", "queues") == "b one two\n"
    assert json.loads(inside("--format=raw_json", "--sort=name", "list", "queues"))[0]["name"] == "b"
    assert '\n    "name": "two"' in inside("--format=pretty_json", "list", "queues", "name")
    assert "\n name: b\nvhost: " in inside("--format=long", "list", "queues", "name", "vhost")
    assert "arguments.x-max-length" in inside("--format=long", "--depth=2", "list", "queues")


@check("overview and nodes")
def overview():
    until(lambda: "cluster_name" in ask("GET", path("overview"))[1])
    head, values = admin("--format=tsv", "show", "overview", "rabbitmq_version", "object_totals.queues").splitlines()
    assert head.split("\t") == ["rabbitmq_version", "object_totals.queues"]
    assert int(values.split("\t")[1]) >= 3
    assert "queue_totals.messages" in admin("show", "overview")
    until(lambda: "mem_used" in ask("GET", path("nodes"))[1][0])
    (node,) = (row.split("\t") for row in admin("--format=tsv", "list", "nodes").splitlines()[1:])
    assert node[1] == "disc"
    assert int(node[2]) > 1_000_000


@check("connections, channels and consumers")
def connections():
    with client() as connection:
        channel = connection.channel()
        channel.basic_consume("one", lambda *_: None, consumer_tag="here")
        own = until(lambda: [each for each in ask("GET", path("connections"))[1] if is_shown(each)])[0]
        until(lambda: ask("GET", path("vhosts", VHOST, "channels"))[1])
        until(lambda: ask("GET", path("consumers", VHOST))[1])
        assert (own["name"], USER, "1") in listed("connections", "name", "user", "channels")
        assert (f"{own['name']} (1)", USER, VHOST) in listed("channels", "name", "user", "vhost")
        columns = ("consumer_tag", "queue.name", "channel_details.connection_name", "ack_required")
        assert ("here", "one", own["name"], "True") in listed("consumers", *columns)
        assert admin("close", "connection", f"name={own['name']}") == "connection closed\n"
        try:
            while True:
                connection.process_data_events(TIMEOUT_S)
        except pika.exceptions.ConnectionClosedByBroker as closed:
            assert (closed.reply_code, closed.reply_text) == (
                320,
                "CONNECTION_FORCED - Closed via management plugin",
            )
    assert admin("close", "connection", "name=nobody", code=1) == "*** Not found: /api/connections/nobody\n\n"


def is_shown(connection):
    return connection.get("vhost") == VHOST and connection.get("channels") == 1


@check("errors")
def errors():
    refused = admin("list", "queues", password="wrong", code=1)
    assert refused == "*** Access refused: /api/queues?columns=name,messages\n\n"
    assert admin("--vhost=nowhere", "list", "queues", code=1).startswith("*** Not found: /api/queues/nowhere")
    assert inside("delete", "queue", "name=no", code=1) == f"*** Not found: /api/queues/{VHOST}/no\n\n"
    for words, said in (
        (
            ("declare", "queue", "name=one", "durable=false"),
            f"inequivalent arg 'durable' for queue 'one' in vhost '{VHOST}': received 'false' but current is 'true'",
        ),
        (("declare", "queue", "name=amq.mine"), f"Access refused: /api/queues/{VHOST}/amq.mine"),
        (("declare", "queue", "name=x", "queue_type=pond"), "invalid arg 'x-queue-type' for queue 'x'"),
        (("declare", "queue", "name=x", 'arguments={"x-max-length": -1}'), "invalid arg 'x-max-length' for queue 'x'"),
        (("declare", "exchange", "name=in", "type=direct"), "inequivalent arg 'type' for exchange 'in'"),
        (("declare", "exchange", "name=x", "type=x-round"), "unknown exchange type 'x-round'"),
        (("declare", "exchange", "name=x", "type=fanout", "durable=maybe"), "['not_boolean', 'maybe']"),
        (("declare", "policy", "name=x", "pattern=(", 'definition={"expires": 1}'), "Validation failed"),
        (("declare", "policy", "name=x", "pattern=x", 'definition={"unheard": 1}'), "Validation failed"),
        (("declare", "vhost_limit", f"vhost={VHOST}", "name=unheard", "value=1"), "Unrecognised terms"),
        (("publish", "routing_key=one", "payload=text", "payload_encoding=rot13"), "['unsupported_encoding', 'rot13']"),
        (("get", "queue=one", "count=few"), "['not_integer', 'few']"),
    ):
        found = inside(*words, code=1)
        assert found.startswith("*** "), found
        assert said in found, found
    assert "mandatory argument" in inside("declare", "exchange", "name=x", code=1)
    assert "Action rule not understood" in inside("rule", code=1)


@check("a configuration file")
def configuration():
    text = f"[mine]\nhostname = {PARTS.hostname}\nport = {PARTS.port}\nusername = {USER}\npassword = {PASSWORD}\n"
    (FOLDER / "hosts").write_text(f"{text}vhost = {VHOST}\n")
    command = [sys.executable, SCRIPT, f"--config={FOLDER / 'hosts'}", "--node=mine", "--format=tsv", "list", "queues"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=True)
    assert done.stdout.splitlines()[0] == "name\tmessages"
    assert "one" in done.stdout


@check("virtual hosts are deleted with all they have")
def deleted():
    assert admin("delete", "vhost", f"name={VHOST}") == "vhost deleted\n"
    assert not mine(listed_everywhere("queues"))
    assert admin("delete", "vhost", f"name={VHOST}", code=1) == f"*** Not found: /api/vhosts/{VHOST}\n\n"


def listed_everywhere(what):
    return [tuple(row.split("\t")) for row in admin("--format=tsv", "list", what, "name", "vhost").splitlines()]


main()
