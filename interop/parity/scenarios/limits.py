"""Limits of queues: x-max-length, x-max-length-bytes, and what x-overflow does with what is too much."""

from collections.abc import Callable, Mapping
from typing import Any

from interop.parity import codec
from interop.parity.connection import Channel
from interop.parity.scenario import scenario
from interop.parity.script import Stage

MODES = ("drop-head", "reject-publish", "reject-publish-dlx")
REJECTING = ("reject-publish", "reject-publish-dlx")


def declare(stage: Stage, channel: Channel, label: str = "q", **limits: Any) -> str:  # noqa: ANN401
    """Declare a queue with limits, named without their x- and with underscores."""
    arguments = {f"x-{name.replace('_', '-')}": value for name, value in limits.items()}
    return channel.declare(stage.name(label), arguments=arguments)


def publish_confirmed(channel: Channel, queue: str, *bodies: bytes, properties: bytes = codec.properties()) -> None:
    """Publish one after the other, so that the order of confirms is certain; the channel's first publishes."""
    channel.call("confirm.select")
    for count, body in enumerate(bodies, 1):
        channel.publish("", queue, body, properties=properties, mandatory=True)
        channel.wait_confirms(count)


# How much is too much


@scenario(each=MODES)
def length(stage: Stage, overflow: str) -> None:
    """The oldest go, or the newest are refused: a nack, not a return."""
    channel = stage.channel()
    queue = declare(stage, channel, max_length=2, overflow=overflow)
    publish_confirmed(channel, queue, b"1", b"2", b"3", b"4")
    channel.declare(queue, passive=True)
    channel.drain(queue)


@scenario(each=MODES)
def size(stage: Stage, overflow: str) -> None:
    """Bodies count, as many as fit; what is larger than the limit goes itself, after everything before it."""
    channel = stage.channel()
    queue = declare(stage, channel, max_length_bytes=10, overflow=overflow)
    publish_confirmed(channel, queue, b"12345", b"67890", b"", b"x", b"xxxxxxxxx", b"too much: 11", b"after")
    channel.declare(queue, passive=True)
    channel.drain(queue)


@scenario(each=MODES)
def only_bodies_count(stage: Stage, overflow: str) -> None:
    """Properties and headers weigh nothing."""
    channel = stage.channel()
    queue = declare(stage, channel, max_length_bytes=3, overflow=overflow)
    properties = codec.properties(headers={"long": "x" * 100}, message_id="long " * 10)
    publish_confirmed(channel, queue, b"1", b"2", b"3", properties=properties)
    channel.declare(queue, passive=True)


@scenario(each=MODES)
def length_and_size(stage: Stage, overflow: str) -> None:
    """Whichever is reached first."""
    channel = stage.channel()
    queue = declare(stage, channel, max_length=3, max_length_bytes=10, overflow=overflow)
    publish_confirmed(channel, queue, b"1234", b"1234", b"1234", b"1", b"2", b"3", b"4")
    channel.drain(queue)


@scenario(each=MODES)
def no_limit(stage: Stage, overflow: str) -> None:
    """x-overflow alone does nothing."""
    channel = stage.channel()
    queue = declare(stage, channel, overflow=overflow)
    publish_confirmed(channel, queue, b"1", b"2", b"3")
    channel.drain(queue)


@scenario(each=MODES)
def zero_bytes(stage: Stage, overflow: str) -> None:
    """A size of zero still has room for messages without a body."""
    channel = stage.channel()
    queue = declare(stage, channel, max_length_bytes=0, overflow=overflow)
    publish_confirmed(channel, queue, b"", b"x", b"")
    channel.declare(queue, passive=True)
    channel.drain(queue)


@scenario(each=MODES)
def zero_length(stage: Stage, overflow: str) -> None:
    """Nobody waits, nothing stays."""
    channel = stage.channel()
    queue = declare(stage, channel, max_length=0, overflow=overflow)
    publish_confirmed(channel, queue, b"1", b"2")
    channel.get(queue)


@scenario(each=MODES)
def zero_length_with_consumer(stage: Stage, overflow: str) -> None:
    """Where the oldest are dropped, a ready consumer gets everything; publishes are refused although one waits."""
    channel, consumer = stage.channel(), stage.channel()
    queue = declare(stage, channel, max_length=0, overflow=overflow)
    consumer.consume(queue)
    publish_confirmed(channel, queue, b"1", b"2")
    channel.settle(queue)


@scenario(each=MODES)
def a_body_too_large_for_a_queue_with_consumer(stage: Stage, overflow: str) -> None:
    """The same with sizes."""
    channel, consumer = stage.channel(), stage.channel()
    queue = declare(stage, channel, max_length_bytes=3, overflow=overflow)
    consumer.consume(queue, no_ack=True)
    publish_confirmed(channel, queue, b"1234", b"123")
    channel.settle(queue)


