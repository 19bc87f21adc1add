"""The rounds: start, work, kill; and now and then a look at what is left."""

import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from interop.crash import check, churn
from interop.crash.actors import Actor, Committer, Consumer, Publisher, Round
from interop.crash.churn import Churn
from interop.crash.history import History
from interop.crash.mover import Mover
from interop.crash.streams import StreamPublisher, StreamReader, streams
from interop.crash.topology import Topology, topology
from interop.kit.brokers import Broker
from interop.kit.client import Client, Gone, Refused, Silent

ROUND_S_MAX = 0.7
AFTER_FLOOD_S = (0.05, 0.05, 1.5)
LARGE_SHARES = (0.005, 0.005, 0.2)
ACTORS_END_S = 60.0
PUBLISHERS, CONSUMERS = 2, 3

ENDS = ("kill", "kill", "kill", "kill", "flood", "flood", "starting", "starting", "stop", "go on")
"""How rounds end: killed at any moment, or right after many messages were purged or deleted; killed, and again while it
starts; stopped in good order; or not at all."""


class Play:
    """All rounds of one seed on one broker."""

    def __init__(self, broker: Broker, seed: int, say: Callable[[str], None]) -> None:
        self.broker = broker
        self.seed = seed
        self.say = say
        self.history = History(topology(delayed=broker.has_delays), is_strict=broker.is_strict)
        self.streams = streams(self.history)
        self.state = churn.State()
        self.ends: Counter[str] = Counter()
        self.told = 0
        """How many of the findings were reported."""
        self.start_seconds = self.broker.start()
        self.declare(self.history.topology)

    def declare(self, made: Topology) -> None:
        client = Client(self.broker.address)
        for exchange in made.exchanges:
            client.call(
                "exchange.declare",
                exchange=exchange.name,
                exchange_type=exchange.kind,
                durable=True,
                arguments=exchange.arguments,
            )
        for queue in made.queues.values():
            client.call("queue.declare", queue=queue.name, durable=True, arguments=queue.all_arguments)
        for stream in self.streams:
            client.call("queue.declare", queue=stream.name, durable=True, arguments=stream.all_arguments)
        for binding in made.bindings:
            kind, target = ("exchange", "destination") if binding.to_exchange else ("queue", "queue")
            source = "source" if binding.to_exchange else "exchange"
            where: dict[str, Any] = {target: binding.destination, source: binding.source}
            client.call(f"{kind}.bind", **where, routing_key=binding.key)
        client.close()

    def round(self, number: int) -> None:
        """One round; findings are in the history."""
        draw = random.Random(f"{self.seed}/{number}")
        end = draw.choice(ENDS)
        self.ends[end] += 1
        round_ = Round(self.broker.address, self.history, large_share=draw.choice(LARGE_SHARES))
        actors = self.actors(round_, number, flood=end == "flood")
        for actor in actors:
            actor.start()
        if end == "flood":
            round_.strike.wait(ACTORS_END_S)
            time.sleep(draw.choice(AFTER_FLOOD_S) * draw.random())
        else:
            time.sleep(draw.random() * ROUND_S_MAX)
        self.finish(round_, actors, end, draw)
        if end != "go on":
            self.verify()
        if draw.random() < 0.4:
            self.check()
        self.report(f"round {number} ({end})")

    def last_look(self) -> None:
        self.check()
        self.report("at the end")

    def report(self, when: str) -> None:
        """Say what was found since the last time."""
        for finding in self.history.findings[self.told :]:
            self.say(f"seed {self.seed}, {when}: {finding.kind}: {finding.text}")
        self.told = len(self.history.findings)

    def actors(self, round_: Round, number: int, *, flood: bool) -> list[Actor | Mover]:
        def seed(name: str) -> str:
            return f"{self.seed}/{number}/{name}"

        publishers = [Publisher(name, round_, seed(name)) for name in (f"publisher-{n}" for n in range(PUBLISHERS))]
        consumers = [Consumer(name, round_, seed(name)) for name in (f"consumer-{n}" for n in range(CONSUMERS))]
        committer = Committer("committer", round_, seed("committer"))
        port = self.broker.management_port
        # RabbitMQ has a shovel for that, which may double messages.
        movers = [Mover(round_, port, seed("mover"))] if port and self.broker.is_strict else []
        churns = [Churn("churn", round_, seed("churn"), self.state, flood=flood)]
        of_streams = [
            StreamPublisher("stream-publisher", round_, seed("stream-publisher"), self.streams),
            StreamReader("stream-reader", round_, seed("stream-reader"), self.streams),
        ]
        return [*publishers, *consumers, committer, *churns, *movers, *of_streams]

    def finish(self, round_: Round, actors: Sequence[Actor | Mover], end: str, draw: random.Random) -> None:
        if end == "go on":
            round_.stopping.set()
        else:
            round_.struck = True
            self.history.is_stopping = end == "stop"
            (self.broker.stop if end == "stop" else self.broker.kill)()
        for actor in actors:
            actor.join(ACTORS_END_S)
            if actor.is_alive():
                self.history.find("harness", f"{actor.name} does not end")
        if end == "go on":
            return
        self.history.ended()
        if end == "starting":
            for _ in range(draw.randint(1, 3)):
                self.broker.start_and_kill(draw.random() * self.start_seconds * 1.2)
                self.history.ended()
        self.start_seconds = self.broker.start()

    def verify(self) -> None:
        """What was declared; and no queue of the topology may be gone, or the actors could not tell why they fail."""
        self.with_client(self.look_at_topology)
        self.with_client(lambda client: churn.verify(self.history, self.state, client))
        for stream in self.streams:
            self.with_client(stream.verify)

    def look_at_topology(self, client: Client) -> None:
        made = self.history.topology
        names = [*made.queues, *(stream.name for stream in self.streams)]
        missing = [name for name in names if not churn.exists(client, "queue.declare", queue=name)]
        missing += [
            each.name for each in made.exchanges if not churn.exists(client, "exchange.declare", exchange=each.name)
        ]
        client.close()
        if missing:
            self.history.find("topology", f"gone: {', '.join(missing)}")
        self.declare(made)

    def check(self) -> None:
        self.with_client(lambda client: check.check(self.history, client))

    def with_client(self, work: Callable[[Client], None]) -> None:
        try:
            work(Client(self.broker.address))
        except (Gone, Refused, Silent) as error:
            self.history.find("connection", f"while looking at what is left: {type(error).__name__}: {error}")
