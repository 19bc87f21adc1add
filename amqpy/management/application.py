"""HTTP as RabbitMQ's management API speaks it, as an ASGI application.

The order in which a request is judged is that of RabbitMQ: an unknown method, path or method of a path needs no login;
then the login, and what the user may ask for; then the content types; and then the handler, in one turn of the broker.

Source: `cowboy_rest`, `rabbit_mgmt_util`, `rabbit_mgmt_headers`, `rabbit_mgmt_cors`, `rabbit_mgmt_csp`.
"""

import re
from collections.abc import Awaitable, Callable, Collection, Mapping, MutableMapping
from functools import partial
from ipaddress import ip_address
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

import trio

from amqpy.config import Config
from amqpy.core.principals import BackendUser
from amqpy.management.access import monitor, public
from amqpy.management.answers import JSON, Answer, BadLogin, Malformed, Refusal, bad_request, not_entitled, not_found
from amqpy.management.call import Api, Call
from amqpy.management.documents import Document, in_pieces
from amqpy.management.files import METHODS as OF_FILES
from amqpy.management.files import OCTETS, Files
from amqpy.management.lists import Listing, Summary, columns_of, extract, shown, summed
from amqpy.management.login import Logins, of_header, use_login_in_query
from amqpy.management.prometheus.application import PrometheusApplication
from amqpy.management.request import Request
from amqpy.management.responses import Responses, Stream, in_json, started
from amqpy.management.router import KNOWN, Endpoint, Router
from amqpy.management.statistics.samples import TICK_MS
from amqpy.management.turns import Turns, WebClient
from amqpy.server.admission import Refused
from amqpy.server.reactor import now_ms

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]

REDIRECTS: Final = {
    "/api": "/api/index.html",
    "/api/": "/api/index.html",
    "/cli": "/cli/index.html",
    "/doc/stats.html": "/api/index.html",
    "/mgmt": "/",
    "/stats": "/api/index.html",
}

FORM_MAX: Final = 64 * 1024
"""Octets of a form with credentials, which is read before anybody has logged in."""

METRICS: Final = Answer(200)
"""Stands for the metrics, which answer themselves."""

NOBODY: Final = BackendUser("", (), ())
"""The user of a request that needs none."""

MEDIA_TYPE: Final = re.compile(r"[^\s/;,]+/[^\s/;,]+")
BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
BERT: Final = "application/bert"
"""Erlang's own format, which RabbitMQ can answer in. Whoever accepts it gets JSON."""

LOCAL_NAMES: Final = frozenset({"localhost", "localhost.localdomain"})


