"""Counting what a broker sends without decoding it.

All deliveries of one measurement have the same size, because bodies, names and consumer tags do. So a consumer
counts bytes. The size is not assumed but learnt: the first delivery is parsed frame by frame, however the broker
cut the body. After that, every chunk received is checked at its last boundary between two deliveries: there must
be a basic.deliver frame on our channel whose tag is exactly one more than the number counted. Lost, doubled or
reordered tags, another size, or any other frame in between move that boundary and are noticed there.
"""

import struct

from interop.bench.frames import BASIC, FRAME_END, FRAME_HEADER, FRAME_METHOD, FRAME_OVERHEAD, FRAME_START

DELIVER = struct.pack(">HH", BASIC, 60)
ACK = struct.pack(">HH", BASIC, 80)
NACK = struct.pack(">HH", BASIC, 120)
CLOSES = {struct.pack(">HH", 10, 50): "connection", struct.pack(">HH", 20, 40): "channel"}
METHOD_START = struct.Struct(">BHI4s")
ACK_FRAME = struct.Struct(">BHI4sQ?c")


class UnexpectedFrames(RuntimeError):
    """The broker sent something other than what this measurement counts."""


def describe(data: bytes) -> str:
    """What a peer most likely said, for an error message: a close with its text, or the first bytes."""
    if len(data) >= METHOD_START.size and data[0] == FRAME_METHOD:
        _, _, size, ids = METHOD_START.unpack_from(data)
        if ids in CLOSES:
            code, length = struct.unpack_from(">HB", data, METHOD_START.size)
            text = data[METHOD_START.size + 3 : METHOD_START.size + 3 + length].decode(errors="replace")
            return f"{CLOSES[ids]}.close {code} {text}"
        class_id, method_id = struct.unpack(">HH", ids)
        return f"method {class_id}.{method_id} of {size} bytes"
    return f"bytes {data[:32].hex(' ')}"


def message_size(data: bytes | bytearray | memoryview) -> int | None:
    """The bytes of the delivery `data` begins with, or None while it is not all there."""
    offset, missing, seen_header = 0, 0, False
    while not seen_header or missing > 0:
        if len(data) < offset + 7:
            return None
        kind, _, size = FRAME_START.unpack_from(data, offset)
        if offset == 0 and (kind != FRAME_METHOD or (len(data) >= 11 and bytes(data[7:11]) != DELIVER)):
            raise UnexpectedFrames(f"expected a delivery, got {describe(bytes(data[:300]))}")
        if len(data) < offset + size + FRAME_OVERHEAD:
            return None
        if bytes(data[offset + 7 + size : offset + FRAME_OVERHEAD + size]) != FRAME_END:
            raise UnexpectedFrames(f"no frame end at byte {offset + 7 + size}")
        if kind == FRAME_HEADER:
            seen_header = True
            (missing,) = struct.unpack_from(">Q", data, offset + 11)
        elif seen_header:
            missing -= size
        offset += size + FRAME_OVERHEAD
    return offset


class DeliveryCounter:
    """Deliveries on one channel of one connection, from the first one on."""

    def __init__(self) -> None:
        self.size = 0  # of one delivery, 0 until the first one is complete
        self.bytes_received = 0
        self.count = 0
        self.start = b""  # the frame start, class and method every delivery begins with
        self.tag_offset = 0
        self.head = b""

    def feed(self, chunk: memoryview) -> int:
        """Count one received chunk and return the deliveries that are complete so far."""
        length = len(chunk)
        self.bytes_received += length
        size = self.size
        if not size:
            return self.learn(chunk)
        self.count = self.bytes_received // size
        boundary = length - self.bytes_received % size
        end_of_tag = boundary + self.tag_offset + 8
        if end_of_tag > length:
            boundary -= size
            end_of_tag -= size
        if boundary >= 0:
            self.verify(chunk, boundary, end_of_tag)
        return self.count

    def learn(self, chunk: memoryview) -> int:
        self.head += chunk
        size = message_size(self.head)
        if size is None:
            return 0
        self.size = size
        self.start = self.head[:11]
        self.tag_offset = 12 + self.head[11]
        head, self.head, self.bytes_received = self.head, b"", 0
        return self.feed(memoryview(head))

    def verify(self, chunk: memoryview, boundary: int, end_of_tag: int) -> None:
        tag = int.from_bytes(chunk[end_of_tag - 8 : end_of_tag], "big")
        expected = (self.bytes_received - len(chunk) + boundary) // self.size + 1
        if tag != expected or chunk[boundary : boundary + 11] != self.start:
            found = describe(bytes(chunk[boundary : boundary + 300]))
            raise UnexpectedFrames(f"expected delivery {expected}, got {found} with tag {tag}")


