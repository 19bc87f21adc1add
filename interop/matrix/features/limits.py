"""Queues that keep little or nothing: what a waiting consumer has credit for is not dropped, read or unread."""

from typing import Any

from interop.matrix.registry import feature
from interop.matrix.scene import Scene


def to_who_waits(scene: Scene, **arguments: Any) -> None:  # noqa: ANN401 - as `queue` takes them
    """All messages go to the one consumer, which has room for all; none to the graveyard."""
    _, buries = scene.graveyard()
    queue = scene.queue(**arguments, **buries)
    consumer = scene.reader("consumer")
    scene.consume(consumer, queue, prefetch=scene.count)
    scene.flood(queue)
    scene.until_ready(queue, 0)
    scene.release()
    scene.gather(consumer, scene.count)
    consumer.send("basic.ack", delivery_tag=scene.count, multiple=True)


@feature
def length_1(scene: Scene) -> None:
    """ "Only the latest": the consumer gets all, as it has room."""
    to_who_waits(scene, max_length=1)


@feature
def length_0(scene: Scene) -> None:
    """A queue that keeps nothing still passes on."""
    to_who_waits(scene, max_length=0)


@feature
def ttl_0(scene: Scene) -> None:
    """ "Only live"."""
    to_who_waits(scene, message_ttl=0)


@feature
def length_bytes(scene: Scene) -> None:
    """A limit of octets that is less than one message."""
    to_who_waits(scene, max_length_bytes=max(1, scene.size // 2))


@feature
def refusing(scene: Scene) -> None:
    """reject-publish: nothing is refused that goes to a consumer at once."""
    to_who_waits(scene, max_length=1, overflow="reject-publish")


@feature
def with_priorities(scene: Scene) -> None:
    """All go to the first consumer, of priority 10; one of priority 0 is no reason to pass it over."""
    _, buries = scene.graveyard()
    queue = scene.queue(max_length=1, **buries)
    first, second = scene.reader("first"), scene.peer("second")
    scene.consume(first, queue, prefetch=scene.count, arguments={"x-priority": 10})
    scene.consume(second, queue, acks=True)
    scene.flood(queue)
    scene.until_ready(queue, 0)
    scene.settle()
    scene.release()
    scene.gather(first, scene.count)
    first.send("basic.ack", delivery_tag=scene.count, multiple=True)


@feature
def with_single_active(scene: Scene) -> None:
    """All go to the active consumer."""
    _, buries = scene.graveyard()
    queue = scene.queue(max_length=1, single_active_consumer=True, **buries)
    first, second = scene.reader("first"), scene.peer("second")
    scene.consume(first, queue, prefetch=scene.count)
    scene.consume(second, queue, acks=True)
    scene.flood(queue)
    scene.until_ready(queue, 0)
    scene.settle()
    scene.release()
    scene.gather(first, scene.count)
    first.send("basic.ack", delivery_tag=scene.count, multiple=True)


@feature
def with_exclusive(scene: Scene) -> None:
    """All go to the exclusive consumer, with a time to live of 0."""
    _, buries = scene.graveyard()
    queue = scene.queue(message_ttl=0, **buries)
    consumer = scene.reader("consumer")
    scene.consume(consumer, queue, prefetch=scene.count, exclusive=True)
    scene.flood(queue)
    scene.until_ready(queue, 0)
    scene.release()
    scene.gather(consumer, scene.count)
    consumer.send("basic.ack", delivery_tag=scene.count, multiple=True)


@feature
def refused_and_read_later(scene: Scene) -> None:
    """A full queue refuses all but one; the publisher reads its nacks when it likes."""
    queue = scene.queue(max_length=1, overflow="reject-publish")
    publisher = scene.reader("publisher")
    scene.call(publisher, "confirm.select")
    scene.begin()
    scene.send_each(publisher, lambda number: publisher.publish(number, scene.size, queue), scene.count)
    scene.until_ready(queue, 1)
    scene.release()
    scene.gather(publisher, scene.count, "confirms")


@feature
def given_before_it_expires(scene: Scene) -> None:
    """What is on its way to a consumer does not expire, however long that takes."""
    _, buries = scene.graveyard()
    queue = scene.queue(message_ttl=200, **buries)
    consumer = scene.reader("consumer")
    scene.consume(consumer, queue, prefetch=scene.count)
    scene.flood(queue)
    scene.until_ready(queue, 0)
    scene.outlast(500)
    scene.release()
    scene.gather(consumer, scene.count)
    consumer.send("basic.ack", delivery_tag=scene.count, multiple=True)
