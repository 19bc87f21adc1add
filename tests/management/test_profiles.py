"""The switches that act in the management API, each in every profile."""

from amqpy.wire.values import Field
from tests.profiles import switch

from .harness import Site

Q = "/api/queues/%2F/q"


@switch("default_queue_version", 1, 1, 2, 2)
async def test_the_storage_version(site: Site, expected: int) -> None:
    site.declare("q")
    shown = (await site.get(Q)).json
    assert shown.get("backing_queue_status", {}).get("version", shown.get("storage_version")) == expected
    site.declare("asks", {"x-queue-version": Field("long", 2)})
    shown = (await site.get("/api/queues/%2F/asks")).json
    assert shown.get("backing_queue_status", {}).get("version", shown.get("storage_version")) == 2


@switch(
    "queue_view_keys",
    "backing_queue_status message_bytes_paged_out messages_paged_out recoverable_slaves / single_active_consumer_ctag",
    "message_bytes_paged_out messages_paged_out recoverable_slaves storage_version / single_active_consumer_tag",
    "message_bytes_paged_out messages_paged_out storage_version / single_active_consumer_tag",
    "internal internal_owner storage_version / internal internal_owner single_active_consumer_tag",
)
async def test_the_keys_of_queues(site: Site, expected: str) -> None:
    site.declare("q")
    site.declare("quorum", {"x-queue-type": Field("longstr", "quorum")})
    classic, quorum = [(await site.get(f"/api/queues/%2F/{name}")).json.keys() for name in ("q", "quorum")]
    of_classic, of_quorum = (set(part.split()) for part in expected.split("/"))
    assert (classic & ALL_KEYS) - {"single_active_consumer_tag"} == of_classic
    assert quorum & ALL_KEYS == of_quorum


ALL_KEYS = {
    "backing_queue_status",
    "internal",
    "internal_owner",
    "message_bytes_paged_out",
    "messages_paged_out",
    "recoverable_slaves",
    "single_active_consumer_ctag",
    "single_active_consumer_tag",
    "storage_version",
}


@switch("reduced_queue_rows", False, True, True, True)
async def test_the_rows_of_queues(site: Site, expected: bool) -> None:
    site.declare("q")
    (row,) = (await site.get("/api/queues")).json
    assert ("garbage_collection" in row, "policy" in row) == (not expected, not expected)
    (row,) = (await site.get("/api/queues?columns=garbage_collection,name")).json
    assert row.keys() == {"garbage_collection", "name"}
    detailed = await site.get("/api/queues/detailed")
    if expected:
        assert detailed.json[0]["policy"] is None
    else:
        assert detailed.status == 404
    site.add_vhost("detailed", "guest")
    assert len((await site.get("/api/queues/detailed")).json) == expected
    site.add_user("plain", "management")
    assert (await site.get("/api/queues/detailed", user="plain")).status == (200 if expected else 401)


@switch("web_looks_first", False, True, True, True)
async def test_the_order_in_which_something_is_missed(site: Site, expected: bool) -> None:
    for path, missing in (("exchanges/%2F/x/publish", "exchange_not_found"), ("queues/%2F/q/get", "queue_not_found")):
        reply = await site.post(f"/api/{path}", {})
        assert (reply.json["reason"] == missing) is expected
        assert reply.status == (404 if expected else 400)
    reply = await site.post("/api/queues/nope/q/get", {})
    assert (reply.json["reason"] == "vhost_not_found") is expected


@switch("web_get_nacks", False, True, True, True)
async def test_the_way_back(site: Site, expected: bool) -> None:
    site.declare("q", {"x-queue-type": Field("longstr", "quorum")})
    site.publish("q", *[b"%d" % number for number in range(1, 12)])
    asked = {"count": 11, "ackmode": "ack_requeue_true", "encoding": "auto"}
    await site.post(f"{Q}/get", asked)
    rows = (await site.get(f"{Q}/peek?count=20")).json
    order = [int(row["payload"]) for row in rows]
    assert sorted(order) == list(range(1, 12))
    assert (order == sorted(order)) is expected
