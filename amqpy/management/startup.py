"""Starts the management API of a broker, with what the broker has."""

import logging
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

import trio

from amqpy.config import Config
from amqpy.config.values import TcpAddress, TlsAddress, UnixAddress
from amqpy.core.users import Authenticator, Users
from amqpy.management.server import HttpListener, Server, open_listeners
from amqpy.server.reactor import Reactor

if TYPE_CHECKING:
    from amqpy.management.application import Application
    from amqpy.server.certificates import Certificates

MISSING = "the management API needs the package hypercorn: pip install 'amqpy-broker[management]'"


async def open_management(config: Config, log: logging.Logger, *, by_default: bool) -> list[HttpListener]:
    """Listens for the management API, if the settings ask for it, or else by default. Raises OSError; by default what
    is in the way is no more than logged."""
    is_asked_for = bool(config.management) or config.management_addresses != Config().management_addresses
    if config.management is False or not (is_asked_for or by_default):
        return []
    if find_spec("hypercorn") is None:
        if is_asked_for:
            raise OSError(MISSING)
        log.info("%s", MISSING)
        return []
    if config.management_ui is not None and not await trio.Path(config.management_ui).is_dir():
        log.warning("management_ui: there is no directory %s", config.management_ui)
    try:
        return await open_listeners(config.management_addresses)
    except OSError as error:
        if is_asked_for:
            raise
        log.warning("there is no management API: %s", error)
        return []


def make_server(
    listeners: list[HttpListener],
    reactor: Reactor,
    users: Users,
    authenticator: Authenticator | None,
    addresses: Sequence[TcpAddress | UnixAddress],
    certificates: "Certificates | None",
    unix_time_ms: Callable[[], int],
) -> Server:
    """The server of a broker that listens on `addresses` for clients. Raises OSError if it is to be in TLS without
    certificates."""
    if certificates is None and any(listener.tls for listener in listeners):
        raise OSError("an https address needs a certificate: tls_cert is not set")
    log = reactor.log
    open_to: list[tuple[str, TcpAddress | UnixAddress]] = []
    open_to += [("amqp/ssl" if isinstance(each, TlsAddress) else "amqp", each) for each in addresses]
    open_to += [("https" if each.tls else "http", each.address) for each in listeners]
    started_at_ms = unix_time_ms()

    def make_application() -> "Application":
        from amqpy.management.application import Application
        from amqpy.management.call import Api
        from amqpy.management.login import Logins
        from amqpy.management.resources import make_router
        from amqpy.management.statistics import Statistics

        api = Api(reactor, users, log, unix_time_ms, open_to, Statistics(), started_at_ms)
        if certificates is not None:
            api.expiries = lambda: certificates.expiries
        return Application(api, make_router(), Logins(users, authenticator), reactor.broker.config)

    context = None if certificates is None else lambda: certificates.context
    return Server(listeners, make_application, context, log)
