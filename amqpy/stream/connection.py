"""A connection by the stream protocol, without I/O and without a clock: bytes in, bytes into an outbox.

`receive` is the only way in. It never raises for what a peer did. What is no command ends the connection: with Close
and code 13 once it is open, else without a word.

Source: `rabbit_stream_reader`.
"""

from collections import deque
from typing import TYPE_CHECKING

from amqpy.amqp.state import InputState, State
from amqpy.core.jobs import UNITS_AT_ONCE, Steps, each
from amqpy.core.principals import Undecided
from amqpy.stream import consuming, publishing, renewal, streams, super_streams  # noqa: F401  (they register their handlers)
from amqpy.stream.client import StreamClient
from amqpy.stream.commands import HANDLERS
from amqpy.stream.handshake import STEP_MS, STEPS
from amqpy.stream.terms import Refused
from amqpy.wire.stream_frames import (
    UNCORRELATED,
    Code,
    Command,
    FrameTooLarge,
    Key,
    MalformedFrame,
    array,
    read_command,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


class StreamSession(StreamClient):
    """One client's connection, as its transport sees it. Implements `server.session.Session`."""

    def __init__(self, *arguments: object, **options: object) -> None:
        super().__init__(*arguments, **options)  # type: ignore[arg-type]
        self._held: deque[bytes] = deque()
        """Bytes received and not heard yet."""
        self._put_back: deque[bytes] = deque()
        """Frames to be heard first."""
        self._iterator: Iterator[bytes] = iter(())

    @property
    def input_state(self) -> InputState:
        if self.state is State.CLOSED:
            return InputState.CLOSED
        if self.question is not None:
            return InputState.AWAITING_ANSWER
        if self.must_wait:
            return InputState.BLOCKED
        return InputState.STORING if self.durable_replies.stores else InputState.READ

    @property
    def held_size(self) -> int:
        return sum(map(len, self._held))

    @property
    def is_amid_large_frame(self) -> bool:
        return self.frames.is_amid_large

    # --- bytes in

    def receive(self, data: bytes, now_ms: int) -> None:
        """Processes bytes from the peer, up to and including the confirms of its publishes."""
        self.broker.advance(now_ms)
        self.received += len(data)
        self.receive_count += 1
        if data:
            self._held.append(data)
        jobs = self.broker.scheduler.jobs
        jobs.client, self.is_hearing = self, True
        self.durable_replies.begin()
        try:
            self._hear()
        finally:
            jobs.client, self.is_hearing = None, False
        self.durable_replies.batch()
        self.confirms.end_turn()
        self.tell_gone()

    def _hear(self) -> None:
        while not (self.is_closed or self.must_wait):
            frame = self._next_frame()
            if frame is None:
                return
            try:
                self._hear_frame(frame)
            except Undecided as pending:
                self._put_back.appendleft(frame)
                self.ask(pending.question, self.note_decision)

    def _next_frame(self) -> bytes | None:
        if self._put_back:
            return self._put_back.popleft()
        try:
            while (frame := next(self._iterator, None)) is None:
                if not self._held:
                    return None
                self._iterator = self.frames.feed(self._held.popleft())
        except FrameTooLarge as fault:
            self._iterator = iter(())
            self._held.clear()
            if self.state is not State.CLOSING:
                self.refuse(Code.FRAME_TOO_LARGE, "frame too large")
            self.log.warning("%s", fault)
            return None
        return frame

    def _hear_frame(self, frame: bytes) -> None:
        try:
            command = read_command(frame)
        except MalformedFrame as fault:
            if self.state is not State.CLOSING:
                self.log.warning("%s", fault)
                self.refuse(Code.UNKNOWN_FRAME, "unknown frame")
            return
        if self.state is State.CLOSING:
            if command.key is Key.CLOSE and command.is_response:
                self.finish()
        elif command.key is Key.HEARTBEAT:
            pass
        elif command.key is Key.CLOSE and not command.is_response and self.state is State.RUNNING:
            self._on_close(command)
        elif self.state is State.RUNNING:
            self._handle(command)
        else:
            self._step(command)

    def _step(self, command: Command) -> None:
        handler = STEPS.get(self.state, {}).get(command.key)
        if handler is None or (command.is_response and command.key is not Key.TUNE):
            self.log.warning("unexpected %s in state %s", command.key.name, self.state.name.lower())
            self.finish()
            return
        about = () if command.key in UNCORRELATED else (command.correlation,)
        handler(self, *about, *command.fields)
        if self.state not in {State.RUNNING, State.CLOSED, State.CLOSING}:
            self.next_at_ms = self.broker.transport_now_ms + STEP_MS

    def _handle(self, command: Command) -> None:
        key = command.key
        handler = HANDLERS.get(key)
        if handler is None or not self.knows(key) or command.is_response is not (key is Key.CONSUMER_UPDATE):
            self.refuse(Code.UNKNOWN_FRAME, "unknown frame")
            return
        try:
            if key in UNCORRELATED or command.is_response:
                handler(self, *command.fields)
            else:
                handler(self, command.correlation, *command.fields)
            if command.rest and self.state is State.RUNNING:
                self._put_back.append(command.rest)
                self.broker.scheduler.jobs.spend(UNITS_AT_ONCE)
        except Refused as refusal:
            if key not in UNCORRELATED:
                # These have their arrays in any case.
                fields = array([]) if key in {Key.ROUTE, Key.PARTITIONS, Key.STREAM_STATS} else b""
                self.answer(key, command.correlation, refusal.code, fields)

    def _on_close(self, command: Command) -> None:
        def close() -> None:
            self.answer(Key.CLOSE, command.correlation)
            self.end()

        self.leave(close)

    # --- questions

    def answered(self) -> None:
        self.read_on()

    # --- the transport

    def detach(self) -> None:
        """Drops the callbacks to the transport, which is gone."""
        self.drop_question()
        self._iterator = iter(())
        self.read_on = self.outbox.wake = lambda: None

    def resume_consumers(self) -> None:
        """Goes on with the subscriptions that waited because the client did not read."""
        self.read_on()
        self.broker.scheduler.jobs.do_for(self, self._resume(), lambda: None)

    def _resume(self) -> Steps:
        for subscription in each(self.subscriptions.values()):
            subscription.resume()
            yield 1
