"""Every setting of the broker, in one place, with its default.

A setting is one field of `Config`. Its command line option, its `AMQPY_*` variable, its key in the TOML file,
its validation and its row in docs/configuration.md are all derived from that field, so a new setting is one
line here and nothing anywhere else.

Sources are read in the order of their precedence: defaults, file, environment, command line. An error text has the
name that the setting has in its source and never its value, which may be a password.
"""

from collections.abc import Callable
from dataclasses import Field, dataclass, field, fields, replace
from typing import Any, NamedTuple, TypeVar

from amqpy.patterns import compile_pattern
from amqpy.profile import LATEST, PROFILES, Profile, profile_named
from amqpy.sizes import parse_limit, parse_watermark

T = TypeVar("T")

PREFIX = "AMQPY_"
SHORTSTR_BYTES_MAX = 255
UINT16_MAX = 65_535
INT32_MAX = 2_147_483_647


class ConfigError(ValueError):
    """A setting that cannot be used; the text is one line for the person who set it."""


class TcpAddress(NamedTuple):
    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class UnixAddress(NamedTuple):
    path: str

    def __str__(self) -> str:
        return f"unix:{self.path}"


def parse_address(text: str) -> TcpAddress | UnixAddress:
    """Parses `HOST:PORT`, `[IPV6]:PORT` or `unix:PATH`. Raises ValueError."""
    if text.startswith("unix:"):
        if path := text.removeprefix("unix:"):
            return UnixAddress(path)
        raise ValueError("a unix socket needs a path")
    host, _, port_text = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    # An IPv6 address without brackets is refused: it cannot be told where it ends and the port begins.
    if not host.strip("[]") or bracketed != (":" in host):
        raise ValueError("no host")
    port = parse_integer(port_text)
    if not 0 <= port <= UINT16_MAX:
        raise ValueError("no such port")
    return TcpAddress(host.strip("[]"), port)


@dataclass(slots=True, frozen=True)
class SettingInfo:
    """The metadata of a setting beside its type and default."""

    doc: str
    low: int | None = None
    high: int | None = None
    """Bounds of an integer; of a text, bounds of its length in bytes."""
    choices: tuple[str, ...] = ()
    form: tuple[str, Callable[[str], object]] | None = None
    """For a text, or each item of a list: its description, and the function that raises ValueError if it is invalid."""
    option: str | None = None
    """The command line option's metavar, for the few settings that have an option (`""`: a plain flag)."""
    rabbitmq_variable: str | None = None
    """The variable of RabbitMQ's container image for the same setting."""
    secret: bool = False
    """Kept out of repr, and so out of every log."""


def setting(default: T, about: SettingInfo) -> T:
    """A field of `Config`."""
    return field(default=default, repr=not about.secret, metadata={"about": about})


def setting_info(setting: "Field[Any]") -> SettingInfo:
    told = setting.metadata["about"]
    assert isinstance(told, SettingInfo)
    return told


