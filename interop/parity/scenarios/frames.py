"""Frames that are wrong: in their envelope, their method, their order, or on their channel."""

import struct

from interop.parity import codec
from interop.parity.codec import BODY, HEADER, HEARTBEAT, METHOD
from interop.parity.scenario import CANCEL_OK_CRASHES, Differs, says_why, scenario
from interop.parity.script import Connection, Stage

CRASH = "RabbitMQ crashes on these bytes and hangs up without a word; amqpy says what is wrong"

FLOW = codec.method_payload("channel.flow", active=True)
CONTENT_TYPE_FLAG = struct.pack(">H", 1 << 15)


def refused(connection: Connection) -> None:
    """The broker closes the connection, and nothing said meanwhile counts."""
    connection.wait_end()


@scenario(each={"channel 0": 0, "open channel": 1, "channel not open": 2})
def wrong_frame_end(stage: Stage, number: int) -> None:
    """Every frame ends in 206."""
    connection = stage.channel().connection
    connection.send_frame(METHOD, number, FLOW, end=0)
    refused(connection)


@scenario(
    each={
        f"{frame_type} on {channel}, {len(payload)} bytes": (frame_type, channel, payload)
        for frame_type in (0, 4, 5, 6, 7, 9, 65, 255)
        for channel in (0, 1)
        for payload in (b"", b"hello")
    }
)
def unknown_frame_type(stage: Stage, case: tuple[int, int, bytes]) -> None:
    """Only types 1, 2, 3 and 8 exist."""
    connection = stage.channel().connection
    connection.send_frame(*case)
    refused(connection)


@scenario(each=[4096 - 8, 4096 - 7, 4096, 4097, 131072, 2**32 - 1])
def frame_near_frame_max(stage: Stage, size: int) -> None:
    """A payload may be frame_max less 8, and RabbitMQ overlooks 8 more."""
    channel = stage.channel(frame_max=4096)
    if size > 4097:
        channel.connection.send_bytes(struct.pack(">BHI", METHOD, 1, size))
        refused(channel.connection)
        return
    fields = {"queue": stage.name(), "exclusive": True}
    room = size - len(codec.method_payload("queue.declare", arguments={"k": ""}, **fields))
    channel.call("queue.declare", arguments={"k": "x" * room}, **fields)


@scenario(each=[4096 - 8, 4096, 4097])
def body_frame_near_frame_max(stage: Stage, size: int) -> None:
    """The same limit holds for a body frame; what is delivered is cut anew."""
    channel = stage.channel(frame_max=4096)
    queue = channel.declare(exclusive=True)
    channel.consume(queue, no_ack=True)
    channel.send("basic.publish", routing_key=queue)
    channel.header(size)
    channel.body(b"x" * size)
    channel.wait("basic.deliver")


@scenario(each={"one": b"\0", "many": bytes(100)})
def heartbeat_with_payload(stage: Stage, payload: bytes) -> None:
    """A heartbeat is empty."""
    connection = stage.channel().connection
    connection.send_frame(HEARTBEAT, 0, payload)
    refused(connection)


@scenario(each={"open channel": 1, "channel not open": 2, "channel above the maximum": 65535})
def heartbeat_on_a_channel(stage: Stage, number: int) -> None:
    """A heartbeat belongs on channel 0."""
    channel = stage.channel()
    channel.connection.send_frame(HEARTBEAT, number, b"")
    channel.sync()


@scenario()
def heartbeat_is_ignored(stage: Stage) -> None:
    """Heartbeats may come at any time, even between the frames of a message."""
    channel = stage.channel()
    queue = channel.declare(exclusive=True)
    channel.connection.send_frame(HEARTBEAT, 0, b"")
    channel.send("basic.publish", routing_key=queue)
    channel.connection.send_frame(HEARTBEAT, 0, b"")
    channel.header(4)
    channel.connection.send_frame(HEARTBEAT, 0, b"")
    channel.body(b"body")
    channel.get(queue)


