"""Publishing: bodies, properties, mandatory, immediate, and what is checked on the way in."""

import struct

from interop.parity import codec
from interop.parity.codec import BODY, Typed
from interop.parity.scenario import Differs, says_why, scenario
from interop.parity.script import Stage


def pattern(size: int) -> bytes:
    return bytes(number % 251 for number in range(size))


@scenario(each=[0, 1, 4087, 4088, 4089, 8176, 8177, 100_000])
def body_in_small_frames(stage: Stage, size: int) -> None:
    """Bodies of any size with the smallest frames, cut at frame_max less 8."""
    channel = stage.channel(frame_max=4096)
    queue = channel.declare(exclusive=True)
    channel.publish("", queue, pattern(size), frame_max=4096)
    channel.get(queue)


@scenario(each=[131_063, 131_064, 131_065, 1_000_000])
def body_in_large_frames(stage: Stage, size: int) -> None:
    """The same with the largest frames."""
    channel = stage.channel()
    queue = channel.declare(exclusive=True)
    channel.publish("", queue, pattern(size))
    channel.get(queue)


@scenario()
def body_from_large_to_small_frames(stage: Stage) -> None:
    """Publisher and consumer may have different frame sizes."""
    publisher, consumer = stage.channel(), stage.channel(frame_max=4096)
    queue = publisher.declare(stage.name())
    publisher.publish("", queue, pattern(20_000))
    publisher.settle(queue)
    consumer.get(queue)


@scenario(each={"bytes": [1] * 10, "uneven": [1, 5, 2, 2], "with empty frames": [0, 5, 0, 0, 5], "empty last": [10, 0]})
def body_in_odd_frames(stage: Stage, sizes: list[int]) -> None:
    """A body may come in frames of any size; an empty one after the last byte is one too many."""
    channel = stage.channel()
    queue = channel.declare(exclusive=True)
    channel.send("basic.publish", routing_key=queue)
    channel.header(10)
    for size in sizes:
        channel.body(b"x" * size)
    channel.sync()
    channel.get(queue)


@scenario()
def no_body_frame_for_an_empty_body(stage: Stage) -> None:
    """A message without body ends with its header, in both directions."""
    channel = stage.channel()
    queue = channel.declare(exclusive=True)
    channel.consume(queue, no_ack=True)
    for _ in range(2):
        channel.send("basic.publish", routing_key=queue)
        channel.header(0, codec.properties(message_id="m"))
    channel.wait_deliveries(2)


@scenario()
def messages_on_channels_interleave(stage: Stage) -> None:
    """The frames of messages on different channels may come mixed."""
    connection = stage.connect()
    one, two = connection.channel(1), connection.channel(2)
    queue = one.declare(exclusive=True)
    one.send("basic.publish", routing_key=queue)
    two.send("basic.publish", routing_key=queue)
    two.header(4)
    one.header(4)
    one.body(b"on")
    two.body(b"tw")
    two.body(b"o ")
    two.sync()
    one.body(b"e ")
    connection.settle(queue)
    one.drain(queue)


PROPERTIES = {
    "none": codec.properties(),
    "all": codec.properties(
        content_type="text/plain", content_encoding="gzip", headers={"h": 1}, delivery_mode=1, priority=200,
        correlation_id="c", reply_to="r", expiration="100000", message_id="m", timestamp=2**63, type="t",
        user_id="guest", app_id="a", cluster_id="x",
    ),
    "empty texts": codec.properties(content_type="", correlation_id="", reply_to="", message_id="", app_id=""),
    "empty headers": codec.properties(headers={}),
    "header types": codec.properties(
        headers={
            "t": True, "b": Typed("b", -1), "B": Typed("B", 255), "s": Typed("s", -1), "u": Typed("u", 65535),
            "I": -1, "i": Typed("i", 2**32 - 1), "l": -(2**63), "f": Typed("f", 1.5), "d": 1e300,
            "D": Typed("D", (2, -5)), "S": "é", "A": [1, "a", [None], {"k": 1}], "T": Typed("T", 2**40),
            "F": {"z": 1, "a": {"b": 2}}, "V": None, "x": Typed("x", b"\0\xff"),
        }
    ),
    "long keys and values": codec.properties(headers={"k" * 255: "v" * 10_000, "": "no key"}),
    "unsorted and doubled keys": codec.properties(
        headers=codec.table_entries({"z": 1, "a": 2}) + codec.table_entries({"z": 3})
    ),
    "headers no UTF-8": codec.properties(headers={b"\xff": b"\xfe"}, content_type=b"\xff"),
    "delivery mode 0": codec.properties(delivery_mode=0),
    "delivery mode 3": codec.properties(delivery_mode=3),
    "highest values": codec.properties(delivery_mode=255, priority=255, timestamp=2**64 - 1),
    "reserved flag bit": struct.pack(">H", 1 << 1),
}  # fmt: skip


