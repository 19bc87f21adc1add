"""The log of a stream: chunks, segments, retention, readers."""

# ruff: noqa: SLF001 (it looks into segments, and puts there what AMQP clients cannot write)

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amqpy.core.streams.bloom import Wanted, filter_of
from amqpy.core.streams.log import CHUNK_BYTES_MAX, SEGMENTS_MAX, StreamLog
from amqpy.core.streams.reader import BLOCK_MAX, PASSED_MAX
from amqpy.core.streams.retention import expired_count
from amqpy.core.streams.segments import (
    FILE_HEADER,
    FIRST_AT,
    INDEX_BYTES,
    Index,
    IndexRecord,
    MemorySegments,
    SegmentChanges,
    SegmentName,
    Segments,
)
from amqpy.wire.chunk import ENTRIES_MAX, ChunkHead, checksum, entry_of, read_head, write_head
from tests.core.streams.logs import EVERYTHING, ScriptedLog, all_of


def test_what_is_pending_is_one_chunk() -> None:
    stream = ScriptedLog()
    stream.append(b"one", b"two")
    assert (stream.log.next, stream.log.frozen, stream.log.has_pending) == (2, 0, True)
    (chunk,) = stream.freeze().chunks
    data = entry_of(b"one") + entry_of(b"two")
    head = ChunkHead(0, 2, 2, stream.now_ms, 1, 0, checksum(data), len(data), 0, 0)
    assert chunk.encoded() == write_head(head) + data
    assert (chunk.name, chunk.position) == (SegmentName(1, 0), FIRST_AT)
    assert not stream.log.has_pending
    assert not stream.freeze()


def test_nothing_is_read_before_it_is_written() -> None:
    stream = ScriptedLog()
    reader = stream.reader()
    stream.append(b"one")
    assert not reader.is_behind
    changes = stream.freeze()
    assert reader.take(10, 10) == []
    stream.append(b"two")
    stream.segments.apply(changes)
    stream.log.commit()
    assert reader.take(10, 10) == [(0, b"one")]
    assert stream.log.length == 1


