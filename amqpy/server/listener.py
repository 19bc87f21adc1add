"""Listeners on TCP addresses and unix sockets.

Source: AMQP 0-9-1 section 4.1 for the port; `rabbit_networking` for what a listener is.
"""

import contextlib
import os
import socket
import stat
from functools import partial
from pathlib import Path

import trio

from amqpy.config import Config, TcpAddress, UnixAddress
from amqpy.server.admission import Visit
from amqpy.server.reactor import Reactor
from amqpy.server.session import SessionFactory
from amqpy.server.transport import SocketTransport

BACKLOG = 1024


async def open_listeners(config: Config) -> list[trio.SocketListener]:
    """Listens on every address, or on none. Raises OSError with a line for the operator."""
    listeners: list[trio.SocketListener] = []
    try:
        for address in config.addresses:
            listeners += await _open(address)
    except OSError:
        for listener in listeners:
            await listener.aclose()
        raise
    return listeners


async def serve(listeners: list[trio.SocketListener], reactor: Reactor, make_session: SessionFactory) -> None:
    """Accepts connections until cancelled; each is a session of its own, and lives on in the reactor's nursery.

    `serve_listeners` goes on when the process runs out of file descriptors for a while.
    """
    async with contextlib.AsyncExitStack() as stack:
        for listener in listeners:
            address = listener.socket.getsockname()
            if isinstance(address, str):
                stack.callback(_remove_socket, Path(address))
        handler = partial(serve_socket, reactor, make_session)
        await trio.serve_listeners(handler, listeners, handler_nursery=reactor.nursery)


async def serve_socket(reactor: Reactor, make_session: SessionFactory, stream: trio.SocketStream) -> None:
    """A connection that was accepted."""
    entrance = reactor.entrance
    visit = Visit(entrance.admission)
    try:
        with stream.socket as sock:
            if (origin := await entrance.admit(sock, visit)) is None:
                return
            transport = SocketTransport(socket.socket(fileno=sock.detach()))
        start = partial(make_session, on_entry=partial(entrance.note_entry, visit))
        await reactor.serve(transport, start, origin.ends, from_loopback=origin.from_loopback)
    finally:
        entrance.leave(visit)


def address_of(listener: trio.SocketListener) -> TcpAddress | UnixAddress:
    """The address it listens on, as the kernel knows it: with a real port."""
    address = listener.socket.getsockname()
    return UnixAddress(address) if isinstance(address, str) else TcpAddress(*address[:2])


async def _open(address: TcpAddress | UnixAddress) -> list[trio.SocketListener]:
    if isinstance(address, UnixAddress):
        return [_open_unix(Path(address.path))]
    try:
        return await trio.open_tcp_listeners(address.port, host=address.host, backlog=BACKLOG)
    except OSError as error:
        raise OSError(f"cannot listen on {address}: {_reason(error)}") from error


def _open_unix(path: Path) -> trio.SocketListener:
    if not hasattr(socket, "AF_UNIX"):
        raise OSError(f"cannot listen on unix:{path}: this system has no unix sockets")
    _remove_stale(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.bind(str(path))
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        raise OSError(f"cannot listen on unix:{path}: {_reason(error)}") from error
    return trio.SocketListener(trio.socket.from_stdlib_socket(sock))


def _remove_stale(path: Path) -> None:
    """Removes the socket of a broker that is gone; one that answers is left alone, and bind fails."""
    with contextlib.suppress(OSError):
        if not stat.S_ISSOCK(path.stat().st_mode):
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            try:
                probe.connect(str(path))
            except ConnectionRefusedError:
                path.unlink()


def _remove_socket(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()


def _reason(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
