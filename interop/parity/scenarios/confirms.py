"""Publisher confirms: numbering, order with returns, and what happens to confirms when things go."""

from interop.parity import codec
from interop.parity.scenario import scenario
from interop.parity.script import Channel, Stage

PERSISTENT = codec.properties(delivery_mode=2)


def confirming(stage: Stage) -> Channel:
    channel = stage.channel()
    channel.call("confirm.select")
    return channel


@scenario()
def select(stage: Stage) -> None:
    """Selecting twice is fine; nowait says nothing."""
    channel = stage.channel()
    channel.call("confirm.select")
    channel.call("confirm.select")
    channel.send("confirm.select", nowait=True)
    channel.publish("amq.fanout", stage.name("k"))
    channel.wait_confirms(1)


@scenario()
def numbering_begins_with_select(stage: Stage) -> None:
    """Messages before confirm.select have no number, a second select does not start anew."""
    channel = stage.channel()
    queue = channel.declare(exclusive=True)
    channel.publish("", queue, b"unnumbered")
    channel.call("confirm.select")
    channel.publish("", queue, b"one")
    channel.wait_confirms(1)
    channel.call("confirm.select")
    channel.publish("", queue, b"two")
    channel.wait_confirms(2)


@scenario(each={"transient": False, "persistent": True})
def routed(stage: Stage, persistent: bool) -> None:
    """Each message is confirmed, one after the other."""
    channel = confirming(stage)
    queue = channel.declare(stage.name(), durable=True)
    for number in range(1, 4):
        channel.publish("", queue, b"body", properties=PERSISTENT if persistent else codec.properties())
        channel.wait_confirms(number)


@scenario(each={"transient": False, "persistent": True}, confirms_apart=True)
def many_at_once(stage: Stage, persistent: bool) -> None:
    """Of many messages in one go, each is confirmed once, in frames of any number."""
    channel = confirming(stage)
    queue = channel.declare(stage.name(), durable=True)
    for _ in range(100):
        channel.publish("", queue, b"body", properties=PERSISTENT if persistent else codec.properties())
    channel.wait_confirms(100)
    channel.settle(queue)


@scenario()
def unroutable(stage: Stage) -> None:
    """Nobody wants it, nobody can lose it: confirmed."""
    channel = confirming(stage)
    channel.publish("amq.direct", stage.name("nobody"), b"lost")
    channel.wait_confirms(1)


@scenario()
def return_before_confirm(stage: Stage) -> None:
    """A mandatory message that cannot be routed is returned first and confirmed then."""
    channel = confirming(stage)
    for number in range(1, 4):
        channel.publish("amq.direct", stage.name("nobody"), b"returned", mandatory=True)
        channel.wait_confirms(number)


@scenario(confirms_apart=True)
def returns_among_confirms(stage: Stage) -> None:
    """Routable and unroutable messages in turn: every one is confirmed, some are returned, in order."""
    channel = confirming(stage)
    queue = channel.declare(exclusive=True)
    for number in range(10):
        key = queue if number % 3 else stage.name("nobody")
        channel.publish("", key, str(number).encode(), mandatory=True)
    channel.wait_confirms(10)
    channel.wait("basic.return", count=4)


@scenario()
def many_queues(stage: Stage) -> None:
    """One confirm for a message that went to several queues."""
    channel = confirming(stage)
    name = channel.exchange(stage.name("x"), "fanout")
    for _ in range(3):
        channel.bind(channel.declare(exclusive=True), name)
    channel.publish(name, "", b"body")
    channel.wait_confirms(1)


@scenario(confirms_apart=True)
def delivered_to_the_publisher(stage: Stage) -> None:
    """Confirms and deliveries on the same channel have their own numbers."""
    channel = confirming(stage)
    queue = channel.declare(exclusive=True)
    channel.consume(queue)
    for _ in range(3):
        channel.publish("", queue, b"body", properties=PERSISTENT)
    channel.wait_deliveries(3)
    channel.wait_confirms(3)
    channel.ack(3, multiple=True)
    channel.settle(queue)


@scenario()
def per_channel(stage: Stage) -> None:
    """Numbers and mode belong to the channel."""
    connection = stage.connect()
    one, two, plain = (connection.channel(number) for number in (1, 2, 3))
    queue = one.declare(exclusive=True)
    one.call("confirm.select")
    two.call("confirm.select")
    for channel in (one, two, plain, one):
        channel.publish("", queue, b"body")
        channel.sync()
    one.wait_confirms(2)
    two.wait_confirms(1)


@scenario()
def error_after_confirmed(stage: Stage) -> None:
    """A publish that fails is not confirmed: the channel closes, and begins at one again."""
    channel = confirming(stage)
    queue = channel.declare(stage.name())
    channel.publish("", queue, b"fine")
    channel.wait_confirms(1)
    channel.publish(stage.name("missing"), "", b"error")
    channel.wait_close()
    channel = channel.reopen()
    channel.publish("", queue, b"not confirmed")
    channel.call("confirm.select")
    channel.publish("", queue, b"confirmed")
    channel.wait_confirms(1)


@scenario()
def queue_deleted(stage: Stage) -> None:
    """Messages to a queue that goes are confirmed all the same."""
    channel = confirming(stage)
    queue = channel.declare(stage.name())
    channel.publish("", queue, b"one")
    channel.wait_confirms(1)
    channel.call("queue.delete", queue=queue)
    channel.publish("", queue, b"two")
    channel.wait_confirms(2)


@scenario()
def alternate_exchange(stage: Stage) -> None:
    """Routed by the alternate exchange is routed."""
    channel = confirming(stage)
    alternate = channel.exchange(stage.name("alternate"), "fanout")
    channel.bind(channel.declare(exclusive=True), alternate)
    name = channel.exchange(stage.name("x"), arguments={"alternate-exchange": alternate})
    channel.publish(name, "k", b"body", mandatory=True)
    channel.wait_confirms(1)


@scenario(each=["basic.ack", "basic.nack", "basic.reject"])
def client_acks_have_nothing_to_do_with_it(stage: Stage, method: str) -> None:
    """A client cannot acknowledge its own publishes."""
    channel = confirming(stage)
    queue = channel.declare(exclusive=True)
    channel.publish("", queue, b"body")
    channel.wait_confirms(1)
    channel.send(method, delivery_tag=1)
    channel.wait_close()


@scenario()
def large_message(stage: Stage) -> None:
    """Confirmed when it is complete."""
    channel = confirming(stage)
    queue = channel.declare(exclusive=True)
    channel.send("basic.publish", routing_key=queue)
    channel.header(200_000)
    channel.body(bytes(100_000))
    channel.sync()
    channel.body(bytes(100_000))
    channel.wait_confirms(1)
