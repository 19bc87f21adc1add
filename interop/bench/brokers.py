"""The brokers that are measured: amqpy from this tree, amqpy from another commit, RabbitMQ, or any URL."""

import contextlib
import io
import math
import os
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from interop import rabbitmq
from interop.bench.peer import Address
from interop.bench.process import cpu_seconds, resident_mib

ROOT = Path(__file__).resolve().parents[2]
START_TIMEOUT_S = 300.0  # with a large backlog
STOP_TIMEOUT_S = 60.0
POLL_INTERVAL_S = 0.002


class BrokerFailed(RuntimeError):
    """The broker did not start, or died; the text is the end of its log."""


class Broker:
    """A broker that can be started and stopped any number of times, and restarted with what it keeps on disk.
    Subclasses say how."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.url = ""
        self.pid: int | None = None
        self.start_seconds = math.nan
        self.data_dir: Path | None = None
        self._home = ExitStack()
        self._process = ExitStack()

    def settle(self, home: ExitStack) -> None:
        """Make what is there until the broker is stopped, through all restarts."""

    def launch(self, process: ExitStack) -> tuple[str, int | None]:
        """Start, register the end with `process`, and return the URL and, where known, the process id."""
        raise NotImplementedError

    @property
    def running(self) -> bool:
        return bool(self.url)

    def start(self, *, durable: bool = False) -> None:
        """`durable`: it is to keep on disk what is durable. Brokers that cannot do without ignore it."""
        if self.running:
            return
        self.settle(self._home)
        self._launch()

    def restart(self, *, kill: bool = False) -> None:
        """Stop in good order, or by SIGKILL, and start on the same directory."""
        if kill and self.pid:
            os.kill(self.pid, signal.SIGKILL)
        self._process.close()
        self._launch()

    def _launch(self) -> None:
        started_at = time.monotonic()
        self.url, self.pid = self.launch(self._process)
        self.start_seconds = time.monotonic() - started_at

    def stop(self) -> None:
        self.url, self.pid, self.data_dir = "", None, None
        self._process.close()
        self._home.close()

    def resident_mib(self) -> float:
        return resident_mib(self.pid) if self.pid else math.nan

    def cpu_seconds(self) -> float:
        return cpu_seconds(self.pid) if self.pid else math.nan


class RunningElsewhere(Broker):
    """A broker somebody else started: measured, but its memory is not ours to read, and its end not ours to bring."""

    def __init__(self, url: str) -> None:
        address = Address.parse(url)
        super().__init__(f"{address.host}:{address.port}")
        self.given_url = url

    def launch(self, process: ExitStack) -> tuple[str, int | None]:
        return self.given_url, None

    def restart(self, *, kill: bool = False) -> None:
        raise BrokerFailed(f"{self.name} was started by somebody else, who alone may restart it")


class RabbitMQ(Broker):
    def __init__(self) -> None:
        super().__init__("RabbitMQ")

    def settle(self, home: ExitStack) -> None:
        self.node = home.enter_context(rabbitmq.private_node())
        self.data_dir = self.node.data_dir

    def launch(self, process: ExitStack) -> tuple[str, int | None]:
        running = process.enter_context(rabbitmq.serving(self.node))
        return running.url, running.pid


class Amqpy(Broker):
    def __init__(self, name: str, source: Path) -> None:
        super().__init__(name)
        self.source = source
        self.durable = False

    def start(self, *, durable: bool = False) -> None:
        if durable != self.durable:
            self.stop()
        self.durable = durable
        super().start(durable=durable)

    def settle(self, home: ExitStack) -> None:
        """The data directory is where RabbitMQ's is: below the directory for temporary files."""
        (self.port,) = rabbitmq.free_ports(1)
        if self.durable:
            self.data_dir = Path(home.enter_context(tempfile.TemporaryDirectory(prefix="amqpy-bench-")))

    def launch(self, process: ExitStack) -> tuple[str, int | None]:
        place = ["--data-dir", str(self.data_dir)] if self.data_dir else ["--memory"]
        command = [sys.executable, "-m", "amqpy", "serve", "--port", str(self.port), *place]
        log = process.enter_context(tempfile.TemporaryFile())  # noqa: SIM115  # the stack is the context
        running = process.enter_context(child(command, self.source, log.fileno()))
        wait_until_serving(running, self.port, log)
        return f"amqp://guest:guest@127.0.0.1:{self.port}/", running.pid


@contextlib.contextmanager
def child(command: list[str], source: Path, output: int) -> "Iterator[subprocess.Popen[bytes]]":
    environment = os.environ | {"PYTHONPATH": str(source)}
    process = subprocess.Popen(
        command, cwd=source, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_until_serving(process: "subprocess.Popen[bytes]", port: int, log: io.IOBase) -> None:
    """Return once a protocol header is answered. Polled often: this is what the start-up time is made of."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while not rabbitmq.answers_amqp(port):
        if process.poll() is not None or time.monotonic() > deadline:
            log.seek(0)
            tail = log.read()[-2000:].decode(errors="replace")
            raise BrokerFailed(f"amqpy does not serve (exit code {process.poll()}):\n{tail}")
        time.sleep(POLL_INTERVAL_S)


@contextlib.contextmanager
def source_of(commit: str) -> Iterator[Path]:
    """The tree of a commit, unpacked beside: nothing is registered in the repository, so nothing stays behind."""
    command = ["git", "-C", str(ROOT), "archive", "--format=zip", commit, "amqpy"]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        raise SystemExit(f"cannot read {commit}: {done.stderr.decode().strip()}")
    with tempfile.TemporaryDirectory(prefix="amqpy-base-") as folder:
        zipfile.ZipFile(io.BytesIO(done.stdout)).extractall(folder)
        yield Path(folder)


def rabbitmq_version() -> str:
    """The version of the installed package, from the name of its directory."""
    names = sorted(path.name for path in Path("/usr/lib/rabbitmq/lib").glob("rabbitmq_server-*"))
    return names[-1].removeprefix("rabbitmq_server-") if names else "not installed"
