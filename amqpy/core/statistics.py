"""Counters of messages, as RabbitMQ's management shows them, at next to no cost.

Nearly everything is derived from what is counted anyway. What a queue was given went somewhere: it is ready,
unacknowledged, acknowledged or dropped, so that the first number follows from the others, which are known or counted
where they are rare. A delivery tag is a count, and so is the number of a message that is to be confirmed. Decision 19
has the identities, and why each of them holds.

All counters begin at 0 with their object, and with the broker: messages that are restored are not published again.

Source: `rabbit_core_metrics`, and the `?INCR_STATS` of `rabbit_channel`, for what is counted when.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from operator import add
from typing import Generic, NamedTuple, TypeAlias, TypeVar

Name = TypeVar("Name", str, tuple[str, str])

Counts: TypeAlias = dict[str, int]
"""Counters by RabbitMQ's names."""


class Sizes(NamedTuple):
    """The size of some messages: bytes of their bodies."""

    bytes: int = 0
    ram_bytes: int = 0
    """Of those that are in memory."""
    persistent: int = 0
    """The number of persistent messages, in a durable queue."""
    persistent_bytes: int = 0

    def plus(self, other: "Sizes") -> "Sizes":
        return Sizes(*map(add, self, other))

    def of_all(self, sampled: int, count: int) -> "Sizes":
        """The size of `count` messages, of which these are a sample of so many."""
        return self if sampled >= count or not sampled else Sizes(*(each * count // sampled for each in self))


class QueueCounts:
    """The counters that a queue keeps itself, of what is rare."""

    __slots__ = (
        "dead_letters",
        "delivery_limit",
        "duplicates",
        "expired",
        "got",
        "got_empty",
        "got_no_ack",
        "maxlen",
        "of_broker",
        "purged",
        "redelivered",
        "refused",
        "refused_dead",
        "rejected",
        "requeued",
        "restored",
        "sent_no_ack",
    )

    def __init__(self) -> None:
        self.got = self.got_no_ack = self.got_empty = 0
        """Messages of basic.get with and without acknowledgement, and those times that there was none."""
        self.sent_no_ack = 0
        """Messages sent to consumers without acknowledgement that have left (`Consumer.sent_no_ack`)."""
        self.redelivered = 0
        self.requeued = 0
        """Deliveries that were returned, wherever the messages went then."""
        self.refused = self.duplicates = 0
        """Messages that were published here and not taken (x-overflow), or dropped as duplicates."""
        self.refused_dead = 0
        """The refused messages that are dead letters (reject-publish-dlx)."""
        self.of_broker = 0
        """Messages that the broker itself published here: dead letters, delayed messages, events. RabbitMQ counts those
        of clients only."""
        self.restored = 0
        """Messages that were here when the broker started."""
        self.expired = self.maxlen = self.rejected = self.delivery_limit = self.purged = 0
        """Messages that were here and dropped or dead-lettered, by reason."""
        self.dead_letters: defaultdict[tuple[str, str], int] = defaultdict(int)
        """Messages that were dead-lettered, by strategy (at_most_once, at_least_once) and reason."""

    @property
    def dropped(self) -> Counts:
        """The messages that left the queue in another way than to a client, by reason."""
        reasons = {**self._deaths(), "purged": self.purged}
        return {reason: count for reason, count in reasons.items() if count}

    @property
    def dead_lettered(self) -> dict[tuple[str, str], int]:
        """The messages that died, also refused ones, by dead letter strategy and reason: `disabled` are those for which
        there was no exchange."""
        died = {**self._deaths(), "maxlen": self.maxlen + self.refused_dead}
        for (_, reason), count in self.dead_letters.items():
            died[reason] -= count
        disabled = {("disabled", reason): count for reason, count in died.items() if count}
        return {**self.dead_letters, **disabled}

    def _deaths(self) -> Counts:
        return {
            "expired": self.expired,
            "maxlen": self.maxlen,
            "rejected": self.rejected,
            "delivery_limit": self.delivery_limit,
        }


class ChannelCounts:
    """The counters that a channel keeps itself, of what is rare."""

    __slots__ = (
        "drop_unroutable",
        "got",
        "got_empty",
        "got_no_ack",
        "redelivered",
        "replies",
        "return_unroutable",
        "sent_no_ack",
        "withdrawn",
    )

    def __init__(self) -> None:
        self.drop_unroutable = self.return_unroutable = 0
        """Messages that no queue took: those that were dropped, and those that were mandatory."""
        self.got = self.got_no_ack = self.got_empty = 0
        self.sent_no_ack = 0
        """Messages sent to consumers without acknowledgement that have left (`Consumer.sent_no_ack`)."""
        self.redelivered = 0
        self.replies = 0
        """Direct replies. RabbitMQ does not count them, but they have delivery tags."""
        self.withdrawn = 0
        """Deliveries that are not unacknowledged any more and were not acknowledged: rejected, requeued, or answered in
        a transaction that is not committed."""


def delivery_stats(delivered: int, sent_no_ack: int, counts: QueueCounts | ChannelCounts) -> Counts:
    """The statistics of deliveries: of those that had to be acknowledged (of consumers and of basic.get), of those sent
    to consumers that need not, and of what is counted."""
    return {
        "deliver": delivered - counts.got,
        "deliver_get": delivered + sent_no_ack + counts.got_no_ack,
        "deliver_no_ack": sent_no_ack,
        "get": counts.got,
        "get_empty": counts.got_empty,
        "get_no_ack": counts.got_no_ack,
        "redeliver": counts.redelivered,
    }


class Totals(Generic[Name]):
    """The sums of the counters of many objects, with those that are gone. Costs nothing before somebody asks."""

    __slots__ = ("_gone", "_there")

    def __init__(self) -> None:
        self._there: dict[object, Callable[[], Mapping[Name, int]]] = {}
        self._gone: dict[Name, int] = {}

    def begin(self, source: object, read: Callable[[], Mapping[Name, int]]) -> None:
        """Adds an object, whose counters `read` returns."""
        self._there[source] = read

    def end(self, source: object) -> None:
        """Keeps the counters of an object that counts no more. May be repeated."""
        read = self._there.pop(source, None)
        if read is not None:
            _add(self._gone, read())

    @property
    def gone(self) -> dict[Name, int]:
        """The sums of those that count no more."""
        return dict(self._gone)

    def __contains__(self, source: object) -> bool:
        """True if an object counts."""
        return source in self._there

    def missing(self, sources: Mapping[object, object]) -> AbstractSet[object]:
        """Those of these objects that do not count, or no more."""
        return sources.keys() - self._there.keys()

    def sum(self) -> dict[Name, int]:
        totals = dict(self._gone)
        for read in self._there.values():
            _add(totals, read())
        return totals


def _add(totals: dict[Name, int], counts: Mapping[Name, int]) -> None:
    for name, count in counts.items():
        totals[name] = totals.get(name, 0) + count


class BrokerStatistics:
    """The counters of a whole broker, which outlive its virtual hosts."""

    __slots__ = ("channels", "declared", "queues")

    def __init__(self) -> None:
        self.channels: Totals[str] = Totals()
        """Message statistics of all channels."""
        self.queues: Totals[tuple[str, str]] = Totals()
        """Counters of all queues, by their type and the name of the counter (`Queue.lasting_stats`)."""
        self.declared = 0
        """The times that a queue was declared, new or not."""
