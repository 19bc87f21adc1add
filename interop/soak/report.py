"""What is reported of a run, as JSON and as a table; and what of it must hold."""

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

from interop.soak.ledger import Findings

MEMORY_SHARE = 0.25
MEMORY_MIB = 8.0
"""What the memory may grow from the base line to the end: a share and some more. The allocators of Python and of the C
library give back only what is free in large pieces, and where the last messages were is a matter of chance."""

BLOCKS_SHARE = 0.1
"""What they may grow: caches of Python itself fill up, but hardly."""


@dataclass(frozen=True)
class Quiet:
    """The broker without clients and queues. Where nothing is known of its process, the numbers are 0."""

    minutes: float
    resident_mib: float
    blocks: int
    """Python's blocks of memory: what is small, which is most, without what the allocators keep."""
    descriptors: int
    objects: dict[str, int]


@dataclass
class Report:
    broker: str
    seed: int
    clients: int
    restart_every_s: float
    minutes: float = 0.0
    shifts: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    cuts: Counter[str] = field(default_factory=Counter)
    restarts: Counter[str] = field(default_factory=Counter)
    connections_max: int = 0
    resident_max_mib: float = 0.0
    objects_at_start: dict[str, int] = field(default_factory=dict)
    quiet: list[Quiet] = field(default_factory=list)
    """The first is the base line."""
    findings: dict[str, int] = field(default_factory=dict)
    details: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        return not self.findings

    def close(self, findings: Findings) -> None:
        self.findings = dict(findings.counts)
        self.details = [f"{each.kind}: {each.text}" for each in findings.first]

    def as_json(self) -> dict[str, Any]:
        plain = {name: dict(value) if isinstance(value, Counter) else value for name, value in vars(self).items()}
        return {"is_good": self.is_good, **plain, "quiet": [asdict(each) for each in self.quiet]}

    @classmethod
    def from_json(cls, saved: dict[str, Any]) -> "Report":
        """What `as_json` gave."""
        plain = {name: value for name, value in saved.items() if name != "is_good"}
        counters = {name: Counter(saved[name]) for name in ("counts", "cuts", "restarts")}
        return cls(**{**plain, **counters, "quiet": [Quiet(**each) for each in saved["quiet"]]})

    def as_table(self) -> str:
        base, last = self.quiet[0], self.quiet[-1]
        counts = self.counts
        rows = [
            ("broker", self.broker),
            ("time", f"{self.minutes:.1f} minutes, {self.shifts} shifts, seed {self.seed}"),
            ("connections", f"{self.connections_max} at most; cut: {_listed(self.cuts)}"),
            ("restarts", _listed(self.restarts) or "none"),
            ("published, confirmed", f"{counts['published']:,}, {counts['confirmed']:,}"),
            ("received, of these redelivered", f"{counts['received']:,}, {counts['redelivered']:,}"),
            ("lost, phantom, doubled, out of order", ", ".join(str(self.findings.get(kind, 0)) for kind in ACCOUNTS)),
            (
                "resident memory, MiB",
                f"{base.resident_mib:.1f} at first, {last.resident_mib:.1f} at the end,"
                f" {self.resident_max_mib:.1f} at most",
            ),
            ("Python's blocks of memory", f"{base.blocks:,} at first, {last.blocks:,} at the end"),
            ("descriptors", f"{base.descriptors} at first, {last.descriptors} at the end"),
            (
                "objects of amqpy",
                f"{sum(self.objects_at_start.values())} at the start, {sum(last.objects.values())} at the end",
            ),
            ("other findings", _listed(Counter(_others(self.findings))) or "none"),
        ]
        return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)])


ACCOUNTS = ("lost", "phantom", "doubled", "order")


def _others(findings: dict[str, int]) -> dict[str, int]:
    return {kind: count for kind, count in findings.items() if kind not in ACCOUNTS}


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{count:,} {what}" for what, count in sorted(counts.items()))


def compare(report: Report, findings: Findings) -> None:
    """What is left behind, against the base line; of objects, against a broker that was just started."""
    base, now = report.quiet[0], report.quiet[-1]
    if now.descriptors > base.descriptors:
        findings.note("descriptors", f"{now.descriptors}, at first {base.descriptors}")
    if now.resident_mib > memory_max_mib(base):
        findings.note("memory", f"{now.resident_mib:.1f} MiB, at first {base.resident_mib:.1f}")
    if now.blocks > base.blocks * (1 + BLOCKS_SHARE):
        findings.note("blocks", f"{now.blocks:,}, at first {base.blocks:,}")
    if more := grown(report.objects_at_start, now.objects):
        findings.note("objects", ", ".join(f"{kind}: {was} at first, {count}" for kind, (was, count) in more.items()))


def grown(before: dict[str, int], now: dict[str, int]) -> dict[str, tuple[int, int]]:
    """The kinds of objects of which there are more."""
    both = {kind: (before.get(kind, 0), count) for kind, count in now.items()}
    return {kind: counts for kind, counts in both.items() if counts[1] > counts[0]}


def memory_max_mib(base: Quiet) -> float:
    return base.resident_mib * (1 + MEMORY_SHARE) + MEMORY_MIB
