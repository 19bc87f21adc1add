"""Messages that one protocol writes and the other reads."""

from typing import Any

from interop.parity import codec as amqp
from interop.parity.codec import Typed
from interop.parity_stream.scenario import scenario
from interop.parity_stream.stage import Stage
from interop.stream.codec import sub_batch

DATA = b"\x00Su\xa0\x05hello"

PROPERTIES: dict[str, dict[str, Any]] = {
    "none": {},
    "all": {
        "content_type": "text/plain",
        "content_encoding": "gzip",
        "delivery_mode": 2,
        "priority": 7,
        "correlation_id": "corr",
        "reply_to": "rt",
        "expiration": "60000",
        "message_id": "mid",
        "timestamp": 1_700_000_000,
        "type": "kind",
        "user_id": "guest",
        "app_id": "app",
        "cluster_id": "cluster",
    },
    "transient": {"delivery_mode": 1},
    "a UUID": {"message_id": "urn:uuid:550e8400-e29b-41d4-a716-446655440000"},
    "empty texts": {"message_id": "", "content_type": "", "type": ""},
    "numbers": {
        "headers": {
            "b": Typed("b", -1), "B": Typed("B", 200), "s": Typed("s", -2), "u": Typed("u", 65535),
            "I": Typed("I", -3), "i": Typed("i", 2**32 - 1), "l": Typed("l", -(2**40)),
            "f": Typed("f", 1.5), "d": Typed("d", 2.5), "t": True, "n": False, "T": Typed("T", 1_700_000_000),
        }
    },
    "small numbers": {"headers": {"i": Typed("i", 5), "zero": Typed("i", 0), "I": 5, "l": Typed("l", 5)}},
    "texts": {
        "headers": {"S": "text", "x": Typed("x", b"\xff\0"), "none": None, "long": "x" * 300, "odd": b"\xff\xfe"}
    },
    "nested": {"headers": {"A": ["a", 1], "F": {"k": "v"}, "after": "x"}},
    "annotations": {"headers": {"x-text": "v", "x-number": 5, "x-list": ["a", 1], "x-table": {"k": "v"}, "y": "z"}},
    "a filter": {"headers": {"x-stream-filter-value": "v"}},
    "copies": {"headers": {"CC": ["nowhere"], "BCC": ["nowhere else"]}},
}  # fmt: skip


@scenario(each=PROPERTIES)
def from_amqp(stage: Stage, properties: dict[str, Any]) -> None:
    """What is in the stream, byte for byte."""
    stream = stage.stream()
    channel, client = stage.channel(), stage.client()
    channel.call("confirm.select")
    channel.publish("", stream, b"hello", properties=amqp.properties(**properties))
    channel.wait_confirms(1)
    client.subscribe(stream)
    client.wait_records(0, 1)


@scenario(each={"empty": b"", "of 255 bytes": b"x" * 255, "of 256 bytes": b"x" * 256, "large": b"x" * 100_000})
def bodies_from_amqp(stage: Stage, body: bytes) -> None:
    """Bodies of each length."""
    stream = stage.stream()
    channel, client = stage.channel(), stage.client()
    channel.call("confirm.select")
    channel.publish("", stream, body)
    channel.wait_confirms(1)
    client.subscribe(stream)
    client.wait_records(0, 1)


@scenario()
def through_an_exchange(stage: Stage) -> None:
    """Exchange and routing key are in the message."""
    stream = stage.stream()
    channel, client = stage.channel(), stage.client()
    exchange = channel.exchange(stage.name("x"), "fanout")
    channel.bind(stream, exchange)
    channel.call("confirm.select")
    channel.publish(exchange, "rk", b"hello")
    channel.wait_confirms(1)
    client.subscribe(stream)
    client.wait_records(0, 1)


def text(value: str) -> bytes:
    return b"\xa1" + bytes([len(value)]) + value.encode()


def symbol(value: str) -> bytes:
    return b"\xa3" + bytes([len(value)]) + value.encode()


def pairs(section: int, *items: bytes) -> bytes:
    """A section that is a map of these keys and values."""
    inner = bytes([len(items)]) + b"".join(items)
    return b"\0S" + bytes([section, 0xC1, len(inner)]) + inner


