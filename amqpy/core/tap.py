"""Taps: the messages that pass an exchange or a queue, for somebody who looks on.

A tap is a watcher of the virtual host, which has it only while somebody looks. What has passed is kept until it is
taken, within bounds; beyond them messages are only counted, so that whoever looks on never holds up a message. The
octets are kept as they came, and of a body no more than is shown.
"""

from collections import deque
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

from amqpy.core.consumer import Consumer, DeliveryQueue
from amqpy.core.message import Message, Target, address_of
from amqpy.core.ports import NOBODY, Origin
from amqpy.core.watcher import WatchedTarget, Watcher

if TYPE_CHECKING:
    from amqpy.core.unacked import UnackedDeliveries

RATE_MAX: Final = 200
"""Messages that are kept in a second."""
WAITING_MAX: Final = 200
WAITING_BYTES_MAX: Final = 1024 * 1024
"""Messages that wait to be taken, and octets of them, after which no more are kept."""
READABLE_MAX: Final = 1000
"""Names of queues that are remembered as readable or not."""

Kind: TypeAlias = Literal["published", "refused", "returned", "delivered", "got", "dead_lettered", "dropped"]


class Passage(NamedTuple):
    """A message at a moment of its way."""

    kind: Kind
    at_ms: int
    """The Unix time."""
    address: bytes
    header: bytes
    payload: bytes
    """The beginning of its body."""
    payload_bytes: int
    """The octets of all of its body."""
    origin: Origin = NOBODY
    """The channel that published it or got it; none for what the broker does by itself."""
    queue: str | None = None
    queues: tuple[str, ...] | None = None
    """The queues that it was routed to."""
    redelivered: bool | None = None
    consumer_tag: str | None = None
    reason: str | None = None
    skipped: int = 0
    """Messages that passed since the one before it and were only counted."""

    @property
    def size(self) -> int:
        return len(self.address) + len(self.header) + len(self.payload)


class Tap(Watcher):
    """Keeps what passes. `wake` is called when there is something to take."""

    def __init__(self, unix_time_ms: Callable[[], int], wake: Callable[[], object], payload_max: int) -> None:
        self._unix_time_ms = unix_time_ms
        self._wake = wake
        self._payload_max = payload_max
        self._waiting: deque[Passage] = deque()
        self._size = 0
        self._skipped = 0
        self._second = 0
        self._left = 0
        """Messages that may still be kept in this second."""

    @property
    def has_waiting(self) -> bool:
        return bool(self._waiting or self._skipped)

    def take(self) -> Passage | None:
        """The next message that waits, if one does."""
        if not self._waiting:
            return None
        passage = self._waiting.popleft()
        self._size -= passage.size
        return passage

    def take_skipped(self) -> int:
        """The number of those after all that wait, which were only counted."""
        skipped, self._skipped = self._skipped, 0
        return skipped

    def clear(self) -> None:
        """Drops what waits: whoever looks on may not see it any more."""
        self._waiting.clear()
        self._size = self._skipped = 0

    def _is_shown(self, message: Message) -> bool:
        """False for a message that is none of the looker's business."""
        return True

    def _note(
        self,
        kind: Kind,
        message: Message,
        origin: Origin = NOBODY,
        *,
        queue: str | None = None,
        queues: tuple[str, ...] | None = None,
        redelivered: bool | None = None,
        consumer_tag: str | None = None,
        reason: str | None = None,
    ) -> None:
        now_ms = self._unix_time_ms()
        if now_ms // 1000 != self._second:
            self._second, self._left = now_ms // 1000, RATE_MAX
        if not self._left or len(self._waiting) >= WAITING_MAX or self._size >= WAITING_BYTES_MAX:
            self._skipped += 1
            self._wake()
            return
        if not self._is_shown(message):
            return
        self._left -= 1
        passage = Passage(
            kind,
            now_ms,
            message.address,
            message.header,
            message.body[: self._payload_max],
            len(message.body),
            origin,
            queue,
            queues,
            redelivered,
            consumer_tag,
            reason,
            self.take_skipped(),
        )
        self._waiting.append(passage)
        self._size += passage.size
        self._wake()


