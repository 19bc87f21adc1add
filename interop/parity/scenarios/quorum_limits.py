"""Quorum queues: length limits, what overflow does, and expiry."""

from collections.abc import Mapping
from typing import Any

from interop.parity import codec
from interop.parity.scenario import scenario
from interop.parity.scenarios.quorum import declare
from interop.parity.scenarios.quorum_returns import with_dead_letters
from interop.parity.script import Channel, Stage

EXPIRES_NEVER = "3600000"
REJECT = {"x-overflow": "reject-publish"}


def confirmed(channel: Channel, queue: str, bodies: list[bytes]) -> None:
    """Publish one after the other, each when the one before was answered and the queue had time to say it is full."""
    for number, body in enumerate(bodies, 1):
        channel.publish("", queue, body)
        channel.wait_confirms(number)
        channel.settle(queue)


LENGTHS: Mapping[str, dict[str, Any]] = {
    "length 0": {"x-max-length": 0},
    "length 1": {"x-max-length": 1},
    "length 3": {"x-max-length": 3},
    "bytes 0": {"x-max-length-bytes": 0},
    "bytes 3": {"x-max-length-bytes": 3},
    "bytes 4": {"x-max-length-bytes": 4},
    "both": {"x-max-length": 3, "x-max-length-bytes": 4},
}
OF_BODIES = dict.fromkeys(("bytes 0", "bytes 3", "bytes 4", "both"), "4.3")
"""From then on, properties have a size, too."""


@scenario(each=LENGTHS, before=OF_BODIES)
def drop_head(stage: Stage, arguments: dict[str, Any]) -> None:
    """The oldest ready message goes, and is dead-lettered; only bodies have a size."""
    channel, queue, dead = with_dead_letters(stage, arguments)
    channel.call("confirm.select")
    confirmed(channel, queue, [b"1", b"22", b"", b"4", b"5", b"666"])
    channel.declare(queue, passive=True)
    channel.drain(queue)
    channel.drain(dead)


@scenario(each=["drop-head", "reject-publish-dlx"], before=dict.fromkeys(("drop-head", "reject-publish-dlx"), "4.3"))
def drop_several(stage: Stage, overflow: str) -> None:
    """Where one message drives out several, the last one dropped is dead-lettered first."""
    channel, queue, dead = with_dead_letters(stage, {"x-max-length-bytes": 5, "x-overflow": overflow})
    channel.call("confirm.select")
    confirmed(channel, queue, [b"1", b"2", b"3", b"4", b"5", b"xxx"])
    channel.drain(queue)
    channel.drain(dead)


@scenario(before="4.3")
def a_message_too_large(stage: Stage) -> None:
    """It drives out all others, and itself."""
    channel, queue, dead = with_dead_letters(stage, {"x-max-length-bytes": 5})
    channel.call("confirm.select")
    confirmed(channel, queue, [b"1", b"2", b"xxxxxx"])
    channel.drain(queue)
    channel.drain(dead)


@scenario(each=["length 0", "length 1"])
def delivered_before_the_limit(stage: Stage, length: str) -> None:
    """A consumer with room gets the message before anybody looks at the limit; what is unacknowledged is no part."""
    channel = stage.channel()
    queue = declare(channel, stage.name(), arguments=LENGTHS[length])
    publisher = stage.channel()
    publisher.call("confirm.select")
    channel.call("basic.qos", prefetch_count=2)
    channel.consume(queue)
    confirmed(publisher, queue, [b"1", b"2", b"3", b"4"])
    channel.wait_deliveries(2)
    channel.call("basic.cancel", consumer_tag="c")
    channel.ack(2, multiple=True)
    stage.until_queue(queue, consumer_count=0)
    channel.drain(queue)


@scenario(each={"no delivery limit": {}, "delivery limit": {"x-delivery-limit": 9}})
def returned_into_a_full_queue(stage: Stage, arguments: dict[str, Any]) -> None:
    """What is returned counts at once, and is dropped first where it stands first."""
    channel, queue, dead = with_dead_letters(stage, {"x-max-length": 2, **arguments})
    channel.call("confirm.select")
    confirmed(channel, queue, [b"1", b"2"])
    for _ in range(2):
        channel.get(queue)
    for number in (3, 4):
        channel.publish("", queue, str(number).encode())
        channel.wait_confirms(number)
    channel.nack(2, multiple=True)
    stage.until_queue(queue, message_count=2, consumer_count=0)
    stage.until_queue(dead, message_count=2)
    channel.drain(queue)
    channel.drain(dead)


