"""The publishing half of a channel: the messages of a client on their way into the core, and their confirms.

Messages in a row that have the same verdict on their headers come as a run (`wire.scan`; decision 23). They are
published at once, unless something in their properties or on their way must be looked at in each of them.

Source: `rabbit_channel`: basic.publish, `send_confirms_and_nacks`.
"""

from collections.abc import Collection, Hashable, Iterable
from itertools import groupby, repeat
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar

from amqpy.amqp.content import PUBLISH_METHOD
from amqpy.amqp.message_properties import inspect, plain_kind
from amqpy.core.confirms import Confirm, Confirms
from amqpy.core.message import Message, Target, deliver
from amqpy.core.ports import Client, Origin
from amqpy.core.principals import Undecided
from amqpy.core.publishing import check_copies, count_published, find_route, targets_of, tell_refused
from amqpy.core.routing import Route
from amqpy.core.vhost import Vhost
from amqpy.errors import AmqpFault, ChannelFault, ConnectionFault, PreconditionFailed, Unimplemented
from amqpy.wire.content import IMMEDIATE, MANDATORY, ContentWriter, confirm_frame, split_address
from amqpy.wire.frame_reader import PUBLISH
from amqpy.wire.methods import undecodable
from amqpy.wire.scan import Run
from amqpy.wire.values import text

if TYPE_CHECKING:
    from amqpy.amqp.durable_replies import DurableReplies
    from amqpy.amqp.terms import Terms
    from amqpy.amqp.transaction import Transaction
    from amqpy.core.broker import Broker
    from amqpy.core.durability.journal import Batch
    from amqpy.core.queues.reply_to import ReplyQueue
    from amqpy.wire.outbox import Outbox

C = TypeVar("C")

NO_ROUTE: Final = 312
KINDS_MAX: Final = 1000
"""Verdicts on content headers that are remembered per connection; applications send a handful."""


class Connection(Client, Protocol):
    """A connection, as its channels need it."""

    broker: "Broker"
    terms: "Terms"
    outbox: "Outbox"
    durable_replies: "DurableReplies"
    channels: "Channels[Any]"
    impersonates: bool
    """True if its user may put any user's name on messages."""

    @property
    def user_key(self) -> Hashable:
        """The `Principal.key` of its user."""

    def wait_until_read(self) -> None:
        """Stops processing its input until the client has read half of the bytes that may wait for it."""

    def close_channel(self, number: int, fault: ChannelFault) -> None:
        """Closes a channel on a fault."""

    def fail(self, fault: ConnectionFault) -> None:
        """Closes itself on a fault."""


class Channels(dict[int, C], Generic[C]):
    """The channels of a connection by their numbers, and what they share."""

    def __init__(self) -> None:
        super().__init__()
        self.fast: dict[int, C] = {}
        """Those that can take a whole message or an ack without further checks; none during an alarm."""
        self.confirming: list[C] = []
        """Those that published in this turn and use publisher confirms."""
        self.plain_kinds: dict[int, type[Message] | None] = {}
        """The class of the messages whose content headers have this verdict; None if each must be looked at."""


