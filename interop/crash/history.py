"""What the clients of one broker know: what they sent, what they were promised, and what they received.

Actors write it down from their threads, each thing before it is sent or right after it was received, so that it never
knows less than the broker was told. What no broker may ever deliver is found here at once; what can only be said of
the whole is for `check`.

Time is a counter. A *life* of the broker ends with its process; an *epoch* ends when all queues were emptied.
"""

import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from interop.crash.topology import Order, Queue, Route, Topology

FINDINGS_MAX = 50


class Outcome(Enum):
    UNKNOWN = "no answer"
    CONFIRMED = "confirmed"
    REFUSED = "refused"
    ROLLED_BACK = "rolled back"


@dataclass(eq=False)
class Commit:
    """A transaction; its messages share its outcome."""

    outcome: Outcome = Outcome.UNKNOWN


@dataclass(eq=False)
class Sent:
    """A message that was published."""

    name: str
    publisher: str
    number: int
    route: Route
    is_persistent: bool
    priority: int
    life: int
    sent_at: int
    size: int
    """Of the body: its name, a space, and zeros."""
    commit: Commit | None = None
    own_outcome: Outcome = Outcome.UNKNOWN

    @property
    def body(self) -> bytes:
        return f"{self.name} ".encode().ljust(self.size, b"\0")

    @property
    def outcome(self) -> Outcome:
        return self.commit.outcome if self.commit else self.own_outcome


class Event(NamedTuple):
    at: int
    life: int
    text: str


@dataclass(eq=False)
class Settlement:
    """An ack, or a reject that leads on to the next queue of the chain."""

    is_ack: bool
    life: int
    processed_at: int | None = None
    """When the broker is known to have done it."""
    is_committed: bool = False


@dataclass(eq=False)
class Copy:
    """A message in a queue, as clients saw it."""

    deliveries: int = 0
    delivered_in: int = 0
    """The life of the last one."""
    holder: object = None
    """Who has it and has not answered."""
    holder_life: int = 0
    settlement: Settlement | None = None
    """The answer to the last delivery, if it was one that takes the message away."""
    events: list[Event] = field(default_factory=list)


class Finding(NamedTuple):
    """Something that must not be."""

    kind: str
    text: str


