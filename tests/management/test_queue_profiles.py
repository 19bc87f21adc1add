"""The switches that act in the management API, each in every profile."""

import pytest

from amqpy.management.queue_views import BY_VERSION
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
    (
        "backing_queue_status message_bytes_paged_out messages_paged_out recoverable_slaves",
        "single_active_consumer_ctag",
    ),
    ("message_bytes_paged_out messages_paged_out recoverable_slaves storage_version", ""),
    (
        "message_bytes_paged_out messages_paged_out storage_version",
        "delivery_limit messages_ready_high messages_ready_normal messages_ready_returned publishers",
    ),
    (
        "internal internal_owner storage_version",
        "delayed_retry delivery_limit internal internal_owner messages_active_priorities messages_by_priority "
        "messages_delayed messages_ready_returned publishers",
    ),
)
async def test_the_keys_of_queues(site: Site, expected: tuple[str, str]) -> None:
    site.declare("q")
    site.declare("quorum", {"x-queue-type": Field("longstr", "quorum")})
    for name, keys in zip(("q", "quorum"), expected, strict=True):
        shown = (await site.get(f"/api/queues/%2F/{name}")).json
        assert shown.keys() & BY_VERSION == set(keys.split())
        assert ("single_active_consumer_tag" in shown) is (keys != "single_active_consumer_ctag")


@pytest.mark.parametrize("profile", ["rabbitmq-4.3"])
async def test_messages_by_priority(site: Site) -> None:
    site.declare("q", {"x-queue-type": Field("longstr", "quorum")})
    site.publish("q", b"1", b"2")
    site.publish("q", b"3", priority=9)
    await site.post(f"{Q}/get", {"count": 1, "ackmode": "ack_requeue_true", "encoding": "auto"})
    shown = (await site.get(Q)).json
    assert (shown["messages_by_priority"], shown["messages_ready_returned"]) == ({"4": 2}, 1)
    assert (shown["messages_active_priorities"], shown["delivery_limit"]) == (1, 20)


@pytest.mark.parametrize("profile", ["rabbitmq-4.3"])
async def test_statistics_can_be_left_out(site: Site) -> None:
    site.declare("q", {"x-queue-type": Field("longstr", "quorum")})
    (row,) = (await site.get("/api/queues?disable_stats=true")).json
    assert (row["policy"], row["internal"], row["delivery_limit"], row["state"]) == (None, False, 20, "running")
    shown = (await site.get(f"{Q}?disable_stats=true&enable_queue_totals=true")).json
    assert (shown["messages"], shown["policy"]) == (0, None)


@pytest.mark.parametrize(
    ("profile", "missing"),
    [
        ("rabbitmq-3.10", [("quorum", "exclusive")]),
        ("rabbitmq-4.0", [("classic", "online"), ("quorum", "exclusive")]),
        ("rabbitmq-4.3", []),
    ],
)
async def test_the_totals_of_queues_come_with_less(site: Site, missing: list[tuple[str, str]]) -> None:
    for kind in ("classic", "quorum"):
        site.declare(kind, {"x-queue-type": Field("longstr", kind)})
    rows = (await site.get("/api/queues?disable_stats=true&enable_queue_totals=true")).json
    keys = {"exclusive", "online"}
    assert [(row["name"], key) for row in rows for key in sorted(keys & row.keys()) if row[key] is None] == missing


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
    reply = await site.post("/api/queues/%2F/q/actions", {})
    assert reply.refusal[1:] == (("not_found", "queue_not_found") if expected else ("Object Not Found", "Not Found"))
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
