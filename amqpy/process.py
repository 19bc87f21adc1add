"""A broker as a process and nothing else: `amqpy serve`, `amqpy test-server`. Here alone is what belongs to the whole
process, signals and the garbage collector.
"""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import trio

from amqpy.app import STARTED, RunningBroker, serve
from amqpy.store.store import StoreError
from amqpy.systemd import Systemd

if TYPE_CHECKING:
    import logging
    from collections.abc import Awaitable
    from types import FrameType

    from amqpy.config import Config

# SIGBREAK is Ctrl-Break, the way to stop a console program on Windows from outside.
STOP_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGBREAK") if hasattr(signal, name)]


def run(config: "Config", log: "logging.Logger") -> None:
    """Serve until the first SIGINT or SIGTERM; OSError if the start failed, or the store at any time."""
    try:
        trio.run(_run_until_signal, config, log)
    except StoreError as error:
        raise OSError(str(error)) from error


async def _run_until_signal(config: "Config", log: "logging.Logger") -> None:
    with stop_signals() as stop:
        started = _Started(stop, Systemd.of(os.environ, os.getpid()))
        await serve(config, log, stop, collects_garbage=True, manages=True, task_status=started)


def until_signal(serve: "Callable[[trio.Event], Awaitable[None]]") -> None:
    """Serves something, which ends by the event that the first SIGINT or SIGTERM sets."""
    trio.run(_until_signal, serve)


async def _until_signal(serve: "Callable[[trio.Event], Awaitable[None]]") -> None:
    with stop_signals() as stop:
        await serve(stop)


class _Started:
    """A `trio.TaskStatus`. Once the broker serves, systemd is told, if that has started it; and SIGHUP has it read its
    certificates anew, if it has any."""

    def __init__(self, stop: trio.Event, systemd: Systemd | None) -> None:
        self._stop = stop
        self._systemd = systemd

    def started(self, value: RunningBroker | None = None) -> None:
        assert value is not None
        certificates, systemd = value.certificates.values(), self._systemd

        def reload_all() -> None:
            for each in certificates:
                each.reload()

        reload: Callable[[], object] | None = reload_all if certificates else None
        if systemd is not None:
            # In no nursery of ours, which would put the broker's errors into a group.
            trio.lowlevel.spawn_system_task(systemd.attend, STARTED, self._stop)
            # `systemctl reload` must not end a broker that has nothing to read.
            reload = partial(systemd.reload, reload_all)
        if reload is not None and hasattr(signal, "SIGHUP"):
            token, read = trio.lowlevel.current_trio_token(), reload
            signal.signal(signal.SIGHUP, lambda number, frame: token.run_sync_soon(read))


@contextmanager
def stop_signals() -> Iterator[trio.Event]:
    """The event that the first stop signal sets. The second one ends the process at once.

    Plain handlers rather than trio's signal receiver, because the second signal must work when the event loop
    does not.
    """
    stop, token = trio.Event(), trio.lowlevel.current_trio_token()

    def ask(number: int, frame: "FrameType | None") -> None:
        for each in STOP_SIGNALS:
            signal.signal(each, end)
        token.run_sync_soon(stop.set)

    def end(number: int, frame: "FrameType | None") -> None:
        os._exit(128 + number)

    before = {each: signal.signal(each, ask) for each in STOP_SIGNALS}
    try:
        yield stop
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
