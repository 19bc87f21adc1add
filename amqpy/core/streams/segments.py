"""Segments: the files of a log, and what is to be done to them.

    header of 8 octets   chunk   chunk   …

A segment is named by its stream and by the offset of its first message. Chunks are only ever appended, at positions
that the log knows; so a write may be repeated. A segment that is full gets an *index*, with a record for a chunk of
each 64 KiB and for the last one. The index is not needed, it saves a walk over all chunks.

`MemorySegments` holds them in memory, for a broker without a store; the store has them in files.
"""

import struct
from bisect import bisect_right
from collections.abc import Iterable
from typing import Final, NamedTuple, Protocol

from amqpy.core.streams.tracking import Tracking
from amqpy.wire.chunk import HEAD_SIZE, SNAPSHOT, USER, ChunkHead, checksum, read_head, write_head
from amqpy.wire.values import MalformedValue

FILE_HEADER: Final = b"OSIL\x00\x00\x00\x01"
"""That of RabbitMQ's segments."""
FIRST_AT: Final = len(FILE_HEADER)
"""The position of the first chunk."""

INDEX_BYTES: Final = 64 * 1024
"""The bytes of a segment for which its index has one record."""
_RECORD: Final = struct.Struct(">QqQ")
RECORD_SIZE: Final = _RECORD.size


class SegmentName(NamedTuple):
    stream: int
    """The number of the stream."""
    first: int
    """The offset of the first message."""


class SegmentRange(NamedTuple):
    """Bytes of a segment."""

    name: SegmentName
    position: int
    size: int


class IndexRecord(NamedTuple):
    """A chunk in a segment."""

    offset: int
    timestamp_ms: int
    position: int


