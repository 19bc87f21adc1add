"""Who logs in, what the broker is called, and what it has."""

from base64 import b64decode, b64encode
from typing import Any

import pytest
import trio
from pamqp.commands import Connection

from amqpy.amqp import connection_events
from amqpy.config import Config
from amqpy.core.passwords import Password, is_password
from amqpy.management.statistics import Statistics
from tests.amqp.client import HEADER

from .clients import connect, connecting
from .harness import Reply, Site, until_next_tick
from .test_overview import of_profile

FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def config() -> Config:
    return of_profile("3.10")


# --- names


async def test_the_name_of_the_cluster(site: Site) -> None:
    site.add_user("bob", "management")
    assert (await site.get("/api/cluster-name", user="bob")).json == {"name": "rabbit@test"}
    assert (await site.put("/api/cluster-name", {"name": "mine"})).status == 204
    assert (await site.get("/api/cluster-name")).json == {"name": "mine"}
    assert (await site.get("/api/overview")).json["cluster_name"] == "mine"
    assert site.broker.administration.global_parameter("cluster_name") == "mine"
    reply = await site.put("/api/cluster-name", {"name": "bobs"}, user="bob")
    assert reply.refusal == (401, "not_authorised", "Not administrator user")


async def test_clients_are_told_the_name_of_the_cluster(site: Site) -> None:
    await site.put("/api/cluster-name", {"name": "mine"})
    peer = connecting(site)
    await peer.send(HEADER)
    start = (await peer.expect("Connection.Start")).method
    assert isinstance(start, Connection.Start)
    assert start.server_properties["cluster_name"] == "mine"


@pytest.mark.parametrize("body", [b"", b"{}", b"null"])
async def test_a_cluster_needs_a_name(site: Site, body: bytes) -> None:
    reply = await site.put("/api/cluster-name", body=body)
    assert reply.refusal == (400, "bad_request", "[{key_missing,name}]")


@pytest.mark.parametrize("name", [5, None, ["x"], {"x": 1}])
async def test_a_name_is_a_text(site: Site, name: object) -> None:
    assert (await site.put("/api/cluster-name", {"name": name})).status == 400


async def test_half_a_character_is_replaced(site: Site) -> None:
    assert (await site.put("/api/cluster-name", body=rb'{"name": "a\ud800b"}')).status == 204
    assert (await site.get("/api/cluster-name")).json == {"name": "a\ufffdb"}


async def test_extensions(site: Site) -> None:
    assert (await site.get("/api/extensions")).json == [{"javascript": "dispatcher.js"}]


# --- users


async def test_whoami(site: Site) -> None:
    site.add_user("bob", "management", "other")
    assert (await site.get("/api/whoami")).json == {"name": "guest", "tags": ["administrator"]}
    assert (await site.get("/api/whoami", user="bob")).json == {"name": "bob", "tags": ["management", "other"]}


@pytest.mark.parametrize("config", [of_profile("4.0")])
async def test_whoami_of_4_0(site: Site) -> None:
    assert (await site.get("/api/whoami")).json["is_internal_user"] is True


async def test_single_sign_on_needs_no_login(site: Site) -> None:
    reply = await site.get("/api/auth", user=None)
    assert (reply.status, reply.json) == (200, {"enable_uaa": False, "uaa_client_id": "", "uaa_location": ""})


@pytest.mark.parametrize("config", [of_profile("4.0")])
async def test_single_sign_on_of_4_0(site: Site) -> None:
    assert (await site.get("/api/auth", user=None)).json == {"oauth_enabled": False}


async def log_in(site: Site, body: bytes, content_type: str = FORM) -> Reply:
    return await site.post("/api/login", body=body, user=None, headers={"content-type": content_type})


async def test_log_in(site: Site) -> None:
    site.add_user("b b", "management")
    reply = await log_in(site, b"username=b+b&password=b+b")
    assert (reply.status, reply.body) == (200, b'"ok"')
    cookie = reply.headers["set-cookie"].partition(";")[0]
    assert b64decode(cookie.removeprefix("auth=")) == b"b b:b b"


@pytest.mark.parametrize("body", [b"username=guest&password=x", b"", b"\xff", b"username=guest", b"a=%FF&username=%00"])
async def test_a_bad_login(site: Site, body: bytes) -> None:
    reply = await log_in(site, body)
    assert reply.refusal == (401, "not_authorized", "Login failed")
    assert "set-cookie" not in reply.headers


