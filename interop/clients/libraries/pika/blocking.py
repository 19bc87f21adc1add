"""pika.BlockingConnection."""

import cases
import pika
from cases import DEADLINE_S, MESSAGES, PARAMETERS
from checks import check, main, name_of
from pika.exceptions import ChannelClosedByBroker, NackError, UnroutableError


def connect():
    return pika.BlockingConnection(PARAMETERS)


def exclusive_queue(channel, **arguments):
    return channel.queue_declare("", exclusive=True, arguments=arguments).method.queue


def message_count(channel, queue):
    return channel.queue_declare(queue, passive=True).method.message_count


def take(channel, queue, count=1):
    """The next messages of a queue: method, properties and body of each."""
    messages = channel.consume(queue, inactivity_timeout=DEADLINE_S)
    taken = [message for _, message in zip(range(count), messages, strict=False)]
    assert len(taken) == count
    assert (None, None, None) not in taken, "too few messages came"
    return taken


def get_all(channel, queue):
    messages = []
    while (message := channel.basic_get(queue, auto_ack=True)) != (None, None, None):
        messages.append(message)
    return messages


@check("topology")
def topology():
    with connect() as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for kind, key, arguments, published, expected in cases.ROUTES:
            check_routing(channel, kind, key, arguments, published, expected)
            check_missing(connection, "exchange_declare", name_of(kind))
        check_exchange_bindings(channel)
        check_missing(connection, "exchange_declare", name_of("first"))
        check_counts(channel)
        check_missing(connection, "queue_declare", name_of("durable"))
        check_missing(connection, "queue_declare", name_of("passing"))


def check_routing(channel, kind, key, arguments, published, expected):
    channel.exchange_declare(name_of(kind), kind, auto_delete=True)
    queue = exclusive_queue(channel)
    channel.queue_bind(queue, name_of(kind), key, arguments)
    for routing_key, headers in published:
        channel.basic_publish(name_of(kind), routing_key, b"", pika.BasicProperties(headers=headers))
    assert [method.routing_key for method, _, _ in get_all(channel, queue)] == expected
    channel.queue_unbind(queue, name_of(kind), key, arguments)  # the exchange goes with its last binding


def check_exchange_bindings(channel):
    first, second = name_of("first"), name_of("second")
    channel.exchange_declare(first, "topic", durable=True)
    channel.exchange_declare(second, "fanout", durable=True, internal=True)
    queue = exclusive_queue(channel)
    channel.exchange_bind(second, first, "a.#")
    channel.queue_bind(queue, second)
    channel.basic_publish(first, "a.b", b"through")
    channel.exchange_unbind(second, first, "a.#")
    channel.basic_publish(first, "a.b", b"lost")
    assert [body for _, _, body in get_all(channel, queue)] == [b"through"]
    channel.exchange_delete(second)
    channel.exchange_delete(first)


def check_counts(channel):
    durable = channel.queue_declare(name_of("durable"), durable=True, arguments=cases.QUEUE_ARGUMENTS).method
    assert (durable.queue, durable.message_count, durable.consumer_count) == (name_of("durable"), 0, 0)
    for _ in range(3):
        channel.basic_publish("", durable.queue, b"")
    assert message_count(channel, durable.queue) == 3
    assert channel.queue_purge(durable.queue).method.message_count == 3
    channel.basic_publish("", durable.queue, b"")
    assert channel.queue_delete(durable.queue).method.message_count == 1

    passing = channel.queue_declare(name_of("passing"), auto_delete=True).method.queue
    channel.basic_cancel(channel.basic_consume(passing, lambda *_: None))  # the queue goes with its last consumer


def check_missing(connection, declare, name):
    """Neither an exchange nor a queue has this name: a passive declaration is refused."""
    try:
        getattr(connection.channel(), declare)(name, passive=True)
    except ChannelClosedByBroker as closed:
        assert closed.reply_code == 404, closed
    else:
        raise AssertionError(f"{name} is still there")


@check("properties")
def properties():
    with connect() as connection:
        channel = connection.channel()
        queue = exclusive_queue(channel)
        channel.basic_publish("", queue, b"", cases.PROPERTIES)
        channel.basic_publish("", queue, b"")
        (_, full, _), (_, empty, _) = take(channel, queue, 2)
        assert full == cases.PROPERTIES, full
        assert empty == pika.BasicProperties(), empty


@check("confirms")
def confirms():
    with connect() as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        queue = exclusive_queue(channel)
        for number in range(MESSAGES):
            channel.basic_publish("", queue, str(number).encode())
        assert message_count(channel, queue) == MESSAGES

        full = exclusive_queue(channel, **{"x-max-length": 1, "x-overflow": "reject-publish"})
        channel.basic_publish("", full, b"fits")
        try:
            channel.basic_publish("", full, b"does not")
        except NackError:
            assert message_count(channel, full) == 1
        else:
            raise AssertionError("what does not fit was confirmed")


@check("returns")
def returns():
    with connect() as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        try:
            channel.basic_publish("", name_of("nowhere"), b"lost", cases.PROPERTIES, mandatory=True)
        except UnroutableError as error:
            (returned,) = error.messages
            assert (returned.method.reply_code, returned.method.reply_text) == (312, "NO_ROUTE")
            assert (returned.properties, returned.body) == (cases.PROPERTIES, b"lost")
        else:
            raise AssertionError("nothing was returned")


@check("prefetch")
def prefetch():
    with connect() as connection:
        channel, publisher = connection.channel(), connection.channel()
        publisher.confirm_delivery()
        queue = exclusive_queue(channel)
        for number in range(5):
            publisher.basic_publish("", queue, str(number).encode())
        channel.basic_qos(prefetch_count=3)
        first = take(channel, queue, 3)
        assert message_count(publisher, queue) == 2
        channel.basic_ack(first[1][0].delivery_tag, multiple=True)
        second = take(channel, queue, 2)
        assert [body for _, _, body in first + second] == [b"0", b"1", b"2", b"3", b"4"]
        channel.basic_nack(0, multiple=True, requeue=True)
        again = take(channel, queue, 3)
        assert [(method.redelivered, body) for method, _, body in again] == [(True, b"2"), (True, b"3"), (True, b"4")]


@check("dead-letter")
def dead_letter():
    with connect() as connection:
        channel = connection.channel()
        dead = exclusive_queue(channel)
        queue = exclusive_queue(channel, **cases.dead_lettering_to(dead))
        channel.basic_publish("", queue, b"rejected")
        ((method, _, _),) = take(channel, queue)
        channel.basic_nack(method.delivery_tag, requeue=False)
        channel.cancel()
        ((_, properties, body),) = take(channel, dead)
        assert body == b"rejected"
        cases.check_death(properties, queue, "rejected")

        channel.basic_publish("", queue, b"too old", pika.BasicProperties(expiration="1"))
        ((_, properties, body),) = take(channel, dead)
        assert body == b"too old"
        cases.check_death(properties, queue, "expired")


@check("large body")
def large_body():
    with connect() as connection:
        channel = connection.channel()
        queue = exclusive_queue(channel)
        for sent in cases.BODIES:
            channel.basic_publish("", queue, sent)
        for sent, (_, _, received) in zip(cases.BODIES, take(channel, queue, len(cases.BODIES)), strict=True):
            assert cases.digest(received) == cases.digest(sent)


main()
