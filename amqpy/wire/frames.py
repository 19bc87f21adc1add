"""Cutting a stream of bytes into frames.

    octet  type        1 method, 2 content header, 3 content body, 8 heartbeat
    short  channel
    long   size        of the payload
    ...    payload
    octet  0xCE        frame-end

A published message is three frames, and nearly always all three are in the buffer. The reader yields such a message
in one piece (`PUBLISH`): that saves two passes through everything above for each message. An incomplete message is
yielded frame by frame and put together by the channel.

A publisher mostly repeats itself: same exchange and routing key, same properties, same size. Then all bytes up to
the body are the same as last time, and one comparison replaces the parsing. The same goes for acks (`ACK`).

Source: AMQP 0-9-1 section 4.2.3; `rabbit_reader:handle_input` for the tolerance and the error texts.
"""

import struct
from collections.abc import Iterator
from itertools import chain
from typing import Any, TypeAlias

from amqpy.errors import FrameFault, erlang_text

METHOD, HEADER, BODY, HEARTBEAT = 1, 2, 3, 8
PUBLISH = 256
"""A basic.publish with its content header and its whole body. Not on the wire, where a type is an octet."""

ACK = 257
"""A basic.ack, decoded. Not on the wire."""

FRAME_END = 0xCE
EMPTY_FRAME_SIZE = 8
"""The octets around a payload; frame-max counts them."""

HEARTBEAT_FRAME = b"\x08\x00\x00\x00\x00\x00\x00\xce"

Frame: TypeAlias = tuple[int, int, Any, Any, Any]
"""kind, channel, payload (bytes; a view of them for a large body), and two empty values. For PUBLISH: kind, channel,
the payloads of method and content header, and the body. For ACK: kind, channel, delivery tag and bits, as numbers."""

PUBLISH_ID = b"\x00\x3c\x00\x28"
ACK_ID = b"\x00\x3c\x00\x50"
ACK_SIZE = 13
ACK_FRAME_SIZE = EMPTY_FRAME_SIZE + ACK_SIZE

VIEW_SIZE = 64 * 1024
"""Body frames from this size on are yielded as views: a view keeps all of the received bytes, which is not worth it for
a small part of them."""

_HEAD = struct.Struct(">BHI").unpack_from
_BODY_SIZE = struct.Struct(">Q").unpack_from
_ACK_TAIL = struct.Struct(">QBB").unpack_from
_BASIC_HEADER = b"\x00\x3c\x00\x00"
"""Class id and weight."""
_NEVER = b"\xff"
"""A prefix that no frame has."""

_HEAD_OF_NO_ACK = _NEVER * 11


