"""Quorum queues, on the one node that there is.

To clients they are queues with rules of their own: always durable, never exclusive; returned deliveries are counted,
and a message beyond the delivery limit is dead-lettered; a requeued message does not return to its old position, but
stands before all that were never delivered, in the order of the requeues, or at the end of the queue.

Source: `rabbit_quorum_queue`, `rabbit_fifo`, `rabbit_fifo_client`.
"""

import math
from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import islice
from typing import Any, ClassVar

from amqpy.core.arguments import QUORUM, Settings
from amqpy.core.consumer import Consumer, DeliveryCount, ReturnWay
from amqpy.core.durability.records import LaneRecord, LaneState
from amqpy.core.message import Message, after_return
from amqpy.core.names import queue_text
from amqpy.core.queues.delayed_messages import DelayedMessages
from amqpy.core.queues.delayed_retry import DelayedRetry, UnroutedDeadLetters
from amqpy.core.queues.fifo_queue import RUN_BYTES, RUN_MESSAGES, FifoQueue
from amqpy.core.queues.paged_fifo import PagedFifo
from amqpy.core.queues.priority_fifo import PriorityFifo
from amqpy.core.queues.queue import READ_MAX, check_is_lasting
from amqpy.core.queues.quorum_dispatch import QuorumConsumer, QuorumDispatch
from amqpy.errors import ResourceLocked, Unimplemented
from amqpy.wire.properties import (
    PRIORITY_FLAG,
    flags_of,
    header_entries,
    headers_property,
    join_properties,
    priority_of,
    split_properties,
)
from amqpy.wire.values import INTEGER_KINDS, Field, entries_of, join_table, replace_entries

RETURNED_LEVEL = 32
"""The level of requeued messages: above every priority."""

DEFAULT_PRIORITY = 4
NUMBERS = INTEGER_KINDS | {"float", "double"}
UNREJECT_SHARE = 0.8
"""The share of its limit below which a queue that refuses messages takes them again."""


