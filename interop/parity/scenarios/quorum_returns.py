"""Quorum queues: where returned messages go, how deliveries are counted and limited, and what is dead-lettered."""

from collections.abc import Mapping
from typing import Any

from interop.parity import codec
from interop.parity.codec import Typed
from interop.parity.scenario import scenario
from interop.parity.scenarios.quorum import declare, filled
from interop.parity.script import Channel, Stage

LIMITS: Mapping[str, dict[str, Any]] = {"no limit": {}, "limit": {"x-delivery-limit": 5}}
WAYS = ["nack", "nack multiple", "reject", "recover", "close", "close connection", "hang up"]
WAYS_BY_LIMIT = {f"{way}, {label}": (way, LIMITS[label]) for way in WAYS for label in LIMITS}


def give_back(channel: Channel, way: str, tags: list[int]) -> Channel:
    """Return what is unacknowledged; these are all tags outstanding. The channel to go on with."""
    if way == "close":
        channel.close()
        return channel.reopen()
    if way == "nack multiple":
        channel.nack(max(tags), multiple=True)
    elif way == "recover":
        channel.call("basic.recover", requeue=True)
    else:
        for tag in tags:
            channel.send(f"basic.{way}", delivery_tag=tag, requeue=True)
    return channel


def returned(stage: Stage, channel: Channel, way: str, tags: list[int]) -> Channel:
    if way == "close connection":
        channel.connection.close()
    elif way == "hang up":
        channel.connection.drop()
    else:
        return give_back(channel, way, tags)
    return stage.channel()


@scenario(each=WAYS_BY_LIMIT)
def place_of_what_was_got(stage: Stage, case: tuple[str, dict[str, Any]]) -> None:
    """Behind all others where no limit counts deliveries and the client gave them back; else before all others."""
    way, arguments = case
    channel, queue = filled(stage, 5, arguments)
    for _ in range(3):
        channel.get(queue)
    channel = returned(stage, channel, way, [1, 2, 3])
    stage.until_queue(queue, message_count=5)
    channel.drain(queue)


@scenario(each=WAYS_BY_LIMIT)
def place_of_what_was_consumed(stage: Stage, case: tuple[str, dict[str, Any]]) -> None:
    """The same for messages delivered to a consumer that was cancelled."""
    way, arguments = case
    channel, queue = filled(stage, 5, arguments)
    channel.call("basic.qos", prefetch_count=3)
    channel.consume(queue)
    channel.wait_deliveries(3)
    channel.call("basic.cancel", consumer_tag="c")
    channel = returned(stage, channel, way, [1, 2, 3])
    stage.until_queue(queue, message_count=5)
    channel.drain(queue)


@scenario(each=LIMITS)
def place_after_returns_in_reverse(stage: Stage, arguments: dict[str, Any]) -> None:
    """In the order in which they came back, not in which they were published."""
    channel, queue = filled(stage, 5, arguments)
    for _ in range(4):
        channel.get(queue)
    for ready, tag in enumerate([4, 2, 1, 3], 2):
        channel.nack(tag)
        stage.until_queue(queue, message_count=ready)
    channel.drain(queue)


@scenario(each=LIMITS)
def place_of_several_consumers_messages(stage: Stage, arguments: dict[str, Any]) -> None:
    """A channel that ends gives back by consumer tag; what was got has its delivery tag there, as text. From 4.0 on,
    what was got comes last, and consumers come in the order in which they began."""
    channel, queue = filled(stage, 16, arguments)
    channel.call("basic.qos", prefetch_count=2)
    for tag in ("b", "a"):
        channel.consume(queue, tag)
        channel.wait_deliveries(2)
    for _ in range(10):
        channel.get(queue)
    channel.close()
    channel = channel.reopen()
    stage.until_queue(queue, message_count=16)
    channel.drain(queue)


@scenario(each=["nack", "recover"])
def several_consumers_messages_at_once(stage: Stage, way: str) -> None:
    """Given back at once: what was got first, by number, and then by consumer tag."""
    channel, queue = filled(stage, 16)
    channel.call("basic.qos", prefetch_count=2)
    for tag in ("b", "a"):
        channel.consume(queue, tag)
        channel.wait_deliveries(2)
        channel.call("basic.cancel", consumer_tag=tag)
    for _ in range(10):
        channel.get(queue)
    if way == "nack":
        channel.nack(0, multiple=True)
    else:
        channel.call("basic.recover", requeue=True)
    stage.until_queue(queue, message_count=16)
    channel.drain(queue)


@scenario(each=["nack", "reject", "recover"])
def back_to_the_same_consumer(stage: Stage, way: str) -> None:
    """A message alone comes back to its consumer with a count that grows."""
    channel, queue = filled(stage, 1)
    channel.consume(queue)
    for tag in range(1, 4):
        channel.wait_deliveries(1)
        give_back(channel, way, [tag])
    channel.wait_deliveries(1)


