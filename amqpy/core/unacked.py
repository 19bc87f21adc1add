"""The unacknowledged deliveries of a channel, and its global prefetch.

Delivery tags count up from 1 on each channel. Acknowledgements mostly come in order, one at a time or many at once,
so all deliveries are in one dict by tag; `_lowest` lets an acknowledgement with `multiple` walk over the tags that it
covers, each tag once in its life.

Source: AMQP 0-9-1 sections 1.8.3.13 and 3.1.8; `rabbit_channel:collect_acks`, `rabbit_limiter`.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from heapq import merge
from itertools import count, islice, repeat
from operator import itemgetter
from typing import TypeAlias

from amqpy.core.consumer import Consumer, Delivery, DeliveryQueue
from amqpy.core.jobs import LOT, UNITS_AT_ONCE, Steps, sort
from amqpy.core.message import Message
from amqpy.core.portions import Portions, Taken
from amqpy.core.ports import NOBODY, Origin
from amqpy.core.statistics import ChannelCounts, Counts, delivery_stats
from amqpy.errors import PreconditionFailed

Lots: TypeAlias = Iterator[Taken]
"""The same where they are many: they are taken from the unacknowledged ones as this is iterated."""


class UnackedDeliveries:
    """One channel's unacknowledged deliveries and its global prefetch limit."""

    __slots__ = (
        "_lowest",
        "by_tag",
        "consumers",
        "counted",
        "counts",
        "has_room",
        "has_streams",
        "is_busy",
        "last_tag",
        "limit",
        "origin",
    )

    def __init__(self, origin: Origin = NOBODY) -> None:
        self.origin = origin
        self.counts = ChannelCounts()
        self.last_tag = 0
        self.by_tag: dict[int, Delivery] = {}
        self._lowest = 1
        self.is_busy = False
        """True while many deliveries are being settled: some of them may still be here."""
        self.limit = 0
        """The limit of basic.qos with global=true for all consumers of the channel together; 0 is no limit."""
        self.counted = 0
        """The deliveries that count towards the limit: those of consumers, not those of basic.get."""
        self.has_room = True
        self.has_streams = False
        """True once a consumer of the channel has read a stream."""
        self.consumers: dict[Consumer, None] = {}
        """The consumers. With a limit, one that gets a message goes to the end: the others are first when there is
        room."""

    def add(self, queue: DeliveryQueue, position: int, message: Message, consumer: Consumer | None) -> int:
        """Adds a delivery that must be acknowledged; returns its tag."""
        tag = self.last_tag = self.last_tag + 1
        self.by_tag[tag] = (queue, position, message, consumer)
        if self.limit and consumer is not None:
            self.counted += 1
            self.has_room = self.counted < self.limit
            del self.consumers[consumer]
            self.consumers[consumer] = None
        return tag

    def add_all(
        self, queue: DeliveryQueue, positions: Sequence[int], messages: list[Message], consumer: Consumer
    ) -> int:
        """Adds deliveries, where there is no limit; returns the tag of the first."""
        tag = self.last_tag + 1
        self.last_tag += len(messages)
        deliveries = zip(repeat(queue), positions, messages, repeat(consumer))
        self.by_tag.update(zip(count(tag), deliveries))
        return tag

    def next_tag(self) -> int:
        """Returns the tag of a delivery that need not be acknowledged."""
        tag = self.last_tag = self.last_tag + 1
        return tag

    def take(self, tag: int, multiple: bool) -> Taken:
        """Removes the deliveries that an acknowledgement covers, oldest first. Raises PreconditionFailed for a tag that
        is not unacknowledged."""
        by_tag = self.by_tag
        if multiple and tag == 0:
            return self.take_all()
        if tag not in by_tag:
            raise _unknown(tag)
        if not multiple:
            return [(tag, self.take_one(tag))]
        span = tag + 1 - self._lowest
        if span > 4 * len(by_tag):
            # Most of the span was acknowledged one by one: look at what there is instead.
            tags = [candidate for candidate in by_tag if candidate <= tag]
        else:
            tags = [candidate for candidate in range(self._lowest, tag + 1) if candidate in by_tag]
        self._lowest = tag + 1
        return [(candidate, by_tag.pop(candidate)) for candidate in tags]

    def take_many(self, tag: int, multiple: bool) -> Taken | Lots:
        """`take` for perhaps many deliveries: those are taken bit by bit, in lots, and must be iterated to the end."""
        if not multiple:
            return [(tag, self.take_one(tag))]
        if tag and tag not in self.by_tag:
            raise _unknown(tag)
        last = tag or self.last_tag
        if min(last + 1 - self._lowest, len(self.by_tag)) <= UNITS_AT_ONCE:
            return self.take(tag, multiple)
        self.is_busy = True
        return self._take_lots(last)

    def withdraw(self, tag: int, multiple: bool) -> Taken | Lots:
        """`take_many` for deliveries that are rejected, requeued, or answered in a transaction: they do not count as
        acknowledged."""
        taken = self.take_many(tag, multiple)
        if not isinstance(taken, list):
            return self._withdraw_lots(taken)
        self.note_withdrawn(taken)
        return taken

    def _withdraw_lots(self, lots: Lots) -> Lots:
        for lot in lots:
            self.note_withdrawn(lot)
            yield lot

    def note_withdrawn(self, taken: Taken) -> None:
        """Counts deliveries that were taken, and are not acknowledged by that."""
        self.counts.withdrawn += len(taken)

    def acknowledged(self, taken: Taken | Lots) -> Taken | Lots:
        """Withdrawn deliveries that count as acknowledged, after all: their transaction is committed."""
        if isinstance(taken, list):
            self.note_acknowledged(taken)
            return taken
        return self._acknowledged_lots(taken)

    def _acknowledged_lots(self, lots: Lots) -> Lots:
        for lot in lots:
            self.note_acknowledged(lot)
            yield lot

    def note_acknowledged(self, taken: Taken) -> None:
        """Counts withdrawn deliveries that are acknowledged."""
        self.counts.withdrawn -= len(taken)

    def _take_lots(self, last: int) -> Lots:
        by_tag = self.by_tag
        tags: Sequence[int] = range(self._lowest, last + 1)
        if len(tags) > 4 * len(by_tag):
            there = list(by_tag)
            tags = there[: bisect_right(there, last)]
        self._lowest = last + 1
        for start in range(0, len(tags), LOT):
            yield [(tag, by_tag.pop(tag)) for tag in tags[start : start + LOT] if tag in by_tag]
        self.is_busy = False

    def take_one(self, tag: int) -> Delivery:
        """Removes the delivery with this tag. Raises PreconditionFailed."""
        delivery = self.by_tag.pop(tag, None)
        if delivery is None:
            raise _unknown(tag)
        return delivery

    def take_each(self, tags: list[int], taken: list[Delivery]) -> None:
        """`take_one` for several: appends the deliveries to `taken`, up to the first unknown tag, where it raises."""
        pop, append = self.by_tag.pop, taken.append
        for tag in tags:
            try:
                append(pop(tag))
            except KeyError:
                raise _unknown(tag) from None

    def take_all(self) -> Taken:
        taken = list(self.by_tag.items())
        self.by_tag = {}
        self._lowest = self.last_tag + 1
        return taken

    def put_back(self, taken: Taken) -> None:
        """Undoes `withdraw`."""
        for _ in self.put_back_many(taken):
            pass

    def put_back_many(self, taken: Taken) -> Steps:
        """`put_back` as a job."""
        if not taken:
            return
        self.is_busy = True
        settled = yield from sort(taken, itemgetter(0))
        before, last = list(self.by_tag), self.last_tag
        others = ((tag, self.by_tag[tag]) for tag in before)
        whole: dict[int, Delivery] = {}
        entries = merge(settled, others, key=itemgetter(0))
        while lot := list(islice(entries, LOT)):
            whole.update(lot)
            yield len(lot)
        # Delivered meanwhile.
        whole.update((tag, self.by_tag[tag]) for tag in range(last + 1, self.last_tag + 1) if tag in self.by_tag)
        self.by_tag = whole
        self._lowest = min(self._lowest, next(iter(whole)))
        self.note_put_back(taken)
        self.is_busy = False

    def note_put_back(self, taken: Taken) -> None:
        """Counts withdrawn deliveries that are unacknowledged again."""
        self.counts.withdrawn -= len(taken)

    def message_stats(self) -> Counts:
        """The message statistics of the channel, but for those of what it published."""
        counts = self.counts
        sent_no_ack = counts.sent_no_ack + sum(consumer.sent_no_ack for consumer in self.consumers)
        delivered = self.last_tag - sent_no_ack - counts.got_no_ack - counts.replies
        acked = delivered - len(self.by_tag) - counts.withdrawn
        return {"ack": acked, **delivery_stats(delivered, sent_no_ack, counts)}

    def set_limit(self, limit: int) -> None:
        """Sets the global prefetch limit. If there was none, RabbitMQ counts all deliveries that are unacknowledged."""
        if limit and not self.limit:
            self.counted = len(self.by_tag)
        self.limit = limit
        self._note_room()

    def make_room(self) -> None:
        """Counts a settled message of a consumer against the limit, and resumes consumers if there is room."""
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
    """The entries in lots, as a job takes them, if they are many."""
    if count <= UNITS_AT_ONCE:
        return list(entries)
    rest = iter(entries)
    return iter(lambda: list(islice(rest, LOT)), [])


def commands(taken: Taken, *, together: bool = False) -> list[list[Delivery]]:
    """The portions of a small number of deliveries that are settled together: see `Portions`."""
    if len(taken) == 1:
        return [[taken[0][1]]]
    portions = Portions(together=together)
    portions.add(sorted(taken, key=itemgetter(0)))
    list(portions.sort())
    found: list[list[Delivery]] = [[]]
    while (part := portions.pop()) is not None:
        found[-1].extend(part.deliveries)
        if part.ends_portion:
            found.append([])
    return found[:-1]


def _unknown(tag: int) -> PreconditionFailed:
    return PreconditionFailed(f"unknown delivery tag {tag}")
