"""Users over HTTP: their keys, their passwords, and what is refused."""

import base64
from typing import Any

import pytest

from amqpy.config import Config
from amqpy.core.passwords import hash_password
from amqpy.core.users import LoginFailed

from .harness import Site

OTHERS = ["guest", "outsider", "reader"]
"""The users that a site has from the start."""

SALT = bytes.fromhex("908DC60A")
HASH = "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR"
"""The documents' example: the password test12."""
MD5 = base64.b64encode(hash_password(b"old", SALT, "md5")).decode()


def logs_in(site: Site, name: str, password: str) -> bool:
    try:
        site.users.log_in(name, password.encode(), from_loopback=True)
    except LoginFailed:
        return False
    return True


async def test_a_user_has_these_keys(site: Site) -> None:
    assert (await site.put("/api/users/u", {"password_hash": HASH, "tags": "management,x"})).status == 201
    user = {
        "name": "u",
        "password_hash": HASH,
        "hashing_algorithm": "rabbit_password_hashing_sha256",
        "tags": ["management", "x"],
        "limits": {},
    }
    assert (await site.get("/api/users/u")).json == user
    assert user in (await site.get("/api/users")).json
    assert logs_in(site, "u", "test12")


async def test_users_are_in_the_order_of_their_names(site: Site) -> None:
    for name in ("b", "a", "Z"):
        assert (await site.put(f"/api/users/{name}", {"password": name, "tags": ""})).status == 201
    assert [each["name"] for each in (await site.get("/api/users")).json] == ["Z", "a", "b", *OTHERS]
    assert [each["name"] for each in (await site.get("/api/users/without-permissions")).json] == [
        "Z",
        "a",
        "b",
        "outsider",
    ]


async def test_what_a_put_leaves_out_is_gone(site: Site) -> None:
    await site.put("/api/users/u", {"password": "secret", "tags": "x", "limits": {"max-channels": 3}})
    assert logs_in(site, "u", "secret")
    assert (await site.put("/api/users/u", {"tags": []})).status == 204
    user = (await site.get("/api/users/u")).json
    assert (user["password_hash"], user["tags"], user["limits"]) == ("", [], {"max-channels": 3})
    assert not logs_in(site, "u", "secret")


async def test_a_put_changes_the_password(site: Site) -> None:
    await site.put("/api/users/u", {"password": "secret", "tags": ""})
    assert (await site.put("/api/users/u", {"password": "other", "tags": ""})).status == 204
    assert logs_in(site, "u", "other")
    assert not logs_in(site, "u", "secret")
    assert (await site.put("/api/users/u", {"password_hash": HASH, "tags": ""})).status == 204
    assert logs_in(site, "u", "test12")


@pytest.mark.parametrize(
    ("given", "tags"),
    [
        ("", []),
        ("administrator", ["administrator"]),
        (" a , b,,", ["a", "b"]),
        (["a", " b"], ["a", "b"]),
        ([], []),
    ],
)
async def test_tags_are_a_list_or_a_text(site: Site, given: object, tags: list[str]) -> None:
    await site.put("/api/users/u", {"tags": given})
    assert (await site.get("/api/users/u")).json["tags"] == tags


async def test_what_was_before_tags_is_read(site: Site) -> None:
    await site.put("/api/users/u", {"administrator": "true"})
    assert (await site.get("/api/users/u")).json["tags"] == ["administrator"]


async def test_a_hash_has_its_algorithm(site: Site) -> None:
    body = {"password_hash": MD5, "hashing_algorithm": "rabbit_password_hashing_md5", "tags": ""}
    await site.put("/api/users/u", body)
    assert (await site.get("/api/users/u")).json["hashing_algorithm"] == "rabbit_password_hashing_md5"
    assert logs_in(site, "u", "old")


async def test_an_algorithm_that_nobody_knows_is_kept(site: Site) -> None:
    body = {"password_hash": HASH, "hashing_algorithm": "sha3", "tags": ""}
    assert (await site.put("/api/users/u", body)).status == 201
    shown = (await site.get("/api/users/u")).json
    assert (shown["password_hash"], shown["hashing_algorithm"]) == (HASH, "sha3")
    assert not logs_in(site, "u", "secret")
    assert (await site.put("/api/users/u", {"password": "a", "hashing_algorithm": 5, "tags": ""})).status == 204
    assert logs_in(site, "u", "a")


async def test_a_hash_of_another_length_is_kept(site: Site) -> None:
    assert (await site.put("/api/users/u", {"password_hash": MD5, "tags": ""})).status == 201
    assert (await site.get("/api/users/u")).json["password_hash"] == MD5
    assert not logs_in(site, "u", "old")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({}, "tags_not_present"),
        ({"password": "a"}, "tags_not_present"),
        ({"tags": "", "password": "a", "password_hash": HASH}, "both_password_and_password_hash_are_provided"),
        ({"tags": "", "password_hash": "!!!"}, ["not_base64", "!!!"]),
        ({"tags": "", "password_hash": 5}, ["not_base64", 5]),
        ({"tags": "", "password_hash": None}, ["not_base64", None]),
        ({"tags": "", "password": 5}, ["not_string", "password"]),
        ({"tags": 5}, ["not_tags", "tags"]),
        ({"tags": None}, ["not_tags", "tags"]),
        ({"tags": [{}]}, ["not_tags", "tags"]),
        ({"tags": "x" * 256}, "a tag has more than 255 bytes"),
        ({"tags": ["é" * 128]}, "a tag has more than 255 bytes"),
        ({"administrator": "yes"}, ["not_boolean", "yes"]),
        ({"tags": "", "limits": {"max-queues": 1}}, 'Unrecognised terms [{<<"max-queues">>,1}] in user-limits'),
        ({"tags": "", "limits": 5}, ["not_object", "limits"]),
        ({"tags": "", "limits": None}, ["not_object", "limits"]),
        ({"tags": "", "limits": []}, ["not_object", "limits"]),
        ({"tags": "", "permissions": 5}, ["not_object", "permissions"]),
        ({"tags": "", "permissions": {"/": {}}}, ["not_string", "configure"]),
    ],
)
async def test_a_refused_user_is_not_there(site: Site, body: dict[str, Any], reason: object) -> None:
    assert (await site.put("/api/users/u", body)).refusal == (400, "bad_request", reason)
    assert (await site.get("/api/users/u")).status == 404


