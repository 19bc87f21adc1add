"""AMQPStorm: what it raises, and a consumer that connects again, as in its example of a robust one."""

from urllib.parse import urlsplit

from amqpstorm import AMQPChannelError, AMQPConnectionError, AMQPError, UriConnection
from checks import URL, check, cut, force_close, main, name_of


def connect(url=URL):
    return UriConnection(url)


@check("errors")
def errors():
    with connect() as connection, connect() as other:
        locked = connection.channel().queue.declare(name_of("locked"), exclusive=True)["queue"]
        for code, whose, operation in (
            (403, connection, lambda channel: channel.exchange.declare("amq.mine")),
            (404, connection, lambda channel: channel.queue.bind(locked, name_of("missing"))),
            (404, connection, lambda channel: (channel.confirm_deliveries(), channel.basic.publish("", "", "missing"))),
            (405, other, lambda channel: channel.queue.declare(locked, passive=True)),
            (406, connection, lambda channel: channel.queue.declare(locked, exclusive=True, auto_delete=True)),
            (406, connection, lambda channel: (channel.basic.ack(99), channel.basic.qos(1))),
        ):
            assert (error := refusal(AMQPChannelError, operation, whose.channel())).error_code == code, error
        assert connection.channel().queue.declare(locked, passive=True)["message_count"] == 0
        error = refusal(AMQPConnectionError, lambda channel: channel.basic.qos(prefetch_size=1), other.channel())
        assert error.error_code == 540, error
        assert other.is_closed


@check("logins that are refused")
def refused_logins():
    login = urlsplit(URL)
    address = f"{login.hostname}:{login.port}"
    error = refusal(AMQPConnectionError, connect, f"amqp://{login.username}:wrong@{address}/%2F")
    assert error.error_code == 403, error
    error = refusal(AMQPConnectionError, connect, f"amqp://{login.username}:{login.password}@{address}/nowhere")
    assert error.error_code == 530, error


def refusal(kind, operation, *arguments):
    try:
        operation(*arguments)
    except kind as error:
        return error
    raise AssertionError("it was not refused")


@check("reconnect after a forced close")
def reconnect_after_a_forced_close():
    lost = reconnect(force_close)
    assert lost.error_code == 320, lost


@check("reconnect after a cut")
def reconnect_after_a_cut():
    reconnect(cut)


class Consumer:
    """Declares and consumes anew after whatever has ended its channel or its connection."""

    def __init__(self, queue, break_connections):
        self.queue = queue
        self.break_connections = break_connections
        self.seen = []
        self.lost = []

    def run(self):
        while len(self.seen) < 6:
            connection = connect(f"{URL}?heartbeat=1")  # without a heartbeat, it does not notice a cut
            try:
                channel = connection.channel()
                channel.queue.declare(self.queue, durable=True)
                for body in ["4"] if self.lost else ["1", "2", "3"]:
                    channel.basic.publish(body, self.queue)
                channel.basic.consume(self, self.queue)
                channel.start_consuming()
                channel.check_for_errors()
            except AMQPError as error:
                self.lost.append(error)
        connection.close()

    def __call__(self, message):
        self.seen.append((message.redelivered, message.body))
        if self.lost:
            message.ack()
        if len(self.seen) == 3:
            message.channel.basic.ack(1)
            message.channel.basic.qos(0)  # its reply says that the broker has seen the ack
            self.break_connections()
        if len(self.seen) == 6:
            message.channel.queue.delete(self.queue)
            message.channel.stop_consuming()


def reconnect(break_connections):
    """What ended the consumer's first connection."""
    consumer = Consumer(name_of("work"), break_connections)
    consumer.run()
    assert consumer.seen[:3] == [(False, "1"), (False, "2"), (False, "3")], consumer.seen
    assert sorted(consumer.seen[3:]) == [(False, "4"), (True, "2"), (True, "3")], consumer.seen
    (lost,) = consumer.lost
    assert isinstance(lost, AMQPConnectionError), lost
    return lost


main()
