"""The broker that is killed: amqpy as a program of its own, or a private RabbitMQ."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from interop import rabbitmq

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 60.0
POLL_S = 0.005
SIGNS_OF_A_BUG = ("Traceback", "internal error", "INTERNAL_ERROR")
LOG_BYTES = 6000


class SubjectFailed(RuntimeError):
    """The broker did not start, or not stop in good order, or has met a bug; the text is the end of its log."""


class Subject:
    """A broker on one directory."""

    port: int
    pid = 0
    """Of its process, while it runs and if it is ours."""
    has_delays = True
    """It knows the exchange type x-delayed-message."""
    is_strict = True
    """It is held to what amqpy promises beyond what RabbitMQ does."""

    def start(self) -> float:
        """Start, and wait until it accepts; how many seconds that took."""
        raise NotImplementedError

    def start_and_kill(self, after_s: float) -> None:
        """Kill it while it starts."""
        raise NotImplementedError

    def kill(self) -> None:
        raise NotImplementedError

    def stop(self) -> None:
        """In good order."""
        raise NotImplementedError

    def log(self) -> str:
        """The last lines it wrote, if that is known."""
        return ""


class Amqpy(Subject):
    program: tuple[str, ...] = ("amqpy", "serve")
    place: tuple[str, ...] = ()
    """Options that say where it keeps things, if that is not its data directory."""

    def __init__(self, data_dir: Path, log: Path, options: tuple[str, ...] = ()) -> None:
        (self.port,) = rabbitmq.free_ports(1)
        self._log = log
        self._seen = 0
        self._command = [sys.executable, "-m", *self.program, "--host", "127.0.0.1", "--port", str(self.port)]
        self._command += [*(self.place or ("--data-dir", str(data_dir))), *options]
        self._process: subprocess.Popen[bytes] | None = None

    def _launch(self) -> "subprocess.Popen[bytes]":
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
            )
        self.pid = self._process.pid
        return self._process

    def start(self) -> float:
        started_at = time.monotonic()
        process = self._launch()
        while not rabbitmq.answers_amqp(self.port):
            if process.poll() is not None:
                raise SubjectFailed(f"amqpy ended with code {process.returncode}:\n{self.log()}")
            if time.monotonic() - started_at > START_TIMEOUT_S:
                raise SubjectFailed(f"amqpy does not answer after {START_TIMEOUT_S:.0f} s:\n{self.log()}")
            time.sleep(POLL_S)
        return time.monotonic() - started_at

    def start_and_kill(self, after_s: float) -> None:
        self._launch()
        time.sleep(after_s)
        self.kill()

    def kill(self) -> None:
        process = self._process
        if process is None:
            return
        ended_before = process.poll()
        process.kill()
        process.wait()
        self._process = None
        if ended_before is not None:
            raise SubjectFailed(f"amqpy had ended by itself, with code {ended_before}:\n{self.log()}")
        self._look_at_log()

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            code = process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise SubjectFailed(f"amqpy does not stop within {STOP_TIMEOUT_S:.0f} s:\n{self.log()}") from None
        if code:
            raise SubjectFailed(f"amqpy stopped with code {code}:\n{self.log()}")
        self._look_at_log()

    def log(self) -> str:
        return self._log.read_bytes()[-LOG_BYTES:].decode(errors="replace")

    def _look_at_log(self) -> None:
        with self._log.open(errors="replace") as lines:
            lines.seek(self._seen)
            text = lines.read()
            self._seen = lines.tell()
        if any(sign in text for sign in SIGNS_OF_A_BUG):
            raise SubjectFailed(f"amqpy's log speaks of a bug:\n{self.log()}")


class RabbitMQ(Subject):
    has_delays = False
    is_strict = False

    def __init__(self, node: rabbitmq.Node) -> None:
        self._node = node
        self.port = node.port
        self._serving = ExitStack()

    def start(self) -> float:
        started_at = time.monotonic()
        self.pid = self._serving.enter_context(rabbitmq.serving(self._node)).pid
        return time.monotonic() - started_at

    def start_and_kill(self, after_s: float) -> None:
        """It takes seconds to start; killed at once, it does not come to anything worth a test."""

    def kill(self) -> None:
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
        self.stop()

    def stop(self) -> None:
        self.pid = 0
        self._serving.close()


@contextlib.contextmanager
def running(kind: str, data_dir: Path | None, options: tuple[str, ...]) -> Iterator[Subject]:
    """A subject on a directory of its own, or on this one, which stays."""
    with ExitStack() as stack:
        if kind == "rabbitmq":
            subject: Subject = RabbitMQ(stack.enter_context(rabbitmq.private_node()))
        else:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="amqpy-crash-")))
            subject = Amqpy(data_dir or folder / "data", folder / "log", ("--strict", *options))
        try:
            yield subject
        finally:
            with contextlib.suppress(SubjectFailed):
                subject.kill()
