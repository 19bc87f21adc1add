"""Expiry of messages by x-message-ttl and expiration.

Nothing is timed. What must expire is waited for. What must not be seen to expire in the meantime has a witness: a
message with the same lifetime, published later to a queue of its own, whose end shows that the time is over.
"""

from collections.abc import Callable, Mapping

from interop.parity import codec
from interop.parity.connection import Channel
from interop.parity.scenario import scenario
from interop.parity.script import Stage

SOON_MS = 40
NEVER_MS = 100_000_000


def expiring_in(milliseconds: int) -> bytes:
    return codec.properties(expiration=str(milliseconds))


SOON, NEVER = expiring_in(SOON_MS), expiring_in(NEVER_MS)


def until_time_is_up(stage: Stage) -> None:
    """Wait until everything has expired that was published before with SOON, wherever time counts for it."""
    connection = stage.connect()
    witness = connection.channel().declare(stage.name("witness"))
    connection.channels[1].publish("", witness, b"", properties=SOON)
    connection.channels[1].settle()
    stage.until_queue(witness, message_count=0)


# Messages


@scenario()
def message_ttl(stage: Stage) -> None:
    """The queue's lifetime counts for each message; who published and was confirmed does not hear of it."""
    channel = stage.channel()
    channel.call("confirm.select")
    queue = channel.declare(stage.name(), arguments={"x-message-ttl": SOON_MS})
    for body in (b"one", b"two", b"three"):
        channel.publish("", queue, body, mandatory=True)
    channel.wait_confirms(3)
    stage.until_queue(queue, message_count=0)
    channel.get(queue)
    channel.declare(queue, arguments={"x-message-ttl": SOON_MS})


@scenario(
    each={
        "queue sooner": (SOON_MS, NEVER_MS),
        "message sooner": (NEVER_MS, SOON_MS),
        "queue only": (SOON_MS, None),
        "message only": (None, SOON_MS),
    }
)
def the_sooner_counts(stage: Stage, lifetimes: tuple[int | None, int | None]) -> None:
    """Of the queue's and the message's own lifetime, whichever is over first."""
    of_queue, of_message = lifetimes
    channel = stage.channel()
    queue = channel.declare(stage.name(), arguments={} if of_queue is None else {"x-message-ttl": of_queue})
    properties = codec.properties() if of_message is None else expiring_in(of_message)
    channel.publish("", queue, b"expires", properties=properties)
    channel.settle()
    stage.until_queue(queue, message_count=0)
    channel.get(queue)


@scenario()
def lifetimes_are_delivered(stage: Stage) -> None:
    """A message keeps its expiration as published, and gets none from the queue."""
    channel = stage.channel()
    queue = channel.declare(stage.name(), arguments={"x-message-ttl": NEVER_MS})
    for text in (str(NEVER_MS), str(NEVER_MS * 2), f"00{NEVER_MS}"):
        channel.publish("", queue, b"own", properties=codec.properties(expiration=text))
    channel.publish("", queue, b"none")
    channel.settle(queue)
    channel.drain(queue)


@scenario(
    each={
        "minus zero": "-0",
        "plus zero": "+0",
        "two zeros": "00",
        "sign only": "+",
        "underscores": "1_000_000",
        "other digits": "٣٠٠٠٠٠٠",
        "tab before": "\t5000000",
        "line break after": "5000000\n",
        "hexadecimal": "0x1000000",
        "many digits": "99999999999999999",
        "much below zero": "-99999999999999999",
    }
)
def more_forms_of_expiration(stage: Stage, text: str) -> None:
    """What a lenient parser of integers would take."""
    channel = stage.channel()
    queue = channel.declare(exclusive=True)
    channel.publish("", queue, b"body", properties=codec.properties(expiration=text))
    channel.sync()
    if not channel.closed:
        channel.get(queue)


