"""Commands with a log, which leave nothing behind."""

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from interop.clients.play import Command, Interrupted

DEADLINE_S = 10
PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
print(child.pid, flush=True)
child.wait()
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def over(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    yield
    monkeypatch.setattr(Command, "_is_over", False)


def command(program: str, log: Path) -> Command:
    return Command([sys.executable, "-c", program], log.parent, os.environ, log)


def child_in(log: Path) -> int:
    deadline = time.monotonic() + DEADLINE_S
    while not (text := log.read_text() if log.exists() else "").endswith("\n"):
        assert time.monotonic() < deadline
    return int(text.split()[0])


def assert_gone(pid: int) -> None:
    deadline = time.monotonic() + DEADLINE_S
    with suppress(FileNotFoundError, ProcessLookupError):
        while ") Z " not in Path(f"/proc/{pid}/stat").read_text():
            assert time.monotonic() < deadline


def test_code_and_output(log: Path) -> None:
    assert command("print('hello'); raise SystemExit(3)", log).run(DEADLINE_S) == 3
    assert log.read_text() == "hello\n"


def test_what_takes_too_long_is_ended_with_its_children(log: Path) -> None:
    assert command(PARENT, log).run(1) == 1
    assert "# not done after 1 s" in log.read_text()
    assert_gone(child_in(log))


@pytest.mark.usefixtures("over")
def test_an_interrupt_ends_what_runs_and_what_would_come(log: Path) -> None:
    running = threading.Thread(target=command(PARENT, log).run, args=(100,))
    running.start()
    child = child_in(log)
    Command.end_all()
    running.join(DEADLINE_S)
    assert not running.is_alive()
    assert_gone(child)
    with pytest.raises(Interrupted):
        command("", log).run(DEADLINE_S)