@scenario(before="4.3")
def returned_by_a_close_into_a_full_queue(stage: Stage) -> None:
    """What comes back with the end of a channel stands first, and goes first."""
    channel, queue, dead = with_dead_letters(stage, {"x-max-length": 2})
    channel.call("confirm.select")
    confirmed(channel, queue, [b"1", b"2"])
    other = stage.channel()
    for _ in range(2):
        other.get(queue)
    for number in (3, 4):
        channel.publish("", queue, str(number).encode())
        channel.wait_confirms(number)
    other.close()
    stage.until_queue(queue, message_count=2, consumer_count=0)
    stage.until_queue(dead, message_count=2)
    channel.drain(queue)
    channel.drain(dead)


@scenario(each=LENGTHS, before=OF_BODIES)
def reject_publish(stage: Stage, arguments: dict[str, Any]) -> None:
    """One message too many is accepted; who publishes there learns only then, and others from their first message."""
    channel = stage.channel()
    channel.call("confirm.select")
    queue = declare(channel, stage.name(), arguments=arguments | REJECT)
    confirmed(channel, queue, [b"1", b"22", b"", b"4", b"5", b"666"])
    other = stage.channel()
    other.call("confirm.select")
    confirmed(other, queue, [b"x"])
    channel.declare(queue, passive=True)
    channel.drain(queue)


@scenario(each=[1, 2, 5, 10])
def room_again(stage: Stage, length: int) -> None:
    """Publishers are let in again when the queue is filled to at most four fifths, by whole messages."""
    channel = stage.channel()
    channel.call("confirm.select")
    queue = declare(channel, stage.name(), arguments={"x-max-length": length} | REJECT)
    confirmed(channel, queue, [b"fill"] * (length + 1))
    for got in range(length + 1):
        channel.get(queue, no_ack=True)
        channel.settle(queue)
        channel.publish("", queue, b"more")
        channel.wait_confirms(length + 2 + got)
        channel.settle(queue)
    channel.declare(queue, passive=True)


@scenario(before="4.3")
def room_again_for_bytes(stage: Stage) -> None:
    """Both limits must leave room."""
    channel = stage.channel()
    channel.call("confirm.select")
    queue = declare(channel, stage.name(), arguments={"x-max-length": 10, "x-max-length-bytes": 10} | REJECT)
    confirmed(channel, queue, [b"12345", b"6", b"78901", b"2"])
    for number in range(5, 8):
        channel.get(queue, no_ack=True)
        channel.settle(queue)
        channel.publish("", queue, b"3")
        channel.wait_confirms(number)
        channel.settle(queue)


@scenario()
def unconfirmed_into_a_full_queue(stage: Stage) -> None:
    """Gone without a word; mandatory makes no difference."""
    channel = stage.channel()
    queue = declare(channel, stage.name(), arguments={"x-max-length": 1} | REJECT)
    channel.publish_some(queue, 2)
    stage.until_queue(queue, message_count=2)
    channel.settle(queue)
    channel.publish("", queue, b"lost")
    channel.publish("", queue, b"lost, too", mandatory=True)
    channel.settle(queue)
    channel.drain(queue)


@scenario()
def full_queue_among_others(stage: Stage) -> None:
    """A message is rejected if one of its queues has no room; the others have it nevertheless."""
    channel = stage.channel()
    channel.call("confirm.select")
    exchange = channel.exchange(stage.name("x"), "fanout")
    full = declare(channel, stage.name("full"), arguments={"x-max-length": 0} | REJECT)
    roomy = declare(channel, stage.name("roomy"))
    for queue in (full, roomy):
        channel.bind(queue, exchange)
    for number in (1, 2):
        channel.publish(exchange, "", str(number).encode())
        channel.wait_confirms(number)
        channel.settle(full, roomy)
    stage.until_queue(roomy, message_count=2)
    channel.drain(full)
    channel.drain(roomy)


@scenario()
def transaction_into_a_full_queue(stage: Stage) -> None:
    """A commit cannot be rejected: it is said to be fine, and the message is gone."""
    channel = stage.channel()
    channel.call("tx.select")
    queue = declare(channel, stage.name(), arguments={"x-max-length": 0} | REJECT)
    for _ in range(2):
        channel.publish("", queue, b"body")
        channel.call("tx.commit")
        channel.settle(queue)
    stage.until_queue(queue, message_count=1)


@scenario()
def dead_letters_into_a_full_queue(stage: Stage) -> None:
    """Dead letters sent at most once have no publisher to reject: they are all taken."""
    channel = stage.channel()
    dead = declare(channel, stage.name("dead"), arguments={"x-max-length": 0} | REJECT)
    arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead}
    queue = declare(channel, stage.name(), arguments=arguments)
    channel.publish_some(queue, 3)
    stage.until_queue(queue, message_count=3)
    for tag in range(1, 4):
        channel.get(queue)
        channel.reject(tag, requeue=False)
    stage.until_queue(dead, message_count=3)


