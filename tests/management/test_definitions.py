"""Definitions over HTTP: what is exported, and how an import ends."""

from base64 import b64encode
from itertools import pairwise
from typing import Any

import pytest
import trio

from amqpy.config import Config
from amqpy.core.users import User
from amqpy.wire.values import Field

from .harness import Site

OLD = Config(cluster_name="rabbit@test", profile="rabbitmq-3.10")
NEW = Config(cluster_name="rabbit@test", profile="rabbitmq-4.3")
SECTIONS = [
    "users",
    "vhosts",
    "permissions",
    "topic_permissions",
    "parameters",
    "global_parameters",
    "policies",
    "queues",
    "exchanges",
    "bindings",
]
HEADING = ["rabbit_version", "rabbitmq_version", "product_name", "product_version"]
QUEUE: dict[str, Any] = {"name": "q", "vhost": "/", "durable": True, "auto_delete": False, "arguments": {}}
EXCHANGE: dict[str, Any] = {
    "name": "x",
    "vhost": "/",
    "type": "topic",
    "durable": True,
    "auto_delete": True,
    "internal": False,
    "arguments": {"alternate-exchange": "amq.fanout"},
}
BINDING: dict[str, Any] = {
    "source": "x",
    "vhost": "/",
    "destination": "q",
    "destination_type": "queue",
    "routing_key": "a.#",
    "arguments": {"n": 1},
}


async def imported(site: Site, definitions: object, path: str = "/api/definitions") -> None:
    reply = await site.post(path, definitions)
    assert (reply.status, reply.body) == (204, b"")


async def fill(site: Site) -> None:
    """Makes one of everything."""
    await site.put("/api/users/u", {"password": "secret", "tags": "management", "limits": {"max-channels": 5}})
    await site.put("/api/vhosts/v", {"description": "d", "tags": "a"})
    await site.put("/api/permissions/v/u", {"configure": "c", "write": "w", "read": "r"})
    await site.put("/api/topic-permissions/v/u", {"exchange": "amq.topic", "write": "w", "read": "r"})
    await site.put("/api/policies/%2F/p", {"pattern": "q", "definition": {"max-length": 5}})
    await site.put("/api/operator-policies/%2F/o", {"pattern": "q", "definition": {"expires": 50_000}})
    await site.put("/api/vhost-limits/v/max-queues", {"value": 7})
    await site.put("/api/global-parameters/g", {"value": [1]})
    await imported(site, {"queues": [QUEUE], "exchanges": [EXCHANGE], "bindings": [BINDING]})


async def exported(site: Site, path: str = "/api/definitions", **request: Any) -> dict[str, Any]:  # noqa: ANN401
    reply = await site.get(path, **request)
    assert reply.status == 200
    found: dict[str, Any] = reply.json
    return found


# --- export


@pytest.mark.parametrize("config", [OLD])
async def test_everything_is_exported(site: Site) -> None:
    await fill(site)
    found = await exported(site)
    assert list(found) == HEADING + SECTIONS
    assert [user["name"] for user in found["users"]] == ["guest", "outsider", "reader", "u"]
    assert found["users"][3]["limits"] == {"max-channels": 5}
    assert found["vhosts"] == [{"name": "/"}, {"name": "v"}]
    assert {"user": "u", "vhost": "v", "configure": "c", "write": "w", "read": "r"} in found["permissions"]
    assert found["topic_permissions"] == [
        {"user": "u", "vhost": "v", "exchange": "amq.topic", "write": "w", "read": "r"}
    ]
    assert [each["component"] for each in found["parameters"]] == ["operator_policy", "vhost-limits"]
    assert [each["name"] for each in found["global_parameters"]] == ["g", "internal_cluster_id"]
    assert [each["name"] for each in found["policies"]] == ["p"]
    assert (found["queues"], found["exchanges"], found["bindings"]) == ([QUEUE], [EXCHANGE], [BINDING])
    assert await exported(site, "/api/all-configuration") == found


