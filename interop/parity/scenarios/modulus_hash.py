"""The exchange type x-modulus-hash of the sharding plugin: the routing key chooses one of the queues bound."""

from interop.parity import codec
from interop.parity.scenario import scenario
from interop.parity.script import Stage
from interop.parity.shares import collect, note_shares

KIND = "x-modulus-hash"
MANY = 60


@scenario(each=[0, 1, 2, 5])
def shares(stage: Stage, queue_count: int) -> None:
    """Every message goes to one queue, and equal keys go to the same one; without queues it is returned."""
    channel = stage.channel()
    exchange = channel.exchange(stage.name("x"), KIND)
    queues = [channel.declare(exclusive=True) for _ in range(queue_count)]
    for queue in queues:
        channel.bind(queue, exchange, "any key")
    for number in range(2 * MANY):
        key = str(number % MANY)
        channel.publish(exchange, key, key.encode(), mandatory=number == 0)
    note_shares(stage, collect(channel, queues))


@scenario()
def carbon_copies(stage: Stage) -> None:
    """All routing keys together are hashed: one copy."""
    channel = stage.channel()
    exchange = channel.exchange(stage.name("x"), KIND)
    queues = [channel.declare(exclusive=True) for _ in range(3)]
    for queue in queues:
        channel.bind(queue, exchange)
    for number in range(2 * MANY):
        text = str(number % MANY)
        properties = codec.properties(headers={"CC": [text]})
        channel.publish(exchange, "k", text.encode(), properties=properties, mandatory=True)
    note_shares(stage, collect(channel, queues))


@scenario()
def bound_by_many_keys(stage: Stage) -> None:
    """A queue that is bound several times still gets a message once."""
    channel = stage.channel()
    exchange, queue = channel.exchange(stage.name("x"), KIND), channel.declare(exclusive=True)
    for key in ("", "a", "b"):
        channel.bind(queue, exchange, key)
    for number in range(MANY):
        channel.publish(exchange, str(number), str(number).encode(), mandatory=True)
    note_shares(stage, collect(channel, [queue]))


@scenario()
def declare(stage: Stage) -> None:
    """Any argument is taken, none is compared; the type is."""
    channel = stage.channel()
    name = channel.exchange(stage.name("x"), KIND, auto_delete=True, arguments={"hash-header": 5})
    channel.exchange(name, KIND, auto_delete=True)
    channel.exchange(name, "fanout", auto_delete=True)
