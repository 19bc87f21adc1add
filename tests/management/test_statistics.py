"""Rates and samples: held against a model that keeps everything, and asked for as the API is asked."""

from functools import partial
from typing import Any

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from amqpy.config import Config
from amqpy.core import views
from amqpy.core.queues.queue import Queue
from amqpy.management.statistics import Statistics
from amqpy.management.statistics.kinds import QUEUE, values_of_queue
from amqpy.management.statistics.sampler import REST_TICKS, SLICE, Sampler
from amqpy.management.statistics.samples import TICK_MS, Values
from amqpy.wire.frames import HEARTBEAT_FRAME
from amqpy.wire.values import Field
from tests.core.core_harness import CoreHarness

from .harness import Site, until_next_tick

START_MS = 1_700_000_100_000


# --- samples of a broker


class Watched(CoreHarness):
    """A broker of which samples are taken, at a time of its own."""

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401 (as Config has them)
        super().__init__(**settings)
        self.unix_ms = START_MS
        self.statistics = Statistics(self.broker, lambda: self.unix_ms)
        sampler = self.statistics.sampler
        assert sampler is not None
        self.sampler: Sampler = sampler

    def tick(self, count: int = 1, *, is_known: bool = True) -> None:
        """Time passes, and samples are taken at its end. Of what is done here, no connection tells."""
        self.unix_ms += count * TICK_MS
        if is_known:
            self.statistics.note_change()
        self.statistics.scan()

    def of_queue(self, queue: Queue, **query: str) -> dict[str, Any]:
        return self.statistics.of_queue(views.queue(queue), queue, query)


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("publish"), st.sampled_from("abc")),
            st.tuples(st.just("get"), st.sampled_from("abc")),
            st.tuples(st.just("declare"), st.sampled_from("abc")),
            st.tuples(st.just("delete"), st.sampled_from("abc")),
            st.tuples(st.just("tick"), st.sampled_from((1, 1, 1, 2, 13))),
        ),
        max_size=60,
    )
)
def test_the_samples_of_queues_are_what_they_were(steps: list[tuple[str, Any]]) -> None:
    watched = Watched()
    watched.tick()
    model: dict[Queue, dict[int, Values]] = {}
    for step, argument in steps:
        queue = watched.vhost.queues.get(argument) if isinstance(argument, str) else None
        match step:
            case "publish" if queue is not None:
                watched.publish("", argument, "m")
            case "get" if queue is not None:
                watched.fetch(argument)
            case "declare":
                watched.queue(argument)
            case "delete" if queue is not None:
                watched.delete_queue(argument)
            case "tick":
                watched.tick(argument)
                for each in watched.vhost.queues.values():
                    model.setdefault(each, {})[watched.sampler.tick] = values_of_queue(each)
    watched.tick()
    for queue in watched.vhost.queues.values():
        known = {**model.get(queue, {}), watched.sampler.tick: values_of_queue(queue)}
        check_queue(watched, queue, known)
    there = set(watched.vhost.queues.values())
    assert set(watched.sampler.tables.queues.series) <= there, "what is gone is forgotten"


def check_queue(watched: Watched, queue: Queue, known: dict[int, Values]) -> None:
    view = watched.of_queue(queue, msg_rates_age="300", msg_rates_incr="5", lengths_age="300", lengths_incr="5")
    nothing = QUEUE.nothing
    last, tick = known[watched.sampler.tick], watched.sampler.tick
    before = next((values for at, values in sorted(known.items(), reverse=True) if at < tick), nothing)
    shown = {**view, **view.get("message_stats", {})}
    for place, name in enumerate(QUEUE.counters):
        if name not in shown:
            continue
        details = shown[f"{name}_details"]
        assert details["rate"] == (last[place] - before[place]) / 5, name
        assert len(details["samples"]) == 61
        for sample in details["samples"]:
            at = sample["timestamp"] // TICK_MS
            values = next((values for when, values in sorted(known.items(), reverse=True) if when <= at), nothing)
            assert sample["sample"] == values[place], (name, at - tick)
    assert shown["messages_details"]["rate"] == (sum(last[:2]) - sum(before[:2])) / 5


