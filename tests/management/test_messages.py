"""Messages: publishing, getting, looking and purging."""

import base64
from typing import Any

import pytest
import trio
from pamqp.commands import Basic, Queue
from trio.testing import MockClock

from amqpy.core.queue_contents import ready_messages
from amqpy.management.resources import messages
from amqpy.wire.values import Field
from tests.fifo import as_fifo

from .harness import NOT_FOUND, REFUSED, Site

PUBLISH = "/api/exchanges/%2F/amq.default/publish"
GET = "/api/queues/%2F/q/get"
QUORUM = {"x-queue-type": Field("longstr", "quorum"), "x-delivery-limit": Field("long", 9)}
"""With a limit, messages go back to the front of the queue."""
KINDS = pytest.mark.parametrize("arguments", [{}, QUORUM], ids=["classic", "quorum"])


def message(payload: str = "hello", **changes: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"properties": {}, "routing_key": "q", "payload": payload, "payload_encoding": "string", **changes}


def get(count: object = 10, ackmode: str = "ack_requeue_true", encoding: str = "auto", **more: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"count": count, "ackmode": ackmode, "encoding": encoding, **more}


def payloads(rows: list[dict[str, Any]]) -> list[str]:
    return [row["payload"] for row in rows]


def stats(site: Site) -> dict[str, int]:
    """The counters of all channels that are not zero."""
    return {name: count for name, count in site.vhost.channel_totals.sum().items() if count}


# --- publishing


@pytest.mark.parametrize(("profile", "status"), [("rabbitmq-3.10", 200), ("rabbitmq-4.0", 400)])
async def test_nothing_is_got_in_any_way(site: Site, profile: str, status: int) -> None:
    site.declare("q")
    asked = {"count": 0, "ackmode": "nope", "encoding": "auto"}
    assert (await site.post("/api/queues/%2F/q/get", asked)).status == status
    reply = await site.post("/api/queues/%2F/q/get", {**asked, "count": 1})
    assert (reply.status, reply.json["reason"][:28]) == (400, "Invalid ackmode value: nope.")


async def test_a_message_is_published(site: Site) -> None:
    site.declare("q")
    reply = await site.post(PUBLISH, message())
    assert (reply.status, reply.json) == (200, {"routed": True})
    assert (await site.post(PUBLISH, message(routing_key="none"))).json == {"routed": False}
    assert (await site.get("/api/queues/%2F/q")).json["message_stats"] == {"publish": 1}
    assert stats(site) == {"publish": 2, "confirm": 2, "return_unroutable": 1}
    assert site.vhost.channels == {}
    assert site.broker.events.counts["channel.closed"] == 2


async def test_the_properties_of_a_message(site: Site, autojump_clock: MockClock) -> None:
    site.declare("q")
    properties = {
        "content_type": "text/plain",
        "content_encoding": "identity",
        "correlation_id": "1",
        "reply_to": "you",
        "expiration": "60000",
        "message_id": "2",
        "type": "t",
        "user_id": "guest",
        "app_id": "a",
        "cluster_id": "c",
        "delivery_mode": 2,
        "priority": 3,
        "timestamp": 4,
        "headers": {"n": 1, "f": 1.5, "t": "ü", "b": True, "l": [1, {}], "o": {"x": []}},
    }
    await site.post(PUBLISH, message(properties={**properties, "unknown": None}))
    (got,) = (await site.post(GET, get())).json
    assert got["properties"] == properties
    queue = site.vhost.queues["q"]
    (shown,) = ready_messages(queue)
    assert shown.message.persistent
    assert shown.message.expires_at_ms == pytest.approx(trio.current_time() * 1000 + 60_000, abs=10)


