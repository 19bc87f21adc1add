"""Virtual hosts over HTTP."""

from typing import Any

import pytest

from amqpy.config import Config
from amqpy.core.permissions import EVERYTHING, Permission
from amqpy.management.lists import SUMMED

from .harness import Site

OLD = Config(cluster_name="rabbit@test", profile="rabbitmq-3.10")
NEW = Config(cluster_name="rabbit@test", profile="rabbitmq-4.3")
FACTS = {
    "name": "v",
    "description": "d",
    "tags": ["a", "b"],
    "default_queue_type": "undefined",
    "metadata": {"description": "d", "tags": ["a", "b"]},
    "tracing": False,
    "cluster_state": {"rabbit@test": "running"},
}


@pytest.mark.parametrize("config", [OLD])
async def test_a_virtual_host_has_these_keys(site: Site) -> None:
    assert (await site.put("/api/vhosts/v", {"description": "d", "tags": "a, b"})).status == 201
    shown = (await site.get("/api/vhosts/v")).json
    assert {key: shown[key] for key in FACTS} == FACTS
    assert "protected_from_deletion" not in shown
    assert (await site.get("/api/vhosts/v?disable_stats=true")).json == FACTS
    assert [each["name"] for each in (await site.get("/api/vhosts")).json] == ["/", "v"]


async def test_a_virtual_host_adds_up_all_of_its_queues(site: Site) -> None:
    """And none of others."""
    count = SUMMED + 3
    await site.put("/api/vhosts/v")
    for number in range(count):
        site.declare(str(number))
        site.publish(str(number), b"m")
    site.declare("q", vhost=site.broker.vhosts["v"])
    shown = {each["name"]: each["messages"] for each in (await site.get("/api/vhosts")).json}
    assert shown == {"/": count, "v": 0}
    assert (await site.get("/api/vhosts/%2F")).json["messages_ready"] == count


@pytest.mark.parametrize("config", [NEW])
async def test_newer_versions_always_name_a_queue_type(site: Site) -> None:
    await site.put("/api/vhosts/v", {"description": "d", "tags": ["a", "b"]})
    assert (await site.get("/api/vhosts/v?disable_stats=true")).json == {
        **FACTS,
        "default_queue_type": "classic",
        "metadata": {"description": "d", "tags": ["a", "b"], "default_queue_type": "classic"},
        "protected_from_deletion": False,
    }


async def test_what_a_put_leaves_out_is_gone_but_for_tracing_and_the_type(site: Site) -> None:
    body = {"description": "d", "tags": "a", "tracing": "true", "defaultqueuetype": "quorum"}
    assert (await site.put("/api/vhosts/v", body)).status == 201
    assert (await site.put("/api/vhosts/v")).status == 204
    shown = (await site.get("/api/vhosts/v")).json
    assert (shown["description"], shown["tags"], shown["tracing"]) == ("", [], True)
    assert shown["default_queue_type"] == shown["metadata"]["default_queue_type"] == "quorum"
    await site.put("/api/vhosts/v", {"tracing": False})
    assert (await site.get("/api/vhosts/v")).json["tracing"] is False


@pytest.mark.parametrize("config", [NEW])
@pytest.mark.parametrize(
    "body", [{"defaultqueuetype": "quorum"}, {"default_queue_type": "rabbit_quorum_queue", "defaultqueuetype": "x"}]
)
async def test_the_type_of_queues_has_several_names(site: Site, body: dict[str, str]) -> None:
    await site.put("/api/vhosts/v", body)
    assert (await site.get("/api/vhosts/v")).json["default_queue_type"] == "quorum"


@pytest.mark.parametrize("config", [OLD])
@pytest.mark.parametrize("name", ["rabbit_quorum_queue", "nope", "", None, 5, []])
async def test_the_type_of_queues_had_one_name_and_was_short(site: Site, name: object) -> None:
    assert (await site.put("/api/vhosts/v", {"default_queue_type": name})).status == 201
    assert (await site.get("/api/vhosts/v")).json["default_queue_type"] == "undefined"
    reply = await site.put("/api/vhosts/w", {"defaultqueuetype": name})
    assert reply.refusal == (400, "bad_request", "invalid_queue_type")


@pytest.mark.parametrize(("config", "text"), [(OLD, "Ã©"), (NEW, "é")])
async def test_tags_are_words(site: Site, text: str) -> None:
    await site.put("/api/vhosts/v", {"tags": "é, b ,,null"})
    shown = (await site.get("/api/vhosts/v")).json
    assert shown["tags"] == shown["metadata"]["tags"] == [text, "b", "", None]
    await site.put("/api/vhosts/v", {"tags": ["a", True, 5]})
    assert (await site.get("/api/vhosts/v")).json["tags"] == ["a", True, "5"]


