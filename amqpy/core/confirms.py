"""Publisher confirms: an ack or a nack for each message published after confirm.select.

Messages are numbered from 1 on each channel. The confirms of a turn are sent at its end, in as few frames as
possible: one `multiple` ack for a run without gaps.

With a store, the confirms of stored messages wait until their batch is durable, and so do those of later messages:
confirms are sent in order.

Source: RabbitMQ's confirm extension; `rabbit_channel:send_confirms_and_nacks`.
"""

from collections import deque
from typing import NamedTuple


class Confirm(NamedTuple):
    tag: int
    multiple: bool
    nack: bool


class Confirms:
    """The publisher confirms of one channel."""

    __slots__ = ("_awaited", "_nacked", "_noted", "_refused", "_told", "last_tag")

    def __init__(self) -> None:
        self.last_tag = 0
        """The number of the last message published."""
        self._told = self._noted = self._refused = 0
        self._nacked: list[int] = []
        self._awaited: deque[tuple[int, int]] = deque()
        """Batches that are not durable yet, and the last tag that waits for each of them."""

    @property
    def confirmed_count(self) -> int:
        """The number of messages that were confirmed, and not refused."""
        return self._told - self._refused

    @property
    def unconfirmed_count(self) -> int:
        """The number of messages that were neither confirmed nor refused yet."""
        return self.last_tag - self._told

    @property
    def pending(self) -> bool:
        """True if anything was published since the last `note`."""
        return self._noted < self.last_tag

    def nack(self, tag: int) -> None:
        """Notes that a message was refused: it gets a nack."""
        self._nacked.append(tag)

    def note(self, batch: int | None = None) -> None:
        """Notes the batch that the messages since the last call wait for; None: only for earlier messages."""
        self._noted = self.last_tag
        if batch is None:
            if not self._awaited:
                return
            batch = self._awaited[-1][0]
        if self._awaited and self._awaited[-1][0] == batch:
            self._awaited.pop()
        self._awaited.append((batch, self.last_tag))

    def take(self, durable: int | None = None) -> list[Confirm]:
        """Removes and returns the confirms to be sent now, in order: those that wait for no batch after `durable`."""
        if not self._awaited:
            return self._take_until(self._noted)
        last = self._told
        while durable is not None and self._awaited and self._awaited[0][0] <= durable:
            last = self._awaited.popleft()[1]
        return self._take_until(last)

    def _take_until(self, last: int) -> list[Confirm]:
        if not self._nacked:
            first, self._told = self._told, last
            return [Confirm(last, last - first > 1, False)] if last > first else []
        told: list[Confirm] = []
        nacked = [tag for tag in self._nacked if tag <= last]
        self._nacked = self._nacked[len(nacked) :]
        self._refused += len(nacked)
        for tag in [*nacked, last + 1]:
            run = tag - 1 - self._told
            if run:
                told.append(Confirm(tag - 1, multiple=run > 1, nack=False))
            if tag <= last:
                told.append(Confirm(tag, multiple=False, nack=True))
            self._told = tag
        self._told = last
        return told
