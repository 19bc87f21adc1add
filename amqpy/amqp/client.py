"""A connection as the core, its channels and its methods see it: a client, its place in the broker, and its end.

The end: it leaves the core, which may take a while, and only then its peer is notified. A client that has much
(channels, consumers, unacknowledged deliveries, exclusive queues) leaves bit by bit, as a job. A connection that is
lost while another of its jobs goes on leaves after that: order is kept.

Source: `rabbit_reader`: `terminate`, `handle_exception`, `handle_method0` of connection.close.
"""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from amqpy.amqp import handshake, sasl
from amqpy.amqp.connection_block import ConnectionBlock
from amqpy.amqp.connection_events import of_connection_end
from amqpy.amqp.durable_replies import DurableReplies
from amqpy.amqp.heartbeat import Heartbeat
from amqpy.amqp.login import Login
from amqpy.amqp.publisher import Channels
from amqpy.amqp.state import State
from amqpy.amqp.terms import NO_PEER, Peer, Terms
from amqpy.core.broker import Broker
from amqpy.core.jobs import Steps, each
from amqpy.core.ports import TopicVerb, Verb
from amqpy.core.statistics import Counts
from amqpy.core.users import Authenticator, Credentials, User, Users
from amqpy.errors import ChannelFault, ConnectionFault, ConnectionForced, LoginRefused, NotAllowed
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
        authenticator: Authenticator | None = None,
    ) -> None:
        self.broker = broker
        self.config = config = broker.config
        self.log = log
        self.state = State.HEADER
        self.next_at_ms: int | None = now_ms + config.handshake_timeout_ms
        """The time at which `on_timer` must be called, or None."""
        self.terms = Terms(peer, broker.new_pid(), broker.unix_time_ms(), config)
        anonymous = Credentials(config.default_user, config.default_pass.encode())
        context = sasl.LoginContext(peer, from_loopback, anonymous)
        offered = sasl.offered(config, broker.profile)
        self.login = Login(users, offered, context, self.terms, broker.events, log, authenticator)
        self.user: User | None = None
        self.impersonates = False
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

    def may(self, verb: Verb, resource: str) -> bool:
        return self.user is not None and self.vhost is not None and self.vhost.may(self.user.name, verb, resource)

    def may_use_topic(self, verb: TopicVerb, exchange: str, routing_key: str) -> bool:
        if self.user is None or self.vhost is None:
            return False
        return self.vhost.may_use_topic(self.user.name, verb, exchange, routing_key)

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
        self.next_at_ms = self.broker.scheduler.now_ms + timeout_ms

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
            self.vhost.traffic.end(self)
            yield from self.broker.connection_lost(self, self.vhost)
            self.vhost = None
            self.broker.settle()