@pytest.mark.parametrize("config", [of_profile("4.0")])
async def test_a_bad_login_of_4_0(site: Site) -> None:
    reply = await site.get("/api/whoami", password="wrong")
    assert reply.refusal == (401, "not_authorized", "Not_Authorized")
    assert "www-authenticate" not in reply.headers
    assert "www-authenticate" in (await site.get("/api/whoami", user=None)).headers


async def test_the_header_is_no_login_there(site: Site) -> None:
    reply = await site.post("/api/login", {"username": "guest", "password": "guest"})
    assert reply.status == 401


async def test_who_may_not_manage_cannot_log_in(site: Site) -> None:
    site.add_user("bob")
    assert (await log_in(site, b"username=bob&password=bob")).status == 401


async def test_a_login_that_is_too_large(site: Site) -> None:
    assert (await log_in(site, b"x" * 100_000)).status == 400


@pytest.mark.parametrize("config", [of_profile("4.3")])
async def test_log_in_of_4_3(site: Site) -> None:
    reply = await log_in(site, b"username=guest&password=guest")
    value = b64encode(b"guest:guest").decode()
    assert reply.json["token"] == {"type": "basic", "value": value}
    assert reply.json["user"]["name"] == "guest"
    assert "set-cookie" not in reply.headers
    assert (await site.get("/api/auth", user=None)).status == 404
    assert (await site.delete("/api/login", user=None)).status == 204


async def test_log_out_is_of_4_3(site: Site) -> None:
    reply = await site.delete("/api/login")
    assert (reply.status, reply.headers["allow"]) == (405, "POST, OPTIONS")


ATTEMPTS = "/api/auth/attempts/rabbit%40test"


def row(protocol: str, failed: int, succeeded: int) -> dict[str, Any]:
    return {
        "protocol": protocol,
        "auth_attempts": failed + succeeded,
        "auth_attempts_failed": failed,
        "auth_attempts_succeeded": succeeded,
    }


async def test_attempts_to_log_in(site: Site) -> None:
    await connect(site)
    await site.get("/api/whoami", password="wrong")
    await site.get("/api/whoami", user=None)
    assert (await site.get(ATTEMPTS)).json == [row("http", 1, 1), row("amqp091", 0, 1)]
    assert (await site.get(f"{ATTEMPTS}/source")).json == []
    assert (await site.delete(ATTEMPTS)).status == 204
    assert (await site.get(ATTEMPTS)).json == [row("http", 0, 1)]
    assert (await site.delete(f"{ATTEMPTS}/source")).status == 204
    site.broker.events.tell("user.authentication.failure", connection_events.erlang_address, "x")  # type: ignore[arg-type]
    assert (await site.get(ATTEMPTS)).json == [row("http", 0, 1), row("amqp091", 1, 0)]


async def test_attempts_are_for_monitors(site: Site) -> None:
    site.add_user("bob", "management")
    assert (await site.get(ATTEMPTS, user="bob")).refusal[2] == "Not monitor user"
    assert (await site.get("/api/auth/attempts/nope")).status == 404


async def test_hashes_are_of_3_13(site: Site) -> None:
    assert (await site.get("/api/auth/hash_password/secret")).status == 404


@pytest.mark.parametrize("config", [of_profile("3.13")])
async def test_a_hash_of_a_password(site: Site) -> None:
    site.add_user("eve", "monitoring")
    path = "/api/auth/hash_password/secret"
    hashed = (await site.get(path)).json["ok"]
    assert is_password(b"secret", Password(b64decode(hashed), "sha256"))
    assert (await site.get(path, user="eve")).status == 401
    assert (await site.request("HEAD", path)).status == 405


# --- versions


async def test_the_version_is_of_4_0(site: Site) -> None:
    assert (await site.get("/api/version")).status == 404


@pytest.mark.parametrize("config", [of_profile("4.0")])
async def test_the_version(site: Site) -> None:
    reply = await site.get("/api/version", user=None)
    assert (reply.status, reply.json) == (200, "4.0.5")


# --- features


async def test_feature_flags(site: Site) -> None:
    flags = (await site.get("/api/feature-flags")).json
    by_name = {each["name"]: each for each in flags}
    assert {"quorum_queue", "stream_queue"} <= set(by_name)
    assert set(flags[0]) == {"name", "desc", "doc_url", "provided_by", "stability", "state"}
    assert {each["state"] for each in flags} == {"enabled"}
    assert {each["stability"] for each in flags} == {"stable"}
    assert [each["name"] for each in flags] == sorted(by_name)


