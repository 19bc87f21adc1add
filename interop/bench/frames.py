"""AMQP 0-9-1 frames as bytes, for the few methods a load generator sends.

Everything here is made before the clock runs. `Publication` gives one message as publish, header and body frames;
a `Block` repeats it, or many of them in turn, so that one `send` carries hundreds. `TagRun` renders runs of frames that
differ only in a delivery tag: it keeps 256 of them, the lowest tag byte filled in once and for all, and touches the
upper bytes with one strided assignment each.
"""

import struct
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"
FRAME_METHOD, FRAME_HEADER, FRAME_BODY = 1, 2, 3
FRAME_END = b"\xce"
FRAME_OVERHEAD = 8  # type, channel, size and the end octet
FRAME_MAX = 131_072
BASIC = 60

FRAME_START = struct.Struct(">BHI")


def frame(kind: int, channel: int, payload: bytes) -> bytes:
    return FRAME_START.pack(kind, channel, len(payload)) + payload + FRAME_END


def method(channel: int, class_id: int, method_id: int, *arguments: bytes) -> bytes:
    return frame(FRAME_METHOD, channel, struct.pack(">HH", class_id, method_id) + b"".join(arguments))


def octet(value: int) -> bytes:
    return bytes([value])


def short(value: int) -> bytes:
    return struct.pack(">H", value)


def long(value: int) -> bytes:
    return struct.pack(">I", value)


def longlong(value: int) -> bytes:
    return struct.pack(">Q", value)


def shortstr(text: str) -> bytes:
    data = text.encode()
    return bytes([len(data)]) + data


