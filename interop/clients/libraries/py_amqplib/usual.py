"""py-amqplib: all of AMQP 0-8 that it has, and newer clients on the other side."""

import contextlib
import os
import socket
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from urllib.parse import urlsplit

import pika
from amqplib import client_0_8 as amqp
from checks import URL, check, cut, force_close, main, name_of

LOGIN = urlsplit(URL)
FRAME_BODY = 131_072 - 8
LOST = (amqp.AMQPConnectionException, OSError)


@contextlib.contextmanager
def opened(**changes):
    """A connection that is not closed if it is lost."""
    connection = amqp.Connection(
        **{
            "host": f"{LOGIN.hostname}:{LOGIN.port}",
            "userid": LOGIN.username,
            "password": LOGIN.password,
            "virtual_host": "/",
            **changes,
        }
    )
    yield connection
    connection.close()


@contextlib.contextmanager
def channel():
    with opened() as connection:
        yield connection.channel()


def exclusive_queue(channel, what, **options):
    name, _, _ = channel.queue_declare(name_of(what), exclusive=True, auto_delete=False, **options)
    return name


def send(channel, queue, body="", **properties):
    channel.basic_publish(amqp.Message(body, **properties), routing_key=queue)


def count(channel, queue):
    _, messages, _ = channel.queue_declare(queue, passive=True)
    return messages


def bodies(channel, queue):
    """Of all messages there are."""
    found = []
    while (message := channel.basic_get(queue, no_ack=True)) is not None:
        found.append(message.body)
    return found


@check("topology")
def topology():
    with channel() as at:
        ticket = at.access_request("/data", active=True, write=True, read=True)
        for kind, key, keys, expected in (
            ("direct", "a", ["a", "b"], ["a"]),
            ("fanout", "", ["a", "b"], ["a", "b"]),
            ("topic", "*.b.#", ["a.b", "b.a", "a.b.c.d"], ["a.b", "a.b.c.d"]),
        ):
            exchange = name_of(kind)
            at.exchange_declare(exchange, kind, durable=True, auto_delete=False, ticket=ticket)
            queue = exclusive_queue(at, f"for {kind}", ticket=ticket)
            at.queue_bind(queue, exchange, key, ticket=ticket)
            for each in keys:
                at.basic_publish(amqp.Message(each), exchange, each, ticket=ticket)
            assert bodies(at, queue) == expected
            at.queue_unbind(queue, exchange, key)
            at.basic_publish(amqp.Message("lost"), exchange, key)
            assert bodies(at, queue) == []
            at.exchange_delete(exchange)
        limited = exclusive_queue(at, "limited", arguments={"x-max-length": 2})
        for number in range(3):
            send(at, limited, str(number))
        assert bodies(at, limited) == ["1", "2"]
        send(at, limited)
        assert at.queue_purge(limited) == 1
        assert at.queue_delete(limited) == 0


@check("properties")
def properties():
    told = {
        "content_type": "text/plain",
        "content_encoding": "UTF-8",
        "application_headers": {
            "text": "naïve",
            "small": -7,
            "decimal": Decimal("12.34"),
            "time": datetime(2024, 2, 29, 12),
            "table": {"deeper": {}},
        },
        "delivery_mode": 2,
        "priority": 9,
        "correlation_id": "correlation",
        "reply_to": "reply",
        "expiration": "60000",
        "message_id": "message",
        "timestamp": datetime(2024, 2, 29, 12),
        "type": "kind",
        "user_id": LOGIN.username,
        "app_id": "application",
        "cluster_id": "cluster",
    }
    with channel() as at:
        queue = exclusive_queue(at, "properties")
        send(at, queue, "grün", **told)
        message = at.basic_get(queue)
        assert message.body == "grün"
        assert message.properties == told, message.properties


@check("returns")
def returns():
    with channel() as at:
        nowhere = name_of("nowhere")
        at.basic_publish(amqp.Message("lost"), routing_key=nowhere, mandatory=True)
        count(at, exclusive_queue(at, "anything"))
        code, text, exchange, key, message = at.returned_messages.get(timeout=10)
        assert (code, text, exchange, key, message.body) == (312, "NO_ROUTE", "", nowhere, "lost")


@check("prefetch")
def prefetch():
    with opened() as connection:
        at, other = connection.channel(), connection.channel()
        queue = exclusive_queue(at, "prefetch")
        for number in range(5):
            send(at, queue, str(number))
        came = []
        at.basic_qos(0, 3, False)
        tag = at.basic_consume(queue, callback=came.append)
        while len(came) < 3:
            at.wait()
        assert count(other, queue) == 2
        at.basic_ack(came[1].delivery_tag, multiple=True)
        while len(came) < 5:
            at.wait()
        at.basic_cancel(tag)
        at.basic_reject(came[4].delivery_tag, requeue=True)
        at.basic_recover(requeue=True)
        again = [at.basic_get(queue) for _ in range(3)]
        assert [(each.redelivered, each.body) for each in again] == [(True, "2"), (True, "3"), (True, "4")], again


