"""Quorum queues: consumers, their priorities, prefetch, the single active one, and exclusive ones."""

from interop.parity.scenario import scenario
from interop.parity.scenarios.quorum import declare, filled, refused
from interop.parity.script import Channel, Stage

SINGLE = {"x-single-active-consumer": True}


def publish_one(stage: Stage, channel: Channel, queue: str, body: bytes, unacknowledged: Channel) -> None:
    """Publish, and wait until a consumer of that channel has it."""
    channel.publish("", queue, body)
    unacknowledged.wait_deliveries(1)
    stage.until_queue(queue, message_count=0)


@scenario()
def prefetch(stage: Stage) -> None:
    """Each consumer gets as many unacknowledged messages as qos said before it came."""
    channel, queue = filled(stage, 6)
    channel.call("basic.qos", prefetch_count=2)
    channel.consume(queue, "two")
    channel.wait_deliveries(2)
    channel.call("basic.qos", prefetch_count=1)
    channel.consume(queue, "one")
    channel.wait_deliveries(1)
    for tag in (1, 3):
        channel.ack(tag)
        channel.wait_deliveries(1)
    channel.nack(2, requeue=False)
    channel.wait_deliveries(1)
    channel.settle(queue)


@scenario()
def no_ack(stage: Stage) -> None:
    """Prefetch does not hold back who never acknowledges; nothing stays with the consumer."""
    channel, queue = filled(stage, 5)
    channel.call("basic.qos", prefetch_count=1)
    channel.consume(queue, no_ack=True)
    channel.wait_deliveries(5)
    channel.close()
    stage.until_queue(queue, message_count=0, consumer_count=0)


@scenario()
def no_prefetch(stage: Stage) -> None:
    """Without a prefetch, a consumer still gets no more than 2000 messages it did not acknowledge."""
    channel, queue = filled(stage, 2001)
    channel.consume(queue)
    channel.wait_deliveries(2000)
    channel.settle(queue)
    channel.declare(queue, passive=True)
    channel.ack(1)
    channel.wait_deliveries(1)


@scenario()
def round_robin(stage: Stage) -> None:
    """Consumers take turns."""
    channel = stage.channel()
    queue = declare(channel, stage.name())
    for tag in ("first", "second", "third"):
        channel.consume(queue, tag)
    publisher = stage.channel()
    for number in range(1, 8):
        publish_one(stage, publisher, queue, str(number).encode(), channel)


@scenario()
def returned_to_another(stage: Stage) -> None:
    """What one consumer gives back goes to the next in turn."""
    channel, queue = filled(stage, 1)
    for tag in ("first", "second", "third"):
        channel.consume(queue, tag)
    for tag_number in range(1, 7):
        channel.wait_deliveries(1)
        channel.reject(tag_number)
    channel.wait_deliveries(1)


@scenario()
def priorities(stage: Stage) -> None:
    """Who has a higher priority comes first as long as it has room; none is zero, and less than that is less."""
    channel = stage.channel()
    queue = declare(channel, stage.name())
    channel.call("basic.qos", prefetch_count=1)
    for tag, arguments in {"low": {"x-priority": -5}, "none": {}, "high": {"x-priority": 5}}.items():
        channel.consume(queue, tag, arguments=arguments)
    publisher = stage.channel()
    for number in range(1, 4):
        publish_one(stage, publisher, queue, str(number).encode(), channel)
    channel.ack(3, multiple=True)
    channel.settle(queue)
    stage.until_queue(queue, message_count=0, consumer_count=3)
    publish_one(stage, publisher, queue, b"to the high one again", channel)


@scenario(each={"two": (True, True), "after a shared one": (False, True), "before a shared one": (True, False)})
def exclusive_consumers(stage: Stage, exclusive: tuple[bool, bool]) -> None:
    """The flag means nothing."""
    channel, queue = filled(stage, 1)
    for tag, flag in zip(("one", "two"), exclusive, strict=True):
        channel.consume(queue, tag, exclusive=flag)
    channel.wait_deliveries(1)
    channel.declare(queue, passive=True)


@scenario(each={"same channel": 1, "another channel": 2})
def consumer_tag_again(stage: Stage, number: int) -> None:
    """530 for a tag in use, on the same channel."""
    channel = stage.channel()
    queue = declare(channel, stage.name())
    channel.consume(queue, "tag")
    other = channel if number == 1 else channel.connection.channel(2)
    other.consume(queue, "tag")


@scenario()
def consume_missing(stage: Stage) -> None:
    """404 after the queue was deleted, for consumers known to the channel, too."""
    channel, queue = filled(stage, 1)
    channel.consume(queue)
    channel.wait_deliveries(1)
    channel.call("queue.delete", queue=queue)
    channel.consume(queue, "other")


@scenario(each=["consume", "nowait", "get"], before={"consume": "4.3", "nowait": "4.3"})
def global_prefetch(stage: Stage, how: str) -> None:
    """540 ends the connection when somebody consumes, not when it is set; basic.get does not care."""
    channel, queue = filled(stage, 1)
    channel.call("basic.qos", prefetch_count=1, global_=True)
    if how == "get":
        channel.get(queue)
        return
    channel.send("basic.consume", queue=queue, consumer_tag="c", nowait=how == "nowait")
    channel.connection.wait_end()


