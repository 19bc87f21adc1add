"""Definitions: exported and imported."""

import json
from typing import Any

from interop.parity_http.scenario import Differs, scenario
from interop.parity_http.stage import Stage
from interop.parity_http.steps import Step


def populate(stage: Stage) -> None:
    stage.vhost()
    stage.user("u", "management", "v")
    stage.play("""
        PUT /queues/$v/q {"durable": true, "arguments": {"x-max-length": 5}}
        PUT /queues/$v/transient {}
        PUT /queues/$v/quorum {"durable": true, "arguments": {"x-queue-type": "quorum"}}
        PUT /exchanges/$v/x {"type": "topic", "durable": true}
        PUT /exchanges/$v/transient {"auto_delete": true, "internal": true, "arguments": {"alternate-exchange": "x"}}
        POST /bindings/$v/e/x/q/q {"routing_key": "a.#"}
        POST /bindings/$v/e/amq.direct/q/q {"routing_key": "k", "arguments": {"a": 1}}
        POST /bindings/$v/e/x/e/transient {}
        PUT /policies/$v/p {"pattern": "nope", "definition": {"max-length": 5}}
        PUT /operator-policies/$v/o {"pattern": "nope", "definition": {"max-length": 5}}
        PUT /vhost-limits/$v/max-queues {"value": 50}
        PUT /user-limits/$u/max-channels {"value": 50}
        PUT /topic-permissions/$v/$u {"exchange": "x", "write": "a", "read": "b"}
        PUT /global-parameters/$g {"value": {"a": 1}}
        PUT /vhosts/$v {"description": "words", "tags": "a,b"}
    """)


@scenario()
def exported(stage: Stage) -> None:
    """All there is, and all of a virtual host."""
    populate(stage)
    stage.everybody("v")
    stage.play("""
        GET /definitions
        GET /definitions/$v
        GET /all-configuration?columns=queues.name
        GET /definitions?columns=vhosts
        HEAD /definitions
        GET /definitions/$gone
        GET /definitions/$v?download=file.json
        GET /definitions/$v?download=a%20b%22.json
        GET /definitions/$v?download=
        GET /definitions/$v?columns=nope
        nobody: GET /definitions/$v?auth=Z3Vlc3Q6Z3Vlc3Q%3D
        nobody: GET /definitions/$v?auth=Z3Vlc3Q6d3Jvbmc%3D
        nobody: GET /definitions/$v?auth=zzz
        nobody: GET /definitions/$v?auth=
        wrong: GET /definitions/$v?auth=Z3Vlc3Q6Z3Vlc3Q%3D
        nobody: GET /whoami?auth=Z3Vlc3Q6Z3Vlc3Q%3D
        nobody: POST /definitions/$v?auth=Z3Vlc3Q6Z3Vlc3Q%3D {}
        GET /definitions [x-vhost: $v]
        monitoring: GET /definitions/$v
        policymaker: GET /definitions/$v
    """)


@scenario()
def back_and_forth(stage: Stage) -> None:
    """What was exported comes back, here and elsewhere."""
    populate(stage)
    stage.vhost("w")
    told = stage.play("GET /definitions/$v").value
    everything = stage.play("GET /definitions").value
    stage.call_it("definitions", json.dumps(told))
    stage.call_it("everything", json.dumps({key: mine(stage, rows) for key, rows in (everything or {}).items()}))
    stage.play("""
        POST /definitions/$v $definitions
        POST /definitions/$w $definitions
        GET /definitions/$w
        GET /queues/$w?disable_stats=true
        GET /exchanges/$w
        GET /bindings/$w
        GET /policies/$w
        DELETE /vhosts/$v
        DELETE /users/$u
        DELETE /global-parameters/$g
        POST /definitions $everything
        GET /definitions/$v
        GET /users/$u
        GET /permissions/$v/$u
        GET /topic-permissions/$v/$u
        GET /vhost-limits/$v
        GET /global-parameters/$g
        GET /vhosts/$v
        u: GET /whoami
    """)


def mine(stage: Stage, rows: object) -> object:
    """The rows of a list with names of this run."""
    return [row for row in rows if stage.run_id in json.dumps(row)] if isinstance(rows, list) else rows


KNOWN_HASH = "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR"

