"""Something to measure: a virtual host with a classic and a quorum queue, a client that has published, and consumes and
acknowledges; and a user who may look, as whom these tools come."""

import pika
from checks import URL, name_of
from management import USER, ask, path, until

VHOST = name_of("v/host")
MONITOR, SECRET = name_of("monitor"), "secret"
QUEUES = ("jobs.classic", "jobs.quorum")
PUBLISHED, PREFETCHED = 10, 4
CLIENTS = []
MAY = {"configure": "^aliveness-test$", "write": r"^amq\.default$", "read": ".*"}
"""What Datadog's documentation has its user be given."""


def begin():
    ask("PUT", path("vhosts", VHOST), {})
    ask("PUT", path("permissions", VHOST, USER), {"configure": ".*", "write": ".*", "read": ".*"})
    ask("PUT", path("users", MONITOR), {"password": SECRET, "tags": "monitoring"})
    ask("PUT", path("permissions", VHOST, MONITOR), MAY)
    for name in QUEUES:
        kind = name.rpartition(".")[2]
        ask("PUT", path("queues", VHOST, name), {"durable": True, "arguments": {"x-queue-type": kind}})
    ask("PUT", path("queues", VHOST, "idle"), {"durable": True})
    parameters = pika.URLParameters(URL)
    parameters.virtual_host = VHOST
    CLIENTS.append(pika.BlockingConnection(parameters))
    channel = CLIENTS[0].channel()
    channel.confirm_delivery()
    channel.basic_qos(prefetch_count=PREFETCHED)
    for name in QUEUES:
        for _ in range(PUBLISHED + 1):
            channel.basic_publish("", name, b"work", pika.BasicProperties(delivery_mode=2))
        channel.basic_consume(name, take)
    until(lambda: CLIENTS[0].process_data_events(0) or all(is_settled(name) for name in QUEUES))


taken = {}


def take(channel, method, _properties, _body):
    """The first of each queue is acknowledged; the others stay."""
    taken[method.consumer_tag] = taken.get(method.consumer_tag, 0) + 1
    if taken[method.consumer_tag] == 1:
        channel.basic_ack(method.delivery_tag)


def is_settled(name):
    """RabbitMQ shows what has happened when it was reported."""
    told = ask("GET", path("queues", VHOST, name))[1]
    shown = (told.get("messages"), told.get("messages_unacknowledged"), told.get("message_stats", {}).get("ack"))
    return shown == (PUBLISHED, PREFETCHED, 1)


def look(target):
    """What the monitoring user sees there; it must see it."""
    status, told = ask("GET", target, user=MONITOR, password=SECRET)
    assert status == 200, (target, status, told)
    return told


def end():
    for client in CLIENTS:
        client.close()
    ask("DELETE", path("users", MONITOR))
    assert ask("DELETE", path("vhosts", VHOST))[0] == 204
