"""Who is at work in a shift: streams, the queues they go through, and the actors at both ends.

Everything is named after the shift, so that nothing of one shift can be taken for another's.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from interop.soak.clients import conversations, raw, with_aio_pika, with_celery, with_kombu, with_pika
from interop.soak.ledger import Stream
from interop.soak.worker import Actor, Sender, Shift, Taker

QUORUM = {"x-queue-type": "quorum"}
LEVELS = 4
WAIT_MS = 150
REQUEUES = 0.1
IDLE_CONNECTIONS = 5

Sending = Callable[..., Sender]
Taking = Callable[..., Taker]


@dataclass(frozen=True)
class Line:
    """One stream through one queue. `takers`: one alone gets everything in order, unless it does not mind."""

    name: str
    sender: Sending
    takers: tuple[Taking, ...]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    levels: int = 1
    requeues: float = 0.0
    batch: int = 20


LINES = (
    Line("plain", with_pika.BlockingSender, (with_pika.Consumer,)),
    Line("window", with_pika.SelectSender, (with_pika.Consumer,), QUORUM, batch=50),
    Line("robust", with_aio_pika.RobustSender, (with_aio_pika.RobustConsumer,) * 2, QUORUM, requeues=REQUEUES),
    Line("priority", with_kombu.Producer, (with_kombu.Consumer,), {"x-max-priority": LEVELS}, levels=LEVELS),
    Line(
        "work",
        with_pika.SelectSender,
        (with_kombu.Consumer, with_aio_pika.RobustConsumer, with_pika.Consumer),
        requeues=REQUEUES,
        batch=50,
    ),
    Line("polled", with_kombu.Producer, (with_pika.Poller,), {"x-queue-mode": "lazy"}, batch=5),
    Line("committed", with_pika.Committer, (with_pika.Consumer,)),
)


@dataclass
class Roles:
    """All actors of a shift, and the durable things they need. `queues` and `exchanges` are what is there at most when
    all have left, and is deleted then."""

    shift: Shift
    actors: list[Actor] = field(default_factory=list)
    queues: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    exchanges: dict[str, str] = field(default_factory=dict)
    bindings: list[tuple[str, str, str]] = field(default_factory=list)
    leftovers: list[str] = field(default_factory=list)
    """Queues that actors may leave, with or without messages."""

    def queue(self, name: str, arguments: Mapping[str, Any] | None = None) -> str:
        whole = f"{self.shift.name}.{name}"
        self.queues[whole] = arguments or {}
        return whole

    def exchange(self, name: str, kind: str) -> str:
        whole = f"{self.shift.name}.{name}"
        self.exchanges[whole] = kind
        return whole

    def stream(self, name: str, *queues: str, levels: int = 1, is_direct: bool = True) -> Stream:
        return self.shift.ledger.open(f"{self.shift.name}.{name}", queues, levels=levels, is_direct=is_direct)


def assign_roles(shift: Shift, scale: int, *, celery: bool) -> Roles:
    made = Roles(shift)
    for number in range(scale):
        for line in LINES:
            add_line(made, line, f"{line.name}-{number}")
        add_copies(made, f"copies-{number}")
        add_ladder(made, f"ladder-{number}")
        add_backlog(made, f"backlog-{number}")
        add_conversations(made, f"talk-{number}")
        add_trouble(made, f"trouble-{number}")
    if celery:
        queue = made.queue("celery")
        made.exchanges[queue] = "direct"
        made.exchanges |= dict.fromkeys(with_celery.ENTITIES, "")
        made.actors.append(with_celery.Caller(shift, "celery.sender", made.stream("celery", queue), queue))
        made.actors.append(with_celery.Worker(shift, "celery.worker", queue))
    return made


def add_line(made: Roles, line: Line, name: str) -> None:
    queue = made.queue(name, line.arguments)
    stream = made.stream(name, queue, levels=line.levels)
    made.actors.append(line.sender(made.shift, f"{name}.sender", stream, "", queue, batch=line.batch))
    for number, taker in enumerate(line.takers):
        ordered = len(line.takers) == 1
        made.actors.append(
            taker(made.shift, f"{name}.taker-{number}", queue, is_ordered=ordered, requeues=line.requeues)
        )


def add_copies(made: Roles, name: str) -> None:
    """A topic exchange with two queues, each of which gets everything."""
    exchange = made.exchange(name, "topic")
    first, second = made.queue(f"{name}.first"), made.queue(f"{name}.second", QUORUM)
    made.bindings += [(exchange, first, "copy.#"), (exchange, second, "*.all")]
    stream = made.stream(name, first, second)
    made.actors += [
        with_pika.BlockingSender(made.shift, f"{name}.sender", stream, exchange, "copy.all"),
        with_pika.Consumer(made.shift, f"{name}.first", first, is_ordered=True),
        with_kombu.Consumer(made.shift, f"{name}.second", second, is_ordered=True),
    ]


def add_ladder(made: Roles, name: str) -> None:
    """Each message is rejected once, waits, and comes back."""
    work, wait = f"{made.shift.name}.{name}.work", f"{made.shift.name}.{name}.wait"
    made.queues[work] = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": wait}
    made.queues[wait] = {
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": work,
        "x-message-ttl": WAIT_MS,
    }
    stream = made.stream(name, work, is_direct=False)
    made.actors += [
        with_aio_pika.RobustSender(made.shift, f"{name}.sender", stream, "", work),
        with_pika.Climber(made.shift, f"{name}.taker", work),
    ]


def add_backlog(made: Roles, name: str) -> None:
    """More than a queue keeps in memory, taken now and then."""
    queue = made.queue(name)
    stream = made.stream(name, queue)
    made.actors += [
        with_pika.Flooder(made.shift, f"{name}.sender", stream, "", queue, batch=100),
        with_pika.Sleeper(made.shift, f"{name}.taker", queue, is_ordered=True),
    ]


def add_conversations(made: Roles, name: str) -> None:
    queue = made.queue(f"{name}.requests")
    exchange = made.exchange(f"{name}.news", "topic")
    made.actors.append(conversations.Server(made.shift, f"{name}.server", queue))
    made.actors += [conversations.Asker(made.shift, f"{name}.asker-{each}", queue) for each in range(2)]
    made.actors += [conversations.Listener(made.shift, f"{name}.listener-{each}", exchange) for each in range(2)]
    made.leftovers.append(queue)


def add_trouble(made: Roles, name: str) -> None:
    churner = raw.Churner(made.shift, f"{name}.churner")
    made.actors += [
        churner,
        raw.Hostile(made.shift, f"{name}.hostile"),
        with_aio_pika.Idlers(made.shift, f"{name}.idlers", IDLE_CONNECTIONS),
    ]
    made.leftovers += churner.queues
    made.exchanges |= dict.fromkeys(churner.exchanges, "")
