"""The HTTP back end: a web service is asked who users are and what they may do.

It has four addresses, and says `allow`, `deny`, or `allow tag tag` to a login. Anything else, silence too, is an error,
and refuses. What it said about a connection's user is remembered for that connection and for some seconds (`Timers`);
with a cache, for all connections.

Source: `rabbit_auth_backend_http`, `rabbit_auth_backend_cache`.
"""

import hashlib
import logging
from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol, TypeAlias
from urllib.parse import quote_plus

from amqpy.auth.web import Answer, WebError
from amqpy.config.auth import AuthSettings
from amqpy.core.ports import BackendError, Kind, Verb, Verdict
from amqpy.core.principals import Question, Rights, Undecided
from amqpy.core.users import Credentials, LoginFailed
from amqpy.core.vhost import Vhost

NAME: Final = "rabbit_auth_backend_http"
"""The name of the back end in RabbitMQ's texts."""

ACCEPTED_STATUSES: Final = frozenset((200, 201))
DECISIONS_MAX: Final = 1000
"""Decisions remembered for one connection; more start over."""

Fields: TypeAlias = Sequence[tuple[str, str | bytes]]


class Allowed(NamedTuple):
    tags: tuple[str, ...]


DENIED: Final = False
Reply: TypeAlias = Allowed | BackendError | bool
"""The answer of the service: allowed, DENIED, or an error."""


class Service(Protocol):
    """The web service, or what remembers its answers."""

    async def ask(self, path: str, fields: Fields) -> Reply: ...


class WebService:
    """The web service itself. `paths` are addresses by what is asked there."""

    def __init__(self, config: AuthSettings, web: "Requests") -> None:
        self._posts = config.auth_http_http_method == "post"
        self._web = web
        self._addresses = {
            "user": config.auth_http_user_path,
            "vhost": config.auth_http_vhost_path,
            "resource": config.auth_http_resource_path,
            "topic": config.auth_http_topic_path,
        }

    async def ask(self, path: str, fields: Fields) -> Reply:
        address, query = self._addresses[path], encoded(fields)
        try:
            if self._posts:
                answer = await self._web.post(address, query.encode())
            else:
                answer = await self._web.get(f"{address}{'&' if '?' in address else '?'}{query}")
        except WebError as error:
            return BackendError(NAME, f'"{error}"')
        return read(answer, takes_tags=path == "user")


class Requests(Protocol):
    async def get(self, url: str) -> Answer:
        """Raises WebError."""

    async def post(self, url: str, form: bytes) -> Answer:
        """Raises WebError."""


def encoded(fields: Fields) -> str:
    """The fields as a query, or as a form."""
    return "&".join(f"{name}={quote_plus(value)}" for name, value in fields)


def read(answer: Answer, *, takes_tags: bool) -> Reply:
    """Reads an answer. `deny` may have a reason behind it, which is not told to anybody."""
    body = answer.body.decode(errors="replace")
    if answer.status not in ACCEPTED_STATUSES:
        return BackendError(NAME, f'{{{answer.status},"{body[:100]}"}}')
    verdict, _, rest = body.strip(" ").partition(" ")
    if verdict.lower() == "deny":
        return DENIED
    if verdict.lower() == "allow" and (takes_tags or not rest):
        return Allowed(tuple(tag for tag in rest.split(" ") if tag))
    return BackendError(NAME, f'{{bad_response,"{body[:100]}"}}')


class HttpBackend:
    """Asks the service about logins, and gives those it admits their rights."""

    def __init__(self, service: Service, log: logging.Logger) -> None:
        self._service = service
        self._log = log

    async def log_in(self, credentials: Credentials) -> tuple[str, tuple[str, ...], Rights]:
        tags, rights = await self.authorize(credentials.user_name, credentials)
        return credentials.user_name, tags, rights

    async def authorize(self, name: str, credentials: Credentials) -> tuple[tuple[str, ...], Rights]:
        # RabbitMQ asks with the password here, too.
        password = () if credentials.password is None else (("password", credentials.password),)
        reply = await self._service.ask("user", (("username", name), *password))
        if isinstance(reply, Allowed):
            return reply.tags, HttpRights(self._service, name, self._log)
        if isinstance(reply, BackendError):
            raise LoginFailed(name, f"{NAME} failed authenticating {name}: {reply.error}")
        raise LoginFailed(name, "Denied by the backing HTTP service")


