"""The limits of virtual hosts and of users, over HTTP."""

import pytest

from amqpy.config import Config

from .harness import Site


async def test_limits_of_a_virtual_host_are_set_one_by_one(site: Site) -> None:
    assert (await site.get("/api/vhost-limits")).json == []
    assert (await site.put("/api/vhost-limits/%2F/max-queues", {"value": 7})).status == 204
    assert (await site.put("/api/vhost-limits/%2F/max-connections", {"value": -1})).status == 204
    shown = [{"vhost": "/", "value": {"max-connections": -1, "max-queues": 7}}]
    assert (await site.get("/api/vhost-limits")).json == shown
    assert (await site.get("/api/vhost-limits/%2F")).json == shown
    assert (await site.delete("/api/vhost-limits/%2F/max-connections")).status == 204
    assert site.vhost.limits == {"max-queues": 7}


@pytest.mark.parametrize(
    ("config", "value"), [(Config(profile="rabbitmq-3.10"), []), (Config(profile="rabbitmq-3.13"), {})]
)
async def test_something_stays_of_limits_that_are_cleared(site: Site, value: object) -> None:
    assert (await site.delete("/api/vhost-limits/%2F/max-queues")).status == 204
    assert (await site.get("/api/vhost-limits")).json == [{"vhost": "/", "value": value}]
    assert (await site.get("/api/parameters")).json[0]["value"] == []


@pytest.mark.parametrize(
    ("name", "value", "lines"),
    [
        ("max-queues", "x", 'max-queues should be a number, actually was <<"x">>\n'),
        ("max-queues", None, "max-queues should be a number, actually was null\n"),
        ("nonsense", 1, 'Unrecognised terms [{<<"nonsense">>,1}] in limits\n'),
    ],
)
async def test_refused_limits_of_a_virtual_host(site: Site, name: str, value: object, lines: str) -> None:
    reply = await site.put(f"/api/vhost-limits/%2F/{name}", {"value": value})
    assert reply.refusal == (400, "bad_request", f"Validation failed\n\n{lines}")
    assert site.vhost.limits == {}


async def test_limits_need_a_virtual_host(site: Site) -> None:
    assert (await site.get("/api/vhost-limits/nope")).refusal == (404, "Object Not Found", "Not Found")
    for reply in (
        await site.put("/api/vhost-limits/nope/max-queues", {"value": 1}),
        await site.delete("/api/vhost-limits/nope/max-queues"),
    ):
        assert reply.refusal == (404, "not_found", "vhost_not_found")


@pytest.mark.parametrize("config", [Config(profile="rabbitmq-3.10")])
async def test_limits_that_there_are_not_any_more(site: Site) -> None:
    await site.put("/api/vhost-limits/%2F/max-queues", {"value": 5})
    await site.delete("/api/vhost-limits/%2F/max-queues")
    assert (await site.get("/api/vhost-limits")).json == [{"vhost": "/", "value": []}]
    assert (await site.get("/api/vhost-limits", headers={"x-vhost": "/"})).json == []
    assert (await site.get("/api/vhost-limits/%2F")).json == []


async def test_who_sees_limits_of_virtual_hosts(site: Site) -> None:
    site.add_vhost("v")
    for vhost in ("/", "v"):
        site.broker.administration.set_vhost_limits(vhost, {"max-queues": 1})
    site.add_user("plain", "management")
    site.add_user("monitor", "monitoring")

    async def seen(user: str, vhost: str = "") -> list[str]:
        reply = await site.get("/api/vhost-limits", user=user, headers={"x-vhost": vhost})
        return [each["vhost"] for each in reply.json]

    assert await seen("plain") == ["/"]
    assert await seen("monitor") == ["/", "v"]
    assert await seen("monitor", "v") == ["v"]
    reply = await site.get("/api/vhost-limits", headers={"x-vhost": "nope"})
    assert reply.refusal == (400, "bad_request", ["no_such_vhost", "nope"])
    reply = await site.get("/api/vhost-limits/v", user="plain")
    assert reply.refusal == (401, "not_authorised", "User not authorised to access virtual host")


async def test_limits_of_a_user(site: Site) -> None:
    assert (await site.get("/api/user-limits")).json == []
    assert (await site.put("/api/user-limits/guest/max-channels", {"value": 3})).status == 204
    assert (await site.put("/api/user-limits/guest/max-connections", {"value": 4})).status == 204
    shown = [{"user": "guest", "value": {"max-channels": 3, "max-connections": 4}}]
    assert (await site.get("/api/user-limits")).json == shown
    assert (await site.get("/api/user-limits/guest")).json == shown
    assert (await site.delete("/api/user-limits/guest/max-channels")).status == 204
    assert (await site.delete("/api/user-limits/guest/max-channels")).status == 204
    assert (await site.get("/api/user-limits/guest")).json == [{"user": "guest", "value": {"max-connections": 4}}]
    assert (await site.delete("/api/user-limits/guest/all")).status == 204
    assert (await site.get("/api/user-limits")).json == []


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        ("guest/max-channels", "x", 'max-channels should be a number, actually was <<"x">>'),
        ("guest/nonsense", 1, 'Unrecognised terms [{<<"nonsense">>,1}] in user-limits'),
        ("nope/nonsense", 1, 'Unrecognised terms [{<<"nonsense">>,1}] in user-limits'),
        ("nope/max-channels", 1, ["no_such_user", "nope"]),
    ],
)
async def test_refused_limits_of_a_user(site: Site, path: str, value: object, reason: object) -> None:
    assert (await site.put(f"/api/user-limits/{path}", {"value": value})).refusal == (400, "bad_request", reason)


async def test_limits_of_unknown_users(site: Site) -> None:
    assert (await site.get("/api/user-limits/nope")).status == 404
    assert (await site.delete("/api/user-limits/nope/all")).refusal == (404, "not_found", "vhost_not_found")


@pytest.mark.parametrize("path", ["/api/vhost-limits/%2F/max-queues", "/api/user-limits/guest/max-channels"])
async def test_a_limit_must_come_as_json(site: Site, path: str) -> None:
    assert (await site.put(path, {"value": 1}, headers={"content-type": "text/plain"})).status == 415
    assert (await site.put(path, {})).refusal == (400, "bad_request", "[{key_missing,value}]")
    assert (await site.request("HEAD", path.rpartition("/")[0])).status == 405


@pytest.mark.parametrize(
    ("config", "statuses"),
    [(Config(profile="rabbitmq-3.10"), [200, 200, 200]), (Config(profile="rabbitmq-4.3"), [401, 200, 401])],
)
async def test_who_sees_limits_of_users(site: Site, statuses: list[int]) -> None:
    site.add_user("plain", "management")
    paths = ["/api/user-limits", "/api/user-limits/plain", "/api/user-limits/guest"]
    assert [(await site.get(path, user="plain")).status for path in paths] == statuses
    assert [(await site.get(path)).status for path in paths] == [200, 200, 200]
