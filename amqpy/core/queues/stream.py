"""Streams: queues whose messages stay when they were consumed, and that many consumers read, each from its own place.

A message goes into the log as sections of AMQP 1.0. With a store it is there for consumers when its batch is written,
which is when its confirm is sent; without one, at the end of the turn. An acknowledgement is only credit.

A consumer that can take messages stands in line while there are any for it. It waits apart when it has read all there
is, and when what comes next must be fetched from the disk; so those who wait cost nothing, wherever they stand.

Without a store the log is in memory, and has a limit: beyond it the oldest segments are dropped, whatever the retention
says.

Source: `rabbit_stream_queue`.
"""

from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Final

from amqpy.core.arguments import STREAM, Settings
from amqpy.core.consumer import Consumer, DeliveryCount
from amqpy.core.durability.records import LaneRecord, LaneState
from amqpy.core.message import Message, address_of
from amqpy.core.names import queue_text
from amqpy.core.queues.kept_queue import KeptQueue
from amqpy.core.queues.queue import READ_MAX, SIZED_MAX, Ahead, Fate, check_is_lasting
from amqpy.core.queues.ready_fifo import Place
from amqpy.core.statistics import Counts, Sizes, delivery_stats
from amqpy.core.streams import bloom
from amqpy.core.streams.checks import check_sizes, wanted_of
from amqpy.core.streams.log import SEGMENT_BYTES, StreamLog
from amqpy.core.streams.places import find, interval_ms, place_of
from amqpy.core.streams.reader import Reader
from amqpy.core.streams.readers import ChunkReaders
from amqpy.core.streams.segments import MemorySegments, SegmentChanges, SegmentRange
from amqpy.errors import PreconditionFailed, Unimplemented
from amqpy.profile import Profile
from amqpy.wire.outbox import HIGH
from amqpy.wire.section_reader import SectionReader
from amqpy.wire.section_writer import SectionWriter
from amqpy.wire.values import Table

MEMORY_BYTES_MAX: Final = 256 * 1024 * 1024
MEMORY_SEGMENT_BYTES: Final = 8 * 1024 * 1024
"""The most bytes of a stream, and of a segment, in a broker without a store."""

RUN_MESSAGES: Final = 250
RUN_BYTES: Final = 64 * 1024
"""Messages, and bytes of them, that a consumer is given at once, before it is the turn of the next one."""
TURN_MESSAGES: Final = 2000
"""Messages that a stream delivers in one turn."""

AGE_CHECK_MS: Final = 3_600_000
"""The time between two looks for segments that are too old."""
OFFSETS_MS: Final = 1000
"""The time for which offsets of consumers wait for messages to be written with."""
OVERHEAD: Final = 100
"""Bytes that a message in a batch is counted for beside its own."""

DELIVERED: Final = Message(b"\0\0", bytes(14), b"")
"""Stands for a message that is unacknowledged: the log has it."""


class StreamConsumer(Consumer):
    """A consumer with a place of its own. `reader` is set when it is added."""

    __slots__ = ("reader",)
    reader: Reader

    def can_take(self) -> bool:
        """True if it may get a message. Nothing is delivered in advance to a client that does not read."""
        return self.credit > 0 and self.unacked.has_room and self.target.outbox.size < HIGH

    def deliver_all(self, positions: Sequence[int], messages: list[Message]) -> None:
        """Delivers messages, and keeps nothing of them but their offsets."""
        queue, unacked, count = self.queue, self.unacked, len(messages)
        self.credit -= count
        queue.delivered_count += count
        if unacked.limit:
            tag = unacked.last_tag + 1
            for position in positions:
                unacked.add(queue, position, DELIVERED, self)
        else:
            tag = unacked.add_all(queue, positions, [DELIVERED] * count, self)
        self.target.deliver_all(tag, messages)


