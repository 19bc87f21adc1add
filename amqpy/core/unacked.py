"""What a channel's client owes us: the messages it was sent and has not answered.

Delivery tags count up from 1 on each channel. Answers mostly come in order, one at a time or many at once, so
everything outstanding lies in one dict by tag; `_lowest` lets a `multiple` answer walk over the tags it covers, each
tag once in its life.

Source: AMQP 0-9-1 sections 1.8.3.13 and 3.1.8; `rabbit_channel:collect_acks`, `rabbit_limiter`.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from heapq import merge
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, TypeAlias

from amqpy.core.jobs import LOT, UNITS_AT_ONCE, Steps, sort
from amqpy.core.message import Message
from amqpy.core.portions import Portions
from amqpy.core.ports import NOBODY, Origin
from amqpy.errors import PreconditionFailed

if TYPE_CHECKING:
    from amqpy.core.queues.dispatch import Consumer
    from amqpy.core.queues.queue import Queue

Delivery: TypeAlias = "tuple[Queue, int, Message, Consumer | None]"
"""A delivered message: its queue, its position there, the message, and the consumer (None: basic.get)."""

Taken: TypeAlias = list[tuple[int, "Delivery"]]
"""Deliveries that are answered, by their tags."""

Lots: TypeAlias = Iterator[Taken]
"""The same where they are many: they leave the unacked as they are asked for."""


class UnackedDeliveries:
    """One channel's deliveries and its global prefetch limit."""

    __slots__ = ("_lowest", "by_tag", "consumers", "counted", "has_room", "is_busy", "last_tag", "limit", "origin")

    def __init__(self, origin: Origin = NOBODY) -> None:
        self.origin = origin
        self.last_tag = 0
        self.by_tag: dict[int, Delivery] = {}
        self._lowest = 1
        self.is_busy = False
        """A large answer is being carried out: what it covers may still be here."""
        self.limit = 0
        """basic.qos with global=true: how many messages all consumers of the channel may owe; 0 is no limit."""
        self.counted = 0
        """How many of `owed` count towards the limit: those that consumers got, not those of basic.get."""
        self.has_room = True
        self.consumers: dict[Consumer, None] = {}
        """While there is a limit, who got a message goes to the end: the others are the first when there is room."""

    def add(self, queue: "Queue", position: int, message: Message, consumer: "Consumer | None") -> int:
        """Notes a delivery that needs an answer; returns its tag."""
        tag = self.last_tag = self.last_tag + 1
        self.by_tag[tag] = (queue, position, message, consumer)
        if self.limit and consumer is not None:
            self.counted += 1
            self.has_room = self.counted < self.limit
            del self.consumers[consumer]
            self.consumers[consumer] = None
        return tag

    def next_tag(self) -> int:
        """The tag of a delivery that needs no answer."""
        tag = self.last_tag = self.last_tag + 1
        return tag

    def take(self, tag: int, multiple: bool) -> Taken:
        """Removes what an answer covers, oldest first. Raises PreconditionFailed for a tag that is not outstanding."""
        owed = self.by_tag
        if multiple and tag == 0:
            return self.take_all()
        if tag not in owed:
            raise _unknown(tag)
        if not multiple:
            return [(tag, self.take_one(tag))]
        span = tag + 1 - self._lowest
        if span > 4 * len(owed):
            # Most of the span was answered one by one: look at what there is instead.
            tags = [candidate for candidate in owed if candidate <= tag]
        else:
            tags = [candidate for candidate in range(self._lowest, tag + 1) if candidate in owed]
        self._lowest = tag + 1
        return [(candidate, owed.pop(candidate)) for candidate in tags]

    def take_many(self, tag: int, multiple: bool) -> Taken | Lots:
        """`take` where it may be much: then it is taken bit by bit, in lots, and must be taken to the end."""
        if not multiple:
            return [(tag, self.take_one(tag))]
        if tag and tag not in self.by_tag:
            raise _unknown(tag)
        last = tag or self.last_tag
        if min(last + 1 - self._lowest, len(self.by_tag)) <= UNITS_AT_ONCE:
            return self.take(tag, multiple)
        self.is_busy = True
        return self._take_lots(last)

    def _take_lots(self, last: int) -> Lots:
        owed = self.by_tag
        tags: Sequence[int] = range(self._lowest, last + 1)
        if len(tags) > 4 * len(owed):
            there = list(owed)
            tags = there[: bisect_right(there, last)]
        self._lowest = last + 1
        for start in range(0, len(tags), LOT):
            yield [(tag, owed.pop(tag)) for tag in tags[start : start + LOT] if tag in owed]
        self.is_busy = False

    def take_one(self, tag: int) -> Delivery:
        """What an answer without `multiple` covers. Raises PreconditionFailed."""
        owed = self.by_tag.pop(tag, None)
        if owed is None:
            raise _unknown(tag)
        return owed

    def take_all(self) -> Taken:
        taken = list(self.by_tag.items())
        self.by_tag = {}
        self._lowest = self.last_tag + 1
        return taken

    def put_back(self, taken: Taken) -> None:
        """Undoes `take`."""
        for _ in self.put_back_many(taken):
            pass

    def put_back_many(self, taken: Taken) -> Steps:
        """The same as a job."""
        if not taken:
            return
        self.is_busy = True
        answered = yield from sort(taken, itemgetter(0))
        before, last = list(self.by_tag), self.last_tag
        others = ((tag, self.by_tag[tag]) for tag in before)
        whole: dict[int, Delivery] = {}
        entries = merge(answered, others, key=itemgetter(0))
        while lot := list(islice(entries, LOT)):
            whole.update(lot)
            yield len(lot)
        # What was delivered meanwhile.
        whole.update((tag, self.by_tag[tag]) for tag in range(last + 1, self.last_tag + 1) if tag in self.by_tag)
        self.by_tag = whole
        self._lowest = min(self._lowest, next(iter(whole)))
        self.is_busy = False

    def set_limit(self, limit: int) -> None:
        """Sets the global prefetch limit. Where there was none, RabbitMQ counts from all that is outstanding."""
        if limit and not self.limit:
            self.counted = len(self.by_tag)
        self.limit = limit
        self._note_room()

    def make_room(self) -> None:
        """A message that a consumer had is settled, and there is a limit."""
        if self.counted:
            self.counted -= 1
        self._note_room()

    def _note_room(self) -> None:
        had_room = self.has_room
        self.has_room = not self.limit or self.counted < self.limit
        if self.has_room and not had_room:
            for consumer in self.consumers:
                if consumer.is_blocked:
                    consumer.resume()


def in_lots(entries: Iterable[tuple[int, Delivery]], count: int) -> Taken | Lots:
    """So many entries as a job takes them, if that is much."""
    if count <= UNITS_AT_ONCE:
        return list(entries)
    rest = iter(entries)
    return iter(lambda: list(islice(rest, LOT)), [])


def commands(taken: Taken, *, together: bool = False) -> list[list[Delivery]]:
    """The portions of what is answered at once, if that is not much: see `Portions`."""
    if len(taken) == 1:
        return [[taken[0][1]]]
    portions = Portions(together=together)
    portions.add(sorted(taken, key=itemgetter(0)))
    list(portions.sort())
    found: list[list[Delivery]] = [[]]
    while (part := portions.pop()) is not None:
        found[-1].extend(part.owed)
        if part.ends_portion:
            found.append([])
    return found[:-1]


def _unknown(tag: int) -> PreconditionFailed:
    return PreconditionFailed(f"unknown delivery tag {tag}")