@pytest.mark.parametrize("config", [NEW])
@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"tracing": "yes"}, ["not_boolean", "yes"]),
        ({"description": 5}, ["not_string", "description"]),
        ({"tags": 5}, ["not_tags", "tags"]),
        ({"default_queue_type": "nope"}, "nope is not a valid queue type"),
        ({"default_queue_type": 5}, "5 is not a valid default_queue_type value"),
        ({"default_queue_type": ""}, "default_queue_type must not be an empty string"),
    ],
)
async def test_a_refused_virtual_host_is_not_there(site: Site, body: dict[str, Any], reason: object) -> None:
    assert (await site.put("/api/vhosts/v", body)).refusal == (400, "bad_request", reason)
    assert "v" not in site.broker.vhosts


async def test_whoever_adds_a_virtual_host_may_do_everything_in_it(site: Site) -> None:
    site.add_user("admin", "administrator", permissions=None)
    assert (await site.put("/api/vhosts/v", user="admin")).status == 201
    permissions = site.broker.vhosts["v"].permissions
    assert permissions == {"admin": Permission(*EVERYTHING)}
    site.users.clear_permissions("admin", "v")
    assert (await site.put("/api/vhosts/v", user="admin")).status == 204
    assert permissions == {}


async def test_a_virtual_host_is_deleted(site: Site) -> None:
    site.declare("q", vhost=site.add_vhost("v", "guest"))
    assert (await site.delete("/api/vhosts/v")).status == 204
    assert "v" not in site.broker.vhosts
    for reply in (await site.get("/api/vhosts/v"), await site.delete("/api/vhosts/v")):
        assert reply.refusal == (404, "Object Not Found", "Not Found")


@pytest.mark.parametrize("config", [NEW])
async def test_a_protected_virtual_host_is_not_deleted(site: Site) -> None:
    site.add_vhost("v")
    protection = "/api/vhosts/v/deletion/protection"
    assert (await site.post(protection)).status == 204
    assert (await site.get("/api/vhosts/v")).json["protected_from_deletion"] is True
    text = "Refusing to delete virtual host 'v' because it is protected from deletion"
    assert (await site.delete("/api/vhosts/v")).refusal == (412, "precondition_failed", text)
    assert (await site.delete(protection)).status == 204
    assert (await site.delete("/api/vhosts/v")).status == 204


@pytest.mark.parametrize("config", [OLD])
async def test_older_versions_know_no_protection(site: Site) -> None:
    assert (await site.post("/api/vhosts/%2F/deletion/protection")).status == 404


@pytest.mark.parametrize(("config", "kind"), [(OLD, "quorum"), (NEW, "classic")])
async def test_newer_versions_change_the_type_of_queues(site: Site, kind: str) -> None:
    for each in ("quorum", "classic"):
        await site.put("/api/vhosts/v", {"defaultqueuetype": each})
    assert (await site.get("/api/vhosts/v")).json["default_queue_type"] == kind


@pytest.mark.parametrize("config", [NEW])
async def test_there_is_nothing_to_protect(site: Site) -> None:
    text = "Cannot enable deletion protection of virtual host 'nope' because it does not exist"
    assert (await site.post("/api/vhosts/nope/deletion/protection")).refusal == (404, "not_found", text)


async def test_a_virtual_host_is_started(site: Site) -> None:
    assert (await site.post("/api/vhosts/%2F/start/rabbit@test")).status == 204
    reason = 'Request to node rabbit@test failed with {no_such_vhost,<<"nope">>}'
    assert (await site.post("/api/vhosts/nope/start/rabbit@test")).refusal == (400, "bad_request", reason)
    reply = await site.post("/api/vhosts/nope/start/other")
    assert reply.refusal == (400, "bad_request", "Request to node other failed with nodedown")


async def test_who_sees_which_virtual_hosts(site: Site) -> None:
    site.add_vhost("v")
    site.add_user("plain", "management")
    site.add_user("monitor", "monitoring")

    async def seen(user: str) -> list[str]:
        return [each["name"] for each in (await site.get("/api/vhosts", user=user)).json]

    assert await seen("plain") == ["/"]
    assert await seen("monitor") == ["/", "v"]
    reply = await site.get("/api/vhosts/%2F", user="monitor")
    assert reply.refusal == (401, "not_authorised", "Not administrator user")
