"""Queues with x-single-active-consumer: who is active, who comes next, and where messages go meanwhile."""

from typing import Any

from interop.parity.codec import Typed
from interop.parity.scenario import Differs, scenario
from interop.parity.script import Channel, Stage

SINGLE = {"x-single-active-consumer": True}


def single_active_queue(channel: Channel, name: str = "", **more: Any) -> str:  # noqa: ANN401
    """A queue of the connection's own, or one for several connections, if it has a name."""
    return channel.declare(name, exclusive=not name, arguments=SINGLE, **more)


def three_channels(stage: Stage) -> tuple[Channel, Channel, Channel]:
    connection = stage.connect()
    return connection.channel(1), connection.channel(2), connection.channel(3)


@scenario()
def one_gets_all(stage: Stage) -> None:
    """The first consumer gets all messages, the others wait and count as consumers."""
    one, two, three = three_channels(stage)
    queue = single_active_queue(one)
    for channel in (one, two, three):
        channel.consume(queue)
    three.publish_some(queue, 5)
    one.wait_deliveries(5)
    one.settle(queue)
    one.declare(queue, passive=True)


@scenario()
def on_one_channel(stage: Stage) -> None:
    """Consumers of the same channel take turns in the same way."""
    channel = stage.channel()
    queue = single_active_queue(channel)
    for tag in ("a", "b", "c"):
        channel.consume(queue, tag)
    for tag in ("b", "a", "c"):
        channel.publish_some(queue, 2)
        channel.wait_deliveries(2)
        channel.call("basic.cancel", consumer_tag=tag)
    channel.publish("", queue, b"stays")
    channel.get(queue)


@scenario()
def cancelled(stage: Stage) -> None:
    """After a cancel the next in the order they came takes over; unacknowledged messages stay with the old one."""
    one, two, three = three_channels(stage)
    queue = single_active_queue(one)
    one.consume(queue)
    two.consume(queue)
    three.consume(queue)
    one.publish_some(queue, 2)
    one.wait_deliveries(2)
    one.call("basic.cancel", consumer_tag="c")
    one.publish("", queue, b"for the second")
    two.wait_deliveries(1)
    one.nack(1)
    two.wait_deliveries(1)
    one.ack(2)
    one.consume(queue)
    two.call("basic.cancel", consumer_tag="c")
    one.publish("", queue, b"for the third")
    three.wait_deliveries(1)
    three.call("basic.cancel", consumer_tag="c")
    one.publish("", queue, b"for the first again")
    one.wait_deliveries(1)


@scenario()
def waiting_cancelled(stage: Stage) -> None:
    """One that waits may go without anybody noticing."""
    one, two, three = three_channels(stage)
    queue = single_active_queue(one)
    for channel in (one, two, three):
        channel.consume(queue)
    two.call("basic.cancel", consumer_tag="c")
    one.publish("", queue, b"for the first")
    one.wait_deliveries(1)
    one.call("basic.cancel", consumer_tag="c")
    one.publish("", queue, b"for the third")
    three.wait_deliveries(1)


@scenario(
    differs=Differs(
        "RabbitMQ before 4.0 leaves the messages waiting, and the next publish crashes its queue; amqpy delivers them",
        [
            "basic.cancel-ok consumer_tag='first'",
            "queue.declare-ok queue='q.*' message_count=2 consumer_count=1",
        ],
        [
            "basic.cancel-ok consumer_tag='first'",
            "basic.deliver consumer_tag='second' delivery_tag=2 redelivered=False exchange='' routing_key='q.*'",
            r"header class=60 weight=0 size=1 properties='\x00\x00'",
            "body '2'",
            "basic.deliver consumer_tag='second' delivery_tag=3 redelivered=False exchange='' routing_key='q.*'",
            r"header class=60 weight=0 size=1 properties='\x00\x00'",
            "body '3'",
            "queue.declare-ok queue='q.*' message_count=0 consumer_count=1",
        ],
        before="4.0",
    )
)
def cancelled_with_messages_waiting(stage: Stage) -> None:
    """Messages the old one had no room for go to the next at once."""
    channel = stage.channel()
    queue = single_active_queue(channel, stage.name("q"))
    channel.call("basic.qos", prefetch_count=1)
    channel.consume(queue, "first")
    channel.call("basic.qos", prefetch_count=0)
    channel.consume(queue, "second")
    channel.publish_some(queue, 3)
    channel.wait_deliveries(1)
    channel.settle(queue)
    channel.call("basic.cancel", consumer_tag="first")
    channel.settle(queue)
    channel.declare(queue, passive=True)


