"""Permissions over HTTP, and those for routing keys."""

from typing import Any

import pytest

from .harness import Site

ALL = {"configure": ".*", "write": "^w", "read": ""}
TOPIC = {"exchange": "amq.topic", "write": "^w", "read": "^r"}


# --- permissions


async def test_a_permission_is_set_and_changed(site: Site) -> None:
    site.add_user("u", permissions=None)
    assert (await site.get("/api/permissions/%2F/u")).status == 404
    assert (await site.put("/api/permissions/%2F/u", ALL)).status == 201
    assert (await site.put("/api/permissions/%2F/u", {**ALL, "read": "r"})).status == 204
    assert (await site.get("/api/permissions/%2F/u")).json == {"user": "u", "vhost": "/", **ALL, "read": "r"}
    assert (await site.delete("/api/permissions/%2F/u")).status == 204
    assert (await site.delete("/api/permissions/%2F/u")).refusal == (404, "Object Not Found", "Not Found")


async def test_permissions_are_listed_by_virtual_host_and_user(site: Site) -> None:
    site.add_user("u")
    site.add_vhost("v", "u", "guest")

    async def listed(path: str, **request: Any) -> list[tuple[str, str]]:  # noqa: ANN401
        return [(each["vhost"], each["user"]) for each in (await site.get(path, **request)).json]

    everything = [("/", "guest"), ("/", "reader"), ("/", "u"), ("v", "guest"), ("v", "u")]
    assert await listed("/api/permissions") == everything
    assert await listed("/api/permissions", headers={"x-vhost": "v"}) == everything
    assert await listed("/api/users/u/permissions") == [("/", "u"), ("v", "u")]
    assert await listed("/api/vhosts/v/permissions") == [("v", "guest"), ("v", "u")]


@pytest.mark.parametrize("what", ["permissions", "topic-permissions"])
async def test_unknown_users_and_virtual_hosts_have_no_list(site: Site, what: str) -> None:
    for path in (f"/api/users/nope/{what}", f"/api/vhosts/nope/{what}", f"/api/{what}/nope/guest"):
        assert (await site.get(path)).refusal == (404, "Object Not Found", "Not Found")


@pytest.mark.parametrize("what", ["permissions", "topic-permissions"])
@pytest.mark.parametrize("where", ["nope/guest", "%2F/nope"])
async def test_permissions_need_a_user_and_a_virtual_host(site: Site, what: str, where: str) -> None:
    reply = await site.put(f"/api/{what}/{where}", {})
    assert reply.refusal == (400, "bad_request", "vhost_or_user_not_found")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({}, "[{key_missing,configure},{key_missing,write},{key_missing,read}]"),
        ({"configure": "", "write": ""}, "[{key_missing,read}]"),
        ({**ALL, "write": 5}, ["not_string", "write"]),
        ({**ALL, "write": None}, ["not_string", "write"]),
    ],
)
async def test_a_refused_permission(site: Site, body: dict[str, Any], reason: object) -> None:
    before = site.vhost.permissions["guest"]
    assert (await site.put("/api/permissions/%2F/guest", body)).refusal == (400, "bad_request", reason)
    assert site.vhost.permissions["guest"] is before


async def test_a_pattern_must_be_a_regular_expression(site: Site) -> None:
    reply = await site.put("/api/permissions/%2F/guest", {**ALL, "write": "("})
    assert reply.refusal == (400, "bad_request", ["invalid_regexp", list(b"("), [list(b"missing )"), 1]])


# --- topic permissions


async def test_a_topic_permission_is_set_and_cleared(site: Site) -> None:
    path = "/api/topic-permissions/%2F/guest"
    assert (await site.put(path, TOPIC)).status == 201
    assert (await site.put(path, {**TOPIC, "exchange": ""})).status == 204
    assert (await site.put(path, {**TOPIC, "write": "w"})).status == 204
    row = {"user": "guest", "vhost": "/"}
    everything = [{**row, **TOPIC, "exchange": ""}, {**row, **TOPIC, "write": "w"}]
    assert (await site.get(path)).json == everything[::-1]
    assert (await site.get(f"{path}/amq.topic")).json == everything[::-1]
    assert (await site.get("/api/topic-permissions")).json == everything
    assert (await site.get("/api/users/guest/topic-permissions")).json == everything
    assert (await site.get("/api/vhosts/%2F/topic-permissions")).json == everything
    assert (await site.delete(f"{path}/amq.default")).status == 204
    assert (await site.get(path)).json == everything[1:]
    assert (await site.delete(path)).status == 204
    assert (await site.get(path)).refusal == (404, "Object Not Found", "Not Found")
    assert (await site.delete(path)).status == 404
    assert (await site.get("/api/topic-permissions")).json == []


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({}, "[{key_missing,exchange},{key_missing,write},{key_missing,read}]"),
        ({**TOPIC, "exchange": 5}, ["not_string", "exchange"]),
        ({**TOPIC, "read": "("}, ["invalid_regexp", "(", [list(b"missing )"), 1]]),
    ],
)
async def test_a_refused_topic_permission(site: Site, body: dict[str, Any], reason: object) -> None:
    assert (await site.put("/api/topic-permissions/%2F/guest", body)).refusal == (400, "bad_request", reason)
    assert site.vhost.topic_permissions == {}
