"""Memory and disk alarms: who is blocked, from which frame on, what is said, and what comes of it afterwards.

An alarm is the whole broker's. It is over before the end of a script, or its last round trip would be in vain.
"""

from interop.parity.observer import Observer
from interop.parity.scenario import scenario
from interop.parity.scenarios.events import ALL_EVENTS, EVENTS
from interop.parity.script import Channel, Stage

BLOCKED = {"connection.blocked": True}
MUCH = "1000000GB"


def publisher(stage: Stage) -> Channel:
    return stage.channel(capabilities=BLOCKED)


def short_of_memory(stage: Stage) -> None:
    stage.admin.set_memory_high_watermark(0)


def enough_memory(stage: Stage) -> None:
    stage.admin.set_memory_high_watermark(0.4)


def wait_blocked(channel: Channel) -> None:
    channel.connection.wait("connection.blocked")


def wait_unblocked(channel: Channel) -> None:
    channel.connection.wait("connection.unblocked")


@scenario(alone=True, each={"empty": b"", "short": b"body", "of several frames": bytes(200_000)})
def first_publish(stage: Stage, body: bytes) -> None:
    """Who publishes is told once, and not heard any more: what has no body is published, what has one waits for it."""
    looking = stage.channel()
    channel = publisher(stage)
    queue = channel.declare(stage.name())
    short_of_memory(stage)
    channel.publish("", queue, body)
    wait_blocked(channel)
    channel.publish("", queue, b"another")
    looking.settle(queue)
    looking.declare(queue, passive=True)
    enough_memory(stage)
    wait_unblocked(channel)
    channel.settle(queue)
    looking.declare(queue, passive=True)


@scenario(alone=True)
def unaware(stage: Stage) -> None:
    """A client without the capability is blocked all the same, and told nothing."""
    looking, channel = stage.channel(), stage.channel()
    queue = channel.declare(stage.name())
    short_of_memory(stage)
    channel.publish("", queue)
    channel.publish("", queue, b"another")
    looking.until_queue(queue, message_count=1)
    looking.settle(queue)
    looking.declare(queue, passive=True)
    enough_memory(stage)
    channel.settle(queue)
    looking.declare(queue, passive=True)


@scenario(alone=True)
def others_go_on(stage: Stage) -> None:
    """Who does not publish notices nothing: declares, gets, consumes, acks."""
    channel = publisher(stage)
    queue = channel.declare(exclusive=True)
    for body in (b"1", b"2", b"3"):
        channel.publish("", queue, body)
    channel.settle(queue)
    short_of_memory(stage)
    channel.get(queue)
    channel.send("basic.ack", delivery_tag=1)
    channel.consume(queue)
    channel.wait_deliveries(2)
    channel.send("basic.ack", delivery_tag=3, multiple=True)
    channel.settle(queue)
    channel.declare(queue, passive=True)
    channel.call("tx.select")
    enough_memory(stage)
    channel.settle(queue)


@scenario(alone=True)
def opened_during_an_alarm(stage: Stage) -> None:
    """A connection may open, and is blocked when it publishes."""
    short_of_memory(stage)
    channel = publisher(stage)
    queue = channel.declare(exclusive=True)
    channel.publish("", queue)
    wait_blocked(channel)
    enough_memory(stage)
    wait_unblocked(channel)
    channel.publish("", queue, b"now")
    channel.settle(queue)
    channel.get(queue)
    channel.get(queue)


@scenario(alone=True)
def what_waits_is_heard(stage: Stage) -> None:
    """All that was said meanwhile: a publish and its confirm, an exchange, another channel."""
    channel = publisher(stage)
    queue = channel.declare(stage.name())
    channel.call("confirm.select")
    short_of_memory(stage)
    channel.publish("", queue)
    wait_blocked(channel)
    channel.wait_confirms(1)
    channel.publish("", queue, b"1")
    channel.send("exchange.declare", exchange=stage.name("x"), exchange_type="direct")
    channel.connection.send("channel.open", on=2)
    enough_memory(stage)
    wait_unblocked(channel)
    channel.wait_confirms(2)
    channel.wait("exchange.declare-ok")
    channel.connection.wait("channel.open-ok", on=2)
    channel.publish("", queue, b"2")
    channel.wait_confirms(3)


@scenario(alone=True)
def closing_waits(stage: Stage) -> None:
    """Who is blocked cannot close the connection either, until the alarm is over."""
    looking = stage.channel()
    channel = publisher(stage)
    queue = channel.declare(stage.name())
    short_of_memory(stage)
    channel.publish("", queue, b"body")
    wait_blocked(channel)
    channel.connection.send("connection.close", reply_code=200, reply_text="done")
    looking.settle(queue)
    looking.declare(queue, passive=True)
    enough_memory(stage)
    channel.connection.wait("connection.close-ok")
    looking.settle(queue)
    looking.declare(queue, passive=True)


