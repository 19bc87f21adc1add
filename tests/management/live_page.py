"""A client of live pages: what a browser sees of one stream.

async with looking(site, get="/overview") as page:
    answer = await page.next("answer")
"""

import json
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

import trio
from trio.testing import wait_all_tasks_blocked

from amqpy.core.principals import Principal

from .harness import GUEST, Reply, Site

LONG_S = 1000
"""Virtual seconds in which an event must come."""


class Page:
    """One stream."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.comments = 0
        self.is_lost = False
        """True if nothing more can be sent."""
        self.is_over = trio.Event()
        """Set once the server is through with it."""
        self._body = b""
        self._events: list[tuple[str, Any]] = []
        self._heard = trio.Event()
        self._reads = trio.Event()
        self._reads.set()
        self._left = trio.Event()
        self._asked = False

    # --- the ASGI side

    async def receive(self) -> dict[str, Any]:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:  # noqa: ANN401
        await self._reads.wait()
        await trio.lowlevel.checkpoint()
        if self.is_lost or self._left.is_set():
            raise OSError("the peer is gone")
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        self._body += message.get("body", b"")
        if self.headers["content-type"] == "text/event-stream":
            *whole, self._body = self._body.split(b"\n\n")
            for each in whole:
                self._note(each)
        self._heard.set()

    def _note(self, text: bytes) -> None:
        if text.startswith(b":"):
            self.comments += 1
            return
        name, data = text.split(b"\n")  # data in one line
        assert name.startswith(b"event: ")
        assert data.startswith(b"data: ")
        self._events.append((name[7:].decode(), json.loads(data[6:])))

    # --- the test's

    @property
    def reply(self) -> Reply:
        """What came in place of a stream."""
        return Reply(self.status, self.headers, self._body)

    def stop_reading(self) -> None:
        self._reads = trio.Event()

    def read_on(self) -> None:
        self._reads.set()

    def leave(self) -> None:
        self._left.set()

    async def next(self, name: str) -> Any:  # noqa: ANN401
        """The data of the next event, which must be of this name."""
        with trio.fail_after(LONG_S):
            while not self._events:
                self._heard = trio.Event()
                await self._heard.wait()
        found, data = self._events.pop(0)
        assert found == name, (found, data)
        return data

    def take(self) -> list[tuple[str, Any]]:
        """All events that have come."""
        taken, self._events = self._events, []
        return taken

    async def after(self, seconds: float) -> list[tuple[str, Any]]:
        """All events that come in so many seconds."""
        await trio.sleep(seconds)
        await wait_all_tasks_blocked()
        return self.take()


def query_of(**parameters: str | int | Sequence[str]) -> str:
    return urlencode(parameters, doseq=True)


def scope_of(
    path: str, query: str, user: str, password: str | None, host: str, headers: Mapping[str, str] | None
) -> dict[str, Any]:
    credentials = b64encode(f"{user}:{password or user}".encode()).decode()
    sent = {"host": "localhost", "authorization": f"Basic {credentials}", **(headers or {})}
    return {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in sent.items()],
        "client": (host, 50_000),
    }


@asynccontextmanager
async def looking(
    site: Site,
    query: str = "",
    *,
    user: str = GUEST,
    password: str | None = None,
    host: str = "127.0.0.1",
    headers: Mapping[str, str] | None = None,
    path: str = "/api/live",
    **parameters: str | int | Sequence[str],
) -> AsyncIterator[Page]:
    """A page of a user, which leaves at the end."""
    page = Page()

    async def serve() -> None:
        scope = scope_of(path, query or query_of(**parameters), user, password, host, headers)
        await site.application(scope, page.receive, page.send)
        page.is_over.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        yield page
        page.read_on()
        page.leave()
        with trio.fail_after(LONG_S):
            await page.is_over.wait()


async def refusal(site: Site, query: str = "", **request: Any) -> tuple[int, str, Any]:  # noqa: ANN401
    """The refusal of a stream."""
    async with looking(site, query, **request) as page:
        await page.is_over.wait()
        return page.reply.refusal


def lengths(events: list[tuple[str, Any]]) -> list[int]:
    """The lengths of the queue that the answers show."""
    return [data["body"]["messages"] for name, data in events if name == "answer"]


def count_requests(site: Site) -> list[tuple[str, str]]:
    """The requests that are answered from now on for live pages: path and user."""
    asked: list[tuple[str, str]] = []
    page = site.application._live  # noqa: SLF001 (there is no other way to see what is not asked)
    ask = page._ask  # noqa: SLF001

    async def noting(request: Any, user: Principal) -> Any:  # noqa: ANN401
        asked.append((f"{request.path.removeprefix('/api')}?{request.query_string}".rstrip("?"), user.name))
        return await ask(request, user)

    page._ask = noting  # noqa: SLF001
    return asked
