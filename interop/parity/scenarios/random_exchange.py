"""The plugin's exchange type x-random: each message to one of the queues bound, by chance."""

from interop.parity import codec
from interop.parity.scenario import scenario
from interop.parity.script import Stage
from interop.parity.shares import collect, note_shares

KIND = "x-random"
MANY = 60


@scenario(each=[0, 1, 3])
def shares(stage: Stage, queue_count: int) -> None:
    """Every message goes to one queue, whatever the keys; without queues it is returned."""
    channel = stage.channel()
    exchange = channel.exchange(stage.name("x"), KIND)
    queues = [channel.declare(exclusive=True) for _ in range(queue_count)]
    for queue in queues:
        channel.bind(queue, exchange, "any key")
    for number in range(MANY):
        channel.publish(exchange, "another key", str(number).encode(), mandatory=number == 0)
    note_shares(stage, collect(channel, queues))


@scenario()
def bound_by_many_keys(stage: Stage) -> None:
    """A queue that is bound several times is several times as likely, and still gets a message once."""
    channel = stage.channel()
    exchange, queue = channel.exchange(stage.name("x"), KIND), channel.declare(exclusive=True)
    for key in ("", "a", "b"):
        channel.bind(queue, exchange, key, arguments={"x": 1})
    for number in range(MANY):
        channel.publish(exchange, "", str(number).encode(), mandatory=True)
    note_shares(stage, collect(channel, [queue]))
    channel.call("queue.unbind", queue=queue, exchange=exchange, routing_key="a", arguments={"x": 1})
    channel.publish(exchange, "", b"still bound", mandatory=True)
    channel.settle(queue)
    channel.drain(queue)


@scenario()
def exchanges_bound(stage: Stage) -> None:
    """An exchange is as good as a queue, with one binding in one exchange and with two."""
    channel = stage.channel()
    exchange, target = channel.exchange(stage.name("x"), KIND), channel.exchange(stage.name("target"), "fanout")
    one, two = channel.declare(exclusive=True), channel.declare(exclusive=True)
    channel.call("exchange.bind", source=exchange, destination=target)
    for queue in (one, two):
        channel.bind(queue, target)
    channel.publish(exchange, "k", b"both", mandatory=True)
    channel.settle(one, two)
    channel.drain(one)
    channel.drain(two)


@scenario()
def declare(stage: Stage) -> None:
    """Any argument is taken, none is compared; the type is."""
    channel = stage.channel()
    name = channel.exchange(stage.name("x"), KIND, durable=True, arguments={"hash-header": 5})
    channel.exchange(name, KIND, durable=True)
    channel.exchange(name, "fanout", durable=True)


@scenario()
def carbon_copies(stage: Stage) -> None:
    """More routing keys do not make more copies."""
    channel = stage.channel()
    exchange = channel.exchange(stage.name("x"), KIND)
    queues = [channel.declare(exclusive=True) for _ in range(3)]
    for queue in queues:
        channel.bind(queue, exchange, queue)
    for number in range(MANY):
        properties = codec.properties(headers={"CC": queues})
        channel.publish(exchange, "k", str(number).encode(), properties=properties, mandatory=True)
    note_shares(stage, collect(channel, queues))
