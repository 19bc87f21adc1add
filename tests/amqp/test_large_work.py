"""One client does much at once: it waits until it is done, others see it half done, and nothing of it is wrong."""

from collections.abc import Iterator

import pytest
from pamqp.base import Frame as Method
from pamqp.commands import Basic, Channel, Connection, Exchange, Queue, Tx

from amqpy.amqp.state import State
from amqpy.core.broker import Broker
from amqpy.core.jobs import UNITS_AT_ONCE
from amqpy.core.publishing import TARGETS_MAX
from amqpy.core.queues import fifo_queue
from tests.core.slices import sliced
from tests.fifo import ready_messages

from .client import Client, Received, make_broker, method_frame, names, publish_frames, remains

ALL = 10
LEAVE = Channel.Close(200, "bye", 0, 0)
BYE = Connection.Close(200, "bye", 0, 0)


@pytest.fixture
def broker() -> Iterator[Broker]:
    with sliced(1):
        yield make_broker()


class Large(Client):
    """A client of whom a turn does little: `say` is one turn, and what is left is for `work`."""

    def say(self, *methods: Method, channel: int = 1) -> list[Received]:
        self.session.receive(b"".join(method_frame(method, channel) for method in methods), self.now_ms)
        self.broker.settle()
        return self.said()

    def said(self) -> list[Received]:
        return self.transcript.read(self.take_output())

    def go_on(self) -> list[Received]:
        self.finish()
        return self.said()


def owing(broker: Broker, *, prefetch: int = 0) -> Large:
    """A client that owes ten messages of the queue `q`, got by a consumer that is gone."""
    client = Large.opened(broker, channels=(1, 2))
    assert isinstance(client, Large)
    client.send(Queue.Declare(queue="q", durable=True), Basic.Qos(prefetch_count=prefetch))
    for number in range(ALL):
        client.publish("q", str(number).encode())
    client.send(Basic.Consume(queue="q", consumer_tag="c"), Basic.Cancel(consumer_tag="c"))
    return client


def ready(broker: Broker) -> list[bytes]:
    return [message.body for message in ready_messages(broker.vhosts["/"].queues["q"])]


def some(broker: Broker, turns: int = ALL + 5) -> None:
    """A few turns of work: a large answer is sorted, and half done."""
    for _ in range(turns):
        broker.work()


def test_who_began_it_is_not_heard_before_it_is_done(broker: Broker) -> None:
    client = owing(broker)
    count = Queue.Declare(queue="q", passive=True)
    assert client.say(Basic.Nack(delivery_tag=0, multiple=True, requeue=True), count) == []
    assert client.say(count) == []
    some(broker)
    assert 0 < len(ready(broker)) < ALL
    assert client.said() == []
    assert [ok.method.message_count for ok in client.go_on()] == [ALL, ALL]


@pytest.mark.parametrize("count", [1, 3])
def test_others_are_served_meanwhile(broker: Broker, count: int) -> None:
    client, other = owing(broker), Client.opened(broker)
    client.say(Basic.Nack(delivery_tag=0, multiple=True, requeue=True))
    some(broker)
    there = ready(broker)
    other.session.receive(b"".join(method_frame(Basic.Get(queue="q", no_ack=True), 1) for _ in range(count)), 0)
    got = other.transcript.read(other.take_output())
    assert [each.body for each in got if each.name == "Basic.GetOk"] == there[:count]
    client.finish()
    assert len(ready(broker)) == ALL - len(there[:count])


@pytest.mark.parametrize(
    ("method", "reply"),
    [
        (Basic.Recover(requeue=True), "Basic.RecoverOk"),
        (LEAVE, "Channel.CloseOk"),
        (BYE, "Connection.CloseOk"),
        (Queue.Delete(queue="q"), "Queue.DeleteOk"),
    ],
)
def test_a_reply_comes_when_it_comes_in_rabbitmq(broker: Broker, method: Method, reply: str) -> None:
    """Recover is answered before its messages are back; all else when it is done."""
    client = owing(broker)
    for number in range(5):
        client.send(Queue.Bind(queue="q", exchange="amq.topic", routing_key=str(number)))
    at_once = names(client.say(method, channel=0 if method is BYE else 1))
    assert at_once == ([reply] if isinstance(method, Basic.Recover) else [])
    assert names(client.go_on()) == ([] if at_once else [reply])


