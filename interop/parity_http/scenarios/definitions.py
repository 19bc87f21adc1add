"""Definitions: exported and imported."""

import json

from interop.parity_http.scenario import scenario
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


GOOD = {
    "queue": '{"queues": [{"name": "q", "vhost": "$v", "durable": true, "auto_delete": false, "arguments": {}}]}',
    "exchange": '{"exchanges": [{"name": "x", "vhost": "$v", "type": "topic", "durable": true, "auto_delete": false, "internal": false, "arguments": {}}]}',
    "user": '{"users": [{"name": "$u", "password": "secret", "tags": "management"}]}',
    "user with hash": '{"users": [{"name": "$u", "password_hash": "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR", "hashing_algorithm": "rabbit_password_hashing_sha256", "tags": ["management"]}]}',
    "user of old": '{"rabbit_version": "3.5.0", "users": [{"name": "$u", "password_hash": "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR", "tags": "management"}]}',
    "vhost": '{"vhosts": [{"name": "$n"}]}',
    "permission": '{"permissions": [{"user": "guest", "vhost": "$v", "configure": "a", "write": "b", "read": "c"}]}',
    "topic permission": '{"topic_permissions": [{"user": "guest", "vhost": "$v", "exchange": "x", "write": "b", "read": "c"}]}',
    "parameter": '{"parameters": [{"component": "vhost-limits", "vhost": "$v", "name": "limits", "value": {"max-queues": 7}}]}',
    "global parameter": '{"global_parameters": [{"name": "$g", "value": {"a": 1}}]}',
    "policy": '{"policies": [{"vhost": "$v", "name": "p", "pattern": "x", "apply-to": "all", "definition": {"max-length": 5}, "priority": 3}]}',
    "binding": '{"queues": [{"name": "q", "vhost": "$v", "durable": true, "auto_delete": false, "arguments": {}}], "bindings": [{"source": "amq.direct", "vhost": "$v", "destination": "q", "destination_type": "queue", "routing_key": "k", "arguments": {}}]}',
    "binding to nothing": '{"bindings": [{"source": "amq.direct", "vhost": "$v", "destination": "nope", "destination_type": "queue", "routing_key": "k", "arguments": {}}]}',
    "binding from nothing": '{"bindings": [{"source": "nope", "vhost": "$v", "destination": "amq.direct", "destination_type": "exchange", "routing_key": "k", "arguments": {}}]}',
}  # fmt: skip


@scenario(each=GOOD)
def imported(stage: Stage, body: str) -> None:
    """Each kind of thing alone, twice; and the same for one virtual host."""
    stage.vhost()
    stage.vhost("w")
    looks = ("/queues/$v?disable_stats=true", "/exchanges/$v", "/users/$u", "/vhosts/$n", "/permissions/$v/guest", "/topic-permissions/$v/guest",
             "/parameters/vhost-limits/$v", "/global-parameters/$g", "/policies/$v", "/bindings/$v")  # fmt: skip
    stage.play([Step("POST", "/definitions", body), Step("POST", "/definitions", body)])
    stage.play([Step("GET", path) for path in looks])
    stage.play([Step("POST", "/definitions/$w", body)])
    stage.play([Step("GET", path.replace("$v", "$w")) for path in looks if "$v" in path])
    stage.play([Step("POST", "/definitions/$gone", body)])


