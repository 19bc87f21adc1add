"""The bytes of the messages' path, by hand.

Publishes, deliveries and acknowledgements are nearly all that a busy broker reads and writes, so they get layouts
with fixed offsets instead of a general codec. What does not change between two deliveries is made once.

    publish   class method ticket exchange routing-key bits     → `address` is exchange and routing-key, kept as it came
    deliver   class method consumer-tag delivery-tag redelivered address
    header    class weight body-size flags property...          → kept as it came, passed on to every consumer

Source: AMQP 0-9-1 sections 1.8.3 and 4.2.6.
"""

import struct

from amqpy.wire.frames import EMPTY_FRAME_SIZE
from amqpy.wire.outbox import Outbox

PUBLISH_ID = b"\x00\x3c\x00\x28"
ACK_ID = b"\x00\x3c\x00\x50"

MANDATORY, IMMEDIATE = 1, 2

_DELIVER_ID = b"\x00\x3c\x00\x3c"
_GET_OK_ID = b"\x00\x3c\x00\x47"
_RETURN_ID = b"\x00\x3c\x00\x32"
_ACK = struct.Struct(">QB")
_FRAME = struct.Struct(">BHI").pack
_TAG = struct.Struct(">QB").pack
_HEADER = struct.Struct(">HHQH")
_NEXT_FRAME = struct.Struct(">BBHI").pack
_CONFIRM = struct.Struct(">BHIIQBB").pack
_BASIC_ACK, _BASIC_NACK = 0x003C0050, 0x003C0078

ADDRESSES_MAX = 256
"""Rendered addresses remembered per consumer; more (a key per message, say) start over."""


def read_ack(payload: bytes) -> tuple[int, int]:
    """Delivery tag and bits of an ack (multiple), a reject (requeue) or a nack (multiple | requeue << 1).

    Raises struct.error when the payload is too short.
    """
    tag, bits = _ACK.unpack_from(payload, 4)
    return tag, bits


def split_address(address: bytes) -> tuple[bytes, bytes]:
    """Exchange name and routing key. Raises IndexError or ValueError when the lengths do not fit."""
    middle = 1 + address[0]
    if middle + 1 + address[middle] != len(address):
        raise ValueError("address does not fit")
    return address[1:middle], address[middle + 1 :]


def read_header(header: bytes) -> tuple[int, int, int, int]:
    """Class id, weight, body size and property flags. Raises struct.error when the payload is too short."""
    class_id, weight, body_size, flags = _HEADER.unpack_from(header)
    return class_id, weight, body_size, flags


def confirm_frame(channel: int, tag: int, *, multiple: bool, nack: bool) -> bytes:
    """basic.ack or basic.nack to a publisher."""
    return _CONFIRM(1, channel, 13, _BASIC_NACK if nack else _BASIC_ACK, tag, multiple, 0xCE)


class ContentWriter:
    """Writes messages to one channel of one peer."""

    __slots__ = ("_body_heads", "_channel", "_header_heads", "_outbox", "_part_max")

    def __init__(self, outbox: Outbox, channel: int, frame_max: int) -> None:
        self._outbox = outbox
        self._channel = channel
        self._part_max = frame_max - EMPTY_FRAME_SIZE
        self._header_heads: dict[int, bytes] = {}
        self._body_heads: dict[int, bytes] = {}

    def deliver(self, head: bytes, tag: int, redelivered: bool, tail: bytes, header: bytes, body: bytes) -> None:
        """A basic.deliver from the two constant parts that `deliver_parts` made."""
        size = len(body)
        header_size = len(header)
        header_head = self._header_heads.get(header_size) or self._header_head(header_size)
        if 0 < size <= self._part_max:
            body_head = self._body_heads.get(size) or self._body_head(size)
            data = b"".join((head, _TAG(tag, redelivered), tail, header_head, header, body_head, body, b"\xce"))
            outbox = self._outbox
            if not outbox.chunks:
                outbox.wake()
            outbox.chunks.append(data)
            outbox.size += len(data)
        else:
            self._outbox.write(b"".join((head, _TAG(tag, redelivered), tail, header_head, header, b"\xce")))
            self._large_body(body)

    def get_ok(
        self, tag: int, redelivered: bool, address: bytes, message_count: int, header: bytes, body: bytes
    ) -> None:
        fields = _GET_OK_ID + _TAG(tag, redelivered) + address + struct.pack(">I", message_count)
        self._content(fields, header, body)

    def return_message(self, code: int, text: bytes, address: bytes, header: bytes, body: bytes) -> None:
        fields = _RETURN_ID + struct.pack(">HB", code, len(text)) + text + address
        self._content(fields, header, body)

    def deliver_parts(self, consumer_tag: bytes, address: bytes) -> tuple[bytes, bytes]:
        """What comes before the delivery tag, and what comes between the redelivered bit and the frame's end."""
        size = 4 + 1 + len(consumer_tag) + 9 + len(address)
        head = _FRAME(1, self._channel, size) + _DELIVER_ID + bytes((len(consumer_tag),)) + consumer_tag
        return head, address

    def _content(self, method: bytes, header: bytes, body: bytes) -> None:
        size = len(header)
        header_head = self._header_heads.get(size) or self._header_head(size)
        self._outbox.write(b"".join((_FRAME(1, self._channel, len(method)), method, header_head, header, b"\xce")))
        self._large_body(body)

    def _large_body(self, body: bytes) -> None:
        """A body of any size, in as many frames as it takes. Only views of it are kept, no copies."""
        write = self._outbox.write
        view = memoryview(body)
        for start in range(0, len(body), self._part_max):
            part = view[start : start + self._part_max]
            write(_FRAME(3, self._channel, len(part)))
            write(part)
            write(b"\xce")

    def _header_head(self, size: int) -> bytes:
        """The end of a method frame and the start of a content header frame."""
        return _remember(self._header_heads, size, _NEXT_FRAME(0xCE, 2, self._channel, size))

    def _body_head(self, size: int) -> bytes:
        """The end of a content header frame and the start of a body frame."""
        return _remember(self._body_heads, size, _NEXT_FRAME(0xCE, 3, self._channel, size))


def _remember(heads: dict[int, bytes], size: int, head: bytes) -> bytes:
    if len(heads) >= ADDRESSES_MAX:
        heads.clear()
    heads[size] = head
    return head