class QuorumQueue(FifoQueue):
    """A queue of type `quorum`."""

    type: ClassVar[str] = QUORUM
    prefetch: ClassVar[int] = 2000
    consumer_type: ClassVar[Callable[..., Consumer]] = QuorumConsumer
    dead_letters_last_first: ClassVar[bool] = True
    refusal_fails_commit: ClassVar[bool] = False
    keeps_all: ClassVar[bool] = True
    __slots__ = (
        "_delayed_retry",
        "_has_priorities",
        "_limit",
        "_rejects",
        "_unrouted",
    )

    def __init__(self, *arguments: Any, **properties: Any) -> None:  # noqa: ANN401 (those of a queue)
        super().__init__(*arguments, **properties)
        self._rejects = False
        self._has_priorities: bool | None = None
        """True if its messages have priorities; None is as the profile says. A restored queue goes on as it began, for
        its lanes in the store would not fit another profile."""
        self._limit: float | None = None
        self._delayed_retry: DelayedRetry | None = None
        self._unrouted: UnroutedDeadLetters | None = None
        self.ready = self._levelled()

    def configure(self, settings: Settings) -> None:
        if settings.overflow == "reject-publish-dlx":
            settings = settings._replace(overflow="drop-head")
        insists = settings.dead_letter_strategy == "at-least-once" and settings.overflow == "reject-publish"
        self.dead_letter_strategy = "at_least_once" if insists else "at_most_once"
        super().configure(settings)
        self._limit = self._delivery_limit()
        if settings.retry_type != "disabled" and settings.retry_min_ms:
            self._delayed_retry = self._delayed_retry or DelayedRetry(self)

    def _choose_path(self) -> None:
        """Keeps the FIFO with levels, and the publish, that every quorum queue has."""
        if self.settings.concern_publish:
            self.finish_draining()

    def _delivery_limit(self) -> float | None:
        """The number of deliveries that may fail; None is no limit.

        RabbitMQ 3 takes any value for the argument, and compares a count with it as Erlang does.
        """
        profile = self.vhost.profile
        field = self.arguments.get("x-delivery-limit")
        said = self.policy.definition.get("delivery-limit")
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

    def publish(self, message: Message) -> bool:
        if self.scheduler.queues_to_drain or self.scheduler.queues_to_drain_further:
            self.finish_draining()
        # RabbitMQ dead-letters at most once, without waiting for a confirm: a dead letter is never refused.
        if self._refuses() and not message.is_dead_letter:
            self.counts.refused += 1
            return True
        if self.dedup_keys is not None and self._is_duplicate(message):
            self.counts.duplicates += 1
            return False
        message = self._with_ttl(message)
        if message.expires_at_ms is not None:
            # With a TTL of 0 a message is still delivered to a consumer in line.
            message = message.until(max(message.expires_at_ms, self.scheduler.now_ms + 1))
            self.may_expire = True
        self.ready.append(message)
        self.drain()
        self._refuses()
        return False

    def publish_all(self, messages: list[Message]) -> Collection[int]:
        """`publish` for messages in a row, none of which has a TTL of its own. Returns the indices of those refused."""
        if self.scheduler.queues_to_drain or self.scheduler.queues_to_drain_further:
            self.finish_draining()
        if self.dedup_keys is not None or self._refuses() or not self.has_room_for(messages):
            return super().publish_all(messages)
        ttl_ms = self.settings.message_ttl_ms
        if ttl_ms is not None:
            at_ms = self.scheduler.now_ms + max(ttl_ms, 1)
            messages = [message.until(at_ms) for message in messages]
            self.may_expire = True
        self.ready.extend(messages)
        self.drain()
        return ()

    def _refuses(self) -> bool:
        """True if it is over its limit, or was and is not yet below `UNREJECT_SHARE` of it. The message that exceeds
        the limit is still taken."""
        self._rejects = self._is_over_limit()
        return self._rejects

    def _is_over_limit(self) -> bool:
        settings = self.settings
        if settings.overflow != "reject-publish":
            return False
        share = UNREJECT_SHARE if self._rejects else 1.0
        length, size = settings.max_length, settings.max_length_bytes
        return (length is not None and self._length() > int(share * length)) or (
            size is not None and self._size() > int(share * size)
        )

    def would_refuse(self, message: Message) -> bool:
        return self._is_over_limit() and not message.is_dead_letter

    def limits(self) -> tuple[int | None, int | None]:
        """The limits, less the messages that are held back for a retry: they count, too."""
        length, size = super().limits()
        if length is None or (self._delayed_retry is None and self._unrouted is None):
            return length, size
        return max(length - (self._length() - len(self.ready)), 0), size

    def has_room_for(self, messages: list[Message]) -> bool:
        """False also where undelivered dead letters count."""
        return self._unrouted is None and super().has_room_for(messages)

    @property
    def held_count(self) -> int:
        return 0 if self._delayed_retry is None else len(self._delayed_retry)

    def held_messages(self) -> Iterable[tuple[int, Message]]:
        return () if self._delayed_retry is None else self._delayed_retry.held.in_order()

    @property
    def delivery_limit(self) -> float | None:
        """The number of deliveries of a message that may fail; None is no limit."""
        return self._limit

    @property
    def undelivered_dead_letters(self) -> tuple[int, int]:
        """The number of dead letters that no queue has taken yet, and the bytes of their bodies."""
        return (0, 0) if self._unrouted is None else (len(self._unrouted), self._unrouted.size)

    def _length(self) -> int:
        return len(self.ready) + sum(len(held) for held in (self._delayed_retry, self._unrouted) if held is not None)

    def _size(self) -> int:
        assert isinstance(self.ready, PriorityFifo)
        return self.ready.size + (0 if self._unrouted is None else self._unrouted.size)

    # --- messages out

    def drain(self, read_max: int = READ_MAX) -> None:
        """Delivers, then applies the limits to what is left."""
        if self.is_held:
            return
        ready, dispatch, journal = self.ready, self.dispatch, self.scheduler.journal
        read_max += 0 if journal is None else journal.read_size
        while self.drop_expired() and dispatch.ready_consumers:
            count = 1 if ready.requeued else self._never_returned(dispatch.room_for(RUN_MESSAGES))
            if count > 1:
                self.deal(*ready.pop_many(count))
            elif (consumer := dispatch.next_consumer()) is not None:
                position, message, recovered = ready.pop()
                redelivered = message.acquired_count > 0 or recovered
                consumer.deliver(position, message, redelivered, self.shown(message) if redelivered else None)
                if not consumer.credit:
                    dispatch.rest(consumer)
            if journal is not None and journal.read_size > read_max:
                self.scheduler.queues_to_drain_further[self] = None
                return
        if self.settings.overflow == "drop-head":
            self.drop_excess()
        self.watch_first()

    def _never_returned(self, count: int) -> int:
        """The number of messages at the head, up to `count`, that were never delivered and are not expired, and that
        come to `RUN_BYTES`."""
        number = size = 0
        now_ms = self.scheduler.now_ms
        for message in islice(self.ready.never_delivered, count):
            at_ms = message.expires_at_ms
            if message.acquired_count or (at_ms is not None and at_ms <= now_ms) or size >= RUN_BYTES:
                break
            size += len(message.body)
            number += 1
        return number

    def take(self, *, no_ack: bool) -> tuple[int, Message, bool] | None:
        while not self.drop_expired() and self.ready:
            pass
        if not self.ready:
            return None
        position, message, recovered = self.ready.pop()
        if no_ack:
            # In RabbitMQ settling it is one more command, and each command drops what has expired.
            self.drop_expired()
        self.watch_first()
        return position, message, message.acquired_count > 0 or recovered

    def shown(self, message: Message, *, by_get: bool = False) -> Message:
        """The message with its delivery counts in its headers."""
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
        replace_entries(headers, entries_of(counts))
        properties["headers"] = headers_property(join_table(headers))
        return message.with_header(join_properties(message.header, properties))

    def requeue(self, position: int, message: Message, way: ReturnWay) -> None:
        """Requeues an unacknowledged message before all that were never delivered; without a delivery limit at the end,
        so that others are delivered, too. Beyond the limit it is dropped or dead-lettered."""
        self.settled_count += 1
        self.counts.requeued += 1
        counts_nacks = self.vhost.profile.quorum_counts_nacks
        failed = counts_nacks or way in {"reject", "down"}
        patient = way != "down" if counts_nacks else way in {"nack", "recover"}
        back = after_return(message, failed=failed, waits_first=self._limit is not None or not patient)
        if self._limit is not None and back.delivery_count > self._limit:
            self.counts.delivery_limit += 1
            self.drop(position, message, "delivery_limit")
            return
        if self.tracks_settlement:
            self.ready.settle(position, message)
        if back.waits_first and self._delayed_retry is not None and self._delayed_retry.hold(back, failed=failed):
            return
        self.take_back(back)

    def take_back(self, message: Message) -> None:
        """Makes a returned message ready again."""
        self.ready.append(message)
        self.may_expire = self.may_expire or message.expires_at_ms is not None
        self.scheduler.queues_to_drain[self] = None

    def put_in_place(self, message: Message, *, due_at_ms: int | None) -> None:
        """Takes a message as it was in such a queue, with its counts: ready, or held back until `due_at_ms`."""
        self.remember(message)
        self.counts.restored += 1
        if due_at_ms is not None and self._delayed_retry is not None:
            self._delayed_retry.put(due_at_ms, message)
        else:
            self.take_back(message)

    def retry_dead_letter(self, position: int | None, message: Message, reason: str) -> bool:
        if self.dead_letter_strategy == "at_most_once":
            return False
        self._unrouted = self._unrouted or UnroutedDeadLetters(self, self.scheduler)
        self._unrouted.hold(position, message, reason)
        return True

    def purge(self) -> int:
        count = super().purge()
        if self._delayed_retry is not None:
            for message in self._delayed_retry.held if self.dedup_keys is not None else ():
                self.forget(message)
            held_count = self._delayed_retry.discard()
            self.counts.purged += held_count
            count += held_count
        return count

    def close(self) -> None:
        super().close()
        if self._unrouted is not None:
            self._unrouted.clear()

    def release(self) -> None:
        super().release()
        self._delayed_retry = self._unrouted = None

    def lanes(self) -> Iterator[PagedFifo | DelayedMessages]:
        yield from super().lanes()
        if self._delayed_retry is not None:
            yield self._delayed_retry.held

    def restore(self, record: LaneRecord, state: LaneState, *, is_clean: bool) -> None:
        if 0 < record.level < RETURNED_LEVEL:
            self._has_priorities = True
        elif not record.level:
            self._has_priorities = self._has_priorities or False
        super().restore(record, state, is_clean=is_clean)

    def restore_held(self, number: int, entries: Iterable[tuple[int, Message, int]]) -> None:
        """Restores the messages that were held back for a retry from the store."""
        self._delayed_retry = self._delayed_retry or DelayedRetry(self)
        self._delayed_retry.restore(number, entries)
        self.counts.restored += len(self._delayed_retry)
        for message in self._delayed_retry.held if self.dedup_keys is not None else ():
            self.remember(message)

    def use(self, *, by_get: bool = False) -> None:
        """Restarts the timer of x-expires for basic.get only: queue.declare is no use of a quorum queue."""
        if by_get:
            super().use()

    # --- consumers

    dispatch: QuorumDispatch

    def _new_dispatch(self) -> QuorumDispatch:
        return QuorumDispatch(self.consumers, has_priorities=self.vhost.profile.quorum_priorities)

    def check_consume(self, unacked: DeliveryCount, *, exclusive: bool, no_ack: bool, prefetch: int) -> None:
        """Raises Unimplemented on a channel with global prefetch. The exclusive flag is accepted without effect."""
        if unacked.limit:
            raise Unimplemented(f"{self._text()} does not support global qos")

    def check_get(self) -> None:
        if self.settings.single_active:
            raise ResourceLocked(
                f"cannot obtain access to locked {self._text()}. basic.get operations are not supported by "
                f"{self.vhost.profile.quorum_in_text} queues with single active consumer"
            )

    @property
    def returns_in_turn(self) -> bool:
        return self.vhost.profile.returns_in_turn

    @property
    def consumer_count(self) -> int:
        """The consumers as RabbitMQ counts them: with those that left and have unacknowledged messages, and one for
        each unacknowledged basic.get; without those that wait to become the single active one."""
        got = self.unacked_count - sum(consumer.unacked_count for consumer in (*self.consumers, *self.dispatch.leavers))
        present = min(1, len(self.consumers)) if self.settings.single_active else len(self.consumers)
        return present + len(self.dispatch.leavers) + got

    def check_delete(self, *, if_unused: bool, if_empty: bool) -> None:
        for flag, given in (("if-unused", if_unused), ("if-empty", if_empty)):
            if given:
                raise Unimplemented(
                    f"cannot delete {self._text()}. queue.delete operations with {flag} flag set are not supported "
                    "by quorum queues"
                )

    @classmethod
    def check_properties(cls, what: str, *, durable: bool, exclusive: bool, auto_delete: bool) -> None:
        check_is_lasting(what, durable=durable, exclusive=exclusive, auto_delete=auto_delete)

    def _text(self) -> str:
        return queue_text(self.vhost, self.name)