def properties_of(*values: bytes) -> bytes:
    inner = bytes([len(values)]) + b"".join(values)
    return b"\0Ss\xc0" + bytes([len(inner)]) + inner


NULL = b"\x40"
UUID = b"\x98" + bytes.fromhex("550e8400e29b41d4a716446655440000")
NATIVE = {
    "data": DATA,
    "annotations": pairs(0x72, symbol("x-exchange"), text("e"), symbol("x-routing-key"), text("rk")) + DATA,
    "other annotations": pairs(0x72, symbol("x-mine"), text("v"), symbol("mine"), text("w")) + DATA,
    "message id": properties_of(text("id")) + DATA,
    "properties": properties_of(
        text("id"), b"\xa0\x05guest", text("to"), text("subject"), text("reply"), text("corr"), symbol("text/plain"),
        symbol("gzip"), NULL, b"\x83" + (1_700_000_000_999).to_bytes(8, "big"), text("group"), b"\x52\x05", text("r"),
    ) + DATA,
    "application properties": pairs(
        0x74, text("s"), text("v"), text("yes"), b"\x41", text("no"), b"\x42", text("i"), b"\x54\x05",
        text("l"), b"\x81" + (2**40).to_bytes(8, "big"), text("d"), b"\x82\x40\x04" + bytes(6), text("n"), NULL,
        text("b"), b"\xa0\x01x", text("t"), b"\x83" + (1_700_000_000_000).to_bytes(8, "big"),
    ) + DATA,
    "long data": b"\0Su\xb0\0\0\0\5hello",
    "empty data": b"\0Su\xa0\0",
}  # fmt: skip

NATIVE_SINCE_13 = {
    "ulong id": properties_of(b"\x53\x05") + DATA,
    "UUID id": properties_of(UUID) + DATA,
    "binary id": properties_of(b"\xa0\x02ab") + DATA,
    "header": b"\0Sp\xc0\x05\x03\x41\x50\x05\x43" + DATA,
    "header of nothing": b"\0Sp\x45" + DATA,
    "symbol": pairs(0x74, text("s"), symbol("v")) + DATA,
    "ulong": pairs(0x74, text("s"), b"\x53\x05") + DATA,
    "value": b"\0Sw" + text("hello"),
    "sequence": b"\0Sv\x45",
    "two data sections": DATA + DATA,
}


def reads_over_amqp(stage: Stage, messages: list[bytes], count: int) -> None:
    stream = stage.stream()
    client = stage.client()
    client.declare(stream)
    client.publish_one_by_one(messages)
    channel = stage.channel()
    channel.call("basic.qos", prefetch_count=10)
    channel.consume(stream, arguments={"x-stream-offset": "first"})
    channel.wait_deliveries(count)


@scenario(each=NATIVE)
def to_amqp(stage: Stage, message: bytes) -> None:
    """What a client of AMQP gets, byte for byte."""
    reads_over_amqp(stage, [message], 1)


@scenario(since="3.13", each=NATIVE_SINCE_13)
def more_to_amqp(stage: Stage, message: bytes) -> None:
    """What crashed before."""
    reads_over_amqp(stage, [message], 1)


@scenario()
def sub_batch_to_amqp(stage: Stage) -> None:
    """One that is not compressed comes message by message."""
    reads_over_amqp(stage, [DATA, sub_batch([DATA, DATA]), DATA], 4)


@scenario(since="3.13")
def there_and_back(stage: Stage) -> None:
    """What AMQP wrote is the same when AMQP reads it, with a native message between."""
    stream = stage.stream()
    channel, client = stage.channel(), stage.client()
    channel.call("confirm.select")
    channel.publish("", stream, b"one", properties=amqp.properties(**PROPERTIES["all"]))
    channel.wait_confirms(1)
    client.declare(stream)
    client.publish([DATA])
    channel.publish("", stream, b"three")
    channel.wait_confirms(2)
    channel.call("basic.qos", prefetch_count=10)
    channel.consume(stream, arguments={"x-stream-offset": "first"})
    channel.wait_deliveries(3)
    client.subscribe(stream)
    client.wait_records(0, 3)
