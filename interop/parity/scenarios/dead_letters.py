"""Dead letters: why messages die, and what their headers tell about it."""

from collections.abc import Mapping
from typing import Any

from interop.parity import codec
from interop.parity.codec import Typed
from interop.parity.scenario import scenario
from interop.parity.script import Channel, Stage

SOON_MS = 30


def dead_letter_to(queue: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - as many types as arguments have
    """Arguments of a queue whose dead letters go to another, by the default exchange."""
    named = {name.replace("_", "-"): value for name, value in more.items()}
    return {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": queue} | named


def pair(stage: Stage, channel: Channel, **arguments: Any) -> tuple[str, str]:  # noqa: ANN401
    """A queue, and the one its dead letters go to."""
    dead = channel.declare(stage.name("dead"), exclusive=True)
    return channel.declare(stage.name("q"), exclusive=True, arguments=dead_letter_to(dead, **arguments)), dead


def reject_one(channel: Channel, queue: str) -> None:
    """Get a message and let it die."""
    channel.until_queue(queue, message_count=1)
    got = channel.get(queue)
    if got is not None and got.method == "basic.get-ok":
        channel.reject(got["delivery_tag"], requeue=False)


@scenario(each=["basic.reject", "basic.nack"])
def rejected(stage: Stage, method: str) -> None:
    """A message rejected, not requeued, gets the headers of a first death."""
    channel = stage.channel()
    queue, dead = pair(stage, channel)
    channel.publish("", queue, b"body")
    channel.get(queue)
    channel.send(method, delivery_tag=1, requeue=False)
    channel.until_queue(dead, message_count=1)
    channel.get(dead)


@scenario(each=["basic.reject", "basic.nack"])
def requeued(stage: Stage, method: str) -> None:
    """A message requeued does not die."""
    channel = stage.channel()
    queue, dead = pair(stage, channel)
    channel.publish("", queue, b"body")
    channel.get(queue)
    channel.send(method, delivery_tag=1, requeue=True)
    reject_one(channel, queue)
    channel.until_queue(dead, message_count=1)
    channel.drain(dead)


@scenario(
    each={
        "of the queue": (SOON_MS, None),
        "of the queue, zero": (0, None),
        "of the message": (None, SOON_MS),
        "of the message, zero": (None, 0),
        "of both, queue first": (SOON_MS, 100_000),
        "of both, message first": (100_000, SOON_MS),
    }
)
def expired(stage: Stage, case: tuple[int | None, int | None]) -> None:
    """The message's own expiration is removed and kept in x-death, whichever TTL it died of."""
    of_queue, of_message = case
    channel = stage.channel()
    queue, dead = pair(stage, channel, **({} if of_queue is None else {"x_message_ttl": of_queue}))
    own = {} if of_message is None else {"expiration": str(of_message)}
    channel.publish("", queue, b"body", properties=codec.properties(message_id="m", **own))
    channel.until_queue(dead, message_count=1)
    channel.get(dead)


@scenario(each={"zeros": "00030", "plus": "+30"})
def original_expiration(stage: Stage, text: str) -> None:
    """The text of the property is kept as it was."""
    channel = stage.channel()
    queue, dead = pair(stage, channel)
    channel.publish("", queue, b"body", properties=codec.properties(expiration=text))
    channel.until_queue(dead, message_count=1)
    channel.get(dead)


@scenario()
def original_expiration_of_rejected(stage: Stage) -> None:
    """An expiration that did not kill is removed and kept all the same, once."""
    channel = stage.channel()
    queue, dead = pair(stage, channel)
    channel.publish("", queue, b"body", properties=codec.properties(expiration="100000"))
    reject_one(channel, queue)
    channel.until_queue(dead, message_count=1)
    channel.get(dead)


@scenario(
    each={
        "length": {"x-max-length": 2},
        "length zero": {"x-max-length": 0},
        "bytes": {"x-max-length-bytes": 2},
        "drop-head": {"x-max-length": 2, "x-overflow": "drop-head"},
    }
)
def maxlen(stage: Stage, limits: dict[str, Any]) -> None:
    """What falls out of a full queue at the head, one by one."""
    channel = stage.channel()
    dead = channel.declare(stage.name("dead"), exclusive=True)
    queue = channel.declare(stage.name("q"), exclusive=True, arguments=dead_letter_to(dead) | limits)
    channel.publish_some(queue, 4)
    channel.until_queue(dead, message_count=4 if limits.get("x-max-length") == 0 else 2)
    channel.drain(dead)
    channel.drain(queue)


@scenario(each={"confirms": True, "no confirms": False})
def reject_publish_dlx(stage: Stage, confirms: bool) -> None:
    """With reject-publish-dlx the new message dies, of maxlen, and its publisher gets a nack."""
    channel = stage.channel()
    queue, dead = pair(stage, channel, x_max_length=1, x_overflow="reject-publish-dlx")
    if confirms:
        channel.call("confirm.select")
    for number in (1, 2, 3):
        channel.publish("", queue, str(number).encode(), properties=codec.properties(expiration="60000"))
        if confirms:
            channel.wait_confirms(number)
    channel.until_queue(dead, message_count=2)
    channel.drain(dead)
    channel.drain(queue)


@scenario(each={"confirms": True, "no confirms": False})
def reject_publish(stage: Stage, confirms: bool) -> None:
    """With reject-publish it is lost, although there is a dead-letter exchange; what expires is not."""
    channel = stage.channel()
    queue, dead = pair(stage, channel, x_max_length=1, x_overflow="reject-publish")
    if confirms:
        channel.call("confirm.select")
    for number in (1, 2):
        channel.publish("", queue, str(number).encode())
        if confirms:
            channel.wait_confirms(number)
    reject_one(channel, queue)
    channel.until_queue(dead, message_count=1)
    channel.drain(dead)


PROPERTIES: Mapping[str, bytes] = {
    "all": codec.properties(
        content_type="text/plain", content_encoding="gzip", headers={"h": 1}, delivery_mode=1, priority=200,
        correlation_id="c", reply_to="r", expiration="100000", message_id="m", timestamp=2**63, type="t",
        user_id="guest", app_id="a", cluster_id="x",
    ),
    "persistent": codec.properties(delivery_mode=2),
    "user id": codec.properties(user_id="guest"),
    "empty texts": codec.properties(content_type="", correlation_id="", reply_to="", message_id="", app_id=""),
    "empty headers": codec.properties(headers={}),
    "header types": codec.properties(
        headers={
            "t": True, "b": Typed("b", -1), "B": Typed("B", 255), "s": Typed("s", -1), "u": Typed("u", 65535),
            "I": -1, "i": Typed("i", 2**32 - 1), "l": -(2**63), "f": Typed("f", 1.5), "d": 1e300,
            "D": Typed("D", (2, -5)), "S": "é", "A": [1, "a", [None], {"k": 1}], "T": Typed("T", 2**40),
            "F": {"z": 1, "a": {"b": 2}}, "V": None, "x": Typed("x", b"\0\xff"),
        }
    ),
    "headers around the new ones": codec.properties(
        headers={"z": 1, "x-e": 2, "x-death-": 3, "a": 4, "X": 5, "x-first-death-queuf": 6, "": 7, "é": 8}
    ),
    "doubled keys": codec.properties(
        headers=codec.table_entries({"z": 1, "a": 2}) + codec.table_entries({"z": 3, "a": 4})
    ),
    "no UTF-8": codec.properties(headers={b"\xff": b"\xfe"}, content_type=b"\xff"),
    "first death of a client": codec.properties(
        headers={"x-first-death-reason": "boredom", "x-first-death-queue": 5, "x-first-death-exchange": None}
    ),
    "last death of a client": codec.properties(headers={"x-last-death-reason": "boredom"}),
}  # fmt: skip


@scenario(each=PROPERTIES)
def properties_of_dead_letters(stage: Stage, raw_properties: bytes) -> None:
    """Everything else stays, but the headers get sorted."""
    channel = stage.channel()
    queue, dead = pair(stage, channel)
    channel.publish("", queue, b"body", properties=raw_properties)
    reject_one(channel, queue)
    channel.until_queue(dead, message_count=1)
    channel.get(dead)


@scenario(before="4.3")
def body_of_dead_letters(stage: Stage) -> None:
    """Bodies stay whole, also empty ones and those of many frames."""
    channel = stage.channel(frame_max=4096)
    queue, dead = pair(stage, channel, x_message_ttl=SOON_MS)
    channel.publish("", queue)
    channel.publish("", queue, b"x" * 10_000, frame_max=4096)
    channel.until_queue(dead, message_count=2)
    channel.drain(dead)


@scenario()
def count(stage: Stage) -> None:
    """Each further death in the same queue for the same reason is counted; the first time stays."""
    channel = stage.channel()
    queue = stage.name("q")
    channel.declare(queue, exclusive=True, arguments=dead_letter_to(queue))
    channel.publish("", queue, b"body", properties=codec.properties(headers={"CC": ["other"]}, expiration="100000"))
    for _ in range(4):
        reject_one(channel, queue)
    channel.until_queue(queue, message_count=1)
    channel.get(queue)


@scenario()
def chain(stage: Stage) -> None:
    """A message rejected in one queue after another, twice around: an entry for each queue, in RabbitMQ's order."""
    channel = stage.channel()
    queues = [stage.name(label) for label in "abcde"]
    for queue, following in zip(queues, [*queues[1:], queues[0]], strict=True):
        channel.declare(queue, exclusive=True, arguments=dead_letter_to(following))
    channel.publish("", queues[0], b"body")
    for queue in [*queues, *queues]:
        reject_one(channel, queue)
    channel.until_queue(queues[0], message_count=1)
    channel.get(queues[0])


@scenario()
def reasons(stage: Stage) -> None:
    """Deaths in the same queue for other reasons have entries of their own."""
    channel = stage.channel()
    first, second = stage.name("first"), stage.name("second")
    channel.declare(first, exclusive=True, arguments=dead_letter_to(second) | {"x-max-length": 1})
    channel.declare(second, exclusive=True, arguments=dead_letter_to(first))
    channel.publish("", first, b"body", properties=codec.properties(expiration=str(SOON_MS)))
    reject_one(channel, second)
    reject_one(channel, first)
    reject_one(channel, second)
    channel.until_queue(first, message_count=1)
    channel.publish("", first, b"pushes it out")
    reject_one(channel, second)
    channel.until_queue(second, message_count=1)  # what pushed it out was pushed out when it came back
    channel.drain(second)
    channel.drain(first)


@scenario()
def ladder(stage: Stage) -> None:
    """From one TTL queue to the next: what expired once does not expire again by its own expiration."""
    channel = stage.channel()
    last = channel.declare(stage.name("last"), exclusive=True)
    following = last
    for label in "cba":
        arguments = dead_letter_to(following) | {"x-message-ttl": SOON_MS}
        following = channel.declare(stage.name(label), exclusive=True, arguments=arguments)
    channel.publish("", following, b"body", properties=codec.properties(expiration="1"))
    channel.until_queue(last, message_count=1)
    channel.get(last)


@scenario(each={"no key": False, "key": True})
def routing_keys(stage: Stage, with_key: bool) -> None:
    """x-death shows the routing key and those of CC, not of BCC; a dead-letter routing key takes CC away."""
    channel = stage.channel()
    queue, dead, copied = stage.name("q"), stage.name("dead"), stage.name("cc")
    exchange = channel.exchange(stage.name("x"), "fanout")
    channel.declare(dead, exclusive=True)
    channel.bind(dead, exchange)
    arguments = {"x-dead-letter-exchange": exchange} | ({"x-dead-letter-routing-key": "key"} if with_key else {})
    channel.declare(queue, exclusive=True, arguments=arguments)
    headers = {"BCC": [queue, "blind"], "a": 1, "CC": [copied, "other", 5, "unknown"], "z": 2}
    channel.publish("", "nobody", b"body", properties=codec.properties(headers=headers))
    channel.publish("", "nobody", b"body", properties=codec.properties(headers={"CC": [queue, queue]}))
    channel.publish("", queue, b"body", properties=codec.properties(headers={"CC": []}))
    channel.publish("amq.direct", queue, b"unbound", properties=codec.properties(headers={"BCC": [queue]}))
    channel.bind(queue, "amq.direct", queue)
    channel.publish("amq.direct", "nobody", b"body", properties=codec.properties(headers={"BCC": [queue]}))
    channel.until_queue(queue, message_count=4)
    for tag in (1, 2, 3, 4):
        channel.get(queue)
        channel.reject(tag, requeue=False)
    channel.until_queue(dead, message_count=4)
    channel.drain(dead)


@scenario(before="4.0")
def routing_keys_of_the_second_death(stage: Stage) -> None:
    """The second entry shows where and with which keys the message was dead-lettered the first time."""
    channel = stage.channel()
    queue, second, dead = (stage.name(label) for label in ("q", "second", "dead"))
    exchange = channel.exchange(stage.name("x"), "topic")
    channel.declare(dead, exclusive=True)
    channel.declare(second, exclusive=True, arguments={"x-dead-letter-exchange": exchange})
    channel.declare(queue, exclusive=True, arguments={"x-dead-letter-exchange": exchange})
    channel.bind(second, exchange, "to.second")
    channel.bind(dead, exchange, "to.dead")
    headers = {"CC": ["to.second"], "BCC": [queue]}
    channel.publish("", "nobody", b"body", properties=codec.properties(headers=headers))
    reject_one(channel, queue)
    channel.until_queue(second, message_count=1)
    channel.call("queue.unbind", queue=second, exchange=exchange, routing_key="to.second")
    channel.bind(dead, exchange, "to.second")
    reject_one(channel, second)
    channel.until_queue(dead, message_count=1)
    channel.get(dead)


@scenario()
def to_consumers(stage: Stage) -> None:
    """Consumers of the dead-letter queue get dead letters at once, not marked as redelivered."""
    connection = stage.connect()
    channel, consumer = connection.channel(1), connection.channel(2)
    queue, dead = pair(stage, channel)
    consumer.consume(dead)
    channel.consume(queue)
    channel.publish_some(queue, 2)
    channel.wait_deliveries(2)
    channel.nack(2, multiple=True, requeue=True)
    channel.wait_deliveries(2)
    channel.reject(3, requeue=False)
    channel.reject(4, requeue=False)
    consumer.wait_deliveries(2)


@scenario()
def requeued_in_another_order(stage: Stage) -> None:
    """All that a channel gives back is there before a limit drops anything, in the order of the queue."""
    channel, other = stage.channel(), stage.channel()
    dead = other.declare(stage.name("dead"))
    limited = {"x-max-length": 1, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead}
    queue = other.declare(stage.name("q"), arguments=limited)
    for body in (b"1", b"2", b"3"):
        channel.publish("", queue, body)
        channel.get(queue)
    channel.nack(1)
    channel.get(queue)
    channel.close()
    other.until_queue(queue, message_count=1)
    other.until_queue(dead, message_count=2)
    other.drain(queue)
    other.drain(dead)
