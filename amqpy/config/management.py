"""The settings of the management API (docs/management.md).

Source: RabbitMQ's `management.*`, in `rabbitmq_management.schema`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import amqpy.config.rabbitmq_forms as forms
from amqpy.config.values import (
    INT32_MAX,
    UINT16_MAX,
    HttpsAddress,
    SettingInfo,
    TcpAddress,
    parse_http_address,
    setting,
)
from amqpy.config.web_tls import WebTlsSettings

AUTO: Final = "auto"
"""The control socket that `amqpy serve` has by default."""


LOOPBACK: Final = "127.0.0.1"
MANAGEMENT_PORT: Final = 15672
MANAGEMENT_TLS_PORT: Final = 15671
PROMETHEUS_PORT: Final = 15692
PROMETHEUS_TLS_PORT: Final = 15691


@dataclass(frozen=True)  # without slots, or they could not be joined
class ManagementSettings(WebTlsSettings):
    """The listeners of the management API, and what it does differently."""

    management: bool | None = setting(
        None,
        SettingInfo(
            "Serve the management API. By default `amqpy serve` does if it is installed; an embedded broker does not.",
            option="",
        ),
    )
    management_host: str = setting(
        LOOPBACK,
        SettingInfo(
            "The address to listen on for the management API.",
            low=1,
            rabbitmq_keys=("management.tcp.ip", "management.listener.ip"),
        ),
    )
    management_port: int | None = setting(
        None,
        SettingInfo(
            "The port to listen on for the management API; 0 takes a free one and logs it. By default 15672, or none "
            "if there is one in TLS.",
            low=0,
            high=UINT16_MAX,
            option="PORT",
            rabbitmq_keys=("management.tcp.port", "management.listener.port"),
        ),
    )
    management_listen: tuple[str, ...] = setting(
        (),
        SettingInfo(
            "Addresses to listen on instead of those; `https` is in TLS, as `management_tls_port` is.",
            form=("HOST:PORT, [IPV6]:PORT, http://HOST:PORT or https://HOST:PORT", parse_http_address),
        ),
    )
    management_path_prefix: str = setting(
        "",
        SettingInfo("What comes before all paths of the management API.", rabbitmq_keys=("management.path_prefix",)),
    )
    management_http_max_body_size: int = setting(
        20_000_000,
        SettingInfo(
            "The largest body of a request, in bytes.",
            low=0,
            high=INT32_MAX,
            rabbitmq_keys=("management.http.max_body_size",),
        ),
    )
    management_rates_mode: str = setting(
        "basic",
        SettingInfo(
            "`detailed` also has rates of each pair of channel and queue or exchange, `none` has none.",
            choices=("basic", "detailed", "none"),
            rabbitmq_keys=("management.rates_mode",),
        ),
    )
    management_disable_stats: bool = setting(
        False,
        SettingInfo("Show objects without statistics.", rabbitmq_keys=("management.disable_stats",)),
    )
    management_enable_queue_totals: bool = setting(
        False,
        SettingInfo(
            "Show the lengths of queues even without statistics.", rabbitmq_keys=("management.enable_queue_totals",)
        ),
    )
    management_cors_allow_origins: tuple[str, ...] = setting(
        (),
        SettingInfo(
            "Origins whose web pages may use the management API; `*` is any.",
            rabbitmq_keys=("management.cors.allow_origins.*",),
            rabbitmq_form=forms.ORDERED,
        ),
    )
    management_cors_max_age: int = setting(
        1800,
        SettingInfo(
            "Seconds for which browsers remember that.",
            low=0,
            high=INT32_MAX,
            rabbitmq_keys=("management.cors.max_age",),
        ),
    )
    management_csp: str = setting(
        "script-src 'self' 'unsafe-eval' 'unsafe-inline'; object-src 'self'",
        SettingInfo("The header Content-Security-Policy.", rabbitmq_keys=("management.csp.policy",)),
    )
    management_hsts: str | None = setting(
        None,
        SettingInfo("The header Strict-Transport-Security.", rabbitmq_keys=("management.hsts.policy",)),
    )
    management_ui: str | None = setting(
        None,
        SettingInfo("A directory with the pages of a user interface, such as that of RabbitMQ's plugin."),
    )
    prometheus: bool | None = setting(
        None,
        SettingInfo(
            "Serve metrics for Prometheus, without a login, at a port of their own. By default wherever there is a "
            "management API.",
            option="",
        ),
    )
    prometheus_host: str = setting(
        LOOPBACK,
        SettingInfo("The address to listen on for metrics.", low=1, rabbitmq_keys=("prometheus.tcp.ip",)),
    )
    prometheus_port: int | None = setting(
        None,
        SettingInfo(
            "The port to listen on for metrics; 0 takes a free one and logs it. By default 15692, or none if there is "
            "one in TLS.",
            low=0,
            high=UINT16_MAX,
            option="PORT",
            rabbitmq_keys=("prometheus.tcp.port",),
        ),
    )
    prometheus_listen: tuple[str, ...] = setting(
        (),
        SettingInfo(
            "Addresses to listen on instead of those; `https` is in TLS, as `prometheus_tls_port` is.",
            form=("HOST:PORT, [IPV6]:PORT, http://HOST:PORT or https://HOST:PORT", parse_http_address),
        ),
    )
    prometheus_path: str = setting("/metrics", SettingInfo("The path of metrics.", rabbitmq_keys=("prometheus.path",)))
    prometheus_return_per_object_metrics: bool = setting(
        False,
        SettingInfo(
            "Show the numbers of each queue, channel and connection, not only their sums.",
            rabbitmq_keys=("prometheus.return_per_object_metrics",),
        ),
    )
    control_socket: str = setting(
        AUTO,
        SettingInfo(
            "The unix socket for `amqpy ctl`, on which whoever may open it is an administrator without a password; "
            "empty for none. `auto` is `control.sock` in the data directory, or without one `amqpy/PORT.sock` in "
            "XDG_RUNTIME_DIR, or `amqpy-UID/PORT.sock` in the directory for temporary files (TMPDIR); an embedded "
            "broker has none."
        ),
    )

    @property
    def management_addresses(self) -> tuple[TcpAddress, ...]:
        """The addresses to listen on for the management API."""
        plain = _Place(self.management_host, self.management_port, MANAGEMENT_PORT)
        tls = _Place(self.management_tls_host, self.management_tls_port, MANAGEMENT_TLS_PORT)
        return _addresses(self.management_listen, plain, tls, has_certificate=bool(self.management_tls_cert))

    @property
    def prometheus_addresses(self) -> tuple[TcpAddress, ...]:
        """The addresses to listen on for metrics."""
        plain = _Place(self.prometheus_host, self.prometheus_port, PROMETHEUS_PORT)
        tls = _Place(self.prometheus_tls_host, self.prometheus_tls_port, PROMETHEUS_TLS_PORT)
        return _addresses(self.prometheus_listen, plain, tls, has_certificate=bool(self.prometheus_tls_cert))


class _Place(NamedTuple):
    """An address in the settings, as far as it was chosen."""

    host: str | None
    port: int | None
    usual_port: int

    @property
    def chosen_port(self) -> int:
        return self.usual_port if self.port is None else self.port


def _addresses(listen: Sequence[str], plain: _Place, tls: _Place, *, has_certificate: bool) -> tuple[TcpAddress, ...]:
    """The addresses for HTTP. As in RabbitMQ (`rabbit_mgmt_app:get_listeners_config`) that in TLS takes the place of
    the usual one without, unless there are settings for both."""
    if listen:
        return tuple(map(parse_http_address, listen))
    usual = TcpAddress(plain.host or LOOPBACK, plain.chosen_port)
    if tls.port is None and not has_certificate:
        return (usual,)
    secure = HttpsAddress(tls.host or usual.host, tls.chosen_port)
    return (secure,) if plain.port is None and usual.host == LOOPBACK else (usual, secure)
