"""Keeps a run so that nothing of it stays behind, however it ends: no process, no file.

`stay_behind()` goes on in a child; the process itself waits behind it. What the child starts, and what that starts, is
the keeper's once its own parent is gone (on Linux: elsewhere only what is in the child's process group), and what it
makes for a time is in a folder of the keeper's. When the child has ended, by itself, for a signal or for SIGKILL, the
keeper kills what is left, removes the folder and ends as the child did. When the keeper is killed, the child gets
SIGTERM, ends by way of every `finally`, and removes the folder.

From a shell, `python -m interop.keeper COMMAND …`.
"""

import atexit
import contextlib
import ctypes
import os
import shutil
import signal
import sys
import tempfile
import time
from types import FrameType

import psutil

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
POLL_S = 0.01


def stay_behind() -> None:
    """Return in a child of this process, which ends when the child has, and never returns."""
    folder = tempfile.mkdtemp(prefix="amqpy-run-")
    ask_kernel(PR_SET_CHILD_SUBREAPER, 1)
    keeper = os.getpid()
    child = os.fork()
    if child:
        code = keep(child)
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(code)
    os.setpgid(0, 0)
    ask_kernel(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != keeper:
        os._exit(1)
    os.environ["TMPDIR"] = tempfile.tempdir = folder
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    signal.signal(signal.SIGTERM, leave)


def leave(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)


def ask_kernel(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def keep(child: int) -> int:
    """Pass signals on and wait; end what is left. The exit code, as shells have it."""
    with contextlib.suppress(PermissionError, ProcessLookupError):
        os.setpgid(child, child)  # the child does so, too: whoever comes first

    def pass_on(number: int, frame: FrameType | None) -> None:
        with contextlib.suppress(ProcessLookupError):
            # As from a terminal, which interrupts a whole group.
            (os.killpg if number == signal.SIGINT else os.kill)(child, number)

    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(each) is not signal.SIG_IGN:
            signal.signal(each, pass_on)
    ended = 0
    while ended != child:
        ended, status = os.waitpid(-1, 0)
    end_all(child)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def end_all(group: int) -> None:
    """Kill the group, and whoever descends from us."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
    while left := psutil.Process().children(recursive=True):
        for each in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        time.sleep(POLL_S)


if __name__ == "__main__":
    stay_behind()
    os.execvp(sys.argv[1], sys.argv[1:])
