"""Runs change nothing: two brokers hear the same octets, one in runs, the other message by message.

Each channel consumes from one queue, for what is compared is what each channel is told, in its order: nobody is
promised an order of what comes out of different queues.
"""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any
from unittest.mock import patch

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from pamqp.base import Frame as Method
from pamqp.commands import Basic, Channel, Confirm, Exchange, Queue, Tx

from amqpy.amqp import client as amqp_client
from amqpy.core import views
from amqpy.core.broker import Broker
from amqpy.core.durability.journal import Journal
from amqpy.core.queues import classic, paged_fifo, quorum
from amqpy.store.memory import MemoryStore
from amqpy.wire.frame_reader import ACK, PUBLISH, Frame, FrameReader
from tests.amqp.client import Client, Received, make_broker, method_frame, publish_frames
from tests.core.invariants import check_invariants
from tests.strategies import chunked

TINY_WINDOW = {"WINDOW_MESSAGES": 4, "WINDOW_BYTES": 200, "PAGE_MESSAGES": 3, "PAGE_BYTES": 100}

QUEUES: dict[str, dict[str, Any]] = {
    "plain": {},
    "other": {},
    "limited": {"x-max-length": 3, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"},
    "limited in time": {"x-max-length": 2, "x-message-ttl": 10, "x-dead-letter-exchange": "late"},
    "refusing": {"x-max-length": 3, "x-overflow": "reject-publish"},
    "small": {"x-max-length-bytes": 30},
    "by priority": {"x-max-priority": 2},
    "short lived": {"x-message-ttl": 10},
    "keeps nothing": {"x-message-ttl": 0, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead at once"},
    "single": {"x-single-active-consumer": True},
    "quorum": {"x-queue-type": "quorum"},
    "quorum refusing": {"x-queue-type": "quorum", "x-max-length": 3, "x-overflow": "reject-publish"},
    "quorum limited": {"x-queue-type": "quorum", "x-max-length": 3},
    "quorum short lived": {"x-queue-type": "quorum", "x-message-ttl": 10},
}
EXCHANGES = ["", "", "amq.fanout", "amq.topic"]
PLAIN: list[dict[str, Any]] = [
    {},
    {"delivery_mode": 2},
    {"priority": 1, "delivery_mode": 1},
    {"message_id": "some-id", "reply_to": "elsewhere"},
    {"headers": {"h": "value"}, "delivery_mode": 2},
]
SPECIAL: list[dict[str, Any]] = [
    {"headers": {"CC": ["other"]}},
    {"expiration": "10"},
    {"user_id": "guest"},
]
PUBLISHING = WITHOUT_CONFIRMS, WITH_CONFIRMS, IN_TRANSACTION = 1, 2, 3
CONSUMING = range(1, 4)

seldom = st.integers(0, 9).map(lambda number: number == 9)
bodies = st.binary(max_size=12) | st.sampled_from([b"", b"same"])


@st.composite
def rows(draw: st.DrawFn, names: list[str]) -> bytes:
    """Messages alike, in a row, for a few queues."""
    alike = {
        "channel": draw(st.sampled_from(PUBLISHING)),
        "mandatory": draw(seldom),
        "exchange": draw(st.sampled_from(EXCHANGES)),
        **(draw(st.sampled_from(SPECIAL)) if draw(seldom) else draw(st.sampled_from(PLAIN))),
    }
    keys = st.sampled_from(draw(st.lists(st.sampled_from(names), min_size=1, max_size=2)))
    contents = draw(st.lists(st.tuples(keys, bodies), min_size=1, max_size=8))
    return b"".join(publish_frames(key, content, **alike) for key, content in contents)


class SingleReader(FrameReader):
    """Takes runs apart into runs of one."""

    def feed(self, data: bytes) -> Iterator[Frame]:
        for kind, channel, payload in super().feed(data):
            if kind == PUBLISH:
                methods, verdict, headers, contents = payload
                for method, header, content in zip(methods, headers, contents, strict=True):
                    yield kind, channel, ([method], verdict, [header], [content])
            elif kind == ACK:
                tags, bits = payload
                for tag in tags:
                    yield kind, channel, ([tag], bits)
            else:
                yield kind, channel, payload


class World:
    """A broker, a publisher and two consuming clients."""

    def __init__(self, journal: Journal | None, *, in_runs: bool) -> None:
        self.in_runs = in_runs
        self.broker = make_broker(journal=journal)
        self.told: dict[tuple[int, int], list[tuple[Any, ...]]] = defaultdict(list)
        with self.ways():
            self.clients = [
                Client.opened(self.broker, channels=PUBLISHING),
                Client.opened(self.broker, channels=CONSUMING),
                Client.opened(self.broker, channels=CONSUMING),
            ]

    def ways(self) -> ExitStack:
        """The way in which this one is served."""
        stack = ExitStack()
        if not self.in_runs:
            stack.enter_context(patch.object(amqp_client, "FrameReader", SingleReader))
            stack.enter_context(patch.object(classic, "RUN_BYTES", 0))
            stack.enter_context(patch.object(quorum, "RUN_BYTES", 0))
        return stack

    def feed(self, client: int, *chunks: bytes) -> None:
        with self.ways():
            for chunk in chunks:
                self.clients[client].feed(chunk)
                self.listen()

    def at(self, now_ms: int) -> None:
        with self.ways():
            for client in self.clients:
                client.now_ms = now_ms
            self.broker.advance(now_ms)
            self.broker.work()
            self.listen()

    def listen(self) -> None:
        for number, client in enumerate(self.clients):
            for received in client.received():
                self.told[number, received.channel].append(plain(received))
                if received.name == "Channel.Close":
                    again = method_frame(Channel.CloseOk(), received.channel)
                    self.feed(number, again + method_frame(Channel.Open(), received.channel))


def plain(received: Received) -> tuple[Any, ...]:
    properties = None if received.properties is None else dict(received.properties)
    return received.name, dict(received.method), properties, received.body


class Runs(RuleBasedStateMachine):
    """Compares two brokers without a store."""

    def __init__(self) -> None:
        super().__init__()
        self.worlds = [World(self.new_journal(), in_runs=in_runs) for in_runs in (True, False)]
        self.now_ms = 0
        self.say(0, Confirm.Select(), channel=WITH_CONFIRMS)
        self.say(0, Tx.Select(), channel=IN_TRANSACTION)

    def new_journal(self) -> Journal | None:
        return None

    def feed(self, client: int, *chunks: bytes) -> None:
        for world in self.worlds:
            world.feed(client, *chunks)

    def say(self, client: int, *methods: Method, channel: int) -> None:
        self.feed(client, b"".join(method_frame(method, channel) for method in methods))

    @initialize(names=st.lists(st.sampled_from(sorted(QUEUES)), min_size=1, max_size=3, unique=True))
    def declare(self, names: list[str]) -> None:
        self.names = names
        # Each has dead letters of one queue: nobody is promised an order of those of several.
        for name in dict.fromkeys([*names, "dead", "dead at once", "late"]):
            self.say(0, Queue.Declare(queue=name, durable=True, arguments=QUEUES.get(name, {})), channel=1)
        self.say(0, Exchange.Declare(exchange="late", exchange_type="fanout"), channel=1)
        self.say(0, Queue.Bind(queue="late", exchange="late"), channel=1)
        for name, topic in zip(names, ("#", names[-1], "*"), strict=False):
            self.say(0, Queue.Bind(queue=name, exchange="amq.fanout"), channel=1)
            self.say(0, Queue.Bind(queue=name, exchange="amq.topic", routing_key=topic), channel=1)
        # From now on the routes are known.
        keys = [*names, "none"]
        self.feed(0, *(publish_frames(key, b"", exchange=name) for name in EXCHANGES for key in keys))

    @rule(data=st.data(), count=st.integers(1, 4))
    def publish(self, data: st.DataObject, count: int) -> None:
        keys = [*self.names, *self.names, "none"]
        messages = b"".join(data.draw(rows(keys)) for _ in range(count))
        self.feed(0, *data.draw(chunked(messages)))

    @rule(
        client=st.integers(1, 2),
        channel=st.sampled_from(CONSUMING),
        place=st.integers(0, 3),
        no_ack=seldom,
        prefetch=st.sampled_from([0, 1, 2, 5, 5]),
        shared=seldom,
    )
    def consume(self, client: int, channel: int, place: int, no_ack: bool, prefetch: int, shared: bool) -> None:
        """Each channel has one consumer, or two of the same queue."""
        queue = ([*self.names, "dead"] * 4)[place]
        there = self.worlds[0].clients[client].session.channels[channel].consumers
        if len(there) > 1 or any(consumer.queue.name != queue for consumer in there.values()):
            return
        qos = Basic.Qos(prefetch_count=prefetch, global_=shared and not queue.startswith("quorum"))
        tag = "second" if there else "first"
        self.say(client, qos, Basic.Consume(queue=queue, no_ack=no_ack, consumer_tag=tag), channel=channel)

    @rule(
        client=st.integers(1, 2),
        channel=st.sampled_from(CONSUMING),
        back=st.lists(st.integers(0, 9), min_size=1, max_size=6),
        multiple=st.integers(0, 3),
        data=st.data(),
    )
    def ack(self, client: int, channel: int, back: list[int], multiple: int, data: st.DataObject) -> None:
        """Acknowledges some deliveries, one by one and perhaps many at the end; none but the last is unknown."""
        world = self.worlds[0]
        owed = world.clients[client].session.channels[channel].unacked.by_tag
        tags = [tag for tag in dict.fromkeys(max(owed, default=0) - each for each in back) if tag in owed]
        acks = [Basic.Ack(tag) for tag in tags]
        if multiple == 0 and owed:
            acks.append(Basic.Ack(0, multiple=True))
        self.feed(client, *data.draw(chunked(b"".join(method_frame(ack, channel) for ack in acks))))

    @rule(client=st.integers(1, 2), channel=st.sampled_from(CONSUMING))
    def ack_too_much(self, client: int, channel: int) -> None:
        owed = sorted(self.worlds[0].clients[client].session.channels[channel].unacked.by_tag)
        acks = [Basic.Ack(tag) for tag in [*owed[:2], 99_999, *owed[2:]]]
        self.feed(client, b"".join(method_frame(ack, channel) for ack in acks))

    @rule(client=st.integers(1, 2), channel=st.sampled_from(CONSUMING), requeue=st.booleans())
    def nack(self, client: int, channel: int, requeue: bool) -> None:
        if self.worlds[0].clients[client].session.channels[channel].unacked.by_tag:
            self.say(client, Basic.Nack(0, multiple=True, requeue=requeue), channel=channel)

    @rule(client=st.integers(1, 2), channel=st.sampled_from(CONSUMING))
    def cancel(self, client: int, channel: int) -> None:
        self.say(client, Basic.Cancel("first"), Basic.Cancel("second"), channel=channel)

    @rule(commit=st.booleans())
    def end_transaction(self, commit: bool) -> None:
        self.say(0, Tx.Commit() if commit else Tx.Rollback(), channel=IN_TRANSACTION)

    @rule()
    def purge(self) -> None:
        self.say(0, Queue.Purge(queue=self.names[0]), channel=1)

    @rule(name=st.sampled_from(["there", "gone"]))
    def publish_to_what_is_not_there(self, name: str) -> None:
        self.say(0, Exchange.Declare(exchange="there"), channel=1)
        messages = [publish_frames("key", b"body", exchange=name, channel=2) for _ in range(3)]
        self.feed(0, b"".join(messages))
        if name == "gone":
            self.say(0, Confirm.Select(), channel=2)

    @rule(span_ms=st.sampled_from([1, 10, 100]))
    def wait(self, span_ms: int) -> None:
        self.now_ms += span_ms
        for world in self.worlds:
            world.at(self.now_ms)

    @invariant()
    def all_are_told_the_same(self) -> None:
        in_runs, singly = self.worlds
        assert in_runs.told == singly.told

    @invariant()
    def all_is_the_same(self) -> None:
        found = [contents(world.broker) for world in self.worlds]
        assert found[0] == found[1]
        for world in self.worlds:
            sessions = [client.session for client in world.clients]
            check_invariants(
                world.broker, [channel.unacked for session in sessions for channel in session.channels.values()]
            )

    def teardown(self) -> None:
        sides = [[client.session.traffic()["send_oct"] for client in world.clients] for world in self.worlds]
        assert sides[0] == sides[1]


def vhost_of(broker: Broker) -> Any:  # noqa: ANN401
    return next(iter(broker.vhosts.values()))


def contents(broker: Broker) -> dict[str, Any]:
    vhost = vhost_of(broker)
    channel_stats = [
        {channel.number: channel.message_stats() for channel in client.channels.values()} for client in vhost.clients
    ]
    return {
        "queues": {name: (views.queue(queue), list_of(queue)) for name, queue in vhost.queues.items()},
        "exchanges": {name: views.exchange(exchange) for name, exchange in vhost.exchanges.items()},
        "channels": channel_stats,
    }


def list_of(queue: Any) -> list[tuple[int, bytes, bytes, int | None]]:  # noqa: ANN401
    return [(at, message.header, message.body, message.expires_at_ms) for at, message in queue.ready]


class StoredRuns(Runs):
    """Compares two brokers on stores, of which only a little is in memory."""

    def __init__(self) -> None:
        self.patches = ExitStack()
        for name, value in TINY_WINDOW.items():
            self.patches.enter_context(patch.object(paged_fifo, name, value))
        self.stores: list[MemoryStore] = []
        self.journals: list[Journal] = []
        super().__init__()

    def new_journal(self) -> Journal:
        store = MemoryStore()
        store.load()
        self.stores.append(store)
        self.journals.append(Journal(store, lambda: 0, is_awaited=False))
        return self.journals[-1]

    @rule()
    def write(self) -> None:
        for store, journal in zip(self.stores, self.journals, strict=True):
            if journal.writing is None and journal.take() is None:
                continue
            assert journal.writing is not None
            if not journal.writing.is_empty:
                store.append(journal.writing)
                store.sync()
            journal.written()

    def teardown(self) -> None:
        super().teardown()
        self.patches.close()


Runs.TestCase.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)
StoredRuns.TestCase.settings = Runs.TestCase.settings
TestRuns = Runs.TestCase
TestStoredRuns = StoredRuns.TestCase