@scenario(each=MODES)
def with_busy_consumer(stage: Stage, overflow: str) -> None:
    """What a consumer has does not count; when it is ready, there is room again."""
    channel, consumer = stage.channel(), stage.channel()
    queue = declare(stage, channel, max_length=1, overflow=overflow)
    consumer.call("basic.qos", prefetch_count=1)
    consumer.consume(queue)
    publish_confirmed(channel, queue, b"1", b"2", b"3")
    consumer.wait_deliveries(1)
    channel.declare(queue, passive=True)
    consumer.ack(1)
    consumer.wait_deliveries(1)
    consumer.settle(queue)
    channel.publish("", queue, b"4")
    channel.wait_confirms(4)
    channel.declare(queue, passive=True)


# Who hears of it


@scenario(each=MODES)
def without_confirms(stage: Stage, overflow: str) -> None:
    """Nobody does."""
    channel = stage.channel()
    queue = declare(stage, channel, max_length=1, overflow=overflow)
    for body in (b"1", b"2", b"3"):
        channel.publish("", queue, body, mandatory=True)
    channel.settle(queue)
    channel.drain(queue)


@scenario(each=MODES)
def within_a_transaction(stage: Stage, overflow: str) -> None:
    """A commit fails when a publish is refused: 406, though the other messages are there."""
    channel = stage.channel()
    queue = declare(stage, channel, max_length=2, overflow=overflow)
    channel.call("tx.select")
    for body in (b"1", b"2", b"3"):
        channel.publish("", queue, body, mandatory=True)
    channel.call("tx.commit")
    channel = channel.reopen() if channel.closed else channel
    channel.settle(queue)
    channel.drain(queue)


@scenario(each=REJECTING)
def a_failed_commit_is_done(stage: Stage, overflow: str) -> None:
    """What was settled and what other queues took stays so."""
    channel = stage.channel()
    full = declare(stage, channel, "full", max_length=0, overflow=overflow)
    queue = declare(stage, channel)
    channel.publish_some(queue, 3)
    for _ in range(3):
        channel.get(queue)
    channel.call("tx.select")
    channel.publish("", full, b"refused")
    channel.publish("", queue, b"taken")
    channel.ack(1)
    channel.nack(2, requeue=False)
    channel.call("tx.commit")
    channel = channel.reopen()
    channel.settle(queue, full)
    channel.drain(queue)
    channel.drain(full)


@scenario(each=REJECTING)
def put_back_and_published_within_a_transaction(stage: Stage, overflow: str) -> None:
    """Publishes come first, whatever the order they were asked for, and find room that is then taken again."""
    channel = stage.channel()
    queue = declare(stage, channel, max_length=1, overflow=overflow)
    channel.publish("", queue, b"1")
    channel.get(queue)
    channel.call("tx.select")
    channel.nack(1)
    channel.publish("", queue, b"2")
    channel.call("tx.commit")
    channel.settle(queue)
    channel.drain(queue)


@scenario(each=MODES)
def persistent_messages(stage: Stage, overflow: str) -> None:
    """A durable queue answers the same; what is dropped was accepted before."""
    channel = stage.channel()
    arguments = {"x-max-length": 1, "x-overflow": overflow}
    queue = channel.declare(stage.name(), durable=True, arguments=arguments)
    publish_confirmed(channel, queue, b"1", b"2", b"3", properties=codec.properties(delivery_mode=2))
    channel.drain(queue)


@scenario(each=REJECTING, confirms_apart=True)
def many_at_once(stage: Stage, overflow: str) -> None:
    """Each publish is confirmed as itself."""
    channel = stage.channel()
    queue = declare(stage, channel, max_length=5, overflow=overflow)
    channel.call("confirm.select")
    channel.publish_some(queue, 20)
    channel.wait_confirms(20)
    channel.drain(queue)


@scenario(each=REJECTING)
def room_again(stage: Stage, overflow: str) -> None:
    """After messages were taken, purged, or ran out of time."""
    channel = stage.channel()
    queue = declare(stage, channel, max_length=1, overflow=overflow)
    publish_confirmed(channel, queue, b"1", b"2")
    channel.get(queue)
    channel.publish("", queue, b"3", properties=codec.properties(expiration="1"))
    channel.wait_confirms(3)
    stage.until_queue(queue, message_count=0)
    channel.publish("", queue, b"4")
    channel.wait_confirms(4)
    channel.call("queue.purge", queue=queue)
    channel.publish("", queue, b"5")
    channel.wait_confirms(5)
    channel.drain(queue)


# Several queues


