"""A broker as simple as can be, for `test_machine` to compare the real one with.

Everything is a list or a dict that is searched from end to end. It says which answer an operation must have and what
must be the case afterwards; where the broker is free (which of several consumers gets a message) it judges instead of
predicting: `deliver` accepts what was delivered or says why it must not have been.
"""

import re
from dataclasses import dataclass, field
from typing import NamedTuple


@dataclass(eq=False)
class ModelQueue:
    name: str
    owner: int | None
    auto_delete: bool
    ready: dict[int, tuple[str, bool]] = field(default_factory=dict)
    """By position: the body, and whether it was delivered before."""
    positions: int = 0
    deleted: bool = False

    def append(self, body: str) -> None:
        self.ready[self.positions] = (body, False)
        self.positions += 1

    def bodies(self) -> list[str]:
        return [body for _, (body, _) in sorted(self.ready.items())]


@dataclass(eq=False)
class ModelConsumer:
    queue: ModelQueue
    channel: "ModelChannel"
    prefetch: int
    no_ack: bool
    exclusive: bool
    owes: int = 0
    reading: bool = True

    def can_take(self) -> bool:
        has_credit = self.no_ack or not self.prefetch or self.owes < self.prefetch
        has_room = not self.channel.limit or self.channel.volume < self.channel.limit
        return has_credit and has_room and self.reading


class Debt(NamedTuple):
    queue: ModelQueue
    position: int
    body: str
    consumer: ModelConsumer | None


@dataclass(eq=False)
class ModelChannel:
    connection: int
    last_tag: int = 0
    limit: int = 0
    volume: int = 0
    owed: dict[int, Debt] = field(default_factory=dict)
    pending: dict[int, Debt] = field(default_factory=dict)
    """What was answered in a transaction that goes on."""

    def covered(self, tag: int, multiple: bool) -> list[int] | None:
        """The tags an answer covers, or None if it must be refused."""
        if multiple and tag == 0:
            return sorted(self.owed)
        if tag not in self.owed:
            return None
        return [each for each in sorted(self.owed) if each == tag or (multiple and each < tag)]


class ModelBinding(NamedTuple):
    source: str
    is_queue: bool
    destination: str
    key: str
    wants_header: bool


@dataclass
class ModelExchange:
    kind: str
    auto_delete: bool
    alternate: str | None

    def matches(self, binding: ModelBinding, key: str, has_header: bool) -> bool:
        match self.kind:
            case "direct":
                return binding.key == key
            case "topic":
                return re.fullmatch(topic_expression(binding.key), f".{key}" if key else "") is not None
            case "headers":
                return has_header or not binding.wants_header
        return True


def topic_expression(pattern: str) -> str:
    """A regular expression for keys that have a dot before every word."""
    words = {"*": r"\.[^.]*", "#": r"(\.[^.]*)*"}
    return "".join(words.get(word, re.escape(f".{word}")) for word in (pattern.split(".") if pattern else []))


class Model:
    """One virtual host."""

    def __init__(self) -> None:
        self.queues: dict[str, ModelQueue] = {}
        self.exchanges: dict[str, ModelExchange] = {}
        self.bindings: list[ModelBinding] = []
        self.consumers: list[ModelConsumer] = []

    # --- topology

    def unbind(self, doomed: list[ModelBinding]) -> None:
        """Removes bindings, then exchanges that were kept by them, then those kept by these, and so on."""
        while doomed:
            self.bindings = [binding for binding in self.bindings if binding not in doomed]
            finished = {
                binding.source
                for binding in doomed
                if binding.source in self.exchanges
                and self.exchanges[binding.source].auto_delete
                and not any(other.source == binding.source for other in self.bindings)
            }
            for name in finished:
                del self.exchanges[name]
            doomed = [each for each in self.bindings if not each.is_queue and each.destination in finished]

    def delete_exchange(self, name: str) -> None:
        del self.exchanges[name]
        self.bindings = [binding for binding in self.bindings if binding.source != name]
        self.unbind([each for each in self.bindings if not each.is_queue and each.destination == name])

    def delete_queue(self, queue: ModelQueue) -> list[ModelConsumer]:
        """The consumers that must be told."""
        del self.queues[queue.name]
        queue.deleted = True
        gone = self.consumers_of(queue)
        self.consumers = [consumer for consumer in self.consumers if consumer not in gone]
        self.unbind([each for each in self.bindings if each.is_queue and each.destination == queue.name])
        return gone

    def consumers_of(self, queue: ModelQueue) -> list[ModelConsumer]:
        return [consumer for consumer in self.consumers if consumer.queue is queue]

    def route(self, exchange: str, key: str, has_header: bool, seen: frozenset[str] = frozenset()) -> set[str]:
        """The names of the queues."""
        if exchange == "":
            return {key} & set(self.queues)
        if exchange not in self.exchanges or exchange in seen:
            return set()
        this = self.exchanges[exchange]
        hits = [each for each in self.bindings if each.source == exchange and this.matches(each, key, has_header)]
        found = {each.destination for each in hits if each.is_queue}
        onward = {each.destination for each in hits if not each.is_queue}
        if not hits and this.alternate is not None:
            onward = {this.alternate}
        return found.union(*(self.route(each, key, has_header, seen | {exchange}) for each in onward))

    # --- messages

    def take(self, queue: ModelQueue) -> tuple[int, str, bool]:
        position = min(queue.ready)
        return position, *queue.ready.pop(position)

    def owe(self, channel: ModelChannel, debt: Debt) -> None:
        channel.owed[channel.last_tag] = debt
        if debt.consumer is not None:
            debt.consumer.owes += 1
            channel.volume += 1

    def deliver(self, consumer: ModelConsumer, tag: int, redelivered: bool, body: str) -> None:
        """Judges a delivery and notes it."""
        queue, channel = consumer.queue, consumer.channel
        assert consumer in self.consumers, "delivered to a consumer that is gone"
        assert consumer.can_take(), "delivered to a consumer that must wait"
        assert queue.ready, "delivered from an empty queue"
        position, *expected = self.take(queue)
        channel.last_tag += 1
        assert [body, redelivered] == expected
        assert tag == channel.last_tag
        if not consumer.no_ack:
            self.owe(channel, Debt(queue, position, body, consumer))

    def settle(self, channel: ModelChannel, debts: list[Debt], *, requeue: bool) -> None:
        """Answers take effect."""
        for queue, position, body, consumer in debts:
            if requeue and not queue.deleted:
                queue.ready[position] = (body, True)
            if consumer is not None:
                consumer.owes -= 1
                channel.volume = max(channel.volume - 1, 0)

    def limit(self, channel: ModelChannel, limit: int) -> None:
        if limit and not channel.limit:
            channel.volume = len(channel.owed)
        channel.limit = limit

    def leave(self, channel: ModelChannel) -> None:
        """The channel is closed."""
        leaving = [consumer for consumer in self.consumers if consumer.channel is channel]
        self.consumers = [consumer for consumer in self.consumers if consumer not in leaving]
        self.settle(channel, [*channel.owed.values(), *channel.pending.values()], requeue=True)
        channel.owed.clear()
        channel.pending.clear()
        for queue in dict.fromkeys(consumer.queue for consumer in leaving):
            if queue.auto_delete and not queue.deleted and not self.consumers_of(queue):
                self.delete_queue(queue)

    def is_stuck(self, queue: ModelQueue) -> bool:
        """Whether a message waits although a consumer could take it."""
        return bool(queue.ready) and any(consumer.can_take() for consumer in self.consumers_of(queue))
