"""The broker: what clients may ask of it.

An operation checks everything first, in RabbitMQ's order, and changes things after; so it is done whole or not at
all. It raises a ChannelFault or ConnectionFault that says why not. Operations leave queues *dirty* where a consumer
may now be served; `settle` serves them, and whoever calls operations calls it when a turn is over.

Source: `rabbit_channel:handle_method` for the checks, their order and their words.
"""

from collections.abc import Callable

from amqpy.config import Config
from amqpy.core.agenda import Agenda
from amqpy.core.arguments import (
    EXCHANGE_ARGUMENTS,
    QUEUE_ARGUMENTS,
    assert_same_arguments,
    assert_same_property,
)
from amqpy.core.consumers import Consumer
from amqpy.core.effects import Client, Recipient, Verb
from amqpy.core.exchanges import EXCHANGE_TYPES, Binding, Exchange
from amqpy.core.ledger import Ledger, Owed
from amqpy.core.message import Message
from amqpy.core.queue import Queue
from amqpy.core.reply_to import REPLY_TO, ReplyQueue
from amqpy.core.vhost import Route, Vhost
from amqpy.errors import (
    AccessRefused,
    CommandInvalid,
    NotFound,
    PreconditionFailed,
    ResourceLocked,
    Unimplemented,
)
from amqpy.wire.hot import IMMEDIATE, MANDATORY, split_address
from amqpy.wire.values import Table, text

DEFAULT_EXCHANGE_RESOURCE = "amq.default"
"""What permissions call the exchange without a name."""


