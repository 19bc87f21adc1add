"""The file in which RabbitMQ keeps the plugins that are enabled, and the plugins that are built in.

Those that are not there are named in the log: a broker without one of them is of use to most that enable it.

Source: `rabbit_plugins:read_enabled/1`.
"""

import logging
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from amqpy.config.files import text_of
from amqpy.config.values import ConfigError, Note

VARIABLE: Final = "RABBITMQ_ENABLED_PLUGINS_FILE"

BUILT_IN: Final = (
    "rabbitmq_auth_backend_cache",
    "rabbitmq_auth_backend_http",
    "rabbitmq_auth_backend_oauth2",
    "rabbitmq_auth_mechanism_ssl",
    "rabbitmq_consistent_hash_exchange",
    "rabbitmq_delayed_message_exchange",
    "rabbitmq_event_exchange",
    "rabbitmq_management",
    "rabbitmq_management_agent",
    "rabbitmq_message_deduplication",
    "rabbitmq_prometheus",
    "rabbitmq_random_exchange",
    "rabbitmq_recent_history_exchange",
    "rabbitmq_sharding",
    "rabbitmq_web_dispatch",
)
"""RabbitMQ's plugins whose functions a broker has."""

COMMENT: Final = re.compile("%.*")
TERM: Final = re.compile(r"\s*\[([\sa-z0-9_@',]*)\]\s*\.\s*", re.IGNORECASE)


def notes(environ: Mapping[str, str]) -> Iterator[Note]:
    """Yields a warning of each plugin that is enabled and not there. Raises ConfigError."""
    path = Path(environ.get(VARIABLE) or "none")
    if VARIABLE in environ and path.is_file():
        for name in enabled(text_of(path, f"{VARIABLE}: "), path):
            if name not in BUILT_IN:
                yield Note(logging.WARNING, f"{path}: there is no plugin {name}")


def enabled(text: str, path: Path) -> list[str]:
    """The names in a list of Erlang's atoms. Raises ConfigError for anything else."""
    found = TERM.fullmatch(COMMENT.sub("", text))
    if found is None:
        raise ConfigError(f"{VARIABLE}: {path} has no list of plugins")
    return [name for each in found[1].split(",") if (name := each.strip().strip("'"))]
