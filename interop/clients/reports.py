"""What a test runner reports: JUnit's XML, `go test -json`, or TAP, as `SuiteResult`."""

import json
import xml.etree.ElementTree as ElementTree
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from interop.clients import tap
from interop.clients.results import SuiteResult
from interop.clients.tap import Check, Outcome


def summary(tests: Iterable[Check]) -> SuiteResult:
    """A test that is reported more than once (its teardown, a repetition) has failed if it did once."""
    worst: dict[str, Check] = {}
    for test in tests:
        if test.name not in worst or worst[test.name].outcome != "failed":
            worst[test.name] = test
    found = [test.outcome for test in worst.values()]
    failed = {name: test.text for name, test in sorted(worst.items()) if test.outcome == "failed"}
    return SuiteResult(found.count("ok"), found.count("skipped"), failed)


def from_junit(path: Path) -> SuiteResult:
    return summary(junit_tests(path)) if path.exists() else SuiteResult()


def junit_tests(path: Path) -> Iterator[Check]:
    for case in ElementTree.parse(path).iter("testcase"):
        name = "::".join(filter(None, [case.get("classname"), case.get("name")]))
        if wrong := [*case.iter("failure"), *case.iter("error")]:
            yield Check(name, "failed", "\n".join(filter(None, [wrong[0].get("message"), wrong[0].text])))
        else:
            yield Check(name, "ok" if case.find("skipped") is None else "skipped")


def from_tap(output: str) -> SuiteResult:
    return summary(tap.parse(output.splitlines()))


GO_OUTCOMES: dict[str, Outcome] = {"pass": "ok", "fail": "failed", "skip": "skipped"}


def from_go(output: str) -> SuiteResult:
    return summary(go_tests(json.loads(line) for line in output.splitlines() if line.startswith("{")))


def go_tests(events: Iterable[Mapping[str, str]]) -> Iterator[Check]:
    """The tests, and "the end" if what was run has failed though none of them has."""
    told: dict[str, str] = defaultdict(str)
    has_failed = False
    for event in events:
        test = event.get("Test", "")
        if event["Action"] == "output":
            told[test] += event["Output"]
        elif event["Action"] in GO_OUTCOMES:
            outcome = GO_OUTCOMES[event["Action"]]
            if test:
                yield Check(test, outcome, told[test])
            elif outcome == "failed" and not has_failed:
                yield Check("the end", outcome, told[test])
            has_failed |= outcome == "failed"
