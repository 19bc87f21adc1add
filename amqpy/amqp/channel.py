"""A channel of a connection: its state, its content being received, and the registry of method handlers.

Handlers are in `topology_methods` and `basic_methods`, registered here by their method's class. A handler reads the
arguments, calls the broker, and replies; a fault that it raises closes the channel or the connection in one place
(`connection`).
"""

from collections.abc import Callable, Collection, Iterable
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any, Final, Protocol

from amqpy.amqp.connection_events import of_channel_end
from amqpy.amqp.content import PUBLISH_METHOD, Content
from amqpy.amqp.message_properties import inspect, plain_kind
from amqpy.amqp.transaction import Transaction, all_answered
from amqpy.core.jobs import Steps, each
from amqpy.core.message import Message, deliver
from amqpy.core.ports import Client, Origin
from amqpy.core.publishing import find_route, targets_of
from amqpy.core.routing import Route
from amqpy.core.statistics import Counts
from amqpy.core.unacked import UnackedDeliveries
from amqpy.core.vhost import Vhost
from amqpy.errors import (
    AmqpFault,
    ChannelFault,
    CommandInvalid,
    ConnectionFault,
    PreconditionFailed,
    UnexpectedFrame,
    Unimplemented,
)
from amqpy.wire.content import (
    IMMEDIATE,
    MANDATORY,
    ContentWriter,
    confirm_frame,
    split_address,
)
from amqpy.wire.methods import AMQP_0_9_1, Basic, Method, undecodable
from amqpy.wire.scan import MULTIPLE, Acks, Run, judge
from amqpy.wire.values import text

if TYPE_CHECKING:
    from amqpy.amqp.durable_replies import DurableReplies
    from amqpy.amqp.terms import Terms
    from amqpy.core.broker import Broker
    from amqpy.core.confirms import Confirms
    from amqpy.core.consumer import Consumer, Delivery
    from amqpy.core.durability.journal import Batch
    from amqpy.core.portions import Taken
    from amqpy.core.queues.reply_to import ReplyQueue
    from amqpy.wire.outbox import Outbox

ACK_METHOD = AMQP_0_9_1.id_of(Basic.Ack)
"""Class and method id, which are the same in every version of AMQP."""

NO_ROUTE: Final = 312
KINDS_MAX: Final = 1000
"""Verdicts on content headers that are remembered per connection; applications send a handful."""

Handler = Callable[["ChannelSession", Any], None]
HANDLERS: dict[type[Method], Handler] = {}


def handles(method: type[Method]) -> Callable[[Handler], Handler]:
    """Registers the function that handles a method of a client."""

    def register(handler: Handler) -> Handler:
        HANDLERS[method] = handler
        return handler

    return register


class Connection(Client, Protocol):
    """A connection, as its channels need it."""

    broker: "Broker"
    terms: "Terms"
    outbox: "Outbox"
    durable_replies: "DurableReplies"
    channels: "Channels"
    impersonates: bool
    """True if its user may put any user's name on messages."""

    def wait_until_read(self) -> None:
        """Stops processing its input until the client has read half of the bytes that may wait for it."""

    def close_channel(self, number: int, fault: ChannelFault) -> None:
        """Closes a channel on a fault."""

    def fail(self, fault: ConnectionFault) -> None:
        """Closes itself on a fault."""


class Channels(dict[int, "ChannelSession"]):
    """The channels of a connection by their numbers, and what they share."""

    def __init__(self) -> None:
        super().__init__()
        self.fast: dict[int, ChannelSession] = {}
        """Those that can take a whole message or an ack without further checks; none during an alarm."""
        self.confirming: list[ChannelSession] = []
        """Those that published in this turn and use publisher confirms."""
        self.plain_kinds: dict[int, type[Message] | None] = {}
        """The class of the messages whose content headers have this verdict; None if each must be looked at."""


