"""The control face of test brokers: what happened, and what goes wrong on purpose."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pika
import pytest

from tests.testing.apps import Publisher
from tests.testing.control import MAIN_PATH, Site, bad, publishing

THE_CONDITIONS = (
    "exchange, queue, vhost, connection, name, reason, reply_code, redelivered, requeue, nacked, routing_key, body, "
    "json, headers, properties, payload, payload_encoding"
)


# --- what happened


def test_events(site: Site) -> None:
    with publishing(site.broker, "a", "b") as publisher:
        publisher.send(
            b'{"id": 7}', "a", headers={"n": 1, "deep": {"list": ["x", True]}}, content_type="application/json"
        )
        publisher.send(b"\xff", "b")
    first, second = site.get("/events?kind=published").json
    at = first.pop("at")
    assert at.endswith("Z")
    assert len(at) == len("2026-01-31T12:00:00.000Z")
    assert first == {
        "kind": "published",
        "vhost": "/",
        "exchange": "",
        "routing_key": "a",
        "queues": ["a"],
        "connection": "shop",
        "channel": 1,
        "properties": {"content_type": "application/json"},
        "headers": {"n": 1, "deep": {"list": ["x", True]}},
        "payload": '{"id": 7}',
        "payload_encoding": "string",
    }
    assert (second["payload"], second["payload_encoding"]) == ("/w==", "base64")
    kinds = [each["kind"] for each in site.get("/events").json]
    assert kinds[-1] == "connection.closed"
    assert "payload" not in site.get("/events?kind=queue.created").json[0]


@pytest.mark.parametrize(
    ("query", "payloads"),
    [
        ("exchange=", ["1", "2", "3"]),
        ("routing_key=a.x", ["1"]),
        ("routing_key=*.x", ["1", "2"]),
        ("queue=a.x&connection=shop&vhost=/", ["1"]),
        ("body=2", ["2"]),
        ("payload=2", ["2"]),
        ("payload=Mg==&payload_encoding=base64", ["2"]),
        ("json=3", ["3"]),
        ("headers=%7B%22n%22:2%7D", ["2"]),
        ("properties=%7B%22type%22:%22t%22%7D", ["3"]),
        ("exchange=other", []),
    ],
)
def test_events_by_conditions(site: Site, query: str, payloads: list[str]) -> None:
    with publishing(site.broker, "a.x", "b.x", "c") as publisher:
        publisher.send(b"1", "a.x", headers={"n": 1})
        publisher.send(b"2", "b.x", headers={"n": 2})
        publisher.send(b"3", "c", type="t")
    assert [each["payload"] for each in site.get(f"/events?kind=published&{query}").json] == payloads


def test_events_by_numbers_and_flags(site: Site) -> None:
    with publishing(site.broker, "q") as publisher:
        publisher.send(b"x", "q")
        for requeue in (True, False):
            tag = publisher.channel.basic_get("q")[0].delivery_tag
            publisher.channel.basic_reject(tag, requeue=requeue)
        with pytest.raises(pika.exceptions.ChannelClosedByBroker):
            publisher.channel.queue_declare("no", passive=True)
    assert len(site.get("/events?kind=rejected&requeue=true").json) == 1
    assert [each["redelivered"] for each in site.get("/events?kind=delivered&redelivered=true").json] == [True]
    assert [each["reply_code"] for each in site.get("/events?reply_code=404").json] == [404]


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("knd=published", f"no condition 'knd': there are {THE_CONDITIONS}"),
        ("where=x", f"no condition 'where': there are {THE_CONDITIONS}"),
        ("reply_code=x", "reply_code must be JSON"),
        ("reply_code=1.5", "reply_code must be an integer, 0 or more"),
        ("redelivered=1", "redelivered must be true or false"),
        ("headers=[]", "headers must be an object"),
        ("json=%7B", "json must be JSON"),
        ("payload=%25&payload_encoding=base64", "payload is no base64"),
        ("payload=x&payload_encoding=hex", "payload_encoding must be string or base64, not 'hex'"),
    ],
)
def test_wrong_queries(site: Site, query: str, reason: str) -> None:
    assert site.get(f"/events?{query}").refusal == bad(reason)


def test_wait(site: Site) -> None:
    with publishing(site.broker, "q") as publisher, ThreadPoolExecutor() as pool:
        answer = pool.submit(site.post, "/wait", {"kind": "published", "count": 2, "match": {"routing_key": "q"}})
        for _ in range(2):
            publisher.send(b"x", "q")
        assert [each["kind"] for each in answer.result().json] == ["published", "published"]
        (event,) = site.post("/wait", {"kind": "published"}).json
        assert event["payload"] == "x"
        reply = site.post("/wait", {"kind": "published", "count": 3, "timeout": 0, "match": {"body": "y"}})
    assert reply.refusal == (
        409,
        "not_true",
        "expected to be published 3 times: body='y', within 0 s\nfound 0 of 2 published; nearest:\n"
        "  published '' key 'q' -> q [shop]\n    body: wanted 'y', was b'x'\n"
        "  published '' key 'q' -> q [shop]\n    body: wanted 'y', was b'x'",
    )


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({}, "kind is missing"),
        ({"kind": 1}, "kind must be a text"),
        ({"kind": "acked", "count": 0}, "count must be an integer, 1 or more"),
        ({"kind": "acked", "timeout": 1e9}, "timeout must be a number from 0 to 600"),
        ({"kind": "acked", "match": []}, "match must be an object"),
        ({"kind": "acked", "match": {"where": "x"}}, f"no condition 'where': there are {THE_CONDITIONS}"),
        ({"kind": "acked", "match": {"queue": None}}, "match.queue must be a text"),
        ({"kind": "acked", "match": {"headers": "x"}}, "match.headers must be an object"),
        ({"kind": "acked", "match": {"json": None}}, "null cannot be a condition for json: ask for the body 'null'"),
        ({"kind": "acked", "queue": "q"}, "no option 'queue': there are kind, count, timeout, match"),
    ],
)
def test_wrong_waits(site: Site, body: object, reason: str) -> None:
    assert site.post("/wait", body).refusal == bad(reason)


def test_assert_published(site: Site) -> None:
    with publishing(site.broker, "q") as publisher:
        publisher.send(b'{"id": 7}', "q")
        publisher.send(b'{"id": 7}', "q")
    match = {"routing_key": "q", "json": {"id": 7}}
    assert len(site.post("/assert/published", {"match": match}).json) == 2
    assert len(site.post("/assert/published", {"match": match, "times": 2}).json) == 2
    assert site.post("/assert/published", {"match": {"routing_key": "r"}, "times": 0}).json == []
    assert len(site.post("/assert/published").json) == 2
    wrong = site.post("/assert/published", {"match": {"json": {"id": 8}}, "times": 1, "timeout": 0})
    assert wrong.refusal == (
        409,
        "not_true",
        "expected to be published once: json={'id': 8}\nfound 0 of 2 published; nearest:\n"
        "  published '' key 'q' -> q [shop]\n    json:   -  \"id\": 8\n            +  \"id\": 7\n"
        "  published '' key 'q' -> q [shop]\n    json:   -  \"id\": 8\n            +  \"id\": 7",
    )
    assert site.post("/assert/published", {"times": -1}).refusal == bad("times must be an integer, 0 or more")


def test_a_queue(site: Site) -> None:
    with publishing(site.broker, "a/b") as publisher:
        publisher.send(b"1", "a/b")
        publisher.send(b"2", "a/b", headers={"n": 1})
        publisher.channel.basic_get("a/b")
        view = site.get("/queues/a%2Fb").json
    assert [each["payload"] for each in view["unacked"]] == ["1"]
    assert view["consumers"] == 0
    assert view["ready"] == [
        {
            "vhost": "/",
            "exchange": "",
            "routing_key": "a/b",
            "queue": "a/b",
            "redelivered": False,
            "properties": {},
            "headers": {"n": 1},
            "payload": "2",
            "payload_encoding": "string",
        }
    ]
    assert site.get("/queues/a%2Fc").refusal == (404, "not_found", "no queue 'a/c'; did you mean 'a/b'?")
    assert site.get("/queues/q?vhost=x").refusal == (404, "not_found", "no virtual host 'x'; there are '/'")
    assert site.get("/queues/q?vhots=x").refusal == bad("no option 'vhots': there are vhost")


def test_a_queue_of_another_vhost(site: Site) -> None:
    site.broker.add_vhost("shop")
    with Publisher(f"{site.broker.url}/shop") as publisher:
        publisher.channel.queue_declare("q")
        publisher.send(b"x", "q")
    assert [each["vhost"] for each in site.get("/queues/q?vhost=shop").json["ready"]] == ["shop"]


def test_explain(site: Site) -> None:
    with publishing(site.broker, "q") as publisher:
        publisher.channel.exchange_declare("orders", "headers")
        publisher.channel.queue_bind("q", "orders", arguments={"kind": "new"})
        told = site.get("/explain?exchange=orders&routing_key=x&headers=%7B%22kind%22:%22new%22%7D").json
        assert told == {"text": str(site.broker.explain("orders", "x", {"kind": "new"})), "queues": ["q"]}
        assert site.get("/explain?exchange=orders&routing_key=x").json["queues"] == []
    assert "no exchange 'order'" in site.get("/explain?exchange=order&routing_key=x").json["text"]
    assert site.get("/explain?exchange=&routing_key=q&vhost=x").json["queues"] == []
    assert site.get("/explain?exchange=orders").refusal == bad("routing_key is missing")
    assert site.get("/explain?exchange=&routing_key=&headers=x").refusal == bad("headers must be JSON")
    assert site.get("/events?kind=published").json == []


def test_transcript(site: Site) -> None:
    with publishing(site.broker, "q") as publisher:
        publisher.send("ü".encode(), "q")
        reply = site.get("/transcript")
        assert reply.body.decode() == site.broker.transcript()
    assert reply.headers["content-type"] == "text/plain; charset=utf-8"
    assert "published '' key 'q' -> q [shop] ü" in reply.body.decode()


def test_leaks(site: Site) -> None:
    with publishing(site.broker, "q") as publisher:
        publisher.send(b"x", "q")
        assert site.get("/leaks").json == ["connection 'shop' of user 'guest' is open, with 1 channel"]
        ready = ["1 message ready in queue 'q' of virtual host '/'"]
        assert site.get("/leaks?kinds=ready,unacked").json == ready
    site.post("/wait", {"kind": "connection.closed"})
    assert site.get("/leaks").json == []
    reason = "no kind of leaks 'x': there are connections, unacked, unconfirmed, transactions, unroutable, ready"
    assert site.get("/leaks?kinds=x").refusal == bad(reason)


# --- faults


def test_a_fault_fires(site: Site) -> None:
    fault = {"kind": "cut_connection", "on": "published", "nth": 3, "match": {"routing_key": "q"}}
    reply = site.post("/faults", fault)
    assert (reply.status, reply.json) == (201, {"id": "1"})
    assert reply.headers["location"] == f"{MAIN_PATH}/faults/1"
    assert site.get("/faults/1").json == {"fired": 0}
    with publishing(site.broker, "q") as publisher:
        for number in range(5):
            publisher.send_surely(json.dumps(number).encode(), "q")
    assert site.get("/faults/1").json == {"fired": 1}
    assert [each["payload"] for each in site.get("/events?kind=published").json] == ["0", "1", "2", "2", "3", "4"]
    assert site.delete("/faults/1").status == 204
    for method in ("GET", "DELETE"):
        assert site.ask(method, "/faults/1").refusal == (404, "not_found", "no fault '1'")


def test_a_fault_that_is_removed_lets_go(site: Site) -> None:
    name = site.post("/faults", {"kind": "withhold_confirm"}).json["id"]
    with publishing(site.broker, "q") as publisher, ThreadPoolExecutor() as pool:
        confirm = pool.submit(publisher.send, b"x", "q")
        assert site.post("/wait", {"kind": "published"}).status == 200
        assert site.get("/events?kind=confirmed").json == []
        assert not confirm.done()
        site.delete(f"/faults/{name}")
        confirm.result(10)
        assert len(site.get("/events?kind=confirmed").json) == 1


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "withhold_confirm", "times": None},
        {"kind": "delay_confirm", "seconds": 0.5},
        {"kind": "deny_confirm", "stored": True, "times": 2},
        {"kind": "drop_publish", "probability": 0.5, "seed": 7},
        {"kind": "refuse_publish", "code": 404, "text": "no"},
        {"kind": "drop_delivery", "match": {"queue": "q"}},
        {"kind": "delay_delivery", "seconds": 1},
        {"kind": "duplicate_delivery"},
        {"kind": "cut_connection", "on": "acked", "reset": True},
        {"kind": "refuse_login", "user": "guest"},
    ],
    ids=lambda fault: fault["kind"],
)
def test_every_kind_of_faults(site: Site, fault: dict[str, Any]) -> None:
    assert site.post("/faults", {**fault, "optional": True}).status == 201
    (made,) = site.broker.faults
    assert made.kind == fault["kind"]
    for name in ("seconds", "stored", "code", "text", "on", "reset"):
        if name in fault:
            assert fault[name] in (made.settings.get(name), made.stage)
    assert site.delete("").status == 204


def test_a_fault_that_never_fired_is_told_at_the_end(site: Site) -> None:
    site.post("/faults", {"kind": "drop_publish", "match": {"routing_key": "q"}})
    reason = "the fault never fired, so it tested nothing: drop_publish(routing_key='q') (matched 0)"
    assert site.delete("").refusal == (409, "fault_not_fired", reason)
    assert site.delete("").refusal == (404, "not_found", "no broker 'main'"), "it has ended all the same"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({}, "kind is missing"),
        ({"kind": "clear"}, None),
        ({"kind": "delay_confirm"}, "seconds is missing"),
        ({"kind": "delay_confirm", "seconds": "1"}, "seconds must be a number from 0 to 3162240000"),
        ({"kind": "drop_publish", "seconds": 1}, None),
        ({"kind": "deny_confirm", "stored": "no"}, "stored must be true or false"),
        ({"kind": "refuse_publish", "code": 200}, "200 is no reply code of AMQP"),
        ({"kind": "cut_connection", "on": "x"}, "on='x': there are 'published', 'delivered' and 'acked'"),
        ({"kind": "drop_publish", "times": 0}, "times must be an integer, 1 or more"),
        ({"kind": "drop_publish", "nth": None}, "nth must be an integer, 1 or more"),
        ({"kind": "drop_publish", "probability": 2}, "probability must be a number from 0 to 1"),
        ({"kind": "drop_publish", "match": {"headers": []}}, "match.headers must be an object"),
    ],
)
def test_wrong_faults(site: Site, body: object, reason: str | None) -> None:
    refusal = site.post("/faults", body).refusal
    assert refusal == bad(reason or refusal[2])
    assert list(site.broker.faults) == []