async def test_feature_flags_are_for_administrators(site: Site) -> None:
    site.add_user("eve", "monitoring")
    assert (await site.get("/api/feature-flags", user="eve")).refusal[2] == "Not administrator user"


@pytest.mark.parametrize("config", [of_profile("4.0")])
async def test_feature_flags_of_4_0_are_for_anyone(site: Site) -> None:
    site.add_user("bob", "management")
    flags = {each["name"]: each["stability"] for each in (await site.get("/api/feature-flags", user="bob")).json}
    assert (flags["quorum_queue"], flags["rabbitmq_4.0.0"]) == ("required", "stable")


async def test_enabling_a_feature_flag(site: Site) -> None:
    site.add_user("eve", "monitoring")
    assert (await site.put("/api/feature-flags/quorum_queue/enable", body=b"{")).status == 204
    assert (await site.put("/api/feature-flags/nope/enable", {})).refusal == (400, "bad_request", "unsupported")
    assert (await site.put("/api/feature-flags/quorum_queue/enable", {}, user="eve")).status == 401
    headers = {"content-type": "text/plain"}
    assert (await site.put("/api/feature-flags/quorum_queue/enable", {}, headers=headers)).status == 415


async def test_deprecated_features_are_of_3_13(site: Site) -> None:
    assert (await site.get("/api/deprecated-features")).status == 404


@pytest.mark.parametrize("config", [of_profile("4.3")])
async def test_deprecated_features(site: Site) -> None:
    found = {each["name"]: each for each in (await site.get("/api/deprecated-features")).json}
    assert found["global_qos"]["deprecation_phase"] == "denied_by_default"
    assert found["classic_queue_mirroring"]["deprecation_phase"] == "removed"
    states = [found[name]["state"] for name in ("global_qos", "classic_queue_mirroring", "transient_nonexcl_queues")]
    assert states == ["denied", "denied", "permitted"]
    flags = {each["name"]: each["require_level"] for each in (await site.get("/api/feature-flags")).json}
    assert (flags["quorum_queue"], flags["rabbitmq_4.3.0"]) == ("hard", "none")
    assert (await site.get("/api/deprecated-features/used")).json == []


SECRETIVE = Config(cluster_name="rabbit@test", strict=True, tls_key_password="hidden")


@pytest.mark.parametrize("config", [SECRETIVE])
async def test_settings_without_secrets(site: Site) -> None:
    site.add_user("eve", "monitoring")
    reply = await site.get("/api/config/effective")
    assert reply.headers["content-type"] == "text/plain"
    assert b'cluster_name = "rabbit@test"\n' in reply.body
    assert b"hidden" not in reply.body
    assert b"default_pass" not in reply.body
    assert (await site.get("/api/config/effective", user="eve")).status == 401


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "rebalance/queues"), ("DELETE", "reset"), ("DELETE", "reset/rabbit%40test")]
)
async def test_what_changes_nothing(site: Site, method: str, path: str) -> None:
    site.add_user("eve", "monitoring")
    reply = await site.request(method, f"/api/{path}")
    assert (reply.status, reply.body) == (204, b"")
    assert (await site.request(method, f"/api/{path}", user="eve")).refusal[2] == "Not administrator user"


async def test_a_reset_forgets_samples(site: Site, nursery: trio.Nursery) -> None:
    site.api.statistics = Statistics(site.broker, site.unix_time_ms)
    nursery.start_soon(site.application.run)
    await until_next_tick(site)
    site.declare("q")
    site.publish("q", b"1")
    await until_next_tick(site)
    query = "lengths_age=60&lengths_incr=5"
    before: list[int] = []
    after: list[int] = []
    for found in (before, after):
        shown = (await site.get(f"/api/queues/%2F/q?{query}")).whole
        found += [each["sample"] for each in shown["messages_details"]["samples"]]
        assert shown["messages"] == 1
        assert (await site.delete("/api/reset")).status == 204
        await until_next_tick(site)
    assert set(before) == {0, 1}
    assert len(set(after)) == 1


async def test_other_nodes_are_not_reset(site: Site) -> None:
    assert (await site.delete("/api/reset/nope")).status == 404


# --- plugins


@pytest.mark.parametrize(
    "path",
    [
        *("shovels", "shovels/v", "federation-links", "traces/v", "trace-files", "top/rabbit%40test"),
        *("stream/connections", "stream/publishers", "stream/consumers"),
    ],
)
async def test_plugins_that_there_are_not(site: Site, path: str) -> None:
    assert (await site.get(f"/api/{path}")).refusal == (404, "Object Not Found", "Not Found")