METHOD_PAYLOADS = {
    "empty": b"",
    "class only": struct.pack(">H", 50),
    "three bytes": b"\0\x32\0",
    "unknown class": struct.pack(">HH", 99, 10),
    "unknown method": struct.pack(">HH", 50, 99),
    "zero": struct.pack(">HH", 0, 0),
    "file class of 0-8": struct.pack(">HH", 70, 10),
}


UNIMPLEMENTED = says_why(CRASH, "503 COMMAND_INVALID - unimplemented method", (0, 0))
NOT_OPEN = says_why(CRASH, "504 CHANNEL_ERROR - expected 'channel.open'", (0, 0))


@scenario(
    each={f"{label}, channel {number}": (number, label) for label in METHOD_PAYLOADS for number in (0, 1, 2)},
    differs={
        f"{label}, channel {number}": NOT_OPEN if number == 2 else UNIMPLEMENTED
        for label, payload in METHOD_PAYLOADS.items()
        if len(payload) >= 4
        for number in (0, 1, 2)
    },
)
def undecodable_method(stage: Stage, case: tuple[int, str]) -> None:
    """A method frame without a known method."""
    connection = stage.channel().connection
    number, label = case
    connection.send_frame(METHOD, number, METHOD_PAYLOADS[label])
    refused(connection)


def declare_payload(queue: bytes, bits: bytes, table: bytes) -> bytes:
    return struct.pack(">HHH", 50, 10, 0) + bytes([len(queue)]) + queue + bits + table


EMPTY_TABLE = codec.long_bytes(b"")

MALFORMED_TABLES = {
    "unknown type": b"\x01kZ\0",
    "key ends early": b"\x09k",
    "key without value": b"\x01k",
    "value ends early": b"\x01kI\0\0",
    "text ends early": b"\x01kS\0\0\0\x09abc",
    "array ends early": b"\x01kA\0\0\0\x09I\0\0\0\x01",
    "unknown type in an array": b"\x01kA\0\0\0\x02Z\0",
    "nested table ends early": b"\x01kF\0\0\0\x05\x01k",
}


@scenario(
    each=MALFORMED_TABLES,
    differs=says_why(CRASH, "502 SYNTAX_ERROR - cannot decode queue.declare", (50, 10)),
)
def malformed_table(stage: Stage, table: bytes) -> None:
    """A table that cannot be taken apart, in a method that is well-formed around it."""
    channel = stage.channel()
    channel.connection.send_frame(METHOD, 1, declare_payload(b"", b"\x04", codec.long_bytes(table)))
    channel.wait("queue.declare-ok")


MALFORMED_DECLARES = {
    "no fields": struct.pack(">HH", 50, 10),
    "ends in the name": struct.pack(">HHH", 50, 10, 0) + b"\x0aabc",
    "no bits": struct.pack(">HHH", 50, 10, 0) + b"\x01q",
    "no table": struct.pack(">HHH", 50, 10, 0) + b"\x01q\x00",
    "table ends early": declare_payload(b"q", b"\0", struct.pack(">I", 10) + b"\x01kt\x01"),
    "bytes after the table": declare_payload(b"q", b"\0", EMPTY_TABLE + b"more"),
    "name is no UTF-8": declare_payload(b"q\xff\xfe", b"\x04", EMPTY_TABLE),
    "name has a NUL": declare_payload(b"q\0q", b"\x01", EMPTY_TABLE),
    "key is no UTF-8": declare_payload(b"", b"\x04", codec.long_bytes(b"\x01\xfft\x01")),
    "reserved bits": declare_payload(b"", b"\xe4", EMPTY_TABLE),
}


@scenario(each=MALFORMED_DECLARES)
def malformed_fields(stage: Stage, payload: bytes) -> None:
    """Fields that cannot be taken apart are a syntax error, or harmless."""
    channel = stage.channel()
    channel.connection.send_frame(METHOD, 1, payload)
    channel.wait("queue.declare-ok")


NO_EXCHANGE = (
    "channel.close reply_code=404 reply_text=\"NOT_FOUND - no exchange '{}' in vhost '/'\" class_id=60 method_id=40"
)


