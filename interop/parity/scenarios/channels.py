"""Channels and connections: open, flow, close, and what is left after an error."""

from interop.parity.scenario import scenario
from interop.parity.script import Stage


@scenario()
def flow(stage: Stage) -> None:
    """A client may ask for flow, which is on anyway."""
    channel = stage.channel()
    channel.call("channel.flow", active=True)


@scenario()
def flow_off(stage: Stage) -> None:
    """It may not turn it off."""
    stage.channel().call("channel.flow", active=False)


@scenario()
def open_twice(stage: Stage) -> None:
    """A second open of the same channel ends the connection and all other channels."""
    connection = stage.connect()
    connection.channel(1)
    connection.channel(2)
    connection.call("channel.open", on=1)


@scenario()
def open_with_out_of_band_text(stage: Stage) -> None:
    """The reserved field of channel.open is ignored."""
    connection = stage.connect()
    connection.call("channel.open", on=1, out_of_band="anything")
    connection.call("channel.flow", on=1, active=True)


@scenario()
def close_and_open_again(stage: Stage) -> None:
    """A closed channel number is free."""
    channel = stage.channel()
    for _ in range(3):
        channel.close()
        channel = channel.reopen()
    channel.sync()


@scenario(each={"success": (200, "bye"), "error": (541, "INTERNAL_ERROR - mine"), "nothing": (0, "")})
def close_with_any_reason(stage: Stage, reason: tuple[int, str]) -> None:
    """The client's reply code and text do not matter."""
    code, text = reason
    channel = stage.channel()
    channel.call("channel.close", reply_code=code, reply_text=text, class_id=50, method_id=10)
    channel.reopen().connection.call("connection.close", reply_code=code, reply_text=text)


@scenario()
def method_after_close(stage: Stage) -> None:
    """After channel.close-ok the channel does not exist."""
    channel = stage.channel()
    channel.close()
    channel.connection.send("channel.flow", on=1, active=True)
    channel.connection.wait_end()


@scenario()
def close_ok_without_close(stage: Stage) -> None:
    """A close-ok nobody waits for."""
    channel = stage.channel()
    channel.send("channel.close-ok")
    channel.wait_close()


@scenario()
def frames_on_a_closing_channel_are_ignored(stage: Stage) -> None:
    """Between the broker's channel.close and the client's close-ok, nothing counts."""
    connection = stage.connect()
    connection.polite = False
    channel, other = connection.channel(1), connection.channel(2)
    queue = other.declare(exclusive=True)
    channel.declare(stage.name("missing"), passive=True)
    channel.publish("", queue, b"lost")
    channel.send("queue.declare", queue=stage.name("other"), passive=True)
    channel.send("channel.flow", active=True)
    channel.send("basic.ack", delivery_tag=99)
    channel.send("channel.close-ok")
    channel.reopen().sync()
    other.get(queue)


@scenario()
def open_on_a_closing_channel(stage: Stage) -> None:
    """All but open: that one still is a second open."""
    connection = stage.connect()
    connection.polite = False
    channel = connection.channel(1)
    channel.declare(stage.name("missing"), passive=True)
    channel.send("channel.open")
    connection.polite = True
    connection.wait_end()


@scenario()
def closes_of_a_channel_cross(stage: Stage) -> None:
    """A client that closes while the broker does gets its close-ok, and the broker still wants his."""
    connection = stage.connect()
    connection.polite = False
    channel = connection.channel(1)
    channel.declare(stage.name("missing"), passive=True)
    channel.call("channel.close", reply_code=200)
    channel.send("channel.close-ok")
    channel.reopen().sync()


@scenario()
def second_close_on_a_closing_channel(stage: Stage) -> None:
    """Each close of a closing channel is answered."""
    connection = stage.connect()
    connection.polite = False
    channel = connection.channel(1)
    channel.declare(stage.name("missing"), passive=True)
    channel.call("channel.close", reply_code=200)
    channel.call("channel.close", reply_code=200)
    channel.send("channel.close-ok")
    channel.reopen().sync()


@scenario()
def content_on_a_closing_channel(stage: Stage) -> None:
    """The frames of a message that was on its way when the channel closed are swallowed whole."""
    connection = stage.connect()
    connection.polite = False
    channel = connection.channel(1)
    channel.declare(stage.name("missing"), passive=True)
    channel.send("basic.publish", routing_key="x")
    channel.header(10)
    channel.body(b"01234")
    channel.body(b"56789")
    channel.send("channel.close-ok")
    channel.reopen().sync()


