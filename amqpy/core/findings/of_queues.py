"""Queues that do not get on: nobody takes their messages, or those who do have as many as they may have; they are full;
their messages come back again and again, or are old. And exchanges whose messages find no queue."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from math import isfinite
from typing import Final, TypeAlias

from amqpy.core.arguments import STREAM
from amqpy.core.consumer import Consumer
from amqpy.core.exchanges import Exchange
from amqpy.core.explaining.text import counted, span
from amqpy.core.findings.finding import Findings, History, Then, Thresholds
from amqpy.core.message import Message
from amqpy.core.queues.fifo_queue import FifoQueue
from amqpy.core.queues.priority_fifo import PriorityFifo
from amqpy.core.queues.queue import Queue
from amqpy.core.queues.quorum import QuorumQueue
from amqpy.core.queues.ready_fifo import ReadyFifo
from amqpy.core.unacked import UnackedDeliveries
from amqpy.wire.properties import decode_properties

DELIVERIES: Final = ("deliver", "deliver_no_ack", "get", "get_no_ack")
"""The counters of messages that leave a queue for a client."""

REDELIVERIES_MIN: Final = 10
"""Redeliveries that must have been, lest two of three are told."""

LOOKED_AT: Final = 100
"""Messages of a queue, of each priority, whose failed deliveries are looked at."""


@dataclass(slots=True)
class Debt:
    """The deliveries of one queue to one consumer, or got from it on one channel, that are unacknowledged."""

    unacked: UnackedDeliveries
    first_tag: int
    count: int = 0
    failed: int = 0
    """The most failed deliveries that one of the messages has."""


Debts: TypeAlias = Mapping[Consumer | UnackedDeliveries, Debt]
"""Those of one queue: by consumer, or by channel, where they were got."""


class QueueFindings:
    """Looks at queues, one by one. `age_of` says for at least how many milliseconds a delivery is unacknowledged."""

    def __init__(
        self,
        findings: Findings,
        thresholds: Thresholds,
        history: History,
        unix_time_ms: int,
        age_of: Callable[[UnackedDeliveries, int], int | None],
    ) -> None:
        self._findings = findings
        self._thresholds = thresholds
        self._history = history
        self._unix_time_ms = unix_time_ms
        self._age_of = age_of

    def look(self, queue: Queue, debts: Debts) -> None:
        """Tells all that is to be told of one queue, to whose consumers these deliveries are."""
        is_waiting = queue.type != STREAM and not is_delay(queue)  # a stream keeps its messages
        if is_waiting and queue.ready_count >= max(self._thresholds.ready, 1):
            if queue.consumers:
                self._look_for_credit(queue, debts)
            else:
                self._look_for_consumers(queue)
            self._look_at_age(queue)
        self._look_at_limits(queue)
        self._look_at_redeliveries(queue, debts.values())
        for holder, debt in debts.items():
            self._look_at_debt(queue, holder, debt)

    def _add(self, kind: str, queue: Queue, text: str, weight: float, **facts: object) -> None:
        self._findings.add(kind, queue.vhost.name, queue.name, f"Queue {queue.name!r} {text}", weight, **facts)

    # --- who takes them

    def _look_for_consumers(self, queue: Queue) -> None:
        first, ready = first_of(queue), queue.ready_count
        is_dead_letter = first is not None and first.is_dead_letter
        self._add(
            "no_consumers",
            queue,
            f"has {counted(ready, 'dead letter' if is_dead_letter else 'ready message')} and no consumer.",
            ready,
            messages_ready=ready,
            age=self._age_at_head(queue),
            dead_letters=is_dead_letter,
        )

    def _look_for_credit(self, queue: Queue, debts: Debts) -> None:
        active = queue.active_consumer
        consumers = list(queue.consumers) if active is None else [active]
        if not all(consumer.is_blocked for consumer in consumers):
            return
        waiting = [consumer for consumer in consumers if consumer.credit <= 0 or not consumer.unacked.has_room]
        ages = [self._age_of_debt(consumer, debts.get(consumer)) for consumer in waiting]
        known = [age for age in ages if age is not None and age >= self._thresholds.unacked_age]
        if not waiting or len(known) < len(waiting):
            return
        ready, unacked, oldest = queue.ready_count, queue.unacked_count, max(known)
        who = "its consumer has" if len(waiting) == 1 else f"its {len(waiting):,} consumers have"
        self._add(
            "no_credit",
            queue,
            f"has {counted(ready, 'ready message')}, but {who} as many unacknowledged as the prefetch allows: "
            f"{unacked:,}, the oldest for at least {in_seconds(oldest)}.",
            ready,
            messages_ready=ready,
            messages_unacknowledged=unacked,
            consumers=len(queue.consumers),
            consumers_without_credit=len(waiting),
            age=oldest,
        )

    def _age_of_debt(self, consumer: Consumer, debt: Debt | None) -> int | None:
        """The age of the oldest delivery that keeps a consumer from getting more: with a limit of the channel it may be
        another's."""
        if debt is not None:
            return self._age_of(debt.unacked, debt.first_tag)
        unacked = consumer.unacked
        assert isinstance(unacked, UnackedDeliveries)
        first = next(iter(unacked.by_tag), None)
        return None if first is None else self._age_of(unacked, first)

    def _look_at_debt(self, queue: Queue, holder: Consumer | UnackedDeliveries, debt: Debt) -> None:
        age = self._age_of(debt.unacked, debt.first_tag)
        if age is None or age < self._thresholds.unacked_age:
            return
        origin = debt.unacked.origin
        channel = f"{origin.connection} ({origin.number})"
        tag = holder.tag if isinstance(holder, Consumer) else None
        who = f"consumer {tag!r} on channel" if tag is not None else "channel"
        got = "" if tag is not None else " that it got"
        self._add(
            "unacked",
            queue,
            f"has {counted(debt.count, 'message')}{got} that {who} {channel!r} has not acknowledged, "
            f"the oldest for at least {in_seconds(age)}.",
            age,
            messages_unacknowledged=debt.count,
            age=age,
            consumer_tag=tag,
            channel=channel,
            connection=origin.connection,
            user=origin.user,
            prefetch_count=holder.prefetch if isinstance(holder, Consumer) else None,
        )

    # --- how long they wait

    def _look_at_age(self, queue: Queue) -> None:
        age = self._age_at_head(queue)
        at_least = ""
        if age is None and self._has_given_nothing(queue):
            age, at_least = self._thresholds.age, "at least "
        if age is None or age < self._thresholds.age:
            return
        self._add(
            "old_messages",
            queue,
            f"has {counted(queue.ready_count, 'ready message')}, the oldest for {at_least}{in_seconds(age)}.",
            age,
            messages_ready=queue.ready_count,
            age=age,
        )

    def _age_at_head(self, queue: Queue) -> int | None:
        """The time since the timestamp of the oldest of the messages that are the first of their priority."""
        heads = [first for fifo in fifos_of(queue) if (first := fifo.first()) is not None]
        stamps = [decode_properties(message.header).get("timestamp") for message in heads]
        times = [stamp for stamp in stamps if stamp is not None]
        return max(self._unix_time_ms - min(times) * 1000, 0) if times else None

    def _has_given_nothing(self, queue: Queue) -> bool:
        """True if the first message has been there all the time: none was delivered, nor dropped."""
        span_ms = self._thresholds.age
        then = self._history.then(queue, span_ms)
        if then is None or then.span_ms < span_ms or not 0 < then.counts["messages_ready"] <= queue.ready_count:
            return False
        stats = queue.message_stats()
        return not queue.counts.dropped and all(stats[name] == then.counts[name] for name in DELIVERIES)

    # --- limits

    def _look_at_limits(self, queue: Queue) -> None:
        settings = queue.settings
        length, size = settings.max_length, settings.max_length_bytes
        shares = []
        if length is not None:
            shares.append((100 * queue.ready_count, length, f"{queue.ready_count:,} of {counted(length, 'message')}"))
        if size is not None and isinstance(queue, FifoQueue) and isinstance(queue.ready, PriorityFifo):
            shares.append((100 * queue.ready.size, size, f"{queue.ready.size:,} of {counted(size, 'byte')}"))
        reached = [text for part, whole, text in shares if part >= self._thresholds.full * whole]
        if not reached:
            return
        is_refusing = settings.overflow != "drop-head"
        what = "new ones are refused" if is_refusing else "for a new one the first is dropped"
        if queue.settings.dead_letter_exchange is not None and settings.overflow != "reject-publish":
            what += " and dead-lettered"
        counts = queue.counts
        self._add(
            "full",
            queue,
            f"is full, with {' and '.join(reached)}: {what}.",
            counts.refused + counts.maxlen + is_refusing * (1 << 40),
            messages_ready=queue.ready_count,
            max_length=length,
            max_length_bytes=size,
            overflow=settings.overflow,
            refused=counts.refused,
            dropped=counts.maxlen,
        )

    # --- redeliveries

    def _look_at_redeliveries(self, queue: Queue, debts: Iterable[Debt]) -> None:
        stats = queue.message_stats()
        then = lately(queue, self._thresholds, self._history)
        before: Mapping[str, int] = {} if then is None else then.counts
        delivered = sum(stats[name] - before.get(name, 0) for name in DELIVERIES)
        again = stats["redeliver"] - before.get("redeliver", 0)
        if again >= REDELIVERIES_MIN and 100 * again >= self._thresholds.redelivered * delivered:
            when = "since the broker started" if then is None else f"in the last {in_seconds(then.span_ms)}"
            self._add(
                "redelivered",
                queue,
                f"has delivered {counted(delivered, 'message')} {when}, {again:,} of them again.",
                again,
                delivered=delivered,
                redelivered=again,
                window=None if then is None else then.span_ms,
            )
        if isinstance(queue, QuorumQueue) and queue.delivery_limit is not None and isfinite(queue.delivery_limit):
            self._look_at_failures(queue, queue.delivery_limit, debts)

    def _look_at_failures(self, queue: QuorumQueue, limit: float, debts: Iterable[Debt]) -> None:
        some = (
            message.delivery_count for fifo in fifos_of(queue) for message in islice(fifo.items_in_memory(), LOOKED_AT)
        )
        most = max([*some, *(debt.failed for debt in debts)], default=0)
        if not most or 100 * most < limit * self._thresholds.redelivered:
            return
        self._add(
            "redelivered",
            queue,
            f"has a message of which {most:,} deliveries have failed; the limit is {limit:g}.",
            most,
            delivery_count=most,
            delivery_limit=limit,
        )


