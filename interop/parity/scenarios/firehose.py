"""The firehose: a copy of everything published and delivered in a virtual host goes to amq.rabbitmq.trace."""

from typing import Any

from interop.parity import codec
from interop.parity.codec import Typed
from interop.parity.observer import Observer
from interop.parity.scenario import scenario
from interop.parity.script import Channel, Stage

TRACE = "amq.rabbitmq.trace"


class Traced:
    """A virtual host that is traced, a channel there, and what the firehose has of it."""

    def __init__(self, stage: Stage, *keys: str, on: bool = True, label: str = "v") -> None:
        self._stage = stage
        self.vhost = stage.admin.add_vhost(label)
        self._observer = Observer(stage, TRACE, *(keys or ("#",)), vhost=self.vhost)
        if on:
            stage.admin.trace_on(self.vhost)
        self.channel = stage.channel(vhost=self.vhost)

    def note(self, *others: Channel) -> None:
        for channel in (self.channel, *others):
            channel.sync()
        for told in self._observer.take():
            self._stage.note(told.text(hidden={"node"}))
        self._stage.note("no more")


@scenario()
def published(stage: Stage) -> None:
    """publish. and the exchange; where it was routed, if anywhere."""
    traced = Traced(stage)
    channel, queue, exchange = traced.channel, stage.name(), stage.name("x")
    channel.declare(queue)
    channel.exchange(exchange)
    channel.bind(queue, exchange, "k")
    channel.publish(exchange, "k", b"routed")
    channel.publish(exchange, "other", b"not routed")
    channel.publish(exchange, "other", b"returned", mandatory=True)
    channel.publish("", queue, b"default exchange")
    channel.publish("amq.fanout", "", b"")
    traced.note()


@scenario()
def got(stage: Stage) -> None:
    """deliver. and the queue, once for each time."""
    traced = Traced(stage, "deliver.#")
    channel, queue = traced.channel, stage.name()
    channel.declare(queue)
    channel.publish_some(queue, 2)
    channel.settle(queue)
    channel.get(queue)
    channel.nack(1)
    channel.settle(queue)
    channel.get(queue)
    channel.get(queue, no_ack=True)
    channel.get(queue)
    traced.note()


@scenario(each={"acked": False, "no_ack": True})
def consumed(stage: Stage, no_ack: bool) -> None:
    """Deliveries are told with the consumer's connection and channel."""
    traced = Traced(stage)
    queue, consumer = stage.name(), stage.connect(vhost=traced.vhost).channel(7)
    consumer.declare(queue)
    consumer.consume(queue, no_ack=no_ack)
    for body in (b"one", b"two"):
        traced.channel.publish("", queue, body)
        consumer.wait_deliveries(1)
        # RabbitMQ's channel delivers first and tells after: the next publish must not be told in between.
        consumer.sync()
    traced.note()


PROPERTIES: dict[str, dict[str, Any]] = {
    "all": {
        "content_type": "text/plain", "content_encoding": "e", "delivery_mode": 2, "priority": 3,
        "correlation_id": "c", "reply_to": "r", "expiration": "60000", "message_id": "m", "timestamp": 2**33,
        "type": "t", "user_id": "guest", "app_id": "a", "cluster_id": "cl",
    },
    "headers": {"headers": {"a": 1, "b": {"c": [True, None]}, "d": Typed("b", 1), "e": Typed("T", 5)}},
    "no headers": {"headers": {}},
    "copies": {"headers": {"CC": ["c"], "BCC": ["b"]}},
}  # fmt: skip


@scenario(each=PROPERTIES)
def properties(stage: Stage, values: dict[str, Any]) -> None:
    """The properties of the message are a header of its copy."""
    traced = Traced(stage)
    channel, queue = traced.channel, stage.name()
    channel.declare(queue)
    channel.bind(queue, "amq.direct", "k")
    channel.publish("amq.direct", "k", b"a", properties=codec.properties(**values))
    channel.settle(queue)
    channel.get(queue)
    traced.note()


@scenario()
def routed_to_several(stage: Stage) -> None:
    """All queues are named in one copy; each delivery has its own."""
    traced = Traced(stage, "deliver.*.*")
    channel, queues = traced.channel, [stage.name("one"), stage.name("two")]
    for queue in queues:
        channel.declare(queue)
        channel.bind(queue, "amq.fanout")
    channel.publish("amq.fanout", "k", b"a")
    channel.settle(*queues)
    for queue in queues:
        channel.get(queue)
    traced.note()


@scenario()
def binding_keys(stage: Stage) -> None:
    """Names with dots are words to the firehose, too."""
    traced = Traced(stage, "publish.amq.direct", "publish.", "deliver")
    channel = traced.channel
    for exchange in ("amq.direct", "amq.fanout", "amq.topic", ""):
        channel.publish(exchange, "k", exchange.encode())
    traced.note()


@scenario()
def on_and_off(stage: Stage) -> None:
    """Channels that are open know at once; twice on is on, twice off is off."""
    traced = Traced(stage, on=False)
    channel, admin = traced.channel, stage.admin
    for number, change in enumerate([None, admin.trace_on, admin.trace_on, admin.trace_off, admin.trace_off]):
        if change is not None:
            change(traced.vhost)
        channel.publish("amq.fanout", "k", str(number).encode())
        traced.note()


@scenario()
def other_vhosts(stage: Stage) -> None:
    """Only the virtual host that was asked for is traced."""
    traced = Traced(stage)
    other = Traced(stage, on=False, label="other")
    for each in (traced, other):
        each.channel.publish("amq.fanout", "k", b"a")
    traced.note()
    other.note()


@scenario(each=["commit", "rollback"])
def transactions(stage: Stage, end: str) -> None:
    """A publish is told when it is sent, not when it is committed."""
    traced = Traced(stage)
    channel = traced.channel
    channel.call("tx.select")
    channel.publish("amq.fanout", "k", b"a")
    traced.note()
    channel.call(f"tx.{end}")
    traced.note()


@scenario()
def dead_letters(stage: Stage) -> None:
    """What the broker publishes itself is not told; who gets it is."""
    traced = Traced(stage)
    channel, queue, dead = traced.channel, stage.name(), stage.name("dead")
    channel.declare(dead)
    channel.declare(queue, arguments={"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead})
    channel.publish("", queue, b"a")
    channel.settle(queue)
    channel.get(queue)
    traced.note()
    channel.reject(1, requeue=False)
    channel.settle(queue)
    channel.settle(dead)
    traced.note()


@scenario()
def refused(stage: Stage) -> None:
    """What is refused is not told; clients cannot publish to the firehose, nor delete it."""
    traced = Traced(stage)
    channel = traced.channel
    channel.publish("missing", "k", b"a")
    channel.wait_close()
    channel = stage.channel(vhost=traced.vhost)
    channel.publish(TRACE, "k", b"a")
    channel.wait_close()
    channel = stage.channel(vhost=traced.vhost)
    channel.call("exchange.delete", exchange=TRACE)
    traced.note()


@scenario()
def confirms_and_large_bodies(stage: Stage) -> None:
    """Confirms count publishes, not copies; a body of several frames is told whole."""
    traced = Traced(stage)
    channel = traced.channel
    channel.call("confirm.select")
    channel.publish("amq.fanout", "k", b"x" * 300_000)
    channel.wait_confirms(1)
    traced.note()
