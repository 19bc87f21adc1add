"""Queues with x-max-priority: who is first, what counts as which priority, and what falls out or expires first."""

from typing import Any

from interop.parity import codec
from interop.parity.codec import Typed
from interop.parity.scenario import scenario
from interop.parity.scenarios.dead_letters import SOON_MS, dead_letter_to
from interop.parity.script import Channel, Stage


def priority_queue(channel: Channel, highest: Any = 10, **more: Any) -> str:  # noqa: ANN401
    named = {name.replace("_", "-"): value for name, value in more.items()}
    return channel.declare(exclusive=True, arguments={"x-max-priority": highest} | named)


def publish_with_priorities(channel: Channel, queue: str, *priorities: int | None, **more: Any) -> None:  # noqa: ANN401
    """Publish messages with bodies as `1 of priority 5`; None is a message without the property."""
    for number, priority in enumerate(priorities, 1):
        properties = more if priority is None else more | {"priority": priority}
        body = f"{number} of priority {priority}".encode()
        channel.publish("", queue, body, properties=codec.properties(**properties))


@scenario()
def order(stage: Stage) -> None:
    """Highest first; equal ones in the order they came; none is 0; too high is the highest."""
    channel = stage.channel()
    queue = priority_queue(channel)
    publish_with_priorities(channel, queue, 1, None, 5, 0, 10, 255, 5, 11, None, 1, 10)
    channel.settle(queue)
    channel.consume(queue, no_ack=True)
    channel.wait_deliveries(11)


@scenario()
def get(stage: Stage) -> None:
    """basic.get takes the same order and counts messages of all priorities."""
    channel = stage.channel()
    queue = priority_queue(channel, 3)
    publish_with_priorities(channel, queue, 0, 2, 3, 9, 1)
    channel.settle(queue)
    channel.declare(queue, passive=True)
    channel.drain(queue)


@scenario(
    each={
        "0": 0,
        "1": 1,
        "255": 255,
        "byte": Typed("b", 2),
        "unsigned byte": Typed("B", 2),
        "short": Typed("s", 2),
        "unsigned short": Typed("u", 2),
        "unsigned int": Typed("i", 2),
        "long": Typed("l", 2),
        "timestamp": Typed("T", 2),
        "256": 256,
        "-1": -1,
        "text": "2",
        "double": 2.0,
        "bool": True,
        "nothing": None,
    },
    before={"0": "4.0"},
)
def highest(stage: Stage, value: Any) -> None:  # noqa: ANN401
    """The argument is an integer from 0 to 255, of any integer type."""
    channel = stage.channel()
    queue = priority_queue(channel, value)
    if channel.closed:
        return
    publish_with_priorities(channel, queue, None, 0, 1, 2, 3, 254, 255)
    channel.settle(queue)
    channel.drain(queue)


@scenario()
def without_argument(stage: Stage) -> None:
    """Without the argument, the property changes nothing."""
    channel = stage.channel()
    queue = channel.declare(exclusive=True)
    publish_with_priorities(channel, queue, 1, 5, None, 3)
    channel.settle(queue)
    channel.drain(queue)


@scenario()
def later_and_higher(stage: Stage) -> None:
    """A higher message overtakes those that wait, not those delivered."""
    channel = stage.channel()
    queue = priority_queue(channel)
    channel.call("basic.qos", prefetch_count=1)
    publish_with_priorities(channel, queue, 1, 1)
    channel.settle(queue)
    channel.consume(queue)
    channel.wait_deliveries(1)
    publish_with_priorities(channel, queue, 9, 0)
    channel.settle(queue)
    for tag in (1, 2, 3, 4):
        channel.ack(tag)
        if tag < 4:
            channel.wait_deliveries(1)


@scenario(each={"multiple": True, "one by one": False})
def requeue(stage: Stage, multiple: bool) -> None:
    """Requeued messages take their old places among those of their priority, and are marked."""
    channel = stage.channel()
    queue = priority_queue(channel)
    publish_with_priorities(channel, queue, 1, 5, 1, 5, 1, 5)
    channel.settle(queue)
    for _ in range(4):
        channel.get(queue)
    if multiple:
        channel.nack(4, multiple=True)
    else:
        for tag in (3, 1, 4, 2):
            channel.reject(tag)
    publish_with_priorities(channel, queue, 1, 5, 3)
    channel.settle(queue)
    channel.drain(queue)


@scenario()
def recover(stage: Stage) -> None:
    """What basic.recover requeues comes again, the highest first."""
    channel = stage.channel()
    queue = priority_queue(channel)
    channel.consume(queue)
    publish_with_priorities(channel, queue, 1, 5, 3)
    channel.wait_deliveries(3)
    channel.call("basic.recover", requeue=True)
    channel.wait_deliveries(3)


@scenario()
def close_requeues(stage: Stage) -> None:
    """So does what a closed channel had."""
    connection = stage.connect()
    one, two = connection.channel(1), connection.channel(2)
    queue = priority_queue(one)
    one.consume(queue)
    publish_with_priorities(one, queue, 1, 5, 3, 5)
    one.wait_deliveries(4)
    one.close()
    two.drain(queue)