@pytest.mark.parametrize("verdict", ["drop", "ack", "requeue"])
@pytest.mark.parametrize("ending", ["lost", "forced", "close"])
def test_a_connection_that_ends_during_its_work_leaves_after_it(broker: Broker, verdict: str, ending: str) -> None:
    """What it answered is answered; only what it did not answer comes back."""
    client = owing(broker)
    said = (
        Basic.Ack(delivery_tag=7, multiple=True)
        if verdict == "ack"
        else Basic.Nack(delivery_tag=7, multiple=True, requeue=verdict == "requeue")
    )
    assert client.say(said) == []
    some(broker)
    if ending == "lost":
        client.session.lost()
    elif ending == "forced":
        client.session.close("reason")
        assert client.said() == []
    else:
        client.say(BYE, channel=0)
    expected = {"lost": [], "forced": ["Connection.Close"], "close": ["Connection.CloseOk"]}
    assert names(client.go_on()) == expected[ending]
    assert client.session.state is (State.CLOSED if ending == "lost" else State.CLOSING)
    first = 0 if verdict == "requeue" else 7
    assert ready(broker) == [str(number).encode() for number in range(first, ALL)]
    assert remains(broker) == {}


def test_a_connection_that_is_lost_while_it_leaves(broker: Broker) -> None:
    client = owing(broker)
    client.say(BYE, channel=0)
    client.session.lost()
    client.session.close("too late")
    client.finish()
    assert client.session.is_closed
    assert len(ready(broker)) == ALL
    assert remains(broker) == {}


@pytest.mark.parametrize("ending", [LEAVE, Basic.Nack(delivery_tag=0, multiple=True, requeue=True)])
def test_the_queue_is_deleted_while_messages_return_to_it(broker: Broker, ending: Method) -> None:
    client, other = owing(broker), Client.opened(broker)
    client.say(ending)
    some(broker)
    other.session.receive(method_frame(Queue.Delete(queue="q"), 1), 0)
    broker.settle()
    assert "q" not in broker.vhosts["/"].queues
    client.finish()
    other.send(Queue.Declare(queue="q"))
    assert ready(broker) == []
    assert remains(broker) == {}


def test_the_queue_is_purged_while_messages_return_to_it(broker: Broker) -> None:
    client, other = owing(broker), Large.opened(broker)
    client.say(Basic.Nack(delivery_tag=0, multiple=True, requeue=True))
    some(broker)
    count = len(ready(broker))
    other.session.receive(method_frame(Queue.Purge(queue="q"), 1), 0)
    client.finish()
    (purged,) = other.transcript.read(other.take_output())
    assert purged.method.message_count == count
    assert len(ready(broker)) == ALL - count


def test_a_deleted_queue_gets_nothing_while_it_is_still_bound(broker: Broker) -> None:
    client, other = owing(broker), Client.opened(broker)
    for number in range(5):
        client.send(Queue.Bind(queue="q", exchange="amq.direct", routing_key=str(number)))
    client.say(Queue.Delete(queue="q"))
    (binding, *_) = broker.vhosts["/"].exchanges["amq.direct"].bindings.values()
    frames = publish_frames(binding.routing_key, b"late", exchange="amq.direct", mandatory=True)
    other.session.receive(frames, 0)
    assert names(other.transcript.read(other.take_output())) == ["Basic.Return"]
    client.finish()
    assert not broker.vhosts["/"].exchanges["amq.direct"].bindings


@pytest.mark.parametrize("kind", ["x-random", "x-modulus-hash", "x-consistent-hash"])
def test_a_deleted_queue_is_not_chosen(broker: Broker, kind: str) -> None:
    client, other = Large.opened(broker), Client.opened(broker)
    other.send(Exchange.Declare(exchange="x", exchange_type=kind))
    for name in ("gone", "there"):
        other.send(Queue.Declare(queue=name))
        for number in range(1, 5):
            other.send(Queue.Bind(queue=name, exchange="x", routing_key=str(number)))
    for number in range(20):
        other.publish(str(number), exchange="x")
    other.send(Queue.Purge(queue="there"))
    assert isinstance(client, Large)
    client.say(Queue.Delete(queue="gone"))
    assert len(broker.vhosts["/"].exchanges["x"].bindings) > 4
    for number in range(20):
        other.session.receive(publish_frames(str(number), b"", exchange="x"), 0)
    assert broker.vhosts["/"].queues["there"].ready_count == 20
    client.finish()


