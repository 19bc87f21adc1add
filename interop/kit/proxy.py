"""A way to a broker through which everything goes as it comes, until whoever makes it something else ends it.

It runs in a thread with an event loop of its own. Subclasses say what becomes of a connection: `interop.clients.proxy`
on command, `interop.soak.proxy` by lot.
"""

import contextlib
import socket
import struct
import threading
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Generic, Self, TypeVar

import trio

from interop.kit.address import Address

HOST = "127.0.0.1"
RECEIVE_BYTES = 1 << 18
BACKLOG = 128
TIMEOUT_S = 10.0
RESET_ON_CLOSE = struct.pack("ii", 1, 0)

PassOn = Callable[[bytes], Awaitable[None]]
End = Callable[[], Awaitable[None]]


class Pair:
    """A client's connection, and ours to the broker."""

    def __init__(self, client: trio.SocketStream, broker: trio.SocketStream) -> None:
        self.client = client
        self.broker = broker
        self.scope = trio.CancelScope()

    async def live(self) -> None:
        """Carry bytes both ways until both sides have ended, or something cuts them."""
        try:
            with self.scope:
                async with trio.open_nursery() as attending:
                    attending.start_soon(self.attend)
                    async with trio.open_nursery() as carrying:
                        carrying.start_soon(self._carry, self.client, self.to_broker, self.client_ended)
                        carrying.start_soon(self._carry, self.broker, self.to_client, self.broker_ended)
                    attending.cancel_scope.cancel()
        finally:
            for stream in (self.client, self.broker):
                stream.socket.close()

    async def _carry(self, source: trio.SocketStream, pass_on: PassOn, end: End) -> None:
        try:
            while data := bytes(await source.receive_some(RECEIVE_BYTES)):
                await pass_on(data)
            await end()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self.broken()

    def cut(self) -> None:
        """End both connections without a word."""
        for stream in (self.client, self.broker):
            end(stream.socket)
        self.scope.cancel()

    def reset(self) -> None:
        for stream in (self.client, self.broker):
            with contextlib.suppress(OSError):
                stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self.scope.cancel()

    # What subclasses may do otherwise

    async def attend(self) -> None:
        """Runs beside the carrying."""

    async def to_broker(self, data: bytes) -> None:
        await self.broker.send_all(data)

    async def to_client(self, data: bytes) -> None:
        await self.client.send_all(data)

    async def client_ended(self) -> None:
        """It may be reading still."""
        await self.broker.send_eof()

    async def broker_ended(self) -> None:
        """The client may be sending still, and must not fail before it reads."""
        await self.client.send_eof()

    def broken(self) -> None:
        """One side is gone."""
        self.cut()


AnyPair = TypeVar("AnyPair", bound=Pair)


class Proxy(Generic[AnyPair]):
    """Listens on a free port of 127.0.0.1, or takes the clients of a listener that is there, while it is entered."""

    def __init__(
        self,
        broker: Address,
        make_pair: Callable[[trio.SocketStream, trio.SocketStream], AnyPair],
        *,
        clients: socket.socket | None = None,
    ) -> None:
        self._broker = broker
        self._make_pair = make_pair
        self._listening = clients or listener()
        self.address = replace(broker, host=HOST, port=self._listening.getsockname()[1])
        """Where it listens itself, and how to log in."""
        self.pairs: set[AnyPair] = set()
        self.token: trio.lowlevel.TrioToken
        self._serving = trio.CancelScope()
        self._started = threading.Event()
        self._thread = threading.Thread(target=trio.run, args=(self._serve,), name="proxy", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._started.wait(TIMEOUT_S):
            raise RuntimeError("the proxy does not start")
        return self

    def __exit__(self, *exception: object) -> None:
        self.token.run_sync_soon(self._serving.cancel)
        self._thread.join(TIMEOUT_S)

    # In the proxy's own thread

    async def _serve(self) -> None:
        self.token = trio.lowlevel.current_trio_token()
        with self._serving:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(serve, self._lead, self._listening)
                self.serve_more(nursery)
                self._started.set()

    def serve_more(self, nursery: trio.Nursery) -> None:
        """For subclasses that listen elsewhere, too."""

    async def _lead(self, client: trio.SocketStream) -> None:
        try:
            broker = await trio.open_tcp_stream(self._broker.host, self._broker.port)
        except OSError:
            client.socket.close()
            return
        pair = self._make_pair(client, broker)
        self.pairs.add(pair)
        try:
            await pair.live()
        finally:
            self.pairs.discard(pair)


async def serve(attend: Callable[[trio.SocketStream], Awaitable[None]], listening: socket.socket) -> None:
    """Attend to everybody who connects."""
    await trio.serve_listeners(attend, [trio.SocketListener(trio.socket.from_stdlib_socket(listening))])


def end(each: trio.socket.SocketType) -> None:
    with contextlib.suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)


def listener() -> socket.socket:
    return socket.create_server((HOST, 0), backlog=BACKLOG)
