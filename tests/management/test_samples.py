"""Samples of counters, held against a model that keeps everything; and what requests may ask for."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amqpy.core.statistics import Totals
from amqpy.management.answers import Refusal
from amqpy.management.statistics.ranges import NO_RANGES, Range, ranges_of
from amqpy.management.statistics.samples import BASIC, GLOBAL, TICK_MS, Column, Level, Retention, Series
from amqpy.management.statistics.sums import Sum

START_MS = 1_700_000_100_000
"""A time at which all levels have a sample."""
START = START_MS // TICK_MS

retentions = st.sampled_from([BASIC, GLOBAL, ((1, 3),), ((1, 3), (2, 4)), ((2, 2), (3, 5), (6, 2))])
changes = st.lists(st.tuples(st.integers(1, 40), st.integers(0, 5)), min_size=1, max_size=60)


class Everything:
    """What a counter was at every tick."""

    def __init__(self, base: int) -> None:
        self.base = base
        self.at_ticks: dict[int, int] = {}

    def at(self, tick: int) -> int:
        return next((value for at, value in sorted(self.at_ticks.items(), reverse=True) if at <= tick), self.base)


# --- samples of a counter


@given(retentions, st.integers(0, 3), changes)
def test_a_level_has_its_samples_as_they_were(retention: Retention, base: int, changes: list[tuple[int, int]]) -> None:
    retention = tuple(Level(*each) for each in retention)
    column, model, tick = None, Everything(base), START
    for after, value in changes:
        tick += after
        model.at_ticks[tick] = value
        if column is None:
            column = Column(retention, base, tick, value)
        else:
            column.put(tick, value)
    assert column is not None
    for later in range(3):
        assert column.at(tick + later) == model.at(tick)
    covered = tick
    for step, count in retention:
        last = (tick - 1) // step
        for position in range(last, last - count, -1):
            if position * step < covered:
                assert column.at(position * step) == model.at(position * step), (step, position)
        covered = min(covered, (last - count + 1) * step)


def test_what_is_older_than_all_samples_is_told_by_the_oldest() -> None:
    column = Column(BASIC, 0, START, 1)
    for tick in range(1, 2000):
        column.put(START + tick, 1 + tick)
    assert column.at(START) == column.at(START + 2000 - 61 * 12) > 1


def test_what_is_before_the_beginning_is_the_base() -> None:
    column = Column(BASIC, 7, START, 8)
    column.put(START + 1, 9)
    assert [column.at(START + each) for each in (-1000, -1, 0, 1, 2)] == [7, 7, 8, 9, 9]


@pytest.mark.parametrize("span", [1, 119, 120, 121, 122, 731, 732, 733, 100_000])
def test_a_long_rest_is_as_if_it_had_been_sampled(span: int) -> None:
    column = Column(BASIC, 0, START, 1)
    column.put(START + span, 2)
    assert column.at(START + span - 1) == 1
    assert column.at(START + span) == 2


def test_memory_is_bounded() -> None:
    column = Column(GLOBAL, 0, START, 1)
    for tick in range(1, 20_000):
        column.put(START + tick, 1 + tick % 7)
    assert [len(ring.values) for ring in column._rings] == [121, 61, 49, 49]  # noqa: SLF001


def test_only_counters_that_change_have_samples() -> None:
    series = Series((5, 5, 5))
    series.put(START, (5, 6, 9), BASIC, width=2)
    assert list(series.columns) == [1]
    assert series.values == (5, 6, 9)


def test_growth_is_that_of_the_last_interval() -> None:
    series = Series((0, 0))
    series.put(START, (4, 1), BASIC, 2)
    assert series.increase((0, 1), START) == 5
    assert series.increase((0, 1), START + 1) == 0, "nothing has happened since"
    series.put(START + 3, (3, 1), BASIC, 2)
    assert series.increase((0,), START + 3) == -1
    assert series.increase((0, 1), START + 3) == -1


# --- sums


def test_an_object_that_leaves_while_sums_are_made_is_counted_once() -> None:
    totals: Totals[str] = Totals()
    counts = {name: {"n": 1} for name in ("stays", "leaves", "has left", "comes")}
    for name in ("stays", "leaves", "has left"):
        totals.begin(name, counts[name].copy)
    total = Sum(totals)
    total.add("leaves", {"n": 1})
    counts["leaves"]["n"] = 5
    totals.end("leaves")
    totals.end("has left")
    total.add("has left", {"n": 1})
    total.add("stays", {"n": 1})
    totals.begin("comes", counts["comes"].copy)
    assert total.end() == {"n": 1 + 5 + 1}
    assert totals.gone == {"n": 6}


# --- ranges


@pytest.mark.parametrize(
    ("age", "increment"),
    [
        ("60000", "5"),
        ("0", "5"),
        ("60", "0"),
        ("-60", "5"),
        ("60", "-5"),
        ("-60", "-5"),
        ("2505", "5"),
        ("9" * 90, "5"),
    ],
)
def test_a_range_of_too_many_samples_is_refused(age: str, increment: str) -> None:
    with pytest.raises(Refusal) as refused:
        ranges_of({"msg_rates_age": age, "msg_rates_incr": increment})
    reason = f"Invalid range parameters: age {age}, incr {increment}"
    assert refused.value.answer.status == 400
    assert refused.value.answer.value == {"error": "bad_request", "reason": reason}


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"msg_rates_age": "60"},
        {"msg_rates_incr": "5"},
        {"msg_rates_age": "60", "msg_rates_incr": "five"},
        {"msg_rates_age": "", "msg_rates_incr": ""},
        {"msg_rates_age": "6" * 5000, "msg_rates_incr": "5"},
        {"msg_rates_age": "\uff160", "msg_rates_incr": "5"},
        {"age": "60", "incr": "5"},
    ],
)
def test_half_a_range_is_none(query: Mapping[str, str]) -> None:
    assert ranges_of(query) == NO_RANGES


def test_each_kind_of_numbers_has_a_range() -> None:
    query = {
        f"{prefix}_{part}": str(number)
        for number, prefix in enumerate(("lengths", "msg_rates", "data_rates", "node_stats"), 1)
        for part in ("age", "incr")
    }
    assert ranges_of(query) == (Range(1, 1), Range(2, 2), Range(3, 3), Range(4, 4))
    assert ranges_of({"msg_rates_age": "2500", "msg_rates_incr": "5"}).message_rates == Range(2500, 5)


def test_samples_are_at_multiples_of_the_increment() -> None:
    asked = Range(60, 5)
    down = asked.times_ms(START_MS + 1, rounds_up=False)
    assert (down[0], down[-1], len(down)) == (START_MS, START_MS - 60_000, 13)
    up = asked.times_ms(START_MS + 1, rounds_up=True)
    assert (up[0], len(up)) == (START_MS + 5000, 13)
    assert asked.times_ms(START_MS, rounds_up=True)[0] == START_MS
    # As seen: the first sample is so old as was asked for.
    assert list(Range(7, 5).times_ms(START_MS, rounds_up=False)) == [START_MS - 2000, START_MS - 7000]
    assert list(Range(3, 5).times_ms(START_MS, rounds_up=False)) == [START_MS - 3000]
