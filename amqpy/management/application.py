"""HTTP as RabbitMQ's management API speaks it, as an ASGI application.

The order in which a request is judged is that of RabbitMQ: an unknown method, path or method of a path needs no login;
then the login, and what the user may ask for; then the content types; and then the handler, in one turn of the broker.

Source: `cowboy_rest`, `rabbit_mgmt_util`, `rabbit_mgmt_headers`, `rabbit_mgmt_cors`, `rabbit_mgmt_csp`.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from functools import partial
from ipaddress import ip_address
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

from amqpy.config import Config
from amqpy.management.answers import JSON, Answer, Refusal, as_json, bad_request, not_entitled, not_found
from amqpy.management.call import Api, Call
from amqpy.management.lists import Listing, columns_of, extract, shown
from amqpy.management.login import Logins, credentials_of
from amqpy.management.request import BODY_MAX, Request
from amqpy.management.router import METHODS, Endpoint, Router
from amqpy.management.turns import Turns, WebClient

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]

CSP: Final = {"content-security-policy": "script-src 'self' 'unsafe-eval' 'unsafe-inline'; object-src 'self'"}
VARY: Final = {"vary": "origin"}
OF_BODIES: Final = {"cache-control": "no-cache", "vary": "accept, accept-encoding, origin"}

REDIRECTS: Final = {
    "/api": "/api/index.html",
    "/api/": "/api/index.html",
    "/cli": "/cli/index.html",
    "/doc/stats.html": "/api/index.html",
    "/mgmt": "/",
    "/stats": "/api/index.html",
}

WHOLE_MAX: Final = 256 * 1024
"""Octets of a list up to which it is made before it is sent, so that its length is known."""

LOCAL_NAMES: Final = frozenset({"localhost", "localhost.localdomain"})


class Application:
    """An ASGI application for one broker."""

    def __init__(self, api: Api, router: Router, logins: Logins, config: Config) -> None:
        self._api = api
        self._router = router
        self._logins = logins
        self._turns = Turns(api.reactor)
        self._prefix = config.management_path_prefix.rstrip("/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = request_of(scope)
        is_head = request.method == "HEAD"
        try:
            answer = await self._answer(request, receive)
        except Refusal as refusal:
            answer = refusal.answer
        except Exception:
            self._api.log.exception("internal error")
            answer = Answer(500)
        if isinstance(answer, Answer):
            await send_whole(answer, send, without_body=is_head)
        else:
            await send_pieces(answer, send, without_body=is_head)

    async def _answer(self, request: Request, receive: Receive) -> "Answer | AsyncIterator[bytes]":
        if request.method not in METHODS:
            return Answer(501)
        path = request.path = request.path.removeprefix(self._prefix)
        if (location := REDIRECTS.get(path)) is not None:
            return Answer(301, headers={"location": self._prefix + location})
        is_options = request.method == "OPTIONS"
        found = self._router.match(request.segments[1:]) if path.startswith("/api/") else None
        if found is None:
            if is_options:
                return Answer(200, headers={"allow": "HEAD, GET, OPTIONS"})
            raise not_found()
        resource, names = found
        allowed = {"allow": ", ".join(resource.methods)}
        if request.method not in resource.methods:
            return Answer(405, headers=allowed)
        if is_options:
            return Answer(200, headers=allowed)
        endpoint = resource.endpoints["GET" if request.method == "HEAD" else request.method]
        credentials = credentials_of(request.headers.get("authorization"))
        user = await self._logins.log_in(credentials, from_loopback=request.from_loopback)
        call = Call(self._api, request, WebClient(user), names)
        if (reason := await self._turns.decide(partial(endpoint.rule, call))) is not None:
            raise not_entitled(reason)
        check_origin(request)
        check_types(request, endpoint)
        if request.method in {"GET", "HEAD"}:
            return await self._shown(call, await self._turns.decide(partial(endpoint.handle, call), user.name))
        request.body = await read_body(receive)
        return await self._shown(call, await self._turns.act(partial(endpoint.handle, call), call.client))

    async def _shown(self, call: Call, made: object) -> "Answer | AsyncIterator[bytes]":
        """The answer, of what a handler has returned."""
        if isinstance(made, Answer):
            return made
        query = call.request.query
        if isinstance(made, Listing):
            return await started(in_json(shown(made, query, self._turns.look)))
        return Answer(200, extract(made, columns_of(query)))


# --- requests


def request_of(scope: Scope) -> Request:
    """The request of an ASGI scope, without its body."""
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        headers.setdefault(name.decode("latin-1").lower(), value.decode("latin-1"))
    peer = scope.get("client")
    peer_host = peer[0] if peer else "127.0.0.1"
    return Request(
        scope["method"],
        scope["raw_path"].decode("latin-1"),
        scope["query_string"].decode("latin-1"),
        headers,
        peer_host,
        from_loopback=is_loopback(peer_host) and is_for_this_machine(headers.get("host", "")),
    )


def is_loopback(host: str) -> bool:
    try:
        return ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return True  # a unix socket


def is_for_this_machine(host: str) -> bool:
    """True for a Host header with an address or a name of loopback. A page of somebody else whose name has come to mean
    this machine (DNS rebinding) would have its own there, and a user for loopback only must not log in by that."""
    name = (urlsplit(f"//{host}").hostname or "") if host else ""
    if not name or name in LOCAL_NAMES:
        return True
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def check_origin(request: Request) -> None:
    """Refuses changes that a browser makes for a page of somebody else, with the login that it remembers."""
    if request.method not in {"GET", "HEAD"} and request.headers.get("sec-fetch-site") == "cross-site":
        raise not_entitled("Cross-site request")


def check_types(request: Request, endpoint: Endpoint) -> None:
    """Raises Refusal: 406 if JSON is not accepted, 415 for a body of another type than the endpoint takes."""
    accepted = request.headers.get("accept")
    if accepted is not None and not accepts_json(accepted):
        raise Refusal(406)
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if endpoint.types and given not in endpoint.types:
        raise Refusal(415)


def accepts_json(accepted: str) -> bool:
    ranges = [each.partition(";") for each in accepted.split(",")]
    good = {"*/*", "application/*", JSON, "application/bert"}
    return any(kind.strip().lower() in good and "q=0" not in parameters.split(";") for kind, _, parameters in ranges)


async def read_body(receive: Receive) -> bytes:
    """Raises Refusal if it is too large, before all of it is here."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refusal(400)
        body += message.get("body", b"")
        if len(body) > BODY_MAX:
            raise bad_request(f"payload too large, limit is {BODY_MAX} bytes")
        if not message.get("more_body"):
            return bytes(body)