async def test_a_payload_in_base64(site: Site) -> None:
    site.declare("q")
    await site.post(PUBLISH, message(base64.b64encode(b"\xff\0").decode() + "\n", payload_encoding="base64"))
    (got,) = (await site.post(GET, get())).json
    assert (got["payload"], got["payload_encoding"], got["payload_bytes"]) == ("/wA=", "base64", 2)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"payload": 5}, "payload_not_string"),
        ({"payload_encoding": "hex"}, ["unsupported_encoding", "hex"]),
        ({"payload": "***", "payload_encoding": "base64"}, ["not_base64", "***"]),
        ({"properties": []}, "properties should be an object"),
        ({"properties": {"priority": "1"}}, ["not_int", "priority"]),
        ({"properties": {"priority": True}}, ["not_int", "priority"]),
        ({"properties": {"content_type": 1, "priority": "1"}}, ["not_string", "content_type"]),
        ({"properties": {"content_type": None}}, ["not_string", "content_type"]),
        ({"properties": {"content_type": "x" * 256}}, "content_type should be less than 255 bytes, actually was 256\n"),
        ({"properties": {"headers": "x"}}, "not_json"),
        ({"properties": {"headers": None}}, ["not_table", "headers"]),
        ({"properties": {"headers": {"a": [None]}}}, "null_not_allowed"),
        ({"properties": {"headers": {"a": "x" * 200_000}}}, "the properties are larger than a frame"),
        ({"properties": {"delivery_mode": 3}}, "406 PRECONDITION_FAILED - invalid message: {delivery_mode_unknown,3}"),
        (
            {"properties": {"delivery_mode": 300}},
            "406 PRECONDITION_FAILED - invalid message: {delivery_mode_unknown,300}",
        ),
        (
            {"properties": {"user_id": "other"}},
            "406 PRECONDITION_FAILED - user_id property set to 'other' but authenticated user was 'guest'",
        ),
        (
            {"properties": {"reply_to": "amq.rabbitmq.reply-to"}},
            "406 PRECONDITION_FAILED - fast reply consumer does not exist",
        ),
        ({"routing_key": 5}, ["not_string", "routing_key"]),
        ({"routing_key": "é" * 128}, "routing_key should be less than 255 bytes, actually was 256\n"),
    ],
)
async def test_bad_messages_are_refused(site: Site, changes: dict[str, Any], reason: object) -> None:
    site.declare("q")
    assert (await site.post(PUBLISH, message(**changes))).refusal == (400, "bad_request", reason)
    assert site.vhost.queues["q"].ready_count == 0
    assert site.vhost.channels == {}


async def test_keys_that_are_missing_are_told_in_order(site: Site) -> None:
    reply = await site.post("/api/exchanges/nope/none/publish", {"payload": 1})
    assert (
        reply.refusal[2] == "[{key_missing,routing_key},\n {key_missing,properties},\n {key_missing,payload_encoding}]"
    )


async def test_an_exchange_is_looked_for_before_a_routing_key_is_looked_at(site: Site) -> None:
    reply = await site.post("/api/exchanges/%2F/none/publish", message(routing_key=5))
    assert reply.refusal == (400, "bad_request", "404 NOT_FOUND - no exchange 'none' in vhost '/'")


async def test_no_way_in(site: Site) -> None:
    assert (await site.post("/api/exchanges/%2F/none/publish", message())).refusal == (
        400,
        "bad_request",
        "404 NOT_FOUND - no exchange 'none' in vhost '/'",
    )
    assert (await site.post("/api/exchanges/nope/none/publish", message())).refusal == REFUSED
    reply = await site.post("/api/exchanges/%2F/amq.rabbitmq.trace/publish", message())
    assert (
        reply.refusal[2] == "403 ACCESS_REFUSED - cannot publish to internal exchange 'amq.rabbitmq.trace' in vhost '/'"
    )
    site.add_user("root", "administrator", permissions=None)
    site.add_user("looker", "management", permissions=("", "", ".*"))
    assert (await site.post(PUBLISH, message(), user="root")).refusal == REFUSED
    assert (await site.post(PUBLISH, message(), user="looker")).refusal[2] == (
        "403 ACCESS_REFUSED - access to exchange 'amq.default' in vhost '/' refused for user 'looker'"
    )


async def test_connections_are_limited(site: Site) -> None:
    site.declare("q")
    site.users.set_limits("guest", {"max-connections": 0})
    assert (await site.post(PUBLISH, message())).refusal == REFUSED
    assert (await site.post(GET, get())).refusal == REFUSED


@pytest.mark.parametrize("settings", [{"max_message_size": 10}])
async def test_messages_are_limited(site: Site) -> None:
    reply = await site.post(PUBLISH, message("x" * 11))
    assert reply.refusal[2] == "406 PRECONDITION_FAILED - message size 11 is larger than configured max size 10"


async def test_a_full_queue_refuses(site: Site) -> None:
    site.declare("q", {"x-max-length": Field("long", 1), "x-overflow": Field("longstr", "reject-publish")})
    assert (await site.post(PUBLISH, message())).status == 200
    reply = await site.post(PUBLISH, message())
    assert reply.refusal == (400, "bad_request", "rejected Unable to publish message. Check queue limits.")
    assert stats(site) == {"publish": 2, "confirm": 1}


