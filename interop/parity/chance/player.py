"""Plays a script of steps on one broker. After each step, it waits until the broker has done all that follows from it.

RabbitMQ works with a process for each channel and each queue, and a quorum queue writes before it acts. So a step is
over after some rounds, in which every channel answers, every queue is looked at and, if there are quorum queues,
something is written behind all they have to write. As many rounds are made as dead letters may take ways from queue to
queue. Where a time to live can be over soon, a witness with a longer one is waited for.

The transcript tells for each step what came on each channel, and how the counts of the queues changed. What RabbitMQ
sends from different processes has no order there: confirms, returned messages, cancels of the broker's own, and the
end of a commit stand apart.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from interop.parity import codec
from interop.parity.chance.steady import Topology, lapses
from interop.parity.chance.steps import LABEL, SETTLING, SOON_MS, STANDING, Script, Step
from interop.parity.codec import Typed
from interop.parity.connection import Channel, Connection
from interop.parity.normalise import natural
from interop.parity.script import Overdue, Stage

CAPABILITIES = {"consumer_cancel_notify": True, "basic.nack": True, "publisher_confirms": True}
WITNESS_MS = SOON_MS + 100  # on a busy machine, timers of two queues do not go off in their order
DRAINED_AT_MOST = 12

APART = {"basic.return": "returned", "basic.cancel": "cancelled", "tx.commit-ok": "commit"}
TAG = re.compile(r"basic\.(?P<how>deliver|get-ok).* delivery_tag=(?P<tag>\d+)")
CONSUMER = re.compile(r"consumer_tag=b?'(?P<tag>\w+)'")


def play(script: Script, stage: Stage) -> None:
    Play(script, stage).run()


class Actor:
    """A channel of the script, with what its steps refer to."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.unsettled: list[int] = []
        self.uncommitted: list[int] = []
        self.settled_when_sent: set[str] = set()  # consumers without acknowledgement, and "" for such a get
        self.published: int | None = None  # since confirms were asked for

    def notice(self, line: str) -> None:
        """Deliveries are to be settled, unless they are settled when sent."""
        if (found := TAG.match(line)) is None:
            return
        consumer = CONSUMER.search(line) if found["how"] == "deliver" else None
        if (consumer["tag"] if consumer else "") not in self.settled_when_sent:
            self.unsettled.append(int(found["tag"]))

    def chosen(self, nth: int) -> int | None:
        return self.unsettled[nth % len(self.unsettled)] if self.unsettled else None

    def settled(self, tag: int, *, multiple: bool) -> None:
        gone = [each for each in self.unsettled if each == tag or (multiple and each <= tag)]
        self.unsettled = [each for each in self.unsettled if each not in gone]
        self.uncommitted += gone

    def rolled_back(self) -> None:
        self.unsettled = sorted(self.unsettled + self.uncommitted)
        self.uncommitted = []

    @property
    def over(self) -> bool:
        connection = self.channel.connection
        return self.channel.closed or connection.closed or connection.closing or connection.ended