@pytest.mark.parametrize("config", [OLD])
async def test_one_virtual_host_is_exported(site: Site) -> None:
    await fill(site)
    found = await exported(site, "/api/definitions/%2F")
    assert list(found) == ["rabbit_version", "parameters", "policies", "queues", "exchanges", "bindings"]
    assert [each["vhost"] for each in found["parameters"] + found["policies"]] == ["/", "/"]
    for key, expected in (("queues", QUEUE), ("exchanges", EXCHANGE), ("bindings", BINDING)):
        assert found[key] == [{name: value for name, value in expected.items() if name != "vhost"}]
    assert await exported(site, headers={"x-vhost": "/"}) == found
    reply = await site.get("/api/definitions/nope")
    assert reply.refusal == (400, "bad_request", "vhost_not_found")


@pytest.mark.parametrize("config", [NEW])
async def test_newer_versions_export_more(site: Site) -> None:
    await fill(site)
    found = await exported(site)
    assert list(found) == [*HEADING, "rabbitmq_definition_format", "original_cluster_name", "explanation", *SECTIONS]
    assert found["explanation"] == "Definitions of cluster 'rabbit@test'"
    metadata = {"description": "d", "tags": ["a"], "default_queue_type": "classic"}
    assert found["vhosts"][1] == {"name": "v", "limits": {"max-queues": 7}, "metadata": metadata}
    assert "internal" not in found["exchanges"][0]
    assert found["queues"][0]["type"] == "classic"
    assert found["global_parameters"] == [{"value": [], "name": "cluster_tags"}, {"value": [1], "name": "g"}]
    found = await exported(site, "/api/definitions/v")
    assert (found["original_vhost_name"], found["limits"], found["metadata"]) == ("v", {"max-queues": 7}, metadata)
    assert "vhost" not in found["parameters"][0]


@pytest.mark.parametrize("config", [Config()])
async def test_metadata_of_virtual_hosts_are_exported_twice(site: Site) -> None:
    await site.put("/api/vhosts/v", {"description": "d", "default_queue_type": "quorum"})
    metadata = {"description": "d", "tags": [], "default_queue_type": "quorum"}
    assert (await exported(site))["vhosts"][1] == {"name": "v", **metadata, "metadata": metadata}


async def test_what_belongs_to_a_connection_is_left_out(site: Site) -> None:
    client = site.client()
    vhost = site.vhost
    for name, exclusive in (("mine", True), ("ours", False)):
        site.broker.topology.declare_queue(
            client, vhost, name, durable=False, exclusive=exclusive, auto_delete=False, arguments={}
        )
        site.broker.topology.bind_queue(client, vhost, name, "amq.fanout", "", {})
    found = await exported(site)
    assert [queue["name"] for queue in found["queues"]] == ["ours"]
    assert [binding["destination"] for binding in found["bindings"]] == ["ours"]
    assert found["exchanges"] == []
    vhost.remove_queue(vhost.queues["mine"])


async def test_columns_of_definitions(site: Site) -> None:
    site.declare("q")
    assert await exported(site, "/api/definitions?columns=queues.name,rabbit_version") == {
        "rabbit_version": site.broker.profile.version,
        "queues": [{"name": "q"}],
    }


async def test_no_columns_of_definitions(site: Site) -> None:
    assert (await site.get("/api/definitions?columns=nope")).json == []


async def test_very_many_definitions_come_in_pieces(site: Site) -> None:
    for number in range(3_000):
        site.declare(f"queue number {number:05}")
    assert [each["name"] for each in (await exported(site))["queues"]] == [
        f"queue number {number:05}" for number in range(3_000)
    ]


async def test_definitions_are_downloaded(site: Site) -> None:
    auth = b64encode(b"guest:guest").decode()
    reply = await site.get(f"/api/definitions?download=a.json%0D%0Ax&auth={auth}", user=None)
    assert reply.status == 200
    assert reply.headers["content-disposition"] == "attachment; filename=a.jsonx"
    reply = await site.get("/api/definitions?download=")
    assert reply.headers["content-disposition"] == "attachment; filename="
    reply = await site.get("/api/definitions?auth=!!", user="guest")
    assert reply.refusal == (400, "bad_request", "bad_credentials")
    assert (await site.get(f"/api/definitions?auth={b64encode(b'guest:x').decode()}")).status == 401
    assert (await site.get("/api/definitions?token=x")).status == 401
    assert (await site.get(f"/api/users?auth={auth}", user=None)).status == 401


