"""A virtual host: its exchanges and queues, the bindings between them, and the routes they make.

Everything here only holds state and always succeeds; permissions, checks and their error texts are the broker's
(`broker`, `topology`). What is added or removed is told as an event and, if it is durable, recorded; what is only
*placed* was there already before the broker started.

Source: `rabbit_vhost` (the exchanges of a new vhost), `rabbit_binding` (what is deleted with something else),
`rabbit_exchange:route`.
"""

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any, Protocol

from amqpy.core.administration.limits import Limits
from amqpy.core.administration.policies import PolicySet
from amqpy.core.arguments import CLASSIC
from amqpy.core.consumer import Consumer, Delivery
from amqpy.core.detailed_statistics import CountedChannel, DetailedDeliveries, DetailedStatistics
from amqpy.core.durability import encoding
from amqpy.core.durability.records import PermissionRecord, TopicPermissionRecord
from amqpy.core.events import event_properties
from amqpy.core.events.events import INTERNAL_USER, Events
from amqpy.core.events.tracing import TRACE_EXCHANGE, Tracer
from amqpy.core.exchanges import EXCHANGE_TYPES, Binding, Destination, Exchange
from amqpy.core.exchanges.direct import DirectExchange
from amqpy.core.jobs import Steps, each
from amqpy.core.message import Message, Target, deliver_own
from amqpy.core.permissions import Permission, TopicPermission
from amqpy.core.ports import Client, Origin, TopicVerb, Verb
from amqpy.core.queues.classic import ClassicQueue
from amqpy.core.queues.queue import Queue
from amqpy.core.queues.reply_to import ReplyQueue
from amqpy.core.routing import Router
from amqpy.core.scheduler import Scheduler
from amqpy.core.statistics import BrokerStatistics, Counts, Totals
from amqpy.core.unacked import UnackedDeliveries
from amqpy.core.vhost_metadata import Metadata
from amqpy.core.watcher import Watcher
from amqpy.profile import Profile
from amqpy.wire.values import Table

CONSUMER_UNITS, BINDING_UNITS, QUEUE_UNITS = 5, 5, 20
"""The cost of removing one of each, in the units of `jobs`."""

RULE_UNITS = 10
"""The cost of finding and applying the policies of one queue or exchange, in the units of `jobs`."""

PREDECLARED = {
    "amq.direct": "direct",
    "amq.fanout": "fanout",
    "amq.topic": "topic",
    "amq.headers": "headers",
    "amq.match": "headers",
    TRACE_EXCHANGE: "topic",
}


class OpenChannel(CountedChannel, Protocol):
    """A channel, for statistics, and for those who look at messages."""

    def message_stats(self) -> Counts: ...

    def deliveries(self) -> Iterable[Delivery]:
        """The deliveries that are unacknowledged, also those answered in a transaction that goes on."""


