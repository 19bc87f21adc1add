"""The one door between the tasks of Trio and the broker.

Everything that happens to the broker happens in a *turn*: one synchronous call for a chunk of bytes, a deadline or a
lost connection. A turn ends with `settle` (queues that can be served are) and a flush of every outbox that was
written to. No locks, because no turn waits for anything.

An exception that comes out of the core is a bug of ours: it is logged with its traceback and counted, and costs the
connection that met it, not the broker. With `strict` it stops the broker, so that tests cannot miss it.
"""

import logging
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import trio

from amqpy.amqp.terms import Peer
from amqpy.core.broker import Broker
from amqpy.core.events.events import COMMAND_LINE
from amqpy.core.structures import DeadlineHeap
from amqpy.errors import AdministrationError, ConnectionForced, InternalFault
from amqpy.server.busy_poll import BusyPoll
from amqpy.server.connection_tasks import ConnectionTasks
from amqpy.server.entrance import Entrance
from amqpy.server.flusher import Flusher
from amqpy.server.readiness import Readiness, open_readiness
from amqpy.server.session import SessionFactory
from amqpy.server.transport import Transport
from amqpy.store.store import Store, StoreError

T = TypeVar("T")

SWEEP_MAX = 5_000
"""Messages freed in one go (about a millisecond's worth)."""

OPENED_MAX = 20
"""Connections that had to wait and are heard again in one turn."""

STORE_LOST = "broker forced connection closure with reason 'store lost'"

DRAIN_S = 2
"""Seconds that connections have for close-ok when the broker stops."""


