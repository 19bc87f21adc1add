"""Streams: where consumers begin, credit, what comes back of a message, retention."""

from collections.abc import Mapping
from typing import Any

from interop.parity import codec
from interop.parity.codec import Typed
from interop.parity.scenario import CRASHED, Differs, scenario
from interop.parity.scenarios.streams import consume, declare, filled, from_place, publish
from interop.parity.script import Stage


def header(size: int, offset: str, *, is_modern: bool) -> str:
    """The content header of a delivery: versions from 3.13 on tell a delivery mode."""
    flags, mode = ("0", "\\x01") if is_modern else (" ", "")
    offset = "\\x00" * 7 + offset
    name = "\\x00\\x00\\x00\\x00\\x19\\x0fx-stream-offsetl"
    return f"header class=60 weight=0 size={size} properties='{flags}{name}{offset}{mode}'"


def delivered(tag: int, offset: int, *, is_modern: bool) -> list[str]:
    """The delivery of one of the messages m0, m1, m2."""
    deliver = f"basic.deliver consumer_tag='c' delivery_tag={tag} redelivered=False exchange='' routing_key='q.*'"
    return [deliver, header(2, f"\\x0{offset}", is_modern=is_modern), f"body 'm{offset}'"]


# --- where consumers begin

PLACES: Mapping[str, tuple[Any, int]] = {
    "first": ("first", 5),
    "last": ("last", 1),
    "next": ("next", 0),
    "first, as bytes": (Typed("x", b"first"), 5),
    "0": (0, 5),
    "3": (3, 2),
    "3, of 8 bits": (Typed("b", 3), 2),
    "3, of 64 bits": (Typed("l", 3), 2),
    "the end": (5, 0),
    "beyond the end": (7, 0),
    "long ago": (Typed("T", 0), 5),
    "in a hundred years": (Typed("T", 5_000_000_000), 0),
    "an hour": ("1h", 5),
    "a year": ("1Y", 5),
}


@scenario(each=PLACES)
def places(stage: Stage, place: tuple[Any, int]) -> None:
    """What is there from the place on, and then what comes; nothing before an offset that is not reached yet."""
    channel, queue = filled(stage, 5)
    where, count = place
    consumer = channel.connection.channel(2)
    consume(consumer, queue, **from_place(where))
    consumer.wait_deliveries(count)
    publish(channel, queue, [b"later"])
    if where != 7:
        consumer.wait_deliveries(1)
    else:
        consumer.sync()
    publish(channel, queue, [b"6", b"7"])
    consumer.wait_deliveries(1 if where == 7 else 2)


@scenario()
def without_a_place(stage: Stage) -> None:
    """What comes from now on."""
    channel, queue = filled(stage, 2)
    consumer = channel.connection.channel(2)
    consume(consumer, queue)
    publish(channel, queue, [b"later"])
    consumer.wait_deliveries(1)


def counts_from_the_end(*, is_modern: bool) -> Differs:
    return Differs(
        "a negative offset counts from the end, as in LavinMQ; in RabbitMQ it is the first",
        [line for offset in range(3) for line in delivered(offset + 1, offset, is_modern=is_modern)],
        delivered(1, 2, is_modern=is_modern),
        since="3.13" if is_modern else "",
        before="" if is_modern else "3.13",
    )


@scenario(differs=[counts_from_the_end(is_modern=False), counts_from_the_end(is_modern=True)])
def from_the_end(stage: Stage) -> None:
    """A negative offset counts from the end."""
    channel, queue = filled(stage, 3)
    consume(channel, queue, **from_place(-1))
    channel.wait_deliveries(1)
    channel.sync()


@scenario()
def an_empty_stream(stage: Stage) -> None:
    """Every place is the end."""
    channel, queue = filled(stage, 0)
    for number, place in enumerate(("first", "last", "next", 0, "1h", Typed("T", 0)), 2):
        consume(channel.connection.channel(number), queue, tag=f"c{number}", **from_place(place))
    publish(channel, queue, [b"m"])
    for number in range(2, 8):
        channel.connection.channels[number].wait_deliveries(1)


@scenario(each=["5", "1x", "0s"])
def texts_that_are_no_place(stage: Stage, place: str) -> None:
    """406, with the text as Erlang has it."""
    channel, queue = filled(stage, 0)
    consume(channel, queue, **from_place(place))


# --- credit


@scenario()
def acknowledgements(stage: Stage) -> None:
    """Each gives credit for one; several at once for as many; all of them."""
    channel, queue = filled(stage, 6)
    consumer = channel.connection.channel(2)
    consume(consumer, queue, prefetch=2, **from_place("first"))
    consumer.wait_deliveries(2)
    consumer.ack(1)
    consumer.wait_deliveries(1)
    consumer.ack(3, multiple=True)
    consumer.wait_deliveries(2)
    consumer.ack(0, multiple=True)
    consumer.wait_deliveries(1)
    consumer.ack(99)
    consumer.wait_close()


