"""What Kombu builds upon queues: remote control, replies, broadcasts, simple queues, delays and event loops."""

import contextlib
import threading

from checks import URL, check, main, name_of
from kombu import Connection, Consumer, Exchange, Producer, Queue, compression, uuid
from kombu.asynchronous import Hub
from kombu.common import Broadcast, collect_replies, drain_consumer, eventloop, itermessages, send_reply
from kombu.mixins import ConsumerProducerMixin
from kombu.pidbox import Mailbox
from kombu.transport.native_delayed_delivery import (
    bind_queue_to_native_delayed_delivery_exchange,
    calculate_routing_key,
    declare_native_delayed_delivery_exchanges_and_queues,
    level_name,
)

TIMEOUT_S = 30


@contextlib.contextmanager
def served(serve):
    """In another thread, enter what `serve` makes of a connection of its own, and let events in until the end."""
    ready, done = threading.Event(), threading.Event()

    def run():
        with Connection(URL) as connection, serve(connection):
            ready.set()
            while not done.is_set():
                with contextlib.suppress(TimeoutError):
                    connection.drain_events(timeout=0.2)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert ready.wait(TIMEOUT_S)
    try:
        yield
    finally:
        done.set()
        thread.join(TIMEOUT_S)


def listening(mailbox, name, told):
    """A node of a mailbox, in a thread of its own."""

    def serve(connection):
        node = mailbox(connection).Node(name, channel=connection.channel())
        node.handlers["echo"] = lambda state, text: f"{name}: {text}"
        node.handlers["tell"] = lambda state: told.set()
        return node.listen()

    return served(serve)


@check("pidbox")
def pidbox():
    """Remote control, as Celery does it: commands to one node, to some, to all, with and without replies."""
    for kind in ("direct", "fanout"):
        mailbox, one, two = Mailbox(name_of(kind), type=kind), threading.Event(), threading.Event()
        with Connection(URL) as connection, listening(mailbox, "one", one), listening(mailbox, "two", two):
            bound = mailbox(connection)
            assert bound.call(["one"], "echo", {"text": "hi"}, timeout=TIMEOUT_S) == [{"one": "one: hi"}]
            replies = bound.multi_call("echo", {"text": "all"}, timeout=TIMEOUT_S, limit=2)
            assert sorted(reply for each in replies for reply in each.values()) == ["one: all", "two: all"]
            bound.cast(["two"], "tell")
            assert two.wait(TIMEOUT_S) and not one.is_set()
            bound.abcast("tell")
            assert one.wait(TIMEOUT_S)
            bound.exchange(connection).delete()
            bound.reply_exchange(connection).delete()


class Doubler(ConsumerProducerMixin):
    """A server of remote procedures, with one connection to receive requests and one to send replies."""

    def __init__(self, connection, requests):
        self.connection = connection
        self.requests = requests
        self.ready = threading.Event()

    def get_consumers(self, Consumer, channel):
        return [Consumer(self.requests, on_message=self.answer, prefetch_count=1)]

    def on_consume_ready(self, *_, **__):
        self.ready.set()

    def answer(self, request):
        self.producer.publish(
            2 * request.payload,
            routing_key=request.properties["reply_to"],
            correlation_id=request.properties["correlation_id"],
            retry=True,
        )
        request.ack()


@check("remote procedure call")
def remote_procedure_call():
    requests, replies = Queue(name_of("requests"), auto_delete=True), {}
    with Connection(URL) as serving, Connection(URL) as connection:
        server = Doubler(serving, requests)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        assert server.ready.wait(TIMEOUT_S)
        direct = Queue("amq.rabbitmq.reply-to", no_declare=True)
        own = Queue(name_of("replies"), exclusive=True, durable=False)

        def received(message):
            replies[message.properties["correlation_id"]] = message.payload

        with Consumer(connection, [own, direct], on_message=received, no_ack=True):
            for number in range(20):
                back = (own if number % 2 else direct).name
                Producer(connection.default_channel).publish(
                    number, routing_key=requests.name, reply_to=back, correlation_id=str(number)
                )
            while len(replies) < 20:
                connection.drain_events(timeout=TIMEOUT_S)
        server.should_stop = True
        thread.join(TIMEOUT_S)
    assert replies == {str(number): 2 * number for number in range(20)}


@check("replies")
def replies():
    """`send_reply`, `itermessages` and `collect_replies`."""
    with Connection(URL) as connection, connection.channel() as channel:
        exchange = Exchange(name_of("replies"), "direct", auto_delete=True)
        mine = Queue(name_of("mine"), exchange, routing_key="mine", exclusive=True, durable=False)
        asked = Queue(name_of("asked"), exclusive=True, durable=False)
        mine(channel).declare()
        asked(channel).declare()
        for number in range(3):
            Producer(channel).publish(number, routing_key=asked.name, reply_to="mine", correlation_id=uuid())
        for body, request in list(itermessages(connection, channel, asked, limit=3, timeout=TIMEOUT_S)):
            send_reply(exchange, request, 10 * body, producer=Producer(channel))
            request.ack()
        assert list(collect_replies(connection, channel, mine, limit=3, timeout=TIMEOUT_S)) == [0, 10, 20]