class Play:
    def __init__(self, script: Script, stage: Stage) -> None:
        self.script = script
        self.stage = stage
        self.topology = Topology(script)
        self.connections: dict[str, Connection] = {}
        self.actors: dict[str, Actor] = {}
        self.watch = Watch(stage, sorted(self.topology.queues), quorum=self.topology.has_quorum)
        self.rounds = 2 + sum(map(self.topology.dead_letters, self.topology.queues))

    def run(self) -> None:
        for step in self.script:
            self.stage.note(str(step))
            self.perform(step)
            if step.action == "drain":
                continue
            self.settle(step)
            self.take_notes()

    # Steps

    def perform(self, step: Step) -> None:
        actor = self.actor(step.channel)
        fields = {name: self.named(value) for name, value in step.options.items()}
        match step.action:
            case "basic_publish":
                self.publish(actor, step, fields)
            case action if action in SETTLING:
                self.settle_delivery(actor, action, fields)
            case "channel_close":
                actor.channel.close()
            case "connection_close":
                actor.channel.connection.close()
            case "drain":
                self.drain(actor, step, fields["queue"])
            case action:
                self.prepare(actor, step)
                actor.channel.call(action.replace("_", ".", 1), **fields)

    def actor(self, label: str) -> Actor:
        """The channel of that label, open: what was closed is opened again."""
        actor = self.actors.get(label)
        if actor is None or actor.over:
            connection = self.connections.get(label[0])
            if connection is None or connection.closed or connection.closing or connection.ended:
                connection = self.connections[label[0]] = self.stage.connect(capabilities=CAPABILITIES)
            connection.recording = False
            actor = self.actors[label] = Actor(connection.channel(int(label[1:])))
            connection.recording = True
            if actor.over:  # a broker that is too busy for a handshake in time; the steps would come to nothing
                raise Overdue(f"{label} did not open")
        return actor

    def prepare(self, actor: Actor, step: Step) -> None:
        """What a method means for the steps after it."""
        match step.action:
            case "confirm_select" if actor.published is None:
                actor.published = 0
            case "basic_consume" if step["no_ack"]:
                actor.settled_when_sent.add(step["consumer_tag"])
            case "basic_get":
                (actor.settled_when_sent.add if step["no_ack"] else actor.settled_when_sent.discard)("")
            case "basic_recover":
                actor.unsettled.clear()
            case "tx_rollback":
                actor.rolled_back()
            case "tx_commit":
                actor.uncommitted.clear()

    def publish(self, actor: Actor, step: Step, fields: dict[str, Any]) -> None:
        properties = codec.properties(**fields.pop("properties", {}))
        body, exchange, key = fields.pop("body", b""), fields.pop("exchange", ""), fields.pop("routing_key", "")
        for number in range(times := fields.pop("times", 1)):
            numbered = body + (b"/%d" % number if times > 1 else b"")
            actor.channel.publish(exchange, key, numbered, properties=properties, **fields)
        if actor.published is not None:
            actor.published += times
            actor.channel.wait_confirms(actor.published)

    def settle_delivery(self, actor: Actor, action: str, fields: dict[str, Any]) -> None:
        tag = actor.chosen(fields.pop("nth", 0))
        if tag is not None:
            actor.settled(tag, multiple=fields.get("multiple", False))
            actor.channel.send(action.replace("_", ".", 1), delivery_tag=tag, **fields)

    def drain(self, actor: Actor, step: Step, queue: str) -> None:
        """Get what there is, and let each get have its consequences."""
        actor.settled_when_sent.add("")
        for _ in range(DRAINED_AT_MOST):
            reply = actor.channel.get(queue, no_ack=True)
            self.settle(step)
            self.take_notes()
            if reply is None or reply.method != "basic.get-ok":
                break

    def named(self, value: Any) -> Any:  # noqa: ANN401
        """The value with names in place of labels."""
        match value:
            case str() if LABEL.fullmatch(value):
                return self.stage.name(value)
            case dict():
                return {key: self.named(each) for key, each in value.items()}
            case list():
                return [self.named(each) for each in value]
            case Typed():
                return Typed(value.tag, self.named(value.value))
        return value

    # Waiting

    def settle(self, step: Step) -> None:
        if step.action in STANDING and not self.actors[step.channel].over:
            self.go_round(1)
            return
        for _ in range(lapses(self.topology, step)):
            self.go_round(1)
            self.watch.wait_out()
        self.go_round(self.rounds)

    def go_round(self, times: int) -> None:
        for _ in range(times):
            self.sync()
            self.watch.look()
            for connection in self.connections.values():
                if not (connection.closed or connection.closing or connection.ended):
                    connection.settle(*(self.stage.name(queue) for queue in self.watch.exclusive))
        self.sync()

    def sync(self) -> None:
        for actor in self.actors.values():
            actor.channel.sync()

    # Telling

    def take_notes(self) -> None:
        for letter, connection in sorted(self.connections.items()):
            for number, lines in taken(connection):
                actor = self.actors.get(f"{letter}{number}")
                for topic, line in told_apart(lines):
                    if actor is not None and not topic:
                        actor.notice(line)
                    self.stage.note(f"    {letter}{number or ''}{topic and ' '}{topic}: {line}")
        for line in self.watch.news():
            self.stage.note(f"    {line}")


