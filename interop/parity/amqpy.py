"""Starts amqpy as a program of its own, and keeps its administrator's door."""

import contextlib
import json
import re
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from typing import IO, Any

from interop.parity.connection import Broker

START_TIMEOUT_S = 15.0
STOP_TIMEOUT_S = 15.0

ADDRESS = re.compile(r"(\d+\.\d+\.\d+\.\d+):(\d+)")
READY = "Server startup complete"


class AmqpyFailed(RuntimeError):
    """amqpy did not start, or did not end well; the text has the end of its log."""


@contextlib.contextmanager
def running_amqpy(*options: str, profile: str = "rabbitmq-3.10") -> Iterator[Broker]:
    """Run amqpy on a free port and give it to the caller once it accepts. As RabbitMQ, it keeps what is durable."""
    where = ["--host", "127.0.0.1", "--port", "0", "--strict", "--profile", profile]
    pipe = subprocess.PIPE
    with (
        tempfile.TemporaryDirectory(prefix="amqpy-parity-") as directory,
        subprocess.Popen(
            [sys.executable, "-m", "interop.parity.subject", *where, "--data-dir", directory, *options],
            text=True,
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
        ) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        log = LogTail(process.stderr)
        try:
            address = log.wait_address()
            yield Broker.at(f"amqp://guest:guest@{address}/", Subject(process.stdin, process.stdout, log))
        finally:
            process.terminate()
            try:
                process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
    if process.returncode:
        # With --strict, a bug ends amqpy: that counts, even if every frame was right until then.
        raise AmqpyFailed(f"amqpy ended with code {process.returncode}:\n{log}")


class Subject:
    """The administrator's door of `subject.py`: one line there, one line back."""

    def __init__(self, commands: IO[str], outcomes: IO[str], log: "LogTail") -> None:
        self._commands = commands
        self._outcomes = outcomes
        self._log = log
        self._one_at_a_time = threading.Lock()

    def perform(self, operation: str, arguments: Mapping[str, Any]) -> str:
        with self._one_at_a_time:
            self._commands.write(json.dumps({"operation": operation, "arguments": arguments}) + "\n")
            self._commands.flush()
            line = self._outcomes.readline()
        if not line:
            raise AmqpyFailed(f"amqpy ended:\n{self._log}")
        return str(json.loads(line))


class LogTail:
    """Reads a log as it grows, so that the writer never waits, and keeps its last lines."""

    def __init__(self, stream: IO[str]) -> None:
        self._lines: deque[str] = deque(maxlen=60)
        self._address: str | None = None
        self._settled = threading.Event()
        threading.Thread(target=self._read, args=(stream,), daemon=True).start()

    def _read(self, stream: IO[str]) -> None:
        for line in stream:
            self._lines.append(line.rstrip())
            if self._address is None and (found := ADDRESS.search(line)):
                self._address = found[0]
            if READY in line:
                self._settled.set()
        self._settled.set()

    def wait_address(self) -> str:
        if not self._settled.wait(START_TIMEOUT_S) or self._address is None:
            raise AmqpyFailed(f"amqpy did not start:\n{self}")
        return self._address

    def __str__(self) -> str:
        return "\n".join(self._lines)
