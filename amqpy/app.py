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
from typing import TYPE_CHECKING, cast

import trio

from amqpy.auth import Users
from amqpy.config import Config
from amqpy.core.broker import Broker
from amqpy.core.durability import recovery
from amqpy.core.durability.startup import open_broker
from amqpy.server import listener
from amqpy.server.garbage_collection import collect_garbage
from amqpy.server.reactor import Reactor, now_ms
from amqpy.server.resource_monitor import monitor_resources
from amqpy.store.store import Store, StoreError

if TYPE_CHECKING:
    from amqpy.store.sqlite import Sync

# SIGBREAK is Ctrl-Break, the way to stop a console program on Windows from outside.
STOP_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGBREAK") if hasattr(signal, name)]

# RabbitMQ's words: tools that wait for a broker to be up look for them in its log.
STARTED = "Server startup complete; 0 plugins started."
SHUTDOWN = "broker forced connection closure with reason 'shutdown'"


def run(config: Config, log: logging.Logger) -> None:
    """Serve until the first SIGINT or SIGTERM; OSError if the start failed, or the store at any time."""
    try:
        trio.run(run_until_signal, config, log)
    except StoreError as error:
        raise OSError(str(error)) from error


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
    """Serve until `stop` is set, then drain. Whoever started this as a task gets the reactor once it serves. Raises
    OSError if the start failed, and StoreError if the store failed then or later."""
    config = replace(config, cluster_name=config.cluster_name or f"rabbit@{socket.gethostname()}")
    store = None if config.data_dir is None else store_of(config, config.data_dir)
    is_clean = False
    try:
        broker, users = make_broker(config, store)
        reactor = Reactor(broker, users, config, log=log)
        if store is not None:
            reactor.keep_in(store, on_failure=stop.set)
        listeners = await listener.open_listeners(config)
        await _serve_until(stop, listeners, reactor, config, log, task_status)
        if reactor.flusher is not None:
            if reactor.flusher.failure is not None:
                raise reactor.flusher.failure
            recovery.note_fronts(broker)
            await reactor.flusher.finish()
            is_clean = True
    finally:
        if store is not None:
            store.close(is_clean=is_clean)
    log.info("stopped")


async def _serve_until(
    stop: trio.Event,
    listeners: list[trio.SocketListener],
    reactor: Reactor,
    config: Config,
    log: logging.Logger,
    task_status: trio.TaskStatus[Reactor],
) -> None:
    async with trio.open_nursery() as connections:
        await connections.start(reactor.run)
        connections.start_soon(collect_garbage, reactor.broker)
        await connections.start(monitor_resources, reactor, config.data_dir)
        async with trio.open_nursery() as accepting:
            accepting.start_soon(listener.serve, listeners, reactor)
            if config.data_dir is None:
                log.info("everything is kept in memory: a stop loses all queues and messages")
            else:
                count = reactor.broker.message_count()
                log.info("what is durable is kept in %s; %d messages are there", config.data_dir, count)
            for each in listeners:
                log.info("listening on %s", listener.address_of(each))
            log.info(STARTED)
            task_status.started(reactor)
            await stop.wait()
            log.info("stopping")
            accepting.cancel_scope.cancel()
        await reactor.drain(SHUTDOWN)
        connections.cancel_scope.cancel()


def store_of(config: Config, directory: str) -> Store:
    """Raises StoreError."""
    from amqpy.store.directory import open_store  # without a directory nobody needs SQLite

    return open_store(Path(directory), sync=cast("Sync", config.sync))


def make_broker(config: Config, store: Store | None) -> tuple[Broker, Users]:
    """A broker with what the store has, and its users. Raises StoreError."""
    if store is None:
        broker = Broker(config, new_name, random.randrange, unix_time_ms)
        return broker, Users(broker, new_salt)
    broker, loaded = open_broker(
        config,
        store,
        new_name,
        random.randrange,
        unix_time_ms,
        now_ms=now_ms(),
        unix_offset_ms=lambda: unix_time_ms() - now_ms(),
    )
    return broker, Users(broker, new_salt, loaded.records)


def new_name() -> str:
    """22 random characters of the URL-safe base64 alphabet, as in RabbitMQ's `amq.gen-…` and `amq.ctag-…`."""
    return secrets.token_urlsafe(16)


def new_salt() -> bytes:
    """Four random bytes, as RabbitMQ has them before a password's hash."""
    return secrets.token_bytes(4)


def unix_time_ms() -> int:
    return time.time_ns() // 1_000_000


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
