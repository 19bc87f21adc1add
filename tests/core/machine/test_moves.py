"""Moves that go on for a while, between what clients do, batches and crashes: each message is in exactly one place.

Nothing expires, is dropped or routed twice here, so that each message must be somewhere: ready, with a client, or
acknowledged. Where it goes is for `tests.core.test_moving` to judge.
"""

from typing import Any
from unittest.mock import patch

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from amqpy.core import moving
from amqpy.core.message_filter import MessageFilter
from amqpy.core.moving import Destination, Moving, Outcome
from amqpy.core.queues import paged_fifo
from amqpy.core.unacked import UnackedDeliveries
from tests.core.core_harness import CoreHarness, FakeTarget, arguments
from tests.core.invariants import check_invariants
from tests.core.machine.test_stored_queues import TINY
from tests.core.stored_harness import StoredHarness

QUEUES: dict[str, dict[str, Any]] = {
    "plain": {},
    "priorities": {"max_priority": 2},
    "quorum": {"queue_type": "quorum"},
    "short": {"max_length": 3},
    "refusing": {"max_length": 3, "overflow": "reject-publish"},
}
names = st.sampled_from(list(QUEUES))
others = st.sampled_from([name for name in QUEUES if name != "short"])
"""Those that clients get from: what comes back to a queue that is full by then would be dropped."""
picks = st.integers(0, 9)
digits = st.sampled_from(["", "", "1", "2", "3"])


class MoveMachine(RuleBasedStateMachine):
    """A broker in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = [patch.multiple(paged_fifo, **TINY), patch.object(moving, "UNITS_AT_ONCE", 40)]
        for each in self.patches:
            each.start()
        self.core = self.make_core()
        self.unacked = UnackedDeliveries()
        self.expected: set[str] = set()
        """The bodies of all messages that are not acknowledged."""
        self.moves: list[Moving] = []
        self.count = 0
        self.declare()

    def make_core(self) -> CoreHarness:
        return CoreHarness("rabbitmq-3.13")

    def teardown(self) -> None:
        for each in self.patches:
            each.stop()

    def declare(self) -> None:
        for name, each in QUEUES.items():
            self.core.queue(name, durable=True, arguments=arguments(**each))

    def ready(self, core: CoreHarness) -> list[str]:
        return [body for name in QUEUES for body in core.ready(name)]

    @invariant()
    def each_message_is_in_one_place(self) -> None:
        owed = [message.body.decode() for _, _, message, _ in self.unacked.by_tag.values()]
        assert sorted(self.ready(self.core) + owed) == sorted(self.expected)
        check_invariants(self.core.broker, [self.unacked])

    # --- moves

    @rule(name=names, to=names, body=digits, count=st.none() | st.integers(1, 4))
    def begin(self, name: str, to: str, body: str, count: int | None) -> None:
        wanted = MessageFilter(body=body.encode())
        self.moves.append(
            Moving(
                self.core.client,
                self.core.vhost,
                name,
                Destination("", to),
                wanted,
                UnackedDeliveries(),
                count=count,
            )
        )

    @precondition(lambda self: self.moves)
    @rule(pick=picks, steps=st.integers(1, 5))
    def go_on(self, pick: int, steps: int) -> None:
        work = self.moves[pick % len(self.moves)]
        for _ in range(steps):
            before, moved = self.ready(self.core), work.outcomes[Outcome.MOVED]
            if next(work, None) is None:
                self.moves.remove(work)
                assert work.matched == sum(work.outcomes.values())
                assert work.stopped_by is None
                return
            self.core.settle()
            assert moved < work.outcomes[Outcome.MOVED] or self.ready(self.core) == before

    # --- what clients do

    @rule(name=names, count=st.integers(1, 6), priority=st.integers(0, 2), size=st.sampled_from([0, 0, 40]))
    def publish(self, name: str, count: int, priority: int, size: int) -> None:
        if name == "short":
            count = min(count, 3 - len(self.core.ready(name)))
        bodies = [f"m{self.count + number}".ljust(size, ".") for number in range(count)]
        self.count += count
        refused = self.core.publish("", name, *bodies, priority=priority, persistent=True)
        self.expected |= set(bodies) - set(refused)

    @rule(name=others)
    def get(self, name: str) -> None:
        self.core.get(name, self.unacked)

    @rule(name=others, prefetch=st.integers(1, 3))
    def consume(self, name: str, prefetch: int) -> None:
        if not self.core.vhost.queues[name].consumers:
            self.core.consume(name, self.unacked, FakeTarget(), prefetch=prefetch)

    @precondition(lambda self: self.unacked.by_tag)
    @rule(pick=picks, multiple=st.booleans(), is_ack=st.booleans())
    def answer(self, pick: int, multiple: bool, is_ack: bool) -> None:
        tag = list(self.unacked.by_tag)[pick % len(self.unacked.by_tag)]
        if is_ack:
            covered = [each for each in self.unacked.by_tag if each == tag or (multiple and each < tag)]
            self.expected -= {self.unacked.by_tag[each][2].body.decode() for each in covered}
            self.core.ack(self.unacked, tag, multiple=multiple)
        else:
            self.core.nack(self.unacked, tag, multiple=multiple)


class StoredMoveMachine(MoveMachine):
    """A broker with a store, that may be killed."""

    core: StoredHarness

    def make_core(self) -> StoredHarness:
        return StoredHarness("rabbitmq-3.13")

    @precondition(lambda self: self.core.journal.has_work)
    @rule()
    def take(self) -> None:
        self.core.take()
        self.taken = set(self.expected)

    @precondition(lambda self: self.core.journal.writing is not None)
    @rule()
    def write(self) -> None:
        self.core.write()
        assert sorted(self.ready(self.core.would_be())) == sorted(self.taken)

    @precondition(lambda self: self.count > 10)
    @rule()
    def restart(self) -> None:
        self.core.flush()
        self.unacked = UnackedDeliveries()
        self.moves.clear()
        self.core = self.core.restart(is_clean=False)


TestMoves = MoveMachine.TestCase
TestStoredMoves = StoredMoveMachine.TestCase
# Explaining a failure traces every line of it, which takes longer than a test may.
TestMoves.settings = TestStoredMoves.settings = settings(
    max_examples=100, stateful_step_count=50, phases=[Phase.generate, Phase.shrink]
)
