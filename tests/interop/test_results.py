"""Results are kept, and judged."""

from pathlib import Path
from typing import Any

from interop.clients import report, results
from interop.clients.library import Library, Program, Sdist, Suite
from interop.clients.results import LibraryResult, Results, SuiteResult
from interop.clients.tap import Check


def library(**suite: Any) -> Library:  # noqa: ANN401
    own_tests = Suite(source=Sdist("lib==1"), command=("pytest",), **suite)
    return Library("Lib", "Python", "a library", programs=(Program("all", ("x",)),), suites=(own_tests,), folder="lib")


def failing(*tests: str) -> LibraryResult:
    return LibraryResult(
        "1", {"all": [Check("confirms", "ok")]}, {"own tests": SuiteResult(5, 0, dict.fromkeys(tests, ""))}
    )


def test_saved_results_are_found_again_and_others_stay(tmp_path: Path) -> None:
    path = tmp_path / "results" / "broker.json"
    results.save(path, Results("broker 1", {"other": failing("x"), "lib": failing("a")}))
    results.save(path, Results("broker 2", {"lib": failing()}))
    assert results.load(path) == Results("broker 2", {"lib": failing(), "other": failing("x")})


def test_parts_are_saved_one_by_one(tmp_path: Path) -> None:
    path = tmp_path / "broker.json"
    whole = failing("a")
    part = LibraryResult("1", {"TLS": [Check("TLS", "ok")]})
    results.save(path, Results("broker", {"lib": whole}))
    results.save(path, Results("broker", {"lib": part}))
    together = LibraryResult("1", whole.programs | part.programs, whole.suites)
    assert results.load(path).libraries["lib"] == together


def test_parts_of_other_versions_do_not_stay(tmp_path: Path) -> None:
    path = tmp_path / "broker.json"
    part = LibraryResult("2", {"TLS": [Check("TLS", "ok")]})
    results.save(path, Results("broker", {"lib": failing("a")}))
    results.save(path, Results("broker", {"lib": part}))
    assert results.load(path).libraries["lib"] == part


def test_a_line_is_saved_for_each_library(tmp_path: Path) -> None:
    path = tmp_path / "broker.json"
    results.save(path, Results("broker 1", {"other": failing("x"), "lib": failing("a")}))
    assert [line.split(":")[0] for line in path.read_text().splitlines()] == ['{"broker"', '"lib"', '"other"', "}}"]


def test_what_failures_said_is_not_saved(tmp_path: Path) -> None:
    path = tmp_path / "broker.json"
    checks = [Check("confirms", "failed", "a path of this machine"), Check("TLS", "skipped", "there is none")]
    suites = {"own tests": SuiteResult(failed={"test_get": "a path of this machine"})}
    results.save(path, Results("broker", {"lib": LibraryResult("1", {"all": checks}, suites)}))
    saved = results.load(path).libraries["lib"]
    assert saved.programs == {"all": [Check("confirms", "failed"), Check("TLS", "skipped", "there is none")]}
    assert saved.suites == {"own tests": SuiteResult(failed={"test_get": ""})}


def test_nothing_saved_is_nothing(tmp_path: Path) -> None:
    assert results.load(tmp_path / "no.json") == Results("")


def test_all_well() -> None:
    assert results.unexplained(library(), failing(), None) == []


def test_a_failed_check_is_wrong_whatever_the_other_broker_does() -> None:
    found = LibraryResult("1", {"all": [Check("confirms", "failed")]})
    assert results.unexplained(library(), found, found) == ["all: confirms"]


def test_what_could_not_be_tried_is_wrong() -> None:
    assert results.unexplained(library(), LibraryResult(trouble=["no compiler"]), None) == ["no compiler"]


def test_a_test_may_fail_that_fails_with_rabbitmq_as_well() -> None:
    assert results.unexplained(library(), failing("a", "b"), failing("b", "c")) == ["own tests: a"]


def test_a_reason_alone_excuses_nothing() -> None:
    assert results.unexplained(library(reasons={"a": "it is odd"}), failing("a"), failing()) == ["own tests: a"]


def test_a_flaky_test_may_fail_and_may_pass() -> None:
    flaky = library(flaky={"race*": "a race in the test"})
    assert results.unexplained(flaky, failing("race1"), failing()) == []
    assert results.unexplained(flaky, failing(), failing("race1")) == []


def test_only_amqpy_must_lack_what_it_lacks() -> None:
    assert results.unexplained(library(lacks={"tls*": "TLS"}), failing(), failing(), of_amqpy=False) == []


def test_what_amqpy_lacks_must_be_lacking() -> None:
    lacking = library(lacks={"tls*": "TLS"})
    assert results.unexplained(lacking, failing("tls.connect"), failing()) == []
    assert results.unexplained(lacking, failing(), failing()) == ["own tests: nothing fails that is tls*"]


def test_the_page() -> None:
    suite = {"lacks": {"tls*": "TLS"}, "reasons": {"odd*": "it is odd"}}
    amqpy, rabbitmq = failing("tls1", "tls2", "odd"), failing("odd", "new")
    amqpy.programs["all"].append(Check("pools", "ok"))
    page = ([library(**suite)], Results("amqpy 1", {"lib": amqpy}), Results("RabbitMQ 3", {"lib": rabbitmq}))
    assert report.overview(*page).splitlines()[2] == "| Lib 1 | Python | a library | 2/2 | 1/1 | 5/8 | 5/7 |"
    assert report.usual_checks(*page[:2]).splitlines()[2] == "| Lib |  |  | ✓ |  |  |  |  |  |  |  |"
    assert report.special_checks(*page[:2]) == "- Lib: pools\n"
    assert report.failing_tests(*page).splitlines()[2:] == [
        "| Lib | own tests | 2 |  | TLS |",
        "| Lib | own tests | 1 | 1 | it is odd |",
        "| Lib | own tests |  | 1 | `new`: not known |",
    ]
