"""Where in a stream of AMQP frames one is, and where it can be cut; and what a broker says when it closes."""

import struct
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from interop.parity import codec

HEAD = 7
OVERHEAD = 8  # type, channel, size and the end octet
PROTOCOL_HEADER_SIZE = 8
CLOSE_MAX = 1024
"""No close is longer than this."""


class Place(Enum):
    BOUNDARY = "at a frame boundary"
    INSIDE = "inside a frame"


class Close(NamedTuple):
    """connection.close or channel.close."""

    method: str
    code: int
    text: str


@dataclass
class Tracker:
    """Follows one direction of a connection. That of the client begins with a protocol header."""

    is_client: bool = False
    at: int = 0
    """Octets so far."""
    end: int = 0
    """Where the frame ends that one is in, or the next begins."""
    _head: bytes = b""
    """The beginning of a frame whose size is not known yet."""
    _payload: bytearray | None = None
    """That of a small method frame, which may be a close."""

    def __post_init__(self) -> None:
        if self.is_client:
            self.end = PROTOCOL_HEADER_SIZE

    def feed(self, data: bytes) -> tuple[list[int], list[Close]]:
        """The places in `data` (offsets from its beginning) where a frame ends, and what closes were in it."""
        boundaries, closes = [], []
        position = 0
        while position < len(data):
            if self._head or self.at + position == self.end:
                taken = data[position : position + HEAD - len(self._head)]
                self._head += taken
                position += len(taken)
                if len(self._head) < HEAD:
                    break
                kind, _, size = struct.unpack(">BHI", self._head)
                self.end = self.at + position + size + OVERHEAD - HEAD
                self._payload = bytearray() if kind == codec.METHOD and size <= CLOSE_MAX else None
                self._head = b""
            taken = data[position : position + self.end - (self.at + position)]
            if self._payload is not None:
                self._payload += taken
            position += len(taken)
            if self.at + position == self.end:
                boundaries.append(position)
                if self._payload is not None and (close := _close_of(bytes(self._payload[:-1]))):
                    closes.append(close)
                self._payload = None
        self.at += position
        return boundaries, closes


def cut(size: int, boundaries: list[int], place: Place) -> int | None:
    """How much of a chunk of that size to let through so that it ends at such a place; None if there is none in it."""
    if place is Place.BOUNDARY:
        return boundaries[len(boundaries) // 2] if boundaries else None
    inside = [offset for offset in (size // 2, size // 2 + 1, size - 1) if offset > 0 and offset not in boundaries]
    return inside[0] if inside else None


def _close_of(payload: bytes) -> Close | None:
    frame = codec.parse_frame(codec.METHOD, 0, payload)
    if frame.name not in ("connection.close", "channel.close"):
        return None
    return Close(frame.name, int(frame.fields["reply_code"]), frame.fields["reply_text"].decode(errors="replace"))