class Publisher:
    """The part of a channel that publishes."""

    def __init__(self, connection: Connection, number: int, vhost: Vhost) -> None:
        terms = connection.terms
        self.connection = connection
        self.broker = connection.broker
        self.vhost = vhost
        self.number = number
        self.routes = vhost.router.remembered(connection.user_key)
        """Routes by the payload of their publish method."""
        self.writer = ContentWriter(connection.outbox, number, terms.frame_max)
        self.origin = Origin(terms.peer.name, number, connection.user_name, self.broker.new_pid())
        self.unacked = vhost.new_unacked(self.origin)
        self.published = 0
        """Messages published without publisher confirms. `confirms` counts the others."""
        self.confirms: Confirms | None = None
        self.transaction: Transaction | None = None
        self.replies: ReplyQueue | None = None
        """The queue of direct replies for this channel, while it consumes them."""
        self.closing = False
        """True from our channel.close until close-ok: anything else from the client is ignored."""
        self._plain_kinds = connection.channels.plain_kinds
        self._user_id: str | None = None
        """The only user's name that messages may have as user id; None if they may have any."""
        self.note_tags()

    def new_confirms(self) -> Confirms:
        """Makes the publisher confirms that confirm.select turns on."""
        return Confirms()

    def note_tags(self) -> None:
        """Applies the tags of its user, which are new or have changed."""
        self._user_id = None if self.connection.impersonates else self.connection.user_name

    def publish(self, run: Run) -> Run | None:
        """Publishes messages. Returns those that are left where the client must wait first. Raises Undecided: then none
        is published, or those before the ones to be published again."""
        methods, verdict, headers, bodies = run
        try:
            kind = self._plain_kinds[verdict]
        except KeyError:
            kind = self._note_kind(verdict)
        if kind is None or self.transaction is not None:
            return self._publish_each(run)
        count = len(bodies)
        if methods.count(methods[0]) < count:
            return self._publish_routes(kind, run)
        route = self.routes.get(methods[0]) or self._find_route(methods[0])
        if route.targets is None or route.is_unroutable:
            return self._publish_each(run)
        route.count += count
        refused: Collection[int]
        if count == 1:
            refused = (0,) if route.deliver(kind(route.address, headers[0], bodies[0])) else ()
        else:
            refused = route.deliver_all([*map(kind, repeat(route.address), headers, bodies)])
        self._count_published(count, refused)
        return None

    def _publish_routes(self, kind: type[Message], run: Run) -> Run | None:
        """`publish` for messages of several routes. Each queue gets those that it gets at once, and in their order."""
        methods, _, headers, bodies = run
        routes: list[Route] = []
        messages: list[Message] = []
        groups: dict[Target, list[int]] = {}
        is_one_each = True
        for index, route in enumerate(map(self.routes.get, methods)):
            if route is None or route.targets is None or route.is_unroutable:
                return self._publish_each(run)
            routes.append(route)
            messages.append(kind(route.address, headers[index], bodies[index]))
            if len(route.targets) == 1:
                groups.setdefault(route.targets[0], []).append(index)
            else:
                is_one_each = False
        # Where queues have more than one of the routes, their order is that of the messages.
        rows = groups.values() if is_one_each else _rows(routes)
        refused: list[int] = []
        for indices in rows:
            first = indices[0]
            if len(indices) == 1:
                refused += indices if routes[first].deliver(messages[first]) else ()
            else:
                some = messages if len(indices) == len(messages) else [messages[index] for index in indices]
                refused += [indices[index] for index in routes[first].deliver_all(some)]
        for route in routes:
            route.count += 1
        self._count_published(len(messages), sorted(refused))
        return None

    def _publish_each(self, run: Run) -> Run | None:
        """`publish` where each message is looked at."""
        methods, verdict, headers, bodies = run
        fast = self.connection.channels.fast
        for index, (payload, header, body) in enumerate(zip(methods, headers, bodies, strict=True), 1):
            try:
                self._publish_one(payload, verdict, header, body)
            except Undecided as pending:
                rest = index - 1
                pending.again = (PUBLISH, self.number, (methods[rest:], verdict, headers[rest:], bodies[rest:]))
                raise
            if index < len(bodies) and self.number not in fast:
                return methods[index:], verdict, headers[index:], bodies[index:]
        return None

    def _publish_one(self, payload: bytes, verdict: int, header: bytes, body: bytes) -> None:
        if len(body) > self.broker.max_message_size:
            self.check_size(len(body), payload)
        route = self.routes.get(payload) or self._find_route(payload)
        try:
            kind, special = inspect(header, verdict, self.broker.profile, self._user_id, self.replies)
            if special is not None:
                check_copies(self.connection, self.vhost, route, special.more_keys)
        except AmqpFault as fault:
            raise _in_publish(fault) from None
        if special is None and route.targets is not None and self.transaction is None:
            route.count += 1
            if route.is_unroutable:
                refused = self._publish_unroutable(route, kind, header, body)
            else:
                refused = route.deliver(kind(route.address, header, body))
        else:
            if special is None:
                message = kind(route.address, header, body)
            else:
                message = special.message(kind, route.address, body, self.broker.scheduler.now_ms)
            in_transaction = self.transaction is not None
            targets = targets_of(self.vhost, route, message, self.origin, in_transaction=in_transaction)
            if self.transaction is not None:
                self.transaction.publish(route.exchange, targets, message, route.mandatory)
                return
            if targets is route.targets:
                route.count += 1
                is_unroutable = route.is_unroutable
            else:
                count_published(self.vhost, route.exchange, targets, self.origin, mandatory=route.mandatory)
                is_unroutable = self.vhost.router.is_unroutable(targets)
            refused = deliver(targets, message)
            if refused:
                tell_refused(self.vhost, message, refused, self.origin)
            if is_unroutable:
                self.on_unroutable(message, mandatory=route.mandatory)
        self._count_published(1, (0,) if refused else ())

    def _count_published(self, count: int, refused: Collection[int]) -> None:
        """Counts published messages, of which some were refused: their indices."""
        confirms = self.confirms
        if confirms is None:
            self.published += count
            return
        if not confirms.pending:
            self.connection.channels.confirming.append(self)
        first = confirms.last_tag + 1
        confirms.last_tag += count
        for index in refused:
            confirms.nack(first + index)

    def _note_kind(self, verdict: int) -> type[Message] | None:
        """Remembers the class of the messages with this verdict, or None if each must be looked at."""
        kinds = self._plain_kinds
        if len(kinds) >= KINDS_MAX:
            kinds.clear()
        may_be_too_large = self.broker.max_message_size < self.connection.terms.frame_max
        kind = kinds[verdict] = None if may_be_too_large else plain_kind(verdict, self.broker.profile)
        return kind

    def _find_route(self, payload: bytes) -> Route:
        """The route of a basic.publish, from now on a remembered one. Raises the fault that refuses it."""
        try:
            raw_exchange, raw_key = split_address(payload[6:-1])
            bits = payload[-1]
            if bits & IMMEDIATE:
                raise _immediate_unimplemented()
            exchange, routing_key = text(raw_exchange), text(raw_key)
            mandatory = bool(bits & MANDATORY)
            route = find_route(self.connection, self.vhost, exchange, routing_key, mandatory=mandatory)
        except AmqpFault as fault:
            raise _in_publish(fault) from None
        except (IndexError, ValueError):
            raise _in_publish(undecodable(payload)) from None
        self.vhost.router.remember(self.connection.user_key, payload, route)
        return route

    def _publish_unroutable(self, route: Route, kind: type[Message], header: bytes, body: bytes) -> object:
        """Publishes a message that no queue takes, but perhaps a client that waits for replies."""
        if not (route.targets or route.mandatory):
            self.unacked.counts.drop_unroutable += 1
            return False
        message = kind(route.address, header, body)
        refused = route.deliver(message)
        self.on_unroutable(message, mandatory=route.mandatory)
        return refused

    def on_unroutable(self, message: Message, *, mandatory: bool) -> None:
        """Returns a mandatory message that no queue took; another is dropped. Counts either."""
        counts = self.unacked.counts
        if not mandatory:
            counts.drop_unroutable += 1
            for watcher in self.vhost.watchers:
                watcher.dropped(message, self.origin)
            return
        counts.return_unroutable += 1
        for watcher in self.vhost.watchers:
            watcher.returned(message, self.origin)
        self.writer.return_message(NO_ROUTE, b"NO_ROUTE", message.address, message.header, message.body)
        if self.connection.outbox.overfull:
            self.connection.wait_until_read()

    def confirm(self, batch: "Batch | None") -> None:
        """Confirms everything published so far: now, or when the batch that holds some of it is durable."""
        if self.confirms is None or not self.confirms.pending:
            return
        if batch is None:
            self.confirms.note()
            self._tell_confirms()
        else:
            self.confirms.note(batch.number)
            batch.waiting[self] = None

    def on_durable(self, number: int) -> None:
        """Confirms what waited for this batch or an earlier one (`durability.journal.Waiter`)."""
        if self.connection.channels.get(self.number) is self and not self.closing:
            self._tell_confirms(number)

    def _tell_confirms(self, durable: int | None = None) -> None:
        assert self.confirms is not None
        for confirm in self.confirms.take(durable):
            self.send_confirm(confirm)

    def send_confirm(self, confirm: Confirm) -> None:
        self.connection.outbox.write(
            confirm_frame(self.number, confirm.tag, multiple=confirm.multiple, nack=confirm.nack)
        )

    def check_size(self, size: int, payload: bytes) -> None:
        if payload[-1] & IMMEDIATE:
            raise _in_publish(_immediate_unimplemented())
        limit = self.broker.max_message_size
        raise _in_publish(PreconditionFailed(f"message size {size} is larger than configured max size {limit}"))


def _rows(routes: list[Route]) -> Iterable[list[int]]:
    """The indices of routes in a row that lead to the same queues."""
    return ([*indices] for _, indices in groupby(range(len(routes)), lambda index: routes[index].targets))


def _in_publish(fault: AmqpFault) -> AmqpFault:
    fault.method_id = PUBLISH_METHOD
    return fault


def _immediate_unimplemented() -> Unimplemented:
    """For a publish with the immediate bit, before anything else about it is checked."""
    return Unimplemented("immediate=true")
