"""Arguments of consumers: x-priority and what it does, and the ones RabbitMQ knows or does not."""

from collections.abc import Sequence
from typing import Any

from interop.parity.codec import Typed
from interop.parity.scenario import scenario
from interop.parity.script import Channel, Stage


def consume_with(channel: Channel, queue: str, priority: Any, tag: str = "c", **more: Any) -> None:  # noqa: ANN401
    channel.consume(queue, tag, arguments={} if priority is None else {"x-priority": priority}, **more)


def consumers(stage: Stage, *priorities: int | None, prefetch: int = 0) -> tuple[str, Sequence[Channel]]:
    """A queue, and channels with a consumer of each of these priorities."""
    connection = stage.connect()
    channels = [connection.channel(number) for number in range(1, len(priorities) + 1)]
    queue = channels[0].declare(exclusive=True)
    for channel, priority in zip(channels, priorities, strict=True):
        channel.call("basic.qos", prefetch_count=prefetch)
        consume_with(channel, queue, priority)
    return queue, channels


@scenario(
    each={
        "byte": Typed("b", 1),
        "unsigned byte": Typed("B", 1),
        "short": Typed("s", 1),
        "unsigned short": Typed("u", 1),
        "unsigned int": Typed("i", 1),
        "long": Typed("l", 1),
        "lowest": -(2**63),
        "highest": 2**63 - 1,
        "text": "1",
        "double": 1.0,
        "float": Typed("f", 1.0),
        "decimal": Typed("D", (0, 1)),
        "bool": True,
        "nothing": None,
        "timestamp": Typed("T", 1),
        "array": [1],
        "table": {"a": 1},
        "bytes": Typed("x", b"1"),
    }
)
def priority_of_type(stage: Stage, value: Any) -> None:  # noqa: ANN401
    """An integer of any size and sign, nothing else."""
    channel = stage.channel()
    queue = channel.declare(exclusive=True)
    channel.consume(queue, "plain")
    channel.consume(queue, "special", arguments={"x-priority": value})
    if channel.closed:
        return
    channel.publish_some(queue, 2)
    channel.wait_deliveries(2)


@scenario(
    each={
        "x-cancel-on-ha-failover": {"x-cancel-on-ha-failover": True},
        "x-cancel-on-ha-failover no bool": {"x-cancel-on-ha-failover": 1},
        "x-stream-offset": {"x-stream-offset": "first"},
        "x-stream-offset wrong": {"x-stream-offset": [1]},
        "x-stream-filter": {"x-stream-filter": "a"},
        "x-stream-match-unfiltered": {"x-stream-match-unfiltered": True},
        "x-consumer-timeout": {"x-consumer-timeout": 1000},
        "x-credit": {"x-credit": {"credit": Typed("l", 1), "drain": False}},
        "x-credit of another type": {"x-credit": {"credit": 1, "drain": False}},
        "x-credit, more": {"x-credit": {"credit": Typed("l", 2), "drain": False, "more": 1}},
        "x-max-priority": {"x-max-priority": "nonsense"},
        "x-message-ttl": {"x-message-ttl": -1},
        "two wrong": {"x-stream-offset": "first", "x-priority": "1", "x-cancel-on-ha-failover": "1"},
        "two wrong, turned around": {"x-cancel-on-ha-failover": "1", "x-priority": "1", "x-stream-offset": "first"},
        "priority twice": b"\x0ax-priorityI\0\0\0\x01\x0ax-priorityS\0\0\0\x01a",
    }
)
def arguments(stage: Stage, table: dict[str, Any] | bytes) -> None:
    """What a classic queue knows is checked; what is for other kinds of queues is refused; the rest is let through."""
    channel = stage.channel()
    queue = channel.declare(exclusive=True)
    channel.consume(queue, arguments=table)
    channel.publish_some(queue, 3)
    channel.settle(queue)


@scenario(each={"missing queue": "queue", "tag in use": "tag", "exclusive": "exclusive", "nowait": "nowait"})
def order_of_checks(stage: Stage, also: str) -> None:
    """What is said when more than the argument is wrong."""
    channel, other = stage.channel(), stage.channel()
    queue = other.declare(stage.name())
    if also == "exclusive":
        other.consume(queue, exclusive=True)
    if also == "tag":
        channel.consume(queue)
    consume_with(channel, stage.name("missing") if also == "queue" else queue, "1", nowait=also == "nowait")


@scenario()
def highest_first(stage: Stage) -> None:
    """The consumer of the highest priority gets everything as long as it has room."""
    queue, channels = consumers(stage, None, -1, 10, 5)
    channels[0].publish_some(queue, 4)
    channels[2].wait_deliveries(4)
    channels[2].call("basic.cancel", consumer_tag="c")
    channels[0].publish_some(queue, 2)
    channels[3].wait_deliveries(2)
    channels[3].close()
    channels[0].wait_deliveries(2)
    channels[0].call("basic.cancel", consumer_tag="c")
    channels[0].publish("", queue, b"last")
    channels[1].wait_deliveries(1)


