"""From a stream of bytes to frames.

    octet  type        1 method, 2 content header, 3 content body, 8 heartbeat
    short  channel
    long   size        of the payload
    ...    payload
    octet  0xCE        frame-end

A published message is three frames, and nearly always all three are in the buffer. The reader hands such a
message out in one piece (`PUBLISH`): that saves two passes through everything above for each message. Whatever
is not whole comes frame by frame and is put together by the channel.

A publisher mostly repeats itself: same exchange and routing key, same properties, same size. Then everything up to
the body is the same bytes as last time, and one comparison replaces the parsing.

Source: AMQP 0-9-1 section 4.2.3; `rabbit_reader:handle_input` for the tolerance and the error texts.
"""

import struct
from collections.abc import Iterator
from typing import TypeAlias

from amqpy.errors import FrameFault, erlang_text

METHOD, HEADER, BODY, HEARTBEAT = 1, 2, 3, 8
PUBLISH = 256
"""Not on the wire, where a type is an octet: a basic.publish with its content header and its whole body."""

FRAME_END = 0xCE
EMPTY_FRAME_SIZE = 8
"""The octets around a payload; frame-max counts them."""

HEARTBEAT_FRAME = b"\x08\x00\x00\x00\x00\x00\x00\xce"

Frame: TypeAlias = tuple[int, int, bytes, bytes, bytes]
"""kind, channel, payload; and for PUBLISH the content header's payload and the body, else two empty ones."""

_HEAD = struct.Struct(">BHI").unpack_from
_BODY_SIZE = struct.Struct(">Q").unpack_from
PUBLISH_ID = b"\x00\x3c\x00\x28"
_BASIC_HEADER = b"\x00\x3c\x00\x00"
"""Class id and weight."""
_NEVER = b"\xff"
"""What no frame starts with."""


class FrameReader:
    """Cuts received bytes into frames; holds at most one unfinished frame."""

    def __init__(self, frame_max: int) -> None:
        self.frame_max = frame_max
        """As negotiated. A payload may use all of it: clients are known to forget the frame's own eight octets."""
        self._tail = bytearray()
        self._missing = 0
        self._repeat = _NEVER, 0, 0, b"", b""
        """The last publish: its bytes before the body, its body's size, its channel and its two payloads."""

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames completed by `data`. Raises FrameFault; the stream cannot be read on after that."""
        if self._tail:
            self._tail += data
            if len(self._tail) < self._missing:
                return
            data = bytes(self._tail)
            self._tail.clear()
        self._missing = 0
        position, end = 0, len(data)
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
            kind, channel, size = _HEAD(data, position)
            if size > self.frame_max:
                raise _too_large(kind, size, self.frame_max)
            start = position + 7
            stop = start + size
            if stop >= end:
                self._missing = stop + 1 - position
                break
            method = data[start:stop]
            if data[stop] != FRAME_END:
                raise _bad_end(kind, method, data[stop])
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
            yield kind, channel, method, b"", b""
            position = stop + 1
        if position < end:
            self._tail += data[position:]


def _whole_content(data: bytes, position: int, channel: int, frame_max: int) -> tuple[bytes, bytes, int] | None:
    """The content header's payload, the body and its frame-end's place, if a header frame and one body frame follow.

    Anything unusual is None, so that the frames are judged one by one.
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
