"""A broker with its management API, to be asked: the ASGI application on a real reactor, without sockets.

Time is virtual, as in `tests.server`: a test asks for the fixture `site`, or for `stored_site`, which has a disk.

    async def test_a_queue_is_there(site: Site) -> None:
        site.declare("q")
        reply = await site.get("/api/queues/%2F/q")
        assert reply.status == 200 and reply.json["name"] == "q"
"""

import json
from base64 import b64encode
from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import quote

import trio
import trio.testing

from amqpy.core.message import Message, PersistentMessage, address_of
from amqpy.core.publishing import publish
from amqpy.core.queues.queue import Queue
from amqpy.core.users import Users
from amqpy.core.vhost import Vhost
from amqpy.management.application import Application
from amqpy.management.call import Api
from amqpy.management.login import Logins
from amqpy.management.resources import make_router
from amqpy.management.statistics import Statistics
from amqpy.management.statistics.samples import TICK_MS
from amqpy.management.turns import WebClient
from amqpy.wire.values import Table
from tests.core.core_harness import properties_header
from tests.server.peer import LOG, Peer, Server

UNIX_TIME_MS = 1_700_000_000_123
"""The time of the wall when the broker starts; it goes on as virtual time does."""

DEADLINE_S = 1000
"""Virtual seconds in which an answer must come."""

GUEST = "guest"
NOT_FOUND = (404, "Object Not Found", "Not Found")
REFUSED = (401, "not_authorised", "Access refused.")
NOTHING = object()


class Reply(NamedTuple):
    """The whole answer to a request."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:  # noqa: ANN401
        """The body without rates."""
        return without_rates(self.whole)

    @property
    def whole(self) -> Any:  # noqa: ANN401
        return json.loads(self.body)

    @property
    def refusal(self) -> tuple[int, str, Any]:
        """The status, and both parts of an error's body."""
        return self.status, self.json["error"], self.json["reason"]


def without_rates(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, list):
        return [without_rates(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        key: without_rates(inner)
        for key, inner in value.items()
        if not (key.endswith("_details") and isinstance(inner, dict) and "rate" in inner)
    }


class Site:
    """A broker and its management API. Users have their own names as passwords."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._began_at = trio.current_time()
        self.broker = server.broker
        self.reactor = server.reactor
        _, self.users = server.make_session.args
        assert isinstance(self.users, Users)
        self.api = Api(self.reactor, self.users, LOG, self.unix_time_ms, [], Statistics(), UNIX_TIME_MS)
        self.application = Application(self.api, make_router(), Logins(self.users, None), self.broker.config)

    def unix_time_ms(self) -> int:
        return UNIX_TIME_MS + round((trio.current_time() - self._began_at) * 1000)

    # --- what there is

    @property
    def vhost(self) -> Vhost:
        return self.broker.vhosts["/"]

    def add_user(self, name: str, *tags: str, permissions: tuple[str, str, str] | None = (".*", ".*", ".*")) -> None:
        """A user with these tags, and permissions (configure, write, read) in the virtual host `/`, if any."""
        self.users.add_user(name, name, tags=tags)
        if permissions is not None:
            self.users.set_permissions(name, "/", *permissions)

    def add_vhost(self, name: str, *users: str) -> Vhost:
        """A virtual host, in which these users may do anything."""
        self.broker.administration.add_vhost(name)
        for user in users:
            self.users.set_permissions(user, name, ".*", ".*", ".*")
        return self.broker.vhosts[name]

    def client(self, vhost: Vhost | None = None) -> WebClient:
        """The user guest, as operations of the core need it."""
        user = self.users.find(GUEST)
        assert user is not None
        client = WebClient(user)
        client.vhost = vhost or self.vhost
        return client

    def declare(
        self,
        name: str,
        arguments: Table | None = None,
        *,
        durable: bool = True,
        auto_delete: bool = False,
        vhost: Vhost | None = None,
    ) -> Queue:
        return self.reactor.administer(
            lambda: self.broker.topology.declare_queue(
                self.client(vhost),
                vhost or self.vhost,
                name,
                durable=durable,
                exclusive=False,
                auto_delete=auto_delete,
                arguments=arguments or {},
            )
        )

    def publish(self, routing_key: str, *bodies: bytes, exchange: str = "", **properties: Any) -> None:  # noqa: ANN401
        """Publishes messages, each in a turn of its own. The properties have no effect but for `delivery_mode`."""
        for body in bodies:
            kind = PersistentMessage if properties.get("delivery_mode") == 2 else Message
            header = properties_header(**properties)
            header = header[:4] + len(body).to_bytes(8, "big") + header[12:]
            message = kind(address_of(exchange, routing_key), header, body)
            self.reactor.administer(partial(publish, self.client(), self.vhost, exchange, routing_key, message))

    async def connect(self, *channels: int) -> Peer:
        """A client of AMQP with open channels, by default one."""
        return await self.server.opened(*channels)

    # --- requests

    async def get(self, path: str, **request: Any) -> Reply:  # noqa: ANN401
        return await self.request("GET", path, **request)

    async def put(self, path: str, value: object = NOTHING, **request: Any) -> Reply:  # noqa: ANN401
        return await self.request("PUT", path, value, **request)

    async def post(self, path: str, value: object = NOTHING, **request: Any) -> Reply:  # noqa: ANN401
        return await self.request("POST", path, value, **request)

    async def delete(self, path: str, value: object = NOTHING, **request: Any) -> Reply:  # noqa: ANN401
        return await self.request("DELETE", path, value, **request)

    async def request(
        self,
        method: str,
        path: str,
        value: object = NOTHING,
        *,
        body: bytes = b"",
        user: str | None = GUEST,
        password: str | None = None,
        headers: Mapping[str, str] | None = None,
        host: str = "127.0.0.1",
    ) -> Reply:
        """The answer to a request by a user, or by nobody (None). The body is a value for JSON, or just octets."""
        if value is not NOTHING:
            body = json.dumps(value).encode()
        sent = {"host": "localhost", "content-type": "application/json", **(headers or {})}
        if user is not None:
            credentials = f"{user}:{user if password is None else password}".encode("utf-8", "surrogateescape")
            sent.setdefault("authorization", f"Basic {b64encode(credentials).decode()}")
        raw_path, _, query = path.partition("?")
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "raw_path": quote(raw_path, safe="%/!$&'()*+,;=:@").encode(),
            "query_string": query.encode("latin-1"),
            "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in sent.items()],
            "client": (host, 50_000),
        }
        return await self._ask(scope, body)

    async def _ask(self, scope: dict[str, Any], body: bytes) -> Reply:
        heard: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:  # noqa: ANN401
            await trio.lowlevel.checkpoint()
            heard.append(message)

        with trio.fail_after(DEADLINE_S):
            await self.application(scope, receive, send)
        start, *parts = heard
        assert start["type"] == "http.response.start"
        assert not parts[-1].get("more_body")
        headers = {name.decode(): value.decode("utf-8", "surrogateescape") for name, value in start["headers"]}
        whole = b"".join(part.get("body", b"") for part in parts)
        assert int(headers.get("content-length", len(whole))) == len(whole) or scope["method"] == "HEAD"
        return Reply(start["status"], headers, whole)


async def until_next_tick(site: Site) -> None:
    """Until the samples of the next tick are taken."""
    await trio.sleep((TICK_MS - site.unix_time_ms() % TICK_MS) / 1000 + 0.001)
    await trio.testing.wait_all_tasks_blocked()