@scenario()
def closed_with_messages_waiting(stage: Stage) -> None:
    """The same when the channel of the old one is closed: first what it had, then what waited."""
    one, two, _ = three_channels(stage)
    queue = single_active_queue(one)
    one.call("basic.qos", prefetch_count=1)
    one.consume(queue)
    two.consume(queue)
    two.publish_some(queue, 3)
    one.wait_deliveries(1)
    two.settle(queue)
    one.close()
    two.wait_deliveries(3)


@scenario(each={"channel": False, "connection": True})
def closed(stage: Stage, connection: bool) -> None:
    """When channel or connection of the active one end, what it had goes to the next, in order."""
    active, first, second = stage.channel(), stage.channel(), stage.channel()
    queue = single_active_queue(second, stage.name())
    active.consume(queue)
    first.consume(queue)
    second.consume(queue)
    second.publish_some(queue, 4)
    active.wait_deliveries(4)
    active.ack(2)
    active.sync()
    if connection:
        active.connection.close()
    else:
        active.close()
    first.wait_deliveries(3)
    second.publish("", queue, b"5")
    first.wait_deliveries(1)


@scenario()
def dropped(stage: Stage) -> None:
    """The same when the client hangs up without a word."""
    active, waiting = stage.channel(), stage.channel()
    queue = single_active_queue(waiting, stage.name())
    active.consume(queue)
    waiting.consume(queue)
    waiting.publish_some(queue, 2)
    active.wait_deliveries(2)
    active.connection.drop()
    waiting.wait_deliveries(2)


@scenario()
def prefetch(stage: Stage) -> None:
    """When the active one has no room, messages wait for it, although others have room."""
    one, two, three = three_channels(stage)
    queue = single_active_queue(one)
    one.call("basic.qos", prefetch_count=2)
    one.consume(queue)
    two.consume(queue)
    three.publish_some(queue, 5)
    one.wait_deliveries(2)
    one.settle(queue)
    one.ack(1)
    one.wait_deliveries(1)
    three.get(queue)
    one.ack(3, multiple=True)
    one.wait_deliveries(1)
    one.settle(queue)


@scenario()
def requeued(stage: Stage) -> None:
    """What the active one requeues comes back to it."""
    one, two, _ = three_channels(stage)
    queue = single_active_queue(one)
    one.call("basic.qos", prefetch_count=1)
    one.consume(queue)
    two.consume(queue)
    one.publish_some(queue, 2)
    one.wait_deliveries(1)
    one.reject(1)
    one.wait_deliveries(1)
    one.reject(2, requeue=False)
    one.wait_deliveries(1)


@scenario(each={"first": True, "second": False})
def exclusive_consumer(stage: Stage, first: bool) -> None:
    """Consumers cannot be exclusive there, not even the only one."""
    channel, other = stage.channel(), stage.channel()
    queue = single_active_queue(channel, stage.name())
    if not first:
        channel.consume(queue)
    other.consume(queue, exclusive=True)
    channel.declare(queue, passive=True)


