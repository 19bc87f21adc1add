"""Any sequence of operations on the broker, compared with the model after every step."""

from collections.abc import Callable
from contextlib import nullcontext
from functools import wraps
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from amqpy.core.events.events import EVENT_EXCHANGE
from amqpy.core.message import Message
from amqpy.core.unacked import Delivery, UnackedDeliveries
from amqpy.core.vhost import PREDECLARED
from amqpy.errors import AccessRefused, AmqpFault, NotFound, PreconditionFailed, ResourceLocked
from amqpy.wire.values import Field, Table
from tests.core.invariants import check_invariants
from tests.core.model import Debt, Model, ModelBinding, ModelChannel, ModelConsumer, ModelExchange, ModelQueue
from tests.core.world import FakeClient, FakeTarget, World, longstr

if TYPE_CHECKING:
    from amqpy.core.queues.dispatch import Consumer

CHANNELS = 2

connections = st.integers(0, 1)
channels = st.integers(0, 2 * CHANNELS - 1)
picks = st.integers(0, 9)
queue_names = st.sampled_from(["q1", "q2", "q3"])
exchange_names = st.sampled_from(["x1", "x2", "x3"])
kinds = st.sampled_from(["direct", "fanout", "topic", "headers"])
keys = st.sampled_from(["", "a", "a.b", "q1"])
patterns = st.sampled_from(["", "a", "a.b", "*", "#", "a.#", "#.b"])
seldom = st.integers(0, 9).map(lambda number: number == 7)


class LoggedRecipient(FakeTarget):
    """Notes its deliveries in one log for all, so that their order over all consumers is known."""

    def __init__(self, log: list[tuple["LoggedRecipient", int, bool, str]]) -> None:
        super().__init__()
        self.log = log

    def deliver(self, tag: int, redelivered: bool, message: Message) -> None:
        self.log.append((self, tag, redelivered, message.body.decode()))


def destroys(function: Callable[..., None]) -> Callable[..., None]:
    """A rule after which less is there. It must wait for others to build something up first."""

    @precondition(lambda self: self.steps_since_loss > 5)
    @wraps(function)
    def destroy(self: "BrokerMachine", *arguments: object, **options: object) -> None:
        self.steps_since_loss = 0
        function(self, *arguments, **options)

    return destroy


