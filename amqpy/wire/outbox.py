"""Bytes waiting for one peer.

All output of a turn to a peer is gathered here and sent in as few calls as the transport allows. The size of the
outbox also shows a slow reader: from `HIGH` on, a consumer gets only the messages that its prefetch allows
(`core.queues.dispatch`), and from the limit on none, and the peer is not read.

Some chunks may be held back, with everything behind them. A heartbeat overtakes them.
"""

from collections import deque
from collections.abc import Callable
from itertools import islice

HIGH = 512 * 1024
"""Bytes at which the peer counts as slow."""

LOW = HIGH // 4
"""Bytes at which it no longer does."""

LIMIT = 128 * 1024 * 1024
"""The default of the bytes that may wait for one peer."""

SEND_MAX = 1024 * 1024
"""Bytes passed to the transport in one call, so that one large message is not copied whole."""

LARGE = 4096
"""The average size from which chunks are not joined."""

BUFFERS_MAX = 256
"""Buffers passed to the transport in one call; the kernel has a limit of 1024."""


class UnsentLimit:
    """The limit of the bytes that may wait for one peer; shared by all outboxes."""

    __slots__ = ("share", "size")

    def __init__(self, share: int = LIMIT) -> None:
        self.share = share
        """A peer's share of the memory, in bytes."""
        self.size = share
        """The current limit: the share, or less while memory is short."""


class Outbox:
    """An append-only queue of bytes-like chunks. `wake` is called when it stops being empty."""

    __slots__ = ("_held_from", "chunks", "held_for", "limit", "send_count", "size", "total", "wake")

    def __init__(self, wake: Callable[[], object], limit: UnsentLimit | None = None) -> None:
        self.chunks: deque[bytes | memoryview] = deque()
        self.limit = limit or UnsentLimit()
        self.size = 0
        """Bytes not yet accepted by the transport, those of a `take` in progress included."""
        self.total = 0
        """Bytes ever accepted by the transport."""
        self.send_count = 0
        """The calls in which it accepted them."""
        self.wake = wake
        self.held_for: int | None = None
        """The number that the held chunks wait for (a batch); None if there are none."""
        self._held_from = 0
        """The index of the first chunk that is held."""

    @property
    def full(self) -> bool:
        return self.size >= HIGH

    @property
    def overfull(self) -> bool:
        """True if as many bytes wait as are allowed for one peer, or more."""
        return self.size >= self.limit.size

    @property
    def has_sendable(self) -> bool:
        """True if there is anything to be sent now."""
        return bool(self.chunks) and (self.held_for is None or self._held_from > 0)

    @property
    def sendable_size(self) -> int:
        """The number of bytes that are not held."""
        if self.held_for is None:
            return self.size
        return self.size - sum(map(len, islice(self.chunks, self._held_from, None)))

    def write(self, data: bytes | memoryview) -> None:
        if not self.chunks:
            self.wake()
        self.chunks.append(data)
        self.size += len(data)

    def write_ahead(self, data: bytes) -> None:
        """Writes whole frames of channel 0, which are sent before the held chunks."""
        if self.held_for is None:
            self.write(data)
            return
        self.chunks.insert(self._held_from, data)
        self._held_from += 1
        self.size += len(data)
        self.wake()

    def hold(self, number: int, first: int) -> None:
        """Holds all chunks from `first` on, the beginning of a frame, until `release`. Chunks that are held already
        wait for this `number`, too."""
        if self.held_for is None:
            self._held_from = first
        self.held_for = number

    def release(self) -> None:
        self.held_for = None
        self.wake()

    def discard_held(self) -> None:
        """Discards the held chunks; later ones are not held."""
        if self.held_for is not None:
            self.size = self.sendable_size
            self.chunks = deque(islice(self.chunks, self._held_from))
            self.held_for = None

    def take(self) -> list[bytes | memoryview]:
        """Takes the next bytes to send, at most about SEND_MAX, in few buffers; nothing that is held. Call `sent` once
        they are accepted by the transport.

        Small chunks are joined, large ones are not: copying a megabyte costs more than another buffer.
        """
        chunks = self.chunks
        if self.size <= SEND_MAX and self.held_for is None:
            taken = list(chunks)
            chunks.clear()
        else:
            taken = []
            size, count = 0, len(chunks) if self.held_for is None else self._held_from
            while size < SEND_MAX and len(taken) < count:
                chunk = chunks.popleft()
                taken.append(chunk)
                size += len(chunk)
            self._held_from -= len(taken)
        if len(taken) == 1 or (len(taken) <= BUFFERS_MAX and sum(map(len, taken)) >= LARGE * len(taken)):
            return taken
        return [b"".join(taken)]

    def sent(self, size: int) -> None:
        self.size -= size
        self.total += size
        self.send_count += 1
