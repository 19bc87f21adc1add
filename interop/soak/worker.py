"""What the actors of one shift share, and what all actors have in common."""

import random
import threading
from collections import Counter
from dataclasses import dataclass, field
from enum import Enum

from interop.kit.address import Address
from interop.soak.ledger import Findings, Ledger, Stream

STOPPED = 320
"""The code with which a broker that is stopped closes connections."""

RETRY_S = 0.1
HEARTBEAT_S = 4
PENDING_MAX = 1500
SIZES = (0, 0, 0, 30, 30, 300, 3000)
LARGE = 300_000
LARGE_SHARE = 0.002


class Stage(Enum):
    """Who is to stop when."""

    SENDING = 0
    """Publishers, and all that only keeps the broker busy."""
    TAKING = 1
    """Who takes out what is still there."""


@dataclass
class Shift:
    """Some minutes of work, after which nothing is left in the broker."""

    name: str
    seed: str
    address: Address
    """Of the proxy."""
    direct: Address
    ledger: Ledger
    findings: Findings
    counts: Counter[str] = field(default_factory=Counter)
    large_share: float = LARGE_SHARE
    over: dict[Stage, threading.Event] = field(default_factory=lambda: {stage: threading.Event() for stage in Stage})
    life: int = 0
    """Grows when the broker is about to be stopped, and again when it is back: odd while it is away."""

    def count(self, what: str, count: int = 1) -> None:
        """Not exact when two threads meet; these numbers are for the eye."""
        self.counts[what] += count


class Actor(threading.Thread):
    """A client that goes on after whatever may happen to its connection. Subclasses say what it does."""

    library = ""
    stage = Stage.SENDING
    losses: tuple[type[BaseException], ...] = (OSError,)
    """What may be raised when a connection is cut."""

    def __init__(self, shift: Shift, name: str) -> None:
        super().__init__(name=f"{shift.name}.{name}", daemon=True)
        self.shift = shift
        self.ledger = shift.ledger
        self.random = random.Random(f"{shift.seed}/{name}")
        self.over = shift.over[self.stage]

    def run(self) -> None:
        while not self.over.is_set():
            try:
                self.session()
            except self.losses:
                self.shift.count(f"connections lost by {self.library}")
            except Exception as error:
                self.shift.findings.note("client", f"{self.name}: {error!r}")
            self.over.wait(RETRY_S)

    def session(self) -> None:
        """One connection, from its beginning to its end."""
        raise NotImplementedError

    def pause(self, seconds: float) -> None:
        """Up to so long; not when all is over."""
        self.over.wait(self.random.random() * seconds)

    def draw_size(self) -> int:
        return LARGE if self.random.random() < self.shift.large_share else self.random.choice(SIZES)


class Taker(Actor):
    """A client that takes messages. `is_ordered`: alone, so that they come in order; `requeues`: how many of them it
    gives back when they are new."""

    stage = Stage.TAKING

    def __init__(self, shift: Shift, name: str, queue: str, *, is_ordered: bool = False, requeues: float = 0.0) -> None:
        super().__init__(shift, name)
        self.queue = queue
        self.is_ordered = is_ordered
        self.requeues = requeues

    def keeps(self, body: bytes, *, redelivered: bool) -> bool:
        """Notes a message; whether to acknowledge it, or to give it back."""
        is_kept = redelivered or self.random.random() >= self.requeues
        self.ledger.receive(self.queue, body, redelivered=redelivered, is_ordered=self.is_ordered, is_kept=is_kept)
        return is_kept


class Sender(Actor):
    """A client that publishes the messages of one stream. `batch` is how many it sends before it waits."""

    def __init__(self, shift: Shift, name: str, stream: Stream, exchange: str, key: str, *, batch: int = 20) -> None:
        super().__init__(shift, name)
        self.stream = stream
        self.exchange = exchange
        self.key = key
        self.batch = batch

    def may_send(self) -> bool:
        """Not more than consumers can take."""
        return self.stream.pending < PENDING_MAX

    def next_message(self) -> tuple[int, bytes, int]:
        """Number, body and priority."""
        number, body = self.ledger.send(self.stream, self.draw_size())
        return number, body, number % self.stream.levels
