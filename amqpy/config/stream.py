"""The settings of the stream protocol (docs/streams.md).

Source: RabbitMQ's `stream.*`, in `rabbitmq_stream.schema`.
"""

from dataclasses import dataclass

import amqpy.config.rabbitmq_forms as forms
from amqpy.config.values import (
    INT32_MAX,
    UINT16_MAX,
    SettingInfo,
    parse_address,
    setting,
)


@dataclass(frozen=True)  # without slots, or they could not be joined
class StreamSettings:
    """The listeners of the stream protocol, and what its clients are told."""

    stream: bool | None = setting(
        None,
        SettingInfo(
            "Serve the stream protocol. By default `amqpy serve` does; an embedded broker does not.", option=""
        ),
    )
    stream_host: str = setting(
        "127.0.0.1", SettingInfo("The address to listen on for the stream protocol.", low=1, option="HOST")
    )
    stream_port: int = setting(
        5552,
        SettingInfo(
            "The port to listen on for the stream protocol; 0 takes a free one and logs it.",
            low=0,
            high=UINT16_MAX,
            option="PORT",
        ),
    )
    stream_listen: tuple[str, ...] = setting(
        (),
        SettingInfo(
            "Addresses to listen on instead of those; `amqps` is in TLS.",
            form=("HOST:PORT, [IPV6]:PORT or amqps://HOST:PORT", parse_address),
            rabbitmq_keys=(
                "stream.listeners.tcp",
                "stream.listeners.tcp.*",
                "stream.listeners.ssl",
                "stream.listeners.ssl.*",
            ),
            rabbitmq_form=forms.LISTENERS,
        ),
    )
    stream_frame_max: int = setting(
        1_048_576,
        SettingInfo(
            "The largest frame of the stream protocol, proposed to the client.",
            low=8192,
            high=INT32_MAX,
            rabbitmq_keys=("stream.frame_max",),
        ),
    )
    stream_heartbeat: int = setting(
        60,
        SettingInfo(
            "Seconds between heartbeats of the stream protocol, proposed to the client; 0 is none.",
            low=0,
            high=UINT16_MAX,
            rabbitmq_keys=("stream.heartbeat",),
        ),
    )
    stream_advertised_host: str | None = setting(
        None,
        SettingInfo(
            "The host that clients are told to connect to for a stream; by default the address by which they came.",
            low=1,
            rabbitmq_keys=("stream.advertised_host",),
        ),
    )
    stream_advertised_port: int | None = setting(
        None,
        SettingInfo(
            "The port that they are told; by default the one by which they came.",
            low=1,
            high=UINT16_MAX,
            rabbitmq_keys=("stream.advertised_port",),
        ),
    )
    stream_advertised_tls_host: str | None = setting(
        None,
        SettingInfo("The host that clients in TLS are told.", low=1, rabbitmq_keys=("stream.advertised_tls_host",)),
    )
    stream_advertised_tls_port: int | None = setting(
        None,
        SettingInfo(
            "The port that clients in TLS are told.",
            low=1,
            high=UINT16_MAX,
            rabbitmq_keys=("stream.advertised_tls_port",),
        ),
    )
