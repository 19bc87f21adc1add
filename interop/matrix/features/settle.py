"""What comes back, dies, or is committed; the client knows what it was sent, even before it has read it."""

from interop.matrix.peer import Peer
from interop.matrix.registry import feature
from interop.matrix.scene import Scene


def holding_all(scene: Scene, queue: str) -> Peer:
    """A consumer to which all messages have gone."""
    consumer = scene.reader("consumer")
    scene.consume(consumer, queue, prefetch=scene.count)
    scene.flood(queue)
    scene.until_ready(queue, 0)
    scene.knows(consumer, scene.count)
    return consumer


@feature
def requeue(scene: Scene) -> None:
    """All go back and come again, marked as redelivered."""
    consumer = holding_all(scene, scene.queue())
    consumer.send("basic.nack", delivery_tag=scene.count, multiple=True, requeue=True)
    scene.knows(consumer, 2 * scene.count)
    scene.release()
    scene.gather(consumer, 2 * scene.count)
    consumer.send("basic.ack", delivery_tag=2 * scene.count, multiple=True)


@feature
def requeue_to_others(scene: Scene) -> None:
    """After a cancel all go back, to another consumer."""
    queue = scene.queue()
    consumer = holding_all(scene, queue)
    consumer.send("basic.cancel", consumer_tag="c")
    consumer.send("basic.nack", delivery_tag=scene.count, multiple=True, requeue=True)
    scene.until_ready(queue, scene.count)
    other = scene.peer("other")
    scene.consume(other, queue, acks=True)
    scene.gather(other, scene.count)
    scene.release()
    scene.gather(consumer, scene.count)


@feature
def recover(scene: Scene) -> None:
    """basic.recover sends all again."""
    consumer = holding_all(scene, scene.queue())
    consumer.send("basic.recover", requeue=True)
    scene.release()
    scene.gather(consumer, 2 * scene.count)
    consumer.send("basic.ack", delivery_tag=2 * scene.count, multiple=True)


@feature
def reject(scene: Scene) -> None:
    """What is rejected, unread perhaps, dies, and another reads the dead letters."""
    graveyard, buries = scene.graveyard()
    consumer = holding_all(scene, scene.queue(**buries))
    for tag in range(1, scene.count + 1):
        consumer.send("basic.reject", delivery_tag=tag, requeue=False)
    other = scene.peer("other")
    scene.consume(other, graveyard, acks=True)
    scene.gather(other, scene.count)
    scene.release()
    scene.gather(consumer, scene.count)


@feature
def dead_letters(scene: Scene) -> None:
    """Dead letters of a queue that keeps one message are read late; the oldest die first."""
    graveyard, buries = scene.graveyard()
    queue = scene.queue(max_length=1, **buries)
    mourner = scene.reader("mourner")
    scene.consume(mourner, graveyard, prefetch=scene.count)
    scene.flood(queue)
    scene.until_ready(queue, 1)
    scene.until_ready(graveyard, 0)
    scene.release()
    scene.gather(mourner, scene.count - 1)
    mourner.send("basic.ack", delivery_tag=scene.count - 1, multiple=True)


@feature
def expired(scene: Scene) -> None:
    """Who has credit for one message gets it; the others expire at once."""
    graveyard, buries = scene.graveyard()
    queue = scene.queue(message_ttl=0, **buries)
    holder, mourner = scene.peer("holder"), scene.reader("mourner")
    scene.consume(holder, queue, prefetch=1)
    scene.consume(mourner, graveyard, prefetch=scene.count)
    scene.flood(queue)
    scene.until_ready(queue, 0)
    scene.until_ready(graveyard, 0)
    scene.release()
    scene.gather(holder, 1)
    scene.gather(mourner, scene.count - 1)
    holder.send("basic.ack", delivery_tag=1)
    mourner.send("basic.ack", delivery_tag=scene.count - 1, multiple=True)


@feature
def transaction(scene: Scene) -> None:
    """Messages that come with a commit go to who has credit."""
    queue = scene.queue()
    consumer, publisher = scene.reader("consumer"), scene.peer("publisher")
    scene.consume(consumer, queue, prefetch=scene.count, acks=True)
    scene.call(publisher, "tx.select")
    scene.begin()
    scene.send_each(publisher, lambda number: publisher.publish(number, scene.size, queue), scene.count)
    scene.call(publisher, "tx.commit")
    scene.until_ready(queue, 0)
    scene.release()
    scene.gather(consumer, scene.count)


@feature
def transaction_returns(scene: Scene) -> None:
    """A commit of messages that go nowhere: they come back behind it, and are read late."""
    publisher = scene.reader("publisher")
    scene.call(publisher, "tx.select")
    scene.begin()
    scene.send_each(
        publisher,
        lambda number: publisher.publish(number, scene.size, "none.such", mandatory=True),
        scene.count,
    )
    publisher.send("tx.commit")
    scene.release()
    scene.gather(publisher, scene.count, "basic.return")
    scene.gather(publisher, 1, "tx.commit-ok")


@feature
def transaction_acks(scene: Scene) -> None:
    """Acknowledgements of what may be unread, and a commit: nothing is left when the client leaves."""
    queue = scene.queue()
    consumer = scene.reader("consumer")
    scene.call(consumer, "tx.select")
    scene.consume(consumer, queue, prefetch=scene.count)
    scene.flood(queue)
    scene.until_ready(queue, 0)
    scene.knows(consumer, scene.count)
    consumer.send("basic.ack", delivery_tag=scene.count, multiple=True)
    consumer.send("tx.commit")
    scene.release()
    scene.gather(consumer, scene.count)
    scene.gather(consumer, 1, "tx.commit-ok")
