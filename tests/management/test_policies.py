"""Policies over HTTP, and those of the operator."""

from typing import Any

import pytest

from amqpy.config import Config

from .harness import Site

BOTH = pytest.mark.parametrize("kind", ["policies", "operator-policies"])
BODY: dict[str, Any] = {"pattern": "^q", "definition": {"max-length": 5}}
SHOWN = {"vhost": "/", "name": "p", **BODY, "apply-to": "all", "priority": 0}


@BOTH
async def test_a_policy_is_set_changed_and_cleared(site: Site, kind: str) -> None:
    path = f"/api/{kind}/%2F/p"
    queue = site.declare("q")
    assert (await site.put(path, {**BODY, "priority": 1.5, "apply-to": "queues"})).status == 201
    assert (await site.get(path)).json == {**SHOWN, "priority": 1.5, "apply-to": "queues"}
    assert queue.policy.definition == {"max-length": 5}
    assert (await site.put(path, BODY)).status == 204
    assert (await site.get(path)).json == SHOWN
    assert (await site.delete(path)).status == 204
    assert queue.policy.definition == {}
    assert (await site.get(path)).refusal == (404, "Object Not Found", "Not Found")
    assert (await site.delete(path)).refusal == (404, "Object Not Found", "Not Found")


@BOTH
async def test_policies_of_low_priority_come_first(site: Site, kind: str) -> None:
    site.add_vhost("v", "guest")
    for vhost, name, priority in (("v", "b", 1), ("%2F", "c", 1), ("%2F", "a", 2), ("%2F", "d", -1)):
        assert (await site.put(f"/api/{kind}/{vhost}/{name}", {**BODY, "priority": priority})).status == 201
    assert [each["name"] for each in (await site.get(f"/api/{kind}")).json] == ["d", "c", "b", "a"]
    assert [each["name"] for each in (await site.get(f"/api/{kind}/%2F")).json] == ["d", "c", "a"]
    assert [each["name"] for each in (await site.get(f"/api/{kind}", headers={"x-vhost": "v"})).json] == ["b"]
    assert (await site.get(f"/api/{kind}/nope")).status == 404


@BOTH
@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({}, "[{key_missing,pattern},{key_missing,definition}]"),
        ({"pattern": "", "definition": {}}, "Validation failed\n\nno policy provided\n"),
        ({**BODY, "pattern": 5}, "Validation failed\n\npattern should be a binary but was 5\n"),
        ({**BODY, "priority": None}, "Validation failed\n\npriority should be a number, actually was null\n"),
        (
            {**BODY, "pattern": "("},
            'Validation failed\n\npattern should be regular expression but is invalid: {"missing )",1}\n',
        ),
    ],
)
async def test_a_refused_policy(site: Site, kind: str, body: dict[str, Any], reason: str) -> None:
    assert (await site.put(f"/api/{kind}/%2F/p", body)).refusal == (400, "bad_request", reason)
    assert (await site.get(f"/api/{kind}/%2F/p")).status == 404


@BOTH
@pytest.mark.parametrize("definition", [5, "x", [], [1], None])
async def test_what_is_no_definition(site: Site, kind: str, definition: object) -> None:
    assert (await site.put(f"/api/{kind}/%2F/p", {**BODY, "definition": definition})).status == 400


@BOTH
async def test_a_policy_needs_a_virtual_host(site: Site, kind: str) -> None:
    assert (await site.put(f"/api/{kind}/nope/p", BODY)).refusal == (404, "not_found", "vhost_not_found")
    assert (await site.get(f"/api/{kind}/nope/p")).status == 404
    assert (await site.delete(f"/api/{kind}/nope/p")).status == 404


@pytest.mark.parametrize(
    ("config", "kind", "escaped"),
    [
        (Config(profile="rabbitmq-3.10"), "policies", True),
        (Config(profile="rabbitmq-4.3"), "policies", False),
        (Config(profile="rabbitmq-3.10"), "operator-policies", False),
    ],
)
async def test_older_versions_escape_what_they_say_of_policies(site: Site, kind: str, escaped: bool) -> None:
    reply = await site.put(f"/api/{kind}/%2F/p", {"pattern": "", "definition": {"max-length": "&"}})
    shown = '&lt;&lt;"&amp;"&gt;&gt;' if escaped else '<<"&">>'
    line = f"{shown} is not a valid maximum length"
    assert reply.refusal == (400, "bad_request", f"Validation failed\n\n{line}\n")


async def test_policymakers_set_policies_where_they_may_log_in(site: Site) -> None:
    site.add_vhost("v")
    site.add_user("maker", "policymaker")
    site.add_user("plain", "management")
    assert (await site.put("/api/policies/%2F/p", BODY, user="maker")).status == 201
    no_access = (401, "not_authorised", "User not authorised to access object")
    assert (await site.put("/api/policies/v/p", BODY, user="maker")).refusal == no_access
    assert (await site.get("/api/policies/%2F/p", user="plain")).refusal == no_access
    assert (await site.get("/api/policies/%2F", user="plain")).json == [SHOWN]
    reply = await site.put("/api/operator-policies/%2F/p", BODY, user="maker")
    assert reply.refusal == (401, "not_authorised", "Not administrator user")
    assert (await site.get("/api/operator-policies", user="maker")).json == []


async def test_a_list_shows_only_where_its_reader_may_log_in(site: Site) -> None:
    site.add_vhost("v")
    site.add_user("monitor", "monitoring")
    await site.put("/api/policies/v/p", BODY)
    assert (await site.get("/api/policies", user="monitor")).json == []
    assert len((await site.get("/api/policies")).json) == 1


async def test_an_operator_policy_must_come_as_json(site: Site) -> None:
    plain = {"content-type": "text/plain"}
    assert (await site.put("/api/operator-policies/%2F/p", BODY, headers=plain)).status == 415
    assert (await site.put("/api/policies/%2F/p", BODY, headers=plain)).status == 201
