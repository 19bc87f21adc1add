"""Bindings, as lists by their two ends, and each by its own address.

The last part of that address, the `properties_key`, is the routing key, quoted as in a form, and something for the
arguments. As a part of a path it is quoted once more; the server takes it either way.

Source: `rabbit_mgmt_wm_bindings`, `rabbit_mgmt_wm_binding`; `rabbit_mgmt_format`: `pack_binding_props`, `tokenise`.
"""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Final, NamedTuple, TypeAlias
from urllib.parse import quote_plus, unquote_plus

from amqpy.core import views
from amqpy.core.exchanges import Binding, Destination
from amqpy.core.vhost import Vhost
from amqpy.management import access
from amqpy.management.answers import DONE, Answer, bad_request, not_found
from amqpy.management.call import Call
from amqpy.management.checks import check_length, check_node
from amqpy.management.lists import Listing, View
from amqpy.management.request import text
from amqpy.management.resources.exchanges import DEFAULT
from amqpy.management.router import Router
from amqpy.management.tables import arguments_of
from amqpy.wire.values import Table, entries_of, join_table

NO_ARGUMENTS: Table = {}
ORDER = ("vhost", "source", "destination", "routing_key", "properties_key")
BODY_MAX: Final = 5000
"""Octets of the body that describes a binding, by version."""
BETWEEN = "/bindings/{vhost}/e/{source}/{type}/{destination}"


def add_to(router: Router) -> None:
    router.get("/bindings", access.of_vhost)(list_bindings)
    router.get("/bindings/{vhost}", access.of_vhost)(list_bindings)
    router.get("/exchanges/{vhost}/{exchange}/bindings/source", access.of_vhost)(list_from_exchange)
    router.get("/exchanges/{vhost}/{exchange}/bindings/destination", access.of_vhost)(list_to_exchange)
    router.get("/queues/{vhost}/{queue}/bindings", access.of_vhost)(list_to_queue)
    router.get(BETWEEN, access.of_vhost)(list_between)
    router.post(BETWEEN, access.of_vhost)(bind)
    router.get(f"{BETWEEN}/{{properties}}", access.of_vhost)(show_binding)
    router.delete(f"{BETWEEN}/{{properties}}", access.of_vhost)(unbind)


class DefaultBinding(NamedTuple):
    """The binding to the default exchange that every queue has by its nature."""

    vhost: Vhost
    queue: str
    """Its name. There need not be such a queue."""


Item: TypeAlias = Binding | DefaultBinding


def view(call: Call, item: Item) -> View:
    if isinstance(item, DefaultBinding):
        return views.default_binding(item.vhost.name, item.queue)
    return views.binding(item)


def _listing(call: Call, items: Iterable[Item]) -> Listing:
    return Listing(list(items), partial(view, call), by=ORDER, order=_place)


def _place(item: Item) -> tuple[str, ...]:
    """The place of a binding in the default order: by its virtual host, both ends, routing key and properties key."""
    if isinstance(item, DefaultBinding):
        return item.vhost.name, "", item.queue, item.queue, ""
    arguments = views.properties_key("", item.identity[2]) if item.arguments else ""
    return item.source.vhost.name, item.source.name, item.destination.name, item.routing_key, arguments


def _from_default(vhost: Vhost) -> Iterable[Item]:
    return (DefaultBinding(vhost, name) for name in vhost.queues)


# --- lists


def list_bindings(call: Call) -> Listing:
    found: list[Item] = []
    for vhost in call.vhosts():
        found += _from_default(vhost)
        for exchange in vhost.exchanges.values():
            found += exchange.bindings.values()
    return _listing(call, found)


def list_from_exchange(call: Call) -> Listing:
    vhost, name = _vhost(call), _exchange_name(call, "exchange")
    if vhost is None or name not in vhost.exchanges:
        return _listing(call, ())
    return _listing(call, _from_default(vhost) if name == "" else vhost.exchanges[name].bindings.values())


def list_to_exchange(call: Call) -> Listing:
    vhost, name = _vhost(call), _exchange_name(call, "exchange")
    return _listing(call, () if vhost is None else _to(vhost, vhost.exchanges.get(name)))


def list_to_queue(call: Call) -> Listing:
    vhost = _vhost(call)
    return _listing(call, () if vhost is None else _to_queue(vhost, _exchange_name(call, "queue")))


def list_between(call: Call) -> Listing:
    vhost, source, name = _vhost(call), _exchange_name(call, "source"), _exchange_name(call, "destination")
    is_to_queue = _is_to_queue(call)
    if vhost is None:
        return _listing(call, ())
    found = _to_queue(vhost, name) if is_to_queue else _to(vhost, vhost.exchanges.get(name))
    return _listing(call, [each for each in found if _source_name(each) == source])


