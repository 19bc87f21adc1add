"""A way to a broker that can be cut: what an operator or a bad network does to a connection, on command.

A program connects to the proxy's control port and sends one of these lines; it is answered with `done` and a newline
when it is done:

- `cut`: all connections end without a word, towards the client and towards the broker;
- `close`: every client gets what RabbitMQ sends when an operator closes its connection, connection.close with
  320 CONNECTION_FORCED, and its connection to the broker ends.
"""

import contextlib
import socket
import struct

import trio

from interop.kit import proxy
from interop.kit.address import Address

LINGER_S = 5.0
FRAME_HEADER = struct.Struct(">BHL")
FRAME_END = b"\xce"
METHOD = 1

CLOSE_TEXT = b"CONNECTION_FORCED - closed by an operator"
CLOSE_ARGUMENTS = struct.pack(">HB", 320, len(CLOSE_TEXT)) + CLOSE_TEXT + bytes(4)


def method(class_id: int, method_id: int, arguments: bytes = b"") -> bytes:
    """A frame on channel 0."""
    payload = struct.pack(">HH", class_id, method_id) + arguments
    return FRAME_HEADER.pack(METHOD, 0, len(payload)) + payload + FRAME_END


CLOSE, CLOSE_OK = method(10, 50, CLOSE_ARGUMENTS), method(10, 51)
OLD_CLOSE, OLD_CLOSE_OK = method(10, 60, CLOSE_ARGUMENTS), method(10, 61)
START_OF_0_8 = struct.pack(">HHBB", 10, 10, 8, 0)
"""How connection.start begins for AMQP 0-8, which has other numbers for the same methods."""


class Pair(proxy.Pair):
    def __init__(self, client: trio.SocketStream, broker: trio.SocketStream) -> None:
        super().__init__(client, broker)
        self._close, self._close_ok = CLOSE, CLOSE_OK
        self._is_closing = False
        self._closed = trio.Event()
        self._between_frames = trio.Lock()
        self._is_framed = False
        self._begun = b""
        """The beginning of a frame that the client does not get before its end."""
        self._last = b""

    async def close(self) -> None:
        with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            async with self._between_frames:
                self._is_closing = True
                proxy.end(self.broker.socket)
                await self.client.send_all(self._close)
        self._closed.set()

    async def attend(self) -> None:
        """Give a client up that does not answer a close."""
        await self._closed.wait()
        await trio.sleep(LINGER_S)
        self.cut()

    async def to_broker(self, data: bytes) -> None:
        if not self._is_closing:
            await super().to_broker(data)
            return
        self._last = (self._last + data)[-len(self._close_ok) :]
        if self._last == self._close_ok:
            self.cut()

    async def to_client(self, data: bytes) -> None:
        frames = self._whole_frames(data)
        async with self._between_frames:
            if frames.startswith(START_OF_0_8, FRAME_HEADER.size):
                self._close, self._close_ok = OLD_CLOSE, OLD_CLOSE_OK
            if not self._is_closing:
                await super().to_client(frames)

    async def client_ended(self) -> None:
        if self._is_closing:
            self.cut()
        else:
            await super().client_ended()

    async def broker_ended(self) -> None:
        async with self._between_frames:  # an end is sent like anything else
            if not self._is_closing:
                await super().broker_ended()

    def broken(self) -> None:
        """A broker that was left is none of a client's business that is to answer."""
        if not self._is_closing:
            self.cut()

    def _whole_frames(self, data: bytes) -> bytes:
        """As much of what the broker sends as ends with a frame.

        What does not begin with a frame (the answer to a bad protocol header, HTTP) comes as it is.
        """
        self._is_framed = self._is_framed or data[0] == METHOD
        if not self._is_framed:
            return data
        data = self._begun + data
        end = frames_end(data)
        self._begun = data[end:]
        return data[:end]


def frames_end(data: bytes) -> int:
    """Where the last whole frame ends."""
    end = 0
    while len(data) - end >= FRAME_HEADER.size:
        _, _, size = FRAME_HEADER.unpack_from(data, end)
        if len(data) < end + FRAME_HEADER.size + size + 1:
            break
        end += FRAME_HEADER.size + size + 1
    return end


class Proxy(proxy.Proxy[Pair]):
    """Obeys on a port of its own."""

    def __init__(self, broker: Address, clients: socket.socket | None = None) -> None:
        super().__init__(broker, Pair, clients=clients)
        self._commands = proxy.listener()
        self.control_port: int = self._commands.getsockname()[1]

    def serve_more(self, nursery: trio.Nursery) -> None:
        nursery.start_soon(proxy.serve, self._obey, self._commands)

    async def _obey(self, caller: trio.SocketStream) -> None:
        async with caller:
            command = b""
            while not command.endswith(b"\n"):
                command += await caller.receive_some()
            for pair in list(self.pairs):
                if command == b"cut\n":
                    pair.cut()
                else:
                    await pair.close()
            await caller.send_all(b"done\n")
