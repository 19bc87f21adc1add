"""The switches of the management API, each in every profile."""

import pytest

from amqpy.config import Config
from tests.profiles import switch

from .harness import Site

ADDRESSES = {
    "/auth": "sign-on",
    "/version": "version",
    "/auth/hash_password/x": "hashes",
    "/deprecated-features": "deprecated",
    "/health/checks/node-is-mirror-sync-critical": "mirrors",
    "/health/checks/is-in-service": "service",
}
"""Paths that not every version has, and words for them."""


@pytest.fixture
def config(profile: str) -> Config:
    return Config(cluster_name="rabbit@test", strict=True, profile=profile)


@switch(
    "management",
    "sign-on mirrors",
    "sign-on hashes deprecated mirrors",
    "sign-on version hashes deprecated",
    "version hashes deprecated service",
)
async def test_paths_that_are_there(site: Site, expected: str) -> None:
    there = [word for path, word in ADDRESSES.items() if (await site.get(f"/api{path}")).status == 200]
    assert " ".join(there) == expected


@switch("management", None, None, "public", "public")
async def test_what_may_be_cached(site: Site, expected: str | None) -> None:
    revalidated = expected and f"{expected}, max-age=0, must-revalidate"
    vary = "origin, accept-encoding" if expected else "origin"
    for path, user in (("/api/nope", "guest"), ("/api/whoami", None)):
        reply = await site.get(path, user=user)
        assert (reply.headers.get("cache-control"), reply.headers["vary"]) == (revalidated, vary)
    reply = await site.put("/api/queues/%2F/q", {"durable": True})
    assert reply.headers.get("cache-control") == revalidated
    reply = await site.get("/api/whoami")
    assert (reply.headers["cache-control"], reply.headers["vary"]) == ("no-cache", "accept, accept-encoding, origin")
    reply = await site.get("/api")
    assert (reply.status, reply.headers.get("vary")) == (301, "accept-encoding" if expected else None)
    reply = await site.get("/api/vhosts/%")
    assert (reply.status, reply.headers.get("vary")) == (400, "accept-encoding" if expected else None)


@switch("management", 200, 404, 404, 404)
async def test_a_virtual_host_in_a_header_that_does_not_exist(site: Site, expected: int) -> None:
    header = {"x-vhost": "nope"}
    for kind in ("queues", "exchanges", "bindings", "consumers"):
        assert (await site.get(f"/api/{kind}", headers=header)).status == expected, kind
    for kind in ("policies", "operator-policies", "vhost-limits"):  # where 3.x crashes
        assert (await site.get(f"/api/{kind}", headers=header)).status == max(expected, 400), kind
    for kind in ("connections", "channels", "parameters", "vhosts", "users", "permissions"):
        assert (await site.get(f"/api/{kind}", headers=header)).status == 200, kind
    assert (await site.get("/api/queues/%2F", headers=header)).status == 200


@switch("management", [], [], ["cluster_tags"], ["cluster_tags"])
async def test_global_parameters_that_every_broker_has(site: Site, expected: list[str]) -> None:
    shown = (await site.get("/api/global-parameters")).json
    assert [each["name"] for each in shown] == [*expected, "internal_cluster_id"]
    assert [each["value"] for each in shown[:-1]] == [[] for _ in expected]


@switch("management", True, True, False, True)
async def test_columns_of_virtual_hosts(site: Site, expected: bool) -> None:
    for query in ("columns=name", "columns=name&sort=name"):
        (row,) = (await site.get(f"/api/vhosts?{query}")).json
        assert (row.keys() == {"name"}) is expected


async def flags(site: Site, stability: str) -> list[str]:
    shown = (await site.get("/api/feature-flags")).json
    return [each["name"] for each in shown if each["stability"] == stability]


@switch("required_flags", None, "quorum_queue", "message_containers", "khepri_db")
async def test_feature_flags_that_are_required(site: Site, expected: str | None) -> None:
    required = await flags(site, "required")
    assert expected in required if expected else required == []


@switch("stable_flags", "quorum_queue", "message_containers", "rabbitmq_4.0.0", "rabbitmq_4.3.0")
async def test_feature_flags_that_are_stable(site: Site, expected: str) -> None:
    assert expected in await flags(site, "stable")


async def phase(site: Site, feature: str) -> str | None:
    reply = await site.get("/api/deprecated-features")
    shown = reply.json if reply.status == 200 else []
    return next((each["deprecation_phase"] for each in shown if each["name"] == feature), None)


@switch("permitted_features", None, "permitted_by_default", "permitted_by_default", "permitted_by_default")
async def test_features_that_are_permitted(site: Site, expected: str | None) -> None:
    assert await phase(site, "transient_nonexcl_queues") == expected


@switch("denied_features", None, "permitted_by_default", "permitted_by_default", "denied_by_default")
async def test_features_that_are_denied(site: Site, expected: str | None) -> None:
    assert await phase(site, "global_qos") == expected


@switch("removed_features", None, "permitted_by_default", "removed", "removed")
async def test_features_that_are_gone(site: Site, expected: str | None) -> None:
    assert await phase(site, "classic_queue_mirroring") == expected


BODIES = {
    "comment": b'{"arguments": {}} // with a comment',
    "comma": b'{"arguments": {},}',
    "boolean": b"true",
    "control": b'{"arguments": {"a": "\t"}}',
    "surrogate": b'{"arguments": {"a": "\\ud800"}}',
    "octets": b'{"arguments": {"a": "\xff"}}',
    "mark": b"\xef\xbb\xbf{}",
}
"""Bodies that are no strict JSON."""


