"""The log of a stream: offsets, segments, and what waits to be written.

    segments                                     pending
    first … … … … … … … … … … committed … frozen  …  next

Messages are appended to what is pending. `freeze` makes chunks of it, which somebody writes, and `commit` says that
they are written: only then may they be read. What gathers while one write goes on becomes the next chunks, so these are
as large as the disk is slow. Offsets have no holes.

The log decides where each byte goes, and whoever writes needs to know nothing else. It holds no messages but those
pending: of what is written it has a list of segments and the index of each, 24 bytes for 64 KiB.
"""

from bisect import bisect_right
from collections.abc import Iterator
from typing import Final

from amqpy.core.streams import bloom
from amqpy.core.streams.retention import expired_count
from amqpy.core.streams.segments import (
    FIRST_AT,
    INDEX_BYTES,
    ChunkWrite,
    Index,
    IndexRecord,
    SegmentChanges,
    SegmentEnd,
    SegmentName,
    Segments,
    SegmentState,
    note,
)
from amqpy.wire.chunk import ENTRIES_MAX, HEAD_SIZE, USER, ChunkHead, entry_of, read_head

CHUNK_BYTES_MAX: Final = 1 << 20
"""Bytes of the entries of a chunk, unless a single one is larger."""
SEGMENT_BYTES: Final = 500_000_000
"""The size of a segment after which a new one begins, where nobody says."""
SEGMENT_CHUNKS_MAX: Final = 256_000
MARK_BYTES: Final = 16 * 1024 * 1024
"""Bytes by which a segment grows before its index is written, although it has not ended."""
SEGMENTS_MAX: Final = 5_000
"""Segments from which on they become larger than was said, so that there are not too many."""


class Segment:
    """A segment of a log."""

    __slots__ = ("chunk_count", "end", "first", "first_ms", "index", "is_dropped", "last", "size")

    def __init__(self, first: int, timestamp_ms: int) -> None:
        self.first = self.end = first
        """The offsets of its first message, and behind its last one."""
        self.size = FIRST_AT
        self.first_ms = timestamp_ms
        """The timestamp of its first chunk."""
        self.last = IndexRecord(first, timestamp_ms, FIRST_AT)
        """Its last chunk."""
        self.chunk_count = 0
        self.index: Index | None = Index()
        """None before it is read from the store."""
        self.is_dropped = False

    @classmethod
    def restored(cls, state: SegmentState) -> "Segment":
        segment = cls(state.first, state.first_ms)
        segment.end, segment.size, segment.last = state.end, state.size, state.last
        segment.chunk_count = state.chunk_count
        segment.index = None if state.records is None else Index(state.records)
        return segment

    @property
    def last_ms(self) -> int:
        return self.last.timestamp_ms


