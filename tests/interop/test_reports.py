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
        <testcase classname="t.Basic" name="test_get"><failure message="no">line 7</failure></testcase>
        <testcase classname="t.Basic" name="test_tls"><skipped /></testcase>
        <testcase classname="t.Basic" name="test_end" />
        <testcase classname="t.Basic" name="test_end"><error message="in its teardown" /></testcase>
        <testcase name="alone" />
        </testsuite></testsuites>"""
    )
    failed = {"t.Basic::test_end": "in its teardown", "t.Basic::test_get": "no\nline 7"}
    assert reports.from_junit(report) == SuiteResult(passed=2, skipped=1, failed=failed)


def test_no_report_is_no_test(tmp_path: Path) -> None:
    assert reports.from_junit(tmp_path / "nothing.xml").passed == 0


def test_go() -> None:
    output = """go: downloading nothing
{"Action":"run","Test":"TestOpen"}
{"Action":"output","Test":"TestOpen","Output":"..."}
{"Action":"pass","Test":"TestOpen"}
{"Action":"output","Test":"TestTLS","Output":"no certificate\\n"}
{"Action":"output","Test":"TestTLS","Output":"--- FAIL: TestTLS\\n"}
{"Action":"fail","Test":"TestTLS"}
{"Action":"skip","Test":"TestSlow"}
{"Action":"fail","Package":"amqp"}"""
    failed = {"TestTLS": "no certificate\n--- FAIL: TestTLS\n"}
    assert reports.from_go(output) == SuiteResult(passed=1, skipped=1, failed=failed)


def test_go_that_fails_after_its_tests() -> None:
    output = """{"Action":"pass","Package":"amqp","Test":"TestOpen"}
{"Action":"output","Package":"amqp","Output":"found unexpected goroutines"}
{"Action":"fail","Package":"amqp"}"""
    assert reports.from_go(output) == SuiteResult(passed=1, failed={"the end": "found unexpected goroutines"})


@pytest.mark.parametrize("output", ["", "1..2\nok - a\n"])
def test_tap_that_ends_early_has_failed(output: str) -> None:
    assert "the end" in reports.from_tap(output).failed
