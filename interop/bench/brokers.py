"""The brokers that are measured: amqpy from this tree, amqpy from another commit, RabbitMQ, or any URL."""

import contextlib
import io
import math
import os
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
START_TIMEOUT_S = 60.0
POLL_INTERVAL_S = 0.002


class BrokerFailed(RuntimeError):
    """The broker did not start, or died; the text is the end of its log."""


class Broker:
    """A broker that can be started and stopped any number of times. Subclasses say how."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.url = ""
        self.pid: int | None = None
        self.start_seconds = math.nan
        self.stack = ExitStack()

    def launch(self, stack: ExitStack) -> tuple[str, int | None]:
        """Start, register the end with `stack`, and return the URL and, where known, the process id."""
        raise NotImplementedError

    @property
    def running(self) -> bool:
        return bool(self.url)

    def start(self) -> None:
        if self.running:
            return
        started_at = time.monotonic()
        self.url, self.pid = self.launch(self.stack)
        self.start_seconds = time.monotonic() - started_at

    def stop(self) -> None:
        self.url, self.pid = "", None
        self.stack.close()

    def resident_mib(self) -> float:
        return resident_mib(self.pid) if self.pid else math.nan

    def cpu_seconds(self) -> float:
        return cpu_seconds(self.pid) if self.pid else math.nan


class RunningElsewhere(Broker):
    """A broker somebody else started: measured, but its memory is not ours to read."""

    def __init__(self, url: str) -> None:
        address = Address.parse(url)
        super().__init__(f"{address.host}:{address.port}")
        self.given_url = url

    def launch(self, stack: ExitStack) -> tuple[str, int | None]:
        return self.given_url, None


class RabbitMQ(Broker):
    def __init__(self) -> None:
        super().__init__("RabbitMQ")

    def launch(self, stack: ExitStack) -> tuple[str, int | None]:
        running = stack.enter_context(rabbitmq.running_rabbitmq())
        return running.url, running.pid


class Amqpy(Broker):
    def __init__(self, name: str, source: Path) -> None:
        super().__init__(name)
        self.source = source

    def launch(self, stack: ExitStack) -> tuple[str, int | None]:
        (port,) = rabbitmq.free_ports(1)
        command = [sys.executable, "-m", "amqpy", "serve", "--port", str(port), "--memory"]
        log = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115  # the stack is the context
        process = stack.enter_context(child(command, self.source, log.fileno()))
        wait_until_serving(process, port, log)
        return f"amqp://guest:guest@127.0.0.1:{port}/", process.pid


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
            process.wait(10)
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