class Broker:
    """All virtual hosts and the operations on them. `new_name` makes the random part of a server-made name."""

    def __init__(self, config: Config, new_name: Callable[[], str]) -> None:
        self.config = config
        self.new_name = new_name
        self.agenda = Agenda()
        self.vhosts: dict[str, Vhost] = {}
        self.add_vhost(config.default_vhost)

    def add_vhost(self, name: str) -> Vhost:
        vhost = self.vhosts[name] = Vhost(name, self.agenda)
        return vhost

    # --- turns

    def settle(self) -> None:
        """Does what operations have left to do: consumers are told that their queue is gone, messages whose time is
        over are dropped, and every queue that has both messages and consumers again is drained."""
        agenda = self.agenda
        if agenda.cancelled:
            for consumer in agenda.cancelled:
                consumer.recipient.cancelled()
            agenda.cancelled.clear()
        if agenda.deadlines:
            while (queue := agenda.deadlines.pop_due(agenda.now_ms)) is not None:
                queue.drop_expired()
        while agenda.dirty:
            agenda.dirty.popitem()[0].drain()

    def advance(self, now_ms: int) -> None:
        """A turn begins. What expired since the last one is gone before anybody can see it."""
        self.agenda.now_ms = now_ms
        first_at_ms = self.next_at_ms()
        if first_at_ms is not None and first_at_ms <= now_ms:
            self.settle()

    def next_at_ms(self) -> int | None:
        """When to `advance` although nobody asks for anything, or None."""
        return self.agenda.deadlines.first_at_ms()

    def message_count(self) -> int:
        """Messages in memory, ready or delivered, once for each queue they are in."""
        return sum(
            len(queue.ready) + queue.unacked for vhost in self.vhosts.values() for queue in vhost.queues.values()
        )

    def sweep(self, count: int) -> None:
        """Frees up to `count` messages of what was purged or deleted.

        Freeing a million messages takes a tenth of a second, and nobody should have to wait for it.
        """
        while self.agenda.discarded and count > 0:
            messages = self.agenda.discarded[0]
            for _ in range(min(count, len(messages))):
                messages.pop()
                count -= 1
            if not messages:
                self.agenda.discarded.popleft()

    # --- exchanges

    def declare_exchange(
        self,
        client: Client,
        vhost: Vhost,
        name: str,
        kind: str,
        *,
        durable: bool,
        auto_delete: bool,
        internal: bool,
        arguments: Table,
    ) -> None:
        """exchange.declare. Creates the exchange or makes sure that it is as asked for."""
        exchange_type = EXCHANGE_TYPES.get(kind)
        if exchange_type is None:
            raise CommandInvalid(f"unknown exchange type '{kind}'")
        name = _stripped(name)
        _refuse_default(name)
        _permit(client, vhost, "configure", "exchange", name)
        exchange = vhost.exchanges.get(name)
        if exchange is None:
            _refuse_reserved("exchange", name)
            alternate = arguments.get("alternate-exchange")
            if alternate is not None:
                if alternate.kind != "longstr":
                    raise PreconditionFailed(
                        f"invalid type '{alternate.kind}' for arg 'alternate-exchange' in {_exchange(vhost, name)}"
                    )
                _permit(client, vhost, "read", "exchange", name)
                _permit(client, vhost, "write", "exchange", alternate.value)
            vhost.add_exchange(
                exchange_type(name, durable=durable, auto_delete=auto_delete, internal=internal, arguments=arguments)
            )
            return
        what = _exchange(vhost, name)
        assert_same_property(what, "type", exchange.type, kind)
        assert_same_property(what, "durable", exchange.durable, durable)
        assert_same_property(what, "auto_delete", exchange.auto_delete, auto_delete)
        assert_same_property(what, "internal", exchange.internal, internal)
        assert_same_arguments(what, EXCHANGE_ARGUMENTS, exchange.arguments, arguments)

    def check_exchange(self, vhost: Vhost, name: str) -> None:
        """exchange.declare with passive."""
        name = _stripped(name)
        _refuse_default(name)
        self._find_exchange(vhost, name)

    def delete_exchange(self, client: Client, vhost: Vhost, name: str, *, if_unused: bool) -> None:
        """exchange.delete. What is not there is deleted already."""
        name = _stripped(name)
        _refuse_default(name)
        if name.startswith("amq."):
            raise AccessRefused(f"deletion of system {_exchange(vhost, name)} not allowed")
        _permit(client, vhost, "configure", "exchange", name)
        exchange = vhost.exchanges.get(name)
        if exchange is None:
            return
        if if_unused and exchange.bindings:
            raise PreconditionFailed(f"{_exchange(vhost, name)} in use")
        vhost.remove_exchange(exchange)

    # --- queues

    def declare_queue(
        self,
        client: Client,
        vhost: Vhost,
        name: str,
        *,
        durable: bool,
        exclusive: bool,
        auto_delete: bool,
        arguments: Table,
    ) -> Queue:
        """queue.declare. Creates the queue, named by us if it has no name, or makes sure that it is as asked for."""
        name = _stripped(name)
        durable = durable and not exclusive
        if name:
            _refuse_reserved("queue", name)
        else:
            name = f"amq.gen-{self.new_name()}"
        _permit(client, vhost, "configure", "queue", name)
        queue = vhost.queues.get(name)
        if queue is None:
            return vhost.add_queue(
                name,
                durable=durable,
                auto_delete=auto_delete,
                owner=client if exclusive else None,
                arguments=arguments,
            )
        if queue.owner is not (client if exclusive else None):
            raise _locked(vhost, name)
        what = _queue(vhost, name)
        assert_same_property(what, "durable", queue.durable, durable)
        assert_same_property(what, "auto_delete", queue.auto_delete, auto_delete)
        assert_same_arguments(what, QUEUE_ARGUMENTS, queue.arguments, arguments)
        return queue

    def check_queue(self, client: Client, vhost: Vhost, name: str) -> Queue:
        """queue.declare with passive."""
        return self._open_queue(client, vhost, _stripped(name))

    def delete_queue(self, client: Client, vhost: Vhost, name: str, *, if_unused: bool, if_empty: bool) -> int:
        """queue.delete; how many messages went with it. What is not there is deleted already."""
        name = _stripped(name)
        _permit(client, vhost, "configure", "queue", name)
        if name not in vhost.queues:
            return 0
        queue = self._open_queue(client, vhost, name)
        if if_unused and queue.consumers:
            raise PreconditionFailed(f"{_queue(vhost, name)} in use")
        if if_empty and queue.ready:
            raise PreconditionFailed(f"{_queue(vhost, name)} not empty")
        count = len(queue.ready)
        vhost.remove_queue(queue)
        return count

    def purge_queue(self, client: Client, vhost: Vhost, name: str) -> int:
        """queue.purge; how many messages were dropped. Those that consumers have stay theirs."""
        _permit(client, vhost, "read", "queue", name)
        queue = self._open_queue(client, vhost, name)
        return queue.discard()

    # --- bindings

    def bind_queue(
        self, client: Client, vhost: Vhost, queue: str, exchange: str, routing_key: str, arguments: Table
    ) -> None:
        """queue.bind"""
        queue, exchange = self._permit_queue_binding(client, vhost, queue, exchange)
        source = self._find_exchange(vhost, exchange)
        destination = self._open_queue(client, vhost, queue)
        source.check_binding(arguments)
        vhost.add_binding(Binding(source, destination, routing_key, arguments))

    def unbind_queue(
        self, client: Client, vhost: Vhost, queue: str, exchange: str, routing_key: str, arguments: Table
    ) -> None:
        """queue.unbind. What is not bound, or not even there, is unbound already."""
        queue, exchange = self._permit_queue_binding(client, vhost, queue, exchange)
        self._unbind(client, vhost, exchange, vhost.queues.get(queue), routing_key, arguments)

    def bind_exchange(
        self, client: Client, vhost: Vhost, destination: str, source: str, routing_key: str, arguments: Table
    ) -> None:
        """exchange.bind"""
        destination, source = self._permit_exchange_binding(client, vhost, destination, source)
        exchange = self._find_exchange(vhost, source)
        binding = Binding(exchange, self._find_exchange(vhost, destination), routing_key, arguments)
        exchange.check_binding(arguments)
        vhost.add_binding(binding)

    def unbind_exchange(
        self, client: Client, vhost: Vhost, destination: str, source: str, routing_key: str, arguments: Table
    ) -> None:
        """exchange.unbind. What is not bound, or not even there, is unbound already."""
        destination, source = self._permit_exchange_binding(client, vhost, destination, source)
        self._unbind(client, vhost, source, vhost.exchanges.get(destination), routing_key, arguments)

    def _permit_queue_binding(self, client: Client, vhost: Vhost, queue: str, exchange: str) -> tuple[str, str]:
        queue, exchange = _stripped(queue), _stripped(exchange)
        _permit(client, vhost, "write", "queue", queue)
        _refuse_default(exchange)
        _permit(client, vhost, "read", "exchange", exchange)
        return queue, exchange

    def _permit_exchange_binding(self, client: Client, vhost: Vhost, destination: str, source: str) -> tuple[str, str]:
        destination, source = _stripped(destination), _stripped(source)
        _permit(client, vhost, "write", "exchange", destination)
        _refuse_default(destination)
        _refuse_default(source)
        _permit(client, vhost, "read", "exchange", source)
        return destination, source

    def _unbind(
        self,
        client: Client,
        vhost: Vhost,
        source: str,
        destination: Queue | Exchange | None,
        routing_key: str,
        arguments: Table,
    ) -> None:
        exchange = vhost.exchanges.get(source)
        if exchange is None or destination is None:
            return
        bound = exchange.bindings.get(Binding(exchange, destination, routing_key, arguments).identity)
        if bound is None:
            return
        if isinstance(destination, Queue):
            self._open_queue(client, vhost, destination.name)
        vhost.remove_bindings([bound])

    # --- publishing

    def find_route(self, client: Client, vhost: Vhost, payload: bytes) -> Route:
        """Where a publish with this method payload goes. Raises what refuses it, and IndexError or ValueError
        for a payload that is none."""
        address, bits = payload[6:-1], payload[-1]
        raw_exchange, raw_key = split_address(address)
        if bits & IMMEDIATE:
            raise immediate_unimplemented()
        name = text(raw_exchange)
        _permit(client, vhost, "write", "exchange", name)
        exchange = self._find_exchange(vhost, name)
        if exchange.internal:
            raise AccessRefused(f"cannot publish to internal {_exchange(vhost, name)}")
        route = Route(address, exchange, text(raw_key), bool(bits & MANDATORY))
        route.queues = vhost.find_queues(route)
        vhost.remember_route(client.user_name, payload, route)
        return route

    # --- consuming

    def consume(
        self,
        client: Client,
        vhost: Vhost,
        queue_name: str,
        ledger: Ledger,
        recipient: Recipient,
        *,
        tag: str,
        no_ack: bool,
        exclusive: bool,
        prefetch: int,
        arguments: Table,
    ) -> Consumer:
        """basic.consume. The consumer gets nothing before the next `settle`."""
        _permit(client, vhost, "read", "queue", queue_name)
        queue = self._open_queue(client, vhost, queue_name)
        if queue.exclusive_consumer or (exclusive and queue.consumers):
            raise AccessRefused(f"{_queue(vhost, queue_name)} in exclusive use")
        consumer = Consumer(
            tag,
            queue,
            ledger,
            recipient,
            no_ack=no_ack,
            exclusive=exclusive,
            prefetch=prefetch,
            arguments=arguments,
        )
        queue.add_consumer(consumer)
        return consumer

    def consume_replies(self, vhost: Vhost, ledger: Ledger, recipient: Recipient, *, tag: str) -> ReplyQueue:
        """basic.consume of the direct reply-to pseudo-queue: a queue for this consumer's replies."""
        queue = ReplyQueue(f"{REPLY_TO}.{self.new_name()}", tag, ledger, recipient)
        vhost.add_reply_queue(queue)
        return queue

    def check_reply_queue(self, vhost: Vhost, name: str) -> None:
        """queue.declare of the pseudo-queue, which is always there, or of somebody's reply-to."""
        if name != REPLY_TO and name not in vhost.reply_queues:
            raise NotFound(f"no {_queue(vhost, name)}")

    def cancel(self, vhost: Vhost, consumer: Consumer) -> None:
        """basic.cancel. What the consumer owes stays owed; an auto-delete queue goes with its last consumer."""
        queue = consumer.queue
        queue.remove_consumer(consumer)
        if queue.auto_delete and not queue.consumers:
            vhost.remove_queue(queue)

    def get(
        self, client: Client, vhost: Vhost, queue_name: str, ledger: Ledger, *, no_ack: bool
    ) -> tuple[int, bool, Message, int] | None:
        """basic.get: delivery tag, redelivered, the message and how many are left; None when there is none."""
        _permit(client, vhost, "read", "queue", queue_name)
        queue = self._open_queue(client, vhost, queue_name)
        if not queue.ready:
            return None
        position, message, redelivered = queue.ready.pop()
        if queue.expires_at_ms is not None:
            queue.watch_first()
        if no_ack:
            tag = ledger.next_tag()
        else:
            queue.unacked += 1
            tag = ledger.owe(queue, position, message, None)
        return tag, redelivered, message, len(queue.ready)

    def acknowledge(self, taken: list[tuple[int, Owed]]) -> None:
        """Messages are done with."""
        for _, owed in taken:
            self.acknowledge_one(owed)

    def acknowledge_one(self, owed: Owed) -> None:
        """A message is done with."""
        queue, _, _, consumer = owed
        queue.unacked -= 1
        if consumer is not None:
            consumer.answered()

    def reject(self, taken: list[tuple[int, Owed]], *, requeue: bool) -> None:
        """Messages are refused: back to where they were, or dropped."""
        for _, (queue, position, message, consumer) in taken:
            if requeue and not queue.deleted:
                queue.requeue(position, message)
            else:
                queue.unacked -= 1
            if consumer is not None:
                consumer.answered()

    # --- endings

    def close_channel(self, vhost: Vhost, ledger: Ledger, taken: list[tuple[int, Owed]]) -> None:
        """A channel is over, however it ended: its consumers leave, what it owed (`taken`) goes back."""
        consumers = list(ledger.consumers)
        for consumer in consumers:
            consumer.queue.remove_consumer(consumer)
        self.reject(taken, requeue=True)
        for consumer in consumers:
            queue = consumer.queue
            if queue.auto_delete and not queue.consumers and not queue.deleted:
                vhost.remove_queue(queue)

    def connection_lost(self, client: Client, vhost: Vhost) -> None:
        """A connection is over and its channels are closed: its exclusive queues go."""
        for queue in list(vhost.owned.get(client, ())):
            vhost.remove_queue(queue)

    # --- look-ups

    def _find_exchange(self, vhost: Vhost, name: str) -> Exchange:
        exchange = vhost.exchanges.get(name)
        if exchange is None:
            raise NotFound(f"no {_exchange(vhost, name)}")
        return exchange

    def _open_queue(self, client: Client, vhost: Vhost, name: str) -> Queue:
        """The queue, if it is there and not another connection's own."""
        queue = vhost.queues.get(name)
        if queue is None:
            raise NotFound(f"no {_queue(vhost, name)}")
        if queue.owner is not None and queue.owner is not client:
            raise _locked(vhost, name)
        return queue


