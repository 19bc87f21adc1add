"""The sockets of a test broker, which may be cut, frozen, slow, or spoil what they carry."""

import contextlib
import socket
import struct
from collections.abc import Sequence

import trio

from amqpy.server.transport import SocketTransport

RESET = struct.pack("ii", 1, 0)
"""The value of SO_LINGER by which a socket that is closed resets its connection."""

SPOIL = 0xA5

SLOW_S = 0.02
"""Seconds between two pieces on a slow connection."""


class FaultyTransport(SocketTransport):
    """A socket. While nothing was done to it, it is like any other."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self._own_descriptor = self.descriptor
        self._is_severed = False
        self._is_reset = False
        self._garbles = False
        self._bytes_per_s: float | None = None
        self._thaw: trio.Event | None = None

    # --- faults

    def sever(self, *, reset: bool) -> None:
        """Ends it for the peer, with FIN or RST: nothing more gets out, and nothing in."""
        if self._is_severed:
            return
        self._is_severed, self._is_reset = True, reset
        self.thaw()
        with contextlib.suppress(OSError):
            if reset:
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            else:
                self._socket.shutdown(socket.SHUT_WR)

    def freeze(self) -> None:
        """Lets nothing in or out, until `thaw`."""
        if self._thaw is None:
            self._thaw = trio.Event()
            self._choose_descriptor()

    def thaw(self) -> None:
        if self._thaw is not None:
            self._thaw.set()
            self._thaw = None
            self._choose_descriptor()

    @property
    def is_frozen(self) -> bool:
        return self._thaw is not None

    def slow(self, bytes_per_second: float) -> None:
        """Sends so many bytes a second."""
        self._bytes_per_s = bytes_per_second

    @property
    def is_slow(self) -> bool:
        return self._bytes_per_s is not None

    def garble(self) -> None:
        """Spoils the next frames that are sent."""
        self._garbles = True

    def _choose_descriptor(self) -> None:
        self.descriptor = None if self.is_frozen else self._own_descriptor  # type: ignore[assignment]

    # --- Transport

    def send_nowait(self, buffers: Sequence[bytes | memoryview]) -> int:
        if self._is_severed:
            return sum(map(len, buffers))
        if self.is_frozen or self.is_slow:
            return 0
        if self._garbles:
            self._garbles = False
            buffers = [spoiled(b"".join(buffers))]
        return super().send_nowait(buffers)

    async def send_some(self, buffers: Sequence[bytes | memoryview]) -> int:
        while self._thaw is not None:
            await self._thaw.wait()
        if self._bytes_per_s is not None and not self._is_severed:
            await trio.sleep(SLOW_S)
            size = max(1, int(self._bytes_per_s * SLOW_S))
            return super().send_nowait([b"".join(buffers)[:size]])
        if self._is_severed:
            await trio.lowlevel.checkpoint()
            return sum(map(len, buffers))
        return await super().send_some(buffers)

    async def receive_some(self, max_bytes: int) -> bytes:
        while self._thaw is not None:
            await self._thaw.wait()
        return await super().receive_some(max_bytes)

    def receive_nowait(self, max_bytes: int) -> bytes | None:
        if self._is_severed:
            return b""
        return None if self.is_frozen else super().receive_nowait(max_bytes)

    async def finish(self) -> None:
        if self._is_reset:
            return
        self._is_severed = False  # what the peer has sent is read, for a socket with unread bytes would be reset
        self.thaw()
        await super().finish()

    def close_in_child(self) -> None:
        """Closes the socket in a forked child, where no event loop knows it."""
        self._socket.close()


def spoiled(frames: bytes) -> bytes:
    """The frames, of which the first has no type and the last no end. Their sizes stay: with others, a client would
    wait for the rest of a frame, and notice nothing."""
    return bytes((frames[0] ^ SPOIL,)) + frames[1:-1] + bytes((frames[-1] ^ SPOIL,))
