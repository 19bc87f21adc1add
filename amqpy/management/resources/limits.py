"""The limits of virtual hosts and users.

Source: `rabbit_mgmt_wm_limits`, `rabbit_mgmt_wm_limit`, `rabbit_mgmt_wm_user_limits`, `rabbit_mgmt_wm_user_limit`.
"""

from amqpy.core.administration.administration import LIMITS_NAME, VHOST_LIMITS_COMPONENT
from amqpy.core.administration.views import value_of
from amqpy.core.users import User
from amqpy.core.vhost import Vhost
from amqpy.management import access
from amqpy.management.answers import DONE, JSON, Answer, missing
from amqpy.management.call import Call
from amqpy.management.lists import Listing, View
from amqpy.management.request import require
from amqpy.management.resources.users import find_user
from amqpy.management.router import Router

ALL = "all"
"""The name that stands for all limits of a user, to clear them."""


def add_to(router: Router) -> None:
    router.get("/vhost-limits", access.visible, head=False)(list_vhost_limits)
    router.get("/vhost-limits/{vhost}", access.visible, head=False)(list_vhost_limits)
    router.put("/vhost-limits/{vhost}/{name}", access.administrator, types=(JSON,))(set_vhost_limit)
    router.delete("/vhost-limits/{vhost}/{name}", access.administrator)(clear_vhost_limit)
    router.get("/user-limits", may_see_user_limits, head=False)(list_user_limits)
    router.get("/user-limits/{user}", may_see_user_limits, head=False)(list_user_limits)
    router.put("/user-limits/{user}/{name}", access.administrator, types=(JSON,))(set_user_limit)
    router.delete("/user-limits/{user}/{name}", access.administrator)(clear_user_limit)


# --- of virtual hosts


def list_vhost_limits(call: Call) -> Listing:
    """Of those that have any; or that had some, for what is left is an empty value, unless one is asked for by name."""
    call.check_vhost_in_header()
    key = (VHOST_LIMITS_COMPONENT, LIMITS_NAME)
    as_pairs = call.has("limits-as-pairs")
    shows_empty = call.named_vhost is None

    def view(vhost: Vhost) -> View:
        return {"vhost": vhost.name, "value": value_of(dict(vhost.limits)) if as_pairs else dict(vhost.limits)}

    found = [vhost for vhost in call.visible_vhosts() if key in vhost.parameters]
    # Objects that are no pairs have all their keys, whichever are asked for.
    return Listing([vhost for vhost in found if vhost.limits or shows_empty], view, is_whole=not as_pairs)


def set_vhost_limit(call: Call) -> Answer:
    vhost = call.target_vhost
    (value,) = require(call.body, "value")
    name = call.names["name"]
    call.broker.administration.set_vhost_limits(vhost.name, {name: value, **_others(vhost, name)})
    return DONE


def clear_vhost_limit(call: Call) -> Answer:
    vhost = call.target_vhost
    call.broker.administration.set_vhost_limits(vhost.name, _others(vhost, call.names["name"]))
    return DONE


def _others(vhost: Vhost, name: str) -> dict[str, int]:
    return {key: most for key, most in vhost.limits.items() if key != name}


# --- of users


def may_see_user_limits(call: Call) -> str | None:
    """A rule: older versions show them to everybody, newer ones to administrators, and each user its own."""
    if not call.has("private-user-limits"):
        return access.visible(call)
    if "user" not in call.names:
        return access.administrator(call)
    return None if call.is_monitor or call.user.name == call.names["user"] else access.NO_OBJECT_ACCESS


def list_user_limits(call: Call) -> Listing:
    users = [find_user(call)] if "user" in call.names else sorted(call.api.users, key=lambda user: user.name)
    return Listing([user for user in users if user.limits], _user_limits)


def _user_limits(user: User) -> View:
    return {"user": user.name, "value": dict(user.limits)}


def set_user_limit(call: Call) -> Answer:
    (value,) = require(call.body, "value")
    call.api.users.set_limits(call.names["user"], {call.names["name"]: value})
    return DONE


def clear_user_limit(call: Call) -> Answer:
    user, name = call.api.users.find(call.names["user"]), call.names["name"]
    if user is None:
        raise missing("vhost_not_found")  # which RabbitMQ says of users, too
    call.api.users.clear_limits(user.name, *(() if name == ALL else (name,)))
    return DONE
