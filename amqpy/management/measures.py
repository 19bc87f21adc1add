"""The numbers of a node that are not about messages, by RabbitMQ's names.

What only Erlang has stands for its nearest relative: tasks for processes, Python's collections of garbage for Erlang's.
"""

from collections.abc import Callable

import psutil
import trio

from amqpy.core.statistics import Counts
from amqpy.management import erlang
from amqpy.management.machine import Machine
from amqpy.server.reactor import Reactor


class Measures:
    """Measures the node of a broker."""

    def __init__(self, reactor: Reactor, unix_time_ms: Callable[[], int], started_at_ms: int) -> None:
        self._reactor = reactor
        self._unix_time_ms = unix_time_ms
        self._started_at_ms = started_at_ms
        self._machine = Machine()
        self._process = psutil.Process()

    def changing(self) -> Counts:
        """The numbers that change all the time."""
        machine, free = self._machine, self._reactor.broker.resources.disk_free
        return {
            "fd_used": machine.fd_used,
            "sockets_used": len(self._reactor.connections),
            "mem_used": self.memory_used(),
            "disk_free": free if free >= 0 else machine.disk_free,
            "proc_used": trio.lowlevel.current_statistics().tasks_living,
            "gc_num": machine.collections,
            "gc_bytes_reclaimed": 0,
            "context_switches": machine.context_switches,
        }

    def input_output(self) -> Counts:
        return {f"io_{name}": count for name, count in self._machine.input_output._asdict().items()}

    def limits(self) -> Counts:
        resources, fd_total = self._reactor.broker.resources, self._machine.fd_total
        return {
            "fd_total": fd_total,
            "sockets_total": erlang.sockets_max(fd_total),
            "mem_limit": resources.memory_allowed or self._machine.memory_total,
            "disk_free_limit": resources.disk_needed or 0,
            "proc_total": erlang.PROCESSES_MAX,
            "run_queue": trio.lowlevel.current_statistics().tasks_runnable,
            "net_ticktime": erlang.NET_TICKTIME_S,
            "uptime": self._unix_time_ms() - self._started_at_ms,
        }

    def memory_used(self) -> int:
        """Bytes, measured within the last second; or now, if nobody measures."""
        used = self._reactor.broker.resources.memory_used
        return used if used >= 0 else self._machine.memory_used

    def process_started_at_s(self) -> float:
        return self._process.create_time()

    def processor_s(self) -> float:
        """Seconds of processor time that the process has used."""
        times = self._process.cpu_times()
        return times.user + times.system
