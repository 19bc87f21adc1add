"""Datadog's check of RabbitMQ by way of the HTTP API: what it reads of the overview, exchanges, queues, nodes and
connections is a number wherever it is there, and what has happened is there.

Source: `rabbitmq.py` and `const.py` of its integration.
"""

from urllib.parse import quote_plus

from checks import check, main
from management import ask, until
from work import MONITOR, PREFETCHED, PUBLISHED, QUEUES, SECRET, VHOST, begin, end, look

begin()

MESSAGES = {"messages", "messages_ready", "messages_unacknowledged"}
OF_QUEUE = {"consumers", "consumer_utilisation", "memory", "message_bytes", *MESSAGES}
OF_NODE = {"fd_used", "disk_free", "mem_used", "mem_limit", "run_queue", "sockets_used", "running", "mem_alarm"}
OF_NODE |= {"disk_free_alarm"}
OF_OVERVIEW = {"connections", "channels", "queues", "consumers"}
COUNTED = {"ack", "confirm", "deliver", "deliver_get", "publish", "publish_in", "publish_out", "return_unroutable"}
COUNTED |= {"redeliver", "drop_unroutable"}


def are_numbers(told, names):
    """As `float` takes them: also true and false."""
    for name in names:
        assert isinstance(told[name], int | float), (name, told)


def are_rated(told, names):
    """Beside each count its rate."""
    are_numbers(told, names)
    for name in names:
        are_numbers(told[f"{name}_details"], {"rate"})


def are_counted(told, *wanted):
    stats = told.get("message_stats", {})
    assert set(wanted) <= stats.keys(), told
    are_rated(stats, COUNTED & stats.keys())


@check("overview")
def overview():
    told = look("/api/overview")
    assert told["rabbitmq_version"].count(".") == 2
    assert told["cluster_name"]
    are_numbers(told["object_totals"], OF_OVERVIEW)
    assert told["object_totals"]["connections"] >= 1
    are_rated(told["queue_totals"], MESSAGES)
    are_counted(told, "publish", "confirm", "ack", "deliver_get")


@check("virtual hosts")
def vhosts():
    assert VHOST in [each["name"] for each in look("/api/vhosts")]


@check("exchanges")
def exchanges():
    """All of them, and those of one virtual host; the default one has no name."""
    own = {each["name"]: each for each in look(f"/api/exchanges/{quote_plus(VHOST)}")}
    are_counted(own[""], "publish_in")
    assert own[""]["message_stats"]["publish_in"] == 2 * (PUBLISHED + 1)
    assert VHOST in {each["vhost"] for each in look("/api/exchanges")}


@check("queues")
def queues():
    own = {each["name"]: each for each in look(f"/api/queues/{quote_plus(VHOST)}")}
    assert {*QUEUES, "idle"} == own.keys()
    for name in QUEUES:
        queue = own[name]
        are_numbers(queue, OF_QUEUE & queue.keys())
        are_rated(queue, MESSAGES)
        are_counted(queue, "publish", "ack", "deliver", "deliver_get")
        assert (queue["messages"], queue["messages_unacknowledged"], queue["consumers"]) == (PUBLISHED, PREFETCHED, 1)
        assert queue["node"]
    assert own["idle"]["messages"] == 0
    assert VHOST in {each["vhost"] for each in look("/api/queues?columns=name,vhost,messages")}


@check("nodes")
def nodes():
    (node,) = until(lambda: [each for each in look("/api/nodes") if each.keys() >= OF_NODE])
    are_numbers(node, OF_NODE)
    assert node["partitions"] == []
    assert node["running"] is True


@check("connections")
def connections():
    """Their number by virtual host and by state."""
    told = until(lambda: [each for each in look("/api/connections") if each.get("vhost") == VHOST and "state" in each])
    assert [each["state"] for each in told] == ["running"]
    assert len(look(f"/api/vhosts/{quote_plus(VHOST)}/connections")) == 1


@check("aliveness")
def aliveness():
    """Publishes and gets in each virtual host, as the user who looks."""
    assert look(f"/api/aliveness-test/{quote_plus(VHOST)}") == {"status": "ok"}
    status, told = ask("GET", f"/api/aliveness-test/{quote_plus('/')}", user=MONITOR, password=SECRET)
    assert (status, told["reason"]) == (401, "User not authorised to access virtual host")
    end()


main()
