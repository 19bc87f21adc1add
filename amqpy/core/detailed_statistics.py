"""Counters of pairs, which RabbitMQ's management shows in the mode `detailed`: a channel and an exchange that it
publishes to, a channel and a queue that it gets messages of, an exchange and a queue that its messages go to.

In the other modes nothing here exists. In this one each virtual host has it as its first watcher, so that each publish
takes the slow path, where it is counted. A pair is forgotten with its channel. One whose exchange or queue was deleted
is shown no more, and forgotten before there are twice as many pairs as there were when somebody looked last.

Source: `rabbit_channel`, for what is counted when; `rabbit_mgmt_metrics_collector`, `rabbit_mgmt_metrics_gc`.
"""

from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Final, Generic, Protocol, TypeAlias, TypeVar

from amqpy.core.confirms import Confirms
from amqpy.core.consumer import Consumer, Delivery, DeliveryQueue
from amqpy.core.exchanges import Exchange
from amqpy.core.message import Message, Target
from amqpy.core.portions import Taken
from amqpy.core.ports import NOBODY, Origin
from amqpy.core.statistics import Counts
from amqpy.core.unacked import Lots, UnackedDeliveries
from amqpy.core.watcher import WatchedTarget, Watcher

PAIRS_MIN: Final = 16
"""Pairs of one object among which nobody looks for deleted ones."""
UNCONFIRMED_MIN: Final = 256
"""Changes of the exchange, in messages that are not confirmed, from which on those are looked for that are."""


class End(Protocol):
    """An exchange or a queue: one of the ends of a pair."""

    @property
    def deleted(self) -> bool: ...


E = TypeVar("E", bound=End)
P = TypeVar("P")


class Pairs(Generic[E, P]):
    """The pairs of one object, by their other ends."""

    __slots__ = ("_make", "_pairs", "_room")

    def __init__(self, make: Callable[[E], P]) -> None:
        self._make = make
        self._pairs: dict[E, P] = {}
        self._room = PAIRS_MIN

    def __iter__(self) -> Iterator[P]:
        return (pair for end, pair in self._pairs.items() if not end.deleted)

    def __len__(self) -> int:
        """The number of pairs, also of those that are not shown any more."""
        return len(self._pairs)

    def get(self, end: E) -> P | None:
        return self._pairs.get(end)

    def at(self, end: E) -> P:
        """The pair with an end, which is made if there is none."""
        try:
            return self._pairs[end]
        except KeyError:
            pass
        pair = self._make(end)
        self.put(end, pair)
        return pair

    def put(self, end: E, pair: P) -> None:
        if len(self._pairs) >= self._room:
            self._pairs = {each: pair for each, pair in self._pairs.items() if not each.deleted}
            self._room = max(PAIRS_MIN, 2 * len(self._pairs))
        self._pairs[end] = pair


class PublishPair:
    """The messages that a channel published to an exchange."""

    __slots__ = ("confirm", "drop_unroutable", "exchange", "publish", "return_unroutable")

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.publish = self.confirm = self.drop_unroutable = self.return_unroutable = 0

    def message_stats(self) -> Counts:
        return {
            "publish": self.publish,
            "confirm": self.confirm,
            "drop_unroutable": self.drop_unroutable,
            "return_unroutable": self.return_unroutable,
        }


class DeliveryPair:
    """The messages that a channel got from a queue."""

    __slots__ = (
        "deliver",
        "deliver_no_ack",
        "get",
        "get_empty",
        "get_no_ack",
        "queue",
        "redeliver",
        "settled",
        "withdrawn",
    )

    def __init__(self, queue: DeliveryQueue) -> None:
        self.queue = queue
        self.deliver = self.deliver_no_ack = 0
        self.get = self.get_no_ack = self.get_empty = self.redeliver = 0
        self.settled = self.withdrawn = 0
        """Deliveries that are not unacknowledged any more, and those of them that were not acknowledged."""

    def message_stats(self) -> Counts:
        return {
            "ack": self.settled - self.withdrawn,
            "deliver": self.deliver,
            "deliver_get": self.deliver + self.deliver_no_ack + self.get + self.get_no_ack,
            "deliver_no_ack": self.deliver_no_ack,
            "get": self.get,
            "get_empty": self.get_empty,
            "get_no_ack": self.get_no_ack,
            "redeliver": self.redeliver,
        }


class RoutePair:
    """The messages that were published to an exchange and went to a queue."""

    __slots__ = ("exchange", "publish", "queue")

    def __init__(self, exchange: Exchange, queue: Target) -> None:
        self.exchange = exchange
        self.queue = queue
        self.publish = 0

    def message_stats(self) -> Counts:
        return {"publish": self.publish}


Pair: TypeAlias = PublishPair | DeliveryPair | RoutePair


