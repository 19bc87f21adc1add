"""rabbitpy: what it raises, and a consumer that connects again."""

from urllib.parse import urlsplit

import rabbitpy
from checks import URL, check, cut, force_close, main, name_of
from rabbitpy import exceptions


def connect(url=URL):
    return rabbitpy.Connection(url)


@check("errors")
def errors():
    with connect() as connection, connection.channel() as channel:
        locked = rabbitpy.Queue(channel, name_of("locked"), exclusive=True)
        locked.declare()
        different = rabbitpy.Queue(channel, locked.name, exclusive=True, auto_delete=True)
        refused(exceptions.AMQPPreconditionFailed, lambda channel: different.declare(), channel)
        for kind, operation in (
            (exceptions.AMQPAccessRefused, lambda channel: rabbitpy.DirectExchange(channel, "amq.mine").declare()),
            (exceptions.AMQPNotFound, lambda channel: rabbitpy.Queue(channel, name_of("missing")).purge()),
            (exceptions.AMQPResourceLocked, lambda channel: rabbitpy.Queue(channel, locked.name).declare(passive=True)),
            (exceptions.AMQPNotImplemented, lambda channel: channel.prefetch_size(1)),
        ):
            other = connect()
            refused(kind, operation, other.channel())
        assert len(rabbitpy.Queue(connection.channel(), locked.name)) == 0


@check("logins that are refused")
def refused_logins():
    login = urlsplit(URL)
    address = f"{login.hostname}:{login.port}"
    refused(exceptions.AMQPAccessRefused, connect, f"amqp://{login.username}:wrong@{address}/%2F")
    refused(exceptions.AMQPNotAllowed, connect, f"amqp://{login.username}:{login.password}@{address}/nowhere")


def refused(kind, operation, *arguments):
    try:
        operation(*arguments)
    except kind:
        return
    raise AssertionError(f"there was no {kind.__name__}")


@check("reconnect after a forced close")
def reconnect_after_a_forced_close():
    told = reconnect(force_close)
    assert any(isinstance(error, exceptions.AMQPConnectionForced) for error in told), told


@check("reconnect after a cut")
def reconnect_after_a_cut():
    reconnect(cut)


def reconnect(break_connections):
    """A consumer that begins anew when it loses its connection. What it was told of that.

    That may be more than one error: the iterator ends by cancelling the consumer, which fails as well.
    """
    seen, lost = [], []
    while len(seen) < 6:
        connection = connect()
        channel = connection.channel()
        queue = rabbitpy.Queue(channel, name_of("work"), durable=True)
        queue.declare()
        for body in ["4"] if lost else ["1", "2", "3"]:
            rabbitpy.Message(channel, body).publish("", queue.name)
        try:
            for message in queue:
                seen.append((message.redelivered, message.body))
                if lost or len(seen) == 1:
                    message.ack()
                if len(seen) == 3:
                    channel.prefetch_count(0)  # the reply says that the broker has seen the ack
                    break_connections()
                if len(seen) == 6:
                    queue.stop_consuming()
        except exceptions.RabbitpyException as error:
            lost.append(error)
    queue.delete()
    connection.close()
    assert seen[:3] == [(False, b"1"), (False, b"2"), (False, b"3")], seen
    assert sorted(seen[3:]) == [(False, b"4"), (True, b"2"), (True, b"3")], seen
    (error,) = lost
    return [error, error.__context__]


main()