@pytest.mark.parametrize("config", [NEW])
async def test_newer_versions_take_no_credentials_out_of_addresses(site: Site) -> None:
    auth = b64encode(b"guest:guest").decode()
    assert (await site.get(f"/api/definitions?auth={auth}", user=None)).status == 401


@pytest.mark.parametrize("config", [Config(profile="rabbitmq-4.0")])
async def test_a_heading_of_a_virtual_host(site: Site) -> None:
    found = await exported(site, "/api/definitions/%2F")
    assert (found["default_queue_type"], found["limits"]) == ("classic", [])
    await site.put("/api/vhost-limits/%2F/max-queues", {"value": 1})
    assert (await exported(site, "/api/definitions/%2F"))["limits"] == {"max-queues": 1}


# --- import


async def test_what_is_exported_can_be_imported(site: Site) -> None:
    await fill(site)
    before = await exported(site)
    for user in ("u", "reader"):
        assert (await site.delete(f"/api/users/{user}")).status == 204
    for vhost in ("v", "%2F"):
        assert (await site.delete(f"/api/vhosts/{vhost}")).status == 204
    assert (await site.delete("/api/global-parameters/g")).status == 204
    await imported(site, before)
    after = await exported(site)
    own = {"user": "guest", "vhost": "v", "configure": ".*", "write": ".*", "read": ".*"}
    assert own in after["permissions"]
    for key in SECTIONS:
        assert sorted(map(str, after[key])) == sorted(map(str, before[key])), key
    assert isinstance(site.users.log_in("u", b"secret", from_loopback=True), User)


async def test_a_virtual_host_is_imported_into_another(site: Site) -> None:
    await fill(site)
    before = await exported(site, "/api/definitions/%2F")
    await imported(site, before, "/api/definitions/v")
    after = await exported(site, "/api/definitions/v")
    assert [after[key] for key in ("queues", "exchanges", "bindings")] == [
        before[key] for key in ("queues", "exchanges", "bindings")
    ]
    assert [each["vhost"] for each in after["policies"]] == ["v"]


async def test_what_is_there_stays_as_it_is(site: Site) -> None:
    site.declare("q", {"x-max-length": Field("long", 5)})
    await imported(site, {"queues": [QUEUE], "exchanges": [{**EXCHANGE, "name": "amq.topic", "type": "direct"}]})
    assert site.vhost.queues["q"].arguments == {"x-max-length": Field("long", 5)}
    assert site.vhost.exchanges["amq.topic"].type == "topic"


@pytest.mark.parametrize("config", [OLD])
async def test_names_of_the_broker_and_bindings_without_an_end_are_skipped(site: Site) -> None:
    missing = [{**BINDING, key: "nope"} for key in ("destination", "source", "vhost")]
    missing.append({**BINDING, "source": ""})
    await imported(
        site, {"queues": [{**QUEUE, "name": "amq.q"}], "exchanges": [{**EXCHANGE, "name": ""}], "bindings": missing}
    )
    assert site.vhost.queues == {}


async def test_defaults_of_definitions(site: Site) -> None:
    await imported(
        site,
        {
            "nonsense": 5,
            "vhosts": [5],
            "queues": [{"name": "q", "vhost": "/", "durable": True, "auto_delete": False}],
            "exchanges": [{"name": "x", "vhost": "/", "type": "fanout", "durable": True, "auto_delete": False}],
            "bindings": [{"source": "x", "vhost": "/", "destination": "q", "destination_type": "queue"}],
        },
    )
    assert not site.vhost.exchanges["x"].internal
    assert [each.routing_key for each in site.vhost.bindings_to(site.vhost.queues["q"])] == ["undefined"]


async def test_a_list_of_arguments_is_not_read(site: Site) -> None:
    await imported(site, {"exchanges": [{**EXCHANGE, "arguments": [1]}]})
    assert site.vhost.exchanges["x"].arguments == {}


async def test_a_queue_that_cannot_be_of_its_type_is_skipped(site: Site) -> None:
    quorum = {**QUEUE, "arguments": {"x-queue-type": "quorum"}}
    await imported(site, {"queues": [{**quorum, "durable": False}, {**quorum, "auto_delete": True}]})
    assert site.vhost.queues == {}


