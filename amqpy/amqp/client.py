"""A connection as the core, its channels and its methods see it: a client, its place in the broker, and its end.

The end: it leaves the core, which may take a while, and only then its peer is notified. A client that has much
(channels, consumers, unacknowledged deliveries, exclusive queues) leaves bit by bit, as a job. A connection that is
lost while another of its jobs goes on leaves after that: order is kept.

Source: `rabbit_reader`: `terminate`, `handle_exception`, `handle_method0` of connection.close.
"""

import logging
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any

from amqpy.amqp import handshake, sasl
from amqpy.amqp.connection_block import ConnectionBlock
from amqpy.amqp.connection_events import of_connection_end
from amqpy.amqp.durable_replies import DurableReplies
from amqpy.amqp.heartbeat import Heartbeat
from amqpy.amqp.login import Login
from amqpy.amqp.publisher import Channels
from amqpy.amqp.state import State
from amqpy.amqp.terms import NO_PEER, Peer, Terms
from amqpy.amqp.timers import Timers
from amqpy.core.broker import Broker
from amqpy.core.jobs import Steps, each
from amqpy.core.ports import Kind, TopicVerb, Verb, Verdict
from amqpy.core.principals import Principal, Question, Undecided
from amqpy.core.statistics import Counts
from amqpy.core.users import Authenticator, Users
from amqpy.errors import ChannelFault, ConnectionFault, ConnectionForced, InternalFault, LoginRefused, NotAllowed
from amqpy.wire.frame_reader import FrameReader
from amqpy.wire.methods import Channel, Connection, Method
from amqpy.wire.outbox import Outbox

if TYPE_CHECKING:
    from amqpy.amqp.channel import ChannelSession
    from amqpy.core.vhost import Vhost

CHANNEL_UNITS = 20
"""The cost of closing a channel without consumers and deliveries, in the units of `jobs`."""


