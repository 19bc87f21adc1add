"""Channels of py-amqp: what every client can do."""

import hashlib
import os
from datetime import datetime
from decimal import Decimal

import amqp
from amqp.exceptions import (
    AccessRefused,
    AMQPNotImplementedError,
    ConnectionForced,
    MessageNacked,
    NotAllowed,
    NotFound,
    PreconditionFailed,
    ResourceLocked,
)
from broker import connect, drain, texts
from checks import check, cut, force_close, main, name_of

ROUTES = {  # type: how a queue is bound, what then arrives, what does not
    "direct": ({"routing_key": "key"}, {"routing_key": "key"}, {"routing_key": "other"}),
    "fanout": ({}, {"routing_key": "any"}, None),
    "topic": ({"routing_key": "*.error.#"}, {"routing_key": "disk.error"}, {"routing_key": "error"}),
    "headers": ({"arguments": {"x-match": "all", "a": 1, "b": "two"}}, {"a": 1, "b": "two"}, {"a": 1}),
}


def error_of(kind, operation, *arguments, **options):
    try:
        operation(*arguments, **options)
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__}")


def publish_by_route(channel, exchange, route, body):
    if route is not None and "routing_key" in route:
        channel.basic_publish(amqp.Message(body), exchange, **route)
    elif route is not None:
        channel.basic_publish(amqp.Message(body, application_headers=route), exchange)


@check("topology")
def topology():
    with connect() as connection:
        channel = connection.channel()
        for kind, (binding, hit, miss) in ROUTES.items():
            exchange, queue = name_of(f"exchange.{kind}"), name_of(f"queue.{kind}")
            channel.exchange_declare(exchange, kind, durable=True, auto_delete=True)
            channel.queue_declare(queue, exclusive=True, arguments={"x-max-length": 10})
            assert channel.queue_declare(queue, passive=True) == (queue, 0, 0)
            channel.queue_bind(queue, exchange, **binding)
            publish_by_route(channel, exchange, hit, "hit")
            publish_by_route(channel, exchange, miss, "miss")
            assert channel.basic_get(queue, no_ack=True).body == "hit"
            assert channel.basic_get(queue) is None
            publish_by_route(channel, exchange, hit, "purged")
            assert channel.queue_purge(queue) == 1
            channel.queue_unbind(queue, exchange, **binding)  # its last binding: so it is deleted
            error_of(NotFound, channel.exchange_declare, exchange, kind, passive=True)
            channel.basic_publish(amqp.Message("left"), "", queue)
            assert channel.queue_delete(queue) == 1
            error_of(NotFound, channel.queue_declare, queue, passive=True)


@check("topology: exchange to exchange")
def exchange_to_exchange():
    with connect() as connection:
        channel = connection.channel()
        source, destination = name_of("source"), name_of("destination")
        channel.exchange_declare(source, "topic", auto_delete=False)
        channel.exchange_declare(destination, "fanout", auto_delete=False)
        queue = channel.queue_declare(exclusive=True, durable=True).queue
        channel.queue_bind(queue, destination)
        channel.exchange_bind(destination, source, "to.#")
        channel.basic_publish(amqp.Message("through"), source, "to.here")
        assert channel.basic_get(queue, no_ack=True).body == "through"
        channel.exchange_unbind(destination, source, "to.#")
        channel.basic_publish(amqp.Message("dropped"), source, "to.here")
        assert channel.basic_get(queue) is None
        channel.exchange_delete(source)
        channel.exchange_delete(destination)


@check("properties")
def properties():
    headers = {
        "string": "gr\u00fc\u00dfe",
        "octets": b"\xff\x00",
        "small": -7,
        "long": 2**40,
        "double": 0.1,
        "decimal": Decimal("12.25"),
        "yes": True,
        "nothing": None,
        "time": datetime(2024, 2, 29, 12, 30, 1),
        "table": {"inner": {"depth": 2}},
        "array": ["one", 2, [3.5]],
    }
    sent = {
        "content_type": "application/json",
        "content_encoding": "utf-8",
        "application_headers": headers,
        "delivery_mode": 2,
        "priority": 9,
        "correlation_id": "correlation",
        "reply_to": "reply",
        "expiration": "60000",
        "message_id": "message",
        "timestamp": 1700000000,
        "type": "kind",
        "user_id": "guest",
        "app_id": "program",
        "cluster_id": "cluster",
    }
    with connect() as connection:
        channel = connection.channel()
        queue = channel.queue_declare(exclusive=True).queue
        channel.basic_publish(amqp.Message("{}", **sent), "", queue)
        message = channel.basic_get(queue, no_ack=True)
        assert message.properties == sent, message.properties
        assert message.delivery_info["routing_key"] == queue


@check("confirms")
def confirms():
    with connect(confirm_publish=True) as connection:
        channel = connection.channel()
        queue = channel.queue_declare(exclusive=True).queue
        for number in range(500):
            channel.basic_publish(amqp.Message(str(number)), "", queue)
        assert channel.queue_delete(queue) == 500
        full = channel.queue_declare(
            exclusive=True, arguments={"x-max-length": 1, "x-overflow": "reject-publish"}
        ).queue
        channel.basic_publish(amqp.Message("fits"), "", full)
        error_of(MessageNacked, channel.basic_publish, amqp.Message("one too many"), "", full)
        assert channel.queue_purge(full) == 1


@check("returns")
def returns():
    events = []
    with connect() as connection:
        channel = connection.channel()
        channel.confirm_select()
        channel.events["basic_return"].add(lambda *returned: events.append(returned))
        channel.events["basic_ack"].add(lambda tag, multiple: events.append(tag))
        channel.basic_publish(amqp.Message("lost"), "", name_of("nowhere"), mandatory=True)
        drain(connection, events, 2)
    (error, exchange, routing_key, message), confirmed = events
    assert (error.reply_code, error.reply_text) == (312, "NO_ROUTE")
    assert (exchange, routing_key, message.body, confirmed) == ("", name_of("nowhere"), "lost", 1)