@scenario()
def global_prefetch_afterwards(stage: Stage) -> None:
    """Consumers that are there are not touched; set back to zero, others may come."""
    channel, queue = filled(stage, 3)
    channel.call("basic.qos", prefetch_count=2)
    channel.consume(queue, "one")
    channel.wait_deliveries(2)
    channel.call("basic.qos", prefetch_count=1, global_=True)
    channel.ack(1)
    channel.wait_deliveries(1)
    channel.call("basic.qos", prefetch_count=0, global_=True)
    channel.consume(queue, "two")
    channel.settle(queue)


@scenario(each=["cancel", "close", "hang up"])
def single_active(stage: Stage, how: str) -> None:
    """One gets all, the next in the order of subscription takes over; waiting consumers are not counted."""
    first, others = stage.channel(), stage.channel()
    queue = declare(first, stage.name(), arguments=SINGLE)
    first.consume(queue, "first")
    others.consume(queue, "second")
    others.consume(queue, "third")
    publisher = stage.channel()
    publish_one(stage, publisher, queue, b"1", first)
    publisher.declare(queue, passive=True)
    if how == "cancel":
        first.nack(1, requeue=False)
        first.call("basic.cancel", consumer_tag="first")
        first.settle(queue)
        publish_one(stage, publisher, queue, b"2", others)
    elif how == "close":
        first.close()
        others.wait_deliveries(1)
    else:
        first.connection.drop()
        others.wait_deliveries(1)
    others.ack(1)
    others.call("basic.cancel", consumer_tag="second")
    others.settle(queue)
    publish_one(stage, publisher, queue, b"3", others)


@scenario(each=["cancel", "close"])
def single_active_leaves_messages(stage: Stage, how: str) -> None:
    """A cancelled consumer keeps its messages while another goes on; those of a closed channel go to the next."""
    first, second = stage.channel(), stage.channel()
    queue = declare(first, stage.name(), arguments=SINGLE)
    first.publish_some(queue, 3)
    stage.until_queue(queue, message_count=3)
    first.call("basic.qos", prefetch_count=2)
    first.consume(queue, "first")
    first.wait_deliveries(2)
    second.consume(queue, "second")
    if how == "close":
        first.close()
        second.wait_deliveries(3)
        return
    first.call("basic.cancel", consumer_tag="first")
    second.wait_deliveries(1)
    second.declare(queue, passive=True)
    first.nack(2, multiple=True)
    second.wait_deliveries(2)
    stage.until_queue(queue, consumer_count=1)


@scenario()
def single_active_cancels_a_waiting_one(stage: Stage) -> None:
    """It is skipped."""
    channel = stage.channel()
    queue = declare(channel, stage.name(), arguments=SINGLE)
    for tag in ("first", "second", "third"):
        channel.consume(queue, tag)
    for tag in ("second", "first"):
        channel.call("basic.cancel", consumer_tag=tag)
    channel.settle(queue)
    publish_one(stage, stage.channel(), queue, b"for the third", channel)


@scenario()
def single_active_priorities(stage: Stage) -> None:
    """The order of subscription decides who is next, not the priority."""
    channel = stage.channel()
    queue = declare(channel, stage.name(), arguments=SINGLE)
    for tag, priority in {"first": 0, "low": -1, "high": 5}.items():
        channel.consume(queue, tag, arguments={"x-priority": priority})
    publisher = stage.channel()
    for number, tag in enumerate(("first", "low"), 1):
        publish_one(stage, publisher, queue, str(number).encode(), channel)
        channel.ack(number)
        channel.call("basic.cancel", consumer_tag=tag)
        channel.settle(queue)
    publish_one(stage, publisher, queue, b"3", channel)


@scenario(each={"exclusive first": (True, False), "exclusive second": (False, True), "both": (True, True)})
def single_active_and_exclusive(stage: Stage, exclusive: tuple[bool, bool]) -> None:
    """Where classic queues refuse an exclusive consumer, quorum queues do not look."""
    channel = stage.channel()
    queue = declare(channel, stage.name(), arguments=SINGLE)
    for tag, flag in zip(("one", "two"), exclusive, strict=True):
        channel = refused(channel)
        channel.consume(queue, tag, exclusive=flag)


@scenario(each={"empty": None, "full": False, "full, no_ack": True})
def get_from_single_active(stage: Stage, no_ack: bool | None) -> None:
    """405, whatever is in it."""
    channel = stage.channel()
    queue = declare(channel, stage.name(), arguments=SINGLE)
    if no_ack is not None:
        channel.publish("", queue, b"body")
        stage.until_queue(queue, message_count=1)
    channel.get(queue, no_ack=bool(no_ack))


@scenario()
def recover(stage: Stage) -> None:
    """recover with requeue gives all back, without it is 540; the asynchronous one answers nothing."""
    channel, queue = filled(stage, 2)
    channel.consume(queue)
    channel.wait_deliveries(2)
    channel.call("basic.recover", requeue=True)
    channel.wait_deliveries(2)
    channel.send("basic.recover-async", requeue=True)
    channel.wait_deliveries(2)
    channel.send("basic.recover", requeue=False)
    channel.connection.wait_end()
