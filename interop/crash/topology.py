"""The queues and exchanges that stay through all rounds, and what is known of each.

All are durable. Every message is published on a `Route`, which says in which queues there must be a copy of it. A queue
with dead letters begins a chain: the copy is in exactly one of its queues.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from interop.parity import codec

DEAD = "crash.dead"
MOVED_FROM, MOVED_TO = "failed", "parked"
"""The queue that messages are moved from, and the one that they come to."""
RETRY_MS = 60
DELAY_MS_MAX = 300


class Order(Enum):
    """What is in the order of publishing, for each publisher and priority."""

    ALL = "all that is taken from a queue whose messages have all come back"
    FIRST = "what is delivered for the first time"
    NONE = "nothing"


@dataclass(frozen=True)
class Queue:
    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    consumed: bool = False
    """Whether actors take messages from it."""
    next: str = ""
    """The queue of its dead letters, or where its messages are moved to."""
    order: Order = Order.ALL

    @property
    def is_quorum(self) -> bool:
        return self.arguments.get("x-queue-type") == "quorum"

    @property
    def all_arguments(self) -> dict[str, Any]:
        letters = {"x-dead-letter-exchange": DEAD, "x-dead-letter-routing-key": self.next} if self.next else {}
        return {**self.arguments, **letters}


@dataclass(frozen=True)
class Exchange:
    name: str
    kind: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Binding:
    source: str
    destination: str
    key: str
    to_exchange: bool = False


@dataclass(frozen=True)
class Route:
    """How to publish, and to which queues it leads."""

    exchange: str
    key: str
    queues: tuple[str, ...]
    is_delayed: bool = False


@dataclass(frozen=True)
class Topology:
    queues: Mapping[str, Queue]
    exchanges: tuple[Exchange, ...]
    bindings: tuple[Binding, ...]
    routes: tuple[Route, ...]
    kept: frozenset[str]
    """Queues that nobody takes from, and that nothing leaves by itself."""

    def chain(self, root: str) -> Iterator[Queue]:
        """The queue, and where its dead letters go, one after the other."""
        name = root
        while name:
            yield self.queues[name]
            name = self.queues[name].next

    def keeps_transient(self, root: str) -> bool | None:
        """Whether transient messages survive as well; None if that depends."""
        kinds = {queue.is_quorum for queue in self.chain(root)}
        return kinds.pop() if len(kinds) == 1 else None


QUORUM = {"x-queue-type": "quorum"}

QUEUES: tuple[Queue, ...] = (
    Queue("plain", consumed=True),
    Queue("quorum", QUORUM, consumed=True, order=Order.FIRST),
    Queue("priority", {"x-max-priority": 4}, consumed=True),
    Queue("kept"),
    Queue("kept.quorum", QUORUM),
    Queue("fan.1", consumed=True),
    Queue("fan.2"),
    Queue("fan.quorum", QUORUM, order=Order.FIRST, consumed=True),
    Queue("fan.inner"),
    Queue("topic.a", consumed=True),
    Queue("topic.b"),
    Queue("rest", consumed=True),
    Queue("work", consumed=True, next="work.retry"),
    Queue("work.retry", {"x-message-ttl": RETRY_MS}, next="work.dead", order=Order.NONE),
    Queue("work.dead", consumed=True, order=Order.NONE),
    Queue("quorum.work", {**QUORUM, "x-delivery-limit": 3}, consumed=True, next="quorum.dead", order=Order.FIRST),
    Queue("quorum.dead", QUORUM, order=Order.NONE, consumed=True),
    Queue("expiring", {"x-message-ttl": RETRY_MS}, next="expired"),
    Queue("expired"),
    Queue("failing", {"x-message-ttl": RETRY_MS}, next=MOVED_FROM),
    Queue(MOVED_FROM, next=MOVED_TO, order=Order.NONE),
    Queue(MOVED_TO, order=Order.NONE),
    Queue("short", {"x-max-length": 20}, next="short.over"),
    Queue("short.over"),
)
EXCHANGES: tuple[Exchange, ...] = (
    Exchange(DEAD, "direct"),
    Exchange("crash.fanout", "fanout"),
    Exchange("crash.inner", "fanout"),
    Exchange("crash.topic", "topic", {"alternate-exchange": "crash.rest"}),
    Exchange("crash.rest", "fanout"),
    Exchange("crash.empty", "direct"),
)
BINDINGS: tuple[Binding, ...] = (
    *(Binding(DEAD, queue.next, queue.next) for queue in QUEUES if queue.next),
    Binding("crash.fanout", "fan.1", ""),
    Binding("crash.fanout", "fan.2", ""),
    Binding("crash.fanout", "fan.quorum", ""),
    Binding("crash.fanout", "crash.inner", "", to_exchange=True),
    Binding("crash.inner", "fan.inner", ""),
    Binding("crash.topic", "topic.a", "a.*"),
    Binding("crash.topic", "topic.b", "#.b"),
    Binding("crash.rest", "rest", ""),
)
DIRECT = ("plain", "quorum", "priority", "kept", "kept.quorum", "work", "quorum.work", "expiring", "failing", "short")
ROUTES: tuple[Route, ...] = (
    *(Route("", name, (name,)) for name in DIRECT),
    Route("crash.fanout", "any", ("fan.1", "fan.2", "fan.quorum", "fan.inner")),
    Route("crash.topic", "a.b", ("topic.a", "topic.b")),
    Route("crash.topic", "a.c", ("topic.a",)),
    Route("crash.topic", "c", ("rest",)),
    Route("crash.empty", "nobody", ()),
)


def topology(*, delayed: bool) -> Topology:
    """`delayed`: with an exchange of the type x-delayed-message, which needs a plugin in RabbitMQ."""
    queues, exchanges, bindings, routes = QUEUES, EXCHANGES, BINDINGS, ROUTES
    if delayed:
        queues += (Queue("late", order=Order.NONE),)
        exchanges += (Exchange("crash.late", "x-delayed-message", {"x-delayed-type": "fanout"}),)
        bindings += (Binding("crash.late", "late", ""),)
        routes += (Route("crash.late", "", ("late",), is_delayed=True),)
    by_name = {queue.name: queue for queue in queues}
    moving = {queue.next for queue in queues} | {queue.name for queue in queues if queue.consumed or queue.next}
    return Topology(by_name, exchanges, bindings, routes, frozenset(by_name.keys() - moving - {"late"}))


def properties(*, is_persistent: bool, priority: int, delay_ms: int = 0) -> bytes:
    """As encoded content header properties."""
    headers = {"headers": {"x-delay": delay_ms}} if delay_ms else {}
    return codec.properties(**headers, delivery_mode=2 if is_persistent else 1, priority=priority)
