"""Queues, exchanges and bindings that come and go, with messages in them: one actor changes them, one step at a time.

So it is always known what must be there, but for the one step that was under way when the broker died: of that, either
is right, and what is found then counts from then on.
"""

from dataclasses import dataclass, field
from typing import Any

from interop.crash.actors import Actor, Round
from interop.crash.history import History
from interop.crash.topology import properties
from interop.kit.client import Client, Refused, publication

QUEUES = tuple(f"churn.queue.{number}" for number in range(6))
EXCHANGES = tuple(f"churn.exchange.{number}" for number in range(3))
KEYS = ("one", "two")
KINDS = ("direct", "topic")
ARGUMENTS: tuple[dict[str, Any], ...] = (
    {},
    {"x-queue-type": "quorum"},
    {"x-max-priority": 3},
    {"x-message-ttl": 3_600_000, "x-dead-letter-exchange": "crash.dead"},
    {"x-max-length": 100_000, "x-overflow": "reject-publish"},
)
COUNTS = (1, 10, 100)
FLOODS = ((4000, 0), (10_000, 0), (800, 100_000))
"""How many messages of which size; the last are so much that the store tidies up after them."""
PATIENCE_ROUNDS = 40

Binding = tuple[str, str, str]
"""Exchange, queue, key."""
PERSISTENT = properties(is_persistent=True, priority=0)


@dataclass
class Content:
    name: str
    is_sure: bool = False
    """It was confirmed, and was not purged, nor is about to be."""


@dataclass
class State:
    """What is there, as far as its only client knows; it outlives the rounds."""

    queues: dict[str, dict[str, Any]] = field(default_factory=dict)
    contents: dict[str, list[Content]] = field(default_factory=dict)
    exchanges: dict[str, str] = field(default_factory=dict)
    bindings: set[Binding] = field(default_factory=set)
    transient: set[str] = field(default_factory=set)
    """Names of transient queues that were declared since the broker was started."""
    unsure: set[str | Binding] = field(default_factory=set)
    """What the step concerns that is under way."""
    numbers: int = 0

    def new_names(self, count: int) -> list[str]:
        self.numbers += count
        return [f"churn/{number}" for number in range(self.numbers - count + 1, self.numbers + 1)]

    def forget_queue(self, name: str) -> None:
        self.queues.pop(name, None)
        self.contents.pop(name, None)
        self.bindings = {each for each in self.bindings if each[1] != name}

    def forget_exchange(self, name: str) -> None:
        self.exchanges.pop(name, None)
        self.bindings = {each for each in self.bindings if each[0] != name}