class Vhost:
    """The objects of one virtual host."""

    def __init__(
        self,
        name: str,
        scheduler: Scheduler,
        events: Events,
        profile: Profile,
        choose: Callable[[int], int],
        statistics: BrokerStatistics,
    ) -> None:
        self.name = name
        self.scheduler = scheduler
        self.events = events
        self.profile = profile
        self.choose = choose
        """Makes a random number below the one it is given."""
        self.statistics = statistics
        """Those of the broker."""
        self.channels: dict[OpenChannel, None] = {}
        self.channel_totals: Totals[str] = Totals()
        """Message statistics of the channels."""
        self.traffic: Totals[str] = Totals()
        """Bytes received from connections and sent to them."""
        self.metadata = Metadata()
        self.policies = PolicySet(profile, scheduler.jobs.spend)
        self.parameters: dict[tuple[str, str], Any] = {}
        """Values that an administrator set, by component and name."""
        self.permissions: dict[str, Permission] = {}
        """The permissions by the names of users. Who has none here may not connect to it."""
        self.topic_permissions: dict[str, dict[str, TopicPermission]] = {}
        """Those of users that have any, by the names of exchanges, which need not exist."""
        self.tracer: Tracer | None = None
        """Copies all messages while tracing is on, else None: it is one of the watchers, too."""
        self.watchers: tuple[Watcher, ...] = ()
        self.detailed: DetailedStatistics | None = None
        """The counters of pairs, where they are wanted: the first of the watchers."""
        self.clients: dict[Client, None] = {}
        """The open connections to this virtual host."""
        self.queues: dict[str, Queue] = {}
        self.exchanges: dict[str, Exchange] = {}
        self.reply_queues: dict[str, ReplyQueue] = {}
        self.owned: dict[Client, dict[Queue, None]] = {}
        """Exclusive queues by their connection."""
        self._bindings_to: dict[Destination, dict[Binding, None]] = {}
        """The bindings by what they lead to. An exchange itself has those that it is the source of."""
        self.router = Router(self.exchanges, self.queues, self.reply_queues, returns_replies=profile.returns_replies)
        self.exchanges[""] = DirectExchange(self, "", durable=True, arguments={})
        for exchange, kind in PREDECLARED.items():
            internal = exchange == TRACE_EXCHANGE
            self.exchanges[exchange] = EXCHANGE_TYPES[kind](
                self, exchange, durable=True, internal=internal, arguments={}
            )

    def may(self, user_name: str, verb: Verb, resource: str) -> bool:
        """True if the user has this permission on a queue or an exchange."""
        permission = self.permissions.get(user_name)
        return permission is not None and permission.allows(verb, resource, self.scheduler.jobs.spend)

    def may_use_topic(self, user_name: str, verb: TopicVerb, exchange: str, routing_key: str) -> bool:
        """True if the user may use the routing key at a topic exchange: without a topic permission any."""
        of_user = self.topic_permissions.get(user_name)
        permission = None if of_user is None else of_user.get(exchange)
        if permission is None:
            return True
        variables = {"username": user_name, "vhost": self.name}
        return permission.allows(verb, routing_key, variables, self.scheduler.jobs.spend)

    def set_permission(self, user_name: str, permission: Permission | None) -> None:
        """Sets the permissions of a user, or clears them with None. They apply at once, to open connections, too."""
        before = self.permissions.get(user_name)
        if permission is None:
            if before is not None:
                del self.permissions[user_name]
                self.scheduler.drop(PermissionRecord(user_name, self.name, *before.patterns.values()))
        elif permission != before:
            self.permissions[user_name] = permission
            self.scheduler.put(PermissionRecord(user_name, self.name, *permission.patterns.values()))
        # Remembered routes have been checked against the old permissions.
        self.router.forget()

    def set_topic_permission(self, user_name: str, exchange: str, permission: TopicPermission | None) -> None:
        """Sets the topic permission of a user on an exchange, or clears it with None. It applies at once, too."""
        of_user = self.topic_permissions.setdefault(user_name, {})
        before = of_user.pop(exchange, None) if permission is None else of_user.get(exchange)
        if permission is None:
            if before is not None:
                patterns = before.patterns.values()
                self.scheduler.drop(TopicPermissionRecord(user_name, self.name, exchange, *patterns))
        elif permission != before:
            of_user[exchange] = permission
            self.scheduler.put(TopicPermissionRecord(user_name, self.name, exchange, *permission.patterns.values()))
        if not of_user:
            del self.topic_permissions[user_name]
        self.router.forget()

    @property
    def tracing(self) -> bool:
        return self.tracer is not None

    def trace(self, tracer: Tracer | None) -> None:
        """Turns tracing on with the tracer that copies all messages, or off with None."""
        before, self.tracer = self.tracer, tracer
        if before is not None:
            self.unwatch(before)
        if tracer is not None:
            self.watch(tracer)

    def count_pairs(self) -> None:
        """Counts pairs of channels, exchanges and queues from now on: before there are any channels."""
        self.detailed = DetailedStatistics(self.exchanges, self.queues)
        self.watch(self.detailed)

    def watch(self, watcher: Watcher) -> None:
        """Shows the watcher every message from now on."""
        self.watchers += (watcher,)
        for consumer in self._consumers_for(watcher):
            watcher.attach(consumer)
        self.router.forget()

    def unwatch(self, watcher: Watcher) -> None:
        self.watchers = tuple(each for each in self.watchers if each is not watcher)
        for consumer in self._consumers_for(watcher):
            watcher.detach(consumer)
        self.router.forget()

    def _consumers_for(self, watcher: Watcher) -> Iterator[Consumer]:
        names = self.queues if watcher.queues is None else watcher.queues
        return (consumer for name in names if name in self.queues for consumer in self.queues[name].consumers)

    @property
    def limits(self) -> Limits:
        # To Erlang, an object without any pair is an empty list.
        limits: Limits = self.parameters.get(("vhost-limits", "limits")) or {}
        return limits

    def apply_policies(self) -> Steps:
        """Applies policies that have changed: a job. Queues and exchanges declared meanwhile have them already."""
        for queue in each(self.queues.values()):
            if not queue.deleted:
                self.policies.apply_to_queue(queue)
            yield RULE_UNITS
        for exchange in each(self.exchanges.values()):
            if not exchange.deleted and self.policies.apply_to_exchange(exchange):
                self.router.forget()
            yield RULE_UNITS

    def settle_counts(self, exchange: Exchange) -> None:
        """Brings the counters of one of its exchanges up to date."""
        self.router.settle_counts(exchange)

    def new_unacked(self, origin: Origin) -> UnackedDeliveries:
        """The unacknowledged deliveries of a new channel."""
        return UnackedDeliveries(origin) if self.detailed is None else DetailedDeliveries(origin)

    def begin_channel(self, channel: OpenChannel) -> None:
        self.channels[channel] = None
        if self.detailed is not None:
            self.detailed.begin(channel)
        self.channel_totals.begin(channel, channel.message_stats)
        self.statistics.channels.begin(channel, channel.message_stats)

    def end_channel(self, channel: OpenChannel) -> None:
        """Keeps the counters of a channel that is being closed. May be repeated."""
        self.channels.pop(channel, None)
        if self.detailed is not None:
            self.detailed.end(channel)
        self.channel_totals.end(channel)
        self.statistics.channels.end(channel)

    # --- messages

    def publish(self, exchange: Exchange, message: Message) -> list[Target]:
        """Publishes a message of the broker's own, which needs no permission; returns the targets that refused it."""
        return self.deliver_own(self.router.targets_of(exchange, message), message)

    def deliver_own(self, targets: Sequence[Target], message: Message) -> list[Target]:
        """Gives a message of the broker's own to these targets; returns those that refused it."""
        for watcher in self.watchers:
            watcher.published_by_broker(message, targets)
        return deliver_own(targets, message)

    # --- queues and exchanges

    def place_exchange(self, exchange: Exchange) -> None:
        self.exchanges[exchange.name] = exchange
        self.policies.apply_to_exchange(exchange)
        self.router.forget()

    def add_exchange(self, exchange: Exchange, actor: str = INTERNAL_USER) -> None:
        exchange.declared_by = actor
        self.place_exchange(exchange)
        if encoding.is_recorded(exchange):
            self.scheduler.put(encoding.of_exchange(exchange))
        self.events.tell("exchange.created", event_properties.of_exchange, exchange, actor)

    def place_queue(self, queue: Queue) -> None:
        self.queues[queue.name] = queue
        self.statistics.queues.begin(queue, queue.lasting_stats)
        self.policies.apply_to_queue(queue, new=True)
        if queue.owner is not None:
            self.owned.setdefault(queue.owner, {})[queue] = None
        self.router.forget()

    def add_queue(
        self,
        name: str,
        kind: type[Queue] = ClassicQueue,
        *,
        durable: bool,
        auto_delete: bool,
        owner: Client | None,
        arguments: Table,
        actor: str = INTERNAL_USER,
    ) -> Queue:
        queue = kind(
            self,
            name,
            durable=durable,
            auto_delete=auto_delete,
            owner=owner,
            arguments=arguments,
            scheduler=self.scheduler,
        )
        self.place_queue(queue)
        if durable:
            self.scheduler.put(encoding.of_queue(queue))
        self.events.tell("queue.created", event_properties.of_queue, queue, self.events.node, actor)
        return queue

    def remove_queue(self, queue: Queue, actor: str = INTERNAL_USER) -> None:
        """Deletes a queue with its bindings and messages, and notifies its consumers."""
        self.scheduler.jobs.do(self.take_queue(queue, actor))

    def take_queue(self, queue: Queue, actor: str = INTERNAL_USER) -> Steps:
        """`remove_queue` as part of a job: the queue is gone at once, its consumers and bindings go bit by bit."""
        del self.queues[queue.name]
        if queue.durable:
            self.scheduler.drop(encoding.of_queue(queue))
        queue.deleted = True
        if queue.owner is not None:
            del self.owned[queue.owner][queue]
            if not self.owned[queue.owner]:
                del self.owned[queue.owner]
        self.statistics.queues.end(queue)
        self.scheduler.queues_to_drain.pop(queue, None)
        self.scheduler.queues_to_drain_further.pop(queue, None)
        queue.close()
        queue.purge()
        queue.release()
        self.router.forget()
        return self._clear_away(queue, actor)

    def _clear_away(self, queue: Queue, actor: str) -> Steps:
        for consumer in each(queue.consumers):
            if consumer not in queue.consumers:
                continue
            queue.remove_consumer(consumer)
            self.scheduler.cancelled_consumers.append(consumer)
            if queue.type == CLASSIC:
                self.events.tell("consumer.deleted", event_properties.of_consumer_gone, consumer, actor)
            yield CONSUMER_UNITS
        yield from self.unbind(each(self.bindings_to(queue)))
        self.events.tell("queue.deleted", event_properties.of_queue_gone, queue, actor)
        yield QUEUE_UNITS

    def add_reply_queue(self, queue: ReplyQueue) -> None:
        self.reply_queues[queue.name] = queue

    def remove_reply_queue(self, queue: ReplyQueue) -> None:
        """Removes the queue of a consumer that has left; the replies that wait are dropped."""
        del self.reply_queues[queue.name]
        queue.deleted = True
        if queue.waiting:
            self.scheduler.discarded.append([queue.waiting])
            queue.waiting = deque()
        self.router.forget()

    def remove_exchange(self, exchange: Exchange, actor: str = INTERNAL_USER) -> None:
        """Deletes an exchange with all its bindings, and the auto-delete exchanges that are unused after that."""
        self.scheduler.jobs.do(self.take_exchange(exchange, actor))

    def take_exchange(self, exchange: Exchange, actor: str = INTERNAL_USER) -> Steps:
        """`remove_exchange` as part of a job: the exchange is gone at once, its bindings go bit by bit."""
        self._drop_exchange(exchange, actor)
        return self._unlink_all(exchange, actor)

    def _drop_exchange(self, exchange: Exchange, actor: str) -> None:
        del self.exchanges[exchange.name]
        exchange.deleted = True
        if encoding.is_recorded(exchange):
            self.scheduler.drop(encoding.of_exchange(exchange))
        exchange.discard()
        self.router.forget()
        self.events.tell("exchange.deleted", event_properties.of_deletion, exchange, actor)

    def _unlink_all(self, exchange: Exchange, actor: str) -> Steps:
        work = [exchange]
        while work:
            gone = work.pop()
            if not gone.deleted:
                self._drop_exchange(gone, actor)
            for binding in each((*gone.bindings.values(), *self.bindings_to(gone))):
                if self._unlink(binding, actor) and binding.destination is gone and _is_finished(binding.source):
                    work.append(binding.source)
                yield BINDING_UNITS
        yield QUEUE_UNITS

    def message_count(self) -> int:
        """The number of messages in all queues, and of those that exchanges keep."""
        in_queues = sum(queue.ready_count + queue.unacked_count for queue in self.queues.values())
        in_queues += sum(len(queue.waiting) for queue in self.reply_queues.values())
        return in_queues + sum(exchange.message_count() for exchange in self.exchanges.values())

    def messages_in_memory(self) -> int:
        """Like `message_count`, without messages that are only on disk."""
        on_disk = sum(queue.ready_count - queue.in_memory_count for queue in self.queues.values())
        return self.message_count() - on_disk

    # --- bindings

    def bindings_to(self, destination: Destination) -> Collection[Binding]:
        """The bindings that lead to a queue or an exchange."""
        return self._bindings_to.get(destination, ())

    def place_binding(self, binding: Binding) -> None:
        binding.source.add(binding)
        self._bindings_to.setdefault(binding.destination, {})[binding] = None
        self.router.forget()

    def add_binding(self, binding: Binding, actor: str = INTERNAL_USER) -> None:
        """Adds a binding. One that exists already stays as it is."""
        if binding.identity in binding.source.bindings:
            return
        self.place_binding(binding)
        if binding.durable:
            self.scheduler.put(encoding.of_binding(binding))
        self.events.tell("binding.created", event_properties.of_binding, binding, actor)

    def remove_binding(self, binding: Binding, actor: str = INTERNAL_USER) -> None:
        self.scheduler.jobs.do(self.unbind([binding], actor))

    def unbind(self, bindings: Iterable[Binding], actor: str = INTERNAL_USER) -> Steps:
        """Removes bindings, and the auto-delete exchanges that have none left: a job."""
        for binding in bindings:
            if self._unlink(binding, actor) and _is_finished(binding.source):
                yield from self.take_exchange(binding.source, actor)
            yield BINDING_UNITS

    def _unlink(self, binding: Binding, actor: str) -> bool:
        """Removes a binding from both its ends. True if it was still there."""
        links = self._bindings_to.get(binding.destination, {})
        if binding not in links:
            return False
        binding.source.remove(binding)
        del links[binding]
        if not links:
            del self._bindings_to[binding.destination]
        if binding.durable and not self._is_bound_again(binding):
            self.scheduler.drop(encoding.of_binding(binding))
        self.events.tell("binding.deleted", event_properties.of_binding, binding, actor)
        if not (binding.source.deleted or binding.destination.deleted):
            self.router.forget()
        return True

    def _is_bound_again(self, binding: Binding) -> bool:
        """True if the same binding exists again, between new objects with the old names. It has the same record."""
        if not (binding.source.deleted or binding.destination.deleted):
            return False
        source = self.exchanges.get(binding.source.name)
        others = self.queues if isinstance(binding.destination, Queue) else self.exchanges
        destination = others.get(binding.destination.name)
        if source is None or destination is None:
            return False
        same = source.bindings.get((destination, *binding.identity[1:]))
        return same is not None and same.durable


def _is_finished(exchange: Exchange) -> bool:
    return exchange.auto_delete and not exchange.bindings and not exchange.deleted
