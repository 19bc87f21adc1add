"""Quorum queues, on the one node that there is.

To clients they are queues with rules of their own: always durable, never exclusive; deliveries that come to nothing
are counted, and too many end in a dead letter; what comes back does not return to where it was, but stands before
all that never left, in the order in which it came back, or at the end of the queue.

Source: `rabbit_quorum_queue`, `rabbit_fifo`, `rabbit_fifo_client`.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar

from amqpy.core.arguments import QUORUM, Settings
from amqpy.core.facts import LaneRecord, LaneState
from amqpy.core.ledger import Ledger
from amqpy.core.message import Message, returned
from amqpy.core.queues.consumers import GONE, Consumer
from amqpy.core.queues.excess import drop_excess
from amqpy.core.queues.lane import Lane
from amqpy.core.queues.queue import READ_MAX, Queue, ReturnWay
from amqpy.core.queues.retries import Retries, UnsentLetters
from amqpy.core.queues.shelf import Shelf
from amqpy.core.structures import LevelledFifo
from amqpy.errors import PreconditionFailed, ResourceLocked, Unimplemented
from amqpy.wire.outbox import HIGH
from amqpy.wire.properties import (
    PRIORITY_FLAG,
    flags_of,
    header_entries,
    headers_property,
    join_properties,
    priority_of,
    split_properties,
)
from amqpy.wire.values import INTEGER_KINDS, Field, entries_of, join_table, replace_entry


class QuorumConsumer(Consumer):
    """A consumer that the channel's own limit (basic.qos with global) does not concern."""

    __slots__ = ()

    def can_take(self) -> bool:
        return self.credit > 0 and (self.recipient.outbox.size < HIGH or self.can_take_in_advance())

    def answered(self) -> None:
        super().answered()
        queue = self.queue
        assert isinstance(queue, QuorumQueue)
        if self.credit == GONE:
            queue.leavers.discard(self)
        elif queue.retiring is self and not self.owes:
            queue.succeed()


RETURNED_LEVEL = 32
"""Where what came back waits: above every priority."""

DEFAULT_PRIORITY = 4
NUMBERS = INTEGER_KINDS | {"float", "double"}
UNREJECT_SHARE = 0.8
"""A queue that refuses messages takes them again when it is no fuller than this."""


