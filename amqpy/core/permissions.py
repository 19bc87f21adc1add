"""Permissions: what a user may do in a virtual host.

Source: `rabbit_auth_backend_internal:check_resource_access`.
"""

import re
from typing import Final, NamedTuple

from amqpy.core.ports import Verb


class Permission(NamedTuple):
    """Three regular expressions, searched for in the names of resources; an empty one matches only the empty name."""

    configure: str
    write: str
    read: str

    def allows(self, verb: Verb, resource: str) -> bool:
        pattern: str = getattr(self, verb)
        return re.search(pattern or "^$", resource) is not None


EVERYTHING: Final = Permission(".*", ".*", ".*")
