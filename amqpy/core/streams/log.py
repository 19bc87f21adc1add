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
from collections import deque
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
from amqpy.core.streams.tracking import Tracking, encode
from amqpy.wire.chunk import ENTRIES_MAX, HEAD_SIZE, SNAPSHOT, TRACKING, USER, ChunkHead, entry_of, read_head

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

    __slots__ = ("chunk_count", "end", "first", "first_ms", "index", "is_dropped", "last", "size", "tail")

    def __init__(self, first: int, timestamp_ms: int) -> None:
        self.first = self.end = first
        """The offsets of its first message, and behind its last one."""
        self.size = FIRST_AT
        self.first_ms = timestamp_ms
        """The timestamp of its first chunk."""
        self.last = self.tail = IndexRecord(first, timestamp_ms, FIRST_AT)
        """Its last chunk with messages, and of any type."""
        self.chunk_count = 0
        self.index: Index | None = Index()
        """None before it is read from the store."""
        self.is_dropped = False

    @classmethod
    def restored(cls, state: SegmentState) -> "Segment":
        segment = cls(state.first, state.first_ms)
        segment.end, segment.size, segment.last = state.end, state.size, state.last
        segment.chunk_count, segment.tail = state.chunk_count, state.tail or state.last
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
        """Those of pending entries that have any, by their numbers."""
        self._records: dict[int, int] = {}
        """The numbers of messages in pending sub-batches, likewise."""
        self._timestamp_ms = 0
        self.tracking = Tracking()
        """All that is remembered now, also of messages that are pending."""
        self._tracked = Tracking()
        """The same as of what is in chunks."""
        self._sequences: deque[tuple[int, str, list[int]]] = deque()
        """Publishing ids of pending entries: the number of the first one, and the name of the publisher."""
        self._offsets: dict[str, int] = {}
        """Offsets of consumers that are pending."""

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
        self.append_entry(entry, 1, filter_value, now_ms)
        return len(entry)

    def append_entry(self, entry: bytes, records: int, filter_value: bytes | None, now_ms: int) -> None:
        """Appends an entry, which is a message or a sub-batch with so many."""
        if filter_value is not None:
            self._filter_values[len(self._entries)] = filter_value
        if records != 1:
            self._records[len(self._entries)] = records
        self._entries.append(entry)
        self.next += records
        if now_ms > self._timestamp_ms:
            self._timestamp_ms = now_ms

    def note_sequences(self, name: str, ids: list[int]) -> None:
        """Notes that the last entries are of a named publisher, with these publishing ids."""
        self._sequences.append((len(self._entries) - len(ids), name, ids))
        self.tracking.note_sequence(name, ids[-1])

    def store_offset(self, name: str, offset: int) -> None:
        """Stores an offset of a consumer, which is written with the next chunk, or by itself."""
        self._offsets[name] = offset
        self.tracking.store_offset(name, offset)

    @property
    def has_pending(self) -> bool:
        return self.frozen < self.next or bool(self._offsets)

    @property
    def has_offsets(self) -> bool:
        """True if offsets of consumers are pending."""
        return bool(self._offsets)

    def freeze(self, changes: SegmentChanges) -> None:
        """Makes chunks of what is pending: adds what is to be written. The last ones must be committed before."""
        entries, self._entries = self._entries, []
        values, self._filter_values = self._filter_values, {}
        records, self._records = self._records, {}
        start, count = 0, len(entries)
        while start < count:
            size, end = len(entries[start]), start + 1
            while end < count and end - start < ENTRIES_MAX and size + len(entries[end]) <= CHUNK_BYTES_MAX:
                size += len(entries[end])
                end += 1
            some = entries if end - start == count else entries[start:end]
            its_records = end - start
            if records:
                its_records += sum(records.get(number, 1) - 1 for number in range(start, end))
            segment = self._segment(changes)
            parts = (self._filter_for(values, start, end), self._trailer(end))
            self._write(segment, some, its_records, size, *parts, changes)
            start = end
        self._sequences.clear()
        if self._offsets:
            segment = self._segment(changes, may_end=False)
            self._write_tracking(TRACKING, segment, self._trailer(0), changes)

    def _trailer(self, end: int) -> bytes:
        """The tracking of the next chunk, which ends before this entry. A new segment is begun before: its snapshot
        must not be ahead of what is in chunks."""
        if not self._sequences and not self._offsets:
            return b""
        sequences: dict[str, int] = {}
        while self._sequences and self._sequences[0][0] < end:
            first, name, ids = self._sequences[0]
            if first + len(ids) > end:
                sequences[name] = ids[end - first - 1]
                break
            sequences[name] = ids[-1]
            self._sequences.popleft()
        offsets, self._offsets = self._offsets, {}
        trailer = encode(sequences, offsets)
        self._tracked.apply(trailer)
        return trailer

    def _filter_for(self, values: dict[int, bytes], start: int, end: int) -> bytes:
        if not values:
            return b""
        found = [values.get(number) for number in range(start, end)]
        if all(value is None for value in found):
            return b""
        return bloom.filter_of((bloom.UNFILTERED if value is None else value for value in found), self.filter_bytes)

    def _write(
        self,
        segment: Segment,
        entries: list[bytes],
        records: int,
        size: int,
        its_filter: bytes,
        trailer: bytes,
        changes: SegmentChanges,
    ) -> None:
        chunk = IndexRecord(self.frozen, self._timestamp_ms, segment.size)
        counts = (len(entries), records)
        sizes = (size, len(trailer), len(its_filter))
        head = ChunkHead(USER, *counts, chunk.timestamp_ms, self._epoch, chunk.offset, 0, *sizes)
        changes.chunks.append(ChunkWrite(self.name_of(segment), chunk.position, head, its_filter, entries, trailer))
        note(self.index_of(segment), chunk)
        self.frozen += records
        segment.end = self.frozen
        segment.last = segment.tail = chunk
        segment.size += head.size
        segment.chunk_count += 1
        if segment.size // MARK_BYTES > chunk.position // MARK_BYTES:
            # A start walks from the last chunk of this index on, and must find all tracking there.
            self._write_snapshot(segment, changes)
            mark = SegmentEnd(self.name_of(segment), segment.size, bytes(self.index_of(segment).raw))
            changes.marked.append(mark)

    def _write_snapshot(self, segment: Segment, changes: SegmentChanges) -> None:
        """Writes all tracking of what is in chunks, if there is any."""
        raw = self._tracked.encoded()
        if raw:
            self._write_tracking(SNAPSHOT, segment, raw, changes)
            index = self.index_of(segment)
            if index.last() != segment.tail:
                index.add(segment.tail)

    def _write_tracking(self, kind: int, segment: Segment, raw: bytes, changes: SegmentChanges) -> None:
        chunk = IndexRecord(self.frozen, self._timestamp_ms, segment.size)
        head = ChunkHead(kind, 0, 0, chunk.timestamp_ms, self._epoch, chunk.offset, 0, len(raw), 0, 0)
        changes.chunks.append(ChunkWrite(self.name_of(segment), chunk.position, head, b"", [raw]))
        note(self.index_of(segment), chunk)
        segment.tail = chunk
        segment.size += head.size
        segment.chunk_count += 1

    def _segment(self, changes: SegmentChanges, *, may_end: bool = True) -> Segment:
        """The segment for the next chunk: the last one, or a new one if that is full."""
        segments = self.segments
        if segments:
            last = segments[-1]
            if not may_end or last.first == self.frozen:
                return last  # one without messages has the name that a new one would have
            limit = self.segment_bytes
            if len(segments) >= SEGMENTS_MAX:
                limit = max(limit, self.size // SEGMENTS_MAX)
            if last.size < limit and last.chunk_count < SEGMENT_CHUNKS_MAX:
                return last
            self._end(last, changes)
        segment = Segment(self.frozen, self._timestamp_ms)
        segments.append(segment)
        self._write_snapshot(segment, changes)
        self.drop_expired(self._timestamp_ms, changes)
        return segment

    def _end(self, segment: Segment, changes: SegmentChanges) -> None:
        index = self.index_of(segment)
        if index.last() != segment.tail:
            index.add(segment.tail)
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
        self._entries, self._filter_values, self._records = [], {}, {}
        self._sequences.clear()
        self._offsets = {}
        self.frozen = self.committed = self.next

    def restore(self, number: int, states: list[SegmentState]) -> None:
        """Takes the segments that were found at a start."""
        self.number = number
        self.segments = [Segment.restored(state) for state in states]
        if states:
            last = states[-1]
            self.next = self.frozen = last.end
            self._timestamp_ms, self._epoch = last.last.timestamp_ms, last.epoch + 1
            for tracking in (self.tracking, self._tracked):
                tracking.apply(last.tracking or b"")
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
