"""A test broker in its event loop: starts, stops, restarts; its clock, and the wait until all is quiet.

Everything here is called in the thread of the host.
"""

import logging
import random
import socket
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from itertools import count
from typing import Any, Final, TypeVar

import trio

from amqpy.config import Config
from amqpy.core.broker import Broker
from amqpy.core.definitions_import import import_at_once
from amqpy.core.durability import recovery
from amqpy.core.durability.startup import open_broker
from amqpy.errors import AdministrationError, AmqpFault, ConnectionForced
from amqpy.log import LOGGER
from amqpy.server.entrance import origin_of
from amqpy.server.reactor import now_ms as real_ms
from amqpy.store.memory import MemoryStore
from amqpy.testing.broker_core import WatchedBroker, WatchedUsers
from amqpy.testing.errors import BrokerBug, NotSettled
from amqpy.testing.faults import Faults
from amqpy.testing.host import Host
from amqpy.testing.ports import WatchedConnection
from amqpy.testing.reactor import WatchedReactor
from amqpy.testing.recorder import Recorder
from amqpy.testing.sessions import WatchedSession
from amqpy.testing.settling import due_text, has_unsent, reasons_of
from amqpy.testing.transport import FaultyTransport
from amqpy.testing.virtual_clock import VirtualClock

T = TypeVar("T")

SHUTDOWN: Final = "broker forced connection closure with reason 'shutdown'"
BACKLOG: Final = 128

OF_TEST: Final = "test"
"""The source of the alarms that a test sets."""

SETTLE_TURNS: Final = 3
"""Rounds of the event loop after which what was begun in it shows."""

UNREAD_S: Final = 0.02
UNREAD_LOOKS: Final = 10
"""Seconds that bytes may wait for a peer before it counts as one that does not read, and looks meanwhile."""


class Life:
    """One run of the broker, from a start to a stop."""

    def __init__(self, broker: Broker, users: WatchedUsers, reactor: WatchedReactor) -> None:
        self.broker = broker
        self.users = users
        self.reactor = reactor
        self.scope = trio.CancelScope()
        self.started = trio.Event()
        self.ended = trio.Event()


