"""Cancel and close: what was given to who leaves goes back, read or unread, and the rest to others."""

from interop.matrix.peer import Peer
from interop.matrix.registry import feature
from interop.matrix.scene import Scene


def half_of(scene: Scene) -> int:
    return (scene.count + 1) // 2


def holding_half(scene: Scene, queue: str) -> Peer:
    """A consumer that holds half of the messages; the others wait."""
    consumer = scene.reader("consumer")
    scene.consume(consumer, queue, prefetch=half_of(scene))
    scene.flood(queue)
    scene.until_ready(queue, scene.count - half_of(scene))
    scene.knows(consumer, half_of(scene))
    return consumer


@feature
def cancel(scene: Scene) -> None:
    """What it was given stays with who cancels; another gets the rest."""
    queue = scene.queue()
    consumer = holding_half(scene, queue)
    consumer.send("basic.cancel", consumer_tag="c")
    other = scene.peer("other")
    scene.consume(other, queue, acks=True)
    scene.gather(other, scene.count - half_of(scene))
    scene.settle()
    scene.release()
    scene.gather(consumer, half_of(scene))
    scene.gather(consumer, 1, "basic.cancel-ok")
    consumer.send("basic.ack", delivery_tag=half_of(scene), multiple=True)


@feature
def cancelled_by_broker(scene: Scene) -> None:
    """The queue is deleted: the consumer reads what it was given, and then that it was cancelled."""
    consumer = holding_half(scene, scene.queue())
    scene.delete("queue")
    scene.release()
    scene.gather(consumer, half_of(scene))
    scene.gather(consumer, 1, "basic.cancel")


@feature
def close_channel(scene: Scene) -> None:
    """All it holds goes back, and comes redelivered to another; then it reads what it was given, and the reply."""
    queue = scene.queue()
    consumer = holding_half(scene, queue)
    consumer.send("channel.close", reply_code=200, reply_text="done")
    taken_over(scene, queue)
    scene.release()
    scene.gather(consumer, half_of(scene))
    scene.gather(consumer, 1, "channel.close-ok")


@feature
def close_connection(scene: Scene) -> None:
    """The same with the connection, once it reads: before, RabbitMQ gives back what fits into its socket."""
    queue = scene.queue()
    consumer = holding_half(scene, queue)
    consumer.send("connection.close", on=0, reply_code=200, reply_text="done")
    scene.release()
    taken_over(scene, queue)
    scene.gather(consumer, half_of(scene))
    scene.gather(consumer, 1, "connection.close-ok")
    consumer.hang_up()


@feature
def hang_up(scene: Scene) -> None:
    """Who leaves without a word leaves all it holds to others."""
    queue = scene.queue()
    consumer = holding_half(scene, queue)
    consumer.hang_up()
    taken_over(scene, queue)
    scene.untold(consumer, "it has read what it has read")


def taken_over(scene: Scene, queue: str) -> None:
    scene.until_ready(queue, scene.count)
    other = scene.peer("other")
    scene.consume(other, queue, acks=True)
    scene.gather(other, scene.count)
