"""The control face of test brokers: brokers, time, state, and who is let in."""

import socket
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from amqpy.testing import TestBroker
from amqpy.testing.control import BODY_MAX
from amqpy.testing.control_brokers import BROKERS_MAX, MAIN, Brokers
from tests.testing.apps import Worker
from tests.testing.control import Site, bad, publishing

# --- brokers


def test_a_broker_of_ones_own(site: Site) -> None:
    reply = site.post("//brokers", {"clock": "frozen", "now": "2026-01-31T12:00:00Z", "consumer_timeout_ms": 60_000})
    assert (reply.status, reply.headers["location"]) == (201, "/brokers/1")
    assert reply.json == {"id": "1", "amqp_url": site.brokers["1"].broker.url}
    assert site.get("//brokers/1/clock").json == {"now": "2026-01-31T12:00:00.000Z", "frozen": True}
    assert site.post("//brokers").json["id"] == "2"
    with publishing(site.brokers["1"].broker, "q"):
        assert site.get("//brokers/1/queues/q").json == {"ready": [], "unacked": [], "held": [], "consumers": 0}
        assert site.get("//brokers/2/queues/q").refusal == (404, "not_found", "no queue 'q'; there is none")
    reply = site.delete("//brokers/1")
    assert (reply.status, reply.body) == (204, b"")
    assert site.get("//brokers/1/clock").refusal == (404, "not_found", "no broker '1'")
    assert site.delete("//brokers/1").refusal == (404, "not_found", "no broker '1'")
    assert site.post("//brokers").json["id"] == "3", "no id is used twice"


def test_the_first_is_main_and_may_end(site: Site) -> None:
    port = site.broker.port
    socket.create_connection(("127.0.0.1", port)).close()
    assert site.delete("").status == 204
    assert site.get("/clock").refusal == (404, "not_found", "no broker 'main'")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


def test_definitions_and_snapshot_of_a_new_broker(site: Site) -> None:
    with publishing(site.broker, "q") as publisher:
        publisher.send(b"x", "q")
        snapshot = site.get("/snapshot").json
    assert site.post("//brokers", {"snapshot": snapshot}).status == 201
    assert [each["payload"] for each in site.get("//brokers/1/queues/q").json["ready"]] == ["x"]
    assert site.post("//brokers", {"definitions": snapshot["definitions"]}).status == 201
    assert site.get("//brokers/2/queues/q").json["ready"] == []


def test_defaults_of_the_server_are_those_of_its_brokers() -> None:
    brokers = Brokers({"profile": "rabbitmq-4"})
    _, new = brokers.start({})
    _, old = brokers.start({"profile": "rabbitmq-3.10"})
    versions = [each.definitions()["rabbit_version"].partition(".")[0] for each in (new, old)]
    brokers.end_all()
    assert versions == ["4", "3"]


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"prot": 1}, "no setting 'prot' of a test broker"),
        ({"data_dir": "/tmp"}, "no setting 'data_dir' of a test broker"),
        ({"leaks": ["ready"]}, "no setting 'leaks' here: ask for leaks before the end"),
        ({"host": "0.0.0.0"}, "no setting 'host' here: all are on 127.0.0.1"),
        ({"port": 70_000}, "port must be an integer from 0 to 65535"),
        ({"port": {}}, "port must be an integer from 0 to 65535"),
        ({"profile": "rabbitmq-5"}, None),
        ({"clock": "slow"}, "clock='slow': there are 'ticking' and 'frozen'"),
        ({"clock": 1}, "clock must be a text"),
        ({"now": 5}, "now must be a text"),
        ({"now": "noon"}, "now must be a time in ISO 8601: 2026-01-31T12:00:00Z"),
        ({"now": "1969-01-01T00:00:00Z"}, "now must be in a year from 1971 to 2999"),
        ({"now": "2026-01-31T12:00:00"}, None),
        ({"seed": "x"}, "seed must be an integer, -inf or more"),
        ({"definitions": "/etc/passwd"}, "definitions must be an object"),
        ({"definitions": {"queues": 5}}, "queues should be a list"),
        ({"snapshot": "/etc/passwd"}, "snapshot must be an object"),
        ({"snapshot": {}}, "no snapshot of a test broker"),
        ({"self": 1}, None),
    ],
)
def test_wrong_settings(site: Site, settings: dict[str, Any], reason: str | None) -> None:
    refusal = site.post("//brokers", settings).refusal
    assert refusal == bad(reason or refusal[2])
    assert site.post("//brokers").json["id"] == "1", "none was started"


def test_a_port_that_is_taken(site: Site) -> None:
    port = site.broker.port
    reason = f"cannot listen on 127.0.0.1:{port}: Address already in use"
    assert site.post("//brokers", {"port": port}).refusal == (409, "port_taken", reason)


