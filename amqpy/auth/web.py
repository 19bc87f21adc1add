"""Requests to web services: so many at a time, so large, so long, and to nobody else than who was configured.

No redirect is followed, no proxy of the environment is used, and nothing is tried again.
"""

import ssl
from dataclasses import dataclass
from typing import NamedTuple, Self

import httpx
import trio

from amqpy.version import __version__

REQUESTS_MAX = 100
"""Requests at a time; more wait in line."""

ANSWER_BYTES_MAX = 1 << 20

HEADERS = {"Accept-Encoding": "identity", "User-Agent": f"amqpy/{__version__}"}


class WebError(Exception):
    """A request without an answer. The text has no part of the request, which may have a password."""


class Answer(NamedTuple):
    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Limits:
    """Times that requests may take."""

    connect_s: float
    request_s: float
    """Altogether, in line too."""


class Web:
    """A client of web services."""

    def __init__(self, limits: Limits, ca_file: str | None) -> None:
        """Raises OSError if the file with the authorities cannot be used."""
        self._limits = limits
        self._line = trio.CapacityLimiter(REQUESTS_MAX)
        self._timeout = httpx.Timeout(limits.request_s, connect=limits.connect_s).as_dict()
        # Beneath httpx.AsyncClient, which logs the address of each request, and there passwords may be.
        self._transport = httpx.AsyncHTTPTransport(
            verify=ssl.create_default_context(cafile=ca_file),
            limits=httpx.Limits(max_connections=REQUESTS_MAX),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        with trio.CancelScope(shield=True):
            await self._transport.aclose()

    async def get(self, url: str) -> Answer:
        """Raises WebError."""
        return await self._ask(httpx.Request("GET", url, headers=HEADERS, extensions={"timeout": self._timeout}))

    async def post(self, url: str, form: bytes) -> Answer:
        """Sends a form as those of HTML are encoded. Raises WebError."""
        headers = {**HEADERS, "Content-Type": "application/x-www-form-urlencoded"}
        return await self._ask(
            httpx.Request("POST", url, content=form, headers=headers, extensions={"timeout": self._timeout})
        )

    async def _ask(self, request: httpx.Request) -> Answer:
        try:
            with trio.fail_after(self._limits.request_s):
                async with self._line:
                    response = await self._transport.handle_async_request(request)
                    try:
                        return Answer(response.status_code, await _body_of(response))
                    finally:
                        with trio.CancelScope(shield=True):
                            await response.aclose()
        except (trio.TooSlowError, httpx.TimeoutException):
            raise WebError("timeout") from None
        except (httpx.HTTPError, ssl.SSLError, OSError) as error:
            raise WebError(f"{type(error).__name__}: {_reason(error)}") from None


def _reason(error: BaseException) -> str:
    """The text of an error, or of the one that caused it. Errors of connecting have none themselves."""
    found: BaseException | None = error
    while found is not None:
        if str(found):
            return str(found)
        found = found.__cause__ or found.__context__
    return "unknown"


async def _body_of(response: httpx.Response) -> bytes:
    body = bytearray()
    with trio.CancelScope() as reading:
        async for part in response.aiter_raw():  # as it was sent: nothing large comes out of something small
            body += part
            if len(body) > ANSWER_BYTES_MAX:
                reading.cancel()  # within the iterators, which would be left unfinished by an exception here
    if len(body) > ANSWER_BYTES_MAX:
        raise WebError("the answer is too large")
    return bytes(body)
