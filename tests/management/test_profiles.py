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


@switch("management", 200, 200, 404, 404)
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
