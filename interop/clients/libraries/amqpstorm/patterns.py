"""AMQPStorm: usual ways to use it, with threads and without."""

import itertools
import threading

from amqpstorm import Message, UriConnection
from checks import URL, check, main, name_of

DEADLINE_S = 60


def connect():
    return UriConnection(URL)


def exclusive_queue(channel, **arguments):
    return channel.queue.declare(exclusive=True, arguments=arguments)["queue"]


@check("messages")
def messages():
    with connect() as connection, connection.channel() as channel:
        queue = exclusive_queue(channel)
        sent = Message.create(channel, "naïve", {"content_type": "text/plain"})
        sent.priority = 3
        sent.publish(queue)
        Message.create(channel, '{"a": [1, 2]}').publish(queue)
        text = channel.basic.get(queue)
        assert (text.body, text.priority, text.content_type) == ("naïve", 3, "text/plain")
        assert (text.message_id, text.correlation_id) == (sent.message_id, sent.correlation_id)
        assert text.timestamp == sent.timestamp.replace(microsecond=0)
        assert channel.basic.get(queue).json() == {"a": [1, 2]}
        assert channel.basic.get(queue) is None


@check("threads share a connection")
def threads():
    """Each has a channel of its own; some publish, some consume until each has had its part."""
    with connect() as connection, connection.channel() as channel:
        queue = exclusive_queue(channel)
        seen, complete, lock = set(), threading.Event(), threading.Lock()

        def publish(first):
            with connection.channel() as mine:
                mine.confirm_deliveries()
                for number in range(first, first + 50):
                    assert mine.basic.publish(str(number), queue)

        def consume(mine):
            def on_message(message):
                with lock:
                    seen.add(int(message.body))
                message.ack()
                if len(seen) == 200:
                    complete.set()

            mine.basic.qos(5)
            mine.basic.consume(on_message, queue)
            mine.start_consuming()

        consuming = [connection.channel() for _ in range(4)]
        workers = [threading.Thread(target=consume, args=(mine,)) for mine in consuming]
        workers += [threading.Thread(target=publish, args=(first,)) for first in (0, 50, 100, 150)]
        for worker in workers:
            worker.start()
        assert complete.wait(DEADLINE_S), f"{len(seen)} of 200 messages came"
        for mine in consuming:
            mine.close()
        for worker in workers:
            worker.join(DEADLINE_S)
        assert seen == set(range(200))
        assert channel.queue.delete(queue)["message_count"] == 0


@check("requests and answers")
def requests_and_answers():
    with connect() as connection, connection.channel() as serving, connection.channel() as asking:
        requests = exclusive_queue(serving)

        def on_request(request):
            answer = Message.create(serving, request.body.upper(), {"correlation_id": request.correlation_id})
            answer.publish(request.reply_to)
            request.ack()

        serving.basic.consume(on_request, requests)
        server = threading.Thread(target=serving.start_consuming)
        server.start()
        answers = {}
        asking.basic.consume(queue="amq.rabbitmq.reply-to", no_ack=True)
        for word in ("one", "two"):
            request = Message.create(asking, word)
            request.reply_to = "amq.rabbitmq.reply-to"
            request.publish(requests)
            answers[request.correlation_id] = word.upper()
        coming = asking.build_inbound_messages(break_on_empty=True, empty_timeout=DEADLINE_S)
        assert {message.correlation_id: message.body for message in itertools.islice(coming, 2)} == answers
        serving.close()
        server.join(DEADLINE_S)


@check("transactions")
def transactions():
    with connect() as connection, connection.channel() as channel, connection.channel() as other:
        queue = exclusive_queue(channel)
        with channel.tx:
            channel.basic.publish("done", queue)
            assert other.basic.get(queue) is None
        with channel.tx as transaction:
            channel.basic.publish("undone", queue)
            transaction.rollback()
        assert other.basic.get(queue, no_ack=True).body == "done"
        assert other.basic.get(queue) is None


@check("consumer cancelled by the broker")
def cancelled_by_the_broker():
    with connect() as connection, connection.channel() as channel, connection.channel() as other:
        queue = exclusive_queue(channel)
        channel.basic.consume(lambda message: other.queue.delete(queue), queue, no_ack=True)
        channel.basic.publish("", queue)
        channel.start_consuming()  # ends because no consumer is left
        assert channel.consumer_tags == []
        assert channel.is_open


@check("recover")
def recover():
    with connect() as connection, connection.channel() as channel:
        queue = exclusive_queue(channel)
        channel.basic.publish("again", queue)
        channel.basic.consume(queue=queue)
        coming = channel.build_inbound_messages(break_on_empty=True, empty_timeout=DEADLINE_S)
        assert not next(coming).redelivered
        channel.basic.recover(requeue=True)
        again = next(coming)
        assert (again.redelivered, again.body) == (True, "again")


@check("quorum queue with a delivery limit")
def quorum_queue():
    with connect() as connection, connection.channel() as channel:
        channel.confirm_deliveries()
        dead = exclusive_queue(channel)
        arguments = {"x-queue-type": "quorum", "x-delivery-limit": 1, "x-dead-letter-exchange": ""}
        arguments["x-dead-letter-routing-key"] = dead
        queue = channel.queue.declare(name_of("quorum"), durable=True, arguments=arguments)["queue"]
        channel.basic.publish("poison", queue)
        channel.basic.consume(queue=queue)
        channel.basic.consume(queue=dead)
        counts = []
        for message in channel.build_inbound_messages(break_on_empty=True, empty_timeout=DEADLINE_S):
            headers = message.properties["headers"] or {}
            if "x-death" in headers:
                assert headers["x-death"][0]["reason"] == "delivery_limit"
                break
            counts.append(headers.get("x-delivery-count"))
            message.reject(requeue=True)
        assert counts == [None, 1]
        channel.queue.delete(queue)


main()