@scenario(each=LIMITS)
def back_to_a_consumer_with_others_ready(stage: Stage, arguments: dict[str, Any]) -> None:
    """Without a limit, the message comes again after all others; with one, at once."""
    channel, queue = filled(stage, 3, arguments)
    channel.call("basic.qos", prefetch_count=1)
    channel.consume(queue)
    for tag in range(1, 5):
        channel.wait_deliveries(1)
        channel.nack(tag)
    channel.wait_deliveries(1)


HEADERS: Mapping[str, dict[str, Any]] = {
    "no headers": {"content_type": "text/plain"},
    "empty headers": {"headers": {}},
    "headers": {"headers": {"z": 1, "x-delivery-counu": None, "x-delivery-coun": True, "a": {"b": [1], "a": 2}}},
    "a count of its own": {"headers": {"z": 1, "x-delivery-count": 7, "a": 1}},
    "a count of another type": {"headers": {"x-delivery-count": "many"}},
    "headers twice": {
        "headers": codec.table_entries({"z": 1, "x-delivery-count": 7})
        + codec.table_entries({"z": 2, "x-delivery-count": 8, "a": 3})
    },
    "every type": {
        "headers": {
            "b": Typed("b", -1), "B": Typed("B", 1), "s": Typed("s", -1), "u": Typed("u", 1), "i": Typed("i", 1),
            "l": Typed("l", -1), "f": Typed("f", 0.5), "d": Typed("d", 0.5), "D": Typed("D", (2, 314)),
            "T": Typed("T", 1), "x": Typed("x", b"\xff"), "V": None, "t": False, "F": {}, "A": [],
        },
        "priority": 9,
    },
}  # fmt: skip


@scenario(each=HEADERS)
def delivery_count_header(stage: Stage, properties: dict[str, Any]) -> None:
    """Not in a first delivery; in a later one among the headers, which are sorted; in get-ok always."""
    channel = stage.channel()
    queue = declare(channel, stage.name())
    channel.publish("", queue, b"body", properties=codec.properties(**properties))
    stage.until_queue(queue, message_count=1)
    channel.consume(queue)
    channel.wait_deliveries(1)
    channel.nack(1)
    channel.wait_deliveries(1)
    channel.call("basic.cancel", consumer_tag="c")
    channel.nack(2)
    stage.until_queue(queue, message_count=1)
    channel.get(queue)


@scenario(each=HEADERS)
def get_header(stage: Stage, properties: dict[str, Any]) -> None:
    """get-ok says how many deliveries came before, from zero."""
    channel = stage.channel()
    queue = declare(channel, stage.name())
    channel.publish("", queue, b"body", properties=codec.properties(**properties))
    stage.until_queue(queue, message_count=1)
    channel.get(queue)


WAYS_BACK = ["nack", "nack multiple", "reject", "recover", "close"]


@scenario(each=WAYS_BACK, before=dict.fromkeys(WAYS_BACK, "4.3") | {"close": "4.0"})
def delivery_limit(stage: Stage, way: str) -> None:
    """Every return counts; the one more than the limit dead-letters with a reason of its own."""
    channel = stage.channel()
    dead = declare(channel, stage.name("dead"))
    arguments = {"x-delivery-limit": 2, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead}
    queue = declare(channel, stage.name(), arguments=arguments)
    channel.publish_some(queue, 2)
    stage.until_queue(queue, message_count=2)
    for round_number, ready in enumerate([2, 2, 0]):
        for _ in range(2):
            channel.get(queue)
        channel = give_back(channel, way, [2 * round_number + 1, 2 * round_number + 2])
        stage.until_queue(queue, message_count=ready)
    stage.until_queue(dead, message_count=2)
    channel.drain(dead)


@scenario(each={"0": 0, "-1": -1, "1": 1, "text": "1", "flag": True, "float": 0.5, "large": 2**62, "void": None})
def delivery_limits_of_any_value(stage: Stage, limit: object) -> None:
    """Nobody validates the limit: what is less than the count, as Erlang orders terms, ends the message."""
    channel, queue = filled(stage, 2, {"x-delivery-limit": limit})
    channel.get(queue)
    channel.nack(1)
    stage.until_queue(queue, consumer_count=0)
    channel.drain(queue)


@scenario(each=["ack", "nack", "nack multiple", "reject", "discard"])
def after_cancel(stage: Stage, way: str) -> None:
    """A cancelled consumer keeps what it has; others get what it gives back."""
    channel, queue = filled(stage, 2)
    channel.consume(queue, "first")
    channel.wait_deliveries(2)
    channel.call("basic.cancel", consumer_tag="first")
    other = stage.channel()
    other.consume(queue, "second")
    if way == "ack":
        channel.ack(2, multiple=True)
    elif way == "discard":
        channel.nack(2, multiple=True, requeue=False)
    else:
        give_back(channel, way, [1, 2])
        other.wait_deliveries(2)
    stage.until_queue(queue, consumer_count=1)


