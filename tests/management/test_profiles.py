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