class StreamQueue(KeptQueue):
    """A queue of type `stream`."""

    type: ClassVar[str] = STREAM
    consumer_type: ClassVar[Callable[..., Consumer]] = StreamConsumer
    refusal_fails_commit: ClassVar[bool] = False
    counts_what_is_deleted: ClassVar[bool] = False
    __slots__ = (
        "_address",
        "_age_at_ms",
        "_at_end",
        "_cold",
        "_line",
        "_log",
        "_memory",
        "_offsets_at_ms",
        "_reader",
        "_restored",
        "_writer",
        "native",
    )

    def __init__(self, *arguments: Any, **properties: Any) -> None:  # noqa: ANN401 (those of a queue)
        super().__init__(*arguments, **properties)
        journal = self.scheduler.journal
        self._memory = MemorySegments() if journal is None else None
        """The segments of a broker without a store."""
        if journal is None:
            assert self._memory is not None
            self._log = StreamLog(self._memory, 0)
        else:
            self._log = StreamLog(journal.segments)
        self._restored = 0
        """The offset of the first message that was published since the broker started."""
        self._writer, self._reader = SectionWriter(self.vhost.profile), SectionReader(self.vhost.profile)
        self._address = address_of("", self.name)
        """Of messages that do not say how they came."""
        self.tracks_settlement = False
        self._line: deque[StreamConsumer] = deque()
        """Consumers that can take messages, for which there may be some. Some may have left."""
        self._at_end: dict[StreamConsumer, None] = {}
        """Consumers that can take messages, for which there are none."""
        self._cold: dict[StreamConsumer, None] = {}
        """Consumers whose messages are being fetched from the disk."""
        self._age_at_ms: int | None = None
        """The time of the next look for segments that are too old."""
        self._offsets_at_ms: int | None = None
        """The time at which offsets that were stored are written."""
        self.native = ChunkReaders(self)
        """Those who speak the stream protocol."""

    def configure(self, settings: Settings) -> None:
        """Applies what arguments and policies come to: the retention at once, sizes to what is written from now on."""
        super().configure(settings)
        log = self._log
        log.bytes_max = settings.max_length_bytes
        log.age_max_ms = None if settings.max_age is None else interval_ms(settings.max_age)
        log.segment_bytes = SEGMENT_BYTES if settings.segment_bytes is None else settings.segment_bytes
        log.filter_bytes = settings.filter_bytes or bloom.SIZE
        if self._memory is not None:
            log.segment_bytes = min(log.segment_bytes, MEMORY_SEGMENT_BYTES)
            limit = MEMORY_BYTES_MAX - MEMORY_SEGMENT_BYTES
            log.bytes_max = limit if log.bytes_max is None else min(log.bytes_max, limit)
        self._drop_expired()

    @property
    def log(self) -> StreamLog:
        return self._log

    # --- counts

    @property
    def ready_count(self) -> int:
        return self._log.length

    @property
    def in_memory_count(self) -> int:
        return 0 if self._memory is None else self._log.length

    @property
    def unacked_count(self) -> int:
        """None: what is delivered is still in the stream."""
        return 0

    @property
    def declared_consumer_count(self) -> int:
        return 0

    def ready_sizes(self, count_max: int = SIZED_MAX) -> Sizes:
        """The size of the log: with properties, and what else is stored."""
        size, count = self._log.size, self._log.length
        return Sizes(size, size) if self._memory is not None else Sizes(size, 0, count, size)

    def is_persistent(self, message: Message) -> bool:
        return self._memory is None

    def message_stats(self) -> Counts:
        counts = self.counts
        publish = self._log.next - self._restored - counts.of_broker
        acked = self.settled_count - counts.requeued
        return {"publish": publish, "ack": acked, **delivery_stats(self.delivered_count, 0, counts)}

    # --- messages in

    def publish(self, message: Message) -> bool:
        return self._append((message,))

    def publish_all(self, messages: list[Message]) -> Collection[int]:
        self._append(messages)
        return ()

    def _append(self, messages: Sequence[Message]) -> bool:
        if self.deleted:
            return False
        log, write, now_ms = self._log, self._writer.write, self.scheduler.unix_time_ms()
        size = 0
        for message in messages:
            entry, filter_value = write(message.address, message.header, message.body)
            size += log.append(entry, filter_value, now_ms) + OVERHEAD
        self._appended(len(messages), size)
        return False

    def append_entries(
        self, entries: Sequence[tuple[bytes, int, bytes | None]], sequence: tuple[str, list[int]] | None = None
    ) -> None:
        """Appends entries as a chunk has them, with the numbers of their messages and their filter values; and the name
        of their publisher with the publishing ids, where these count."""
        log, now_ms = self._log, self.scheduler.unix_time_ms()
        size = 0
        for entry, records, filter_value in entries:
            log.append_entry(entry, records, filter_value, now_ms)
            size += len(entry) + OVERHEAD
        if sequence is not None:
            log.note_sequences(*sequence)
        self._appended(len(entries), size)

    def store_offset(self, reference: str, offset: int) -> None:
        """Stores an offset of a consumer. It is written with the next messages, or after a second."""
        if not self._log.has_offsets:
            self._offsets_at_ms = self.scheduler.now_ms + OFFSETS_MS
            self._set_timer()
        self._log.store_offset(reference, offset)

    def write_offsets(self) -> None:
        """Writes the offsets that were stored, with the batch that gathers."""
        self._offsets_at_ms = None
        if self._log.has_offsets:
            self._appended(0, OVERHEAD)

    def _appended(self, count: int, size: int) -> None:
        log, journal = self._log, self.scheduler.journal
        if journal is None:
            self.scheduler.queues_to_drain[self] = None
        else:
            if log.number is None:
                log.number = journal.open_lane(self._record())
            journal.append(self, count, size)

    def _record(self) -> LaneRecord:
        return LaneRecord(self._log.number or 0, self.vhost.name, "queue", self.name, 0, 0)

    def freeze(self, changes: SegmentChanges) -> None:
        """Adds what is to be written with the batch that is taken (`journal.StoredStream`)."""
        self._log.freeze(changes)

    def written(self) -> None:
        """Is told that what `freeze` made is durable: consumers may have it."""
        if self.deleted:
            return
        self._log.commit()
        if self._at_end:
            self._line.extend(self._at_end)
            self._at_end.clear()
        self.native.written()
        if self._line or self.native.line:
            self.scheduler.queues_to_drain[self] = None

    def fetched(self) -> None:
        """Is told that what consumers waited for can be read."""
        self._line.extend(self._cold)
        self._cold.clear()
        self.native.fetched()
        self.scheduler.queues_to_drain[self] = None

    def foresee(self, message: Message) -> Fate:
        return "taken"

    # --- retention

    def _drop_expired(self) -> None:
        log, scheduler = self._log, self.scheduler
        if log.segments:
            changes = SegmentChanges()
            log.drop_expired(scheduler.unix_time_ms(), changes)
            if changes.dropped and self._memory is not None:
                self._memory.apply(changes)
            elif changes.dropped and scheduler.journal is not None:
                scheduler.journal.drop_segments(changes.dropped)
        self._age_at_ms = None if log.age_max_ms is None else scheduler.now_ms + AGE_CHECK_MS
        self._set_timer()

    def _set_timer(self) -> None:
        times = [at for at in (self._age_at_ms, self._offsets_at_ms) if at is not None]
        if times:
            self.scheduler.deadlines.set(self, min(times))
        else:
            self.scheduler.deadlines.discard(self)

    def on_timer(self) -> None:
        """Drops segments that have become too old, and writes offsets of consumers."""
        now_ms = self.scheduler.now_ms
        if self._offsets_at_ms is not None and self._offsets_at_ms <= now_ms:
            self.write_offsets()
        if self._age_at_ms is not None and self._age_at_ms <= now_ms:
            self._drop_expired()
        self._set_timer()

    # --- consumers

    @property
    def active_consumer(self) -> Consumer | None:
        return None

    def check_consume(self, unacked: DeliveryCount, *, exclusive: bool, no_ack: bool, prefetch: int) -> None:
        """Raises what refuses a consumer without prefetch or acknowledgements, or on a channel with global prefetch."""
        named, what = self._text(), self.vhost.profile.stream_in_text
        if not prefetch:
            shown = f"stream {named}" if what == "stream" else f"'{named}'"
            raise PreconditionFailed(f"consumer prefetch count is not set for {shown}")
        if no_ack:
            raise Unimplemented(f"automatic acknowledgement not supported by {what} {named}")
        if unacked.limit:
            raise Unimplemented(f"{named} does not support global qos")

    def add_consumer(self, consumer: Consumer) -> None:
        assert isinstance(consumer, StreamConsumer)
        super().add_consumer(consumer)
        place = place_of(consumer.arguments.get("x-stream-offset"))
        assert place is not None
        offset = find(self._log, place, self.scheduler.unix_time_ms())
        consumer.reader = Reader(self._log, offset, wanted_of(consumer.arguments, self.vhost.profile))
        consumer.unacked.has_streams = True
        consumer.resume()

    def remove_consumer(self, consumer: Consumer) -> None:
        super().remove_consumer(consumer)
        assert isinstance(consumer, StreamConsumer)
        self._at_end.pop(consumer, None)
        self._cold.pop(consumer, None)
        consumer.leave()
        if self._line:
            self.scheduler.queues_to_drain[self] = None

    def line_up(self, consumer: Consumer) -> None:
        assert isinstance(consumer, StreamConsumer)
        self._line.append(consumer)
        self.scheduler.queues_to_drain[self] = None

    def drain(self, read_max: int = READ_MAX) -> None:
        """Delivers to the consumers in line by turns; goes on in the next turn when that is much."""
        if self._memory is not None and self._log.has_pending:
            self._write_in_memory()
        line, left = self._line, TURN_MESSAGES
        while line and left > 0 and read_max > 0:
            consumer = line.popleft()
            if consumer not in self.consumers:
                continue
            if not consumer.can_take():
                consumer.is_blocked = True
                continue
            reader = consumer.reader
            taken = reader.take(consumer.room_for(RUN_MESSAGES), RUN_BYTES)
            if taken:
                self._deliver(consumer, taken)
                left -= len(taken)
                read_max -= sum([len(entry) for _, entry in taken])
            else:
                left -= RUN_MESSAGES // 10  # it may have passed over much
            if reader.cold is not None:
                self._cold[consumer] = None
                self.fetch(reader.cold)
            elif reader.is_behind:
                line.append(consumer)
            else:
                self._at_end[consumer] = None
        if self.native.line:
            self.native.drain()
        if line or self.native.line:
            self.scheduler.queues_to_drain_further[self] = None

    def _write_in_memory(self) -> None:
        assert self._memory is not None
        changes = SegmentChanges()
        self._log.freeze(changes)
        self._memory.apply(changes)
        self.written()

    def _deliver(self, consumer: StreamConsumer, taken: list[tuple[int, bytes]]) -> None:
        consumer.deliver_all([offset for offset, _ in taken], [self._message(*each) for each in taken])

    def _message(self, offset: int, entry: bytes) -> Message:
        prefix, body = self._reader.read(entry)
        return Message(prefix.address or self._address, prefix.header(offset, len(body)), body)

    def wake(self) -> None:
        self.scheduler.queues_to_drain[self] = None

    def fetch(self, cold: SegmentRange) -> None:
        """Has a thread read what somebody must wait for."""
        journal = self.scheduler.journal
        assert journal is not None
        journal.cold.setdefault(self, []).append(cold)

    # --- looking at messages

    def peek(self, count: int, after: Place | None = None) -> Iterator[Ahead]:
        reader = Reader(self._log, self._log.first if after is None else after[1] + 1, may_wait=True)
        while count > 0 and reader.is_behind:
            for offset, entry in reader.take(min(count, RUN_MESSAGES), RUN_BYTES):
                message = self._message(offset, entry)
                yield Ahead((0, offset), message, redelivered=False, is_expired=False, kept=message)
                count -= 1

    def leap(self, count: int) -> tuple[Place | None, int]:
        count = min(count, self._log.length)
        return ((0, self._log.first + count - 1), count) if count else (None, 0)

    def delivered(self, position: int, message: Message) -> Message:
        reader = Reader(self._log, position, may_wait=True)
        taken = reader.take(1, 1)
        return self._message(*taken[0]) if taken and taken[0][0] == position else message

    def ends(self) -> Mapping[int, int]:
        return {0: self._log.next}

    # --- the store, and the end

    def restore(self, record: LaneRecord, state: LaneState, *, is_clean: bool) -> None:
        assert self.scheduler.journal is not None
        self._log.restore(record.number, self.scheduler.journal.segments.recover(record.number, is_clean=is_clean))
        self._restored = self._log.next
        self.counts.restored = self._log.length
        self._drop_expired()

    def close(self) -> None:
        journal, number = self.scheduler.journal, self._log.number
        record = self._record()
        self._log.close()
        if journal is not None and number is not None:
            journal.close_stream(self, number, record)
        elif self._memory is not None:
            self._memory.keep(set())

    def release(self) -> None:
        super().release()
        self.scheduler.deadlines.discard(self)
        self._line.clear()
        self._at_end.clear()
        self._cold.clear()
        self.native.close()

    # --- checks

    def check_get(self) -> None:
        raise Unimplemented(f"basic.get not supported by stream queues {self._text()}")

    def check_purge(self) -> None:
        raise Unimplemented(f"queue.purge not supported by stream queues {self._text()}")

    def check_return(self) -> None:
        if not self.vhost.profile.stream_nacks:
            raise Unimplemented(f"basic.nack and basic.reject not supported by stream queues {self._text()}")

    def check_delete(self, *, if_unused: bool, if_empty: bool) -> None:
        """Ignores the conditions."""

    @classmethod
    def check_properties(cls, what: str, *, durable: bool, exclusive: bool, auto_delete: bool) -> None:
        check_is_lasting(what, durable=durable, exclusive=exclusive, auto_delete=auto_delete)

    @classmethod
    def check_sizes(cls, arguments: Table, profile: Profile) -> None:
        check_sizes(arguments, profile)

    def _text(self) -> str:
        return queue_text(self.vhost, self.name)
