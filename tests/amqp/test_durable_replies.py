"""What is promised is durable: confirms and replies to changes and commits wait for the store; nothing else does."""

from typing import Any

import pytest
from pamqp.base import Frame as Method
from pamqp.commands import Basic, Channel, Confirm, Connection, Exchange, Queue, Tx

from amqpy.amqp.state import InputState
from amqpy.core.durability.journal import Journal
from amqpy.store.memory import MemoryStore
from tests.amqp.client import Client, Received, make_broker, names, publish_frames


class Disk:
    """What a broker's journal is written to, when the test says so."""

    def __init__(self, *, is_awaited: bool = True) -> None:
        self.store = MemoryStore()
        self.store.load()
        self.journal = Journal(self.store, lambda: 0, is_awaited=is_awaited)
        self.broker = make_broker(journal=self.journal)

    def client(self, *methods: Method, channels: tuple[int, ...] = (1,)) -> Client:
        """One that has said this, and it is durable."""
        client = Client.opened(self.broker, channels=channels)
        for number in channels:
            client.send(*methods, channel=number)
        self.write_all()
        client.received()
        return client

    def take(self) -> None:
        assert self.journal.take() is not None

    def write(self) -> None:
        """What was taken, or what there is, is durable now."""
        batch = self.journal.writing or self.journal.take()
        assert batch is not None
        if not batch.is_empty:
            self.store.append(batch)
            self.store.sync()
        self.journal.written()

    def write_all(self) -> None:
        while self.journal.writing is not None or self.journal.has_work:
            self.write()


@pytest.fixture
def disk() -> Disk:
    return Disk()


def publisher(disk: Disk, *methods: Method) -> Client:
    """A client with confirms, and durable queues `q` and `small`, which takes only one message."""
    return disk.client(
        Queue.Declare(queue="q", durable=True),
        Queue.Declare(queue="t"),
        Queue.Declare(queue="small", durable=True, arguments={"x-max-length": 1, "x-overflow": "reject-publish"}),
        Confirm.Select(),
        *methods,
    )


def persistent(queue: str = "q", payload: bytes = b"", **more: Any) -> bytes:  # noqa: ANN401
    return publish_frames(queue, payload, delivery_mode=2, **more)


def told(received: list[Received]) -> list[tuple[str, int, bool]]:
    return [(each.name, each.method.delivery_tag, each.method.multiple) for each in received]


def test_a_transport_is_told_of_what_is_stored(disk: Disk) -> None:
    client = publisher(disk)
    client.publish("q")
    assert client.input_state() == InputState.READ
    client.feed(persistent())
    assert client.input_state() == InputState.STORING


# --- confirms


def test_a_persistent_message_is_confirmed_once_it_is_durable(disk: Disk) -> None:
    client = publisher(disk)
    assert client.feed(persistent()) == []
    disk.take()
    assert client.received() == []
    disk.write()
    assert told(client.received()) == [("Basic.Ack", 1, False)]
    assert not disk.journal.has_work


def test_many_are_confirmed_at_once(disk: Disk) -> None:
    client = publisher(disk)
    client.feed(persistent() * 3)
    client.feed(persistent() * 2)
    disk.write()
    assert told(client.received()) == [("Basic.Ack", 5, True)]


@pytest.mark.parametrize(
    "frames",
    [
        publish_frames("q", b""),
        persistent("t"),
        persistent("nowhere"),
    ],
    ids=["transient", "transient queue", "no queue"],
)
def test_what_does_not_survive_is_confirmed_at_once(disk: Disk, frames: bytes) -> None:
    client = publisher(disk)
    assert told(client.feed(frames)) == [("Basic.Ack", 1, False)]
    assert not disk.journal.has_work


def test_what_comes_behind_it_waits_with_it(disk: Disk) -> None:
    client = publisher(disk)
    client.feed(persistent())
    assert client.feed(publish_frames("t", b"")) == []
    disk.take()
    assert client.feed(publish_frames("t", b"")) == []
    disk.write()
    assert told(client.received()) == [("Basic.Ack", 3, True)]
    assert told(client.feed(publish_frames("t", b""))) == [("Basic.Ack", 4, False)]


