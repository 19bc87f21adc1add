"""What the kernel knows about a broker process. What only Linux tells is missing elsewhere (nan)."""

import contextlib
import math
import os
from collections.abc import Iterator
from pathlib import Path

import psutil

MEBIBYTE = 1024 * 1024


def resident_mib(pid: int) -> float:
    """Without its children; nan if there is no such process."""
    try:
        return float(psutil.Process(pid).memory_info().rss / MEBIBYTE)
    except psutil.NoSuchProcess:
        return math.nan


def peak_resident_mib(pid: int) -> float:
    """The most there was since `forget_peak`."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return math.nan
    (kibibytes,) = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(kibibytes) / 1024


def forget_peak(pid: int) -> None:
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/clear_refs").write_text("5")


def descriptors(pid: int) -> list[str]:
    """What its file descriptors lead to."""
    found = []
    with contextlib.suppress(OSError):
        for each in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):  # closed meanwhile
                found.append(str(each.readlink()))
    return found


def disk_mib(folder: Path) -> float:
    """What the files of a folder take of the disk."""
    blocks = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):  # gone meanwhile
            blocks += path.lstat().st_blocks
    return blocks * 512 / MEBIBYTE


def is_alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def cpu_seconds(pid: int) -> float:
    """User and system time so far, of all threads and of all descendants; nan if there is no such process."""
    try:
        process = psutil.Process(pid)
        total = own_and_ended_children(process)
        for each in process.children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):  # ended meanwhile
                total += own_and_ended_children(each)
    except psutil.NoSuchProcess:
        return math.nan
    return total


def own_and_ended_children(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system + times.children_user + times.children_system)


def use_two_cores() -> int:
    """Keep this process and all it starts, brokers and load alike, on two cores; how many there are in fact."""
    if not hasattr(os, "sched_setaffinity"):
        return os.cpu_count() or 1
    cores = sorted(os.sched_getaffinity(0))[:2]
    os.sched_setaffinity(0, cores)
    return len(cores)


@contextlib.contextmanager
def core_of_its_own(pid: int) -> Iterator[None]:
    """Keeps a process on one core, and this one and what it starts meanwhile on the others. What they do at the same
    time then does not take the processor from it."""
    if not hasattr(os, "sched_setaffinity") or len(cores := sorted(os.sched_getaffinity(0))) == 1:
        yield
        return
    for thread in psutil.Process(pid).threads():
        os.sched_setaffinity(thread.id, cores[:1])
    os.sched_setaffinity(0, cores[1:])
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)
        for thread in psutil.Process(pid).threads():
            os.sched_setaffinity(thread.id, cores)


def allow_many_files(count: int = 20_000) -> None:
    """A thousand connections are a thousand files on both sides."""
    try:
        import resource
    except ImportError:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
