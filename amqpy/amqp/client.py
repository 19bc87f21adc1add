"""A connection as the core, its channels and its methods see it: a client, its place in the broker, and its end.

The end: it leaves the core, which may take a while, and only then its peer is notified. A client that has much
(channels, consumers, unacknowledged deliveries, exclusive queues) leaves bit by bit, as a job. A connection that is
lost while another of its jobs goes on leaves after that: order is kept.

Source: `rabbit_reader`: `terminate`, `handle_exception`, `handle_method0` of connection.close.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from amqpy.amqp import handshake
from amqpy.amqp.connected_client import ConnectedClient
from amqpy.amqp.connection_block import ConnectionBlock
from amqpy.amqp.publisher import Channels
from amqpy.amqp.state import State
from amqpy.core.broker import Broker
from amqpy.core.jobs import Steps, each
from amqpy.core.principals import Question, Undecided
from amqpy.errors import ChannelFault, ConnectionFault, LoginRefused, NotAllowed
from amqpy.wire.frame_reader import FrameReader
from amqpy.wire.frames import HEARTBEAT_FRAME
from amqpy.wire.methods import Channel, Connection, Method

if TYPE_CHECKING:
    from amqpy.amqp.channel import ChannelSession

CHANNEL_UNITS = 20
"""The cost of closing a channel without consumers and deliveries, in the units of `jobs`."""


class AmqpClient(ConnectedClient):
    """A client that speaks AMQP."""

    heartbeat_frame = HEARTBEAT_FRAME

    def __init__(
        self,
        broker: Broker,
        *arguments: Any,  # noqa: ANN401 (those of any client)
        read_on: Callable[[], object] = lambda: None,
        **more: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(broker, *arguments, **more)
        self.impersonates = False
        self.channels: Channels[ChannelSession] = Channels()
        self.reader = FrameReader(broker.frame_max_floor, self.channels.fast)
        self.block = ConnectionBlock(self.reader, self.outbox, self.channels, self.terms, broker.alarms, read_on)

    @property
    def must_wait(self) -> bool:
        return self.block.is_blocked

    # --- core.ports.Client

    @property
    def channel_count(self) -> int:
        return len(self.channels)

    def on_alarm(self) -> None:
        self.block.on_alarm()

    def wait_for_work(self) -> None:
        self.block.wait_for_work()

    def work_done(self) -> None:
        self.block.work_done()

    # --- questions

    def ask(self, question: Question, conclude: Callable[[Any], object]) -> None:
        super().ask(question, conclude)
        self.block.wait_for_answer()

    def answered(self) -> None:
        self.block.answered()

    def attempt(self, act: Callable[[], object]) -> None:
        """Does something outside of a frame that may need a permission which must be asked for; again, then."""
        try:
            act()
        except Undecided as pending:
            self.ask(pending.question, lambda answer: self._attempt_again(act, answer))

    def _attempt_again(self, act: Callable[[], object], answer: object) -> None:
        self.note_decision(answer)
        self.attempt(act)

    def forget_rights(self) -> None:
        super().forget_rights()
        assert self.user is not None
        assert self.vhost is not None
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