@check("broadcast")
def broadcast():
    received = []
    with Connection(URL) as connection:
        everyone = [Broadcast(name_of("broadcast"), unique=True) for _ in range(3)]
        exchange = everyone[0].exchange
        with Consumer(connection, everyone, callbacks=[lambda body, message: received.append(body)], no_ack=True):
            Producer(connection.default_channel, exchange).publish("to all")
            for _ in eventloop(connection, limit=3, timeout=TIMEOUT_S):
                pass
        exchange(connection).delete()
    assert received == ["to all"] * 3


@check("simple queues")
def simple_queues():
    with Connection(URL, transport_options={"confirm_publish": True}) as connection:
        with connection.SimpleQueue(name_of("simple"), serializer="json") as simple:
            for number in range(3):
                simple.put({"number": number}, headers={"k": "v"}, compression="zlib")
            assert simple.qsize() == 3
            message = simple.get(timeout=TIMEOUT_S)
            assert message.payload == {"number": 0} and message.headers["k"] == "v"
            message.requeue()
            assert sorted(simple.get(timeout=TIMEOUT_S).payload["number"] for _ in range(3)) == [0, 1, 2]
        simple.queue.delete()
        simple.queue.exchange.delete()
        with connection.SimpleBuffer(name_of("buffer")) as buffer:
            buffer.put("kept in memory")
            assert buffer.get(timeout=TIMEOUT_S).payload == "kept in memory"
            buffer.put("cleared")
            assert buffer.clear() <= 1  # it may have been delivered


@check("serializers and compression")
def serializers_and_compression():
    body = {"text": "gr\u00fc\u00dfe " * 1000, "numbers": list(range(100))}
    with Connection(URL) as connection, connection.channel() as channel:
        queue = Queue(name_of("formats"), exclusive=True, durable=False)(channel)
        queue.declare()
        assert {"application/x-gzip", "application/x-brotli"} <= set(compression.encoders())
        for serializer in ("json", "pickle", "yaml", "msgpack"):
            for method in (None, *compression.encoders()):
                Producer(channel).publish(body, serializer=serializer, compression=method, routing_key=queue.name)
                message = queue.get(no_ack=True, accept=[serializer])
                assert message.payload == body
                assert message.headers.get("compression") == method


@check("consumers that change")
def changing_consumers():
    received = []
    with Connection(URL) as connection, connection.channel() as channel:
        one, two = Queue(name_of("one")), Queue(name_of("two"))
        two(channel).declare()
        with Consumer(channel, one, on_message=received.append) as consumer:
            consumer.add_queue(two)
            consumer.consume()
            assert consumer.consuming_from(one) and consumer.consuming_from(two)
            for queue in (one, two):
                Producer(channel).publish(queue.name, routing_key=queue.name)
            while len(received) < 2:
                connection.drain_events(timeout=TIMEOUT_S)
            assert {message.payload for message in received} == {one.name, two.name}
            consumer.cancel_by_queue(one.name)
            consumer.recover(requeue=True)  # what comes back to `one` waits there: nobody consumes it
            while len(received) < 3:
                connection.drain_events(timeout=TIMEOUT_S)
            assert received[2].payload == two.name and received[2].delivery_info["redelivered"]
            received[2].ack()
            consumer.flow(True)
        assert one(channel).delete() == 1
        assert two(channel).delete() == 0


@check("event loop")
def event_loop():
    """As Celery's worker does it: the connection is read when the hub sees that there is something."""
    received, hub = [], Hub()
    with Connection(URL) as connection, connection.channel() as channel:
        queue = Queue(name_of("loop"), exclusive=True, durable=False)

        def take(message):
            received.append(message.payload)
            message.ack()

        with Consumer(channel, queue, on_message=take, prefetch_count=5):
            for number in range(200):
                Producer(channel).publish(number, routing_key=queue.name)
            connection.register_with_event_loop(hub)
            while len(received) < 200:
                hub.run_once()
            hub.close()
    assert received == list(range(200))


@check("native delayed delivery")
def native_delayed_delivery():
    """Celery's delays of any length: 28 queues, each with half the time to live of the one before."""
    prefix = name_of("native")
    exchange = Exchange(name_of("delayed"), "topic")
    queue = Queue(name_of("delayed"), exchange, routing_key="work", durable=True)
    with Connection(URL) as connection, connection.channel() as channel:
        queue(channel).declare()
        declare_native_delayed_delivery_exchanges_and_queues(connection, "classic", prefix)
        bind_queue_to_native_delayed_delivery_exchange(connection, queue, prefix)
        highest = level_name(27, prefix)
        Producer(channel).publish("later", exchange=highest, routing_key=calculate_routing_key(3, "work"))
        ((body, message),) = drain_consumer(Consumer(channel, queue), limit=1, timeout=TIMEOUT_S)
        assert body == "later"
        hops = message.headers["x-death"]
        assert [death["queue"] for death in hops] == [level_name(0, prefix), level_name(1, prefix)]
        message.ack()
        queue(channel).delete()
        for level in range(28):
            channel.queue_delete(level_name(level, prefix))
            channel.exchange_delete(level_name(level, prefix))
        channel.exchange_delete(f"{prefix}_celery_delayed_delivery")
        channel.exchange_delete(exchange.name)


main()
