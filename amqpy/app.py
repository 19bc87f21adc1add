"""The broker as one process: makes the parts, starts them in order, stops them in order.

A start succeeds as a whole or raises OSError, with a line for the operator, before anything was accepted.
A stop first closes the listeners, so that no client comes back while it closes the connections.
"""

import logging
import os
import random
import secrets
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType

import trio

from amqpy.auth import Users
from amqpy.config import Config
from amqpy.core.broker import Broker
from amqpy.server import listener
from amqpy.server.collector import collect_garbage
from amqpy.server.monitor import monitor
from amqpy.server.reactor import Reactor

# SIGBREAK is Ctrl-Break, the way to stop a console program on Windows from outside.
STOP_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGBREAK") if hasattr(signal, name)]

# RabbitMQ's words: tools that wait for a broker to be up look for them in its log.
STARTED = "Server startup complete; 0 plugins started."
SHUTDOWN = "broker forced connection closure with reason 'shutdown'"


def run(config: Config, log: logging.Logger) -> None:
    """Serve until the first SIGINT or SIGTERM; OSError if the start failed."""
    trio.run(run_until_signal, config, log)


async def run_until_signal(config: Config, log: logging.Logger) -> None:
    with stop_signals() as stop:
        await serve(config, log, stop)


async def serve(
    config: Config,
    log: logging.Logger,
    stop: trio.Event,
    *,
    task_status: trio.TaskStatus[Reactor] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until `stop` is set, then drain. Whoever started this as a task gets the reactor once it serves."""
    if config.data_dir is not None:
        prepare_directory(Path(config.data_dir))
    config = replace(config, cluster_name=config.cluster_name or f"rabbit@{socket.gethostname()}")
    listeners = await listener.open_listeners(config)
    broker = Broker(config, new_name, random.randrange, unix_time_ms)
    reactor = Reactor(broker, Users(broker, new_salt), config, log=log)
    async with trio.open_nursery() as connections:
        await connections.start(reactor.run)
        connections.start_soon(collect_garbage, broker)
        await connections.start(monitor, reactor, config.data_dir)
        async with trio.open_nursery() as accepting:
            accepting.start_soon(listener.serve, listeners, reactor)
            warn_of_memory(config, log)
            for each in listeners:
                log.info("listening on %s", listener.address_of(each))
            log.info(STARTED)
            task_status.started(reactor)
            await stop.wait()
            log.info("stopping")
            accepting.cancel_scope.cancel()
        await reactor.drain(SHUTDOWN)
        connections.cancel_scope.cancel()
    log.info("stopped")


def new_name() -> str:
    """22 random characters of the URL-safe base64 alphabet, as in RabbitMQ's `amq.gen-…` and `amq.ctag-…`."""
    return secrets.token_urlsafe(16)


def new_salt() -> bytes:
    """Four random bytes, as RabbitMQ has them before a password's hash."""
    return secrets.token_bytes(4)


def unix_time_ms() -> int:
    return time.time_ns() // 1_000_000


def prepare_directory(directory: Path) -> None:
    """Makes the data directory, for its owner only, if it is not there. Raises OSError."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(f"cannot make the data directory {directory}: {error.strerror}") from error
    if not os.access(directory, os.W_OK | os.X_OK):
        raise OSError(f"cannot write to the data directory {directory}")


def warn_of_memory(config: Config, log: logging.Logger) -> None:
    lost = "everything is kept in memory: a stop loses all queues and messages"
    if config.data_dir is None:
        log.info(lost)
    else:
        log.warning("there is no durable store yet, %s stays empty; %s", config.data_dir, lost)


@contextmanager
def stop_signals() -> Iterator[trio.Event]:
    """The event that the first stop signal sets. The second one ends the process at once.

    Plain handlers rather than trio's signal receiver, because the second signal must work when the event loop
    does not.
    """
    stop, token = trio.Event(), trio.lowlevel.current_trio_token()

    def ask(number: int, frame: FrameType | None) -> None:
        for each in STOP_SIGNALS:
            signal.signal(each, end)
        token.run_sync_soon(stop.set)

    def end(number: int, frame: FrameType | None) -> None:
        os._exit(128 + number)

    before = {each: signal.signal(each, ask) for each in STOP_SIGNALS}
    try:
        yield stop
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
