"""Requests to the control face of test brokers, without a socket."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import unquote

import trio

from amqpy.testing import TestBroker
from amqpy.testing.control import ControlApplication
from amqpy.testing.control_brokers import MAIN, Brokers
from tests.testing.apps import Publisher

MAIN_PATH = f"/brokers/{MAIN}"


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:  # noqa: ANN401
        assert self.headers["content-type"] == "application/json"
        return json.loads(self.body)

    @property
    def refusal(self) -> tuple[int, str, str]:
        """Status, error and reason."""
        told = self.json
        assert set(told) == {"error", "reason"}
        return self.status, told["error"], told["reason"]


class Site:
    """The application, with one broker."""

    def __init__(self) -> None:
        self.brokers = Brokers({})
        _, self.broker = self.brokers.start({}, MAIN)
        self.application = ControlApplication(self.brokers, logging.getLogger("tests.control"))

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: dict[str, str] | None = None,
        peer: str = "127.0.0.1",
    ) -> Reply:
        """Asks for a path below that of the main broker, or for one that begins with `//`."""
        octets = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        address, _, query = (path[1:] if path.startswith("//") else MAIN_PATH + path).partition("?")
        scope = {
            "type": "http",
            "method": method,
            "path": unquote(address),
            "raw_path": address.encode(),
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in (headers or {}).items()],
            "client": (peer, 1),
        }
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": octets}

        async def send(message: Any) -> None:  # noqa: ANN401
            sent.append(message)

        trio.run(self.application, scope, receive, send)
        start, content = sent
        told = {name.decode(): value.decode() for name, value in start["headers"]}
        return Reply(start["status"], told, content["body"])

    def get(self, path: str) -> Reply:
        return self.ask("GET", path)

    def post(self, path: str, body: object = None) -> Reply:
        return self.ask("POST", path, body)

    def put(self, path: str, body: object = None) -> Reply:
        return self.ask("PUT", path, body)

    def delete(self, path: str) -> Reply:
        return self.ask("DELETE", path)


@contextmanager
def publishing(broker: TestBroker, *queues: str) -> Iterator[Publisher]:
    with Publisher(broker.url, "shop") as publisher:
        for queue in queues:
            publisher.channel.queue_declare(queue)
        yield publisher


def bad(reason: str) -> tuple[int, str, str]:
    return 400, "bad_request", reason