def with_dead_letters(stage: Stage, arguments: Mapping[str, Any]) -> tuple[Channel, str, str]:
    """A channel, a quorum queue that dead-letters, and where to."""
    channel = stage.channel()
    dead = channel.declare(stage.name("dead"))
    exchange = channel.exchange(stage.name("x"), "fanout")
    channel.bind(dead, exchange)
    queue = declare(channel, stage.name(), arguments={"x-dead-letter-exchange": exchange, **arguments})
    return channel, queue, dead


STRATEGIES: Mapping[str, dict[str, Any]] = {
    "at most once": {},
    "at most once, said so": {"x-dead-letter-strategy": "at-most-once"},
    "at least once": {"x-dead-letter-strategy": "at-least-once", "x-overflow": "reject-publish"},
    "at least once, but drops": {"x-dead-letter-strategy": "at-least-once"},
    "routing key": {"x-dead-letter-routing-key": "elsewhere"},
    "at least once, routing key": {
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
        "x-dead-letter-routing-key": "elsewhere",
    },
}


@scenario(each=STRATEGIES)
def rejected(stage: Stage, arguments: dict[str, Any]) -> None:
    """x-death is that of classic queues; a delivery count is only there if the publisher wrote one."""
    channel, queue, dead = with_dead_letters(stage, arguments)
    properties = codec.properties(headers={"z": 1, "CC": ["nobody"], "a": 2}, expiration="3600000", message_id="m")
    channel.publish("", queue, b"once returned", properties=properties)
    stage.until_queue(queue, message_count=1)
    channel.get(queue)
    channel.nack(1)
    stage.until_queue(queue, message_count=1)
    channel.get(queue)
    channel.reject(2, requeue=False)
    stage.until_queue(dead, message_count=1)
    channel.drain(dead)


@scenario(each=["nack", "reject", "nack multiple"])
def order_of_rejected(stage: Stage, way: str) -> None:
    """In the order they were rejected, and several at once in the order of their tags."""
    channel, queue, dead = with_dead_letters(stage, {})
    channel.publish_some(queue, 4)
    stage.until_queue(queue, message_count=4)
    channel.consume(queue)
    channel.wait_deliveries(4)
    if way == "nack multiple":
        channel.nack(4, multiple=True, requeue=False)
    else:
        for tag in (3, 1, 4, 2):
            channel.send(f"basic.{way}", delivery_tag=tag, requeue=False)
    stage.until_queue(dead, message_count=4)
    channel.drain(dead)


@scenario(each=["missing exchange", "nothing bound", "no exchange"])
def dead_letters_nobody_gets(stage: Stage, case: str) -> None:
    """Gone without a word."""
    channel = stage.channel()
    exchange = channel.exchange(stage.name("x")) if case == "nothing bound" else stage.name("missing")
    arguments = {} if case == "no exchange" else {"x-dead-letter-exchange": exchange}
    queue = declare(channel, stage.name(), arguments=arguments)
    channel.publish_some(queue, 2)
    stage.until_queue(queue, message_count=2)
    channel.get(queue)
    channel.reject(1, requeue=False)
    stage.until_queue(queue, message_count=1, consumer_count=0)
    channel.drain(queue)


@scenario(before="4.3")
def at_least_once_without_a_queue(stage: Stage) -> None:
    """A dead letter nobody wants waits; it is neither ready nor lost to the queue's limits."""
    channel = stage.channel()
    arguments = {
        "x-dead-letter-exchange": channel.exchange(stage.name("x")),
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
        "x-max-length": 1,
    }
    queue = declare(channel, stage.name(), arguments=arguments)
    channel.call("confirm.select")
    for number in (1, 2):
        channel.publish("", queue, b"body")
        channel.wait_confirms(number)
        stage.until_queue(queue, message_count=1)
        channel.get(queue)
        channel.reject(number, requeue=False)
        stage.until_queue(queue, message_count=0, consumer_count=0)
    channel.settle(queue)
    channel.publish("", queue, b"rejected, as two dead letters wait")
    channel.wait_confirms(3)
    channel.call("queue.purge", queue=queue)
    channel.call("queue.delete", queue=queue)


@scenario(each={"limit": True, "reject": False}, before={"limit": "4.3", "reject": "4.0"})
def there_and_back(stage: Stage, limit: bool) -> None:
    """Counts begin anew in each queue. What comes around by its limit alone is dropped, what was rejected is not."""
    channel = stage.channel()
    names = [stage.name(label) for label in ("first", "second")]
    for name, other in zip(names, reversed(names), strict=True):
        arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": other, "x-delivery-limit": 1}
        declare(channel, name, arguments=arguments)
    channel.publish("", names[0], b"body")
    for tag, name in enumerate([names[0]] * 2 + [names[1]] * 2, 1):
        stage.until_queue(name, message_count=1)
        channel.get(name)
        channel.reject(tag, requeue=limit or tag % 2 == 1)
    stage.until_queue(names[1], message_count=0, consumer_count=0)
    stage.until_queue(names[0], message_count=0 if limit else 1)
    channel.drain(names[0])