def test_large_chunks_are_divided() -> None:
    stream = ScriptedLog()
    half = bytes(CHUNK_BYTES_MAX // 2)
    changes = stream.write(half, half, half, bytes(2 * CHUNK_BYTES_MAX), b"last")
    assert [chunk.head.entries for chunk in changes.chunks] == [1, 1, 1, 1, 1]
    changes = stream.write(*[b""] * (ENTRIES_MAX + 1))
    assert [chunk.head.entries for chunk in changes.chunks] == [ENTRIES_MAX, 1]
    assert [len(message) for _, message in stream.read()][:5] == [len(half)] * 3 + [2 * CHUNK_BYTES_MAX, 4]


def test_time_does_not_step_back() -> None:
    stream = ScriptedLog()
    stream.write(b"one")
    stream.now_ms -= 5000
    (chunk,) = stream.write(b"two").chunks
    assert chunk.head.timestamp_ms == stream.now_ms + 5000


# --- segments


def test_a_full_segment_ends() -> None:
    stream = ScriptedLog(segment_bytes=101)
    first = stream.write(bytes(40))
    assert not first.ended
    second = stream.write(bytes(40))
    assert not second.ended
    third = stream.write(bytes(40))
    (end,) = third.ended
    assert (end.name, end.size) == (SegmentName(1, 0), FIRST_AT + 2 * (48 + 44))
    assert third.chunks[0].name == SegmentName(1, 2)
    index = Index(end.records)
    assert [index[number] for number in range(len(index))] == [
        IndexRecord(0, stream.now_ms, FIRST_AT),
        IndexRecord(1, stream.now_ms, FIRST_AT + 92),
    ]
    assert stream.segments.read(SegmentName(1, 0), 0, 8) == FILE_HEADER


def test_an_index_has_a_chunk_of_each_64_kib() -> None:
    stream = ScriptedLog()
    for _ in range(200):
        stream.write(bytes(1000))
    (segment,) = stream.log.segments
    index = stream.log.index_of(segment)
    positions = [index[number].position for number in range(len(index))]
    assert positions[0] == FIRST_AT
    assert all(0 <= b - a - INDEX_BYTES <= 1052 for a, b in pairwise(positions))


def test_there_are_never_too_many_segments() -> None:
    stream = ScriptedLog(segment_bytes=0)
    for _ in range(SEGMENTS_MAX + 2000):
        stream.append(b"")
        stream.freeze()
    assert len(stream.log.segments) < SEGMENTS_MAX + 1500


def test_a_restart() -> None:
    stream = ScriptedLog(segment_bytes=200)
    for number in range(20):
        stream.write(b"%d" % number * 10)
    again = stream.restarted()
    assert again.read() == stream.read()
    assert (again.log.next, again.log.last_chunk) == (20, 19)
    (chunk,) = again.write(b"more").chunks
    assert (chunk.head.epoch, chunk.head.offset) == (2, 20)
    assert again.restarted().read() == again.read()


@pytest.mark.parametrize(("place", "expected"), [(9, 9), (5, 5), (1, 1)])
def test_damage_ends_the_log(place: int, expected: int) -> None:
    segments = MemorySegments()
    stream = ScriptedLog(segments)
    for number in range(10):
        stream.write(b"%d" % number)
    size = 48 + 4 + 1
    segments._content[SegmentName(1, 0)][FIRST_AT + place * size + size - 1] ^= 1
    assert stream.restarted().log.committed == expected


# --- retention


class Part:
    def __init__(self, size: int, last_ms: int) -> None:
        self.size, self.last_ms = size, last_ms


@pytest.mark.parametrize(
    ("bytes_max", "age_max_ms", "expected"),
    [
        (None, None, 0),
        (300, None, 0),
        (299, None, 1),
        (200, None, 1),
        (100, None, 2),
        (99, None, 2),
        (0, None, 2),
        (None, 30, 0),
        (None, 29, 1),
        (None, 19, 2),
        (None, 0, 2),
        (250, 19, 2),
        (100, 29, 2),
    ],
)
def test_retention(bytes_max: int | None, age_max_ms: int | None, expected: int) -> None:
    parts = [Part(100, 10), Part(100, 20), Part(100, 30)]
    assert expired_count(parts, 40, bytes_max=bytes_max, age_max_ms=age_max_ms) == expected
    assert not expired_count([], 40, bytes_max=bytes_max, age_max_ms=age_max_ms)


def test_retention_is_looked_at_when_a_segment_begins() -> None:
    segments = MemorySegments()
    stream = ScriptedLog(segments, segment_bytes=100)
    stream.log.bytes_max = 250
    for number in range(20):
        stream.write(b"%d" % number * 20)
        assert stream.log.size <= 250 + 200
    assert stream.log.first > 10
    assert stream.read()[0][0] == stream.log.first
    assert set(segments._content) == {SegmentName(1, segment.first) for segment in stream.log.segments}


def test_age() -> None:
    stream = ScriptedLog(segment_bytes=1)
    stream.log.age_max_ms = 1000
    for _ in range(5):
        stream.write(b"m")
        stream.now_ms += 400
    assert stream.log.first == 2
    stream.now_ms += 10_000
    assert stream.expire() == 2
    assert stream.read() == [(4, b"m")]


# --- readers


def test_a_reader_goes_on_where_it_was() -> None:
    stream = ScriptedLog(segment_bytes=150)
    reader = stream.reader()
    for number in range(30):
        stream.write(b"%d" % number)
    found = []
    while reader.is_behind:
        found += reader.take(4, EVERYTHING)
    assert found == [(number, b"%d" % number) for number in range(30)]
    stream.write(b"x", b"y")
    assert reader.take(1, EVERYTHING) == [(30, b"x")]
    assert reader.take(9, EVERYTHING) == [(31, b"y")]


def test_enough_is_enough() -> None:
    stream = ScriptedLog()
    stream.write(*[bytes(100)] * 10)
    reader = stream.reader()
    assert len(reader.take(100, 250)) == 3
    assert len(reader.take(2, EVERYTHING)) == 2


def test_an_offset_within_a_chunk() -> None:
    stream = ScriptedLog()
    stream.write(*[b"%d" % number for number in range(10)])
    assert stream.read(7) == [(7, b"7"), (8, b"8"), (9, b"9")]
    assert stream.reader(7).take(1, 1) == [(7, b"7")]


def test_an_offset_beyond_the_end_is_waited_for() -> None:
    stream = ScriptedLog()
    reader = stream.reader(5)
    stream.write(*[b"m"] * 5)
    assert reader.take(9, EVERYTHING) == []
    assert not reader.is_behind
    stream.write(b"six", b"seven")
    assert all_of(reader) == [(5, b"six"), (6, b"seven")]


def test_a_reader_in_a_segment_that_is_dropped_goes_on_at_the_first() -> None:
    stream = ScriptedLog(segment_bytes=1)
    reader = stream.reader()
    for number in range(10):
        stream.write(b"%d" % number)
    assert reader.take(2, EVERYTHING) == [(0, b"0"), (1, b"1")]
    stream.log.bytes_max = 200
    stream.expire()
    assert all_of(reader) == [(7, b"7"), (8, b"8"), (9, b"9")]


def test_nothing_can_be_read_of_a_stream_that_is_gone() -> None:
    stream = ScriptedLog()
    reader, late = stream.reader(), stream.reader()
    stream.write(b"a", b"b")
    assert reader.take(1, EVERYTHING) == [(0, b"a")]
    stream.log.close()
    assert reader.take(1, EVERYTHING) == late.take(1, EVERYTHING) == []
    assert not reader.is_behind


def test_all_that_may_be_read_was_dropped() -> None:
    """A new segment is not written yet, and those before it are too large."""
    stream = ScriptedLog(segment_bytes=1)
    stream.log.bytes_max = 1
    reader = stream.reader()
    stream.write(b"a")
    stream.append(b"b")
    changes = stream.freeze()
    assert stream.log.first == 1
    assert reader.take(1, EVERYTHING) == []
    stream.apply(changes)
    stream.log.commit()
    assert all_of(reader) == [(1, b"b")]


def test_large_messages() -> None:
    stream = ScriptedLog()
    sizes = [0, BLOCK_MAX - 60, BLOCK_MAX, BLOCK_MAX + 1, 3 * BLOCK_MAX, 5]
    for size in sizes:
        stream.write(bytes(size), b"m")
    reader = stream.reader()
    found = []
    while reader.is_behind:
        found += [len(message) for _, message in reader.take(3, EVERYTHING)]
    assert found == [size for each in sizes for size in (each, 1)]


class Cold(MemorySegments):
    """Segments of which nothing is in the system's cache before it was fetched."""

    def __init__(self) -> None:
        super().__init__()
        self.is_cold = False

    def read(self, name: SegmentName, position: int, size: int, *, may_wait: bool = False) -> bytes | None:
        return None if self.is_cold and not may_wait else super().read(name, position, size)


def test_a_reader_says_what_it_must_wait_for() -> None:
    segments = Cold()
    stream = ScriptedLog(segments)
    stream.write(b"one", b"two")
    stream.write(bytes(BLOCK_MAX))
    reader = stream.reader()
    segments.is_cold = True
    assert reader.take(1, EVERYTHING) == []
    assert reader.cold is not None
    assert (reader.cold.name, reader.cold.position) == (SegmentName(1, 0), FIRST_AT)
    assert reader.is_behind
    segments.is_cold = False
    assert reader.take(1, EVERYTHING) == [(0, b"one")]
    assert reader.cold is None
    assert [offset for offset, _ in all_of(reader)] == [1, 2]


def sub_batch(compression: int, *messages: bytes) -> bytes:
    data = b"".join(map(entry_of, messages))
    head = bytes((0x80 | compression << 4,)) + len(messages).to_bytes(2, "big")
    return head + len(data).to_bytes(4, "big") * 2 + data


def chunk_with(offset: int, records: int, *entries: bytes, kind: int = 0) -> bytes:
    data = b"".join(entries)
    return write_head(ChunkHead(kind, len(entries), records, 1, 1, offset, checksum(data), len(data), 0, 0)) + data


def test_sub_batches_and_chunks_of_tracking() -> None:
    segments = MemorySegments()
    segments._content[SegmentName(1, 0)] = bytearray(
        FILE_HEADER
        + chunk_with(0, 0, kind=2)
        + chunk_with(0, 4, entry_of(b"a"), sub_batch(0, b"b", b"c"), entry_of(b"d"))
        + chunk_with(4, 5, sub_batch(1, b"?", b"?", b"?"), sub_batch(0, b"e", b"f"))
        + chunk_with(9, 0, kind=1)
        + chunk_with(9, 1, entry_of(b"g"))
    )
    log = StreamLog(segments)
    log.restore(1, segments.recover(1, is_clean=False))
    stream = ScriptedLog(segments)
    stream.log = log
    everything = [(0, b"a"), (1, b"b"), (2, b"c"), (3, b"d"), (7, b"e"), (8, b"f"), (9, b"g")]
    assert stream.read() == everything
    for start in range(10):
        assert stream.read(start) == [each for each in everything if each[0] >= start]
    reader, found = stream.reader(), []
    while reader.is_behind:
        found += reader.take(1, EVERYTHING)
    assert found == everything


# --- filters


def test_a_chunk_is_passed_over_if_it_has_none_of_the_values() -> None:
    stream = ScriptedLog()
    stream.write(b"a1", b"a2", filter_value=b"a")
    stream.write(b"b", filter_value=b"b")
    stream.write(b"none")
    stream.append(b"a3", filter_value=b"a")
    stream.write(b"beside")

    def seen(*values: bytes, unfiltered: bool = False) -> list[bytes]:
        return [message for _, message in all_of(stream.reader(0, values=values, unfiltered=unfiltered))]

    assert seen(b"a") == [b"a1", b"a2", b"a3", b"beside"]
    assert seen(b"b") == [b"b"]
    assert seen(b"a", b"b") == [b"a1", b"a2", b"b", b"a3", b"beside"]
    assert seen(b"c") == []
    assert seen(b"c", unfiltered=True) == [b"none", b"a3", b"beside"]


def test_very_many_chunks_are_passed_over_bit_by_bit() -> None:
    stream = ScriptedLog()
    for _ in range(2 * PASSED_MAX):
        stream.write(b"a", filter_value=b"a")
    stream.write(b"b", filter_value=b"b")
    reader = stream.reader(0, values=(b"b",))
    assert reader.take(1, EVERYTHING) == []
    assert reader.is_behind
    assert all_of(reader) == [(2 * PASSED_MAX, b"b")]


@given(st.lists(st.binary(max_size=10), min_size=1, max_size=20), st.integers(16, 255))
def test_no_value_is_missed(values: list[bytes], size: int) -> None:
    bloom = filter_of(values, size)
    assert len(bloom) == size
    assert all(Wanted([value], match_unfiltered=False).may_match(bloom) for value in values)


def test_most_others_are_not_taken_for_one_that_is_there() -> None:
    bloom = filter_of([b"invoices"])
    others = [b"%d" % number for number in range(1000)]
    assert sum(Wanted([value], match_unfiltered=False).may_match(bloom) for value in others) < 20


def test_filters_of_the_size_that_is_set() -> None:
    stream = ScriptedLog()
    stream.log.filter_bytes = 100
    changes = stream.write(b"a", filter_value=b"a")
    assert len(changes.chunks[0].bloom) == 100
    assert read_head(changes.chunks[0].encoded()).filter_size == 100


def test_memory_is_freed_with_the_stream() -> None:
    stream = ScriptedLog(segment_bytes=1)
    stream.write(b"a")
    stream.write(b"b")
    changes = SegmentChanges()
    changes.deleted.append(1)
    stream.segments.apply(changes)
    assert stream.segments.recover(1, is_clean=True) == []
    segments: Segments = stream.segments
    stream.write(b"c")
    segments.keep({2})
    assert segments.recover(1, is_clean=True) == []