@dataclass(slots=True, frozen=True)
class Config:
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
            form=("HOST:PORT, [IPV6]:PORT or unix:PATH", parse_address),
            option="ADDRESS",
        ),
    )
    data_dir: str | None = setting(
        None,
        SettingInfo("The directory of the durable store; without one everything is kept in memory.", option="DIR"),
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
        ),
    )
    default_pass: str = setting(
        "guest",
        SettingInfo("The default user's password.", secret=True, rabbitmq_variable="RABBITMQ_DEFAULT_PASS"),
    )
    default_vhost: str = setting(
        "/",
        SettingInfo(
            "The virtual host that exists from the start.",
            low=1,
            high=SHORTSTR_BYTES_MAX,
            rabbitmq_variable="RABBITMQ_DEFAULT_VHOST",
        ),
    )
    default_queue_type: str = setting(
        "classic",
        SettingInfo(
            "The type of queues that are declared without one, in virtual hosts that have no default of their own.",
            choices=("classic", "quorum", "stream"),
        ),
    )
    loopback_users: tuple[str, ...] = setting(
        ("guest",), SettingInfo("Users that may connect from a loopback address only.")
    )
    password_hashing: str = setting(
        "sha256",
        SettingInfo("The algorithm that new passwords are hashed with.", choices=("sha256", "sha512")),
    )
    credential_validator: str = setting(
        "accept_everything",
        SettingInfo(
            "What a password must be like when an administrator sets it.",
            choices=("accept_everything", "min_password_length", "password_regexp"),
        ),
    )
    credential_validator_min_length: int = setting(
        5, SettingInfo("The least bytes of a password, for `min_password_length`.", low=0, high=INT32_MAX)
    )
    credential_validator_regexp: str | None = setting(
        None,
        SettingInfo(
            "What is searched for in a password, for `password_regexp`.",
            form=("a regular expression", compile_pattern),
        ),
    )
    auth_mechanisms: tuple[str, ...] = setting(
        (),
        SettingInfo(
            "The SASL mechanisms offered, in this order; by default the profile's.",
            choices=("PLAIN", "AMQPLAIN", "ANONYMOUS", "RABBIT-CR-DEMO"),
        ),
    )

    frame_max: int = setting(
        131_072, SettingInfo("The largest frame, proposed to the client.", low=4096, high=INT32_MAX)
    )
    channel_max: int = setting(
        2047,
        SettingInfo("Channels a connection may open, proposed to the client; 0 is no limit.", low=0, high=UINT16_MAX),
    )
    heartbeat: int = setting(
        60,
        SettingInfo("Seconds between heartbeats, proposed to the client; 0 is none.", low=0, high=UINT16_MAX),
    )
    handshake_timeout_ms: int = setting(
        10_000,
        SettingInfo("How long a peer may take from TCP accept to an open connection.", low=1, high=INT32_MAX),
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
        ),
    )
    disk_free_limit: str = setting(
        "50MB",
        SettingInfo(
            "How much space must be free where the data directory is, or publishers are blocked.",
            form=("a size (`50MB`), a multiple of the memory (`1.5`) or `none`", parse_limit),
            option="LIMIT",
        ),
    )
    max_message_size: int | None = setting(
        None, SettingInfo("The largest message body; by default the profile's.", low=0, high=536_870_912)
    )

    consumer_timeout_ms: int | None = setting(
        None,
        SettingInfo(
            "How long a consumer may take to acknowledge a delivery before its channel is closed; no limit by default.",
            low=1,
            high=INT32_MAX,
        ),
    )
    product: str = setting(
        "RabbitMQ",
        SettingInfo("The product reported to clients: libraries switch features by it.", low=1),
    )
    profile: str = setting(
        "rabbitmq-3.13",
        SettingInfo(
            "The RabbitMQ to take after where its versions differ.", choices=(*PROFILES, *LATEST), option="NAME"
        ),
    )
    deprecated_features_permit_transient_nonexcl_queues: bool | None = setting(
        None,
        SettingInfo("Permits queues that are neither durable nor exclusive; by default as the profile does."),
    )
    deprecated_features_permit_queue_master_locator: bool | None = setting(
        None,
        SettingInfo("Permits the argument `x-queue-master-locator` of queues; by default as the profile does."),
    )
    deprecated_features_permit_global_qos: bool | None = setting(
        None,
        SettingInfo(
            "Permits a prefetch for a whole channel (`basic.qos` with `global`); by default as the profile does."
        ),
    )
    version: str | None = setting(
        None,
        SettingInfo(
            "The version reported to clients: kombu, Spring and NServiceBus switch features by it. "
            "By default the profile's."
        ),
    )
    cluster_name: str | None = setting(
        None, SettingInfo("The cluster name reported to clients; by default `rabbit@` and the host's name.")
    )

    def __post_init__(self) -> None:
        for each in fields(self):
            check(each, getattr(self, each.name), each.name)
        if self.credential_validator == "password_regexp" and self.credential_validator_regexp is None:
            raise ConfigError("credential_validator_regexp must be set for credential_validator password_regexp")

    @property
    def addresses(self) -> tuple[TcpAddress | UnixAddress, ...]:
        """The addresses to listen on: `listen`, or `host` and `port`."""
        return tuple(map(parse_address, self.listen)) or (TcpAddress(self.host, self.port),)

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


