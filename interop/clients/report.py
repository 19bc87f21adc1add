"""Results as tables: for the console, and as the Markdown of docs/interop.md."""

from collections.abc import Iterable, Sequence

from interop.clients.library import Library
from interop.clients.results import LibraryResult, Results, SuiteResult

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
"""The checks that programs of every library have, as far as the library can do that at all."""


def console_table(libraries: Iterable[Library], found: Results) -> str:
    lines = [f"with {found.broker}:"]
    for library in libraries:
        result = found.libraries[library.folder]
        suites = "; ".join(f"{name}: {counts(suite)}" for name, suite in result.suites.items())
        lines.append(f"{library.name:28} {result.version:16} {checks_passed(result):10} {suites}")
    return "\n".join(lines)


def checks_passed(result: LibraryResult) -> str:
    checks = [check for check in result.checks() if check.outcome != "skipped"]
    return f"{sum(check.outcome == 'ok' for check in checks)}/{len(checks)}"


def counts(suite: SuiteResult) -> str:
    return f"{suite.passed} passed, {len(suite.failed)} failed, {suite.skipped} skipped"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    cells = [list(head), ["---"] * len(head), *map(list, rows)]
    return "".join(f"| {' | '.join(row)} |\n" for row in cells)
