"""Consumers: credit decides who gets a message, not what waits unread."""

from interop.matrix.registry import feature
from interop.matrix.scene import Scene

LESS_TO_WHO_DOES_NOT_READ = (
    "without a prefetch, who does not read may be given less than RabbitMQ gives it: the rest stays for others"
)


@feature
def prefetch(scene: Scene) -> None:
    """A consumer that acknowledges holds half of the messages at a time; who does not read keeps these, only these."""
    queue = scene.queue()
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
def prefetch_of_all(scene: Scene) -> None:
    """There is room for all messages: all are on their way to who does not read yet, and stay its."""
    queue = scene.queue()
    consumer = scene.reader("consumer")
    scene.consume(consumer, queue, prefetch=scene.count)
    scene.flood(queue)
    scene.until_ready(queue, 0)
    other = scene.peer("other")
    scene.consume(other, queue, acks=True)
    scene.settle()
    scene.release()
    scene.gather(consumer, scene.count)
    consumer.send("basic.ack", delivery_tag=scene.count, multiple=True)


@feature
def prefetch_of_the_channel(scene: Scene) -> None:
    """A limit of the channel (global) counts messages, too."""
    queue = scene.queue()
    half = (scene.count + 1) // 2
    consumer = scene.reader("consumer")
    scene.call(consumer, "basic.qos", prefetch_count=half, global_=True)
    scene.consume(consumer, queue)
    scene.flood(queue)
    scene.until_ready(queue, scene.count - half)
    scene.release()
    scene.gather(consumer, half)
    consumer.send("basic.ack", delivery_tag=half, multiple=True)
    scene.gather(consumer, scene.count)
    consumer.send("basic.ack", delivery_tag=scene.count, multiple=True)


@feature
def no_ack(scene: Scene) -> None:
    """Nothing is acknowledged. What who does not read has not got goes to another; nothing is lost or doubled."""
    unlimited(scene, no_ack=True)


@feature
def no_prefetch(scene: Scene) -> None:
    """All is acknowledged, and there is no limit."""
    unlimited(scene, no_ack=False)


def unlimited(scene: Scene, *, no_ack: bool) -> None:
    queue = scene.queue()
    consumer = scene.reader("consumer")
    scene.consume(consumer, queue, acks=not no_ack, no_ack=no_ack)
    scene.flood(queue)
    if not scene.never:
        scene.release()
        scene.gather(consumer, scene.count)
        return
    other = scene.peer("other")
    scene.consume(other, queue, acks=not no_ack, no_ack=no_ack)
    scene.until_ready(queue, 0)
    scene.release()
    scene.gather_from([consumer, other], scene.count)
    scene.together(LESS_TO_WHO_DOES_NOT_READ, [consumer, other])


@feature
def backlog(scene: Scene) -> None:
    """The messages were there before the consumer, which has room for all."""
    queue = scene.queue()
    consumer = scene.reader("consumer")
    scene.call(consumer, "basic.qos", prefetch_count=scene.count)
    scene.flood(queue)
    consumer.send("basic.consume", queue=queue, consumer_tag="c")
    scene.until_ready(queue, 0)
    scene.release()
    scene.gather(consumer, scene.count)
    consumer.send("basic.ack", delivery_tag=scene.count, multiple=True)


@feature
def priorities(scene: Scene) -> None:
    """The first consumer has priority 10 and room for half; the other gets the other half, not more."""
    queue = scene.queue()
    half = (scene.count + 1) // 2
    first, second = scene.reader("first"), scene.peer("second")
    scene.consume(first, queue, prefetch=half, arguments={"x-priority": 10})
    scene.consume(second, queue)
    scene.flood(queue)
    scene.gather(second, scene.count - half)
    scene.settle()
    scene.release()
    scene.gather(first, half)
    first.send("basic.ack", delivery_tag=half, multiple=True)
    second.send("basic.ack", delivery_tag=scene.count - half, multiple=True)


@feature
def turns(scene: Scene) -> None:
    """Two consumers of one priority with room for all take turns, whether they read or not."""
    queue = scene.queue()
    first, second = scene.reader("first"), scene.peer("second")
    scene.consume(first, queue, prefetch=scene.count)
    scene.consume(second, queue, prefetch=scene.count)
    scene.flood(queue)
    scene.until_ready(queue, 0)
    scene.release()
    scene.gather(first, (scene.count + 1) // 2)
    scene.gather(second, scene.count // 2)
    for peer in (first, second):
        peer.send("basic.ack", delivery_tag=len(peer.given()), multiple=True)


@feature
def single_active(scene: Scene) -> None:
    """The active consumer stays it, with its credit used up and unread; when it leaves, the next gets on."""
    single(scene, scene.queue(single_active_consumer=True))


def single(scene: Scene, queue: str) -> None:
    half = (scene.count + 1) // 2
    first, second = scene.reader("first"), scene.peer("second")
    scene.consume(first, queue, prefetch=half)
    scene.consume(second, queue)
    scene.flood(queue)
    scene.until_ready(queue, scene.count - half)
    scene.settle()
    scene.release()
    scene.gather(first, half)
    first.send("basic.ack", delivery_tag=half, multiple=True)
    scene.gather(first, scene.count)
    first.send("basic.ack", delivery_tag=scene.count, multiple=True)
    scene.call(first, "basic.cancel", consumer_tag="c")
    last = scene.peer("last")
    last.publish(1, scene.size, queue)
    scene.gather(second, 1)
    second.send("basic.ack", delivery_tag=1)


@feature
def exclusive(scene: Scene) -> None:
    """An exclusive consumer that does not read keeps what it has credit for; the rest waits."""
    queue = scene.queue()
    half = (scene.count + 1) // 2
    first, second = scene.reader("first"), scene.peer("second")
    scene.consume(first, queue, prefetch=half, exclusive=True)
    scene.flood(queue)
    scene.until_ready(queue, scene.count - half)
    first.send("channel.close", reply_code=200, reply_text="done")
    scene.until_ready(queue, scene.count)
    scene.consume(second, queue)
    scene.gather(second, scene.count)
    second.send("basic.ack", delivery_tag=scene.count, multiple=True)
    scene.release()
    scene.gather(first, half)
    scene.gather(first, 1, "channel.close-ok")
