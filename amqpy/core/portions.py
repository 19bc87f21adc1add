"""What is answered at once, in the portions in which queues get to see it.

A portion is what one consumer had of one queue, consumers in the order of their tags; before them each message of a
basic.get by itself. Where a channel ends there is one portion a queue, and what basic.get got stands where a consumer
would with the delivery tag for its own; or, as the profile has it, consumers come in the order in which they began, and
what basic.get got after them.

Messages are put together by queue and consumer as they come, and only these groups are sorted; both, and handing them
out, can be done bit by bit.

Source: `rabbit_channel:foreach_per_queue`, `rabbit_fifo:return_all`; `rabbit_priority_queue` for levels.
"""

from collections import deque
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from amqpy.core.arguments import QUORUM
from amqpy.core.jobs import LOT, Steps, sort

if TYPE_CHECKING:
    from collections.abc import Iterator

    from amqpy.core.ledger import Owed, Taken
    from amqpy.core.queues.queue import Queue

_Group: TypeAlias = "tuple[Queue, str | None, int]"
"""A queue, the tag of a consumer (None: each message is a portion; empty: the consumer is known by its number), and
what comes first of its messages."""


class Part(NamedTuple):
    """All of a portion, or some of it if it is large."""

    owed: "list[Owed]"
    ends_portion: bool


class Portions:
    """To be filled in the order of delivery tags, then sorted, then emptied."""

    __slots__ = ("_by_level", "_groups", "_next", "_order", "_together")

    def __init__(self, *, together: bool = False, by_level: bool = False) -> None:
        """`together` is for the end of a channel. `by_level`: of one portion, the higher level comes first."""
        self._together = together
        self._by_level = by_level
        self._groups: dict[_Group, deque[Owed]] = {}
        self._order: Iterator[_Group] = iter(())
        self._next: _Group | None = None

    def __iter__(self) -> "Iterator[Owed]":
        """What is still there, in no order."""
        return (owed for group in self._groups.values() for owed in group)

    def add(self, taken: "Taken") -> None:
        groups = self._groups
        for tag, owed in taken:
            queue, _, message, consumer = owed
            if self._together and consumer is not None and _is_in_turn(queue):
                key: _Group = (queue, "", consumer.number)
            elif consumer is not None:
                key = (queue, consumer.tag, -queue.level_of(message) if self._by_level else 0)
            else:
                key = (queue, str(tag) if self._together else None, 0)
            group = groups.get(key)
            if group is None:
                groups[key] = deque((owed,))
            else:
                group.append(owed)

    def sort(self) -> Steps:
        self._order = yield from sort(list(self._groups), _place)
        self._next = next(self._order, None)

    def pop(self) -> Part | None:
        """The next part, or None when there is nothing left."""
        key = self._next
        if key is None:
            return None
        group = self._groups[key]
        is_alone = key[1] is None
        owed = [group.popleft() for _ in range(1 if is_alone else min(LOT, len(group)))]
        if group:
            return Part(owed, ends_portion=is_alone)
        del self._groups[key]
        self._next = next(self._order, None)
        return Part(owed, not self._together or self._next is None or self._next[0] is not key[0])


def _is_in_turn(queue: "Queue") -> bool:
    """Of no matter for classic queues, where messages go back to their places."""
    return queue.type == QUORUM and queue.vhost.profile.returns_in_turn


def _place(group: _Group) -> tuple[bytes, bool, bytes, int]:
    queue, tag, level = group
    return _raw(queue.name), tag is not None, _raw(tag or ""), level


def _raw(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")