class DetailedDeliveries(UnackedDeliveries):
    """The unacknowledged deliveries of a channel whose pairs are counted."""

    __slots__ = ("pairs",)

    def __init__(self, origin: Origin = NOBODY) -> None:
        super().__init__(origin)
        self.pairs: Pairs[DeliveryQueue, DeliveryPair] = Pairs(DeliveryPair)

    def take_many(self, tag: int, multiple: bool) -> Taken | Lots:
        taken = super().take_many(tag, multiple)
        if not isinstance(taken, list):
            return self._note_lots(taken)
        self._note(taken, settled=1)
        return taken

    def _note_lots(self, lots: Lots) -> Lots:
        for lot in lots:
            self._note(lot, settled=1)
            yield lot

    def take_each(self, tags: list[int], taken: list[Delivery]) -> None:
        first = len(taken)
        try:
            super().take_each(tags, taken)
        finally:
            self._note([(0, delivery) for delivery in taken[first:]], settled=1)

    def note_withdrawn(self, taken: Taken) -> None:
        super().note_withdrawn(taken)
        self._note(taken, withdrawn=1)

    def note_acknowledged(self, taken: Taken) -> None:
        super().note_acknowledged(taken)
        self._note(taken, withdrawn=-1)

    def note_put_back(self, taken: Taken) -> None:
        super().note_put_back(taken)
        self._note(taken, settled=-1, withdrawn=-1)

    def _note(self, taken: Taken, *, settled: int = 0, withdrawn: int = 0) -> None:
        for queue, count in Counter([delivery[0] for _, delivery in taken]).items():
            # It is not there if the delivery has come back because nobody acknowledged it in time.
            if (pair := self.pairs.get(queue)) is not None:
                pair.settled += settled * count
                pair.withdrawn += withdrawn * count


class CountedChannel(Protocol):
    """A channel, as its pairs see it."""

    @property
    def unacked(self) -> UnackedDeliveries: ...
    @property
    def confirms(self) -> Confirms | None: ...


class ChannelPairs:
    """The pairs of one channel."""

    def __init__(self, channel: CountedChannel) -> None:
        self.channel = channel
        self.publishes: Pairs[Exchange, PublishPair] = Pairs(PublishPair)
        self._unconfirmed: deque[tuple[PublishPair | None, int]] = deque()
        """The messages that are not confirmed: how many in a row were published to the same exchange; None for those
        that are refused."""
        self._unconfirmed_count = 0

    @property
    def deliveries(self) -> Iterator[DeliveryPair]:
        unacked = self.channel.unacked
        return iter(unacked.pairs) if isinstance(unacked, DetailedDeliveries) else iter(())

    def count(self, exchange: Exchange) -> None:
        """Counts a message that is published now."""
        pair = self.publishes.at(exchange)
        pair.publish += 1
        if self.channel.confirms is not None:
            if len(self._unconfirmed) >= UNCONFIRMED_MIN:
                self.settle_confirms()
            self._append(pair)

    def _append(self, pair: PublishPair | None) -> None:
        rows, count = self._unconfirmed, 1
        if rows and rows[-1][0] is pair:
            count += rows.pop()[1]
        rows.append((pair, count))
        self._unconfirmed_count += 1

    def note_refused(self) -> None:
        """The message that was counted last will not be confirmed."""
        if self._unconfirmed:
            pair, count = self._unconfirmed.pop()
            if count > 1:
                self._unconfirmed.append((pair, count - 1))
            self._unconfirmed_count -= 1
            self._append(None)

    def settle_confirms(self) -> None:
        """Counts the messages that were confirmed meanwhile."""
        confirms, rows = self.channel.confirms, self._unconfirmed
        done = 0 if confirms is None else self._unconfirmed_count - confirms.unconfirmed_count
        while done > 0:
            pair, count = rows.popleft()
            if count > done:
                rows.appendleft((pair, count - done))
                count = done
            if pair is not None:
                pair.confirm += count
            self._unconfirmed_count -= count
            done -= count


