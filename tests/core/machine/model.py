"""Queues, as simple as can be: lists that are searched from end to end.

The model predicts nothing. It is told what happened to which message, event by event, and judges: it says what was
wrong, or notes it. When a step is over, everything that had to happen must have happened.
"""

from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from amqpy.core.message import Message
from tests.core.machine.counts import ModelCounts
from tests.core.machine.topology import ModelTopology
from tests.core.machine.watch import History, delivery_count_of, history_of

if TYPE_CHECKING:
    from tests.core.machine.watch import LoggedTarget


class QueueSettings(NamedTuple):
    is_quorum: bool = False
    is_durable: bool = False
    ttl_ms: int | None = None
    expires_ms: int | None = None
    max_length: int | None = None
    max_bytes: int | None = None
    overflow: str = "drop-head"
    max_priority: int = 0
    dead_letter_exchange: str | None = None
    dead_letter_key: str | None = None
    single_active: bool = False
    delivery_limit: int | None = None
    deduplicates: bool = False


@dataclass(eq=False)
class Copy:
    """A message in a queue."""

    body: str
    key: str
    priority: int
    marker: str | None
    """Its deduplication header."""
    expires_at_ms: int | None
    persistent: bool = False
    has_header: bool = False
    """One that bindings of a headers exchange may want."""
    deaths: History = field(default_factory=list)
    place: tuple[int, int] = (0, 0)
    redelivered: bool = False
    returns: int = 0
    portion: int = 0
    """Of the messages that one command requeues: those of a later portion come back after the queue has delivered."""

    def is_expired(self, now_ms: int) -> bool:
        return self.expires_at_ms is not None and self.expires_at_ms <= now_ms


@dataclass(eq=False)
class ModelQueue:
    name: str
    settings: QueueSettings
    used_at_ms: int
    owner: int | None = None
    """The connection that it belongs to."""
    auto_delete: bool = False
    is_finished: bool = False
    """Its last consumer has left it, and it is to go with it."""
    ready: list[Copy] = field(default_factory=list)
    owed: list[Copy] = field(default_factory=list)
    positions: int = 0
    deleted: bool = False
    active: "ModelConsumer | None" = None
    counts: ModelCounts = field(default_factory=ModelCounts)

    def next_place(self, level: int) -> tuple[int, int]:
        self.positions += 1
        return -level, self.positions

    def in_order(self) -> list[Copy]:
        return sorted(self.ready, key=lambda copy: copy.place)

    def excess(self) -> list[Copy]:
        """The first ones, as many as must be dropped."""
        left = self.in_order()
        dropped = []
        while self.is_over(left):
            dropped.append(left.pop(0))
        return dropped

    def is_over(self, copies: list[Copy]) -> bool:
        length, size = self.settings.max_length, self.settings.max_bytes
        return (length is not None and len(copies) > length) or (
            size is not None and sum(len(copy.body) for copy in copies) > size
        )

    def refuses(self, copy: Copy) -> bool:
        return self.settings.overflow != "drop-head" and self.is_over([*self.ready, copy])

    def has_duplicate(self, copy: Copy) -> bool:
        has_marker = self.settings.deduplicates and copy.marker is not None
        return has_marker and any(copy.marker == each.marker for each in self.ready + self.owed)


@dataclass(eq=False)
class ModelConsumer:
    queue: ModelQueue
    channel: "ModelChannel"
    prefetch: int
    no_ack: bool
    priority: int = 0
    exclusive: bool = False
    reading: bool = True
    owes: int = 0

    def can_take(self) -> bool:
        has_credit = self.no_ack or not self.prefetch or self.owes < self.prefetch
        has_room = not self.channel.limit or self.channel.volume < self.channel.limit
        return has_credit and has_room and self.reading


class Debt(NamedTuple):
    queue: ModelQueue
    copy: Copy
    consumer: ModelConsumer | None


@dataclass(eq=False)
class ModelChannel:
    last_tag: int = 0
    limit: int = 0
    volume: int = 0
    owed: dict[int, Debt] = field(default_factory=dict)
    pending: dict[int, Debt] = field(default_factory=dict)
    """What was answered in a transaction that goes on."""
    counts: ModelCounts = field(default_factory=ModelCounts)

    def covered(self, tag: int, multiple: bool) -> list[int] | None:
        """The tags an answer covers, or None if it must be refused."""
        if multiple and tag == 0:
            return sorted(self.owed)
        if tag not in self.owed:
            return None
        return [each for each in sorted(self.owed) if each == tag or (multiple and each < tag)]

    def set_limit(self, limit: int) -> None:
        if limit and not self.limit:
            self.volume = len(self.owed)
        self.limit = limit


