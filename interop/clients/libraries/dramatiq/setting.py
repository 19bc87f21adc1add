"""What the programs of this folder share."""

import contextlib

import dramatiq
from checks import URL
from dramatiq.brokers.rabbitmq import RabbitmqBroker

TIMEOUT_S = 30
KINDS = ("", ".DQ", ".XQ")  # the queue, its delayed messages, its dead ones


@contextlib.contextmanager
def declared(**options):
    """A broker whose queues are gone in the end."""
    broker = RabbitmqBroker(url=URL, **options)
    broker.emit_after("process_boot")  # as the command line does: it starts the clock of time limits
    dramatiq.set_broker(broker)
    try:
        yield broker
    finally:
        del broker.connection  # the next one is new, whatever became of this one
        for queue in broker.get_declared_queues():
            for kind in KINDS:
                broker.channel.queue_delete(queue + kind)
        broker.close()


@contextlib.contextmanager
def working(broker, *, threads=4, prefetch=None):
    worker = dramatiq.Worker(broker, worker_timeout=100, worker_threads=threads)
    worker.queue_prefetch = prefetch or worker.queue_prefetch
    worker.start()
    try:
        yield worker
    finally:
        worker.stop()


def next_of(results):
    return results.get(timeout=TIMEOUT_S)


def dead_letter_of(broker, queue):
    """The next dead message of a queue, when there is one: its headers and what it asked for."""
    method, properties, body = next(broker.channel.consume(f"{queue}.XQ", inactivity_timeout=TIMEOUT_S))
    assert method, "no dead letter"
    broker.channel.basic_ack(method.delivery_tag)
    broker.channel.cancel()
    return properties.headers, dramatiq.Message.decode(body)
