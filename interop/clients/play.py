"""Tries one library with one broker."""

import contextlib
import os
import signal
import subprocess
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import IO, ClassVar
from urllib.parse import quote

from interop.clients import network, reports, tap
from interop.clients.brokers import STANDARD_MANAGEMENT_PORT, Broker, Provider
from interop.clients.library import GUEST, Library, Program, Suite
from interop.clients.proxy import Proxy
from interop.clients.report import counts
from interop.clients.results import LibraryResult, SuiteResult, matching
from interop.clients.workspace import InstallFailed, Workspace
from interop.kit import proxy
from interop.kit.address import STANDARD_PORT, STANDARD_TLS_PORT, Address
from interop.kit.brokers import LOOPBACK
from interop.kit.program import ProgramFailed

TEXT_LINES = 12

Tell = Callable[[str], None]


def play(library: Library, provide: Provider, *, quick: bool, tell: Tell) -> LibraryResult:
    """Install a library and run its programs and its own tests; with `quick`, without those that are slow."""
    result = LibraryResult()
    workspace = Workspace(library)
    try:
        with workspace.alone(Command.check_not_over):
            workspace.install()
            result.version = workspace.version()
            with provide(GUEST) as broker:
                for program in library.programs:
                    if not is_left_out(program, broker, quick=quick):
                        result.programs[program.name] = play_program(program, workspace, broker)
                        tell_checks(f"{library.name}, {program.name}", result.programs[program.name], tell)
            for suite in library.suites:
                with provide(suite.account) as broker:
                    if is_left_out(suite, broker, quick=quick):
                        continue
                    result.suites[suite.name] = play_suite(suite, workspace, broker)
                tell_suite(f"{library.name}, {suite.name}", suite, result.suites[suite.name], tell)
    except (InstallFailed, ProgramFailed, OSError) as error:
        result.trouble.append(str(error))
    return result


def is_left_out(part: Program | Suite, broker: Broker, *, quick: bool) -> bool:
    lacks = (part.tls and broker.tls is None) or (part.management and not broker.management_port)
    lacks = lacks or (isinstance(part, Program) and part.streams and not broker.stream_port)
    return (quick and part.slow) or lacks


def tell_checks(title: str, checks: Sequence[tap.Check], tell: Tell) -> None:
    passed = sum(check.outcome == "ok" for check in checks)
    tell(f"{title}: {passed} of {len(checks)} checks passed")
    for check in checks:
        if check.outcome != "ok":
            tell(told(check.name, check.outcome, check.text))


def tell_suite(title: str, suite: Suite, result: SuiteResult, tell: Tell) -> None:
    """How many tests passed, and what those say that failed and were not expected to."""
    expected = matching(result.failed, [*suite.lacks, *suite.reasons])
    failed = [told(test, "failed", text) for test, text in result.failed.items() if test not in expected]
    tell("\n".join([f"{title}: {counts(result)}", *failed]))


def told(name: str, outcome: str, text: str) -> str:
    """A check or test by its outcome, with the last lines of what it says."""
    return "\n    ".join([f"  {outcome}: {name}", *text.splitlines()[-TEXT_LINES:]])


def play_program(program: Program, workspace: Workspace, broker: Broker) -> list[tap.Check]:
    with Proxy(broker.address) as proxy:
        environment = {
            "AMQP_URL": proxy.address.url,
            "INTEROP_CONTROL": str(proxy.control_port),
            "INTEROP_PREFIX": f"interop-{uuid.uuid4().hex[:8]}",
            **tls_environment(broker),
            **management_environment(broker),
            **stream_environment(broker),
        }
        log = workspace.folder / f"{program.name}.log"
        command = Command(program.command, workspace.programs, workspace.environment(environment), log)
        code = command.run(program.timeout_s)
    checks = tap.parse(log.read_text(errors="replace").splitlines())
    if code and not any(check.outcome == "failed" for check in checks):
        checks.append(tap.Check("the end", "failed", f"ended with code {code}"))
    return [
        tap.Check(check.name, check.outcome, check.text or f"see {log}") if check.outcome == "failed" else check
        for check in checks
    ]


def tls_environment(broker: Broker) -> dict[str, str]:
    """What programs are told of the broker's TLS."""
    tls = broker.tls
    if tls is None:
        return {}
    return {
        "AMQPS_URL": broker.tls_address.url,
        "INTEROP_AUTHORITY": str(tls.authority),
        "INTEROP_CERTIFICATE": str(tls.client),
        "INTEROP_PKCS12": str(tls.client_pkcs12),
    }


