"""Other programs: the requests that they make, by users of each tag."""

import json
from collections.abc import Iterable

from interop.parity_http.scenario import Differs, scenario
from interop.parity_http.stage import Stage
from interop.parity_http.steps import Step

EVERYBODY = ("nobody", "none", "management", "policymaker", "monitoring", "administrator")

RATES = "msg_rates_age=60&msg_rates_incr=5"
LENGTHS = "lengths_age=60&lengths_incr=5"
DATA = "data_rates_age=60&data_rates_incr=5"
PAGE = "page=1&page_size=100&name=&use_regex=false"

PAGES = {
    "overview": [f"/overview?{LENGTHS}&{RATES}", "/vhosts", "/nodes", "/extensions", "/whoami"],
    "lists": [
        f"/connections?{PAGE}",
        f"/channels?{PAGE}",
        f"/exchanges/$v?{PAGE}&sort=name&sort_reverse=true",
        f"/queues?{PAGE}&pagination=true&columns=name,vhost",
        f"/queues/$v?{PAGE}&sort=name&sort_reverse=false&columns=name",
    ],
    "exchange": [
        f"/exchanges/$v/amq.direct?{RATES}",
        f"/exchanges/$v/nope?{RATES}",
        "/exchanges/$v/amq.direct/bindings/source",
        "/exchanges/$v/amq.direct/bindings/destination",
    ],
    "queue": [f"/queues/$v/q?{LENGTHS}&{RATES}&{DATA}", f"/queues/$v/nope?{LENGTHS}", "/queues/$v/q/bindings"],
    "node": [
        "/nodes/$n?node_stats_age=60&node_stats_incr=5",
        "/nodes/$n?columns=name",
        "/nodes/$n?memory=true&columns=name",
    ],
    "users": [
        "/users?sort=name&sort_reverse=false",
        "/users/$u",
        "/users/$u/permissions",
        "/users/$u/topic-permissions",
        "/vhosts/",
        "/permissions",
    ],
    "vhost": [
        f"/vhosts/$v?{LENGTHS}&{RATES}&{DATA}",
        f"/vhosts?{RATES}&columns=name",
        "/vhosts/$v/permissions",
        "/vhosts/$v/topic-permissions",
        "/users/",
        "/exchanges/$v",
    ],
    "admin": [
        "/policies",
        "/policies/$v/p",
        "/operator-policies",
        "/operator-policies/$v/p",
        "/vhost-limits",
        "/user-limits",
        "/feature-flags?sort=name&columns=name",
        "/cluster-name",
        "/definitions?download=rabbit.json&columns=vhosts",
    ],
}


def prepare(stage: Stage, *, reported: bool = False) -> None:
    """Make something that can be shown; wait until a queue has `reported`."""
    stage.call_it("n", stage.side.names[0])
    stage.vhost()
    stage.user("u", "")
    stage.everybody("v")
    stage.play("""
        PUT /queues/$v/q {}
        POST /bindings/$v/e/amq.direct/q/q {"routing_key": "k"}
        PUT /policies/$v/p {"pattern": "nope", "definition": {"max-length": 5}}
        PUT /operator-policies/$v/p {"pattern": "nope", "definition": {"max-length": 5}}
    """)
    if reported:
        stage.play("""
            WAIT /queues/$v/q messages_details effective_policy_definition
            management: WAIT /overview message_stats.disk_reads
        """)


@scenario(each=PAGES)
def pages(stage: Stage, paths: Iterable[str]) -> None:
    """The pages of the user interface, in all virtual hosts and in one that was chosen."""
    prepare(stage, reported=any("age=" in path for path in paths))
    stage.play([Step("GET", path, who=who) for who in EVERYBODY for path in paths])
    chosen = (("x-vhost", "$v"),)
    stage.play([Step("GET", path, who=who, headers=chosen) for who in EVERYBODY[2:] for path in paths])


