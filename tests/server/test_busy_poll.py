"""Staying awake ends by itself, and holds nobody up."""

import os
from typing import Any
from unittest.mock import Mock

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from amqpy.server.busy_poll import GAP_MAX_S, ROUNDS, SINGLE_PEER_TURNS, BusyPoll
from amqpy.server.connection_tasks import RECEIVE_MAX, RECEIVE_MIN, TURN_MAX_S, TURN_MIN_S, ConnectionTasks

PEER: Any = object()
OTHER: Any = object()


@pytest.fixture(autouse=True)
def two_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)


async def speak(busy_poll: BusyPoll, clock: MockClock, *speakers: object, gap_s: float) -> None:
    for speaker in speakers:
        clock.jump(gap_s)
        busy_poll.note(speaker)


class Steps(trio.abc.Instrument):
    """Counts how often the task under test is run."""

    def __init__(self) -> None:
        self.count = 0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self.count += task.name.endswith("BusyPoll.run")


async def rounds_awake(busy_poll: BusyPoll) -> int:
    """How many rounds of the event loop it stays awake before everything sleeps."""
    steps = Steps()
    trio.lowlevel.add_instrument(steps)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(busy_poll.run)
        await wait_all_tasks_blocked()
        count = steps.count
        nursery.cancel_scope.cancel()
    trio.lowlevel.remove_instrument(steps)
    return count


async def test_a_conversation_keeps_awake_for_a_while(mock_clock: MockClock) -> None:
    busy_poll = BusyPoll()
    await speak(busy_poll, mock_clock, PEER, OTHER, gap_s=GAP_MAX_S / 2)
    assert ROUNDS <= await rounds_awake(busy_poll) <= ROUNDS + 4


async def test_it_looks_around_and_says_when_it_falls_asleep(mock_clock: MockClock, nursery: trio.Nursery) -> None:
    busy_poll, looks = BusyPoll(), []

    def look() -> None:
        looks.append(trio.current_time())
        if len(looks) == 1:
            busy_poll.note(PEER)

    await busy_poll.until_asleep()
    await speak(busy_poll, mock_clock, PEER, OTHER, gap_s=GAP_MAX_S / 2)
    nursery.start_soon(busy_poll.run, look)
    await busy_poll.until_asleep()
    assert len(looks) == ROUNDS + 1
    await wait_all_tasks_blocked()
    assert len(looks) == ROUNDS + 1


async def test_longer_gaps_do_not(mock_clock: MockClock) -> None:
    busy_poll = BusyPoll()
    await speak(busy_poll, mock_clock, PEER, OTHER, PEER, gap_s=GAP_MAX_S * 2)
    assert await rounds_awake(busy_poll) == 1


async def test_one_processor_sleeps_at_once(mock_clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    busy_poll = BusyPoll()
    await speak(busy_poll, mock_clock, *[PEER] * 20, gap_s=GAP_MAX_S / 2)
    assert not busy_poll.is_single_peer(PEER)
    assert await rounds_awake(busy_poll) == 1


async def test_a_monologue_is_of_one_peer_without_pauses(mock_clock: MockClock) -> None:
    busy_poll = BusyPoll()
    short, long = GAP_MAX_S / 2, GAP_MAX_S * 2
    await speak(busy_poll, mock_clock, *[PEER] * SINGLE_PEER_TURNS, gap_s=short)
    assert not busy_poll.is_single_peer(PEER)
    await speak(busy_poll, mock_clock, PEER, gap_s=short)
    assert busy_poll.is_single_peer(PEER)
    assert not busy_poll.is_single_peer(OTHER)
    await speak(busy_poll, mock_clock, OTHER, gap_s=short)
    assert not busy_poll.is_single_peer(PEER)
    await speak(busy_poll, mock_clock, *[PEER] * (SINGLE_PEER_TURNS + 2), gap_s=short)
    assert busy_poll.is_single_peer(PEER)
    await speak(busy_poll, mock_clock, PEER, gap_s=long)
    assert not busy_poll.is_single_peer(PEER)
    busy_poll.forget(PEER)
    assert not busy_poll.is_single_peer(PEER)


async def test_a_turn_takes_as_much_as_fits_its_time() -> None:
    unconnected: Any = Mock()
    connection = ConnectionTasks(unconnected, unconnected, unconnected, "name")
    for seconds, bound in [(TURN_MIN_S / 2, RECEIVE_MAX), (TURN_MAX_S * 2, RECEIVE_MIN)]:
        for _ in range(10):
            connection._adapt(seconds)  # noqa: SLF001 (what it changes shows in how much a socket is asked for, and when)
        assert connection._receive_size == bound  # noqa: SLF001
    connection._adapt((TURN_MIN_S + TURN_MAX_S) / 2)  # noqa: SLF001
    assert connection._receive_size == RECEIVE_MIN  # noqa: SLF001
