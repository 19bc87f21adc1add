"""Channels: who sees them, and what is told of them."""

import pytest
from pamqp.commands import Basic, Channel, Confirm

from amqpy.config import Config

from .clients import NAME, connect, consume
from .harness import Site

PATH = "/api/channels/127.0.0.1%3A40000%20-%3E%20127.0.0.1%3A5672%20(1)"
OTHER = "127.0.0.1:40001 -> 127.0.0.1:5672"

KEYS = {
    *("acks_uncommitted", "confirm", "connection_details", "consumer_count", "garbage_collection"),
    *("global_prefetch_count", "messages_unacknowledged", "messages_uncommitted", "messages_unconfirmed", "name"),
    *("node", "number", "pending_raft_commands", "prefetch_count", "reductions", "state", "transactional", "user"),
    *("user_who_performed_action", "vhost"),
}


async def names(site: Site, path: str = "/api/channels", **request: object) -> list[str]:
    reply = await site.get(path, **request)
    assert reply.status == 200, reply
    return [each["name"] for each in reply.json]


async def test_a_channel_has_all_keys(site: Site) -> None:
    peer = await connect(site, 1)
    await peer.ask(Confirm.Select())
    await peer.ask(Basic.Qos(prefetch_count=7))
    (row,) = (await site.get("/api/channels")).json
    assert set(row) == KEYS
    assert row["name"] == f"{NAME} (1)"
    assert row["connection_details"] == {"name": NAME, "peer_host": "127.0.0.1", "peer_port": 40_000}
    assert (row["number"], row["confirm"], row["prefetch_count"], row["state"]) == (1, True, 7, "running")


async def test_one_channel_has_its_consumers(site: Site) -> None:
    site.declare("q")
    peer = await connect(site, 1)
    await consume(peer, "q", "tag")
    reply = await site.get(PATH)
    assert set(reply.json) == KEYS | {"consumer_details", "publishes", "deliveries"}
    (consumer,) = reply.json["consumer_details"]
    assert consumer["consumer_tag"] == "tag"
    assert consumer["queue"] == {"name": "q", "vhost": "/"}
    assert reply.json["publishes"] == reply.json["deliveries"] == []


async def test_columns_are_for_lists(site: Site) -> None:
    await connect(site, 1)
    assert (await site.get("/api/channels?columns=number")).json == [{"number": 1}]
    shown = (await site.get(f"{PATH}?columns=number")).json
    assert set(shown) > KEYS


async def test_message_stats_come_with_messages(site: Site) -> None:
    site.declare("q")
    peer = await connect(site, 1)
    await peer.publish("q")
    await peer.ask(Channel.Flow(True))
    stats = (await site.get(PATH)).json["message_stats"]
    assert stats == {"publish": 1, "confirm": 0, "drop_unroutable": 0, "return_unroutable": 0}
    await peer.say(Basic.Get(queue="q", no_ack=True))
    await peer.expect("Basic.GetOk")
    stats = (await site.get(PATH)).json["message_stats"]
    assert (stats["get_no_ack"], stats["deliver_get"], stats["ack"]) == (1, 1, 0)
    assert len(stats) == 12


async def test_unknown_channels_are_not_found(site: Site) -> None:
    await connect(site, 1)
    for name in ("nope", "nope%20(1)", PATH[len("/api/channels/") : -3] + "(2)", PATH[len("/api/channels/") :] + ")"):
        assert (await site.get(f"/api/channels/{name}")).status == 404, name
    base = PATH[len("/api/channels/") : -3]
    for number in ("(01)", "(%2B1)", "(1_0)", f"({'9' * 5000})", "(%D9%A1)", "1", "()"):
        assert (await site.get(f"/api/channels/{base}{number}")).status == 404, number


async def test_a_closed_channel_vanishes(site: Site) -> None:
    peer = await connect(site, 1, 2)
    await peer.ask(Channel.Close(200, "", 0, 0))
    assert await names(site) == [f"{NAME} (2)"]
    assert (await site.get(PATH)).status == 404


async def test_a_user_sees_its_own_channels(site: Site) -> None:
    site.add_user("bob", "management")
    site.add_user("eve", "monitoring")
    await connect(site, 1)
    await connect(site, 3, user="bob", name=OTHER)
    assert await names(site, user="bob") == [f"{OTHER} (3)"]
    assert await names(site, "/api/vhosts/%2F/channels", user="bob") == [f"{OTHER} (3)"]
    assert await names(site, user="eve") == [f"{NAME} (1)", f"{OTHER} (3)"]
    assert (await site.get(PATH, user="bob")).refusal[2] == "User not authorised to access object"
    assert (await site.get(PATH, user="eve")).status == 200


async def test_channels_of_one_connection(site: Site) -> None:
    site.add_user("bob", "management")
    await connect(site, 1, 2, 10)
    await connect(site, 1, user="bob", name=OTHER)
    path = "/api/connections/127.0.0.1%3A40000%20-%3E%20127.0.0.1%3A5672/channels"
    assert await names(site, path) == [f"{NAME} (1)", f"{NAME} (10)", f"{NAME} (2)"]
    assert (await site.get(path, user="bob")).status == 401


@pytest.mark.parametrize("config", [Config(cluster_name="rabbit@test", strict=True, profile="rabbitmq-4.3")])
async def test_channels_of_4_3(site: Site) -> None:
    await connect(site, 1)
    (row,) = (await site.get("/api/channels")).json
    assert set(row) == KEYS - {"global_prefetch_count"} | {"cached_segments"}
    path = "/api/connections/127.0.0.1%3A40000%20-%3E%20127.0.0.1%3A5672/sessions"
    assert (await site.get(path)).refusal == (400, "bad_request", "connection does not use AMQP 1.0")


async def test_channels_of_one_virtual_host(site: Site) -> None:
    site.add_vhost("v", "guest")
    await connect(site, 1, vhost="v")
    await connect(site, 1, name=OTHER)
    assert await names(site, "/api/vhosts/v/channels") == [f"{NAME} (1)"]
    assert await names(site, headers={"x-vhost": "/"}) == [f"{OTHER} (1)"]
    assert (await site.get("/api/vhosts/nope/channels")).status == 404


async def test_without_statistics_there_are_no_channels(site: Site) -> None:
    await connect(site, 1)
    refusal = (400, "bad_request", "Stats in management UI are disabled on this node")
    for path in ("/api/channels", "/api/vhosts/%2F/channels", PATH):
        assert (await site.get(f"{path}?disable_stats=true")).refusal == refusal
    path = "/api/connections/127.0.0.1%3A40000%20-%3E%20127.0.0.1%3A5672/channels"
    assert await names(site, f"{path}?disable_stats=true") == [f"{NAME} (1)"]


async def test_pages_of_channels(site: Site) -> None:
    await connect(site, 1, 2, 3)
    page = (await site.get("/api/channels?page=2&page_size=2")).json
    assert [each["name"] for each in page["items"]] == [f"{NAME} (3)"]
    assert page["page_count"] == 2
