"""The control face of test brokers: JSON over HTTP, for tests in other languages than Python (an ASGI application).

It is for this machine only. Whoever may connect may do everything, so a browser is not let in for a page from
elsewhere: neither by the address of loopback (`Origin`), nor by a name that has come to mean it (DNS rebinding).
"""

import logging
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

import trio

from amqpy.management.answers import Answer, Refusal, as_json, bad_request
from amqpy.management.application import read_body
from amqpy.management.heads import HOST, LOCAL_NAMES, Scope, request_of
from amqpy.management.request import Request
from amqpy.management.responses import Receive, Send
from amqpy.management.router import Handler
from amqpy.testing.control_brokers import Brokers, Call, conflict, not_found
from amqpy.testing.control_routes import router
from amqpy.testing.errors import BrokerBug, FaultNotFired, NotSettled

BODY_MAX: Final = 64 * 1024 * 1024
"""Octets of the body of a request: a snapshot may be large."""

THREADS_MAX: Final = 256
"""Requests that may wait at a time."""


class ControlApplication:
    """Answers the requests about test brokers."""

    def __init__(self, brokers: Brokers, log: logging.Logger) -> None:
        self._brokers = brokers
        self._log = log
        self._threads = trio.CapacityLimiter(THREADS_MAX)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        try:
            answer = await self._answer(scope, receive)
        except Refusal as refusal:
            answer = refusal.answer
        except BrokerBug as bug:
            self._log.error("%s", bug, exc_info=bug)
            answer = Answer(500, {"error": "broker_bug", "reason": str(bug)})
        except Exception:
            self._log.exception("internal error")
            answer = Answer(500, {"error": "internal_error", "reason": "see the standard error of the test server"})
        await send_answer(answer, send, without_body=scope["method"] == "HEAD")

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        request = request_of(scope)
        if not HOST.fullmatch(request.headers.get("host", "")):
            raise bad_request("the header Host is no host")
        check_site(request)
        found = router.match(request.segments)
        if found is None:
            raise not_found(f"no path {scope['path']}")
        resource, names = found
        endpoint = resource.endpoints.get(request.method)
        if endpoint is None:
            allowed = ", ".join(resource.endpoints)
            raise Refusal(405, "method_not_allowed", f"the methods of this path: {allowed}", {"allow": allowed})
        request.body = await read_body(receive, BODY_MAX)
        call = Call(self._brokers, request, names)
        return await trio.to_thread.run_sync(
            answer_of, endpoint.handle, call, limiter=self._threads, abandon_on_cancel=True
        )


def answer_of(handle: Handler, call: Call) -> Answer:
    """The answer of a handler, in octets. Raises Refusal or BrokerBug."""
    try:
        made = handle(call)
    except NotSettled as error:
        raise conflict(str(error), "not_settled") from None
    except FaultNotFired as error:
        raise conflict(str(error), "fault_not_fired") from None
    except BrokerBug:
        raise
    except AssertionError as error:
        raise conflict(str(error), "not_true") from None
    except RuntimeError as error:
        if type(error) is not RuntimeError:
            raise
        raise conflict(str(error), "not_running") from None
    answer = made if isinstance(made, Answer) else Answer(200, as_json(made))
    return answer._replace(value=answer.body) if answer.value is not None else answer


def check_site(request: Request) -> None:
    """Raises Refusal for who is not of this machine, or a browser that asks for a page of somebody else."""
    if not request.from_loopback:
        raise Refusal(403, "forbidden", f"the header Host names another machine: {request.headers.get('host', '')!r}")
    origin = request.headers.get("origin")
    if request.headers.get("sec-fetch-site") == "cross-site" or not (origin is None or is_local_origin(origin)):
        raise Refusal(403, "forbidden", "a page of another site asks")


def is_local_origin(origin: str) -> bool:
    """True for pages of this machine, whatever their port."""
    try:
        host = urlsplit(origin).hostname or ""
        return host in LOCAL_NAMES or ip_address(host).is_loopback
    except ValueError:
        return False


async def send_answer(answer: Answer, send: Send, *, without_body: bool) -> None:
    headers = dict(answer.headers)
    body = answer.body
    if answer.value is not None:
        headers |= {"content-type": answer.content_type, "cache-control": "no-store"}
    if answer.status != 204:
        headers["content-length"] = str(len(body))
    octets = [(name.encode(), value.encode("utf-8", "surrogateescape")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": octets})
    await send({"type": "http.response.body", "body": b"" if without_body else body})