EXPIRIES: Mapping[str, tuple[dict[str, Any], str | None]] = {
    "of the queue": ({"x-message-ttl": 1}, None),
    "of the message": ({}, "1"),
    "the smaller is the queue's": ({"x-message-ttl": 1}, EXPIRES_NEVER),
    "the smaller is the message's": ({"x-message-ttl": int(EXPIRES_NEVER)}, "1"),
    "at once": ({}, "0"),
    "at once, of the queue": ({"x-message-ttl": 0}, None),
    "dead-lettered at least once": ({"x-message-ttl": 1, "x-dead-letter-strategy": "at-least-once"} | REJECT, "5"),
}


@scenario(each=EXPIRIES)
def expired(stage: Stage, case: tuple[dict[str, Any], str | None]) -> None:
    """Expired messages are dead-lettered in their order; an expiration of their own is noted there."""
    arguments, expiration = case
    channel, queue, dead = with_dead_letters(stage, arguments)
    properties = codec.properties(**({} if expiration is None else {"expiration": expiration}))
    for number in range(1, 4):
        channel.publish("", queue, str(number).encode(), properties=properties)
    stage.until_queue(dead, message_count=3)
    channel.declare(queue, passive=True)
    channel.drain(dead)


def outwait(stage: Stage, channel: Channel, milliseconds: int) -> None:
    """Return when a message that expires that much later than now has expired."""
    late = channel.declare(stage.name("late"))
    arguments = {"x-message-ttl": milliseconds, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": late}
    clock = declare(channel, stage.name("clock"), arguments=arguments)
    channel.publish("", clock, b"late")
    stage.until_queue(late, message_count=1)


@scenario()
def expired_behind_others(stage: Stage) -> None:
    """Only at the head: what stands behind others counts until they are gone, and then goes at once."""
    channel, queue, dead = with_dead_letters(stage, {})
    for number, expiration in enumerate([EXPIRES_NEVER, "1", "1", EXPIRES_NEVER], 1):
        channel.publish("", queue, str(number).encode(), properties=codec.properties(expiration=expiration))
    stage.until_queue(queue, message_count=4)
    outwait(stage, channel, 20)
    channel.get(queue)
    stage.until_queue(dead, message_count=2)
    channel.drain(queue)
    channel.drain(dead)


@scenario(each={"no delivery limit": {}, "delivery limit": {"x-delivery-limit": 5}})
def expired_while_unacknowledged(stage: Stage, arguments: dict[str, Any]) -> None:
    """Nothing expires in the hands of a consumer; given back, it does when it comes to the head."""
    channel, queue, dead = with_dead_letters(stage, {"x-message-ttl": 1, **arguments})
    channel.consume(queue)
    channel.publish("", queue, b"held")
    channel.wait_deliveries(1)
    channel.call("basic.cancel", consumer_tag="c")
    outwait(stage, channel, 20)
    channel.declare(dead, passive=True)
    channel.nack(1)
    stage.until_queue(dead, message_count=1)
    channel.drain(queue)
    channel.drain(dead)


@scenario(each=["0", "x", "-1", "", "1.5"])
def expiration_to_a_waiting_consumer(stage: Stage, expiration: str) -> None:
    """Delivered at once where somebody waits, if it is a number at all."""
    channel = stage.channel()
    queue = declare(channel, stage.name())
    channel.consume(queue)
    channel.publish("", queue, b"body", properties=codec.properties(expiration=expiration))
    channel.wait("basic.deliver")


@scenario(each=["consumer", "consumer without acknowledgement", "cancelled consumer", "got message"])
def queue_expires(stage: Stage, user: str) -> None:
    """An unused queue goes, with what is in it. Whoever owes it an acknowledgement uses it."""
    channel = stage.channel()
    used = declare(channel, stage.name("used"), arguments={"x-expires": 3000})
    channel.publish("", used, b"body")
    stage.until_queue(used, message_count=1)
    if user == "got message":
        channel.get(used)
    else:
        channel.consume(used, no_ack=user == "consumer without acknowledgement")
        channel.wait_deliveries(1)
    if user == "cancelled consumer":
        channel.call("basic.cancel", consumer_tag="c")
    unused = declare(channel, stage.name("unused"), arguments={"x-expires": 3000})
    channel.publish("", unused, b"body")
    stage.until_queue_gone(unused)
    channel.declare(used, passive=True)
    channel.get(unused)
