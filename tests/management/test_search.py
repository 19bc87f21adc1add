"""Searching a queue for messages, of which it notices nothing."""

import json
from typing import Any
from urllib.parse import quote

import pytest
from pamqp.commands import Basic

from amqpy.management import lists, looking
from amqpy.wire.values import Field

from .harness import NOT_FOUND, REFUSED, Site

SEARCH = "/api/queues/%2F/q/search"


async def search(site: Site, wanted: object = None, **query: object) -> Any:  # noqa: ANN401
    asked = {} if wanted is None else {"filter": json.dumps(wanted)}
    line = "&".join(f"{name}={quote(str(value))}" for name, value in {**asked, **query}.items())
    reply = await site.get(f"{SEARCH}?{line}")
    assert reply.status == 200, reply.body
    return reply.json


def payloads(found: Any) -> list[str]:  # noqa: ANN401
    return [item["payload"] for item in found["items"]]


async def test_what_is_found(site: Site) -> None:
    queue = site.declare("q")
    site.publish("q", b"one", b"two", b"three", message_id="7")
    site.publish("q", b"four")
    before = queue.message_stats()
    found = await search(site, {"body": "o"})
    assert payloads(found) == ["one", "two", "four"]
    assert (found["scanned"], found["next_offset"]) == (4, None)
    assert [(item["position"], item["message_count"], item["state"]) for item in found["items"]] == [
        (1, 3, "ready"),
        (2, 2, "ready"),
        (4, 0, "ready"),
    ]
    assert found["items"][0]["properties"]["message_id"] == "7"
    assert payloads(await search(site, {"body": "o", "properties": {"message_id": "7"}})) == ["one", "two"]
    assert payloads(await search(site)) == ["one", "two", "three", "four"]
    assert payloads(await search(site, {"exchange": "amq.default", "routing_key": "q"}, encoding="base64", truncate=0))
    assert payloads(await search(site, {"exchange": "x"})) == []
    assert (queue.message_stats(), queue.ready_count) == (before, 4)


async def test_page_by_page(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.declare("q")
    site.publish("q", *[b"%d" % number for number in range(3000)])
    monkeypatch.setattr(looking, "SCANNED_MAX", 700)
    found: list[str] = []
    offset, pages = 0, 0
    while offset is not None:
        page = await search(site, {"body": "77"}, offset=offset)
        assert page["scanned"] <= 700
        found += payloads(page)
        offset, pages = page["next_offset"], pages + 1
    assert found == [str(number) for number in range(3000) if "77" in str(number)]
    assert pages == 5


async def test_no_more_than_asked_for(site: Site) -> None:
    site.declare("q")
    site.publish("q", *[b"%d" % number for number in range(300)])
    page = await search(site, {"body": "9"}, count=3)
    assert (payloads(page), page["scanned"], page["next_offset"]) == (["9", "19", "29"], 30, 30)
    page = await search(site, {"body": "9"}, count=2, offset=30)
    assert (payloads(page), page["next_offset"]) == (["39", "49"], 50)
    assert len((await search(site))["items"]) == 100
    assert await search(site, count=0, offset=5) == {"items": [], "scanned": 0, "next_offset": 5}
    assert await search(site, offset=300) == {"items": [], "scanned": 0, "next_offset": None}


@pytest.mark.parametrize("limit", ["ROWS_BYTES", "SCANNED_BYTES"])
async def test_much_is_told_in_parts(site: Site, monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    site.declare("q")
    site.publish("q", *[b"x" * 1000] * 6)
    monkeypatch.setattr(looking, limit, 2500)
    page = await search(site)
    assert (len(page["items"]), page["scanned"], page["next_offset"]) == (3, 3, 3)


async def test_turns_are_short_where_the_filter_is_dear(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.declare("q")
    site.publish("q", *[b"x"] * 2000)
    turns, go_on = 0, lists.go_on

    def counted(steps: Any) -> bool:  # noqa: ANN401
        nonlocal turns
        turns += 1
        return go_on(steps)

    monkeypatch.setattr(lists, "go_on", counted)
    assert (await search(site, {"headers": {"a": 1}}))["scanned"] == 2000
    assert turns > 12


async def test_what_somebody_has(site: Site) -> None:
    site.declare("q")
    site.publish("q", b"1 a", b"2 b", b"3 a")
    peer = await site.connect()
    for _ in range(3):
        await peer.ask(Basic.Get(queue="q"))
    found = await search(site, {"body": "a"}, state="unacked")
    assert [(item["payload"], item["position"], item["delivery_tag"]) for item in found["items"]] == [
        ("1 a", 1, 1),
        ("3 a", 3, 3),
    ]
    assert found["next_offset"] is None


async def test_by_deaths(site: Site) -> None:
    letters = {"x-dead-letter-exchange": Field("longstr", ""), "x-dead-letter-routing-key": Field("longstr", "q")}
    site.declare("q")
    site.declare("work", {**letters, "x-max-length": Field("long", 1)})
    site.publish("work", b"1", b"2", b"3")
    site.publish("q", b"alive")
    assert payloads(await search(site, {"death_reason": "maxlen"})) == ["1", "2"]
    assert payloads(await search(site, {"death_queue": "work", "death_reason": "maxlen"})) == ["1", "2"]
    assert payloads(await search(site, {"death_reason": "expired"})) == []


async def test_bad_searches_are_refused(site: Site) -> None:
    assert (await site.get(SEARCH)).refusal == NOT_FOUND
    site.declare("q")
    filters = ("x", "[1]", "7", '{"bodi": "x"}', '{"body": 1}', '{"properties": {"x": 1}}')
    places = ("count=1001", "offset=-1", "state=x", "truncate=-1")
    for query in (*(f"filter={quote(each)}" for each in filters), "filter=" + "[" * 7000, *places):
        reply = await site.get(f"{SEARCH}?{query}")
        assert (reply.status, reply.json["error"]) == (400, "bad_request"), query
    reply = await site.get(f"{SEARCH}?filter=" + quote('{"bodi": "x"}'))
    assert reply.json["reason"].startswith("filter has no condition bodi, only body,")
    site.add_user("writer", "management", permissions=("", ".*", ""))
    site.add_user("root", "administrator", permissions=None)
    assert (await site.get(SEARCH, user="writer")).status == 401
    assert (await site.get(SEARCH, user="root")).refusal == REFUSED


async def test_a_filter_without_anything(site: Site) -> None:
    site.declare("q")
    site.publish("q", b"1")
    for text in ("{}", "null", '{"body": null, "headers": {}}'):
        assert payloads((await site.get(f"{SEARCH}?filter={quote(text)}")).json) == ["1"]