class StreamLog:
    """The log of one stream. Times are Unix time."""

    def __init__(self, segments: Segments, number: int | None = None) -> None:
        self.source = segments
        """The place where its segments are."""
        self.number = number
        """Of the stream; None before it has one."""
        self.segments: list[Segment] = []
        self.next = 0
        """The offset of the next message that is appended."""
        self.frozen = 0
        """The offset behind the last message that is in a chunk."""
        self.committed = 0
        """The offset behind the last message that may be read."""
        self.last_chunk = 0
        """The offset of the first message of the last chunk that may be read."""
        self.bytes_max: int | None = None
        self.age_max_ms: int | None = None
        self.segment_bytes = SEGMENT_BYTES
        self.filter_bytes = bloom.SIZE
        self._epoch = 1
        self._entries: list[bytes] = []
        self._filter_values: dict[int, bytes] = {}
        """Those of pending messages that have any, by offset."""
        self._timestamp_ms = 0

    @property
    def first(self) -> int:
        """The offset of the first message there is; that of the next one if there is none."""
        return self.segments[0].first if self.segments else self.frozen

    @property
    def size(self) -> int:
        """The bytes of all segments."""
        return sum(segment.size for segment in self.segments)

    def name_of(self, segment: Segment) -> SegmentName:
        assert self.number is not None
        return SegmentName(self.number, segment.first)

    # --- writing

    def append(self, message: bytes, filter_value: bytes | None, now_ms: int) -> int:
        """Appends a message; returns the bytes that it takes."""
        entry = entry_of(message)
        self._entries.append(entry)
        if filter_value is not None:
            self._filter_values[self.next] = filter_value
        self.next += 1
        if now_ms > self._timestamp_ms:
            self._timestamp_ms = now_ms
        return len(entry)

    @property
    def has_pending(self) -> bool:
        return self.frozen < self.next

    def freeze(self, changes: SegmentChanges) -> None:
        """Makes chunks of what is pending: adds what is to be written. The last ones must be committed before."""
        entries, self._entries = self._entries, []
        values, self._filter_values = self._filter_values, {}
        start, count = 0, len(entries)
        while start < count:
            size, end = len(entries[start]), start + 1
            while end < count and end - start < ENTRIES_MAX and size + len(entries[end]) <= CHUNK_BYTES_MAX:
                size += len(entries[end])
                end += 1
            some = entries if end - start == count else entries[start:end]
            self._write(some, size, self._filter_for(values, end - start), changes)
            start = end

    def _filter_for(self, values: dict[int, bytes], count: int) -> bytes:
        if not values:
            return b""
        found = [values.get(offset) for offset in range(self.frozen, self.frozen + count)]
        if all(value is None for value in found):
            return b""
        return bloom.filter_of((bloom.UNFILTERED if value is None else value for value in found), self.filter_bytes)

    def _write(self, entries: list[bytes], size: int, its_filter: bytes, changes: SegmentChanges) -> None:
        segment = self._segment(changes)
        count, chunk = len(entries), IndexRecord(self.frozen, self._timestamp_ms, segment.size)
        head = ChunkHead(USER, count, count, chunk.timestamp_ms, self._epoch, chunk.offset, 0, size, 0, len(its_filter))
        changes.chunks.append(ChunkWrite(self.name_of(segment), chunk.position, head, its_filter, entries))
        note(self.index_of(segment), chunk)
        self.frozen += count
        segment.end, segment.last = self.frozen, chunk
        segment.size += head.size
        segment.chunk_count += 1
        if segment.size // MARK_BYTES > chunk.position // MARK_BYTES:
            mark = SegmentEnd(self.name_of(segment), segment.size, bytes(self.index_of(segment).raw))
            changes.marked.append(mark)

    def _segment(self, changes: SegmentChanges) -> Segment:
        """The segment for the next chunk: the last one, or a new one if that is full."""
        segments = self.segments
        if segments:
            last = segments[-1]
            limit = self.segment_bytes
            if len(segments) >= SEGMENTS_MAX:
                limit = max(limit, self.size // SEGMENTS_MAX)
            if last.size < limit and last.chunk_count < SEGMENT_CHUNKS_MAX:
                return last
            self._end(last, changes)
        segment = Segment(self.frozen, self._timestamp_ms)
        segments.append(segment)
        self.drop_expired(self._timestamp_ms, changes)
        return segment

    def _end(self, segment: Segment, changes: SegmentChanges) -> None:
        index = self.index_of(segment)
        if index.last() != segment.last:
            index.add(segment.last)
        changes.ended.append(SegmentEnd(self.name_of(segment), segment.size, bytes(index.raw)))

    def commit(self) -> None:
        """Is told that the chunks that were made are written."""
        self.committed = self.frozen
        if self.segments:
            self.last_chunk = self.segments[-1].last.offset

    def drop_expired(self, now_ms: int, changes: SegmentChanges) -> None:
        """Drops the segments that the retention does not keep."""
        count = expired_count(self.segments, now_ms, bytes_max=self.bytes_max, age_max_ms=self.age_max_ms)
        if not count:
            return
        for segment in self.segments[:count]:
            segment.is_dropped = True
            changes.dropped.append(self.name_of(segment))
        self.source.release([self.name_of(segment) for segment in self.segments[:count]])
        del self.segments[:count]

    def close(self) -> None:
        """Is told that the stream is deleted: nothing can be read any more."""
        if self.number is not None:
            self.source.release([self.name_of(segment) for segment in self.segments])
        for segment in self.segments:
            segment.is_dropped = True
        self.segments = []
        self._entries, self._filter_values = [], {}
        self.frozen = self.committed = self.next

    def restore(self, number: int, states: list[SegmentState]) -> None:
        """Takes the segments that were found at a start."""
        self.number = number
        self.segments = [Segment.restored(state) for state in states]
        if states:
            last = states[-1]
            self.next = self.frozen = last.end
            self._timestamp_ms, self._epoch = last.last.timestamp_ms, last.epoch + 1
            self.commit()

    # --- reading

    @property
    def length(self) -> int:
        """The number of messages that may be read."""
        return max(self.committed - self.first, 0)

    def index_of(self, segment: Segment) -> Index:
        if segment.index is None:
            segment.index = Index(self.source.read_index(self.name_of(segment)))
        return segment.index

    def segment_of(self, offset: int) -> Segment:
        """The segment that has the offset; the first one for those before. There must be one."""
        place = bisect_right(self.segments, offset, key=lambda segment: segment.first)
        return self.segments[max(place - 1, 0)]

    def segment_after(self, segment: Segment) -> Segment:
        """The next segment; there must be one."""
        return self.segments[bisect_right(self.segments, segment.first, key=lambda each: each.first)]

    def chunks_from(self, segment: Segment, chunk: IndexRecord | None) -> Iterator[tuple[int, ChunkHead]]:
        """Yields the positions and headers of the chunks of a segment from one on that may be read; None is the first.
        This may wait for the disk."""
        offset, position = (segment.first, FIRST_AT) if chunk is None else (chunk.offset, chunk.position)
        block, block_at = b"", position
        while offset < min(segment.end, self.committed):
            if position + HEAD_SIZE > block_at + len(block):
                found = self.source.read(self.name_of(segment), position, INDEX_BYTES, may_wait=True)
                assert found is not None
                block, block_at = found, position
            head = read_head(block, position - block_at)
            yield position, head
            offset, position = offset + head.records, position + head.size
