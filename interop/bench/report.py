"""Medians, ratios and targets as a table: for the terminal, for docs/performance.md, and everything as JSON."""

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from interop.bench.case import Case, Metric, Numbers

REFERENCE = "RabbitMQ"
SUBJECT = "amqpy"


@dataclass
class Results:
    """All rounds of all cases: case name → broker name → one set of numbers for each round."""

    brokers: Sequence[str]
    rounds: dict[str, dict[str, list[Numbers]]] = field(default_factory=dict)

    def add(self, case: str, broker: str, numbers: Numbers) -> None:
        self.rounds.setdefault(case, {}).setdefault(broker, []).append(numbers)

    def values(self, case: str, broker: str, key: str) -> list[float]:
        taken = self.rounds.get(case, {}).get(broker, [])
        return [numbers[key] for numbers in taken if not math.isnan(numbers.get(key, math.nan))]

    def median(self, case: str, broker: str, key: str) -> float:
        values = self.values(case, broker, key)
        return statistics.median(values) if values else math.nan


def number(value: float) -> str:
    """Three significant digits, and no more than can be read at a glance."""
    if math.isnan(value):
        return "-"
    if abs(value) >= 1000:
        return f"{round(value, 2 - math.floor(math.log10(abs(value)))):,.0f}"
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


def ratios(results: Results) -> list[tuple[str, str]]:
    """Which broker is compared with which: amqpy with RabbitMQ, and with its base commit."""
    others = [name for name in results.brokers if name != SUBJECT]
    return [(SUBJECT, other) for other in others] if SUBJECT in results.brokers else []


def header(results: Results) -> list[str]:
    compared = [f"{subject} / {other}" for subject, other in ratios(results)]
    return ["", "unit", *results.brokers, *compared, "target", ""]


def row(results: Results, case: Case, metric: Metric) -> list[str]:
    medians = {name: results.median(case.name, name, metric.key) for name in results.brokers}
    cells = [metric.label, metric.unit, *(number(value) for value in medians.values())]
    for subject, other in ratios(results):
        ratio = medians[subject] / medians[other] if medians[other] else math.nan
        cells.append(number(ratio) + (" x" if not math.isnan(ratio) else ""))
    met = metric.met(medians.get(SUBJECT, math.nan), medians.get(REFERENCE, math.nan))
    return [*cells, metric.target, {True: "met", False: "missed", None: ""}[met]]


def rows(results: Results, cases: Sequence[Case], *, details: bool) -> Iterator[tuple[Case, list[list[str]]]]:
    for case in cases:
        if case.name in results.rounds:
            shown = [metric for metric in case.metrics if details or not metric.detail]
            yield case, [row(results, case, metric) for metric in shown]


def text(results: Results, cases: Sequence[Case], *, details: bool) -> str:
    titles = header(results)
    groups = list(rows(results, cases, details=details))
    table = [titles, *(cells for _, group in groups for cells in group)]
    widths = [max(len(cells[column]) for cells in table) for column in range(len(titles))]

    def line(cells: Sequence[str]) -> str:
        padded = [
            cell.ljust(width) if column < 2 or column >= len(cells) - 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        return ("  " + "  ".join(padded)).rstrip()

    lines = [line(titles)]
    for case, group in groups:
        lines += ["", f"{case.name}: {case.title}", *(line(cells) for cells in group)]
    return "\n".join(lines) + "\n"


NOTES = "\n## Notes\n"
"""What follows this heading in the page was written by a person and stays."""


def page(table: str, before: str) -> str:
    """The page with a new table and the notes it had."""
    return table + "".join(before.partition(NOTES)[1:])


def markdown(results: Results, cases: Sequence[Case], about: Mapping[str, str], ceilings: Sequence[str]) -> str:
    titles = ["case", "number", *header(results)[1:-1], "met"]
    lines = ["# Performance", "", "Made by:", "", "```", about["command"], "```", ""]
    lines += [f"- {key}: {value}" for key, value in about.items() if key != "command"]
    lines += ["", "Medians of the rounds. A ratio compares numbers of this one run; a rate alone says little."]
    if ceilings:
        lines += ["", "The load generators without a broker:", "", *(f"- {line}" for line in ceilings)]
    right = ["---:"] * (len(titles) - 5)
    lines += ["", table_line(titles), table_line(["---", "---", "---", *right, "---", "---"])]
    for case, group in rows(results, cases, details=False):
        for index, cells in enumerate(group):
            lines.append(table_line([f"`{case.name}` {case.title}" if not index else "", *cells]))
    return "\n".join(lines) + "\n"


def table_line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def as_json(results: Results, about: Mapping[str, str], ceilings: Sequence[str]) -> dict[str, Any]:
    return {
        "about": dict(about),
        "ceilings": list(ceilings),
        "brokers": list(results.brokers),
        "rounds": results.rounds,
    }
