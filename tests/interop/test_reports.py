"""What test runners report."""

from pathlib import Path

import pytest

from interop.clients import reports
from interop.clients.results import SuiteResult


def test_junit(tmp_path: Path) -> None:
    report = tmp_path / "junit.xml"
    report.write_text(
        """<testsuites><testsuite>
        <testcase classname="t.Basic" name="test_publish" />
        <testcase classname="t.Basic" name="test_get"><failure message="no" /></testcase>
        <testcase classname="t.Basic" name="test_tls"><skipped /></testcase>
        <testcase classname="t.Basic" name="test_end" />
        <testcase classname="t.Basic" name="test_end"><error message="in its teardown" /></testcase>
        <testcase name="alone" />
        </testsuite></testsuites>"""
    )
    failed = ["t.Basic::test_end", "t.Basic::test_get"]
    assert reports.from_junit(report) == SuiteResult(passed=2, skipped=1, failed=failed)


def test_no_report_is_no_test(tmp_path: Path) -> None:
    assert reports.from_junit(tmp_path / "nothing.xml").passed == 0


def test_go() -> None:
    output = """go: downloading nothing
{"Action":"run","Test":"TestOpen"}
{"Action":"output","Test":"TestOpen","Output":"..."}
{"Action":"pass","Test":"TestOpen"}
{"Action":"fail","Test":"TestTLS"}
{"Action":"skip","Test":"TestSlow"}
{"Action":"fail","Package":"amqp"}"""
    assert reports.from_go(output) == SuiteResult(passed=1, skipped=1, failed=["TestTLS"])


@pytest.mark.parametrize("output", ["", "1..2\nok - a\n"])
def test_tap_that_ends_early_has_failed(output: str) -> None:
    assert "the end" in reports.from_tap(output).failed
