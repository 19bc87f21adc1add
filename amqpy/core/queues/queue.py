"""A queue: what is declared, bound, governed by policies and consumed from, whatever its type.

The messages are the types' own: `classic`, `quorum`; both keep theirs in a FIFO until they are acknowledged
(`fifo_queue`). A type is a class with the operations below, registered in `topology.QUEUE_TYPES`.

Source: AMQP 0-9-1 section 3.1.4; `rabbit_amqqueue`, `rabbit_queue_type`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import ClassVar, Literal, NamedTuple, Protocol, TypeAlias

from amqpy.core.arguments import NO_SETTINGS, Settings
from amqpy.core.consumer import Consumer, DeliveryCount, ReturnWay
from amqpy.core.durability.records import LaneRecord, LaneState
from amqpy.core.effective_policy import NO_POLICY
from amqpy.core.jobs import Steps
from amqpy.core.message import Message
from amqpy.core.names import queue_text
from amqpy.core.ports import Client
from amqpy.core.queues.delayed_messages import DelayedMessages
from amqpy.core.queues.expiry import QueueExpiry
from amqpy.core.queues.paged_fifo import PagedFifo
from amqpy.core.queues.ready_fifo import Place
from amqpy.core.scheduler import Scheduler
from amqpy.core.statistics import Counts, QueueCounts, Sizes, delivery_stats
from amqpy.core.watcher import Watcher
from amqpy.errors import PreconditionFailed, UnfitProperty
from amqpy.profile import Profile
from amqpy.wire.values import Table

READ_MAX = 4 * 1024 * 1024
"""Bytes of bodies that are read from the store for the deliveries of one turn: a few milliseconds of work."""


Fate: TypeAlias = Literal["taken", "refused", "duplicate", "drops-head"]
"""The fate of a message at the door of a queue. With `drops-head` the queue is too long with it, and one message is
dropped from the head, which may be this one."""

SIZED_MAX = 10_000
"""Messages that are looked at for the sizes of all: a millisecond of work."""


class Ahead(NamedTuple):
    """A ready message."""

    place: Place
    message: Message
    """As basic.get would show it."""
    redelivered: bool
    """True if it would be redelivered."""
    is_expired: bool
    """True if it will be dropped when it is the first."""
    kept: Message
    """The same message as it is kept here: without the headers that the queue itself adds."""


class QueueHost(Protocol):
    """The virtual host of a queue, as the queue sees it."""

    @property
    def name(self) -> str: ...
    @property
    def profile(self) -> Profile: ...
    @property
    def watchers(self) -> Sequence[Watcher]: ...

    def take_queue(self, queue: "Queue") -> Steps:
        """Deletes a queue: a job."""


class Queue(ABC):
    """A queue of a vhost."""

    type: ClassVar[str]
    """The value of `x-queue-type` that declares it."""
    refusal_fails_commit: ClassVar[bool] = True
    """True if tx.commit fails when a message is refused here."""
    is_reply_queue: ClassVar[bool] = False
    counts_what_is_deleted: ClassVar[bool] = True
    """True if queue.delete tells the number of its messages."""
    consumer_type: ClassVar[Callable[..., Consumer]] = Consumer
    prefetch: ClassVar[int] = 0
    """The prefetch of a consumer that set none; 0 is no limit."""
    __slots__ = (
        "arguments",
        "auto_delete",
        "consumers",
        "counts",
        "deleted",
        "delivered_count",
        "durable",
        "expiry",
        "is_held",
        "may_expire",
        "name",
        "owner",
        "policy",
        "scheduler",
        "settings",
        "settled_count",
        "tracks_settlement",
        "vhost",
    )

    def __init__(
        self,
        vhost: QueueHost,
        name: str,
        *,
        durable: bool,
        auto_delete: bool,
        owner: Client | None,
        arguments: Table,
        scheduler: Scheduler,
    ) -> None:
        self.vhost = vhost
        self.name = name
        self.scheduler = scheduler
        self.durable = durable
        self.auto_delete = auto_delete
        self.owner = owner
        """The connection of an exclusive queue, else None."""
        self.arguments = arguments
        self.settings = NO_SETTINGS
        self.policy = NO_POLICY
        self.expiry: QueueExpiry | None = None
        self.consumers: dict[Consumer, None] = {}
        self.counts = QueueCounts()
        self.delivered_count = self.settled_count = 0
        """The deliveries that had to be acknowledged, and those of them that were, or were rejected or requeued."""
        self.deleted = False
        self.is_held = False
        self.may_expire = False
        """True if a message with an expiry time was published since the queue was empty."""
        self.tracks_settlement = durable and scheduler.journal is not None

    # --- settings

    def configure(self, settings: Settings) -> None:
        """Applies what arguments and policies come to."""
        before, self.settings = self.settings, settings
        if settings.expires_ms != before.expires_ms:
            if self.expiry is not None:
                self.expiry.end()
            self.expiry = None if settings.expires_ms is None else QueueExpiry(self, settings.expires_ms)
        if settings.consumer_timeout_ms is not None and self.scheduler.consumer_timeouts is not None:
            self.scheduler.consumer_timeouts.start()

    def use(self, *, by_get: bool = False) -> None:
        """Restarts the timer of x-expires: the queue was declared again or asked for a message."""
        if self.expiry is not None:
            self.expiry.renew()

    @property
    def consumer_count(self) -> int:
        return len(self.consumers)

    @property
    def declared_consumer_count(self) -> int:
        """The number of consumers that queue.declare tells."""
        return self.consumer_count

    @property
    def unacked_count(self) -> int:
        """The number of messages that are unacknowledged."""
        return self.delivered_count - self.settled_count

    def message_stats(self) -> Counts:
        """The message statistics, derived from where all messages went that came here: see decision 19."""
        counts = self.counts
        sent_no_ack = counts.sent_no_ack + sum(consumer.sent_no_ack for consumer in self.consumers)
        acked = self.settled_count - counts.requeued - counts.rejected
        gone = acked + sent_no_ack + counts.got_no_ack + sum(counts.dropped.values())
        taken = self.ready_count + self.held_count + self.unacked_count + gone - counts.restored
        publish = taken + counts.refused + counts.duplicates - counts.of_broker
        return {"publish": publish, "ack": acked, **delivery_stats(self.delivered_count, sent_no_ack, counts)}

    @abstractmethod
    def ready_sizes(self, count_max: int = SIZED_MAX) -> Sizes:
        """The size of the ready messages. Of those in memory, at most `count_max` of each level are looked at, and
        stand for all."""

    @abstractmethod
    def is_persistent(self, message: Message) -> bool:
        """True if the message survives a restart here."""

    def lasting_stats(self) -> dict[tuple[str, str], int]:
        """The counters that metrics show by type of queue, and that outlive the queue."""
        stats = self.message_stats()
        stats |= {f"dropped_{reason}": count for reason, count in self.counts.dropped.items()}
        for (strategy, reason), count in self.counts.dead_lettered.items():
            stats[f"dead_lettered_{strategy}_{reason}"] = count
        return {(self.type, name): count for name, count in stats.items()}

    @property
    def held_count(self) -> int:
        """The number of messages that are neither ready nor unacknowledged: they wait for a retry."""
        return 0

    @property
    @abstractmethod
    def ready_count(self) -> int:
        """The number of messages that are ready."""

    @property
    @abstractmethod
    def in_memory_count(self) -> int:
        """The number of ready messages that are not on disk only."""

    @property
    def returns_in_turn(self) -> bool:
        return False  # no matter where messages go back to their old positions

    @property
    def is_patient(self) -> bool:
        """True if a message may as well stay here as wait to be read by the consumer: no other consumer could take
        it, and no limit or TTL drops it."""
        return False

    # --- consumers

    @property
    @abstractmethod
    def active_consumer(self) -> Consumer | None:
        """The single active consumer, where the queue has one."""

    def check_consume(  # noqa: B027 (a queue may be consumed from)
        self, unacked: DeliveryCount, *, exclusive: bool, no_ack: bool, prefetch: int
    ) -> None:
        """Raises the fault that refuses a consumer of this channel."""

    def add_consumer(self, consumer: Consumer) -> None:
        self.consumers[consumer] = None
        consumer.unacked.consumers[consumer] = None
        if self.expiry is not None:
            self.expiry.renew()

    def remove_consumer(self, consumer: Consumer) -> None:
        """Removes a consumer. Its unacknowledged messages stay with its channel."""
        del self.consumers[consumer]
        del consumer.unacked.consumers[consumer]
        if self.expiry is not None and not self.consumers:
            self.expiry.renew()

    @abstractmethod
    def line_up(self, consumer: Consumer) -> None:
        """Is told that a consumer that was blocked can take messages."""

    @abstractmethod
    def drain(self, read_max: int = READ_MAX) -> None:
        """Delivers as long as there is a ready message and a consumer for it. After reading more than `read_max` bytes
        from the store it goes on in the next turn."""

    # --- messages

    @abstractmethod
    def publish(self, message: Message) -> bool:
        """Takes the message, or returns True: then it is refused (x-overflow). If a consumer is in line, the message
        is delivered at once."""

    def publish_all(self, messages: list[Message]) -> Collection[int]:
        """`publish` for messages in a row, none of which has a TTL of its own. Returns the indices of those refused."""
        return [index for index, message in enumerate(messages) if self.publish(message)]

    @abstractmethod
    def foresee(self, message: Message) -> Fate:
        """The fate of such a message if it was published now. Nothing changes by it."""

    @abstractmethod
    def take(self, *, no_ack: bool) -> tuple[int, Message, bool] | None:
        """Takes the first message for basic.get: position, message, redelivered; None when there is none."""

    @abstractmethod
    def peek(self, count: int, after: Place | None = None) -> Iterator[Ahead]:
        """Yields the first ready messages, or those after a place, up to `count`. Nothing changes by it; and nothing
        may, meanwhile."""

    @abstractmethod
    def leap(self, count: int) -> tuple[Place | None, int]:
        """The place of the last of the first `count` ready messages, to go on after it, and that count; or of an
        earlier one, where it costs more to find it, and its count. None is before all."""

    @abstractmethod
    def ends(self) -> Mapping[int, int]:
        """The positions, by level, that the next messages get: those that come later are at these, or behind."""

    @abstractmethod
    def take_out(self, some: Sequence[Ahead]) -> None:
        """Removes ready messages for good, from wherever they stand. `peek` has just yielded them, in this order. No
        place behind the last of them changes."""

    def held_messages(self) -> Iterable[tuple[int, Message]]:
        """The messages that wait for a retry, and the times at which it is due, in their order."""
        return ()

    @abstractmethod
    def expire(self) -> Steps:
        """Drops the expired messages at the head before `take`, which would have to do it in one go: a job."""

    def shown(self, message: Message, *, by_get: bool = False) -> Message:
        """The message as it is sent to a client."""
        return message

    def delivered(self, position: int, message: Message) -> Message:
        """The message that was delivered, which the queue may have kept itself."""
        return message

    @abstractmethod
    def requeue(self, position: int, message: Message, way: ReturnWay) -> None:
        """Requeues an unacknowledged message."""

    def requeued(self) -> None:  # noqa: B027 (without a limit there is nothing to do)
        """Is called when all messages of one requeue are back: only then does a length limit drop any."""

    @abstractmethod
    def reject(self, position: int, message: Message) -> None:
        """Drops or dead-letters an unacknowledged message."""

    @abstractmethod
    def settled(self, position: int, message: Message) -> None:
        """Forgets a message that was acknowledged, dropped or expired. Called only if `tracks_settlement`."""

    @abstractmethod
    def settled_all(self, positions: Sequence[int], messages: Sequence[Message]) -> None:
        """`settled` for many."""

    @abstractmethod
    def level_of(self, message: Message) -> int:
        """The priority level of the message; the highest is delivered first."""

    @abstractmethod
    def dead_lettered(self, position: int | None, message: Message) -> None:
        """Settles a message whose dead letter was sent, or had nowhere to go."""

    def retry_dead_letter(self, position: int | None, message: Message, reason: str) -> bool:
        """Called when no queue took the dead letter. True if it will be sent again."""
        return False

    @abstractmethod
    def purge(self) -> int:
        """Drops the ready messages and returns their number. They are freed bit by bit."""

    @abstractmethod
    def on_timer(self) -> None:
        """Drops the first messages when they expire (`scheduler.TimerTarget`)."""

    # --- the store, and the end

    @abstractmethod
    def lanes(self) -> Iterator[PagedFifo | DelayedMessages]:
        """Its lanes in the store, also those that are empty."""

    @abstractmethod
    def restore(self, record: LaneRecord, state: LaneState, *, is_clean: bool) -> None:
        """Makes the messages that the store has in one of its lanes ready again; `is_clean` if the last stop was."""

    @abstractmethod
    def restored(self) -> None:
        """Is called when all messages are restored, also the unacknowledged ones."""

    @abstractmethod
    def close(self) -> None:
        """Drops its lanes from the store when it is deleted, with ready and unacknowledged messages."""

    def delete(self) -> Steps:
        """Deletes the queue with its messages, and notifies its consumers: a job."""
        return self.vhost.take_queue(self)

    def release(self) -> None:
        """Breaks reference cycles when it is deleted and empty: the garbage collector runs seldom."""
        if self.expiry is not None:
            self.expiry.end()
        self.expiry = None

    # --- checks

    def check_get(self) -> None:  # noqa: B027 (most queues support it)
        """Raises the fault that refuses basic.get, where the queue does not support it."""

    def check_purge(self) -> None:  # noqa: B027 (most queues support it)
        """Raises the fault that refuses queue.purge, where the queue does not support it."""

    def check_return(self) -> None:  # noqa: B027 (most queues support it)
        """Raises the fault that refuses basic.nack, basic.reject and basic.recover, where the queue does not support
        them."""

    def check_delete(self, *, if_unused: bool, if_empty: bool) -> None:
        """Raises PreconditionFailed if a condition does not hold, Unimplemented if the flag is not supported."""
        if if_unused and self.consumers:
            raise PreconditionFailed(f"{queue_text(self.vhost, self.name)} in use")
        if if_empty and self.ready_count:
            raise PreconditionFailed(f"{queue_text(self.vhost, self.name)} not empty")

    @classmethod  # noqa: B027 (a queue may have any)
    def check_properties(cls, what: str, *, durable: bool, exclusive: bool, auto_delete: bool) -> None:
        """Raises PreconditionFailed for what a queue of this type cannot be."""

    @classmethod  # noqa: B027 (few queues have sizes)
    def check_sizes(cls, arguments: Table, profile: Profile) -> None:
        """Raises PreconditionFailed for arguments that are too large or too small; their types are checked before."""


def check_is_lasting(what: str, *, durable: bool, exclusive: bool, auto_delete: bool) -> None:
    """Checks the properties of a queue that is to be found again. Raises UnfitProperty."""
    for name, given in (("auto-delete", auto_delete), ("exclusive-owner", exclusive), ("non-durable", not durable)):
        if given:
            raise UnfitProperty(f"invalid property '{name}' for {what}")