def fifos_of(queue: Queue) -> Iterable[ReadyFifo[Message]]:
    if not isinstance(queue, FifoQueue):
        return ()
    return queue.ready.levels() if isinstance(queue.ready, PriorityFifo) else (queue.ready,)


def is_delay(queue: Queue) -> bool:
    """True if its messages wait for their time to be over, and then go on as dead letters."""
    first = first_of(queue)
    has_end = first is not None and first.expires_at_ms is not None
    return has_end and not queue.consumers and queue.settings.dead_letter_exchange is not None


def first_of(queue: Queue) -> Message | None:
    """The message that is delivered next."""
    return queue.ready.first() if isinstance(queue, FifoQueue) else None


def in_seconds(span_ms: int) -> str:
    """A span of time in words, without fractions of seconds."""
    return span(span_ms // 1000 * 1000)


def lately(item: object, thresholds: Thresholds, history: History) -> Then | None:
    """The counters at the beginning of the window. None if they are not known: then all that was counted is told."""
    then = history.then(item, thresholds.window)
    return None if then is None or then.span_ms < thresholds.window else then


def look_at_exchange(
    exchange: Exchange, vhost: str, findings: Findings, thresholds: Thresholds, history: History
) -> None:
    """Tells messages that found no queue; the counters of the exchange are up to date."""
    then = lately(exchange, thresholds, history)
    before: Mapping[str, int] = {} if then is None else then.counts
    dropped = exchange.dropped - before.get("dropped", 0)
    returned = exchange.returned - before.get("returned", 0)
    if dropped + returned < max(thresholds.unroutable, 1):
        return
    when = "since it is there" if then is None else f"in the last {in_seconds(then.span_ms)}"
    name = f"Exchange {exchange.name!r}" if exchange.name else "The default exchange"
    findings.add(
        "unroutable",
        vhost,
        exchange.name,
        f"{name} found no queue for {counted(dropped + returned, 'message')} {when}: "
        f"{dropped:,} dropped, {returned:,} returned to their publishers.",
        dropped + returned,
        dropped=dropped,
        returned=returned,
        window=None if then is None else then.span_ms,
    )
