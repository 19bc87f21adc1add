"""The changes and messages that are to be made durable, gathered into a batch while the previous one is written.

Messages lie in *lanes*, each at a position that is never used again. Lane and position make the message's key, one
number. A message that is published and settled before its batch is taken costs no write.

The journal is pure state: the flusher takes a batch, makes it durable, and calls `written`. It also reads messages that
are not in memory, so that queues need not know whether they are on disk already.
"""

from collections import deque
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from amqpy.core.durability.records import Change, Drop, LaneRecord, Put, Record
from amqpy.core.message import Message
from amqpy.core.streams.segments import SegmentChanges, SegmentName, SegmentRange, Segments

POSITION_BITS = 42
POSITIONS = 1 << POSITION_BITS
"""Positions in a lane: at 100,000 messages a second they last for 500 days."""

LANES = 1 << 21

RESTING_LANES = 1024
"""Numbers of closed lanes that are kept unused before the first of them is used again. The store deletes many messages
bit by bit, and an insertion among them would have to wait for that."""

OVERHEAD = 512
"""Bytes that a message in a batch is counted for beside its body."""


class DueTime(NamedTuple):
    """A note on a delayed message."""

    due_at_ms: int
    """The time at which the delay is over."""


class Waiter(Hashable, Protocol):
    """Is told when a batch becomes durable."""

    def on_durable(self, number: int) -> None:
        """Is called when all batches up to this number are durable."""


class StoredStream(Hashable, Protocol):
    """A stream, whose messages are in segments."""

    def freeze(self, changes: SegmentChanges) -> None:
        """Adds what is to be written of it with the batch that is taken."""

    def written(self) -> None:
        """Is told that this is durable."""

    def fetched(self) -> None:
        """Is told that what it wanted to read can be read without waiting."""


class Batch:
    """Changes and messages that become durable together. A store applies, in this order: segments (but for what they
    delete, which comes last), changes, cleared, removed, added."""

    __slots__ = (
        "added",
        "changes",
        "cleared",
        "due_times",
        "hidden",
        "number",
        "removed",
        "segments",
        "streams",
        "transient",
        "unix_offset_ms",
        "waiting",
    )

    def __init__(self, number: int) -> None:
        self.number = number
        """Batches are numbered from 1, in each run of the broker."""
        self.changes: list[Change] = []
        self.cleared: list[tuple[int, int]] = []
        """Ranges of keys, both ends included, of which all messages are gone."""
        self.removed: list[int] = []
        """Keys of messages that are gone. Some may never have been stored."""
        self.added: dict[int, Message] = {}
        """New messages by key, in the order in which they were added."""
        self.due_times: dict[int, DueTime] = {}
        """The due times of delayed messages among those added, by key."""
        self.hidden: set[int] = set()
        """Keys of messages that were removed and not read: as long as they are in the store, nobody may find them."""
        self.transient: set[int] = set()
        """Keys of those added that are only paged to disk, and gone after a restart."""
        self.streams: dict[StoredStream, None] = {}
        """Streams to which messages were appended."""
        self.segments: SegmentChanges | None = None
        """Changes to segments of streams: the chunks of those messages are among them once it is taken."""
        self.waiting: dict[Waiter, None] = {}
        """The waiters to be told when the batch is durable."""
        self.unix_offset_ms = 0
        """Added to times of messages and notes it gives Unix time."""

    @property
    def is_empty(self) -> bool:
        """True if nothing in it is to be written."""
        return not (self.has_rows or self.streams or self.segments)

    @property
    def has_rows(self) -> bool:
        """True if it has more than segments of streams."""
        return bool(self.added or self.removed or self.cleared or self.changes)

    def segment_changes(self) -> SegmentChanges:
        """The changes to segments, to be added to."""
        if self.segments is None:
            self.segments = SegmentChanges()
        return self.segments


class Source(Protocol):
    """The source of messages that are not in memory: a store."""

    @property
    def segments(self) -> Segments:
        """Those of streams."""

    def read(
        self, first: int, last: int, *, count_max: int, size_max: int, unix_offset_ms: int
    ) -> list[tuple[int, Message]]:
        """Reads the next durable messages with keys from `first` to `last`, in order: at most `count_max`, and no more
        once their bodies have `size_max` bytes; at least one, if there is any."""


