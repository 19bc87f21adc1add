"""pika.BlockingConnection: usual ways to use it."""

import functools
import socket
import threading

import pika
from cases import DEADLINE_S, PARAMETERS
from checks import check, main, name_of


def connect():
    return pika.BlockingConnection(PARAMETERS)


def exclusive_queue(channel, **arguments):
    return channel.queue_declare("", exclusive=True, arguments=arguments).method.queue


def get(channel, queue):
    """The next message's body, which is acknowledged; None if there is none."""
    return channel.basic_get(queue, auto_ack=True)[2]


def serve_until(connection, condition):
    """Let the callbacks of a connection be called until something has happened."""
    expired = []
    connection.call_later(DEADLINE_S, lambda: expired.append(True))
    while not condition():
        assert not expired, "what was waited for did not happen"
        connection.process_data_events(time_limit=None)


@check("direct reply-to")
def direct_reply_to():
    with connect() as server, connect() as client:

        def on_request(channel, method, properties, body):
            answer = pika.BasicProperties(correlation_id=properties.correlation_id)
            channel.basic_publish("", properties.reply_to, body.upper(), answer)
            channel.basic_ack(method.delivery_tag)

        serving = server.channel()
        requests = serving.queue_declare(name_of("requests"), auto_delete=True).method.queue
        serving.basic_consume(requests, on_request)

        answers = []
        asking = client.channel()
        asking.basic_consume("amq.rabbitmq.reply-to", lambda *message: answers.append(message), auto_ack=True)
        for number in range(3):
            properties = pika.BasicProperties(reply_to="amq.rabbitmq.reply-to", correlation_id=str(number))
            asking.basic_publish("", requests, b"answer %d" % number, properties)
            server.process_data_events(time_limit=None)
            serve_until(client, lambda wanted=number + 1: len(answers) == wanted)
        assert [(properties.correlation_id, body) for _, _, properties, body in answers] == [
            ("0", b"ANSWER 0"),
            ("1", b"ANSWER 1"),
            ("2", b"ANSWER 2"),
        ]


@check("threads acknowledge by way of the connection")
def threads():
    with connect() as connection:
        channel = connection.channel()
        queue = exclusive_queue(channel)
        for number in range(20):
            channel.basic_publish("", queue, str(number).encode())
        workers, acknowledged = [], []

        def acknowledge(tag):
            channel.basic_ack(tag)
            acknowledged.append(tag)

        def on_message(_, method, properties, body):
            tell = functools.partial(connection.add_callback_threadsafe, lambda: acknowledge(method.delivery_tag))
            workers.append(threading.Thread(target=tell))
            workers[-1].start()

        channel.basic_qos(prefetch_count=4)
        channel.basic_consume(queue, on_message)
        serve_until(connection, lambda: len(acknowledged) == 20)
        for worker in workers:
            worker.join()
        channel.close()
        assert sorted(acknowledged) == list(range(1, 21))
        assert connection.channel().queue_delete(queue).method.message_count == 0


@check("start_consuming until it is stopped")
def start_consuming():
    with connect() as connection:
        channel = connection.channel()
        queues = [exclusive_queue(channel) for _ in range(3)]
        seen = dict.fromkeys(queues, 0)

        def on_message(queue, channel, method, properties, body):
            seen[queue] += 1
            if set(seen.values()) == {2}:
                channel.stop_consuming()

        for queue in queues:
            channel.basic_consume(queue, functools.partial(on_message, queue), auto_ack=True)
        for queue in queues * 2:
            channel.basic_publish("", queue, b"")
        channel.start_consuming()
        assert channel.consumer_tags == []


@check("transactions")
def transactions():
    with connect() as connection:
        channel, other = connection.channel(), connection.channel()
        queue = exclusive_queue(channel)
        channel.tx_select()
        channel.basic_publish("", queue, b"undone")
        channel.tx_rollback()
        channel.basic_publish("", queue, b"done")
        assert get(other, queue) is None
        channel.tx_commit()
        assert get(other, queue) == b"done"
        assert get(other, queue) is None