async def test_a_refusal_changes_nothing(site: Site) -> None:
    await site.put("/api/users/u", {"password": "secret", "tags": "x"})
    reply = await site.put("/api/users/u", {"password": "other", "tags": "y", "limits": {"max-channels": "x"}})
    assert reply.refusal == (400, "bad_request", 'max-channels should be a number, actually was <<"x">>')
    assert logs_in(site, "u", "secret")
    assert (await site.get("/api/users/u")).json["tags"] == ["x"]


async def test_a_new_user_may_come_with_permissions(site: Site) -> None:
    everything = {"configure": ".*", "write": ".*", "read": "^q"}
    await site.put("/api/users/u", {"tags": "", "permissions": {"/": everything}})
    assert (await site.get("/api/permissions/%2F/u")).json == {"user": "u", "vhost": "/", **everything}


@pytest.mark.parametrize("config", [Config(credential_validator="min_password_length", default_pass="long enough")])
@pytest.mark.parametrize("body", [{"password": "abc", "tags": ""}, {"tags": ""}])
async def test_a_password_must_be_good_enough(site: Site, body: dict[str, str]) -> None:
    reply = await site.put("/api/users/u", body, password="long enough")
    assert reply.refusal == (400, "bad_request", "credential_validation_failed")


async def test_nobody_logs_in_with_an_empty_password(site: Site) -> None:
    for body in ({"tags": ""}, {"tags": "", "password": ""}):
        assert (await site.put("/api/users/u", body)).status == 201
        assert len((await site.get("/api/users/u")).json["password_hash"]) == 48
        assert not logs_in(site, "u", "")
        await site.delete("/api/users/u")


async def test_a_user_is_deleted(site: Site) -> None:
    site.add_user("u")
    assert (await site.delete("/api/users/u")).status == 204
    assert site.users.find("u") is None
    assert (await site.delete("/api/users/u")).refusal == (404, "Object Not Found", "Not Found")


@pytest.mark.parametrize("config", [Config(profile="rabbitmq-3.10")])
async def test_users_are_deleted_up_to_the_first_that_is_not_there(site: Site) -> None:
    for name in ("a", "b", "c"):
        site.add_user(name)
    reply = await site.post("/api/users/bulk-delete", {"users": ["a", "nope", "b"]})
    assert reply.refusal == (400, "bad_request", ["no_such_user", "nope"])
    assert {user.name for user in site.users} == {*OTHERS, "b", "c"}


@pytest.mark.parametrize("profile", ["rabbitmq-3.13"])
async def test_newer_versions_skip_users_that_are_not_there(site: Site) -> None:
    for name in ("a", "b"):
        site.add_user(name)
    assert (await site.post("/api/users/bulk-delete", {"users": ["a", "nope", "b"]})).status == 204
    assert {user.name for user in site.users} == {*OTHERS}


async def test_very_many_users_are_deleted_in_slices(site: Site) -> None:
    names = [f"u{number}" for number in range(2_000)]
    for name in names:
        site.users.add_user(name)
    assert (await site.post("/api/users/bulk-delete", {"users": names})).status == 204
    assert {user.name for user in site.users} == {*OTHERS}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({}, "[{key_missing,users}]"),
        ({"users": "guest"}, ["not_list", "users"]),
        ({"users": [[]]}, ["no_such_user", []]),
    ],
)
async def test_what_is_no_list_of_users(site: Site, body: dict[str, Any], reason: object) -> None:
    assert (await site.post("/api/users/bulk-delete", body)).refusal == (400, "bad_request", reason)


@pytest.mark.parametrize(
    ("config", "paged"),
    [(Config(profile="rabbitmq-3.10"), False), (Config(profile="rabbitmq-4.0"), True)],
)
async def test_newer_versions_show_users_in_pages(site: Site, paged: bool) -> None:
    answer = (await site.get("/api/users?page=1")).json
    assert isinstance(answer, dict) is paged


@pytest.mark.parametrize("path", ["/users", "/users/u", "/users/without-permissions", "/permissions", "/vhosts/%2F"])
async def test_only_administrators_see_users(site: Site, path: str) -> None:
    site.add_user("u", "monitoring", "policymaker")
    assert (await site.get(f"/api{path}", user="u")).refusal == (401, "not_authorised", "Not administrator user")


@pytest.mark.parametrize(
    "body",
    [b'{"tags": NaN}', b'{"tags": 1e999}', b"[" * 100_000, b"\xff"],
    ids=["nan", "infinity", "deep", "octets"],
)
async def test_what_is_no_json(site: Site, body: bytes) -> None:
    assert (await site.request("PUT", "/api/users/u", body=body)).refusal == (400, "bad_request", "not_json")


async def test_a_name_may_have_any_octets(site: Site) -> None:
    assert (await site.put("/api/users/%FF%2F", {"tags": ""})).status == 201
    assert (await site.get("/api/users/%FF%2F")).json["name"] == "\ufffd/"