@switch("management", True, False, False, False)
async def test_bodies_that_are_no_strict_json(site: Site, expected: bool) -> None:
    for name, body in BODIES.items():
        reply = await site.put(f"/api/queues/%2F/{name}", body=body)
        if expected:
            assert reply.status == 201, name
        else:
            assert reply.refusal == (400, "bad_request", "not_json"), name
    reply = await site.post("/api/definitions/%2F", body=BODIES["mark"], headers={"content-type": "application/json"})
    assert reply.status == (204 if expected else 400)
    for body in (b"null", b"undefined", b""):
        assert (await site.put("/api/queues/%2F/q", body=body)).status in {201, 204}


@switch("management", False, True, True, True)
async def test_the_value_of_a_key_that_is_there_twice(site: Site, expected: bool) -> None:
    await site.put("/api/queues/%2F/q", body=b'{"durable": true, "durable": false}')
    assert (await site.get("/api/queues/%2F/q")).json["durable"] is expected


@switch("management", "; Version=1", "", "", None)
async def test_the_cookie_of_a_login(site: Site, expected: str | None) -> None:
    form = {"content-type": "application/x-www-form-urlencoded"}
    reply = await site.post("/api/login", body=b"username=guest&password=guest", headers=form)
    cookie = None if expected is None else f"auth=Z3Vlc3Q6Z3Vlc3Q={expected}"
    assert reply.headers.get("set-cookie") == cookie


@switch("management", None, "queue_not_found", "queue_not_found", "queue_not_found")
async def test_what_is_not_there_comes_before_the_content_type(site: Site, expected: str | None) -> None:
    reply = await site.post("/api/queues/%2F/nope/get", body=b"{}", headers={"content-type": "nonsense"})
    if expected is None:
        assert reply.status == 415
    else:
        assert reply.refusal == (404, "not_found", expected)


@switch("management", 201, 201, 400, 400)
async def test_large_bindings(site: Site, expected: int) -> None:
    site.declare("q")
    for size, status in ((4000, 201), (5000, expected)):
        arguments = {"arguments": {"a": "x" * size}}
        assert (await site.post("/api/bindings/%2F/e/amq.direct/q/q", arguments)).status == status


@switch("management", 401, 404, 404, 404)
async def test_a_virtual_host_in_a_header_that_nobody_may_enter(site: Site, expected: int) -> None:
    site.add_user("bob", "management")
    reply = await site.get("/api/queues", user="bob", headers={"x-vhost": "nope"})
    assert reply.status == expected


@switch("management", None, None, "no-cache, no-store, max-age=0, must-revalidate", "no-cache, no-store")
async def test_the_version_is_never_cached(site: Site, expected: str | None) -> None:
    reply = await site.request("POST", "/api/version", user=None)
    if expected is None:
        assert reply.status == 405
        assert "pragma" not in reply.headers
    else:
        assert reply.headers["cache-control"].startswith(expected)
        assert (reply.headers["pragma"], reply.headers["expires"]) == ("no-cache", "0")
        assert (await site.get("/api/version")).headers["cache-control"] == "no-cache"


@switch("management", (True, True), (False, False), (False, False), (False, False))
async def test_an_exchange_without_statistics(site: Site, expected: tuple[bool, bool]) -> None:
    site.declare("q")
    site.publish("q", b"1")
    shown = (await site.get("/api/exchanges/%2F/amq.default?disable_stats=true")).json
    assert ("message_stats" in shown, "incoming" in shown) == expected


@switch("management", True, True, False, True)
async def test_columns_of_virtual_hosts_that_need_no_statistics(site: Site, expected: bool) -> None:
    for query, counted in (("columns=name", False), ("columns=name&sort=name", False), ("columns=name,name", True)):
        (row,) = (await site.get(f"/api/vhosts?{query}")).json
        assert ("messages" in row) is (not expected and counted), query


@switch("management", 201, 400, 400, 201)
async def test_queue_types_that_are_none(site: Site, expected: int) -> None:
    assert (await site.put("/api/vhosts/v", {"default_queue_type": None})).status == expected
    assert (await site.put("/api/vhosts/w", {"default_queue_type": "rabbit_quorum_queue"})).status == expected


@switch("management", 200, 400, 400, 400)
async def test_headers_that_are_a_list(site: Site, expected: int) -> None:
    body = {"properties": {"headers": [1]}, "routing_key": "q", "payload": "", "payload_encoding": "string"}
    assert (await site.post("/api/exchanges/%2F/amq.default/publish", body)).status == expected


@switch("management", None, None, None, ["a", "b"])
async def test_an_order_that_is_none(site: Site, expected: list[str] | None) -> None:
    for name in "ba":
        site.declare(name)
    for asked in ("", "x", "TRUE"):
        reply = await site.get(f"/api/queues?columns=name&sort_reverse={asked}")
        if expected is None:
            assert reply.refusal[:2] == (400, "bad_request"), asked
        else:
            assert [each["name"] for each in reply.json] == expected, asked


@switch("management", ["a", "b"], ["b", "a"], ["b", "a"], ["b", "a"])
async def test_the_other_way_round_of_no_order(site: Site, expected: list[str]) -> None:
    for name in "ba":
        site.declare(name)
    shown = (await site.get("/api/queues?columns=name&sort=&sort_reverse=true")).json
    assert [each["name"] for each in shown] == expected


@switch("management", 400, 200, 200, 200)
async def test_samples_that_nobody_looks_at_because_of_the_order(site: Site, expected: int) -> None:
    reply = await site.get("/api/exchanges?columns=name&sort=type&msg_rates_age=0&msg_rates_incr=1")
    assert reply.status == expected
