"""A broker with make-believe clients, for tests of the core: no sessions, no bytes on a wire."""

import logging
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from random import Random
from typing import Any, NamedTuple

from pamqp.commands import Basic
from pamqp.frame import marshal
from pamqp.header import ContentHeader

from amqpy.config import Config
from amqpy.core.broker import Broker
from amqpy.core.consumer import Consumer, ReturnWay
from amqpy.core.durability.journal import Journal
from amqpy.core.durability.records import Record
from amqpy.core.exchanges import Binding, Exchange
from amqpy.core.message import AnnotatedMessage, Keys, Message, PersistentMessage, Target, address_of, deliver
from amqpy.core.ports import NOBODY, Kind, TopicVerb, Verb
from amqpy.core.publishing import find_route, publish, targets_of
from amqpy.core.queues.queue import Queue
from amqpy.core.routing import Route
from amqpy.core.unacked import UnackedDeliveries
from amqpy.errors import AdministrationError, AmqpFault
from amqpy.wire.outbox import Outbox
from amqpy.wire.properties import is_persistent, join_properties
from amqpy.wire.values import Field, Table, encode_table
from tests.fifo import ready_messages

UNIX_TIME_MS = 1_700_000_000_123
"""What the wall clock says, always."""

LOG = logging.getLogger("amqpy.tests")

PERMISSIONS: tuple[Verb, ...] = ("configure", "write", "read")


def longstr(value: str) -> Field:
    return Field("longstr", value)


def content_header(
    headers: Table | None = None,
    *,
    priority: int | None = None,
    expiration: int | str | None = None,
    persistent: bool = False,
) -> bytes:
    """The payload of a content header frame with these properties. Nothing in the core reads the size."""
    parts: dict[str, bytes] = {}
    if headers is not None:
        table = encode_table(headers)
        parts["headers"] = len(table).to_bytes(4, "big") + table
    if persistent:
        parts["delivery_mode"] = b"\x02"
    if priority is not None:
        parts["priority"] = bytes((priority,))
    if expiration is not None:
        parts["expiration"] = bytes((len(str(expiration)),)) + str(expiration).encode()
    return join_properties(b"\x00\x3c" + bytes(10), parts)


def integer(value: int) -> Field:
    return Field("signedint" if -(1 << 31) <= value < 1 << 31 else "long", value)


def arguments(**values: int | str | bool) -> dict[str, Field]:
    """Arguments of queue.declare: `max_length=1` is `x-max-length`."""
    return {f"x-{name.replace('_', '-')}": field_of(value) for name, value in values.items()}


def field_of(value: int | str | bool) -> Field:
    if isinstance(value, bool):
        return Field("bool", value)
    return longstr(value) if isinstance(value, str) else integer(value)


def properties_header(**properties: Any) -> bytes:  # noqa: ANN401
    """The payload of a content header frame with these properties."""
    return marshal(ContentHeader(body_size=0, properties=Basic.Properties(**properties)), 1)[7:-1]


class FakeClient:
    """A connection of somebody who may do everything but what is `denied`."""

    def __init__(self, user_name: str = "guest") -> None:
        self.user_name = user_name
        self.denied: set[tuple[Verb, str]] = set()
        self.asked: list[tuple[Verb, str]] = []
        self.denied_topics: set[tuple[TopicVerb, str, str]] = set()
        self.asked_topics: list[tuple[TopicVerb, str, str]] = []
        self.closed_with: list[str] = []
        self.alarms_told = 0
        self.made_name = ""

    @property
    def pid(self) -> str:
        return f"<{self.user_name}>"

    def may(self, verb: Verb, kind: Kind, name: str) -> bool:
        self.asked.append((verb, name))
        return (verb, name) not in self.denied

    def may_use_topic(self, verb: TopicVerb, exchange: str, routing_key: str) -> bool:
        self.asked_topics.append((verb, exchange, routing_key))
        return (verb, exchange, routing_key) not in self.denied_topics

    @property
    def channel_count(self) -> int:
        return 0

    def on_alarm(self) -> None:
        self.alarms_told += 1

    def wait_for_work(self) -> None:
        pass

    def work_done(self) -> None:
        pass

    def close(self, text: str) -> None:
        self.closed_with.append(text)


