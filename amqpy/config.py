"""Every setting of the broker, in one place, with its default.

A setting is one field here. The command line, the `AMQPY_*` environment and the TOML file are all read from
this dataclass, so a new setting needs one line and its documentation string.
"""

from dataclasses import dataclass


@dataclass(slots=True, frozen=True)
class Config:
    """The broker's settings. Sizes are bytes, times milliseconds unless the name says otherwise."""

    host: str = "127.0.0.1"
    port: int = 5672
    listen: tuple[str, ...] = ()
    """More addresses: `HOST:PORT`, `[IPV6]:PORT` or `unix:PATH`. When given, `host` and `port` are not used."""

    data_dir: str | None = None
    """The directory of the durable store; None keeps everything in memory."""

    log_level: str = "info"
    strict: bool = False
    """Stop at the first internal error instead of closing the connection that met it (tests run so)."""

    default_user: str = "guest"
    default_pass: str = "guest"
    default_vhost: str = "/"
    loopback_users: tuple[str, ...] = ("guest",)
    """Users that may connect from a loopback address only."""

    auth_mechanisms: tuple[str, ...] = ("PLAIN", "AMQPLAIN")

    frame_max: int = 131072
    channel_max: int = 2047
    heartbeat: int = 60
    """Seconds; proposed to the client, who decides. 0 proposes none."""

    handshake_timeout_ms: int = 10_000
    close_timeout_ms: int = 30_000
    """How long a connection we closed may take to say close-ok."""

    max_message_size: int = 134_217_728

    product: str = "RabbitMQ"
    """What clients are told: libraries switch features by product and version (kombu, Spring, NServiceBus)."""
    version: str = "3.13.7"
    cluster_name: str | None = None
    """Reported to clients; None means `rabbit@` and the host's name."""
