"""The order in which deliveries that are settled together reach their queues: portion by portion.

A portion is the deliveries of one queue to one consumer, consumers in the order of their tags; before them each
message of a basic.get by itself. When a channel ends there is one portion per queue, and the deliveries of basic.get
stand where a consumer whose tag is the delivery tag would; or, as the profile has it, consumers come in the order in
which they began, and the deliveries of basic.get after them.

Deliveries are grouped by queue and consumer as they are added, and only the groups are sorted. Adding, sorting and
taking portions out can each be done bit by bit.

Source: `rabbit_channel:foreach_per_queue`, `rabbit_fifo:return_all`; `rabbit_priority_queue` for levels.
"""

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

from amqpy.core.consumer import Delivery, DeliveryQueue
from amqpy.core.jobs import LOT, Steps, sort

Taken: TypeAlias = list[tuple[int, Delivery]]
"""Deliveries that are being settled, with their tags."""

_Group: TypeAlias = tuple[DeliveryQueue, str | None, int]
"""A queue, the tag of a consumer (None: each message is a portion; empty: the consumer is known by its number), and a
number: lower ones come first."""


class Part(NamedTuple):
    """A whole portion, or some of it if it is large."""

    deliveries: list[Delivery]
    ends_portion: bool


class Portions:
    """Deliveries by portion: added in the order of delivery tags, then sorted, then popped."""

    __slots__ = ("_by_level", "_groups", "_next", "_order", "_together")

    def __init__(self, *, together: bool = False, by_level: bool = False) -> None:
        """`together`: one portion per queue (the end of a channel). `by_level`: higher levels of a portion first."""
        self._together = together
        self._by_level = by_level
        self._groups: dict[_Group, deque[Delivery]] = {}
        self._order: Iterator[_Group] = iter(())
        self._next: _Group | None = None

    def __iter__(self) -> Iterator[Delivery]:
        """The deliveries that were not popped yet, in no order."""
        return (delivery for group in self._groups.values() for delivery in group)

    def add(self, taken: Taken) -> None:
        groups = self._groups
        for tag, delivery in taken:
            queue, _, message, consumer = delivery
            if self._together and consumer is not None and queue.returns_in_turn:
                key: _Group = (queue, "", consumer.number)
            elif consumer is not None:
                key = (queue, consumer.tag, -queue.level_of(message) if self._by_level else 0)
            else:
                key = (queue, str(tag) if self._together else None, 0)
            group = groups.get(key)
            if group is None:
                groups[key] = deque((delivery,))
            else:
                group.append(delivery)

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
        deliveries = [group.popleft() for _ in range(1 if is_alone else min(LOT, len(group)))]
        if group:
            return Part(deliveries, ends_portion=is_alone)
        del self._groups[key]
        self._next = next(self._order, None)
        return Part(deliveries, ends_portion=self._next is None or not self._is_of_one_portion(key, self._next))

    def _is_of_one_portion(self, group: _Group, other: _Group) -> bool:
        return group[0] is other[0] and (self._together or group[1] == other[1])


def _place(group: _Group) -> tuple[bytes, bool, bytes, int]:
    queue, tag, level = group
    return _raw(queue.name), tag is not None, _raw(tag or ""), level


def _raw(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")
