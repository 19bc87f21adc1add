"""Virtual hosts.

Source: `rabbit_mgmt_wm_vhosts`, `rabbit_mgmt_wm_vhost`.
"""

from amqpy.core import views
from amqpy.core.permissions import EVERYTHING
from amqpy.core.vhost import Vhost
from amqpy.management import access
from amqpy.management.answers import DONE, Answer, not_found, put
from amqpy.management.call import Call
from amqpy.management.lists import Listing, View
from amqpy.management.request import boolean
from amqpy.management.router import Router


def add_to(router: Router) -> None:
    router.get("/vhosts", access.anyone)(list_vhosts)
    router.get("/vhosts/{vhost}", access.administrator)(show_vhost)
    router.put("/vhosts/{vhost}", access.administrator)(add_vhost)
    router.delete("/vhosts/{vhost}", access.administrator)(delete_vhost)


def list_vhosts(call: Call) -> Listing:
    shown = [vhost for _, vhost in sorted(call.broker.vhosts.items()) if call.is_monitor or call.may_enter(vhost)]
    return Listing(shown, lambda vhost: view(call, vhost), paged=lambda vhost: vhost.name)


def show_vhost(call: Call) -> View:
    return view(call, call.vhost)


def view(call: Call, vhost: Vhost) -> View:
    return views.vhost(vhost, call.broker.node)


def add_vhost(call: Call) -> Answer:
    name, body = call.names["vhost"], call.body
    is_new = name not in call.broker.vhosts
    tags = body.get("tags", "")
    call.broker.administration.add_vhost(
        name,
        description=body.get("description", ""),
        tags=[each.strip() for each in tags.split(",") if each.strip()] if isinstance(tags, str) else tags,
        default_queue_type=body.get("default_queue_type"),
    )
    if "tracing" in body:
        administration = call.broker.administration
        (administration.trace_on if boolean(body["tracing"]) else administration.trace_off)(name)
    if is_new:
        call.api.users.set_permissions(call.user.name, name, *EVERYTHING)
    return put(is_new)


def delete_vhost(call: Call) -> Answer:
    if call.names["vhost"] not in call.broker.vhosts:
        raise not_found()
    call.broker.administration.delete_vhost(call.names["vhost"])
    return DONE