class ChannelSession:
    """One open channel. `vhost` and `unacked` are its place in the core."""

    def __init__(self, connection: Connection, number: int, vhost: Vhost) -> None:
        terms = connection.terms
        self.connection = connection
        self.broker = connection.broker
        self.methods = terms.methods
        self.vhost = vhost
        self.number = number
        self.routes = vhost.router.remembered(connection.user_name)
        """Routes by the payload of their publish method."""
        self.writer = ContentWriter(connection.outbox, number, terms.frame_max)
        self.origin = Origin(terms.peer.name, number, connection.user_name, self.broker.new_pid())
        self.unacked = UnackedDeliveries(self.origin)
        self.published = 0
        """Messages published without publisher confirms. `confirms` counts the others."""
        self.confirms: Confirms | None = None
        self.transaction: Transaction | None = None
        self.consumers: dict[str, Consumer] = {}
        """The consumers by tag. They refer back here: one that leaves must leave this dict, to be freed at once."""
        self.replies: ReplyQueue | None = None
        """The queue of direct replies for this channel, while it consumes them."""
        self.prefetch = 0
        """The prefetch of consumers to come, set by basic.qos (not global)."""
        self.last_queue = ""
        """The queue declared last, which an empty queue name means."""
        self.closing = False
        """True from our channel.close until close-ok: anything else from the client is ignored."""
        self._content: Content | None = None
        vhost.begin_channel(self)
        self._plain_kinds = connection.channels.plain_kinds
        self._user_id = None if connection.impersonates else connection.user_name
        """The only user's name that messages may have as user id; None if they may have any."""

    def message_stats(self) -> Counts:
        """The message statistics: what was published, delivered and acknowledged."""
        counts, stats = self.unacked.counts, self.unacked.message_stats()
        if self.transaction is not None:
            stats["ack"] -= self.transaction.uncommitted_acks
        return {
            "publish": self.published + (0 if self.confirms is None else self.confirms.last_tag),
            "confirm": 0 if self.confirms is None else self.confirms.confirmed_count,
            "drop_unroutable": counts.drop_unroutable,
            "return_unroutable": counts.return_unroutable,
            **stats,
        }

    def deliveries(self) -> "Iterable[Delivery]":
        """The deliveries that are unacknowledged, also those answered in a transaction that goes on."""
        answered = () if self.transaction is None else self.transaction.answered()
        return chain(self.unacked.by_tag.values(), answered)

    def reply(self, method: type[Method], *values: object) -> None:
        self.connection.outbox.write(self.methods.encode(self.number, method, *values))

    def reply_after_work(self, method: type[Method], *values: object) -> None:
        """Replies once the jobs that the client's method began are done, and their changes are durable."""
        jobs = self.broker.scheduler.jobs
        if not jobs.is_at_work:
            self.reply(method, *values)
            return

        def reply() -> None:
            self.connection.durable_replies.hold_until_durable(len(self.connection.outbox.chunks))
            self.reply(method, *values)

        jobs.then(reply)

    def allow_fast_path(self) -> None:
        """Allows the connection to pass it whole messages and acks directly, unless it is closing, in the middle of a
        message, or publishers are blocked."""
        if not (self.closing or self._content is not None or self.broker.alarms):
            self.connection.channels.fast[self.number] = self

    def resume_consumers(self) -> Steps:
        """Resumes the consumers that were blocked because the client did not read: a job."""
        for consumer in each(self.unacked.consumers):
            if consumer.is_blocked:
                consumer.resume()
            yield 1
        if self.replies is not None:
            self.replies.drain()

    # --- frames

    def on_method(self, payload: bytes) -> None:
        """Takes a method frame. Raises the fault that refuses it."""
        self.expect_method()
        methods = self.methods
        method = methods.find(payload)
        if method is None:
            raise CommandInvalid("unimplemented method")
        if method is Basic.Publish:
            self._content = Content(payload)
            self.connection.channels.fast.pop(self.number, None)
            return
        try:
            decoded = methods.decode(method, payload)
            handler = HANDLERS.get(method)
            if handler is None:
                self._on_unserved(method, payload)
                return
            if self.closing:
                return
            self.broker.settle()
            journal = self.broker.scheduler.journal
            if journal is None:
                handler(self, decoded)
            else:
                facts_count = journal.changes_count
                first = len(self.connection.outbox.chunks)
                handler(self, decoded)
                if journal.changes_count != facts_count:
                    self.connection.durable_replies.hold_until_durable(first)
            self.broker.settle()
        except AmqpFault as fault:
            fault.method_id = fault.method_id or methods.id_of(method)
            raise

    def _on_unserved(self, method: type[Method], payload: bytes) -> None:
        """Refuses a method that a server does not take; one with content when the content has arrived, too."""
        if method in self.methods.with_content:
            self._content = Content(payload, self.methods.id_of(method))
            self.connection.channels.fast.pop(self.number, None)
        elif not self.closing:
            raise CommandInvalid("unimplemented method")

    def expect_method(self) -> None:
        """Raises UnexpectedFrame in the middle of a message, which no method may interrupt."""
        if self._content is not None:
            raise self._content.unexpected()

    def on_header(self, payload: bytes) -> None:
        """Takes a content header frame. Raises the fault that refuses it."""
        content = self._content
        if content is None:
            raise UnexpectedFrame("expected method frame, got non method frame instead")
        content.on_header(payload)
        if content.is_whole:
            self._finish_content(content)

    def on_body(self, payload: bytes | memoryview) -> None:
        """Takes a content body frame. Raises the fault that refuses it."""
        content = self._content
        if content is None:
            raise UnexpectedFrame("expected method frame, got non method frame instead")
        content.on_body(payload, self.broker.max_message_size)
        if content.is_whole:
            self._finish_content(content)

    def _finish_content(self, content: Content) -> None:
        assert content.header is not None
        self._content = None
        if self.closing:
            return
        if content.method_id != PUBLISH_METHOD:
            raise content.blamed(CommandInvalid("unimplemented method"))
        self.allow_fast_path()
        if content.size > self.broker.max_message_size:
            self._check_size(content.size, content.payload)
        self.publish((content.payload, judge(content.header), [content.header], [content.body]))

    # --- publishing

    def publish(self, run: Run) -> Run | None:
        """Publishes messages. Returns those that are left where the client must wait first."""
        payload, verdict, headers, bodies = run
        try:
            kind = self._plain_kinds[verdict]
        except KeyError:
            kind = self._note_kind(verdict)
        if kind is None or self.transaction is not None:
            return self._publish_each(run)
        route = self.routes.get(payload) or self._find_route(payload)
        if route.targets is None or route.is_unroutable:
            return self._publish_each(run)
        count = len(bodies)
        route.count += count
        refused: Collection[int]
        if count == 1:
            refused = (0,) if route.deliver(kind(route.address, headers[0], bodies[0])) else ()
        else:
            refused = route.deliver_all([*map(kind, repeat(route.address), headers, bodies)])
        self._count_published(count, refused)
        return None

    def _publish_each(self, run: Run) -> Run | None:
        """`publish` where each message is looked at."""
        payload, verdict, headers, bodies = run
        fast = self.connection.channels.fast
        for index, (header, body) in enumerate(zip(headers, bodies, strict=True), 1):
            self._publish_one(payload, verdict, header, body)
            if index < len(bodies) and self.number not in fast:
                return payload, verdict, headers[index:], bodies[index:]
        return None

    def _publish_one(self, payload: bytes, verdict: int, header: bytes, body: bytes) -> None:
        if len(body) > self.broker.max_message_size:
            self._check_size(len(body), payload)
        route = self.routes.get(payload) or self._find_route(payload)
        try:
            kind, special = inspect(header, verdict, self.broker.profile, self._user_id, self.replies)
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
            targets = targets_of(self.vhost, route, message, self.origin)
            if self.transaction is not None:
                self.transaction.publish(route.exchange, targets, message, route.mandatory)
                return
            if targets is route.targets:
                route.count += 1
                is_unroutable = route.is_unroutable
            else:
                route.exchange.count_published(targets)
                is_unroutable = self.vhost.router.is_unroutable(targets)
            refused = deliver(targets, message)
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
        self.vhost.router.remember(self.connection.user_name, payload, route)
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
            return
        counts.return_unroutable += 1
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
            self.connection.outbox.write(
                confirm_frame(self.number, confirm.tag, multiple=confirm.multiple, nack=confirm.nack)
            )

    def _check_size(self, size: int, payload: bytes) -> None:
        if payload[-1] & IMMEDIATE:
            raise _in_publish(_immediate_unimplemented())
        limit = self.broker.max_message_size
        raise _in_publish(PreconditionFailed(f"message size {size} is larger than configured max size {limit}"))

    # --- acknowledgements

    def on_acks(self, acks: Acks) -> None:
        """Takes basic.ack, which like basic.publish comes once per message and so is decoded elsewhere."""
        tags, bits = acks
        multiple = bits & MULTIPLE != 0
        try:
            if self.transaction is not None:
                for tag in tags:
                    self.transaction.answer("ack", self.unacked.take_many(tag, multiple))
            elif multiple:
                (tag,) = tags
                self.broker.acknowledge(self.unacked.take_many(tag, multiple), by_consumer=len(self.consumers) > 1)
            else:
                self.broker.acknowledge_each(self.unacked, tags)
        except AmqpFault as fault:
            fault.method_id = ACK_METHOD
            raise

    def roll_back(self) -> "Taken":
        """Forgets the publishes of an open transaction; returns the deliveries settled in it, in any order."""
        if self.transaction is None:
            return []
        self.unacked.counts.withdrawn += self.transaction.uncommitted_acks
        publishes, answers = self.transaction.end()
        self.broker.scheduler.discarded.append(publishes)
        return all_answered(answers)

    def on_timeout(self, timeout_ms: int) -> None:
        """Closes the channel: the client took too long to acknowledge a delivery."""
        fault = PreconditionFailed(
            f"delivery acknowledgement on channel {self.number} timed out. Timeout value used: {timeout_ms} ms. "
            "This timeout value can be configured, see consumers doc guide to learn more",
            method_id=(0, 0),
        )
        self.connection.close_channel(self.number, fault)

    # --- the end

    def close(self) -> Steps:
        """Leaves the core: removes consumers, requeues unacknowledged messages, rolls back a transaction. A job."""
        self._content = None
        self.connection.channels.fast.pop(self.number, None)
        self.broker.consumer_timeouts.forget(self.unacked)
        consumer_count = len(self.consumers)
        self.consumers.clear()
        return self._leave(consumer_count, was_closing=self.closing)

    def _leave(self, consumer_count: int, *, was_closing: bool) -> Steps:
        if self.replies is not None:
            self.vhost.remove_reply_queue(self.replies)
            self.replies = None
        self.vhost.end_channel(self)
        yield from self.broker.close_channel(self.vhost, self.unacked, self.roll_back())
        if not was_closing:
            about = (self.origin.pid, self.origin.user, consumer_count, self.broker.profile)
            self.broker.events.tell("channel.closed", of_channel_end, *about)


def _in_publish(fault: AmqpFault) -> AmqpFault:
    fault.method_id = PUBLISH_METHOD
    return fault


def _immediate_unimplemented() -> Unimplemented:
    """For a publish with the immediate bit, before anything else about it is checked."""
    return Unimplemented("immediate=true")
