"""The rules that say who may ask for what: by the tags of a user, and by the virtual hosts that it may enter.

A rule returns the reason why not, which the answer gives, or None. A virtual host that does not exist is no reason:
that it is not there comes later.

Source: `rabbit_mgmt_util`: `is_authorized_*`.
"""

from collections.abc import Callable
from typing import Final, TypeAlias

from amqpy.management.call import Call

Rule: TypeAlias = Callable[[Call], str | None]

MANAGEMENT_TAGS: Final = frozenset({"management", "policymaker", "monitoring", "administrator"})
"""A user has one of these, or no access at all."""

NOT_A_MANAGEMENT_USER: Final = "Not management user"
NOT_A_MONITOR: Final = "Not monitor user"
NOT_AN_ADMINISTRATOR: Final = "Not administrator user"
NO_VHOST_ACCESS: Final = "User not authorised to access virtual host"
NO_OBJECT_ACCESS: Final = "User not authorised to access object"


def public(call: Call) -> str | None:
    """For all who ask: nobody has to log in."""
    return None


def anyone(call: Call) -> str | None:
    return None


def of_vhost(call: Call) -> str | None:
    """Lets in those who may log in to the virtual host that the request names."""
    return None if call.is_administrator or _may_enter(call) else NO_VHOST_ACCESS


def visible(call: Call) -> str | None:
    return None if call.is_monitor or _may_enter(call) else NO_VHOST_ACCESS


def monitor(call: Call) -> str | None:
    return None if call.is_monitor else NOT_A_MONITOR


def administrator(call: Call) -> str | None:
    return None if call.is_administrator else NOT_AN_ADMINISTRATOR


def policymaker(call: Call) -> str | None:
    """For what applies to a virtual host."""
    if call.is_administrator or ("policymaker" in call.tags and _may_enter(call)):
        return None
    return NO_OBJECT_ACCESS


def global_policymaker(call: Call) -> str | None:
    return None if call.is_administrator or "policymaker" in call.tags else NO_OBJECT_ACCESS


def _may_enter(call: Call) -> bool:
    name = call.named_vhost
    vhost = None if name is None else call.broker.vhosts.get(name)
    if vhost is None:
        return name is None or "vhost" in call.names or call.has("strict-x-vhost")
    return call.may_enter(vhost)
