"""Keeps a run so that nothing of it stays behind, however it ends: no process, no file.

`stay_behind()` goes on in a child; the process itself waits behind it. What the child starts, and what that starts, is
the keeper's once its own parent is gone (on Linux: elsewhere only what is in the child's process group), and what it
makes for a time is in a folder of the keeper's. When the child has ended, by itself, for a signal or for SIGKILL, the
keeper kills what is left, removes the folder and ends as the child did. When the keeper is killed, the child gets
SIGTERM, ends by way of every `finally`, and does itself what the keeper would have done.

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
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
POLL_S = 0.01


def stay_behind() -> None:
    """Return in a child of this process, which ends when the child has, and never returns."""
    folder = tempfile.mkdtemp(prefix="amqpy-run-")
    ask_kernel(PR_SET_CHILD_SUBREAPER, 1)
    keeper = os.getpid()
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # until both know what to do with them
    child = os.fork()
    if child:
        code = keep(child)
        clear_away(folder)
        os._exit(code)
    os.setpgid(0, 0)
    ask_kernel(PR_SET_CHILD_SUBREAPER, 1)
    ask_kernel(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != keeper:
        os._exit(1)
    os.environ["TMPDIR"] = tempfile.tempdir = folder
    atexit.register(clear_away, folder)
    signal.signal(signal.SIGTERM, leave)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def leave(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)


def ask_kernel(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def keep(child: int) -> int:
    """Pass signals on and wait; end the group. The exit code, as shells have it."""
    with contextlib.suppress(PermissionError, ProcessLookupError):
        os.setpgid(child, child)  # the child does so, too: whoever comes first

    def pass_on(number: int, frame: FrameType | None) -> None:
        with contextlib.suppress(ProcessLookupError):
            # As from a terminal, which interrupts a whole group.
            (os.killpg if number == signal.SIGINT else os.kill)(child, number)

    for each in SIGNALS:
        if signal.getsignal(each) is not signal.SIG_IGN:
            signal.signal(each, pass_on)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    ended = 0
    while ended != child:
        ended, status = os.waitpid(-1, 0)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def clear_away(folder: str) -> None:
    """Kill whoever descends from us, and remove the folder."""
    while left := psutil.Process().children(recursive=True):
        for each in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        time.sleep(POLL_S)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    stay_behind()
    os.execvp(sys.argv[1], sys.argv[1:])
