"""What programs say of their checks."""

from interop.clients.tap import Check, parse


def test_points_and_plan() -> None:
    output = ["1..3", "ok 1 - confirms", "not ok - large body", "noise", "ok 3 - TLS # SKIP there is none"]
    assert parse(output) == [
        Check("confirms", "ok"),
        Check("large body", "failed"),
        Check("TLS", "skipped", "there is none"),
    ]


def test_what_follows_a_failure_tells_why() -> None:
    output = ["not ok - returns", "# expected 312", "# got nothing", "ok - confirms", "# all is well", "1..2"]
    assert parse(output) == [Check("returns", "failed", "expected 312\ngot nothing"), Check("confirms", "ok")]


def test_names_may_have_a_number_sign() -> None:
    assert parse(["ok - queue #1", "1..1"]) == [Check("queue #1", "ok")]


def test_a_program_that_ends_early_has_failed() -> None:
    without_plan = parse(["ok - confirms"])
    assert without_plan[-1] == Check("the end", "failed", "planned None checks, saw 1")
    assert parse(["1..2", "ok - confirms"])[-1].outcome == "failed"
    assert parse([])[-1].outcome == "failed"