class AmqpClient:
    """A client that speaks AMQP. Implements `core.ports.Client`."""

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
        read_on: Callable[[], object] = lambda: None,
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
        offered = sasl.offered(config, broker.profile, in_tls=peer.tls is not None)
        self.login = Login(users, offered, context, self.terms, broker.events, log, authenticator)
        self.on_entry = on_entry
        self.user: Principal | None = None
        self.impersonates = False
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
        self.channels: Channels[ChannelSession] = Channels()
        self.reader = FrameReader(broker.frame_max_floor, self.channels.fast)
        self.block = ConnectionBlock(self.reader, self.outbox, self.channels, self.terms, broker.alarms, read_on)

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
    def channel_count(self) -> int:
        return len(self.channels)

    def on_alarm(self) -> None:
        self.block.on_alarm()

    def wait_for_work(self) -> None:
        self.block.wait_for_work()

    def work_done(self) -> None:
        self.block.work_done()

    def close(self, text: str) -> None:
        self.fail(ConnectionForced(text))

    def traffic(self) -> Counts:
        """The bytes that were received and sent, and the calls in which they were."""
        raise NotImplementedError

    # --- questions

    def ask(self, question: Question, conclude: Callable[[Any], object]) -> None:
        """Has somebody asked, and stops processing its input until `conclude` has been called with the answer: what
        `question.ask` returned or raised. Who is closed before that is not told."""
        self.question, self._conclude = question, conclude
        self.block.wait_for_answer()

    def take_answer(self, answer: object) -> None:
        """Takes the answer to `question`, if it is still awaited. Raises the fault that comes of it."""
        conclude, self._conclude = self._conclude, _ignore
        if self.question is not None:
            self.question = None
            self.block.answered()
            conclude(answer)

    def drop_question(self) -> None:
        """Forgets the question: nobody waits for the answer any more."""
        self.question, self._conclude = None, _ignore

    def attempt(self, act: Callable[[], object]) -> None:
        """Does something outside of a frame that may need a permission which must be asked for; again, then."""
        try:
            act()
        except Undecided as pending:
            self.ask(pending.question, lambda answer: self._attempt_again(act, answer))

    def _attempt_again(self, act: Callable[[], object], answer: object) -> None:
        self.note_decision(answer)
        self.attempt(act)

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
        assert self.vhost is not None
        self.user.forget()
        self.vhost.router.forget_user(self.user.key, for_good=False)

    # --- output

    def send(self, method: type[Method], *values: object) -> None:
        """Sends a method of class connection."""
        self.outbox.write(self.terms.methods.encode(0, method, *values))

    def wait_until_read(self) -> None:
        """Stops processing its input until the client has read half of the bytes that may wait for it."""
        if self.state is State.RUNNING:
            self.block.wait_until_read()

    # --- the end

    def close_channel(self, number: int, fault: ChannelFault) -> None:
        """Closes a channel on a fault; its number stays in use until close-ok."""
        self.log.error("channel %d: %s", number, fault.reply_text)
        channel = self.channels[number]
        channel.confirm(self.durable_replies.batch())
        steps = channel.close()
        channel.closing = True

        def close() -> None:
            channel.reply(Channel.Close, fault.code, fault.reply_text, *(fault.method_id or (0, 0)))

        self.broker.scheduler.jobs.do_for(self, steps, close)
        self.broker.settle()

    def fail(self, fault: ConnectionFault) -> None:
        """Closes the connection on a fault: with connection.close, or without it where RabbitMQ sends none."""
        state = self.state
        if state in {State.CLOSING, State.CLOSED}:
            return
        self.log.error("closing connection in state %s: %s", state.name.lower(), fault.reply_text)
        if isinstance(fault, LoginRefused):
            self.on_entry(False)
        self.leave(lambda: self._part(state, fault))

    def _part(self, state: State, fault: ConnectionFault) -> None:
        self.block.release()
        if self._is_told(state, fault):
            self.send(Connection.Close, fault.code, fault.reply_text, *(fault.method_id or (0, 0)))
            is_refused = isinstance(fault, LoginRefused)
            self.await_end(handshake.REFUSED_LOGIN_TIMEOUT_MS if is_refused else self.config.close_timeout_ms)
        else:
            self.finish()

    def _is_told(self, state: State, fault: ConnectionFault) -> bool:
        """True if RabbitMQ sends connection.close for this fault in this state of the connection."""
        return (
            state in {State.OPENING, State.RUNNING}
            or (state is State.TUNING and isinstance(fault, NotAllowed))
            or (isinstance(fault, LoginRefused) and self.terms.client_can("authentication_failure_close"))
        )

    def await_end(self, timeout_ms: int) -> None:
        """Waits for the client to close the transport: it may take our close for an error, even after close-ok."""
        self.state = State.CLOSING
        self.next_at_ms = self.broker.transport_now_ms + timeout_ms

    def finish(self) -> None:
        """Ends the connection without another word."""
        self.leave(self._end)

    def _end(self) -> None:
        if self.state is not State.CLOSED:
            self.broker.events.tell("connection.closed", of_connection_end, self.terms, self.broker.node)
        self.state = State.CLOSED

    def leave(self, then: Callable[[], object]) -> None:
        """Removes everything that the client has in the broker, then calls `then`. May be repeated."""
        self.channels.fast.clear()
        if self.state is not State.CLOSED:
            self.state = State.CLOSING
        self.next_at_ms = None
        self.drop_question()
        self.broker.scheduler.jobs.do_for(self, self._leave(), then)

    def _leave(self) -> Steps:
        for channel in each(self.channels.values()):
            channel.confirm(self.durable_replies.batch())
            yield from channel.close()
            yield CHANNEL_UNITS
        self.channels.clear()
        if self.vhost is not None:
            assert self.user is not None
            self.user.clients.pop(self)
            if self.user.key != self.user.name:  # nobody else has these routes
                self.vhost.router.forget_user(self.user.key, for_good=True)
            self.vhost.traffic.end(self)
            yield from self.broker.connection_lost(self, self.vhost)
            self.vhost = None
            self.broker.settle()


def _ignore(answer: object) -> None:
    """Stands for what takes an answer while none is awaited."""
