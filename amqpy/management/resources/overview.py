"""The overview: the broker as a whole.

Source: `rabbit_mgmt_wm_overview`, `rabbit_mgmt_format:listener`, `rabbit_mgmt_external_stats:list_registry_plugins`.
"""

from itertools import chain
from platform import python_version
from ssl import OPENSSL_VERSION
from typing import Any, Final

from amqpy.config.values import TcpAddress
from amqpy.core import views
from amqpy.core.broker import Broker
from amqpy.core.exchanges import EXCHANGE_TYPES
from amqpy.core.statistics import Counts
from amqpy.core.vhost import Vhost
from amqpy.management import access, erlang
from amqpy.management.call import Api, Call
from amqpy.management.lists import Summary, View, Whole
from amqpy.management.router import Router
from amqpy.server.listener import BACKLOG
from amqpy.version import __version__

RETENTION: Final = {
    "global": [600, 3600, 28_800, 86_400],
    "basic": [600, 3600],
    "detailed": [600],
}
"""Seconds for which samples are kept."""

RUNTIME: Final = f"amqpy {__version__} on Python {python_version()}, in place of Erlang/OTP"

TOTALS: Final = ("churn_rates", "message_stats", "object_totals", "queue_totals")
"""Keys of what is added up. In Erlang their values are maps."""

NO_READS: Final = {"disk_reads": 0, "disk_writes": 0}

EXCHANGES: Final = {
    "direct": "the routing key is equal to the binding's",
    "fanout": "every message",
    "topic": "the words of the routing key match the binding's pattern",
    "headers": "the headers of the message match the binding's arguments",
    "x-consistent-hash": "one queue, by a hash",
    "x-random": "one queue, by chance",
    "x-local-random": "one queue of this node, by chance",
    "x-modulus-hash": "one queue, by the remainder of a hash",
    "x-recent-history": "every message; new bindings get the last ones",
    "x-delayed-message": "as another type, after a delay",
    "x-message-deduplication": "as another type, each message once",
}


def add_to(router: Router) -> None:
    router.get("/overview", access.anyone)(show_overview)


def show_overview(call: Call) -> Summary:
    vhosts, queues = visible(call), views.QueueTotals()
    every = chain.from_iterable(vhost.queues.values() for vhost in vhosts)
    return Summary(list(every), queues.add, lambda: view(call, vhosts, queues))


def visible(call: Call) -> list[Vhost]:
    """The virtual hosts whose totals the user may see, whatever the header `X-Vhost` says: a monitor those of all."""
    return [vhost for vhost in call.broker.vhosts.values() if call.is_monitor or call.may_enter(vhost)]


def view(call: Call, vhosts: list[Vhost], queues: views.QueueTotals) -> View:
    """The overview that the user may see, with the totals of these virtual hosts."""
    shown = {**about(call.broker), **_settings(call), "exchange_types": exchange_types()}
    if call.is_monitor:
        shown["node"] = call.broker.node
    totals = views.totals(vhosts, queues)
    objects: Any = totals["object_totals"]
    if call.without_stats:
        return {**shown, "object_totals": {name: objects[name] for name in ("connections", "exchanges", "queues")}}
    if call.is_monitor:
        shown |= {"listeners": listeners(call.api), "contexts": _contexts(call)}
    else:
        del objects["consumers"]
        clients = (client for vhost in call.broker.vhosts.values() for client in vhost.clients)
        own = [client for client in clients if client.user_name == call.user.name]
        objects |= {"connections": len(own), "channels": sum(client.channel_count for client in own)}
    churn = views.churn(call.broker)
    has_reported = bool(objects["queues"] or (call.is_monitor and churn["queue_created"]))
    shown |= {
        "churn_rates": churn,
        "message_stats": _message_stats(call, vhosts, has_reported=has_reported),
        "object_totals": objects,
        "queue_totals": totals["queue_totals"] if has_reported else {},
        "statistics_db_event_queue": 0,
    }
    shown = call.api.statistics.of_overview(shown, call.request.query, None if call.is_monitor else vhosts)
    return {**shown, **{key: Whole(shown[key]) for key in TOTALS}}