@scenario(each=["nack", "nack, requeue", "reject", "reject, requeue"])
def returns(stage: Stage, way: str) -> None:
    """As good as an ack, or 540 in older versions."""
    channel, queue = filled(stage, 4)
    consumer = channel.connection.channel(2)
    consume(consumer, queue, prefetch=2, **from_place("first"))
    consumer.wait_deliveries(2)
    if way.startswith("nack"):
        consumer.nack(2, multiple=True, requeue="requeue" in way)
    else:
        consumer.reject(1, requeue="requeue" in way)
    consumer.wait("basic.deliver", "connection.close")


@scenario(
    differs=[
        Differs(
            "older versions of RabbitMQ crash on it",
            [CRASHED],
            [
                'connection.close reply_code=540 reply_text="NOT_IMPLEMENTED - basic.nack and basic.reject not '
                "supported by stream queues queue 'q.*' in vhost '/'\" class_id=60 method_id=110"
            ],
            before="3.13",
        ),
        Differs(
            "what the credit brings comes after the reply, as with other queues",
            [*delivered(3, 2, is_modern=True), "basic.recover-ok"],
            ["basic.recover-ok", *delivered(3, 2, is_modern=True)],
            since="3.13",
        ),
    ]
)
def recover(stage: Stage) -> None:
    """Gives the credit back."""
    channel, queue = filled(stage, 3)
    consumer = channel.connection.channel(2)
    consume(consumer, queue, prefetch=2, **from_place("first"))
    consumer.wait_deliveries(2)
    consumer.send("basic.recover", requeue=True)
    consumer.wait("basic.recover-ok", "basic.deliver", "connection.close", count=2)


@scenario()
def cancel_and_go_on(stage: Stage) -> None:
    """What is unacknowledged can still be acknowledged; the next consumer begins where it says."""
    channel, queue = filled(stage, 4)
    consumer = channel.connection.channel(2)
    consume(consumer, queue, prefetch=2, **from_place("first"))
    consumer.wait_deliveries(2)
    consumer.call("basic.cancel", consumer_tag="c")
    consumer.ack(1)
    consumer.ack(2)
    consumer.consume(queue, "d", **from_place(3))
    consumer.wait_deliveries(1)


@scenario()
def several_consumers(stage: Stage) -> None:
    """Each has its own place, also on one channel."""
    channel, queue = filled(stage, 3)
    consumer = channel.connection.channel(2)
    consume(consumer, queue, tag="a", **from_place("first"))
    consumer.wait_deliveries(3)
    consumer.consume(queue, "b", **from_place(1))
    consumer.wait_deliveries(2)
    consumer.consume(queue, "c", **from_place("next"))
    consumer.sync()
    consumer.close()
    again = consumer.reopen()
    consume(again, queue, **from_place("last"))
    again.wait_deliveries(1)


@scenario()
def a_connection_that_ends(stage: Stage) -> None:
    """Nothing comes back."""
    channel, queue = filled(stage, 2)
    lost = stage.connect().channel(1)
    consume(lost, queue, **from_place("first"))
    lost.wait_deliveries(2)
    lost.connection.drop()
    consumer = channel.connection.channel(2)
    consume(consumer, queue, **from_place("first"))
    consumer.wait_deliveries(2)


# --- what comes back

HEADERS = {
    "S": "text",
    "s": Typed("s", -3),
    "I": Typed("I", -70000),
    "l": Typed("l", 2**40),
    "b": Typed("b", -1),
    "f": Typed("f", 1.5),
    "d": Typed("d", -2.25),
    "t": True,
    "T": Typed("T", 1_700_000_000),
    "V": None,
    "zz": "last",
    "a": "first",
}

