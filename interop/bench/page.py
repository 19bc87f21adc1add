"""The Markdown page with the results of a run, for docs/performance.md: realistic messages first, and the pictures."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from interop.bench.case import Case
from interop.bench.metrics import NEAREST, REFERENCE
from interop.bench.plots import Picture, draw
from interop.bench.report import Results, gaps, header, rows

NOTES = "\n## Notes\n"
"""What follows this heading in the page was written by a person and stays."""

PREFACE = f"""
Medians of the rounds. A ratio compares numbers of this one run; a rate alone says little. The CPU is user and system
time of the broker. A target in x is for the ratio to {REFERENCE}, or to the broker it names, such as {NEAREST}."""


def write(path: Path, results: Results, cases: Sequence[Case], pictures_folder: Path) -> None:
    """Write the page, above the notes that it has, and draw its pictures."""
    before = path.read_text("utf-8") if path.exists() else ""
    pictures = draw(results, cases, pictures_folder)
    folder = Path(os.path.relpath(pictures_folder, path.parent)).as_posix()
    path.write_text(with_notes(markdown(results, cases, pictures, folder), before), "utf-8")


def with_notes(page: str, before: str) -> str:
    return page + "".join(before.partition(NOTES)[1:])


def markdown(results: Results, cases: Sequence[Case], pictures: Sequence[Picture], folder: str) -> str:
    """The page, with links to the pictures in the folder."""
    lines = ["# Performance", "", "Made by:", "", "```", results.about["command"], "```", ""]
    lines += [f"- {key}: {value}" for key, value in results.about.items() if key != "command"]
    lines += PREFACE.splitlines()
    for gap in gaps(results):
        lines += ["", gap]
    measured = [case for case in cases if case.name in results.rounds]
    shown = {picture.name: picture for picture in pictures}
    for heading, names, are_realistic in SECTIONS:
        found = [shown[name] for name in names if name in shown]
        listed = [case for case in measured if case.is_realistic is are_realistic]
        if found or listed:
            lines += ["", f"## {heading}"]
        for picture in found:
            lines += ["", f"![{picture.title}]({folder}/{picture.name}.svg)"]
        if listed:
            lines += ["", *table(results, listed)]
    if results.ceilings:
        lines += ["", "## The load generators without a broker", "", *(f"- {line}" for line in results.ceilings)]
    return "\n".join(lines) + "\n"


SECTIONS: list[tuple[str, list[str], bool | None]] = [
    ("Messages as applications send them", ["realistic"], True),
    ("Latency", ["latency"], None),
    ("Flatness", ["flatness"], None),
    ("One message repeated, and everything else", ["repeated", "persistent"], False),
]
"""Heading, pictures, and the cases in the table: the realistic ones, the others, or no table."""


def table(results: Results, cases: Sequence[Case]) -> Iterator[str]:
    titles = ["case", "number", *header(results)[1:-1], "met"]
    right = ["---:"] * (len(titles) - 5)
    yield table_line(titles)
    yield table_line(["---", "---", "---", *right, "---", "---"])
    for case, group in rows(results, cases, details=False):
        for index, cells in enumerate(group):
            yield table_line([f"`{case.name}` {case.title}" if not index else "", *cells])


def table_line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
