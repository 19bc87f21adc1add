"""Measures memory and disk, for `core.resources` to judge.

Memory is what the process has of it (RSS), of what the machine has, or of what a control group (a container) may have
if that is less, unless a setting says how much there is. RabbitMQ does not look at control groups; but a limit that the
kernel enforces by ending the process must not be out of our sight.

What Python frees, the C library mostly keeps: after a backlog is consumed, the process would be as large as before, and
the alarm would never be over. So before memory counts as short, what is free is given back to the system. That takes
up to half a second when the heap is large and full of holes, so the longer it took, the longer it is not done again.
"""

import contextlib
import os
from functools import partial
from pathlib import Path
from typing import Protocol

import trio

from amqpy.server.reactor import Reactor
from amqpy.sizes import parse_size

MEMORY_INTERVAL_S = 1

REST = 50
"""After giving memory back, this many times the time that it took must pass before it is done again."""

CGROUP_ROOT = Path("/sys/fs/cgroup")
CGROUPS_OF_US = Path("/proc/self/cgroup")


class Gauge(Protocol):
    """Measures memory and disk, in bytes."""

    def memory_used(self) -> int: ...

    def memory_total(self) -> int: ...

    def give_back(self) -> None:
        """Gives memory that was freed back to the system, where that can be asked for."""

    async def disk_free(self, directory: str) -> int:
        """Raises OSError."""


class MachineGauge:
    """The real ones."""

    def __init__(self) -> None:
        # Imported late, and in a thread: it takes longer than much else of a start.
        import ctypes

        import psutil

        self._psutil = psutil
        self._process = psutil.Process()
        self._trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None  # glibc has it

    def memory_used(self) -> int:
        return int(self._process.memory_info().rss)

    def memory_total(self) -> int:
        return min([int(self._psutil.virtual_memory().total), *cgroup_limits(CGROUPS_OF_US, CGROUP_ROOT)])

    def give_back(self) -> None:
        if self._trim is not None:
            self._trim(0)

    async def disk_free(self, directory: str) -> int:
        # In a thread: where the network has the disk, it may take long.
        usage = await trio.to_thread.run_sync(self._psutil.disk_usage, directory)
        return int(usage.free)


def cgroup_limits(ours: Path, root: Path) -> list[int]:
    """The memory limits of the control groups that we are in, of either version; where there are none, nothing."""
    try:
        lines = ours.read_text().splitlines()
    except OSError:
        return []
    limits = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            where, name = root, "memory.max"
        elif "memory" in controllers.split(","):
            where, name = root / "memory", "memory.limit_in_bytes"
        else:
            continue
        # In a container, its own group is the root, whatever its path is outside.
        group = where / path.lstrip("/")
        for each in {where, group, *(parent for parent in group.parents if parent.is_relative_to(where))}:
            with contextlib.suppress(OSError, ValueError):  # not there, or "max"
                limits.append(int((each / name).read_text()))
    return limits


async def monitor_resources(
    reactor: Reactor,
    data_dir: str | None,
    gauge: Gauge | None = None,
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Measures until cancelled: the memory, and the disk if there is a directory on it. Started when it has once."""
    if gauge is None:
        gauge = await trio.to_thread.run_sync(MachineGauge)
    async with trio.open_nursery() as nursery:
        await nursery.start(_watch_memory, reactor, gauge)
        if data_dir is not None:
            await nursery.start(_watch_disk, reactor, gauge, data_dir)
        task_status.started()


async def _watch_memory(reactor: Reactor, gauge: Gauge, *, task_status: trio.TaskStatus[None]) -> None:
    resources = reactor.broker.resources
    override = reactor.broker.config.total_memory_available_override_value
    total = gauge.memory_total() if override is None else parse_size(override)
    rested_at = trio.current_time()

    def measure() -> None:
        nonlocal rested_at
        used, began_at = gauge.memory_used(), trio.current_time()
        allowed = resources.memory_allowed
        if allowed is not None and used > allowed and began_at >= rested_at:
            gauge.give_back()
            used, ended_at = gauge.memory_used(), trio.current_time()
            rested_at = ended_at + REST * (ended_at - began_at)
        resources.note_memory(used, total)

    reactor.administer(measure)
    task_status.started()
    while True:
        await trio.sleep(MEMORY_INTERVAL_S)
        reactor.administer(measure)


async def _watch_disk(reactor: Reactor, gauge: Gauge, directory: str, *, task_status: trio.TaskStatus[None]) -> None:
    resources = reactor.broker.resources
    failed = False

    async def measure() -> None:
        nonlocal failed
        try:
            free = await gauge.disk_free(directory)
        except OSError as error:
            if not failed:
                reactor.log.warning("cannot tell how much space is free for %s: %s", directory, error.strerror)
            failed = True
        else:
            failed = False
            reactor.administer(partial(resources.note_disk, free))

    await measure()
    task_status.started()
    while True:
        await trio.sleep(resources.disk_interval_ms / 1000)
        await measure()
