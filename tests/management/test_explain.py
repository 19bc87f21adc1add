"""Explanations over HTTP."""

import json
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from amqpy.core.exchanges import Binding
from amqpy.core.vhost import Vhost
from amqpy.management import lists
from amqpy.wire.values import Field

from .harness import NOT_FOUND, Site

EXPLAIN = "/api/explain"


def asked(**query: str) -> str:
    return f"{EXPLAIN}?{urlencode(query)}"


def bind(site: Site, queue: str, key: str, *, vhost: Vhost | None = None, **arguments: Field) -> None:
    place = vhost or site.vhost
    exchange = place.exchanges["amq.headers" if arguments else "amq.topic"]
    place.add_binding(Binding(exchange, place.queues[queue], key, dict(arguments)))


async def test_it_is_told_where_a_message_goes(site: Site) -> None:
    site.declare("q")
    bind(site, "q", "a.*")
    before = site.vhost.queues["q"].message_stats()
    reply = await site.get(asked(vhost="/", exchange="amq.topic", routing_key="a.b"))
    assert reply.status == 200
    told = reply.json
    assert (told["outcome"], told["queues"]) == ("routed", ["q"])
    assert told["exchanges"][0]["bindings"][0]["reason"] == "the pattern fits"
    assert told["text"].startswith("A message published to exchange 'amq.topic' in vhost '/'")
    assert site.vhost.queues["q"].message_stats() == before
    same = await site.post(EXPLAIN, {"exchange": "amq.topic", "routing_key": "a.b"})
    assert (same.status, same.json) == (200, told)


async def test_the_default_is_the_default(site: Site) -> None:
    site.declare("q")
    for exchange in ("", "amq.default"):
        assert (await site.get(asked(exchange=exchange, routing_key="q"))).json["queues"] == ["q"]
    assert (await site.get(EXPLAIN)).json["outcome"] == "unroutable"


async def test_headers(site: Site) -> None:
    site.declare("q")
    bind(site, "q", "", a=Field("long", 1))
    ask = {"exchange": "amq.headers", "headers": '{"a": 1}'}
    assert (await site.get(asked(**ask))).json["queues"] == ["q"]
    assert (await site.get(asked(**{**ask, "headers": '{"a": 2}'}))).json["queues"] == []
    assert (await site.post(EXPLAIN, {**ask, "headers": {"a": 1}})).json["queues"] == ["q"]
    in_properties = {"exchange": "amq.headers", "properties": {"headers": {"a": 1}, "expiration": "7"}}
    told = (await site.post(EXPLAIN, in_properties)).json
    assert told["queues"] == ["q"]
    assert told["reached"][0]["ttl_ms"] == {"value": 7, "said_by": "the message's expiration", "others": []}


async def test_what_would_be_refused_is_an_answer(site: Site) -> None:
    reply = await site.get(asked(exchange="amq.topik"))
    assert reply.status == 200
    assert reply.json["refusal"] == {
        "code": 404,
        "text": "NOT_FOUND - no exchange 'amq.topik' in vhost '/'",
        "nearest": ["amq.topic"],
    }


async def test_who_may_ask(site: Site) -> None:
    site.add_vhost("shop", "guest")
    site.declare("q", vhost=site.broker.vhosts["shop"])
    site.add_user("looker", "management")
    site.add_user("shopper", "management", permissions=None)
    site.add_user("root", "administrator", permissions=None)
    site.add_user("nobody")
    site.users.set_permissions("shopper", "shop", "", "", "")
    shop = asked(vhost="shop", routing_key="q")
    assert (await site.get(shop, user="shopper")).json["queues"] == ["q"]
    assert (await site.get(shop, user="root")).json["queues"] == ["q"]
    refused = (401, "not_authorised", "User not authorised to access virtual host")
    assert (await site.get(shop, user="looker")).refusal == refused
    assert (await site.post(EXPLAIN, {"vhost": "shop"}, user="looker")).refusal == refused
    assert (await site.get(EXPLAIN, user="shopper")).refusal == refused
    assert (await site.get(EXPLAIN, user="nobody")).status == 401
    assert (await site.get(asked(vhost="none"))).refusal == NOT_FOUND
    assert (await site.get(asked(routing_key="q"), headers={"x-vhost": "shop"})).json["vhost"] == "shop"


@pytest.mark.parametrize(
    "query",
    [
        "headers=x",
        "headers=[1]",
        "headers=7",
        "headers=" + quote('{"a": null}'),
        "headers=" + quote(json.dumps({"a" * 256: 1})),
        "headers=" + "[" * 7_000,
        "headers=" + quote('{"a": %s}' % ("[" * 200 + "]" * 200)),
        f"exchange={'x' * 256}",
        f"routing_key={quote('é' * 128)}",
    ],
    ids=range(9),
)
async def test_bad_questions_are_refused(site: Site, query: str) -> None:
    assert (await site.get(f"{EXPLAIN}?{query}")).status == 400


@pytest.mark.parametrize(
    "body",
    [
        {"vhost": 5},
        {"exchange": None},
        {"routing_key": []},
        {"headers": "x"},
        {"properties": "x"},
        {"properties": {"priority": "x"}},
        {"properties": {"headers": {"a": [None]}}},
    ],
    ids=str,
)
async def test_bad_bodies_are_refused(site: Site, body: Any) -> None:  # noqa: ANN401
    assert (await site.post(EXPLAIN, body)).status == 400


@pytest.mark.parametrize(
    "query", ["routing_key=%ff%00", "exchange=%ff", "headers=%7B%22%ff%22:1%7D", 'headers={"a":"\\ud800"}', "headers="]
)
async def test_octets_that_are_no_text(site: Site, query: str) -> None:
    reply = await site.get(f"{EXPLAIN}?{quote(query, safe='%=:{}')}")
    assert reply.status in {200, 400}


async def test_very_many_bindings_are_told_in_several_turns(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.declare("q")
    for number in range(5000):
        bind(site, "q", f"a.{number}")
    turns, go_on = 0, lists.go_on

    def counted(steps: Any) -> bool:  # noqa: ANN401
        nonlocal turns
        turns += 1
        if turns == 3:
            site.vhost.remove_queue(site.vhost.queues["q"])
        return go_on(steps)

    monkeypatch.setattr(lists, "go_on", counted)
    told = (await site.get(asked(exchange="amq.topic", routing_key="a.77"))).json
    assert turns > 10
    assert told["queues"] == ["q"]
