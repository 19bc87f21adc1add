"""A channel of a connection: its state, its content being received, and the registry of method handlers.

Handlers are in `topology_methods` and `basic_methods`, registered here by their method's class. A handler reads the
arguments, calls the broker, and replies; a fault that it raises closes the channel or the connection in one place
(`connection`).
"""

from collections.abc import Callable, Iterable
from itertools import chain
from typing import TYPE_CHECKING, Any

from amqpy.amqp.connection_events import of_channel_end
from amqpy.amqp.content import PUBLISH_METHOD, Content
from amqpy.amqp.publisher import Connection, Publisher
from amqpy.amqp.transaction import all_answered
from amqpy.core.jobs import Steps, each
from amqpy.core.principals import Undecided
from amqpy.core.statistics import Counts
from amqpy.core.vhost import Vhost
from amqpy.errors import (
    AmqpFault,
    CommandInvalid,
    PreconditionFailed,
    UnexpectedFrame,
)
from amqpy.wire.frame_reader import PUBLISH
from amqpy.wire.methods import AMQP_0_9_1, Basic, Method
from amqpy.wire.scan import MULTIPLE, Acks, judge

if TYPE_CHECKING:
    from amqpy.core.consumer import Consumer, Delivery
    from amqpy.core.portions import Taken

ACK_METHOD = AMQP_0_9_1.id_of(Basic.Ack)
"""Class and method id, which are the same in every version of AMQP."""

Handler = Callable[["ChannelSession", Any], None]
HANDLERS: dict[type[Method], Handler] = {}


def handles(method: type[Method]) -> Callable[[Handler], Handler]:
    """Registers the function that handles a method of a client."""

    def register(handler: Handler) -> Handler:
        HANDLERS[method] = handler
        return handler

    return register


class ChannelSession(Publisher):
    """One open channel. `vhost` and `unacked` are its place in the core."""

    def __init__(self, connection: Connection, number: int, vhost: Vhost) -> None:
        super().__init__(connection, number, vhost)
        self.methods = connection.terms.methods
        self.consumers: dict[str, Consumer] = {}
        """The consumers by tag. They refer back here: one that leaves must leave this dict, to be freed at once."""
        self.prefetch = 0
        """The prefetch of consumers to come, set by basic.qos (not global)."""
        self.last_queue = ""
        """The queue declared last, which an empty queue name means."""
        self._content: Content | None = None
        vhost.begin_channel(self)

    def message_stats(self) -> Counts:
        """The message statistics: what was published, delivered and acknowledged."""
        counts, stats = self.unacked.counts, self.unacked.message_stats()
        return {
            "publish": self.published + (0 if self.confirms is None else self.confirms.last_tag),
            "confirm": 0 if self.confirms is None else self.confirms.confirmed_count,
            "drop_unroutable": counts.drop_unroutable,
            "return_unroutable": counts.return_unroutable,
            **stats,
        }

    @property
    def is_amid_content(self) -> bool:
        """True while a message is incomplete."""
        return self._content is not None

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
            self.check_size(content.size, content.payload)
        run = ([content.payload], judge(content.header), [content.header], [content.body])
        try:
            self.publish(run)
        except Undecided as pending:
            pending.again = (PUBLISH, self.number, run)
            raise

    # --- acknowledgements

    def on_acks(self, acks: Acks) -> None:
        """Takes basic.ack, which like basic.publish comes once per message and so is decoded elsewhere."""
        tags, bits = acks
        multiple = bits & MULTIPLE != 0
        try:
            if self.transaction is not None:
                for tag in tags:
                    self.transaction.answer("ack", self.unacked.withdraw(tag, multiple))
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