def test_a_broker_that_is_refused_leaves_its_port(site: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    for wrong in ({"definitions": {"queues": 5}}, {"snapshot": {"amqpy_snapshot": 1, "definitions": {"queues": 5}}}):
        assert site.post("//brokers", {"port": port, **wrong}).status == 400
    assert site.post("//brokers", {"port": port}).status == 201


def test_there_are_not_too_many(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("amqpy.testing.control_brokers.BROKERS_MAX", 1)
    reason = "there are 1 brokers, and that is the most: delete some"
    assert BROKERS_MAX > 1
    assert site.post("//brokers").refusal == (409, "conflict", reason)


def test_restart(site: Site) -> None:
    with publishing(site.broker) as publisher:
        publisher.channel.queue_declare("durable", durable=True)
        publisher.channel.queue_declare("transient")
        publisher.send(b"x", "durable", delivery_mode=2)
        assert site.post("/restart").status == 204
        assert len(site.get("/queues/durable").json["ready"]) == 1
        assert site.get("/queues/transient").status == 404
    closed = site.get("/events?kind=connection.closed").json
    assert site.post("/restart", {"crash": True}).status == 204
    assert closed
    assert site.post("/restart", {"crash": "yes"}).refusal == bad("crash must be true or false")


def test_restarts_at_the_same_time_follow_each_other(site: Site) -> None:
    with ThreadPoolExecutor(8) as pool:
        paths = ["/restart", "/reset"] * 8
        assert {reply.status for reply in pool.map(site.post, paths)} == {204}
    with publishing(site.broker, "q"):
        assert site.get("/queues/q").status == 200


def test_a_broker_that_has_ended_is_not_started_again(site: Site) -> None:
    port = site.broker.port
    site.broker.stop()
    reason = "the test broker does not run: it was stopped, or not started yet"
    for path in ("/restart", "/reset"):
        assert site.post(path).refusal == (409, "not_running", reason)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


def test_purge_leaves_queues_and_reset_leaves_nothing(site: Site) -> None:
    with publishing(site.broker, "q") as publisher:
        publisher.send(b"x", "q")
        assert site.post("/faults", {"kind": "drop_publish"}).json == {"id": "1"}
        assert site.post("/purge").status == 204
        assert site.get("/queues/q").json["ready"] == []
        assert site.get("/events").json == []
        assert site.get("/faults/1").refusal == (404, "not_found", "no fault '1'")
        assert publisher.connection.is_open
        site.post("/faults", {"kind": "drop_publish"})
        assert site.post("/reset").status == 204
        assert site.get("/queues/q").status == 404
        assert site.get("/faults/2").status == 404
    for each in ("purge", "reset"):
        assert site.post(f"/{each}", {"now": True}).refusal == bad("no option 'now': there is none")


def test_block(site: Site) -> None:
    with publishing(site.broker, "q") as publisher:
        for body, resource in (({}, "memory"), ({"resource": "disk"}, "disk")):
            assert site.post("/block", body).status == 204
            assert [each["kind"] for each in site.get(f"/events?name={resource}").json] == ["alarm.set"]
            publisher.send_nowait(b"x", "q")
            assert site.get("/events?kind=published").json == []
            assert site.post("/unblock").status == 204
            assert site.post("/wait", {"kind": "published"}).status == 200
            site.post("/purge")
    site.post("/block", {"resource": "disk"})
    assert site.post("/unblock", {"resource": "disk"}).status == 204
    assert [each["kind"] for each in site.get("/events").json][-2:] == ["alarm.set", "alarm.cleared"]
    for each in ("block", "unblock"):
        assert site.post(f"/{each}", {"resource": "disc"}).refusal == bad("resource must be memory or disk")
        assert site.post(f"/{each}", {"resource": 1}).refusal == bad("resource must be a text")


# --- time


def test_advance(site: Site) -> None:
    assert site.post("//brokers", {"clock": "frozen", "now": "2026-01-31T12:00:00Z"}).status == 201
    later = {"now": "2026-01-31T13:00:00.500Z", "frozen": True}
    assert site.post("//brokers/1/clock/advance", {"seconds": 3600.5}).json == later
    assert site.get("//brokers/1/clock").json == later
    assert site.get("/clock").json["frozen"] is False


def test_advance_and_settle(site: Site) -> None:
    with publishing(site.broker) as publisher:
        arguments = {"x-message-ttl": 3_600_000, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "jobs"}
        publisher.channel.queue_declare("later", arguments=arguments)
        publisher.channel.queue_declare("jobs")
        with Worker(site.broker.url, "jobs"):
            publisher.send(b"x", "later")
            assert site.post("/clock/advance", {"seconds": 3600, "settle": True}).status == 200
            assert [each["payload"] for each in site.get("/events?kind=acked").json] == ["x"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({}, "seconds is missing"),
        ({"seconds": -1}, "seconds must be a number from 0 to 3162240000"),
        ({"seconds": 1e300}, "seconds must be a number from 0 to 3162240000"),
        ({"seconds": True}, "seconds must be a number from 0 to 3162240000"),
        ({"seconds": 1, "settle": 1}, "settle must be true or false"),
        ({"hours": 1, "seconds": 1}, "no option 'hours': there are seconds, settle"),
    ],
)
def test_wrong_steps(site: Site, body: object, reason: str) -> None:
    assert site.post("/clock/advance", body).refusal == bad(reason)


def test_settle(site: Site) -> None:
    assert site.post("/settle").status == 204
    with publishing(site.broker, "q") as publisher:
        publisher.send(b"x", "q")
        publisher.channel.basic_consume("q", lambda *_: None, consumer_tag="slow")
        publisher.connection.process_data_events()
        reason = "not settled within 0 s:\n  shop, channel 1: consumer 'slow' of queue 'q' has not answered a delivery"
        assert site.post("/settle", {"timeout": 0}).refusal == (409, "not_settled", reason)
    assert site.post("/settle", {"timeout": -1}).refusal == bad("timeout must be a number from 0 to 600")
    assert site.post("/settle", {"timeout": "1"}).refusal == bad("timeout must be a number from 0 to 600")


# --- state


def test_snapshot(site: Site) -> None:
    with publishing(site.broker, "q") as publisher:
        publisher.send(b"1", "q", headers={"n": 1}, expiration="60000")
        publisher.send(b"2", "q")
        publisher.channel.basic_get("q")
        snapshot = site.get("/snapshot").json
    site.post("/purge")
    assert site.put("/snapshot", snapshot).status == 204
    assert [(each["payload"], each["redelivered"]) for each in site.get("/queues/q").json["ready"]] == [
        ("1", True),
        ("2", False),
    ]
    assert site.get("/snapshot").json["messages"].keys() == snapshot["messages"].keys()


HEADER = b64encode(b"\x00\x3c" + bytes(9) + b"\x01" + bytes(2)).decode()
ROW = {"exchange": "", "routing_key": "q", "properties": HEADER, "body": "eA=="}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, None),
        ({"body": "eHg="}, "messages./.q.properties are no content header of AMQP for its body"),
        ({"properties": "AAAA"}, "messages./.q.properties are no content header of AMQP for its body"),
        ({"properties": "x"}, "payload is no base64"),
        ({"body": 1}, "messages./.q.body must be a text"),
        ({"exchange": "e" * 256}, "messages./.q.exchange must not be longer than 255 octets"),
        ({"redelivered": 1}, "messages./.q.redelivered must be true or false"),
        ({"expires_in_ms": -1}, "messages./.q.expires_in_ms must be an integer, 0 or more"),
        ({"more_keys": [1]}, "messages./.q.more_keys must have texts"),
        ({"size": 1}, None),
    ],
)
def test_wrong_messages_of_a_snapshot(site: Site, change: dict[str, Any], reason: str | None) -> None:
    with publishing(site.broker, "q"):
        snapshot = site.get("/snapshot").json
        snapshot["messages"] = {"/": {"q": [{**ROW, **change}]}}
        reply = site.put("/snapshot", snapshot)
        if not change:
            assert reply.status == 204
            return
        assert reply.refusal == bad(reason or reply.refusal[2])
        assert site.get("/queues/q").status == 200, "nothing has changed"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({}, "no snapshot of a test broker"),
        ({"amqpy_snapshot": 2}, "no snapshot of a test broker"),
        ({"amqpy_snapshot": 1}, "definitions is missing"),
        ({"amqpy_snapshot": 1, "definitions": {}, "messages": []}, "messages must be an object"),
        ({"amqpy_snapshot": 1, "definitions": {"queues": 1}, "messages": {}}, "definitions.queues must be an array"),
        ({"amqpy_snapshot": 1, "definitions": {}, "messages": {"/": []}}, "messages./ must be an object"),
        ({"amqpy_snapshot": 1, "definitions": {}, "messages": {}, "x": 1}, None),
        (
            {"amqpy_snapshot": 1, "definitions": {"queues": [{"name": [], "vhost": {}}]}, "messages": {"/": {"q": []}}},
            "no queue 'q' in virtual host '/' for the messages of a snapshot",
        ),
        ({"amqpy_snapshot": 1, "definitions": {"users": 5}, "messages": {}}, "users should be a list"),
    ],
)
def test_wrong_snapshots(site: Site, content: object, reason: str | None) -> None:
    refusal = site.put("/snapshot", content).refusal
    assert refusal == bad(reason or refusal[2])