@check("consumer cancelled by the broker")
def cancelled_by_the_broker():
    with connect() as connection:
        channel = connection.channel()
        cancelled = []
        channel.add_on_cancel_callback(cancelled.append)
        queue = exclusive_queue(channel)
        tag = channel.basic_consume(queue, lambda *_: None)
        connection.channel().queue_delete(queue)
        serve_until(connection, lambda: cancelled)
        assert cancelled[0].method.consumer_tag == tag
        assert channel.consumer_tags == []
        iterated = exclusive_queue(channel)
        connection.call_later(0, lambda: connection.channel().queue_delete(iterated))
        assert list(channel.consume(iterated)) == []


@check("the first host that answers")
def hosts():
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        silent = pika.ConnectionParameters("127.0.0.1", nobody.getsockname()[1])
        with pika.BlockingConnection([silent, PARAMETERS]) as connection:
            assert connection.channel().is_open


@check("alternate exchange")
def alternate_exchange():
    main_exchange, alternate = name_of("main"), name_of("alternate")
    with connect() as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.exchange_declare(alternate, "fanout", auto_delete=True)
        channel.exchange_declare(main_exchange, "direct", arguments={"alternate-exchange": alternate})
        queue = exclusive_queue(channel)
        channel.queue_bind(queue, alternate)
        channel.basic_publish(main_exchange, "unbound", b"found", mandatory=True)
        assert get(channel, queue) == b"found"
        channel.exchange_delete(main_exchange)


@check("priorities")
def priorities():
    with connect() as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        queue = exclusive_queue(channel, **{"x-max-priority": 9})
        for priority in (0, 5, 9, 5):
            channel.basic_publish("", queue, str(priority).encode(), pika.BasicProperties(priority=priority))
        assert [get(channel, queue) for _ in range(4)] == [b"9", b"5", b"5", b"0"]


@check("quorum queue with a delivery limit")
def quorum_queue():
    with connect() as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        dead = exclusive_queue(channel)
        arguments = {"x-queue-type": "quorum", "x-delivery-limit": 1, "x-dead-letter-exchange": ""}
        arguments["x-dead-letter-routing-key"] = dead
        queue = channel.queue_declare(name_of("quorum"), durable=True, arguments=arguments).method.queue
        channel.basic_publish("", queue, b"poison")
        counts = []
        for method, properties, _ in channel.consume(queue, inactivity_timeout=DEADLINE_S):
            counts.append((properties.headers or {}).get("x-delivery-count"))
            channel.basic_reject(method.delivery_tag, requeue=True)
            if len(counts) == 2:
                break
        channel.cancel()
        _, properties, body = next(channel.consume(dead, inactivity_timeout=DEADLINE_S))
        assert counts == [None, 1]
        assert (body, properties.headers["x-death"][0]["reason"]) == (b"poison", "delivery_limit")
        channel.queue_delete(queue)


@check("single active consumer")
def single_active_consumer():
    with connect() as connection:
        first, second, publisher = connection.channel(), connection.channel(), connection.channel()
        queue = exclusive_queue(first, **{"x-single-active-consumer": True})
        seen = []
        tag = first.basic_consume(queue, lambda *message: seen.append(("first", message[3])), auto_ack=True)
        second.basic_consume(queue, lambda *message: seen.append(("second", message[3])), auto_ack=True)
        publisher.basic_publish("", queue, b"1")
        publisher.basic_publish("", queue, b"2")
        serve_until(connection, lambda: len(seen) == 2)
        first.basic_cancel(tag)
        publisher.basic_publish("", queue, b"3")
        serve_until(connection, lambda: len(seen) == 3)
        assert seen == [("first", b"1"), ("first", b"2"), ("second", b"3")]


main()
