"""Input that is meant to break something: no answer may be 500."""

import json

from interop.parity_http.scenario import Differs, scenario
from interop.parity_http.stage import Stage
from interop.parity_http.steps import Step

VALUES: dict[str, str] = {
    "null": "null",
    "number": "5",
    "negative": "-5",
    "fraction": "1.5",
    "huge": "9" * 400,
    "text": '"x"',
    "empty text": '""',
    "true": "true",
    "list": "[]",
    "list of null": "[null]",
    "object": "{}",
    "object in object": '{"a": {"b": null}}',
    "deep list": "[" * 200 + "]" * 200,
    "deep object": '{"a":' * 200 + "1" + "}" * 200,
    "NUL": '"\\u0000"',
    "long text": json.dumps("x" * 70000),
    "exponent": "1e999",
}

TARGETS = {
    "PUT /queues/$v/q": ("durable", "auto_delete", "arguments", "node"),
    "PUT /exchanges/$v/x": ("type", "durable", "auto_delete", "internal", "arguments"),
    "POST /bindings/$v/e/amq.direct/q/there": ("routing_key", "arguments"),
    "PUT /vhosts/$v": ("description", "tags", "tracing"),
    "PUT /users/$u": ("password", "tags", "password_hash"),
    "PUT /permissions/$v/$t": ("configure",),
    "PUT /topic-permissions/$v/$t": ("exchange", "write"),
    "PUT /policies/$v/p": ("pattern", "definition", "priority", "apply-to"),
    "PUT /operator-policies/$v/p": ("pattern", "definition"),
    "PUT /vhost-limits/$v/max-queues": ("value",),
    "PUT /user-limits/$t/max-channels": ("value",),
    "PUT /global-parameters/$g": ("value",),
    "POST /exchanges/$v/amq.default/publish": ("properties", "routing_key", "payload", "payload_encoding"),
    "POST /queues/$v/there/get": ("count", "ackmode", "encoding", "truncate"),
    "POST /queues/$v/there/actions": ("action",),
    "POST /definitions/$v": ("queues", "exchanges", "bindings", "policies", "parameters"),
    "POST /definitions": ("users", "vhosts", "permissions"),
    "POST /users/bulk-delete": ("users",),
}

BASES: dict[str, dict[str, object]] = {
    "PUT /users/$u": {"tags": ""},
    "PUT /permissions/$v/$t": {"configure": "", "write": "", "read": ""},
    "PUT /topic-permissions/$v/$t": {"exchange": "x", "write": "", "read": ""},
    "PUT /policies/$v/p": {"pattern": "nope", "definition": {"max-length": 5}},
    "PUT /operator-policies/$v/p": {"pattern": "nope", "definition": {"max-length": 5}},
    "POST /exchanges/$v/amq.default/publish": {
        "properties": {},
        "routing_key": "",
        "payload": "",
        "payload_encoding": "string",
    },
    "POST /queues/$v/there/get": {"count": 1, "ackmode": "ack_requeue_true", "encoding": "auto"},
}


DIFFERS = {
    "PUT /topic-permissions/$v/$t: exchange": Differs(
        "RabbitMQ has kept an exchange before whose name is no text", "PUT *", "status", "204", "201"
    ),
    "PUT /users/$u: password_hash": Differs(
        "an empty list is an empty text in Erlang", "PUT *", "status", "204", '400 *["not_base64", []]*'
    ),
}


@scenario(each=[f"{target}: {key}" for target, keys in TARGETS.items() for key in keys], differs=DIFFERS)
def values(stage: Stage, case: str) -> None:
    """Every key with values of every kind."""
    target, _, key = case.rpartition(": ")
    method, path = target.split()
    stage.vhost()
    stage.user("t", "")
    stage.play("PUT /queues/$v/there {}")
    for value in VALUES.values():
        base = {name: each for name, each in BASES.get(target, {}).items() if name != key}
        inside = [f"{json.dumps(name)}: {json.dumps(each)}" for name, each in base.items()]
        stage.play([Step(method, path, "{" + ", ".join([*inside, f'"{key}": {value}']) + "}")])


BEFORE_TIME = Differs(
    "the increment is longer than the age of the epoch, and RabbitMQ does not find samples there",
    "GET /overview?lengths_age=1&lengths_incr=9*",
    "body.churn_rates.*",
    "nothing",
)


@scenario(
    each=["/exchanges/$v?", "/queues/$v?", "/vhosts?", "/bindings/$v?", "/users?", "/overview?"],
    differs={"/overview?": BEFORE_TIME},
)
def queries(stage: Stage, path: str) -> None:
    """Parameters that nobody would send."""
    stage.vhost()
    told = (
        "columns=" + "a" * 3000,
        "columns=a.b.c.d.e.f",
        "columns=..",
        "columns=.",
        "sort=..",
        "sort=" + "a." * 500,
        "page=" + "9" * 100,
        "page=1&page_size=" + "9" * 100,
        "page=1&name=" + "(" * 100 + "&use_regex=true",
        "page=1&name=(z%2B)%2B$&use_regex=true",
        "page=1&name=%FF",
        "page=1&name=%00",
        "page=1&page=2",
        "%FF=%FF",
        "&&&==",
        "a=b=c",
        "sort=name&sort=durable",
        "columns=name&columns=durable",
        "msg_rates_age=" + "9" * 60 + "&msg_rates_incr=1",
        "lengths_age=1&lengths_incr=" + "9" * 60,
        "page=%31",
    )
    extra = "" if "overview" in path else "&columns=name"
    stage.play([Step("GET", f"{path}{each}{extra if 'columns' not in each else ''}") for each in told])


@scenario()
def headers(stage: Stage) -> None:
    """Headers that nobody would send."""
    stage.vhost()
    stage.play(
        [
            Step("GET", "/queues?columns=name", headers=(("x-vhost", "x" * 1000),)),
            Step("GET", "/whoami", headers=(("accept", ", ," * 50),)),
            Step("GET", "/whoami", headers=(("accept", "a/b/c"),)),
            Step("GET", "/whoami", headers=(("authorization", "Basic " + "A" * 2000),)),
            Step("PUT", "/queues/$v/q", "{}", headers=(("content-type", "a" * 500),)),
            Step("PUT", "/queues/$v/q", "{}", headers=(("content-type", "application/json;" * 20),)),
            Step("GET", "/whoami", headers=(("if-none-match", "*"),)),
            Step("GET", "/whoami", headers=(("if-match", '"x"'),)),
            Step("GET", "/whoami", headers=(("range", "bytes=0-1"),)),
            Step("GET", "/whoami", headers=(("accept-encoding", "gzip"),)),
            Step("GET", "/whoami", headers=(("accept-charset", "latin-1"),)),
            Step("GET", "/whoami", headers=(("accept-language", "de"),)),
            Step("PUT", "/queues/$v/q", "{}", headers=(("if-none-match", "*"),)),
            Step("PUT", "/queues/$v/q", "{}", headers=(("content-encoding", "gzip"),)),
            Step("PUT", "/queues/$v/q", "{}", headers=(("expect", "100-continue"),)),
        ]
    )
