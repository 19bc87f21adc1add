"""A client with a connection, whichever protocol it speaks: its place in the broker, questions about it, and its time.

AMQP (`amqp.client`) and the stream protocol (`stream.client`) add what they say.

Source: `rabbit_reader`, `rabbit_stream_reader`: what both have.
"""

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any

from amqpy.amqp import sasl
from amqpy.amqp.connection_events import of_connection, of_connection_end
from amqpy.amqp.durable_replies import DurableReplies
from amqpy.amqp.heartbeat import Heartbeat
from amqpy.amqp.login import Login
from amqpy.amqp.state import State
from amqpy.amqp.terms import NO_PEER, Peer, Terms
from amqpy.amqp.timers import Timers
from amqpy.core.broker import Broker
from amqpy.core.ports import Kind, TopicVerb, Verb, Verdict
from amqpy.core.principals import Principal, Question
from amqpy.core.statistics import Counts
from amqpy.core.users import Authenticator, Users
from amqpy.errors import ConnectionFault, ConnectionForced, InternalFault
from amqpy.wire.outbox import Outbox

if TYPE_CHECKING:
    from amqpy.core.vhost import Vhost


class ConnectedClient(ABC):
    """A client with a connection. Implements `core.ports.Client`, and most of `server.session.Session`."""

    received = 0
    """Bytes ever received."""
    receive_count = 0
    """The calls in which they were received."""
    paused = False
    """True while the transport is not being read, so that silence is not the peer's fault."""
    heartbeat_frame = b""
    """The frame that says nothing but that it is there."""

    def __init__(
        self,
        broker: Broker,
        users: Users,
        *,
        from_loopback: bool,
        log: logging.LoggerAdapter[logging.Logger],
        wake: Callable[[], object],
        now_ms: int,
        peer: Peer = NO_PEER,
        on_entry: Callable[[bool], object] = lambda has_entered: None,
        authenticator: Authenticator | None = None,
    ) -> None:
        self.broker = broker
        self.config = config = broker.config
        self.log = log
        self.state = State.HEADER
        self.next_at_ms: int | None = now_ms + config.handshake_timeout_ms
        """The time at which `on_timer` must be called, or None."""
        self.terms = Terms(peer, broker.new_pid(), broker.unix_time_ms(), config, broker.profile)
        context = sasl.LoginContext(peer, from_loopback, config)
        self.mechanisms = sasl.offered(config, broker.profile, in_tls=peer.tls is not None)
        self.login = Login(users, self.mechanisms, context, self.terms, broker.events, log, authenticator)
        self.on_entry = on_entry
        self.user: Principal | None = None
        self.made_name = ""
        self.question: Question | None = None
        """The question whose answer is awaited."""
        self._conclude: Callable[[Any], object] = _ignore
        """Takes the answer."""
        self.timers = Timers()
        """The times at which something is due while it is RUNNING."""
        self.vhost: Vhost | None = None
        """The vhost that it has entered and not left."""
        self.outbox = Outbox(wake, broker.resources.unsent_limit)
        self.durable_replies = DurableReplies(broker.scheduler.journal, self.outbox)
        self.heartbeat = Heartbeat(0)

    @property
    def is_closed(self) -> bool:
        return self.state is State.CLOSED

    @property
    @abstractmethod
    def must_wait(self) -> bool:
        """True while its input is not processed."""

    # --- core.ports.Client

    @property
    def pid(self) -> str:
        return self.terms.pid

    @property
    def user_name(self) -> str:
        return self.user.name if self.user else ""

    @property
    def user_key(self) -> Hashable:
        return self.user.key if self.user else ""

    def may(self, verb: Verb, kind: Kind, name: str) -> Verdict:
        user, vhost = self.user, self.vhost
        return user is not None and vhost is not None and user.may(vhost, verb, kind, name)

    def may_use_topic(self, verb: TopicVerb, exchange: str, routing_key: str) -> Verdict:
        user, vhost = self.user, self.vhost
        return user is not None and vhost is not None and user.may_use_topic(vhost, verb, exchange, routing_key)

    @property
    @abstractmethod
    def channel_count(self) -> int: ...

    @abstractmethod
    def on_alarm(self) -> None: ...

    @abstractmethod
    def wait_for_work(self) -> None: ...

    @abstractmethod
    def work_done(self) -> None: ...

    def close(self, text: str) -> None:
        self.fail(ConnectionForced(text))

    def traffic(self) -> Counts:
        """The bytes that were received and sent, and the calls in which they were."""
        outbox = self.outbox
        return {
            "recv_oct": self.received,
            "recv_cnt": self.receive_count,
            "send_oct": outbox.total,
            "send_cnt": outbox.send_count,
        }

    # --- questions

    def ask(self, question: Question, conclude: Callable[[Any], object]) -> None:
        """Has somebody asked, and stops processing its input until `conclude` has been called with the answer: what
        `question.ask` returned or raised. Who is closed before that is not told."""
        self.question, self._conclude = question, conclude

    def take_answer(self, answer: object) -> None:
        """Takes the answer to `question`, if it is still awaited. Raises the fault that comes of it."""
        conclude, self._conclude = self._conclude, _ignore
        if self.question is not None:
            self.question = None
            self.answered()
            conclude(answer)

    @abstractmethod
    def answered(self) -> None:
        """Is told that no answer is awaited any more."""

    def drop_question(self) -> None:
        """Forgets the question: nobody waits for the answer any more."""
        self.question, self._conclude = None, _ignore

    def on_answer(self, answer: object, now_ms: int) -> None:
        """Takes the answer to `question`, unless the connection has ended meanwhile."""
        self.broker.advance(now_ms)
        try:
            self.take_answer(answer)
        except ConnectionFault as fault:
            self.fail(fault)

    def note_decision(self, answer: object) -> None:
        """Takes the answer about a permission: what waits for it is done again, and finds it decided. Raises
        InternalFault if it is not."""
        if isinstance(answer, Exception):
            raise InternalFault("internal error")
        if self.state is State.RUNNING:
            self.timers.note_answer(self.broker.transport_now_ms)
            self.next_at_ms = self.timers.next_at_ms

    def forget_rights(self) -> None:
        """Has permissions checked again that were checked before, as far as they are not the broker's own."""
        assert self.user is not None
        self.user.forget()

    # --- its place in the broker

    def run(self, vhost: "Vhost") -> None:
        """Enters a virtual host, which its user may: the connection is open."""
        user, broker, terms = self.user, self.broker, self.terms
        assert user is not None
        self.vhost = vhost
        vhost.clients[self] = user.clients[self] = None
        vhost.traffic.begin(self, self.traffic)
        self.state = State.RUNNING
        self.on_entry(True)
        self.heartbeat = Heartbeat(terms.heartbeat_s)
        self.timers.beat_at_ms = self.heartbeat.next_at_ms(broker.transport_now_ms)
        self.note_expiry()
        broker.events.tell("connection.created", of_connection, terms, user.name, vhost.name, broker.node)
        shown = f", connection name: {terms.given_name!r}" if terms.given_name else ""
        self.log.info("user '%s' authenticated and granted access to vhost '%s'%s", user.name, vhost.name, shown)

    def note_expiry(self) -> None:
        """Notes when the credentials of its user end."""
        assert self.user is not None
        broker = self.broker
        self.timers.set_expiry(self.user.expires_at_s, broker.unix_time_ms(), broker.transport_now_ms)
        self.next_at_ms = self.timers.next_at_ms

    # --- time

    def on_timer(self, now_ms: int) -> None:
        """Handles the deadline that is due: heartbeat, handshake or close timeout. Sets `next_at_ms` anew."""
        self.broker.advance(now_ms)
        if self.state is State.CLOSED:
            self.next_at_ms = None
        elif self.state is State.CLOSING:
            self.log.warning("the client did not end the connection in time")
            self.finish()
        elif self.state is not State.RUNNING:
            self.log.warning("handshake timeout in state %s", self.state.name.lower())
            self.finish()
        else:
            self._on_running_timer()

    def _on_running_timer(self) -> None:
        timers, now_ms = self.timers, self.broker.transport_now_ms
        if timers.expire_at_ms is not None and timers.expire_at_ms <= now_ms:
            self.fail(ConnectionForced("credential expired"))
            return
        if timers.recheck_at_ms is not None and timers.recheck_at_ms <= now_ms:
            timers.recheck_at_ms = None
            self.forget_rights()
        if timers.beat_at_ms is not None and timers.beat_at_ms <= now_ms:
            self._beat()
        if self.state is State.RUNNING:
            self.next_at_ms = timers.next_at_ms

    def _beat(self) -> None:
        if self.heartbeat.must_send(self.outbox.total, self.outbox.sendable_size):
            self.outbox.write_ahead(self.heartbeat_frame)
        if self.heartbeat.is_dead(self.received, paused=self.paused or self.must_wait):
            self.log.error("missed heartbeats from client, timeout: %ds", self.heartbeat.interval_s)
            self.finish()
        else:
            self.timers.beat_at_ms = self.heartbeat.next_at_ms(self.broker.transport_now_ms)

    # --- the end

    @abstractmethod
    def fail(self, fault: ConnectionFault) -> None:
        """Closes the connection on a fault."""

    @abstractmethod
    def leave(self, then: Callable[[], object]) -> None:
        """Removes everything that the client has in the broker, then calls `then`. May be repeated."""

    def finish(self) -> None:
        """Ends the connection without another word."""
        self.leave(self.end)

    def end(self) -> None:
        if self.state is not State.CLOSED:
            self.broker.events.tell("connection.closed", of_connection_end, self.terms, self.broker.node)
        self.state = State.CLOSED

    def lost(self, reason: str = "client unexpectedly closed TCP connection") -> None:
        """Is called when the transport is lost, with the reason for the log."""
        if self.state is State.RUNNING:
            self.log.warning("%s", reason)
        self.finish()

    def abandon(self) -> None:
        self.state = State.CLOSED


def _ignore(answer: object) -> None:
    """Stands for what takes an answer while none is awaited."""