class Consumption:
    """One consumer, or one drain: the order in which it received."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.last: dict[tuple[str, str, int], int] = {}
        """For each queue, publisher and priority the number of the last message."""
        self.priority = 255
        """Of the last message, where that matters."""


class History:
    """Safe to use from several threads."""

    def __init__(self, topology: Topology, *, is_strict: bool = True) -> None:
        """`is_strict`: hold the broker to what amqpy promises beyond what RabbitMQ does (docs/durability.md)."""
        self.topology = topology
        self.is_strict = is_strict
        self.life = 1
        self.epoch = 1
        self.messages: dict[str, Sent] = {}
        self.copies: dict[tuple[str, str], Copy] = defaultdict(Copy)
        self.findings: list[Finding] = []
        self.counts: Counter[str] = Counter()
        self.crashed_before = 1
        """The first life since the last crash: since then it only stopped in good order."""
        self.is_stopping = False
        """The broker closes connections, one after the other, and reads no more answers on those."""
        self.proven: dict[int, int] = {}
        """For each life: what was processed before this time is on the disk."""
        self._clock = 0
        self._numbers: Counter[str] = Counter()
        self._lock = threading.RLock()

    def now(self) -> int:
        with self._lock:
            self._clock += 1
            return self._clock

    def find(self, kind: str, text: str, *names: tuple[str, str]) -> None:
        """Report something; `names` are (queue, message) pairs whose story belongs to it."""
        with self._lock:
            self.counts[f"found: {kind}"] += 1
            if len(self.findings) < FINDINGS_MAX:
                story = "".join(f"\n    {line}" for name in names for line in self.story(*name))
                self.findings.append(Finding(kind, text + story))

    def story(self, queue: str, name: str) -> Iterator[str]:
        """All that is known of a message in a queue and in the queues before and after it."""
        message = self.messages.get(name)
        if message is not None:
            what = "persistent" if message.is_persistent else "transient"
            way = f"{message.route.exchange!r} {message.route.key!r}"
            told = f"{what}, priority {message.priority}, {message.size} bytes, {message.outcome.value}"
            yield f"{name} at {message.sent_at} in life {message.life}: published on {way}; {told}"
        roots = message.route.queues if message is not None else (queue,)
        chains = [list(self.topology.chain(root)) for root in roots if root in self.topology.queues]
        events = [
            (event, each.name)
            for chain in chains
            if any(each.name == queue for each in chain)
            for each in chain
            for event in self.copies[each.name, name].events
        ]
        for event, where in sorted(events):
            yield f"{name} at {event.at} in life {event.life}: {where}: {event.text}"

    # Lives and epochs

    def ended(self) -> None:
        """The broker's process is no more."""
        with self._lock:
            self.life += 1
            if not self.is_stopping:
                self.crashed_before = self.life
            self.is_stopping = False

    def emptied(self) -> None:
        """All queues are empty, for good."""
        with self._lock:
            self.epoch += 1
            self.messages.clear()
            self.copies.clear()

    # Publishing

    def publishes(
        self,
        publisher: str,
        route: Route,
        *,
        is_persistent: bool,
        priority: int,
        size: int = 0,
        commit: Commit | None = None,
    ) -> Sent:
        """To be called before the message is sent. Its body has at least `size` bytes."""
        with self._lock:
            self._numbers[publisher] += 1
            number = self._numbers[publisher]
            name = f"{self.epoch}/{publisher}/{number}"
            at, size = self.now(), max(size, len(name) + 1)
            message = Sent(name, publisher, number, route, is_persistent, priority, self.life, at, size, commit)
            self.messages[name] = message
            self.counts["published"] += 1
            return message

    def confirmed(self, message: Sent) -> None:
        with self._lock:
            message.own_outcome = Outcome.CONFIRMED
            self.counts["confirmed"] += 1
            self._prove(message)

    def refused(self, message: Sent) -> None:
        with self._lock:
            message.own_outcome = Outcome.REFUSED

    def committed(self, commit: Commit, messages: list[Sent]) -> None:
        with self._lock:
            commit.outcome = Outcome.CONFIRMED
            self.counts["committed"] += len(messages)
            for message in messages:
                self._prove(message)

    def _prove(self, message: Sent) -> None:
        """What is confirmed and cannot have been taken away is on the disk, and so is all that came before it."""
        if message.is_persistent and any(queue in self.topology.kept for queue in message.route.queues):
            self.proven[message.life] = max(self.proven.get(message.life, 0), message.sent_at)

    # Consuming

    def delivered(self, queue: Queue, body: bytes, *, redelivered: bool, to: Consumption) -> str | None:
        """The name, if it is a message of this epoch, as it should be."""
        name = body.partition(b" ")[0].decode(errors="replace")
        with self._lock:
            self.counts["delivered"] += 1
            copy = self.copies[queue.name, name]
            mark = " again" if redelivered else ""
            copy.events.append(Event(self.now(), self.life, f"delivered{mark} to {to.name}"))
            message = self.messages.get(name)
            if message is None:
                is_old = name.startswith(tuple(f"{epoch}/" for epoch in range(1, self.epoch)))
                kind = "came back" if is_old else "unknown"
                self.find(kind, f"{queue.name}: {name} was taken out long ago or never sent", (queue.name, name))
                return None
            if body != message.body:
                self.find("damaged", f"{queue.name}: {name} has another body than was sent", (queue.name, name))
            for kind, text in self._objections(queue, message, copy, redelivered=redelivered):
                self.find(kind, f"{queue.name}: {name} {text}", (queue.name, name))
            self._look_at_order(queue, message, to, redelivered=redelivered)
            copy.deliveries += 1
            copy.delivered_in = self.life
            copy.holder, copy.holder_life = to, self.life
            copy.settlement = None
            return name

    def _objections(self, queue: Queue, message: Sent, copy: Copy, *, redelivered: bool) -> Iterator[tuple[str, str]]:
        # A letter may be delivered where it went before it is known for good that it went there; then it may go again.
        is_letter = any(each.next == queue.name for each in self.topology.queues.values())
        # When a consumer loses its connection, the next one may note its delivery first.
        is_sure = not self.is_stopping if copy.delivered_in == self.life else not is_letter
        if copy.deliveries and not redelivered and is_sure:
            yield "not marked", "was delivered before, and is not marked as redelivered"
        is_kept = queue.name in self.topology.kept
        if (
            redelivered
            and not copy.deliveries
            and (message.life >= self.crashed_before if is_kept else message.life == self.life and not self.is_stopping)
        ):
            yield "marked", "is marked as redelivered, and was never delivered"
        if copy.holder is not None and copy.holder_life == self.life and not self.is_stopping:
            yield "duplicate", "is delivered to two consumers at a time"
        settlement = copy.settlement
        if self.is_firm(settlement):
            yield "resurrected", "is delivered after an answer that cannot be lost"
        elif settlement is not None and settlement.life == self.life and not self.is_stopping:
            yield "duplicate", "is delivered after it was answered"
        if message.outcome is Outcome.ROLLED_BACK:
            yield "rolled back", "was rolled back"
        if self.must_be_gone(queue.name, message):
            yield "transient", "is transient, and the broker was started again since it was sent"

    def must_be_gone(self, queue: str, message: Sent) -> bool:
        """Whether it is a transient message of a former life, in a queue that does not keep those; one that was held
        back survives until then."""
        if message.is_persistent or message.life == self.life:
            return False
        return not (message.route.is_delayed or self.topology.queues[queue].is_quorum)

    def _look_at_order(self, queue: Queue, message: Sent, to: Consumption, *, redelivered: bool) -> None:
        if queue.order is Order.NONE or redelivered:
            return
        self.look_at_order(queue, message, to)

    def look_at_order(self, queue: Queue, message: Sent, to: Consumption) -> None:
        priority = message.priority if "x-max-priority" in queue.arguments else 0
        stream = queue.name, message.publisher, priority
        before = to.last.get(stream, 0)
        if message.number <= before:
            name = f"{self.epoch}/{message.publisher}/{before}"
            self.find(
                "order", f"{queue.name}: {message.name} after {name}", (queue.name, message.name), (queue.name, name)
            )
        to.last[stream] = message.number

    def settles(self, queue: str, names: list[str], *, is_ack: bool) -> list[Settlement]:
        """To be called before the answer is sent."""
        with self._lock:
            made = []
            for name in names:
                copy = self.copies[queue, name]
                copy.events.append(Event(self.now(), self.life, "acked" if is_ack else "rejected"))
                copy.settlement = Settlement(is_ack, self.life)
                copy.holder = None
                made.append(copy.settlement)
            self.counts["acked" if is_ack else "rejected"] += len(names)
            return made

    def processed(self, settlements: list[Settlement]) -> None:
        """The broker has done them."""
        with self._lock:
            at = self.now()
            for settlement in settlements:
                settlement.processed_at = at

    def gives_back(self, queue: str, names: list[str], why: str) -> None:
        """To be called before the messages are requeued, or their channel or consumer leaves."""
        with self._lock:
            for name in names:
                copy = self.copies[queue, name]
                copy.events.append(Event(self.now(), self.life, why))
                copy.holder = None

    def is_firm(self, settlement: Settlement | None) -> bool:
        if settlement is None or not self.is_strict:
            return False
        at = settlement.processed_at
        return settlement.is_committed or (at is not None and at < self.proven.get(settlement.life, 0))