def management_environment(broker: Broker) -> dict[str, str]:
    """What programs are told of the broker's HTTP API."""
    if not broker.management_port:
        return {}
    user, password = (quote(each, safe="") for each in (broker.address.user, broker.address.password))
    return {"MANAGEMENT_URL": f"http://{user}:{password}@{broker.address.host}:{broker.management_port}"}


def stream_environment(broker: Broker) -> dict[str, str]:
    """What programs are told of the broker's listener for the stream protocol."""
    if not broker.stream_port:
        return {}
    user, password = (quote(each, safe="") for each in (broker.address.user, broker.address.password))
    return {"STREAM_URL": f"rabbitmq-stream://{user}:{password}@{broker.address.host}:{broker.stream_port}"}


def play_suite(suite: Suite, workspace: Workspace, broker: Broker) -> SuiteResult:
    place = workspace.fresh_copy(suite)
    with broker_as_expected(suite, broker) as (address, prefix):

        def filled(text: str) -> str:
            for name, value in address.items():
                text = text.replace(f"{{{name}}}", str(value))
            return text

        environment = workspace.environment({name: filled(value) for name, value in suite.environment.items()})
        for number, step in enumerate([*suite.prepare, (*prefix, *suite.command)]):
            log = workspace.folder / f"{place.name}-{number}.log"
            Command(tuple(map(filled, step)), place, environment, log).run(suite.timeout_s)
    match suite.report:
        case "-":
            result = reports.from_tap(log.read_text(errors="replace"))
        case "go":
            result = reports.from_go(log.read_text(errors="replace"))
        case path:
            result = reports.from_junit(place / path)
    if not result.passed:
        raise InstallFailed(f"{suite.name}: no test passed; see {log}")
    return result


@contextlib.contextmanager
def broker_as_expected(suite: Suite, broker: Broker) -> Iterator[tuple[Mapping[str, object], tuple[str, ...]]]:
    """What stands for the broker's address in the texts of a suite, and what comes before its command."""
    tls = broker.tls
    files = {"authority": tls.authority, "certificate": tls.client} if tls else {}
    to = broker.address
    if not suite.default_port:
        ports = {"port": to.port, "tls_port": tls.port if tls else 0, "management_port": broker.management_port}
        yield {"url": to.url, "host": to.host, **ports, **files}, ()
        return
    leads: dict[int, network.Lead] = {STANDARD_PORT: partial(Proxy, to)}
    if tls:
        leads[STANDARD_TLS_PORT] = straight_to(broker.tls_address)
    if broker.management_port:
        leads[STANDARD_MANAGEMENT_PORT] = straight_to(replace(to, port=broker.management_port))
    ports = {"port": STANDARD_PORT, "tls_port": STANDARD_TLS_PORT, "management_port": STANDARD_MANAGEMENT_PORT}
    with network.leading_out(leads) as prefix:
        yield {"url": replace(to, host=LOOPBACK, port=STANDARD_PORT).url, "host": "localhost", **ports, **files}, prefix


def straight_to(address: Address) -> network.Lead:
    """For what is no AMQP that could be read on the way."""
    return lambda listening: proxy.Proxy(address, proxy.Pair, clients=listening)


class Interrupted(Exception):
    """The run is to end, and nothing is started any more."""


class Command:
    """A command with a log, which is ended with all its children when its time is over."""

    _running: ClassVar[set["subprocess.Popen[str]"]] = set()
    _is_over: ClassVar[bool] = False
    _lock: ClassVar[threading.Lock] = threading.Lock()

    @classmethod
    def end_all(cls) -> None:
        """End the commands that run, and start none any more: `run` raises `Interrupted` from now on."""
        with cls._lock:
            cls._is_over = True
            for process in cls._running:
                end_group(process)

    @classmethod
    def check_not_over(cls) -> None:
        """Raises `Interrupted`."""
        if cls._is_over:
            raise Interrupted

    def __init__(self, words: Sequence[str], cwd: Path, environment: Mapping[str, str], log: Path) -> None:
        self._words = words
        self._cwd = cwd
        self._environment = environment
        self._log = log

    def run(self, timeout_s: float) -> int:
        """Its exit code. The log has what it wrote, and a line that says so if it was ended."""
        with self._log.open("w") as log:
            process = self._start(log)
            try:
                return process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                log.write(f"\n# not done after {timeout_s:.0f} s\n")
                return 1
            finally:
                end_group(process)
                process.wait()
                with self._lock:
                    self._running.discard(process)

    def _start(self, log: IO[str]) -> "subprocess.Popen[str]":
        with self._lock:
            self.check_not_over()
            process = subprocess.Popen(
                self._words,
                cwd=self._cwd,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                text=True,
            )
            self._running.add(process)
            return process


def end_group(process: "subprocess.Popen[str]") -> None:
    """End a process that leads a group, and the group."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