def test_an_average_is_of_all_samples() -> None:
    watched = Watched()
    watched.tick()
    queue = watched.queue("q")
    for count in (1, 2, 3):
        watched.publish("", "q", *"m" * count)
        watched.tick()
    details = watched.of_queue(queue, msg_rates_age="15", msg_rates_incr="5")["message_stats"]["publish_details"]
    assert details == {
        "rate": 0.6,
        "samples": [
            {"sample": count, "timestamp": watched.unix_ms - age * TICK_MS} for age, count in enumerate((6, 3, 1, 0))
        ],
        "avg_rate": 0.4,
        "avg": 2.5,
    }


def test_one_sample_has_no_average() -> None:
    watched = Watched()
    details = watched.of_queue(watched.queue("q"), lengths_age="1", lengths_incr="5")["messages_details"]
    assert details == {"rate": 0.0, "samples": [{"sample": 0, "timestamp": START_MS - 1000}]}


@pytest.mark.parametrize("changed", [False, True])
def test_the_sample_of_an_increment_that_is_not_over_is_that_of_now(changed: bool) -> None:
    watched = Watched()
    queue = watched.queue("q")
    watched.tick()
    if changed:
        watched.publish("", "q", "1")
        watched.tick()
    watched.publish("", "q", "2")
    watched.unix_ms += 1
    view = watched.of_queue(queue, lengths_age="10", lengths_incr="5", msg_rates_age="10", msg_rates_incr="5")
    lengths, rates = view["messages_details"]["samples"], view["message_stats"]["publish_details"]["samples"]
    assert [each["sample"] for each in lengths] == [1 + changed, int(changed), 0]
    assert lengths[0]["timestamp"] > watched.unix_ms
    # Those of counters are of increments that are over.
    assert [each["sample"] for each in rates] == [int(changed), 0, 0]


def test_what_was_counted_before_anybody_looked_is_no_rate() -> None:
    watched = Watched()
    queue = watched.queue("q")
    watched.publish("", "q", *"mmmmm")
    watched.tick()
    asked = {"msg_rates_age": "60", "msg_rates_incr": "5"}
    details = watched.of_queue(queue, **asked)["message_stats"]["publish_details"]
    assert details["rate"] == details["avg_rate"] == 0.0
    assert {sample["sample"] for sample in details["samples"]} == {5}
    watched.publish("", "q", "m")
    watched.tick()
    assert watched.of_queue(queue, **asked)["message_stats"]["publish_details"]["rate"] == 0.2


def test_a_queue_that_is_declared_again_begins_anew() -> None:
    watched = Watched()
    watched.tick()
    watched.queue("q")
    watched.publish("", "q", *"mmmmm")
    watched.tick()
    watched.delete_queue("q")
    again = watched.queue("q")
    watched.publish("", "q", "m")
    watched.tick()
    details = watched.of_queue(again, msg_rates_age="10", msg_rates_incr="5")["message_stats"]["publish_details"]
    assert details["rate"] == 0.2
    assert [sample["sample"] for sample in details["samples"]] == [1, 0, 0]


def test_totals_keep_what_is_gone() -> None:
    watched = Watched()
    watched.tick()
    watched.queue("q")
    watched.publish("", "q", *"mm")
    watched.tick()
    vhost = watched.vhost
    view = watched.statistics.of_vhost(views.vhost(vhost, "node", views.QueueTotals()), vhost, {})
    assert view["messages_details"] == {"rate": 0.4}
    view = watched.statistics.of_overview(views.overview(watched.broker), {"lengths_age": "5", "lengths_incr": "5"})
    assert view["churn_rates"]["queue_created_details"]["rate"] == 0.2
    assert [each["sample"] for each in view["queue_totals"]["messages_ready_details"]["samples"]] == [2, 0]
    watched.broker.administration.delete_vhost("/")
    watched.broker.finish()
    watched.tick()
    assert not watched.sampler.tables.vhosts.series
    assert not watched.sampler.tables.queues.series
    view = watched.statistics.of_overview(views.overview(watched.broker), {})
    assert view["queue_totals"]["messages_ready_details"] == {"rate": -0.4}


