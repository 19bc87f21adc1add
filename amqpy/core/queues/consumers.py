"""Consumers of a queue, and whose turn it is.

A consumer that may get a message stands in its queue's line; the first in line gets the next message and goes to
the end. Who cannot take one (prefetch used up, the channel's limit reached, the client not reading) leaves the line
and is *parked*; whatever gives the credit back puts it at the end again. So a delivery costs the same with one
consumer or ten thousand, whatever the others are waiting for.

Credit decides who gets a message, not how much waits already for a client that reads slowly: it gets `UNSENT_MAX` more
(as in RabbitMQ), up to its share of the memory. But a lone consumer that promised nothing, having no prefetch, is held
back at `HIGH` where its messages may as well wait in the queue (`Queue.is_patient`).

Source: `rabbit_queue_consumers`.
"""

import heapq
import sys
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from amqpy.core.agenda import Agenda
from amqpy.core.arguments import PLAIN
from amqpy.core.effects import Recipient
from amqpy.core.ledger import Ledger
from amqpy.core.message import Message
from amqpy.core.structures import ReadyFifo
from amqpy.errors import AccessRefused
from amqpy.wire.outbox import HIGH
from amqpy.wire.values import Table

if TYPE_CHECKING:
    from amqpy.core.queues.lease import Lease
    from amqpy.core.queues.queue import Queue
    from amqpy.core.vhost import Vhost


UNSENT_MAX = 200
"""Messages that a consumer may get although much waits for its client, and none of them has left."""

UNLIMITED = 1 << 62
GONE = -UNLIMITED
"""The credit of a consumer that has left and owes nothing: whatever comes back to it, it stays below 0."""