SETTINGS: dict[str, "Field[Any]"] = {each.name: each for each in fields(Config)}


# --- the kinds of values -------------------------------------------------------------------------


class Kind(NamedTuple):
    noun: str
    accepts: Callable[[object], bool]
    parse: Callable[[str], object]
    """Parses text from the command line or the environment. Raises ValueError."""


def parse_integer(text: str) -> int:
    # int() alone would take "5_672", " 5672" and digits of every script.
    if not (text.removeprefix("-").isdecimal() and text.isascii()):
        raise ValueError("not an integer")
    return int(text)


def parse_boolean(text: str) -> bool:
    meanings = {"true": True, "yes": True, "on": True, "1": True}
    meanings |= {"false": False, "no": False, "off": False, "0": False}
    try:
        return meanings[text.lower()]
    except KeyError:
        raise ValueError("not a boolean") from None


def parse_list(text: str) -> tuple[str, ...]:
    return tuple(item.strip() for item in text.split(",") if item.strip())


def is_list_of_texts(value: object) -> bool:
    return isinstance(value, tuple) and all(isinstance(item, str) for item in value)


KINDS: dict[object, Kind] = {
    bool: Kind("true or false", lambda value: isinstance(value, bool), parse_boolean),
    bool | None: Kind(
        "true or false",
        lambda value: value is None or isinstance(value, bool),
        lambda text: parse_boolean(text) if text else None,
    ),
    int: Kind("an integer", lambda value: isinstance(value, int) and not isinstance(value, bool), parse_integer),
    str: Kind("a text", lambda value: isinstance(value, str), str),
    int | None: Kind(
        "an integer",
        lambda value: value is None or (isinstance(value, int) and not isinstance(value, bool)),
        lambda text: parse_integer(text) if text else None,
    ),
    str | None: Kind("a text", lambda value: value is None or isinstance(value, str), lambda text: text or None),
    tuple[str, ...]: Kind("a list of texts", is_list_of_texts, parse_list),
}


def expectation(setting: "Field[Any]") -> str:
    """A description of the values a setting takes, for its documentation and its error text."""
    it, kind = setting_info(setting), KINDS[setting.type]
    if it.choices:
        amount = "one or more" if setting.type == tuple[str, ...] else "one"
        return f"{amount} of {', '.join(it.choices)}"
    if it.form:
        return f"a list of {it.form[0]}" if setting.type == tuple[str, ...] else it.form[0]
    if setting.type in {int, int | None}:
        return f"{kind.noun} from {it.low} to {it.high}"
    if it.high is not None:
        return f"{kind.noun} of {it.low} to {it.high} bytes"
    return f"{kind.noun}, not empty" if it.low else kind.noun


def check(setting: "Field[Any]", value: object, label: str) -> None:
    if not (KINDS[setting.type].accepts(value) and fits(setting_info(setting), value)):
        raise ConfigError(f"{label} must be {expectation(setting)}")


def fits(it: SettingInfo, value: object) -> bool:
    if value is None:
        return True
    items = value if isinstance(value, tuple) else (value,)
    if it.choices and not set(items) <= set(it.choices):
        return False
    if it.form and not all(passes(it.form[1], item) for item in items):
        return False
    size = amount(value)
    return (it.low is None or size >= it.low) and (it.high is None or size <= it.high)


def amount(value: object) -> int:
    """The number that `low` and `high` bound: an integer, or the length of a text or a list."""
    match value:
        case int():
            return value
        case str():
            return len(value.encode(errors="surrogatepass"))  # the environment may hold undecodable bytes
        case tuple():
            return len(value)
    return 0


def passes(parse: Callable[[str], object], item: str) -> bool:
    try:
        parse(item)
    except ValueError:
        return False
    return True
