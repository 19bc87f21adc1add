"""Events of the broker on live pages."""

import json
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from amqpy.management.live import events, stream

from .clients import connect, consume
from .harness import UNIX_TIME_MS, Site
from .live_page import Page, looking

pytestmark = pytest.mark.usefixtures("nothing_costs_time")

OPEN = ("state", {"events": True, "status": 200, "body": None})


async def names(page: Page) -> list[str]:
    """The names of what happens in half a second."""
    found = []
    for name, data in await page.after(0.5):
        assert name == "event"
        found.append(data["name"])
    return found


async def test_what_happens_is_told(site: Site, autojump_clock: MockClock) -> None:
    async with looking(site, events="#") as page:
        assert await page.after(1) == [OPEN]
        await site.put("/api/queues/%2F/q", {"durable": True})
        assert await page.next("event") == {
            "name": "queue.created",
            "at": UNIX_TIME_MS + 1000,
            "properties": {
                "name": "q",
                "vhost": "/",
                "durable": True,
                "auto_delete": False,
                "exclusive": False,
                "arguments": [],
                "owner_pid": "",
                "user_who_performed_action": "guest",
            },
        }


@pytest.mark.parametrize(
    ("patterns", "seen"),
    [
        (["queue.*"], ["queue.created", "queue.deleted"]),
        (["*.created"], ["queue.created", "exchange.created"]),
        (["queue.*", "#.created", "queue.created"], ["queue.created", "queue.deleted", "exchange.created"]),
        (["#"], ["queue.created", "queue.deleted", "exchange.created"]),
        (["queue"], []),
        ([""], []),
    ],
)
async def test_patterns(site: Site, autojump_clock: MockClock, patterns: list[str], seen: list[str]) -> None:
    async with looking(site, events=patterns) as page:
        assert await page.after(1) == [OPEN]
        await site.put("/api/queues/%2F/q")
        await site.delete("/api/queues/%2F/q")
        await site.put("/api/exchanges/%2F/x")
        assert await names(page) == seen
    assert site.broker.events.observers == []


async def test_each_gets_its_own(site: Site, autojump_clock: MockClock) -> None:
    async with looking(site, events="queue.#") as first, looking(site, events=["queue.created", "user.#"]) as second:
        await first.after(1)
        second.take()
        site.add_user("u")
        await site.put("/api/queues/%2F/q")
        await site.delete("/api/queues/%2F/q")
        assert await names(first) == ["queue.created", "queue.deleted"]
        assert await names(second) == ["user.created", "queue.created"]
        first.leave()
        await first.is_over.wait()
        await site.put("/api/queues/%2F/q")
        assert await names(second) == ["queue.created"]
    assert site.broker.events.observers == []


async def test_who_may_see_them(site: Site, autojump_clock: MockClock) -> None:
    site.add_user("looker", "management")
    async with looking(site, user="looker", events="#", get="/whoami") as page:
        refused = {"events": True, "status": 401, "body": {"error": "not_authorised", "reason": "Not monitor user"}}
        assert ("state", refused) in await page.after(0.5)
        assert site.broker.events.observers == []
        site.users.set_tags("looker", ["monitoring"])
        assert OPEN in await page.after(1)
        await site.put("/api/queues/%2F/q")
        assert "queue.created" in [data.get("name") for _, data in await page.after(1)]
        site.users.set_tags("looker", ["management"])
        told = [each for each in await page.after(2) if each[0] == "state"]
        assert told == [("state", refused)]
        assert site.broker.events.observers == []


async def test_a_slow_client_loses_events(
    site: Site, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "WAITING_MAX", 10)
    async with looking(site, events="queue.*") as page:
        await page.after(1)
        page.stop_reading()
        for number in range(30):
            site.declare(f"q{number}")
            await trio.lowlevel.checkpoint()
        page.read_on()
        told = await page.after(1)
        *first, (name, data) = told
        assert name == "skipped"
        assert data["events"] is True
        assert len(first) + data["count"] == 30
        assert [data["properties"]["name"] for _, data in first] == [f"q{number}" for number in range(len(first))]
        site.declare("last")
        assert await names(page) == ["queue.created"]


async def test_there_is_one_gap(site: Site, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes after it has begun is a part of it, until all before it is sent."""
    monkeypatch.setattr(events, "WAITING_MAX", 3)
    monkeypatch.setattr(stream, "EVENTS_MAX", 1)
    async with looking(site, events="queue.*") as page:
        await page.after(1)
        for name in "abcd":
            site.declare(name)
        told = await page.after(stream.PAUSE_S / 2)
        site.declare("e")
        told += await page.after(1)
        site.declare("f")
        told += await page.after(1)
    assert [data.get("count") or data["properties"]["name"] for _, data in told] == ["a", "b", "c", 2, "f"]


async def test_octets_that_wait_have_a_limit(
    site: Site, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "WAITING_BYTES_MAX", 1000)
    async with looking(site, events="queue.*") as page:
        await page.after(1)
        page.stop_reading()
        for number in range(30):
            site.declare(f"q{number}")
        page.read_on()
        told = await page.after(1)
        assert told[-1][0] == "skipped"
        assert len(told) < 10


async def test_all_events_are_json(site: Site, autojump_clock: MockClock) -> None:
    """Whatever they are about."""
    told: list[Any] = []
    site.broker.events.observers.append(lambda name, properties: told.append((name, properties)))
    async with looking(site, events="#") as page:
        await page.after(1)
        peer = await connect(site, 1)
        await site.put("/api/queues/%2F/q", {"durable": True, "arguments": {"x-max-length": 5}})
        await consume(peer, "q", "c")
        await site.put("/api/exchanges/%2F/x", {"type": "topic"})
        await site.post("/api/bindings/%2F/e/x/q/q", {"routing_key": "\xe9", "arguments": {"a": [1, {"b": None}]}})
        await site.put("/api/policies/%2F/p", {"pattern": ".*", "definition": {"max-length": 3}})
        await site.put("/api/operator-policies/%2F/p", {"pattern": ".*", "definition": {"max-length": 3}})
        await site.put("/api/parameters/policy/%2F/p", {"value": {}})
        await site.put("/api/global-parameters/g", {"value": {"a": [1.5, None, {"b": True}]}})
        await site.put("/api/vhost-limits/%2F/max-queues", {"value": 100})
        await site.put("/api/user-limits/guest/max-channels", {"value": 100})
        await site.put("/api/vhosts/v", {"tags": "a,b", "tracing": True})
        await site.put("/api/users/u", {"password": "p", "tags": "management"})
        await site.put("/api/permissions/v/u", {"configure": "", "write": "", "read": ""})
        await site.put("/api/topic-permissions/v/u", {"exchange": "", "write": "", "read": ""})
        site.broker.alarms.set("disk", "node")
        site.broker.alarms.clear("disk", "node")
        for path in ("topic-permissions/v/u", "permissions/v/u", "users/u", "vhosts/v", "policies/%2F/p"):
            await site.delete(f"/api/{path}")
        await site.delete("/api/queues/%2F/q")
        await peer.vanish()
        await trio.sleep(1)
        seen = page.take()
    assert len({name for name, _ in told}) > 25
    assert [data["name"] for name, data in seen if name == "event"] == [name for name, _ in told]
    assert [data["properties"] for name, data in seen if name == "event"] == [
        json.loads(json.dumps(properties)) for _, properties in told
    ]
