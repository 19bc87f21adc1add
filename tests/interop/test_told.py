"""What is told of checks and tests while they are made."""

from interop.clients.library import Sdist, Suite
from interop.clients.play import TEXT_LINES, tell_checks, tell_suite
from interop.clients.results import SuiteResult
from interop.clients.tap import Check

SUITE = Suite(
    source=Sdist("lib==1"),
    command=("pytest",),
    lacks={"tls*": "TLS"},
    reasons={"odd*": "it is odd"},
    flaky={"race*": "a race in the test"},
)


def test_each_check_that_did_not_pass_says_why() -> None:
    told: list[str] = []
    checks = [Check("confirms", "ok"), Check("TLS", "skipped", "there is none"), Check("get", "failed", "a\nb")]
    tell_checks("lib", checks, told.append)
    assert told == ["lib: 1 of 3 checks passed", "  skipped: TLS\n    there is none", "  failed: get\n    a\n    b"]


def test_each_test_that_failed_unexpectedly_says_why() -> None:
    told: list[str] = []
    failed = {"get": "line 1\nline 2", "tls1": "no certificate", "odd": "1 is not 2", "race": ""}
    tell_suite("lib, own tests", SUITE, SuiteResult(5, 0, failed), told.append)
    assert told == [
        "lib, own tests: 5 passed, 4 failed, 0 skipped\n  failed: get\n    line 1\n    line 2\n  failed: race"
    ]


def test_a_long_text_is_told_by_its_end() -> None:
    told: list[str] = []
    lines = [f"line {number}" for number in range(TEXT_LINES + 1)]
    tell_suite("lib, own tests", SUITE, SuiteResult(failed={"get": "\n".join(lines)}), told.append)
    assert told[0].splitlines()[2:] == [f"    {line}" for line in lines[1:]]
