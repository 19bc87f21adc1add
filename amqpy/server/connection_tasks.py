"""One connection's tasks: a reader that feeds the session, and a writer for what the kernel does not take at once.

    reader    receive → reactor.turn → receive …          stops at the end of the conversation, however it ends;
              sleeps while `readiness` does that for it
    writer    sleeps; finishes what `flush` could not send, then gives the consumers their turn again
    asker     question → reactor.answer                   only while the session waits for one; stops with the reader

A peer that does not read fills its outbox, up to its share of the memory (`core.resources`). From there on it is not
read either until it has caught up, and is given up when it neither reads nor writes for a while.
"""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Protocol

import trio

from amqpy.amqp.state import InputState
from amqpy.server.questions import answer_to
from amqpy.wire.outbox import HIGH, LOW

if TYPE_CHECKING:
    from collections import deque

    from amqpy.core.principals import Question
    from amqpy.server.busy_poll import BusyPoll
    from amqpy.server.flusher import Flusher
    from amqpy.server.readiness import Readiness
    from amqpy.server.session import Session
    from amqpy.server.transport import Transport

RECEIVE_MIN, RECEIVE_MAX = 16 * 1024, 256 * 1024
"""Bytes taken per turn. How many of them, within these bounds, is found by what they cost: a 256 KiB piece of a large
body is set aside in no time, as many octets of tiny messages take six milliseconds."""

TURN_MIN_S, TURN_MAX_S = 0.25e-3, 1e-3
"""The least and most seconds of a turn: long enough to be worth its overhead, short enough for the others."""

SMALL = 4096
"""Bytes of somebody who says one thing at a time."""

READ_ON_MAX = 8
"""Turns in a row without asking who else is there."""

LISTEN_S = 100e-6
"""Seconds to poll the one peer that sends, and no other."""

STALL_S = 60
"""Seconds after which a peer is given up that neither reads nor sends, while its share of the memory is used up."""

HELD_MAX = 16 * 1024
"""Bytes taken of a peer that must wait, for the end of an alarm or of its work, or for the store. They are not heard
yet, but behind them its end is noticed."""

LINGER_S = 5
"""Seconds that the peer has to read the last frames."""


class SessionStart(Protocol):
    """A session factory that knows all about the connection but whom to tell what."""

    def __call__(self, *, wake: Callable[[], object], read_on: Callable[[], object]) -> "Session": ...


class Turns(Protocol):
    """The reactor, as the tasks of a connection see it."""

    busy_poll: "BusyPoll"
    flusher: "Flusher | None"
    readiness: "Readiness | None"
    to_flush: "list[ConnectionTasks]"
    opened: "deque[ConnectionTasks]"

    @property
    def is_store_behind(self) -> bool:
        """True if publishers of durable messages must wait for the store."""

    def turn(self, connection: "ConnectionTasks", data: bytes) -> None: ...

    def resume(self, connection: "ConnectionTasks") -> None: ...

    def answer(self, connection: "ConnectionTasks", answer: object) -> None: ...

    def lost(self, connection: "ConnectionTasks", *reason: str) -> None: ...

    def forget(self, connection: "ConnectionTasks") -> None: ...


