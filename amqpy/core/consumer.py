"""A consumer: the subscription of a channel to a queue, with its prefetch.

Prefetch decides who gets a message, not the bytes that already wait for a client that reads slowly: it gets
`UNSENT_MAX` more (as in RabbitMQ), up to its share of the memory. But a lone consumer without prefetch is blocked
at `HIGH` bytes where its messages may as well stay in the queue (`Queue.is_patient`).

The queue and the channel's unacknowledged deliveries are known here by what a consumer needs of them.

Source: `rabbit_queue_consumers`, `rabbit_limiter`.
"""

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from amqpy.core.arguments import Settings
from amqpy.core.jobs import Steps
from amqpy.core.message import Message
from amqpy.core.names import Named
from amqpy.core.ports import DeliveryTarget, Origin
from amqpy.core.statistics import ChannelCounts, QueueCounts
from amqpy.wire.outbox import HIGH
from amqpy.wire.values import Table

if TYPE_CHECKING:
    from collections.abc import Collection

UNSENT_MAX = 200
"""Messages that a consumer may get while more than `HIGH` bytes wait for its client."""

UNLIMITED = 1 << 62
GONE = -UNLIMITED
"""The credit of a consumer that has left with nothing unacknowledged: it stays below 0, whatever is settled later."""

ReturnWay: TypeAlias = Literal["nack", "reject", "recover", "down"]
"""The cause of a requeue: basic.nack, basic.reject or basic.recover, or the end of the channel ("down")."""


