"""Connections: who sees them, what is told of them, and how they are closed."""

import pytest
from pamqp.commands import Connection
from trio.testing import wait_all_tasks_blocked

from amqpy.config import Config
from tests.server.peer import Peer

from .clients import NAME, connect, connecting
from .harness import Site

PATH = "/api/connections/127.0.0.1%3A40000%20-%3E%20127.0.0.1%3A5672"

OTHER = "127.0.0.1:40001 -> 127.0.0.1:5672"

KEYS = {
    *("auth_mechanism", "channel_max", "channels", "client_properties", "connected_at", "frame_max"),
    *("garbage_collection", "host", "name", "node", "peer_cert_issuer", "peer_cert_subject", "peer_cert_validity"),
    *("peer_host", "peer_port", "port", "protocol", "recv_cnt", "recv_oct", "reductions", "send_cnt", "send_oct"),
    *("send_pend", "ssl", "ssl_cipher", "ssl_hash", "ssl_key_exchange", "ssl_protocol", "state", "timeout", "type"),
    *("user", "user_who_performed_action", "vhost"),
}


async def closed(peer: Peer) -> tuple[int, str]:
    """Why the broker closed the connection of a client."""
    received = await peer.next()
    assert received is not None
    assert isinstance(received.method, Connection.Close), received
    return received.method.reply_code or 0, received.method.reply_text


async def names(site: Site, path: str = "/api/connections", **request: object) -> list[str]:
    reply = await site.get(path, **request)
    assert reply.status == 200, reply
    return [each["name"] for each in reply.json]


async def test_a_connection_has_all_keys(site: Site) -> None:
    await connect(site, 1, heartbeat_s=60)
    (row,) = (await site.get("/api/connections")).json
    assert set(row) == KEYS
    assert row["name"] == NAME
    assert (row["peer_host"], row["peer_port"], row["host"], row["port"]) == ("127.0.0.1", 40_000, "127.0.0.1", 5672)
    assert (row["user"], row["vhost"], row["node"], row["channels"]) == ("guest", "/", "rabbit@test", 1)
    assert (row["protocol"], row["type"], row["state"], row["timeout"]) == ("AMQP 0-9-1", "network", "running", 60)
    assert row["ssl_protocol"] is None


async def test_one_connection_has_texts_for_nulls(site: Site) -> None:
    await connect(site)
    reply = await site.get(PATH)
    assert set(reply.json) == KEYS
    assert reply.json["ssl_protocol"] == ""


async def test_columns_are_for_lists(site: Site) -> None:
    await connect(site)
    assert (await site.get("/api/connections?columns=user")).json == [{"user": "guest"}]
    assert set((await site.get(f"{PATH}?columns=user")).json) == KEYS


async def test_an_unknown_connection_is_not_found(site: Site) -> None:
    for method, path in [("GET", "nope"), ("DELETE", "nope"), ("GET", "nope/channels")]:
        reply = await site.request(method, f"/api/connections/{path}")
        assert reply.refusal == (404, "Object Not Found", "Not Found")


async def test_who_has_not_logged_in_is_no_connection(site: Site) -> None:
    peer = connecting(site)
    await peer.send(b"AMQP\x00\x00\x09\x01")
    await peer.expect("Connection.Start")
    assert await names(site) == []


async def test_a_user_sees_its_own_connections(site: Site) -> None:
    site.add_user("bob", "management")
    site.add_user("eve", "monitoring")
    await connect(site)
    await connect(site, user="bob", name=OTHER)
    assert await names(site, user="bob") == [OTHER]
    assert await names(site, "/api/vhosts/%2F/connections", user="bob") == [OTHER]
    assert await names(site, user="eve") == [NAME, OTHER]


async def test_lists_of_one_virtual_host(site: Site) -> None:
    site.add_vhost("v", "guest")
    await connect(site, vhost="v")
    await connect(site, name=OTHER)
    assert await names(site, "/api/vhosts/v/connections") == [NAME]
    assert await names(site, headers={"x-vhost": "/"}) == [OTHER]
    assert await names(site, headers={"x-vhost": "nope"}) == []
    assert (await site.get("/api/vhosts/nope/connections")).status == 404
    assert await names(site) == [OTHER, NAME]


async def test_a_connection_is_its_owners_and_a_monitors(site: Site) -> None:
    site.add_user("bob", "management")
    site.add_user("eve", "monitoring")
    await connect(site)
    assert (await site.get(PATH, user="bob")).refusal == (
        401,
        "not_authorised",
        "User not authorised to access object",
    )
    assert (await site.get(PATH, user="eve")).status == 200
    assert (await site.delete(PATH, user="eve")).status == 401


