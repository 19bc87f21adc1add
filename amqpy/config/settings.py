"""Every setting of the broker, in one place, with its default.

A setting is one field of `Config`. Its command line option, its `AMQPY_*` variable, its key in the TOML file,
its validation and its row in docs/configuration.md are all derived from that field, so a new setting is one
line here and nothing anywhere else. What values settings take, and how these are checked, is in values.py.

Sources are read in the order of their precedence: defaults, file, environment, command line.
"""

from dataclasses import Field, dataclass, fields, replace
from typing import Any

import amqpy.config.rabbitmq_forms as forms
from amqpy.config.auth import AuthSettings
from amqpy.config.limits import LimitSettings
from amqpy.config.management import ManagementSettings
from amqpy.config.stream import StreamSettings
from amqpy.config.tls import TlsOptions, TlsSettings
from amqpy.config.values import (
    INT32_MAX,
    UINT16_MAX,
    ConfigError,
    SettingInfo,
    TcpAddress,
    UnixAddress,
    check,
    parse_address,
    setting,
)
from amqpy.patterns import compile_pattern
from amqpy.profile import LATEST, PROFILES, Profile, profile_named
from amqpy.sizes import parse_limit, parse_size, parse_watermark

SHORTSTR_BYTES_MAX = 255
PATTERN = ("a regular expression", compile_pattern)


