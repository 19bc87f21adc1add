"""AMQPStorm: exchanges, queues and messages."""

import itertools
import os
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from urllib.parse import urlsplit

from amqpstorm import AMQPChannelError, AMQPMessageError, UriConnection
from checks import URL, check, main, name_of

DEADLINE_S = 60
MESSAGES = 500

ROUTES = (
    # type, the binding's key and arguments, keys and headers that are published, keys that arrive
    ("direct", "a", None, [("a", {}), ("b", {}), ("a", {})], ["a", "a"]),
    ("fanout", "", None, [("a", {}), ("b", {})], ["a", "b"]),
    ("topic", "*.b.#", None, [("a.b", {}), ("b.a", {}), ("a.b.c.d", {})], ["a.b", "a.b.c.d"]),
    (
        "headers",
        "",
        {"x-match": "any", "colour": "red", "size": 7},
        [("one", {"colour": "red"}), ("other", {"size": 7}), ("neither", {"size": 8})],
        ["one", "other"],
    ),
)

PROPERTIES = {
    "content_type": "application/json",
    "content_encoding": "utf-8",
    "headers": {
        "text": "naïve",
        "octets": bytearray(b"\x00\xff"),
        "true": True,
        "small": -7,
        "large": 2**40,
        "float": 0.5,
        "decimal": Decimal("12.34"),
        "time": datetime(2024, 2, 29, 12, tzinfo=UTC),
        "table": {"deeper": {"still": []}},
        "list": [1, "two", None, {"three": 3}],
        "nothing": None,
    },
    "delivery_mode": 2,
    "priority": 9,
    "correlation_id": "correlation",
    "reply_to": "reply",
    "expiration": "60000",
    "message_id": "message",
    "timestamp": datetime(2024, 2, 29, 12, tzinfo=UTC),
    "message_type": "kind",
    "user_id": urlsplit(URL).username,
    "app_id": "application",
}


def connect():
    return UriConnection(URL)


def exclusive_queue(channel, **arguments):
    return channel.queue.declare(exclusive=True, arguments=arguments)["queue"]


def message_count(channel, queue):
    return channel.queue.declare(queue, passive=True)["message_count"]


def take(channel, count=1):
    """The next messages for any consumer of a channel, as they are."""
    coming = channel.build_inbound_messages(break_on_empty=True, empty_timeout=DEADLINE_S, auto_decode=False)
    messages = list(itertools.islice(coming, count))
    assert len(messages) == count, f"only {len(messages)} messages came"
    return messages


@check("topology")
def topology():
    with connect() as connection, connection.channel() as channel:
        channel.confirm_deliveries()
        for route in ROUTES:
            check_routing(channel, *route)
            check_missing(
                connection, lambda channel, kind=route[0]: channel.exchange.declare(name_of(kind), passive=True)
            )
        check_exchange_bindings(channel)
        check_missing(connection, lambda channel: channel.exchange.declare(name_of("first"), passive=True))
        check_counts(channel)
        check_missing(connection, lambda channel: channel.queue.declare(name_of("durable"), passive=True))
        check_missing(connection, lambda channel: channel.queue.declare(name_of("passing"), passive=True))


def check_routing(channel, kind, key, arguments, published, expected):
    exchange, queue = name_of(kind), exclusive_queue(channel)
    channel.exchange.declare(exchange, kind, auto_delete=True)
    channel.queue.bind(queue, exchange, key, arguments)
    for routing_key, headers in published:
        channel.basic.publish(b"", routing_key, exchange, {"headers": headers})
    assert message_count(channel, queue) == len(expected)
    arriving = [channel.basic.get(queue, no_ack=True) for _ in expected]
    assert [message.method["routing_key"] for message in arriving] == expected
    channel.queue.unbind(queue, exchange, key, arguments)  # the exchange goes with its last binding


def check_exchange_bindings(channel):
    first, second, queue = name_of("first"), name_of("second"), exclusive_queue(channel)
    channel.exchange.declare(first, "topic", durable=True)
    channel.exchange.declare(second, "fanout", durable=True)
    channel.exchange.bind(second, first, "a.#")
    channel.queue.bind(queue, second)
    channel.basic.publish(b"through", "a.b", first)
    channel.exchange.unbind(second, first, "a.#")
    channel.basic.publish(b"lost", "a.b", first)
    assert message_count(channel, queue) == 1
    channel.exchange.delete(second)
    channel.exchange.delete(first)


