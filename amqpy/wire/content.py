"""Publishes, deliveries and acknowledgements, encoded by hand.

They are nearly all that a busy broker reads and writes, so they get layouts with fixed offsets instead of a general
codec. The parts that do not change between two deliveries are made once.

    publish   class method ticket exchange routing-key bits     → `address` is exchange and routing-key, kept as it came
    deliver   class method consumer-tag delivery-tag redelivered address
    header    class weight body-size flags property...          → kept as it came, passed on to every consumer

Source: AMQP 0-9-1 sections 1.8.3 and 4.2.6.
"""

import struct
from collections.abc import Sequence

from amqpy.wire.frames import EMPTY_FRAME_SIZE
from amqpy.wire.outbox import Outbox
from amqpy.wire.scan import Content, deliveries

MANDATORY, IMMEDIATE = 1, 2

_DELIVER_ID = b"\x00\x3c\x00\x3c"
_GET_OK_ID = b"\x00\x3c\x00\x47"
_RETURN_ID = b"\x00\x3c\x00\x32"
_FRAME = struct.Struct(">BHI").pack
_TAG = struct.Struct(">QB").pack
_HEADER = struct.Struct(">HHQ")
_NEXT_FRAME = struct.Struct(">BBHI").pack
_CONFIRM = struct.Struct(">BHIIQBB").pack
_BASIC_ACK, _BASIC_NACK = 0x003C0050, 0x003C0078

PLAIN_HEADER_MAX = 32
"""Content headers up to this size (a content type, a delivery mode) are likely to repeat; longer ones hold identifiers
and times and do not."""

COPIED_MAX = 16 * 1024
"""Bodies up to this size are copied into the frames to be sent. Larger ones are shared by all outboxes that hold
them."""

MIDDLES_MAX = 256
"""Encoded parts remembered per consumer; more (a routing key per message, say) start over."""


def split_address(address: bytes) -> tuple[bytes, bytes]:
    """Splits an address into exchange name and routing key. Raises IndexError or ValueError if lengths do not fit."""
    middle = 1 + address[0]
    if middle + 1 + address[middle] != len(address):
        raise ValueError("address does not fit")
    return address[1:middle], address[middle + 1 :]


def read_header(header: bytes) -> tuple[int, int, int]:
    """Reads class id, weight and body size. Raises struct.error when the payload is too short."""
    class_id, weight, body_size = _HEADER.unpack_from(header)
    return class_id, weight, body_size


def confirm_frame(channel: int, tag: int, *, multiple: bool, nack: bool) -> bytes:
    """Encodes basic.ack or basic.nack to a publisher."""
    return _CONFIRM(1, channel, 13, _BASIC_NACK if nack else _BASIC_ACK, tag, multiple, 0xCE)


class ContentWriter:
    """Writes messages to one channel of one peer."""

    __slots__ = ("channel", "outbox", "part_max")

    def __init__(self, outbox: Outbox, channel: int, frame_max: int) -> None:
        self.outbox = outbox
        self.channel = channel
        self.part_max = frame_max - EMPTY_FRAME_SIZE

    def get_ok(
        self, tag: int, redelivered: bool, address: bytes, message_count: int, header: bytes, body: bytes
    ) -> None:
        self.write(_GET_OK_ID + _TAG(tag, redelivered) + address + struct.pack(">I", message_count), header, body)

    def return_message(self, code: int, text: bytes, address: bytes, header: bytes, body: bytes) -> None:
        self.write(_RETURN_ID + struct.pack(">HB", code, len(text)) + text + address, header, body)

    def write(self, method: bytes, header: bytes, body: bytes) -> None:
        """Writes a method with its content, in as many frames as it takes. Of the body only views are kept."""
        write = self.outbox.write
        channel = self.channel
        view = memoryview(body)
        part = view[: self.part_max]
        head = (
            _FRAME(1, channel, len(method)),
            method,
            _NEXT_FRAME(0xCE, 2, channel, len(header)),
            header,
            _NEXT_FRAME(0xCE, 3, channel, len(part)) if body else b"\xce",
        )
        write(b"".join(head))
        if not body:
            return
        write(part)
        for start in range(self.part_max, len(body), self.part_max):
            part = view[start : start + self.part_max]
            write(_NEXT_FRAME(0xCE, 3, channel, len(part)))
            write(part)
        write(b"\xce")


class DeliveryWriter:
    """Writes one consumer's deliveries."""

    __slots__ = ("_copied_max", "_middles", "_prefix", "_prefixes", "outbox", "writer")

    def __init__(self, writer: ContentWriter, consumer_tag: str) -> None:
        self.writer = writer
        self.outbox = writer.outbox
        self._copied_max = min(COPIED_MAX, writer.part_max)
        raw = consumer_tag.encode()
        self._prefix = _DELIVER_ID + bytes((len(raw),)) + raw
        self._prefixes: dict[int, bytes] = {}
        """The frame's head, ids and consumer tag, by the size of the address."""
        self._middles: dict[tuple[bytes, bytes], bytes] = {}
        """The bytes from the address to the body, by address and header, for short headers."""

    def deliver(self, tag: int, redelivered: bool, message: Content) -> None:
        """Writes a basic.deliver. Everything but the tag and the body has nearly always been encoded before."""
        address, header, body = message.address, message.header, message.body
        middle = self._middles.get((address, header))
        if middle is None:
            if not 0 < len(body) <= self._copied_max:
                self.writer.write(self._prefix + _TAG(tag, redelivered) + address, header, body)
                return
            middle = self._make_middle(address, header, len(body))
        prefix = self._prefixes.get(len(address)) or self._make_prefix(len(address))
        data = b"".join((prefix, _TAG(tag, redelivered), middle, body, b"\xce"))
        outbox = self.outbox
        if not outbox.chunks:
            outbox.wake()
        outbox.chunks.append(data)
        outbox.size += len(data)

    def deliver_all(self, tag: int, messages: Sequence[Content]) -> None:
        """Writes a basic.deliver for each message, with tags from `tag` on."""
        done, count = 0, len(messages)
        while done < count:
            data, written = deliveries(self._prefix, self.writer.channel, tag + done, messages, done, self._copied_max)
            if written:
                self.outbox.write(data)
                done += written
            else:
                self.deliver(tag + done, False, messages[done])
                done += 1

    def _make_prefix(self, address_size: int) -> bytes:
        prefix = _FRAME(1, self.writer.channel, len(self._prefix) + 9 + address_size) + self._prefix
        self._prefixes[address_size] = prefix
        return prefix

    def _make_middle(self, address: bytes, header: bytes, body_size: int) -> bytes:
        channel = self.writer.channel
        middle = b"".join(
            (
                address,
                _NEXT_FRAME(0xCE, 2, channel, len(header)),
                header,
                _NEXT_FRAME(0xCE, 3, channel, body_size),
            )
        )
        if len(header) <= PLAIN_HEADER_MAX:
            if len(self._middles) >= MIDDLES_MAX:
                self._middles.clear()
            self._middles[address, header] = middle
        return middle
