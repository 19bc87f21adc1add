"""rabbitpy: exchanges, queues and messages."""

import itertools
import os
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256

import rabbitpy
from checks import URL, check, main, name_of
from rabbitpy.exceptions import AMQPNotFound, MessageReturnedException

MESSAGES = 500
FRAME_BODY = 131_072 - 8

ROUTES = (
    # type, the binding's key and arguments, keys and headers that are published, keys that arrive
    (rabbitpy.DirectExchange, "a", None, [("a", {}), ("b", {}), ("a", {})], ["a", "a"]),
    (rabbitpy.FanoutExchange, "", None, [("a", {}), ("b", {})], ["a", "b"]),
    (rabbitpy.TopicExchange, "*.b.#", None, [("a.b", {}), ("b.a", {}), ("a.b.c.d", {})], ["a.b", "a.b.c.d"]),
    (
        rabbitpy.HeadersExchange,
        "",
        {"x-match": "all", "colour": "red", "size": 7},
        [("both", {"colour": "red", "size": 7}), ("one", {"colour": "red"})],
        ["both"],
    ),
)

PROPERTIES = {
    "content_type": "application/octet-stream",
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
    "app_id": "application",
}


def connect():
    return rabbitpy.Connection(URL)


def exclusive_queue(channel, what, **options):
    queue = rabbitpy.Queue(channel, name_of(what), exclusive=True, **options)
    queue.declare()
    return queue


def send(channel, queue, body=b"", **properties):
    return rabbitpy.Message(channel, body, properties).publish("", queue.name)


def check_missing(thing, name):
    try:
        with connect() as connection, connection.channel() as channel:
            thing(channel, name).declare(passive=True)
    except AMQPNotFound:
        return
    raise AssertionError(f"{name} is still there")


@check("topology")
def topology():
    with connect() as connection, connection.channel() as channel:
        channel.enable_publisher_confirms()
        for route in ROUTES:
            check_routing(channel, *route)
        check_exchange_bindings(channel)
        check_counts(channel)
    for exchange, *_ in ROUTES:
        check_missing(exchange, name_of(exchange.__name__))
    check_missing(rabbitpy.FanoutExchange, name_of("second"))
    check_missing(rabbitpy.Queue, name_of("durable"))


def check_routing(channel, exchange_type, key, arguments, published, expected):
    exchange = exchange_type(channel, name_of(exchange_type.__name__))
    exchange.declare()
    queue = exclusive_queue(channel, f"for {exchange.name}")
    assert queue.bind(exchange, key, arguments)
    for routing_key, headers in published:
        assert rabbitpy.Message(channel, b"", {"headers": headers}).publish(exchange, routing_key)
    assert len(queue) == len(expected)
    assert [queue.get(acknowledge=False).routing_key for _ in expected] == expected
    exchange.delete()


def check_exchange_bindings(channel):
    first = rabbitpy.TopicExchange(channel, name_of("first"), durable=True)
    second = rabbitpy.FanoutExchange(channel, name_of("second"), auto_delete=True)
    first.declare()
    second.declare()
    queue = exclusive_queue(channel, "last")
    second.bind(first, "a.#")
    queue.bind(second)
    rabbitpy.Message(channel, b"through").publish(first, "a.b")
    second.unbind(first, "a.#")
    rabbitpy.Message(channel, b"lost").publish(first, "a.b")
    assert queue.get(acknowledge=False).body == b"through"
    assert queue.get() is None
    first.delete()
    queue.delete()  # and the second exchange goes with its last binding


def check_counts(channel):
    queue = rabbitpy.Queue(channel, name_of("durable"), durable=True, max_length=10, message_ttl=3_600_000)
    assert queue.declare() == (0, 0)
    for _ in range(3):
        send(channel, queue)
    assert len(queue) == 3
    queue.purge()
    assert len(queue) == 0
    queue.delete()


@check("properties")
def properties():
    with connect() as connection, connection.channel() as channel:
        queue = exclusive_queue(channel, "properties")
        send(channel, queue, **PROPERTIES)
        send(channel, queue)
        full, empty = queue.get(), queue.get()
        assert {name: full.properties[name] for name in PROPERTIES} == PROPERTIES, full.properties
        assert not any(empty.properties.values()), empty.properties


@check("confirms")
def confirms():
    with connect() as connection, connection.channel() as channel:
        channel.enable_publisher_confirms()
        queue = exclusive_queue(channel, "confirms")
        assert all(send(channel, queue, str(number)) for number in range(MESSAGES))
        assert len(queue) == MESSAGES
        full = exclusive_queue(channel, "full", max_length=1, arguments={"x-overflow": "reject-publish"})
        assert send(channel, full, "fits")
        assert not send(channel, full, "does not")
        assert len(full) == 1


@check("returns")
def returns():
    with connect() as connection, connection.channel() as channel:
        channel.enable_publisher_confirms()
        try:
            rabbitpy.Message(channel, b"lost").publish("", name_of("nowhere"), mandatory=True)
            channel.prefetch_count(1)
        except MessageReturnedException as returned:
            assert 312 in returned.args, returned.args
        else:
            raise AssertionError("nothing was returned")


@check("prefetch")
def prefetch():
    with connect() as connection, connection.channel() as channel, connection.channel() as other:
        queue = exclusive_queue(channel, "prefetch")
        for number in range(5):
            send(channel, queue, str(number))
        with closing(queue.consume(prefetch=3)) as coming:
            first = list(itertools.islice(coming, 3))
            assert len(rabbitpy.Queue(other, queue.name)) == 2
            first[1].ack(all_previous=True)
            second = list(itertools.islice(coming, 2))
            assert [message.body for message in first + second] == [b"0", b"1", b"2", b"3", b"4"]
            second[-1].nack(requeue=True, all_previous=True)
            again = [(message.redelivered, message.body) for message in itertools.islice(coming, 3)]
            assert again == [(True, b"2"), (True, b"3"), (True, b"4")], again


@check("dead-letter")
def dead_letter():
    with connect() as connection, connection.channel() as channel, connection.channel() as burying:
        dead = exclusive_queue(burying, "dead")
        queue = exclusive_queue(
            channel, "living", dead_letter_routing_key=dead.name, arguments={"x-dead-letter-exchange": ""}
        )
        with closing(dead.consume(no_ack=True)) as letters:
            send(channel, queue, b"too old", expiration="1")
            check_death(next(letters), b"too old", queue, "expired")
            send(channel, queue, b"rejected")
            with closing(queue.consume()) as messages:
                next(messages).reject()
            check_death(next(letters), b"rejected", queue, "rejected")


def check_death(message, body, queue, reason):
    assert message.body == body
    (death,) = message.properties["headers"]["x-death"]
    assert (death["queue"], death["reason"], death["count"]) == (queue.name, reason, 1), death
    assert (death["exchange"], death["routing-keys"]) == ("", [queue.name]), death


@check("large body")
def large_body():
    sizes = (0, 1, FRAME_BODY - 1, FRAME_BODY, FRAME_BODY + 1, 16 * 1024 * 1024)
    bodies = [os.urandom(size) for size in sizes]
    with connect() as connection, connection.channel() as channel:
        queue = exclusive_queue(channel, "large")
        for body in bodies:
            send(channel, queue, body)
        with closing(queue.consume(no_ack=True)) as messages:
            for body, message in zip(bodies, messages, strict=False):
                assert (len(message.body), sha256(message.body).digest()) == (len(body), sha256(body).digest())


main()
