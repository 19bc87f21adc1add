"""Direct reply-to: the pseudo-queue that answers a request without a queue."""

from interop.parity import codec
from interop.parity.scenario import Differs, scenario
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


def asked(stage: Stage, asker: Channel) -> tuple[Channel, bytes]:
    """Who got a request, and the name that leads back. Neither end is recorded any more: that name differs from run to
    run, in its length, too."""
    responder = stage.channel()
    queue = responder.declare(stage.name())
    responder.connection.recording = asker.connection.recording = False
    responder.consume(queue, no_ack=True)
    asker.publish("", queue, b"request", properties=REQUEST)
    request = responder.wait("basic.deliver")[0]
    assert request is not None
    return responder, request.properties[3:]


@scenario()
def request_and_reply(stage: Stage) -> None:
    """The name a responder sees leads back; the reply is a delivery like any other."""
    asker = asking(stage)
    responder, reply_to = asked(stage, asker)
    responder.publish("", reply_to, b"reply", properties=codec.properties(correlation_id="1"))
    reply = asker.wait("basic.deliver")[0]
    assert reply is not None
    stage.note(f"reply {reply.properties!r} {reply.body!r} {reply['consumer_tag']!r} {reply['redelivered']}")


@scenario(each={"confirmed": "confirm.select", "in a transaction": "tx.select"}, before="4.3")
def mandatory_reply(stage: Stage, mode: str) -> None:
    """It arrives and is returned: a name that leads back is no queue. With a copy in a queue it is not returned."""
    asker = asking(stage)
    responder, reply_to = asked(stage, asker)
    queue = responder.declare(stage.name("copies"))
    responder.call(mode)
    responder.publish("", reply_to, b"reply", mandatory=True)
    copies = codec.properties(headers={"CC": [queue]})
    responder.publish("", reply_to, b"copied", mandatory=True, properties=copies)
    if mode == "tx.select":
        responder.call("tx.commit")
    else:
        responder.wait_confirms(2)
    returned = responder.wait("basic.return")[0]
    assert returned is not None
    stage.note(f"returned {returned.body!r} {returned['reply_code']} {returned['reply_text']}")
    for reply in asker.wait("basic.deliver", count=2):
        stage.note(f"reply {reply and reply.body!r}")
    responder.connection.recording = True
    responder.declare(queue, passive=True)


@scenario(
    differs=Differs(
        "a reply is as transactional as any message",
        ["reply b'never'", "reply b'reply'"],
        ["reply b'reply'"],
        before="4.3",
    )
)
def transactional_reply(stage: Stage) -> None:
    """RabbitMQ sends it at once, whatever becomes of the transaction."""
    asker = asking(stage)
    responder, reply_to = asked(stage, asker)
    responder.call("tx.select")
    responder.publish("", reply_to, b"never")
    responder.call("tx.rollback")
    responder.publish("", reply_to, b"reply")
    responder.call("tx.commit")
    body = b""
    while body != b"reply":
        reply = asker.wait("basic.deliver")[0]
        assert reply is not None
        body = reply.body
        stage.note(f"reply {body!r}")


@scenario()
def tag_of_another_consumer(stage: Stage) -> None:
    """A consumer may take the reply consumer's tag, but not the other way; the tag then means the reply consumer."""
    channel = asking(stage)
    queue = channel.declare(stage.name())
    channel.consume(queue, "replies")
    channel.call("basic.cancel", consumer_tag="replies")
    channel.publish("", queue, b"to the other one")
    channel.wait_deliveries(1)
    channel.consume(REPLY_TO, "replies", no_ack=True)


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


@scenario(before="4.3")
def reply_to_nobody(stage: Stage) -> None:
    """A reply name nobody waits for."""
    channel = stage.channel()
    channel.publish("", f"{REPLY_TO}.gone", b"reply", mandatory=True)
    channel.sync()
    channel.declare(f"{REPLY_TO}.gone", passive=True)
