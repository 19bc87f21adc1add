"""Cutting a stream of bytes into frames, and what is published or acknowledged in a row into runs.

A published message is three frames, and nearly always all three are in the buffer, with more like it. The reader
yields such messages as a run (`PUBLISH`): that saves two passes through everything above for each message, and then
nearly all that does not differ between two of them. The same goes for acknowledgements (`ACK`). A message that is
small and not whole yet is held back; a larger one is yielded frame by frame and put together by the channel, as is
everything unusual.

Source: AMQP 0-9-1 section 4.2.3; `rabbit_reader:handle_input` for the tolerance and the error texts.
"""

import struct
from collections.abc import Container, Iterator
from itertools import chain
from typing import Any, TypeAlias

from amqpy.wire.frames import ACK_ID, BODY, FRAME_END, HEAD_SIZE, HEADER, METHOD, PUBLISH_ID, bad_end, too_large
from amqpy.wire.scan import cut_acks, cut_run

PUBLISH = 256
"""Messages: basic.publish with content header and body. Not on the wire, where a type is an octet."""

ACK = 257
"""Acknowledgements (basic.ack). Not on the wire."""

Frame: TypeAlias = tuple[int, int, Any]
"""kind, channel, payload: bytes, or a view of them for a large body. For PUBLISH a `scan.Run`, for ACK `scan.Acks`."""

VIEW_SIZE = 64 * 1024
"""Body frames from this size on are yielded as views: a view keeps all of the received bytes, which is not worth it for
a small part of them."""

_HEAD = struct.Struct(">BHI").unpack_from
_ACK_SIZE = b"\x00\x00\x00\x0d"
_ACK_TAIL = struct.Struct(">QB").pack


class FrameReader:
    """Cuts received bytes into frames; holds at most one unfinished frame, or one small unfinished message."""

    def __init__(self, frame_max: int, waiting: Container[int] = ()) -> None:
        self.frame_max = frame_max
        """The negotiated frame size. A payload may use all of it: some clients forget the frame's own eight octets."""
        self._waiting = waiting
        """The channels of which small messages are held back until they are whole: those that can take them."""
        self._parts: list[bytearray | memoryview] = []
        """The beginning of what is incomplete."""
        self._kept = 0
        self._missing = 0
        """The octets in `_parts`, and those that are needed to go on; 0 while a frame's head is incomplete."""

    @property
    def is_amid_large_frame(self) -> bool:
        """True while a frame of at least VIEW_SIZE is incomplete."""
        return self._missing >= VIEW_SIZE

    @property
    def is_amid_frame(self) -> bool:
        """True while a frame, or a small message, is incomplete."""
        return bool(self._parts)

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
        if not self.is_amid_large_frame:
            # What comes behind a small message may belong to its run.
            whole = b"".join((*parts, data))
            parts.clear()
            self._kept = self._missing = 0
            return self._cut(whole, 0)
        # Only the incomplete frame is put together, so that most of a large message is copied once.
        parts.append(memoryview(data)[:rest])
        frame = b"".join(parts)
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
        while end - position >= HEAD_SIZE:
            kind, channel, size = _HEAD(data, position)
            start = position + HEAD_SIZE
            if kind == METHOD:
                if data.startswith(PUBLISH_ID, start):
                    cut = cut_run(data, position, self.frame_max)
                    if not isinstance(cut, int):
                        position, run = cut
                        yield PUBLISH, channel, run
                        continue
                    if cut and channel in self._waiting:
                        self._missing = cut
                        break
                elif data.startswith(ACK_ID, start) and data.startswith(_ACK_SIZE, position + 3):
                    position, acks = cut_acks(data, position)
                    if acks[0]:
                        yield ACK, channel, acks
                        continue
            if size > self.frame_max:
                raise too_large(kind, size, self.frame_max)
            stop = start + size
            if stop >= end:
                self._missing = stop + 1 - position
                break
            if data[stop] != FRAME_END:
                raise bad_end(kind, data[start:stop], data[stop])
            large = kind == BODY and size >= VIEW_SIZE
            yield kind, channel, memoryview(data)[start:stop] if large else data[start:stop]
            position = stop + 1
        if position < end:
            self._keep(data, position)


def split(kind: int, channel: int, payload: Any) -> Iterator[Frame]:  # noqa: ANN401
    """The frames that a PUBLISH or an ACK stands for."""
    if kind == ACK:
        tags, bits = payload
        for tag in tags:
            yield METHOD, channel, ACK_ID + _ACK_TAIL(tag, bits)
        return
    methods, _, headers, bodies = payload
    for method, header, body in zip(methods, headers, bodies, strict=True):
        yield METHOD, channel, method
        yield HEADER, channel, header
        if body:
            yield BODY, channel, body