class Reactor:
    """All connections of a broker, and its time."""

    def __init__(self, broker: Broker, *, log: logging.Logger) -> None:
        self.broker = broker
        self.log = log
        self.strict = broker.config.strict
        self.internal_errors = 0
        self.connections: dict[ConnectionTasks, None] = {}
        self.nursery: trio.Nursery
        """The nursery of connections while `run` runs; they outlive the listeners, to be drained."""
        self.to_flush: list[ConnectionTasks] = []
        """Connections whose outboxes were written to."""
        self.opened: deque[ConnectionTasks] = deque()
        """Connections that had to wait: what their peers said meanwhile is still to be heard."""
        self.busy_poll = BusyPoll()
        self.entrance = Entrance(broker.config, log, now_ms)
        self.readiness: Readiness | None = None
        """Watches the sockets while `run` runs; None where there is no epoll."""
        self._deadlines: DeadlineHeap[ConnectionTasks] = DeadlineHeap()
        self._earlier = trio.Event()
        self._sleeping_until_ms: int | None = None
        self._empty = trio.Event()
        self.flusher: Flusher | None = None
        """Writes the batches of the journal, with a store; else None."""

    def keep_in(self, store: Store, on_failure: Callable[[], None]) -> None:
        """From now on what is durable is written into the store. To be called before `run`."""
        journal = self.broker.scheduler.journal
        assert journal is not None
        self.flusher = Flusher(journal, store, self.act, log=self.log, on_full=self._on_full, on_failure=on_failure)

    def _on_full(self, is_full: bool) -> None:
        alarms = self.broker.alarms
        if is_full:
            alarms.set("disk", "store")
        else:
            alarms.clear("disk", "store")

    @property
    def is_store_behind(self) -> bool:
        """True if publishers of durable messages must wait for the store."""
        return self.flusher is not None and self.flusher.is_behind

    @property
    def _has_lost_store(self) -> bool:
        return self.flusher is not None and self.flusher.failure is not None

    # --- connections

    async def serve(
        self, transport: Transport, make_session: SessionFactory, peer: Peer, *, from_loopback: bool
    ) -> None:
        """A connection's whole life."""
        log = logging.LoggerAdapter(self.log, {"connection": peer.name})
        start = partial(make_session, peer=peer, from_loopback=from_loopback, log=log, now_ms=now_ms())
        connection = ConnectionTasks(self, transport, start, peer.name)
        self.connections[connection] = None
        self._arm(connection)
        log.info("accepted")
        await connection.run()
        log.info("closed")

    def turn(self, connection: ConnectionTasks, data: bytes) -> None:
        """Bytes of a peer."""
        connection.heard_at = now = trio.current_time()
        self._turn(connection, connection.session.receive, data, in_ms(now))

    def resume(self, connection: ConnectionTasks) -> None:
        """A peer reads again."""
        self.broker.scheduler.jobs.begin_turn()
        self._turn(connection, connection.session.resume_consumers)

    def answer(self, connection: ConnectionTasks, answer: object) -> None:
        """There is an answer to what a session has asked."""
        self.broker.scheduler.jobs.begin_turn()
        self._turn(connection, connection.session.on_answer, answer, now_ms())

    def lost(self, connection: ConnectionTasks, *reason: str) -> None:
        """A peer is gone, or done; or we have given it up, for a reason."""
        self.broker.scheduler.jobs.begin_turn()
        self._turn(connection, connection.session.lost, *reason)

    def forget(self, connection: ConnectionTasks) -> None:
        self._deadlines.discard(connection)
        self.busy_poll.forget(connection)
        self.connections.pop(connection, None)
        connection.session.detach()
        if not self.connections:
            self._empty.set()

    def administer(self, operation: Callable[[], T], administrator: str = COMMAND_LINE) -> T:
        """A turn on behalf of an administrator. Raises AdministrationError, which is no bug."""
        answers: list[T] = []
        failures: list[Exception] = []

        def act() -> None:
            try:
                self.broker.advance(now_ms())
                with self.broker.events.on_behalf_of(administrator):
                    answers.append(operation())
                self.broker.settle()
            except AdministrationError as error:
                failures.append(error)
            except Exception as error:
                failures.append(error)
                raise

        self._turn(None, act, settles=False)
        if failures:
            raise failures.pop()  # and keep none: it refers to the frame that would have it
        return answers[0]

    def act(self, operation: Callable[[], object]) -> None:
        """A turn on behalf of the store."""
        self._turn(None, operation)

    def _turn(
        self, connection: ConnectionTasks | None, act: Callable[..., object], *arguments: object, settles: bool = True
    ) -> None:
        """A turn on behalf of a connection, or of none: something is done, what it leaves to do is settled, and what it
        says is sent. `settles` is False where the act sees to the second itself."""
        try:
            act(*arguments)
            if settles:
                self.broker.settle()
        except Exception as error:
            self._blame(connection, error)
        self.finish_turn(connection)
        self._watch_broker()
        if connection is not None:
            if connection.session.next_at_ms != connection.armed_at_ms:
                self._arm(connection)
            if self.flusher is None or not self.flusher.has_work:
                self.busy_poll.note(connection)

    def run_due(self, at_ms: int) -> None:
        """A turn for timers that are due, and for a slice of the large work that is under way."""
        self._turn(None, self._go_on, at_ms, settles=False)

    def _go_on(self, at_ms: int) -> None:
        """Runs timers that are due, and a slice of the large work that is under way."""
        self.broker.advance(at_ms)
        self.broker.work()

    def _blame(self, connection: ConnectionTasks | None, error: Exception) -> None:
        """A bug costs the connection on whose behalf it was met, or whose large work it was."""
        jobs = self.broker.scheduler.jobs
        if connection is None and jobs.client is not None:
            connection = next((each for each in self.connections if each.session is jobs.client), None)
        jobs.client = None
        self.note_bug("-" if connection is None else connection.name, error)
        if self.strict and not self._has_lost_store:
            raise error
        if connection is not None:
            self._give_up(connection)

    def blame_request(self, error: Exception, *, is_noted: bool = False) -> None:
        """A bug that a request over HTTP has met, whose task ends nothing but itself. `is_noted` if it was met in a
        turn, which has noted it."""
        if not is_noted:
            self.note_bug("-", error)
        if self.strict and not self._has_lost_store:
            self.nursery.start_soon(_raise, error)

    def note_bug(self, connection: str, error: Exception) -> None:
        """Called where an exception was caught that nobody may raise, but for a store that cannot be read."""
        if isinstance(error, StoreError) and self.flusher is not None:
            self.flusher.fail(error)
        if self._has_lost_store:
            # What this turn has left half done will never be written, and what comes of it is no bug.
            return
        self.internal_errors += 1
        self.log.error("internal error", exc_info=error, extra={"connection": connection})

    def _give_up(self, connection: ConnectionTasks) -> None:
        """Ends a connection after an internal error; if even that fails, without a word."""
        try:
            connection.session.fail(
                ConnectionForced(STORE_LOST) if self._has_lost_store else InternalFault("internal error")
            )
        except Exception:
            if not self._has_lost_store:
                self.log.exception("internal error")
            connection.session.abandon()
            connection.stop()

    def finish_turn(self, first: ConnectionTasks | None) -> None:
        """Sends what the turn wrote: first to whom it was about, who may be waiting for just that.

        Some of the others may have been closed by the turn, and have less time left than before.
        """
        if self.opened:
            self._hear_opened()
        if first is not None:
            first.flush()
        dirty = self.to_flush
        for connection in dirty:
            if connection is not first:
                connection.flush()
                if connection.session.next_at_ms != connection.armed_at_ms:
                    self._arm(connection)
        dirty.clear()
        if self.flusher is not None:
            self.flusher.note()

    def _hear_opened(self) -> None:
        """In the turn that opened them, unless they are many."""
        for _ in range(min(len(self.opened), OPENED_MAX)):
            connection = self.opened.popleft()
            connection.read_on()
            try:
                connection.session.receive(b"", now_ms())
                self.broker.settle()
            except Exception as error:
                self._blame(connection, error)
            if connection.session.is_closed:
                connection.stop()

    # --- time

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Runs the connections' tasks, and what is due when it is due, until cancelled."""
        with open_readiness() as self.readiness:
            async with trio.open_nursery() as own, trio.open_nursery() as self.nursery:
                own.start_soon(self.entrance.refusals.run)
                if self.readiness is None:
                    own.start_soon(self.busy_poll.run)
                else:
                    own.start_soon(self.readiness.run, self.busy_poll)
                    own.start_soon(self.busy_poll.run, self.readiness.look)
                if self.flusher is not None:
                    own.start_soon(self.flusher.run)
                    own.start_soon(self.flusher.run_ahead)
                    self.flusher.note()
                task_status.started()
                await self._run_deadlines()

    async def _run_deadlines(self) -> None:
        while True:
            self._sleeping_until_ms = self._next_at_ms()
            self._earlier = trio.Event()
            until = self._sleeping_until_ms
            with trio.move_on_at(float("inf") if until is None else until / 1000):
                await self._earlier.wait()
            while self.broker.scheduler.discarded:
                self.broker.sweep(SWEEP_MAX)
                await trio.lowlevel.checkpoint()
            at_ms = now_ms()
            self.run_due(at_ms)
            while (connection := self._deadlines.pop_due(at_ms)) is not None:
                connection.armed_at_ms = None
                self._turn(connection, connection.session.on_timer, at_ms)
                if connection.session.is_closed:
                    connection.stop()

    def _watch_broker(self) -> None:
        """Wakes the sleeping `_run_deadlines` when the turn left it something to do."""
        scheduler = self.broker.scheduler
        if scheduler.discarded or self.opened:
            self._earlier.set()
        elif scheduler.deadlines or scheduler.dead_letters or scheduler.queues_to_drain_further or scheduler.jobs.lines:
            at_ms = self.broker_next_at_ms()
            if at_ms is not None and (self._sleeping_until_ms is None or at_ms < self._sleeping_until_ms):
                self._earlier.set()

    def _next_at_ms(self) -> int | None:
        if self.opened:
            return now_ms()
        deadlines = [at for at in (self._deadlines.first_at_ms(), self.broker_next_at_ms()) if at is not None]
        return min(deadlines, default=None)

    def broker_next_at_ms(self) -> int | None:
        """The time at which the broker has something to do even without input, or None."""
        return self.broker.next_at_ms()

    def _arm(self, connection: ConnectionTasks) -> None:
        at_ms = connection.armed_at_ms = connection.session.next_at_ms
        if at_ms is None:
            self._deadlines.discard(connection)
            return
        self._deadlines.set(connection, at_ms)
        if self._sleeping_until_ms is None or at_ms < self._sleeping_until_ms:
            self._earlier.set()

    async def drain(self, text: str) -> None:
        """Closes every connection with 320 and this text; waits, for a bounded time, until they are gone. If the store
        is lost, that is the reason."""
        if self._has_lost_store:
            text = STORE_LOST
        if self.connections:
            await self._drain(text)
        while self.broker.scheduler.jobs and not self._has_lost_store:
            # Nobody waits for anything any more, but what was answered must not be there after the next start.
            self.run_due(now_ms())

    async def _drain(self, text: str) -> None:
        self._empty = trio.Event()
        is_stuck = self.flusher is not None and self.flusher.is_stuck
        for connection in list(self.connections):
            if is_stuck:
                # What waits for the disk would wait too long, and this behind it.
                connection.outbox.discard_held()
            self._turn(connection, connection.session.fail, ConnectionForced(text))
            if connection.session.is_closed:
                connection.stop()
        with trio.move_on_after(DRAIN_S):
            await self._empty.wait()


async def _raise(error: Exception) -> None:
    raise error


def now_ms() -> int:
    """The time of the event loop."""
    return in_ms(trio.current_time())


def in_ms(seconds: float) -> int:
    # Rounded, not cut: 1.001 s are 1000.9… ms, and a deadline must be due when its time has come.
    return round(seconds * 1000)
