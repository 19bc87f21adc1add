"""Measurements of this process, and of the machine that it runs on.

What a system does not tell is 0.
"""

import gc
import os
from pathlib import Path
from typing import Final, NamedTuple

DESCRIPTORS: Final = Path("/proc/self/fd")

FD_TOTAL: Final = 1_048_576
"""The limit of file descriptors where there is none."""


class InputOutput(NamedTuple):
    """The calls and the octets of all reading and writing since the process began."""

    read_count: int = 0
    write_count: int = 0
    read_bytes: int = 0
    write_bytes: int = 0


class Machine:
    """Measures now. Made in a thread, if it matters: it imports psutil, which takes a while."""

    def __init__(self) -> None:
        import psutil

        self._disk_usage = psutil.disk_usage
        self._process = psutil.Process()
        self._memory_total = int(psutil.virtual_memory().total)
        self._errors = (psutil.Error, OSError, AttributeError, NotImplementedError)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def processors(self) -> int:
        return os.cpu_count() or 1

    @property
    def memory_total(self) -> int:
        return self._memory_total

    @property
    def memory_used(self) -> int:
        """Bytes that the process has of it."""
        return int(self._process.memory_info().rss)

    @property
    def disk_free(self) -> int:
        """Bytes that are free where the root of the file system is."""
        return int(self._disk_usage(os.path.abspath(os.sep)).free)

    @property
    def fd_used(self) -> int:
        """The number of open file descriptors; of handles, where there are these."""
        try:
            # Since Linux 6.2 this is their number. To count them takes milliseconds where they are thousands.
            if size := DESCRIPTORS.stat().st_size:
                return size
        except OSError:
            pass
        try:
            return int(getattr(self._process, "num_fds" if os.name == "posix" else "num_handles")())
        except self._errors:
            return 0

    @property
    def fd_total(self) -> int:
        """The number of file descriptors that the process may have."""
        try:
            import resource
        except ModuleNotFoundError:
            return FD_TOTAL
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return FD_TOTAL if soft == resource.RLIM_INFINITY else soft

    @property
    def context_switches(self) -> int:
        try:
            return sum(self._process.num_ctx_switches())
        except self._errors:
            return 0

    @property
    def collections(self) -> int:
        """The runs of Python's garbage collector."""
        return sum(generation["collections"] for generation in gc.get_stats())

    @property
    def input_output(self) -> InputOutput:
        try:
            found = self._process.io_counters()
        except self._errors:
            return InputOutput()
        return InputOutput(found.read_count, found.write_count, found.read_bytes, found.write_bytes)
