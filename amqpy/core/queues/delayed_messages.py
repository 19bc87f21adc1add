"""Delayed messages, which wait for a time and not for a consumer, in memory and in the store.

Source: `rabbit_delayed_message` and the delayed queue of `rabbit_fifo`, which keep them on disk as well.
"""

import heapq
from collections import deque
from collections.abc import Iterable, Iterator
from operator import itemgetter

from amqpy.core.durability.journal import POSITION_BITS, DueTime, Journal
from amqpy.core.durability.records import LaneRecord
from amqpy.core.message import Message


class DelayedMessages:
    """Messages by the time at which they are due, then in the order in which they were put."""

    __slots__ = ("_base", "_end", "_journal", "_record", "_waiting")

    def __init__(self, journal: Journal | None, record: LaneRecord) -> None:
        """With a journal all messages are stored, in the lane that `record` describes."""
        self._journal = journal
        self._record = record
        self._base = -1
        self._end = 0
        self._waiting: list[tuple[int, int, Message]] = []

    def __len__(self) -> int:
        return len(self._waiting)

    def __iter__(self) -> Iterator[Message]:
        """Yields the messages in no order."""
        return (message for _, _, message in self._waiting)

    def in_order(self) -> list[tuple[int, Message]]:
        """The times at which messages are due, and the messages."""
        return [(due_at_ms, message) for due_at_ms, _, message in sorted(self._waiting, key=itemgetter(0, 1))]

    @property
    def first_at_ms(self) -> int | None:
        return self._waiting[0][0] if self._waiting else None

    def put(self, due_at_ms: int, message: Message) -> None:
        position = self._end
        self._end = position + 1
        if self._journal is not None:
            if self._base < 0:
                self._base = self._journal.open_lane(self._record) << POSITION_BITS
            self._journal.add(self._base + position, message, DueTime(due_at_ms))
        heapq.heappush(self._waiting, (due_at_ms, position, message))

    def pop(self) -> Message:
        """Removes the message that is due first, also from the store."""
        _, position, message = heapq.heappop(self._waiting)
        if self._journal is not None:
            self._journal.remove(self._base + position)
        return message

    def clear(self) -> deque[tuple[int, int, Message]]:
        """Removes all messages and returns them, to be freed."""
        waiting, self._waiting = deque(self._waiting), []
        if self._journal is not None and waiting:
            self._journal.clear(self._base, self._base + self._end - 1)
        return waiting

    def close(self) -> None:
        """Drops its lane from the store: nothing will be put here any more."""
        if self._journal is not None and self._base >= 0:
            self._journal.close_lane(self._base >> POSITION_BITS, self._record, end=self._end)
        self._base, self._journal = -1, None

    def restore(self, number: int, entries: Iterable[tuple[int, Message, int]]) -> None:
        """Restores messages from the store: positions, messages and due times."""
        self._base = number << POSITION_BITS
        for position, message, due_at_ms in entries:
            self._end = max(self._end, position + 1)
            heapq.heappush(self._waiting, (due_at_ms, position, message))