@dataclass(eq=False)
class Letter:
    """A message on its way to queues."""

    copy: Copy
    exchange: str
    reason: str = ""
    """Why it died; nothing for one that a client has just published."""
    targets: list[str] | None = None
    """The queues that have not got it yet; None when nobody has looked."""


class QueueModel:
    """Queues, the exchanges that lead to them, consumers, and what is under way."""

    def __init__(self) -> None:
        self.now_ms = 0
        self.queues: dict[str, ModelQueue] = {}
        self.topology = ModelTopology()
        self.consumers: list[ModelConsumer] = []
        self.cancelled: set[ModelConsumer] = set()
        """Those that must be told that their queues are gone."""
        self.targets: dict[LoggedTarget, ModelConsumer] = {}
        self.letters: deque[Letter] = deque()
        self.doomed: list[tuple[ModelQueue, Copy, str]] = []
        """Those that must die because of an answer, and the reason."""
        self.entering: Copy | None = None
        """What is being published to a queue that had nothing, and so may pass."""
        self.refused: tuple[ModelQueue, Copy] | None = None
        """What is being published, and does not fit."""

    # --- events

    def published(self, name: str, body: str) -> None:
        queue, letter = self.queues[name], self.next_letter()
        assert letter.copy.body == body
        assert letter.targets is not None
        assert name in letter.targets, "published to a queue that it does not lead to"
        letter.targets.remove(name)
        if not letter.reason:
            queue.counts.count("publish")
        copy = replace(
            letter.copy,
            expires_at_ms=self.end_of_life(queue, letter.copy),
            place=queue.next_place(min(letter.copy.priority, queue.settings.max_priority)),
        )
        if queue.refuses(copy):
            self.refused = queue, copy
            if queue.settings.overflow == "reject-publish-dlx":
                self.doomed.append((queue, copy, "maxlen"))
        else:
            self.admit(queue, copy)

    def admit(self, queue: ModelQueue, copy: Copy) -> None:
        if not queue.has_duplicate(copy):
            self.entering = copy
            queue.ready.append(copy)

    def reconsider(self, queue: ModelQueue) -> None:
        """A consumer could have had its message before, and that leaves room."""
        if self.refused is None or self.refused[0] is not queue or queue.refuses(self.refused[1]):
            return
        copy, self.refused = self.refused[1], None
        self.doomed = [each for each in self.doomed if each[1] is not copy]
        self.admit(queue, copy)

    def end_of_life(self, queue: ModelQueue, copy: Copy) -> int | None:
        times = [] if copy.expires_at_ms is None else [copy.expires_at_ms]
        if queue.settings.ttl_ms is not None:
            times.append(self.now_ms + queue.settings.ttl_ms)
        if not times:
            return None
        # Quorum queues give every message a millisecond.
        return max(min(times), self.now_ms + 1) if queue.settings.is_quorum else min(times)

    def answered(self, name: str, refused: bool) -> None:
        assert refused == (self.refused is not None)
        self.refused = self.entering = None

    def next_letter(self) -> Letter:
        while not self.targets_of(self.letters[0]):
            self.letters.popleft()
        return self.letters[0]

    def delivered(self, target: "LoggedTarget", tag: int, redelivered: bool, message: Message) -> None:
        consumer = self.targets[target]
        queue, channel = consumer.queue, consumer.channel
        assert consumer in self.consumers, "delivered to a consumer that is gone"
        assert consumer in self.next_consumers(queue), "delivered to a consumer whose turn it is not"
        copy = self.take_returned(queue, message.body.decode())
        if copy is not self.entering:
            assert not copy.is_expired(self.now_ms), "delivered too late"
        self.entering = None
        self.reconsider(queue)
        self.check_delivery(copy, redelivered, message)
        channel.last_tag += 1
        assert tag == channel.last_tag
        self.count_delivery(queue, channel, "deliver_no_ack" if consumer.no_ack else "deliver", copy)
        if not consumer.no_ack:
            consumer.owes += 1
            self.owe(channel, Debt(queue, copy, consumer))

    def died(self, name: str, body: str, reason: str) -> None:
        queue = self.queues[name]
        if reason == "maxlen" and queue.settings.is_quorum and not self.doomed_in(queue, reason):
            # It drops several at once, and buries the last of them first.
            for copy in queue.excess():
                queue.ready.remove(copy)
                queue.counts.drop(reason)
                self.doomed.append((queue, copy, reason))
        if mine := self.doomed_in(queue, reason):
            in_any_order = queue.settings.is_quorum or queue.settings.max_priority
            # Of two with the same body, too, a quorum queue over its limit buries the last first.
            is_turned = reason == "maxlen" and queue.settings.is_quorum
            copy = next(each for each in (reversed(mine) if is_turned else mine) if each.body == body)
            assert in_any_order or copy is mine[0], "died out of order"
            self.doomed.remove((queue, copy, reason))
        elif reason == "expired":
            copy = self.take(queue)
            queue.counts.drop(reason)
            assert copy.is_expired(self.now_ms), "it had time left"
        else:
            assert reason == "maxlen", "nobody wanted that"
            if self.entering is not None:
                assert not self.next_consumers(queue), "dropped although a consumer waits"
            assert queue.excess(), "there is room"
            copy = self.take(queue)
            queue.counts.drop(reason)
        assert copy.body == body
        self.dead_letter(queue, copy, reason)

    def doomed_in(self, queue: ModelQueue, reason: str) -> list[Copy]:
        return [copy for each, copy, cause in self.doomed if each is queue and cause == reason]

    def gone(self, name: str) -> None:
        """A queue is deleted by the broker itself, unless the model knows already."""
        queue = self.queues.get(name)
        if queue is None:
            return
        assert not self.consumers_of(queue), "deleted although it is used"
        if not queue.is_finished:
            assert queue.settings.expires_ms is not None, "deleted for no reason"
            assert queue.used_at_ms + queue.settings.expires_ms <= self.now_ms, "deleted too early"
        self.remove(queue)

    # --- dead letters

    def dead_letter(self, queue: ModelQueue, copy: Copy, reason: str) -> None:
        """A message has died: a letter, if there is an exchange for it."""
        settings = queue.settings
        if settings.dead_letter_exchange is None:
            queue.counts.die("disabled", reason)
            return
        queue.counts.die("at_most_once", reason)
        key = copy.key if settings.dead_letter_key is None else settings.dead_letter_key
        deaths = noted(copy.deaths, queue.name, reason)
        dead = Copy(copy.body, key, copy.priority, copy.marker, None, copy.persistent, copy.has_header, deaths)
        self.letters.append(Letter(dead, settings.dead_letter_exchange, reason))

    def targets_of(self, letter: Letter) -> list[str]:
        if letter.targets is None:
            found = self.route(letter.exchange, letter.copy.key, letter.copy.has_header)
            circles = set() if letter.reason in {"", "rejected"} else circles_of(letter.copy.deaths)
            letter.targets = sorted(found - circles)
            if not letter.reason and letter.exchange:
                exchange = self.topology.exchanges[letter.exchange]
                exchange.published_in += 1
                exchange.published_out += len(letter.targets)
        return letter.targets

    def route(self, exchange: str, key: str, has_header: bool) -> set[str]:
        return {key} & set(self.queues) if exchange == "" else self.topology.route(exchange, key, has_header)

    # --- messages

    def take(self, queue: ModelQueue) -> Copy:
        copy = queue.in_order()[0]
        queue.ready.remove(copy)
        return copy

    def count_delivery(self, queue: ModelQueue, channel: ModelChannel, kind: str, copy: Copy) -> None:
        for counts in (queue.counts, channel.counts):
            counts.count(kind, redelivered=copy.redelivered)

    def take_returned(self, queue: ModelQueue, body: str) -> Copy:
        """The first message, when all portions up to some are back."""
        copies = queue.in_order()
        firsts = (next(copy for copy in copies if copy.portion <= each.portion) for each in copies)
        copy = next((first for first in firsts if first.body == body), copies[0])
        queue.ready.remove(copy)
        return copy

    def all_are_back(self) -> None:
        for queue in self.queues.values():
            for copy in queue.ready:
                copy.portion = 0

    def owe(self, channel: ModelChannel, debt: Debt) -> None:
        channel.owed[channel.last_tag] = debt
        debt.queue.owed.append(debt.copy)
        if debt.consumer is not None:
            channel.volume += 1

    def check_delivery(self, copy: Copy, redelivered: bool, message: Message) -> None:
        assert message.body.decode() == copy.body
        assert redelivered == copy.redelivered
        assert history_of(message) == copy.deaths
        assert delivery_count_of(message) == copy.returns

    def settle(
        self, debts: dict[int, Debt], verdict: str, *, by_end: bool = False, channel: ModelChannel | None = None
    ) -> None:
        """Answers of the channel take effect. `by_end`: it is closed."""

        def order(tag: int) -> tuple[bool, str, int]:
            is_got = debts[tag].consumer is None
            return not is_got, str(tag) if by_end and is_got else "", tag

        portions: dict[tuple[ModelQueue, int], int] = {}
        for tag in sorted(debts, key=order if verdict != "ack" else None):
            queue, copy, consumer = debts[tag]
            queue.owed.remove(copy)
            if consumer is not None:
                consumer.owes -= 1
                consumer.channel.volume = max(consumer.channel.volume - 1, 0)
            if verdict == "ack" and channel is not None:
                channel.counts.count("ack")
                queue.counts.count("ack")
            if queue.deleted:
                continue
            if verdict == "drop":
                queue.counts.drop("rejected")
                self.doomed.append((queue, copy, "rejected"))
            elif verdict == "requeue":
                copy.redelivered = True
                portion = queue, tag if consumer is None and not by_end else 0
                copy.portion = portions.setdefault(portion, len(portions))
                self.put_back(queue, copy, by_end=by_end)

    def put_back(self, queue: ModelQueue, copy: Copy, *, by_end: bool) -> None:
        settings = queue.settings
        if settings.is_quorum:
            copy.returns += 1
            limit = settings.delivery_limit
            if limit is not None and copy.returns > limit:
                queue.counts.drop("delivery_limit")
                self.doomed.append((queue, copy, "delivery_limit"))
                return
            stands_first = by_end or limit is not None
            copy.place = queue.next_place(1 if stands_first else 0)
        queue.ready.append(copy)

    # --- consumers

    def consumers_of(self, queue: ModelQueue) -> list[ModelConsumer]:
        return [consumer for consumer in self.consumers if consumer.queue is queue]

    def next_consumers(self, queue: ModelQueue) -> list[ModelConsumer]:
        """Those who may get the next message: which of them does, is for the broker to choose."""
        mine = [queue.active] if queue.active else [] if queue.settings.single_active else self.consumers_of(queue)
        able = [consumer for consumer in mine if consumer.can_take()]
        highest = max((consumer.priority for consumer in able), default=0)
        return [consumer for consumer in able if consumer.priority == highest]

    def subscribe(self, consumer: ModelConsumer) -> None:
        self.consumers.append(consumer)
        if consumer.queue.settings.single_active and consumer.queue.active is None:
            consumer.queue.active = consumer

    def unsubscribe(self, consumer: ModelConsumer) -> None:
        self.consumers.remove(consumer)
        queue = consumer.queue
        others = self.consumers_of(queue)
        if not others:
            queue.used_at_ms = self.now_ms
            queue.is_finished = queue.auto_delete
        if queue.active is consumer:
            # Quorum queues choose the oldest, classic ones the oldest of the highest priority.
            order = others if queue.settings.is_quorum else sorted(others, key=lambda each: -each.priority)
            queue.active = next(iter(order), None)

    def remove(self, queue: ModelQueue) -> None:
        queue.deleted = True
        del self.queues[queue.name]
        self.cancelled.update(self.consumers_of(queue))
        self.consumers = [consumer for consumer in self.consumers if consumer.queue is not queue]
        self.topology.queue_is_gone(queue.name)

    # --- the end of a step

    def check_nothing_is_left(self) -> None:
        """All that had to happen has happened."""
        assert self.entering is None
        assert self.refused is None
        assert not self.doomed, "must have died"
        assert not any(self.targets_of(letter) for letter in self.letters), "not delivered everywhere"
        self.letters.clear()
        for queue in self.queues.values():
            assert not queue.is_finished, "it goes with its last consumer"
            assert not (queue.ready and self.next_consumers(queue)), "a message waits although it could be had"
            assert not queue.ready or not queue.in_order()[0].is_expired(self.now_ms), "the first one is too old"
            if queue.settings.overflow == "drop-head":
                assert not queue.excess(), "too many"
            if queue.settings.expires_ms is not None and not self.consumers_of(queue):
                assert queue.used_at_ms + queue.settings.expires_ms > self.now_ms, "it should be gone"


def noted(deaths: History, queue: str, reason: str) -> History:
    """The history with one more death."""
    count = next((each[2] for each in deaths if each[:2] == (queue, reason)), 0)
    others = [each for each in deaths if each[:2] != (queue, reason)]
    return [(queue, reason, count + 1), *others]


def circles_of(deaths: History) -> set[str]:
    """The queues that a message with this history must not come to again."""
    reasons = [reason for _, reason, _ in deaths]
    until = reasons.index("rejected") if "rejected" in reasons else len(deaths)
    return {queue for queue, _, _ in deaths[:until]}
