"""The brokers that clients are tried with: amqpy, a private RabbitMQ, or one that is running already."""

import base64
import contextlib
import json
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote
from urllib.request import Request, urlopen

import pamqp.frame
import pamqp.header
from pamqp.commands import Connection

from amqpy import __version__
from interop.clients.library import GUEST, Account
from interop.kit.address import Address
from interop.kit.brokers import API_LISTENING, LOOPBACK, STREAMING, STREAMS_LISTENING, Amqpy, ended, private_folder
from interop.kit.program import START_TIMEOUT_S
from interop.kit.tls import Tls, make_tls
from interop.rabbitmq import (
    MANAGEMENT,
    SERVER_SCRIPT,
    STREAMS,
    RabbitMQ,
    free_ports,
    running_rabbitmq,
    stream_listener,
)

ANSWER_TIMEOUT_S = 10.0
STANDARD_MANAGEMENT_PORT = 15672
MECHANISMS = ("PLAIN", "AMQPLAIN", "EXTERNAL")
EXTERNAL_PLUGIN = "rabbitmq_auth_mechanism_ssl"
FEDERATION = "rabbitmq_federation"
REPORTS_EVERY_MS = 1000
"""RabbitMQ's HTTP API shows what happened that late, instead of five seconds."""


@dataclass(frozen=True)
class Broker:
    """Where a broker is, and what it calls itself."""

    title: str
    address: Address
    management_port: int = 0
    """Of its HTTP API; 0: it has none."""
    tls: Tls | None = None
    """How to come in TLS, if that is known."""
    stream_port: int = 0
    """Of the stream protocol; 0: it is not known."""

    @property
    def tls_address(self) -> Address:
        """By name, as not every client finds an address in a certificate."""
        assert self.tls is not None
        return replace(self.address, host="localhost", port=self.tls.port, tls=True)


Provider = Callable[[Account], contextlib.AbstractContextManager[Broker]]
"""Gives each library the broker it is tried with, which lets this account in."""


@contextlib.contextmanager
def own_amqpy(account: Account) -> Iterator[Broker]:
    """An amqpy with a data directory and the management API, started for the caller alone.

    Raises `ProgramFailed` at the end if its log speaks of a bug or it does not stop in good order.
    """
    settings = {
        "default_user": account.user,
        "default_pass": account.password,
        "default_vhost": account.vhost,
        "auth_mechanisms": MECHANISMS,
        "ssl_cert_login_from": "common_name",
        **({"management_ui": str(ui)} if (ui := pages_of_rabbitmq()) else {}),
    }
    options = ("--strict", "--management", "--management-port", "0", "--stream-port", "0", "--config")
    with private_folder() as folder:
        config = folder / "amqpy.toml"
        config.write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in settings.items()))
        tls = make_tls(folder, asks_for_certificates=True, client=account.user)
        with ended(Amqpy(folder, (*options, str(config)), tls=tls, environment=STREAMING)) as amqpy:
            amqpy.start()
            port = int(amqpy.program.wait_for_line(API_LISTENING, START_TIMEOUT_S)[1])
            stream_port = int(amqpy.program.wait_for_line(STREAMS_LISTENING, START_TIMEOUT_S)[1])
            broker = Broker(f"amqpy {__version__}", address_for(account, amqpy.port), port, tls, stream_port)
            if account != GUEST:
                add_guest(broker)
            yield broker
            amqpy.stop()


def add_guest(broker: Broker) -> None:
    """Make what RabbitMQ has beside that account: `guest`, who may do everything, and the virtual host `/`.

    Raises OSError.
    """
    at = broker.address
    credentials = base64.b64encode(f"{at.user}:{at.password}".encode()).decode()
    headers = {"Authorization": f"Basic {credentials}", "Content-Type": "application/json"}
    guest, everything = GUEST.user, dict.fromkeys(("configure", "write", "read"), ".*")
    vhosts = [quote(vhost, safe="") for vhost in (GUEST.vhost, at.vhost)]
    for path, value in (
        (f"users/{guest}", {"password": GUEST.password, "tags": "administrator"}),
        *((f"vhosts/{vhost}", {}) for vhost in vhosts),
        *((f"permissions/{vhost}/{guest}", everything) for vhost in vhosts),
    ):
        url, body = f"http://{at.host}:{broker.management_port}/api/{path}", json.dumps(value).encode()
        urlopen(Request(url, body, headers, method="PUT"), timeout=ANSWER_TIMEOUT_S).close()


def pages_of_rabbitmq() -> Path | None:
    """The directory with the user interface of the installed RabbitMQ, if there is one."""
    return next(SERVER_SCRIPT.resolve().parents[1].glob("plugins/rabbitmq_management-*/priv/www"), None)


def address_for(account: Account, port: int) -> Address:
    return Address(LOOPBACK, port, account.user, account.password, account.vhost)


@contextlib.contextmanager
def one_rabbitmq() -> Iterator[Provider]:
    """A private RabbitMQ with its management API for all libraries: starting one takes seconds."""
    mechanisms = (f"auth_mechanisms.{number} = {name}" for number, name in enumerate(MECHANISMS, 1))
    with contextlib.ExitStack() as opened:
        tls = make_tls(opened.enter_context(private_folder()), asks_for_certificates=True, client=GUEST.user)
        more = ["ssl_cert_login_from = common_name", f"collect_statistics_interval = {REPORTS_EVERY_MS}"]
        (stream_port,) = free_ports(1)
        config = "\n".join([*tls.rabbitmq_conf(), *mechanisms, *more, *stream_listener(stream_port)])
        plugins = [MANAGEMENT, EXTERNAL_PLUGIN, FEDERATION, STREAMS]
        rabbitmq = opened.enter_context(running_rabbitmq(plugins=plugins, extra_config=config))
        title = title_of(LOOPBACK, rabbitmq.port)

        def provide(account: Account) -> contextlib.AbstractContextManager[Broker]:
            if account != GUEST:
                let_in(account, rabbitmq)
            address = address_for(account, rabbitmq.port)
            return contextlib.nullcontext(Broker(title, address, rabbitmq.management_port or 0, tls, stream_port))

        yield provide


def let_in(account: Account, rabbitmq: RabbitMQ) -> None:
    everything = [".*"] * 3
    for command in (
        ["add_vhost", account.vhost],
        ["add_user", account.user, account.password],
        ["set_user_tags", account.user, "administrator"],
        ["set_permissions", "-p", account.vhost, account.user, *everything],
        ["set_permissions", "-p", account.vhost, "guest", *everything],
    ):
        if complaint := rabbitmq.control(*command):
            raise OSError(f"rabbitmqctl {' '.join(command)}: {complaint}")


@contextlib.contextmanager
def running_already(url: str) -> Iterator[Provider]:
    address = Address.parse(url)
    broker = Broker(title_of(address.host, address.port), address)
    yield lambda account: contextlib.nullcontext(broker)


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