class Server:
    """A broker with a port, a store, a clock and a record that outlive its restarts."""

    def __init__(
        self,
        host: Host,
        config: Config,
        faults: Faults,
        *,
        clock: str = "ticking",
        unix_ms: int | None = None,
        seed: int = 0,
        definitions: dict[str, Any] | None = None,
    ) -> None:
        self.host = host
        self._config = config
        self._definitions = definitions
        self._random = random.Random(seed)
        self._log = logging.getLogger(f"{LOGGER}.testing")
        if not self._log.handlers:
            self._log.addHandler(logging.NullHandler())  # who has configured no logging wants none
        self._names = count(1)
        self._store = MemoryStore()
        self._listening: socket.socket | None = None
        self._changed = trio.Event()
        self.port = config.port
        self.bugs: list[Exception] = []
        self.followers: list[Callable[[timedelta], object]] = []
        now_ms = time.time_ns() // 1_000_000 if unix_ms is None else unix_ms
        self.clock = VirtualClock(now_ms, real_ms, frozen=clock == "frozen")
        self.recorder = Recorder(faults, self.cut)
        self.recorder.log.on_event = lambda event: self._changed.set()
        self.life: Life | None = None

    @property
    def running(self) -> Life:
        """Raises RuntimeError while it does not run."""
        if self.life is None:
            raise RuntimeError("the test broker does not run: it was stopped, or not started yet")
        return self.life

    def check_running(self) -> None:
        """Raises RuntimeError while it does not run: a restart would run without anybody to stop it."""
        _ = self.running

    # --- start and stop

    async def start(self) -> None:
        """Raises OSError for a port that is taken, AdministrationError or AmqpFault for definitions: then it is
        stopped."""
        is_new = self._listening is None and not self.recorder.log.total
        self._listen()
        try:
            await self._begin()
        except Exception:
            await self.stop()
            raise
        if is_new:
            self._forget_start()
        self.host.add(self)

    async def stop(self) -> None:
        await self._end(crash=False)
        self._close_listener()

    async def restart(self, *, crash: bool) -> None:
        await self.down(crash=crash)
        await self.up()

    async def down(self, *, crash: bool = False) -> None:
        """Ends it, and refuses connections until `up`."""
        self._close_listener()
        await self._end(crash=crash)

    async def up(self) -> None:
        self._listen()
        await self._begin()

    async def reset(self) -> None:
        """Ends it, and starts a new one in its place: all is gone."""
        await self._end(crash=True)
        self._store = MemoryStore()
        self.recorder.faults.end_all()
        await self._begin()
        self._forget_start()

    def _forget_start(self) -> None:
        """That there is a default user is nothing that has happened."""
        self.recorder.log.clear()

    def _listen(self) -> None:
        if self._listening is None:
            self._listening = socket.create_server((self._config.host, self.port), backlog=BACKLOG)
            self._listening.setblocking(False)
            self.port = self._listening.getsockname()[1]

    def _close_listener(self) -> None:
        listening, self._listening = self._listening, None
        if listening is not None:
            if self.life is not None:
                trio.lowlevel.notify_closing(listening)
            listening.close()

    async def _begin(self) -> None:
        broker, loaded = open_broker(
            self._config,
            self._store,
            self._new_name,
            self._random.randrange,
            self.clock.now_ms,
            log=self._log,
            now_ms=self.clock.now_ms(),
            unix_offset_ms=lambda: 0,
            make=partial(WatchedBroker, clock=self.clock, recorder=self.recorder),
        )
        users = WatchedUsers(broker, partial(self._random.randbytes, 4), loaded.records)
        users.recorder = self.recorder
        reactor = WatchedReactor(
            broker, self._store, self.clock, log=self._log, on_turn=self._on_turn, on_bug=self.bugs.append
        )
        life = self.life = Life(broker, users, reactor)
        self.host.spawn(self._live, life)
        await life.started.wait()
        if self._definitions is not None:
            definitions, self._definitions = self._definitions, None
            self.load_definitions(definitions)

    async def _live(self, life: Life) -> None:
        try:
            with life.scope:
                async with trio.open_nursery() as nursery:
                    await nursery.start(life.reactor.run)
                    if self._listening is not None:
                        nursery.start_soon(self._accept, life, self._listening)
                    life.reactor.administer(lambda: None)  # which makes durable what a new broker has
                    life.started.set()
                    await trio.sleep_forever()
        except Exception as error:  # for the test to know
            self.bugs.append(error)
            self._log.exception("the test broker has failed")
        finally:
            life.started.set()
            life.ended.set()
            if self.life is life:
                self.life = None
            self._changed.set()

    async def _accept(self, life: Life, listening: socket.socket) -> None:
        while True:
            try:
                await trio.lowlevel.wait_readable(listening)
                sock, _ = listening.accept()
            except BlockingIOError:
                continue
            except (OSError, trio.ClosedResourceError):
                return  # it was closed
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            life.reactor.nursery.start_soon(self._serve, life, sock)

    async def _serve(self, life: Life, sock: socket.socket) -> None:
        transport = FaultyTransport(sock)
        try:
            origin = origin_of(trio.socket.from_stdlib_socket(sock))
        except OSError:
            sock.close()
            return
        make_session = partial(WatchedSession, life.broker, life.users, recorder=self.recorder, transport=transport)
        try:
            await life.reactor.serve(transport, make_session, origin.ends, from_loopback=origin.from_loopback)
        finally:
            self._changed.set()

    async def _end(self, *, crash: bool) -> None:
        life = self.life
        if life is None:
            return
        reactor = life.reactor
        if not crash:
            self.hear_all()
            for connection in list(reactor.connections):
                reactor.act(partial(connection.session.fail, ConnectionForced(SHUTDOWN)))
                reactor.lost(connection)
            while life.broker.scheduler.jobs:
                reactor.run_due(real_ms())
            recovery.note_fronts(life.broker.vhosts)
            reactor.write_store()
        life.scope.cancel()
        await life.ended.wait()
        self._store.close(is_clean=not crash)
        self.life = None
        self.recorder.end()

    def close_sockets(self) -> None:
        """In a forked child."""
        if self._listening is not None:
            self._listening.close()
        for session in list(self.recorder.sessions.values()):
            if isinstance(session, WatchedSession):
                session.transport.close_in_child()

    def _new_name(self) -> str:
        return f"{next(self._names):022d}"

    # --- turns

    def administer(self, operation: Callable[[], Any]) -> Any:  # noqa: ANN401
        """A turn on behalf of the test."""
        return self.running.reactor.administer(operation)

    def act(self, operation: Callable[[], object]) -> None:
        self.running.reactor.act(operation)

    def load_definitions(self, definitions: dict[str, Any]) -> None:
        """Raises AdministrationError or AmqpFault; then nothing has changed."""
        life = self.running
        errors: list[Exception] = []

        def load() -> None:
            try:
                import_at_once(life.broker, life.users, definitions)
            except (AdministrationError, AmqpFault) as error:  # the test's, and no bug
                errors.append(error)
            else:
                self._let_default_user_in(life)

        life.reactor.administer(load)
        if errors:
            raise errors[0]

    def _let_default_user_in(self, life: Life) -> None:
        """Gives the default user its password and all permissions, whatever definitions say of it."""
        name, password = self._config.default_user, self._config.default_pass
        if any(user.name == name for user in life.users):
            life.users.change_password(name, password)
        else:
            life.users.add_user(name, password, tags=self._config.default_user_tags)
        for vhost in life.broker.vhosts:
            life.users.set_permissions(name, vhost, *self._config.default_permissions)

    def cut(self, connection: WatchedConnection, reset: bool) -> None:
        """Ends a connection in the middle of a turn: what was said before leaves, and nothing after it."""
        session = next((each for each in self.sessions() if each is connection), None)
        if session is None or session.is_cut:
            return
        (tasks,) = (each for each in self.running.reactor.connections if each.session is session)
        session.confirm_earlier()
        self.running.reactor.write_store()
        tasks.flush()
        session.stop_hearing()
        session.transport.sever(reset=reset)
        tasks.stop()

    def _on_turn(self) -> None:
        self._changed.set()

    async def changed(self) -> None:
        """Waits until something happens."""
        if self._changed.is_set():
            self._changed = trio.Event()
        await self._changed.wait()  # on the same event as all others who wait

    async def changed_since(self, total: int, timeout: float) -> None:
        """Waits for an event that is not among the first `total`, or any turn, for so many seconds."""
        with trio.move_on_after(timeout):
            if self.recorder.log.total == total:
                await self.changed()

    def purge(self) -> None:
        """Drops messages that are ready, recordings, faults and alarms."""
        self.hear_all()
        self.recorder.faults.end_all()
        broker = self.running.broker

        def purge() -> None:
            for vhost in broker.vhosts.values():
                for queue in vhost.queues.values():
                    queue.purge()
            for resource in list(broker.alarms.resources):
                broker.alarms.clear(resource, OF_TEST)

        self.administer(purge)
        while broker.scheduler.jobs:
            self.running.reactor.run_due(real_ms())
        self.recorder.log.clear()

    def check_bugs(self) -> None:
        """Raises BrokerBug if the broker met an internal error."""
        if self.bugs:
            error, self.bugs = self.bugs[0], []
            raise BrokerBug(f"the test broker met an internal error: {error!r}") from error

    # --- heard and settled

    def heard(self, ask: Callable[[], T]) -> T:
        """Asks something once everything is heard."""
        self.hear_all()
        return ask()

    def hear_all(self) -> None:
        """Hears everything that clients have sent: the barrier before each question."""
        if self.life is not None:
            self.life.reactor.hear_all()

    def unsettled(self) -> list[str]:
        """The reasons why it is not settled; none if it is."""
        life = self.life
        if life is None:
            return []
        self.hear_all()
        scheduler = life.broker.scheduler
        reasons = []
        if scheduler.jobs or scheduler.queues_to_drain or scheduler.dead_letters or scheduler.requeues:
            reasons.append("the broker has work to do")
        for connection in life.reactor.connections:
            session = connection.session
            assert isinstance(session, WatchedSession)
            if not (session.is_cut or session.block.is_blocked or session.transport.is_frozen):
                reasons += reasons_of(session)
        return reasons

    async def settle(self, timeout: float) -> None:
        """Waits until it is settled. Raises NotSettled."""
        with trio.move_on_after(timeout):
            while True:
                for _ in range(SETTLE_TURNS):
                    await trio.lowlevel.checkpoint()
                if not self.unsettled():
                    return
                await self.changed()
        reasons = self.unsettled()
        if reasons:
            raise NotSettled("\n".join([f"not settled within {timeout:g} s:", *(f"  {each}" for each in reasons)]))

    # --- time

    def due(self) -> list[tuple[int, str]]:
        """The times at which something is due, and what it is."""
        scheduler = self.running.broker.scheduler
        return [(at_ms, due_text(target)) for at_ms, target in scheduler.deadlines.entries()]

    async def advance(self, ms: int, *, settles: bool, timeout: float) -> None:
        """Moves its clock on, from deadline to deadline."""
        self.hear_all()
        target_ms = self.clock.now_ms() + ms
        while await self._advance_once(target_ms, settles=settles, timeout=timeout):
            pass
        self._move_to(target_ms)
        self.running.reactor.run_due(real_ms())
        await self._let_leave()
        if settles:
            await self.settle(timeout)

    async def advance_to_next(self, *, settles: bool, timeout: float) -> bool:
        """Moves its clock on to the next deadline; False if there is none."""
        self.hear_all()
        at_ms = self.running.broker.next_at_ms()
        if at_ms is None:
            return False
        await self.advance(max(0, at_ms - self.clock.now_ms()), settles=settles, timeout=timeout)
        return True

    async def _advance_once(self, target_ms: int, *, settles: bool, timeout: float) -> bool:
        """Moves on to the next deadline before the target, and does what is due then; False if there is none."""
        life = self.running
        at_ms = life.broker.next_at_ms()
        if at_ms is None or at_ms > target_ms:
            return False
        self._move_to(at_ms)
        life.reactor.run_due(real_ms())
        if settles:
            await self._let_leave()
            await self.settle(timeout)
        return True

    def _move_to(self, at_ms: int) -> None:
        step = timedelta(milliseconds=max(0, at_ms - self.clock.now_ms()))
        if step:
            for follow in self.followers:
                follow(step)
        self.clock.move_to(at_ms)

    def wake(self, act: Callable[[], object]) -> None:
        """Does something to the clock, and has the reactor look at it anew."""
        act()
        self.act(lambda: None)

    async def _let_leave(self) -> None:
        """Waits until what was said is in the kernel, but for those who do not read."""
        for _ in range(SETTLE_TURNS):
            await trio.lowlevel.checkpoint()
        for _ in range(UNREAD_LOOKS):
            if not any(has_unsent(each) for each in self.sessions()):
                return
            await trio.sleep(UNREAD_S / UNREAD_LOOKS)

    def sessions(self) -> Iterator[WatchedSession]:
        for connection in [] if self.life is None else list(self.life.reactor.connections):
            session = connection.session
            assert isinstance(session, WatchedSession)
            if not session.is_closed:  # else only its socket waits for its end
                yield session
