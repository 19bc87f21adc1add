"""What is taken for a leak, and what the table says."""

import json
from dataclasses import replace
from typing import Any

import pytest

from interop.soak.ledger import Findings
from interop.soak.report import Quiet, Report, compare

BASE = Quiet(1.0, 60.0, 140_000, 14, {"Broker": 1, "Message": 2})


def findings(**changes: Any) -> Findings:  # noqa: ANN401
    report = Report("amqpy", 1, 1, 0.0, objects_at_start=dict(BASE.objects))
    report.quiet = [BASE, replace(BASE, **changes)]
    found = Findings()
    compare(report, found)
    return found


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"descriptors": 13},
        {"resident_mib": 82.9},
        {"blocks": 153_000},
        {"objects": {"Broker": 1}},
    ],
    ids=str,
)
def test_what_may_be(changes: dict[str, object]) -> None:
    assert not findings(**changes).counts


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"descriptors": 15}, "descriptors"),
        ({"resident_mib": 83.1}, "memory"),
        ({"blocks": 155_000}, "blocks"),
        ({"objects": {"Broker": 1, "Message": 3}}, "objects"),
        ({"objects": {"Broker": 1, "Link": 1}}, "objects"),
    ],
    ids=str,
)
def test_a_leak(changes: dict[str, object], kind: str) -> None:
    assert findings(**changes).counts == {kind: 1}


def test_the_report_tells_what_was_found() -> None:
    report, found = Report("amqpy", 1, 1, 0.0, quiet=[BASE]), Findings()
    report.close(found)
    assert report.is_good
    assert "| lost, phantom, doubled, out of order | 0, 0, 0, 0 |" in report.as_table()
    assert "| other findings | none |" in report.as_table()
    found.note("lost", "q: 3", count=3)
    found.note("closed", "541")
    report.close(found)
    assert not report.is_good
    assert report.details == ["lost: q: 3", "closed: 541"]
    assert "| lost, phantom, doubled, out of order | 3, 0, 0, 0 |" in report.as_table()
    assert "| other findings | 1 closed |" in report.as_table()
    assert report.as_json()["findings"] == {"lost": 3, "closed": 1}
    assert Report.from_json(json.loads(json.dumps(report.as_json()))) == report