class VariedDeliveryCounter:
    """Deliveries of different sizes on one channel: counted by the bytes that each begins with.

    These are the same for all, as long as the names of queue, exchange and consumer have the same lengths: frame
    start, class and method. In the last delivery of each chunk, the tag must be the number counted.
    """

    def __init__(self) -> None:
        self.count = 0
        self.start = b""
        self.rest = b""  # the last delivery, which is not complete

    def feed(self, chunk: memoryview) -> int:
        """Count one received chunk and return the deliveries that are complete so far."""
        data = self.rest + chunk
        if not self.start:
            if len(data) < METHOD_START.size:
                self.rest = data
                return 0
            if data[7 : METHOD_START.size] != DELIVER:
                raise UnexpectedFrames(f"expected a delivery, got {describe(data[:300])}")
            self.start = data[: METHOD_START.size]
        self.check(data)
        begun = data.count(self.start)
        self.rest = self.take(data, begun) if begun else data
        self.check(self.rest)
        return self.count

    def check(self, data: bytes) -> None:
        if data[: METHOD_START.size] != self.start[: len(data)]:
            raise UnexpectedFrames(f"expected delivery {self.count + 1}, got {describe(data[:300])}")

    def take(self, data: bytes, begun: int) -> bytes:
        """Count the deliveries that begin in the data, and return what is left: one that is not complete."""
        last = data.rfind(self.start)
        tail = data[last:]
        end_of_tag = METHOD_START.size + 1 + tail[METHOD_START.size] + 8 if len(tail) > METHOD_START.size else 1 << 30
        if len(tail) >= end_of_tag and int.from_bytes(tail[end_of_tag - 8 : end_of_tag], "big") != self.count + begun:
            raise UnexpectedFrames(f"expected delivery {self.count + begun}, got {describe(tail[:300])}")
        size = message_size(tail)
        is_complete = size is not None and size <= len(tail)
        self.count += begun if is_complete else begun - 1
        return tail[size:] if is_complete else tail


class ConfirmCounter:
    """The confirms of one channel: how many publishes the broker has taken responsibility for."""

    def __init__(self) -> None:
        self.through = 0  # all up to here are confirmed
        self.beyond: set[int] = set()  # confirmed out of order
        self.rest = b""

    @property
    def count(self) -> int:
        return self.through + len(self.beyond)

    def feed(self, chunk: bytes) -> int:
        data = self.rest + chunk if self.rest else chunk
        whole = len(data) - len(data) % ACK_FRAME.size
        self.rest = data[whole:]
        for _, _, _, ids, tag, multiple, end in ACK_FRAME.iter_unpack(data[:whole]):
            if ids != ACK or end != FRAME_END:
                raise UnexpectedFrames(f"expected a confirm, got {describe(data)}")
            if multiple:
                self.through = max(self.through, tag)
                if self.beyond:
                    self.beyond = {each for each in self.beyond if each > tag}
            elif tag == self.through + 1:
                self.through = tag
            else:
                self.beyond.add(tag)
            while self.beyond and self.through + 1 in self.beyond:
                self.through += 1
                self.beyond.discard(self.through)
        return self.count
