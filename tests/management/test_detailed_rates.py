"""The rates mode `detailed`: pairs beside queues, exchanges and channels."""

from typing import Any

import pytest
import trio
from pamqp.commands import Basic, Confirm

from amqpy.management import pair_views
from amqpy.management.statistics import Statistics

from .clients import NAME, connect, consume
from .harness import Site, until_next_tick

CHANNEL = "/api/channels/127.0.0.1%3A40000%20-%3E%20127.0.0.1%3A5672%20(1)"
PATHS = {
    "/api/queues/%2F/q": ("incoming", "deliveries"),
    "/api/exchanges/%2F/amq.default": ("incoming", "outgoing"),
    CHANNEL: ("publishes", "deliveries"),
}
CHANNEL_DETAILS = {
    "name": f"{NAME} (1)",
    "number": 1,
    "user": "guest",
    "connection_name": NAME,
    "peer_host": "127.0.0.1",
    "peer_port": 40_000,
    "node": "rabbit@test",
}
QUEUE = {"name": "q", "vhost": "/"}
EXCHANGE = {"name": "", "vhost": "/"}
PUBLISHED = {"publish": 2, "confirm": 2, "drop_unroutable": 0, "return_unroutable": 0}
DELIVERED = {
    "ack": 1,
    "deliver": 2,
    "deliver_get": 2,
    "deliver_no_ack": 0,
    "get": 0,
    "get_empty": 0,
    "get_no_ack": 0,
    "redeliver": 0,
}

detailed = pytest.mark.parametrize("settings", [{"management_rates_mode": "detailed"}])


async def used(site: Site) -> None:
    """A client publishes messages, gets them, and acknowledges one."""
    site.declare("q")
    peer = await connect(site, 1)
    await peer.ask(Confirm.Select())
    await consume(peer, "q", "tag")
    for tag in (1, 2):
        await peer.publish("q", b"1")
        await peer.expect("Basic.Deliver")
        await peer.expect("Basic.Ack")
        if tag == 1:
            await peer.say(Basic.Ack(delivery_tag=1))
    await peer.ask(Basic.Qos(prefetch_count=1))


async def shown(site: Site, path: str) -> dict[str, Any]:
    view: dict[str, Any] = (await site.get(path)).json
    return {key: view[key] for key in PATHS[path]}


@detailed
async def test_a_channel_shows_its_exchanges_and_queues(site: Site) -> None:
    await used(site)
    assert await shown(site, CHANNEL) == {
        "publishes": [{"stats": PUBLISHED, "exchange": EXCHANGE}],
        "deliveries": [{"stats": DELIVERED, "queue": QUEUE}],
    }


@detailed
async def test_a_queue_shows_its_channels_and_exchanges(site: Site) -> None:
    await used(site)
    assert await shown(site, "/api/queues/%2F/q") == {
        "incoming": [{"stats": {"publish": 2}, "exchange": EXCHANGE}],
        "deliveries": [{"stats": DELIVERED, "channel_details": CHANNEL_DETAILS}],
    }


@detailed
async def test_an_exchange_shows_its_channels_and_queues(site: Site) -> None:
    await used(site)
    assert await shown(site, "/api/exchanges/%2F/amq.default") == {
        "incoming": [{"stats": PUBLISHED, "channel_details": CHANNEL_DETAILS}],
        "outgoing": [{"stats": {"publish": 2}, "queue": QUEUE}],
    }


@pytest.mark.parametrize("settings", [{"management_rates_mode": mode} for mode in ("basic", "none")])
async def test_other_modes_show_none(site: Site) -> None:
    await used(site)
    for path, keys in PATHS.items():
        assert await shown(site, path) == {key: [] for key in keys}, path


@detailed
async def test_a_pair_that_counted_nothing_is_not_shown(site: Site) -> None:
    site.declare("q")
    peer = await connect(site, 1)
    await consume(peer, "q", "tag")
    for path, keys in PATHS.items():
        assert await shown(site, path) == {key: [] for key in keys}, path


@detailed
async def test_pairs_have_rates_and_samples(site: Site, nursery: trio.Nursery) -> None:
    site.api.statistics = Statistics(site.broker, site.unix_time_ms)
    nursery.start_soon(site.application.run)
    await until_next_tick(site)
    await used(site)
    await until_next_tick(site)
    for path, (one, other) in PATHS.items():
        view = (await site.get(f"{path}?msg_rates_age=60&msg_rates_incr=5")).whole
        for stats in (view[one][0]["stats"], view[other][0]["stats"]):
            name = "publish" if "publish" in stats else "deliver"
            details = stats[f"{name}_details"]
            assert details["rate"] == 2 / 5
            assert [each["sample"] for each in details["samples"]] == [2] + [0] * 12
        assert {f"{key}_details" for key in stats if not key.endswith("_details")} <= stats.keys()


@detailed
async def test_a_list_of_pairs_has_an_end(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pair_views, "PAIRS_MAX", 2)
    peer = await connect(site, 1)
    for name in "abc":
        site.declare(name)
        await peer.publish(name, b"1")
    await peer.ask(Basic.Qos(prefetch_count=1))
    assert [len(each) for each in (await shown(site, "/api/exchanges/%2F/amq.default")).values()] == [1, 2]