def test_an_exchange_that_is_deleted_bit_by_bit_routes_nothing(broker: Broker) -> None:
    client, other = Large.opened(broker), Client.opened(broker)
    assert isinstance(client, Large)
    client.send(Queue.Declare(queue="q"), Exchange.Declare(exchange="x"), Exchange.Declare(exchange="source"))
    client.send(Exchange.Bind(destination="x", source="source"))
    for number in range(5):
        client.send(Queue.Bind(queue="q", exchange="x", routing_key=str(number)), Queue.Bind(queue="q", exchange="x"))
    assert client.say(Exchange.Delete(exchange="x")) == []
    other.session.receive(publish_frames("", b"", exchange="source"), 0)
    assert ready(broker) == []
    other.session.receive(method_frame(Exchange.Declare(exchange="x"), 1), 0)
    assert names(client.go_on()) == ["Exchange.DeleteOk"]
    assert not broker.vhosts["/"].bindings_to(broker.vhosts["/"].queues["q"])


def test_silence_meanwhile_is_nobodys_fault(broker: Broker) -> None:
    client = owing(broker)
    client.say(Basic.Nack(delivery_tag=0, multiple=True, requeue=True))
    assert client.session.block.is_blocked
    client.finish()
    assert not client.session.block.is_blocked


def test_a_commit_is_answered_when_it_is_done(broker: Broker) -> None:
    client = owing(broker)
    client.send(Tx.Select())
    client.send(Basic.Ack(delivery_tag=5, multiple=True), Basic.Nack(delivery_tag=7, multiple=True, requeue=False))
    client.feed(b"".join(publish_frames("q", body) for body in (b"a", b"b", b"c")))
    assert client.say(Tx.Commit()) == []
    some(broker, turns=1)
    assert len(ready(broker)) == 2, "of three"
    assert client.said() == []
    client.session.lost()
    assert names(client.go_on()) == ["Tx.CommitOk"]
    assert ready(broker) == [b"7", b"8", b"9", b"a", b"b", b"c"]


def test_a_rollback_gives_back_all_of_it(broker: Broker) -> None:
    client = owing(broker)
    client.send(Tx.Select())
    client.send(Basic.Nack(delivery_tag=9), Basic.Ack(delivery_tag=5, multiple=True))
    assert client.say(Tx.Rollback()) == []
    assert names(client.go_on()) == ["Tx.RollbackOk"]
    assert list(client.session.channels[1].unacked.by_tag) == list(range(1, ALL + 1))
    client.send(Basic.Ack(delivery_tag=0, multiple=True), Tx.Commit())
    assert remains(broker) == {}


@pytest.mark.parametrize("is_deleted", [False, True])
def test_a_get_waits_until_what_expired_is_gone(
    broker: Broker, is_deleted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fifo_queue, "EXPIRED_MAX", 1)
    client, other = Large.opened(broker), Client.opened(broker)
    assert isinstance(client, Large)
    client.send(Queue.Declare(queue="q"))
    client.feed(b"".join(publish_frames("q", b"old", expiration="1") for _ in range(200)))
    client.publish("q", b"new")
    client.now_ms = 10
    assert client.say(Basic.Get(queue="q")) == []
    if is_deleted:
        other.session.receive(method_frame(Queue.Delete(queue="q"), 1), 10)
    (got,) = client.go_on()
    if is_deleted:
        assert (got.name, got.method.reply_code, got.method.method_id) == ("Channel.Close", 404, 70)
    else:
        assert (got.body, got.method.message_count) == (b"new", 0)


def test_messages_for_very_many_queues_are_counted() -> None:
    """Who publishes to 10,000 queues waits now and then, so that others are served between two messages."""
    client = Large.opened()
    assert isinstance(client, Large)
    client.send(Exchange.Declare(exchange="x", exchange_type="fanout"))
    for number in range(TARGETS_MAX + 1):
        client.send(Queue.Declare(queue=str(number)), Queue.Bind(queue=str(number), exchange="x"))
    count = UNITS_AT_ONCE // TARGETS_MAX
    client.session.receive(publish_frames("", b"m", exchange="x") * 2 * count, 0)
    queue = client.broker.vhosts["/"].queues["0"]
    assert queue.ready_count == count
    client.finish()
    assert queue.ready_count == 2 * count


@pytest.mark.parametrize("span", [2, 3, 4])
def test_what_waited_may_have_to_wait_again(broker: Broker, span: int) -> None:
    """Its last frame begins more work: what comes after that is queued behind it, and nothing of it is lost."""
    client = owing(broker)
    for tag in range(1, ALL + 1):
        client.say(Basic.Ack(delivery_tag=tag, multiple=True))
        if tag % span == 0:
            broker.work()
            client.session.receive(b"", client.now_ms)
            broker.settle()
    assert client.go_on() == []
    assert not client.session.is_closed
    assert broker.vhosts["/"].queues["q"].unacked_count == 0
