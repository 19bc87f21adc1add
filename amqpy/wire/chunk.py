"""Chunks: the unit in which a stream is stored, read, and sent to clients of the stream protocol.

    octet      0x50        magic 5, version 0
    octet      type        0 messages, 1 tracking delta, 2 tracking snapshot
    short      entries
    long       records     messages: more than entries when there are sub-batches
    longlong   timestamp   milliseconds, of the chunk's making
    longlong   epoch
    longlong   ChunkId     the offset of its first message
    long       CRC-32      of the data
    long       length of the data
    long       length of the trailer
    octet      length of the filter
    3 octets   0
    ...        filter, data, trailer

The data are entries: a length of 31 bits and a message; or a sub-batch, whose first bit is set: 0x80 and the
compression in bits 4 to 6, a short with the number of records, a long with their length uncompressed, a long with the
length, and so many octets. Uncompressed, these are entries again.

Source: `osiris_log` and its format in osiris' documentation.
"""

import struct
import zlib
from collections.abc import Iterator
from typing import Final, NamedTuple

from amqpy.wire.values import MalformedValue

MAGIC: Final = 0x50
USER: Final = 0
"""The type of chunks that have messages."""
TRACKING: Final = 1
"""The type of chunks that have tracking (`core.streams.tracking`) and no messages."""
SNAPSHOT: Final = 2
"""The type of those that have all of it."""
HEAD_SIZE: Final = 48
ENTRIES_MAX: Final = 65_535
_HEAD: Final = struct.Struct(">BBHIqQQIIIB3x")
_SUB_BATCH: Final = struct.Struct(">BHII")
_LENGTH: Final = struct.Struct(">I")
SUB_BATCH: Final = 0x80


class ChunkHead(NamedTuple):
    """The header of a chunk."""

    kind: int
    entries: int
    records: int
    timestamp_ms: int
    epoch: int
    offset: int
    """Of the first message."""
    crc: int
    data_size: int
    trailer_size: int
    filter_size: int

    @property
    def is_sound(self) -> bool:
        """True if its numbers fit together. Of a header that was not written whole the last ones are 0."""
        has_data = self.data_size >= 4 * self.entries and (self.kind != USER or self.entries > 0)
        return has_data and self.records >= self.entries and self.epoch > 0

    @property
    def data_at(self) -> int:
        """The position of the data, from the beginning of the chunk."""
        return HEAD_SIZE + self.filter_size

    @property
    def size(self) -> int:
        """Bytes of the whole chunk."""
        return HEAD_SIZE + self.filter_size + self.data_size + self.trailer_size


def write_head(head: ChunkHead) -> bytes:
    return _HEAD.pack(MAGIC, *head)


def read_head(data: bytes | memoryview, position: int = 0) -> ChunkHead:
    """Reads the header of a chunk. Raises MalformedValue."""
    try:
        magic, *fields = _HEAD.unpack_from(data, position)
    except struct.error:
        raise MalformedValue("truncated chunk") from None
    if magic != MAGIC or data[position + 45 : position + 48] != b"\0\0\0":
        raise MalformedValue("not a chunk")
    return ChunkHead(*fields)


def checksum(data: bytes | memoryview) -> int:
    return zlib.crc32(data)


def entry_of(message: bytes) -> bytes:
    """The entry of a message, which has less than 2 GiB."""
    return _LENGTH.pack(len(message)) + message


class Entry(NamedTuple):
    """An entry in the data of a chunk."""

    records: int
    start: int
    """The position of the message, or of the octets of a sub-batch."""
    end: int
    compression: int | None = None
    """Of a sub-batch, 0 for none; None for a message."""


def read_entry(data: bytes, position: int) -> Entry | None:
    """Reads the frame of the entry at a position; None if more bytes are needed to know it."""
    if position + 4 > len(data):
        return None
    if not data[position] & SUB_BATCH:
        start = position + 4
        return Entry(1, start, start + _LENGTH.unpack_from(data, position)[0])
    if position + _SUB_BATCH.size > len(data):
        return None
    kind, records, _, size = _SUB_BATCH.unpack_from(data, position)
    start = position + _SUB_BATCH.size
    return Entry(records, start, start + size, kind >> 4 & 7)


def sub_batch_messages(data: bytes) -> Iterator[bytes]:
    """Yields the messages of an uncompressed sub-batch; ends where it is malformed."""
    position = 0
    while position + 4 <= len(data):
        (size,) = _LENGTH.unpack_from(data, position)
        position += 4 + size
        if position > len(data):
            return
        yield data[position - size : position]
