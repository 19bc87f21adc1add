"""Results as tables: for the console, and as the Markdown of docs/interop.md."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from interop.clients.library import Library, Suite
from interop.clients.results import LibraryResult, Results, SuiteResult, matching

USUAL = (
    "topology",
    "properties",
    "confirms",
    "returns",
    "prefetch",
    "dead-letter",
    "large body",
    "errors",
    "reconnect after a forced close",
    "reconnect after a cut",
)
"""What programs of every library check, as far as the library can do that at all."""

NOTHING = LibraryResult()


def console_table(libraries: Iterable[Library], found: Results) -> str:
    lines = [f"with {found.broker}:"]
    for library in libraries:
        result = found.libraries[library.folder]
        suites = "; ".join(f"{name}: {counts(suite)}" for name, suite in result.suites.items())
        lines.append(f"{library.name:28} {result.version:16} {checks_passed(result):10} {suites}")
    return "\n".join(lines)


def checks_passed(result: LibraryResult) -> str:
    """As 9/10; checks that say that they can't be made do not count."""
    checks = [check for check in result.checks() if check.outcome != "skipped"]
    return f"{sum(check.outcome == 'ok' for check in checks)}/{len(checks)}" if checks else ""


def counts(suite: SuiteResult) -> str:
    return f"{suite.passed} passed, {len(suite.failed)} failed, {suite.skipped} skipped"


def overview(libraries: Sequence[Library], amqpy: Results, rabbitmq: Results) -> str:
    """A row for each library: our checks and its own tests with both brokers."""
    rows = []
    for library in libraries:
        ours, theirs = both(library, amqpy, rabbitmq)
        name = f"{library.name} {ours.version or theirs.version}".strip()
        cells = [name, library.language, library.about, checks_passed(ours), checks_passed(theirs)]
        rows.append([*cells, own_tests(ours), own_tests(theirs)])
    head = [
        "Library",
        "Language",
        "",
        "Checks: amqpy",
        title_of(rabbitmq),
        "Its own tests: amqpy",
        title_of(rabbitmq),
    ]
    return table(head, rows)


def title_of(results: Results) -> str:
    return results.broker or "RabbitMQ"


def both(library: Library, amqpy: Results, rabbitmq: Results) -> tuple[LibraryResult, LibraryResult]:
    return amqpy.libraries.get(library.folder, NOTHING), rabbitmq.libraries.get(library.folder, NOTHING)


def own_tests(result: LibraryResult) -> str:
    """How many of all suites passed, of those that were not skipped."""
    passed = sum(suite.passed for suite in result.suites.values())
    failed = sum(len(suite.failed) for suite in result.suites.values())
    return f"{passed}/{passed + failed}" if result.suites else ""


def usual_checks(libraries: Sequence[Library], amqpy: Results) -> str:
    """Which of the usual checks there are for a library, if there are any; all of its programs together."""
    rows = []
    for library in libraries:
        outcomes: dict[str, set[str]] = {name: set() for name in USUAL}
        for check in amqpy.libraries.get(library.folder, NOTHING).checks():
            if check.name in outcomes:
                outcomes[check.name].add(check.outcome)
        if any(outcomes.values()):
            rows.append([library.name, *(mark(outcomes[name]) for name in USUAL)])
    return table(["", *USUAL], rows)


def mark(outcomes: set[str]) -> str:
    if "failed" in outcomes:
        return "**fails**"
    return "✓" if "ok" in outcomes else ""


def special_checks(libraries: Sequence[Library], amqpy: Results) -> str:
    """What else the programs of each library check."""
    lines = []
    for library in libraries:
        checks = amqpy.libraries.get(library.folder, NOTHING).checks()
        names = dict.fromkeys(check.name for check in checks if check.name not in USUAL and check.outcome == "ok")
        if names:
            lines.append(f"- {library.name}: {', '.join(names)}\n")
    return "".join(lines)


def failing_tests(libraries: Sequence[Library], amqpy: Results, rabbitmq: Results) -> str:
    """The tests of libraries' own that fail with either broker, gathered by their reasons."""
    rows = []
    for library in libraries:
        ours, theirs = both(library, amqpy, rabbitmq)
        for suite in library.suites:
            found = [result.suites.get(suite.name, SuiteResult()).failed for result in (ours, theirs)]
            with_amqpy, with_rabbitmq = (Counter(reason_of(test, suite) for test in failed) for failed in found)
            for reason in dict.fromkeys([*with_amqpy, *with_rabbitmq]):
                numbers = [str(count[reason] or "") for count in (with_amqpy, with_rabbitmq)]
                rows.append([library.name, suite.name, *numbers, reason])
    return table(["Library", "Tests", "fail: amqpy", title_of(rabbitmq), "Reason"], rows)


def reason_of(test: str, suite: Suite) -> str:
    """Why a test fails, as far as that is known."""
    reasons: Mapping[str, str] = {**suite.lacks, **suite.flaky, **suite.reasons}
    return next((why for pattern, why in reasons.items() if matching([test], [pattern])), f"`{test}`: not known")


def remarks(libraries: Sequence[Library]) -> str:
    return "".join(f"- {library.name}: {remark}\n" for library in libraries for remark in library.remarks)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    cells = [list(head), ["---"] * len(head), *map(list, rows)]
    return "".join(f"| {' | '.join(row)} |\n" for row in cells)
