"""Values that have another form in rabbitmq.conf and in RabbitMQ's variables than in a setting.

A form is what the setting's keys take, in words, and a function that makes the setting's value of their entries,
sorted, or raises ValueError.

Source: `rabbit.schema` and `rabbit_env`.
"""

import re
from collections.abc import Callable, Sequence
from ipaddress import ip_address

from amqpy.config.rabbitmq_conf import Entry
from amqpy.config.values import INT32_MAX, UINT16_MAX, parse_integer
from amqpy.sizes import parse_size

LEVELS = ("debug", "info", "warning", "error")
"""Our levels of the log, from the least on."""
LEVEL_OF = {"notice": "info", "critical": "error", "alert": "error", "emergency": "error", "none": "error"}
"""Of RabbitMQ's other levels, the nearest of ours."""

SCHEMES = {"tcp": "", "ssl": "amqps://"}
"""Before an address of `listen`, by the kind of listener."""

IPV6 = 6
BYTESIZE_UNITS = {"": 1, "kb": 1024, "mb": 1024**2, "gb": 1024**3}


Convert = Callable[[Sequence[Entry]], object]
Form = tuple[str, Convert]


def single(convert: Callable[[str], object]) -> Convert:
    """Makes a function for entries of one for a text. Of several entries, the last one counts."""
    return lambda entries: convert(entries[-1].value)


def in_order(entries: Sequence[Entry]) -> tuple[str, ...]:
    """A list that is numbered from 1 on."""
    return tuple(entry.value for entry in entries)


def names_that_are_true(entries: Sequence[Entry]) -> tuple[str, ...]:
    """The last parts of keys such as `loopback_users.guest = true`."""
    return () if is_none(entries, 1) else tuple(entry.key[-1] for entry in entries if boolean(entry.value))


def is_none(entries: Sequence[Entry], depth: int) -> bool:
    """Tells if a list is said to be empty by a key of so many parts: `loopback_users = none`."""
    for entry in entries:
        if len(entry.key) == depth:
            if entry.value != "none":
                raise ValueError("not none")
            return True
    return False


def boolean(text: str) -> bool:
    if text not in {"true", "false"}:
        raise ValueError("neither true nor false")
    return text == "true"


def listeners(entries: Sequence[Entry]) -> tuple[str, ...]:
    """Addresses as `listen` has them. A port alone means all interfaces; `listeners.tcp = none` means no address."""
    found: list[str] = []
    at = entries[0].key.index("listeners") + 1
    for kind, scheme in SCHEMES.items():
        mine = [entry for entry in entries if entry.key[at] == kind]
        if not is_none(mine, at + 1):
            found += [scheme + each for entry in mine for each in addresses(entry.value)]
    if not found:
        raise ValueError("nothing to listen on")
    return tuple(found)


def addresses(text: str) -> list[str]:
    """The addresses of `5672`, `10.0.0.1:5672`, or `:::5672`, where the last colon is before the port."""
    host, colon, port = text.rpartition(":")
    if not 0 <= parse_integer(port) <= UINT16_MAX:
        raise ValueError("no such port")
    if not colon:
        return [f"0.0.0.0:{port}", f"[::]:{port}"]
    return [f"[{host}]:{port}" if ip_address(host).version == IPV6 else text]


def milliseconds(text: str) -> int:
    return INT32_MAX if text == "infinity" else parse_integer(text)


def milliseconds_or_none(text: str) -> int | None:
    return None if text in {"infinity", "undefined"} else parse_integer(text)


def number_or_none(text: str) -> int | None:
    return None if text == "infinity" else parse_integer(text)


def bytesize(text: str) -> int:
    """The bytes of `131072` or `128KB`, whose units are powers of 1024."""
    found = re.fullmatch(r"([0-9]+)([a-zA-Z]*)", text)
    if found is None or found[2].lower() not in BYTESIZE_UNITS:
        raise ValueError("no size")
    return int(found[1]) * BYTESIZE_UNITS[found[2].lower()]


def limit(entries: Sequence[Entry]) -> str:
    """A limit that is `absolute`, or `relative` to the memory, which counts if both are there."""
    for entry in reversed(entries):  # sorted: `relative` is the last
        if entry.key[-1] == "relative":
            if not re.fullmatch(r"[0-9]+\.[0-9]+", entry.value):  # without a point RabbitMQ refuses it, too
                raise ValueError("not a number")
            return entry.value
        # A byte or none is a size, and not the share that `1` is in a setting.
        return entry.value if parse_size(entry.value) > 1 else "0"
    raise AssertionError("a setting has a value if it has an entry")


