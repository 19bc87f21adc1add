"""Exchanges, bindings, and two connections with queues of their own: what is refused, what goes with what, and who gets
a message. The model judges every event, and says which operation must be refused."""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from amqpy.core.consumer import Delivery
from amqpy.core.events.events import EVENT_EXCHANGE
from amqpy.core.vhost import PREDECLARED
from amqpy.errors import AccessRefused, AmqpFault, NotFound, PreconditionFailed, ResourceLocked
from amqpy.wire.values import Field, Table
from tests.core.core_harness import FakeClient, longstr
from tests.core.machine.model import Copy, Letter, ModelChannel, ModelConsumer, ModelQueue, QueueSettings
from tests.core.machine.test_queues import QueueMachine, destroys, names, picks, seldom
from tests.core.machine.topology import ModelBinding, ModelExchange
from tests.core.machine.watch import LoggedTarget

EXCHANGES = ("x1", "x2", "x3")
CHANNELS = 2

connections = st.integers(0, 1)
channels = st.integers(0, 2 * CHANNELS - 1)
exchange_names = st.sampled_from(EXCHANGES)
kinds = st.sampled_from(["direct", "fanout", "topic", "headers"])
keys = st.sampled_from(["", "a", "a.b", "q1"])
patterns = st.sampled_from(["", "a", "a.b", "*", "#", "a.#", "#.b"])


def headers_of(has_header: bool) -> Table | None:
    return {"header": Field("byte", 1)} if has_header else None


