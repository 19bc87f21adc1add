"""Watchers of a virtual host: they see each message where it is published, delivered and dropped.

Without a watcher there is nothing to call. With one, no route of the virtual host remembers its queues, so that each
publish takes the slow path, where it is seen; and the targets of consumers are wrapped. The firehose is a watcher
(`events.tracing`), and so are the counters of pairs (`detailed_statistics`) and what a test asks for (`amqpy.testing`).
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from amqpy.core.consumer import Consumer, DeliveryQueue
    from amqpy.core.message import Message, Target
    from amqpy.core.ports import DeliveryTarget, Origin
    from amqpy.core.unacked import UnackedDeliveries


class Watcher:
    """Sees the messages of a virtual host. This one looks at none."""

    def published(self, message: "Message", targets: "tuple[Target, ...]", origin: "Origin") -> "tuple[Target, ...]":
        """Is told of a message that a client publishes, before anybody has it; in a transaction, too. Returns its
        targets: those that it was routed to, or others. May raise the fault that refuses it."""
        return targets

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
        """Ends to watch the deliveries to a consumer."""

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
