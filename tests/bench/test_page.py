"""What people wrote below the table survives the next measurement."""

from interop.bench.report import NOTES, page


def test_notes_stay() -> None:
    assert page("new table\n", f"old table\n{NOTES}\nby hand\n") == f"new table\n{NOTES}\nby hand\n"
    assert page("new table\n", "old table\n") == "new table\n"
    assert page("new table\n", "") == "new table\n"
