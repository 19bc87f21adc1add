"""Zabbix's templates `RabbitMQ cluster by HTTP` and `RabbitMQ node by HTTP`: the paths that they pick out of answers,
and which of them must be there, as nothing stands in for them.

Source: the README of the templates.
"""

from urllib.parse import quote_plus

from checks import check, main
from management import request, until
from work import MONITOR, QUEUES, SECRET, VHOST, begin, end, look

begin()


HEALTHY = ("alarms", "local-alarms", "virtual-hosts", "node-is-mirror-sync-critical", "node-is-quorum-critical")
"""Without that of certificates, for which RabbitMQ 3.10.8 has 500 where it listens in TLS."""


def at(told, picked):
    """The value at a path such as `$.object_totals.queues`."""
    for step in picked.removeprefix("$.").split("."):
        told = told[step]
    return told


def all_are_numbers(told, *paths):
    for picked in paths:
        assert isinstance(at(told, picked), int | float), picked


def stats(*names):
    return [f"$.message_stats.{name}{end}" for name in names for end in ("", "_details.rate")]


@check("cluster: overview")
def overview():
    told = look("/api/overview")
    objects = ("connections", "channels", "queues", "consumers", "exchanges")
    all_are_numbers(told, *(f"$.object_totals.{each}" for each in objects))
    all_are_numbers(told, *(f"$.queue_totals.messages{each}" for each in ("", "_ready", "_unacknowledged")))
    all_are_numbers(told, *stats("ack", "confirm", "deliver_get", "publish", "redeliver", "return_unroutable"))


@check("cluster: exchanges")
def exchanges():
    """Found by virtual host, name and type."""
    found = {(each["vhost"], each["name"], each["type"]): each for each in look("/api/exchanges")}
    all_are_numbers(found[VHOST, "", "direct"], *stats("publish_in", "publish_out"))
    assert (VHOST, "amq.topic", "topic") in found


@check("health checks")
def health():
    """By the first line of the answer."""
    (node,) = look("/api/nodes")
    for each in HEALTHY:
        status, _, told = request("GET", f"/api/health/checks/{each}", user=MONITOR, password=SECRET)
        assert (status, told["status"]) == (200, "ok"), each
    status, _, told = request("GET", "/api/health/checks/port-listener/1", user=MONITOR, password=SECRET)
    assert (status, told["status"]) == (503, "failed")
    assert look(f"/api/healthchecks/node/{node['name']}")["status"] == "ok"


@check("node: overview and node")
def node():
    name = look("/api/overview")["node"]
    told = until(
        lambda: (value := look(f"/api/nodes/{name}?memory=true")).keys() >= {"disk_free", "mem_used"} and value
    )
    numbers = ("disk_free", "disk_free_limit", "mem_used", "mem_limit", "fd_used", "fd_total", "sockets_used")
    all_are_numbers(told, *numbers, "sockets_total", "run_queue", "uptime", "proc_used", "proc_total", "memory.binary")
    assert told["partitions"] == []
    assert told["running"] is True
    assert (told["mem_alarm"], told["disk_free_alarm"]) == (False, False)
    assert look("/api/overview")["management_version"].count(".") == 2


@check("node: queues")
def queues():
    found = {(each["vhost"], each["name"], each["node"]): each for each in look("/api/queues")}
    own = {name: each for (vhost, name, _), each in found.items() if vhost == VHOST}
    for name in QUEUES:
        counts = ("messages", "messages_ready", "messages_unacknowledged", "consumers", "memory")
        all_are_numbers(own[name], *counts, *stats("ack", "deliver", "deliver_get", "publish", "redeliver"))
    one = look(f"/api/queues/{quote_plus(VHOST)}/{QUEUES[0]}")
    assert one["messages"] == own[QUEUES[0]]["messages"]
    end()


main()