@check("large body")
def large_body():
    with channel() as at:
        queue = exclusive_queue(at, "large")
        for size in (0, 1, FRAME_BODY - 1, FRAME_BODY, FRAME_BODY + 1, 16 * 1024 * 1024):
            body = os.urandom(size)
            send(at, queue, body)
            got = at.basic_get(queue, no_ack=True).body
            got = got if isinstance(got, bytes) else got.encode()
            assert (len(got), sha256(got).digest()) == (size, sha256(body).digest())


@check("errors")
def errors():
    with opened() as connection, opened() as other:
        queue = exclusive_queue(connection.channel(), "locked")
        for code, operation in (
            (403, lambda at: at.queue_declare("amq.mine")),
            (404, lambda at: at.basic_consume(name_of("missing"))),
            (405, lambda at: at.queue_declare(queue, passive=True)),
            (406, lambda at: at.tx_commit()),
        ):
            at = other.channel()
            try:
                operation(at)
            except amqp.AMQPChannelException as refusal:
                assert refusal.amqp_reply_code == code, refusal
            else:
                raise AssertionError(f"there was no {code}")
        assert count(connection.channel(), queue) == 0


@check("errors of the connection")
def connection_errors():
    for code, operation in (
        (503, lambda at: at.exchange_declare(name_of("x"), "nonsense")),
        (540, lambda at: at.basic_qos(1, 0, False)),
    ):
        connection = opened().__enter__()
        at = connection.channel()
        try:
            operation(at)
            at.queue_declare(exclusive=True)
        except amqp.AMQPConnectionException as refusal:
            assert refusal.amqp_reply_code == code, refusal
        except amqp.AMQPChannelException as refusal:
            # Newer brokers close only the channel for an unknown type.
            assert (code, refusal.amqp_reply_code) == (503, 406), refusal
        else:
            raise AssertionError(f"there was no {code}")


@check("refused logins")
def refused_logins():
    with contextlib.suppress(OSError), opened(password="wrong"):
        raise AssertionError("a wrong password was good enough")
    try:
        opened(virtual_host="nowhere").__enter__()
    except amqp.AMQPConnectionException as refusal:
        assert refusal.amqp_reply_code == 530, refusal
    else:
        raise AssertionError("it came in")


@check("transactions")
def transactions():
    with opened() as connection:
        at, other = connection.channel(), connection.channel()
        queue = exclusive_queue(at, "transactions")
        at.tx_select()
        send(at, queue, "undone")
        at.tx_rollback()
        send(at, queue, "done")
        assert count(other, queue) == 0
        at.tx_commit()
        assert bodies(other, queue) == ["done"]


@check("newer clients on the other side")
def newer_clients():
    with channel() as at, pika.BlockingConnection(pika.URLParameters(URL)) as newer:
        theirs = newer.channel()
        theirs.confirm_delivery()
        queue, _, _ = at.queue_declare(name_of("between"), auto_delete=False)
        headers = {"text": "naïve", "number": 7, "table": {"in": "it"}}
        theirs.basic_publish("", queue, b"to the old", pika.BasicProperties(headers=headers, delivery_mode=2))
        message = at.basic_get(queue, no_ack=True)
        assert (message.body, message.application_headers, message.delivery_mode) == (b"to the old", headers, 2)
        at.tx_select()
        send(at, queue, "to the new", application_headers=headers, correlation_id="c")
        at.tx_commit()
        _, seen, body = theirs.basic_get(queue, auto_ack=True)
        assert (body, seen.headers, seen.correlation_id) == (b"to the new", headers, "c")
        at.queue_delete(queue)


@check("reconnect after a forced close")
def reconnect_after_a_forced_close():
    lost = reconnect(force_close)
    assert lost.args[0] == 320, lost.args


@check("reconnect after a cut")
def reconnect_after_a_cut():
    reconnect(cut)


def reconnect(break_connections):
    """A consumer that begins anew; what it had not acknowledged is redelivered. The error it got."""
    queue = name_of("work")
    at = opened().__enter__().channel()
    at.queue_declare(queue, durable=True, auto_delete=False)
    for number in range(3):
        send(at, queue, str(number), delivery_mode=2)
    seen = []
    at.basic_consume(queue, callback=seen.append)
    while len(seen) < 3:
        at.wait()
    at.basic_ack(seen[0].delivery_tag)
    count(at, queue)
    break_connections()
    lost = None
    try:
        at.wait()
    except LOST as error:
        lost = error
    assert lost is not None
    with channel() as at:
        at.basic_consume(queue, callback=seen.append)
        while len(seen) < 5:
            at.wait()
        again = sorted((message.redelivered, message.body) for message in seen[3:])
        assert again == [(True, "1"), (True, "2")], again
        at.queue_delete(queue)
    return lost


socket.setdefaulttimeout(60)
main()