@scenario(each=REJECTING)
def one_queue_of_several_rejects(stage: Stage, overflow: str) -> None:
    """The others take the message, and the publisher gets one nack."""
    channel = stage.channel()
    full = declare(stage, channel, "full", max_length=1, overflow=overflow)
    queues = [declare(stage, channel, "one"), full, declare(stage, channel, "two")]
    exchange = channel.exchange(stage.name("x"), "fanout")
    for queue in queues:
        channel.bind(queue, exchange)
    channel.call("confirm.select")
    for count, body in enumerate((b"1", b"2", b"3"), 1):
        channel.publish(exchange, "", body, mandatory=True)
        channel.wait_confirms(count)
        channel.settle(*queues)
    for queue in queues:
        channel.drain(queue)


@scenario(each=REJECTING)
def several_queues_reject(stage: Stage, overflow: str) -> None:
    """One nack, too."""
    channel = stage.channel()
    exchange = channel.exchange(stage.name("x"), "fanout")
    queues = [declare(stage, channel, label, max_length=0, overflow=overflow) for label in ("one", "two")]
    for queue in queues:
        channel.bind(queue, exchange)
    channel.call("confirm.select")
    for count in (1, 2):
        channel.publish(exchange, "", b"refused", mandatory=True)
        channel.wait_confirms(count)
        channel.settle(*queues)


@scenario(each={"dead letters": True, "no dead letters": False})
def refused_messages_are_dead_lettered(stage: Stage, dead_lettering: bool) -> None:
    """With reject-publish-dlx they are, and refused all the same; with reject-publish they are not."""
    channel = stage.channel()
    dead = channel.declare(stage.name("dead"))
    limits: dict[str, Any] = {"dead_letter_exchange": "", "dead_letter_routing_key": dead, "max_length": 1}
    queue = declare(stage, channel, overflow="reject-publish-dlx" if dead_lettering else "reject-publish", **limits)
    publish_confirmed(channel, queue, b"1", b"2", b"3")
    channel.settle(queue, dead)
    channel.declare(queue, passive=True)
    channel.declare(dead, passive=True)


@scenario(each={"length": {"max_length": 1}, "size": {"max_length_bytes": 1}})
def dead_letters_overflow(stage: Stage, limit: Mapping[str, int]) -> None:
    """A queue of dead letters that is full loses them, nobody is told, and the messages do not come back."""
    channel = stage.channel()
    full = declare(stage, channel, "full", overflow="reject-publish", **limit)
    queue = declare(stage, channel, dead_letter_exchange="", dead_letter_routing_key=full)
    channel.publish("", full, b"1")
    channel.publish("", queue, b"2")
    channel.get(queue)
    channel.reject(1, requeue=False)
    channel.settle(queue, full)
    channel.declare(queue, passive=True)
    channel.drain(full)


# Back in the queue


def nack_all(channel: Channel) -> None:
    channel.nack(0, multiple=True)


def recover_all(channel: Channel) -> None:
    channel.call("basic.recover", requeue=True)


@scenario(each=MODES)
def unacked_do_not_count(stage: Stage, overflow: str) -> None:
    """Only what is ready does, for length and size."""
    channel = stage.channel()
    queue = declare(stage, channel, max_length=2, max_length_bytes=2, overflow=overflow)
    publish_confirmed(channel, queue, b"1", b"2")
    channel.get(queue)
    channel.get(queue)
    for count in (3, 4):
        channel.publish("", queue, str(count).encode())
        channel.wait_confirms(count)
    channel.declare(queue, passive=True)
    channel.ack(0, multiple=True)
    channel.settle(queue)
    channel.drain(queue)


@scenario(each=MODES)
def put_back_over_the_limit(stage: Stage, overflow: str) -> None:
    """What is put back comes first, and so is dropped first; where publishes are refused, it may be too much."""
    channel = stage.channel()
    queue = declare(stage, channel, max_length=2, overflow=overflow)
    channel.publish_some(queue, 2)
    channel.get(queue)
    channel.get(queue)
    channel.publish("", queue, b"3")
    channel.settle(queue)
    channel.nack(2)
    channel.settle(queue)
    channel.declare(queue, passive=True)
    channel.nack(1)
    channel.settle(queue)
    channel.declare(queue, passive=True)
    channel.publish("", queue, b"4")
    channel.settle(queue)
    channel.drain(queue)


PUTTING_BACK: Mapping[str, Callable[[Channel], object]] = {
    "nack": nack_all,
    "recover": recover_all,
    "channel": Channel.close,
    "connection": lambda channel: channel.connection.close(),
}


@scenario(each=PUTTING_BACK)
def put_back_together(stage: Stage, put_back: Callable[[Channel], object]) -> None:
    """Of several put back at once, the oldest go."""
    other, channel = stage.channel(), stage.channel()
    queue = declare(stage, other, max_length=3)
    other.publish_some(queue, 3)
    other.settle(queue)
    for _ in range(3):
        channel.get(queue)
    other.publish("", queue, b"4")
    other.publish("", queue, b"5")
    other.settle(queue)
    put_back(channel)
    stage.until_queue(queue, message_count=3)
    other.drain(queue)