@scenario(each=PROPERTIES)
def properties_pass_through(stage: Stage, raw_properties: bytes) -> None:
    """What a publisher put into the header, the consumer gets, byte for byte."""
    channel = stage.channel()
    queue = channel.declare(exclusive=True)
    channel.publish("", queue, b"body", properties=raw_properties)
    channel.sync()
    channel.get(queue)


MALFORMED_PROPERTIES = {
    "text missing": struct.pack(">H", 1 << 15),
    "text ends early": struct.pack(">H", 1 << 15) + b"\x09text",
    "headers missing": struct.pack(">H", 1 << 13),
    "headers end early": struct.pack(">H", 1 << 13) + struct.pack(">I", 100) + b"\x01k",
    "header value unknown": struct.pack(">H", 1 << 13) + codec.long_bytes(b"\x01kZ\0"),
    "header value ends early": struct.pack(">H", 1 << 13) + codec.long_bytes(b"\x01kI\0"),
    "mode missing": struct.pack(">H", 1 << 12),
    "more than the flags say": codec.properties(content_type="text/plain") + b"more",
    "more flags to come": struct.pack(">HH", 1, 0),
}

CRASHED = ["connection.close reply_code=541 reply_text='INTERNAL_ERROR' class_id=0 method_id=0"]
WHY_CRASHED = "RabbitMQ's channel crashes on such properties; amqpy says what is wrong"


@scenario(
    each=MALFORMED_PROPERTIES,
    differs=says_why(
        WHY_CRASHED, "502 SYNTAX_ERROR - cannot decode the properties of basic.publish", (60, 40), instead_of=CRASHED
    ),
)
def malformed_properties(stage: Stage, raw_properties: bytes) -> None:
    """Properties that cannot be taken apart."""
    channel = stage.channel()
    queue = channel.declare(exclusive=True)
    channel.publish("", queue, b"body", properties=raw_properties)
    channel.sync()


@scenario(
    each={"none": b"", "one byte": b"\x80"},
    differs=says_why(WHY_CRASHED, "501 FRAME_ERROR - content header too short", (0, 0), instead_of=CRASHED),
)
def missing_property_flags(stage: Stage, raw_properties: bytes) -> None:
    """A content header without room for the property flags."""
    channel = stage.channel()
    channel.publish("amq.fanout", stage.name("k"), b"body", properties=raw_properties)
    channel.sync()


NOT_NUMBERS = {
    "not a number": b"d\x7f\xf8" + bytes(6),
    "infinity": b"d\x7f\xf0" + bytes(6),
    "minus infinity": b"d\xff\xf0" + bytes(6),
    "short, not a number": b"f\x7f\xc0\0\0",
    "short, infinity": b"f\x7f\x80\0\0",
}
"""Values that floats of IEEE 754 have, and those of Erlang do not."""


@scenario(
    each=NOT_NUMBERS,
    differs=Differs(
        WHY_CRASHED.replace("says what is wrong", "passes them on"),
        ["answer: connection.close"],
        ["answer: basic.get-ok with the same header"],
    ),
)
def not_a_number(stage: Stage, number: bytes) -> None:
    """A header that is a float, but no number."""
    channel = stage.channel()
    queue = channel.declare(exclusive=True)
    channel.connection.recording = False
    properties = b"\x20\0" + codec.long_bytes(b"\x01n" + number)
    channel.publish("", queue, b"body", properties=properties)
    channel.sync()
    reply = channel.get(queue)
    same = reply is not None and reply.properties == properties
    stage.note(f"answer: {reply and reply.method}{' with the same header' if same else ''}")