@scenario(
    each={
        "routing key of a publish": codec.method_payload("basic.publish", routing_key=b"\xff"),
        "exchange of a publish": codec.method_payload("basic.publish", exchange=b"\xff"),
        "consumer tag": codec.method_payload("basic.consume", consumer_tag=b"\xff", queue="amq.none"),
        "exchange": codec.method_payload("exchange.declare", exchange=b"\xff", exchange_type="fanout", passive=True),
        "routing key of a bind": codec.method_payload(
            "queue.bind", queue="amq.none", exchange="amq.direct", routing_key=b"\xc3"
        ),
    },
    differs={
        "exchange of a publish": Differs(
            "what is no UTF-8 is Latin-1 to RabbitMQ when it puts it into a text",
            [NO_EXCHANGE.format(r"\xc3\xbf")],
            [NO_EXCHANGE.format(r"\xff")],
            since="4.0",
        )
    },
)
def text_is_no_utf8(stage: Stage, payload: bytes) -> None:
    """Whether a short string must be UTF-8, method by method."""
    channel = stage.channel()
    channel.connection.send_frame(METHOD, 1, payload)
    if payload[:4] == struct.pack(">HH", 60, 40):
        channel.header(0)
    channel.sync()


UNREAD = {
    "header without method": [(HEADER, codec.header_payload(0, codec.properties()))],
    "body without method": [(BODY, b"hello")],
    "empty body without method": [(BODY, b"")],
    "body before header": [(METHOD, codec.method_payload("basic.publish")), (BODY, b"hello")],
    "two headers": [
        (METHOD, codec.method_payload("basic.publish")),
        (HEADER, codec.header_payload(5, codec.properties())),
        (HEADER, codec.header_payload(5, codec.properties())),
    ],
    "method instead of header": [(METHOD, codec.method_payload("basic.publish")), (METHOD, FLOW)],
    "publish instead of header": [(METHOD, codec.method_payload("basic.publish"))] * 2,
    "method instead of body": [
        (METHOD, codec.method_payload("basic.publish")),
        (HEADER, codec.header_payload(5, codec.properties())),
        (METHOD, FLOW),
    ],
    "channel.close instead of body": [
        (METHOD, codec.method_payload("basic.publish")),
        (HEADER, codec.header_payload(5, codec.properties())),
        (METHOD, codec.method_payload("channel.close", reply_code=200)),
    ],
    "method after a part of the body": [
        (METHOD, codec.method_payload("basic.publish")),
        (HEADER, codec.header_payload(5, codec.properties())),
        (BODY, b"he"),
        (METHOD, FLOW),
    ],
    "header of another class": [
        (METHOD, codec.method_payload("basic.publish")),
        (HEADER, codec.header_payload(0, codec.properties(), class_id=50)),
    ],
    "header of an unknown class": [
        (METHOD, codec.method_payload("basic.publish")),
        (HEADER, codec.header_payload(0, codec.properties(), class_id=99)),
    ],
    "header with weight": [
        (METHOD, codec.method_payload("basic.publish")),
        (HEADER, codec.header_payload(0, codec.properties(), weight=1)),
    ],
    "header after a method without content": [
        (METHOD, FLOW),
        (HEADER, codec.header_payload(0, codec.properties())),
    ],
    "short header": [(METHOD, codec.method_payload("basic.publish")), (HEADER, b"\0\x3c\0\0\0\0")],
    "empty header": [(METHOD, codec.method_payload("basic.publish")), (HEADER, b"")],
    "header without properties": [
        (METHOD, codec.method_payload("basic.publish", exchange="amq.fanout")),
        (HEADER, codec.header_payload(0, b"")),
    ],
    "body after the last": [
        (METHOD, codec.method_payload("basic.publish", exchange="amq.fanout")),
        (HEADER, codec.header_payload(0, codec.properties())),
        (BODY, b""),
    ],
    "body longer than announced": [
        (METHOD, codec.method_payload("basic.publish", exchange="amq.fanout")),
        (HEADER, codec.header_payload(3, codec.properties())),
        (BODY, b"hello"),
    ],
    "second body longer than announced": [
        (METHOD, codec.method_payload("basic.publish", exchange="amq.fanout")),
        (HEADER, codec.header_payload(3, codec.properties())),
        (BODY, b"he"),
        (BODY, b"llo"),
    ],
}


