"""Looking at the messages of a queue, which notices nothing of it."""

from typing import Any

import pytest
import trio
from pamqp.commands import Basic, Tx
from trio.testing import MockClock

from amqpy.management import lists, looking
from amqpy.wire.values import Field

from .harness import NOT_FOUND, REFUSED, Site

Q = "/api/queues/%2F/q"
PEEK = f"{Q}/peek"
QUORUM = {"x-queue-type": Field("longstr", "quorum"), "x-delivery-limit": Field("long", 9)}
"""With a limit, messages go back to the front of the queue."""
KINDS = pytest.mark.parametrize("arguments", [{}, QUORUM], ids=["classic", "quorum"])


def payloads(rows: list[dict[str, Any]]) -> list[str]:
    return [row["payload"] for row in rows]


async def look(site: Site, query: str) -> Any:  # noqa: ANN401
    return (await site.get(f"{PEEK}?{query}")).json


def numbers(*span: int) -> list[bytes]:
    return [b"%d" % number for number in range(*span)]


@KINDS
async def test_looking_changes_nothing(site: Site, arguments: Any, autojump_clock: MockClock) -> None:  # noqa: ANN401
    queue = site.declare("q", {**arguments, "x-expires": Field("long", 1000)})
    site.publish("q", b"1", b"2", b"3")
    before = queue.message_stats()
    for _ in range(2):
        rows = await look(site, "count=2")
        assert [(row["payload"], row["redelivered"], row["message_count"]) for row in rows] == [
            ("1", False, 2),
            ("2", False, 1),
        ]
    assert queue.message_stats() == before
    assert site.vhost.channel_totals.sum() == {}
    await site.post(f"{Q}/get", {"count": 1, "ackmode": "reject_requeue_true", "encoding": "auto"})
    rows = await look(site, "count=9&encoding=base64&truncate=0")
    assert [row["redelivered"] for row in rows] == [True, False, False]
    assert [row["payload"] for row in rows] == ["", "", ""]
    for _ in range(3):
        await trio.sleep(0.4)
        await site.get(PEEK)
    assert queue.deleted


@KINDS
async def test_the_form_of_a_message(site: Site, arguments: Any) -> None:  # noqa: ANN401
    site.declare("q", arguments)
    site.publish("q", b"hello", message_id="1")
    (row,) = await look(site, "")
    properties = row.pop("properties")
    assert properties["message_id"] == "1"
    assert row == {
        "payload": "hello",
        "payload_encoding": "string",
        "payload_bytes": 5,
        "exchange": "",
        "routing_key": "q",
        "redelivered": False,
        "message_count": 0,
        "position": 1,
        "state": "ready",
    }


@KINDS
@pytest.mark.parametrize("offset", [0, 1, 249, 250, 251, 2500, 2999, 3000, 10**18])
async def test_a_place_in_a_long_queue(site: Site, arguments: Any, offset: int) -> None:  # noqa: ANN401
    queue = site.declare("q", arguments)
    site.publish("q", *numbers(3000))
    for may_expire in (False, True):
        queue.may_expire = may_expire  # then each one is looked at
        rows = await look(site, f"count=700&offset={offset}")
        assert payloads(rows) == [each.decode() for each in numbers(3000)[offset : offset + 700]]
        assert [row["position"] for row in rows] == list(range(offset + 1, offset + 1 + len(rows)))
        assert [row["message_count"] for row in rows] == [3000 - row["position"] for row in rows]


@KINDS
async def test_expired_messages_are_not_there(
    site: Site,
    arguments: Any,  # noqa: ANN401
    autojump_clock: MockClock,
) -> None:
    queue = site.declare("q", arguments)
    for body, expiration in (("long", "60000"), ("short", "100"), ("none", None)):
        properties = {} if expiration is None else {"expiration": expiration}
        sent = {"properties": properties, "routing_key": "q", "payload": body, "payload_encoding": "string"}
        await site.post("/api/exchanges/%2F/amq.default/publish", sent)
    await trio.sleep(1)
    rows = await look(site, "count=9")
    assert [(row["payload"], row.get("ttl")) for row in rows] == [("long", 59_000), ("none", None)]
    assert payloads(await look(site, "count=9&offset=1")) == ["none"]
    assert queue.ready_count == 3


async def test_looking_at_what_is_on_disk(stored_site: Site) -> None:
    site = stored_site
    site.declare("q")
    bodies = [b"%d" % number + b"x" * 1_500_000 for number in range(5)]
    site.publish("q", *bodies, delivery_mode=2)
    queue = site.vhost.queues["q"]
    rows = await look(site, "count=9&truncate=1")
    assert payloads(rows) == ["0", "1", "2", "3", "4"]
    assert payloads(await look(site, "count=9&truncate=1&offset=3")) == ["3", "4"]
    (last,) = await look(site, "offset=4")
    assert last["payload"].encode() == bodies[4]
    assert queue.in_memory_count == 2