def least_level(entries: Sequence[Entry]) -> str:
    return LEVELS[min(LEVELS.index(level(entry.value)) for entry in entries)]


def level(text: str) -> str:
    known = LEVEL_OF.get(text, text)
    if known not in LEVELS:
        raise ValueError("no level")
    return known


def log_format(text: str) -> str:
    return {"plaintext": "text"}.get(text, text)


def queue_type(text: str) -> str:
    """The type's name; a module of RabbitMQ such as `rabbit_quorum_queue` means the same."""
    return text.removeprefix("rabbit_").removesuffix("_queue")


def password(text: str) -> str:
    if text.startswith("encrypted:"):
        raise ValueError("encrypted with a key that we do not have")
    return text


def ciphers(entries: Sequence[Entry]) -> str:
    """OpenSSL's list of cipher suites. Those of TLS 1.3 cannot be chosen, and all of them are spoken."""
    if not (names := [entry.value for entry in entries if not entry.value.startswith("TLS_")]):
        raise ValueError("those of TLS 1.3 cannot be chosen")
    return ":".join(names)


BACKENDS = {"internal": "internal", "http": "http", "oauth2": "oauth2", "oauth": "oauth2", "cache": "cache"}
"""Our names of back ends by those of RabbitMQ, which may also be modules."""


def backend(text: str) -> str:
    if (name := text.removeprefix("rabbit_auth_backend_")) not in BACKENDS:
        raise ValueError("no such back end")
    return BACKENDS[name]


def backends(entries: Sequence[Entry]) -> tuple[str, ...]:
    """Back ends as `auth_backends` has them. `auth_backends.1` is one, its `authn` and `authz` are two."""
    found: dict[str, dict[str, str]] = {}
    for entry in entries:
        found.setdefault(entry.key[1], {})["".join(entry.key[2:])] = backend(entry.value)
    return tuple(map(_joined, found.values()))


def _joined(parts: dict[str, str]) -> str:
    if "" in parts:
        return parts[""]
    if len(parts) < 2:
        raise ValueError("authn and authz belong together")
    return f"{parts['authn']}/{parts['authz']}" if parts["authn"] != parts["authz"] else parts["authn"]


def pairs(entries: Sequence[Entry]) -> tuple[str, ...]:
    """`NAME=VALUE` of keys such as `auth_oauth2.signing_keys.NAME = VALUE`."""
    return tuple(f"{entry.key[-1]}={entry.value}" for entry in entries)


def named(prefix: str) -> Convert:
    """Makes a function for a module, whose name begins with this, or the rest of its name."""
    return single(lambda text: text.removeprefix(prefix))


LISTENERS: Form = ("a port, ADDRESS:PORT or none", listeners)
NAMES: Form = ("true or false for each name", names_that_are_true)
LIMIT: Form = ("a size, or a number such as 0.4 relative to the memory", limit)
LEVEL: Form = (f"one of {', '.join((*LEVELS, *LEVEL_OF))}", least_level)
LOG_FORMAT: Form = ("plaintext or json", single(log_format))
BYTESIZE: Form = ("bytes, or a number with KB, MB or GB", single(bytesize))
MILLISECONDS: Form = ("milliseconds from 1 on, or infinity", single(milliseconds))
MILLISECONDS_OR_NONE: Form = ("milliseconds from 1 on, or infinity", single(milliseconds_or_none))
NUMBER_OR_NONE: Form = ("a number, or infinity", single(number_or_none))
QUEUE_TYPE: Form = ("classic, quorum or stream", single(queue_type))
HASHING: Form = ("rabbit_password_hashing_sha256 or _sha512", named("rabbit_password_hashing_"))
VALIDATOR: Form = ("a module rabbit_credential_validator_…", named("rabbit_credential_validator_"))
AUTH_BACKENDS: Form = ("internal, http, oauth2 or cache", backends)
BACKEND: Form = ("internal, http or oauth2", single(backend))
PAIRS: Form = ("a text for each name", pairs)
WORDS: Form = ("words", single(lambda text: tuple(text.split())))
ONE_FILE: Form = ("a file", in_order)
ORDERED: Form = ("a text", in_order)
CIPHERS: Form = ("cipher suites up to TLS 1.2", ciphers)
PASSWORD: Form = ("a text that is not encrypted", single(password))
