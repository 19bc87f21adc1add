"""Starts amqpy as its users do, as a program of its own."""

import contextlib
import re
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator
from typing import IO

START_TIMEOUT_S = 15.0
STOP_TIMEOUT_S = 15.0

ADDRESS = re.compile(r"(\d+\.\d+\.\d+\.\d+):(\d+)")
READY = "Server startup complete"


class AmqpyFailed(RuntimeError):
    """amqpy did not start, or did not end well; the text has the end of its log."""


@contextlib.contextmanager
def running_amqpy(*options: str) -> Iterator[str]:
    """Run `amqpy serve` on a free port and give its URL once it accepts."""
    command = [
        sys.executable,
        "-m",
        "amqpy",
        "serve",
        "--host",
        "127.0.0.1",
        "--port",
        "0",
        "--strict",
        *options,
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True) as process:
        assert process.stderr is not None
        log = LogTail(process.stderr)
        try:
            yield f"amqp://guest:guest@{log.wait_address()}/"
        finally:
            process.terminate()
            try:
                process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
    if process.returncode:
        # With --strict, a bug ends amqpy: that counts, even if every frame was right until then.
        raise AmqpyFailed(f"amqpy ended with code {process.returncode}:\n{log}")


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
