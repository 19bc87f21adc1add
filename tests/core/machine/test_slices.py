"""Large work of some clients between small operations of others, a unit or three at a time.

Between any two slices every message is in exactly one place, queues are in order, and the counts are right; and what
was answered stays answered. What each operation leads to is for the other machines to judge.
"""

from collections import Counter
from contextlib import ExitStack
from typing import TYPE_CHECKING
from unittest.mock import patch

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from amqpy.core import acknowledgements
from amqpy.core.consumer import Delivery
from amqpy.core.message import Message
from amqpy.core.portions import Portions
from amqpy.core.unacked import UnackedDeliveries
from tests.core.core_harness import CoreHarness, FakeClient, FakeTarget, arguments
from tests.core.invariants import check_fifo, check_lines
from tests.core.slices import sliced
from tests.fifo import as_fifo

if TYPE_CHECKING:
    from amqpy.core.queues.queue import Queue

NAMES = ("q1", "q2")
queues = st.sampled_from(NAMES)
numbers = st.integers(0, 2)


class Waiter(FakeClient):
    """A client that is not heard while its work goes on."""

    waits = False

    def wait_for_work(self) -> None:
        self.waits = True

    def work_done(self) -> None:
        self.waits = False


class Slices(RuleBasedStateMachine):
    """Three clients with a channel each, and two queues."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.portions: list[Portions] = []
        self.published = 0
        self.dropped: set[str] = set()
        """What a client answered for good, or went with its queue."""
        self.given: Counter[Queue] = Counter()
        """Messages by the queue that they were published to."""
        self.acked: Counter[UnackedDeliveries] = Counter()
        """Deliveries that were acknowledged, or are being acknowledged, by channel."""
        self.counted: dict[UnackedDeliveries, int] = {}
        """Acknowledgements that the channel had counted at the last look."""

    @initialize(units=st.integers(1, 3), kind=st.sampled_from(["classic", "quorum"]), single_active=st.booleans())
    def start(self, units: int, kind: str, single_active: bool) -> None:
        machine = self

        class Watched(Portions):
            def __init__(self, *, together: bool = False, by_level: bool = False) -> None:
                super().__init__(together=together, by_level=by_level)
                machine.portions.append(self)

        self.stack.enter_context(sliced(units))
        self.stack.enter_context(patch.object(acknowledgements, "Portions", Watched))
        self.core = CoreHarness()
        self.options = arguments(queue_type=kind, single_active_consumer=single_active)
        self.in_order = kind == "classic"
        self.clients = [Waiter(str(number)) for number in range(3)]
        self.channels_unacked = [UnackedDeliveries() for _ in self.clients]
        self.core.exchange("x", "fanout")
        for name in NAMES:
            self.declare(name)
            self.core.publish("", name, *(self.new_body() for _ in range(8)))
            self.given[self.core.vhost.queues[name]] += 8
        for number, unacked in enumerate(self.channels_unacked[:2]):
            self.core.consume(NAMES[number % 2], unacked, prefetch=5)

    def teardown(self) -> None:
        if hasattr(self, "core"):
            self.core.settle()
            for unacked in self.channels_unacked:
                self.core.close_channel(unacked)
            self.core.settle()
            self.everything_is_somewhere_once()
            self.counters_are_right()
            assert Counter(self.counted) == +self.acked
            assert not self.core.broker.scheduler.jobs
        self.stack.close()

    def declare(self, name: str) -> None:
        self.core.queue(name, durable=True, arguments=self.options)
        self.core.bind(name, "x")

    def new_body(self) -> str:
        self.published += 1
        return f"m{self.published:04}"

    # --- turns

    def turn(self, number: int) -> bool:
        """Whether it is a client that may be heard; then its turn begins."""
        jobs = self.core.broker.scheduler.jobs
        if self.clients[number].waits:
            return False
        jobs.begin_turn()
        jobs.client = self.clients[number]
        return True

    def end_turn(self) -> None:
        self.core.broker.scheduler.jobs.client = None
        self.core.broker.settle()

    @rule(count=st.integers(1, 4))
    def work(self, count: int) -> None:
        for _ in range(count):
            self.core.broker.work()

    @rule()
    def finish(self) -> None:
        self.core.settle()

    # --- what clients do

    @rule(name=queues, count=st.integers(1, 5))
    def publish(self, name: str, count: int) -> None:
        queue = self.core.vhost.queues.get(name)
        for _ in range(count if queue else 0):
            assert queue is not None
            self.given[queue] += 1
            queue.publish(Message(self.core.route("", name).address, self.header(), self.new_body().encode()))
        self.end_turn()

    def header(self) -> bytes:
        return b"\x00\x3c" + bytes(12)

    @rule(number=numbers, name=queues, prefetch=st.integers(0, 4))
    def consume(self, number: int, name: str, prefetch: int) -> None:
        if name in self.core.vhost.queues and self.turn(number):
            self.core.broker.consume(
                self.clients[number],
                self.core.vhost,
                name,
                self.channels_unacked[number],
                FakeTarget(),
                tag=f"{self.published}",
                no_ack=False,
                exclusive=False,
                prefetch=prefetch,
                arguments={},
            )
            self.end_turn()

    @rule(number=numbers)
    def cancel(self, number: int) -> None:
        consumers = self.channels_unacked[number].consumers
        if consumers and self.turn(number):
            self.core.broker.cancel(self.core.vhost, next(iter(consumers)))
            self.end_turn()

    @precondition(lambda self: any(unacked.by_tag for unacked in self.channels_unacked))
    @rule(number=numbers, pick=st.integers(0, 9), verdict=st.sampled_from(["ack", "drop", "requeue", "recover"]))
    def answer(self, number: int, pick: int, verdict: str) -> None:
        unacked = self.channels_unacked[number]
        if not unacked.by_tag or not self.turn(number):
            self.end_turn()
            return
        tag = sorted(unacked.by_tag)[min(pick, len(unacked.by_tag) - 1)]
        if verdict in {"ack", "drop"}:
            self.dropped |= {body_of(owed) for each, owed in unacked.by_tag.items() if each <= tag}
        broker = self.core.broker
        if verdict == "ack":
            self.acked[unacked] += sum(each <= tag for each in unacked.by_tag)
            broker.acknowledge(unacked.take_many(tag, multiple=True))
            self.end_turn()
            return
        taken = unacked.withdraw(tag, multiple=True)
        if verdict == "drop":
            broker.reject(taken)
        else:
            broker.requeue(taken, "nack" if verdict == "requeue" else "recover")
        self.end_turn()

    @rule(number=numbers)
    def close(self, number: int) -> None:
        """And a new channel in its place."""
        if self.turn(number):
            broker = self.core.broker
            broker.scheduler.jobs.do(broker.close_channel(self.core.vhost, self.channels_unacked[number], []))
            self.end_turn()
            self.channels_unacked.append(self.channels_unacked[number])
            self.channels_unacked[number] = UnackedDeliveries()

    @rule(number=numbers, name=queues)
    def purge(self, number: int, name: str) -> None:
        if name in self.core.vhost.queues and self.turn(number):
            self.dropped.update(self.core.ready(name))
            self.core.broker.topology.purge_queue(self.clients[number], self.core.vhost, name)
            self.end_turn()

    @rule(number=numbers, name=queues)
    def delete(self, number: int, name: str) -> None:
        queue = self.core.vhost.queues.get(name)
        if queue is not None and self.turn(number):
            there = [*(owed for unacked in self.channels_unacked for owed in unacked.by_tag.values()), *self.held()]
            self.dropped.update(self.core.ready(name), (body_of(owed) for owed in there if owed[0] is queue))
            self.core.broker.topology.delete_queue(
                self.clients[number], self.core.vhost, name, if_unused=False, if_empty=False
            )
            self.end_turn()

    @rule(name=queues)
    def declare_again(self, name: str) -> None:
        if name not in self.core.vhost.queues:
            self.declare(name)

    @rule(limit=st.integers(1, 4))
    def limit(self, limit: int) -> None:
        """A policy that lets none expire and drops none: it is only applied to all queues, bit by bit."""
        self.core.broker.scheduler.jobs.begin_turn()
        self.core.broker.administration.set_policy("/", "p", ".*", {"max-length": 1000 + limit})
        self.end_turn()

    # --- what must hold

    def held(self) -> list[Delivery]:
        return [owed for portions in self.portions for owed in portions]

    @invariant()
    def everything_is_somewhere_once(self) -> None:
        if not hasattr(self, "core"):
            return
        debts = [*(owed for unacked in self.channels_unacked for owed in unacked.by_tag.values()), *self.held()]
        unacked = Counter(owed[0] for owed in debts)
        places = Counter(body_of(owed) for owed in debts if not owed[0].deleted)
        for name, queue in self.core.vhost.queues.items():
            ready = self.core.ready(name)
            assert queue.ready_count == len(ready)
            assert queue.unacked_count == unacked[queue]
            if self.in_order:
                assert ready == sorted(ready)
            check_fifo(as_fifo(queue).ready)
            check_lines(queue)
            assert queue.is_held <= bool(self.core.broker.scheduler.jobs)
            if not queue.is_held:
                assert not (
                    queue.ready_count
                    and any(consumer.can_take() for consumer in as_fifo(queue).dispatch.ready_consumers)
                ), "somebody waits"
            places.update(ready)
        assert set(places.values()) <= {1}, "no message is there twice"
        missing = {f"m{number:04}" for number in range(1, self.published + 1)} - set(places)
        assert missing <= self.dropped, "and none is lost"

    @invariant()
    def counters_are_right(self) -> None:
        """All that was published counts at once, acknowledgements when they are carried out, and each only once."""
        if not hasattr(self, "core"):
            return
        for queue in self.core.vhost.queues.values():
            stats = queue.message_stats()
            assert stats["publish"] == self.given[queue]
            assert min(stats.values()) >= 0
        for unacked in self.channels_unacked:
            stats = unacked.message_stats()
            assert self.counted.get(unacked, 0) <= stats["ack"] <= self.acked[unacked]
            if stats["ack"]:
                self.counted[unacked] = stats["ack"]


def body_of(owed: Delivery) -> str:
    return owed[2].body.decode()


TestSlices = Slices.TestCase
# Explaining a failure traces every line of it, which takes longer than a test may.
TestSlices.settings = settings(max_examples=200, stateful_step_count=50, phases=[Phase.generate, Phase.shrink])