@scenario()
def counts(stage: Stage) -> None:
    """Purge and delete count and take messages of all priorities, not those delivered."""
    channel = stage.channel()
    queue = priority_queue(channel)
    publish_with_priorities(channel, queue, 0, 5, 10, 5)
    channel.settle(queue)
    channel.get(queue)
    channel.call("queue.purge", queue=queue)
    channel.nack(1)
    publish_with_priorities(channel, queue, 3, 4)
    channel.settle(queue)
    channel.call("queue.delete", queue=queue, if_empty=True)
    channel = channel.reopen()
    channel.call("queue.delete", queue=queue)


@scenario(
    each={
        "length": {"x-max-length": 3},
        "bytes": {"x-max-length-bytes": 3 * len(b"1 of priority 1")},
    }
)
def drop_head(stage: Stage, limits: dict[str, int]) -> None:
    """A full queue drops the message it would deliver next: the highest goes first, even the one that just came."""
    channel = stage.channel()
    dead = channel.declare(stage.name("dead"), exclusive=True)
    queue = channel.declare(exclusive=True, arguments={"x-max-priority": 5} | dead_letter_to(dead) | limits)
    publish_with_priorities(channel, queue, 1, 3, 2, 5, 1, 2, 0)
    channel.until_queue(dead, message_count=4)
    channel.drain(dead)
    channel.drain(queue)


@scenario(each=["drop-head", "reject-publish"])
def requeue_into_a_full_queue(stage: Stage, overflow: str) -> None:
    """Requeued messages count again, and the head drops."""
    channel = stage.channel()
    queue = priority_queue(channel, 5, x_max_length=2, x_overflow=overflow)
    publish_with_priorities(channel, queue, 1, 3)
    channel.settle(queue)
    channel.get(queue)
    publish_with_priorities(channel, queue, 2)
    channel.settle(queue)
    channel.nack(1)
    channel.settle(queue)
    channel.drain(queue)


@scenario()
def reject_publish(stage: Stage) -> None:
    """A full queue that refuses asks for no priority."""
    channel = stage.channel()
    queue = priority_queue(channel, 5, x_max_length=2, x_overflow="reject-publish")
    channel.call("confirm.select")
    for number, priority in enumerate((1, 2, 5), 1):
        publish_with_priorities(channel, queue, priority)
        channel.wait_confirms(number)
    channel.drain(queue)


@scenario()
def expired_behind_the_highest(stage: Stage) -> None:
    """Only the head expires, that of the highest priority there is; the others when they become the head."""
    channel = stage.channel()
    dead = channel.declare(stage.name("dead"), exclusive=True)
    queue = channel.declare(exclusive=True, arguments={"x-max-priority": 5} | dead_letter_to(dead))
    publish_with_priorities(channel, queue, 5)
    publish_with_priorities(channel, queue, 1, 3, 1, expiration="1")
    clock = channel.declare(exclusive=True, arguments=dead_letter_to(dead) | {"x-message-ttl": SOON_MS})
    channel.publish("", clock, b"tick")
    channel.until_queue(dead, message_count=1)
    channel.declare(queue, passive=True)
    channel.drain(dead)
    channel.get(queue, no_ack=True)
    channel.until_queue(dead, message_count=3)
    channel.drain(dead)


@scenario()
def expired_in_each(stage: Stage) -> None:
    """Messages of all priorities expire in the order they would be delivered in."""
    channel = stage.channel()
    dead = channel.declare(stage.name("dead"), exclusive=True)
    arguments = {"x-max-priority": 5, "x-message-ttl": SOON_MS} | dead_letter_to(dead)
    queue = channel.declare(exclusive=True, arguments=arguments)
    publish_with_priorities(channel, queue, 1, 5, 1, 3)
    channel.until_queue(dead, message_count=4)
    channel.drain(dead)


@scenario()
def kept_by_dead_letters(stage: Stage) -> None:
    """A dead letter has the priority it had, in a queue that knows of other ones."""
    channel = stage.channel()
    dead = channel.declare(stage.name("dead"), exclusive=True, arguments={"x-max-priority": 20})
    queue = channel.declare(stage.name("q"), exclusive=True, arguments={"x-max-priority": 1} | dead_letter_to(dead))
    publish_with_priorities(channel, queue, 5, 15, None, 1)
    channel.until_queue(queue, message_count=4)
    channel.consume(queue)
    channel.wait_deliveries(4)
    channel.nack(0, multiple=True, requeue=False)
    channel.until_queue(dead, message_count=4)
    channel.drain(dead)


@scenario()
def rejected_together(stage: Stage) -> None:
    """Messages of several priorities rejected with one nack."""
    channel = stage.channel()
    dead = channel.declare(stage.name("dead"), exclusive=True)
    queue = channel.declare(stage.name("q"), exclusive=True, arguments={"x-max-priority": 5} | dead_letter_to(dead))
    channel.consume(queue)
    publish_with_priorities(channel, queue, 1, 5, 3, 1, 5)
    channel.wait_deliveries(5)
    channel.nack(4, multiple=True, requeue=False)
    channel.until_queue(dead, message_count=4)
    channel.drain(dead)
    channel.reject(5, requeue=True)
    channel.wait_deliveries(1)


@scenario()
def durable(stage: Stage) -> None:
    """Persistent messages and transient ones make one order."""
    channel = stage.channel()
    queue = channel.declare(stage.name(), durable=True, arguments={"x-max-priority": 5})
    for mode in (1, 2):
        publish_with_priorities(channel, queue, 1, 5, None, 3, delivery_mode=mode)
    channel.settle(queue)
    channel.drain(queue)