PROPERTIES: Mapping[str, bytes] = {
    "none": codec.properties(),
    "text": codec.properties(content_type="text/plain", content_encoding="utf-8"),
    "delivery mode 1": codec.properties(delivery_mode=1),
    "delivery mode 2": codec.properties(delivery_mode=2),
    "priority": codec.properties(priority=7),
    "identifiers": codec.properties(correlation_id="corr", message_id="mid", reply_to="rt"),
    "a uuid": codec.properties(message_id="urn:uuid:550e8400-e29b-41d4-a716-446655440000"),
    "expiration": codec.properties(expiration="60000"),
    "expiration 0": codec.properties(expiration="0"),
    "timestamp": codec.properties(timestamp=1_700_000_000),
    "type": codec.properties(type="ty"),
    "user": codec.properties(user_id="guest"),
    "application": codec.properties(app_id="app"),
    "cluster": codec.properties(cluster_id="gone"),
    "empty texts": codec.properties(content_type="", correlation_id="", type="", app_id=""),
    "no headers": codec.properties(headers={}),
    "headers": codec.properties(headers=HEADERS),
    "headers with x": codec.properties(headers={"x-mine": "text", "x-number": 5, "b": 1}),
    "an offset": codec.properties(headers={"x-stream-offset": "mine", "z": 1}),
    "all": codec.properties(
        content_type="text/plain",
        content_encoding="gzip",
        headers={"h": "v"},
        delivery_mode=2,
        priority=3,
        correlation_id="corr",
        reply_to="rt",
        expiration="1000",
        message_id="mid",
        timestamp=1_700_000_000,
        type="ty",
        user_id="guest",
        app_id="app",
    ),
}


@scenario(each=PROPERTIES)
def properties(stage: Stage, raw: bytes) -> None:
    """What has a place in AMQP 1.0 comes back, with the offset among the headers, which come sorted."""
    channel, queue = filled(stage, 0)
    publish(channel, queue, [b"body"], properties=raw)
    consume(channel, queue, **from_place("first"))
    channel.wait_deliveries(1)
    channel.sync()


@scenario(each={"empty": 0, "small": 1, "one frame": 131064, "more": 131065, "large": 1_000_000})
def bodies(stage: Stage, size: int) -> None:
    """Of all sizes."""
    channel, queue = filled(stage, 0)
    publish(channel, queue, [bytes(size), b"behind"])
    consume(channel, queue, **from_place("first"))
    channel.wait_deliveries(2)
    channel.sync()


@scenario()
def exchanges(stage: Stage) -> None:
    """Exchange and routing key are the publisher's; copies go by CC and BCC."""
    channel, queue = filled(stage, 0)
    exchange = channel.exchange(stage.name("x"), "topic")
    channel.bind(queue, exchange, "a.#")
    channel.publish(exchange, "a.b.c", b"one")
    channel.wait_confirms(1)
    channel.publish(exchange, "other", b"unroutable", mandatory=True)
    channel.wait_confirms(2)
    channel.publish(exchange, "other", b"copy", properties=codec.properties(headers={"BCC": ["a.x"]}))
    channel.wait_confirms(3)
    consume(channel, queue, **from_place("first"))
    channel.wait_deliveries(2)


@scenario()
def transactions(stage: Stage) -> None:
    """What is committed is there."""
    channel = stage.channel()
    queue = declare(channel, stage.name())
    channel.call("tx.select")
    channel.publish("", queue, b"rolled back")
    channel.call("tx.rollback")
    channel.publish("", queue, b"committed")
    channel.call("tx.commit")
    consumer = channel.connection.channel(2)
    consume(consumer, queue, **from_place("first"))
    consumer.wait_deliveries(1)


# --- policies and retention


def counts_no_notes(*, is_modern: bool) -> Differs:
    return Differs(
        "RabbitMQ's own notes take offsets, too: one at the beginning of each segment",
        [header(2000, "\\x12", is_modern=is_modern)],
        [header(2000, "\\t", is_modern=is_modern)],
        since="3.13" if is_modern else "",
        before="" if is_modern else "3.13",
    )


@scenario(differs=[counts_no_notes(is_modern=False), counts_no_notes(is_modern=True)])
def retention(stage: Stage) -> None:
    """Whole segments go, the oldest first, when a new one begins."""
    channel, queue = filled(stage, 0, {"x-stream-max-segment-size-bytes": 1000, "x-max-length-bytes": 5000})
    publish(channel, queue, [bytes(2000) for _ in range(10)])
    consume(channel, queue, **from_place("last"))
    channel.wait_deliveries(1)


@scenario()
def super_stream(stage: Stage) -> None:
    """A direct exchange with streams behind it."""
    channel = stage.channel()
    channel.call("confirm.select")
    exchange = channel.exchange(stage.name("super"), durable=True, arguments={"x-super-stream": True})
    for number in range(2):
        partition = declare(channel, stage.name(f"p{number}"))
        channel.bind(partition, exchange, str(number), arguments={"x-stream-partition-order": number})
    for number in range(2):
        channel.publish(exchange, str(number), b"to %d" % number)
        channel.wait_confirms(number + 1)
    channel.call("basic.qos", prefetch_count=10)
    for number in range(2):
        channel.consume(stage.name(f"p{number}"), f"c{number}", **from_place("first"))
        channel.wait_deliveries(1)
