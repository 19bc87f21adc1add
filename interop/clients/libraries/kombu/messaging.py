"""Exchanges, queues, producers and consumers of Kombu: what every client can do."""

import hashlib
import os
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal

from amqp.exceptions import (
    AccessRefused,
    AMQPNotImplementedError,
    MessageNacked,
    NotAllowed,
    NotFound,
    PreconditionFailed,
    ResourceLocked,
)
from checks import URL, check, main, name_of
from kombu import Connection, Consumer, Exchange, Producer, Queue, binding
from kombu.utils.encoding import ensure_bytes

TIMEOUT_S = 30
CONFIRMED = {"transport_options": {"confirm_publish": True}}
EXCLUSIVE = {"exclusive": True, "durable": False}


@contextmanager
def channel_of(**options):
    with Connection(URL, **options) as connection, connection.channel() as channel:
        yield channel


def drain(channel, arrived, count):
    while len(arrived) < count:
        channel.connection.client.drain_events(timeout=TIMEOUT_S)


def error_of(kind, operation, *arguments, **options):
    try:
        operation(*arguments, **options)
    except kind as error:
        return error
    raise AssertionError("no error")


def payloads(messages):
    return [message.payload for message in messages]


ROUTES = {  # type: how a queue is bound, what then arrives, what does not
    "direct": ({"routing_key": "key"}, {"routing_key": "key"}, {"routing_key": "other"}),
    "fanout": ({}, {"routing_key": "any"}, None),
    "topic": ({"routing_key": "*.error.#"}, {"routing_key": "disk.error"}, {"routing_key": "error"}),
    "headers": ({"arguments": {"x-match": "any", "a": 1, "b": 2}}, {"headers": {"b": 2}}, {"headers": {"b": 1}}),
}


@check("topology")
def topology():
    with channel_of() as channel:
        producer = Producer(channel)
        for kind, (bound, hit, miss) in ROUTES.items():
            exchange = Exchange(name_of(f"exchange.{kind}"), kind, auto_delete=True)(channel)
            queue = Queue(name_of(f"queue.{kind}"), bindings=[binding(exchange, **bound)], **EXCLUSIVE)(channel)
            queue.declare()
            assert queue.queue_declare(passive=True) == (queue.name, 0, 0)
            producer.publish("hit", exchange=exchange, **hit)
            if miss:
                producer.publish("miss", exchange=exchange, **miss)
            assert queue.get(no_ack=True).payload == "hit"
            assert queue.get() is None
            producer.publish("purged", exchange=exchange, **hit)
            assert queue.purge() == 1
            queue.unbind_from(exchange, **bound)  # its last binding: so it is deleted
            error_of(NotFound, exchange.declare, passive=True)
            producer.publish("left", routing_key=queue.name)
            assert queue.delete() == 1
            error_of(NotFound, queue.queue_declare, passive=True)


@check("topology: exchange to exchange")
def exchange_to_exchange():
    with channel_of() as channel:
        source = Exchange(name_of("source"), "topic")(channel)
        destination = Exchange(name_of("destination"), "fanout", durable=False)(channel)
        queue = Queue(name_of("end"), destination, **EXCLUSIVE)(channel)
        for entity in (source, destination, queue):
            entity.declare()
        producer = Producer(channel, source, routing_key="to.here")
        destination.bind_to(source, routing_key="to.#")
        producer.publish("through")
        assert queue.get(no_ack=True).payload == "through"
        destination.unbind_from(source, routing_key="to.#")
        producer.publish("dropped")
        assert queue.get() is None
        source.delete()
        destination.delete()


@check("topology: options of queues")
def queue_options():
    options = {"expires": 60, "message_ttl": 60, "max_length": 2, "max_length_bytes": 1000, "max_priority": 9}
    with channel_of() as channel:
        queue = Queue(name_of("options"), durable=True, **options)(channel)
        queue.declare()
        producer = Producer(channel, routing_key=queue.name)
        for priority in (1, 3, 2):
            producer.publish(priority, priority=priority)
        assert [queue.get(no_ack=True).payload for _ in range(2)] == [2, 1]  # the head, 3, had to go
        other = Queue(queue.name, durable=True, **{**options, "max_length": 3})(channel)
        assert "'x-max-length'" in error_of(PreconditionFailed, other.declare).reply_text
        queue.delete()


@check("properties")
def properties():
    headers = {
        "string": "gr\u00fc\u00dfe",
        "small": -7,
        "long": -(2**40),
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
        "delivery_mode": 2,
        "priority": 9,
        "correlation_id": "correlation",
        "reply_to": "reply",
        "message_id": "message",
        "timestamp": 1700000000,
        "type": "kind",
        "user_id": "guest",
        "app_id": "program",
        "cluster_id": "cluster",
    }
    with channel_of() as channel:
        queue = Queue(name_of("properties"), **EXCLUSIVE)(channel)
        queue.declare()
        Producer(channel).publish('{"a": [1]}', routing_key=queue.name, expiration=60, headers=headers, **sent)
        message = queue.get(no_ack=True)
        assert message.payload == {"a": [1]}
        assert message.headers == headers
        assert message.properties == {**sent, "expiration": "60000", "application_headers": headers}