@scenario(
    each=UNREAD,
    differs={
        "header without properties": says_why(
            "RabbitMQ crashes on a header without property flags",
            "501 FRAME_ERROR - content header too short",
            (0, 0),
            instead_of=["connection.close reply_code=541 reply_text='INTERNAL_ERROR' class_id=0 method_id=0"],
        )
    }
    | dict.fromkeys(
        ("body longer than announced", "second body longer than announced"),
        says_why(
            "RabbitMQ 3.10 waits for the body to end and stumbles over the next frame; later versions do not",
            "501 FRAME_ERROR - content body frame exceeds remaining content size",
            (60, 40),
            instead_of=["connection.close reply_code=505 reply_text='UNEXPECTED_FRAME - expected content body…"],
            before="4.3",
        ),
    ),
)
def content_out_of_order(stage: Stage, frames: list[tuple[int, bytes]]) -> None:
    """Method, header, bodies: any other order ends the connection, also for the other channels."""
    connection = stage.connect()
    channel = connection.channel(1)
    connection.channel(2)
    for frame_type, payload in frames:
        connection.send_frame(frame_type, 1, payload)
    channel.sync()
    channel.sync()


@scenario(each={"channel 0": 0, "channel not open": 5})
def content_on_the_wrong_channel(stage: Stage, number: int) -> None:
    """A publish where nobody can publish."""
    connection = stage.connect()
    connection.send("basic.publish", on=number, routing_key="x")
    connection.send_frame(HEADER, number, codec.header_payload(0, codec.properties()))
    refused(connection)


@scenario(
    each={
        f"{name} on {number}": (kind, number)
        for name, kind in (("header", HEADER), ("body", BODY))
        for number in (0, 5)
    }
)
def content_frame_alone(stage: Stage, case: tuple[int, int]) -> None:
    """A header or body on channel 0 or on a channel that is not open."""
    kind, number = case
    connection = stage.connect()
    connection.send_frame(kind, number, codec.header_payload(0, codec.properties()))
    refused(connection)


@scenario(each=["channel.open", "channel.close", "channel.flow", "queue.declare", "basic.ack", "tx.select"])
def channel_method_on_channel_0(stage: Stage, method: str) -> None:
    """Channel 0 takes the methods of the connection class only."""
    connection = stage.connect()
    connection.send(method)
    refused(connection)


@scenario(
    each=["connection.close", "connection.close-ok", "connection.open", "connection.start-ok", "connection.tune-ok"]
)
def connection_method_on_a_channel(stage: Stage, method: str) -> None:
    """The methods of the connection class are refused on an open channel."""
    connection = stage.channel().connection
    connection.send(method, on=1)
    refused(connection)


@scenario()
def connection_close_on_a_channel_not_open(stage: Stage) -> None:
    """There, it is the channel that is wrong."""
    connection = stage.connect()
    connection.send("connection.close", on=1)
    refused(connection)


@scenario(
    each=[
        "connection.open", "connection.start-ok", "connection.tune-ok", "connection.secure-ok", "connection.close-ok",
        "connection.start", "connection.tune", "connection.open-ok", "connection.blocked",
    ]
)  # fmt: skip
def handshake_method_once_open(stage: Stage, method: str) -> None:
    """The handshake happens once, and the client does not send the server's methods."""
    connection = stage.connect()
    connection.send(method)
    refused(connection)


@scenario(each=["basic.consume", "basic.get", "queue.purge", "queue.delete", "queue.bind"])
def queue_method_on_a_channel_not_open(stage: Stage, method: str) -> None:
    """The same with a queue's name. Without it, RabbitMQ would miss the last declared queue first, and answer 404."""
    connection = stage.connect()
    connection.send(method, on=3, queue="any")
    connection.wait_end()


