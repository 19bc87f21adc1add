"""Settings, and the kinds of values that they have: parsed from text, checked and described.

`Config` (settings.py) is the table of the settings. An error text has the name that a setting has in its source and
never its value, which may be a password.
"""

from collections.abc import Callable, Sequence
from dataclasses import Field, dataclass, field
from typing import Any, NamedTuple, TypeVar

from amqpy.config.rabbitmq_conf import Entry

T = TypeVar("T")

UINT16_MAX = 65_535
INT32_MAX = 2_147_483_647


class ConfigError(ValueError):
    """A setting that cannot be used; the text is one line for the person who set it."""


class Note(NamedTuple):
    """Something about the settings, for the log, that is not wrong."""

    level: int
    text: str


class TcpAddress(NamedTuple):
    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class TlsAddress(TcpAddress):
    """An address for connections in TLS."""

    __slots__ = ()

    def __str__(self) -> str:
        return f"amqps://{super().__str__()}"


class HttpsAddress(TcpAddress):
    """An address for HTTP in TLS."""

    __slots__ = ()

    def __str__(self) -> str:
        return f"https://{super().__str__()}"


class UnixAddress(NamedTuple):
    path: str

    def __str__(self) -> str:
        return f"unix:{self.path}"


PORTS = {"amqp": 5672, "amqps": 5671}
"""The port of an address that is a URL without one. `amqps` is AMQP in TLS."""


def parse_address(text: str) -> TcpAddress | UnixAddress:
    """Parses `HOST:PORT`, `[IPV6]:PORT`, `amqps://HOST[:PORT]`, `amqp://HOST[:PORT]` or `unix:PATH`. Raises
    ValueError."""
    if text.startswith("unix:"):
        if path := text.removeprefix("unix:"):
            return UnixAddress(path)
        raise ValueError("a unix socket needs a path")
    scheme, is_url, rest = text.rpartition("://")
    if is_url and scheme not in PORTS:
        raise ValueError("no such scheme")
    if is_url and (":" not in rest or rest.endswith("]")):
        rest += f":{PORTS[scheme]}"
    host, _, port_text = rest.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    # An IPv6 address without brackets is refused: it cannot be told where it ends and the port begins.
    if not host.strip("[]") or bracketed != (":" in host) or set("/@") & set(host):
        raise ValueError("no host")
    port = parse_integer(port_text)
    if not 0 <= port <= UINT16_MAX:
        raise ValueError("no such port")
    return (TlsAddress if scheme == "amqps" else TcpAddress)(host.strip("[]"), port)


def parse_http_address(text: str) -> TcpAddress:
    """Parses `HOST:PORT`, `[IPV6]:PORT`, `http://HOST:PORT` or `https://HOST:PORT`. Raises ValueError."""
    address = parse_address(text.removeprefix("http://").removeprefix("https://"))
    if not isinstance(address, TcpAddress) or isinstance(address, TlsAddress):
        raise ValueError("not an address for HTTP")
    return HttpsAddress(*address) if text.startswith("https://") else address


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
    """The variable of RabbitMQ, or of its container image, for the same setting."""
    rabbitmq_keys: tuple[str, ...] = ()
    """The keys of rabbitmq.conf for the same setting; `*` is any name."""
    rabbitmq_form: tuple[str, Callable[[Sequence[Entry]], object]] | None = None
    """The values that these keys take, where they differ from those of the setting (rabbitmq_forms.py)."""
    secret: bool = False
    """Kept out of repr, and so out of every log, and out of `amqpy config show`."""


def setting(default: T, about: SettingInfo) -> T:
    """A field of `Config`."""
    return field(default=default, repr=not about.secret, metadata={"about": about})


def setting_info(setting: "Field[Any]") -> SettingInfo:
    told = setting.metadata["about"]
    assert isinstance(told, SettingInfo)
    return told


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
    """Raises ConfigError, with a label for the value, if the setting does not take it."""
    if not takes(setting, value):
        raise ConfigError(f"{label} must be {expectation(setting)}")


def takes(setting: "Field[Any]", value: object) -> bool:
    return KINDS[setting.type].accepts(value) and fits(setting_info(setting), value)


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