LISTED = {
    "connections": "name,user,channels",
    "channels": "name,user",
    "consumers": "queue.name,consumer_tag",
    "exchanges": "name,type",
    "queues": "name,messages",
    "bindings": "source,destination,routing_key",
    "users": "name,tags",
    "vhosts": "name,messages",
    "permissions": "vhost,user",
    "nodes": "name,type",
    "parameters": "vhost,name",
    "policies": "vhost,name,pattern",
    "operator-policies": "vhost,name,pattern",
    "vhost-limits": "vhost",
    "user-limits": "user",
    "global-parameters": "name",
    "topic-permissions": "user,exchange",
}
"""The columns that rabbitmqadmin asks for, and others."""


@scenario(each=list(LISTED))
def listed(stage: Stage, kind: str) -> None:
    """`rabbitmqadmin list`, of all virtual hosts and of one."""
    prepare(stage, reported=kind in {"queues", "vhosts"})
    columns = f"columns={LISTED[kind]}"
    paths = [f"/{kind}", f"/{kind}/$v", f"/{kind}/$gone"]
    for query in (columns, f"{columns}&sort=name", f"{columns}&sort_reverse=true"):
        stage.play([Step("GET", f"{path}?{query}", who=who) for path in paths for who in EVERYBODY])


DECLARED: list[tuple[str, dict[str, object]]] = [
    ("PUT /vhosts/$new", {"name": "$new", "tracing": "false"}),
    ("PUT /users/$new", {"name": "$new", "password": "x", "tags": "management"}),
    ("PUT /permissions/$new/$new", {"vhost": "$new", "user": "$new", "configure": ".*", "write": ".*", "read": ".*"}),
    (
        "PUT /exchanges/$v/x",
        {
            "vhost": "$v",
            "name": "x",
            "type": "topic",
            "auto_delete": "false",
            "durable": "true",
            "internal": "false",
            "arguments": {},
        },
    ),
    (
        "PUT /queues/$v/r",
        {"vhost": "$v", "name": "r", "auto_delete": "false", "durable": "true", "arguments": {}, "node": None},
    ),
    (
        "PUT /queues/$v/s",
        {
            "vhost": "$v",
            "name": "s",
            "auto_delete": "false",
            "durable": "true",
            "arguments": {"x-queue-type": "quorum"},
        },
    ),
    (
        "POST /bindings/$v/e/x/q/r",
        {
            "vhost": "$v",
            "source": "x",
            "destination": "r",
            "destination_type": "queue",
            "routing_key": "a.#",
            "arguments": {},
        },
    ),
    (
        "POST /bindings/$v/e/x/e/amq.fanout",
        {"vhost": "$v", "source": "x", "destination": "amq.fanout", "destination_type": "exchange", "routing_key": "b"},
    ),
    (
        "PUT /policies/$v/q",
        {
            "vhost": "$v",
            "name": "q",
            "pattern": "^nope",
            "definition": {"max-length": 5},
            "priority": "2",
            "apply-to": "queues",
        },
    ),
    (
        "PUT /policies/$v/q",
        {
            "vhost": "$v",
            "name": "q",
            "pattern": "^nope",
            "definition": {"max-length": 5},
            "priority": 2,
            "apply-to": "queues",
        },
    ),
    (
        "PUT /operator-policies/$v/q",
        {"vhost": "$v", "name": "q", "pattern": "^nope", "definition": {"max-length": 5}, "priority": 2},
    ),
    (
        "PUT /parameters/federation-upstream/$v/up",
        {"component": "federation-upstream", "vhost": "$v", "name": "up", "value": {"uri": "amqp://"}},
    ),
    ("PUT /vhost-limits/$v/max-queues", {"vhost": "$v", "name": "max-queues", "value": 50}),
    ("PUT /user-limits/$new/max-channels", {"user": "$new", "name": "max-channels", "value": 50}),
    ("PUT /global-parameters/$g", {"name": "$g", "value": {"a": 1}}),
    (
        "POST /exchanges/$v/x/publish",
        {
            "vhost": "$v",
            "name": "x",
            "properties": {"delivery_mode": 2, "headers": {}},
            "routing_key": "a.b",
            "delivery_mode": "2",
            "payload": "hello",
            "props": {},
            "headers": {},
            "payload_encoding": "string",
        },
    ),
    (
        "POST /queues/$v/r/get",
        {
            "vhost": "$v",
            "name": "r",
            "truncate": "50000",
            "ackmode": "ack_requeue_true",
            "encoding": "auto",
            "count": "1",
            "requeue": "true",
        },
    ),
    (
        "POST /queues/$v/r/get",
        {"ackmode": "ack_requeue_false", "count": 1, "encoding": "auto", "payload_file": "", "queue": "r"},
    ),
    ("DELETE /queues/$v/r/contents", {"vhost": "$v", "name": "r", "mode": "purge"}),
    (
        "DELETE /bindings/$v/e/x/q/r/a.%2523",
        {"vhost": "$v", "source": "x", "destination": "r", "properties_key": "a.%23"},
    ),
    ("DELETE /queues/$v/r", {"vhost": "$v", "name": "r", "mode": "delete"}),
    ("DELETE /queues/$v/s", {}),
    ("DELETE /exchanges/$v/x", {"vhost": "$v", "name": "x"}),
    ("DELETE /policies/$v/q", {"component": "policy", "vhost": "$v", "name": "q"}),
    ("DELETE /operator-policies/$v/q", {}),
    ("DELETE /parameters/federation-upstream/$v/up", {}),
    ("DELETE /vhost-limits/$v/max-queues", {}),
    ("DELETE /user-limits/$new/max-channels", {}),
    ("DELETE /global-parameters/$g", {}),
    ("DELETE /permissions/$new/$new", {"vhost": "$new", "username": "$new"}),
    ("DELETE /users/$new", {"username": "$new"}),
    ("DELETE /vhosts/$new", {"name": "$new"}),
]


