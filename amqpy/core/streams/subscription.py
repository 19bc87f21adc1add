"""A subscription: a consumer of a stream that is given whole chunks, as they are stored.

It has a place of its own, and credit, which counts chunks. Whoever reads them waits while there is no credit, no chunk,
or too much on the way; the queue (`queues.stream`) gives each its turn.

Source: `rabbit_stream_reader:send_chunks`, `rabbit_stream_utils` for the credit that is kept back.
"""

from typing import Final, Protocol

from amqpy.core.streams.reader import Reader
from amqpy.wire.outbox import HIGH, Outbox

AHEAD: Final = 240
"""Messages that are read ahead."""
RUN_CHUNKS: Final = 16
RUN_BYTES: Final = 256 * 1024
"""Chunks, and bytes of them, that a subscription is given before it is the turn of the next one."""


class ChunkTarget(Protocol):
    """The client that is given chunks."""

    @property
    def outbox(self) -> Outbox: ...

    def deliver_chunk(self, subscription: "Subscription", head: bytes, data: bytes) -> None:
        """Sends a chunk: its header and its data."""


class Line(Protocol):
    """The line of those who read a stream."""

    def line_up(self, subscription: "Subscription") -> None:
        """Is told that a subscription that waited can take chunks."""


class Subscription:
    """A subscription of a client. Compared by identity."""

    __slots__ = ("_line", "_reserve", "_sends", "_waits", "credit", "id", "is_active", "reader", "target")

    def __init__(self, number: int, line: Line, target: ChunkTarget, reader: Reader, credit: int, reserve: int) -> None:
        """Once its credit is used up, nothing is sent until it is above `reserve`."""
        self.id = number
        self._line = line
        self.target = target
        self.reader = reader
        self.credit = credit
        self.is_active = True
        """False while another consumer of its group has the stream."""
        self._reserve = reserve
        self._sends = credit > reserve
        self._waits = True
        """True while it is in no line."""

    def can_take(self) -> bool:
        return self._sends and self.credit > 0 and self.is_active and self.target.outbox.size < HIGH

    def add_credit(self, credit: int) -> None:
        self.credit += credit
        self._sends = self.credit > 0 and (self._sends or self.credit > self._reserve)
        self.resume()

    def resume(self) -> None:
        """Gets in line if it waited and can take chunks now."""
        if self._waits and self.can_take():
            self._waits = False
            self._line.line_up(self)

    def serve(self) -> tuple[int, int]:
        """Takes the next chunks; returns their number and bytes."""
        count = size = 0
        reader = self.reader
        while count < RUN_CHUNKS and size < RUN_BYTES and self.can_take():
            chunk = reader.take_chunk(AHEAD if self.credit > 1 else 1)
            if chunk is None:
                break
            count += 1
            size += len(chunk[1])
            self.credit -= 1
            if not self.credit:
                self._sends = False
            self.target.deliver_chunk(self, *chunk)
        reader.release()
        return count, size

    def begin(self, offset: int) -> None:
        """Becomes active, and begins at an offset. It must be in no line."""
        self.reader = self.reader.at(offset)
        self.is_active = self._waits = True

    def leave_line(self) -> None:
        """Is told that it is in no line any more, because it cannot take chunks."""
        self._waits = True