async def test_a_policy_without_much(site: Site) -> None:
    policy = {"vhost": "/", "name": "p", "pattern": "", "definition": {"max-length": 1}}
    await imported(site, {"policies": [policy]})
    (made,) = site.vhost.policies.policies
    assert (made.priority, made.apply_to) == (0, "all")


@pytest.mark.parametrize("config", [NEW])
async def test_newer_versions_know_what_most_queues_are_like(site: Site) -> None:
    await imported(site, {"queues": [{"name": "q", "vhost": "/"}]})
    queue = site.vhost.queues["q"]
    assert (queue.durable, queue.auto_delete) == (True, False)


@pytest.mark.parametrize(("config", "kind"), [(OLD, "classic"), (NEW, "quorum")])
async def test_newer_versions_give_queues_the_default_type(site: Site, kind: str) -> None:
    vhost = {"name": "v", "metadata": {"default_queue_type": "quorum"}}
    await imported(site, {"vhosts": [vhost], "queues": [{**QUEUE, "vhost": "v"}]})
    assert site.broker.vhosts["v"].queues["q"].type == kind


@pytest.mark.parametrize("version", ["3.5.7", "3.6.0"])
async def test_old_hashes_are_of_md5(site: Site, version: str) -> None:
    user = {"name": "u", "password_hash": "AAAA", "tags": ""}
    await imported(site, {"rabbit_version": version, "users": [user]})
    assert site.users.user("u").password.algorithm == ("md5" if version < "3.6" else "sha256")


WRONG: list[tuple[dict[str, Any], object]] = [
    ({"users": [{"name": "x"}]}, "tags_not_present"),
    ({"users": [{"tags": ""}]}, ["badkey", "name"]),
    ({"users": 5}, "users should be a list"),
    ({"topic_permissions": None}, "topic_permissions should be a list"),
    ({"vhosts": [{}]}, ["not_string", "name"]),
    ({"vhosts": [{"name": "w", "metadata": 5}]}, "function_clause"),
    (
        {"permissions": [{"user": "nope", "vhost": "/", "configure": "", "write": "", "read": ""}]},
        ["no_such_user", "nope"],
    ),
    (
        {"permissions": [{"user": "guest", "vhost": "nope", "configure": "", "write": "", "read": ""}]},
        ["no_such_vhost", "nope"],
    ),
    ({"permissions": [{"vhost": "/", "configure": "", "write": "", "read": ""}]}, ["no_such_user", "undefined"]),
    ({"permissions": [{"user": None, "configure": "", "write": "", "read": ""}]}, ["no_such_user", None]),
    ({"permissions": [{"user": "guest", "vhost": "/", "configure": "", "write": 5, "read": ""}]}, "badarg"),
    ({"topic_permissions": [{"user": "guest", "vhost": "/"}]}, "badarg"),
    ({"topic_permissions": [{"user": "guest", "vhost": "/", "write": "", "read": ""}]}, ["not_string", "exchange"]),
    ({"queues": [{**QUEUE, "vhost": "nope"}]}, ["no_such_vhost", "nope"]),
    ({"queues": [{"name": "q"}]}, ["no_such_vhost", "undefined"]),
    ({"queues": [{"name": "q", "vhost": "/"}]}, "function_clause"),
    ({"queues": [{**QUEUE, "durable": "true"}]}, "function_clause"),
    ({"queues": [{**QUEUE, "auto_delete": None}]}, "function_clause"),
    ({"queues": [{**QUEUE, "arguments": 5}]}, "function_clause"),
    ({"queues": [{**QUEUE, "arguments": None}]}, "function_clause"),
    ({"queues": [{**QUEUE, "arguments": [1]}]}, "badarg"),
    ({"queues": [5]}, "function_clause"),
    ({"queues": [{**QUEUE, "arguments": {"a": None}}]}, "null_not_allowed"),
    ({"queues": [{**QUEUE, "name": "x" * 256}]}, "queue should be less than 255 bytes, actually was 256\n"),
    ({"exchanges": [{**EXCHANGE, "vhost": []}]}, ["no_such_vhost", []]),
    ({"exchanges": [{**EXCHANGE, "internal": "x"}]}, "function_clause"),
    ({"bindings": [{**BINDING, "destination_type": "x"}]}, "function_clause"),
    ({"bindings": [{**BINDING, "arguments": 5}]}, "function_clause"),
    ({"global_parameters": [{"value": 1}]}, ["not_string", "name"]),
    (
        {"parameters": [{"vhost": "/", "component": "nonsense", "name": "n", "value": 1}]},
        "Validation failed\n\ncomponent nonsense not found\n (//nonsense/n)",
    ),
    (
        {"policies": [{"vhost": "/", "name": "n", "pattern": "", "definition": {}}]},
        "Validation failed\n\nno policy provided\n (//n)",
    ),
    ({"policies": [{"vhost": "/"}]}, "policy in virtual host '/' has undefined name"),
    (
        {"policies": [{"vhost": "/", "name": "n"}]},
        "Validation failed\n\nparse error while reading policy definition: undefined. Validator: policy_validator.\n"
        "pattern should be a binary but was undefined\n (//n)",
    ),
    (
        {"policies": [{"vhost": "/", "name": "n", "pattern": "", "definition": []}]},
        "Validation failed\n\nno policy provided\n (//n)",
    ),
    (
        {"parameters": [{"vhost": "/", "component": "vhost-limits"}]},
        "Validation failed\n\nundefined not a list undefined\n (//vhost-limits/undefined)",
    ),
    (
        {"parameters": [{"vhost": "/", "value": 1}]},
        "Validation failed\n\ncomponent undefined not found\n (//undefined/undefined)",
    ),
]


