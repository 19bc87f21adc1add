"""What is said of the libraries holds together with what was saved of them."""

import re
from collections.abc import Iterator

import pytest

from interop.clients import results
from interop.clients.__main__ import runnable, why_not
from interop.clients.library import LANGUAGES, Library, Sdist, all_libraries
from interop.clients.workspace import CLIENTS

LIBRARIES = {library.folder: library for library in all_libraries()}


@pytest.fixture(params=LIBRARIES)
def library(request: pytest.FixtureRequest) -> Library:
    return LIBRARIES[request.param]


def test_there_are_some() -> None:
    assert "pika" in LIBRARIES


def test_it_can_be_run(library: Library) -> None:
    assert library.language in LANGUAGES
    assert library.programs
    names = [program.name for program in library.programs] + [suite.name for suite in library.suites]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[\w,. -]+", name) for name in names), "names are names of files, too"


def test_versions_are_pinned(library: Library) -> None:
    assert all("==" in requirement for requirement in library.pip[:1])
    assert all("@" in requirement[1:] for requirement in library.npm[:1])
    assert all("==" in suite.source.requirement for suite in library.suites if isinstance(suite.source, Sdist))


def test_settings_that_are_laid_over_tests_exist(library: Library) -> None:
    folder = CLIENTS / "libraries" / library.folder
    assert all((folder / ours).is_file() for suite in library.suites for ours in suite.overlay)


def test_everything_was_run_with_both_brokers(library: Library) -> None:
    for path in (results.SUBJECT, results.REFERENCE):
        saved = results.load(path).libraries[library.folder]
        assert saved.programs.keys() == {program.name for program in library.programs}
        assert saved.suites.keys() == {suite.name for suite in library.suites}


def test_every_failure_has_a_reason(library: Library) -> None:
    assert not list(failures_without_reason(library))


def failures_without_reason(library: Library) -> Iterator[str]:
    for path in (results.SUBJECT, results.REFERENCE):
        saved = results.load(path).libraries[library.folder]
        for suite in library.suites:
            failed = saved.suites[suite.name].failed
            known = results.matching(failed, [*suite.lacks, *suite.flaky, *suite.reasons])
            yield from (f"{path.stem}: {test}" for test in failed if test not in known)


def test_every_program_passes_with_both_brokers(library: Library) -> None:
    for path in (results.SUBJECT, results.REFERENCE):
        saved = results.load(path).libraries[library.folder]
        assert not [check for check in saved.checks() if check.outcome == "failed"]


@pytest.mark.parametrize(
    ("folder", "python", "debian", "reason"),
    [
        ("pika", (3, 14), 13, None),
        ("carbon", (3, 11), 12, None),
        ("carbon", (3, 12), None, "it cannot be built with Python 3.12 or newer"),
        ("py_amqplib", (3, 13), 12, None),
        ("py_amqplib", (3, 13), None, None),
        ("py_amqplib", (3, 11), 13, "Debian 13 does not have it any more"),
    ],
)
def test_what_cannot_be_had_here_is_left_out_with_the_reason(
    folder: str, python: tuple[int, int], debian: int | None, reason: str | None
) -> None:
    assert why_not(LIBRARIES[folder], python, debian) == reason


def test_what_is_left_out_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("interop.clients.__main__.debian_release", lambda: 13)
    kept, told = runnable([LIBRARIES["py_amqplib"], LIBRARIES["pika"]], quick=True)
    assert [library.folder for library in kept] == ["pika"]
    assert "py-amqplib: not run, as Debian 13 does not have it any more" in told