async def test_a_publish_is_told_when_it_is_durable(stored_site: Site, disk: Any) -> None:  # noqa: ANN401
    site = stored_site
    site.declare("q")
    await trio.testing.wait_all_tasks_blocked()
    disk.slow_down()
    replies: list[Any] = []

    async def publish() -> None:
        replies.append((await site.post(PUBLISH, message(properties={"delivery_mode": 2}))).json)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(publish)
        await trio.testing.wait_all_tasks_blocked()
        assert (site.vhost.queues["q"].ready_count, replies) == (1, [])
        await disk.speed_up()
    assert replies == [{"routed": True}]


# --- getting


async def test_a_message_is_shown_whole(site: Site) -> None:
    site.declare("q")
    site.publish("q", b"hello", b"2")
    (got,) = (await site.post(GET, get("1"))).json
    assert got == {
        "payload_bytes": 5,
        "redelivered": False,
        "exchange": "",
        "routing_key": "q",
        "message_count": 1,
        "properties": [],
        "payload": "hello",
        "payload_encoding": "string",
    }


@KINDS
@pytest.mark.parametrize("ackmode", ["ack_requeue_true", "reject_requeue_true"])
async def test_messages_are_put_back(site: Site, arguments: Any, ackmode: str) -> None:  # noqa: ANN401
    queue = site.declare("q", arguments)
    site.publish("q", b"1", b"2", b"3")
    got = (await site.post(GET, get(2, ackmode))).json
    assert [(each["payload"], each["redelivered"], each["message_count"]) for each in got] == [
        ("1", False, 2),
        ("2", False, 1),
    ]
    assert (queue.ready_count, queue.unacked_count) == (3, 0)
    again = (await site.post(GET, get(-1, ackmode))).json
    assert [(each["payload"], each["redelivered"]) for each in again] == [("1", True), ("2", True), ("3", False)]
    assert stats(site) == {"deliver_get": 5, "get": 5, "get_empty": 1, "redeliver": 2}


async def test_numbers_that_json_has_not_are_shown_as_text(site: Site) -> None:
    site.declare("q")
    peer = await site.connect()
    await peer.publish("q", b"", headers={"nan": float("nan")})
    while not site.vhost.queues["q"].ready_count:
        await trio.lowlevel.checkpoint()
    (got,) = (await site.post(GET, get())).json
    assert got["properties"] == {"headers": {"nan": "nan"}}


async def test_messages_are_taken(site: Site) -> None:
    queue = site.declare("q")
    site.publish("q", b"1", b"2", b"3")
    assert payloads((await site.post(GET, get(2, "ack_requeue_false"))).json) == ["1", "2"]
    assert (queue.ready_count, queue.unacked_count) == (1, 0)
    assert queue.message_stats()["get_no_ack"] == 2


async def test_messages_are_rejected(site: Site) -> None:
    site.declare("dead")
    queue = site.declare(
        "q", {"x-dead-letter-exchange": Field("longstr", ""), "x-dead-letter-routing-key": Field("longstr", "dead")}
    )
    site.publish("q", b"1", b"2")
    await site.post(GET, get(1, "reject_requeue_false"))
    assert queue.ready_count == 1
    (dead,) = (await site.post("/api/queues/%2F/dead/get", get())).json
    assert (dead["payload"], dead["properties"]["headers"]["x-death"][0]["reason"]) == ("1", "rejected")


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ({}, [("hällo", "string", 6), ("/w==", "base64", 1)]),
        ({"encoding": "base64"}, [("aMOkbGxv", "base64", 6), ("/w==", "base64", 1)]),
        ({"truncate": 3}, [("hä", "string", 6), ("/w==", "base64", 1)]),
        ({"truncate": "2"}, [("aMM=", "base64", 6), ("/w==", "base64", 1)]),
        ({"truncate": 0}, [("", "string", 6), ("", "string", 1)]),
        ({"count": 1.9}, [("hällo", "string", 6)]),
        ({"count": 0}, []),
    ],
)
async def test_payloads_are_encoded_and_truncated(site: Site, asked: dict[str, Any], shown: object) -> None:
    site.declare("q")
    site.publish("q", "hällo".encode(), b"\xff")
    got = (await site.post(GET, get() | asked)).json
    assert [(each["payload"], each["payload_encoding"], each["payload_bytes"]) for each in got] == shown


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"count": "x"}, ["not_integer", "x"]),
        ({"count": None}, ["not_integer", None]),
        ({"encoding": "hex"}, "Unsupported encoding. Please use auto or base64."),
        ({"encoding": ["auto"]}, "Unsupported encoding. Please use auto or base64."),
        ({"truncate": "x"}, ["not_integer", "x"]),
        ({"truncate": -1}, "truncate should not be negative"),
        (
            {"ackmode": "maybe"},
            "Invalid ackmode value: maybe. Valid values are: ack_requeue_true, ack_requeue_false, "
            "reject_requeue_true, reject_requeue_false",
        ),
    ],
)
async def test_bad_gets_are_refused(site: Site, changes: dict[str, Any], reason: object) -> None:
    site.declare("q")
    site.publish("q", b"1")
    assert (await site.post(GET, get() | changes)).refusal == (400, "bad_request", reason)
    assert site.vhost.channels == {}


