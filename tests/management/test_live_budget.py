"""The part of the processor that live pages take: in simulated time, and as it is measured."""

import heapq

import pytest
import trio

from amqpy.management.live import budget
from amqpy.management.live.budget import SHARE, Budget, timed


@pytest.fixture(autouse=True)
def nothing_is_unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "UNSEEN_S", 0.0)


def simulated(spenders: list[tuple[float, float]], seconds: float, begun_s: float = 0) -> tuple[float, list[int]]:
    """The share of the time that is spent after `begun_s`, and how often each spends, by spenders who would like to
    spend so much in each interval."""
    shared = Budget()
    due = [(0.0, index) for index in range(len(spenders))]
    spent, counts = 0.0, [0] * len(spenders)
    while due[0][0] < seconds:
        now_s, index = heapq.heappop(due)
        interval_s, cost_s = spenders[index]
        if now_s >= begun_s:
            spent += cost_s
            counts[index] += 1
        heapq.heappush(due, (now_s + shared.wait_s(interval_s, cost_s, now_s), index))
    return spent / (seconds - begun_s), counts


def test_who_costs_little_has_its_interval() -> None:
    share, counts = simulated([(1, 0.001)] * 10, 100)
    assert counts == [100] * 10
    assert share == pytest.approx(0.01)


def test_one_that_costs_much_waits_longer() -> None:
    share, _ = simulated([(1, 0.5)], 1000)
    assert share == pytest.approx(SHARE)


@pytest.mark.parametrize("count", [20, 100, 1000])
def test_many_wait_longer_and_come_to_the_share(count: int) -> None:
    share, counts = simulated([(1, 0.005)] * count, 20 * count, begun_s=10 * count)
    assert share == pytest.approx(SHARE, rel=0.1)
    assert max(counts) <= 2 * min(counts)


def test_at_the_beginning_each_may_spend_once() -> None:
    share, counts = simulated([(0.25, 0.01)] * 100, 20)
    assert share < 4 * SHARE
    assert min(counts) >= 1


def test_one_that_costs_much_does_not_hold_up_the_others() -> None:
    share, counts = simulated([(1, 1.0), *[(1, 0.0005)] * 10], 1000, begun_s=200)
    assert share == pytest.approx(SHARE, rel=0.1)
    assert min(counts[1:]) > 600  # of 800
    assert counts[0] > 30


def test_what_is_not_measured_counts_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "UNSEEN_S", 0.05)
    assert simulated([(1, 0.0)], 100)[1] == [100]
    assert simulated([(1, 0.0)] * 4, 100, begun_s=50)[1] == pytest.approx([12] * 4, abs=2)


def test_who_has_gone_is_forgotten() -> None:
    shared = Budget()
    waits = [shared.wait_s(1, 0.05, 0) for _ in range(10)]
    assert waits == pytest.approx([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    assert shared.wait_s(1, 0.05, 10.5) == pytest.approx(1)


def test_who_spends_now_and_then() -> None:
    """A share is what was spent in the time since the last time, and nobody is held up who does not come too soon."""
    shared = Budget()
    for number in range(100):
        assert shared.wait_s(0.05, 0.002, 10 + number / 50, every_s=10) == pytest.approx(0.05)
    assert shared.wait_s(1, 0.02, 12) == pytest.approx(1)
    assert shared.wait_s(1, 0.05, 12) == pytest.approx(1 * (0.02 + 0.02 + 0.05) / SHARE)
    before = len(shared._shares)  # noqa: SLF001
    assert shared.wait_s(0.05, 0.002, 12, every_s=float("inf")) == pytest.approx(0.05 * (0.02 + 0.02 + 0.05) / SHARE)
    assert len(shared._shares) == before  # noqa: SLF001


# --- measuring


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that the processor has worked."""
    worked = [0.0]
    monkeypatch.setattr(budget, "thread_time", lambda: worked[0])
    return worked


async def test_only_the_time_of_work_is_counted(clock: list[float], autojump_clock: object) -> None:
    async def work() -> str:
        clock[0] += 1
        with trio.move_on_after(5):
            await trio.sleep_forever()
        clock[0] += 2
        async with trio.open_nursery() as nursery:
            nursery.start_soon(others)
        clock[0] += 4
        return "done"

    async def others() -> None:
        await trio.lowlevel.checkpoint()
        clock[0] += 100

    assert await timed(work()) == ("done", 7)


async def test_what_is_raised_comes_through(clock: list[float]) -> None:
    async def fail() -> None:
        await trio.lowlevel.checkpoint()
        raise KeyError("x")

    with pytest.raises(KeyError):
        await timed(fail())


async def test_what_is_cancelled_ends(clock: list[float], autojump_clock: object) -> None:
    ended = []

    async def wait() -> None:
        try:
            await trio.sleep_forever()
        finally:
            ended.append(True)

    with trio.move_on_after(1) as scope:
        await timed(wait())
    assert scope.cancelled_caught
    assert ended
