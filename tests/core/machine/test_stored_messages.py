"""Messages of every kind, wherever they wait: a store has them, and gives them back to another broker.

There is no model here: the judge of what a broker does is `test_queues`. This compares brokers with their stores, and
with the brokers that would be there after a crash.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any
from unittest.mock import patch

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from amqpy.core.consumer import Delivery, DeliveryQueue
from amqpy.core.durability import journal
from amqpy.core.message import Message
from amqpy.core.queues import paged_fifo
from amqpy.core.queues.queue import Queue
from amqpy.core.unacked import UnackedDeliveries
from amqpy.wire.values import Field
from tests.core.core_harness import FakeTarget, arguments, content_header, longstr
from tests.core.invariants import check_invariants
from tests.core.machine.counts import ModelCounts, without_zeros
from tests.core.machine.test_stored_queues import TINY
from tests.core.stored_harness import Kept, StoredHarness, check_store, in_store, to_be_kept

RETRYING: dict[str, Any] = {
    "queue_type": "quorum",
    "delayed_retry_type": "all",
    "delayed_retry_min": 20,
    "delivery_limit": 2,
    "dead_letter_exchange": "",
}
QUEUES: dict[str, dict[str, Any]] = {
    "plain": {},
    "priorities": {"max_priority": 2, "dead_letter_exchange": "x", "message_ttl": 50},
    "short": {"max_length": 2, "dead_letter_exchange": "", "dead_letter_routing_key": "plain"},
    "retrying": {**RETRYING, "dead_letter_routing_key": "plain"},
    "insisting": {
        **RETRYING,
        "dead_letter_routing_key": "sometimes",
        "dead_letter_strategy": "at-least-once",
        "overflow": "reject-publish",
        "message_ttl": 60,
    },
    "once": {**RETRYING, "message_deduplication": True, "dead_letter_routing_key": "short"},
    "sometimes": {},
    "transient": {},
}

names = st.sampled_from(list(QUEUES))
picks = st.integers(0, 9)
seldom = st.integers(0, 9).map(lambda number: number == 7)


class CountingTarget(FakeTarget):
    """The target of a consumer, which counts what it gets."""

    def __init__(self, counts: ModelCounts, kind: str) -> None:
        super().__init__()
        self.counts = counts
        self.kind = kind

    def deliver(self, tag: int, redelivered: bool, message: Message) -> None:
        super().deliver(tag, redelivered, message)
        self.counts.count(self.kind, redelivered=redelivered)


class MessageMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.patches = [patch.multiple(paged_fifo, **TINY), patch.object(journal, "RESTING_LANES", 0)]
        for each in self.patches:
            each.start()
        self.core = StoredHarness("rabbitmq-4")
        self.channels_unacked = [UnackedDeliveries(), UnackedDeliveries()]
        self.answered: list[Delivery] = []
        self.count = 0
        self.taken: dict[int, Kept] | None = None
        self.counts: dict[DeliveryQueue, ModelCounts] = defaultdict(ModelCounts)
        """Of each queue that there ever was: what happened, counted when it happened."""
        self.declare_all()

    def teardown(self) -> None:
        for each in self.patches:
            each.stop()

    def declare_all(self) -> None:
        self.core.exchange("x", "fanout", durable=True)
        self.declare_exchange()
        for name in QUEUES:
            if name != "sometimes":
                self.declare(name)
        self.core.bind("retrying", "x")
        self.bind()

    def declare_exchange(self) -> None:
        self.core.exchange("later", "x-delayed-message", durable=True, arguments={"x-delayed-type": longstr("direct")})

    def bind(self) -> None:
        for name in sorted({"plain", "priorities", "once"} & set(self.core.vhost.queues)):
            self.core.bind(name, "later", name)

    @rule(name=names)
    def declare(self, name: str) -> None:
        if name not in self.core.vhost.queues:
            is_ours = name == "transient"
            self.core.queue(name, durable=not is_ours, exclusive=is_ours, arguments=arguments(**QUEUES[name]))

    def debts(self) -> list[Delivery]:
        return [owed for unacked in self.channels_unacked for owed in unacked.by_tag.values()] + self.answered

    @invariant()
    def the_store_has_it_all(self) -> None:
        check_store(self.core.broker, self.debts())
        self.core.catch_up()
        check_invariants(self.core.broker, self.channels_unacked, self.answered)
        for queue in self.core.vhost.queues.values():
            assert without_zeros(queue.message_stats()) == +self.counts[queue].counts

    # --- messages

    @rule(
        exchange=st.sampled_from(["", "", "", "x", "later"]),
        name=names,
        copies=st.lists(names, max_size=2),
        delay_ms=st.sampled_from([None, 0, 30, 100]),
        marker=st.sampled_from([None, "a", "b"]),
        ttl_ms=st.sampled_from([None, None, 0, 40]),
        count=st.integers(1, 5),
        priority=st.none() | st.integers(0, 3),
        persistent=st.booleans(),
    )
    def publish(
        self,
        exchange: str,
        name: str,
        copies: list[str],
        delay_ms: int | None,
        marker: str | None,
        ttl_ms: int | None,
        count: int,
        **properties: Any,  # noqa: ANN401
    ) -> None:
        headers: dict[str, Field] = {}
        if delay_ms is not None:
            headers["x-delay"] = Field("signedint", delay_ms)
        if marker is not None:
            headers["x-deduplication-header"] = longstr(marker)
        header = content_header(headers, **properties)
        for _ in range(count):
            self.count += 1
            for target in self.core.send(exchange, (name, *copies), header, f"m{self.count}", ttl_ms=ttl_ms):
                if isinstance(target, Queue):
                    self.counts[target].count("publish")

    @rule(milliseconds=st.sampled_from([1, 10, 30, 100, 200_000]))
    def wait(self, milliseconds: int) -> None:
        self.core.advance(milliseconds)

    @rule(name=names, number=st.integers(0, 1), no_ack=seldom)
    def get(self, name: str, number: int, no_ack: bool) -> None:
        queue = self.core.vhost.queues.get(name)
        if queue is not None:
            got = self.core.get(name, self.channels_unacked[number], no_ack=no_ack)
            kind = "get_empty" if got is None else "get_no_ack" if no_ack else "get"
            self.counts[queue].count(kind, redelivered=got is not None and got[0].redelivered)

    @rule(name=names, number=st.integers(0, 1), no_ack=seldom, prefetch=st.integers(0, 3))
    def consume(self, name: str, number: int, no_ack: bool, prefetch: int) -> None:
        queue = self.core.vhost.queues.get(name)
        if queue is not None and not queue.consumers:
            target = CountingTarget(self.counts[queue], "deliver_no_ack" if no_ack else "deliver")
            self.core.consume(name, self.channels_unacked[number], target, no_ack=no_ack, prefetch=prefetch)

    @precondition(lambda self: any(unacked.by_tag for unacked in self.channels_unacked))
    @rule(
        pick=picks,
        multiple=st.booleans(),
        verdict=st.sampled_from(["ack", "drop", "nack", "reject", "recover", "later"]),
    )
    def answer(self, pick: int, multiple: bool, verdict: str) -> None:
        unacked = max(self.channels_unacked, key=lambda unacked: len(unacked.by_tag))
        tag = list(unacked.by_tag)[pick % len(unacked.by_tag)]
        if verdict == "ack":
            self.count_acks(owed for each, owed in unacked.by_tag.items() if each == tag or (multiple and each < tag))
            self.core.ack(unacked, tag, multiple=multiple)
        elif verdict == "drop":
            self.core.nack(unacked, tag, multiple=multiple, requeue=False)
        elif verdict == "later":
            # In a transaction.
            self.answered += [owed for _, owed in unacked.take(tag, multiple)]
        else:
            self.core.nack(unacked, tag, multiple=multiple, way=verdict)  # type: ignore[arg-type]

    @precondition(lambda self: self.answered)
    @rule()
    def commit(self) -> None:
        taken, self.answered = self.answered, []
        self.count_acks(taken)
        self.core.broker.acknowledge(list(enumerate(taken)))
        self.core.broker.settle()

    def count_acks(self, deliveries: Iterable[Delivery]) -> None:
        for queue, _, _, _ in deliveries:
            self.counts[queue].count("ack")

    @rule(name=names, is_whole=st.booleans())
    def empty(self, name: str, is_whole: bool) -> None:
        if name not in self.core.vhost.queues:
            return
        if is_whole:
            self.core.delete_queue(name)
        else:
            self.core.broker.topology.purge_queue(self.core.client, self.core.vhost, name)

    @rule()
    @precondition(lambda self: self.count > 20)
    def delete_exchange(self) -> None:
        self.core.delete_exchange("later")
        self.declare_exchange()
        self.bind()

    # --- the store

    @rule()
    @precondition(lambda self: self.core.journal.has_work)
    def take(self) -> None:
        self.core.take()
        kept = to_be_kept(self.core.broker, self.debts())
        self.taken = {key: each for key, each in kept.items() if not each.is_transient}

    @rule()
    @precondition(lambda self: self.core.journal.writing is not None)
    def write(self) -> None:
        self.core.write()
        found = self.core.would_be(shift_ms=1000).broker
        assert in_store(found, pending=False) == self.taken
        check_store(found, ())
        self.taken = None

    @rule(is_clean=st.booleans(), after_ms=st.sampled_from([0, 25, 1000]))
    @precondition(lambda self: self.count > 10)
    def restart(self, is_clean: bool, after_ms: int) -> None:
        if is_clean:
            for unacked in self.channels_unacked:
                self.core.close_channel(unacked)
            self.core.broker.requeue(list(enumerate(self.answered)), "down")
            self.core.catch_up()
        self.channels_unacked = [UnackedDeliveries(), UnackedDeliveries()]
        self.answered = []
        self.taken = None
        self.core = self.core.restart(is_clean=is_clean, after_ms=after_ms, shift_ms=-7)
        self.core.catch_up()
        self.declare_all()


TestMessages = MessageMachine.TestCase
# Explaining a failure traces every line of it, which takes longer than a test may.
TestMessages.settings = settings(max_examples=100, stateful_step_count=50, phases=[Phase.generate, Phase.shrink])