async def test_nothing_is_cut_where_nothing_is(site: Site) -> None:
    reply = await site.post(GET, get() | {"truncate": -1})
    assert reply.refusal == (404, "not_found", "NOT_FOUND - no queue 'q' in vhost '/'")
    site.declare("q")
    reply = await site.post(GET, get() | {"truncate": -1})
    assert (reply.status, reply.json) == (200, [])


async def test_no_way_out(site: Site) -> None:
    assert (await site.post(GET, {"requeue": True})).refusal[2] == (
        "[{key_missing,ackmode},{key_missing,count},{key_missing,encoding}]"
    )
    assert (await site.post(GET, get())).refusal == (404, "not_found", "NOT_FOUND - no queue 'q' in vhost '/'")
    assert (await site.post("/api/queues/nope/q/get", get())).refusal == REFUSED
    site.declare("q")
    site.add_user("writer", "management", permissions=("", ".*", ""))
    assert (await site.post(GET, get(), user="writer")).refusal == (
        401,
        "not_authorised",
        "ACCESS_REFUSED - access to queue 'q' in vhost '/' refused for user 'writer'",
    )
    peer = await site.connect()
    await peer.ask(Queue.Declare(queue="mine", exclusive=True))
    reply = await site.post("/api/queues/%2F/mine/get", get())
    assert reply.refusal[2].startswith("405 RESOURCE_LOCKED - cannot obtain exclusive access to locked queue 'mine'")


@KINDS
async def test_many_messages_are_got_bit_by_bit(site: Site, arguments: Any) -> None:  # noqa: ANN401
    queue = site.declare("q", arguments)
    bodies = [str(number).encode() for number in range(3000)]
    site.publish("q", *bodies)
    for redelivered in (False, True):
        rows = (await site.post(GET, get(5000, "reject_requeue_true"))).json
        assert [row["payload"].encode() for row in rows] == bodies
        assert {row["redelivered"] for row in rows} == {redelivered}
        assert (queue.ready_count, queue.unacked_count) == (3000, 0)
    assert site.vhost.channels == {}
    assert stats(site)["get"] == 6000


@KINDS
async def test_expired_messages_are_not_got(site: Site, arguments: Any) -> None:  # noqa: ANN401
    queue = site.declare("q", arguments)
    site.publish("q", b"fresh")
    fifo = as_fifo(queue)
    late = [message.until(site.broker.scheduler.now_ms) for _, message in fifo.ready] * 500
    for message in late:
        fifo.ready.put_back(-1, message)
    queue.may_expire = True
    assert payloads((await site.post(GET, get())).json) == ["fresh"]
    assert queue.counts.expired == 500


async def test_a_queue_may_go_while_messages_are_got(site: Site) -> None:
    site.declare("q")
    site.publish("q", *[b"x"] * 3000)
    rows: list[Any] = []

    async def ask() -> None:
        rows.extend((await site.post(GET, get(3000))).json)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        while not site.vhost.channels:
            await trio.lowlevel.checkpoint()
        assert (await site.delete("/api/queues/%2F/q")).status == 204
    assert 0 < len(rows) < 3000
    assert site.vhost.channels == {}


async def test_no_more_is_got_than_there_is_memory_for(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "GET_BYTES_MAX", 2500)
    site.declare("q")
    site.publish("q", *[b"x" * 1000] * 5)
    assert len((await site.post(GET, get())).json) == 3


# --- purging


async def test_a_queue_is_purged(site: Site) -> None:
    queue = site.declare("q")
    site.publish("q", *[b"x"] * 3)
    peer = await site.connect()
    await peer.ask(Basic.Get(queue="q"))
    contents = "/api/queues/%2F/q/contents"
    assert (await site.delete(contents, body=b"x")).refusal == (400, "bad_request", "not_json")
    assert (await site.delete(contents, {"mode": "purge"})).status == 204
    assert (queue.ready_count, queue.unacked_count) == (0, 1)
    assert (await site.delete("/api/queues/%2F/none/contents")).refusal == NOT_FOUND
    site.add_user("writer", "management", permissions=("", ".*", ""))
    assert (await site.delete(contents, user="writer")).refusal == REFUSED
