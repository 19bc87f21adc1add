"""Transports: they carry the bytes of a connection, and can be written to without waiting.

Trio's own streams make every send a scheduling point, so an answer needs a task of its own to leave. Most
answers fit the kernel's buffer: `send_nowait` puts them there at once, from the middle of a turn, and only what does
not fit waits for the writer task.
"""

import socket
import time
from collections.abc import Sequence
from typing import Protocol

import trio

_CAN_GATHER = hasattr(socket.socket, "sendmsg")

RECEIVE_SIZE = 16 * 1024
"""Bytes received at first."""

FINISH_SIZE = 256 * 1024
"""Bytes received at once of those that nobody wants any more."""


class Transport(Protocol):
    """Both directions of a connection. All but `close` raise trio.BrokenResourceError when it is broken."""

    @property
    def descriptor(self) -> int | None:
        """The one that is readable when `receive_nowait` has something; None if it does not tell that now."""

    def send_nowait(self, buffers: Sequence[bytes | memoryview]) -> int:
        """Sends what there is room for; returns the number of bytes, 0 without room. Raises BrokenResourceError."""

    async def send_some(self, buffers: Sequence[bytes | memoryview]) -> int:
        """The same when it has room again. If it is cancelled, nothing was sent."""

    async def receive_some(self, max_bytes: int) -> bytes:
        """The next bytes, empty at the end. Always a checkpoint."""

    def receive_nowait(self, max_bytes: int) -> bytes | None:
        """Receives what has arrived already: empty at the end, None if there is nothing."""

    def receive_within(self, seconds: float) -> bytes | None:
        """The same for what arrives within `seconds`, by polling."""

    async def finish(self) -> None:
        """Waits until the peer has read all that was sent, as far as that can be told."""

    def close(self) -> None:
        """At once, whatever is on its way."""


class SocketTransport:
    """A connected, non-blocking TCP or unix socket."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        if sock.family != getattr(socket, "AF_UNIX", None) and hasattr(socket, "TCP_NOTSENT_LOWAT"):
            # Trio's listener lets the kernel hold 16 KiB that are not on the wire yet: good for those who would rather
            # change their mind late. We have nothing to change, and every refusal costs a turn of the event loop.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, 0)
        self.descriptor = sock.fileno()
        self._socket = sock
        self._likely_more = False

    def send_nowait(self, buffers: Sequence[bytes | memoryview]) -> int:
        try:
            if len(buffers) == 1:
                return self._socket.send(buffers[0])
            if _CAN_GATHER:
                return self._socket.sendmsg(buffers)
            return self._socket.send(b"".join(buffers))
        except BlockingIOError:
            return 0
        except OSError as error:
            raise trio.BrokenResourceError(str(error)) from error

    async def send_some(self, buffers: Sequence[bytes | memoryview]) -> int:
        await trio.lowlevel.wait_writable(self._socket)
        return self.send_nowait(buffers)

    async def receive_some(self, max_bytes: int) -> bytes:
        """A filled buffer means that there is probably more, so the kernel is asked at once instead of waiting to be
        told."""
        if self._likely_more:
            await trio.lowlevel.checkpoint()
        else:
            await trio.lowlevel.wait_readable(self._socket)
        while (data := self.receive_nowait(max_bytes)) is None:
            await trio.lowlevel.wait_readable(self._socket)
        return data

    def receive_nowait(self, max_bytes: int) -> bytes | None:
        """A large buffer is allocated only after a small one was filled: for the many short messages of a quiet peer it
        would cost more than the rest of the call."""
        try:
            data = self._socket.recv(max_bytes if self._likely_more else min(max_bytes, RECEIVE_SIZE))
        except BlockingIOError:
            return None
        except OSError as error:
            raise trio.BrokenResourceError(str(error)) from error
        self._likely_more = len(data) >= RECEIVE_SIZE
        return data

    def receive_within(self, seconds: float) -> bytes | None:
        until = time.perf_counter() + seconds
        while (data := self.receive_nowait(RECEIVE_SIZE)) is None and time.perf_counter() < until:
            pass
        return data

    async def finish(self) -> None:
        """Closing a socket with unread input resets the connection, and a reset throws away what the peer has not read.
        So: no more from us, then read until the peer is done as well."""
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError as error:
            raise trio.BrokenResourceError(str(error)) from error
        while await self.receive_some(FINISH_SIZE):
            pass

    def close(self) -> None:
        trio.lowlevel.notify_closing(self._socket)
        self._socket.close()