@scenario(
    each=NOT_NUMBERS,
    differs=Differs(
        "RabbitMQ crashes on these bytes and hangs up without a word; amqpy keeps what it only carries",
        ["answer: None"],
        ["answer: queue.declare-ok"],
    ),
)
def argument_that_is_no_number(stage: Stage, number: bytes) -> None:
    """The same as an argument that nobody knows."""
    channel = stage.channel()
    channel.connection.recording = False
    reply = channel.call("queue.declare", exclusive=True, arguments=b"\x01n" + number)
    stage.note(f"answer: {reply and reply.method}")


@scenario()
def more_flags_announced(stage: Stage) -> None:
    """The lowest flag bit announces more flags, which do not come: nobody misses them."""
    channel = stage.channel()
    queue = channel.declare(exclusive=True)
    channel.publish("", queue, b"body", properties=struct.pack(">H", 1))
    channel.sync()
    channel.get(queue)


@scenario()
def mandatory(stage: Stage) -> None:
    """Unroutable messages come back with all they had; routable ones do not."""
    channel = stage.channel()
    queue = channel.declare(exclusive=True)
    properties = codec.properties(headers={"k": [1, 2]}, message_id="m")
    channel.publish("amq.direct", stage.name("nobody"), b"returned", mandatory=True, properties=properties)
    channel.publish("", queue, b"routed", mandatory=True)
    channel.publish("", stage.name("missing"), b"", mandatory=True)
    channel.publish("", stage.name("missing"), b"dropped")
    channel.wait("basic.return", count=2)
    channel.get(queue)


@scenario()
def mandatory_large(stage: Stage) -> None:
    """A returned body is cut into frames like any other."""
    channel = stage.channel(frame_max=4096)
    channel.publish("", stage.name("missing"), pattern(10_000), mandatory=True, frame_max=4096)
    channel.wait("basic.return")


@scenario(each={"routable": True, "unroutable": False, "missing exchange": None})
def immediate(stage: Stage, routable: bool | None) -> None:
    """immediate is not implemented: 540, before anything else is looked at."""
    channel = stage.channel()
    queue = channel.declare(exclusive=True)
    exchange = stage.name("missing") if routable is None else ""
    channel.publish(exchange, queue if routable else "nobody", b"now", immediate=True, mandatory=True)
    channel.wait_close()


@scenario(each={"no exchange": "missing", "default": "", "internal": "amq.rabbitmq.trace"})
def user_id(stage: Stage, exchange: str) -> None:
    """A user-id must be that of the connection; what is checked first."""
    channel = stage.channel()
    queue = channel.declare(exclusive=True)
    channel.publish("", queue, b"mine", properties=codec.properties(user_id="guest"))
    channel.publish(exchange, queue, b"not mine", properties=codec.properties(user_id="somebody"))
    channel.wait_close()


@scenario(
    each={"impersonator": ["impersonator"], "administrator": ["administrator"], "both": ["monitoring", "impersonator"]}
)
def user_id_of_an_impersonator(stage: Stage, tags: list[str]) -> None:
    """Only this tag lets a user put any name on messages."""
    user = stage.admin.add_user(tags=tags)
    stage.admin.set_permissions(user, "/")
    channel = stage.channel(user=user, password="hunter2")
    queue = channel.declare(exclusive=True)
    channel.publish("", queue, b"mine", properties=codec.properties(user_id=user))
    channel.publish("", queue, b"not mine", properties=codec.properties(user_id="somebody"))
    channel.settle(queue)
    channel.drain(queue)


@scenario(each={"empty": "", "upper case": "Guest", "unroutable": "somebody"})
def user_id_differs(stage: Stage, name: str) -> None:
    """406 names both; also for a message nobody would get."""
    channel = stage.channel()
    channel.publish("amq.fanout", "k", b"not mine", properties=codec.properties(user_id=name))
    channel.wait_close()


@scenario(
    each=[
        "0",
        "1000000",
        "315360000000",
        "315360000001",
        "-1",
        "",
        "abc",
        "1.5",
        " 1",
        "1 ",
        "1e3",
        "+500000",
        "0700000",
        "é",
    ]
)
def expiration(stage: Stage, text: str) -> None:
    """A decimal integer of milliseconds, up to ten years."""
    channel = stage.channel()
    queue = channel.declare(exclusive=True)
    channel.publish("", queue, b"body", properties=codec.properties(expiration=text))
    channel.sync()
    if not channel.closed and text != "0":
        channel.get(queue)


