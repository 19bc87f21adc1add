"""The script API: what a scenario does to one broker, and the transcript of what the broker did.

A scenario is a function that gets a `Stage`. It opens connections and channels there, sends methods, and
waits for what must come. It never sleeps: it waits for the reply, for a number of frames, for the end of
the connection, or it makes a round trip (`sync`, `settle`) behind which nothing can still be on its way.
Every frame received is recorded, whether the scenario waited for it or not.
"""

import contextlib
import secrets
import ssl
from collections.abc import Iterator
from typing import Any

from interop.parity import codec
from interop.parity.admin import Admin
from interop.parity.connection import Broker, Channel, Connection, Overdue
from interop.parity.listening import Secured
from interop.parity.normalise import Normaliser, natural

__all__ = ["Broker", "Channel", "Connection", "Overdue", "Stage"]


class Stage:
    """One broker, as one run of one scenario sees it."""

    def __init__(self, broker: Broker, *, confirms_apart: bool = False) -> None:
        self.broker = broker
        self.run_id = secrets.token_hex(5)
        self.admin = Admin(broker.door, self.run_id)
        self.confirms_apart = confirms_apart
        self.connections: list[Connection] = []
        self.notes: list[str] = []
        self._names: list[str] = []

    def name(self, label: str = "q") -> str:
        """A name nobody else uses; the transcript shows it without the part that differs between runs."""
        name = f"{label}.{self.run_id}"
        if name not in self._names:
            self._names.append(name)
        return name

    @property
    def secured(self) -> Secured:
        """The broker's listener for TLS, for scenarios that ask for one."""
        assert self.broker.secured is not None
        return self.broker.secured

    def dial(self, version: codec.Version = codec.AMQP_0_9_1, tls: ssl.SSLContext | None = None) -> Connection:
        """A TCP connection on which nothing was said yet, or one in TLS."""
        connection = Connection(self.broker, confirms_apart=self.confirms_apart, version=version, tls=tls)
        self.connections.append(connection)
        return connection

    def connect(
        self,
        *,
        record: bool = False,
        version: codec.Version = codec.AMQP_0_9_1,
        tls: ssl.SSLContext | None = None,
        **options: Any,  # noqa: ANN401
    ) -> Connection:
        """An open connection. Its handshake is not recorded unless asked for: it has its own scenarios."""
        connection = self.dial(version, tls)
        connection.recording = record
        connection.handshake(**options)
        connection.recording = True
        return connection

    def channel(self, number: int = 1, **options: Any) -> Channel:  # noqa: ANN401
        return self.connect(**options).channel(number)

    def until_queue(self, queue: str, **counts: int) -> None:
        """Wait until a passive declare shows these counts, for what a broker does without telling."""
        with self._unseen() as observer:
            observer.until_queue(queue, **counts)

    def until_queue_gone(self, queue: str) -> None:
        with self._unseen() as observer:
            observer.until_queue_gone(queue)

    @contextlib.contextmanager
    def _unseen(self) -> Iterator[Connection]:
        """A connection that is no part of the scenario."""
        connection = Connection(self.broker)
        connection.recording = False
        try:
            connection.handshake()
            yield connection
        finally:
            connection.drop()

    def finish(self) -> None:
        """Let everything that is still on its way arrive, and stop listening before the tidying begins."""
        for connection in self.connections:
            for channel in list(connection.channels.values()):
                channel.sync()
        for connection in self.connections:
            connection.recording = False

    def leave(self) -> None:
        """Hang up, undo what was administered, and delete what was made under the names given out."""
        for connection in self.connections:
            connection.drop()
        self.admin.unmake()
        with contextlib.suppress(OSError, Overdue), self._unseen() as cleaner:
            for number, name in enumerate(self._names, 1):
                # Each on its own channel: what is exclusive goes by itself, but is refused until it is gone.
                channel = cleaner.channel(number)
                channel.call("exchange.delete", exchange=name)
                if not channel.closed:
                    channel.call("queue.delete", queue=name)

    def note(self, line: str) -> None:
        """Add a line of the scenario's own to the transcript, for what only it can judge."""
        self.notes.append(line)

    def transcript(self) -> dict[str, list[str]]:
        """Lines by connection and channel, in which only what two brokers should have in common is left."""
        normal = Normaliser(self.run_id)
        transcript = {"notes": [normal(note) for note in self.notes]} if self.notes else {}
        if self.admin.lines:
            transcript["administration"] = [normal(line) for line in self.admin.lines]
        for position, connection in enumerate(self.connections, 1):
            for (channel, topic), lines in sorted(connection.lines.items()):
                where = f"connection {position}, channel {channel}{topic}"
                transcript[where] = [normal(line) for line in (sorted(lines, key=natural) if topic else lines)]
        return transcript