def _vhost(call: Call) -> Vhost | None:
    """The virtual host in the path. If there is none, a list of what is bound to something is empty."""
    return call.broker.vhosts.get(call.names["vhost"])


def _to_queue(vhost: Vhost, name: str) -> Iterable[Item]:
    """With the one to the default exchange, even if there is no such queue."""
    return [DefaultBinding(vhost, name), *_to(vhost, vhost.queues.get(name))]


def _to(vhost: Vhost, destination: "Destination | None") -> Iterable[Item]:
    return () if destination is None else vhost.bindings_to(destination)


def _source_name(item: Item) -> str:
    return "" if isinstance(item, DefaultBinding) else item.source.name


def _exchange_name(call: Call, variable: str) -> str:
    """An end of a binding in the path. RabbitMQ takes the name of the default exchange for that of a queue, too."""
    name = call.names[variable]
    return "" if name == DEFAULT else name


def _is_to_queue(call: Call) -> bool:
    match call.names["type"]:
        case "q":
            return True
        case "e":
            return False
    raise bad_request("the type of a destination should be e or q")


# --- one


def _find(call: Call) -> Item:
    """The binding at an address. Raises Refusal."""
    found = _look_up(call)
    if found is None:
        raise not_found()
    return found


def _look_up(call: Call) -> Item | None:
    vhost, source, name = call.vhost, _exchange_name(call, "source"), _exchange_name(call, "destination")
    key, _, rest = call.names["properties"].partition("~")
    routing_key, digest = unquote_plus(key, errors="surrogateescape"), unquote_plus(rest)
    destinations: Mapping[str, Destination] = vhost.queues if _is_to_queue(call) else vhost.exchanges
    exchange, destination = vhost.exchanges.get(source), destinations.get(name)
    if exchange is None or destination is None:
        return None
    if source == "":
        is_there = _is_to_queue(call) and (routing_key, digest) == (name, "")
        return DefaultBinding(vhost, name) if is_there else None
    if not digest:
        return exchange.bindings.get((destination, routing_key, b""))
    bindings = (each for each in vhost.bindings_to(destination) if each.source is exchange)
    same = (each for each in bindings if each.routing_key == routing_key)
    return next((each for each in same if _digest(each) == digest), None)


def _digest(binding: Binding) -> str:
    return views.properties_key("", binding.identity[2]).lstrip("~")


def show_binding(call: Call) -> View:
    return view(call, _find(call))


def unbind(call: Call) -> Answer:
    found = _find(call)
    check_node(call, call.body)
    if isinstance(found, DefaultBinding):
        routing_key, arguments = found.queue, NO_ARGUMENTS
    else:
        routing_key, arguments = found.routing_key, found.arguments
    topology, source, destination = call.broker.topology, _exchange_name(call, "source"), call.names["destination"]
    unbind_from = topology.unbind_queue if _is_to_queue(call) else topology.unbind_exchange
    unbind_from(call.client, call.target_vhost, destination, source, routing_key, arguments)
    return DONE


def bind(call: Call) -> Answer:
    if len(call.request.body) > BODY_MAX and call.has("short-bindings"):
        raise bad_request("Payload size limit exceeded")
    body, is_to_queue = call.body, _is_to_queue(call)
    routing_key = body.get("routing_key", "")
    # RabbitMQ keeps null itself.
    routing_key = "null" if routing_key is None else text(routing_key, "routing_key")
    check_length("routing_key", routing_key)
    arguments = arguments_of(body, unread=True)
    vhost, source, destination = call.target_vhost, _exchange_name(call, "source"), _exchange_name(call, "destination")
    topology = call.broker.topology
    bind_to = topology.bind_queue if is_to_queue else topology.bind_exchange
    bind_to(call.client, vhost, destination, source, routing_key, arguments)
    key = views.properties_key(routing_key, join_table(entries_of(arguments)))
    to = location(call.request.path, vhost.name, "e", source, call.names["type"], destination, key)
    return Answer(201, headers={"location": to})


def location(path: str, *names: str) -> str:
    """The address of a binding, relative to the path at which it was made.

    Source: `rabbit_web_dispatch_util:relativise`.
    """
    here = [part for part in path.split("/") if part]
    there = ["api", "bindings", *(quote_plus(name, errors="surrogateescape") for name in names)]
    while len(here) > 1 and here[0] == there[0]:
        del here[0], there[0]
    return "/".join([*[".."] * (len(here) - 1), *there])