class DeliveryQueue(Protocol):
    """The queue of a delivery, for those who settle it (`queues.queue.Queue`). Compared by identity."""

    settings: Settings
    settled_count: int
    """The deliveries that had to be acknowledged and were, or were rejected or requeued."""
    is_held: bool
    """True while a large requeue goes on: nothing is delivered before all of its messages are back."""
    tracks_settlement: bool
    """True if `settled` must be called for each message."""

    @property
    def name(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def deleted(self) -> bool: ...
    @property
    def returns_in_turn(self) -> bool:
        """True if a channel that ends requeues in the order in which its consumers began, not in that of their tags."""

    def is_persistent(self, message: Message) -> bool:
        """True if the message survives a restart there."""

    def level_of(self, message: Message) -> int:
        """The priority level of the message; the highest is delivered first."""

    def settled(self, position: int, message: Message) -> None:
        """Forgets a message that was acknowledged, dropped or expired. Called only if `tracks_settlement`."""

    def settled_all(self, positions: Sequence[int], messages: Sequence[Message]) -> None:
        """`settled` for many."""

    def reject(self, position: int, message: Message) -> None:
        """Drops or dead-letters an unacknowledged message."""

    def requeue(self, position: int, message: Message, way: ReturnWay) -> None:
        """Requeues an unacknowledged message."""

    def requeued(self) -> None:
        """Is called when all messages of one requeue are back."""

    def drain(self) -> None:
        """Delivers as long as there is a ready message and a consumer for it."""


class ConsumedQueue(DeliveryQueue, Protocol):
    """A queue, as its consumers see it (`queues.queue.Queue`)."""

    counts: QueueCounts
    delivered_count: int
    """The deliveries that had to be acknowledged."""

    @property
    def vhost(self) -> Named: ...
    @property
    def auto_delete(self) -> bool: ...
    @property
    def consumers(self) -> "Collection[Consumer]": ...
    @property
    def is_patient(self) -> bool:
        """True if a message may as well stay there as wait to be read by the consumer."""

    @property
    def active_consumer(self) -> "Consumer | None":
        """The single active consumer, where the queue has one."""

    def line_up(self, consumer: "Consumer") -> None:
        """Is told that a consumer that was blocked can take messages."""

    def remove_consumer(self, consumer: "Consumer") -> None:
        """Removes a consumer. Its unacknowledged messages stay with its channel."""

    def delete(self) -> Steps:
        """Deletes the queue: a job."""


class DeliveryCount(Protocol):
    """A channel's unacknowledged deliveries, as its consumers see them (`unacked.UnackedDeliveries`)."""

    counts: ChannelCounts
    last_tag: int
    """The last delivery tag. A delivery that need not be acknowledged takes the next one, and nothing else."""
    has_streams: bool
    """True once a consumer of the channel has read a stream."""

    @property
    def origin(self) -> Origin: ...
    @property
    def limit(self) -> int:
        """The limit of basic.qos with global=true for all consumers of the channel together; 0 is no limit."""

    @property
    def has_room(self) -> bool:
        """True while the limit allows another delivery."""

    @property
    def consumers(self) -> "dict[Consumer, None]": ...

    def add(self, queue: DeliveryQueue, position: int, message: Message, consumer: "Consumer | None") -> int:
        """Adds a delivery that must be acknowledged; returns its tag."""

    def add_all(
        self, queue: DeliveryQueue, positions: Sequence[int], messages: list[Message], consumer: "Consumer"
    ) -> int:
        """Adds deliveries, where there is no limit; returns the tag of the first."""

    def make_room(self) -> None:
        """Counts a settled message of a consumer against the limit."""


class Consumer:
    """A subscription of a channel to a queue."""

    __slots__ = (
        "arguments",
        "credit",
        "exclusive",
        "granted",
        "is_blocked",
        "no_ack",
        "number",
        "prefetch",
        "priority",
        "queue",
        "sent_no_ack",
        "tag",
        "target",
        "unacked",
        "unsent",
    )

    def __init__(
        self,
        tag: str,
        queue: ConsumedQueue,
        unacked: DeliveryCount,
        target: DeliveryTarget,
        *,
        no_ack: bool,
        exclusive: bool,
        prefetch: int,
        arguments: Table,
        priority: int = 0,
    ) -> None:
        self.tag = tag
        self.queue = queue
        self.unacked = unacked
        self.target = target
        self.no_ack = no_ack
        self.exclusive = exclusive
        self.granted = self.credit = UNLIMITED if no_ack or not prefetch else prefetch
        """Its prefetch, and what is left of it: messages that may be delivered before one is acknowledged."""
        self.prefetch = 0
        """The prefetch that basic.qos set; 0 is none."""
        self.arguments = arguments
        self.priority = priority
        self.number = 0
        """Counts the consumers of a quorum queue, in the order in which they came."""
        self.is_blocked = True
        self.sent_no_ack = 0
        """The messages that it was sent, if it need not acknowledge them."""
        self.unsent: deque[int] | None = None
        """Offsets in the stream of bytes to its client of the messages that it got in advance and are not sent yet."""

    def can_take(self) -> bool:
        return (
            self.credit > 0 and self.unacked.has_room and (self.target.outbox.size < HIGH or self.can_take_in_advance())
        )

    def can_take_in_advance(self) -> bool:
        """True if it may get a message although more than `HIGH` bytes wait for its client; notes its offset."""
        outbox = self.target.outbox
        is_promised = self.granted < UNLIMITED or (self.unacked.limit and not self.no_ack)
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

    def room_for(self, count: int) -> int:
        """The number of messages, of so many, that it may be given without being looked at again; at most 1 while much
        waits for its client, or where a limit is shared with other consumers."""
        if self.unacked.limit or self.target.outbox.size >= HIGH:
            return 1
        return min(count, self.credit)

    def deliver(self, position: int, message: Message, redelivered: bool, shown: Message | None = None) -> None:
        """Delivers the message: counts it as unacknowledged, or settles it if no_ack, and sends it, or `shown` in its
        place: the message with the queue's own headers."""
        queue, unacked = self.queue, self.unacked
        if self.no_ack:
            self.sent_no_ack += 1
            tag = unacked.last_tag = unacked.last_tag + 1
            if queue.tracks_settlement:
                queue.settled(position, message)
        else:
            self.credit -= 1
            queue.delivered_count += 1
            tag = unacked.add(queue, position, message, self)
        if redelivered:
            queue.counts.redelivered += 1
            unacked.counts.redelivered += 1
        self.target.deliver(tag, redelivered, message if shown is None else shown)

    def deliver_all(self, positions: Sequence[int], messages: list[Message]) -> None:
        """`deliver` for messages that were never delivered before."""
        queue, unacked, count = self.queue, self.unacked, len(messages)
        if self.no_ack:
            self.sent_no_ack += count
            tag = unacked.last_tag + 1
            unacked.last_tag += count
            if queue.tracks_settlement:
                queue.settled_all(positions, messages)
        else:
            self.credit -= count
            queue.delivered_count += count
            tag = unacked.add_all(queue, positions, messages, self)
        self.target.deliver_all(tag, messages)

    @property
    def unacked_count(self) -> int:
        """The number of its unacknowledged messages, also after it has left."""
        return (self.granted if self.credit > GONE // 2 else GONE) - self.credit

    def leave(self) -> None:
        """Removes its credit for good: settling its unacknowledged messages does not resume it."""
        self.is_blocked = False
        self.stop()
        self.queue.counts.sent_no_ack += self.sent_no_ack
        self.unacked.counts.sent_no_ack += self.sent_no_ack
        self.sent_no_ack = 0

    def stop(self) -> None:
        """Removes its credit before it leaves: nothing is delivered to it any more."""
        self.credit = GONE - self.unacked_count

    def settled(self, count: int = 1) -> None:
        """Gives back the credit of so many of its messages that were settled."""
        self.credit += count
        if self.unacked.limit:
            for _ in range(count):
                self.unacked.make_room()
        if self.is_blocked:
            self.resume()

    def resume(self) -> None:
        """Stands in line again, if nothing blocks it any more."""
        if self.is_blocked and self.can_take():
            self.is_blocked = False
            self.queue.line_up(self)


Delivery: TypeAlias = tuple[DeliveryQueue, int, Message, Consumer | None]
"""A delivered message: its queue, its position there, the message, and the consumer (None: basic.get)."""
