"""The same queues, judged by the same model, in a broker with a store that keeps next to nothing in memory: nobody
may notice. And brokers that are started again: what is durable is there again, and all goes on."""

from typing import Any, cast
from unittest.mock import patch

from hypothesis import Phase, settings
from hypothesis.stateful import precondition, rule

from amqpy.core.durability import journal
from amqpy.core.queues import paged_fifo
from amqpy.core.topology import QUEUE_TYPES
from amqpy.core.unacked import UnackedDeliveries
from tests.core.machine.counts import ModelCounts
from tests.core.machine.model import ModelChannel, ModelQueue
from tests.core.machine.test_queues import PROFILE, QueueMachine, destroys
from tests.core.machine.watch import watch, watched
from tests.core.stored_harness import Kept, StoredHarness, check_store, in_store, to_be_kept

TINY: dict[str, Any] = {"WINDOW_MESSAGES": 3, "WINDOW_BYTES": 100, "PAGE_MESSAGES": 2, "PAGE_BYTES": 50}


class StoredQueueMachine(QueueMachine):
    def __init__(self) -> None:
        self.patches = [patch.multiple(paged_fifo, **TINY), patch.object(journal, "RESTING_LANES", 0)]
        for each in self.patches:
            each.start()
        super().__init__()
        self.taken: dict[int, Kept] | None = None
        """What was to survive when the last batch was taken."""

    def teardown(self) -> None:
        for each in self.patches:
            each.stop()

    def make_core(self) -> StoredHarness:
        return StoredHarness(PROFILE)

    @property
    def stored(self) -> StoredHarness:
        return cast("StoredHarness", self.core)

    def kept(self) -> dict[int, Kept]:
        debts = [owed for unacked in self.channels_unacked for owed in unacked.by_tag.values()]
        return {key: kept for key, kept in to_be_kept(self.core.broker, debts).items() if not kept.is_transient}

    # --- batches

    @rule()
    @precondition(lambda self: self.stored.journal.has_work)
    def take(self) -> None:
        self.stored.take()
        self.taken = self.kept()

    @rule()
    @precondition(lambda self: self.stored.journal.writing is not None)
    def write(self) -> None:
        """A crash now would leave what there was when the batch was taken."""
        self.stored.write()
        found = self.stored.would_be(shift_ms=-123).broker
        assert in_store(found, pending=False) == self.taken
        check_store(found, ())
        self.taken = None

    # --- other brokers

    @rule()
    @destroys
    def stop_and_start(self) -> None:
        for number in range(len(self.channels)):
            self.leave(number)
        self.core.catch_up()
        self.absorb()
        self.start_again(is_clean=True)

    @rule()
    @destroys
    def crash_and_start(self) -> None:
        """All is written, so nothing is lost; but everybody is gone, and nobody knows what was delivered."""
        self.stored.flush()
        for channel in self.channels:
            for debt in channel.owed.values():
                debt.queue.ready.append(debt.copy)
        self.start_again(is_clean=False)
        for queue in self.model.queues.values():
            for copy in queue.ready:
                copy.redelivered = True

    def start_again(self, *, is_clean: bool) -> None:
        self.taken = None
        self.model.consumers.clear()
        self.ends.clear()
        for exchange in self.model.topology.exchanges.values():
            exchange.published_in = exchange.published_out = 0
        for queue in list(self.model.queues.values()):
            if not queue.settings.is_durable:
                self.model.remove(queue)
                continue
            queue.owed.clear()
            queue.counts = ModelCounts()
            queue.active = None
            queue.used_at_ms = self.model.now_ms
            queue.ready = [copy for copy in queue.ready if survives(queue, copy.persistent)]
        kinds = {name: watched(kind, self.log) for name, kind in QUEUE_TYPES.items()}
        with patch.dict(QUEUE_TYPES, kinds):
            self.core = self.stored.restart(is_clean=is_clean)
        watch(self.core.vhost, self.log)
        self.channels_unacked = [UnackedDeliveries() for _ in self.channels_unacked]
        self.channels = [ModelChannel() for _ in self.channels]


def survives(queue: ModelQueue, persistent: bool) -> bool:
    return persistent or queue.settings.is_quorum


TestStoredQueues = StoredQueueMachine.TestCase
# Explaining a failure traces every line of it, which takes longer than a test may.
TestStoredQueues.settings = settings(max_examples=200, stateful_step_count=50, phases=[Phase.generate, Phase.shrink])
