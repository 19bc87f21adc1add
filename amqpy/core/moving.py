"""Messages on their way from a queue to elsewhere: out of it, and published anew, in one step of the broker.

Both are in the same batch of the store, so that a crash finds a message in one place. One that would not arrive stays
where it is, as if nobody had looked at it: no queue would get it, or one of those that would is full and refuses it, or
would drop another one for it. Messages that come to the queue meanwhile are left alone, so it ends, also if they are
published to the queue that they come from.

For the queue a moved message was got without acknowledgement (basic.get). In its new one it is a new message, as
RabbitMQ's shovel would publish it: with its properties, and the time to live that these give it from now on; not
redelivered, and with no failed deliveries. Unlike there, the history of its deaths is still believed.

Source: `rabbit_shovel_behaviour`, `rabbit_amqp091_shovel` for what it must not be worse than.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Final, NamedTuple

from amqpy.core.argument_validators import check_expiration
from amqpy.core.checks import check_permission, find_open_exchange, open_queue
from amqpy.core.dead_letter import origin_of
from amqpy.core.jobs import LOT, UNITS_AT_ONCE
from amqpy.core.message import AnnotatedMessage, Keys, Message, PersistentMessage, Target, address_of, deliver
from amqpy.core.message_filter import MessageFilter
from amqpy.core.names import queue_text
from amqpy.core.ports import Client
from amqpy.core.publishing import check_copies, count_published, find_route, targets_of, tell_refused
from amqpy.core.queue_contents import READ_UNIT, QueueMessage
from amqpy.core.queues.paged_fifo import PAGE_BYTES
from amqpy.core.queues.queue import Ahead, Fate, Queue
from amqpy.core.routing import Route
from amqpy.core.unacked import UnackedDeliveries
from amqpy.core.vhost import Vhost
from amqpy.errors import AmqpFault, NotFound, PreconditionFailed
from amqpy.wire.properties import EXPIRATION_FLAG, USER_ID_FLAG, decode_properties, flags_of

if TYPE_CHECKING:
    from amqpy.core.queues.ready_fifo import Place

MOVE_UNITS: Final = 12
ORIGIN_UNITS: Final = 25
TARGET_UNITS: Final = 3
"""The costs of moving a message, of finding its origin, and of each queue that gets it, in the units of `jobs`."""

AHEAD_MIN: Final = 20
"""Messages that are looked for in one step, at least."""

SHOWN_MAX: Final = 20
"""Messages of which it is told what became of them."""

REASONS_MAX: Final = 20
QUEUES_MAX: Final = 1000
"""Reasons, and queues, that are counted by their names."""

OBJECTIONS: Final[dict[Fate, str]] = {
    "refused": "queue '{}' is full",
    "drops-head": "queue '{}' is full, and would drop a message for this one",
    "duplicate": "queue '{}' has a message with the same x-deduplication-header",
}


class Outcome(Enum):
    """The fate of a message that was to be moved."""

    MOVED = "moved"
    UNROUTABLE = "unroutable"
    """No queue would get it."""
    REFUSED = "refused"
    """The user may not publish it so, or a queue does not take it."""
    WITHOUT_ORIGIN = "without_origin"
    """It is to go back to the queue where it died first, and has not died."""


class Destination(NamedTuple):
    """An exchange that messages are published to."""

    exchange: str = ""
    routing_key: str | None = None
    """None for the keys that a message has: its own, and those of CC and BCC."""


class Shown(NamedTuple):
    """A message, and what became of it."""

    message: QueueMessage
    number: int
    """Counts the messages that were looked at, from 1."""
    exchange: str | None
    routing_key: str | None
    """The address that it was published with; None if it has no origin."""
    queues: tuple[str, ...]
    """The names of the queues that got it."""
    outcome: Outcome
    reason: str


class Stays(Exception):
    """A message is not moved."""

    def __init__(self, outcome: Outcome, reason: str = "") -> None:
        super().__init__(reason)
        self.outcome = outcome
        self.reason = reason


class Moving(Iterator[int]):
    """The work of moving messages from one queue: a job (`jobs.Steps`). Where `next` raises Undecided it goes on, with
    the same message, when it is called again. Between two steps anything may happen."""

    def __init__(
        self,
        client: Client,
        vhost: Vhost,
        queue_name: str,
        to: Destination | None,
        wanted: MessageFilter,
        unacked: UnackedDeliveries,
        *,
        count: int | None = None,
        user_id: str | None = None,
        dry_run: bool = False,
    ) -> None:
        """Without a destination each message goes back to the queue where it died first. At most `count` are moved;
        `unacked` is the place of a channel in whose name they are got and published; `user_id` is the only user that
        they may have in their properties, unless they go back, None if any. With `dry_run` nothing happens, but is
        counted. Raises what refuses it as a whole: AccessRefused, NotFound, ResourceLocked; Undecided."""
        self.scanned = self.matched = 0
        self.outcomes = Counter[Outcome]()
        self.reasons = Counter[str]()
        """The reasons for which messages were refused."""
        self.queues = Counter[str]()
        """The queues that got messages, by their names."""
        self.shown: list[Shown] = []
        self.stopped_by: AmqpFault | None = None
        """The fault that ended it before its time: the queue or the exchange is gone, or a permission."""
        self._client, self._vhost = client, vhost
        self._to, self._wanted, self._unacked = to, wanted, unacked
        self._left = count
        self._user_id = user_id
        self._dry_run = dry_run
        self._queue_name = queue_name
        self._queue = self._check()
        self._ends = dict(self._queue.ends())
        """The positions, by level, at or behind which messages are that came later."""
        self._place: Place | None = None
        """The place of the last message that was looked at."""
        self._ahead = LOT
        """Messages that are looked for in one step: about as many as it has time for."""
        self._routes: dict[tuple[str, str], Route] = {}
        """Those of this step."""
        self._spent = 0
        """Units of work done in this step."""
        self._is_over = False

    def __iter__(self) -> "Moving":
        return self

    def __next__(self) -> int:
        if self._is_over:
            raise StopIteration
        try:
            if self._check() is not self._queue:
                raise NotFound(f"no {queue_text(self._vhost, self._queue_name)}")
        except AmqpFault as fault:
            self.stopped_by = fault
            self._is_over = True
            raise StopIteration from None
        self._routes.clear()
        return self._step()

    def _check(self) -> Queue:
        """The queue, if messages may be taken from it, and published. Raises what refuses it."""
        client, vhost = self._client, self._vhost
        check_permission(client, vhost, "read", "queue", self._queue_name)
        queue = open_queue(client, vhost, self._queue_name)
        queue.check_purge()
        exchange = "" if self._to is None else self._to.exchange
        check_permission(client, vhost, "write", "exchange", exchange)
        find_open_exchange(vhost, exchange)
        return queue

    # --- looking for messages

    def _step(self) -> int:
        queue = self._queue
        if not self._dry_run:
            queue.use(by_get=True)
        page, size = self._page()
        self._spent = 1 + size // READ_UNIT
        self._is_over = not page
        gone: list[Ahead] = []
        looked_at = 0
        try:
            for ahead in page:
                looked_at += 1
                if ahead.place[1] >= self._ends.get(ahead.place[0], 0):
                    self._skip_level(ahead.place[0])
                    break
                is_last = self._look(ahead, gone)
                self._place = ahead.place
                if is_last or self._spent >= UNITS_AT_ONCE:
                    break
        finally:
            # What was published must not stay here, whatever comes next.
            if gone:
                queue.take_out(gone)
        self._ahead = max(AHEAD_MIN, min(LOT, 2 * looked_at))
        return self._spent

    def _page(self) -> tuple[list[Ahead], int]:
        """The next messages, and the bytes of their bodies."""
        page: list[Ahead] = []
        size = 0
        for ahead in self._queue.peek(self._ahead, self._place):
            page.append(ahead)
            size += len(ahead.kept.body)
            if size >= PAGE_BYTES:
                break
        return page, size

    def _skip_level(self, level: int) -> None:
        """Passes by messages that came meanwhile, and all others of their level."""
        if level <= min(self._ends):
            self._is_over = True
        else:
            self._place = (level - 1, -1)

    def _look(self, ahead: Ahead, gone: list[Ahead]) -> bool:
        """Moves a message, if it is wanted. True if nothing may be moved any more before the others are looked for
        again. Raises Undecided, and then has done nothing."""
        self._spent += self._wanted.units
        if ahead.is_expired or not self._wanted.matches(ahead.message):
            self.scanned += not ahead.is_expired
            return False
        self._spent += MOVE_UNITS + ORIGIN_UNITS * (self._to is None)
        exchange = routing_key = None
        targets: tuple[Target, ...] = ()
        outcome, reason = Outcome.MOVED, ""
        try:
            exchange, routing_key, message = self._republished(ahead.kept)
            targets = self._publish(ahead, gone, exchange, routing_key, message)
        except Stays as stays:
            outcome, reason = stays.outcome, stays.reason
        except AmqpFault as fault:
            outcome, reason = Outcome.REFUSED, fault.reply_text
        names = tuple(target.name for target in targets if target.name)
        self._note(ahead, exchange, routing_key, names, outcome, reason)
        self._is_over = self._left == 0
        return self._is_over or self._queue in targets

    def _note(
        self,
        ahead: Ahead,
        exchange: str | None,
        routing_key: str | None,
        names: tuple[str, ...],
        outcome: Outcome,
        reason: str,
    ) -> None:
        self.scanned += 1
        self.matched += 1
        self.outcomes[outcome] += 1
        if outcome is Outcome.MOVED and self._left is not None:
            self._left -= 1
        if reason and (reason in self.reasons or len(self.reasons) < REASONS_MAX):
            self.reasons[reason] += 1
        for name in names:
            if name in self.queues or len(self.queues) < QUEUES_MAX:
                self.queues[name] += 1
        if len(self.shown) < SHOWN_MAX:
            now_ms = self._queue.scheduler.now_ms
            message = QueueMessage("ready", ahead.message, ahead.redelivered, now_ms)
            self.shown.append(Shown(message, self.scanned, exchange, routing_key, names, outcome, reason))

    # --- publishing them

    def _republished(self, message: Message) -> tuple[str, str, Message]:
        """The exchange and the routing key that a message is published with, and the message itself. Raises Stays, and
        the fault that refuses it."""
        more_keys: Keys = ()
        if self._to is None:
            origin = origin_of(message, self._vhost.profile)
            if origin is None:
                raise Stays(Outcome.WITHOUT_ORIGIN)
            exchange, routing_key = "", origin
        else:
            exchange, routing_key = self._to.exchange, self._to.routing_key or ""
            if self._to.routing_key is None:
                routing_key, more_keys = message.routing_key, message.more_keys
            if self._user_id is not None and flags_of(message.header) & USER_ID_FLAG:
                self._check_user_id(decode_properties(message.header)["user_id"])
        expires_at_ms = None
        if flags_of(message.header) & EXPIRATION_FLAG:
            ttl_ms = check_expiration(decode_properties(message.header)["expiration"])
            expires_at_ms = self._queue.scheduler.now_ms + ttl_ms
        address = address_of(exchange, routing_key)
        if not (more_keys or message.is_dead_letter):
            kind = PersistentMessage if message.persistent else Message
            return exchange, routing_key, kind(address, message.header, message.body, expires_at_ms)
        noted = AnnotatedMessage(
            address,
            message.header,
            message.body,
            expires_at_ms,
            persistent=message.persistent,
            more_keys=more_keys,
            is_dead_letter=message.is_dead_letter,
        )
        return exchange, routing_key, noted

    def _check_user_id(self, user_id: str) -> None:
        if user_id != self._user_id:
            raise PreconditionFailed(
                f"user_id property set to '{user_id}' but authenticated user was '{self._user_id}'"
            )

    def _publish(
        self, ahead: Ahead, gone: list[Ahead], exchange: str, routing_key: str, message: Message
    ) -> tuple[Target, ...]:
        """Publishes a message, and notes that it is to leave the queue. Returns its targets. Raises Stays, and the
        fault that refuses it."""
        vhost = self._vhost
        route = self._routes.get((exchange, routing_key))
        if route is None:
            route = find_route(self._client, vhost, exchange, routing_key, mandatory=True)
            self._routes[exchange, routing_key] = route
        check_copies(self._client, vhost, route, message.more_keys)
        is_same_for_all = route.targets is not None and not message.more_keys
        targets = route.targets if is_same_for_all else vhost.router.foresee(route.exchange, message)
        assert targets is not None
        self._check_targets(targets, message)
        if self._dry_run:
            return targets
        if not is_same_for_all:
            targets = targets_of(vhost, route, message, self._unacked.origin)
            if vhost.router.is_unroutable(targets):
                for watcher in vhost.watchers:
                    watcher.returned(message, self._unacked.origin)
                raise Stays(Outcome.UNROUTABLE)
        if self._queue in targets:
            # It may hand out messages when it gets one: what is on its way must have left before.
            self._take(ahead, gone)
            self._queue.take_out(gone)
            gone.clear()
            self._deliver(route, targets, message)
        elif self._deliver(route, targets, message):
            raise Stays(Outcome.REFUSED, "not taken")
        else:
            self._take(ahead, gone)
        return targets

    def _check_targets(self, targets: Sequence[Target], message: Message) -> None:
        """Raises Stays if there is none, or if one of them would not take the message, or lose another for it."""
        if self._vhost.router.is_unroutable(tuple(targets)):
            raise Stays(Outcome.UNROUTABLE)
        self._spent += TARGET_UNITS * len(targets)
        # A dead letter of the broker's own would be taken by more queues.
        asked = Message(message.address, message.header, message.body) if message.is_dead_letter else message
        for target in targets:
            if isinstance(target, Queue) and (objection := OBJECTIONS.get(target.foresee(asked))):
                raise Stays(Outcome.REFUSED, objection.format(target.name))

    def _deliver(self, route: Route, targets: Sequence[Target], message: Message) -> bool:
        """Gives a message to its targets. True if one of them refused it: no queue does that any more."""
        count_published(self._vhost, route.exchange, targets, self._unacked.origin, mandatory=True)
        refused_by = deliver(targets, message)
        if refused_by:
            tell_refused(self._vhost, message, refused_by, self._unacked.origin)
        return bool(refused_by)

    def _take(self, ahead: Ahead, gone: list[Ahead]) -> None:
        """Counts a message as got. It leaves the queue with all that are `gone`."""
        queue, unacked = self._queue, self._unacked
        gone.append(ahead)
        for counts in (queue.counts, unacked.counts):
            counts.got_no_ack += 1
            counts.redelivered += ahead.redelivered
        tag = unacked.next_tag()
        for watcher in self._vhost.watchers:
            watcher.got(queue.name, ahead.redelivered, ahead.message, unacked, tag)
