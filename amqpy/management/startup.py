"""Starts the management API and the metrics of a broker, with what the broker has."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from importlib.util import find_spec
from typing import TYPE_CHECKING

import trio

from amqpy.config import Config
from amqpy.config.values import TcpAddress, TlsAddress, UnixAddress
from amqpy.core.users import Authenticator, Users
from amqpy.management.control import ControlApplication, ControlListener
from amqpy.management.server import HttpListener, Server, open_listeners
from amqpy.server.reactor import Reactor

if TYPE_CHECKING:
    from amqpy.config.tls import TlsOptions
    from amqpy.management.application import Application
    from amqpy.management.call import Api
    from amqpy.management.login import Logins
    from amqpy.management.prometheus.application import PrometheusApplication
    from amqpy.server.certificates import Certificates

MISSING = "the management API needs the package hypercorn: pip install 'amqpy-broker[management]'"


async def open_management(config: Config, log: logging.Logger, *, by_default: bool) -> list[HttpListener]:
    """Listens for the management API and for metrics, if the settings ask for them, or else by default. Raises OSError;
    by default what is in the way is no more than logged."""
    defaults = Config()
    api_is_asked_for = bool(config.management) or config.management_addresses != defaults.management_addresses
    has_api = config.management is not False and (api_is_asked_for or by_default)
    metrics_are_asked_for = bool(config.prometheus) or config.prometheus_addresses != defaults.prometheus_addresses
    has_metrics = config.prometheus is not False and (metrics_are_asked_for or has_api)
    listeners: list[HttpListener] = []
    if has_api and config.management_ui is not None and not await trio.Path(config.management_ui).is_dir():
        log.warning("management_ui: there is no directory %s", config.management_ui)
    try:
        if has_api:
            listeners += await _open(config.management_addresses, log, is_asked_for=api_is_asked_for)
        if has_metrics:
            addresses = config.prometheus_addresses
            listeners += await _open(addresses, log, is_asked_for=metrics_are_asked_for, for_metrics=True)
    except OSError:
        for listener in listeners:
            listener.close()
        raise
    return listeners


async def _open(
    addresses: tuple[TcpAddress, ...], log: logging.Logger, *, is_asked_for: bool, for_metrics: bool = False
) -> list[HttpListener]:
    if find_spec("hypercorn") is None:
        if is_asked_for:
            raise OSError(MISSING)
        log.info("%s", MISSING)
        return []
    try:
        return await open_listeners(addresses, for_metrics=for_metrics)
    except OSError as error:
        if is_asked_for:
            raise
        log.warning("there %s: %s", "are no metrics" if for_metrics else "is no management API", error)
        return []


def make_servers(
    listeners: list[HttpListener],
    control: list[ControlListener],
    reactor: Reactor,
    users: Users,
    authenticator: Authenticator | None,
    addresses: Sequence[TcpAddress | UnixAddress],
    certificates: "Mapping[TlsOptions, Certificates]",
    unix_time_ms: Callable[[], int],
) -> list[Server]:
    """The servers of the API, of metrics and of the control socket, for a broker that listens on `addresses` for
    clients."""
    log, config = reactor.log, reactor.broker.config
    open_to: list[tuple[str, TcpAddress | UnixAddress]] = []
    open_to += [("amqp/ssl" if isinstance(each, TlsAddress) else "amqp", each) for each in addresses]
    open_to += [(each.protocol, each.address) for each in listeners]
    started_at_ms = unix_time_ms()

    @cache
    def make_api() -> "Api":
        from amqpy.management.call import Api
        from amqpy.management.measures import Measures
        from amqpy.management.statistics import Statistics

        statistics = Statistics(reactor.broker, unix_time_ms)
        measures = Measures(reactor, unix_time_ms, started_at_ms)
        statistics.node_values = lambda: {**measures.changing(), "event_loop_lag_us": statistics.lag_us}
        api = Api(reactor, users, log, unix_time_ms, open_to, statistics, started_at_ms)
        api.expiries = lambda: {path: at for each in certificates.values() for path, at in each.expiries.items()}
        return api

    def make_logins() -> "Logins":
        from amqpy.management.login import Logins

        return Logins(users, authenticator)

    def make_application() -> "Application":
        from amqpy.management.application import Application, path_prefix_of
        from amqpy.management.prometheus.application import PrometheusApplication
        from amqpy.management.resources import make_router

        metrics = PrometheusApplication(make_api(), f"{path_prefix_of(config)}/metrics")
        return Application(make_api(), make_router(), make_logins(), config, metrics)

    def make_metrics() -> "PrometheusApplication":
        from amqpy.management.prometheus.application import PrometheusApplication

        return PrometheusApplication(make_api(), config.prometheus_path)

    of_api = [listener for listener in listeners if not listener.for_metrics]
    of_metrics = [listener for listener in listeners if listener.for_metrics]
    make_control = partial(make_control_application, make_api, make_logins)
    return [
        Server(of_api, make_application, certificates.get(config.management_tls), reactor),
        Server(of_metrics, make_metrics, certificates.get(config.prometheus_tls), reactor),
        Server(control, make_control, None, reactor),
    ]


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
