"""A store in memory, for tests and for programs that embed a broker: its content lives as long as the object.

It outlives the broker that uses it: after `close`, or after `crash`, another one may `load` it.
"""

from bisect import bisect_left
from collections.abc import Iterator

from amqpy.core.durability.journal import POSITION_BITS, POSITIONS, Batch
from amqpy.core.durability.records import KEYS, Change, Drop, LaneRecord, LaneState, Loaded, Record
from amqpy.core.message import Message
from amqpy.core.streams.segments import MemorySegments, SegmentRange
from amqpy.store.rows import MessageReader, expiry_of, traces_of


class MemoryStore:
    """A store in dictionaries, with the behaviour of SqliteStore."""

    def __init__(self) -> None:
        self._records: dict[type[Record], dict[tuple[object, ...], Record]] = {kind: {} for kind in KEYS}
        self._lanes: dict[int, _Lane] = {}
        self.segments = MemorySegments()
        self._pending: list[Batch] = []
        self._synced = 0
        self._is_clean = True

    def load(self) -> Loaded:
        records = [record for kind in self._records.values() for record in kind.values()]
        known = {record.number for record in records if isinstance(record, LaneRecord)}
        self._lanes = {number: lane for number, lane in self._lanes.items() if number in known}
        for lane in self._lanes.values():
            lane.forget_transient()
        states = {number: lane.state() for number, lane in self._lanes.items() if lane.rows}
        loaded = Loaded(records, states, self._is_clean, frozenset())
        self._pending.clear()
        self._synced = 0
        self._is_clean = False
        return loaded

    def append(self, batch: Batch) -> None:
        self._pending.append(batch)

    def sync(self) -> int:
        for batch in self._pending:
            self._apply(batch)
            self._synced = batch.number
        self._pending.clear()
        return self._synced

    def tidy(self) -> bool:
        return False

    def read_ahead(self, first: int, last: int) -> None:
        """Does nothing: everything is in memory."""

    def fetch(self, ranges: list[SegmentRange]) -> None:
        """Does nothing, either."""

    def close(self, *, is_clean: bool) -> None:
        if is_clean:
            self.sync()
        self._is_clean = is_clean

    def crash(self) -> None:
        """Loses everything that was not synced, as if the process had been killed."""
        self.close(is_clean=False)

    # --- batches

    def _apply(self, batch: Batch) -> None:
        if batch.segments is not None:
            self.segments.apply(batch.segments)
        for change in batch.changes:
            self._apply_change(change)
        for first, last in batch.cleared:
            for number in range(first >> POSITION_BITS, (last >> POSITION_BITS) + 1):
                if number in self._lanes:
                    self._lanes[number].clear(first, last)
        for key in batch.removed:
            if key >> POSITION_BITS in self._lanes:
                self._lanes[key >> POSITION_BITS].rows.pop(key, None)
        for key, message in batch.added.items():
            lane = self._lanes.setdefault(key >> POSITION_BITS, _Lane())
            lane.add(key, _Row(batch, key, message))

    def _apply_change(self, change: Change) -> None:
        record = change.record
        records = self._records[type(record)]
        key = tuple(record[: KEYS[type(record)]])
        if isinstance(change, Drop):
            records.pop(key, None)
        else:
            records[key] = record

    # --- reading

    def read(
        self, first: int, last: int, *, count_max: int, size_max: int, unix_offset_ms: int
    ) -> list[tuple[int, Message]]:
        reader = MessageReader(unix_offset_ms)
        found: list[tuple[int, Message]] = []
        for number in sorted(
            number for number in self._lanes if first >> POSITION_BITS <= number <= last >> POSITION_BITS
        ):
            for key, row in self._lanes[number].rows_from(first):
                if key > last or len(found) == count_max or size_max <= 0:
                    return found
                found.append((key, row.message(reader)))
                size_max -= len(row.body)
        return found

    def read_lane(self, number: int, *, unix_offset_ms: int) -> Iterator[tuple[int, Message, int | None]]:
        reader = MessageReader(unix_offset_ms)
        for key, row in self._lanes.get(number, _Lane()).rows_from(0):
            yield key % POSITIONS, row.message(reader), reader.due_at_ms(row.traces)


class _Row:
    """A message as a database would hold it."""

    __slots__ = ("address", "body", "expires_at", "header", "traces", "transient")

    def __init__(self, batch: Batch, key: int, message: Message) -> None:
        self.address = message.address
        self.header = message.header
        self.body = message.body
        self.expires_at = expiry_of(message, batch.unix_offset_ms)
        self.traces = traces_of(message, batch.due_times.get(key), batch.unix_offset_ms)
        self.transient = key in batch.transient

    def message(self, reader: MessageReader) -> Message:
        return reader.message(self.expires_at, self.traces, self.address, self.header, self.body)


class _Lane:
    """Rows by key, with the sorted keys beside them; those of removed rows are dropped when they are the majority."""

    __slots__ = ("_order", "rows")

    def __init__(self) -> None:
        self.rows: dict[int, _Row] = {}
        self._order: list[int] = []

    def add(self, key: int, row: _Row) -> None:
        self.rows[key] = row
        order = self._order
        if not order or order[-1] < key:
            order.append(key)
            return
        at = bisect_left(order, key)
        if order[at] != key:
            order.insert(at, key)

    def rows_from(self, first: int) -> Iterator[tuple[int, _Row]]:
        rows = self.rows
        if len(self._order) > 2 * len(rows):
            self._order = sorted(rows)
        order = self._order
        for at in range(bisect_left(order, first), len(order)):
            row = rows.get(order[at])
            if row is not None:
                yield order[at], row

    def clear(self, first: int, last: int) -> None:
        for key in [key for key in self.rows if first <= key <= last]:
            del self.rows[key]

    def forget_transient(self) -> None:
        for key in [key for key, row in self.rows.items() if row.transient]:
            del self.rows[key]

    def state(self) -> LaneState:
        size = sum(len(row.body) for row in self.rows.values())
        return LaneState(len(self.rows), min(self.rows) % POSITIONS, max(self.rows) % POSITIONS + 1, size)
