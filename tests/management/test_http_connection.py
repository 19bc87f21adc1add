"""A connection of HTTP, to its last octet: an application behind it that answers with the status that is asked for."""

import socket
from typing import Any

import pytest
import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState

from amqpy.management.http_connection import HttpConnection

BODY = b"HTTP/1.1 200 \r\n"
"""Looks like the beginning of an answer, but is none."""


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:  # noqa: ANN401
    headers = [(b"x-empty", b""), (b"content-length", b"%d" % len(BODY))]
    await send({"type": "http.response.start", "status": int(scope["path"][1:]), "headers": headers})
    await send({"type": "http.response.body", "body": BODY})


async def answers_to(request: bytes) -> bytes:
    """Everything that comes after a request, until the connection is over."""
    near, far = map(trio.SocketStream, map(trio.socket.from_stdlib_socket, socket.socketpair()))
    wrapped: Any = ASGIWrapper(application)  # type: ignore[arg-type]
    connection: Any = HttpConnection(wrapped, Config(), WorkerContext(None), ConnectionState({}), far)  # type: ignore[arg-type]
    with trio.fail_after(10):
        async with near, trio.open_nursery() as nursery:
            nursery.start_soon(connection.run)
            await near.send_all(request)
            return b"".join([part async for part in near])


@pytest.mark.parametrize(
    ("status", "phrase"),
    [
        (200, "OK"),
        (204, "No Content"),
        (400, "Bad Request"),
        (401, "Unauthorized"),
        (404, "Not Found"),
        (405, "Method Not Allowed"),
        (429, "Too Many Requests"),
        (503, "Service Unavailable"),
        (599, ""),
    ],
)
async def test_the_first_line_names_the_status(status: int, phrase: str) -> None:
    answer = await answers_to(b"GET /%d HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % status)
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *headers = head.split(b"\r\n")
    assert first == f"HTTP/1.1 {status} {phrase}".encode()
    assert b"x-empty: " in headers
    assert body == (BODY if status != 204 else b"")


async def test_each_answer_of_a_connection_is_named() -> None:
    again = b"GET /404 HTTP/1.1\r\nHost: x\r\n"
    answer = await answers_to(again + b"\r\n" + again + b"Connection: close\r\n\r\n")
    assert answer.count(b"HTTP/1.1 404 Not Found\r\n") == 2


async def test_what_is_no_http_is_told_so() -> None:
    assert (await answers_to(b"\x16\x03\x01\r\n\r\n")).startswith(b"HTTP/1.1 400 Bad Request\r\n")