@scenario(
    each=[
        "channel.close", "channel.close-ok", "channel.flow", "channel.flow-ok", "queue.declare", "exchange.declare",
        "basic.qos", "basic.ack", "basic.recover", "confirm.select", "tx.commit",
    ]
)  # fmt: skip
def method_on_a_channel_not_open(stage: Stage, method: str) -> None:
    """504 for a channel that was not opened."""
    connection = stage.connect()
    connection.send(method, on=3)
    connection.wait("channel.close-ok", on=3)


@scenario(
    each=[
        "channel.open-ok", "queue.declare-ok", "queue.bind-ok", "exchange.declare-ok", "basic.consume-ok",
        "basic.get-empty", "basic.qos-ok", "confirm.select-ok", "tx.select-ok", "channel.flow-ok",
        "basic.cancel-ok", "basic.recover-ok",
    ],
    differs={"basic.cancel-ok": CANCEL_OK_CRASHES},
)  # fmt: skip
def server_method_from_the_client(stage: Stage, method: str) -> None:
    """Replies the client has no question for."""
    channel = stage.channel()
    channel.send(method)
    channel.sync()


@scenario(each=["basic.deliver", "basic.return", "basic.get-ok"])
def server_content_from_the_client(stage: Stage, method: str) -> None:
    """Messages only a server sends."""
    channel = stage.channel()
    channel.send(method)
    channel.header(2)
    channel.body(b"hi")
    channel.sync()


@scenario()
def access_request(stage: Stage) -> None:
    """The class RabbitMQ keeps for very old clients: any realm is granted."""
    channel = stage.channel()
    channel.connection.send_frame(METHOD, 1, struct.pack(">HH", 30, 10) + b"\x05/data" + b"\x1f")
    channel.sync()


@scenario()
def frames_after_a_connection_error_are_ignored(stage: Stage) -> None:
    """Once the broker sent connection.close, only close and close-ok mean anything."""
    channel = stage.channel()
    connection = channel.connection
    connection.polite = False
    channel.call("channel.open")
    connection.send("channel.open", on=2)
    connection.send("queue.declare", on=1, queue="ignored", passive=True)
    connection.send_frame(HEARTBEAT, 0, b"")
    connection.send_frame(BODY, 1, b"out of order")
    connection.send("connection.close-ok")
    connection.wait_end()


@scenario()
def closes_of_a_connection_cross(stage: Stage) -> None:
    """A client that closes while the broker does gets its close-ok."""
    channel = stage.channel()
    connection = channel.connection
    connection.polite = False
    channel.call("channel.open")
    connection.call("connection.close", reply_code=200)
    connection.send("connection.close-ok")
    connection.wait_end()


@scenario(each={"bytes": b"garbage that is no frame", "header": codec.PROTOCOL_HEADER})
def garbage_once_open(stage: Stage, data: bytes) -> None:
    """Bytes that make no frame: the size read from them is far too large."""
    connection = stage.connect()
    connection.send_bytes(data + bytes(16))
    refused(connection)


@scenario()
def frames_byte_by_byte(stage: Stage) -> None:
    """Frames may come in any pieces."""
    connection = stage.channel().connection
    for byte in codec.frame(METHOD, 1, FLOW):
        connection.send_bytes(bytes([byte]))
    connection.wait("channel.flow-ok", on=1)


@scenario()
def many_frames_in_one_packet(stage: Stage) -> None:
    """And many in one piece, over several channels."""
    connection = stage.connect()
    open_and_flow = [
        codec.frame(METHOD, number, payload)
        for number in (1, 2, 3)
        for payload in (codec.method_payload("channel.open"), FLOW, FLOW)
    ]
    connection.send_bytes(b"".join(open_and_flow))
    for number in (1, 2, 3):
        connection.wait("channel.flow-ok", on=number, count=2)