@scenario(each={"body": b"x", "no body": b""})
def invalid_expiration_within_a_transaction(stage: Stage, body: bytes) -> None:
    """It is refused at once, not at the commit, and the channel takes the transaction with it."""
    channel = stage.channel()
    queue = channel.declare(stage.name())
    channel.call("tx.select")
    channel.publish("", queue, b"before")
    channel.publish("", queue, body, properties=codec.properties(expiration="soon"))
    channel.wait_close()
    channel.reopen().get(queue)


@scenario()
def only_the_head_expires(stage: Stage) -> None:
    """What is over behind the head stays and is counted, until it comes to the head."""
    channel = stage.channel()
    queue = channel.declare(stage.name())
    for body, properties in ((b"1", NEVER), (b"2", SOON), (b"3", SOON), (b"4", NEVER), (b"5", SOON)):
        channel.publish("", queue, body, properties=properties)
    channel.settle(queue)
    until_time_is_up(stage)
    channel.declare(queue, passive=True)
    channel.get(queue)
    channel.declare(queue, passive=True)
    channel.drain(queue)


@scenario()
def expired_behind_the_head_with_a_consumer(stage: Stage) -> None:
    """A consumer gets only what is not over."""
    channel = stage.channel()
    queue = channel.declare(stage.name())
    for body, properties in ((b"1", NEVER), (b"2", SOON), (b"3", NEVER), (b"4", SOON)):
        channel.publish("", queue, body, properties=properties)
    channel.settle(queue)
    until_time_is_up(stage)
    channel.call("basic.qos", prefetch_count=1)
    channel.consume(queue)
    channel.wait_deliveries(1)
    channel.settle(queue)
    channel.declare(queue, passive=True)
    channel.ack(1)
    channel.wait_deliveries(1)
    channel.settle(queue)
    channel.declare(queue, passive=True)


@scenario(each=["queue.purge", "queue.delete"])
def expired_behind_the_head_is_counted(stage: Stage, method: str) -> None:
    """Also by purge and delete."""
    channel = stage.channel()
    queue = channel.declare(stage.name())
    channel.publish("", queue, b"1", properties=NEVER)
    channel.publish("", queue, b"2", properties=SOON)
    channel.settle(queue)
    until_time_is_up(stage)
    channel.call(method, queue=queue)


@scenario()
def the_next_head_has_a_deadline_of_its_own(stage: Stage) -> None:
    """When the head is taken, time counts for the next one without anybody asking."""
    channel = stage.channel()
    queue = channel.declare(stage.name())
    channel.call("basic.qos", prefetch_count=1)
    channel.consume(queue)
    for body, properties in ((b"1", NEVER), (b"2", expiring_in(SOON_MS * 5)), (b"3", SOON), (b"4", NEVER)):
        channel.publish("", queue, body, properties=properties)
    channel.wait_deliveries(1)
    stage.until_queue(queue, message_count=1)
    channel.ack(1)
    channel.wait_deliveries(1)


@scenario()
def a_sooner_deadline_comes_to_the_head(stage: Stage) -> None:
    """A message put back in front ends before the one that was the head."""
    channel = stage.channel()
    queue = channel.declare(stage.name())
    channel.consume(queue)
    channel.publish("", queue, b"1", properties=expiring_in(SOON_MS * 5))
    channel.wait_deliveries(1)
    channel.call("basic.cancel", consumer_tag="c")
    channel.publish("", queue, b"2", properties=NEVER)
    channel.settle(queue)
    channel.nack(1)
    channel.sync()
    stage.until_queue(queue, message_count=1)
    channel.drain(queue)


@scenario()
def higher_priorities_shield_lower_ones(stage: Stage) -> None:
    """A message that is over stays while there is one of higher priority, be it published later."""
    channel = stage.channel()
    queue = channel.declare(stage.name(), arguments={"x-max-priority": 5})
    channel.consume(queue)
    for body, priority in ((b"low", 1), (b"middle", 3)):
        channel.publish("", queue, body, properties=codec.properties(priority=priority, expiration=str(SOON_MS)))
    channel.wait_deliveries(2)
    until_time_is_up(stage)
    channel.call("basic.cancel", consumer_tag="c")
    channel.publish("", queue, b"high", properties=codec.properties(priority=5))
    channel.nack(2, multiple=True)
    channel.settle(queue)
    channel.declare(queue, passive=True)
    channel.get(queue)
    channel.drain(queue)