def longstr(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def bits(*flags: bool) -> bytes:
    return bytes([sum(flag << position for position, flag in enumerate(flags))])


EMPTY_TABLE = longstr(b"")


def start_ok(user: str, password: str) -> bytes:
    response = b"\x00" + user.encode() + b"\x00" + password.encode()
    return method(0, 10, 11, EMPTY_TABLE, shortstr("PLAIN"), longstr(response), shortstr("en_US"))


def tune_ok(channel_max: int, frame_max: int) -> bytes:
    return method(0, 10, 31, short(channel_max), long(frame_max), short(0))  # 0: no heartbeats to count around


def connection_open(vhost: str) -> bytes:
    return method(0, 10, 40, shortstr(vhost), shortstr(""), bits(False))


def connection_close() -> bytes:
    return method(0, 10, 50, short(200), shortstr(""), short(0), short(0))


def channel_open(channel: int) -> bytes:
    return method(channel, 20, 10, shortstr(""))


def exchange_declare(channel: int, exchange: str, kind: str, *, nowait: bool = False) -> bytes:
    flags = bits(False, False, False, False, nowait)
    return method(channel, 40, 10, short(0), shortstr(exchange), shortstr(kind), flags, EMPTY_TABLE)


def exchange_delete(channel: int, exchange: str, *, nowait: bool = False) -> bytes:
    return method(channel, 40, 20, short(0), shortstr(exchange), bits(False, nowait))


def table(fields: Mapping[str, int | str | bool]) -> bytes:
    parts = []
    for name, value in fields.items():
        if isinstance(value, bool):
            encoded = b"t" + bits(value)
        elif isinstance(value, int):
            encoded = b"l" + struct.pack(">q", value)
        else:
            encoded = b"S" + longstr(value.encode())
        parts.append(shortstr(name) + encoded)
    return longstr(b"".join(parts))


def queue_declare(
    channel: int,
    queue: str,
    arguments: Mapping[str, int | str | bool] | None = None,
    *,
    passive: bool = False,
    durable: bool = False,
    exclusive: bool = False,
    nowait: bool = False,
) -> bytes:
    """A transient queue, unless it is said to be durable; it is not deleted with its last consumer."""
    flags = bits(passive, durable, exclusive, False, nowait)
    return method(channel, 50, 10, short(0), shortstr(queue), flags, table(arguments or {}))


def queue_bind(channel: int, queue: str, exchange: str, routing_key: str, *, nowait: bool = False) -> bytes:
    names = shortstr(queue) + shortstr(exchange) + shortstr(routing_key)
    return method(channel, 50, 20, short(0), names, bits(nowait), EMPTY_TABLE)


def queue_delete(channel: int, queue: str, *, nowait: bool = False) -> bytes:
    return method(channel, 50, 40, short(0), shortstr(queue), bits(False, False, nowait))


def qos(channel: int, prefetch_count: int) -> bytes:
    return method(channel, BASIC, 10, long(0), short(prefetch_count), bits(False))


def consume(
    channel: int,
    queue: str,
    consumer_tag: str,
    arguments: Mapping[str, int | str | bool] | None = None,
    *,
    no_ack: bool,
    nowait: bool = False,
) -> bytes:
    names, flags = shortstr(queue) + shortstr(consumer_tag), bits(False, no_ack, False, nowait)
    return method(channel, BASIC, 20, short(0), names, flags, table(arguments or {}))


def ack(channel: int, delivery_tag: int, *, multiple: bool = False) -> bytes:
    return method(channel, BASIC, 80, longlong(delivery_tag), bits(multiple))


def nack(channel: int, delivery_tag: int, *, multiple: bool = False, requeue: bool = True) -> bytes:
    return method(channel, BASIC, 120, longlong(delivery_tag), bits(multiple, requeue))


def recover(channel: int) -> bytes:
    return method(channel, BASIC, 110, bits(True))


def queue_purge(channel: int, queue: str) -> bytes:
    return method(channel, 50, 30, short(0), shortstr(queue), bits(False))


def channel_close(channel: int) -> bytes:
    return method(channel, 20, 40, short(200), shortstr(""), short(0), short(0))


def tx_select(channel: int) -> bytes:
    return method(channel, 90, 10)


def tx_commit(channel: int) -> bytes:
    return method(channel, 90, 20)


def confirm_select(channel: int) -> bytes:
    return method(channel, 85, 10, bits(False))


PERSISTENT_FLAG, PERSISTENT = 1 << 12, octet(2)
"""Delivery mode 2 as the only property: its flag and its value."""


@dataclass(frozen=True)
class Publication:
    """One message to one place. Transient, no properties but the ones given as their encoded bytes."""

    exchange: str
    routing_key: str
    body: bytes
    property_flags: int = 0
    properties: bytes = b""

    def encode(self, channel: int = 1, frame_max: int = FRAME_MAX) -> bytes:
        names = shortstr(self.exchange) + shortstr(self.routing_key)
        publish = method(channel, BASIC, 40, short(0), names, bits(False, False))
        return publish + b"".join(content(self, channel, frame_max))


def content(message: Publication, channel: int, frame_max: int) -> Iterator[bytes]:
    """The content header and the body frames."""
    start = struct.pack(">HHQH", BASIC, 0, len(message.body), message.property_flags)
    yield frame(FRAME_HEADER, channel, start + message.properties)
    piece = frame_max - FRAME_OVERHEAD
    for offset in range(0, len(message.body), piece):
        yield frame(FRAME_BODY, channel, message.body[offset : offset + piece])


def deliver(channel: int, consumer_tag: str, delivery_tag: int, message: Publication) -> bytes:
    """A delivery as a broker sends it: what the stand-in brokers of `ceiling` and the tests are made of."""
    names = shortstr(message.exchange) + shortstr(message.routing_key)
    start = shortstr(consumer_tag) + longlong(delivery_tag) + bits(False) + names
    return method(channel, BASIC, 60, start) + b"".join(content(message, channel, FRAME_MAX))


class Block:
    """Publications as bytes to be sent round and round: whole rounds, at least `bytes_wanted` long."""

    def __init__(self, publications: Sequence[Publication], bytes_wanted: int = 0) -> None:
        encoded = [publication.encode() for publication in publications]
        one_round = b"".join(encoded)
        rounds = max(1, -(-bytes_wanted // len(one_round)))
        self.data = memoryview(one_round * rounds)
        self.ends = array("q", accumulate(map(len, encoded * rounds)))
        """The end of each message in the data."""

    def count(self, sent: int) -> int:
        """The number of whole messages in so many bytes."""
        rounds, rest = divmod(sent, len(self.data))
        return rounds * len(self.ends) + bisect_right(self.ends, rest)

    def end_of(self, count: int) -> int:
        """The bytes of so many messages."""
        rounds, rest = divmod(count, len(self.ends))
        return rounds * len(self.data) + (self.ends[rest - 1] if rest else 0)

    def messages(self, first: int, count: int) -> memoryview:
        """The bytes of up to `count` messages from number `first` on: fewer at the end of a round."""
        first %= len(self.ends)
        last = min(first + count, len(self.ends))
        return self.data[self.ends[first - 1] if first else 0 : self.ends[last - 1]]


class TagRun:
    """Runs of frames that are alike but for the 64-bit delivery tag at `tag_offset`."""

    SPAN = 256

    def __init__(self, pattern: bytes, tag_offset: int) -> None:
        self.size = len(pattern)
        self.tag_offset = tag_offset
        self.block = bytearray(pattern * self.SPAN)
        self.block[tag_offset + 7 :: self.size] = bytes(range(self.SPAN))
        self.upper = b""
        self.set_upper(0)

    def set_upper(self, first_tag: int) -> None:
        upper = longlong(first_tag)[:7]
        if upper == self.upper:
            return
        for position, value in enumerate(upper):
            if not self.upper or self.upper[position] != value:
                self.block[self.tag_offset + position :: self.size] = octet(value) * self.SPAN
        self.upper = upper

    def render(self, first: int, last: int) -> bytes:
        """The frames for tags `first` to `last`, both included."""
        parts = []
        for base in range(first - first % self.SPAN, last + 1, self.SPAN):
            self.set_upper(base)
            low = max(first, base) - base
            high = min(last, base + self.SPAN - 1) - base
            parts.append(bytes(self.block[low * self.size : (high + 1) * self.size]))
        return b"".join(parts)


ACK_TAG_OFFSET = 11  # frame start (7), class and method (4)


def ack_run(channel: int = 1) -> TagRun:
    return TagRun(ack(channel, 0), ACK_TAG_OFFSET)


def delivery_run(consumer_tag: str, message: Publication) -> TagRun:
    return TagRun(deliver(1, consumer_tag, 0, message), ACK_TAG_OFFSET + 1 + len(consumer_tag))
