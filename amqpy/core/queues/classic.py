"""Classic queues: messages in order, consumers in line.

Most queues have no arguments and no policy: they have a fast publish, which checks nothing else. Settings that concern
a publish act beside that path, in `_admit`.

Source: AMQP 0-9-1 section 3.1.4; `rabbit_classic_queue`, `rabbit_amqqueue_process`.
"""

from collections import deque
from collections.abc import Collection
from itertools import islice
from typing import Any, ClassVar

from amqpy.core.arguments import CLASSIC
from amqpy.core.consumer import ReturnWay
from amqpy.core.message import Message
from amqpy.core.queues.fifo_queue import RUN_BYTES, RUN_MESSAGES, FifoQueue
from amqpy.core.queues.priority_fifo import PriorityFifo
from amqpy.core.queues.queue import READ_MAX
from amqpy.wire.properties import priority_of


class ClassicQueue(FifoQueue):
    """A queue of type `classic`."""

    type: ClassVar[str] = CLASSIC
    __slots__ = ("has_fast_publish",)

    def __init__(self, *arguments: Any, **properties: Any) -> None:  # noqa: ANN401 (those of a queue)
        super().__init__(*arguments, **properties)
        self.has_fast_publish = True
        """True if no setting concerns a publish, and there is one level."""

    def _choose_path(self) -> None:
        if self.settings.max_priority or self.settings.max_length_bytes is not None:
            if not isinstance(self.ready, PriorityFifo):
                self.ready = self._levelled()
        elif isinstance(self.ready, PriorityFifo):
            self.ready = self.ready.base()
        self.has_fast_publish = not self.settings.concern_publish and self.dedup_keys is None
        if not self.has_fast_publish:
            self.end_patience()

    def level_of(self, message: Message) -> int:
        """The priority level of the message; the highest is delivered first."""
        highest = self.settings.max_priority
        return min(priority_of(message.header), highest) if highest else 0

    # --- messages in

    @property
    def is_patient(self) -> bool:
        return self.has_fast_publish and not self.may_expire and len(self.consumers) == 1

    def publish(self, message: Message) -> bool:
        """Takes the message, or returns True: then it is refused (x-overflow). If a consumer is in line, the message
        is delivered at once."""
        if not self.has_fast_publish:
            if self.scheduler.queues_to_drain or self.scheduler.queues_to_drain_further:
                self.finish_draining()
            return self._admit(message)
        ready = self.ready
        dispatch = self.dispatch
        if dispatch.ready_consumers and not ready.never_delivered and not ready.requeued:
            consumer = dispatch.next_consumer()
            if consumer is not None:
                consumer.deliver(ready.append_and_pop(message), message, False)
                return False
        if message.expires_at_ms is not None:
            return self._admit(message)
        ready.append(message)
        return False

    def publish_all(self, messages: list[Message]) -> Collection[int]:
        """`publish` for messages in a row, none of which has a TTL of its own. Returns the indices of those refused."""
        if self.has_fast_publish:
            self.ready.extend(messages[self._hand_out(messages) :])
            return ()
        settings = self.settings
        if self.dedup_keys is not None or (settings.overflow != "drop-head" and not self.has_room_for(messages)):
            return super().publish_all(messages)
        if self.scheduler.queues_to_drain or self.scheduler.queues_to_drain_further:
            self.finish_draining()
        if settings.message_ttl_ms != 0:
            self._admit_all(messages)
        elif self.dispatch.ready_consumers or self.ready or self.limits() != (None, None):
            return super().publish_all(messages)
        else:
            self._expire_all(messages)
        return ()

    def _hand_out(self, messages: list[Message]) -> int:
        """Delivers the messages as long as there is a consumer in line and nothing else ready, without keeping them;
        returns their number."""
        ready, dispatch = self.ready, self.dispatch
        if ready.never_delivered or ready.requeued:
            return 0
        done, count = 0, len(messages)
        while done < count and dispatch.ready_consumers:
            room = dispatch.room_for(count - done)
            if room > 1:
                some = messages[done : done + room]
                self.deal(ready.append_and_pop_all(some), some)
                done += room
            elif (consumer := dispatch.next_consumer()) is not None:
                consumer.deliver(ready.append_and_pop(messages[done]), messages[done], False)
                done += 1
        return done

    def _admit(self, message: Message) -> bool:
        """`publish` where arguments or policies concern it."""
        settings = self.settings
        if self.would_refuse(message):
            if settings.overflow == "reject-publish-dlx":
                self.counts.refused_dead += 1
                self.dead_letter(None, message, "maxlen")
            self.counts.refused += 1
            return True
        if self.dedup_keys is not None and self._is_duplicate(message):
            self.counts.duplicates += 1
            return False
        message = self._with_ttl(message)
        if message.expires_at_ms is not None and not self.may_expire:
            self._expect_expiry()
        ready = self.ready
        dispatch = self.dispatch
        if dispatch.ready_consumers and not ready.never_delivered and not ready.requeued:
            consumer = dispatch.next_consumer()
            if consumer is not None:
                consumer.deliver(ready.append_and_pop(message), message, False)
                return False
        ready.append(message)
        if settings.overflow == "drop-head":
            self.drop_excess()
        if message.expires_at_ms is not None:
            self._note_expiry(message.expires_at_ms)
        elif self.may_expire:
            self.watch_first()
        return False

    def _admit_all(self, messages: list[Message]) -> None:
        """`_admit` for messages in a row, none of which is refused."""
        ttl_ms = self.settings.message_ttl_ms
        if ttl_ms is not None:
            at_ms = self.scheduler.now_ms + ttl_ms
            messages = [message.until(at_ms) for message in messages]
            if not self.may_expire:
                self._expect_expiry()
        rest = messages[self._hand_out(messages) :]
        if not self.has_room_for(rest):
            for message in rest:
                self._admit(message)
        elif rest:
            self.ready.extend(rest)
            if self.may_expire:
                self.watch_first()

    def _expire_all(self, messages: list[Message]) -> None:
        """`_admit` for messages that expire at once, with nothing before them and nobody to take them."""
        for message in messages:
            position = self.ready.append_and_pop(message)
            self.counts.expired += 1
            self.drop(position, message, "expired")

    def _expect_expiry(self) -> None:
        """Is told of the first message that may expire."""
        self.may_expire = True
        if self.consumers:
            self.end_patience()
            self.may_expire = True  # also if nothing is ready any more

    def _note_expiry(self, at_ms: int) -> None:
        """Sets the timer for a message that expires at `at_ms`; if that is now, drops it before the next publish."""
        if at_ms <= self.scheduler.now_ms:
            self.drop_expired()
        self.watch_first()

    def would_refuse(self, message: Message) -> bool:
        if self.settings.overflow == "drop-head":
            return False
        length, size = self.settings.max_length, self.settings.max_length_bytes
        return (length is not None and len(self.ready) >= length) or (
            size is not None and isinstance(self.ready, PriorityFifo) and self.ready.size + len(message.body) > size
        )

    # --- messages out

    def drain(self, read_max: int = READ_MAX) -> None:
        """Delivers as long as there is a ready message and a consumer in line. After reading more than `read_max` bytes
        from the store it goes on in the next turn."""
        if self.may_expire or self.is_held:
            self._drain_expiring(read_max)
            return
        ready, journal = self.ready, self.scheduler.journal
        read_max += 0 if journal is None else journal.read_size
        dispatch = self.dispatch
        while (ready.never_delivered or ready.requeued) and dispatch.ready_consumers:
            count = min(len(ready.never_delivered), RUN_MESSAGES)
            room = 1 if ready.requeued else dispatch.room_for(count)
            if room > 1:
                self.deal(*ready.pop_many(_within_bytes(ready.never_delivered, room)))
            elif (consumer := dispatch.next_consumer()) is not None:
                position, message, returned = ready.pop()
                consumer.deliver(position, message, returned)
            if journal is not None and journal.read_size > read_max:
                self.scheduler.queues_to_drain_further[self] = None
                return

    def _drain_expiring(self, read_max: int) -> None:
        """`drain` where messages may have expired, or a large requeue goes on."""
        if self.is_held:
            return
        ready, journal = self.ready, self.scheduler.journal
        read_max += 0 if journal is None else journal.read_size
        while self.drop_expired() and (consumer := self.dispatch.next_consumer()) is not None:
            position, message, returned = ready.pop()
            consumer.deliver(position, message, returned)
            if journal is not None and journal.read_size > read_max:
                self.scheduler.queues_to_drain_further[self] = None
                break
        self.watch_first()

    def take(self, *, no_ack: bool) -> tuple[int, Message, bool] | None:
        """Takes the first message for basic.get: position, message, redelivered; None when there is none. Expired
        messages behind it are dropped at once, so that they are not counted."""
        if self.may_expire:
            while not self.drop_expired() and self.ready:
                pass
        if not self.ready:
            return None
        taken = self.ready.pop()
        if self.may_expire:
            self.drop_expired()
            self.watch_first()
        return taken

    def requeue(self, position: int, message: Message, way: ReturnWay) -> None:
        """Requeues an unacknowledged message at its old position."""
        self.settled_count += 1
        self.counts.requeued += 1
        self.ready.put_back(position, message)
        if self.dispatch.ready_consumers:
            self.scheduler.queues_to_drain[self] = None
        if message.expires_at_ms is not None or self.may_expire:
            self.may_expire = True
            self.watch_first()

    def requeued(self) -> None:
        if self.settings.overflow == "drop-head":
            self.drop_excess()


def _within_bytes(messages: deque[Message], count: int) -> int:
    """The number of messages, up to `count`, that come to `RUN_BYTES`."""
    size = 0
    for number, message in enumerate(islice(messages, count), 1):
        size += len(message.body)
        if size >= RUN_BYTES:
            return number
    return count
