"""Threads that share a connection of pika."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from .blocking import take

if TYPE_CHECKING:
    from collections.abc import Callable

    import pika


def test_threads_publish_through_the_connections_loop(
    connect: Callable[..., pika.BlockingConnection], name: str
) -> None:
    connection, consumer = connect(), connect()
    channel = connection.channel()
    channel.queue_declare(name, auto_delete=True)
    finished = threading.Barrier(5)

    def publish_from(thread_number: int) -> None:
        for number in range(100):
            body = b"%d.%d" % (thread_number, number)
            connection.add_callback_threadsafe(lambda body=body: channel.basic_publish("", name, body))
        finished.wait()

    threads = [threading.Thread(target=publish_from, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    finished.wait()
    for thread in threads:
        thread.join()
    connection.process_data_events()
    bodies = [delivery.body for delivery in take(consumer.channel(), name, 400)]
    for thread_number in range(4):
        own = [body for body in bodies if body.startswith(b"%d." % thread_number)]
        assert own == [b"%d.%d" % (thread_number, number) for number in range(100)]
