"""HTTP as RabbitMQ's management API speaks it, as an ASGI application.

The order in which a request is judged is that of RabbitMQ: an unknown method, path or method of a path needs no login;
then the login, and what the user may ask for; then the content types; and then the handler, in one turn of the broker.

Source: `cowboy_rest`, `rabbit_mgmt_util`, `rabbit_mgmt_headers`, `rabbit_mgmt_cors`, `rabbit_mgmt_csp`.
"""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Final

import trio

from amqpy.config import Config
from amqpy.core.principals import BackendUser, Principal
from amqpy.management import preconditions
from amqpy.management.access import monitor, public
from amqpy.management.answers import Answer, BadLogin, Refusal, bad_request, not_entitled, not_found
from amqpy.management.call import Api, Call
from amqpy.management.documents import Document, in_pieces
from amqpy.management.files import METHODS as OF_FILES
from amqpy.management.files import Files
from amqpy.management.heads import Scope, is_loopback, refused, request_of
from amqpy.management.lists import Change, Listing, Summary, Work, shown, shown_alone, summed, with_order, worked
from amqpy.management.live.live import Live
from amqpy.management.live.subscription import Subscription
from amqpy.management.login import Logins, cookie_of, of_header, use_login_in_query
from amqpy.management.media_types import check_accept, check_body
from amqpy.management.page import BUILT, OwnPage
from amqpy.management.prometheus.application import PrometheusApplication
from amqpy.management.request import Request
from amqpy.management.responses import SHOWN, Feed, Receive, Responses, Send, Stream, in_json, started
from amqpy.management.router import KNOWN, Endpoint, Router
from amqpy.management.statistics.samples import TICK_MS
from amqpy.management.turns import Turns, WebClient
from amqpy.server.admission import Refused
from amqpy.server.reactor import now_ms

REDIRECTS: Final = {
    ("api",): "/api/index.html",
    ("cli",): "/cli/index.html",
    ("doc", "stats.html"): "/api/index.html",
    ("mgmt",): "/",
    ("stats",): "/api/index.html",
}
"""The addresses that old ones lead to, by the parts of their paths."""

OF_VALUES: Final = ("columns", "page", "page_size", "name", "use_regex")
"""Parameters that must have a value, though perhaps an empty one."""

FORM_MAX: Final = 64 * 1024
"""Octets of a form with credentials, which is read before anybody has logged in."""

METRICS: Final = Answer(200)
"""Stands for the metrics, which answer themselves."""

NOBODY: Final = BackendUser("", (), ())
"""The user of a request that needs none."""

