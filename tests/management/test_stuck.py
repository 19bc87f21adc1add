"""Findings over HTTP."""

from typing import Any

import pytest
import trio
from pamqp.commands import Basic
from trio.testing import MockClock

from amqpy.management import lists
from amqpy.management.resources.connections import sessions
from amqpy.management.statistics import Statistics

from .harness import NOT_FOUND, Site, until_next_tick

STUCK = "/api/stuck"


async def stuck(site: Site, query: str = "", user: str = "guest", path: str = STUCK) -> Any:  # noqa: ANN401
    reply = await site.get(f"{path}?{query}", user=user)
    assert reply.status == 200, reply.body
    return reply.json


def names(found: Any, kind: str) -> list[str]:  # noqa: ANN401
    return [each["name"] for each in found if each["kind"] == kind]


async def test_the_form_of_a_finding(site: Site) -> None:
    assert await stuck(site) == []
    site.declare("q")
    site.publish("q", b"1", b"2")
    before = site.vhost.queues["q"].message_stats()
    found = await stuck(site)
    assert found == [
        {
            "kind": "no_consumers",
            "vhost": "/",
            "name": "q",
            "text": "Queue 'q' has 2 ready messages and no consumer.",
            "messages_ready": 2,
            "dead_letters": False,
        }
    ]
    assert await stuck(site, path=f"{STUCK}/%2F") == found
    assert await stuck(site, "ready=3") == []
    assert await stuck(site, "columns=kind,name") == [{"kind": "no_consumers", "name": "q"}]
    assert site.vhost.queues["q"].message_stats() == before


async def test_who_does_not_acknowledge(site: Site, autojump_clock: MockClock) -> None:
    site.declare("q")
    site.publish("q", b"1", b"2", b"3")
    peer = await site.connect()
    await peer.ask(Basic.Qos(prefetch_count=2))
    await peer.ask(Basic.Consume(queue="q", consumer_tag="tag"))
    assert await stuck(site) == []
    await trio.sleep(75)
    no_credit, unacked = await stuck(site)
    assert (no_credit["kind"], no_credit["messages_unacknowledged"]) == ("no_credit", 2)
    assert (unacked["kind"], unacked["consumer_tag"], unacked["user"]) == ("unacked", "tag", "guest")
    assert 60_000 <= unacked["age"] <= 75_000
    assert names(await stuck(site, "unacked_age=80000"), "unacked") == []


async def test_what_has_changed_lately(site: Site, autojump_clock: MockClock) -> None:
    site.api.statistics = Statistics(site.broker, site.unix_time_ms)
    site.declare("q")
    site.publish("none", b"1", exchange="amq.direct")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(site.application.run)
        await until_next_tick(site)
        (finding,) = await stuck(site)
        assert (finding["kind"], finding["name"], finding["dropped"]) == ("unroutable", "amq.direct", 1)
        assert "window" not in finding, "nobody knows when that was"
        await trio.sleep(400)
        assert await stuck(site) == []
        site.publish("none", b"1", b"2", exchange="amq.direct")
        site.publish("q", b"1")
        (finding,) = [each for each in await stuck(site) if each["kind"] == "unroutable"]
        assert (finding["dropped"], finding["window"] // 5000) == (2, 60)
        assert finding["text"].endswith("in the last 5 min: 2 dropped, 0 returned to their publishers.")
        await trio.sleep(400)
        assert [each["kind"] for each in await stuck(site, "age=300000")] == ["no_consumers", "old_messages"]
        nursery.cancel_scope.cancel()


async def test_only_what_one_may_see(site: Site) -> None:
    shop = site.add_vhost("shop", "guest")
    site.declare("q")
    site.declare("q2", vhost=shop)
    site.publish("q", b"1")
    site.reactor.administer(lambda: shop.queues["q2"].publish(next(iter(site.vhost.queues["q"].peek(1))).kept))
    site.add_user("shopper", "management", permissions=None)
    site.users.set_permissions("shopper", "shop", "", "", "")
    site.add_user("watcher", "monitoring", permissions=None)
    site.add_user("nobody")
    assert names(await stuck(site), "no_consumers") == ["q", "q2"]
    assert names(await stuck(site, user="watcher"), "no_consumers") == ["q", "q2"]
    assert names(await stuck(site, user="shopper"), "no_consumers") == ["q2"]
    assert names(await stuck(site, path=f"{STUCK}/shop"), "no_consumers") == ["q2"]
    assert (await site.get(f"{STUCK}/%2F", user="shopper")).status == 401
    assert (await site.get(STUCK, user="nobody")).status == 401
    assert (await site.get(f"{STUCK}/none")).refusal == NOT_FOUND


async def test_connections(site: Site) -> None:
    site.add_user("other", "management")
    site.declare("q")
    peer = await site.connect(*range(1, 6))
    (session,) = sessions([site.vhost])
    (channels,) = await stuck(site, "channels=5&idle_channels=99")
    assert (channels["kind"], channels["channels"], channels["idle"]) == ("channels", 5, 5)
    assert await stuck(site, "channels=5", user="other") == []
    site.broker.alarms.set("memory")
    await peer.publish("q")
    await trio.testing.wait_all_tasks_blocked()
    found = await stuck(site)
    assert [each["kind"] for each in found][:2] == ["alarm", "blocked_connection"]
    assert found[1]["name"] == session.terms.peer.name
    assert "blocked_connection" not in [each["kind"] for each in await stuck(site, user="other")]
    site.broker.alarms.clear("memory")


async def test_the_store_is_behind(stored_site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site = stored_site
    assert await stuck(site) == []
    monkeypatch.setattr(type(site.reactor), "is_store_behind", True)
    assert site.broker.scheduler.journal is not None
    site.broker.scheduler.journal.size = 5 << 20
    (finding,) = await stuck(site)
    assert (finding["kind"], finding["name"], finding["waiting"]) == ("flow", "store", 5 << 20)


@pytest.mark.parametrize(
    "query", ["ready=x", "ready=-1", "age=1e99", "limit=0", "limit=1001", f"channels={10**30}", "full="]
)
async def test_bad_thresholds_are_refused(site: Site, query: str) -> None:
    reply = await site.get(f"{STUCK}?{query}")
    assert (reply.status, reply.json["error"]) == (400, "bad_request")


async def test_very_many_queues_are_looked_at_in_several_turns(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(500):
        site.declare(f"q{number}")
    turns, go_on = 0, lists.go_on

    def counted(steps: Any) -> bool:  # noqa: ANN401
        nonlocal turns
        turns += 1
        return go_on(steps)

    monkeypatch.setattr(lists, "go_on", counted)
    site.publish("q77", b"1")
    assert names(await stuck(site), "no_consumers") == ["q77"]
    assert turns >= 10
