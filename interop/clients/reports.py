"""What a test runner reports: JUnit's XML, `go test -json`, or TAP, as `SuiteResult`."""

import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable
from pathlib import Path

from interop.clients import tap
from interop.clients.results import SuiteResult
from interop.clients.tap import Outcome


def summary(outcomes: Iterable[tuple[str, Outcome]]) -> SuiteResult:
    """A test that is reported more than once (its teardown, a repetition) has failed if it did once."""
    worst: dict[str, Outcome] = {}
    for test, outcome in outcomes:
        if worst.get(test) != "failed":
            worst[test] = outcome
    found = list(worst.values())
    failed = sorted(test for test, outcome in worst.items() if outcome == "failed")
    return SuiteResult(found.count("ok"), found.count("skipped"), failed)


def from_junit(path: Path) -> SuiteResult:
    return summary(junit_outcomes(path)) if path.exists() else SuiteResult()


def junit_outcomes(path: Path) -> Iterable[tuple[str, Outcome]]:
    for case in ElementTree.parse(path).iter("testcase"):
        name = "::".join(filter(None, [case.get("classname"), case.get("name")]))
        if case.find("failure") is not None or case.find("error") is not None:
            yield name, "failed"
        else:
            yield name, "ok" if case.find("skipped") is None else "skipped"


def from_tap(output: str) -> SuiteResult:
    return summary((check.name, check.outcome) for check in tap.parse(output.splitlines()))


GO_OUTCOMES: dict[str, Outcome] = {"pass": "ok", "fail": "failed", "skip": "skipped"}


def from_go(output: str) -> SuiteResult:
    events = (json.loads(line) for line in output.splitlines() if line.startswith("{"))
    return summary(
        (event["Test"], GO_OUTCOMES[event["Action"]])
        for event in events
        if "Test" in event and event["Action"] in GO_OUTCOMES
    )