@scenario()
def without_room(stage: Stage) -> None:
    """Without room, the next ones get messages; with room again, the highest goes first again."""
    queue, channels = consumers(stage, 1, 3, 2, prefetch=2)
    channels[0].publish_some(queue, 7)
    for channel in channels:
        channel.wait_deliveries(2)
    channels[0].settle(queue)
    channels[2].ack(1)
    channels[2].wait_deliveries(1)
    channels[1].ack(2, multiple=True)
    channels[1].settle(queue)
    channels[0].publish_some(queue, 3)
    channels[1].wait_deliveries(2)
    channels[0].ack(1)
    channels[0].wait_deliveries(1)


@scenario()
def equal(stage: Stage) -> None:
    """Equal priorities take turns, others not."""
    queue, channels = consumers(stage, 5, None, 5, 0, 5)
    channels[0].publish_some(queue, 7)
    channels[0].wait_deliveries(3)
    channels[2].wait_deliveries(2)
    channels[4].wait_deliveries(2)
    for channel in (channels[0], channels[2], channels[4]):
        channel.call("basic.cancel", consumer_tag="c")
    channels[0].publish_some(queue, 3)
    channels[1].wait_deliveries(2)
    channels[3].wait_deliveries(1)


@scenario()
def negative_and_none(stage: Stage) -> None:
    """None is 0: more than a negative one."""
    queue, channels = consumers(stage, -5, None, -(2**31))
    channels[0].publish_some(queue, 2)
    channels[1].wait_deliveries(2)
    channels[1].call("basic.cancel", consumer_tag="c")
    channels[0].publish_some(queue, 2)
    channels[0].wait_deliveries(2)


@scenario()
def messages_that_wait(stage: Stage) -> None:
    """Whoever comes first gets the messages that wait, whatever the priority of the next."""
    connection = stage.connect()
    low, high = connection.channel(1), connection.channel(2)
    queue = low.declare(exclusive=True)
    low.publish_some(queue, 3)
    low.call("basic.qos", prefetch_count=2)
    consume_with(low, queue, 1)
    low.wait_deliveries(2)
    consume_with(high, queue, 10)
    high.wait_deliveries(1)
    low.ack(2, multiple=True)
    low.settle(queue)
    low.publish_some(queue, 2)
    high.wait_deliveries(2)


@scenario()
def requeued(stage: Stage) -> None:
    """A message requeued by a low one goes to the highest with room, itself included."""
    queue, channels = consumers(stage, 1, 2, prefetch=1)
    channels[0].publish_some(queue, 2)
    channels[1].wait_deliveries(1)
    channels[0].wait_deliveries(1)
    channels[0].reject(1)
    channels[0].wait_deliveries(1)
    channels[1].ack(1)
    channels[1].settle(queue)
    channels[0].reject(2)
    channels[1].wait_deliveries(1)


@scenario()
def on_one_channel(stage: Stage) -> None:
    """Consumers of one channel have priorities of their own, and room of their own."""
    channel = stage.channel()
    queue = channel.declare(exclusive=True)
    channel.call("basic.qos", prefetch_count=1)
    consume_with(channel, queue, 1, "low")
    consume_with(channel, queue, 9, "high")
    channel.publish_some(queue, 3)
    channel.wait_deliveries(2)
    channel.settle(queue)
    channel.ack(1)
    channel.wait_deliveries(1)


@scenario()
def limit_of_the_channel(stage: Stage) -> None:
    """With a limit for the whole channel, the low one waits for the high one's acknowledgement."""
    connection = stage.connect()
    channel, other = connection.channel(1), connection.channel(2)
    queue = channel.declare(exclusive=True)
    channel.call("basic.qos", prefetch_count=2, global_=True)
    consume_with(channel, queue, 1, "low")
    consume_with(channel, queue, 9, "high")
    consume_with(other, queue, 5, "other")
    channel.publish_some(queue, 4)
    channel.wait_deliveries(2)
    other.wait_deliveries(2)
    channel.ack(1)
    channel.settle(queue)
    channel.publish_some(queue, 1)
    channel.wait_deliveries(1)


@scenario()
def exclusive_consumer(stage: Stage) -> None:
    """A priority takes nothing away from an exclusive consumer."""
    channel, other = stage.channel(), stage.channel()
    queue = channel.declare(stage.name())
    consume_with(channel, queue, -1, exclusive=True)
    consume_with(other, queue, 10)
    channel.publish_some(queue, 1)
    channel.wait_deliveries(1)


@scenario()
def get_takes_part(stage: Stage) -> None:
    """basic.get gets what no consumer has room for."""
    queue, channels = consumers(stage, 1, 2, prefetch=1)
    channels[0].publish_some(queue, 3)
    channels[0].wait_deliveries(1)
    channels[1].wait_deliveries(1)
    channels[0].settle(queue)
    channels[0].get(queue)
    channels[0].nack(2)
    channels[0].settle(queue)
    channels[1].ack(1)
    channels[1].wait_deliveries(1)
