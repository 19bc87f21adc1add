"""Direct reply-to: the pseudo-queue that answers a request without a queue."""

from interop.parity import codec
from interop.parity.scenario import scenario
from interop.parity.script import Channel, Stage

REPLY_TO = "amq.rabbitmq.reply-to"
REQUEST = codec.properties(reply_to=REPLY_TO)


def asking(stage: Stage) -> Channel:
    channel = stage.channel()
    channel.consume(REPLY_TO, "replies", no_ack=True)
    return channel


@scenario()
def consume_needs_no_ack(stage: Stage) -> None:
    """Replies cannot be acknowledged."""
    stage.channel().consume(REPLY_TO, "replies")


@scenario()
def consume_twice(stage: Stage) -> None:
    """One reply consumer for each channel."""
    asking(stage).consume(REPLY_TO, "more", no_ack=True)


@scenario()
def request_without_consumer(stage: Stage) -> None:
    """A request needs somebody who waits for its reply."""
    channel = stage.channel()
    channel.publish("", stage.name("nobody"), b"request", properties=REQUEST)
    channel.wait_close()


@scenario()
def cancel_and_consume_again(stage: Stage) -> None:
    """A cancelled reply consumer makes room for another."""
    channel = asking(stage)
    channel.call("basic.cancel", consumer_tag="replies")
    channel.consume(REPLY_TO, "again", no_ack=True)


@scenario()
def request_and_reply(stage: Stage) -> None:
    """The name a responder sees leads back; the reply is a delivery like any other."""
    responder, asker = stage.channel(), asking(stage)
    queue = responder.declare(stage.name())
    responder.connection.recording = False  # the generated name differs from run to run in its length, too
    responder.consume(queue, no_ack=True)
    asker.publish("", queue, b"request", properties=REQUEST)
    request = responder.wait("basic.deliver")[0]
    assert request is not None
    reply_to = request.properties[3:]
    responder.publish("", reply_to, b"reply", properties=codec.properties(correlation_id="1"), mandatory=True)
    asker.connection.recording = False
    reply = asker.wait("basic.deliver")[0]
    asker.connection.recording = True
    assert reply is not None
    stage.note(f"reply {reply.properties!r} {reply.body!r} {reply['consumer_tag']!r} {reply['redelivered']}")


@scenario(each=["declare", "passive", "delete", "purge", "get", "bind"])
def operations_on_the_name(stage: Stage, operation: str) -> None:
    """The name is no queue, but some methods know it."""
    channel = asking(stage)
    fields = {"queue": REPLY_TO}
    if operation == "declare":
        channel.call("queue.declare", **fields)
    elif operation == "passive":
        channel.call("queue.declare", passive=True, **fields)
    elif operation == "get":
        channel.call("basic.get", **fields)
    elif operation == "bind":
        channel.call("queue.bind", exchange="amq.direct", routing_key="k", **fields)
    else:
        channel.call(f"queue.{operation}", **fields)


@scenario()
def reply_to_nobody(stage: Stage) -> None:
    """A reply name nobody waits for."""
    channel = stage.channel()
    channel.publish("", f"{REPLY_TO}.gone", b"reply", mandatory=True)
    channel.sync()
    channel.declare(f"{REPLY_TO}.gone", passive=True)