class DetailedStatistics(Watcher):
    """The pairs of one virtual host, whose exchanges and queues it looks at by their names."""

    def __init__(self, exchanges: Mapping[str, Exchange], queues: Mapping[str, DeliveryQueue]) -> None:
        self._exchanges = exchanges
        self._queues = queues
        self.channels: dict[Origin, ChannelPairs] = {}
        self._of_exchanges: Pairs[Exchange, Pairs[Target, RoutePair]] = Pairs(_routes_from)
        self._of_queues: Pairs[Target, Pairs[Exchange, RoutePair]] = Pairs(_routes_to)

    # --- what there is

    def routes(self) -> Iterator[RoutePair]:
        """All pairs of an exchange and a queue."""
        return (pair for pairs in self._of_exchanges for pair in pairs)

    def routes_from(self, exchange: Exchange) -> Iterator[RoutePair]:
        return _each(self._of_exchanges.get(exchange))

    def routes_to(self, queue: Target) -> Iterator[RoutePair]:
        return _each(self._of_queues.get(queue))

    def publishes_to(self, exchange: Exchange) -> Iterator[tuple[Origin, PublishPair]]:
        """The pairs of an exchange with channels."""
        for origin, pairs in self.channels.items():
            if (pair := pairs.publishes.get(exchange)) is not None:
                pairs.settle_confirms()
                yield origin, pair

    def deliveries_from(self, queue: DeliveryQueue) -> Iterator[tuple[Origin, DeliveryPair]]:
        """The pairs of a queue with channels."""
        for origin, pairs in self.channels.items():
            unacked = pairs.channel.unacked
            if isinstance(unacked, DetailedDeliveries) and (pair := unacked.pairs.get(queue)) is not None:
                yield origin, pair

    # --- counting

    def begin(self, channel: CountedChannel) -> None:
        self.channels[channel.unacked.origin] = ChannelPairs(channel)

    def end(self, channel: CountedChannel) -> None:
        self.channels.pop(channel.unacked.origin, None)

    def counted(self, exchange: str, targets: Collection[Target], origin: Origin) -> None:
        found = self._exchanges.get(exchange)
        if found is None:
            return  # deleted before the transaction was committed
        if (pairs := self.channels.get(origin)) is not None:
            pairs.count(found)
        for target in targets:
            if target.name and not target.is_reply_queue:
                self._route(found, target).publish += 1

    def _route(self, exchange: Exchange, queue: Target) -> RoutePair:
        routes = self._of_exchanges.at(exchange)
        pair = routes.get(queue)
        if pair is None:
            pair = routes.at(queue)
            self._of_queues.at(queue).put(exchange, pair)
        return pair

    def refused(self, message: Message, by: Collection[Target], origin: Origin) -> None:
        if (pairs := self.channels.get(origin)) is not None:
            pairs.note_refused()

    def returned(self, message: Message, origin: Origin) -> None:
        if (pair := self._publish_pair(message, origin)) is not None:
            pair.return_unroutable += 1

    def dropped(self, message: Message, origin: Origin) -> None:
        if (pair := self._publish_pair(message, origin)) is not None:
            pair.drop_unroutable += 1

    def _publish_pair(self, message: Message, origin: Origin) -> PublishPair | None:
        pairs, exchange = self.channels.get(origin), self._exchanges.get(message.exchange)
        return None if pairs is None or exchange is None else pairs.publishes.at(exchange)

    def attach(self, consumer: Consumer) -> None:
        if isinstance(unacked := consumer.unacked, DetailedDeliveries):
            consumer.target = _Counted(self, consumer, unacked.pairs.at(consumer.queue))

    def got(self, queue: str, redelivered: bool, message: Message, unacked: UnackedDeliveries, tag: int) -> None:
        if (pair := self._delivery_pair(queue, unacked)) is not None:
            if tag in unacked.by_tag:
                pair.get += 1
            else:
                pair.get_no_ack += 1
            pair.redeliver += redelivered

    def got_nothing(self, queue: str, unacked: UnackedDeliveries) -> None:
        if (pair := self._delivery_pair(queue, unacked)) is not None:
            pair.get_empty += 1

    def _delivery_pair(self, queue: str, unacked: UnackedDeliveries) -> DeliveryPair | None:
        found = self._queues.get(queue)
        return unacked.pairs.at(found) if isinstance(unacked, DetailedDeliveries) and found is not None else None


def _each(pairs: Pairs[E, P] | None) -> Iterator[P]:
    return iter(()) if pairs is None else iter(pairs)


def _routes_from(exchange: Exchange) -> Pairs[Target, RoutePair]:
    return Pairs(lambda queue: RoutePair(exchange, queue))


def _routes_to(queue: Target) -> Pairs[Exchange, RoutePair]:
    return Pairs(lambda exchange: RoutePair(exchange, queue))


class _Counted(WatchedTarget):
    """The target of a consumer whose deliveries are counted."""

    def __init__(self, watcher: Watcher, consumer: Consumer, pair: DeliveryPair) -> None:
        super().__init__(watcher, consumer.target)
        self._pair = pair
        self._no_ack = consumer.no_ack

    def deliver(self, tag: int, redelivered: bool, message: Message) -> None:
        self._count(1)
        self._pair.redeliver += redelivered
        self.target.deliver(tag, redelivered, message)

    def deliver_all(self, tag: int, messages: list[Message]) -> None:
        self._count(len(messages))
        self.target.deliver_all(tag, messages)

    def _count(self, count: int) -> None:
        if self._no_ack:
            self._pair.deliver_no_ack += count
        else:
            self._pair.deliver += count