class Consumer:
    """A subscription of a channel to a queue."""

    __slots__ = (
        "arguments",
        "credit",
        "exclusive",
        "granted",
        "ledger",
        "no_ack",
        "number",
        "parked",
        "priority",
        "queue",
        "recipient",
        "tag",
        "unsent",
    )

    def __init__(
        self,
        tag: str,
        queue: "Queue",
        ledger: Ledger,
        recipient: Recipient,
        *,
        no_ack: bool,
        exclusive: bool,
        prefetch: int,
        arguments: Table,
        priority: int = 0,
    ) -> None:
        self.tag = tag
        self.queue = queue
        self.ledger = ledger
        self.recipient = recipient
        self.no_ack = no_ack
        self.exclusive = exclusive
        self.granted = self.credit = UNLIMITED if no_ack or not prefetch else prefetch
        """How many more messages it may owe. Who acknowledges nothing owes nothing."""
        self.arguments = arguments
        self.number = 0
        """The how manieth consumer of a quorum queue it is."""
        self.priority = priority
        self.parked = True
        self.unsent: deque[int] | None = None
        """Where, in the stream of bytes to its client, those messages begin that it got although much waited."""

    def can_take(self) -> bool:
        return (
            self.credit > 0
            and self.ledger.has_room
            and (self.recipient.outbox.size < HIGH or self.can_take_in_advance())
        )

    def can_take_in_advance(self) -> bool:
        """Whether it may get a message although much waits for its client already."""
        outbox = self.recipient.outbox
        is_promised = self.granted < UNLIMITED or (self.ledger.limit and not self.no_ack)
        if outbox.overfull or not (is_promised or not self.queue.is_patient):
            return False
        unsent = self.unsent
        if unsent is None:
            unsent = self.unsent = deque()
        while unsent and unsent[0] < outbox.total:
            unsent.popleft()
        if len(unsent) >= UNSENT_MAX:
            return False
        begins_at = outbox.total + outbox.size
        if not unsent or unsent[-1] != begins_at:
            unsent.append(begins_at)
        return True

    def deliver(self, position: int, message: Message, redelivered: bool) -> None:
        """Sends the message on its way."""
        if self.no_ack:
            tag = self.ledger.next_tag()
            if self.queue.keeps_account:
                self.queue.settled(position, message)
        else:
            self.credit -= 1
            self.queue.unacked += 1
            tag = self.ledger.owe(self.queue, position, message, self)
        self.recipient.deliver(tag, redelivered, message)

    def deliver_as(self, position: int, message: Message, shown: Message, *, redelivered: bool) -> None:
        """`deliver`, but what is sent is `shown`: the message with something of the queue's in its headers."""
        if self.no_ack:
            tag = self.ledger.next_tag()
            if self.queue.keeps_account:
                self.queue.settled(position, message)
        else:
            self.credit -= 1
            self.queue.unacked += 1
            tag = self.ledger.owe(self.queue, position, message, self)
        self.recipient.deliver(tag, redelivered, shown)

    @property
    def owes(self) -> int:
        """How many messages it has not answered, whether it is still there or not."""
        return (self.granted if self.credit > GONE // 2 else GONE) - self.credit

    def leave(self) -> None:
        """It gets no more, and the answers to what it still owes do not bring it back."""
        self.parked = False
        self.stop()

    def stop(self) -> None:
        """It gets no more, but has not left yet."""
        self.credit = GONE - self.owes

    def answered(self) -> None:
        """A message it had is settled: its credit comes back."""
        self.credit += 1
        if self.ledger.limit:
            self.ledger.make_room()
        if self.parked:
            self.resume()

    def resume(self) -> None:
        """Stands in line again, if whatever held it back is over."""
        if self.parked and self.can_take():
            self.parked = False
            self.queue.line_up(self)


class Served:
    """The side of a queue that its consumers see: who they are, and whose turn it is."""

    consumer_type: ClassVar[Callable[..., Consumer]] = Consumer
    prefetch: ClassVar[int] = 0
    """What a consumer has that asked for none; 0 is no limit."""
    __slots__ = (
        "active",
        "agenda",
        "arrivals",
        "consumers",
        "exclusive_consumer",
        "gone",
        "lease",
        "line",
        "lines",
        "name",
        "ready",
        "settings",
        "successors",
        "vhost",
    )

    def __init__(self, vhost: "Vhost", name: str, agenda: Agenda) -> None:
        self.vhost = vhost
        self.name = name
        self.agenda = agenda
        self.ready: ReadyFifo[Message] = ReadyFifo()
        self.settings = PLAIN
        self.lease: Lease | None = None
        self.consumers: dict[Consumer, None] = {}
        self.line: deque[Consumer] = deque()
        """Who can take a message: those of the highest priority of whom anybody can."""
        self.lines: dict[int, deque[Consumer]] | None = None
        """The lines by priority, the highest first, once a consumer came with one."""
        self.gone = 0
        """How many in the lines have left and are still there."""
        self.active: Consumer | None = None
        """The one that is served, where only a single one is."""
        self.successors: list[tuple[int, int, Consumer]] = []
        """Those of whom only a single one is served, as a heap: the first is next. Some may have left."""
        self.arrivals = 0
        self.exclusive_consumer = False

    def drain(self, read_max: int = 0) -> None:
        """Hands out messages as long as there is a message and a consumer in line."""
        raise NotImplementedError

    def finish_draining(self) -> None:
        """Hands out now what is to be handed out: nothing that a consumer can have counts towards the limits."""
        if self in self.agenda.dirty or self in self.agenda.unfinished:
            self.agenda.dirty.pop(self, None)
            self.agenda.unfinished.pop(self, None)
            self.drain(sys.maxsize)

    def end_patience(self) -> None:
        """From now on a message that waits may be lost: the consumer for which it could wait gets it at once."""
        if len(self.consumers) == 1:
            for consumer in self.consumers:
                consumer.resume()
        self.finish_draining()

    def check_consume(self, ledger: Ledger, *, exclusive: bool) -> None:
        """Raises AccessRefused when there may be no (further) consumer."""
        if self.exclusive_consumer or (exclusive and (self.consumers or self.settings.single_active)):
            raise AccessRefused(f"queue '{self.name}' in vhost '{self.vhost.name}' in exclusive use")

    def add_consumer(self, consumer: Consumer) -> None:
        self.consumers[consumer] = None
        consumer.ledger.consumers[consumer] = None
        self.exclusive_consumer = consumer.exclusive
        if self.lease is not None:
            self.lease.renew()
        if consumer.priority and self.lines is None:
            self.lines = {0: self.line}
        if self.lines is not None and consumer.priority not in self.lines:
            self.lines[consumer.priority] = deque()
            self.lines = dict(sorted(self.lines.items(), reverse=True))
        if self.settings.single_active:
            self._await_succession(consumer)
            if self.active is not None:
                # Neither in line nor waiting for credit: it waits to become the active one.
                consumer.parked = False
                return
            self.active = consumer
        consumer.resume()

    def remove_consumer(self, consumer: Consumer) -> None:
        """What the consumer owes stays owed by its channel."""
        del self.consumers[consumer]
        del consumer.ledger.consumers[consumer]
        if consumer.exclusive:
            self.exclusive_consumer = False
        if self.lease is not None and not self.consumers:
            self.lease.renew()
        in_line = not consumer.parked and (self.active is None or self.active is consumer)
        consumer.leave()
        if in_line or self.lines is not None:
            self._clear_line()
        if self.active is consumer:
            self.active = self.choose_active()
            if self.active is not None:
                self.active.parked = True
                self.active.resume()

    def rank(self, consumer: Consumer) -> int:
        """Of several consumers of whom only a single one is served, that of the highest rank is next."""
        return consumer.priority

    def _await_succession(self, consumer: Consumer) -> None:
        if len(self.successors) > 2 * len(self.consumers):
            self.successors = [entry for entry in self.successors if entry[2] in self.consumers]
            heapq.heapify(self.successors)
        self.arrivals += 1
        heapq.heappush(self.successors, (-self.rank(consumer), self.arrivals, consumer))

    def choose_active(self) -> Consumer | None:
        """Who is served next, where only a single one is: the first of the highest rank."""
        successors = self.successors
        while successors and successors[0][2] not in self.consumers:
            heapq.heappop(successors)
        return successors[0][2] if successors else None

    def line_up(self, consumer: Consumer) -> None:
        """A consumer can take messages (again)."""
        if self.lines is None:
            self.line.append(consumer)
        else:
            self.lines[consumer.priority].append(consumer)
            self._choose_line()
        if self.ready.fresh or self.ready.returned:
            self.agenda.dirty[self] = None

    def _next_consumer(self) -> Consumer | None:
        """Whose turn it is. Those that cannot take a message after all leave the line."""
        line = self.line
        while line:
            consumer = line[0]
            if consumer.can_take():
                if len(line) > 1:
                    line.rotate(-1)
                return consumer
            line.popleft()
            consumer.parked = True
            if not line and self.lines is not None:
                line = self._choose_line()
        return None

    def _choose_line(self) -> deque[Consumer]:
        """The line of the highest priority with anybody in it."""
        assert self.lines is not None
        self.line = next((line for line in self.lines.values() if line), self.line)
        return self.line

    def _clear_line(self) -> None:
        """Somebody in a line has left. They are taken out once they are more than those who are there: so it costs each
        the same however long the line is."""
        self.gone += 1
        if self.gone <= len(self.consumers):
            return
        self.gone = 0
        for line in [self.line] if self.lines is None else self.lines.values():
            staying = [consumer for consumer in line if consumer in self.consumers]
            line.clear()
            line.extend(staying)
        if self.lines is not None:
            priorities = {consumer.priority for consumer in self.consumers}
            self.lines = {priority: line for priority, line in self.lines.items() if priority in priorities}
            self._choose_line()
