"""The broker as a process and nothing else: `amqpy serve`. Here alone is what belongs to the whole process, signals and
the garbage collector.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import trio

from amqpy.app import RunningBroker, serve
from amqpy.store.store import StoreError

if TYPE_CHECKING:
    import logging
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
        await serve(config, log, stop, collects_garbage=True, manages=True, task_status=_Started())


class _Started:
    """A `trio.TaskStatus`: once the broker serves with TLS, SIGHUP has it read its certificates anew."""

    def started(self, value: RunningBroker | None = None) -> None:
        if value is not None and value.certificates and hasattr(signal, "SIGHUP"):
            token, certificates = trio.lowlevel.current_trio_token(), value.certificates.values()

            def reload() -> None:
                for each in certificates:
                    each.reload()

            signal.signal(signal.SIGHUP, lambda number, frame: token.run_sync_soon(reload))


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
