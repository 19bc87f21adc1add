"""Queues of other kinds: quorum queues, priorities of messages, delays."""

from typing import Any

from interop.matrix.features.consume import single
from interop.matrix.registry import feature
from interop.matrix.scene import Scene


@feature
def quorum(scene: Scene) -> None:
    """A consumer of a quorum queue holds half of the messages; another takes the rest from who does not read."""
    queue = scene.queue(queue_type="quorum")
    half = (scene.count + 1) // 2
    consumer = scene.reader("consumer")
    scene.consume(consumer, queue, prefetch=half, acks=True)
    scene.flood(queue)
    if scene.never:
        scene.until_ready(queue, scene.count - half)
        other = scene.peer("other")
        scene.consume(other, queue, acks=True)
        scene.gather(other, scene.count - half)
    scene.release()
    scene.gather(consumer, half if scene.never else scene.count)


@feature
def quorum_single_active(scene: Scene) -> None:
    """The single active consumer of a quorum queue."""
    single(scene, scene.queue(queue_type="quorum", single_active_consumer=True))


@feature
def quorum_length_1(scene: Scene) -> None:
    """A quorum queue that keeps one message passes on all for which there is credit."""
    _, buries = scene.graveyard()
    queue = scene.queue(queue_type="quorum", max_length=1, **buries)
    consumer = scene.reader("consumer")
    scene.consume(consumer, queue, prefetch=scene.count)
    scene.flood(queue)
    scene.until_ready(queue, 0)
    scene.release()
    scene.gather(consumer, scene.count)
    consumer.send("basic.ack", delivery_tag=scene.count, multiple=True)


@feature
def quorum_hang_up(scene: Scene) -> None:
    """What who leaves held comes back, all of it as delivered before."""
    queue = scene.queue(queue_type="quorum")
    consumer = scene.reader("consumer")
    scene.consume(consumer, queue, prefetch=scene.count)
    scene.flood(queue)
    scene.until_ready(queue, 0)
    consumer.hang_up()
    scene.until_ready(queue, scene.count)
    other = scene.peer("other")
    scene.consume(other, queue, acks=True)
    scene.gather(other, scene.count)
    scene.untold(consumer, "it has read what it has read")


@feature
def priorities(scene: Scene) -> None:
    """Messages of three priorities that wait: the highest come first, all to the one who has room."""
    queue = scene.queue(max_priority=5)
    consumer, publisher = scene.reader("consumer"), scene.peer("publisher")
    scene.call(consumer, "basic.qos", prefetch_count=scene.count)
    scene.call(publisher, "confirm.select")
    scene.begin()
    scene.send_each(
        publisher,
        lambda number: publisher.publish(number, scene.size, queue, priority=number % 3),
        scene.count,
    )
    scene.gather(publisher, scene.count, "confirms")
    consumer.send("basic.consume", queue=queue, consumer_tag="c")
    scene.until_ready(queue, 0)
    scene.release()
    scene.gather(consumer, scene.count)
    consumer.send("basic.ack", delivery_tag=scene.count, multiple=True)


DELAY_MS = 100


@feature
def delayed_by_ladder(scene: Scene) -> None:
    """Messages wait in a queue whose dead letters go to who has credit for all."""
    target = scene.queue("target")
    waiting = scene.queue("waiting", message_ttl=DELAY_MS, dead_letter_exchange="", dead_letter_routing_key=target)
    delayed(scene, target, waiting)


@feature
def delayed_by_exchange(scene: Scene) -> None:
    """An exchange that keeps messages for a while; where there is none, a ladder does the same."""
    target = scene.queue("target")
    exchange = scene.exchange("delay", "x-delayed-message", **{"x-delayed-type": "fanout"})
    if exchange is None:
        waiting = scene.queue("waiting", message_ttl=DELAY_MS, dead_letter_exchange="", dead_letter_routing_key=target)
        delayed(scene, target, waiting)
    else:
        scene.call(scene.observer, "queue.bind", queue=target, exchange=exchange)
        scene.queue("waiting")
        delayed(scene, target, "", exchange=exchange, headers={"x-delay": DELAY_MS})


def delayed(scene: Scene, target: str, key: str, **how: Any) -> None:  # noqa: ANN401 - as `flood` takes it
    consumer = scene.reader("consumer")
    scene.consume(consumer, target, prefetch=scene.count)
    scene.flood(key, **how)
    if scene.never:
        scene.outlast(5 * DELAY_MS)
    scene.until_ready(target, 0)
    scene.release()
    scene.gather(consumer, scene.count)
    consumer.send("basic.ack", delivery_tag=scene.count, multiple=True)