class Delivery(NamedTuple):
    tag: int
    redelivered: bool
    body: str


class FakeTarget:
    """The client's end of a consumer; it reads what it is sent unless `reading` is false."""

    def __init__(self) -> None:
        self.outbox = Outbox(wake=lambda: None)
        self.got: list[Delivery] = []
        self.messages: list[Message] = []
        self.cancellations = 0

    @property
    def reading(self) -> bool:
        return not self.outbox.overfull

    @reading.setter
    def reading(self, reading: bool) -> None:
        self.outbox.size = 0 if reading else self.outbox.limit.size

    def deliver(self, tag: int, redelivered: bool, message: Message) -> None:
        self.got.append(Delivery(tag, redelivered, message.body.decode()))
        self.messages.append(message)

    def deliver_all(self, tag: int, messages: list[Message]) -> None:
        for its_tag, message in enumerate(messages, tag):
            self.deliver(its_tag, False, message)

    def cancelled(self) -> None:
        self.cancellations += 1

    @property
    def bodies(self) -> list[str]:
        return [delivery.body for delivery in self.got]


class CoreHarness:
    """A broker with one virtual host and one client; every operation ends with a `settle`, as in a session."""

    def __init__(
        self,
        profile: str = Config().profile,
        *,
        broker: Broker | None = None,
        journal: Journal | None = None,
        recorded: Sequence[Record] = (),
        now_ms: int = 0,
        **settings: Any,  # noqa: ANN401 (as Config has them)
    ) -> None:
        """The broker that is given, or a new one of that kind."""
        self.broker = broker or Broker(
            Config(profile=profile, **settings),
            map(str, count(1)).__next__,
            Random(0).randrange,
            lambda: UNIX_TIME_MS,
            log=LOG,
            journal=journal,
            recorded=recorded,
            now_ms=now_ms,
        )
        if self.broker.vhosts:
            self.vhost = next(iter(self.broker.vhosts.values()))
        self.client = FakeClient()

    def settle(self) -> None:
        """A turn ends, and large work is done to its end."""
        self.broker.settle()
        self.broker.finish()
        self.broker.scheduler.jobs.begin_turn()

    def wait(self, span_ms: int) -> None:
        """Time passes, and what is due in it is done at its time."""
        until_ms = self.broker.scheduler.now_ms + span_ms
        while (at_ms := self.broker.next_at_ms()) is not None and at_ms <= until_ms:
            self.broker.advance(at_ms)
            self.broker.work()
        self.broker.advance(until_ms)

    # --- topology

    def exchange(
        self,
        name: str,
        kind: str = "direct",
        *,
        client: FakeClient | None = None,
        durable: bool = False,
        auto_delete: bool = False,
        internal: bool = False,
        arguments: Table | None = None,
    ) -> Exchange:
        self.broker.topology.declare_exchange(
            client or self.client,
            self.vhost,
            name,
            kind,
            durable=durable,
            auto_delete=auto_delete,
            internal=internal,
            arguments=arguments or {},
        )
        return self.vhost.exchanges[name.replace("\r", "").replace("\n", "")]

    def queue(
        self,
        name: str,
        *,
        client: FakeClient | None = None,
        durable: bool = False,
        exclusive: bool = False,
        auto_delete: bool = False,
        arguments: Table | None = None,
    ) -> Queue:
        return self.broker.topology.declare_queue(
            client or self.client,
            self.vhost,
            name,
            durable=durable,
            exclusive=exclusive,
            auto_delete=auto_delete,
            arguments=arguments or {},
        )

    def bind(self, queue: str, exchange: str, key: str = "", arguments: Table | None = None) -> None:
        self.broker.topology.bind_queue(self.client, self.vhost, queue, exchange, key, arguments or {})

    def unbind(self, queue: str, exchange: str, key: str = "", arguments: Table | None = None) -> None:
        self.broker.topology.unbind_queue(self.client, self.vhost, queue, exchange, key, arguments or {})
        self.settle()

    def bind_exchange(self, destination: str, source: str, key: str = "", arguments: Table | None = None) -> None:
        self.broker.topology.bind_exchange(self.client, self.vhost, destination, source, key, arguments or {})

    def unbind_exchange(self, destination: str, source: str, key: str = "", arguments: Table | None = None) -> None:
        self.broker.topology.unbind_exchange(self.client, self.vhost, destination, source, key, arguments or {})
        self.settle()

    def delete_queue(self, name: str, *, if_unused: bool = False, if_empty: bool = False) -> int:
        count = self.broker.topology.delete_queue(self.client, self.vhost, name, if_unused=if_unused, if_empty=if_empty)
        self.settle()
        return count

    def delete_exchange(self, name: str, *, if_unused: bool = False) -> None:
        self.broker.topology.delete_exchange(self.client, self.vhost, name, if_unused=if_unused)
        self.settle()

    # --- messages

    def route(self, exchange: str, routing_key: str, *, mandatory: bool = False) -> Route:
        """The remembered route, or a new one: what a front end does first with a publish."""
        router, key = self.vhost.router, (exchange, routing_key, mandatory)
        route = router.remembered(self.client.user_name).get(key)
        if route is None:
            route = find_route(self.client, self.vhost, exchange, routing_key, mandatory=mandatory)
            router.remember(self.client.user_name, key, route)
        return route

    def queues_for(self, exchange: str, routing_key: str, headers: Table | None = None) -> tuple[Target, ...]:
        route = self.route(exchange, routing_key)
        message = Message(route.address, content_header(headers), b"")
        return self.vhost.router.targets_of(route.exchange, message) if route.targets is None else route.targets

    def publish(
        self,
        exchange: str,
        routing_key: str,
        *bodies: str,
        headers: Table | None = None,
        priority: int | None = None,
        expiration: int | None = None,
        persistent: bool = False,
    ) -> list[str]:
        """Returns the bodies that some queue refused."""
        route = self.route(exchange, routing_key)
        header = content_header(headers, priority=priority, expiration=expiration, persistent=persistent)
        kind = PersistentMessage if persistent else Message
        expires_at_ms = None if expiration is None else self.now_ms + expiration
        refused = []
        for body in bodies:
            message = kind(route.address, header, body.encode(), expires_at_ms)
            targets = targets_of(self.vhost, route, message, NOBODY)
            if targets is route.targets:
                route.count += 1
            else:
                route.exchange.count_published(targets)
            if deliver(targets, message):
                refused.append(body)
        self.settle()
        return refused

    def send(
        self, exchange: str, keys: Keys, header: bytes, body: str = "", *, ttl_ms: int | None = None
    ) -> tuple[Target, ...]:
        """Publishes as a channel does; returns the targets. Without any, a mandatory message would be returned."""
        expires_at_ms = None if ttl_ms is None else self.broker.scheduler.now_ms + ttl_ms
        message = AnnotatedMessage(
            address_of(exchange, keys[0]),
            header,
            body.encode(),
            expires_at_ms,
            persistent=is_persistent(header),
            more_keys=keys[1:],
        )
        result = publish(self.client, self.vhost, exchange, keys[0], message)
        self.settle()
        return result.targets

    def routed(self, exchange: str, routing_key: str = "", headers: Table | None = None) -> set[str]:
        """The names of the queues that get such a message; that none gets it twice is checked on the way."""
        names = [queue.name for queue in self.queues_for(exchange, routing_key, headers)]
        assert len(names) == len(set(names))
        return set(names)

    # --- consuming

    def consume(
        self,
        queue: str,
        unacked: UnackedDeliveries,
        target: FakeTarget | None = None,
        *,
        client: FakeClient | None = None,
        tag: str = "tag",
        no_ack: bool = False,
        exclusive: bool = False,
        prefetch: int = 0,
        priority: int | None = None,
        **more: int,
    ) -> Consumer:
        """What else is said are arguments of the consumer: `consumer_timeout=1` is `x-consumer-timeout`."""
        consumer = self.broker.consume(
            client or self.client,
            self.vhost,
            queue,
            unacked,
            target or FakeTarget(),
            tag=tag,
            no_ack=no_ack,
            exclusive=exclusive,
            prefetch=prefetch,
            arguments=arguments(**more) | ({} if priority is None else arguments(priority=priority)),
        )
        self.settle()
        return consumer

    def cancel(self, consumer: Consumer) -> None:
        self.broker.cancel(self.vhost, consumer)
        self.settle()

    def get(self, queue: str, unacked: UnackedDeliveries, *, no_ack: bool = False) -> tuple[Delivery, int] | None:
        """What was got and how many are left."""
        got = self.broker.get(self.client, self.vhost, queue, unacked, no_ack=no_ack)
        self.settle()
        return got and (Delivery(got[0], got[1], got[2].body.decode()), got[3])

    def fetch(self, queue: str) -> Message | None:
        """The first message, taken for good."""
        got = self.broker.get(self.client, self.vhost, queue, UnackedDeliveries(), no_ack=True)
        self.settle()
        return got and got[2]

    def ack(self, unacked: UnackedDeliveries, tag: int, *, multiple: bool = False) -> None:
        self.broker.acknowledge(unacked.take(tag, multiple), by_consumer=len(unacked.consumers) > 1)
        self.settle()

    def nack(
        self,
        unacked: UnackedDeliveries,
        tag: int,
        *,
        multiple: bool = False,
        requeue: bool = True,
        way: ReturnWay = "nack",
    ) -> None:
        taken = unacked.withdraw(tag, multiple)
        if requeue:
            self.broker.requeue(taken, way)
        else:
            self.broker.reject(taken)
        self.settle()

    def recover(self, unacked: UnackedDeliveries) -> None:
        self.broker.requeue(unacked.withdraw(0, multiple=True), "recover")
        self.settle()

    def limit(self, unacked: UnackedDeliveries, limit: int) -> None:
        """basic.qos with global=true."""
        unacked.set_limit(limit)
        self.settle()

    def resume(self, *consumers: Consumer) -> None:
        """The client reads again."""
        for consumer in consumers:
            consumer.resume()
        self.settle()

    def close_channel(self, unacked: UnackedDeliveries) -> None:
        self.broker.scheduler.jobs.do(self.broker.close_channel(self.vhost, unacked, []))
        self.settle()

    def lose_connection(self, client: FakeClient) -> None:
        self.broker.scheduler.jobs.do(self.broker.connection_lost(client, self.vhost))
        self.settle()

    # --- time

    @property
    def now_ms(self) -> int:
        return self.broker.scheduler.now_ms

    def advance(self, milliseconds: int) -> None:
        """Time passes, and all that is due is done."""
        self.broker.advance(self.now_ms + milliseconds)
        self.catch_up()

    def catch_up(self) -> int:
        """Settles until nothing is due; the number of turns."""
        turns = 0
        while (at_ms := self.broker.next_at_ms()) is not None and at_ms <= self.now_ms:
            self.settle()
            turns += 1
            assert turns < 100_000, "there is no end to it"
        return turns

    # --- what there is

    def snapshot(self) -> Mapping[str, object]:
        """Everything a client could find out about the virtual host."""
        exchanges = self.vhost.exchanges.values()
        return {
            "exchanges": {each.name: _properties_of(each) for each in exchanges},
            "bindings": {_identity(binding) for each in exchanges for binding in each.bindings.values()},
            "queues": {name: _queue_state(queue) for name, queue in self.vhost.queues.items()},
        }

    def ready(self, queue: str) -> list[str]:
        """The bodies of the messages that wait in a queue, in order."""
        return [message.body.decode() for message in ready_messages(self.vhost.queues[queue])]


def _properties_of(exchange: Exchange) -> tuple[object, ...]:
    arguments = encode_table(exchange.arguments)
    return exchange.type, exchange.durable, exchange.auto_delete, exchange.internal, arguments


def _identity(binding: Binding) -> tuple[object, ...]:
    kind = "queue" if isinstance(binding.destination, Queue) else "exchange"
    arguments = encode_table(binding.arguments)
    return binding.source.name, kind, binding.destination.name, binding.routing_key, arguments


def _queue_state(queue: Queue) -> tuple[object, ...]:
    return (
        queue.durable,
        queue.auto_delete,
        queue.owner,
        encode_table(queue.arguments),
        tuple(message.body for message in ready_messages(queue)),
        queue.unacked_count,
        tuple(consumer.tag for consumer in queue.consumers),
    )


def refusal(operation: Callable[..., object], *values: object, **more: Any) -> str | None:  # noqa: ANN401
    """Why it is refused, if it is."""
    try:
        operation(*values, **more)
    except (AmqpFault, AdministrationError) as fault:
        return fault.text
    return None
