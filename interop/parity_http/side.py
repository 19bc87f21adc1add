"""The brokers that are compared: where their management APIs are, and what they call themselves."""

import base64
import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from interop.kit.brokers import API_LISTENING, Amqpy, ended, private_folder
from interop.kit.program import START_TIMEOUT_S, ProgramFailed
from interop.parity.connection import Broker
from interop.parity.version import profile_for
from interop.parity_http.client import HANGS_UP, Client
from interop.rabbitmq import MANAGEMENT, running_rabbitmq

REPORTS_EVERY_MS = 1000
"""RabbitMQ's objects report what they count that often, not only every five seconds."""

NODE_REPORTED = frozenset({"fd_used_details", "io_read_count", "msg_store_read_count", "queue_index_read_count"})
"""Keys that only a node that has reported has."""

BASIC = "basic"
"""The rates mode that brokers have by default."""

POLL_S = 0.05
PATIENCE_S = {True: 20.0, False: 12.0}
"""By whether a broker is late; samples are taken every five seconds in any case."""


@dataclass(frozen=True)
class Side:
    """A broker, its API, and the user who may do everything."""

    client: Client
    amqp: Broker | None
    """For scenarios with clients of the broker."""
    names: Sequence[str]
    """The node's, and others that are made of it or of the machine."""
    version: str
    user: str = "guest"
    password: str = "guest"
    is_late: bool = True
    """It shows what has happened only when that was reported, as RabbitMQ does."""
    patience_s: float = 20.0
    """Seconds to wait for what it is to show."""


def authorization(user: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


def side_at(url: str, *, amqp_url: str = "", is_late: bool = True) -> Side:
    """The broker whose API is at an URL, once it answers. Raises ProgramFailed if it does not.

    Without `amqp_url`, its clients are where the overview says that it listens for them.
    """
    parts = urlsplit(url)
    user, password = unquote(parts.username or "guest"), unquote(parts.password or "guest")
    client = Client(parts.hostname or "127.0.0.1", parts.port or 15672)
    headers = {"authorization": authorization(user, password)}
    # A node that has just begun does not know of itself yet.
    vhost = patiently(client, "/api/vhosts/%2F", headers, lambda value: bool(value and value.get("cluster_state")))
    overview = client.ask("GET", "/api/overview", headers).value or {}
    cluster = client.ask("GET", "/api/cluster-name", headers).value or {}
    names = [*vhost["cluster_state"], str(cluster.get("name", ""))]
    if not amqp_url:
        ports = [each["port"] for each in overview.get("listeners", ()) if each["protocol"] == "amqp"]
        amqp_url = f"amqp://{client.host}:{ports[0]}/" if ports else ""
    return Side(
        client,
        Broker.at(amqp_url) if amqp_url else None,
        [name for name in dict.fromkeys(names) if name],
        overview.get("rabbitmq_version", ""),
        user,
        password,
        is_late,
        PATIENCE_S[is_late],
    )


def patiently(
    client: Client,
    path: str,
    headers: Mapping[str, str],
    reached: Callable[[Any], bool] = bool,
) -> Any:  # noqa: ANN401 - any JSON
    """The value at an address, once it is there and as it should be. Raises ProgramFailed if that does not come."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        with contextlib.suppress(OSError):
            answer = client.ask("GET", path, headers)
            if answer.status == 200 and reached(answer.value):
                return answer.value
            if answer.status not in {HANGS_UP, 200, 404, 503}:
                raise ProgramFailed(f"GET {path} at {client.host}:{client.port}: {answer.status} {answer.body!r}")
        if time.monotonic() > deadline:
            raise ProgramFailed(f"there is no management API at {client.host}:{client.port}")
        time.sleep(POLL_S)


@contextlib.contextmanager
def rabbitmq_side(version: str | None, rates_mode: str = BASIC) -> Iterator[Side]:
    """A private RabbitMQ."""
    settings = f"collect_statistics_interval = {REPORTS_EVERY_MS}\nmanagement.rates_mode = {rates_mode}"
    with running_rabbitmq(version=version, plugins=[MANAGEMENT], extra_config=settings) as rabbitmq:
        assert rabbitmq.management_url is not None
        side = side_at(rabbitmq.management_url, amqp_url=rabbitmq.url)
        headers = {"authorization": authorization(side.user, side.password)}
        patiently(side.client, "/api/nodes", headers, lambda value: bool(value) and value[0].keys() >= NODE_REPORTED)
        yield side


@contextlib.contextmanager
def amqpy_side(version: str, rates_mode: str = BASIC) -> Iterator[Side]:
    """A private amqpy, as that version of RabbitMQ. Raises ProgramFailed at the end if its log speaks of a bug."""
    with private_folder() as folder:
        options = ("--strict", "--profile", profile_for(version), "--management", "--management-port", "0")
        environment = {"AMQPY_MANAGEMENT_RATES_MODE": rates_mode}
        with ended(Amqpy(folder, options, environment=environment)) as amqpy:
            amqpy.start()
            port = amqpy.program.wait_for_line(API_LISTENING, START_TIMEOUT_S)[1]
            yield side_at(f"http://guest:guest@127.0.0.1:{port}/", amqp_url=amqpy.address.url, is_late=False)
            amqpy.stop()