@pytest.mark.parametrize("config", [OLD])
@pytest.mark.parametrize(("wrong", "reason"), WRONG)
async def test_definitions_that_are_wrong_change_nothing(site: Site, wrong: dict[str, Any], reason: object) -> None:
    before = await exported(site)
    good = {
        "users": [{"name": "good", "tags": ""}],
        "vhosts": [{"name": "good"}],
        "queues": [{**QUEUE, "name": "good"}],
        "global_parameters": [{"name": "good", "value": 1}],
    }
    definitions = {
        key: [*good.get(key, []), *(wrong[key] or ())] if key in wrong and key != "users" else good[key] for key in good
    }
    definitions |= {key: value for key, value in wrong.items() if key not in definitions or key == "users"}
    assert (await site.post("/api/definitions", definitions)).refusal == (400, "bad_request", reason)
    assert await exported(site) == before


@pytest.mark.parametrize("config", [OLD])
async def test_faults_of_queues_and_exchanges_are_shown_as_erlang_has_them(site: Site) -> None:
    wrong = {"exchanges": [{**EXCHANGE, "type": "nope"}]}
    text = "unknown exchange type 'nope'"
    reply = await site.post("/api/definitions", wrong)
    assert reply.refusal == (400, "bad_request", ["amqp_error", "command_invalid", list(text.encode()), "none"])
    reply = await site.post("/api/definitions/%2F", wrong)
    assert reply.refusal == (400, "bad_request", f"command_invalid: {text}")
    reply = await site.post("/api/definitions/%2F", {"exchanges": [{"name": "x"}]})
    assert reply.refusal == (400, "bad_request", "command_invalid: invalid exchange type 'undefined'")
    wrong = {"policies": [{"name": "n", "pattern": "", "definition": {}}]}
    reply = await site.post("/api/definitions/%2F", wrong)
    assert reply.refusal == (400, "bad_request", r'<<"Validation failed\n\nno policy provided\n (//n)">>')