class Churn(Actor):
    """Changes what is there."""

    def __init__(self, name: str, round_: Round, seed: str, state: State, *, flood: bool) -> None:
        super().__init__(name, round_, seed)
        self.state = state
        self.flood = flood

    def work(self, client: Client) -> None:
        client.call("confirm.select")
        self.tag = 0
        if self.flood:
            self.flood_and_strike(client)
        while not self.round.stopping.is_set():
            self.step(client)
            self.state.unsure.clear()
            self.history.counts["changes"] += 1
            self.pause(client)
        client.close()

    def step(self, client: Client) -> None:
        state, draw = self.state, self.random.random()
        queue, exchange = self.random.choice(QUEUES), self.random.choice(EXCHANGES)
        if queue not in state.queues:
            self.declare_queue(client, queue)
        elif exchange not in state.exchanges:
            self.declare_exchange(client, exchange)
        elif draw < 0.08:
            self.delete_queue(client, queue)
        elif draw < 0.14:
            self.delete_exchange(client, exchange)
        elif draw < 0.5:
            self.toggle_binding(client, (exchange, queue, self.random.choice(KEYS)))
        elif draw < 0.6:
            self.purge(client, queue)
        elif draw < 0.65:
            self.declare_transient(client, exchange)
        else:
            self.publish(client, queue, self.random.choice(COUNTS))

    def declare_queue(self, client: Client, name: str) -> None:
        arguments = self.random.choice(ARGUMENTS)
        self.state.unsure.add(name)
        self.state.queues[name], self.state.contents[name] = arguments, []
        client.call("queue.declare", queue=name, durable=True, arguments=arguments)

    def delete_queue(self, client: Client, name: str) -> None:
        self.state.unsure.add(name)
        client.call("queue.delete", queue=name)
        self.state.forget_queue(name)

    def declare_exchange(self, client: Client, name: str) -> None:
        kind = self.random.choice(KINDS)
        self.state.unsure.add(name)
        self.state.exchanges[name] = kind
        client.call("exchange.declare", exchange=name, exchange_type=kind, durable=True)

    def delete_exchange(self, client: Client, name: str) -> None:
        self.state.unsure.add(name)
        client.call("exchange.delete", exchange=name)
        self.state.forget_exchange(name)

    def toggle_binding(self, client: Client, binding: Binding) -> None:
        exchange, queue, key = binding
        self.state.unsure.add(binding)
        if binding in self.state.bindings:
            client.call("queue.unbind", queue=queue, exchange=exchange, routing_key=key)
            self.state.bindings.remove(binding)
        else:
            client.call("queue.bind", queue=queue, exchange=exchange, routing_key=key)
            self.state.bindings.add(binding)

    def declare_transient(self, client: Client, exchange: str) -> None:
        name = f"churn.transient.{self.state.numbers}"
        self.state.transient.add(name)
        client.call("queue.declare", queue=name)
        client.call("queue.bind", queue=name, exchange=exchange, routing_key="one")

    def purge(self, client: Client, name: str) -> None:
        for content in self.state.contents[name]:
            content.is_sure = False
        client.call("queue.purge", queue=name)
        if self.history.is_strict:
            self.state.contents[name] = []

    def publish(self, client: Client, name: str, count: int, size: int = 0) -> None:
        new = [Content(each) for each in self.state.new_names(count)]
        self.state.contents[name] += new
        bodies = [f"{each.name} ".encode().ljust(size, b"\0") for each in new]
        client.send(b"".join(publication("", name, body, PERSISTENT) for body in bodies))
        self.wait_for_confirms(client, count)
        for each in new:
            each.is_sure = True

    def wait_for_confirms(self, client: Client, count: int) -> None:
        self.tag += count
        confirmed = 0
        while confirmed < count:
            while client.events:
                event = client.events.popleft()
                first = self.tag - count + 1
                confirmed = event["delivery_tag"] - first + 1 if event["multiple"] else confirmed + 1
                if event.method == "basic.nack":
                    self.history.find("refused", f"a message for {QUEUES} was nacked")
            if confirmed < count:
                client.receive(1.0)

    def flood_and_strike(self, client: Client) -> None:
        """Many messages, gone at one stroke, and then the broker is killed."""
        state = self.state
        name = self.random.choice(QUEUES)
        if name not in state.queues:
            self.declare_queue(client, name)
        self.publish(client, name, *self.random.choice(FLOODS))
        state.unsure.clear()
        if self.random.random() < 0.5:
            self.purge(client, name)
        else:
            self.delete_queue(client, name)
        state.unsure.clear()
        self.round.strike.set()


def verify(history: History, state: State, client: Client) -> None:
    """Compare what is there with the state after a start, and take all messages out. The client is closed."""
    find_out(history, state, client)
    client.call("tx.select")
    probes = publish_probes(state, client)
    client.call("tx.commit")
    for name in state.queues:
        taken = take_all(client, name)
        look_at_contents(history, state, name, [each for each in taken if each.startswith("churn/")])
        look_at_bindings(history, state, name, {each for each in taken if not each.startswith("churn/")}, probes)
        state.contents[name] = []
    state.unsure.clear()
    client.close()


