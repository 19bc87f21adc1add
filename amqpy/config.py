"""Every setting of the broker, in one place, with its default.

A setting is one field of `Config`. Its command line option, its `AMQPY_*` variable, its key in the TOML file,
its validation and its row in docs/configuration.md are all derived from that field, so a new setting is one
line here and nothing anywhere else.

Places are read from weak to strong: defaults, file, environment, command line. A problem is told with the
name the setting has where it was given and never with its value, which may be a password.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from amqpy.profile import PROFILES
from amqpy.sizes import parse_limit, parse_watermark

T = TypeVar("T")

PREFIX = "AMQPY_"
SHORTSTR_BYTES_MAX = 255
UINT16_MAX = 65_535
INT32_MAX = 2_147_483_647


class ConfigError(ValueError):
    """A setting that cannot be used; the text is one line for the person who gave it."""


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
    """`HOST:PORT`, `[IPV6]:PORT` or `unix:PATH`; ValueError for anything else."""
    if text.startswith("unix:"):
        if path := text.removeprefix("unix:"):
            return UnixAddress(path)
        raise ValueError("a unix socket needs a path")
    host, _, port_text = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    # An IPv6 address without brackets is refused: nobody can tell where it ends and the port begins.
    if not host.strip("[]") or bracketed != (":" in host):
        raise ValueError("no host")
    port = parse_integer(port_text)
    if not 0 <= port <= UINT16_MAX:
        raise ValueError("no such port")
    return TcpAddress(host.strip("[]"), port)


@dataclass(slots=True, frozen=True)
class SettingInfo:
    """What is to be known of a setting beside its type and default."""

    doc: str
    low: int | None = None
    high: int | None = None
    """Bounds of an integer; of a text, bounds of its length in bytes."""
    choices: tuple[str, ...] = ()
    form: tuple[str, Callable[[str], object]] | None = None
    """Of a text, or of each item of a list: what it is, and the function that refuses one with ValueError."""
    option: str | None = None
    """The command line option's metavar, for the few settings that have an option (`""`: a plain flag)."""
    rabbitmq_variable: str | None = None
    """The variable of RabbitMQ's container image that means the same."""
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
            "How long a consumer may take to answer a delivery before its channel is closed; by default, for ever.",
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
        SettingInfo("The RabbitMQ to take after where its versions differ.", choices=tuple(PROFILES), option="NAME"),
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

    @property
    def addresses(self) -> tuple[TcpAddress | UnixAddress, ...]:
        """Where to listen, whichever way it was given."""
        return tuple(map(parse_address, self.listen)) or (TcpAddress(self.host, self.port),)


SETTINGS: dict[str, "Field[Any]"] = {each.name: each for each in fields(Config)}


# --- the kinds of values -------------------------------------------------------------------------


class Kind(NamedTuple):
    noun: str
    accepts: Callable[[object], bool]
    parse: Callable[[str], object]
    """Text from the command line or the environment; ValueError when it is not of this kind."""


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
    """What the setting takes, as its documentation and its error text say it."""
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
    """What `low` and `high` bound."""
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


# --- the places a setting is given ---------------------------------------------------------------


class SourcedValue(NamedTuple):
    name: str
    value: object
    label: str
    """What the person who gave it calls it: `--port`, `AMQPY_PORT`, `broker.toml: port`."""


def load(
    options: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    file: Path | None = None,
) -> Config:
    """The settings from every place; ConfigError if any place says something that cannot be used."""
    values: dict[str, Any] = {}
    for place in (from_file(file), from_environment(environ or {}), from_options(options or {})):
        given: dict[str, object] = {}
        for name, value, label in place:
            check(SETTINGS[name], value, label)
            given[name] = value
        if given.keys() & {"host", "port"}:
            values.pop("listen", None)  # or a --port would be lost to a `listen` in a weaker place
        values |= given
    return Config(**values)


def from_options(options: Mapping[str, object]) -> Iterator[SourcedValue]:
    for name, value in options.items():
        label = option_name(name)
        yield SourcedValue(name, parsed(name, value, label) if isinstance(value, str) else value, label)


def from_environment(environ: Mapping[str, str]) -> Iterator[SourcedValue]:
    for name, setting in SETTINGS.items():
        for variable in (PREFIX + name.upper(), setting_info(setting).rabbitmq_variable):
            if variable is not None and variable in environ:
                yield SourcedValue(name, parsed(name, environ[variable], variable), variable)
                break


def parsed(name: str, text: str, label: str) -> object:
    try:
        return KINDS[SETTINGS[name].type].parse(text)
    except ValueError:
        raise ConfigError(f"{label} must be {expectation(SETTINGS[name])}") from None


def from_file(path: Path | None) -> Iterator[SourcedValue]:
    if path is None:
        return
    import tomllib  # most starts have no file

    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror or error}") from None
    except ValueError as error:  # TOMLDecodeError and UnicodeDecodeError are both
        raise ConfigError(f"{path} is not a TOML file: {error}") from None
    for name, value in table.items():
        if name not in SETTINGS:
            raise ConfigError(f"{path}: unknown setting {name!r}{suggestion(name, SETTINGS)}")
        yield SourcedValue(name, from_toml(value, setting_info(SETTINGS[name])), f"{path}: {name}")


def from_toml(value: object, it: SettingInfo) -> object:
    """A list is a tuple here; and a number is as good as its text where the text has a form."""
    if isinstance(value, list):
        return tuple(value)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return str(value) if is_number and it.form else value


def option_name(name: str) -> str:
    return "--" + name.replace("_", "-")


def suggestion(name: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def unknown_variables(environ: Mapping[str, str]) -> list[str]:
    """`AMQPY_*` variables that mean nothing here: worth a warning, not an error, since Kubernetes makes some
    (`AMQPY_SERVICE_HOST`, …) in every pod beside a service of that name."""
    known = {PREFIX + name.upper() for name in SETTINGS} | {f"{PREFIX}CONFIG"}
    return sorted(name for name in environ if name.startswith(PREFIX) and name not in known)
