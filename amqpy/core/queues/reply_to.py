"""Direct reply-to: answers that need no queue.

A client consumes from the pseudo-queue `amq.rabbitmq.reply-to` and sends requests with that as reply-to. In the
request the name is replaced by one of a kind, and what is published to that name goes straight to the client's
channel, or nowhere.

Source: `rabbit_direct_reply_to`, `rabbit_channel:maybe_set_fast_reply_to`.
"""

from typing import TYPE_CHECKING

from amqpy.core.agenda import Agenda
from amqpy.core.effects import Recipient
from amqpy.core.ledger import Ledger
from amqpy.core.message import Message
from amqpy.core.queues.queue import Queue
from amqpy.wire.outbox import HIGH
from amqpy.wire.properties import decode_properties, replace_property

if TYPE_CHECKING:
    from amqpy.core.vhost import Vhost

REPLY_TO = "amq.rabbitmq.reply-to"
UNREAD_MAX = 4 * HIGH
"""Bytes that a client may leave unread before its replies are dropped: they have no queue to wait in."""


class ReplyQueue(Queue):
    """Where replies for one channel are published to: a queue that never holds anything."""

    __slots__ = ("_ledger", "_recipient", "tag")

    def __init__(self, vhost: "Vhost", name: str, tag: str, ledger: Ledger, recipient: Recipient) -> None:
        super().__init__(vhost, name, durable=False, auto_delete=False, owner=None, arguments={}, agenda=Agenda())
        self.tag = tag
        self._ledger = ledger
        self._recipient = recipient

    def publish(self, message: Message) -> bool:
        """Delivers the reply, if anybody still waits for it."""
        if not self.deleted and self._recipient.outbox.size < UNREAD_MAX:
            self._recipient.deliver(self._ledger.next_tag(), False, message)
        return False


_MARK = bytes((len(REPLY_TO),)) + REPLY_TO.encode()


def wants_reply(header: bytes) -> bool:
    """Whether this message's reply-to is the pseudo-queue."""
    return _MARK in header and decode_properties(header).get("reply_to") == REPLY_TO


def name_reply_queue(header: bytes, queue: ReplyQueue) -> bytes:
    """The content header with the name that leads back as its reply-to."""
    raw = queue.name.encode()
    return replace_property(header, "reply_to", bytes((len(raw),)) + raw)
