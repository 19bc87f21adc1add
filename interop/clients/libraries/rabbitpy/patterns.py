"""rabbitpy: usual ways to use it."""

import rabbitpy
from checks import URL, check, main, name_of
from rabbitpy.exceptions import RemoteCancellationException


def connect():
    return rabbitpy.Connection(URL)


def exclusive_queue(channel, what):
    queue = rabbitpy.Queue(channel, name_of(what), exclusive=True)
    queue.declare()
    return queue


def send(channel, queue, body=b""):
    rabbitpy.Message(channel, body).publish("", queue.name)


@check("transactions")
def transactions():
    with connect() as connection, connection.channel() as channel, connection.channel() as other:
        queue = exclusive_queue(channel, "transactions")
        seen = rabbitpy.Queue(other, queue.name)
        transaction = rabbitpy.Tx(channel)
        transaction.select()
        send(channel, queue, b"undone")
        assert transaction.rollback()
        send(channel, queue, b"done")
        assert seen.get() is None
        assert transaction.commit()
        assert seen.get().body == b"done"


@check("consumer cancelled by the broker")
def cancelled_by_the_broker():
    with connect() as connection, connection.channel() as channel, connection.channel() as other:
        queue = exclusive_queue(channel, "cancelled")
        send(channel, queue)
        try:
            for _ in queue.consume(no_ack=True):
                rabbitpy.Queue(other, queue.name).delete()
        except RemoteCancellationException:
            return
        raise AssertionError("the consumer was not cancelled")


@check("without a connection of one's own")
def simple():
    name = name_of("simple")
    rabbitpy.create_queue(URL, name)
    rabbitpy.publish(URL, routing_key=name, body="hello", confirm=True)
    assert rabbitpy.get(URL, name).body == b"hello"
    rabbitpy.delete_queue(URL, name)


main()