class TopologyMachine(QueueMachine):
    """Two connections of two channels each, three queues, three exchanges, and what can be done with them."""

    channels_count = 2 * CHANNELS
    wait: Any = None
    toggle_exchange: Any = None
    """Rules that lead to nothing here."""

    def __init__(self) -> None:
        super().__init__()
        self.clients = [FakeClient("one"), FakeClient("other")]
        self.pending: list[list[tuple[int, Delivery]]] = [[] for _ in self.channels_unacked]

    # --- judging

    def expect(self, fault: type[AmqpFault] | None, connection: int, operation: Callable[[], Any]) -> Any:  # noqa: ANN401
        """Runs an operation of a connection that must be refused in this way, or not at all."""
        self.core.client = self.clients[connection]
        with pytest.raises(fault) if fault else nullcontext():
            return operation()
        return None

    def queue_fault(self, connection: int, name: str) -> type[AmqpFault] | None:
        queue = self.model.queues.get(name)
        if queue is None:
            return NotFound
        return ResourceLocked if queue.owner not in {None, connection} else None

    def answered(self) -> list[Delivery]:
        return [owed for taken in self.pending for _, owed in taken]

    @invariant()
    def the_topology_is_as_the_model_says(self) -> None:
        vhost, topology = self.core.vhost, self.model.topology
        assert set(vhost.exchanges) - {"", *PREDECLARED, EVENT_EXCHANGE} == set(topology.exchanges)
        found = [
            ModelBinding(source, kind == "queue", destination, key, bool(arguments))
            for source, kind, destination, key, arguments in self.core.snapshot()["bindings"]  # type: ignore[attr-defined]
        ]
        assert len(found) == len(topology.bindings)
        assert set(found) == set(topology.bindings)
        for name, queue in self.model.queues.items():
            assert vhost.queues[name].owner is (None if queue.owner is None else self.clients[queue.owner])

    @invariant()
    def remembered_routes_are_right(self) -> None:
        vhost = self.core.vhost
        for client in self.clients:
            for route in vhost.router.remembered(client.user_name).values():
                if route.targets is None:
                    assert vhost.router.targets_of_all(route.exchange, route.routing_key) is None
                    continue
                found = [queue.name for queue in route.targets]
                for has_header in (False, True):
                    assert set(found) == self.model.route(route.exchange.name, route.routing_key, has_header)
                assert len(found) == len(set(found))
                assert set(vhost.router.targets_of_all(route.exchange, route.routing_key) or ()) == set(route.targets)

    # --- topology

    @initialize(kind=kinds, auto_delete=st.booleans(), key=patterns, prefetch=st.integers(0, 3))
    def start(self, kind: str, auto_delete: bool, key: str, prefetch: int) -> None:
        """Something of everything, so that most steps find something to do."""
        for name in ("q1", "q2"):
            self.declare_queue(0, name, exclusive=False, auto_delete=auto_delete)
        self.declare_queue(0, "q3", exclusive=True, auto_delete=False)
        self.declare_exchange("x1", kind, auto_delete=auto_delete, alternate="x2")
        self.declare_exchange("x2", "topic", auto_delete=auto_delete, alternate=None)
        self.bind(0, "x1", True, "q1", "", key, wants_header=False, binds=True)
        self.bind(0, "x2", True, "q2", "", "#", wants_header=False, binds=True)
        self.bind(0, "x1", False, "", "x2", "a", wants_header=True, binds=True)
        self.consume(0, "q1", no_ack=False, exclusive=False, prefetch=prefetch, reading=True)
        self.consume(CHANNELS, "q1", no_ack=False, exclusive=False, prefetch=1, reading=True)

    @rule(connection=connections, name=names, exclusive=seldom, auto_delete=seldom)
    def declare_queue(self, connection: int, name: str, exclusive: bool, auto_delete: bool) -> None:
        queue = self.model.queues.get(name)
        owner = connection if exclusive else None
        fault: type[AmqpFault] | None = None
        if queue is None:
            self.model.queues[name] = ModelQueue(name, QueueSettings(), self.model.now_ms, owner, auto_delete)
        elif queue.owner != owner:
            fault = ResourceLocked
        elif queue.auto_delete != auto_delete:
            fault = PreconditionFailed
        self.expect(fault, connection, lambda: self.core.queue(name, exclusive=exclusive, auto_delete=auto_delete))

    @rule(connection=connections, name=names, if_unused=st.booleans(), if_empty=st.booleans())
    @destroys
    def delete_queue(self, connection: int, name: str, if_unused: bool, if_empty: bool) -> None:
        queue = self.model.queues.get(name)
        fault = self.queue_fault(connection, name) if queue is not None else None
        count = 0
        if queue is not None and fault is None:
            if (if_unused and self.model.consumers_of(queue)) or (if_empty and queue.ready):
                fault = PreconditionFailed
            else:
                count = len(queue.ready)
                self.model.remove(queue)
        deleted = self.expect(
            fault, connection, lambda: self.core.delete_queue(name, if_unused=if_unused, if_empty=if_empty)
        )
        assert fault or deleted == count

    @rule(connection=connections, name=names)
    @destroys
    def purge_queue(self, connection: int, name: str) -> None:
        fault = self.queue_fault(connection, name)
        broker, client, vhost = self.core.broker, self.clients[connection], self.core.vhost
        count = self.expect(fault, connection, lambda: broker.topology.purge_queue(client, vhost, name))
        if fault is None:
            assert count == len(self.model.queues[name].ready)
            self.model.queues[name].counts.drop("purged", count)
            self.model.queues[name].ready.clear()

    @rule(name=exchange_names, kind=kinds, auto_delete=st.booleans(), alternate=st.none() | exchange_names)
    def declare_exchange(self, name: str, kind: str, auto_delete: bool, alternate: str | None) -> None:
        wanted = ModelExchange(kind, auto_delete, alternate)
        existing = self.model.topology.exchanges.setdefault(name, wanted)
        arguments = {"alternate-exchange": longstr(alternate)} if alternate else None
        self.expect(
            None if existing == wanted else PreconditionFailed,
            0,
            lambda: self.core.exchange(name, kind, auto_delete=auto_delete, arguments=arguments),
        )

    @rule(name=exchange_names, if_unused=st.booleans())
    @destroys
    def delete_exchange(self, name: str, if_unused: bool) -> None:
        used = any(binding.source == name for binding in self.model.topology.bindings)
        fault = PreconditionFailed if if_unused and used else None
        self.expect(fault, 0, lambda: self.core.delete_exchange(name, if_unused=if_unused))
        if fault is None and name in self.model.topology.exchanges:
            self.model.topology.delete_exchange(name)

    @rule(
        connection=connections,
        source=exchange_names,
        to_queue=st.booleans(),
        queue=names,
        exchange=exchange_names,
        key=patterns,
        wants_header=st.booleans(),
        binds=st.integers(0, 3).map(bool),
    )
    def bind(
        self,
        connection: int,
        source: str,
        to_queue: bool,
        queue: str,
        exchange: str,
        key: str,
        wants_header: bool,
        binds: bool,
    ) -> None:
        topology = self.model.topology
        destination = queue if to_queue else exchange
        binding = ModelBinding(source, to_queue, destination, key, wants_header)
        fault: type[AmqpFault] | None = None
        if not binds and binding not in topology.bindings:
            pass
        elif source not in topology.exchanges or (not to_queue and destination not in topology.exchanges):
            fault = NotFound
        elif to_queue:
            fault = self.queue_fault(connection, queue)
        core = self.core
        operation = {
            (True, True): core.bind,
            (True, False): core.unbind,
            (False, True): core.bind_exchange,
            (False, False): core.unbind_exchange,
        }[to_queue, binds]
        arguments = headers_of(wants_header)
        self.expect(fault, connection, lambda: operation(destination, source, key, arguments))
        if fault is None and not binds and binding in topology.bindings:
            topology.unbind([binding])
        elif fault is None and binds and binding not in topology.bindings:
            topology.bindings.append(binding)

    # --- messages

    @rule(connection=connections, name=names, count=st.integers(1, 6))
    def publish(self, connection: int, name: str, count: int) -> None:
        self.publish_to_exchange(connection, "", self.existing(name), has_header=False, count=count)

    @rule(connection=connections, exchange=exchange_names, key=keys, has_header=st.booleans(), count=st.just(2))
    def publish_to_exchange(self, connection: int, exchange: str, key: str, has_header: bool, count: int) -> None:
        fault = None if exchange in {"", *self.model.topology.exchanges} else NotFound
        bodies = [f"m{self.published + number}" for number in range(count)]
        self.published += count
        if fault is None:
            for body in bodies:
                copy = Copy(body, key, 0, None, None, has_header=has_header)
                self.model.letters.append(Letter(copy, exchange))
        headers = headers_of(has_header)
        self.expect(fault, connection, lambda: self.core.publish(exchange, key, *bodies, headers=headers))

    @rule(number=channels, name=names, no_ack=st.booleans())
    def get(self, number: int, name: str, no_ack: bool) -> None:
        name = self.existing(name)
        connection = number // CHANNELS
        if fault := self.queue_fault(connection, name):
            self.expect(fault, connection, lambda: self.core.get(name, self.channels_unacked[number]))
        else:
            self.expect(None, connection, lambda: super(TopologyMachine, self).get(number, name, no_ack=no_ack))

    # --- consumers

    @rule(
        number=channels,
        name=names,
        no_ack=seldom,
        exclusive=seldom,
        prefetch=st.integers(0, 3),
        reading=seldom.map(lambda slow: not slow),
    )
    def consume(self, number: int, name: str, no_ack: bool, exclusive: bool, prefetch: int, reading: bool) -> None:
        name = self.existing(name)
        connection = number // CHANNELS
        fault = self.queue_fault(connection, name)
        queue = self.model.queues.get(name)
        others = self.model.consumers_of(queue) if queue else []
        if fault is None and (any(each.exclusive for each in others) or (exclusive and others)):
            fault = AccessRefused
        target = LoggedTarget(self.log)
        target.reading = reading
        consumer = self.expect(
            fault,
            connection,
            lambda: self.core.consume(
                name, self.channels_unacked[number], target, no_ack=no_ack, exclusive=exclusive, prefetch=prefetch
            ),
        )
        if queue is not None and fault is None:
            channel = self.channels[number]
            new = ModelConsumer(queue, channel, prefetch, no_ack, exclusive=exclusive, reading=reading)
            self.model.targets[target] = new
            self.model.subscribe(new)
            self.ends[new] = consumer

    @precondition(lambda self: self.model.consumers)
    @rule(pick=picks)
    def stop_reading(self, pick: int) -> None:
        consumer = self.model.consumers[pick % len(self.model.consumers)]
        self.let_read(consumer, False)

    @precondition(lambda self: not all(consumer.reading for consumer in self.model.consumers))
    @rule(pick=picks)
    def read_again(self, pick: int) -> None:
        waiting = [consumer for consumer in self.model.consumers if not consumer.reading]
        consumer = waiting[pick % len(waiting)]
        self.let_read(consumer, True)
        self.core.resume(self.ends[consumer])

    def let_read(self, consumer: ModelConsumer, reading: bool) -> None:
        (target,) = [each for each, mine in self.model.targets.items() if mine is consumer]
        consumer.reading = target.reading = reading

    @rule(number=channels, limit=st.integers(0, 3))
    def set_global_prefetch(self, number: int, limit: int) -> None:
        self.channels[number].set_limit(limit)
        self.core.limit(self.channels_unacked[number], limit)

    # --- answering

    @precondition(lambda self: any(channel.owed for channel in self.channels))
    @rule(
        pick=picks,
        tag_pick=st.none() | picks,
        multiple=st.booleans(),
        verdict=st.sampled_from(["ack", "drop", "requeue", "later"]),
    )
    def answer(self, pick: int, tag_pick: int | None, multiple: bool, verdict: str) -> None:
        """An answer to an outstanding tag, or to 0. `later` is an answer in a transaction."""
        number = self.pick_channel(pick, lambda channel: channel.owed)
        channel, unacked = self.channels[number], self.channels_unacked[number]
        tag = 0 if tag_pick is None else sorted(channel.owed)[tag_pick % len(channel.owed)]
        covered = channel.covered(tag, multiple)
        operation: Callable[[], object] = {
            "ack": lambda: self.core.ack(unacked, tag, multiple=multiple),
            "drop": lambda: self.core.nack(unacked, tag, multiple=multiple, requeue=False),
            "requeue": lambda: self.core.nack(unacked, tag, multiple=multiple, requeue=True),
            "later": lambda: self.answer_later(number, tag, multiple=multiple),
        }[verdict]
        answered = {each: channel.owed.pop(each) for each in covered or ()}
        if verdict == "later":
            channel.pending |= answered
        else:
            self.model.settle(answered, verdict, channel=channel)
        self.expect(None if covered is not None else PreconditionFailed, number // CHANNELS, operation)

    def answer_later(self, number: int, tag: int, *, multiple: bool) -> None:
        unacked = self.channels_unacked[number]
        taken = unacked.take(tag, multiple)
        unacked.counts.withdrawn += len(taken)
        self.pending[number].extend(taken)

    @precondition(lambda self: any(channel.pending for channel in self.channels))
    @rule(pick=picks, verdict=st.sampled_from(["ack", "requeue"]))
    def commit(self, pick: int, verdict: str) -> None:
        number = self.pick_channel(pick, lambda channel: channel.pending)
        channel = self.channels[number]
        self.model.settle(channel.pending, verdict, channel=channel)
        channel.pending = {}
        taken = self.take_pending(number)
        if verdict == "ack":
            self.channels_unacked[number].counts.withdrawn -= len(taken)
            self.core.broker.acknowledge(taken)
        else:
            self.core.broker.requeue(taken, "nack")
        self.core.broker.settle()

    @precondition(lambda self: any(channel.pending for channel in self.channels))
    @rule(pick=picks)
    def roll_back(self, pick: int) -> None:
        self.take_back_answers(self.pick_channel(pick, lambda channel: channel.pending))

    def take_back_answers(self, number: int) -> None:
        channel = self.channels[number]
        self.channels_unacked[number].put_back(self.take_pending(number))
        channel.owed |= channel.pending
        channel.pending = {}

    def pick_channel(self, pick: int, fits: Callable[[ModelChannel], object]) -> int:
        fitting = [number for number, channel in enumerate(self.channels) if fits(channel)]
        return fitting[pick % len(fitting)]

    def take_pending(self, number: int) -> list[tuple[int, Delivery]]:
        taken, self.pending[number] = self.pending[number], []
        return sorted(taken, key=lambda entry: entry[0])

    @precondition(lambda self: any(channel.owed for channel in self.channels))
    @rule(pick=picks)
    def recover(self, pick: int) -> None:
        number = self.pick_channel(pick, lambda channel: channel.owed)
        channel = self.channels[number]
        self.model.settle(channel.owed, "requeue")
        channel.owed = {}
        self.core.recover(self.channels_unacked[number])

    # --- endings

    @rule(number=channels)
    @destroys
    def close_channel(self, number: int) -> None:
        self.leave(number)

    def leave(self, number: int) -> None:
        """In a transaction that goes on, nothing was answered."""
        self.take_back_answers(number)
        super().leave(number)

    @rule(connection=connections)
    @destroys
    def lose_connection(self, connection: int) -> None:
        for number in range(connection * CHANNELS, (connection + 1) * CHANNELS):
            self.leave(number)
        for queue in [each for each in self.model.queues.values() if each.owner == connection]:
            self.model.remove(queue)
        self.core.lose_connection(self.clients[connection])
        self.clients[connection] = FakeClient(self.clients[connection].user_name)


TestTopology = TopologyMachine.TestCase
# Explaining a failure traces every line of it, which takes longer than a test may.
TestTopology.settings = settings(max_examples=200, stateful_step_count=50, phases=[Phase.generate, Phase.shrink])
