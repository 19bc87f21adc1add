"""Whatever ends a run, nothing of it stays behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from textwrap import indent

import psutil
import pytest

from interop.keeper import SIGNALS

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux leads orphans to their keeper")

DEADLINE_S = 30
KEEPER = [sys.executable, "-m", "interop.keeper"]
KEPT = "from interop import keeper; keeper.stay_behind()\n"
RUN = """
import os, pathlib, subprocess, sys, tempfile, time
waits = [sys.executable, "-c", "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); time.sleep(1000)"]
made = tempfile.mkdtemp()
left = subprocess.Popen(waits, start_new_session=True)
print(os.getpid(), left.pid, made, flush=True)
"""
GOES_ON = f"{RUN}time.sleep(1000)\n"


class Run:
    """A run that is kept, what it has started in a session of its own, and a folder it has made."""

    def __init__(self, command: list[str]) -> None:
        # Whoever runs the tests in the background may have had some signals ignored, which would be inherited.
        before = {each: signal.signal(each, signal.SIG_DFL) for each in SIGNALS}
        self.keeper = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for number, handler in before.items():
            signal.signal(number, handler)
        assert self.keeper.stdout is not None
        pid, left, made = self.keeper.stdout.readline().split()
        self.process, self.left, self.made = psutil.Process(int(pid)), psutil.Process(int(left)), Path(made)

    def assert_gone(self) -> None:
        psutil.wait_procs([self.process, self.left], timeout=DEADLINE_S)
        assert not self.process.is_running()
        assert not self.left.is_running()
        deadline = time.monotonic() + DEADLINE_S
        while self.made.parent.exists():
            assert time.monotonic() < deadline


@pytest.fixture(params=["function", "command"])
def run(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    python = [sys.executable, "-c"]
    run = Run([*python, KEPT + GOES_ON] if request.param == "function" else [*KEEPER, *python, GOES_ON])
    yield run
    for each in (run.keeper, run.process, run.left):
        if each.is_running() if isinstance(each, psutil.Process) else each.poll() is None:
            each.kill()
    run.keeper.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_run_and_what_it_left(run: Run, number: signal.Signals) -> None:
    run.keeper.send_signal(number)
    assert run.keeper.wait(DEADLINE_S) != 0
    run.assert_gone()


def test_a_run_that_is_killed(run: Run) -> None:
    run.process.kill()
    assert run.keeper.wait(DEADLINE_S) == 128 + signal.SIGKILL
    run.assert_gone()


def test_a_run_whose_keeper_is_killed_ends_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    in_order = f"try:{indent(GOES_ON, '  ')}finally: print('in order', flush=True)"
    run = Run([sys.executable, "-c", KEPT + in_order])
    run.keeper.kill()
    run.assert_gone()
    assert run.keeper.communicate(timeout=DEADLINE_S)[0] == "in order\n"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("code", [0, 3])
def test_the_exit_code_is_that_of_the_run(code: int) -> None:
    program = f"{KEPT}{RUN}sys.stdin.read()\nsys.exit({code})"
    run = Run([sys.executable, "-c", program])
    run.keeper.communicate()
    assert run.keeper.wait(DEADLINE_S) == code
    run.assert_gone()


def test_temporary_files_go_where_they_always_do(tmp_path: Path) -> None:
    shown = "import tempfile; print(tempfile.gettempdir())"
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    said = subprocess.run([*KEEPER, sys.executable, "-c", shown], env=environment, stdout=subprocess.PIPE, text=True)
    assert Path(said.stdout.strip()).parent == tmp_path
    assert not list(tmp_path.iterdir())
