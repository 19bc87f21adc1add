"""Alarms: when they are set, by whom, who is told; the limits that set them."""

import logging
from collections.abc import Callable
from typing import Any

import pytest

from amqpy.core.alarms import Alarms
from amqpy.core.broker import Broker
from amqpy.core.events.events import EVENT_EXCHANGE
from amqpy.errors import AdministrationError
from amqpy.sizes import Limit
from tests.core.core_harness import CoreHarness, FakeClient
from tests.core.events_read import Listener

GB = 10**9


def with_client() -> tuple[CoreHarness, FakeClient, Alarms]:
    core, client = CoreHarness(), FakeClient()
    core.broker.vhosts["/"].clients[client] = None
    return core, client, core.broker.alarms


def measured(*, used: int = 4 * GB, free: int = 20 * GB, **settings: Any) -> Broker:  # noqa: ANN401
    """A broker that uses so much of 10 GB of memory, and has so much disk."""
    broker = CoreHarness(**settings).broker
    broker.resources.note_memory(used, 10 * GB)
    broker.resources.note_disk(free)
    return broker


# --- alarms


def test_an_alarm_is_told_once() -> None:
    _, client, alarms = with_client()
    assert not alarms
    for _ in range(2):
        alarms.set("memory")
        assert alarms
        assert client.alarms_told == 1
    for _ in range(2):
        alarms.clear("memory")
        assert not alarms
        assert client.alarms_told == 2


@pytest.mark.parametrize("first", ["monitor", "store"])
def test_an_alarm_is_over_when_nobody_says_so_any_more(first: str) -> None:
    _, client, alarms = with_client()
    second = {"monitor": "store", "store": "monitor"}[first]
    alarms.set("disk", first)
    alarms.set("disk", second)
    alarms.clear("disk", first)
    assert alarms
    assert client.alarms_told == 1
    alarms.clear("disk", first)
    assert alarms
    alarms.clear("disk", second)
    assert not alarms
    assert client.alarms_told == 2


def test_the_reason_names_all_in_one_order() -> None:
    _, _, alarms = with_client()
    alarms.set("memory")
    assert alarms.reason == "low on memory"
    alarms.set("disk")
    assert alarms.reason == "low on disk & memory"
    alarms.clear("memory")
    assert alarms.reason == "low on disk"


def test_events_and_log_tell_of_alarms(caplog: pytest.LogCaptureFixture) -> None:
    core = CoreHarness(cluster_name="rabbit@a-host")
    listener = Listener(core, EVENT_EXCHANGE, "alarm.*")
    caplog.set_level(logging.WARNING, "amqpy")
    for _ in range(2):
        core.broker.alarms.set("disk")
    core.broker.alarms.set("disk", "store")
    core.broker.alarms.clear("disk", "store")
    core.broker.alarms.clear("disk")
    facts = {"source": "disk", "node": "rabbit@a-host"}
    assert listener.facts() == [("alarm.set", facts), ("alarm.cleared", facts)]
    assert caplog.messages == [
        "disk resource limit alarm set on node 'rabbit@a-host'. Publishers will be blocked until this alarm clears",
        "disk resource limit alarm cleared on node 'rabbit@a-host'",
    ]


# --- resources


@pytest.mark.parametrize(
    ("watermark", "allowed"),
    [("0.5", 5 * GB), ("0", 0), ("3GB", 3 * GB), ("100GB", 10 * GB), ("none", None)],
)
def test_a_watermark_may_be_given(watermark: str, allowed: int | None) -> None:
    assert measured(memory_high_watermark=watermark).resources.memory_allowed == allowed


def test_memory_is_short_above_the_watermark() -> None:
    broker = measured(used=4 * GB, memory_high_watermark="0.4")
    assert not broker.alarms
    broker.resources.note_memory(4 * GB + 1, 10 * GB)
    assert broker.alarms.resources == ["memory"]
    broker.resources.note_memory(4 * GB, 10 * GB)
    assert not broker.alarms


def test_disk_is_short_below_the_limit() -> None:
    broker = measured(free=GB, disk_free_limit="1GB")
    assert not broker.alarms
    broker.resources.note_disk(GB - 1)
    assert broker.alarms.resources == ["disk"]
    broker.resources.note_disk(GB)
    assert not broker.alarms


def test_what_is_not_known_is_not_short() -> None:
    core = CoreHarness(memory_high_watermark="0", disk_free_limit="1TB")
    found = core.broker.resources
    found.limit_disk(Limit(2 * GB))
    found.limit_memory(Limit(share=0))
    assert not core.broker.alarms
    found.note_memory(1, GB)
    assert core.broker.alarms.resources == ["memory"]


