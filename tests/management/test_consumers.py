"""Consumers: who sees them, and what is told of them."""

import pytest
from pamqp.commands import Basic

from amqpy.config import Config
from amqpy.wire.values import Field

from .clients import NAME, connect, consume
from .harness import Site

OTHER = "127.0.0.1:40001 -> 127.0.0.1:5672"


async def tags(site: Site, path: str = "/api/consumers", **request: object) -> list[str]:
    reply = await site.get(path, **request)
    assert reply.status == 200, reply
    return [each["consumer_tag"] for each in reply.json]


async def test_a_consumer_has_all_keys(site: Site) -> None:
    site.declare("q")
    peer = await connect(site, 1)
    await peer.ask(Basic.Qos(prefetch_count=5))
    await consume(peer, "q", "tag", exclusive=True, arguments={"x-priority": 3})
    assert (await site.get("/api/consumers")).json == [
        {
            "ack_required": True,
            "active": True,
            "activity_status": "up",
            "arguments": {"x-priority": 3},
            "channel_details": {
                "connection_name": NAME,
                "name": f"{NAME} (1)",
                "node": "rabbit@test",
                "number": 1,
                "peer_host": "127.0.0.1",
                "peer_port": 40_000,
                "user": "guest",
            },
            "consumer_tag": "tag",
            "exclusive": True,
            "prefetch_count": 5,
            "queue": {"name": "q", "vhost": "/"},
        }
    ]


async def test_a_single_active_consumer(site: Site) -> None:
    site.declare("q", {"x-single-active-consumer": Field("bool", True)})
    peer = await connect(site, 1)
    await consume(peer, "q", "first")
    await consume(peer, "q", "second")
    rows = (await site.get("/api/consumers")).json
    assert [(row["active"], row["activity_status"]) for row in rows] == [(True, "single_active"), (False, "waiting")]


async def test_a_user_sees_its_own_consumers(site: Site) -> None:
    site.add_user("bob", "management")
    site.add_user("eve", "monitoring")
    site.declare("q")
    await consume(await connect(site, 1), "q", "guests")
    await consume(await connect(site, 1, user="bob", name=OTHER), "q", "bobs")
    assert await tags(site, user="bob") == ["bobs"]
    assert await tags(site, "/api/consumers/%2F", user="bob") == ["bobs"]
    assert await tags(site, user="eve") == ["guests", "bobs"]


async def test_consumers_of_one_virtual_host(site: Site) -> None:
    site.add_user("bob", "management", permissions=None)
    vhost = site.add_vhost("v", "guest")
    site.declare("q")
    site.declare("q", vhost=vhost)
    await consume(await connect(site, 1), "q", "here")
    await consume(await connect(site, 1, vhost="v", name=OTHER), "q", "there")
    assert await tags(site) == ["here", "there"]
    assert await tags(site, "/api/consumers/v") == ["there"]
    assert await tags(site, headers={"x-vhost": "v"}) == ["there"]
    assert (await site.get("/api/consumers/nope")).status == 404
    assert await tags(site, "/api/consumers/v", user="bob") == []


async def test_without_statistics_there_are_no_consumers(site: Site) -> None:
    reply = await site.get("/api/consumers?disable_stats=true")
    assert reply.refusal == (400, "bad_request", "Stats in management UI are disabled on this node")


@pytest.mark.parametrize(
    "config",
    [Config(cluster_name="rabbit@test", strict=True, profile="rabbitmq-4.3", consumer_timeout_ms=9000)],
)
async def test_4_3(site: Site) -> None:
    site.add_user("bob", "management", permissions=None)
    site.declare("q")
    site.declare("quick", {"x-consumer-timeout": Field("long", 5000), "x-queue-type": Field("longstr", "quorum")})
    peer = await connect(site, 1)
    await consume(peer, "q", "of the broker")
    await consume(peer, "quick", "of the queue")
    await consume(peer, "quick", "its own", arguments={"x-consumer-timeout": 7000})
    rows = (await site.get("/api/consumers")).json
    assert {row["consumer_tag"]: row["consumer_timeout"] for row in rows} == {
        "of the broker": 9000,
        "of the queue": 5000,
        "its own": 7000,
    }
    details = (await site.get("/api/queues/%2F/q")).json["consumer_details"]
    assert [each["consumer_timeout"] for each in details]
    assert details == [row for row in rows if row["queue"]["name"] == "q"]
    assert (await site.get("/api/consumers/%2F", user="bob")).status == 401
