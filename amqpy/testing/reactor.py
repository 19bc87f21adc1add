"""The turns of a test broker: its store is written in them, by its own clock, and who waits is told of each."""

import logging
from collections.abc import Callable

from amqpy.core.broker import Broker
from amqpy.server.busy_poll import BusyPoll
from amqpy.server.connection_tasks import ConnectionTasks
from amqpy.server.reactor import Reactor
from amqpy.store.memory import MemoryStore
from amqpy.testing.sessions import WatchedSession
from amqpy.testing.virtual_clock import VirtualClock


class Drowsy(BusyPoll):
    """Never stays awake: in the process of a test, others have something to do."""

    def note(self, speaker: object) -> None:
        pass


class WatchedReactor(Reactor):
    """All connections of a test broker, and its time. `on_turn` is called after each turn, `on_bug` with an internal
    error."""

    def __init__(
        self,
        broker: Broker,
        store: MemoryStore,
        clock: VirtualClock,
        *,
        log: logging.Logger,
        on_turn: Callable[[], object],
        on_bug: Callable[[Exception], object],
    ) -> None:
        super().__init__(broker, log=log)
        self.busy_poll = Drowsy()
        self._store = store
        self._clock = clock
        self._on_turn = on_turn
        self._on_bug = on_bug

    def finish_turn(self, first: ConnectionTasks | None) -> None:
        self.write_store()
        super().finish_turn(first)
        while self.write_store():  # what those said who had to wait
            super().finish_turn(None)
        self._on_turn()

    def write_store(self) -> bool:
        """Makes durable what has changed, and confirms it. True if there was anything."""
        journal = self.broker.scheduler.journal
        assert journal is not None
        has_written = False
        while journal.has_work and (batch := journal.take()) is not None:
            if not batch.is_empty:
                self._store.append(batch)
                self._store.sync()
            journal.written()
            has_written = True
        return has_written

    def broker_next_at_ms(self) -> int | None:
        at_ms = self.broker.next_at_ms()
        return None if at_ms is None else self._clock.real_at(at_ms)

    def note_bug(self, connection: str, error: Exception) -> None:
        self._on_bug(error)
        super().note_bug(connection, error)

    def hear_all(self) -> None:
        """Hears what clients have sent, up to what they must wait with."""
        for connection in list(self.connections):
            if isinstance(connection.session, WatchedSession) and connection.session.is_cut:
                self.lost(connection)
            else:
                connection.hear_all()