RESERVED: Final = frozenset("/\\\0")
"""Characters that the name of no file may have."""


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
        self._files = OwnPage(str(BUILT)) if config.management_ui is None else Files(config.management_ui)
        self._prefix = path_prefix_of(config)
        self._metrics = metrics
        self._responses = Responses.of(config)
        self._body_max = config.management_http_max_body_size
        self._live = Live(api, self._turns, self._log_in, self._answer_again, self._prefix)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = request_of(scope)
        answer: Answer | Stream | Feed
        try:
            if (refusal := refused(request, scope["http_version"])) is not None:
                answer = refusal
            elif self._metrics is not None and self._metrics.serves(request.path):
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
                await self._responses.send(request, answer, send, receive)
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

    async def _answer(
        self, request: Request, receive: Receive, user: Principal | None = None
    ) -> "Answer | Stream | Feed":
        """The answer to a request; with a user, to one by somebody who has logged in. Raises Refusal."""
        if self._prefix and request.path == "/":
            return Answer(301, headers={"location": f"{self._prefix}/"}, bare=True)
        if not f"{request.path}/".startswith(f"{self._prefix}/"):
            raise not_found()
        request.path = request.path.removeprefix(self._prefix) or "/"
        if (location := REDIRECTS.get(request.segments)) is not None:
            return Answer(301, headers={"location": self._prefix + location}, bare=True)
        if request.method not in KNOWN:
            return Answer(501)
        found = self._router.match(request.segments[1:]) if request.segments[:1] == ("api",) else None
        served = {} if found is None else found[0].served(self._features)
        if found is None or not served:
            if user is not None:
                raise not_found()  # a file is not looked at again and again
            return await self._file(request)
        resource, names = found
        methods = resource.allowed(served)
        if request.method not in methods:
            return Answer(405, headers={"allow": ", ".join(methods), **resource.headers})
        if request.method == "OPTIONS":
            return Answer(200, headers={"allow": ", ".join(methods), **resource.headers})
        endpoint = served["GET" if request.method == "HEAD" else request.method]
        if endpoint.credentials is not None:
            request.body = await read_body(receive, FORM_MAX)
        if resource.has_login_in_query and "login-in-query" in self._features:
            use_login_in_query(request)
        if user is None:
            call = await self._enter(request, endpoint, names)
        else:
            call = await self._entitle(request, user, endpoint, names)
        headers = {"vary": resource.vary, **resource.headers}
        if endpoint.credentials is not None and "token" not in self._features:
            headers["set-cookie"] = cookie_of(request, self._features)
        check_accept(request.headers.get("accept"), endpoint.produces)
        try:
            answer = await self._judge(call, served) or await self._act(call, endpoint, receive)
        except Refusal as refusal:
            answer = refusal.answer
        if isinstance(answer, Answer) and answer.bare:
            return answer
        if not isinstance(answer, Answer) or answer.status in SHOWN:
            headers.pop("cache-control", None)  # that of what is shown
        return answer._replace(headers={**headers, **answer.headers})

    async def _judge(self, call: Call, served: Mapping[str, Endpoint]) -> Answer | None:
        """The answer to a request with conditions that are not met. Raises Refusal."""
        headers = call.request.headers
        if not preconditions.has_any(headers) or "GET" not in served:
            return None
        try:
            await self._turns.decide(partial(served["GET"].handle, call), call.user.name)
            exists = True
        except Refusal as refusal:
            exists = refusal.answer.status != 404
        status = preconditions.failure(headers, exists=exists, is_reading=call.request.method in {"GET", "HEAD"})
        return None if status is None else Answer(status)

    async def _answer_again(self, request: Request, user: Principal) -> "Answer | Stream":
        """The answer to a GET of a live page, by a user who has just logged in. Raises Refusal."""
        answer = await self._answer(request, _no_body, user)
        assert not isinstance(answer, Feed)
        return answer

    async def _act(self, call: Call, endpoint: Endpoint, receive: Receive) -> "Answer | Stream | Feed":
        """Calls the handler. Raises Refusal."""
        request = call.request
        check_origin(request, self._responses.origins)
        if endpoint.exists is not None:
            await self._turns.decide(partial(endpoint.exists, call), call.user.name)
        check_body(request.headers.get("content-type"), endpoint.types, is_read=request.method in {"PUT", "POST"})
        if request.method in {"GET", "HEAD"}:
            return await self._shown(call, await self._turns.decide(partial(endpoint.handle, call), call.user.name))
        if endpoint.credentials is None:
            request.body = await read_body(receive, self._body_max)
        self._api.statistics.note_change()
        made = await self._turns.act(partial(endpoint.handle, call), call.client)
        if isinstance(made, Change):
            made = await self._turns.carry_out(made, call.user.name)
        return await self._shown(call, made)

    async def _file(self, request: Request) -> Answer:
        """Answers for what is no resource: a file of the user interface. Raises Refusal."""
        if request.method not in OF_FILES.split(", "):
            return Answer(405, headers={"allow": OF_FILES})
        if any(RESERVED & set(segment) for segment in request.segments):
            raise Refusal(400)
        if request.method == "OPTIONS":
            return Answer(200, headers={"allow": OF_FILES})
        return await self._files.find(request)

    async def _enter(self, request: Request, endpoint: Endpoint, names: Mapping[str, str]) -> Call:
        """Logs the user in who asks, and looks if it may. Raises Refusal."""
        if endpoint.rule is public:
            return Call(self._api, request, WebClient(NOBODY), names)
        credentials = (endpoint.credentials or of_header)(request)
        self._check_failures(request)
        with self._counted(request):
            user = await self._logins.log_in(credentials, from_loopback=request.from_loopback, features=self._features)
            return await self._entitle(request, user, endpoint, names)

    async def _entitle(self, request: Request, user: Principal, endpoint: Endpoint, names: Mapping[str, str]) -> Call:
        """Looks if a user who has logged in may ask for it. Raises Refusal."""
        call = Call(self._api, request, WebClient(user), names)
        if (reason := await self._turns.decide(partial(endpoint.rule, call))) is not None:
            raise not_entitled(reason)
        return call

    async def _log_in(self, request: Request) -> Principal:
        """Logs the user of a live page in once more. Raises Refusal."""
        with self._counted(request):
            return await self._logins.log_in(
                of_header(request), from_loopback=request.from_loopback, features=self._features
            )

    @contextmanager
    def _counted(self, request: Request) -> Iterator[None]:
        """Counts a login, which is refused by a Refusal that is raised."""
        try:
            yield
        except Refusal as refusal:
            if isinstance(refusal, BadLogin):
                self._note_failure(request)
            self._api.attempts.note(succeeded=False)
            raise
        self._api.attempts.note(succeeded=True)

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

    async def _shown(self, call: Call, made: object) -> "Answer | Stream | Feed":
        """The answer, of what a handler has returned."""
        if isinstance(made, Subscription):
            return self._live.open(call, made)
        if isinstance(made, Answer) and not isinstance(made.value, dict):
            return made
        query = call.request.query
        if isinstance(made, Work):
            made = await worked(made, self._turns.take)
        if call.request.has_bare(*OF_VALUES, *(("sort", "sort_reverse") if isinstance(made, Listing) else ())):
            raise bad_request("Pagination parameters are invalid")
        if isinstance(made, Document):
            return await started(in_pieces(made, query, self._turns.take), made.headers)
        if isinstance(made, Listing):
            return await started(in_json(shown(made, with_order(query, self._features), self._turns.take)))
        if isinstance(made, Answer):
            return made._replace(value=shown_alone(made.value, query))
        if isinstance(made, Summary):
            made = await summed(made, self._turns.take)
        return Answer(200, shown_alone(made, query))


# --- requests


def path_prefix_of(config: Config) -> str:
    """The beginning of all paths: nothing, or a slash and a name."""
    name = config.management_path_prefix.strip("/")
    return f"/{name}" if name else ""


def check_origin(request: Request, allowed: Collection[str]) -> None:
    """Refuses changes that a browser makes for a page of somebody else, with the login that it remembers, unless pages
    of this origin are allowed to."""
    if request.method in {"GET", "HEAD"} or not {"*", request.headers.get("origin")}.isdisjoint(allowed):
        return
    if request.headers.get("sec-fetch-site") == "cross-site":
        raise not_entitled("Cross-site request")


async def _no_body() -> dict[str, object]:
    return {"type": "http.request"}


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
