"""The brokers that clients are tried with: amqpy, a private RabbitMQ, or one that is running already."""

import contextlib
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import pamqp.frame
import pamqp.header
from pamqp.commands import Connection

from amqpy import __version__
from interop.crash import subject
from interop.rabbitmq import MANAGEMENT, running_rabbitmq

ANSWER_TIMEOUT_S = 10.0
STANDARD_PORT = 5672


@dataclass(frozen=True)
class Broker:
    """Where a broker is, and what it calls itself."""

    title: str
    url: str
    """With the virtual host spelled out: some libraries take `/` at the end for a virtual host without a name."""
    management_port: int = 0
    """Of its HTTP API; 0: it has none."""

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or "localhost"

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or STANDARD_PORT

    def url_by_way_of(self, port: int) -> str:
        """The same broker behind a proxy on 127.0.0.1."""
        parts = urlsplit(self.url)
        return parts._replace(netloc=f"{parts.username}:{parts.password}@127.0.0.1:{port}").geturl()


Provider = Callable[[], contextlib.AbstractContextManager[Broker]]
"""Gives each library the broker it is tried with."""


@contextlib.contextmanager
def own_amqpy() -> Iterator[Broker]:
    """An amqpy with a data directory, started for the caller alone.

    Raises `SubjectFailed` at the end if its log speaks of a bug or it does not stop in good order.
    """
    with subject.running("amqpy", None, ()) as amqpy:
        amqpy.start()
        yield Broker(f"amqpy {__version__}", f"amqp://guest:guest@127.0.0.1:{amqpy.port}/%2F")
        amqpy.stop()


@contextlib.contextmanager
def one_rabbitmq() -> Iterator[Provider]:
    """A private RabbitMQ with its management API for all libraries: starting one takes seconds."""
    with running_rabbitmq(plugins=[MANAGEMENT]) as rabbitmq:
        url = f"amqp://guest:guest@127.0.0.1:{rabbitmq.port}/%2F"
        broker = Broker(title_of("127.0.0.1", rabbitmq.port), url, rabbitmq.management_port or 0)
        yield lambda: contextlib.nullcontext(broker)


@contextlib.contextmanager
def running_already(url: str) -> Iterator[Provider]:
    broker = Broker("", url)
    broker = Broker(title_of(broker.host, broker.port), url)
    yield lambda: contextlib.nullcontext(broker)


def title_of(host: str, port: int) -> str:
    """Product and version, as the broker greets its clients."""
    with socket.create_connection((host, port), timeout=ANSWER_TIMEOUT_S) as connection:
        connection.sendall(pamqp.header.ProtocolHeader().marshal())
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
            _, _, start = pamqp.frame.unmarshal(received) if received.endswith(b"\xce") else (0, 0, None)
            if isinstance(start, Connection.Start):
                told = start.server_properties
                return f"{told['product']!s} {told['version']!s}"
    raise ConnectionError(f"{host}:{port} does not greet as an AMQP broker does")