def find_out(history: History, state: State, client: Client) -> None:
    """Queues and exchanges: are they there, and with their arguments? What is unsure is taken as it is."""
    for name in QUEUES:
        is_there = exists(client, "queue.declare", queue=name)
        if not is_there:
            if name in state.queues and name not in state.unsure:
                history.find("topology", f"{name} is gone")
            state.forget_queue(name)
        elif name not in state.queues:
            history.find("topology", f"{name} was deleted, and is there")
            client.call("queue.delete", queue=name)
        elif not accepts(client, "queue.declare", queue=name, durable=True, arguments=state.queues[name]):
            history.find("topology", f"{name} is not what was declared with {state.queues[name]}")
    for name in EXCHANGES:
        is_there = exists(client, "exchange.declare", exchange=name)
        if not is_there:
            if name in state.exchanges and name not in state.unsure:
                history.find("topology", f"{name} is gone")
            state.forget_exchange(name)
        elif name not in state.exchanges:
            history.find("topology", f"{name} was deleted, and is there")
            client.call("exchange.delete", exchange=name)
        elif not accepts(client, "exchange.declare", exchange=name, exchange_type=state.exchanges[name], durable=True):
            history.find("topology", f"{name} is not a durable {state.exchanges[name]} exchange")
    for name in sorted(state.transient):
        if exists(client, "queue.declare", queue=name):
            history.find("topology", f"{name} is transient, and is there")
    state.transient.clear()


def publish_probes(state: State, client: Client) -> dict[str, tuple[str, str]]:
    """A message for every exchange and key, as only so can a client see bindings: names, and where they were sent."""
    probes = {}
    for exchange in sorted(state.exchanges):
        for key in KEYS:
            name = f"probe/{exchange}/{key}"
            probes[name] = exchange, key
            client.send(publication(exchange, key, f"{name} ".encode(), PERSISTENT))
    return probes


def take_all(client: Client, queue: str) -> list[str]:
    depth, names = client.depth(queue), list[str]()
    client.call("basic.consume", queue=queue, consumer_tag="verify")
    for _ in range(PATIENCE_ROUNDS):
        names += [client.events.popleft().body.partition(b" ")[0].decode() for _ in range(len(client.events))]
        if len(names) >= depth:
            break
        client.receive(0.25)
    client.call("basic.cancel", consumer_tag="verify")
    names += [client.events.popleft().body.partition(b" ")[0].decode() for _ in range(len(client.events))]
    client.tell("basic.ack", delivery_tag=0, multiple=True)
    client.call("tx.commit")
    return names


def look_at_contents(history: History, state: State, queue: str, taken: list[str]) -> None:
    contents = state.contents[queue]
    places = {content.name: place for place, content in enumerate(contents)}
    for each in sorted(set(taken) - places.keys()):
        history.find("churn", f"{queue}: {each} was purged, deleted or taken for good, and came back")
    for content in contents:
        if content.is_sure and content.name not in taken:
            history.find("churn", f"{queue}: {content.name} is lost, {len(taken)} others are there")
    known = [places[each] for each in taken if each in places]
    if known != sorted(set(known)):
        history.find("churn", f"{queue}: messages are doubled or out of order: {taken[:50]}")


def look_at_bindings(
    history: History, state: State, queue: str, taken: set[str], probes: dict[str, tuple[str, str]]
) -> None:
    for name, (exchange, key) in probes.items():
        binding = exchange, queue, key
        if (name in taken) == (binding in state.bindings):
            continue
        if binding not in state.unsure:
            history.find("topology", f"{binding} is {'there' if name in taken else 'gone'}")
        if name in taken:
            state.bindings.add(binding)
        else:
            state.bindings.discard(binding)


def exists(client: Client, method: str, **fields: Any) -> bool:  # noqa: ANN401
    """Asks passively; the channel is a new one when the thing is not there."""
    return accepts(client, method, passive=True, **fields)


def accepts(client: Client, method: str, **fields: Any) -> bool:  # noqa: ANN401
    try:
        client.call(method, **fields)
    except Refused as refused:
        if refused.code not in (404, 406):
            raise
        client.tell("channel.close-ok")
        client.call("channel.open")
        return False
    return True
