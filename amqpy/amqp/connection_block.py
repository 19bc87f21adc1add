"""A connection is not listened to while it has to wait: for the end of an alarm, or of large work that it began, or
until its client has read some of what waits for it.

    open → (content comes, and an alarm is on)          → shut → (no alarm is on any more)  → open: what waited is heard
    open → (something it said is too much for one turn) → shut → (all that it began is done) → open
    open → (more waits for its client than may)         → shut → (half of it is read)        → open

The frame that shuts the block is still heard: a message without a body is published, one with a body waits for it from
its header on. After it nothing is heard of the peer, no ack, and not even that it closes the connection. What we have
to tell it goes on: deliveries, confirms, heartbeats. A connection that does not publish notices nothing of an alarm,
and one whose work is small nothing of work.

What the peer says meanwhile waits: the rest of the buffer here, and all else at its end, but for a little that the
transport reads to learn that the peer is gone.

Source: `rabbit_reader`: `publish_received`, `maybe_block`, `control_throttle`, and `recvloop` when it is blocked.
"""

from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from amqpy.amqp.state import State
from amqpy.wire.frames import Frame, FrameReader
from amqpy.wire.methods import Connection

if TYPE_CHECKING:
    from amqpy.amqp.connection import ConnectionSession

UNREAD = "low on memory"
"""Why a client is not heard for which too much waits, as it is told. RabbitMQ has no word for that."""


class ConnectionBlock:
    """Between a connection's frames and who hears them; an iterator of those that wait. `read_on` tells the transport
    that the block is open again: with the next bytes, even none, those that wait are heard."""

    def __init__(self, reader: FrameReader, read_on: Callable[[], object]) -> None:
        self.is_blocked = False
        self._is_blocked = False
        """It published during an alarm."""
        self._is_unread = False
        """Too much waits for its client."""
        self._works = False
        """What it began is not done."""
        self._was_told = False
        """The client knows that it is not heard."""
        self.has_backlog = False
        """Something waits, or would."""
        self.read_on = read_on
        self._reader = reader
        self._next: Frame | None = None
        self._frames: Iterator[Frame] = iter(())
        self._chunks: deque[bytes] = deque()

    # --- alarms

    def note_content(self, connection: "ConnectionSession") -> None:
        """A content frame is about to be heard; it may be the last one for a while."""
        if connection.broker.alarms and not self._is_blocked:
            self._is_blocked = True
            self._shut(connection)

    def on_alarm(self, connection: "ConnectionSession") -> None:
        """One came or went. While there is one, no message may take the short way."""
        connection.fast_channels.clear()
        if connection.broker.alarms:
            return
        self._is_blocked = False
        if self._is_unread and not connection.outbox.overfull:
            self._is_unread = False
        self._open(connection)

    def release(self) -> None:
        """The connection ends: what the client has to say to that is heard, whatever it said before."""
        self._is_blocked = self._is_unread = self._was_told = False
        if self.is_blocked and not self._works:
            self.is_blocked = False
            self.read_on()

    # --- what is not read

    def wait_until_read(self, connection: "ConnectionSession") -> None:
        """Too much waits for the client: it has to read before it can ask for more."""
        if not self._is_unread and connection.state is State.RUNNING:
            self._is_unread = True
            self._shut(connection)

    def note_read(self, connection: "ConnectionSession") -> None:
        """The client has read something."""
        if self._is_unread and connection.outbox.size < connection.outbox.limit.size // 2:
            self._is_unread = False
            self._open(connection)

    # --- work

    def wait_for_work(self, connection: "ConnectionSession") -> None:
        """It began what is too much for one turn."""
        self._works = True
        self._shut(connection)

    def work_done(self, connection: "ConnectionSession") -> None:
        self._works = False
        self._open(connection)

    # --- both ways

    def _shut(self, connection: "ConnectionSession") -> None:
        """From now on, nothing may take the short way past the block."""
        connection.fast_channels.clear()
        self.is_blocked = self.has_backlog = True
        self._tell(connection)

    def _open(self, connection: "ConnectionSession") -> None:
        """Lets through what waits, if nothing is to be waited for any more."""
        self._tell(connection)
        if self._is_unread or self._works:
            return
        for channel in connection.channels.values():
            channel.allow_fast_path()
        if self.is_blocked and not self._is_blocked:
            self.is_blocked = False
            self.read_on()

    def _tell(self, connection: "ConnectionSession") -> None:
        """Tells the client that it is blocked, or no longer, if it does not know. Work is over soon."""
        is_blocked = self._is_blocked or self._is_unread
        if is_blocked == self._was_told:
            return
        self._was_told = is_blocked
        if not connection.client_can("connection.blocked"):
            return
        if is_blocked:
            alarms = connection.broker.alarms
            reason = alarms.reason if alarms else UNREAD
            connection.outbox.write_ahead(connection.methods.encode(0, Connection.Blocked, reason))
        else:
            connection.outbox.write_ahead(connection.methods.encode(0, Connection.Unblocked))

    # --- what waits

    def keep(self, frames: Iterator[Frame]) -> None:
        """The rest of the frames that were being heard."""
        if frames is not self:
            self._frames = frames

    def put_back(self, frame: Frame) -> None:
        """A frame that was taken too early."""
        self._next = frame

    def hold(self, data: bytes) -> None:
        """More that comes after all this."""
        self._chunks.append(data)

    @property
    def held_size(self) -> int:
        """Bytes that came after the frames that were being heard."""
        return sum(map(len, self._chunks))

    def __iter__(self) -> Iterator[Frame]:
        return self

    def __next__(self) -> Frame:
        if self._next is not None:
            frame, self._next = self._next, None
            return frame
        while True:
            for frame in self._frames:
                return frame
            if not self._chunks:
                self.has_backlog = False
                raise StopIteration
            self._frames = self._reader.feed(self._chunks.popleft())