class Matter(NamedTuple):
    """A matter to be decided: the path, and the fields of the request."""

    path: str
    fields: tuple[tuple[str, str], ...]


class HttpRights:
    """The rights of a user of one connection, as far as the service was asked. A `core.principals.Rights`."""

    expires_at_s = None

    def __init__(self, service: Service, name: str, log: logging.Logger) -> None:
        self._service = service
        self._name = name
        self._tags = ""
        self._log = log
        self._decisions: dict[Matter, Verdict] = {}

    def may_enter(self, vhost: Vhost, peer_host: str) -> Verdict:
        return self._decide("vhost", vhost, ip=peer_host, tags=self._tags)

    def may(self, vhost: Vhost, verb: Verb, kind: Kind, name: str) -> Verdict:
        return self._decide("resource", vhost, resource=kind, name=name, permission=verb, tags=self._tags)

    def may_use_topic(self, vhost: Vhost, verb: Verb, exchange: str, routing_key: str) -> Verdict:
        variables = {"variable_map.username": self._name, "variable_map.vhost": vhost.name}
        return self._decide(
            "topic",
            vhost,
            resource="topic",
            name=exchange,
            permission=verb,
            tags=self._tags,
            routing_key=routing_key,
            **variables,
        )

    def _decide(self, path: str, vhost: Vhost, **more: str) -> Verdict:
        matter = Matter(path, (("username", self._name), ("vhost", vhost.name), *more.items()))
        try:
            return self._decisions[matter]
        except KeyError:
            raise Undecided(Question(self._ask, matter)) from None

    async def _ask(self, matter: Matter) -> None:
        reply = await self._service.ask(*matter)
        if isinstance(reply, BackendError):
            self._log.error("user '%s'%s", self._name, reply)
        if len(self._decisions) >= DECISIONS_MAX:
            self._decisions.clear()
        self._decisions[matter] = True if isinstance(reply, Allowed) else reply

    def renewal(self, secret: bytes) -> Question | None:
        return None

    def note_tags(self, tags: tuple[str, ...]) -> None:
        self._tags = " ".join(tags)

    def forget(self) -> None:
        self._decisions.clear()


# --- the cache

CACHED_MAX: Final = 10_000
"""Answers remembered for all connections; the oldest go first."""


class Clock(Protocol):
    def __call__(self) -> float:
        """Seconds, from whenever."""


class CachedService:
    """Remembers the answers of a service for a time. Errors are not remembered; refusals, if that is asked for."""

    def __init__(self, service: Service, clock: Clock, salt: bytes, *, ttl_s: float, keeps_refusals: bool) -> None:
        self._service = service
        self._clock = clock
        self._salt = salt
        self._ttl_s = ttl_s
        self._keeps_refusals = keeps_refusals
        self._replies: dict[bytes, tuple[Reply, float]] = {}
        """By a hash, since there is a password among what is asked: each reply, and the time until which it holds."""

    async def ask(self, path: str, fields: Fields) -> Reply:
        key = hashlib.blake2b(f"{path}?{encoded(fields)}".encode(), key=self._salt).digest()
        reply, until = self._replies.get(key, (DENIED, -float("inf")))
        if self._clock() < until:
            return reply
        self._replies.pop(key, None)
        reply = await self._service.ask(path, fields)
        if isinstance(reply, Allowed) or (reply is DENIED and self._keeps_refusals):
            while len(self._replies) >= CACHED_MAX:
                del self._replies[next(iter(self._replies))]
            self._replies[key] = (reply, self._clock() + self._ttl_s)
        return reply
