"""Limits of a virtual host (connections, queues) or a user (connections, channels).

A limit is an integer; a negative one is no limit, as is one that is not set. A limit is checked when something is
about to be added: existing connections, queues and channels stay when a limit is set.

Source: `rabbit_vhost_limit`, `rabbit_reader:is_over_*`, `rabbit_auth_backend_internal:is_over_*`.
"""

from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias

from amqpy.core.administration.validation import Term, errors_in_object, integer

Limits: TypeAlias = Mapping[str, int]

MAX_CONNECTIONS: Final = "max-connections"
MAX_QUEUES: Final = "max-queues"
MAX_CHANNELS: Final = "max-channels"

VHOST_LIMITS: Final = (MAX_CONNECTIONS, MAX_QUEUES)
USER_LIMITS: Final = (MAX_CONNECTIONS, MAX_CHANNELS)


def errors_in_limits(name: str, known: Iterable[str], value: object) -> list[str]:
    """Checks a JSON object of limits; returns the errors."""
    return errors_in_object(name, [Term(key, integer) for key in known], value)


def reached(limits: Limits, key: str, count: int) -> bool:
    """True if the limit `key` allows no more than `count`."""
    return 0 <= limits.get(key, -1) <= count