@check("confirms")
def confirms():
    with channel_of(**CONFIRMED) as channel:
        queue = Queue(name_of("confirms"), **EXCLUSIVE)(channel)
        queue.declare()
        producer = Producer(channel, routing_key=queue.name)
        for number in range(500):
            producer.publish(number, confirm_timeout=TIMEOUT_S)
        assert queue.queue_declare(passive=True).message_count == 500
        full = Queue(name_of("full"), max_length=1, queue_arguments={"x-overflow": "reject-publish"}, **EXCLUSIVE)(
            channel
        )
        full.declare()
        producer.publish("fits", routing_key=full.name)
        error_of(MessageNacked, producer.publish, "one too many", routing_key=full.name)
        assert full.purge() == 1


@check("returns")
def returns():
    returned = []
    with channel_of(**CONFIRMED) as channel:
        producer = Producer(channel, on_return=lambda *arguments: returned.append(arguments))
        producer.publish("lost", routing_key=name_of("nowhere"), mandatory=True)  # waits for the confirm
        ((error, exchange, routing_key, message),) = returned
        assert (error.reply_code, error.reply_text) == (312, "NO_ROUTE")
        assert (exchange, routing_key, message.body) == ("", name_of("nowhere"), "lost")


@check("prefetch")
def prefetch():
    messages = []
    with channel_of(**CONFIRMED) as channel:
        queue = Queue(name_of("prefetch"), **EXCLUSIVE)(channel)
        queue.declare()
        producer = Producer(channel, routing_key=queue.name)
        for number in range(10):
            producer.publish(number)
        with Consumer(channel, queue, on_message=messages.append, prefetch_count=3):
            drain(channel, messages, 3)
            assert queue.queue_declare(passive=True).message_count == 7
            messages[1].ack(multiple=True)
            drain(channel, messages, 5)
            assert queue.queue_declare(passive=True).message_count == 5
            messages[2].requeue()
            drain(channel, messages, 6)
        assert payloads(messages) == [0, 1, 2, 3, 4, 2]
        assert [message.delivery_info["redelivered"] for message in messages] == [False] * 5 + [True]


@check("dead-letter")
def dead_letter():
    dead = []
    with channel_of() as channel:
        exchange = Exchange(name_of("dead"), "fanout", auto_delete=True)
        graveyard = Queue(name_of("graveyard"), exchange, **EXCLUSIVE)
        queue = Queue(name_of("mortal"), queue_arguments={"x-dead-letter-exchange": exchange.name}, **EXCLUSIVE)
        queue(channel).declare()
        producer = Producer(channel, routing_key=queue.name)
        with Consumer(channel, graveyard, on_message=dead.append, no_ack=True):
            producer.publish("rejected")
            queue(channel).get().reject()
            drain(channel, dead, 1)
            producer.publish("expired", expiration=0.001)
            drain(channel, dead, 2)
        assert payloads(dead) == ["rejected", "expired"]
        for message in dead:
            (death,) = message.headers["x-death"]
            assert death["reason"] == message.payload and death["count"] == 1
            assert death["queue"] == queue.name and death["routing-keys"] == [queue.name]
        assert dead[1].headers["x-death"][0]["original-expiration"] == "1"


@check("large body")
def large_body():
    with channel_of() as channel:
        queue = Queue(name_of("large"), **EXCLUSIVE)(channel)
        queue.declare()
        one_frame = channel.connection.frame_max - 8
        for size in (0, 1, one_frame - 1, one_frame, one_frame + 1, 16 * 1024 * 1024):
            body = os.urandom(size)
            Producer(channel).publish(
                body, routing_key=queue.name, content_type="application/data", content_encoding="binary"
            )
            received = ensure_bytes(queue.get(no_ack=True).payload)
            assert hashlib.sha256(received).digest() == hashlib.sha256(body).digest(), size


@check("errors")
def errors():
    with channel_of() as owner, channel_of() as channel:
        locked = Queue(name_of("locked"), **EXCLUSIVE)
        locked(owner).declare()
        own = Queue(name_of("own"), **EXCLUSIVE)
        own(channel).declare()
        for kind, code, operation in (
            (NotFound, 404, Queue(name_of("missing"))(channel).get),
            (ResourceLocked, 405, locked(channel).queue_declare),
            (AccessRefused, 403, Queue("amq.reserved")(channel).queue_declare),
            (PreconditionFailed, 406, Queue(own.name, max_length=1, **EXCLUSIVE)(channel).queue_declare),
        ):
            error = error_of(channel.connection.client.channel_errors, operation)
            assert type(error) is kind and error.reply_code == code
            assert own(channel).queue_declare(passive=True).message_count == 0  # the channel goes on
        Producer(channel).publish("at once", routing_key=own.name, immediate=True)
        assert error_of(AMQPNotImplementedError, channel.connection.drain_events).reply_code == 540
    assert error_of(NotAllowed, Connection(URL).clone(virtual_host="nowhere").connect).reply_code == 530
    assert error_of(AccessRefused, Connection(URL).clone(password="wrong").connect).reply_code == 403


main()
