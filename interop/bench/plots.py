"""The results of a run as pictures: SVG with transparent ground, in colours that can be read on white and on black.

Bars are drawn to scale within a case, whose longest bar has the full length, because cases differ by factors of a
hundred and only their brokers are to be compared; each bar has its number.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.figure import Figure

from interop.bench.case import Case
from interop.bench.metrics import BROKER_CPU, REFERENCE, SUBJECT
from interop.bench.report import Results, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK = "#767d86"
"""For text and lines."""
COLOURS = {SUBJECT: "#2f81f7", REFERENCE: "#d9730d"}
OTHER_COLOURS = ["#c2479f", "#159e8c", "#a371f7", "#bf8700"]

STYLE: dict[Any, Any] = {
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlesize": "medium",
    "axes.titlecolor": INK,
    "font.sans-serif": ["DejaVu Sans", "Verdana"],
    "font.size": 9,
    "legend.labelcolor": INK,
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "amqpy",  # the same numbers make the same file
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}
WIDTH_IN = 9.0
BAR_IN = 0.15
FRAME_IN = 0.9
"""The height of what is above and below the bars."""


@dataclass(frozen=True)
class Picture:
    """`name`.svg."""

    name: str
    title: str


@dataclass(frozen=True)
class Bar:
    """The bars of a case in a panel: the number of each broker."""

    case: str
    values: dict[str, float]
    unit: str = ""


@dataclass(frozen=True)
class Panel:
    """Bars of the same kind; panels of one picture stand side by side, and have the same cases."""

    title: str
    bars: Sequence[Bar]


def draw(results: Results, cases: Sequence[Case], folder: Path) -> list[Picture]:
    """Draw all pictures there is something to see on; remove those there is not, from an earlier run."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = []
    for picture, make in PICTURES.items():
        path = folder / f"{picture.name}.svg"
        with mpl.rc_context(STYLE):
            figure = make(results, cases)
            if figure is None:
                path.unlink(missing_ok=True)
                continue
            head(figure, picture.title)
            metadata = {"Title": picture.title, "Creator": None, "Date": None, "Format": None, "Type": None}
            figure.savefig(path, format="svg", transparent=True, metadata=metadata)
        drawn.append(picture)
    return drawn


def colours(results: Results) -> dict[str, str]:
    others = iter(OTHER_COLOURS * len(results.brokers))
    return {name: COLOURS.get(name) or next(others) for name in results.brokers}


def rates(results: Results, cases: Sequence[Case]) -> Figure | None:
    """Throughput and CPU of each case that has both."""
    rates, cpu = [], []
    for case in cases:
        for rate, cost in pairwise(case.metrics):
            measured = results.medians(case.name, rate.key)
            if cost.key == BROKER_CPU and not all(map(math.isnan, measured.values())):
                rates.append(Bar(case.name, measured, "" if rate.unit == "msg/s" else rate.unit))
                cpu.append(Bar(case.name, results.medians(case.name, cost.key)))
    return bars(
        results,
        Panel("messages a second (longer is better)", rates),
        Panel("CPU of the broker, µs a message (shorter is better)", cpu),
    )


def latencies(results: Results, cases: Sequence[Case]) -> Figure | None:
    panels = []
    for key, title in ("p50", "half of all messages"), ("p99", "99 of 100 messages"):
        found = [
            Bar(case.name, results.medians(case.name, key), "ms")
            for case in cases
            if case.name in results.rounds and any(metric.key == key for metric in case.metrics)
        ]
        panels.append(Panel(f"{key}: {title} take at most this", found))
    return bars(results, *panels)


def bars(results: Results, *panels: Panel) -> Figure | None:
    count, step = len(panels[0].bars), len(results.brokers) + 1
    if not count:
        return None
    figure = Figure(figsize=(WIDTH_IN, FRAME_IN + count * step * BAR_IN), layout="constrained")
    subplots = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, panel in zip(subplots, panels, strict=True):
        draw_panel(axes, panel, colours(results))
    return figure


