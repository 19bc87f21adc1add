"""The plugin's exchange type x-consistent-hash: what it accepts, and that what belongs together stays together.

Which queue a key goes to is each broker's own choice: what is compared is that all arrives once, and with its like.
"""

from typing import Any

from interop.parity import codec
from interop.parity.codec import Typed
from interop.parity.scenario import Differs, scenario
from interop.parity.script import Channel, Stage
from interop.parity.shares import collect, note_shares

KIND = "x-consistent-hash"
MANY = 60


def hashed(stage: Stage, channel: Channel, *weights: str, **fields: Any) -> tuple[str, list[str]]:  # noqa: ANN401
    """An exchange and its queues, each bound with one of the weights."""
    exchange = channel.exchange(stage.name("x"), KIND, **fields)
    queues = [channel.declare(exclusive=True) for _ in weights]
    for queue, weight in zip(queues, weights, strict=True):
        channel.bind(queue, exchange, weight)
    return exchange, queues


ARGUMENTS: dict[str, dict[str, Any]] = {
    "header": {"hash-header": "h"},
    "header empty": {"hash-header": ""},
    "message_id": {"hash-property": "message_id"},
    "correlation_id": {"hash-property": "correlation_id"},
    "timestamp": {"hash-property": "timestamp"},
    "app_id": {"hash-property": "app_id"},
    "reply_to": {"hash-property": "reply_to"},
    "property empty": {"hash-property": ""},
    "header and property": {"hash-header": "h", "hash-property": "message_id"},
    "header and wrong property": {"hash-header": "h", "hash-property": "no"},
    "unknown argument": {"hash-on": "h", "x-algorithm": "ring"},
}


@scenario(each=ARGUMENTS)
def declare(stage: Stage, arguments: dict[str, Any]) -> None:
    """Which arguments an exchange may have, and that a declaration again does not compare them."""
    channel = stage.channel()
    name = channel.exchange(stage.name("x"), KIND, arguments=arguments)
    if not channel.closed:
        channel.exchange(name, KIND)
        channel.exchange(name, KIND, arguments={"hash-header": "other"})
        channel.exchange(name, "direct")


KEYS = [
    "0", "-1", "1", "10000", "10001", "+5", "007", " 1", "1 ", "1.0", "1e1", "", "a", "\u0661", "1_0",
]  # fmt: skip


@scenario(each=KEYS, before={"\u0661": "4.0"})
def binding_key(stage: Stage, key: str) -> None:
    """A binding's key is its weight: a whole number, 1 at least."""
    channel = stage.channel()
    exchange, queue = channel.exchange(stage.name("x"), KIND), channel.declare(exclusive=True)
    channel.bind(queue, exchange, key)
    if not channel.closed:
        channel.publish(exchange, "k", b"a", mandatory=True)
        channel.settle(queue)
        channel.drain(queue)


@scenario()
def binding_key_of_an_exchange(stage: Stage) -> None:
    """Bindings of exchanges are checked in the same way."""
    channel = stage.channel()
    exchange, target = channel.exchange(stage.name("x"), KIND), channel.exchange(stage.name("target"), "fanout")
    queue = channel.declare(exclusive=True)
    channel.bind(queue, target)
    channel.call("exchange.bind", source=exchange, destination=target, routing_key="2")
    channel.publish(exchange, "k", b"a", mandatory=True)
    channel.settle(queue)
    channel.drain(queue)
    channel.call("exchange.bind", source=exchange, destination=target, routing_key="none")


@scenario(each={"kept": "1", "changed": "2"})
def bound_twice(stage: Stage, weight: str) -> None:
    """A queue that is bound again, with the same weight or another, still gets a message only once."""
    channel = stage.channel()
    exchange, queues = hashed(stage, channel, "1")
    channel.bind(queues[0], exchange, weight)
    for number in range(MANY):
        channel.publish(exchange, str(number), str(number).encode(), mandatory=True)
    note_shares(stage, collect(channel, queues))


@scenario(
    each=["1", "2"],
    differs=Differs(
        "RabbitMQ sends nothing more to a queue that is still bound, and what is published is lost",
        [
            "basic.return reply_code=312 reply_text='NO_ROUTE' exchange='x.*' routing_key='k'",
            "header class=60 weight=0 size=1 properties='\\x00\\x00'",
            "body 'a'",
        ],
        [
            "basic.get-ok delivery_tag=1 redelivered=False exchange='x.*' routing_key='k' message_count=0",
            "header class=60 weight=0 size=1 properties='\\x00\\x00'",
            "body 'a'",
        ],
    ),
)
def unbound_after_two_bindings(stage: Stage, weight: str) -> None:
    """Of two bindings of a queue, one is taken away."""
    channel = stage.channel()
    exchange, (queue,) = hashed(stage, channel, "1")
    channel.bind(queue, exchange, "2")
    channel.call("queue.unbind", queue=queue, exchange=exchange, routing_key=weight)
    channel.publish(exchange, "k", b"a", mandatory=True)
    channel.settle(queue)
    channel.drain(queue)


