"""The protocol of an AMQP connection, without I/O and without a clock: bytes in, bytes into an outbox.

Rules for changes:
1. `receive` is the only way in. It never raises for what a peer did; a fault becomes a close method here, in one place.
2. In CLOSING anything but connection.close and close-ok is ignored; in CLOSED everything.
3. Time only comes in as `now_ms`; the next deadline is `next_at_ms`.

Source: AMQP 0-9-1 section 2.2; `rabbit_reader`, `rabbit_heartbeat`.
"""

from collections.abc import Iterator
from typing import Any

from amqpy.amqp import basic_methods, handshake, topology_methods  # noqa: F401  (some register their handlers)
from amqpy.amqp.channel import ChannelSession
from amqpy.amqp.client import AmqpClient
from amqpy.amqp.connection_methods import TRANSITIONS
from amqpy.amqp.state import InputState, State
from amqpy.amqp.unexpected import is_frame, method_of, not_open, unexpected, unknown
from amqpy.core.checks import check_node_channel_limit
from amqpy.core.events.event_properties import of_channel
from amqpy.core.jobs import Steps, each
from amqpy.core.principals import Undecided
from amqpy.core.vhost import Vhost
from amqpy.errors import (
    AmqpFault,
    ChannelFault,
    ChannelStateFault,
    CommandInvalid,
    ConnectionFault,
    FrameFault,
    NotAllowed,
    UnexpectedFrame,
)
from amqpy.wire.frame_reader import ACK, PUBLISH, Frame, split
from amqpy.wire.frames import HEADER, HEARTBEAT, METHOD
from amqpy.wire.methods import Channel, Connection
from amqpy.wire.outbox import HIGH


