"""What is said of the libraries holds together with what was saved of them."""

import re
import ssl
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization.pkcs12 import load_key_and_certificates
from cryptography.x509.oid import NameOID

from interop.clients import results
from interop.clients.__main__ import parts_of, runnable, why_not
from interop.clients.brokers import Broker
from interop.clients.library import LANGUAGES, Library, Sdist, all_libraries
from interop.clients.play import is_left_out, management_environment, tls_environment
from interop.clients.workspace import CLIENTS
from interop.kit.address import Address
from interop.kit.tls import make_tls

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


def test_what_is_of_another_release_of_debian_takes_a_root_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("interop.clients.__main__.obstacle", lambda: "root")
    reason = "it is of another release of Debian, which takes root"
    assert why_not(LIBRARIES["rabbitmqadmin_ng"], (3, 11), 12) == reason
    assert why_not(LIBRARIES["rabbitmqadmin"], (3, 11), 12) is None
    monkeypatch.setattr("interop.clients.__main__.obstacle", lambda: "")
    assert why_not(LIBRARIES["rabbitmqadmin_ng"], (3, 11), 12) is None


def test_what_is_left_out_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("interop.clients.__main__.debian_release", lambda: 13)
    kept, told = runnable([LIBRARIES["py_amqplib"], LIBRARIES["pika"]], quick=True)
    assert [library.folder for library in kept] == ["pika"]
    assert "py-amqplib: not run, as Debian 13 does not have it any more" in told


def test_parts_are_chosen_by_name() -> None:
    chosen = parts_of([LIBRARIES["pika"], LIBRARIES["carbon"], LIBRARIES["kombu"]], ("TLS", "own tests"))
    parts = {
        library.folder: [*(program.name for program in library.programs), *(suite.name for suite in library.suites)]
        for library in chosen
    }
    assert parts == {"pika": ["TLS", "own tests"], "kombu": ["TLS", "own tests"]}


def test_without_a_choice_all_parts_are_chosen() -> None:
    assert parts_of([LIBRARIES["pika"]], ()) == [LIBRARIES["pika"]]


def test_what_needs_a_certificate_is_left_out_where_there_is_none() -> None:
    somewhere = Broker("a broker", Address("127.0.0.1", 5672))
    left_out = [each.name for each in LIBRARIES["pika"].programs if is_left_out(each, somewhere, quick=False)]
    assert left_out == ["TLS"]


def test_what_needs_the_http_api_is_left_out_where_there_is_none() -> None:
    (program,) = LIBRARIES["rabbitmqadmin"].programs
    somewhere = Broker("a broker", Address("127.0.0.1", 5672))
    assert is_left_out(program, somewhere, quick=False)
    assert not is_left_out(program, replace(somewhere, management_port=15672), quick=True)


def test_programs_are_told_of_the_http_api() -> None:
    broker = Broker("a broker", Address("127.0.0.1", 5672, "a b", "p@ss"))
    assert management_environment(broker) == {}
    told = management_environment(replace(broker, management_port=15672))
    assert told == {"MANAGEMENT_URL": "http://a%20b:p%40ss@127.0.0.1:15672"}


def test_programs_are_told_of_tls(tmp_path: Path) -> None:
    tls = make_tls(tmp_path, asks_for_certificates=True, client="app")
    broker = Broker("a broker", Address("127.0.0.1", 5672, "app"), tls=tls)
    told = tls_environment(broker)
    assert told["AMQPS_URL"] == f"amqps://app:guest@localhost:{tls.port}/%2F"
    trusting = ssl.create_default_context(cafile=told["INTEROP_AUTHORITY"])
    trusting.load_cert_chain(told["INTEROP_CERTIFICATE"])
    in_pem = x509.load_pem_x509_certificate(Path(told["INTEROP_CERTIFICATE"]).read_bytes())
    key, in_pkcs12, _ = load_key_and_certificates(Path(told["INTEROP_PKCS12"]).read_bytes(), b"interop")
    assert key is not None
    assert in_pem == in_pkcs12
    assert in_pem.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "app"
