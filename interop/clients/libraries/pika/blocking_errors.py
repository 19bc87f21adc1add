"""pika.BlockingConnection: what it raises, and how its users go on."""

import cases
import pika
from cases import PARAMETERS
from checks import check, cut, force_close, main, name_of
from pika.exceptions import (
    ChannelClosedByBroker,
    ConnectionClosedByBroker,
    ProbableAccessDeniedError,
    ProbableAuthenticationError,
    StreamLostError,
)


def connect():
    return pika.BlockingConnection(PARAMETERS)


@check("errors")
def errors():
    with connect() as connection, connect() as other:
        queue = connection.channel().queue_declare(name_of("locked"), exclusive=True).method.queue
        for code, refused in (
            (403, lambda channel: channel.exchange_declare("amq.mine")),
            (404, lambda channel: channel.queue_bind(queue, name_of("missing"))),
            (404, lambda channel: (channel.basic_publish(name_of("missing"), "", b""), channel.basic_qos())),
            (406, lambda channel: channel.queue_declare(queue, exclusive=True, auto_delete=True)),
            (406, lambda channel: (channel.basic_ack(99), channel.basic_qos())),
        ):
            assert (closed := refusal(refused, connection.channel())).reply_code == code, closed
        assert (closed := refusal(other.channel().queue_declare, queue, passive=True)).reply_code == 405, closed
        assert (closed := refusal(other.channel().basic_qos, prefetch_size=1)).reply_code == 540, closed
        assert other.is_closed
        assert connection.channel().queue_declare(queue, passive=True).method.message_count == 0
    for parameters, expected in (
        (cases.wrong_password(), ProbableAuthenticationError),
        (cases.unknown_virtual_host(), ProbableAccessDeniedError),
    ):
        try:
            pika.BlockingConnection(parameters)
        except expected:
            continue
        raise AssertionError("the login was not refused")


def refusal(operation, *arguments, **options):
    """With what the broker closed the channel or the connection."""
    try:
        operation(*arguments, **options)
    except (ChannelClosedByBroker, ConnectionClosedByBroker) as closed:
        return closed
    raise AssertionError("it was not refused")


@check("reconnect after a forced close")
def reconnect_after_a_forced_close():
    lost = reconnect(force_close, ConnectionClosedByBroker)
    assert lost.reply_code == 320, lost


@check("reconnect after a cut")
def reconnect_after_a_cut():
    reconnect(cut, StreamLostError)


def reconnect(break_connection, expected):
    """A consumer as in pika's documentation, which begins anew when it loses its connection. The error is returned."""
    queue, seen, lost = name_of("work"), [], []

    def on_message(channel, method, properties, body):
        seen.append((method.redelivered, body))
        if lost:
            channel.basic_ack(method.delivery_tag)
        elif body == b"3":
            channel.basic_ack(1)
            channel.basic_qos()  # its reply says that the broker has seen the ack
            break_connection()
        if len(seen) == 6:
            channel.stop_consuming()

    while True:
        connection = connect()
        try:
            channel = connection.channel()
            channel.queue_declare(queue, durable=True)
            for body in [b"4"] if lost else [b"1", b"2", b"3"]:
                channel.basic_publish("", queue, body)
            channel.basic_consume(queue, on_message)
            channel.start_consuming()
            break
        except expected as error:
            lost.append(error)
    assert seen[:3] == [(False, b"1"), (False, b"2"), (False, b"3")], seen
    assert sorted(seen[3:]) == [(False, b"4"), (True, b"2"), (True, b"3")], seen
    assert channel.queue_delete(queue).method.message_count == 0
    connection.close()
    (error,) = lost
    return error


main()