# Zero


@scenario(each={"by queue": (0, None), "by message": (None, 0), "by both": (0, 0), "queue alone is not": (NEVER_MS, 0)})
def zero_without_consumers(stage: Stage, lifetimes: tuple[int | None, int | None]) -> None:
    """Confirmed and gone, and not returned."""
    of_queue, of_message = lifetimes
    channel = stage.channel()
    channel.call("confirm.select")
    queue = channel.declare(stage.name(), arguments={} if of_queue is None else {"x-message-ttl": of_queue})
    properties = codec.properties() if of_message is None else expiring_in(of_message)
    for body in (b"one", b"two"):
        channel.publish("", queue, body, properties=properties, mandatory=True)
    channel.wait_confirms(2)
    channel.declare(queue, passive=True)
    channel.get(queue)


@scenario()
def zero_behind_another(stage: Stage) -> None:
    """Zero as the message's own lifetime: it is over, but not at the head."""
    channel = stage.channel()
    queue = channel.declare(stage.name())
    channel.publish("", queue, b"1", properties=NEVER)
    channel.publish("", queue, b"2", properties=expiring_in(0))
    channel.settle(queue)
    channel.declare(queue, passive=True)
    channel.drain(queue)


@scenario(each=[True, False])
def zero_with_consumer(stage: Stage, no_ack: bool) -> None:
    """A ready consumer gets every message."""
    channel = stage.channel()
    queue = channel.declare(stage.name(), arguments={"x-message-ttl": 0})
    channel.consume(queue, no_ack=no_ack)
    channel.publish_some(queue, 3)
    channel.wait_deliveries(3)


@scenario()
def zero_with_busy_consumer(stage: Stage) -> None:
    """A consumer at its prefetch limit gets the next one that comes when it is ready again."""
    channel = stage.channel()
    queue = channel.declare(stage.name(), arguments={"x-message-ttl": 0})
    channel.call("basic.qos", prefetch_count=1)
    channel.consume(queue)
    channel.publish_some(queue, 2)
    channel.wait_deliveries(1)
    channel.settle(queue)
    channel.ack(1)
    channel.settle(queue)
    channel.publish("", queue, b"3")
    channel.wait_deliveries(1)


@scenario()
def zero_within_a_transaction(stage: Stage) -> None:
    """Time begins at the commit."""
    consumer, channel = stage.channel(), stage.channel()
    queue = consumer.declare(stage.name(), arguments={"x-message-ttl": 0})
    channel.call("tx.select")
    channel.publish_some(queue, 2)
    consumer.consume(queue)
    channel.call("tx.commit")
    consumer.wait_deliveries(2)


# Back in the queue


def requeued_by_nack(channel: Channel) -> None:
    channel.nack(1, multiple=True)
    channel.sync()


def requeued_by_reject(channel: Channel) -> None:
    channel.reject(1)
    channel.sync()


def requeued_by_recover(channel: Channel) -> None:
    channel.call("basic.recover", requeue=True)


REQUEUED: Mapping[str, Callable[[Channel], None]] = {
    "nack": requeued_by_nack,
    "reject": requeued_by_reject,
    "recover": requeued_by_recover,
    "channel": Channel.close,
    "connection": lambda channel: channel.connection.close(),
    "without a word": lambda channel: channel.connection.drop(),
}