@scenario()
def expiration_zero(stage: Stage) -> None:
    """Expired at once, unless a consumer is ready."""
    channel = stage.channel()
    queue = channel.declare(exclusive=True)
    properties = codec.properties(expiration="0")
    channel.publish("", queue, b"gone", properties=properties)
    channel.settle(queue)
    channel.get(queue)
    channel.consume(queue)
    channel.publish("", queue, b"taken", properties=properties)
    channel.wait_deliveries(1)


@scenario()
def expiration_of_an_unroutable_message(stage: Stage) -> None:
    """It is judged although nobody gets the message."""
    channel = stage.channel()
    channel.publish("amq.fanout", "k", properties=codec.properties(expiration="soon"))
    channel.wait_close()


MIB_128 = 128 * 1024 * 1024


MIB = 1024 * 1024

INTERRUPTED = [
    "connection.close reply_code=505 reply_text='UNEXPECTED_FRAME - expected content body, got non content body frame…"
]


@scenario(
    each=[128 * MIB + 1, 512 * MIB, 512 * MIB + 1, 2**63, 2**64 - 1],
    differs={
        str(size): says_why(
            "RabbitMQ 3.10 judges the size when the body is complete; later versions, as amqpy, end what is absurd",
            f"501 FRAME_ERROR - content body size {size} exceeds maximum allowed size {512 * MIB}",
            (60, 40),
            instead_of=INTERRUPTED,
            before="4.3",
        )
        for size in (512 * MIB + 1, 2**63, 2**64 - 1)
    },
)
def size_announced(stage: Stage, size: int) -> None:
    """A header may announce more than a message may have (128 MiB): that is judged when the body is complete."""
    channel = stage.channel()
    channel.send("basic.publish", exchange="amq.fanout")
    channel.header(size)
    channel.body(b"some")
    channel.send("channel.flow", active=True)
    channel.wait_close()


@scenario()
def publish_then_error_on_the_same_channel(stage: Stage) -> None:
    """What was published before an error stays, what comes after it is lost."""
    connection = stage.connect()
    channel, other = connection.channel(1), connection.channel(2)
    queue = other.declare(exclusive=True)
    channel.publish("", queue, b"before")
    channel.publish(stage.name("missing"), "", b"error")
    channel.publish("", queue, b"after")
    channel.wait_close()
    other.settle(queue)
    other.drain(queue)


@scenario()
def body_frames_of_a_failed_publish(stage: Stage) -> None:
    """A publish fails once it is complete; half of one does nothing."""
    channel = stage.channel()
    channel.send("basic.publish", exchange=stage.name("missing"))
    channel.header(10)
    channel.body(b"01234")
    channel.connection.channel(2).sync()
    channel.body(b"56789")
    channel.wait_close()


@scenario()
def half_a_message_at_close(stage: Stage) -> None:
    """A connection that closes within a message loses just that one."""
    channel = stage.channel()
    queue = channel.declare(stage.name())
    channel.publish("", queue, b"whole")
    channel.send("basic.publish", routing_key=queue)
    channel.header(10)
    channel.connection.send_frame(BODY, 1, b"half ")
    channel.connection.close()
    stage.channel().drain(queue)


@scenario()
def order_of_one_publisher(stage: Stage) -> None:
    """First in, first out, over exchanges and sizes."""
    channel = stage.channel()
    queue = channel.declare(exclusive=True)
    channel.bind(queue, "amq.direct", queue)
    for number in range(20):
        exchange = "amq.direct" if number % 3 else ""
        channel.publish(exchange, queue, str(number).encode() * (1 + number % 5 * 1000))
    channel.consume(queue, no_ack=True)
    channel.wait_deliveries(20)


@scenario()
def persistent_and_transient(stage: Stage) -> None:
    """Delivery modes do not change the order."""
    channel = stage.channel()
    queue = channel.declare(stage.name(), durable=True)
    for mode in (2, 1, 2, 1, 1, 2):
        channel.publish("", queue, str(mode).encode(), properties=codec.properties(delivery_mode=mode))
    channel.settle(queue)
    channel.drain(queue)
