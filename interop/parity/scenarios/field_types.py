"""Values of every type, in headers that pass through and in headers that a broker writes anew."""

import struct
from collections.abc import Callable, Mapping

from interop.parity import codec
from interop.parity.observer import Observer
from interop.parity.scenario import Differs, scenario
from interop.parity.scenarios.dead_letters import dead_letter_to, reject_one
from interop.parity.scenarios.firehose import TRACE
from interop.parity.script import Channel, Stage


def named(name: str, value: bytes) -> bytes:
    return bytes([len(name)]) + name.encode() + value


def holding(tag: bytes, content: bytes) -> bytes:
    return tag + codec.long_bytes(content)


VALUES: Mapping[str, bytes] = {
    "b": b"b\xfb",
    "B": b"B\xfb",
    "s": b"s\xff\xfb",
    "u": b"u\xff\xfb",
    "I": b"I" + struct.pack(">i", -5),
    "i": b"i" + struct.pack(">I", 2**32 - 5),
    "l": b"l" + struct.pack(">q", -5),
    "L": b"L" + struct.pack(">q", -5),
    "f": b"f" + struct.pack(">f", -1.5),
    "f, minus zero": b"f\x80\0\0\0",
    "f, tiny": b"f\0\0\0\1",
    "d": b"d" + struct.pack(">d", 0.1),
    "d, minus zero": b"d\x80" + bytes(7),
    "d, tiny": b"d" + bytes(7) + b"\1",
    "D": b"D\2\xff\xff\xff\xfb",
    "S": b"S\0\0\0\4text",
    "S, no UTF-8": b"S\0\0\0\2\xff\xfe",
    "x": b"x\0\0\0\4text",
    "T": b"T\xff" + bytes(7),
    "t": b"t\1",
    "t, two": b"t\2",
    "t, 255": b"t\xff",
    "V": b"V",
    "F": holding(b"F", named("z", b"L" + bytes(8)) + named("a", b"t\2") + named("z", b"V")),
    "A": holding(b"A", b"L" + bytes(8) + b"t\2" + holding(b"A", b"L" + bytes(7) + b"\1")),
    "F and A": holding(b"F", named("a", holding(b"A", holding(b"F", named("l", b"L" + bytes(8)))))),
    "empty": b"F\0\0\0\0",
}  # fmt: skip
"""A value of each type that RabbitMQ reads, as bytes; some in which a type is written with other bytes than it was."""


def pass_through(stage: Stage, channel: Channel, properties: bytes) -> None:
    queue = channel.declare(exclusive=True)
    channel.publish("", queue, b"body", properties=properties)
    channel.get(queue, no_ack=True)


def come_back(stage: Stage, channel: Channel, properties: bytes) -> None:
    queue = channel.declare(exclusive=True)
    channel.publish("", queue, b"body", properties=properties)
    channel.get(queue)
    channel.nack(1)
    channel.get(queue)


def come_back_to_a_quorum_queue(stage: Stage, channel: Channel, properties: bytes) -> None:
    queue = channel.declare(stage.name(), durable=True, arguments={"x-queue-type": "quorum"})
    channel.publish("", queue, b"body", properties=properties)
    channel.until_queue(queue, message_count=1)
    channel.get(queue)
    channel.nack(1)
    channel.until_queue(queue, message_count=1)
    channel.get(queue)


def die(stage: Stage, channel: Channel, properties: bytes) -> None:
    queue, dead = stage.name("q"), channel.declare(stage.name("dead"), exclusive=True)
    channel.declare(queue, exclusive=True, arguments=dead_letter_to(dead))
    channel.publish("", queue, b"body", properties=properties)
    reject_one(channel, queue)
    channel.until_queue(dead, message_count=1)
    channel.get(dead)


def be_returned(stage: Stage, channel: Channel, properties: bytes) -> None:
    channel.publish("amq.direct", stage.name("nobody"), b"body", properties=properties, mandatory=True)
    channel.wait("basic.return")


def be_remembered(stage: Stage, channel: Channel, properties: bytes) -> None:
    exchange = channel.exchange(stage.name("x"), "x-recent-history")
    channel.publish(exchange, "", b"body", properties=properties)
    channel.sync()
    queue = channel.declare(exclusive=True)
    channel.bind(queue, exchange)
    channel.until_queue(queue, message_count=1)
    channel.get(queue)


def ask_for_a_reply(stage: Stage, channel: Channel, properties: bytes) -> None:
    """The name of the place for the reply is each broker's own, so only the headers are told."""
    queue = channel.declare(exclusive=True)
    channel.consume("amq.rabbitmq.reply-to", no_ack=True)
    flags, headers = properties[:2], properties[2:]
    assert flags == b"\x20\0", "headers, and nothing else"
    channel.connection.recording = False
    reply_to = codec.encode_field("shortstr", "amq.rabbitmq.reply-to")
    channel.publish("", queue, b"body", properties=b"\x22\0" + headers + reply_to)
    reply = channel.get(queue)
    channel.connection.recording = True
    assert reply is not None
    size = 4 + int.from_bytes(reply.properties[2:6], "big")
    stage.note(codec.bytes_text(reply.properties[2 : 2 + size]))


def be_traced(stage: Stage, channel: Channel, properties: bytes) -> None:
    vhost = stage.admin.add_vhost("v")
    observer = Observer(stage, TRACE, "#", vhost=vhost)
    stage.admin.trace_on(vhost)
    other = stage.channel(vhost=vhost)
    other.publish("amq.fanout", "", b"body", properties=properties)
    other.sync()
    for told in observer.take():
        stage.note(told.facts["properties"])


WAYS: Mapping[str, Callable[[Stage, Channel, bytes], None]] = {
    "passed through": pass_through,
    "given back": come_back,
    "given back to a quorum queue": come_back_to_a_quorum_queue,
    "dead": die,
    "returned": be_returned,
    "remembered": be_remembered,
    "asking for a reply": ask_for_a_reply,
    "traced": be_traced,
}


@scenario(each=WAYS)
def every_type(stage: Stage, way: Callable[[Stage, Channel, bytes], None]) -> None:
    """A header keeps its bytes where it passes through; else it has those that RabbitMQ writes."""
    headers = b"".join(named(name, value) for name, value in VALUES.items())
    way(stage, stage.channel(), b"\x20\0" + codec.long_bytes(headers))


@scenario(each=["BCC", "CC"])
def every_type_beside_copies(stage: Stage, copies: str) -> None:
    """BCC is taken out, and what is left is written anew; with CC alone, nothing is."""
    headers = b"".join(named(name, value) for name, value in VALUES.items())
    channel = stage.channel()
    other = channel.declare(exclusive=True)
    more = codec.entries((copies, [other]))
    queue = channel.declare(exclusive=True)
    channel.publish("", queue, b"body", properties=b"\x20\0" + codec.long_bytes(more + headers))
    for each in (queue, other):
        channel.get(each)


@scenario(
    each=WAYS,
    differs={
        "traced": Differs(
            "RabbitMQ keeps one of a name in every message, and so in what it tells of one",
            ["F{headers: F{a: A[I1], b: S'first', z: I1}}"],
            ["F{headers: F{a: A[I1], b: S'first' and S'second' and S'third', z: I1 and V}}"],
            since="3.13",
        )
    },
)
def names_twice(stage: Stage, way: Callable[[Stage, Channel, bytes], None]) -> None:
    """Headers that come twice, and in no order."""
    headers = codec.entries(("z", 1), ("b", "first"), ("a", [1]), ("b", "second"), ("z", None), ("b", "third"))
    way(stage, stage.channel(), b"\x20\0" + codec.long_bytes(headers))
