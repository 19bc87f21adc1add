"""What a scrape reads while the broker goes on, and what it estimates."""

from functools import partial

import pytest
from pamqp.commands import Basic
from trio.testing import wait_all_tasks_blocked

from amqpy.management.prometheus import readers, scrape
from tests.core.core_harness import CoreHarness

from .harness import Site
from .test_prometheus import Metrics


async def test_what_leaves_during_a_scrape_is_counted_at_most_once(site: Site) -> None:
    for number in range(3 * scrape.SLICE):
        site.declare(str(number))
        site.publish(str(number), b"m")
    peer = await site.connect(*range(1, 2 * scrape.SLICE))
    found = scrape.Scrape(site.broker, scrape.Wanted(("queues", "channels", "connections"), each=True))
    queues = list(site.vhost.queues.values())
    for _ in found.read():
        if queues:
            site.reactor.administer(partial(site.vhost.remove_queue, queues.pop()))
        await peer.vanish()
        await site.server.until_gone()
    assert found.of_queues["classic", "publish"] == 3 * scrape.SLICE
    assert found.rows["channels"].count < 2 * scrape.SLICE - 1
    assert found.rows["queues"].count < 3 * scrape.SLICE


async def test_sizes_of_very_many_unacknowledged_messages_are_estimated(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readers, "UNACKED_SIZED_MAX", 10)
    site.declare("q")
    site.publish("q", *[b"four"] * 100)
    peer = await site.connect()
    await peer.say(Basic.Consume(queue="q"))
    await wait_all_tasks_blocked()
    scraped = await Metrics(site).scrape()
    assert scraped.value("rabbitmq_queue_messages_unacked") == 100
    assert scraped.value("rabbitmq_queue_messages_unacked_bytes") == 400


def test_sizes_of_very_many_messages_are_estimated(monkeypatch: pytest.MonkeyPatch) -> None:
    harness = CoreHarness()
    queue = harness.queue("q", durable=True)
    harness.publish("", "q", *["four"] * 10, persistent=True)
    exact = readers.ready_sizes(queue)
    monkeypatch.setattr(readers, "READY_SIZED_MAX", 5)
    assert readers.ready_sizes(queue) == exact == (40, 40, 10, 40)
