"""The permissions of users in virtual hosts, and those for routing keys at topic exchanges.

Source: `rabbit_mgmt_wm_permissions*`, `rabbit_mgmt_wm_permission`, `rabbit_mgmt_wm_topic_permissions*`,
`rabbit_mgmt_wm_topic_permission`.
"""

from typing import Final

from amqpy.core.administration import bodies, views
from amqpy.core.vhost import Vhost
from amqpy.management import access
from amqpy.management.answers import DONE, Answer, bad_request, not_found, put
from amqpy.management.call import Call
from amqpy.management.lists import Listing, View
from amqpy.management.request import require
from amqpy.management.resources.exchanges import DEFAULT
from amqpy.management.resources.users import find_user
from amqpy.management.router import Router

ORDER: Final = ("vhost", "user")


def add_to(router: Router) -> None:
    router.get("/permissions", access.administrator)(list_permissions)
    router.get("/users/{user}/permissions", access.administrator)(list_permissions)
    router.get("/vhosts/{vhost}/permissions", access.administrator)(list_permissions)
    router.get("/permissions/{vhost}/{user}", access.administrator)(show_permission)
    router.put("/permissions/{vhost}/{user}", access.administrator)(set_permission)
    router.delete("/permissions/{vhost}/{user}", access.administrator)(clear_permission)
    router.get("/topic-permissions", access.administrator)(list_topic_permissions)
    router.get("/users/{user}/topic-permissions", access.administrator)(list_topic_permissions)
    router.get("/vhosts/{vhost}/topic-permissions", access.administrator)(list_topic_permissions)
    for path in ("/topic-permissions/{vhost}/{user}", "/topic-permissions/{vhost}/{user}/{exchange}"):
        router.get(path, access.administrator)(show_topic_permissions)
        router.put(path, access.administrator)(set_topic_permission)
        router.delete(path, access.administrator)(clear_topic_permissions)


def _vhosts(call: Call) -> list[Vhost]:
    """The virtual host in the path, or all: no header restricts these lists."""
    if "vhost" in call.names:
        return [call.vhost]
    return [vhost for _, vhost in sorted(call.broker.vhosts.items())]


def _user_name(call: Call) -> str | None:
    return find_user(call).name if "user" in call.names else None


def _target(call: Call) -> tuple[str, Vhost]:
    """The user and the virtual host of a change. Raises Refusal."""
    name, vhost = call.names["user"], call.broker.vhosts.get(call.names["vhost"])
    if vhost is None or call.api.users.find(name) is None:
        raise bad_request("vhost_or_user_not_found")
    return name, vhost


# --- permissions


def list_permissions(call: Call) -> Listing:
    return Listing(list(views.granted(_vhosts(call), _user_name(call))), views.permission, by=ORDER)


def _granted(call: Call) -> views.Granted:
    for granted in views.granted(_vhosts(call), _user_name(call)):
        return granted
    raise not_found()


def show_permission(call: Call) -> View:
    return views.permission(_granted(call))


def set_permission(call: Call) -> Answer:
    name, vhost = _target(call)
    require(call.body, "configure", "write", "read")
    is_new = name not in vhost.permissions
    call.api.users.set_permissions(name, vhost.name, *bodies.permission(call.body))
    return put(is_new)


def clear_permission(call: Call) -> Answer:
    granted = _granted(call)
    call.api.users.clear_permissions(granted.user, granted.vhost)
    return DONE


# --- topic permissions


def list_topic_permissions(call: Call) -> Listing:
    found = views.granted_topics(_vhosts(call), _user_name(call))
    return Listing(sorted(found, key=lambda each: each[:3]), views.topic_permission, by=ORDER)


def show_topic_permissions(call: Call) -> list[View]:
    """Those of the user at all exchanges, even if the path names one."""
    return [views.topic_permission(each) for each in _granted_topics(call)]


def _granted_topics(call: Call) -> list[views.GrantedTopics]:
    found = list(views.granted_topics(_vhosts(call), _user_name(call)))
    if not found:
        raise not_found()
    return found


def set_topic_permission(call: Call) -> Answer:
    name, vhost = _target(call)
    require(call.body, "exchange", "write", "read")
    is_new = name not in vhost.topic_permissions
    call.api.users.set_topic_permissions(name, vhost.name, *bodies.topic_permission(call.body))
    return put(is_new)


def clear_topic_permissions(call: Call) -> Answer:
    granted = _granted_topics(call)[0]
    exchange = call.names.get("exchange")
    call.api.users.clear_topic_permissions(granted.user, granted.vhost, "" if exchange == DEFAULT else exchange)
    return DONE
