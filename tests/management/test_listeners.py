"""Which listeners there are for the management API and for metrics, by the settings, and what they serve."""

import logging
from dataclasses import dataclass
from typing import Any

import pytest

from amqpy.config import Config
from amqpy.config.values import HttpsAddress, TcpAddress
from amqpy.management import startup
from amqpy.management.application import Application
from amqpy.management.prometheus.application import PrometheusApplication
from amqpy.management.server import HttpListener
from tests.server.peer import LOG

from .harness import UNIX_TIME_MS, Site

API, METRICS = TcpAddress("127.0.0.1", 15672), TcpAddress("127.0.0.1", 15692)


class Listener(HttpListener):
    """One without a socket."""

    def __init__(self, address: TcpAddress, *, for_metrics: bool) -> None:
        self.at = address
        self.tls = isinstance(address, HttpsAddress)
        self.for_metrics = for_metrics
        self.is_closed = False

    @property
    def address(self) -> TcpAddress:
        return self.at

    def close(self) -> None:
        self.is_closed = True


@dataclass
class Machine:
    """One on which some ports are in use."""

    used: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        self.opened: list[Listener] = []

    async def open(self, addresses: tuple[TcpAddress, ...], *, for_metrics: bool = False) -> list[HttpListener]:
        if any(address.port in self.used for address in addresses):
            raise OSError("in use")
        listeners = [Listener(address, for_metrics=for_metrics) for address in addresses]
        self.opened += listeners
        return [*listeners]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine()
    monkeypatch.setattr(startup, "open_listeners", machine.open)
    return machine


OTHER: dict[str, Any] = {"management_port": 1, "prometheus_port": 2}


@pytest.mark.parametrize(
    ("settings", "by_default", "opened"),
    [
        ({}, False, []),
        ({}, True, [API, METRICS]),
        ({"management": False}, True, []),
        ({"prometheus": False}, True, [API]),
        ({"management": True}, False, [API, METRICS]),
        ({"management": False, "prometheus": True}, True, [METRICS]),
        ({"prometheus": True}, False, [METRICS]),
        ({"prometheus_port": 2}, False, [METRICS._replace(port=2)]),
        ({**OTHER, "prometheus": False}, False, [API._replace(port=1)]),
        ({"management_tls_port": 3, "prometheus": False}, False, [HttpsAddress("127.0.0.1", 3)]),
        ({"prometheus_tls_port": 2}, False, [HttpsAddress("127.0.0.1", 2)]),
    ],
)
async def test_listeners(
    machine: Machine, settings: dict[str, Any], by_default: bool, opened: list[TcpAddress]
) -> None:
    listeners = await startup.open_management(Config(**settings), LOG, by_default=by_default)
    assert [listener.address for listener in listeners] == opened
    assert [listener.for_metrics for listener in listeners] == [address.port in {2, 15692} for address in opened]


async def test_what_is_only_there_by_default_may_be_in_use(machine: Machine, caplog: pytest.LogCaptureFixture) -> None:
    machine.used = (15672, 15692)
    with caplog.at_level(logging.WARNING):
        assert await startup.open_management(Config(), LOG, by_default=True) == []
    assert "there is no management API: in use" in caplog.text
    assert "there are no metrics: in use" in caplog.text


async def test_what_is_asked_for_may_not_be_in_use(machine: Machine) -> None:
    machine.used = (2,)
    with pytest.raises(OSError, match="in use"):
        await startup.open_management(Config(management=True, prometheus_port=2), LOG, by_default=False)
    assert [listener.is_closed for listener in machine.opened] == [True]


async def test_without_the_package_there_is_nothing(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(startup, "find_spec", lambda name: None)
    assert await startup.open_management(Config(), LOG, by_default=True) == []
    with pytest.raises(OSError, match="hypercorn"):
        await startup.open_management(Config(prometheus=True), LOG, by_default=False)


async def test_both_serve_the_same_broker(site: Site) -> None:
    listeners: list[HttpListener] = [Listener(API, for_metrics=False), Listener(METRICS, for_metrics=True)]
    servers = startup.make_servers(listeners, [], site.reactor, site.users, None, [API], {}, lambda: UNIX_TIME_MS)
    of_api, of_metrics, _ = [server._make_application() for server in servers]  # noqa: SLF001
    assert isinstance(of_api, Application)
    assert isinstance(of_metrics, PrometheusApplication)
    assert of_api._api is of_metrics._api  # noqa: SLF001
    assert of_api._api.listeners == [("amqp", API), ("http", API), ("http/prometheus", METRICS)]  # noqa: SLF001
    node = of_api._api.statistics.node_values()  # noqa: SLF001
    assert node["fd_used"] > 0
    assert node["sockets_used"] == 0
    assert node["mem_used"] > 0
    assert node["disk_free"] > 0


def test_a_listener_has_rabbitmqs_name_for_what_it_speaks() -> None:
    assert Listener(API, for_metrics=False).protocol == "http"
    assert Listener(HttpsAddress("::1", 1), for_metrics=False).protocol == "https"
    assert Listener(METRICS, for_metrics=True).protocol == "http/prometheus"
    assert Listener(HttpsAddress("::1", 1), for_metrics=True).protocol == "https/prometheus"
