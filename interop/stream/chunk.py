"""Chunks: the unit in which a stream is stored and delivered.

48 bytes of header, then the entries. The header also tells how long a trailer and a filter are, which clients are not
sent.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

HEADER = struct.Struct(">BBHIqQQIIIB3x")
MAGIC_AND_VERSION = 0x50
SUB_BATCH = 0x80


class BadChunk(ValueError):
    """Bytes that are no chunk."""


@dataclass(frozen=True)
class Chunk:
    """A chunk as a client gets it."""

    magic: int
    type: int
    entry_count: int
    record_count: int
    timestamp: int
    """In milliseconds."""
    epoch: int
    id: int
    """The offset of its first message."""
    crc: int
    size: int
    trailer_size: int
    filter_size: int
    data: bytes

    @classmethod
    def parse(cls, content: bytes) -> "Chunk":
        """Raises BadChunk if there are less bytes than in a header."""
        if len(content) < HEADER.size:
            raise BadChunk(f"{len(content)} bytes are no chunk")
        return cls(*(*HEADER.unpack_from(content), content[HEADER.size :]))

    @property
    def is_sound(self) -> bool:
        """The data is as long as the header says, and has its checksum."""
        return self.size == len(self.data) and self.crc == zlib.crc32(self.data)

    def entries(self) -> Iterator[tuple[int, bytes]]:
        """Each entry: 0 and the message, or the first byte of a sub-batch and all of it. Raises BadChunk."""
        at = 0
        while at < len(self.data):
            first = self.data[at]
            head = 11 if first & SUB_BATCH else 4
            if at + head > len(self.data):
                raise BadChunk("the last entry is cut off")
            (size,) = struct.unpack_from(">I", self.data, at + head - 4)
            if at + head + size > len(self.data):
                raise BadChunk("the last entry is cut off")
            end = at + head + size
            yield (first, self.data[at:end]) if first & SUB_BATCH else (0, self.data[at + head : end])
            at = end
