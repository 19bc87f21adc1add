"""A reader: a place in a log, and the messages from there on.

It reads what it was asked for and a little more, from the byte where it stands, and keeps nothing of it. So a reader
costs the same wherever it stands and however many there are; what several read at the same time is in the operating
system's cache.

What it cannot read without waiting for the disk, it says in `cold`, and goes on there when it is asked again.
"""

from typing import Final

from amqpy.core.streams.bloom import Wanted
from amqpy.core.streams.log import Segment, StreamLog
from amqpy.core.streams.segments import FIRST_AT, SegmentRange
from amqpy.wire.chunk import HEAD_SIZE, USER, ChunkHead, read_entry, read_head, sub_batch_messages, write_head

BLOCK_MIN: Final = 4 * 1024
BLOCK_MAX: Final = 128 * 1024
"""Bytes that are read at once, unless a single message is larger."""
PASSED_MAX: Final = 500
"""Chunks that are passed over at once."""


class Reader:
    """A place in a log."""

    __slots__ = (
        "_at",
        "_average",
        "_block",
        "_block_at",
        "_chunk_end",
        "_head",
        "_left",
        "_may_wait",
        "_position",
        "_segment",
        "_wanted",
        "cold",
        "log",
        "offset",
    )

    def __init__(self, log: StreamLog, offset: int, wanted: Wanted | None = None, *, may_wait: bool = False) -> None:
        """With `wanted`, chunks are passed over that have no such message. With `may_wait` it waits for the disk."""
        self.log = log
        self.offset = offset
        """Of the next message to be taken; nothing before it is."""
        self.cold: SegmentRange | None = None
        """The bytes for which it must wait, or None."""
        self._wanted = wanted
        self._may_wait = may_wait
        self._segment: Segment | None = None
        self._position = FIRST_AT
        """The position in the segment: of the next entry, or of a chunk if no entry is left in this one."""
        self._at = 0
        """The offset there."""
        self._left = 0
        """The entries that are left in the chunk."""
        self._chunk_end = 0
        self._head: ChunkHead | None = None
        """The header of the chunk."""
        self._average = 256
        """The size of a message, roughly."""
        self._block, self._block_at = b"", 0

    def at(self, offset: int) -> "Reader":
        """A reader like this one at another place."""
        return Reader(self.log, offset, self._wanted, may_wait=self._may_wait)

    @property
    def is_behind(self) -> bool:
        """True if there may be a message for it."""
        return self.offset < self.log.committed

    def take(self, count: int, size_max: int) -> list[tuple[int, bytes]]:
        """Takes the next messages with their offsets: at most `count`, and no more once they have `size_max` bytes. It
        may be fewer, or none, although it `is_behind`."""
        self.cold = None
        found: list[tuple[int, bytes]] = []
        passed = 0
        try:
            while len(found) < count and size_max > 0 and self.is_behind and passed < PASSED_MAX:
                if self._segment is None or self._segment.is_dropped:
                    self._seek()
                    continue
                if self._left:
                    size = self._take_entry(found, count)
                    if size < 0:
                        break
                    size_max -= size
                else:
                    passed += 1
                    if not self._open_chunk(count):
                        break
        finally:
            self._block = b""
        return found

    def take_chunk(self, ahead: int) -> tuple[bytes, bytes] | None:
        """Takes the next chunk whole: its header and its data. None if there is none, or none yet although it
        `is_behind`. It reads as many bytes ahead as so many messages have, which `release` frees."""
        self.cold = None
        passed = 0
        while self.is_behind and passed < PASSED_MAX:
            if self._segment is None or self._segment.is_dropped:
                self._seek()
            elif not self._left:
                passed += 1
                if not self._open_chunk(ahead):
                    return None
            else:
                head = self._head
                assert head is not None
                if not self._need(head.data_size, ahead):
                    return None
                at = self._position - self._block_at
                data = self._block[at : at + head.data_size]
                self._position = self._chunk_end
                self._at = head.offset + head.records
                self._left = 0
                self.offset = max(self.offset, self._at)
                return write_head(head), data
        return None

    def release(self) -> None:
        """Frees what was read ahead."""
        self._block = b""

    def _seek(self) -> None:
        log = self.log
        self.offset = max(self.offset, log.first)
        if not self.is_behind:
            return  # all that may be read was dropped
        segment = self._segment = log.segment_of(self.offset)
        chunk = log.index_of(segment).at_offset(self.offset)
        self._at, self._position = (segment.first, FIRST_AT) if chunk is None else (chunk.offset, chunk.position)
        self._left = 0
        self._block = b""

    def _open_chunk(self, count: int) -> bool:
        """Goes to the next chunk. False if it cannot be read now."""
        segment = self._segment
        assert segment is not None
        if self._at >= segment.end:
            segment = self._segment = self.log.segment_after(segment)
            self._at, self._position, self._block = segment.first, FIRST_AT, b""
        if not self._need(HEAD_SIZE, count):
            return False
        head = read_head(self._block, self._position - self._block_at)
        end, its_filter = self._at + head.records, b""
        is_passed = head.kind != USER or end <= self.offset
        if not is_passed and self._wanted is not None:
            if not self._need(head.data_at, count):
                return False
            at = self._position - self._block_at + HEAD_SIZE
            its_filter = self._block[at : at + head.filter_size]
            is_passed = not self._wanted.may_match(its_filter)
        if is_passed:
            self._position += head.size
            self._at = end
            self.offset = max(self.offset, end)
            return True
        self._chunk_end = self._position + head.size
        self._position += head.data_at
        self._left, self._head = head.entries, head
        return True

    def _take_entry(self, found: list[tuple[int, bytes]], count: int) -> int:
        """Takes the messages of the next entry; returns their size, or -1 if it cannot be read now. Those before the
        place have none."""
        entry = read_entry(self._block, self._position - self._block_at) if self._block else None
        if entry is None:
            # The head of a sub-batch is longer than that of a message, and there is always as much in a chunk.
            if not self._need(min(11, self._chunk_end - self._position), count - len(found)):
                return -1
            entry = read_entry(self._block, self._position - self._block_at)
            if entry is None:
                raise LookupError(f"the chunk before byte {self._chunk_end} of stream {self.log.number} is damaged")
        size = entry.end - (self._position - self._block_at)
        if entry.end > len(self._block):
            if not self._need(size, count - len(found)):
                return -1
            entry = read_entry(self._block, self._position - self._block_at)
            assert entry is not None
        raw = self._block[entry.start : entry.end]
        taken_size = len(raw) if self._at + entry.records > self.offset else 0
        if entry.compression is None:
            if self._at >= self.offset:
                found.append((self._at, raw))
        elif entry.compression == 0 and not self._take_batch(raw, found, count):
            return taken_size
        self._position += size
        self._at += entry.records
        self._left -= 1
        if not self._left:
            self._position = self._chunk_end
        self.offset = max(self.offset, self._at)
        self._average = (3 * self._average + len(raw)) // 4
        return taken_size

    def _take_batch(self, raw: bytes, found: list[tuple[int, bytes]], count: int) -> bool:
        """Takes messages of a sub-batch. False if some are left in it."""
        for offset, message in enumerate(sub_batch_messages(raw), self._at):
            if offset >= self.offset:
                if len(found) >= count:
                    return False
                found.append((offset, message))
                self.offset = offset + 1
        return True

    def _need(self, size: int, count: int) -> bool:
        """Reads the next bytes, at least so many; more, for so many messages. False if that would have to wait."""
        at = self._position - self._block_at
        if self._block and at >= 0 and at + size <= len(self._block):
            return True
        assert self._segment is not None
        name = self.log.name_of(self._segment)
        wanted = max(size, min(max(count * (self._average + 16) + HEAD_SIZE, BLOCK_MIN), BLOCK_MAX))
        # A file may be longer than what is written.
        wanted = min(wanted, self._segment.size - self._position)
        block = self.log.source.read(name, self._position, wanted, may_wait=self._may_wait)
        if block is None:
            self.cold = SegmentRange(name, self._position, wanted)
            return False
        if len(block) < size:
            raise LookupError(f"segment {name.first} of stream {name.stream} ends at {self._position + len(block)}")
        self._block, self._block_at = block, self._position
        return True