def _message_stats(call: Call, vhosts: list[Vhost], *, has_reported: bool) -> Counts:
    """The counters, if anything was counted: of all channels that there ever were, or of those in these virtual
    hosts. Of queues that have reported there are the numbers of reads and writes, in any case."""
    if call.is_monitor:
        stats = call.broker.vhosts.statistics.channels.sum()
    else:
        stats = {}
        for vhost in vhosts:
            for name, count in vhost.channel_totals.sum().items():
                stats[name] = stats.get(name, 0) + count
    if not any(stats.values()):
        stats = {}
    return {**stats, **NO_READS} if call.has("disk-stats") and (stats or has_reported) else stats


def version_of(broker: Broker) -> str:
    """The version of RabbitMQ that clients are told."""
    return broker.config.version or broker.profile.version


def about(broker: Broker) -> View:
    version = version_of(broker)
    return {
        "management_version": version,
        "rabbitmq_version": version,
        "product_name": broker.config.product,
        "product_version": version,
        "cluster_name": broker.cluster_name,
        "erlang_version": erlang.VERSION,
        "erlang_full_version": RUNTIME,
    }


def _settings(call: Call) -> View:
    config = call.broker.config
    shown: View = {
        "rates_mode": config.management_rates_mode,
        "sample_retention_policies": RETENTION,
        "disable_stats": call.without_stats,
        "enable_queue_totals": config.management_enable_queue_totals or call.request.is_true("enable_queue_totals"),
    }
    if call.has("release_series_support_status"):
        shown["release_series_support_status"] = "supported"
    if call.has("is_op_policy_updating_enabled"):
        shown["is_op_policy_updating_enabled"] = True
    if call.has("cluster_tags"):
        shown |= {"cluster_tags": {}, "node_tags": {}, "default_queue_type": config.default_queue_type}
    if call.has("crypto_lib_version"):
        shown |= {"crypto_lib_version": OPENSSL_VERSION, "require_definition_json_extension": False}
    return shown


def exchange_types() -> list[View]:
    return [{"name": name, "description": EXCHANGES.get(name, ""), "enabled": True} for name in sorted(EXCHANGE_TYPES)]


# --- addresses


def listeners(api: Api) -> list[View]:
    """The addresses that the broker listens on, but for unix sockets, which have no port."""
    shows_tls = "tls-listeners" in api.broker.profile.management
    found = []
    for protocol, address in api.listeners:
        if isinstance(address, TcpAddress):
            shown = {
                "node": api.broker.node,
                "protocol": protocol,
                "ip_address": address.host,
                "port": address.port,
                "socket_opts": _socket_options(protocol, address.port),
            }
            found.append(shown | {"tls": protocol in {"amqp/ssl", "https", "https/prometheus"}} if shows_tls else shown)
    return sorted(found, key=lambda each: (each["protocol"], each["port"]))


def _socket_options(protocol: str, port: int) -> View:
    if protocol in {"http", "https"}:
        return {"cowboy_opts": {"sendfile": False}, "port": port}
    return {"backlog": BACKLOG, "nodelay": True, "linger": [True, 0], "exit_on_close": False}


def _contexts(call: Call) -> list[View]:
    return [{"node": call.broker.node, "ssl_opts": [], **each} for each in contexts(call.api)]


def contexts(api: Api) -> list[View]:
    """The addresses of this API."""
    found = [
        {
            "description": "RabbitMQ Management",
            "path": f"/{api.broker.config.management_path_prefix.strip('/')}",
            "cowboy_opts": "[{sendfile,false}]",
            "ip": address.host,
            "port": str(address.port),
        }
        for protocol, address in api.listeners
        if isinstance(address, TcpAddress) and protocol in {"http", "https"}
    ]
    return sorted(found, key=lambda each: str(each["port"]))
