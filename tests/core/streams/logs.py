"""A log, and what a test says to it."""

from amqpy.core.streams.bloom import Wanted
from amqpy.core.streams.log import StreamLog
from amqpy.core.streams.places import Place, find
from amqpy.core.streams.reader import Reader
from amqpy.core.streams.segments import MemorySegments, SegmentChanges
from amqpy.store.segments import SegmentFiles

EVERYTHING = 10**9
AnySegments = MemorySegments | SegmentFiles


class ScriptedLog:
    """A stream whose clock a test moves; its segments are in memory, unless others are given."""

    def __init__(self, segments: AnySegments | None = None, *, segment_bytes: int = 10**9) -> None:
        self.segments = segments or MemorySegments()
        self.log = StreamLog(self.segments, 1)
        self.log.segment_bytes = segment_bytes
        self.now_ms = 1_000_000

    def append(self, *messages: bytes, filter_value: bytes | None = None) -> None:
        for message in messages:
            self.log.append(message, filter_value, self.now_ms)

    def freeze(self) -> SegmentChanges:
        changes = SegmentChanges()
        self.log.freeze(changes)
        return changes

    def write(self, *messages: bytes, filter_value: bytes | None = None) -> SegmentChanges:
        """Appends messages, as one chunk if they are few."""
        self.append(*messages, filter_value=filter_value)
        changes = self.freeze()
        self.apply(changes)
        self.log.commit()
        return changes

    def apply(self, changes: SegmentChanges) -> None:
        self.segments.apply(changes)
        if isinstance(self.segments, SegmentFiles):
            self.segments.clear_away(changes)

    def expire(self) -> int:
        changes = SegmentChanges()
        self.log.drop_expired(self.now_ms, changes)
        self.apply(changes)
        return len(changes.dropped)

    def find(self, place: Place) -> int:
        return find(self.log, place, self.now_ms)

    def reader(self, offset: int = 0, *, values: tuple[bytes, ...] | None = None, unfiltered: bool = False) -> Reader:
        wanted = None if values is None else Wanted(values, match_unfiltered=unfiltered)
        return Reader(self.log, offset, wanted)

    def read(self, offset: int = 0, count: int = EVERYTHING) -> list[tuple[int, bytes]]:
        return all_of(self.reader(offset), count)

    def restarted(self, segments: AnySegments | None = None, *, is_clean: bool = False) -> "ScriptedLog":
        """The log as the next broker finds it, in the same segments or others."""
        again = ScriptedLog(segments or self.segments, segment_bytes=self.log.segment_bytes)
        again.log.restore(1, again.segments.recover(1, is_clean=is_clean))
        again.now_ms = self.now_ms
        return again


def all_of(reader: Reader, count: int = EVERYTHING) -> list[tuple[int, bytes]]:
    found: list[tuple[int, bytes]] = []
    while reader.is_behind and len(found) < count:
        before = reader.offset
        found += reader.take(count - len(found), EVERYTHING)
        assert reader.offset > before, "it stands still"
    return found
