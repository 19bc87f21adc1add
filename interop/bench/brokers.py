"""The brokers that are measured: amqpy of this tree or of another commit, RabbitMQ, or one that runs already."""

import compileall
import contextlib
import io
import math
import shutil
import subprocess
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, nullcontext
from pathlib import Path

from hatch_build import compiled
from interop.kit import brokers
from interop.kit.address import Address
from interop.kit.brokers import ROOT, private_amqpy, private_rabbitmq
from interop.kit.process import cpu_seconds, resident_mib
from interop.kit.program import POLL_S, START_TIMEOUT_S, ProgramFailed
from interop.rabbitmq import answers_amqp

Make = Callable[[bool, bool, bool], contextlib.AbstractContextManager[brokers.Broker]]
"""A broker that is not started yet. The first tells if it is to keep on disk what is durable, which brokers that cannot
do without ignore; the second, if it is to listen for TLS, too; the third, if it is to have the management API."""


class Broker:
    """A broker that starts on a new directory whenever it was stopped, and on the same when it is restarted."""

    is_ours = True
    """It may be started, stopped and killed at will."""

    def __init__(self, name: str, make: Make) -> None:
        self.name = name
        self.start_seconds = math.nan
        self._make = make
        self._made: brokers.Broker | None = None
        self._wanted = (False, False, False)
        self._home = ExitStack()

    def start(self, *, durable: bool = False, tls: bool = False, managed: bool = False) -> None:
        wanted = (durable, tls, managed)
        if wanted != self._wanted:
            self.stop()
        self._wanted = wanted
        if self._made is None:
            self._made = self._home.enter_context(self._make(*wanted))
            self._time(self._made.start)

    def restart(self, *, kill: bool = False) -> None:
        """Stop in good order, or by SIGKILL, and start on the same directory."""
        (self._broker.kill if kill else self._broker.stop)()
        self._time(self._broker.start)

    def stop(self) -> None:
        made, self._made = self._made, None
        with self._home:
            if made is not None:
                made.stop()

    def _time(self, start: Callable[[], object]) -> None:
        """Until a protocol header is answered; polled often, because this is what start-up times are made of."""
        started_at = time.monotonic()
        start()
        while self.pid and not answers_amqp(self._broker.port):
            if time.monotonic() > started_at + START_TIMEOUT_S:
                raise ProgramFailed(f"{self.name} does not answer:\n{self._broker.log()}")
            time.sleep(POLL_S)
        self.start_seconds = time.monotonic() - started_at

    @property
    def _broker(self) -> brokers.Broker:
        if self._made is None:
            raise RuntimeError(f"{self.name} does not run")
        return self._made

    @property
    def url(self) -> str:
        return self._broker.address.url

    @property
    def tls_url(self) -> str:
        return self._broker.tls_address.url

    @property
    def management_port(self) -> int:
        return self._broker.management_port

    @property
    def pid(self) -> int | None:
        return (self._made.pid if self._made else 0) or None

    @property
    def data_dir(self) -> Path | None:
        return self._broker.data_dir

    def resident_mib(self) -> float:
        return resident_mib(self.pid) if self.pid else math.nan

    def cpu_seconds(self) -> float:
        return cpu_seconds(self.pid) if self.pid else math.nan


class PeerBroker(Broker):
    """Somebody else's, who alone may stop it. Its CPU and memory are known if its process is."""

    is_ours = False

    def __init__(self, name: str, address: Address, pid: int | None = None) -> None:
        super().__init__(name, lambda durable, tls, managed: nullcontext(brokers.Elsewhere(address.url)))
        self._pid = pid

    def restart(self, *, kill: bool = False) -> None:
        raise RuntimeError(f"{self.name} was started by somebody else, who alone may restart it")

    def _time(self, start: Callable[[], object]) -> None:
        """Nothing is started, so there is no time it took."""

    @property
    def pid(self) -> int | None:
        return self._pid


def rabbitmq() -> Broker:
    return Broker("RabbitMQ", lambda durable, tls, managed: private_rabbitmq(tls=tls, managed=managed))


def amqpy(name: str = "amqpy", source: Path = ROOT) -> Broker:
    compileall.compile_dir(source / "amqpy", quiet=1)  # as whoever installs a package does

    def make(durable: bool, tls: bool, managed: bool) -> contextlib.AbstractContextManager[brokers.Broker]:
        return private_amqpy((), in_memory=not durable, source=source, tls=tls, managed=managed)

    return Broker(name, make)


@contextlib.contextmanager
def source_of(commit: str) -> Iterator[Path]:
    """The tree of a commit, unpacked beside: nothing is registered in the repository, so nothing stays behind. Its part
    in C is built, if it has one."""
    command = ["git", "-C", str(ROOT), "archive", "--format=zip", commit, "amqpy"]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        raise SystemExit(f"cannot read {commit}: {done.stderr.decode().strip()}")
    with tempfile.TemporaryDirectory(prefix="amqpy-base-") as folder:
        zipfile.ZipFile(io.BytesIO(done.stdout)).extractall(folder)
        scanner = Path(folder, "amqpy", "wire", "_scan.c")
        if scanner.exists():
            shutil.copy(compiled(scanner, folder), scanner.parent)
        yield Path(folder)


def rabbitmq_version() -> str:
    """The version of the installed package, from the name of its directory."""
    names = sorted(path.name for path in Path("/usr/lib/rabbitmq/lib").glob("rabbitmq_server-*"))
    return names[-1].removeprefix("rabbitmq_server-") if names else "not installed"
