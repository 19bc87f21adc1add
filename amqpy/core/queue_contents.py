"""The messages of a queue, to be looked at: those that are ready, unacknowledged, or held back for a retry.

The queue notices nothing of it, and nobody else does: nothing is delivered, marked, counted or dropped. Also messages
that are only on disk are shown, which are read for it. A queue may have very many messages; so `Reading` is a job, and
the functions are for those who want all of them.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, islice, repeat
from operator import itemgetter
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from amqpy.core.consumer import Delivery
from amqpy.core.jobs import LOT, Steps, sort
from amqpy.core.message import Message
from amqpy.core.ports import Origin
from amqpy.core.queues.paged_fifo import PAGE_BYTES, PAGE_MESSAGES
from amqpy.core.queues.queue import Queue
from amqpy.core.vhost import OpenChannel, Vhost
from amqpy.wire.properties import decode_properties
from amqpy.wire.values import Table

State: TypeAlias = Literal["ready", "unacked", "held"]

READ_UNIT: Final = 1024
"""Bytes of a body that are one unit of work more."""

LOOK_UNITS: Final = 2
"""The cost of looking at a message, in the units of `jobs`."""
STEP_UNITS: Final = PAGE_MESSAGES * LOOK_UNITS


class Holder(NamedTuple):
    """The channel that a message was delivered on."""

    origin: Origin
    consumer_tag: str | None
    """None if it was got by basic.get."""
    delivery_tag: int | None
    """None if the client has answered in a transaction that goes on."""


@dataclass(frozen=True, slots=True)
class QueueMessage:
    """A message in a queue, as it was when it was looked at."""

    state: State
    message: Message
    """As a client would get it."""
    redelivered: bool
    """True if the next delivery says so."""
    now_ms: int
    holder: Holder | None = None
    """The channel that must acknowledge it."""
    due_at_ms: int | None = None
    """The time at which it will be ready again, if it is held back."""

    @property
    def exchange(self) -> str:
        return self.message.exchange

    @property
    def routing_key(self) -> str:
        return self.message.routing_key

    @property
    def body(self) -> bytes:
        return self.message.body

    @property
    def properties(self) -> dict[str, Any]:
        """The properties that it has; `headers` are a Table."""
        return decode_properties(self.message.header)

    @property
    def headers(self) -> Table:
        headers: Table = self.properties.get("headers", {})
        return headers

    @property
    def ttl_ms(self) -> int | None:
        """The time that is left until it expires; None if it does not."""
        at_ms = self.message.expires_at_ms
        return None if at_ms is None else max(at_ms - self.now_ms, 0)

    @property
    def due_ms(self) -> int | None:
        """The time that is left until it is ready again, if it is held back."""
        return None if self.due_at_ms is None else max(self.due_at_ms - self.now_ms, 0)

    def age_ms(self, unix_time_ms: int) -> int | None:
        """The time since the publisher's timestamp; None without one. A broker does not note when messages come."""
        timestamp = self.properties.get("timestamp")
        return None if timestamp is None else max(unix_time_ms - timestamp * 1000, 0)


def ready_messages(queue: Queue) -> Iterator[QueueMessage]:
    """Yields the ready messages, the next one first. Meanwhile nothing may change."""
    for each in queue.peek(sys.maxsize):
        if not each.is_expired:
            yield QueueMessage("ready", each.message, each.redelivered, queue.scheduler.now_ms)


def unacked_messages(queue: Queue) -> Iterator[QueueMessage]:
    """Yields the messages that are unacknowledged, in the order in which they would stand in the queue."""
    return iter(_all(queue, "unacked"))


def held_messages(queue: Queue) -> Iterator[QueueMessage]:
    """Yields the messages that are held back for a retry, the first to be ready first."""
    return iter(_all(queue, "held"))


def _all(queue: Queue, state: State) -> list[QueueMessage]:
    found: list[QueueMessage] = []

    def take(message: QueueMessage) -> bool:
        found.append(message)
        return True

    for _ in Reading(queue, state, take).steps():
        pass
    return found


class Reading:
    """Looks at messages of a queue. Between two steps anything may happen: a message that is gone by then was there
    when it was looked at."""

    def __init__(
        self,
        queue: Queue,
        state: State,
        take: Callable[[QueueMessage], bool],
        *,
        offset: int = 0,
        count: int = sys.maxsize,
        units: int = LOOK_UNITS,
    ) -> None:
        """`take` gets the messages, after the first `offset` ones, and returns False when it has enough; `units` is its
        cost."""
        self._queue = queue
        self._state = state
        self._take = take
        self._offset = offset
        self._count = count
        self._units = units

    def steps(self) -> Steps:
        """All of it: a job."""
        if not self._count:
            return iter(())
        return {"ready": self._ready, "unacked": self._unacked, "held": self._held}[self._state]()

    def _gets(self, message: QueueMessage) -> bool:
        """Gives away the next message. False if it was the last."""
        self._count -= 1
        return self._take(message) and self._count > 0

    def _ready(self) -> Steps:
        queue = self._queue
        place, passed = queue.leap(self._offset)
        left = self._offset - passed
        # Those that are published meanwhile do not count, or it might never end.
        rest = queue.ready_count - passed
        while rest > 0 and not queue.deleted:
            units = size = 0
            for each in queue.peek(min(rest, PAGE_MESSAGES), place):
                rest -= 1
                place = each.place
                units += self._units
                size += len(each.message.body)
                if each.is_expired:
                    continue
                if left:
                    left -= 1
                elif not self._gets(QueueMessage("ready", each.message, each.redelivered, queue.scheduler.now_ms)):
                    return
                if size >= PAGE_BYTES or units >= STEP_UNITS:
                    break
            if not units:
                return
            yield units + size // READ_UNIT

    def _unacked(self) -> Steps:
        queue = self._queue
        vhost = queue.vhost
        assert isinstance(vhost, Vhost)
        found: list[tuple[int, int, Message, Holder]] = []
        for channel in list(vhost.channels):
            deliveries = iter(_deliveries_of(channel))
            while lot := list(islice(deliveries, LOT)):
                found += [
                    (
                        -queue.level_of(message),
                        position,
                        message,
                        Holder(channel.unacked.origin, None if consumer is None else consumer.tag, tag),
                    )
                    for tag, (its_queue, position, message, consumer) in lot
                    if its_queue is queue
                ]
                yield len(lot)
        in_order = yield from sort(found, itemgetter(0, 1))
        yield from self._give(
            QueueMessage(
                "unacked",
                queue.shown(queue.delivered(position, message)),
                redelivered=True,
                now_ms=queue.scheduler.now_ms,
                holder=holder,
            )
            for _, position, message, holder in in_order
        )

    def _held(self) -> Steps:
        queue = self._queue
        held = queue.held_messages()
        yield from self._give(
            QueueMessage("held", queue.shown(message), redelivered=True, now_ms=queue.scheduler.now_ms, due_at_ms=at_ms)
            for at_ms, message in held
        )

    def _give(self, messages: Iterator[QueueMessage]) -> Steps:
        for number, message in enumerate(messages):
            if number >= self._offset and not self._gets(message):
                return
            yield self._units + len(message.body) // READ_UNIT


def _deliveries_of(channel: OpenChannel) -> list[tuple[int | None, Delivery]]:
    """The deliveries of a channel with their tags; those answered in a transaction come last, and have none."""
    tags: Iterator[int | None] = chain(channel.unacked.by_tag, repeat(None))
    return list(zip(tags, channel.deliveries(), strict=False))
