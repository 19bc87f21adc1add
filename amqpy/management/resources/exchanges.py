"""Exchanges, and what is bound to them.

Source: `rabbit_mgmt_wm_exchanges`, `rabbit_mgmt_wm_exchange`, `rabbit_mgmt_wm_exchange_publish`.
"""

from amqpy.core import views
from amqpy.core.exchanges import Exchange
from amqpy.management import access
from amqpy.management.answers import DONE, Answer, not_found, put
from amqpy.management.call import Call
from amqpy.management.lists import Listing, View
from amqpy.management.request import boolean
from amqpy.management.router import Router
from amqpy.management.tables import table_of

DEFAULT = "amq.default"
"""The name of the default exchange in paths."""


def add_to(router: Router) -> None:
    router.get("/exchanges", access.anyone)(list_exchanges)
    router.get("/exchanges/{vhost}", access.of_vhost)(list_exchanges)
    router.get("/exchanges/{vhost}/{exchange}", access.of_vhost)(show_exchange)
    router.put("/exchanges/{vhost}/{exchange}", access.of_vhost)(declare_exchange)
    router.delete("/exchanges/{vhost}/{exchange}", access.of_vhost)(delete_exchange)


def name_in_path(call: Call) -> str:
    name = call.names["exchange"]
    return "" if name == DEFAULT else name


def list_exchanges(call: Call) -> Listing:
    call.api.statistics.check_list(call.request.query)
    items = [exchange for vhost in call.vhosts() for _, exchange in sorted(vhost.exchanges.items())]
    return Listing(items, lambda exchange: view(call, exchange), paged=lambda exchange: exchange.name)


def view(call: Call, exchange: Exchange) -> View:
    return call.api.statistics.of_exchange(views.exchange(exchange), exchange, call.request.query)


def find_exchange(call: Call) -> Exchange:
    exchange = call.vhost.exchanges.get(name_in_path(call))
    if exchange is None:
        raise not_found()
    return exchange


def show_exchange(call: Call) -> View:
    return {**view(call, find_exchange(call)), "incoming": [], "outgoing": []}


def declare_exchange(call: Call) -> Answer:
    body, vhost, name = call.body, call.target_vhost, name_in_path(call)
    is_new = name not in vhost.exchanges
    call.broker.topology.declare_exchange(
        call.client,
        vhost,
        name,
        body.get("type", "direct"),
        durable=boolean(body.get("durable")),
        auto_delete=boolean(body.get("auto_delete")),
        internal=boolean(body.get("internal")),
        arguments=table_of(body.get("arguments")),
    )
    return put(is_new)


def delete_exchange(call: Call) -> Answer:
    find_exchange(call)
    call.request.json()
    vhost = call.target_vhost
    if_unused = call.request.is_true("if-unused")
    call.broker.topology.delete_exchange(call.client, vhost, name_in_path(call), if_unused=if_unused)
    return DONE
