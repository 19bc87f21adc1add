"""What is special to py-amqp or RabbitMQ, and what Kombu builds upon."""

import contextlib
import threading

import amqp
from amqp.exceptions import ChannelError, ConsumerCancelled, PreconditionFailed
from amqp.sasl import AMQPLAIN, PLAIN
from broker import TIMEOUT_S, connect, drain, texts
from checks import check, main, name_of


@check("capabilities")
def capabilities():
    with connect(client_properties={"connection_name": name_of("connection")}) as connection:
        for name in ("publisher_confirms", "exchange_exchange_bindings", "basic.nack", "consumer_cancel_notify"):
            assert connection.server_capabilities[name] is True, name
        agreed = connection.client_properties["capabilities"]
        assert agreed["connection.blocked"] and agreed["authentication_failure_close"]


@check("login mechanisms")
def login_mechanisms():
    for mechanism in (PLAIN, AMQPLAIN):
        with connect(authentication=[mechanism("guest", "guest")]) as connection:
            assert connection.channel().queue_declare(exclusive=True).message_count == 0


@check("confirms, many at a time")
def pipelined_confirms():
    waiting = set(range(1, 1001))

    def confirmed(tag, multiple):
        waiting.difference_update(range(1, tag + 1) if multiple else [tag])

    with connect() as connection:
        channel = connection.channel()
        channel.confirm_select()
        channel.events["basic_ack"].add(confirmed)
        queue = channel.queue_declare(exclusive=True).queue
        for tag in range(1, 1001):
            channel.basic_publish(amqp.Message(str(tag)), "", queue)
        while waiting:
            connection.drain_events(timeout=TIMEOUT_S)
        assert channel.queue_delete(queue) == 1000


@check("a return that nobody handles")
def unhandled_return():
    with connect(confirm_publish=True) as connection:
        channel = connection.channel()
        try:
            channel.basic_publish(amqp.Message("lost"), "", name_of("nowhere"), mandatory=True)
        except ChannelError as error:
            assert error.reply_code == 312 and error.method_name == "Basic.return"
        else:
            raise AssertionError("nothing was returned")


@check("transactions")
def transactions():
    with connect() as connection:
        channel = connection.channel()
        channel.tx_select()
        queue = channel.queue_declare(exclusive=True).queue
        channel.basic_publish(amqp.Message("rolled back"), "", queue)
        channel.tx_rollback()
        channel.basic_publish(amqp.Message("committed"), "", queue)
        assert channel.basic_get(queue) is None
        channel.tx_commit()
        message = channel.basic_get(queue)
        channel.basic_ack(message.delivery_tag)
        channel.tx_rollback()  # the acknowledgement, which can be given again
        channel.basic_ack(message.delivery_tag)
        channel.tx_commit()
        assert message.body == "committed"
        try:
            channel.confirm_select()
        except PreconditionFailed as error:
            assert error.reply_code == 406
        else:
            raise AssertionError("a transactional channel confirms")


@check("consumer cancel")
def consumer_cancel():
    cancelled = []
    with connect() as connection:
        channel = connection.channel()
        watched = channel.queue_declare(exclusive=True).queue
        tag = channel.basic_consume(watched, on_cancel=cancelled.append)
        channel.queue_delete(watched)
        drain(connection, cancelled, 1)
        assert cancelled == [tag]
        unwatched = channel.queue_declare(exclusive=True).queue
        channel.basic_consume(unwatched)
        try:
            channel.queue_delete(unwatched)
            connection.drain_events(timeout=TIMEOUT_S)
        except ConsumerCancelled:
            pass
        else:
            raise AssertionError("nobody was told")


@check("recover")
def recover():
    messages = []
    with connect() as connection:
        channel = connection.channel()
        queue = channel.queue_declare(exclusive=True).queue
        channel.basic_consume(queue, callback=messages.append)
        for text in ("one", "two"):
            channel.basic_publish(amqp.Message(text), "", queue)
        drain(connection, messages, 2)
        channel.basic_recover(requeue=True)
        drain(connection, messages, 4)
    assert texts(messages) == ["one", "two", "one", "two"]
    assert [message.delivery_info["redelivered"] for message in messages] == [False, False, True, True]


@check("several channels")
def several_channels():
    messages = []
    with connect() as connection:
        channels = [connection.channel() for _ in range(20)]
        for channel in channels:
            queue = channel.queue_declare(exclusive=True).queue
            channel.basic_consume(queue, callback=messages.append, no_ack=True)
            channel.basic_publish(amqp.Message(str(channel.channel_id)), "", queue)
        drain(connection, messages, len(channels))
        assert sorted(int(text) for text in texts(messages)) == sorted(channel.channel_id for channel in channels)
        assert all(int(message.body) == message.channel.channel_id for message in messages)
        channels[0].close()
        assert channels[1].queue_declare(exclusive=True).consumer_count == 0


@check("flow")
def flow():
    with connect() as connection:
        channel = connection.channel()
        channel.flow(True)
        queue = channel.queue_declare(exclusive=True).queue
        channel.basic_publish(amqp.Message("flows"), "", queue)
        assert channel.basic_get(queue, no_ack=True).body == "flows"


@check("nowait")
def nowait():
    messages = []
    with connect() as connection:
        channel = connection.channel()
        queue, exchange = name_of("nowait"), name_of("nowait")
        channel.exchange_declare(exchange, "direct", auto_delete=False, nowait=True)
        channel.queue_declare(queue, exclusive=True, nowait=True)
        channel.queue_bind(queue, exchange, "key", nowait=True)
        channel.basic_consume(queue, "tag", no_ack=True, callback=messages.append, nowait=True)
        channel.basic_publish(amqp.Message("got"), exchange, "key")
        drain(connection, messages, 1)
        channel.basic_cancel("tag", nowait=True)
        channel.queue_delete(queue, nowait=True)
        channel.exchange_delete(exchange, nowait=True)
        assert messages[0].delivery_info["consumer_tag"] == "tag"


@check("heartbeats")
def heartbeats():
    with connect(heartbeat=1) as connection:
        assert connection.heartbeat == 1
        channel = connection.channel()
        received = connection.bytes_recv
        while connection.bytes_recv < received + 3:  # frames: nothing else comes
            connection.heartbeat_tick()
            with contextlib.suppress(TimeoutError):
                connection.drain_events(timeout=0.4)
        assert channel.queue_declare(exclusive=True).message_count == 0


@check("heartbeats that do not come")
def missed_heartbeats():
    connection = connect(heartbeat=1)
    connection.connect()
    try:
        while True:
            connection.drain_events(timeout=TIMEOUT_S)
    except OSError as error:
        assert not isinstance(error, TimeoutError), "the broker still waits"
    finally:
        connection.collect()


@check("threads")
def threads():
    """A connection is one thread's: each publisher has its own."""
    messages = []
    with connect() as connection:
        channel = connection.channel()
        queue = channel.queue_declare(exclusive=True).queue
        channel.basic_consume(queue, callback=messages.append, no_ack=True)

        def publish(number):
            with connect() as own:
                own_channel = own.channel()
                for _ in range(200):
                    own_channel.basic_publish(amqp.Message(str(number)), "", queue)

        publishers = [threading.Thread(target=publish, args=(number,)) for number in range(4)]
        for publisher in publishers:
            publisher.start()
        drain(connection, messages, 800)
        for publisher in publishers:
            publisher.join()
    assert sorted(texts(messages)) == sorted(str(number) for number in range(4) for _ in range(200))


main()