class QuorumQueue(Queue):
    """A queue of type `quorum`."""

    type: ClassVar[str] = QUORUM
    prefetch: ClassVar[int] = 2000
    consumer_type: ClassVar[Callable[..., Consumer]] = QuorumConsumer
    buries_last_first: ClassVar[bool] = True
    refusal_fails_commit: ClassVar[bool] = False
    keeps_all: ClassVar[bool] = True
    __slots__ = ("_has_priorities", "_joined", "_limit", "_rejects", "_retries", "_unsent", "leavers", "retiring")

    def __init__(self, *arguments: Any, **properties: Any) -> None:  # noqa: ANN401 (those of a queue)
        super().__init__(*arguments, **properties)
        self.plain = False
        self._rejects = False
        self._joined = 0
        """How many consumers it ever had."""
        self._has_priorities: bool | None = None
        """Whether its messages have; None is as the profile says. One that has messages goes on as it began, for they
        could not be found where they are if another profile had a say."""
        self._limit: float | None = None
        self._retries: Retries | None = None
        self._unsent: UnsentLetters | None = None
        self.leavers: set[Consumer] = set()
        """The consumers that have left and still owe answers."""
        self.retiring: Consumer | None = None
        """The active consumer that gives way to one of a higher priority, once it owes nothing."""
        self.ready = self._levelled()

    def configure(self, settings: Settings) -> None:
        if settings.overflow == "reject-publish-dlx":
            settings = settings._replace(overflow="drop-head")
        super().configure(settings)
        self.plain = False
        self._limit = self._delivery_limit()
        if settings.retry_type != "disabled" and settings.retry_min_ms:
            self._retries = self._retries or Retries(self)

    def _choose_fifo(self) -> None:
        """It has chosen already."""

    def _delivery_limit(self) -> float | None:
        """How many deliveries may fail; None is no limit.

        RabbitMQ 3 takes any value for the argument, and compares a count with it as Erlang does.
        """
        profile = self.vhost.profile
        field = self.arguments.get("x-delivery-limit")
        said = self.ruling.definition.get("delivery-limit")
        if profile.quorum_delivery_limit is not None:
            given = field.value if field is not None and field.kind in NUMBERS else None
            limits = [limit for limit in (given, said) if limit is not None] or [profile.quorum_delivery_limit]
            limit: float = max(limits) if min(limits) < 0 else min(limits)
            if limit >= 0:
                return limit
            return math.inf if profile.unlimited_waits_first else None
        if field is not None and field.kind in {"float", "double"}:
            return float(field.value)
        if field is not None and field.kind != "void" and field.kind not in INTEGER_KINDS:
            return math.inf
        return self.settings.delivery_limit

    def level_of(self, message: Message) -> int:
        if message.waits_first:
            return RETURNED_LEVEL
        has_priorities = self._has_priorities
        if not (self.vhost.profile.message_priorities if has_priorities is None else has_priorities):
            return 0
        has_priority = flags_of(message.header) & PRIORITY_FLAG
        return min(priority_of(message.header), RETURNED_LEVEL - 1) if has_priority else DEFAULT_PRIORITY

    # --- messages in

    def _admit(self, message: Message) -> bool:
        # Dead letters are at most once: they are told nothing, and so come in.
        if self._refuses() and not message.is_dead_letter:
            return True
        if self.contents is not None and self._is_duplicate(message):
            return False
        message = self._with_ttl(message)
        if message.expires_at_ms is not None:
            # A time to live of 0 is enough for a consumer that waits.
            message = message.until(max(message.expires_at_ms, self.agenda.now_ms + 1))
            self.may_expire = True
        self.ready.append(message)
        self.drain()
        self._refuses()
        return False

    def _refuses(self) -> bool:
        """Whether it was too full, and is not yet empty enough again. It takes the message that makes it too full."""
        settings = self.settings
        if settings.overflow != "reject-publish":
            return False
        share = UNREJECT_SHARE if self._rejects else 1.0
        length, size = settings.max_length, settings.max_length_bytes
        self._rejects = (length is not None and self._length() > int(share * length)) or (
            size is not None and self._size() > int(share * size)
        )
        return self._rejects

    def limits(self) -> tuple[int | None, int | None]:
        """What is held back counts, too."""
        length, size = super().limits()
        if length is None or (self._retries is None and self._unsent is None):
            return length, size
        return max(length - (self._length() - len(self.ready)), 0), size

    def _length(self) -> int:
        return len(self.ready) + sum(len(held) for held in (self._retries, self._unsent) if held is not None)

    def _size(self) -> int:
        assert isinstance(self.ready, LevelledFifo)
        return self.ready.size + (0 if self._unsent is None else self._unsent.size)

    # --- messages out

    def drain(self, read_max: int = READ_MAX) -> None:
        """Its limits hold for what is left when the consumers have theirs."""
        if self.is_held:
            return
        ready, journal = self.ready, self.agenda.journal
        read_max += 0 if journal is None else journal.read_size
        while self.drop_expired() and (consumer := self._next_consumer()) is not None:
            position, message, recovered = ready.pop()
            redelivered = message.acquired_count > 0 or recovered
            consumer.deliver_as(
                position, message, self.shown(message) if redelivered else message, redelivered=redelivered
            )
            if not consumer.credit:
                # Leaves the line at once, and comes back as the last one.
                self.line.pop()
                consumer.parked = True
                if self.lines is not None:
                    self._choose_line()
            if journal is not None and journal.read_size > read_max:
                self.agenda.unfinished[self] = None
                return
        if self.settings.overflow == "drop-head":
            drop_excess(self)
        self.watch_first()

    def take(self, *, no_ack: bool) -> tuple[int, Message, bool] | None:
        while not self.drop_expired() and self.ready:
            pass
        if not self.ready:
            return None
        position, message, recovered = self.ready.pop()
        if no_ack:
            # The answer that settles it is one more command, and each command looks at what has expired.
            self.drop_expired()
        self.watch_first()
        return position, message, message.acquired_count > 0 or recovered

    def shown(self, message: Message, *, by_get: bool = False) -> Message:
        """With the counts in its headers."""
        profile = self.vhost.profile
        counts = {}
        if message.delivery_count or (by_get and profile.quorum_get_counts):
            counts["x-delivery-count"] = Field("long", message.delivery_count)
        if message.acquired_count and profile.quorum_acquired_count:
            counts["x-acquired-count"] = Field("long", message.acquired_count)
        if not counts:
            return message
        properties = split_properties(message.header)
        headers = header_entries(properties)
        for name, entry in entries_of(counts):
            replace_entry(headers, name, entry)
        properties["headers"] = headers_property(join_table(headers))
        return message.with_header(join_properties(message.header, properties))

    def requeue(self, position: int, message: Message, way: ReturnWay) -> None:
        """An unacknowledged message comes back: before all others, or, where nothing limits how often, as the last
        one, so that others get their turn."""
        self.unacked -= 1
        counts_nacks = self.vhost.profile.quorum_counts_nacks
        failed = counts_nacks or way in {"reject", "down"}
        patient = way != "down" if counts_nacks else way in {"nack", "recover"}
        back = returned(message, failed=failed, waits_first=self._limit is not None or not patient)
        if self._limit is not None and back.delivery_count > self._limit:
            self.bury(position, message, "delivery_limit")
            return
        if self.keeps_account:
            self.ready.settle(position, message)
        if back.waits_first and self._retries is not None and self._retries.hold(back, failed=failed):
            return
        self.take_back(back)

    def take_back(self, message: Message) -> None:
        """A returned message waits to be delivered again."""
        self.ready.append(message)
        self.may_expire = self.may_expire or message.expires_at_ms is not None
        self.agenda.dirty[self] = None

    def unsent(self, position: int | None, message: Message, reason: str) -> bool:
        if self.settings.dead_letter_strategy != "at-least-once" or self.settings.overflow != "reject-publish":
            return False
        self._unsent = self._unsent or UnsentLetters(self)
        self._unsent.hold(position, message, reason)
        return True

    def discard(self) -> int:
        count = super().discard()
        if self._retries is not None:
            for message in self._retries.shelf if self.contents is not None else ():
                self.forget(message)
            count += self._retries.discard()
        return count

    def close(self) -> None:
        super().close()
        if self._unsent is not None:
            self._unsent.clear()

    def let_go(self) -> None:
        super().let_go()
        self._retries = self._unsent = None

    def lanes(self) -> Iterator[Lane | Shelf]:
        yield from super().lanes()
        if self._retries is not None:
            yield self._retries.shelf

    def restore(self, record: LaneRecord, state: LaneState, *, delivered_before: int) -> None:
        if 0 < record.level < RETURNED_LEVEL:
            self._has_priorities = True
        elif not record.level:
            self._has_priorities = self._has_priorities or False
        super().restore(record, state, delivered_before=delivered_before)

    def restore_held(self, number: int, entries: Iterable[tuple[int, Message, int]]) -> None:
        """What the store has of messages that were held back is held again."""
        self._retries = self._retries or Retries(self)
        self._retries.restore(number, entries)
        for message in self._retries.shelf if self.contents is not None else ():
            self._is_duplicate(message)

    def use(self, *, by_get: bool = False) -> None:
        """To ask about a quorum queue is no use of it."""
        if by_get:
            super().use()

    # --- consumers

    def check_consume(self, ledger: Ledger, *, exclusive: bool) -> None:
        """The exclusive flag is accepted and means nothing here."""
        if ledger.limit:
            raise Unimplemented(f"{self._text()} does not support global qos")

    def check_get(self) -> None:
        if self.settings.single_active:
            raise ResourceLocked(
                f"cannot obtain access to locked {self._text()}. basic.get operations are not supported by "
                f"{self.vhost.profile.quorum_in_text} queues with single active consumer"
            )

    def rank(self, consumer: Consumer) -> int:
        return consumer.priority if self.vhost.profile.quorum_priorities else 0

    def add_consumer(self, consumer: Consumer) -> None:
        consumer.number = self._joined = self._joined + 1
        super().add_consumer(consumer)
        active = self.active
        if active is None or consumer.priority <= active.priority or not self.vhost.profile.quorum_priorities:
            return
        if not active.parked and self.retiring is not active:
            self.line.remove(active)
        active.parked = False
        self.retiring = active
        if not active.owes:
            self.succeed()

    def succeed(self) -> None:
        """The active consumer has given way."""
        self.retiring = None
        self.active = self.choose_active()
        if self.active is not None:
            self.active.parked = True
            self.active.resume()

    def remove_consumer(self, consumer: Consumer) -> None:
        if self.retiring is consumer:
            self.retiring = None
        super().remove_consumer(consumer)
        if consumer.owes:
            self.leavers.add(consumer)

    @property
    def consumer_count(self) -> int:
        """Who waits to become the active one does not count; who has left and still owes an answer does, and so does
        each basic.get that was not answered yet."""
        got = self.unacked - sum(consumer.owes for consumer in (*self.consumers, *self.leavers))
        present = min(1, len(self.consumers)) if self.settings.single_active else len(self.consumers)
        return present + len(self.leavers) + got

    def check_delete(self, *, if_unused: bool, if_empty: bool) -> None:
        for flag, given in (("if-unused", if_unused), ("if-empty", if_empty)):
            if given:
                raise Unimplemented(
                    f"cannot delete {self._text()}. queue.delete operations with {flag} flag set are not supported "
                    "by quorum queues"
                )

    @classmethod
    def check_properties(cls, what: str, *, durable: bool, exclusive: bool, auto_delete: bool) -> None:
        for name, given in (("auto-delete", auto_delete), ("exclusive-owner", exclusive), ("non-durable", not durable)):
            if given:
                raise PreconditionFailed(f"invalid property '{name}' for {what}")

    def _text(self) -> str:
        return f"queue '{self.name}' in vhost '{self.vhost.name}'"
