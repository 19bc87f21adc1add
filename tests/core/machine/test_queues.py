"""Three queues with any arguments, what is done to them, and time that passes: the model judges every event."""

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from amqpy.core.consumer import Delivery
from amqpy.core.unacked import UnackedDeliveries
from amqpy.wire.values import Table
from tests.core.core_harness import CoreHarness, arguments, longstr
from tests.core.invariants import check_invariants
from tests.core.machine.counts import check_channel, check_exchange, check_queue, check_sizes
from tests.core.machine.model import (
    Copy,
    Debt,
    Letter,
    ModelChannel,
    ModelConsumer,
    ModelQueue,
    QueueModel,
    QueueSettings,
)
from tests.core.machine.topology import ModelBinding, ModelExchange
from tests.core.machine.watch import Log, LoggedTarget, watch

if TYPE_CHECKING:
    from amqpy.core.consumer import Consumer

NAMES = ("q1", "q2", "q3")
PROFILE = "rabbitmq-3.13"

names = st.sampled_from(NAMES)
channels = st.integers(0, 2)
picks = st.integers(0, 9)
seldom = st.integers(0, 9).map(lambda number: number == 7)
times_ms = st.sampled_from([0, 1, 10, 50, 100])
limits = st.none() | st.integers(0, 5)


def settings_with(**options: st.SearchStrategy[object]) -> st.SearchStrategy[QueueSettings]:
    return st.fixed_dictionaries(options).map(lambda said: QueueSettings(**said))  # type: ignore[arg-type]


classic_settings = settings_with(
    is_durable=st.booleans(),
    ttl_ms=st.none() | times_ms,
    expires_ms=st.sampled_from([None, None, None, 100, 500]),
    max_length=limits,
    max_bytes=st.none() | st.integers(0, 60),
    overflow=st.sampled_from(["drop-head", "reject-publish", "reject-publish-dlx"]),
    max_priority=st.sampled_from([0, 0, 2]),
    dead_letter_exchange=st.sampled_from([None, "", "", "dlx", "missing"]),
    dead_letter_key=st.none() | names,
    single_active=seldom,
    deduplicates=seldom,
)
quorum_settings = settings_with(
    is_quorum=st.just(True),
    is_durable=st.just(True),
    ttl_ms=st.none() | times_ms.filter(bool),
    max_length=limits,
    max_bytes=st.none() | st.integers(0, 60),
    dead_letter_exchange=st.sampled_from([None, "", "dlx"]),
    dead_letter_key=st.none() | names,
    single_active=seldom,
    delivery_limit=st.none() | st.integers(0, 3),
)
plain_settings = settings_with(is_durable=st.booleans())
queue_settings = (classic_settings | classic_settings | quorum_settings | plain_settings).map(
    lambda wanted: wanted if wanted.dead_letter_exchange is not None else wanted._replace(dead_letter_key=None)
)


def arguments_of(wanted: QueueSettings) -> Table:
    said = {
        "queue_type": "quorum" if wanted.is_quorum else None,
        "message_ttl": wanted.ttl_ms,
        "expires": wanted.expires_ms,
        "max_length": wanted.max_length,
        "max_length_bytes": wanted.max_bytes,
        "overflow": wanted.overflow,
        "max_priority": wanted.max_priority or None,
        "dead_letter_exchange": wanted.dead_letter_exchange,
        "dead_letter_routing_key": wanted.dead_letter_key,
        "single_active_consumer": wanted.single_active or None,
        "delivery_limit": wanted.delivery_limit,
        "message_deduplication": wanted.deduplicates or None,
    }
    return arguments(**{name: value for name, value in said.items() if value is not None})


def destroys(function: Callable[..., None]) -> Callable[..., None]:
    """A rule after which less is there. It must wait for others to build something up first."""

    @precondition(lambda self: self.steps_since_loss > 5)
    @wraps(function)
    def destroy(self: "QueueMachine", *positional: object, **options: object) -> None:
        self.steps_since_loss = 0
        function(self, *positional, **options)

    return destroy