def test_each_batch_has_its_own(disk: Disk) -> None:
    client = publisher(disk)
    client.feed(persistent())
    disk.take()
    client.feed(persistent() + publish_frames("t", b""))
    client.feed(publish_frames("t", b""))
    assert client.received() == []
    disk.write()
    assert told(client.received()) == [("Basic.Ack", 1, False)]
    disk.write()
    assert told(client.received()) == [("Basic.Ack", 4, True)]


def test_refusals_come_in_their_place(disk: Disk) -> None:
    client = publisher(disk)
    client.feed(persistent("small"))
    client.feed(persistent("small"))
    client.feed(persistent())
    assert client.received() == []
    disk.write()
    assert told(client.received()) == [
        ("Basic.Ack", 1, False),
        ("Basic.Nack", 2, False),
        ("Basic.Ack", 3, False),
    ]


def test_returns_do_not_wait(disk: Disk) -> None:
    client = publisher(disk)
    client.feed(persistent())
    assert names(client.feed(persistent("nowhere", mandatory=True))) == ["Basic.Return"]
    disk.write()
    assert told(client.received()) == [("Basic.Ack", 2, True)]


def test_a_message_that_came_and_went_waits_for_what_was_before_it(disk: Disk) -> None:
    """It costs no write; but the batch before is not durable yet."""
    client = publisher(disk)
    other = Client.opened(disk.broker)
    other.send(Basic.Consume(queue="small", no_ack=True))
    client.feed(persistent("small"))
    client.feed(persistent())
    disk.take()
    assert client.feed(persistent("small")) == []
    assert names(other.received()) == ["Basic.Deliver"] * 2
    assert disk.journal.batch.is_empty
    disk.write()
    assert told(client.received()) == [("Basic.Ack", 2, True)]
    disk.write()
    assert told(client.received()) == [("Basic.Ack", 3, False)]


def test_consumers_get_messages_that_are_not_durable_yet(disk: Disk) -> None:
    client = publisher(disk)
    other = Client.opened(disk.broker)
    other.send(Basic.Consume(queue="q"))
    client.feed(persistent())
    assert names(other.received()) == ["Basic.Deliver"]


def test_channels_do_not_wait_for_each_other(disk: Disk) -> None:
    client = disk.client(Queue.Declare(queue="q", durable=True), Confirm.Select(), channels=(1, 2))
    client.feed(persistent())
    assert [each.channel for each in client.feed(publish_frames("q", b"", channel=2))] == [2]
    disk.write()
    assert [each.channel for each in client.received()] == [1]


def test_a_delayed_message_is_confirmed_once_it_is_durable(disk: Disk) -> None:
    exchange = Exchange.Declare(
        exchange="d", exchange_type="x-delayed-message", durable=True, arguments={"x-delayed-type": "fanout"}
    )
    client = publisher(disk, exchange)
    assert client.feed(publish_frames("", b"", exchange="d", headers={"x-delay": 1000})) == []
    disk.write()
    assert told(client.received()) == [("Basic.Ack", 1, False)]


def test_a_channel_that_is_closed_is_told_nothing_more(disk: Disk) -> None:
    client = publisher(disk)
    client.feed(persistent())
    assert names(client.send(Channel.Close(200, "", 0, 0))) == ["Channel.CloseOk"]
    client.send(Channel.Open())
    client.send(Confirm.Select())
    disk.write()
    assert client.received() == []


def test_a_channel_that_we_close_is_told_nothing_more(disk: Disk) -> None:
    client = publisher(disk)
    client.feed(persistent())
    assert names(client.send(Queue.Declare(queue="missing", passive=True))) == ["Channel.Close"]
    disk.write()
    assert client.received() == []


@pytest.mark.parametrize("ending", ["close", "lost"])
def test_a_connection_that_is_over_is_told_nothing_more(disk: Disk, ending: str) -> None:
    client = publisher(disk)
    client.feed(persistent())
    if ending == "close":
        assert names(client.send(Connection.Close(200, "", 0, 0), channel=0)) == ["Connection.CloseOk"]
    else:
        client.session.lost()
    disk.write()
    assert client.received() == []


# --- replies