async def test_an_owner_closes_its_connection(site: Site) -> None:
    site.add_user("bob", "management")
    peer = await connect(site, user="bob")
    reply = await site.delete(PATH, user="bob")
    assert (reply.status, reply.body) == (204, b"")
    assert await closed(peer) == (320, "CONNECTION_FORCED - Closed via management plugin")
    assert await names(site) == []


async def test_a_client_is_told_the_reason(site: Site) -> None:
    peer = await connect(site)
    await site.delete(PATH, headers={"X-Reason": "maintenance"})
    assert await closed(peer) == (320, "CONNECTION_FORCED - maintenance")


@pytest.mark.parametrize("reason", ["größer", "\udcff\udcfe", "日本"])
async def test_a_reason_may_be_any_octets(site: Site, reason: str) -> None:
    peer = await connect(site)
    raw = reason.encode("utf-8", "surrogateescape").decode("latin-1")
    assert (await site.delete(PATH, headers={"X-Reason": raw})).status == 204
    code, text = await closed(peer)
    assert code == 320
    assert text.startswith("CONNECTION_FORCED - ")
    assert reason[:3] in text or text.endswith("\N{REPLACEMENT CHARACTER}" * 2)


async def test_a_virtual_host_may_have_any_name(site: Site) -> None:
    site.add_vhost("größe", "guest")
    await connect(site, vhost="größe")
    await connect(site, name=OTHER)
    assert await names(site, headers={"X-Vhost": "größe".encode().decode("latin-1")}) == [NAME]


async def test_a_long_reason_is_cut(site: Site) -> None:
    peer = await connect(site)
    await site.delete(PATH, headers={"X-Reason": "x" * 1000})
    code, text = await closed(peer)
    assert code == 320
    assert len(text) == 255


async def test_connections_of_a_user(site: Site) -> None:
    site.add_user("bob", "management")
    site.add_user("eve", "monitoring")
    await connect(site)
    peer = await connect(site, user="bob", name=OTHER)
    path = "/api/connections/username/bob"
    row = {"name": OTHER, "vhost": "/", "user": "bob", "node": "rabbit@test"}
    for user in ("guest", "bob", "eve"):
        assert (await site.get(path, user=user)).json == [row]
    assert (await site.get("/api/connections/username/guest", user="bob")).status == 401
    assert (await site.get("/api/connections/username/nope")).json == []
    assert (await site.delete(path, user="eve")).status == 401
    assert (await site.delete(path, user="bob", headers={"X-Reason": "bye"})).status == 204
    assert await closed(peer) == (320, "CONNECTION_FORCED - bye")
    assert await names(site) == [NAME]
    assert (await site.delete("/api/connections/username/nope")).status == 204


async def test_pages_of_connections(site: Site) -> None:
    await connect(site)
    await connect(site, name=OTHER)
    page = (await site.get("/api/connections?page=1&page_size=1&name=40001")).json
    assert [each["name"] for each in page["items"]] == [OTHER]
    assert (page["total_count"], page["filtered_count"]) == (2, 1)
    page = (await site.get("/api/connections/username/guest?page=2&page_size=1")).json
    assert [each["name"] for each in page["items"]] == [OTHER]
    assert await names(site, "/api/vhosts/%2F/connections?page=2&page_size=1") == [NAME, OTHER]


async def test_without_statistics_there_is_the_least(site: Site) -> None:
    await connect(site)
    row = {"name": NAME, "vhost": "/", "user": "guest", "node": "rabbit@test"}
    assert (await site.get("/api/connections?disable_stats=true")).json == [row]
    (whole,) = (await site.get("/api/vhosts/%2F/connections?disable_stats=true")).json
    assert set(whole) == KEYS
    assert (await site.get(f"{PATH}?disable_stats=true")).json == {"name": NAME}


@pytest.mark.parametrize("config", [Config(cluster_name="rabbit@test", strict=True, management_disable_stats=True)])
async def test_statistics_may_be_off_for_all(site: Site) -> None:
    await connect(site)
    assert (await site.get(PATH)).json == {"name": NAME}


@pytest.mark.parametrize("config", [Config(cluster_name="rabbit@test", strict=True, profile="rabbitmq-4.3")])
async def test_certificates_have_numbers_in_4_3(site: Site) -> None:
    await connect(site)
    (row,) = (await site.get("/api/connections")).json
    assert set(row) == KEYS | {"peer_cert_serial_number"}
    assert (await site.get(PATH)).json["peer_cert_serial_number"] == ""


async def test_a_blocked_connection(site: Site) -> None:
    peer = await connect(site, 1)
    site.reactor.administer(lambda: site.broker.alarms.set("memory"))
    await peer.publish("q")
    await wait_all_tasks_blocked()
    (row,) = (await site.get("/api/connections")).json
    assert row["state"] == "blocked"
    site.reactor.administer(lambda: site.broker.alarms.clear("memory"))
