"""Consumers of a queue, and whose turn it is.

A consumer that may get a message stands in its queue's line; the first in line gets the next message and goes to
the end. Who cannot take one (prefetch used up, the channel's limit reached, the client not reading) leaves the line
and is *parked*; whatever gives the credit back puts it at the end again. So a delivery costs the same with one
consumer or ten thousand, whatever the others are waiting for.

Source: `rabbit_queue_consumers`.
"""

from typing import TYPE_CHECKING

from amqpy.core.effects import Recipient
from amqpy.core.ledger import Ledger
from amqpy.core.message import Message
from amqpy.wire.outbox import HIGH
from amqpy.wire.values import Table

if TYPE_CHECKING:
    from amqpy.core.queues.queue import Queue


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
        "parked",
        "priority",
        "queue",
        "recipient",
        "tag",
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
        self.priority = priority
        self.parked = True

    def can_take(self) -> bool:
        return self.credit > 0 and self.ledger.has_room and self.recipient.outbox.size < HIGH

    def deliver(self, position: int, message: Message, redelivered: bool) -> None:
        """Sends the message on its way."""
        if self.no_ack:
            tag = self.ledger.next_tag()
            if self.queue.contents is not None:
                self.queue.settled(message)
        else:
            self.credit -= 1
            self.queue.unacked += 1
            tag = self.ledger.owe(self.queue, position, message, self)
        self.recipient.deliver(tag, redelivered, message)

    def deliver_as(self, position: int, message: Message, shown: Message, *, redelivered: bool) -> None:
        """`deliver`, but what is sent is `shown`: the message with something of the queue's in its headers."""
        if self.no_ack:
            tag = self.ledger.next_tag()
            if self.queue.contents is not None:
                self.queue.settled(message)
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