class ExchangeTap(Tap):
    """Keeps what is published to an exchange, by clients and by the broker."""

    queues = ()

    def __init__(
        self, name: str, unix_time_ms: Callable[[], int], wake: Callable[[], object], payload_max: int
    ) -> None:
        super().__init__(unix_time_ms, wake, payload_max)
        self.may_read: Callable[[str], bool] | None = None
        """Tells whether whoever looks on may read from a queue; asked for each of the default exchange, to which
        nobody can bind, so that its messages belong to their queues alone."""
        self._prefix = address_of(name, "")[:-1]
        self._readable: dict[str, bool] = {}

    def forget_rights(self) -> None:
        """Asks anew who may read what."""
        self._readable.clear()

    def published(
        self, message: Message, targets: tuple[Target, ...], origin: Origin, *, in_transaction: bool
    ) -> tuple[Target, ...]:
        if not in_transaction and message.address.startswith(self._prefix):
            self._note("published", message, origin, queues=names_of(targets))
        return targets

    def committed(self, message: Message, targets: Sequence[Target], origin: Origin) -> None:
        if message.address.startswith(self._prefix):
            self._note("published", message, origin, queues=names_of(targets))

    def published_by_broker(self, message: Message, targets: Sequence[Target]) -> None:
        if message.address.startswith(self._prefix):
            self._note("published", message, queues=names_of(targets))

    def refused(self, message: Message, by: Collection[Target], origin: Origin) -> None:
        if message.address.startswith(self._prefix):
            for target in by:
                self._note("refused", message, origin, queue=target.name, reason="maxlen")

    def returned(self, message: Message, origin: Origin) -> None:
        if message.address.startswith(self._prefix):
            self._note("returned", message, origin, reason="NO_ROUTE")

    def _is_shown(self, message: Message) -> bool:
        if self.may_read is None:
            return True
        names = (message.routing_key, *message.more_keys)
        return all(self._may_read(name) for name in names)

    def _may_read(self, queue: str) -> bool:
        assert self.may_read is not None
        verdict = self._readable.get(queue)
        if verdict is None:
            if len(self._readable) >= READABLE_MAX:
                self._readable.clear()
            verdict = self._readable[queue] = self.may_read(queue)
        return verdict


class QueueTap(Tap):
    """Keeps what is routed into a queue of this name, what leaves it, and how."""

    def __init__(
        self, name: str, unix_time_ms: Callable[[], int], wake: Callable[[], object], payload_max: int
    ) -> None:
        super().__init__(unix_time_ms, wake, payload_max)
        self._name = name
        self.queues = (name,)

    def published(
        self, message: Message, targets: tuple[Target, ...], origin: Origin, *, in_transaction: bool
    ) -> tuple[Target, ...]:
        if not in_transaction:
            self.committed(message, targets, origin)
        return targets

    def committed(self, message: Message, targets: Sequence[Target], origin: Origin) -> None:
        if self._is_among(targets):
            self._note("published", message, origin, queue=self._name, queues=names_of(targets))

    def published_by_broker(self, message: Message, targets: Sequence[Target]) -> None:
        self.committed(message, targets, NOBODY)

    def refused(self, message: Message, by: Collection[Target], origin: Origin) -> None:
        if self._is_among(by):
            self._note("refused", message, origin, queue=self._name, reason="maxlen")

    def attach(self, consumer: Consumer) -> None:
        if consumer.queue.name == self._name:
            consumer.target = _Tapped(self, consumer)

    def got(self, queue: str, redelivered: bool, message: Message, unacked: "UnackedDeliveries", tag: int) -> None:
        if queue == self._name:
            self._note("got", message, unacked.origin, queue=queue, redelivered=redelivered)

    def delivered(self, consumer_tag: str, redelivered: bool, message: Message, origin: Origin) -> None:
        """Is told of a message that was delivered to a consumer of the queue."""
        self._note("delivered", message, origin, queue=self._name, redelivered=redelivered, consumer_tag=consumer_tag)

    def dead_lettered(self, queue: str, message: Message, reason: str, targets: Sequence[Target]) -> None:
        if queue == self._name:
            self._note(
                "dead_lettered" if targets else "dropped",
                message,
                queue=queue,
                queues=names_of(targets) if targets else None,
                reason=reason,
            )

    def discarded(self, queue: DeliveryQueue, message: Message, reason: str) -> None:
        if queue.name == self._name:
            self._note("dropped", message, queue=self._name, reason=reason)

    def _is_among(self, targets: Collection[Target]) -> bool:
        return any(target.name == self._name for target in targets)


class _Tapped(WatchedTarget):
    """The target of a consumer of a queue that is tapped. It does not know the consumer, which knows it."""

    def __init__(self, tap: QueueTap, consumer: Consumer) -> None:
        super().__init__(tap, consumer.target)
        self._tap = tap
        self._consumer_tag = consumer.tag
        self._origin = consumer.unacked.origin

    def deliver(self, tag: int, redelivered: bool, message: Message) -> None:
        self.target.deliver(tag, redelivered, message)
        self._tap.delivered(self._consumer_tag, redelivered, message, self._origin)

    def deliver_all(self, tag: int, messages: list[Message]) -> None:
        self.target.deliver_all(tag, messages)
        for message in messages:
            self._tap.delivered(self._consumer_tag, False, message, self._origin)


def names_of(targets: Collection[Target]) -> tuple[str, ...]:
    """The names of queues; other targets have none."""
    return tuple([target.name for target in targets if target.name])
