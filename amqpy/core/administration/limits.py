"""Limits of a virtual host (connections, queues) or a user (connections, channels).

A limit is an integer; a negative one is no limit, as is one that is not set. A limit is checked when something is
about to be added: existing connections, queues and channels stay when a limit is set.

Source: `rabbit_vhost_limit`, `rabbit_reader:is_over_*`, `rabbit_auth_backend_internal:is_over_*`.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final, TypeAlias

from amqpy.core.administration.validation import Term, errors_in_object, integer
from amqpy.errors import NotAllowed, PreconditionFailed

if TYPE_CHECKING:
    from amqpy.core.vhost import Vhost

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


def check_queue_limit(vhost: "Vhost", name: str) -> None:
    """Raises PreconditionFailed if the virtual host has as many queues as allowed."""
    limits = vhost.limits
    if reached(limits, MAX_QUEUES, len(vhost.queues)):
        raise PreconditionFailed(
            f"cannot declare queue '{name}': queue limit in vhost '{vhost.name}' ({limits[MAX_QUEUES]}) is reached"
        )


def check_connection_limit(vhost: "Vhost", user_name: str) -> None:
    """Raises NotAllowed if the virtual host has as many connections as allowed."""
    limits = vhost.limits
    if reached(limits, MAX_CONNECTIONS, len(vhost.clients)):
        raise NotAllowed(
            f"access to vhost '{vhost.name}' refused for user '{user_name}': "
            f"connection limit ({limits[MAX_CONNECTIONS]}) is reached"
        )
