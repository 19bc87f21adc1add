"""The ready messages of a queue in a broker with a store: the first in memory, the others paged to disk.

    requeued  →  never_delivered  →  page  →  on disk only          by position
                       next          read, behind a gap

Up to a bound, a message is in memory, and also in the store if it is to survive a restart. Beyond it, new messages are
only in the store (transient ones, too, for as long as the broker runs), and are read page by page. As long as there
is any message, `never_delivered` or `requeued` has the first one, so testing for it costs the same as without a store.

Positions in memory are consecutive but for requeued messages. After a restart they need not be, because transient and
settled messages are missing: `page` has the messages that were read behind such a gap. It also gets those behind one
that was taken out from among them.
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

from amqpy.core.durability.journal import POSITION_BITS, Journal
from amqpy.core.durability.records import LaneRecord, LaneState
from amqpy.core.message import Message
from amqpy.core.queues.ready_fifo import Cleared, Place, ReadyFifo

WINDOW_MESSAGES: Final = 8192
WINDOW_BYTES: Final = 4 * 1024 * 1024
"""The most messages and bytes in memory, per lane; one message may be larger."""

PAGE_MESSAGES: Final = 512
PAGE_BYTES: Final = 512 * 1024
"""The most messages and bytes read from the store at once: about a millisecond of work."""


class PagedFifo(ReadyFifo[Message]):
    """A FIFO of messages in a broker that has a store."""

    __slots__ = (
        "_delivered_before",
        "_end",
        "_journal",
        "_keeps_all",
        "_keeps_persistent",
        "_next",
        "_page",
        "_record",
        "base",
        "on_disk",
        "persistent_on_disk",
        "persistent_size_on_disk",
        "size",
    )

    def __init__(self, journal: Journal, record: LaneRecord | None, *, keeps_all: bool = False) -> None:
        """`record` describes the lane in the store, once it has a number. Without one no message survives a restart;
        with one persistent messages do, or all."""
        super().__init__()
        self._journal = journal
        self._record = record
        self._keeps_persistent = record is not None
        self._keeps_all = keeps_all
        self.base = -1
        """The key of position 0 in the store; negative as long as nothing was stored."""
        self.size = 0
        """Bytes of the bodies of all its messages, in memory or on disk."""
        self.on_disk = 0
        """The number of messages that are not in `never_delivered` or `requeued`."""
        self.persistent_on_disk = self.persistent_size_on_disk = 0
        """The number of those that are on disk only and survive a restart, and the bytes of their bodies."""
        self._page: deque[tuple[int, Message]] = deque()
        self._end = 0
        """The position of the next message that is appended."""
        self._next = 0
        """The position at which the messages begin that are on disk only."""
        self._delivered_before = 0
        """Messages of an earlier run before this position may have been delivered."""

    def __len__(self) -> int:
        return len(self.never_delivered) + len(self.requeued) + self.on_disk

    @property
    def in_memory(self) -> int:
        return len(self.never_delivered) + len(self.requeued) + len(self._page)

    def items_in_memory(self) -> Iterator[Message]:
        yield from super().items_in_memory()
        yield from (item for _, item in self._page)

    # --- messages in

    def append(self, item: Message) -> None:
        position = self._end
        self._end = position + 1
        self.size += len(item.body)
        is_kept = self._keeps_all or (self._keeps_persistent and item.persistent)
        if is_kept:
            self._journal.add(self._key(position), item)
        if self.on_disk:
            self.on_disk += 1
        elif not self.never_delivered:
            # Between the requeued messages and this one there may be unused positions.
            self.front = position
            self.never_delivered.append(item)
            return
        elif (
            len(self.never_delivered) < WINDOW_MESSAGES
            and self.size <= WINDOW_BYTES
            # After a restart, positions behind the last message may be unused.
            and self.front + len(self.never_delivered) == position
        ):
            self.never_delivered.append(item)
            return
        else:
            self.on_disk = 1
            self._next = position
        if is_kept:
            self.persistent_on_disk += 1
            self.persistent_size_on_disk += len(item.body)
        else:
            self._journal.add(self._key(position), item, transient=True)

    def extend(self, items: list[Message]) -> None:
        are_kept = self._are_kept(items)
        count, size = len(items), sum([len(item.body) for item in items])
        if are_kept is None or not (self.on_disk or self._has_room_for(count, size)):
            for item in items:
                self.append(item)
            return
        position = self._end
        self._end = position + count
        self.size += size
        if self.on_disk:
            self.on_disk += count
            if are_kept:
                self.persistent_on_disk += count
                self.persistent_size_on_disk += size
        else:
            if not self.never_delivered:
                self.front = position
            self.never_delivered.extend(items)
        if are_kept or self.on_disk:
            self._journal.add_all(self._key(position), items, size, transient=not are_kept)

    def _are_kept(self, items: list[Message]) -> bool | None:
        """True if all are kept in the store, False if none is; None if they differ, or there are none."""
        if not items:
            return None
        if self._keeps_all or not self._keeps_persistent:
            return self._keeps_all
        count = len([None for item in items if item.persistent])
        return None if 0 < count < len(items) else count > 0

    def _has_room_for(self, count: int, size: int) -> bool:
        """True if so many messages with bodies of `size` bytes all stay in memory when they are appended."""
        fresh = self.never_delivered
        return (
            len(fresh) + count <= WINDOW_MESSAGES
            and self.size + size <= WINDOW_BYTES
            and (not fresh or self.front + len(fresh) == self._end)
        )

    def append_and_pop(self, item: Message) -> int:
        position = self._end
        self.front = self._end = position + 1
        if self._keeps_all or (self._keeps_persistent and item.persistent):
            self._journal.add(self._key(position), item)
        return position

    def append_and_pop_all(self, items: list[Message]) -> Sequence[int]:
        are_kept = self._are_kept(items)
        if are_kept is None:
            return [self.append_and_pop(item) for item in items]
        position = self._end
        self.front = self._end = position + len(items)
        if are_kept:
            self._journal.add_all(self._key(position), items, sum([len(item.body) for item in items]))
        return range(position, self._end)

    def put_back(self, position: int, item: Message) -> None:
        super().put_back(position, item)
        self.size += len(item.body)

    # --- messages out

    def pop(self) -> tuple[int, Message, bool]:
        popped = super().pop()
        self.size -= len(popped[1].body)
        if self.on_disk and not self.never_delivered and not self.requeued:
            self._turn_page()
        return popped

    def pop_many(self, count: int) -> tuple[Sequence[int], list[Message]]:
        positions, items = super().pop_many(count)
        self.size -= sum([len(item.body) for item in items])
        if self.on_disk and not self.never_delivered:
            self._turn_page()
        return positions, items

    @property
    def end(self) -> int:
        return self._end

    def take_out(self, entries: Sequence[tuple[Place, Message]]) -> None:
        """Removes messages from wherever they stand: they and their places, in order. No other position changes. Those
        that are to survive a restart must be settled, too."""
        self.size -= sum([len(item.body) for _, item in entries])
        rest = self._take_requeued([place[1] for place, _ in entries])
        rest = self._take_from_page(self._take_fresh(rest))
        items = {place[1]: item for place, item in entries}
        for position in rest:
            self._take_unread(position, items[position])
        if self.on_disk and not self.never_delivered and not self.requeued:
            self._turn_page()

    def _take_fresh(self, positions: list[int]) -> list[int]:
        """Removes those of `never_delivered`, and returns the others. What is behind a gap then goes to the page."""
        fresh = self.never_delivered
        index = bisect_left(positions, self.front + len(fresh))
        mine = deque(positions[:index])
        while mine and mine[0] == self.front:
            mine.popleft()
            fresh.popleft()
            self.front += 1
        if mine:
            if self.on_disk == len(self._page):
                self._next = self._end
            first, gone = mine[0] - self.front, set(mine)
            while len(fresh) > first:
                position = self.front + len(fresh) - 1
                item = fresh.pop()
                if position not in gone:
                    self._page.appendleft((position, item))
                    self.on_disk += 1
        return positions[index:]

    def _take_from_page(self, positions: list[int]) -> list[int]:
        """Removes those of the page, and returns the others."""
        index = bisect_left(positions, self._page[-1][0] + 1) if self._page else 0
        if index:
            gone = set(positions[:index])
            self._page = deque(entry for entry in self._page if entry[0] not in gone)
            self.on_disk -= index
        return positions[index:]

    def _take_unread(self, position: int, item: Message) -> None:
        """Removes one that is on disk only."""
        self._journal.hide(self.base + position)
        self.on_disk -= 1
        if self._keeps_all or (self._keeps_persistent and item.persistent):
            self.persistent_on_disk -= 1
            self.persistent_size_on_disk -= len(item.body)
        else:
            self._journal.remove(self.base + position)

    def settle(self, position: int, item: Message) -> None:
        """Removes a settled message from the store."""
        if self._keeps_all or (self._keeps_persistent and item.persistent):
            self._journal.remove(self.base + position)

    def settle_all(self, positions: Sequence[int], items: Sequence[Message]) -> None:
        base = self.base
        if self._keeps_all:
            self._journal.remove_all([base + position for position in positions])
        elif self._keeps_persistent:
            kept = [base + position for position, item in zip(positions, items, strict=True) if item.persistent]
            self._journal.remove_all(kept)

    def clear(self) -> Cleared:
        """Removes all messages and returns those in memory. Requeued ones are removed from the store one by one."""
        if self._keeps_persistent:
            for position, item in self.requeued:
                self.settle(position, item)
        if self.base >= 0 and self.front < self._end:
            self._journal.clear(self.base + self.front, self.base + self._end - 1)
        cleared = [*super().clear(), list(self._page)]
        self._page.clear()
        self.front = self._end
        self.size = self.on_disk = self.persistent_on_disk = self.persistent_size_on_disk = 0
        return cleared

    def close(self) -> None:
        """Drops its lane from the store: the queue is gone. From now on nothing is stored."""
        if self.base >= 0:
            self._journal.close_lane(self.base >> POSITION_BITS, self._record, end=self._end)
        self.base = -1
        self._record = None
        self._keeps_all = self._keeps_persistent = False

    # --- memory and disk

    def note_front(self) -> None:
        """Records at a clean shutdown up to which position messages were delivered, for the next start."""
        if self._record is not None and self.base >= 0 and len(self):
            front = max(self.front, self._delivered_before)
            self._journal.put(self._record._replace(number=self.base >> POSITION_BITS, front=front))

    def restore(self, number: int, state: LaneState, *, delivered_before: int) -> None:
        """Restores the messages that are in the lane `number`."""
        self.base = number << POSITION_BITS
        self.front = self._next = state.first
        self._end = state.end
        self.on_disk = self.persistent_on_disk = state.messages
        self.size = self.persistent_size_on_disk = state.size
        # A lane that was empty begins again; the front of an earlier one does not count.
        self._delivered_before = min(delivered_before, state.end)
        if self.on_disk:
            self._turn_page()

    def __iter__(self) -> Iterator[tuple[int, Message]]:
        yield from super().__iter__()
        yield from self._behind()

    def ahead(self, count: int, after: Place | None = None) -> Iterator[tuple[Place, Message, bool]]:
        for entry in super().ahead(count, after):
            count -= 1
            yield entry
        for position, item in islice(self._behind(-1 if after is None else after[1], count), count):
            yield (0, position), item, position < self._delivered_before

    def leap(self, count: int) -> tuple[Place | None, int]:
        place, done = super().leap(count)
        if some := min(count - done, len(self._page)):
            place, done = (0, self._page[some - 1][0]), done + some
        # Where messages are missing among those on disk, they must be read to be counted.
        if self.on_disk - len(self._page) == self._end - self._next and (
            some := min(count - done, self._end - self._next)
        ):
            place, done = (0, self._next + some - 1), done + some
        return place, done

    def _behind(self, after: int = -1, count: int = PAGE_MESSAGES) -> Iterator[tuple[int, Message]]:
        """Yields the positions and messages of those in the page, and of those that are on disk only, after a
        position. Reads so many at a time."""
        yield from (entry for entry in self._page if entry[0] > after)
        position, last = self.base + max(self._next, after + 1), self.base + self._end - 1
        if self.on_disk > len(self._page):
            count = min(count, PAGE_MESSAGES)
            while found := self._journal.read(position, last, count_max=count, size_max=PAGE_BYTES):
                yield from ((key - self.base, item) for key, item in found)
                position = found[-1][0] + 1

    def _key(self, position: int) -> int:
        if self.base < 0:
            self.base = self._journal.open_lane(self._record) << POSITION_BITS
        return self.base + position

    def _turn_page(self) -> None:
        """Gets the next messages from the page or the store, when none is left in memory."""
        page, fresh = self._page, self.never_delivered
        if not page:
            self._read()
        while page:
            position, item = page[0]
            if position < self._delivered_before:
                # Ascending, into an empty list: that is a heap.
                self.requeued.append((position, item))
                self.front = position + 1
            elif not fresh or position == self.front + len(fresh):
                if not fresh:
                    self.front = position
                fresh.append(item)
            else:
                break
            page.popleft()
            self.on_disk -= 1

    def _read(self) -> None:
        journal, base = self._journal, self.base
        found = journal.read(base + self._next, base + self._end - 1, count_max=PAGE_MESSAGES, size_max=PAGE_BYTES)
        if not found:
            raise LookupError(f"{self.on_disk} messages of lane {base >> POSITION_BITS} are not in the store")
        for key, item in found:
            self._page.append((key - base, item))
            if self._keeps_all or (self._keeps_persistent and item.persistent):
                self.persistent_on_disk -= 1
                self.persistent_size_on_disk -= len(item.body)
            else:
                journal.remove(key)
        self._next = found[-1][0] - base + 1
        if len(found) < PAGE_MESSAGES // 2:
            return
        # These will be read soon: the flusher may read ahead, as it can wait for the disk.
        journal.wanted = (base + self._next, base + self._end - 1)