@scenario(each=PUTTING_BACK)
def put_back_more_than_fits(stage: Stage, put_back: Callable[[Channel], object]) -> None:
    """Where publishes are refused, everything comes back, and the next publish is refused."""
    other, channel = stage.channel(), stage.channel()
    queue = declare(stage, other, max_length=2, overflow="reject-publish")
    other.publish_some(queue, 2)
    other.settle(queue)
    channel.get(queue)
    channel.get(queue)
    other.publish_some(queue, 2)
    other.settle(queue)
    put_back(channel)
    stage.until_queue(queue, message_count=4)
    publish_confirmed(other, queue, b"refused")
    other.drain(queue)


@scenario()
def put_back_to_a_ready_consumer(stage: Stage) -> None:
    """What is put back is dropped before a consumer could take it: the limit is looked at first."""
    other, channel = stage.channel(), stage.channel()
    queue = declare(stage, other, max_length=0)
    channel.consume(queue)
    other.publish("", queue, b"1")
    channel.wait_deliveries(1)
    other.consume(queue)
    channel.nack(1)
    channel.settle(queue)
    other.settle(queue)
    other.declare(queue, passive=True)


# Together with lifetimes and priorities


@scenario()
def dropped_though_over(stage: Stage) -> None:
    """The head is dropped, be there messages behind it whose time is over."""
    channel = stage.channel()
    queue = declare(stage, channel, max_length=3)
    for body, lifetime in ((b"1", "100000000"), (b"2", "0"), (b"3", "100000000"), (b"4", "0"), (b"5", "100000000")):
        channel.publish("", queue, body, properties=codec.properties(expiration=lifetime))
    channel.settle(queue)
    channel.declare(queue, passive=True)
    channel.drain(queue)


@scenario(each=MODES)
def over_messages_fill_the_queue(stage: Stage, overflow: str) -> None:
    """A message whose time is over counts as long as it is there."""
    channel = stage.channel()
    queue = declare(stage, channel, max_length=2, overflow=overflow)
    channel.call("confirm.select")
    for count, lifetime in enumerate(("100000000", "0", "100000000"), 1):
        channel.publish("", queue, str(count).encode(), properties=codec.properties(expiration=lifetime))
        channel.wait_confirms(count)
    channel.declare(queue, passive=True)
    channel.drain(queue)


@scenario(each=MODES)
def priorities(stage: Stage, overflow: str) -> None:
    """Which one is dropped of messages of several priorities."""
    channel = stage.channel()
    queue = declare(stage, channel, max_length=3, max_priority=9, overflow=overflow)
    for body, priority in ((b"a", 5), (b"b", 1), (b"c", 9), (b"d", 5), (b"e", 0), (b"f", 9), (b"g", 1)):
        channel.publish("", queue, body, properties=codec.properties(priority=priority))
    channel.settle(queue)
    channel.declare(queue, passive=True)
    channel.drain(queue)


@scenario(each={"low to a queue of high ones": (9, 0), "high to a queue of low ones": (0, 9)})
def priorities_one_by_one(stage: Stage, levels: tuple[int, int]) -> None:
    """Whether the newcomer itself may be the one that goes."""
    there, newcomer = levels
    channel = stage.channel()
    queue = declare(stage, channel, max_length=2, max_priority=9)
    for body, priority in ((b"1", there), (b"2", there), (b"new", newcomer)):
        channel.publish("", queue, body, properties=codec.properties(priority=priority))
    channel.settle(queue)
    channel.drain(queue)


@scenario()
def sizes_and_priorities(stage: Stage) -> None:
    """Sizes are those of all priorities together."""
    channel = stage.channel()
    queue = declare(stage, channel, max_length_bytes=6, max_priority=9)
    for body, priority in ((b"aa", 5), (b"bb", 1), (b"cc", 9), (b"dddd", 0), (b"e", 9)):
        channel.publish("", queue, body, properties=codec.properties(priority=priority))
    channel.settle(queue)
    channel.drain(queue)


@scenario()
def put_back_over_the_limit_with_priorities(stage: Stage) -> None:
    """The same where what comes back has its place among others."""
    channel = stage.channel()
    queue = declare(stage, channel, max_length=2, max_priority=9)
    for body, priority in ((b"1", 5), (b"2", 5)):
        channel.publish("", queue, body, properties=codec.properties(priority=priority))
    channel.get(queue)
    for body, priority in ((b"3", 9), (b"4", 1)):
        channel.publish("", queue, body, properties=codec.properties(priority=priority))
    channel.settle(queue)
    channel.declare(queue, passive=True)
    channel.nack(1)
    channel.settle(queue)
    channel.drain(queue)