@scenario(alone=True)
def amid_a_body(stage: Stage) -> None:
    """The alarm comes between two frames of a body: the next one is heard, and blocks."""
    looking = stage.channel()
    channel = publisher(stage)
    queue = channel.declare(stage.name())
    channel.send("basic.publish", exchange="", routing_key=queue)
    channel.header(9)
    channel.body(b"123")
    channel.connection.settle()
    short_of_memory(stage)
    channel.body(b"456")
    wait_blocked(channel)
    channel.body(b"789")
    looking.declare(queue, passive=True)
    enough_memory(stage)
    wait_unblocked(channel)
    channel.settle(queue)
    channel.get(queue)


@scenario(alone=True, each={"empty": b"", "short": b"body"})
def refused_publish(stage: Stage, body: bytes) -> None:
    """A message without a body has been refused when the connection is blocked; one with a body waits to be."""
    channel = publisher(stage)
    short_of_memory(stage)
    channel.publish(stage.name("no such exchange"), "k", body)
    wait_blocked(channel)
    if not body:
        channel.wait_close()
    enough_memory(stage)
    wait_unblocked(channel)
    if body:
        channel.wait_close()
    channel.connection.channel(2).declare(exclusive=True)


@scenario(alone=True)
def being_told_goes_on(stage: Stage) -> None:
    """A blocked connection gets deliveries and returns; its acks are not heard."""
    channel, other = publisher(stage), publisher(stage)
    queue = channel.declare(stage.name())
    channel.call("basic.qos", prefetch_count=2)
    channel.consume(queue)
    short_of_memory(stage)
    channel.publish("", stage.name("nowhere"), mandatory=True)
    wait_blocked(channel)
    channel.wait("basic.return")
    other.publish("", queue)
    wait_blocked(other)
    channel.wait_deliveries(1)
    channel.send("basic.ack", delivery_tag=1)
    enough_memory(stage)
    wait_unblocked(channel)
    wait_unblocked(other)
    other.publish("", queue, b"2")
    channel.wait_deliveries(1)


@scenario(alone=True, each=["memory first", "disk first"])
def both_alarms(stage: Stage, order: str) -> None:
    """The reason names both, in the same order; a connection is unblocked when both are over."""
    channel = publisher(stage)
    queue = channel.declare(stage.name())
    if order == "memory first":
        short_of_memory(stage)
        stage.admin.set_disk_free_limit(MUCH)
    else:
        stage.admin.set_disk_free_limit(MUCH)
        short_of_memory(stage)
    channel.publish("", queue)
    wait_blocked(channel)
    enough_memory(stage)
    channel.publish("", queue, b"later")
    late = publisher(stage)
    late.publish("", queue)
    wait_blocked(late)
    stage.admin.set_disk_free_limit("50MB")
    wait_unblocked(channel)
    wait_unblocked(late)
    channel.settle(queue)
    channel.declare(queue, passive=True)


@scenario(alone=True)
def a_second_alarm(stage: Stage) -> None:
    """Who is blocked already is not told of a second one, nor that the first is over."""
    channel = publisher(stage)
    queue = channel.declare(stage.name())
    stage.admin.set_disk_free_limit(MUCH)
    channel.publish("", queue)
    wait_blocked(channel)
    short_of_memory(stage)
    stage.admin.set_disk_free_limit("50MB")
    enough_memory(stage)
    wait_unblocked(channel)
    channel.settle(queue)


@scenario(alone=True)
def again(stage: Stage) -> None:
    """The next alarm blocks again, and again from the first publish on only."""
    channel = publisher(stage)
    queue = channel.declare(stage.name())
    for _ in range(2):
        short_of_memory(stage)
        channel.sync()
        channel.publish("", queue, b"body")
        wait_blocked(channel)
        enough_memory(stage)
        wait_unblocked(channel)
    channel.settle(queue)
    channel.declare(queue, passive=True)


@scenario(alone=True)
def told_as_events(stage: Stage) -> None:
    """alarm.set and alarm.cleared, once each however often the limit is set."""
    preparing = stage.connect()
    preparing.recording = False
    channel = preparing.channel()
    channel.exchange(ALL_EVENTS, "fanout")
    channel.call("exchange.bind", source=EVENTS, destination=ALL_EVENTS, routing_key="#")
    observer = Observer(stage, ALL_EVENTS, "")
    short_of_memory(stage)
    stage.admin.set_memory_high_watermark(0.0)
    stage.admin.set_disk_free_limit(MUCH)
    enough_memory(stage)
    stage.admin.set_disk_free_limit("50MB")
    for told in observer.take_until(stage.name("mark")):
        if told.key.startswith("alarm."):
            stage.note(told.text({"node", "timestamp", "timestamp_in_ms"}))


@scenario(alone=True, each=["1.5", "-0.5", "none at all"])
def bad_fraction(stage: Stage, fraction: str) -> None:
    """What is no share of the memory is refused, with a reason."""
    stage.admin.set_memory_high_watermark(fraction)


@scenario(alone=True, each=["1GX", "1.5GB", "x", "10GB"])
def absolute_size(stage: Stage, size: str) -> None:
    """Sizes of memory, good and bad."""
    stage.admin.set_memory_high_watermark(absolute=size)


@scenario(alone=True, each=["1GX", "x", "60MB"])
def disk_size(stage: Stage, size: str) -> None:
    """Sizes of the disk, good and bad."""
    stage.admin.set_disk_free_limit(size)
