"""Exchanges: lists, views, declaring and deleting."""

import pytest
from pamqp.commands import Channel, Queue

from .harness import NOT_FOUND, REFUSED, Site

PREDECLARED = ["", "amq.direct", "amq.fanout", "amq.headers", "amq.match", "amq.rabbitmq.trace", "amq.topic"]
IN_DEFAULT_VHOST = sorted([*PREDECLARED, "amq.rabbitmq.event"])
ORDERS = "/api/exchanges/%2F/orders"


async def test_the_predeclared_are_there(site: Site) -> None:
    rows = (await site.get("/api/exchanges")).json
    assert [row["name"] for row in rows] == IN_DEFAULT_VHOST
    assert rows[6] == {
        "name": "amq.rabbitmq.trace",
        "vhost": "/",
        "type": "topic",
        "durable": True,
        "auto_delete": False,
        "internal": True,
        "arguments": {},
        "user_who_performed_action": "rmq-internal",
    }


async def test_lists_are_ordered_by_vhost_and_name(site: Site) -> None:
    site.add_vhost("a", "guest")
    rows = (await site.get("/api/exchanges")).json
    expected = [("/", name) for name in IN_DEFAULT_VHOST] + [("a", name) for name in PREDECLARED]
    assert [(row["vhost"], row["name"]) for row in rows] == expected
    assert len((await site.get("/api/exchanges/a")).json) == len(PREDECLARED)
    assert len((await site.get("/api/exchanges", headers={"x-vhost": "a"})).json) == len(PREDECLARED)
    assert (await site.get("/api/exchanges/nope")).refusal == NOT_FOUND


async def test_lists_come_in_pages(site: Site) -> None:
    page = (await site.get("/api/exchanges?page=1&page_size=2&name=AMQ.&columns=name")).json
    assert page["items"] == [{"name": "amq.direct"}, {"name": "amq.fanout"}]
    assert (page["total_count"], page["filtered_count"], page["page_count"]) == (8, 7, 4)


async def test_the_default_exchange_has_a_name_in_paths(site: Site) -> None:
    reply = await site.get("/api/exchanges/%2F/amq.default")
    assert (reply.status, reply.json["name"], reply.json["incoming"], reply.json["outgoing"]) == (200, "", [], [])


async def test_an_exchange_is_declared_and_shown(site: Site) -> None:
    body = {"type": "topic", "durable": "true", "internal": True, "arguments": {"alternate-exchange": "amq.fanout"}}
    reply = await site.put(ORDERS, body)
    assert (reply.status, reply.body) == (201, b"")
    assert (await site.put(ORDERS, body)).status == 204
    assert (await site.get(ORDERS)).json == {
        "name": "orders",
        "vhost": "/",
        "type": "topic",
        "durable": True,
        "auto_delete": False,
        "internal": True,
        "arguments": {"alternate-exchange": "amq.fanout"},
        "user_who_performed_action": "guest",
        "incoming": [],
        "outgoing": [],
    }


async def test_nothing_is_mandatory(site: Site) -> None:
    assert (await site.put(ORDERS)).status == 201
    exchange = site.vhost.exchanges["orders"]
    assert (exchange.type, exchange.durable, exchange.auto_delete, exchange.internal) == ("direct", False, False, False)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"durable": "yes"}, ["not_boolean", "yes"]),
        ({"auto_delete": 1, "durable": "yes"}, ["not_boolean", 1]),
        ({"arguments": {"a": {"b": [None]}}}, "null_not_allowed"),
        ({"type": 5}, ["not_string", "type"]),
        ({"type": "x"}, "unknown exchange type 'x'"),
        ({"type": None}, "invalid exchange type 'null'"),
        ({"type": []}, "invalid exchange type ''"),
        ({"type": True}, "invalid exchange type 'true'"),
        ({"type": ["x", 121, "z"]}, "unknown exchange type 'xyz'"),
        ({"type": {}}, ["not_string", "type"]),
        ({"node": None}, ["not_string", "node"]),
        ({"passive": "true"}, ["not_boolean", "true"]),
        ({"arguments": "x"}, "not_json"),
        ({"node": "nope@nowhere"}, "Node nope@nowhere could not be contacted"),
        ({"node": "nope"}, "Node nope@test could not be contacted"),
        ({"type": "x-delayed-message"}, "Invalid argument, 'x-delayed-type' must be an existing exchange type"),
    ],
)
async def test_bad_declarations_are_refused(site: Site, body: object, reason: object) -> None:
    assert (await site.put(ORDERS, body)).refusal == (400, "bad_request", reason)
    assert "orders" not in site.vhost.exchanges


