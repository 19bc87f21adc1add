"""Starts the management API of a broker, with what the broker has."""

import logging
import ssl
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, partial
from importlib.util import find_spec
from typing import TYPE_CHECKING

from amqpy.config import Config
from amqpy.config.values import TcpAddress, TlsAddress, UnixAddress
from amqpy.core.users import Authenticator, Users
from amqpy.management.control import ControlApplication, ControlListener
from amqpy.management.server import HttpListener, Server, open_listeners
from amqpy.server.reactor import Reactor

if TYPE_CHECKING:
    from amqpy.management.application import Application
    from amqpy.management.call import Api
    from amqpy.management.login import Logins

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
    try:
        return await open_listeners(config.management_addresses)
    except OSError as error:
        if is_asked_for:
            raise
        log.warning("there is no management API: %s", error)
        return []


def make_servers(
    listeners: list[HttpListener],
    control: list[ControlListener],
    reactor: Reactor,
    users: Users,
    authenticator: Authenticator | None,
    addresses: Sequence[TcpAddress | UnixAddress],
    tls_context: Callable[[], ssl.SSLContext] | None,
    unix_time_ms: Callable[[], int],
) -> list[Server]:
    """The servers, on addresses and on the control socket, of a broker that listens on `addresses` for clients. Raises
    OSError if one is to be in TLS without certificates."""
    if tls_context is None and any(listener.tls for listener in listeners):
        raise OSError("an https address needs a certificate: tls_cert is not set")
    log = reactor.log
    open_to: list[tuple[str, TcpAddress | UnixAddress]] = []
    open_to += [("amqp/ssl" if isinstance(each, TlsAddress) else "amqp", each) for each in addresses]
    open_to += [("https" if each.tls else "http", each.address) for each in listeners]
    started_at_ms = unix_time_ms()

    @cache
    def make_api() -> "Api":
        from amqpy.management.call import Api
        from amqpy.management.statistics import Statistics

        return Api(reactor, users, log, unix_time_ms, open_to, Statistics(), started_at_ms)

    def make_logins() -> "Logins":
        from amqpy.management.login import Logins

        return Logins(users, authenticator)

    def make_application() -> "Application":
        from amqpy.management.application import Application
        from amqpy.management.resources import make_router

        return Application(make_api(), make_router(), make_logins(), reactor.broker.config)

    make_control = partial(make_control_application, make_api, make_logins)
    return [Server(listeners, make_application, tls_context, log), Server(control, make_control, None, log)]


def make_control_application(make_api: "Callable[[], Api]", logins: Callable[[], "Logins"]) -> ControlApplication:
    """The application behind the control socket."""
    from amqpy.management.application import Application
    from amqpy.management.login import ControlLogins
    from amqpy.management.resources import make_router

    api = make_api()
    config = replace(api.broker.config, management_path_prefix="")
    router = make_router()
    trusting, asking = (Application(api, router, each, config) for each in (ControlLogins(), logins()))
    return ControlApplication(trusting, asking)
