"""Test brokers for other languages, in a process of their own: `amqpy test-server`.

The brokers live in the event loop of all test brokers (`host.py`), HTTP in that of the process; threads are between
them, as between a test and its broker.
"""

import logging
import os
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from importlib.util import find_spec
from typing import Any, Final

import trio

from amqpy.config.values import TcpAddress
from amqpy.server.listener import open_address
from amqpy.testing.control import ControlApplication
from amqpy.testing.control_brokers import MAIN, Brokers

MISSING: Final = "amqpy test-server needs the package hypercorn: pip install 'amqpy-broker[management]'"

HOST: Final = "127.0.0.1"
CONNECTIONS_MAX: Final = 500
"""Connections at a time. More wait."""
STDIN_READ: Final = 64 * 1024


async def serve(
    stop: trio.Event,
    *,
    port: int,
    control_port: int,
    profile: str | None,
    stops_with_stdin: bool,
    log: logging.Logger,
    on_ready: Callable[[str, str], object],
) -> None:
    """Serves a broker and its control face until it is to stop. `on_ready` is called with both URLs. Raises OSError
    with a line for the operator."""
    if find_spec("hypercorn") is None:
        raise OSError(MISSING)
    log.setLevel(logging.ERROR)
    brokers = Brokers({} if profile is None else {"profile": profile})
    (listener,) = await open_address(TcpAddress(HOST, control_port))
    from amqpy.management.http_connection import HttpServer  # with Hypercorn, which takes a moment

    server = HttpServer(ControlApplication(brokers, log))
    try:
        _, main = await trio.to_thread.run_sync(brokers.start, {"port": port}, MAIN)
        on_ready(main.url, f"http://{HOST}:{listener.socket.getsockname()[1]}")
        async with trio.open_nursery() as nursery:
            handler = partial(serve_stream, server.serve, trio.CapacityLimiter(CONNECTIONS_MAX), log)
            nursery.start_soon(trio.serve_listeners, handler, [listener])
            if stops_with_stdin:
                nursery.start_soon(stop_with_stdin, stop)
            await stop.wait()
            nursery.cancel_scope.cancel()
    finally:
        with trio.CancelScope(shield=True):
            await listener.aclose()
            for bug in await trio.to_thread.run_sync(brokers.end_all):
                log.error("%s", bug, exc_info=bug)


async def serve_stream(
    speak: Callable[[Any], Awaitable[None]],
    room: trio.CapacityLimiter,
    log: logging.Logger,
    stream: trio.SocketStream,
) -> None:
    """A connection of HTTP. Whatever fails in it is its end, and no other's."""
    try:
        async with room:
            await speak(stream)
    except (OSError, trio.BrokenResourceError) as error:
        log.debug("a connection of HTTP ended: %s", error)
    except Exception:
        log.exception("internal error in a connection of HTTP")
    finally:
        await trio.aclose_forcefully(stream)


async def stop_with_stdin(stop: trio.Event) -> None:
    """Stops when the standard input ends, as it does with a parent that has it as a pipe."""
    await trio.to_thread.run_sync(read_to_end, abandon_on_cancel=True)
    stop.set()


def read_to_end() -> None:
    try:
        while os.read(sys.stdin.fileno(), STDIN_READ):
            pass
    except (OSError, ValueError, AttributeError):
        return  # there is none
