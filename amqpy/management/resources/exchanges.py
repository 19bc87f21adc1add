"""Exchanges.

Source: `rabbit_mgmt_wm_exchanges`, `rabbit_mgmt_wm_exchange`.
"""

from functools import partial
from typing import Final

from amqpy.core import views
from amqpy.core.administration.erlang_terms import as_text
from amqpy.core.events.events import INTERNAL_USER
from amqpy.core.exchanges import Exchange
from amqpy.management import access, pair_views
from amqpy.management.answers import DONE, Answer, not_found, put
from amqpy.management.call import Call
from amqpy.management.checks import check_length, check_node, look_first
from amqpy.management.lists import Listing, View
from amqpy.management.request import Body, flag, switch, text
from amqpy.management.router import Router
from amqpy.management.tables import arguments_of

DEFAULT: Final = "amq.default"
"""The name of the default exchange in paths."""

BASIC: Final = frozenset(("vhost", "name", "type", "durable", "auto_delete", "internal", "arguments"))
"""Keys that are known without statistics."""


def add_to(router: Router) -> None:
    router.get("/exchanges", access.of_vhost)(list_exchanges)
    router.get("/exchanges/{vhost}", access.of_vhost)(list_exchanges)
    router.get("/exchanges/{vhost}/{exchange}", access.of_vhost)(show_exchange)
    router.put("/exchanges/{vhost}/{exchange}", access.of_vhost)(declare_exchange)
    router.delete("/exchanges/{vhost}/{exchange}", access.of_vhost)(delete_exchange)


def name_in_path(call: Call) -> str:
    name = call.names["exchange"]
    return "" if name == DEFAULT else name


def list_exchanges(call: Call) -> Listing:
    call = call.of_list(BASIC)
    items = [exchange for vhost in call.vhosts() for _, exchange in sorted(vhost.exchanges.items())]
    return Listing(items, partial(view, call), paged=lambda exchange: exchange.name)


def find_exchange(call: Call) -> Exchange:
    exchange = call.vhost.exchanges.get(name_in_path(call))
    if exchange is None:
        raise not_found()
    return exchange


def find_exchange_first(call: Call) -> None:
    look_first(call, "exchange", name_in_path(call))


def view(call: Call, exchange: Exchange, *, without_stats: bool | None = None) -> View:
    shown = views.exchange(exchange)
    if call.without_stats if without_stats is None else without_stats:
        shown.pop("message_stats", None)
    else:
        shown = call.api.statistics.of_exchange(shown, exchange, call.request.query)
    return {**shown, "user_who_performed_action": exchange.declared_by or INTERNAL_USER}


def show_exchange(call: Call) -> View:
    """Older versions show one with statistics, whether these are wanted or not."""
    exchange, is_old = find_exchange(call), call.has("counted-exchange")
    if call.without_stats and not is_old:
        return view(call, exchange)
    call.api.statistics.ranges(call.request.query)
    shown = view(call, exchange, without_stats=call.broker.config.management_disable_stats)
    return {**shown, **pair_views.of_exchange(call, exchange)}


def declare_exchange(call: Call) -> Answer:
    vhost, name, body = call.target_vhost, name_in_path(call), call.body
    check_length("exchange", name)
    is_new, topology = name not in vhost.exchanges, call.broker.topology
    flags = {key: flag(body, key) for key in ("auto_delete", "durable", "internal")}
    arguments = arguments_of(body, unread=True)
    check_node(call, body)
    if switch(body, "passive"):
        topology.check_exchange(call.client, vhost, name)
    else:
        topology.declare_exchange(call.client, vhost, name, _kind(body), **flags, arguments=arguments)
    return put(is_new)


def _kind(body: Body) -> str:
    """The type of an exchange. RabbitMQ takes constants and lists for their texts. Raises Refusal."""
    kind = body.get("type", "direct")
    return as_text(kind) if isinstance(kind, bool | list | None) else text(kind, "type")


def delete_exchange(call: Call) -> Answer:
    find_exchange(call)
    check_node(call, call.body)
    if_unused = call.request.is_true("if-unused")
    call.broker.topology.delete_exchange(call.client, call.target_vhost, name_in_path(call), if_unused=if_unused)
    return DONE