def test_an_overview_of_some_virtual_hosts_has_only_their_rates() -> None:
    watched = Watched()
    watched.broker.administration.add_vhost("other")
    other = watched.broker.vhosts["other"]
    watched.tick()
    watched.queue("q")
    watched.publish("", "q", "m")
    watched.tick()
    view = {"queue_totals": {"messages": 0}, "churn_rates": {"queue_created": 1}}
    mine = watched.statistics.of_overview(view, {"lengths_age": "5", "lengths_incr": "5"}, [other])
    assert mine["queue_totals"]["messages_details"]["rate"] == 0.0
    assert mine["churn_rates"]["queue_created_details"]["rate"] == 0.2
    both = watched.statistics.of_overview(view, {"lengths_age": "5", "lengths_incr": "5"}, [other, watched.vhost])
    assert both["queue_totals"]["messages_details"]["rate"] == 0.2
    assert [each["sample"] for each in both["queue_totals"]["messages_details"]["samples"]] == [1, 0]


def test_the_node_has_rates_of_what_it_uses() -> None:
    watched = Watched()
    used = {"mem_used": 1000, "fd_used": 5}
    watched.statistics.node_values = lambda: used
    watched.tick()
    used["mem_used"] = 500
    watched.tick(is_known=False)
    query = {"node_stats_age": "5", "node_stats_incr": "5"}
    view = watched.statistics.of_node({"mem_used": 500, "mem_limit": 1, "fd_used": 5, "io_seek_count": 0}, query)
    assert view["mem_used_details"]["rate"] == -100.0
    assert [each["sample"] for each in view["mem_used_details"]["samples"]] == [500, 1000]
    assert [each["sample"] for each in view["fd_used_details"]["samples"]] == [5, 5]
    assert view["io_seek_count_details"]["avg"] == 0.0
    assert "mem_limit_details" not in view


def test_exchanges_have_rates() -> None:
    watched = Watched()
    watched.tick()
    exchange = watched.exchange("x", "fanout")
    for name in "ab":
        watched.queue(name)
        watched.bind(name, "x")
    watched.publish("x", "", "m")
    watched.tick()
    stats = watched.statistics.of_exchange(views.exchange(exchange), exchange, {})["message_stats"]
    assert stats == {
        "publish_in": 1,
        "publish_in_details": {"rate": 0.2},
        "publish_out": 2,
        "publish_out_details": {"rate": 0.4},
    }


def test_without_rates_there_are_no_message_stats() -> None:
    watched = Watched(management_rates_mode="none")
    queue = watched.queue("q")
    watched.publish("", "q", "m")
    watched.tick()
    view = watched.of_queue(queue)
    assert "message_stats" not in view
    assert view["messages_details"] == {"rate": 0.0}


def test_a_missed_tick_counts_for_the_distance() -> None:
    watched = Watched()
    watched.tick()
    queue = watched.queue("q")
    watched.publish("", "q", *"mmmm")
    watched.tick(4)
    assert watched.of_queue(queue)["messages_details"] == {"rate": 0.2}


def test_a_clock_that_is_put_back_begins_anew() -> None:
    watched = Watched()
    watched.tick()
    watched.queue("q")
    watched.publish("", "q", "m")
    watched.tick()
    watched.tick(-1000)
    assert watched.of_queue(watched.vhost.queues["q"])["messages_details"] == {"rate": 0.0}
    watched.publish("", "q", "m")
    watched.tick()
    assert watched.of_queue(watched.vhost.queues["q"])["messages_details"] == {"rate": 0.2}


def test_reset_forgets() -> None:
    watched = Watched()
    watched.queue("q")
    watched.publish("", "q", "m")
    watched.tick()
    watched.statistics.reset()
    assert not watched.sampler.tables.queues.series