def taken(connection: Connection) -> Iterator[tuple[int, list[tuple[str, str]]]]:
    """What came on each channel since the last time, with the engine's own topic in front of each line."""
    by_channel: dict[int, list[tuple[str, str]]] = defaultdict(list)
    for (number, topic), lines in sorted(connection.lines.items()):
        by_channel[number] += [
            (topic.removeprefix(", "), line) for line in (sorted(lines, key=natural) if topic else lines)
        ]
    connection.lines.clear()
    yield from by_channel.items()


def told_apart(lines: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The lines by topic. Header and body belong to the method before."""
    told = []
    current = ""
    for given, line in lines:
        name = line.partition(" ")[0]
        if name not in ("header", "body"):
            current = given or APART.get(name, "")
        told.append((current, line))
    return sorted(told, key=lambda each: each[0])


class Watch:
    """An unseen connection that looks at queues, waits for time to pass, and for what was written."""

    def __init__(self, stage: Stage, queues: Sequence[str], *, quorum: bool) -> None:
        connection = stage.connect()
        connection.recording = False
        self.stage = stage
        self.exclusive: set[str] = set()
        self._eyes = {label: connection.channel(number) for number, label in enumerate(queues, 1)}
        self._clock = connection.channel(len(queues) + 1)
        self._writer = connection.channel(len(queues) + 2)
        self._counts: dict[str, str] = {}
        self._told: dict[str, str] = {}
        self._lapsing: str | None = None
        self._log = self._declared_log() if quorum else None
        self._logged = 0

    def look(self) -> None:
        """Twice, as what is written may lead to more: a queue that answers has done what it was asked before."""
        self._look_at_all()
        if self._log is not None:
            # All quorum queues of a node write to one log: this is behind everything they had to write.
            self._writer.publish("", self._log)
            self._logged += 1
            self._writer.wait_confirms(self._logged)
            self._look_at_all()

    def wait_out(self) -> None:
        """Wait until everything is over that had to be over SOON_MS from now."""
        if self._lapsing is None:
            late = self._clock.declare(exclusive=True)
            arguments = {
                "x-message-ttl": WITNESS_MS,
                "x-dead-letter-exchange": "",
                "x-dead-letter-routing-key": late,
            }
            self._lapsing = self._clock.declare(exclusive=True, arguments=arguments)
            self._clock.consume(late, no_ack=True)
        self._clock.publish("", self._lapsing)
        self._clock.wait_deliveries(1)

    def news(self) -> Iterator[str]:
        for label, counts in sorted(self._counts.items()):
            if self._told.get(label, "none") != counts:
                yield f"{label}: {counts}"
        self._told = dict(self._counts)

    def _look_at_all(self) -> None:
        for label, channel in self._eyes.items():
            if channel.closed:
                channel = self._eyes[label] = channel.reopen()
            channel.send("queue.declare", queue=self.stage.name(label), passive=True)
        for label, channel in self._eyes.items():
            reply = channel.wait("queue.declare-ok", "channel.close")[-1]
            assert reply is not None
            if reply.method == "queue.declare-ok":
                self._counts[label] = f"{reply['message_count']} ready, {reply['consumer_count']} consumers"
            else:
                self._counts[label] = {404: "none", 405: "exclusive"}.get(reply["reply_code"], str(reply))
            if self._counts[label] == "exclusive":
                self.exclusive.add(label)

    def _declared_log(self) -> str:
        self._writer.call("confirm.select")
        arguments = {"x-queue-type": "quorum", "x-max-length": 1}
        return self._writer.declare(self.stage.name("log"), durable=True, arguments=arguments)