class QueueMachine(RuleBasedStateMachine):
    """Three channels, three queues of all sorts, a dead letter exchange, and clients who do what they like."""

    channels_count = 3

    def __init__(self) -> None:
        super().__init__()
        self.core = self.make_core()
        self.model = QueueModel()
        self.log: Log = []
        watch(self.core.vhost, self.log)
        self.channels_unacked = [UnackedDeliveries() for _ in range(self.channels_count)]
        self.channels = [ModelChannel() for _ in self.channels_unacked]
        self.ends: dict[ModelConsumer, Consumer] = {}
        self.published = 0
        self.steps_since_loss = 0
        self.has_policy = False

    def make_core(self) -> CoreHarness:
        return CoreHarness(PROFILE)

    # --- judging

    def absorb(self) -> None:
        """Tells the model what has happened."""
        for event, *details in self.log:
            getattr(self.model, event)(*details)
        self.log.clear()
        self.model.all_are_back()

    @invariant()
    def all_is_as_the_model_says(self) -> None:
        self.steps_since_loss += 1
        self.core.catch_up()
        self.absorb()
        self.model.check_nothing_is_left()
        queues = self.core.vhost.queues
        assert set(queues) == set(self.model.queues)
        for name, queue in self.model.queues.items():
            assert self.core.ready(name) == [copy.body for copy in queue.in_order()]
            assert queues[name].unacked_count == len(queue.owed)
            assert list(queues[name].consumers) == [self.ends[each] for each in self.model.consumers_of(queue)]
            check_queue(queues[name], queue.counts)
            check_sizes(queues[name], self.debts(), queue.ready, queue.owed)
        for name, exchange in self.model.topology.exchanges.items():
            check_exchange(self.core.vhost, name, exchange.published_in, exchange.published_out)
        for unacked, channel in zip(self.channels_unacked, self.channels, strict=True):
            assert list(unacked.by_tag) == sorted(channel.owed)
            assert unacked.last_tag == channel.last_tag
            check_channel(unacked, channel.counts)
            assert len(unacked.consumers) == sum(each.channel is channel for each in self.model.consumers)
        for target, consumer in self.model.targets.items():
            assert target.cancellations == (consumer in self.model.cancelled)
        check_invariants(self.core.broker, self.channels_unacked, self.answered())

    def debts(self) -> list[Delivery]:
        return [*self.answered(), *(owed for unacked in self.channels_unacked for owed in unacked.by_tag.values())]

    def answered(self) -> list[Delivery]:
        """In transactions that go on."""
        return []

    def existing(self, name: str) -> str:
        """Mostly a queue that is there."""
        return name if name in self.model.queues else min(self.model.queues, default=name)

    # --- topology

    @initialize(wanted=st.tuples(queue_settings, queue_settings, queue_settings))
    def start(self, wanted: tuple[QueueSettings, ...]) -> None:
        self.toggle_exchange()
        for name, each in zip(NAMES, wanted, strict=True):
            self.declare_queue(name, each)
        self.bind("q2")
        self.bind("q3")

    @rule(name=names, wanted=queue_settings)
    def declare_queue(self, name: str, wanted: QueueSettings) -> None:
        """A new queue, or the same again: it is used."""
        queue = self.model.queues.get(name)
        if queue is None:
            queue = self.model.queues[name] = ModelQueue(name, wanted, self.model.now_ms)
        queue.used_at_ms = self.model.now_ms
        arguments = arguments_of(queue.settings)
        declared = self.core.queue(name, durable=queue.settings.is_durable, arguments=arguments)
        assert self.core.broker.topology.stat(declared)[0] == len(queue.ready)

    @rule(name=names)
    @destroys
    def delete_queue(self, name: str) -> None:
        queue = self.model.queues.get(name)
        if queue is not None:
            self.model.remove(queue)
            assert self.core.delete_queue(name) == len(queue.ready)

    @rule(name=names)
    @destroys
    def purge_queue(self, name: str) -> None:
        queue = self.model.queues.get(name)
        if queue is not None:
            count = self.core.broker.topology.purge_queue(self.core.client, self.core.vhost, name)
            assert count == len(queue.ready)
            queue.counts.drop("purged", count)
            queue.ready.clear()

    @rule()
    @destroys
    def toggle_exchange(self) -> None:
        """The dead letter exchange comes and goes."""
        if "dlx" in self.model.topology.exchanges:
            self.core.delete_exchange("dlx")
            self.model.topology.delete_exchange("dlx")
        else:
            self.core.exchange("dlx", "fanout", durable=True)
            self.model.topology.exchanges["dlx"] = ModelExchange("fanout")

    @precondition(lambda self: "dlx" in self.model.topology.exchanges)
    @rule(name=names)
    def bind(self, name: str) -> None:
        if name in self.model.queues:
            self.core.bind(name, "dlx")
            binding = ModelBinding("dlx", is_queue=True, destination=name)
            if binding not in self.model.topology.bindings:
                self.model.topology.bindings.append(binding)

    # --- policies

    @rule(is_set=st.booleans())
    def change_policy(self, is_set: bool) -> None:
        """A limit that nothing reaches: the queues go over to another FIFO, or back."""
        administration = self.core.broker.administration
        if is_set:
            definition = {"max-length-bytes": 1_000_000}
            administration.set_policy(self.core.vhost.name, "p", "", definition)
        elif self.has_policy:
            administration.clear_policy(self.core.vhost.name, "p")
        self.has_policy = is_set
        self.core.settle()

    # --- time

    @rule(milliseconds=times_ms)
    def wait(self, milliseconds: int) -> None:
        self.model.now_ms += milliseconds
        self.core.advance(milliseconds)

    # --- messages

    @rule(
        name=names,
        to_all=seldom,
        count=st.integers(1, 4),
        size=st.sampled_from([0, 0, 10, 70]),
        priority=st.none() | st.integers(0, 3),
        marker=st.sampled_from([None, "a", "b"]),
        expiration=st.none() | times_ms,
        persistent=st.booleans(),
    )
    def publish(
        self,
        name: str,
        to_all: bool,
        count: int,
        size: int,
        priority: int | None,
        marker: str | None,
        expiration: int | None,
        persistent: bool,
    ) -> None:
        exchange = "dlx" if to_all and "dlx" in self.model.topology.exchanges else ""
        key = self.existing(name)
        bodies = [f"m{self.published + number}".ljust(size, ".") for number in range(count)]
        self.published += count
        expires_at_ms = None if expiration is None else self.model.now_ms + expiration
        for body in bodies:
            copy = Copy(body, key, priority or 0, marker, expires_at_ms, persistent)
            self.model.letters.append(Letter(copy, exchange))
        headers = None if marker is None else {"x-deduplication-header": longstr(marker)}
        self.core.publish(
            exchange, key, *bodies, headers=headers, priority=priority, expiration=expiration, persistent=persistent
        )

    @rule(number=channels, name=names, no_ack=seldom)
    def get(self, number: int, name: str, no_ack: bool) -> None:
        queue, channel = self.model.queues.get(name), self.channels[number]
        if queue is None or (queue.settings.is_quorum and queue.settings.single_active):
            return
        got = self.core.broker.get(
            self.core.client, self.core.vhost, name, self.channels_unacked[number], no_ack=no_ack
        )
        queue.used_at_ms = self.model.now_ms
        if got is None:
            assert not queue.ready
            queue.counts.count("get_empty")
            channel.counts.count("get_empty")
            return
        tag, redelivered, message, left = got
        copy = self.model.take(queue)
        self.absorb()
        assert left == len(queue.ready), "it is counted when what expired behind it is gone"
        self.model.check_delivery(copy, redelivered, message)
        channel.last_tag += 1
        assert tag == channel.last_tag
        self.model.count_delivery(queue, channel, "get_no_ack" if no_ack else "get", copy)
        if not no_ack:
            self.model.owe(channel, Debt(queue, copy, None))
        self.core.broker.settle()

    @precondition(lambda self: any(channel.owed for channel in self.channels))
    @rule(pick=picks, tag_pick=picks, multiple=st.booleans(), verdict=st.sampled_from(["ack", "drop", "requeue"]))
    def answer(self, pick: int, tag_pick: int, multiple: bool, verdict: str) -> None:
        owing = [number for number, channel in enumerate(self.channels) if channel.owed]
        number = owing[pick % len(owing)]
        channel, unacked = self.channels[number], self.channels_unacked[number]
        tag = sorted(channel.owed)[tag_pick % len(channel.owed)]
        covered = [each for each in channel.owed if each == tag or (multiple and each < tag)]
        self.model.settle({each: channel.owed.pop(each) for each in covered}, verdict, channel=channel)
        if verdict == "ack":
            self.core.ack(unacked, tag, multiple=multiple)
        else:
            self.core.nack(unacked, tag, multiple=multiple, requeue=verdict == "requeue")

    # --- consumers

    @rule(
        number=channels,
        name=names,
        no_ack=seldom,
        prefetch=st.integers(0, 3),
        priority=st.sampled_from([None, None, 1, -1]),
    )
    def consume(self, number: int, name: str, no_ack: bool, prefetch: int, priority: int | None) -> None:
        queue, channel = self.model.queues.get(name), self.channels[number]
        if queue is None or len(self.model.consumers_of(queue)) > 2:
            return
        target = LoggedTarget(self.log)
        consumer = ModelConsumer(queue, channel, prefetch, no_ack, priority or 0)
        self.model.targets[target] = consumer
        self.model.subscribe(consumer)
        self.ends[consumer] = self.core.consume(
            name, self.channels_unacked[number], target, no_ack=no_ack, prefetch=prefetch, priority=priority
        )

    @precondition(lambda self: self.model.consumers)
    @rule(pick=picks)
    @destroys
    def cancel(self, pick: int) -> None:
        consumer = self.model.consumers[pick % len(self.model.consumers)]
        self.model.unsubscribe(consumer)
        self.core.cancel(self.ends[consumer])

    @rule(number=channels)
    @destroys
    def close_channel(self, number: int) -> None:
        self.leave(number)

    def leave(self, number: int) -> None:
        """A channel is over; another one has its number."""
        channel = self.channels[number]
        for consumer in [each for each in self.model.consumers if each.channel is channel]:
            self.model.unsubscribe(consumer)
        self.model.settle(channel.owed, "requeue", by_end=True)
        self.core.close_channel(self.channels_unacked[number])
        self.absorb()
        self.channels_unacked[number] = UnackedDeliveries()
        self.channels[number] = ModelChannel()


TestQueues = QueueMachine.TestCase
# Explaining a failure traces every line of it, which takes longer than a test may.
TestQueues.settings = settings(max_examples=200, stateful_step_count=50, phases=[Phase.generate, Phase.shrink])
