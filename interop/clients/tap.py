"""What a program says of its checks: the Test Anything Protocol, as far as it is needed here."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Outcome = Literal["ok", "failed", "skipped"]

POINT = re.compile(
    r"(?P<bad>not )?ok\b(?: *\d+)?(?: *-)? *(?P<name>.*?)(?: *# *(?P<directive>skip|todo)\S*\s*(?P<why>.*))?\s*$",
    re.IGNORECASE,
)
PLAN = re.compile(r"1\.\.(?P<count>\d+)")


@dataclass(frozen=True)
class Check:
    name: str
    outcome: Outcome
    text: str = ""
    """Why it failed or was skipped."""


def parse(lines: Iterable[str]) -> list[Check]:
    """The checks in a program's output. Lines beginning with `#` tell of the check before them.

    Without a plan (`1..n`, at the beginning or at the end) that is kept, one more check has failed: the program did
    not come to its end.
    """
    checks: list[Check] = []
    planned = None
    for line in lines:
        if plan := PLAN.match(line):
            planned = int(plan["count"])
        elif point := POINT.match(line):
            checks.append(check_of(point))
        elif line.startswith("#") and checks and checks[-1].outcome == "failed":
            last = checks.pop()
            checks.append(Check(last.name, last.outcome, f"{last.text}\n{line[1:].strip()}".strip()))
    if planned != len(checks):
        checks.append(Check("the end", "failed", f"planned {planned} checks, saw {len(checks)}"))
    return checks


def check_of(point: re.Match[str]) -> Check:
    if (point["directive"] or "").lower() == "skip":
        return Check(point["name"], "skipped", point["why"] or "")
    return Check(point["name"], "failed" if point["bad"] else "ok")
