"""Large work: in whose order it is done, how much at once, and who waits for it."""

from collections.abc import Generator, Iterator
from typing import TypeVar
from weakref import ref

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amqpy.core.jobs import LOT, UNITS_AT_ONCE, Jobs, Steps, each, sort
from tests.core.core_harness import FakeClient

T = TypeVar("T")


class Waiter(FakeClient):
    """A client that is told to wait."""

    def __init__(self, name: str = "guest") -> None:
        super().__init__(name)
        self.waits = False

    def wait_for_work(self) -> None:
        assert not self.waits
        self.waits = True

    def work_done(self) -> None:
        assert self.waits
        self.waits = False


@pytest.fixture
def jobs() -> Jobs:
    jobs = Jobs()
    jobs.units_at_once = 10
    return jobs


def counting(log: list[str], name: str, count: int, units: int = 1) -> Steps:
    for number in range(count):
        log.append(f"{name}{number}")
        yield units


def begin(jobs: Jobs, client: Waiter | None, steps: Steps) -> None:
    jobs.begin_turn()
    jobs.client = client
    jobs.do(steps)
    jobs.client = None


def work(jobs: Jobs, turns: int = 1) -> None:
    for _ in range(turns):
        jobs.work()


def test_small_work_is_done_at_once_and_nobody_waits(jobs: Jobs) -> None:
    log: list[str] = []
    client = Waiter()
    begin(jobs, client, counting(log, "a", 9))
    assert len(log) == 9
    assert not jobs
    assert not client.waits


def test_large_work_is_done_in_turns_and_who_began_it_waits(jobs: Jobs) -> None:
    log: list[str] = []
    client = Waiter()
    begin(jobs, client, counting(log, "a", 25))
    assert (len(log), client.waits) == (10, True)
    work(jobs)
    assert (len(log), client.waits) == (20, True)
    work(jobs)
    assert (len(log), client.waits) == (25, False)
    assert not jobs


def test_units_count_not_steps(jobs: Jobs) -> None:
    log: list[str] = []
    begin(jobs, Waiter(), counting(log, "a", 5, units=4))
    assert len(log) == 3


def test_jobs_of_one_client_in_order_those_of_several_in_turn(jobs: Jobs) -> None:
    log: list[str] = []
    one, other = Waiter("one"), Waiter("other")
    begin(jobs, one, counting(log, "a", 15))
    begin(jobs, one, counting(log, "b", 3))
    begin(jobs, other, counting(log, "c", 20))
    begin(jobs, None, counting(log, "d", 11))
    log.clear()
    work(jobs)
    assert log == ["a10", "a11", "a12", "a13", "a14", "b0", "b1", "b2", "c10", "c11"]
    assert (one.waits, other.waits) == (False, True)
    log.clear()
    work(jobs)
    assert log == ["d10", "c12", "c13", "c14", "c15", "c16", "c17", "c18", "c19"]
    assert not jobs


def test_small_work_waits_for_large_work_of_the_same_client(jobs: Jobs) -> None:
    log: list[str] = []
    client = Waiter()
    begin(jobs, client, counting(log, "a", 11))
    begin(jobs, client, counting(log, "b", 1))
    assert "b0" not in log
    work(jobs)
    assert log[-2:] == ["a10", "b0"]


def test_what_a_job_begins_comes_after_it(jobs: Jobs) -> None:
    log: list[str] = []

    def outer() -> Steps:
        jobs.do(counting(log, "inner", 1))
        jobs.then(lambda: log.append("then"))
        yield 1
        log.append("outer")
        yield 1

    begin(jobs, Waiter(), outer())
    assert log == ["outer", "inner0", "then"]


def test_then_is_now_if_nothing_is_under_way(jobs: Jobs) -> None:
    log: list[str] = []
    jobs.then(lambda: log.append("then"))
    assert log == ["then"]


def test_much_small_work_is_a_reason_to_wait(jobs: Jobs) -> None:
    client = Waiter()
    jobs.begin_turn()
    jobs.client = client
    jobs.spend(9)
    assert not client.waits
    jobs.spend(1)
    assert client.waits
    jobs.spend(5)
    jobs.client = None
    work(jobs)
    assert not client.waits


def test_one_pause_a_turn(jobs: Jobs) -> None:
    """Or all that wait would be heard in one and the same turn."""
    clients = [Waiter(str(number)) for number in range(3)]
    for client in clients:
        jobs.begin_turn()
        jobs.client = client
        jobs.spend(10)
    for count in (2, 1, 0):
        work(jobs)
        assert sum(client.waits for client in clients) == count


def test_a_turn_that_has_done_enough_begins_nothing(jobs: Jobs) -> None:
    log: list[str] = []
    jobs.begin_turn()
    for number in range(3):
        jobs.do_for(Waiter(str(number)), counting(log, str(number), 6), lambda: None)
    assert log == [*(f"0{number}" for number in range(6)), *(f"1{number}" for number in range(4))]


def test_a_job_that_fails_is_over_and_the_next_ones_go_on(jobs: Jobs) -> None:
    log: list[str] = []

    def failing() -> Steps:
        yield 10
        raise ValueError("a bug")

    client = Waiter()
    begin(jobs, client, failing())
    begin(jobs, client, counting(log, "a", 1))
    with pytest.raises(ValueError, match="a bug"):
        work(jobs)
    assert jobs.client is client
    assert client.waits
    work(jobs)
    assert log == ["a0"]
    assert not client.waits


def test_a_job_that_fails_at_once_leaves_nothing(jobs: Jobs) -> None:
    log: list[str] = []

    def failing() -> Iterator[int]:
        raise ValueError("a bug")
        yield 1

    client = Waiter()
    with pytest.raises(ValueError, match="a bug"):
        jobs.do_for(client, failing(), lambda: log.append("then"))
    assert log == ["then"]
    assert not jobs
    assert not client.waits


def finish(steps: Generator[int, None, Iterator[T]]) -> list[T]:
    """The value of a job."""
    values: list[list[T]] = []

    def run() -> Steps:
        values.append(list((yield from steps)))

    assert all(units <= LOT for units in run())
    return values[0]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers()), max_size=5 * LOT))
def test_sorting_bit_by_bit_is_sorting(items: list[tuple[int, int]]) -> None:
    assert finish(sort(items, lambda item: item[0])) == sorted(items, key=lambda item: item[0])


def test_sorting_much_that_is_in_order_nearly_and_not_at_all() -> None:
    for items in (range(3000), [*range(2000), *range(1000)], range(3000, 0, -1), [7] * 3000):
        assert finish(sort(list(items), lambda item: item)) == sorted(items)


def test_what_was_dealt_with_is_let_go() -> None:
    class Thing:
        pass

    things = each([Thing(), Thing()])
    first = ref(next(things))
    next(things)
    assert first() is None


def test_the_numbers() -> None:
    """A lot is well below a turn's worth."""
    assert 2 * LOT <= UNITS_AT_ONCE