@scenario()
def close_ok_within_content(stage: Stage) -> None:
    """A close-ok may come while a message is incomplete."""
    connection = stage.connect()
    connection.polite = False
    channel = connection.channel(1)
    channel.declare(stage.name("missing"), passive=True)
    channel.send("basic.publish", routing_key="x")
    channel.send("channel.close-ok")
    channel.reopen().sync()


@scenario()
def other_channels_survive_a_channel_error(stage: Stage) -> None:
    """404 to 406 end one channel, consumers and unacked messages of others stay."""
    connection = stage.connect()
    failing, other = connection.channel(1), connection.channel(2)
    queue = other.declare(exclusive=True)
    other.consume(queue)
    failing.declare(stage.name("missing"), passive=True)
    failing = failing.reopen()
    failing.publish("", queue, b"still here")
    other.wait_deliveries(1)
    other.ack(1)
    other.settle(queue)


@scenario()
def channel_error_returns_unacked_messages(stage: Stage) -> None:
    """What the failing channel held goes back to its queue, marked as redelivered."""
    connection = stage.connect()
    failing, other = connection.channel(1), connection.channel(2)
    queue = other.declare(exclusive=True)
    for body in (b"one", b"two", b"three"):
        other.publish("", queue, body)
    other.settle(queue)
    failing.get(queue)
    failing.get(queue)
    failing.declare(stage.name("missing"), passive=True)
    connection.until_queue(queue, message_count=3)
    for _ in range(4):
        other.get(queue)


@scenario()
def connection_error_ends_all_channels(stage: Stage) -> None:
    """5xx errors of one channel end the connection; what was unacked waits for the next."""
    first = stage.connect()
    queue = first.channel(1).declare(stage.name(), durable=True)
    first.channels[1].publish("", queue, b"one")
    second = first.channel(2)
    first.settle(queue)
    second.get(queue)
    first.call("channel.open", on=2)
    stage.until_queue(queue, message_count=1)
    stage.channel().get(queue)


@scenario()
def close_with_open_channels(stage: Stage) -> None:
    """connection.close needs no channel.close before; nothing more is sent on the channels."""
    connection = stage.connect()
    queue = connection.channel(1).declare(exclusive=True)
    connection.channels[1].consume(queue)
    connection.channel(2).publish("", queue, b"unacked")
    connection.settle(queue)
    connection.close()


@scenario(before="4.3")
def exclusive_queue_is_gone_with_close_ok(stage: Stage) -> None:
    """close-ok means that another connection may declare the same exclusive queue at once."""
    name = stage.name()
    for _ in range(3):
        channel = stage.channel()
        channel.declare(name, exclusive=True)
        channel.connection.close()


@scenario()
def frames_after_the_client_closed(stage: Stage) -> None:
    """After connection.close of the client, only close-ok comes."""
    channel = stage.channel()
    connection = channel.connection
    connection.send("connection.close", reply_code=200)
    connection.send("queue.declare", on=1, queue=stage.name(), passive=True)
    connection.send("channel.open", on=1)
    connection.wait("connection.close-ok")
    connection.drop()


@scenario()
def lost_connection_returns_messages(stage: Stage) -> None:
    """A client that hangs up without a word loses its consumers, its messages go back in order."""
    watcher = stage.channel()
    queue = watcher.declare(stage.name())
    for body in (b"one", b"two", b"three"):
        watcher.publish("", queue, body)
    watcher.settle(queue)
    lost = stage.channel()
    lost.consume(queue)
    lost.wait_deliveries(3)
    lost.ack(2)
    lost.settle(queue)
    lost.connection.drop()
    stage.until_queue(queue, message_count=2, consumer_count=0)
    for _ in range(3):
        watcher.get(queue)


@scenario()
def lost_connection_takes_exclusive_queues(stage: Stage) -> None:
    """Exclusive queues go with their connection."""
    lost, watcher = stage.channel(), stage.channel()
    queue = lost.declare(stage.name(), exclusive=True)
    watcher.declare(queue, passive=True)
    lost.connection.drop()
    stage.until_queue_gone(queue)
    watcher.reopen().declare(queue, passive=True)


@scenario(each={"new secret": "hunter2", "empty": "", "long": "x" * 5000})
def update_secret(stage: Stage, secret: str) -> None:
    """The internal user database takes any new secret for granted."""
    connection = stage.connect()
    connection.channel(1)
    connection.call("connection.update-secret", new_secret=secret, reason="rotation")


@scenario()
def two_hundred_channels(stage: Stage) -> None:
    """Channels are independent: an error in one of two hundred."""
    connection = stage.connect()
    for number in range(1, 201):
        connection.channel(number)
    connection.channels[100].declare(stage.name("missing"), passive=True)
