"""Prefetch: how many messages a consumer or a channel may hold unacknowledged."""

from interop.parity.scenario import scenario
from interop.parity.script import Stage


@scenario()
def prefetch(stage: Stage) -> None:
    """Each consumer gets as many unacknowledged messages as qos said before it came."""
    channel = stage.channel()
    queue = channel.declare(exclusive=True)
    channel.publish_some(queue, 6)
    channel.call("basic.qos", prefetch_count=2)
    channel.consume(queue, "two")
    channel.wait_deliveries(2)
    channel.call("basic.qos", prefetch_count=1)
    channel.consume(queue, "one")
    channel.wait_deliveries(1)
    channel.settle(queue)
    channel.ack(1)
    channel.wait_deliveries(1)
    channel.settle(queue)
    channel.ack(3)
    channel.wait_deliveries(1)
    channel.settle(queue)


@scenario()
def prefetch_change_keeps_consumers(stage: Stage) -> None:
    """A live consumer keeps the prefetch it was made with."""
    channel = stage.channel()
    queue = channel.declare(exclusive=True)
    channel.publish_some(queue, 4)
    channel.call("basic.qos", prefetch_count=1)
    channel.consume(queue)
    channel.wait_deliveries(1)
    channel.call("basic.qos", prefetch_count=3)
    channel.settle(queue)
    channel.ack(1)
    channel.wait_deliveries(1)
    channel.settle(queue)


@scenario(each={"multiple": "multiple", "nack": "nack", "reject": "reject"})
def prefetch_is_given_back(stage: Stage, how: str) -> None:
    """Every way to settle messages makes room for more."""
    channel = stage.channel()
    queue = channel.declare(exclusive=True)
    channel.publish_some(queue, 5)
    channel.call("basic.qos", prefetch_count=2)
    channel.consume(queue)
    channel.wait_deliveries(2)
    if how == "multiple":
        channel.ack(2, multiple=True)
    elif how == "nack":
        channel.nack(2, multiple=True, requeue=False)
    else:
        channel.reject(1, requeue=False)
        channel.reject(2, requeue=False)
    channel.wait_deliveries(2)
    channel.settle(queue)


@scenario()
def global_prefetch(stage: Stage) -> None:
    """global counts over all consumers of the channel."""
    channel = stage.channel()
    one, two = channel.declare(exclusive=True), channel.declare(exclusive=True)
    channel.publish_some(one, 3)
    channel.call("basic.qos", prefetch_count=2, global_=True)
    channel.consume(one, "one")
    channel.consume(two, "two")
    channel.wait_deliveries(2)
    channel.settle(one)
    channel.ack(1)
    channel.wait_deliveries(1)
    channel.publish_some(two, 1)
    channel.settle(one, two)
    channel.ack(2)
    channel.wait_deliveries(1)
    channel.publish_some(two, 1)
    channel.settle(one, two)


@scenario()
def global_prefetch_is_shared(stage: Stage) -> None:
    """Where the channel's limit lets one message through at a time, its consumers take turns."""
    channel = stage.channel()
    queue = channel.declare(exclusive=True)
    channel.call("basic.qos", prefetch_count=1, global_=True)
    for tag in ("first", "second", "third"):
        channel.consume(queue, tag)
    channel.publish_some(queue, 7)
    for number in range(1, 8):
        channel.wait_deliveries(1)
        channel.settle(queue)
        channel.ack(number)


@scenario()
def global_prefetch_and_per_consumer(stage: Stage) -> None:
    """Both limits hold."""
    channel = stage.channel()
    queue = channel.declare(exclusive=True)
    channel.publish_some(queue, 6)
    channel.call("basic.qos", prefetch_count=3, global_=True)
    channel.call("basic.qos", prefetch_count=2)
    channel.consume(queue)
    channel.settle(queue)
    channel.settle(queue)


@scenario()
def global_prefetch_set_later(stage: Stage) -> None:
    """A global limit acts on consumers that live; raised, it lets more through."""
    channel = stage.channel()
    queue = channel.declare(exclusive=True)
    channel.consume(queue)
    channel.call("basic.qos", prefetch_count=1, global_=True)
    channel.publish_some(queue, 4)
    channel.wait_deliveries(1)
    channel.settle(queue)
    channel.call("basic.qos", prefetch_count=3, global_=True)
    channel.wait_deliveries(2)
    channel.settle(queue)
    channel.call("basic.qos", prefetch_count=0, global_=True)
    channel.wait_deliveries(1)


@scenario()
def get_is_not_limited(stage: Stage) -> None:
    """basic.get takes no notice of prefetch."""
    channel = stage.channel()
    queue = channel.declare(exclusive=True)
    channel.publish_some(queue, 3)
    channel.call("basic.qos", prefetch_count=1)
    for _ in range(3):
        channel.get(queue)


@scenario(each={"per consumer": False, "global": True})
def prefetch_size(stage: Stage, global_: bool) -> None:
    """A size limit is not implemented: 540."""
    stage.channel().call("basic.qos", prefetch_size=1, prefetch_count=1, global_=global_)


@scenario()
def highest_prefetch(stage: Stage) -> None:
    """65535."""
    channel = stage.channel()
    channel.call("basic.qos", prefetch_count=65535)
    channel.call("basic.qos", prefetch_count=65535, global_=True)
    queue = channel.declare(exclusive=True)
    channel.consume(queue)
    channel.publish_some(queue, 3)
    channel.wait_deliveries(3)
