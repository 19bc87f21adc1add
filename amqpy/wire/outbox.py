"""Bytes waiting for one peer.

Everything a turn of the broker has to say to a peer is gathered here and leaves in as few calls as the
transport allows. The outbox also is the measure of a slow reader: from `HIGH` on, a consumer gets only what it was
promised (`core.queues.consumers`), and from the limit on nothing, and the peer is not read.

Some of it may be held until something has happened, with all that comes behind it. A heartbeat overtakes that.
"""

from collections import deque
from collections.abc import Callable
from itertools import islice

HIGH = 512 * 1024
"""Bytes at which the peer counts as slow."""

LOW = HIGH // 4
"""Bytes at which it no longer does."""

LIMIT = 128 * 1024 * 1024
"""Bytes that may wait for one peer as long as nobody says otherwise."""

SEND_MAX = 1024 * 1024
"""Bytes handed to the transport in one call, so that one large message is not copied whole."""

LARGE = 4096
"""Average size from which chunks are not joined."""

BUFFERS_MAX = 256
"""Buffers handed to the transport in one call; the kernel has a limit of 1024."""


class UnsentLimit:
    """How many bytes may wait for one peer; the outboxes of all refer to it."""

    __slots__ = ("share", "size")

    def __init__(self, share: int = LIMIT) -> None:
        self.share = share
        """A peer's part of the memory."""
        self.size = share
        """The same, or less for the time being."""


class Outbox:
    """An append-only queue of bytes-like chunks. `wake` is called when it stops being empty."""

    __slots__ = ("_held_from", "chunks", "held_for", "limit", "size", "total", "wake")

    def __init__(self, wake: Callable[[], object], limit: UnsentLimit | None = None) -> None:
        self.chunks: deque[bytes | memoryview] = deque()
        self.limit = limit or UnsentLimit()
        self.size = 0
        """Bytes not yet accepted by the transport, those of a `take` in progress included."""
        self.total = 0
        """Bytes ever accepted by the transport."""
        self.wake = wake
        self.held_for: int | None = None
        """Something that must happen before the held chunks may leave, by number; None if there are none."""
        self._held_from = 0
        """The first chunk that is held."""

    @property
    def full(self) -> bool:
        return self.size >= HIGH

    @property
    def overfull(self) -> bool:
        """Whether all that may wait for one peer does."""
        return self.size >= self.limit.size

    @property
    def has_sendable(self) -> bool:
        """Whether there is anything to be sent now."""
        return bool(self.chunks) and (self.held_for is None or self._held_from > 0)

    @property
    def sendable_size(self) -> int:
        """Bytes that wait for nothing but the transport."""
        if self.held_for is None:
            return self.size
        return self.size - sum(map(len, islice(self.chunks, self._held_from, None)))

    def write(self, data: bytes | memoryview) -> None:
        if not self.chunks:
            self.wake()
        self.chunks.append(data)
        self.size += len(data)

    def write_ahead(self, data: bytes) -> None:
        """Whole frames that belong to no channel: they leave before what is held."""
        if self.held_for is None:
            self.write(data)
            return
        self.chunks.insert(self._held_from, data)
        self._held_from += 1
        self.size += len(data)
        self.wake()

    def hold(self, number: int, first: int) -> None:
        """Nothing leaves from the chunk `first` on, a frame's beginning, before `release`. What is held already waits
        for this `number`, too."""
        if self.held_for is None:
            self._held_from = first
        self.held_for = number

    def release(self) -> None:
        self.held_for = None
        self.wake()

    def discard_held(self) -> None:
        """What is held will never leave; what comes now may."""
        if self.held_for is not None:
            self.size = self.sendable_size
            self.chunks = deque(islice(self.chunks, self._held_from))
            self.held_for = None

    def take(self) -> list[bytes | memoryview]:
        """The next bytes to send, at most about SEND_MAX, as few buffers as are worth it; nothing that is held. Tell
        with `sent` once they are on their way.

        Small chunks are joined, large ones are left alone: to copy a megabyte costs more than to name it.
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
