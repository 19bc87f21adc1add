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
from amqpy.wire.values import Table

if TYPE_CHECKING:
    from amqpy.core.queue import Queue


class Consumer:
    """A subscription of a channel to a queue."""

    __slots__ = (
        "arguments",
        "exclusive",
        "ledger",
        "no_ack",
        "owes",
        "parked",
        "prefetch",
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
    ) -> None:
        self.tag = tag
        self.queue = queue
        self.ledger = ledger
        self.recipient = recipient
        self.no_ack = no_ack
        self.exclusive = exclusive
        self.prefetch = prefetch
        """How many messages it may owe; 0 is no limit. Without acknowledgements it has no meaning."""
        self.arguments = arguments
        self.owes = 0
        self.parked = True

    def can_take(self) -> bool:
        return (
            (not self.prefetch or self.owes < self.prefetch or self.no_ack)
            and self.ledger.has_room
            and self.recipient.ready()
        )

    def deliver(self, position: int, message: Message, redelivered: bool) -> None:
        """Sends the message on its way."""
        ledger = self.ledger
        if self.no_ack:
            tag = ledger.next_tag()
        else:
            self.owes += 1
            self.queue.unacked += 1
            tag = ledger.owe(self.queue, position, message, self)
        self.recipient.deliver(tag, redelivered, message)

    def resume(self) -> None:
        """Stands in line again, if whatever held it back is over."""
        if self.parked and self.can_take():
            self.parked = False
            self.queue.line_up(self)
