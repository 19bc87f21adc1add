"""Virtual hosts.

Source: `rabbit_mgmt_wm_vhosts`, `rabbit_mgmt_wm_vhost`, `rabbit_mgmt_wm_vhost_restart`,
`rabbit_mgmt_wm_vhost_deletion_protection`.
"""

from dataclasses import replace
from functools import partial
from typing import Final, TypeAlias

from amqpy.core import views
from amqpy.core.administration import bodies
from amqpy.core.administration.erlang_terms import Atom, as_text, with_term
from amqpy.core.jobs import UNITS_AT_ONCE, Steps
from amqpy.core.vhost import Vhost
from amqpy.errors import AdministrationError
from amqpy.management import access
from amqpy.management.answers import DONE, Answer, Refusal, bad_request, missing, not_found, put
from amqpy.management.call import Call
from amqpy.management.lists import SUMMED, Listing, Summary, View, Work, in_slices, is_basic
from amqpy.management.request import Body
from amqpy.management.router import Router

BASIC: Final = frozenset(("name", "tracing", "pid"))
"""Keys that are known without statistics."""

Totals: TypeAlias = dict[Vhost, views.QueueTotals]


def add_to(router: Router) -> None:
    router.get("/vhosts", access.anyone)(list_vhosts)
    router.get("/vhosts/{vhost}", access.administrator)(show_vhost)
    router.put("/vhosts/{vhost}", access.administrator)(put_vhost)
    router.delete("/vhosts/{vhost}", access.administrator)(delete_vhost)
    router.post("/vhosts/{vhost}/start/{node}", access.administrator)(start_vhost)
    router.post("/vhosts/{vhost}/deletion/protection", access.administrator)(protect_vhost)
    router.delete("/vhosts/{vhost}/deletion/protection", access.administrator)(unprotect_vhost)


def list_vhosts(call: Call) -> Listing | Work:
    call = call.of_list(BASIC)
    shown = [vhost for _, vhost in sorted(call.broker.vhosts.items()) if call.is_monitor or call.may_enter(vhost)]
    is_whole = call.has("whole-vhosts")
    listing = Listing(shown, partial(facts, call), paged=lambda vhost: vhost.name, is_whole=is_whole)
    if call.without_stats or (is_whole and is_basic(call.request.query, BASIC, sorts=call.has("basic-order"))):
        return listing
    totals: Totals = {vhost: views.QueueTotals() for vhost in shown}
    return Work(add_up(totals), lambda: replace(listing, view=lambda vhost: view(call, vhost, totals[vhost])))


def show_vhost(call: Call) -> View | Summary:
    vhost = call.vhost
    if call.without_stats:
        return facts(call, vhost)
    totals = views.QueueTotals()
    return Summary(list(vhost.queues.values()), totals.add, lambda: view(call, vhost, totals))


def add_up(totals: Totals) -> Steps:
    """A job that adds up the queues of virtual hosts, which may be many."""
    for vhost, total in totals.items():
        for some in in_slices(list(vhost.queues.values()), SUMMED):
            total.add(some)
            yield UNITS_AT_ONCE
        yield 1


def facts(call: Call, vhost: Vhost) -> View:
    return views.vhost_facts(vhost, call.broker.node)


def view(call: Call, vhost: Vhost, totals: views.QueueTotals) -> View:
    shown = views.vhost(vhost, call.broker.node, totals)
    return call.api.statistics.of_vhost(shown, vhost, call.request.query)


def put_vhost(call: Call) -> Answer:
    name = call.names["vhost"]
    is_new = name not in call.broker.vhosts
    if call.has("short-queue-types"):
        _check_queue_type(call.body)
    given = bodies.vhost({**call.body, "metadata": {}}, call.broker.profile.management)
    bodies.put_vhost(call.broker, call.api.users, name, given)
    return put(is_new)


def _check_queue_type(body: Body) -> None:
    """Raises Refusal for null, and for a long name of a type, which only definitions may have."""
    kind = body.get("default_queue_type", body.get("defaultqueuetype", ""))
    if kind is None or (isinstance(kind, str) and kind.endswith(bodies.TYPE_SUFFIX)):
        raise bad_request(f"{as_text(kind)} is not a valid queue type")


def delete_vhost(call: Call) -> Answer:
    vhost = call.vhost
    try:
        call.broker.administration.delete_vhost(vhost.name)
    except AdministrationError as error:
        raise Refusal(412, "precondition_failed", error.text) from None
    return DONE


def start_vhost(call: Call) -> Answer:
    """Starts it on this node, where all of them always run."""
    node, name = call.names["node"], call.names["vhost"]
    failed = f"Request to node {node} failed with "
    if node != call.broker.node:
        raise bad_request(f"{failed}nodedown")
    if name not in call.broker.vhosts:
        raise bad_request(with_term(failed, (Atom("no_such_vhost"), name)))
    return DONE


def protect_vhost(call: Call) -> Answer:
    return _set_protection(call, "enable", protected=True)


def unprotect_vhost(call: Call) -> Answer:
    return _set_protection(call, "disable", protected=False)


def _set_protection(call: Call, verb: str, *, protected: bool) -> Answer:
    if not call.has("deletion-protection"):
        raise not_found()
    name = call.names["vhost"]
    if name not in call.broker.vhosts:
        text = f"Cannot {verb} deletion protection of virtual host '{name}' because it does not exist"
        raise missing(text)
    call.broker.administration.set_deletion_protection(name, protected)
    return DONE
