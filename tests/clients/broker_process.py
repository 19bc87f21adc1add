"""A broker in a child process, and the address at which clients find it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pika

if TYPE_CHECKING:
    from collections.abc import Callable

PROJECT = Path(__file__).resolve().parents[2]
START_DEADLINE_S = 20
STOP_DEADLINE_S = 20
POLL_S = 0.05
LINES_SHOWN = 60
LISTENING = re.compile(r"listening on 127\.0\.0\.1:(\d+)")
SIGNS_OF_A_BUG = ("Traceback", "internal error", "INTERNAL_ERROR")


@dataclass(frozen=True)
class Address:
    """Where a broker listens, in the forms that client libraries ask for."""

    url: str

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or "127.0.0.1"

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or 5672

    def parameters(self, **overrides: object) -> pika.ConnectionParameters:
        """pika's connection parameters; keyword arguments replace those of the URL."""
        settings: dict[str, object] = {
            "host": self.host,
            "port": self.port,
            "credentials": pika.PlainCredentials("guest", "guest"),
        }
        return pika.ConnectionParameters(**{**settings, **overrides})

    def url_with(self, *, user: str = "guest", password: str = "guest", vhost: str = "%2F", query: str = "") -> str:
        return f"amqp://{user}:{password}@{self.host}:{self.port}/{vhost}{'?' if query else ''}{query}"


class LoggedProcess:
    """A child process whose standard error is read as it comes, so that the pipe never fills."""

    def __init__(self, command: list[str], *, cwd: Path, environment: dict[str, str] | None = None) -> None:
        self.lines: list[str] = []
        self._news = threading.Condition()
        self._ended = False
        self._process = subprocess.Popen(
            command,
            cwd=cwd,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="backslashreplace",
        )
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()

    def _read_log(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            with self._news:
                self.lines.append(line.rstrip("\n"))
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    @property
    def log(self) -> str:
        """The end of the log, for the message of a failed test."""
        return "\n".join(self.lines[-LINES_SHOWN:])

    def mentions(self, *texts: str) -> bool:
        return any(text in line for line in self.lines for text in texts)

    def wait_for_line(self, pattern: str | re.Pattern[str], deadline_s: float) -> re.Match[str]:
        """The first match of a pattern in the log, within the deadline and the life of the process."""
        give_up_at = time.monotonic() + deadline_s
        with self._news:
            seen = 0
            while True:
                for line in self.lines[seen:]:
                    if found := re.search(pattern, line):
                        return found
                seen = len(self.lines)
                remaining_s = give_up_at - time.monotonic()
                if self._ended or remaining_s <= 0 or not self._news.wait(remaining_s):
                    raise AssertionError(f"no line with {pattern!r} in the log:\n{self.log}")

    def wait_until(self, condition: Callable[[], bool], deadline_s: float) -> None:
        """Wait for something that the process is to do; fails when it ends or the deadline passes before."""
        give_up_at = time.monotonic() + deadline_s
        while not condition():
            assert time.monotonic() < give_up_at, f"what was waited for did not happen:\n{self.log}"
            with self._news:
                assert not self._ended, f"the process ended:\n{self.log}"
                self._news.wait(POLL_S)

    @property
    def pid(self) -> int:
        return self._process.pid

    def terminate(self) -> None:
        self._process.send_signal(signal.SIGTERM)

    def wait(self, deadline_s: float = STOP_DEADLINE_S) -> int:
        """Wait until the process ends by itself, and return its exit code."""
        try:
            return self._process.wait(deadline_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise AssertionError(f"the process did not end:\n{self.log}") from None
        finally:
            self._finish()

    def kill(self) -> None:
        self._process.kill()
        self._finish()

    def stop(self, deadline_s: float = STOP_DEADLINE_S) -> int:
        """Ask the process to end, wait for it, and return its exit code."""
        self.terminate()
        return self.wait(deadline_s)

    def _finish(self) -> None:
        self._process.wait()
        self._reader.join()
        assert self._process.stderr is not None
        self._process.stderr.close()


class BrokerProcess:
    """`amqpy serve` on loopback. It can be stopped and started again on the same port, and on the same directory."""

    def __init__(self, data_dir: Path | None = None, environment: dict[str, str] | None = None) -> None:
        self._environment = environment
        self._place = ["--memory"] if data_dir is None else ["--data-dir", str(data_dir)]
        self._port = 0
        self._process: LoggedProcess | None = None

    @property
    def address(self) -> Address:
        return Address(f"amqp://guest:guest@127.0.0.1:{self._port}/%2F")

    @property
    def process(self) -> LoggedProcess:
        """The one that runs."""
        assert self._process is not None
        return self._process

    def launch(self) -> None:
        """Start it, and wait for nothing."""
        command = [sys.executable, "-m", "amqpy", "serve", "--host", "127.0.0.1", "--port", str(self._port)]
        command += [*self._place, "--strict"]
        self._process = LoggedProcess(command, cwd=PROJECT, environment=self._environment)

    def start(self) -> None:
        self.launch()
        self._port = int(self.process.wait_for_line(LISTENING, START_DEADLINE_S)[1])
        self.process.wait_for_line("Server startup complete", START_DEADLINE_S)

    def stop(self) -> None:
        """End the broker as an operator would, and hold it to a clean exit."""
        if self._process is None:
            return
        process, self._process = self._process, None
        exit_code = process.stop()
        assert exit_code == 0, f"the broker's exit code was {exit_code}:\n{process.log}"
        assert not process.mentions(*SIGNS_OF_A_BUG), process.log

    def kill(self) -> None:
        """End the broker without a chance to do anything more."""
        process, self._process = self.process, None
        process.kill()
        assert not process.mentions(*SIGNS_OF_A_BUG), process.log

    def fail(self) -> list[str]:
        """Hold the broker to the end that it comes to by itself, with an exit code of 1; the lines it wrote."""
        process, self._process = self.process, None
        exit_code = process.wait()
        assert exit_code == 1, f"the broker's exit code was {exit_code}:\n{process.log}"
        assert not process.mentions(*SIGNS_OF_A_BUG), process.log
        return process.lines

    def restart(self, *, kill: bool = False) -> None:
        if kill:
            self.kill()
        else:
            self.stop()
        self.start()