@scenario(each=[1, 2, 5])
def shares(stage: Stage, queue_count: int) -> None:
    """Every message goes to one queue, and equal keys go to the same one."""
    channel = stage.channel()
    exchange, queues = hashed(stage, channel, *["20"] * queue_count)
    for number in range(2 * MANY):
        key = str(number % MANY)
        channel.publish(exchange, key, key.encode(), mandatory=True)
    note_shares(stage, collect(channel, queues))


@scenario()
def nobody_bound(stage: Stage) -> None:
    """Without a queue, or when the last one is gone, a message is returned."""
    channel = stage.channel()
    exchange, (queue,) = hashed(stage, channel, "1")
    channel.call("queue.unbind", queue=queue, exchange=exchange, routing_key="1")
    channel.publish(exchange, "k", b"unbound", mandatory=True)
    channel.wait("basic.return")
    channel.bind(queue, exchange, "1")
    channel.call("queue.delete", queue=queue)
    channel.publish(exchange, "k", b"deleted", mandatory=True)
    channel.wait("basic.return")


HASHED_BY: dict[str, tuple[dict[str, Any], str]] = {
    "header": ({"hash-header": "h"}, "headers"),
    "message_id": ({"hash-property": "message_id"}, "message_id"),
    "correlation_id": ({"hash-property": "correlation_id"}, "correlation_id"),
    "timestamp": ({"hash-property": "timestamp"}, "timestamp"),
}


@scenario(each=HASHED_BY)
def hashed_by(stage: Stage, case: tuple[dict[str, Any], str]) -> None:
    """Equal headers or properties go to the same queue, whatever the routing key."""
    arguments, name = case
    channel = stage.channel()
    exchange, queues = hashed(stage, channel, "20", "20", "20", arguments=arguments)
    for number in range(2 * MANY):
        text = str(number % MANY)
        value = {"headers": {"h": text}, "timestamp": number % MANY}.get(name, text)
        properties = codec.properties(**{name: value})
        channel.publish(exchange, str(number), text.encode(), properties=properties, mandatory=True)
    note_shares(stage, collect(channel, queues))


@scenario(each=HASHED_BY)
def hashed_by_nothing(stage: Stage, case: tuple[dict[str, Any], str]) -> None:
    """What has no such header or property goes to one queue, all of it."""
    channel = stage.channel()
    exchange, queues = hashed(stage, channel, "20", "20", "20", arguments=case[0])
    for number in range(MANY):
        channel.publish(exchange, str(number), str(number).encode(), mandatory=True)
    note_shares(stage, collect(channel, queues))


HEADER_VALUES = {"number": 5, "boolean": True, "bytes": Typed("x", b"a"), "void": None, "list": [1], "table": {"a": 1}}


@scenario(each=HEADER_VALUES)
def hash_header_of_type(stage: Stage, value: object) -> None:
    """A header may have any type."""
    channel = stage.channel()
    exchange, queues = hashed(stage, channel, "1", "1", arguments={"hash-header": "h"})
    for number in range(10):
        properties = codec.properties(headers={"h": value})
        channel.publish(exchange, str(number), b"alike", properties=properties, mandatory=True)
    note_shares(stage, collect(channel, queues))


@scenario()
def carbon_copies(stage: Stage) -> None:
    """Only the routing key itself is hashed, not those in CC and BCC."""
    channel = stage.channel()
    exchange, queues = hashed(stage, channel, "10", "10", "10")
    for number in range(MANY):
        properties = codec.properties(headers={"CC": [str(number), "b"], "BCC": ["c"]})
        channel.publish(exchange, "a", str(number).encode(), properties=properties, mandatory=True)
    note_shares(stage, collect(channel, queues))


@scenario()
def alternate_exchange(stage: Stage) -> None:
    """What is not routed goes to the alternate exchange."""
    channel = stage.channel()
    queue, alternate = channel.declare(exclusive=True), channel.exchange(stage.name("alternate"), "fanout")
    channel.bind(queue, alternate)
    exchange = channel.exchange(stage.name("x"), KIND, arguments={"alternate-exchange": alternate})
    channel.publish(exchange, "k", b"a", mandatory=True)
    channel.settle(queue)
    channel.drain(queue)
