"""Watchers of a virtual host: they see each message where it is published, delivered and dropped.

Without a watcher there is nothing to call. With one, no route of the virtual host remembers its queues, so that each
publish takes the slow path, where it is seen; and the targets of consumers are wrapped. The firehose is a watcher
(`events.tracing`), and so are taps (`tap`), the counters of pairs (`detailed_statistics`) and what a test asks for
(`amqpy.testing`).
"""

from typing import TYPE_CHECKING

from amqpy.core.ports import DeliveryTarget

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from amqpy.core.consumer import Consumer, DeliveryQueue
    from amqpy.core.message import Message, Target
    from amqpy.core.ports import Origin
    from amqpy.core.unacked import UnackedDeliveries
    from amqpy.wire.outbox import Outbox


class Watcher:
    """Sees the messages of a virtual host. This one looks at none."""

    queues: "Collection[str] | None" = None
    """The names of the queues whose deliveries are watched; None for all."""

    def published(
        self, message: "Message", targets: "tuple[Target, ...]", origin: "Origin", *, in_transaction: bool
    ) -> "tuple[Target, ...]":
        """Is told of a message that a client publishes, before anybody has it; in a transaction, too. Returns its
        targets: those that it was routed to, or others. May raise the fault that refuses it."""
        return targets

    def published_by_broker(self, message: "Message", targets: "Sequence[Target]") -> None:
        """Is told of a message that the broker publishes: a dead letter, a delayed message, an event."""

    def committed(self, message: "Message", targets: "Sequence[Target]", origin: "Origin") -> None:
        """Is told of a message that was published in a transaction and now goes to these targets."""

    def counted(self, exchange: str, targets: "Sequence[Target]", origin: "Origin") -> None:
        """Is told of a message that counts as published: at once, or in a transaction when that is committed."""

    def refused(self, message: "Message", by: "Collection[Target]", origin: "Origin") -> None:
        """Is told that targets of a published message did not take it."""

    def returned(self, message: "Message", origin: "Origin") -> None:
        """Is told that a mandatory message goes back to its publisher."""

    def dropped(self, message: "Message", origin: "Origin") -> None:
        """Is told that a message that no queue takes is dropped, as it is not mandatory."""

    def attach(self, consumer: "Consumer") -> None:
        """Begins to watch the deliveries to a consumer: wraps its target."""

    def detach(self, consumer: "Consumer") -> None:
        """Ends to watch the deliveries to a consumer, in whichever order the watchers came."""
        outer, target = None, consumer.target
        while isinstance(target, WatchedTarget):
            if target.watcher is not self:
                outer = target
            elif outer is None:
                consumer.target = target.target
            else:
                outer.target = target.target
            target = target.target

    def attach_replies(self, target: "DeliveryTarget", name: str, unacked: "UnackedDeliveries") -> "DeliveryTarget":
        """The target of direct replies, wrapped if it is watched; `name` is that of the replies' queue."""
        return target

    def got(self, queue: str, redelivered: bool, message: "Message", unacked: "UnackedDeliveries", tag: int) -> None:
        """Is told of a message that basic.get takes."""

    def got_nothing(self, queue: str, unacked: "UnackedDeliveries") -> None:
        """Is told of a basic.get for which there is no message."""

    def dead_lettered(self, queue: str, message: "Message", reason: str, targets: "Sequence[Target]") -> None:
        """Is told of a message that is dead-lettered, and of those that the dead letter goes to: perhaps none."""

    def discarded(self, queue: "DeliveryQueue", message: "Message", reason: str) -> None:
        """Is told that a queue without a dead letter exchange drops a message."""


class WatchedTarget(DeliveryTarget):
    """A consumer's target, on the way to which a watcher sees the deliveries. This one passes them on."""

    def __init__(self, watcher: Watcher, target: DeliveryTarget) -> None:
        self.watcher = watcher
        self.target = target

    @property
    def outbox(self) -> "Outbox":
        return self.target.outbox

    def deliver(self, tag: int, redelivered: bool, message: "Message") -> None:
        self.target.deliver(tag, redelivered, message)

    def cancelled(self) -> None:
        self.target.cancelled()