BAD = {
    "queue without vhost": '{"queues": [{"name": "q", "durable": true, "auto_delete": false, "arguments": {}}]}',
    "queue in no vhost": '{"queues": [{"name": "q", "vhost": "$gone", "durable": true, "auto_delete": false, "arguments": {}}]}',
    "queue with little": '{"queues": [{"name": "q", "vhost": "$v"}]}',
    "queue without name": '{"queues": [{"vhost": "$v", "durable": true, "auto_delete": false, "arguments": {}}]}',
    "queue with bad arguments": '{"queues": [{"name": "q", "vhost": "$v", "durable": true, "auto_delete": false, "arguments": {"x-max-length": "x"}}]}',
    "queue of no type": '{"queues": [{"name": "q", "vhost": "$v", "durable": true, "auto_delete": false, "arguments": {"x-queue-type": "nope"}}]}',
    "queue, reserved": '{"queues": [{"name": "amq.q", "vhost": "$v", "durable": true, "auto_delete": false, "arguments": {}}]}',
    "queue, other": '{"queues": [{"name": "there", "vhost": "$v", "durable": false, "auto_delete": true, "arguments": {"x-max-length": 5}}]}',
    "exchange of no type": '{"exchanges": [{"name": "x", "vhost": "$v", "type": "nope", "durable": true, "auto_delete": false, "internal": false, "arguments": {}}]}',
    "exchange, other": '{"exchanges": [{"name": "amq.direct", "vhost": "$v", "type": "topic", "durable": false, "auto_delete": false, "internal": false, "arguments": {}}]}',
    "exchange in no vhost": '{"exchanges": [{"name": "x", "vhost": "$gone", "type": "topic", "durable": true, "auto_delete": false, "internal": false, "arguments": {}}]}',
    "exchange with little": '{"exchanges": [{"name": "x", "vhost": "$v"}]}',
    "user without tags": '{"users": [{"name": "$u", "password": "x"}]}',
    "user with bad hash": '{"users": [{"name": "$u", "password_hash": "!!!", "tags": ""}]}',
    "user with both": '{"users": [{"name": "$u", "password": "x", "password_hash": "YWJjZA==", "tags": ""}]}',
    "permission of nobody": '{"permissions": [{"user": "$gone", "vhost": "$v", "configure": "a", "write": "b", "read": "c"}]}',
    "permission in no vhost": '{"permissions": [{"user": "guest", "vhost": "$gone", "configure": "a", "write": "b", "read": "c"}]}',
    "permission with bad pattern": '{"permissions": [{"user": "guest", "vhost": "$v", "configure": "(", "write": "b", "read": "c"}]}',
    "topic permission of nobody": '{"topic_permissions": [{"user": "$gone", "vhost": "$v", "exchange": "x", "write": "b", "read": "c"}]}',
    "parameter of no component": '{"parameters": [{"component": "nope", "vhost": "$v", "name": "n", "value": 5}]}',
    "parameter with bad value": '{"parameters": [{"component": "vhost-limits", "vhost": "$v", "name": "limits", "value": {"nope": 7}}]}',
    "parameter in no vhost": '{"parameters": [{"component": "vhost-limits", "vhost": "$gone", "name": "limits", "value": {"max-queues": 7}}]}',
    "policy with bad value": '{"policies": [{"vhost": "$v", "name": "p", "pattern": "x", "apply-to": "all", "definition": {"max-length": "x"}, "priority": 3}]}',
    "policy with nonsense": '{"policies": [{"vhost": "$v", "name": "p", "pattern": "x", "apply-to": "all", "definition": {"nonsense": 1}, "priority": 3}]}',
    "policy in no vhost": '{"policies": [{"vhost": "$gone", "name": "p", "pattern": "x", "apply-to": "all", "definition": {"max-length": 5}, "priority": 3}]}',
    "policy with little": '{"policies": [{"vhost": "$v", "name": "p"}]}',
    "binding in no vhost": '{"bindings": [{"source": "x", "vhost": "$gone", "destination": "q", "destination_type": "queue", "routing_key": "k", "arguments": {}}]}',
    "good and bad": '{"exchanges": [{"name": "x", "vhost": "$v", "type": "topic", "durable": true, "auto_delete": false, "internal": false, "arguments": {}}], "queues": [{"name": "q", "vhost": "$gone", "durable": true, "auto_delete": false, "arguments": {}}]}',
    "unknown lists": '{"nope": [1]}',
    "no list": '{"queues": {}}',
    "a number": '{"queues": 5}',
    "items of another type": '{"queues": [5]}',
    "nothing": "", "null": "null", "list": "[]", "text": '"x"', "not JSON": "{", "number": "5", "nothing in it": "{}", "empty lists": '{"queues": [], "users": []}',
}  # fmt: skip


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
    stage.play([
        Step("POST", "/definitions", form(("file", good)), headers=kind),
        Step("POST", "/definitions", form(("file", good), ("redirect", "/there")), headers=kind),
        Step("POST", "/definitions/$v", form(("file", good)), headers=kind),
        Step("POST", "/definitions", form(("file", "{")), headers=kind),
        Step("POST", "/definitions", form(("other", good)), headers=kind),
        Step("POST", "/definitions", "nonsense", headers=kind),
        Step("POST", "/definitions", good, headers=(("content-type", "multipart/form-data"),)),
        Step("POST", "/definitions?auth=Z3Vlc3Q6Z3Vlc3Q%3D", form(("file", good)), "nobody", kind),
        Step("GET", "/queues/$v?disable_stats=true"),
    ])  # fmt: skip
