"""The watcher of one virtual host of a test broker, and of the deliveries to its consumers."""

from collections.abc import Collection, Sequence

from amqpy.core.consumer import Consumer, DeliveryQueue
from amqpy.core.consumer_timeout import RETURNED
from amqpy.core.message import Message, Target
from amqpy.core.ports import DeliveryTarget, Origin
from amqpy.core.unacked import UnackedDeliveries
from amqpy.core.watcher import WatchedTarget, Watcher
from amqpy.testing.events import Event
from amqpy.testing.recorder import Recorder


class VhostRecorder(Watcher):
    """Passes on what it sees, with the name of the virtual host."""

    def __init__(self, recorder: Recorder, vhost: str) -> None:
        self._recorder = recorder
        self._vhost = vhost

    def published(
        self, message: Message, targets: tuple[Target, ...], origin: Origin, *, in_transaction: bool
    ) -> tuple[Target, ...]:
        return self._recorder.published(self._vhost, message, targets, origin, in_transaction=in_transaction)

    def committed(self, message: Message, targets: Sequence[Target], origin: Origin) -> None:
        self._recorder.committed(message, targets, origin)

    def refused(self, message: Message, by: Collection[Target], origin: Origin) -> None:
        self._recorder.refused(self._vhost, message, by, origin)

    def returned(self, message: Message, origin: Origin) -> None:
        self._recorder.returned(self._vhost, message, origin)

    def dead_lettered(self, queue: str, message: Message, reason: str, targets: Sequence[Target]) -> None:
        self._recorder.dead_lettered(self._vhost, queue, message, reason, targets)

    def discarded(self, queue: DeliveryQueue, message: Message, reason: str) -> None:
        self._recorder.discarded(queue, message, reason)

    def attach(self, consumer: Consumer) -> None:
        unacked = consumer.unacked
        assert isinstance(unacked, UnackedDeliveries)
        consumer.target = self._tapped(consumer.target, consumer.queue.name, unacked)

    def attach_replies(self, target: DeliveryTarget, name: str, unacked: UnackedDeliveries) -> DeliveryTarget:
        return self._tapped(target, name, unacked)

    def _tapped(self, target: DeliveryTarget, queue: str, unacked: UnackedDeliveries) -> "Tap":
        return Tap(self, target, self._recorder, self._vhost, queue, unacked)

    def got(self, queue: str, redelivered: bool, message: Message, unacked: UnackedDeliveries, tag: int) -> None:
        self._recorder.delivered(
            self._recorder.delivery_of(self._vhost, queue, message, unacked, tag, redelivered=redelivered),
            unacked.by_tag.get(tag),
            unacked.origin,
        )


class Tap(WatchedTarget):
    """The target of a consumer's deliveries, on whose way there are the recorder and its faults."""

    def __init__(
        self,
        watcher: Watcher,
        target: DeliveryTarget,
        recorder: Recorder,
        vhost: str,
        queue: str,
        unacked: UnackedDeliveries,
    ) -> None:
        super().__init__(watcher, target)
        self._recorder = recorder
        self._vhost = vhost
        self._queue = queue
        self._unacked = unacked

    def deliver(self, tag: int, redelivered: bool, message: Message) -> None:
        event = self._event(tag, redelivered, message)
        firing = self._recorder.faults.firing("delivered", event)
        if not firing:
            self._send(event, message)
            return
        kinds = {fault.kind: fault for fault in firing}
        if "drop_delivery" in kinds:
            return
        if (late := kinds.get("delay_delivery")) is not None:
            self._recorder.later(
                late, lambda: self._send_late(event, message), f"the delivery of message {tag}, delayed"
            )
        else:
            self._send(event, message)
        if "duplicate_delivery" in kinds:
            self._repeat(event, message)
        if (cut := kinds.get("cut_connection")) is not None:
            session = self._recorder.session_of(self._unacked.origin)
            if session is not None:
                self._recorder.cut(session, cut.settings["reset"])

    def _event(self, tag: int, redelivered: bool, message: Message) -> Event:
        return self._recorder.delivery_of(
            self._vhost, self._queue, message, self._unacked, tag, redelivered=redelivered
        )

    def _send(self, event: Event, message: Message) -> None:
        assert event.delivery_tag is not None
        self._recorder.delivered(event, self._unacked.by_tag.get(event.delivery_tag), self._unacked.origin)
        self.target.deliver(event.delivery_tag, bool(event.redelivered), message)

    def _send_late(self, event: Event, message: Message) -> None:
        """Sends it unless its channel has ended, or it was answered in some other way."""
        session = self._recorder.session_of(self._unacked.origin)
        if session is not None and not session.is_cut and event.delivery_tag in self._unacked.by_tag:
            event.at_ms = self._recorder.now_ms()
            self._send(event, message)

    def _repeat(self, event: Event, message: Message) -> None:
        tag = self._unacked.next_tag()
        if event.delivery_tag in self._unacked.by_tag:
            self._unacked.by_tag[tag] = RETURNED  # so that its answer is taken, and does nothing
        self._recorder.log.add(event.again("delivered", self._recorder.now_ms(), delivery_tag=tag, redelivered=True))
        self.target.deliver(tag, True, message)