async def test_what_is_on_disk_is_read_in_several_turns(stored_site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site, turns = stored_site, 0
    journal = site.broker.scheduler.journal
    assert journal is not None
    site.declare("q")
    site.publish("q", *[b"x" * 300_000] * 40, delivery_mode=2)
    go_on = lists.go_on

    def counted(steps: Any) -> bool:  # noqa: ANN401
        nonlocal turns
        turns += 1
        before = journal.read_size
        more = go_on(steps)
        assert journal.read_size - before <= 2_000_000
        return more

    monkeypatch.setattr(lists, "go_on", counted)
    assert len(await look(site, "count=100&truncate=1")) == 40
    assert turns > 5


async def test_no_more_is_shown_than_there_is_memory_for(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "ROWS_BYTES", 2500)
    site.declare("q")
    site.publish("q", *[b"x" * 1000] * 5)
    assert len(await look(site, "count=9")) == 3
    assert len(await look(site, "count=9&truncate=10")) == 5


async def test_looking_by_priority(site: Site) -> None:
    site.declare("q", {"x-max-priority": Field("long", 9)})
    site.publish("q", b"low", b"low too", priority=1)
    site.publish("q", b"high", priority=5)
    assert payloads(await look(site, "count=2")) == ["high", "low"]
    assert payloads(await look(site, "")) == ["high"]
    assert payloads(await look(site, "count=2&offset=1")) == ["low", "low too"]


async def test_a_queue_may_go_while_it_is_looked_at(site: Site) -> None:
    site.declare("q")
    site.publish("q", *numbers(3000))
    queue = site.vhost.queues["q"]
    peek = type(queue).peek

    def watched(self: Any, count: int, after: Any = None) -> Any:  # noqa: ANN401
        self.deleted = True  # before the next turn
        return peek(self, count, after)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(queue), "peek", watched)
        rows = await look(site, "count=1000")
    queue.deleted = False
    assert len(rows) == 512


# --- unacknowledged


@KINDS
async def test_unacknowledged_messages_and_who_has_them(site: Site, arguments: Any) -> None:  # noqa: ANN401
    queue = site.declare("q", arguments)
    site.publish("q", *numbers(5))
    peer = await site.connect(1, 2)
    await peer.ask(Basic.Get(queue="q"), channel=2)
    await peer.ask(Basic.Qos(prefetch_count=2))
    await peer.ask(Basic.Consume(queue="q", consumer_tag="tag"))
    await trio.testing.wait_all_tasks_blocked()
    before = (queue.ready_count, queue.unacked_count, queue.message_stats())
    rows = await look(site, "state=unacked&count=9")
    assert [
        (row["payload"], row["channel_details"]["number"], row.get("consumer_tag"), row["delivery_tag"]) for row in rows
    ] == [("0", 2, None, 1), ("1", 1, "tag", 1), ("2", 1, "tag", 2)]
    assert {row["state"] for row in rows} == {"unacked"}
    assert [row["message_count"] for row in rows] == [2, 1, 0]
    assert {row["channel_details"]["user"] for row in rows} == {"guest"}
    assert payloads(await look(site, "state=unacked&offset=1")) == ["1"]
    assert await look(site, "state=unacked&offset=3") == []
    assert payloads(await look(site, "count=9")) == ["3", "4"]
    assert (queue.ready_count, queue.unacked_count, queue.message_stats()) == before


async def test_what_is_answered_in_a_transaction_is_still_there(site: Site) -> None:
    site.declare("q")
    site.publish("q", b"0", b"1")
    peer = await site.connect()
    await peer.ask(Tx.Select())
    await peer.ask(Basic.Get(queue="q"))
    await peer.ask(Basic.Get(queue="q"))
    await peer.say(Basic.Ack(delivery_tag=1))
    await peer.ask(Basic.Qos(prefetch_count=1))
    rows = await look(site, "state=unacked&count=9")
    assert [(row["payload"], row.get("delivery_tag")) for row in rows] == [("0", None), ("1", 2)]


@pytest.mark.parametrize("profile", ["rabbitmq-4.3"])
async def test_messages_that_wait_for_a_retry(site: Site) -> None:
    retries = {"x-delayed-retry-type": Field("longstr", "all"), "x-delayed-retry-min": Field("long", 60_000)}
    queue = site.declare("q", {**QUORUM, **retries})
    site.publish("q", *numbers(3))
    peer = await site.connect()
    for tag in (1, 2):
        await peer.ask(Basic.Get(queue="q"))
        await peer.say(Basic.Reject(delivery_tag=tag, requeue=True))
    await peer.ask(Basic.Qos(prefetch_count=1))
    for _ in range(2):
        rows = await look(site, "state=held&count=9")
        assert [(row["payload"], row["state"]) for row in rows] == [("0", "held"), ("1", "held")]
        assert 59_000 < rows[0]["retry_in"] <= rows[1]["retry_in"] <= 60_000
        assert rows[0]["properties"]["headers"]["x-delivery-count"] == 1
        assert rows[0]["redelivered"]
    assert payloads(await look(site, "state=held&offset=1")) == ["1"]
    assert payloads(await look(site, "count=9")) == ["2"]
    assert (queue.held_count, queue.ready_count) == (2, 1)


async def test_bad_looks_are_refused(site: Site) -> None:
    assert (await site.get(PEEK)).refusal == NOT_FOUND
    site.declare("q")
    bad = ("count=x", "count=-1", "count=1001", "encoding=hex", "truncate=-1", "truncate=")
    for query in (*bad, "offset=-1", "offset=x", f"offset={10**30}", "state=gone", "state="):
        assert (await site.get(f"{PEEK}?{query}")).status == 400
    site.add_user("writer", "management", permissions=("", ".*", ""))
    site.add_user("root", "administrator", permissions=None)
    assert (await site.get(PEEK, user="writer")).status == 401
    assert (await site.get(PEEK, user="root")).refusal == REFUSED
