"""Whoever writes first and reads later is read on."""

from interop.matrix.registry import feature
from interop.matrix.scene import Scene


@feature
def returns(scene: Scene) -> None:
    """A publisher of messages that go nowhere reads them back when it likes."""
    publisher = scene.reader("publisher")
    scene.begin()
    scene.send_each(
        publisher,
        lambda number: publisher.publish(number, scene.size, "none.such", mandatory=True),
        scene.cell.many,
    )
    scene.release()
    scene.gather(publisher, scene.cell.many, "basic.return")


@feature
def returns_confirmed(scene: Scene) -> None:
    """The same with confirms."""
    publisher = scene.reader("publisher")
    scene.call(publisher, "confirm.select")
    scene.begin()
    scene.send_each(
        publisher,
        lambda number: publisher.publish(number, scene.size, "none.such", mandatory=True),
        scene.count,
    )
    scene.release()
    scene.gather(publisher, scene.count, "basic.return")
    scene.gather(publisher, scene.count, "confirms")


@feature
def confirms(scene: Scene) -> None:
    """Confirms are read late, while another client takes the messages.

    They are few: who leaves thousands of them unread is sometimes not read on by RabbitMQ.
    """
    queue = scene.queue()
    publisher, consumer = scene.reader("publisher"), scene.peer("consumer")
    scene.consume(consumer, queue, no_ack=True)
    scene.call(publisher, "confirm.select")
    scene.begin()
    scene.send_each(publisher, lambda number: publisher.publish(number, scene.size, queue), scene.count)
    scene.gather(consumer, scene.count)
    scene.release()
    scene.gather(publisher, scene.count, "confirms")


@feature
def declares(scene: Scene) -> None:
    """Declarations between messages: their replies are read late, or not before all is there."""
    queue = scene.queue()
    client = scene.reader("client")
    scene.begin()

    def send(number: int) -> None:
        client.publish(number, scene.size, queue)
        for _ in range(200):
            client.send("queue.declare", queue=queue, passive=True)

    scene.send_each(client, send, scene.count)
    scene.until_ready(queue, scene.count)
    scene.release()
    scene.gather(client, 200 * scene.count, "queue.declare-ok")


@feature
def own_deliveries(scene: Scene) -> None:
    """Publisher and consumer are one connection; its own messages come back to it while it writes."""
    queue = scene.queue()
    client = scene.reader("client")
    scene.consume(client, queue, no_ack=True)
    scene.call(client, "confirm.select")
    scene.begin()
    scene.send_each(client, lambda number: client.publish(number, scene.size, queue), scene.count)
    scene.release()
    scene.gather(client, scene.count)
    scene.gather(client, scene.count, "confirms")


@feature
def own_prefetched(scene: Scene) -> None:
    """The same with a prefetch and acknowledgements."""
    queue = scene.queue()
    client = scene.reader("client")
    scene.consume(client, queue, prefetch=scene.count, acks=True)
    scene.call(client, "confirm.select")
    scene.begin()
    scene.send_each(client, lambda number: client.publish(number, scene.size, queue), scene.count)
    scene.until_ready(queue, 0)
    scene.release()
    scene.gather(client, scene.count)
    scene.gather(client, scene.count, "confirms")


@feature
def own_gets(scene: Scene) -> None:
    """A message and a get, again and again, and the results are read late."""
    queue = scene.queue()
    client = scene.reader("client")
    scene.begin()

    def send(number: int) -> None:
        client.publish(number, scene.size, queue)
        client.send("basic.get", queue=queue, no_ack=True)

    scene.send_each(client, send, scene.count)
    scene.until_ready(queue, 0)
    scene.release()
    scene.gather(client, scene.count, "basic.get-ok")


@feature
def gets(scene: Scene) -> None:
    """All gets are sent before the first result is read: two come back empty."""
    queue = scene.queue()
    client = scene.reader("client")
    scene.flood(queue)
    scene.send_each(client, lambda _: client.send("basic.get", queue=queue, no_ack=True), scene.count + 2)
    scene.until_ready(queue, 0)
    scene.release()
    scene.gather(client, scene.count, "basic.get-ok")
    scene.gather(client, 2, "basic.get-empty")


@feature
def gets_acknowledged(scene: Scene) -> None:
    """Gets, and the acknowledgement of all results before the first of them is read: nothing is left."""
    queue = scene.queue()
    client = scene.reader("client")
    scene.flood(queue)
    scene.send_each(client, lambda _: client.send("basic.get", queue=queue), scene.count)
    client.send("basic.ack", delivery_tag=scene.count, multiple=True)
    scene.until_ready(queue, 0)
    scene.release()
    scene.gather(client, scene.count, "basic.get-ok")


@feature
def large_in_while_large_waits(scene: Scene) -> None:
    """Another's messages wait unread for a client that goes on publishing to a third."""
    waiting, going = scene.queue("waiting"), scene.queue("going")
    client, other = scene.reader("client"), scene.peer("other")
    scene.consume(client, waiting, prefetch=scene.count)
    scene.consume(other, going, no_ack=True)
    scene.flood(waiting)
    scene.until_ready(waiting, 0)
    scene.send_each(client, lambda number: client.publish(number, scene.size, going), scene.count)
    scene.gather(other, scene.count)
    scene.release()
    scene.gather(client, scene.count)
    client.send("basic.ack", delivery_tag=scene.count, multiple=True)
