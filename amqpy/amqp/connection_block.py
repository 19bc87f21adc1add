"""Blocking a connection: its input is not processed during an alarm, while its jobs go on, or until its client has
read some of the bytes that wait for it.

    running → (content arrives during an alarm)         → blocked → (no alarm is set any more) → running
    running → (a method takes more than one turn)       → blocked → (its jobs are done)        → running
    login   → (an authenticator is asked)               → blocked → (it has answered)          → tuning
    running → (a permission must be asked for)          → blocked → (there is an answer)       → running
    running → (more bytes wait for it than are allowed) → blocked → (half of them are read)    → running

The frame that blocks the connection is still processed: a message without a body is published, one with a body waits
for the body. After it no input is processed, no ack, not even connection.close. Output goes on: deliveries, confirms,
heartbeats. An alarm does not affect a connection that does not publish.

Input that arrives meanwhile is queued: the rest of the buffer here, everything else at the peer, except for a little
that the transport reads to learn that the peer is gone.

Source: `rabbit_reader`: `publish_received`, `maybe_block`, `control_throttle`, and `recvloop` when it is blocked.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator

from amqpy.amqp.channel import ChannelSession
from amqpy.amqp.publisher import Channels
from amqpy.amqp.terms import Terms
from amqpy.core.alarms import Alarms
from amqpy.wire.frame_reader import Frame, FrameReader
from amqpy.wire.methods import Connection
from amqpy.wire.outbox import Outbox

UNREAD = "low on memory"
"""The reason in connection.blocked when too many bytes wait for the client. RabbitMQ has no such reason."""


class ConnectionBlock:
    """The block of a connection, and an iterator of its queued frames. `read_on` tells the transport that it is no
    longer blocked: with the next bytes, even none, the queued frames are processed."""

    def __init__(
        self,
        reader: FrameReader,
        outbox: Outbox,
        channels: Channels[ChannelSession],
        terms: Terms,
        alarms: Alarms,
        read_on: Callable[[], object],
    ) -> None:
        self._reader = reader
        self._outbox = outbox
        self._channels = channels
        self._terms = terms
        self._alarms = alarms
        self.read_on = read_on
        self.is_blocked = False
        self._is_blocked = False
        """True if it published during an alarm."""
        self._is_unread = False
        """True if too many bytes wait for its client."""
        self._works = False
        """True while its jobs go on."""
        self._asks = False
        """True while somebody is asked something for it."""
        self._was_told = False
        """True if the client was sent connection.blocked, or would have been."""
        self.has_backlog = False
        """True while input must be queued here instead of processed."""
        self._put_back: deque[Frame] = deque()
        self._frames: Iterator[Frame] = iter(())
        self._chunks: deque[bytes] = deque()

    @property
    def waits_for_alarm(self) -> bool:
        """True if the connection has published during an alarm that is not over."""
        return self._is_blocked

    @property
    def waits_to_be_read(self) -> bool:
        """True if its client has not read enough of what waits for it."""
        return self._is_unread

    # --- alarms

    def note_content(self) -> None:
        """Blocks the connection during an alarm. Called before a content frame is processed."""
        if self._alarms and not self._is_blocked:
            self._is_blocked = True
            self._shut()

    def on_alarm(self) -> None:
        """Unblocks the connection when the last alarm is cleared. During an alarm there are no fast channels."""
        self._channels.fast.clear()
        if self._alarms:
            return
        self._is_blocked = False
        if self._is_unread and not self._outbox.overfull:
            self._is_unread = False
        self._open()

    def release(self) -> None:
        """Unblocks the connection when it is closed: the client's close-ok is processed, with its input before that."""
        self._is_blocked = self._is_unread = self._was_told = self._asks = False
        if self.is_blocked and not self._works:
            self.is_blocked = False
            self.read_on()

    # --- what is not read

    def wait_until_read(self) -> None:
        """Blocks the connection until the client has read half of the bytes that may wait for it."""
        if not self._is_unread:
            self._is_unread = True
            self._shut()

    def note_read(self) -> None:
        """Unblocks the connection if the client has read enough."""
        if self._is_unread and self._outbox.size < self._outbox.limit.size // 2:
            self._is_unread = False
            self._open()

    # --- work

    def wait_for_work(self) -> None:
        """Blocks the connection until `work_done`."""
        self._works = True
        self._shut()

    def work_done(self) -> None:
        self._works = False
        self._open()

    # --- questions

    def wait_for_answer(self) -> None:
        """Blocks the connection until `answered`."""
        self._asks = True
        self._shut()

    def answered(self) -> None:
        self._asks = False
        self._open()

    # --- both ways

    def _shut(self) -> None:
        """Blocks the connection: there are no fast channels from now on."""
        self._channels.fast.clear()
        self.is_blocked = self.has_backlog = True
        self._tell()

    def _open(self) -> None:
        """Unblocks the connection, if nothing blocks it any more."""
        self._tell()
        if self._is_unread or self._works or self._asks:
            return
        for channel in self._channels.values():
            channel.allow_fast_path()
        if self.is_blocked and not self._is_blocked:
            self.is_blocked = False
            self.read_on()

    def _tell(self) -> None:
        """Sends connection.blocked or unblocked if that changed. Jobs do not count: they are done soon."""
        is_blocked = self._is_blocked or self._is_unread
        if is_blocked == self._was_told:
            return
        self._was_told = is_blocked
        if not self._terms.client_can("connection.blocked"):
            return
        if is_blocked:
            alarms = self._alarms
            reason = alarms.reason if alarms else UNREAD
            self._outbox.write_ahead(self._terms.methods.encode(0, Connection.Blocked, reason))
        else:
            self._outbox.write_ahead(self._terms.methods.encode(0, Connection.Unblocked))

    # --- queued input

    def keep(self, frames: Iterator[Frame]) -> None:
        """Queues the rest of the frames that were being processed."""
        if frames is not self:
            self._frames = frames

    def put_back(self, frames: Iterable[Frame]) -> None:
        """Puts back frames, to be processed first."""
        self._put_back.extendleft(reversed(list(frames)))

    def hold(self, data: bytes) -> None:
        """Queues bytes, to be processed after everything else here."""
        self._chunks.append(data)

    @property
    def held_size(self) -> int:
        """The number of bytes queued by `hold`."""
        return sum(map(len, self._chunks))

    def __iter__(self) -> Iterator[Frame]:
        return self

    def __next__(self) -> Frame:
        if self._put_back:
            return self._put_back.popleft()
        while True:
            for frame in self._frames:
                return frame
            if not self._chunks:
                self.has_backlog = self.is_blocked  # once more, if the last frame has begun more work
                raise StopIteration
            self._frames = self._reader.feed(self._chunks.popleft())