class Application:
    """An ASGI application for one broker."""

    def __init__(
        self, api: Api, router: Router, logins: Logins, config: Config, metrics: PrometheusApplication | None = None
    ) -> None:
        """With `metrics` they are at its path, too: for monitors who log in."""
        self._api = api
        self._router = router
        self._logins = logins
        self._turns = Turns(api.reactor)
        self._features = config.switches.management
        self._files = None if config.management_ui is None else Files(config.management_ui)
        self._prefix = path_prefix_of(config)
        self._metrics = metrics
        self._responses = Responses.of(config)
        self._body_max = config.management_http_max_body_size

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = request_of(scope)
        answer: Answer | Stream
        try:
            if self._metrics is not None and self._metrics.serves(request.path):
                await self._admit_monitor(request)
                answer = METRICS
            else:
                answer = await self._answer(request, receive)
                if isinstance(answer, Answer) and answer.value is not None:
                    answer = answer._replace(value=answer.body)  # here, where a bug is still answered
        except Refusal as refusal:
            answer = refusal.answer
        except Exception as error:
            self._turns.blame(error)
            answer = Answer(500)
        try:
            if answer is METRICS and self._metrics is not None:
                await self._metrics(scope, receive, send)
            else:
                await self._responses.send(request, answer, send)
        except OSError:
            pass  # the other side is gone
        except Exception as error:
            # Of a list that is being sent. Without its end, the other side knows that something is missing.
            self._turns.blame(error)

    async def run(self) -> None:
        """Does what goes on beside the requests, until cancelled."""
        while True:
            try:
                await self._api.statistics.run(self._turns.look)
                return
            except Exception as error:
                self._turns.blame(error)
            await trio.sleep(TICK_MS / 1000)

    async def _answer(self, request: Request, receive: Receive) -> "Answer | Stream":
        if request.method not in KNOWN:
            return Answer(501)
        if BAD_ESCAPE.search(request.path):
            raise Malformed
        if self._prefix and request.path == "/":
            return Answer(301, headers={"location": f"{self._prefix}/"})
        if not f"{request.path}/".startswith(f"{self._prefix}/"):
            raise not_found()
        path = request.path = request.path.removeprefix(self._prefix) or "/"
        if (location := REDIRECTS.get(path)) is not None:
            return Answer(301, headers={"location": self._prefix + location})
        found = self._router.match(request.segments[1:]) if path.startswith("/api/") else None
        served = {} if found is None else found[0].served(self._features)
        if found is None or not served:
            return await self._file(request)
        resource, names = found
        methods = resource.allowed(served)
        if request.method not in methods:
            return Answer(405, headers={"allow": ", ".join(methods)})
        if request.method == "OPTIONS":
            return Answer(200, headers={"allow": ", ".join(methods)})
        endpoint = served["GET" if request.method == "HEAD" else request.method]
        if endpoint.credentials is not None:
            request.body = await read_body(receive, FORM_MAX)
        if resource.has_login_in_query and "login-in-query" in self._features:
            use_login_in_query(request)
        call = await self._enter(request, endpoint, names)
        check_accept(request.headers.get("accept"), JSON)
        try:
            answer = await self._act(call, endpoint, receive)
        except Refusal as refusal:
            answer = refusal.answer
        return answer._replace(headers={"vary": resource.vary, **answer.headers})

    async def _act(self, call: Call, endpoint: Endpoint, receive: Receive) -> "Answer | Stream":
        """Calls the handler. Raises Refusal."""
        request = call.request
        check_origin(request, self._responses.origins)
        check_types(request, endpoint)
        if request.method in {"GET", "HEAD"}:
            return await self._shown(call, await self._turns.decide(partial(endpoint.handle, call), call.user.name))
        if endpoint.credentials is None:
            request.body = await read_body(receive, self._body_max)
        self._api.statistics.note_change()
        return await self._shown(call, await self._turns.act(partial(endpoint.handle, call), call.client))

    async def _file(self, request: Request) -> Answer:
        """Answers for what is no resource: a file of the user interface. Raises Refusal."""
        if request.method == "OPTIONS":
            return Answer(200, headers={"allow": OF_FILES})
        if request.method not in {"GET", "HEAD"}:
            return Answer(405, headers={"allow": OF_FILES})
        if self._files is None:
            check_accept(request.headers.get("accept"), OCTETS)
            raise not_found()
        return await self._files.find(request)

    async def _enter(self, request: Request, endpoint: Endpoint, names: Mapping[str, str]) -> Call:
        """Logs the user in who asks, and looks if it may. Raises Refusal."""
        if endpoint.rule is public:
            return Call(self._api, request, WebClient(NOBODY), names)
        find = endpoint.credentials or of_header
        credentials, attempts = find(request), self._api.attempts
        self._check_failures(request)
        try:
            user = await self._logins.log_in(credentials, from_loopback=request.from_loopback, features=self._features)
            call = Call(self._api, request, WebClient(user), names)
            if (reason := await self._turns.decide(partial(endpoint.rule, call))) is not None:
                raise not_entitled(reason)
        except BadLogin:
            self._note_failure(request)
            attempts.note(succeeded=False)
            raise
        except Refusal:
            attempts.note(succeeded=False)
            raise
        attempts.note(succeeded=True)
        return call

    def _check_failures(self, request: Request) -> None:
        """Raises Refusal if too many logins have failed from there, on connections of any protocol."""
        if is_loopback(request.peer_host):
            return
        try:
            self._api.reactor.entrance.admission.check_login(request.peer_host, now_ms())
        except Refused as refused:
            raise Refusal(429, "too_many_requests", str(refused)) from None

    def _note_failure(self, request: Request) -> None:
        if not is_loopback(request.peer_host):
            admission = self._api.reactor.entrance.admission
            admission.note_login_failed(admission.site(request.peer_host), now_ms())

    async def _admit_monitor(self, request: Request) -> None:
        """Raises Refusal for whoever may not see metrics."""
        await self._enter(request, Endpoint(lambda call: None, monitor), {})

    async def _shown(self, call: Call, made: object) -> "Answer | Stream":
        """The answer, of what a handler has returned."""
        if isinstance(made, Answer):
            return made
        query = call.request.query
        if isinstance(made, Document):
            return await started(in_pieces(made, query, self._turns.take), made.headers)
        if isinstance(made, Listing):
            return await started(in_json(shown(made, query, self._turns.take)))
        if isinstance(made, Summary):
            made = await summed(made, self._turns.take)
        return Answer(200, extract(made, columns_of(query)))


# --- requests


def path_prefix_of(config: Config) -> str:
    """The beginning of all paths: nothing, or a slash and a name."""
    name = config.management_path_prefix.strip("/")
    return f"/{name}" if name else ""


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
    try:
        name = (urlsplit(f"//{host}").hostname or "") if host else ""
        return not name or name in LOCAL_NAMES or bool(ip_address(name))
    except ValueError:
        return False


def check_origin(request: Request, allowed: Collection[str]) -> None:
    """Refuses changes that a browser makes for a page of somebody else, with the login that it remembers, unless pages
    of this origin are allowed to."""
    if request.method in {"GET", "HEAD"} or not {"*", request.headers.get("origin")}.isdisjoint(allowed):
        return
    if request.headers.get("sec-fetch-site") == "cross-site":
        raise not_entitled("Cross-site request")


def check_types(request: Request, endpoint: Endpoint) -> None:
    """Raises Refusal for a body of another type than the endpoint takes, or of what is no type."""
    given = request.headers.get("content-type")
    kind = (given or "").partition(";")[0].strip().lower()
    if endpoint.types and kind not in endpoint.types:
        raise Refusal(415)
    if given is not None and request.method in {"PUT", "POST"} and not MEDIA_TYPE.fullmatch(kind):
        raise Refusal(415)


def check_accept(accepted: str | None, kind: str) -> None:
    """Raises Refusal if a header `Accept` excludes this type: 406, or 400 for one that is nonsense."""
    if accepted is None:
        return
    ranges = [each.strip().lower().split(";") for each in accepted.split(",") if each.strip()]
    if not all(MEDIA_TYPE.fullmatch(each[0].strip()) for each in ranges):
        raise Refusal(400)
    good = {"*/*", f"{kind.partition('/')[0]}/*", kind, *([BERT] if kind == JSON else [])}
    for name, *parameters in ranges:
        # No type that is there has parameters, so that a range with any but its quality is another one.
        if name.strip() in good and all(each.strip().startswith("q=") for each in parameters):
            return
    raise Refusal(406)


async def read_body(receive: Receive, most: int) -> bytes:
    """Raises Refusal if it is too large, before all of it is here."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refusal(400)
        body += message.get("body", b"")
        if len(body) > most:
            raise bad_request(f"payload too large, limit is {most} bytes")
        if not message.get("more_body"):
            return bytes(body)