QUEUE = {"name": "q", "vhost": "$v", "durable": True, "auto_delete": False, "arguments": {}}
EXCHANGE = QUEUE | {"name": "x", "type": "topic", "internal": False}
BINDING = {
    "source": "amq.direct",
    "vhost": "$v",
    "destination": "q",
    "destination_type": "queue",
    "routing_key": "k",
    "arguments": {},
}
PERMISSION = {"user": "guest", "vhost": "$v", "configure": "a", "write": "b", "read": "c"}
TOPIC_PERMISSION = {"user": "guest", "vhost": "$v", "exchange": "x", "write": "b", "read": "c"}
PARAMETER = {"component": "vhost-limits", "vhost": "$v", "name": "limits", "value": {"max-queues": 7}}
POLICY = {
    "vhost": "$v",
    "name": "p",
    "pattern": "x",
    "apply-to": "all",
    "definition": {"max-length": 5},
    "priority": 3,
}
USER = {"name": "$u", "password": "secret", "tags": "management"}
HASHED = {"name": "$u", "password_hash": KNOWN_HASH, "tags": "management"}


def definitions(**lists: object) -> str:
    """Lists of rows; one row is a list as well."""
    return json.dumps({name: [rows] if isinstance(rows, dict) else rows for name, rows in lists.items()})


def without(row: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in keys}


GOOD = {
    "queue": definitions(queues=QUEUE),
    "exchange": definitions(exchanges=EXCHANGE),
    "user": definitions(users=USER),
    "user with hash": definitions(users=HASHED | {"hashing_algorithm": "rabbit_password_hashing_sha256"}),
    "user of old": definitions(rabbit_version="3.5.0", users=HASHED),
    "vhost": definitions(vhosts={"name": "$n"}),
    "permission": definitions(permissions=PERMISSION),
    "topic permission": definitions(topic_permissions=TOPIC_PERMISSION),
    "parameter": definitions(parameters=PARAMETER),
    "global parameter": definitions(global_parameters={"name": "$g", "value": {"a": 1}}),
    "policy": definitions(policies=POLICY),
    "binding": definitions(queues=QUEUE, bindings=BINDING),
    "binding to nothing": definitions(bindings=BINDING | {"destination": "nope"}),
    "binding from nothing": definitions(bindings=BINDING | {"source": "nope"}),
}


@scenario(each=GOOD)
def imported(stage: Stage, body: str) -> None:
    """Each kind of thing alone, twice; and the same for one virtual host."""
    stage.vhost()
    stage.vhost("w")
    looks = (
        "/queues/$v?disable_stats=true",
        "/exchanges/$v",
        "/users/$u",
        "/vhosts/$n",
        "/permissions/$v/guest",
        "/topic-permissions/$v/guest",
        "/parameters/vhost-limits/$v",
        "/global-parameters/$g",
        "/policies/$v",
        "/bindings/$v",
    )
    stage.play([Step("POST", "/definitions", body), Step("POST", "/definitions", body)])
    stage.play([Step("GET", path) for path in looks])
    stage.play([Step("POST", "/definitions/$w", body)])
    stage.play([Step("GET", path.replace("$v", "$w")) for path in looks if "$v" in path])
    stage.play([Step("POST", "/definitions/$gone", body)])