@scenario(each=REQUEUED)
def zero_requeued(stage: Stage, requeue: Callable[[Channel], None]) -> None:
    """What comes back is over, even where a consumer is ready."""
    other, channel = stage.channel(), stage.channel()
    queue = other.declare(stage.name(), arguments={"x-message-ttl": 0})
    channel.consume(queue)
    other.publish("", queue, b"taken")
    channel.wait_deliveries(1)
    other.consume(queue)
    requeue(channel)
    stage.until_queue(queue, message_count=0, consumer_count=1 if channel.closed or channel.connection.ended else 2)
    other.publish("", queue, b"next")
    other.settle(queue)


@scenario(each={"by queue": (SOON_MS, None), "by message": (None, SOON_MS)})
def deadline_is_kept(stage: Stage, lifetimes: tuple[int | None, int | None]) -> None:
    """Time goes on while a consumer has the message: it may settle it, but it cannot be put back."""
    of_queue, of_message = lifetimes
    channel = stage.channel()
    queue = channel.declare(stage.name(), arguments={} if of_queue is None else {"x-message-ttl": of_queue})
    properties = codec.properties() if of_message is None else expiring_in(of_message)
    channel.consume(queue)
    for body in (b"acked", b"put back", b"kept"):
        channel.publish("", queue, body, properties=properties)
    channel.wait_deliveries(3)
    until_time_is_up(stage)
    channel.ack(1)
    channel.nack(2)
    channel.settle(queue)
    channel.declare(queue, passive=True)


@scenario()
def put_back_in_time(stage: Stage) -> None:
    """Before the deadline it is delivered again, at its old place."""
    channel = stage.channel()
    queue = channel.declare(stage.name(), arguments={"x-message-ttl": NEVER_MS})
    channel.publish_some(queue, 3)
    channel.get(queue)
    channel.nack(1)
    channel.settle(queue)
    channel.drain(queue)


@scenario()
def put_back_behind_another(stage: Stage) -> None:
    """What is over and goes back behind a message that is not stays until that one is gone."""
    channel = stage.channel()
    queue = channel.declare(stage.name())
    channel.consume(queue)
    for body, properties in ((b"1", NEVER), (b"2", SOON), (b"3", NEVER)):
        channel.publish("", queue, body, properties=properties)
    channel.wait_deliveries(3)
    until_time_is_up(stage)
    channel.call("basic.cancel", consumer_tag="c")
    channel.nack(3, multiple=True)
    channel.settle(queue)
    channel.declare(queue, passive=True)
    channel.drain(queue)


@scenario()
def put_back_one_by_one(stage: Stage) -> None:
    """The order in which messages come back does not matter but to what is over and finds itself at the head."""
    channel = stage.channel()
    queue = channel.declare(stage.name())
    channel.consume(queue)
    for body, properties in ((b"1", NEVER), (b"2", SOON), (b"3", SOON)):
        channel.publish("", queue, body, properties=properties)
    channel.wait_deliveries(3)
    until_time_is_up(stage)
    channel.call("basic.cancel", consumer_tag="c")
    for tag in (2, 1, 3):
        channel.nack(tag)
        channel.settle(queue)
        channel.declare(queue, passive=True)
    channel.drain(queue)


@scenario(each=["drop-head", "reject-publish", "reject-publish-dlx"], confirms_apart=True)
def zero_in_one_packet(stage: Stage, overflow: str) -> None:
    """What may not wait is gone before the next one comes, and takes no room."""
    channel = stage.channel()
    dead = channel.declare(stage.name("dead"))
    to_dead = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead}
    queue = channel.declare(stage.name(), arguments={"x-max-length": 1, "x-overflow": overflow} | to_dead)
    channel.call("confirm.select")
    publish = codec.frame(codec.METHOD, 1, codec.method_payload("basic.publish", routing_key=queue))
    headers = [codec.header_payload(0, properties) for properties in (expiring_in(0), expiring_in(0), NEVER)]
    channel.connection.send_bytes(b"".join(publish + codec.frame(codec.HEADER, 1, header) for header in headers))
    channel.wait_confirms(3)
    channel.declare(queue, passive=True)
    stage.until_queue(dead, message_count=2)
    channel.drain(dead)