def test_a_reset_ends_a_scan() -> None:
    watched = Watched()
    for number in range(3 * SLICE):
        watched.queue(str(number))
        watched.publish("", str(number), "m")
    watched.tick()
    watched.unix_ms += TICK_MS
    watched.statistics.note_change()
    scan = watched.sampler.scan(watched.unix_ms // TICK_MS)
    next(scan)
    watched.statistics.reset()
    assert list(scan) == []
    watched.tick()
    for queue in watched.vhost.queues.values():
        assert watched.of_queue(queue)["message_stats"]["publish_details"] == {"rate": 0.0}


# --- what rests


def slices(watched: Watched, *, is_known: bool = False) -> int:
    """The slices of the next scan."""
    watched.unix_ms += TICK_MS
    if is_known:
        watched.statistics.note_change()
    return len(list(watched.sampler.scan(watched.unix_ms // TICK_MS)))


def test_idle_queues_have_no_samples() -> None:
    watched = Watched()
    for number in range(1000):
        watched.queue(str(number))
    watched.tick()
    watched.tick()
    assert not watched.sampler.tables.queues.series


def test_a_scan_goes_in_slices_and_an_idle_broker_is_not_looked_at() -> None:
    watched = Watched()
    for number in range(10 * SLICE):
        watched.queue(str(number))
    assert slices(watched) >= 10
    idle = [slices(watched) for _ in range(REST_TICKS)]
    assert max(idle[:-1]) < 5
    assert idle[-1] >= 10, "but once in a while"
    assert slices(watched, is_known=True) >= 10


def test_a_message_that_expires_is_noticed() -> None:
    watched = Watched()
    queue = watched.queue("q")
    watched.publish("", "q", "m", expiration=10_000)
    watched.tick()
    watched.wait(20_000)
    watched.tick(is_known=False)
    assert watched.of_queue(queue)["messages_details"] == {"rate": -0.2}


def test_an_object_that_leaves_during_a_scan_is_counted_once() -> None:
    watched = Watched()
    for number in range(2 * SLICE):
        watched.queue(str(number))
        watched.publish("", str(number), "m")
    watched.tick()
    watched.statistics.note_change()
    watched.unix_ms += TICK_MS
    for _ in watched.sampler.scan(watched.unix_ms // TICK_MS):
        for name in list(watched.vhost.queues)[:10]:
            watched.delete_queue(name)
    watched.tick()
    assert set(watched.sampler.tables.queues.series) <= set(watched.vhost.queues.values())


# --- asked as an API


@pytest.fixture
def watched_site(site: Site, nursery: trio.Nursery) -> Site:
    """A site of which samples are taken."""
    site.api.statistics = Statistics(site.broker, site.unix_time_ms)
    nursery.start_soon(site.application.run)
    return site


async def test_rates_of_connections_channels_and_totals(watched_site: Site, autojump_clock: MockClock) -> None:
    site = watched_site
    await until_next_tick(site)
    site.declare("q")
    peer = await site.connect()
    for _ in range(10):
        await peer.publish("q")
    await until_next_tick(site)
    (client,) = site.vhost.clients
    (channel,) = site.vhost.channels
    statistics = site.api.statistics
    vhost = (await site.get("/api/vhosts/%2F?msg_rates_age=10&msg_rates_incr=5")).whole
    assert vhost["message_stats"]["publish"] == 10
    assert vhost["message_stats"]["publish_details"]["rate"] == 2.0
    assert [each["sample"] for each in vhost["message_stats"]["publish_details"]["samples"]] == [10, 0, 0]
    assert vhost["messages_details"]["rate"] == 2.0
    assert "samples" in vhost["messages_details"], "they follow the message rates"
    assert vhost["recv_oct_details"]["rate"] == vhost["recv_oct"] / 5
    assert "samples" not in vhost["recv_oct_details"]
    received: Any = client
    view = statistics.of_connection(dict(received.traffic()), received, {"data_rates_age": "5", "data_rates_incr": "5"})
    assert view["recv_oct_details"]["rate"] == vhost["recv_oct"] / 5
    assert len(view["send_oct_details"]["samples"]) == 2
    assert "recv_cnt_details" not in view
    of_channel: Any = channel
    view = statistics.of_channel({"message_stats": of_channel.message_stats()}, of_channel, {})
    assert view["message_stats"]["publish_details"] == {"rate": 2.0}
    (exchange,) = [each for each in (await site.get("/api/exchanges")).whole if each["name"] == ""]
    assert exchange["message_stats"]["publish_in_details"] == {"rate": 2.0}
    await until_next_tick(site)
    vhost = (await site.get("/api/vhosts/%2F")).whole
    assert vhost["message_stats"]["publish_details"] == {"rate": 0.0}, "nothing has happened since"


async def test_a_closed_channel_stays_in_the_totals(watched_site: Site, autojump_clock: MockClock) -> None:
    site = watched_site
    site.declare("q")
    peer = await site.connect()
    await peer.publish("q")
    await until_next_tick(site)
    await peer.vanish()
    await site.server.until_gone()
    await until_next_tick(site)
    query = "msg_rates_age=5&msg_rates_incr=5"
    stats = (await site.get(f"/api/vhosts/%2F?{query}")).whole["message_stats"]["publish_details"]
    assert [each["sample"] for each in stats["samples"]] == [1, 1]
    sampler = site.api.statistics.sampler
    assert sampler is not None
    tables = sampler.tables
    assert not tables.channels.series
    assert not tables.connections.series


async def test_heartbeats_are_no_news(watched_site: Site, autojump_clock: MockClock) -> None:
    site = watched_site
    peer = await site.server.opened(1, heartbeat_s=10)
    await until_next_tick(site)
    sampler = site.api.statistics.sampler
    assert sampler is not None
    (client,) = site.vhost.clients
    looked_at, before = sampler.looked_at, sampler.tables.connections.series[client].values
    for _ in range(5):
        await peer.send(HEARTBEAT_FRAME)
        await until_next_tick(site)
    assert all(now > then for now, then in zip(sampler.tables.connections.series[client].values, before, strict=True))
    assert sampler.looked_at == looked_at < sampler.tick
    await peer.publish("nowhere")
    await until_next_tick(site)
    assert sampler.looked_at == sampler.tick


async def test_a_range_that_is_none_is_refused(watched_site: Site) -> None:
    query, reason = "msg_rates_age=60000&msg_rates_incr=5", "Invalid range parameters: age 60000, incr 5"
    for path in ("vhosts", "exchanges", "exchanges/%2F"):
        reply = await watched_site.get(f"/api/{path}?{query}")
        assert reply.refusal == (400, "invalid_range_parameters", reason)
    for path in ("vhosts/%2F", "exchanges/%2F/amq.direct"):
        reply = await watched_site.get(f"/api/{path}?{query}")
        assert reply.refusal == (400, "bad_request", reason)


@pytest.mark.parametrize("queue_type", ["classic", "quorum"])
async def test_a_queue_has_samples_of_all_that_is_drawn_of_it(site: Site, queue_type: str) -> None:
    site.declare("q", {"x-queue-type": Field("longstr", queue_type)})
    reply = await site.get("/api/queues/%2F/q?data_rates_age=60&data_rates_incr=5")
    assert len(reply.whole["reductions_details"]["samples"]) == 13


async def test_a_change_through_the_api_is_noticed(watched_site: Site, autojump_clock: MockClock) -> None:
    site = watched_site
    await until_next_tick(site)
    sampler = site.api.statistics.sampler
    assert sampler is not None
    for each in (partial(site.put, "/api/vhosts/new"), partial(site.delete, "/api/vhosts/new")):
        await each()
        await until_next_tick(site)
        assert sampler.looked_at == sampler.tick


def test_a_broker_without_samples_has_rates_of_nothing() -> None:
    harness = CoreHarness()
    queue = harness.queue("q")
    assert Statistics().of_queue(views.queue(queue), queue, {})["messages_details"] == {"rate": 0.0}
    assert Config().management_rates_mode == "basic"
