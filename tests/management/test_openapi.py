"""The description of the API: that it is one, and that what it says is so."""

import json
from typing import Any

import pytest
from openapi_spec_validator import validate

from amqpy.config import Config
from amqpy.core.findings.finding import Thresholds
from amqpy.management.openapi import document
from amqpy.management.resources import make_router
from amqpy.management.schemas import QUERIES
from amqpy.profile import PROFILES, profile_named

from .harness import Site

NAMES = {
    "vhost": "%2F",
    "user": "guest",
    "queue": "q",
    "exchange": "amq.topic",
    "source": "amq.topic",
    "destination": "q",
    "type": "q",
    "properties": "~",
    "node": "rabbit@test",
    "component": "policy",
    "name": "n",
    "flag": "quorum_queue",
    "connection": "c",
    "channel": "c",
    "within": "1",
    "unit": "days",
    "port": "5672",
    "protocol": "amqp",
    "filter": "x",
    "pattern": "x",
    "password": "p",
}
"""Values of the variables in paths. There are no connections, channels, policies and parameters."""

PATH = "/api/openapi.json"
JSON = "application/json"
TYPES = {"array": list, "object": dict}


def path_of(template: str) -> str:
    for name, value in NAMES.items():
        template = template.replace(f"{{{name}}}", value)
    assert "{" not in template
    return f"/api{template}"


async def described(site: Site) -> dict[str, dict[str, Any]]:
    """The paths, by their templates."""
    site.declare("q")
    found: dict[str, dict[str, Any]] = (await site.get(PATH, user=None)).whole["paths"]
    return found


@pytest.mark.parametrize("profile", [next(iter(PROFILES)), [*PROFILES][-1]])
def test_it_is_openapi(profile: str) -> None:
    made = document(make_router(), profile_named(profile).management, "/rabbit")
    validate(made)
    assert made["openapi"] == "3.1.0"
    assert made["servers"] == [{"url": "/rabbit/api"}]
    operations = [
        each for path in made["paths"].values() for each in path.values() if isinstance(each, dict) and "tags" in each
    ]
    assert len({each["operationId"] for each in operations}) == len(operations)
    assert {tag for each in operations for tag in each["tags"]} == {tag["name"] for tag in made["tags"]}


@pytest.mark.parametrize("profile", ["rabbitmq-3.10", "rabbitmq-4.3"])
async def test_it_has_what_is_served(site: Site, profile: str) -> None:
    reply = await site.get(PATH, user=None)
    assert (reply.status, reply.headers["content-type"]) == (200, JSON)
    assert reply.whole == json.loads(json.dumps(document(make_router(), profile_named(profile).management, "")))
    for template, path in reply.whole["paths"].items():
        allowed = (await site.request("OPTIONS", path_of(template))).headers["allow"].split(", ")
        methods = {each.upper() for each in path} - {"PARAMETERS"}
        assert methods == set(allowed) - {"HEAD", "OPTIONS"}, template


@pytest.mark.parametrize("config", [Config(strict=True, management_path_prefix="/rabbit")])
async def test_a_prefix_is_told(site: Site) -> None:
    assert (await site.get("/rabbit/api/openapi.json")).whole["servers"] == [{"url": "/rabbit/api"}]


@pytest.mark.parametrize("profile", ["rabbitmq-3.10", "rabbitmq-4.3"])
async def test_answers_are_as_described(site: Site, profile: str) -> None:
    for template, path in (await described(site)).items():
        if "get" not in path:
            continue
        reply = await site.get(path_of(template))
        assert str(reply.status) in path["get"]["responses"], template
        # A live page must say what it wants.
        assert reply.status in ({400} if template == "/live" else {200, 404, 503}), template
        if reply.status == 200 and reply.headers["content-type"] == JSON:
            schema = path["get"]["responses"]["200"]["content"][JSON]["schema"]
            kinds = schema.get("type", [])
            kinds = [kinds] if isinstance(kinds, str) else kinds
            assert not kinds or isinstance(reply.whole, tuple(TYPES[kind] for kind in kinds)), template


@pytest.mark.parametrize("profile", ["rabbitmq-3.10", "rabbitmq-4.3"])
async def test_who_need_not_log_in(site: Site, profile: str) -> None:
    for template, path in (await described(site)).items():
        if "get" in path:
            status = (await site.get(path_of(template), user=None)).status
            assert (status == 401) == ("security" not in path["get"]), template


@pytest.mark.parametrize("profile", ["rabbitmq-3.10", "rabbitmq-4.3"])
async def test_lists_that_can_be_had_in_pages(site: Site, profile: str) -> None:
    for template, path in (await described(site)).items():
        if "get" not in path:
            continue
        reply = await site.get(f"{path_of(template)}?page=1")
        if reply.status == 200:
            is_page = reply.headers["content-type"] == JSON and "page_count" in reply.body.decode()
            parameters = [each["name"] for each in path["get"].get("parameters", ())]
            assert is_page == ("page" in parameters), template


async def test_bodies_have_the_keys_that_they_must_have(site: Site) -> None:
    site.add_vhost("v", "guest")
    for template, path in (await described(site)).items():
        for method in ("put", "post"):
            body = path.get(method, {}).get("requestBody")
            if body is None or template == "/login":
                continue
            reply = await site.request(method.upper(), path_of(template), {})
            required = body["content"][JSON]["schema"].get("required", [])
            reason = str(reply.json["reason"]) if reply.status == 400 else ""
            missing = [each for each in required if f"{{key_missing,{each}}}" in reason]
            assert missing == required, template
            assert reason.count("key_missing") == len(required), template


async def test_parameters_are_those_that_are_read(site: Site) -> None:
    """A value that none can have is refused, so it is looked at."""
    for template, parameters in QUERIES.items():
        path = (await described(site))[template]["get"]
        assert {each["name"] for each in path["parameters"]} >= set(parameters), template
        for name in parameters:
            reply = await site.get(f"{path_of(template)}?{name}={'[' * 300}")
            assert reply.status == 400, (template, name)


def test_thresholds_are_described() -> None:
    assert set(QUERIES["/stuck"]) == set(Thresholds._fields)
