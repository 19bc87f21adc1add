"""How Kombu recovers, and what it does to keep a connection."""

import contextlib
import queue as queues
import socket
import threading

from checks import URL, check, cut, force_close, main, name_of
from kombu import Connection, Consumer, Exchange, Producer, Queue
from kombu.mixins import ConsumerMixin
from kombu.pools import connections, producers

TIMEOUT_S = 30
RETRY = {"retry": True, "retry_policy": {"max_retries": 30, "interval_start": 0, "interval_step": 0.2}}
CONFIRMED = {"transport_options": {"confirm_publish": True}}


class Worker(ConsumerMixin):
    """Puts what it receives where another thread can wait for it."""

    def __init__(self, connection, *consumed):
        self.connection = connection
        self.consumed = consumed
        self.received = queues.Queue()
        self.started = queues.Queue()

    def get_consumers(self, Consumer, channel):
        return [Consumer(self.consumed, on_message=self.received.put, prefetch_count=10)]

    def on_consume_ready(self, connection, channel, consumers, **_):
        self.started.put(True)


@contextlib.contextmanager
def working(*consumed):
    """A worker in a thread of its own. Another may acknowledge what it received: py-amqp serializes what is written."""
    with Connection(URL) as connection:
        worker = Worker(connection, *consumed)
        thread = threading.Thread(target=worker.run, daemon=True)
        thread.start()
        worker.started.get(timeout=TIMEOUT_S)
        try:
            yield worker
        finally:
            worker.should_stop = True
            thread.join(TIMEOUT_S)
        assert not thread.is_alive()


def payload_and_flag(message):
    return message.payload, message.delivery_info["redelivered"]


def goes_on_after(interrupt):
    """Nothing is done anew here: the mixin and the producer do it."""
    work = Queue(name_of("work"), durable=True)
    told = Queue(name_of("told"), Exchange(name_of("tell"), "fanout", auto_delete=True), exclusive=True, durable=False)
    with Connection(URL, **CONFIRMED) as connection:
        producer = Producer(connection)
        with working(work, told) as worker:
            producer.publish("unacked", routing_key=work.name, delivery_mode=2)
            assert payload_and_flag(worker.received.get(timeout=TIMEOUT_S)) == ("unacked", False)
            interrupt()
            worker.started.get(timeout=TIMEOUT_S)
            again = worker.received.get(timeout=TIMEOUT_S)
            assert payload_and_flag(again) == ("unacked", True)
            again.ack()
            producer.publish("new", routing_key=work.name, **RETRY)
            assert payload_and_flag(worker.received.get(timeout=TIMEOUT_S)) == ("new", False)
            producer.publish("to all", exchange=told.exchange, **RETRY)
            assert payload_and_flag(worker.received.get(timeout=TIMEOUT_S)) == ("to all", False)
        work(connection).delete()


@check("reconnect after a forced close")
def reconnect_after_a_forced_close():
    goes_on_after(force_close)


@check("reconnect after a cut")
def reconnect_after_a_cut():
    goes_on_after(cut)


@check("consumer cancel")
def consumer_cancel():
    """A worker whose queue was deleted declares it again."""
    queue = Queue(name_of("vanishing"), auto_delete=True)
    with Connection(URL) as connection, working(queue) as worker:
        queue(connection).delete()
        worker.started.get(timeout=TIMEOUT_S)
        Producer(connection).publish("found", routing_key=queue.name)
        assert worker.received.get(timeout=TIMEOUT_S).payload == "found"


@check("ensure")
def ensure():
    """A consumer consumes again, and what it was doing is tried again, when the connection was lost."""
    received, failures = [], []
    with Connection(URL) as connection:
        queue = Queue(name_of("ensured"), exclusive=True, durable=False)
        with Consumer(connection, queue, on_message=received.append, no_ack=True) as consumer:

            def round_trip():
                Producer(connection).publish("sent", routing_key=queue.name)
                while not received:
                    connection.drain_events(timeout=TIMEOUT_S)

            cut()
            connection.ensure(consumer, round_trip, errback=lambda error, _: failures.append(error), max_retries=3)()
    assert [message.payload for message in received] == ["sent"]
    assert failures and all(isinstance(error, OSError) for error in failures)


@check("autoretry")
def autoretry():
    with Connection(URL) as connection:
        channel = connection.default_channel
        force_close()
        declare = connection.autoretry(
            lambda channel: Queue(name_of("retried"), exclusive=True, durable=False)(channel).declare(), channel
        )
        name, revived = declare()
        assert name == name_of("retried") and revived is not channel
        assert revived.queue_declare(name, passive=True).message_count == 0


@check("failover")
def failover():
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # it does not listen
        dead = f"amqp://guest:guest@127.0.0.1:{nobody.getsockname()[1]}//"
        with Connection(f"{dead};{URL}", failover_strategy="round-robin") as connection:
            failures = []
            connection.ensure_connection(errback=lambda error, _: failures.append(error), interval_start=0)
            assert len(failures) == 1 and isinstance(failures[0], ConnectionRefusedError)
            assert connection.as_uri(include_password=True) == Connection(URL).as_uri(include_password=True)
            assert connection.default_channel.queue_declare(exclusive=True).message_count == 0


@check("pools")
def pools():
    """Threads share producers, and do not notice that all connections end."""
    base = Connection(URL, **CONFIRMED)
    queue = Queue(name_of("pooled"), durable=True)

    def publish(number):
        with producers[base].acquire(block=True) as producer:
            producer.publish(number, routing_key=queue.name, declare=[queue], **RETRY)

    def publish_all(numbers):
        threads = [threading.Thread(target=publish, args=(number,)) for number in numbers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    publish_all(range(30))
    force_close()
    publish_all(range(30, 60))
    with connections[base].acquire(block=True) as connection:
        bound = queue(connection)
        received = [bound.get(no_ack=True).payload for _ in range(60)]
        assert bound.get() is None
        bound.delete()
    assert sorted(received) == list(range(60))
    producers[base].force_close_all()
    connections[base].force_close_all()


@check("heartbeats")
def heartbeats():
    with Connection(URL, heartbeat=1) as connection:
        connection.connect()
        assert connection.get_heartbeat_interval() == 1
        received = connection.connection.bytes_recv
        while connection.connection.bytes_recv < received + 3:  # frames: nothing else comes
            connection.heartbeat_check()
            with contextlib.suppress(TimeoutError):
                connection.drain_events(timeout=0.4)
        assert connection.default_channel.queue_declare(exclusive=True).message_count == 0


main()