class Index:
    """The places of some chunks of a segment, in order."""

    __slots__ = ("raw",)

    def __init__(self, raw: bytes = b"") -> None:
        self.raw = bytearray(raw[: len(raw) // RECORD_SIZE * RECORD_SIZE])

    def __len__(self) -> int:
        return len(self.raw) // RECORD_SIZE

    def __getitem__(self, number: int) -> IndexRecord:
        return IndexRecord(*_RECORD.unpack_from(self.raw, number * RECORD_SIZE))

    def add(self, chunk: IndexRecord) -> None:
        self.raw += _RECORD.pack(*chunk)

    def last(self) -> IndexRecord | None:
        return self[len(self) - 1] if self.raw else None

    def at_offset(self, offset: int) -> IndexRecord | None:
        """The last chunk here that begins at the offset or before it."""
        place = bisect_right(range(len(self)), offset, key=lambda number: self[number].offset)
        return self[place - 1] if place else None

    def before_time(self, timestamp_ms: int) -> IndexRecord | None:
        """The last chunk here that is older."""
        place = bisect_right(range(len(self)), timestamp_ms - 1, key=lambda number: self[number].timestamp_ms)
        return self[place - 1] if place else None


class ChunkWrite(NamedTuple):
    """A chunk to be appended to a segment, which it begins if its position is `FIRST_AT`."""

    name: SegmentName
    position: int
    head: ChunkHead
    """Without the checksum."""
    bloom: bytes
    entries: list[bytes]
    trailer: bytes = b""

    def encoded(self) -> bytes:
        """The bytes of the chunk."""
        data = b"".join(self.entries)
        return b"".join((write_head(self.head._replace(crc=checksum(data))), self.bloom, data, self.trailer))


class SegmentEnd(NamedTuple):
    """A segment to which nothing will be appended any more."""

    name: SegmentName
    size: int
    records: bytes
    """Of its index."""


class SegmentChanges:
    """Changes to segments, to be made in this order."""

    __slots__ = ("chunks", "deleted", "dropped", "ended", "marked")

    def __init__(self) -> None:
        self.chunks: list[ChunkWrite] = []
        self.ended: list[SegmentEnd] = []
        self.marked: list[SegmentEnd] = []
        """The indexes, so far, of segments that have grown much: they may be written, so that a start is quicker."""
        self.dropped: list[SegmentName] = []
        self.deleted: list[int] = []
        """Streams that are gone. Their segments go when the changes of the same batch are durable."""

    def __bool__(self) -> bool:
        return bool(self.chunks or self.dropped or self.deleted)


class SegmentState(NamedTuple):
    """A segment that was found at a start."""

    first: int
    end: int
    """The offset behind its last message."""
    size: int
    first_ms: int
    last: IndexRecord
    """Its last chunk with messages."""
    epoch: int
    chunk_count: int
    """The number of chunks; 0 if nobody counted them, because nothing will be appended."""
    records: bytes | None
    """Of its index; None: to be read when they are needed."""
    tail: IndexRecord | None = None
    """Its last chunk of any type; None if that does not matter, because nothing will be appended."""
    tracking: bytes | None = None
    """The tracking at its end; None if nobody has looked."""


class Segments(Protocol):
    """The place where segments are kept."""

    def read(self, name: SegmentName, position: int, size: int, *, may_wait: bool = False) -> bytes | None:
        """Reads up to so many bytes; fewer at the end of the segment. None if that would have to wait for the disk and
        may not. Raises what the store raises."""

    def read_index(self, name: SegmentName) -> bytes:
        """Reads, or makes anew, the index of a segment that has ended."""

    def release(self, names: list[SegmentName]) -> None:
        """Is told that segments will not be read any more."""

    def recover(self, stream: int, *, is_clean: bool) -> list[SegmentState]:
        """Finds the segments of a stream in their order, when a broker starts; what was not written whole is cut off.
        `is_clean` if the last stop was clean."""

    def keep(self, streams: set[int]) -> None:
        """Deletes all streams but these, when a broker starts."""


class Walk(NamedTuple):
    """The chunks that were found in a segment, one after the other."""

    end: int
    """The position behind the last whole chunk."""
    next_offset: int
    last: IndexRecord | None
    """The last one with messages, or if none has any, the first one; None if there is none."""
    epoch: int
    chunk_count: int
    tail: IndexRecord | None
    """The last one of any type."""
    tracking: bytes
    """The tracking at the end."""


def walk(
    data: bytes | memoryview, index: Index, *, position: int, next_offset: int, checks_from: int, size: int
) -> Walk:
    """Walks over the chunks of a segment from a position on, as far as they are whole and fit together; adds to the
    index. From `checks_from` on their data are checked, too."""
    last: IndexRecord | None = None
    tail: IndexRecord | None = None
    epoch, count, tracking = 0, 0, Tracking()
    while position + HEAD_SIZE <= size:
        try:
            head = read_head(data, position)
        except MalformedValue:
            break
        end = position + head.size
        if end > size or head.offset != next_offset or not head.is_sound:
            break
        if position >= checks_from and checksum(data[position + head.data_at : end - head.trailer_size]) != head.crc:
            break
        if head.kind == SNAPSHOT:
            tracking = Tracking()
        at = end - head.trailer_size
        raw = data[at:end] if head.kind == USER else data[position + head.data_at : at]
        if raw and not tracking.apply(bytes(raw)):
            break
        tail, epoch, count = IndexRecord(head.offset, head.timestamp_ms, position), head.epoch, count + 1
        if head.kind == USER or last is None:
            last = tail
        note(index, tail)
        position, next_offset = end, next_offset + head.records
    return Walk(position, next_offset, last, epoch, count, tail, tracking.encoded())


def note(index: Index, chunk: IndexRecord) -> None:
    """Adds a chunk to the index, unless an earlier one is near enough."""
    last = index.last()
    if last is None or chunk.position - last.position >= INDEX_BYTES:
        index.add(chunk)


def state_of(first: int, found: Walk, index: Index) -> SegmentState:
    """The state of a segment all of whose chunks were walked over, of which there is at least one."""
    assert found.last is not None
    return SegmentState(
        first,
        found.next_offset,
        found.end,
        index[0].timestamp_ms,
        found.last,
        found.epoch,
        found.chunk_count,
        bytes(index.raw),
        found.tail,
        found.tracking,
    )


class MemorySegments:
    """Segments in memory."""

    def __init__(self) -> None:
        self._content: dict[SegmentName, bytearray] = {}
        self._indexes: dict[SegmentName, bytes] = {}

    def apply(self, changes: SegmentChanges) -> None:
        for chunk in changes.chunks:
            if chunk.position == FIRST_AT:
                self._content[chunk.name] = bytearray(FILE_HEADER)
            content = self._content[chunk.name]
            del content[chunk.position :]
            content += chunk.encoded()
        for end in changes.ended:
            self._indexes[end.name] = end.records
        self._drop(changes.dropped)
        deleted = set(changes.deleted)
        if deleted:
            self._drop([name for name in self._content if name.stream in deleted])

    def _drop(self, names: Iterable[SegmentName]) -> None:
        for name in names:
            self._content.pop(name, None)
            self._indexes.pop(name, None)

    def read(self, name: SegmentName, position: int, size: int, *, may_wait: bool = False) -> bytes | None:
        return bytes(self._content[name][position : position + size])

    def read_index(self, name: SegmentName) -> bytes:
        return self._indexes[name]

    def release(self, names: list[SegmentName]) -> None:
        """Does nothing: nothing is open."""

    def recover(self, stream: int, *, is_clean: bool) -> list[SegmentState]:
        names = sorted(name for name in self._content if name.stream == stream)
        return [self._state(name) for name in names]

    def _state(self, name: SegmentName) -> SegmentState:
        content, index = bytes(self._content[name]), Index()
        size = len(content)
        found = walk(content, index, position=FIRST_AT, next_offset=name.first, checks_from=FIRST_AT, size=size)
        return state_of(name.first, found, index)

    def keep(self, streams: set[int]) -> None:
        self._drop([name for name in self._content if name.stream not in streams])