PRINTED: list[tuple[dict[str, Any], str]] = [
    ({"users": [{"name": "x"}]}, "tags_not_present"),
    ({"users": [{"name": "x", "tags": "", "password_hash": "??"}]}, '{not_base64,<<"??">>}'),
    (
        {"permissions": [{"user": "nope", "vhost": "/", "configure": "", "write": "", "read": ""}]},
        '{no_such_user,<<"nope">>}',
    ),
    (
        {"permissions": [{"user": "guest", "vhost": "/", "configure": "(", "write": "", "read": ""}]},
        '{invalid_regexp,"(",{"missing )",1}}',
    ),
    ({"queues": [{**QUEUE, "vhost": "nope"}]}, 'Please create virtual host "nope" prior to importing definitions.'),
    ({"permissions": [{"user": "guest", "configure": "", "write": "", "read": ""}]}, "function_clause"),
    ({"permissions": [{"vhost": "/", "configure": "", "write": "", "read": ""}]}, "function_clause"),
    ({"queues": [{"name": "q"}]}, "Virtual host does not exist and is not specified in definitions file."),
    ({"queues": [{**QUEUE, "durable": None}]}, "badarg"),
    (
        {"queues": [{**QUEUE, "arguments": {"x-max-length": "x"}}]},
        "precondition_failed: invalid arg 'x-max-length' for queue 'q' in vhost '/': \"expected integer, got longstr\"",
    ),
    (
        {"policies": [{"vhost": "/", "name": "n", "pattern": "", "definition": {}}]},
        r'<<"Validation failed\n\nno policy provided\n (//n)">>',
    ),
    ({"policies": [{"vhost": "/"}]}, "\"policy in virtual host '/' has undefined name\""),
    (
        {"bindings": [{**BINDING, "vhost": "nope"}]},
        '{resources_missing,[{not_found,{resource,<<"nope">>,exchange,<<"x">>}},\n'
        '                    {not_found,{resource,<<"nope">>,queue,<<"q">>}}]}',
    ),
    (
        {"exchanges": [EXCHANGE], "bindings": [BINDING]},
        '{resources_missing,[{not_found,{resource,<<"/">>,queue,<<"q">>}}]}',
    ),
]


@pytest.mark.parametrize("config", [Config(profile="rabbitmq-4.0")])
@pytest.mark.parametrize(("wrong", "reason"), PRINTED)
async def test_newer_versions_print_errors_as_terms(site: Site, wrong: dict[str, Any], reason: str) -> None:
    before = await exported(site)
    assert (await site.post("/api/definitions", wrong)).refusal == (400, "bad_request", reason)
    assert await exported(site) == before


async def test_definitions_name_virtual_hosts_and_users_among_them(site: Site) -> None:
    everything = {"configure": "", "write": "", "read": ""}
    await imported(
        site,
        {
            "vhosts": [{"name": "w", "description": "d", "metadata": {"description": "other", "tags": ["t"]}}],
            "users": [{"name": "n", "tags": ""}],
            "permissions": [{"user": "n", "vhost": "w", **everything}],
            "queues": [{**QUEUE, "vhost": "w"}],
            "bindings": [{**BINDING, "vhost": "w", "source": "amq.topic"}],
        },
    )
    vhost = site.broker.vhosts["w"]
    assert (vhost.metadata.description, vhost.metadata.tags) == ("d", ("t",))
    assert set(vhost.permissions) == {"guest", "n"}
    assert list(vhost.queues) == ["q"]


@pytest.mark.parametrize("profile", ["rabbitmq-3.13"])
async def test_an_import_respects_the_limit_of_queues(site: Site) -> None:
    site.declare("there")
    site.broker.administration.set_vhost_limits("/", {"max-queues": 2})
    queues = [{**QUEUE, "name": name} for name in ("there", "a", "b")]
    text = (
        'Adding 2 queue(s) to virtual host "/" would exceed the limit of 2 queue(s).\n\n'
        "This virtual host currently has 1 queue(s) defined.\n\nImport aborted!"
    )
    for path in ("/api/definitions", "/api/definitions/%2F"):
        assert (await site.post(path, {"queues": queues})).refusal == (400, "bad_request", text)
    await imported(site, {"queues": queues[:2]})


async def test_a_large_import_does_not_stop_the_broker(site: Site) -> None:
    queues = [{**QUEUE, "name": f"q{number}"} for number in range(10_000)]
    seen: list[int] = []

    async def watch() -> None:
        while True:
            seen.append(len(site.vhost.queues))
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch)
        await imported(site, {"queues": queues})
        nursery.cancel_scope.cancel()
    assert len(site.vhost.queues) == 10_000
    assert max(after - before for before, after in pairwise(seen)) <= 100


async def test_policies_of_an_import_apply_to_all_queues(site: Site) -> None:
    there = site.declare("q there")
    policy = {"vhost": "/", "name": "p", "pattern": "^q", "definition": {"max-length": 5}}
    await imported(site, {"policies": [policy], "queues": [QUEUE]})
    assert there.policy.policy == site.vhost.queues["q"].policy.policy == "p"
