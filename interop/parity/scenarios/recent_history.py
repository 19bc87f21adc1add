"""The plugin's exchange type x-recent-history: a fanout that gives new bindings what was published last."""

from typing import Any

from interop.parity import codec
from interop.parity.codec import Typed
from interop.parity.scenario import scenario
from interop.parity.script import Channel, Stage

KIND = "x-recent-history"


def published(channel: Channel, exchange: str, count: int, properties: bytes = codec.properties()) -> None:
    """Publish the bodies 1, 2, 3 …, and be sure that the exchange has seen them."""
    for number in range(1, count + 1):
        channel.publish(exchange, f"key {number}", str(number).encode(), properties=properties)
    channel.sync()


def show(channel: Channel, *queues: str) -> None:
    channel.settle(*queues)
    for queue in queues:
        channel.drain(queue)


LENGTHS = {
    "none": None, "text": "5", "zero": 0, "negative": -1, "one": 1, "long": 5, "bool": True, "float": 1.5, "list": [5],
    "signed octet": Typed("b", 5), "octet": Typed("B", 5), "short": Typed("s", 5), "unsigned short": Typed("u", 5),
    "unsigned": Typed("i", 5), "64 bits": Typed("l", 5), "time": Typed("T", 5), "negative short": Typed("s", -5),
}  # fmt: skip


@scenario(each=LENGTHS)
def length(stage: Stage, value: object) -> None:
    """How much is remembered must be a positive integer, of some types of integers."""
    channel = stage.channel()
    exchange = channel.exchange(stage.name("x"), KIND, arguments={"x-recent-history-length": value})
    if channel.closed:
        return
    published(channel, exchange, 7)
    queue = channel.declare(exclusive=True)
    channel.bind(queue, exchange)
    show(channel, queue)


@scenario()
def default_length(stage: Stage) -> None:
    """Without a length, twenty messages are remembered."""
    channel = stage.channel()
    exchange, queue = channel.exchange(stage.name("x"), KIND), channel.declare(exclusive=True)
    published(channel, exchange, 22)
    channel.bind(queue, exchange)
    channel.until_queue(queue, message_count=20)
    channel.call("basic.get", queue=queue, no_ack=True)


@scenario()
def replay(stage: Stage) -> None:
    """A new binding brings what was remembered, oldest first; then all is as with a fanout."""
    channel = stage.channel()
    exchange = channel.exchange(stage.name("x"), KIND, arguments={"x-recent-history-length": 2})
    one, two = channel.declare(exclusive=True), channel.declare(exclusive=True)
    channel.bind(one, exchange, "before")
    published(channel, exchange, 3)
    channel.bind(two, exchange, "after")
    channel.settle(one, two)
    channel.publish(exchange, "k", b"new", mandatory=True)
    show(channel, one, two)


@scenario(each={"the same": "k", "another": "k2"})
def bound_again(stage: Stage, key: str) -> None:
    """A second binding replays once more, the same binding does not."""
    channel = stage.channel()
    exchange, queue = channel.exchange(stage.name("x"), KIND), channel.declare(exclusive=True)
    published(channel, exchange, 2)
    channel.bind(queue, exchange, "k")
    channel.bind(queue, exchange, key)
    show(channel, queue)
    channel.call("queue.unbind", queue=queue, exchange=exchange, routing_key="k")
    channel.bind(queue, exchange, "k")
    show(channel, queue)


@scenario()
def replay_to_consumers(stage: Stage) -> None:
    """What is replayed is delivered like any message."""
    channel = stage.channel()
    exchange, queue = channel.exchange(stage.name("x"), KIND), channel.declare(exclusive=True)
    published(channel, exchange, 3)
    channel.consume(queue, no_ack=True)
    channel.bind(queue, exchange)
    channel.wait_deliveries(3)


@scenario()
def properties_are_replayed(stage: Stage) -> None:
    """The remembered message is the whole message."""
    channel = stage.channel()
    exchange, queue = channel.exchange(stage.name("x"), KIND), channel.declare(exclusive=True)
    properties = codec.properties(headers={"CC": ["cc"], "BCC": ["bcc"], "a": 1}, message_id="m", delivery_mode=2)
    published(channel, exchange, 1, properties)
    channel.bind(queue, exchange)
    show(channel, queue)


@scenario(
    each={
        "yes": True, "no": False, "text": "true", "number": 1, "nothing": None,
    }
)  # fmt: skip
def no_store(stage: Stage, value: object) -> None:
    """A message may ask not to be remembered."""
    channel = stage.channel()
    exchange = channel.exchange(stage.name("x"), KIND)
    one, two = channel.declare(exclusive=True), channel.declare(exclusive=True)
    channel.bind(one, exchange)
    published(channel, exchange, 1, codec.properties(headers={"x-recent-history-no-store": value}))
    channel.bind(two, exchange)
    show(channel, one, two)


@scenario()
def unrouted_messages_are_remembered(stage: Stage) -> None:
    """A message that is returned is remembered all the same."""
    channel = stage.channel()
    exchange = channel.exchange(stage.name("x"), KIND)
    channel.publish(exchange, "k", b"returned", mandatory=True)
    channel.wait("basic.return")
    queue = channel.declare(exclusive=True)
    channel.bind(queue, exchange)
    show(channel, queue)


@scenario()
def replay_through_an_exchange(stage: Stage) -> None:
    """An exchange that is bound routes what is replayed by its own bindings."""
    channel = stage.channel()
    exchange, target = channel.exchange(stage.name("x"), KIND), channel.exchange(stage.name("target"), "direct")
    one, two = channel.declare(exclusive=True), channel.declare(exclusive=True)
    channel.bind(one, target, "key 1")
    channel.bind(two, target, "key 2")
    published(channel, exchange, 2)
    channel.call("exchange.bind", source=exchange, destination=target)
    show(channel, one, two)


@scenario()
def forgotten_with_the_exchange(stage: Stage) -> None:
    """An exchange that is deleted and declared again remembers nothing."""
    channel = stage.channel()
    exchange, queue = stage.name("x"), channel.declare(exclusive=True)
    channel.exchange(exchange, KIND)
    published(channel, exchange, 2)
    channel.call("exchange.delete", exchange=exchange)
    channel.exchange(exchange, KIND)
    channel.bind(queue, exchange)
    show(channel, queue)


ARGUMENTS: dict[str, dict[str, Any]] = {"other length": {"x-recent-history-length": 3}, "none": {}, "unknown": {"a": 1}}


@scenario(each=ARGUMENTS)
def declare_again(stage: Stage, arguments: dict[str, Any]) -> None:
    """Arguments of an exchange that exists are neither compared nor checked."""
    channel = stage.channel()
    exchange = channel.exchange(stage.name("x"), KIND, arguments={"x-recent-history-length": 5})
    channel.exchange(exchange, KIND, arguments=arguments)
    channel.exchange(exchange, KIND, arguments={"x-recent-history-length": 0})
