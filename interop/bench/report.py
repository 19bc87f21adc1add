"""Medians, ratios and targets as a table for the terminal, and all numbers as JSON, of which the rest can be made."""

import json
import math
import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from interop.bench.case import Case
from interop.bench.metrics import SUBJECT, Metric, Numbers, ratio


class Unreadable(ValueError):
    """A file has no results of `scripts/bench --json`."""


@dataclass
class Results:
    """One run: all rounds of all cases, by the names of case and broker, and how they came about."""

    brokers: Sequence[str]
    about: dict[str, str] = field(default_factory=dict)
    ceilings: Sequence[str] = ()
    rounds: dict[str, dict[str, list[Numbers]]] = field(default_factory=dict)
    skipped: dict[str, list[str]] = field(default_factory=dict)
    """Broker → the cases that start a broker, which this one is not ours to start."""

    def add(self, case: str, broker: str, numbers: Numbers) -> None:
        self.rounds.setdefault(case, {}).setdefault(broker, []).append(numbers)

    def skip(self, case: str, broker: str) -> None:
        skipped = self.skipped.setdefault(broker, [])
        if case not in skipped:
            skipped.append(case)

    def values(self, case: str, broker: str, key: str) -> list[float]:
        taken = self.rounds.get(case, {}).get(broker, [])
        return [numbers[key] for numbers in taken if not math.isnan(numbers.get(key, math.nan))]

    def median(self, case: str, broker: str, key: str) -> float:
        values = self.values(case, broker, key)
        return statistics.median(values) if values else math.nan

    def medians(self, case: str, key: str) -> Numbers:
        """Of each broker."""
        return {name: self.median(case, name, key) for name in self.brokers}

    def save(self, path: Path) -> None:
        """Write every number of every round; one that is not known is null."""
        made = {
            "about": self.about,
            "ceilings": list(self.ceilings),
            "brokers": list(self.brokers),
            "skipped": self.skipped,
            "rounds": mapped(self.rounds, lambda value: None if math.isnan(value) else value),
        }
        path.write_text(json.dumps(made, indent=1, allow_nan=False) + "\n", "utf-8")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote. Raises Unreadable."""
        try:
            made = json.loads(path.read_text("utf-8"))
            rounds = mapped(made["rounds"], lambda value: math.nan if value is None else float(value))
            return cls(made["brokers"], made["about"], made["ceilings"], rounds, made.get("skipped", {}))
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise Unreadable(f"{path} has no results of scripts/bench --json: {error!r}") from None

    @classmethod
    def joined(cls, runs: "Sequence[Results]") -> "Results":
        """The cases of several runs. Raises Unreadable if two have measured the same, or not the same brokers."""
        first = runs[0]
        measured = [case for run in runs for case in run.rounds]
        if len(set(measured)) < len(measured) or any(list(run.brokers) != list(first.brokers) for run in runs):
            raise Unreadable("these runs do not belong together: they have cases in common, or other brokers")
        about = {key: told(run.about.get(key, "") for run in runs) for key in first.about}
        about["command"] = "\n".join(run.about["command"] for run in runs)
        made = cls(first.brokers, about, first.ceilings)
        for run in runs:
            made.rounds |= run.rounds
            for broker, cases in run.skipped.items():
                made.skipped.setdefault(broker, []).extend(cases)
        return made


def told(values: Iterable[str]) -> str:
    """What all say, or what each says in turn."""
    return "; ".join(dict.fromkeys(values))


def mapped(rounds: Any, change: Callable[[Any], Any]) -> Any:  # noqa: ANN401  # from and to what JSON holds
    """The same rounds with each number changed."""
    return {
        case: {
            broker: [{key: change(value) for key, value in numbers.items()} for numbers in taken]
            for broker, taken in by_broker.items()
        }
        for case, by_broker in rounds.items()
    }


def number(value: float) -> str:
    """Three significant digits, and no more than can be read at a glance."""
    if math.isnan(value):
        return "-"
    if abs(value) >= 1000:
        return f"{round(value, 2 - math.floor(math.log10(abs(value)))):,.0f}"
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


def compared(results: Results) -> list[str]:
    """The brokers amqpy is compared with: RabbitMQ, its own base commit, and those that ran already."""
    return [name for name in results.brokers if name != SUBJECT] if SUBJECT in results.brokers else []


def header(results: Results) -> list[str]:
    ratios = [f"{SUBJECT} / {other}" for other in compared(results)]
    return ["", "unit", *results.brokers, *ratios, "target", ""]


def row(results: Results, case: Case, metric: Metric) -> list[str]:
    medians = results.medians(case.name, metric.key)
    cells = [metric.label, metric.unit, *(number(value) for value in medians.values())]
    for other in compared(results):
        found = ratio(medians[SUBJECT], medians[other])
        cells.append(number(found) + (" x" if not math.isnan(found) else ""))
    return [*cells, *judged(metric, medians)]


def judged(metric: Metric, medians: Numbers) -> tuple[str, str]:
    """The targets that can be judged by these brokers' numbers, and a verdict on each; or all, without a verdict."""
    verdicts = {target: target.met(medians) for target in metric.targets}
    known = {target: met for target, met in verdicts.items() if met is not None}
    texts = "; ".join(target.text(metric.unit) for target in known or verdicts)
    return texts, "; ".join("met" if met else "missed" for met in known.values())


def rows(results: Results, cases: Sequence[Case], *, details: bool) -> Iterator[tuple[Case, list[list[str]]]]:
    for case in cases:
        if case.name in results.rounds:
            shown = [metric for metric in case.metrics if details or not metric.detail]
            yield case, [row(results, case, metric) for metric in shown]


def gaps(results: Results) -> list[str]:
    return [
        f"{broker} ran already, and is not ours to start. Not measured: {', '.join(names)}."
        for broker, names in results.skipped.items()
    ]


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
    for gap in gaps(results):
        lines += ["", gap]
    return "\n".join(lines) + "\n"
