"""The table at the end: features down, sizes across, and in each place the readers with whom something differed."""

from collections import defaultdict

from interop.matrix.cells import READERS, SIZES
from interop.matrix.run import Outcome

ALL_WELL = "ok"


def table(outcomes: list[Outcome]) -> str:
    by_place: dict[tuple[str, str], list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        by_place[outcome.cell.feature, outcome.cell.size_name].append(outcome)
    sizes = [size for size in SIZES if any(place[1] == size for place in by_place)]
    names = sorted({feature for feature, _ in by_place})
    rows = [["feature", *sizes], *([name, *(entry(by_place[name, size]) for size in sizes)] for name in names)]
    return "\n".join([*aligned(rows), "", *costs(outcomes)])


def entry(outcomes: list[Outcome]) -> str:
    failed = {outcome.cell.reader for outcome in outcomes if not outcome.passed}
    return ", ".join(reader for reader in READERS if reader in failed) or (ALL_WELL if outcomes else "")


def aligned(rows: list[list[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def costs(outcomes: list[Outcome]) -> list[str]:
    """How long each broker took, and the cell in which its memory grew most."""
    lines = []
    for name in outcomes[0].told:
        seconds = sum(outcome.told[name].seconds for outcome in outcomes)
        most = max(outcomes, key=lambda outcome: outcome.told[name].growth_mib)
        lines.append(f"{name}: {seconds:.0f} s, grew by {most.told[name].growth_mib:.0f} MiB in {most.cell.name}")
    return lines


def line_of(outcome: Outcome) -> str:
    """A cell in the log, with the seconds and the growth of memory on each broker."""
    told = ", ".join(f"{name} {each.seconds:.1f} s +{each.growth_mib:.0f} MiB" for name, each in outcome.told.items())
    return f"{'passed' if outcome.passed else 'FAILED'} {outcome.cell.name}: {told}"
