"""Pictures: valid SVG, with text that can be found, and colours that can be seen on white and on black."""

import re
from itertools import chain
from pathlib import Path
from xml.etree import ElementTree

import pytest

from interop.bench import plots
from interop.bench.cli import chosen_cases, main
from interop.bench.report import Results

CASES = ["real-noack", "real-persist", "noack-16", "bodies-1m", "persist-1", "rpc", "flat-topic", "startup"]
PICTURED = {
    "realistic": ["real-noack", "real-persist"],
    "repeated": ["noack-16", "bodies-1m", "rpc"],
    "persistent": ["persist-1"],
    "latency": ["persist-1", "rpc"],
    "flatness": ["flat-topic"],
}
WHITE, BLACK = "#ffffff", "#0d1117"


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A run with a broker whose CPU is not known."""
    results = Results(["amqpy", "RabbitMQ", "LavinMQ"], {"command": "scripts/bench"})
    for case in chosen_cases(",".join(CASES)):
        for place, broker in enumerate(results.brokers, 1):
            numbers = {metric.key: float(place) for metric in case.metrics}
            if broker == "LavinMQ":
                numbers["broker_us"] = float("nan")
            results.add(case.name, broker, numbers)
    path = tmp_path / "run.json"
    results.save(path)
    return path


def texts(path: Path) -> list[str]:
    root = ElementTree.parse(path).getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    return ["".join(each.itertext()).strip() for each in root.iter("{http://www.w3.org/2000/svg}text")]


def test_a_saved_run_is_drawn(saved: Path, tmp_path: Path) -> None:
    assert main(["--from-json", str(saved), "--plots", str(tmp_path / "plots")]) == 0
    drawn = {path.stem: texts(path) for path in (tmp_path / "plots").iterdir()}
    assert drawn.keys() == PICTURED.keys()
    for name, cases in PICTURED.items():
        assert [text for text in drawn[name] if text in CASES] == cases
        assert {"amqpy", "RabbitMQ", "LavinMQ"} <= set(drawn[name])


def test_each_bar_has_its_number(tmp_path: Path) -> None:
    results = Results(["amqpy", "RabbitMQ"])
    results.add("real-noack", "amqpy", {"rate": 234_567.0, "broker_us": 4.321})
    results.add("real-noack", "RabbitMQ", {"rate": 56_789.0, "broker_us": float("nan")})
    plots.draw(results, chosen_cases("real-noack"), tmp_path)
    assert [text for text in texts(tmp_path / "realistic.svg") if re.search(r"\d", text)] == [
        "235,000",
        "56,800",
        "4.32",
    ]


def test_curves_name_their_points(saved: Path, tmp_path: Path) -> None:
    plots.draw(Results.load(saved), chosen_cases("flat-topic"), tmp_path)
    found = texts(tmp_path / "flatness.svg")
    assert {"1", "100", "10,000", "bindings of a topic exchange"} <= set(found)


def test_pictures_are_the_same_each_time_and_small(saved: Path, tmp_path: Path) -> None:
    for folder in "one", "two":
        plots.draw(Results.load(saved), chosen_cases(None), tmp_path / folder)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()
        assert path.stat().st_size < 20_000


def test_the_ground_is_transparent(saved: Path, tmp_path: Path) -> None:
    plots.draw(Results.load(saved), chosen_cases(None), tmp_path / "plots")
    known = {plots.INK, *plots.COLOURS.values(), *plots.OTHER_COLOURS}
    for path in (tmp_path / "plots").iterdir():
        assert set(re.findall(r"(?:fill|stroke): (#\w+)", path.read_text("utf-8"))) <= known


def luminance(colour: str) -> float:
    """As WCAG 2 defines it."""
    shares = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    dark, light = sorted([luminance(one), luminance(other)])
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("ground", [WHITE, BLACK])
def test_colours_are_seen_on_light_and_dark(ground: str) -> None:
    assert contrast(plots.INK, ground) > 4
    assert all(contrast(each, ground) > 3 for each in chain(plots.COLOURS.values(), plots.OTHER_COLOURS))