# --- answers


async def in_json(pieces: AsyncIterator[Any]) -> AsyncIterator[bytes]:
    """The JSON of a list that comes in pieces; of a page, which is one object, just that."""
    before = b"["
    async for piece in pieces:
        if isinstance(piece, dict):
            yield as_json(piece)
            before = b""
        elif piece:
            yield before + as_json(piece)[1:-1]
            before = b","
    if before:
        yield b"[]" if before == b"[" else b"]"


async def started(pieces: AsyncIterator[bytes]) -> "Answer | AsyncIterator[bytes]":
    """The answer of these pieces: in one, if they are small. Whatever refuses the first of them has done so then."""
    begun = bytearray()
    async for piece in pieces:
        begun += piece
        if len(begun) >= WHOLE_MAX:
            return _after(bytes(begun), pieces)
    return Answer(200, bytes(begun))


async def _after(begun: bytes, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield begun
    async for piece in pieces:
        yield piece


def headers_of(status: int, content_type: str | None, more: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    headers = {**VARY, **({} if status in {301, 400} and content_type is None else CSP)}
    if content_type is not None:
        headers["content-type"] = content_type
        if status == 200:
            headers |= OF_BODIES
    return [(name.encode(), value.encode("utf-8", "surrogateescape")) for name, value in (headers | dict(more)).items()]


async def send_whole(answer: Answer, send: Send, *, without_body: bool) -> None:
    body = answer.body
    headers = headers_of(answer.status, answer.content_type if answer.value is not None else None, answer.headers)
    if answer.status != 204:
        headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if without_body else body})


async def send_pieces(pieces: AsyncIterator[bytes], send: Send, *, without_body: bool) -> None:
    """A list: HTTP marks the end of each piece, since nobody knows yet how long all of it is."""
    await send({"type": "http.response.start", "status": 200, "headers": headers_of(200, JSON, {})})
    if not without_body:
        async for piece in pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
