"""Medians, ratios and targets as they are printed."""

import math

import pytest

from interop.bench.case import CASES, Bench, Case, Metric, Numbers, percentiles
from interop.bench.cli import chosen_cases
from interop.bench.report import Results, as_json, markdown, number, text

RATE = Metric("rate", "throughput", "msg/s", ratio_at_least=3)
PAUSE = Metric("pause", "longest pause", "ms", at_most=20)


def run_nothing(bench: Bench) -> Numbers:
    return {}


CASE = Case("sample", "a sample", (RATE, PAUSE), run_nothing, fresh=False)


@pytest.fixture
def results() -> Results:
    made = Results(["amqpy", "RabbitMQ"])
    for rate, pause in [(100.0, 5.0), (350.0, 30.0), (320.0, 21.0)]:
        made.add("sample", "amqpy", {"rate": rate, "pause": pause})
    made.add("sample", "RabbitMQ", {"rate": 100.0, "pause": math.nan})
    return made


def test_the_middle_round_counts_and_targets_are_judged(results: Results) -> None:
    lines = [line.split() for line in text(results, [CASE], details=False).splitlines()]
    assert ["throughput", "msg/s", "320", "100", "3.2", "x", "≥", "3", "x", "met"] in lines
    assert ["longest", "pause", "ms", "21", "-", "-", "≤", "20", "ms", "missed"] in lines


def test_the_page_says_how_it_was_made(results: Results) -> None:
    page = markdown(results, [CASE], {"command": "scripts/bench --only sample", "Python": "3.11"}, ["publish: fast"])
    assert "scripts/bench --only sample" in page
    assert "- Python: 3.11" in page
    assert "- publish: fast" in page
    table = [line for line in page.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in table}) == 1
    assert "| `sample` a sample | throughput | msg/s | 320 | 100 | 3.2 x | ≥ 3 x | met |" in table


def test_every_round_is_in_the_json(results: Results) -> None:
    made = as_json(results, {"command": "x"}, [])
    assert made["rounds"]["sample"]["amqpy"][1] == {"rate": 350.0, "pause": 30.0}


@pytest.mark.parametrize(
    ("metric", "value", "reference", "met"),
    [
        (RATE, 300, 100, True),
        (RATE, 299, 100, False),
        (RATE, 300, math.nan, None),
        (PAUSE, 20, math.nan, True),
        (PAUSE, math.nan, 1, None),
        (Metric("p99", "p99", "ms", ratio_at_most=1), 1.1, 1, False),
        (Metric("p99", "p99", "ms"), 1, 1, None),
    ],
)
def test_a_target_is_met_missed_or_unknown(metric: Metric, value: float, reference: float, met: bool | None) -> None:
    assert metric.met(value, reference) is met


@pytest.mark.parametrize(
    ("value", "shown"),
    [(math.nan, "-"), (0.01234, "0.0123"), (5.678, "5.68"), (123.4, "123"), (123456.0, "123,000")],
)
def test_numbers_are_short(value: float, shown: str) -> None:
    assert number(value) == shown


def test_percentiles_are_in_milliseconds() -> None:
    found = percentiles([index / 1000 for index in range(101)])
    assert found == {"p50": pytest.approx(50), "p99": pytest.approx(99), "max": pytest.approx(100)}


def test_an_unknown_case_is_refused() -> None:
    with pytest.raises(SystemExit, match="no such case: nothing"):
        chosen_cases("noack-16,nothing")


def test_every_case_names_each_number_once() -> None:
    assert len(CASES) > 20
    for case in chosen_cases(None):
        keys = [metric.key for metric in case.metrics]
        assert len(keys) == len(set(keys)), case.name
