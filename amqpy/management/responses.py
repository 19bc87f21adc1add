"""Responses: how an answer goes out, with the headers that RabbitMQ sends.

Source: `rabbit_mgmt_headers`, `rabbit_mgmt_cors`, `rabbit_mgmt_csp`, `rabbit_mgmt_hsts`; `cowboy_rest:variances`.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, MutableMapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

import trio

from amqpy.config import Config
from amqpy.management.answers import JSON, NO_HEADERS, Answer, Headers, as_json, now
from amqpy.management.request import Request

Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Write: TypeAlias = Callable[[bytes], Awaitable[None]]
"""Sends a part of a body. Raises OSError if the other side is gone."""

WHOLE_MAX: Final = 256 * 1024
"""Octets of a list up to which it is made before it is sent, so that its length is known."""
SENT_AT_ONCE: Final = 16 * 1024
"""Octets of a longer one that are sent together, at least."""

VARY: Final = "origin"
REVALIDATED: Final = "public, max-age=0, must-revalidate"

SHOWN: Final = frozenset((200, 503))
"""The statuses of answers that show something."""

OF_RESOURCES: Final = "accept, accept-encoding, origin"
"""The header `vary` once it is settled which form an answer has."""
OF_ONE_TYPE: Final = "accept-encoding, origin"
"""The same for resources that have only one."""


class Stream(NamedTuple):
    """A long answer, which comes in pieces."""

    pieces: AsyncGenerator[bytes, None]
    headers: Headers = NO_HEADERS


class Source(Protocol):
    """An answer that goes on as long as the client listens."""

    async def run(self, write: Write, receive: Receive) -> None:
        """Sends what there is, until the client is gone (of which `receive` tells), or nothing more is to come."""

    def close(self) -> None:
        """Lets go of all that it needs, whether it was run or not."""


class Feed(NamedTuple):
    """An answer without an end."""

    source: Source
    content_type: str
    headers: Headers = NO_HEADERS


async def in_json(pieces: AsyncGenerator[Any, None]) -> AsyncGenerator[bytes, None]:
    """The JSON of a list that comes in pieces; of a page, which is an object, its other keys come first."""
    before, end = b"[", b"]"
    async with aclosing(pieces):
        async for piece in pieces:
            if isinstance(piece, dict):
                before, end = as_json(piece)[:-1] + b',"items":[', b"]}"
            elif piece:
                yield before + as_json(piece)[1:-1]
                before = b","
    yield (b"" if before == b"," else before) + end


async def started(pieces: AsyncGenerator[bytes, None], headers: Headers = NO_HEADERS) -> Answer | Stream:
    """The answer of these pieces: in one, if they are small. Whatever refuses the first of them has done so then."""
    begun = bytearray()
    async for piece in pieces:
        begun += piece
        if len(begun) >= WHOLE_MAX:
            return Stream(_after(bytes(begun), pieces), headers)
    return Answer(200, bytes(begun), headers)


async def _after(begun: bytes, pieces: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    async with aclosing(pieces):
        yield begun
        more = bytearray()
        async for piece in pieces:
            more += piece
            if len(more) >= SENT_AT_ONCE:
                yield bytes(more)
                more.clear()
        if more:
            yield bytes(more)


def _of_compressing(headers: dict[str, str]) -> dict[str, str]:
    """The headers of an answer that might be compressed. Source: `rabbit_mgmt_headers`, `cowboy_compress_h`."""
    vary = headers.get("vary")
    if vary is None:
        return {**headers, "vary": "accept-encoding"} if "date" in headers else headers
    return {"cache-control": REVALIDATED, **headers, "vary": f"{VARY}, accept-encoding" if vary == VARY else vary}


@dataclass(frozen=True)
class Responses:
    """The headers that the settings ask for, and those of every answer."""

    csp: str
    hsts: str | None
    origins: frozenset[str]
    """Origins whose pages may use the API; `*` is any."""
    max_age_s: int
    compresses: bool = False
    """True for versions that might compress answers, and say so."""

    @classmethod
    def of(cls, config: Config) -> "Responses":
        return cls(
            config.management_csp,
            config.management_hsts,
            frozenset(config.management_cors_allow_origins),
            config.management_cors_max_age,
            "compressing" in config.switches.management,
        )

    async def send(self, request: Request, answer: Answer | Stream | Feed, send: Send, receive: Receive) -> None:
        is_head = request.method == "HEAD"
        await trio.lowlevel.checkpoint()  # messages do not wait for all of a request
        if isinstance(answer, Feed):
            await self._send_feed(request, answer, send, receive)
        elif isinstance(answer, Stream):
            await self._send_stream(request, answer, send, without_body=is_head)
        else:
            await self._send_whole(request, answer, send, without_body=is_head)

    async def _send_whole(self, request: Request, answer: Answer, send: Send, *, without_body: bool) -> None:
        body, status = answer.body, answer.status
        content_type = None if answer.value is None else answer.content_type
        headers = self._headers(request, answer, content_type)
        if status not in {204, 304}:
            headers.append((b"content-length", b"%d" % len(body)))
        await trio.lowlevel.checkpoint()
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if without_body else body})

    async def _send_stream(self, request: Request, stream: Stream, send: Send, *, without_body: bool) -> None:
        """A list: HTTP marks the end of each piece, since nobody knows yet how long all of it is."""
        headers = self._headers(request, Answer(200, None, stream.headers), JSON)
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        async with aclosing(stream.pieces) as pieces:
            if not without_body:
                async for piece in pieces:
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def _send_feed(self, request: Request, feed: Feed, send: Send, receive: Receive) -> None:
        async def write(piece: bytes) -> None:
            await send({"type": "http.response.body", "body": piece, "more_body": True})

        try:
            headers = self._headers(request, Answer(200, None, feed.headers), feed.content_type)
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await feed.source.run(write, receive)
            await send({"type": "http.response.body", "body": b""})
        finally:
            feed.source.close()

    def _headers(self, request: Request, answer: Answer, content_type: str | None) -> list[tuple[bytes, bytes]]:
        headers: dict[str, str] = {"date": now()} if answer.dated else {}
        if not answer.bare:
            headers |= {"vary": VARY, "content-security-policy": self.csp}
            if self.hsts is not None:
                headers["strict-transport-security"] = self.hsts
            headers |= self._cors(request, answer.headers)
        if content_type is not None:
            headers["content-type"] = content_type
            if answer.status in SHOWN:
                headers["cache-control"] = "no-cache"
        headers |= answer.headers
        if self.compresses:
            headers = _of_compressing(headers)
        return [(name.encode(), value.encode("utf-8", "surrogateescape")) for name, value in headers.items()]

    def _cors(self, request: Request, more: Headers) -> Mapping[str, str]:
        """The headers that let the page of another origin see the answer, if it may."""
        origin = request.headers.get("origin")
        if origin is None or not self.origins & {origin, "*"}:
            return NO_HEADERS
        headers = {"access-control-allow-origin": origin, "access-control-allow-credentials": "true"}
        if request.method == "OPTIONS":
            headers["access-control-allow-methods"] = more.get("allow", "")
            if (asked := request.headers.get("access-control-request-headers")) is not None:
                headers["access-control-allow-headers"] = asked
            else:
                headers["access-control-max-age"] = str(self.max_age_s)
        return headers
