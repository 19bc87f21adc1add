"""The clients of a round: threads with a connection each, at work until the broker dies or all are to stop."""

import random
import threading
import time
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from interop.crash.history import Commit, Consumption, History, Outcome, Sent, Settlement
from interop.crash.topology import DELAY_MS_MAX, properties
from interop.kit.address import Address
from interop.kit.client import Client, Gone, Refused, Silent, publication

CONFIRM_PATIENCE_S = 20.0
BATCHES = (1, 1, 3, 30, 150)
WINDOWS = (0, 10, 400)
PREFETCHES = (1, 10, 100)
SIZES = (0, 0, 50, 50, 200, 4000)
LARGE = 100_000
PAUSE_S = 0.01

T = TypeVar("T")


@dataclass
class Round:
    """What the actors of one round share."""

    broker: Address
    history: History
    large_share: float = 0.005
    """How many of the messages are large."""
    stopping: threading.Event = field(default_factory=threading.Event)
    """Come to an end in good order."""
    struck: bool = False
    """The broker is about to be killed or stopped: who loses the connection from now on knows why."""
    strike: threading.Event = field(default_factory=threading.Event)
    """Set by an actor: now would be a good moment to kill."""


class Actor(threading.Thread):
    """Subclasses say what it does."""

    def __init__(self, name: str, round_: Round, seed: str) -> None:
        super().__init__(name=name, daemon=True)
        self.round = round_
        self.history = round_.history
        self.random = random.Random(seed)

    def run(self) -> None:
        try:
            client = Client(self.round.broker)
            try:
                self.work(client)
            finally:
                client.drop()
        except (Gone, Refused, Silent) as error:
            is_stop = isinstance(error, Refused) and error.code == 320
            if not self.round.struck or not (isinstance(error, Gone) or is_stop):
                self.history.find("connection", f"{self.name}: {type(error).__name__}: {error}")
        except Exception as error:
            self.history.find("harness", f"{self.name}: {error!r}")
            raise

    def work(self, client: Client) -> None:
        raise NotImplementedError

    def pause(self, client: Client) -> None:
        client.receive(self.random.random() * PAUSE_S)

    def some_messages(self, count: int, commit: Commit | None = None) -> tuple[list[Sent], bytes]:
        """New messages on routes drawn by chance, and their frames."""
        routes, sent, data = self.history.topology.routes, [], []
        for _ in range(count):
            route = self.random.choice(routes)
            message = self.history.publishes(
                self.name,
                route,
                is_persistent=self.random.random() < 0.85,
                priority=self.random.randrange(5),
                size=LARGE if self.random.random() < self.round.large_share else self.random.choice(SIZES),
                commit=commit,
            )
            delay_ms = self.random.randrange(DELAY_MS_MAX) if route.is_delayed else 0
            told = properties(is_persistent=message.is_persistent, priority=message.priority, delay_ms=delay_ms)
            sent.append(message)
            data.append(publication(route.exchange, route.key, message.body, told, mandatory=True))
        return sent, b"".join(data)


class ConfirmedPublisher(Actor, Generic[T]):
    """Publishes with confirms, in batches, with windows of different sizes."""

    def __init__(self, name: str, round_: Round, seed: str) -> None:
        super().__init__(name, round_, seed)
        self.unconfirmed: dict[int, T] = {}

    def work(self, client: Client) -> None:
        client.call("confirm.select")
        tag = 0
        while not self.round.stopping.is_set():
            sent, data = self.batch(self.random.choice(BATCHES))
            for message in sent:
                tag += 1
                self.unconfirmed[tag] = message
            client.send(data)
            self.wait(client, self.random.choice(WINDOWS))
            self.pause(client)
        self.wait(client, 0)
        client.close()

    def batch(self, count: int) -> tuple[list[T], bytes]:
        """New messages, and their frames."""
        raise NotImplementedError

    def answered(self, message: T, *, confirmed: bool) -> None:
        raise NotImplementedError

    def returned(self, body: bytes) -> None:
        raise NotImplementedError

    def wait(self, client: Client, unconfirmed_max: int) -> None:
        deadline = time.monotonic() + CONFIRM_PATIENCE_S
        self.take_events(client)
        while len(self.unconfirmed) > unconfirmed_max:
            if time.monotonic() > deadline:
                raise Silent(f"{len(self.unconfirmed)} messages are not confirmed after {CONFIRM_PATIENCE_S:.0f} s")
            client.receive(1.0)
            self.take_events(client)

    def take_events(self, client: Client) -> None:
        while client.events:
            event = client.events.popleft()
            if event.method == "basic.return":
                self.returned(event.body)
                continue
            last = event["delivery_tag"]
            tags = [each for each in self.unconfirmed if each <= last] if event["multiple"] else [last]
            if self.history.is_strict and not event["multiple"] and last != min(self.unconfirmed):
                self.history.find("confirms", f"{self.name}: {last} before {min(self.unconfirmed)}")
            for tag in tags:
                self.answered(self.unconfirmed.pop(tag), confirmed=event.method == "basic.ack")


