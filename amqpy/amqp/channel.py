"""A channel of a connection: its state, its content being received, and the registry of method handlers.

Handlers are in `topology_methods` and `basic_methods`, registered here by their method's class. A handler reads the
arguments, calls the broker, and replies; a fault that it raises closes the channel or the connection in one place
(`connection`).
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from amqpy.amqp.connection_events import of_channel_end
from amqpy.amqp.message_properties import Special, inspect
from amqpy.amqp.transaction import Transaction, all_answered
from amqpy.core.jobs import Steps, each
from amqpy.core.message import AnnotatedMessage, Message, deliver
from amqpy.core.ports import Origin
from amqpy.core.publishing import find_route, targets_of
from amqpy.core.routing import Route
from amqpy.core.statistics import Counts
from amqpy.core.unacked import UnackedDeliveries
from amqpy.core.vhost import Vhost
from amqpy.errors import (
    AmqpFault,
    CommandInvalid,
    FrameFault,
    PreconditionFailed,
    UnexpectedFrame,
    Unimplemented,
)
from amqpy.wire.content import (
    IMMEDIATE,
    MANDATORY,
    ContentWriter,
    confirm_frame,
    read_header,
    split_address,
)
from amqpy.wire.methods import AMQP_0_9_1, Basic, Method, undecodable
from amqpy.wire.properties import (
    FLAGS_AT,
)
from amqpy.wire.values import text

if TYPE_CHECKING:
    from amqpy.amqp.connection import ConnectionSession
    from amqpy.core.confirms import Confirms
    from amqpy.core.consumer import Consumer
    from amqpy.core.durability.journal import Batch
    from amqpy.core.portions import Taken
    from amqpy.core.queues.reply_to import ReplyQueue

PUBLISH_METHOD, ACK_METHOD = AMQP_0_9_1.id_of(Basic.Publish), AMQP_0_9_1.id_of(Basic.Ack)
"""Class and method id, which are the same in every version of AMQP."""

NO_ROUTE: Final = 312
CONTENT_SIZE_MAX: Final = 512 * 1024 * 1024
"""The largest body size in bytes that a content header may announce (RabbitMQ's hard limit)."""

Handler = Callable[["ChannelSession", Any], None]
HANDLERS: dict[type[Method], Handler] = {}


def handles(method: type[Method]) -> Callable[[Handler], Handler]:
    """Registers the function that handles a method of a client."""

    def register(handler: Handler) -> Handler:
        HANDLERS[method] = handler
        return handler

    return register


class _Content:
    """A method whose content is being received: basic.publish, or one that will be refused."""

    __slots__ = ("body", "header", "method_id", "missing", "payload", "size")

    def __init__(self, payload: bytes, method_id: tuple[int, int] = PUBLISH_METHOD) -> None:
        self.payload = payload
        self.method_id = method_id
        self.header: bytes | None = None
        self.size = self.missing = 0
        self.body: list[bytes | memoryview] = []

    def blamed(self, fault: AmqpFault) -> AmqpFault:
        fault.method_id = self.method_id
        return fault


class ChannelSession:
    """One open channel. `vhost` and `unacked` are its place in the core."""

    def __init__(self, connection: "ConnectionSession", number: int, vhost: Vhost) -> None:
        self.connection = connection
        self.broker = connection.broker
        self.vhost = vhost
        self.number = number
        self.routes = vhost.router.remembered(connection.user_name)
        """Routes by the payload of their publish method."""
        self.writer = ContentWriter(connection.outbox, number, connection.frame_max)
        self.origin = Origin(connection.peer.name, number, connection.user_name, self.broker.new_pid())
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
        self._content: _Content | None = None
        self._totals = (vhost.channel_totals, vhost.statistics.channels)
        for totals in self._totals:
            totals.begin(self, self.message_stats)

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

    def reply(self, method: type[Method], *values: object) -> None:
        self.connection.outbox.write(self.connection.methods.encode(self.number, method, *values))

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
            self.connection.fast_channels[self.number] = self

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
        methods = self.connection.methods
        method = methods.find(payload)
        if method is None:
            raise CommandInvalid("unimplemented method")
        if method is Basic.Publish:
            self._content = _Content(payload)
            self.connection.fast_channels.pop(self.number, None)
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
        methods = self.connection.methods
        if method in methods.with_content:
            self._content = _Content(payload, methods.id_of(method))
            self.connection.fast_channels.pop(self.number, None)
        elif not self.closing:
            raise CommandInvalid("unimplemented method")

    def expect_method(self) -> None:
        """Raises UnexpectedFrame in the middle of a message, which no method may interrupt."""
        if self._content is not None:
            self._unexpected_in_content()

    def on_header(self, payload: bytes) -> None:
        """Takes a content header frame. Raises the fault that refuses it."""
        content = self._content
        if content is None:
            raise UnexpectedFrame("expected method frame, got non method frame instead")
        if content.header is not None:
            self._unexpected_in_content()
        if len(payload) < FLAGS_AT + 2:
            raise FrameFault("content header too short")
        class_id, weight, size = read_header(payload)
        wanted, _ = content.method_id
        if class_id != wanted or weight:
            raise content.blamed(
                UnexpectedFrame(
                    f"expected content header for class {wanted}, got one for class {class_id} instead"
                    if class_id != wanted
                    else f"expected content header for class {wanted}, got non content header frame instead"
                )
            )
        if size > CONTENT_SIZE_MAX:
            reason = f"content body size {size} exceeds maximum allowed size {CONTENT_SIZE_MAX}"
            raise content.blamed(FrameFault(reason))
        content.header = payload
        content.size = content.missing = size
        if not size:
            self._finish_content()

    def on_body(self, payload: bytes | memoryview) -> None:
        """Takes a content body frame. Raises the fault that refuses it."""
        content = self._content
        if content is None:
            raise UnexpectedFrame("expected method frame, got non method frame instead")
        if content.header is None:
            self._unexpected_in_content()
        content.missing -= len(payload)
        if content.missing < 0:
            raise content.blamed(FrameFault("content body frame exceeds remaining content size"))
        # Too large a message is refused when it is complete, as in RabbitMQ; until then there is no need to keep it.
        if content.size <= self.connection.max_message_size:
            content.body.append(payload)
        if not content.missing:
            self._finish_content()

    def _unexpected_in_content(self) -> None:
        content = self._content
        assert content is not None
        if content.header is None:
            reason = f"expected content header for class {content.method_id[0]}, got non content header frame instead"
        else:
            reason = "expected content body, got non content body frame instead"
        raise content.blamed(UnexpectedFrame(reason))

    def _finish_content(self) -> None:
        content = self._content
        assert content is not None
        assert content.header is not None
        self._content = None
        if self.closing:
            return
        if content.method_id != PUBLISH_METHOD:
            raise content.blamed(CommandInvalid("unimplemented method"))
        self.allow_fast_path()
        if content.size > self.connection.max_message_size:
            self._check_size(content.size, content.payload)
        self.publish(content.payload, content.header, b"".join(content.body))

    # --- publishing

    def publish(self, payload: bytes, header: bytes, body: bytes) -> None:
        """Publishes a message: the payloads of its method and content header frames, and its body."""
        route = self.routes.get(payload)
        special = None
        connection = self.connection
        try:
            if len(body) > connection.max_message_size:
                self._check_size(len(body), payload)
            if route is None:
                route = self._find_route(payload)
            kind = connection.known_headers.get(header)
            if kind is None:
                kind, special = inspect(self, header)
        except AmqpFault as fault:
            raise _in_publish(fault) from None
        except (IndexError, ValueError):
            raise _in_publish(undecodable(payload)) from None
        if special is None and route.targets is not None and self.transaction is None:
            route.count += 1
            if route.is_unroutable:
                refused = self._publish_unroutable(route, kind, header, body)
            else:
                refused = route.deliver(kind(route.address, header, body))
        else:
            message = self._message(route, kind, header, body, special)
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
        confirms = self.confirms
        if confirms is None:
            self.published += 1
        else:
            if not confirms.pending:
                connection.confirming.append(self)
            confirms.last_tag += 1
            if refused:
                confirms.nack(confirms.last_tag)

    def _find_route(self, payload: bytes) -> Route:
        """The route of a basic.publish, from now on a remembered one. Raises what refuses it, and IndexError or
        ValueError for a payload that cannot be decoded."""
        raw_exchange, raw_key = split_address(payload[6:-1])
        bits = payload[-1]
        if bits & IMMEDIATE:
            raise _immediate_unimplemented()
        user_name, router = self.connection.user_name, self.vhost.router
        mandatory = bool(bits & MANDATORY)
        route = find_route(self.connection, self.vhost, text(raw_exchange), text(raw_key), mandatory=mandatory)
        router.remember(user_name, payload, route)
        return route

    def _message(
        self, route: Route, kind: type[Message], header: bytes, body: bytes, special: Special | None
    ) -> Message:
        if special is None:
            return kind(route.address, header, body)
        expires_at_ms = None if special.ttl_ms is None else self.broker.scheduler.now_ms + special.ttl_ms
        if not special.more_keys:
            return kind(route.address, special.header, body, expires_at_ms)
        return AnnotatedMessage(
            route.address,
            special.header,
            body,
            expires_at_ms,
            persistent=kind.persistent,
            more_keys=special.more_keys,
        )

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
            self.connection.block.wait_until_read(self.connection)

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
        limit = self.connection.max_message_size
        raise _in_publish(PreconditionFailed(f"message size {size} is larger than configured max size {limit}"))

    # --- acknowledgements

    def on_ack(self, tag: int, multiple: bool) -> None:
        """Takes basic.ack, which like basic.publish comes once per message and so is decoded elsewhere."""
        try:
            if self.transaction is not None:
                self.transaction.answer("ack", self.unacked.take_many(tag, multiple))
            elif multiple:
                self.broker.acknowledge(self.unacked.take_many(tag, multiple))
            else:
                self.broker.acknowledge_one(self.unacked.take_one(tag))
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
        self.connection.fast_channels.pop(self.number, None)
        self.broker.consumer_timeouts.forget(self.unacked)
        consumer_count = len(self.consumers)
        self.consumers.clear()
        return self._leave(consumer_count, was_closing=self.closing)

    def _leave(self, consumer_count: int, *, was_closing: bool) -> Steps:
        for totals in self._totals:
            totals.end(self)
        if self.replies is not None:
            self.vhost.remove_reply_queue(self.replies)
            self.replies = None
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
