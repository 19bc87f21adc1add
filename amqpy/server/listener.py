"""Listeners on TCP addresses and unix sockets.

Source: AMQP 0-9-1 section 4.1 for the port; `rabbit_networking` for what a listener is.
"""

import contextlib
import logging
import os
import socket
import stat
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import trio

from amqpy.config import Config
from amqpy.config.values import TcpAddress, TlsAddress, UnixAddress
from amqpy.server.admission import Visit
from amqpy.server.reactor import Reactor
from amqpy.server.session import SessionFactory
from amqpy.server.transport import SocketTransport, Transport

if TYPE_CHECKING:
    from amqpy.server.tls import TlsHandshakes

BACKLOG = 1024


class Listener(NamedTuple):
    """A socket that listens, and what its connections begin with."""

    accepting: trio.SocketListener
    tls: bool

    @property
    def address(self) -> TcpAddress | UnixAddress:
        """The address it listens on, as the kernel knows it: with a real port."""
        address = self.accepting.socket.getsockname()
        if isinstance(address, str):
            return UnixAddress(address)
        return (TlsAddress if self.tls else TcpAddress)(*address[:2])

    def close(self) -> None:
        self.accepting.socket.close()


async def open_listeners(config: Config) -> list[Listener]:
    """Listens on every address for AMQP, or on none. Raises OSError with a line for the operator."""
    return await open_addresses(config.addresses)


async def open_stream_listeners(config: Config, log: logging.Logger, *, by_default: bool) -> list[Listener]:
    """Listens for the stream protocol, if the settings ask for it, or else by default. Raises OSError; where nobody has
    asked, it is only a warning."""
    defaults = Config()
    is_asked_for = bool(config.stream) or config.stream_addresses != defaults.stream_addresses
    if config.stream is False or not (is_asked_for or by_default):
        return []
    try:
        return await open_addresses(config.stream_addresses)
    except OSError as error:
        if is_asked_for:
            raise
        log.warning("there is no stream protocol: %s", error)
        return []


async def open_addresses(addresses: Iterable[TcpAddress | UnixAddress]) -> list[Listener]:
    """Listens on every address, or on none. Raises OSError with a line for the operator."""
    listeners: list[Listener] = []
    try:
        for address in addresses:
            listeners += [Listener(each, isinstance(address, TlsAddress)) for each in await open_address(address)]
    except OSError:
        for listener in listeners:
            listener.close()
        raise
    return listeners


async def serve(
    listeners: list[Listener], reactor: Reactor, make_session: SessionFactory, handshakes: "TlsHandshakes | None" = None
) -> None:
    """Accepts connections until cancelled; each is a session of its own, and lives on in the reactor's nursery.

    `serve_listeners` goes on when the process runs out of file descriptors for a while.
    """
    async with contextlib.AsyncExitStack() as stack:
        for listener in listeners:
            if isinstance(listener.address, UnixAddress):
                stack.callback(_remove_socket, Path(listener.address.path))
        accepting = await stack.enter_async_context(trio.open_nursery())
        for listener in listeners:
            handler = partial(serve_socket, reactor, make_session, handshakes if listener.tls else None)
            accepting.start_soon(
                partial(trio.serve_listeners, handler, [listener.accepting], handler_nursery=reactor.nursery)
            )


async def serve_socket(
    reactor: Reactor, make_session: SessionFactory, handshakes: "TlsHandshakes | None", stream: trio.SocketStream
) -> None:
    """A connection that was accepted: in TLS with `handshakes`."""
    entrance = reactor.entrance
    visit = Visit(entrance.admission)
    try:
        with stream.socket as sock:
            if (origin := await entrance.admit(sock, visit)) is None:
                return
            transport: Transport = SocketTransport(socket.socket(fileno=sock.detach()))
        ends = origin.ends
        if handshakes is not None:
            secured = await handshakes.secure(transport, ends.name)
            if secured is None:
                return
            transport, facts = secured
            ends = ends._replace(tls=facts)
        start = partial(make_session, on_entry=partial(entrance.note_entry, visit))
        await reactor.serve(transport, start, ends, from_loopback=origin.from_loopback)
    finally:
        entrance.leave(visit)


async def open_address(address: TcpAddress | UnixAddress) -> list[trio.SocketListener]:
    if isinstance(address, UnixAddress):
        return [open_unix(Path(address.path))]
    try:
        return await trio.open_tcp_listeners(address.port, host=address.host, backlog=BACKLOG)
    except OSError as error:
        raise OSError(f"cannot listen on {address}: {_reason(error)}") from error


def open_unix(path: Path, mode: int | None = None) -> trio.SocketListener:
    """Listens on a unix socket, with these permissions. Raises OSError with a line for the operator."""
    if not hasattr(socket, "AF_UNIX"):
        raise OSError(f"cannot listen on unix:{path}: this system has no unix sockets")
    _remove_stale(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.bind(str(path))
        if mode is not None:
            path.chmod(mode)  # nobody can connect before it listens
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
