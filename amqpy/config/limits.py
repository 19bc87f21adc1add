"""The settings that limit connections, and those of proxies in front of them (docs/limits.md).

Source: RabbitMQ's `connection_max`, `channel_max_per_node`, `consumer_max_per_channel` and `proxy_protocol`. The others
are ours.
"""

from dataclasses import dataclass
from ipaddress import ip_network

import amqpy.config.rabbitmq_forms as forms
from amqpy.config.values import INT32_MAX, SettingInfo, setting

RATE_MAX = 100_000


@dataclass(frozen=True)  # without slots, or they could not be joined
class LimitSettings:
    """Limits of connections, channels and logins."""

    connection_max: int | None = setting(
        None,
        SettingInfo(
            "Connections that may be open; no limit by default.",
            low=0,
            high=INT32_MAX,
            rabbitmq_keys=("connection_max", "max_connections"),
            rabbitmq_form=forms.NUMBER_OR_NONE,
        ),
    )
    connection_max_per_address: int = setting(
        0,
        SettingInfo(
            "Connections from one address, but for loopback ones, open or not; 0 is no limit.", low=0, high=INT32_MAX
        ),
    )
    pending_connection_max: int = setting(
        4096, SettingInfo("Connections that are not open yet; 0 is no limit.", low=0, high=INT32_MAX)
    )
    pending_connection_max_per_address: int = setting(
        512,
        SettingInfo(
            "Connections from one address, but for loopback ones, that are not open yet; 0 is no limit.",
            low=0,
            high=INT32_MAX,
        ),
    )
    connection_rate_max: int = setting(
        0, SettingInfo("New connections in a second; 0 is no limit.", low=0, high=RATE_MAX)
    )
    connection_rate_max_per_address: int = setting(
        0,
        SettingInfo(
            "New connections in a second from one address, but for loopback ones; 0 is no limit.", low=0, high=RATE_MAX
        ),
    )
    login_failure_max_per_address: int = setting(
        100,
        SettingInfo(
            "Failed logins in a minute from one address, but for loopback ones, after which it is refused; 0 is no "
            "limit.",
            low=0,
            high=RATE_MAX,
        ),
    )
    channel_max_per_node: int | None = setting(
        None,
        SettingInfo(
            "Channels that all connections together may open; no limit by default.",
            low=1,
            high=INT32_MAX,
            rabbitmq_keys=("channel_max_per_node",),
            rabbitmq_form=forms.NUMBER_OR_NONE,
        ),
    )
    consumer_max_per_channel: int | None = setting(
        None,
        SettingInfo(
            "Consumers that a channel may have; no limit by default.",
            low=1,
            high=INT32_MAX,
            rabbitmq_keys=("consumer_max_per_channel",),
            rabbitmq_form=forms.NUMBER_OR_NONE,
        ),
    )
    proxy_protocol: bool = setting(
        False,
        SettingInfo(
            "Connections begin with a header of the PROXY protocol, and are refused without one.",
            rabbitmq_keys=("proxy_protocol",),
        ),
    )
    proxy_trusted: tuple[str, ...] = setting(
        ("127.0.0.0/8", "::1", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"),
        SettingInfo(
            "Proxies whose headers are believed, beside those on unix sockets; others are refused.",
            form=("addresses or networks (`10.0.0.0/8`)", ip_network),
        ),
    )