def check_counts(channel):
    queue = name_of("durable")
    declared = channel.queue.declare(queue, durable=True, arguments={"x-max-length": 10, "x-message-ttl": 3_600_000})
    assert declared == {"queue": queue, "message_count": 0, "consumer_count": 0}, declared
    for _ in range(3):
        channel.basic.publish(b"", queue)
    assert message_count(channel, queue) == 3
    assert channel.queue.purge(queue)["message_count"] == 3
    channel.basic.publish(b"", queue)
    assert channel.queue.delete(queue)["message_count"] == 1

    channel.queue.declare(name_of("passing"), auto_delete=True)
    channel.basic.cancel(channel.basic.consume(queue=name_of("passing")))  # the queue goes with its last consumer


def check_missing(connection, declare):
    """A passive declaration is refused."""
    try:
        with connection.channel() as channel:
            declare(channel)
    except AMQPChannelError as error:
        assert error.error_code == 404, error
    else:
        raise AssertionError("it is still there")


@check("properties")
def properties():
    with connect() as connection, connection.channel() as channel:
        queue = exclusive_queue(channel)
        channel.basic.publish(b"", queue, properties=PROPERTIES)
        channel.basic.publish(b"", queue)
        channel.basic.consume(queue=queue)
        full, empty = take(channel, 2)
        full, empty = full.properties, empty.properties
        assert {name: full[name] for name in PROPERTIES} == PROPERTIES, full
        assert {name for name, value in empty.items() if value} == {"content_encoding"}, empty  # which it adds itself


@check("confirms")
def confirms():
    with connect() as connection, connection.channel() as channel:
        channel.confirm_deliveries()
        queue = exclusive_queue(channel)
        assert all(channel.basic.publish(str(number), queue) for number in range(MESSAGES))
        assert message_count(channel, queue) == MESSAGES
        full = exclusive_queue(channel, **{"x-max-length": 1, "x-overflow": "reject-publish"})
        assert channel.basic.publish("fits", full)
        assert not channel.basic.publish("does not", full)
        assert message_count(channel, full) == 1


@check("returns")
def returns():
    with connect() as connection, connection.channel() as channel:
        channel.confirm_deliveries()
        try:
            channel.basic.publish("lost", name_of("nowhere"), mandatory=True)
        except AMQPMessageError as error:
            assert error.error_code == 312, error
            assert name_of("nowhere") in str(error)
        else:
            raise AssertionError("nothing was returned")
        assert channel.basic.publish("found", exclusive_queue(channel), mandatory=True)


@check("prefetch")
def prefetch():
    with connect() as connection, connection.channel() as channel:
        queue = exclusive_queue(channel)
        for number in range(5):
            channel.basic.publish(str(number), queue)
        channel.basic.qos(prefetch_count=3)
        channel.basic.consume(queue=queue)
        first = take(channel, 3)
        assert message_count(channel, queue) == 2
        channel.basic.ack(first[1].delivery_tag, multiple=True)
        second = take(channel, 2)
        assert [message.body for message in first + second] == [b"0", b"1", b"2", b"3", b"4"]
        channel.basic.nack(second[-1].delivery_tag, multiple=True, requeue=True)
        again = [(message.redelivered, message.body) for message in take(channel, 3)]
        assert again == [(True, b"2"), (True, b"3"), (True, b"4")], again


@check("dead-letter")
def dead_letter():
    with connect() as connection, connection.channel() as channel:
        dead = exclusive_queue(channel)
        queue = exclusive_queue(channel, **{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead})
        channel.basic.publish("rejected", queue)
        channel.basic.consume(queue=queue, consumer_tag="living")
        take(channel)[0].reject(requeue=False)
        channel.basic.cancel("living")
        channel.basic.consume(queue=dead, no_ack=True)
        check_death(take(channel)[0], b"rejected", queue, "rejected")
        channel.basic.publish("too old", queue, properties={"expiration": "1"})
        check_death(take(channel)[0], b"too old", queue, "expired")


def check_death(message, body, queue, reason):
    assert message.body == body
    (death,) = message.properties["headers"]["x-death"]
    assert (death["queue"], death["reason"], death["count"]) == (queue, reason, 1), death
    assert (death["exchange"], death["routing-keys"]) == ("", [queue]), death


@check("large body")
def large_body():
    with connect() as connection, connection.channel() as channel:
        frame = connection.max_frame_size - 8
        bodies = [os.urandom(size) for size in (0, 1, frame - 1, frame, frame + 1, 16 * 1024 * 1024)]
        queue = exclusive_queue(channel)
        for body in bodies:
            channel.basic.publish(body, queue)
        channel.basic.consume(queue=queue, no_ack=True)
        received = [message.body for message in take(channel, len(bodies))]
        assert [(len(body), sha256(body).digest()) for body in received] == [
            (len(body), sha256(body).digest()) for body in bodies
        ]


main()
