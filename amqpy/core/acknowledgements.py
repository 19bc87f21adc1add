"""Acknowledging, rejecting and requeueing deliveries, and closing channels.

A small number of deliveries is settled on the spot. A large one is a job: taken from the unacked deliveries, put in
order and settled bit by bit, to the same effect.

Source: `rabbit_channel`: `ack`, `reject`, `requeue`, `notify_queues`; `rabbit_amqqueue_process:handle_ch_down`.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

from amqpy.core.consumer import Consumer, Delivery, DeliveryQueue, ReturnWay
from amqpy.core.events import event_properties
from amqpy.core.events.events import INTERNAL_USER, Events
from amqpy.core.jobs import UNITS_AT_ONCE, Steps, each
from amqpy.core.portions import Portions, Taken
from amqpy.core.scheduler import Scheduler
from amqpy.core.unacked import Lots, UnackedDeliveries, commands
from amqpy.core.vhost import CONSUMER_UNITS, Vhost

Leaving: TypeAlias = dict[DeliveryQueue, list[Consumer]]
"""Consumers of a channel that is being closed, by queue: nothing is delivered to them any more."""

ANSWER_MIN = 25
"""The cost of looking for a lot of deliveries of which perhaps none is there, in the units of `jobs`."""


class Acknowledgements:
    """The part of a broker that settles deliveries."""

    scheduler: Scheduler
    events: Events

    def acknowledge(self, taken: Taken | Lots, *, by_consumer: bool = False) -> None:
        """Settles messages that were acknowledged: if there are several consumers, in their order (`by_consumer`)."""
        if by_consumer and not (isinstance(taken, list) and len(taken) == 1):
            self._settle_in_portions(taken, Portions(), self.acknowledge_all)
        elif isinstance(taken, list):
            self.acknowledge_all([owed for _, owed in taken])
            self.scheduler.jobs.spend(len(taken))
        else:
            self.scheduler.jobs.do(self._acknowledge(taken))

    def _acknowledge(self, lots: Lots) -> Steps:
        for lot in lots:
            self.acknowledge_all([owed for _, owed in lot])
            yield ANSWER_MIN + len(lot)

    def acknowledge_all(self, portion: Sequence[Delivery]) -> None:
        """Settles acknowledged messages, at once if they are of one queue and consumer, as most are."""
        if not portion:
            return
        count = len(portion)
        queues, positions, messages, consumers = zip(*portion, strict=True)
        queue, consumer = queues[0], consumers[0]
        if count == 1 or queues.count(queue) < count or consumers.count(consumer) < count:
            for owed in portion:
                self.acknowledge_one(owed)
            return
        queue.settled_count += count
        if queue.tracks_settlement:
            queue.settled_all(positions, messages)
        if consumer is not None:
            consumer.settled(count)

    def acknowledge_each(self, unacked: UnackedDeliveries, tags: list[int]) -> None:
        """Settles messages that were acknowledged one by one. Raises PreconditionFailed at the first unknown tag, when
        those before it are settled."""
        owed: list[Delivery] = []
        try:
            unacked.take_each(tags, owed)
        finally:
            self.acknowledge_all(owed)

    def acknowledge_one(self, owed: Delivery) -> None:
        """Settles one message that was acknowledged."""
        queue, position, message, consumer = owed
        queue.settled_count += 1
        if queue.tracks_settlement:
            queue.settled(position, message)
        if consumer is not None:
            consumer.settled()

    def reject(self, taken: Taken | Lots) -> None:
        """Drops or dead-letters messages that were rejected; of one consumer's, those of a higher priority first."""
        if isinstance(taken, list) and len(taken) == 1:
            self.reject_all((taken[0][1],))
        else:
            self._settle_in_portions(taken, Portions(by_level=True), self.reject_all)

    def reject_all(self, portion: Sequence[Delivery]) -> None:
        for queue, position, message, consumer in portion:
            queue.reject(position, message)
            if consumer is not None:
                consumer.settled()

    def _settle_in_portions(
        self, taken: Taken | Lots, portions: Portions, settle: Callable[[Sequence[Delivery]], None]
    ) -> None:
        """Settles portion by portion: a consumer may be given the next messages before the others have room."""
        if not isinstance(taken, list):
            self.scheduler.jobs.do(self._settle(taken, portions, settle))
            return
        for _ in self._settle((taken,), portions, settle):
            pass
        self.scheduler.jobs.spend(len(taken))

    def _settle(self, lots: Iterable[Taken], portions: Portions, settle: Callable[[Sequence[Delivery]], None]) -> Steps:
        yield from _sorted_into(portions, lots)
        while (part := portions.pop()) is not None:
            settle(part.deliveries)
            if part.ends_portion:
                self._serve(part.deliveries[0][0])
            yield len(part.deliveries)

    def requeue(self, taken: Taken | Lots, way: ReturnWay) -> None:
        """Requeues messages at the next `settle`, so that they are redelivered only after the reply."""
        if isinstance(taken, list):
            self.scheduler.requeues.extend((portion, way) for portion in commands(taken, together=way == "down"))
            self.scheduler.jobs.spend(len(taken))
        else:
            self.scheduler.jobs.begin(self._requeue(taken, way))

    def _requeue(self, lots: Lots, way: ReturnWay, leaving: Leaving | None = None) -> Steps:
        """Requeues portion by portion: a job. A queue delivers nothing before all of a portion is back, to keep the
        order. Only then do the `leaving` consumers of the portion leave, for the next one must be served first."""
        portions = Portions(together=way == "down")
        yield from _sorted_into(portions, lots)
        while (part := portions.pop()) is not None:
            queue = part.deliveries[0][0]
            queue.is_held = True
            self.put_back(part.deliveries, way)
            for consumer in (leaving or {}).pop(queue, ()):
                self._dismiss(consumer)
            if part.ends_portion:
                queue.is_held = False
                if not queue.deleted:
                    queue.requeued()
                    queue.drain()
            yield 2 * len(part.deliveries)

    def _take_back(self) -> None:
        """Carries out the requeues of this turn portion by portion, and drains the queue after each of them."""
        returns = self.scheduler.requeues
        while returns:
            portion, way = returns.popleft()
            self.put_back(portion, way)
            queue = portion[0][0]
            if not queue.deleted:
                queue.requeued()
            self._serve(queue)

    def put_back(self, portion: list[Delivery], way: ReturnWay) -> None:
        for queue, position, message, consumer in portion:
            if queue.deleted:
                queue.settled_count += 1
            else:
                queue.requeue(position, message, way)
            if consumer is not None:
                consumer.settled()

    def _serve(self, queue: DeliveryQueue) -> None:
        dirty = self.scheduler.queues_to_drain
        if queue in dirty:
            del dirty[queue]
            queue.drain()

    def close_channel(self, vhost: Vhost, unacked: UnackedDeliveries, answered: Taken) -> Steps:
        """Closes a channel, however it ended: its consumers leave, and its unacknowledged messages are requeued, with
        those `answered` in a transaction that was not committed. A job."""
        yield from unacked.put_back_many(answered)
        unused = {consumer.queue: None for consumer in unacked.consumers if consumer.queue.auto_delete}
        if len(unacked.consumers) + len(unacked.by_tag) <= UNITS_AT_ONCE:
            for consumer in list(unacked.consumers):
                self._dismiss(consumer)
            self.requeue(unacked.withdraw(0, multiple=True), "down")
        else:
            yield from self._close_bit_by_bit(unacked)
        for queue in each(unused):
            if not queue.consumers and not queue.deleted:
                yield from queue.delete()

    def _close_bit_by_bit(self, unacked: UnackedDeliveries) -> Steps:
        leaving: Leaving = {}
        for consumer in each(unacked.consumers):
            consumer.stop()
            leaving.setdefault(consumer.queue, []).append(consumer)
            yield 1
        rest = unacked.withdraw(0, multiple=True)
        yield from self._requeue(iter((rest,)) if isinstance(rest, list) else rest, "down", leaving)
        for consumer in each(unacked.consumers):
            self._dismiss(consumer)
            yield CONSUMER_UNITS

    def _dismiss(self, consumer: Consumer) -> None:
        """Removes a consumer that leaves with its channel."""
        if consumer in consumer.queue.consumers:
            consumer.queue.remove_consumer(consumer)
            self.events.tell("consumer.deleted", event_properties.of_consumer_gone, consumer, INTERNAL_USER)


def _sorted_into(portions: Portions, lots: Iterable[Taken]) -> Steps:
    for lot in lots:
        portions.add(lot)
        yield ANSWER_MIN + len(lot) // 2
    yield from portions.sort()