BAD = {
    "queue without vhost": definitions(queues=without(QUEUE, "vhost")),
    "queue in no vhost": definitions(queues=QUEUE | {"vhost": "$gone"}),
    "queue with little": definitions(queues={"name": "q", "vhost": "$v"}),
    "queue with bad arguments": definitions(queues=QUEUE | {"arguments": {"x-max-length": "x"}}),
    "queue of no type": definitions(queues=QUEUE | {"arguments": {"x-queue-type": "nope"}}),
    "queue, reserved": definitions(queues=QUEUE | {"name": "amq.q"}),
    "queue, other": definitions(queues=QUEUE | {"name": "there", "durable": False, "arguments": {"x-max-length": 5}}),
    "exchange of no type": definitions(exchanges=EXCHANGE | {"type": "nope"}),
    "exchange, other": definitions(exchanges=EXCHANGE | {"name": "amq.direct"}),
    "exchange in no vhost": definitions(exchanges=EXCHANGE | {"vhost": "$gone"}),
    "exchange with little": definitions(exchanges={"name": "x", "vhost": "$v"}),
    "user without tags": definitions(users=without(USER, "tags")),
    "user without password": definitions(users=without(USER, "password")),
    "user with bad hash": definitions(users=HASHED | {"password_hash": "!!!"}),
    "user with both": definitions(users=HASHED | {"password": "x"}),
    "permission of nobody": definitions(permissions=PERMISSION | {"user": "$gone"}),
    "permission in no vhost": definitions(permissions=PERMISSION | {"vhost": "$gone"}),
    "permission with bad pattern": definitions(permissions=PERMISSION | {"configure": "("}),
    "permission without user": definitions(permissions=without(PERMISSION, "user")),
    "topic permission of nobody": definitions(topic_permissions=TOPIC_PERMISSION | {"user": "$gone"}),
    "parameter of no component": definitions(parameters=PARAMETER | {"component": "nope"}),
    "parameter with bad value": definitions(parameters=PARAMETER | {"value": {"nope": 7}}),
    "parameter in no vhost": definitions(parameters=PARAMETER | {"vhost": "$gone"}),
    "policy with bad value": definitions(policies=POLICY | {"definition": {"max-length": "x"}}),
    "policy with nonsense": definitions(policies=POLICY | {"definition": {"nonsense": 1}}),
    "policy in no vhost": definitions(policies=POLICY | {"vhost": "$gone"}),
    "policy with little": definitions(policies={"vhost": "$v", "name": "p"}),
    "binding in no vhost": definitions(bindings=BINDING | {"vhost": "$gone"}),
    "good and bad": definitions(exchanges=EXCHANGE, queues=QUEUE | {"vhost": "$gone"}),
    "unknown lists": definitions(nope=[1]),
    "no list": '{"queues": {}}',
    "a number": definitions(queues=5),
    "items of another type": definitions(queues=[5]),
    "nothing": "",
    "null": "null",
    "list": "[]",
    "text": '"x"',
    "not JSON": "{",
    "number": "5",
    "nothing in it": "{}",
    "empty lists": definitions(queues=[], users=[]),
}


@scenario(each=BAD)
def refused(stage: Stage, body: str) -> None:
    """What is wrong with them."""
    stage.vhost()
    stage.play([Step("PUT", "/queues/$v/there", '{"durable": true}')])
    stage.play([Step("POST", "/definitions", body), Step("POST", "/definitions/$v", body)])
    stage.play("""
        GET /definitions/$v
        GET /users/$u
        GET /permissions/$v/guest
    """)


@scenario()
def forms(stage: Stage) -> None:
    """As a browser sends a file."""
    stage.vhost()
    good = GOOD["queue"]

    def form(*parts: tuple[str, str]) -> str:
        lines = [f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in parts]
        return "".join(lines) + "--b--\r\n"

    kind = (("content-type", "multipart/form-data; boundary=b"),)
    stage.play(
        [
            Step("POST", "/definitions", form(("file", good)), headers=kind),
            Step("POST", "/definitions", form(("file", good), ("redirect", "/there")), headers=kind),
            Step("POST", "/definitions/$v", form(("file", good)), headers=kind),
            Step("POST", "/definitions", form(("file", "{")), headers=kind),
            Step("POST", "/definitions", form(("other", good)), headers=kind),
            Step("POST", "/definitions", "nonsense", headers=kind),
            Step("POST", "/definitions", good, headers=(("content-type", "multipart/form-data"),)),
            Step("POST", "/definitions?auth=Z3Vlc3Q6Z3Vlc3Q%3D", form(("file", good)), "nobody", kind),
            Step("GET", "/queues/$v?disable_stats=true"),
        ]
    )


LOST = "with totals instead of statistics, RabbitMQ takes all queues for exclusive ones: a backup would lack them"


@scenario(
    differs=[
        Differs(LOST, "GET *?disable_stats=true&enable_queue_totals=true", f"body.{key}")
        for key in ("queues", "bindings")
    ]
)
def without_statistics(stage: Stage) -> None:
    """Statistics are not wanted, where there are none."""
    populate(stage)
    for asked in ("disable_stats=true", "disable_stats=true&enable_queue_totals=true", "disable_stats=false"):
        stage.play([Step("GET", f"{path}?{asked}") for path in ("/definitions", "/definitions/$v")])
