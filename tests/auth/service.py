"""A web server on loopback, in the same event loop: what it answers is what a test says."""

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

import h11
import trio

READ: Final = 65536


class Service:
    """A server that answers requests by a function of their method, target and body."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, bytes]] = []
        self.headers: list[dict[bytes, bytes]] = []
        self.answer: Callable[[str, str, bytes], tuple[int, bytes]] = lambda method, target, body: (200, b"allow")
        self.more_headers: list[tuple[str, str]] = []
        self.delay_s = 0.0
        self.port = 0

    async def serve(self, stream: trio.abc.Stream) -> None:
        connection = h11.Connection(h11.SERVER)
        try:
            while await self._serve_one(connection, stream):
                connection.start_next_cycle()
        except (trio.BrokenResourceError, trio.ClosedResourceError, h11.RemoteProtocolError):
            pass
        finally:
            await trio.aclose_forcefully(stream)

    async def _serve_one(self, connection: h11.Connection, stream: trio.abc.Stream) -> bool:
        request, body = None, b""
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                connection.receive_data(bytes(await stream.receive_some(READ)))
            elif isinstance(event, h11.Request):
                request = event
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                break
            else:
                return False
        assert request is not None
        self.headers.append(dict(request.headers))
        method, target = request.method.decode(), request.target.decode()
        self.asked.append((method, target, body))
        await trio.sleep(self.delay_s)
        status, answer = self.answer(method, target, body)
        headers = [("Content-Length", str(len(answer))), *self.more_headers]
        for event in (h11.Response(status_code=status, headers=headers), h11.Data(answer), h11.EndOfMessage()):
            await stream.send_all(connection.send(event) or b"")
        return connection.our_state is h11.DONE and connection.their_state is h11.DONE


@asynccontextmanager
async def serving(tls: ssl.SSLContext | None = None) -> AsyncIterator[Service]:
    """A server that is there in this context."""
    service = Service()
    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        service.port = listeners[0].socket.getsockname()[1]

        async def handle(stream: trio.SocketStream) -> None:
            await service.serve(stream if tls is None else trio.SSLStream(stream, tls, server_side=True))

        nursery.start_soon(trio.serve_listeners, handle, listeners)
        yield service
        nursery.cancel_scope.cancel()