@scenario(
    each=EVERYBODY,
    differs=dict.fromkeys(
        ("policymaker", "administrator"),
        Differs("amqpy keeps what RabbitMQ has a plugin for", "*/parameters/federation-upstream/$v/up*", "status"),
    ),
)
def declared(stage: Stage, who: str) -> None:
    """Bodies as rabbitmqadmin and the pages send them: all values of forms are texts, and there are more keys."""
    prepare(stage)
    asked = [(*line.split(), json.dumps(body) if body else "") for line, body in DECLARED]
    stage.play([Step(method, path, body, who) for method, path, body in asked])


MONITORED = [
    "/overview?columns=object_totals,rabbitmq_version",
    "/nodes?columns=name,running,mem_alarm,disk_free_alarm",
    "/nodes/$n/memory?columns=memory.strategy",
    "/queues?columns=name,vhost",
    "/queues/%2F?page=1&use_regex=true&pagination=false&name=^nope&page_size=100",
    "/queues/$v?page=1&use_regex=false&pagination=false&name=q&page_size=100&columns=name,items,page_count",
    "/exchanges?columns=name",
    "/vhosts?columns=name",
    "/connections?columns=name",
    "/channels?columns=name",
    "/definitions?columns=global_parameters",
    "/federation-links",
    "/shovels",
    "/aliveness-test/%2F",
    "/aliveness-test/$v",
    "/healthchecks/node",
    "/healthchecks/node/$n",
    "/health/checks/alarms",
    "/health/checks/local-alarms",
    "/health/checks/certificate-expiration/1/months",
    "/health/checks/port-listener/1",
    "/health/checks/protocol-listener/amqp",
    "/health/checks/protocol-listener/nope",
    "/health/checks/virtual-hosts",
    "/health/checks/node-is-mirror-sync-critical",
    "/health/checks/node-is-quorum-critical",
    "/feature-flags?columns=name,state",
    "/auth/attempts/$n",
    "/auth/attempts/$n/source",
    "/top/$n",
]


@scenario(each=EVERYBODY)
def monitored(stage: Stage, who: str) -> None:
    """What is asked by those who watch brokers."""
    prepare(stage)
    stage.play([Step(method, path, who=who) for path in MONITORED for method in ("GET", "HEAD")])
