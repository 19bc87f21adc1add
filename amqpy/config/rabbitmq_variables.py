"""RabbitMQ's environment variables whose form is not that of a setting, those of Bitnami's image, and refused ones.

A variable that has the form of a setting is in the table of settings (`SettingInfo.rabbitmq_variable`), and takes
precedence over those here. Bitnami's have the lowest. An empty one counts as not set, as in RabbitMQ.

Source: `rabbit_env`, and the entry points of both container images.
"""

import os
import re
import socket
from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from amqpy.config.rabbitmq_forms import LEVELS, level
from amqpy.config.rabbitmq_keys import NO_DEFINITIONS, NOT_YET, Refusal
from amqpy.config.settings import SETTINGS
from amqpy.config.values import setting_info

PREFIX = "RABBITMQ_"
FILE_SUFFIX = "_FILE"
"""Behind the name of a variable that is a setting's: it names a file, which has the value."""

Environment = Mapping[str, str]


class Variable(NamedTuple):
    name: str
    setting: str
    convert: Callable[[str, Environment], str | None]
    """Makes the text of the setting, or None if the variable says nothing of it. Raises ValueError."""


def as_it_is(text: str, environ: Environment) -> str:
    return text


def ip_address(text: str, environ: Environment) -> str | None:
    return None if text == "auto" else text


def log_level(text: str, environ: Environment) -> str | None:
    """The least level of `debug`, or `info,connection=debug,+color`."""
    levels = [each.rpartition("=")[2] for each in text.split(",") if each and not each.startswith(("+", "-"))]
    return min(map(level, levels), key=LEVELS.index, default=None)


def log_format(text: str, environ: Environment) -> str | None:
    return {"+json": "json", "-json": "text"}.get(next((each for each in text.split(",") if "json" in each), ""))


def node_name(text: str, environ: Environment) -> str:
    return text if "@" in text else f"{text}@{socket.gethostname().partition('.')[0]}"


def base_directory(text: str, environ: Environment) -> str:
    """The node's directory in it. Without a node's name that is not RabbitMQ's, which has the name of the host, and
    would be another one in the next container."""
    name = environ.get("RABBITMQ_NODENAME")
    return os.path.join(text, node_name(name, environ) if name else "amqpy")


def disk_limit(text: str, environ: Environment) -> str:
    """`{mem_relative, 1.0}`, or what the setting takes."""
    found = re.fullmatch(r"\{ *mem_relative *, *([0-9.]+) *\}", text)
    return found[1] if found else text


VARIABLES = (
    Variable("RABBITMQ_NODE_IP_ADDRESS", "host", ip_address),
    Variable("RABBITMQ_NODE_PORT_NUMBER", "port", as_it_is),
    Variable("RABBITMQ_MNESIA_DIR", "data_dir", as_it_is),
    Variable("RABBITMQ_MNESIA_BASE", "data_dir", base_directory),
    Variable("RABBITMQ_LOG", "log_level", log_level),
    Variable("RABBITMQ_LOG", "log_format", log_format),
    Variable("RABBITMQ_USERNAME", "default_user", as_it_is),
    Variable("RABBITMQ_PASSWORD", "default_pass", as_it_is),
    Variable("RABBITMQ_VHOST", "default_vhost", as_it_is),
    Variable("RABBITMQ_DISK_FREE_LIMIT", "disk_free_limit", disk_limit),
)
"""In the order of their precedence."""

WEAK_VARIABLES = (
    Variable("RABBITMQ_NODENAME", "cluster_name", node_name),
    Variable("RABBITMQ_NODE_NAME", "cluster_name", node_name),
    Variable("RABBITMQ_MANAGEMENT_BIND_IP", "management_host", as_it_is),
    Variable("RABBITMQ_MANAGEMENT_BIND_IP", "prometheus_host", as_it_is),
    Variable("RABBITMQ_MANAGEMENT_PORT_NUMBER", "management_port", as_it_is),
)
"""These say only what is the default: a file takes precedence over them."""

REFUSED = {
    "RABBITMQ_SSL_*": Refusal("RabbitMQ's image takes it no more; use ssl_options in rabbitmq.conf, or AMQPY_TLS_CERT"),
    "RABBITMQ_MANAGEMENT_SSL_*": Refusal(NOT_YET),
    "RABBITMQ_HASHED_PASSWORD": Refusal(NOT_YET),
    "RABBITMQ_LOAD_DEFINITIONS": Refusal(NO_DEFINITIONS, ("no", "false")),
    "RABBITMQ_ENABLE_LDAP": Refusal("amqpy does not ask LDAP servers", ("no", "false")),
}

SOURCES = (
    "RABBITMQ_CONFIG_FILE",
    "RABBITMQ_CONFIG_FILES",
    "RABBITMQ_ADVANCED_CONFIG_FILE",
    "RABBITMQ_ENABLED_PLUGINS_FILE",
)
"""Variables that name files with settings."""


def names_of(setting: str) -> list[str]:
    """The variables for a setting, for its documentation."""
    plain = setting_info(SETTINGS[setting]).rabbitmq_variable
    others = [variable.name for variable in (*VARIABLES, *WEAK_VARIABLES) if variable.setting == setting]
    return [*([plain] if plain else []), *others]


def refusals(environ: Environment) -> Iterator[str]:
    """Yields why variables cannot be followed that must not be ignored."""
    for name, text in sorted(environ.items()):
        for pattern, refusal in REFUSED.items():
            if text and text not in refusal.harmless and fnmatchcase(name, pattern) and name not in taken():
                yield f"{name}: {refusal.reason}"
    advanced = environ.get("RABBITMQ_ADVANCED_CONFIG_FILE")
    if advanced and Path(advanced).exists():
        yield f"RABBITMQ_ADVANCED_CONFIG_FILE: {advanced} has Erlang terms, which amqpy does not read"


def taken() -> set[str]:
    """The names of all variables that are followed, and of those that are refused without a wildcard."""
    followed = {name for setting in SETTINGS for name in names_of(setting)}
    return followed | {name + FILE_SUFFIX for name in followed} | set(SOURCES)


def without_meaning(environ: Environment) -> list[str]:
    """The variables with RabbitMQ's prefix that change nothing here."""
    known = taken() | REFUSED.keys()
    return sorted(name for name in environ if name.startswith(PREFIX) and name not in known)
