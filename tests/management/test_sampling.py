"""When samples are taken: once, whoever serves the broker, and for the control socket if rates are asked for."""

from collections.abc import Iterator
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from amqpy.management.control import ControlApplication
from amqpy.management.statistics import Statistics

from .harness import Site, until_next_tick


async def test_on_the_control_socket_samples_are_taken_once_rates_are_asked_for(
    site: Site, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    site.api.statistics = Statistics(site.broker, site.unix_time_ms)
    sampler = site.api.statistics.sampler
    assert sampler is not None
    control: Any = ControlApplication(site.application, site.application)
    nursery.start_soon(control.run)
    site.application = control
    site.declare("q")
    peer = await site.connect()
    await site.get("/api/overview")
    await until_next_tick(site)
    assert sampler.tick == 0
    query = "sort=message_stats.publish_details.rate&columns=message_stats.publish_details.rate"
    await site.get(f"/api/queues?{query}")
    await until_next_tick(site)
    for _ in range(10):
        await peer.publish("q")
    await until_next_tick(site)
    (queue,) = (await site.get(f"/api/queues?{query}")).whole
    assert queue == {"message_stats": {"publish_details": {"rate": 2.0}}}


async def test_on_the_control_socket_findings_need_samples(
    site: Site, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    site.api.statistics = Statistics(site.broker, site.unix_time_ms)
    sampler = site.api.statistics.sampler
    assert sampler is not None
    control: Any = ControlApplication(site.application, site.application)
    nursery.start_soon(control.run)
    site.application = control
    await site.get("/api/stuck/%2F")
    await until_next_tick(site)
    assert sampler.tick


async def test_two_servers_take_samples_once(
    site: Site, nursery: trio.Nursery, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    statistics = site.api.statistics = Statistics(site.broker, site.unix_time_ms)
    assert statistics.sampler is not None
    ticks: list[int] = []
    scan = statistics.sampler.scan

    def noted(tick: int) -> Iterator[None]:
        ticks.append(tick)
        return scan(tick)

    monkeypatch.setattr(statistics.sampler, "scan", noted)
    for _ in range(2):
        nursery.start_soon(site.application.run)
    for _ in range(3):
        await until_next_tick(site)
    assert len(ticks) >= 3
    assert len(set(ticks)) == len(ticks)


class LongRounds(trio.abc.Instrument):
    """Lets each round of the event loop last a quarter of a second."""

    def __init__(self, clock: MockClock) -> None:
        self._clock = clock

    def before_io_wait(self, timeout: float) -> None:
        self._clock.jump(0.25)


async def test_long_rounds_of_the_event_loop_are_lag(
    site: Site, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    statistics = site.api.statistics = Statistics(site.broker, site.unix_time_ms)
    statistics.node_values = lambda: {"event_loop_lag_us": statistics.lag_us}
    rounds = LongRounds(autojump_clock)
    trio.lowlevel.add_instrument(rounds)
    nursery.start_soon(site.application.run)
    await trio.testing.wait_all_tasks_blocked()
    trio.lowlevel.remove_instrument(rounds)
    path = "/api/nodes?event_loop_lag=true&node_stats_age=10&node_stats_incr=5"
    (node,) = (await site.get(path)).whole
    assert node["event_loop_lag_us"] == 250_000
    assert node["event_loop_lag_us_details"]["samples"][0]["sample"] == 250_000
    await until_next_tick(site)
    (node,) = (await site.get(path)).whole
    assert node["event_loop_lag_us"] == 0
    assert "event_loop_lag_us" not in (await site.get("/api/nodes")).json[0]