def test_without_a_limit_nothing_is_short() -> None:
    assert not measured(used=10 * GB, free=0, memory_high_watermark="none", disk_free_limit="none").alarms


def test_the_monitor_does_not_clear_what_others_say() -> None:
    core = CoreHarness()
    core.broker.alarms.set("disk", "store")
    for free in (GB, 0, GB):
        core.broker.resources.note_disk(free)
        assert core.broker.alarms
    core.broker.alarms.clear("disk", "store")
    assert not core.broker.alarms


@pytest.mark.parametrize(
    ("free", "interval_ms"),
    [(0, 10_000), (50_000_000, 100), (62_500_000, 100), (75_000_000, 200), (175_000_000, 1000), (10**12, 10_000)],
)
def test_the_less_is_free_the_sooner_the_disk_is_measured_again(free: int, interval_ms: int) -> None:
    """But for a disk that is too full: that takes some time to change."""
    assert measured(free=free).resources.disk_interval_ms == interval_ms


def test_limits_and_their_crossing_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "amqpy")
    found = CoreHarness(cluster_name="rabbit@host").broker.resources
    for used in (1, 2, 5 * GB, 5 * GB, 3):
        found.note_memory(used, 10 * GB)
    for free in (GB, GB, 9, GB):
        found.note_disk(free)
    assert [each for each in caplog.messages if "alarm" not in each] == [
        "Memory high watermark set to 3814 MiB (4000000000 bytes) of 9536 MiB (10000000000 bytes) total",
        "vm_memory_high_watermark set. Memory used:5000000000 allowed:4000000000",
        "vm_memory_high_watermark clear. Memory used:3 allowed:4000000000",
        "Disk free limit set to 50MB",
        "Free disk space is insufficient. Free bytes: 9. Limit: 50000000",
        "Free disk space is sufficient. Free bytes: 1000000000. Limit: 50000000",
    ]


# --- an administrator


def ask(operation: Callable[..., object], *arguments: object, **more: object) -> str | None:
    """Why it is refused, or None."""
    try:
        operation(*arguments, **more)
    except AdministrationError as refusal:
        return refusal.text
    return None


@pytest.mark.parametrize(
    ("given", "refused", "allowed"),
    [
        ({"fraction": 0.3}, None, 3 * GB),
        ({"fraction": "0.3"}, None, 3 * GB),
        ({"fraction": 0}, None, 0),
        ({"fraction": 1.0}, None, 10 * GB),
        ({"absolute": "3GB"}, None, 3 * GB),
        ({"absolute": 3 * GB}, None, 3 * GB),
        ({"fraction": 1.5}, "Bad argument: The threshold should be a fraction between 0.0 and 1.0", 4 * GB),
        ({"fraction": -0.1}, "Bad argument: The threshold should be a fraction between 0.0 and 1.0", 4 * GB),
        ({"fraction": "much"}, "Bad argument.", 4 * GB),
        ({"fraction": "nan"}, "Bad argument.", 4 * GB),
        ({"fraction": None}, "Bad argument.", 4 * GB),
        ({"absolute": "1GX"}, "Bad argument: Invalid units.", 4 * GB),
        ({"absolute": "1.5GB"}, "Bad argument: The threshold should be an integer.", 4 * GB),
        ({"absolute": "x"}, "Bad argument.", 4 * GB),
    ],
)
def test_setting_the_watermark(given: dict[str, object], refused: str | None, allowed: int) -> None:
    broker = measured()
    assert ask(broker.administration.set_memory_high_watermark, **given) == refused
    assert broker.resources.memory_allowed == allowed
    assert broker.alarms.resources == (["memory"] if allowed < 4 * GB else [])


@pytest.mark.parametrize(
    ("given", "refused", "needed"),
    [
        ({"absolute": "21GB"}, None, 21 * GB),
        ({"absolute": 5}, None, 5),
        ({"mem_relative": 2.5}, None, 25 * GB),
        ({"mem_relative": "0.5"}, None, 5 * GB),
        ({"mem_relative": -1}, "Bad argument.", 50_000_000),
        ({"absolute": "1.5"}, "Bad argument.", 50_000_000),
        ({"absolute": "1GX"}, "Bad argument.", 50_000_000),
        ({}, "Bad argument.", 50_000_000),
    ],
)
def test_setting_the_disk_free_limit(given: dict[str, object], refused: str | None, needed: int) -> None:
    broker = measured()
    assert ask(broker.administration.set_disk_free_limit, **given) == refused
    assert broker.resources.disk_needed == needed
    assert broker.alarms.resources == (["disk"] if needed > 20 * GB else [])