class Publisher(ConfirmedPublisher[Sent]):
    """Publishes to the queues of the topology."""

    def __init__(self, name: str, round_: Round, seed: str) -> None:
        super().__init__(name, round_, seed)
        self._returned: set[str] = set()

    def batch(self, count: int) -> tuple[list[Sent], bytes]:
        return self.some_messages(count)

    def returned(self, body: bytes) -> None:
        self._returned.add(body.partition(b" ")[0].decode())

    def answered(self, message: Sent, *, confirmed: bool) -> None:
        if confirmed:
            self.history.confirmed(message)
        else:
            self.history.refused(message)
        if (message.name in self._returned) != (not message.route.queues):
            what = "was not returned" if not message.route.queues else "was returned, as if it had no queue"
            self.history.find("return", f"{message.name} {what}")


class Taker(Actor):
    """What all consumers have in common. `held` are the deliveries that were not answered, in order."""

    def begin(self, client: Client, queues: list[str]) -> None:
        self.held: list[tuple[int, str, str]] = []
        self.consumptions: dict[str, Consumption] = {}
        self.prefetch = self.random.choice(PREFETCHES)
        client.call("basic.qos", prefetch_count=self.prefetch)
        for queue in queues:
            self.consumptions[queue] = Consumption(self.name)
            client.call("basic.consume", queue=queue, consumer_tag=queue)

    def take_events(self, client: Client) -> None:
        while client.events:
            event = client.events.popleft()
            if event.method == "basic.return":  # of a commit
                continue
            queue = self.history.topology.queues[event["consumer_tag"].decode()]
            redelivered, to = bool(event["redelivered"]), self.consumptions[queue.name]
            name = self.history.delivered(queue, event.body, redelivered=redelivered, to=to)
            self.held.append((event["delivery_tag"], queue.name, name or "unknown"))

    def settles(self, which: list[tuple[int, str, str]], *, is_ack: bool) -> list[Settlement]:
        return [made for _, queue, name in which for made in self.history.settles(queue, [name], is_ack=is_ack)]

    def gives_back(self, which: list[tuple[int, str, str]], why: str) -> None:
        for _, queue, name in which:
            self.history.gives_back(queue, [name], why)

    def leave(self, client: Client) -> None:
        """First no more deliveries, then back with all that is held: or another would have it before we said so."""
        for queue in self.consumptions:
            client.call("basic.cancel", consumer_tag=queue)
        self.take_events(client)
        self.gives_back(self.held, "comes back with its channel")
        client.close()


class Consumer(Taker):
    """Consumes from some queues; acks, rejects, requeues and keeps."""

    def work(self, client: Client) -> None:
        consumed = [queue.name for queue in self.history.topology.queues.values() if queue.consumed]
        self.begin(client, self.random.sample(consumed, self.random.randint(2, 5)))
        unproven: list[Settlement] = []
        while not self.round.stopping.is_set():
            self.pause(client)
            self.take_events(client)
            if self.held and self.random.random() < 0.8:
                unproven += self.answer(client)
            if unproven and self.random.random() < 0.1:
                client.call("basic.qos", prefetch_count=self.prefetch)
                self.history.processed(unproven)
                unproven = []
        self.leave(client)

    def answer(self, client: Client) -> list[Settlement]:
        count = self.random.randint(1, len(self.held))
        draw = self.random.random()
        if draw < 0.5:
            settled, self.held = self.held[:count], self.held[count:]
            made = self.settles(settled, is_ack=True)
            client.tell("basic.ack", delivery_tag=settled[-1][0], multiple=True)
            return made
        if draw < 0.6:
            back, self.held = self.held[:count], self.held[count:]
            self.gives_back(back, "requeued")
            client.tell("basic.nack", delivery_tag=back[-1][0], multiple=True, requeue=True)
            return []
        chosen = self.held.pop(count - 1)
        is_ack = draw < 0.8 or not self.history.topology.queues[chosen[1]].next
        made = self.settles([chosen], is_ack=is_ack)
        if is_ack:
            client.tell("basic.ack", delivery_tag=chosen[0])
        else:
            client.tell("basic.reject", delivery_tag=chosen[0], requeue=False)
        return made


class Committer(Taker):
    """Publishes and acks in transactions; some are rolled back."""

    def work(self, client: Client) -> None:
        client.call("tx.select")
        consumed = [queue.name for queue in self.history.topology.queues.values() if queue.consumed]
        self.begin(client, self.random.sample(consumed, 2))
        while not self.round.stopping.is_set():
            self.pause(client)
            self.take_events(client)
            commit = Commit()
            if self.random.random() < 0.15:
                commit.outcome = Outcome.ROLLED_BACK
            sent, data = self.some_messages(self.random.choice(BATCHES[:-1]), commit)
            client.send(data)
            acked = self.held[: self.random.randint(0, len(self.held))]
            if commit.outcome is Outcome.ROLLED_BACK:
                self.tell_acks(client, acked)
                client.call("tx.rollback")
                continue
            settlements = self.settles(acked, is_ack=True)
            self.held = self.held[len(acked) :]
            self.tell_acks(client, acked)
            client.call("tx.commit")
            self.history.committed(commit, sent)
            for settlement in settlements:
                settlement.is_committed = True
        self.leave(client)

    @staticmethod
    def tell_acks(client: Client, which: list[tuple[int, str, str]]) -> None:
        for tag, _, _ in which:
            client.tell("basic.ack", delivery_tag=tag)
