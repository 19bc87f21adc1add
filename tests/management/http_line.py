"""A client of HTTP and a server, joined by streams in memory: what the tests of connections have in common."""

import math
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import trio
from trio.testing import memory_stream_pair

from amqpy.management import http_connection as http

LONG_S = 1000
OK = b"HTTP/1.1 200 OK\r\n"


class FakeSocket:
    """The part of a socket that HTTP looks at."""

    family = socket.AF_INET

    def getpeername(self) -> tuple[str, int]:
        return "192.0.2.1", 1234

    def getsockname(self) -> tuple[str, int]:
        return "192.0.2.2", 15672


class Served:
    """A stream for a server, with what a socket has."""

    socket = FakeSocket()

    def __init__(self, stream: Any) -> None:  # noqa: ANN401
        self.stream = stream

    async def send_all(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def send_eof(self) -> None:
        await self.stream.send_eof()

    async def receive_some(self, most: int) -> bytes:
        return bytes(await self.stream.receive_some(most))

    async def aclose(self) -> None:
        await self.stream.aclose()


class Site:
    """An application that notes what it hears. It reads bodies if it `reads`, and answers with `size` octets."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, int]] = []
        """The method, the path and the size of the body of each."""
        self.reads = True
        self.size = 2
        self.pause_s = 0.0
        self.sent = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401
        size, more = 0, self.reads
        while more:
            message = await receive()
            size += len(message.get("body", b""))
            more = message.get("more_body", False)
        self.requests.append((scope["method"], scope["raw_path"].decode(), size))
        await trio.sleep(self.pause_s)
        headers = [(b"content-length", b"%d" % self.size)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for begin in range(0, self.size, 50_000):
            part = b"x" * min(50_000, self.size - begin)
            await send({"type": "http.response.body", "body": part, "more_body": begin + 50_000 < self.size})
            self.sent += len(part)


class Line:
    """A connection: the client's end of it."""

    def __init__(self, stream: Any) -> None:  # noqa: ANN401
        self.stream = stream
        self._ended = trio.Event()
        self._ended_at = math.inf

    async def say(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def rest(self) -> bytes:
        heard = bytearray()
        with trio.fail_after(LONG_S):
            while data := await self.stream.receive_some():
                heard += data
        return bytes(heard)

    async def ends(self) -> float:
        """The time at which the server is through with it."""
        with trio.fail_after(LONG_S):
            await self._ended.wait()
        return self._ended_at

    def end(self) -> None:
        self._ended.set()
        self._ended_at = trio.current_time()

    @property
    def is_served(self) -> bool:
        return not self._ended.is_set()

    async def trickle(self, part: bytes, pause_s: float = 0) -> int:
        """Says the same again and again, until nobody listens. The octets that somebody listened to."""
        size = 0
        with trio.fail_after(LONG_S):
            while self.is_served:
                try:
                    await self.say(part)
                except trio.BrokenResourceError:
                    break
                size += len(part)
                await trio.sleep(pause_s)
        return size


@asynccontextmanager
async def connected(
    site: Site, make_pair: Callable[[], Any] = memory_stream_pair, server: http.HttpServer | None = None
) -> AsyncIterator[Line]:
    ours, theirs = make_pair()
    line = Line(ours)

    async def serve() -> None:
        await (server or http.HttpServer(site)).serve(Served(theirs))
        line.end()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        yield line
        with trio.fail_after(LONG_S):
            await ours.aclose()


def get(path: str = "/", *headers: str) -> bytes:
    return "\r\n".join((f"GET {path} HTTP/1.1", "host: h", *headers, "", "")).encode()


def post(size: int, *headers: str) -> bytes:
    return "\r\n".join(("POST / HTTP/1.1", "host: h", f"content-length: {size}", *headers, "", "")).encode()


CLOSE = "connection: close"