def draw_panel(axes: "Axes", panel: Panel, colour_of: dict[str, str]) -> None:
    step = len(colour_of) + 1
    longest = [max((value for value in bar.values.values() if value > 0), default=1.0) for bar in panel.bars]
    for index, (broker, colour) in enumerate(colour_of.items()):
        places = [row * step + index for row in range(len(panel.bars))]
        values = [bar.values[broker] for bar in panel.bars]
        lengths = [0.0 if math.isnan(value) else value / top for value, top in zip(values, longest, strict=True)]
        axes.barh(places, lengths, height=0.9, color=colour, label=broker, clip_on=False)
        for place, length, value, bar in zip(places, lengths, values, panel.bars, strict=True):
            if not math.isnan(value):
                axes.text(length + 0.01, place, f"{number(value)} {bar.unit}".rstrip(), va="center", fontsize="small")
    axes.set_title(panel.title)
    axes.set_xlim(0, 1.2)  # with room for the number of the longest
    axes.set_ylim(len(panel.bars) * step - 1, -1)
    axes.set_xticks([])
    axes.set_yticks([row * step + (step - 2) / 2 for row in range(len(panel.bars))], [bar.case for bar in panel.bars])
    axes.tick_params("y", length=0)
    axes.spines[["top", "right", "bottom"]].set_visible(False)


def head(figure: Figure, title: str) -> None:
    """Title and brokers, above all panels."""
    handles, labels = figure.axes[0].get_legend_handles_labels()
    above = figure.legend(handles, labels, title=title, loc="outside upper center", ncols=len(labels), frameon=False)
    above.get_title().set(color=INK, fontsize="large")


COLUMNS = 3
CURVE_IN = 2.2


def curves(results: Results, cases: Sequence[Case]) -> Figure | None:
    """The CPU of a message at each point of a curve, relative to the first."""
    found = [case for case in cases if case.name in results.rounds and curve_points(case)]
    if not found:
        return None
    rows = -(-len(found) // COLUMNS)
    figure = Figure(figsize=(WIDTH_IN, FRAME_IN + rows * CURVE_IN), layout="constrained")
    subplots = list(figure.subplots(rows, COLUMNS, sharey=True, squeeze=False).flat)
    for axes, case in zip(subplots, found, strict=False):
        draw_curve(axes, case, results)
    subplots[0].set_ylim(bottom=0)  # only now, because it fixes the top, too
    for axes in subplots[len(found) :]:
        axes.set_axis_off()
    return figure


def curve_points(case: Case) -> list[int]:
    """The points that the costs of a case are for, after the first, which they are relative to."""
    keys = [metric.key.partition("cost_")[2] for metric in case.metrics]
    return [int(key) for key in keys if key.isdecimal()]


def draw_curve(axes: "Axes", case: Case, results: Results) -> None:
    points = curve_points(case)
    bounds = {target.bound for metric in case.metrics if metric.key == f"cost_{points[0]}" for target in metric.targets}
    for bound in bounds:
        axes.axhline(bound, color=INK, linestyle=":", linewidth=1)
    for broker, colour in colours(results).items():
        costs = [1.0, *(results.median(case.name, broker, f"cost_{point}") for point in points)]
        axes.plot(costs, color=colour, marker="o", markersize=4, label=broker)
    first = int(case.metrics[0].key.removeprefix("rate_"))
    axes.set_title(case.name)
    axes.set_xlabel(case.title.removeprefix("flatness: "))
    axes.set_xticks(range(len(points) + 1), [f"{point:,}" for point in (first, *points)])
    axes.spines[["top", "right"]].set_visible(False)


def only(wanted: Callable[[Case], bool]) -> Callable[[Results, Sequence[Case]], Figure | None]:
    return lambda results, cases: rates(results, list(filter(wanted, cases)))


PICTURES: dict[Picture, Callable[[Results, Sequence[Case]], Figure | None]] = {
    Picture("realistic", "Messages as applications send them"): only(lambda case: case.is_realistic),
    Picture("repeated", "One message repeated"): only(lambda case: not case.is_realistic and not case.durable),
    Picture("persistent", "One persistent message repeated"): only(lambda case: not case.is_realistic and case.durable),
    Picture("latency", "Latency"): latencies,
    Picture("flatness", "CPU of a message as something else grows, relative to the first point"): curves,
}
