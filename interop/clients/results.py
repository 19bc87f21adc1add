"""What became of the programs and tests of libraries with one broker, kept as a file between runs."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from interop.clients.library import Library, Suite
from interop.clients.tap import Check

FOLDER = Path(__file__).with_name("results")
REFERENCE = FOLDER / "rabbitmq.json"
SUBJECT = FOLDER / "amqpy.json"


@dataclass
class SuiteResult:
    passed: int = 0
    skipped: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    """Tests by their names, with what the runner says of why."""


@dataclass
class LibraryResult:
    version: str = ""
    programs: dict[str, list[Check]] = field(default_factory=dict)
    suites: dict[str, SuiteResult] = field(default_factory=dict)
    trouble: list[str] = field(default_factory=list)
    """What kept the library, or some of its programs and tests, from being tried at all; what a broker's log said."""

    def checks(self) -> list[Check]:
        return [check for checks in self.programs.values() for check in checks]


@dataclass
class Results:
    """Of one broker; libraries by the names of their folders."""

    broker: str
    libraries: dict[str, LibraryResult] = field(default_factory=dict)


def load(path: Path) -> Results:
    """What was saved there, nothing if there is no such file."""
    if not path.exists():
        return Results("")
    saved = json.loads(path.read_text("utf-8"))
    return Results(
        saved["broker"],
        {
            folder: LibraryResult(
                library["version"],
                {name: list(map(check_from, checks)) for name, checks in library["programs"].items()},
                {name: suite_from(suite) for name, suite in library["suites"].items()},
            )
            for folder, library in saved["libraries"].items()
        },
    )


def save(path: Path, results: Results) -> None:
    """Write new results over older ones of the same programs and suites, a line for each library; others stay, but not
    those of another version of the library.

    Without what failures said: that is about one run on one machine.
    """
    earlier = load(path).libraries
    together = earlier | {folder: joined(earlier.get(folder), new) for folder, new in results.libraries.items()}
    lines = ",\n".join(f"{as_json(folder)}: {as_json(compact(result))}" for folder, result in sorted(together.items()))
    path.parent.mkdir(exist_ok=True)
    path.write_text(f'{{"broker": {as_json(results.broker)}, "libraries": {{\n{lines}\n}}}}\n', "utf-8")


def joined(earlier: LibraryResult | None, new: LibraryResult) -> LibraryResult:
    if earlier is None or earlier.version != new.version:
        return new
    return replace(new, programs=earlier.programs | new.programs, suites=earlier.suites | new.suites)


def as_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def compact(result: LibraryResult) -> dict[str, object]:
    return {
        "version": result.version,
        "programs": {name: list(map(compact_check, checks)) for name, checks in result.programs.items()},
        "suites": {name: {**vars(suite), "failed": list(suite.failed)} for name, suite in result.suites.items()},
    }


def compact_check(check: Check) -> str | list[str]:
    """The name alone of one that passed, as nearly all do."""
    if check.outcome == "ok":
        return check.name
    return [check.name, check.outcome, check.text] if check.outcome == "skipped" else [check.name, check.outcome]


def check_from(saved: str | Sequence[Any]) -> Check:
    return Check(saved, "ok") if isinstance(saved, str) else Check(*saved)


def suite_from(saved: dict[str, Any]) -> SuiteResult:
    return SuiteResult(**{**saved, "failed": dict.fromkeys(saved["failed"], "")})


def unexplained(
    library: Library, result: LibraryResult, reference: LibraryResult | None, *, of_amqpy: bool = True
) -> list[str]:
    """What is wrong with a broker, a line each, given what became of the same library with RabbitMQ.

    A program's check must pass. A test of a library's own may fail if it fails with RabbitMQ as well, if it is known to
    be flaky, or if it needs what amqpy is known to lack; once it passes, it must not be said to lack that.
    """
    wrong = list(result.trouble)
    wrong += [
        f"{name}: {check.name}"
        for name, checks in result.programs.items()
        for check in checks
        if check.outcome == "failed"
    ]
    for suite in library.suites:
        if found := result.suites.get(suite.name):
            with_rabbitmq = reference.suites.get(suite.name, SuiteResult()).failed if reference else {}
            excused = {*with_rabbitmq, *matching(found.failed, [*suite.lacks, *suite.flaky])}
            wrong += [f"{suite.name}: {test}" for test in found.failed if test not in excused]
            if of_amqpy:
                wrong += [f"{suite.name}: nothing fails that is {pattern}" for pattern in stale(suite, found)]
    return wrong


def matching(tests: Iterable[str], patterns: Iterable[str]) -> list[str]:
    return [test for test in tests if any(fnmatchcase(test, pattern) for pattern in patterns)]


def stale(suite: Suite, found: SuiteResult) -> list[str]:
    """What a suite says that amqpy lacks, though no test fails for it."""
    return [pattern for pattern in suite.lacks if not matching(found.failed, [pattern])]
