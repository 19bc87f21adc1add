"""A child process with a log."""

import contextlib
import os
import re
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

START_TIMEOUT_S = 300.0  # of a broker with a large backlog
STOP_TIMEOUT_S = 60.0
POLL_S = 0.002  # start-up times are measured with it
LOG_BYTES = 6000


class ProgramFailed(RuntimeError):
    """A program did not start, or not end in good order, or has met a bug; the text has the end of its log."""


class Program:
    """Runs from now on, and appends what it writes to a log. With `talks`, its standard input and output are pipes
    instead."""

    def __init__(
        self,
        command: Sequence[str],
        log: Path,
        *,
        cwd: Path | None = None,
        environment: Mapping[str, str] | None = None,
        talks: bool = False,
    ) -> None:
        self._log = log
        self._one_at_a_time = threading.Lock()
        with log.open("ab") as output:
            self._log_starts_at = output.tell()
            self.process = subprocess.Popen(
                command,
                cwd=cwd,
                env={**os.environ, **(environment or {})},
                stdin=subprocess.PIPE if talks else subprocess.DEVNULL,
                stdout=subprocess.PIPE if talks else output,
                stderr=output,
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def is_running(self) -> bool:
        return self.process.poll() is None

    @property
    def lines(self) -> list[str]:
        """All that it wrote, up to the last line that is whole."""
        with self._log.open("rb") as log:
            log.seek(self._log_starts_at)
            *whole, _ = log.read().decode(errors="backslashreplace").split("\n")
        return whole

    def mentions(self, *texts: str) -> bool:
        return any(text in line for line in self.lines for text in texts)

    def failure(self, what: str) -> ProgramFailed:
        return ProgramFailed(f"{what}:\n{end_of(self._log)}")

    def wait_for_line(self, pattern: str | re.Pattern[str], timeout_s: float) -> re.Match[str]:
        """The first match of a pattern in the log; raises ProgramFailed if the time or the program is over before."""
        found: re.Match[str] | None = None

        def is_there() -> bool:
            nonlocal found
            found = next(filter(None, (re.search(pattern, line) for line in self.lines)), None)
            return found is not None

        self.wait_until(is_there, timeout_s, f"a line with {pattern!r}")
        assert found is not None
        return found

    def wait_until(self, condition: Callable[[], bool], timeout_s: float, what: str = "what was waited for") -> None:
        """Wait for something that the program is to do; raises ProgramFailed if the time or the program is over."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            if not self.is_running:
                if condition():
                    return
                raise self.failure(f"it ended with code {self.process.returncode} before {what}")
            if time.monotonic() > deadline:
                raise self.failure(f"it did not come to {what} within {timeout_s:.0f} s")
            time.sleep(POLL_S)

    def ask(self, line: str) -> str:
        """Say something to a program that talks; the line that it answers. Raises ProgramFailed if it has ended."""
        said, heard = self.process.stdin, self.process.stdout
        assert said is not None
        assert heard is not None
        answer = b""
        with self._one_at_a_time, contextlib.suppress(OSError):  # it has ended, and does not read
            said.write(line.encode() + b"\n")
            said.flush()
            answer = heard.readline()
        if not answer:
            raise self.failure("it has ended")
        return answer.decode().rstrip("\n")

    def terminate(self) -> None:
        self.process.terminate()

    def wait(self, timeout_s: float = STOP_TIMEOUT_S) -> int:
        """The exit code, when it has ended by itself; raises ProgramFailed, and kills it, if it has not in time."""
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise self.failure(f"it did not end within {timeout_s:.0f} s") from None
        finally:
            self._clear_away()

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> int:
        """Ask it to end, and wait: its exit code. Raises as `wait`."""
        self.terminate()
        return self.wait(timeout_s)

    def kill(self) -> int | None:
        """End it at once. The exit code, if it had ended by itself."""
        ended_with = self.process.poll()
        self.process.kill()
        self._clear_away()
        return ended_with

    def _clear_away(self) -> None:
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):  # what it does not read any more
                    pipe.close()


def end_of(log: Path) -> str:
    return log.read_bytes()[-LOG_BYTES:].decode(errors="replace")