@check("prefetch")
def prefetch():
    messages = []
    with connect(confirm_publish=True) as connection:
        channel = connection.channel()
        queue = channel.queue_declare(exclusive=True, auto_delete=False).queue
        for number in range(10):
            channel.basic_publish(amqp.Message(str(number)), "", queue)
        channel.basic_qos(0, 3, False)
        tag = channel.basic_consume(queue, callback=messages.append)
        drain(connection, messages, 3)
        assert channel.queue_declare(queue, passive=True).message_count == 7
        assert texts(messages) == ["0", "1", "2"]
        channel.basic_ack(messages[1].delivery_tag, multiple=True)
        drain(connection, messages, 5)
        assert channel.queue_declare(queue, passive=True).message_count == 5
        channel.basic_reject(messages[2].delivery_tag, requeue=True)
        drain(connection, messages, 6)
        assert messages[-1].body == "2" and messages[-1].delivery_info["redelivered"]
        assert not any(message.delivery_info["redelivered"] for message in messages[:-1])
        channel.basic_cancel(tag)
        channel.basic_ack(0, multiple=True)
        assert channel.queue_delete(queue) == 5


@check("dead-letter")
def dead_letter():
    dead = []
    with connect() as connection:
        channel = connection.channel()
        graveyard = channel.queue_declare(exclusive=True).queue
        arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": graveyard}
        queue = channel.queue_declare(exclusive=True, arguments=arguments).queue
        channel.basic_consume(graveyard, no_ack=True, callback=dead.append)
        channel.basic_publish(amqp.Message("rejected"), "", queue)
        channel.basic_reject(channel.basic_get(queue).delivery_tag, requeue=False)
        drain(connection, dead, 1)
        channel.basic_publish(amqp.Message("expired", expiration="1"), "", queue)
        drain(connection, dead, 2)
    assert texts(dead) == ["rejected", "expired"]
    for message in dead:
        (death,) = message.headers["x-death"]
        assert death["reason"] == message.body and death["count"] == 1
        assert death["queue"] == queue and death["exchange"] == "" and death["routing-keys"] == [queue]
    assert dead[1].headers["x-death"][0]["original-expiration"] == "1"
    assert "expiration" not in dead[1].properties


@check("large body")
def large_body():
    with connect() as connection:
        channel = connection.channel()
        queue = channel.queue_declare(exclusive=True).queue
        one_frame = connection.frame_max - 8
        for size in (0, 1, one_frame - 1, one_frame, one_frame + 1, 16 * 1024 * 1024):
            body = os.urandom(size)
            channel.basic_publish(amqp.Message(body, content_type="application/octet-stream"), "", queue)
            received = channel.basic_get(queue, no_ack=True).body
            received = received.encode() if isinstance(received, str) else received
            assert hashlib.sha256(received).digest() == hashlib.sha256(body).digest(), size


@check("errors")
def errors():
    with connect() as owner, connect() as connection:
        locked = owner.channel().queue_declare(name_of("locked"), exclusive=True).queue
        channel = connection.channel()
        queue = channel.queue_declare(name_of("errors"), exclusive=True).queue
        for kind, code, operation, arguments in (
            (NotFound, 404, channel.queue_declare, (name_of("missing"), True)),
            (ResourceLocked, 405, channel.queue_declare, (locked, True)),
            (AccessRefused, 403, channel.queue_declare, ("amq.reserved",)),
            (PreconditionFailed, 406, channel.queue_declare, (queue, False, False, True, False)),
        ):
            assert error_of(kind, operation, *arguments).reply_code == code
            assert channel.is_open  # py-amqp opens it again
        channel.basic_publish(amqp.Message("at once"), "", queue, immediate=True)
        assert error_of(AMQPNotImplementedError, connection.drain_events).reply_code == 540
    assert error_of(NotAllowed, connect(virtual_host="nowhere").connect).reply_code == 530
    assert error_of(AccessRefused, connect(password="wrong").connect).reply_code == 403


def goes_on_after(interrupt, kind):
    """As Kombu does: after an error of `kind` the connection is given up, and all is made anew with another one."""
    queue, messages = name_of("survivor"), []
    connection = connect()
    channel = consume_from(queue, connection, messages)
    channel.basic_publish(amqp.Message("unacked", delivery_mode=2), "", queue)
    drain(connection, messages, 1)
    interrupt()
    error_of(kind, connection.drain_events)
    connection.collect()
    with connect() as connection:
        channel = consume_from(queue, connection, messages)
        drain(connection, messages, 2)
        channel.basic_ack(messages[1].delivery_tag)
        channel.basic_publish(amqp.Message("new"), "", queue)
        drain(connection, messages, 3)
        channel.basic_cancel(messages[2].delivery_info["consumer_tag"])
        channel.queue_delete(queue)
    assert texts(messages) == ["unacked", "unacked", "new"]
    assert [message.delivery_info["redelivered"] for message in messages] == [False, True, False]


def consume_from(queue, connection, messages):
    connection.connect()
    channel = connection.channel()
    channel.queue_declare(queue, durable=True, auto_delete=False)
    channel.basic_consume(queue, callback=messages.append)
    return channel


@check("reconnect after a forced close")
def reconnect_after_a_forced_close():
    goes_on_after(force_close, ConnectionForced)


@check("reconnect after a cut")
def reconnect_after_a_cut():
    goes_on_after(cut, OSError)


main()
