"""Direct reply-to: replies that need no queue.

A client consumes from the pseudo-queue `amq.rabbitmq.reply-to` and sends requests with that as reply-to. In the
request the name is replaced by a unique one, and messages published to that name go straight to the client's
channel, or nowhere. While the client has its share of the memory waiting to be read, further replies wait as messages:
none is lost as long as the client is there, and their publishers are blocked by the memory alarm.

Source: `rabbit_direct_reply_to`, `rabbit_channel:maybe_set_fast_reply_to`.
"""

from collections import deque
from collections.abc import Collection
from typing import ClassVar

from amqpy.core.message import Message
from amqpy.core.ports import DeliveryTarget
from amqpy.core.unacked import UnackedDeliveries
from amqpy.wire.properties import replace_property
from amqpy.wire.scan import DIRECT_REPLY_TO

REPLY_TO = DIRECT_REPLY_TO[1:].decode()
"""The name of the pseudo-queue."""


class ReplyQueue:
    """The end of the route of replies for one channel (`message.Target`). No queue: nothing is declared, bound or
    acknowledged; replies wait here only while the client cannot take them."""

    __slots__ = ("_target", "_unacked", "deleted", "name", "tag", "waiting")

    is_reply_queue: ClassVar[bool] = True
    counts: ClassVar[None] = None
    refusal_fails_commit: ClassVar[bool] = False

    def __init__(self, name: str, tag: str, unacked: UnackedDeliveries, target: DeliveryTarget) -> None:
        self.name = name
        self.tag = tag
        """The tag of the consumer that the replies are for."""
        self.deleted = False
        self.waiting: deque[Message] = deque()
        self._unacked = unacked
        self._target = target

    def publish(self, message: Message) -> bool:
        """Delivers the reply, or keeps it until the client can take it; drops it if the consumer has left."""
        if self.waiting or self._target.outbox.overfull:
            if not self.deleted:
                self.waiting.append(message)
        elif not self.deleted:
            unacked = self._unacked
            unacked.counts.replies += 1
            self._target.deliver(unacked.next_tag(), False, message)
        return False

    def publish_all(self, messages: list[Message]) -> Collection[int]:
        for message in messages:
            self.publish(message)
        return ()

    def drain(self) -> None:
        """Delivers waiting replies as long as the client can take them."""
        while self.waiting and not self._target.outbox.overfull:
            self._send(self.waiting.popleft())

    def finish(self) -> None:
        """Delivers all waiting replies, when the consumer is cancelled."""
        while self.waiting:
            self._send(self.waiting.popleft())

    def _send(self, message: Message) -> None:
        self._unacked.counts.replies += 1
        self._target.deliver(self._unacked.next_tag(), False, message)


def name_reply_queue(header: bytes, queue: ReplyQueue) -> bytes:
    """The content header with the unique name of the reply queue as its reply-to."""
    raw = queue.name.encode()
    return replace_property(header, "reply_to", bytes((len(raw),)) + raw)