def test_definitions(site: Site) -> None:
    queue = {"name": "q", "vhost": "/", "durable": True, "auto_delete": False, "arguments": {"x-max-length": 1}}
    assert site.put("/definitions", {"queues": [queue]}).status == 204
    assert site.get("/queues/q").status == 200
    assert site.put("/definitions", {"queues": 5}).refusal == bad("queues should be a list")
    reply = site.put("/definitions", {"queues": [{**queue, "name": "r", "arguments": {"x-max-length": -1}}]})
    assert reply.status == 400
    assert site.get("/queues/r").status == 404


# --- requests


@pytest.mark.parametrize("body", [b"{", b"\xff\xff", b"[" * 100_000, b'{"seconds": NaN}'])
def test_what_is_no_json(site: Site, body: bytes) -> None:
    assert site.post("/clock/advance", body).refusal == bad("the body is no JSON")


@pytest.mark.parametrize("body", [b"[]", b"1", b"null", b'"{}"'])
def test_a_body_is_an_object(site: Site, body: bytes) -> None:
    assert site.post("/clock/advance", body).refusal == bad("the body must be a JSON object")


def test_a_large_body(site: Site) -> None:
    assert site.put("/definitions", bytes(BODY_MAX + 1)).refusal == bad(f"payload too large, limit is {BODY_MAX} bytes")


