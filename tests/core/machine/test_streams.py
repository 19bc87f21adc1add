"""Any sequence of publishes, reads, retention and restarts of a stream, judged by a plain list of its messages."""

from unittest.mock import patch

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from amqpy.core.queues import stream
from amqpy.core.queues.stream import StreamQueue
from amqpy.core.streams import log, reader, segments
from tests.core.core_harness import longstr
from tests.core.stored_harness import StoredHarness
from tests.core.stream_reading import Reading, declared, number

SEGMENT_BYTES = 400


class Follower:
    """A consumer, and the offset of the next message that it must get."""

    def __init__(self, reading: Reading, start: int) -> None:
        self.reading = reading
        self.next = start
        self.seen = 0


class StreamMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.patches = [
            patch.multiple(stream, RUN_MESSAGES=3, RUN_BYTES=60, TURN_MESSAGES=7),
            patch.multiple(reader, BLOCK_MIN=64, BLOCK_MAX=200),
            patch.multiple(log, CHUNK_BYTES_MAX=150, MARK_BYTES=300),
            patch.object(segments, "INDEX_BYTES", 100),
        ]
        for each in self.patches:
            each.start()
        self.core = StoredHarness()
        declared(self.core, stream_max_segment_size_bytes=SEGMENT_BYTES)
        self.core.flush()
        self.messages: list[str] = []
        """All that were ever published, by offset."""
        self.taken = self.written = 0
        self.followers: list[Follower] = []

    def teardown(self) -> None:
        for each in self.patches:
            each.stop()

    @property
    def queue(self) -> StreamQueue:
        queue = self.core.vhost.queues["s"]
        assert isinstance(queue, StreamQueue)
        return queue

    # --- writing

    @rule(sizes=st.lists(st.integers(0, 120), min_size=1, max_size=6))
    def publish(self, sizes: list[int]) -> None:
        for size in sizes:
            body = f"{len(self.messages)}." + "x" * size
            self.core.publish("", "s", body)
            self.messages.append(body)

    @rule()
    @precondition(lambda self: self.core.journal.has_work)
    def take(self) -> None:
        self.core.take()
        self.taken = len(self.messages)

    @rule()
    @precondition(lambda self: self.core.journal.writing is not None)
    def write(self) -> None:
        self.core.write()
        self.written = self.taken

    @rule(limit=st.one_of(st.none(), st.integers(0, 3000)))
    def limit(self, limit: int | None) -> None:
        """Sets the most bytes, and waits until the store has followed."""
        definition = {"max-age": "1D"} if limit is None else {"max-length-bytes": limit}
        self.core.broker.administration.set_policy("/", "p", ".*", definition)
        self.core.settle()
        self.flush()

    def flush(self) -> None:
        self.core.flush()
        self.taken = self.written = len(self.messages)

    # --- reading

    @rule(place=st.sampled_from(["first", "last", "next"]) | st.integers(-40, 200), prefetch=st.integers(1, 9))
    @precondition(lambda self: len(self.followers) < 4)
    def follow(self, place: str | int, prefetch: int) -> None:
        queue = self.queue
        if isinstance(place, int):
            end = self.written
            start = max(place, queue.log.first) if place >= 0 else max(end + place, queue.log.first)
            field = number(place)
        else:
            field = longstr(place)
            start = {"first": queue.log.first, "next": len(self.messages), "last": queue.log.last_chunk}[place]
            if place == "last" and not queue.ready_count:
                start = len(self.messages)
        self.followers.append(Follower(Reading(self.core, field, prefetch=prefetch), start))

    @rule(which=st.integers(0, 3), multiple=st.booleans())
    @precondition(lambda self: self.followers)
    def acknowledge(self, which: int, multiple: bool) -> None:
        unacked = self.followers[which % len(self.followers)].reading.unacked
        if unacked.by_tag:
            self.core.ack(unacked, max(unacked.by_tag) if multiple else min(unacked.by_tag), multiple=multiple)

    @rule(which=st.integers(0, 3))
    @precondition(lambda self: self.followers)
    def leave(self, which: int) -> None:
        follower = self.followers.pop(which % len(self.followers))
        self.core.close_channel(follower.reading.unacked)

    # --- another broker

    @rule(is_clean=st.booleans())
    def start_again(self, is_clean: bool) -> None:
        while self.followers:
            self.leave(0)
        if is_clean:
            self.flush()
        self.core = self.core.restart(is_clean=is_clean)
        del self.messages[self.written :]
        self.taken = self.written
        assert self.queue.log.next == self.written

    # --- judging

    @invariant()
    def everybody_got_what_is_theirs(self) -> None:
        queue = self.queue
        while queue in self.core.broker.scheduler.queues_to_drain_further:
            self.core.broker.advance(self.core.now_ms)
        for follower in self.followers:
            target = follower.reading.target
            for offset, message in list(zip(follower.reading.offsets(), target.messages, strict=True))[follower.seen :]:
                # What was dropped before it could be read is left out.
                assert offset == follower.next or (offset > follower.next and offset <= queue.log.first)
                assert message.body.decode() == self.messages[offset]
                assert offset < self.written
                follower.next = offset + 1
            follower.seen = len(target.messages)
            consumer = follower.reading.consumer
            is_there_more = max(follower.next, queue.log.first) < self.written
            assert not (is_there_more and consumer.credit > 0), "it was forgotten"

    @invariant()
    def counts_are_right(self) -> None:
        queue = self.queue
        assert queue.log.next == len(self.messages)
        assert queue.log.committed == self.written
        assert queue.ready_count == max(self.written - queue.log.first, 0)
        assert [each.message.body.decode() for each in queue.peek(10**6)] == self.messages[
            queue.log.first : self.written
        ]


StreamMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestStreams = StreamMachine.TestCase
