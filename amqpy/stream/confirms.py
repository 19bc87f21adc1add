"""Confirms, which are sent when what they confirm is durable."""

from collections import deque
from typing import TYPE_CHECKING

from amqpy.wire.stream_frames import confirm

if TYPE_CHECKING:
    from amqpy.core.durability.journal import Journal
    from amqpy.wire.outbox import Outbox


class Confirms:
    """The publishing ids that a connection is to be confirmed, by publisher, in the order of their batches."""

    __slots__ = ("_gathered", "_journal", "_outbox", "_waiting")

    def __init__(self, journal: "Journal | None", outbox: "Outbox") -> None:
        self._journal = journal
        self._outbox = outbox
        self._gathered: dict[int, list[int]] = {}
        """Those of this turn."""
        self._waiting: deque[tuple[int, dict[int, list[int]]]] = deque()
        """Those of each batch."""

    def add(self, publisher: int, ids: list[int]) -> None:
        """Adds ids of messages that this turn has given to the broker."""
        self._gathered.setdefault(publisher, []).extend(ids)

    def end_turn(self) -> None:
        """Confirms the ids of this turn, once the batch with their messages is durable."""
        if not self._gathered:
            return
        gathered, self._gathered = self._gathered, {}
        journal = self._journal
        if journal is None or not journal.is_awaited:
            self._send(gathered)
            return
        number = journal.batch.number
        if self._waiting and self._waiting[-1][0] == number:
            known = self._waiting[-1][1]
            for publisher, ids in gathered.items():
                known.setdefault(publisher, []).extend(ids)
        else:
            self._waiting.append((number, gathered))
        journal.batch.waiting[self] = None

    def on_durable(self, number: int) -> None:
        """Sends the confirms of this batch and earlier ones (`durability.journal.Waiter`)."""
        while self._waiting and self._waiting[0][0] <= number:
            self._send(self._waiting.popleft()[1])

    def _send(self, gathered: dict[int, list[int]]) -> None:
        for publisher, ids in gathered.items():
            self._outbox.write(confirm(publisher, ids))

    @property
    def count(self) -> int:
        """The number of messages that are not confirmed yet."""
        return sum(len(ids) for _, gathered in self._waiting for ids in gathered.values())