class Journal:
    """The batches of one broker that has a store."""

    __slots__ = (
        "_closed_lanes",
        "_lane_count",
        "_source",
        "_unix_offset_ms",
        "_written",
        "added_count",
        "batch",
        "changes_count",
        "cold",
        "is_awaited",
        "overflow_count",
        "read_size",
        "size",
        "wanted",
        "writing",
    )

    def __init__(self, source: Source, unix_offset_ms: Callable[[], int], *, is_awaited: bool = True) -> None:
        self._source = source
        self._unix_offset_ms = unix_offset_ms
        self.is_awaited = is_awaited
        """True if confirms and replies wait until changes are durable."""
        self.batch = Batch(1)
        """The batch that gathers."""
        self.writing: Batch | None = None
        """The batch that was taken and is not durable yet, or None."""
        self.size = 0
        """The approximate bytes of memory of the batch that gathers."""
        self.added_count = 0
        """The number of messages ever added that survive: if it grew in a turn, confirms of the turn must wait."""
        self.overflow_count = 0
        """The number of messages ever added that are only paged to disk: if it grows, their publisher may be slowed
        down."""
        self.changes_count = 0
        """The number of changes ever made, and of ranges cleared: if it grew in a method, its reply must wait."""
        self.read_size = 0
        """Bytes of bodies ever read from the store."""
        self.wanted: tuple[int, int] | None = None
        """Keys of messages on disk that will be read soon."""
        self.cold: dict[StoredStream, list[SegmentRange]] = {}
        """Bytes of segments that streams cannot read without waiting for the disk."""
        self._lane_count = 0
        self._closed_lanes: deque[tuple[int, int]] = deque()
        """The numbers of closed lanes, and of the batches that clear them."""
        self._written = 0
        """The last batch that is durable."""

    # --- changes

    def put(self, record: Record) -> None:
        self.batch.changes.append(Put(record))
        self.changes_count += 1

    def drop(self, record: Record) -> None:
        self.batch.changes.append(Drop(record))
        self.changes_count += 1

    def open_lane(self, record: LaneRecord | None) -> int:
        """Opens a lane that `record` describes, or one that does not survive a restart; returns its number. Raises
        OverflowError when there are too many."""
        closed = self._closed_lanes
        is_used_up = self._lane_count == LANES - 1
        if closed and (is_used_up or len(closed) > RESTING_LANES) and closed[0][1] <= self._written:
            number = closed.popleft()[0]
        elif not is_used_up:
            number = self._lane_count = self._lane_count + 1
        else:
            raise OverflowError("too many lanes")
        if record is not None:
            self.put(record._replace(number=number))
        return number

    def use_lanes(self, numbers: set[int]) -> None:
        """Marks these numbers as in use, when the broker starts."""
        self._lane_count = max(numbers, default=0)
        self._closed_lanes = deque((number, 0) for number in range(1, self._lane_count) if number not in numbers)

    def close_lane(self, number: int, record: LaneRecord | None, *, end: int = POSITIONS) -> None:
        """Deletes a lane with its messages, none of which will be removed one by one any more. No position from `end`
        on was ever used."""
        if record is not None:
            self.drop(record._replace(number=number))
        first = number << POSITION_BITS
        self._forget(first, first + end)
        self.batch.cleared.append((first, first + POSITIONS - 1))
        self.changes_count += 1
        # The messages can still be read until their deletion is durable.
        self._closed_lanes.append((number, self.batch.number))

    # --- messages

    def add(self, key: int, message: Message, note: DueTime | None = None, *, transient: bool = False) -> None:
        batch = self.batch
        batch.added[key] = message
        self.size += len(message.body) + OVERHEAD
        if transient:
            batch.transient.add(key)
            self.overflow_count += 1
            return
        self.added_count += 1
        if note is not None:
            batch.due_times[key] = note

    def add_all(self, first: int, messages: list[Message], size: int, *, transient: bool = False) -> None:
        """Adds messages whose keys follow one another from `first` on, and whose bodies have `size` bytes."""
        batch, count = self.batch, len(messages)
        keys = range(first, first + count)
        batch.added.update(zip(keys, messages, strict=True))
        self.size += size + OVERHEAD * count
        if transient:
            batch.transient.update(keys)
            self.overflow_count += count
        else:
            self.added_count += count

    def remove(self, key: int) -> None:
        message = self.batch.added.pop(key, None)
        if message is None:
            self.batch.removed.append(key)
        else:
            self.size -= len(message.body) + OVERHEAD

    def remove_all(self, keys: Sequence[int]) -> None:
        """`remove` for many."""
        added, removed = self.batch.added, self.batch.removed
        if not added:
            removed += keys
            return
        found = [added.pop(key, None) for key in keys]
        there = [message for message in found if message is not None]
        self.size -= sum([len(message.body) for message in there]) + OVERHEAD * len(there)
        if len(there) < len(found):
            removed += [key for key, message in zip(keys, found, strict=True) if message is None]

    def clear(self, first: int, last: int) -> None:
        """Removes all messages with keys from `first` to `last`."""
        self._forget(first, last + 1)
        self.batch.cleared.append((first, last))
        self.changes_count += 1

    def _forget(self, first: int, end: int) -> None:
        """Removes the messages with keys from `first` on and before `end` from the batch that gathers."""
        added = self.batch.added
        if end - first < len(added):
            keys = [key for key in range(first, end) if key in added]
        else:
            keys = [key for key in added if first <= key < end]
        for key in keys:
            self.size -= len(added.pop(key).body) + OVERHEAD

    def hide(self, key: int) -> None:
        """Notes that a message is about to be removed although it was not read yet."""
        self.batch.hidden.add(key)

    # --- streams

    @property
    def segments(self) -> Segments:
        """The segments of streams."""
        return self._source.segments

    def append(self, stream: StoredStream, count: int, size: int) -> None:
        """Notes that so many messages were appended to a stream, which take so many bytes."""
        self.batch.streams[stream] = None
        self.added_count += count
        self.size += size

    def drop_segments(self, names: list[SegmentName]) -> None:
        """Deletes segments that a stream does not keep any more."""
        self.batch.segment_changes().dropped.extend(names)
        self.changes_count += 1

    def close_stream(self, stream: StoredStream, number: int, record: LaneRecord) -> None:
        """Deletes a stream with its segments."""
        self.batch.streams.pop(stream, None)
        self.cold.pop(stream, None)
        self.batch.segment_changes().deleted.append(number)
        self.close_lane(number, record, end=0)

    def fetched(self, streams: Iterable[StoredStream]) -> None:
        """Tells streams that what they wanted to read can be read without waiting."""
        for stream in streams:
            stream.fetched()

    # --- reading

    def read(self, first: int, last: int, *, count_max: int, size_max: int) -> list[tuple[int, Message]]:
        """Reads the next messages with keys from `first` to `last`, at least one if there is any. Those that are not
        durable yet come after the durable ones."""
        batches = [batch for batch in (self.writing, self.batch) if batch is not None]
        hidden = batches[0].hidden if len(batches) == 1 else batches[0].hidden | batches[1].hidden
        while found := self._source.read(
            first, last, count_max=count_max, size_max=size_max, unix_offset_ms=self._unix_offset_ms()
        ):
            self.read_size += sum(len(message.body) for _, message in found)
            if shown := [entry for entry in found if entry[0] not in hidden] if hidden else found:
                return shown
            first = found[-1][0] + 1
        waiting = [batch.added for batch in batches]
        return _next_of(waiting, hidden, first, last, count_max=count_max, size_max=size_max)

    # --- writing

    @property
    def has_work(self) -> bool:
        """True if there is a batch to be taken."""
        return self.writing is None and not (self.batch.is_empty and not self.batch.waiting)

    def take(self) -> Batch | None:
        """Returns the batch to be written next, or None if it is empty and has no waiters; a new one gathers from now
        on. An empty one, of which everything was settled already, is durable when those before it are."""
        assert self.writing is None
        batch = self.batch
        if batch.is_empty and not batch.waiting:
            return None
        batch.unix_offset_ms = self._unix_offset_ms()
        for stream in batch.streams:
            stream.freeze(batch.segment_changes())
        self.writing = batch
        self.batch = Batch(batch.number + 1)
        self.size = 0
        return batch

    def written(self) -> None:
        """Tells the waiters of the batch that was taken that it is durable."""
        batch, self.writing = self.writing, None
        assert batch is not None
        self._written = batch.number
        for stream in batch.streams:
            stream.written()
        for waiter in batch.waiting:
            waiter.on_durable(batch.number)


def _next_of(
    waiting: Sequence[Mapping[int, Message]],
    hidden: Collection[int],
    first: int,
    last: int,
    *,
    count_max: int,
    size_max: int,
) -> list[tuple[int, Message]]:
    """The next messages with keys from `first` to `last`, in order. Most keys follow one another; but after a restart
    there may be unused ones, and messages may have been removed from among the others."""
    found: list[tuple[int, Message]] = []
    keys: Iterator[int] | None = None
    key = first
    while key <= last and count_max > len(found) and size_max > 0:
        message = next((added[key] for added in waiting if key in added and key not in hidden), None)
        if message is not None:
            found.append((key, message))
            size_max -= len(message.body)
            key += 1
            continue
        if keys is None:
            keys = iter(sorted(each for added in waiting for each in added if key < each <= last))
        key = next((each for each in keys if each > key), last + 1)
    return found
