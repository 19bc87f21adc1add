"""pika.BlockingConnection."""

import hashlib
import os

import pika
from checks import URL, check, cut, force_close, main, name_of
from pika.exceptions import ConnectionClosedByBroker, UnroutableError


def connect():
    return pika.BlockingConnection(pika.URLParameters(URL))


@check("confirms")
def confirms():
    with connect() as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        queue = channel.queue_declare(name_of("confirms"), exclusive=True).method.queue
        for number in range(500):
            channel.basic_publish("", queue, str(number).encode())
        assert channel.queue_declare(queue, passive=True).method.message_count == 500


@check("returns")
def returns():
    with connect() as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        try:
            channel.basic_publish("", name_of("nowhere"), b"lost", mandatory=True)
        except UnroutableError as error:
            (returned,) = error.messages
            assert returned.method.reply_code == 312
            assert returned.body == b"lost"
        else:
            raise AssertionError("nothing was returned")


@check("large body")
def large_body():
    body = os.urandom(16 * 1024 * 1024)
    with connect() as connection:
        channel = connection.channel()
        queue = channel.queue_declare("", exclusive=True).method.queue
        channel.basic_publish("", queue, body)
        _, _, received = next(channel.consume(queue))
        assert hashlib.sha256(received).digest() == hashlib.sha256(body).digest()


@check("reconnect after a forced close")
def reconnect_after_a_forced_close():
    connection = connect()
    channel = connection.channel()
    channel.queue_declare(name_of("forced"), exclusive=True)
    force_close()
    try:
        channel.queue_declare(name_of("forced"), passive=True)
    except ConnectionClosedByBroker as closed:
        assert closed.reply_code == 320
    else:
        raise AssertionError("the connection is still open")
    with connect() as connection:
        connection.channel().queue_declare(name_of("forced"), exclusive=True)


@check("reconnect after a cut")
def reconnect_after_a_cut():
    connection = connect()
    connection.channel().queue_declare(name_of("cut"), exclusive=True)
    cut()
    with connect() as connection:
        connection.channel().queue_declare(name_of("cut"), exclusive=True)


main()