@scenario()
def get(stage: Stage) -> None:
    """basic.get takes messages the active one has no room for, and before anybody consumes."""
    one, two, _ = three_channels(stage)
    queue = single_active_queue(one)
    one.publish_some(queue, 3)
    one.settle(queue)
    two.get(queue)
    one.call("basic.qos", prefetch_count=1)
    one.consume(queue)
    one.wait_deliveries(1)
    one.settle(queue)
    two.get(queue)
    two.nack(0, multiple=True)
    two.settle(queue)
    one.ack(1)
    one.wait_deliveries(1)
    two.get(queue)


@scenario()
def priority_of_the_later(stage: Stage) -> None:
    """A consumer of higher priority does not take over, but comes next when the active one goes."""
    one, two, three = three_channels(stage)
    queue = single_active_queue(one)
    one.consume(queue, arguments={"x-priority": 1})
    two.consume(queue, arguments={"x-priority": 5})
    three.consume(queue, arguments={"x-priority": 10})
    one.publish("", queue, b"for the first")
    one.wait_deliveries(1)
    one.call("basic.cancel", consumer_tag="c")
    one.publish("", queue, b"for the highest")
    three.wait_deliveries(1)
    one.consume(queue, arguments={"x-priority": 7})
    three.close()
    one.wait_deliveries(1)
    one.publish("", queue, b"for the highest of the others")
    one.wait_deliveries(1)


@scenario()
def two_queues_on_a_channel(stage: Stage) -> None:
    """Being active is a matter of each queue."""
    one, two, _ = three_channels(stage)
    first, second = single_active_queue(one), single_active_queue(one)
    one.consume(first, "first")
    two.consume(first, "first")
    two.consume(second, "second")
    one.consume(second, "second")
    one.publish_some(first, 2)
    one.publish_some(second, 2)
    one.wait_deliveries(2)
    two.wait_deliveries(2)


@scenario()
def no_ack(stage: Stage) -> None:
    """Without acknowledgements, too."""
    one, two, _ = three_channels(stage)
    queue = single_active_queue(one)
    one.consume(queue, no_ack=True)
    two.consume(queue, no_ack=True)
    one.publish_some(queue, 3)
    one.wait_deliveries(3)
    one.close()
    two.publish_some(queue, 1)
    two.wait_deliveries(1)


@scenario()
def auto_delete(stage: Stage) -> None:
    """The queue goes with the last consumer, not with the active one."""
    channel = stage.channel()
    queue = single_active_queue(channel, stage.name(), auto_delete=True)
    channel.consume(queue, "active")
    channel.consume(queue, "waiting")
    channel.call("basic.cancel", consumer_tag="active")
    channel.declare(queue, passive=True)
    channel.call("basic.cancel", consumer_tag="waiting")
    channel.connection.until_queue_gone(queue)


@scenario()
def deleted(stage: Stage) -> None:
    """All consumers hear of the end of the queue."""
    channel = stage.channel(capabilities={"consumer_cancel_notify": True})
    queue = single_active_queue(channel, stage.name())
    channel.consume(queue, "only")
    stage.channel().call("queue.delete", queue=queue)
    channel.wait("basic.cancel")


@scenario(
    each={
        "false": False,
        "true": True,
        "text": "true",
        "number": 1,
        "nothing": None,
        "byte": Typed("b", 1),
    }
)
def argument(stage: Stage, value: Any) -> None:  # noqa: ANN401
    """The argument is a boolean; false is as good as none."""
    channel = stage.channel()
    queue = channel.declare(exclusive=True, arguments={"x-single-active-consumer": value})
    if channel.closed:
        return
    channel.consume(queue, "a")
    channel.consume(queue, "b")
    channel.publish_some(queue, 4)
    channel.wait_deliveries(4)


@scenario()
def redeclared(stage: Stage) -> None:
    """It belongs to what must be the same at the next declaration."""
    channel = stage.channel()
    queue = single_active_queue(channel, stage.name("q"))
    channel.declare(queue, arguments=SINGLE)
    channel.declare(queue)
    channel.reopen().declare(queue, arguments={"x-single-active-consumer": False})