class ConnectionTasks:
    """Joins a transport and a session. `run` returns when the connection is over and forgotten."""

    def __init__(self, reactor: Turns, transport: "Transport", start: SessionStart, name: str) -> None:
        self.name = name
        self.session = start(wake=partial(reactor.to_flush.append, self), read_on=partial(reactor.opened.append, self))
        self.outbox = self.session.outbox
        self.armed_at_ms: int | None = None
        """The deadline the reactor has for this connection."""
        self.heard_at = trio.current_time()
        """The time of the last bytes from the peer."""
        self._reactor = reactor
        self._transport = transport
        self._rest: list[bytes | memoryview] = []
        self._receive_size = 4 * RECEIVE_MIN
        self._broken = False
        self._ending = False
        self._resume_at = -1
        """Bytes in the outbox at which the consumers get their turn again; -1 if they need not."""
        self._write = trio.Event()
        self._reading = trio.CancelScope()
        self._holding = trio.CancelScope()

    async def run(self) -> None:
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._write_loop)
                with self._reading:
                    await self._read_loop(nursery)
                self._reactor.lost(self)
                self._ending = True
                self._write.set()
                nursery.cancel_scope.deadline = trio.current_time() + LINGER_S
            if self.outbox.size and not self._broken:
                self.session.log.warning("the client has not read the last %d bytes in time", self.outbox.size)
            await self._say_goodbye()
        finally:
            self._reactor.forget(self)
            self._transport.close()

    def stop(self) -> None:
        """The conversation is over: no more reading."""
        self._reading.cancel()

    def read_on(self) -> None:
        """The peer need not wait any more."""
        self._holding.cancel()

    # --- reading

    async def _read_loop(self, nursery: trio.Nursery) -> None:
        session = self.session
        try:
            while (state := session.input_state) is not InputState.CLOSED:
                if state is InputState.BLOCKED:
                    if not await self._hold():
                        return
                elif state is InputState.AWAITING_ANSWER:
                    if not await self._await_answer(nursery):
                        return
                elif state is InputState.STORING and self._reactor.is_store_behind:
                    if not await self._wait_until_stored():
                        return
                elif not await self._listen():
                    return
        except trio.BrokenResourceError:
            self._broken = True

    async def _listen(self) -> bool:
        """Hears what the peer says next, and more until it has to wait; False if it is gone."""
        readiness, descriptor = self._reactor.readiness, self._transport.descriptor
        if readiness is not None and descriptor is not None:
            await readiness.watch(descriptor, self._hear_now)
        elif data := await self._transport.receive_some(self._receive_size):
            self._hear(data)
        else:
            return False
        return True

    def _hear_now(self) -> bool:
        """Hears what has arrived; False if the peer has to wait now. Stops the reader if it is gone."""
        try:
            data = self._transport.receive_nowait(self._receive_size)
            if data:
                self._hear(data)
            elif data is not None:
                self.stop()
        except trio.BrokenResourceError:
            self._break()
        state = self.session.input_state
        may_speak = state is InputState.READ or (state is InputState.STORING and not self._reactor.is_store_behind)
        return may_speak and self._transport.descriptor is not None

    def hear_all(self) -> None:
        """Hears all that has arrived, unless the peer has to wait, in the middle of whatever this task does."""
        while not self._broken and self.session.input_state in {InputState.READ, InputState.STORING}:
            try:
                data = self._transport.receive_nowait(RECEIVE_MAX)
            except trio.BrokenResourceError:
                self._break()
                self._reactor.lost(self)
                return
            if not data:
                if data is not None:
                    self.stop()
                    self._reactor.lost(self)
                return
            self._reactor.turn(self, data)

    def _hear(self, data: bytes) -> None:
        self._reactor.turn(self, data)
        if len(data) == self._receive_size:
            self._adapt(trio.current_time() - self.heard_at)
        self._read_on(len(data))

    def _adapt(self, seconds: float) -> None:
        """Takes more or less from now on, after a turn with as much as was asked for."""
        if seconds > TURN_MAX_S:
            self._receive_size = max(self._receive_size // 2, RECEIVE_MIN)
        elif seconds < TURN_MIN_S:
            self._receive_size = min(self._receive_size * 2, RECEIVE_MAX)

    def _read_on(self, size: int) -> None:
        """More turns at once, where the way through the event loop would be long beside them: while a large body is
        set aside piece by piece, and while this peer is the only one to speak."""
        for _ in range(READ_ON_MAX):
            if self.session.is_amid_large_frame:
                data = self._transport.receive_nowait(RECEIVE_MAX)
            elif size <= SMALL and self._reactor.busy_poll.is_single_peer(self) and not self._waits_for_others:
                data = self._transport.receive_within(LISTEN_S)
            else:
                return
            if not data:
                return
            size = len(data)
            self._reactor.turn(self, data)

    @property
    def _waits_for_others(self) -> bool:
        """True if no input is expected from this peer next: its connection is closed, or the store has work."""
        flusher = self._reactor.flusher
        return self.session.is_closed or (flusher is not None and flusher.has_work)

    async def _hold(self) -> bool:
        """Waits as long as the peer has to; False if it is gone before."""
        state = self.session.input_state
        with trio.CancelScope() as self._holding:
            room = HELD_MAX - self.session.held_size
            while self.session.input_state is state:
                if room <= 0:
                    await trio.sleep_forever()
                data = await self._transport.receive_some(room)
                if not data:
                    return False
                room -= len(data)
                self._reactor.turn(self, data)
        return True

    async def _await_answer(self, nursery: trio.Nursery) -> bool:
        """Has the question asked, and lets the peer wait for the answer; False if it is gone before."""
        question, asking = self.session.question, trio.CancelScope()
        assert question is not None
        nursery.start_soon(self._ask, question, asking)
        try:
            return await self._hold()
        finally:
            asking.cancel()

    async def _ask(self, question: "Question", asking: trio.CancelScope) -> None:
        with asking:
            self._reactor.answer(self, await answer_to(question, self.session.log))

    async def _wait_until_stored(self) -> bool:
        """Lets a peer wait that publishes faster than the store can write, then be heard; False if it is gone."""
        flusher = self._reactor.flusher
        assert flusher is not None
        self.session.paused = True
        ahead, is_gone = bytearray(), False
        with flusher.catching_up():
            try:
                while len(ahead) < HELD_MAX and not is_gone:
                    data = await self._transport.receive_some(HELD_MAX - len(ahead))
                    is_gone = not data
                    ahead += data
            except trio.BrokenResourceError:
                # What came before is heard all the same.
                self._broken = is_gone = True
            if not is_gone:
                await trio.sleep_forever()
        self.session.paused = False
        if ahead:
            self._reactor.turn(self, bytes(ahead))
        return not is_gone

    # --- writing

    def flush(self) -> None:
        """Hands the outbox to the kernel as far as it goes; the writer task does the rest."""
        outbox = self.outbox
        if outbox.size >= HIGH:
            self._note_size()
        if self._rest or self._broken:
            return
        try:
            while outbox.has_sendable:
                buffers = outbox.take()
                size = self._transport.send_nowait(buffers)
                outbox.sent(size)
                self._rest = _after(buffers, size)
                if self._rest:
                    break
        except trio.BrokenResourceError:
            self._break()
        if self._rest or self._resume_at >= 0 or self._ending:
            self._write.set()

    def _note_size(self) -> None:
        """Much waits: the consumers have stopped, or soon will, and go on when a good deal of it has left."""
        self._resume_at = max(self._resume_at, LOW, self.outbox.size - HIGH)

    async def _write_loop(self) -> None:
        try:
            while True:
                await self._write.wait()
                self._write = trio.Event()
                while self._rest or self.outbox.has_sendable:
                    rest = self._rest = self._rest or self.outbox.take()
                    size = await self._send_some(rest)
                    self._rest = _after(rest, size)
                    # It may have filled up behind `rest`, and no flush is called for that.
                    if self.outbox.full:
                        self._note_size()
                    self.outbox.sent(size)
                    await self._resume()
                if self._ending and self.outbox.held_for is None:
                    return
                await self._resume()
        except trio.BrokenResourceError:
            self._break()

    async def _resume(self) -> None:
        """Gives the consumers their turn again, if enough has left. In a turn of its own: a fast reader of a long queue
        must not keep others from theirs."""
        if self.outbox.size <= self._resume_at:
            self._resume_at = -1
            await trio.lowlevel.checkpoint()
            self._reactor.resume(self)

    async def _send_some(self, buffers: list[bytes | memoryview]) -> int:
        """Waits until some of it is sent; how much. Each part counts as a sign that the peer reads. Raises
        BrokenResourceError, also when there was no sign of it for too long, and too much waits for it."""
        since = trio.current_time()
        while True:
            until = max(since, self.heard_at) + STALL_S
            with trio.move_on_at(until):
                return await self._transport.send_some(buffers)
            if self.heard_at + STALL_S <= until:
                if self.outbox.size >= self.outbox.limit.share:
                    self._give_up()
                since = until

    def _give_up(self) -> None:
        reason = f"the client has neither read nor written for {STALL_S} s, and {self.outbox.size} bytes wait for it"
        self._reactor.lost(self, f"closing connection: {reason}")
        raise trio.BrokenResourceError(reason)

    def _break(self) -> None:
        self._broken = True
        self._reading.cancel()

    async def _say_goodbye(self) -> None:
        """Gives the peer time to read our last words."""
        if not self._broken:
            with trio.move_on_after(LINGER_S), suppress(trio.BrokenResourceError):
                await self._transport.finish()


def _after(buffers: list[bytes | memoryview], size: int) -> list[bytes | memoryview]:
    """The rest of the buffers after their first `size` bytes."""
    for index, buffer in enumerate(buffers):
        if size < len(buffer):
            return [memoryview(buffer)[size:], *buffers[index + 1 :]]
        size -= len(buffer)
    return []