class ConnectionSession(AmqpClient):
    """One client's connection, as its transport sees it. Implements `server.session.Session`."""

    _header = b""
    """The protocol header, as far as it is there."""

    @property
    def input_state(self) -> InputState:
        if self.state is State.CLOSED:
            return InputState.CLOSED
        if self.block.has_backlog:
            return InputState.BLOCKED if self.question is None else InputState.AWAITING_ANSWER
        return InputState.STORING if self.durable_replies.stores else InputState.READ

    @property
    def held_size(self) -> int:
        return self.block.held_size

    @property
    def is_amid_large_frame(self) -> bool:
        return self.reader.is_amid_large_frame

    # --- bytes in

    def receive(self, data: bytes, now_ms: int) -> None:
        """Processes bytes from the peer, up to and including the confirms of its publishes."""
        self.broker.advance(now_ms)
        self.received += len(data)
        self.receive_count += 1
        if self.state is State.HEADER:
            data = self._read_protocol_header(data)
        block, jobs = self.block, self.broker.scheduler.jobs
        jobs.client = self
        try:
            if block.has_backlog:
                block.hold(data)
                if not block.is_blocked:
                    self._hear(block)
            elif data and not self.is_closed:
                self._hear(self.reader.feed(data))
        finally:
            jobs.client = None

    def _hear(self, frames: Iterator[Frame]) -> None:
        fast_channels = self.channels.fast
        durable_replies = self.durable_replies
        if durable_replies.journal is not None:
            durable_replies.begin()
        try:
            for kind, number, payload in frames:
                channel = fast_channels.get(number)
                try:
                    if channel is not None and kind == PUBLISH:
                        rest = channel.publish(payload)
                        if rest is not None:
                            self.block.put_back([(PUBLISH, number, rest)])
                            break
                    elif channel is not None and kind == ACK:
                        channel.on_acks(payload)
                    elif self.block.is_blocked:
                        self.block.put_back([(kind, number, payload)])
                        break
                    else:
                        self._on_other_frame(kind, number, payload)
                        if self.is_closed:
                            return
                        if self.outbox.overfull:
                            self.wait_until_read()
                        if self.block.is_blocked:
                            break
                except Undecided as pending:
                    self.block.put_back([pending.again or (kind, number, payload)])
                    self.ask(pending.question, self.note_decision)
                    break
                except ChannelFault as fault:
                    self.close_channel(number, fault)
                except ConnectionFault as fault:
                    # The rest of these bytes is still processed: it may end with the peer's close or close-ok.
                    self.fail(fault)
                    if self.is_closed:
                        return
        except FrameFault as fault:
            # Where the next frame starts is unknown: there is no close-ok to wait for.
            self.fail(fault)
            self.finish()
        if self.outbox.size >= HIGH and self.outbox.overfull:
            self.wait_until_read()
        if self.block.is_blocked:
            self.block.keep(frames)
        batch = None if durable_replies.journal is None else durable_replies.batch()
        for channel in self.channels.confirming:
            channel.confirm(batch)
        self.channels.confirming.clear()

    def _read_protocol_header(self, data: bytes) -> bytes:
        """Reads the protocol header; returns the bytes after it, once it is complete and accepted."""
        self._header += data
        header, rest = self._header[:8], self._header[8:]
        if len(header) < 8:
            return b""
        self._header = b""
        version = handshake.version_of(header, self.broker.profile)
        if version is None:
            self.log.warning("bad protocol header %r", header)
            self.outbox.write(handshake.refusal_of(header, self.broker.profile))
            self.finish()
            return b""
        self.terms.use_version(version)
        properties = handshake.server_properties(self.broker, version)
        self.send(Connection.Start, *version.announced, properties, self.login.offered, b"en_US")
        self.state = State.STARTING
        return rest

    def _on_other_frame(self, kind: int, number: int, payload: Any) -> None:  # noqa: ANN401
        """Processes any frame but messages or acks on a fast channel; those are split into their frames again."""
        if kind in {PUBLISH, ACK}:
            frames = split(kind, number, payload)
            try:
                for frame in frames:
                    self._on_other_frame(*frame)
                    if self.block.is_blocked:
                        self.block.put_back(frames)
            except Undecided:
                self.block.put_back(frames)
                raise
            return
        stopping = self.state in {State.CLOSING, State.CLOSED}
        if (self.state is State.RUNNING or (number == 0 and not stopping)) and not is_frame(kind, payload):
            raise unknown(kind, payload)
        if number == 0:
            if kind == METHOD and len(payload) >= 4:
                self._on_connection_method(payload)
            elif kind != HEARTBEAT and not stopping:
                raise unexpected(kind, payload)
            return
        if stopping:
            return
        if self.state is not State.RUNNING or kind == HEARTBEAT:
            raise unexpected(kind, payload)
        self._on_channel_frame(kind, number, payload)

    # --- channels

    def _on_channel_frame(self, kind: int, number: int, payload: bytes) -> None:
        channel = self.channels.get(number)
        methods = self.terms.methods
        method = method_of(methods, kind, payload)
        if channel is None:
            channel_max = self.terms.channel_max
            if len(self.channels) >= channel_max > 0:
                raise NotAllowed(
                    f"number of channels opened ({len(self.channels)}) has reached the negotiated channel_max "
                    f"({channel_max})"
                )
            if kind != METHOD:
                raise UnexpectedFrame("expected method frame, got non method frame instead")
            if method is not Channel.Open:
                raise not_open(methods, "expected 'channel.open'", method)
            self._open_channel(number)
            return
        if kind == METHOD:
            channel.expect_method()
        if method is Channel.Open:
            raise not_open(methods, "second 'channel.open' seen", method)
        if method is Channel.CloseOk and channel.closing:
            del self.channels[number]
        elif method is Channel.Close:
            if not channel.closing:
                channel.confirm(self.durable_replies.batch())
                self.broker.scheduler.jobs.do(channel.close())
                del self.channels[number]
            self.broker.scheduler.jobs.then(lambda: channel.reply(Channel.CloseOk))
            self.broker.settle()
        elif kind == METHOD:
            channel.on_method(payload)
        else:
            self.block.note_content()
            (channel.on_header if kind == HEADER else channel.on_body)(payload)

    def _open_channel(self, number: int) -> None:
        assert self.user is not None
        assert self.vhost is not None
        self.user.check_channel()
        broker = self.broker
        check_node_channel_limit(broker.vhosts.values(), broker.config.channel_max_per_node, broker.node)
        channel = self.channels[number] = self.new_channel(number, self.vhost)
        channel.allow_fast_path()
        supports_cancel_notify = self.terms.client_can("consumer_cancel_notify")
        self.broker.consumer_timeouts.watch(
            channel.unacked, channel.on_timeout, supports_cancel_notify=supports_cancel_notify
        )
        self.broker.events.tell("channel.created", of_channel, channel.origin, self.pid, self.vhost.name)
        channel.reply(Channel.OpenOk, b"")

    def new_channel(self, number: int, vhost: Vhost) -> ChannelSession:
        return ChannelSession(self, number, vhost)

    # --- connection methods

    def _on_connection_method(self, payload: bytes) -> None:
        methods = self.terms.methods
        method = method_of(methods, METHOD, payload)
        if method is None:
            raise CommandInvalid("unimplemented method")
        try:
            decoded = methods.decode(method, payload)
            transition = TRANSITIONS[self.state].get(method)
            if transition is not None:
                transition.handler(self, decoded)
            elif self.state is not State.CLOSING:
                raise ChannelStateFault(f"unexpected method in connection state {self.state.name.lower()}")
        except AmqpFault as fault:
            fault.method_id = fault.method_id or methods.id_of(method)
            raise

    # --- the transport

    def detach(self) -> None:
        """Drops the callbacks to the transport, which is gone: they were the last cycles of references."""
        self.drop_question()
        self.outbox.wake = self.block.read_on = lambda: None

    def resume_consumers(self) -> None:
        """Resumes the consumers that were blocked because the client did not read."""
        self.block.note_read()
        self.broker.scheduler.jobs.do_for(self, self._resume_consumers(), lambda: None)

    def _resume_consumers(self) -> Steps:
        for channel in each(self.channels.values()):
            yield from channel.resume_consumers()