@dataclass(frozen=True)
class Config(TlsSettings, AuthSettings, LimitSettings, StreamSettings, ManagementSettings):
    """The broker's settings. Sizes are bytes; a name says its unit of time, heartbeat is AMQP's seconds."""

    host: str = setting("127.0.0.1", SettingInfo("The address to listen on.", low=1, option="HOST"))
    port: int = setting(
        5672,
        SettingInfo(
            "The port to listen on; 0 takes a free one and logs it.",
            low=0,
            high=UINT16_MAX,
            option="PORT",
            rabbitmq_variable="RABBITMQ_NODE_PORT",
        ),
    )
    listen: tuple[str, ...] = setting(
        (),
        SettingInfo(
            "Addresses to listen on instead of `host` and `port`.",
            form=("HOST:PORT, [IPV6]:PORT, amqps://HOST:PORT or unix:PATH", parse_address),
            option="ADDRESS",
            rabbitmq_keys=("listeners.tcp", "listeners.tcp.*", "listeners.ssl", "listeners.ssl.*"),
            rabbitmq_form=forms.LISTENERS,
        ),
    )
    data_dir: str | None = setting(
        None,
        SettingInfo("The directory of the durable store; without one everything is kept in memory.", option="DIR"),
    )
    load_definitions: str | None = setting(
        None,
        SettingInfo(
            "A file of definitions to import whenever the broker starts. If there are users in it, a new broker has no "
            "default user.",
            low=1,
            option="FILE",
            rabbitmq_keys=("load_definitions", "management.load_definitions"),
        ),
    )
    sync: str = setting(
        "full",
        SettingInfo(
            "What a confirm waits for: `full` for the disk, `os` for the operating system (a loss of power may lose "
            "what was confirmed), `none` for nothing.",
            choices=("full", "os", "none"),
            option="HOW",
        ),
    )
    log_level: str = setting(
        "info",
        SettingInfo(
            "The least level that is logged.",
            choices=("debug", "info", "warning", "error"),
            option="LEVEL",
            rabbitmq_keys=("log.console.level", "log.default.level", "log.connection.level", "log.file.level"),
            rabbitmq_form=forms.LEVEL,
        ),
    )
    log_format: str = setting(
        "text",
        SettingInfo(
            "The form of a line of the log.",
            choices=("text", "json"),
            rabbitmq_keys=("log.console.formatter",),
            rabbitmq_form=forms.LOG_FORMAT,
        ),
    )
    strict: bool = setting(
        False,
        SettingInfo("Stop at the first internal error instead of closing the connection that met it.", option=""),
    )

    default_user: str = setting(
        "guest",
        SettingInfo(
            "The user that exists from the start.",
            low=1,
            high=SHORTSTR_BYTES_MAX,
            rabbitmq_variable="RABBITMQ_DEFAULT_USER",
            rabbitmq_keys=("default_user",),
        ),
    )
    default_pass: str = setting(
        "guest",
        SettingInfo(
            "The default user's password.",
            secret=True,
            rabbitmq_variable="RABBITMQ_DEFAULT_PASS",
            rabbitmq_keys=("default_pass",),
            rabbitmq_form=forms.PASSWORD,
        ),
    )
    default_vhost: str = setting(
        "/",
        SettingInfo(
            "The virtual host that exists from the start.",
            low=1,
            high=SHORTSTR_BYTES_MAX,
            rabbitmq_variable="RABBITMQ_DEFAULT_VHOST",
            rabbitmq_keys=("default_vhost",),
        ),
    )
    default_user_tags: tuple[str, ...] = setting(
        ("administrator",),
        SettingInfo(
            "The default user's tags.",
            rabbitmq_variable="RABBITMQ_DEFAULT_USER_TAGS",
            rabbitmq_keys=("default_user_tags.*",),
            rabbitmq_form=forms.NAMES,
        ),
    )
    default_permissions_configure: str = setting(
        ".*",
        SettingInfo(
            "What the default user may declare and delete in the default virtual host.",
            form=PATTERN,
            rabbitmq_variable="RABBITMQ_DEFAULT_PERMISSIONS_CONFIGURE",
            rabbitmq_keys=("default_permissions.configure",),
        ),
    )
    default_permissions_write: str = setting(
        ".*",
        SettingInfo(
            "What the default user may publish to there.",
            form=PATTERN,
            rabbitmq_variable="RABBITMQ_DEFAULT_PERMISSIONS_WRITE",
            rabbitmq_keys=("default_permissions.write",),
        ),
    )
    default_permissions_read: str = setting(
        ".*",
        SettingInfo(
            "What the default user may consume from there.",
            form=PATTERN,
            rabbitmq_variable="RABBITMQ_DEFAULT_PERMISSIONS_READ",
            rabbitmq_keys=("default_permissions.read",),
        ),
    )
    default_queue_type: str = setting(
        "classic",
        SettingInfo(
            "The type of queues that are declared without one, in virtual hosts that have no default of their own.",
            choices=("classic", "quorum", "stream"),
            rabbitmq_keys=("default_queue_type",),
            rabbitmq_form=forms.QUEUE_TYPE,
        ),
    )
    loopback_users: tuple[str, ...] = setting(
        ("guest",),
        SettingInfo(
            "Users that may connect from a loopback address only.",
            rabbitmq_keys=("loopback_users", "loopback_users.*"),
            rabbitmq_form=forms.NAMES,
        ),
    )
    password_hashing: str = setting(
        "sha256",
        SettingInfo(
            "The algorithm that new passwords are hashed with.",
            choices=("sha256", "sha512"),
            rabbitmq_keys=("password_hashing_module",),
            rabbitmq_form=forms.HASHING,
        ),
    )
    credential_validator: str = setting(
        "accept_everything",
        SettingInfo(
            "What a password must be like when an administrator sets it.",
            choices=("accept_everything", "min_password_length", "password_regexp"),
            rabbitmq_keys=("credential_validator.validation_backend",),
            rabbitmq_form=forms.VALIDATOR,
        ),
    )
    credential_validator_min_length: int = setting(
        5,
        SettingInfo(
            "The least bytes of a password, for `min_password_length`.",
            low=0,
            high=INT32_MAX,
            rabbitmq_keys=("credential_validator.min_length",),
        ),
    )
    credential_validator_regexp: str | None = setting(
        None,
        SettingInfo(
            "What is searched for in a password, for `password_regexp`.",
            form=PATTERN,
            rabbitmq_keys=("credential_validator.regexp",),
        ),
    )
    auth_mechanisms: tuple[str, ...] = setting(
        (),
        SettingInfo(
            "The SASL mechanisms offered, in this order; by default the profile's.",
            choices=("PLAIN", "AMQPLAIN", "ANONYMOUS", "EXTERNAL", "RABBIT-CR-DEMO"),
            rabbitmq_keys=("auth_mechanisms.*",),
        ),
    )

    frame_max: int = setting(
        131_072,
        SettingInfo(
            "The largest frame, proposed to the client.",
            low=4096,
            high=INT32_MAX,
            rabbitmq_keys=("frame_max",),
            rabbitmq_form=forms.BYTESIZE,
        ),
    )
    channel_max: int = setting(
        2047,
        SettingInfo(
            "Channels a connection may open, proposed to the client; 0 is no limit.",
            low=0,
            high=UINT16_MAX,
            rabbitmq_keys=("channel_max", "max_channels_per_connection"),
        ),
    )
    heartbeat: int = setting(
        60,
        SettingInfo(
            "Seconds between heartbeats, proposed to the client; 0 is none.",
            low=0,
            high=UINT16_MAX,
            rabbitmq_keys=("heartbeat",),
        ),
    )
    handshake_timeout_ms: int = setting(
        10_000,
        SettingInfo(
            "How long a peer may take from TCP accept to an open connection.",
            low=1,
            high=INT32_MAX,
            rabbitmq_keys=("handshake_timeout",),
            rabbitmq_form=forms.MILLISECONDS,
        ),
    )
    close_timeout_ms: int = setting(
        30_000,
        SettingInfo("How long a connection that was closed, by either side, may take to end.", low=1, high=INT32_MAX),
    )
    memory_high_watermark: str | None = setting(
        None,
        SettingInfo(
            "How much memory the broker may use before publishers are blocked; by default the profile's share.",
            form=("a share of the memory (`0.4`, `40%`), a size (`2GiB`) or `none`", parse_watermark),
            option="LIMIT",
            rabbitmq_variable="RABBITMQ_VM_MEMORY_HIGH_WATERMARK",
            rabbitmq_keys=("vm_memory_high_watermark.absolute", "vm_memory_high_watermark.relative"),
            rabbitmq_form=forms.LIMIT,
        ),
    )
    total_memory_available_override_value: str | None = setting(
        None,
        SettingInfo(
            "The memory that limits are a share of; by default the machine's, or what its container may use.",
            form=("a size (`2GiB`)", parse_size),
            rabbitmq_keys=("total_memory_available_override_value",),
        ),
    )
    disk_free_limit: str = setting(
        "50MB",
        SettingInfo(
            "How much space must be free where the data directory is, or publishers are blocked.",
            form=("a size (`50MB`), a multiple of the memory (`1.5`) or `none`", parse_limit),
            option="LIMIT",
            rabbitmq_keys=("disk_free_limit.absolute", "disk_free_limit.relative"),
            rabbitmq_form=forms.LIMIT,
        ),
    )
    max_message_size: int | None = setting(
        None,
        SettingInfo(
            "The largest message body; by default the profile's.",
            low=0,
            high=536_870_912,
            rabbitmq_keys=("max_message_size",),
        ),
    )

    consumer_timeout_ms: int | None = setting(
        None,
        SettingInfo(
            "How long a consumer may take to acknowledge a delivery before its channel is closed; no limit by default.",
            low=1,
            high=INT32_MAX,
            rabbitmq_keys=("consumer_timeout",),
            rabbitmq_form=forms.MILLISECONDS_OR_NONE,
        ),
    )
    product: str = setting(
        "RabbitMQ",
        SettingInfo(
            "The product reported to clients: libraries switch features by it.",
            low=1,
            rabbitmq_variable="RABBITMQ_PRODUCT_NAME",
            rabbitmq_keys=("product.name",),
        ),
    )
    profile: str = setting(
        "rabbitmq-3.13",
        SettingInfo(
            "The RabbitMQ to take after where its versions differ.", choices=(*PROFILES, *LATEST), option="NAME"
        ),
    )
    deprecated_features_permit_transient_nonexcl_queues: bool | None = setting(
        None,
        SettingInfo(
            "Permits queues that are neither durable nor exclusive; by default as the profile does.",
            rabbitmq_keys=("deprecated_features.permit.transient_nonexcl_queues",),
        ),
    )
    deprecated_features_permit_queue_master_locator: bool | None = setting(
        None,
        SettingInfo(
            "Permits the argument `x-queue-master-locator` of queues; by default as the profile does.",
            rabbitmq_keys=("deprecated_features.permit.queue_master_locator",),
        ),
    )
    deprecated_features_permit_global_qos: bool | None = setting(
        None,
        SettingInfo(
            "Permits a prefetch for a whole channel (`basic.qos` with `global`); by default as the profile does.",
            rabbitmq_keys=("deprecated_features.permit.global_qos",),
        ),
    )
    version: str | None = setting(
        None,
        SettingInfo(
            "The version reported to clients: kombu, Spring and NServiceBus switch features by it. "
            "By default the profile's.",
            rabbitmq_variable="RABBITMQ_PRODUCT_VERSION",
            rabbitmq_keys=("product.version",),
        ),
    )
    cluster_name: str | None = setting(
        None,
        SettingInfo(
            "The cluster name reported to clients; by default `rabbit@` and the host's name.",
            rabbitmq_keys=("cluster_name",),
        ),
    )

    def __post_init__(self) -> None:
        for each in fields(self):
            check(each, getattr(self, each.name), each.name)
        self.check_backends()
        if self.credential_validator == "password_regexp" and self.credential_validator_regexp is None:
            raise ConfigError("credential_validator_regexp must be set for credential_validator password_regexp")

    @property
    def addresses(self) -> tuple[TcpAddress | UnixAddress, ...]:
        """The addresses to listen on: `listen`, or `host` and `port`."""
        return tuple(map(parse_address, self.listen)) or (TcpAddress(self.host, self.port),)

    @property
    def stream_addresses(self) -> tuple[TcpAddress | UnixAddress, ...]:
        """The addresses to listen on for the stream protocol."""
        return tuple(map(parse_address, self.stream_listen)) or (TcpAddress(self.stream_host, self.stream_port),)

    @property
    def tls(self) -> TlsOptions:
        """TLS for AMQP."""
        return TlsOptions.of(self, "tls")

    @property
    def management_tls(self) -> TlsOptions:
        """TLS for the management API: its own settings, or those for AMQP if it has none."""
        own = TlsOptions.of(self, "management_tls")
        return self.tls if own.is_left_alone else own

    @property
    def prometheus_tls(self) -> TlsOptions:
        """TLS for metrics, likewise."""
        own = TlsOptions.of(self, "prometheus_tls")
        return self.tls if own.is_left_alone else own

    @property
    def default_permissions(self) -> tuple[str, str, str]:
        """The patterns for `configure`, `write` and `read`."""
        return self.default_permissions_configure, self.default_permissions_write, self.default_permissions_read

    @property
    def switches(self) -> Profile:
        """The switches of the profile, with the deprecated features that settings permit or deny."""
        profile = profile_named(self.profile)
        transient, global_qos, locator = (
            self.deprecated_features_permit_transient_nonexcl_queues,
            self.deprecated_features_permit_global_qos,
            self.deprecated_features_permit_queue_master_locator,
        )
        if transient is global_qos is locator is None:
            return profile
        locator_denied = profile.master_locator_denied
        if locator is not None:
            by_whom = "by default" if locator_denied == "by default" else "by configuration"
            locator_denied = "no" if locator else by_whom
        return replace(
            profile,
            transient_queues=profile.transient_queues if transient is None else transient,
            global_qos=profile.global_qos if global_qos is None else global_qos,
            master_locator_denied=locator_denied,
        )


def _in_order() -> "list[Field[Any]]":
    """The settings as they are documented: those of a subject behind those of the broker, although a dataclass has
    inherited ones first."""
    subjects = (TlsSettings, AuthSettings, LimitSettings, StreamSettings, ManagementSettings)
    inherited = {each.name: place for place, subject in enumerate(subjects, 1) for each in fields(subject)}
    return sorted(fields(Config), key=lambda setting: inherited.get(setting.name, 0))


SETTINGS: dict[str, "Field[Any]"] = {each.name: each for each in _in_order()}
