"""A connection that publishes while an alarm is on is not listened to until it is over.

    open → (content comes, and an alarm is on) → shut → (no alarm is on any more) → open: what waited is heard

The frame that shuts the gate is still heard: a message without a body is published, one with a body waits for it from
its header on. After it nothing is heard of the peer, no ack, and not even that it closes the connection. What we have
to tell it goes on: deliveries, confirms, heartbeats. A connection that does not publish notices nothing.

What the peer says meanwhile waits: the rest of the buffer here, and all else at its end, but for a little that the
transport reads to learn that the peer is gone.

Source: `rabbit_reader`: `publish_received`, `maybe_block`, `control_throttle`, and `recvloop` when it is blocked.
"""

from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from amqpy.wire.frames import Frame, FrameReader
from amqpy.wire.methods import Connection

if TYPE_CHECKING:
    from amqpy.session.connection import ConnectionSession


class Gate:
    """Between a connection's frames and who hears them; an iterator of those that wait. `read_on` tells the transport
    that the gate is open again: with the next bytes, even none, those that wait are heard."""

    def __init__(self, reader: FrameReader, read_on: Callable[[], object]) -> None:
        self.is_shut = False
        self.holds = False
        """Something waits, or would."""
        self.read_on = read_on
        self._reader = reader
        self._next: Frame | None = None
        self._frames: Iterator[Frame] = iter(())
        self._chunks: deque[bytes] = deque()

    # --- alarms

    def note_content(self, connection: "ConnectionSession") -> None:
        """A content frame is about to be heard; it may be the last one for a while."""
        alarms = connection.broker.alarms
        if alarms and not self.is_shut:
            self.is_shut = self.holds = True
            if connection.client_can("connection.blocked"):
                connection.outbox.overtake(connection.methods.encode(0, Connection.Blocked, alarms.reason))

    def heed_alarms(self, connection: "ConnectionSession") -> None:
        """One came or went. While there is one, no message may take the short way."""
        connection.hot.clear()
        if connection.broker.alarms:
            return
        for channel in connection.channels.values():
            channel.warm_up()
        if self.is_shut:
            if connection.client_can("connection.blocked"):
                connection.outbox.overtake(connection.methods.encode(0, Connection.Unblocked))
            self.open()

    def open(self) -> None:
        """Lets through what waits, if it is shut."""
        if self.is_shut:
            self.is_shut = False
            self.read_on()

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
                self.holds = False
                raise StopIteration
            self._frames = self._reader.feed(self._chunks.popleft())