CHANGES: dict[str, tuple[Method, str]] = {
    "exchange.declare": (Exchange.Declare(exchange="new", exchange_type="direct", durable=True), "Exchange.DeclareOk"),
    "exchange.delete": (Exchange.Delete(exchange="x"), "Exchange.DeleteOk"),
    "exchange.bind": (Exchange.Bind(destination="x", source="amq.direct", routing_key="k"), "Exchange.BindOk"),
    "exchange.unbind": (Exchange.Unbind(destination="x", source="amq.fanout", routing_key="k"), "Exchange.UnbindOk"),
    "queue.declare": (Queue.Declare(queue="new", durable=True), "Queue.DeclareOk"),
    "queue.delete": (Queue.Delete(queue="q"), "Queue.DeleteOk"),
    "queue.bind": (Queue.Bind(queue="q", exchange="x", routing_key="new"), "Queue.BindOk"),
    "queue.unbind": (Queue.Unbind(queue="q", exchange="x", routing_key="k"), "Queue.UnbindOk"),
    "queue.purge": (Queue.Purge(queue="q"), "Queue.PurgeOk"),
}


def declarer(disk: Disk) -> Client:
    client = disk.client(
        Queue.Declare(queue="q", durable=True),
        Exchange.Declare(exchange="x", exchange_type="direct", durable=True),
        Exchange.Bind(destination="x", source="amq.fanout", routing_key="k"),
        Queue.Bind(queue="q", exchange="x", routing_key="k"),
    )
    client.feed(persistent())
    disk.write()
    return client


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_durable_before_its_reply(disk: Disk, name: str) -> None:
    method, answer = CHANGES[name]
    client = declarer(disk)
    assert client.send(method) == []
    disk.take()
    assert client.received() == []
    disk.write()
    assert names(client.received()) == [answer]
    assert client.session.outbox.held_for is None
    assert not disk.journal.has_work


def test_nothing_overtakes_a_reply_that_waits(disk: Disk) -> None:
    client = disk.client(channels=(1, 2))
    client.send(Queue.Declare(queue="q", durable=True))
    assert client.send(Basic.Qos(prefetch_count=1)) == []
    assert client.send(Basic.Consume(queue="q"), channel=2) == []
    disk.take()
    client.feed(publish_frames("q", b""))
    assert client.send(Queue.Declare(queue="other", durable=True), channel=2) == []
    disk.write()
    # All of it waits for the second promise: what was said before that one is not sent apart.
    assert client.received() == []
    disk.write()
    assert names(client.received()) == [
        "Queue.DeclareOk",
        "Basic.QosOk",
        "Basic.ConsumeOk",
        "Basic.Deliver",
        "Queue.DeclareOk",
    ]


def test_other_connections_do_not_wait(disk: Disk) -> None:
    client, other = disk.client(), disk.client()
    client.send(Queue.Declare(queue="q", durable=True))
    assert names(other.send(Basic.Qos(prefetch_count=1))) == ["Basic.QosOk"]
    assert names(other.send(Queue.Declare(queue="q", passive=True))) == ["Queue.DeclareOk"]


@pytest.mark.parametrize(
    "method",
    [
        Queue.Declare(queue="new"),
        Queue.Declare(queue="new", durable=True, exclusive=True),
        Queue.Declare(queue="q", durable=True),
        Queue.Declare(queue="q", passive=True),
        Exchange.Declare(exchange="new"),
        Exchange.Declare(exchange="x", exchange_type="direct", durable=True),
        Exchange.Declare(exchange="amq.direct", exchange_type="direct", durable=True),
        Exchange.Delete(exchange="missing"),
        Queue.Delete(queue="missing"),
        Queue.Bind(queue="q", exchange="x", routing_key="k"),
        Queue.Unbind(queue="q", exchange="x", routing_key="missing"),
        Basic.Get(queue="q"),
    ],
    ids=lambda method: f"{method.name} {dict(method)}",
)
def test_what_changes_nothing_durable_is_answered_at_once(disk: Disk, method: Method) -> None:
    client = declarer(disk)
    assert len(client.send(method)) == 1
    assert not disk.journal.has_work


@pytest.mark.parametrize("is_written", [False, True])
@pytest.mark.parametrize("name", ["exchange.declare", "exchange.bind", "queue.declare", "queue.bind"])
def test_what_somebody_else_has_just_declared_is_durable_before_the_reply(
    disk: Disk, name: str, is_written: bool
) -> None:
    """Several start at once and declare the same."""
    method, answer = CHANGES[name]
    client, other = declarer(disk), disk.client()
    client.send(method)
    if is_written:
        disk.take()
    assert other.send(method) == []
    assert names(other.send(Queue.Declare(queue="mine", exclusive=True))) == []
    disk.write()
    assert names(other.received()) == [answer, "Queue.DeclareOk"]
    assert len(other.send(method)) == 1