class FrameReader:
    """Cuts received bytes into frames; holds at most one unfinished frame."""

    def __init__(self, frame_max: int) -> None:
        self.frame_max = frame_max
        """The negotiated frame size. A payload may use all of it: some clients forget the frame's own eight octets."""
        self._parts: list[bytearray | memoryview] = []
        """The beginning of an incomplete frame."""
        self._kept = 0
        self._missing = 0
        """The octets in `_parts`, and those of the whole frame; 0 while its head is incomplete."""
        self._repeat = _NEVER, 0, 0, b"", b""
        """The last publish: its bytes before the body, its body's size, its channel and its two payloads."""
        self._ack_head = _HEAD_OF_NO_ACK
        self._ack_channel = 0
        """The last ack: its bytes before the delivery tag, and its channel."""

    @property
    def is_amid_large_frame(self) -> bool:
        """True while a frame of at least VIEW_SIZE is incomplete."""
        return self._missing >= VIEW_SIZE

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Yields the frames completed by `data`; must be iterated to the end before more is fed.

        Raises FrameFault; the stream cannot be read any further after that.
        """
        parts = self._parts
        if not parts:
            return self._cut(data, 0)
        rest = self._missing - self._kept
        if len(data) < rest:
            self._keep(data, 0)
            return iter(())
        # Only the incomplete frame is put together, so that most of a large message is copied once.
        if self._missing:
            parts.append(memoryview(data)[:rest])
            frame = b"".join(parts)
        else:
            # Not even the frame's head was complete.
            frame, rest = b"".join(parts) + data, len(data)
        parts.clear()
        self._kept = self._missing = 0
        return chain(self._cut(frame, 0), self._cut(data, rest))

    def _keep(self, data: bytes, position: int) -> None:
        """Keeps the beginning of a frame. Small pieces are joined, for a peer may send it octet by octet."""
        size = len(data) - position
        self._kept += size
        if size >= VIEW_SIZE:
            self._parts.append(memoryview(data)[position:])
        elif self._parts and isinstance(self._parts[-1], bytearray):
            self._parts[-1] += data[position:] if position else data
        else:
            self._parts.append(bytearray(data[position:]))

    def _cut(self, data: bytes, position: int) -> Iterator[Frame]:
        end = len(data)
        ack_head = self._ack_head
        prefix, body_size, number, payload, header = self._repeat
        prefix_size = len(prefix)
        while end - position >= 7:
            if data.startswith(prefix, position):
                start = position + prefix_size
                stop = start + body_size
                if stop < end and data[stop] == FRAME_END:
                    yield PUBLISH, number, payload, header, data[start:stop]
                    position = stop + 1
                    continue
            elif end - position >= ACK_FRAME_SIZE and data.startswith(ack_head, position):
                tag, bits, last = _ACK_TAIL(data, position + len(ack_head))
                if last == FRAME_END:
                    yield ACK, self._ack_channel, tag, bits, b""
                    position += ACK_FRAME_SIZE
                    continue
            kind, channel, size = _HEAD(data, position)
            if size > self.frame_max:
                raise _too_large(kind, size, self.frame_max)
            start = position + 7
            stop = start + size
            if stop >= end:
                self._missing = stop + 1 - position
                break
            if data[stop] != FRAME_END:
                raise _bad_end(kind, data[start:stop], data[stop])
            if kind == BODY and size >= VIEW_SIZE:
                yield kind, channel, memoryview(data)[start:stop], b"", b""
                position = stop + 1
                continue
            method = data[start:stop]
            if kind == METHOD and method.startswith(PUBLISH_ID):
                content = _whole_content(data, stop + 1, channel, self.frame_max)
                if content is not None:
                    payload, number = method, channel
                    header, body, stop = content
                    body_size = len(body)
                    prefix = data[position : stop - body_size] if body_size else _NEVER
                    prefix_size = len(prefix)
                    self._repeat = prefix, body_size, number, payload, header
                    yield PUBLISH, channel, payload, header, body
                    position = stop + 1
                    continue
            if size == ACK_SIZE and kind == METHOD and method.startswith(ACK_ID):
                self._ack_channel = channel
                ack_head = self._ack_head = data[position : position + len(ack_head)]
                continue
            yield kind, channel, method, b"", b""
            position = stop + 1
        if position < end:
            self._keep(data, position)


def _whole_content(data: bytes, position: int, channel: int, frame_max: int) -> tuple[bytes, bytes, int] | None:
    """Reads a header frame and one body frame: returns the header's payload, the body and the place of its frame-end.

    Returns None for anything unusual, so that the frames are checked one by one.
    """
    end = len(data)
    if end - position < 22:
        return None
    kind, number, size = _HEAD(data, position)
    start = position + 7
    stop = start + size
    if kind != HEADER or number != channel or not 14 <= size <= frame_max or stop >= end or data[stop] != FRAME_END:
        return None
    if not data.startswith(_BASIC_HEADER, start):
        return None
    (body_size,) = _BODY_SIZE(data, start + 4)
    if not body_size:
        return data[start:stop], b"", stop
    body_start = stop + 8
    body_stop = body_start + body_size
    if (
        body_size > frame_max
        or body_stop >= end
        or data[body_stop] != FRAME_END
        or _HEAD(data, stop + 1) != (BODY, channel, body_size)
    ):
        return None
    return data[start:stop], data[body_start:body_stop], body_stop


def _too_large(kind: int, size: int, frame_max: int) -> FrameFault:
    return FrameFault(f"type {kind}, all octets = <<>>: {{frame_too_large,{size},{frame_max - EMPTY_FRAME_SIZE}}}")


def _bad_end(kind: int, payload: bytes, found: int) -> FrameFault:
    return FrameFault(f"type {kind}, {payload_snippet(payload)}: {{invalid_frame_end_marker,{found}}}")


def payload_snippet(payload: bytes) -> str:
    """The start of a payload, as RabbitMQ shows it in its error texts."""
    which = "all" if len(payload) <= 16 else "first 16"
    return f"{which} octets = {erlang_text(payload[:16])}"
