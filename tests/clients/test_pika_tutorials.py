"""The six patterns of RabbitMQ's tutorials with pika's BlockingConnection."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pika

from .blocking import get_all, get_body, message_count, take, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from pika.adapters.blocking_connection import BlockingChannel


def exclusive_queue(channel: BlockingChannel, exchange: str, *routing_keys: str) -> str:
    queue = channel.queue_declare("", exclusive=True).method.queue
    for routing_key in routing_keys:
        channel.queue_bind(queue, exchange, routing_key)
    return queue


def test_hello_world(connect: Callable[..., pika.BlockingConnection], name: str) -> None:
    sender = connect().channel()
    sender.queue_declare(name, auto_delete=True)
    sender.basic_publish("", name, b"Hello World!")

    receiver = connect().channel()
    receiver.queue_declare(name, auto_delete=True)
    received: list[bytes] = []

    def on_message(channel: BlockingChannel, method: pika.spec.Basic.Deliver, _: object, body: bytes) -> None:
        assert (method.exchange, method.routing_key, method.redelivered) == ("", name, False)
        received.append(body)
        channel.stop_consuming()

    receiver.basic_consume(name, on_message, auto_ack=True)
    receiver.start_consuming()
    assert received == [b"Hello World!"]


def test_work_queue_gives_a_busy_worker_nothing_more(
    connect: Callable[..., pika.BlockingConnection], name: str
) -> None:
    connection = connect()
    setup = connection.channel()
    setup.queue_declare(name, durable=True)
    done_by: dict[str, list[bytes]] = {"busy": [], "free": []}
    held: list[int] = []

    def busy(_: BlockingChannel, method: pika.spec.Basic.Deliver, __: object, body: bytes) -> None:
        held.append(method.delivery_tag)
        done_by["busy"].append(body)

    def free(channel: BlockingChannel, method: pika.spec.Basic.Deliver, _: object, body: bytes) -> None:
        done_by["free"].append(body)
        channel.basic_ack(method.delivery_tag)

    workers = connection.channel(), connection.channel()
    for worker, work in zip(workers, (busy, free), strict=True):
        worker.basic_qos(prefetch_count=1)
        worker.basic_consume(name, work)
    persistent = pika.BasicProperties(delivery_mode=pika.DeliveryMode.Persistent)
    for number in range(10):
        setup.basic_publish("", name, b"task %d" % number, persistent)
    wait_until(connection, lambda: len(done_by["busy"] + done_by["free"]) == 10)
    assert len(done_by["busy"]) == 1
    assert sorted(done_by["busy"] + done_by["free"]) == [b"task %d" % number for number in range(10)]

    workers[0].close()  # with its task unacknowledged
    wait_until(connection, lambda: len(done_by["free"]) == 10)
    assert done_by["free"][-1] == done_by["busy"][0]
    workers[1].close()
    assert setup.queue_delete(name).method.message_count == 0


def test_publish_subscribe(connect: Callable[..., pika.BlockingConnection], name: str) -> None:
    channel = connect().channel()
    channel.exchange_declare(name, "fanout", auto_delete=True)
    channel.basic_publish(name, "", b"before anybody listens")
    queues = [exclusive_queue(channel, name, "") for _ in range(3)]
    assert len(set(queues)) == 3
    assert all(queue.startswith("amq.gen-") for queue in queues)
    connect().channel().basic_publish(name, "ignored", b"to all")
    assert [take(channel, queue, 1)[0].body for queue in queues] == [b"to all"] * 3


def test_routing(channel: BlockingChannel, name: str) -> None:
    channel.exchange_declare(name, "direct", auto_delete=True)
    errors = exclusive_queue(channel, name, "error")
    everything = exclusive_queue(channel, name, "info", "warning", "error")
    for severity in ("info", "warning", "error", "debug"):
        channel.basic_publish(name, severity, severity.encode())
    assert get_all(channel, errors) == [b"error"]
    assert get_all(channel, everything) == [b"info", b"warning", b"error"]

    channel.queue_unbind(everything, name, "error")
    channel.basic_publish(name, "error", b"again")
    assert get_body(channel, everything) is None
    assert get_body(channel, errors) == b"again"


def test_topics(channel: BlockingChannel, name: str) -> None:
    channel.exchange_declare(name, "topic", auto_delete=True)
    orange = exclusive_queue(channel, name, "*.orange.*")
    slow_or_rabbit = exclusive_queue(channel, name, "*.*.rabbit", "lazy.#")
    everything = exclusive_queue(channel, name, "#")
    keys = [
        "quick.orange.rabbit",
        "lazy.orange.elephant",
        "quick.orange.fox",
        "lazy.brown.fox",
        "lazy.pink.rabbit",
        "quick.brown.fox",
        "orange",
        "quick.orange.new.rabbit",
        "lazy.orange.new.rabbit",
        "lazy",
    ]
    for key in keys:
        channel.basic_publish(name, key, key.encode())
    assert get_all(channel, orange) == [key.encode() for key in keys[:3]]
    expected = [keys[index].encode() for index in (0, 1, 3, 4, 8, 9)]
    assert get_all(channel, slow_or_rabbit) == expected, "lazy.pink.rabbit matches twice and comes once"
    assert get_all(channel, everything) == [key.encode() for key in keys]


class RpcServer(threading.Thread):
    """Squares the numbers that are sent to a queue, until told to stop."""

    def __init__(self, connection: pika.BlockingConnection, queue: str) -> None:
        super().__init__(daemon=True)
        self._connection = connection
        self._channel = connection.channel()
        self._channel.queue_declare(queue, auto_delete=True)
        self._channel.basic_qos(prefetch_count=1)
        self._channel.basic_consume(queue, self._answer)

    def _answer(
        self,
        channel: BlockingChannel,
        method: pika.spec.Basic.Deliver,
        properties: pika.BasicProperties,
        body: bytes,
    ) -> None:
        reply = pika.BasicProperties(correlation_id=properties.correlation_id)
        channel.basic_publish("", properties.reply_to, b"%d" % int(body) ** 2, reply)
        channel.basic_ack(method.delivery_tag)

    def run(self) -> None:
        self._channel.start_consuming()

    def stop(self) -> None:
        self._connection.add_callback_threadsafe(self._channel.stop_consuming)
        self.join()


def test_rpc(connect: Callable[..., pika.BlockingConnection], name: str) -> None:
    server = RpcServer(connect(), name)
    server.start()
    connection = connect()
    client = connection.channel()
    replies: dict[str, bytes] = {}

    def on_reply(_: BlockingChannel, __: object, properties: pika.BasicProperties, body: bytes) -> None:
        replies[properties.correlation_id] = body

    reply_to = exclusive_queue(client, "")
    client.basic_consume(reply_to, on_reply, auto_ack=True)
    for number in range(50):
        call = pika.BasicProperties(reply_to=reply_to, correlation_id=str(number))
        client.basic_publish("", name, b"%d" % number, call)
    wait_until(connection, lambda: len(replies) == 50)
    assert replies == {str(number): b"%d" % number**2 for number in range(50)}
    assert message_count(client, reply_to) == 0
    server.stop()