class BrokerMachine(RuleBasedStateMachine):
    """Two connections of two channels each, three queues, three exchanges, and what can be done with them."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.model = Model()
        self.clients = [FakeClient("one"), FakeClient("other")]
        self.channels_unacked = [UnackedDeliveries() for _ in range(2 * CHANNELS)]
        self.pending: list[list[tuple[int, Delivery]]] = [[] for _ in self.channels_unacked]
        self.channels = [ModelChannel(number // CHANNELS) for number in range(2 * CHANNELS)]
        self.log: list[tuple[LoggedRecipient, int, bool, str]] = []
        self.ends: dict[ModelConsumer, tuple[Consumer, LoggedRecipient]] = {}
        self.cancelled: set[ModelConsumer] = set()
        self.published = 0
        self.steps_since_loss = 0

    # --- comparing

    def expect(self, fault: type[AmqpFault] | None, connection: int, operation: Callable[[], Any]) -> Any:  # noqa: ANN401
        """Runs an operation of a connection that must be refused in this way, or not at all."""
        self.world.client = self.clients[connection]
        with pytest.raises(fault) if fault else nullcontext():
            return operation()
        return None

    def absorb(self) -> None:
        """Tells the model what was delivered."""
        targets = {target: consumer for consumer, (_, target) in self.ends.items()}
        for target, tag, redelivered, body in self.log:
            self.model.deliver(targets[target], tag, redelivered, body)
        self.log.clear()

    def existing(self, name: str) -> str:
        """Mostly a queue that is there, as most operations on others end at once."""
        return name if name in self.model.queues else min(self.model.queues, default=name)

    def queue_fault(self, connection: int, name: str) -> type[AmqpFault] | None:
        queue = self.model.queues.get(name)
        if queue is None:
            return NotFound
        return ResourceLocked if queue.owner not in {None, connection} else None

    @invariant()
    def the_broker_is_as_the_model_says(self) -> None:
        self.steps_since_loss += 1
        self.absorb()
        self.check_queues()
        self.check_bindings()
        self.check_channels()
        self.check_remembered_routes()
        answered = [owed for taken in self.pending for _, owed in taken]
        check_invariants(self.world.broker, self.channels_unacked, answered)

    def check_queues(self) -> None:
        queues = self.world.vhost.queues
        assert set(queues) == set(self.model.queues)
        debts = [debt.queue for each in self.channels for owed in (each.owed, each.pending) for debt in owed.values()]
        for name, queue in self.model.queues.items():
            assert self.world.ready(name) == queue.bodies()
            assert len(queues[name].ready) == len(queue.ready)
            assert queues[name].unacked_count == debts.count(queue)
            assert len(queues[name].consumers) == len(self.model.consumers_of(queue))
            assert queues[name].owner is (None if queue.owner is None else self.clients[queue.owner])
            assert not self.model.is_stuck(queue)

    def check_bindings(self) -> None:
        exchanges = self.world.vhost.exchanges
        assert set(exchanges) - {"", *PREDECLARED, EVENT_EXCHANGE} == set(self.model.exchanges)
        found = [
            ModelBinding(source, kind == "queue", destination, key, bool(arguments))
            for source, kind, destination, key, arguments in self.world.snapshot()["bindings"]  # type: ignore[attr-defined]
        ]
        assert len(found) == len(self.model.bindings)
        assert set(found) == set(self.model.bindings)

    def check_channels(self) -> None:
        for unacked, channel in zip(self.channels_unacked, self.channels, strict=True):
            assert list(unacked.by_tag) == sorted(channel.owed)
            assert unacked.last_tag == channel.last_tag
            assert len(unacked.consumers) == sum(each.channel is channel for each in self.model.consumers)
        for consumer, (_, target) in self.ends.items():
            assert target.cancellations == (consumer in self.cancelled)

    def check_remembered_routes(self) -> None:
        for client in self.clients:
            for route in self.world.vhost.routes_of(client.user_name).values():
                if route.queues is None:
                    assert self.world.vhost.find_queues(route) is None
                    continue
                names = [queue.name for queue in route.queues]
                for has_header in (False, True):
                    assert set(names) == self.model.route(route.exchange.name, route.routing_key, has_header)
                assert len(names) == len(set(names))
                assert set(self.world.vhost.find_queues(route) or ()) == set(route.queues)

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

    @rule(connection=connections, name=queue_names, exclusive=seldom, auto_delete=seldom)
    def declare_queue(self, connection: int, name: str, exclusive: bool, auto_delete: bool) -> None:
        queue = self.model.queues.get(name)
        owner = connection if exclusive else None
        fault: type[AmqpFault] | None = None
        if queue is None:
            self.model.queues[name] = ModelQueue(name, owner, auto_delete)
        elif queue.owner != owner:
            fault = ResourceLocked
        elif queue.auto_delete != auto_delete:
            fault = PreconditionFailed
        self.expect(fault, connection, lambda: self.world.queue(name, exclusive=exclusive, auto_delete=auto_delete))

    @rule(connection=connections, name=queue_names, if_unused=st.booleans(), if_empty=st.booleans())
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
                self.cancelled.update(self.model.delete_queue(queue))
        deleted = self.expect(
            fault, connection, lambda: self.world.delete_queue(name, if_unused=if_unused, if_empty=if_empty)
        )
        assert fault or deleted == count

    @rule(connection=connections, name=queue_names)
    @destroys
    def purge_queue(self, connection: int, name: str) -> None:
        fault = self.queue_fault(connection, name)
        broker, client, vhost = self.world.broker, self.clients[connection], self.world.vhost
        count = self.expect(fault, connection, lambda: broker.topology.purge_queue(client, vhost, name))
        if fault is None:
            assert count == len(self.model.queues[name].ready)
            self.model.queues[name].ready.clear()

    @rule(name=exchange_names, kind=kinds, auto_delete=st.booleans(), alternate=st.none() | exchange_names)
    def declare_exchange(self, name: str, kind: str, auto_delete: bool, alternate: str | None) -> None:
        wanted = ModelExchange(kind, auto_delete, alternate)
        existing = self.model.exchanges.setdefault(name, wanted)
        arguments = {"alternate-exchange": longstr(alternate)} if alternate else None
        self.expect(
            None if existing == wanted else PreconditionFailed,
            0,
            lambda: self.world.exchange(name, kind, auto_delete=auto_delete, arguments=arguments),
        )

    @rule(name=exchange_names, if_unused=st.booleans())
    @destroys
    def delete_exchange(self, name: str, if_unused: bool) -> None:
        used = any(binding.source == name for binding in self.model.bindings)
        fault = PreconditionFailed if if_unused and used else None
        self.expect(fault, 0, lambda: self.world.delete_exchange(name, if_unused=if_unused))
        if fault is None and name in self.model.exchanges:
            self.model.delete_exchange(name)

    @rule(
        connection=connections,
        source=exchange_names,
        to_queue=st.booleans(),
        queue=queue_names,
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
        destination = queue if to_queue else exchange
        binding = ModelBinding(source, to_queue, destination, key, wants_header)
        fault: type[AmqpFault] | None = None
        if not binds and binding not in self.model.bindings:
            pass
        elif source not in self.model.exchanges or (not to_queue and destination not in self.model.exchanges):
            fault = NotFound
        elif to_queue:
            fault = self.queue_fault(connection, queue)
        world = self.world
        operation = {
            (True, True): world.bind,
            (True, False): world.unbind,
            (False, True): world.bind_exchange,
            (False, False): world.unbind_exchange,
        }[to_queue, binds]
        arguments = headers_of(wants_header)
        self.expect(fault, connection, lambda: operation(destination, source, key, arguments))
        if fault is None and not binds and binding in self.model.bindings:
            self.model.unbind([binding])
        elif fault is None and binds and binding not in self.model.bindings:
            self.model.bindings.append(binding)

    # --- publishing

    @rule(connection=connections, name=queue_names, count=st.integers(1, 6))
    def publish_to_queue(self, connection: int, name: str, count: int) -> None:
        self.publish(connection, "", self.existing(name), has_header=False, count=count)

    @rule(connection=connections, exchange=exchange_names, key=keys, has_header=st.booleans())
    def publish_to_exchange(self, connection: int, exchange: str, key: str, has_header: bool) -> None:
        self.publish(connection, exchange, key, has_header=has_header, count=2)

    def publish(self, connection: int, exchange: str, key: str, *, has_header: bool, count: int) -> None:
        fault = None if exchange in {"", *self.model.exchanges} else NotFound
        bodies = [f"m{self.published + number}" for number in range(count)]
        self.published += count
        if fault is None:
            for name in self.model.route(exchange, key, has_header):
                for body in bodies:
                    self.model.queues[name].append(body)
        headers = headers_of(has_header)
        self.expect(fault, connection, lambda: self.world.publish(exchange, key, *bodies, headers=headers))

    # --- consuming

    @rule(
        number=channels,
        name=queue_names,
        no_ack=seldom,
        exclusive=seldom,
        prefetch=st.integers(0, 3),
        reading=seldom.map(lambda slow: not slow),
    )
    def consume(self, number: int, name: str, no_ack: bool, exclusive: bool, prefetch: int, reading: bool) -> None:
        name = self.existing(name)
        channel = self.channels[number]
        fault = self.queue_fault(channel.connection, name)
        queue = self.model.queues.get(name)
        others = self.model.consumers_of(queue) if queue else []
        if fault is None and (any(each.exclusive for each in others) or (exclusive and others)):
            fault = AccessRefused
        target = LoggedRecipient(self.log)
        target.reading = reading
        consumer = self.expect(
            fault,
            channel.connection,
            lambda: self.world.consume(
                name, self.channels_unacked[number], target, no_ack=no_ack, exclusive=exclusive, prefetch=prefetch
            ),
        )
        if queue is not None and fault is None:
            new = ModelConsumer(queue, channel, prefetch, no_ack, exclusive, reading=reading)
            self.model.consumers.append(new)
            self.ends[new] = consumer, target

    @precondition(lambda self: self.model.consumers)
    @rule(pick=picks)
    @destroys
    def cancel(self, pick: int) -> None:
        consumer = self.pick_consumer(pick)
        self.model.consumers.remove(consumer)
        if consumer.queue.auto_delete and not self.model.consumers_of(consumer.queue):
            self.model.delete_queue(consumer.queue)
        self.world.cancel(self.ends[consumer][0])

    @precondition(lambda self: self.model.consumers and all(consumer.reading for consumer in self.model.consumers))
    @rule(pick=picks)
    def stop_reading(self, pick: int) -> None:
        consumer = self.pick_consumer(pick)
        consumer.reading = self.ends[consumer][1].reading = False

    @precondition(lambda self: not all(consumer.reading for consumer in self.model.consumers))
    @rule(pick=picks)
    def read_again(self, pick: int) -> None:
        waiting = [consumer for consumer in self.model.consumers if not consumer.reading]
        consumer = waiting[pick % len(waiting)]
        consumer.reading = self.ends[consumer][1].reading = True
        self.world.resume(self.ends[consumer][0])

    def pick_consumer(self, pick: int) -> ModelConsumer:
        return self.model.consumers[pick % len(self.model.consumers)]

    @rule(number=channels, name=queue_names, no_ack=st.booleans())
    def get(self, number: int, name: str, no_ack: bool) -> None:
        name = self.existing(name)
        channel = self.channels[number]
        fault = self.queue_fault(channel.connection, name)
        got = self.expect(
            fault, channel.connection, lambda: self.world.get(name, self.channels_unacked[number], no_ack=no_ack)
        )
        queue = self.model.queues.get(name)
        if fault or queue is None or not queue.ready:
            assert got is None
            return
        position, body, redelivered = self.model.take(queue)
        channel.last_tag += 1
        assert got == ((channel.last_tag, redelivered, body), len(queue.ready))
        if not no_ack:
            self.model.owe(channel, Debt(queue, position, body, None))

    @rule(number=channels, limit=st.integers(0, 3))
    def set_global_prefetch(self, number: int, limit: int) -> None:
        self.model.limit(self.channels[number], limit)
        self.world.limit(self.channels_unacked[number], limit)

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
            "ack": lambda: self.world.ack(unacked, tag, multiple=multiple),
            "drop": lambda: self.world.nack(unacked, tag, multiple=multiple, requeue=False),
            "requeue": lambda: self.world.nack(unacked, tag, multiple=multiple, requeue=True),
            "later": lambda: self.pending[number].extend(unacked.take(tag, multiple)),
        }[verdict]
        answered = {each: channel.owed.pop(each) for each in covered or ()}
        if verdict == "later":
            channel.pending |= answered
        else:
            self.model.settle(channel, list(answered.values()), requeue=verdict == "requeue")
        self.expect(None if covered is not None else PreconditionFailed, channel.connection, operation)

    @precondition(lambda self: any(channel.pending for channel in self.channels))
    @rule(pick=picks, verdict=st.sampled_from(["ack", "requeue"]))
    def commit(self, pick: int, verdict: str) -> None:
        number = self.pick_channel(pick, lambda channel: channel.pending)
        channel = self.channels[number]
        self.model.settle(channel, list(channel.pending.values()), requeue=verdict == "requeue")
        channel.pending.clear()
        taken = self.take_pending(number)
        if verdict == "ack":
            self.world.broker.acknowledge(taken)
        else:
            self.world.broker.requeue(taken, "nack")
        self.world.broker.settle()

    @precondition(lambda self: any(channel.pending for channel in self.channels))
    @rule(pick=picks)
    def roll_back(self, pick: int) -> None:
        number = self.pick_channel(pick, lambda channel: channel.pending)
        channel = self.channels[number]
        self.channels_unacked[number].put_back(self.take_pending(number))
        channel.owed |= channel.pending
        channel.pending.clear()

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
        self.model.settle(channel, list(channel.owed.values()), requeue=True)
        channel.owed.clear()
        self.world.recover(self.channels_unacked[number])

    # --- endings

    @rule(number=channels)
    @destroys
    def close_channel(self, number: int) -> None:
        self.end_channel(number)

    def end_channel(self, number: int) -> None:
        unacked = self.channels_unacked[number]
        unacked.put_back(self.take_pending(number))
        self.model.leave(self.channels[number])
        self.world.close_channel(unacked)
        self.absorb()
        self.channels_unacked[number] = UnackedDeliveries()
        self.channels[number] = ModelChannel(self.channels[number].connection)

    @rule(connection=connections)
    @destroys
    def lose_connection(self, connection: int) -> None:
        for number in range(connection * CHANNELS, (connection + 1) * CHANNELS):
            self.end_channel(number)
        self.world.lose_connection(self.clients[connection])
        self.clients[connection] = FakeClient(self.clients[connection].user_name)
        for queue in list(self.model.queues.values()):
            if queue.owner == connection:
                self.model.delete_queue(queue)


def headers_of(has_header: bool) -> Table:
    return {"header": Field("byte", 1)} if has_header else {}


TestBroker = BrokerMachine.TestCase
# Explaining a failure traces every line of it, which takes longer than a test may.
TestBroker.settings = settings(max_examples=200, stateful_step_count=50, phases=[Phase.generate, Phase.shrink])