def test_unknown_paths_and_methods(site: Site) -> None:
    assert site.get("//").refusal == (404, "not_found", "no path /")
    assert site.get("/x").refusal == (404, "not_found", "no path /brokers/main/x")
    assert site.get("//api/overview").refusal == (404, "not_found", "no path /api/overview")
    reply = site.get("//brokers")
    assert reply.refusal == (405, "method_not_allowed", "the methods of this path: POST")
    assert reply.headers["allow"] == "POST"
    assert site.ask("OPTIONS", "/snapshot").headers["allow"] == "GET, PUT"
    reply = site.ask("HEAD", "/clock")
    assert (reply.status, reply.body) == (405, b"")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"host": "localhost:1"},
        {"host": "127.0.0.1:1"},
        {"host": "[::1]:1"},
        {"origin": "http://localhost:3000"},
        {"origin": "http://127.0.0.1:3000"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_who_is_let_in(site: Site, headers: dict[str, str]) -> None:
    assert site.ask("GET", "/clock", headers=headers).status == 200


@pytest.mark.parametrize(
    ("headers", "refusal"),
    [
        ({"host": "evil.example"}, (403, "forbidden", "the header Host names another machine: 'evil.example'")),
        ({"host": "["}, bad("the header Host is no host")),
        ({"origin": "http://evil.example"}, (403, "forbidden", "a page of another site asks")),
        ({"origin": "http://10.0.0.1"}, (403, "forbidden", "a page of another site asks")),
        ({"origin": "http://["}, (403, "forbidden", "a page of another site asks")),
        ({"origin": "null"}, (403, "forbidden", "a page of another site asks")),
        ({"sec-fetch-site": "cross-site"}, (403, "forbidden", "a page of another site asks")),
    ],
)
def test_who_is_not_let_in(site: Site, headers: dict[str, str], refusal: tuple[int, str, str]) -> None:
    for method, path in (("GET", "/clock"), ("DELETE", ""), ("POST", "//brokers")):
        assert site.ask(method, path, headers=headers).refusal == refusal
    assert site.get("/clock").status == 200


def test_strangers_are_not_let_in(site: Site) -> None:
    assert site.ask("GET", "/clock", peer="10.0.0.1").status == 403


# --- what goes wrong


def test_a_bug_of_the_broker_is_told(site: Site) -> None:
    site.broker.server.bugs.append(KeyError("x"))
    reason = "the test broker met an internal error: KeyError('x')"
    assert site.delete("").refusal == (500, "broker_bug", reason)


def test_a_bug_of_a_handler_ends_nothing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TestBroker, "transcript", lambda self: 1 / 0)
    assert site.get("/transcript").refusal == (500, "internal_error", "see the standard error of the test server")
    assert site.get("/clock").status == 200


def test_a_broker_that_does_not_run(site: Site) -> None:
    with site.broker.down():
        reason = "the test broker does not run: it was stopped, or not started yet"
        assert site.post("/block").refusal == (409, "not_running", reason)


def test_all_end_with_the_server() -> None:
    brokers = Brokers({})
    ports = [brokers.start({}, name)[1].port for name in (MAIN, None)]
    brokers["1"].broker.server.bugs.append(KeyError("x"))
    assert [str(bug) for bug in brokers.end_all()] == ["the test broker met an internal error: KeyError('x')"]
    for port in ports:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
