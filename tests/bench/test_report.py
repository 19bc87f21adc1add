"""Medians, ratios and targets as they are printed."""

import json
import math
from pathlib import Path

import pytest

from interop.bench.case import CASES, Bench, Case
from interop.bench.cli import chosen_cases
from interop.bench.metrics import Metric, Target, at_most, percentiles, ratio_at_least, ratio_at_most
from interop.bench.report import Results, Unreadable, number, text

RATE = Metric("rate", "throughput", "msg/s", [ratio_at_least(3), ratio_at_least(1, "LavinMQ")])
PAUSE = Metric("pause", "longest pause", "ms", [at_most(20)])


def run_nothing(bench: Bench) -> dict[str, float]:
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


def test_each_target_has_its_verdict(results: Results) -> None:
    results.brokers = ["amqpy", "RabbitMQ", "LavinMQ"]
    results.add("sample", "LavinMQ", {"rate": 400.0})
    lines = [line.split() for line in text(results, [CASE], details=False).splitlines()]
    row = "throughput msg/s 320 100 400 3.2 x 0.8 x ≥ 3 x; ≥ 1 x LavinMQ met; missed"
    assert row.split() in lines


def test_a_target_nobody_can_judge_is_shown_without_a_verdict(results: Results) -> None:
    results.brokers = ["amqpy"]
    lines = [line.split() for line in text(results, [CASE], details=False).splitlines()]
    assert ["throughput", "msg/s", "320", "≥", "3", "x;", "≥", "1", "x", "LavinMQ"] in lines


def test_a_case_that_was_not_measured_on_a_broker_is_named(results: Results) -> None:
    for _ in range(2):
        results.skip("startup", "LavinMQ")
    assert text(results, [CASE], details=False).endswith(
        "LavinMQ ran already, and is not ours to start. Not measured: startup.\n"
    )


def test_every_round_is_in_the_json(results: Results, tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    results.save(path)
    made = json.loads(path.read_text("utf-8"))
    assert made["rounds"]["sample"]["amqpy"][1] == {"rate": 350.0, "pause": 30.0}
    assert made["rounds"]["sample"]["RabbitMQ"] == [{"rate": 100.0, "pause": None}]


def test_a_saved_run_says_the_same(results: Results, tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    results.about, results.ceilings = {"command": "scripts/bench"}, ["publish: fast"]
    results.skip("startup", "LavinMQ")
    results.save(path)
    loaded = Results.load(path)
    assert text(loaded, [CASE], details=True) == text(results, [CASE], details=True)
    assert loaded.about == results.about
    assert loaded.ceilings == results.ceilings


def test_runs_with_different_cases_are_told_as_one(results: Results) -> None:
    results.about = {"command": "scripts/bench --only sample", "Python": "3.11", "rounds": "5"}
    more = Results(results.brokers, {"command": "scripts/bench --only other", "Python": "3.11", "rounds": "2"})
    more.add("other", "amqpy", {"rate": 1.0})
    more.skip("startup", "LavinMQ")
    joined = Results.joined([results, more])
    assert joined.rounds == {**results.rounds, "other": {"amqpy": [{"rate": 1.0}]}}
    assert joined.about == {
        "command": "scripts/bench --only sample\nscripts/bench --only other",
        "Python": "3.11",
        "rounds": "5; 2",
    }
    assert joined.skipped == {"LavinMQ": ["startup"]}
    assert Results.joined([results]).about == results.about
    for wrong in ([results, results], [results, Results(["amqpy"], more.about)]):
        with pytest.raises(Unreadable, match="do not belong together"):
            Results.joined(wrong)


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", "<svg/>", '{"brokers": [], "about": {}, "ceilings": [], "rounds": 1}']
)
def test_a_file_without_results_is_refused(content: str, tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text(content)
    with pytest.raises(Unreadable, match=r"run\.json has no results"):
        Results.load(path)


@pytest.mark.parametrize(
    ("target", "value", "reference", "met"),
    [
        (ratio_at_least(3), 300, 100, True),
        (ratio_at_least(3), 299, 100, False),
        (ratio_at_least(3), 300, math.nan, None),
        (ratio_at_least(3), 300, 0, None),
        (at_most(20), 20, math.nan, True),
        (at_most(20), 21, math.nan, False),
        (at_most(20), math.nan, 1, None),
        (ratio_at_most(1), 1.1, 1, False),
        (ratio_at_most(1), 1, 1, True),
        (ratio_at_most(1, "LavinMQ"), 1, 1, None),
    ],
)
def test_a_target_is_met_missed_or_unknown(target: Target, value: float, reference: float, met: bool | None) -> None:
    assert target.met({"amqpy": value, "RabbitMQ": reference}) is met


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


def test_realistic_cases_come_first() -> None:
    assert [case.name for case in chosen_cases("noack-16,real-topic,rpc,real-noack")] == [
        "real-topic",
        "real-noack",
        "noack-16",
        "rpc",
    ]
    assert chosen_cases(None)[0].is_realistic


def test_cpu_stands_beside_every_rate() -> None:
    for case in chosen_cases(None):
        units = [metric.unit for metric in case.metrics if not metric.detail]
        for unit, following in zip(units, [*units[1:], ""], strict=True):
            if unit in ("msg/s", "calls/s", "MB/s"):
                assert following.startswith("µs/"), case.name
