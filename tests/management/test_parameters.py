"""Runtime parameters over HTTP, and global ones."""

import pytest

from amqpy.config import Config

from .harness import Site

URI = {"uri": "amqp://"}
UPSTREAM = {"value": URI, "vhost": "/", "component": "federation-upstream", "name": "up"}


async def test_a_parameter_is_set_changed_and_cleared(site: Site) -> None:
    path = "/api/parameters/federation-upstream/%2F/up"
    assert (await site.put(path, {"value": URI})).status == 201
    assert (await site.put(path, {"value": {**URI, "expires": 1}})).status == 204
    assert (await site.put(path, {"value": URI})).status == 204
    assert (await site.get(path)).json == UPSTREAM
    for part in ("", "/federation-upstream", "/federation-upstream/%2F"):
        assert (await site.get(f"/api/parameters{part}")).json == [UPSTREAM]
    assert (await site.get("/api/parameters/nonsense")).json == []
    assert (await site.get("/api/parameters/nonsense/nope")).status == 404
    assert (await site.delete(path)).status == 204
    for reply in (await site.get(path), await site.delete(path)):
        assert reply.refusal == (404, "Object Not Found", "Not Found")


async def test_operator_policies_and_limits_are_among_the_parameters(site: Site) -> None:
    definition = {"pattern": "^q", "definition": {"max-length": 5}, "priority": 0, "apply-to": "all"}
    await site.put("/api/policies/%2F/p", definition)
    assert (await site.get("/api/parameters")).json == []
    await site.put("/api/operator-policies/%2F/o", definition)
    await site.put("/api/vhost-limits/%2F/max-queues", {"value": 1})
    shown = (await site.get("/api/parameters")).json
    assert [(each["component"], each["name"]) for each in shown] == [
        ("vhost-limits", "limits"),
        ("operator_policy", "o"),
    ]
    assert shown[1]["value"] == definition
    assert (await site.get("/api/parameters/policy/%2F/p")).json["value"] == definition
    assert [each["name"] for each in (await site.get("/api/parameters/policy")).json] == ["p"]
    reply = await site.delete("/api/parameters/policy/%2F/p")
    assert reply.refusal == (400, "bad_request", "policies may not be cleared using this method")


@pytest.mark.parametrize("config", [Config(profile="rabbitmq-4.3")])
@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        ("nonsense/%2F/n", 1, "Validation failed\n\ncomponent nonsense not found\n"),
        ("policy/%2F/n", {}, "policies may not be set using this method"),
        ("federation-upstream/%2F/n", {}, 'Validation failed\n\nKey "uri" not found in n\n'),
    ],
)
async def test_refused_parameters(site: Site, path: str, value: object, reason: str) -> None:
    assert (await site.put(f"/api/parameters/{path}", {"value": value})).refusal == (400, "bad_request", reason)
    assert (await site.put(f"/api/parameters/{path}", {})).refusal == (400, "bad_request", "[{key_missing,value}]")


@pytest.mark.parametrize("config", [Config(profile="rabbitmq-3.10")])
async def test_older_versions_escape_what_they_say(site: Site) -> None:
    reply = await site.put("/api/parameters/<&>/%2F/n", {"value": 1})
    assert reply.refusal == (400, "bad_request", "Validation failed\n\ncomponent &lt;&amp;&gt; not found\n")


async def test_the_limits_of_a_virtual_host_are_one_parameter(site: Site) -> None:
    reply = await site.put("/api/parameters/vhost-limits/%2F/other", {"value": {"max-queues": 1}})
    reason = "Validation failed\n\nlimits must be called limits, not other\n"
    assert reply.refusal == (400, "bad_request", reason)
    assert site.vhost.limits == {}


async def test_parameters_need_a_virtual_host(site: Site) -> None:
    reply = await site.put("/api/parameters/federation-upstream/nope/up", {"value": URI})
    assert reply.refusal == (404, "not_found", "vhost_not_found")
    assert (await site.get("/api/parameters/federation-upstream/nope/up")).status == 404


async def test_parameters_of_the_virtual_host_in_the_header(site: Site) -> None:
    site.add_vhost("ü", "guest")
    await site.put("/api/parameters/federation-upstream/%2F/up", {"value": URI})
    await site.put("/api/parameters/federation-upstream/%C3%BC/down", {"value": URI})

    async def seen(vhost: str) -> list[str]:
        headers = {"x-vhost": vhost.encode().decode("latin-1")}
        path = "/api/parameters/federation-upstream"
        return [each["name"] for each in (await site.get(path, headers=headers)).json]

    assert await seen("") == ["up", "down"]
    assert await seen("ü") == ["down"]
    for path in ("parameters/federation-upstream", "policies", "operator-policies"):
        reply = await site.get(f"/api/{path}", headers={"x-vhost": "nope"})
        assert reply.refusal == (400, "bad_request", ["no_such_vhost", "nope"])
    for vhost in ("ü".encode().decode("latin-1"), "nope"):
        assert len((await site.get("/api/parameters", headers={"x-vhost": vhost})).json) == 2


async def test_parameters_are_for_policymakers(site: Site) -> None:
    site.add_user("maker", "policymaker")
    site.add_user("monitor", "monitoring")
    no_access = (401, "not_authorised", "User not authorised to access object")
    for path in ("/api/parameters", "/api/global-parameters"):
        assert (await site.get(path, user="maker")).status == 200
        assert (await site.get(path, user="monitor")).refusal == no_access


# --- global ones


@pytest.mark.parametrize("value", ["text", 5, None, True, [1, "a"], {"a": {}}])
async def test_a_global_parameter_has_any_value(site: Site, value: object) -> None:
    path = "/api/global-parameters/g"
    assert (await site.put(path, {"value": value})).status == 201
    assert (await site.put(path, {"value": value})).status == 204
    assert (await site.get(path)).json == {"value": value, "name": "g"}
    assert {"value": value, "name": "g"} in (await site.get("/api/global-parameters")).json
    assert (await site.delete(path)).status == 204
    for reply in (await site.get(path), await site.delete(path)):
        assert reply.refusal == (404, "Object Not Found", "Not Found")


async def test_a_global_parameter_must_not_be_too_deep(site: Site) -> None:
    body = b'{"value": ' + b"[" * 500 + b"]" * 500 + b"}"
    assert (await site.request("PUT", "/api/global-parameters/g", body=body)).status == 400
    assert (await site.put("/api/global-parameters/g", {})).refusal == (400, "bad_request", "[{key_missing,value}]")


async def test_an_empty_object_is_shown_as_a_list(site: Site) -> None:
    await site.put("/api/global-parameters/g", {"value": {}})
    assert (await site.get("/api/global-parameters/g")).json["value"] == []


async def test_a_broker_has_an_id_that_stays(site: Site) -> None:
    path = "/api/global-parameters/internal_cluster_id"
    first = (await site.get(path)).json
    assert first["value"].startswith("rabbitmq-cluster-id-")
    assert (await site.get(path)).json == first
    assert (await site.get("/api/global-parameters")).json == [first]