def test_what_is_not_durable_does_not_wait_for_what_others_declare(disk: Disk) -> None:
    client, other = disk.client(), disk.client()
    client.send(Queue.Declare(queue="q", durable=True))
    assert len(other.send(Queue.Declare(queue="new"))) == 1
    assert len(other.send(Exchange.Declare(exchange="new"))) == 1
    assert len(other.send(Queue.Declare(queue="q", passive=True))) == 1


def test_a_later_promise_is_waited_for_as_well(disk: Disk) -> None:
    client, other = declarer(disk), disk.client()
    other.send(Queue.Declare(queue="new", durable=True))
    disk.take()
    client.send(Tx.Select())
    client.feed(persistent())
    assert client.send(Tx.Commit()) == []
    assert disk.journal.batch.changes == []
    assert client.send(Queue.Declare(queue="q", durable=True)) == []
    disk.write()
    assert client.received() == []
    disk.write()
    assert names(client.received()) == ["Tx.CommitOk", "Queue.DeclareOk"]


def test_without_a_reply_the_next_one_waits(disk: Disk) -> None:
    client = disk.client()
    client.send(Queue.Declare(queue="q", durable=True, nowait=True))
    assert client.send(Basic.Qos(prefetch_count=1)) == []
    disk.write()
    assert names(client.received()) == ["Basic.QosOk"]


def test_what_is_refused_is_answered_at_once(disk: Disk) -> None:
    client = declarer(disk)
    assert names(client.send(Queue.Declare(queue="q", durable=False))) == ["Channel.Close"]


def test_close_ok_waits_behind_the_reply(disk: Disk) -> None:
    client = disk.client()
    client.send(Queue.Declare(queue="q", durable=True))
    assert client.send(Connection.Close(200, "", 0, 0), channel=0) == []
    disk.write()
    assert names(client.received()) == ["Queue.DeclareOk", "Connection.CloseOk"]


# --- transactions


def in_transaction(disk: Disk) -> Client:
    return disk.client(Queue.Declare(queue="q", durable=True), Tx.Select())


def test_a_commit_is_durable_before_its_reply(disk: Disk) -> None:
    client = in_transaction(disk)
    assert client.feed(persistent()) == []
    assert disk.journal.batch.is_empty
    assert client.send(Tx.Commit()) == []
    disk.take()
    assert client.received() == []
    disk.write()
    assert names(client.received()) == ["Tx.CommitOk"]


def test_an_acknowledgement_is_durable_before_the_reply_to_its_commit(disk: Disk) -> None:
    client = in_transaction(disk)
    client.feed(persistent())
    client.send(Tx.Commit())
    disk.write_all()
    client.received()
    client.send(Basic.Get(queue="q"))
    assert names(client.send(Basic.Ack(1))) == []
    assert client.send(Tx.Commit()) == []
    disk.write()
    assert names(client.received()) == ["Tx.CommitOk"]
    assert disk.store.load().lanes == {}


@pytest.mark.parametrize("what", ["nothing", "a transient message", "a rollback"])
def test_there_may_be_nothing_to_wait_for(disk: Disk, what: str) -> None:
    client = in_transaction(disk)
    if what != "nothing":
        client.feed(publish_frames("q", b"") if what == "a transient message" else persistent())
    method = Tx.Rollback() if what == "a rollback" else Tx.Commit()
    assert len(client.send(method)) == 1


# --- for those who do not want to wait


def test_without_sync_nothing_waits() -> None:
    disk = Disk(is_awaited=False)
    client = publisher(disk)
    assert told(client.feed(persistent())) == [("Basic.Ack", 1, False)]
    assert names(client.send(Queue.Declare(queue="new", durable=True))) == ["Queue.DeclareOk"]
    assert disk.journal.has_work, "it is written all the same"
    client = in_transaction(disk)
    client.feed(persistent())
    assert names(client.send(Tx.Commit())) == ["Tx.CommitOk"]
    assert client.session.durable_replies.stores, "who publishes too fast still waits for the store"