async def test_a_passive_declaration_looks(site: Site) -> None:
    body = {"passive": True, "type": "fanout", "durable": False}
    assert (await site.put(ORDERS, body)).refusal == (404, "not_found", "no exchange 'orders' in vhost '/'")
    assert (await site.put("/api/exchanges/%2F/amq.direct", body)).status == 204
    assert "orders" not in site.vhost.exchanges


async def test_a_list_of_arguments_is_not_read(site: Site) -> None:
    assert (await site.put(ORDERS, {"arguments": [1]})).status == 201
    assert (await site.get(ORDERS)).json["arguments"] == {}


async def test_another_declaration_is_compared(site: Site) -> None:
    await site.put(ORDERS, {"node": "rabbit"})
    assert (await site.put(ORDERS, {"durable": True})).refusal == (
        400,
        "bad_request",
        "inequivalent arg 'durable' for exchange 'orders' in vhost '/': received 'true' but current is 'false'",
    )


async def test_names_are_limited(site: Site) -> None:
    assert (await site.put(f"/api/exchanges/%2F/{'é' * 127}x")).status == 201
    reply = await site.put(f"/api/exchanges/%2F/{'é' * 128}")
    assert reply.refusal[2] == "exchange should be less than 255 bytes, actually was 256\n"


@pytest.mark.parametrize("name", ["amq.mine", "amq.default"])
async def test_reserved_names_are_refused(site: Site, name: str) -> None:
    assert (await site.put(f"/api/exchanges/%2F/{name}", {})).refusal == REFUSED


async def test_an_unknown_vhost_is_told(site: Site) -> None:
    assert (await site.put("/api/exchanges/nope/x", {})).refusal == (404, "not_found", "vhost_not_found")
    assert (await site.delete("/api/exchanges/nope/x")).refusal == NOT_FOUND
    assert (await site.get("/api/exchanges/nope/x")).refusal == NOT_FOUND


async def test_an_exchange_is_deleted(site: Site) -> None:
    await site.put(ORDERS, {})
    site.declare("q")
    await site.post("/api/bindings/%2F/e/orders/q/q", {})
    assert (await site.delete(f"{ORDERS}?if-unused=true")).refusal[2] == "exchange 'orders' in vhost '/' in use"
    assert (await site.delete(ORDERS, body=b"{")).refusal == (400, "bad_request", "not_json")
    assert (await site.delete(f"{ORDERS}?if-unused=1")).status == 204
    assert (await site.delete(ORDERS)).refusal == NOT_FOUND
    assert (await site.delete("/api/exchanges/%2F/amq.topic")).refusal == REFUSED


async def test_permissions_count_for_administrators_too(site: Site) -> None:
    site.add_user("root", "administrator", permissions=None)
    site.add_user("shy", "management", permissions=("", ".*", ".*"))
    for user in ("root", "shy"):
        assert (await site.put(ORDERS, {}, user=user)).refusal == REFUSED
        assert (await site.get("/api/exchanges/%2F", user=user)).status == 200


async def test_what_was_published_is_counted(site: Site) -> None:
    site.declare("q")
    await site.post("/api/bindings/%2F/e/amq.fanout/q/q", {})
    site.publish("", b"1", b"2", exchange="amq.fanout")
    shown = (await site.get("/api/exchanges/%2F/amq.fanout")).json
    assert shown["message_stats"] == {"publish_in": 2, "publish_out": 2}
    for row in (await site.get("/api/exchanges/%2F?disable_stats=true")).json:
        assert "message_stats" not in row


async def test_a_policy_is_shown(site: Site) -> None:
    site.reactor.administer(
        lambda: site.broker.administration.set_policy("/", "p", "^orders$", {"alternate-exchange": "x"})
    )
    await site.put(ORDERS, {})
    assert (await site.get(ORDERS)).json["policy"] == "p"


async def test_counters_are_those_of_now_whatever_was_remembered_when_they_were_shown(site: Site) -> None:
    site.declare("q")
    peer = await site.connect()

    async def published_in(*keys: str) -> int:
        for key in keys:
            await peer.publish(key, exchange="amq.topic")
        await peer.ask(Channel.Flow(True))
        stats = (await site.get("/api/exchanges/%2F/amq.topic")).json["message_stats"]
        return int(stats["publish_in"])

    assert await published_in("a") == 1
    assert await published_in("a", "b") == 3
    assert await published_in("b", "c") == 5
    await peer.ask(Queue.Bind(queue="q", exchange="amq.topic", routing_key="#"))
    assert await published_in("a", "b", "d") == 8
    await peer.vanish()
