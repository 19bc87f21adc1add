"""What a channel's client owes us: the messages it was sent and has not answered.

Delivery tags count up from 1 on each channel. Answers mostly come in order, one at a time or many at once, so
everything outstanding lies in one dict by tag; `_lowest` lets a `multiple` answer walk over the tags it covers, each
tag once in its life.

Source: AMQP 0-9-1 sections 1.8.3.13 and 3.1.8; `rabbit_channel:collect_acks`, `rabbit_limiter`.
"""

from itertools import groupby
from typing import TYPE_CHECKING, TypeAlias

from amqpy.core.effects import NOBODY, Origin
from amqpy.core.message import Message
from amqpy.errors import PreconditionFailed

if TYPE_CHECKING:
    from amqpy.core.queues.consumers import Consumer
    from amqpy.core.queues.queue import Queue

Owed: TypeAlias = "tuple[Queue, int, Message, Consumer | None]"
"""A delivered message: its queue, its position there, the message, and the consumer (None: basic.get)."""


class Ledger:
    """One channel's deliveries and its global prefetch limit."""

    __slots__ = ("_lowest", "consumers", "has_room", "last_tag", "limit", "origin", "owed", "volume")

    def __init__(self, origin: Origin = NOBODY) -> None:
        self.origin = origin
        self.last_tag = 0
        self.owed: dict[int, Owed] = {}
        self._lowest = 1
        self.limit = 0
        """basic.qos with global=true: how many messages all consumers of the channel may owe; 0 is no limit."""
        self.volume = 0
        """How many of `owed` count towards the limit: those that consumers got, not those of basic.get."""
        self.has_room = True
        self.consumers: dict[Consumer, None] = {}
        """While there is a limit, who got a message goes to the end: the others are the first when there is room."""

    def owe(self, queue: "Queue", position: int, message: Message, consumer: "Consumer | None") -> int:
        """Notes a delivery that needs an answer; returns its tag."""
        tag = self.last_tag = self.last_tag + 1
        self.owed[tag] = (queue, position, message, consumer)
        if self.limit and consumer is not None:
            self.volume += 1
            self.has_room = self.volume < self.limit
            del self.consumers[consumer]
            self.consumers[consumer] = None
        return tag

    def next_tag(self) -> int:
        """The tag of a delivery that needs no answer."""
        tag = self.last_tag = self.last_tag + 1
        return tag

    def take(self, tag: int, multiple: bool) -> list[tuple[int, Owed]]:
        """Removes what an answer covers, oldest first. Raises PreconditionFailed for a tag that is not outstanding."""
        owed = self.owed
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

    def take_one(self, tag: int) -> Owed:
        """What an answer without `multiple` covers. Raises PreconditionFailed."""
        owed = self.owed.pop(tag, None)
        if owed is None:
            raise _unknown(tag)
        return owed

    def take_all(self) -> list[tuple[int, Owed]]:
        taken = list(self.owed.items())
        self.owed = {}
        self._lowest = self.last_tag + 1
        return taken

    def put_back(self, taken: list[tuple[int, Owed]]) -> None:
        """Undoes `take` (tx.rollback)."""
        if taken:
            self.owed = dict(sorted([*taken, *self.owed.items()]))
            self._lowest = min(self._lowest, taken[0][0])

    def set_limit(self, limit: int) -> None:
        """Sets the global prefetch limit. Where there was none, RabbitMQ counts from all that is outstanding."""
        if limit and not self.limit:
            self.volume = len(self.owed)
        self.limit = limit
        self._note_room()

    def make_room(self) -> None:
        """A message that a consumer had is settled, and there is a limit."""
        if self.volume:
            self.volume -= 1
        self._note_room()

    def _note_room(self) -> None:
        had_room = self.has_room
        self.has_room = not self.limit or self.volume < self.limit
        if self.has_room and not had_room:
            for consumer in self.consumers:
                if consumer.parked:
                    consumer.resume()


def commands(taken: list[tuple[int, Owed]], *, together: bool = False) -> list[list[Owed]]:
    """What is settled at once, in the portions in which queues get to see it.

    A portion is what one consumer had of one queue, consumers in the order of their tags; before them each message of
    a basic.get by itself. `together` is for the end of a channel: one portion a queue, and what basic.get got stands
    where a consumer would with the delivery tag for its own.

    Source: `rabbit_channel:foreach_per_queue`, `rabbit_fifo:return_all`.
    """
    if len(taken) == 1:
        return [[taken[0][1]]]

    def place(entry: tuple[int, Owed]) -> tuple[bytes, bool, int, bytes]:
        tag, (queue, _, _, consumer) = entry
        name = queue.name.encode("utf-8", "surrogateescape")
        if consumer is not None:
            return name, True, 0, consumer.tag.encode("utf-8", "surrogateescape")
        return (name, True, 0, str(tag).encode()) if together else (name, False, tag, b"")

    ordered = sorted(taken, key=lambda entry: (place(entry), entry[0]))
    portions = groupby(ordered, key=lambda entry: place(entry)[0] if together else place(entry))
    return [[owed for _, owed in portion] for _, portion in portions]


def _unknown(tag: int) -> PreconditionFailed:
    return PreconditionFailed(f"unknown delivery tag {tag}")