def immediate_unimplemented() -> Unimplemented:
    """For a publish with the immediate bit, before anything else about it is judged."""
    return Unimplemented("immediate=true")


def _queue(vhost: Vhost, name: str) -> str:
    return f"queue '{name}' in vhost '{vhost.name}'"


def _exchange(vhost: Vhost, name: str) -> str:
    return f"exchange '{name}' in vhost '{vhost.name}'"


def _stripped(name: str) -> str:
    """RabbitMQ drops line ends from names that are declared or bound."""
    return name.replace("\n", "").replace("\r", "")


def _permit(client: Client, vhost: Vhost, verb: Verb, kind: str, name: str) -> None:
    resource = name or DEFAULT_EXCHANGE_RESOURCE
    if not client.may(verb, resource):
        raise AccessRefused(
            f"{verb} access to {kind} '{resource}' in vhost '{vhost.name}' refused for user '{client.user_name}'"
        )


def _refuse_default(exchange: str) -> None:
    if exchange == "":
        raise AccessRefused("operation not permitted on the default exchange")


def _refuse_reserved(kind: str, name: str) -> None:
    if name.startswith("amq."):
        raise AccessRefused(f"{kind} name '{name}' contains reserved prefix 'amq.*'")


def _locked(vhost: Vhost, name: str) -> ResourceLocked:
    return ResourceLocked(
        f"cannot obtain exclusive access to locked {_queue(vhost, name)}. It could be originally declared on "
        "another connection or the exclusive property value does not match that of the original declaration."
    )
