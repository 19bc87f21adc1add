"""Measures the process: what RabbitMQ tells of a node that is not about messages."""

import gc
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

import psutil
import trio

from amqpy.core.statistics import Counts
from amqpy.server.reactor import Reactor

DESCRIPTORS: Final = Path("/proc/self/fd")
PROCESSES_MAX: Final = 1_048_576
"""RabbitMQ's limit of Erlang's processes. Tasks have none here."""


class Measures:
    """The process of a broker. A name is RabbitMQ's; a number that only Erlang has stands for its nearest relative:
    tasks for processes, Python's collections of garbage for Erlang's."""

    def __init__(self, reactor: Reactor, unix_time_ms: Callable[[], int], started_at_ms: int) -> None:
        self._reactor = reactor
        self._unix_time_ms = unix_time_ms
        self._started_at_ms = started_at_ms
        self._process = psutil.Process()
        self._fd_total = descriptors_max()

    def changing(self) -> Counts:
        """The numbers that change all the time."""
        return {
            "fd_used": self._descriptors(),
            "sockets_used": len(self._reactor.connections),
            "mem_used": self.memory_used(),
            "disk_free": self.disk_free(),
            "proc_used": trio.lowlevel.current_statistics().tasks_living,
            "gc_num": sum(generation["collections"] for generation in gc.get_stats()),
            "gc_bytes_reclaimed": 0,
            "context_switches": sum(self._process.num_ctx_switches()),
        }

    def limits(self) -> Counts:
        resources = self._reactor.broker.resources
        return {
            "fd_total": self._fd_total,
            "sockets_total": self._fd_total,
            "mem_limit": max(resources.memory_allowed or resources.memory_total, 0),
            "disk_free_limit": resources.disk_needed or 0,
            "proc_total": PROCESSES_MAX,
            "run_queue": trio.lowlevel.current_statistics().tasks_runnable,
            "net_ticktime": 60,
            "uptime": self._unix_time_ms() - self._started_at_ms,
        }

    def memory_used(self) -> int:
        """Bytes, measured within the last second; or now, if nobody measures."""
        used = self._reactor.broker.resources.memory_used
        return used if used >= 0 else int(self._process.memory_info().rss)

    def disk_free(self) -> int:
        """Bytes, where the data directory is; without one, on the disk of the system."""
        free = self._reactor.broker.resources.disk_free
        return free if free >= 0 else int(psutil.disk_usage(os.path.abspath(os.sep)).free)

    def process_started_at_s(self) -> float:
        return self._process.create_time()

    def processor_s(self) -> float:
        """Seconds of processor time that the process has used."""
        times = self._process.cpu_times()
        return times.user + times.system

    def _descriptors(self) -> int:
        """Newer kernels have their number as the size of the directory. To read it takes longer the more they are."""
        try:
            count = os.stat(DESCRIPTORS).st_size
        except OSError:
            count = 0
        return count or int(getattr(self._process, "num_fds", lambda: 0)())


def descriptors_max() -> int:
    """The file descriptors that the process may have; 0 if that cannot be told."""
    try:
        import resource
    except ModuleNotFoundError:  # on Windows
        return 0
    return max(resource.getrlimit(resource.RLIMIT_NOFILE)[0], 0)
