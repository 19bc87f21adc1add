"""The page: realistic messages first, with pictures, and what people wrote below it survives the next measurement."""

import re
from pathlib import Path

import pytest

from interop.bench import page
from interop.bench.case import CASES
from interop.bench.cli import chosen_cases
from interop.bench.page import NOTES, with_notes
from interop.bench.report import Results


@pytest.fixture
def results() -> Results:
    about = {"command": "scripts/bench --only real-noack,noack-16,startup", "Python": "3.11"}
    made = Results(["amqpy", "RabbitMQ"], about, ["publish: fast"])
    for broker, rate, cpu in ("amqpy", 320.0, 2.0), ("RabbitMQ", 50.0, 40.0):
        for case in "noack-16", "real-noack":
            made.add(case, broker, {"rate": rate, "broker_us": cpu})
        made.add("startup", broker, {"start": 200.0})
    return made


def written(results: Results, folder: Path) -> str:
    path = folder / "docs" / "performance.md"
    path.parent.mkdir(exist_ok=True)
    page.write(path, results, chosen_cases("noack-16,real-noack,startup"), folder / "docs" / "performance")
    return path.read_text("utf-8")


def test_the_page_says_how_it_was_made(results: Results, tmp_path: Path) -> None:
    results.skip("startup", "LavinMQ")
    text = written(results, tmp_path)
    for line in results.about["command"], "- Python: 3.11", "- publish: fast":
        assert f"\n{line}\n" in text
    assert "\nLavinMQ ran already, and is not ours to start. Not measured: startup.\n" in text


def test_realistic_messages_come_first(results: Results, tmp_path: Path) -> None:
    text = written(results, tmp_path)
    parts = [
        "performance/realistic.svg",
        "| `real-noack` ",
        "performance/repeated.svg",
        "| `noack-16` ",
        "| `startup` ",
    ]
    places = [text.index(part) for part in parts]
    assert places == sorted(places)


def test_cpu_stands_below_the_rate(results: Results, tmp_path: Path) -> None:
    table = [line for line in written(results, tmp_path).splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in table}) == 1
    title = f"`real-noack` {CASES['real-noack'].title}"
    at = table.index(f"| {title} | throughput | msg/s | 320 | 50 | 6.4 x | ≥ 4 x | met |")
    assert table[at + 1] == "|  | CPU of the broker | µs/msg | 2 | 40 | 0.05 x | ≤ 0.1 x | met |"


def test_its_pictures_are_there(results: Results, tmp_path: Path) -> None:
    links = re.findall(r"!\[[^]]+\]\(([^)]+)\)", written(results, tmp_path))
    assert links == ["performance/realistic.svg", "performance/repeated.svg"]
    assert all((tmp_path / "docs" / link).is_file() for link in links)


def test_a_picture_of_an_earlier_run_does_not_stay(results: Results, tmp_path: Path) -> None:
    written(results, tmp_path)
    del results.rounds["noack-16"]
    assert "repeated.svg" not in written(results, tmp_path)
    assert [path.name for path in (tmp_path / "docs" / "performance").iterdir()] == ["realistic.svg"]


def test_notes_stay(results: Results, tmp_path: Path) -> None:
    written(results, tmp_path)
    path = tmp_path / "docs" / "performance.md"
    path.write_text(f"old page\n{NOTES}\nby hand\n")
    text = written(results, tmp_path)
    assert text.startswith("# Performance")
    assert text.endswith(f"{NOTES}\nby hand\n")
    assert with_notes("new page\n", "old page\n") == "new page\n"
